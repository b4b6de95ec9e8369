//! Arithmetic, comparison, conversion, selection (instruction-set, Basic Operations).

use super::body::{Body, Types};
use super::report::Place;
use crate::codes::{Code, verify as code};
use crate::diag::Severity;
use crate::ids::TypeId;
use crate::inst::{Inst, Linked};
use crate::program::Var;
use crate::table::{Op, Rule, StatusFlags};
use crate::types::Type;

impl Body<'_, '_> {
    /// The element type and length of a vector; any other type itself.
    fn lanes(&self, ty: TypeId) -> (TypeId, Option<u64>) {
        match self.cx.program.types.get(ty) {
            Type::Vector(element, length) => (*element, Some(*length)),
            _ => (ty, None),
        }
    }

    /// Like [`Body::lanes`], with the constructor of the element type.
    fn lane(&self, ty: TypeId) -> (&Type, Option<u64>) {
        let (element, length) = self.lanes(ty);
        (self.cx.program.types.get(element), length)
    }

    pub(super) fn int_bin_op(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let ty = inst.types[0];
        let (lane, length) = self.lane(ty);
        if matches!(lane, Type::Int(_)) {
            self.want_arg(inst, args, 0, ty);
            self.want_arg(inst, args, 1, ty);
            if !inst.attrs.status.is_empty() && length.is_some() {
                let message = format!("{} on a vector has no status results", self.inst_name());
                self.error(code::STATUS_VECTOR, Place::Type(0), message, "a vector");
            }
            results.push(ty);
        } else {
            self.bad_type(code::INT_OP_TYPE, 0, "int and vectors of int");
            results.push(Var::UNTYPED);
        }
        let carry = StatusFlags(StatusFlags::C.0 | StatusFlags::V.0);
        if inst.attrs.status.0 & carry.0 != 0 && !matches!(inst.op, Op::Add | Op::Sub | Op::Mul) {
            let message = format!("{} has the status flags #N and #Z only", self.inst_name());
            self.error(code::STATUS_CARRY, Place::Inst, message, "#C and #V belong to ADD, SUB and MUL");
        }
        self.status_results(inst, results);
    }

    pub(super) fn fp_bin_op(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let ty = inst.types[0];
        if self.lane(ty).0.is_fp() {
            self.want_arg(inst, args, 0, ty);
            self.want_arg(inst, args, 1, ty);
            results.push(ty);
        } else {
            self.bad_type(code::FP_OP_TYPE, 0, "float, double and vectors of them");
            results.push(Var::UNTYPED);
        }
        if !inst.attrs.status.is_empty() {
            let message = format!("{} has no status results", self.inst_name());
            self.error(code::STATUS_FP, Place::Inst, message, "status flags describe integers");
        }
        self.status_results(inst, results);
    }

    /// After the value one `int<1>` for each status flag.
    fn status_results(&mut self, inst: &Inst<Linked>, results: &mut Types) {
        let i1 = self.cx.program.predefined.i1;
        results.extend(std::iter::repeat_n(i1, inst.attrs.status.count()));
    }

    pub(super) fn comparison(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let ty = inst.types[0];
        let (lane, length) = self.lane(ty);
        let rule = inst.op.rule();
        let (fits, code, wants): (bool, Code, &str) = match rule {
            Rule::EqCmp => (
                lane.is_eq_comparable(),
                code::EQ_TYPE,
                "int, pointers, references (but not weakref), and vectors of them",
            ),
            Rule::IntCmp => (matches!(lane, Type::Int(_)), code::INT_CMP_TYPE, "int and vectors of int"),
            Rule::UltCmp => {
                (lane.is_ult_comparable(), code::ULT_TYPE, "int, pointers, iref, and vectors of them")
            }
            _ => (lane.is_fp(), code::FP_CMP_TYPE, "float, double and vectors of them"),
        };
        // Lenient mode: pointers compared as the signed integers of their size.
        let signed_pointers = rule == Rule::IntCmp && lane.is_pointer() && self.cx.options.lenient;
        if signed_pointers {
            self.doubtful_type(code, 0, wants, Severity::Warning);
        }
        if fits || signed_pointers {
            self.want_arg(inst, args, 0, ty);
            self.want_arg(inst, args, 1, ty);
        } else {
            self.bad_type(code, 0, wants);
        }
        let i1 = self.cx.program.predefined.i1;
        results.push(match length {
            Some(length) => self.cx.program.types.intern(Type::Vector(i1, length)),
            None => i1,
        });
    }

    pub(super) fn conversion(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let (from, to) = (inst.types[0], inst.types[1]);
        let (from_lane, from_length) = self.lane(from);
        let (to_lane, to_length) = self.lane(to);
        if from_length != to_length {
            let (from, to) = (self.cx.ty(from), self.cx.ty(to));
            let message = format!("{} from {from} to {to}: the lengths differ", self.inst_name());
            self.error(code::CONV_LENGTHS, Place::Type(1), message, "not as many elements");
            results.push(Var::UNTYPED);
            return;
        }
        if let Some((code, severity, text)) = self.conversion_fault(inst.op.rule(), from_lane, to_lane) {
            let (from, to) = (self.cx.ty(from), self.cx.ty(to));
            let message = format!("{} cannot convert {from} to {to}", self.inst_name());
            self.report(code, Place::Type(1), severity, message, text);
            if severity == Severity::Error {
                results.push(Var::UNTYPED);
                return;
            }
        }
        self.want_arg(inst, args, 0, from);
        results.push(to);
    }

    /// What is wrong about a conversion between two scalar types, if anything.
    fn conversion_fault(&self, rule: Rule, from: &Type, to: &Type) -> Option<(Code, Severity, &'static str)> {
        use crate::types::TypeCtor::{Double, Float, FuncRef, IRef, Int, Ref};
        // Conversions that change nothing are harmless, so the lenient mode lets them pass.
        let same_width = self.cx.lenient_severity();
        let unequal = |m: u32, n: u32| if m == n { same_width } else { Severity::Error };
        let address = |ty: &Type| ty.is_pointer() || matches!(ty, Int(_));
        let fault = |code, text| Some((code, Severity::Error, text));
        match (rule, from, to) {
            (Rule::IntShrink, Int(m), Int(n)) if n < m => None,
            (Rule::IntShrink, Int(m), Int(n)) => {
                Some((code::TRUNC_WIDTH, unequal(*m, *n), "the result must be shorter"))
            }
            (Rule::IntGrow, Int(m), Int(n)) if n > m => None,
            (Rule::IntGrow, Int(m), Int(n)) => {
                Some((code::EXT_WIDTH, unequal(*m, *n), "the result must be longer"))
            }
            (Rule::IntShrink | Rule::IntGrow, ..) => fault(code::INT_CONV_TYPES, "both must be int"),
            (Rule::FpShrink, Double, Float) | (Rule::FpGrow, Float, Double) => None,
            (Rule::FpShrink, ..) => fault(code::FP_CONV_TYPES, "it goes from double to float"),
            (Rule::FpGrow, ..) => fault(code::FP_CONV_TYPES, "it goes from float to double"),
            (Rule::FpToInt, Float | Double, Int(_)) | (Rule::IntToFp, Int(_), Float | Double) => None,
            (Rule::FpToInt, ..) => fault(code::FP_TO_INT_TYPES, "it goes from float or double to int"),
            (Rule::IntToFp, ..) => fault(code::INT_TO_FP_TYPES, "it goes from int to float or double"),
            (Rule::BitCast, Int(32), Float)
            | (Rule::BitCast, Float, Int(32))
            | (Rule::BitCast, Int(64), Double)
            | (Rule::BitCast, Double, Int(64)) => None,
            (Rule::BitCast, Int(_), Float | Double) | (Rule::BitCast, Float | Double, Int(_)) => {
                fault(code::BITCAST_WIDTH, "the sizes differ")
            }
            (Rule::BitCast, ..) => {
                fault(code::BITCAST_TYPES, "it goes between int and a floating point type")
            }
            (Rule::RefCast, Ref(_), Ref(_))
            | (Rule::RefCast, IRef(_), IRef(_))
            | (Rule::RefCast, FuncRef(_), FuncRef(_)) => None,
            (Rule::RefCast, ..) => fault(code::REFCAST_TYPES, "both must be ref, both iref or both funcref"),
            (_, Int(_), Int(_)) => fault(code::PTRCAST_TYPES, "one of them must be uptr or ufuncptr"),
            (_, from, to) if address(from) && address(to) => None,
            _ => fault(code::PTRCAST_TYPES, "each must be uptr, ufuncptr or int"),
        }
    }

    pub(super) fn select(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let (cond, ty) = (inst.types[0], inst.types[1]);
        let (lane, cond_length) = self.lane(cond);
        if *lane != Type::Int(1) {
            self.bad_type(code::SELECT_COND, 0, "conditions of int<1> or vectors of it");
        } else {
            self.want_arg(inst, args, 0, cond);
            if let Some(length) = cond_length
                && self.lanes(ty).1 != Some(length)
            {
                let message = format!(
                    "SELECT by {} needs vectors of {length} elements, and {} is {}",
                    self.cx.ty(cond),
                    self.cx.ty(ty),
                    self.describe(ty)
                );
                self.error(code::SELECT_LENGTHS, Place::Type(1), message, "not a vector of that length");
            }
        }
        self.want_arg(inst, args, 1, ty);
        self.want_arg(inst, args, 2, ty);
        results.push(ty);
    }
}
