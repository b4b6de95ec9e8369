//! Computing a layout from the constructor of a type and the layouts of its parts.

use super::refs::{RefEntry, RefList};
use super::{Field, Layout, Layouts, Leaf, LeafKind, Shape};
use mu_ir::ids::TypeId;
use mu_ir::types::{Type, TypeStore};
use std::collections::HashSet;
use std::sync::OnceLock;

/// What types of one class have in common. Parts are named by their class, so equality is one level deep.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum ClassKey {
    Void,
    Scalar(LeafKind),
    Struct(Box<[u32]>),
    Array(u32, u64),
    Vector(u32, u64),
    Hybrid(Box<[u32]>, u32),
    /// A type that contains itself, which no verified program has.
    Cyclic(TypeId),
}

impl Layouts {
    /// Computes and keeps the layouts of a canonical type and all its parts. Parts come first, by an explicit stack
    /// instead of recursion.
    #[cold]
    pub(super) fn compute(&self, types: &TypeStore, canon: TypeId) -> &Layout {
        enum Step {
            Enter(TypeId),
            Leave(TypeId),
        }
        let mut work = vec![Step::Enter(canon)];
        let mut open = HashSet::new();
        while let Some(step) = work.pop() {
            match step {
                Step::Enter(ty) => {
                    if self.known(ty).is_some() || !open.insert(ty) {
                        continue;
                    }
                    work.push(Step::Leave(ty));
                    let parts = parts(types.get(ty)).map(|part| types.canon(part));
                    work.extend(parts.filter(|&part| self.known(part).is_none()).map(Step::Enter));
                }
                Step::Leave(ty) => {
                    let layout = self.layout(types, ty);
                    self.keep(ty, layout);
                }
            }
        }
        self.known(canon).expect("the walk leaves what it enters")
    }

    fn layout(&self, types: &TypeStore, ty: TypeId) -> Layout {
        let ctor = types.get(ty);
        if parts(ctor).any(|part| self.known(types.canon(part)).is_none()) {
            return self.cyclic(ty);
        }
        match ctor {
            Type::Void => {
                let shape = Shape::Void;
                self.finish(ClassKey::Void, shape, Extent { size: 0, align: 1, words: 0 }, RefList::default())
            }
            Type::Struct(fields) => {
                let (fields, extent, refs, classes) = self.place_fields(types, fields);
                let extent = Extent { size: round_up(extent.size, extent.align), ..extent };
                let core = self.core_of(fields.iter().map(|field| (field.ty, 1)));
                let layout = self.finish(ClassKey::Struct(classes), Shape::Struct(fields), extent, refs);
                Layout { core, ..layout }
            }
            Type::Array(elem, count) => self.array(types.canon(*elem), *count, false),
            Type::Vector(elem, count) => self.array(types.canon(*elem), *count, true),
            Type::Hybrid { fixed, var } => self.hybrid(types, fixed, types.canon(*var)),
            Type::Int(_)
            | Type::Float
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
            | Type::IrBuilderRef => match scalar_kind(ctor) {
                Some(kind) => self.scalar(kind),
                None => self.cyclic(ty),
            },
        }
    }

    fn scalar(&self, kind: LeafKind) -> Layout {
        let size = kind.size_bytes();
        let extent = Extent { size, align: size, words: u64::from(kind.words()) };
        let mut refs = RefList::default();
        if kind.is_root() {
            refs.push(RefEntry::One { offset_bytes: 0, kind });
        }
        self.finish(ClassKey::Scalar(kind.strong()), Shape::Scalar(kind), extent, refs)
    }

    /// What no memory can hold: a type that contains itself, an integer of a width that does not exist.
    fn cyclic(&self, ty: TypeId) -> Layout {
        let extent = Extent { size: Layout::TOO_LARGE, align: 1, words: u64::MAX };
        self.finish(ClassKey::Cyclic(ty), Shape::Void, extent, RefList::default())
    }

    fn array(&self, elem: TypeId, count: u64, vector: bool) -> Layout {
        let part = self.part(elem);
        let size = limit(part.size_bytes.saturating_mul(count));
        let align = match vector {
            // Of a size beyond memory the divisor does not matter.
            true => (1 << size.trailing_zeros().min(6)).max(part.align_bytes),
            false => part.align_bytes,
        };
        let mut refs = RefList::default();
        match count {
            // Not an entry that names the element: a chain of such arrays would be gone through for every object.
            1 => refs.include(elem, part, 0),
            _ => refs.repeat(self, elem, 0, part.size_bytes, Some(count)),
        }
        let shape = Shape::Array { elem, count, stride: part.size_bytes, elem_words: part.words, vector };
        let key =
            if vector { ClassKey::Vector(part.class, count) } else { ClassKey::Array(part.class, count) };
        let words = words_of(part).saturating_mul(count);
        let core = self.core_of(std::iter::once((elem, count)));
        Layout { core, ..self.finish(key, shape, Extent { size, align, words }, refs) }
    }

    /// The core of a type of these parts, so many of each.
    fn core_of(&self, parts: impl Iterator<Item = (TypeId, u64)>) -> Option<TypeId> {
        let mut with_words = parts.filter(|&(ty, count)| count > 0 && self.part(ty).words != 0);
        match (with_words.next(), with_words.next()) {
            (Some((ty, 1)), None) => Some(self.part(ty).core.unwrap_or(ty)),
            _ => None,
        }
    }

    fn hybrid(&self, types: &TypeStore, fixed: &[TypeId], var: TypeId) -> Layout {
        let part = self.part(var);
        let (fields, extent, mut refs, classes) = self.place_fields(types, fixed);
        let var_offset = round_up(extent.size, part.align_bytes);
        refs.repeat(self, var, var_offset, part.size_bytes, None);
        let key = ClassKey::Hybrid(classes, part.class);
        let shape = Shape::Hybrid { fixed: fields, var, var_offset, stride: part.size_bytes };
        let align = extent.align.max(part.align_bytes);
        self.finish(key, shape, Extent { size: var_offset, align, words: u64::MAX }, refs)
    }

    /// Lays fields one after the other. The extent's size is where the last one ends.
    fn place_fields(
        &self,
        types: &TypeStore,
        field_types: &[TypeId],
    ) -> (Box<[Field]>, Extent, RefList, Box<[u32]>) {
        let mut fields = Vec::with_capacity(field_types.len());
        let mut classes = Vec::with_capacity(field_types.len());
        let mut extent = Extent { size: 0, align: 1, words: 0 };
        let mut refs = RefList::default();
        for &ty in field_types {
            let ty = types.canon(ty);
            let part = self.part(ty);
            let offset_bytes = round_up(extent.size, part.align_bytes);
            refs.include(ty, part, offset_bytes);
            fields.push(Field { ty, offset_bytes, word: saturate(extent.words) });
            classes.push(part.class);
            extent.size = limit(offset_bytes.saturating_add(part.size_bytes));
            extent.align = extent.align.max(part.align_bytes);
            extent.words = extent.words.saturating_add(words_of(part));
        }
        (fields.into(), extent, refs, classes.into())
    }

    fn finish(&self, key: ClassKey, shape: Shape, extent: Extent, refs: RefList) -> Layout {
        let class = {
            let mut classes = self.classes.lock();
            let next = classes.len() as u32;
            *classes.entry(key).or_insert(next)
        };
        Layout {
            size_bytes: limit(extent.size),
            align_bytes: extent.align,
            shape,
            words: if extent.words > u64::from(Layout::MAX_WORDS) { u32::MAX } else { extent.words as u32 },
            refs: refs.finish(),
            class,
            core: None,
            leaves: OnceLock::new(),
        }
    }

    /// The layout of a part, which the walk has computed already.
    fn part(&self, canon: TypeId) -> &Layout {
        self.known(canon).expect("parts are computed first")
    }

    /// Expands a type into its leaves. Every part looked at has two parts with leaves (or is a leaf), so the work is
    /// proportional to the leaves and to the parts without; the cap on words bounds it.
    pub(super) fn compute_leaves(&self, layout: &Layout) -> Option<Box<[Leaf]>> {
        if layout.words > Layout::MAX_WORDS {
            return None;
        }
        let mut leaves = Vec::with_capacity(layout.words as usize);
        // (layout, offset, how many of them follow each other at which distance), last first
        let mut work = vec![(layout, 0, 1, 0)];
        let mut word = 0;
        while let Some((layout, offset_bytes, count, stride)) = work.pop() {
            if layout.words == 0 || count == 0 {
                continue;
            }
            #[cfg(test)]
            self.leaf_steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if count > 1 {
                work.push((layout, offset_bytes + stride, count - 1, stride));
            }
            match &self.core(layout).shape {
                Shape::Void | Shape::Hybrid { .. } => {}
                Shape::Scalar(kind) => {
                    leaves.push(Leaf { offset_bytes, kind: *kind, word });
                    word += kind.words();
                }
                Shape::Struct(fields) => work.extend(
                    fields
                        .iter()
                        .rev()
                        .map(|field| (self.part(field.ty), offset_bytes + field.offset_bytes, 1, 0)),
                ),
                Shape::Array { elem, count, stride, .. } => {
                    work.push((self.part(*elem), offset_bytes, *count, *stride));
                }
            }
        }
        Some(leaves.into())
    }
}

/// Size, alignment and words while they are being added up.
struct Extent {
    size: u64,
    align: u64,
    words: u64,
}

/// The types whose values lie inside a value of this type: not those behind references.
fn parts(ctor: &Type) -> impl Iterator<Item = TypeId> {
    let contains = match ctor {
        Type::Struct(_) | Type::Hybrid { .. } | Type::Array(..) | Type::Vector(..) => usize::MAX,
        Type::Int(_)
        | Type::Float
        | Type::Double
        | Type::UPtr(_)
        | Type::UFuncPtr(_)
        | Type::Void
        | Type::Ref(_)
        | Type::IRef(_)
        | Type::WeakRef(_)
        | Type::TagRef64
        | Type::FuncRef(_)
        | Type::ThreadRef
        | Type::StackRef
        | Type::FrameCursorRef
        | Type::IrBuilderRef => 0,
    };
    ctor.type_args().copied().take(contains)
}

/// The kind of a scalar type; `None` for other types and for integers of a width that does not exist.
pub fn scalar_kind(ctor: &Type) -> Option<LeafKind> {
    Some(match ctor {
        Type::Int(width @ 1..=128) => LeafKind::Int(*width as u8),
        Type::Float => LeafKind::Float,
        Type::Double => LeafKind::Double,
        Type::UPtr(_) => LeafKind::Ptr,
        Type::UFuncPtr(_) => LeafKind::FuncPtr,
        Type::Ref(_) => LeafKind::Ref,
        Type::IRef(_) => LeafKind::IRef,
        Type::WeakRef(_) => LeafKind::WeakRef,
        Type::TagRef64 => LeafKind::TagRef64,
        Type::FuncRef(_) => LeafKind::FuncRef,
        Type::ThreadRef => LeafKind::ThreadRef,
        Type::StackRef => LeafKind::StackRef,
        Type::FrameCursorRef => LeafKind::FrameCursorRef,
        Type::IrBuilderRef => LeafKind::IrBuilderRef,
        Type::Int(_)
        | Type::Struct(_)
        | Type::Hybrid { .. }
        | Type::Array(..)
        | Type::Vector(..)
        | Type::Void => {
            return None;
        }
    })
}

fn words_of(layout: &Layout) -> u64 {
    if layout.words == u32::MAX { u64::MAX } else { u64::from(layout.words) }
}

fn saturate(words: u64) -> u32 {
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// Turns sizes beyond the address space into [`Layout::TOO_LARGE`].
fn limit(size: u64) -> u64 {
    if size < Layout::LIMIT { size } else { Layout::TOO_LARGE }
}

fn round_up(size: u64, align: u64) -> u64 {
    limit(size.checked_next_multiple_of(align).unwrap_or(Layout::TOO_LARGE))
}
