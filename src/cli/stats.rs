//! The text of `mu run --stats`: one `name  value` a line, for people and for scripts that cut lines at the last space.
//!
//! Lines about collections stand there when there were any, those about stress modes when one is on: then their zeros
//! are worth knowing, too.

use mu_vm::Mu;
use mu_vm::rt::heap::{Cause, Collections};
use std::fmt::{Display, Write as _};
use std::time::Duration;

/// Columns of the names.
const NAMES: usize = 24;

/// The lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:NAMES$} {value}");
    }
}

/// What a run that took `elapsed` did.
pub fn statistics(mu: &Mu, elapsed: Duration) -> String {
    let mut lines = Lines::default();
    let executed = mu.executed();
    let seconds = elapsed.as_secs_f64();
    let (each, rate) = match (executed, seconds) {
        (0, _) => (0.0, 0.0),
        (count, seconds) => (seconds * 1e9 / count as f64, count as f64 / seconds.max(1e-9) / 1e6),
    };
    let rt = mu.runtime();
    lines.line("instructions", executed);
    lines.line("seconds", format_args!("{seconds:.6}"));
    lines.line("ns/instruction", format_args!("{each:.2}"));
    lines.line("million/s", format_args!("{rate:.1}"));
    lines.line("versions decoded", mu.versions_decoded());
    lines.line("stacks created", rt.stacks.created());
    lines.line("stacks killed unreached", rt.stacks_killed);
    lines.line("threads created", rt.threads.made());
    let heap = rt.heap.statistics();
    lines.line("heap objects", heap.objects);
    lines.line("heap bytes", heap.object_bytes);
    lines.line("heap bytes in blocks", heap.used_bytes);
    let counts = rt.heap.collections();
    lines.line("heap bytes handed out", counts.allocated_bytes);
    collections(&counts, &mut lines);
    stress(mu, &mut lines);
    lines.0
}

fn collections(counts: &Collections, lines: &mut Lines) {
    lines.line("collections", counts.count);
    if counts.count == 0 {
        return;
    }
    for (cause, &count) in Cause::ALL.iter().zip(&counts.by_cause).filter(|(_, count)| **count > 0) {
        lines.line(&format!("  for {}", cause.name()), count);
    }
    let seconds = |pause: Duration| format!("{:.6}", pause.as_secs_f64());
    lines.line("pause seconds, total", seconds(counts.pause_total));
    lines.line("pause seconds, mean", seconds(counts.pause_mean()));
    lines.line("pause seconds, max", seconds(counts.pause_max));
    lines.line("live objects", counts.live_objects);
    lines.line("live bytes", counts.live_bytes);
    lines.line("objects moved", counts.objects_moved);
    lines.line("weak references cleared", counts.weakrefs_cleared);
}

fn stress(mu: &Mu, lines: &mut Lines) {
    let (modes, counts) = (&mu.runtime().config.gc_stress, &mu.runtime().stress_counts);
    if *modes == Default::default() {
        return;
    }
    lines.line("stress modes", modes);
    if modes.at_allocations() {
        lines.line("stress allocations seen", counts.allocations);
    }
    if modes.every.is_some() {
        lines.line("stress at allocations", counts.allocation_collections);
    }
    if modes.safepoint {
        lines.line("stress at safepoints", counts.safepoint_collections);
    }
    if modes.fail_at.is_some() {
        lines.line("stress failures", counts.failures);
    }
}
