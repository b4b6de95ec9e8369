//! The page that says which clauses of the specification the scripts are about (tests/conformance/CLAUSES.md).
//!
//! It is made from the `//! spec:` lines, the ledgers, and the clauses that the instruction table and the table of
//! undefined behaviours name; no script is run for it.

use super::{Ledger, Suite, Tier};
use mu_ir::table::{CommInst, Op};
use mu_ir::ub::Ub;
use mu_text::script;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is known about one clause.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Clause {
    scripts: usize,
    assertions: usize,
    /// Scripts that pass, by tier.
    passing: Vec<usize>,
}

/// The page. `ledgers` are those of [`Tier::ALL`], in that order. Scripts that cannot be read count nothing.
pub fn page(suite: &Suite, ledgers: &[Ledger]) -> String {
    let mut clauses: BTreeMap<String, Clause> = BTreeMap::new();
    let empty = Clause { passing: vec![0; ledgers.len()], ..Clause::default() };
    for clause in named_by_tables() {
        clauses.insert(clause.into(), empty.clone());
    }
    let mut total = empty.clone();
    for path in &suite.scripts {
        let Ok(text) = std::fs::read_to_string(suite.root.join(path)) else { continue };
        let Ok(script) = script::parse(&text) else { continue };
        let passes: Vec<bool> = ledgers.iter().map(|ledger| ledger.reason(path).is_none()).collect();
        let mut names = script.spec.clone();
        names.sort();
        names.dedup();
        for name in names {
            clauses.entry(name).or_insert_with(|| empty.clone()).count(script.assertions(), &passes);
        }
        total.count(script.assertions(), &passes);
    }
    write_page(&clauses, &total)
}

impl Clause {
    fn count(&mut self, assertions: usize, passes: &[bool]) {
        self.scripts += 1;
        self.assertions += assertions;
        for (sum, &pass) in self.passing.iter_mut().zip(passes) {
            *sum += usize::from(pass);
        }
    }

    fn row(&self, name: &str) -> String {
        let tiers: Vec<_> =
            self.passing.iter().map(|passing| format!("{passing}/{}", self.scripts)).collect();
        format!("| {name} | {} | {} | {} |\n", self.scripts, self.assertions, tiers.join(" | "))
    }
}

/// Clauses that something in the machine refers to. Those about the IR builder are tested through the API.
fn named_by_tables() -> impl Iterator<Item = &'static str> {
    let instructions = Op::ALL.iter().map(|op| op.anchor());
    let common = CommInst::ALL.iter().map(|inst| inst.anchor());
    let all = instructions.chain(common).chain(Ub::ALL.iter().map(|ub| ub.anchor()));
    all.filter(|anchor| !anchor.starts_with("irbuilder#"))
}

fn write_page(clauses: &BTreeMap<String, Clause>, total: &Clause) -> String {
    let mut page = String::from(
        "# Clauses of the specification\n\n\
         Made by `mu test --clauses`: how many scripts are about each clause, how many things they assert, and how many\n\
         of the scripts pass on each tier. A script about several clauses counts for each.\n\n",
    );
    let names: Vec<_> = Tier::ALL.iter().map(|tier| tier.name()).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(page, "| clause | scripts | assertions | {} |", names.join(" | "));
    let _ = writeln!(page, "|---|---:|---:|{}", "---:|".repeat(names.len()));
    for (name, clause) in clauses.iter().filter(|(_, clause)| clause.scripts > 0) {
        page.push_str(&clause.row(name));
    }
    page.push_str(&total.row("all scripts"));
    page.push_str("\nClauses that a table of the machine refers to and no script is about:\n\n");
    for (name, _) in clauses.iter().filter(|(_, clause)| clause.scripts == 0) {
        let _ = writeln!(page, "- {name}");
    }
    page
}
