//! Safepoint polls in loops: so that a thread can be stopped wherever it is.
//!
//! The head of a loop begins with a comparison with the thread's stack limit. The slow path is out of the way and keeps all
//! registers, so that a poll takes nothing from the allocator. A loop needs none when each turn makes a call (prologues
//! test the same word), or when it is short: counted from a constant to a constant. An innermost loop that counts is cut
//! into strips, and polls between them: on its hot way there is nothing.
//!
//! Last of all passes: before it, no pass has to think of collections inside loops without calls.

use super::Fuel;
use super::simplify::{Simple, simplify};
use crate::ssa::graph::{Graph, Loop};
use crate::ssa::{Args, Block, Cond, Def, Edge, Func, I1, Op, Terminator, Ty, Value};
use mu_rt::layout::LeafKind;

/// A loop of at most so many turns, known beforehand, needs no poll.
const SHORT_TURNS: u64 = 1000;

/// Turns of a counted loop between two polls: some microseconds.
const STRIP_TURNS: u64 = 4096;

/// Puts polls into the loops that need one.
pub fn run(func: &mut Func, _: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let (loops, _) = graph.loops();
    let wanting: Vec<usize> = (0..loops.len())
        .filter(|&at| !calls_each_turn(func, &graph, &loops[at]) && !is_short(func, &graph, &loops[at]))
        .collect();
    for &at in &wanting {
        let l = &loops[at];
        let is_inner = !loops.iter().any(|other| other.parent == Some(at));
        match if is_inner { counted(func, &graph, l) } else { None } {
            Some(counter) => strip(func, l, &counter),
            None => {
                poll_at(func, l.head);
            }
        }
    }
    !wanting.is_empty()
}

/// Puts a poll at the beginning of a block.
fn poll_at(func: &mut Func, block: Block) {
    let data = &func.blocks[block.index()];
    let source = data.insts.first().map_or(data.source, |inst| func.insts[inst.index()].source);
    let poll = func.make_inst(Op::Poll, &[], &[], source);
    func.blocks[block.index()].insts.insert(0, poll);
}

/// A loop `while i < end` that counts up by a small step.
struct Counter {
    /// Which parameter of the head `i` is.
    number: usize,
    end: Value,
    step: u64,
    cond: Cond,
    before: Block,
    latch: Block,
}

/// How a loop counts, if its head tests a counter and it has one way in, one way back.
fn counted(func: &Func, graph: &Graph, l: &Loop) -> Option<Counter> {
    let (back, before): (Vec<Block>, Vec<Block>) =
        graph.preds(l.head).iter().copied().partition(|pred| l.blocks.contains(pred));
    let (&[before], &[latch]) = (&before[..], &back[..]) else { return None };
    let jumps = |block: Block| matches!(func.blocks[block.index()].term, Terminator::Jump(_));
    let Terminator::Branch { cond, then, other } = &func.blocks[l.head.index()].term else { return None };
    if !jumps(before) || !jumps(latch) || !l.blocks.contains(&then.block) || l.blocks.contains(&other.block) {
        return None;
    }
    let (Op::ICmp(cond @ (Cond::SLt | Cond::ULt)), &[i, end]) = func.as_op(*cond)? else { return None };
    let number = func.blocks[l.head.index()].params.iter().position(|&param| param == i)?;
    let outside = match func.def(end) {
        Def::Const(_) => true,
        Def::Param(block, _) => !l.blocks.contains(&block),
        Def::Inst(inst, _) => !l.blocks.iter().any(|block| func.blocks[block.index()].insts.contains(&inst)),
    };
    let next = func.blocks[latch.index()].term.edges()[0].args[number];
    let step = match func.as_op(next) {
        Some((Op::Add, &[a, step])) if a == i => func.as_const(step)?,
        _ => return None,
    };
    // Narrow counters have few turns, but their strips would not fit either.
    let wide = matches!(func.ty(i), LeafKind::Int(32 | 64));
    (outside && wide && (1..=64).contains(&step)).then_some(Counter {
        number,
        end,
        step,
        cond,
        before,
        latch,
    })
}

/// Cuts a counted loop into strips: the head tests against the end of the strip, and only there is a poll.
///
/// ```text
/// b1(i): branch (i < end) b2() exit()
///     →  b1(i, limit): branch (i < limit) b2() s()
///        s(): branch (i < end) c() exit()
///        c() cold: poll; jump b1(i, min(i + strip, end))
/// ```
///
/// `limit` is never beyond `end`, so nothing overflows: `i + strip` is used only where `end - i` is greater than the strip.
fn strip(func: &mut Func, l: &Loop, counter: &Counter) {
    let head = l.head;
    let source = func.blocks[head.index()].source;
    let params = func.blocks[head.index()].params.clone();
    let i = params[counter.number];
    let ty = func.ty(i);
    let first = func.blocks[counter.before.index()].term.edges()[0].args[counter.number];
    let mut build = Builder { func, source };
    // On the way in the loop may be over before it begins.
    let begins = build.op(counter.before, Op::ICmp(counter.cond), I1, &[first, counter.end]);
    let strip_end = build.strip_end(counter.before, counter, first);
    let entered = build.op(counter.before, Op::Select, ty, &[begins, strip_end, counter.end]);
    let limit = build.func.add_param(head, ty);
    for (block, value) in [(counter.before, entered), (counter.latch, limit)] {
        for edge in build.func.blocks[block.index()].term.edges_mut() {
            edge.args.push(value);
        }
    }
    let (test, again) = (build.func.add_block(), build.func.add_block());
    let goes_on = build.op(test, Op::ICmp(counter.cond), I1, &[i, counter.end]);
    let next = build.strip_end(again, counter, i);
    let inside = build.op(head, Op::ICmp(counter.cond), I1, &[i, limit]);
    let to = |block| Edge { block, args: Args::new() };
    let Terminator::Branch { then, other, .. } = func.blocks[head.index()].term.clone() else { return };
    func.blocks[head.index()].term = Terminator::Branch { cond: inside, then, other: to(test) };
    func.blocks[test.index()].term = Terminator::Branch { cond: goes_on, then: to(again), other };
    let args = params.into_iter().chain([next]).collect();
    func.blocks[again.index()].term = Terminator::Jump(Edge { block: head, args });
    func.blocks[again.index()].cold = true;
    for block in [test, again] {
        func.blocks[block.index()].source = source;
    }
    poll_at(func, again);
}

struct Builder<'a> {
    func: &'a mut Func,
    source: u32,
}

impl Builder<'_> {
    fn op(&mut self, block: Block, op: Op, ty: Ty, args: &[Value]) -> Value {
        let inst = self.func.make_inst(op, args, &[ty], self.source);
        if let Some(Simple::Is(value)) = simplify(self.func, inst) {
            return value;
        }
        self.func.blocks[block.index()].insts.push(inst);
        self.func.insts[inst.index()].results[0]
    }

    /// The end of the strip that begins at `from`, which is below the end of the loop.
    fn strip_end(&mut self, block: Block, counter: &Counter, from: Value) -> Value {
        let ty = self.func.ty(from);
        let strip = self.func.constant(ty, STRIP_TURNS * counter.step);
        let rest = self.op(block, Op::Sub, ty, &[counter.end, from]);
        let more = self.op(block, Op::ICmp(Cond::UGt), I1, &[rest, strip]);
        let sum = self.op(block, Op::Add, ty, &[strip, from]);
        self.op(block, Op::Select, ty, &[more, sum, counter.end])
    }
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
