//! Replays allocated code over sets of locations and checks the stack maps. On in debug builds.
//!
//! A forward dataflow: which virtual registers does each location hold? Moves copy, definitions replace, clobbers empty.
//! At a safepoint every slot of the map must hold its reference, and **all other locations lose their references**, as
//! if the collector had moved every object. A later use must find its value where the allocator says. So a map
//! that lacks a live reference, or a stale copy that is read after the call, is found on every path, without a collection.

use super::inst::{Kind, VCode};
use regalloc2::{Allocation, Edit, InstOrEdit, OperandKind, OperandPos, Output, VReg};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// What a location holds: virtual registers, by number.
type Held = SmallVec<[u32; 2]>;
type State = BTreeMap<u32, Held>;

fn key(allocation: Allocation) -> u32 {
    allocation.bits()
}

/// Checks an allocation.
///
/// # Errors
/// The first place where a reference is not where it should be.
pub fn check(code: &VCode, output: &Output) -> Result<(), String> {
    let mut at_entry: Vec<Option<State>> = vec![None; code.blocks.len()];
    at_entry[0] = Some(State::new());
    let mut work = vec![0usize];
    while let Some(block) = work.pop() {
        let Some(mut state) = at_entry[block].clone() else { continue };
        run(code, output, block, &mut state)?;
        for succ in &code.blocks[block].succs {
            let mut next = state.clone();
            pass_arguments(code, block, succ.index(), &mut next);
            let changed = match &mut at_entry[succ.index()] {
                Some(known) => intersect(known, &next),
                unknown => {
                    *unknown = Some(next);
                    true
                }
            };
            if changed {
                work.push(succ.index());
            }
        }
    }
    Ok(())
}

/// A parameter is wherever its argument is.
fn pass_arguments(code: &VCode, block: usize, succ: usize, state: &mut State) {
    let (args, params) = (&code.blocks[block].args, &code.blocks[succ].params);
    for held in state.values_mut() {
        let before = held.clone();
        held.retain(|vreg| !params.iter().any(|param| param.vreg() as u32 == *vreg));
        for (arg, param) in args.iter().zip(params) {
            if before.contains(&(arg.vreg() as u32)) {
                held.push(param.vreg() as u32);
            }
        }
    }
}

/// Keeps what both hold; whether anything went.
fn intersect(known: &mut State, other: &State) -> bool {
    let mut changed = false;
    known.retain(|location, held| {
        let before = held.len();
        match other.get(location) {
            Some(theirs) => held.retain(|vreg| theirs.contains(vreg)),
            None => held.clear(),
        }
        changed |= held.len() != before;
        !held.is_empty()
    });
    changed
}

fn run(code: &VCode, output: &Output, block: usize, state: &mut State) -> Result<(), String> {
    for item in output.block_insts_and_edits(code, regalloc2::Block::new(block)) {
        match item {
            InstOrEdit::Edit(Edit::Move { from, to }) => match state.get(&key(*from)).cloned() {
                Some(held) => {
                    state.insert(key(*to), held);
                }
                None => {
                    state.remove(&key(*to));
                }
            },
            InstOrEdit::Inst(inst) => step(code, output, inst, state)?,
        }
    }
    Ok(())
}

fn step(code: &VCode, output: &Output, inst: regalloc2::Inst, state: &mut State) -> Result<(), String> {
    let data = &code.insts[inst.index()];
    let operands = code.operands_of(inst.index());
    let allocs = output.inst_allocs(inst);
    let expect = |state: &State, vreg: VReg, alloc: Allocation| {
        match state.get(&key(alloc)).is_some_and(|held| held.contains(&(vreg.vreg() as u32))) {
            true => Ok(()),
            false => Err(format!("{inst:?} {:?}: {vreg} is not in {alloc}", data.kind)),
        }
    };
    for (operand, &alloc) in operands.iter().zip(allocs) {
        if operand.kind() == OperandKind::Use {
            expect(state, operand.vreg(), alloc)?;
        }
    }
    for preg in data.clobbers {
        state.remove(&key(Allocation::reg(preg)));
    }
    if matches!(data.kind, Kind::Call { .. }) {
        let mapped: Vec<u32> = operands
            .iter()
            .zip(allocs)
            .filter(|(operand, alloc)| {
                operand.kind() == OperandKind::Use
                    && operand.pos() == OperandPos::Late
                    && alloc.is_stack()
            })
            .map(|(_, &alloc)| key(alloc))
            .collect();
        for (location, held) in state.iter_mut() {
            if !mapped.contains(location) {
                held.retain(|vreg| !code.vreg_types[*vreg as usize].is_root());
            }
        }
    }
    for (operand, &alloc) in operands.iter().zip(allocs) {
        if operand.kind() == OperandKind::Def {
            let vreg = operand.vreg().vreg() as u32;
            state.values_mut().for_each(|held| held.retain(|other| *other != vreg));
            state.insert(key(alloc), Held::from_slice(&[vreg]));
        }
    }
    Ok(())
}
