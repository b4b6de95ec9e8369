//! Threads that the client makes (uvm-client-interface, "Stack and thread operations").
//!
//! **What.** A thread of [`Mu::new_thread_nor`] exists at once and is bound to its stack. It runs when the client lets
//! threads run: in [`Mu::run`], which is there for that, or as a further thread of the next [`Mu::call`] or
//! [`Mu::run_thread`]. One that a trap handler makes joins the run that the handler interrupts, or one that it begins itself.
//!
//! **The end.** [`Mu::run`] is a run without a main thread: it goes on until all its threads have ended, those that programs
//! started too. An uncaught exception or an unhandled trap of a thread that the client made is just how that thread ended.
//! In other runs the client's threads are like any other: they end with the main thread, wherever they stand.
//!
//! ```
//! use mu_vm::{Mu, Options, Outcome};
//! use mu_vm::driver::NoTraps;
//!
//! let mut mu = Mu::new(Options::default()).unwrap();
//! mu.load_bundle("b", "
//!     .typedef @i64 = int<64>
//!     .funcsig @sig = (@i64) -> (@i64)
//!     .funcdef @double VERSION %v <@sig> {
//!         %entry(<@i64> %x):
//!             %y = ADD <@i64> %x %x
//!             RET %y
//!     }").unwrap();
//! let double = mu.func("@double").unwrap();
//! for x in [1u64, 2, 3] {
//!     let stack = mu.new_stack(double).unwrap();
//!     let x = mu.handle_from_uint(x, 64).unwrap();
//!     mu.new_thread_nor(stack, None, vec![x]).unwrap();
//! }
//! let ended = mu.run(&mut NoTraps);
//! assert!(ended.cut_short.is_none());
//! let sums = ended.threads.iter().map(|(_, outcome)| match outcome {
//!     Outcome::Return(values) => values[0].as_u64(),
//!     other => panic!("{other:?}"),
//! });
//! assert_eq!(sums.collect::<Vec<_>>(), [2, 4, 6]);
//! ```

use crate::driver::{Outcome, Resume, TrapHandler};
use crate::schedule::Run;
use crate::values::{ClientError, Value};
use crate::{Mu, StackRef, ThreadRef};
use mu_ir::types::Type;
use mu_ir::ub::Ub;
use mu_rt::thread::Event;

/// How the client's threads ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The threads that the client made, and have ended by themselves since it was asked last, in the order in which it made
    /// them.
    pub threads: Vec<(ThreadRef, Outcome)>,
    /// What ended the run before all had ended: undefined behaviour, no fuel, a deadlock; an exception or a trap of a thread
    /// that a program started. The threads that are not in the list ended where they stood.
    pub cut_short: Option<Outcome>,
}

impl Mu {
    /// `new_thread_nor`: a new thread on a READY stack, to which values are passed; `threadlocal` is its thread-local
    /// reference, `None` for NULL.
    ///
    /// # Errors
    /// [`ClientError::WrongType`] if the thread-local reference is no `ref`; [`Ub::BadBinding`] if the stack is not READY
    /// for these values, [`Ub::OpenCursor`], [`Ub::BadHandle`] for values of another instance; [`Ub::CreationFailed`] if
    /// there are as many threads as there may be.
    pub fn new_thread_nor(
        &mut self,
        stack: StackRef,
        threadlocal: Option<&Value>,
        values: Vec<Value>,
    ) -> Result<ThreadRef, ClientError> {
        self.new_thread(stack, threadlocal, Resume::Values(values))
    }

    /// `new_thread_exc`: a new thread on a READY stack, to which an exception is thrown. If nobody on the stack catches it,
    /// the thread has ended; [`Mu::run`] says so.
    ///
    /// # Errors
    /// As [`Mu::new_thread_nor`]; [`Ub::BadBinding`] also if the exception is no `ref`.
    pub fn new_thread_exc(
        &mut self,
        stack: StackRef,
        threadlocal: Option<&Value>,
        exception: &Value,
    ) -> Result<ThreadRef, ClientError> {
        self.new_thread(stack, threadlocal, Resume::Exception(exception.clone()))
    }

    fn new_thread(
        &mut self,
        stack: StackRef,
        threadlocal: Option<&Value>,
        how: Resume,
    ) -> Result<ThreadRef, ClientError> {
        let local = match threadlocal {
            None => 0,
            Some(value) => match self.type_of(value)? {
                Type::Ref(_) => value.as_u64(),
                _ => return Err(ClientError::WrongType),
            },
        };
        let machine = &mut *self.machine;
        if machine.made.len() >= machine.rt.config.threads_max {
            return Err(ClientError::Undefined(Ub::CreationFailed));
        }
        let cell = machine.rt.threads.add(stack, local);
        let id = cell.id();
        let Some(mut thread) = cell.take() else { return Err(ClientError::Undefined(Ub::CreationFailed)) };
        let Some(event) = machine.resume(&mut thread, stack, how) else {
            cell.rest(thread);
            machine.made.push(id);
            return Ok(id);
        };
        let undefined = match event {
            Event::Undefined(ub) => Some(ub),
            _ => None,
        };
        let outcome = machine.ended(&thread, event);
        machine.rt.threads.end(id);
        match undefined {
            Some(ub) => Err(ClientError::Undefined(ub)),
            None => {
                machine.ended.push((id, outcome));
                Ok(id)
            }
        }
    }

    /// Lets all threads run that the client has made, and those they start, until all have ended. With
    /// [`mu_rt::runtime::Config::os_threads`] each runs on an OS thread of its own; traps are handled on this one.
    pub fn run(&mut self, handler: &mut dyn TrapHandler) -> Ended {
        let cut_short = if self.machine.rt.config.os_threads {
            self.run_all_on_os_threads(handler)
        } else {
            let mut run = Run::new(ThreadRef::NULL, self.machine.fuel);
            match self.drive(&mut run, None, handler, &mut None) {
                Outcome::Exit => None,
                outcome => Some(outcome),
            }
        };
        Ended { threads: self.take_ended_threads(), cut_short }
    }

    /// How threads ended that the client made, since it was asked last, in the order in which it made them: for those that
    /// took part in [`Mu::call`] and [`Mu::run_thread`].
    pub fn take_ended_threads(&mut self) -> Vec<(ThreadRef, Outcome)> {
        let mut threads = std::mem::take(&mut self.machine.ended);
        threads.sort_by_key(|&(thread, _)| thread);
        threads
    }
}
