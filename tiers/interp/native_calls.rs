//! CCALL (instruction-set, "Unsafe Native Call").
//!
//! The native function runs on the thread's native segment. Functions cannot be exposed yet, so it returns before anything
//! else happens on the Mu stack, and the frame does not have to be paused.

use crate::code::{NONE, NativeCallInfo};
use crate::exec::{Flow, Here};
use mu_ir::ub::Ub;
use mu_rt::native::NativeExit;
use mu_rt::runtime::Runtime;
use mu_rt::thread::{Event, Thread};
use smallvec::SmallVec;

/// CCALL
pub(crate) fn ccall(
    here: &Here<'_>,
    info: &NativeCallInfo,
    pc: usize,
    rt: &Runtime,
    thread: &mut Thread,
) -> Flow {
    here.region.set_pc(here.fp, pc as u64);
    let sig = match &*info.native {
        Ok(sig) => sig,
        Err(reason) => return Flow::Stop(Event::Unsupported(format!("CCALL on the interpreter: {reason}"))),
    };
    let callee = here.get(info.callee);
    if callee == 0 {
        return Flow::Stop(Event::Undefined(Ub::BadNativeCallee));
    }
    let args: SmallVec<[u64; 8]> = here.code.list(info.args).iter().map(|&slot| here.get(slot)).collect();
    let resume = &here.code.resumes[info.resume as usize];
    let mut results: SmallVec<[u64; 8]> = SmallVec::from_elem(0, resume.results.words as usize);
    let segment = match &mut thread.segment {
        Some(segment) => segment,
        none => match rt.native.segment() {
            Ok(segment) => none.insert(segment),
            Err(_) => return Flow::Stop(Event::Undefined(Ub::StackOverflow)),
        },
    };
    match segment.call(callee, sig, &args, &mut results) {
        Ok(NativeExit::Returned) => {}
        Ok(NativeExit::CalledBack(_) | NativeExit::CalledUnexposed(_)) => {
            return Flow::Stop(Event::Unsupported("callbacks on the interpreter".into()));
        }
        Err(_) => return Flow::Stop(Event::Undefined(Ub::StackOverflow)),
    }
    for (slot, &word) in (resume.results.base..).zip(&results) {
        here.set(slot, word);
    }
    match resume.nor {
        NONE => Flow::Next,
        nor => Flow::Edge(nor),
    }
}
