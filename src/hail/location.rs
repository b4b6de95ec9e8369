//! Memory locations of a HAIL script: which part of which object or global cell, and of which type
//! (hail, "Expressions").

use super::check::Checker;
use super::{Base, Place};
use mu_ir::codes::{hail as code, name as name_code};
use mu_ir::diag::{Diagnostic, Span};
use mu_ir::draft::ConstCtor;
use mu_ir::ids::TypeId;
use mu_ir::inst::Use;
use mu_ir::program::Entity;
use mu_ir::types::Type;
use mu_rt::layout::{Layout, Shape};
use mu_text::hail::{IntExpr, LValue};

/// A location.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Location {
    pub place: Place,
    pub part: Part,
}

/// What is at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// A value of a canonical type; of a hybrid, with the length of its variable part.
    Typed(TypeId, u64),
    /// The variable part of a hybrid: so many elements of a canonical type.
    VarPart(TypeId, u64),
}

impl Checker<'_> {
    /// The layout of a canonical type.
    pub(super) fn layout(&self, ty: TypeId) -> &Layout {
        self.rt.layouts.of(&self.rt.program.types, ty)
    }

    /// The location that an LValue names; the error is reported.
    pub(super) fn location(&mut self, lvalue: &LValue) -> Option<Location> {
        let mut location = match lvalue.is_hail {
            true => self.object_location(lvalue.name)?,
            false => self.global_location(lvalue.name)?,
        };
        for &index in &lvalue.indexes {
            let number = self.integer(index)?;
            let count = self.member_count(location.part);
            let Some(count) = count else {
                let message = format!("{} has no parts", self.show_part(location.part));
                self.error(Diagnostic::error(code::HAIL_NO_MEMBERS, index.span(), message));
                return None;
            };
            let member = u64::try_from(number).ok().and_then(|number| self.member(location, number));
            location = match member {
                Some(member) => member,
                None => {
                    let message = format!("{} has no member {number}", self.show_part(location.part));
                    let diagnostic = Diagnostic::error(code::HAIL_INDEX_RANGE, index.span(), message);
                    self.error(diagnostic.label(format!("it has {count}, counted from 0")));
                    return None;
                }
            };
        }
        Some(location)
    }

    /// The number of the object of a HAIL name; the error is reported.
    pub(super) fn object(&mut self, name: Use) -> Option<usize> {
        match self.objects.get(&name.sym) {
            // An object whose allocation has an error is not spoken of again.
            Some(&object) => object,
            None => {
                let text = self.text(name.sym);
                let message = format!("no object is called {text}");
                self.error(Diagnostic::error(code::HAIL_UNKNOWN_NAME, name.span, message));
                None
            }
        }
    }

    fn object_location(&mut self, name: Use) -> Option<Location> {
        let number = self.object(name)?;
        let object = self.plan.allocs[number];
        let place = Place { base: Base::Object(number), offset: 0 };
        Some(Location { place, part: Part::Typed(object.ty, object.count.unwrap_or(0)) })
    }

    fn global_location(&mut self, name: Use) -> Option<Location> {
        match self.entity(name)? {
            Entity::Global(global) => {
                let ty = self.rt.program.types.canon(self.rt.program.globals[global.index()].ty);
                let place = Place { base: Base::Global(global), offset: 0 };
                Some(Location { place, part: Part::Typed(ty, 0) })
            }
            other => {
                self.wrong_kind(name, other, "a global cell");
                None
            }
        }
    }

    /// What a global name stands for; the error is reported.
    pub(super) fn entity(&mut self, name: Use) -> Option<Entity> {
        let entity = self.rt.program.lookup(self.script.symbols.name(name.sym).unwrap_or(""));
        if entity.is_none() {
            let message = format!("nothing is called {}", self.text(name.sym));
            self.error(Diagnostic::error(name_code::UNKNOWN_NAME, name.span, message));
        }
        entity
    }

    pub(super) fn wrong_kind(&mut self, name: Use, entity: Entity, wanted: &str) {
        let message = format!("{} is {}, but {wanted} is expected here", self.text(name.sym), entity.kind());
        self.error(Diagnostic::error(name_code::WRONG_KIND, name.span, message));
    }

    /// The value of an index or length; the error is reported.
    pub(super) fn integer(&mut self, expr: IntExpr) -> Option<u128> {
        let name = match expr {
            IntExpr::Literal(number, _) => return Some(number.into()),
            IntExpr::Const(name) => name,
        };
        let entity = self.entity(name)?;
        if let Entity::Const(id) = entity {
            let constant = &self.rt.program.consts[id.index()];
            if let (&Type::Int(width), ConstCtor::Int { .. }) =
                (self.rt.program.types.get(constant.ty), &constant.ctor)
            {
                let bits = constant.ctor.int_bits().unwrap_or(0);
                return Some(bits & (u128::MAX >> (128 - width.clamp(1, 128))));
            }
        }
        let message = format!("{} is no integer constant", self.text(name.sym));
        self.error(Diagnostic::error(code::HAIL_NO_INTEGER, name.span, message));
        None
    }

    /// How many members a location has; `None` if it has no parts.
    pub(super) fn member_count(&self, part: Part) -> Option<u64> {
        match part {
            Part::VarPart(_, count) => Some(count),
            Part::Typed(ty, _) => match &self.layout(ty).shape {
                Shape::Void | Shape::Scalar(_) => None,
                Shape::Struct(fields) => Some(fields.len() as u64),
                Shape::Array { count, .. } => Some(*count),
                Shape::Hybrid { fixed, .. } => Some(fixed.len() as u64 + 1),
            },
        }
    }

    /// A member of a location.
    pub(super) fn member(&self, location: Location, index: u64) -> Option<Location> {
        let at = |offset: u64, part: Part| {
            let place = Place { offset: location.place.offset + offset, ..location.place };
            Some(Location { place, part })
        };
        // Offsets cannot wrap: what is not larger than memory was checked before.
        match location.part {
            Part::VarPart(elem, count) if index < count => {
                at(index * self.layout(elem).size_bytes, Part::Typed(elem, 0))
            }
            Part::VarPart(..) => None,
            Part::Typed(ty, length) => match &self.layout(ty).shape {
                Shape::Void | Shape::Scalar(_) => None,
                Shape::Struct(fields) => {
                    let field = fields.get(usize::try_from(index).ok()?)?;
                    at(field.offset_bytes, Part::Typed(field.ty, 0))
                }
                Shape::Array { elem, count, stride, .. } if index < *count => {
                    at(index * stride, Part::Typed(*elem, 0))
                }
                Shape::Array { .. } => None,
                Shape::Hybrid { fixed, var, var_offset, .. } => {
                    match fixed.get(usize::try_from(index).ok()?) {
                        Some(field) => at(field.offset_bytes, Part::Typed(field.ty, 0)),
                        None if index == fixed.len() as u64 => at(*var_offset, Part::VarPart(*var, length)),
                        None => None,
                    }
                }
            },
        }
    }

    /// Bytes of a location.
    pub(super) fn size(&self, part: Part) -> u64 {
        match part {
            Part::VarPart(elem, count) => self.layout(elem).size_bytes * count,
            Part::Typed(ty, length) => self.layout(ty).unit_size(length).unwrap_or(0),
        }
    }

    /// A location in words.
    pub(super) fn show_part(&self, part: Part) -> String {
        match part {
            Part::VarPart(elem, count) => {
                format!("a variable part of {count} {}", self.rt.program.display_type(elem))
            }
            Part::Typed(ty, _) => self.rt.program.display_type(ty),
        }
    }

    /// Whether two locations share a byte.
    pub(super) fn overlap(&self, a: Location, b: Location) -> bool {
        let (a_end, b_end) = (a.place.offset + self.size(a.part), b.place.offset + self.size(b.part));
        a.place.base == b.place.base && a.place.offset < b_end && b.place.offset < a_end
    }

    /// The text of a name.
    pub(super) fn text(&self, sym: mu_ir::ids::Sym) -> String {
        self.script.symbols.name(sym).unwrap_or("?").to_owned()
    }

    /// A use of the name at a span.
    pub(super) fn name_at(sym: mu_ir::ids::Sym, span: Span) -> Use {
        Use { sym, span }
    }
}
