//! Arithmetic, comparisons, conversions, SELECT (instruction-set: Binary Operations, Comparison, Conversion, SELECT).
//!
//! Everything goes lane by lane: a scalar is one lane. A lane of `int<128>` has two leaves and its operations stand in
//! [`super::wide`].

use super::{Done, Importer, Leaves};
use crate::import::Unsupported;
use crate::ssa::{Cond, Helper, I1, I64, Op, Ty, Value};
use mu_ir::eval::fcmp_mask;
use mu_ir::ids::TypeId;
use mu_ir::inst::{Inst, Linked};
use mu_ir::semantics::int;
use mu_ir::table::{CmpOp, ConvOp, FpCmpOp, FpOp, IntOp, StatusFlags};
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

/// The condition of a comparison.
fn cond_of(op: CmpOp) -> Cond {
    match op {
        CmpOp::Eq => Cond::Eq,
        CmpOp::Ne => Cond::Ne,
        CmpOp::SGe => Cond::SGe,
        CmpOp::SGt => Cond::SGt,
        CmpOp::SLe => Cond::SLe,
        CmpOp::SLt => Cond::SLt,
        CmpOp::UGe => Cond::UGe,
        CmpOp::UGt => Cond::UGt,
        CmpOp::ULe => Cond::ULe,
        CmpOp::ULt => Cond::ULt,
    }
}

/// The operations with the status flags #C and #V.
#[derive(Clone, Copy)]
pub(super) enum Sum {
    Add,
    Sub,
    Mul,
}

impl Sum {
    fn of(op: IntOp) -> Option<Sum> {
        match op {
            IntOp::Add => Some(Sum::Add),
            IntOp::Sub => Some(Sum::Sub),
            IntOp::Mul => Some(Sum::Mul),
            IntOp::SDiv
            | IntOp::SRem
            | IntOp::UDiv
            | IntOp::URem
            | IntOp::Shl
            | IntOp::LShr
            | IntOp::AShr
            | IntOp::And
            | IntOp::Or
            | IntOp::Xor => None,
        }
    }
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

    /// A binary operation on integers.
    pub(super) fn int_binary(&mut self, inst: &Inst<Linked>, op: IntOp) -> Done {
        let (lane, count) = self.lane(inst.types[0])?;
        let mut operands =
            [self.value_as(inst.args[0], inst.types[0])?, self.value_as(inst.args[1], inst.types[0])?];
        self.widen_amount(lane, &mut operands[1]);
        let [a, b] = operands;
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
                Lane::One(ty) => results.push(self.scalar_binary(op, ty, a[0], b[0])),
                Lane::Wide => results.extend(self.wide_binary(op, [a[0], a[1]], [b[0], b[1]])),
            }
        }
        if !inst.attrs.status.is_empty() {
            self.status(inst, op, lane, &a, &b, &results)?;
        }
        self.define_result(inst, results);
        self.go_on(inst)
    }

    /// The amount of a shift, which may be of fewer bits than what is shifted (lenient mode): those it lacks are zero.
    fn widen_amount(&mut self, lane: Lane, amount: &mut Leaves) {
        let [leaf] = amount[..] else { return };
        match lane {
            Lane::One(ty) => amount[0] = self.resize(leaf, ty),
            Lane::Wide => *amount = Leaves::from_slice(&[self.resize(leaf, I64), self.int(I64, 0)]),
        }
    }

    fn is_zero(&mut self, lane: Lane, leaves: &[Value]) -> Value {
        let (ty, value) = match lane {
            Lane::One(ty) => (ty, leaves[0]),
            Lane::Wide => (I64, self.op(Op::Or, I64, leaves)),
        };
        let zero = self.int(ty, 0);
        self.cmp(Cond::Eq, value, zero)
    }

    fn scalar_binary(&mut self, op: IntOp, ty: Ty, a: Value, b: Value) -> Value {
        let op = match op {
            IntOp::Add => Op::Add,
            IntOp::Sub => Op::Sub,
            IntOp::Mul => Op::Mul,
            IntOp::SDiv => Op::SDiv,
            IntOp::SRem => Op::SRem,
            IntOp::UDiv => Op::UDiv,
            IntOp::URem => Op::URem,
            IntOp::Shl => Op::Shl,
            IntOp::LShr => Op::LShr,
            IntOp::AShr => Op::AShr,
            IntOp::And => Op::And,
            IntOp::Or => Op::Or,
            IntOp::Xor => Op::Xor,
        };
        self.op(op, ty, &[a, b])
    }

    /// A binary operation on floating point numbers.
    pub(super) fn fp_binary(&mut self, inst: &Inst<Linked>, op: FpOp) -> Done {
        let (lane, _) = self.lane(inst.types[0])?;
        let Lane::One(ty) = lane else { return Err(Unsupported::Form(inst.op, "int<128>")) };
        let op = match op {
            FpOp::FAdd => Op::FAdd,
            FpOp::FSub => Op::FSub,
            FpOp::FMul => Op::FMul,
            FpOp::FDiv => Op::FDiv,
            FpOp::FRem if ty == LeafKind::Float => Op::Help(Helper::FRem32),
            FpOp::FRem => Op::Help(Helper::FRem64),
        };
        let (a, b) = (self.value(inst.args[0])?, self.value(inst.args[1])?);
        let results = a.iter().zip(&b).map(|(&a, &b)| self.op(op, ty, &[a, b])).collect();
        self.define_result(inst, results);
        Ok(())
    }

    /// The status results, which are the results after the first.
    fn status(
        &mut self,
        inst: &Inst<Linked>,
        op: IntOp,
        lane: Lane,
        a: &Leaves,
        b: &Leaves,
        r: &Leaves,
    ) -> Done {
        let mut next = 1;
        for (flag, _) in StatusFlags::ALL {
            if !inst.attrs.status.contains(flag) {
                continue;
            }
            let value = if flag == StatusFlags::N {
                let ty = self.func.ty(r[r.len() - 1]);
                let zero = self.int(ty, 0);
                self.cmp(Cond::SLt, r[r.len() - 1], zero)
            } else if flag == StatusFlags::Z {
                self.is_zero(lane, r)
            } else {
                let sum = Sum::of(op).ok_or(Unsupported::Form(inst.op, "#C or #V"))?;
                match (lane, flag == StatusFlags::C) {
                    (Lane::Wide, true) => self.wide_carry(sum, [a[0], a[1]], [b[0], b[1]], [r[0], r[1]])?,
                    (Lane::Wide, false) => {
                        self.wide_overflow(sum, [a[0], a[1]], [b[0], b[1]], [r[0], r[1]])?
                    }
                    (Lane::One(_), true) => self.carry(sum, a[0], b[0], r[0]),
                    (Lane::One(_), false) => self.overflow(sum, a[0], b[0], r[0]),
                }
            };
            if let Some(&var) = inst.results.get(next) {
                self.define(var, Leaves::from_slice(&[value]));
            }
            next += 1;
        }
        Ok(())
    }

    fn carry(&mut self, op: Sum, a: Value, b: Value, r: Value) -> Value {
        let ty = self.func.ty(r);
        let width = crate::ssa::eval::width(ty);
        match op {
            Sum::Add => self.cmp(Cond::ULt, r, a),
            Sum::Sub => self.cmp(Cond::ULt, a, b),
            Sum::Mul if width == 64 => {
                let high = self.op(Op::UMulHi, I64, &[a, b]);
                let zero = self.int(I64, 0);
                self.cmp(Cond::Ne, high, zero)
            }
            Sum::Mul => {
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
        }
    }

    fn overflow(&mut self, op: Sum, a: Value, b: Value, r: Value) -> Value {
        let ty = self.func.ty(r);
        let width = crate::ssa::eval::width(ty);
        let zero = self.int(ty, 0);
        match op {
            Sum::Add | Sum::Sub => {
                // The result's sign differs from a's, and b's sign is the one that makes that impossible.
                let first = self.op(Op::Xor, ty, &[a, r]);
                let other = if matches!(op, Sum::Add) { r } else { a };
                let second = self.op(Op::Xor, ty, &[b, other]);
                let both = self.op(Op::And, ty, &[first, second]);
                self.cmp(Cond::SLt, both, zero)
            }
            Sum::Mul if width == 64 => {
                let high = self.op(Op::SMulHi, I64, &[a, b]);
                let last = self.int(I64, 63);
                let sign = self.op(Op::AShr, I64, &[r, last]);
                self.cmp(Cond::Ne, high, sign)
            }
            Sum::Mul => {
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
        }
    }

    /// A comparison of integers, pointers and references.
    pub(super) fn compare(&mut self, inst: &Inst<Linked>, op: CmpOp) -> Done {
        let (lane, _) = self.lane(inst.types[0])?;
        let ty = inst.types[0];
        let (a, b) = (self.value_as(inst.args[0], ty)?, self.value_as(inst.args[1], ty)?);
        let (cond, step) = (cond_of(op), lane.leaves());
        let mut results = Leaves::new();
        for (a, b) in a.chunks_exact(step).zip(b.chunks_exact(step)) {
            results.push(match lane {
                Lane::Wide => self.wide_compare(cond, [a[0], a[1]], [b[0], b[1]]),
                Lane::One(_) => self.cmp(cond, a[0], b[0]),
            });
        }
        self.define_result(inst, results);
        Ok(())
    }

    /// A comparison of floating point numbers.
    pub(super) fn fp_compare(&mut self, inst: &Inst<Linked>, op: FpCmpOp) -> Done {
        let (a, b) = (self.value(inst.args[0])?, self.value(inst.args[1])?);
        let compare = Op::FCmp(fcmp_mask(op));
        let results = a.iter().zip(&b).map(|(&a, &b)| self.op(compare, I1, &[a, b])).collect();
        self.define_result(inst, results);
        Ok(())
    }

    pub(super) fn convert(&mut self, inst: &Inst<Linked>, op: ConvOp) -> Done {
        let (from, count) = self.lane(inst.types[0])?;
        let (to, _) = self.lane(inst.types[1])?;
        let a = self.value_as(inst.args[0], inst.types[0])?;
        let mut results = Leaves::new();
        for at in 0..count {
            match (from, to) {
                (Lane::One(from), Lane::One(to)) => {
                    let value = self.scalar_convert(op, from, to, a[at]);
                    results.push(value);
                }
                (Lane::Wide, _) | (_, Lane::Wide) => {
                    let lane = &a[at * from.leaves()..(at + 1) * from.leaves()];
                    let value = self.wide_convert(op, from, to, lane)?;
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

    /// Between integers and pointers, by way of a word.
    pub(super) fn ptr_cast(&mut self, a: Value, to: Ty) -> Value {
        let word = match self.func.ty(a) {
            LeafKind::Int(_) => self.resize(a, I64),
            _ => self.retype(a, I64),
        };
        match to {
            LeafKind::Int(_) => self.resize(word, to),
            _ => self.retype(word, to),
        }
    }

    fn scalar_convert(&mut self, op: ConvOp, from: Ty, to: Ty, a: Value) -> Value {
        match op {
            ConvOp::Trunc | ConvOp::ZExt => self.resize(a, to),
            // Lenient mode lets extensions pass that change nothing.
            ConvOp::SExt if from == to => a,
            ConvOp::SExt => self.op(Op::SExt, to, &[a]),
            ConvOp::FpTrunc => self.op(Op::FpTrunc, to, &[a]),
            ConvOp::FpExt => self.op(Op::FpExt, to, &[a]),
            ConvOp::BitCast => self.op(Op::BitCast, to, &[a]),
            ConvOp::RefCast => self.retype(a, to),
            ConvOp::PtrCast => self.ptr_cast(a, to),
            ConvOp::SiToFp => {
                let word = if from == I64 { a } else { self.op(Op::SExt, I64, &[a]) };
                self.op(Op::SiToFp, to, &[word])
            }
            ConvOp::UiToFp if from == I64 => {
                let helper = if to == LeafKind::Float { Helper::UiToF32 } else { Helper::UiToF64 };
                self.op(Op::Help(helper), to, &[a])
            }
            ConvOp::UiToFp => {
                let word = self.op(Op::ZExt, I64, &[a]);
                self.op(Op::SiToFp, to, &[word])
            }
            ConvOp::FpToSi => self.fp_to_int(true, from, to, a),
            ConvOp::FpToUi => self.fp_to_int(false, from, to, a),
        }
    }

    /// Truncation to a word, then clamping.
    fn fp_to_int(&mut self, signed: bool, from: Ty, to: Ty, a: Value) -> Value {
        let double = if from == LeafKind::Float { self.op(Op::FpExt, LeafKind::Double, &[a]) } else { a };
        let width = crate::ssa::eval::width(to);
        if !signed && width == 64 {
            return self.op(Op::Help(Helper::F64ToUi), I64, &[double]);
        }
        let word = self.op(Op::F64ToSi, I64, &[double]);
        if width == 64 {
            return word;
        }
        let (least, greatest) =
            if signed { (!(int::mask(width) >> 1), int::mask(width) >> 1) } else { (0, int::mask(width)) };
        let (least, greatest) = (self.int(I64, least), self.int(I64, greatest));
        let above = self.cmp(Cond::SGt, word, greatest);
        let word = self.op(Op::Select, I64, &[above, greatest, word]);
        let below = self.cmp(Cond::SLt, word, least);
        let word = self.op(Op::Select, I64, &[below, least, word]);
        self.op(Op::Trunc, to, &[word])
    }

    pub(super) fn select(&mut self, inst: &Inst<Linked>) -> Done {
        let conds = self.value(inst.args[0])?;
        let ty = inst.types[1];
        let (a, b) = (self.value_as(inst.args[1], ty)?, self.value_as(inst.args[2], ty)?);
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
