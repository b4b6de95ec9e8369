//! ALLOCA promotion: frame cells that are only loaded and stored become values.
//!
//! A cell qualifies when its address goes nowhere but, with constant offsets, into plain loads and stores, and these touch
//! it in disjoint places of one type each. Every such place becomes a variable: zero when the cell is made, a new
//! value at each store. Blocks where several ways meet get a parameter for each variable that is live there; those that
//! turn out to be redundant are `params`' to remove.
//!
//! ```text
//! v1 = alloca s0                         jump b1(0)
//! store v1 0                             b1(v9):
//! jump b1()                         →        v3 = add v9 1
//! b1(): v2 = load v1; v3 = add v2 1          …
//!       store v1 v3 …
//! ```

use super::Fuel;
use crate::ssa::graph::Graph;
use crate::ssa::{Block, Func, Inst, Op, Terminator, Ty, Value};
use crate::x64::regalloc::Bits;
use mu_ir::table::MemOrder;

/// A promotable cell has at most this many places.
const PLACES_MAX: usize = 64;

/// A variable: a place in a cell.
#[derive(Clone, Copy)]
struct Variable {
    slot: u32,
    offset: i64,
    ty: Ty,
}

/// What an instruction does to variables.
#[derive(Clone, Copy)]
enum Access {
    None,
    /// The cell is made: all its variables are zero.
    Make(u32),
    Load(usize),
    Store(usize, Value),
}

struct Promoter {
    variables: Vec<Variable>,
    /// Whether each slot is promoted.
    slots: Vec<bool>,
}

/// Promotes cells.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    if func.slots.is_empty() {
        return false;
    }
    let graph = Graph::new(func);
    let Some(promoter) = find(func, &graph, fuel) else { return false };
    promoter.rewrite(func, &graph);
    for (slot, promoted) in func.slots.iter_mut().zip(&promoter.slots) {
        slot.promoted |= promoted;
    }
    func.resolve_all();
    true
}

/// The cell an address points into, and where.
fn place_of(func: &Func, mut address: Value) -> Option<(u32, i64)> {
    let mut offset = 0i64;
    loop {
        match func.as_op(address)? {
            (Op::Alloca(slot), _) => return Some((slot, offset)),
            (Op::Offset(bytes), &[inner]) => {
                offset = offset.checked_add(bytes)?;
                address = inner;
            }
            _ => return None,
        }
    }
}

/// Finds the cells that qualify, and their variables.
fn find(func: &Func, graph: &Graph, fuel: &mut Fuel) -> Option<Promoter> {
    let mut good = vec![true; func.slots.len()];
    let mut made = vec![0u32; func.slots.len()];
    let mut variables: Vec<Variable> = Vec::new();
    let spoil = |value: Value, good: &mut Vec<bool>| {
        if let Some((slot, _)) = place_of(func, value) {
            good[slot as usize] = false;
        }
    };
    for &block in &graph.order {
        let data = &func.blocks[block.index()];
        for inst in &data.insts {
            let inst = &func.insts[inst.index()];
            let place = inst.args.first().and_then(|&address| place_of(func, address));
            match (inst.op, place) {
                (Op::Alloca(slot), _) => made[slot as usize] += 1,
                (Op::Offset(_), Some(_)) => {}
                (Op::Load(MemOrder::NotAtomic), Some((slot, offset))) => {
                    let ty = func.ty(inst.results[0]);
                    touch(func, &mut variables, &mut good, Variable { slot, offset, ty });
                }
                (Op::Store(MemOrder::NotAtomic), Some((slot, offset))) => {
                    let ty = func.ty(inst.args[1]);
                    touch(func, &mut variables, &mut good, Variable { slot, offset, ty });
                    spoil(inst.args[1], &mut good);
                }
                _ => inst.args.iter().for_each(|&arg| spoil(arg, &mut good)),
            }
        }
        data.term.for_each_use(|value| spoil(value, &mut good));
        if let Terminator::Invoke { call, .. } = data.term {
            func.insts[call.index()].args.iter().for_each(|&arg| spoil(arg, &mut good));
        }
    }
    let slots: Vec<bool> = (0..good.len()).map(|slot| good[slot] && made[slot] == 1 && fuel.burn()).collect();
    variables.retain(|variable| slots[variable.slot as usize]);
    slots.contains(&true).then_some(Promoter { variables, slots })
}

/// Notes an access to a place; the cell is spoilt if it fits no variable.
fn touch(func: &Func, variables: &mut Vec<Variable>, good: &mut [bool], new: Variable) {
    let slot = new.slot as usize;
    let end = |variable: &Variable| variable.offset + variable.ty.size_bytes() as i64;
    let inside = new.offset >= 0 && end(&new) <= func.slots[slot].size_bytes as i64;
    let mut overlapping = variables
        .iter()
        .filter(|other| other.slot == new.slot && other.offset < end(&new) && new.offset < end(other));
    match overlapping.next() {
        Some(same) if same.offset == new.offset && same.ty == new.ty => {}
        Some(_) => good[slot] = false,
        None => {
            variables.push(new);
            let count = variables.iter().filter(|other| other.slot == new.slot).count();
            good[slot] &= inside && count <= PLACES_MAX;
        }
    }
}

impl Promoter {
    fn access(&self, func: &Func, inst: Inst) -> Access {
        let data = &func.insts[inst.index()];
        let variable = |address: Value| {
            let (slot, offset) = place_of(func, address)?;
            self.variables.iter().position(|known| known.slot == slot && known.offset == offset)
        };
        match data.op {
            Op::Alloca(slot) if self.slots[slot as usize] => Access::Make(slot),
            Op::Load(MemOrder::NotAtomic) => variable(data.args[0]).map_or(Access::None, Access::Load),
            Op::Store(MemOrder::NotAtomic) => {
                variable(data.args[0]).map_or(Access::None, |at| Access::Store(at, data.args[1]))
            }
            _ => Access::None,
        }
    }

    /// Which variables are live at the beginning of each block.
    fn live_in(&self, func: &Func, graph: &Graph, accesses: &[Vec<Access>]) -> Vec<Bits> {
        let count = self.variables.len();
        let mut live = vec![Bits::new(count); func.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for &block in graph.order.iter().rev() {
                let mut now = Bits::new(count);
                for succ in func.blocks[block.index()].term.successors() {
                    now.union(&live[succ.index()]);
                }
                for access in accesses[block.index()].iter().rev() {
                    match *access {
                        Access::None => {}
                        Access::Load(at) => {
                            now.insert(at);
                        }
                        Access::Store(at, _) => now.remove(at),
                        Access::Make(slot) => self.of_slot(slot).for_each(|at| now.remove(at)),
                    }
                }
                changed |= live[block.index()].union(&now);
            }
        }
        live
    }

    fn of_slot(&self, slot: u32) -> impl Iterator<Item = usize> + '_ {
        let variables = self.variables.iter().enumerate();
        variables.filter(move |(_, variable)| variable.slot == slot).map(|(at, _)| at)
    }

    fn rewrite(&self, func: &mut Func, graph: &Graph) {
        let accesses: Vec<Vec<Access>> = func
            .blocks
            .iter()
            .map(|block| block.insts.iter().map(|&inst| self.access(func, inst)).collect())
            .collect();
        let live = self.live_in(func, graph, &accesses);
        // Parameters where ways meet.
        let mut added: Vec<Vec<usize>> = vec![Vec::new(); func.blocks.len()];
        for &block in &graph.order {
            if graph.preds(block).len() > 1 {
                for at in live[block.index()].iter() {
                    func.add_param(block, self.variables[at].ty);
                    added[block.index()].push(at);
                }
            }
        }
        let mut at_end: Vec<Option<Vec<Value>>> = vec![None; func.blocks.len()];
        for &block in &graph.order {
            let mut state = self.at_begin(func, graph, block, &added, &at_end);
            self.rewrite_block(func, block, &accesses[block.index()], &mut state);
            at_end[block.index()] = Some(state);
        }
        for &block in &graph.order {
            let Some(state) = &at_end[block.index()] else { continue };
            for edge in func.blocks[block.index()].term.edges_mut() {
                edge.args.extend(added[edge.block.index()].iter().map(|&at| state[at]));
            }
        }
    }

    fn at_begin(
        &self,
        func: &mut Func,
        graph: &Graph,
        block: Block,
        added: &[Vec<usize>],
        at_end: &[Option<Vec<Value>>],
    ) -> Vec<Value> {
        let preds = graph.preds(block);
        let single = if preds.len() == 1 { at_end[preds[0].index()].clone() } else { None };
        let mut state = single.unwrap_or_else(|| {
            // Where nothing is live, what a variable holds does not matter.
            self.variables.iter().map(|variable| func.constant(variable.ty, 0)).collect()
        });
        let params = &func.blocks[block.index()].params;
        let first = params.len() - added[block.index()].len();
        for (n, &at) in added[block.index()].iter().enumerate() {
            state[at] = params[first + n];
        }
        state
    }

    fn rewrite_block(&self, func: &mut Func, block: Block, accesses: &[Access], state: &mut [Value]) {
        let insts = std::mem::take(&mut func.blocks[block.index()].insts);
        let mut kept = Vec::with_capacity(insts.len());
        for (&inst, access) in insts.iter().zip(accesses) {
            match *access {
                Access::None => {
                    // Addresses of places that are gone.
                    let data = &func.insts[inst.index()];
                    let gone = matches!(data.op, Op::Offset(_))
                        && place_of(func, data.results[0]).is_some_and(|(slot, _)| self.slots[slot as usize]);
                    if !gone {
                        kept.push(inst);
                    }
                }
                Access::Make(slot) => {
                    for at in self.of_slot(slot) {
                        state[at] = func.constant(self.variables[at].ty, 0);
                    }
                }
                Access::Load(at) => {
                    let result = func.insts[inst.index()].results[0];
                    let value = func.resolve(state[at]);
                    func.replace(result, value);
                }
                Access::Store(at, value) => state[at] = func.resolve(value),
            }
        }
        func.blocks[block.index()].insts = kept;
    }
}
