//! Threads that the client makes, with both drivers: all on the client's OS thread, and each on one of its own.

use mu_vm::driver::NoTraps;
use mu_vm::ir::ub::Ub;
use mu_vm::rt::runtime::Config;
use mu_vm::{Mu, Options, Outcome, StackRef, TrapAction, TrapCause, TrapContext, TrapHandler, Value};

const BUNDLE: &str = "
    .typedef @void = void   .typedef @i32 = int<32>   .typedef @i64 = int<64>
    .typedef @rvoid = ref<@void>
    .typedef @ri64 = ref<@i64>
    .funcsig @v_v = () -> ()
    .funcsig @i_i = (@i64) -> (@i64)
    .funcsig @r_i = (@ri64) -> (@i64)
    .typedef @body = funcref<@v_v>
    .const @zero <@i64> = 0
    .const @one <@i64> = 1
    .const @n0 <@i32> = 0
    .const @n1 <@i32> = 1
    .const @nobody <@rvoid> = NULL
    .global @flag <@i32>
    .global @never <@i32>
    .funcdef @same VERSION %v <@i_i> {
        %entry(<@i64> %n):
            RET %n
    }
    .funcdef @throws VERSION %v <@v_v> {
        %entry():
            %o = NEW <@i64>
            %r = REFCAST <@ri64 @rvoid> %o
            THROW %r
    }
    .funcdef @exits VERSION %v <@v_v> {
        %entry():
            COMMINST @uvm.thread_exit ()
    }
    .funcdef @traps VERSION %v <@i_i> {
        %entry(<@i64> %n):
            %m = [%trap] TRAP <@i64> KEEPALIVE(%n)
            RET %m
    }
    .funcdef @catches VERSION %v <@i_i> {
        %entry(<@i64> %n):
            %m = TRAP <@i64> EXC(%nor(%m) %exc())
        %nor(<@i64> %m):
            RET %m
        %exc() [%e]:
            %o = REFCAST <@rvoid @ri64> %e
            %i = GETIREF <@i64> %o
            %x = LOAD <@i64> %i
            RET %x
    }
    .funcdef @local VERSION %v <@i_i> {
        %entry(<@i64> %n):
            TRAP <> KEEPALIVE(%n)
            %l = COMMINST @uvm.get_threadlocal ()
            %o = REFCAST <@rvoid @ri64> %l
            %i = GETIREF <@i64> %o
            %x = LOAD <@i64> %i
            RET %x
    }
    .funcdef @divides VERSION %v <@i_i> {
        %entry(<@i64> %n):
            %m = SDIV <@i64> @one %n
            RET %m
    }
    // Adds what is local to the thread and what is passed, with a collection between.
    .funcdef @adds VERSION %v <@r_i> {
        %entry(<@ri64> %r):
            %o = NEW <@i64>
            %l = COMMINST @uvm.get_threadlocal ()
            %s = REFCAST <@rvoid @ri64> %l
            %pr = GETIREF <@i64> %r
            %ps = GETIREF <@i64> %s
            %x = LOAD <@i64> %pr
            %y = LOAD <@i64> %ps
            %z = ADD <@i64> %x %y
            RET %z
    }
    .funcdef @sets VERSION %v <@v_v> {
        %entry():
            STORE SEQ_CST <@i32> @flag @n1
            %woken = COMMINST @uvm.futex.wake <@i32> (@flag @n1)
            RET ()
    }
    .funcdef @awaits VERSION %v <@v_v> {
        %entry():
            BRANCH %look()
        %look():
            %f = LOAD SEQ_CST <@i32> @flag
            %is = EQ <@i32> %f @n1
            BRANCH2 %is %exit() %wait()
        %wait():
            %w = COMMINST @uvm.futex.wait <@i32> (@flag @n0)
            BRANCH %look()
        %exit():
            STORE SEQ_CST <@i32> @flag @n0
            RET ()
    }
    .funcdef @traps_and_awaits VERSION %v <@v_v> {
        %entry():
            TRAP <>
            CALL <@v_v> @awaits()
            RET ()
    }
    .funcdef @sleeps VERSION %v <@v_v> {
        %entry():
            %w = COMMINST @uvm.futex.wait <@i32> (@never @n0)
            RET ()
    }
    .funcdef @spins VERSION %v <@v_v> {
        %entry():
            BRANCH %again()
        %again():
            BRANCH %again()
    }
    .funcdef @starts_sets VERSION %v <@v_v> {
        %entry():
            %s = COMMINST @uvm.new_stack <[@v_v]> (@sets)
            %t = NEWTHREAD %s PASS_VALUES <> ()
            RET ()
    }
    .funcdef @starts_throws VERSION %v <@v_v> {
        %entry():
            %s = COMMINST @uvm.new_stack <[@v_v]> (@throws)
            %t = NEWTHREAD %s PASS_VALUES <> ()
            CALL <@v_v> @sleeps()
            RET ()
    }
    .funcdef @starts_thrown VERSION %v <@v_v> {
        %entry():
            %o = NEW <@i64>
            %s = COMMINST @uvm.new_stack <[@v_v]> (@sets)
            %t = NEWTHREAD %s THROW_EXC %o
            CALL <@v_v> @sleeps()
            RET ()
    }
";

/// Each driver, as it is and with a collection at every allocation that moves everything.
fn instances(mut test: impl FnMut(Mu)) {
    for os_threads in [false, true] {
        for stress in ["", "every:1,move"] {
            let gc_stress = if stress.is_empty() { Default::default() } else { stress.parse().unwrap() };
            let config = Config { os_threads, gc_stress, heap_bytes: 8 << 20, ..Config::default() };
            test(instance(config));
        }
    }
}

fn instance(config: Config) -> Mu {
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("threads", BUNDLE).unwrap_or_else(|error| panic!("{error}"));
    mu
}

fn stack(mu: &mut Mu, func: &str) -> StackRef {
    mu.new_stack(mu.func(func).unwrap()).unwrap()
}

fn start(mu: &mut Mu, func: &str, values: Vec<Value>) {
    let stack = stack(mu, func);
    mu.new_thread_nor(stack, None, values).unwrap();
}

fn int(mu: &mut Mu, number: u64) -> Value {
    mu.handle_from_uint(number, 64).unwrap()
}

/// An object that holds a number.
fn boxed(mu: &mut Mu, number: u64) -> Value {
    let number = int(mu, number);
    mu.new_object(number.ty(), &number).unwrap()
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Return(values) => format!("{:?}", values.iter().map(Value::as_u64).collect::<Vec<_>>()),
        Outcome::Exception(..) => "exception".into(),
        Outcome::Exit => "exit".into(),
        Outcome::Trap(..) => "trap".into(),
        Outcome::Undefined(ub, _) => ub.id().into(),
        Outcome::Deadlock { waiting, .. } => format!("deadlock of {waiting}"),
        Outcome::OutOfFuel(_) => "no fuel".into(),
        Outcome::Unsupported(what, _) => what.clone(),
    }
}

/// How the threads end, and the run.
fn run(mu: &mut Mu, handler: &mut dyn TrapHandler) -> (Vec<String>, Option<String>) {
    let ended = mu.run(handler);
    assert!(ended.threads.is_sorted_by_key(|&(thread, _)| thread));
    assert!(mu.runtime().threads.all().is_empty(), "no thread is left");
    let threads = ended.threads.iter().map(|(_, outcome)| short(outcome)).collect();
    (threads, ended.cut_short.as_ref().map(short))
}

#[test]
fn threads_end_in_their_own_ways() {
    instances(|mut mu| {
        assert_eq!(run(&mut mu, &mut NoTraps), (vec![], None), "there are none");
        for round in 0..3 {
            let number = int(&mut mu, round);
            start(&mut mu, "@throws", vec![]);
            start(&mut mu, "@same", vec![number.clone()]);
            start(&mut mu, "@traps", vec![number.clone()]);
            start(&mut mu, "@exits", vec![]);
            start(&mut mu, "@same", vec![number]);
            assert_eq!(mu.runtime().threads.all().len(), 5, "they exist before they run");
            let number = format!("[{round}]");
            let expected = ["exception", &number, "trap", "exit", &number].map(str::to_owned).to_vec();
            assert_eq!(run(&mut mu, &mut NoTraps), (expected, None));
        }
    });
}

#[test]
fn what_waits_for_a_run_is_not_lost() {
    instances(|mut mu| {
        for (local, passed) in [(1, 2), (30, 40)] {
            let stack = stack(&mut mu, "@adds");
            let (local, passed) = (boxed(&mut mu, local), boxed(&mut mu, passed));
            mu.new_thread_nor(stack, Some(&local), vec![passed]).unwrap();
        }
        mu.collect();
        assert_eq!(mu.runtime().heap.statistics().objects, 4);
        assert_eq!(run(&mut mu, &mut NoTraps), (vec!["[3]".into(), "[70]".into()], None));
        mu.collect();
        assert_eq!(mu.runtime().heap.statistics().objects, 0);
        assert_eq!(mu.runtime().stacks.alive(), 0);
    });
}

/// Leaves the thread, and knows where it stood.
struct Leaves(StackRef);

impl TrapHandler for Leaves {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        self.0 = trap.stack();
        TrapAction::Exit
    }
}

#[test]
fn exceptions_are_thrown_to_stacks() {
    instances(|mut mu| {
        let number = int(&mut mu, 1);
        let mut leaves = Leaves(StackRef::NULL);
        let outcome = mu.call_with(mu.func("@catches").unwrap(), vec![number], &mut leaves, None);
        assert!(matches!(outcome, Outcome::Exit));
        let exception = boxed(&mut mu, 77);
        mu.new_thread_exc(leaves.0, None, &exception).unwrap();
        let fresh = stack(&mut mu, "@same");
        mu.new_thread_exc(fresh, None, &exception).unwrap();
        drop(exception);
        mu.collect();
        let ended = mu.run(&mut NoTraps);
        assert_eq!(short(&ended.threads[0].1), "[77]");
        let Outcome::Exception(exception, _) = &ended.threads[1].1 else { panic!("{:?}", ended.threads[1]) };
        let i64 = mu.type_named("@i64").unwrap();
        assert_eq!(mu.load_as(exception, i64).unwrap().as_u64(), 77);
    });
}

#[test]
fn a_call_takes_threads_along() {
    instances(|mut mu| {
        // The main thread waits for the other one.
        start(&mut mu, "@sets", vec![]);
        let awaits = mu.func("@awaits").unwrap();
        assert_eq!(short(&mu.call(awaits, vec![])), "[]");
        mu.take_ended_threads();
        // The end of the main thread is the end of the run.
        start(&mut mu, "@sleeps", vec![]);
        let same = mu.func("@same").unwrap();
        let number = int(&mut mu, 5);
        assert_eq!(short(&mu.call(same, vec![number])), "[5]");
        assert!(mu.take_ended_threads().is_empty() && mu.runtime().threads.all().is_empty());
        // What is nobody's own affair.
        start(&mut mu, "@throws", vec![]);
        assert_eq!(short(&mu.call(awaits, vec![])), "exception");
    });
}

/// Answers one trap in the way it was told.
struct Answers<F>(F);

impl<F: FnMut(&mut TrapContext<'_>) -> TrapAction> TrapHandler for Answers<F> {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        (self.0)(trap)
    }
}

/// The trap protocol: values, exceptions, to this stack or another one; the end of the thread; what is local to it.
#[test]
fn the_answers_to_a_trap() {
    instances(|mut mu| {
        let one = int(&mut mu, 1);
        let ask = |mu: &mut Mu, func: &str, answer: &mut dyn FnMut(&mut TrapContext<'_>) -> TrapAction| {
            let stack = stack(mu, func);
            let thread = mu.new_thread_nor(stack, None, vec![one.clone()]).unwrap();
            let mut seen = 0;
            let mut handler = Answers(|trap: &mut TrapContext<'_>| {
                seen += 1;
                assert_eq!((trap.thread_ref(), trap.stack(), trap.cause()), (thread, stack, TrapCause::Trap));
                answer(trap)
            });
            let outcomes = run(mu, &mut handler).0;
            assert_eq!(seen, 1);
            (outcomes.concat(), stack)
        };
        let (back, _) = ask(&mut mu, "@traps", &mut |trap| {
            let values = vec![int(trap.mu, 5)];
            TrapAction::PassValues(trap.stack(), values)
        });
        assert_eq!(back, "[5]");
        let (caught, _) = ask(&mut mu, "@catches", &mut |trap| {
            let exception = boxed(trap.mu, 6);
            TrapAction::ThrowExc(trap.stack(), exception)
        });
        assert_eq!(caught, "[6]");
        let (uncaught, _) = ask(&mut mu, "@traps", &mut |trap| {
            let exception = boxed(trap.mu, 6);
            TrapAction::ThrowExc(trap.stack(), exception)
        });
        assert_eq!(uncaught, "exception");
        let (elsewhere, left) = ask(&mut mu, "@traps", &mut |trap| {
            let values = vec![int(trap.mu, 7)];
            TrapAction::PassValues(stack(trap.mu, "@same"), values)
        });
        assert_eq!(elsewhere, "[7]");
        let (thrown_elsewhere, also_left) = ask(&mut mu, "@traps", &mut |trap| {
            let exception = boxed(trap.mu, 8);
            TrapAction::ThrowExc(stack(trap.mu, "@same"), exception)
        });
        assert_eq!(thrown_elsewhere, "exception");
        let (exit, left_at_exit) = ask(&mut mu, "@traps", &mut |_| TrapAction::Exit);
        assert_eq!(exit, "exit");
        let (unhandled, left_unhandled) = ask(&mut mu, "@traps", &mut |_| TrapAction::Unhandled);
        assert_eq!(unhandled, "trap");
        // Every stack that was left waits for its value still.
        for stack in [left, also_left, left_at_exit, left_unhandled] {
            let values = vec![int(&mut mu, 9)];
            mu.new_thread_nor(stack, None, values).unwrap();
        }
        assert_eq!(run(&mut mu, &mut NoTraps).0.concat(), "[9]".repeat(4));
        let (local, _) = ask(&mut mu, "@local", &mut |trap| {
            assert!(trap.threadlocal().is_null());
            let local = boxed(trap.mu, 10);
            assert!(trap.set_threadlocal(&local) && trap.threadlocal().as_u64() == local.as_u64());
            trap.mu.collect();
            TrapAction::PassValues(trap.stack(), vec![])
        });
        assert_eq!(local, "[10]");
    });
}

/// Makes a thread at every trap, and goes on.
struct Maker(u32);

impl TrapHandler for Maker {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        self.0 += 1;
        let stack = stack(trap.mu, "@sets");
        trap.mu.new_thread_nor(stack, None, vec![]).unwrap();
        TrapAction::PassValues(trap.stack(), vec![])
    }
}

#[test]
fn a_trap_handler_makes_threads() {
    instances(|mut mu| {
        let mut maker = Maker(0);
        let func = mu.func("@traps_and_awaits").unwrap();
        assert_eq!(short(&mu.call_with(func, vec![], &mut maker, None)), "[]");
        assert_eq!(maker.0, 1);
        mu.take_ended_threads();
        start(&mut mu, "@traps_and_awaits", vec![]);
        assert_eq!(run(&mut mu, &mut maker), (vec!["[]".into(), "[]".into()], None));
        assert_eq!(maker.0, 2);
    });
}

/// Answers traps with the double of what the thread has.
struct Doubles(Vec<u64>);

impl TrapHandler for Doubles {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        assert_eq!(trap.cause(), TrapCause::Trap);
        let number = trap.keepalives().remove(0).as_u64();
        self.0.push(number);
        let same = trap.mu.func("@same").unwrap();
        let doubled = int(trap.mu, 2 * number);
        // A run inside this one.
        let Outcome::Return(values) = trap.mu.call(same, vec![doubled]) else { panic!("it returns") };
        TrapAction::PassValues(trap.stack(), values)
    }
}

#[test]
fn traps_of_many_threads() {
    instances(|mut mu| {
        let count = 20;
        for number in 0..count {
            let number = int(&mut mu, number);
            start(&mut mu, "@traps", vec![number]);
        }
        let mut doubles = Doubles(Vec::new());
        let expected: Vec<String> = (0..count).map(|number| format!("[{}]", 2 * number)).collect();
        assert_eq!(run(&mut mu, &mut doubles), (expected, None));
        doubles.0.sort_unstable();
        assert_eq!(doubles.0, (0..count).collect::<Vec<_>>());
    });
}

#[test]
fn threads_of_programs_are_waited_for() {
    instances(|mut mu| {
        start(&mut mu, "@awaits", vec![]);
        start(&mut mu, "@starts_sets", vec![]);
        assert_eq!(run(&mut mu, &mut NoTraps), (vec!["[]".into(), "[]".into()], None));
    });
}

#[test]
fn runs_that_are_cut_short() {
    instances(|mut mu| {
        let zero = int(&mut mu, 0);
        start(&mut mu, "@divides", vec![zero]);
        start(&mut mu, "@spins", vec![]);
        assert_eq!(run(&mut mu, &mut NoTraps), (vec![], Some(Ub::DivideByZero.id().into())));
        start(&mut mu, "@sleeps", vec![]);
        start(&mut mu, "@exits", vec![]);
        start(&mut mu, "@sleeps", vec![]);
        assert_eq!(run(&mut mu, &mut NoTraps), (vec!["exit".into()], Some("deadlock of 2".into())));
        // Exceptions of threads that nobody else hears of, thrown by them and to them.
        for func in ["@starts_throws", "@starts_thrown"] {
            start(&mut mu, func, vec![]);
            assert_eq!(run(&mut mu, &mut NoTraps), (vec![], Some("exception".into())), "{func}");
        }
        mu.set_fuel(100_000);
        start(&mut mu, "@spins", vec![]);
        start(&mut mu, "@spins", vec![]);
        assert_eq!(run(&mut mu, &mut NoTraps), (vec![], Some("no fuel".into())));
        mu.set_fuel(u64::MAX);
        let one = int(&mut mu, 1);
        start(&mut mu, "@divides", vec![one]);
        assert_eq!(run(&mut mu, &mut NoTraps), (vec!["[1]".into()], None), "the instance goes on");
    });
}

struct Panics;

impl TrapHandler for Panics {
    fn handle_trap(&mut self, _: &mut TrapContext<'_>) -> TrapAction {
        panic!("the client's own");
    }
}

#[test]
fn a_panic_of_the_handler_goes_on_in_the_client() {
    let mut mu = instance(Config { os_threads: true, ..Config::default() });
    for _ in 0..3 {
        let one = int(&mut mu, 1);
        start(&mut mu, "@spins", vec![]);
        start(&mut mu, "@traps", vec![one]);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| mu.run(&mut Panics)));
        assert!(result.is_err());
        start(&mut mu, "@exits", vec![]);
        assert_eq!(run(&mut mu, &mut NoTraps).0, ["exit"]);
    }
}
