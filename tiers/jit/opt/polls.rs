//! Safepoint polls in loops: so that a thread can be stopped wherever it is.
//!
//! The head of a loop begins with a test of the thread's stack limit; the poll itself is a cold block, which alone is a
//! safepoint: on the hot way nothing is spilled. A loop needs none when each turn makes a call (prologues test the same
//! word), or when it is short: counted from a constant to a constant.
//!
//! ```text
//! b1(v1): …          →     b1(v1): v9 = poll_needed; branch v9 b7() b8()
//!                          b7() cold: poll; jump b8()
//!                          b8(): …
//! ```
//!
//! Last of all passes: before it, no pass has to think of collections inside loops without calls.

use super::Fuel;
use crate::ssa::graph::{Graph, Loop};
use crate::ssa::{Args, Block, Cond, Edge, Func, I1, Op, Terminator};

/// A loop of at most so many turns, known beforehand, needs no poll.
const SHORT_TURNS: u64 = 1000;

/// Puts polls into the loops that need one.
pub fn run(func: &mut Func, _: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let (loops, _) = graph.loops();
    let heads: Vec<Block> =
        loops.iter().filter(|l| !calls_each_turn(func, &graph, l) && !is_short(func, &graph, l)).map(|l| l.head).collect();
    for &head in &heads {
        insert(func, head);
    }
    !heads.is_empty()
}

fn calls_each_turn(func: &Func, graph: &Graph, l: &Loop) -> bool {
    let latches = || graph.preds(l.head).iter().filter(|pred| l.blocks.contains(pred));
    l.blocks.iter().any(|&block| {
        let data = &func.blocks[block.index()];
        let calls = matches!(data.term, Terminator::Invoke { .. })
            || data.insts.iter().any(|inst| matches!(func.insts[inst.index()].op, Op::Call(_)));
        calls && latches().all(|&latch| graph.dominates(block, latch))
    })
}

/// Whether a parameter of the head goes from a constant by a constant step and a comparison with a constant, made on every
/// turn, ends the loop in time; and there is no loop inside that could be long.
fn is_short(func: &Func, graph: &Graph, l: &Loop) -> bool {
    let (mut before, mut back) = (Vec::new(), Vec::new());
    for &pred in graph.preds(l.head) {
        if l.blocks.contains(&pred) { back.push(pred) } else { before.push(pred) }
    }
    let ([before], [latch]) = (&before[..], &back[..]) else { return false };
    let edge_args = |block: Block| {
        let edges = func.blocks[block.index()].term.edges();
        edges.iter().find(|edge| edge.block == l.head).map(|edge| edge.args.clone())
    };
    let (Some(first), Some(next)) = (edge_args(*before), edge_args(*latch)) else { return false };
    let params = &func.blocks[l.head.index()].params;
    params.iter().enumerate().any(|(number, &param)| {
        let step = match func.as_op(next[number]) {
            Some((Op::Add, &[a, b])) if a == param => func.as_const(b),
            _ => None,
        };
        let (Some(start), Some(step @ 1..=64)) = (func.as_const(first[number]), step) else { return false };
        l.blocks.iter().filter(|&&block| graph.dominates(block, *latch)).any(|&block| {
            let Terminator::Branch { cond, then, other } = &func.blocks[block.index()].term else { return false };
            let leaves = !l.blocks.contains(&other.block) && l.blocks.contains(&then.block);
            let Some((Op::ICmp(Cond::SLt | Cond::ULt), &[a, b])) = func.as_op(*cond) else { return false };
            let Some(end) = func.as_const(b) else { return false };
            let counted = a == param || a == next[number];
            let small = end <= start.saturating_add(SHORT_TURNS * step) && end < 1 << 30 && start < 1 << 30;
            // The bound must not be beyond what the type counts to.
            leaves && counted && small && crate::ssa::eval::width(func.ty(param)) >= 32
        })
    })
}

fn insert(func: &mut Func, head: Block) {
    let (cold, rest) = (func.add_block(), func.add_block());
    let source = func.blocks[head.index()].insts.first().map_or(func.blocks[head.index()].source, |inst| {
        func.insts[inst.index()].source
    });
    let to = |block| Edge { block, args: Args::new() };
    let needed = func.make_inst(Op::PollNeeded, &[], &[I1], source);
    let poll = func.make_inst(Op::Poll, &[], &[], source);
    let cond = func.insts[needed.index()].results[0];
    let data = &mut func.blocks[head.index()];
    let insts = std::mem::replace(&mut data.insts, vec![needed]);
    let term = std::mem::replace(&mut data.term, Terminator::Branch { cond, then: to(cold), other: to(rest) });
    let (old_source, was_cold) = (std::mem::replace(&mut data.source, source), data.cold);
    let data = &mut func.blocks[rest.index()];
    (data.insts, data.term, data.source, data.cold) = (insts, term, old_source, was_cold);
    let data = &mut func.blocks[cold.index()];
    (data.insts, data.term, data.source, data.cold) = (vec![poll], Terminator::Jump(to(rest)), source, true);
}
