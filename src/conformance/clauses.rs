//! The clauses of the specification: which there are (tests/conformance/clauses.txt), and the page that says which of them
//! the scripts are about (tests/conformance/CLAUSES.md).
//!
//! A suite may have a list of clauses beside its scripts. Then a script that names another clause fails, and the page
//! says which clauses no script names. The page is made from the list, the `//! spec:` lines and the ledgers; no script
//! is run for it.
//!
//! ```
//! use mu_vm::conformance::clauses::Known;
//!
//! let known = Known::parse("# some clauses\nhail#example\nhail#binary-form  text\n").unwrap();
//! assert_eq!(known.unknown(&["hail#exmaple".into(), "hail#example".into()]), ["hail#exmaple"]);
//! assert!(Known::parse("hail#example\nhail#example\n").is_err());
//! ```

use super::{Ledger, Suite, Tier};
use mu_text::script;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The clauses there are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// With the reason why no script is about them, if there is one.
    clauses: BTreeMap<String, Option<Reason>>,
}

/// Why no script is about a clause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Its text is that of its sections.
    Title,
    /// It demands nothing.
    Text,
    /// Only a client sees it.
    Client,
}

impl Reason {
    const ALL: [Reason; 3] = [Reason::Title, Reason::Text, Reason::Client];

    /// The word in the list.
    fn word(self) -> &'static str {
        match self {
            Reason::Title => "title",
            Reason::Text => "text",
            Reason::Client => "client",
        }
    }

    /// In words.
    fn meaning(self) -> &'static str {
        match self {
            Reason::Title => "have no text but that of their sections",
            Reason::Text => "explain, or leave to implementations, and demand nothing",
            Reason::Client => "can be seen by clients only: tests in Rust are about them",
        }
    }
}

impl Known {
    /// The list of the suite at `root`; `None` if it has none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(root: &Path) -> Result<Option<Known>, String> {
        let path = root.join("clauses.txt");
        match std::fs::read_to_string(&path) {
            Ok(text) => Known::parse(&text).map(Some).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Reads a list: a clause a line, perhaps a reason behind it; `#` begins a comment.
    ///
    /// # Errors
    /// The first line that is not so, or stands twice.
    pub fn parse(text: &str) -> Result<Known, String> {
        let mut known = Known::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
            let wrong = |what: &str| Err(format!("line {}: {what}", index + 1));
            let mut words = line.split_whitespace();
            let Some(clause) = words.next() else { continue };
            let reason = match words.next() {
                None => None,
                Some(word) => match Reason::ALL.iter().find(|reason| reason.word() == word) {
                    Some(&reason) => Some(reason),
                    None => return wrong(&format!("`{word}` is no reason")),
                },
            };
            if words.next().is_some() || !clause.contains('#') {
                return wrong("write `chapter#section`, and perhaps a reason");
            }
            if known.clauses.insert(clause.into(), reason).is_some() {
                return wrong(&format!("{clause} stands twice"));
            }
        }
        Ok(known)
    }

    /// Those of the names that are no clauses.
    pub fn unknown<'n>(&self, names: &'n [String]) -> Vec<&'n str> {
        names.iter().map(String::as_str).filter(|name| !self.clauses.contains_key(*name)).collect()
    }

    /// Why no script is about a clause, if there is a reason.
    pub fn reason(&self, clause: &str) -> Option<Reason> {
        self.clauses.get(clause).copied().flatten()
    }
}

/// What is known about one clause.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Clause {
    scripts: usize,
    assertions: usize,
    /// Scripts that pass, by tier.
    passing: Vec<usize>,
}

/// The page. `ledgers` are those of [`Tier::ALL`], in that order. Scripts and lists that cannot be read count nothing.
pub fn page(suite: &Suite, ledgers: &[Ledger]) -> String {
    let known = Known::load(&suite.root).ok().flatten().unwrap_or_default();
    let empty = Clause { passing: vec![0; ledgers.len()], ..Clause::default() };
    let mut clauses: BTreeMap<String, Clause> =
        known.clauses.keys().map(|clause| (clause.clone(), empty.clone())).collect();
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
    write_page(&clauses, &total, &known)
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

fn write_page(clauses: &BTreeMap<String, Clause>, total: &Clause, known: &Known) -> String {
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
    let silent = |reason: Option<Reason>| {
        let silent = clauses.iter().filter(|(_, clause)| clause.scripts == 0);
        silent.map(|(name, _)| name).filter(move |name| known.reason(name) == reason).collect::<Vec<_>>()
    };
    let list = silent(None);
    if !list.is_empty() {
        page.push_str("\nClauses that no script is about:\n\n");
        list.iter().for_each(|name| page.push_str(&format!("- {name}\n")));
    }
    for reason in Reason::ALL {
        let list = silent(Some(reason));
        if !list.is_empty() {
            let _ = writeln!(page, "\n{} clauses {}.", list.len(), reason.meaning());
        }
    }
    page
}
