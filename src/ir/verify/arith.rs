//! Arithmetic, comparison, conversion, selection (instruction-set, Basic Operations).

use super::body::{Body, Types};
use super::report::Place;
use crate::codes::{Code, verify as code};
use crate::diag::Severity;
use crate::ids::TypeId;
use crate::inst::{Inst, Linked};
use crate::program::Var;
use crate::table::{Op, StatusFlags};
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

    pub(super) fn comparison(
        &mut self,
        inst: &Inst<Linked>,
        args: &[TypeId],
        results: &mut Types,
        (fits, code, wants): Comparable,
    ) {
        let ty = inst.types[0];
        let (lane, length) = self.lane(ty);
        // Lenient mode: pointers compared as the signed integers of their size.
        let signed_pointers = code == code::INT_CMP_TYPE && lane.is_pointer() && self.cx.options.lenient;
        let fits = fits(lane);
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

    pub(super) fn conversion(
        &mut self,
        inst: &Inst<Linked>,
        args: &[TypeId],
        results: &mut Types,
        fault: Convertible,
    ) {
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
        if let Some((code, text)) = fault(from_lane, to_lane) {
            // Conversions that change nothing are harmless, so the lenient mode lets them pass.
            let idle = matches!((from_lane, to_lane), (Type::Int(m), Type::Int(n)) if m == n);
            let idle = idle && matches!(code, code::TRUNC_WIDTH | code::EXT_WIDTH);
            let severity = if idle && self.cx.options.lenient { Severity::Warning } else { Severity::Error };
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

/// Which types a comparison works on, the code of the error for others, and these types in words.
type Comparable = (fn(&Type) -> bool, Code, &'static str);

pub(super) const EQ_CMP: Comparable = (
    Type::is_eq_comparable,
    code::EQ_TYPE,
    "int, pointers, references (but not weakref), and vectors of them",
);
pub(super) const INT_CMP: Comparable =
    (|ty| matches!(ty, Type::Int(_)), code::INT_CMP_TYPE, "int and vectors of int");
pub(super) const ULT_CMP: Comparable =
    (Type::is_ult_comparable, code::ULT_TYPE, "int, pointers, iref, and vectors of them");
pub(super) const FP_CMP: Comparable = (Type::is_fp, code::FP_CMP_TYPE, "float, double and vectors of them");

/// What is wrong about a conversion between two scalar types, if anything: code and label.
type Fault = Option<(Code, &'static str)>;

/// The rule of a conversion.
type Convertible = fn(&Type, &Type) -> Fault;

pub(super) fn int_shrink(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Int(m), Type::Int(n)) if n < m => None,
        (Type::Int(_), Type::Int(_)) => Some((code::TRUNC_WIDTH, "the result must be shorter")),
        _ => Some((code::INT_CONV_TYPES, "both must be int")),
    }
}

pub(super) fn int_grow(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Int(m), Type::Int(n)) if n > m => None,
        (Type::Int(_), Type::Int(_)) => Some((code::EXT_WIDTH, "the result must be longer")),
        _ => Some((code::INT_CONV_TYPES, "both must be int")),
    }
}

pub(super) fn fp_shrink(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Double, Type::Float) => None,
        _ => Some((code::FP_CONV_TYPES, "it goes from double to float")),
    }
}

pub(super) fn fp_grow(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Float, Type::Double) => None,
        _ => Some((code::FP_CONV_TYPES, "it goes from float to double")),
    }
}

pub(super) fn fp_to_int(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Float | Type::Double, Type::Int(_)) => None,
        _ => Some((code::FP_TO_INT_TYPES, "it goes from float or double to int")),
    }
}

pub(super) fn int_to_fp(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Int(_), Type::Float | Type::Double) => None,
        _ => Some((code::INT_TO_FP_TYPES, "it goes from int to float or double")),
    }
}

pub(super) fn bit_cast(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Int(32), Type::Float)
        | (Type::Float, Type::Int(32))
        | (Type::Int(64), Type::Double)
        | (Type::Double, Type::Int(64)) => None,
        (Type::Int(_), Type::Float | Type::Double) | (Type::Float | Type::Double, Type::Int(_)) => {
            Some((code::BITCAST_WIDTH, "the sizes differ"))
        }
        _ => Some((code::BITCAST_TYPES, "it goes between int and a floating point type")),
    }
}

pub(super) fn ref_cast(from: &Type, to: &Type) -> Fault {
    match (from, to) {
        (Type::Ref(_), Type::Ref(_))
        | (Type::IRef(_), Type::IRef(_))
        | (Type::FuncRef(_), Type::FuncRef(_)) => None,
        _ => Some((code::REFCAST_TYPES, "both must be ref, both iref or both funcref")),
    }
}

pub(super) fn ptr_cast(from: &Type, to: &Type) -> Fault {
    let address = |ty: &Type| ty.is_pointer() || matches!(ty, Type::Int(_));
    match (from, to) {
        (Type::Int(_), Type::Int(_)) => Some((code::PTRCAST_TYPES, "one of them must be uptr or ufuncptr")),
        (from, to) if address(from) && address(to) => None,
        _ => Some((code::PTRCAST_TYPES, "each must be uptr, ufuncptr or int")),
    }
}
