//! Global value numbering: an operation that was computed on every way to here is not computed again.
//!
//! Blocks in reverse postorder, one table from operations with operands to their results. An entry serves where its
//! block dominates. Each instruction is first brought into its simplest form ([`super::simplify`]), which may be a value that
//! is there already, a constant, or other instructions before it.

use super::Fuel;
use super::simplify::{self, Simple};
use crate::ssa::graph::Graph;
use crate::ssa::{Args, Block, Effect, Func, Inst, Op, Ty, Value, hash};
use hashbrown::HashMap;

type Key = (Op, Ty, Args);

/// Numbers the values of a function.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let mut table: HashMap<Key, (Value, Block), hash::Fx> = HashMap::default();
    let mut changed = false;
    for &block in &graph.order {
        let insts = std::mem::take(&mut func.blocks[block.index()].insts);
        let mut out = Vec::with_capacity(insts.len());
        for inst in insts {
            resolve(func, inst);
            let before = out.len();
            changed |= one(func, &graph, block, inst, &mut table, &mut out, fuel, 0);
            changed |= out.len() != before + 1 || out.last() != Some(&inst);
        }
        func.blocks[block.index()].insts = out;
        let mut term =
            std::mem::replace(&mut func.blocks[block.index()].term, crate::ssa::Terminator::Unreachable);
        term.map_uses(|value| func.resolve(value));
        func.blocks[block.index()].term = term;
    }
    func.resolve_all();
    changed
}

fn resolve(func: &mut Func, inst: Inst) {
    let mut args = std::mem::take(&mut func.insts[inst.index()].args);
    args.iter_mut().for_each(|arg| *arg = func.resolve(*arg));
    func.insts[inst.index()].args = args;
}

/// How often the instructions a simplification makes are simplified again.
const DEPTH_MAX: u32 = 4;

/// Simplifies and numbers one instruction; adds what is left of it to `out`.
#[allow(clippy::too_many_arguments, reason = "one step of the loop above")]
fn one(
    func: &mut Func,
    graph: &Graph,
    block: Block,
    inst: Inst,
    table: &mut HashMap<Key, (Value, Block), hash::Fx>,
    out: &mut Vec<Inst>,
    fuel: &mut Fuel,
    depth: u32,
) -> bool {
    let data = &func.insts[inst.index()];
    if !matches!(data.effect(), Effect::Pure | Effect::PureInPlace) || data.results.len() != 1 {
        out.push(inst);
        return false;
    }
    let result = data.results[0];
    if depth < DEPTH_MAX
        && let Some(simple) = simplify::simplify(func, inst)
        && fuel.burn()
    {
        match simple {
            Simple::Is(value) => {
                func.replace(result, value);
                return true;
            }
            Simple::Steps(steps) => {
                let (last, first) = steps.split_last().expect("at least one step");
                for &step in first {
                    resolve(func, step);
                    one(func, graph, block, step, table, out, fuel, depth + 1);
                }
                // The last step takes the place of the instruction.
                let (op, args) = (func.insts[last.index()].op, func.insts[last.index()].args.clone());
                let data = &mut func.insts[inst.index()];
                (data.op, data.args) = (op, args);
                resolve(func, inst);
                one(func, graph, block, inst, table, out, fuel, depth + 1);
                return true;
            }
        }
    }
    let data = &func.insts[inst.index()];
    let key = (data.op, func.ty(result), data.args.clone());
    if let Some(&(value, home)) = table.get(&key)
        && value != result
        && graph.dominates(home, block)
        && fuel.burn()
    {
        func.replace(result, value);
        return true;
    }
    table.insert(key, (result, block));
    out.push(inst);
    false
}

impl crate::ssa::InstData {
    fn effect(&self) -> Effect {
        self.op.effect()
    }
}
