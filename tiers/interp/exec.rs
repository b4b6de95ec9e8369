//! The loop: one match over [`Instr`].
//!
//! The state of the running frame lives in local variables: its code, its slots, `fp`, `sp` and `pc`. Whenever
//! control leaves the frame (a call, a trap, a switch, an event) `pc` is written to the frame, so that at any other
//! time all of a stack's state is in its memory. Instructions that cannot change the frame are done here; the others
//! are functions of the chapter files and answer with a [`Flow`].
//!
//! Many threads run this loop at the same time, so it only shares the runtime ([`Cx`]). What needs it alone (a collection,
//! decoding, looking into other stacks) stops the loop with the frame saved: [`Alone`] says what is to be done.
//!
//! Every IR instruction counts one in `Thread::executed` and takes one unit of fuel.

use crate::code::{Code, Instr, NONE, Slot};
use crate::control_flow::{self, Entered};
use crate::{Tracer, aggregates, basic_operations, memory_operations, native_calls, stacks, threads};
use mu_ir::ids::FuncId;
use mu_ir::semantics::{conv, float, int};
use mu_ir::table::{BuilderInst, MetaInst};
use mu_ir::ub::Ub;
use mu_rt::runtime::Runtime;
use mu_rt::stack::{CellsFrom, FRAME_HEADER_BYTES, LINKAGE_BYTES, Region, Stack};
use mu_rt::thread::{Event, Thread, TrapCause};
use std::cell::Cell;
use std::sync::Arc;

/// Why a thread stopped running.
#[derive(Debug)]
pub enum Stop {
    /// Something for the driver.
    Event(Event),
    /// Something that can only be done while no thread runs: see [`crate::Interp::alone`].
    Alone(Alone),
    /// Native code shall run: see [`crate::Interp::begin_native`].
    Native(NativeStep),
}

/// What native code shall do.
#[derive(Debug)]
pub enum NativeStep {
    /// Run the function of the CCALL that the top frame stands at.
    Call,
    /// Go on with the result of a callback: the top frame is a native one.
    Finish(Vec<u64>),
}

/// What is to be done while no thread runs. The frame of the thread is saved.
#[derive(Clone, Copy, Debug)]
pub enum Alone {
    /// Something was loaded, and what is known of functions may be old.
    Refresh,
    /// A function must be decoded, then the instruction be done again.
    Decode(FuncId),
    /// The stress mode `safepoint` looks at the next instruction.
    Safepoint,
    /// The function that native code called back must be decoded.
    Callback,
    /// The instruction that the frame stands at, which was counted.
    Instruction(AloneInstruction),
}

/// Instructions that are executed while no thread runs, with their operands' number in the code.
#[derive(Clone, Copy, Debug)]
pub enum AloneInstruction {
    /// NEW or NEWHYBRID that may collect.
    New(u32),
    /// `@uvm.new_stack` that may collect.
    NewStack(u32),
    /// `@uvm.meta.*`
    Meta(u32, MetaInst),
    /// `@uvm.irbuilder.*`
    IrBuilder(u32, BuilderInst),
}

/// What the instructions of a running thread see around their frame.
pub(crate) struct Cx<'a> {
    pub codes: &'a [Arc<Code>],
    /// What a call of each function runs now; [`NONE`] if not known.
    pub current: &'a [u32],
    pub rt: &'a Runtime,
    /// The stack the thread is bound to.
    pub stack: &'a Stack,
    pub cells: CellsFrom<'a>,
}

/// The running frame, for instructions that live in other files.
pub struct Here<'a> {
    /// Its code.
    pub code: &'a Code,
    /// Its slots.
    pub slots: &'a [Cell<u64>],
    /// The memory of its stack.
    pub region: &'a Region,
    /// Its frame pointer.
    pub fp: u64,
}

impl Here<'_> {
    /// Reads a slot.
    #[inline]
    pub fn get(&self, slot: Slot) -> u64 {
        self.slots[slot as usize].get()
    }

    /// Writes a slot.
    #[inline]
    pub fn set(&self, slot: Slot, word: u64) {
        self.slots[slot as usize].set(word);
    }

    /// Reads a 128-bit integer.
    #[inline]
    pub fn get_wide(&self, slot: Slot) -> u128 {
        u128::from(self.get(slot)) | u128::from(self.get(slot + 1)) << 64
    }

    /// Writes a 128-bit integer.
    #[inline]
    pub fn set_wide(&self, slot: Slot, value: u128) {
        self.set(slot, value as u64);
        self.set(slot + 1, (value >> 64) as u64);
    }
}

/// How execution goes on after an instruction.
pub(crate) enum Flow {
    /// With the next instruction.
    Next,
    /// Along an edge.
    Edge(u32),
    /// Along an edge to a block that receives this exception.
    Exceptional(u32, u64),
    /// In the top frame of the stack the thread is bound to now; the frame has its pc.
    Reload,
    /// With this instruction, as soon as no thread runs.
    Alone(AloneInstruction),
    /// With the native function of this CCALL.
    NativeCall,
    /// With the native code that waits for these results; the native frame is the top frame.
    NativeReturn(Vec<u64>),
    /// Not.
    Stop(Event),
}

impl Flow {
    /// Continues normally: along the normal edge if there is an exception clause.
    #[inline]
    pub fn normal(nor: u32) -> Flow {
        if nor == NONE { Flow::Next } else { Flow::Edge(nor) }
    }

    /// Continues exceptionally without an exception object: NULL, or undefined behaviour without a clause.
    pub fn failed(exc: u32, ub: Ub) -> Flow {
        if exc == NONE { Flow::Stop(Event::Undefined(ub)) } else { Flow::Exceptional(exc, 0) }
    }
}

macro_rules! fp_binop {
    ($slots:ident, $ty:ty, $op:path, $d:ident, $a:ident, $b:ident) => {{
        let (a, b) =
            (conv::bitcast_to_fp::<$ty>(at!($slots, $a)), conv::bitcast_to_fp::<$ty>(at!($slots, $b)));
        put!($slots, $d, conv::bitcast_to_int($op(a, b)))
    }};
}

/// Goes on with the next instruction without a [`Flow`]: the common end of the frequent instructions.
macro_rules! next {
    ($pc:ident) => {{
        $pc += 1;
        continue;
    }};
}

macro_rules! truth {
    ($slots:ident, $d:ident, $pc:ident, $value:expr) => {{
        put!($slots, $d, u64::from($value));
        next!($pc)
    }};
}

macro_rules! divided {
    ($slots:ident, $d:ident, $pc:ident, $quotient:expr) => {
        match $quotient {
            Some(word) => {
                put!($slots, $d, word);
                next!($pc)
            }
            None => Flow::Stop(Event::Undefined(Ub::DivideByZero)),
        }
    };
}

macro_rules! at {
    ($slots:ident, $slot:expr) => {
        $slots[$slot as usize].get()
    };
}

macro_rules! put {
    ($slots:ident, $slot:expr, $word:expr) => {
        $slots[$slot as usize].set($word)
    };
}

/// Whether the stress mode `safepoint` collects before this instruction.
fn is_safepoint(instr: Instr) -> bool {
    matches!(
        instr,
        Instr::Branch { .. }
            | Instr::Branch2 { .. }
            | Instr::Switch { .. }
            | Instr::Call { .. }
            | Instr::CallIndirect { .. }
            | Instr::TailCall { .. }
            | Instr::Ret { .. }
            | Instr::Throw { .. }
            | Instr::CCall { .. }
            | Instr::Alloc { .. }
            | Instr::Trap { .. }
            | Instr::Watchpoint { .. }
            | Instr::TrapUndefined { .. }
            | Instr::SwapStack { .. }
            | Instr::Comm { .. }
    )
}

/// Runs the stack of `thread` until the driver is needed. With `TRACE` each instruction is shown to the tracer, and the
/// stress mode `safepoint` works.
#[allow(
    clippy::too_many_lines,
    reason = "one arm per instruction; splitting the match would hide what it covers"
)]
pub(crate) fn run<const TRACE: bool>(
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &Runtime,
    thread: &mut Thread,
    mut tracer: Option<&mut dyn Tracer>,
) -> Stop {
    let mut budget = thread.fuel;
    let stop = 'reload: loop {
        let Some(stack) = rt.stacks.get(thread.stack) else {
            break Stop::Event(Event::Undefined(Ub::BadBinding));
        };
        let cells = CellsFrom { first: Some(stack), stacks: &rt.stacks };
        let cx = Cx { codes, current, rt, stack, cells };
        let region = &**stack.region();
        let mut fp = stack.top_fp();
        let Some(mut code) = codes.get(region.code(fp) as usize).map(|code| &**code) else {
            break Stop::Event(Event::Unsupported("a frame without code".into()));
        };
        let mut instrs = code.instrs.as_slice();
        let mut slots = region.slots(fp, code.slot_count);
        let mut sp = region.sp(fp);
        let mut pc = region.pc(fp) as usize;
        // What to do after leaving the fast loop: the instruction at `pc` was executed and answered this.
        let flow = loop {
            let instr = &instrs[pc];
            if budget == 0 {
                break Flow::Stop(Event::OutOfFuel);
            }
            if TRACE && rt.config.gc_stress.safepoint && is_safepoint(*instr) {
                if !thread.stressed {
                    thread.stressed = true;
                    save(rt, thread, region, fp, pc);
                    break 'reload Stop::Alone(Alone::Safepoint);
                }
                thread.stressed = false;
            }
            budget -= 1;
            if TRACE && let Some(tracer) = &mut tracer {
                tracer.instruction(rt, thread, &Here { code, slots, region, fp }, pc);
            }
            let flow = match *instr {
                Instr::Add { w, d, a, b } => {
                    put!(slots, d, int::add(w.into(), at!(slots, a), at!(slots, b)));
                    next!(pc);
                }
                Instr::Sub { w, d, a, b } => {
                    put!(slots, d, int::sub(w.into(), at!(slots, a), at!(slots, b)));
                    next!(pc);
                }
                Instr::Mul { w, d, a, b } => {
                    put!(slots, d, int::mul(w.into(), at!(slots, a), at!(slots, b)));
                    next!(pc);
                }
                Instr::Shl { w, d, a, b } => {
                    put!(slots, d, int::shl(w.into(), at!(slots, a), at!(slots, b)));
                    next!(pc);
                }
                Instr::LShr { w, d, a, b } => {
                    put!(slots, d, int::lshr(w.into(), at!(slots, a), at!(slots, b)));
                    next!(pc);
                }
                Instr::AShr { w, d, a, b } => {
                    put!(slots, d, int::ashr(w.into(), at!(slots, a), at!(slots, b)));
                    next!(pc);
                }
                Instr::And { d, a, b } => {
                    put!(slots, d, at!(slots, a) & at!(slots, b));
                    next!(pc);
                }
                Instr::Or { d, a, b } => {
                    put!(slots, d, at!(slots, a) | at!(slots, b));
                    next!(pc);
                }
                Instr::Xor { d, a, b } => {
                    put!(slots, d, at!(slots, a) ^ at!(slots, b));
                    next!(pc);
                }
                Instr::SDiv { w, d, a, b } => {
                    divided!(slots, d, pc, int::sdiv(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::SRem { w, d, a, b } => {
                    divided!(slots, d, pc, int::srem(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::UDiv { w, d, a, b } => {
                    divided!(slots, d, pc, int::udiv(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::URem { w, d, a, b } => {
                    divided!(slots, d, pc, int::urem(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::Eq { d, a, b } => truth!(slots, d, pc, at!(slots, a) == at!(slots, b)),
                Instr::Ne { d, a, b } => truth!(slots, d, pc, at!(slots, a) != at!(slots, b)),
                Instr::SGe { w, d, a, b } => {
                    truth!(slots, d, pc, int::sge(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::SGt { w, d, a, b } => {
                    truth!(slots, d, pc, int::sgt(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::SLe { w, d, a, b } => {
                    truth!(slots, d, pc, int::sle(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::SLt { w, d, a, b } => {
                    truth!(slots, d, pc, int::slt(w.into(), at!(slots, a), at!(slots, b)))
                }
                Instr::UGe { d, a, b } => truth!(slots, d, pc, at!(slots, a) >= at!(slots, b)),
                Instr::UGt { d, a, b } => truth!(slots, d, pc, at!(slots, a) > at!(slots, b)),
                Instr::ULe { d, a, b } => truth!(slots, d, pc, at!(slots, a) <= at!(slots, b)),
                Instr::ULt { d, a, b } => truth!(slots, d, pc, at!(slots, a) < at!(slots, b)),
                Instr::FAdd64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fadd, d, a, b);
                    next!(pc);
                }
                Instr::FSub64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fsub, d, a, b);
                    next!(pc);
                }
                Instr::FMul64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fmul, d, a, b);
                    next!(pc);
                }
                Instr::FDiv64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fdiv, d, a, b);
                    next!(pc);
                }
                Instr::FAdd32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fadd, d, a, b);
                    next!(pc);
                }
                Instr::FSub32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fsub, d, a, b);
                    next!(pc);
                }
                Instr::FMul32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fmul, d, a, b);
                    next!(pc);
                }
                Instr::FDiv32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fdiv, d, a, b);
                    next!(pc);
                }
                Instr::FCmp64 { mask, d, a, b } => {
                    let (a, b) = (f64::from_bits(at!(slots, a)), f64::from_bits(at!(slots, b)));
                    truth!(slots, d, pc, float::fcmp(mask, a, b))
                }
                Instr::FCmp32 { mask, d, a, b } => {
                    let (a, b) = (f32::from_bits(at!(slots, a) as u32), f32::from_bits(at!(slots, b) as u32));
                    truth!(slots, d, pc, float::fcmp(mask, a, b))
                }
                Instr::Trunc { w, d, a } => {
                    put!(slots, d, at!(slots, a) & int::mask(w.into()));
                    next!(pc);
                }
                Instr::SExt { from, to, d, a } => {
                    put!(slots, d, conv::sext(from.into(), to.into(), at!(slots, a)));
                    next!(pc);
                }
                Instr::Move { d, a } => {
                    put!(slots, d, at!(slots, a));
                    next!(pc);
                }
                Instr::Select { d, c, values } => {
                    let chosen = values as usize + usize::from(at!(slots, c) == 0);
                    put!(slots, d, at!(slots, code.lists[chosen]));
                    next!(pc);
                }
                Instr::Branch { edge } => {
                    pc = control_flow::take_edge(code, slots, edge);
                    continue;
                }
                Instr::Branch2 { c, then, other } => {
                    let edge = if at!(slots, c) != 0 { then } else { other };
                    pc = control_flow::take_edge(code, slots, edge);
                    continue;
                }
                Instr::Call { func, info } => {
                    let caller = Here { code, slots, region, fp };
                    match control_flow::call(&caller, &cx, pc, sp, func, info) {
                        Ok(callee) => {
                            (code, slots, fp, sp, pc) = (callee.code, callee.slots, callee.fp, callee.sp, 0);
                            instrs = code.instrs.as_slice();
                            continue;
                        }
                        Err(Entered::NeedCode) => {
                            budget += 1;
                            save(rt, thread, region, fp, pc);
                            break 'reload Stop::Alone(Alone::Decode(func));
                        }
                        Err(Entered::Overflow) => {
                            let call = &code.calls[info as usize];
                            Flow::failed(code.resumes[call.resume as usize].exc, Ub::StackOverflow)
                        }
                    }
                }
                Instr::Ret { values } => {
                    let callee = Here { code, slots, region, fp };
                    match control_flow::ret(&callee, &cx, thread, values) {
                        Ok(caller) => {
                            (code, slots, fp, sp, pc) =
                                (caller.code, caller.slots, caller.fp, caller.sp, caller.pc);
                            instrs = code.instrs.as_slice();
                            continue;
                        }
                        Err(flow) => flow,
                    }
                }
                Instr::FieldIRef { d, a, offset } => match at!(slots, a) {
                    0 => Flow::Stop(Event::Undefined(Ub::NullAddressing)),
                    address => {
                        put!(slots, d, address.wrapping_add(offset.into()));
                        next!(pc);
                    }
                },
                Instr::PtrOffset { d, a, offset } => {
                    put!(slots, d, at!(slots, a).wrapping_add(offset.into()));
                    next!(pc);
                }
                Instr::GetIRef { d, a } => match at!(slots, a) {
                    0 => Flow::Stop(Event::Undefined(Ub::NullAddressing)),
                    address => {
                        put!(slots, d, address);
                        next!(pc);
                    }
                },
                Instr::LoadLeaf { kind, d, loc, ty } => {
                    match memory_operations::load_leaf(&cx, thread, kind, ty, at!(slots, loc)) {
                        Ok(word) => {
                            put!(slots, d, word);
                            next!(pc);
                        }
                        Err(ub) => Flow::Stop(Event::Undefined(ub)),
                    }
                }
                Instr::StoreLeaf { kind, loc, a, ty } => {
                    let (location, word) = (at!(slots, loc), at!(slots, a));
                    match memory_operations::store_leaf(&cx, thread, kind, ty, location, word) {
                        Ok(()) => next!(pc),
                        Err(ub) => Flow::Stop(Event::Undefined(ub)),
                    }
                }
                Instr::Alloc { info } => {
                    let here = Here { code, slots, region, fp };
                    let (flow, new_sp) =
                        memory_operations::alloc(&here, info, &code.allocs[info as usize], &cx, thread);
                    sp = new_sp;
                    flow
                }
                Instr::CallIndirect { .. }
                | Instr::TailCall { .. }
                | Instr::Throw { .. }
                | Instr::Lanes { .. }
                | Instr::SelectLanes { .. }
                | Instr::Switch { .. }
                | Instr::CopyWords { .. }
                | Instr::InsertWords { .. }
                | Instr::ExtractElement { .. }
                | Instr::InsertElement { .. }
                | Instr::Shuffle { .. }
                | Instr::CheckedFieldIRef { .. }
                | Instr::FarFieldIRef { .. }
                | Instr::VarPartIRef { .. }
                | Instr::IndexIRef { .. }
                | Instr::Load { .. }
                | Instr::Store { .. }
                | Instr::CmpXchg { .. }
                | Instr::AtomicRmw { .. }
                | Instr::Fence { .. }
                | Instr::Trap { .. }
                | Instr::Watchpoint { .. }
                | Instr::WpBranch { .. }
                | Instr::TrapUndefined { .. }
                | Instr::CCall { .. }
                | Instr::NewThread { .. }
                | Instr::SwapStack { .. }
                | Instr::Comm { .. } => {
                    let here = Here { code, slots, region, fp };
                    match slow(*instr, &here, pc, &cx, thread) {
                        Ok(flow) => flow,
                        Err(func) => {
                            budget += 1;
                            save(rt, thread, region, fp, pc);
                            break 'reload Stop::Alone(Alone::Decode(func));
                        }
                    }
                }
            };
            match flow {
                Flow::Next => pc += 1,
                Flow::Edge(edge) => pc = control_flow::take_edge(code, slots, edge),
                Flow::Exceptional(edge, exception) => {
                    pc = control_flow::take_exceptional_edge(code, slots, edge, exception);
                }
                Flow::Reload | Flow::Alone(_) | Flow::NativeCall | Flow::NativeReturn(_) | Flow::Stop(_) => {
                    break flow;
                }
            }
        };
        match flow {
            Flow::Reload => {}
            Flow::Alone(instruction) => {
                save(rt, thread, region, fp, pc);
                break Stop::Alone(Alone::Instruction(instruction));
            }
            Flow::NativeCall => {
                save(rt, thread, region, fp, pc);
                break Stop::Native(NativeStep::Call);
            }
            Flow::NativeReturn(words) => break Stop::Native(NativeStep::Finish(words)),
            Flow::Stop(event) => {
                // At a trap the frame was saved when the stack became READY; now it may be another thread's.
                if thread.is_bound {
                    save(rt, thread, region, fp, pc);
                }
                break Stop::Event(event);
            }
            Flow::Next | Flow::Edge(_) | Flow::Exceptional(..) => {}
        }
    };
    thread.executed += thread.fuel - budget;
    if thread.fuel != u64::MAX {
        thread.fuel = budget;
    }
    stop
}

/// Writes the running frame's state to its stack.
fn save(rt: &Runtime, thread: &Thread, region: &Region, fp: u64, pc: usize) {
    if let Some(stack) = rt.stacks.get(thread.stack)
        && stack.region().contains(fp)
    {
        region.set_pc(fp, pc as u64);
        stack.set_top_fp(fp);
    }
}

/// A frame to go on in.
pub(crate) struct Running<'c> {
    pub code: &'c Code,
    pub slots: &'c [Cell<u64>],
    pub fp: u64,
    pub sp: u64,
    pub pc: usize,
}

/// A callee whose frame fits.
pub(crate) struct Callee<'c> {
    pub code: &'c Code,
    pub number: u32,
    pub sp: u64,
}

/// Finds what a call runs, and checks that its frame fits below `sp`.
#[inline]
pub(crate) fn enter<'c>(
    codes: &'c [Arc<Code>],
    current: &[u32],
    region: &Region,
    sp: u64,
    func: FuncId,
) -> Result<Callee<'c>, Entered> {
    let number = current.get(func.index()).copied().unwrap_or(NONE);
    let Some(code) = codes.get(number as usize) else { return Err(Entered::NeedCode) };
    let bytes = LINKAGE_BYTES + FRAME_HEADER_BYTES + u64::from(code.slot_count) * 8;
    // `sp` lies inside the region, so the difference cannot wrap.
    if sp - region.base() < bytes + control_flow::RED_ZONE_BYTES {
        return Err(Entered::Overflow);
    }
    Ok(Callee { code, number, sp: sp - bytes })
}

/// Writes a new frame's constants.
#[inline]
pub(crate) fn write_constants(code: &Code, slots: &[Cell<u64>]) {
    for (slot, &word) in slots[code.var_slot_count as usize..].iter().zip(&code.consts) {
        slot.set(word);
    }
}

/// Instructions of the chapter files. `Err` names a function that must be decoded first.
#[inline(never)]
fn slow(instr: Instr, here: &Here<'_>, pc: usize, cx: &Cx<'_>, thread: &mut Thread) -> Result<Flow, FuncId> {
    let code = here.code;
    Ok(match instr {
        Instr::Lanes { info } => basic_operations::lanes(here, &code.lanes[info as usize]),
        Instr::SelectLanes { info } => basic_operations::select_lanes(here, code.select_lanes[info as usize]),
        Instr::Switch { info } => control_flow::switch(here, &code.switches[info as usize]),
        Instr::CallIndirect { callee, info } => {
            return control_flow::call_indirect(here, pc, callee, info, cx);
        }
        Instr::TailCall { callee, info } => {
            return control_flow::tail_call(here, callee, info, cx);
        }
        Instr::Throw { a } => control_flow::throw_at(here, pc, here.get(a), cx),
        Instr::CopyWords { d, a, words } => aggregates::copy_words(here, d, a, words),
        Instr::InsertWords { info } => aggregates::insert_words(here, code.elements[info as usize]),
        Instr::ExtractElement { info } => aggregates::extract_element(here, code.elements[info as usize]),
        Instr::InsertElement { info } => aggregates::insert_element(here, code.elements[info as usize]),
        Instr::Shuffle { info } => aggregates::shuffle(here, code.shuffles[info as usize]),
        Instr::CheckedFieldIRef { info } => {
            memory_operations::field(here, code.fields[info as usize], cx, thread)
        }
        Instr::FarFieldIRef { ptr, d, a, offset } => memory_operations::far_field(here, ptr, d, a, offset),
        Instr::VarPartIRef { d, a, ty } => memory_operations::var_part(here, cx, thread, d, a, ty),
        Instr::IndexIRef { info } => memory_operations::index(here, &code.indexes[info as usize], cx, thread),
        Instr::Load { info } => memory_operations::load(here, &code.accesses[info as usize], cx, thread),
        Instr::Store { info } => memory_operations::store(here, &code.accesses[info as usize], cx, thread),
        Instr::CmpXchg { info } => {
            memory_operations::cmpxchg(here, &code.accesses[info as usize], cx, thread)
        }
        Instr::AtomicRmw { info } => {
            memory_operations::atomic_rmw(here, &code.accesses[info as usize], cx, thread)
        }
        Instr::Fence { ord } => memory_operations::fence(cx, ord),
        Instr::Trap { .. } => stacks::trap(here, pc, cx.stack, thread, TrapCause::Trap),
        Instr::TrapUndefined { func, .. } => {
            stacks::trap(here, pc, cx.stack, thread, TrapCause::Undefined(func))
        }
        Instr::Watchpoint { wpid, disabled, .. } => {
            stacks::watchpoint(here, pc, cx, thread, wpid).unwrap_or(Flow::Edge(disabled))
        }
        Instr::WpBranch { wpid, disabled, enabled } => {
            Flow::Edge(if cx.rt.is_enabled(wpid) { enabled } else { disabled })
        }
        Instr::CCall { info } => native_calls::ccall(here, info),
        Instr::NewThread { info } => threads::new_thread(here, &code.swaps[info as usize], cx),
        Instr::SwapStack { info } => stacks::swap_stack(here, &code.swaps[info as usize], pc, cx, thread),
        Instr::Comm { info } => {
            return stacks::comm(here, info, cx, thread);
        }
        // Everything else is executed in the loop above.
        Instr::Add { .. }
        | Instr::Sub { .. }
        | Instr::Mul { .. }
        | Instr::Shl { .. }
        | Instr::LShr { .. }
        | Instr::AShr { .. }
        | Instr::And { .. }
        | Instr::Or { .. }
        | Instr::Xor { .. }
        | Instr::SDiv { .. }
        | Instr::SRem { .. }
        | Instr::UDiv { .. }
        | Instr::URem { .. }
        | Instr::Eq { .. }
        | Instr::Ne { .. }
        | Instr::SGe { .. }
        | Instr::SGt { .. }
        | Instr::SLe { .. }
        | Instr::SLt { .. }
        | Instr::UGe { .. }
        | Instr::UGt { .. }
        | Instr::ULe { .. }
        | Instr::ULt { .. }
        | Instr::FAdd64 { .. }
        | Instr::FSub64 { .. }
        | Instr::FMul64 { .. }
        | Instr::FDiv64 { .. }
        | Instr::FAdd32 { .. }
        | Instr::FSub32 { .. }
        | Instr::FMul32 { .. }
        | Instr::FDiv32 { .. }
        | Instr::FCmp64 { .. }
        | Instr::FCmp32 { .. }
        | Instr::Trunc { .. }
        | Instr::SExt { .. }
        | Instr::Move { .. }
        | Instr::Select { .. }
        | Instr::Branch { .. }
        | Instr::Branch2 { .. }
        | Instr::Call { .. }
        | Instr::Ret { .. }
        | Instr::GetIRef { .. }
        | Instr::PtrOffset { .. }
        | Instr::FieldIRef { .. }
        | Instr::Alloc { .. }
        | Instr::LoadLeaf { .. }
        | Instr::StoreLeaf { .. } => Flow::Next,
    })
}
