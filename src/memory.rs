//! Memory, seen by the client: allocation, addressing, access, pinning (uvm-client-interface, "Heap memory allocation" to
//! "Memory accessing", and "Object pinning").
//!
//! **What.** Locations are handles of `iref` or `uptr` types. The functions are the instructions of the same names, with one
//! difference: every access is looked up in the memory that there is, whatever [`mu_rt::runtime::Config::checked`] says, so
//! that nothing a client does here is undefined behaviour. A `uptr` counts too: it may be used while it points into memory
//! of this instance (pinned objects, global cells, ALLOCA cells). Other native memory is not Mu's to look at; a client that
//! has its address can access it itself.
//!
//! **Threads.** Whoever has a `&Mu` has stopped the threads of the instance, so the operations are atomic anyway. Their
//! orders are checked and obeyed all the same: they pair with those of threads that ran before and will run.
//!
//! **Collections.** The functions that allocate are collection points; words of values are read after them.
//!
//! ```
//! use mu_vm::{Mu, Options};
//! use mu_vm::ir::table::{MemOrder, RmwOp};
//!
//! let mut mu = Mu::new(Options::default()).unwrap();
//! mu.load_bundle("types", "
//!     .typedef @i8 = int<8>   .typedef @i64 = int<64>
//!     .typedef @text = hybrid<@i64 @i8>").unwrap();
//! let text = mu.type_named("@text").unwrap();
//! let object = mu.new_hybrid(text, 3).unwrap();
//! let whole = mu.get_iref(&object).unwrap();
//! let length = mu.get_field_iref(&whole, 0).unwrap();
//! let three = mu.handle_from_uint(3u64, 64).unwrap();
//! mu.store(MemOrder::Release, &length, &three).unwrap();
//! assert_eq!(mu.atomicrmw(MemOrder::SeqCst, RmwOp::Add, &length, &three), Ok(three));
//! assert_eq!(mu.load(MemOrder::Acquire, &length).map(|six| six.as_u64()), Ok(6));
//! let first = mu.get_var_part_iref(&whole).unwrap();
//! assert!(mu.shift_iref(&first, 2).is_ok() && mu.shift_iref(&first, 3).is_err());
//! ```

use crate::values::{ClientError, Value};
use crate::{Machine, Mu};
use mu_ir::ids::TypeId;
use mu_ir::table::MemOrder::{self, AcqRel, Acquire, Consume, NotAtomic, Relaxed, Release, SeqCst};
use mu_ir::table::RmwOp;
use mu_ir::types::Type;
use mu_ir::ub::Ub;
use mu_ir::verify::{is_native_safe, is_variable_type};
use mu_rt::layout::{Leaf, Shape};
use mu_rt::memory::{Checker, UnitCache};

/// Where a handle of a location type points.
#[derive(Clone, Copy)]
struct Location {
    address: u64,
    referent: TypeId,
    /// It is a `uptr`.
    ptr: bool,
}

/// An access that was found to be good.
#[derive(Clone, Copy)]
struct Access {
    address: u64,
    /// The type of the location.
    referent: TypeId,
    /// The type of its values: the strong variant.
    strong: TypeId,
}

/// Whether an operation can have an order.
fn legal(order: MemOrder, orders: &[MemOrder]) -> Result<(), ClientError> {
    if orders.contains(&order) { Ok(()) } else { Err(ClientError::BadOrder) }
}

/// Allocation.
impl Mu {
    /// `new_fixed` (uvm-client-interface, "Heap memory allocation"): a new object of a type of fixed length, all zero; a
    /// `ref<ty>` to it.
    ///
    /// # Errors
    /// [`ClientError::NoValues`] if there is no such type, [`ClientError::WrongType`] for a hybrid,
    /// [`ClientError::NoMemory`].
    pub fn new_fixed(&mut self, ty: TypeId) -> Result<Value, ClientError> {
        match self.type_of_id(ty).ok_or(ClientError::NoValues)? {
            Type::Hybrid { .. } => Err(ClientError::WrongType),
            _ => self.allocate(ty, 0),
        }
    }

    /// `new_hybrid`: a new object of a hybrid type with `length` elements in its variable part, all zero; a `ref<ty>` to it.
    ///
    /// # Errors
    /// [`ClientError::NoValues`] if there is no such type, [`ClientError::WrongType`] if it is no hybrid,
    /// [`ClientError::NoMemory`], also for lengths no memory has room for.
    pub fn new_hybrid(&mut self, ty: TypeId, length: u64) -> Result<Value, ClientError> {
        match self.type_of_id(ty).ok_or(ClientError::NoValues)? {
            Type::Hybrid { .. } => self.allocate(ty, length),
            _ => Err(ClientError::WrongType),
        }
    }

    /// A collection point.
    fn allocate(&mut self, ty: TypeId, var_count: u64) -> Result<Value, ClientError> {
        let Machine { rt, interp, .. } = &mut *self.machine;
        rt.layouts.of(&rt.program.types, ty);
        let canon = rt.program.types.canon(ty);
        let address = rt.new_collecting(None, &interp.frame_maps(), canon, var_count);
        let address = address.ok_or(ClientError::NoMemory)?;
        let reference = self.intern(Type::Ref(ty));
        Ok(self.hold(reference, vec![address]))
    }

    /// Allocates an object of type `ty` that holds `value`, and gives a `ref<ty>` to it.
    ///
    /// # Errors
    /// [`ClientError::WrongType`], [`ClientError::NoValues`], [`ClientError::NoMemory`]; [`ClientError::Undefined`] for a
    /// value of another instance.
    pub fn new_object(&mut self, ty: TypeId, value: &Value) -> Result<Value, ClientError> {
        self.type_of_id(ty).ok_or(ClientError::NoValues)?;
        self.type_of(value)?;
        if !self.program().types.same(ty, value.ty()) {
            return Err(ClientError::WrongType);
        }
        self.leaves(ty)?;
        let object = self.allocate(ty, 0)?;
        self.machine.rt.memory.store_value(object.as_u64(), self.leaves(ty)?, &value.words());
        Ok(object)
    }

    /// Allocates a `@uvm.meta.bytes`; `ty` is the type of the reference to it, `@uvm.meta.bytes.r`.
    ///
    /// # Errors
    /// [`ClientError::WrongType`], [`ClientError::NoMemory`].
    pub fn new_bytes(&mut self, ty: TypeId, bytes: &[u8]) -> Result<Value, ClientError> {
        let known = self.type_of_id(ty).is_some();
        if !known || !self.program().types.same(ty, self.program().predefined.bytes_ref) {
            return Err(ClientError::WrongType);
        }
        let address = match self.machine.rt.new_bytes(bytes) {
            Some(address) => address,
            None => {
                self.collect();
                self.machine.rt.new_bytes(bytes).ok_or(ClientError::NoMemory)?
            }
        };
        Ok(self.hold(ty, vec![address]))
    }

    /// The content of a `@uvm.meta.bytes`.
    ///
    /// # Errors
    /// [`ClientError::NoReference`]; [`ClientError::Undefined`] if the reference is to no byte array, or of another
    /// instance.
    pub fn bytes_of(&self, reference: &Value) -> Result<Vec<u8>, ClientError> {
        if !matches!(self.type_of(reference)?, Type::Ref(_)) {
            return Err(ClientError::NoReference);
        }
        self.machine.rt.read_bytes(reference.as_u64()).map_err(ClientError::Undefined)
    }
}

/// Addressing.
impl Mu {
    /// The type with a constructor, made if it is not there.
    pub(crate) fn intern(&mut self, ty: Type) -> TypeId {
        self.machine.rt.program.types.intern(ty)
    }

    /// The scalar parts of values of a type that a variable can have.
    fn leaves(&self, ty: TypeId) -> Result<&[Leaf], ClientError> {
        let types = &self.machine.rt.program.types;
        let leaves = is_variable_type(types, ty).then(|| self.machine.rt.layouts.leaves(types, ty));
        leaves.flatten().ok_or(ClientError::NoValues)
    }

    fn location(&self, loc: &Value) -> Result<Location, ClientError> {
        let address = loc.as_u64();
        match *self.type_of(loc)? {
            Type::IRef(referent) => Ok(Location { address, referent, ptr: false }),
            Type::UPtr(referent) => Ok(Location { address, referent, ptr: true }),
            _ => Err(ClientError::NoReference),
        }
    }

    /// Looks something up in the memory there is; the layout of type `ty`, whose representative is passed on, is known.
    fn look_up<R>(
        &self,
        ty: TypeId,
        ask: impl FnOnce(&Checker<'_>, TypeId) -> Result<R, Ub>,
    ) -> Result<R, ClientError> {
        let rt = &self.machine.rt;
        rt.layouts.of(&rt.program.types, ty);
        let cache = UnitCache::default();
        let checker = rt.checker(&rt.stacks, &cache);
        ask(&checker, rt.program.types.canon(ty)).map_err(ClientError::Undefined)
    }

    /// A location reached from another one: a pointer if that was one, else an iref.
    fn derived(&mut self, from: Location, referent: TypeId, address: u64) -> Value {
        match from.ptr {
            true => {
                let ty = self.intern(Type::UPtr(referent));
                self.plain(ty, vec![address])
            }
            false => {
                let ty = self.intern(Type::IRef(referent));
                self.hold(ty, vec![address])
            }
        }
    }

    /// `get_iref` (uvm-client-interface, "Memory addressing"): the `iref<T>` of the object that a `ref<T>` refers to.
    ///
    /// # Errors
    /// [`ClientError::NoReference`]; [`Ub::NullAddressing`], [`Ub::BadHandle`].
    pub fn get_iref(&mut self, reference: &Value) -> Result<Value, ClientError> {
        let Type::Ref(referent) = *self.type_of(reference)? else { return Err(ClientError::NoReference) };
        if reference.is_null() {
            return Err(ClientError::Undefined(Ub::NullAddressing));
        }
        let ty = self.intern(Type::IRef(referent));
        Ok(self.hold(ty, vec![reference.as_u64()]))
    }

    /// `get_field_iref`: field number `field`, from 0, of a struct or of the fixed part of a hybrid.
    ///
    /// # Errors
    /// [`ClientError::NoReference`], [`ClientError::WrongType`] if the location is neither struct nor hybrid,
    /// [`ClientError::NoSuchField`]; of an iref [`Ub::NullAddressing`], [`Ub::ExpiredLocation`],
    /// [`Ub::WrongLocationType`]; [`Ub::BadHandle`].
    pub fn get_field_iref(&mut self, loc: &Value, field: usize) -> Result<Value, ClientError> {
        let location = self.location(loc)?;
        let (Type::Struct(fields) | Type::Hybrid { fixed: fields, .. }) =
            self.program().types.get(location.referent)
        else {
            return Err(ClientError::WrongType);
        };
        let field_ty = *fields.get(field).ok_or(ClientError::NoSuchField)?;
        let address = match location.ptr {
            true => {
                let layout = self.machine.rt.layouts.of(&self.program().types, location.referent);
                location
                    .address
                    .wrapping_add(layout.fields().get(field).map_or(0, |field| field.offset_bytes))
            }
            false => self
                .look_up(location.referent, |checker, ty| checker.check_field(location.address, ty, field))?,
        };
        Ok(self.derived(location, field_ty, address))
    }

    /// `get_elem_iref`: the element with a signed index of an array or vector.
    ///
    /// # Errors
    /// [`ClientError::NoReference`], [`ClientError::WrongType`] if the location is neither array nor vector; of an iref
    /// [`Ub::OutsideArray`], [`Ub::NullAddressing`], [`Ub::ExpiredLocation`], [`Ub::WrongLocationType`];
    /// [`Ub::BadHandle`].
    pub fn get_elem_iref(&mut self, loc: &Value, index: i64) -> Result<Value, ClientError> {
        let location = self.location(loc)?;
        let (Type::Array(elem, _) | Type::Vector(elem, _)) = *self.program().types.get(location.referent)
        else {
            return Err(ClientError::WrongType);
        };
        let address = match location.ptr {
            true => self.shifted(location.address, elem, index),
            false => self.look_up(location.referent, |checker, ty| {
                checker.check_element(location.address, ty, index.into())
            })?,
        };
        Ok(self.derived(location, elem, address))
    }

    /// `shift_iref`: the location `offset` elements further (backwards if negative) in the memory array around it.
    ///
    /// # Errors
    /// [`ClientError::NoReference`], [`ClientError::WrongType`] for `void` and hybrids, which no array has as elements; of
    /// an iref [`Ub::OutsideArray`], [`Ub::NullAddressing`], [`Ub::ExpiredLocation`], [`Ub::WrongLocationType`];
    /// [`Ub::BadHandle`].
    pub fn shift_iref(&mut self, loc: &Value, offset: i64) -> Result<Value, ClientError> {
        let location = self.location(loc)?;
        if matches!(self.program().types.get(location.referent), Type::Void | Type::Hybrid { .. }) {
            return Err(ClientError::WrongType);
        }
        let address = match location.ptr {
            true => self.shifted(location.address, location.referent, offset),
            false => self.look_up(location.referent, |checker, ty| {
                checker.check_shift(location.address, ty, offset.into())
            })?,
        };
        Ok(self.derived(location, location.referent, address))
    }

    /// What C computes for `address + index`.
    fn shifted(&self, address: u64, elem: TypeId, index: i64) -> u64 {
        let stride = self.machine.rt.layouts.of(&self.program().types, elem).size_bytes;
        address.wrapping_add((index as u64).wrapping_mul(stride))
    }

    /// `get_var_part_iref`: the first element of the variable part of a hybrid.
    ///
    /// # Errors
    /// [`ClientError::NoReference`], [`ClientError::WrongType`] if the location is no hybrid; of an iref
    /// [`Ub::EmptyVarPart`], [`Ub::NullAddressing`], [`Ub::ExpiredLocation`], [`Ub::WrongLocationType`];
    /// [`Ub::BadHandle`].
    pub fn get_var_part_iref(&mut self, loc: &Value) -> Result<Value, ClientError> {
        let location = self.location(loc)?;
        let Type::Hybrid { var, .. } = *self.program().types.get(location.referent) else {
            return Err(ClientError::WrongType);
        };
        let address = match location.ptr {
            true => match &self.machine.rt.layouts.of(&self.program().types, location.referent).shape {
                Shape::Hybrid { var_offset, .. } => location.address.wrapping_add(*var_offset),
                Shape::Void | Shape::Scalar(_) | Shape::Struct(_) | Shape::Array { .. } => location.address,
            },
            false => {
                self.look_up(location.referent, |checker, ty| checker.check_var_part(location.address, ty))?
            }
        };
        Ok(self.derived(location, var, address))
    }
}

/// Access.
impl Mu {
    /// Whether a location can be accessed, atomically if that is wanted.
    fn access(&mut self, loc: &Value, atomic: bool) -> Result<Access, ClientError> {
        let Location { address, referent, ptr } = self.location(loc)?;
        let strong = match *self.program().types.get(referent) {
            Type::WeakRef(to) => self.intern(Type::Ref(to)),
            _ => referent,
        };
        self.leaves(strong)?;
        let types = &self.program().types;
        // Only lenient mode has such pointers. Words from anywhere must not become references.
        if ptr && !is_native_safe(types, referent) {
            return Err(ClientError::WrongType);
        }
        if atomic && !types.get(referent).is_atomic() {
            return Err(ClientError::NotAtomic);
        }
        self.look_up(referent, |checker, ty| checker.check_iref(address, ty))?;
        Ok(Access { address, referent, strong })
    }

    /// Whether a value can be stored in a location of values of type `want`. Lenient mode knows references by their class
    /// only.
    fn want(&self, want: TypeId, value: &Value) -> Result<(), ClientError> {
        self.type_of(value)?;
        let rt = &self.machine.rt;
        let (have, want) = (rt.program.types.canon(value.ty()), rt.program.types.canon(want));
        let fits = have == want || rt.config.lenient && rt.layouts.same_class(have, want);
        if fits { Ok(()) } else { Err(ClientError::WrongType) }
    }

    /// The leaf of a location that is accessed atomically.
    fn atom(&self, access: Access) -> Result<Leaf, ClientError> {
        let rt = &self.machine.rt;
        let leaves = rt.layouts.leaves(&rt.program.types, access.referent).ok_or(ClientError::NoValues)?;
        leaves.first().copied().ok_or(ClientError::NoValues)
    }

    /// A value of one leaf.
    fn atom_value(&self, access: Access, leaf: Leaf, bits: u128) -> Value {
        let words = [bits as u64, (bits >> 64) as u64];
        self.hold(access.strong, words[..leaf.kind.words() as usize].to_vec())
    }

    /// `load` (uvm-client-interface, "Memory accessing"): the value of a location; of a `weakref<T>`, a `ref<T>`.
    ///
    /// # Errors
    /// [`ClientError::BadOrder`], [`ClientError::NoReference`], [`ClientError::NoValues`], [`ClientError::NotAtomic`];
    /// [`Ub::NullAccess`], [`Ub::ExpiredLocation`] (also where a pointer leads out of Mu's memory),
    /// [`Ub::WrongLocationType`], [`Ub::BadHandle`].
    pub fn load(&mut self, ord: MemOrder, loc: &Value) -> Result<Value, ClientError> {
        legal(ord, &[NotAtomic, Relaxed, Consume, Acquire, SeqCst])?;
        let access = self.access(loc, ord != NotAtomic)?;
        let memory = &self.machine.rt.memory;
        if ord == NotAtomic {
            let leaves = self.machine.rt.layouts.leaves(&self.program().types, access.referent);
            let mut words = vec![0; self.words(access.strong)?];
            memory.load_value(access.address, leaves.ok_or(ClientError::NoValues)?, &mut words);
            return Ok(self.hold(access.strong, words));
        }
        let leaf = self.atom(access)?;
        let bits = match leaf.kind.words() {
            2 => memory.load_u128(access.address, leaf.kind, ord),
            _ => memory.load_word(access.address, leaf.kind, ord).into(),
        };
        Ok(self.atom_value(access, leaf, bits))
    }

    fn words(&self, ty: TypeId) -> Result<usize, ClientError> {
        let words = self.machine.rt.layouts.words(&self.program().types, ty);
        words.map(|words| words as usize).ok_or(ClientError::NoValues)
    }

    /// `store`: sets a location.
    ///
    /// # Errors
    /// As [`Mu::load`]; [`ClientError::WrongType`] if the value is none of the location's type.
    pub fn store(&mut self, ord: MemOrder, loc: &Value, value: &Value) -> Result<(), ClientError> {
        legal(ord, &[NotAtomic, Relaxed, Release, SeqCst])?;
        let access = self.access(loc, ord != NotAtomic)?;
        self.want(access.strong, value)?;
        let memory = &self.machine.rt.memory;
        if ord == NotAtomic {
            let leaves = self.machine.rt.layouts.leaves(&self.program().types, access.referent);
            memory.store_value(access.address, leaves.ok_or(ClientError::NoValues)?, &value.words());
            return Ok(());
        }
        let leaf = self.atom(access)?;
        match leaf.kind.words() {
            2 => memory.store_u128(access.address, leaf.kind, value.as_u128(), ord),
            _ => memory.store_word(access.address, leaf.kind, value.as_u64(), ord),
        }
        Ok(())
    }

    /// `cmpxchg`: compares a location with `expected` and sets it to `desired` if they are equal; what it held, and whether
    /// it was set. A weak one never fails without a reason here.
    ///
    /// # Errors
    /// As [`Mu::store`].
    pub fn cmpxchg(
        &mut self,
        (success, failure): (MemOrder, MemOrder),
        weak: bool,
        loc: &Value,
        expected: &Value,
        desired: &Value,
    ) -> Result<(Value, bool), ClientError> {
        legal(success, &[Relaxed, Acquire, Release, AcqRel, SeqCst])?;
        legal(failure, &[Relaxed, Acquire, SeqCst])?;
        let access = self.access(loc, true)?;
        self.want(access.strong, expected)?;
        self.want(access.strong, desired)?;
        let leaf = self.atom(access)?;
        let memory = &self.machine.rt.memory;
        let (at, kind) = (access.address, leaf.kind);
        let (bits, is_set) = match kind.words() {
            2 => memory.cmpxchg_u128(at, kind, expected.as_u128(), desired.as_u128()),
            _ => {
                let (expected, desired) = (expected.as_u64(), desired.as_u64());
                let (old, is_set) = memory.cmpxchg(at, kind, expected, desired, success, failure, weak);
                (old.into(), is_set)
            }
        };
        Ok((self.atom_value(access, leaf, bits), is_set))
    }

    /// `atomicrmw`: replaces what a location holds by the result of an operation on it; what it held before. Operations
    /// other than XCHG are for integers.
    ///
    /// # Errors
    /// As [`Mu::store`].
    pub fn atomicrmw(
        &mut self,
        ord: MemOrder,
        op: RmwOp,
        loc: &Value,
        value: &Value,
    ) -> Result<Value, ClientError> {
        legal(ord, &[Relaxed, Acquire, Release, AcqRel, SeqCst])?;
        let access = self.access(loc, true)?;
        if op != RmwOp::Xchg && !matches!(self.program().types.get(access.referent), Type::Int(_)) {
            return Err(ClientError::NotAtomic);
        }
        self.want(access.strong, value)?;
        let leaf = self.atom(access)?;
        let memory = &self.machine.rt.memory;
        let bits = match leaf.kind.words() {
            2 => memory.atomic_rmw_u128(access.address, leaf.kind, op, value.as_u128()),
            _ => memory.atomic_rmw(access.address, leaf.kind, op, value.as_u64(), ord).into(),
        };
        Ok(self.atom_value(access, leaf, bits))
    }

    /// `fence`.
    ///
    /// # Errors
    /// [`ClientError::BadOrder`].
    pub fn fence(&self, ord: MemOrder) -> Result<(), ClientError> {
        legal(ord, &[Acquire, Release, AcqRel, SeqCst])?;
        self.machine.rt.memory.fence(ord);
        Ok(())
    }

    /// Reads memory as a value of type `ty` through a `ref` or `iref`, whatever type it is declared to refer to (exceptions
    /// are `ref<void>`); not atomic.
    ///
    /// # Errors
    /// [`ClientError::NoReference`], [`ClientError::NoValues`]; [`ClientError::Undefined`] if no value of this type
    /// is there, or the reference is of another instance.
    pub fn load_as(&self, reference: &Value, ty: TypeId) -> Result<Value, ClientError> {
        if !matches!(self.type_of(reference)?, Type::Ref(_) | Type::IRef(_)) {
            return Err(ClientError::NoReference);
        }
        self.type_of_id(ty).ok_or(ClientError::NoValues)?;
        let leaves = self.leaves(ty)?;
        let address = reference.as_u64();
        self.look_up(ty, |checker, ty| checker.check_iref(address, ty))?;
        let mut value = vec![0; self.words(ty)?];
        self.machine.rt.memory.load_value(address, leaves, &mut value);
        Ok(self.hold(ty, value))
    }
}

/// Pinning.
impl Mu {
    /// The referent of a `ref<T>` or `iref<T>` whose address native code may have.
    fn pinnable(&self, loc: &Value) -> Result<TypeId, ClientError> {
        let (Type::Ref(referent) | Type::IRef(referent)) = *self.type_of(loc)? else {
            return Err(ClientError::NoReference);
        };
        if !self.machine.rt.config.lenient && !is_native_safe(&self.program().types, referent) {
            return Err(ClientError::WrongType);
        }
        if loc.is_null() {
            return Err(ClientError::Undefined(Ub::NullAddressing));
        }
        if matches!(self.type_of(loc)?, Type::IRef(_)) {
            self.look_up(referent, |checker, _| checker.check_addressing(loc.as_u64()))?;
        }
        Ok(referent)
    }

    /// `pin` (uvm-client-interface, "Object pinning"): adds a location to the client's pinning multiset; a `uptr<T>` to it.
    /// Until it is unpinned as often, the object that holds it neither moves nor goes away.
    ///
    /// # Errors
    /// [`ClientError::NoReference`] if the value is neither `ref` nor `iref`; [`ClientError::WrongType`] if its referent is
    /// not native-safe; [`Ub::NullAddressing`], [`Ub::ExpiredLocation`], [`Ub::BadHandle`].
    pub fn pin(&mut self, loc: &Value) -> Result<Value, ClientError> {
        let pointer = self.get_addr(loc)?;
        self.machine.rt.client_pins.push(pointer.as_u64());
        Ok(pointer)
    }

    /// `unpin`: removes a location from the client's pinning multiset once.
    ///
    /// # Errors
    /// [`ClientError::NoReference`]; [`Ub::UnmatchedUnpin`], [`Ub::BadHandle`].
    pub fn unpin(&mut self, loc: &Value) -> Result<(), ClientError> {
        if !matches!(self.type_of(loc)?, Type::Ref(_) | Type::IRef(_)) {
            return Err(ClientError::NoReference);
        }
        let pins = &mut self.machine.rt.client_pins;
        let at = pins.iter().rposition(|&pin| pin == loc.as_u64());
        pins.swap_remove(at.ok_or(ClientError::Undefined(Ub::UnmatchedUnpin))?);
        Ok(())
    }

    /// `get_addr`: the address of a location as a `uptr<T>`. It is good as long as the object is pinned, by whomever, and for
    /// global cells.
    ///
    /// # Errors
    /// As [`Mu::pin`].
    pub fn get_addr(&mut self, loc: &Value) -> Result<Value, ClientError> {
        let referent = self.pinnable(loc)?;
        let ty = self.intern(Type::UPtr(referent));
        Ok(self.plain(ty, vec![loc.as_u64()]))
    }
}
