//! Options that several commands share: how to make an instance, how to report, which files to load.

use super::exit::Exit;
use super::output::{self, Failure};
use super::render::{ErrorFormat, Reporter};
use clap::Args;
use mu_vm::ir::diag::Source;
use mu_vm::ir::ids::SourceId;
use mu_vm::rt::choose::Schedule;
use mu_vm::rt::runtime::Config;
use mu_vm::rt::stress::GcStress;
use mu_vm::text::units;
use mu_vm::{Mu, Options};
use std::path::{Path, PathBuf};

/// What every command that loads bundles is given.
#[derive(Args)]
pub struct LoadArgs {
    /// Bundles, loaded in this order into one instance; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub instance: InstanceArgs,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// HAIL scripts to load.
#[derive(Args)]
pub struct HailArgs {
    /// HAIL script, loaded after the bundles (repeatable)
    #[arg(long, value_name = "FILE")]
    hail: Vec<PathBuf>,
}

impl HailArgs {
    /// The files, in the order they are loaded.
    pub fn inputs(&self) -> impl Iterator<Item = (&Path, Kind)> {
        self.hail.iter().map(|path| (path.as_path(), Kind::Hail))
    }
}

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
    #[command(flatten)]
    lenient: LenientArgs,
}

impl InstanceArgs {
    /// The configuration these options ask for.
    pub fn config(&self) -> Config {
        Config { libraries: self.lib.clone(), lenient: self.lenient.lenient, ..Config::default() }
    }
}

/// How strict to be.
#[derive(Args)]
pub struct LenientArgs {
    /// Take type mismatches of equal size and register class for warnings
    #[arg(long)]
    pub lenient: bool,
}

/// How much memory programs get, and what is asked of the collector.
#[derive(Args)]
pub struct MemoryArgs {
    /// Most bytes of heap objects, e.g. 64M [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    heap: Option<u64>,
    /// Bytes of each stack, e.g. 64K [default: 1M]
    #[arg(long, visible_alias = "stack", value_name = "SIZE", value_parser = units::size)]
    stack_size: Option<u64>,
    /// Force collections: every:N (at every Nth allocation), safepoint, move (move everything each time), and
    /// fail:K (the Kth allocation fails), separated by commas
    #[arg(long, value_name = "MODES")]
    pub gc_stress: Option<GcStress>,
    /// Check the heap after each collection
    #[arg(long)]
    verify_heap: bool,
}

impl MemoryArgs {
    /// A configuration with these options.
    pub fn config(&self, config: Config) -> Config {
        Config {
            heap_bytes: self.heap.unwrap_or(config.heap_bytes),
            stack_bytes: self.stack_size.unwrap_or(config.stack_bytes),
            gc_stress: self.gc_stress.unwrap_or(config.gc_stress),
            verify_heap: self.verify_heap || config.verify_heap,
            ..config
        }
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
    #[arg(long, value_name = "N", default_value_t = Schedule::PREEMPT, value_parser = units::count, requires = "schedule")]
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

/// Warnings of each text that commands show whose business is something else.
pub const WARNINGS_SHOWN: usize = 5;

/// What a text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A bundle (UIR).
    Bundle,
    /// A HAIL script.
    Hail,
}

/// A text that was read but not loaded.
pub struct Input {
    /// The name for messages.
    pub name: String,
    /// The text.
    pub text: String,
    /// What it is.
    kind: Kind,
}

impl Input {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path, kind: Kind) -> Result<Input, Failure> {
        Ok(Input { name: output::name(path), text: output::read(path)?, kind })
    }

    /// Reads all bundles, in order.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn read_bundles(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
        paths.iter().map(|path| Input::read(path, Kind::Bundle)).collect()
    }

    /// Reports what is wrong with the text of a HAIL script, whatever its names stand for.
    pub fn check_syntax(&self, reporter: &Reporter) {
        let (_, diagnostics) = mu_vm::text::hail::parse(&self.text, SourceId(0));
        let source = Source { name: self.name.clone(), text: self.text.as_str().into() };
        output::say(&reporter.diagnostics(&diagnostics, &[source]));
    }

    /// Loads it and reports its errors and warnings, at most so many of these. False if there were errors.
    pub fn load(&self, mu: &mut Mu, reporter: &Reporter, warnings_max: usize) -> bool {
        let loaded = match self.kind {
            Kind::Bundle => mu.load_bundle(&self.name, &self.text),
            Kind::Hail => mu.load_hail(&self.name, &self.text),
        };
        match loaded {
            Ok(warnings) => {
                let mut sources = mu.program().sources.clone();
                // A HAIL script leaves no text behind for its warnings to point into.
                if self.kind == Kind::Hail {
                    sources.push(Source { name: self.name.clone(), text: self.text.as_str().into() });
                }
                let shown = warnings.len().min(warnings_max);
                output::say(&reporter.diagnostics(&warnings[..shown], &sources));
                if shown < warnings.len() {
                    let name = &self.name;
                    output::say(&reporter.warning(&format!("{name}: more warnings; `mu check` shows them")));
                }
                true
            }
            Err(error) => {
                output::say(&reporter.diagnostics(&error.diagnostics, &error.sources));
                false
            }
        }
    }
}
