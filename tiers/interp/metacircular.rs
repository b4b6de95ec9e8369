//! Mu programs as their own client: names and ids, loading, frame cursors, on-stack replacement, watchpoints, the trap
//! handler (common-insts, "Metacircular Client Interface"; threads-stacks, "Stack Introspection" and "On-stack
//! Replacement").
//!
//! The instructions here do what the client's functions of the same names do, by the same functions: cursors live in
//! the table of [`mu_rt::stack`], objects are made by [`mu_rt::meta`], frames are looked at and pushed by
//! [`crate::frames`]. Loading needs the parsers, which a tier does not see, so it is an [`Event`] for the driver.

use crate::code::{Code, CommInfo};
use crate::exec::{Flow, Here};
use crate::frames::{self, PushFailure};
use mu_ir::ids::{FuncId, MuId};
use mu_ir::table::MetaInst;
use mu_ir::ub::Ub;
use mu_rt::runtime::{MuTrapHandler, Runtime};
use mu_rt::stack::StackRef;
use mu_rt::thread::Event;
use mu_rt::words::func_of_word;
use std::sync::Arc;

/// Executes one of the `@uvm.meta.*` instructions. `Err` names a function that must be decoded first.
pub(crate) fn comm(
    here: &Here<'_>,
    info: &CommInfo,
    inst: MetaInst,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
) -> Result<Flow, FuncId> {
    let args = here.code.list(info.args);
    let arg = |index: usize| here.get(args[index]);
    let outcome = match inst {
        MetaInst::MetaIdOf => id_of(rt, arg(0)),
        MetaInst::MetaNameOf => name_of(rt, arg(0) as u32),
        MetaInst::MetaLoadBundle => return Ok(load(rt, arg(0), false)),
        MetaInst::MetaLoadHail => return Ok(load(rt, arg(0), true)),
        MetaInst::MetaNewCursor => rt.stacks.new_cursor(StackRef(arg(0))),
        MetaInst::MetaNextFrame => rt.stacks.next_frame(arg(0)).map(|()| 0),
        MetaInst::MetaCopyCursor => rt.stacks.copy_cursor(arg(0)),
        MetaInst::MetaCloseCursor => rt.stacks.close_cursor(arg(0)).map(|()| 0),
        MetaInst::MetaCurFunc => frame_ids(codes, rt, arg(0)).map(|ids| ids.func.0.into()),
        MetaInst::MetaCurFuncVer => frame_ids(codes, rt, arg(0)).map(|ids| ids.version.0.into()),
        MetaInst::MetaCurInst => frame_ids(codes, rt, arg(0)).map(|ids| ids.inst.0.into()),
        MetaInst::MetaDumpKeepalives => dump_keepalives(codes, rt, arg(0)),
        MetaInst::MetaPopFramesTo => {
            let close_others = !rt.config.checked;
            rt.stacks.pop_frames_to(arg(0), close_others).map(|()| 0)
        }
        MetaInst::MetaPushFrame => return push_frame(arg(0), arg(1), info, codes, current, rt),
        MetaInst::MetaEnableWatchpoint => rt.set_watchpoint(arg(0) as u32, true).map(|()| 0),
        MetaInst::MetaDisableWatchpoint => rt.set_watchpoint(arg(0) as u32, false).map(|()| 0),
        MetaInst::MetaSetTrapHandler => set_trap_handler(rt, arg(0), arg(1)).map(|()| 0),
    };
    Ok(match outcome {
        Ok(word) => {
            if let Some(&result) = here.code.list(info.results).first() {
                here.set(result, word);
            }
            Flow::Next
        }
        Err(ub) => Flow::Stop(Event::Undefined(ub)),
    })
}

/// `@uvm.meta.id_of`. NULL is no name.
fn id_of(rt: &Runtime, name: u64) -> Result<u64, Ub> {
    if name == 0 {
        return Err(Ub::UnknownId);
    }
    let bytes = rt.read_bytes(name)?;
    let name = std::str::from_utf8(&bytes).map_err(|_| Ub::UnknownId)?;
    rt.program.id_of(name).map(|id| id.0.into()).ok_or(Ub::UnknownId)
}

/// `@uvm.meta.name_of`: NULL for what exists without a name.
fn name_of(rt: &Runtime, id: u32) -> Result<u64, Ub> {
    rt.program.entity(MuId(id)).ok_or(Ub::UnknownId)?;
    match rt.program.name_of(MuId(id)) {
        Some(name) => rt.new_bytes(name.as_bytes()).ok_or(Ub::AllocationFailed),
        None => Ok(0),
    }
}

/// `@uvm.meta.load_bundle` and `@uvm.meta.load_hail`.
fn load(rt: &Runtime, text: u64, hail: bool) -> Flow {
    Flow::Stop(match rt.read_bytes(text) {
        Ok(text) => Event::Load { hail, text },
        Err(ub) => Event::Undefined(ub),
    })
}

fn frame_ids(codes: &[Arc<Code>], rt: &Runtime, cursor: u64) -> Result<frames::FrameIds, Ub> {
    Ok(frames::ids(codes, rt, &rt.stacks.cursor(cursor)?))
}

fn dump_keepalives(codes: &[Arc<Code>], rt: &Runtime, cursor: u64) -> Result<u64, Ub> {
    let values = frames::keepalives(codes, rt, &rt.stacks.cursor(cursor)?);
    rt.new_boxes(&values).ok_or(Ub::AllocationFailed)
}

/// `@uvm.meta.push_frame`
fn push_frame(
    stack: u64,
    func: u64,
    info: &CommInfo,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
) -> Result<Flow, FuncId> {
    let func = func_of_word(func, rt.funcs.len())
        .filter(|&func| info.sig.is_some_and(|sig| rt.sig_fits(rt.func(func).sig, sig)));
    let Some(func) = func else { return Ok(Flow::Stop(Event::Undefined(Ub::BadCallee))) };
    match frames::push_frame(codes, current, rt, StackRef(stack), func) {
        Ok(()) => Ok(Flow::Next),
        Err(PushFailure::NeedCode) => Err(func),
        Err(PushFailure::Undefined(ub)) => Ok(Flow::Stop(Event::Undefined(ub))),
    }
}

/// `@uvm.meta.set_trap_handler`
fn set_trap_handler(rt: &mut Runtime, handler: u64, userdata: u64) -> Result<(), Ub> {
    let sig = rt.program.types.canon_sig(rt.program.predefined.trap_handler_sig);
    let func = func_of_word(handler, rt.funcs.len()).filter(|&func| rt.func(func).sig == sig);
    rt.trap_handler = Some(MuTrapHandler { func: func.ok_or(Ub::BadCallee)?, userdata });
    Ok(())
}
