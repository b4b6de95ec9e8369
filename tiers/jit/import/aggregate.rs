//! Struct, array and vector values: renamings of leaves, and selections where an index is not known.

use super::{Done, Importer, Leaves};
use crate::import::Unsupported;
use crate::ssa::{Cond, Op, Value};
use mu_ir::ids::TypeId;
use mu_ir::inst::{Inst, Linked, Value as MuValue};
use mu_ir::types::Type;
use mu_rt::layout::Shape;

/// With an unknown index, one selection per element: more elements than this stay with the interpreter.
const SELECTIONS_MAX: usize = 16;

impl Importer<'_> {
    /// EXTRACTVALUE, or INSERTVALUE of a new field.
    pub(super) fn struct_value(&mut self, inst: &Inst<Linked>, new: Option<MuValue>) -> Done {
        let mut value = self.value(inst.args[0])?;
        let field = self.layout(inst.types[0]).fields()[inst.attrs.literal as usize];
        let count = self.leaf_types(field.ty)?.len();
        let range = field.word as usize..field.word as usize + count;
        if let Some(new) = new {
            let new = self.value_as(new, field.ty)?;
            value[range].copy_from_slice(&new);
            self.define_result(inst, value);
        } else {
            self.define_result(inst, Leaves::from_slice(&value[range]));
        }
        Ok(())
    }

    /// The type of the elements of an array or vector.
    fn element_type(&self, ty: TypeId) -> TypeId {
        match self.ty(ty) {
            Type::Array(elem, _) | Type::Vector(elem, _) => *elem,
            _ => ty,
        }
    }

    /// Number of elements, and leaves of one.
    fn elements(&self, ty: TypeId) -> (usize, usize) {
        match self.layout(ty).shape {
            Shape::Array { count, elem_words, .. } => {
                (usize::try_from(count).unwrap_or(usize::MAX), elem_words as usize)
            }
            _ => (0, 1),
        }
    }

    /// EXTRACTELEMENT, or INSERTELEMENT of a new element.
    pub(super) fn element(&mut self, inst: &Inst<Linked>, new: Option<MuValue>) -> Done {
        let (count, step) = self.elements(inst.types[0]);
        let mut value = self.value(inst.args[0])?;
        let index = self.value_as(inst.args[1], inst.types[1])?;
        let new = match new {
            Some(new) => Some(self.value_as(new, self.element_type(inst.types[0]))?),
            None => None,
        };
        let &[index] = &index[..] else { return Err(Unsupported::Form(inst.op, "an index of two words")) };
        if let Some(known) = self.func.as_const(index) {
            // Outside is undefined behaviour: any element will do.
            let at = usize::try_from(known).ok().filter(|&at| at < count).unwrap_or(0) * step;
            let result = match new {
                Some(new) => {
                    value[at..at + step].copy_from_slice(&new);
                    value
                }
                None => Leaves::from_slice(&value[at..at + step]),
            };
            self.define_result(inst, result);
            return Ok(());
        }
        if count > SELECTIONS_MAX {
            return Err(Unsupported::Form(inst.op, "a long array with a variable index"));
        }
        let result = match new {
            Some(new) => {
                let reach = self.reach(index);
                for at in 0..count.min(reach) {
                    let here = self.is_index(index, at);
                    for (leaf, &new) in new.iter().enumerate() {
                        let old = value[at * step + leaf];
                        let ty = self.func.ty(old);
                        value[at * step + leaf] = self.op(Op::Select, ty, &[here, new, old]);
                    }
                }
                value
            }
            None => self.pick(index, &value, step, count),
        };
        self.define_result(inst, result);
        Ok(())
    }

    /// How many elements an index of this type can tell apart.
    fn reach(&self, index: Value) -> usize {
        let greatest = mu_ir::semantics::int::mask(crate::ssa::eval::width(self.func.ty(index)));
        usize::try_from(greatest).unwrap_or(usize::MAX).saturating_add(1)
    }

    fn is_index(&mut self, index: Value, at: usize) -> Value {
        let ty = self.func.ty(index);
        let at = self.int(ty, at as u64);
        self.cmp(Cond::Eq, index, at)
    }

    /// The element at an index: a chain of selections.
    fn pick(&mut self, index: Value, value: &[Value], step: usize, count: usize) -> Leaves {
        let mut result = Leaves::from_slice(&value[..step]);
        for at in 1..count.min(self.reach(index)) {
            let here = self.is_index(index, at);
            for (leaf, slot) in result.iter_mut().enumerate() {
                let ty = self.func.ty(*slot);
                *slot = self.op(Op::Select, ty, &[here, value[at * step + leaf], *slot]);
            }
        }
        result
    }

    pub(super) fn shuffle(&mut self, inst: &Inst<Linked>) -> Done {
        let (count, step) = self.elements(inst.types[0]);
        let (_, mask_step) = self.elements(inst.types[1]);
        let mut both = self.value(inst.args[0])?;
        both.extend(self.value(inst.args[1])?);
        let mask = self.value(inst.args[2])?;
        if mask_step != 1 {
            return Err(Unsupported::Form(inst.op, "an index of two words"));
        }
        let mut result = Leaves::new();
        for &index in &mask {
            match self.func.as_const(index) {
                Some(known) => {
                    let at = usize::try_from(known).ok().filter(|&at| at < 2 * count).unwrap_or(0) * step;
                    result.extend_from_slice(&both[at..at + step]);
                }
                None if 2 * count > SELECTIONS_MAX => {
                    return Err(Unsupported::Form(inst.op, "long vectors with a variable mask"));
                }
                None => result.extend(self.pick(index, &both, step, 2 * count)),
            }
        }
        self.define_result(inst, result);
        Ok(())
    }
}
