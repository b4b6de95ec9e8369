//! Types and signatures, and when two of them are the same.
//!
//! A `.typedef` names one application of a type constructor. Two definitions denote the same type when they are built
//! the same way ("structural" equality); with recursion through references that means: when no finite unfolding tells
//! them apart. So `@i64 = int<64>` of two bundles are one type, and so are two linked-list nodes written twice.
//!
//! [`TypeStore`] keeps every definition (so that messages and the printer can use the user's names) and gives each a
//! *canonical* representative. Equality of types is equality of representatives, one integer comparison.
//!
//! Definitions are appended in groups that may refer to each other (a bundle); `canon.rs` finds their representatives.
//! Types derived by instructions (`ref<T>` of `NEW <@T>`) are interned through the same store, without a name.
//!
//! ```text
//! @node  = struct<@i64 @nref>    @nref  = ref<@node>        representative of @list is @node,
//! @list  = struct<@long @lref>   @lref  = ref<@list>        of @lref is @nref, of @long is @i64
//! ```

use crate::ids::{MuId, SigId, TypeId};
use hashbrown::HashTable;

mod canon;

/// A type constructor applied to its parameters; `T` and `S` stand for types and signatures (ids or symbols).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TypeCtor<T, S> {
    /// `int<n>`
    Int(u32),
    /// `float`
    Float,
    /// `double`
    Double,
    /// `uptr<T>`
    UPtr(T),
    /// `ufuncptr<sig>`
    UFuncPtr(S),
    /// `struct<T …>`
    Struct(Box<[T]>),
    /// `hybrid<F … V>`
    Hybrid {
        /// Fields of the fixed part.
        fixed: Box<[T]>,
        /// Element type of the variable part.
        var: T,
    },
    /// `array<T n>`
    Array(T, u64),
    /// `vector<T n>`
    Vector(T, u64),
    /// `void`
    Void,
    /// `ref<T>`
    Ref(T),
    /// `iref<T>`
    IRef(T),
    /// `weakref<T>`
    WeakRef(T),
    /// `tagref64`
    TagRef64,
    /// `funcref<sig>`
    FuncRef(S),
    /// `threadref`
    ThreadRef,
    /// `stackref`
    StackRef,
    /// `framecursorref`
    FrameCursorRef,
    /// `irbuilderref` (2017 name of `irnoderef`)
    IrBuilderRef,
}

impl<T, S> TypeCtor<T, S> {
    /// The constructor's keyword in the text form.
    pub fn keyword(&self) -> &'static str {
        match self {
            TypeCtor::Int(_) => "int",
            TypeCtor::Float => "float",
            TypeCtor::Double => "double",
            TypeCtor::UPtr(_) => "uptr",
            TypeCtor::UFuncPtr(_) => "ufuncptr",
            TypeCtor::Struct(_) => "struct",
            TypeCtor::Hybrid { .. } => "hybrid",
            TypeCtor::Array(..) => "array",
            TypeCtor::Vector(..) => "vector",
            TypeCtor::Void => "void",
            TypeCtor::Ref(_) => "ref",
            TypeCtor::IRef(_) => "iref",
            TypeCtor::WeakRef(_) => "weakref",
            TypeCtor::TagRef64 => "tagref64",
            TypeCtor::FuncRef(_) => "funcref",
            TypeCtor::ThreadRef => "threadref",
            TypeCtor::StackRef => "stackref",
            TypeCtor::FrameCursorRef => "framecursorref",
            TypeCtor::IrBuilderRef => "irbuilderref",
        }
    }

    /// The type parameters, in order.
    pub fn type_args(&self) -> impl Iterator<Item = &T> {
        let (many, one): (&[T], Option<&T>) = match self {
            TypeCtor::Struct(fields) => (fields, None),
            TypeCtor::Hybrid { fixed, var } => (fixed, Some(var)),
            TypeCtor::UPtr(t)
            | TypeCtor::Array(t, _)
            | TypeCtor::Vector(t, _)
            | TypeCtor::Ref(t)
            | TypeCtor::IRef(t)
            | TypeCtor::WeakRef(t) => (&[], Some(t)),
            TypeCtor::Int(_)
            | TypeCtor::Float
            | TypeCtor::Double
            | TypeCtor::UFuncPtr(_)
            | TypeCtor::Void
            | TypeCtor::TagRef64
            | TypeCtor::FuncRef(_)
            | TypeCtor::ThreadRef
            | TypeCtor::StackRef
            | TypeCtor::FrameCursorRef
            | TypeCtor::IrBuilderRef => (&[], None),
        };
        many.iter().chain(one)
    }

    /// The signature parameter of function pointer and function reference types.
    pub fn sig_arg(&self) -> Option<&S> {
        match self {
            TypeCtor::UFuncPtr(sig) | TypeCtor::FuncRef(sig) => Some(sig),
            _ => None,
        }
    }

    /// Applies the constructor to other parameters.
    pub fn map<T2, S2>(
        &self,
        mut ty: impl FnMut(&T) -> T2,
        mut sig: impl FnMut(&S) -> S2,
    ) -> TypeCtor<T2, S2> {
        match self {
            TypeCtor::Int(n) => TypeCtor::Int(*n),
            TypeCtor::Float => TypeCtor::Float,
            TypeCtor::Double => TypeCtor::Double,
            TypeCtor::UPtr(t) => TypeCtor::UPtr(ty(t)),
            TypeCtor::UFuncPtr(s) => TypeCtor::UFuncPtr(sig(s)),
            TypeCtor::Struct(fields) => TypeCtor::Struct(fields.iter().map(ty).collect()),
            TypeCtor::Hybrid { fixed, var } => {
                let fixed = fixed.iter().map(&mut ty).collect();
                TypeCtor::Hybrid { fixed, var: ty(var) }
            }
            TypeCtor::Array(t, n) => TypeCtor::Array(ty(t), *n),
            TypeCtor::Vector(t, n) => TypeCtor::Vector(ty(t), *n),
            TypeCtor::Void => TypeCtor::Void,
            TypeCtor::Ref(t) => TypeCtor::Ref(ty(t)),
            TypeCtor::IRef(t) => TypeCtor::IRef(ty(t)),
            TypeCtor::WeakRef(t) => TypeCtor::WeakRef(ty(t)),
            TypeCtor::TagRef64 => TypeCtor::TagRef64,
            TypeCtor::FuncRef(s) => TypeCtor::FuncRef(sig(s)),
            TypeCtor::ThreadRef => TypeCtor::ThreadRef,
            TypeCtor::StackRef => TypeCtor::StackRef,
            TypeCtor::FrameCursorRef => TypeCtor::FrameCursorRef,
            TypeCtor::IrBuilderRef => TypeCtor::IrBuilderRef,
        }
    }
}

/// A linked type.
pub type Type = TypeCtor<TypeId, SigId>;

impl Type {
    /// Whether a location of this type can be accessed atomically (portability, Instructions; widths as decided).
    pub fn is_atomic(&self) -> bool {
        match self {
            Type::Int(width) => *width >= 8,
            Type::Float
            | Type::Double
            | Type::UPtr(_)
            | Type::UFuncPtr(_)
            | Type::Ref(_)
            | Type::IRef(_)
            | Type::WeakRef(_)
            | Type::TagRef64
            | Type::FuncRef(_)
            | Type::ThreadRef
            | Type::StackRef
            | Type::FrameCursorRef
            | Type::IrBuilderRef => true,
            Type::Struct(_) | Type::Hybrid { .. } | Type::Array(..) | Type::Vector(..) | Type::Void => false,
        }
    }

    /// `float` or `double`.
    pub fn is_fp(&self) -> bool {
        matches!(self, Type::Float | Type::Double)
    }

    /// `uptr` or `ufuncptr`.
    pub fn is_pointer(&self) -> bool {
        matches!(self, Type::UPtr(_) | Type::UFuncPtr(_))
    }

    /// Reference and opaque reference types; all of them have NULL.
    pub fn is_general_reference(&self) -> bool {
        matches!(
            self,
            Type::Ref(_)
                | Type::IRef(_)
                | Type::WeakRef(_)
                | Type::FuncRef(_)
                | Type::ThreadRef
                | Type::StackRef
                | Type::FrameCursorRef
                | Type::IrBuilderRef
        )
    }

    /// Types `EQ` and `NE` work on.
    pub fn is_eq_comparable(&self) -> bool {
        match self {
            Type::Int(_)
            | Type::UPtr(_)
            | Type::UFuncPtr(_)
            | Type::Ref(_)
            | Type::IRef(_)
            | Type::FuncRef(_)
            | Type::ThreadRef
            | Type::StackRef
            | Type::FrameCursorRef
            | Type::IrBuilderRef => true,
            Type::Float
            | Type::Double
            | Type::WeakRef(_)
            | Type::TagRef64
            | Type::Struct(_)
            | Type::Hybrid { .. }
            | Type::Array(..)
            | Type::Vector(..)
            | Type::Void => false,
        }
    }

    /// Types `ULT` and its family work on.
    pub fn is_ult_comparable(&self) -> bool {
        matches!(self, Type::Int(_) | Type::IRef(_)) || self.is_pointer()
    }
}

/// A linked function signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature<T> {
    /// Parameter types.
    pub params: Box<[T]>,
    /// Return types.
    pub rets: Box<[T]>,
}

struct TypeEntry {
    id: MuId,
    ctor: Type,
    canon: TypeId,
}

struct SigEntry {
    id: MuId,
    sig: Signature<TypeId>,
    canon: SigId,
}

/// All types and signatures of a program.
#[derive(Default)]
pub struct TypeStore {
    types: Vec<TypeEntry>,
    sigs: Vec<SigEntry>,
    /// Representatives, by shape: one level, with the representatives of the children.
    type_table: HashTable<TypeId>,
    sig_table: HashTable<SigId>,
    cycles: canon::Cycles,
}

/// How many types and signatures a store had at some moment.
#[derive(Clone, Copy, Debug)]
pub struct TypeMark {
    types: usize,
    sigs: usize,
}

impl TypeMark {
    /// Index of the first type after the mark.
    pub fn types(&self) -> usize {
        self.types
    }

    /// Index of the first signature after the mark.
    pub fn sigs(&self) -> usize {
        self.sigs
    }
}

impl TypeStore {
    /// Number of type definitions, derived types included.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    /// Number of signature definitions.
    pub fn sig_count(&self) -> usize {
        self.sigs.len()
    }

    /// The constructor of a type.
    #[inline]
    pub fn get(&self, ty: TypeId) -> &Type {
        &self.types[ty.index()].ctor
    }

    /// The client's id of a type; [`MuId::NONE`] for types that instructions derived.
    pub fn type_mu_id(&self, ty: TypeId) -> MuId {
        self.types[ty.index()].id
    }

    /// The representative: two types are the same exactly when their representatives are equal.
    #[inline]
    pub fn canon(&self, ty: TypeId) -> TypeId {
        self.types[ty.index()].canon
    }

    /// Whether two types are the same.
    #[inline]
    pub fn same(&self, a: TypeId, b: TypeId) -> bool {
        a == b || self.canon(a) == self.canon(b)
    }

    /// A signature.
    #[inline]
    pub fn sig(&self, sig: SigId) -> &Signature<TypeId> {
        &self.sigs[sig.index()].sig
    }

    /// The client's id of a signature.
    pub fn sig_mu_id(&self, sig: SigId) -> MuId {
        self.sigs[sig.index()].id
    }

    /// The representative of a signature.
    #[inline]
    pub fn canon_sig(&self, sig: SigId) -> SigId {
        self.sigs[sig.index()].canon
    }

    /// Whether two signatures are the same.
    #[inline]
    pub fn same_sig(&self, a: SigId, b: SigId) -> bool {
        a == b || self.canon_sig(a) == self.canon_sig(b)
    }

    /// Appends definitions that may refer to each other and to themselves: the ids they will get are
    /// `type_count()..` and `sig_count()..` in order. Representatives are computed once all are there.
    pub fn append(&mut self, types: Vec<(MuId, Type)>, sigs: Vec<(MuId, Signature<TypeId>)>) {
        let mark = self.mark();
        for (id, ctor) in types {
            let canon = TypeId::new(self.types.len());
            self.types.push(TypeEntry { id, ctor, canon });
        }
        for (id, sig) in sigs {
            let canon = SigId::new(self.sigs.len());
            self.sigs.push(SigEntry { id, sig, canon });
        }
        self.settle(mark);
    }

    /// The type with this constructor, made without a name if nobody has defined it.
    pub fn intern(&mut self, ctor: Type) -> TypeId {
        if let Some(known) = self.find(&ctor) {
            return known;
        }
        let ty = TypeId::new(self.types.len());
        self.types.push(TypeEntry { id: MuId::NONE, ctor, canon: ty });
        self.insert_type(ty);
        ty
    }

    /// The type with this constructor, if it exists.
    pub fn find(&self, ctor: &Type) -> Option<TypeId> {
        let hash = self.shape_hash(ctor);
        self.type_table.find(hash, |&other| self.same_shape(ctor, self.get(other))).copied()
    }

    fn find_sig(&self, sig: &Signature<TypeId>) -> Option<SigId> {
        let hash = self.sig_shape_hash(sig);
        self.sig_table.find(hash, |&other| self.same_sig_shape(sig, self.sig(other))).copied()
    }

    /// Remembers the present size, for [`TypeStore::truncate`].
    pub fn mark(&self) -> TypeMark {
        TypeMark { types: self.types.len(), sigs: self.sigs.len() }
    }

    /// Forgets everything appended since `mark`.
    pub fn truncate(&mut self, mark: TypeMark) {
        // Only what goes is touched: a bundle that fails costs nothing for what was loaded before.
        for ty in (mark.types..self.types.len()).map(TypeId::new) {
            if let Ok(entry) = self.type_table.find_entry(self.shape_hash(self.get(ty)), |&other| other == ty)
            {
                entry.remove();
            }
        }
        for sig in (mark.sigs..self.sigs.len()).map(SigId::new) {
            if let Ok(entry) =
                self.sig_table.find_entry(self.sig_shape_hash(self.sig(sig)), |&other| other == sig)
            {
                entry.remove();
            }
        }
        self.cycles.truncate(mark);
        self.types.truncate(mark.types);
        self.sigs.truncate(mark.sigs);
    }

    fn insert_type(&mut self, ty: TypeId) {
        let hash = self.shape_hash(self.get(ty));
        let mut table = std::mem::take(&mut self.type_table);
        table.insert_unique(hash, ty, |&other| self.shape_hash(self.get(other)));
        self.type_table = table;
    }

    fn insert_sig(&mut self, sig: SigId) {
        let hash = self.sig_shape_hash(self.sig(sig));
        let mut table = std::mem::take(&mut self.sig_table);
        table.insert_unique(hash, sig, |&other| self.sig_shape_hash(self.sig(other)));
        self.sig_table = table;
    }
}

/// A type or a signature: what canon.rs walks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Node {
    Type(TypeId),
    Sig(SigId),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> MuId {
        MuId(n)
    }

    #[test]
    fn equal_structure_is_one_type() {
        let mut store = TypeStore::default();
        store.append(vec![(id(1), Type::Int(64)), (id(2), Type::Int(64)), (id(3), Type::Int(32))], vec![]);
        assert!(store.same(TypeId(0), TypeId(1)));
        assert!(!store.same(TypeId(0), TypeId(2)));
        let derived = store.intern(Type::Ref(TypeId(1)));
        assert_eq!(store.intern(Type::Ref(TypeId(0))), derived);
        assert_eq!(store.find(&Type::Ref(TypeId(0))), Some(derived));
    }

    #[test]
    fn recursive_types_are_compared_by_unfolding() {
        let mut store = TypeStore::default();
        let node = |int: u32, next: u32| Type::Struct(vec![TypeId(int), TypeId(next)].into());
        // @i64, @node, @nref; @long, @list, @lref; @other of int<32>
        store.append(
            vec![
                (id(1), Type::Int(64)),
                (id(2), node(0, 2)),
                (id(3), Type::Ref(TypeId(1))),
                (id(4), Type::Int(64)),
                (id(5), node(3, 5)),
                (id(6), Type::Ref(TypeId(4))),
                (id(7), Type::Int(32)),
                (id(8), node(6, 8)),
                (id(9), Type::Ref(TypeId(7))),
            ],
            vec![],
        );
        assert!(store.same(TypeId(1), TypeId(4)));
        assert!(store.same(TypeId(2), TypeId(5)));
        assert!(!store.same(TypeId(1), TypeId(7)));
        assert!(!store.same(TypeId(2), TypeId(8)));
    }

    #[test]
    fn truncate_forgets() {
        let mut store = TypeStore::default();
        store.append(vec![(id(1), Type::Int(8))], vec![]);
        let mark = store.mark();
        store.append(vec![(id(2), Type::Int(16)), (id(3), Type::Ref(TypeId(1)))], vec![]);
        store.truncate(mark);
        assert_eq!(store.type_count(), 1);
        assert_eq!(store.find(&Type::Int(16)), None);
        assert_eq!(store.find(&Type::Int(8)), Some(TypeId(0)));
    }
}
