//! Text and IR builder give the same bundles: every script and every example, read from its text and replayed as calls
//! of the builder, prints the same and runs the same.

use libtest_mimic::{Arguments, Failed, Trial};
use mu_text::script;
use mu_vm::conformance::{self, Suite, Tier};
use mu_vm::ir::codes;
use mu_vm::ir::diag::{Diagnostic, Severity, Span};
use mu_vm::rt::runtime::Config;
use mu_vm::text::{parse, print_program};
use mu_vm::{LoadError, Mu, Options};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "support/replay.rs"]
mod replay;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut trials = Vec::new();
    for folder in ["tests/conformance", "examples"] {
        let folder = root.join(folder);
        let suite = match Suite::find(&folder) {
            Ok(suite) => suite,
            Err(error) => {
                eprintln!("{}: {error}", folder.display());
                return ExitCode::FAILURE;
            }
        };
        for script in suite.scripts {
            let name = format!("{}::{script}", folder.file_name().unwrap_or_default().display());
            let folder = folder.clone();
            trials.push(Trial::test(name, move || compare(&folder, &script)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn instance(lenient: bool) -> Mu {
    let config = Config { lenient, ..Config::default() };
    Mu::new(Options { config, ..Options::default() }).expect("an instance")
}

/// Loads a bundle through the builder.
fn load_built(mu: &mut Mu, _name: &str, text: &str) -> Result<Vec<Diagnostic>, LoadError> {
    let (draft, errors) = parse(text, Span::NO_SOURCE);
    // A literal out of range is a mistake of the text; lenient mode lets it pass.
    let lenient = mu.runtime().config.lenient;
    let passes = |error: &Diagnostic| lenient && error.code == codes::parse::FLOAT_RANGE;
    if errors.iter().any(|error| error.severity == Severity::Error && !passes(error)) {
        return Err(LoadError { diagnostics: errors, sources: Vec::new() });
    }
    match replay::build(mu, &draft) {
        Some(builder) => builder.load(mu),
        None => {
            let message = "the interface has no call for an instruction of this form";
            let error = Diagnostic::error(codes::parse::UNEXPECTED_TOKEN, Span::NONE, message);
            Err(LoadError { diagnostics: vec![error], sources: Vec::new() })
        }
    }
}

fn codes_of(error: &LoadError) -> BTreeSet<u16> {
    error.diagnostics.iter().map(|error| error.code.number).collect()
}

/// Codes that only one of the two ways of making a bundle can give, or that stand for the same mistake in the two.
fn is_of_names(code: u16) -> bool {
    matches!(code, 1000..3000 | 6000..7000)
}

fn compare(root: &Path, script: &str) -> Result<(), Failed> {
    let path: PathBuf = root.join(script);
    let text = std::fs::read_to_string(&path)?;
    // Examples have no directives.
    let directives = script::parse(&text).unwrap_or_default();
    let (mut written, mut built) =
        (instance(directives.options.lenient), instance(directives.options.lenient));
    let before = format!("{:?}", built.program().types.type_count());
    let (first, second) = (written.load_bundle(script, &text), load_built(&mut built, script, &text));
    match (first, second) {
        (Ok(warnings), Ok(others)) => {
            let of_bundle = |warnings: &[Diagnostic]| {
                warnings.iter().filter(|warning| warning.code.number >= 2000).count()
            };
            if of_bundle(&warnings) != of_bundle(&others) {
                return Err(format!("{warnings:?}\nbuilt: {others:?}").into());
            }
            // The interface has no -0.
            let texts =
                [&written, &built].map(|mu| print_program(mu.program(), None).replace(" = -0\n", " = 0\n"));
            same_text(&texts[0], &texts[1])?;
        }
        (Err(errors), Err(others)) => {
            let (codes, other_codes) = (codes_of(&errors), codes_of(&others));
            let same = codes == other_codes
                || codes.iter().any(|&code| is_of_names(code))
                || other_codes.iter().any(|&code| is_of_names(code));
            if !same {
                return Err(format!("{codes:?}, built: {other_codes:?}\n{errors}\n{others}").into());
            }
            let after = format!("{:?}", built.program().types.type_count());
            if before != after || built.program().func_vers.len() + built.program().consts.len() != 0 {
                return Err("a bundle that fails to load leaves something behind".into());
            }
        }
        (Ok(_), Err(errors)) => return Err(format!("only the text loads: {errors}").into()),
        (Err(errors), Ok(_)) => return Err(format!("only the built bundle loads: {errors}").into()),
    }
    same_calls(root, script, &directives)
}

/// What the script calls does the same on both.
fn same_calls(root: &Path, script: &str, directives: &script::Script) -> Result<(), Failed> {
    let expects_errors =
        |step: &script::Step| matches!(&step.kind, script::StepKind::Load { invalid: Some(_), .. });
    let places = !directives.invalid.is_empty() || !directives.warns.is_empty();
    if places || directives.steps.iter().any(expects_errors) {
        return Ok(());
    }
    let built = conformance::run_loaded(root, script, Tier::Interp, load_built);
    if built.failures().next().is_some() {
        // A script may be known to fail; then it fails in the same way.
        let written = conformance::run(root, script, Tier::Interp);
        let outcomes = |report: &conformance::Report| -> Vec<(u32, bool)> {
            report.assertions.iter().map(|assertion| (assertion.line, assertion.failure.is_some())).collect()
        };
        if outcomes(&written) != outcomes(&built) {
            let failures: Vec<String> = built.failures().map(|failure| format!("{failure:?}")).collect();
            return Err(failures.join("\n").into());
        }
    }
    Ok(())
}

fn same_text(written: &str, built: &str) -> Result<(), Failed> {
    let differ = written.lines().zip(built.lines()).position(|(one, other)| one != other);
    match differ {
        Some(at) => {
            let line = |text: &str| text.lines().nth(at).unwrap_or("").to_owned();
            Err(format!("line {}\ntext:  {}\nbuilt: {}", at + 1, line(written), line(built)).into())
        }
        None if written != built => Err("one has more lines than the other".into()),
        None => Ok(()),
    }
}
