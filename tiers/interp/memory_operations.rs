//! Allocation, addressing and access (instruction-set, "Memory Operations"; uvm-memory).
//!
//! In checked mode every use of an iref is looked up in the allocation unit it points into before it happens, so that
//! undefined behaviour is reported instead of done. Accesses through `PTR` are the client's own business: only address
//! 0 is noticed.

use crate::code::{AccessInfo, AllocInfo, Code, FieldInfo, IndexInfo, Slot};
use crate::exec::{AloneInstruction, Cx, Flow, Here};
use crate::frames::Maps;
use mu_ir::ids::TypeId;
use mu_ir::table::{AllocOp, MemOrder, RmwOp};
use mu_ir::ub::Ub;
use mu_rt::layout::{LeafKind, Shape};
use mu_rt::memory::{CellInfo, Checker};
use mu_rt::runtime::Runtime;
use mu_rt::thread::{Event, Thread};
use std::sync::Arc;

/// The checks of a thread's accesses.
fn checker<'a>(cx: &'a Cx<'_>, thread: &'a Thread) -> Checker<'a> {
    cx.rt.checker(&cx.cells, &thread.unit_cache)
}

/// LOAD of one leaf through an iref, not atomic.
#[inline]
pub(crate) fn load_leaf(
    cx: &Cx<'_>,
    thread: &Thread,
    kind: LeafKind,
    ty: TypeId,
    address: u64,
) -> Result<u64, Ub> {
    check_leaf(cx, thread, kind, ty, address)?;
    Ok(cx.rt.memory.load_word(address, kind, MemOrder::NotAtomic))
}

/// STORE of one leaf through an iref, not atomic.
#[inline]
pub(crate) fn store_leaf(
    cx: &Cx<'_>,
    thread: &Thread,
    kind: LeafKind,
    ty: TypeId,
    address: u64,
    word: u64,
) -> Result<(), Ub> {
    check_leaf(cx, thread, kind, ty, address)?;
    cx.rt.memory.store_word(address, kind, word, MemOrder::NotAtomic);
    Ok(())
}

/// Whether an iref to one leaf may be used.
#[inline]
pub(crate) fn check_leaf(
    cx: &Cx<'_>,
    thread: &Thread,
    kind: LeafKind,
    ty: TypeId,
    address: u64,
) -> Result<(), Ub> {
    if cx.rt.config.checked {
        checker(cx, thread).check_leaf(address, kind, ty)
    } else if address == 0 {
        Err(Ub::NullAccess)
    } else {
        Ok(())
    }
}

/// The address of an access, or how the instruction goes on without it.
fn location(here: &Here<'_>, info: &AccessInfo, cx: &Cx<'_>, thread: &Thread) -> Result<u64, Flow> {
    let address = here.get(info.loc);
    if address == 0 {
        return Err(Flow::failed(info.exc, Ub::NullAccess));
    }
    if cx.rt.config.checked && !info.ptr {
        checker(cx, thread).check_iref(address, info.ty).map_err(|ub| Flow::Stop(Event::Undefined(ub)))?;
    }
    Ok(address)
}

/// LOAD
pub(crate) fn load(here: &Here<'_>, info: &AccessInfo, cx: &Cx<'_>, thread: &Thread) -> Flow {
    let address = match location(here, info, cx, thread) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let mut slot = info.d;
    for &(offset, kind) in &info.leaves {
        load_leaf_to(here, cx.rt, (address.wrapping_add(offset), kind, info.ord), &mut slot);
    }
    Flow::normal(info.nor)
}

/// Loads a leaf into the slots at `slot`, which moves behind them.
fn load_leaf_to(here: &Here<'_>, rt: &Runtime, (at, kind, ord): (u64, LeafKind, MemOrder), slot: &mut Slot) {
    if kind.words() == 2 {
        here.set_wide(*slot, rt.memory.load_u128(at, kind, ord));
    } else {
        here.set(*slot, rt.memory.load_word(at, kind, ord));
    }
    *slot += kind.words();
}

/// STORE
pub(crate) fn store(here: &Here<'_>, info: &AccessInfo, cx: &Cx<'_>, thread: &Thread) -> Flow {
    let address = match location(here, info, cx, thread) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let mut slot = info.a;
    for &(offset, kind) in &info.leaves {
        let at = address.wrapping_add(offset);
        if kind.words() == 2 {
            cx.rt.memory.store_u128(at, kind, here.get_wide(slot), info.ord);
        } else {
            cx.rt.memory.store_word(at, kind, here.get(slot), info.ord);
        }
        slot += kind.words();
    }
    Flow::normal(info.nor)
}

/// CMPXCHG
pub(crate) fn cmpxchg(here: &Here<'_>, info: &AccessInfo, cx: &Cx<'_>, thread: &Thread) -> Flow {
    let address = match location(here, info, cx, thread) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let Some(&(_, kind)) = info.leaves.first() else { return Flow::normal(info.nor) };
    if info.weak && spuriously_fails(cx.rt) {
        // A weak one may fail though the values are equal.
        let mut slot = info.d;
        load_leaf_to(here, cx.rt, (address, kind, info.ord_fail), &mut slot);
        here.set(info.d2, 0);
        return Flow::normal(info.nor);
    }
    let success = if kind.words() == 2 {
        let (expected, desired) = (here.get_wide(info.a), here.get_wide(info.b));
        let (old, success) = cx.rt.memory.cmpxchg_u128(address, kind, expected, desired);
        here.set_wide(info.d, old);
        success
    } else {
        let (expected, desired) = (here.get(info.a), here.get(info.b));
        let (ord, ord_fail, weak) = (info.ord, info.ord_fail, info.weak);
        let (old, success) = cx.rt.memory.cmpxchg(address, kind, expected, desired, ord, ord_fail, weak);
        here.set(info.d, old);
        success
    };
    here.set(info.d2, success.into());
    Flow::normal(info.nor)
}

/// Whether a weak CMPXCHG fails though the values may be equal.
fn spuriously_fails(rt: &Runtime) -> bool {
    let rate = rt.config.schedule.weak_failures;
    rate > 0 && rt.chooser.lock().percent(rate)
}

/// ATOMICRMW
pub(crate) fn atomic_rmw(here: &Here<'_>, info: &AccessInfo, cx: &Cx<'_>, thread: &Thread) -> Flow {
    let address = match location(here, info, cx, thread) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let Some(&(_, kind)) = info.leaves.first() else { return Flow::normal(info.nor) };
    let op: RmwOp = info.rmw;
    if kind.words() == 2 {
        let old = cx.rt.memory.atomic_rmw_u128(address, kind, op, here.get_wide(info.a));
        here.set_wide(info.d, old);
    } else {
        here.set(info.d, cx.rt.memory.atomic_rmw(address, kind, op, here.get(info.a), info.ord));
    }
    Flow::normal(info.nor)
}

/// FENCE
pub(crate) fn fence(cx: &Cx<'_>, ord: MemOrder) -> Flow {
    cx.rt.memory.fence(ord);
    Flow::Next
}

/// NEW, NEWHYBRID, ALLOCA, ALLOCAHYBRID. Answers the frame's lowest address too, which ALLOCA moves.
#[inline(never)]
pub(crate) fn alloc(
    here: &Here<'_>,
    number: u32,
    info: &AllocInfo,
    cx: &Cx<'_>,
    thread: &mut Thread,
) -> (Flow, u64) {
    let address = length(here, info).and_then(|count| match info.op {
        AllocOp::New | AllocOp::NewHybrid => match cx.rt.config.gc_stress.at_allocations() {
            false => cx.rt.try_new(&mut thread.buffer, info.ty, count),
            true => None,
        },
        AllocOp::Alloca | AllocOp::AllocaHybrid => alloca(here, info, cx, count),
    });
    let flow = match (address, info.op) {
        (None, AllocOp::New | AllocOp::NewHybrid) => Flow::Alone(AloneInstruction::New(number)),
        (Some(_), AllocOp::New | AllocOp::NewHybrid) | (_, AllocOp::Alloca | AllocOp::AllocaHybrid) => {
            allocated(here, info, address)
        }
    };
    (flow, here.region.sp(here.fp))
}

/// How many elements the variable part shall have; `None`: more than there can be.
fn length(here: &Here<'_>, info: &AllocInfo) -> Option<u64> {
    match info.length_words {
        0 => Some(0),
        1 => Some(here.get(info.length)),
        _ => u64::try_from(here.get_wide(info.length)).ok(),
    }
}

/// Goes on after an allocation.
fn allocated(here: &Here<'_>, info: &AllocInfo, address: Option<u64>) -> Flow {
    match address {
        Some(address) => {
            here.set(info.d, address);
            Flow::normal(info.nor)
        }
        None => Flow::failed(info.exc, Ub::AllocationFailed),
    }
}

/// NEW and NEWHYBRID when there is no room or a stress mode looks at allocations: a collection point. Nothing read from
/// the frame before is used after it; the length, an integer, is.
pub(crate) fn new_collecting(
    here: &Here<'_>,
    info: &AllocInfo,
    codes: &[Arc<Code>],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> Flow {
    let count = length(here, info);
    let address = count.and_then(|count| rt.new_collecting(Some(thread), &Maps(codes), info.ty, count));
    allocated(here, info, address)
}

/// A cell below everything else in the frame. Cells are at least 8 bytes apart, so that each has its own address.
fn alloca(here: &Here<'_>, info: &AllocInfo, cx: &Cx<'_>, count: u64) -> Option<u64> {
    let layout = cx.rt.layouts.known(info.ty)?;
    let size_bytes = match layout.shape {
        Shape::Hybrid { .. } => layout.unit_size(count)?,
        Shape::Void | Shape::Scalar(_) | Shape::Struct(_) | Shape::Array { .. } => layout.size()?,
    };
    let sp = here.region.sp(here.fp);
    let start = sp.checked_sub(size_bytes.max(1))? & !(layout.align_bytes.max(8) - 1);
    if start < here.region.base() + crate::control_flow::RED_ZONE_BYTES {
        return None;
    }
    let words = u32::try_from((sp - start) / 8).ok()?;
    for word in here.region.words(start, words) {
        word.set(0);
    }
    here.region.set_sp(here.fp, start);
    cx.stack.push_cell(CellInfo { start, ty: info.ty, var_count: count, size_bytes });
    Some(start)
}

/// GETFIELDIREF in checked mode.
pub(crate) fn field(here: &Here<'_>, info: FieldInfo, cx: &Cx<'_>, thread: &Thread) -> Flow {
    match checker(cx, thread).check_field(here.get(info.a), info.ty, info.field as usize) {
        Ok(address) => {
            here.set(info.d, address);
            Flow::Next
        }
        Err(ub) => Flow::Stop(Event::Undefined(ub)),
    }
}

/// GETFIELDIREF of a field beyond 4 GiB.
pub(crate) fn far_field(here: &Here<'_>, ptr: bool, d: Slot, a: Slot, offset: Slot) -> Flow {
    let address = here.get(a);
    if address == 0 && !ptr {
        return Flow::Stop(Event::Undefined(Ub::NullAddressing));
    }
    here.set(d, address.wrapping_add(here.get(offset)));
    Flow::Next
}

/// GETVARPARTIREF through an iref to a hybrid of type `ty`.
pub(crate) fn var_part(here: &Here<'_>, cx: &Cx<'_>, thread: &Thread, d: Slot, a: Slot, ty: TypeId) -> Flow {
    let address = here.get(a);
    let result = if cx.rt.config.checked {
        checker(cx, thread).check_var_part(address, ty)
    } else if address == 0 {
        Err(Ub::NullAddressing)
    } else {
        let shape = cx.rt.layouts.known(ty).map(|layout| &layout.shape);
        let offset = if let Some(Shape::Hybrid { var_offset, .. }) = shape { *var_offset } else { 0 };
        Ok(address.wrapping_add(offset))
    };
    match result {
        Ok(address) => {
            here.set(d, address);
            Flow::Next
        }
        Err(ub) => Flow::Stop(Event::Undefined(ub)),
    }
}

/// GETELEMIREF and SHIFTIREF. The index is signed.
pub(crate) fn index(here: &Here<'_>, info: &IndexInfo, cx: &Cx<'_>, thread: &Thread) -> Flow {
    let address = here.get(info.loc);
    let index: i128 = match info.width {
        128 => here.get_wide(info.index) as i128,
        width => mu_ir::semantics::int::sign_extend(width, here.get(info.index)).into(),
    };
    let plain = address.wrapping_add((index as u64).wrapping_mul(info.stride));
    if info.ptr {
        here.set(info.d, plain);
        return Flow::Next;
    }
    if address == 0 {
        return Flow::Stop(Event::Undefined(Ub::NullAddressing));
    }
    let result = match (cx.rt.config.checked, info.shift) {
        (false, _) => Ok(plain),
        (true, true) => checker(cx, thread).check_shift(address, info.elem_ty, index),
        (true, false) => checker(cx, thread).check_element(address, info.array_ty, index),
    };
    match result {
        Ok(address) => {
            here.set(info.d, address);
            Flow::Next
        }
        Err(ub) => Flow::Stop(Event::Undefined(ub)),
    }
}
