//! Text forms of the Mu IR (UIR) and of HAIL: reading, printing, formatting.
//!
//! ```text
//!            lex            parse                    link (mu-ir)
//!   text ─────────> tokens ───────> Draft, errors ─────────────────> Program
//!    ^ ^              │               │                                 │
//!    │ └── format ────┘               │                                 │
//!    └──────────────── print_draft ───┴──────────── print_program ──────┘
//! ```
//!
//! * [`parse`]: a text becomes a [`mu_ir::draft::Draft`], with all its errors.
//! * [`hail`]: HAIL scripts; a text becomes a [`hail::Script`], with all its errors.
//! * [`print_draft`], [`print_program`]: canonical text that reads back as the same bundle.
//! * [`format()`]: the author's text with canonical indentation.
//! * [`script`]: the expectations of a conformance script, in `//!` lines.
//! * [`syntax`]: the form of an instruction in one line, for people.
//! * [`units`]: sizes and counts with units.
//!
//! The written form of an instruction stands once, in the instruction table: the parser reads and the printer writes the
//! parts that [`mu_ir::table::Form::parts`] lists.
#![forbid(unsafe_code)]

mod fmt;
pub mod hail;
pub mod lex;
mod parse;
mod print;
pub mod script;
mod syntax;
#[cfg(test)]
mod test;
pub mod units;

pub use fmt::format;
pub use parse::{closest, parse};
pub use print::{print_draft, print_program};
pub use syntax::syntax;

use mu_ir::diag::{Diagnostic, Severity};

/// Makes warnings of what lenient mode lets pass in a text.
pub fn soften(diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics {
        if diagnostic.code == mu_ir::codes::parse::FLOAT_RANGE {
            diagnostic.severity = Severity::Warning;
        }
    }
}
