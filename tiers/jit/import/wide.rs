//! `int<128>`, as two words: low, high.

use super::Importer;
use super::arith::Lane;
use crate::import::Unsupported;
use crate::ssa::{Cond, Helper, I1, I64, Op, Value};
use mu_ir::table::Op as MuOp;
use mu_rt::layout::LeafKind;

/// Low and high word.
type Wide = [Value; 2];

impl Importer<'_> {
    pub(super) fn wide_binary(&mut self, op: MuOp, a: Wide, b: Wide) -> Wide {
        let simple =
            |op: Op, this: &mut Self| [this.op(op, I64, &[a[0], b[0]]), this.op(op, I64, &[a[1], b[1]])];
        match op {
            MuOp::And => simple(Op::And, self),
            MuOp::Or => simple(Op::Or, self),
            MuOp::Xor => simple(Op::Xor, self),
            MuOp::Add => self.wide_add(a, b),
            MuOp::Sub => {
                let [low, high] = simple(Op::Sub, self);
                let borrow = self.cmp(Cond::ULt, a[0], b[0]);
                let borrow = self.op(Op::ZExt, I64, &[borrow]);
                [low, self.op(Op::Sub, I64, &[high, borrow])]
            }
            MuOp::Mul => {
                let low = self.op(Op::Mul, I64, &[a[0], b[0]]);
                let high = self.op(Op::UMulHi, I64, &[a[0], b[0]]);
                let cross = self.op(Op::Mul, I64, &[a[0], b[1]]);
                let other = self.op(Op::Mul, I64, &[a[1], b[0]]);
                let high = self.op(Op::Add, I64, &[high, cross]);
                [low, self.op(Op::Add, I64, &[high, other])]
            }
            MuOp::UDiv => self.wide_help(Helper::WideUDiv, a, b),
            MuOp::URem => self.wide_help(Helper::WideURem, a, b),
            MuOp::SDiv => self.wide_help(Helper::WideSDiv, a, b),
            MuOp::SRem => self.wide_help(Helper::WideSRem, a, b),
            MuOp::Shl => self.wide_help(Helper::WideShl, a, b),
            MuOp::LShr => self.wide_help(Helper::WideLShr, a, b),
            _ => self.wide_help(Helper::WideAShr, a, b),
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

    pub(super) fn wide_carry(&mut self, op: MuOp, a: Wide, b: Wide, r: Wide) -> Result<Value, Unsupported> {
        match op {
            MuOp::Add => Ok(self.wide_compare(Cond::ULt, r, a)),
            MuOp::Sub => Ok(self.wide_compare(Cond::ULt, a, b)),
            _ => Err(Unsupported::Form(op, "#C of int<128>")),
        }
    }

    pub(super) fn wide_overflow(
        &mut self,
        op: MuOp,
        a: Wide,
        b: Wide,
        r: Wide,
    ) -> Result<Value, Unsupported> {
        if !matches!(op, MuOp::Add | MuOp::Sub) {
            return Err(Unsupported::Form(op, "#V of int<128>"));
        }
        let first = self.op(Op::Xor, I64, &[a[1], r[1]]);
        let other = if op == MuOp::Add { r[1] } else { a[1] };
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

    pub(super) fn wide_convert(
        &mut self,
        op: MuOp,
        from: Lane,
        to: Lane,
        a: &[Value],
    ) -> Result<super::Leaves, Unsupported> {
        let zero = self.int(I64, 0);
        let results = match (op, from, to) {
            (MuOp::Trunc, Lane::Wide, Lane::One(to)) => {
                let low = a[0];
                return Ok([self.resize(low, to)].into_iter().collect());
            }
            (MuOp::ZExt, Lane::One(_), Lane::Wide) => [self.resize(a[0], I64), zero],
            (MuOp::SExt, Lane::One(from), Lane::Wide) => {
                let low = if from == I64 { a[0] } else { self.op(Op::SExt, I64, &[a[0]]) };
                let last = self.int(I64, 63);
                [low, self.op(Op::AShr, I64, &[low, last])]
            }
            (MuOp::PtrCast, Lane::Wide, Lane::One(to)) => {
                let low = a[0];
                return Ok([self.retype(low, to)].into_iter().collect());
            }
            (MuOp::PtrCast, Lane::One(_), Lane::Wide) => [self.retype(a[0], I64), zero],
            (MuOp::UiToFp | MuOp::SiToFp, Lane::Wide, Lane::One(to)) => {
                let helper = match (op, to) {
                    (MuOp::UiToFp, LeafKind::Float) => Helper::WideUiToF32,
                    (MuOp::UiToFp, _) => Helper::WideUiToF64,
                    (_, LeafKind::Float) => Helper::WideSiToF32,
                    _ => Helper::WideSiToF64,
                };
                return Ok([self.op(Op::Help(helper), to, a)].into_iter().collect());
            }
            (MuOp::FpToUi | MuOp::FpToSi, Lane::One(from), Lane::Wide) => {
                let a = if from == LeafKind::Float {
                    self.op(Op::FpExt, LeafKind::Double, &[a[0]])
                } else {
                    a[0]
                };
                let helper = if op == MuOp::FpToUi { Helper::WideF64ToUi } else { Helper::WideF64ToSi };
                let inst = self.push(Op::Help(helper), &[a], &[I64, I64]);
                let results = &self.func.insts[inst.index()].results;
                [results[0], results[1]]
            }
            _ => return Err(Unsupported::Form(op, "int<128>")),
        };
        Ok(results.into_iter().collect())
    }
}
