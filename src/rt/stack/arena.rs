//! Where the memory of stacks comes from: a few large reservations, cut into slots of equal size.
//!
//! **What.** [`StackArena::take`] gives the memory of one stack, a [`Region`]; it comes back when the last holder drops
//! the region. A slot is a guard page and, above it, the stack:
//!
//! ```text
//! chunk    | guard | stack 0          top | guard | stack 1          top | …      one reservation
//!          0       4K                     slot_bytes                     2 · slot_bytes
//! ```
//!
//! **Why this way.** A process may have some 65,000 mappings, and a mapping for each stack (two, with a guard) would use
//! them up. So one mapping holds many stacks: chunks double in size, and guards are *installed*
//! (`MADV_GUARD_INSTALL`, Linux 6.13) without splitting it. Where the kernel cannot do that, guards are pages without
//! access, which do split it: then there can be some 32,000 stacks. Which of the two is found out by trying.
//!
//! Pages cost memory when they are touched, and time: a first touch takes a microsecond, more than all the rest of
//! making a stack. So the pages of stacks that came back are kept, as far as that is cheap to promise:
//!
//! ```text
//! warm      as they came back, at most WARM_BYTES of stacks: taken first, the last one first. No system call
//! trimmed   only the top page is kept, of at most TRIMMED_MAX stacks. One system call
//! cold      no page is kept. One system call for a run of neighbours
//! ```
//!
//! Stacks are written from their top, and most never leave the first page.
//!
//! **Invariants.**
//! * A slot is in one place: with one region, in one of the lists, or behind `next`, never handed out.
//! * A slot has its guard before it is handed out for the first time, and keeps it: giving pages back does not remove it.
//! * Memory of a stack is initialised, but zero only if it is new: whoever makes a frame or a cell writes it.
//! * All methods take `&self` and may be called by several threads. A region keeps its arena alive, so the memory is
//!   unmapped with the last of both.
//!
//! **Example.** Memory comes back and is given again:
//! ```
//! let arena = mu_rt::stack::StackArena::new(16 << 10);
//! let (one, other) = (arena.take().unwrap(), arena.take().unwrap());
//! let base = one.base();
//! assert_eq!(other.base() - one.end(), 4096);
//! drop(one);
//! assert_eq!(arena.take().unwrap().base(), base);
//! ```

use super::Region;
use crate::os::{Access, OsError, PAGE, Reservation};
use parking_lot::Mutex;
use std::sync::Arc;

/// Bytes of the guard below each stack.
const GUARD_BYTES: u64 = PAGE;

/// Bytes at the top of a trimmed stack that are kept.
const KEPT_BYTES: u64 = PAGE;

/// As many stacks as this is long are kept as they came back.
const WARM_BYTES: u64 = 16 << 20;

/// But not more than this.
const WARM_MAX: u64 = 256;

/// So many trimmed stacks are kept: 16 MiB of top pages.
const TRIMMED_MAX: usize = 4096;

/// Slots of the first chunk; each further one has twice as many as the one before.
const FIRST_SLOTS: u32 = 64;

/// No chunk is longer than this, in bytes, unless a single stack is.
const CHUNK_BYTES_MAX: u64 = 64 << 30;

/// How guards are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guards {
    /// `MADV_GUARD_INSTALL`: the mapping stays one.
    Installed,
    /// Pages without access: each splits the mapping.
    Protected,
}

/// The place of a stack's memory in its arena.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Slot {
    chunk: u32,
    index: u32,
}

/// A slot in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TakenSlot {
    pub slot: Slot,
    /// Slots are numbered in the order in which they were cut.
    number: usize,
    /// Where the stack begins.
    pub base: u64,
    /// Where it ends.
    pub end: u64,
}

impl TakenSlot {
    /// Slots are numbered in the order in which they were cut.
    pub fn number(self) -> usize {
        self.number
    }
}

/// What an arena has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ArenaCounts {
    /// Reservations.
    pub chunks: usize,
    /// Their bytes of address space.
    pub reserved_bytes: u64,
    /// Regions alive.
    pub taken: usize,
    /// Stacks that wait as they came back.
    pub warm: usize,
    /// Stacks that wait with their top page.
    pub trimmed: usize,
    /// Stacks that wait without a page.
    pub cold: usize,
}

/// The memory of all stacks of an instance; see the module.
#[derive(Debug)]
pub struct StackArena {
    /// Bytes of each stack, whole pages.
    stack_bytes: u64,
    /// The same and its guard.
    slot_bytes: u64,
    warm_max: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug)]
struct Slots {
    chunks: Vec<Reservation>,
    /// The number of the first slot of each chunk.
    first_numbers: Vec<usize>,
    /// Slots from this one on, of the last chunk, were never handed out.
    next: u32,
    /// How many slots the last chunk has.
    count: u32,
    guards: Guards,
    warm: Vec<Slot>,
    trimmed: Vec<Slot>,
    cold: Vec<Slot>,
    taken: usize,
}

impl StackArena {
    /// An arena of stacks of `stack_bytes` bytes, rounded up to pages. Reserves nothing yet.
    pub fn new(stack_bytes: u64) -> Arc<StackArena> {
        StackArena::with_guards(stack_bytes, Guards::Installed)
    }

    /// The same, with guards of a kind (the other kind is taken if the kernel cannot install guards).
    pub fn with_guards(stack_bytes: u64, guards: Guards) -> Arc<StackArena> {
        // What is beyond the address space stays so, without wrapping, and is refused when a stack is taken.
        let stack_bytes = stack_bytes.min(crate::os::ADDRESS_SPACE).next_multiple_of(PAGE).max(PAGE);
        let slots = Slots {
            chunks: Vec::new(),
            first_numbers: Vec::new(),
            next: 0,
            count: 0,
            guards,
            warm: Vec::new(),
            trimmed: Vec::new(),
            cold: Vec::new(),
            taken: 0,
        };
        Arc::new(StackArena {
            stack_bytes,
            slot_bytes: stack_bytes + GUARD_BYTES,
            warm_max: (WARM_BYTES / stack_bytes).clamp(2, WARM_MAX) as usize,
            slots: Mutex::new(slots),
        })
    }

    /// The memory of a stack.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub fn take(self: &Arc<StackArena>) -> Result<Region, OsError> {
        Ok(Region::in_arena(Arc::clone(self), self.take_slot()?))
    }

    /// The same, for who gives it back by [`StackArena::give_back`].
    pub(super) fn take_slot(&self) -> Result<TakenSlot, OsError> {
        let mut slots = self.slots.lock();
        let waiting = slots.warm.pop().or_else(|| slots.trimmed.pop()).or_else(|| slots.cold.pop());
        let slot = match waiting {
            Some(slot) => slot,
            None => slots.cut(self.slot_bytes)?,
        };
        slots.taken += 1;
        let base = slots.chunks[slot.chunk as usize].base() + self.offset(slot);
        let number = slots.first_numbers[slot.chunk as usize] + slot.index as usize;
        Ok(TakenSlot { slot, number, base, end: base + self.stack_bytes })
    }

    /// Where the stack of a slot begins in its chunk.
    fn offset(&self, slot: Slot) -> u64 {
        u64::from(slot.index) * self.slot_bytes + GUARD_BYTES
    }

    /// The slot is not used any more.
    pub(super) fn give_back(&self, slot: Slot) {
        let mut slots = self.slots.lock();
        slots.taken -= 1;
        slots.warm.push(slot);
        if slots.warm.len() > self.warm_max {
            self.cool(&mut slots);
        }
    }

    /// Gives back pages of the half of the warm stacks that waits longest.
    #[cold]
    fn cool(&self, slots: &mut Slots) {
        let half = slots.warm.len().div_ceil(2);
        let mut cooled: Vec<Slot> = slots.warm.drain(..half).collect();
        let room = TRIMMED_MAX.saturating_sub(slots.trimmed.len()).min(cooled.len());
        for slot in cooled.drain(..room) {
            if self.stack_bytes > KEPT_BYTES {
                let bytes = self.stack_bytes - KEPT_BYTES;
                slots.discard(slot.chunk, self.offset(slot), bytes);
            }
            slots.trimmed.push(slot);
        }
        // Neighbours go together: the guards between them stay.
        cooled.sort_unstable();
        let mut rest = &cooled[..];
        while let Some(&first) = rest.first() {
            let follows = |&(slot, index): &(&Slot, u32)| *slot == Slot { index, ..first };
            let count = rest.iter().zip(first.index..).take_while(follows).count();
            let bytes = count as u64 * self.slot_bytes - GUARD_BYTES;
            slots.discard(first.chunk, self.offset(first), bytes);
            rest = &rest[count..];
        }
        // The lowest is taken first.
        slots.cold.extend(cooled.into_iter().rev());
    }

    /// Bytes of each stack.
    pub fn stack_bytes(&self) -> u64 {
        self.stack_bytes
    }

    /// How guards are made. Known for sure once a stack was taken.
    pub fn guards(&self) -> Guards {
        self.slots.lock().guards
    }

    /// What the arena has now.
    pub fn counts(&self) -> ArenaCounts {
        let slots = self.slots.lock();
        ArenaCounts {
            chunks: slots.chunks.len(),
            reserved_bytes: slots.chunks.iter().map(Reservation::bytes).sum(),
            taken: slots.taken,
            warm: slots.warm.len(),
            trimmed: slots.trimmed.len(),
            cold: slots.cold.len(),
        }
    }
}

impl Slots {
    /// A slot that was never used, with its guard.
    #[cold]
    fn cut(&mut self, slot_bytes: u64) -> Result<Slot, OsError> {
        if self.next == self.count {
            self.grow(slot_bytes)?;
        }
        let chunk = self.chunks.len() - 1;
        self.guard(chunk, u64::from(self.next) * slot_bytes)?;
        let slot = Slot { chunk: chunk as u32, index: self.next };
        self.next += 1;
        Ok(slot)
    }

    /// Another chunk: as large as it may be, smaller if the system has no room for that.
    fn grow(&mut self, slot_bytes: u64) -> Result<(), OsError> {
        let most = (CHUNK_BYTES_MAX / slot_bytes).clamp(1, u64::from(u32::MAX / 2)) as u32;
        let mut count = self.count.saturating_mul(2).clamp(FIRST_SLOTS, most.max(FIRST_SLOTS)).min(most);
        let chunk = loop {
            match Reservation::new(u64::from(count) * slot_bytes, PAGE) {
                Ok(chunk) => break chunk,
                Err(error) if count == 1 => return Err(error),
                Err(_) => count /= 2,
            }
        };
        // A huge page would make a parked stack take 2 MiB.
        chunk.forbid_huge_pages();
        let first_number = self.first_numbers.last().map_or(0, |&first| first + self.count as usize);
        self.first_numbers.push(first_number);
        self.chunks.push(chunk);
        (self.next, self.count) = (0, count);
        Ok(())
    }

    fn guard(&mut self, chunk: usize, offset: u64) -> Result<(), OsError> {
        let chunk = &self.chunks[chunk];
        match self.guards {
            Guards::Installed => match chunk.install_guard(offset, GUARD_BYTES) {
                Err(error) if error.errno == libc::EINVAL => {
                    self.guards = Guards::Protected;
                    chunk.protect(offset, GUARD_BYTES, Access::None)
                }
                result => result,
            },
            Guards::Protected => chunk.protect(offset, GUARD_BYTES, Access::None),
        }
    }

    fn discard(&self, chunk: u32, offset: u64, bytes: u64) {
        let done = self.chunks[chunk as usize].discard(offset, bytes);
        debug_assert!(done.is_ok(), "discarding own pages cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::is_readable;

    /// How many mappings lie in the address range of an arena's chunks.
    fn mappings(arena: &StackArena) -> usize {
        let slots = arena.slots.lock();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let starts = maps.lines().filter_map(|line| u64::from_str_radix(line.split('-').next()?, 16).ok());
        let inside =
            |start: &u64| slots.chunks.iter().any(|chunk| (chunk.base()..chunk.end()).contains(start));
        starts.filter(inside).count()
    }

    fn touch(region: &Region, from_end: u64) {
        region.words(region.end() - from_end, 1)[0].set(7);
    }

    fn resident_pages(region: &Region) -> usize {
        let pages = ((region.end() - region.base()) / PAGE) as usize;
        let mut present = vec![0u8; pages];
        let begin = std::ptr::with_exposed_provenance_mut(region.base() as usize);
        // SAFETY: mincore writes a byte for each page of the range, which is mapped.
        assert_eq!(unsafe { libc::mincore(begin, pages * PAGE as usize, present.as_mut_ptr()) }, 0);
        present.iter().filter(|&&byte| byte & 1 != 0).count()
    }

    #[test]
    fn stacks_are_disjoint_and_guarded() {
        for guards in [Guards::Installed, Guards::Protected] {
            let arena = StackArena::with_guards(10_000, guards);
            assert_eq!((arena.stack_bytes(), arena.counts()), (12_288, ArenaCounts::default()));
            let mut regions: Vec<Region> = (0..1000).map(|_| arena.take().unwrap()).collect();
            regions.sort_by_key(Region::base);
            for pair in regions.windows(2) {
                assert!(pair[0].end() + GUARD_BYTES <= pair[1].base());
            }
            for region in &regions {
                assert_eq!(region.end() - region.base(), 12_288);
                touch(region, 8);
                touch(region, 12_288);
                assert!(is_readable(region.base()) && !is_readable(region.base() - 8));
            }
            if arena.guards() == Guards::Installed {
                // Neighbouring chunks may have become one mapping.
                assert!(mappings(&arena) <= arena.counts().chunks);
            }
        }
    }

    #[test]
    fn guards_survive_that_pages_are_given_back() {
        for guards in [Guards::Installed, Guards::Protected] {
            let arena = StackArena::with_guards(16 << 10, guards);
            let regions: Vec<Region> = (0..6000).map(|_| arena.take().unwrap()).collect();
            let places: Vec<u64> = regions.iter().map(Region::base).collect();
            regions.iter().for_each(|region| touch(region, 16 << 10));
            drop(regions);
            let counts = arena.counts();
            assert!(counts.trimmed == TRIMMED_MAX && counts.cold > 1000, "{counts:?}");
            assert!(places.iter().all(|base| !is_readable(base - 1)));
        }
    }

    #[test]
    fn only_pages_that_are_cheap_to_promise_are_kept() {
        let arena = StackArena::new(64 << 10);
        let regions: Vec<Region> = (0..6000).map(|_| arena.take().unwrap()).collect();
        for region in &regions {
            touch(region, 8);
            touch(region, 40 << 10);
        }
        assert_eq!(resident_pages(&regions[0]), 2);
        drop(regions);
        let counts = arena.counts();
        assert_eq!((counts.taken, counts.warm + counts.trimmed + counts.cold), (0, 6000));
        assert!(counts.warm <= arena.warm_max);
        let pages = |count: usize| (0..count).map(|_| arena.take().unwrap()).collect::<Vec<_>>();
        let warm = pages(counts.warm);
        assert!(warm.iter().all(|region| resident_pages(region) == 2));
        let trimmed = pages(counts.trimmed);
        assert!(trimmed.iter().all(|region| resident_pages(region) == 1));
        let cold = pages(counts.cold);
        assert!(cold.iter().all(|region| resident_pages(region) == 0));
        assert_eq!(arena.counts().reserved_bytes, counts.reserved_bytes, "all were given again");
    }

    #[test]
    fn memory_lives_as_long_as_its_last_user() {
        let arena = StackArena::new(16 << 10);
        let region = arena.take().unwrap();
        let watched = Arc::downgrade(&arena);
        drop(arena);
        touch(&region, 8);
        drop(region);
        assert!(watched.upgrade().is_none(), "it is gone with the region");
    }

    #[test]
    fn stacks_that_cannot_exist_are_errors() {
        for bytes in [u64::MAX, 1 << 47, (1 << 47) - PAGE] {
            assert_eq!(StackArena::new(bytes).take().unwrap_err().errno, libc::ENOMEM);
        }
        let arena = StackArena::new(1 << 40);
        let some: Vec<Region> = (0..3).map(|_| arena.take().unwrap()).collect();
        assert_eq!((some.len(), arena.counts().chunks), (3, 3), "chunks of one stack each");
    }

    #[test]
    fn several_threads_take_and_give_back() {
        let arena = StackArena::new(16 << 10);
        std::thread::scope(|scope| {
            for number in 0..4u64 {
                let arena = &arena;
                scope.spawn(move || {
                    let mut held = Vec::new();
                    for round in 0..3000u64 {
                        let region = arena.take().unwrap();
                        region.words(region.end() - 8, 1)[0].set(number << 32 | round);
                        held.push((round, region));
                        if round % 3 == 2 {
                            held.swap_remove((round * 7 % held.len() as u64) as usize);
                        }
                    }
                    for (round, region) in held {
                        assert_eq!(region.words(region.end() - 8, 1)[0].get(), number << 32 | round);
                    }
                });
            }
        });
        assert_eq!(arena.counts().taken, 0);
    }
}
