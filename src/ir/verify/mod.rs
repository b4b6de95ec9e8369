//! The verifier: checks what a bundle added to a program and derives the types of instruction results.
//!
//! It runs after linking, so every reference is resolved; it knows nothing of names except to print them. The rules are
//! those of the chapters type-system, uvm-ir, instruction-set, common-insts and memory-model; each has its own code in
//! [`crate::codes::verify`].
//!
//! ```text
//! definitions of types and signatures ─> constants, global cells, exposed functions ─> function versions
//!      defs.rs                               values.rs                                  body.rs: blocks, destinations
//!                                                       arith.rs aggregate.rs memory.rs control.rs comm.rs: one
//!                                                       function per Rule
//! ```
//!
//! How a mistake stays one error
//! * Everything is checked; nothing stops at the first error. Diagnostics come in textual order.
//! * A result whose type an error hides is [`Var::UNTYPED`], and an untyped operand fits everywhere. So is the result of
//!   an instruction whose type arguments are wrong, and its operands are not compared with them. When only an operand is
//!   wrong, the type arguments still say what the result is (`ADD <@i64>`).
//! * An ill-formed type is reported at its definition only; see facts.rs.
//!
//! Invariants
//! * A bundle without errors has no untyped variable.
//! * No recursion follows the input: member trees, constants and cycles are walked with explicit stacks.
//! * The fast path allocates nothing per instruction and formats no name; `cold` functions in `report.rs` do.
//! * Types are compared by [`TypeStore::same`](crate::types::TypeStore::same), never by id or name.
//!
//! In lenient mode a mismatch between types of one size and register class is a warning, see
//! `facts::interchangeable`.

mod aggregate;
mod arith;
mod body;
mod comm;
mod control;
mod cycles;
mod defs;
mod facts;
mod memory;
mod report;
mod values;

#[cfg(test)]
mod tests;

pub use facts::{interchangeable_lists, interchangeable_sigs, is_native_safe, is_variable_type};

use crate::diag::Findings;
use crate::draft::Draft;
use crate::ids::{BlockIdx, ConstId, FuncVerId, InstIdx, TypeId};
use crate::program::{Mark, Program, Var};
use facts::{Derived, Facts};
use std::collections::{BTreeMap, BTreeSet};

/// How strictly to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Mismatches between types of the same size and register class are warnings.
    pub lenient: bool,
}

/// Which definition of the draft each new entity came from: indexes into [`Draft::defs`], parallel to the entities that
/// were appended since the mark.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    /// Types.
    pub types: Vec<usize>,
    /// Signatures.
    pub sigs: Vec<usize>,
    /// Constants.
    pub consts: Vec<usize>,
    /// Global cells.
    pub globals: Vec<usize>,
    /// Functions.
    pub funcs: Vec<usize>,
    /// Function versions.
    pub func_vers: Vec<usize>,
    /// Exposed functions.
    pub exposes: Vec<usize>,
    /// Definitions, by index, that refer to a name that could not be resolved, directly or not. They are not checked.
    pub tainted: BTreeSet<usize>,
    /// Instructions with such a name. They are not checked, and their results are untyped.
    pub broken: BTreeSet<(FuncVerId, BlockIdx, InstIdx)>,
}

/// What all checks share.
struct Cx<'a> {
    program: &'a mut Program,
    mark: &'a Mark,
    draft: &'a Draft,
    spans: &'a Spans,
    options: Options,
    facts: Facts,
    derived: Derived,
    out: Findings,
    /// Lenient mode: constants made of others, see [`Cx::retyped`].
    retyped: BTreeMap<(ConstId, TypeId), ConstId>,
}

impl Cx<'_> {
    /// Whether nothing can be said of a new entity, by the index of its definition: see [`Spans::tainted`].
    fn is_tainted(&self, def: Option<&usize>) -> bool {
        !self.spans.tainted.is_empty() && def.is_some_and(|def| self.spans.tainted.contains(def))
    }
}

/// Checks everything that was appended to `program` since `mark` and writes the types of instruction results into the
/// new function versions. `draft` and `spans` give places for the diagnostics, which are added to those found before. The
/// bundle is good when none of them is an error.
pub fn verify(
    program: &mut Program,
    mark: &Mark,
    draft: &Draft,
    spans: &Spans,
    options: Options,
    found: Findings,
) -> Findings {
    let mut cx = Cx {
        program,
        mark,
        draft,
        spans,
        options,
        facts: Facts::default(),
        derived: Derived::default(),
        out: found,
        retyped: BTreeMap::new(),
    };
    cx.check_types();
    cx.check_sigs();
    cx.check_consts();
    cx.check_globals();
    cx.check_exposes();
    cx.check_func_vers();
    cx.out
}

/// Whether every variable of the function versions that were appended since `mark` has its type, as in a good bundle.
pub fn all_typed(program: &Program, mark: &Mark) -> bool {
    let new = program.func_vers.iter().skip(mark.func_vers());
    new.flat_map(|ver| &ver.vars).all(|var| var.ty != Var::UNTYPED)
}
