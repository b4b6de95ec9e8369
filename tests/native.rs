//! Native code seen from the client: exposing, calls by foreign threads, threads that are left in native code.

use mu_vm::ir::ids::FuncId;
use mu_vm::ir::ub::Ub;
use mu_vm::native::ExposeError;
use mu_vm::rt::runtime::Config;
use mu_vm::trace::NATIVE_FRAME;
use mu_vm::{Mu, Options, Outcome, TrapAction, TrapContext, TrapHandler};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[path = "support/native.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod support;
use support::{
    Gate, PATIENCE, address_of_awaits, address_of_waits, call, call_native, exposed, instance, number,
};

const BOTH: [bool; 2] = [false, true];

#[test]
fn misuse_of_exposing_is_an_error() {
    let mut mu = instance(false);
    let count = mu.program().funcs.len();
    for index in [count, count + 1, u32::MAX as usize - 1] {
        assert_eq!(mu.expose(FuncId::new(index), 0), Err(ExposeError::NoFunction));
    }
    let address = exposed(&mut mu, "@twice", 0);
    for wrong in [0, 1, address + 1, address - 16, address ^ 1 << 40, u64::MAX, address_of_waits()] {
        assert!(!mu.unexpose(wrong), "{wrong:#x}");
    }
    assert!(!instance(false).unexpose(address), "an address of another instance");
    assert!(mu.unexpose(address) && !mu.unexpose(address));
    // What native code cannot pass.
    let other = mu.func("@other").unwrap();
    match mu.expose(other, 0) {
        Err(ExposeError::Failure(_)) => {}
        other => panic!("{other:?}"),
    }
}

/// Calls from an OS thread that is not Mu's, while nothing runs.
#[test]
fn foreign_threads_call_while_nothing_runs() {
    for os_threads in BOTH {
        let mut mu = instance(os_threads);
        let twice = exposed(&mut mu, "@twice", 0);
        mu.while_idle(|| {
            assert_eq!(call_native(twice, 4), 8, "on the client's OS thread");
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..50).for_each(|n| assert_eq!(call_native(twice, n), 2 * n)));
                }
            });
        });
        assert_eq!(number(&mut mu, "@get_calls", &[]), 201);
        assert!(mu.take_foreign_failures().is_empty());
        assert!(mu.runtime().threads.all().is_empty());
    }
}

#[test]
fn the_cookie_is_that_of_the_call() {
    for os_threads in BOTH {
        let mut mu = instance(os_threads);
        for (name, result) in
            [("@cookie", 5), ("@tail_cookie", 0), ("@other_cookie", 5), ("@has_threadlocal", 0)]
        {
            let address = exposed(&mut mu, name, 5);
            for _ in 0..3 {
                assert_eq!(mu.while_idle(|| call_native(address, 0)), result, "{name}, foreign");
            }
            let (gate, gate_number) = Gate::new();
            gate.open();
            let through_c = number(&mut mu, "@calls_native", &[address_of_waits(), gate_number, address]);
            assert_eq!(through_c, result, "{name}, called back");
        }
    }
}

/// Why foreign calls did not return is told, C gets zeros, and nothing is left of them.
#[test]
fn failures_of_foreign_calls() {
    for os_threads in BOTH {
        let mut mu = instance(os_threads);
        let names = ["@throws", "@divides", "@traps", "@undefined"];
        let addresses = names.map(|name| exposed(&mut mu, name, 0));
        for _ in 0..20 {
            mu.while_idle(|| addresses.iter().for_each(|&address| assert_eq!(call_native(address, 3), 0)));
            let failures = mu.take_foreign_failures();
            match &failures[..] {
                [
                    Outcome::Exception(..),
                    Outcome::Undefined(Ub::DivideByZero, at),
                    Outcome::Trap(..),
                    Outcome::Trap(..),
                ] => assert_eq!(at.top[0].func, "@divides"),
                other => panic!("{other:?}"),
            }
            assert!(mu.take_foreign_failures().is_empty());
        }
        mu.collect();
        assert_eq!(mu.runtime().stacks.alive(), 0, "stacks left at traps");
        // Only so many are kept.
        mu.while_idle(|| (0..150).for_each(|_| assert_eq!(call_native(addresses[1], 3), 0)));
        assert_eq!(mu.take_foreign_failures().len(), 100);
    }
}

/// What is not exposed any more is told, to a call in a run too, where nobody else can call in.
#[test]
fn calls_of_what_was_unexposed() {
    for os_threads in BOTH {
        let mut mu = instance(os_threads);
        let twice = exposed(&mut mu, "@twice", 0);
        assert!(mu.unexpose(twice));
        mu.while_idle(|| call_native(twice, 3));
        match &mu.take_foreign_failures()[..] {
            [Outcome::Undefined(Ub::BadNativeCallee, _)] => {}
            other => panic!("{other:?}"),
        }
        // A foreign thread calls it while a run waits for that thread.
        let (gate, gate_number) = Gate::new();
        let (done, is_done) = mpsc::channel();
        let caller = std::thread::spawn({
            let gate = gate.clone();
            move || {
                gate.wait_for(1);
                call_native(twice, 3);
                gate.open();
                done.send(()).unwrap();
            }
        });
        assert_eq!(number(&mut mu, "@calls_native", &[address_of_waits(), gate_number, 0]), 0);
        is_done.recv_timeout(PATIENCE).unwrap();
        caller.join().unwrap();
        assert_eq!(mu.take_foreign_failures().len(), 1);
    }
}

/// A foreign thread calls while a run is in native code: its call is a run beside it.
#[test]
fn foreign_threads_call_during_a_run() {
    for os_threads in BOTH {
        let mut mu = instance(os_threads);
        let twice = exposed(&mut mu, "@twice", 0);
        let (gate, gate_number) = Gate::new();
        let caller = std::thread::spawn({
            let gate = gate.clone();
            move || {
                gate.wait_for(1);
                (0..100).for_each(|n| assert_eq!(call_native(twice, n), 2 * n));
                gate.open();
            }
        });
        assert_eq!(number(&mut mu, "@calls_native", &[address_of_waits(), gate_number, twice]), 14);
        caller.join().unwrap();
        assert_eq!(number(&mut mu, "@get_calls", &[]), 101);
    }
}

/// All threads of a run sleep, but a foreign thread may wake one: that is no deadlock.
#[test]
fn a_foreign_thread_wakes_one_that_sleeps() {
    let mut mu = instance(true);
    let wakes = exposed(&mut mu, "@wakes", 0);
    let caller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        // The one that is to be woken may not sleep yet.
        (0..1000).take_while(|_| call_native(wakes, 9) == 9).count()
    });
    match call(&mut mu, "@sleeps", &[3]) {
        Outcome::Return(values) => assert_eq!(values[0].as_u64(), 3),
        other => panic!("{other:?}"),
    }
    mu.while_idle(|| caller.join().unwrap());
    // Without exposed functions it is one.
    assert!(mu.unexpose(wakes));
    assert!(matches!(call(&mut mu, "@sleeps", &[3]), Outcome::Deadlock { .. }));
}

/// The run ends although another thread is in native code that blocks; that comes back later, by returning or by calling
/// an exposed function.
#[test]
fn a_thread_left_in_native_code() {
    for calls_back in BOTH {
        for dropped in BOTH {
            let mut mu = instance(true);
            let twice = exposed(&mut mu, "@twice", 0);
            let callee = if calls_back { twice } else { 0 };
            let (gate, gate_number) = Gate::new();
            let begin = Instant::now();
            let args = [address_of_waits(), address_of_awaits(), gate_number, callee];
            assert_eq!(number(&mut mu, "@leaves", &args), 7);
            assert!(begin.elapsed() < PATIENCE, "the run has ended at once");
            // The instance can be used.
            assert_eq!(number(&mut mu, "@twice", &[4]), 8);
            mu.collect();
            assert_eq!(mu.runtime().threads.all().len(), 1, "it is still there");
            let mut kept = (!dropped).then_some(mu);
            gate.open();
            // It comes back when it is let in.
            if let Some(mu) = &mut kept {
                let begin = Instant::now();
                while !mu.runtime().threads.all().is_empty() && begin.elapsed() < PATIENCE {
                    mu.while_idle(std::thread::yield_now);
                }
                assert!(mu.runtime().threads.all().is_empty());
                assert_eq!(number(mu, "@get_calls", &[]), 1, "the run was over, so it was not called");
                mu.collect();
                assert_eq!(mu.runtime().stacks.alive(), 0);
            }
        }
    }
}

#[test]
fn collections_do_not_wait_for_native_code() {
    let config = Config { os_threads: true, heap_bytes: 1 << 20, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("native.uir", include_str!("support/native.uir")).unwrap();
    let (gate, gate_number) = Gate::new();
    let args = [address_of_waits(), address_of_awaits(), gate_number, 0, 500_000];
    assert_eq!(number(&mut mu, "@allocates", &args), 7);
    assert!(mu.runtime().heap.collections().count > 3);
    gate.open();
}

/// A foreign call that has begun ends as usual, also if the instance is dropped meanwhile: then the call is the last that
/// keeps the instance.
#[test]
fn a_foreign_call_outlives_the_client() {
    for os_threads in BOTH {
        for _ in 0..20 {
            let mut mu = instance(os_threads);
            let twice = exposed(&mut mu, "@twice", 0);
            assert_eq!(number(&mut mu, "@set_target", &[address_of_waits(), twice]), 0);
            let blocks = exposed(&mut mu, "@calls_target", 0);
            let (gate, gate_number) = Gate::new();
            let caller = std::thread::spawn(move || call_native(blocks, gate_number));
            mu.while_idle(|| gate.wait_for(1));
            drop(mu);
            gate.open();
            assert_eq!(caller.join().unwrap(), 14);
        }
    }
}

/// Nested to and fro on a foreign thread: exposed function, native code, exposed function, native code.
#[test]
fn foreign_threads_nest() {
    for os_threads in BOTH {
        let mut mu = instance(os_threads);
        let twice = exposed(&mut mu, "@twice", 0);
        let outer = exposed(&mut mu, "@calls_target", 0);
        assert_eq!(number(&mut mu, "@set_target", &[address_of_waits(), twice]), 0);
        let (gate, gate_number) = Gate::new();
        gate.open();
        mu.while_idle(|| {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..50).for_each(|_| assert_eq!(call_native(outer, gate_number), 14)));
                }
            });
        });
        assert_eq!(number(&mut mu, "@get_calls", &[]), 200);
        assert!(mu.take_foreign_failures().is_empty());
    }
}

/// Two instances call each other through native code: what runs on a segment of one is foreign to the other.
#[test]
fn instances_call_each_other() {
    for os_threads in BOTH {
        let (mut one, mut other) = (instance(os_threads), instance(!os_threads));
        let (gate, gate_number) = Gate::new();
        gate.open();
        let twice = exposed(&mut one, "@twice", 0);
        let inner = exposed(&mut other, "@calls_target", 0);
        // one → waits → other → waits → one. The gate's number is not 7, so the inner call gets one of its own.
        while Gate::new().1 < 7 {}
        support::gate(7).open();
        assert_eq!(number(&mut other, "@set_target", &[address_of_waits(), twice]), 0);
        let result =
            other.while_idle(|| number(&mut one, "@calls_native", &[address_of_waits(), gate_number, inner]));
        assert_eq!(result, 14);
        assert_eq!(number(&mut one, "@get_calls", &[]), 1);
        assert!(one.take_foreign_failures().is_empty() && other.take_foreign_failures().is_empty());
    }
}

/// Handles traps of functions that native code called by calling native code that calls back, in several ways.
struct CallsBack {
    traps: u64,
    /// Unexposed by the first trap, though native code waits in a call of it.
    trapping: u64,
}

impl TrapHandler for CallsBack {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        self.traps += 1;
        let stack = trap.stack();
        let mu = &mut *trap.mu;
        assert_eq!(mu.unexpose(self.trapping), self.traps == 1);
        let twice = exposed(mu, "@twice", 0);
        let (gate, gate_number) = Gate::new();
        gate.open();
        let calls = [address_of_waits(), gate_number, twice];
        assert_eq!(number(mu, "@calls_native", &calls), 14);
        assert_eq!(mu.while_idle(|| call_native(twice, 5)), 10);
        mu.collect();
        assert!(mu.unexpose(twice));
        assert!(matches!(call(mu, "@calls_native", &calls), Outcome::Undefined(Ub::BadNativeCallee, _)));
        // The stack of the trap: the function, native code, and who called that.
        let trace = mu.backtrace(stack);
        let names: Vec<&str> = trace.top.iter().map(|frame| &*frame.func).collect();
        assert_eq!(names, ["@traps", NATIVE_FRAME, "@calls_native"]);
        let ty = trap.expected_types()[0];
        let value = trap.mu.value_from_int(ty, self.traps.into()).unwrap();
        TrapAction::PassValues(stack, vec![value])
    }
}

#[test]
fn trap_handlers_may_call_native_code() {
    for os_threads in BOTH {
        let mut mu = instance(os_threads);
        let (gate, gate_number) = Gate::new();
        gate.open();
        let calls = mu.func("@calls_native").unwrap();
        let mut handler = CallsBack { traps: 0, trapping: exposed(&mut mu, "@traps", 0) };
        let args = |mu: &Mu, trapping| {
            let words = [address_of_waits(), gate_number, trapping];
            let types = mu.params(calls).iter().zip(words);
            types.map(|(&ty, word)| mu.value_from_int(ty, word.into()).unwrap()).collect()
        };
        for count in 1..=5 {
            let trapping = if count == 1 { handler.trapping } else { exposed(&mut mu, "@traps", count) };
            let args = args(&mu, trapping);
            match mu.call_with(calls, args, &mut handler, None) {
                Outcome::Return(values) => assert_eq!(values[0].as_u64(), count),
                other => panic!("{other:?}"),
            }
        }
        assert!(mu.take_foreign_failures().is_empty());
    }
}

/// Foreign threads of C and of the client, with callbacks that allocate, during runs and between them, while everything moves.
#[test]
fn everything_at_once() {
    const CALLS: usize = 30;
    let gc_stress = "every:7,move".parse().unwrap();
    for os_threads in BOTH {
        let config =
            Config { os_threads, gc_stress, heap_bytes: 4 << 20, verify_heap: true, ..Config::default() };
        let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
        let text = include_str!("conformance/native-interface/foreign_threads.uir");
        mu.load_bundle("foreign_threads.uir", text).unwrap();
        let sorts = exposed(&mut mu, "@sorts", 9);
        let callers: Vec<_> = (1..=4)
            .map(|start| {
                std::thread::spawn(move || (0..CALLS).for_each(|_| assert_eq!(call_native(sorts, start), 9)))
            })
            .collect();
        for _ in 0..CALLS / 3 {
            assert_eq!(number(&mut mu, "@all_sort", &[]), 12);
        }
        mu.while_idle(|| callers.into_iter().for_each(|caller| caller.join().unwrap()));
        assert!(mu.take_foreign_failures().is_empty());
        assert!(mu.runtime().stress_counts.allocation_collections > 100);
        mu.collect();
        assert!(mu.runtime().threads.all().is_empty());
        assert_eq!(mu.runtime().stacks.alive(), 0);
    }
}

/// All of the above with freed memory overwritten, in a process of its own: what is read after it was freed is seen.
#[test]
fn nothing_is_read_after_it_was_freed() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.env("MALLOC_PERTURB_", "165").args(["--skip", "nothing_is_read_after_it_was_freed"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
}
