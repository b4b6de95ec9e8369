//! Replays allocated code over sets of locations: checks the stack maps of calls, makes those of polls.
//!
//! A forward dataflow: which virtual registers does each location hold, on every way to here? Moves copy, definitions
//! replace, clobbers empty. At a call every slot of the map must hold its reference, and **all other locations lose
//! their references**, as if the collector had moved every object. A later use must find its value where the allocator
//! says. So a map that lacks a live reference, or a stale copy that is read after the call, is found on every path,
//! without a collection. That is [`check`], on in debug builds.
//!
//! A poll keeps all registers, so a live reference may be in several places at once, and the allocator may go on reading any
//! of them. What it can read later it must hold on every way to here: exactly the sets of this dataflow. [`poll_maps`]
//! gives them, for the references that are live.

use super::inst::{Kind, VCode};
use hashbrown::HashMap;
use regalloc2::{Allocation, Edit, Inst, InstOrEdit, OperandKind, OperandPos, Output, PReg, SpillSlot, VReg};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// What a location holds: virtual registers, by number.
type Held = SmallVec<[u32; 2]>;
/// By [`key`].
type State = BTreeMap<u32, Held>;
/// Where the live references are at each poll.
pub type PollMaps = HashMap<u32, Vec<(Allocation, VReg)>>;

/// Checks an allocation.
///
/// # Errors
/// The first place where a value is not where it should be.
pub fn check(code: &VCode, output: &Output) -> Result<(), String> {
    let replay = Replay { code, output, only_refs: false };
    let at_entry = replay.solve();
    for (block, state) in at_entry.iter().enumerate() {
        if let Some(state) = state {
            replay.run(block, &mut state.clone(), |inst, state| replay.uses_are_there(inst, state))?;
        }
    }
    Ok(())
}

/// The maps of all polls with live references.
pub fn poll_maps(code: &VCode, output: &Output) -> PollMaps {
    let mut maps = PollMaps::default();
    if code.polls.iter().all(|(_, refs)| refs.is_empty()) {
        return maps;
    }
    let replay = Replay { code, output, only_refs: true };
    let at_entry = replay.solve();
    for (block, state) in at_entry.iter().enumerate() {
        let Some(state) = state else { continue };
        let done = replay.run(block, &mut state.clone(), |inst, state| {
            let poll = code.polls.iter().find(|(poll, _)| *poll == inst.index() as u32);
            if let Some((poll, refs)) = poll {
                let map = refs.iter().flat_map(|&vreg| {
                    let number = vreg.vreg() as u32;
                    let places = state.iter().filter(move |(_, held)| held.contains(&number));
                    places.map(move |(&location, _)| (allocation(location), vreg))
                });
                maps.insert(*poll, map.collect());
            }
            Ok(())
        });
        debug_assert!(done.is_ok());
    }
    maps
}

/// A location as a number: registers, then slots.
fn key(allocation: Allocation) -> u32 {
    match allocation.as_stack() {
        Some(slot) => (PReg::NUM_INDEX + slot.index()) as u32,
        None => allocation.as_reg().map_or(u32::MAX, |reg| reg.index() as u32),
    }
}

fn allocation(key: u32) -> Allocation {
    match (key as usize).checked_sub(PReg::NUM_INDEX) {
        Some(slot) => Allocation::stack(SpillSlot::new(slot)),
        None => Allocation::reg(PReg::from_index(key as usize)),
    }
}

struct Replay<'a> {
    code: &'a VCode,
    output: &'a Output,
    /// Whether other values are left aside.
    only_refs: bool,
}

impl Replay<'_> {
    /// The state at the beginning of each block that can be reached.
    fn solve(&self) -> Vec<Option<State>> {
        let mut at_entry: Vec<Option<State>> = vec![None; self.code.blocks.len()];
        at_entry[0] = Some(State::new());
        // In the order of blocks: then nearly all predecessors are done before a block, and few are done twice.
        let mut work = BTreeSet::from([0usize]);
        while let Some(block) = work.pop_first() {
            let Some(mut state) = at_entry[block].clone() else { continue };
            let done = self.run(block, &mut state, |_, _| Ok(()));
            debug_assert!(done.is_ok());
            for succ in &self.code.blocks[block].succs {
                let mut next = state.clone();
                self.pass_arguments(block, succ.index(), &mut next);
                let changed = match &mut at_entry[succ.index()] {
                    Some(known) => intersect(known, &next),
                    unknown => {
                        *unknown = Some(next);
                        true
                    }
                };
                if changed {
                    work.insert(succ.index());
                }
            }
        }
        at_entry
    }

    fn is_tracked(&self, vreg: u32) -> bool {
        !self.only_refs || self.code.vreg_types[vreg as usize].is_root()
    }

    /// A parameter is wherever its argument is.
    fn pass_arguments(&self, block: usize, succ: usize, state: &mut State) {
        let (args, params) = (&self.code.blocks[block].args, &self.code.blocks[succ].params);
        for held in state.values_mut() {
            let before = held.clone();
            held.retain(|vreg| !params.iter().any(|param| param.vreg() as u32 == *vreg));
            for (arg, param) in args.iter().zip(params) {
                let param = param.vreg() as u32;
                if before.contains(&(arg.vreg() as u32)) && self.is_tracked(param) {
                    held.push(param);
                }
            }
        }
    }

    /// Runs a block; `visit` sees the state before each instruction.
    fn run(
        &self,
        block: usize,
        state: &mut State,
        mut visit: impl FnMut(Inst, &State) -> Result<(), String>,
    ) -> Result<(), String> {
        for item in self.output.block_insts_and_edits(self.code, regalloc2::Block::new(block)) {
            match item {
                InstOrEdit::Edit(Edit::Move { from, to }) => match state.get(&key(*from)).cloned() {
                    Some(held) => {
                        state.insert(key(*to), held);
                    }
                    None => {
                        state.remove(&key(*to));
                    }
                },
                InstOrEdit::Inst(inst) => {
                    visit(inst, state)?;
                    self.step(inst, state);
                }
            }
        }
        Ok(())
    }

    fn uses_are_there(&self, inst: Inst, state: &State) -> Result<(), String> {
        let operands = self.code.operands_of(inst.index());
        for (operand, &alloc) in operands.iter().zip(self.output.inst_allocs(inst)) {
            let vreg = operand.vreg();
            let there = || state.get(&key(alloc)).is_some_and(|held| held.contains(&(vreg.vreg() as u32)));
            if operand.kind() == OperandKind::Use && !there() {
                let kind = &self.code.insts[inst.index()].kind;
                return Err(format!("{inst:?} {kind:?}: {vreg} is not in {alloc}"));
            }
        }
        Ok(())
    }

    fn step(&self, inst: Inst, state: &mut State) {
        let data = &self.code.insts[inst.index()];
        let operands = self.code.operands_of(inst.index());
        let allocs = self.output.inst_allocs(inst);
        for preg in data.clobbers {
            state.remove(&key(Allocation::reg(preg)));
        }
        if matches!(data.kind, Kind::Call { .. }) {
            let in_map = operands.iter().zip(allocs).filter(|(operand, alloc)| {
                operand.kind() == OperandKind::Use && operand.pos() == OperandPos::Late && alloc.is_stack()
            });
            let mapped: Vec<u32> = in_map.map(|(_, &alloc)| key(alloc)).collect();
            for (location, held) in state.iter_mut() {
                if !mapped.contains(location) {
                    held.retain(|vreg| !self.code.vreg_types[*vreg as usize].is_root());
                }
            }
        }
        for (operand, &alloc) in operands.iter().zip(allocs) {
            if operand.kind() == OperandKind::Def {
                let vreg = operand.vreg().vreg() as u32;
                state.values_mut().for_each(|held| held.retain(|other| *other != vreg));
                let tracked = self.is_tracked(vreg);
                state.insert(key(alloc), if tracked { Held::from_slice(&[vreg]) } else { Held::new() });
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
