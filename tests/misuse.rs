//! What a client does wrong is refused as data, and nothing that was there before is lost.

use mu_vm::driver::NoTraps;
use mu_vm::interp::frames::{NewStackFailure, PushFrameFailure};
use mu_vm::ir::ids::{FuncId, MuId, TypeId};
use mu_vm::ir::ub::Ub;
use mu_vm::{
    ClientError, Mu, Options, Outcome, StackRef, ThreadRef, TrapAction, TrapContext, TrapHandler, Value,
};
use std::fmt::Write as _;

const TRAPS: &str = "
    .typedef @i64 = int<64>
    .typedef @void = void
    .typedef @ref = ref<@void>
    .funcsig @sig = (@i64) -> (@i64)
    .funcdef @traps VERSION %v <@sig> {
        %entry(<@i64> %n):
            [%trap] TRAP <> EXC(%nor(%n) %exc(%n)) KEEPALIVE(%n)
        %nor(<@i64> %n):
            RET %n
        %exc(<@i64> %n) [%e]:
            RET %n
    }
";

/// Gives the trap's integer where a reference belongs.
struct Forger {
    throws: bool,
    refused: bool,
}

impl TrapHandler for Forger {
    fn handle_trap(&mut self, context: &mut TrapContext<'_>) -> TrapAction {
        let forged = context.keepalives().remove(0);
        self.refused = !context.set_threadlocal(&forged);
        match self.throws {
            true => TrapAction::ThrowExc(context.stack(), forged),
            false => TrapAction::PassValues(context.stack(), Vec::new()),
        }
    }
}

#[test]
fn an_integer_is_no_reference() {
    let mut mu = Mu::new(Options::default()).unwrap();
    mu.load_bundle("traps", TRAPS).unwrap();
    let func = mu.func("@traps").unwrap();
    for throws in [false, true] {
        let argument = mu.value_from_int(mu.params(func)[0], 0x1_2345_6788).unwrap();
        let mut handler = Forger { throws, refused: false };
        let outcome = mu.call_with(func, vec![argument], &mut handler, None);
        assert!(handler.refused);
        match outcome {
            Outcome::Return(values) if !throws => assert_eq!(values[0].as_u64(), 0x1_2345_6788),
            Outcome::Undefined(Ub::BadBinding, _) if throws => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refused_bundle_gives_back_its_global_cells() {
    let cells = |count: usize| {
        let mut text = String::from(".typedef @i8 = int<8> .typedef @small = array<@i8 100>");
        text += ".typedef @large = array<@i8 16000000>\n";
        (0..count).for_each(|i| writeln!(text, ".global @s{i} <@small> .global @l{i} <@large>").unwrap());
        text
    };
    let mut mu = Mu::new(Options::default()).unwrap();
    mu.load_bundle("before", ".typedef @before = int<64> .global @cell <@before>").unwrap();
    for _ in 0..3 {
        // 16 MB each: more than the gigabyte there is.
        let error = mu.load_bundle("too many", &cells(80)).unwrap_err();
        assert!(error.to_string().contains("MU-E4003"), "{error}");
    }
    mu.load_bundle("enough", &cells(50)).unwrap();
    for i in 0..50 {
        assert!(mu.id_of(&format!("@l{i}")).is_some());
    }
}

const BUNDLE: &str = "
    .typedef @i64 = int<64>
    .typedef @double = double
    .typedef @float = float
    .typedef @pair = struct<@i64 @i64>
    .typedef @rpair = ref<@pair>
    .typedef @void = void
    .typedef @ref = ref<@void>
    .funcsig @sig = (@i64) -> (@i64)
    .funcsig @rsig = (@rpair) -> ()
    .funcdef @same VERSION %v <@sig> {
        %entry(<@i64> %n):
            RET %n
    }
    .funcdef @takes VERSION %v <@rsig> {
        %entry(<@rpair> %r):
            %i = GETIREF <@pair> %r
            %p = LOAD <@pair> %i
            RET ()
    }
    .funcdef @traps VERSION %v <@sig> {
        %entry(<@i64> %n):
            %r = TRAP <@i64> EXC(%nor() %exc()) KEEPALIVE(%n)
        %nor():
            RET @zero
        %exc() [%e]:
            RET @zero
    }
    .const @zero <@i64> = 0
";

fn instance(checked: bool) -> Mu {
    let config = mu_vm::rt::runtime::Config { checked, ..Default::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("bundle", BUNDLE).unwrap();
    mu
}

/// Ids are plain numbers; those that stand for nothing are refused, by every function that takes one.
#[test]
fn ids_that_stand_for_nothing() {
    let mut mu = instance(true);
    let i64 = mu.type_named("@i64").unwrap();
    let one = mu.value_from_int(i64, 1).unwrap();
    for number in [mu.program().types.type_count() + 100, 1 << 20, u32::MAX as usize] {
        let ty = TypeId(number as u32);
        assert_eq!(mu.value_from_int(ty, 1), None);
        assert_eq!(mu.value_from_f64(ty, 1.0), None);
        assert_eq!(mu.value_from_f32(ty, 1.0), None);
        assert_eq!(mu.null(ty), None);
        assert_eq!(mu.value_from_members(ty, std::slice::from_ref(&one)), None);
        assert!(mu.value_from_text(ty, "1").is_err());
        assert_eq!(mu.new_object(ty, &one), Err(ClientError::NoValues));
        assert_eq!(mu.new_bytes(ty, b"x"), Err(ClientError::WrongType));
        let object = mu.new_object(i64, &one).unwrap();
        assert_eq!(mu.load_as(&object, ty), Err(ClientError::NoValues));
    }
    for number in [mu.program().funcs.len(), 1 << 20, u32::MAX as usize] {
        let func = FuncId(number as u32);
        assert_eq!(
            (mu.func_name(func), mu.params(func), mu.returns(func)),
            (String::new(), &[][..], &[][..])
        );
        assert_eq!(mu.funcref(func), None);
        assert!(matches!(mu.new_stack(func), Err(NewStackFailure::NoFunction)));
        assert!(matches!(mu.call(func, vec![]), Outcome::Undefined(Ub::BadCallee, _)));
        let stack = mu.new_stack(mu.func("@same").unwrap()).unwrap();
        let pushed = mu.push_frame(stack, func);
        assert!(matches!(pushed, Err(PushFrameFailure::Undefined(Ub::BadCallee))));
    }
    for id in [MuId(0), MuId(u32::MAX), MuId(1 << 20)] {
        assert_eq!(mu.name_of(id), None);
    }
    assert!(!mu.set_watchpoint(7, true));
}

/// Words of stacks and cursors: any number is refused that is none of a living one.
#[test]
fn stacks_and_cursors_that_are_not_there() {
    for checked in [true, false] {
        let mut mu = instance(checked);
        let same = mu.func("@same").unwrap();
        let dead = mu.new_stack(same).unwrap();
        assert!(mu.kill_stack(dead));
        for stack in [StackRef::NULL, StackRef(u64::MAX), StackRef(1 << 40), StackRef(12345), dead] {
            assert!(!mu.kill_stack(stack));
            assert!(!mu.release_stack(stack));
            assert_eq!(mu.new_cursor(stack).unwrap_err(), Ub::BadIntrospection);
            assert!(matches!(
                mu.push_frame(stack, same),
                Err(PushFrameFailure::Undefined(Ub::BadIntrospection))
            ));
            assert_eq!(mu.expected_types(stack), None);
            assert!(mu.backtrace(stack).top.is_empty());
            let outcome = mu.run_thread(stack, vec![], &mut NoTraps, None);
            assert!(matches!(outcome, Outcome::Undefined(Ub::BadBinding, _)), "{outcome:?}");
        }
        for word in [0, 1, u64::MAX, 1 << 32, dead.0] {
            assert_eq!(mu.cursor_from_word(word).unwrap_err(), Ub::ClosedCursor);
        }
    }
}

/// A value of another instance is refused wherever one is taken, whether that instance still lives or not.
#[test]
fn values_of_another_instance() {
    for checked in [true, false] {
        for dropped in [false, true] {
            let mut mu = instance(checked);
            let mut other = instance(checked);
            let types = ["@i64", "@pair", "@rpair"].map(|name| other.type_named(name).unwrap());
            let [i64, pair, rpair] = types;
            let number = other.value_from_int(i64, 7).unwrap();
            let numbers = other.value_from_members(pair, &[number.clone(), number.clone()]).unwrap();
            let object = other.new_object(pair, &numbers).unwrap();
            let bytes_ref = other.program().predefined.bytes_ref;
            let bytes = other.new_bytes(bytes_ref, b"text").unwrap();
            assert_eq!(other.value_to_text(&number), "7");
            if dropped {
                drop(other);
            }
            let foreign = ClientError::Undefined(Ub::BadHandle);
            assert_ne!(mu.value_from_int(i64, 7), Some(number.clone()), "equal ids, another instance");
            assert_eq!(mu.members_of(&numbers), None);
            assert_eq!(mu.value_from_members(pair, &[number.clone(), number.clone()]), None);
            assert_eq!(mu.new_object(pair, &numbers), Err(foreign));
            assert_eq!(mu.load_as(&object, pair), Err(foreign));
            assert_eq!(mu.bytes_of(&bytes), Err(foreign));
            assert_eq!(mu.value_to_text(&number), "a value of another instance");
            for (function, value) in [("@same", &number), ("@takes", &object)] {
                let func = mu.func(function).unwrap();
                let outcome = mu.call(func, vec![value.clone()]);
                assert!(matches!(outcome, Outcome::Undefined(Ub::BadHandle, _)), "{outcome:?}");
            }
            assert_eq!(mu.type_named("@rpair"), Some(rpair));
            for throws in [false, true] {
                let mut handler = Stranger { throws, value: number.clone(), object: object.clone() };
                let argument = mu.value_from_int(i64, 1).unwrap();
                let outcome = mu.call_with(mu.func("@traps").unwrap(), vec![argument], &mut handler, None);
                assert!(matches!(outcome, Outcome::Undefined(Ub::BadHandle, _)), "{outcome:?}");
            }
        }
    }
}

/// The same for every function of handles and memory that takes values, each in turn in the place of a good one.
#[test]
fn handles_of_another_instance() {
    let foreign: ClientError = ClientError::Undefined(Ub::BadHandle);
    for dropped in [false, true] {
        let mut mu = instance(false);
        let mut other = instance(false);
        let [i64, pair, rpair] = ["@i64", "@pair", "@rpair"].map(|name| other.type_named(name).unwrap());
        let alien = other.value_from_int(i64, 7).unwrap();
        let object = other.new_fixed(pair).unwrap();
        let loc = other.get_iref(&object).unwrap();
        let stack = other.new_stack(other.func("@same").unwrap()).unwrap();
        let cursor = other.new_cursor(stack).unwrap();
        assert_eq!(mu.handle_from_cursor(cursor), Err(foreign));
        if dropped {
            drop(other);
        }
        let own = mu.new_fixed(i64).unwrap();
        let own = mu.get_iref(&own).unwrap();
        let number = mu.value_from_int(i64, 1).unwrap();
        let order = mu_vm::ir::table::MemOrder::SeqCst;
        let xchg = mu_vm::ir::table::RmwOp::Xchg;
        for value in [&alien, &object, &loc] {
            let answers = [
                mu.handle_to_sint(value).err(),
                mu.handle_to_uint(value).err(),
                mu.handle_to_uint64s(value).err(),
                mu.handle_to_float(value).err(),
                mu.handle_to_double(value).err(),
                mu.handle_to_ptr(value).err(),
                mu.handle_to_fp(value).err(),
                mu.handle_to_func(value).err(),
                mu.handle_to_stack(value).err(),
                mu.handle_to_thread(value).err(),
                mu.ref_eq(value, &own).err(),
                mu.ref_eq(&own, value).err(),
                mu.ref_ult(value, &own).err(),
                mu.ref_ult(&own, value).err(),
                mu.refcast(value, rpair).err(),
                mu.extract_value(value, 0).err(),
                mu.insert_value(value, 0, &number).err(),
                mu.extract_element(value, 0).err(),
                mu.insert_element(value, 0, &number).err(),
                mu.tr64_is_fp(value).err(),
                mu.tr64_is_int(value).err(),
                mu.tr64_is_ref(value).err(),
                mu.tr64_to_fp(value).err(),
                mu.tr64_to_int(value).err(),
                mu.tr64_to_ref(value).err(),
                mu.tr64_to_tag(value).err(),
                mu.tr64_from_fp(value).err(),
                mu.tr64_from_int(value).err(),
                mu.tr64_from_ref(value, &number).err(),
                mu.tr64_from_ref(&own, value).err(),
                mu.get_iref(value).err(),
                mu.get_field_iref(value, 0).err(),
                mu.get_elem_iref(value, 0).err(),
                mu.shift_iref(value, 0).err(),
                mu.get_var_part_iref(value).err(),
                mu.load(order, value).err(),
                mu.load_as(value, i64).err(),
                mu.store(order, value, &number).err(),
                mu.store(order, &own, value).err(),
                mu.cmpxchg((order, order), false, value, &number, &number).err(),
                mu.cmpxchg((order, order), false, &own, value, &number).err(),
                mu.cmpxchg((order, order), false, &own, &number, value).err(),
                mu.atomicrmw(order, xchg, value, &number).err(),
                mu.atomicrmw(order, xchg, &own, value).err(),
                mu.pin(value).err(),
                mu.unpin(value).err(),
                mu.get_addr(value).err(),
            ];
            for (number, answer) in answers.iter().enumerate() {
                assert_eq!(*answer, Some(foreign), "answer {number}");
            }
        }
        let stack = mu.new_stack(mu.func("@same").unwrap()).unwrap();
        assert_eq!(mu.new_thread_nor(stack, None, vec![alien.clone()]), Err(foreign));
        assert_eq!(mu.new_thread_nor(stack, Some(&object), vec![number.clone()]), Err(foreign));
        assert_eq!(mu.new_thread_exc(stack, None, &object), Err(foreign));
        assert_eq!(mu.new_thread_exc(stack, Some(&alien), &object), Err(foreign));
        assert!(mu.kill_stack(stack), "it is as it was");
        let pair = mu.value_from_members(pair, &[number.clone(), number.clone()]).unwrap();
        assert_eq!(mu.insert_value(&pair, 0, &alien), Err(foreign));
        assert_eq!(mu.extract_value(&pair, 0), Ok(number));
    }
}

/// Ids and words that stand for nothing, in functions of handles, memory and native code.
#[test]
fn ids_and_words_of_handles() {
    let mut mu = instance(true);
    let object = mu.new_fixed(mu.type_named("@pair").unwrap()).unwrap();
    for number in [mu.program().types.type_count() + 100, 1 << 20, u32::MAX as usize] {
        let ty = TypeId(number as u32);
        assert_eq!(mu.new_fixed(ty), Err(ClientError::NoValues));
        assert_eq!(mu.new_hybrid(ty, 1), Err(ClientError::NoValues));
        assert_eq!(mu.refcast(&object, ty), Err(ClientError::NoValues));
        assert_eq!(mu.handle_from_ptr(ty, 1), Err(ClientError::WrongType));
        assert_eq!(mu.handle_from_fp(ty, 1), Err(ClientError::WrongType));
    }
    for id in [MuId(0), MuId(1), MuId(u32::MAX), MuId(1 << 20), mu.id_of("@i64").unwrap()] {
        assert_eq!(mu.handle_from_const(id), Err(ClientError::NoSuchEntity));
        assert_eq!(mu.handle_from_global(id), Err(ClientError::NoSuchEntity));
        assert_eq!(mu.handle_from_func(id), Err(ClientError::NoSuchEntity));
        assert_eq!(mu.handle_from_expose(id), Err(ClientError::NoSuchEntity));
    }
    let foreign = Err(ClientError::Undefined(Ub::BadHandle));
    for word in [1, 1 << 40, u64::MAX] {
        assert_eq!(mu.handle_from_stack(StackRef(word)), foreign);
        assert_eq!(mu.handle_from_thread(ThreadRef(word)), foreign);
        assert!(!mu.unexpose(word));
    }
    let null = mu.handle_from_stack(StackRef::NULL).unwrap();
    assert_eq!(mu.handle_to_stack(&null), Ok(StackRef::NULL));
    let null = mu.handle_from_thread(ThreadRef::NULL).unwrap();
    assert_eq!(mu.handle_to_thread(&null), Ok(ThreadRef::NULL));
    assert!(mu.expose(FuncId(u32::MAX), 0).is_err());
    // Values of types that no variable has.
    mu.load_bundle("weak", ".typedef @w = weakref<@pair> .typedef @sw = struct<@i64 @w>").unwrap();
    for name in ["@w", "@sw", "@void"] {
        let ty = mu.type_named(name).unwrap();
        assert_eq!(mu.null(ty), None);
        assert_eq!(mu.load_as(&object, ty), Err(ClientError::NoValues));
        assert!(mu.new_fixed(ty).is_ok(), "objects can have them");
    }
}

/// Answers a trap with values of another instance.
struct Stranger {
    throws: bool,
    value: Value,
    object: Value,
}

impl TrapHandler for Stranger {
    fn handle_trap(&mut self, context: &mut TrapContext<'_>) -> TrapAction {
        assert!(!context.set_threadlocal(&self.object));
        assert!(context.threadlocal().is_null());
        match self.throws {
            true => TrapAction::ThrowExc(context.stack(), self.object.clone()),
            false => TrapAction::PassValues(context.stack(), vec![self.value.clone()]),
        }
    }
}

/// Threads on stacks that cannot be bound so: nothing comes to be, and the stack is as it was.
#[test]
fn threads_that_cannot_be() {
    let bad = Err(ClientError::Undefined(Ub::BadBinding));
    for os_threads in [false, true] {
        let config = mu_vm::rt::runtime::Config { os_threads, threads_max: 2, ..Default::default() };
        let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
        mu.load_bundle("bundle", BUNDLE).unwrap();
        let same = mu.func("@same").unwrap();
        let one = mu.value_from_int(mu.type_named("@i64").unwrap(), 1).unwrap();
        let object = mu.new_fixed(one.ty()).unwrap();
        let dead = mu.new_stack(same).unwrap();
        assert!(mu.kill_stack(dead));
        for stack in [StackRef::NULL, StackRef(u64::MAX), dead] {
            assert_eq!(mu.new_thread_nor(stack, None, vec![one.clone()]), bad);
            assert_eq!(mu.new_thread_exc(stack, None, &object), bad);
        }
        let [stack, second, third] = [(); 3].map(|()| mu.new_stack(same).unwrap());
        assert_eq!(mu.new_thread_nor(stack, None, vec![]), bad);
        assert_eq!(mu.new_thread_nor(stack, None, vec![object.clone()]), bad);
        assert_eq!(mu.new_thread_exc(stack, None, &one), bad, "an exception is a reference");
        let local = mu.new_thread_nor(stack, Some(&one), vec![one.clone()]);
        assert_eq!(local, Err(ClientError::WrongType), "and so is what is local to a thread");
        let cursor = mu.new_cursor(stack).unwrap();
        let open = mu.new_thread_nor(stack, None, vec![one.clone()]);
        assert_eq!(open, Err(ClientError::Undefined(Ub::OpenCursor)));
        drop(cursor);
        mu.new_thread_nor(stack, None, vec![one.clone()]).unwrap();
        assert_eq!(mu.new_thread_nor(stack, None, vec![one.clone()]), bad, "it has a thread");
        assert!(!mu.kill_stack(stack) && mu.new_cursor(stack).is_err());
        mu.new_thread_nor(second, None, vec![one.clone()]).unwrap();
        let many = mu.new_thread_nor(third, None, vec![one.clone()]);
        assert_eq!(many, Err(ClientError::Undefined(Ub::CreationFailed)));
        let ended = mu.run(&mut NoTraps);
        assert_eq!((ended.threads.len(), ended.cut_short.is_none()), (2, true));
        assert!(mu.kill_stack(third));
        assert!(mu.runtime().threads.all().is_empty());
    }
}

/// Values of the wrong type.
#[test]
fn values_of_another_type() {
    let mut mu = instance(true);
    let types = ["@i64", "@double", "@float", "@pair"].map(|name| mu.type_named(name).unwrap());
    let [i64, double, float, pair] = types;
    let number = mu.value_from_int(i64, 1).unwrap();
    assert_eq!(mu.value_from_int(double, 1), None);
    assert_eq!((mu.value_from_f64(float, 1.0), mu.value_from_f32(double, 1.0)), (None, None));
    assert_eq!((mu.null(i64), mu.null(pair)), (None, None));
    assert_eq!(mu.members_of(&number), None);
    assert_eq!(mu.value_from_members(pair, std::slice::from_ref(&number)), None);
    assert_eq!(mu.new_object(pair, &number), Err(ClientError::WrongType));
    assert_eq!(mu.new_bytes(i64, b""), Err(ClientError::WrongType));
    assert_eq!(mu.load_as(&number, i64), Err(ClientError::NoReference));
    assert_eq!(mu.bytes_of(&number), Err(ClientError::NoReference));
    let object = mu.new_object(i64, &number).unwrap();
    assert_eq!(mu.load_as(&object, double), Err(ClientError::Undefined(Ub::WrongLocationType)));
    let takes = mu.func("@takes").unwrap();
    for arguments in [vec![], vec![number.clone()], vec![object, number]] {
        let outcome = mu.call(takes, arguments);
        assert!(matches!(outcome, Outcome::Undefined(Ub::BadBinding, _)), "{outcome:?}");
    }
}

/// A cursor kept across the end of its stack does not come to stand on a frame of the stack that is made next.
#[test]
fn a_cursor_does_not_move_to_the_next_stack() {
    // Checked mode does not let a stack be killed while a cursor on it is open.
    let mut mu = instance(false);
    let same = mu.func("@same").unwrap();
    let old = mu.new_stack(same).unwrap();
    let mut cursor = mu.new_cursor(old).unwrap();
    assert!(mu.cur_func(&cursor).is_ok());
    assert!(mu.kill_stack(old));
    for _ in 0..3 {
        let new = mu.new_stack(mu.func("@takes").unwrap()).unwrap();
        assert_ne!(new, old);
        let fresh = mu.new_cursor(new).unwrap();
        assert_eq!(mu.cur_func(&cursor), Err(Ub::ClosedCursor));
        assert_eq!(mu.cur_func_ver(&cursor), Err(Ub::ClosedCursor));
        assert_eq!(mu.cur_inst(&cursor), Err(Ub::ClosedCursor));
        assert_eq!(mu.dump_keepalives(&cursor), Err(Ub::ClosedCursor));
        assert_eq!(mu.next_frame(&mut cursor), Err(Ub::ClosedCursor));
        assert_eq!(mu.copy_cursor(&cursor).unwrap_err(), Ub::ClosedCursor);
        assert_eq!(mu.pop_frames_to(&cursor), Err(Ub::ClosedCursor));
        assert!(mu.cur_func(&fresh).is_ok());
    }
}

/// `Mu::call` leaves no stack behind that nobody could let go.
#[test]
fn calls_that_end_at_a_trap_leave_no_stack() {
    let config = mu_vm::rt::runtime::Config { stacks_max: 4, ..Default::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("bundle", BUNDLE).unwrap();
    let (traps, i64) = (mu.func("@traps").unwrap(), mu.type_named("@i64").unwrap());
    for number in 0..20 {
        let argument = mu.value_from_int(i64, number).unwrap();
        let outcome = mu.call(traps, vec![argument]);
        assert!(matches!(outcome, Outcome::Trap(..)), "{outcome:?}");
    }
    mu.collect();
    assert_eq!(mu.runtime().stacks.alive(), 0);
}
