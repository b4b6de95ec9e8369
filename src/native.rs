//! Native code and the client: exposing functions, and calls by threads that are not Mu's
//! (native-interface, "Mu Functions Calling from Native Functions"; uvm-client-interface, "Object pinning" and around).
//!
//! A *foreign* thread is an OS thread that the instance has not started, or that is between two native calls: a thread that
//! a C library made, the client's own thread outside of a run. When it calls an exposed function, that is a run of its own: a
//! new Mu thread on a new stack, on the OS thread that called. In a deterministic run other threads stand still meanwhile.
//!
//! C gets zeros if such a run does not return (exception, undefined behaviour, the end of the instance). Why is kept for
//! [`Mu::take_foreign_failures`].

use crate::driver::{NoTraps, Outcome};
use crate::trace::Backtrace;
use crate::{Machine, Mu};
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
            let outcome = match machine.interp.new_stack(&mut machine.rt, func) {
                Ok(stack) => mu.run_thread_of(stack, args, callback.cookie, &mut NoTraps, None),
                Err(_) => Outcome::Undefined(Ub::CreationFailed, Backtrace::default()),
            };
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
