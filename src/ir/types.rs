//! Types and signatures, and when two of them are the same.
//!
//! A `.typedef` names one application of a type constructor. Two definitions denote the same type when they are built
//! the same way ("structural" equality); with recursion through references that means: when no finite unfolding tells
//! them apart. So `@i64 = int<64>` of two bundles are one type, and so are two linked-list nodes written twice.
//!
//! [`TypeStore`] keeps every definition (so that messages and the printer can use the user's names) and gives each a
//! *canonical* representative. Equality of types is equality of representatives, one integer comparison.
//!
//! How representatives are found: definitions are appended in groups that may refer to each other (a bundle).
//! For each new definition a hash of its first few levels selects candidates among the older representatives;
//! a candidate is confirmed by walking both types together and assuming equal whatever pair is already on the path,
//! which is the usual check for recursive types. Types derived by instructions (`ref<T>` of `NEW <@T>`) are interned
//! through the same store, without a name.
//!
//! ```text
//! @node  = struct<@i64 @nref>    @nref  = ref<@node>        representative of @list is @node,
//! @list  = struct<@long @lref>   @lref  = ref<@list>        of @lref is @nref, of @long is @i64
//! ```

use crate::ids::{MuId, SigId, TypeId};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

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
    pub fn map<T2, S2>(&self, mut ty: impl FnMut(&T) -> T2, mut sig: impl FnMut(&S) -> S2) -> TypeCtor<T2, S2> {
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
    /// `int`, pointers, `float`, `double`, general reference types and `tagref64` (type-system, "scalar types").
    pub fn is_scalar(&self) -> bool {
        !matches!(
            self,
            Type::Struct(_) | Type::Hybrid { .. } | Type::Array(..) | Type::Vector(..) | Type::Void
        )
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
            Type::Int(_) => true,
            Type::WeakRef(_) => false,
            _ => self.is_pointer() || self.is_general_reference(),
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

/// How far a shape hash looks into a type. Deeper hashes separate more types, shallower ones are quicker.
const HASH_DEPTH: u32 = 3;

/// All types and signatures of a program.
#[derive(Default)]
pub struct TypeStore {
    types: Vec<TypeEntry>,
    sigs: Vec<SigEntry>,
    /// Representatives only.
    type_table: HashTable<TypeId>,
    sig_table: HashTable<SigId>,
    hasher: ShapeHasher,
}

/// Deterministic seeds: the same program makes the same tables.
#[derive(Clone, Copy, Default)]
struct ShapeHasher;

impl BuildHasher for ShapeHasher {
    type Hasher = std::hash::DefaultHasher;
    fn build_hasher(&self) -> Self::Hasher {
        std::hash::DefaultHasher::new()
    }
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
        for index in mark.types..self.types.len() {
            let ty = TypeId::new(index);
            let hash = self.type_hash(ty);
            match self.find_equal_type(hash, ty) {
                Some(canon) => self.types[index].canon = canon,
                None => self.insert_type(hash, ty),
            }
        }
        for index in mark.sigs..self.sigs.len() {
            let sig = SigId::new(index);
            let hash = self.sig_hash(sig);
            let known = self.sig_table.find(hash, |&other| self.equal(Node::Sig(sig), Node::Sig(other))).copied();
            match known {
                Some(canon) => self.sigs[index].canon = canon,
                None => self.insert_sig(hash, sig),
            }
        }
    }

    /// The type with this constructor, made without a name if nobody has defined it.
    pub fn intern(&mut self, ctor: Type) -> TypeId {
        let index = self.types.len();
        let ty = TypeId::new(index);
        self.types.push(TypeEntry { id: MuId::NONE, ctor, canon: ty });
        let hash = self.type_hash(ty);
        match self.find_equal_type(hash, ty) {
            Some(canon) => {
                self.types.pop();
                canon
            }
            None => {
                self.insert_type(hash, ty);
                ty
            }
        }
    }

    /// The type with this constructor, if it exists.
    pub fn find(&self, ctor: &Type) -> Option<TypeId> {
        let mut hasher = self.hasher.build_hasher();
        self.hash_ctor(ctor, HASH_DEPTH, &mut hasher);
        let hash = hasher.finish();
        self.type_table
            .find(hash, |&other| self.equal_ctor(ctor, self.get(other), &mut Vec::new()))
            .copied()
    }

    /// Remembers the present size, for [`TypeStore::truncate`].
    pub fn mark(&self) -> TypeMark {
        TypeMark { types: self.types.len(), sigs: self.sigs.len() }
    }

    /// Forgets everything appended since `mark`.
    pub fn truncate(&mut self, mark: TypeMark) {
        self.type_table.retain(|ty| ty.index() < mark.types);
        self.sig_table.retain(|sig| sig.index() < mark.sigs);
        self.types.truncate(mark.types);
        self.sigs.truncate(mark.sigs);
    }

    fn find_equal_type(&self, hash: u64, ty: TypeId) -> Option<TypeId> {
        self.type_table.find(hash, |&other| self.equal(Node::Type(ty), Node::Type(other))).copied()
    }

    fn insert_type(&mut self, hash: u64, ty: TypeId) {
        let mut table = std::mem::take(&mut self.type_table);
        table.insert_unique(hash, ty, |&other| self.type_hash(other));
        self.type_table = table;
    }

    fn insert_sig(&mut self, hash: u64, sig: SigId) {
        let mut table = std::mem::take(&mut self.sig_table);
        table.insert_unique(hash, sig, |&other| self.sig_hash(other));
        self.sig_table = table;
    }

    fn type_hash(&self, ty: TypeId) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        self.hash_ctor(self.get(ty), HASH_DEPTH, &mut hasher);
        hasher.finish()
    }

    fn sig_hash(&self, sig: SigId) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        self.hash_signature(self.sig(sig), HASH_DEPTH, &mut hasher);
        hasher.finish()
    }

    fn hash_ctor(&self, ctor: &Type, depth: u32, hasher: &mut impl Hasher) {
        hasher.write(ctor.keyword().as_bytes());
        match ctor {
            Type::Int(n) => hasher.write_u32(*n),
            Type::Array(_, n) | Type::Vector(_, n) => hasher.write_u64(*n),
            Type::Struct(fields) | Type::Hybrid { fixed: fields, .. } => hasher.write_usize(fields.len()),
            _ => {}
        }
        if depth == 0 {
            return;
        }
        // The first few members tell types apart well enough; wide structs stay cheap.
        for &arg in ctor.type_args().take(8) {
            self.hash_ctor(self.get(arg), depth - 1, hasher);
        }
        if let Some(&sig) = ctor.sig_arg() {
            self.hash_signature(self.sig(sig), depth - 1, hasher);
        }
    }

    fn hash_signature(&self, sig: &Signature<TypeId>, depth: u32, hasher: &mut impl Hasher) {
        hasher.write_usize(sig.params.len());
        hasher.write_usize(sig.rets.len());
        if depth > 0 {
            for &ty in sig.params.iter().chain(&*sig.rets).take(8) {
                self.hash_ctor(self.get(ty), depth - 1, hasher);
            }
        }
    }

    /// Coinductive equality with an explicit work list: no recursion, so that long chains of types cannot overflow
    /// the host stack. Each pair is looked at once; a pair met again is taken as equal.
    fn equal(&self, a: Node, b: Node) -> bool {
        let mut work = vec![(a, b)];
        self.equal_all(&mut work)
    }

    fn equal_ctor(&self, a: &Type, b: &Type, work: &mut Vec<(Node, Node)>) -> bool {
        self.unify_ctor(a, b, work) && self.equal_all(work)
    }

    fn equal_all(&self, work: &mut Vec<(Node, Node)>) -> bool {
        let mut done = 0;
        while done < work.len() {
            let (a, b) = work[done];
            done += 1;
            let (a, b) = (self.canon_node(a), self.canon_node(b));
            if a == b || work[..done - 1].iter().any(|&(x, y)| self.canon_node(x) == a && self.canon_node(y) == b) {
                continue;
            }
            let equal = match (a, b) {
                (Node::Type(a), Node::Type(b)) => self.unify_ctor(self.get(a), self.get(b), work),
                (Node::Sig(a), Node::Sig(b)) => self.unify_sig(self.sig(a), self.sig(b), work),
                _ => false,
            };
            if !equal {
                return false;
            }
        }
        true
    }

    fn canon_node(&self, node: Node) -> Node {
        match node {
            Node::Type(ty) => Node::Type(self.canon(ty)),
            Node::Sig(sig) => Node::Sig(self.canon_sig(sig)),
        }
    }

    /// Compares one level; what is below goes on the work list.
    fn unify_ctor(&self, a: &Type, b: &Type, work: &mut Vec<(Node, Node)>) -> bool {
        let one_level = match (a, b) {
            (Type::Int(m), Type::Int(n)) => m == n,
            (Type::Array(_, m), Type::Array(_, n)) | (Type::Vector(_, m), Type::Vector(_, n)) => m == n,
            (Type::Struct(f), Type::Struct(g)) => f.len() == g.len(),
            (Type::Hybrid { fixed: f, .. }, Type::Hybrid { fixed: g, .. }) => f.len() == g.len(),
            _ => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        if !one_level {
            return false;
        }
        work.extend(a.type_args().zip(b.type_args()).map(|(&x, &y)| (Node::Type(x), Node::Type(y))));
        if let (Some(&x), Some(&y)) = (a.sig_arg(), b.sig_arg()) {
            work.push((Node::Sig(x), Node::Sig(y)));
        }
        true
    }

    fn unify_sig(&self, a: &Signature<TypeId>, b: &Signature<TypeId>, work: &mut Vec<(Node, Node)>) -> bool {
        if a.params.len() != b.params.len() || a.rets.len() != b.rets.len() {
            return false;
        }
        let left = a.params.iter().chain(&*a.rets);
        let right = b.params.iter().chain(&*b.rets);
        work.extend(left.zip(right).map(|(&x, &y)| (Node::Type(x), Node::Type(y))));
        true
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
