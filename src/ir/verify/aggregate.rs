//! Struct, array and vector values (instruction-set, Aggregate Type Operations).

use super::body::{Body, Types};
use super::report::{Place, counted};
use crate::codes::{Code, verify as code};
use crate::ids::TypeId;
use crate::inst::{Inst, Linked};
use crate::program::Var;
use crate::types::Type;

impl Body<'_, '_> {
    /// The type of the field that type argument 0 and the literal name; UNTYPED, with an error, if there is none.
    pub(super) fn field(&mut self, inst: &Inst<Linked>, not_fields: Code, wants: &str) -> TypeId {
        let ty = inst.types[0];
        let hybrids_too = not_fields == code::NO_FIELDS;
        let fields: &[TypeId] = match self.cx.program.types.get(ty) {
            Type::Struct(fields) => fields,
            Type::Hybrid { fixed, .. } if hybrids_too => fixed,
            _ => {
                self.bad_type(not_fields, 0, wants);
                return Var::UNTYPED;
            }
        };
        let count = fields.len();
        let index = usize::try_from(inst.attrs.literal).unwrap_or(usize::MAX);
        if let Some(&field) = fields.get(index) {
            return field;
        }
        let name = self.cx.ty(ty);
        let message = format!("{name} has {}, and no field {}", counted(count, "field"), inst.attrs.literal);
        let label = match count {
            0 => "there is no field".to_owned(),
            _ => format!("fields 0 to {}", count - 1),
        };
        self.error(code::FIELD_INDEX, Place::Type(0), message, &label);
        Var::UNTYPED
    }

    /// The element type of type argument 0; UNTYPED, with an error, if it is no array or vector.
    pub(super) fn element(&mut self, inst: &Inst<Linked>) -> TypeId {
        match *self.cx.program.types.get(inst.types[0]) {
            Type::Array(element, _) | Type::Vector(element, _) => element,
            _ => {
                self.bad_type(code::NOT_AN_ARRAY, 0, "arrays and vectors");
                Var::UNTYPED
            }
        }
    }

    /// Type argument 1 is an int, and operand `n` has it.
    pub(super) fn index(&mut self, inst: &Inst<Linked>, args: &[TypeId], n: usize) {
        if matches!(self.cx.program.types.get(inst.types[1]), Type::Int(_)) {
            self.want_arg(inst, args, n, inst.types[1]);
        } else {
            self.bad_type(code::INDEX_TYPE, 1, "indexes and lengths of int types");
        }
    }

    pub(super) fn extract_value(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let field = self.field(inst, code::NOT_A_STRUCT, "structs");
        if field != Var::UNTYPED {
            self.want_arg(inst, args, 0, inst.types[0]);
        }
        results.push(field);
    }

    pub(super) fn insert_value(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let field = self.field(inst, code::NOT_A_STRUCT, "structs");
        if field == Var::UNTYPED {
            results.push(field);
            return;
        }
        self.want_arg(inst, args, 0, inst.types[0]);
        self.want_arg(inst, args, 1, field);
        results.push(inst.types[0]);
    }

    pub(super) fn extract_element(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let element = self.element(inst);
        if element != Var::UNTYPED {
            self.want_arg(inst, args, 0, inst.types[0]);
        }
        self.index(inst, args, 1);
        results.push(element);
    }

    pub(super) fn insert_element(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let element = self.element(inst);
        self.index(inst, args, 1);
        if element == Var::UNTYPED {
            results.push(element);
            return;
        }
        self.want_arg(inst, args, 0, inst.types[0]);
        self.want_arg(inst, args, 2, element);
        results.push(inst.types[0]);
    }

    pub(super) fn shuffle_vector(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let (source, mask) = (inst.types[0], inst.types[1]);
        let element = match *self.cx.program.types.get(source) {
            Type::Vector(element, _) => {
                self.want_arg(inst, args, 0, source);
                self.want_arg(inst, args, 1, source);
                Some(element)
            }
            _ => {
                self.bad_type(code::SHUFFLE_VECTOR, 0, "vectors");
                None
            }
        };
        let length = match *self.cx.program.types.get(mask) {
            Type::Vector(lane, length) if matches!(self.cx.program.types.get(lane), Type::Int(_)) => {
                self.want_arg(inst, args, 2, mask);
                Some(length)
            }
            _ => {
                self.bad_type(code::SHUFFLE_MASK, 1, "masks that are vectors of int");
                None
            }
        };
        results.push(match (element, length) {
            (Some(element), Some(length)) => self.cx.program.types.intern(Type::Vector(element, length)),
            _ => Var::UNTYPED,
        });
    }
}
