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

use crate::heap::AllocBuffer;
use crate::stack::StackRef;
use mu_ir::ids::{FuncId, TypeId};
use mu_ir::ub::Ub;

/// A Mu thread.
#[derive(Debug)]
pub struct Thread {
    /// The stack it is bound to.
    pub stack: StackRef,
    /// The thread-local reference.
    pub threadlocal: u64,
    /// The pinning multiset: object or location addresses, one entry per pin.
    pub pins: Vec<u64>,
    /// Where it allocates.
    pub buffer: AllocBuffer,
    /// Instructions it may still execute.
    pub fuel: u64,
    /// Instructions it has executed.
    pub executed: u64,
}

impl Thread {
    /// A thread bound to a stack.
    pub fn new(stack: StackRef, threadlocal: u64, fuel: u64) -> Thread {
        Thread { stack, threadlocal, pins: Vec::new(), buffer: AllocBuffer::default(), fuel, executed: 0 }
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
    /// The fuel is used up.
    OutOfFuel,
}
