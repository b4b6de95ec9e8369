//! Loop-invariant code motion: what a loop computes the same way each time is computed before it.
//!
//! Pure operations move from anywhere in the loop. Operations that must not happen where Mu does not do them (division,
//! addresses of heap objects: a wrong reference must never be live at a safepoint) and plain loads move only from the
//! head, which runs whenever the loop is entered; loads only out of loops that write nothing and order nothing.

use super::Fuel;
use crate::ssa::graph::{Graph, Loop};
use crate::ssa::{Args, Block, Def, Edge, Effect, Func, Inst, Op, Terminator, Value};
use mu_ir::table::MemOrder;

/// Moves invariant operations out of loops, inner loops first.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let (loops, _) = graph.loops();
    if loops.is_empty() {
        return false;
    }
    // Blocks before the heads; making them changes no order among the others.
    let mut before = Vec::new();
    for l in &loops {
        before.push((l.head, preheader(func, &graph, l)));
    }
    let graph = Graph::new(func);
    let (loops, _) = graph.loops();
    let mut home = homes(func, &graph);
    for l in loops.iter().rev() {
        if let Some(&(_, target)) = before.iter().find(|(head, _)| *head == l.head) {
            hoist(func, l, target, &mut home, fuel);
        }
    }
    true
}

/// The block of each value's definition.
fn homes(func: &Func, graph: &Graph) -> Vec<Option<Block>> {
    let mut home = vec![None; func.value_count()];
    for &block in &graph.order {
        let data = &func.blocks[block.index()];
        data.params.iter().for_each(|param| home[param.index()] = Some(block));
        for inst in &data.insts {
            func.insts[inst.index()].results.iter().for_each(|result| home[result.index()] = Some(block));
        }
        if let Terminator::Invoke { call, .. } = data.term {
            func.insts[call.index()].results.iter().for_each(|result| home[result.index()] = Some(block));
        }
    }
    home
}

/// The block that alone leads into a loop from outside, made if there is none.
fn preheader(func: &mut Func, graph: &Graph, l: &Loop) -> Block {
    let outside: Vec<Block> =
        graph.preds[l.head.index()].iter().copied().filter(|pred| !l.blocks.contains(pred)).collect();
    if let [only] = outside[..]
        && matches!(func.blocks[only.index()].term, Terminator::Jump(_))
    {
        return only;
    }
    let tys: Vec<_> = func.blocks[l.head.index()].params.iter().map(|&param| func.ty(param)).collect();
    let new = func.add_block();
    let args: Args = tys.into_iter().map(|ty| func.add_param(new, ty)).collect();
    func.blocks[new.index()].term = Terminator::Jump(Edge { block: l.head, args });
    func.blocks[new.index()].source = func.blocks[l.head.index()].source;
    for pred in outside {
        for edge in func.blocks[pred.index()].term.edges_mut() {
            if edge.block == l.head {
                edge.block = new;
            }
        }
    }
    new
}

fn hoist(func: &mut Func, l: &Loop, target: Block, home: &mut [Option<Block>], fuel: &mut Fuel) {
    let mut inside = vec![false; func.blocks.len()];
    l.blocks.iter().for_each(|block| inside[block.index()] = true);
    let writes = l.blocks.iter().any(|block| {
        let data = &func.blocks[block.index()];
        let effect = |inst: &Inst| func.insts[inst.index()].op.effect() == Effect::Write;
        data.insts.iter().any(effect) || matches!(data.term, Terminator::Invoke { .. })
    });
    for &block in &l.blocks {
        let insts = std::mem::take(&mut func.blocks[block.index()].insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts {
            let data = &func.insts[inst.index()];
            let may = match data.op.effect() {
                Effect::Pure => worth(data.op),
                Effect::PureInPlace => block == l.head || is_pointer_arithmetic(func, inst),
                Effect::Read => block == l.head && !writes && data.op == Op::Load(MemOrder::NotAtomic),
                Effect::Write => false,
            };
            let invariant = |arg: &Value| match func.def(*arg) {
                Def::Const(_) => true,
                Def::Inst(..) | Def::Param(..) => home[arg.index()].is_some_and(|home| !inside[home.index()]),
            };
            if may && data.args.iter().all(invariant) && fuel.burn() {
                data.results.iter().for_each(|result| home[result.index()] = Some(target));
                func.blocks[target.index()].insts.push(inst);
            } else {
                kept.push(inst);
            }
        }
        func.blocks[block.index()].insts = kept;
    }
}

/// Addresses of native memory are only numbers.
fn is_pointer_arithmetic(func: &Func, inst: Inst) -> bool {
    let data = &func.insts[inst.index()];
    matches!(data.op, Op::Offset(_) | Op::Index(_) | Op::Retype)
        && data.results.iter().chain(&data.args).all(|&value| !func.ty(value).is_root())
}

/// Comparisons are best next to the branch that uses them.
fn worth(op: Op) -> bool {
    !matches!(op, Op::ICmp(_) | Op::FCmp(_))
}
