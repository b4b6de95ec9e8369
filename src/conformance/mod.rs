//! The conformance runner: runs scripts (tests/conformance/README.md) on a tier and says what differs.
//!
//! **What.** A script is a bundle whose expectations stand in `//!` lines; [`mu_text::script`] reads them. [`run`] runs
//! one script on one tier and gives a [`Report`]: one [`Assertion`] per expectation. [`suite`] finds scripts, runs many
//! in parallel and applies the [`ledger`] of known failures. [`bless`] writes reported errors of loading into scripts.
//! [`clauses`] makes the page that counts scripts per clause of the specification.
//!
//! **Why this way.** A script is data and its results are data: the test harness (tests/conformance.rs), the command
//! (`mu test`) and the page all use the same reports. A runner trusts nothing: a panic of the machine is a failure of
//! the script that met it, and every call has a limit of instructions, so a run always ends.
//!
//! **Invariants.**
//! * An expectation that does not come true is a failed assertion, never skipped. A failed step does not hide those
//!   after it, unless the script's own bundle did not load or the machine panicked.
//! * Blessing never writes outcomes of calls.
//! * The order of everything is that of sorted paths and of lines; results do not depend on the number of jobs.
//!
//! **Example.**
//! ```
//! use mu_vm::conformance::{self, Tier};
//!
//! let text = "\
//! //! spec: instruction-set#binary-operations
//! .typedef @i8 = int<8>
//! .funcsig @sig = (@i8) -> (@i8)
//! .funcdef @twice VERSION %v1 <@sig> {
//!     %entry(<@i8> %x):
//!         %y = ADD <@i8> %x %x
//!         RET %y
//! }
//! //! call @twice(0x80) => (0)
//! //! call @twice(3) => (7)
//! ";
//! let report = conformance::run_text("twice.uir", text, std::path::Path::new("."), Tier::Interp);
//! let failures: Vec<_> = report.failures().collect();
//! assert_eq!((report.assertions.len(), failures.len()), (3, 1));
//! assert_eq!((failures[0].line, failures[0].failure.as_ref().unwrap().got.as_str()), (10, "(6)"));
//! ```

pub mod bless;
pub mod clauses;
pub mod ledger;
mod run;
pub mod suite;
#[cfg(test)]
mod tests;
mod traps;
mod values;

pub use ledger::Ledger;
pub use run::{run, run_loaded, run_text, run_with};
pub use suite::Suite;

use crate::{LoadError, Mu};
use mu_ir::diag::Diagnostic;
use mu_text::script::Expected;

/// Instructions a call may execute when its script does not say: more than any script needs, less than a hang.
pub const DEFAULT_FUEL: u64 = 50_000_000;

/// Loads a bundle: name and text. [`Mu::load_bundle`], unless bundles are to get in some other way.
pub type Loader = fn(&mut Mu, &str, &str) -> Result<Vec<Diagnostic>, LoadError>;

/// A way to execute programs. All tiers run all scripts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tier {
    /// The reference interpreter.
    Interp,
}

impl Tier {
    /// All of them.
    pub const ALL: &'static [Tier] = &[Tier::Interp];

    /// The name, as in test names, ledgers and `--tier=`.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Interp => "interp",
        }
    }

    /// The tier of a name.
    pub fn find(name: &str) -> Option<Tier> {
        Tier::ALL.iter().copied().find(|tier| tier.name() == name)
    }
}

/// What came of one script on one tier.
#[derive(Clone, Debug)]
pub struct Report {
    /// The script, as a path relative to the suite's root.
    pub script: String,
    /// The tier.
    pub tier: Tier,
    /// What was asserted, in the order it happened.
    pub assertions: Vec<Assertion>,
    /// Errors of loading where a script expects some, for [`bless`].
    pub load_errors: Vec<LoadErrors>,
    /// Garbage collections that happened.
    pub collections: u64,
    /// Allocations that a stress mode made fail.
    pub forced_failures: u64,
}

impl Report {
    /// The assertions that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Assertion> {
        self.assertions.iter().filter(|assertion| assertion.failure.is_some())
    }

    /// Whether everything came true.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }
}

/// One expectation and whether it came true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assertion {
    /// Its line in the script, from 1.
    pub line: u32,
    /// What differs.
    pub failure: Option<Failure>,
}

/// What differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What the script says.
    pub expected: String,
    /// What happened.
    pub got: String,
}

/// Errors of loading a bundle that a script expects to fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadErrors {
    /// The file of a `load FILE invalid` or `hail FILE invalid` step; `None` for the script's own bundle.
    pub file: Option<String>,
    /// It is a HAIL script.
    pub hail: bool,
    /// The lines that hold the expectation now.
    pub lines: Vec<u32>,
    /// What was reported, by place.
    pub reported: Vec<Expected>,
    /// The messages, in the same order.
    pub messages: Vec<String>,
}
