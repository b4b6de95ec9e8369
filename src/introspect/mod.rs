//! Looking into stacks and changing them: the client's frame cursors and on-stack replacement
//! (threads-stacks, "Stack Introspection" and "On-stack Replacement"; uvm-client-interface, the sections of those names).
//!
//! A [`Cursor`] refers to a frame of a READY stack; dropping it closes it. While a cursor on a stack is open the stack
//! cannot be bound or killed, so drop it before a trap handler answers. Everything a program could do wrong with
//! cursors is an error here, named by the undefined behaviour that it would be in a program.
//!
//! ```
//! use mu_vm::{Mu, Options, Outcome, TrapAction, TrapContext, TrapHandler};
//!
//! /// Replaces the frame that trapped by one of @answer.
//! struct Replace;
//!
//! impl TrapHandler for Replace {
//!     fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
//!         let stack = trap.stack();
//!         let mut cursor = trap.mu.new_cursor(stack).unwrap();
//!         assert_eq!(trap.mu.dump_keepalives(&cursor).unwrap()[0].as_u64(), 20);
//!         trap.mu.next_frame(&mut cursor).unwrap();
//!         trap.mu.pop_frames_to(&cursor).unwrap();
//!         drop(cursor);
//!         let answer = trap.mu.func("@answer").unwrap();
//!         trap.mu.push_frame(stack, answer).unwrap();
//!         let i64 = trap.mu.params(answer)[0];
//!         TrapAction::PassValues(stack, vec![trap.mu.value_from_int(i64, 41).unwrap()])
//!     }
//! }
//!
//! let mut mu = Mu::new(Options::default()).unwrap();
//! mu.load_bundle("osr.uir", "
//!     .typedef @i64 = int<64>
//!     .const @one <@i64> = 1
//!     .funcsig @sig = (@i64) -> (@i64)
//!     .funcdef @answer VERSION %v1 <@sig> {
//!         %entry(<@i64> %x):
//!             %y = ADD <@i64> %x @one
//!             RET %y
//!     }
//!     .funcdef @trapping VERSION %v1 <@sig> {
//!         %entry(<@i64> %x):
//!             TRAP <> KEEPALIVE(%x)
//!             RET %x
//!     }
//!     .funcdef @main VERSION %v1 <@sig> {
//!         %entry(<@i64> %x):
//!             %y = CALL <@sig> @trapping(%x)
//!             RET %y
//!     }").unwrap();
//! let (main, i64) = (mu.func("@main").unwrap(), mu.type_named("@i64").unwrap());
//! let twenty = mu.value_from_int(i64, 20).unwrap();
//! match mu.call_with(main, vec![twenty], &mut Replace, None) {
//!     Outcome::Return(values) => assert_eq!(values[0].as_u64(), 42),
//!     other => panic!("{other:?}"),
//! }
//! ```

#[cfg(test)]
mod tests;

use crate::values::Value;
use crate::{Mu, StackRef};
use mu_interp::frames::{FrameIds, PushFrameFailure};
use mu_ir::ids::{FuncId, MuId};
use mu_ir::ub::Ub;
use mu_rt::stack::{DroppedCursors, FrameCursor};
use std::sync::Arc;

/// A frame cursor. Dropping it closes it.
#[derive(Debug)]
pub struct Cursor {
    /// The `framecursorref`.
    word: u64,
    /// Where the instance looks for closed cursors; also tells instances apart.
    instance: DroppedCursors,
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.instance.lock().push(self.word);
    }
}

impl Cursor {
    /// The `framecursorref` word; the cursor stays open.
    pub fn into_word(self) -> u64 {
        let mut cursor = self;
        // NULL in the list of closed cursors is skipped.
        std::mem::take(&mut cursor.word)
    }
}

/// Stack introspection and on-stack replacement.
impl Mu {
    /// `new_cursor`: a cursor on the top frame of a stack.
    ///
    /// # Errors
    /// [`Ub::BadIntrospection`] if the stack is not READY.
    pub fn new_cursor(&mut self, stack: StackRef) -> Result<Cursor, Ub> {
        let word = self.machine.rt.stacks.new_cursor(stack)?;
        Ok(self.cursor(word))
    }

    fn cursor(&self, word: u64) -> Cursor {
        Cursor { word, instance: self.machine.rt.stacks.dropped_cursors() }
    }

    /// The open cursor of a `framecursorref` word, which then belongs to the result.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`].
    pub fn cursor_from_word(&self, word: u64) -> Result<Cursor, Ub> {
        self.machine.rt.stacks.cursor(word).map(|_| self.cursor(word))
    }

    /// The word of a cursor of this instance.
    pub(crate) fn word(&self, cursor: &Cursor) -> Result<u64, Ub> {
        let own = Arc::ptr_eq(&cursor.instance, &self.machine.rt.stacks.dropped_cursors());
        if own { Ok(cursor.word) } else { Err(Ub::BadHandle) }
    }

    fn frame(&self, cursor: &Cursor) -> Result<FrameCursor, Ub> {
        self.machine.rt.stacks.cursor(self.word(cursor)?)
    }

    /// `next_frame`: moves a cursor to the frame below.
    ///
    /// # Errors
    /// [`Ub::BelowBottom`] at the stack-bottom frame, where it stays; [`Ub::ClosedCursor`] if its stack was killed;
    /// [`Ub::BadHandle`] if it is of another instance.
    pub fn next_frame(&mut self, cursor: &mut Cursor) -> Result<(), Ub> {
        let word = self.word(cursor)?;
        self.machine.rt.stacks.next_frame(word)
    }

    /// `copy_cursor`: another cursor on the same frame.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`], [`Ub::BadHandle`].
    pub fn copy_cursor(&mut self, cursor: &Cursor) -> Result<Cursor, Ub> {
        let word = self.word(cursor)?;
        let copy = self.machine.rt.stacks.copy_cursor(word)?;
        Ok(self.cursor(copy))
    }

    /// `close_cursor`: what dropping does too.
    pub fn close_cursor(&mut self, cursor: Cursor) {
        drop(cursor);
    }

    fn frame_ids(&self, cursor: &Cursor) -> Result<FrameIds, Ub> {
        Ok(self.machine.interp.ids(&self.machine.rt, &self.frame(cursor)?))
    }

    /// `cur_func`: the id of the frame's function.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`], [`Ub::BadHandle`].
    pub fn cur_func(&self, cursor: &Cursor) -> Result<MuId, Ub> {
        Ok(self.frame_ids(cursor)?.func)
    }

    /// `cur_func_ver`: the id of the frame's function version; [`MuId::NONE`] if the function is undefined.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`], [`Ub::BadHandle`].
    pub fn cur_func_ver(&self, cursor: &Cursor) -> Result<MuId, Ub> {
        Ok(self.frame_ids(cursor)?.version)
    }

    /// `cur_inst`: the id of the frame's current instruction; [`MuId::NONE`] if the frame has never run or the
    /// function is undefined.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`], [`Ub::BadHandle`].
    pub fn cur_inst(&self, cursor: &Cursor) -> Result<MuId, Ub> {
        Ok(self.frame_ids(cursor)?.inst)
    }

    /// `dump_keepalives`: the values of the keep-alive variables of the frame's current instruction, or the arguments
    /// of an undefined function.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`], [`Ub::BadHandle`].
    pub fn dump_keepalives(&self, cursor: &Cursor) -> Result<Vec<Value>, Ub> {
        Ok(self.keepalives_at(&self.frame(cursor)?))
    }

    pub(crate) fn keepalives_at(&self, cursor: &FrameCursor) -> Vec<Value> {
        let values = self.machine.interp.keepalives(&self.machine.rt, cursor);
        values.into_iter().map(|(ty, words)| self.hold(ty, words)).collect()
    }

    /// `pop_frames_to`: removes the frames above a cursor, whose frame becomes the top frame.
    ///
    /// # Errors
    /// [`Ub::CursorFramePopped`] if another cursor is on one of them (when checked mode is off, such cursors are
    /// closed); [`Ub::ClosedCursor`], [`Ub::BadHandle`].
    pub fn pop_frames_to(&mut self, cursor: &Cursor) -> Result<(), Ub> {
        let word = self.word(cursor)?;
        self.machine.rt.stacks.pop_frames_to(word, !self.machine.rt.config.checked)
    }

    /// `push_frame`: a frame of the current version of a function on top of a stack; it waits for the function's
    /// parameters.
    ///
    /// # Errors
    /// If the stack is not READY, if its top frame waits for other types than the function returns
    /// ([`Ub::BadIntrospection`]), if there is no room ([`Ub::StackOverflow`]) or no such function ([`Ub::BadCallee`]).
    pub fn push_frame(&mut self, stack: StackRef, func: FuncId) -> Result<(), PushFrameFailure> {
        if !self.has_func(func) {
            return Err(PushFrameFailure::Undefined(Ub::BadCallee));
        }
        let machine = &mut *self.machine;
        machine.interp.push_frame(&mut machine.rt, stack, func)
    }

    /// The types a READY stack waits for; `None` if it is not READY.
    pub fn expected_types(&self, stack: StackRef) -> Option<Vec<mu_ir::ids::TypeId>> {
        let ready = self.machine.rt.stacks.get(stack)?.state() == mu_rt::stack::StackState::Ready;
        let types = self.machine.interp.expected_types(&self.machine.rt, stack)?;
        ready.then(|| types.to_vec())
    }
}
