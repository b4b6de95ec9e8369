//! One instance's side of the boundary: its segments, its exposed functions, its hook for foreign threads.
//!
//! **Segments** are pieces of one reservation, of one size, a power of two to which they are aligned: the header of the
//! segment that a stack pointer lies in is found by masking. They become accessible when first taken, except for the page
//! at the lower end, which stays a guard: C that needs more stack than there is dies of SIGSEGV, as any C program does.
//! Pages cost nothing until C touches them. A segment that is dropped goes back to the pool, and what deep calls
//! touched goes back to the system.
//!
//! **Invariants.** The reservation and the pages of stubs live as long as any [`NativeInterface`] or [`Segment`] of the
//! instance, or a call by a foreign thread; the last one unmaps all. Calling an exposed function after that is the client's
//! fault.

use super::classify::NativeSig;
use super::exposed::{ExposeError, Exposed, ExposedFunction};
use super::foreign::ForeignCall;
use super::segment::Segment;
use super::switch::Gate;
use crate::os::{Access, OsError, PAGE, Reservation};
use mu_ir::ids::SigId;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sizes of native segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NativeConfig {
    /// Bytes of a segment, with its guard page: made a power of two, at least [`NativeConfig::SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// Most segments at a time: OS threads that call C, and Mu stacks with suspended native calls.
    pub segments_max: u32,
    /// What must be left on a segment to call C on it.
    pub room_bytes: u64,
}

impl NativeConfig {
    /// The smallest segments.
    pub const SEGMENT_BYTES_MIN: u64 = 16 * PAGE;
    /// The largest segments.
    pub const SEGMENT_BYTES_MAX: u64 = 1 << 32;
}

impl Default for NativeConfig {
    fn default() -> Self {
        NativeConfig { segment_bytes: 1 << 20, segments_max: 4096, room_bytes: 64 << 10 }
    }
}

/// Why there is no segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SegmentError {
    /// As many as may be are in use.
    #[error("all {0} native segments are in use")]
    AllInUse(u32),
    /// The system refused.
    #[error("a native segment cannot be made: {0}")]
    Os(OsError),
}

/// The native interface of one instance. Clones are the same one.
#[derive(Clone)]
pub struct NativeInterface(pub(super) Arc<Shared>);

/// What segments and stubs refer to.
pub(super) struct Shared {
    pub gate: Gate,
    segments: Reservation,
    config: NativeConfig,
    pool: Mutex<Pool>,
    pub exposed: Mutex<Exposed>,
    /// How many values are exposed: every CCALL of a deterministic run asks.
    exposed_count: AtomicUsize,
    pub foreign: RwLock<Option<Arc<dyn ForeignCall>>>,
}

#[derive(Default)]
struct Pool {
    /// Numbers of segments that nobody uses, the last one first.
    free: Vec<u32>,
    /// Segments made so far.
    made: u32,
}

impl NativeInterface {
    /// The interface of a new instance.
    ///
    /// # Errors
    /// When the system refuses the reservation.
    pub fn new(config: NativeConfig) -> Result<NativeInterface, OsError> {
        let segment_bytes = config
            .segment_bytes
            .clamp(NativeConfig::SEGMENT_BYTES_MIN, NativeConfig::SEGMENT_BYTES_MAX)
            .next_power_of_two();
        // A new segment has the room.
        let room_bytes = config.room_bytes.min(segment_bytes / 2);
        let config = NativeConfig { segment_bytes, room_bytes, segments_max: config.segments_max.max(1) };
        let segments = Reservation::new(segment_bytes * u64::from(config.segments_max), segment_bytes)?;
        segments.protect(0, segments.bytes(), Access::None)?;
        let gate = Gate {
            segments_base: segments.base(),
            segments_bytes: segments.bytes(),
            segment_mask: segment_bytes - 1,
        };
        let shared = Shared {
            gate,
            segments,
            config,
            pool: Mutex::default(),
            exposed: Mutex::default(),
            exposed_count: AtomicUsize::new(0),
            foreign: RwLock::default(),
        };
        Ok(NativeInterface(Arc::new(shared)))
    }

    /// The sizes in force.
    pub fn config(&self) -> NativeConfig {
        self.0.config
    }

    /// Takes a segment out of the pool. Dropping it puts it back.
    ///
    /// # Errors
    /// When there is none.
    pub fn segment(&self) -> Result<Segment, SegmentError> {
        let config = &self.0.config;
        let mut pool = self.0.pool.lock();
        let number = match pool.free.pop() {
            Some(number) => number,
            None if pool.made == config.segments_max => return Err(SegmentError::AllInUse(pool.made)),
            None => {
                let offset = u64::from(pool.made) * config.segment_bytes + PAGE;
                let protected =
                    self.0.segments.protect(offset, config.segment_bytes - PAGE, Access::ReadWrite);
                protected.map_err(SegmentError::Os)?;
                pool.made += 1;
                pool.made - 1
            }
        };
        drop(pool);
        Ok(Segment::new(Arc::clone(&self.0), number))
    }

    /// Exposes a function: machine code at the answered address calls it, by the default calling convention.
    /// `function` is what a [`super::Callback`] will say; `native` is `sig` as classified in this instance.
    ///
    /// # Errors
    /// When the system gives no memory for the code.
    pub fn expose(
        &self,
        function: u64,
        sig: SigId,
        native: &Arc<NativeSig>,
        cookie: u64,
    ) -> Result<u64, ExposeError> {
        let mut exposed = self.0.exposed.lock();
        let result = exposed.expose(&self.0.gate, ExposedFunction { function, sig, cookie }, native);
        self.0.exposed_count.store(exposed.len(), Ordering::Relaxed);
        result
    }

    /// Removes an exposed value. `false` when there is none at this address. Calls that are under way end as usual.
    pub fn unexpose(&self, address: u64) -> bool {
        let mut exposed = self.0.exposed.lock();
        let was_exposed = exposed.unexpose(address);
        self.0.exposed_count.store(exposed.len(), Ordering::Relaxed);
        was_exposed
    }

    /// What is exposed at an address.
    pub fn exposed(&self, address: u64) -> Option<ExposedFunction> {
        self.0.exposed.lock().find(address)
    }

    /// Number of exposed values.
    pub fn exposed_count(&self) -> usize {
        self.0.exposed_count.load(Ordering::Relaxed)
    }

    /// Whether anything was ever exposed, so that native code may know an address to call, rightly or not.
    pub fn has_exposed(&self) -> bool {
        self.0.exposed.lock().has_stubs()
    }

    /// Who is called when a thread that runs no segment of this instance calls an exposed function. The hook must not
    /// own the instance (a `Weak` does), else neither is ever dropped. Without a hook such calls do nothing, and C gets zeros.
    pub fn set_foreign_call(&self, hook: Option<Arc<dyn ForeignCall>>) {
        *self.0.foreign.write() = hook;
    }
}

impl Shared {
    /// The lowest address of a segment, its guard page.
    pub fn segment_base(&self, number: u32) -> u64 {
        self.segments.base() + u64::from(number) * self.config.segment_bytes
    }

    /// Bytes of a segment.
    pub fn segment_bytes(&self) -> u64 {
        self.config.segment_bytes
    }

    /// What must be left to call C.
    pub fn room_bytes(&self) -> u64 {
        self.config.room_bytes
    }

    /// Puts a segment back.
    pub fn give_back(&self, number: u32) {
        // What is likely to be used again stays.
        let (guard, kept) = (PAGE, 16 << 10);
        let offset = self.segment_base(number) - self.segments.base() + guard;
        let result = self.segments.discard(offset, self.config.segment_bytes - guard - kept);
        debug_assert!(result.is_ok(), "an own mapping can be discarded");
        self.pool.lock().free.push(number);
    }
}

impl std::fmt::Debug for NativeInterface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeInterface").field("config", &self.0.config).finish_non_exhaustive()
    }
}
