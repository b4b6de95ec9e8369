//! The memory of a stack, and typed access to the words of its frames.
//!
//! All accesses are checked against the region: an address outside reads as 0 and is not written. The interpreter,
//! which has no `unsafe`, sees slots as a slice of cells.

use super::arena::{Slot, StackArena, TakenSlot};
use super::{FRAME_HEADER_BYTES, FrameState, word};
use std::cell::Cell;
use std::sync::Arc;

/// The words of a frame.
#[derive(Clone, Copy)]
pub struct FrameWords<'a> {
    /// The lowest address of the frame.
    pub sp: &'a Cell<u64>,
    /// Where it stands (low half); the high half is the tier's.
    pub pc: &'a Cell<u64>,
    /// Which code it runs (low half), its state (high half).
    pub code: &'a Cell<u64>,
    /// fp of the frame below.
    pub saved_fp: &'a Cell<u64>,
    /// How the frame below continues.
    pub resume: &'a Cell<u64>,
}

/// Where the memory of a region is from.
struct Memory {
    arena: Arc<StackArena>,
    slot: Slot,
    /// Whether the slot goes back by [`Region::give_back`] only.
    lasting: bool,
}

/// The memory of one stack.
pub struct Region {
    memory: Memory,
    base: u64,
    end: u64,
}

// SAFETY: frames are read and written by whoever owns the stack only (see `claim`): one thread at a time, or who has stopped
// all of them; ownership goes from one to the next through the stack's word, released and acquired. Other threads use only
// ALLOCA cells, at their addresses and through atomics (see `memory`), after the owner has zeroed them and given them away.
// The memory itself has no thread affinity, and the arena is for all threads.
unsafe impl Sync for Region {}

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Region({:#x}..{:#x})", self.base, self.end)
    }
}

impl Region {
    /// Memory of an arena, which nobody else uses: all of it is mapped, readable, writable and initialised. It goes back
    /// with the region.
    pub(super) fn in_arena(arena: Arc<StackArena>, taken: TakenSlot) -> Region {
        Region {
            memory: Memory { arena, slot: taken.slot, lasting: false },
            base: taken.base,
            end: taken.end,
        }
    }

    /// The same for a region that lasts as long as its arena; the memory goes back, and is taken again, in between.
    pub(super) fn lasting(arena: Arc<StackArena>, taken: TakenSlot) -> Region {
        Region { memory: Memory { arena, slot: taken.slot, lasting: true }, base: taken.base, end: taken.end }
    }

    /// The memory goes back to the arena until the same slot is taken again.
    pub(super) fn give_back(&self) {
        self.memory.arena.give_back(self.memory.slot);
    }

    /// The lowest address.
    #[inline]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// One past the highest address; the first frame goes right below.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether an address lies in this stack.
    #[inline]
    pub fn contains(&self, address: u64) -> bool {
        self.base <= address && address < self.end
    }

    /// `count` words from an address, or no words if they are not all inside.
    #[inline]
    pub fn words(&self, address: u64, count: u32) -> &[Cell<u64>] {
        // One comparison for both ends: an address below the base wraps to a great offset.
        let offset = address.wrapping_sub(self.base);
        let size = self.end - self.base;
        if offset & 7 != 0 || offset > size || size - offset < u64::from(count) * 8 {
            return &[];
        }
        // SAFETY: the range lies inside this region's part of its arena (checked above), which is mapped as long as the
        // region is there; it is aligned, and mapped memory starts zeroed, so every word is initialised. Of a lasting
        // region whose memory has gone back nobody reads words: its stack is dead.
        // `Cell` allows other accesses through raw pointers by the same thread.
        unsafe { std::slice::from_raw_parts(address as *const Cell<u64>, count as usize) }
    }

    /// The slots of a frame.
    #[inline]
    pub fn slots(&self, fp: u64, slot_count: u32) -> &[Cell<u64>] {
        self.words(fp.wrapping_sub(FRAME_HEADER_BYTES + u64::from(slot_count) * 8), slot_count)
    }

    #[inline]
    fn word(&self, fp: u64, offset: i64) -> u64 {
        self.words(fp.wrapping_add_signed(offset), 1).first().map_or(0, Cell::get)
    }

    #[inline]
    fn set_word(&self, fp: u64, offset: i64, value: u64) {
        if let Some(cell) = self.words(fp.wrapping_add_signed(offset), 1).first() {
            cell.set(value);
        }
    }

    /// The five neighbouring words of a frame, checked once; `None` if they are not all inside.
    #[inline]
    pub fn frame(&self, fp: u64) -> Option<FrameWords<'_>> {
        match self.words(fp.wrapping_add_signed(word::SP), 5) {
            [sp, pc, code, saved_fp, resume] => Some(FrameWords { sp, pc, code, saved_fp, resume }),
            _ => None,
        }
    }

    /// Writes the linkage and header words of a new frame.
    #[inline]
    pub fn write_frame(&self, fp: u64, saved_fp: u64, resume: u64, code: u32, state: FrameState, sp: u64) {
        if let Some(frame) = self.frame(fp) {
            frame.sp.set(sp);
            frame.pc.set(0);
            frame.code.set(u64::from(code) | (state as u64) << 32);
            frame.saved_fp.set(saved_fp);
            frame.resume.set(resume);
        }
    }

    /// The fp of the frame below; 0 in the bottom frame.
    #[inline]
    pub fn saved_fp(&self, fp: u64) -> u64 {
        self.word(fp, word::SAVED_FP)
    }

    /// How the frame below continues.
    #[inline]
    pub fn resume_word(&self, fp: u64) -> u64 {
        self.word(fp, word::RESUME)
    }

    /// Which code the frame runs.
    #[inline]
    pub fn code(&self, fp: u64) -> u32 {
        self.word(fp, word::CODE) as u32
    }

    /// What the frame is doing.
    #[inline]
    pub fn state(&self, fp: u64) -> FrameState {
        match self.word(fp, word::CODE) >> 32 {
            0 => FrameState::AtInstruction,
            1 => FrameState::Fresh,
            _ => FrameState::Native,
        }
    }

    /// Changes what the frame is doing.
    #[inline]
    pub fn set_code(&self, fp: u64, code: u32, state: FrameState) {
        self.set_word(fp, word::CODE, u64::from(code) | (state as u64) << 32);
    }

    /// Where the frame stands.
    #[inline]
    pub fn pc(&self, fp: u64) -> u64 {
        self.word(fp, word::PC) & u64::from(u32::MAX)
    }

    /// Notes where the frame stands.
    #[inline]
    pub fn set_pc(&self, fp: u64, pc: u64) {
        self.set_word(fp, word::PC, pc);
    }

    /// The lowest address of the frame.
    #[inline]
    pub fn sp(&self, fp: u64) -> u64 {
        self.word(fp, word::SP)
    }

    /// Notes the lowest address of the frame.
    #[inline]
    pub fn set_sp(&self, fp: u64, sp: u64) {
        self.set_word(fp, word::SP, sp);
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if !self.memory.lasting {
            self.give_back();
        }
    }
}
