//! Objects that the machine itself makes and reads for the metacircular client interface (common-insts, "Metacircular
//! Client Interface"): byte arrays, arrays of references, and boxed values.
//!
//! `@uvm.meta.bytes` is `hybrid<int<64> int<8>>`, `@uvm.meta.refs` is `hybrid<int<64> ref<void>>`; the fixed part is the
//! length of the variable part. A byte array comes from the program, so its length field can be wrong; an object
//! knows its own length, and what lies outside is not read.
//!
//! Allocation answers `None` when there is no room now, and never collects: whoever stands at a safepoint may collect
//! and do the whole instruction again, so no address is held over a collection.

use crate::layout::{LeafKind, Shape};
use crate::runtime::Runtime;
use mu_ir::ids::TypeId;
use mu_ir::table::MemOrder;
use mu_ir::ub::Ub;

const LENGTH: LeafKind = LeafKind::Int(64);

impl Runtime {
    /// A new object of type `ty` that holds a value, given by the words of its leaves. `None`: no room, or a type
    /// without values.
    pub fn new_object(&self, ty: TypeId, words: &[u64]) -> Option<u64> {
        let types = &self.program.types;
        let leaves = self.layouts.leaves(types, ty)?;
        let object = self.new_fixed(ty)?;
        self.memory.store_value(object, leaves, words);
        Some(object)
    }

    /// A new object of a type that is no hybrid, zero. `None`: no room, or a size that cannot exist.
    pub fn new_fixed(&self, ty: TypeId) -> Option<u64> {
        let types = &self.program.types;
        let layout = self.layouts.of(types, ty);
        Some(self.heap.alloc_fixed(types.canon(ty), layout.size()?, layout.align_bytes)?.0)
    }

    /// A new hybrid of type `ty` with `count` elements: its address and that of the variable part. `None`: no room, a
    /// size that cannot exist, or no hybrid type.
    pub fn new_hybrid(&self, ty: TypeId, count: u64) -> Option<(u64, u64)> {
        let types = &self.program.types;
        let layout = self.layouts.of(types, ty);
        let Shape::Hybrid { var_offset, stride, .. } = layout.shape else { return None };
        layout.unit_size(count)?;
        let object =
            self.heap.alloc_hybrid(types.canon(ty), var_offset, stride, count, layout.align_bytes)?;
        Some((object.0, object.0 + var_offset))
    }

    /// A new `@uvm.meta.bytes`.
    pub fn new_bytes(&self, bytes: &[u8]) -> Option<u64> {
        let (object, elements) = self.new_hybrid(self.program.predefined.bytes, bytes.len() as u64)?;
        self.memory.store_word(object, LENGTH, bytes.len() as u64, MemOrder::NotAtomic);
        self.memory.write_bytes(elements, bytes);
        Some(object)
    }

    /// The content of a `@uvm.meta.bytes`.
    ///
    /// # Errors
    /// [`Ub::NullAccess`]; [`Ub::ExpiredLocation`] and [`Ub::WrongLocationType`] if no byte array is there;
    /// [`Ub::OutsideArray`] if its length field is greater than its length.
    pub fn read_bytes(&self, address: u64) -> Result<Vec<u8>, Ub> {
        if address == 0 {
            return Err(Ub::NullAccess);
        }
        let ty = self.program.types.canon(self.program.predefined.bytes);
        let object = self.heap.object_at(address).ok_or(Ub::ExpiredLocation)?;
        let Some(Shape::Hybrid { var_offset, .. }) = self.layouts.known(ty).map(|layout| &layout.shape)
        else {
            // No byte array has ever been allocated.
            return Err(Ub::WrongLocationType);
        };
        if object.ty != ty {
            return Err(Ub::WrongLocationType);
        }
        let length = self.memory.load_word(address, LENGTH, MemOrder::NotAtomic);
        if length > object.var_count {
            return Err(Ub::OutsideArray);
        }
        // Fits: an object of that many bytes exists.
        let mut bytes = vec![0; length as usize];
        self.memory.read_bytes(address + var_offset, &mut bytes);
        Ok(bytes)
    }

    /// A new `@uvm.meta.refs` of references to new objects, one for each value.
    pub fn new_boxes(&self, values: &[(TypeId, Vec<u64>)]) -> Option<u64> {
        let (object, elements) = self.new_hybrid(self.program.predefined.refs, values.len() as u64)?;
        self.memory.store_word(object, LENGTH, values.len() as u64, MemOrder::NotAtomic);
        for (index, (ty, words)) in values.iter().enumerate() {
            let boxed = self.new_object(*ty, words)?;
            let element = elements + index as u64 * LeafKind::Ref.size_bytes();
            self.memory.store_word(element, LeafKind::Ref, boxed, MemOrder::NotAtomic);
        }
        Some(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Config;

    fn runtime() -> Runtime {
        Runtime::new(Config { heap_bytes: 1 << 16, ..Config::default() }).expect("a runtime")
    }

    #[test]
    fn bytes_go_in_and_come_out() {
        let rt = runtime();
        for bytes in [&b""[..], b"@f", &[7; 1000]] {
            let object = rt.new_bytes(bytes).unwrap();
            assert_eq!(rt.read_bytes(object).as_deref(), Ok(bytes));
        }
        assert!(rt.new_bytes(&vec![0; 1 << 20]).is_none());
    }

    #[test]
    fn what_is_no_byte_array_is_not_read() {
        let rt = runtime();
        assert_eq!(rt.read_bytes(0), Err(Ub::NullAccess));
        assert_eq!(rt.read_bytes(64), Err(Ub::ExpiredLocation));
        let object = rt.new_object(rt.program.predefined.i1, &[1]).unwrap();
        assert_eq!(rt.read_bytes(object), Err(Ub::WrongLocationType));
        let bytes = rt.new_bytes(b"abc").unwrap();
        assert_eq!(rt.read_bytes(bytes + 8), Err(Ub::ExpiredLocation));
        assert_eq!(rt.read_bytes(object), Err(Ub::WrongLocationType));
        rt.memory.store_word(bytes, LENGTH, 4, MemOrder::NotAtomic);
        assert_eq!(rt.read_bytes(bytes), Err(Ub::OutsideArray));
    }

    #[test]
    fn boxes_hold_the_values() {
        let rt = runtime();
        let i1 = rt.program.predefined.i1;
        let refs = rt.new_boxes(&[(i1, vec![1]), (i1, vec![0])]).unwrap();
        let word = |at, kind| rt.memory.load_word(at, kind, MemOrder::NotAtomic);
        assert_eq!(word(refs, LENGTH), 2);
        let boxed = word(refs + 8, LeafKind::Ref);
        assert_eq!(word(boxed, LeafKind::Int(1)), 1);
        assert_eq!(rt.heap.object_at(boxed).unwrap().ty, rt.program.types.canon(i1));
    }
}
