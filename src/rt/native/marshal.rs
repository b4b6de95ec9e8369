//! Values between words of leaves and the places of the ABI, in both directions: Mu calls C, and C calls Mu.
//!
//! ```text
//! words of leaves ──put──▶ eightbytes in memory order ──▶ registers, stack or memory of the ABI
//! words of leaves ◀─take── eightbytes in memory order ◀── registers, stack or memory of the ABI
//! ```
//!
//! Scalars never cross an eightbyte (they are aligned to their size, at most 8, and `int<128>` is two), so a value's image
//! in memory is built from words by shifting. Everything here is safe Rust over slices; who has the machine's registers
//! in memory (see [`super::switch`]) lends them as [`Places`].
//!
//! Narrow integers are extended the same way in both directions (see the decisions of [`super::classify`]): as arguments
//! to C, and as results to C.

use super::classify::{ArgPlace, NativeResult, NativeSig, Register, ResultPlace};
use crate::layout::{Leaf, LeafKind};
use mu_ir::semantics::int;
use smallvec::SmallVec;

/// Words of values. Enough for most calls without allocation.
pub type Words = SmallVec<[u64; 8]>;

/// The largest value that travels in registers: a vector of 64 bytes.
type Image = [u64; 8];

/// Argument registers, or result registers, and stack arguments of one call.
pub(super) struct Places<'a> {
    /// General registers, in the order of the ABI.
    pub ints: &'a mut [u64],
    /// Vector registers, `vector_words` each.
    pub vectors: &'a mut [u64],
    /// Words of a vector register.
    pub vector_words: usize,
    /// Arguments on the stack.
    pub stack: &'a mut [u64],
}

impl Places<'_> {
    #[inline]
    fn store(&mut self, register: Register, eightbyte: u64) {
        match register {
            Register::None => {}
            Register::Int(index) => self.ints[usize::from(index)] = eightbyte,
            Register::Vector { index, part } => {
                self.vectors[usize::from(index) * self.vector_words + usize::from(part)] = eightbyte;
            }
        }
    }

    #[inline]
    fn load(&self, register: Register) -> u64 {
        match register {
            Register::None => 0,
            Register::Int(index) => self.ints[usize::from(index)],
            Register::Vector { index, part } => {
                self.vectors[usize::from(index) * self.vector_words + usize::from(part)]
            }
        }
    }

    fn store_value(&mut self, leaves: &[Leaf], words: &[u64], registers: &[Register]) {
        // Most values: one scalar in one register.
        if let ([leaf], [register]) = (leaves, registers) {
            return self.store(*register, scalar(leaf, words));
        }
        let mut image: Image = [0; 8];
        put(leaves, words, &mut image);
        for (&eightbyte, &register) in image.iter().zip(registers) {
            self.store(register, eightbyte);
        }
    }

    fn load_value(&self, leaves: &[Leaf], words: &mut [u64], registers: &[Register]) {
        if let ([leaf], [register]) = (leaves, registers) {
            words[0] = self.load(*register) & leaf_mask(leaf);
            return;
        }
        let mut image: Image = [0; 8];
        for (eightbyte, &register) in image.iter_mut().zip(registers) {
            *eightbyte = self.load(register);
        }
        take(leaves, &image, words);
    }

    /// Puts all arguments of a call of C into their places. The stack words are zero before.
    ///
    /// # Panics
    /// When `args` has not as many words as the signature says.
    pub fn put_args(&mut self, sig: &NativeSig, args: &[u64]) {
        assert_eq!(args.len(), sig.arg_words as usize, "words of the arguments");
        let mut rest = args;
        for arg in &sig.args {
            let (words, after) = rest.split_at(arg.words as usize);
            rest = after;
            match &arg.place {
                ArgPlace::Registers(registers) => self.store_value(&arg.leaves, words, registers),
                ArgPlace::Stack { offset_bytes } => {
                    put(&arg.leaves, words, &mut self.stack[*offset_bytes as usize / 8..]);
                }
            }
        }
    }

    /// The words of all arguments with which C called.
    pub fn take_args(&self, sig: &NativeSig) -> Words {
        let mut all = Words::from_elem(0, sig.arg_words as usize);
        let mut rest = &mut *all;
        for arg in &sig.args {
            let (words, after) = std::mem::take(&mut rest).split_at_mut(arg.words as usize);
            rest = after;
            match &arg.place {
                ArgPlace::Registers(registers) => self.load_value(&arg.leaves, words, registers),
                ArgPlace::Stack { offset_bytes } => {
                    take(&arg.leaves, &self.stack[*offset_bytes as usize / 8..], words);
                }
            }
        }
        all
    }

    /// Puts the result of a call by C into its registers. For one that goes to memory answers its image there: at least
    /// `size_bytes` bytes.
    ///
    /// # Panics
    /// When `words` has not as many words as the result.
    pub fn put_result(&mut self, result: &NativeResult, words: &[u64]) -> Option<Vec<u64>> {
        assert_eq!(words.len(), result.words as usize, "words of the result");
        match &result.place {
            ResultPlace::Registers(registers) => {
                self.store_value(&result.leaves, words, registers);
                None
            }
            ResultPlace::Memory => {
                let mut image = vec![0; result.size_bytes.div_ceil(8) as usize];
                put(&result.leaves, words, &mut image);
                Some(image)
            }
        }
    }

    /// The words of the result of a call of C; `memory` is the result's memory, if it has one.
    ///
    /// # Panics
    /// When `words` has not as many words as the result.
    pub fn take_result(&self, result: &NativeResult, memory: &[u64], words: &mut [u64]) {
        assert_eq!(words.len(), result.words as usize, "words of the result");
        match &result.place {
            ResultPlace::Registers(registers) => self.load_value(&result.leaves, words, registers),
            ResultPlace::Memory => take(&result.leaves, memory, words),
        }
    }
}

/// The eightbyte of a value that is one scalar of at most 64 bits.
fn scalar(leaf: &Leaf, words: &[u64]) -> u64 {
    match leaf.kind {
        // See the decisions of `classify`.
        LeafKind::Int(width @ (8 | 16)) => {
            int::sign_extend(u32::from(width), words[0]) as u64 & int::mask(32)
        }
        _ => words[0],
    }
}

/// The bits of the (first) word of a scalar.
fn leaf_mask(leaf: &Leaf) -> u64 {
    int::mask(leaf_bits(leaf).min(64))
}

fn leaf_bits(leaf: &Leaf) -> u32 {
    match leaf.kind {
        LeafKind::Int(width) => u32::from(width),
        kind => kind.size_bytes() as u32 * 8,
    }
}

/// Adds a value to a zeroed image in memory order.
fn put(leaves: &[Leaf], words: &[u64], image: &mut [u64]) {
    if let [leaf @ Leaf { kind: LeafKind::Int(8 | 16), .. }] = leaves {
        image[0] = scalar(leaf, words);
        return;
    }
    for leaf in leaves {
        let (at, shift) = (leaf.offset_bytes as usize / 8, leaf.offset_bytes % 8 * 8);
        let word = leaf.word as usize;
        image[at] |= words[word] << shift;
        if leaf.kind.words() == 2 {
            image[at + 1] = words[word + 1];
        }
    }
}

/// Reads a value from its image in memory order. Bits that do not belong to its scalars are cut off.
fn take(leaves: &[Leaf], image: &[u64], words: &mut [u64]) {
    for leaf in leaves {
        let (at, shift) = (leaf.offset_bytes as usize / 8, leaf.offset_bytes % 8 * 8);
        let word = leaf.word as usize;
        words[word] = image[at] >> shift & leaf_mask(leaf);
        if leaf.kind.words() == 2 {
            words[word + 1] = image[at + 1] & int::mask(leaf_bits(leaf) - 64);
        }
    }
}
