//! Dead code: instructions and parameters whose values reach nothing that matters.
//!
//! Marks from what must happen (effects, terminators) backwards; what is not marked goes.

use super::Fuel;
use crate::ssa::graph::Graph;
use crate::ssa::{Def, Func, Terminator, Value};

/// Removes unused instructions and parameters.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let mut live = vec![false; func.value_count()];
    let mut work: Vec<Value> = Vec::new();
    let mark = |value: Value, live: &mut Vec<bool>, work: &mut Vec<Value>| {
        if !std::mem::replace(&mut live[value.index()], true) {
            work.push(value);
        }
    };
    for &block in &graph.order {
        let data = &func.blocks[block.index()];
        for inst in &data.insts {
            let inst = &func.insts[inst.index()];
            if !inst.op.is_removable() {
                inst.args.iter().for_each(|&arg| mark(arg, &mut live, &mut work));
            }
        }
        match &data.term {
            Terminator::Branch { cond: value, .. }
            | Terminator::Switch { value, .. }
            | Terminator::Throw(value) => mark(*value, &mut live, &mut work),
            Terminator::Ret(args) | Terminator::TailCall { args, .. } => {
                args.iter().for_each(|&arg| mark(arg, &mut live, &mut work));
            }
            Terminator::Invoke { call, .. } => {
                let args = &func.insts[call.index()].args;
                args.iter().for_each(|&arg| mark(arg, &mut live, &mut work));
            }
            Terminator::Jump(_) | Terminator::Unreachable => {}
        }
    }
    // A parameter that matters makes the arguments for it matter.
    while let Some(value) = work.pop() {
        match func.def(value) {
            Def::Const(_) => {}
            Def::Inst(inst, _) => {
                func.insts[inst.index()].args.iter().for_each(|&arg| mark(arg, &mut live, &mut work));
            }
            Def::Param(block, number) => {
                for pred in graph.preds(block) {
                    for edge in func.blocks[pred.index()].term.edges() {
                        if edge.block == block {
                            mark(edge.args[number as usize], &mut live, &mut work);
                        }
                    }
                }
            }
        }
    }
    sweep(func, &graph, &live, fuel)
}

fn sweep(func: &mut Func, graph: &Graph, live: &[bool], fuel: &mut Fuel) -> bool {
    let mut changed = false;
    for &block in &graph.order {
        let mut insts = std::mem::take(&mut func.blocks[block.index()].insts);
        insts.retain(|inst| {
            let data = &func.insts[inst.index()];
            let used = data.results.iter().any(|result| live[result.index()]);
            let keep = used || !data.op.is_removable() || !fuel.burn();
            changed |= !keep;
            keep
        });
        func.blocks[block.index()].insts = insts;
        if block == Func::ENTRY {
            continue;
        }
        let params = &func.blocks[block.index()].params;
        let keep: Vec<bool> = params.iter().map(|param| live[param.index()] || !fuel.burn()).collect();
        if keep.contains(&false) {
            changed = true;
            super::params::remove(func, graph, block, &keep);
        }
    }
    changed
}
