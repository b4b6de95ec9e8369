//! `mu test`: runs conformance scripts (tests/conformance/README.md) and says what differs.
//!
//! Everything is done by `mu_vm::conformance`; this file finds the scripts, prints, and chooses the exit code.

use super::exit::Exit;
use super::options::MemoryArgs;
use super::output::{self, Failure};
use clap::Args;
use mu_vm::conformance::suite::{self, Verdict};
use mu_vm::conformance::{Ledger, Report, Suite, Tier, bless, clauses};
use mu_vm::rt::runtime::Config;
use std::path::{Path, PathBuf};

/// Failures of one script that are printed.
const FAILURES_SHOWN: usize = 20;

/// The suite of a project, from the project's root.
const SUITE: &str = "tests/conformance";

/// The ledgers of a project, from its suite.
const LEDGERS: &str = "../ledger";

/// Arguments of `mu test`.
#[derive(Args)]
#[command(after_help = help())]
pub struct TestArgs {
    /// Scripts and folders of scripts [default: tests/conformance]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The tier to run on: interp, or all
    #[arg(long, value_name = "TIER", default_value = "all", value_parser = parse_tiers)]
    tier: Tiers,
    /// Only scripts whose path contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write reported errors of loading into `//! invalid` lines
    #[arg(long)]
    bless: bool,
    /// Print the paths of the scripts and run nothing
    #[arg(long, conflicts_with_all = ["bless", "clauses"])]
    list: bool,
    /// Print how many scripts there are about each clause of the specification
    #[arg(long, conflicts_with = "bless")]
    clauses: bool,
    /// How many scripts to run at a time [default: one for each CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    #[command(flatten)]
    memory: MemoryArgs,
    /// Run every Mu thread on an OS thread of its own; otherwise all take turns on one, by the seeds of each script
    #[arg(long)]
    os_threads: bool,
    /// Scripts that are known to fail, one `path  reason` a line [default: the project's tests/ledger/TIER.txt]
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// Tiers, as given with `--tier=`.
#[derive(Clone)]
struct Tiers(Vec<Tier>);

fn parse_tiers(text: &str) -> Result<Tiers, String> {
    let names: Vec<_> = Tier::ALL.iter().map(|tier| tier.name()).collect();
    match text {
        "all" => Ok(Tiers(Tier::ALL.to_vec())),
        name => match Tier::find(name) {
            Some(tier) => Ok(Tiers(vec![tier])),
            None => Err(format!("the tiers are {} and all", names.join(", "))),
        },
    }
}

fn help() -> String {
    let codes = Exit::table(&[Exit::Ok, Exit::Differs, Exit::Usage]);
    format!(
        "\
Examples:
  mu test                                  all scripts of the project, on all tiers
  mu test --filter=binop_ --jobs=1         some of them, one after the other
  mu test my.uir                           one script
  mu test --gc-stress=every:1,move         with a collection at every allocation that moves everything
  mu test --stack-size=16K                 with small stacks
  mu test --bless new.uir                  fill in `//! invalid`; read the difference before you keep it
  mu test --gc-stress=every:1,move         with a collection at every allocation

What a script asks for (`//! option:`) comes before --heap and --stack-size.

{codes}"
    )
}

/// Runs the command.
pub fn main(args: &TestArgs) -> u8 {
    match command(args) {
        Ok(exit) => exit.code(),
        Err(failure) => {
            output::say(&format!("mu test: {}\n", failure.message));
            failure.exit.code()
        }
    }
}

fn command(args: &TestArgs) -> Result<Exit, Failure> {
    let suites = find(args)?;
    if args.list {
        let paths = suites.iter().flat_map(|suite| suite.scripts.iter().map(|path| suite.root.join(path)));
        let lines: String = paths.map(|path| format!("{}\n", path.display())).collect();
        output::print(&lines)?;
        return Ok(Exit::Ok);
    }
    let ledgers = ledgers(args, &suites)?;
    if let Some(filter) = &args.filter
        && suites.iter().all(|suite| suite.scripts.is_empty())
    {
        return Err(Failure::usage(format!("no script has {filter:?} in its path")));
    }
    if args.bless {
        return bless_all(&suites, args, &ledgers);
    }
    if args.clauses {
        let pages: String = suites.iter().map(|suite| clauses::page(suite, &ledgers)).collect();
        output::print(&pages)?;
        return Ok(Exit::Ok);
    }
    run_all(&suites, args, &ledgers)
}

/// The scripts that are meant. Paths in a project's suite keep their names, so that its ledger knows them.
fn find(args: &TestArgs) -> Result<Vec<Suite>, Failure> {
    let default = [PathBuf::from(SUITE)];
    let paths = if args.paths.is_empty() { &default[..] } else { &args.paths[..] };
    let mut suites: Vec<Suite> = Vec::new();
    for path in paths {
        let root = path.ancestors().find(|folder| folder.ends_with(SUITE)).unwrap_or(path);
        let mut suite = if path.is_dir() {
            let found =
                Suite::find(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            let prefix = suite::relative(root, path);
            let name = |script: String| if prefix.is_empty() { script } else { format!("{prefix}/{script}") };
            Suite { root: root.to_owned(), scripts: found.scripts.into_iter().map(name).collect() }
        } else if path.is_file() {
            let folder = if root == path { path.parent().unwrap_or(Path::new("")) } else { root };
            Suite { root: folder.to_owned(), scripts: vec![suite::relative(folder, path)] }
        } else {
            return Err(Failure::usage(format!("{}: there is no such file or folder", path.display())));
        };
        if let Some(filter) = &args.filter {
            suite.scripts.retain(|script| script.contains(filter.as_str()));
        }
        match suites.iter_mut().find(|other| other.root == suite.root) {
            Some(other) => {
                other.scripts.append(&mut suite.scripts);
                other.scripts.sort();
                other.scripts.dedup();
            }
            None => suites.push(suite),
        }
    }
    Ok(suites)
}

/// The ledgers of all tiers: the given one, those of the project whose suite it is, or empty ones.
fn ledgers(args: &TestArgs, suites: &[Suite]) -> Result<Vec<Ledger>, Failure> {
    let load = |&tier: &Tier| {
        let file = match &args.ledger {
            Some(file) if !file.exists() => {
                return Err(Failure::usage(format!("{}: there is no such file", file.display())));
            }
            Some(file) => file.clone(),
            None => match suites.iter().find(|suite| suite.root.ends_with(SUITE)) {
                Some(suite) => Ledger::path(&suite.root.join(LEDGERS), tier),
                None => return Ok(Ledger::default()),
            },
        };
        let wrong =
            |errors: Vec<String>| Failure::usage(format!("{}: {}", file.display(), errors.join("; ")));
        Ledger::load(&file).map_err(wrong)
    };
    Tier::ALL.iter().map(load).collect()
}

fn run_all(suites: &[Suite], args: &TestArgs, ledgers: &[Ledger]) -> Result<Exit, Failure> {
    let jobs = match args.jobs {
        Some(jobs) => jobs as usize,
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let config = args.memory.config(Config { os_threads: args.os_threads, ..Config::default() });
    let (mut passed, mut failed, mut known, mut assertions) = (0, 0, 0, 0);
    let (mut collections, mut failures) = (0, 0);
    for suite in suites {
        for path in missing(suite, args, ledgers) {
            failed += 1;
            output::print(&format!("{path}: the ledger names it, and it does not exist\n"))?;
        }
        for report in suite.run_with(&args.tier.0, jobs, &config) {
            assertions += report.assertions.len();
            collections += report.collections;
            failures += report.forced_failures;
            match ledger_of(ledgers, report.tier)
                .map_or(Verdict::Failed, |ledger| suite::judge(&report, ledger))
            {
                Verdict::Passed => passed += 1,
                Verdict::KnownFailure => known += 1,
                Verdict::Failed => {
                    failed += 1;
                    output::print(&suite::show_failures(&suite.root, &report, FAILURES_SHOWN))?;
                }
                Verdict::Stale => {
                    failed += 1;
                    output::print(&stale(&suite.root, &report))?;
                }
            }
        }
    }
    let known = if known == 0 { String::new() } else { format!(", {known} known to fail") };
    let mut forced = String::new();
    if let Some(modes) = args.memory.gc_stress {
        forced.push_str(&format!(", {collections} collections"));
        if modes.fail_at.is_some() {
            forced.push_str(&format!(", {failures} allocations failed"));
        }
    }
    output::print(&format!("{passed} passed, {failed} failed{known}; {assertions} assertions{forced}\n"))?;
    Ok(if failed == 0 { Exit::Ok } else { Exit::Differs })
}

/// Scripts that a ledger names and that are not there; known only when everything is run.
fn missing<'l>(suite: &Suite, args: &TestArgs, ledgers: &'l [Ledger]) -> Vec<&'l str> {
    if !args.paths.is_empty() || args.filter.is_some() {
        return Vec::new();
    }
    let ledgers = args.tier.0.iter().filter_map(|&tier| ledger_of(ledgers, tier));
    ledgers.flat_map(|ledger| ledger.missing(&suite.scripts)).collect()
}

fn stale(root: &Path, report: &Report) -> String {
    let path = root.join(&report.script);
    format!(
        "{} [{}]\n  passes, and the ledger says it fails: remove it there\n",
        path.display(),
        report.tier.name()
    )
}

/// Blesses all scripts but those known to fail: what they report is not what they mean.
fn bless_all(suites: &[Suite], args: &TestArgs, ledgers: &[Ledger]) -> Result<Exit, Failure> {
    let mut changed = 0;
    let mut exit = Exit::Ok;
    // Errors of loading do not depend on the tier.
    let Some(&tier) = args.tier.0.first() else { return Ok(exit) };
    for suite in suites {
        for path in &suite.scripts {
            let file = suite.root.join(path);
            if let Some(reason) = ledger_of(ledgers, tier).and_then(|ledger| ledger.reason(path)) {
                output::print(&format!(
                    "{}: left as it is, since it is known to fail: {reason}\n",
                    file.display()
                ))?;
                continue;
            }
            match bless::bless_file(suite, path, tier) {
                Ok(0) => {}
                Ok(lines) => {
                    output::print(&format!("{}: {lines} lines changed\n", file.display()))?;
                    changed += lines;
                }
                Err(error) => {
                    output::say(&format!("{}: {error}\n", file.display()));
                    exit = Exit::Usage;
                }
            }
        }
    }
    output::print(&format!("{changed} lines changed\n"))?;
    Ok(exit)
}

/// The ledger of a tier.
fn ledger_of(ledgers: &[Ledger], tier: Tier) -> Option<&Ledger> {
    Tier::ALL.iter().position(|&other| other == tier).and_then(|at| ledgers.get(at))
}
