//! `mu fmt`: rewrites files with canonical indentation; comments and the author's line breaks stay.
//!
//! A file that does not parse is reported and left alone. Files that are formatted already are not written.

use super::exit::Exit;
use super::options::{Input, Kind, LenientArgs, ReportArgs};
use super::output::{self, Failure};
use super::render::Reporter;
use clap::Args;
use mu_vm::ir::diag::Source;
use std::path::{Path, PathBuf};

/// Arguments of `mu fmt`.
#[derive(Args)]
#[command(after_help = help())]
pub struct FmtArgs {
    /// Files to format in place; `-` formats the standard input to the standard output
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; name the files that are not formatted, and exit with 1 if there are any
    #[arg(long, conflicts_with = "stdout")]
    check: bool,
    /// Print the formatted text instead of changing the files
    #[arg(long)]
    stdout: bool,
    #[command(flatten)]
    lenient: LenientArgs,
    #[command(flatten)]
    report: ReportArgs,
}

fn help() -> String {
    let codes = Exit::table(&[Exit::Ok, Exit::Differs, Exit::Bundle, Exit::Usage]);
    format!(
        "\
Examples:
  mu fmt prog.uir                          format a file in place
  mu fmt --check *.uir                     for continuous integration
  mu fmt - < prog.uir                      format the standard input

{codes}"
    )
}

/// Runs the command. All files are looked at; the exit code is of the worst that happened.
pub fn main(args: &FmtArgs) -> u8 {
    let reporter = args.report.reporter();
    let mut worst = Exit::Ok;
    for path in &args.files {
        let exit = match format_file(args, path, &reporter) {
            Ok(exit) => exit,
            Err(failure) => {
                failure.report(&reporter);
                failure.exit
            }
        };
        if exit.code() > worst.code() {
            worst = exit;
        }
    }
    worst.code()
}

fn format_file(args: &FmtArgs, path: &Path, reporter: &Reporter) -> Result<Exit, Failure> {
    let Input { name, text, .. } = Input::read(path, Kind::Bundle)?;
    let formatted = match mu_vm::text::format(&text, args.lenient.lenient) {
        Ok(formatted) => formatted,
        Err(diagnostics) => {
            // The spans have source 0.
            let source = Source { name, text: text.into() };
            output::say(&reporter.diagnostics(&diagnostics, &[source]));
            return Ok(Exit::Bundle);
        }
    };
    if args.check {
        if formatted == text {
            return Ok(Exit::Ok);
        }
        output::print(&format!("{name}\n"))?;
        return Ok(Exit::Differs);
    }
    if args.stdout || output::is_stdin(path) {
        output::print(&formatted)?;
    } else if formatted != text {
        std::fs::write(path, formatted)
            .map_err(|error| Failure::usage(format!("cannot write {name}: {error}")))?;
    }
    Ok(Exit::Ok)
}
