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
//! in [`Threads`], where a collector finds their roots; the driver takes the one it runs out of the table.
//!
//! An instruction that concerns other threads (NEWTHREAD, a futex wait or wake) stops the tier with its frame still at
//! the instruction. The driver does what is to be done, and the tier *completes* the instruction with its result when
//! the thread may go on: at once, or when it is woken.

use crate::heap::AllocBuffer;
use crate::native::Segment;
use crate::stack::StackRef;
use mu_ir::ids::{FuncId, TypeId};
use mu_ir::ub::Ub;
use std::collections::BTreeMap;

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
    /// The stack it is bound to.
    pub stack: StackRef,
    /// The thread-local reference.
    pub threadlocal: u64,
    /// The pinning multiset: object or location addresses, one entry per pin.
    pub pins: Vec<u64>,
    /// Where it allocates.
    pub buffer: AllocBuffer,
    /// Where its native calls run: taken at the first one, kept unless a call is suspended on it.
    pub segment: Option<Segment>,
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
            threadlocal,
            pins: Vec::new(),
            buffer: AllocBuffer::default(),
            segment: None,
            fuel: 0,
            executed: 0,
        }
    }
}

/// The threads of an instance that do not run right now.
#[derive(Debug, Default)]
pub struct Threads {
    resting: BTreeMap<ThreadRef, Thread>,
    named: u64,
    /// The native segment of the thread that rested last: one serves all threads that take turns.
    segment: Option<Segment>,
}

impl Threads {
    /// The reference of a new thread.
    pub fn name(&mut self) -> ThreadRef {
        self.named += 1;
        ThreadRef(self.named)
    }

    /// Puts a thread into the table.
    pub fn rest(&mut self, mut thread: Thread) {
        self.segment = thread.segment.take().or(self.segment.take());
        self.resting.insert(thread.id, thread);
    }

    /// Takes a thread out of the table, to run or to end it.
    pub fn take(&mut self, id: ThreadRef) -> Option<Thread> {
        let mut thread = self.resting.remove(&id)?;
        thread.segment = self.segment.take();
        Some(thread)
    }

    /// A resting thread.
    pub fn get(&self, id: ThreadRef) -> Option<&Thread> {
        self.resting.get(&id)
    }

    /// A resting thread, to change it.
    pub fn get_mut(&mut self, id: ThreadRef) -> Option<&mut Thread> {
        self.resting.get_mut(&id)
    }

    /// All resting threads, by ascending reference: the roots in them are theirs.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Thread> {
        self.resting.values_mut()
    }

    /// Number of resting threads.
    pub fn len(&self) -> usize {
        self.resting.len()
    }

    /// Whether no thread rests.
    pub fn is_empty(&self) -> bool {
        self.resting.is_empty()
    }

    /// Number of threads ever made.
    pub fn made(&self) -> u64 {
        self.named
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
