//! The checks of checked mode: may this internal reference be used so? (portability, "Instructions"; uvm-memory,
//! "Rules of Memory Locations"; undefined behaviours U8 to U13.)
//!
//! **What.** A [`Checker`] finds the allocation unit around an address and walks down its type to the location at
//! that offset.
//!
//! * *Access* ([`Checker::check_iref`]): some location that begins exactly there must have the wanted type, where the
//!   referent types of references do not count and a `weakref` is as good as a `ref`. By the prefix rule several
//!   locations can begin at one address (a struct, its first field, the first element of that, …).
//! * *Fields* ([`Checker::check_field`]): the struct must be there, or at least a location of the field's type where the
//!   field would be (prefix rule).
//! * *Shifting* ([`Checker::check_shift`]): the location must be an element of a memory array, and the result too.
//!   Nested arrays, vectors and the variable part of a hybrid are one memory array of the innermost elements, so an
//!   iref to `float` may go all over `hybrid<… array<vector<float 4> 10>>`'s variable part, but not leave it; one past
//!   the end is outside.
//!
//! **Why this way.** A reference is an address, so what it refers to is found from the address. That sees accesses
//! outside any unit, in padding and of the wrong type, but not a stale reference whose place has been taken by a new
//! unit of the same type. Heap objects and global cells are remembered in a one-entry cache, which the heap's epoch
//! invalidates; alloca cells come and go and are asked for each time.
//!
//! **Example.** `NEW <array<int<16> 3>>` at 0x1000:
//! ```text
//! check_iref(0x1002, int<16>)      ok          check_iref(0x1001, int<16>)    WrongLocationType
//! check_shift(0x1002, int<16>, 1)  0x1004      check_shift(0x1002, int<16>, 2)   OutsideArray
//! check_iref(0x1000, array<int<16> 3>)   ok    check_iref(0x0fff, int<16>)    ExpiredLocation
//! ```

use crate::heap::{Heap, ObjectInfo, UnitKind};
use crate::layout::{Layout, Layouts, LeafKind, Shape, Walk};
use mu_ir::ids::TypeId;
use mu_ir::ub::Ub;
use std::cell::Cell;

/// An alloca cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellInfo {
    /// The address of the cell.
    pub start: u64,
    /// The canonical type.
    pub ty: TypeId,
    /// Number of elements of the variable part (`ALLOCAHYBRID`); 0 for types without one.
    pub var_count: u64,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// Whoever knows the alloca cells of all live stacks.
pub trait AllocaCells {
    /// The cell that holds an address, if a live frame has one there. (A cell that ends before the address is as good
    /// as none.)
    fn find(&self, address: u64) -> Option<CellInfo>;
}

/// No alloca cells.
impl AllocaCells for () {
    fn find(&self, _address: u64) -> Option<CellInfo> {
        None
    }
}

/// The heap object or global cell a thread accessed last. One per thread.
#[derive(Debug, Default)]
pub struct UnitCache {
    unit: Cell<Option<ObjectInfo>>,
    epoch: Cell<u64>,
}

/// Where checks look things up. Cheap to make; made anew whenever it is needed.
///
/// Types given to its functions are canonical and have layouts: whoever decodes an instruction calls
/// [`Layouts::of`] for the types in it.
#[derive(Clone, Copy)]
pub struct Checker<'a> {
    /// Heap objects and global cells.
    pub heap: &'a Heap,
    /// Layouts of all types that have been allocated.
    pub layouts: &'a Layouts,
    /// Alloca cells.
    pub cells: &'a dyn AllocaCells,
    /// What was found last.
    pub cache: &'a UnitCache,
    /// References must be accessed with exactly the type of their location (portability, "Instructions"). Otherwise
    /// (lenient mode) what they refer to may differ, and a weakref may be read as a ref.
    pub strict: bool,
}

impl<'a> Checker<'a> {
    /// The allocation unit that holds an address.
    #[inline]
    pub fn find_unit(&self, address: u64) -> Option<ObjectInfo> {
        if let Some(unit) = self.cache.unit.get()
            && unit.contains(address)
            && self.cache.epoch.get() == self.heap.epoch()
        {
            return Some(unit);
        }
        self.find_unit_slowly(address)
    }

    #[cold]
    fn find_unit_slowly(&self, address: u64) -> Option<ObjectInfo> {
        if self.heap.covers(address) {
            let epoch = self.heap.epoch();
            let unit = self.heap.find_object(address)?;
            self.cache.unit.set(Some(unit));
            self.cache.epoch.set(epoch);
            return Some(unit);
        }
        let CellInfo { start, ty, var_count, size_bytes } = self.cells.find(address)?;
        let unit = ObjectInfo { start, ty, var_count, size_bytes, kind: UnitKind::Alloca };
        unit.contains(address).then_some(unit)
    }

    /// Whether a scalar of this kind and canonical type may be accessed through the reference. The fast form of
    /// [`Checker::check_iref`], and the same answers.
    ///
    /// # Errors
    /// `NullAccess`, `ExpiredLocation`, `WrongLocationType`.
    #[inline]
    pub fn check_leaf(&self, address: u64, kind: LeafKind, ty: TypeId) -> Result<(), Ub> {
        if address == 0 {
            return Err(Ub::NullAccess);
        }
        let unit = self.find_unit(address).ok_or(Ub::ExpiredLocation)?;
        match self.layouts.leaf_at(unit.ty, unit.var_count, address - unit.start) {
            Some((found_ty, _)) if found_ty == ty => Ok(()),
            Some((_, found)) if !self.strict && found.strong() == kind.strong() => Ok(()),
            Some(_) | None => Err(Ub::WrongLocationType),
        }
    }

    /// Whether locations of the canonical types `a` and `b` may be taken for each other.
    fn same(&self, a: TypeId, b: TypeId) -> bool {
        a == b || !self.strict && self.layouts.same_class(a, b)
    }

    /// Whether a value of canonical type `ty` may be accessed through the reference.
    ///
    /// # Errors
    /// `NullAccess`, `ExpiredLocation`, `WrongLocationType`.
    pub fn check_iref(&self, address: u64, ty: TypeId) -> Result<(), Ub> {
        if let Some(kind) = self.layouts.known(ty).and_then(Layout::scalar) {
            return self.check_leaf(address, kind, ty);
        }
        if address == 0 {
            return Err(Ub::NullAccess);
        }
        let unit = self.find_unit(address).ok_or(Ub::ExpiredLocation)?;
        self.find_location(unit, address, ty).map(|_| ()).ok_or(Ub::WrongLocationType)
    }

    /// Whether a reference that is only computed with refers to anything at all.
    ///
    /// # Errors
    /// `NullAddressing`, `ExpiredLocation`.
    pub fn check_addressing(&self, address: u64) -> Result<ObjectInfo, Ub> {
        if address == 0 {
            return Err(Ub::NullAddressing);
        }
        self.find_unit(address).ok_or(Ub::ExpiredLocation)
    }

    /// `GETFIELDIREF`: the address of a field of the struct or hybrid `ty` at `address`. By the prefix rule (memory) the
    /// struct that is there may be another one, as long as a location of the field's type is where the field would be.
    ///
    /// # Errors
    /// `NullAddressing`, `ExpiredLocation`, `WrongLocationType`.
    pub fn check_field(&self, address: u64, ty: TypeId, field: usize) -> Result<u64, Ub> {
        let unit = self.check_addressing(address)?;
        let layout = self.layouts.known(ty).ok_or(Ub::WrongLocationType)?;
        let field = layout.fields().get(field).ok_or(Ub::WrongLocationType)?;
        let result = address.checked_add(field.offset_bytes).ok_or(Ub::WrongLocationType)?;
        self.find_location(unit, address, ty)
            .or_else(|| self.find_location(unit, result, field.ty))
            .map(|_| result)
            .ok_or(Ub::WrongLocationType)
    }

    /// `SHIFTIREF`: the address `delta` elements further, of a reference to an element of canonical type `elem`.
    ///
    /// # Errors
    /// `NullAddressing`, `ExpiredLocation`; `OutsideArray` when the result is no element of the memory array (or the
    /// location is in no array and `delta` is not 0); `WrongLocationType` when no `elem` is there.
    pub fn check_shift(&self, address: u64, elem: TypeId, delta: i128) -> Result<u64, Ub> {
        let unit = self.check_addressing(address)?;
        if delta == 0 {
            return Ok(address);
        }
        let stride = self.layouts.known(elem).ok_or(Ub::WrongLocationType)?.size_bytes;
        let location = self.find_location(unit, address, elem).ok_or(Ub::WrongLocationType)?;
        let (before, total) = location.array.ok_or(Ub::OutsideArray)?;
        // Both are multiples of the stride. A `delta` that overflows is outside any array.
        let offset = i128::from(stride).checked_mul(delta).and_then(|by| by.checked_add(i128::from(before)));
        match offset {
            Some(offset) if (0..i128::from(total)).contains(&offset) => {
                Ok(address.wrapping_add((offset - i128::from(before)) as u64))
            }
            _ => Err(Ub::OutsideArray),
        }
    }

    /// `GETELEMIREF`: the address of an element of the array or vector `array` at `address`. The index may leave this
    /// array as long as it stays in the memory array around it ("the actual array in the memory", portability).
    ///
    /// # Errors
    /// As [`Checker::check_shift`].
    pub fn check_element(&self, address: u64, array: TypeId, index: i128) -> Result<u64, Ub> {
        let unit = self.check_addressing(address)?;
        self.find_location(unit, address, array).ok_or(Ub::WrongLocationType)?;
        match self.layouts.known(array).map(|layout| &layout.shape) {
            Some(Shape::Array { elem, .. }) => self.check_shift(address, *elem, index),
            _ => Err(Ub::WrongLocationType),
        }
    }

    /// `GETVARPARTIREF`: the address of the first element of the variable part of the hybrid `ty` at `address`.
    ///
    /// # Errors
    /// `NullAddressing`, `ExpiredLocation`, `WrongLocationType`, `EmptyVarPart`.
    pub fn check_var_part(&self, address: u64, ty: TypeId) -> Result<u64, Ub> {
        let unit = self.check_addressing(address)?;
        match self.layouts.known(ty).map(|layout| &layout.shape) {
            Some(Shape::Hybrid { var_offset, .. }) if address == unit.start && self.same(unit.ty, ty) => {
                if unit.var_count == 0 {
                    return Err(Ub::EmptyVarPart);
                }
                Ok(address + var_offset)
            }
            _ => Err(Ub::WrongLocationType),
        }
    }

    /// The location of type `ty` that begins at an address of a unit.
    fn find_location(&self, unit: ObjectInfo, address: u64, ty: TypeId) -> Option<Location> {
        let mut walk = Walk::new(self.layouts, unit.ty, unit.var_count, address - unit.start);
        while let Some(layout) = walk.next_layout() {
            if walk.offset() == 0 && self.same(walk.ty(), ty) {
                return Some(Location { array: walk.array() });
            }
            // A `void` begins wherever anything begins.
            if walk.offset() == 0 && self.layouts.known(ty).is_some_and(|wanted| wanted.shape == Shape::Void)
            {
                return Some(Location { array: None });
            }
            debug_assert!(!layout.is_too_large(), "a unit fits in memory");
        }
        None
    }
}

/// A location found in a unit.
struct Location {
    /// The greatest memory array it is an element of: bytes before the location, and bytes in all.
    array: Option<(u64, u64)>,
}
