//! Allocation with collections, and the roots of an instance.
//!
//! **Collection points.** A collection happens only inside the functions of this file, and they are called only
//!
//! * at NEW and NEWHYBRID, by the interpreter, after it has saved its frame;
//! * at `@uvm.new_stack`, likewise;
//! * at an instruction of `@uvm.meta.*` for which there was no room, likewise; the instruction is then done again;
//! * in the stress mode `safepoint` before an instruction is executed, likewise;
//! * when a client allocates, makes a stack, loads HAIL or asks for a collection, and when a Mu trap handler gets its
//!   stack: between the instructions of all threads.
//!
//! Everywhere else words of references may be held in Rust variables. The rule for whoever changes the callers: no
//! word read before a collection point is used after it, unless it was read again from a slot, a handle, a cell or the
//! thread; arguments and values in flight ([`crate::thread::Resumption`], [`crate::thread::Event`]) are made after the
//! last and used before the next one.
//!
//! **Roots.** Global cells; handles of the client ([`crate::handles`]) and its pins; of every thread, the running one and those that
//! rest ([`crate::thread::Threads`]), the stack it is bound to, its thread-local reference and its pins; the locations
//! threads wait at ([`crate::futex`]); the user data of the Mu trap handler; stacks the client holds
//! ([`crate::stack::Stack::held`]) and stacks with open frame cursors; of every stack that is reached, the ALLOCA cells
//! and, by the maps of the tier, the slots of its frames.

use crate::handles::Handle;
use crate::heap::{AllocBuffer, Cause, Collected, FrameMaps, Plan, Root, Roots};
use crate::layout::{LeafKind, Shape};
use crate::runtime::Runtime;
use crate::stack::{FrameState, StackRef, Stacks};
use crate::thread::Thread;
use mu_ir::ids::TypeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A thread's roots.
struct ThreadRoots<'a> {
    stack: StackRef,
    threadlocal: AtomicU64,
    pins: &'a [u64],
}

struct RuntimeRoots<'a> {
    globals: &'a [(u64, TypeId)],
    handles: &'a [Arc<Handle>],
    threads: &'a [ThreadRoots<'a>],
    /// What the client pins.
    pins: &'a [u64],
    /// A copy of the user data of the Mu trap handler.
    userdata: &'a AtomicU64,
    /// Copies of the locations threads wait at.
    locations: &'a [AtomicU64],
    stacks: &'a Stacks,
    frames: &'a dyn FrameMaps,
}

// SAFETY: global cells are in immortal memory of the heap; handles are atomic words kept alive by `handles`; thread-local
// references and locations of futexes are copies in this value; slots of frames are checked to lie in the stack's region, and cells were made
// there by ALLOCA. All have the types that the program, the tier's maps or ALLOCA gave them. The caller has the runtime
// and the running thread exclusively, so nothing runs.
unsafe impl Roots for RuntimeRoots<'_> {
    fn pins(&self, visit: &mut dyn FnMut(u64)) {
        self.threads.iter().flat_map(|thread| thread.pins).chain(self.pins).for_each(|&pin| visit(pin));
    }

    fn roots(&self, visit: &mut dyn FnMut(Root)) {
        for &(address, ty) in self.globals {
            visit(Root::Unit { address, ty, var_count: 0 });
        }
        for handle in self.handles {
            for (word, kind) in handle.refs() {
                visit(Root::Slot(word.as_ptr() as u64, kind));
            }
        }
        for thread in self.threads {
            visit(Root::Slot(thread.threadlocal.as_ptr() as u64, LeafKind::Ref));
            visit(Root::Stack(thread.stack));
        }
        visit(Root::Slot(self.userdata.as_ptr() as u64, LeafKind::Ref));
        for location in self.locations {
            visit(Root::Slot(location.as_ptr() as u64, LeafKind::IRef));
        }
        for stack in self.stacks.held().chain(self.stacks.with_cursors()) {
            visit(Root::Stack(stack));
        }
    }

    fn stack(&self, stack: StackRef, visit: &mut dyn FnMut(Root)) -> bool {
        let Some(stack) = self.stacks.get(stack) else { return false };
        stack.for_each_cell(|cell| {
            visit(Root::Unit { address: cell.start, ty: cell.ty, var_count: cell.var_count });
        });
        let region = stack.region();
        let mut fp = stack.top_fp();
        while fp != 0 {
            if region.state(fp) == FrameState::AtInstruction
                && let Some((count, map)) = self.frames.frame_map(region.code(fp), region.pc(fp))
            {
                let slots = region.slots(fp, count);
                for &(slot, kind) in map {
                    if let Some(slot) = slots.get(slot as usize) {
                        visit(Root::Slot(slot.as_ptr() as u64, kind));
                    }
                }
            }
            let below = region.saved_fp(fp);
            // The chain of frames only ever goes up; a damaged word ends it.
            fp = if below > fp { below } else { 0 };
        }
        true
    }
}

/// How often an allocation that found no room defragments and tries again.
const DEFRAGMENT_ROUNDS: u32 = 8;

impl Runtime {
    /// Allocates an object of canonical type `ty` with `count` elements in its variable part (0 for types without one),
    /// without collecting. `None`: no room, or the object cannot exist.
    #[inline]
    pub fn try_new(&self, buffer: &mut AllocBuffer, ty: TypeId, count: u64) -> Option<u64> {
        let layout = self.layouts.known(ty)?;
        let address = match layout.shape {
            Shape::Hybrid { var_offset, stride, .. } => {
                layout.unit_size(count)?;
                self.heap.alloc_hybrid_in(buffer, ty, var_offset, stride, count, layout.align_bytes)?
            }
            Shape::Void | Shape::Scalar(_) | Shape::Struct(_) | Shape::Array { .. } => {
                self.heap.alloc_fixed_in(buffer, ty, layout.size()?, layout.align_bytes)?
            }
        };
        Some(address.0)
    }

    /// The same, collecting when there is no room or a stress mode says so. The running thread, if there is one, has
    /// saved its frame. `None`: the heap is full.
    pub fn new_collecting(
        &mut self,
        mut thread: Option<&mut Thread>,
        frames: &dyn FrameMaps,
        ty: TypeId,
        count: u64,
    ) -> Option<u64> {
        if self.config.gc_stress.at_allocations() && self.stress_allocation(&mut thread, frames) {
            return None;
        }
        if let Some(address) = self.try_new_for(&mut thread, ty, count) {
            return Some(address);
        }
        let needed_bytes = self.layouts.known(ty).and_then(|layout| layout.unit_size(count))?;
        if needed_bytes > self.config.heap_bytes {
            return None;
        }
        let cause = if self.heap.at_limit() { Cause::Limit } else { Cause::Growth };
        let mut plan = Plan { cause, defragment: false, needed_bytes };
        self.collect(thread.as_deref_mut(), frames, plan);
        if let Some(address) = self.try_new_for(&mut thread, ty, count) {
            return Some(address);
        }
        plan.defragment = true;
        for _ in 0..DEFRAGMENT_ROUNDS {
            if !self.heap.is_fragmented() {
                break;
            }
            let collected = self.collect(thread.as_deref_mut(), frames, plan);
            if let Some(address) = self.try_new_for(&mut thread, ty, count) {
                return Some(address);
            }
            if collected.emptied_blocks == 0 {
                break;
            }
        }
        None
    }

    fn try_new_for(&mut self, thread: &mut Option<&mut Thread>, ty: TypeId, count: u64) -> Option<u64> {
        match thread {
            Some(thread) => self.try_new(&mut thread.buffer, ty, count),
            None => {
                let mut buffer = std::mem::take(&mut self.client_buffer);
                let address = self.try_new(&mut buffer, ty, count);
                self.client_buffer = buffer;
                address
            }
        }
    }

    /// Stress modes at an allocation; whether it must fail.
    fn stress_allocation(&mut self, thread: &mut Option<&mut Thread>, frames: &dyn FrameMaps) -> bool {
        let stress = self.config.gc_stress;
        self.stress_counts.allocations += 1;
        let number = self.stress_counts.allocations;
        if stress.fail_at == Some(number) {
            self.stress_counts.failures += 1;
            return true;
        }
        if stress.every.is_some_and(|every| number.is_multiple_of(every)) && self.stress_counts.force() {
            self.stress_counts.allocation_collections += 1;
            let plan = Plan { cause: Cause::StressAllocation, ..Plan::default() };
            self.collect(thread.as_deref_mut(), frames, plan);
        }
        false
    }

    /// The stress mode `safepoint`, at one. The running thread has saved its frame.
    pub fn stress_safepoint(&mut self, thread: &mut Thread, frames: &dyn FrameMaps) {
        if !self.stress_counts.force() {
            return;
        }
        self.stress_counts.safepoint_collections += 1;
        self.collect(Some(thread), frames, Plan { cause: Cause::StressSafepoint, ..Plan::default() });
    }

    /// Kills unreachable stacks if there are so many that it is worth while. The running thread has saved its frame.
    pub fn collect_stacks(&mut self, thread: Option<&mut Thread>, frames: &dyn FrameMaps) {
        if self.stacks.wants_collection() {
            self.collect(thread, frames, Plan { cause: Cause::Stacks, ..Plan::default() });
        }
    }

    /// Collects. All threads stand still: the running one, if there is one, has saved its frame.
    pub fn collect(&mut self, thread: Option<&mut Thread>, frames: &dyn FrameMaps, plan: Plan) -> Collected {
        let cells = self.threads.all();
        let mut resting: Vec<_> = cells.iter().map(|cell| cell.lock()).collect();
        let others = resting.iter_mut().filter_map(|thread| thread.as_deref_mut());
        let mut threads: Vec<&mut Thread> = thread.into_iter().chain(others).collect();
        let thread_roots: Vec<ThreadRoots<'_>> = threads
            .iter()
            .map(|thread| ThreadRoots {
                stack: thread.stack,
                threadlocal: AtomicU64::new(thread.threadlocal),
                pins: &thread.pins,
            })
            .collect();
        let handles = self.handles.lock().held();
        let userdata = AtomicU64::new(self.trap_handler.map_or(0, |handler| handler.userdata));
        let waited_at: Vec<u64> = self.futexes.get_mut().locations().collect();
        let locations: Vec<AtomicU64> = waited_at.iter().copied().map(AtomicU64::new).collect();
        let roots = RuntimeRoots {
            userdata: &userdata,
            locations: &locations,
            globals: &self.global_units,
            handles: &handles,
            threads: &thread_roots,
            pins: &self.client_pins,
            stacks: &self.stacks,
            frames,
        };
        let collected = self.heap.collect(&self.layouts, &roots, plan);
        if self.config.verify_heap {
            let verdict = self.heap.verify_collection(&self.layouts, &roots, &collected);
            assert!(verdict.is_ok(), "{verdict:?} after collection {}", self.heap.epoch());
        }
        let locals: Vec<u64> =
            thread_roots.iter().map(|roots| roots.threadlocal.load(Ordering::Relaxed)).collect();
        let moved = |old: u64| match waited_at.binary_search(&old) {
            Ok(index) => locations[index].load(Ordering::Relaxed),
            Err(_) => old,
        };
        self.futexes.get_mut().rekey(moved);
        if let Some(handler) = &mut self.trap_handler {
            handler.userdata = userdata.load(Ordering::Relaxed);
        }
        for (thread, local) in threads.iter_mut().zip(locals) {
            thread.threadlocal = local;
            thread.buffer.reset();
        }
        self.client_buffer.reset();
        self.stress_counts.alive = collected.objects + collected.reached.len() as u64;
        self.stacks_killed += self.stacks.kill_unreached(&collected.reached);
        collected
    }
}
