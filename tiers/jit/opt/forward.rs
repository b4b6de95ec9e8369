//! Store-to-load and load-to-load forwarding: a plain load of what was just stored or loaded is that value.
//!
//! Along single ways: a block begins with what its only predecessor knew. Knowledge is a list of places (address, constant
//! offset, type) with their values. A store forgets what it may overlap; a call, an atomic access or a fence forgets
//! everything but cells whose address has gone nowhere: the memory model lets plain loads see other threads' stores only
//! behind such an instruction.

use super::Fuel;
use crate::ssa::graph::Graph;
use crate::ssa::{Effect, Func, Inst, Op, Terminator, Ty, Value};
use mu_ir::table::MemOrder;

/// Places that are remembered; older ones are forgotten.
const PLACES_MAX: usize = 64;

/// A place in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    root: Value,
    offset: i64,
    ty: Ty,
}

#[derive(Clone, Copy)]
struct Known {
    place: Place,
    value: Value,
}

/// The base of an address, and how far it is from there.
fn split(func: &Func, mut address: Value) -> (Value, i64) {
    let mut offset = 0i64;
    while let Some((Op::Offset(bytes), &[inner])) = func.as_op(address) {
        offset = offset.wrapping_add(bytes);
        address = func.resolve(inner);
    }
    (address, offset)
}

/// Cells whose addresses only stand in loads and stores to them.
fn private_cells(func: &Func, graph: &Graph) -> Vec<bool> {
    let mut private = vec![true; func.slots.len()];
    let mut spoil = |value: Value| {
        let mut address = value;
        loop {
            match func.as_op(address) {
                Some((Op::Alloca(slot), _)) => {
                    private[slot as usize] = false;
                    return;
                }
                Some((Op::Offset(_) | Op::Index(_) | Op::Retype, args)) => address = args[0],
                _ => return,
            }
        }
    };
    for &block in &graph.order {
        let data = &func.blocks[block.index()];
        let invoked = match data.term {
            Terminator::Invoke { call, .. } => Some(call),
            _ => None,
        };
        for inst in data.insts.iter().copied().chain(invoked) {
            let data = &func.insts[inst.index()];
            match data.op {
                Op::Load(_) | Op::Offset(_) | Op::Index(_) => {}
                Op::Store(_) => spoil(data.args[1]),
                _ => data.args.iter().for_each(|&arg| spoil(arg)),
            }
        }
        data.term.for_each_use(&mut spoil);
    }
    private
}

struct Forward<'a> {
    func: &'a mut Func,
    private: Vec<bool>,
    known: Vec<Known>,
}

/// Forwards.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let private = private_cells(func, &graph);
    let mut at_end: Vec<Option<Vec<Known>>> = vec![None; func.blocks.len()];
    let mut forward = Forward { func, private, known: Vec::new() };
    let mut changed = false;
    for &block in &graph.order {
        let preds = graph.preds(block);
        forward.known = match preds[..] {
            [pred] => at_end[pred.index()].clone().unwrap_or_default(),
            _ => Vec::new(),
        };
        let insts = std::mem::take(&mut forward.func.blocks[block.index()].insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts {
            match forward.inst(inst) {
                Some(value) if fuel.burn() => {
                    let result = forward.func.insts[inst.index()].results[0];
                    forward.func.replace(result, value);
                    changed = true;
                }
                _ => kept.push(inst),
            }
        }
        forward.func.blocks[block.index()].insts = kept;
        if matches!(forward.func.blocks[block.index()].term, Terminator::Invoke { .. }) {
            forward.forget_shared();
        }
        at_end[block.index()] = Some(std::mem::take(&mut forward.known));
    }
    if changed {
        func.resolve_all();
    }
    changed
}

impl Forward<'_> {
    /// What a load gives, if that is known; and what is known after the instruction.
    fn inst(&mut self, inst: Inst) -> Option<Value> {
        let data = &self.func.insts[inst.index()];
        let (op, effect) = (data.op, data.op.effect());
        let address = data.args.first().map(|&address| self.func.resolve(address));
        match (op, address) {
            (Op::Load(MemOrder::NotAtomic), Some(address)) => {
                let result = data.results[0];
                let (root, offset) = split(self.func, address);
                let place = Place { root, offset, ty: self.func.ty(result) };
                if let Some(known) = self.known.iter().find(|known| known.place == place) {
                    return Some(known.value);
                }
                self.learn(place, result);
            }
            (Op::Store(MemOrder::NotAtomic), Some(address)) => {
                let value = self.func.resolve(data.args[1]);
                let (root, offset) = split(self.func, address);
                let place = Place { root, offset, ty: self.func.ty(value) };
                let (func, private) = (&*self.func, &self.private);
                self.known.retain(|known| !may_overlap(func, private, known.place, place));
                self.learn(place, value);
            }
            _ if effect == Effect::Write && !matches!(op, Op::Alloca(_)) => self.forget_shared(),
            _ => {}
        }
        None
    }

    fn learn(&mut self, place: Place, value: Value) {
        if self.known.len() == PLACES_MAX {
            self.known.remove(0);
        }
        self.known.push(Known { place, value });
    }

    fn forget_shared(&mut self) {
        let (func, private) = (&*self.func, &self.private);
        self.known.retain(|known| cell(func, known.place.root).is_some_and(|slot| private[slot as usize]));
    }
}

fn cell(func: &Func, root: Value) -> Option<u32> {
    match func.as_op(root)? {
        (Op::Alloca(slot), _) => Some(slot),
        _ => None,
    }
}

fn may_overlap(func: &Func, private: &[bool], a: Place, b: Place) -> bool {
    if a.root == b.root {
        let end = |place: Place| place.offset + place.ty.size_bytes() as i64;
        return a.offset < end(b) && b.offset < end(a);
    }
    match (cell(func, a.root), cell(func, b.root)) {
        (Some(a), Some(b)) => a == b,
        // An index may lead into a cell from another value of it, but only from inside the function.
        (Some(slot), None) => !private[slot as usize] || is_index(func, b.root),
        (None, Some(slot)) => !private[slot as usize] || is_index(func, a.root),
        (None, None) => true,
    }
}

/// Whether an address was computed with an index: its root may be a cell.
fn is_index(func: &Func, root: Value) -> bool {
    matches!(func.as_op(root), Some((Op::Index(_), _)))
}
