//! Mu functions that native code can call: exposing them, statically (`.expose`) and by instruction
//! (native-interface, "Native Functions Calling Mu Functions"; common-insts, "Mu function exposing").
//!
//! An exposed value is the address of machine code made by [`crate::native`]. What C calls there arrives at the driver of
//! the thread as a [`crate::native::Callback`], or at the instance's hook if the thread is not one of Mu's.

use crate::native::{NativeSig, UnsupportedReason, classify};
use crate::runtime::Runtime;
use mu_ir::codes::load as code;
use mu_ir::diag::Diagnostic;
use mu_ir::draft::ConstCtor;
use mu_ir::ids::{FuncId, SigId};
use mu_ir::program::Expose;
use std::sync::Arc;

/// Why a function could not be exposed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExposeFailure {
    /// The calling convention cannot pass what the function takes or returns.
    #[error("{0}")]
    Signature(UnsupportedReason),
    /// The system gives no memory for code.
    #[error("there is no memory for the code that native code calls")]
    NoMemory,
}

impl Runtime {
    /// How the default calling convention passes the values of a signature; found out once for each.
    pub fn native_sig(&self, sig: SigId) -> Result<Arc<NativeSig>, UnsupportedReason> {
        let sig = self.program.types.canon_sig(sig);
        let mut known = self.native_sigs.lock();
        if let Some(native) = known.get(&sig) {
            return Ok(Arc::clone(native));
        }
        let native = Arc::new(classify(&self.program.types, &self.layouts, sig)?);
        known.insert(sig, Arc::clone(&native));
        Ok(native)
    }

    /// Exposes a function: native code that calls the address calls the function, whatever version it has then.
    ///
    /// # Errors
    /// [`ExposeFailure`]
    pub fn expose(&self, func: FuncId, cookie: u64) -> Result<u64, ExposeFailure> {
        let sig = self.program.types.canon_sig(self.program.funcs[func.index()].sig);
        let native = self.native_sig(sig).map_err(ExposeFailure::Signature)?;
        self.native.expose(func.0.into(), sig, &native, cookie).map_err(|_| ExposeFailure::NoMemory)
    }

    /// Exposes what `.expose` definitions since the last load ask for.
    ///
    /// # Errors
    /// One of them cannot be; none of them is then.
    pub(crate) fn make_exposes(&mut self) -> Result<(), Box<Diagnostic>> {
        let before = self.exposes.len();
        for expose in &self.program.exposes[before..] {
            // Looked at before anything is exposed: the ids of a bundle's signatures mean nothing if it is refused.
            if let Err(reason) = self.native_sig(self.program.funcs[expose.func.index()].sig) {
                return Err(self.not_exposed(expose, &ExposeFailure::Signature(reason)));
            }
        }
        for index in before..self.program.exposes.len() {
            let expose = &self.program.exposes[index];
            let cookie = match &self.program.consts[expose.cookie.index()].ctor {
                ctor @ ConstCtor::Int { .. } => ctor.int_bits().unwrap_or(0) as u64,
                // The verifier lets only integers pass.
                ConstCtor::Float(_)
                | ConstCtor::Double(_)
                | ConstCtor::List(_)
                | ConstCtor::Null
                | ConstCtor::Extern(_) => 0,
            };
            match self.expose(expose.func, cookie) {
                Ok(address) => self.exposes.push(address),
                Err(failure) => {
                    let error = self.not_exposed(expose, &failure);
                    self.forget_exposes(before);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn not_exposed(&self, expose: &Expose, failure: &ExposeFailure) -> Box<Diagnostic> {
        let message = format!("{} cannot be exposed: {failure}", self.program.display_name(expose.id));
        Box::new(Diagnostic::error(code::NOT_EXPOSED, expose.span, message))
    }

    /// Removes the values of all `.expose` definitions from a number on: nobody has seen them.
    pub(crate) fn forget_exposes(&mut self, first: usize) {
        for address in self.exposes.split_off(first) {
            self.native.unexpose(address);
        }
    }
}
