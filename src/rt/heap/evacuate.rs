//! Evacuation: giving reached objects new places, so that their blocks become free.
//!
//! **What.** An [`Evacuator`] knows which blocks are being emptied, copies objects out of them, and leaves the new
//! address where the header was (a header has bit 63, an address has not).
//!
//! **When.** *Opportunistically*, when a collection is asked to defragment: the blocks that hold least are emptied into
//! free ones, as many as fit ([`choose`]). In *fresh* mode every block is emptied and every large object moves.
//!
//! **Why this way.** Objects are copied into free blocks only, not into holes of others: holes are only known when
//! marking has ended. Occupation of a block is known from the last collection, unless objects were allocated in it
//! since; such a block counts as full. So defragmentation works best right after another collection, which is when it
//! is needed: when a collection did not free a block although memory is free in lines.
//!
//! **Invariants.** Whatever cannot be copied stays and is marked where it is; that is always correct. Pinned objects are
//! marked before anything is copied, so they stay; blocks with pins are not chosen.

use super::immix::Blocks;
use super::space::{BLOCK, BLOCK_SHIFT, BlockKind, CANDIDATE, LINE, LINES, Space, TOUCHED};
use super::{Header, LARGE_PAYLOAD};
use crate::layout::Layouts;
use std::sync::atomic::Ordering;

/// Copies objects; see the module.
pub(super) struct Evacuator<'a> {
    blocks: &'a mut Blocks,
    /// Blocks that may still be taken.
    budget: u64,
    /// Free memory for objects up to a line, and for larger ones.
    parts: [(u64, u64); 2],
    /// Objects copied.
    pub moved: u64,
}

impl<'a> Evacuator<'a> {
    pub(super) fn new(blocks: &'a mut Blocks, budget: u64) -> Evacuator<'a> {
        Evacuator { blocks, budget, parts: [(0, 0); 2], moved: 0 }
    }

    /// Whether objects leave this block.
    #[inline]
    pub(super) fn empties(&self, space: &Space, block: u64) -> bool {
        space.has_flag(block, CANDIDATE)
            || self.blocks.fresh
                && block < space.regions.large_end
                && matches!(space.kind(block), BlockKind::Large(_))
    }

    /// Copies an object; where it is now, or `None` if there is no room.
    pub(super) fn evacuate(
        &mut self,
        space: &Space,
        layouts: &Layouts,
        payload: u64,
        header: Header,
    ) -> Option<u64> {
        let now = if header.has(Header::LARGE) {
            self.copy_large(space, payload)?
        } else {
            let align = layouts.known(header.ty()).map_or(8, |layout| layout.align_bytes.max(8));
            let (prefix, size) = (header.prefix_bytes(), header.size_bytes());
            let now = self.room(space, prefix, size, align)?;
            space.copy(payload - prefix, now - prefix, prefix + size);
            now
        };
        space.word(payload - 8).store(now, Ordering::Relaxed);
        space.set_start(now);
        self.moved += 1;
        Some(now)
    }

    fn room(&mut self, space: &Space, prefix: u64, size: u64, align: u64) -> Option<u64> {
        let part = usize::from(prefix + size > LINE);
        loop {
            let (cursor, limit) = self.parts[part];
            let payload = (cursor + prefix).next_multiple_of(align);
            if payload + size <= limit {
                self.parts[part].0 = payload + size;
                return Some(payload);
            }
            self.budget = self.budget.checked_sub(1)?;
            let block = self.blocks.take_small_beyond(space, false)?;
            let begin = space.block_address(block);
            self.parts[part] = (begin, begin + BLOCK - 8);
        }
    }

    fn copy_large(&mut self, space: &Space, payload: u64) -> Option<u64> {
        let old = payload - LARGE_PAYLOAD;
        let size = space.word(old).load(Ordering::Relaxed);
        let first = self.blocks.take_large_beyond(space, blocks_of_large(size)?)?;
        let new = space.block_address(first);
        space.copy(old, new, LARGE_PAYLOAD + size);
        Some(new + LARGE_PAYLOAD)
    }
}

/// How many blocks a large object of this payload size takes: with its prefix, and a word behind it (see
/// [`super::immix`]).
pub(super) fn blocks_of_large(size: u64) -> Option<u64> {
    Some(size.checked_add(LARGE_PAYLOAD + 8)?.div_ceil(BLOCK))
}

/// Before line marks are cleared: chooses blocks to empty into at most `budget` free blocks, the emptiest first. Blocks
/// at `pinned` numbers stay. Answers how many were chosen.
pub(super) fn choose(space: &Space, blocks: &Blocks, budget: u64, pinned: &[u64]) -> u64 {
    let mut sparse: Vec<(u64, u32)> = blocks
        .used
        .iter()
        .filter(|&&block| blocks.fresh || !space.has_flag(block.into(), TOUCHED))
        .map(|&block| (space.marked_lines(block.into()), block))
        .filter(|&(lines, _)| blocks.fresh || lines <= LINES * 3 / 4)
        .collect();
    sparse.sort_unstable();
    // Copies are packed, but for the ends of blocks.
    let mut room = budget.saturating_mul(LINES - LINES / 16);
    let mut chosen = 0;
    for (lines, block) in sparse {
        let block = u64::from(block);
        if blocks.fresh {
            space.set_flag(block, CANDIDATE, true);
        } else if pinned.contains(&block) {
            continue;
        } else if lines <= room {
            room -= lines;
            space.set_flag(block, CANDIDATE, true);
        } else {
            break;
        }
        chosen += 1;
    }
    chosen
}

const _: () = assert!(BLOCK >> BLOCK_SHIFT == 1);
