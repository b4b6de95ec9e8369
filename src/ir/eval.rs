//! What an element-wise instruction computes on one lane: the families of the instruction table applied to the functions
//! of [`crate::semantics`].
//!
//! A scalar is one lane; a vector as many as it has elements. A tier decides once, when it decodes or lowers, which
//! [`LaneOp`] an instruction is and what its lanes are; [`lane`] then is an exhaustive match, without a "none of these".
//! The interpreter executes it, a constant folder can call it.
//!
//! ```text
//! FADD <float> a b         LaneOp::Fp(FpOp::FAdd)        Lane::F32 -> Lane::F32
//! SGE <int<128>> a b       LaneOp::Cmp(CmpOp::SGe)       Lane::Wide -> Lane::Int(1)
//! TRUNC <int<64> int<8>>   LaneOp::Conv(ConvOp::Trunc)   Lane::Int(64) -> Lane::Int(8)
//! ```
//!
//! Invariant: the verifier has let the instruction pass. It never gives an operation lanes that it does not work on; for
//! those the result here is without meaning (an operand, or 0), but there is one.

use crate::semantics::int::{Status, wide};
use crate::semantics::{conv, float, int};
use crate::table::{CmpOp, ConvOp, Family, FpCmpOp, FpOp, IntOp, Op};
use crate::types::Type;

/// What a lane is for arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Integer of up to 64 bits; pointers and references count as 64-bit integers.
    Int(u8),
    /// 128-bit integer, two words.
    Wide,
    /// `float`
    F32,
    /// `double`
    F64,
}

impl Lane {
    /// What a value of a type that is no vector is. Values of several fields or elements are in no lane.
    pub fn of(ty: &Type) -> Lane {
        match ty {
            Type::Int(128) => Lane::Wide,
            Type::Int(width) => Lane::Int(*width as u8),
            Type::Float => Lane::F32,
            Type::Double => Lane::F64,
            Type::UPtr(_)
            | Type::UFuncPtr(_)
            | Type::Ref(_)
            | Type::IRef(_)
            | Type::WeakRef(_)
            | Type::TagRef64
            | Type::FuncRef(_)
            | Type::ThreadRef
            | Type::StackRef
            | Type::FrameCursorRef
            | Type::IrBuilderRef => Lane::Int(64),
            Type::Struct(_) | Type::Hybrid { .. } | Type::Array(..) | Type::Vector(..) | Type::Void => {
                Lane::Int(64)
            }
        }
    }

    /// Words of a lane.
    pub fn words(self) -> u32 {
        if self == Lane::Wide { 2 } else { 1 }
    }
}

/// An element-wise instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneOp {
    /// Binary operation on integers.
    Int(IntOp),
    /// Binary operation on floating point numbers.
    Fp(FpOp),
    /// Comparison of integers, pointers and references.
    Cmp(CmpOp),
    /// Comparison of floating point numbers.
    FpCmp(FpCmpOp),
    /// Conversion.
    Conv(ConvOp),
}

impl LaneOp {
    /// The operation of an instruction; `None` if it is not element-wise.
    pub fn of(op: Op) -> Option<LaneOp> {
        match op.family() {
            Family::Int(op) => Some(LaneOp::Int(op)),
            Family::Fp(op) => Some(LaneOp::Fp(op)),
            Family::Cmp(op) => Some(LaneOp::Cmp(op)),
            Family::FpCmp(op) => Some(LaneOp::FpCmp(op)),
            Family::Conv(op) => Some(LaneOp::Conv(op)),
            // SELECT moves values, it computes none.
            Family::Choice(_)
            | Family::Call(_)
            | Family::Value(_)
            | Family::Alloc(_)
            | Family::Address(_)
            | Family::Access(_)
            | Family::System(_) => None,
        }
    }
}

/// The result of one lane; `None` when a divisor is zero. `b` is ignored by conversions. Lanes of one word use the low
/// half of `a`, `b` and the result.
#[inline]
pub fn lane(op: LaneOp, from: Lane, to: Lane, a: u128, b: u128) -> Option<u128> {
    match op {
        LaneOp::Int(op) => match from {
            Lane::Wide => wide_op(op, a, b),
            Lane::Int(width) => int_op(op, width.into(), a as u64, b as u64).map(u128::from),
            Lane::F32 | Lane::F64 => Some(0),
        },
        LaneOp::Fp(op) => Some(match from {
            Lane::F32 => fp_op::<f32>(op, a as u64, b as u64).into(),
            Lane::F64 => fp_op::<f64>(op, a as u64, b as u64).into(),
            Lane::Int(_) | Lane::Wide => 0,
        }),
        LaneOp::Cmp(op) => Some(compare(op, from, a, b).into()),
        LaneOp::FpCmp(op) => Some(fp_compare(op, from, a as u64, b as u64).into()),
        LaneOp::Conv(op) => Some(convert(op, from, to, a)),
    }
}

/// A binary operation on integers of up to 64 bits; `None` when the divisor is zero.
pub fn int_op(op: IntOp, width: u32, a: u64, b: u64) -> Option<u64> {
    Some(match op {
        IntOp::Add => int::add(width, a, b),
        IntOp::Sub => int::sub(width, a, b),
        IntOp::Mul => int::mul(width, a, b),
        IntOp::SDiv => return int::sdiv(width, a, b),
        IntOp::SRem => return int::srem(width, a, b),
        IntOp::UDiv => return int::udiv(width, a, b),
        IntOp::URem => return int::urem(width, a, b),
        IntOp::Shl => int::shl(width, a, b),
        IntOp::LShr => int::lshr(width, a, b),
        IntOp::AShr => int::ashr(width, a, b),
        IntOp::And => int::bit_and(width, a, b),
        IntOp::Or => int::bit_or(width, a, b),
        IntOp::Xor => int::bit_xor(width, a, b),
    })
}

/// A binary operation on `int<128>`; `None` when the divisor is zero.
pub fn wide_op(op: IntOp, a: u128, b: u128) -> Option<u128> {
    Some(match op {
        IntOp::Add => wide::add(a, b),
        IntOp::Sub => wide::sub(a, b),
        IntOp::Mul => wide::mul(a, b),
        IntOp::SDiv => return wide::sdiv(a, b),
        IntOp::SRem => return wide::srem(a, b),
        IntOp::UDiv => return wide::udiv(a, b),
        IntOp::URem => return wide::urem(a, b),
        IntOp::Shl => wide::shl(a, b),
        IntOp::LShr => wide::lshr(a, b),
        IntOp::AShr => wide::ashr(a, b),
        IntOp::And => wide::bit_and(a, b),
        IntOp::Or => wide::bit_or(a, b),
        IntOp::Xor => wide::bit_xor(a, b),
    })
}

/// The status of a binary operation on integers with this result.
pub fn status(op: IntOp, lane: Lane, a: u128, b: u128, result: u128) -> Status {
    match lane {
        Lane::Wide => match op {
            IntOp::Add => wide::status_add(a, b),
            IntOp::Sub => wide::status_sub(a, b),
            IntOp::Mul => wide::status_mul(a, b),
            IntOp::SDiv
            | IntOp::SRem
            | IntOp::UDiv
            | IntOp::URem
            | IntOp::Shl
            | IntOp::LShr
            | IntOp::AShr
            | IntOp::And
            | IntOp::Or
            | IntOp::Xor => wide::status_of(result),
        },
        Lane::Int(width) => {
            let (width, a, b) = (u32::from(width), a as u64, b as u64);
            match op {
                IntOp::Add => int::status_add(width, a, b),
                IntOp::Sub => int::status_sub(width, a, b),
                IntOp::Mul => int::status_mul(width, a, b),
                IntOp::SDiv
                | IntOp::SRem
                | IntOp::UDiv
                | IntOp::URem
                | IntOp::Shl
                | IntOp::LShr
                | IntOp::AShr
                | IntOp::And
                | IntOp::Or
                | IntOp::Xor => int::status_of(width, result as u64),
            }
        }
        Lane::F32 | Lane::F64 => Status::default(),
    }
}

/// A binary operation on floating point numbers, as their bits.
pub fn fp_op<F: float::Fp>(op: FpOp, a: u64, b: u64) -> u64 {
    let (a, b) = (conv::bitcast_to_fp::<F>(a), conv::bitcast_to_fp::<F>(b));
    conv::bitcast_to_int(match op {
        FpOp::FAdd => float::fadd(a, b),
        FpOp::FSub => float::fsub(a, b),
        FpOp::FMul => float::fmul(a, b),
        FpOp::FDiv => float::fdiv(a, b),
        FpOp::FRem => float::frem(a, b),
    })
}

/// A comparison of integers, pointers and references.
pub fn compare(op: CmpOp, lane: Lane, a: u128, b: u128) -> bool {
    let width = match lane {
        Lane::Int(width) => u32::from(width),
        Lane::Wide => return wide_compare(op, a, b),
        Lane::F32 | Lane::F64 => return false,
    };
    let (a, b) = (a as u64, b as u64);
    match op {
        CmpOp::Eq => int::eq(a, b),
        CmpOp::Ne => int::ne(a, b),
        CmpOp::SGe => int::sge(width, a, b),
        CmpOp::SGt => int::sgt(width, a, b),
        CmpOp::SLe => int::sle(width, a, b),
        CmpOp::SLt => int::slt(width, a, b),
        CmpOp::UGe => int::uge(a, b),
        CmpOp::UGt => int::ugt(a, b),
        CmpOp::ULe => int::ule(a, b),
        CmpOp::ULt => int::ult(a, b),
    }
}

fn wide_compare(op: CmpOp, a: u128, b: u128) -> bool {
    match op {
        CmpOp::Eq => wide::eq(a, b),
        CmpOp::Ne => wide::ne(a, b),
        CmpOp::SGe => wide::sge(a, b),
        CmpOp::SGt => wide::sgt(a, b),
        CmpOp::SLe => wide::sle(a, b),
        CmpOp::SLt => wide::slt(a, b),
        CmpOp::UGe => wide::uge(a, b),
        CmpOp::UGt => wide::ugt(a, b),
        CmpOp::ULe => wide::ule(a, b),
        CmpOp::ULt => wide::ult(a, b),
    }
}

/// The outcomes for which a comparison of floating point numbers is true, as [`float::fcmp`] wants them.
pub fn fcmp_mask(op: FpCmpOp) -> u8 {
    match op {
        FpCmpOp::FFalse => float::FFALSE,
        FpCmpOp::FTrue => float::FTRUE,
        FpCmpOp::FUno => float::FUNO,
        FpCmpOp::FUeq => float::FUEQ,
        FpCmpOp::FUne => float::FUNE,
        FpCmpOp::FUgt => float::FUGT,
        FpCmpOp::FUge => float::FUGE,
        FpCmpOp::FUlt => float::FULT,
        FpCmpOp::FUle => float::FULE,
        FpCmpOp::FOrd => float::FORD,
        FpCmpOp::FOeq => float::FOEQ,
        FpCmpOp::FOne => float::FONE,
        FpCmpOp::FOgt => float::FOGT,
        FpCmpOp::FOge => float::FOGE,
        FpCmpOp::FOlt => float::FOLT,
        FpCmpOp::FOle => float::FOLE,
    }
}

fn fp_compare(op: FpCmpOp, lane: Lane, a: u64, b: u64) -> bool {
    match lane {
        Lane::F32 => float::fcmp(fcmp_mask(op), f32::from_bits(a as u32), f32::from_bits(b as u32)),
        Lane::F64 => float::fcmp(fcmp_mask(op), f64::from_bits(a), f64::from_bits(b)),
        Lane::Int(_) | Lane::Wide => false,
    }
}

/// A conversion.
pub fn convert(op: ConvOp, from: Lane, to: Lane, a: u128) -> u128 {
    let word = a as u64;
    match op {
        ConvOp::Trunc => match (from, to) {
            (Lane::Int(from), Lane::Int(to)) => conv::trunc(from.into(), to.into(), word).into(),
            (Lane::Wide, Lane::Int(to)) => conv::wide::trunc(to.into(), a).into(),
            (_, Lane::Wide | Lane::F32 | Lane::F64) | (Lane::F32 | Lane::F64, Lane::Int(_)) => a,
        },
        ConvOp::ZExt => match (from, to) {
            (Lane::Int(from), Lane::Int(to)) => conv::zext(from.into(), to.into(), word).into(),
            (Lane::Int(from), Lane::Wide) => conv::wide::zext(from.into(), word),
            (Lane::Wide | Lane::F32 | Lane::F64, _) | (Lane::Int(_), Lane::F32 | Lane::F64) => a,
        },
        ConvOp::SExt => match (from, to) {
            (Lane::Int(from), Lane::Int(to)) => conv::sext(from.into(), to.into(), word).into(),
            (Lane::Int(from), Lane::Wide) => conv::wide::sext(from.into(), word),
            (Lane::Wide | Lane::F32 | Lane::F64, _) | (Lane::Int(_), Lane::F32 | Lane::F64) => a,
        },
        ConvOp::FpTrunc => conv::bitcast_to_int(conv::fptrunc(f64::from_bits(word))).into(),
        ConvOp::FpExt => conv::bitcast_to_int(conv::fpext(f32::from_bits(word as u32))).into(),
        ConvOp::FpToUi | ConvOp::FpToSi => {
            let signed = op == ConvOp::FpToSi;
            match from {
                Lane::F32 => fp_to_int(signed, to, f32::from_bits(word as u32)),
                Lane::F64 => fp_to_int(signed, to, f64::from_bits(word)),
                Lane::Int(_) | Lane::Wide => a,
            }
        }
        ConvOp::UiToFp | ConvOp::SiToFp => {
            let signed = op == ConvOp::SiToFp;
            match to {
                Lane::F32 => int_to_fp::<f32>(signed, from, a).into(),
                Lane::F64 => int_to_fp::<f64>(signed, from, a).into(),
                Lane::Int(_) | Lane::Wide => a,
            }
        }
        ConvOp::PtrCast => match (from, to) {
            (Lane::Int(from), Lane::Int(to)) => conv::ptrcast(from.into(), to.into(), word).into(),
            (Lane::Wide, Lane::Int(to)) => conv::wide::trunc(to.into(), a).into(),
            (Lane::Int(from), Lane::Wide) => conv::wide::zext(from.into(), word),
            (Lane::F32 | Lane::F64, _) | (_, Lane::F32 | Lane::F64) | (Lane::Wide, Lane::Wide) => a,
        },
        // The same bits.
        ConvOp::BitCast | ConvOp::RefCast => a,
    }
}

fn fp_to_int<F: float::Fp>(signed: bool, to: Lane, value: F) -> u128 {
    match (to, signed) {
        (Lane::Int(to), false) => conv::fptoui(to.into(), value).into(),
        (Lane::Int(to), true) => conv::fptosi(to.into(), value).into(),
        (Lane::Wide, false) => conv::wide::fptoui(value),
        (Lane::Wide, true) => conv::wide::fptosi(value),
        (Lane::F32 | Lane::F64, _) => 0,
    }
}

fn int_to_fp<F: float::Fp>(signed: bool, from: Lane, a: u128) -> u64 {
    match (from, signed) {
        (Lane::Int(from), false) => conv::bitcast_to_int(conv::uitofp::<F>(from.into(), a as u64)),
        (Lane::Int(from), true) => conv::bitcast_to_int(conv::sitofp::<F>(from.into(), a as u64)),
        (Lane::Wide, false) => conv::bitcast_to_int(conv::wide::uitofp::<F>(a)),
        (Lane::Wide, true) => conv::bitcast_to_int(conv::wide::sitofp::<F>(a)),
        (Lane::F32 | Lane::F64, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element-wise instruction on lanes that its type rule allows: one known answer each.
    #[test]
    fn each_operation_has_its_own_result() {
        let int = |op: IntOp, a: u64, b: u64| int_op(op, 8, a, b);
        let wide = |op: IntOp, a: u128, b: u128| wide_op(op, a, b);
        let rows = [
            (IntOp::Add, 0xf5, 3, 0xf8, 0xf8),
            (IntOp::Sub, 0xf5, 3, 0xf2, 0xf2),
            (IntOp::Mul, 0xf5, 3, 0xdf, 0x2df),
            (IntOp::SDiv, 0xf5, 3, 0xfd, 0x51),
            (IntOp::SRem, 0xf5, 3, 0xfe, 2),
            (IntOp::UDiv, 0xf5, 3, 0x51, 0x51),
            (IntOp::URem, 0xf6, 7, 1, 1),
            (IntOp::Shl, 0xf5, 3, 0xa8, 0x7a8),
            (IntOp::LShr, 0xf5, 3, 0x1e, 0x1e),
            (IntOp::AShr, 0xf5, 3, 0xfe, 0x1e),
            (IntOp::And, 0xf5, 3, 1, 1),
            (IntOp::Or, 0xf5, 3, 0xf7, 0xf7),
            (IntOp::Xor, 0xf5, 3, 0xf6, 0xf6),
        ];
        for (op, a, b, narrow, broad) in rows {
            assert_eq!(int(op, a, b), Some(narrow), "{op:?}");
            assert_eq!(wide(op, a.into(), b.into()), Some(broad), "{op:?}");
            let zero = matches!(op, IntOp::SDiv | IntOp::SRem | IntOp::UDiv | IntOp::URem);
            assert_eq!(int(op, a, 0).is_none(), zero, "{op:?}");
            assert_eq!(wide(op, a.into(), 0).is_none(), zero, "{op:?}");
        }
    }

    #[test]
    fn comparisons_by_lane() {
        let rows = [
            (CmpOp::Eq, false, false),
            (CmpOp::Ne, true, true),
            (CmpOp::SGe, false, false),
            (CmpOp::SGt, false, false),
            (CmpOp::SLe, true, true),
            (CmpOp::SLt, true, true),
            (CmpOp::UGe, true, true),
            (CmpOp::UGt, true, true),
            (CmpOp::ULe, false, false),
            (CmpOp::ULt, false, false),
        ];
        for (op, narrow, broad) in rows {
            assert_eq!(compare(op, Lane::Int(8), 0xf5, 3), narrow, "{op:?}");
            assert_eq!(compare(op, Lane::Wide, u128::MAX, 3), broad, "{op:?}");
            assert_eq!(compare(op, Lane::Wide, 3, 3), compare(op, Lane::Int(8), 3, 3), "{op:?}");
        }
        // The number of the client interface tells the outcomes apart: no two comparisons are alike.
        let all = Op::ALL.iter().filter_map(|&op| match op.family() {
            Family::FpCmp(op) => Some(fcmp_mask(op)),
            _ => None,
        });
        let mut masks: Vec<u8> = all.collect();
        masks.sort_unstable();
        masks.dedup();
        assert_eq!(masks.len(), 16);
    }

    #[test]
    fn conversions_by_lane() {
        let bits = |x: f64| u128::from(x.to_bits());
        let single = |x: f32| u128::from(x.to_bits());
        let rows = [
            (ConvOp::Trunc, Lane::Int(64), Lane::Int(8), 0x1f5, 0xf5),
            (ConvOp::Trunc, Lane::Wide, Lane::Int(8), (1 << 100) + 7, 7),
            (ConvOp::ZExt, Lane::Int(8), Lane::Int(16), 0xf5, 0xf5),
            (ConvOp::ZExt, Lane::Int(8), Lane::Wide, 0xf5, 0xf5),
            (ConvOp::SExt, Lane::Int(8), Lane::Int(16), 0xf5, 0xfff5),
            (ConvOp::SExt, Lane::Int(8), Lane::Wide, 0xff, u128::MAX),
            (ConvOp::FpTrunc, Lane::F64, Lane::F32, bits(1.5), single(1.5)),
            (ConvOp::FpExt, Lane::F32, Lane::F64, single(1.5), bits(1.5)),
            (ConvOp::FpToUi, Lane::F64, Lane::Int(8), bits(-1.0), 0),
            (ConvOp::FpToSi, Lane::F64, Lane::Int(8), bits(-1.0), 0xff),
            (ConvOp::FpToUi, Lane::F32, Lane::Wide, single(-1.0), 0),
            (ConvOp::FpToSi, Lane::F32, Lane::Wide, single(-1.0), u128::MAX),
            (ConvOp::UiToFp, Lane::Int(8), Lane::F64, 0xff, bits(255.0)),
            (ConvOp::SiToFp, Lane::Int(8), Lane::F64, 0xff, bits(-1.0)),
            (ConvOp::UiToFp, Lane::Wide, Lane::F32, 3, single(3.0)),
            (ConvOp::SiToFp, Lane::Wide, Lane::F32, u128::MAX, single(-1.0)),
            (ConvOp::BitCast, Lane::F64, Lane::Int(64), bits(1.5), bits(1.5)),
            (ConvOp::BitCast, Lane::Int(32), Lane::F32, single(1.5), single(1.5)),
            (ConvOp::RefCast, Lane::Int(64), Lane::Int(64), 4096, 4096),
            (ConvOp::PtrCast, Lane::Int(64), Lane::Int(8), 0x1f5, 0xf5),
            (ConvOp::PtrCast, Lane::Int(8), Lane::Int(64), 0xf5, 0xf5),
            (ConvOp::PtrCast, Lane::Wide, Lane::Int(64), (1 << 100) + 7, 7),
        ];
        for (op, from, to, a, result) in rows {
            assert_eq!(convert(op, from, to, a), result, "{op:?} {from:?} {to:?}");
        }
    }
}
