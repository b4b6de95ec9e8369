//! The driver: runs a thread, and those it starts, until it ends, and hands traps to the client
//! (uvm-client-interface, "Trap Handling"; threads-stacks, "Binding of Stack and Thread").

use crate::schedule::Run;
use crate::trace::Backtrace;
use crate::values::Value;
use crate::{Machine, Mu, StackRef};
use mu_interp::frames::{FramePlace, NewStackFailure};
use mu_interp::threads::wait_result;
use mu_interp::{Alone, Begun, NativeStep, Stop, Tracer};
use mu_ir::ids::{FuncId, TypeId};
use mu_ir::types::Type;
use mu_ir::ub::Ub;
use mu_rt::stack::{FrameCursor, Stack, StackState};
use mu_rt::thread::{Event, Resumption, Thread, ThreadRef, TrapCause};
use std::sync::atomic::Ordering;

/// How a run ended: how its main thread did, or what in another thread ended all of them. A Rust panic is never an
/// outcome.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The stack-bottom frame returned these values.
    Return(Vec<Value>),
    /// An exception left the stack-bottom frame.
    Exception(Value, Backtrace),
    /// `@uvm.thread_exit`, or the trap handler ended the thread.
    Exit,
    /// A trap, and there was nobody to handle it.
    Trap(TrapCause, Backtrace),
    /// Undefined behaviour.
    Undefined(Ub, Backtrace),
    /// An instruction this implementation does not execute yet.
    Unsupported(String, Backtrace),
    /// The threads used up their fuel; the trace is that of the one that wanted to go on.
    OutOfFuel(Backtrace),
    /// Every thread waits at a futex, and nobody is left to wake one.
    Deadlock {
        /// How many threads wait.
        waiting: usize,
        /// Where they wait: the main thread first, then the others as they were made, at most the first 16.
        threads: Vec<(ThreadRef, Backtrace)>,
    },
}

/// Of how many threads a deadlock shows the traces.
pub(crate) const DEADLOCK_THREADS_MAX: usize = 16;

impl Outcome {
    /// Whether a thread that is not the main thread ends the run with this outcome. (Returning and exiting end just the
    /// thread.)
    pub(crate) fn ends_any_run(&self) -> bool {
        match self {
            Outcome::Return(_) | Outcome::Exit => false,
            Outcome::Exception(..)
            | Outcome::Trap(..)
            | Outcome::Undefined(..)
            | Outcome::Unsupported(..)
            | Outcome::OutOfFuel(_)
            | Outcome::Deadlock { .. } => true,
        }
    }

    /// Whether a thread that is not the main thread ends the run: exceptions and traps of threads that the client made are
    /// their own affair in a run without a main thread.
    pub(crate) fn ends_run(&self, has_main: bool, is_clients: bool) -> bool {
        let is_own_affair = matches!(self, Outcome::Exception(..) | Outcome::Trap(..));
        self.ends_any_run() && (has_main || !is_clients || !is_own_affair)
    }
}

/// What becomes of a thread after an event, unless it has ended.
enum Fate {
    /// It can go on, with another event if one came of the first.
    GoesOn(Option<Event>),
    /// It waits at a futex.
    Waits,
}

/// What a trap handler decides.
#[derive(Clone, Debug)]
pub enum TrapAction {
    /// End the thread. Its stack stays READY, and alive until the client lets it go ([`Mu::release_stack`]) or kills it:
    /// it may resume it later.
    Exit,
    /// Continue on a stack, passing values.
    PassValues(StackRef, Vec<Value>),
    /// Continue on a stack, throwing an exception to it: a value of a `ref` type, else this is [`Ub::BadBinding`].
    ThrowExc(StackRef, Value),
    /// Nobody handles it: the thread ends with [`Outcome::Trap`]; its stack as with [`TrapAction::Exit`].
    Unhandled,
}

/// The client's side of traps.
pub trait TrapHandler {
    /// A thread met a trap: its stack is READY. Decide how the thread goes on.
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction;
}

/// Leaves every trap unhandled.
pub struct NoTraps;

impl TrapHandler for NoTraps {
    fn handle_trap(&mut self, _trap: &mut TrapContext<'_>) -> TrapAction {
        TrapAction::Unhandled
    }
}

/// Leaves every trap unhandled, and knows on which stack.
pub(crate) struct LeftStack(pub StackRef);

impl TrapHandler for LeftStack {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        self.0 = trap.stack();
        TrapAction::Unhandled
    }
}

/// What a trap handler sees.
pub struct TrapContext<'a> {
    /// The instance: bundles can be loaded, stacks made.
    pub mu: &'a mut Mu,
    /// The thread, which rests meanwhile.
    thread: ThreadRef,
    cause: TrapCause,
}

impl TrapContext<'_> {
    /// The thread that met the trap.
    pub fn thread_ref(&self) -> ThreadRef {
        self.thread
    }

    /// Looks at the thread, which rests.
    fn thread<R>(&self, look: impl FnOnce(&mut Thread) -> R) -> Option<R> {
        self.mu.machine.rt.threads.get(self.thread)?.with(look)
    }

    /// The stack the trap happened on.
    pub fn stack(&self) -> StackRef {
        self.thread(|thread| thread.stack).unwrap_or(StackRef::NULL)
    }

    /// Which kind of trap.
    pub fn cause(&self) -> TrapCause {
        self.cause
    }

    /// The global name of the trapping instruction, if it has one.
    pub fn inst_name(&self) -> Option<String> {
        let place = self.place()?;
        let (version, (block, inst)) = (place.version?, place.inst?);
        let program = self.mu.program();
        let id = program.func_vers[version.index()].blocks[block.index()].insts[inst.index()].name;
        program.name_of(id).map(str::to_owned)
    }

    /// The function of the top frame.
    pub fn func(&self) -> Option<FuncId> {
        Some(self.place()?.func)
    }

    fn place(&self) -> Option<FramePlace> {
        self.mu.machine.interp.place(&self.top()?)
    }

    fn top(&self) -> Option<FrameCursor> {
        FrameCursor::new(&self.mu.machine.rt.stacks, self.stack())
    }

    /// The keep-alive variables of the top frame. [`Mu::new_cursor`] shows the others.
    pub fn keepalives(&self) -> Vec<Value> {
        self.top().map(|top| self.mu.keepalives_at(&top)).unwrap_or_default()
    }

    /// The types the stack waits for.
    pub fn expected_types(&self) -> Vec<TypeId> {
        self.mu.machine.interp.expected_types(&self.mu.machine.rt, self.stack()).unwrap_or(&[]).to_vec()
    }

    /// The thread-local reference.
    pub fn threadlocal(&self) -> Value {
        let word = self.thread(|thread| thread.threadlocal).unwrap_or(0);
        self.mu.hold(self.mu.program().predefined.ref_void, vec![word])
    }

    /// Sets the thread-local reference. `false`, and nothing changes, if the value is not of a `ref` type of this
    /// instance.
    pub fn set_threadlocal(&mut self, value: &Value) -> bool {
        let fits = self.mu.machine.is_ref(value);
        if fits {
            self.thread(|thread| thread.threadlocal = value.as_u64());
        }
        fits
    }
}

impl Mu {
    /// Calls a function on a new stack and thread, without a trap handler. A stack that is left at a trap goes away.
    pub fn call(&mut self, func: FuncId, args: Vec<Value>) -> Outcome {
        let mut left = LeftStack(StackRef::NULL);
        let outcome = self.call_with(func, args, &mut left, None);
        // Nobody knows it, so nobody could let it go.
        self.release_stack(left.0);
        outcome
    }

    /// Calls a function on a new stack and thread. A function that does not exist is [`Ub::BadCallee`], an argument of
    /// another instance [`Ub::BadHandle`].
    pub fn call_with(
        &mut self,
        func: FuncId,
        args: Vec<Value>,
        handler: &mut dyn TrapHandler,
        tracer: Option<&mut dyn Tracer>,
    ) -> Outcome {
        if !self.has_func(func) {
            return Outcome::Undefined(Ub::BadCallee, Backtrace::default());
        }
        let machine = &mut *self.machine;
        match machine.interp.new_stack(&mut machine.rt, func) {
            Ok(stack) => self.run_thread(stack, args, handler, tracer),
            Err(failure) => {
                let reason = format!("a stack for {}: {failure:?}", self.func_name(func));
                Outcome::Unsupported(reason, Backtrace::default())
            }
        }
    }

    /// Runs a new thread on a READY stack, passing values, and all threads it starts, until it ends: each on an OS thread of
    /// its own with [`mu_rt::runtime::Config::os_threads`], all on this one otherwise, and always with a tracer.
    pub fn run_thread(
        &mut self,
        stack: StackRef,
        args: Vec<Value>,
        handler: &mut dyn TrapHandler,
        mut tracer: Option<&mut dyn Tracer>,
    ) -> Outcome {
        if self.machine.rt.config.os_threads && tracer.is_none() {
            return self.run_on_os_threads(stack, args, handler);
        }
        let cell = self.machine.rt.threads.add(stack, 0);
        let Some(mut thread) = cell.take() else { return Outcome::Exit };
        let mut run = Run::new(thread.id, self.machine.fuel);
        let event = self.machine.resume(&mut thread, stack, Resume::Values(args));
        self.drive(&mut run, Some((thread, event)), handler, &mut tracer)
    }

    /// Lets the threads of a run take turns, from one that has met an event, or from whichever is drawn; its outcome. A run
    /// without a main thread whose threads have all ended exits.
    pub(crate) fn drive(
        &mut self,
        run: &mut Run,
        first: Option<(Box<Thread>, Option<Event>)>,
        handler: &mut dyn TrapHandler,
        tracer: &mut Option<&mut dyn Tracer>,
    ) -> Outcome {
        self.adopt(run);
        let first = first.or_else(|| self.next_thread(run).map(|thread| (thread, None)));
        let Some((mut thread, mut pending)) = first else { return Outcome::Exit };
        let outcome = loop {
            let event = match pending.take() {
                Some(event) => event,
                None => self.turn(run, &mut thread, tracer),
            };
            match self.settle_with_threads(run, &mut thread, handler, event) {
                // What comes of an event at once is settled before anybody else has a turn: it may hold references.
                Ok(Fate::GoesOn(Some(event))) => {
                    pending = Some(event);
                    continue;
                }
                Ok(Fate::GoesOn(None)) => {
                    self.adopt(run);
                    self.expire(run, false);
                    if run.is_alone() {
                        continue;
                    }
                    run.ready(thread.id);
                    self.machine.rt.threads.rest(thread);
                }
                Ok(Fate::Waits) => self.machine.rt.threads.rest(thread),
                Err((who, outcome)) => {
                    self.machine.rt.threads.end(thread.id);
                    if run.is_ended_by(who, &outcome) {
                        break *outcome;
                    }
                    self.note_end(run, who, *outcome);
                }
            }
            self.adopt(run);
            thread = match self.next_thread(run) {
                Some(next) => next,
                None if run.others() == 0 => break Outcome::Exit,
                None => break self.deadlock(run),
            };
        };
        run.end(&mut self.machine.rt);
        let machine = &mut *self.machine;
        machine.woken.retain(|&thread| machine.rt.threads.get(thread).is_some());
        outcome
    }

    /// Threads that the client has made meanwhile belong to the run.
    fn adopt(&mut self, run: &mut Run) {
        self.machine.made.drain(..).for_each(|thread| run.adopt(thread));
    }

    /// A thread has ended, but not the run.
    fn note_end(&mut self, run: &Run, thread: ThreadRef, outcome: Outcome) {
        if run.is_clients(thread) {
            self.machine.ended.push((thread, outcome));
        }
    }

    /// Lets a thread execute its turn.
    fn turn(
        &mut self,
        run: &mut Run,
        thread: &mut Box<Thread>,
        tracer: &mut Option<&mut dyn Tracer>,
    ) -> Event {
        thread.fuel = run.turn(&mut self.machine.rt);
        let before = thread.executed;
        let mut stop = None;
        let event = loop {
            let machine = &mut *self.machine;
            let next = match (stop.take(), &mut *tracer) {
                (Some(stop), _) => stop,
                (None, Some(tracer)) => machine.interp.run(&machine.rt, thread, Some(&mut **tracer)),
                (None, None) => machine.interp.run(&machine.rt, thread, None),
            };
            match next {
                Stop::Event(event) => break event,
                Stop::Alone(what) => {
                    if let (Alone::Decode(_), Some(tracer)) = (what, &mut *tracer) {
                        tracer.instruction_again();
                    }
                    if let Some(event) = machine.interp.alone(&mut machine.rt, thread, what) {
                        break event;
                    }
                }
                Stop::Native(step) => stop = self.native(run, thread, step),
            }
        };
        run.spend(thread.executed - before);
        self.machine.executed.fetch_add(thread.executed - before, Ordering::Relaxed);
        event
    }

    /// Lets native code run. As long as no function has ever been exposed nobody else can call into this instance
    /// meanwhile, so the world stays stopped.
    fn native(&mut self, run: &mut Run, thread: &mut Box<Thread>, step: NativeStep) -> Option<Stop> {
        let machine = &*self.machine;
        match machine.interp.begin_native(&machine.rt, thread, step, &mut run.station) {
            Begun::Ready => {}
            Begun::Stop(event) => return Some(Stop::Event(event)),
            Begun::GoesOn => return None,
        }
        let outcome = match machine.rt.native.has_exposed() {
            false => run.station.run(),
            true => self.resting(thread, |mu| mu.machine.while_running(|| run.station.run())),
        };
        let machine = &*self.machine;
        machine.interp.end_native(&machine.rt, thread, &mut run.station, outcome)
    }

    /// The thread whose turn is next; `None` if nobody can go on.
    fn next_thread(&mut self, run: &mut Run) -> Option<Box<Thread>> {
        self.expire(run, true);
        let next = run.choose(self.machine.rt.chooser.get_mut())?;
        self.machine.rt.threads.take(next)
    }

    /// Ends the waits whose time has come, and those that were ended by a run inside this one.
    fn expire(&mut self, run: &mut Run, may_jump: bool) {
        let mut woken = std::mem::take(&mut self.machine.woken);
        if self.machine.rt.config.os_threads {
            // A run inside this one that was not traced.
            let threads = &self.machine.rt.threads;
            let got_up = |&id: &ThreadRef| threads.get(id).is_some_and(|cell| cell.get_up().is_some());
            woken.extend(run.waiting().filter(got_up));
        }
        woken.retain(|&thread| !self.wake(run, thread, wait_result::WOKEN));
        self.machine.woken = woken;
        while let Some((thread, result)) = run.expired(may_jump) {
            self.machine.rt.futexes.get_mut().leave(thread);
            self.complete_resting(thread, result);
        }
    }

    /// Wakes a thread if it waits in this run.
    fn wake(&mut self, run: &mut Run, thread: ThreadRef, result: u64) -> bool {
        let waits = run.wake(thread);
        if waits {
            self.complete_resting(thread, result);
        }
        waits
    }

    fn complete_resting(&mut self, thread: ThreadRef, result: u64) {
        if let Some(stack) = self.machine.stack_of(thread) {
            self.machine.interp.complete(&self.machine.rt, stack, result);
        }
    }

    /// Does what an event that concerns other threads asks for; the others are left to [`Mu::settle`]. `Err`: which thread
    /// has ended; if it is one that was just started, the run has, too.
    fn settle_with_threads(
        &mut self,
        run: &mut Run,
        thread: &mut Box<Thread>,
        handler: &mut dyn TrapHandler,
        event: Event,
    ) -> Result<Fate, (ThreadRef, Box<Outcome>)> {
        match event {
            Event::OutOfFuel if run.has_fuel() => Ok(Fate::GoesOn(None)),
            Event::Wait { timeout } => {
                run.wait(thread.id, timeout, &mut self.machine.rt);
                Ok(Fate::Waits)
            }
            Event::Woke(threads) => {
                let count = threads.len() as u64;
                for woken in threads {
                    if self.wake(run, woken, wait_result::WOKEN) {
                        continue;
                    }
                    // A thread of a run around this one.
                    match self.machine.rt.config.os_threads {
                        true => self.machine.rt.threads.wake(woken, wait_result::WOKEN),
                        false => self.machine.woken.push(woken),
                    }
                }
                self.machine.interp.complete(&self.machine.rt, thread.stack, count);
                Ok(Fate::GoesOn(None))
            }
            Event::NewThread(new) => {
                if run.others() + 1 >= self.machine.rt.config.threads_max {
                    let failed = self.machine.interp.complete_failed(&self.machine.rt, thread.stack);
                    return Ok(Fate::GoesOn(failed.err().map(Event::Undefined)));
                }
                let cell = self.machine.rt.threads.add(new.stack, new.threadlocal);
                self.machine.interp.complete(&self.machine.rt, thread.stack, cell.id().0);
                let Some(mut started) = cell.take() else { return Ok(Fate::GoesOn(None)) };
                let bound =
                    self.machine.interp.bind(&self.machine.rt, &mut started, new.stack, &new.resumption);
                if let Some(event) = bound.unwrap_or_else(|ub| Some(Event::Undefined(ub))) {
                    // An exception that nobody on the new stack catches.
                    let settled = self.settle(&mut started, handler, event);
                    self.machine.rt.threads.end(started.id);
                    return settled.map(Fate::GoesOn).map_err(|outcome| (started.id, outcome));
                }
                run.ready(started.id);
                cell.rest(started);
                Ok(Fate::GoesOn(None))
            }
            event => {
                let settled = self.settle(thread, handler, event);
                settled.map(Fate::GoesOn).map_err(|outcome| (thread.id, outcome))
            }
        }
    }

    /// Nobody can go on: who waits where.
    fn deadlock(&self, run: &Run) -> Outcome {
        let traces = run.waiting().take(DEADLOCK_THREADS_MAX).map(|id| {
            let stack = self.machine.stack_of(id).unwrap_or(StackRef::NULL);
            (id, self.backtrace(stack))
        });
        Outcome::Deadlock { waiting: run.others(), threads: traces.collect() }
    }

    /// Lets the client handle a trap.
    fn ask(
        &mut self,
        handler: &mut dyn TrapHandler,
        thread: &mut Box<Thread>,
        cause: TrapCause,
    ) -> TrapAction {
        let id = thread.id;
        self.resting(thread, |mu| handler.handle_trap(&mut TrapContext { mu, thread: id, cause }))
    }

    /// Does something while a thread rests with the others, where collections find its roots.
    fn resting<R>(&mut self, thread: &mut Box<Thread>, work: impl FnOnce(&mut Mu) -> R) -> R {
        let id = thread.id;
        let nobody = Box::new(Thread::new(ThreadRef::NULL, StackRef::NULL, 0));
        self.machine.rt.threads.rest(std::mem::replace(thread, nobody));
        let result = work(self);
        if let Some(back) = self.machine.rt.threads.take(id) {
            *thread = back;
        }
        result
    }

    /// A stack whose thread leaves it at a trap may be resumed by the client later, who knows its reference.
    fn hold_abandoned(&mut self, stack: StackRef, action: &TrapAction) {
        let goes_on = match action {
            TrapAction::PassValues(next, _) | TrapAction::ThrowExc(next, _) => *next == stack,
            TrapAction::Exit | TrapAction::Unhandled => false,
        };
        if !goes_on && let Some(stack) = self.machine.rt.stacks.get(stack) {
            stack.set_held(true);
        }
    }

    /// Does what an event asks for. `Ok`: the thread goes on, with another event if that came of it; `Err`: it has
    /// ended.
    pub(crate) fn settle(
        &mut self,
        thread: &mut Box<Thread>,
        handler: &mut dyn TrapHandler,
        event: Event,
    ) -> Result<Option<Event>, Box<Outcome>> {
        let outcome = match event {
            Event::Trap(cause) => {
                let action = match self.machine.rt.trap_handler {
                    Some(mu_handler) => self.mu_trap_action(thread, mu_handler.func, cause)?,
                    None => {
                        let action = self.ask(handler, thread, cause);
                        self.hold_abandoned(thread.stack, &action);
                        action
                    }
                };
                match action {
                    TrapAction::PassValues(stack, values) => {
                        return Ok(self.machine.resume(thread, stack, Resume::Values(values)));
                    }
                    TrapAction::ThrowExc(stack, exception) => {
                        return Ok(self.machine.resume(thread, stack, Resume::Exception(exception)));
                    }
                    TrapAction::Exit => Outcome::Exit,
                    TrapAction::Unhandled => Outcome::Trap(cause, self.backtrace(thread.stack)),
                }
            }
            Event::Load { hail, text } => {
                if self.resting(thread, |mu| mu.load_from_program(hail, &text)) {
                    self.machine.interp.complete_instruction(&self.machine.rt, thread);
                    return Ok(None);
                }
                Outcome::Undefined(Ub::BadBundle, self.machine.stop(thread))
            }
            Event::Returned { .. }
            | Event::Threw(_)
            | Event::ThreadExit
            | Event::Undefined(_)
            | Event::Unsupported(_)
            | Event::OutOfFuel => self.machine.ended(thread, event),
            Event::NewThread(_) | Event::Wait { .. } | Event::Woke(_) => return Ok(None),
        };
        Err(Box::new(outcome))
    }

    /// A trap while a Mu function is the trap handler: the thread goes on at its beginning, on a new stack, with the
    /// stack that trapped, the watchpoint id and the user data (common-insts, "Trap handling").
    fn mu_trap_action(
        &mut self,
        thread: &mut Box<Thread>,
        handler: FuncId,
        cause: TrapCause,
    ) -> Result<TrapAction, Box<Outcome>> {
        let trapped = thread.stack;
        let made = self.resting(thread, |mu| mu.new_stack(handler));
        let stack = match made {
            Ok(stack) => stack,
            Err(NewStackFailure::Event(Event::Unsupported(what))) => {
                return Err(Box::new(Outcome::Unsupported(what, self.backtrace(trapped))));
            }
            Err(_) => {
                return Err(Box::new(Outcome::Undefined(Ub::CreationFailed, self.backtrace(trapped))));
            }
        };
        let wpid = match cause {
            TrapCause::Watchpoint(wpid) => wpid,
            TrapCause::Trap | TrapCause::Undefined(_) => 0,
        };
        let types = self.params(handler).to_vec();
        // Read again: the object may have moved while the stack was made.
        let userdata = self.machine.rt.trap_handler.map_or(0, |handler| handler.userdata);
        let words = [trapped.0, wpid.into(), userdata];
        let values = types.into_iter().zip(words).map(|(ty, word)| self.hold(ty, vec![word])).collect();
        Ok(TrapAction::PassValues(stack, values))
    }

    pub(crate) fn split_words(&self, types: &[TypeId], words: &[u64]) -> Vec<Value> {
        self.machine.split_words(types, words)
    }
}

/// What a driver does while other threads may run, because it needs to share the machine only.
impl Machine {
    /// The outcome of a thread that has ended with an event.
    pub(crate) fn ended(&self, thread: &Thread, event: Event) -> Outcome {
        match event {
            Event::Returned { types, words } => Outcome::Return(self.split_words(&types, &words)),
            Event::Threw(word) => {
                let backtrace = self.backtrace(thread.stack);
                self.rt.stacks.kill(thread.stack);
                let exception = self.hold(self.rt.program.predefined.ref_void, vec![word]);
                Outcome::Exception(exception, backtrace)
            }
            Event::ThreadExit => Outcome::Exit,
            Event::Trap(cause) => Outcome::Trap(cause, self.backtrace(thread.stack)),
            Event::Undefined(ub) => Outcome::Undefined(ub, self.stop(thread)),
            Event::Unsupported(what) => Outcome::Unsupported(what, self.stop(thread)),
            Event::OutOfFuel => Outcome::OutOfFuel(self.stop(thread)),
            // They do not end a thread.
            Event::Load { .. } | Event::NewThread(_) | Event::Wait { .. } | Event::Woke(_) => Outcome::Exit,
        }
    }

    /// Whether a value is of a `ref` type.
    fn is_ref(&self, value: &Value) -> bool {
        self.owns(value) && matches!(self.rt.program.types.get(value.ty()), Type::Ref(_))
    }

    /// Binds a thread to a stack; an event if that already ends it.
    pub(crate) fn resume(&self, thread: &mut Thread, stack: StackRef, how: Resume) -> Option<Event> {
        if !how.values().iter().all(|value| self.owns(value)) {
            return Some(Event::Undefined(Ub::BadHandle));
        }
        let resumption = match how {
            Resume::Exception(value) if !self.is_ref(&value) => {
                return Some(Event::Undefined(Ub::BadBinding));
            }
            Resume::Exception(value) => Resumption::Exception(value.as_u64()),
            Resume::Values(values) => {
                let types = values.iter().map(|value| self.rt.program.types.canon(value.ty())).collect();
                let words = values.iter().flat_map(|value| value.words().into_owned()).collect();
                Resumption::Values { types, words }
            }
        };
        match self.interp.bind(&self.rt, thread, stack, &resumption) {
            Ok(event) => event,
            Err(ub) => Some(Event::Undefined(ub)),
        }
    }

    /// After an event that leaves the stack in the middle of an instruction: the trace, and the end of the stack, if it is
    /// the thread's.
    fn stop(&self, thread: &Thread) -> Backtrace {
        let backtrace = self.backtrace(thread.stack);
        let is_active = |stack: &Stack| stack.state() == StackState::Active;
        if thread.is_bound && self.rt.stacks.get(thread.stack).is_some_and(is_active) {
            self.rt.stacks.kill(thread.stack);
        }
        backtrace
    }

    /// The stack a resting thread is bound to.
    pub(crate) fn stack_of(&self, thread: ThreadRef) -> Option<StackRef> {
        self.rt.threads.get(thread)?.with(|thread| thread.stack)
    }

    pub(crate) fn split_words(&self, types: &[TypeId], words: &[u64]) -> Vec<Value> {
        let mut rest = words;
        types
            .iter()
            .map(|&ty| {
                let count = self.rt.layouts.words(&self.rt.program.types, ty).unwrap_or(0) as usize;
                let (value, tail) = rest.split_at(count.min(rest.len()));
                rest = tail;
                self.hold(ty, value.to_vec())
            })
            .collect()
    }
}

/// How a stack is resumed.
pub(crate) enum Resume {
    Values(Vec<Value>),
    Exception(Value),
}

impl Resume {
    fn values(&self) -> &[Value] {
        match self {
            Resume::Values(values) => values,
            Resume::Exception(exception) => std::slice::from_ref(exception),
        }
    }
}
