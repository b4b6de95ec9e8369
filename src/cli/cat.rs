//! `mu cat`: loads bundles into one instance and prints the canonical form of everything they define.

use super::exit::Exit;
use super::options::{self, Input, LoadArgs, WARNINGS_SHOWN};
use super::output::{self, Failure};
use clap::Args;

/// Arguments of `mu cat`.
#[derive(Args)]
#[command(after_help = help())]
pub struct CatArgs {
    #[command(flatten)]
    load: LoadArgs,
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
    let reporter = args.load.report.reporter();
    let result = || -> Result<Exit, Failure> {
        let bundles = Input::read_bundles(&args.load.files)?;
        let mut mu = options::instance(args.load.instance.config(), u64::MAX)?;
        for bundle in &bundles {
            if !bundle.load(&mut mu, &reporter, WARNINGS_SHOWN) {
                return Ok(Exit::Bundle);
            }
        }
        output::print(&mu_vm::text::print_program(mu.program(), None))?;
        Ok(Exit::Ok)
    };
    result().map_or_else(|failure| failure.report(&reporter), Exit::code)
}
