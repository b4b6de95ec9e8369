//! The conformance suite: one test per script and tier, and tests of the ledgers.
//!
//! `cargo test --test conformance -- binop` runs some; `MU_BLESS=1 cargo test --test conformance` writes reported errors
//! of loading into the scripts, and the page of clauses.

use libtest_mimic::{Arguments, Failed, Trial};
use mu_text::script;
use mu_vm::conformance::suite::{self, Verdict};
use mu_vm::conformance::{self, Ledger, Suite, Tier, bless, clauses};
use mu_vm::ir::table::{CommInst, Op};
use mu_vm::ir::ub::Ub;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Fewer assertions than this, and scripts have got lost.
const ASSERTIONS_MIN: usize = 1200;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Scripts and assertions that were run, by tier.
type Totals = Arc<Mutex<Vec<(usize, usize)>>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let suite = match Suite::find(&folder("conformance")) {
        Ok(suite) => Arc::new(suite),
        Err(error) => {
            eprintln!("{}: {error}", folder("conformance").display());
            return ExitCode::FAILURE;
        }
    };
    if std::env::var_os("MU_BLESS").is_some_and(|value| value != "0") {
        bless_all(&suite);
    }
    let totals: Totals = Arc::new(Mutex::new(vec![(0, 0); Tier::ALL.len()]));
    let mut trials = vec![test_count(&suite), test_page(&suite), test_tables(&suite)];
    for (index, &tier) in Tier::ALL.iter().enumerate() {
        let file = Ledger::path(&folder("ledger"), tier);
        let ledger = Ledger::load(&file);
        trials.push(test_ledger(&suite, tier, &file, &ledger));
        let ledger = Arc::new(ledger.unwrap_or_default());
        for path in &suite.scripts {
            trials.push(test_script(&suite, path, index, tier, &ledger, &totals));
        }
    }
    let listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !listing && let Ok(totals) = totals.lock() {
        for (tier, (scripts, assertions)) in Tier::ALL.iter().zip(totals.iter()) {
            println!("conformance, {}: {scripts} scripts, {assertions} assertions", tier.name());
        }
    }
    conclusion.exit_code()
}

fn test_script(
    suite: &Arc<Suite>,
    path: &str,
    index: usize,
    tier: Tier,
    ledger: &Arc<Ledger>,
    totals: &Totals,
) -> Trial {
    let (suite, ledger, totals) = (Arc::clone(suite), Arc::clone(ledger), Arc::clone(totals));
    let path = path.to_owned();
    Trial::test(format!("{}::{path}", tier.name()), move || {
        let report = conformance::run(&suite.root, &path, tier);
        if let Ok(mut totals) = totals.lock() {
            totals[index].0 += 1;
            totals[index].1 += report.assertions.len();
        }
        match suite::judge(&report, &ledger) {
            Verdict::Passed | Verdict::KnownFailure => Ok(()),
            Verdict::Failed => Err(Failed::from(suite::show_failures(&suite.root, &report, 20))),
            Verdict::Stale => {
                Err(Failed::from(format!("{path} passes: remove it from tests/ledger/{}.txt", tier.name())))
            }
        }
    })
}

fn test_ledger(suite: &Arc<Suite>, tier: Tier, file: &Path, ledger: &Result<Ledger, Vec<String>>) -> Trial {
    let missing = |ledger: &Ledger| {
        let missing = ledger.missing(&suite.scripts).into_iter();
        missing.map(|path| format!("{path} does not exist: remove it")).collect::<Vec<_>>()
    };
    let mistakes = match ledger {
        Ok(ledger) => missing(ledger),
        Err(mistakes) => mistakes.clone(),
    };
    let file = file.display().to_string();
    Trial::test(format!("ledger::{}", tier.name()), move || match mistakes.is_empty() {
        true => Ok(()),
        false => Err(Failed::from(format!("{file}:\n{}", mistakes.join("\n")))),
    })
}

fn test_count(suite: &Arc<Suite>) -> Trial {
    let suite = Arc::clone(suite);
    Trial::test("count", move || {
        let mut assertions = 0;
        for path in &suite.scripts {
            let text = std::fs::read_to_string(suite.root.join(path))?;
            assertions += script::parse(&text).map_or(0, |script| script.assertions());
        }
        match assertions >= ASSERTIONS_MIN {
            true => Ok(()),
            false => Err(Failed::from(format!("only {assertions} assertions"))),
        }
    })
}

/// CLAUSES.md as it must be.
fn clauses_page(suite: &Suite) -> String {
    let ledgers = Tier::ALL.iter().map(|&tier| Ledger::load(&Ledger::path(&folder("ledger"), tier)));
    let ledgers: Vec<Ledger> = ledgers.map(Result::unwrap_or_default).collect();
    clauses::page(suite, &ledgers)
}

fn test_page(suite: &Arc<Suite>) -> Trial {
    let suite = Arc::clone(suite);
    Trial::test("clauses page", move || {
        let now = std::fs::read_to_string(suite.root.join("CLAUSES.md")).unwrap_or_default();
        match now == clauses_page(&suite) {
            true => Ok(()),
            false => Err(Failed::from(
                "tests/conformance/CLAUSES.md is not current: `MU_BLESS=1 cargo test --test conformance`",
            )),
        }
    })
}

/// What the tables of the machine refer to is in the list of clauses.
fn test_tables(suite: &Arc<Suite>) -> Trial {
    let suite = Arc::clone(suite);
    Trial::test("clauses of the tables", move || {
        let known = clauses::Known::load(&suite.root)?.ok_or("there is no clauses.txt")?;
        let instructions = Op::ALL.iter().map(|op| op.anchor());
        let common = CommInst::ALL.iter().map(|inst| inst.anchor());
        let all = instructions.chain(common).chain(Ub::ALL.iter().map(|ub| ub.anchor()));
        let names: Vec<String> = all.map(str::to_owned).collect();
        match known.unknown(&names)[..] {
            [] => Ok(()),
            ref unknown => Err(Failed::from(format!("not in clauses.txt: {}", unknown.join(" ")))),
        }
    })
}

/// Blesses all scripts but those known to fail: what they report is not what they mean.
fn bless_all(suite: &Suite) {
    let mut changed = 0;
    // Errors of loading do not depend on the tier.
    let Some(&tier) = Tier::ALL.first() else { return };
    let ledger = Ledger::load(&Ledger::path(&folder("ledger"), tier)).unwrap_or_default();
    for path in suite.scripts.iter().filter(|path| ledger.reason(path).is_none()) {
        match bless::bless_file(suite, path, tier) {
            Ok(lines) => changed += lines,
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
    if let Err(error) = std::fs::write(suite.root.join("CLAUSES.md"), clauses_page(suite)) {
        eprintln!("CLAUSES.md: {error}");
    }
    eprintln!("blessed: {changed} lines changed");
}
