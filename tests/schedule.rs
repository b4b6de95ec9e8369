//! Deterministic threads: a seed repeats a run instruction by instruction, different seeds explore, and what may come of
//! a litmus test comes of it.

use mu_vm::conformance::{self, Suite, Tier};
use mu_vm::interp::Tracer;
use mu_vm::interp::exec::Here;
use mu_vm::rt::runtime::{Config, Runtime};
use mu_vm::rt::thread::Thread;
use mu_vm::{Mu, Options, Outcome, TrapAction, TrapContext, TrapHandler};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;

fn script(path: &str) -> String {
    let path = format!("{}/tests/conformance/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn instance(text: &str, seed: u64, preempt: u64) -> Mu {
    let mut config = Config::default();
    config.schedule.seed = seed;
    config.schedule.preempt = preempt;
    let mut mu = Mu::new(Options { config, fuel: 10_000_000 }).unwrap();
    mu.load_bundle("script.uir", text).unwrap();
    mu
}

/// Results of a function without parameters.
fn call(mu: &mut Mu, name: &str) -> Vec<u64> {
    let func = mu.func(name).unwrap();
    match mu.call(func, vec![]) {
        Outcome::Return(values) => values.iter().map(|value| value.as_u64()).collect(),
        other => panic!("{name}: {other:?}"),
    }
}

/// Hashes which thread executes what, where.
#[derive(Default)]
struct TraceHash {
    hasher: DefaultHasher,
    switches: u64,
    last: u64,
}

impl Tracer for TraceHash {
    fn instruction(&mut self, _: &Runtime, thread: &Thread, here: &Here<'_>, pc: usize) {
        self.switches += u64::from(self.last != thread.id.0);
        self.last = thread.id.0;
        (thread.id.0, thread.stack.0, here.code.func.0, pc).hash(&mut self.hasher);
    }

    fn instruction_again(&mut self) {}
}

fn trace(text: &str, function: &str, seed: u64) -> (u64, u64) {
    let mut mu = instance(text, seed, 10);
    let func = mu.func(function).unwrap();
    let mut tracer = TraceHash::default();
    let outcome = mu.call_with(func, vec![], &mut mu_vm::driver::NoTraps, Some(&mut tracer));
    assert!(matches!(outcome, Outcome::Return(_)), "{outcome:?}");
    (tracer.hasher.finish(), tracer.switches)
}

#[test]
fn a_seed_repeats_a_run_and_seeds_differ() {
    let text = script("threads-stacks/producers_consumers.uir");
    let mut seen = BTreeSet::new();
    for seed in 0..10 {
        let (hash, switches) = trace(&text, "@run", seed);
        assert_eq!((hash, switches), trace(&text, "@run", seed), "seed {seed}");
        assert!(switches > 100, "{switches} switches");
        seen.insert(hash);
    }
    assert_eq!(seen.len(), 10, "every seed is another run");
}

/// The same through the command, whose trace has no addresses.
#[test]
fn the_trace_of_the_command_repeats() {
    let path = "tests/conformance/threads-stacks/mutual_exclusion_peterson.uir";
    let run = |seed: u64| {
        let command = Command::new(env!("CARGO_BIN_EXE_mu"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["run", path, "--entry", "@both", "--trace=ops,calls", "--preempt=5"])
            .arg(format!("--schedule={seed}"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&command.stdout), "120\n");
        command.stderr
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert!(first == again, "one seed, two traces");
    assert!(first != other, "two seeds, one trace");
    let text = String::from_utf8(first).unwrap();
    assert!(text.contains(" T1 S1 ") && text.contains(" T2 ") && text.contains(" T3 "));
}

/// Outcomes over many seeds.
fn outcomes(file: &str, function: &str) -> BTreeSet<Vec<u64>> {
    let text = script(file);
    let mut seen = BTreeSet::new();
    for seed in 0..8 {
        let mut mu = instance(&text, seed, 3);
        seen.extend((0..60).map(|_| call(&mut mu, function)));
    }
    seen
}

/// All interleavings come true, and nothing else: memory is sequentially consistent here, whatever the orders.
#[test]
fn litmus_shapes_have_all_outcomes_of_interleaving() {
    let set = |outcomes: &[&[u64]]| outcomes.iter().map(|words| words.to_vec()).collect::<BTreeSet<_>>();
    for order in ["@relaxed", "@seq_cst"] {
        assert_eq!(outcomes("memory/litmus_sb.uir", order), set(&[&[0, 1], &[1, 0], &[1, 1]]));
        assert_eq!(outcomes("memory/litmus_mp.uir", order), set(&[&[0, 0], &[0, 1], &[1, 1]]));
        assert_eq!(outcomes("memory/litmus_lb.uir", order), set(&[&[0, 0], &[0, 1], &[1, 0]]));
        assert_eq!(outcomes("memory/litmus_corr.uir", order), set(&[&[0, 0], &[0, 1], &[1, 1]]));
        assert_eq!(outcomes("memory/litmus_2_2w.uir", order), set(&[&[1, 2], &[2, 1], &[2, 2]]));
        assert!(outcomes("memory/litmus_wrc.uir", order).len() >= 5);
        assert!(outcomes("memory/litmus_iriw.uir", order).len() >= 8);
    }
}

/// A race that loses updates is seen: what a lock prevents does happen without it.
#[test]
fn unprotected_updates_get_lost() {
    let text = script("threads-stacks/locks.uir")
        .replace("CALL <@v_v> %take ()", "CALL <@v_v> @nothing ()")
        .replace("CALL <@v_v> %give ()", "CALL <@v_v> @nothing ()");
    let nothing = ".funcdef @nothing VERSION %v1 <@v_v> {\n %entry(): RET ()\n}\n\
                   .funcsig @race_sig = () -> (@i64)\n.funcdef @race VERSION %v1 <@race_sig> {\n %entry():\n %x = CALL <@b_i> @three (@spin_worker)\n \
                   RET %x\n}\n";
    let mut mu = instance(&format!("{text}{nothing}"), 1, 5);
    assert!(call(&mut mu, "@race")[0] < 600);
}

/// A program of one thread makes no choice: it is the same with every seed, and is never interrupted.
#[test]
fn one_thread_depends_on_no_seed() {
    let text = include_str!("../examples/fib.uir");
    let run = |seed| {
        let mut mu = instance(text, seed, 1);
        let main = mu.func("@main").unwrap();
        let argument = mu.value_from_int(mu.params(main)[0], 15).unwrap();
        let mut tracer = TraceHash::default();
        let outcome = mu.call_with(main, vec![argument], &mut mu_vm::driver::NoTraps, Some(&mut tracer));
        assert!(matches!(outcome, Outcome::Return(_)));
        let untouched = mu.runtime().chooser.lock().clone().bits();
        assert_eq!(untouched, mu_vm::rt::choose::Chooser::new(seed).bits(), "nothing was drawn");
        tracer.hasher.finish()
    };
    assert_eq!(run(1), run(2));
}

const NESTED: &str = "
    .typedef @i32 = int<32>
    .typedef @i64 = int<64>
    .const @c0 <@i32> = 0
    .const @c1 <@i32> = 1
    .const @all <@i32> = 9
    .funcsig @v_v = () -> ()
    .funcsig @v_n = () -> (@i32)
    .global @word <@i32>
    .global @awake <@i32>
    .funcdef @sleeper VERSION %v1 <@v_v> {
        %entry():
            %r = COMMINST @uvm.futex.wait <@i32> (@word @c0)
            STORE <@i32> @awake @c1
            RET ()
    }
    .funcdef @main VERSION %v1 <@v_n> {
        %entry():
            %s = COMMINST @uvm.new_stack <[@v_v]> (@sleeper)
            %t = NEWTHREAD %s PASS_VALUES <> ()
            %x = COMMINST @uvm.futex.wait_timeout <@i32> (@awake @c0 @long)
            [%trap] TRAP <>
            %y = COMMINST @uvm.futex.wait_timeout <@i32> (@awake @c0 @long)
            %a = LOAD <@i32> @awake
            RET %a
    }
    .const @long <@i64> = 1000000
    .funcdef @wake VERSION %v1 <@v_n> {
        %entry():
            %w = COMMINST @uvm.futex.wake <@i32> (@word @all)
            RET %w
    }
    .funcdef @stuck VERSION %v1 <@v_v> {
        %entry():
            %r = COMMINST @uvm.futex.wait <@i32> (@word @c0)
            RET ()
    }
";

/// Calls functions of the program while it handles a trap.
struct Caller(Vec<Outcome>);

impl TrapHandler for Caller {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        assert!(trap.thread_ref().0 > 0);
        for name in ["@stuck", "@wake"] {
            let func = trap.mu.func(name).unwrap();
            self.0.push(trap.mu.call(func, vec![]));
        }
        TrapAction::PassValues(trap.stack(), vec![])
    }
}

#[test]
fn a_call_from_a_trap_handler_is_a_run_of_its_own() {
    for seed in 0..20 {
        let mut mu = instance(NESTED, seed, 3);
        let main = mu.func("@main").unwrap();
        let mut caller = Caller(Vec::new());
        let outcome = mu.call_with(main, vec![], &mut caller, None);
        // The inner run cannot go on, since nobody in it would wake it; its thread is gone from the queue afterwards.
        assert!(matches!(&caller.0[0], Outcome::Deadlock { waiting: 1, .. }), "{:?}", caller.0[0]);
        let Outcome::Return(woken) = &caller.0[1] else { panic!("{:?}", caller.0[1]) };
        assert_eq!(woken[0].as_u64(), 1, "the thread of the outer run is woken from inside");
        let Outcome::Return(values) = outcome else { panic!("{outcome:?}") };
        assert_eq!(values[0].as_u64(), 1, "and has gone on");
        assert!(mu.runtime().threads.all().is_empty() && mu.runtime().futexes.lock().is_empty());
    }
}

/// The scripts about threads while everything moves all the time: roots of resting threads, locations of futexes.
#[test]
fn threads_under_collections() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let suite = Suite::find(&root).unwrap();
    // These make no objects, and take long.
    let without = ["lost_wakeups", "mutual_exclusion", "many_stacks", "locks"];
    let about_threads = |script: &str| {
        ["threads-stacks/", "common-insts/futex", "threads_and_collections"]
            .iter()
            .any(|name| script.contains(name))
            && !without.iter().any(|name| script.contains(name))
    };
    for stress in ["every:1,move", "safepoint,move"] {
        let config = Config { gc_stress: stress.parse().unwrap(), ..Config::default() };
        let (mut run, mut collections) = (0, 0);
        for script in suite.scripts.iter().filter(|script| about_threads(script)) {
            // Time is virtual but not free: every instruction of these would be a collection.
            if stress.starts_with("safepoint") && run_is_long(script) {
                continue;
            }
            let report = conformance::run_with(&root, script, Tier::Interp, &config);
            assert!(report.passed(), "{stress}: {}", conformance::suite::show_failures(&root, &report, 3));
            collections += report.collections;
            run += 1;
        }
        assert!(run > 15 && collections > 1000, "{stress}: {run} scripts, {collections} collections");
    }
}

fn run_is_long(script: &str) -> bool {
    ["producers_consumers", "barrier", "stacks_between", "threads_and_collections", "threads_end", "deadlock"]
        .iter()
        .any(|name| script.contains(name))
}
