//! Mu stacks: memory, frames, states, and the one way to resume.
//!
//! A stack is a region of memory that grows downwards and holds frames. A frame of any tier begins with two linkage
//! words, as `call; push rbp; mov rbp, rsp` lays them out, so native and compiled frames fit between interpreter frames:
//!
//! ```text
//!  higher addresses
//!    fp + 8    resume word    how the frame below continues: a return address, or RESUME_INTERPRETED
//!    fp + 0    saved fp       fp of the frame below; 0 in the stack-bottom frame
//!  ── what follows belongs to the interpreter (code map and stack maps describe compiled frames)
//!    fp - 8    code           which code the frame runs (low half), its FrameState (high half)
//!    fp - 16   pc             where it stands in that code while it is not running (low half)
//!    fp - 24   sp             its lowest address, ALLOCA cells included
//!    fp - 24 - 8n …           n slots, slot 0 lowest: SSA variables of the current basic block, then constants
//!    …                        ALLOCA cells
//!  lower addresses
//! ```
//!
//! Resumption (threads-stacks, "Resumption Point"). Every paused frame waits for a list of typed values or for one
//! exception, wherever it stands: at a CALL, SWAPSTACK, TRAP, or at its fresh entry. Who resumes a stack does not need
//! to know which. The interpreter's half of the protocol is in `mu_interp`; frames of other tiers will answer the same
//! questions through the code map.
//!
//! Invariants
//! * A frame's slots lie inside the region; [`Region::slots`] checks it, so a damaged frame word cannot make the
//!   interpreter touch foreign memory.
//! * `fp` words strictly increase towards the bottom frame; cursors stop at 0.
//! * ALLOCA cells of a stack are listed in address order (newest last, lowest address last), so that popping frames
//!   pops cells from the end.
//!
//! Stack references are never reused (a number and, above it, how often the number was used before), so a reference to
//! a dead stack is recognised. Stacks that nobody can reach are killed by collections.

mod arena;
mod cursors;
mod region;
mod set;

pub use arena::{ArenaCounts, Guards, StackArena};
pub use cursors::DroppedCursors;
pub use region::{FrameWords, Region};
pub use set::StackSet;

use crate::memory::{AllocaCells, CellInfo};
use crate::os::OsError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The resume word of a frame whose caller is an interpreter frame (a stub's address once there is compiled code).
pub const RESUME_INTERPRETED: u64 = 0;

/// Bytes between `fp` and the first slot above it: code, pc and sp words.
pub const FRAME_HEADER_BYTES: u64 = 24;

/// Bytes of the two linkage words.
pub const LINKAGE_BYTES: u64 = 16;

/// Offsets of the frame words from `fp`.
mod word {
    pub const RESUME: i64 = 8;
    pub const SAVED_FP: i64 = 0;
    pub const CODE: i64 = -8;
    pub const PC: i64 = -16;
    pub const SP: i64 = -24;
}

/// What a frame is doing while it does not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum FrameState {
    /// It stands at the instruction at its pc.
    AtInstruction = 0,
    /// It was made but has never run: values go to the entry block's parameters, an exception is thrown on.
    Fresh = 1,
}

/// The state of a stack (threads-stacks, "States of Stacks and Frames").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StackState {
    /// Waiting for values or an exception; its top frame says for which.
    Ready,
    /// Bound to a thread.
    Active,
    /// Killed.
    Dead,
}

/// A reference to a stack as programs hold it: 0 is NULL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct StackRef(pub u64);

impl StackRef {
    /// The NULL reference.
    pub const NULL: StackRef = StackRef(0);
}

/// A stack.
pub struct Stack {
    region: Arc<Region>,
    /// Its state.
    pub state: StackState,
    /// The top frame while the stack is not running.
    pub top_fp: u64,
    /// The client holds a reference to it, so it is not killed for being unreachable.
    pub held: bool,
    cells: Vec<CellInfo>,
    generation: u32,
    open_cursors: u32,
}

impl Stack {
    /// The live ALLOCA cells, newest (lowest) last.
    pub fn cells(&self) -> &[CellInfo] {
        &self.cells
    }

    /// The memory.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Adds an ALLOCA cell below everything else on the stack.
    pub fn push_cell(&mut self, cell: CellInfo) {
        debug_assert!(self.cells.last().is_none_or(|last| cell.start < last.start));
        self.cells.push(cell);
    }

    /// Ends the lifetime of the cells below `address`: their frame is gone.
    pub fn pop_cells_below(&mut self, address: u64) {
        while self.cells.last().is_some_and(|cell| cell.start < address) {
            self.cells.pop();
        }
    }
}

/// Why a stack could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NewStackError {
    /// The system gave no memory.
    #[error(transparent)]
    Os(OsError),
    /// The instance's limit on stacks is reached.
    #[error("the instance has as many stacks as it may have")]
    TooMany,
}

/// All stacks of an instance.
pub struct Stacks {
    stacks: Vec<Stack>,
    /// Numbers of stacks by the lowest address of their memory.
    by_base: BTreeMap<u64, usize>,
    /// Their memory.
    arena: Arc<StackArena>,
    /// Some regions of dead stacks that nobody else looks at, for reuse without asking the arena.
    pool: Vec<Arc<Region>>,
    /// The region of dead stacks.
    nothing: Arc<Region>,
    /// How many stacks may be alive.
    alive_max: usize,
    /// Numbers of dead stacks, for reuse.
    free: Vec<usize>,
    created: usize,
    /// How many alive stacks make a collection worth while.
    collect_at: usize,
    cursors: cursors::Cursors,
}

/// At most this many regions wait for reuse here; the others go back to the arena.
const POOL_MAX: usize = 8;

/// With fewer stacks than this, none are looked for to kill.
const COLLECT_MIN: usize = 4096;

impl Stacks {
    /// No stacks yet. Each will have `stack_bytes` bytes, rounded up to pages.
    pub fn new(stack_bytes: u64, alive_max: usize) -> Stacks {
        Stacks {
            stacks: Vec::new(),
            by_base: BTreeMap::new(),
            arena: StackArena::new(stack_bytes),
            pool: Vec::new(),
            nothing: Arc::new(Region::empty()),
            alive_max,
            free: Vec::new(),
            created: 0,
            collect_at: COLLECT_MIN.min(alive_max),
            cursors: cursors::Cursors::default(),
        }
    }

    /// Makes a stack without frames, in the state READY; the caller pushes the bottom frame.
    pub fn create(&mut self) -> Result<StackRef, NewStackError> {
        if self.alive() >= self.alive_max {
            return Err(NewStackError::TooMany);
        }
        let region = match self.pool.pop() {
            Some(region) => region,
            None => Arc::new(self.arena.take().map_err(NewStackError::Os)?),
        };
        let top_fp = 0;
        let number = self.free.pop().unwrap_or(self.stacks.len());
        self.by_base.insert(region.base(), number);
        let generation = self.stacks.get(number).map_or(0, |dead| dead.generation);
        let stack = Stack {
            region,
            state: StackState::Ready,
            top_fp,
            held: false,
            cells: Vec::new(),
            generation,
            open_cursors: 0,
        };
        match self.stacks.get_mut(number) {
            Some(dead) => *dead = stack,
            None => self.stacks.push(stack),
        }
        self.created += 1;
        Ok(reference(number, generation))
    }

    /// The stack of a reference; `None` for NULL, for dead stacks and for words that are no stack reference.
    pub fn get(&self, stack: StackRef) -> Option<&Stack> {
        let (number, generation) = number_of(stack)?;
        self.stacks.get(number).filter(|stack| stack.generation == generation)
    }

    /// The stack of a reference, to change it.
    pub fn get_mut(&mut self, stack: StackRef) -> Option<&mut Stack> {
        let (number, generation) = number_of(stack)?;
        self.stacks.get_mut(number).filter(|stack| stack.generation == generation)
    }

    /// Kills a stack: its frames and cells are gone, its cursors are closed. Its memory is reused once nobody runs on
    /// it.
    pub fn kill(&mut self, stack: StackRef) {
        let Some((number, _)) = number_of(stack) else { return };
        self.close_cursors_of(stack);
        let nothing = Arc::clone(&self.nothing);
        let Some(stack) = self.get_mut(stack) else { return };
        if stack.state == StackState::Dead {
            return;
        }
        // A number whose generations are used up is not used again.
        let reuse = stack.generation != u32::MAX;
        stack.generation = stack.generation.saturating_add(1);
        stack.held = false;
        stack.state = StackState::Dead;
        stack.top_fp = 0;
        stack.cells = Vec::new();
        let mut region = std::mem::replace(&mut stack.region, nothing);
        self.by_base.remove(&region.base());
        // A region that somebody still holds, who runs on it or looks at its frames, goes back when that ends.
        if self.pool.len() < POOL_MAX && Arc::get_mut(&mut region).is_some() {
            self.pool.push(region);
        }
        if reuse {
            self.free.push(number);
        }
    }

    /// Where their memory comes from.
    pub fn arena(&self) -> &Arc<StackArena> {
        &self.arena
    }

    /// Number of stacks that are not dead.
    pub fn alive(&self) -> usize {
        self.by_base.len()
    }

    /// Stacks the client holds.
    pub fn held(&self) -> impl Iterator<Item = StackRef> {
        self.all().filter(|(_, stack)| stack.held).map(|(reference, _)| reference)
    }

    /// All stacks that are not dead, by address.
    fn all(&self) -> impl Iterator<Item = (StackRef, &Stack)> {
        self.by_base
            .values()
            .map(|&number| (reference(number, self.stacks[number].generation), &self.stacks[number]))
    }

    /// Stacks with an open frame cursor: it is closed by whoever opened it, so its stack stays.
    pub fn with_cursors(&self) -> impl Iterator<Item = StackRef> {
        self.all().filter(|(_, stack)| stack.open_cursors > 0).map(|(reference, _)| reference)
    }

    /// Whether there are so many stacks that unreachable ones should be looked for.
    pub fn wants_collection(&self) -> bool {
        self.alive() >= self.collect_at
    }

    /// Kills the stacks that are not among the reached ones; how many.
    pub fn kill_unreached(&mut self, reached: &StackSet) -> u64 {
        let lost: Vec<StackRef> = self
            .all()
            .map(|(reference, _)| reference)
            .filter(|reference| !reached.contains(reference))
            .collect();
        for &stack in &lost {
            self.kill(stack);
        }
        self.collect_at = (self.alive() * 2).max(COLLECT_MIN).min(self.alive_max);
        lost.len() as u64
    }

    /// Number of stacks ever made.
    pub fn created(&self) -> usize {
        self.created
    }
}

/// The reference to the stack of a number.
fn reference(number: usize, generation: u32) -> StackRef {
    StackRef((number as u64 + 1) | (u64::from(generation) << 32))
}

/// Number and generation in a reference.
fn number_of(stack: StackRef) -> Option<(usize, u32)> {
    Some(((stack.0 as u32).checked_sub(1)? as usize, (stack.0 >> 32) as u32))
}

impl AllocaCells for Stacks {
    fn find(&self, address: u64) -> Option<CellInfo> {
        let (_, &number) = self.by_base.range(..=address).next_back()?;
        let stack = &self.stacks[number];
        if !stack.region.contains(address) {
            return None;
        }
        let after = stack.cells.partition_point(|cell| cell.start > address);
        let cell = stack.cells.get(after).copied()?;
        (address - cell.start < cell.size_bytes.max(1)).then_some(cell)
    }
}

/// A position in the frames of an unbound stack, from the top towards the bottom.
#[derive(Clone, Debug)]
pub struct FrameCursor {
    /// The stack.
    pub stack: StackRef,
    region: Arc<Region>,
    fp: u64,
}

impl FrameCursor {
    /// A cursor on the top frame; `None` if the stack has no frames.
    pub fn new(stacks: &Stacks, stack: StackRef) -> Option<FrameCursor> {
        let entry = stacks.get(stack)?;
        (entry.top_fp != 0).then(|| FrameCursor {
            stack,
            region: Arc::clone(entry.region()),
            fp: entry.top_fp,
        })
    }

    /// A cursor on a frame that is running, for traces.
    pub fn at(stack: StackRef, region: &Arc<Region>, fp: u64) -> FrameCursor {
        FrameCursor { stack, region: Arc::clone(region), fp }
    }

    /// Moves to the frame below. False (and no move) at the bottom frame.
    pub fn next_frame(&mut self) -> bool {
        let below = self.region.saved_fp(self.fp);
        if below <= self.fp {
            return false;
        }
        self.fp = below;
        true
    }

    /// The frame's fp.
    pub fn fp(&self) -> u64 {
        self.fp
    }

    /// Which code the frame runs.
    pub fn code(&self) -> u32 {
        self.region.code(self.fp)
    }

    /// Where it stands.
    pub fn pc(&self) -> u64 {
        self.region.pc(self.fp)
    }

    /// What it is doing.
    pub fn state(&self) -> FrameState {
        self.region.state(self.fp)
    }

    /// A slot of the frame, given how many it has.
    pub fn slot(&self, slot_count: u32, slot: u32) -> u64 {
        self.region.slots(self.fp, slot_count).get(slot as usize).map_or(0, std::cell::Cell::get)
    }
}
