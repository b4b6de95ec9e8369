//! Binary operations, comparison, conversion and SELECT on values of any type (instruction-set, "Basic Operations").
//!
//! The loop in [`crate::exec`] does the frequent scalar cases itself. Everything else comes here: vectors, 128-bit
//! integers, exception clauses, status results, conversions with floating point numbers. A lane is one or two words;
//! an operation is done lane by lane with the functions of `mu_ir::semantics`.

use crate::code::{LaneInfo, LaneKind, NONE, SelectLanesInfo, Slot};
use crate::decode::fcmp_mask;
use crate::exec::{Flow, Here};
use mu_ir::semantics::int::{Status, wide};
use mu_ir::semantics::{conv, float, int};
use mu_ir::table::{Op, Rule};
use mu_ir::ub::Ub;

/// Any element-wise operation.
pub(crate) fn lanes(here: &Here<'_>, info: &LaneInfo) -> Flow {
    let (from_words, to_words) = (info.from.words(), info.to.words());
    for lane in 0..info.lanes {
        let a = get(here, info.from, info.a + lane * from_words);
        let b = match info.op {
            _ if info.b == NONE => 0,
            // The amount; lenient loading admits shorter integers than the value, and its low word is all that counts.
            Op::Shl | Op::LShr | Op::AShr => here.get(info.b + lane * from_words).into(),
            _ => get(here, info.from, info.b + lane * from_words),
        };
        let Some(result) = operate(info.op, info.from, info.to, a, b) else {
            return Flow::failed(info.exc, Ub::DivideByZero);
        };
        put(here, info.to, info.d + lane * to_words, result);
        if info.status != [NONE; 4] {
            put_status(here, info, status(info.op, info.from, a, b, result));
        }
    }
    Flow::normal(info.nor)
}

fn get(here: &Here<'_>, kind: LaneKind, slot: Slot) -> u128 {
    if kind == LaneKind::Wide { here.get_wide(slot) } else { here.get(slot).into() }
}

fn put(here: &Here<'_>, kind: LaneKind, slot: Slot, value: u128) {
    if kind == LaneKind::Wide { here.set_wide(slot, value) } else { here.set(slot, value as u64) }
}

/// One lane. `None` when a divisor is zero.
fn operate(op: Op, from: LaneKind, to: LaneKind, a: u128, b: u128) -> Option<u128> {
    match op.rule() {
        Rule::IntBinOp | Rule::IntDivOp => match from {
            LaneKind::Wide => wide_binop(op, a, b),
            LaneKind::Int(width) => int_binop(op, width.into(), a as u64, b as u64).map(u128::from),
            LaneKind::F32 | LaneKind::F64 => Some(0),
        },
        Rule::FpBinOp => Some(fp_binop(op, from, a as u64, b as u64).into()),
        Rule::EqCmp | Rule::IntCmp | Rule::UltCmp | Rule::FpCmp => Some(compare(op, from, a, b).into()),
        _ => Some(convert(op, from, to, a)),
    }
}

fn int_binop(op: Op, width: u32, a: u64, b: u64) -> Option<u64> {
    Some(match op {
        Op::Add => int::add(width, a, b),
        Op::Sub => int::sub(width, a, b),
        Op::Mul => int::mul(width, a, b),
        Op::SDiv => return int::sdiv(width, a, b),
        Op::SRem => return int::srem(width, a, b),
        Op::UDiv => return int::udiv(width, a, b),
        Op::URem => return int::urem(width, a, b),
        Op::Shl => int::shl(width, a, b),
        Op::LShr => int::lshr(width, a, b),
        Op::AShr => int::ashr(width, a, b),
        Op::And => int::bit_and(width, a, b),
        Op::Or => int::bit_or(width, a, b),
        _ => int::bit_xor(width, a, b),
    })
}

fn wide_binop(op: Op, a: u128, b: u128) -> Option<u128> {
    Some(match op {
        Op::Add => wide::add(a, b),
        Op::Sub => wide::sub(a, b),
        Op::Mul => wide::mul(a, b),
        Op::SDiv => return wide::sdiv(a, b),
        Op::SRem => return wide::srem(a, b),
        Op::UDiv => return wide::udiv(a, b),
        Op::URem => return wide::urem(a, b),
        Op::Shl => wide::shl(a, b),
        Op::LShr => wide::lshr(a, b),
        Op::AShr => wide::ashr(a, b),
        Op::And => wide::bit_and(a, b),
        Op::Or => wide::bit_or(a, b),
        _ => wide::bit_xor(a, b),
    })
}

fn fp_binop(op: Op, kind: LaneKind, a: u64, b: u64) -> u64 {
    fn operate<F: float::Fp>(op: Op, a: u64, b: u64) -> u64 {
        let (a, b) = (conv::bitcast_to_fp::<F>(a), conv::bitcast_to_fp::<F>(b));
        conv::bitcast_to_int(match op {
            Op::FAdd => float::fadd(a, b),
            Op::FSub => float::fsub(a, b),
            Op::FMul => float::fmul(a, b),
            Op::FDiv => float::fdiv(a, b),
            _ => float::frem(a, b),
        })
    }
    if kind == LaneKind::F32 { operate::<f32>(op, a, b) } else { operate::<f64>(op, a, b) }
}

fn compare(op: Op, kind: LaneKind, a: u128, b: u128) -> bool {
    let (x, y) = (a as u64, b as u64);
    match kind {
        LaneKind::F32 => float::fcmp(fcmp_mask(op), f32::from_bits(x as u32), f32::from_bits(y as u32)),
        LaneKind::F64 => float::fcmp(fcmp_mask(op), f64::from_bits(x), f64::from_bits(y)),
        LaneKind::Wide => match op {
            Op::Eq => a == b,
            Op::Ne => a != b,
            Op::SGe => wide::sge(a, b),
            Op::SGt => wide::sgt(a, b),
            Op::SLe => wide::sle(a, b),
            Op::SLt => wide::slt(a, b),
            Op::UGe => a >= b,
            Op::UGt => a > b,
            Op::ULe => a <= b,
            _ => a < b,
        },
        LaneKind::Int(width) => {
            let width = width.into();
            match op {
                Op::Eq => x == y,
                Op::Ne => x != y,
                Op::SGe => int::sge(width, x, y),
                Op::SGt => int::sgt(width, x, y),
                Op::SLe => int::sle(width, x, y),
                Op::SLt => int::slt(width, x, y),
                Op::UGe => x >= y,
                Op::UGt => x > y,
                Op::ULe => x <= y,
                _ => x < y,
            }
        }
    }
}

fn convert(op: Op, from: LaneKind, to: LaneKind, a: u128) -> u128 {
    match (from, to) {
        (LaneKind::Int(from), LaneKind::Int(to)) => int_to_int(op, from.into(), to.into(), a as u64).into(),
        (LaneKind::Wide, LaneKind::Int(to)) => conv::wide::trunc(to.into(), a).into(),
        (LaneKind::Int(from), LaneKind::Wide) => match op {
            Op::SExt => conv::wide::sext(from.into(), a as u64),
            _ => conv::wide::zext(from.into(), a as u64),
        },
        (LaneKind::F32, LaneKind::F64) => conv::bitcast_to_int(conv::fpext(f32::from_bits(a as u32))).into(),
        (LaneKind::F64, LaneKind::F32) => {
            conv::bitcast_to_int(conv::fptrunc(f64::from_bits(a as u64))).into()
        }
        (LaneKind::F32, LaneKind::Int(to)) => {
            fp_to_int(op, to.into(), f32::from_bits(a as u32), a as u64).into()
        }
        (LaneKind::F64, LaneKind::Int(to)) => {
            fp_to_int(op, to.into(), f64::from_bits(a as u64), a as u64).into()
        }
        (LaneKind::F32, LaneKind::Wide) => fp_to_wide(op, f32::from_bits(a as u32)),
        (LaneKind::F64, LaneKind::Wide) => fp_to_wide(op, f64::from_bits(a as u64)),
        (LaneKind::Int(from), LaneKind::F32) => int_to_fp::<f32>(op, from.into(), a as u64).into(),
        (LaneKind::Int(from), LaneKind::F64) => int_to_fp::<f64>(op, from.into(), a as u64).into(),
        (LaneKind::Wide, LaneKind::F32) => wide_to_fp::<f32>(op, a).into(),
        (LaneKind::Wide, LaneKind::F64) => wide_to_fp::<f64>(op, a).into(),
        (LaneKind::Wide, LaneKind::Wide)
        | (LaneKind::F32, LaneKind::F32)
        | (LaneKind::F64, LaneKind::F64) => a,
    }
}

fn int_to_int(op: Op, from: u32, to: u32, a: u64) -> u64 {
    match op {
        Op::SExt => conv::sext(from, to, a),
        Op::Trunc => conv::trunc(from, to, a),
        Op::ZExt => conv::zext(from, to, a),
        // PTRCAST; REFCAST keeps the word, both sides being 64 bits.
        _ => conv::ptrcast(from, to, a),
    }
}

fn fp_to_int<F: float::Fp>(op: Op, to: u32, value: F, bits: u64) -> u64 {
    match op {
        Op::FpToUi => conv::fptoui(to, value),
        Op::FpToSi => conv::fptosi(to, value),
        // BITCAST
        _ => bits,
    }
}

fn fp_to_wide<F: float::Fp>(op: Op, value: F) -> u128 {
    if op == Op::FpToUi { conv::wide::fptoui(value) } else { conv::wide::fptosi(value) }
}

fn int_to_fp<F: float::Fp>(op: Op, from: u32, a: u64) -> u64 {
    match op {
        Op::UiToFp => conv::bitcast_to_int(conv::uitofp::<F>(from, a)),
        Op::SiToFp => conv::bitcast_to_int(conv::sitofp::<F>(from, a)),
        // BITCAST
        _ => a,
    }
}

fn wide_to_fp<F: float::Fp>(op: Op, a: u128) -> u64 {
    let value = if op == Op::UiToFp { conv::wide::uitofp::<F>(a) } else { conv::wide::sitofp::<F>(a) };
    conv::bitcast_to_int(value)
}

fn status(op: Op, kind: LaneKind, a: u128, b: u128, result: u128) -> Status {
    match kind {
        LaneKind::Wide => match op {
            Op::Add => wide::status_add(a, b),
            Op::Sub => wide::status_sub(a, b),
            Op::Mul => wide::status_mul(a, b),
            _ => wide::status_of(result),
        },
        LaneKind::Int(width) => {
            let (width, a, b) = (u32::from(width), a as u64, b as u64);
            match op {
                Op::Add => int::status_add(width, a, b),
                Op::Sub => int::status_sub(width, a, b),
                Op::Mul => int::status_mul(width, a, b),
                _ => int::status_of(width, result as u64),
            }
        }
        LaneKind::F32 | LaneKind::F64 => Status::default(),
    }
}

fn put_status(here: &Here<'_>, info: &LaneInfo, status: Status) {
    for (slot, flag) in info.status.into_iter().zip([status.n, status.z, status.c, status.v]) {
        if slot != NONE {
            here.set(slot, flag.into());
        }
    }
}

/// SELECT of values of several words, or lane by lane.
pub(crate) fn select_lanes(here: &Here<'_>, info: SelectLanesInfo) -> Flow {
    for lane in 0..info.lanes {
        let chosen = if here.get(info.c + lane) != 0 { info.a } else { info.b };
        for word in lane * info.words..(lane + 1) * info.words {
            here.set(info.d + word, here.get(chosen + word));
        }
    }
    Flow::Next
}
