//! The address space of a heap: blocks, and the side tables that describe them.
//!
//! ```text
//! memory   | small objects …        | large objects …        | immortal blocks …      |   32 KiB each
//! kinds    one word per block: free, small objects (and the collector's flags), large object and where it begins
//! starts   one bit per 8 bytes: a payload is known to begin here
//! marks    one bit per 8 bytes: the collector has reached the payload that begins here
//! lines    one byte per 256 bytes: something that was reached lies here
//! parts    one byte per 256 bytes: memory handed out since the last collection (see [`super::find`])
//! ```
//!
//! All are mapped at once and touched as needed. There is more address space than the heap's limit, so that large
//! objects always find blocks in a row: the limit counts blocks in use, wherever they are. Small objects lie within one
//! block, so finding the object around an address looks at 64 words at most; a large object's blocks say where it
//! begins.
//!
//! A block has one owner at a time, the allocation buffer that allocates in it; so memory and headers are written
//! without synchronisation. Readers see a start bit only after the header before it (release, acquire).

use crate::os::{Access, OsError, Reservation};
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// log2 of [`BLOCK`].
pub const BLOCK_SHIFT: u32 = 15;
/// Size and alignment of a block, in bytes.
pub const BLOCK: u64 = 1 << BLOCK_SHIFT;
/// log2 of [`LINE`].
pub(super) const LINE_SHIFT: u32 = 8;
/// Size and alignment of a line, in bytes: the grain in which blocks are recycled.
pub(super) const LINE: u64 = 1 << LINE_SHIFT;
/// Lines of a block.
pub(super) const LINES: u64 = BLOCK / LINE;
/// Words of `starts` and `marks` for a block.
const BIT_WORDS: u64 = BLOCK / 512;

/// A huge page of x86-64, in bytes.
const HUGE_PAGE: u64 = 2 << 20;

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockKind {
    /// Nothing.
    Free,
    /// Small objects.
    Small,
    /// A part of the large object that begins in this block.
    Large(u64),
}

/// A small block that the collector empties: the flag in its kind word.
pub(super) const CANDIDATE: u32 = 4;
/// A small block that objects were allocated in since the last collection.
pub(super) const TOUCHED: u32 = 8;
const SMALL: u32 = 1;

/// Ranges of block numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Regions {
    /// Small objects: from 0.
    pub small_end: u64,
    /// Large objects: from `small_end`.
    pub large_end: u64,
    /// Global cells: from `large_end`.
    pub immortal_end: u64,
}

pub(super) struct Space {
    memory: Reservation,
    kinds: Reservation,
    starts: Reservation,
    marks: Reservation,
    lines: Reservation,
    parts: Reservation,
    pub(super) regions: Regions,
    next_immortal: AtomicU64,
}

/// Most blocks a space can have: the kinds table keeps block numbers in 30 bits (32 TiB).
pub(super) const MAX_BLOCKS: u64 = 1 << 30;

/// A word of memory as an atomic.
///
/// # Safety
/// `address` is a multiple of 8, inside memory that lives as long as `'a` and is only accessed through atomics, cells
/// and the mutators' own instructions meanwhile.
#[inline]
pub(super) unsafe fn atomic<'a>(address: u64) -> &'a AtomicU64 {
    debug_assert!(address.is_multiple_of(8) && address != 0);
    // SAFETY: the caller's promise.
    unsafe { AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(address as usize)) }
}

impl Space {
    pub(super) fn new(regions: Regions) -> Result<Space, OsError> {
        let all_blocks = regions.immortal_end;
        if all_blocks > MAX_BLOCKS {
            let bytes = all_blocks.saturating_mul(BLOCK);
            return Err(OsError { call: "mmap", bytes, errno: libc::ENOMEM });
        }
        Ok(Space {
            memory: Reservation::new(all_blocks * BLOCK, HUGE_PAGE)?,
            kinds: Reservation::new(all_blocks * 4, 1)?,
            starts: Reservation::new(all_blocks * BIT_WORDS * 8, 1)?,
            marks: Reservation::new(all_blocks * BIT_WORDS * 8, 1)?,
            lines: Reservation::new(all_blocks * LINES, 1)?,
            parts: Reservation::new(all_blocks * LINES, 1)?,
            regions,
            next_immortal: AtomicU64::new(regions.large_end),
        })
    }

    #[inline]
    pub(super) fn base(&self) -> u64 {
        self.memory.base()
    }

    /// Bytes of address space, from `base`.
    #[inline]
    pub(super) fn span(&self) -> u64 {
        self.regions.immortal_end * BLOCK
    }

    /// The address after the last block.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.base() + self.span()
    }

    /// Whether an address lies among the collected objects rather than the immortal ones.
    #[inline]
    pub(super) fn is_heap(&self, address: u64) -> bool {
        address.wrapping_sub(self.base()) < self.regions.large_end * BLOCK
    }

    #[inline]
    pub(super) fn block_address(&self, block: u64) -> u64 {
        self.base() + block * BLOCK
    }

    /// The block that holds an address, if it is in this space.
    #[inline]
    pub(super) fn block_of(&self, address: u64) -> Option<u64> {
        let block = address.wrapping_sub(self.base()) >> BLOCK_SHIFT;
        (block < self.regions.immortal_end).then_some(block)
    }

    /// Takes `count` immortal blocks in a row; they are zero. `None` when the region is full.
    pub(super) fn take_immortal(&self, count: u64, large: bool) -> Option<u64> {
        let first = self
            .next_immortal
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |first| {
                first.checked_add(count).filter(|&after| after <= self.regions.immortal_end)
            })
            .ok()?;
        self.set_kind(first, count, large);
        Some(first)
    }

    /// Says what `count` blocks hold.
    pub(super) fn set_kind(&self, first: u64, count: u64, large: bool) {
        for block in first..first + count {
            let word = if large { (first as u32) << 2 | 2 } else { SMALL | TOUCHED };
            self.kind_word(block).store(word, Ordering::Release);
        }
    }

    /// Says that `count` blocks hold nothing.
    pub(super) fn set_free(&self, first: u64, count: u64) {
        for block in first..first + count {
            self.kind_word(block).store(0, Ordering::Release);
        }
    }

    #[inline]
    pub(super) fn kind(&self, block: u64) -> BlockKind {
        let word = self.kind_word(block).load(Ordering::Acquire);
        match word & 3 {
            0 => BlockKind::Free,
            1 => BlockKind::Small,
            _ => BlockKind::Large(u64::from(word >> 2)),
        }
    }

    /// Whether a small block has a flag.
    #[inline]
    pub(super) fn has_flag(&self, block: u64, flag: u32) -> bool {
        let word = self.kind_word(block).load(Ordering::Relaxed);
        word & 3 == SMALL && word & flag != 0
    }

    /// Sets or clears a flag of a small block.
    pub(super) fn set_flag(&self, block: u64, flag: u32, on: bool) {
        let word = self.kind_word(block);
        let old = word.load(Ordering::Relaxed);
        debug_assert_eq!(old & 3, SMALL);
        word.store(if on { old | flag } else { old & !flag }, Ordering::Relaxed);
    }

    /// Gives back all immortal blocks from `first` on, and what lies from `begin` to `end` in a block before them.
    pub(super) fn give_back_immortal(&self, first: u64, begin: u64, end: u64) {
        let taken = self.next_immortal.swap(first, Ordering::AcqRel);
        for bit in (begin - self.base()) / 8..(end - self.base()) / 8 {
            self.start_word(bit / 64).fetch_and(!(1 << (bit % 64)), Ordering::Release);
        }
        self.zero(begin, end);
        if first < taken {
            for word in first * BIT_WORDS..taken * BIT_WORDS {
                self.start_word(word).store(0, Ordering::Release);
            }
            self.discard(first, taken - first);
            self.set_free(first, taken - first);
        }
    }

    /// The immortal blocks taken so far, ascending.
    pub(super) fn immortal_taken(&self) -> std::ops::Range<u64> {
        self.regions.large_end..self.next_immortal.load(Ordering::Acquire)
    }

    /// Records that a payload begins at an address of this space. Only for blocks in whose memory nobody looks for
    /// beginnings that are not known yet (large and immortal ones), and only their owner: two could lose one another's bits.
    #[inline]
    pub(super) fn set_start(&self, payload: u64) {
        let bit = (payload - self.base()) / 8;
        let word = self.start_word(bit / 64);
        word.store(word.load(Ordering::Relaxed) | 1 << (bit % 64), Ordering::Release);
    }

    /// The same from any thread.
    #[inline]
    pub(super) fn share_start(&self, payload: u64) {
        let bit = (payload - self.base()) / 8;
        self.start_word(bit / 64).fetch_or(1 << (bit % 64), Ordering::Release);
    }

    /// The last payload of a small block that is known to begin at or before an address in it.
    #[inline]
    pub(super) fn start_before(&self, block: u64, address: u64) -> Option<u64> {
        let bit = (address - self.base()) / 8;
        let mut index = bit / 64;
        let first = block * BIT_WORDS;
        let mut word = self.start_word(index).load(Ordering::Acquire) & (u64::MAX >> (63 - bit % 64));
        while word == 0 {
            if index == first {
                return None;
            }
            index -= 1;
            word = self.start_word(index).load(Ordering::Acquire);
        }
        Some(self.base() + (index * 64 + u64::from(word.ilog2())) * 8)
    }

    /// The payloads that are known to begin in a block, ascending.
    pub(super) fn starts_in(&self, block: u64) -> impl Iterator<Item = u64> {
        let first = block * BIT_WORDS;
        (first..first + BIT_WORDS).flat_map(move |index| {
            let mut word = self.start_word(index).load(Ordering::Acquire);
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| u64::from(word.trailing_zeros()))?;
                word &= word - 1;
                Some(self.base() + (index * 64 + bit) * 8)
            })
        })
    }

    /// Whether the collector has reached the payload at an address.
    #[inline]
    pub(super) fn is_marked(&self, payload: u64) -> bool {
        let bit = (payload - self.base()) / 8;
        self.mark_word(bit / 64).load(Ordering::Relaxed) >> (bit % 64) & 1 != 0
    }

    /// Marks a payload; whether it was unmarked.
    #[inline]
    pub(super) fn mark(&self, payload: u64) -> bool {
        let bit = (payload - self.base()) / 8;
        let word = self.mark_word(bit / 64);
        let old = word.load(Ordering::Relaxed);
        let new = old | 1 << (bit % 64);
        word.store(new, Ordering::Relaxed);
        old != new
    }

    /// Marks the lines of an object that begins (with its header) at `begin` and ends before `end`.
    #[inline]
    pub(super) fn mark_lines(&self, begin: u64, end: u64) {
        let first = (begin - self.base()) >> LINE_SHIFT;
        let last = (end - 1 - self.base()) >> LINE_SHIFT;
        for line in first..=last {
            self.line(line).store(1, Ordering::Relaxed);
        }
    }

    /// Whether a line is marked.
    #[inline]
    pub(super) fn line_marked(&self, block: u64, line: u64) -> bool {
        self.line(block * LINES + line).load(Ordering::Relaxed) != 0
    }

    /// Number of marked lines of a block.
    pub(super) fn marked_lines(&self, block: u64) -> u64 {
        // Eight marks to a word; each is 0 or 1, so the bytes of a sum of 16 words do not overflow.
        let sum = (0..LINES / 8).map(|word| self.line_word(block * LINES / 8 + word).load(Ordering::Relaxed));
        let bytes: u64 = sum.sum();
        bytes.to_le_bytes().into_iter().map(u64::from).sum()
    }

    /// Before marking: no line of the block is marked.
    pub(super) fn clear_lines(&self, block: u64) {
        for word in 0..LINES / 8 {
            self.line_word(block * LINES / 8 + word).store(0, Ordering::Relaxed);
        }
    }

    /// After marking: what was reached is what there is, and nothing is marked.
    pub(super) fn marks_become_starts(&self, block: u64) {
        for index in block * BIT_WORDS..(block + 1) * BIT_WORDS {
            let mark = self.mark_word(index);
            self.start_word(index).store(mark.load(Ordering::Relaxed), Ordering::Release);
            mark.store(0, Ordering::Relaxed);
        }
    }

    /// Nothing in the block is marked.
    pub(super) fn clear_marks(&self, block: u64) {
        for index in block * BIT_WORDS..(block + 1) * BIT_WORDS {
            self.mark_word(index).store(0, Ordering::Relaxed);
        }
    }

    /// Nothing begins in the blocks and nothing is marked.
    pub(super) fn clear_tables(&self, first: u64, count: u64) {
        for block in first..first + count {
            self.clear_marks(block);
            self.marks_become_starts(block);
            self.clear_lines(block);
            self.clear_parts(block);
        }
    }

    /// Fills memory inside one block with zeros.
    pub(super) fn zero(&self, begin: u64, end: u64) {
        debug_assert!(self.base() <= begin && begin <= end && end <= self.end());
        // SAFETY: the range lies in the mapping; it holds no object, and the caller owns it (a buffer's hole, or blocks
        // just taken), so nobody else accesses it.
        unsafe {
            ptr::write_bytes(
                ptr::with_exposed_provenance_mut::<u8>(begin as usize),
                0,
                (end - begin) as usize,
            );
        }
    }

    /// Fills memory that holds no object with bytes that are neither zero nor a header.
    pub(super) fn poison(&self, begin: u64, end: u64) {
        debug_assert!(self.base() <= begin && begin <= end && end <= self.end());
        // SAFETY: as for `zero`; only the collector calls this, while no thread runs.
        unsafe {
            ptr::write_bytes(
                ptr::with_exposed_provenance_mut::<u8>(begin as usize),
                0x5d,
                (end - begin) as usize,
            );
        }
    }

    /// Copies an object of `bytes` bytes, a multiple of 8, header included.
    pub(super) fn copy(&self, from: u64, to: u64, bytes: u64) {
        debug_assert!(self.base() <= from && from + bytes <= self.end());
        debug_assert!(self.base() <= to && to + bytes <= self.end());
        // SAFETY: both ranges lie in the mapping; `to` is free memory the collector has just taken, so they do not
        // overlap, and no thread runs.
        unsafe {
            ptr::copy_nonoverlapping(
                ptr::with_exposed_provenance::<u64>(from as usize),
                ptr::with_exposed_provenance_mut::<u64>(to as usize),
                (bytes / 8) as usize,
            );
        }
    }

    /// Gives the memory of blocks back to the system; it reads as zero.
    pub(super) fn discard(&self, first: u64, count: u64) {
        let done = self.memory.discard(first * BLOCK, count * BLOCK);
        debug_assert!(done.is_ok(), "discarding own pages cannot fail");
    }

    /// From this block on, small objects may lie in huge pages: a heap that has become large is walked at random, and
    /// looking up addresses of small pages would take as long as the walk itself.
    pub(super) fn use_huge_pages(&self, first: u64) {
        self.memory.allow_huge_pages(first * BLOCK, (self.regions.small_end - first) * BLOCK);
    }

    /// Allows or forbids access to blocks.
    pub(super) fn protect(&self, first: u64, count: u64, access: Access) -> bool {
        self.memory.protect(first * BLOCK, count * BLOCK, access).is_ok()
    }

    /// Gives back the side tables' pages for blocks `first..end`, multiples of 4096, which hold nothing.
    pub(super) fn discard_tables(&self, first: u64, end: u64) {
        for (table, bytes) in [
            (&self.starts, BIT_WORDS * 8),
            (&self.marks, BIT_WORDS * 8),
            (&self.lines, LINES),
            (&self.parts, LINES),
            (&self.kinds, 4),
        ] {
            let done = table.discard(first * bytes, (end - first) * bytes);
            debug_assert!(done.is_ok(), "discarding own pages cannot fail");
        }
    }

    /// Prefetches an object and its header.
    #[inline]
    pub(super) fn prefetch(payload: u64) {
        // SAFETY: a prefetch is a hint; it never faults.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(ptr::with_exposed_provenance((payload - 8) as usize));
        }
    }

    /// A word of the space as an atomic. `address` is a multiple of 8 inside the space.
    #[inline]
    pub(super) fn word(&self, address: u64) -> &AtomicU64 {
        debug_assert!((self.base()..self.end()).contains(&address));
        // SAFETY: the address is inside the mapping that `self` owns, as the callers (all in this room) make sure and
        // debug builds assert; it is aligned, and the memory is only ever accessed by the mutators' own instructions
        // and through atomics.
        unsafe { atomic(address) }
    }

    #[inline]
    fn kind_word(&self, block: u64) -> &AtomicU32 {
        debug_assert!(block < self.regions.immortal_end);
        // SAFETY: the table has a word for each block, is aligned to a page and only accessed here.
        unsafe {
            AtomicU32::from_ptr(ptr::with_exposed_provenance_mut((self.kinds.base() + block * 4) as usize))
        }
    }

    #[inline]
    fn start_word(&self, index: u64) -> &AtomicU64 {
        debug_assert!(index < self.regions.immortal_end * BIT_WORDS);
        // SAFETY: the table has BIT_WORDS words for each block, is aligned to a page and only accessed here.
        unsafe { atomic(self.starts.base() + index * 8) }
    }

    #[inline]
    fn mark_word(&self, index: u64) -> &AtomicU64 {
        debug_assert!(index < self.regions.immortal_end * BIT_WORDS);
        // SAFETY: the table has BIT_WORDS words for each block, is aligned to a page and only accessed here.
        unsafe { atomic(self.marks.base() + index * 8) }
    }

    #[inline]
    fn line(&self, line: u64) -> &AtomicU8 {
        debug_assert!(line < self.regions.immortal_end * LINES);
        // SAFETY: the table has LINES bytes for each block; it is only accessed here, and words and bytes of it never at
        // the same time by two threads (the collector is alone).
        unsafe { AtomicU8::from_ptr(ptr::with_exposed_provenance_mut((self.lines.base() + line) as usize)) }
    }

    /// The entry of a line in the table of parts.
    #[inline]
    pub(super) fn part(&self, line: u64) -> &AtomicU8 {
        debug_assert!(line < self.regions.immortal_end * LINES);
        // SAFETY: the table has LINES bytes for each block and is only accessed through this function.
        unsafe { AtomicU8::from_ptr(ptr::with_exposed_provenance_mut((self.parts.base() + line) as usize)) }
    }

    #[inline]
    fn line_word(&self, index: u64) -> &AtomicU64 {
        debug_assert!(index < self.regions.immortal_end * LINES / 8);
        // SAFETY: as for `line`; a block has a whole number of words.
        unsafe { atomic(self.lines.base() + index * 8) }
    }
}
