//! Arithmetic, comparisons, conversions, SELECT (instruction-set: Binary Operations, Comparison, Conversion, SELECT).
//!
//! Everything goes lane by lane: a scalar is one lane. A lane of `int<128>` has two leaves and its operations stand in
//! [`super::wide`].

use super::{Done, Importer, Leaves};
use crate::import::Unsupported;
use crate::ssa::{Cond, Helper, I1, I64, Op, Ty, Value};
use mu_ir::ids::TypeId;
use mu_ir::inst::{Inst, Linked};
use mu_ir::semantics::{float, int};
use mu_ir::table::{Op as MuOp, StatusFlags};
use mu_ir::types::Type;
use mu_rt::layout::LeafKind;

/// A lane's type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// One leaf.
    One(Ty),
    /// `int<128>`
    Wide,
}

impl Lane {
    pub(super) fn leaves(self) -> usize {
        match self {
            Lane::One(_) => 1,
            Lane::Wide => 2,
        }
    }
}

/// The condition of an integer comparison.
fn cond_of(op: MuOp) -> Option<Cond> {
    Some(match op {
        MuOp::Eq => Cond::Eq,
        MuOp::Ne => Cond::Ne,
        MuOp::SGe => Cond::SGe,
        MuOp::SGt => Cond::SGt,
        MuOp::SLe => Cond::SLe,
        MuOp::SLt => Cond::SLt,
        MuOp::UGe => Cond::UGe,
        MuOp::UGt => Cond::UGt,
        MuOp::ULe => Cond::ULe,
        MuOp::ULt => Cond::ULt,
        _ => return None,
    })
}

/// The outcomes for which a floating point comparison is true.
fn fcmp_mask(op: MuOp) -> Option<u8> {
    Some(match op {
        MuOp::FFalse => float::FFALSE,
        MuOp::FTrue => float::FTRUE,
        MuOp::FUno => float::FUNO,
        MuOp::FUeq => float::FUEQ,
        MuOp::FUne => float::FUNE,
        MuOp::FUgt => float::FUGT,
        MuOp::FUge => float::FUGE,
        MuOp::FUlt => float::FULT,
        MuOp::FUle => float::FULE,
        MuOp::FOrd => float::FORD,
        MuOp::FOeq => float::FOEQ,
        MuOp::FOne => float::FONE,
        MuOp::FOgt => float::FOGT,
        MuOp::FOge => float::FOGE,
        MuOp::FOlt => float::FOLT,
        MuOp::FOle => float::FOLE,
        _ => return None,
    })
}

impl Importer<'_> {
    /// What a lane of a type is, and how many there are.
    pub(super) fn lane(&self, ty: TypeId) -> Result<(Lane, usize), Unsupported> {
        let (elem, count) = match self.ty(ty) {
            Type::Vector(elem, count) => (*elem, usize::try_from(*count).unwrap_or(usize::MAX)),
            _ => (ty, 1),
        };
        match self.layout(elem).scalar() {
            Some(kind) if kind.words() == 2 => Ok((Lane::Wide, count)),
            Some(kind) => Ok((Lane::One(kind.strong()), count)),
            None => Err(Unsupported::LargeValue),
        }
    }

    pub(super) fn binary(&mut self, inst: &Inst<Linked>) -> Done {
        let (lane, count) = self.lane(inst.types[0])?;
        let (a, b) = (self.value(inst.args[0])?, self.value(inst.args[1])?);
        let step = lane.leaves();
        if let Some(clause) = &inst.exc {
            // A divisor of zero in any lane.
            let mut bad: Option<Value> = None;
            for at in 0..count {
                let zero = self.is_zero(lane, &b[at * step..(at + 1) * step]);
                bad = Some(bad.map_or(zero, |bad| self.op(Op::Or, I1, &[bad, zero])));
            }
            if let Some(bad) = bad {
                self.guard(bad, &clause.exc)?;
            }
        }
        let mut results = Leaves::new();
        for at in 0..count {
            let (a, b) = (&a[at * step..(at + 1) * step], &b[at * step..(at + 1) * step]);
            match lane {
                Lane::One(ty) => results.push(self.scalar_binary(inst.op, ty, a[0], b[0])),
                Lane::Wide => results.extend(self.wide_binary(inst.op, [a[0], a[1]], [b[0], b[1]])),
            }
        }
        if !inst.attrs.status.is_empty() {
            self.status(inst, lane, &a, &b, &results)?;
        }
        self.define_result(inst, results);
        self.go_on(inst)
    }

    fn is_zero(&mut self, lane: Lane, leaves: &[Value]) -> Value {
        let (ty, value) = match lane {
            Lane::One(ty) => (ty, leaves[0]),
            Lane::Wide => (I64, self.op(Op::Or, I64, leaves)),
        };
        let zero = self.int(ty, 0);
        self.cmp(Cond::Eq, value, zero)
    }

    fn scalar_binary(&mut self, op: MuOp, ty: Ty, a: Value, b: Value) -> Value {
        let single = ty == LeafKind::Float;
        let op = match op {
            MuOp::Add => Op::Add,
            MuOp::Sub => Op::Sub,
            MuOp::Mul => Op::Mul,
            MuOp::SDiv => Op::SDiv,
            MuOp::SRem => Op::SRem,
            MuOp::UDiv => Op::UDiv,
            MuOp::URem => Op::URem,
            MuOp::Shl => Op::Shl,
            MuOp::LShr => Op::LShr,
            MuOp::AShr => Op::AShr,
            MuOp::And => Op::And,
            MuOp::Or => Op::Or,
            MuOp::Xor => Op::Xor,
            MuOp::FAdd => Op::FAdd,
            MuOp::FSub => Op::FSub,
            MuOp::FMul => Op::FMul,
            MuOp::FDiv => Op::FDiv,
            // The only binary operation left.
            _ => Op::Help(if single { Helper::FRem32 } else { Helper::FRem64 }),
        };
        self.op(op, ty, &[a, b])
    }

    /// The status results, which are the results after the first.
    fn status(&mut self, inst: &Inst<Linked>, lane: Lane, a: &Leaves, b: &Leaves, r: &Leaves) -> Done {
        let wide = lane == Lane::Wide;
        let mut next = 1;
        for (flag, _) in StatusFlags::ALL {
            if !inst.attrs.status.contains(flag) {
                continue;
            }
            let value = match (flag, lane) {
                (StatusFlags::N, _) => {
                    let ty = self.func.ty(r[r.len() - 1]);
                    let zero = self.int(ty, 0);
                    self.cmp(Cond::SLt, r[r.len() - 1], zero)
                }
                (StatusFlags::Z, _) => self.is_zero(lane, r),
                (StatusFlags::C, _) if wide => {
                    self.wide_carry(inst.op, [a[0], a[1]], [b[0], b[1]], [r[0], r[1]])?
                }
                (_, _) if wide => self.wide_overflow(inst.op, [a[0], a[1]], [b[0], b[1]], [r[0], r[1]])?,
                (StatusFlags::C, _) => self.carry(inst.op, a[0], b[0], r[0])?,
                _ => self.overflow(inst.op, a[0], b[0], r[0])?,
            };
            if let Some(&var) = inst.results.get(next) {
                self.define(var, Leaves::from_slice(&[value]));
            }
            next += 1;
        }
        Ok(())
    }

    fn carry(&mut self, op: MuOp, a: Value, b: Value, r: Value) -> Result<Value, Unsupported> {
        let ty = self.func.ty(r);
        let width = crate::ssa::eval::width(ty);
        Ok(match op {
            MuOp::Add => self.cmp(Cond::ULt, r, a),
            MuOp::Sub => self.cmp(Cond::ULt, a, b),
            MuOp::Mul if width == 64 => {
                let high = self.op(Op::UMulHi, I64, &[a, b]);
                let zero = self.int(I64, 0);
                self.cmp(Cond::Ne, high, zero)
            }
            MuOp::Mul => {
                // Twice the width, or both halves where that does not exist.
                let (a, b) = (self.op(Op::ZExt, I64, &[a]), self.op(Op::ZExt, I64, &[b]));
                let greatest = self.int(I64, int::mask(width));
                let low = self.op(Op::Mul, I64, &[a, b]);
                let too_great = self.cmp(Cond::UGt, low, greatest);
                let high = self.op(Op::UMulHi, I64, &[a, b]);
                let zero = self.int(I64, 0);
                let high_set = self.cmp(Cond::Ne, high, zero);
                self.op(Op::Or, I1, &[too_great, high_set])
            }
            _ => return Err(Unsupported::Form(op, "#C")),
        })
    }

    fn overflow(&mut self, op: MuOp, a: Value, b: Value, r: Value) -> Result<Value, Unsupported> {
        let ty = self.func.ty(r);
        let width = crate::ssa::eval::width(ty);
        let zero = self.int(ty, 0);
        Ok(match op {
            MuOp::Add | MuOp::Sub => {
                // The result's sign differs from a's, and b's sign is the one that makes that impossible.
                let first = self.op(Op::Xor, ty, &[a, r]);
                let other = if op == MuOp::Add { r } else { a };
                let second = self.op(Op::Xor, ty, &[b, other]);
                let both = self.op(Op::And, ty, &[first, second]);
                self.cmp(Cond::SLt, both, zero)
            }
            MuOp::Mul if width == 64 => {
                let high = self.op(Op::SMulHi, I64, &[a, b]);
                let last = self.int(I64, 63);
                let sign = self.op(Op::AShr, I64, &[r, last]);
                self.cmp(Cond::Ne, high, sign)
            }
            MuOp::Mul => {
                let (wide_a, wide_b) = (self.op(Op::SExt, I64, &[a]), self.op(Op::SExt, I64, &[b]));
                let low = self.op(Op::Mul, I64, &[wide_a, wide_b]);
                let back = self.op(Op::SExt, I64, &[r]);
                let differs = self.cmp(Cond::Ne, low, back);
                let high = self.op(Op::SMulHi, I64, &[wide_a, wide_b]);
                let last = self.int(I64, 63);
                let sign = self.op(Op::AShr, I64, &[low, last]);
                let high_differs = self.cmp(Cond::Ne, high, sign);
                self.op(Op::Or, I1, &[differs, high_differs])
            }
            _ => return Err(Unsupported::Form(op, "#V")),
        })
    }

    pub(super) fn compare(&mut self, inst: &Inst<Linked>) -> Done {
        let (lane, count) = self.lane(inst.types[0])?;
        let (a, b) = (self.value(inst.args[0])?, self.value(inst.args[1])?);
        let mut results = Leaves::new();
        for at in 0..count {
            let value = match (lane, cond_of(inst.op), fcmp_mask(inst.op)) {
                (Lane::Wide, Some(cond), _) => {
                    self.wide_compare(cond, [a[2 * at], a[2 * at + 1]], [b[2 * at], b[2 * at + 1]])
                }
                (Lane::One(_), Some(cond), _) => self.cmp(cond, a[at], b[at]),
                (_, None, Some(mask)) => self.op(Op::FCmp(mask), I1, &[a[at], b[at]]),
                (_, None, None) => return Err(Unsupported::Op(inst.op)),
            };
            results.push(value);
        }
        self.define_result(inst, results);
        Ok(())
    }

    pub(super) fn convert(&mut self, inst: &Inst<Linked>) -> Done {
        let (from, count) = self.lane(inst.types[0])?;
        let (to, _) = self.lane(inst.types[1])?;
        let a = self.value(inst.args[0])?;
        let mut results = Leaves::new();
        for at in 0..count {
            match (from, to) {
                (Lane::One(from), Lane::One(to)) => {
                    let value = self.scalar_convert(inst.op, from, to, a[at])?;
                    results.push(value);
                }
                _ => {
                    let lane = &a[at * from.leaves()..(at + 1) * from.leaves()];
                    let value = self.wide_convert(inst.op, from, to, lane)?;
                    results.extend(value);
                }
            }
        }
        self.define_result(inst, results);
        Ok(())
    }

    /// The same value as another type of one word; nothing if the types are one.
    pub(super) fn retype(&mut self, value: Value, ty: Ty) -> Value {
        if self.func.ty(value) == ty { value } else { self.op(Op::Retype, ty, &[value]) }
    }

    /// Zero-extends or truncates.
    pub(super) fn resize(&mut self, value: Value, to: Ty) -> Value {
        let (from_width, to_width) =
            (crate::ssa::eval::width(self.func.ty(value)), crate::ssa::eval::width(to));
        match from_width.cmp(&to_width) {
            std::cmp::Ordering::Equal => value,
            std::cmp::Ordering::Less => self.op(Op::ZExt, to, &[value]),
            std::cmp::Ordering::Greater => self.op(Op::Trunc, to, &[value]),
        }
    }

    fn scalar_convert(&mut self, op: MuOp, from: Ty, to: Ty, a: Value) -> Result<Value, Unsupported> {
        Ok(match op {
            MuOp::Trunc => self.op(Op::Trunc, to, &[a]),
            MuOp::ZExt => self.op(Op::ZExt, to, &[a]),
            MuOp::SExt => self.op(Op::SExt, to, &[a]),
            MuOp::FpTrunc => self.op(Op::FpTrunc, to, &[a]),
            MuOp::FpExt => self.op(Op::FpExt, to, &[a]),
            MuOp::BitCast => self.op(Op::BitCast, to, &[a]),
            MuOp::RefCast => self.retype(a, to),
            MuOp::PtrCast => {
                let word = match from {
                    LeafKind::Int(_) => self.resize(a, I64),
                    _ => self.retype(a, I64),
                };
                match to {
                    LeafKind::Int(_) => self.resize(word, to),
                    _ => self.retype(word, to),
                }
            }
            MuOp::SiToFp => {
                let word = if from == I64 { a } else { self.op(Op::SExt, I64, &[a]) };
                self.op(Op::SiToFp, to, &[word])
            }
            MuOp::UiToFp if from == I64 => {
                let helper = if to == LeafKind::Float { Helper::UiToF32 } else { Helper::UiToF64 };
                self.op(Op::Help(helper), to, &[a])
            }
            MuOp::UiToFp => {
                let word = self.op(Op::ZExt, I64, &[a]);
                self.op(Op::SiToFp, to, &[word])
            }
            MuOp::FpToSi | MuOp::FpToUi => self.fp_to_int(op, from, to, a),
            _ => return Err(Unsupported::Op(op)),
        })
    }

    /// Truncation to a word, then clamping.
    fn fp_to_int(&mut self, op: MuOp, from: Ty, to: Ty, a: Value) -> Value {
        let double = if from == LeafKind::Float { self.op(Op::FpExt, LeafKind::Double, &[a]) } else { a };
        let width = crate::ssa::eval::width(to);
        if op == MuOp::FpToUi && width == 64 {
            return self.op(Op::Help(Helper::F64ToUi), I64, &[double]);
        }
        let word = self.op(Op::F64ToSi, I64, &[double]);
        if width == 64 {
            return word;
        }
        let (least, greatest) = match op {
            MuOp::FpToUi => (0, int::mask(width)),
            _ => (!(int::mask(width) >> 1), int::mask(width) >> 1),
        };
        let (least, greatest) = (self.int(I64, least), self.int(I64, greatest));
        let above = self.cmp(Cond::SGt, word, greatest);
        let word = self.op(Op::Select, I64, &[above, greatest, word]);
        let below = self.cmp(Cond::SLt, word, least);
        let word = self.op(Op::Select, I64, &[below, least, word]);
        self.op(Op::Trunc, to, &[word])
    }

    pub(super) fn select(&mut self, inst: &Inst<Linked>) -> Done {
        let conds = self.value(inst.args[0])?;
        let (a, b) = (self.value(inst.args[1])?, self.value(inst.args[2])?);
        let per_cond = (a.len() / conds.len().max(1)).max(1);
        let mut results = Leaves::new();
        for (at, (&a, &b)) in a.iter().zip(&b).enumerate() {
            let cond = conds[if conds.len() == 1 { 0 } else { at / per_cond }];
            let ty = self.func.ty(a);
            results.push(self.op(Op::Select, ty, &[cond, a, b]));
        }
        self.define_result(inst, results);
        Ok(())
    }
}
