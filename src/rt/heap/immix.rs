//! Blocks and lines: where free memory comes from, and what a collection leaves of it (Immix).
//!
//! **What.** [`Blocks`] knows which blocks are in use. An allocation buffer ([`AllocBuffer`]) gets memory from it in
//! this order: the next *hole* (run of lines without a mark) of the block it is recycling, the first hole of another
//! *recyclable* block, a free block. An object larger than a line that does not fit into the present hole goes to the
//! buffer's second, *overflow* part, which is always a block that was free, so that it does not waste the hole.
//!
//! ```text
//! take ──> in use ──collection: no line marked──> free (zeroed when taken again)
//!             └────────some lines marked────────> in use, recyclable: its holes are handed out
//! ```
//!
//! **The limit** counts blocks in use, small and large ones. `soft` is the growth policy: the number of blocks in use at
//! which an allocation answers "no room" although the limit is not reached, so that its caller collects.
//!
//! **Fresh mode** (the stress mode `move`): blocks are taken at ever new addresses; the ones that become free are
//! *retired*: given back to the system and protected, so that a stale reference into them faults. When the address space
//! is used up it begins anew with the oldest. Holes are not recycled.
//!
//! **Invariants.** A block in use is in `used` exactly once. A buffer owns the block of its hole; `recyclable` and
//! `free` are owned by nobody. The last 8 bytes of a block are never used, so that an internal reference to a location
//! without bytes at the end of an object still lies in its block.

use super::space::{BLOCK, CANDIDATE, LINE, LINES, Space, TOUCHED};
use super::{Address, AllocBuffer, Heap, Request};
use crate::os::Access;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Blocks whose side tables are given back together in fresh mode.
const TABLE_CHUNK: u64 = 4096;

/// Freed runs of large objects from this size on are given back to the system, smaller ones are overwritten.
const DISCARD_BYTES: u64 = 64 << 10;

/// Blocks from this one on may lie in huge pages: those of a heap of more than 4 MiB.
const HUGE_FROM: u64 = (4 << 20) / BLOCK;

/// A large object's blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LargeRun {
    pub first: u64,
    pub count: u64,
}

/// The blocks of the collected part of a heap.
pub(super) struct Blocks {
    /// Small blocks in use.
    pub used: Vec<u32>,
    free: Vec<u32>,
    recyclable: Vec<u32>,
    /// The first small block that was never taken (in fresh mode: the next to take).
    next: u64,
    /// Fresh mode has used all addresses once.
    wrapped: bool,
    tables_discarded: u64,
    /// Large objects in use.
    pub large: Vec<LargeRun>,
    large_free: BTreeMap<u64, u64>,
    large_next: u64,
    /// Blocks in use, small and large.
    pub in_use: u64,
    /// Most blocks in use.
    pub limit: u64,
    /// Blocks in use at which to collect.
    pub soft: u64,
    /// Whether addresses are never used twice.
    pub fresh: bool,
}

impl Blocks {
    pub(super) fn new(limit: u64, soft: u64, fresh: bool, small_end: u64) -> Blocks {
        Blocks {
            used: Vec::new(),
            free: Vec::new(),
            recyclable: Vec::new(),
            next: 0,
            wrapped: false,
            tables_discarded: 0,
            large: Vec::new(),
            large_free: BTreeMap::new(),
            large_next: small_end,
            in_use: 0,
            limit,
            soft: soft.min(limit),
            fresh,
        }
    }

    /// A free block for a mutator, zeroed.
    pub(super) fn take_small(&mut self, space: &Space) -> Option<u64> {
        if self.in_use >= self.soft {
            return None;
        }
        self.take_small_beyond(space, true)
    }

    /// A free block, whatever the limit says: for the collector, which does not need it zeroed.
    pub(super) fn take_small_beyond(&mut self, space: &Space, zeroed: bool) -> Option<u64> {
        let block = if self.fresh {
            self.take_fresh(space)?
        } else if let Some(block) = self.free.pop() {
            let begin = space.block_address(block.into());
            if zeroed {
                space.zero(begin, begin + BLOCK);
            }
            block.into()
        } else {
            let block = self.next;
            if block >= space.regions.small_end {
                return None;
            }
            if block == HUGE_FROM {
                space.use_huge_pages(block);
            }
            self.next += 1;
            block
        };
        space.set_kind(block, 1, false);
        self.used.push(block as u32);
        self.in_use += 1;
        Some(block)
    }

    fn take_fresh(&mut self, space: &Space) -> Option<u64> {
        let end = space.regions.small_end;
        for _ in 0..end {
            if self.next == end {
                (self.next, self.wrapped, self.tables_discarded) = (0, true, 0);
            }
            let block = self.next;
            self.next += 1;
            if space.kind(block) == super::space::BlockKind::Free {
                let accessible = !self.wrapped || space.protect(block, 1, Access::ReadWrite);
                return accessible.then_some(block);
            }
        }
        None
    }

    /// A recyclable block.
    fn take_recyclable(&mut self, space: &Space) -> Option<u64> {
        let block = u64::from(self.recyclable.pop()?);
        space.set_flag(block, TOUCHED, true);
        Some(block)
    }

    /// Blocks in a row for a large object, zeroed.
    pub(super) fn take_large(&mut self, space: &Space, count: u64) -> Option<u64> {
        if self.in_use.checked_add(count)? > self.soft {
            return None;
        }
        self.take_large_beyond(space, count)
    }

    /// The same, whatever the limit says.
    pub(super) fn take_large_beyond(&mut self, space: &Space, count: u64) -> Option<u64> {
        let room = space.regions.large_end - self.large_next;
        let recycled =
            self.large_free.iter().find(|&(_, &free)| free >= count).map(|(&first, &free)| (first, free));
        let first = match recycled {
            Some((first, free)) if !self.fresh || count > room => {
                if self.fresh && !space.protect(first, count, Access::ReadWrite) {
                    return None;
                }
                self.large_free.remove(&first);
                if free > count {
                    self.large_free.insert(first + count, free - count);
                }
                first
            }
            _ if count <= room => {
                self.large_next += count;
                self.large_next - count
            }
            _ => return None,
        };
        space.set_kind(first, count, true);
        self.large.push(LargeRun { first, count });
        self.in_use += count;
        Some(first)
    }

    /// Blocks of a large object that was not reached.
    pub(super) fn free_large(&mut self, space: &Space, run: LargeRun) {
        let LargeRun { first, count } = run;
        space.clear_tables(first, 1);
        space.set_free(first, count);
        self.in_use -= count;
        if self.fresh {
            space.discard(first, count);
            space.protect(first, count, Access::None);
        } else if count * BLOCK >= DISCARD_BYTES {
            space.discard(first, count);
        } else {
            space.zero(space.block_address(first), space.block_address(first + count));
        }
        let (mut first, mut count) = (first, count);
        if let Some((&before, &length)) = self.large_free.range(..first).next_back()
            && before + length == first
        {
            self.large_free.remove(&before);
            (first, count) = (before, length + count);
        }
        if let Some(after) = self.large_free.remove(&(first + count)) {
            count += after;
        }
        self.large_free.insert(first, count);
    }

    /// After marking: sorts the small blocks into free, recyclable and full ones. Answers the lines in use.
    pub(super) fn sweep_small(&mut self, space: &Space) -> u64 {
        self.recyclable.clear();
        let mut used = std::mem::take(&mut self.used);
        let mut retired = Vec::new();
        let mut lines = 0;
        used.sort_unstable();
        used.retain(|&block| {
            let block = u64::from(block);
            let marked = space.marked_lines(block);
            space.marks_become_starts(block);
            if space.has_flag(block, TOUCHED) {
                space.clear_parts(block);
            }
            if marked == 0 {
                space.set_free(block, 1);
                if self.fresh {
                    retired.push(block)
                } else {
                    self.free.push(block as u32)
                }
                return false;
            }
            lines += marked;
            space.set_flag(block, CANDIDATE | TOUCHED, false);
            if self.fresh {
                self.poison_holes(space, block);
            } else if marked < LINES {
                self.recyclable.push(block as u32);
            }
            true
        });
        // Both are taken from the end: lowest addresses first.
        self.recyclable.reverse();
        self.free.sort_unstable_by(|a, b| b.cmp(a));
        self.used = used;
        self.in_use = self.used.len() as u64 + self.large.iter().map(|run| run.count).sum::<u64>();
        self.retire(space, &retired);
        lines
    }

    fn poison_holes(&self, space: &Space, block: u64) {
        let begin = space.block_address(block);
        for line in (0..LINES).filter(|&line| !space.line_marked(block, line)) {
            space.poison(begin + line * LINE, begin + (line + 1) * LINE);
        }
    }

    /// Fresh mode: nobody may touch these blocks any more. They are in ascending order.
    fn retire(&mut self, space: &Space, blocks: &[u64]) {
        let mut rest = blocks;
        while let Some(&first) = rest.first() {
            let count = rest.iter().zip(first..).take_while(|&(&block, wanted)| block == wanted).count();
            space.discard(first, count as u64);
            // Without protection (too many mappings) stale references are only less likely to be noticed.
            space.protect(first, count as u64, Access::None);
            rest = &rest[count..];
        }
        if self.fresh && !self.wrapped {
            let lowest = self.used.first().map_or(self.next, |&block| block.into()).min(self.next);
            let end = lowest / TABLE_CHUNK * TABLE_CHUNK;
            if end > self.tables_discarded {
                space.discard_tables(self.tables_discarded, end);
                self.tables_discarded = end;
            }
        }
    }

    /// Blocks that can be taken within the limit.
    pub(super) fn room(&self) -> u64 {
        self.limit.saturating_sub(self.in_use)
    }
}

impl Heap {
    /// More memory for a buffer, and the object in it.
    #[cold]
    pub(super) fn refill(&self, buffer: &mut AllocBuffer, request: Request) -> Option<Address> {
        let need = request.header.prefix_bytes() + request.size.next_multiple_of(8) + request.align - 8;
        if need > LINE {
            return self.overflow(buffer, request);
        }
        loop {
            if self.next_hole(buffer) {
                if let Some(address) = self.bump(buffer, request) {
                    return Some(address);
                }
                continue;
            }
            let mut blocks = self.blocks.lock();
            if let Some(block) = blocks.take_recyclable(&self.space) {
                (buffer.recycling, buffer.line) = (block + 1, 0);
                continue;
            }
            let begin = self.space.block_address(blocks.take_small(&self.space)?);
            self.begin_block(begin);
            buffer.recycling = 0;
            (buffer.cursor, buffer.limit) = (begin, begin + BLOCK - 8);
            return self.bump(buffer, request);
        }
    }

    /// Moves the buffer to the next hole of the block it is recycling.
    fn next_hole(&self, buffer: &mut AllocBuffer) -> bool {
        let Some(block) = buffer.recycling.checked_sub(1) else { return false };
        let is_free = |line: &u64| !self.space.line_marked(block, *line);
        let Some(first) = (buffer.line..LINES).find(is_free) else {
            buffer.recycling = 0;
            return false;
        };
        let end = (first..LINES).find(|line| !is_free(line)).unwrap_or(LINES);
        let begin = self.space.block_address(block);
        buffer.line = end;
        buffer.cursor = begin + first * LINE;
        buffer.limit = (begin + end * LINE).min(begin + BLOCK - 8);
        self.space.zero(buffer.cursor, begin + end * LINE);
        self.space.begin_part(block, first, end);
        self.allocated.fetch_add((end - first) * LINE, Ordering::Relaxed);
        true
    }

    /// A block that was free is handed out.
    fn begin_block(&self, begin: u64) {
        self.space.begin_part((begin - self.space.base()) / BLOCK, 0, LINES);
        self.allocated.fetch_add(BLOCK, Ordering::Relaxed);
    }

    /// An object larger than a line that does not fit into the buffer's hole.
    fn overflow(&self, buffer: &mut AllocBuffer, request: Request) -> Option<Address> {
        let mut part = AllocBuffer {
            cursor: buffer.overflow_cursor,
            limit: buffer.overflow_limit,
            ..AllocBuffer::default()
        };
        let address = match self.bump(&mut part, request) {
            Some(address) => Some(address),
            None => {
                let begin = self.space.block_address(self.blocks.lock().take_small(&self.space)?);
                self.begin_block(begin);
                (part.cursor, part.limit) = (begin, begin + BLOCK - 8);
                // An object that is not large always fits into an empty block.
                self.bump(&mut part, request)
            }
        };
        (buffer.overflow_cursor, buffer.overflow_limit) = (part.cursor, part.limit);
        address
    }
}
