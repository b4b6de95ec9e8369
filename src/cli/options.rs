//! Options that several commands share: how to make an instance, how to report, which files to load.

use super::exit::Exit;
use super::output::{self, Failure};
use super::render::{ErrorFormat, Reporter};
use clap::Args;
use mu_vm::rt::choose::Schedule;
use mu_vm::rt::runtime::Config;
use mu_vm::{Mu, Options};
use std::path::{Path, PathBuf};

/// How to report.
#[derive(Args)]
pub struct ReportArgs {
    /// How errors are printed: human, short (one line each) or json (one object per line)
    #[arg(long, value_name = "FORMAT", default_value = "human", hide_possible_values = true)]
    error_format: ErrorFormat,
}

impl ReportArgs {
    /// The reporter these options ask for.
    pub fn reporter(&self) -> Reporter {
        Reporter::new(self.error_format, output::stderr_has_colour())
    }
}

/// What every instance of a command is made with.
#[derive(Args)]
pub struct InstanceArgs {
    /// Library with external symbols (repeatable), searched before libc and libm
    #[arg(long, value_name = "FILE")]
    lib: Vec<String>,
    /// Take type mismatches of equal size and register class for warnings
    #[arg(long)]
    lenient: bool,
}

impl InstanceArgs {
    /// The configuration these options ask for.
    pub fn config(&self) -> Config {
        Config { libraries: self.lib.clone(), lenient: self.lenient, ..Config::default() }
    }
}

/// How the threads of a program take turns.
#[derive(Args)]
pub struct ScheduleArgs {
    /// Let all threads take turns on one OS thread, in an order that this seed decides, so that the run can be repeated
    /// [default: every thread on an OS thread of its own]
    #[arg(long, value_name = "SEED")]
    schedule: Option<u64>,
    /// Mean number of instructions of a turn while several threads can go on; 0: until a thread waits or ends
    #[arg(long, value_name = "N", default_value_t = Schedule::PREEMPT, requires = "schedule")]
    preempt: u64,
    /// How many of a hundred weak CMPXCHG fail though they could succeed
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    weak_failures: u8,
    /// How many of a hundred futex waits end without a reason
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    spurious_wakes: u8,
}

impl ScheduleArgs {
    /// Whether every thread runs on an OS thread of its own.
    pub fn os_threads(&self) -> bool {
        self.schedule.is_none()
    }

    /// The schedule these options ask for.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            seed: self.schedule.unwrap_or(Schedule::default().seed),
            preempt: self.preempt,
            weak_failures: self.weak_failures,
            spurious_wakes: self.spurious_wakes,
        }
    }
}

/// Makes an instance.
///
/// # Errors
/// When there is no memory or a library cannot be opened.
pub fn instance(config: Config, fuel: u64) -> Result<Mu, Failure> {
    Mu::new(Options { config, fuel })
        .map_err(|error| Failure { exit: Exit::Start, message: format!("cannot make an instance: {error}") })
}

/// A bundle that was read but not loaded.
pub struct Bundle {
    /// The name for messages.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Reads all files, in order.
///
/// # Errors
/// When one of them cannot be read.
pub fn read_bundles(paths: &[PathBuf]) -> Result<Vec<Bundle>, Failure> {
    paths.iter().map(|path| read_bundle(path)).collect()
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read.
pub fn read_bundle(path: &Path) -> Result<Bundle, Failure> {
    Ok(Bundle { name: output::name(path), text: output::read(path)? })
}

/// Loads a bundle and reports its errors and warnings. False if there were errors.
pub fn load(mu: &mut Mu, bundle: &Bundle, reporter: &Reporter) -> bool {
    match mu.load_bundle(&bundle.name, &bundle.text) {
        Ok(warnings) => {
            output::say(&reporter.diagnostics(&warnings, &mu.program().sources));
            true
        }
        Err(error) => {
            output::say(&reporter.diagnostics(&error.diagnostics, &error.sources));
            false
        }
    }
}

/// Reads a number of bytes: `65536`, `64K`, `64M`, `2G`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err("the units are K, M and G".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a number and a unit, e.g. 64M".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is more than 64 bits can count".into())
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("65536"), Ok(65536));
        assert_eq!(parse_size("64K"), Ok(65536));
        assert_eq!(parse_size("3m"), Ok(3 << 20));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        for wrong in ["", "K", "-1", "1.5M", "7T", "18446744073709551615K", "é"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
