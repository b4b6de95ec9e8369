//! Runs one script on one tier.

use super::clauses::Known;
use super::traps::{self, Answers};
use super::values;
use super::{Assertion, DEFAULT_FUEL, Failure, LoadErrors, Loader, Report, Tier};
use crate::driver::Outcome;
use crate::values::Value;
use crate::{LoadError, Mu, Options, TrapCause};
use mu_ir::diag::{Diagnostic, Severity, Source};
use mu_ir::ub::Ub;
use mu_rt::runtime::Config;
use mu_text::script::{self, Call, Expected, Script, Step, StepKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs the script at `root`/`script`.
pub fn run(root: &Path, script: &str, tier: Tier) -> Report {
    run_with(root, script, tier, &Config::default())
}

/// The same in an instance of another configuration (stress modes); what the script asks for comes first.
pub fn run_with(root: &Path, script: &str, tier: Tier, config: &Config) -> Report {
    run_file(root, script, tier, config, Mu::load_bundle)
}

/// Runs the script at `root`/`script`, loading bundles in another way: bundles that are built have no places, so that
/// scripts that expect errors or warnings cannot come true.
pub fn run_loaded(root: &Path, script: &str, tier: Tier, loader: Loader) -> Report {
    run_file(root, script, tier, &Config::default(), loader)
}

fn run_file(root: &Path, script: &str, tier: Tier, config: &Config, loader: Loader) -> Report {
    let path = root.join(script);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let folder = path.parent().unwrap_or(root);
            let mut report = run_text_with(script, &text, folder, tier, config, loader);
            check_clauses(root, &text, &mut report);
            report
        }
        Err(error) => {
            let mut report = empty_report(script, tier);
            report.fail(1, "a script", format!("{}: {error}", path.display()));
            report
        }
    }
}

/// A script names clauses that there are, if its suite has a list of them.
fn check_clauses(root: &Path, text: &str, report: &mut Report) {
    let known = match Known::load(root) {
        Ok(Some(known)) => known,
        Ok(None) => return,
        Err(error) => return report.fail(1, "a list of clauses", error),
    };
    let Ok(script) = script::parse(text) else { return };
    for name in known.unknown(&script.spec) {
        let line = text.lines().position(|line| line.starts_with("//! spec:") && line.contains(name));
        report.fail(line.map_or(1, |at| at as u32 + 1), "a clause of clauses.txt", name);
    }
}

/// Runs a script that has been read; files it loads are in `folder`.
pub fn run_text(name: &str, text: &str, folder: &Path, tier: Tier) -> Report {
    run_text_with(name, text, folder, tier, &Config::default(), Mu::load_bundle)
}

fn run_text_with(
    name: &str,
    text: &str,
    folder: &Path,
    tier: Tier,
    config: &Config,
    loader: Loader,
) -> Report {
    let mut report = empty_report(name, tier);
    let script = match script::parse(text) {
        Ok(script) => script,
        Err(errors) => {
            for error in errors {
                report.fail(error.line, "a directive", error.message);
            }
            return report;
        }
    };
    // What comes true must come true with every seed: the first that fails is the one to look at.
    let (first, count) = (script.options.seed.unwrap_or(0), script.options.seeds.unwrap_or(1));
    for seed in (0..count).map(|index| first.wrapping_add(index)) {
        let mut config = config.clone();
        config.schedule.seed = seed;
        let (collections, failures) = (report.collections, report.forced_failures);
        report = run_seed(&script, name, text, folder, tier, &config, loader);
        report.collections += collections;
        report.forced_failures += failures;
        if !report.passed() {
            report.name_seed(seed, count);
            break;
        }
    }
    report
}

/// Runs a script once, with an instance of its own.
fn run_seed(
    script: &Script,
    name: &str,
    text: &str,
    folder: &Path,
    tier: Tier,
    config: &Config,
    loader: Loader,
) -> Report {
    let mut report = empty_report(name, tier);
    // A panic leaves the instance behind; nothing of it is looked at afterwards.
    let mut line = 1;
    let run = AssertUnwindSafe(|| run_script(script, text, folder, config, &mut report, &mut line, loader));
    if let Err(panic) = catch_unwind(run) {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("");
        report.fail(line, "no panic", format!("panic (bug): {message}; the rest of the script was not run"));
    }
    report
}

fn empty_report(script: &str, tier: Tier) -> Report {
    Report {
        script: script.into(),
        tier,
        assertions: Vec::new(),
        load_errors: Vec::new(),
        collections: 0,
        forced_failures: 0,
    }
}

impl Report {
    fn pass(&mut self, line: u32) {
        self.assertions.push(Assertion { line, failure: None });
    }

    fn fail(&mut self, line: u32, expected: impl Into<String>, got: impl Into<String>) {
        let failure = Failure { expected: expected.into(), got: got.into() };
        self.assertions.push(Assertion { line, failure: Some(failure) });
    }

    /// Adds the seed to what failed, where there are several.
    fn name_seed(&mut self, seed: u64, count: u64) {
        if count > 1 {
            let failures = self.assertions.iter_mut().filter_map(|assertion| assertion.failure.as_mut());
            failures.for_each(|failure| failure.got += &format!(" (schedule={seed})"));
        }
    }

    fn check(&mut self, line: u32, come_true: bool, expected: &str, got: &str) {
        if come_true { self.pass(line) } else { self.fail(line, expected, got) }
    }
}

/// The instance a script asks for.
fn new_instance(script: &Script, tier: Tier, config: &Config) -> Result<Mu, String> {
    let wanted = &script.options;
    let mut config = Config { lenient: wanted.lenient || config.lenient, ..config.clone() };
    config.stack_bytes = wanted.stack_bytes.unwrap_or(config.stack_bytes);
    config.heap_bytes = wanted.heap_bytes.unwrap_or(config.heap_bytes);
    config.stacks_max = wanted.stacks_max.unwrap_or(config.stacks_max);
    config.threads_max = wanted.threads_max.unwrap_or(config.threads_max);
    config.os_threads &= !wanted.virtual_time;
    let schedule = &mut config.schedule;
    schedule.preempt = wanted.preempt.unwrap_or(schedule.preempt);
    schedule.weak_failures = wanted.weak_failures.unwrap_or(schedule.weak_failures);
    schedule.spurious_wakes = wanted.spurious_wakes.unwrap_or(schedule.spurious_wakes);
    let fuel = wanted.fuel.unwrap_or(DEFAULT_FUEL);
    match tier {
        Tier::Interp => Mu::new(Options { config, fuel }).map_err(|error| error.to_string()),
    }
}

/// Runs everything; `line` always says where it is.
fn run_script(
    script: &Script,
    text: &str,
    folder: &Path,
    config: &Config,
    report: &mut Report,
    line: &mut u32,
    loader: Loader,
) {
    let mut mu = match new_instance(script, report.tier, config) {
        Ok(mu) => mu,
        Err(reason) => return report.fail(1, "an instance", reason),
    };
    let name = report.script.clone();
    *line = script.valid.or(script.invalid.first().map(|report| report.line)).unwrap_or(1);
    let valid = load_own(script, &mut mu, &name, text, report, *line, loader);
    if !valid && !script.steps.is_empty() {
        return report.fail(
            script.steps[0].line,
            "the steps run",
            "not run: the bundle was not loaded as expected",
        );
    }
    for step in &script.steps {
        *line = step.line;
        run_step(step, &mut mu, folder, report, loader);
        report.collections = mu.runtime().heap.collections().count;
        report.forced_failures = mu.runtime().stress_counts.failures;
    }
}

/// Loads the script's own bundle; whether that went as expected.
fn load_own(
    script: &Script,
    mu: &mut Mu,
    name: &str,
    text: &str,
    report: &mut Report,
    line: u32,
    loader: Loader,
) -> bool {
    match loader(mu, name, text) {
        Ok(warnings) if script.invalid.is_empty() => {
            let (got, messages) = reported(warnings.iter(), &mu.program().sources, Severity::Warning);
            report.pass(line);
            compare_reports(&script.warns, &got, &messages, line, report)
        }
        Ok(_) => {
            for expected in &script.invalid {
                report.fail(expected.line, invalid_text(&expected.expected), "the bundle loads");
            }
            false
        }
        Err(error) if script.invalid.is_empty() => {
            report.fail(line, "the bundle loads", error.to_string());
            false
        }
        Err(error) => {
            let (reported, messages) = load_errors(&error);
            let lines = script.invalid.iter().map(|report| report.line).collect();
            let same = compare_reports(&script.invalid, &reported, &messages, line, report);
            report.load_errors.push(LoadErrors { file: None, hail: false, lines, reported, messages });
            same
        }
    }
}

fn invalid_text(expected: &Option<Expected>) -> String {
    match expected {
        Some(expected) => format!("invalid {expected}"),
        None => "invalid".into(),
    }
}

fn load_errors(error: &LoadError) -> (Vec<Expected>, Vec<String>) {
    reported(error.diagnostics.iter(), &error.sources, Severity::Error)
}

/// Codes and places of diagnostics of one severity, with their messages, by place.
fn reported<'d>(
    diagnostics: impl Iterator<Item = &'d Diagnostic>,
    sources: &[Source],
    severity: Severity,
) -> (Vec<Expected>, Vec<String>) {
    let mut all: Vec<(Expected, String)> = diagnostics
        .filter(|diagnostic| diagnostic.severity == severity)
        .map(|diagnostic| {
            let span = diagnostic.primary.span;
            let (line, column) =
                sources.get(span.source.index()).map_or((0, 0), |source| source.line_col(span.start));
            (Expected { line, column, code: diagnostic.code.text() }, diagnostic.message.clone())
        })
        .collect();
    all.sort();
    all.into_iter().unzip()
}

/// Compares reported errors or warnings with the lines that expect them: the same ones, as often.
fn compare_reports(
    wanted: &[script::Report],
    got: &[Expected],
    messages: &[String],
    line: u32,
    report: &mut Report,
) -> bool {
    let mut unmatched: Vec<Option<&Expected>> = got.iter().map(Some).collect();
    let mut same = true;
    let text = |at: usize| format!("{} {}", got[at], messages[at]);
    for wanted in wanted {
        let Some(expected) = &wanted.expected else {
            let all: Vec<_> = (0..got.len()).map(text).collect();
            let got = format!("{} (if this is the error that is meant, bless it)", all.join("\n"));
            report.fail(wanted.line, "a code and its place", got);
            return false;
        };
        match unmatched.iter_mut().find(|got| **got == Some(expected)) {
            Some(found) => {
                *found = None;
                report.pass(wanted.line);
            }
            None => {
                let all: Vec<_> = (0..got.len()).map(text).collect();
                report.fail(wanted.line, expected.to_string(), all.join("\n"));
                same = false;
            }
        }
    }
    for (at, left) in unmatched.iter().enumerate() {
        if left.is_some() {
            report.fail(line, "nothing else is reported", text(at));
            same = false;
        }
    }
    same
}

fn run_step(step: &Step, mu: &mut Mu, folder: &Path, report: &mut Report, loader: Loader) {
    let line = step.line;
    match &step.kind {
        StepKind::Load { file, hail, invalid: None } => match traps::load(mu, folder, file, *hail, loader) {
            Ok(_) => report.pass(line),
            Err(got) => report.fail(line, format!("{file} loads"), got),
        },
        StepKind::Load { file, hail, invalid: Some(wanted) } => {
            load_invalid((file, *hail), wanted, mu, folder, report, line, loader);
        }
        StepKind::Watchpoint { id, on } => {
            let known = mu.set_watchpoint(*id, *on);
            report.check(line, known, "the watchpoint exists", "no instruction has this watchpoint id");
        }
        StepKind::Id(name) => match mu.id_of(name).map(|id| mu.name_of(id)) {
            Some(Some(back)) if back == name => report.pass(line),
            Some(Some(back)) => report.fail(line, format!("{name} comes back"), back),
            Some(None) => report.fail(line, format!("{name} comes back"), "its id has no name"),
            None => report.fail(line, format!("{name} is known"), "it has no id"),
        },
        StepKind::NoId(name) => {
            report.check(line, mu.id_of(name).is_none(), "the name is not known", "it has an id");
        }
        StepKind::Call(call) => run_call(call, mu, folder, report, line, loader),
    }
}

fn load_invalid(
    (file, hail): (&str, bool),
    wanted: &[script::Report],
    mu: &mut Mu,
    folder: &Path,
    report: &mut Report,
    line: u32,
    loader: Loader,
) {
    let text = match std::fs::read_to_string(folder.join(file)) {
        Ok(text) => text,
        Err(error) => return report.fail(line, format!("{file} can be read"), error.to_string()),
    };
    // A mark holds the size of every table of the program.
    let before = format!("{:?}", mu.program().mark());
    match traps::load_text(mu, file, &text, hail, loader) {
        Ok(_) => {
            for wanted in wanted {
                report.fail(wanted.line, invalid_text(&wanted.expected), format!("{file} loads"));
            }
        }
        Err(error) => {
            let (reported, messages) = load_errors(&error);
            let lines = wanted.iter().map(|report| report.line).collect();
            compare_reports(wanted, &reported, &messages, line, report);
            let file = Some(file.to_owned());
            report.load_errors.push(LoadErrors { file, hail, lines, reported, messages });
            if format!("{:?}", mu.program().mark()) != before {
                report.fail(line, "a bundle that fails changes nothing", "the program has grown");
            }
        }
    }
}

fn run_call(call: &Call, mu: &mut Mu, folder: &Path, report: &mut Report, line: u32, loader: Loader) {
    let expected = outcomes_text(&call.outcomes);
    let Some(func) = mu.func(&call.func) else {
        return report.fail(line, expected, format!("there is no function {}", call.func));
    };
    let params = mu.params(func).to_vec();
    if params.len() != call.args.len() {
        return report.fail(line, expected, format!("{} takes {} arguments", call.func, params.len()));
    }
    let args: Result<Vec<Value>, String> =
        params.iter().zip(&call.args).map(|(&ty, text)| values::build(mu, ty, text)).collect();
    let args = match args {
        Ok(args) => args,
        Err(reason) => return report.fail(line, expected, reason),
    };
    let mut answers = Answers::new(&call.traps, folder, loader);
    let outcome = mu.call_with(func, args, &mut answers, None);
    let traps = answers.finish();
    match compare_outcome(mu, &call.outcomes, &outcome) {
        Ok(true) => report.pass(line),
        Ok(false) => report.fail(line, expected, show_outcome(mu, &call.outcomes, &outcome)),
        Err(reason) => {
            let got = show_outcome(mu, &call.outcomes, &outcome);
            report.fail(line, expected, format!("{got} ({reason})"));
        }
    }
    report.assertions.extend(traps);
}

fn outcomes_text(outcomes: &[script::Outcome]) -> String {
    let texts: Vec<_> = outcomes.iter().map(script::Outcome::to_string).collect();
    match texts.len() {
        1 => texts.concat(),
        _ => format!("either {}", texts.join(" | ")),
    }
}

/// Whether a thread ended in one of these ways.
fn compare_outcome(mu: &Mu, wanted: &[script::Outcome], got: &Outcome) -> Result<bool, String> {
    for wanted in wanted {
        let same = match (wanted, got) {
            (script::Outcome::Values(wanted), Outcome::Return(got)) => values::all_match(mu, wanted, got)?,
            (script::Outcome::Throws(None), Outcome::Exception(..)) => true,
            (script::Outcome::Throws(Some(wanted)), Outcome::Exception(got, _)) => {
                values::matches(mu, wanted, got)?
            }
            (script::Outcome::Undefined { id, at }, Outcome::Undefined(ub, trace)) => {
                let inst = trace.top.first().and_then(|frame| frame.inst.as_ref());
                *id == ub.id() && (at.is_none() || at.as_ref() == inst)
            }
            (script::Outcome::Exit, Outcome::Exit) => true,
            (script::Outcome::Trap, Outcome::Trap(..)) => true,
            (script::Outcome::ExhaustedFuel, Outcome::OutOfFuel(_)) => true,
            (script::Outcome::Deadlock, Outcome::Deadlock { .. }) => true,
            (
                script::Outcome::Values(_)
                | script::Outcome::Throws(_)
                | script::Outcome::Undefined { .. }
                | script::Outcome::Exit
                | script::Outcome::Trap
                | script::Outcome::ExhaustedFuel
                | script::Outcome::Deadlock,
                _,
            ) => false,
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How a thread ended, in the way the script wrote what it wants.
fn show_outcome(mu: &Mu, wanted: &[script::Outcome], got: &Outcome) -> String {
    let at = |trace: &crate::Backtrace| match trace.top.first() {
        Some(frame) => {
            let name = frame.inst.clone().unwrap_or_else(|| format!("_ in {}", frame.func));
            let place =
                frame.place.as_ref().map_or(String::new(), |(_, line, column)| format!(" {line}:{column}"));
            format!(" at {name} ({}{place})", frame.mnemonic.unwrap_or("?"))
        }
        None => String::new(),
    };
    match got {
        Outcome::Return(values) => {
            let wanted = wanted.iter().find_map(|wanted| match wanted {
                script::Outcome::Values(wanted) => Some(wanted.as_slice()),
                _ => None,
            });
            values::show_all(mu, wanted, values)
        }
        Outcome::Exception(value, _) => {
            let wanted = wanted.iter().find_map(|wanted| match wanted {
                script::Outcome::Throws(wanted) => wanted.as_ref(),
                _ => None,
            });
            format!("throws {}", values::show(mu, wanted, value))
        }
        Outcome::Exit => "exit".into(),
        Outcome::Trap(TrapCause::Trap, trace) => format!("trap{}", at(trace)),
        Outcome::Trap(TrapCause::Watchpoint(id), trace) => format!("trap wp {id}{}", at(trace)),
        Outcome::Trap(TrapCause::Undefined(func), _) => format!("trap undefined {}", mu.func_name(*func)),
        Outcome::Undefined(ub, trace) => {
            let mut text = format!("ub {}{}: {}", ub.id(), at(trace), ub.title());
            if *ub == Ub::BadBundle {
                for error in mu.built_load_errors() {
                    text.push_str(&format!("\n{} {}", error.code.text(), error.message));
                }
            }
            text
        }
        Outcome::Unsupported(what, trace) => format!("unsupported: {what}{}", at(trace)),
        Outcome::OutOfFuel(trace) => format!("exhausted fuel{}", at(trace)),
        Outcome::Deadlock { waiting, threads } => {
            let traces: Vec<_> =
                threads.iter().map(|(id, trace)| format!("T{}{}", id.0, at(trace))).collect();
            format!("deadlock of {waiting} threads: {}", traces.join(", "))
        }
    }
}
