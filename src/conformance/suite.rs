//! Many scripts: finding them, running them in parallel, judging them with the ledger.

use super::{Ledger, Report, Tier, run_with};
use mu_rt::runtime::Config;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Scripts under one folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suite {
    /// The folder.
    pub root: PathBuf,
    /// Paths relative to it, with `/`, ascending.
    pub scripts: Vec<String>,
}

/// What a report means, given the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Everything came true.
    Passed,
    /// Something did not.
    Failed,
    /// Something did not, which the ledger says.
    KnownFailure,
    /// The ledger says it fails, and it passes.
    Stale,
}

impl Suite {
    /// All scripts under a folder: `*.uir` except `*.part.uir`.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn find(root: &Path) -> io::Result<Suite> {
        let mut scripts = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if is_script(&path) {
                    scripts.push(relative(root, &path));
                }
            }
        }
        scripts.sort();
        Ok(Suite { root: root.to_owned(), scripts })
    }

    /// Runs scripts on tiers, `jobs` at a time; reports in the order of scripts, then tiers.
    pub fn run(&self, tiers: &[Tier], jobs: usize) -> Vec<Report> {
        self.run_with(tiers, jobs, &Config::default())
    }

    /// The same in instances of another configuration (stress modes).
    pub fn run_with(&self, tiers: &[Tier], jobs: usize, config: &Config) -> Vec<Report> {
        let work: Vec<(&String, Tier)> =
            self.scripts.iter().flat_map(|script| tiers.iter().map(move |&tier| (script, tier))).collect();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(work.len()));
        std::thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, work.len().max(1)) {
                scope.spawn(|| {
                    while let Some(&(script, tier)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let report = run_with(&self.root, script, tier, config);
                        // Nothing panics while it holds the lock.
                        if let Ok(mut done) = done.lock() {
                            done.push(report);
                        }
                    }
                });
            }
        });
        let mut reports = done.into_inner().unwrap_or_default();
        reports.sort_by(|a, b| (&a.script, a.tier).cmp(&(&b.script, b.tier)));
        reports
    }
}

fn is_script(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.ends_with(".uir") && !name.ends_with(".part.uir")
}

/// A path relative to a folder, with `/`.
pub fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// What a report means.
pub fn judge(report: &Report, ledger: &Ledger) -> Verdict {
    match (report.passed(), ledger.reason(&report.script)) {
        (true, None) => Verdict::Passed,
        (false, None) => Verdict::Failed,
        (false, Some(_)) => Verdict::KnownFailure,
        (true, Some(_)) => Verdict::Stale,
    }
}

/// Failures written for people: `file:line`, expected and got; at most `limit` of them.
pub fn show_failures(root: &Path, report: &Report, limit: usize) -> String {
    let mut text = String::new();
    let path = root.join(&report.script);
    let mut more = 0;
    for (index, assertion) in report.failures().enumerate() {
        let Some(failure) = &assertion.failure else { continue };
        if index >= limit {
            more += 1;
            continue;
        }
        let got = failure.got.replace('\n', "\n           ");
        text += &format!("{}:{} [{}]\n", path.display(), assertion.line, report.tier.name());
        text += &format!("  expected {}\n       got {got}\n", failure.expected);
    }
    if more > 0 {
        text += &format!("  … and {more} more failures in this script\n");
    }
    text
}
