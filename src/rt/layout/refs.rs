//! Reference maps: where the collector finds references in a value of a type.
//!
//! Few references are listed one by one. Arrays that hold references are one entry each, so that the map of
//! `array<ref<void> 1000000000>` is no longer than that of a pair; an entry names the element type, whose own map
//! says the rest. [`Layouts::for_each_ref`] puts it together for one allocation unit.

use super::{Layout, Layouts, LeafKind, Shape};
use mu_ir::ids::TypeId;

/// An entry of a reference map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefEntry {
    /// A word that the collector must look at.
    One {
        /// Where it is.
        offset_bytes: u64,
        /// What it is; [`LeafKind::is_root`] holds.
        kind: LeafKind,
    },
    /// Values that have references inside, one after the other.
    Repeat {
        /// Where the first is.
        offset_bytes: u64,
        /// Distance of their beginnings, in bytes.
        stride: u64,
        /// How many; `None`: as many as the variable part has elements.
        count: Option<u64>,
        /// Their canonical type.
        elem: TypeId,
    },
}

/// Maps longer than this refer to those of their parts instead of copying them.
const MAX_COPIED: usize = 64;

/// A map under construction.
#[derive(Default)]
pub(super) struct RefList(Vec<RefEntry>);

impl RefList {
    pub(super) fn push(&mut self, entry: RefEntry) {
        self.0.push(entry);
    }

    /// Adds the references of a field.
    pub(super) fn include(&mut self, ty: TypeId, part: &Layout, base: u64) {
        if part.is_too_large() || !part.has_refs() || base == Layout::TOO_LARGE {
            return;
        }
        if self.0.len() + part.refs.len() > MAX_COPIED {
            let stride = part.size_bytes;
            self.0.push(RefEntry::Repeat { offset_bytes: base, stride, count: Some(1), elem: ty });
            return;
        }
        self.0.extend(part.refs.iter().map(|entry| match *entry {
            RefEntry::One { offset_bytes, kind } => RefEntry::One { offset_bytes: base + offset_bytes, kind },
            RefEntry::Repeat { offset_bytes, stride, count, elem } => {
                RefEntry::Repeat { offset_bytes: base + offset_bytes, stride, count, elem }
            }
        }));
    }

    /// Adds the references of array elements.
    pub(super) fn repeat(
        &mut self,
        layouts: &Layouts,
        elem: TypeId,
        base: u64,
        stride: u64,
        count: Option<u64>,
    ) {
        if layouts.known(elem).is_some_and(Layout::has_refs) && base != Layout::TOO_LARGE {
            self.0.push(RefEntry::Repeat { offset_bytes: base, stride, count, elem });
        }
    }

    pub(super) fn finish(self) -> Box<[RefEntry]> {
        self.0.into()
    }
}

impl Layouts {
    /// Calls `visit(offset in bytes, kind)` for every word the collector must look at, in an allocation unit of
    /// canonical type `ty` with `var_count` elements in its variable part, in ascending order.
    ///
    /// The unit exists, so its size bounds the work. Types without a layout have no allocation units.
    pub fn for_each_ref(&self, ty: TypeId, var_count: u64, mut visit: impl FnMut(u64, LeafKind)) {
        let Some(layout) = self.known(ty) else { return };
        // (map, next entry, offset of the value, how many values follow it, their distance)
        let mut work = vec![(layout, 0usize, 0u64, 0u64, 0u64)];
        while let Some((layout, next, base, more, stride)) = work.pop() {
            let Some(entry) = layout.refs.get(next) else {
                if more > 0 {
                    work.push((layout, 0, base + stride, more - 1, stride));
                }
                continue;
            };
            match *entry {
                RefEntry::One { offset_bytes, kind } => {
                    visit(base + offset_bytes, kind);
                    work.push((layout, next + 1, base, more, stride));
                }
                RefEntry::Repeat { offset_bytes, stride: distance, count, elem } => {
                    work.push((layout, next + 1, base, more, stride));
                    let (first, count) = (base + offset_bytes, count.unwrap_or(var_count));
                    let Some(part) = self.known(elem) else { continue };
                    match part.shape {
                        // The usual case, arrays of references, without the stack.
                        Shape::Scalar(kind) => (0..count).for_each(|i| visit(first + i * distance, kind)),
                        _ if count > 0 => work.push((part, 0, first, count - 1, distance)),
                        _ => {}
                    }
                }
            }
        }
    }
}
