//! `mu run`: loads bundles, calls the entry function on a new stack and thread, prints its results one per line.
//!
//! Trap handling is what a command line can offer: a call of an undefined function loads the next `--on-undefined`
//! bundle and goes on; every other trap ends the thread.

use super::entry::Call;
use super::exit::Exit;
use super::options::{self, Bundle, InstanceArgs, ReportArgs, ScheduleArgs, parse_size};
use super::output::{self, Failure};
use super::render::Reporter;
use super::report::Report;
use super::trace::{TraceKind, TraceWriter};
use clap::Args;
use mu_vm::interp::Tracer;
use mu_vm::interp::frames::NewStackFailure;
use mu_vm::rt::runtime::Config;
use mu_vm::rt::thread::Event;
use mu_vm::{Mu, Outcome, TrapAction, TrapCause, TrapContext, TrapHandler};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Arguments of `mu run`.
#[derive(Args)]
#[command(after_help = help())]
pub struct RunArgs {
    /// Bundles, loaded in this order; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The function to call
    #[arg(long, value_name = "NAME", default_value = "@main")]
    entry: String,
    /// Arguments of the entry function
    #[arg(last = true, value_name = "ARG")]
    args: Vec<OsString>,
    /// Most bytes of heap objects, e.g. 64M
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    heap: u64,
    /// Bytes of each stack, e.g. 1M
    #[arg(long, alias = "stack", value_name = "SIZE", default_value = "1M", value_parser = parse_size)]
    stack_size: u64,
    /// Stop after this many instructions
    #[arg(long, value_name = "N")]
    fuel: Option<u64>,
    #[command(flatten)]
    instance: InstanceArgs,
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// Do not look for undefined behaviour of memory accesses
    #[arg(long)]
    unchecked: bool,
    /// When an undefined function is called, load this bundle and go on (repeatable: one bundle per such trap)
    #[arg(long, value_name = "FILE")]
    on_undefined: Vec<PathBuf>,
    /// How code is executed: interp (the reference interpreter)
    #[arg(long, value_name = "TIER", default_value = "interp", hide_possible_values = true)]
    tier: Tier,
    /// Write every call and return (calls), every instruction (ops) or both (calls,ops) to the standard error output
    #[arg(long, value_name = "KINDS", value_delimiter = ',', hide_possible_values = true)]
    trace: Vec<TraceKind>,
    /// Print counts and times to the standard error output at the end
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// How code is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Tier {
    /// The reference interpreter
    Interp,
}

fn help() -> String {
    let codes = Exit::table(&[
        Exit::Ok,
        Exit::Exception,
        Exit::Undefined,
        Exit::Trap,
        Exit::Unsupported,
        Exit::Fuel,
        Exit::Start,
        Exit::Bundle,
        Exit::Usage,
        Exit::Deadlock,
    ]);
    format!(
        "\
Examples:
  mu run fib.uir -- 20                     call @main(20), print each result on a line
  mu run pairs.uir --entry @swap -- '{{1, 2.5}}' null
  mu run sha256.uir -- file.txt            a C-like main gets argc and argv and gives the exit code
  mu run a.uir b.uir --lib libm.so.6       several bundles, external symbols of a library
  mu run lazy.uir --on-undefined rest.uir  load a bundle when it is needed
  mu run loop.uir --fuel 1000000 --stats   stop after a million instructions, print counts
  mu run fib.uir --trace=calls -- 5        every call and return
  mu run race.uir --schedule=7 --preempt=2 threads in another order, with very short turns

Arguments are read by the types of the entry function's parameters: 42, -1, 0xff, 1.5, nan,
{{1, 2}}, null, @f.
A C-like main has parameters (int<32> uptr<uptr<int<8>>>) and returns (int<32>).

All threads of a program take turns on one OS thread; equal seeds (--schedule) give equal runs.
The program ends with its main thread, whatever the others are doing. Time is virtual: a
nanosecond per instruction, and when every thread waits it jumps to the next timeout.

{codes}"
    )
}

/// Runs the command.
pub fn main(args: &RunArgs) -> u8 {
    let reporter = args.report.reporter();
    run(args, &reporter).unwrap_or_else(|failure| failure.report(&reporter))
}

fn run(args: &RunArgs, reporter: &Reporter) -> Result<u8, Failure> {
    let Tier::Interp = args.tier;
    let bundles = options::read_bundles(&args.files)?;
    let lazy = options::read_bundles(&args.on_undefined)?;
    let config = Config {
        heap_bytes: args.heap,
        stack_bytes: args.stack_size,
        checked: !args.unchecked,
        schedule: args.schedule.schedule(),
        ..args.instance.config()
    };
    let mut mu = options::instance(config, args.fuel.unwrap_or(u64::MAX))?;
    for bundle in &bundles {
        if !options::load(&mut mu, bundle, reporter) {
            return Ok(Exit::Bundle.code());
        }
    }
    let call = Call::new(&mu, &args.entry, args.files[0].as_os_str(), &args.args)?;
    let started = Instant::now();
    let mut loader = LazyLoader { bundles: lazy.into(), reporter: *reporter, failed: false };
    let mut tracer = TraceWriter::new(std::io::stderr(), &args.trace);
    let outcome = start(&mut mu, &call, &mut loader, (!args.trace.is_empty()).then_some(&mut tracer))?;
    let elapsed = started.elapsed();
    tracer.finish();
    let code = finish(&mu, outcome, &call, &loader, reporter)?;
    if args.stats {
        output::say(&statistics(&mu, elapsed));
    }
    Ok(code)
}

/// Makes the first stack and runs a thread on it.
fn start(
    mu: &mut Mu,
    call: &Call,
    loader: &mut LazyLoader,
    tracer: Option<&mut TraceWriter<std::io::Stderr>>,
) -> Result<Outcome, Failure> {
    let stack = mu.new_stack(call.func).map_err(|failure| {
        let (exit, reason) = match failure {
            NewStackFailure::Stack(error) => (Exit::Start, error.to_string()),
            NewStackFailure::FrameTooLarge => {
                (Exit::Start, "its frame is larger than a stack (--stack-size)".into())
            }
            NewStackFailure::Event(Event::Unsupported(what)) => (Exit::Unsupported, what),
            NewStackFailure::Event(event) => (Exit::Start, format!("{event:?}")),
        };
        Failure { exit, message: format!("cannot make a stack for {}: {reason}", mu.func_name(call.func)) }
    })?;
    let tracer = tracer.map(|tracer| tracer as &mut dyn Tracer);
    let outcome = mu.run_thread(stack, call.args.clone(), loader, tracer);
    // What the program printed through C stands before what is printed about it.
    mu_vm::rt::native::flush_stdio();
    Ok(outcome)
}

/// Prints results or what went wrong.
fn finish(
    mu: &Mu,
    outcome: Outcome,
    call: &Call,
    loader: &LazyLoader,
    reporter: &Reporter,
) -> Result<u8, Failure> {
    if let Outcome::Return(values) = &outcome {
        if call.is_c_like {
            return Ok(values.first().map_or(0, |value| value.as_u64() as u8));
        }
        let mut text = String::new();
        for value in values {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", mu.value_to_text(value));
        }
        output::print(&text)?;
        return Ok(Exit::Ok.code());
    }
    let Some(report) = Report::of(mu, outcome) else { return Ok(Exit::Ok.code()) };
    output::say(&report.text(reporter));
    Ok(if loader.failed { Exit::Bundle } else { report.exit }.code())
}

/// Answers calls of undefined functions.
struct LazyLoader {
    bundles: VecDeque<Bundle>,
    reporter: Reporter,
    /// A bundle had errors, which were reported.
    failed: bool,
}

impl TrapHandler for LazyLoader {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let bundle = match trap.cause() {
            TrapCause::Undefined(_) => self.bundles.pop_front(),
            TrapCause::Trap | TrapCause::Watchpoint(_) => None,
        };
        let Some(bundle) = bundle else { return TrapAction::Unhandled };
        if options::load(trap.mu, &bundle, &self.reporter) {
            TrapAction::PassValues(trap.stack(), Vec::new())
        } else {
            self.failed = true;
            TrapAction::Unhandled
        }
    }
}

/// The text of `--stats`.
fn statistics(mu: &Mu, elapsed: Duration) -> String {
    let executed = mu.executed();
    let seconds = elapsed.as_secs_f64();
    let (each, rate) = match (executed, seconds) {
        (0, _) => (0.0, 0.0),
        (count, seconds) => (seconds * 1e9 / count as f64, count as f64 / seconds.max(1e-9) / 1e6),
    };
    let heap = mu.runtime().heap.statistics();
    format!(
        "instructions     {executed}\n\
         seconds          {seconds:.6}\n\
         ns/instruction   {each:.2}\n\
         million/s        {rate:.1}\n\
         heap objects     {}\n\
         heap bytes       {}\n\
         stacks created   {}\n\
         threads created  {}\n\
         versions decoded {}\n",
        heap.objects,
        heap.object_bytes,
        mu.runtime().stacks.created(),
        mu.runtime().threads.made(),
        mu.versions_decoded()
    )
}
