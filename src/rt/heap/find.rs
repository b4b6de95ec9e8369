//! From an address to the beginning of the object around it.
//!
//! **What.** [`Space::find_start`] answers for any address in a block of small objects, [`Space::settle`] makes all
//! beginnings in a block known.
//!
//! **Why this way.** An allocation writes a header and nothing else, so that compiled code can do it in three
//! instructions; the start bit that [`Space::find_start`] looks for is set later, by whoever asks. Memory is handed out in
//! *parts*: holes of recycled blocks, or whole blocks. In a part, objects lie side by side from its beginning, and what
//! has not been allocated is zero, so a part can be read object by object. Asking for an address reads on from the last
//! beginning that is known in its part, and remembers the ones it meets: every object is passed once.
//!
//! ```text
//! parts    | first | next | next | (marked) | first | (marked) | (free) |     one byte per line
//! memory   | H obj   H obj H obj 000000 | live | H obj 00 | live …  | old |
//! starts       1       1     ↑ not yet
//! ```
//!
//! A collection that moves objects overwrites headers, so it settles all parts first; after a collection there are no
//! parts until memory is handed out again.
//!
//! **Invariants.** Outside of parts every beginning has its start bit. The bits known in a part are those of its first
//! objects. Threads may ask while others allocate: an address somebody may ask for belongs to an object whose header,
//! like those of all objects before it in the part, was written before the address became known.

use super::Header;
use super::space::{BLOCK, LINE, LINE_SHIFT, LINES, Space};
use std::sync::atomic::Ordering;

/// In the table of parts: the first line of one.
const FIRST: u8 = 1;
/// Another line of one.
const NEXT: u8 = 2;

impl Space {
    /// Lines `first..end` of a block are handed out to allocate in; they are zero.
    pub(super) fn begin_part(&self, block: u64, first: u64, end: u64) {
        self.part(block * LINES + first).store(FIRST, Ordering::Release);
        for line in first + 1..end {
            self.part(block * LINES + line).store(NEXT, Ordering::Release);
        }
    }

    /// There are no parts in the block any more.
    pub(super) fn clear_parts(&self, block: u64) {
        for line in 0..LINES {
            self.part(block * LINES + line).store(0, Ordering::Relaxed);
        }
    }

    /// The beginning of the object of a small block whose payload holds an address, or ends there (a location without
    /// bytes may lie at the end of an object). An address between objects may give the one before.
    #[inline]
    pub(super) fn find_start(&self, block: u64, address: u64) -> Option<u64> {
        let known = self.start_before(block, address);
        // The byte before a payload, or before its end, is in the object's part.
        let line = address.wrapping_sub(self.base() + 1) >> LINE_SHIFT;
        if line / LINES != block || self.part(line).load(Ordering::Acquire) == 0 {
            return known;
        }
        match known {
            Some(start) if address <= self.end_of(start) => known,
            _ => self.find_in_part(line, address, known),
        }
    }

    /// The address after an object of a small block.
    #[inline]
    fn end_of(&self, start: u64) -> u64 {
        start + Header(self.word(start - 8).load(Ordering::Relaxed)).size_bytes()
    }

    #[cold]
    fn find_in_part(&self, line: u64, address: u64, known: Option<u64>) -> Option<u64> {
        let mut first = line;
        while self.part(first).load(Ordering::Relaxed) == NEXT {
            first -= 1;
        }
        let begin = self.base() + first * LINE;
        match known {
            Some(start) if start > begin => self.read_part(self.end_of(start), address).or(known),
            _ => self.read_part(begin, address).or(known),
        }
    }

    /// Reads objects from `at` on, up to the last that begins at or before `until`, which is the answer.
    fn read_part(&self, mut at: u64, until: u64) -> Option<u64> {
        let mut last = None;
        while at + 8 <= until {
            let header = Header(self.word(at).load(Ordering::Acquire));
            if header.is_valid() {
                let payload = at + 8;
                self.share_start(payload);
                last = Some(payload);
                at = payload + header.size_bytes();
            } else {
                // An element count, or padding before an aligned payload, or the end.
                at += 8;
            }
        }
        last
    }

    /// Makes all beginnings in a block known.
    pub(super) fn settle(&self, block: u64) {
        let is = |line: u64, what: u8| self.part(block * LINES + line).load(Ordering::Relaxed) == what;
        let mut line = 0;
        while line < LINES {
            if !is(line, FIRST) {
                line += 1;
                continue;
            }
            let first = line;
            line += 1;
            while line < LINES && is(line, NEXT) {
                line += 1;
            }
            let begin = self.block_address(block) + first * LINE;
            let end = (self.block_address(block) + line * LINE).min(self.block_address(block) + BLOCK - 8);
            let known = self.start_before(block, end).filter(|&start| start > begin);
            self.read_part(known.map_or(begin, |start| self.end_of(start)), end);
        }
    }
}
