//! The Mu IR: instruction table, types, bundles, linker and verifier.
//!
//! ```text
//!   text parser ─┐                                  ┌─> interpreter (decodes function versions)
//!                ├─> Draft ── link ──> Program ─────┤
//!   IR builder ──┘   (names)          (entities)    └─> JIT
//!                                   └ verify ┘
//! ```
//!
//! A [`draft::Draft`] is a bundle whose parts still refer to each other by symbols (names or reserved ids).
//! [`link::load`] resolves it against a [`program::Program`], the append-only store of everything an instance has
//! loaded, checks it with [`verify`], and either keeps all of it or truncates the program to what it was.
//!
//! Architecture invariants
//! * This crate depends on no other crate of the project and holds no `unsafe` code.
//! * [`table`] is the only place that knows an instruction's shape, type rule, effects, undefined behaviours, id and
//!   meaning. Parser, printer, verifier, tiers and documentation ask the table.
//! * The meaning of pure operations exists once, in [`semantics`]; [`eval`] applies it to an instruction of the table.
//! * Nothing here depends on the iteration order of a hash map.
#![forbid(unsafe_code)]

pub mod builder;
pub mod codes;
pub mod diag;
pub mod draft;
pub mod eval;
pub mod ids;
pub mod inst;
pub mod link;
pub mod program;
pub mod semantics;
pub mod table;
pub mod types;
pub mod ub;
pub mod verify;
