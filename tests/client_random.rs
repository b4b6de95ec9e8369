//! The client's interface called at random: any function with any handle, id and number at hand, in a heap whose objects
//! move at every allocation. Nothing may panic, and the heap must stay what it should be: every collection is checked by a
//! second trace (debug builds). What programs see is checked by `tests/client.rs`; this is about what a client must not be
//! able to do.

use mu_vm::ir::ids::{MuId, TypeId};
use mu_vm::ir::table::{MemOrder, RmwOp};
use mu_vm::ir::types::Type;
use mu_vm::rt::choose::Chooser;
use mu_vm::rt::runtime::Config;
use mu_vm::{ClientError, Cursor, Mu, Options, StackRef, TrapAction, TrapContext, TrapHandler, Value};

const BUNDLE: &str = "
    .typedef @void = void   .typedef @i8 = int<8>     .typedef @i6 = int<6>  .typedef @i52 = int<52>
    .typedef @i64 = int<64> .typedef @i128 = int<128> .typedef @float = float .typedef @double = double
    .typedef @rvoid = ref<@void>
    .typedef @node = struct<@i64 @rnode @tag @i128>
    .typedef @rnode = ref<@node>
    .typedef @inode = iref<@node>
    .typedef @wnode = weakref<@node>
    .typedef @weak = struct<@wnode @rvoid>
    .typedef @tag = tagref64
    .typedef @text = hybrid<@i64 @i8>
    .typedef @refs = hybrid<@rnode @rnode>
    .typedef @row = array<@rnode 4>
    .typedef @grid = array<@row 3>
    .typedef @quad = vector<@float 4>
    .typedef @opaque = struct<@stack @thread @f @cursor>
    .typedef @stack = stackref
    .typedef @thread = threadref
    .typedef @cursor = framecursorref
    .typedef @pnum = uptr<@i64>
    .typedef @ptext = uptr<@text>
    .funcsig @r_r = (@rnode) -> (@rnode)
    .funcsig @i_i = (@i64) -> (@i64)
    .typedef @f = funcref<@r_r>
    .typedef @fp = ufuncptr<@i_i>
    .const @zero <@i64> = 0
    .const @null <@rnode> = NULL
    .global @g1 <@node>
    .global @g2 <@tag>
    .global @g3 <@grid>
    .global @g4 <@weak>
    .global @g5 <@opaque>
    .global @g6 <@i128>
    .global @g7 <@stack>
    .funcdef @keep VERSION %v <@r_r> {
        %entry(<@rnode> %r):
            %c = ALLOCA <@node>
            %p = GETFIELDIREF <@node 1> %c
            STORE <@rnode> %p %r
            TRAP <> EXC(%nor(%p) %exc()) KEEPALIVE(%c %r %p)
        %nor(<@ir> %p):
            %s = LOAD <@rnode> %p
            RET %s
        %exc() [%e]:
            RET @null
    }
    .typedef @ir = iref<@rnode>
    .funcdef @same VERSION %v <@i_i> {
        %entry(<@i64> %n):
            RET %n
    }
    .expose @exposed = @same #DEFAULT @zero
";

/// Most handles held at a time.
const HANDLES: u64 = 60;

struct Client {
    chooser: Chooser,
    values: Vec<Value>,
    stacks: Vec<StackRef>,
    cursors: Vec<Cursor>,
    /// How many calls succeeded, and how many did not.
    done: u64,
    refused: u64,
    /// How many traps were handled, and how many threads returned.
    traps: u64,
    returned: u64,
}

impl Client {
    fn value(&mut self) -> Value {
        let at = self.chooser.below(self.values.len() as u64) as usize;
        self.values[at].clone()
    }

    /// Mostly a value whose type is as wanted, if there is one.
    fn value_that(&mut self, mu: &Mu, wanted: impl Fn(&Type, TypeId) -> bool) -> Value {
        let from = self.chooser.below(self.values.len() as u64) as usize;
        let (before, behind) = self.values.split_at(from);
        let types = &mu.program().types;
        let found = behind.iter().chain(before).find(|value| wanted(types.get(value.ty()), value.ty()));
        match (found, self.chooser.below(8)) {
            (Some(value), 1..) => value.clone(),
            _ => self.value(),
        }
    }

    fn location(&mut self, mu: &Mu) -> Value {
        self.value_that(mu, |ty, _| matches!(ty, Type::IRef(_) | Type::UPtr(_)))
    }

    /// Mostly a value that could be stored in a location.
    fn fitting(&mut self, mu: &Mu, loc: &Value) -> Value {
        let types = &mu.program().types;
        let (Type::IRef(wanted) | Type::UPtr(wanted)) = *types.get(loc.ty()) else { return self.value() };
        let strong = |ty: TypeId| match *types.get(wanted) {
            Type::WeakRef(to) => matches!(*types.get(ty), Type::Ref(other) if types.same(to, other)),
            _ => types.same(wanted, ty),
        };
        self.value_that(mu, |_, ty| strong(ty))
    }

    fn number(&mut self) -> u64 {
        match self.chooser.below(6) {
            0 | 4 | 5 => self.chooser.below(4),
            1 => self.chooser.below(20),
            2 => self.chooser.bits() & self.chooser.bits(),
            _ => (self.chooser.below(7) as i64 - 3) as u64,
        }
    }

    fn ty(&mut self, mu: &Mu) -> TypeId {
        TypeId(self.chooser.below(mu.program().types.type_count() as u64 + 2) as u32)
    }

    fn stack(&mut self) -> StackRef {
        let at = self.chooser.below(self.stacks.len() as u64 + 1) as usize;
        self.stacks.get(at).copied().unwrap_or(StackRef(self.chooser.bits() >> 40))
    }

    fn cursor(&mut self) -> Option<Cursor> {
        let at = self.chooser.below(self.cursors.len() as u64) as usize;
        (at < self.cursors.len()).then(|| self.cursors.swap_remove(at))
    }

    fn order(&mut self) -> MemOrder {
        MemOrder::ALL[self.chooser.below(7) as usize]
    }

    fn keep(&mut self, result: Result<Value, ClientError>) {
        match result {
            Ok(value) if (self.values.len() as u64) < HANDLES => self.values.push(value),
            Ok(value) => {
                let at = self.chooser.below(HANDLES) as usize;
                self.values[at] = value;
            }
            Err(_) => return self.refused += 1,
        }
        self.done += 1;
    }

    fn count<T, E>(&mut self, result: Result<T, E>) {
        match result {
            Ok(_) => self.done += 1,
            Err(_) => self.refused += 1,
        }
    }

    /// Calls one function.
    fn step(&mut self, mu: &mut Mu) {
        match self.chooser.below(6) {
            0 => self.make(mu),
            1 => self.convert(mu),
            2 => self.address(mu),
            3 | 4 => self.access(mu),
            _ => self.stacks_and_threads(mu),
        }
        if self.chooser.below(1000) == 0 {
            mu.collect();
        }
    }

    fn make(&mut self, mu: &mut Mu) {
        let (ty, value, number) = (self.ty(mu), self.value(), self.number());
        let width = self.chooser.below(130) as u32;
        let id = MuId(mu.id_of("@zero").map_or(0, |id| id.0) + self.chooser.below(60) as u32);
        let result = match self.chooser.below(14) {
            0 => mu.new_fixed(ty),
            1 => mu.new_hybrid(ty, number),
            2 => mu.new_object(ty, &value),
            3 => mu.new_object(value.ty(), &value),
            4 => mu.handle_from_uint(number, width),
            5 => mu.handle_from_sint(number as i64, width),
            6 => mu.handle_from_ptr(ty, number),
            7 => mu.null(ty).ok_or(ClientError::NoValues),
            8 => mu.handle_from_const(id),
            9 => mu.handle_from_global(id),
            10 => mu.handle_from_func(id),
            11 => mu.handle_from_expose(id),
            12 => mu.handle_named(["@g1", "@g2", "@g3", "@g4", "@g5", "@g6", "@g7"][number as usize % 7]),
            _ => Ok(mu.handle_from_double(f64::from_bits(self.chooser.bits()))),
        };
        self.keep(result);
    }

    fn convert(&mut self, mu: &mut Mu) {
        let (ty, number) = (self.ty(mu), self.number());
        let composite = |ty: &Type, _| matches!(ty, Type::Struct(_) | Type::Array(..) | Type::Vector(..));
        let (one, two) = match self.chooser.below(2) {
            0 => (self.value_that(mu, composite), self.value()),
            _ => (self.value(), self.value_that(mu, |ty, _| matches!(ty, Type::Ref(_) | Type::TagRef64))),
        };
        let result = match self.chooser.below(16) {
            0 => mu.refcast(&one, ty),
            1 => mu.refcast(&one, two.ty()),
            2 => mu.extract_value(&one, number as usize),
            3 => mu.insert_value(&one, number as usize, &two),
            4 => mu.extract_element(&one, number),
            5 => mu.insert_element(&one, number, &two),
            6 => mu.tr64_from_fp(&one),
            7 => mu.tr64_from_int(&one),
            8 => mu.tr64_from_ref(&one, &two),
            9 => mu.tr64_to_fp(&one),
            10 => mu.tr64_to_int(&one),
            11 => mu.tr64_to_ref(&one),
            12 => mu.tr64_to_tag(&one),
            13 => {
                let compared = [mu.ref_eq(&one, &two), mu.ref_ult(&one, &two)];
                return compared.into_iter().for_each(|result| self.count(result));
            }
            14 => {
                let kinds = [mu.tr64_is_fp(&one), mu.tr64_is_int(&one), mu.tr64_is_ref(&one)];
                return kinds.into_iter().for_each(|result| self.count(result));
            }
            _ => {
                let numbers = [mu.handle_to_uint(&one), mu.handle_to_ptr(&one), mu.handle_to_fp(&one)];
                return numbers.into_iter().for_each(|result| self.count(result));
            }
        };
        self.keep(result);
    }

    fn address(&mut self, mu: &mut Mu) {
        let number = self.number();
        let object = self.value_that(mu, |ty, _| matches!(ty, Type::Ref(_)));
        let inside = self.value_that(mu, |ty, _| matches!(ty, Type::IRef(_)));
        let value = if self.chooser.below(2) == 0 { &object } else { &inside };
        let value = value.clone();
        let result = match self.chooser.below(8) {
            0 => mu.get_iref(&object),
            1 => mu.get_field_iref(&value, number as usize),
            2 => mu.get_elem_iref(&value, number as i64),
            3 => mu.shift_iref(&value, number as i64),
            4 => mu.get_var_part_iref(&value),
            5 => mu.pin(&value),
            6 => mu.get_addr(&value),
            _ => {
                let unpinned = mu.unpin(&value);
                return self.count(unpinned);
            }
        };
        self.keep(result);
    }

    fn access(&mut self, mu: &mut Mu) {
        let loc = self.location(mu);
        let (one, two, ty) = (self.fitting(mu, &loc), self.fitting(mu, &loc), self.ty(mu));
        let (order, other) = (self.order(), self.order());
        let ops = [RmwOp::Xchg, RmwOp::Add, RmwOp::Nand, RmwOp::Max, RmwOp::UMin];
        let op = ops[self.chooser.below(5) as usize];
        let result = match self.chooser.below(7) {
            0 | 1 => mu.load(order, &loc),
            2 => mu.load_as(&loc, ty),
            3 => mu.cmpxchg((order, other), self.chooser.below(2) == 0, &loc, &one, &two).map(|(old, _)| old),
            4 => mu.atomicrmw(order, op, &loc, &one),
            _ => {
                let stored = mu.store(order, &loc, &one);
                return self.count(stored);
            }
        };
        self.keep(result);
    }

    fn stacks_and_threads(&mut self, mu: &mut Mu) {
        let (value, stack) = (self.value(), self.stack());
        let name = if self.chooser.below(4) == 0 { "@same" } else { "@keep" };
        let func = mu.func(name).unwrap();
        match self.chooser.below(20) {
            0 | 1 | 14 | 15 => match mu.new_stack(func) {
                Ok(stack) if self.stacks.len() < 10 => self.stacks.push(stack),
                Ok(stack) => assert!(mu.release_stack(stack)),
                Err(_) => self.refused += 1,
            },
            2 => {
                let killed = mu.kill_stack(stack);
                self.stacks.retain(|&other| !killed || other != stack);
            }
            3 => {
                let handle = mu.handle_from_stack(stack);
                self.keep(handle);
            }
            4 => match mu.new_cursor(stack) {
                Ok(cursor) => self.cursors.push(cursor),
                Err(_) => self.refused += 1,
            },
            5 => {
                if let Some(mut cursor) = self.cursor() {
                    let kept = mu.dump_keepalives(&cursor).unwrap_or_default();
                    kept.into_iter().for_each(|value| self.keep(Ok(value)));
                    let moved = mu.next_frame(&mut cursor);
                    self.count(moved);
                    self.cursors.push(cursor);
                }
            }
            6 => drop(self.cursor()),
            7 => {
                if let Some(cursor) = self.cursor() {
                    let popped = mu.pop_frames_to(&cursor);
                    self.count(popped);
                }
            }
            8 => {
                let pushed = mu.push_frame(stack, func);
                self.count(pushed);
            }
            9 | 10 | 16..=19 => self.start(mu, stack),
            11 => {
                let local = self.value();
                let made = mu.new_thread_exc(stack, Some(&local), &value);
                self.count(made);
            }
            12 => {
                for (_, outcome) in self.run(mu).threads {
                    if let mu_vm::Outcome::Return(values) = outcome {
                        self.returned += 1;
                        values.into_iter().for_each(|value| self.keep(Ok(value)));
                    }
                }
            }
            _ => {
                let argument = self.value();
                drop(mu.call(func, vec![argument]));
            }
        }
    }

    /// A thread that is mostly good.
    fn start(&mut self, mu: &mut Mu, stack: StackRef) {
        let value = self.value_that(mu, |ty, _| matches!(ty, Type::Ref(_)));
        let rnode = mu.type_named("@rnode").unwrap();
        let fitting = mu.refcast(&value, rnode).unwrap_or(value);
        if let Ok(thread) = mu.new_thread_nor(stack, None, vec![fitting]) {
            self.stacks.retain(|&other| other != stack);
            let handle = mu.handle_from_thread(thread);
            self.keep(handle);
        }
    }

    fn run(&mut self, mu: &mut Mu) -> mu_vm::Ended {
        let ended = mu.run(&mut Handler(self));
        assert!(mu.runtime().threads.all().is_empty());
        ended
    }
}

/// Answers a trap at random, after a few calls.
struct Handler<'a>(&'a mut Client);

impl TrapHandler for Handler<'_> {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let (client, stack) = (&mut *self.0, trap.stack());
        client.traps += 1;
        trap.keepalives().into_iter().for_each(|value| client.keep(Ok(value)));
        for _ in 0..client.chooser.below(6) {
            // No runs inside runs inside runs.
            client.access(trap.mu);
            client.make(trap.mu);
            client.address(trap.mu);
        }
        let local = client.value();
        trap.set_threadlocal(&local);
        let (other, value) = (client.stack(), client.value());
        match client.chooser.below(10) {
            0 => TrapAction::Exit,
            1 => TrapAction::Unhandled,
            2 => TrapAction::PassValues(other, vec![value]),
            3 => TrapAction::ThrowExc(other, value),
            4 => TrapAction::ThrowExc(stack, value),
            _ => TrapAction::PassValues(stack, vec![]),
        }
    }
}

fn play(seed: u64, steps: u64, config: Config) {
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("random", BUNDLE).unwrap_or_else(|error| panic!("{error}"));
    let first = mu.handle_named("@zero").unwrap();
    let mut client = Client {
        chooser: Chooser::new(seed),
        values: vec![first],
        stacks: Vec::new(),
        cursors: Vec::new(),
        done: 0,
        refused: 0,
        traps: 0,
        returned: 0,
    };
    for _ in 0..steps {
        client.step(&mut mu);
    }
    client.run(&mut mu);
    let Client { done, refused, traps, returned, .. } = client;
    let told =
        format!("seed {seed}: {done} done, {refused} refused, {traps} traps, {returned} threads returned");
    assert!(
        done > steps / 10 && refused > steps / 10 && traps > steps / 2000 && returned > steps / 10_000,
        "{told}"
    );
    assert!(
        mu.runtime().heap.collections().count > steps / 400,
        "{:?}",
        mu.runtime().heap.collections().count
    );
    // The client is gone, and with it everything that only it held; what is left, cells and pins hold.
    mu.collect();
}

#[test]
fn nothing_a_client_calls_breaks_anything() {
    let steps = if cfg!(debug_assertions) { 20_000 } else { 200_000 };
    for seed in 0..8 {
        let stress = ["every:1,move", "every:3", "safepoint,move", "every:2,move"][seed as usize % 4];
        let config = Config {
            gc_stress: stress.parse().unwrap(),
            os_threads: seed % 3 == 2,
            checked: seed % 2 == 0,
            heap_bytes: 4 << 20,
            stacks_max: 64,
            verify_heap: true,
            ..Config::default()
        };
        play(seed, steps, config);
    }
}
