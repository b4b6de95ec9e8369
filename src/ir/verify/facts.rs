//! What the rules ask about types: may a variable have it, can native code hold it, is it the same size as another.
//!
//! Answers about composite types are computed once per composite and remembered; scalars are answered on the spot.
//! Only members count, never referents: `uptr<T>` is native-safe whatever `T` is, because an ill-formed `uptr<T>` is an
//! error at its own definition. This makes native-safety, which the specification defines through pointers and so for
//! recursive types, a question about finite member trees.
//!
//! ```text
//! @s = struct<@i64 @wr>   @wr = weakref<@s>      @s: no variable, not native-safe (because of @wr)
//! @p = uptr<@q>           @q = struct<@p @i64>   both native-safe
//! ```
//!
//! Void and hybrid members are errors of their own; a composite that has one counts as fine here, so that the one
//! mistake is not reported at every use.

use crate::draft::FixedHasher;
use crate::ids::{SigId, TypeId};
use crate::types::{Type, TypeStore};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// No SSA variable can have the type.
const NOT_A_VARIABLE: u8 = 1;
/// The type is not native-safe.
const NOT_NATIVE_SAFE: u8 = 2;

/// Remembered facts about composite types.
#[derive(Default)]
pub(super) struct Facts {
    composites: HashMap<TypeId, u8, FixedHasher>,
}

impl Facts {
    /// Whether a variable can have the type (type-system, notes of each type).
    pub fn is_variable_type(&mut self, types: &TypeStore, ty: TypeId) -> bool {
        self.of(types, ty) & NOT_A_VARIABLE == 0
    }

    /// Whether the type is native-safe (type-system, Types and Type Constructors).
    pub fn is_native_safe(&mut self, types: &TypeStore, ty: TypeId) -> bool {
        self.of(types, ty) & NOT_NATIVE_SAFE == 0
    }

    fn of(&mut self, types: &TypeStore, ty: TypeId) -> u8 {
        match own_facts(types.get(ty)) {
            Some(facts) => facts,
            None => match self.composites.get(&ty) {
                Some(&facts) => facts,
                None => self.walk(types, ty),
            },
        }
    }

    /// Computes the facts of a composite and of all composites below it, members first, with an explicit stack. A
    /// composite that contains itself (an error reported elsewhere) is taken as fine where the walk meets it again.
    fn walk(&mut self, types: &TypeStore, root: TypeId) -> u8 {
        let mut work = vec![(root, false)];
        while let Some((ty, members_done)) = work.pop() {
            let ctor = types.get(ty);
            if members_done {
                let mut facts = 0;
                for &member in ctor.type_args() {
                    let below = own_facts(types.get(member))
                        .unwrap_or_else(|| self.composites.get(&member).copied().unwrap_or(0));
                    facts |= match types.get(member) {
                        Type::Void | Type::Hybrid { .. } => below & NOT_NATIVE_SAFE,
                        _ => below,
                    };
                }
                if matches!(ctor, Type::Hybrid { .. }) {
                    facts |= NOT_A_VARIABLE;
                }
                self.composites.insert(ty, facts);
            } else if let Entry::Vacant(slot) = self.composites.entry(ty) {
                slot.insert(0);
                work.push((ty, true));
                work.extend(
                    ctor.type_args()
                        .filter(|&&member| own_facts(types.get(member)).is_none())
                        .map(|&member| (member, false)),
                );
            }
        }
        self.composites.get(&root).copied().unwrap_or(0)
    }
}

/// The facts of a type without members; `None` for composites.
fn own_facts(ctor: &Type) -> Option<u8> {
    match ctor {
        Type::Int(_) | Type::Float | Type::Double | Type::UPtr(_) | Type::UFuncPtr(_) => Some(0),
        Type::Void => Some(NOT_A_VARIABLE),
        Type::WeakRef(_) => Some(NOT_A_VARIABLE | NOT_NATIVE_SAFE),
        Type::Ref(_)
        | Type::IRef(_)
        | Type::TagRef64
        | Type::FuncRef(_)
        | Type::ThreadRef
        | Type::StackRef
        | Type::FrameCursorRef
        | Type::IrBuilderRef => Some(NOT_NATIVE_SAFE),
        Type::Struct(_) | Type::Hybrid { .. } | Type::Array(..) | Type::Vector(..) => None,
    }
}

/// Types that instructions derive, remembered so that the store is asked once for each.
#[derive(Default)]
pub(super) struct Derived {
    map: HashMap<u64, TypeId, FixedHasher>,
}

impl Derived {
    /// `ref<T>`
    pub fn ref_of(&mut self, types: &mut TypeStore, ty: TypeId) -> TypeId {
        self.get(types, 1, ty.0, || Type::Ref(ty))
    }

    /// `iref<T>`
    pub fn iref_of(&mut self, types: &mut TypeStore, ty: TypeId) -> TypeId {
        self.get(types, 2, ty.0, || Type::IRef(ty))
    }

    /// `uptr<T>`
    pub fn uptr_of(&mut self, types: &mut TypeStore, ty: TypeId) -> TypeId {
        self.get(types, 3, ty.0, || Type::UPtr(ty))
    }

    /// `funcref<sig>`
    pub fn funcref_of(&mut self, types: &mut TypeStore, sig: SigId) -> TypeId {
        self.get(types, 4, sig.0, || Type::FuncRef(sig))
    }

    /// `ufuncptr<sig>`
    pub fn ufuncptr_of(&mut self, types: &mut TypeStore, sig: SigId) -> TypeId {
        self.get(types, 5, sig.0, || Type::UFuncPtr(sig))
    }

    /// `int<n>`
    pub fn int(&mut self, types: &mut TypeStore, bits: u32) -> TypeId {
        self.get(types, 6, bits, || Type::Int(bits))
    }

    /// A type constructor without parameters; `key` tells them apart.
    pub fn plain(&mut self, types: &mut TypeStore, key: u32, ctor: Type) -> TypeId {
        self.get(types, 7, key, || ctor)
    }

    /// The strong variant: `ref<T>` for `weakref<T>`, any other type itself.
    pub fn strong(&mut self, types: &mut TypeStore, ty: TypeId) -> TypeId {
        match types.get(ty) {
            &Type::WeakRef(referent) => self.ref_of(types, referent),
            _ => ty,
        }
    }

    fn get(&mut self, types: &mut TypeStore, kind: u64, index: u32, ctor: impl FnOnce() -> Type) -> TypeId {
        *self.map.entry(kind << 32 | u64::from(index)).or_insert_with(|| types.intern(ctor()))
    }
}

/// How a value is held, as far as the lenient mode is concerned.
#[derive(PartialEq, Eq)]
enum Class {
    /// So many bits without meaning for the collector: int and pointers.
    Raw(u32),
    Float,
    Double,
    Ref,
    IRef,
    FuncRef,
    TagRef64,
    ThreadRef,
    StackRef,
    FrameCursorRef,
    IrBuilderRef,
}

fn class(ctor: &Type) -> Option<Class> {
    match ctor {
        Type::Int(n) => Some(Class::Raw(*n)),
        Type::UPtr(_) | Type::UFuncPtr(_) => Some(Class::Raw(64)),
        Type::Float => Some(Class::Float),
        Type::Double => Some(Class::Double),
        Type::Ref(_) => Some(Class::Ref),
        Type::IRef(_) => Some(Class::IRef),
        Type::FuncRef(_) => Some(Class::FuncRef),
        Type::TagRef64 => Some(Class::TagRef64),
        Type::ThreadRef => Some(Class::ThreadRef),
        Type::StackRef => Some(Class::StackRef),
        Type::FrameCursorRef => Some(Class::FrameCursorRef),
        Type::IrBuilderRef => Some(Class::IrBuilderRef),
        Type::Struct(_)
        | Type::Hybrid { .. }
        | Type::Array(..)
        | Type::Vector(..)
        | Type::Void
        | Type::WeakRef(_) => None,
    }
}

/// Whether an SSA variable can have a type: [`Facts::is_variable_type`] for who asks once.
pub fn is_variable_type(types: &TypeStore, ty: TypeId) -> bool {
    Facts::default().is_variable_type(types, ty)
}

/// Whether a type is native-safe: [`Facts::is_native_safe`] for who asks once.
pub fn is_native_safe(types: &TypeStore, ty: TypeId) -> bool {
    Facts::default().is_native_safe(types, ty)
}

/// Whether a value of one type can stand for a value of the other without a change of size, register class or meaning
/// for the collector: the mismatches that the lenient mode lets pass, with a warning where they are written.
pub fn interchangeable(types: &TypeStore, a: TypeId, b: TypeId) -> bool {
    let class_a = class(types.get(a));
    class_a.is_some() && class_a == class(types.get(b))
}

/// Whether values of these types can stand for values of those, one by one: the same types, or [`interchangeable`] ones.
pub fn interchangeable_lists(types: &TypeStore, a: &[TypeId], b: &[TypeId]) -> bool {
    let fits = |(&a, &b)| types.same(a, b) || interchangeable(types, a, b);
    a.len() == b.len() && a.iter().zip(b).all(fits)
}

/// Whether a function of one signature takes and returns the words of the other.
pub fn interchangeable_sigs(types: &TypeStore, a: SigId, b: SigId) -> bool {
    let (sig_a, sig_b) = (types.sig(a), types.sig(b));
    types.same_sig(a, b)
        || interchangeable_lists(types, &sig_a.params, &sig_b.params)
            && interchangeable_lists(types, &sig_a.rets, &sig_b.rets)
}
