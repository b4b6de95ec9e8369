//! Control flow: branches whose way is known, blocks that only jump on, blocks with one way in.
//!
//! * A branch on a constant, or with equal edges, is a jump. A switch on a constant is one.
//! * A branch on `x xor 1` is the opposite branch on `x`.
//! * A jump to a block that only jumps on goes to where that goes.
//! * A block whose only predecessor jumps to it is part of that predecessor.

use super::Fuel;
use crate::ssa::graph::Graph;
use crate::ssa::{Block, Def, Edge, Func, I1, Op, Terminator, Value};

/// Simplifies the control flow, to a fixed point.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    let mut changed = false;
    loop {
        let mut again = fold(func, fuel);
        let graph = Graph::new(func);
        let threaded = thread(func, &graph, fuel);
        let graph = if threaded { Graph::new(func) } else { graph };
        let merged = merge(func, &graph, fuel);
        // Merging brings blocks together; it makes nothing else possible but folding what it brought together.
        again |= threaded;
        changed |= again | merged;
        if !again {
            return changed;
        }
    }
}

/// Branches whose way is known.
fn fold(func: &mut Func, fuel: &mut Fuel) -> bool {
    let mut changed = false;
    for at in 0..func.blocks.len() {
        let new = match &func.blocks[at].term {
            Terminator::Branch { cond, then, other } => match func.as_const(*cond) {
                Some(0) => Some(Terminator::Jump(other.clone())),
                Some(_) => Some(Terminator::Jump(then.clone())),
                None if then == other => Some(Terminator::Jump(then.clone())),
                None => negated(func, *cond).map(|cond| Terminator::Branch {
                    cond,
                    then: other.clone(),
                    other: then.clone(),
                }),
            },
            Terminator::Switch { value, cases, default } => match func.as_const(*value) {
                Some(bits) => {
                    let edge = cases.iter().find(|(case, _)| *case == bits).map_or(default, |(_, edge)| edge);
                    Some(Terminator::Jump(edge.clone()))
                }
                None if cases.is_empty() => Some(Terminator::Jump(default.clone())),
                None => None,
            },
            Terminator::Jump(_)
            | Terminator::Ret(_)
            | Terminator::TailCall { .. }
            | Terminator::Throw(_)
            | Terminator::Invoke { .. }
            | Terminator::Unreachable => None,
        };
        if let Some(term) = new
            && fuel.burn()
        {
            func.blocks[at].term = term;
            changed = true;
        }
    }
    changed
}

/// What a condition is the negation of.
fn negated(func: &Func, cond: Value) -> Option<Value> {
    match func.as_op(cond)? {
        (Op::Xor, &[inner, one]) if func.as_const(one) == Some(1) && func.ty(inner) == I1 => Some(inner),
        _ => None,
    }
}

/// Where an edge ends up that leads to a block which only jumps on.
fn onward(func: &Func, edge: &Edge) -> Option<Edge> {
    let data = &func.blocks[edge.block.index()];
    let Terminator::Jump(next) = &data.term else { return None };
    if !data.insts.is_empty() || next.block == edge.block {
        return None;
    }
    // Parameters must be used by the jump alone: they are, or this block would dominate other uses.
    let mut args = next.args.clone();
    for arg in &mut args {
        if let Def::Param(block, number) = func.def(*arg)
            && block == edge.block
        {
            *arg = edge.args[number as usize];
        }
    }
    Some(Edge { block: next.block, args })
}

/// Jumps over blocks that only jump on.
fn thread(func: &mut Func, graph: &Graph, fuel: &mut Fuel) -> bool {
    // Blocks whose parameters are used elsewhere must stay where they are.
    let mut used_outside = vec![false; func.blocks.len()];
    let note = |value: Value, at: Block, used_outside: &mut Vec<bool>| {
        if let Def::Param(block, _) = func.def(value)
            && block != at
        {
            used_outside[block.index()] = true;
        }
    };
    for &block in &graph.order {
        let data = &func.blocks[block.index()];
        let invoked = match data.term {
            Terminator::Invoke { call, .. } => Some(call),
            _ => None,
        };
        for inst in data.insts.iter().copied().chain(invoked) {
            func.insts[inst.index()].args.iter().for_each(|&arg| note(arg, block, &mut used_outside));
        }
        data.term.for_each_use(|value| note(value, block, &mut used_outside));
    }
    let mut changed = false;
    for &block in &graph.order {
        let count = func.blocks[block.index()].term.edges().len();
        for number in 0..count {
            let edge = func.blocks[block.index()].term.edges()[number].clone();
            if used_outside[edge.block.index()] {
                continue;
            }
            if let Some(new) = onward(func, &edge)
                && new.block != block
                && fuel.burn()
            {
                *func.blocks[block.index()].term.edges_mut()[number] = new;
                changed = true;
            }
        }
    }
    changed
}

/// Appends blocks with one way in to the block they come from.
fn merge(func: &mut Func, graph: &Graph, fuel: &mut Fuel) -> bool {
    let mut changed = false;
    for &block in &graph.order {
        while let Terminator::Jump(edge) = &func.blocks[block.index()].term {
            let (next, args) = (edge.block, edge.args.clone());
            if next == block || next == Func::ENTRY || graph.preds(next).len() != 1 || !fuel.burn() {
                break;
            }
            let data = &mut func.blocks[next.index()];
            let (params, insts) = (std::mem::take(&mut data.params), std::mem::take(&mut data.insts));
            let (term, source, cold) =
                (std::mem::replace(&mut data.term, Terminator::Unreachable), data.source, data.cold);
            for (param, arg) in params.into_iter().zip(args) {
                func.replace(param, arg);
            }
            let data = &mut func.blocks[block.index()];
            data.insts.extend(insts);
            (data.term, data.source) = (term, source);
            data.cold |= cold && block != Func::ENTRY;
            changed = true;
        }
    }
    if changed {
        func.resolve_all();
    }
    changed
}
