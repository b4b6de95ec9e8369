//! The pure operation semantics of Mu: what every arithmetic, comparison and conversion computes.
//!
//! **What.** Free functions, one per operation, from operand values to a result value. No state, no memory,
//! no types of the IR. The reference interpreter and the tests call the same functions, as a constant
//! folder can, so an operation is defined exactly once.
//!
//! | module     | spec section                                              |
//! |------------|-----------------------------------------------------------|
//! | [`int`]    | instruction-set: Binary Operations, Comparison (integers) |
//! | [`float`]  | instruction-set: Binary Operations, Comparison (FP)       |
//! | [`conv`]   | instruction-set: Conversion                               |
//! | [`tagref`] | type-system: Tagged Reference; common-insts: tr64         |
//! | [`rmw`]    | uvm-memory: atomic-x operations (the arithmetic of `ATOMICRMW`) |
//!
//! **Representation.** An `int<n>` with n in 1..=64 is a `u64` whose bits from n upwards are zero; an
//! `int<128>` is a `u128`. `float` is `f32`, `double` is `f64`, `tagref64` is a `u64`. Functions on narrow
//! integers take the width n first; functions in a sub-module `wide` are the same operations on `int<128>`.
//! Vectors have no functions here: a vector operation applies the scalar one to each pair of elements.
//!
//! **Why this way.** Zero-extended words make unsigned operations, equality and memory stores free and put
//! the whole cost of odd widths into one mask after the operation. Signed operations extend on entry.
//! Free functions rather than methods on the operator enums keep this room independent of the instruction
//! table: [`crate::eval`] knows both.
//!
//! **Invariants.**
//! - Integer operands are canonical (bits above the width are zero; debug builds assert it) and so are results.
//! - Every function is total and deterministic, including the choice of NaN. Division returns `None` for a
//!   zero divisor, the only erroneous condition among these operations.
//! - Where the spec is silent, the decisions in ARCHITECTURE.md rule; the functions name the ruling.
//!
//! **Example.** `ADD <int<8>> 200 100` is 44 with a carry, and as signed numbers -56 + 100 does not overflow:
//! ```text
//! int::add(8, 200, 100)        == 44
//! int::status_add(8, 200, 100) == Status { n: false, z: false, c: true, v: false }
//! conv::sext(8, 16, 200)       == 0xffc8
//! ```

pub mod conv;
pub mod float;
pub mod int;
pub mod tagref;

#[cfg(test)]
mod tests;

/// The arithmetic of `ATOMICRMW` (spec: uvm-memory, "atomic-x operation").
///
/// Each function computes the value to store from the old value and the operand, in that order. The result
/// of the *instruction* is the old value; loading, storing and atomicity are the caller's part. `XCHG`
/// computes nothing: the new value is the operand, whatever its type.
///
/// ```text
/// rmw::nand(8, 0xf0, 0xaa) == 0x5f        rmw::max(8, 0xff, 1) == 1        rmw::umax(8, 0xff, 1) == 0xff
/// ```
pub mod rmw {
    pub use super::int::{add, bit_and, bit_or, bit_xor, sub};
    use super::int::{mask, sgt, slt};

    /// `NAND`: the bit-wise NOT of the bit-wise AND.
    #[inline]
    pub fn nand(width: u32, old: u64, opnd: u64) -> u64 {
        bit_and(width, old, opnd) ^ mask(width)
    }

    /// `MAX`: the greater of the two as signed numbers.
    #[inline]
    pub fn max(width: u32, old: u64, opnd: u64) -> u64 {
        if sgt(width, old, opnd) { old } else { opnd }
    }

    /// `MIN`: the lesser of the two as signed numbers.
    #[inline]
    pub fn min(width: u32, old: u64, opnd: u64) -> u64 {
        if slt(width, old, opnd) { old } else { opnd }
    }

    /// `UMAX`: the greater of the two as unsigned numbers.
    #[inline]
    pub fn umax(width: u32, old: u64, opnd: u64) -> u64 {
        debug_assert!(old <= mask(width) && opnd <= mask(width));
        old.max(opnd)
    }

    /// `UMIN`: the lesser of the two as unsigned numbers.
    #[inline]
    pub fn umin(width: u32, old: u64, opnd: u64) -> u64 {
        debug_assert!(old <= mask(width) && opnd <= mask(width));
        old.min(opnd)
    }

    /// The same operations on `int<128>`.
    pub mod wide {
        pub use super::super::int::wide::{add, bit_and, bit_or, bit_xor, sub};

        /// `NAND`: the bit-wise NOT of the bit-wise AND.
        #[inline]
        pub fn nand(old: u128, opnd: u128) -> u128 {
            !(old & opnd)
        }

        /// `MAX`: the greater of the two as signed numbers.
        #[inline]
        pub fn max(old: u128, opnd: u128) -> u128 {
            (old as i128).max(opnd as i128) as u128
        }

        /// `MIN`: the lesser of the two as signed numbers.
        #[inline]
        pub fn min(old: u128, opnd: u128) -> u128 {
            (old as i128).min(opnd as i128) as u128
        }

        /// `UMAX`: the greater of the two as unsigned numbers.
        #[inline]
        pub fn umax(old: u128, opnd: u128) -> u128 {
            old.max(opnd)
        }

        /// `UMIN`: the lesser of the two as unsigned numbers.
        #[inline]
        pub fn umin(old: u128, opnd: u128) -> u128 {
            old.min(opnd)
        }
    }
}
