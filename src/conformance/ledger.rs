//! Ledgers: the scripts a tier is known to fail, and why. One file per tier, tests/ledger/TIER.txt.
//!
//! A line is `path  reason`, paths relative to the suite's root, in ascending order. The
//! ledger only shrinks by itself: a listed script that passes is a failure, and so is a line for a script that does not
//! exist. Lines that start with `#` are remarks.

use super::Tier;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The scripts a tier is known to fail.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Reason by path.
    entries: BTreeMap<String, String>,
}

impl Ledger {
    /// Where a tier's ledger is, given the folder of all of them.
    pub fn path(folder: &Path, tier: Tier) -> PathBuf {
        folder.join(format!("{}.txt", tier.name()))
    }

    /// Reads the ledger of a tier; an empty one if there is no file.
    ///
    /// # Errors
    /// What is wrong, by line.
    pub fn load(file: &Path) -> Result<Ledger, Vec<String>> {
        match std::fs::read_to_string(file) {
            Ok(text) => Ledger::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Ledger::default()),
            Err(error) => Err(vec![format!("{}: {error}", file.display())]),
        }
    }

    /// Reads the text of a ledger.
    ///
    /// # Errors
    /// Every line without a reason, out of order or given twice.
    pub fn parse(text: &str) -> Result<Ledger, Vec<String>> {
        let mut ledger = Ledger::default();
        let mut errors = Vec::new();
        let mut last = "";
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let Some((path, reason)) = line.split_once("  ").filter(|(_, reason)| !reason.trim().is_empty())
            else {
                errors.push(format!("line {number}: write `path  reason`, with two spaces"));
                continue;
            };
            if path <= last {
                errors.push(format!("line {number}: {path} belongs before {last}: lines ascend"));
            }
            last = path;
            ledger.entries.insert(path.into(), reason.trim().into());
        }
        if errors.is_empty() { Ok(ledger) } else { Err(errors) }
    }

    /// Why a script is known to fail.
    pub fn reason(&self, script: &str) -> Option<&str> {
        self.entries.get(script).map(String::as_str)
    }

    /// Paths that are no script of these (sorted).
    pub fn missing(&self, scripts: &[String]) -> Vec<&str> {
        let paths = self.entries.keys();
        paths.filter(|path| scripts.binary_search(path).is_err()).map(String::as_str).collect()
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known to fail.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
