//! CCALL and callbacks (instruction-set, "Unsafe Native Call"; native-interface; native-interface-x64-unix).
//!
//! **What.** Native code runs on a native segment ([`mu_rt::native`]), outside of the interpreter: the loop stops with the
//! frame at the CCALL, the driver leaves the world, lets C run, enters again and tells how that ended.
//!
//! ```text
//! CCALL ── Stop::Native(Call) ── begin ──> NativeWork::run (C runs) ── end ──┬─ returned: results, next instruction
//!            ^                                                              └─ called back: a native frame and the
//!            │                                                                 callee's on top; the loop goes on
//! RET into a native frame ── Stop::Native(Finish) ── begin ──> run (C goes on) ── end ── …
//! ```
//!
//! **Why this way.** C that calls back stays suspended on its segment, which then belongs to the Mu stack. So the driver
//! never nests, the stack can be swapped away, inspected, collected and continued by another thread while C waits; what
//! stands for C on the Mu stack is a frame in the state [`FrameState::Native`]. It cannot be removed, or unwound through:
//! that is undefined behaviour U30.
//!
//! Nothing that leaves the world refers to the heap: what can be passed to C is integers, floating point and pointers.

use crate::code::{Code, Instr, NONE, NativeCallInfo, NativeCallSig};
use crate::control_flow::{self, RED_ZONE_BYTES, take_edge, take_exceptional_edge};
use crate::exec::{Alone, Flow, Here, NativeStep, Stop, enter, write_constants};
use crate::{Interp, frames};
use mu_ir::ids::FuncId;
use mu_ir::ub::Ub;
use mu_rt::native::{Callback, NativeExit, NativeStackFull, Segment};
use mu_rt::runtime::Runtime;
use mu_rt::stack::{
    FRAME_HEADER_BYTES, FrameState, LINKAGE_BYTES, NATIVE_SLOTS, RESUME_INTERPRETED, Region, Stack,
};
use mu_rt::thread::{Event, Thread};
use smallvec::SmallVec;
use std::sync::Arc;

type Words = SmallVec<[u64; 8]>;

/// CCALL: whether it can be done at all.
pub(crate) fn ccall(here: &Here<'_>, number: u32) -> Flow {
    let info = &here.code.native_calls[number as usize];
    if let Err(reason) = &*info.native {
        return Flow::Stop(Event::Unsupported(format!("CCALL on the interpreter: {reason}")));
    }
    match here.get(info.callee) {
        0 => Flow::Stop(Event::Undefined(Ub::BadNativeCallee)),
        _ => Flow::NativeCall,
    }
}

/// `@uvm.native.get_cookie`: of the exposed value that native code called to make this frame; 0 if nobody did.
pub(crate) fn cookie(here: &Here<'_>, stack: &Stack) -> u64 {
    let below = here.region.saved_fp(here.fp);
    match below {
        0 => stack.cookie(),
        _ if here.region.state(below) == FrameState::Native => {
            here.region.slots(below, NATIVE_SLOTS).first().map_or(0, std::cell::Cell::get)
        }
        _ => 0,
    }
}

/// The frame above `below` was replaced by one that Mu code called: that has no cookie.
#[inline]
pub(crate) fn forget_cookie(region: &Region, below: u64, stack: &Stack) {
    if below == 0 {
        stack.set_cookie(0);
    } else if region.state(below) == FrameState::Native {
        region.slots(below, NATIVE_SLOTS).iter().for_each(|slot| slot.set(0));
    }
}

/// Native code that is ready to run.
#[derive(Debug)]
pub struct NativeWork {
    segment: Segment,
    sig: Arc<NativeCallSig>,
    step: Step,
    results: Words,
}

#[derive(Debug)]
enum Step {
    Call { function: u64, args: Words },
    Finish(Vec<u64>),
}

/// How native code stopped running.
#[derive(Debug)]
pub struct NativeOutcome(Result<NativeExit, NativeStackFull>);

impl NativeWork {
    /// Lets the native code run until it returns or calls back. The caller has left the world.
    pub fn run(&mut self) -> NativeOutcome {
        let Ok(sig) = &*self.sig else { return NativeOutcome(Ok(NativeExit::Returned)) };
        NativeOutcome(match &self.step {
            Step::Call { function, args } => self.segment.call(*function, sig, args, &mut self.results),
            Step::Finish(words) => Ok(self.segment.finish_callback(words, sig, &mut self.results)),
        })
    }
}

/// What a thread does after [`Interp::begin_native`].
#[allow(clippy::large_enum_variant, reason = "almost always the large one, and made for every call")]
pub enum Begun {
    /// Leaves the world and lets this run.
    Work(NativeWork),
    /// Stops: there is no room for C, and nobody catches that.
    Stop(Event),
    /// Goes on interpreting: there is no room for C, and the CCALL has an exceptional edge.
    GoesOn,
}

/// The CCALL that the top frame stands at.
struct Site<'a> {
    here: Here<'a>,
    info: &'a NativeCallInfo,
}

fn site<'a>(codes: &'a [Arc<Code>], stack: &'a Stack) -> Option<Site<'a>> {
    let top = control_flow::top(codes, stack)?;
    let Some(&Instr::CCall { info }) = top.code.instrs.get(top.region.pc(top.fp) as usize) else {
        return None;
    };
    let here = Here { code: top.code, slots: top.slots(), region: top.region, fp: top.fp };
    Some(Site { here, info: &top.code.native_calls[info as usize] })
}

impl Site<'_> {
    /// There is no room for C: the exceptional edge with NULL, or undefined behaviour.
    fn overflow(&self) -> Option<Event> {
        let exc = self.here.code.resumes[self.info.resume as usize].exc;
        if exc == NONE {
            return Some(Event::Undefined(Ub::StackOverflow));
        }
        let pc = take_exceptional_edge(self.here.code, self.here.slots, exc, 0);
        self.here.region.set_pc(self.here.fp, pc as u64);
        None
    }

    fn returned(&self, results: &[u64]) {
        let resume = &self.here.code.resumes[self.info.resume as usize];
        for (slot, &word) in (resume.results.base..).zip(results) {
            self.here.set(slot, word);
        }
        let pc = match resume.nor {
            NONE => self.here.region.pc(self.here.fp) + 1,
            nor => take_edge(self.here.code, self.here.slots, nor) as u64,
        };
        self.here.region.set_pc(self.here.fp, pc);
    }
}

impl Interp {
    /// Prepares what a thread stopped for with [`Stop::Native`]. `spare` is a segment that nobody waits on, kept by the
    /// driver from one call to the next.
    pub fn begin_native(
        &self,
        rt: &Runtime,
        thread: &Thread,
        step: NativeStep,
        spare: &mut Option<Segment>,
    ) -> Begun {
        let lost = || Begun::Stop(Event::Undefined(Ub::NativeUnwind));
        let Some(stack) = rt.stacks.get(thread.stack) else { return lost() };
        if let NativeStep::Finish(_) = step {
            // The native frame has received what it waited for.
            stack.set_top_fp(stack.region().saved_fp(stack.top_fp()));
        }
        let Some(site) = site(&self.codes, stack) else { return lost() };
        let resume = &site.here.code.resumes[site.info.resume as usize];
        let results = SmallVec::from_elem(0, resume.results.words as usize);
        let sig = Arc::clone(&site.info.native);
        let (segment, step) = match step {
            NativeStep::Call => {
                let segment =
                    stack.take_segment().or_else(|| spare.take()).or_else(|| rt.native.segment().ok());
                let args = site.here.code.list(site.info.args).iter().map(|&slot| site.here.get(slot));
                (segment, Step::Call { function: site.here.get(site.info.callee), args: args.collect() })
            }
            NativeStep::Finish(words) => (stack.take_segment(), Step::Finish(words)),
        };
        match segment {
            Some(segment) => Begun::Work(NativeWork { segment, sig, step, results }),
            None => site.overflow().map_or(Begun::GoesOn, Begun::Stop),
        }
    }

    /// Goes on after native code has run; `None`: with the next instruction.
    pub fn end_native(
        &self,
        rt: &Runtime,
        thread: &mut Thread,
        work: NativeWork,
        outcome: NativeOutcome,
        spare: &mut Option<Segment>,
    ) -> Option<Stop> {
        let stack = rt.stacks.get(thread.stack)?;
        match work.segment.suspended() {
            0 => *spare = Some(work.segment),
            _ => stack.set_segment(work.segment),
        }
        let undefined = |ub| Some(Stop::Event(Event::Undefined(ub)));
        match outcome.0 {
            Ok(NativeExit::Returned) => {
                site(&self.codes, stack)?.returned(&work.results);
                None
            }
            Ok(NativeExit::CalledBack(callback)) => {
                // The function may have been defined anew while native code ran.
                let pushed = match self.is_old(rt) {
                    true => Err(frames::PushFailure::NeedCode),
                    false => push_callback(&self.codes, &self.current, rt, stack, &callback),
                };
                match pushed {
                    Ok(()) => None,
                    Err(frames::PushFailure::Undefined(ub)) => undefined(ub),
                    Err(frames::PushFailure::NeedCode) => {
                        thread.callback = Some(callback);
                        Some(Stop::Alone(Alone::Callback))
                    }
                }
            }
            Ok(NativeExit::CalledUnexposed(_)) => undefined(Ub::BadNativeCallee),
            Err(NativeStackFull { .. }) => site(&self.codes, stack)?.overflow().map(Stop::Event),
        }
    }

    /// Decodes the function that native code called, and enters it.
    pub(crate) fn alone_callback(&mut self, rt: &mut Runtime, thread: &mut Thread) -> Option<Event> {
        let callback = thread.callback.take()?;
        let func = FuncId::new(callback.function as usize);
        if let Err(event) = self.prepare(rt, func) {
            return Some(event);
        }
        let stack = rt.stacks.get(thread.stack)?;
        match push_callback(&self.codes, &self.current, rt, stack, &callback) {
            Ok(()) => None,
            Err(frames::PushFailure::Undefined(ub)) => Some(Event::Undefined(ub)),
            // It was decoded a moment ago.
            Err(frames::PushFailure::NeedCode) => Some(Event::Undefined(Ub::BadCallee)),
        }
    }
}

/// Pushes the frame that stands for the waiting native code, and that of the function it calls.
fn push_callback(
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &Runtime,
    stack: &Stack,
    callback: &Callback,
) -> Result<(), frames::PushFailure> {
    let func = FuncId::new(callback.function as usize);
    let overflow = frames::PushFailure::Undefined(Ub::StackOverflow);
    if rt.func(func).sig != callback.sig {
        return Err(frames::PushFailure::Undefined(Ub::BadCallee));
    }
    let (region, below): (&Region, u64) = (stack.region(), stack.top_fp());
    let sp = region.sp(below);
    let native_bytes = LINKAGE_BYTES + FRAME_HEADER_BYTES + u64::from(NATIVE_SLOTS) * 8;
    if sp - region.base() < native_bytes + RED_ZONE_BYTES {
        return Err(overflow);
    }
    let (native_fp, native_sp) = (sp - LINKAGE_BYTES, sp - native_bytes);
    let callee = match enter(codes, current, region, native_sp, func) {
        Ok(callee) => callee,
        Err(control_flow::Entered::NeedCode) => return Err(frames::PushFailure::NeedCode),
        Err(control_flow::Entered::Overflow) => return Err(overflow),
    };
    region.write_frame(native_fp, below, RESUME_INTERPRETED, u32::MAX, FrameState::Native, native_sp);
    region.slots(native_fp, NATIVE_SLOTS).iter().for_each(|slot| slot.set(callback.cookie));
    let fp = native_sp - LINKAGE_BYTES;
    let state = FrameState::AtInstruction;
    region.write_frame(fp, native_fp, RESUME_INTERPRETED, callee.number, state, callee.sp);
    let slots = region.slots(fp, callee.code.slot_count);
    for (slot, &word) in slots.iter().zip(&callback.args) {
        slot.set(word);
    }
    write_constants(callee.code, slots);
    stack.set_top_fp(fp);
    Ok(())
}
