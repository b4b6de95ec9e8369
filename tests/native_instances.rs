//! Instances that are dropped while native code is on its way through them leave nothing mapped once that has come back
//! ([I2]). In a process of its own, so that nothing else maps memory meanwhile.

use mu_vm::Outcome;
use std::time::Instant;

#[path = "support/native.rs"]
mod support;
use support::{
    Gate, PATIENCE, address_of_awaits, address_of_waits, call, call_native, exposed, instance, number,
};

/// Address space of the process, in KiB.
fn mapped_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What the allocator may keep for threads that have ended. An instance is gigabytes.
const LEFT_KIB_MAX: u64 = 1 << 20;

#[test]
fn what_comes_back_from_native_code_leaves_nothing() {
    round();
    let before = mapped_kib();
    (0..3).for_each(|_| round());
    let begin = Instant::now();
    // Threads that were left in native code go in a moment.
    while mapped_kib() > before + LEFT_KIB_MAX && begin.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    let after = mapped_kib();
    assert!(after <= before + LEFT_KIB_MAX, "{before} KiB mapped before, {after} KiB after");
}

/// Instances that are dropped while something of them is in native code, or left there for good.
fn round() {
    for _ in 0..10 {
        // Another Mu thread of an ended run waits in native code, to return or to call back.
        for calls_back in [false, true] {
            let mut mu = instance(true);
            let twice = exposed(&mut mu, "@twice", 0);
            let (gate, gate_number) = Gate::new();
            let callee = if calls_back { twice } else { 0 };
            let args = [address_of_waits(), address_of_awaits(), gate_number, callee];
            assert_eq!(number(&mut mu, "@leaves", &args), 7);
            drop(mu);
            gate.open();
        }
        // A foreign call, in native code that it has called.
        for os_threads in [false, true] {
            let mut mu = instance(os_threads);
            let blocks = exposed(&mut mu, "@calls_target", 0);
            assert_eq!(number(&mut mu, "@set_target", &[address_of_waits(), 0]), 0);
            let (gate, gate_number) = Gate::new();
            let caller = std::thread::spawn(move || call_native(blocks, gate_number));
            mu.while_idle(|| gate.wait_for(1));
            drop(mu);
            gate.open();
            caller.join().unwrap();
        }
        // A native call that waits for ever: the function it called has left its stack, or has failed.
        for os_threads in [false, true] {
            let mut mu = instance(os_threads);
            let leaves = exposed(&mut mu, "@swaps_away", 0);
            let (gate, gate_number) = Gate::new();
            gate.open();
            assert_eq!(number(&mut mu, "@runs_elsewhere", &[address_of_waits(), gate_number, leaves]), 7);
            let throws = exposed(&mut mu, "@throws", 0);
            let outcome = call(&mut mu, "@calls_native", &[address_of_waits(), gate_number, throws]);
            assert!(matches!(outcome, Outcome::Undefined(..)), "{outcome:?}");
        }
    }
}
