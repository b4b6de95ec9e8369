//! Traps, SWAPSTACK, and the common instructions on stacks, threads, tagged references and pins
//! (instruction-set, "Traps and Watchpoints", "Thread and Stack"; common-insts).

use crate::code::{Code, CommInfo, SwapInfo};
use crate::control_flow::{self, Passing};
use crate::exec::{AloneInstruction, Cx, Flow, Here};
use crate::frames::{Maps, push_fresh};
use crate::metacircular;
use crate::native_calls;
use crate::threads;
use mu_ir::ids::FuncId;
use mu_ir::semantics::tagref;
use mu_ir::table::{CommFamily, MetaInst, MiscInst, NativeInst, ThreadInst, Tr64Inst};
use mu_ir::ub::Ub;
use mu_rt::heap::{Cause, Plan};
use mu_rt::runtime::Runtime;
use mu_rt::stack::{NewStackError, Stack, StackRef};
use mu_rt::thread::{Event, Thread, TrapCause};
use mu_rt::words::func_of_word;
use smallvec::SmallVec;
use std::sync::Arc;

/// Leaves the frame where it stands, and the stack READY: from now on any thread may be bound to it.
fn pause(here: &Here<'_>, pc: usize, stack: &Stack) {
    here.region.set_pc(here.fp, pc as u64);
    stack.pause(here.fp);
}

/// WATCHPOINT; `None` if it is disabled.
pub(crate) fn watchpoint(
    here: &Here<'_>,
    pc: usize,
    cx: &Cx<'_>,
    thread: &mut Thread,
    wpid: u32,
) -> Option<Flow> {
    cx.rt.is_enabled(wpid).then(|| trap(here, pc, cx.stack, thread, TrapCause::Watchpoint(wpid)))
}

/// TRAP, an enabled WATCHPOINT, or the trap of an undefined function. From here on the stack is not the thread's any more.
pub(crate) fn trap(here: &Here<'_>, pc: usize, stack: &Stack, thread: &mut Thread, cause: TrapCause) -> Flow {
    thread.is_bound = false;
    pause(here, pc, stack);
    Flow::Stop(Event::Trap(cause))
}

/// SWAPSTACK
pub(crate) fn swap_stack(
    here: &Here<'_>,
    info: &SwapInfo,
    pc: usize,
    cx: &Cx<'_>,
    thread: &mut Thread,
) -> Flow {
    let swappee = StackRef(here.get(info.swappee));
    let words: SmallVec<[u64; 8]> = here.code.list(info.values).iter().map(|&slot| here.get(slot)).collect();
    let passing = match info.throw {
        true => Passing::Exception(words.first().copied().unwrap_or(0)),
        false => Passing::Values(&info.passes, &words),
    };
    // The current stack is ACTIVE, so swapping to it is refused like any other stack that is not READY.
    let claim = match control_flow::check_bind(cx.codes, cx.rt, swappee, passing) {
        Ok(claim) => claim,
        Err(ub) => return Flow::Stop(Event::Undefined(ub)),
    };
    if info.kill_old {
        cx.rt.stacks.kill(thread.stack);
    } else {
        pause(here, pc, cx.stack);
    }
    match control_flow::bind(cx.codes, cx.rt, thread, claim, swappee, passing) {
        Some(event) => Flow::Stop(event),
        None => Flow::Reload,
    }
}

/// COMMINST
pub(crate) fn comm(here: &Here<'_>, number: u32, cx: &Cx<'_>, thread: &mut Thread) -> Result<Flow, FuncId> {
    let info = &here.code.comms[number as usize];
    let args = here.code.list(info.args);
    let arg = |index: usize| here.get(args[index]);
    let undefined = |ub| Ok(Flow::Stop(Event::Undefined(ub)));
    let word = match info.inst {
        CommFamily::Thread(inst) => match inst {
            ThreadInst::NewStack => return new_stack(here, number, info, cx),
            ThreadInst::KillStack => return Ok(kill_stack(StackRef(arg(0)), cx.rt)),
            ThreadInst::ThreadExit => {
                cx.rt.stacks.kill(thread.stack);
                return Ok(Flow::Stop(Event::ThreadExit));
            }
            ThreadInst::CurrentStack => thread.stack.0,
            ThreadInst::SetThreadlocal => {
                thread.threadlocal = arg(0);
                return Ok(Flow::Next);
            }
            ThreadInst::GetThreadlocal => thread.threadlocal,
        },
        CommFamily::Tr64(inst) => match tr64(inst, arg(0), || arg(1)) {
            Some(word) => word,
            None => return undefined(Ub::WrongTagrefState),
        },
        CommFamily::Futex(inst) => return Ok(threads::futex(here, info, inst, cx, thread)),
        // Decoded to a copy, whatever the number of words: not executed here.
        CommFamily::Misc(MiscInst::KillDependency) => arg(0),
        CommFamily::Native(inst) => match inst {
            NativeInst::NativePin => {
                // From now on the object neither moves nor goes away, so the address is good.
                thread.pins.push(arg(0));
                arg(0)
            }
            NativeInst::NativeUnpin => match thread.pins.iter().rposition(|&pin| pin == arg(0)) {
                Some(at) => {
                    thread.pins.swap_remove(at);
                    return Ok(Flow::Next);
                }
                None => return undefined(Ub::UnmatchedUnpin),
            },
            NativeInst::NativeGetAddr => arg(0),
            NativeInst::NativeExpose => match expose(cx.rt, arg(0), info, arg(1)) {
                Ok(address) => address,
                Err(event) => return Ok(Flow::Stop(event)),
            },
            NativeInst::NativeUnexpose => match cx.rt.native.unexpose(arg(0)) {
                true => return Ok(Flow::Next),
                false => return undefined(Ub::BadNativeCallee),
            },
            NativeInst::NativeGetCookie => native_calls::cookie(here, cx.stack),
        },
        CommFamily::Meta(inst) => return Ok(Flow::Alone(AloneInstruction::Meta(number, inst))),
        CommFamily::Builder(inst) => return Ok(Flow::Alone(AloneInstruction::IrBuilder(number, inst))),
    };
    if let Some(&result) = here.code.list(info.results).first() {
        here.set(result, word);
    }
    Ok(Flow::Next)
}

/// `@uvm.tr64.*` on the words of the operands; `None` if the tagged reference does not hold what is wanted.
fn tr64(inst: Tr64Inst, word: u64, second: impl Fn() -> u64) -> Option<u64> {
    Some(match inst {
        Tr64Inst::Tr64IsFp => tagref::is_fp(word).into(),
        Tr64Inst::Tr64IsInt => tagref::is_int(word).into(),
        Tr64Inst::Tr64IsRef => tagref::is_ref(word).into(),
        Tr64Inst::Tr64FromFp => tagref::from_fp(f64::from_bits(word)),
        Tr64Inst::Tr64FromInt => tagref::from_int(word),
        Tr64Inst::Tr64FromRef => tagref::from_ref(word, second()),
        Tr64Inst::Tr64ToFp => return tagref::is_fp(word).then(|| tagref::to_fp(word).to_bits()),
        Tr64Inst::Tr64ToInt => return tagref::is_int(word).then(|| tagref::to_int(word)),
        Tr64Inst::Tr64ToRef => return tagref::is_ref(word).then(|| tagref::to_ref(word)),
        Tr64Inst::Tr64ToTag => return tagref::is_ref(word).then(|| tagref::to_tag(word)),
    })
}

/// `@uvm.native.expose`
fn expose(rt: &Runtime, func: u64, info: &CommInfo, cookie: u64) -> Result<u64, Event> {
    let func = func_of_word(func, rt.funcs.len()).filter(|&func| Some(rt.func(func).sig) == info.sig);
    let func = func.ok_or(Event::Undefined(Ub::BadCallee))?;
    rt.expose(func, cookie).map_err(|failure| Event::Unsupported(format!("@uvm.native.expose: {failure}")))
}

/// `@uvm.meta.*`. The instructions that allocate do not collect in the middle: when there is no room, everything is
/// collected and the instruction is done again.
pub(crate) fn metacircular(
    here: &Here<'_>,
    info: &CommInfo,
    inst: MetaInst,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Result<Flow, FuncId> {
    let flow = metacircular::comm(here, info, inst, codes, current, rt)?;
    if !matches!(flow, Flow::Stop(Event::Undefined(Ub::AllocationFailed))) {
        return Ok(flow);
    }
    let plan = Plan { cause: Cause::Limit, defragment: true, needed_bytes: 0 };
    rt.collect(Some(thread), &Maps(codes), plan);
    metacircular::comm(here, info, inst, codes, current, rt)
}

/// `@uvm.new_stack`. Only if there are many stacks, unreachable ones are looked for first.
fn new_stack(here: &Here<'_>, number: u32, info: &CommInfo, cx: &Cx<'_>) -> Result<Flow, FuncId> {
    let word = here.get(here.code.list(info.args)[0]);
    let func = func_of_word(word, cx.rt.funcs.len())
        .filter(|&func| info.sig.is_some_and(|sig| cx.rt.sig_fits(cx.rt.func(func).sig, sig)));
    let Some(func) = func else { return Ok(Flow::Stop(Event::Undefined(Ub::BadCallee))) };
    if cx.codes.get(cx.current[func.index()] as usize).is_none() {
        return Err(func);
    }
    if cx.rt.stacks.wants_collection() {
        return Ok(Flow::Alone(AloneInstruction::NewStack(number)));
    }
    // Others may have made the last stacks there was room for.
    let made = make_stack(here, info, cx.codes, cx.current, cx.rt, func);
    Ok(made.unwrap_or(Flow::Alone(AloneInstruction::NewStack(number))))
}

/// `@uvm.new_stack` when unreachable stacks are to be killed first. `Err` names a function that must be decoded: another
/// thread may have loaded something since the instruction stopped.
pub(crate) fn new_stack_collecting(
    here: &Here<'_>,
    info: &CommInfo,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Result<Flow, FuncId> {
    let Some(func) = func_of_word(here.get(here.code.list(info.args)[0]), rt.funcs.len()) else {
        return Ok(Flow::Stop(Event::Undefined(Ub::BadCallee)));
    };
    if codes.get(current[func.index()] as usize).is_none() {
        return Err(func);
    }
    rt.collect_stacks(Some(thread), &Maps(codes));
    let made = make_stack(here, info, codes, current, rt, func);
    Ok(made.unwrap_or_else(|_| Flow::failed(info.exc, Ub::CreationFailed)))
}

fn make_stack(
    here: &Here<'_>,
    info: &CommInfo,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &Runtime,
    func: FuncId,
) -> Result<Flow, NewStackError> {
    let stack = rt.stacks.create()?;
    if !push_fresh(codes, current, rt, stack, func) {
        rt.stacks.kill(stack);
        return Ok(Flow::failed(info.exc, Ub::CreationFailed));
    }
    here.set(here.code.list(info.results)[0], stack.0);
    Ok(Flow::normal(info.nor))
}

/// `@uvm.kill_stack`
fn kill_stack(stack: StackRef, rt: &Runtime) -> Flow {
    let Some(claim) = rt.stacks.claim(stack) else { return Flow::Stop(Event::Undefined(Ub::BadKill)) };
    if rt.config.checked && rt.stacks.has_open_cursors(stack) {
        return Flow::Stop(Event::Undefined(Ub::OpenCursor));
    }
    rt.stacks.kill(stack);
    drop(claim);
    Flow::Next
}
