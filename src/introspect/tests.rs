//! Tests of the client's cursors: what a conformance script cannot ask for.

use crate::rt::runtime::Config;
use crate::{Mu, Options, Outcome, StackRef, TrapAction, TrapContext, TrapHandler, Value};
use mu_interp::frames::PushFrameFailure;
use mu_ir::ub::Ub;

const BUNDLE: &str = "
    .typedef @i64 = int<64>
    .typedef @double = double
    .const @one <@i64> = 1
    .funcsig @i_i = (@i64) -> (@i64)
    .funcsig @i_d = (@i64) -> (@double)
    .funcdef @leaf VERSION %v1 <@i_i> {
        %entry(<@i64> %x):
            %r = [%trap] TRAP <@i64> KEEPALIVE(%x)
            RET %r
    }
    .funcdef @middle VERSION %v1 <@i_i> {
        %entry(<@i64> %x):
            %y = ADD <@i64> %x @one
            %r = [%call] CALL <@i_i> @leaf(%y) KEEPALIVE(%x %y)
            %s = ADD <@i64> %r %r
            RET %s
    }
    .funcdef @main VERSION %v1 <@i_i> {
        %entry(<@i64> %x):
            %r = CALL <@i_i> @middle(%x)
            RET %r
    }
    .funcdef @to_double VERSION %v1 <@i_d> {
        %entry(<@i64> %x):
            %d = SITOFP <@i64 @double> %x
            RET %d
    }
    .funcdecl @undefined <@i_i>";

fn instance(checked: bool) -> Mu {
    let config = Config { checked, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("bundle", BUNDLE).unwrap();
    mu
}

struct Handler<F>(F);

impl<F: FnMut(&mut TrapContext<'_>) -> TrapAction> TrapHandler for Handler<F> {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        (self.0)(trap)
    }
}

fn int(mu: &Mu, number: u64) -> Value {
    mu.value_from_int(mu.type_named("@i64").unwrap(), number.into()).unwrap()
}

/// Runs `@main(20)`, whose trap goes to the handler.
fn run(mu: &mut Mu, handler: impl FnMut(&mut TrapContext<'_>) -> TrapAction) -> Outcome {
    let (main, twenty) = (mu.func("@main").unwrap(), int(mu, 20));
    mu.call_with(main, vec![twenty], &mut Handler(handler), None)
}

fn returned(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Return(values) => values[0].as_u64(),
        other => panic!("{other:?}"),
    }
}

fn ub(outcome: &Outcome) -> Ub {
    match outcome {
        Outcome::Undefined(ub, _) => *ub,
        other => panic!("{other:?}"),
    }
}

fn pass(trap: &TrapContext<'_>, stack: StackRef, number: u64) -> TrapAction {
    TrapAction::PassValues(stack, vec![int(trap.mu, number)])
}

#[test]
fn every_frame_says_where_it_stands() {
    let mut mu = instance(true);
    let mut seen = Vec::new();
    let outcome = run(&mut mu, |trap| {
        let (stack, mu) = (trap.stack(), &mut *trap.mu);
        let mut cursor = mu.new_cursor(stack).unwrap();
        loop {
            let ids = [mu.cur_func(&cursor), mu.cur_func_ver(&cursor), mu.cur_inst(&cursor)];
            let names = ids.map(|id| mu.name_of(id.unwrap()).unwrap_or("-").to_owned());
            let kept = mu.dump_keepalives(&cursor).unwrap().iter().map(Value::as_u64).collect::<Vec<_>>();
            seen.push((names.join(" "), kept));
            if mu.next_frame(&mut cursor) == Err(Ub::BelowBottom) {
                break;
            }
        }
        drop(cursor);
        pass(trap, stack, 4)
    });
    assert_eq!(returned(&outcome), 8);
    let expected = [
        ("@leaf @leaf.v1 @leaf.v1.entry.trap", vec![21]),
        ("@middle @middle.v1 @middle.v1.entry.call", vec![20, 21]),
        ("@main @main.v1 -", vec![]),
    ];
    assert_eq!(seen, expected.map(|(names, kept)| (names.to_owned(), kept)));
}

#[test]
fn frames_are_replaced() {
    let mut mu = instance(true);
    let mut traps = 0;
    let outcome = run(&mut mu, |trap| {
        traps += 1;
        let (stack, mu) = (trap.stack(), &mut *trap.mu);
        let mut cursor = mu.new_cursor(stack).unwrap();
        mu.next_frame(&mut cursor).unwrap();
        mu.pop_frames_to(&cursor).unwrap();
        mu.close_cursor(cursor);
        let i64 = mu.type_named("@i64").unwrap();
        assert_eq!(mu.expected_types(stack), Some(vec![mu.program().types.canon(i64)]));
        // In the place of @leaf, the first time another @main, which traps again.
        if traps == 1 {
            let main = mu.func("@main").unwrap();
            mu.push_frame(stack, main).unwrap();
        }
        pass(trap, stack, 3)
    });
    // @leaf's caller doubles the inner @main's result, which is 3 doubled.
    assert_eq!((returned(&outcome), traps), (12, 2));
}

#[test]
fn pushing_wants_the_right_types_and_a_ready_stack() {
    let mut mu = instance(true);
    let outcome = run(&mut mu, |trap| {
        let (stack, mu) = (trap.stack(), &mut *trap.mu);
        let wrong = mu.func("@to_double").unwrap();
        let failure = mu.push_frame(stack, wrong).unwrap_err();
        assert!(matches!(failure, PushFrameFailure::Undefined(Ub::BadIntrospection)));
        let failure = mu.push_frame(StackRef::NULL, wrong).unwrap_err();
        assert!(matches!(failure, PushFrameFailure::Undefined(Ub::BadIntrospection)));
        pass(trap, stack, 1)
    });
    assert_eq!(returned(&outcome), 2);
}

#[test]
fn an_open_cursor_keeps_the_stack_from_being_bound() {
    let mut kept = None;
    let mut mu = instance(true);
    let outcome = run(&mut mu, |trap| {
        let stack = trap.stack();
        kept = Some(trap.mu.new_cursor(stack).unwrap());
        assert!(!trap.mu.kill_stack(stack));
        pass(trap, stack, 1)
    });
    assert_eq!(ub(&outcome), Ub::OpenCursor);
    // Without checks the cursor is closed instead.
    let mut mu = instance(false);
    let outcome = run(&mut mu, |trap| {
        let stack = trap.stack();
        kept = Some(trap.mu.new_cursor(stack).unwrap());
        pass(trap, stack, 1)
    });
    assert_eq!(returned(&outcome), 2);
    assert_eq!(mu.cur_func(&kept.unwrap()), Err(Ub::ClosedCursor));
}

#[test]
fn cursors_belong_to_their_instance() {
    let (mut one, mut other) = (instance(true), instance(true));
    let (f, g) = (one.func("@main").unwrap(), other.func("@main").unwrap());
    let (stack, same) = (one.new_stack(f).unwrap(), other.new_stack(g).unwrap());
    let mut cursor = one.new_cursor(stack).unwrap();
    let _twin = other.new_cursor(same).unwrap();
    assert_eq!(other.cur_func(&cursor), Err(Ub::BadHandle));
    assert_eq!(other.next_frame(&mut cursor), Err(Ub::BadHandle));
    assert_eq!(other.pop_frames_to(&cursor), Err(Ub::BadHandle));
    assert_eq!(one.cur_func(&cursor), Ok(one.id_of("@main").unwrap()));
    assert_eq!(one.cur_inst(&cursor).map(|id| id.0), Ok(0));
}

#[test]
fn words_and_cursors() {
    let mut mu = instance(true);
    let func = mu.func("@main").unwrap();
    let stack = mu.new_stack(func).unwrap();
    let word = mu.new_cursor(stack).unwrap().into_word();
    assert!(!mu.kill_stack(stack));
    let cursor = mu.cursor_from_word(word).unwrap();
    let copy = mu.copy_cursor(&cursor).unwrap();
    drop(cursor);
    assert!(!mu.kill_stack(stack));
    drop(copy);
    assert!(mu.kill_stack(stack));
    assert_eq!(mu.cursor_from_word(word).unwrap_err(), Ub::ClosedCursor);
    assert_eq!(mu.new_cursor(stack).unwrap_err(), Ub::BadIntrospection);
}

#[test]
fn the_client_takes_traps_back() {
    let mut mu = instance(true);
    mu.load_bundle(
        "handler",
        ".typedef @i32 = int<32> .typedef @void = void .typedef @rv = ref<@void> .typedef @stack = stackref
         .const @null <@rv> = NULL .const @nine <@i64> = 9
         .funcsig @v_v = () -> ()
         .funcdef @handler VERSION %v1 <@uvm.meta.trap_handler.sig> {
             %entry(<@stack> %s <@i32> %wpid <@rv> %data):
                 SWAPSTACK %s KILL_OLD PASS_VALUES <@i64> (@nine)
         }
         .funcdef @set VERSION %v1 <@v_v> {
             %entry():
                 COMMINST @uvm.meta.set_trap_handler (@handler @null)
                 RET ()
         }",
    )
    .unwrap();
    let set = mu.func("@set").unwrap();
    assert!(matches!(mu.call(set, vec![]), Outcome::Return(_)));
    assert_eq!(returned(&run(&mut mu, |_| panic!("the program handles its traps"))), 18);
    mu.override_mu_trap_handler();
    let outcome = run(&mut mu, |trap| {
        let stack = trap.stack();
        pass(trap, stack, 1)
    });
    assert_eq!(returned(&outcome), 2);
}

#[test]
fn a_handler_without_a_stack_to_run_on() {
    let config = Config { stacks_max: 1, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle(
        "bundle",
        ".typedef @i32 = int<32> .typedef @void = void .typedef @rv = ref<@void> .typedef @stack = stackref
         .const @null <@rv> = NULL
         .funcsig @v_v = () -> ()
         .funcdef @handler VERSION %v1 <@uvm.meta.trap_handler.sig> {
             %entry(<@stack> %s <@i32> %wpid <@rv> %data):
                 COMMINST @uvm.thread_exit ()
         }
         .funcdef @main VERSION %v1 <@v_v> {
             %entry():
                 COMMINST @uvm.meta.set_trap_handler (@handler @null)
                 TRAP <>
                 RET ()
         }",
    )
    .unwrap();
    let main = mu.func("@main").unwrap();
    assert_eq!(ub(&mu.call(main, vec![])), Ub::CreationFailed);
}
