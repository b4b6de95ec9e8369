//! The address space of a heap: blocks, and the side tables that describe them.
//!
//! ```text
//! memory   | heap blocks …                      | immortal blocks …         |   32 KiB each
//! kinds    one word per block: free, small objects, large object and where it begins
//! starts   one bit per 8 bytes: a payload begins here
//! ```
//!
//! All three are mapped at once and touched as needed. Small objects lie within one block, so finding the object
//! around an address looks at 64 words at most; a large object's blocks say where it begins.
//!
//! A block belongs to one allocation buffer while objects are allocated in it, and the words of `starts` never
//! describe two blocks: the owner sets bits without an atomic read-modify-write. Readers see a set bit only after the
//! header before it (release, acquire).

use crate::os::{OsError, Reservation};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// log2 of [`BLOCK`].
pub const BLOCK_SHIFT: u32 = 15;
/// Size and alignment of a block, in bytes.
pub const BLOCK: u64 = 1 << BLOCK_SHIFT;

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockKind {
    /// Nothing yet.
    Free,
    /// Small objects.
    Small,
    /// A part of the large object that begins in this block.
    Large(u64),
}

/// Ranges of blocks with their own limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Region {
    /// Collected objects.
    Heap,
    /// Global cells.
    Immortal,
}

pub(super) struct Space {
    memory: Reservation,
    kinds: Reservation,
    starts: Reservation,
    heap_blocks: u64,
    all_blocks: u64,
    next_heap: AtomicU64,
    next_immortal: AtomicU64,
}

/// Most blocks a space can have: the kinds table keeps block numbers in 30 bits (32 TiB).
const MAX_BLOCKS: u64 = 1 << 30;

impl Space {
    pub(super) fn new(heap_bytes: u64, immortal_bytes: u64) -> Result<Space, OsError> {
        let heap_blocks = heap_bytes.div_ceil(BLOCK).max(1);
        let immortal_blocks = immortal_bytes.div_ceil(BLOCK).max(1);
        let all_blocks = heap_blocks.saturating_add(immortal_blocks);
        if all_blocks > MAX_BLOCKS {
            return Err(OsError { call: "mmap", bytes: heap_bytes, errno: libc::ENOMEM });
        }
        Ok(Space {
            memory: Reservation::new(all_blocks * BLOCK, BLOCK)?,
            kinds: Reservation::new(all_blocks * 4, 1)?,
            starts: Reservation::new(all_blocks * (BLOCK / 64), 1)?,
            heap_blocks,
            all_blocks,
            next_heap: AtomicU64::new(0),
            next_immortal: AtomicU64::new(heap_blocks),
        })
    }

    #[inline]
    pub(super) fn base(&self) -> u64 {
        self.memory.base()
    }

    /// The address after the last block.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.memory.base() + self.all_blocks * BLOCK
    }

    /// Bytes of the heap region.
    pub(super) fn heap_bytes(&self) -> u64 {
        self.heap_blocks * BLOCK
    }

    /// Bytes of heap blocks taken so far.
    pub(super) fn heap_used(&self) -> u64 {
        self.next_heap.load(Ordering::Relaxed) * BLOCK
    }

    /// Whether an address lies in the heap region rather than the immortal one.
    #[inline]
    pub(super) fn is_heap(&self, address: u64) -> bool {
        address.wrapping_sub(self.base()) < self.heap_bytes()
    }

    #[inline]
    pub(super) fn block_address(&self, block: u64) -> u64 {
        self.base() + block * BLOCK
    }

    /// The block that holds an address, if it is in this space.
    #[inline]
    pub(super) fn block_of(&self, address: u64) -> Option<u64> {
        let block = address.wrapping_sub(self.base()) >> BLOCK_SHIFT;
        (block < self.all_blocks).then_some(block)
    }

    /// Takes `count` free blocks in a row; they are zero. `None` when the region is full.
    pub(super) fn take(&self, region: Region, count: u64, large: bool) -> Option<u64> {
        let (next, end) = match region {
            Region::Heap => (&self.next_heap, self.heap_blocks),
            Region::Immortal => (&self.next_immortal, self.all_blocks),
        };
        let first = next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |first| {
                first.checked_add(count).filter(|&after| after <= end)
            })
            .ok()?;
        for block in first..first + count {
            let word = if large { (first as u32) << 2 | 2 } else { 1 };
            self.kind_word(block).store(word, Ordering::Release);
        }
        Some(first)
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

    /// All blocks taken so far, ascending.
    pub(super) fn taken(&self) -> impl Iterator<Item = u64> {
        let heap = 0..self.next_heap.load(Ordering::Acquire);
        heap.chain(self.heap_blocks..self.next_immortal.load(Ordering::Acquire))
    }

    /// Records that a payload begins at an address of this space. Only the owner of the block may call this.
    #[inline]
    pub(super) fn set_start(&self, payload: u64) {
        let bit = (payload - self.base()) / 8;
        let word = self.start_word(bit / 64);
        word.store(word.load(Ordering::Relaxed) | 1 << (bit % 64), Ordering::Release);
    }

    /// The last payload of a small block that begins at or before an address in it.
    #[inline]
    pub(super) fn start_before(&self, block: u64, address: u64) -> Option<u64> {
        let bit = (address - self.base()) / 8;
        let mut index = bit / 64;
        let first = block * (BLOCK / 512);
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

    /// The payloads that begin in a block, ascending.
    pub(super) fn starts_in(&self, block: u64) -> impl Iterator<Item = u64> {
        let first = block * (BLOCK / 512);
        (first..first + BLOCK / 512).flat_map(move |index| {
            let mut word = self.start_word(index).load(Ordering::Acquire);
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| u64::from(word.trailing_zeros()))?;
                word &= word - 1;
                Some(self.base() + (index * 64 + bit) * 8)
            })
        })
    }

    /// A word of the space as an atomic. `address` is a multiple of 8 inside the space.
    #[inline]
    pub(super) fn word(&self, address: u64) -> &AtomicU64 {
        debug_assert!(address.is_multiple_of(8) && (self.base()..self.end()).contains(&address));
        // SAFETY: the address is inside the mapping that `self` owns, as the callers (all in this room) make sure and
        // debug builds assert; it is aligned, and the memory is only ever accessed by the mutators' own instructions
        // and through atomics.
        unsafe { AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(address as usize)) }
    }

    #[inline]
    fn kind_word(&self, block: u64) -> &AtomicU32 {
        debug_assert!(block < self.all_blocks);
        // SAFETY: the table has a word for each block, is aligned to a page and only accessed here.
        unsafe {
            AtomicU32::from_ptr(ptr::with_exposed_provenance_mut((self.kinds.base() + block * 4) as usize))
        }
    }

    #[inline]
    fn start_word(&self, index: u64) -> &AtomicU64 {
        debug_assert!(index < self.all_blocks * (BLOCK / 512));
        // SAFETY: the table has BLOCK / 512 words for each block, is aligned to a page and only accessed here.
        unsafe {
            AtomicU64::from_ptr(ptr::with_exposed_provenance_mut((self.starts.base() + index * 8) as usize))
        }
    }
}
