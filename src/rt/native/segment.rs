//! A native segment: a stack for C, and a native call as a coroutine on it.
//!
//! C never runs on a Mu stack, which may be small, and not on the driver's own stack, but on a segment. A call that
//! returns leaves the segment empty. A call that calls back into Mu stays suspended on it: [`Segment::call`] answers
//! [`NativeExit::CalledBack`], the driver runs the Mu function, for as long and on whichever OS thread it likes, and
//! [`Segment::finish_callback`] continues C with the result. Meanwhile other calls go on below the suspended one.
//!
//! ```text
//!   upper end   Header
//!               CallFrame, vector registers, result's memory, stack arguments     first call
//!               … frames of C …
//!               CallbackFrame                                                     C called a stub: suspended
//!               CallFrame …                                                       the callback calls C again
//!               … frames of C …                                                   running
//!   lower end   guard page
//! ```
//!
//! **Invariants.** Suspended calls of one segment end in the reverse of their order; those of different segments in any.
//! A segment runs on one OS thread at a time, because it takes `&mut`. Nothing on it refers to the driver's stack while
//! it is suspended, except [`CallFrame::link`], which only backtraces of running code follow.
//!
//! What C keeps per OS thread (`errno`, locks, thread-local data whose address a function remembers) does not follow a
//! suspended call to another OS thread: a client that mixes both keeps such calls on their thread.

use super::classify::{NativeSig, ResultPlace, VECTOR_REGISTERS};
use super::exposed::{ExposedSig, Slot};
use super::interface::Shared;
use super::marshal::{Places, Words};
use super::switch::{self, CallFrame, CallbackFrame, Header};
use crate::os::PAGE;
use mu_ir::ids::SigId;
use std::ptr;
use std::slice;
use std::sync::Arc;

/// How running C on a segment ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NativeExit {
    /// The function returned; its result has been filled in.
    Returned,
    /// It calls an exposed function and waits for the result ([`Segment::finish_callback`]).
    CalledBack(Callback),
    /// It calls at this address, where nothing is exposed any more: the client's fault. Waits, too; the result it gets
    /// has no words.
    CalledUnexposed(u64),
}

/// A call of an exposed function by C.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    /// Where it is exposed.
    pub address: u64,
    /// The function, as it was exposed.
    pub function: u64,
    /// Its signature.
    pub sig: SigId,
    /// The cookie.
    pub cookie: u64,
    /// The words of the arguments.
    pub args: Words,
}

/// There is not enough room left on a segment to call C: too many calls are suspended on it, or too many arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no room left on the native stack, on which {suspended} native calls are suspended")]
pub struct NativeStackFull {
    /// Calls suspended on the segment.
    pub suspended: usize,
}

/// A stack for C. Dropping it abandons the calls suspended on it: their C frames never go on.
pub struct Segment {
    shared: Arc<Shared>,
    number: u32,
    header: *mut Header,
    /// Lowest address that a call's frame may reach.
    floor: u64,
    suspended: Vec<Suspended>,
}

/// A native call that waits for a callback.
struct Suspended {
    callback: *mut CallbackFrame,
    call: *mut CallFrame,
    /// The callback's signature, kept by `shared`; NULL when nothing was exposed.
    sig: *const ExposedSig,
}

// SAFETY: the pointers go to the segment's own memory, which one owner uses at a time, and to signatures that nobody
// changes and that `shared` keeps.
unsafe impl Send for Segment {}

// SAFETY: shared references read nothing behind the pointers.
unsafe impl Sync for Segment {}

impl Segment {
    pub(super) fn new(shared: Arc<Shared>, number: u32) -> Segment {
        let base = shared.segment_base(number);
        let header = base + shared.segment_bytes() - size_of::<Header>() as u64;
        let floor = base + PAGE + shared.room_bytes();
        let header = ptr::with_exposed_provenance_mut(header as usize);
        Segment { shared, number, header, floor, suspended: Vec::new() }
    }

    /// Number of native calls that wait for their callbacks.
    pub fn suspended(&self) -> usize {
        self.suspended.len()
    }

    /// Whether the segment belongs to this instance.
    pub fn is_of(&self, interface: &super::NativeInterface) -> bool {
        Arc::ptr_eq(&self.shared, &interface.0)
    }

    /// Calls a native function with the words of all arguments, until it returns or calls back.
    ///
    /// Safe to call in the sense of [`crate::memory`]: that there is a function of this signature at `function` is the
    /// program's promise. Unwinding or jumping out of it is undefined (native-interface-x64-unix). The caller has
    /// checked that `function` is not NULL.
    ///
    /// # Errors
    /// When calls suspended on this segment, or the arguments, leave too little room. Nothing was called then.
    ///
    /// # Panics
    /// When `args` or `results` have not as many words as the signature says.
    #[inline]
    pub fn call(
        &mut self,
        function: u64,
        sig: &NativeSig,
        args: &[u64],
        results: &mut [u64],
    ) -> Result<NativeExit, NativeStackFull> {
        let call = self.prepare(function, sig, args)?;
        // SAFETY: the frame is filled and lies on this segment, which is not running as we have it alone. The CPU has the
        // vector registers, else there were no such signature. What the function does is the program's promise.
        let exit = unsafe { switch::enter(self.header, call) };
        Ok(self.exit(exit, call, sig, results))
    }

    /// Gives the innermost callback its result and continues C, until the native call returns or calls back again.
    /// `sig` and `results` are those of the native call that goes on.
    ///
    /// # Panics
    /// When no call is suspended, or when there are not as many words as the signatures say.
    pub fn finish_callback(&mut self, words: &[u64], sig: &NativeSig, results: &mut [u64]) -> NativeExit {
        let Suspended { callback, call, sig: exposed } =
            self.suspended.pop().expect("a native call is suspended");
        // SAFETY: the interface keeps signatures of exposed functions as long as it lives.
        match unsafe { exposed.as_ref() } {
            // SAFETY: the frame lies on this segment, where C waits and changes nothing.
            Some(exposed) => unsafe { give_result(callback, &exposed.native, words) },
            None => assert!(words.is_empty(), "words of the result"),
        }
        // SAFETY: both frames are those of the innermost suspended call of this segment, which is not running.
        let exit = unsafe { switch::resume(self.header, callback, call) };
        self.exit(exit, call, sig, results)
    }

    /// Makes the frame of a call.
    #[inline]
    fn prepare(
        &mut self,
        function: u64,
        sig: &NativeSig,
        args: &[u64],
    ) -> Result<*mut CallFrame, NativeStackFull> {
        let top = match self.suspended.last() {
            None => self.header.addr() as u64,
            Some(suspended) => suspended.callback.addr() as u64,
        };
        let frame = (top - size_of::<CallFrame>() as u64) & 63u64.wrapping_neg();
        let vector_bytes = u64::from(sig.vector_bytes);
        let vectors = frame - u64::from(VECTOR_REGISTERS) * vector_bytes;
        let in_memory = sig.result.place == ResultPlace::Memory;
        let result_bytes = if in_memory { sig.result.size_bytes } else { 0 };
        // A type may be larger than any segment.
        if result_bytes > vectors.saturating_sub(self.floor) {
            return Err(NativeStackFull { suspended: self.suspended.len() });
        }
        let memory = (vectors - result_bytes) & sig.result.align_bytes.max(16).wrapping_neg();
        let stack = (memory - u64::from(sig.stack_bytes)) & u64::from(sig.stack_align).wrapping_neg();
        if stack < self.floor {
            return Err(NativeStackFull { suspended: self.suspended.len() });
        }
        let vector_words = usize::from(sig.vector_bytes) / 8;
        let used_words = usize::from(sig.vector_registers) * vector_words;
        let call: *mut CallFrame = ptr::with_exposed_provenance_mut(frame as usize);
        // SAFETY: the frame, the vectors and the stack arguments lie side by side on this segment, above its floor and
        // below everything in use; they are aligned, and all bytes of a mapping are initialised.
        unsafe {
            call.write(CallFrame {
                link: [0; 3],
                function,
                stack,
                vectors,
                vector_registers: u64::from(sig.vector_registers),
                vector_bytes,
                memory: if in_memory { memory } else { 0 },
                ints: [0; 6],
            });
            let vectors = slice::from_raw_parts_mut(word(vectors), used_words);
            let stack = slice::from_raw_parts_mut(word(stack), sig.stack_bytes as usize / 8);
            if !vectors.is_empty() {
                vectors.fill(0);
            }
            if !stack.is_empty() {
                stack.fill(0);
            }
            let ints: &mut [u64] = &mut (*call).ints;
            if in_memory {
                ints[0] = memory;
            }
            Places { ints, vectors, vector_words, stack }.put_args(sig, args);
        }
        Ok(call)
    }

    /// What it means that the driver goes on.
    #[inline]
    fn exit(&mut self, exit: u64, call: *mut CallFrame, sig: &NativeSig, results: &mut [u64]) -> NativeExit {
        if exit != 0 {
            return self.called_back(ptr::with_exposed_provenance_mut(exit as usize), call);
        }
        // SAFETY: the frame was made by `prepare` for this signature, or else for one with other places: then the
        // assertion fails, or words within the segment are read. Two vector registers were stored.
        unsafe {
            let memory = (*call).memory;
            let vector_words = (*call).vector_bytes as usize / 8;
            let vectors = slice::from_raw_parts_mut(word((*call).vectors), 2 * vector_words);
            let memory: &[u64] = match sig.result.place {
                ResultPlace::Registers(_) => &[],
                ResultPlace::Memory => {
                    assert_ne!(memory, 0, "the call has another signature");
                    slice::from_raw_parts(word(memory), sig.result.size_bytes.div_ceil(8) as usize)
                }
            };
            let places = Places { ints: &mut (*call).ints, vectors, vector_words, stack: &mut [] };
            places.take_result(&sig.result, memory, results);
        }
        NativeExit::Returned
    }

    #[cold]
    #[inline(never)]
    fn called_back(&mut self, callback: *mut CallbackFrame, call: *mut CallFrame) -> NativeExit {
        // SAFETY: the entry of exposed functions has filled the frame; it lies on this segment, where C waits.
        let (exit, sig) = unsafe { received(callback) };
        self.suspended.push(Suspended { callback, call, sig });
        exit
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.shared.give_back(self.number);
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("number", &self.number)
            .field("suspended", &self.suspended.len())
            .finish_non_exhaustive()
    }
}

fn word(address: u64) -> *mut u64 {
    ptr::with_exposed_provenance_mut(address as usize)
}

/// The vector registers and the place of the stack arguments of a call by C.
///
/// # Safety
/// The frame was filled by the entry of exposed functions, and C waits for the answer.
unsafe fn places<'a>(frame: *mut CallbackFrame, sig: &NativeSig) -> Places<'a> {
    // SAFETY: the vector registers follow the frame; return address and stack arguments lie above the frame pointer.
    unsafe {
        let vector_words = (*frame).vector_bytes as usize / 8;
        let vectors = slice::from_raw_parts_mut(
            frame.add(1).cast::<u64>(),
            usize::from(VECTOR_REGISTERS) * vector_words,
        );
        let stack = slice::from_raw_parts_mut(word((*frame).rbp + 16), sig.stack_bytes as usize / 8);
        Places { ints: &mut (*frame).ints, vectors, vector_words, stack }
    }
}

/// What C calls, with its arguments; and the signature of the function.
///
/// # Safety
/// As [`places`].
pub(super) unsafe fn received(frame: *mut CallbackFrame) -> (NativeExit, *const ExposedSig) {
    // SAFETY: slots live as long as the interface, which whoever runs its functions keeps.
    let slot: &Slot = unsafe { &*ptr::with_exposed_provenance((*frame).slot as usize) };
    // SAFETY: signatures live as long.
    match slot.load().map(|(exposed, sig)| (exposed, unsafe { &*sig })) {
        None => (NativeExit::CalledUnexposed(slot.address()), ptr::null()),
        Some((exposed, sig)) => {
            // SAFETY: promised by the caller.
            let args = unsafe { places(frame, &sig.native) }.take_args(&sig.native);
            let callback = Callback {
                address: slot.address(),
                function: exposed.function,
                sig: exposed.sig,
                cookie: exposed.cookie,
                args,
            };
            (NativeExit::CalledBack(callback), sig)
        }
    }
}

/// Puts the result of a call by C where C expects it.
///
/// # Safety
/// As [`places`]; the signature is the one of the call.
pub(super) unsafe fn give_result(frame: *mut CallbackFrame, sig: &NativeSig, words: &[u64]) {
    // SAFETY: promised by the caller. Memory for the result is C's, as large as the result's type: whole bytes, not
    // words, are written.
    unsafe {
        let mut places = places(frame, sig);
        if let Some(image) = places.put_result(&sig.result, words) {
            // The hidden first argument is also what rax says afterwards.
            let memory: *mut u8 = ptr::with_exposed_provenance_mut(places.ints[0] as usize);
            ptr::copy_nonoverlapping(image.as_ptr().cast::<u8>(), memory, sig.result.size_bytes as usize);
        }
    }
}
