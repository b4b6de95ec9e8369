//! Layout of types in memory, and of values in SSA variables (uvm-memory, "Memory Layout"; native-interface-x64-unix).
//!
//! **What.** For each type: size, alignment, offsets of its parts ([`Shape`]), its scalar leaves ([`Leaf`]), and where
//! its references are ([`RefEntry`]). [`Layouts`] computes a type's layout once and keeps it.
//!
//! **Rules.** As C on x86-64. `int<n>` takes the bytes of n rounded up to a power of two; pointers and every reference
//! take 8; `void` takes none. A struct's fields lie at the lowest aligned offsets and its size is a multiple of its
//! alignment; a hybrid is a struct with a flexible array member. Array and vector elements follow each other without
//! gaps. A vector is aligned to the greatest power of two that divides its size, but not more than 64: what C does
//! where C has the vector (`vector<float 4>`: 16), and no padding where it has not (`vector<float 3>`: 12 bytes,
//! aligned to 4), because "nested arrays and vectors are one memory array" (uvm-memory, "Array Rule") must hold.
//!
//! **SSA values.** A value is its leaves in order, depth first, each in one word of 64 bits; `int<128>` takes two,
//! the low word first. An `int<n>` is zero-extended, a `float` is its bits in the low half.
//!
//! **Why this way.** Types are canonical ids, so the cache is a table: looking up is two loads, without a lock, and
//! gives a plain reference. A layout names its parts by canonical id and whoever has a type's layout has those of its
//! parts, so heap, collector and checks work with [`Layouts::known`] alone, without the type store.
//! Whether two types hold the same data ("class": equal but for what references refer to, weak like strong) is one
//! integer comparison, decided when the layout is computed.
//!
//! **Invariants.**
//! * Types may be larger than memory: [`Layout::TOO_LARGE`] says so, no arithmetic wraps, allocation fails.
//! * No recursion: types may be nested a million deep. (A struct that contains itself is the verifier's to reject;
//!   here it is too large.)
//! * A layout never changes. [`Layouts::truncate`] forgets those of a bundle that failed to load.
//!
//! **Example.** `struct<int<8> ref<void> array<int<16> 3>>`:
//! ```text
//! offset   0        8               16      18      20      22 24
//!          int<8>   ref<void>       int<16> int<16> int<16>        size 24, align 8, words 5
//! leaves   word 0   word 1          word 2  word 3  word 4         refs: One { offset 8, Ref }
//! ```

mod compute;
mod refs;

#[cfg(test)]
pub(crate) mod tests;

pub use compute::scalar_kind;
pub use refs::RefEntry;

use mu_ir::ids::TypeId;
use mu_ir::types::TypeStore;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The scalar types, as data in memory and in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum LeafKind {
    /// An integer and its width in bits, 1 to 128. Widths above 64 take two words.
    Int(u8),
    Float,
    Double,
    /// `uptr`
    Ptr,
    /// `ufuncptr`
    FuncPtr,
    Ref,
    IRef,
    WeakRef,
    TagRef64,
    FuncRef,
    ThreadRef,
    StackRef,
    FrameCursorRef,
    IrBuilderRef,
}

impl LeafKind {
    /// Size in memory, in bytes; also the alignment.
    #[inline]
    pub const fn size_bytes(self) -> u64 {
        match self {
            LeafKind::Int(1..=8) => 1,
            LeafKind::Int(9..=16) => 2,
            LeafKind::Int(17..=32) | LeafKind::Float => 4,
            LeafKind::Int(65..) => 16,
            LeafKind::Int(_)
            | LeafKind::Double
            | LeafKind::Ptr
            | LeafKind::FuncPtr
            | LeafKind::Ref
            | LeafKind::IRef
            | LeafKind::WeakRef
            | LeafKind::TagRef64
            | LeafKind::FuncRef
            | LeafKind::ThreadRef
            | LeafKind::StackRef
            | LeafKind::FrameCursorRef
            | LeafKind::IrBuilderRef => 8,
        }
    }

    /// Number of words in an SSA value: 2 for integers wider than 64 bits, else 1.
    #[inline]
    pub const fn words(self) -> u32 {
        match self {
            LeafKind::Int(65..) => 2,
            _ => 1,
        }
    }

    /// Whether a word of this kind can keep a heap object alive or changes when one moves: what the collector visits.
    /// A weak reference does not keep its object alive but is visited (cleared or updated).
    #[inline]
    pub const fn is_heap_reference(self) -> bool {
        matches!(self, LeafKind::Ref | LeafKind::IRef | LeafKind::WeakRef | LeafKind::TagRef64)
    }

    /// Whether the collector must look at words of this kind: heap references, and stacks (which are collected and
    /// are roots of what they hold), threads (which hold stacks), and frame cursors (which hold stacks).
    #[inline]
    pub const fn is_root(self) -> bool {
        self.is_heap_reference()
            || matches!(self, LeafKind::StackRef | LeafKind::ThreadRef | LeafKind::FrameCursorRef)
    }

    /// The kind of the value a load gives: a `weakref` becomes a `ref` (uvm-memory, "strong variant").
    #[inline]
    pub const fn strong(self) -> LeafKind {
        match self {
            LeafKind::WeakRef => LeafKind::Ref,
            kind => kind,
        }
    }
}

/// A scalar part of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Where it lies in memory, from the beginning of the type.
    pub offset_bytes: u64,
    /// What it is.
    pub kind: LeafKind,
    /// The index of its (first) word in an SSA value.
    pub word: u32,
}

/// A field of a struct or of the fixed part of a hybrid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The canonical type.
    pub ty: TypeId,
    /// Where it begins. [`Layout::TOO_LARGE`] when that is beyond the address space.
    pub offset_bytes: u64,
    /// The index of its first word in an SSA value of the struct; saturated.
    pub word: u32,
}

/// How a type is put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `void`
    Void,
    /// A scalar.
    Scalar(LeafKind),
    /// `struct`
    Struct(Box<[Field]>),
    /// `array` or `vector`
    Array {
        /// Canonical element type.
        elem: TypeId,
        /// Number of elements.
        count: u64,
        /// Distance of elements in bytes, which is also their size.
        stride: u64,
        /// Words of one element; saturated.
        elem_words: u32,
        /// Whether it is a vector.
        vector: bool,
    },
    /// `hybrid`
    Hybrid {
        /// The fixed part.
        fixed: Box<[Field]>,
        /// Canonical element type of the variable part.
        var: TypeId,
        /// Where the variable part begins.
        var_offset: u64,
        /// Distance of its elements in bytes, which is also their size.
        stride: u64,
    },
}

/// The layout of one type.
#[derive(Debug)]
pub struct Layout {
    /// Size in bytes; of a hybrid, the size without elements. [`Layout::TOO_LARGE`] if it exceeds the address space.
    pub size_bytes: u64,
    /// Alignment in bytes: a power of two, at most 64.
    pub align_bytes: u64,
    /// How it is put together.
    pub shape: Shape,
    /// Words of an SSA value of this type; [`u32::MAX`] when more than [`Layout::MAX_WORDS`] or not an SSA type.
    pub words: u32,
    /// Where the references are, in ascending order; see [`Layouts::for_each_ref`].
    pub refs: Box<[RefEntry]>,
    /// Number of the class: types of one class hold the same data (equal, apart from referent types and weakness).
    pub class: u32,
    /// The innermost part that has all the leaves, if that is not the type itself: of `struct<void struct<T>>` it is T, or
    /// T's own core. It lies at the beginning, since what comes before it has no bytes. Leaves are found without looking
    /// at the levels between, however many there are.
    core: Option<TypeId>,
    leaves: OnceLock<Option<Box<[Leaf]>>>,
}

impl Layout {
    /// A size or offset no memory can have.
    pub const TOO_LARGE: u64 = u64::MAX;
    /// Sizes from here on are too large: the address space of a process, in bytes.
    pub const LIMIT: u64 = 1 << 47;
    /// SSA values have at most this many words.
    pub const MAX_WORDS: u32 = 65_536;

    /// The size in bytes, if the type fits in memory at all.
    #[inline]
    pub fn size(&self) -> Option<u64> {
        (self.size_bytes != Self::TOO_LARGE).then_some(self.size_bytes)
    }

    /// Whether no memory can hold the type.
    #[inline]
    pub fn is_too_large(&self) -> bool {
        self.size_bytes == Self::TOO_LARGE
    }

    /// The scalar kind, if the type is a scalar.
    #[inline]
    pub fn scalar(&self) -> Option<LeafKind> {
        match self.shape {
            Shape::Scalar(kind) => Some(kind),
            Shape::Void | Shape::Struct(_) | Shape::Array { .. } | Shape::Hybrid { .. } => None,
        }
    }

    /// Fields of a struct or of a hybrid's fixed part; none for other types.
    #[inline]
    pub fn fields(&self) -> &[Field] {
        match &self.shape {
            Shape::Struct(fields) | Shape::Hybrid { fixed: fields, .. } => fields,
            Shape::Void | Shape::Scalar(_) | Shape::Array { .. } => &[],
        }
    }

    /// Whether the type, or an element of its variable part, holds anything the collector must look at.
    #[inline]
    pub fn has_refs(&self) -> bool {
        !self.refs.is_empty()
    }

    /// Size in bytes of an allocation unit with `var_count` elements in its variable part (0 for types without one);
    /// `None` when that is too large.
    #[inline]
    pub fn unit_size(&self, var_count: u64) -> Option<u64> {
        match self.shape {
            Shape::Hybrid { var_offset, stride, .. } => {
                let size = stride.checked_mul(var_count)?.checked_add(var_offset)?;
                (size < Self::LIMIT).then_some(size)
            }
            Shape::Void | Shape::Scalar(_) | Shape::Struct(_) | Shape::Array { .. } => self.size(),
        }
    }
}

/// Segment k of the table holds 2^k * FIRST types.
const FIRST: usize = 64;
const SEGMENTS: usize = 27;

type Segment = Box<[OnceLock<Box<Layout>>]>;

/// The layouts of all types of an instance. Shared by all its threads; lookups take no lock.
#[derive(Default)]
pub struct Layouts {
    segments: [OnceLock<Segment>; SEGMENTS],
    /// Taken while a layout is computed: the numbers of classes.
    classes: Mutex<HashMap<compute::ClassKey, u32>>,
    /// How many parts were looked at to find leaves.
    #[cfg(test)]
    leaf_steps: std::sync::atomic::AtomicU64,
}

impl Layouts {
    /// An empty cache.
    pub fn new() -> Layouts {
        Layouts::default()
    }

    /// The layout of a type; computed if this is the first time. `types` is the store of this instance.
    #[inline]
    pub fn of(&self, types: &TypeStore, ty: TypeId) -> &Layout {
        let canon = types.canon(ty);
        match self.known(canon) {
            Some(layout) => layout,
            None => self.compute(types, canon),
        }
    }

    /// The layout of a canonical type, if it has been asked for (itself or as part of another) before.
    #[inline]
    pub fn known(&self, canon: TypeId) -> Option<&Layout> {
        let (segment, index) = place(canon);
        self.segments[segment].get()?[index].get().map(|layout| &**layout)
    }

    /// The scalar leaves of an SSA value, in order; `None` for types without SSA values (hybrids) and for values of
    /// more than [`Layout::MAX_WORDS`] words. Computed once per type.
    pub fn leaves(&self, types: &TypeStore, ty: TypeId) -> Option<&[Leaf]> {
        let layout = self.core(self.of(types, ty));
        layout.leaves.get_or_init(|| self.compute_leaves(layout)).as_deref()
    }

    /// The layout whose leaves are those of a layout.
    #[inline]
    fn core<'a>(&'a self, layout: &'a Layout) -> &'a Layout {
        layout.core.and_then(|core| self.known(core)).unwrap_or(layout)
    }

    /// Number of words of an SSA value; `None` as for [`Layouts::leaves`].
    pub fn words(&self, types: &TypeStore, ty: TypeId) -> Option<u32> {
        let words = self.of(types, ty).words;
        (words <= Layout::MAX_WORDS).then_some(words)
    }

    /// Whether two canonical types hold the same data: equal but for referent types and weakness of references.
    /// Types without a layout yet are equal to themselves only.
    #[inline]
    pub fn same_class(&self, a: TypeId, b: TypeId) -> bool {
        a == b || matches!((self.known(a), self.known(b)), (Some(a), Some(b)) if a.class == b.class)
    }

    /// The scalar, with its canonical type, at exactly `offset_bytes` of an allocation unit of canonical type `ty` with
    /// `var_count` elements; `None` where none begins.
    #[inline]
    pub fn leaf_at(&self, ty: TypeId, var_count: u64, offset_bytes: u64) -> Option<(TypeId, LeafKind)> {
        // A `Walk` without what only shifts need: this runs at every access of checked mode.
        let (mut ty, mut offset) = (ty, offset_bytes);
        loop {
            match &self.known(ty)?.shape {
                Shape::Scalar(kind) => return (offset == 0).then_some((ty, *kind)),
                Shape::Void => return None,
                Shape::Struct(fields) => (ty, offset) = field_at(fields, offset)?,
                Shape::Array { elem, count, stride, .. } => {
                    (ty, offset) = element_at(*elem, *count, *stride, offset)?
                }
                Shape::Hybrid { fixed, var, var_offset, stride } => {
                    (ty, offset) = match offset.checked_sub(*var_offset) {
                        None => field_at(fixed, offset)?,
                        Some(inside) => element_at(*var, var_count, *stride, inside)?,
                    };
                }
            }
        }
    }

    /// Forgets the layouts of types from index `type_count` on, whose bundle failed to load.
    pub fn truncate(&mut self, type_count: usize) {
        for (number, segment) in self.segments.iter_mut().enumerate() {
            let first = FIRST * ((1 << number) - 1);
            let Some(slots) = segment.get_mut() else { continue };
            for slot in slots.iter_mut().skip(type_count.saturating_sub(first)) {
                slot.take();
            }
        }
    }

    /// Keeps a computed layout; the first one wins (they are equal).
    fn keep(&self, canon: TypeId, layout: Layout) {
        let (segment, index) = place(canon);
        let slots = self.segments[segment]
            .get_or_init(|| std::iter::repeat_with(OnceLock::new).take(FIRST << segment).collect());
        let _ = slots[index].set(Box::new(layout));
    }
}

/// Segment and index of a type.
#[inline]
fn place(canon: TypeId) -> (usize, usize) {
    let position = canon.index() + FIRST;
    let segment = (position / FIRST).ilog2() as usize;
    (segment, position - (FIRST << segment))
}

/// The last field that begins at or before an offset, and the rest of the offset.
#[inline]
fn field_at(fields: &[Field], offset: u64) -> Option<(TypeId, u64)> {
    let after = fields.partition_point(|field| field.offset_bytes <= offset);
    let field = &fields[after.checked_sub(1)?];
    Some((field.ty, offset - field.offset_bytes))
}

/// The element around an offset of an array, and the rest of the offset.
#[inline]
fn element_at(elem: TypeId, count: u64, stride: u64, offset: u64) -> Option<(TypeId, u64)> {
    let index = offset.checked_div(stride)?;
    (index < count).then(|| (elem, offset - index * stride))
}

/// The way down from an allocation unit to the locations around one offset: the unit's type, the part of it that
/// covers the offset, the part of that, …
///
/// `offset()` is the distance from the beginning of the location visited last. Locations that begin exactly at the
/// offset ("prefixes", uvm-memory "Prefix Rule") are those visited with `offset() == 0`.
pub struct Walk<'a> {
    layouts: &'a Layouts,
    next: Option<TypeId>,
    /// The type visited last.
    current: TypeId,
    var_count: u64,
    offset: u64,
    next_offset: u64,
    /// The memory array that the location to be visited next is an element of: bytes from the beginning of the
    /// array to that location, and bytes of the whole array.
    array: Option<(u64, u64)>,
    next_array: Option<(u64, u64)>,
}

impl<'a> Walk<'a> {
    /// Starts at an allocation unit of canonical type `ty`.
    #[inline]
    pub fn new(layouts: &'a Layouts, ty: TypeId, var_count: u64, offset_bytes: u64) -> Walk<'a> {
        let (next, offset) = (Some(ty), offset_bytes);
        Walk {
            layouts,
            next,
            current: ty,
            var_count,
            offset,
            next_offset: offset,
            array: None,
            next_array: None,
        }
    }

    /// Goes one level down; `None` at the bottom, in padding, and outside the unit.
    #[inline]
    pub fn next_layout(&mut self) -> Option<&'a Layout> {
        let ty = self.next.take()?;
        let layout = self.layouts.known(ty)?;
        self.current = ty;
        self.offset = self.next_offset;
        self.array = self.next_array;
        match &layout.shape {
            Shape::Void | Shape::Scalar(_) => {}
            Shape::Struct(fields) => self.enter_field(fields),
            Shape::Array { elem, count, stride, .. } => self.enter_array(*elem, *count, *stride, 0),
            Shape::Hybrid { fixed, var, var_offset, stride } => {
                if self.offset < *var_offset {
                    self.enter_field(fixed);
                } else {
                    // A hybrid is never nested: this is the whole unit.
                    self.enter_array(*var, self.var_count, *stride, *var_offset);
                }
            }
        }
        Some(layout)
    }

    fn enter_field(&mut self, fields: &[Field]) {
        if let Some((ty, offset)) = field_at(fields, self.offset) {
            (self.next, self.next_offset, self.next_array) = (Some(ty), offset, None);
        }
    }

    fn enter_array(&mut self, elem: TypeId, count: u64, stride: u64, begin: u64) {
        let inside = self.offset - begin;
        if let Some((ty, offset)) = element_at(elem, count, stride, inside) {
            let (before, total) = self.array.unwrap_or((0, stride.saturating_mul(count)));
            (self.next, self.next_offset) = (Some(ty), offset);
            self.next_array = Some((before + (inside - offset), total));
        }
    }

    /// The canonical type visited last.
    #[inline]
    pub fn ty(&self) -> TypeId {
        self.current
    }

    /// Distance of the wanted offset from the beginning of the location visited last.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The greatest memory array that the location visited last is an element of (uvm-memory, "Array Rule"): how many
    /// bytes of it lie before that location, and how many it has in all.
    #[inline]
    pub fn array(&self) -> Option<(u64, u64)> {
        self.array
    }
}
