//! Handles: what the client holds of a Mu value, made of its own values, of what bundles define, and of other handles
//! (uvm-client-interface, "Converting values to/from handles" to "Aggregate type operations", "Cast between general reference
//! types", "Tagged reference operations").
//!
//! A handle is a [`Value`]. It has a type, knows its instance, and keeps alive what it refers to until it is dropped:
//! `delete_value` is `drop`, and a handle can neither be used after that nor be forgotten. Every function here checks type
//! and instance of the handles it is given and answers a [`ClientError`] for a wrong one.
//!
//! ```
//! use mu_vm::{Mu, Options};
//!
//! let mut mu = Mu::new(Options::default()).unwrap();
//! mu.load_bundle("b", ".typedef @i20 = int<20>  .const @minus <@i20> = -1  .global @cell <@i20>").unwrap();
//! let minus = mu.handle_from_const(mu.id_of("@minus").unwrap()).unwrap();
//! assert_eq!((mu.handle_to_sint(&minus), mu.handle_to_uint(&minus)), (Ok(-1), Ok(0xf_ffff)));
//! assert_eq!(mu.handle_from_sint(-1i8, 20), Ok(minus));
//! let cell = mu.handle_from_global(mu.id_of("@cell").unwrap()).unwrap();
//! assert_eq!(mu.ref_eq(&cell, &cell.clone()), Ok(true));
//! ```

use crate::introspect::Cursor;
use crate::values::{ClientError, Value};
use crate::{Mu, StackRef, ThreadRef};
use mu_ir::ids::{FuncId, MuId, TypeId};
use mu_ir::inst;
use mu_ir::program::Entity;
use mu_ir::semantics::{int, tagref};
use mu_ir::types::Type;
use mu_ir::ub::Ub;
use mu_rt::layout::Shape;
use mu_rt::words::func_of_word;

/// Values of the client.
impl Mu {
    fn int_type(&mut self, len_bits: u32) -> Result<TypeId, ClientError> {
        match len_bits {
            1..=64 | 128 => Ok(self.intern(Type::Int(len_bits))),
            _ => Err(ClientError::NoValues),
        }
    }

    fn int_handle(&mut self, len_bits: u32, bits: u128) -> Result<Value, ClientError> {
        let ty = self.int_type(len_bits)?;
        self.value_from_int(ty, bits).ok_or(ClientError::NoValues)
    }

    /// `handle_from_sint8` to `handle_from_sint64` (uvm-client-interface, "Converting values to/from handles"): an
    /// `int<len_bits>`, truncated or sign-extended.
    ///
    /// # Errors
    /// [`ClientError::NoValues`] if there is no integer type of this length: it is 1 to 64, or 128.
    pub fn handle_from_sint(&mut self, num: impl Into<i64>, len_bits: u32) -> Result<Value, ClientError> {
        self.int_handle(len_bits, i128::from(num.into()) as u128)
    }

    /// `handle_from_uint8` to `handle_from_uint64`: an `int<len_bits>`, truncated or zero-extended.
    ///
    /// # Errors
    /// As [`Mu::handle_from_sint`].
    pub fn handle_from_uint(&mut self, num: impl Into<u64>, len_bits: u32) -> Result<Value, ClientError> {
        self.int_handle(len_bits, num.into().into())
    }

    /// `handle_from_uint64s`: an `int<len_bits>` of words of 64 bits, the lowest first; truncated or zero-extended.
    ///
    /// # Errors
    /// As [`Mu::handle_from_sint`].
    pub fn handle_from_uint64s(&mut self, nums: &[u64], len_bits: u32) -> Result<Value, ClientError> {
        let word = |index: usize| u128::from(nums.get(index).copied().unwrap_or(0));
        self.int_handle(len_bits, word(0) | word(1) << 64)
    }

    /// `handle_from_float`: a `float`.
    pub fn handle_from_float(&mut self, num: f32) -> Value {
        let ty = self.intern(Type::Float);
        self.plain(ty, vec![num.to_bits().into()])
    }

    /// `handle_from_double`: a `double`.
    pub fn handle_from_double(&mut self, num: f64) -> Value {
        let ty = self.intern(Type::Double);
        self.plain(ty, vec![num.to_bits()])
    }

    /// `handle_from_ptr`: an address as a value of a `uptr` type.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the type is another, or there is none.
    pub fn handle_from_ptr(&self, ty: TypeId, address: u64) -> Result<Value, ClientError> {
        match self.type_of_id(ty) {
            Some(Type::UPtr(_)) => Ok(self.plain(ty, vec![address])),
            _ => Err(ClientError::WrongType),
        }
    }

    /// `handle_from_fp`: an address as a value of a `ufuncptr` type.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the type is another, or there is none.
    pub fn handle_from_fp(&self, ty: TypeId, address: u64) -> Result<Value, ClientError> {
        match self.type_of_id(ty) {
            Some(Type::UFuncPtr(_)) => Ok(self.plain(ty, vec![address])),
            _ => Err(ClientError::WrongType),
        }
    }

    /// The width of an integer, in bits.
    fn width_of(&self, value: &Value) -> Result<u32, ClientError> {
        match *self.type_of(value)? {
            Type::Int(width) => Ok(width),
            _ => Err(ClientError::WrongType),
        }
    }

    /// `handle_to_sint64`: an integer, truncated or sign-extended. Cut off with `as`, it is what `handle_to_sint8` to
    /// `handle_to_sint32` give.
    ///
    /// # Errors
    /// [`ClientError::WrongType`]; [`Ub::BadHandle`] for a value of another instance.
    pub fn handle_to_sint(&self, value: &Value) -> Result<i64, ClientError> {
        let width = self.width_of(value)?;
        Ok(int::sign_extend(width.min(64), value.as_u64()))
    }

    /// `handle_to_uint64`: an integer, truncated or zero-extended. Cut off with `as`, it is what `handle_to_uint8` to
    /// `handle_to_uint32` give.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_uint(&self, value: &Value) -> Result<u64, ClientError> {
        self.width_of(value)?;
        Ok(value.as_u64())
    }

    /// The words of an integer, the lowest first: the other way of `handle_from_uint64s`.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_uint64s(&self, value: &Value) -> Result<Vec<u64>, ClientError> {
        self.width_of(value)?;
        Ok(value.words().into_owned())
    }

    /// `handle_to_float`.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_float(&self, value: &Value) -> Result<f32, ClientError> {
        match self.type_of(value)? {
            Type::Float => Ok(value.as_f32()),
            _ => Err(ClientError::WrongType),
        }
    }

    /// `handle_to_double`.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_double(&self, value: &Value) -> Result<f64, ClientError> {
        match self.type_of(value)? {
            Type::Double => Ok(value.as_f64()),
            _ => Err(ClientError::WrongType),
        }
    }

    /// `handle_to_ptr`: the address in a `uptr`.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_ptr(&self, value: &Value) -> Result<u64, ClientError> {
        match self.type_of(value)? {
            Type::UPtr(_) => Ok(value.as_u64()),
            _ => Err(ClientError::WrongType),
        }
    }

    /// `handle_to_fp`: the address in a `ufuncptr`.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_fp(&self, value: &Value) -> Result<u64, ClientError> {
        match self.type_of(value)? {
            Type::UFuncPtr(_) => Ok(value.as_u64()),
            _ => Err(ClientError::WrongType),
        }
    }
}

/// What bundles define, and what instances have: constants, cells, functions, stacks, threads, cursors.
impl Mu {
    /// The value of a global variable of the IR.
    fn global_value(&self, ty: TypeId, value: inst::Value) -> Result<Value, ClientError> {
        let rt = &self.machine.rt;
        // A constant may be too large to be a value.
        rt.layouts.words(&rt.program.types, ty).ok_or(ClientError::NoValues)?;
        let words = rt.const_words(value).map_err(|_| ClientError::NoValues)?;
        Ok(self.hold(ty, words))
    }

    /// `handle_from_const` (uvm-client-interface, "Create handles from Mu global variables").
    ///
    /// # Errors
    /// [`ClientError::NoSuchEntity`] if the id is of no constant; [`ClientError::NoValues`] if it is too large to be held.
    pub fn handle_from_const(&self, id: MuId) -> Result<Value, ClientError> {
        match self.program().entity(id) {
            Some(Entity::Const(constant)) => {
                let ty = self.program().consts[constant.index()].ty;
                self.global_value(ty, inst::Value::Const(constant))
            }
            _ => Err(ClientError::NoSuchEntity),
        }
    }

    /// `handle_from_global`: an `iref<T>` to a global cell.
    ///
    /// # Errors
    /// [`ClientError::NoSuchEntity`] if the id is of no global cell.
    pub fn handle_from_global(&self, id: MuId) -> Result<Value, ClientError> {
        match self.program().entity(id) {
            Some(Entity::Global(global)) => {
                let ty = self.program().globals[global.index()].iref_ty;
                self.global_value(ty, inst::Value::Global(global))
            }
            _ => Err(ClientError::NoSuchEntity),
        }
    }

    /// `handle_from_func`: a `funcref<sig>`. [`Mu::funcref`] has it by its number.
    ///
    /// # Errors
    /// [`ClientError::NoSuchEntity`] if the id is of no function.
    pub fn handle_from_func(&self, id: MuId) -> Result<Value, ClientError> {
        match self.program().entity(id) {
            Some(Entity::Func(func)) => self.funcref(func).ok_or(ClientError::NoSuchEntity),
            _ => Err(ClientError::NoSuchEntity),
        }
    }

    /// `handle_from_expose`: the `ufuncptr<sig>` of an exposed function definition.
    ///
    /// # Errors
    /// [`ClientError::NoSuchEntity`] if the id is of none.
    pub fn handle_from_expose(&self, id: MuId) -> Result<Value, ClientError> {
        match self.program().entity(id) {
            Some(Entity::Expose(expose)) => {
                let ty = self.program().exposes[expose.index()].ptr_ty;
                self.global_value(ty, inst::Value::Expose(expose))
            }
            _ => Err(ClientError::NoSuchEntity),
        }
    }

    /// The handle of whatever global variable has a name: constant, global cell, function or exposed function.
    ///
    /// # Errors
    /// [`ClientError::NoSuchEntity`] if the name is of none of these; [`ClientError::NoValues`].
    pub fn handle_named(&self, name: &str) -> Result<Value, ClientError> {
        let id = self.id_of(name).ok_or(ClientError::NoSuchEntity)?;
        match self.program().entity(id) {
            Some(Entity::Const(_)) => self.handle_from_const(id),
            Some(Entity::Global(_)) => self.handle_from_global(id),
            Some(Entity::Func(_)) => self.handle_from_func(id),
            Some(Entity::Expose(_)) => self.handle_from_expose(id),
            _ => Err(ClientError::NoSuchEntity),
        }
    }

    /// The function of a `funcref`: for functions of this interface that take one.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`]; [`Ub::BadCallee`] for NULL.
    pub fn handle_to_func(&self, value: &Value) -> Result<FuncId, ClientError> {
        match self.type_of(value)? {
            Type::FuncRef(_) => func_of_word(value.as_u64(), self.program().funcs.len())
                .ok_or(ClientError::Undefined(Ub::BadCallee)),
            _ => Err(ClientError::WrongType),
        }
    }

    /// A `stackref`. It keeps the stack alive.
    ///
    /// # Errors
    /// [`Ub::BadHandle`] if there is no such stack.
    pub fn handle_from_stack(&mut self, stack: StackRef) -> Result<Value, ClientError> {
        if stack != StackRef::NULL && self.machine.rt.stacks.get(stack).is_none() {
            return Err(ClientError::Undefined(Ub::BadHandle));
        }
        let ty = self.intern(Type::StackRef);
        Ok(self.hold(ty, vec![stack.0]))
    }

    /// The stack of a `stackref`, which may be dead, or NULL.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_stack(&self, value: &Value) -> Result<StackRef, ClientError> {
        match self.type_of(value)? {
            Type::StackRef => Ok(StackRef(value.as_u64())),
            _ => Err(ClientError::WrongType),
        }
    }

    /// A `threadref`.
    ///
    /// # Errors
    /// [`Ub::BadHandle`] if there never was such a thread.
    pub fn handle_from_thread(&mut self, thread: ThreadRef) -> Result<Value, ClientError> {
        if thread.0 > self.machine.rt.threads.made() {
            return Err(ClientError::Undefined(Ub::BadHandle));
        }
        let ty = self.intern(Type::ThreadRef);
        Ok(self.hold(ty, vec![thread.0]))
    }

    /// The thread of a `threadref`, which may have ended, or be NULL.
    ///
    /// # Errors
    /// As [`Mu::handle_to_sint`].
    pub fn handle_to_thread(&self, value: &Value) -> Result<ThreadRef, ClientError> {
        match self.type_of(value)? {
            Type::ThreadRef => Ok(ThreadRef(value.as_u64())),
            _ => Err(ClientError::WrongType),
        }
    }

    /// A `framecursorref`: whoever has it closes the cursor ([`Mu::cursor_from_word`] takes it back).
    ///
    /// # Errors
    /// [`Ub::BadHandle`] for a cursor of another instance, which is closed then.
    pub fn handle_from_cursor(&mut self, cursor: Cursor) -> Result<Value, ClientError> {
        self.word(&cursor).map_err(ClientError::Undefined)?;
        let ty = self.intern(Type::FrameCursorRef);
        Ok(self.hold(ty, vec![cursor.into_word()]))
    }
}

/// Comparison and casts of references.
impl Mu {
    /// The representative of the type of two handles of one general reference type.
    fn same_reference_type(&self, lhs: &Value, rhs: &Value) -> Result<&Type, ClientError> {
        let (left, _) = (self.type_of(lhs)?, self.type_of(rhs)?);
        let comparable = left.is_general_reference() && left.is_eq_comparable();
        match comparable && self.program().types.same(lhs.ty(), rhs.ty()) {
            true => Ok(left),
            false => Err(ClientError::WrongType),
        }
    }

    /// `ref_eq` (uvm-client-interface, "Reference type comparison"): whether two references of one general reference type
    /// refer to the same, as EQ says.
    ///
    /// # Errors
    /// [`ClientError::WrongType`]; [`Ub::BadHandle`] for a value of another instance.
    pub fn ref_eq(&self, lhs: &Value, rhs: &Value) -> Result<bool, ClientError> {
        self.same_reference_type(lhs, rhs)?;
        Ok(lhs.as_u64() == rhs.as_u64())
    }

    /// `ref_ult`: whether an iref refers to a location before that of another of the same type, as ULT says. Locations of
    /// different allocation units have an order too, which collections may change.
    ///
    /// # Errors
    /// As [`Mu::ref_eq`].
    pub fn ref_ult(&self, lhs: &Value, rhs: &Value) -> Result<bool, ClientError> {
        match self.same_reference_type(lhs, rhs)? {
            Type::IRef(_) => Ok(lhs.as_u64() < rhs.as_u64()),
            _ => Err(ClientError::WrongType),
        }
    }

    /// `refcast` (uvm-client-interface, "Cast between general reference types"): the same reference seen with another type.
    /// Both types are `ref`, both `iref` or both `funcref`.
    ///
    /// # Errors
    /// [`ClientError::WrongType`], [`ClientError::NoValues`] if there is no such type; [`Ub::BadHandle`].
    pub fn refcast(&self, value: &Value, new_type: TypeId) -> Result<Value, ClientError> {
        let to = self.type_of_id(new_type).ok_or(ClientError::NoValues)?;
        match (self.type_of(value)?, to) {
            (Type::Ref(_), Type::Ref(_))
            | (Type::IRef(_), Type::IRef(_))
            | (Type::FuncRef(_), Type::FuncRef(_)) => Ok(self.hold(new_type, vec![value.as_u64()])),
            _ => Err(ClientError::WrongType),
        }
    }
}

/// A member of a composite value: its type, and which words of the value are its own.
struct Member {
    ty: TypeId,
    words: std::ops::Range<usize>,
}

/// Aggregates.
impl Mu {
    /// The field of a struct value.
    fn field(&self, value: &Value, index: usize) -> Result<Member, ClientError> {
        let Type::Struct(fields) = self.type_of(value)? else { return Err(ClientError::WrongType) };
        let ty = *fields.get(index).ok_or(ClientError::NoSuchField)?;
        let layout = self.machine.rt.layouts.of(&self.program().types, value.ty());
        let start = layout.fields().get(index).ok_or(ClientError::NoSuchField)?.word as usize;
        self.member(ty, start)
    }

    /// The element of an array or vector value; `outside` if there is none.
    fn element(&self, value: &Value, index: u64, outside: Ub) -> Result<Member, ClientError> {
        let (Type::Array(elem, length) | Type::Vector(elem, length)) = *self.type_of(value)? else {
            return Err(ClientError::WrongType);
        };
        if index >= length {
            return Err(ClientError::Undefined(outside));
        }
        let layout = self.machine.rt.layouts.of(&self.program().types, value.ty());
        let Shape::Array { elem_words, .. } = layout.shape else { return Err(ClientError::WrongType) };
        // A value exists, so this is the number of one of its words.
        self.member(elem, index as usize * elem_words as usize)
    }

    fn member(&self, ty: TypeId, start: usize) -> Result<Member, ClientError> {
        let words = self.machine.rt.layouts.words(&self.program().types, ty).ok_or(ClientError::NoValues)?;
        Ok(Member { ty, words: start..start + words as usize })
    }

    fn extract(&self, value: &Value, member: Member) -> Result<Value, ClientError> {
        let words = value.words();
        let words = words.get(member.words).ok_or(ClientError::NoSuchField)?;
        Ok(self.hold(member.ty, words.to_vec()))
    }

    fn insert(&self, value: &Value, member: Member, new: &Value) -> Result<Value, ClientError> {
        self.type_of(new)?;
        if !self.program().types.same(member.ty, new.ty()) {
            return Err(ClientError::WrongType);
        }
        let mut words = value.words().into_owned();
        let place = words.get_mut(member.words).ok_or(ClientError::NoSuchField)?;
        place.iter_mut().zip(new.words().iter()).for_each(|(word, &new)| *word = new);
        Ok(self.hold(value.ty(), words))
    }

    /// `extract_value` (uvm-client-interface, "Aggregate type operations"): a field of a struct value, counted from 0.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the value is no struct, [`ClientError::NoSuchField`]; [`Ub::BadHandle`] for a value of
    /// another instance.
    pub fn extract_value(&self, value: &Value, index: usize) -> Result<Value, ClientError> {
        self.extract(value, self.field(value, index)?)
    }

    /// `insert_value`: a struct value with one field replaced.
    ///
    /// # Errors
    /// As [`Mu::extract_value`]; [`ClientError::WrongType`] also if the new value is none of the field's type.
    pub fn insert_value(&self, value: &Value, index: usize, new: &Value) -> Result<Value, ClientError> {
        self.insert(value, self.field(value, index)?, new)
    }

    /// `extract_element`: an element of an array or vector value, counted from 0.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the value is neither; [`Ub::ExtractOutOfRange`]; [`Ub::BadHandle`].
    pub fn extract_element(&self, value: &Value, index: u64) -> Result<Value, ClientError> {
        self.extract(value, self.element(value, index, Ub::ExtractOutOfRange)?)
    }

    /// `insert_element`: an array or vector value with one element replaced.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the value is neither, or the new value is none of the element's type;
    /// [`Ub::InsertOutOfRange`]; [`Ub::BadHandle`].
    pub fn insert_element(&self, value: &Value, index: u64, new: &Value) -> Result<Value, ClientError> {
        self.insert(value, self.element(value, index, Ub::InsertOutOfRange)?, new)
    }
}

/// Tagged references.
impl Mu {
    /// The word of a `tagref64`.
    fn tagref(&self, value: &Value) -> Result<u64, ClientError> {
        match self.type_of(value)? {
            Type::TagRef64 => Ok(value.as_u64()),
            _ => Err(ClientError::WrongType),
        }
    }

    /// The word of a `tagref64` of which `is` is true.
    fn tagref_that(&self, value: &Value, is: fn(u64) -> bool) -> Result<u64, ClientError> {
        let word = self.tagref(value)?;
        if is(word) { Ok(word) } else { Err(ClientError::Undefined(Ub::WrongTagrefState)) }
    }

    /// `tr64_is_fp` (uvm-client-interface, "Tagged reference operations"): whether a `tagref64` holds a `double`.
    ///
    /// # Errors
    /// [`ClientError::WrongType`]; [`Ub::BadHandle`] for a value of another instance.
    pub fn tr64_is_fp(&self, value: &Value) -> Result<bool, ClientError> {
        self.tagref(value).map(tagref::is_fp)
    }

    /// `tr64_is_int`: whether it holds an integer.
    ///
    /// # Errors
    /// As [`Mu::tr64_is_fp`].
    pub fn tr64_is_int(&self, value: &Value) -> Result<bool, ClientError> {
        self.tagref(value).map(tagref::is_int)
    }

    /// `tr64_is_ref`: whether it holds a reference.
    ///
    /// # Errors
    /// As [`Mu::tr64_is_fp`].
    pub fn tr64_is_ref(&self, value: &Value) -> Result<bool, ClientError> {
        self.tagref(value).map(tagref::is_ref)
    }

    /// `tr64_to_fp`: the `double` in a `tagref64`.
    ///
    /// # Errors
    /// As [`Mu::tr64_is_fp`]; [`Ub::WrongTagrefState`].
    pub fn tr64_to_fp(&mut self, value: &Value) -> Result<Value, ClientError> {
        let word = self.tagref_that(value, tagref::is_fp)?;
        Ok(self.handle_from_double(tagref::to_fp(word)))
    }

    /// `tr64_to_int`: the `int<52>` in it.
    ///
    /// # Errors
    /// As [`Mu::tr64_to_fp`].
    pub fn tr64_to_int(&mut self, value: &Value) -> Result<Value, ClientError> {
        let word = self.tagref_that(value, tagref::is_int)?;
        self.handle_from_uint(tagref::to_int(word), 52)
    }

    /// `tr64_to_ref`: the `ref<void>` in it.
    ///
    /// # Errors
    /// As [`Mu::tr64_to_fp`].
    pub fn tr64_to_ref(&self, value: &Value) -> Result<Value, ClientError> {
        let word = self.tagref_that(value, tagref::is_ref)?;
        Ok(self.hold(self.program().predefined.ref_void, vec![tagref::to_ref(word)]))
    }

    /// `tr64_to_tag`: the `int<6>` beside the reference in it.
    ///
    /// # Errors
    /// As [`Mu::tr64_to_fp`].
    pub fn tr64_to_tag(&mut self, value: &Value) -> Result<Value, ClientError> {
        let word = self.tagref_that(value, tagref::is_ref)?;
        self.handle_from_uint(tagref::to_tag(word), 6)
    }

    fn tagref_handle(&mut self, word: u64) -> Value {
        let ty = self.intern(Type::TagRef64);
        self.hold(ty, vec![word])
    }

    /// `tr64_from_fp`: a `tagref64` of a `double`. The payload of a NaN is lost.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the value is no `double`; [`Ub::BadHandle`].
    pub fn tr64_from_fp(&mut self, value: &Value) -> Result<Value, ClientError> {
        let number = self.handle_to_double(value)?;
        Ok(self.tagref_handle(tagref::from_fp(number)))
    }

    /// `tr64_from_int`: a `tagref64` of an `int<52>`.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the value is no `int<52>`; [`Ub::BadHandle`].
    pub fn tr64_from_int(&mut self, value: &Value) -> Result<Value, ClientError> {
        match self.width_of(value)? {
            52 => Ok(self.tagref_handle(tagref::from_int(value.as_u64()))),
            _ => Err(ClientError::WrongType),
        }
    }

    /// `tr64_from_ref`: a `tagref64` of a reference, of any `ref` type, and an `int<6>`, its tag.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the values are of other types; [`Ub::BadHandle`].
    pub fn tr64_from_ref(&mut self, reference: &Value, tag: &Value) -> Result<Value, ClientError> {
        match (self.type_of(reference)?, self.width_of(tag)?) {
            (Type::Ref(_), 6) => Ok(self.tagref_handle(tagref::from_ref(reference.as_u64(), tag.as_u64()))),
            _ => Err(ClientError::WrongType),
        }
    }
}
