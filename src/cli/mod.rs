//! The sub-commands, one file each.
//!
//! | file        | command                                                                        |
//! |-------------|--------------------------------------------------------------------------------|
//! | [`run`]     | `mu run`: load bundles, call an entry function, print its results               |
//! | [`check`]   | `mu check`: load bundles and report what is wrong with them                     |
//! | [`fmt`]     | `mu fmt`: canonical indentation                                                |
//! | [`cat`]     | `mu cat`: what was loaded, in canonical form                                    |
//! | [`explain`] | `mu explain`: error codes, instructions, types, undefined behaviours, from the tables |
//! | [`test`]    | `mu test`: run conformance scripts                                             |
//!
//! Around them: [`options`] has the options that several commands share, [`exit`] the exit codes, [`render`] turns diagnostics into text, [`report`] does it for outcomes of
//! threads, [`trace`] writes `--trace` lines, [`stats`] those of `--stats`, [`entry`] fits the command line to the entry function, [`output`] reads
//! and writes.
//!
//! A command is a function from its arguments to an exit code. It prints results to the standard output and
//! everything else to the standard error output. Nothing here can panic on bad input or a broken pipe.

mod cat;
mod check;
mod entry;
mod exit;
mod explain;
mod fmt;
mod json;
mod options;
mod output;
mod render;
mod report;
mod run;
mod stats;
mod test;
mod trace;

use clap::{Parser, Subcommand};
use exit::Exit;
use std::process::ExitCode;

/// Mu: a micro virtual machine.
#[derive(Parser)]
#[command(name = "mu", version, max_term_width = 100, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mu run examples/fib.uir -- 20            call @main(20) and print its results
  mu check a.uir b.uir                     report every error of two bundles
  mu explain MU-E3101                      what an error code means
  mu explain SWAPSTACK                     form, types and effects of an instruction";

#[derive(Subcommand)]
enum Command {
    /// Run a program
    Run(run::RunArgs),
    /// Load bundles and report all errors
    Check(check::CheckArgs),
    /// Format bundles
    Fmt(fmt::FmtArgs),
    /// Print what bundles define, in canonical form
    Cat(cat::CatArgs),
    /// Explain an error code, an instruction, a type or an undefined behaviour
    Explain(explain::ExplainArgs),
    /// Run conformance scripts
    Test(test::TestArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let code = match Cli::try_parse() {
        Ok(Cli { command }) => match command {
            Command::Run(args) => run::main(&args),
            Command::Check(args) => check::main(&args),
            Command::Fmt(args) => fmt::main(&args),
            Command::Cat(args) => cat::main(&args),
            Command::Explain(args) => explain::main(&args),
            Command::Test(args) => test::main(&args),
        },
        Err(error) => {
            // Help and version go to the standard output and are no error. A broken pipe is nobody's concern.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage.code() } else { Exit::Ok.code() }
        }
    };
    ExitCode::from(code)
}
