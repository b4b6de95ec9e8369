//! Calls of exposed functions by threads that are not in a native call of the instance: threads that C made, threads of
//! the embedder, or C that has switched to a stack of its own.
//!
//! There is no driver to go back to, so the call runs on the caller's stack: a hook of the instance attaches the thread,
//! runs the Mu function, and answers. It must find enough stack there for a driver of its own.

use super::interface::Shared;
use super::segment::{self, Callback, NativeExit};
use super::switch::{CallbackFrame, SlotHead};
use std::any::Any;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Runs exposed functions for foreign threads. It may be called by many threads at once, and again within a call.
pub trait ForeignCall: Send + Sync {
    /// Runs the function and fills in the words of its result, which are zero before. If the function ends without a
    /// result (exception, undefined behaviour), C gets what the words are then.
    fn call(&self, callback: &Callback, results: &mut [u64]);

    /// A call at an address where nothing is exposed any more: the client's fault. C gets an undefined result.
    fn unexposed(&self, address: u64);

    /// [`ForeignCall::call`] has panicked, which is not let into C: C gets zeros. The implementation notes it, so that the
    /// instance can end with it; if this panics too, the process ends.
    fn panicked(&self, payload: Box<dyn Any + Send>);
}

/// Called by the entry of exposed functions. The frame is on the stack of the caller, which is no segment.
pub(super) extern "sysv64" fn on_foreign(frame: *mut CallbackFrame) {
    // The call may be what keeps the instance last, so that it must keep the interface itself.
    // SAFETY: the entry has filled the frame, and C waits for the answer. Slot and interface are there when an exposed
    // function is called; the interface is in an `Arc`.
    let shared: Arc<Shared> = unsafe {
        let head: &SlotHead = &*std::ptr::with_exposed_provenance((*frame).slot as usize);
        let shared: *const Shared = head.gate.byte_sub(offset_of!(Shared, gate)).cast();
        Arc::increment_strong_count(shared);
        Arc::from_raw(shared)
    };
    let hook = shared.foreign.read().clone();
    // SAFETY: as before.
    let (exit, sig) = unsafe { segment::received(frame) };
    match (exit, hook) {
        (NativeExit::CalledBack(callback), hook) => {
            // SAFETY: the interface keeps the signature.
            let sig = unsafe { &(*sig).native };
            let mut results = vec![0; sig.result.words as usize];
            call(hook, &callback, &mut results);
            // SAFETY: as before, and it is the signature of the call.
            unsafe { segment::give_result(frame, sig, &results) };
        }
        (NativeExit::CalledUnexposed(address), Some(hook)) => hook.unexposed(address),
        (NativeExit::CalledUnexposed(_) | NativeExit::Returned, _) => {}
    }
}

fn call(hook: Option<Arc<dyn ForeignCall>>, callback: &Callback, results: &mut [u64]) {
    let Some(hook) = hook else { return };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook.call(callback, results))) {
        results.fill(0);
        hook.panicked(payload);
    }
}
