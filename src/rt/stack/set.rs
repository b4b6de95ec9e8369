//! Sets of stacks: what a collection has reached.
//!
//! A collection asks for every stack of an instance, and there may be a million, so the hash of a reference is one
//! multiplication: numbers of stacks are handed out by this project, not chosen by whoever wants sets to be slow.
//! Nothing that reaches an output depends on the order of a set.

use super::StackRef;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// A set of stacks.
pub type StackSet = HashSet<StackRef, BuildHasherDefault<StackHasher>>;

/// The hash of a [`StackRef`].
#[derive(Default)]
pub struct StackHasher(u64);

impl Hasher for StackHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(self.0 ^ u64::from(byte)));
    }

    fn write_u64(&mut self, word: u64) {
        // The table takes its index from the low bits and its tag from the high ones: both get something of the number
        // and of the generation.
        let product = u128::from(word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn numbers_and_generations_spread() {
        let hash = |word: u64| BuildHasherDefault::<StackHasher>::default().hash_one(StackRef(word));
        // References differ in low bits, in high bits, or in both.
        for step in [1u64, 1 << 32, (1 << 32) + 1, 4096] {
            for bits in [0, 7, 57] {
                let buckets: HashSet<u64> = (1..=128).map(|i| hash(i * step) >> bits & 127).collect();
                assert!(buckets.len() > 50, "step {step:#x}, bits from {bits}: {} of 128", buckets.len());
            }
        }
    }
}
