//! What a pure operation on constants gives. Everything comes from `mu_ir::semantics`, which the interpreter uses too.

use super::{Cond, Op, Ty};
use mu_ir::semantics::{conv, float, int};
use mu_rt::layout::LeafKind;

/// The bits of the result of `op` on constants; `None` where it is not folded.
pub fn eval(op: Op, ty: Ty, arg_ty: Ty, args: &[u64]) -> Option<u64> {
    let a = *args.first()?;
    let b = args.get(1).copied().unwrap_or(0);
    let from = width(arg_ty);
    let to = width(ty);
    Some(match op {
        Op::Add => int::add(to, a, b),
        Op::Sub => int::sub(to, a, b),
        Op::Mul => int::mul(to, a, b),
        Op::UDiv => int::udiv(to, a, b)?,
        Op::SDiv => int::sdiv(to, a, b)?,
        Op::URem => int::urem(to, a, b)?,
        Op::SRem => int::srem(to, a, b)?,
        Op::Shl => int::shl(to, a, b),
        Op::LShr => int::lshr(to, a, b),
        Op::AShr => int::ashr(to, a, b),
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::UMulHi => ((u128::from(a) * u128::from(b)) >> 64) as u64,
        Op::SMulHi => ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64,
        Op::Rotl if to == 32 => u64::from((a as u32).rotate_left(b as u32)),
        Op::Rotl => a.rotate_left(b as u32),
        Op::FAdd | Op::FSub | Op::FMul | Op::FDiv => fp_binary(op, ty, a, b),
        Op::ICmp(cond) => u64::from(compare(cond, from, a, b)),
        Op::FCmp(mask) => u64::from(match arg_ty {
            LeafKind::Float => float::fcmp(mask, f32::from_bits(a as u32), f32::from_bits(b as u32)),
            _ => float::fcmp(mask, f64::from_bits(a), f64::from_bits(b)),
        }),
        Op::Select => {
            if a != 0 {
                b
            } else {
                *args.get(2)?
            }
        }
        Op::Trunc => conv::trunc(from, to, a),
        Op::ZExt => conv::zext(from, to, a),
        Op::SExt => conv::sext(from, to, a),
        Op::FpTrunc => u64::from(conv::fptrunc(f64::from_bits(a)).to_bits()),
        Op::FpExt => conv::fpext(f32::from_bits(a as u32)).to_bits(),
        Op::F64ToSi => conv::fptosi(64, f64::from_bits(a)),
        Op::SiToFp => match ty {
            LeafKind::Float => u64::from(conv::sitofp::<f32>(64, a).to_bits()),
            _ => conv::sitofp::<f64>(64, a).to_bits(),
        },
        Op::BitCast | Op::Retype => a,
        Op::Offset(bytes) => a.wrapping_add(bytes as u64),
        Op::Index(stride) => a.wrapping_add(b.wrapping_mul(stride as u64)),
        Op::Load(_)
        | Op::Store(_)
        | Op::CmpXchg
        | Op::Rmw(_)
        | Op::Fence(_)
        | Op::Alloca(_)
        | Op::Call(_)
        | Op::Help(_)
        | Op::Landing
        | Op::Poll => return None,
    })
}

fn fp_binary(op: Op, ty: Ty, a: u64, b: u64) -> u64 {
    fn apply<F: float::Fp>(op: Op, a: F, b: F) -> F {
        match op {
            Op::FAdd => float::fadd(a, b),
            Op::FSub => float::fsub(a, b),
            Op::FMul => float::fmul(a, b),
            _ => float::fdiv(a, b),
        }
    }
    match ty {
        LeafKind::Float => u64::from(apply(op, f32::from_bits(a as u32), f32::from_bits(b as u32)).to_bits()),
        _ => apply(op, f64::from_bits(a), f64::from_bits(b)).to_bits(),
    }
}

/// A comparison of integers, or of words that are not integers.
pub fn compare(cond: Cond, width: u32, a: u64, b: u64) -> bool {
    match cond {
        Cond::Eq => a == b,
        Cond::Ne => a != b,
        Cond::SGe => int::sge(width, a, b),
        Cond::SGt => int::sgt(width, a, b),
        Cond::SLe => int::sle(width, a, b),
        Cond::SLt => int::slt(width, a, b),
        Cond::UGe => a >= b,
        Cond::UGt => a > b,
        Cond::ULe => a <= b,
        Cond::ULt => a < b,
    }
}

/// The width of an integer type; 64 for words of other types.
pub fn width(ty: Ty) -> u32 {
    match ty {
        LeafKind::Int(width) => u32::from(width),
        _ => 64,
    }
}
