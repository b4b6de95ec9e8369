//! `mu cat`: loads bundles into one instance and prints the canonical form of everything they define.

use super::exit::Exit;
use super::options::{self, InstanceArgs, ReportArgs};
use super::output::{self, Failure};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `mu cat`.
#[derive(Args)]
#[command(after_help = help())]
pub struct CatArgs {
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
  mu cat prog.uir                          one definition per line, names in full, no comments
  mu cat a.uir b.uir                       both bundles as one; of a redefined function the last version

{codes}"
    )
}

/// Runs the command.
pub fn main(args: &CatArgs) -> u8 {
    let reporter = args.report.reporter();
    let result = || -> Result<Exit, Failure> {
        let bundles = options::read_bundles(&args.files)?;
        let mut mu = options::instance(args.instance.config(), u64::MAX)?;
        for bundle in &bundles {
            if !options::load(&mut mu, bundle, &reporter) {
                return Ok(Exit::Bundle);
            }
        }
        output::print(&mu_vm::text::print_program(mu.program(), None))?;
        Ok(Exit::Ok)
    };
    result().map_or_else(|failure| failure.report(&reporter), Exit::code)
}
