//! A table that grows and whose entries never move: threads look into it without a lock while another adds to it.
//!
//! Chunk `k` has `FIRST << k` entries, so a few dozen chunks hold any number, and the place of an entry is two shifts.

use super::Stack;
use std::sync::OnceLock;

/// Entries of the first chunk.
const FIRST: usize = 64;

/// Numbers of stacks fit into 32 bits.
const CHUNKS: usize = 27;

#[derive(Default)]
pub(super) struct Table {
    chunks: [OnceLock<Box<[Stack]>>; CHUNKS],
}

/// The chunk of an entry and its place there.
fn place(number: usize) -> (usize, usize) {
    let shifted = number + FIRST;
    let chunk = (shifted / FIRST).ilog2() as usize;
    (chunk, shifted - (FIRST << chunk))
}

impl Table {
    /// The entry of a number that was made.
    #[inline]
    pub fn get(&self, number: usize) -> Option<&Stack> {
        let (chunk, at) = place(number);
        self.chunks.get(chunk)?.get()?.get(at)
    }

    /// The entry of a number, made if need be. Numbers are below 2^32.
    pub fn make(&self, number: usize) -> &Stack {
        let (chunk, at) = place(number);
        let entries = || (0..FIRST << chunk).map(|_| Stack::default()).collect();
        &self.chunks[chunk].get_or_init(entries)[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_own_place() {
        let mut expected = (0, 0);
        for number in 0..100_000 {
            assert_eq!(place(number), expected);
            expected = match expected {
                (chunk, at) if at + 1 == FIRST << chunk => (chunk + 1, 0),
                (chunk, at) => (chunk, at + 1),
            };
        }
        assert!(place(u32::MAX as usize - 1).0 < CHUNKS);
        let table = Table::default();
        assert!(table.get(0).is_none() && table.get(usize::MAX / 2).is_none());
        let (one, other) = (std::ptr::from_ref(table.make(3)), std::ptr::from_ref(table.make(300)));
        assert!(one != other && std::ptr::eq(table.get(3).unwrap(), one));
    }
}
