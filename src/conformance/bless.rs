//! Blessing: writing reported errors of loading into scripts.
//!
//! A place in a script is easier looked at than counted, so `//! invalid` may stand alone: blessing fills in what is
//! reported, and brings codes and places up to date after a change. Somebody then reads the difference: blessing does
//! not know which error is meant. It touches `//! invalid` lines and `//! load FILE invalid` steps (and `hail`), and nothing else; an
//! outcome of a call is always written by a person.
//!
//! The number of lines can change, and with it the places below: they are adjusted, so that blessing twice is the same
//! as blessing once.

use super::{LoadErrors, Report, Suite, Tier, run_text};
use mu_text::script::{self, Expected, StepKind};
use std::collections::BTreeMap;
use std::io;

/// A blessed script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blessed {
    /// The new text.
    pub text: String,
    /// How many lines were written, changed or removed.
    pub changed: usize,
}

/// Blesses a script of a suite, in its file; how many lines changed. Scripts without errors of loading are not run.
///
/// # Errors
/// When the file cannot be read or written.
pub fn bless_file(suite: &Suite, path: &str, tier: Tier) -> io::Result<usize> {
    let file = suite.root.join(path);
    let text = std::fs::read_to_string(&file)?;
    let expects_errors = script::parse(&text).is_ok_and(|script| {
        let loads =
            script.steps.iter().any(|step| matches!(step.kind, StepKind::Load { invalid: Some(_), .. }));
        loads || !script.invalid.is_empty()
    });
    if !expects_errors {
        return Ok(0);
    }
    let report = run_text(path, &text, file.parent().unwrap_or(&suite.root), tier);
    let Some(blessed) = bless(&text, &report) else { return Ok(0) };
    std::fs::write(&file, &blessed.text)?;
    Ok(blessed.changed)
}

/// The text with what was reported in it; `None` if nothing changes. The report is one of this text.
pub fn bless(text: &str, report: &Report) -> Option<Blessed> {
    // What stands instead of each line that holds an expectation.
    let mut edits: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for errors in &report.load_errors {
        for &line in &errors.lines {
            edits.insert(line, Vec::new());
        }
    }
    // First only how many lines there will be, since that moves the places.
    for errors in &report.load_errors {
        if let Some(first) = errors.lines.first() {
            edits.insert(*first, vec![String::new(); errors.reported.len()]);
        }
    }
    let heights: BTreeMap<u32, usize> = edits.iter().map(|(&line, lines)| (line, lines.len())).collect();
    for errors in &report.load_errors {
        if let Some(first) = errors.lines.first() {
            edits.insert(*first, lines_of(errors, &heights));
        }
    }
    apply(text, &edits)
}

/// The lines that expect these errors.
fn lines_of(errors: &LoadErrors, heights: &BTreeMap<u32, usize>) -> Vec<String> {
    let all = errors.reported.iter().enumerate();
    all.map(|(index, reported)| match &errors.file {
        None => format!("//! invalid {}", moved(reported, heights)),
        Some(file) if index == 0 => {
            let keyword = if errors.hail { "hail" } else { "load" };
            format!("//! {keyword} {file} invalid {reported}")
        }
        Some(_) => format!("//!   invalid {reported}"),
    })
    .collect()
}

/// The place after the edits above it.
fn moved(reported: &Expected, heights: &BTreeMap<u32, usize>) -> Expected {
    let above = heights.range(..reported.line);
    let (removed, written) =
        above.fold((0, 0), |(removed, written), (_, height)| (removed + 1, written + height));
    let line = reported.line + written as u32 - removed;
    Expected { line, ..reported.clone() }
}

fn apply(text: &str, edits: &BTreeMap<u32, Vec<String>>) -> Option<Blessed> {
    let mut blessed = Blessed { text: String::with_capacity(text.len()), changed: 0 };
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let Some(instead) = edits.get(&(index as u32 + 1)) else {
            blessed.text.push_str(line);
            continue;
        };
        let same = instead.len() == 1 && instead[0] == line.trim_end();
        if same {
            blessed.text.push_str(line);
            continue;
        }
        blessed.changed += instead.len().max(1);
        for new in instead {
            blessed.text.push_str(new);
            blessed.text.push('\n');
        }
    }
    (blessed.text != text).then_some(blessed)
}
