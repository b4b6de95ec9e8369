//! `mu check`: loads bundles one after the other into one instance and reports every error and warning of all of them.
//!
//! A bundle with errors is left out and the next one is loaded all the same, so one run tells everything that can be
//! told; what depends on the bundle that is missing is then an error, too.

use super::exit::Exit;
use super::options::{self, InstanceArgs, ReportArgs};
use super::output::Failure;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `mu check`.
#[derive(Args)]
#[command(after_help = help())]
pub struct CheckArgs {
    /// Bundles, loaded in this order into one instance; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    instance: InstanceArgs,
    #[command(flatten)]
    report: ReportArgs,
}

fn help() -> String {
    let codes = Exit::table(&[Exit::Ok, Exit::Start, Exit::Bundle, Exit::Usage]);
    format!(
        "\
Examples:
  mu check prog.uir                        every error and warning, with source lines
  mu check types.uir code.uir              the second bundle may use what the first defines
  mu check --error-format=json prog.uir    one JSON object per line, for editors

Nothing is printed if nothing is wrong. Warnings (--lenient) do not change the exit code, which is then 0.

{codes}"
    )
}

/// Runs the command.
pub fn main(args: &CheckArgs) -> u8 {
    let reporter = args.report.reporter();
    let mut mu = match options::instance(args.instance.config(), u64::MAX) {
        Ok(mu) => mu,
        Err(failure) => return failure.report(&reporter),
    };
    let mut unreadable: Option<Failure> = None;
    let mut all_loaded = true;
    for path in &args.files {
        match options::read_bundle(path) {
            Ok(bundle) => all_loaded &= options::load(&mut mu, &bundle, &reporter),
            Err(failure) => {
                failure.report(&reporter);
                unreadable = Some(failure);
            }
        }
    }
    match unreadable {
        Some(failure) => failure.exit.code(),
        None if all_loaded => Exit::Ok.code(),
        None => Exit::Bundle.code(),
    }
}
