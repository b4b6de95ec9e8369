//! Mu threads on OS threads: they run at the same time, and whatever happens to one of them happens in order.

use mu_vm::conformance::suite::{self, Verdict};
use mu_vm::conformance::{Ledger, Suite, Tier};
use mu_vm::driver::NoTraps;
use mu_vm::interp::Tracer;
use mu_vm::interp::exec::Here;
use mu_vm::ir::ub::Ub;
use mu_vm::rt::runtime::{Config, Runtime};
use mu_vm::rt::stress::GcStress;
use mu_vm::rt::thread::Thread;
use mu_vm::{Mu, Options, Outcome, TrapAction, TrapContext, TrapHandler};
use std::path::Path;
use std::time::{Duration, Instant};

fn config() -> Config {
    Config { os_threads: true, ..Config::default() }
}

/// Every script, its threads on OS threads.
#[test]
fn the_whole_suite() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = Suite::find(&root.join("tests/conformance")).unwrap();
    let ledger = Ledger::load(&Ledger::path(&root.join("tests/ledger"), Tier::Interp)).unwrap();
    let reports = scripts.run_with(&[Tier::Interp], 2, &config());
    let failed = reports.iter().filter(|report| suite::judge(report, &ledger) == Verdict::Failed);
    let shown: Vec<String> = failed.map(|report| suite::show_failures(&scripts.root, report, 3)).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Pairs of threads that hand lists over through futexes; see the program for what it does.
fn handover(config: Config, pairs: u64, steps: u64) -> Mu {
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("handover.uir", include_str!("support/handover.uir")).unwrap();
    let run = mu.func("@run").unwrap();
    let [i32, i64] = [mu.params(run)[0], mu.params(run)[1]];
    let args =
        vec![mu.value_from_int(i32, pairs.into()).unwrap(), mu.value_from_int(i64, steps.into()).unwrap()];
    match mu.call(run, args) {
        Outcome::Return(values) => assert_eq!(values[0].as_u64(), 2 * pairs * steps),
        other => panic!("{other:?}"),
    }
    assert!(mu.runtime().threads.all().is_empty() && mu.runtime().futexes.lock().is_empty());
    mu
}

#[test]
fn nothing_is_lost_when_threads_hand_over() {
    handover(config(), 32, 100);
}

#[test]
fn collections_stop_all_threads() {
    let gc_stress: GcStress = "every:50,move".parse().unwrap();
    let mu = handover(Config { gc_stress, verify_heap: true, heap_bytes: 8 << 20, ..config() }, 4, 60);
    assert!(mu.runtime().stress_counts.allocation_collections > 20, "{:?}", mu.runtime().stress_counts);
}

#[test]
fn small_heaps_collect_while_threads_run() {
    let mu = handover(Config { heap_bytes: 1 << 20, ..config() }, 8, 2000);
    assert!(mu.runtime().heap.collections().count > 2);
}

/// 10^6 hand-overs among 64 threads: `cargo test --release --test os_threads -- --ignored`.
#[test]
#[ignore = "takes a minute"]
fn a_million_handovers() {
    handover(Config { heap_bytes: 32 << 20, ..config() }, 32, 16_000);
}

/// 64 threads for a minute, again and again in instances of their own.
#[test]
#[ignore = "takes a minute"]
fn sixty_four_threads_for_a_minute() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        handover(Config { heap_bytes: 16 << 20, ..config() }, 32, 1000);
    }
}

const ENDINGS: &str = "
.typedef @i32 = int<32>
.typedef @i64 = int<64>
.typedef @void = void
.typedef @r = ref<@void>
.funcsig @v_v = () -> ()
.funcsig @v_i = () -> (@i64)
.funcsig @b_i = (@body) -> (@i64)
.typedef @body = funcref<@v_v>
.const @n0 <@i32> = 0
.const @n1 <@i32> = 1
.const @c7 <@i64> = 7
.const @one <@i32> = 1
.global @word <@i32>
.global @started <@i32>
.global @never <@i32>

.funcdef @note VERSION %v1 <@v_v> {
    %entry():
        %x = ATOMICRMW SEQ_CST ADD <@i32> @started @n1
        RET ()
}
.funcdef @spins VERSION %v1 <@v_v> {
    %entry():
        CALL <@v_v> @note()
        BRANCH %loop()
    %loop():
        BRANCH %loop()
}
.funcdef @sleeps VERSION %v1 <@v_v> {
    %entry():
        CALL <@v_v> @note()
        %r = COMMINST @uvm.futex.wait <@i32> (@never @n0)
        RET ()
}
.funcdef @throws VERSION %v1 <@v_v> {
    %entry():
        CALL <@v_v> @note()
        %o = NEW <@void>
        THROW %o
}
.funcdef @divides VERSION %v1 <@v_v> {
    %entry():
        CALL <@v_v> @note()
        %x = UDIV <@i32> @n1 @n0
        RET ()
}
.funcdef @traps VERSION %v1 <@v_v> {
    %entry():
        CALL <@v_v> @note()
        %x = [%trap] TRAP <@i32>
        STORE RELEASE <@i32> @word %x
        %k = COMMINST @uvm.futex.wake <@i32> (@word @n1)
        RET ()
}
.funcdef @returns VERSION %v1 <@v_v> {
    %entry():
        CALL <@v_v> @note()
        RET ()
}
// Starts a thread, waits until it has begun, and returns.
.funcdef @leave VERSION %v1 <@b_i> {
    %entry(<@body> %f):
        STORE RELAXED <@i32> @started @n0
        %s = COMMINST @uvm.new_stack <[@v_v]> (%f)
        %t = NEWTHREAD %s PASS_VALUES <> ()
        BRANCH %loop()
    %loop():
        %n = LOAD ACQUIRE <@i32> @started
        %go = EQ <@i32> %n @n0
        BRANCH2 %go %loop() %end()
    %end():
        RET @c7
}
// Starts a thread and spins.
.funcdef @spin VERSION %v1 <@b_i> {
    %entry(<@body> %f):
        %s = COMMINST @uvm.new_stack <[@v_v]> (%f)
        %t = NEWTHREAD %s PASS_VALUES <> ()
        BRANCH %loop()
    %loop():
        BRANCH %loop()
}
// Starts a thread and waits at a futex until it has stored something there.
.funcdef @wait VERSION %v1 <@b_i> {
    %entry(<@body> %f):
        STORE RELAXED <@i32> @word @n0
        %s = COMMINST @uvm.new_stack <[@v_v]> (%f)
        %t = NEWTHREAD %s PASS_VALUES <> ()
        %r = COMMINST @uvm.futex.wait <@i32> (@word @n0)
        %x = LOAD ACQUIRE <@i32> @word
        %y = ZEXT <@i32 @i64> %x
        RET %y
}
";

fn endings() -> Mu {
    let mut mu = Mu::new(Options { config: config(), ..Options::default() }).unwrap();
    mu.load_bundle("endings.uir", ENDINGS).unwrap();
    mu
}

fn call(mu: &mut Mu, name: &str, body: &str, handler: &mut dyn TrapHandler) -> Outcome {
    let func = mu.func(name).unwrap();
    let body = mu.value_from_text(mu.params(func)[0], body).unwrap();
    let outcome = mu.call_with(func, vec![body], handler, None);
    assert!(mu.runtime().threads.all().is_empty(), "no thread outlives its run");
    outcome
}

/// Whatever the other thread does, the run ends with its main thread, and the instance goes on.
#[test]
fn a_run_ends_with_its_main_thread() {
    let mut mu = endings();
    for _ in 0..20 {
        for body in ["@spins", "@sleeps", "@returns"] {
            match call(&mut mu, "@leave", body, &mut NoTraps) {
                Outcome::Return(values) => assert_eq!(values[0].as_u64(), 7),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
    mu.collect();
}

/// What goes wrong in any thread ends the run, also while the main thread is busy or asleep.
#[test]
fn what_ends_a_thread_badly_ends_the_run() {
    let mut mu = endings();
    for _ in 0..20 {
        for main in ["@spin", "@wait"] {
            let outcome = call(&mut mu, main, "@throws", &mut NoTraps);
            assert!(matches!(outcome, Outcome::Exception(..)), "{outcome:?}");
            let outcome = call(&mut mu, main, "@divides", &mut NoTraps);
            assert!(matches!(outcome, Outcome::Undefined(Ub::DivideByZero, _)), "{outcome:?}");
            let outcome = call(&mut mu, main, "@traps", &mut NoTraps);
            assert!(matches!(outcome, Outcome::Trap(..)), "{outcome:?}");
        }
    }
}

#[test]
fn threads_that_all_wait_are_a_deadlock() {
    let mut mu = endings();
    for _ in 0..20 {
        for (body, count) in [("@sleeps", 2), ("@returns", 1)] {
            match call(&mut mu, "@wait", body, &mut NoTraps) {
                Outcome::Deadlock { waiting, threads } => {
                    assert_eq!((waiting, threads.len()), (count, count));
                    assert_eq!(threads[0].1.top[0].func, "@wait");
                }
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}

/// Answers traps with a number, after running something else.
struct Answer(u64);

impl TrapHandler for Answer {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let inner = trap.mu.func("@leave").unwrap();
        let body = trap.mu.value_from_text(trap.mu.params(inner)[0], "@returns").unwrap();
        assert!(matches!(trap.mu.call(inner, vec![body]), Outcome::Return(_)));
        trap.mu.collect();
        self.0 += 1;
        let ty = trap.expected_types()[0];
        let value = trap.mu.value_from_int(ty, self.0.into()).unwrap();
        TrapAction::PassValues(trap.stack(), vec![value])
    }
}

/// The client's handler need not be usable on another OS thread, and may call functions and collect.
#[test]
fn traps_of_all_threads_are_handled_by_the_client() {
    let mut mu = endings();
    let mut handler = Answer(0);
    for count in 1..=20 {
        match call(&mut mu, "@wait", "@traps", &mut handler) {
            Outcome::Return(values) => assert_eq!(values[0].as_u64(), count),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn fuel_is_shared() {
    let mut mu = endings();
    mu.set_fuel(3_000_000);
    let before = mu.executed();
    let outcome = call(&mut mu, "@spin", "@spins", &mut NoTraps);
    assert!(matches!(outcome, Outcome::OutOfFuel(_)), "{outcome:?}");
    let spent = mu.executed() - before;
    assert!((2_900_000..=3_000_000).contains(&spent), "{spent}");
}

/// An instance may be moved to another OS thread between runs.
#[test]
fn instances_are_independent_of_os_threads() {
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let mut mu = endings();
            std::thread::spawn(move || {
                assert!(matches!(call(&mut mu, "@leave", "@spins", &mut NoTraps), Outcome::Return(_)));
                mu
            })
        })
        .collect();
    for run in runs {
        let mut mu = run.join().unwrap();
        assert!(matches!(call(&mut mu, "@leave", "@sleeps", &mut NoTraps), Outcome::Return(_)));
    }
}

/// The programs of `support/threads_stress.uir`; each says what it counts.
fn stress(config: Config) -> Mu {
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("threads_stress.uir", include_str!("support/threads_stress.uir")).unwrap();
    mu
}

/// Calls a program with a number of threads, each of which takes so many steps.
fn hammer(mu: &mut Mu, name: &str, threads: u64, steps: u64, handler: &mut dyn TrapHandler) -> Outcome {
    let steps_setter = format!(
        ".const @steps_{name}_{steps} <@i64> = {steps}
        .funcdef @set_{name}_{steps} VERSION %v1 <@v_v> {{
            %entry():
                STORE <@i64> @steps @steps_{name}_{steps}
                RET ()
        }}"
    );
    if mu.func(&format!("@set_{name}_{steps}")).is_none() {
        mu.load_bundle("steps.uir", &steps_setter).unwrap();
    }
    let setter = mu.func(&format!("@set_{name}_{steps}")).unwrap();
    assert!(matches!(mu.call(setter, vec![]), Outcome::Return(_)));
    let func = mu.func(&format!("@{name}")).unwrap();
    let threads = mu.value_from_int(mu.params(func)[0], threads.into()).unwrap();
    let outcome = mu.call_with(func, vec![threads], handler, None);
    assert!(mu.runtime().threads.all().is_empty() && mu.runtime().futexes.lock().is_empty());
    outcome
}

fn number(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Return(values) => values[0].as_u64(),
        other => panic!("{other:?}"),
    }
}

/// A heap that collects at every turn, moves everything and checks itself.
fn stressed() -> Config {
    let gc_stress: GcStress = "every:50,move".parse().unwrap();
    Config { gc_stress, verify_heap: true, heap_bytes: 64 << 20, ..config() }
}

fn swap_stacks(steps: u64) {
    let mut mu = stress(config());
    let outcome = hammer(&mut mu, "pool_of_stacks", 16, steps, &mut NoTraps);
    assert_eq!(number(&outcome), 0);
    mu.collect();
    assert_eq!(mu.runtime().stacks.alive(), 0);
}

#[test]
fn threads_swap_a_pool_of_stacks() {
    swap_stacks(500);
}

fn make_and_kill(steps: u64) {
    let mut mu = stress(Config { stacks_max: 60, ..config() });
    for _ in 0..4 {
        assert_eq!(number(&hammer(&mut mu, "made_and_killed", 16, steps, &mut NoTraps)), 0);
        // A thread that had not quite ended leaves its stack ACTIVE.
        mu.collect();
        assert_eq!(mu.runtime().stacks.alive(), 0);
    }
}

#[test]
fn threads_make_and_kill_stacks() {
    make_and_kill(100);
}

fn hoard(config: Config, steps: u64) -> Mu {
    let mut mu = stress(config);
    assert_eq!(number(&hammer(&mut mu, "objects_of_all_sizes", 8, steps, &mut NoTraps)), 0);
    mu
}

#[test]
fn threads_allocate_objects_of_all_sizes() {
    let mu = hoard(stressed(), 200);
    assert!(mu.runtime().stress_counts.allocation_collections > 20, "{:?}", mu.runtime().stress_counts);
    let mu = hoard(Config { heap_bytes: 8 << 20, verify_heap: true, ..config() }, 600);
    assert!(mu.runtime().heap.collections().count > 2);
    hoard(Config { heap_bytes: 8 << 20, checked: false, ..config() }, 600);
    hoard(Config { gc_stress: "safepoint,move".parse().unwrap(), ..stressed() }, 3);
}

#[test]
fn every_wake_arrives_although_times_end() {
    let mut mu = stress(config());
    assert_eq!(number(&hammer(&mut mu, "wakes_and_timeouts", 9, 300, &mut NoTraps)), 0);
}

/// The main thread sleeps while the others do nothing but start one another: no deadlock at any time.
#[test]
fn a_chain_of_threads_is_no_deadlock() {
    let mut mu = stress(config());
    assert_eq!(number(&hammer(&mut mu, "chain", 500, 0, &mut NoTraps)), 0);
}

/// Threads that are started at the same time are counted before they run.
#[test]
fn there_are_never_more_threads_than_may_be() {
    let mut mu = stress(Config { threads_max: 40, ..config() });
    for _ in 0..5 {
        // All but the main thread, the eight that start others, and those others.
        assert_eq!(number(&hammer(&mut mu, "as_many_as_may_be", 8, 0, &mut NoTraps)), 40 - 1 - 8);
    }
}

/// Whoever is too late is undefined, and does no harm to the stack that the other one has.
#[test]
fn of_two_that_want_a_stack_one_gets_it() {
    let mut mu = stress(config());
    for _ in 0..100 {
        match hammer(&mut mu, "grabbed_twice", 2, 0, &mut NoTraps) {
            Outcome::Undefined(Ub::BadBinding, trace) => assert_eq!(trace.top[0].func, "@grabs", "{trace:?}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Answers every trap with the text of a new version.
struct Versions(u64);

impl TrapHandler for Versions {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        self.0 += 1;
        let number = self.0;
        let text = format!(
            ".const @number{number} <@i64> = {number}
            .funcdef @version VERSION %v{number} <@v_i> {{ %entry(): RET @number{number} }}"
        );
        trap.mu.collect();
        let ty = trap.expected_types()[0];
        let text = trap.mu.new_bytes(ty, text.as_bytes()).unwrap();
        TrapAction::PassValues(trap.stack(), vec![text])
    }
}

fn load_versions(config: Config, versions: u64) {
    let mut mu = stress(config);
    let mut handler = Versions(0);
    assert_eq!(number(&hammer(&mut mu, "versions_and_traps", 7, versions, &mut handler)), 0);
    assert_eq!(handler.0, versions);
}

#[test]
fn threads_load_while_others_call() {
    load_versions(Config { heap_bytes: 16 << 20, ..config() }, 60);
    load_versions(stressed(), 20);
}

/// The first bad end is the outcome, and nobody is left.
#[test]
fn threads_end_at_the_same_time() {
    let mut mu = stress(config());
    for _ in 0..30 {
        let outcome = hammer(&mut mu, "all_end_at_once", 12, 0, &mut NoTraps);
        let is_one_of_them = match &outcome {
            Outcome::Exception(_, trace) | Outcome::Undefined(Ub::DivideByZero, trace) => {
                trace.top[0].func == "@ends"
            }
            _ => false,
        };
        assert!(is_one_of_them, "{outcome:?}");
    }
}

/// Fuel that one thread has taken and not used is no reason to stop another one.
#[test]
fn all_fuel_is_used() {
    let mut mu = endings();
    for fuel in [1000, 20_000, 100_000] {
        mu.set_fuel(fuel);
        let before = mu.executed();
        let outcome = call(&mut mu, "@spin", "@spins", &mut NoTraps);
        assert!(matches!(outcome, Outcome::OutOfFuel(_)), "{outcome:?}");
        assert_eq!(mu.executed() - before, fuel);
        let outcome = call(&mut mu, "@spin", "@sleeps", &mut NoTraps);
        assert!(matches!(outcome, Outcome::OutOfFuel(_)), "{outcome:?}");
    }
}

struct Panics;

impl TrapHandler for Panics {
    fn handle_trap(&mut self, _: &mut TrapContext<'_>) -> TrapAction {
        panic!("as expected");
    }
}

/// A panic of the client's handler comes out of the run, whatever the other threads do, and the instance goes on.
#[test]
fn a_panic_in_a_handler_ends_the_run() {
    let mut mu = endings();
    for main in ["@wait", "@spin"] {
        let run = std::panic::AssertUnwindSafe(|| call(&mut mu, main, "@traps", &mut Panics));
        let panic = std::panic::catch_unwind(run).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"as expected"));
        assert!(mu.runtime().threads.all().is_empty());
        assert!(matches!(call(&mut mu, "@leave", "@spins", &mut NoTraps), Outcome::Return(_)));
    }
}

/// What the main thread has borrowed comes back, so that another thread can use it.
#[test]
fn fuel_that_is_not_needed_comes_back() {
    let mut mu = stress(config());
    mu.set_fuel(15_000);
    for _ in 0..50 {
        assert_eq!(number(&hammer(&mut mu, "fuel_for_two", 0, 0, &mut NoTraps)), 0);
    }
}

/// Runs a thread on the stack that a trap keeps alive, which is another thread's.
struct RunsStackOfAnother;

impl TrapHandler for RunsStackOfAnother {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let stack = mu_vm::StackRef(trap.keepalives()[0].as_u64());
        let outcome = trap.mu.run_thread(stack, vec![], &mut NoTraps, None);
        assert!(matches!(outcome, Outcome::Undefined(Ub::BadBinding, _)), "{outcome:?}");
        TrapAction::PassValues(trap.stack(), vec![])
    }
}

/// Who cannot be bound to a stack must not kill it: it is another thread's.
#[test]
fn a_stack_that_cannot_be_bound_goes_on() {
    for os_threads in [false, true] {
        let mut mu = stress(Config { os_threads, ..Config::default() });
        assert_eq!(number(&hammer(&mut mu, "shows_its_stack", 0, 0, &mut RunsStackOfAnother)), 7);
    }
}

/// Calls a function that waits, inside the run that trapped.
struct Waits(Vec<Outcome>);

impl TrapHandler for Waits {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let func = trap.mu.func("@wait_for_go").unwrap();
        let zero = trap.mu.value_from_int(trap.mu.params(func)[0], 0).unwrap();
        self.0.push(trap.mu.call(func, vec![zero]));
        TrapAction::PassValues(trap.stack(), vec![])
    }
}

/// A run inside a trap handler may be woken by threads of the run around it, as long as one of them can go on.
#[test]
fn a_run_in_a_handler_is_woken_by_threads_around_it() {
    let mut mu = stress(config());
    for _ in 0..5 {
        let mut handler = Waits(Vec::new());
        assert_eq!(number(&hammer(&mut mu, "handler_waits", 100_000, 0, &mut handler)), 0);
        assert!(matches!(handler.0[..], [Outcome::Return(_)]), "{:?}", handler.0);
        let mut handler = Waits(Vec::new());
        assert_eq!(number(&hammer(&mut mu, "handler_waits_in_vain", 0, 0, &mut handler)), 0);
        assert!(matches!(handler.0[..], [Outcome::Deadlock { waiting: 1, .. }]), "{:?}", handler.0);
    }
}

/// Runs every program of the litmus scripts so often; which outcomes were seen, and how often.
fn litmus(rounds: u32) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/memory");
    let mut scripts: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("litmus_"));
    scripts.sort();
    assert!(scripts.len() >= 7, "{scripts:?}");
    let mut table = String::new();
    for path in scripts {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut mu = Mu::new(Options { config: config(), ..Options::default() }).unwrap();
        mu.load_bundle("litmus.uir", &text).unwrap();
        for line in text.replace("\n//!  ", " ").lines() {
            let Some((name, allowed)) =
                line.strip_prefix("//! call ").and_then(|call| call.split_once("() => "))
            else {
                continue;
            };
            let allowed = allowed.strip_prefix("either ").unwrap_or(allowed);
            let allowed: Vec<&str> = allowed.split('|').map(str::trim).collect();
            let mut seen = std::collections::BTreeMap::new();
            let func = mu.func(name).unwrap();
            for _ in 0..rounds {
                let Outcome::Return(values) = mu.call(func, vec![]) else { panic!("{name} returns") };
                let values: Vec<String> = values.iter().map(|value| mu.value_to_text(value)).collect();
                *seen.entry(format!("({})", values.join(", "))).or_insert(0u32) += 1;
            }
            table +=
                &format!("{} {name}: {seen:?} of {}\n", path.file_stem().unwrap().display(), allowed.len());
            assert!(seen.keys().all(|outcome| allowed.contains(&outcome.as_str())), "{table}{allowed:?}");
        }
    }
    table
}

#[test]
fn litmus_programs_have_allowed_outcomes() {
    litmus(10);
}

/// Which weak outcomes are seen: `cargo test --release --test os_threads -- --ignored --nocapture litmus`.
#[test]
#[ignore = "takes a minute"]
fn litmus_programs_thousands_of_times() {
    println!("{}", litmus(2000));
}

/// The programs above, for longer: `cargo test --release --test os_threads -- --ignored`.
#[test]
#[ignore = "takes a minute"]
fn stress_for_a_minute() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        swap_stacks(20_000);
        make_and_kill(1000);
        hoard(Config { heap_bytes: 16 << 20, verify_heap: true, ..config() }, 20_000);
        hoard(stressed(), 1000);
        load_versions(Config { heap_bytes: 16 << 20, ..config() }, 200);
        let mut mu = stress(config());
        assert_eq!(number(&hammer(&mut mu, "wakes_and_timeouts", 12, 5000, &mut NoTraps)), 0);
        assert_eq!(number(&hammer(&mut mu, "chain", 5000, 0, &mut NoTraps)), 0);
    }
}

/// Set by the handler below when the new version is loaded.
static LOADED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Native code that calls back as soon as the new version is loaded.
extern "C" fn call_back_later(callback: extern "C" fn() -> i64) -> i64 {
    while !LOADED.load(std::sync::atomic::Ordering::SeqCst) {
        std::hint::spin_loop();
    }
    callback()
}

struct LoadsNewVersion;

impl TrapHandler for LoadsNewVersion {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let text = ".funcdef @answer VERSION %v2 <@v_i> { %entry(): RET @c2 }";
        trap.mu.load_bundle("new.uir", text).unwrap();
        LOADED.store(true, std::sync::atomic::Ordering::SeqCst);
        // The native code calls back now, and waits for the world.
        std::thread::sleep(Duration::from_millis(2));
        TrapAction::PassValues(trap.stack(), vec![])
    }
}

/// A function that was defined anew while native code ran is the new one when that calls back.
#[test]
fn callbacks_call_the_version_that_is_current() {
    for _ in 0..40 {
        LOADED.store(false, std::sync::atomic::Ordering::SeqCst);
        let mut mu = stress(config());
        mu.load_bundle("callback.uir", CALLBACK).unwrap();
        let func = mu.func("@run_callback").unwrap();
        let address = (call_back_later as extern "C" fn(extern "C" fn() -> i64) -> i64) as usize;
        let native = mu.value_from_text(mu.params(func)[0], &address.to_string()).unwrap();
        assert_eq!(number(&mu.call_with(func, vec![native], &mut LoadsNewVersion, None)), 2);
    }
}

const CALLBACK: &str = "
.typedef @answer.fp = ufuncptr<@v_i>
.funcsig @native.sig = (@answer.fp) -> (@i64)
.typedef @native.fp = ufuncptr<@native.sig>
.funcsig @run.sig = (@native.fp) -> (@i64)
.funcsig @caller.sig = (@native.fp) -> ()
.funcdef @answer VERSION %v1 <@v_i> { %entry(): RET @c1 }
.expose @answer.c = @answer #DEFAULT @c0
.global @result <@i64>
.funcdef @calls_native VERSION %v1 <@caller.sig> {
    %entry(<@native.fp> %f):
        %r = CCALL #DEFAULT <@native.fp @native.sig> %f (@answer.c)
        STORE <@i64> @result %r
        STORE RELEASE <@i32> @go @n1
        %w = COMMINST @uvm.futex.wake <@i32> (@go @all)
        RET ()
}
.funcdef @run_callback VERSION %v1 <@run.sig> {
    %entry(<@native.fp> %f):
        %one = CALL <@v_i> @answer()
        %s = COMMINST @uvm.new_stack <[@caller.sig]> (@calls_native)
        %t = NEWTHREAD %s PASS_VALUES <@native.fp> (%f)
        // Another thread traps, so that nobody else looks what is current when the native code comes back.
        %s2 = COMMINST @uvm.new_stack <[@v_v]> (@only_traps)
        %t2 = NEWTHREAD %s2 PASS_VALUES <> ()
        %done = CALL <@n_i> @wait_for_go(@c0)
        %r = LOAD <@i64> @result
        RET %r
}
";

/// A stack is made of the version that is current when there is room for it, also if there was none at first.
#[test]
fn stacks_are_made_while_others_load() {
    let mut mu = stress(Config { stacks_max: 200, ..config() });
    assert_eq!(number(&hammer(&mut mu, "litter_while_loading", 5, 30, &mut Versions(0))), 0);
}

struct Quiet;

impl Tracer for Quiet {
    fn instruction(&mut self, _: &Runtime, _: &Thread, _: &Here<'_>, _: usize) {}
    fn instruction_again(&mut self) {}
}

/// Calls a function that wakes; with a tracer it runs deterministically.
struct Wakes {
    is_traced: bool,
}

impl TrapHandler for Wakes {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let func = trap.mu.func("@link").unwrap();
        let zero = trap.mu.value_from_int(trap.mu.params(func)[0], 0).unwrap();
        let mut quiet = Quiet;
        let tracer = self.is_traced.then_some(&mut quiet as &mut dyn Tracer);
        let outcome = trap.mu.call_with(func, vec![zero], &mut NoTraps, tracer);
        assert!(matches!(outcome, Outcome::Return(_)));
        TrapAction::PassValues(trap.stack(), vec![])
    }
}

/// A run with a tracer takes turns, one without does not; each can be inside the other, and wake its threads.
#[test]
fn traced_runs_and_others_wake_each_other() {
    let mut mu = stress(config());
    let func = mu.func("@woken_by_handler").unwrap();
    for round in 0..20 {
        for (outside, inside) in [(true, true), (true, false), (false, true), (false, false)] {
            let zero = mu.value_from_int(mu.params(func)[0], 0).unwrap();
            let mut quiet = Quiet;
            let tracer = outside.then_some(&mut quiet as &mut dyn Tracer);
            let outcome = mu.call_with(func, vec![zero], &mut Wakes { is_traced: inside }, tracer);
            assert!(matches!(outcome, Outcome::Return(_)), "{round} {outside} {inside}: {outcome:?}");
        }
    }
}

/// Two threads side by side along rows of cells: each stores into one row and loads from another. `FIRST` and `SECOND` are
/// what they do at a cell; `@weak` counts the cells with the results `WEAK1` and `WEAK2`.
const ROWS: &str = "
.typedef @row = array<@i64 4096>
.global @x <@row>
.global @y <@row>
.global @r1 <@row>
.global @r2 <@row>
.const @end <@i64> = 4096
.funcdef @reset VERSION %v1 <@v_v> {
    %entry():
        STORE RELAXED <@i32> @go @n0
        BRANCH %loop(@c0)
    %loop(<@i64> %i):
        %x = GETELEMIREF <@row @i64> @x %i
        %y = GETELEMIREF <@row @i64> @y %i
        STORE <@i64> %x @c0
        STORE <@i64> %y @c0
        %i1 = ADD <@i64> %i @c1
        %over = EQ <@i64> %i1 @end
        BRANCH2 %over %end() %loop(%i1)
    %end():
        RET ()
}
.funcdef @walker VERSION %v1 <@v_v> {
    %entry():
        %g = ATOMICRMW SEQ_CST ADD <@i32> @go @n1
        BRANCH %ready(%g)
    %ready(<@i32> %g):
        %n = LOAD ACQUIRE <@i32> @go
        %both = EQ <@i32> %n @n2
        BRANCH2 %both %which(%g) %ready(%g)
    %which(<@i32> %g):
        %is_first = EQ <@i32> %g @n0
        BRANCH2 %is_first %first(@c0) %second(@c0)
    %first(<@i64> %i):
        %x = GETELEMIREF <@row @i64> @x %i
        %y = GETELEMIREF <@row @i64> @y %i
        %r = GETELEMIREF <@row @i64> @r1 %i
        FIRST
        %i1 = ADD <@i64> %i @c1
        %over = EQ <@i64> %i1 @end
        BRANCH2 %over %end() %first(%i1)
    %second(<@i64> %i):
        %x = GETELEMIREF <@row @i64> @x %i
        %y = GETELEMIREF <@row @i64> @y %i
        %r = GETELEMIREF <@row @i64> @r2 %i
        SECOND
        %i1 = ADD <@i64> %i @c1
        %over = EQ <@i64> %i1 @end
        BRANCH2 %over %end() %second(%i1)
    %end():
        RET ()
}
.funcdef @weak VERSION %v1 <@n_i> {
    %entry(<@i64> %n):
        CALL <@v_v> @reset()
        CALL <@crowd.sig> @crowd(@walker @c2)
        BRANCH %loop(@c0 @c0)
    %loop(<@i64> %i <@i64> %count):
        %x = GETELEMIREF <@row @i64> @r1 %i
        %y = GETELEMIREF <@row @i64> @r2 %i
        %a = LOAD <@i64> %x
        %b = LOAD <@i64> %y
        %is_a = EQ <@i64> %a WEAK1
        %is_b = EQ <@i64> %b WEAK2
        %is = AND <@i1> %is_a %is_b
        %one = ZEXT <@i1 @i64> %is
        %count1 = ADD <@i64> %count %one
        %i1 = ADD <@i64> %i @c1
        %over = EQ <@i64> %i1 @end
        BRANCH2 %over %end(%count1) %loop(%i1 %count1)
    %end(<@i64> %count):
        RET %count
}
";

/// How many cells of `rounds` rows have the weak outcome.
fn weak_outcomes(first: &str, second: &str, weak: (&str, &str), rounds: u64) -> u64 {
    let mut mu = stress(config());
    let text = ROWS.replace("FIRST", first).replace("SECOND", second);
    mu.load_bundle("rows.uir", &text.replace("WEAK1", weak.0).replace("WEAK2", weak.1)).unwrap();
    (0..rounds).map(|_| number(&hammer(&mut mu, "weak", 0, 0, &mut NoTraps))).sum()
}

fn side_by_side(rounds: u64) {
    let zeros = ("@c0", "@c0");
    let buffering = |store: &str, load: &str| {
        let side = |mine: &str, other: &str| {
            format!("STORE {store} <@i64> {mine} @c1\n %v = LOAD {load} <@i64> {other}\n STORE <@i64> %r %v")
        };
        weak_outcomes(&side("%x", "%y"), &side("%y", "%x"), zeros, rounds)
    };
    println!("store buffering: {} of {} cells", buffering("RELAXED", "RELAXED"), rounds * 4096);
    println!("store buffering, release and acquire: {}", buffering("RELEASE", "ACQUIRE"));
    assert_eq!(buffering("SEQ_CST", "SEQ_CST"), 0);
    let fenced = |mine: &str, other: &str| {
        format!(
            "STORE RELAXED <@i64> {mine} @c1\n FENCE SEQ_CST\n %v = LOAD RELAXED <@i64> {other}\n STORE <@i64> %r %v"
        )
    };
    assert_eq!(weak_outcomes(&fenced("%x", "%y"), &fenced("%y", "%x"), zeros, rounds), 0);
    // Message passing: who sees the flag sees the message. The second thread's result is flag and not message.
    let sends = "STORE RELAXED <@i64> %x @c1\n STORE RELEASE <@i64> %y @c1\n STORE <@i64> %r @c1";
    let receives = "%f = LOAD ACQUIRE <@i64> %y\n %m = LOAD RELAXED <@i64> %x
        %not = XOR <@i64> %m @c1\n %v = AND <@i64> %f %not\n STORE <@i64> %r %v";
    assert_eq!(weak_outcomes(sends, receives, ("@c1", "@c1"), rounds), 0);
    // Load buffering never gives values out of thin air, and on this machine never the weak outcome at all.
    let side = |mine: &str, other: &str| {
        format!("%v = LOAD ACQUIRE <@i64> {other}\n STORE RELEASE <@i64> {mine} @c1\n STORE <@i64> %r %v")
    };
    assert_eq!(weak_outcomes(&side("%x", "%y"), &side("%y", "%x"), ("@c1", "@c1"), rounds), 0);
}

#[test]
fn orders_forbid_what_they_shall() {
    side_by_side(5);
}

#[test]
#[ignore = "takes a minute"]
fn orders_forbid_what_they_shall_a_million_times() {
    side_by_side(300);
}

/// Native code that makes a thread, which calls back in a while.
extern "C" fn call_back_from_elsewhere(callback: extern "C" fn() -> i64) -> i64 {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        callback()
    });
    0
}

const ELSEWHERE: &str = "
.typedef @wakes.fp = ufuncptr<@v_i>
.funcsig @native.sig = (@wakes.fp) -> (@i64)
.typedef @native.fp = ufuncptr<@native.sig>
.funcsig @run.sig = (@native.fp) -> (@i64)
.funcdef @wakes VERSION %v1 <@v_i> {
    %entry():
        CALL <@n_v> @link(@c0)
        RET @c0
}
.expose @wakes.c = @wakes #DEFAULT @c0
.funcdef @run_elsewhere VERSION %v1 <@run.sig> {
    %entry(<@native.fp> %f):
        STORE RELAXED <@i32> @go @n0
        %r = CCALL #DEFAULT <@native.fp @native.sig> %f (@wakes.c)
        TAILCALL <@n_i> @wait_for_go (@c0)
}
";

/// Where functions are exposed, threads that the instance does not know may wake those that wait.
#[test]
fn a_thread_of_native_code_may_wake_a_run_that_waits() {
    let mut mu = stress(config());
    mu.load_bundle("elsewhere.uir", ELSEWHERE).unwrap();
    let func = mu.func("@run_elsewhere").unwrap();
    let address = (call_back_from_elsewhere as extern "C" fn(extern "C" fn() -> i64) -> i64) as usize;
    for _ in 0..5 {
        let native = mu.value_from_text(mu.params(func)[0], &address.to_string()).unwrap();
        assert_eq!(number(&mu.call(func, vec![native])), 0);
    }
    // The last of those threads may not have returned yet, and does so while nobody holds the instance.
    assert!(mu.take_foreign_failures().is_empty());
}
