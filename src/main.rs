//! The `mu` command. Everything it does stands in [`cli`]; it sees Mu as any embedder does, through `mu_vm`.
#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
