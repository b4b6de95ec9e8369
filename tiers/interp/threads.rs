//! NEWTHREAD and the futex instructions (instruction-set, "Thread and Stack Creation"; common-insts, "Futex
//! Instructions").
//!
//! An instruction that concerns other threads is done in two halves. Here it is checked and, of a futex, compared and
//! entered into the queue; then the loop stops with the frame still at the instruction. The driver starts, wakes or puts
//! to sleep threads, and [`Interp::complete`] gives the instruction its result and moves the frame behind it, when the thread
//! may go on.
//!
//! ```text
//! futex.wait ── the value differs ──> -1, goes on
//!            └─ entered ──> Event::Wait ── … woken, timeout ──> complete(0 | -2 | -3)
//! ```

use crate::code::{Code, CommInfo, Instr, NONE, Slot, SwapInfo};
use crate::control_flow::{self, Passing, take_edge, take_exceptional_edge};
use crate::exec::{Cx, Flow, Here};
use crate::memory_operations::check_leaf;
use crate::{Interp, code::Resume};
use mu_ir::table::{FutexInst, MemOrder};
use mu_ir::ub::Ub;
use mu_rt::layout::{Layout, LeafKind};
use mu_rt::runtime::Runtime;
use mu_rt::stack::StackRef;
use mu_rt::thread::{Event, NewThread, Resumption, Thread, ThreadRef};

/// Results of a futex wait, as the words of an `int<32>`.
pub mod wait_result {
    /// Another thread woke this one.
    pub const WOKEN: u64 = 0;
    /// The location did not hold the value.
    pub const DIFFERENT: u64 = -1i32 as u32 as u64;
    /// The wait ended without a reason.
    pub const SPURIOUS: u64 = -2i32 as u32 as u64;
    /// The time was over.
    pub const TIMEOUT: u64 = -3i32 as u32 as u64;
}

/// NEWTHREAD: checks that the stack can be bound so, and leaves the rest to the driver.
pub(crate) fn new_thread(here: &Here<'_>, info: &SwapInfo, cx: &Cx<'_>) -> Flow {
    let stack = StackRef(here.get(info.swappee));
    let words: Vec<u64> = here.code.list(info.values).iter().map(|&slot| here.get(slot)).collect();
    let resumption = match info.throw {
        true => Resumption::Exception(words.first().copied().unwrap_or(0)),
        false => Resumption::Values { types: info.passes.to_vec(), words },
    };
    if let Err(ub) = control_flow::check_bind(cx.codes, cx.rt, stack, Passing::from(&resumption)) {
        return Flow::Stop(Event::Undefined(ub));
    }
    let threadlocal = if info.threadlocal == NONE { 0 } else { here.get(info.threadlocal) };
    Flow::Stop(Event::NewThread(Box::new(NewThread { stack, threadlocal, resumption })))
}

/// `@uvm.futex.*`
pub(crate) fn futex(here: &Here<'_>, info: &CommInfo, inst: FutexInst, cx: &Cx<'_>, thread: &Thread) -> Flow {
    match try_futex(here, info, inst, cx, thread) {
        Ok(flow) => flow,
        Err(ub) => Flow::Stop(Event::Undefined(ub)),
    }
}

fn try_futex(
    here: &Here<'_>,
    info: &CommInfo,
    inst: FutexInst,
    cx: &Cx<'_>,
    thread: &Thread,
) -> Result<Flow, Ub> {
    let args = here.code.list(info.args);
    let ty = info.ty.ok_or(Ub::WrongLocationType)?;
    let kind = cx.rt.layouts.known(ty).and_then(Layout::scalar).ok_or(Ub::WrongLocationType)?;
    let location = here.get(args[0]);
    check_leaf(cx, thread, kind, ty, location)?;
    // The comparison and the entry into the queue are one step for everybody who uses the queues.
    let mut futexes = cx.rt.futexes.lock();
    match inst {
        FutexInst::FutexWait | FutexInst::FutexWaitTimeout => {
            if !holds(here, cx.rt, kind, location, args[1]) {
                return Ok(finish(here, info, wait_result::DIFFERENT));
            }
            let timeout = args.get(2).map(|&slot| here.get(slot));
            futexes.enter(location, thread.id);
            Ok(Flow::Stop(Event::Wait { timeout }))
        }
        FutexInst::FutexWake => {
            let count = count(here.get(args[1]))?;
            Ok(woke(here, info, futexes.wake(location, count)))
        }
        FutexInst::FutexCmpRequeue => {
            let to = here.get(args[1]);
            check_leaf(cx, thread, kind, ty, to)?;
            let count = count(here.get(args[3]))?;
            if !holds(here, cx.rt, kind, location, args[2]) {
                return Ok(finish(here, info, wait_result::DIFFERENT));
            }
            Ok(woke(here, info, futexes.requeue(location, to, count)))
        }
    }
}

/// Whether a location holds the value of an operand.
fn holds(here: &Here<'_>, rt: &Runtime, kind: LeafKind, location: u64, operand: Slot) -> bool {
    match kind.words() {
        2 => rt.memory.load_u128(location, kind, MemOrder::SeqCst) == here.get_wide(operand),
        _ => rt.memory.load_word(location, kind, MemOrder::SeqCst) == here.get(operand),
    }
}

/// A number of threads, from the word of an `int<32>`.
fn count(word: u64) -> Result<usize, Ub> {
    usize::try_from(word as u32 as i32).map_err(|_| Ub::NegativeWake)
}

/// The instruction is done.
fn finish(here: &Here<'_>, info: &CommInfo, result: u64) -> Flow {
    if let Some(&slot) = here.code.list(info.results).first() {
        here.set(slot, result);
    }
    Flow::normal(info.nor)
}

/// The driver must hear of woken threads; of none it need not.
fn woke(here: &Here<'_>, info: &CommInfo, threads: Vec<ThreadRef>) -> Flow {
    if threads.is_empty() { finish(here, info, 0) } else { Flow::Stop(Event::Woke(threads)) }
}

impl Interp {
    /// Gives the instruction a thread stopped at its result, and moves the frame behind it. The stack is that of a
    /// thread which stopped with [`Event::NewThread`], [`Event::Wait`] or [`Event::Woke`].
    pub fn complete(&self, rt: &Runtime, stack: StackRef, result: u64) {
        let Some(top) = rt.stacks.get(stack).and_then(|stack| control_flow::top(&self.codes, stack)) else {
            return;
        };
        let pc = top.region.pc(top.fp);
        let slots = top.slots();
        let (slot, nor) = match top.code.instrs.get(pc as usize) {
            Some(&Instr::NewThread { info }) => {
                let resume = new_thread_resume(top.code, info);
                (Some(resume.results.base), resume.nor)
            }
            Some(&Instr::Comm { info }) => {
                let comm = &top.code.comms[info as usize];
                (top.code.list(comm.results).first().copied(), comm.nor)
            }
            _ => return,
        };
        if let Some(slot) = slot.and_then(|slot| slots.get(slot as usize)) {
            slot.set(result);
        }
        let pc = if nor == NONE { pc + 1 } else { take_edge(top.code, slots, nor) as u64 };
        top.region.set_pc(top.fp, pc);
    }

    /// The NEWTHREAD a thread stopped at has failed: it continues exceptionally with NULL.
    ///
    /// # Errors
    /// [`Ub::CreationFailed`] if it has no exception clause; the frame stays at it.
    pub fn complete_failed(&self, rt: &Runtime, stack: StackRef) -> Result<(), Ub> {
        let top = rt
            .stacks
            .get(stack)
            .and_then(|stack| control_flow::top(&self.codes, stack))
            .ok_or(Ub::CreationFailed)?;
        let Some(&Instr::NewThread { info }) = top.code.instrs.get(top.region.pc(top.fp) as usize) else {
            return Err(Ub::CreationFailed);
        };
        let exc = new_thread_resume(top.code, info).exc;
        if exc == NONE {
            return Err(Ub::CreationFailed);
        }
        let slots = top.slots();
        let pc = take_exceptional_edge(top.code, slots, exc, 0);
        top.region.set_pc(top.fp, pc as u64);
        Ok(())
    }
}

fn new_thread_resume(code: &Code, info: u32) -> &Resume {
    &code.resumes[code.swaps[info as usize].resume as usize]
}
