//! Safepoint polls in loops: so that a thread can be stopped wherever it is.
//!
//! The head of a loop begins with a comparison with the thread's stack limit. The slow path is out of the way and keeps all
//! registers, so that a poll takes nothing from the allocator. A loop needs none when each turn makes a call (prologues
//! test the same word), or when it is short: counted from a constant to a constant.
//!
//! Last of all passes: before it, no pass has to think of collections inside loops without calls.

use super::Fuel;
use crate::ssa::graph::{Graph, Loop};
use crate::ssa::{Block, Cond, Func, Op, Terminator};

/// A loop of at most so many turns, known beforehand, needs no poll.
const SHORT_TURNS: u64 = 1000;

/// Puts polls into the loops that need one.
pub fn run(func: &mut Func, _: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let (loops, _) = graph.loops();
    let heads: Vec<Block> = loops
        .iter()
        .filter(|l| !calls_each_turn(func, &graph, l) && !is_short(func, &graph, l))
        .map(|l| l.head)
        .collect();
    for &head in &heads {
        let data = &func.blocks[head.index()];
        let source = data.insts.first().map_or(data.source, |inst| func.insts[inst.index()].source);
        let poll = func.make_inst(Op::Poll, &[], &[], source);
        func.blocks[head.index()].insts.insert(0, poll);
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
            let Terminator::Branch { cond, then, other } = &func.blocks[block.index()].term else {
                return false;
            };
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
