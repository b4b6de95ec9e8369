//! `mu check`: loads bundles and then HAIL scripts into one instance and reports every error and warning of all of them.
//!
//! What has errors is left out and the next one is loaded all the same, so one run tells everything that can be told;
//! what depends on the bundle that is missing is then an error, too. Of HAIL scripts, which consist of such names, only the
//! syntax is checked then.

use super::exit::Exit;
use super::options::{self, HailArgs, Input, Kind, LoadArgs};
use super::output::{self, Failure};
use clap::Args;

/// Arguments of `mu check`.
#[derive(Args)]
#[command(after_help = help())]
pub struct CheckArgs {
    #[command(flatten)]
    load: LoadArgs,
    #[command(flatten)]
    hail: HailArgs,
}

fn help() -> String {
    let codes = Exit::table(&[Exit::Ok, Exit::Start, Exit::Bundle, Exit::Usage]);
    format!(
        "\
Examples:
  mu check prog.uir                        every error and warning, with source lines
  mu check types.uir code.uir              the second bundle may use what the first defines
  mu check prog.uir --hail heap.hail       a HAIL script, too
  mu check --error-format=json prog.uir    one JSON object per line, for editors

Nothing is printed if nothing is wrong. Warnings (--lenient) do not change the exit code, which is then 0.

{codes}"
    )
}

/// Runs the command.
pub fn main(args: &CheckArgs) -> u8 {
    let reporter = args.load.report.reporter();
    let mut mu = match options::instance(args.load.instance.config(), u64::MAX) {
        Ok(mu) => mu,
        Err(failure) => return failure.report(&reporter),
    };
    let mut unreadable: Option<Failure> = None;
    let (mut all_loaded, mut bundles_missing) = (true, false);
    let bundles = args.load.files.iter().map(|path| (path.as_path(), Kind::Bundle));
    for (path, kind) in bundles.chain(args.hail.inputs()) {
        let loaded = match Input::read(path, kind) {
            Ok(input) if kind == Kind::Hail && bundles_missing => {
                input.check_syntax(&reporter);
                let message =
                    format!("{}: only the syntax was checked, since bundles are missing", input.name);
                output::say(&reporter.warning(&message));
                false
            }
            Ok(input) => input.load(&mut mu, &reporter, usize::MAX),
            Err(failure) => {
                failure.report(&reporter);
                unreadable = Some(failure);
                false
            }
        };
        all_loaded &= loaded;
        bundles_missing |= kind == Kind::Bundle && !loaded;
    }
    match unreadable {
        Some(failure) => failure.exit.code(),
        None if all_loaded => Exit::Ok.code(),
        None => Exit::Bundle.code(),
    }
}
