//! The driver: runs a thread until it ends, and hands traps to the client
//! (uvm-client-interface, "Trap Handling"; threads-stacks, "Binding of Stack and Thread").

use crate::trace::Backtrace;
use crate::values::Value;
use crate::{Mu, StackRef};
use mu_interp::Tracer;
use mu_interp::frames::FramePlace;
use mu_ir::ids::{FuncId, TypeId};
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
    /// Continue on a stack, throwing an exception (a ref) to it.
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
        self.mu.interp.place(&self.cursor()?)
    }

    /// A cursor on the top frame.
    pub fn cursor(&self) -> Option<FrameCursor> {
        FrameCursor::new(&self.mu.rt.stacks, self.stack())
    }

    /// The keep-alive variables of the current instruction of the frame at a cursor.
    pub fn dump_keepalives(&self, cursor: &FrameCursor) -> Vec<Value> {
        let values = self.mu.interp.keepalives(&self.mu.rt, cursor);
        values.into_iter().map(|(ty, words)| self.mu.hold(ty, words)).collect()
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

    /// Sets the thread-local reference.
    pub fn set_threadlocal(&mut self, value: &Value) {
        if let Some(thread) = self.mu.rt.parked.get_mut(self.parked) {
            thread.threadlocal = value.as_u64();
        }
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
            match event {
                Event::Trap(cause) => {
                    let action = self.ask(handler, &mut thread, cause);
                    self.hold_abandoned(thread.stack, &action);
                    match action {
                        TrapAction::Exit => break Outcome::Exit,
                        TrapAction::PassValues(stack, values) => {
                            pending = self.resume(&mut thread, stack, Resume::Values(values));
                        }
                        TrapAction::ThrowExc(stack, exception) => {
                            pending = self.resume(&mut thread, stack, Resume::Exception(exception));
                        }
                        TrapAction::Unhandled => break Outcome::Trap(cause, self.backtrace(thread.stack)),
                    }
                }
                Event::Returned { types, words } => break Outcome::Return(self.split_words(&types, &words)),
                Event::Threw(word) => {
                    let backtrace = self.backtrace(thread.stack);
                    self.rt.stacks.kill(thread.stack);
                    let exception = self.hold(self.rt.program.predefined.ref_void, vec![word]);
                    break Outcome::Exception(exception, backtrace);
                }
                Event::ThreadExit => break Outcome::Exit,
                Event::Undefined(ub) => break Outcome::Undefined(ub, self.stop(&thread)),
                Event::Unsupported(what) => break Outcome::Unsupported(what, self.stop(&thread)),
                Event::OutOfFuel => break Outcome::OutOfFuel(self.stop(&thread)),
            }
        };
        self.executed += thread.executed;
        outcome
    }

    /// Lets the client handle a trap. Meanwhile the thread is parked, where collections find its roots.
    fn ask(&mut self, handler: &mut dyn TrapHandler, thread: &mut Thread, cause: TrapCause) -> TrapAction {
        let parked = self.rt.parked.len();
        let place_holder = Thread::new(StackRef::NULL, 0, 0);
        self.rt.parked.push(std::mem::replace(thread, place_holder));
        let action = handler.handle_trap(&mut TrapContext { mu: self, parked, cause });
        self.rt.parked.truncate(parked + 1);
        if let Some(back) = self.rt.parked.pop() {
            *thread = back;
        }
        action
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

    /// Binds a thread to a stack; an event if that already ends it.
    fn resume(&mut self, thread: &mut Thread, stack: StackRef, how: Resume) -> Option<Event> {
        let resumption = match how {
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
