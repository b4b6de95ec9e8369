//! Threads, and what a tier tells the driver when it stops.
//!
//! A thread is a driver loop on its OS stack: it lets a tier run the stack it is bound to until something happens that
//! the tier cannot settle itself, settles it, and goes on. Interpreter frames live on the Mu stack, so the loop never
//! nests.
//!
//! ```text
//!        ┌──────────── resume(stack, values | exception) ────────────┐
//!   driver ── run ──> tier … TRAP ──> Event::Trap ──> trap handler ──┘
//!                          … RET from the bottom frame ──> Event::Returned
//! ```
//!
//! What is per thread is in [`Thread`]; everything else of an instance is shared. Threads that do not run right now rest
//! in their [`ThreadCell`]s, where a collector finds their roots; whoever runs one takes it out of its cell.
//!
//! A thread that is woken has an *alarm* until it gets up ([`ThreadCell::get_up`]): waking never gets lost, whether the thread
//! sleeps already or not, and whoever counts sleepers can tell those that will get up. Only who took a thread out of a queue
//! wakes it, and a thread whose time is over has first to find itself in the queue: so each wait has one end.
//!
//! An instruction that concerns other threads (NEWTHREAD, a futex wait or wake) stops the tier with its frame still at
//! the instruction. The driver does what is to be done, and the tier *completes* the instruction with its result when
//! the thread may go on: at once, or when it is woken.

use crate::heap::AllocBuffer;
use crate::memory::UnitCache;
use crate::native::Callback;
use crate::stack::StackRef;
use mu_ir::ids::{FuncId, TypeId};
use mu_ir::ub::Ub;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// A reference to a thread as programs hold it: a number that is never reused; 0 is NULL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct ThreadRef(pub u64);

impl ThreadRef {
    /// The NULL reference.
    pub const NULL: ThreadRef = ThreadRef(0);
}

/// A Mu thread.
#[derive(Debug)]
pub struct Thread {
    /// What programs call it.
    pub id: ThreadRef,
    /// The stack it is bound to; after a trap the one it was bound to.
    pub stack: StackRef,
    /// Whether it owns that stack: not before it is bound first, nor between a trap and what the client answers. Then the
    /// stack may be anybody's.
    pub is_bound: bool,
    /// The thread-local reference.
    pub threadlocal: u64,
    /// The pinning multiset: object or location addresses, one entry per pin.
    pub pins: Vec<u64>,
    /// Where it allocates.
    pub buffer: AllocBuffer,
    /// What checked mode looked up last.
    pub unit_cache: UnitCache,
    /// The stress mode `safepoint` has collected for the instruction it stands at.
    pub stressed: bool,
    /// A call by native code whose function must be decoded first.
    pub callback: Option<Callback>,
    /// Instructions it may still execute before the driver is asked again.
    pub fuel: u64,
    /// Instructions it has executed.
    pub executed: u64,
}

impl Thread {
    /// A thread that will be bound to a stack.
    pub fn new(id: ThreadRef, stack: StackRef, threadlocal: u64) -> Thread {
        Thread {
            id,
            stack,
            is_bound: false,
            threadlocal,
            pins: Vec::new(),
            buffer: AllocBuffer::default(),
            unit_cache: UnitCache::default(),
            stressed: false,
            callback: None,
            fuel: 0,
            executed: 0,
        }
    }
}

/// Where a thread rests while it does not run, and sleeps while it waits.
#[derive(Debug)]
pub struct ThreadCell {
    id: ThreadRef,
    thread: Mutex<Option<Box<Thread>>>,
    sleep: Mutex<Sleep>,
    bell: Condvar,
    /// Its OS thread runs something inside this thread: a trap handler.
    is_held_up: AtomicBool,
}

#[derive(Debug, Default)]
struct Sleep {
    /// What the wait ends with, from when the thread is woken until it gets up.
    alarm: Option<u64>,
    /// It sleeps, and no time will wake it.
    for_ever: bool,
}

/// How [`ThreadCell::sleep`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slept {
    /// It was woken: [`ThreadCell::get_up`] has the result.
    Woken,
    /// The time was over.
    TimedOut,
    /// Something else happened that it shall look at.
    Interrupted,
}

impl ThreadCell {
    /// What programs call the thread.
    pub fn id(&self) -> ThreadRef {
        self.id
    }

    /// Takes the thread out, to run it; `None` while somebody else does.
    pub fn take(&self) -> Option<Box<Thread>> {
        self.thread.lock().take()
    }

    /// Puts the thread in again.
    pub fn rest(&self, thread: Box<Thread>) {
        *self.thread.lock() = Some(thread);
    }

    /// Does something with the thread if it rests.
    pub fn with<R>(&self, work: impl FnOnce(&mut Thread) -> R) -> Option<R> {
        self.thread.lock().as_deref_mut().map(work)
    }

    /// Whether the thread was woken and has not got up yet.
    pub fn is_woken(&self) -> bool {
        self.sleep.lock().alarm.is_some()
    }

    /// Whether the thread does nothing until another one wakes it, or what runs inside it is over.
    pub fn is_stuck(&self) -> bool {
        let sleep = self.sleep.lock();
        sleep.for_ever && sleep.alarm.is_none() || self.is_held_up.load(Ordering::SeqCst)
    }

    /// Notes that its OS thread runs something inside this thread, or no longer does; what was noted before.
    pub fn set_held_up(&self, is_held_up: bool) -> bool {
        self.is_held_up.swap(is_held_up, Ordering::SeqCst)
    }

    /// A woken thread gets up: what its wait ends with. Until then it counts as woken, so that it can tell whoever counts
    /// sleepers first.
    pub fn get_up(&self) -> Option<u64> {
        let mut sleep = self.sleep.lock();
        sleep.for_ever = false;
        sleep.alarm.take()
    }

    /// Makes a sleeper look at what may interrupt it, which was set before.
    pub fn interrupt(&self) {
        // A sleeper holds the lock between looking and waiting, so that it cannot miss this.
        drop(self.sleep.lock());
        self.bell.notify_all();
    }

    /// Sleeps until the thread is woken, a time comes, or `interrupted` says so. `for_ever` says that the time is only one
    /// to look around at: nothing but being woken ends the wait.
    pub fn sleep(&self, until: Option<Instant>, for_ever: bool, interrupted: impl Fn() -> bool) -> Slept {
        let mut sleep = self.sleep.lock();
        let slept = loop {
            if sleep.alarm.is_some() {
                return Slept::Woken;
            }
            if interrupted() {
                break Slept::Interrupted;
            }
            sleep.for_ever = for_ever;
            match until {
                None => self.bell.wait(&mut sleep),
                Some(time) if Instant::now() >= time => break Slept::TimedOut,
                Some(time) => {
                    self.bell.wait_until(&mut sleep, time);
                }
            }
        };
        sleep.for_ever = false;
        slept
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Box<Thread>>> {
        self.thread.lock()
    }
}

/// The threads of an instance.
#[derive(Debug, Default)]
pub struct Threads {
    cells: Mutex<BTreeMap<ThreadRef, Arc<ThreadCell>>>,
    named: AtomicU64,
    woken: AtomicU64,
}

impl Threads {
    /// Adds a new thread, which rests; its cell.
    pub fn add(&self, stack: StackRef, threadlocal: u64) -> Arc<ThreadCell> {
        let id = ThreadRef(self.named.fetch_add(1, Ordering::SeqCst) + 1);
        let thread = Box::new(Thread::new(id, stack, threadlocal));
        let cell = Arc::new(ThreadCell {
            id,
            thread: Mutex::new(Some(thread)),
            sleep: Mutex::default(),
            bell: Condvar::new(),
            is_held_up: AtomicBool::new(false),
        });
        self.cells.lock().insert(id, Arc::clone(&cell));
        cell
    }

    /// Takes a resting thread out of its cell, to run it.
    pub fn take(&self, id: ThreadRef) -> Option<Box<Thread>> {
        self.get(id)?.take()
    }

    /// Puts a thread into its cell again. A thread that has ended is dropped.
    pub fn rest(&self, thread: Box<Thread>) {
        if let Some(cell) = self.get(thread.id) {
            cell.rest(thread);
        }
    }

    /// Wakes a thread: its wait ends with `result`, also if it has not begun to sleep yet.
    pub fn wake(&self, id: ThreadRef, result: u64) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        if let Some(cell) = self.get(id) {
            cell.sleep.lock().alarm = Some(result);
            cell.bell.notify_all();
        }
    }

    /// How often threads were made and woken: who finds it unchanged knows that nobody was in between.
    pub fn changes(&self) -> (u64, u64) {
        (self.named.load(Ordering::SeqCst), self.woken.load(Ordering::SeqCst))
    }

    /// A thread has ended.
    pub fn end(&self, id: ThreadRef) {
        self.cells.lock().remove(&id);
    }

    /// The cell of a thread that has not ended.
    pub fn get(&self, id: ThreadRef) -> Option<Arc<ThreadCell>> {
        self.cells.lock().get(&id).map(Arc::clone)
    }

    /// The cells of all threads, by ascending reference.
    pub fn all(&self) -> Vec<Arc<ThreadCell>> {
        self.cells.lock().values().map(Arc::clone).collect()
    }

    /// Number of threads ever made.
    pub fn made(&self) -> u64 {
        self.named.load(Ordering::Relaxed)
    }
}

/// What a stack is resumed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// Values: their types (representatives) and words.
    Values {
        /// Types.
        types: Vec<TypeId>,
        /// Words, value after value.
        words: Vec<u64>,
    },
    /// An exception, a ref.
    Exception(u64),
}

/// Why a thread is in the hands of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapCause {
    /// A TRAP instruction.
    Trap,
    /// A WATCHPOINT with this id.
    Watchpoint(u32),
    /// A call of a function without a version.
    Undefined(FuncId),
}

/// A thread that NEWTHREAD makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewThread {
    /// Its stack.
    pub stack: StackRef,
    /// Its thread-local reference.
    pub threadlocal: u64,
    /// What the stack receives.
    pub resumption: Resumption,
}

/// Why a tier stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The stack is READY and the client decides how it goes on.
    Trap(TrapCause),
    /// The instruction the top frame stands at loads a text; then the thread goes on behind it.
    Load {
        /// Whether it is a HAIL script; otherwise it is a bundle.
        hail: bool,
        /// The text.
        text: Vec<u8>,
    },
    /// The bottom frame returned: types (representatives) and words of the values.
    Returned {
        /// Types.
        types: Vec<TypeId>,
        /// Words, value after value.
        words: Vec<u64>,
    },
    /// An exception left the bottom frame.
    Threw(u64),
    /// The thread ended itself.
    ThreadExit,
    /// Undefined behaviour, at the instruction the top frame stands at.
    Undefined(Ub),
    /// The instruction the top frame stands at belongs to a later stage of this implementation.
    Unsupported(String),
    /// The fuel of this turn is used up.
    OutOfFuel,
    /// NEWTHREAD, whose stack can be bound so. The instruction waits for the reference of the thread, or for failure.
    NewThread(Box<NewThread>),
    /// A futex wait: the thread is in its queue. The instruction waits for its result.
    Wait {
        /// Most nanoseconds to wait; `None` for ever.
        timeout: Option<u64>,
    },
    /// A futex wake or requeue took these threads out of their queues. The instruction waits for its result, the same
    /// number.
    Woke(Vec<ThreadRef>),
}
