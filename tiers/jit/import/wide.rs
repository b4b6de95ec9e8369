//! `int<128>`, as two words: low, high.

use super::arith::{Lane, Sum};
use super::{Importer, Leaves};
use crate::import::Unsupported;
use crate::ssa::{Cond, Helper, I1, I64, Op, Ty, Value};
use mu_ir::table::{ConvOp, IntOp};
use mu_rt::layout::LeafKind;

/// Low and high word.
type Wide = [Value; 2];

impl Importer<'_> {
    pub(super) fn wide_binary(&mut self, op: IntOp, a: Wide, b: Wide) -> Wide {
        let simple =
            |op: Op, this: &mut Self| [this.op(op, I64, &[a[0], b[0]]), this.op(op, I64, &[a[1], b[1]])];
        match op {
            IntOp::And => simple(Op::And, self),
            IntOp::Or => simple(Op::Or, self),
            IntOp::Xor => simple(Op::Xor, self),
            IntOp::Add => self.wide_add(a, b),
            IntOp::Sub => {
                let [low, high] = simple(Op::Sub, self);
                let borrow = self.cmp(Cond::ULt, a[0], b[0]);
                let borrow = self.op(Op::ZExt, I64, &[borrow]);
                [low, self.op(Op::Sub, I64, &[high, borrow])]
            }
            IntOp::Mul => {
                let low = self.op(Op::Mul, I64, &[a[0], b[0]]);
                let high = self.op(Op::UMulHi, I64, &[a[0], b[0]]);
                let cross = self.op(Op::Mul, I64, &[a[0], b[1]]);
                let other = self.op(Op::Mul, I64, &[a[1], b[0]]);
                let high = self.op(Op::Add, I64, &[high, cross]);
                [low, self.op(Op::Add, I64, &[high, other])]
            }
            IntOp::UDiv => self.wide_help(Helper::WideUDiv, a, b),
            IntOp::URem => self.wide_help(Helper::WideURem, a, b),
            IntOp::SDiv => self.wide_help(Helper::WideSDiv, a, b),
            IntOp::SRem => self.wide_help(Helper::WideSRem, a, b),
            IntOp::Shl => self.wide_help(Helper::WideShl, a, b),
            IntOp::LShr => self.wide_help(Helper::WideLShr, a, b),
            IntOp::AShr => self.wide_help(Helper::WideAShr, a, b),
        }
    }

    fn wide_add(&mut self, a: Wide, b: Wide) -> Wide {
        let low = self.op(Op::Add, I64, &[a[0], b[0]]);
        let high = self.op(Op::Add, I64, &[a[1], b[1]]);
        let carry = self.cmp(Cond::ULt, low, a[0]);
        let carry = self.op(Op::ZExt, I64, &[carry]);
        [low, self.op(Op::Add, I64, &[high, carry])]
    }

    fn wide_help(&mut self, helper: Helper, a: Wide, b: Wide) -> Wide {
        let inst = self.push(Op::Help(helper), &[a[0], a[1], b[0], b[1]], &[I64, I64]);
        let results = &self.func.insts[inst.index()].results;
        [results[0], results[1]]
    }

    pub(super) fn wide_carry(&mut self, op: Sum, a: Wide, b: Wide, r: Wide) -> Result<Value, Unsupported> {
        match op {
            Sum::Add => Ok(self.wide_compare(Cond::ULt, r, a)),
            Sum::Sub => Ok(self.wide_compare(Cond::ULt, a, b)),
            Sum::Mul => Err(Unsupported::Form(IntOp::Mul.into(), "#C of int<128>")),
        }
    }

    pub(super) fn wide_overflow(&mut self, op: Sum, a: Wide, b: Wide, r: Wide) -> Result<Value, Unsupported> {
        let first = self.op(Op::Xor, I64, &[a[1], r[1]]);
        let other = match op {
            Sum::Add => r[1],
            Sum::Sub => a[1],
            Sum::Mul => return Err(Unsupported::Form(IntOp::Mul.into(), "#V of int<128>")),
        };
        let second = self.op(Op::Xor, I64, &[b[1], other]);
        let both = self.op(Op::And, I64, &[first, second]);
        let zero = self.int(I64, 0);
        Ok(self.cmp(Cond::SLt, both, zero))
    }

    pub(super) fn wide_compare(&mut self, cond: Cond, a: Wide, b: Wide) -> Value {
        if matches!(cond, Cond::Eq | Cond::Ne) {
            let low = self.op(Op::Xor, I64, &[a[0], b[0]]);
            let high = self.op(Op::Xor, I64, &[a[1], b[1]]);
            let both = self.op(Op::Or, I64, &[low, high]);
            let zero = self.int(I64, 0);
            return self.cmp(cond, both, zero);
        }
        let low_cond = match cond {
            Cond::SGe => Cond::UGe,
            Cond::SGt => Cond::UGt,
            Cond::SLe => Cond::ULe,
            Cond::SLt => Cond::ULt,
            other => other,
        };
        let equal = self.cmp(Cond::Eq, a[1], b[1]);
        let low = self.cmp(low_cond, a[0], b[0]);
        let high = self.cmp(cond, a[1], b[1]);
        self.op(Op::Select, I1, &[equal, low, high])
    }

    /// A conversion from or to `int<128>`.
    pub(super) fn wide_convert(
        &mut self,
        op: ConvOp,
        from: Lane,
        to: Lane,
        a: &[Value],
    ) -> Result<Leaves, Unsupported> {
        match (op, from, to) {
            // Lenient mode lets conversions pass that change nothing.
            (ConvOp::Trunc | ConvOp::ZExt | ConvOp::SExt, Lane::Wide, Lane::Wide) => {
                Ok(Leaves::from_slice(a))
            }
            (ConvOp::Trunc, Lane::Wide, Lane::One(to)) => Ok([self.resize(a[0], to)].into_iter().collect()),
            (ConvOp::PtrCast, Lane::Wide, Lane::One(to)) => {
                Ok([self.ptr_cast(a[0], to)].into_iter().collect())
            }
            (ConvOp::ZExt, Lane::One(_), Lane::Wide) => {
                let zero = self.int(I64, 0);
                Ok([self.resize(a[0], I64), zero].into_iter().collect())
            }
            (ConvOp::PtrCast, Lane::One(_), Lane::Wide) => {
                let zero = self.int(I64, 0);
                Ok([self.ptr_cast(a[0], I64), zero].into_iter().collect())
            }
            (ConvOp::SExt, Lane::One(from), Lane::Wide) => {
                let low = if from == I64 { a[0] } else { self.op(Op::SExt, I64, &[a[0]]) };
                let last = self.int(I64, 63);
                Ok([low, self.op(Op::AShr, I64, &[low, last])].into_iter().collect())
            }
            (ConvOp::UiToFp, Lane::Wide, Lane::One(to)) => {
                let single = to == LeafKind::Float;
                let helper = if single { Helper::WideUiToF32 } else { Helper::WideUiToF64 };
                Ok([self.op(Op::Help(helper), to, a)].into_iter().collect())
            }
            (ConvOp::SiToFp, Lane::Wide, Lane::One(to)) => {
                let single = to == LeafKind::Float;
                let helper = if single { Helper::WideSiToF32 } else { Helper::WideSiToF64 };
                Ok([self.op(Op::Help(helper), to, a)].into_iter().collect())
            }
            (ConvOp::FpToUi, Lane::One(from), Lane::Wide) => {
                Ok(self.fp_to_wide(Helper::WideF64ToUi, from, a[0]))
            }
            (ConvOp::FpToSi, Lane::One(from), Lane::Wide) => {
                Ok(self.fp_to_wide(Helper::WideF64ToSi, from, a[0]))
            }
            // The verifier lets none of these pass.
            (ConvOp::Trunc, Lane::One(_), Lane::One(_) | Lane::Wide)
            | (ConvOp::ZExt | ConvOp::SExt, Lane::One(_) | Lane::Wide, Lane::One(_))
            | (ConvOp::PtrCast, Lane::One(_), Lane::One(_))
            | (ConvOp::PtrCast, Lane::Wide, Lane::Wide)
            | (ConvOp::UiToFp | ConvOp::SiToFp, Lane::One(_), Lane::One(_) | Lane::Wide)
            | (ConvOp::UiToFp | ConvOp::SiToFp, Lane::Wide, Lane::Wide)
            | (ConvOp::FpToUi | ConvOp::FpToSi, Lane::Wide, Lane::One(_) | Lane::Wide)
            | (ConvOp::FpToUi | ConvOp::FpToSi, Lane::One(_), Lane::One(_))
            | (ConvOp::FpTrunc | ConvOp::FpExt | ConvOp::BitCast | ConvOp::RefCast, _, _) => {
                Err(Unsupported::Form(op.into(), "int<128>"))
            }
        }
    }

    fn fp_to_wide(&mut self, helper: Helper, from: Ty, a: Value) -> Leaves {
        let double = if from == LeafKind::Float { self.op(Op::FpExt, LeafKind::Double, &[a]) } else { a };
        let inst = self.push(Op::Help(helper), &[double], &[I64, I64]);
        self.func.insts[inst.index()].results.iter().copied().collect()
    }
}
