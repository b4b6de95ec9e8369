//! Frames seen from outside: pushing them, and what a cursor can tell about them
//! (threads-stacks, "Stack Introspection" and "On-stack Replacement").

use crate::Interp;
use crate::code::{Code, CodeOf};
use crate::control_flow;
use crate::exec::write_constants;
use mu_ir::ids::{BlockIdx, FuncId, FuncVerId, InstIdx, MuId, TypeId};
use mu_ir::inst::Value;
use mu_ir::ub::Ub;
use mu_rt::heap::FrameMaps;
use mu_rt::layout::LeafKind;
use mu_rt::runtime::Runtime;
use mu_rt::stack::{FrameCursor, FrameState, LINKAGE_BYTES, NewStackError, RESUME_INTERPRETED, StackRef};
use mu_rt::thread::{Event, Resumption, Thread};
use std::sync::Arc;

/// Where a frame stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FramePlace {
    /// The function.
    pub func: FuncId,
    /// The version; `None` for the hidden version of an undefined function.
    pub version: Option<FuncVerId>,
    /// The instruction; `None` for hidden versions and frames that have never run.
    pub inst: Option<(BlockIdx, InstIdx)>,
}

/// The maps of interpreter frames, for the collector.
pub(crate) struct Maps<'a>(pub &'a [Arc<crate::code::Code>]);

impl FrameMaps for Maps<'_> {
    fn frame_map(&self, code: u32, pc: u64) -> Option<(u32, &[(u32, LeafKind)])> {
        let code = self.0.get(code as usize)?;
        Some((code.slot_count, code.live_roots(pc)))
    }
}

/// A typed value: its words.
pub type TypedWords = (TypeId, Vec<u64>);

impl Interp {
    /// Makes a stack whose bottom frame waits for the parameters of `func`.
    pub fn new_stack(&mut self, rt: &mut Runtime, func: FuncId) -> Result<StackRef, NewStackFailure> {
        self.prepare(rt, func).map_err(NewStackFailure::Event)?;
        rt.collect_stacks(None, &Maps(&self.codes));
        let stack = rt.stacks.create().map_err(NewStackFailure::Stack)?;
        if push_fresh(&self.codes, &self.current, rt, stack, func) {
            Ok(stack)
        } else {
            rt.stacks.kill(stack);
            Err(NewStackFailure::FrameTooLarge)
        }
    }

    /// Binds a thread to a stack (threads-stacks, "Binding").
    ///
    /// # Errors
    /// [`Ub::BadBinding`] if the stack is not READY for this, [`Ub::OpenCursor`] if a frame cursor on it is open.
    pub fn bind(
        &self,
        rt: &Runtime,
        thread: &mut Thread,
        stack: StackRef,
        resumption: &Resumption,
    ) -> Result<Option<Event>, Ub> {
        let claim = control_flow::check_bind(&self.codes, rt, stack, resumption.into())?;
        Ok(control_flow::bind(&self.codes, rt, thread, claim, stack, resumption.into()))
    }

    /// The types the top frame of a READY stack waits for (representatives).
    pub fn expected_types<'a>(&'a self, rt: &'a Runtime, stack: StackRef) -> Option<&'a [TypeId]> {
        control_flow::expected_types(&self.codes, rt.stacks.get(stack)?)
    }

    /// Where the frame of a cursor stands.
    pub fn place(&self, cursor: &FrameCursor) -> Option<FramePlace> {
        place(&self.codes, cursor)
    }

    /// The ids that tell where the frame of a cursor stands.
    pub fn ids(&self, rt: &Runtime, cursor: &FrameCursor) -> FrameIds {
        ids(&self.codes, rt, cursor)
    }

    /// The keep-alive variables of the current instruction of a frame; the arguments of an undefined function.
    pub fn keepalives(&self, rt: &Runtime, cursor: &FrameCursor) -> Vec<TypedWords> {
        keepalives(&self.codes, rt, cursor)
    }

    /// Pushes a frame that has never run on a READY stack (`push_frame`).
    pub fn push_frame(
        &mut self,
        rt: &mut Runtime,
        stack: StackRef,
        func: FuncId,
    ) -> Result<(), PushFrameFailure> {
        self.prepare(rt, func).map_err(PushFrameFailure::Event)?;
        push_frame(&self.codes, &self.current, rt, stack, func).map_err(|failure| match failure {
            PushFailure::Undefined(ub) => PushFrameFailure::Undefined(ub),
            // It was decoded a moment ago.
            PushFailure::NeedCode => PushFrameFailure::Undefined(Ub::BadCallee),
        })
    }

    /// Goes on behind the instruction the top frame of a running stack stands at, which the driver has completed.
    pub fn complete_instruction(&self, rt: &Runtime, thread: &Thread) {
        if let Some(stack) = rt.stacks.get(thread.stack) {
            let (region, fp) = (stack.region(), stack.top_fp());
            region.set_pc(fp, region.pc(fp) + 1);
        }
    }
}

/// Why a frame could not be pushed.
#[derive(Debug)]
pub enum PushFrameFailure {
    /// A program doing this would be undefined: the stack is not READY, or its top frame waits for other types than
    /// the function returns, or the frame does not fit.
    Undefined(Ub),
    /// The function cannot be decoded.
    Event(Event),
}

/// The ids of where a frame stands; 0 for what it has not (common-insts, "Stack introspection").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameIds {
    /// `cur_func`
    pub func: MuId,
    /// `cur_func_ver`: 0 while the function is undefined.
    pub version: MuId,
    /// `cur_inst`: 0 in frames that have never run and in frames of undefined functions.
    pub inst: MuId,
}

/// Where the frame of a cursor stands.
pub(crate) fn place(codes: &[Arc<Code>], cursor: &FrameCursor) -> Option<FramePlace> {
    let code = codes.get(cursor.code() as usize)?;
    let version = match code.of {
        CodeOf::Version(ver) => Some(ver),
        CodeOf::Undefined(_) => None,
    };
    let inst = match cursor.state() {
        FrameState::Fresh | FrameState::Native => None,
        FrameState::AtInstruction => code.places.get(cursor.pc() as usize).copied(),
    };
    Some(FramePlace { func: code.func, version, inst })
}

/// The ids that tell where the frame of a cursor stands.
pub(crate) fn ids(codes: &[Arc<Code>], rt: &Runtime, cursor: &FrameCursor) -> FrameIds {
    let Some(place) = place(codes, cursor) else { return FrameIds::default() };
    let mut ids = FrameIds { func: rt.program.funcs[place.func.index()].id, ..FrameIds::default() };
    if let Some(version) = place.version {
        let version = &rt.program.func_vers[version.index()];
        ids.version = version.id;
        if let Some((block, inst)) = place.inst {
            ids.inst = version.blocks[block.index()].insts[inst.index()].name;
        }
    }
    ids
}

/// The keep-alive variables of the current instruction of a frame; the arguments of an undefined function. A frame that
/// has never run has neither.
pub(crate) fn keepalives(codes: &[Arc<Code>], rt: &Runtime, cursor: &FrameCursor) -> Vec<TypedWords> {
    let Some(place) = place(codes, cursor) else { return Vec::new() };
    let Some(code) = codes.get(cursor.code() as usize) else { return Vec::new() };
    if cursor.state() == FrameState::Fresh {
        return Vec::new();
    }
    let word = |slot| cursor.slot(code.slot_count, slot);
    let types = &rt.program.types;
    let Some(version) = place.version else {
        let params = &types.sig(rt.program.funcs[place.func.index()].sig).params;
        let mut slot = 0;
        return params
            .iter()
            .map(|&ty| {
                let words = rt.layouts.words(types, ty).unwrap_or(0);
                slot += words;
                (ty, (slot - words..slot).map(word).collect())
            })
            .collect();
    };
    let Some((block, inst)) = place.inst else { return Vec::new() };
    let version = Arc::clone(&rt.program.func_vers[version.index()]);
    let inst = &version.blocks[block.index()].insts[inst.index()];
    let values = inst.keepalives.iter().flatten();
    values
        .filter_map(|value| match value {
            Value::Local(var) => {
                let base = code.var_slots[var.index()];
                let words = code.var_words[var.index()];
                Some((version.vars[var.index()].ty, (base..base + words).map(word).collect()))
            }
            Value::Const(_) | Value::Global(_) | Value::Func(_) | Value::Expose(_) => None,
        })
        .collect()
}

/// Why a stack could not be made.
#[derive(Debug)]
pub enum NewStackFailure {
    /// No memory, or too many stacks.
    Stack(NewStackError),
    /// The bottom frame does not fit a stack.
    FrameTooLarge,
    /// There is no function with this id.
    NoFunction,
    /// The function cannot be decoded.
    Event(Event),
}

/// Pushes a frame that has never run on an unbound stack. False if it does not fit.
pub(crate) fn push_fresh(
    codes: &[Arc<crate::code::Code>],
    current: &[u32],
    rt: &Runtime,
    stack: StackRef,
    func: FuncId,
) -> bool {
    let Some(entry) = rt.stacks.get(stack) else { return false };
    let region = entry.region();
    let below = entry.top_fp();
    let sp = if below == 0 { region.end() } else { region.sp(below) };
    let Ok(callee) = crate::exec::enter(codes, current, region, sp, func) else { return false };
    let fp = sp - LINKAGE_BYTES;
    region.write_frame(fp, below, RESUME_INTERPRETED, callee.number, FrameState::Fresh, callee.sp);
    write_constants(callee.code, region.slots(fp, callee.code.slot_count));
    entry.set_top_fp(fp);
    true
}

/// Why a frame could not be pushed now.
pub(crate) enum PushFailure {
    /// The function must be decoded first.
    NeedCode,
    /// A program doing this is undefined.
    Undefined(Ub),
}

/// `push_frame`: pushes a frame that has never run on a READY stack whose top frame waits for what the function returns.
pub(crate) fn push_frame(
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &Runtime,
    stack: StackRef,
    func: FuncId,
) -> Result<(), PushFailure> {
    let bad = PushFailure::Undefined(Ub::BadIntrospection);
    let Some(claim) = rt.stacks.claim(stack) else { return Err(bad) };
    let number = current.get(func.index()).map(|&number| number as usize);
    let code = number.and_then(|number| codes.get(number)).ok_or(PushFailure::NeedCode)?;
    if control_flow::expected_types(codes, claim.stack()) != Some(&*code.ret_types) {
        return Err(bad);
    }
    match push_fresh(codes, current, rt, stack, func) {
        true => Ok(()),
        false => Err(PushFailure::Undefined(Ub::StackOverflow)),
    }
}
