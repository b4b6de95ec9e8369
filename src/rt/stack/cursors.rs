//! Open frame cursors: what a `framecursorref` refers to (threads-stacks, "Stack Introspection").
//!
//! **What.** A table of cursors. A `framecursorref` word is a slot of it and the slot's generation, so that a word that
//! was closed is recognised for ever (U21) and a word that never was one too. A cursor is the stack and the `fp` of the
//! frame it stands on.
//!
//! **Why this way.** The specification wants a cursor closed before its stack is bound or killed (U19), because a
//! cursor into a running stack would mean nothing. Each stack counts its open cursors, so whoever binds or kills one
//! asks with one comparison; when checked mode is off, the cursors are closed instead, so that no cursor ever stands on
//! a frame that is gone. The collector need not look into the table: a cursor holds no reference, and the stack of a
//! reachable `framecursorref` is found by [`Stacks::stack_of_cursor`].
//!
//! **Invariants.**
//! * The stack of an open cursor is READY, and the cursor stands on one of its frames.
//! * A stack's count is the number of slots that name it.
//! * Words are small (slot and generation), never addresses, and never 0.
//!
//! The client may let go of a cursor where it cannot reach the table (a Rust value that goes out of scope):
//! [`DroppedCursors`] collects the words, and the table closes them before it next looks at counts.
//!
//! ```text
//! word   63       32 31          0        slot 0 { generation 7, Some(stack 3, fp 0x7f…e0) }
//!       | generation | slot + 1  |        the word 7 << 32 | 1 is open, 6 << 32 | 1 was closed
//! ```

use super::{FrameCursor, FrameState, StackRef, StackState, Stacks};
use mu_ir::ub::Ub;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Cursors that the client has let go of.
pub type DroppedCursors = Arc<Mutex<Vec<u64>>>;

/// All frame cursors of an instance.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    slots: Vec<Slot>,
    /// Slots without a cursor.
    free: Vec<u32>,
    dropped: DroppedCursors,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    /// The stack and the frame; `None` while no cursor is here.
    place: Option<(StackRef, u64)>,
}

impl Cursors {
    fn add(&mut self, stack: StackRef, fp: u64) -> u64 {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot { generation: 0, place: None });
                self.slots.len() as u32 - 1
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.place = Some((stack, fp));
        u64::from(slot.generation) << 32 | u64::from(index + 1)
    }

    fn index(&self, word: u64) -> Option<usize> {
        let index = usize::try_from((word & u64::from(u32::MAX)).checked_sub(1)?).ok()?;
        let slot = self.slots.get(index)?;
        (u64::from(slot.generation) == word >> 32 && slot.place.is_some()).then_some(index)
    }

    fn place(&self, word: u64) -> Option<(StackRef, u64)> {
        self.slots[self.index(word)?].place
    }

    /// Closes the cursor in a slot; the stack it was on.
    fn close(&mut self, index: usize) -> Option<StackRef> {
        let slot = &mut self.slots[index];
        let (stack, _) = slot.place.take()?;
        // A slot that has used up its generations is not used again: an old word must not come to life.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(index as u32);
        }
        Some(stack)
    }

    /// The slots with a cursor on a stack.
    fn on(&self, stack: StackRef) -> Vec<usize> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, slot)| slot.place.is_some_and(|place| place.0 == stack)).map(|(at, _)| at).collect()
    }
}

/// Operations on frame cursors. Errors are the undefined behaviour that a program doing this would have. Nobody runs
/// meanwhile, so a READY stack stays READY; the table has a lock because stacks are also killed while others run.
impl Stacks {
    /// `new_cursor`: a cursor on the top frame of a stack.
    ///
    /// # Errors
    /// [`Ub::BadIntrospection`] if the stack is not READY.
    pub fn new_cursor(&self, stack: StackRef) -> Result<u64, Ub> {
        self.close_dropped_cursors();
        let entry = self.get(stack).ok_or(Ub::BadIntrospection)?;
        if entry.state() != StackState::Ready || entry.top_fp() == 0 {
            return Err(Ub::BadIntrospection);
        }
        entry.open_cursors.fetch_add(1, Ordering::Relaxed);
        Ok(self.cursors.lock().add(stack, entry.top_fp()))
    }

    /// Where a cursor stands.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`]: the word is no open cursor.
    pub fn cursor(&self, word: u64) -> Result<FrameCursor, Ub> {
        let (stack, fp) = self.cursors.lock().place(word).ok_or(Ub::ClosedCursor)?;
        let region = Arc::clone(self.get(stack).ok_or(Ub::ClosedCursor)?.region());
        Ok(FrameCursor { stack, region, fp })
    }

    /// The stack an open cursor is on: what a reachable `framecursorref` keeps alive.
    pub fn stack_of_cursor(&self, word: u64) -> Option<StackRef> {
        Some(self.cursors.lock().place(word)?.0)
    }

    /// `next_frame`: moves a cursor to the frame below.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`]; [`Ub::BelowBottom`] at the stack-bottom frame, where it stays.
    pub fn next_frame(&self, word: u64) -> Result<(), Ub> {
        let mut cursor = self.cursor(word)?;
        if !cursor.next_frame() {
            return Err(Ub::BelowBottom);
        }
        let mut cursors = self.cursors.lock();
        let index = cursors.index(word).ok_or(Ub::ClosedCursor)?;
        cursors.slots[index].place = Some((cursor.stack, cursor.fp));
        Ok(())
    }

    /// `copy_cursor`: another cursor on the same frame.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`].
    pub fn copy_cursor(&self, word: u64) -> Result<u64, Ub> {
        let mut cursors = self.cursors.lock();
        let (stack, fp) = cursors.place(word).ok_or(Ub::ClosedCursor)?;
        self.get(stack).ok_or(Ub::ClosedCursor)?.open_cursors.fetch_add(1, Ordering::Relaxed);
        Ok(cursors.add(stack, fp))
    }

    /// `close_cursor`
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`].
    pub fn close_cursor(&self, word: u64) -> Result<(), Ub> {
        let mut cursors = self.cursors.lock();
        let index = cursors.index(word).ok_or(Ub::ClosedCursor)?;
        self.close_slot(&mut cursors, index);
        Ok(())
    }

    fn close_slot(&self, cursors: &mut Cursors, index: usize) {
        if let Some(stack) = cursors.close(index)
            && let Some(entry) = self.get(stack)
        {
            entry.open_cursors.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Where the client leaves cursors it has let go of.
    pub fn dropped_cursors(&self) -> DroppedCursors {
        Arc::clone(&self.cursors.lock().dropped)
    }

    pub(super) fn close_dropped_cursors(&self) {
        let dropped = std::mem::take(&mut *self.dropped_cursors().lock());
        for word in dropped {
            // It may have been closed with its stack.
            let _ = self.close_cursor(word);
        }
    }

    fn count_open(&self, stack: StackRef) -> u32 {
        self.get(stack).map_or(0, |entry| entry.open_cursors.load(Ordering::Relaxed))
    }

    /// Whether cursors on a stack are open: then it must not be bound or killed.
    pub fn has_open_cursors(&self, stack: StackRef) -> bool {
        if self.count_open(stack) == 0 {
            return false;
        }
        self.close_dropped_cursors();
        self.count_open(stack) != 0
    }

    /// Closes all cursors on a stack.
    pub fn close_cursors_of(&self, stack: StackRef) {
        if self.count_open(stack) != 0 {
            let mut cursors = self.cursors.lock();
            for index in cursors.on(stack) {
                self.close_slot(&mut cursors, index);
            }
        }
    }

    /// `pop_frames_to`: removes the frames above a cursor, whose frame becomes the top frame. Cursors on removed frames
    /// are an error, or with `close_others` they are closed.
    ///
    /// # Errors
    /// [`Ub::ClosedCursor`], [`Ub::CursorFramePopped`], [`Ub::BadIntrospection`], [`Ub::NativeUnwind`] if a native frame
    /// would be removed or become the top; nothing has changed then.
    pub fn pop_frames_to(&self, word: u64, close_others: bool) -> Result<(), Ub> {
        self.close_dropped_cursors();
        let mut cursors = self.cursors.lock();
        let (stack, fp) = cursors.place(word).ok_or(Ub::ClosedCursor)?;
        let entry = self.get(stack).ok_or(Ub::BadIntrospection)?;
        if entry.state() != StackState::Ready {
            return Err(Ub::BadIntrospection);
        }
        // Native frames can be looked through, but neither removed nor resumed by anything but their callback.
        let region = entry.region();
        let mut at = entry.top_fp();
        while at != 0 && at <= fp {
            if region.state(at) == FrameState::Native {
                return Err(Ub::NativeUnwind);
            }
            at = region.saved_fp(at);
        }
        // Frames above lie at lower addresses.
        let is_above = |at: &usize| cursors.slots[*at].place.is_some_and(|place| place.1 < fp);
        let above: Vec<usize> = cursors.on(stack).into_iter().filter(is_above).collect();
        if !above.is_empty() && !close_others {
            return Err(Ub::CursorFramePopped);
        }
        above.into_iter().for_each(|at| self.close_slot(&mut cursors, at));
        entry.pop_cells_below(entry.region().sp(fp));
        entry.set_top_fp(fp);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{LINKAGE_BYTES, RESUME_INTERPRETED};

    /// A stack of `frames` empty frames.
    fn stack_of(stacks: &Stacks, frames: u64) -> StackRef {
        let stack = stacks.create().expect("a stack");
        let entry = stacks.get(stack).expect("it exists");
        let region = Arc::clone(entry.region());
        let mut below = 0;
        for frame in 0..frames {
            let sp = if below == 0 { region.end() } else { region.sp(below) };
            let fp = sp - LINKAGE_BYTES;
            region.write_frame(fp, below, RESUME_INTERPRETED, frame as u32, FrameState::Fresh, fp - 24);
            below = fp;
        }
        entry.set_top_fp(below);
        stack
    }

    fn code_at(stacks: &Stacks, word: u64) -> u32 {
        stacks.cursor(word).expect("open").code()
    }

    #[test]
    fn a_cursor_walks_to_the_bottom_and_no_further() {
        let stacks = Stacks::new(1 << 16, 8);
        let stack = stack_of(&stacks, 3);
        let cursor = stacks.new_cursor(stack).unwrap();
        let copy = stacks.copy_cursor(cursor).unwrap();
        assert_eq!(stacks.next_frame(cursor), Ok(()));
        assert_eq!((code_at(&stacks, cursor), code_at(&stacks, copy)), (1, 2));
        assert_eq!(stacks.next_frame(cursor), Ok(()));
        assert_eq!(stacks.next_frame(cursor), Err(Ub::BelowBottom));
        assert_eq!(code_at(&stacks, cursor), 0);
    }

    #[test]
    fn closed_words_stay_closed() {
        let stacks = Stacks::new(1 << 16, 8);
        let stack = stack_of(&stacks, 1);
        let first = stacks.new_cursor(stack).unwrap();
        stacks.close_cursor(first).unwrap();
        let second = stacks.new_cursor(stack).unwrap();
        assert_ne!(first, second);
        assert_eq!(stacks.close_cursor(first), Err(Ub::ClosedCursor));
        assert_eq!(stacks.copy_cursor(0), Err(Ub::ClosedCursor));
        assert_eq!(stacks.next_frame(u64::MAX), Err(Ub::ClosedCursor));
        assert!(stacks.has_open_cursors(stack));
        stacks.close_cursor(second).unwrap();
        assert!(!stacks.has_open_cursors(stack));
    }

    #[test]
    fn dropped_cursors_are_closed_before_counting() {
        let stacks = Stacks::new(1 << 16, 8);
        let stack = stack_of(&stacks, 1);
        let word = stacks.new_cursor(stack).unwrap();
        stacks.dropped_cursors().lock().push(word);
        assert!(!stacks.has_open_cursors(stack));
        assert_eq!(stacks.cursor(word).unwrap_err(), Ub::ClosedCursor);
    }

    #[test]
    fn killing_a_stack_closes_its_cursors() {
        let stacks = Stacks::new(1 << 16, 8);
        let (one, other) = (stack_of(&stacks, 1), stack_of(&stacks, 1));
        let (on_one, on_other) = (stacks.new_cursor(one).unwrap(), stacks.new_cursor(other).unwrap());
        stacks.kill(one);
        assert_eq!(stacks.cursor(on_one).unwrap_err(), Ub::ClosedCursor);
        assert_eq!(stacks.stack_of_cursor(on_other), Some(other));
        assert_eq!(stacks.new_cursor(one), Err(Ub::BadIntrospection));
        assert_eq!(stacks.new_cursor(StackRef::NULL), Err(Ub::BadIntrospection));
    }

    #[test]
    fn popping_frames_respects_other_cursors() {
        let stacks = Stacks::new(1 << 16, 8);
        let stack = stack_of(&stacks, 3);
        let top = stacks.new_cursor(stack).unwrap();
        let below = stacks.copy_cursor(top).unwrap();
        stacks.next_frame(below).unwrap();
        assert_eq!(stacks.pop_frames_to(below, false), Err(Ub::CursorFramePopped));
        assert_eq!(stacks.get(stack).unwrap().top_fp(), stacks.cursor(top).unwrap().fp());
        assert_eq!(stacks.pop_frames_to(below, true), Ok(()));
        assert_eq!(stacks.close_cursor(top), Err(Ub::ClosedCursor));
        assert_eq!(stacks.get(stack).unwrap().top_fp(), stacks.cursor(below).unwrap().fp());
        assert_eq!(stacks.pop_frames_to(below, false), Ok(()));
    }
}
