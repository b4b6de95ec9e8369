//! FP binary operations and comparisons (spec: instruction-set, "Binary Operations" and "Comparison").
//!
//! **What.** FADD, FSUB, FMUL, FDIV, FREM and the sixteen FP comparisons, generic over [`Fp`]: `f32` for
//! `float`, `f64` for `double`.
//!
//! **Why this way.** Rust's operators are IEEE 754 with roundTiesToEven, as the spec demands, except that
//! Rust leaves the sign, the payload and even the quietness of a NaN result open, to the point that the same
//! expression may differ between two optimisation levels. So NaN results are settled here, by the rule that
//! x86-64 SSE applies: the first operand that is NaN, made quiet; else [`Fp::INDEFINITE`]. The spec leaves
//! sign and payload unspecified, so any rule conforms; this one makes the interpreter deterministic and lets
//! constant folding agree with the instruction it replaces.
//!
//! The sixteen comparisons are one function and a mask, because two FP numbers stand in exactly one of four
//! relations and each comparison is the set of relations for which it is true:
//!
//! | comparison | unordered | less | greater | equal | negation |
//! |------------|:---------:|:----:|:-------:|:-----:|----------|
//! | `FFALSE`   |           |      |         |       | `FTRUE`  |
//! | `FOEQ`     |           |      |         |   x   | `FUNE`   |
//! | `FOGT`     |           |      |    x    |       | `FULE`   |
//! | `FOGE`     |           |      |    x    |   x   | `FULT`   |
//! | `FOLT`     |           |  x   |         |       | `FUGE`   |
//! | `FOLE`     |           |  x   |         |   x   | `FUGT`   |
//! | `FONE`     |           |  x   |    x    |       | `FUEQ`   |
//! | `FORD`     |           |  x   |    x    |   x   | `FUNO`   |
//! | `FUNO`     |     x     |      |         |       | `FORD`   |
//! | `FUEQ`     |     x     |      |         |   x   | `FONE`   |
//! | `FUGT`     |     x     |      |    x    |       | `FOLE`   |
//! | `FUGE`     |     x     |      |    x    |   x   | `FOLT`   |
//! | `FULT`     |     x     |  x   |         |       | `FOGE`   |
//! | `FULE`     |     x     |  x   |         |   x   | `FOGT`   |
//! | `FUNE`     |     x     |  x   |    x    |       | `FOEQ`   |
//! | `FTRUE`    |     x     |  x   |    x    |   x   | `FFALSE` |
//!
//! **Invariants.** Every NaN result is quiet. The negation of a comparison is the complement of its mask;
//! swapping its operands swaps LESS and GREATER. No operation traps or depends on the FP environment.
//!
//! **Example.**
//! ```text
//! frem(-5.5, 2.0) == -1.5          fcmp(FULT, 1.0, NaN) == true          fcmp(FOLT, 1.0, NaN) == false
//! ```

use core::cmp::Ordering;
use core::ops::{Add, Div, Mul, Rem, Sub};

/// A floating point type of Mu: `float` is `f32`, `double` is `f64` (spec: type-system, "FP").
pub trait Fp:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
    + sealed::Sealed
{
    /// The quiet NaN that an operation on numbers yields when it has no answer, such as 0/0: the
    /// "real indefinite" of x86-64, negative with an empty payload.
    const INDEFINITE: Self;

    /// The bits, zero-extended to a word.
    fn to_word(self) -> u64;
    /// The value whose bits are the low bits of `word`; the others must be zero.
    fn from_word(word: u64) -> Self;
    /// Whether this is a NaN, quiet or signalling.
    fn is_nan(self) -> bool;
    /// A NaN made quiet; sign and the rest of the payload stay. Meaningless for numbers.
    fn quieted(self) -> Self;

    /// Truncated towards zero and clamped; 0 for NaN.
    fn to_u64(self) -> u64;
    /// Truncated towards zero and clamped; 0 for NaN.
    fn to_i64(self) -> i64;
    /// Truncated towards zero and clamped; 0 for NaN.
    fn to_u128(self) -> u128;
    /// Truncated towards zero and clamped; 0 for NaN.
    fn to_i128(self) -> i128;
    /// The nearest value, ties to even.
    fn from_u64(x: u64) -> Self;
    /// The nearest value, ties to even.
    fn from_i64(x: i64) -> Self;
    /// The nearest value, ties to even; infinity where that overflows.
    fn from_u128(x: u128) -> Self;
    /// The nearest value, ties to even.
    fn from_i128(x: i128) -> Self;
}

/// Keeps [`Fp`] to the two FP types of Mu.
mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// Rust's `as` is what the spec asks for in both directions: FP to integer truncates, clamps and takes NaN
/// to 0; integer to FP rounds once, to nearest even, and overflows to infinity (only u128 to f32 can).
macro_rules! impl_fp {
    ($fp:ty, $bits:ty, quiet: $quiet:expr, indefinite: $indefinite:expr) => {
        impl Fp for $fp {
            const INDEFINITE: Self = <$fp>::from_bits($indefinite);

            #[inline]
            fn to_word(self) -> u64 {
                u64::from(self.to_bits())
            }
            #[inline]
            fn from_word(word: u64) -> Self {
                debug_assert!(word <= u64::from(<$bits>::MAX));
                <$fp>::from_bits(word as $bits)
            }
            #[inline]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            #[inline]
            fn quieted(self) -> Self {
                <$fp>::from_bits(self.to_bits() | $quiet)
            }
            #[inline]
            fn to_u64(self) -> u64 {
                self as u64
            }
            #[inline]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline]
            fn to_u128(self) -> u128 {
                self as u128
            }
            #[inline]
            fn to_i128(self) -> i128 {
                self as i128
            }
            #[inline]
            fn from_u64(x: u64) -> Self {
                x as $fp
            }
            #[inline]
            fn from_i64(x: i64) -> Self {
                x as $fp
            }
            #[inline]
            fn from_u128(x: u128) -> Self {
                x as $fp
            }
            #[inline]
            fn from_i128(x: i128) -> Self {
                x as $fp
            }
        }
    };
}

impl_fp!(f32, u32, quiet: 1 << 22, indefinite: 0xffc0_0000);
impl_fp!(f64, u64, quiet: 1 << 51, indefinite: 0xfff8_0000_0000_0000);

/// `result` of an operation on `a` and `b`, or the NaN that the rule of the module text picks.
#[inline]
fn settle<F: Fp>(result: F, a: F, b: F) -> F {
    if !result.is_nan() {
        result
    } else if a.is_nan() {
        a.quieted()
    } else if b.is_nan() {
        b.quieted()
    } else {
        F::INDEFINITE
    }
}

/// `FADD`: the sum.
#[inline]
pub fn fadd<F: Fp>(a: F, b: F) -> F {
    settle(a + b, a, b)
}

/// `FSUB`: the difference.
#[inline]
pub fn fsub<F: Fp>(a: F, b: F) -> F {
    settle(a - b, a, b)
}

/// `FMUL`: the product.
#[inline]
pub fn fmul<F: Fp>(a: F, b: F) -> F {
    settle(a * b, a, b)
}

/// `FDIV`: the quotient; a number divided by zero is an infinity, 0/0 is NaN.
#[inline]
pub fn fdiv<F: Fp>(a: F, b: F) -> F {
    settle(a / b, a, b)
}

/// `FREM`: the remainder as C `fmod`: `a` - n`b` for the integer n next to `a`/`b` towards zero. Exact; it
/// has the sign of `a`; NaN when `a` is infinite or `b` is zero. (Not IEEE 754 `remainder`, which rounds n to
/// nearest.)
#[inline]
pub fn frem<F: Fp>(a: F, b: F) -> F {
    settle(a % b, a, b)
}

/// Mask bit: true when the operands are unordered, that is when either is NaN.
pub const UNORDERED: u8 = 1 << 0;
/// Mask bit: true when the first operand is less than the second.
pub const LESS: u8 = 1 << 1;
/// Mask bit: true when the first operand is greater than the second.
pub const GREATER: u8 = 1 << 2;
/// Mask bit: true when the operands are equal; -0 and +0 are.
pub const EQUAL: u8 = 1 << 3;

/// Mask of `FFALSE`: always false.
pub const FFALSE: u8 = 0;
/// Mask of `FTRUE`: always true.
pub const FTRUE: u8 = UNORDERED | LESS | GREATER | EQUAL;
/// Mask of `FUNO`: unordered.
pub const FUNO: u8 = UNORDERED;
/// Mask of `FUEQ`: unordered or equal.
pub const FUEQ: u8 = UNORDERED | EQUAL;
/// Mask of `FUNE`: unordered or not equal.
pub const FUNE: u8 = UNORDERED | LESS | GREATER;
/// Mask of `FUGT`: unordered or greater than.
pub const FUGT: u8 = UNORDERED | GREATER;
/// Mask of `FUGE`: unordered or greater than or equal.
pub const FUGE: u8 = UNORDERED | GREATER | EQUAL;
/// Mask of `FULT`: unordered or less than.
pub const FULT: u8 = UNORDERED | LESS;
/// Mask of `FULE`: unordered or less than or equal.
pub const FULE: u8 = UNORDERED | LESS | EQUAL;
/// Mask of `FORD`: ordered.
pub const FORD: u8 = LESS | GREATER | EQUAL;
/// Mask of `FOEQ`: ordered and equal.
pub const FOEQ: u8 = EQUAL;
/// Mask of `FONE`: ordered and not equal.
pub const FONE: u8 = LESS | GREATER;
/// Mask of `FOGT`: ordered and greater than.
pub const FOGT: u8 = GREATER;
/// Mask of `FOGE`: ordered and greater than or equal.
pub const FOGE: u8 = GREATER | EQUAL;
/// Mask of `FOLT`: ordered and less than.
pub const FOLT: u8 = LESS;
/// Mask of `FOLE`: ordered and less than or equal.
pub const FOLE: u8 = LESS | EQUAL;

/// The one mask bit that names how `a` stands to `b`.
#[inline]
pub fn relation<F: Fp>(a: F, b: F) -> u8 {
    match a.partial_cmp(&b) {
        None => UNORDERED,
        Some(Ordering::Less) => LESS,
        Some(Ordering::Greater) => GREATER,
        Some(Ordering::Equal) => EQUAL,
    }
}

/// The FP comparison with this mask (spec: instruction-set, "Comparison"; table in the module text).
#[inline]
pub fn fcmp<F: Fp>(op_mask: u8, a: F, b: F) -> bool {
    op_mask & relation(a, b) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const QNAN: u64 = 0x7ff8_0000_0000_1234;
    const SNAN: u64 = 0xfff0_0000_0000_5678;

    fn d(bits: u64) -> f64 {
        f64::from_bits(bits)
    }

    #[test]
    fn numbers_are_ieee() {
        assert_eq!(fadd(0.1, 0.2), 0.30000000000000004);
        assert_eq!(fsub(1.0f32, f32::EPSILON / 4.0), 1.0); // a tie, to even
        assert_eq!(fmul(1e200, 1e200), f64::INFINITY);
        assert_eq!(fdiv(-1.0, 0.0), f64::NEG_INFINITY);
        assert_eq!(fadd(-0.0f64, -0.0).to_bits(), (-0.0f64).to_bits());
        assert_eq!(fsub(0.0f64, 0.0).to_bits(), 0);
        // Subnormal results are not flushed to zero.
        assert_eq!(fdiv(f64::MIN_POSITIVE, 2.0).to_bits(), 1 << 51);
        assert_eq!(fmul(f32::from_bits(2), 0.5).to_bits(), 1);
    }

    #[test]
    fn frem_is_fmod() {
        let cases: [(f64, f64, f64); 8] = [
            (5.5, 2.0, 1.5),
            (-5.5, 2.0, -1.5),
            (5.5, -2.0, 1.5),
            (7.0, 4.0, 3.0), // IEEE remainder would give -1
            (1e308, 3.0, 2.0),
            (1.0, f64::INFINITY, 1.0),
            (-0.0, 1.0, -0.0),
            (-6.0, 3.0, -0.0),
        ];
        for (a, b, expected) in cases {
            assert_eq!(frem::<f64>(a, b).to_bits(), expected.to_bits(), "{a} {b}");
            if a < 1e30 {
                assert_eq!(frem(a as f32, b as f32).to_bits(), (expected as f32).to_bits(), "{a} {b}");
            }
        }
        assert!(frem(f64::INFINITY, 1.0).is_nan());
        assert!(frem(1.0f32, 0.0).is_nan());
    }

    #[test]
    fn nan_results_are_quiet_and_settled() {
        let operations = [fadd::<f64>, fsub, fmul, fdiv, frem];
        for op in operations {
            assert_eq!(op(d(SNAN), 1.0).to_bits(), SNAN | 1 << 51);
            assert_eq!(op(1.0, d(SNAN)).to_bits(), SNAN | 1 << 51);
            assert_eq!(op(d(QNAN), d(SNAN)).to_bits(), QNAN);
            assert_eq!(op(d(SNAN), d(QNAN)).to_bits(), SNAN | 1 << 51);
        }
        let indefinite = f64::INDEFINITE.to_bits();
        assert_eq!(fsub(f64::INFINITY, f64::INFINITY).to_bits(), indefinite);
        assert_eq!(fmul(0.0, f64::INFINITY).to_bits(), indefinite);
        assert_eq!(fdiv(0.0f64, 0.0).to_bits(), indefinite);
        assert_eq!(frem(1.0f64, 0.0).to_bits(), indefinite);
        assert_eq!(fdiv(0.0f32, 0.0).to_bits(), 0xffc0_0000);
        assert_eq!(fadd(f32::from_bits(0x7f80_0001), 1.0).to_bits(), 0x7fc0_0001);
    }

    /// Every comparison against its sentence in the spec, on both types.
    #[test]
    fn comparisons_follow_the_spec() {
        type Sentence = fn(f64, f64) -> bool;
        let uno = |a: f64, b: f64| a.is_nan() || b.is_nan();
        let sentences: [(u8, Sentence); 16] = [
            (FFALSE, |_, _| false),
            (FTRUE, |_, _| true),
            (FUNO, uno),
            (FUEQ, |a, b| a.is_nan() || b.is_nan() || a == b),
            (FUNE, |a, b| a != b),
            (FUGT, |a, b| a.is_nan() || b.is_nan() || a > b),
            (FUGE, |a, b| a.is_nan() || b.is_nan() || a >= b),
            (FULT, |a, b| a.is_nan() || b.is_nan() || a < b),
            (FULE, |a, b| a.is_nan() || b.is_nan() || a <= b),
            (FORD, |a, b| !a.is_nan() && !b.is_nan()),
            (FOEQ, |a, b| a == b),
            (FONE, |a, b| !a.is_nan() && !b.is_nan() && a != b),
            (FOGT, |a, b| a > b),
            (FOGE, |a, b| a >= b),
            (FOLT, |a, b| a < b),
            (FOLE, |a, b| a <= b),
        ];
        let mut masks: Vec<u8> = sentences.iter().map(|s| s.0).collect();
        masks.sort_unstable();
        assert_eq!(masks, (0..16).collect::<Vec<u8>>(), "sixteen different comparisons");

        let values =
            [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1.5, f64::INFINITY, d(QNAN), f64::NAN, -f64::NAN, d(SNAN)];
        for (op_mask, sentence) in sentences {
            for a in values {
                for b in values {
                    let expected = sentence(a, b);
                    assert_eq!(fcmp(op_mask, a, b), expected, "{op_mask:#x} {a} {b}");
                    assert_eq!(fcmp(op_mask, a as f32, b as f32), expected, "{op_mask:#x} {a}f {b}f");
                    assert_eq!(fcmp(op_mask ^ FTRUE, a, b), !expected, "negation of {op_mask:#x} {a} {b}");
                }
            }
        }
    }
}
