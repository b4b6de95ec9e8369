//! What crosses stacks and boundaries, on the interpreter: `cargo bench --bench stacks` (criterion's table; throughput is
//! in rounds). Each is a loop in Mu; `loop` is the loop without anything in it.
//!
//! * `swapstack, there and back`: two swaps between two stacks; `round a ring of 1000`: one swap of many stacks
//! * `trap`: to the client and back
//! * `ccall`: of a C function that does next to nothing (`abs`)
//! * `new_stack and kill`: a stack that never runs; and one that runs to its first swap before it is killed

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mu_vm::{Mu, Options, Outcome, TrapAction, TrapContext, TrapHandler};
use support::{instance, int_argument};

/// Rounds of most loops.
const ROUNDS: u64 = 10_000;

/// The ring needs more, because it is made anew for each run.
const RING_ROUNDS: u64 = 1_000_000;

const PROGRAM: &str = include_str!("stacks.uir");

/// Answers each trap with nothing.
struct Answer;

impl TrapHandler for Answer {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        TrapAction::PassValues(trap.stack(), Vec::new())
    }
}

fn run(mu: &mut Mu, name: &str, rounds: u64) {
    let func = mu.func(name).expect("the program has it");
    let arguments = vec![int_argument(mu, func, rounds.into())];
    match mu.call_with(func, arguments, &mut Answer, None) {
        Outcome::Return(_) => {}
        other => panic!("{name}: {other:?}"),
    }
}

fn stacks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stacks");
    group.sample_size(20);
    for (name, func, rounds) in [
        ("loop", "@loop", ROUNDS),
        ("swapstack, there and back", "@ping", ROUNDS),
        ("swapstack, round a ring of 1000", "@ring", RING_ROUNDS),
        ("trap", "@trap", ROUNDS),
        ("ccall", "@ccall", ROUNDS),
        ("new_stack and kill", "@make_and_kill", ROUNDS),
        ("new_stack, run and kill", "@make_run_and_kill", ROUNDS),
    ] {
        let mut mu = instance(PROGRAM, Options::default());
        group.throughput(Throughput::Elements(rounds));
        group.bench_function(name, |bencher| bencher.iter(|| run(&mut mu, func, rounds)));
    }
    group.finish();
}

criterion_group!(benches, stacks);
criterion_main!(benches);
