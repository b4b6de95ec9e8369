//! The heap: objects, global cells, and how to find either from an address (uvm-memory, "Memory Allocation").
//!
//! **What.** [`Heap`] allocates objects by bumping a pointer through 32 KiB blocks and collects them; objects of more than
//! [`LARGE`] bytes get blocks of their own; global cells live in an immortal region beside the heap. Memory is zero
//! when handed out. [`Heap::find_object`] resolves any address to the allocation unit around it.
//!
//! **Why this way.** Allocation and collection meet in few places ([`collect`] is the latter, from beginning to end):
//! * A thread allocates from its own [`AllocBuffer`], two words that live in the thread structure, so that compiled
//!   code can do it inline: `payload = cursor + 8; cursor = payload + size; if cursor > limit { slow }; store header`.
//! * Allocation never collects. `None` means "no room now": the caller, who stands at a safepoint and knows its roots,
//!   asks for a collection and tries again, and takes the exceptional edge if that fails too.
//! * Every object says its own size (see [`object`]), so blocks can be walked without knowing types.
//! * [`Heap::epoch`] changes whenever an address may mean something else than before; caches compare it.
//!
//! **Invariants.**
//! * Payloads are aligned to 8 at least; no two objects share an address, not even of type `void`, since each has a
//!   header.
//! * A header is written before the reference is published.
//! * Types are canonical ids everywhere.
//! * Dropping a heap unmaps everything.
//!
//! **Example.** An object and a hybrid, which `find_object` gives back from interior addresses:
//! ```
//! use mu_ir::ids::TypeId;
//! use mu_rt::heap::{Heap, HeapConfig};
//!
//! let heap = Heap::new(HeapConfig { limit_bytes: 1 << 20, ..HeapConfig::default() }).unwrap();
//! let pair = heap.alloc_fixed(TypeId(3), 16, 8).unwrap();
//! let text = heap.alloc_hybrid(TypeId(4), 8, 1, 11, 8).unwrap();
//! assert_eq!(heap.find_object(pair.0 + 12).unwrap().start, pair.0);
//! assert_eq!(heap.find_object(text.0 + 18).unwrap().var_count, 11);
//! assert!(heap.find_object(pair.0 + 16).is_none());
//! ```

mod collect;
mod evacuate;
mod find;
mod immix;
mod mark;
pub mod object;
mod retrace;
mod roots;
mod space;
mod verify;

#[cfg(test)]
mod gc_tests;
#[cfg(test)]
mod tests;

pub use collect::{Cause, Collected, Collections, Plan};
pub use object::Header;
pub use roots::{FrameMaps, Root, Roots};
pub use space::BLOCK;
pub use verify::HeapFault;

use crate::os::OsError;
use collect::Collector;
use immix::Blocks;
use mu_ir::ids::TypeId;
use parking_lot::Mutex;
use space::{BlockKind, MAX_BLOCKS, Regions, Space};
use std::sync::atomic::{AtomicU64, Ordering};

/// Objects that take more bytes than this, header included, are large.
pub const LARGE: u64 = BLOCK / 2;

/// Where the payload of a large object begins in its first block; before it lie size, element count and header.
const LARGE_PAYLOAD: u64 = 64;

/// The address of a payload; never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Address(pub u64);

/// How big a heap may become, and how it behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapConfig {
    /// Most bytes of blocks with objects, rounded up to whole blocks of 32 KiB.
    pub limit_bytes: u64,
    /// Most bytes of blocks with global cells, likewise.
    pub immortal_bytes: u64,
    /// The growth policy: an allocation finds no room when as much as this, and as is live, has been allocated since the
    /// last collection. `None`: only when the limit is reached.
    pub growth_bytes: Option<u64>,
    /// The stress mode `move`: every object that is not pinned moves at every collection, to addresses never used
    /// before; its old pages are protected. `Some(bytes)`: how much address space to use for that before it begins
    /// anew.
    pub fresh_bytes: Option<u64>,
}

impl Default for HeapConfig {
    /// 1 GiB of objects and 1 GiB of global cells; only what is used takes memory.
    fn default() -> Self {
        HeapConfig { limit_bytes: 1 << 30, immortal_bytes: 1 << 30, growth_bytes: None, fresh_bytes: None }
    }
}

impl HeapConfig {
    /// Address space for the stress mode `move`, in bytes.
    pub const FRESH_BYTES: u64 = 1 << 40;
    /// The usual growth policy, in bytes.
    pub const GROWTH_BYTES: u64 = 32 << 20;

    /// How the address space is divided; `None` if it is not enough.
    fn regions(&self) -> Option<Regions> {
        let limit = self.limit_bytes.div_ceil(BLOCK).max(1);
        if limit > MAX_BLOCKS {
            return None;
        }
        // The collector may exceed the limit while it empties blocks.
        let spare = (limit / 40).max(2) + 64;
        // Large objects need blocks in a row: there is more address space for them than memory.
        let (small, large) = match self.fresh_bytes {
            Some(bytes) => ((bytes / BLOCK).max(limit * 2), (bytes / BLOCK / 4).max(limit * 2)),
            None => (limit + spare, if limit < MAX_BLOCKS / 16 { limit * 4 } else { limit }),
        };
        let immortal = self.immortal_bytes.div_ceil(BLOCK).max(1);
        let (small_end, large_end) = (small, small + large);
        let immortal_end = large_end.saturating_add(immortal);
        Some(Regions { small_end, large_end, immortal_end })
    }
}

/// A thread's part of the heap: free, zeroed memory from `cursor` to `limit`.
///
/// The layout is shared with compiled code. An empty buffer is valid and fills itself at the first allocation.
/// Dropping a buffer leaves the rest of its block unused until a collection; a collection makes all buffers invalid.
#[derive(Debug, Default)]
#[repr(C)]
pub struct AllocBuffer {
    /// The next free address, a multiple of 8.
    pub cursor: u64,
    /// The end of the free memory.
    pub limit: u64,
    /// The block that is being recycled, plus one; 0 if `cursor` is in a block that was free.
    recycling: u64,
    /// The line of that block where the search for the next hole begins.
    line: u64,
    /// As `cursor`, for objects larger than a line.
    overflow_cursor: u64,
    /// As `limit`, likewise.
    overflow_limit: u64,
}

/// How much room global cells took at some time, see [`Heap::globals_mark`].
#[derive(Clone, Debug)]
pub struct GlobalsMark {
    /// The first block not taken.
    first: u64,
    /// Of the buffer.
    cursor: u64,
    /// Of the buffer.
    limit: u64,
}

/// Ranges of blocks with their own limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Region {
    /// Collected objects.
    Heap,
    /// Global cells.
    Immortal,
}

/// What kind of allocation unit an address belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitKind {
    /// A heap object.
    Heap,
    /// A global cell.
    Global,
    /// An alloca cell, which the heap does not know; see [`crate::memory::AllocaCells`].
    Alloca,
}

/// An allocation unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectInfo {
    /// The address of the payload.
    pub start: u64,
    /// The canonical type.
    pub ty: TypeId,
    /// Number of elements of the variable part; 0 for types without one.
    pub var_count: u64,
    /// Size of the payload in bytes, rounded up to a multiple of 8.
    pub size_bytes: u64,
    /// What it is.
    pub kind: UnitKind,
}

impl ObjectInfo {
    /// Whether an address lies in the unit. A unit without bytes (`void`) still has its beginning.
    #[inline]
    pub fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.start) < self.size_bytes || address == self.start
    }
}

/// Counts over everything allocated and not collected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Heap objects.
    pub objects: u64,
    /// Their payload bytes.
    pub object_bytes: u64,
    /// Global cells.
    pub globals: u64,
    /// Their payload bytes.
    pub global_bytes: u64,
    /// Bytes of heap blocks in use: what counts against the limit.
    pub used_bytes: u64,
    /// The limit, in bytes.
    pub limit_bytes: u64,
}

/// A request after its sizes have been checked.
#[derive(Clone, Copy)]
struct Request {
    header: Header,
    count: u64,
    size: u64,
    align: u64,
}

/// The heap of an instance; see the module.
pub struct Heap {
    space: Space,
    /// For callers without a buffer of their own (client contexts, loaders).
    shared: Mutex<AllocBuffer>,
    immortal: Mutex<AllocBuffer>,
    epoch: AtomicU64,
    /// Locked in this order: blocks, collector, shared.
    blocks: Mutex<Blocks>,
    collector: Mutex<Collector>,
    growth_blocks: Option<u64>,
    limit_blocks: u64,
    /// Bytes handed out to allocate in.
    allocated: AtomicU64,
}

impl Heap {
    /// Reserves address space; memory is taken as it is used.
    ///
    /// # Errors
    /// When the system does not give that much address space.
    pub fn new(config: HeapConfig) -> Result<Heap, OsError> {
        let too_large = OsError { call: "mmap", bytes: config.limit_bytes, errno: libc::ENOMEM };
        let regions = config.regions().ok_or(too_large)?;
        let limit = config.limit_bytes.div_ceil(BLOCK).max(1);
        let growth = config.growth_bytes.map(|bytes| bytes.div_ceil(BLOCK).max(1));
        let fresh = config.fresh_bytes.is_some();
        let space = Space::new(regions)?;
        Ok(Heap {
            space,
            shared: Mutex::default(),
            immortal: Mutex::default(),
            epoch: AtomicU64::new(0),
            blocks: Mutex::new(Blocks::new(limit, growth.unwrap_or(limit), fresh, regions.small_end)),
            collector: Mutex::default(),
            growth_blocks: growth,
            limit_blocks: limit,
            allocated: AtomicU64::new(0),
        })
    }

    /// `NEW` from the shared buffer: an object of canonical type `ty`, `size_bytes` bytes, zeroed, aligned to
    /// max(8, `align_bytes`), which is a power of two up to 64. `None`: no room (or the size is
    /// [`crate::layout::Layout::TOO_LARGE`]).
    pub fn alloc_fixed(&self, ty: TypeId, size_bytes: u64, align_bytes: u64) -> Option<Address> {
        self.alloc_fixed_in(&mut self.shared.lock(), ty, size_bytes, align_bytes)
    }

    /// `NEWHYBRID` from the shared buffer: `fixed_bytes` is the offset of the variable part, `elem_bytes` the distance
    /// of its elements, `count` their number. `None`: no room, or a size that cannot exist.
    pub fn alloc_hybrid(
        &self,
        ty: TypeId,
        fixed_bytes: u64,
        elem_bytes: u64,
        count: u64,
        align_bytes: u64,
    ) -> Option<Address> {
        self.alloc_hybrid_in(&mut self.shared.lock(), ty, fixed_bytes, elem_bytes, count, align_bytes)
    }

    /// As [`Heap::alloc_fixed`], from a thread's own buffer.
    #[inline]
    pub fn alloc_fixed_in(
        &self,
        buffer: &mut AllocBuffer,
        ty: TypeId,
        size_bytes: u64,
        align_bytes: u64,
    ) -> Option<Address> {
        self.alloc(buffer, Region::Heap, ty, size_bytes, None, align_bytes)
    }

    /// As [`Heap::alloc_hybrid`], from a thread's own buffer.
    #[inline]
    pub fn alloc_hybrid_in(
        &self,
        buffer: &mut AllocBuffer,
        ty: TypeId,
        fixed_bytes: u64,
        elem_bytes: u64,
        count: u64,
        align_bytes: u64,
    ) -> Option<Address> {
        let size = elem_bytes.checked_mul(count)?.checked_add(fixed_bytes)?;
        self.alloc(buffer, Region::Heap, ty, size, Some(count), align_bytes)
    }

    /// A global cell (`.global`): lives as long as the heap and never moves. `None`: no room.
    pub fn alloc_global(&self, ty: TypeId, size_bytes: u64, align_bytes: u64) -> Option<Address> {
        self.alloc(&mut self.immortal.lock(), Region::Immortal, ty, size_bytes, None, align_bytes)
    }

    /// How much room global cells take now.
    pub fn globals_mark(&self) -> GlobalsMark {
        let buffer = self.immortal.lock();
        GlobalsMark { first: self.space.immortal_taken().end, cursor: buffer.cursor, limit: buffer.limit }
    }

    /// Gives back the room of all global cells since the mark, which nothing refers to.
    pub fn forget_globals(&self, mark: &GlobalsMark) {
        let mut buffer = self.immortal.lock();
        let begin = if mark.limit == 0 { self.space.base() } else { mark.cursor };
        let end = if mark.limit == 0 { begin } else { mark.limit };
        self.space.give_back_immortal(mark.first, begin, end);
        (buffer.cursor, buffer.limit) = (mark.cursor, mark.limit);
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn alloc(
        &self,
        buffer: &mut AllocBuffer,
        region: Region,
        ty: TypeId,
        size: u64,
        count: Option<u64>,
        align: u64,
    ) -> Option<Address> {
        debug_assert!(align.is_power_of_two() && align <= LARGE_PAYLOAD, "alignment {align}");
        let mut flags = if count.is_some() { Header::HYBRID } else { 0 };
        if region == Region::Immortal {
            flags |= Header::IMMORTAL;
        }
        if size > LARGE {
            return self.alloc_large(region, ty, size, count, flags);
        }
        let header = Header::new(ty, size, flags);
        let request = Request { header, count: count.unwrap_or(0), size, align: align.max(8) };
        self.bump(buffer, request).or_else(|| match region {
            Region::Heap => self.refill(buffer, request),
            Region::Immortal => self.refill_immortal(buffer, request),
        })
    }

    /// The fast path. What compiled code does inline, it does for objects of fixed size aligned to 8.
    #[inline]
    fn bump(&self, buffer: &mut AllocBuffer, request: Request) -> Option<Address> {
        let payload = (buffer.cursor + request.header.prefix_bytes()).next_multiple_of(request.align);
        let end = payload + request.size.next_multiple_of(8);
        if end > buffer.limit {
            return None;
        }
        buffer.cursor = end;
        self.publish(payload, request);
        Some(Address(payload))
    }

    #[inline]
    fn publish(&self, payload: u64, request: Request) {
        if request.header.has(Header::HYBRID) {
            self.space.word(payload - 16).store(request.count, Ordering::Relaxed);
        }
        self.space.word(payload - 8).store(request.header.0, Ordering::Release);
        // In the memory of a buffer the beginnings of objects are found when they are asked for (see `find`).
        if request.header.has(Header::LARGE | Header::IMMORTAL) {
            self.space.set_start(payload);
        }
    }

    #[cold]
    fn refill_immortal(&self, buffer: &mut AllocBuffer, request: Request) -> Option<Address> {
        buffer.cursor = self.space.block_address(self.space.take_immortal(1, false)?);
        buffer.limit = buffer.cursor + BLOCK - 8;
        // A small object always fits into an empty block.
        self.bump(buffer, request)
    }

    #[cold]
    fn alloc_large(
        &self,
        region: Region,
        ty: TypeId,
        size: u64,
        count: Option<u64>,
        flags: u64,
    ) -> Option<Address> {
        let blocks = evacuate::blocks_of_large(size)?;
        let first = match region {
            Region::Heap => self.blocks.lock().take_large(&self.space, blocks)?,
            Region::Immortal => self.space.take_immortal(blocks, true)?,
        };
        if region == Region::Heap {
            self.allocated.fetch_add(size, Ordering::Relaxed);
        }
        let first = self.space.block_address(first);
        let payload = first + LARGE_PAYLOAD;
        self.space.word(first).store(size.next_multiple_of(8), Ordering::Relaxed);
        let header = Header::new(ty, size, flags | Header::LARGE);
        self.publish(payload, Request { header, count: count.unwrap_or(0), size, align: LARGE_PAYLOAD });
        Some(Address(payload))
    }

    /// The allocation unit whose payload holds an address; `None` between units and outside the heap.
    #[inline]
    pub fn find_object(&self, address: u64) -> Option<ObjectInfo> {
        let block = self.space.block_of(address)?;
        let start = match self.space.kind(block) {
            BlockKind::Free => return None,
            BlockKind::Small => self.space.find_start(block, address)?,
            BlockKind::Large(first) => self.space.block_address(first) + LARGE_PAYLOAD,
        };
        let info = self.info_at(start)?;
        info.contains(address).then_some(info)
    }

    /// The unit whose payload begins at `start`, a payload address of this heap.
    #[inline]
    fn info_at(&self, start: u64) -> Option<ObjectInfo> {
        let header = Header(self.space.word(start - 8).load(Ordering::Relaxed));
        if !header.is_valid() {
            return None;
        }
        let size_bytes = match header.has(Header::LARGE) {
            true => self.space.word(start - LARGE_PAYLOAD).load(Ordering::Relaxed),
            false => header.size_bytes(),
        };
        let var_count = match header.has(Header::HYBRID) {
            true => self.space.word(start - 16).load(Ordering::Relaxed),
            false => 0,
        };
        let kind = if header.has(Header::IMMORTAL) { UnitKind::Global } else { UnitKind::Heap };
        Some(ObjectInfo { start, ty: header.ty(), var_count, size_bytes, kind })
    }

    /// The unit whose payload begins exactly at an address.
    #[inline]
    pub fn object_at(&self, address: u64) -> Option<ObjectInfo> {
        self.find_object(address).filter(|info| info.start == address)
    }

    /// Whether an address lies in the heap's address space (objects, global cells or free).
    #[inline]
    pub fn covers(&self, address: u64) -> bool {
        self.space.block_of(address).is_some()
    }

    /// Changes when addresses change their meaning: after each collection.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// All blocks in use, ascending.
    fn blocks_taken(&self) -> Vec<u64> {
        let blocks = self.blocks.lock();
        let small = blocks.used.iter().map(|&block| u64::from(block));
        let mut taken: Vec<u64> =
            small.chain(blocks.large.iter().flat_map(|run| run.first..run.first + run.count)).collect();
        taken.sort_unstable();
        taken.extend(self.space.immortal_taken());
        taken
    }

    /// Visits every unit, by ascending address. Units allocated meanwhile may be missing.
    pub fn for_each_object(&self, mut visit: impl FnMut(ObjectInfo)) {
        for block in self.blocks_taken() {
            match self.space.kind(block) {
                BlockKind::Small => {
                    self.space.settle(block);
                    self.space.starts_in(block).filter_map(|at| self.info_at(at)).for_each(&mut visit)
                }
                BlockKind::Large(first) if first == block => {
                    self.info_at(self.space.block_address(first) + LARGE_PAYLOAD)
                        .into_iter()
                        .for_each(&mut visit);
                }
                BlockKind::Large(_) | BlockKind::Free => {}
            }
        }
    }

    /// Bytes of heap blocks in use: what counts against the limit.
    pub fn used_bytes(&self) -> u64 {
        self.blocks.lock().in_use * BLOCK
    }

    /// Counts objects and bytes, by looking at all of them: allocation itself keeps no counters.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics {
            used_bytes: self.used_bytes(),
            limit_bytes: self.limit_blocks * BLOCK,
            ..Statistics::default()
        };
        self.for_each_object(|info| match info.kind {
            UnitKind::Heap => {
                statistics.objects += 1;
                statistics.object_bytes += info.size_bytes;
            }
            UnitKind::Global | UnitKind::Alloca => {
                statistics.globals += 1;
                statistics.global_bytes += info.size_bytes;
            }
        });
        statistics
    }
}
