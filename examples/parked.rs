//! Many suspended stacks in one process: `cargo run --release --example parked -- 200000`
//!
//! Makes so many stacks, lets each run until it parks with an object of its own, collects, and resumes each. Prints what
//! that took, and the memory a parked stack keeps resident (all of the process that was not there before, objects and
//! tables included).
use mu_vm::rt::stack::Guards;
use mu_vm::{Mu, Options, Outcome, Value};
use std::time::{Duration, Instant};

const PROGRAM: &str = include_str!("parked.uir");

/// How many times everything is collected while the stacks are parked.
const COLLECTIONS: u32 = 3;

/// What a run took.
#[derive(Debug)]
pub struct Measured {
    /// Bytes of memory that each parked stack keeps resident.
    pub resident_bytes: f64,
    /// Bytes of page tables, likewise.
    pub page_table_bytes: f64,
    /// Making the stacks, running each until it parks.
    pub park: Duration,
    /// One collection, the shortest.
    pub collect: Duration,
    /// Resuming each until it ends.
    pub resume: Duration,
    /// How many answered right.
    pub right: u64,
    /// Stacks that were alive.
    pub alive: usize,
    /// Mappings of the process for each of them (as `vm.max_map_count` limits them).
    pub mappings: f64,
    /// Whether the kernel can guard stacks without a mapping for each.
    pub guards_are_free: bool,
}

/// A number of KiB in a line of /proc/self/status.
fn status_kib(name: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// Pages of the process in memory, in bytes.
fn resident_bytes() -> Result<u64, Box<dyn std::error::Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split(' ').nth(1).ok_or("no number")?.parse::<u64>()? * 4096)
}

fn mappings() -> Result<usize, Box<dyn std::error::Error>> {
    Ok(std::fs::read_to_string("/proc/self/maps")?.lines().count())
}

fn call(mu: &mut Mu, name: &str, args: Vec<Value>) -> Result<Value, Box<dyn std::error::Error>> {
    let func = mu.func(name).ok_or("no such function")?;
    match mu.call(func, args) {
        Outcome::Return(mut values) => Ok(values.remove(0)),
        other => Err(format!("{other:?}").into()),
    }
}

/// Parks `count` stacks of `stack_bytes` bytes, collects, resumes them.
pub fn run(count: u64, stack_bytes: u64) -> Result<Measured, Box<dyn std::error::Error>> {
    let mut options = Options::default();
    options.config.stack_bytes = stack_bytes;
    let mut mu = Mu::new(options)?;
    mu.load_bundle("parked.uir", PROGRAM)?;
    let n = mu.value_from_int(mu.type_named("@i64").ok_or("no @i64")?, count.into()).ok_or("no value")?;
    let before = (resident_bytes()?, status_kib("VmPTE:")?, mappings()?);
    let start = Instant::now();
    let all = call(&mut mu, "@park", vec![n.clone()])?;
    let park = start.elapsed();
    let mut collect = Duration::MAX;
    for _ in 0..COLLECTIONS {
        let start = Instant::now();
        mu.collect();
        collect = collect.min(start.elapsed());
    }
    let after = (resident_bytes()?, status_kib("VmPTE:")?, mappings()?);
    let guards = mu.runtime().stacks.arena().guards();
    let alive = mu.runtime().stacks.alive();
    let start = Instant::now();
    let right = call(&mut mu, "@resume", vec![all, n])?.as_u64();
    let resume = start.elapsed();
    Ok(Measured {
        resident_bytes: after.0.saturating_sub(before.0) as f64 / count as f64,
        page_table_bytes: after.1.saturating_sub(before.1) as f64 * 1024.0 / count as f64,
        park,
        collect,
        resume,
        right,
        alive,
        mappings: after.2.saturating_sub(before.2) as f64 / count as f64,
        guards_are_free: guards == Guards::Installed,
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let count = args.next().map_or(Ok(200_000), |text| text.parse())?;
    let stack_kib: u64 = args.next().map_or(Ok(1024), |text| text.parse())?;
    let measured = run(count, stack_kib << 10)?;
    let each = |time: Duration| time.as_nanos() as f64 / count as f64;
    println!("{} stacks of {stack_kib} KiB parked, {} answers right", measured.alive, measured.right);
    println!("resident  {:7.0} bytes a stack", measured.resident_bytes);
    println!("tables    {:7.0} bytes a stack (the kernel's page tables)", measured.page_table_bytes);
    println!("mappings  {:7.4} a stack", measured.mappings);
    println!("park      {:7.0} ns a stack", each(measured.park));
    println!(
        "collect   {:7.0} ns a stack, {:.0} ms",
        each(measured.collect),
        measured.collect.as_secs_f64() * 1e3
    );
    println!("resume    {:7.0} ns a stack", each(measured.resume));
    Ok(())
}
