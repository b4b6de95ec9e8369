//! Allocation, addressing and access (instruction-set, "Memory Operations"; uvm-memory).
//!
//! In checked mode every use of an iref is looked up in the allocation unit it points into before it happens, so that
//! undefined behaviour is reported instead of done. Accesses through `PTR` are the client's own business: only address
//! 0 is noticed.

use crate::code::{AccessInfo, AllocInfo, Code, FieldInfo, IndexInfo, Slot};
use crate::exec::{Flow, Here, save};
use crate::frames::Maps;
use mu_ir::ids::TypeId;
use mu_ir::table::{AllocOp, MemOrder, RmwOp};
use mu_ir::ub::Ub;
use mu_rt::layout::{LeafKind, Shape};
use mu_rt::memory::{CellInfo, Checker};
use mu_rt::runtime::Runtime;
use mu_rt::thread::{Event, Thread};
use std::sync::Arc;

/// The checks of one runtime.
fn checker(rt: &Runtime) -> Checker<'_> {
    Checker {
        heap: &rt.heap,
        layouts: &rt.layouts,
        cells: &rt.stacks,
        cache: &rt.unit_cache,
        strict: !rt.config.lenient,
    }
}

/// LOAD of one leaf through an iref, not atomic.
#[inline]
pub(crate) fn load_leaf(rt: &Runtime, kind: LeafKind, ty: TypeId, address: u64) -> Result<u64, Ub> {
    check_leaf(rt, kind, ty, address)?;
    Ok(rt.memory.load_word(address, kind, MemOrder::NotAtomic))
}

/// STORE of one leaf through an iref, not atomic.
#[inline]
pub(crate) fn store_leaf(
    rt: &Runtime,
    kind: LeafKind,
    ty: TypeId,
    address: u64,
    word: u64,
) -> Result<(), Ub> {
    check_leaf(rt, kind, ty, address)?;
    rt.memory.store_word(address, kind, word, MemOrder::NotAtomic);
    Ok(())
}

/// Whether an iref to one leaf may be used.
#[inline]
pub(crate) fn check_leaf(rt: &Runtime, kind: LeafKind, ty: TypeId, address: u64) -> Result<(), Ub> {
    if rt.config.checked {
        checker(rt).check_leaf(address, kind, ty)
    } else if address == 0 {
        Err(Ub::NullAccess)
    } else {
        Ok(())
    }
}

/// The address of an access, or how the instruction goes on without it.
fn location(here: &Here<'_>, info: &AccessInfo, rt: &Runtime) -> Result<u64, Flow> {
    let address = here.get(info.loc);
    if address == 0 {
        return Err(Flow::failed(info.exc, Ub::NullAccess));
    }
    if rt.config.checked && !info.ptr {
        checker(rt).check_iref(address, info.ty).map_err(|ub| Flow::Stop(Event::Undefined(ub)))?;
    }
    Ok(address)
}

/// LOAD
pub(crate) fn load(here: &Here<'_>, info: &AccessInfo, rt: &Runtime) -> Flow {
    let address = match location(here, info, rt) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let mut slot = info.d;
    for &(offset, kind) in &info.leaves {
        load_leaf_to(here, rt, (address.wrapping_add(offset), kind, info.ord), &mut slot);
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
pub(crate) fn store(here: &Here<'_>, info: &AccessInfo, rt: &Runtime) -> Flow {
    let address = match location(here, info, rt) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let mut slot = info.a;
    for &(offset, kind) in &info.leaves {
        let at = address.wrapping_add(offset);
        if kind.words() == 2 {
            rt.memory.store_u128(at, kind, here.get_wide(slot), info.ord);
        } else {
            rt.memory.store_word(at, kind, here.get(slot), info.ord);
        }
        slot += kind.words();
    }
    Flow::normal(info.nor)
}

/// CMPXCHG
pub(crate) fn cmpxchg(here: &Here<'_>, info: &AccessInfo, rt: &mut Runtime) -> Flow {
    let address = match location(here, info, rt) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let Some(&(_, kind)) = info.leaves.first() else { return Flow::normal(info.nor) };
    if info.weak && rt.chooser.percent(rt.config.schedule.weak_failures) {
        // A weak one may fail though the values are equal.
        let mut slot = info.d;
        load_leaf_to(here, rt, (address, kind, info.ord_fail), &mut slot);
        here.set(info.d2, 0);
        return Flow::normal(info.nor);
    }
    let success = if kind.words() == 2 {
        let (expected, desired) = (here.get_wide(info.a), here.get_wide(info.b));
        let (old, success) = rt.memory.cmpxchg_u128(address, kind, expected, desired);
        here.set_wide(info.d, old);
        success
    } else {
        let (expected, desired) = (here.get(info.a), here.get(info.b));
        let (ord, ord_fail, weak) = (info.ord, info.ord_fail, info.weak);
        let (old, success) = rt.memory.cmpxchg(address, kind, expected, desired, ord, ord_fail, weak);
        here.set(info.d, old);
        success
    };
    here.set(info.d2, success.into());
    Flow::normal(info.nor)
}

/// ATOMICRMW
pub(crate) fn atomic_rmw(here: &Here<'_>, info: &AccessInfo, rt: &Runtime) -> Flow {
    let address = match location(here, info, rt) {
        Ok(address) => address,
        Err(flow) => return flow,
    };
    let Some(&(_, kind)) = info.leaves.first() else { return Flow::normal(info.nor) };
    let op: RmwOp = info.rmw;
    if kind.words() == 2 {
        let old = rt.memory.atomic_rmw_u128(address, kind, op, here.get_wide(info.a));
        here.set_wide(info.d, old);
    } else {
        here.set(info.d, rt.memory.atomic_rmw(address, kind, op, here.get(info.a), info.ord));
    }
    Flow::normal(info.nor)
}

/// FENCE
pub(crate) fn fence(rt: &Runtime, ord: MemOrder) -> Flow {
    rt.memory.fence(ord);
    Flow::Next
}

/// NEW, NEWHYBRID, ALLOCA, ALLOCAHYBRID. Answers the frame's lowest address too, which ALLOCA moves.
#[inline(never)]
pub(crate) fn alloc(
    here: &Here<'_>,
    info: &AllocInfo,
    pc: usize,
    codes: &[Arc<Code>],
    rt: &mut Runtime,
    thread: &mut Thread,
) -> (Flow, u64) {
    let count = match info.length_words {
        0 => Some(0),
        1 => Some(here.get(info.length)),
        _ => u64::try_from(here.get_wide(info.length)).ok(),
    };
    let address = count.and_then(|count| match info.op {
        AllocOp::New | AllocOp::NewHybrid => new_object(here, info, pc, codes, rt, thread, count),
        AllocOp::Alloca | AllocOp::AllocaHybrid => alloca(here, info, rt, thread, count),
    });
    let flow = match address {
        Some(address) => {
            here.set(info.d, address);
            Flow::normal(info.nor)
        }
        None => Flow::failed(info.exc, Ub::AllocationFailed),
    };
    (flow, here.region.sp(here.fp))
}

/// NEW and NEWHYBRID: a collection point. Nothing read from the frame before is used after it; the length, an integer, is.
fn new_object(
    here: &Here<'_>,
    info: &AllocInfo,
    pc: usize,
    codes: &[Arc<Code>],
    rt: &mut Runtime,
    thread: &mut Thread,
    count: u64,
) -> Option<u64> {
    if !rt.config.gc_stress.at_allocations()
        && let Some(address) = rt.try_new(&mut thread.buffer, info.ty, count)
    {
        return Some(address);
    }
    save(rt, thread, here.region, here.fp, pc);
    rt.new_collecting(Some(thread), &Maps(codes), info.ty, count)
}

/// A cell below everything else in the frame. Cells are at least 8 bytes apart, so that each has its own address.
fn alloca(here: &Here<'_>, info: &AllocInfo, rt: &mut Runtime, thread: &Thread, count: u64) -> Option<u64> {
    let layout = rt.layouts.known(info.ty)?;
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
    let stack = rt.stacks.get_mut(thread.stack)?;
    stack.push_cell(CellInfo { start, ty: info.ty, var_count: count, size_bytes });
    Some(start)
}

/// GETFIELDIREF in checked mode.
pub(crate) fn field(here: &Here<'_>, info: FieldInfo, rt: &Runtime) -> Flow {
    match checker(rt).check_field(here.get(info.a), info.ty, info.field as usize) {
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
pub(crate) fn var_part(here: &Here<'_>, rt: &Runtime, d: Slot, a: Slot, ty: TypeId) -> Flow {
    let address = here.get(a);
    let result = if rt.config.checked {
        checker(rt).check_var_part(address, ty)
    } else if address == 0 {
        Err(Ub::NullAddressing)
    } else {
        let shape = rt.layouts.known(ty).map(|layout| &layout.shape);
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
pub(crate) fn index(here: &Here<'_>, info: &IndexInfo, rt: &Runtime) -> Flow {
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
    let result = match (rt.config.checked, info.shift) {
        (false, _) => Ok(plain),
        (true, true) => checker(rt).check_shift(address, info.elem_ty, index),
        (true, false) => checker(rt).check_element(address, info.array_ty, index),
    };
    match result {
        Ok(address) => {
            here.set(info.d, address);
            Flow::Next
        }
        Err(ub) => Flow::Stop(Event::Undefined(ub)),
    }
}
