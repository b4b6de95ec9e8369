//! What the collector starts from, and how it asks for it.
//!
//! **What.** [`Roots`] is the collector's view of everything outside the heap that holds references: global cells,
//! stacks, thread-local references, pins, values of clients. The runtime answers it
//! ([`crate::runtime::Runtime::collect`]); tests answer it with made-up roots.
//!
//! **Why this way.** Roots are *places*, so that a reference can be updated when its object moves. Stacks are asked for
//! one at a time, when a reference to them is found: a stack nobody can reach is no root, and is killed after the
//! collection ([`super::Collected::reached`]). Which slots of a frame hold references only the tier knows that made the
//! frame: [`FrameMaps`] is the question to the interpreter; the code map will answer for compiled frames.

use crate::layout::LeafKind;
use crate::stack::StackRef;
use mu_ir::ids::TypeId;

/// Something that keeps objects alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// The word at an address, of a kind for which [`LeafKind::is_root`] holds.
    Slot(u64, LeafKind),
    /// A value of a canonical type in memory outside the collected heap: a global cell, an ALLOCA cell.
    Unit {
        /// Where it begins.
        address: u64,
        /// Its canonical type.
        ty: TypeId,
        /// Number of elements of its variable part.
        var_count: u64,
    },
    /// A stack, whoever holds it.
    Stack(StackRef),
}

/// Everything outside the heap that keeps objects alive.
///
/// # Safety
/// The addresses given to `visit` are multiples of 8 and stay readable and writable during the collection; units have
/// the type that is said; nobody else accesses any of this meanwhile.
pub unsafe trait Roots {
    /// Addresses that are pinned: the objects around them stay alive and where they are. Others than those of objects
    /// do not matter.
    fn pins(&self, visit: &mut dyn FnMut(u64));

    /// Roots that are always there.
    fn roots(&self, visit: &mut dyn FnMut(Root));

    /// Roots in the frames and cells of a stack that has been reached. False if there is no such stack (NULL, dead).
    fn stack(&self, stack: StackRef, visit: &mut dyn FnMut(Root)) -> bool;
}

/// The maps of the frames a tier makes.
pub trait FrameMaps {
    /// For a frame that runs the code of this number and stands at `pc`: how many slots it has, and which of them hold
    /// references now, with their kinds. `None` for codes the tier does not know.
    fn frame_map(&self, code: u32, pc: u64) -> Option<(u32, &[(u32, LeafKind)])>;
}

/// No frames.
impl FrameMaps for () {
    fn frame_map(&self, _code: u32, _pc: u64) -> Option<(u32, &[(u32, LeafKind)])> {
        None
    }
}
