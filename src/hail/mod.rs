//! Loading HAIL scripts (hail): heap objects and what they hold, written down.
//!
//! ```text
//!   text ── mu_text::hail ──> Script ── check ──> Plan ── run ──> objects, stores
//!                                        │ errors           │ no memory
//!                                        └──── nothing has changed ────┘
//! ```
//!
//! **What.** [`Mu::load_hail`] reads a script, checks all of it against what is loaded, allocates its objects and then
//! stores, in the order of the text.
//!
//! **Why this way.** Everything in a script is known before it runs: types, lengths, indexes, and where each value goes.
//! So [`check`] turns it into a [`Plan`], a list of allocations and a list of stores to (object, offset), and finds
//! every error there is; [`run`] cannot fail but for lack of memory, and that shows before the first store. Hence a
//! script is loaded as a whole or not at all, though stores to global cells could not be undone.
//!
//! **Invariants.**
//! * All allocations happen before any initialisation, whatever the textual order.
//! * Nothing is allocated after the first allocation that could collect: addresses are held from the allocations to the
//!   last store, without a safepoint between.
//! * Loading a script does not change the program: it defines no names and makes no types.
//! * No recursion: neither types nor values choose the depth of the host stack.

mod check;
mod location;
mod run;
#[cfg(test)]
mod tests;

use crate::{LoadError, Mu};
use mu_ir::diag::{Diagnostic, Severity, Source};
use mu_ir::ids::{GlobalId, SourceId, TypeId};
use mu_rt::layout::LeafKind;

/// What a script does, checked.
#[derive(Debug, Default)]
struct Plan {
    allocs: Vec<Object>,
    stores: Vec<Store>,
}

/// An object to be allocated.
#[derive(Clone, Copy, Debug)]
struct Object {
    /// Canonical type.
    ty: TypeId,
    /// Length of the variable part; `None` for types without one.
    count: Option<u64>,
    /// Where its allocation is written.
    span: mu_ir::diag::Span,
}

/// A place in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    base: Base,
    offset: u64,
}

/// What an offset counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Base {
    /// An object, by its number in [`Plan::allocs`].
    Object(usize),
    /// A global cell.
    Global(GlobalId),
}

/// A store.
#[derive(Clone, Copy, Debug)]
struct Store {
    to: Place,
    what: Stored,
}

/// What is stored.
#[derive(Clone, Copy, Debug)]
enum Stored {
    /// A scalar; low words first.
    Scalar(LeafKind, [u64; 2]),
    /// A reference of this kind to a place.
    Reference(LeafKind, Place),
    /// A copy of so many bytes from a place. Neither overlaps what is written nor is read atomically.
    Copy(Place, u64),
    /// A copy of a reference at a place, to be kept as another kind (`ref` as `weakref`).
    Scalars(LeafKind, Place),
    /// A `tagref64` of a reference and a tag.
    Tagged(Referent, u64),
    /// A `tagref64` of the double or the `int<52>` at a place.
    Number(LeafKind, Place),
}

/// What the reference in a `tagref64` refers to.
#[derive(Clone, Copy, Debug)]
enum Referent {
    Null,
    /// An object of the script.
    Object(usize),
    /// What the reference at a place refers to.
    Loaded(Place),
}

impl Mu {
    /// Loads a HAIL script in text form: all of it, or nothing. Answers the warnings (lenient mode).
    ///
    /// ```
    /// # use mu_vm::{Mu, Options};
    /// # let mut mu = Mu::new(Options::default()).unwrap();
    /// mu.load_bundle("list.uir", "
    ///     .typedef @i64 = int<64>
    ///     .typedef @node = struct<@i64 @next>
    ///     .typedef @next = ref<@node>
    ///     .global @head <@next>").unwrap();
    /// mu.load_hail("list.hail", "
    ///     .new $a <@node>
    ///     .new $b <@node>
    ///     .init $a = {1 $b}
    ///     .init $b = {2 NULL}
    ///     .init @head = $a").unwrap();
    /// ```
    ///
    /// # Errors
    /// Every error of the script; or that there is no memory for its objects.
    pub fn load_hail(&mut self, name: &str, text: &str) -> Result<Vec<Diagnostic>, LoadError> {
        let source = SourceId::new(self.machine.rt.program.sources.len());
        let (script, mut diagnostics) = mu_text::hail::parse(text, source);
        self.soften(&mut diagnostics);
        let fine = |diagnostics: &[Diagnostic]| diagnostics.iter().all(|d| d.severity == Severity::Warning);
        if fine(&diagnostics) {
            let (plan, found) = check::check(&self.machine.rt, &script);
            diagnostics.extend(found);
            if fine(&diagnostics) {
                // Nothing is stored before everything is allocated, so a plan that found no room can be run again.
                let ran = run::run(&self.machine.rt, &plan).or_else(|_| {
                    self.collect();
                    run::run(&self.machine.rt, &plan)
                });
                match ran {
                    Ok(()) => return Ok(diagnostics),
                    Err(error) => diagnostics.push(*error),
                }
            }
        }
        let mut sources = self.machine.rt.program.sources.clone();
        sources.push(Source { name: name.into(), text: text.into() });
        Err(LoadError { diagnostics, sources })
    }
}
