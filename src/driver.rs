//! The driver: runs a thread until it ends, and hands traps to the client
//! (uvm-client-interface, "Trap Handling"; threads-stacks, "Binding of Stack and Thread").

use crate::trace::Backtrace;
use crate::values::Value;
use crate::{Mu, StackRef};
use mu_interp::Tracer;
use mu_interp::frames::{FramePlace, NewStackFailure};
use mu_ir::ids::{FuncId, TypeId};
use mu_ir::types::Type;
use mu_ir::ub::Ub;
use mu_rt::stack::{FrameCursor, StackState};
use mu_rt::thread::{Event, Resumption, Thread, TrapCause};

/// How a thread ended. A Rust panic is never an outcome.
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
    /// The thread used up its fuel.
    OutOfFuel(Backtrace),
}

/// What a trap handler decides.
#[derive(Clone, Debug)]
pub enum TrapAction {
    /// End the thread. Its stack stays READY.
    Exit,
    /// Continue on a stack, passing values.
    PassValues(StackRef, Vec<Value>),
    /// Continue on a stack, throwing an exception to it: a value of a `ref` type, else this is [`Ub::BadBinding`].
    ThrowExc(StackRef, Value),
    /// Nobody handles it: the thread ends with [`Outcome::Trap`].
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

/// What a trap handler sees.
pub struct TrapContext<'a> {
    /// The instance: bundles can be loaded, stacks made.
    pub mu: &'a mut Mu,
    /// The place of the thread among those that are parked.
    parked: usize,
    cause: TrapCause,
}

impl TrapContext<'_> {
    /// The stack the trap happened on.
    pub fn stack(&self) -> StackRef {
        self.thread().map_or(StackRef::NULL, |thread| thread.stack)
    }

    fn thread(&self) -> Option<&Thread> {
        self.mu.rt.parked.get(self.parked)
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
        self.mu.interp.place(&self.top()?)
    }

    fn top(&self) -> Option<FrameCursor> {
        FrameCursor::new(&self.mu.rt.stacks, self.stack())
    }

    /// The keep-alive variables of the top frame. [`Mu::new_cursor`] shows the others.
    pub fn keepalives(&self) -> Vec<Value> {
        self.top().map(|top| self.mu.keepalives_at(&top)).unwrap_or_default()
    }

    /// The types the stack waits for.
    pub fn expected_types(&self) -> Vec<TypeId> {
        self.mu.interp.expected_types(&self.mu.rt, self.stack()).unwrap_or(&[]).to_vec()
    }

    /// The thread-local reference.
    pub fn threadlocal(&self) -> Value {
        let word = self.thread().map_or(0, |thread| thread.threadlocal);
        self.mu.hold(self.mu.program().predefined.ref_void, vec![word])
    }

    /// Sets the thread-local reference. `false`, and nothing changes, if the value is not of a `ref` type.
    pub fn set_threadlocal(&mut self, value: &Value) -> bool {
        let fits = self.mu.is_ref(value);
        if fits && let Some(thread) = self.mu.rt.parked.get_mut(self.parked) {
            thread.threadlocal = value.as_u64();
        }
        fits
    }
}

impl Mu {
    /// Calls a function on a new stack and thread, without a trap handler.
    pub fn call(&mut self, func: FuncId, args: Vec<Value>) -> Outcome {
        self.call_with(func, args, &mut NoTraps, None)
    }

    /// Calls a function on a new stack and thread.
    pub fn call_with(
        &mut self,
        func: FuncId,
        args: Vec<Value>,
        handler: &mut dyn TrapHandler,
        tracer: Option<&mut dyn Tracer>,
    ) -> Outcome {
        match self.interp.new_stack(&mut self.rt, func) {
            Ok(stack) => self.run_thread(stack, args, handler, tracer),
            Err(failure) => {
                let reason = format!("a stack for {}: {failure:?}", self.func_name(func));
                Outcome::Unsupported(reason, Backtrace::default())
            }
        }
    }

    /// Runs a new thread on a READY stack, passing values, until it ends.
    pub fn run_thread(
        &mut self,
        stack: StackRef,
        args: Vec<Value>,
        handler: &mut dyn TrapHandler,
        mut tracer: Option<&mut dyn Tracer>,
    ) -> Outcome {
        let mut thread = Thread::new(stack, 0, self.fuel);
        let mut pending = self.resume(&mut thread, stack, Resume::Values(args));
        let outcome = loop {
            let event = match pending.take() {
                Some(event) => event,
                None => match &mut tracer {
                    Some(tracer) => self.interp.run(&mut self.rt, &mut thread, Some(&mut **tracer)),
                    None => self.interp.run(&mut self.rt, &mut thread, None),
                },
            };
            match self.settle(&mut thread, handler, event) {
                Ok(next) => pending = next,
                Err(outcome) => break *outcome,
            }
        };
        self.executed += thread.executed;
        outcome
    }

    /// Lets the client handle a trap.
    fn ask(&mut self, handler: &mut dyn TrapHandler, thread: &mut Thread, cause: TrapCause) -> TrapAction {
        let parked = self.rt.parked.len();
        self.parked(thread, |mu| handler.handle_trap(&mut TrapContext { mu, parked, cause }))
    }

    /// Does something while a thread is parked, where collections find its roots.
    fn parked<R>(&mut self, thread: &mut Thread, work: impl FnOnce(&mut Mu) -> R) -> R {
        let parked = self.rt.parked.len();
        let place_holder = Thread::new(StackRef::NULL, 0, 0);
        self.rt.parked.push(std::mem::replace(thread, place_holder));
        let result = work(self);
        self.rt.parked.truncate(parked + 1);
        if let Some(back) = self.rt.parked.pop() {
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
        if !goes_on && let Some(stack) = self.rt.stacks.get_mut(stack) {
            stack.held = true;
        }
    }

    /// Does what an event asks for. `Ok`: the thread goes on, with another event if that came of it; `Err`: it has
    /// ended.
    fn settle(
        &mut self,
        thread: &mut Thread,
        handler: &mut dyn TrapHandler,
        event: Event,
    ) -> Result<Option<Event>, Box<Outcome>> {
        let outcome = match event {
            Event::Trap(cause) => {
                let action = match self.rt.trap_handler {
                    Some(mu_handler) => self.mu_trap_action(thread, mu_handler.func, cause)?,
                    None => {
                        let action = self.ask(handler, thread, cause);
                        self.hold_abandoned(thread.stack, &action);
                        action
                    }
                };
                match action {
                    TrapAction::PassValues(stack, values) => {
                        return Ok(self.resume(thread, stack, Resume::Values(values)));
                    }
                    TrapAction::ThrowExc(stack, exception) => {
                        return Ok(self.resume(thread, stack, Resume::Exception(exception)));
                    }
                    TrapAction::Exit => Outcome::Exit,
                    TrapAction::Unhandled => Outcome::Trap(cause, self.backtrace(thread.stack)),
                }
            }
            Event::Load { hail, text } => {
                if self.parked(thread, |mu| mu.load_from_program(hail, &text)) {
                    self.interp.complete_instruction(&self.rt, thread);
                    return Ok(None);
                }
                Outcome::Undefined(Ub::BadBundle, self.stop(thread))
            }
            Event::Returned { types, words } => Outcome::Return(self.split_words(&types, &words)),
            Event::Threw(word) => {
                let backtrace = self.backtrace(thread.stack);
                self.rt.stacks.kill(thread.stack);
                let exception = self.hold(self.rt.program.predefined.ref_void, vec![word]);
                Outcome::Exception(exception, backtrace)
            }
            Event::ThreadExit => Outcome::Exit,
            Event::Undefined(ub) => Outcome::Undefined(ub, self.stop(thread)),
            Event::Unsupported(what) => Outcome::Unsupported(what, self.stop(thread)),
            Event::OutOfFuel => Outcome::OutOfFuel(self.stop(thread)),
        };
        Err(Box::new(outcome))
    }

    /// A trap while a Mu function is the trap handler: the thread goes on at its beginning, on a new stack, with the
    /// stack that trapped, the watchpoint id and the user data (common-insts, "Trap handling").
    fn mu_trap_action(
        &mut self,
        thread: &mut Thread,
        handler: FuncId,
        cause: TrapCause,
    ) -> Result<TrapAction, Box<Outcome>> {
        let trapped = thread.stack;
        let made = self.parked(thread, |mu| mu.new_stack(handler));
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
        let userdata = self.rt.trap_handler.map_or(0, |handler| handler.userdata);
        let words = [trapped.0, wpid.into(), userdata];
        let values = types.into_iter().zip(words).map(|(ty, word)| self.hold(ty, vec![word])).collect();
        Ok(TrapAction::PassValues(stack, values))
    }

    /// Whether a value is of a `ref` type.
    fn is_ref(&self, value: &Value) -> bool {
        matches!(self.rt.program.types.get(value.ty()), Type::Ref(_))
    }

    /// Binds a thread to a stack; an event if that already ends it.
    fn resume(&mut self, thread: &mut Thread, stack: StackRef, how: Resume) -> Option<Event> {
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
        match self.interp.bind(&mut self.rt, thread, stack, &resumption) {
            Ok(event) => event,
            Err(ub) => Some(Event::Undefined(ub)),
        }
    }

    /// After an event that leaves the stack in the middle of an instruction: the trace, and the end of the stack.
    fn stop(&mut self, thread: &Thread) -> Backtrace {
        let backtrace = self.backtrace(thread.stack);
        if self.rt.stacks.get(thread.stack).is_some_and(|stack| stack.state == StackState::Active) {
            self.rt.stacks.kill(thread.stack);
        }
        backtrace
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

enum Resume {
    Values(Vec<Value>),
    Exception(Value),
}
