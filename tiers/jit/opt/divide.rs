//! Division by constants: shifts, or the high half of a product with the reciprocal (Granlund and Montgomery).
//!
//! With n < 2^32, d > 1 and M = ⌊2^64 / d⌋ + 1, n * M / 2^64 exceeds n / d by less than 1 / d, so its integral part is the
//! quotient. Widths up to 32 need nothing else. For 64 bits the reciprocal has 65 bits, and the leading one is added by
//! hand. Signed quotients come out rounded down and are put right by adding one for negative dividends.

use super::simplify::{Cx, Simple};
use crate::ssa::eval::width;
use crate::ssa::{I64, Op, Value};
use mu_ir::semantics::conv::sext;

/// Division or remainder by a constant, unless that is zero.
pub(super) fn divide(mut cx: Cx<'_>, op: Op, a: Value, b: Value) -> Option<Simple> {
    let d = cx.bits(b).filter(|&d| d != 0)?;
    let bits = width(cx.ty);
    let rem = matches!(op, Op::URem | Op::SRem);
    if matches!(op, Op::UDiv | Op::URem) {
        if d == 1 {
            return Some(Simple::Is(if rem { cx.constant(0) } else { a }));
        }
        if d.is_power_of_two() {
            let (op, c) = if rem { (Op::And, d - 1) } else { (Op::LShr, u64::from(d.trailing_zeros())) };
            let c = cx.constant(c);
            return cx.end(op, &[a, c]);
        }
        let q = unsigned(&mut cx, a, d, bits);
        return finish(cx, rem, a, b, q);
    }
    let signed = sext(bits, 64, d) as i64;
    if signed == 1 || signed == -1 || bits == 1 {
        let zero = cx.constant(0);
        return match (rem, signed) {
            (true, _) => Some(Simple::Is(zero)),
            (false, 1) => Some(Simple::Is(a)),
            (false, _) => cx.end(Op::Sub, &[zero, a]),
        };
    }
    let magnitude = signed.unsigned_abs();
    let q = if magnitude.is_power_of_two() {
        by_power(&mut cx, a, magnitude.trailing_zeros(), bits)
    } else {
        by_magnitude(&mut cx, a, magnitude, bits)
    };
    let q = if signed < 0 {
        let zero = cx.constant(0);
        let ty = cx.ty;
        cx.step(Op::Sub, ty, &[zero, q])
    } else {
        q
    };
    finish(cx, rem, a, b, q)
}

/// The quotient, or the remainder that belongs to it.
fn finish(mut cx: Cx<'_>, rem: bool, a: Value, b: Value, q: Value) -> Option<Simple> {
    if !rem {
        // `end` wants an operation: adding zero goes away at once.
        let zero = cx.constant(0);
        return cx.end(Op::Add, &[q, zero]);
    }
    let ty = cx.ty;
    let product = cx.step(Op::Mul, ty, &[q, b]);
    cx.end(Op::Sub, &[a, product])
}

fn word(cx: &mut Cx<'_>, bits: u64) -> Value {
    cx.func.constant(I64, bits)
}

fn widen(cx: &mut Cx<'_>, op: Op, a: Value) -> Value {
    if width(cx.ty) == 64 { a } else { cx.step(op, I64, &[a]) }
}

fn narrow(cx: &mut Cx<'_>, q: Value) -> Value {
    let ty = cx.ty;
    if width(ty) == 64 { q } else { cx.step(Op::Trunc, ty, &[q]) }
}

fn unsigned(cx: &mut Cx<'_>, a: Value, d: u64, bits: u32) -> Value {
    let n = widen(cx, Op::ZExt, a);
    if bits <= 32 {
        let reciprocal = word(cx, u64::MAX / d + 1);
        let q = cx.step(Op::UMulHi, I64, &[n, reciprocal]);
        return narrow(cx, q);
    }
    let log = 64 - (d - 1).leading_zeros();
    let shift = log - 1;
    let scaled = (1u128 << (64 + shift)) / u128::from(d) + 1;
    let error = scaled * u128::from(d) - (1u128 << (64 + shift));
    let q = if error <= 1 << shift {
        let reciprocal = word(cx, scaled as u64);
        let high = cx.step(Op::UMulHi, I64, &[n, reciprocal]);
        let shift = word(cx, u64::from(shift));
        cx.step(Op::LShr, I64, &[high, shift])
    } else {
        // 65 bits: (n * (2^64 + r)) >> (64 + log) = (high + (n - high) / 2) >> (log - 1)
        let reciprocal = ((1u128 << 64) * ((1u128 << log) - u128::from(d)) / u128::from(d) + 1) as u64;
        let reciprocal = word(cx, reciprocal);
        let high = cx.step(Op::UMulHi, I64, &[n, reciprocal]);
        let rest = cx.step(Op::Sub, I64, &[n, high]);
        let one = word(cx, 1);
        let half = cx.step(Op::LShr, I64, &[rest, one]);
        let sum = cx.step(Op::Add, I64, &[half, high]);
        let shift = word(cx, u64::from(shift));
        cx.step(Op::LShr, I64, &[sum, shift])
    };
    narrow(cx, q)
}

/// By 2^k, rounded towards zero.
fn by_power(cx: &mut Cx<'_>, a: Value, k: u32, bits: u32) -> Value {
    let ty = cx.ty;
    let last = cx.constant(u64::from(bits - 1));
    let sign = cx.step(Op::AShr, ty, &[a, last]);
    let up = cx.constant(u64::from(bits - k));
    let bias = cx.step(Op::LShr, ty, &[sign, up]);
    let sum = cx.step(Op::Add, ty, &[a, bias]);
    let k = cx.constant(u64::from(k));
    cx.step(Op::AShr, ty, &[sum, k])
}

fn by_magnitude(cx: &mut Cx<'_>, a: Value, d: u64, bits: u32) -> Value {
    let n = widen(cx, Op::SExt, a);
    let q = if bits <= 32 {
        let reciprocal = word(cx, u64::MAX / d + 1);
        cx.step(Op::SMulHi, I64, &[n, reciprocal])
    } else {
        let log = 64 - (d - 1).leading_zeros();
        // Between 2^63 and 2^64: as a signed number it is 2^64 too small.
        let reciprocal = ((1u128 << (63 + log)) / u128::from(d) + 1) as u64;
        let reciprocal = word(cx, reciprocal);
        let high = cx.step(Op::SMulHi, I64, &[n, reciprocal]);
        let sum = cx.step(Op::Add, I64, &[high, n]);
        let shift = word(cx, u64::from(log - 1));
        cx.step(Op::AShr, I64, &[sum, shift])
    };
    let last = word(cx, 63);
    let negative = cx.step(Op::LShr, I64, &[n, last]);
    let q = cx.step(Op::Add, I64, &[q, negative]);
    narrow(cx, q)
}
