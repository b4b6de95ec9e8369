//! The collector seen by a client: handles, threads, traps, stacks, stress modes.

use mu_vm::conformance::suite::Verdict;
use mu_vm::conformance::{self, Ledger, Suite, Tier};
use mu_vm::rt::runtime::Config;
use mu_vm::rt::stack::StackState;
use mu_vm::rt::stress::GcStress;
use mu_vm::{Mu, Options, Outcome, StackRef, TrapAction, TrapContext, TrapHandler, Value};
use std::path::Path;

const PROGRAM: &str = "
.typedef @i64 = int<64>
.typedef @cell = struct<@i64 @r>
.typedef @r = ref<@cell>
.typedef @i = iref<@cell>
.typedef @void = void
.typedef @rv = ref<@void>
.typedef @pair = struct<@r @i64>
.typedef @stack = stackref
.funcsig @v_v = () -> ()
.funcsig @i_r = (@i64) -> (@r)
.funcsig @r_i = (@r) -> (@i64)
.funcsig @i_i = (@i64) -> (@i64)
.funcsig @r_rv = (@r) -> (@rv)
.funcsig @s_s = (@stack) -> (@stack)
.const @zero <@i64> = 0
.const @one <@i64> = 1
.const @null <@r> = NULL

// a list of the numbers n … 1
.funcdef @list VERSION %v1 <@i_r> {
    %entry(<@i64> %n):
        BRANCH %loop(%n @null @one)
    %loop(<@i64> %n <@r> %rest <@i64> %k):
        %more = SLE <@i64> %k %n
        BRANCH2 %more %body(%n %rest %k) %out(%rest)
    %body(<@i64> %n <@r> %rest <@i64> %k):
        %o = NEW <@cell>
        %l = GETIREF <@cell> %o
        %f0 = GETFIELDIREF <@cell 0> %l
        STORE <@i64> %f0 %k
        %f1 = GETFIELDIREF <@cell 1> %l
        STORE <@r> %f1 %rest
        %k1 = ADD <@i64> %k @one
        BRANCH %loop(%n %o %k1)
    %out(<@r> %rest):
        RET %rest
}

.funcdef @sum VERSION %v1 <@r_i> {
    %entry(<@r> %list):
        BRANCH %loop(%list @zero)
    %loop(<@r> %list <@i64> %sum):
        %end = EQ <@r> %list @null
        BRANCH2 %end %out(%sum) %body(%list %sum)
    %body(<@r> %list <@i64> %sum):
        %l = GETIREF <@cell> %list
        %f0 = GETFIELDIREF <@cell 0> %l
        %x = LOAD <@i64> %f0
        %f1 = GETFIELDIREF <@cell 1> %l
        %rest = LOAD <@r> %f1
        %sum1 = ADD <@i64> %sum %x
        BRANCH %loop(%rest %sum1)
    %out(<@i64> %sum):
        RET %sum
}

// keeps its argument as the thread-local reference across a trap that answers a number
.funcdef @keep VERSION %v1 <@r_rv> {
    %entry(<@r> %list):
        %v = REFCAST <@r @rv> %list
        COMMINST @uvm.set_threadlocal (%v)
        BRANCH %wait()
    %wait():
        %n = [%trap] TRAP <@i64>
        %w = COMMINST @uvm.get_threadlocal
        RET %w
}

// a stack that waits for ever, and one that makes many of those
.funcdef @waits VERSION %v1 <@s_s> {
    %entry(<@stack> %back):
        %o = NEW <@cell>
        %next = SWAPSTACK %back RET_WITH <@stack> PASS_VALUES <@stack> (%back)
        RET %next
}
.funcdef @many VERSION %v1 <@i_i> {
    %entry(<@i64> %n):
        BRANCH %loop(%n)
    %loop(<@i64> %n):
        %me = COMMINST @uvm.current_stack ()
        %s = COMMINST @uvm.new_stack <[@s_s]> (@waits)
        %x = SWAPSTACK %s RET_WITH <@stack> PASS_VALUES <@stack> (%me)
        %n1 = SUB <@i64> %n @one
        %end = EQ <@i64> %n1 @zero
        BRANCH2 %end %out(%n1) %loop(%n1)
    %out(<@i64> %n):
        RET %n
}
";

fn instance(config: Config) -> Mu {
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("collector", PROGRAM).unwrap_or_else(|error| panic!("{error}"));
    mu
}

fn stressed(text: &str) -> Config {
    Config { gc_stress: text.parse::<GcStress>().unwrap(), heap_bytes: 8 << 20, ..Config::default() }
}

fn int(mu: &Mu, value: u64) -> Value {
    mu.value_from_int(mu.type_named("@i64").unwrap(), value.into()).unwrap()
}

fn call(mu: &mut Mu, func: &str, args: Vec<Value>) -> Value {
    let func = mu.func(func).unwrap();
    match mu.call(func, args) {
        Outcome::Return(mut values) => values.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_of_the_client_survive_and_follow() {
    for stress in [None, Some("move"), Some("every:1,move"), Some("safepoint,move")] {
        let mut mu = instance(stress.map_or_else(Config::default, stressed));
        let n = int(&mu, 100);
        let list = call(&mut mu, "@list", vec![n.clone()]);
        let also = list.clone();
        let before = list.as_u64();
        mu.collect();
        assert_eq!(stress.is_some(), list.as_u64() != before, "it moves when it must");
        assert_eq!(list, also);
        assert_eq!(mu.runtime().heap.statistics().objects, 100);
        assert_eq!(call(&mut mu, "@sum", vec![list.clone()]).as_u64(), 5050);
        let pair_type = mu.type_named("@pair").unwrap();
        let pair = mu.value_from_members(pair_type, &[list, n]).unwrap();
        drop(also);
        let object = mu.new_object(pair_type, &pair).unwrap();
        drop(pair);
        mu.collect();
        let pair = mu.load_as(&object, pair_type).unwrap();
        let list = mu.members_of(&pair).unwrap().remove(0);
        assert_eq!(call(&mut mu, "@sum", vec![list]).as_u64(), 5050);
        drop((pair, object));
        mu.collect();
        assert_eq!(mu.runtime().heap.statistics().objects, 0);
    }
}

/// Collects, and runs other threads, while it handles a trap.
struct Busy {
    depth: u32,
    seen: u32,
}

impl TrapHandler for Busy {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        self.seen += 1;
        let n = int(trap.mu, 10);
        trap.mu.collect();
        if self.depth > 0 {
            let mut inner = Busy { depth: self.depth - 1, seen: 0 };
            let list = call(trap.mu, "@list", vec![n.clone()]);
            let keep = trap.mu.func("@keep").unwrap();
            let Outcome::Return(values) = trap.mu.call_with(keep, vec![list], &mut inner, None) else {
                panic!("the inner thread returns");
            };
            trap.mu.collect();
            let cell = trap.mu.type_named("@cell").unwrap();
            assert_eq!(trap.mu.load_as(&values[0], cell).unwrap().words()[0], 10);
        }
        TrapAction::PassValues(trap.stack(), vec![n])
    }
}

#[test]
fn threads_that_wait_in_traps_keep_their_roots() {
    for stress in ["move", "every:1,move", "safepoint,move"] {
        let mut mu = instance(stressed(stress));
        let n = int(&mu, 50);
        let list = call(&mut mu, "@list", vec![n]);
        let keep = mu.func("@keep").unwrap();
        let mut handler = Busy { depth: 4, seen: 0 };
        let Outcome::Return(values) = mu.call_with(keep, vec![list], &mut handler, None) else { panic!() };
        let cell = mu.type_named("@cell").unwrap();
        assert_eq!(mu.load_as(&values[0], cell).unwrap().words()[0], 50);
        assert_eq!(handler.seen, 1);
        drop(values);
        mu.collect();
        assert_eq!(mu.runtime().heap.statistics().objects, 0);
    }
}

#[test]
fn stacks_that_nobody_reaches_are_killed() {
    for stress in [None, Some("every:7,move"), Some("safepoint,move")] {
        let mut mu = instance(stress.map_or_else(Config::default, stressed));
        let n = int(&mu, 300);
        call(&mut mu, "@many", vec![n]);
        let waits = mu.func("@waits").unwrap();
        let held = mu.new_stack(waits).unwrap();
        mu.collect();
        assert_eq!((mu.runtime().stacks.alive(), mu.runtime().heap.statistics().objects), (1, 0));
        assert_eq!(mu.runtime().stacks_killed, 300);
        assert_eq!(mu.runtime().stacks.get(held).unwrap().state(), StackState::Ready);
        assert!(mu.release_stack(held));
        mu.collect();
        assert!(mu.runtime().stacks.get(held).is_none() && !mu.release_stack(held));
        assert_eq!(mu.runtime().stacks.alive(), 0);
        assert!(!mu.kill_stack(held) && !mu.kill_stack(StackRef::NULL));
    }
}

#[test]
fn an_abandoned_stack_can_be_resumed() {
    struct Leave(StackRef);
    impl TrapHandler for Leave {
        fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
            self.0 = trap.stack();
            TrapAction::Exit
        }
    }
    let mut mu = instance(stressed("move"));
    let n = int(&mu, 5);
    let list = call(&mut mu, "@list", vec![n.clone()]);
    let keep = mu.func("@keep").unwrap();
    let mut handler = Leave(StackRef::NULL);
    assert!(matches!(mu.call_with(keep, vec![list], &mut handler, None), Outcome::Exit));
    mu.collect();
    // The thread-local reference went with the thread; the frame no longer holds the list.
    assert_eq!(mu.runtime().heap.statistics().objects, 0);
    let Outcome::Return(values) = mu.run_thread(handler.0, vec![n], &mut handler, None) else { panic!() };
    assert!(values[0].is_null());
}

#[test]
fn every_single_allocation_may_fail() {
    let mut failed = 0;
    for k in 1..30 {
        let mut mu = instance(stressed(&format!("fail:{k}")));
        let (n, list) = (int(&mu, 20), mu.func("@list").unwrap());
        match mu.call(list, vec![n.clone()]) {
            Outcome::Return(_) => assert!(k > 20),
            Outcome::Undefined(ub, _) => {
                assert_eq!((ub.id(), mu.runtime().stress_counts.failures), ("U5", 1));
                failed += 1;
            }
            other => panic!("{other:?}"),
        }
        if k <= 20 {
            let list = call(&mut mu, "@list", vec![n]);
            assert_eq!(call(&mut mu, "@sum", vec![list]).as_u64(), 210);
        }
    }
    assert_eq!(failed, 20);
}

#[test]
fn statistics_add_up() {
    let mut mu = instance(Config { heap_bytes: 1 << 20, ..Config::default() });
    let n = int(&mu, 1000);
    for _ in 0..200 {
        call(&mut mu, "@list", vec![n.clone()]);
    }
    let counts = mu.runtime().heap.collections();
    assert!(counts.count >= 4 && counts.count == counts.by_cause.iter().sum::<u64>());
    assert!(counts.pause_min <= counts.pause_mean() && counts.pause_mean() <= counts.pause_max);
    assert!((200 * 1000 * 24..300 * 1000 * 24).contains(&counts.allocated_bytes), "{counts:?}");
    assert!(counts.live_objects <= 1000);
}

#[test]
fn roots_of_all_kinds_follow_moves() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let config = Config { gc_stress: "every:100,move".parse().unwrap(), ..Config::default() };
    let report = conformance::run_with(&root, "memory/roots_of_all_kinds.uir", Tier::Interp, &config);
    assert!(
        report.passed() && report.collections > 400,
        "{}",
        conformance::suite::show_failures(&root, &report, 9)
    );
}

/// A sample of the conformance scripts under stress; `mu test --gc-stress` runs all of them.
#[test]
fn conformance_scripts_under_stress() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let suite = Suite::find(&root).unwrap();
    // These run for seconds.
    let slow = [
        "survive_collection",
        "exhaustion",
        "weakref_clearing",
        "reclaimed",
        "tr64_gc",
        "pin_count",
        "tailcall_constant",
        "many_stacks",
        "roots_of_all",
        "lost_wakeups",
        "locks",
        "mutual_exclusion",
        "producers_consumers",
    ];
    for (stress, offset, step) in [("every:1,move", 0, 5), ("safepoint,move", 3, 11)] {
        let (mut collections, mut run) = (0, 0);
        let config = Config { gc_stress: stress.parse().unwrap(), ..Config::default() };
        let scripts = suite.scripts.iter().filter(|script| !slow.iter().any(|slow| script.contains(slow)));
        for script in scripts.skip(offset).step_by(step) {
            let plain = conformance::run(&root, script, Tier::Interp);
            let report = conformance::run_with(&root, script, Tier::Interp, &config);
            assert_eq!(
                plain.passed(),
                report.passed(),
                "{}",
                conformance::suite::show_failures(&root, &report, 3)
            );
            collections += report.collections;
            run += 1;
        }
        assert!(run > 60 && collections > 20, "{stress}: {run} scripts, {collections} collections");
    }
}

/// All conformance scripts, where memory is short. `mu test --stack-size=16K` and `mu test --heap=8M` are the commands.
fn all_scripts_pass(config: &Config) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let suite = Suite::find(&root).unwrap();
    let ledger = Ledger::load(&Ledger::path(&root.join("../ledger"), Tier::Interp)).unwrap();
    let reports = suite.run_with(&[Tier::Interp], 2, config);
    assert!(reports.len() > 800);
    for report in &reports {
        let known = conformance::suite::judge(report, &ledger) == Verdict::KnownFailure;
        assert!(report.passed() || known, "{}", conformance::suite::show_failures(&root, report, 3));
    }
}

#[test]
fn conformance_scripts_on_small_stacks() {
    all_scripts_pass(&Config { stack_bytes: 16 << 10, ..Config::default() });
}

#[test]
fn conformance_scripts_in_a_small_heap() {
    all_scripts_pass(&Config { heap_bytes: 8 << 20, ..Config::default() });
}
