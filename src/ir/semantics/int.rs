//! Integer binary operations, comparisons and status flags
//! (spec: instruction-set, "Binary Operations" and "Comparison"; portability, "Instructions").
//!
//! **What.** One function per operation for `int<n>`, n in 1..=64, held in a `u64`; the sub-module [`wide`]
//! has the same operations for `int<128>`, held in a `u128`.
//!
//! **Why this way.** Operands come zero-extended. ADD, SUB, MUL and SHL compute modulo 2^64 and then keep n
//! bits, which is the same as computing modulo 2^n. Signed operations extend both operands to `i64`, where
//! every result of n-bit operands but one (`i64::MIN / -1`) is exact, and keep n bits. Both 64 and odd
//! widths so go through the same code, and a JIT that folds constants gets the interpreter's answers.
//!
//! **Invariants.** Operands and results have no bit set at or above the width. Debug builds assert it for
//! operands; it holds for results because every operation that can leave the range ends in a mask.
//!
//! **Shift amounts.** SHL, LSHR and ASHR use the low m = ⌈log2 n⌉ bits of the second operand. For n a power
//! of two the amount is therefore less than n, as on x86-64. For other n it may reach n or more, and then
//! everything is shifted out. For n = 1, m is 0: shifting an `int<1>` changes nothing.
//! ```text
//! shl(32, 1, 33) == 2          m = 5, amount 33 & 31 = 1
//! shl(6, 1, 7)   == 0          m = 3, amount 7 >= 6: all bits leave
//! ashr(6, 0x20, 7) == 0x3f     ... and the sign fills
//! ```

/// The status flags that ADD, SUB, MUL and the other integer operations can return beside their result
/// (API of 2017: `new_binop_with_status`; text form `(%r %n %z %c %v) = ADD [#N #Z #C #V] …`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// N: the sign bit of the result.
    pub n: bool,
    /// Z: the result is zero.
    pub z: bool,
    /// C: unsigned overflow. ADD: carry out; SUB: borrow, that is op1 < op2 unsigned; MUL: the high half of
    /// the 2n-bit unsigned product is not zero. False for other operations.
    pub c: bool,
    /// V: signed overflow of ADD, SUB or MUL. False for other operations.
    pub v: bool,
}

/// The `u64` with the low `width` bits set; `width` in 1..=64.
#[inline]
pub const fn mask(width: u32) -> u64 {
    debug_assert!(width >= 1 && width <= 64);
    u64::MAX >> (64 - width)
}

/// The value of the `int<width>` `x` read as a signed number.
#[inline]
pub const fn sign_extend(width: u32, x: u64) -> i64 {
    debug_assert!(width >= 1 && width <= 64);
    let spare = 64 - width;
    ((x << spare) as i64) >> spare
}

/// Whether `x` is a canonical `int<width>`: no bit at or above the width is set.
#[inline]
const fn fits(width: u32, x: u64) -> bool {
    x <= mask(width)
}

/// The sign bit of the `int<width>` `x`.
#[inline]
const fn sign_bit(width: u32, x: u64) -> bool {
    x >> (width - 1) & 1 != 0
}

/// The number of bits by which a shift by `b` moves an `int<width>`: its low ⌈log2 width⌉ bits.
#[inline]
const fn shift_amount(width: u32, b: u64) -> u32 {
    // `width - 1` needs exactly ⌈log2 width⌉ bits to write down, and none for width 1.
    let used_bits = u32::BITS - (width - 1).leading_zeros();
    (b & ((1 << used_bits) - 1)) as u32
}

/// `ADD`: the sum modulo 2^width.
#[inline]
pub fn add(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    a.wrapping_add(b) & mask(width)
}

/// `SUB`: the difference modulo 2^width.
#[inline]
pub fn sub(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    a.wrapping_sub(b) & mask(width)
}

/// `MUL`: the product modulo 2^width.
#[inline]
pub fn mul(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    a.wrapping_mul(b) & mask(width)
}

/// `UDIV`: the unsigned quotient, rounded towards zero; `None` when dividing by zero.
#[inline]
pub fn udiv(width: u32, a: u64, b: u64) -> Option<u64> {
    debug_assert!(fits(width, a) && fits(width, b));
    a.checked_div(b)
}

/// `UREM`: the unsigned remainder; `None` when dividing by zero.
#[inline]
pub fn urem(width: u32, a: u64, b: u64) -> Option<u64> {
    debug_assert!(fits(width, a) && fits(width, b));
    a.checked_rem(b)
}

/// `SDIV`: the signed quotient, rounded towards zero; `None` when dividing by zero. On overflow
/// (the least number divided by -1) the quotient is the dividend (spec: portability, "Instructions").
#[inline]
pub fn sdiv(width: u32, a: u64, b: u64) -> Option<u64> {
    debug_assert!(fits(width, a) && fits(width, b));
    if b == 0 {
        return None;
    }
    // At width 64 the one overflow wraps to the dividend; at lesser widths 2^(n-1) is exact and the mask
    // makes it the dividend.
    Some(sign_extend(width, a).wrapping_div(sign_extend(width, b)) as u64 & mask(width))
}

/// `SREM`: the signed remainder, with the sign of the dividend; `None` when dividing by zero. 0 where SDIV
/// overflows.
#[inline]
pub fn srem(width: u32, a: u64, b: u64) -> Option<u64> {
    debug_assert!(fits(width, a) && fits(width, b));
    if b == 0 {
        return None;
    }
    Some(sign_extend(width, a).wrapping_rem(sign_extend(width, b)) as u64 & mask(width))
}

/// `SHL`: `a` shifted left; see the module text for the amount.
#[inline]
pub fn shl(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    // The amount is at most 63, and one of `width` or more leaves nothing under the mask.
    a << shift_amount(width, b) & mask(width)
}

/// `LSHR`: `a` shifted right, filled with zeros; see the module text for the amount.
#[inline]
pub fn lshr(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    a >> shift_amount(width, b)
}

/// `ASHR`: `a` shifted right, filled with its sign bit; see the module text for the amount.
#[inline]
pub fn ashr(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    (sign_extend(width, a) >> shift_amount(width, b)) as u64 & mask(width)
}

/// `AND`: bit-wise and.
#[inline]
pub fn bit_and(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    a & b
}

/// `OR`: bit-wise inclusive or.
#[inline]
pub fn bit_or(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    a | b
}

/// `XOR`: bit-wise exclusive or.
#[inline]
pub fn bit_xor(width: u32, a: u64, b: u64) -> u64 {
    debug_assert!(fits(width, a) && fits(width, b));
    a ^ b
}

/// `EQ`, on any EQ-comparable value that is one word.
#[inline]
pub fn eq(a: u64, b: u64) -> bool {
    a == b
}

/// `NE`: the opposite of `EQ`.
#[inline]
pub fn ne(a: u64, b: u64) -> bool {
    a != b
}

/// `SGE`: signed greater than or equal.
#[inline]
pub fn sge(width: u32, a: u64, b: u64) -> bool {
    sign_extend(width, a) >= sign_extend(width, b)
}

/// `SGT`: signed greater than.
#[inline]
pub fn sgt(width: u32, a: u64, b: u64) -> bool {
    sign_extend(width, a) > sign_extend(width, b)
}

/// `SLE`: signed less than or equal.
#[inline]
pub fn sle(width: u32, a: u64, b: u64) -> bool {
    sign_extend(width, a) <= sign_extend(width, b)
}

/// `SLT`: signed less than.
#[inline]
pub fn slt(width: u32, a: u64, b: u64) -> bool {
    sign_extend(width, a) < sign_extend(width, b)
}

/// `UGE`: unsigned greater than or equal; also for pointers and `iref` (no width: operands are canonical).
#[inline]
pub fn uge(a: u64, b: u64) -> bool {
    a >= b
}

/// `UGT`: unsigned greater than.
#[inline]
pub fn ugt(a: u64, b: u64) -> bool {
    a > b
}

/// `ULE`: unsigned less than or equal.
#[inline]
pub fn ule(a: u64, b: u64) -> bool {
    a <= b
}

/// `ULT`: unsigned less than.
#[inline]
pub fn ult(a: u64, b: u64) -> bool {
    a < b
}

/// The status of an operation that yields `result` and has only N and Z: C and V are false.
#[inline]
pub fn status_of(width: u32, result: u64) -> Status {
    debug_assert!(fits(width, result));
    Status { n: sign_bit(width, result), z: result == 0, c: false, v: false }
}

/// The status of `ADD`.
#[inline]
pub fn status_add(width: u32, a: u64, b: u64) -> Status {
    let result = add(width, a, b);
    Status {
        // A sum that lost a carry is less than either operand.
        c: result < a,
        // Overflow is a result whose sign differs from the sign of both operands.
        v: sign_bit(width, (a ^ result) & (b ^ result)),
        ..status_of(width, result)
    }
}

/// The status of `SUB`.
#[inline]
pub fn status_sub(width: u32, a: u64, b: u64) -> Status {
    let result = sub(width, a, b);
    Status {
        c: a < b,
        // Overflow needs operands of different signs and a result without the sign of the first.
        v: sign_bit(width, (a ^ b) & (a ^ result)),
        ..status_of(width, result)
    }
}

/// The status of `MUL`.
#[inline]
pub fn status_mul(width: u32, a: u64, b: u64) -> Status {
    let result = mul(width, a, b);
    let unsigned = u128::from(a) * u128::from(b);
    let signed = i128::from(sign_extend(width, a)) * i128::from(sign_extend(width, b));
    Status {
        c: unsigned >> width != 0,
        v: signed != i128::from(sign_extend(width, result)),
        ..status_of(width, result)
    }
}

/// The same operations on `int<128>`. Everything said of the narrow function of the same name holds, with
/// width 128.
pub mod wide {
    use super::Status;

    /// `ADD`: the sum modulo 2^128.
    #[inline]
    pub fn add(a: u128, b: u128) -> u128 {
        a.wrapping_add(b)
    }

    /// `SUB`: the difference modulo 2^128.
    #[inline]
    pub fn sub(a: u128, b: u128) -> u128 {
        a.wrapping_sub(b)
    }

    /// `MUL`: the product modulo 2^128.
    #[inline]
    pub fn mul(a: u128, b: u128) -> u128 {
        a.wrapping_mul(b)
    }

    /// `UDIV`: the unsigned quotient; `None` when dividing by zero.
    #[inline]
    pub fn udiv(a: u128, b: u128) -> Option<u128> {
        a.checked_div(b)
    }

    /// `UREM`: the unsigned remainder; `None` when dividing by zero.
    #[inline]
    pub fn urem(a: u128, b: u128) -> Option<u128> {
        a.checked_rem(b)
    }

    /// `SDIV`: the signed quotient, rounded towards zero; `None` when dividing by zero; the dividend on
    /// overflow.
    #[inline]
    pub fn sdiv(a: u128, b: u128) -> Option<u128> {
        if b == 0 {
            return None;
        }
        Some((a as i128).wrapping_div(b as i128) as u128)
    }

    /// `SREM`: the signed remainder; `None` when dividing by zero; 0 where SDIV overflows.
    #[inline]
    pub fn srem(a: u128, b: u128) -> Option<u128> {
        if b == 0 {
            return None;
        }
        Some((a as i128).wrapping_rem(b as i128) as u128)
    }

    /// The number of bits by which a shift by `b` moves: its low 7 bits.
    #[inline]
    const fn shift_amount(b: u128) -> u32 {
        (b & 127) as u32
    }

    /// `SHL`: `a` shifted left by the low 7 bits of `b`.
    #[inline]
    pub fn shl(a: u128, b: u128) -> u128 {
        a << shift_amount(b)
    }

    /// `LSHR`: `a` shifted right by the low 7 bits of `b`, filled with zeros.
    #[inline]
    pub fn lshr(a: u128, b: u128) -> u128 {
        a >> shift_amount(b)
    }

    /// `ASHR`: `a` shifted right by the low 7 bits of `b`, filled with its sign bit.
    #[inline]
    pub fn ashr(a: u128, b: u128) -> u128 {
        ((a as i128) >> shift_amount(b)) as u128
    }

    /// `AND`: bit-wise and.
    #[inline]
    pub fn bit_and(a: u128, b: u128) -> u128 {
        a & b
    }

    /// `OR`: bit-wise inclusive or.
    #[inline]
    pub fn bit_or(a: u128, b: u128) -> u128 {
        a | b
    }

    /// `XOR`: bit-wise exclusive or.
    #[inline]
    pub fn bit_xor(a: u128, b: u128) -> u128 {
        a ^ b
    }

    /// `EQ`.
    #[inline]
    pub fn eq(a: u128, b: u128) -> bool {
        a == b
    }

    /// `NE`: the opposite of `EQ`.
    #[inline]
    pub fn ne(a: u128, b: u128) -> bool {
        a != b
    }

    /// `SGE`: signed greater than or equal.
    #[inline]
    pub fn sge(a: u128, b: u128) -> bool {
        a as i128 >= b as i128
    }

    /// `SGT`: signed greater than.
    #[inline]
    pub fn sgt(a: u128, b: u128) -> bool {
        a as i128 > b as i128
    }

    /// `SLE`: signed less than or equal.
    #[inline]
    pub fn sle(a: u128, b: u128) -> bool {
        a as i128 <= b as i128
    }

    /// `SLT`: signed less than.
    #[inline]
    pub fn slt(a: u128, b: u128) -> bool {
        (a as i128) < b as i128
    }

    /// `UGE`: unsigned greater than or equal.
    #[inline]
    pub fn uge(a: u128, b: u128) -> bool {
        a >= b
    }

    /// `UGT`: unsigned greater than.
    #[inline]
    pub fn ugt(a: u128, b: u128) -> bool {
        a > b
    }

    /// `ULE`: unsigned less than or equal.
    #[inline]
    pub fn ule(a: u128, b: u128) -> bool {
        a <= b
    }

    /// `ULT`: unsigned less than.
    #[inline]
    pub fn ult(a: u128, b: u128) -> bool {
        a < b
    }

    /// The status of an operation that yields `result` and has only N and Z: C and V are false.
    #[inline]
    pub fn status_of(result: u128) -> Status {
        Status { n: (result as i128) < 0, z: result == 0, c: false, v: false }
    }

    /// The status of `ADD`.
    #[inline]
    pub fn status_add(a: u128, b: u128) -> Status {
        let (result, c) = a.overflowing_add(b);
        let (_, v) = (a as i128).overflowing_add(b as i128);
        Status { c, v, ..status_of(result) }
    }

    /// The status of `SUB`.
    #[inline]
    pub fn status_sub(a: u128, b: u128) -> Status {
        let (result, c) = a.overflowing_sub(b);
        let (_, v) = (a as i128).overflowing_sub(b as i128);
        Status { c, v, ..status_of(result) }
    }

    /// The status of `MUL`.
    #[inline]
    pub fn status_mul(a: u128, b: u128) -> Status {
        let (result, c) = a.overflowing_mul(b);
        let (_, v) = (a as i128).overflowing_mul(b as i128);
        Status { c, v, ..status_of(result) }
    }
}
