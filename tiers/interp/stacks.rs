//! Traps, SWAPSTACK, and the common instructions on stacks, threads, tagged references and pins
//! (instruction-set, "Traps and Watchpoints", "Thread and Stack"; common-insts).

use crate::code::{Code, CommInfo, SwapInfo};
use crate::control_flow;
use crate::decode::func_of_word;
use crate::exec::{Flow, Here, save};
use crate::frames::{Maps, push_fresh};
use crate::irbuilder;
use crate::metacircular;
use crate::threads;
use mu_ir::ids::FuncId;
use mu_ir::semantics::tagref;
use mu_ir::table::CommInst;
use mu_ir::ub::Ub;
use mu_rt::heap::{Cause, Plan};
use mu_rt::runtime::Runtime;
use mu_rt::stack::{StackRef, StackState};
use mu_rt::thread::{Event, Resumption, Thread, TrapCause};
use std::sync::Arc;

/// Leaves the frame where it stands, and the stack READY.
fn pause(here: &Here<'_>, pc: usize, rt: &mut Runtime, thread: &Thread) {
    here.region.set_pc(here.fp, pc as u64);
    if let Some(stack) = rt.stacks.get_mut(thread.stack) {
        stack.top_fp = here.fp;
        stack.state = StackState::Ready;
    }
}

/// TRAP, an enabled WATCHPOINT, or the trap of an undefined function.
pub(crate) fn trap(here: &Here<'_>, pc: usize, rt: &mut Runtime, thread: &Thread, cause: TrapCause) -> Flow {
    pause(here, pc, rt, thread);
    Flow::Stop(Event::Trap(cause))
}

/// What the new-stack clause of SWAPSTACK and NEWTHREAD gives to the stack.
#[inline]
pub(crate) fn resumption(here: &Here<'_>, info: &SwapInfo) -> Resumption {
    let words: Vec<u64> = here.code.list(info.values).iter().map(|&slot| here.get(slot)).collect();
    match info.throw {
        true => Resumption::Exception(words.first().copied().unwrap_or(0)),
        false => Resumption::Values { types: info.passes.to_vec(), words },
    }
}

/// SWAPSTACK
pub(crate) fn swap_stack(
    here: &Here<'_>,
    info: &SwapInfo,
    pc: usize,
    codes: &[Arc<Code>],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Flow {
    let swappee = StackRef(here.get(info.swappee));
    let resumption = resumption(here, info);
    // The current stack is ACTIVE, so swapping to it is refused like any other stack that is not READY.
    if let Err(ub) = control_flow::check_bind(codes, rt, swappee, &resumption) {
        return Flow::Stop(Event::Undefined(ub));
    }
    if info.kill_old {
        rt.stacks.kill(thread.stack);
    } else {
        pause(here, pc, rt, thread);
    }
    match control_flow::bind(codes, rt, thread, swappee, &resumption) {
        Some(event) => Flow::Stop(event),
        None => Flow::Reload,
    }
}

/// COMMINST
pub(crate) fn comm(
    here: &Here<'_>,
    info: &CommInfo,
    pc: usize,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Result<Flow, FuncId> {
    if info.inst.is_irbuilder() {
        return Ok(irbuilder::comm(here, info, rt));
    }
    let args = here.code.list(info.args);
    let arg = |index: usize| here.get(args[index]);
    let undefined = |ub| Ok(Flow::Stop(Event::Undefined(ub)));
    let word = match info.inst {
        CommInst::NewStack => return new_stack(here, info, pc, codes, current, rt, thread),
        CommInst::KillStack => return Ok(kill_stack(StackRef(arg(0)), rt)),
        CommInst::ThreadExit => {
            rt.stacks.kill(thread.stack);
            return Ok(Flow::Stop(Event::ThreadExit));
        }
        CommInst::CurrentStack => thread.stack.0,
        CommInst::SetThreadlocal => {
            thread.threadlocal = arg(0);
            return Ok(Flow::Next);
        }
        CommInst::GetThreadlocal => thread.threadlocal,
        CommInst::Tr64IsFp => tagref::is_fp(arg(0)).into(),
        CommInst::Tr64IsInt => tagref::is_int(arg(0)).into(),
        CommInst::Tr64IsRef => tagref::is_ref(arg(0)).into(),
        CommInst::Tr64FromFp => tagref::from_fp(f64::from_bits(arg(0))),
        CommInst::Tr64FromInt => tagref::from_int(arg(0)),
        CommInst::Tr64FromRef => tagref::from_ref(arg(0), arg(1)),
        CommInst::Tr64ToFp if tagref::is_fp(arg(0)) => tagref::to_fp(arg(0)).to_bits(),
        CommInst::Tr64ToInt if tagref::is_int(arg(0)) => tagref::to_int(arg(0)),
        CommInst::Tr64ToRef if tagref::is_ref(arg(0)) => tagref::to_ref(arg(0)),
        CommInst::Tr64ToTag if tagref::is_ref(arg(0)) => tagref::to_tag(arg(0)),
        CommInst::Tr64ToFp | CommInst::Tr64ToInt | CommInst::Tr64ToRef | CommInst::Tr64ToTag => {
            return undefined(Ub::WrongTagrefState);
        }
        CommInst::NativePin => {
            // From now on the object neither moves nor goes away, so the address is good.
            thread.pins.push(arg(0));
            arg(0)
        }
        CommInst::NativeUnpin => match thread.pins.iter().rposition(|&pin| pin == arg(0)) {
            Some(at) => {
                thread.pins.swap_remove(at);
                return Ok(Flow::Next);
            }
            None => return undefined(Ub::UnmatchedUnpin),
        },
        CommInst::NativeGetAddr => arg(0),
        CommInst::FutexWait
        | CommInst::FutexWaitTimeout
        | CommInst::FutexWake
        | CommInst::FutexCmpRequeue => return Ok(threads::futex(here, info, rt, thread)),
        CommInst::MetaIdOf
        | CommInst::MetaNameOf
        | CommInst::MetaLoadBundle
        | CommInst::MetaLoadHail
        | CommInst::MetaNewCursor
        | CommInst::MetaNextFrame
        | CommInst::MetaCopyCursor
        | CommInst::MetaCloseCursor
        | CommInst::MetaCurFunc
        | CommInst::MetaCurFuncVer
        | CommInst::MetaCurInst
        | CommInst::MetaDumpKeepalives
        | CommInst::MetaPopFramesTo
        | CommInst::MetaPushFrame
        | CommInst::MetaEnableWatchpoint
        | CommInst::MetaDisableWatchpoint
        | CommInst::MetaSetTrapHandler => return metacircular(here, info, pc, codes, current, rt, thread),
        other => return Ok(Flow::Stop(Event::Unsupported(format!("{} on the interpreter", other.name())))),
    };
    if let Some(&result) = here.code.list(info.results).first() {
        here.set(result, word);
    }
    Ok(Flow::Next)
}

/// `@uvm.meta.*`. The instructions that allocate do not collect in the middle: when there is no room, everything is
/// collected and the instruction is done again.
fn metacircular(
    here: &Here<'_>,
    info: &CommInfo,
    pc: usize,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Result<Flow, FuncId> {
    let flow = metacircular::comm(here, info, codes, current, rt)?;
    if !matches!(flow, Flow::Stop(Event::Undefined(Ub::AllocationFailed))) {
        return Ok(flow);
    }
    save(rt, thread, here.region, here.fp, pc);
    let plan = Plan { cause: Cause::Limit, defragment: true, needed_bytes: 0 };
    rt.collect(Some(thread), &Maps(codes), plan);
    metacircular::comm(here, info, codes, current, rt)
}

/// `@uvm.new_stack`
fn new_stack(
    here: &Here<'_>,
    info: &CommInfo,
    pc: usize,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Result<Flow, FuncId> {
    let word = here.get(here.code.list(info.args)[0]);
    let func = func_of_word(word, rt.funcs.len())
        .filter(|&func| info.sig.is_some_and(|sig| rt.sig_fits(rt.func(func).sig, sig)));
    let Some(func) = func else { return Ok(Flow::Stop(Event::Undefined(Ub::BadCallee))) };
    if codes.get(current[func.index()] as usize).is_none() {
        return Err(func);
    }
    let failed = Flow::failed(info.exc, Ub::CreationFailed);
    save(rt, thread, here.region, here.fp, pc);
    let Ok(stack) = rt.create_stack(Some(thread), &Maps(codes)) else { return Ok(failed) };
    if !push_fresh(codes, current, rt, stack, func) {
        rt.stacks.kill(stack);
        return Ok(failed);
    }
    here.set(here.code.list(info.results)[0], stack.0);
    Ok(Flow::normal(info.nor))
}

/// `@uvm.kill_stack`
fn kill_stack(stack: StackRef, rt: &mut Runtime) -> Flow {
    match rt.stacks.get(stack).map(|stack| stack.state) {
        Some(StackState::Ready) if rt.config.checked && rt.stacks.has_open_cursors(stack) => {
            Flow::Stop(Event::Undefined(Ub::OpenCursor))
        }
        Some(StackState::Ready) => {
            rt.stacks.kill(stack);
            Flow::Next
        }
        Some(StackState::Active | StackState::Dead) | None => Flow::Stop(Event::Undefined(Ub::BadKill)),
    }
}
