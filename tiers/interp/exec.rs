//! The loop: one match over [`Instr`].
//!
//! The state of the running frame lives in local variables: its code, its slots, `fp`, `sp` and `pc`. Whenever
//! control leaves the frame (a call, a trap, a switch, an event) `pc` is written to the frame, so that at any other
//! time all of a stack's state is in its memory. Instructions that cannot change the frame are done here; the others
//! are functions of the chapter files and answer with a [`Flow`].
//!
//! Every IR instruction counts one in `Thread::executed` and takes one unit of fuel.

use crate::code::{Code, Instr, NONE, Slot};
use crate::control_flow::{self, Entered};
use crate::{Tracer, aggregates, basic_operations, memory_operations, native_calls, stacks};
use mu_ir::ids::FuncId;
use mu_ir::semantics::{conv, float, int};
use mu_ir::ub::Ub;
use mu_rt::runtime::Runtime;
use mu_rt::stack::{FRAME_HEADER_BYTES, FrameState, LINKAGE_BYTES, RESUME_INTERPRETED, Region};
use mu_rt::thread::{Event, Thread, TrapCause};
use std::cell::Cell;
use std::sync::Arc;

/// Why the loop ended.
pub(crate) enum Stop {
    /// Something for the driver.
    Event(Event),
    /// A function must be decoded; then run again.
    NeedCode(FuncId),
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
        let (a, b) = (conv::bitcast_to_fp::<$ty>(at!($slots, $a)), conv::bitcast_to_fp::<$ty>(at!($slots, $b)));
        put!($slots, $d, conv::bitcast_to_int($op(a, b)))
    }};
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

/// Runs the stack of `thread` until the driver is needed.
#[allow(clippy::too_many_lines, reason = "one arm per instruction; splitting the match would hide what it covers")]
pub(crate) fn run<const TRACE: bool>(
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
    thread: &mut Thread,
    mut tracer: Option<&mut dyn Tracer>,
) -> Stop {
    let mut executed: u64 = 0;
    let fuel = thread.fuel;
    let stop = 'reload: loop {
        let Some((region, top)) =
            rt.stacks.get(thread.stack).map(|stack| (Arc::clone(stack.region()), stack.top_fp))
        else {
            break Stop::Event(Event::Undefined(Ub::BadBinding));
        };
        let region = &*region;
        let mut fp = top;
        let Some(mut code) = codes.get(region.code(fp) as usize).map(|code| &**code) else {
            break Stop::Event(Event::Unsupported("a frame without code".into()));
        };
        let mut slots = region.slots(fp, code.slot_count);
        let mut sp = region.sp(fp);
        let mut pc = region.pc(fp) as usize;
        // What to do after leaving the fast loop: the instruction at `pc` was executed and answered this.
        let flow = loop {
            let instr = code.instrs[pc];
            if executed >= fuel {
                break Flow::Stop(Event::OutOfFuel);
            }
            executed += 1;
            if TRACE && let Some(tracer) = &mut tracer {
                tracer.instruction(rt, &Here { code, slots, region, fp }, pc);
            }
            let flow = match instr {
                Instr::Add { w, d, a, b } => {
                    put!(slots, d, int::add(w.into(), at!(slots, a), at!(slots, b)));
                    Flow::Next
                }
                Instr::Sub { w, d, a, b } => {
                    put!(slots, d, int::sub(w.into(), at!(slots, a), at!(slots, b)));
                    Flow::Next
                }
                Instr::Mul { w, d, a, b } => {
                    put!(slots, d, int::mul(w.into(), at!(slots, a), at!(slots, b)));
                    Flow::Next
                }
                Instr::Shl { w, d, a, b } => {
                    put!(slots, d, int::shl(w.into(), at!(slots, a), at!(slots, b)));
                    Flow::Next
                }
                Instr::LShr { w, d, a, b } => {
                    put!(slots, d, int::lshr(w.into(), at!(slots, a), at!(slots, b)));
                    Flow::Next
                }
                Instr::AShr { w, d, a, b } => {
                    put!(slots, d, int::ashr(w.into(), at!(slots, a), at!(slots, b)));
                    Flow::Next
                }
                Instr::And { d, a, b } => {
                    put!(slots, d, at!(slots, a) & at!(slots, b));
                    Flow::Next
                }
                Instr::Or { d, a, b } => {
                    put!(slots, d, at!(slots, a) | at!(slots, b));
                    Flow::Next
                }
                Instr::Xor { d, a, b } => {
                    put!(slots, d, at!(slots, a) ^ at!(slots, b));
                    Flow::Next
                }
                Instr::SDiv { w, d, a, b } => divided(slots, d, int::sdiv(w.into(), at!(slots, a), at!(slots, b))),
                Instr::SRem { w, d, a, b } => divided(slots, d, int::srem(w.into(), at!(slots, a), at!(slots, b))),
                Instr::UDiv { w, d, a, b } => divided(slots, d, int::udiv(w.into(), at!(slots, a), at!(slots, b))),
                Instr::URem { w, d, a, b } => divided(slots, d, int::urem(w.into(), at!(slots, a), at!(slots, b))),
                Instr::Eq { d, a, b } => truth(slots, d, at!(slots, a) == at!(slots, b)),
                Instr::Ne { d, a, b } => truth(slots, d, at!(slots, a) != at!(slots, b)),
                Instr::SGe { w, d, a, b } => truth(slots, d, int::sge(w.into(), at!(slots, a), at!(slots, b))),
                Instr::SGt { w, d, a, b } => truth(slots, d, int::sgt(w.into(), at!(slots, a), at!(slots, b))),
                Instr::SLe { w, d, a, b } => truth(slots, d, int::sle(w.into(), at!(slots, a), at!(slots, b))),
                Instr::SLt { w, d, a, b } => truth(slots, d, int::slt(w.into(), at!(slots, a), at!(slots, b))),
                Instr::UGe { d, a, b } => truth(slots, d, at!(slots, a) >= at!(slots, b)),
                Instr::UGt { d, a, b } => truth(slots, d, at!(slots, a) > at!(slots, b)),
                Instr::ULe { d, a, b } => truth(slots, d, at!(slots, a) <= at!(slots, b)),
                Instr::ULt { d, a, b } => truth(slots, d, at!(slots, a) < at!(slots, b)),
                Instr::FAdd64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fadd, d, a, b);
                    Flow::Next
                }
                Instr::FSub64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fsub, d, a, b);
                    Flow::Next
                }
                Instr::FMul64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fmul, d, a, b);
                    Flow::Next
                }
                Instr::FDiv64 { d, a, b } => {
                    fp_binop!(slots, f64, float::fdiv, d, a, b);
                    Flow::Next
                }
                Instr::FAdd32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fadd, d, a, b);
                    Flow::Next
                }
                Instr::FSub32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fsub, d, a, b);
                    Flow::Next
                }
                Instr::FMul32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fmul, d, a, b);
                    Flow::Next
                }
                Instr::FDiv32 { d, a, b } => {
                    fp_binop!(slots, f32, float::fdiv, d, a, b);
                    Flow::Next
                }
                Instr::FCmp64 { mask, d, a, b } => {
                    let (a, b) = (f64::from_bits(at!(slots, a)), f64::from_bits(at!(slots, b)));
                    truth(slots, d, float::fcmp(mask, a, b))
                }
                Instr::FCmp32 { mask, d, a, b } => {
                    let (a, b) = (f32::from_bits(at!(slots, a) as u32), f32::from_bits(at!(slots, b) as u32));
                    truth(slots, d, float::fcmp(mask, a, b))
                }
                Instr::Trunc { w, d, a } => {
                    put!(slots, d, at!(slots, a) & int::mask(w.into()));
                    Flow::Next
                }
                Instr::SExt { from, to, d, a } => {
                    put!(slots, d, conv::sext(from.into(), to.into(), at!(slots, a)));
                    Flow::Next
                }
                Instr::Move { d, a } => {
                    put!(slots, d, at!(slots, a));
                    Flow::Next
                }
                Instr::Select { d, c, a, b } => {
                    put!(slots, d, if at!(slots, c) != 0 { at!(slots, a) } else { at!(slots, b) });
                    Flow::Next
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
                    region.set_pc(fp, pc as u64);
                    let call = &code.calls[info as usize];
                    match enter(codes, current, region, sp, func) {
                        Ok(callee) => {
                            let new_fp = sp - LINKAGE_BYTES;
                            let new_slots = region.slots(new_fp, callee.code.slot_count);
                            for (to, &from) in new_slots.iter().zip(code.list(call.args)) {
                                to.set(slots[from as usize].get());
                            }
                            region.write_frame(
                                new_fp,
                                fp,
                                RESUME_INTERPRETED,
                                callee.number,
                                FrameState::AtInstruction,
                                callee.sp,
                            );
                            (fp, sp, code, slots, pc) = (new_fp, callee.sp, callee.code, new_slots, 0);
                            write_constants(code, slots);
                            continue;
                        }
                        Err(Entered::NeedCode) => {
                            executed -= 1;
                            save(rt, thread, region, fp, pc);
                            break 'reload Stop::NeedCode(func);
                        }
                        Err(Entered::Overflow) => {
                            Flow::failed(code.resumes[call.resume as usize].exc, Ub::StackOverflow)
                        }
                    }
                }
                Instr::Ret { values } => {
                    let below = region.saved_fp(fp);
                    if below == 0 || region.state(below) != FrameState::AtInstruction {
                        region.set_pc(fp, pc as u64);
                        let here = Here { code, slots, region, fp };
                        save(rt, thread, region, fp, pc);
                        control_flow::return_slowly(&here, codes, rt, thread, values)
                    } else {
                        if code.has_alloca
                            && let Some(stack) = rt.stacks.get_mut(thread.stack)
                        {
                            stack.pop_cells_below(fp);
                        }
                        let Some(caller) = codes.get(region.code(below) as usize) else {
                            break 'reload Stop::Event(Event::Unsupported("a frame without code".into()));
                        };
                        let caller_pc = region.pc(below);
                        let caller_slots = region.slots(below, caller.slot_count);
                        let Some(resume) = caller.resume_at(caller_pc) else {
                            break 'reload Stop::Event(Event::Undefined(Ub::BadBinding));
                        };
                        let results = &caller_slots[resume.results.base as usize..];
                        for (to, &from) in results.iter().zip(code.list(values)) {
                            to.set(slots[from as usize].get());
                        }
                        (fp, sp, code, slots) = (below, region.sp(below), caller, caller_slots);
                        pc = match resume.nor {
                            NONE => caller_pc as usize + 1,
                            nor => control_flow::take_edge(code, slots, nor),
                        };
                        continue;
                    }
                }
                Instr::FieldIRef { d, a, offset } => match at!(slots, a) {
                    0 => Flow::Stop(Event::Undefined(Ub::NullAddressing)),
                    address => {
                        put!(slots, d, address + u64::from(offset));
                        Flow::Next
                    }
                },
                Instr::PtrOffset { d, a, offset } => {
                    put!(slots, d, at!(slots, a).wrapping_add(offset.into()));
                    Flow::Next
                }
                Instr::GetIRef { d, a } => match at!(slots, a) {
                    0 => Flow::Stop(Event::Undefined(Ub::NullAddressing)),
                    address => {
                        put!(slots, d, address);
                        Flow::Next
                    }
                },
                Instr::LoadLeaf { kind, d, loc } => {
                    match memory_operations::load_leaf(rt, kind, at!(slots, loc)) {
                        Ok(word) => {
                            put!(slots, d, word);
                            Flow::Next
                        }
                        Err(ub) => Flow::Stop(Event::Undefined(ub)),
                    }
                }
                Instr::StoreLeaf { kind, loc, a } => {
                    match memory_operations::store_leaf(rt, kind, at!(slots, loc), at!(slots, a)) {
                        Ok(()) => Flow::Next,
                        Err(ub) => Flow::Stop(Event::Undefined(ub)),
                    }
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
                | Instr::Alloc { .. }
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
                | Instr::SwapStack { .. }
                | Instr::Comm { .. }
                | Instr::Unsupported { .. } => {
                    let here = Here { code, slots, region, fp };
                    match slow(instr, &here, pc, codes, current, rt, thread) {
                        Ok(flow) => {
                            // ALLOCA moves the frame's lowest address.
                            sp = region.sp(fp);
                            flow
                        }
                        Err(func) => {
                            executed -= 1;
                            save(rt, thread, region, fp, pc);
                            break 'reload Stop::NeedCode(func);
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
                Flow::Reload | Flow::Stop(_) => break flow,
            }
        };
        match flow {
            Flow::Reload => {}
            Flow::Stop(event) => {
                save(rt, thread, region, fp, pc);
                break Stop::Event(event);
            }
            Flow::Next | Flow::Edge(_) | Flow::Exceptional(..) => {}
        }
    };
    thread.executed += executed;
    if thread.fuel != u64::MAX {
        thread.fuel -= executed;
    }
    stop
}

/// Writes the running frame's state to its stack.
fn save(rt: &mut Runtime, thread: &Thread, region: &Region, fp: u64, pc: usize) {
    if let Some(stack) = rt.stacks.get_mut(thread.stack)
        && stack.region().contains(fp)
    {
        region.set_pc(fp, pc as u64);
        stack.top_fp = fp;
    }
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

#[inline]
fn truth(slots: &[Cell<u64>], d: Slot, value: bool) -> Flow {
    slots[d as usize].set(value.into());
    Flow::Next
}

#[inline]
fn divided(slots: &[Cell<u64>], d: Slot, quotient: Option<u64>) -> Flow {
    match quotient {
        Some(word) => {
            slots[d as usize].set(word);
            Flow::Next
        }
        None => Flow::Stop(Event::Undefined(Ub::DivideByZero)),
    }
}

/// Instructions of the chapter files. `Err` names a function that must be decoded first.
#[inline(never)]
fn slow(
    instr: Instr,
    here: &Here<'_>,
    pc: usize,
    codes: &[Arc<Code>],
    current: &[u32],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Result<Flow, FuncId> {
    let code = here.code;
    Ok(match instr {
        Instr::Lanes { info } => basic_operations::lanes(here, &code.lanes[info as usize]),
        Instr::SelectLanes { info } => basic_operations::select_lanes(here, code.select_lanes[info as usize]),
        Instr::Switch { info } => control_flow::switch(here, &code.switches[info as usize]),
        Instr::CallIndirect { callee, info } => {
            here.region.set_pc(here.fp, pc as u64);
            return control_flow::call_indirect(here, callee, info, codes, current, rt, thread);
        }
        Instr::TailCall { callee, info } => {
            return control_flow::tail_call(here, callee, info, codes, current, rt, thread);
        }
        Instr::Throw { a } => {
            here.region.set_pc(here.fp, pc as u64);
            control_flow::throw(here.get(a), codes, rt, thread, here.fp)
        }
        Instr::CopyWords { d, a, words } => aggregates::copy_words(here, d, a, words),
        Instr::InsertWords { info } => aggregates::insert_words(here, code.elements[info as usize]),
        Instr::ExtractElement { info } => aggregates::extract_element(here, code.elements[info as usize]),
        Instr::InsertElement { info } => aggregates::insert_element(here, code.elements[info as usize]),
        Instr::Shuffle { info } => aggregates::shuffle(here, code.shuffles[info as usize]),
        Instr::Alloc { info } => memory_operations::alloc(here, &code.allocs[info as usize], rt, thread),
        Instr::FarFieldIRef { ptr, d, a, offset } => memory_operations::far_field(here, ptr, d, a, offset),
        Instr::VarPartIRef { d, a, offset } => memory_operations::var_part(here, rt, d, a, offset),
        Instr::IndexIRef { info } => memory_operations::index(here, &code.indexes[info as usize], rt),
        Instr::Load { info } => memory_operations::load(here, &code.accesses[info as usize], rt),
        Instr::Store { info } => memory_operations::store(here, &code.accesses[info as usize], rt),
        Instr::CmpXchg { info } => memory_operations::cmpxchg(here, &code.accesses[info as usize], rt),
        Instr::AtomicRmw { info } => memory_operations::atomic_rmw(here, &code.accesses[info as usize], rt),
        Instr::Fence { ord } => memory_operations::fence(rt, ord),
        Instr::Trap { .. } => stacks::trap(here, pc, rt, thread, TrapCause::Trap),
        Instr::TrapUndefined { func, .. } => stacks::trap(here, pc, rt, thread, TrapCause::Undefined(func)),
        Instr::Watchpoint { wpid, disabled, .. } => match rt.watchpoints.get(&wpid) {
            Some(true) => stacks::trap(here, pc, rt, thread, TrapCause::Watchpoint(wpid)),
            Some(false) | None => Flow::Edge(disabled),
        },
        Instr::WpBranch { wpid, disabled, enabled } => {
            let is_enabled = rt.watchpoints.get(&wpid).copied().unwrap_or(false);
            Flow::Edge(if is_enabled { enabled } else { disabled })
        }
        Instr::CCall { info } => native_calls::ccall(here, &code.native_calls[info as usize], pc),
        Instr::SwapStack { info } => stacks::swap_stack(here, &code.swaps[info as usize], pc, codes, rt, thread),
        Instr::Comm { info } => return stacks::comm(here, &code.comms[info as usize], codes, current, rt, thread),
        Instr::Unsupported { op, comm } => {
            let name = comm.map_or_else(|| op.mnemonic(), |comm| comm.name());
            Flow::Stop(Event::Unsupported(format!("{name} on the interpreter")))
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
        | Instr::LoadLeaf { .. }
        | Instr::StoreLeaf { .. } => Flow::Next,
    })
}
