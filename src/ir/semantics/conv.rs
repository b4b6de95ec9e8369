//! Conversions (spec: instruction-set, "Conversion"; portability, "Instructions").
//!
//! **What.** TRUNC, ZEXT, SEXT, FPTRUNC, FPEXT, FPTOUI, FPTOSI, UITOFP, SITOFP, BITCAST and PTRCAST on
//! scalars. The sub-module [`wide`] has those with `int<128>` on one side. REFCAST computes nothing: a
//! reference is the same word whatever its referent type.
//!
//! **Why this way.** The FP conversions lean on Rust's `as`, which already means what the spec asks for
//! (see [`Fp`]), at 64 or 128 bits; a narrower integer is then clamped. Truncating first and clamping second
//! is the same as the other way round because both are monotonic and the bounds are integers. Integer to FP
//! never goes through an intermediate format, so it rounds once. Only the NaNs of FPTRUNC and FPEXT are made
//! by hand, because Rust leaves their bits open (see the text of [`super::float`]).
//!
//! **Rulings** (see the decisions in ARCHITECTURE.md). Integer to FP rounds to nearest, ties to even (portability.rest says
//! "towards zero", against instruction-set.rest). FP to integer truncates, clamps, takes NaN to 0. BITCAST
//! preserves bits, signalling NaNs included.
//!
//! **Invariants.** Integer results are canonical for their width. The narrowing and widening conversions
//! also accept equal widths, where they are the identity: lenient loading admits `TRUNC <int<64> int<64>>`.
//!
//! **Example.**
//! ```text
//! sext(8, 16, 0x80) == 0xff80       fptosi(8, -200.7) == 0x80       uitofp::<f32>(64, u64::MAX) == 2^64
//! ```

pub use super::float::Fp;
use super::int::{mask, sign_extend};

/// `TRUNC`: the low `to` bits of the `int<from>` `x`.
#[inline]
pub fn trunc(from: u32, to: u32, x: u64) -> u64 {
    debug_assert!(to <= from && x <= mask(from));
    x & mask(to)
}

/// `ZEXT`: `x` with zero bits filled in. The representation is already zero-extended.
#[inline]
pub fn zext(from: u32, to: u32, x: u64) -> u64 {
    debug_assert!(from <= to && to <= 64 && x <= mask(from));
    x
}

/// `SEXT`: `x` with copies of its highest bit filled in.
#[inline]
pub fn sext(from: u32, to: u32, x: u64) -> u64 {
    debug_assert!(from <= to && x <= mask(from));
    sign_extend(from, x) as u64 & mask(to)
}

/// `FPTRUNC` from `double` to `float`: to nearest, ties to even; too large becomes infinity.
#[inline]
pub fn fptrunc(x: f64) -> f32 {
    if x.is_nan() {
        // Sign, quietness (forced) and the high 22 bits of the payload survive, as with cvtsd2ss.
        let bits = x.to_bits();
        f32::from_bits((bits >> 32) as u32 & 0x8000_0000 | 0x7fc0_0000 | (bits >> 29) as u32 & 0x003f_ffff)
    } else {
        x as f32
    }
}

/// `FPEXT` from `float` to `double`: exact.
#[inline]
pub fn fpext(x: f32) -> f64 {
    if x.is_nan() {
        // Sign, quietness (forced) and the payload survive, as with cvtss2sd.
        let bits = u64::from(x.to_bits());
        f64::from_bits((bits & 0x8000_0000) << 32 | 0x7ff8_0000_0000_0000 | (bits & 0x003f_ffff) << 29)
    } else {
        f64::from(x)
    }
}

/// `FPTOUI` to `int<to>`: truncated towards zero, clamped to 0..=2^to-1; NaN is 0.
#[inline]
pub fn fptoui<F: Fp>(to: u32, x: F) -> u64 {
    x.to_u64().min(mask(to))
}

/// `FPTOSI` to `int<to>`: truncated towards zero, clamped to -2^(to-1)..=2^(to-1)-1; NaN is 0.
#[inline]
pub fn fptosi<F: Fp>(to: u32, x: F) -> u64 {
    let greatest = (mask(to) >> 1) as i64;
    let least = -greatest - 1;
    x.to_i64().clamp(least, greatest) as u64 & mask(to)
}

/// `UITOFP` from `int<from>`: the nearest value, ties to even.
#[inline]
pub fn uitofp<F: Fp>(from: u32, x: u64) -> F {
    debug_assert!(x <= mask(from));
    F::from_u64(x)
}

/// `SITOFP` from `int<from>`: the nearest value, ties to even.
#[inline]
pub fn sitofp<F: Fp>(from: u32, x: u64) -> F {
    debug_assert!(x <= mask(from));
    F::from_i64(sign_extend(from, x))
}

/// `BITCAST` from `float` to `int<32>` or from `double` to `int<64>`.
#[inline]
pub fn bitcast_to_int<F: Fp>(x: F) -> u64 {
    x.to_word()
}

/// `BITCAST` from `int<32>` to `float` or from `int<64>` to `double`.
#[inline]
pub fn bitcast_to_fp<F: Fp>(x: u64) -> F {
    F::from_word(x)
}

/// `PTRCAST` between pointers (width 64) and `int<n>`: zero-extends or keeps the low bits.
#[inline]
pub fn ptrcast(from: u32, to: u32, x: u64) -> u64 {
    debug_assert!(x <= mask(from));
    x & mask(to)
}

/// The conversions with `int<128>` on one side.
///
/// PTRCAST needs none of its own: from `int<128>` it is `trunc(64, x)`, to `int<128>` it is `zext(64, x)`.
pub mod wide {
    use super::{Fp, mask, sign_extend};

    /// `TRUNC`: the low `to` bits of the `int<128>` `x`.
    #[inline]
    pub fn trunc(to: u32, x: u128) -> u64 {
        x as u64 & mask(to)
    }

    /// `ZEXT` to `int<128>`.
    #[inline]
    pub fn zext(from: u32, x: u64) -> u128 {
        debug_assert!(x <= mask(from));
        u128::from(x)
    }

    /// `SEXT` to `int<128>`.
    #[inline]
    pub fn sext(from: u32, x: u64) -> u128 {
        debug_assert!(x <= mask(from));
        i128::from(sign_extend(from, x)) as u128
    }

    /// `FPTOUI` to `int<128>`.
    #[inline]
    pub fn fptoui<F: Fp>(x: F) -> u128 {
        x.to_u128()
    }

    /// `FPTOSI` to `int<128>`.
    #[inline]
    pub fn fptosi<F: Fp>(x: F) -> u128 {
        x.to_i128() as u128
    }

    /// `UITOFP` from `int<128>`. From 2^128 - 2^103 upwards `float` rounds to infinity, by IEEE 754: that is
    /// the first number as near to 2^128, which `float` lacks, as to its greatest, and ties go to even.
    #[inline]
    pub fn uitofp<F: Fp>(x: u128) -> F {
        F::from_u128(x)
    }

    /// `SITOFP` from `int<128>`. Always finite.
    #[inline]
    pub fn sitofp<F: Fp>(x: u128) -> F {
        F::from_i128(x as i128)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Xorshift, interesting, interesting_wide};
    use super::*;

    #[test]
    fn integers_agree_with_i128_at_every_pair_of_widths() {
        let mut random = Xorshift::new(11);
        for from in 1..=64 {
            for x in interesting(from, &mut random, 2) {
                let signed = i128::from(sign_extend(from, x));
                for to in from..=64 {
                    assert_eq!(zext(from, to, x), x);
                    assert_eq!(sext(from, to, x), signed as u64 & mask(to), "sext {from} {to} {x:#x}");
                    assert_eq!(ptrcast(from, to, x), x);
                }
                for to in 1..=from {
                    assert_eq!(trunc(from, to, x), x & (u64::MAX >> (64 - to)));
                    assert_eq!(ptrcast(from, to, x), trunc(from, to, x));
                }
                assert_eq!(wide::zext(from, x), u128::from(x));
                assert_eq!(wide::sext(from, x), signed as u128);
                assert_eq!(wide::trunc(from, wide::sext(from, x)), x);
            }
        }
        assert_eq!(sext(1, 8, 1), 0xff);
        assert_eq!(sext(8, 16, 200), 0xffc8);
    }

    #[test]
    fn fp_to_int_truncates_and_clamps() {
        assert_eq!(fptoui(8, 255.9), 255);
        assert_eq!(fptoui(8, 256.0), 255);
        assert_eq!(fptoui(8, -0.9), 0);
        assert_eq!(fptoui(8, -5.0), 0);
        assert_eq!(fptosi(8, 127.9), 0x7f);
        assert_eq!(fptosi(8, 128.0f32), 0x7f);
        assert_eq!(fptosi(8, -128.9), 0x80);
        assert_eq!(fptosi(8, -200.7), 0x80);
        assert_eq!(fptosi(52, -1.5f32), mask(52));
        // int<1> holds 0 and 1 unsigned, -1 and 0 signed.
        assert_eq!((fptoui(1, 1.0), fptoui(1, 7.0), fptoui(1, 0.9)), (1, 1, 0));
        assert_eq!((fptosi(1, 1.0), fptosi(1, -1.0), fptosi(1, -0.9)), (0, 1, 0));
        assert_eq!(fptoui(64, 18446744073709551616.0), u64::MAX);
        assert_eq!(fptosi(64, 9223372036854775808.0), i64::MAX as u64);
        assert_eq!(wide::fptoui(f32::MAX), u128::MAX << 104);
        assert_eq!(wide::fptoui(f64::MAX), u128::MAX);
        assert_eq!(wide::fptoui(-1.0), 0);
        assert_eq!(wide::fptosi(-1.5), u128::MAX);
        assert_eq!(wide::fptosi(f64::MIN), 1 << 127);
    }

    #[test]
    fn infinities_and_nan_to_every_width() {
        for to in 1..=64 {
            assert_eq!(fptoui(to, f64::INFINITY), mask(to));
            assert_eq!(fptoui(to, f32::NEG_INFINITY), 0);
            assert_eq!(fptosi(to, f32::INFINITY), mask(to) >> 1);
            assert_eq!(fptosi(to, f64::NEG_INFINITY), 1 << (to - 1));
            assert_eq!((fptoui(to, f64::NAN), fptosi(to, -f32::NAN)), (0, 0));
        }
        assert_eq!((wide::fptoui(f64::NAN), wide::fptosi(f32::NAN)), (0, 0));
        assert_eq!(wide::fptoui(f32::INFINITY), u128::MAX);
        assert_eq!(wide::fptosi(f64::INFINITY), i128::MAX as u128);
        assert_eq!(wide::fptosi(f32::NEG_INFINITY), i128::MIN as u128);
    }

    /// FP to integer against arithmetic on the fields of the double.
    #[test]
    fn fp_to_int_agrees_with_the_fields() {
        fn exact(x: f64) -> i128 {
            let bits = x.to_bits();
            let exponent = (bits >> 52 & 0x7ff) as i32 - 1075;
            let significand = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
            let magnitude = if exponent >= 0 { significand << exponent } else { significand >> -exponent };
            if x < 0.0 { -magnitude } else { magnitude }
        }
        let mut random = Xorshift::new(12);
        for _ in 0..3000 {
            // Exponents from 2^-3 to 2^68: every width is met from below, at and above its range.
            let exponent = 1020 + random.next() % 72;
            let x = f64::from_bits(random.next() & 0x800f_ffff_ffff_ffff | exponent << 52);
            let value = exact(x);
            for to in [1, 2, 6, 8, 16, 31, 32, 33, 52, 63, 64] {
                let unsigned = value.clamp(0, (1 << to) - 1) as u64;
                let signed = value.clamp(-(1 << (to - 1)), (1 << (to - 1)) - 1) as u64 & mask(to);
                assert_eq!(fptoui(to, x), unsigned, "fptoui {to} {x}");
                assert_eq!(fptosi(to, x), signed, "fptosi {to} {x}");
                let single = x as f32;
                assert_eq!(fptoui(to, single), fptoui(to, f64::from(single)), "{to} {single}");
                assert_eq!(fptosi(to, single), fptosi(to, f64::from(single)), "{to} {single}");
            }
            assert_eq!(wide::fptoui(x), value.max(0) as u128);
            assert_eq!(wide::fptosi(x), value as u128);
        }
    }

    /// `x` rounded to `precision` significant bits, to nearest even, as (significand, exponent); in integer
    /// arithmetic only, so it shares nothing with the hardware or with Rust's `as`.
    fn round_to_even(x: u128, precision: u32) -> (u64, u32) {
        let length = 128 - x.leading_zeros();
        if length <= precision {
            return (x as u64, 0);
        }
        let dropped = length - precision;
        let (kept, rest) = ((x >> dropped) as u64, x & ((1 << dropped) - 1));
        let half = 1u128 << (dropped - 1);
        (kept + u64::from(rest > half || rest == half && kept & 1 == 1), dropped)
    }

    /// The double nearest to `x`, assembled from its rounded significand; both steps here are exact.
    fn nearest_f64(x: u128) -> f64 {
        let (significand, exponent) = round_to_even(x, 53);
        significand as f64 * 2f64.powi(exponent as i32)
    }

    /// As [`nearest_f64`], at the precision of `float`; 2^128 comes out as a finite double.
    fn nearest_f32(x: u128) -> f64 {
        let (significand, exponent) = round_to_even(x, 24);
        significand as f64 * 2f64.powi(exponent as i32)
    }

    #[test]
    fn int_to_fp_rounds_once_to_nearest_even() {
        let mut random = Xorshift::new(13);
        for from in 1..=64 {
            for x in interesting(from, &mut random, 20) {
                let signed = sign_extend(from, x);
                let sign = if signed < 0 { -1.0 } else { 1.0 };
                let magnitude = u128::from(signed.unsigned_abs());
                assert_eq!(uitofp::<f64>(from, x), nearest_f64(x.into()), "{from} {x:#x}");
                assert_eq!(uitofp::<f32>(from, x), nearest_f32(x.into()) as f32, "{from} {x:#x}");
                assert_eq!(sitofp::<f64>(from, x), sign * nearest_f64(magnitude), "{from} {x:#x}");
                assert_eq!(sitofp::<f32>(from, x), (sign * nearest_f32(magnitude)) as f32, "{from} {x:#x}");
            }
        }
        for x in interesting_wide(&mut random, 200) {
            let sign = if (x as i128) < 0 { -1.0 } else { 1.0 };
            let magnitude = (x as i128).unsigned_abs();
            assert_eq!(wide::uitofp::<f64>(x), nearest_f64(x), "{x:#x}");
            assert_eq!(wide::uitofp::<f32>(x), nearest_f32(x) as f32, "{x:#x}");
            assert_eq!(wide::sitofp::<f64>(x), sign * nearest_f64(magnitude), "{x:#x}");
            assert_eq!(wide::sitofp::<f32>(x), (sign * nearest_f32(magnitude)) as f32, "{x:#x}");
        }
    }

    #[test]
    fn int_to_fp_boundaries() {
        // One unit below the tie, the tie, one above: rounding through double first would get these wrong.
        assert_eq!(uitofp::<f32>(64, (1 << 40) + (1 << 16) - 1), 1099511627776.0);
        assert_eq!(uitofp::<f32>(64, (1 << 40) + (1 << 16)), 1099511627776.0);
        assert_eq!(uitofp::<f32>(64, (1 << 62) + (1 << 38) + 1), 4611686568183201792.0);
        assert_eq!(uitofp::<f32>(64, u64::MAX), 18446744073709551616.0);
        assert_eq!(uitofp::<f64>(64, u64::MAX), 18446744073709551616.0);
        assert_eq!(sitofp::<f64>(64, 1 << 63), -9223372036854775808.0);
        assert_eq!(sitofp::<f64>(1, 1), -1.0);
        assert_eq!(sitofp::<f32>(52, mask(52)), -1.0);
        // The greatest float is 2^128 - 2^104; half a unit more is a tie, and goes to even: to infinity.
        let tie = u128::MAX << 103;
        assert_eq!(wide::uitofp::<f32>(tie - 1), f32::MAX);
        assert_eq!(wide::uitofp::<f32>(tie), f32::INFINITY);
        assert_eq!(wide::uitofp::<f32>(u128::MAX), f32::INFINITY);
        assert_eq!(wide::uitofp::<f64>(u128::MAX), 2f64.powi(128));
        assert_eq!(wide::sitofp::<f32>(1 << 127), -2f32.powi(127));
        assert_eq!(wide::sitofp::<f32>(u128::MAX >> 1), 2f32.powi(127));
    }

    #[test]
    fn fp_to_fp() {
        assert_eq!(fptrunc(0.1), 0.1f32);
        assert_eq!(fptrunc(1e300), f32::INFINITY);
        assert_eq!(fptrunc(-1e-300).to_bits(), (-0.0f32).to_bits());
        assert_eq!(fptrunc(16777217.0), 16777216.0); // a tie, to even
        assert_eq!(fpext(0.1f32).to_bits(), 0x3fb9_9999_a000_0000);
        assert_eq!(fpext(f32::from_bits(1)), 2f64.powi(-149));
        // NaN stays NaN, becomes quiet, keeps its sign and what fits of its payload.
        assert_eq!(fptrunc(f64::from_bits(0xfff0_0000_2000_0001)).to_bits(), 0xffc0_0001);
        assert_eq!(fptrunc(f64::from_bits(0x7ff8_0000_0000_0001)).to_bits(), 0x7fc0_0000);
        assert_eq!(fpext(f32::from_bits(0xff80_0001)).to_bits(), 0xfff8_0000_2000_0000);
        let mut random = Xorshift::new(14);
        for _ in 0..1000 {
            let x = f32::from_bits(random.next() as u32);
            if !x.is_nan() {
                assert_eq!(fptrunc(fpext(x)).to_bits(), x.to_bits());
            }
        }
    }

    #[test]
    fn bitcast_keeps_every_bit() {
        for bits in [0, 1, 0x7ff0_0000_0000_0001, 0xfff8_0000_0000_0000, u64::MAX, 0x8000_0000_0000_0000] {
            assert_eq!(bitcast_to_int(bitcast_to_fp::<f64>(bits)), bits);
            let bits = bits >> 32;
            assert_eq!(bitcast_to_int(bitcast_to_fp::<f32>(bits)), bits);
        }
        assert_eq!(bitcast_to_int(1.0f32), 0x3f80_0000);
        assert_eq!(bitcast_to_int(1.0f64), 0x3ff0_0000_0000_0000);
    }
}
