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
//! Threads use the table of stacks at the same time; who may touch the frames of a stack says [`claim`].
//!
//! Stack references are never reused (a number and, above it, how often the number was used before), so a reference to
//! a dead stack is recognised. Stacks that nobody can reach are killed by collections.

mod arena;
mod claim;
mod cursors;
mod region;
mod set;
mod table;

pub use arena::{ArenaCounts, Guards, StackArena};
pub use claim::Claim;
pub use cursors::DroppedCursors;
pub use region::{FrameWords, Region};
pub use set::StackSet;

use crate::memory::{AllocaCells, CellInfo};
use crate::native::Segment;
use crate::os::OsError;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use table::Table;

/// The resume word of a frame whose caller is an interpreter frame (a stub's address once there is compiled code).
pub const RESUME_INTERPRETED: u64 = 0;

/// Bytes between `fp` and the first slot above it: code, pc and sp words.
pub const FRAME_HEADER_BYTES: u64 = 24;

/// Slots of a frame in the state [`FrameState::Native`].
pub const NATIVE_SLOTS: u32 = 1;

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
    /// It stands for native code that waits for the frame above: a callback. It has one slot, the cookie of the value
    /// that the native code called; the native frames themselves are on the stack's [`Segment`].
    Native = 2,
}

/// The state of a stack (threads-stacks, "States of Stacks and Frames").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum StackState {
    /// Killed, or not made yet.
    Dead = 0,
    /// Waiting for values or an exception; its top frame says for which.
    Ready = 1,
    /// Bound to a thread.
    Active = 2,
}

/// A reference to a stack as programs hold it: 0 is NULL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct StackRef(pub u64);

impl StackRef {
    /// The NULL reference.
    pub const NULL: StackRef = StackRef(0);
}

/// A stack, or a place for one. What it is belongs to whoever owns it: the thread it is bound to, or who has claimed
/// it ([`Stacks::claim`]).
#[derive(Default)]
pub struct Stack {
    /// Generation (high half) and [`StackState`] or `CLAIMED` (low half).
    word: AtomicU64,
    /// Its memory: made with the first stack in this place, and kept for those that follow.
    region: OnceLock<Arc<Region>>,
    top_fp: AtomicU64,
    held: AtomicBool,
    cells: Mutex<Vec<CellInfo>>,
    open_cursors: AtomicU32,
    /// Where native calls of this stack wait for their callbacks.
    segment: Mutex<Option<Segment>>,
    /// Whether there is one: every native call asks.
    has_segment: AtomicBool,
    /// The cookie of the exposed value at which a foreign thread called the bottom frame; else 0.
    cookie: AtomicU64,
}

impl Stack {
    /// Its state. A stack that somebody has claimed is READY.
    pub fn state(&self) -> StackState {
        claim::state(self.word.load(Ordering::Acquire))
    }

    /// The thread that it is bound to leaves it READY, with its frames as they are.
    pub fn pause(&self, top_fp: u64) {
        self.set_top_fp(top_fp);
        claim::replace_state(&self.word, StackState::Ready);
    }

    /// The top frame while the stack is not running.
    pub fn top_fp(&self) -> u64 {
        self.top_fp.load(Ordering::Relaxed)
    }

    /// Notes the top frame.
    pub fn set_top_fp(&self, fp: u64) {
        self.top_fp.store(fp, Ordering::Relaxed);
    }

    /// Whether the client holds a reference to it: then it is not killed for being unreachable.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// The client holds it from now on, or lets it go; whether it was held before.
    pub fn set_held(&self, held: bool) -> bool {
        self.held.swap(held, Ordering::Relaxed)
    }

    /// Takes the segment on which native calls of this stack wait, if some do.
    pub fn take_segment(&self) -> Option<Segment> {
        // Only the owner of the stack asks or changes this.
        if !self.has_segment.load(Ordering::Relaxed) {
            return None;
        }
        self.has_segment.store(false, Ordering::Relaxed);
        self.segment.lock().take()
    }

    /// Keeps the segment on which a native call of this stack waits.
    pub fn set_segment(&self, segment: Segment) {
        *self.segment.lock() = Some(segment);
        self.has_segment.store(true, Ordering::Relaxed);
    }

    /// The cookie of the exposed value at which a foreign thread called the bottom frame; 0 if none did.
    pub fn cookie(&self) -> u64 {
        self.cookie.load(Ordering::Relaxed)
    }

    /// Notes that cookie, or that the frame which was called has been replaced.
    pub fn set_cookie(&self, cookie: u64) {
        self.cookie.store(cookie, Ordering::Relaxed);
    }

    /// The memory.
    pub fn region(&self) -> &Arc<Region> {
        self.region.get().expect("a stack has had memory since it was first made")
    }

    /// Visits the live ALLOCA cells, newest (lowest) last.
    pub fn for_each_cell(&self, visit: impl FnMut(&CellInfo)) {
        self.cells.lock().iter().for_each(visit);
    }

    /// Adds an ALLOCA cell below everything else on the stack.
    pub fn push_cell(&self, cell: CellInfo) {
        let mut cells = self.cells.lock();
        debug_assert!(cells.last().is_none_or(|last| cell.start < last.start));
        cells.push(cell);
    }

    /// Ends the lifetime of the cells below `address`: their frame is gone.
    pub fn pop_cells_below(&self, address: u64) {
        let mut cells = self.cells.lock();
        while cells.last().is_some_and(|cell| cell.start < address) {
            cells.pop();
        }
    }

    /// The live ALLOCA cell that holds an address.
    pub fn find_cell(&self, address: u64) -> Option<CellInfo> {
        let cells = self.cells.lock();
        let after = cells.partition_point(|cell| cell.start > address);
        let cell = cells.get(after).copied()?;
        (address - cell.start < cell.size_bytes.max(1)).then_some(cell)
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

/// All stacks of an instance. Threads use it at the same time.
pub struct Stacks {
    table: Table,
    /// Numbers of stacks by the lowest address of their memory.
    by_base: RwLock<BTreeMap<u64, usize>>,
    /// Their memory: it decides which place is used next.
    arena: Arc<StackArena>,
    /// Numbers below this one have been used.
    numbers: AtomicUsize,
    /// How many stacks may be alive.
    alive_max: usize,
    /// How many are.
    alive: AtomicUsize,
    created: AtomicUsize,
    /// How many alive stacks make a collection worth while.
    collect_at: AtomicUsize,
    cursors: Mutex<cursors::Cursors>,
}

/// With fewer stacks than this, none are looked for to kill.
const COLLECT_MIN: usize = 4096;

impl Stacks {
    /// No stacks yet. Each will have `stack_bytes` bytes, rounded up to pages.
    pub fn new(stack_bytes: u64, alive_max: usize) -> Stacks {
        Stacks {
            table: Table::default(),
            by_base: RwLock::default(),
            arena: StackArena::new(stack_bytes),
            numbers: AtomicUsize::new(0),
            alive_max,
            alive: AtomicUsize::new(0),
            created: AtomicUsize::new(0),
            collect_at: AtomicUsize::new(COLLECT_MIN.min(alive_max)),
            cursors: Mutex::default(),
        }
    }

    /// Makes a stack without frames, in the state READY; the caller pushes the bottom frame.
    pub fn create(&self) -> Result<StackRef, NewStackError> {
        if self.alive.fetch_add(1, Ordering::Relaxed) >= self.alive_max {
            self.alive.fetch_sub(1, Ordering::Relaxed);
            return Err(NewStackError::TooMany);
        }
        let slot = self.arena.take_slot().map_err(|error| {
            self.alive.fetch_sub(1, Ordering::Relaxed);
            NewStackError::Os(error)
        })?;
        let number = slot.number();
        let stack = self.table.make(number);
        let mut is_new = false;
        let region = stack.region.get_or_init(|| {
            is_new = true;
            Arc::new(Region::lasting(Arc::clone(&self.arena), slot))
        });
        if is_new {
            self.by_base.write().insert(region.base(), number);
            self.numbers.fetch_max(number + 1, Ordering::Relaxed);
        }
        self.created.fetch_add(1, Ordering::Relaxed);
        stack.set_top_fp(0);
        stack.set_cookie(0);
        let word = claim::replace_state(&stack.word, StackState::Ready);
        Ok(reference(number, claim::generation(word)))
    }

    /// The stack of a reference; `None` for NULL, for dead stacks and for words that are no stack reference.
    pub fn get(&self, stack: StackRef) -> Option<&Stack> {
        let (number, generation) = number_of(stack)?;
        let stack = self.table.get(number)?;
        let word = stack.word.load(Ordering::Acquire);
        let alive = claim::generation(word) == generation && claim::state(word) != StackState::Dead;
        alive.then_some(stack)
    }

    /// Kills a stack that the caller owns: its frames and cells are gone, its cursors are closed. Its memory is used
    /// again.
    pub fn kill(&self, stack: StackRef) {
        self.close_cursors_of(stack);
        let Some(entry) = self.get(stack) else { return };
        entry.set_held(false);
        entry.set_top_fp(0);
        std::mem::take(&mut *entry.cells.lock());
        // The native code that waits there never goes on.
        drop(entry.take_segment());
        self.alive.fetch_sub(1, Ordering::Relaxed);
        // A number whose generations are used up is not used again.
        if claim::end_generation(&entry.word) {
            entry.region().give_back();
        }
    }

    /// Where their memory comes from.
    pub fn arena(&self) -> &Arc<StackArena> {
        &self.arena
    }

    /// Number of stacks that are not dead.
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// Stacks the client holds.
    pub fn held(&self) -> impl Iterator<Item = StackRef> {
        self.all().filter(|(_, stack)| stack.is_held()).map(|(reference, _)| reference)
    }

    /// All stacks that are not dead, by number.
    fn all(&self) -> impl Iterator<Item = (StackRef, &Stack)> {
        (0..self.numbers.load(Ordering::Relaxed)).filter_map(|number| {
            let stack = self.table.get(number)?;
            let word = stack.word.load(Ordering::Acquire);
            let alive = claim::state(word) != StackState::Dead;
            alive.then(|| (reference(number, claim::generation(word)), stack))
        })
    }

    /// Stacks with an open frame cursor: it is closed by whoever opened it, so its stack stays.
    pub fn with_cursors(&self) -> impl Iterator<Item = StackRef> {
        self.close_dropped_cursors();
        let open = |stack: &Stack| stack.open_cursors.load(Ordering::Relaxed) > 0;
        self.all().filter(move |(_, stack)| open(stack)).map(|(reference, _)| reference)
    }

    /// Whether there are so many stacks that unreachable ones should be looked for.
    pub fn wants_collection(&self) -> bool {
        self.alive() >= self.collect_at.load(Ordering::Relaxed)
    }

    /// Kills the stacks that are not among the reached ones; how many. Nobody runs meanwhile.
    pub fn kill_unreached(&self, reached: &StackSet) -> u64 {
        let lost: Vec<StackRef> = self
            .all()
            .map(|(reference, _)| reference)
            .filter(|reference| !reached.contains(reference))
            .collect();
        for &stack in &lost {
            self.kill(stack);
        }
        let collect_at = (self.alive() * 2).max(COLLECT_MIN).min(self.alive_max);
        self.collect_at.store(collect_at, Ordering::Relaxed);
        lost.len() as u64
    }

    /// Number of stacks ever made.
    pub fn created(&self) -> usize {
        self.created.load(Ordering::Relaxed)
    }

    /// The live ALLOCA cell that holds an address, of any stack.
    pub fn find_cell(&self, address: u64) -> Option<CellInfo> {
        let number = *self.by_base.read().range(..=address).next_back()?.1;
        let stack = self.table.get(number)?;
        if !stack.region().contains(address) {
            return None;
        }
        stack.find_cell(address)
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
        self.find_cell(address)
    }
}

/// The ALLOCA cells of all stacks, those of one stack first: a thread mostly looks at cells of its own.
pub struct CellsFrom<'a> {
    /// Where to look first.
    pub first: Option<&'a Stack>,
    /// All.
    pub stacks: &'a Stacks,
}

impl AllocaCells for CellsFrom<'_> {
    fn find(&self, address: u64) -> Option<CellInfo> {
        match self.first {
            Some(stack) if stack.region().contains(address) => stack.find_cell(address),
            Some(_) | None => self.stacks.find_cell(address),
        }
    }
}

/// A position in the frames of an unbound stack, from the top towards the bottom.
///
/// It is for walking while nothing changes, and does not notice when its stack ends and the memory is used again. A cursor
/// that is kept is a word of [`Stacks::new_cursor`]: [`Stacks::cursor`] gives the position of its word, if it is open.
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
        let fp = entry.top_fp();
        (fp != 0).then(|| FrameCursor { stack, region: Arc::clone(entry.region()), fp })
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
