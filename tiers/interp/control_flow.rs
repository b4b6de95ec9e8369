//! Control flow: branches, calls, exceptions, and the resumption protocol
//! (instruction-set, "Intra-function Control Flow" and "Inter-function Control Flow"; threads-stacks, "Binding of Stack
//! and Thread").
//!
//! Every paused frame waits for a list of values or for one exception. [`resume_values`] and [`unwind`] give
//! it that, whatever it is paused at:
//!
//! ```text
//! paused at             values go to                     an exception
//! CALL, CCALL, TRAP,    the results, then the next       takes the exceptional edge, or leaves
//!   SWAPSTACK, enabled    instruction or normal edge       the frame
//!   WATCHPOINT
//! its fresh entry       the parameters                   leaves the frame
//! ```
//!
//! RET resumes the frame below with values; THROW, and an exception that leaves a frame, resume it with the exception.

use crate::code::{CallInfo, Code, List, NONE, Slot, SwitchInfo};
use crate::exec::{Cx, Flow, Here, Running, enter, write_constants};
use crate::native_calls::forget_cookie;
use mu_ir::ids::{FuncId, TypeId};
use mu_ir::ub::Ub;
use mu_rt::runtime::Runtime;
use mu_rt::stack::{Claim, FrameState, LINKAGE_BYTES, RESUME_INTERPRETED, Region, Stack, StackRef};
use mu_rt::thread::{Event, Resumption, Thread};
use mu_rt::words::func_of_word;
use smallvec::SmallVec;
use std::cell::Cell;
use std::sync::Arc;

/// Room kept free below the lowest frame.
pub const RED_ZONE_BYTES: u64 = 256;

/// Why a call could not enter its callee.
pub(crate) enum Entered {
    /// The callee must be decoded first.
    NeedCode,
    /// Its frame does not fit the stack.
    Overflow,
}

/// BRANCH: moves the arguments to the parameters; the new program counter.
#[inline]
pub fn take_edge(code: &Code, slots: &[Cell<u64>], edge: u32) -> usize {
    let edge = code.edges[edge as usize];
    let moves = &code.moves[edge.moves_start as usize..(edge.moves_start + edge.moves_len) as usize];
    for &(to, from) in moves {
        slots[to as usize].set(slots[from as usize].get());
    }
    edge.target as usize
}

/// The same to a block that receives an exception, in its exception parameter if it has one.
pub fn take_exceptional_edge(code: &Code, slots: &[Cell<u64>], edge: u32, exception: u64) -> usize {
    let pc = take_edge(code, slots, edge);
    let exc_slot = code.edges[edge as usize].exc_slot;
    if exc_slot != NONE {
        slots[exc_slot as usize].set(exception);
    }
    pc
}

/// SWITCH
pub(crate) fn switch(here: &Here<'_>, info: &SwitchInfo) -> Flow {
    let value = match info.operand.words {
        2 => here.get_wide(info.operand.base),
        _ => u128::from(here.get(info.operand.base)),
    };
    let edge = match info.cases.binary_search_by_key(&value, |(case, _)| *case) {
        Ok(at) => info.cases[at].1,
        Err(_) => info.default,
    };
    Flow::Edge(edge)
}

/// CALL of a function that is named in the instruction. Kept out of the loop: inlined, its address computations are
/// hoisted in front of every instruction.
#[inline(never)]
pub(crate) fn call<'c>(
    here: &Here<'c>,
    cx: &Cx<'c>,
    pc: usize,
    sp: u64,
    func: FuncId,
    info: u32,
) -> Result<Running<'c>, Entered> {
    let region = here.region;
    let call = &here.code.calls[info as usize];
    // The resumption point goes along with the pc, so that RET need not look at the instruction.
    region.set_pc(here.fp, pc as u64 | u64::from(call.resume) << 32);
    let callee = enter(cx.codes, cx.current, region, sp, func)?;
    let fp = sp - LINKAGE_BYTES;
    let slots = region.slots(fp, callee.code.slot_count);
    for (to, &from) in slots.iter().zip(here.code.list(call.args)) {
        to.set(here.get(from));
    }
    region.write_frame(fp, here.fp, RESUME_INTERPRETED, callee.number, FrameState::AtInstruction, callee.sp);
    write_constants(callee.code, slots);
    Ok(Running { code: callee.code, slots, fp, sp: callee.sp, pc: 0 })
}

/// RET. The frame below usually waits at a call; otherwise the general way is taken and `Err` says how to go on.
#[inline(never)]
pub(crate) fn ret<'c>(
    here: &Here<'c>,
    cx: &Cx<'c>,
    thread: &Thread,
    values: List,
) -> Result<Running<'c>, Flow> {
    let region = here.region;
    let below = region.saved_fp(here.fp);
    // The high half of the code word is the state; of the pc word, the resumption point of a CALL (0 = not noted).
    let caller =
        region.frame(below).filter(|frame| frame.code.get() >> 32 == FrameState::AtInstruction as u64);
    let point = caller.and_then(|frame| {
        let code = cx.codes.get(frame.code.get() as usize)?;
        let (pc, number) = (frame.pc.get() as u32, (frame.pc.get() >> 32) as usize);
        Some((frame, code, pc, code.resumes.get(number)?))
    });
    let Some((frame, code, pc, resume)) = point.filter(|(frame, ..)| frame.pc.get() >> 32 != 0) else {
        return Err(return_slowly(here, cx, thread, values));
    };
    if here.code.has_alloca {
        cx.stack.pop_cells_below(here.fp);
    }
    let slots = region.slots(below, code.slot_count);
    let results = slots.get(resume.results.base as usize..).unwrap_or(&[]);
    for (to, &from) in results.iter().zip(here.code.list(values)) {
        to.set(here.get(from));
    }
    let pc = match resume.nor {
        NONE => pc as usize + 1,
        nor => take_edge(code, slots, nor),
    };
    Ok(Running { code, slots, fp: below, sp: frame.sp.get(), pc })
}

/// The function of a callee word, if it has the wanted signature (in lenient mode, one that passes the same words).
fn callee(rt: &Runtime, word: u64, call: &CallInfo) -> Result<FuncId, Flow> {
    func_of_word(word, rt.funcs.len())
        .filter(|&func| rt.sig_fits(rt.func(func).sig, call.sig))
        .ok_or(Flow::Stop(Event::Undefined(Ub::BadCallee)))
}

/// Pushes a frame for `func` on top of the frame `here` and makes it the top frame.
/// `Err` names a function that must be decoded first.
pub(crate) fn call_indirect(
    here: &Here<'_>,
    pc: usize,
    callee_slot: Slot,
    info: u32,
    cx: &Cx<'_>,
) -> Result<Flow, FuncId> {
    here.region.set_pc(here.fp, pc as u64);
    let call = &here.code.calls[info as usize];
    let func = match callee(cx.rt, here.get(callee_slot), call) {
        Ok(func) => func,
        Err(flow) => return Ok(flow),
    };
    let sp = here.region.sp(here.fp);
    match enter(cx.codes, cx.current, here.region, sp, func) {
        Err(Entered::NeedCode) => Err(func),
        Err(Entered::Overflow) => {
            Ok(Flow::failed(here.code.resumes[call.resume as usize].exc, Ub::StackOverflow))
        }
        Ok(callee) => {
            let fp = sp - LINKAGE_BYTES;
            let slots = here.region.slots(fp, callee.code.slot_count);
            for (to, &from) in slots.iter().zip(here.code.list(call.args)) {
                to.set(here.get(from));
            }
            let state = FrameState::AtInstruction;
            here.region.write_frame(fp, here.fp, RESUME_INTERPRETED, callee.number, state, callee.sp);
            write_constants(callee.code, slots);
            cx.stack.set_top_fp(fp);
            Ok(Flow::Reload)
        }
    }
}

/// TAILCALL: the new frame takes the place of this one. If it does not fit, the frame below receives NULL as an
/// exception, as if its CALL had overflowed.
pub(crate) fn tail_call(here: &Here<'_>, callee_slot: Slot, info: u32, cx: &Cx<'_>) -> Result<Flow, FuncId> {
    let call = &here.code.calls[info as usize];
    let func = match callee(cx.rt, here.get(callee_slot), call) {
        Ok(func) => func,
        Err(flow) => return Ok(flow),
    };
    let below = here.region.saved_fp(here.fp);
    let resume = here.region.resume_word(here.fp);
    match enter(cx.codes, cx.current, here.region, here.fp + LINKAGE_BYTES, func) {
        Err(Entered::NeedCode) => Err(func),
        Err(Entered::Overflow) => Ok(throw(0, cx.codes, cx.stack, here.fp)),
        Ok(callee) => {
            // Arguments and new slots overlap: read all, then write.
            let words: SmallVec<[u64; 16]> =
                here.code.list(call.args).iter().map(|&slot| here.get(slot)).collect();
            if here.code.has_alloca {
                cx.stack.pop_cells_below(here.fp);
            }
            let state = FrameState::AtInstruction;
            here.region.write_frame(here.fp, below, resume, callee.number, state, callee.sp);
            let slots = here.region.slots(here.fp, callee.code.slot_count);
            for (to, &word) in slots.iter().zip(&words) {
                to.set(word);
            }
            write_constants(callee.code, slots);
            forget_cookie(here.region, below, cx.stack);
            cx.stack.set_top_fp(here.fp);
            Ok(Flow::Reload)
        }
    }
}

/// RET to a frame that is not simply waiting at a call, or from the bottom frame.
pub(crate) fn return_slowly(here: &Here<'_>, cx: &Cx<'_>, thread: &Thread, values: List) -> Flow {
    let words: Vec<u64> = here.code.list(values).iter().map(|&slot| here.get(slot)).collect();
    let below = here.region.saved_fp(here.fp);
    cx.stack.pop_cells_below(here.fp + LINKAGE_BYTES);
    cx.stack.set_top_fp(below);
    if below == 0 {
        cx.rt.stacks.kill(thread.stack);
        return Flow::Stop(Event::Returned { types: here.code.ret_types.to_vec(), words });
    }
    if here.region.state(below) == FrameState::Native {
        return Flow::NativeReturn(words);
    }
    resume_values(cx.codes, cx.stack, &words);
    Flow::Reload
}

/// THROW
pub(crate) fn throw_at(here: &Here<'_>, pc: usize, exception: u64, cx: &Cx<'_>) -> Flow {
    here.region.set_pc(here.fp, pc as u64);
    throw(exception, cx.codes, cx.stack, here.fp)
}

/// Throws from the frame `fp`: the nearest frame below that catches receives the exception. If none does, the frames stay
/// as they are, for a trace, and the thread ends.
pub(crate) fn throw(exception: u64, codes: &[Arc<Code>], stack: &Stack, fp: u64) -> Flow {
    let below = stack.region().saved_fp(fp);
    match unwind(codes, stack, below, exception) {
        Unwound::Caught => Flow::Reload,
        Unwound::Uncaught => Flow::Stop(Event::Threw(exception)),
        Unwound::Native => Flow::Stop(Event::Undefined(Ub::NativeUnwind)),
    }
}

/// What became of an exception.
enum Unwound {
    /// A frame goes on with it.
    Caught,
    /// No frame catches it; the stack has not changed.
    Uncaught,
    /// It reached native code, which exceptions cannot pass; the stack has not changed.
    Native,
}

/// Gives an exception to the frame `fp` or, if it does not catch it, to the nearest one below that does; the frames
/// above are removed.
fn unwind(codes: &[Arc<Code>], stack: &Stack, mut fp: u64, exception: u64) -> Unwound {
    let region = stack.region();
    while fp != 0 {
        let state = region.state(fp);
        if state == FrameState::Native {
            return Unwound::Native;
        }
        let Some(code) = codes.get(region.code(fp) as usize) else { return Unwound::Uncaught };
        let handler = match state {
            FrameState::Fresh | FrameState::Native => NONE,
            FrameState::AtInstruction => code.resume_at(region.pc(fp)).map_or(NONE, |resume| resume.exc),
        };
        if handler != NONE {
            stack.pop_cells_below(region.sp(fp));
            stack.set_top_fp(fp);
            let pc = take_exceptional_edge(code, region.slots(fp, code.slot_count), handler, exception);
            region.set_pc(fp, pc as u64);
            return Unwound::Caught;
        }
        let below = region.saved_fp(fp);
        // The chain of frames only ever goes up; a damaged word ends it.
        fp = if below > fp { below } else { 0 };
    }
    Unwound::Uncaught
}

/// The frame on top of a stack.
pub(crate) struct Top<'c> {
    pub region: &'c Region,
    pub fp: u64,
    pub code: &'c Code,
}

impl<'c> Top<'c> {
    pub(crate) fn slots(&self) -> &'c [Cell<u64>] {
        self.region.slots(self.fp, self.code.slot_count)
    }
}

/// The top frame of a stack that the caller owns.
pub(crate) fn top<'c>(codes: &'c [Arc<Code>], stack: &'c Stack) -> Option<Top<'c>> {
    let fp = stack.top_fp();
    if fp == 0 {
        return None;
    }
    let region = &**stack.region();
    let code = codes.get(region.code(fp) as usize)?;
    Some(Top { region, fp, code })
}

/// The types the top frame of a stack waits for (representatives).
pub fn expected_types<'c>(codes: &'c [Arc<Code>], stack: &'c Stack) -> Option<&'c [TypeId]> {
    let top = top(codes, stack)?;
    match top.region.state(top.fp) {
        FrameState::Fresh => Some(&top.code.param_types),
        FrameState::Native => None,
        FrameState::AtInstruction => top.code.resume_at(top.region.pc(top.fp)).map(|resume| &*resume.expects),
    }
}

/// Gives the top frame of a stack the values it waits for; their types were checked.
pub(crate) fn resume_values(codes: &[Arc<Code>], stack: &Stack, words: &[u64]) {
    let Some(top) = top(codes, stack) else { return };
    let (region, fp, slots) = (top.region, top.fp, top.slots());
    if region.state(fp) == FrameState::Fresh {
        for (slot, &word) in slots.iter().zip(words) {
            slot.set(word);
        }
        region.set_code(fp, region.code(fp), FrameState::AtInstruction);
        region.set_pc(fp, 0);
        return;
    }
    let pc = region.pc(fp);
    let Some(resume) = top.code.resume_at(pc) else { return };
    for (slot, &word) in slots[resume.results.base as usize..].iter().zip(words) {
        slot.set(word);
    }
    let pc = match resume.nor {
        NONE => pc + 1,
        nor => take_edge(top.code, slots, nor) as u64,
    };
    region.set_pc(fp, pc);
}

/// A [`Resumption`] by reference: SWAPSTACK makes no lists.
#[derive(Clone, Copy)]
pub(crate) enum Passing<'a> {
    /// Types (representatives) and words of values.
    Values(&'a [TypeId], &'a [u64]),
    /// An exception, a ref.
    Exception(u64),
}

impl<'a> From<&'a Resumption> for Passing<'a> {
    fn from(resumption: &'a Resumption) -> Passing<'a> {
        match resumption {
            Resumption::Values { types, words } => Passing::Values(types, words),
            Resumption::Exception(exception) => Passing::Exception(*exception),
        }
    }
}

/// Claims a stack that can be bound with this resumption.
///
/// # Errors
/// [`Ub::BadBinding`] if it is not READY for this; in checked mode [`Ub::OpenCursor`] if a frame cursor on it is open.
pub(crate) fn check_bind<'a>(
    codes: &[Arc<Code>],
    rt: &'a Runtime,
    stack: StackRef,
    passing: Passing<'_>,
) -> Result<Claim<'a>, Ub> {
    let claim = rt.stacks.claim(stack).ok_or(Ub::BadBinding)?;
    let expected = expected_types(codes, claim.stack());
    let fits = match passing {
        Passing::Values(types, _) => expected.is_some_and(|expected| rt.types_fit(types, expected)),
        Passing::Exception(_) => expected.is_some(),
    };
    if !fits {
        return Err(Ub::BadBinding);
    }
    if rt.config.checked && rt.stacks.has_open_cursors(stack) {
        return Err(Ub::OpenCursor);
    }
    Ok(claim)
}

/// Binds a thread to the stack that was claimed by [`check_bind`]. An exception that nobody on the stack catches ends
/// the thread. Frame cursors on it are closed.
pub(crate) fn bind(
    codes: &[Arc<Code>],
    rt: &Runtime,
    thread: &mut Thread,
    claim: Claim<'_>,
    stack: StackRef,
    passing: Passing<'_>,
) -> Option<Event> {
    thread.stack = stack;
    rt.stacks.close_cursors_of(stack);
    let threw = match passing {
        Passing::Values(_, words) => {
            resume_values(codes, claim.stack(), words);
            None
        }
        Passing::Exception(exception) => {
            match unwind(codes, claim.stack(), claim.stack().top_fp(), exception) {
                Unwound::Caught => None,
                Unwound::Uncaught => Some(Event::Threw(exception)),
                Unwound::Native => Some(Event::Undefined(Ub::NativeUnwind)),
            }
        }
    };
    claim.activate();
    thread.is_bound = true;
    threw
}
