//! Loop-invariant code motion: what a loop computes the same way each time is computed before it.
//!
//! Pure operations move from anywhere in the loop. Operations that must not happen where Mu does not do them (division,
//! addresses of heap objects: a wrong reference must never be live at a safepoint) and plain loads move only from the
//! head, which runs whenever the loop is entered; loads only out of loops that write nothing and order nothing.
//!
//! Before that, sums are regrouped so that invariant terms stand together: `(x + a) + b` is `x + (a + b)`, and an address
//! `p + (x + a) * 8` of native memory is `(p + a * 8) + x * 8`.

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
pub(super) fn homes(func: &Func, graph: &Graph) -> Vec<Option<Block>> {
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
pub(super) fn preheader(func: &mut Func, graph: &Graph, l: &Loop) -> Block {
    let outside: Vec<Block> =
        graph.preds(l.head).iter().copied().filter(|pred| !l.blocks.contains(pred)).collect();
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

fn hoist(func: &mut Func, l: &Loop, target: Block, home: &mut Vec<Option<Block>>, fuel: &mut Fuel) {
    let mut inside = vec![false; func.blocks.len()];
    l.blocks.iter().for_each(|block| inside[block.index()] = true);
    let writes = l.blocks.iter().any(|block| {
        let data = &func.blocks[block.index()];
        let effect = |inst: &Inst| func.insts[inst.index()].op.effect() == Effect::Write;
        data.insts.iter().any(effect) || matches!(data.term, Terminator::Invoke { .. })
    });
    regroup(func, l, &inside, target, home, fuel);
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

/// Brings invariant terms of sums together. What is made new is put before the loop at once.
fn regroup(
    func: &mut Func,
    l: &Loop,
    inside: &[bool],
    target: Block,
    home: &mut Vec<Option<Block>>,
    fuel: &mut Fuel,
) {
    for &block in &l.blocks {
        for inst in func.blocks[block.index()].insts.clone() {
            let data = &func.insts[inst.index()];
            let varies = |value: Value| home[value.index()].is_some_and(|block| inside[block.index()]);
            let sum = |value: Value| match func.as_op(value)? {
                (Op::Add, &[a, b]) if varies(value) && varies(a) && !varies(b) => Some((a, b)),
                (Op::Add, &[a, b]) if varies(value) && varies(b) && !varies(a) => Some((b, a)),
                _ => None,
            };
            let &[a, b] = &data.args[..] else { continue };
            let (op, new, args, old) = match data.op {
                // (x + c) + d, where one of c and d is no constant: constants are best added last, in an address.
                Op::Add if varies(a) != varies(b) => {
                    let (inner, d) = if varies(a) { (a, b) } else { (b, a) };
                    let Some((x, c)) = sum(inner) else { continue };
                    if func.as_const(c).is_some() || func.as_const(d).is_some() {
                        continue;
                    }
                    (Op::Add, Op::Add, [c, d], x)
                }
                Op::Index(stride) if !varies(a) && !func.ty(a).is_root() => {
                    let Some((x, c)) = sum(b) else { continue };
                    if func.as_const(c).is_some() {
                        continue;
                    }
                    (Op::Index(stride), Op::Index(stride), [a, c], x)
                }
                _ => continue,
            };
            if !fuel.burn() {
                return;
            }
            let (ty, source) = (func.ty(func.insts[inst.index()].results[0]), data.source);
            let outer = func.make_inst(new, &args, &[ty], source);
            func.blocks[target.index()].insts.push(outer);
            let value = func.insts[outer.index()].results[0];
            home.resize(func.value_count(), None);
            home[value.index()] = Some(target);
            let data = &mut func.insts[inst.index()];
            data.op = op;
            data.args = match op {
                Op::Add => Args::from_slice(&[old, value]),
                _ => Args::from_slice(&[value, old]),
            };
        }
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
