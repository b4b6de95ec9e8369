//! Native code and the client: exposing functions, and calls by threads that are not Mu's
//! (native-interface, "Native Functions Calling Mu Functions"; uvm-client-interface, "Object pinning" and around).
//!
//! A *foreign* thread is an OS thread that the instance has not started, or that is between two native calls: a thread that
//! a C library made, the client's own thread outside of a run. When it calls an exposed function, that is a run of its own: a
//! new Mu thread on a new stack, on the OS thread that called.
//!
//! ```text
//! when it calls …                     it gets in
//! while nothing runs                  when the client runs something or says so ([`Mu::while_idle`]), or drops the instance
//! during a run on OS threads          at once, and runs beside the others
//! during a deterministic run          when a Mu thread of it is in native code; all others stand still until it has ended
//! ```
//!
//! C gets zeros if such a run does not return (exception, undefined behaviour, a trap). Why is kept for
//! [`Mu::take_foreign_failures`].
//!
//! **The end of the instance.** A call that has begun ends as usual, also if the `Mu` is dropped meanwhile: it keeps the
//! instance, and unmaps it at its end if it is the last. Calling an exposed function after that is a jump to memory that is
//! not mapped any more: the client stops native code that may do so before it drops its `Mu`.

use crate::driver::{LeftStack, Outcome};
use crate::trace::Backtrace;
use crate::{Machine, Mu, StackRef};
use mu_ir::ids::FuncId;
use mu_ir::ub::Ub;
use mu_rt::exposing::ExposeFailure;
use mu_rt::native::{Callback, ForeignCall};
use mu_rt::world::WeakWorld;
use std::any::Any;

/// Runs what foreign threads call. It does not keep the instance alive.
pub(crate) struct Foreign(pub WeakWorld<Machine>);

/// How many failures of foreign calls are kept.
const FAILURES_MAX: usize = 100;

impl Foreign {
    fn with(&self, work: impl FnOnce(&mut Mu)) {
        if let Some(world) = self.0.upgrade() {
            work(&mut Mu { machine: world.stop() });
        }
    }
}

impl Mu {
    fn note_foreign_failure(&mut self, outcome: Outcome) {
        let failures = &mut self.machine.foreign_failures;
        if failures.len() < FAILURES_MAX {
            failures.push(outcome);
        }
    }

    /// How calls by foreign threads ended that did not return, oldest first, at most the first 100 since this was asked last.
    pub fn take_foreign_failures(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.machine.foreign_failures)
    }

    /// Lets foreign threads in while `work` is done: to call C from Rust which calls exposed functions, or to wait for a
    /// thread that does. Otherwise they get in only while a run is going on, and a call on the client's own OS thread never.
    pub fn while_idle<R>(&mut self, work: impl FnOnce() -> R) -> R {
        self.machine.while_running(work)
    }

    /// Exposes a function to native code (`expose`): the address of machine code that calls it. `cookie` is what
    /// `@uvm.native.get_cookie` gives in the function.
    ///
    /// # Errors
    /// If there is no such function, or the calling convention cannot pass its values.
    pub fn expose(&mut self, func: FuncId, cookie: u64) -> Result<u64, ExposeError> {
        if !self.has_func(func) {
            return Err(ExposeError::NoFunction);
        }
        self.machine.rt.expose(func, cookie).map_err(ExposeError::Failure)
    }

    /// Removes an exposed value (`unexpose`). False if there is none at this address. Native code must not call it any
    /// more.
    pub fn unexpose(&mut self, address: u64) -> bool {
        self.machine.rt.native.unexpose(address)
    }
}

/// Why a function could not be exposed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExposeError {
    /// There is no function with this id.
    #[error("there is no such function")]
    NoFunction,
    /// What the runtime says.
    #[error("{0}")]
    Failure(ExposeFailure),
}

impl ForeignCall for Foreign {
    fn call(&self, callback: &Callback, results: &mut [u64]) {
        self.with(|mu| {
            let func = FuncId::new(callback.function as usize);
            let types = mu.params(func).to_vec();
            let args = mu.split_words(&types, &callback.args);
            let machine = &mut *mu.machine;
            let mut left = LeftStack(StackRef::NULL);
            let outcome = match machine.interp.new_stack(&mut machine.rt, func) {
                Ok(stack) => {
                    if let Some(entry) = machine.rt.stacks.get(stack) {
                        entry.set_cookie(callback.cookie);
                    }
                    mu.run_thread(stack, args, &mut left, None)
                }
                Err(_) => Outcome::Undefined(Ub::CreationFailed, Backtrace::default()),
            };
            // A stack that is left at a trap: nobody knows it, so nobody could let it go.
            mu.release_stack(left.0);
            match outcome {
                Outcome::Return(values) => {
                    let words = values.iter().flat_map(|value| value.words().into_owned());
                    results.iter_mut().zip(words).for_each(|(result, word)| *result = word);
                }
                outcome => mu.note_foreign_failure(outcome),
            }
        });
    }

    fn unexposed(&self, _address: u64) {
        self.with(|mu| {
            mu.note_foreign_failure(Outcome::Undefined(Ub::BadNativeCallee, Backtrace::default()));
        });
    }

    fn panicked(&self, payload: Box<dyn Any + Send>) {
        let message = payload.downcast_ref::<String>().cloned();
        let message = message.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let message = format!("panic (bug): {}", message.unwrap_or_default());
        self.with(|mu| mu.note_foreign_failure(Outcome::Unsupported(message, Backtrace::default())));
    }
}
