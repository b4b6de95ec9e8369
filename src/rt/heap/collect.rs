//! A collection, from beginning to end.
//!
//! ```text
//! choose blocks to empty ─> clear line marks ─> mark pinned objects ─> mark from the roots, moving ─> weak references
//!   ─> sweep: blocks become free, recyclable or full; marks become start bits; large objects go ─> growth policy
//! ```
//!
//! No thread runs meanwhile, and every allocation buffer is empty afterwards: whoever calls [`Heap::collect`] resets
//! those it knows. Collections are always full ones.
//!
//! Example: two objects, one of them reachable.
//! ```
//! use mu_ir::ids::TypeId;
//! use mu_rt::heap::{Heap, HeapConfig, Plan, Root, Roots};
//! use mu_rt::layout::{Layouts, LeafKind};
//! use mu_rt::stack::StackRef;
//! use std::sync::atomic::AtomicU64;
//!
//! struct One(AtomicU64);
//! // SAFETY: the slot is an atomic word.
//! unsafe impl Roots for One {
//!     fn pins(&self, _visit: &mut dyn FnMut(u64)) {}
//!     fn roots(&self, visit: &mut dyn FnMut(Root)) {
//!         visit(Root::Slot(self.0.as_ptr() as u64, LeafKind::Ref));
//!     }
//!     fn stack(&self, _stack: StackRef, _visit: &mut dyn FnMut(Root)) -> bool {
//!         false
//!     }
//! }
//!
//! let heap = Heap::new(HeapConfig::default()).unwrap();
//! let (kept, _garbage) = (heap.alloc_fixed(TypeId(0), 8, 8).unwrap(), heap.alloc_fixed(TypeId(0), 8, 8).unwrap());
//! let roots = One(AtomicU64::new(kept.0));
//! heap.collect(&Layouts::new(), &roots, Plan::default());
//! assert_eq!(heap.statistics().objects, 1);
//! ```

use super::evacuate::{self, Evacuator};
use super::immix::{Blocks, LargeRun};
use super::mark::{Found, Marker, ScanTable, start_of};
use super::roots::Roots;
use super::space::{BLOCK, LINE, TOUCHED};
use super::{AllocBuffer, Heap, LARGE_PAYLOAD};
use crate::layout::Layouts;
use crate::stack::StackSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Why a collection happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cause {
    /// An allocation found the limit reached.
    Limit,
    /// An allocation found that the heap has grown enough (growth policy).
    Growth,
    /// A stack could not be made.
    Stacks,
    /// Somebody asked for it.
    #[default]
    Request,
    /// Stress mode: at every Nth allocation.
    StressAllocation,
    /// Stress mode: at a safepoint.
    StressSafepoint,
}

impl Cause {
    /// All of them, in the order of [`Collections::by_cause`].
    pub const ALL: [Cause; 6] = [
        Cause::Limit,
        Cause::Growth,
        Cause::Stacks,
        Cause::Request,
        Cause::StressAllocation,
        Cause::StressSafepoint,
    ];

    /// A word for reports.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Limit => "limit",
            Cause::Growth => "growth",
            Cause::Stacks => "stacks",
            Cause::Request => "request",
            Cause::StressAllocation => "stress-allocation",
            Cause::StressSafepoint => "stress-safepoint",
        }
    }
}

/// What a collection should do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Why.
    pub cause: Cause,
    /// Empty sparse blocks.
    pub defragment: bool,
    /// Bytes the caller wants to allocate next: the growth policy will allow them.
    pub needed_bytes: u64,
}

/// What a collection has done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    /// The stacks that can be reached; the caller kills the others.
    pub reached: StackSet,
    /// Live objects.
    pub objects: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Objects that have a new address.
    pub moved: u64,
    /// Blocks that were to be emptied.
    pub emptied_blocks: u64,
    /// Weak references that became NULL.
    pub weakrefs_cleared: u64,
}

/// Counts over all collections of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Collections {
    /// How many.
    pub count: u64,
    /// How many for each cause, in the order of [`Cause::ALL`].
    pub by_cause: [u64; 6],
    /// Time spent in them.
    pub pause_total: Duration,
    /// The shortest.
    pub pause_min: Duration,
    /// The longest.
    pub pause_max: Duration,
    /// Objects that were copied.
    pub objects_moved: u64,
    /// Weak references cleared.
    pub weakrefs_cleared: u64,
    /// Live objects after the last one.
    pub live_objects: u64,
    /// Their payload bytes.
    pub live_bytes: u64,
    /// Bytes of memory handed out to allocate in, since the heap was made.
    pub allocated_bytes: u64,
}

impl Collections {
    /// The mean pause.
    pub fn pause_mean(&self) -> Duration {
        self.pause_total.checked_div(u32::try_from(self.count).unwrap_or(u32::MAX)).unwrap_or_default()
    }
}

/// What the collector keeps from one collection to the next.
#[derive(Default)]
pub(super) struct Collector {
    scans: ScanTable,
    stack: Vec<u64>,
    pub(super) counts: Collections,
}

impl Heap {
    /// Collects: objects that cannot be reached from the roots are gone, their memory is free. No thread may run or
    /// allocate meanwhile, and buffers other than the shared one must not be used until they have been reset
    /// ([`AllocBuffer::reset`]).
    pub fn collect(&self, layouts: &Layouts, roots: &dyn Roots, plan: Plan) -> Collected {
        let begin = Instant::now();
        let (mut blocks, mut collector) = (self.blocks.lock(), self.collector.lock());
        self.epoch.fetch_add(1, Ordering::Relaxed);
        self.shared.lock().reset();
        let (collected, lines) = self.mark_and_sweep(layouts, roots, plan, &mut blocks, &mut collector);
        self.grow(&mut blocks, lines, plan.needed_bytes);
        let counts = &mut collector.counts;
        counts.count += 1;
        counts.by_cause[plan.cause as usize] += 1;
        counts.objects_moved += collected.moved;
        counts.weakrefs_cleared += collected.weakrefs_cleared;
        (counts.live_objects, counts.live_bytes) = (collected.objects, collected.bytes);
        let pause = begin.elapsed();
        counts.pause_total += pause;
        counts.pause_max = counts.pause_max.max(pause);
        counts.pause_min = if counts.count == 1 { pause } else { counts.pause_min.min(pause) };
        collected
    }

    fn mark_and_sweep(
        &self,
        layouts: &Layouts,
        roots: &dyn Roots,
        plan: Plan,
        blocks: &mut Blocks,
        collector: &mut Collector,
    ) -> (Collected, u64) {
        let mut emptied_blocks = 0;
        let mut budget = u64::MAX;
        if blocks.fresh || plan.defragment {
            let mut pinned = Vec::new();
            roots.pins(&mut |pin| {
                pinned.extend(start_of(&self.space, pin).and_then(|at| self.space.block_of(at)))
            });
            if !blocks.fresh {
                budget = blocks.room() + (blocks.limit / 40).max(2);
            }
            emptied_blocks = evacuate::choose(&self.space, blocks, budget, &pinned);
        }
        let moving = blocks.fresh || emptied_blocks > 0;
        for &block in &blocks.used {
            self.space.clear_lines(block.into());
            if moving && self.space.has_flag(block.into(), TOUCHED) {
                self.space.settle(block.into());
                self.space.clear_parts(block.into());
            }
        }
        let evacuator = Evacuator::new(blocks, budget);
        let stack = std::mem::take(&mut collector.stack);
        let marked = match moving {
            true => self.mark::<true>(layouts, roots, &mut collector.scans, stack, evacuator),
            false => self.mark::<false>(layouts, roots, &mut collector.scans, stack, evacuator),
        };
        collector.stack = marked.stack;
        for block in self.space.immortal_taken() {
            self.space.clear_marks(block);
        }
        self.sweep_large(blocks);
        let lines = blocks.sweep_small(&self.space);
        let Found { objects, bytes, weakrefs_cleared } = marked.found;
        let (reached, moved) = (marked.reached, marked.moved);
        (Collected { reached, objects, bytes, moved, emptied_blocks, weakrefs_cleared }, lines)
    }

    fn mark<const MOVING: bool>(
        &self,
        layouts: &Layouts,
        roots: &dyn Roots,
        scans: &mut ScanTable,
        stack: Vec<u64>,
        evacuator: Evacuator<'_>,
    ) -> Marked {
        let mut marker = Marker::<MOVING>::new(&self.space, layouts, scans, stack, evacuator);
        roots.pins(&mut |pin| marker.pin(pin));
        let reached = marker.trace(roots);
        marker.clear_weak();
        Marked { reached, found: marker.found, moved: marker.evacuator.moved, stack: marker.stack }
    }

    /// Frees the large objects that were not reached.
    fn sweep_large(&self, blocks: &mut Blocks) {
        let all = std::mem::take(&mut blocks.large);
        let reached =
            |run: &LargeRun| self.space.is_marked(self.space.block_address(run.first) + LARGE_PAYLOAD);
        let (kept, gone): (Vec<LargeRun>, Vec<LargeRun>) = all.into_iter().partition(reached);
        for run in &kept {
            self.space.marks_become_starts(run.first);
        }
        blocks.large = kept;
        for run in gone {
            blocks.free_large(&self.space, run);
        }
    }

    /// The growth policy: the next collection is due when as much has been allocated as is live now, but not less than
    /// the configured minimum.
    fn grow(&self, blocks: &mut Blocks, lines: u64, needed_bytes: u64) {
        let Some(minimum) = self.growth_blocks else { return };
        let large: u64 = blocks.large.iter().map(|run| run.count).sum();
        let live = (lines * LINE).div_ceil(BLOCK) + large;
        let needed = evacuate::blocks_of_large(needed_bytes).unwrap_or(u64::MAX);
        let growth = live.max(minimum).max(needed);
        blocks.soft = blocks.in_use.saturating_add(growth).min(blocks.limit);
    }

    /// Counts over all collections so far.
    pub fn collections(&self) -> Collections {
        Collections {
            allocated_bytes: self.allocated.load(Ordering::Relaxed),
            ..self.collector.lock().counts
        }
    }

    /// Whether the next allocation that needs a block would exceed the limit, not only the growth policy's mark.
    pub fn at_limit(&self) -> bool {
        let blocks = self.blocks.lock();
        blocks.soft == blocks.limit
    }

    /// Whether memory is free in lines but not in blocks, so that defragmenting may help.
    pub fn is_fragmented(&self) -> bool {
        let blocks = self.blocks.lock();
        let free = |&&block: &&u32| self.space.marked_lines(block.into()) <= super::space::LINES * 3 / 4;
        !blocks.fresh && blocks.used.iter().filter(free).count() > 1
    }
}

struct Marked {
    reached: StackSet,
    found: Found,
    moved: u64,
    stack: Vec<u64>,
}

impl AllocBuffer {
    /// Gives up the memory: the next allocation takes new. After each collection.
    pub fn reset(&mut self) {
        *self = AllocBuffer::default();
    }
}
