//! Who owns a stack: the state machine of its word, and claims.
//!
//! **What.** The memory of a stack is plain memory; whoever reads or writes its frames must own the stack. Its thread
//! owns an ACTIVE stack. Anybody may own a READY one for a moment by *claiming* it, which excludes everybody else:
//! binding checks what the top frame waits for and then either activates the stack or leaves it READY, in one step for
//! all other threads.
//!
//! ```text
//!          create            claim              activate
//!   DEAD ────────> READY <──────────> CLAIMED ────────────> ACTIVE ── pause ──> READY
//!     ^                    let go        │ kill                │ kill
//!     └──────────────────────────────────┴─────────────────────┘  the next stack here has the next generation
//! ```
//!
//! **Why this way.** Two threads that swap to one stack at a time are a race of the program; one of them must win, and
//! the other must get undefined behaviour U17, not a half-read frame. A claim lasts for some instructions of a handler,
//! so who finds a stack claimed waits for its end instead of failing.
//!
//! **Invariants.** The word is generation and state together, so that a reference to a stack that was killed never fits
//! the stack that has its place now. Changes of the state are release operations, looking at it acquires: the frames
//! are seen as the last owner left them.

use super::{Stack, StackRef, StackState, Stacks, number_of};
use std::sync::atomic::{AtomicU64, Ordering};

/// The state of a READY stack that somebody has claimed.
const CLAIMED: u64 = 3;

const STATE_MASK: u64 = 0xffff_ffff;

/// The state in a word.
pub(super) fn state(word: u64) -> StackState {
    match word & STATE_MASK {
        0 => StackState::Dead,
        2 => StackState::Active,
        _ => StackState::Ready,
    }
}

/// The generation in a word.
pub(super) fn generation(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Its owner changes the state of a stack; the word it has then.
pub(super) fn replace_state(word: &AtomicU64, state: StackState) -> u64 {
    // Nobody else changes the word of a stack that has an owner.
    let new = word.load(Ordering::Relaxed) & !STATE_MASK | state as u64;
    word.store(new, Ordering::Release);
    new
}

/// Its owner ends a stack. False if its place has no generations left.
pub(super) fn end_generation(word: &AtomicU64) -> bool {
    let old = generation(word.load(Ordering::Relaxed));
    let next = old.saturating_add(1);
    word.store(u64::from(next) << 32 | StackState::Dead as u64, Ordering::Release);
    next != old
}

/// A READY stack that nobody else can touch. Dropping it leaves the stack READY.
pub struct Claim<'a> {
    stack: &'a Stack,
    /// Its word while it is claimed.
    word: u64,
}

impl Claim<'_> {
    /// The stack.
    pub fn stack(&self) -> &Stack {
        self.stack
    }

    /// The caller's thread is bound to the stack.
    pub fn activate(self) {
        replace_state(&self.stack.word, StackState::Active);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Activated or killed meanwhile: leave it.
        let ready = self.word & !STATE_MASK | StackState::Ready as u64;
        let _ = self.stack.word.compare_exchange(self.word, ready, Ordering::Release, Ordering::Relaxed);
    }
}

impl Stacks {
    /// Claims a stack; `None` if it is not READY. A stack that somebody else has claimed is waited for: claims are
    /// short, and their owners claim no second stack meanwhile.
    pub fn claim(&self, stack: StackRef) -> Option<Claim<'_>> {
        let (number, generation) = number_of(stack)?;
        let stack = self.table.get(number)?;
        let named = u64::from(generation) << 32;
        let (ready, claimed) = (named | StackState::Ready as u64, named | CLAIMED);
        loop {
            match stack.word.compare_exchange(ready, claimed, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Claim { stack, word: claimed }),
                Err(word) if word == claimed => std::thread::yield_now(),
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_claim_ends_ready_active_or_dead() {
        let stacks = Stacks::new(1 << 16, 8);
        let stack = stacks.create().unwrap();
        let state = || stacks.get(stack).map(Stack::state);
        drop(stacks.claim(stack).unwrap());
        assert_eq!(state(), Some(StackState::Ready));
        stacks.claim(stack).unwrap().activate();
        assert_eq!(state(), Some(StackState::Active));
        assert!(stacks.claim(stack).is_none(), "an ACTIVE stack cannot be claimed");
        stacks.get(stack).unwrap().pause(0);
        let claim = stacks.claim(stack).unwrap();
        stacks.kill(stack);
        drop(claim);
        assert_eq!(state(), None);
        assert!(stacks.claim(stack).is_none());
    }

    #[test]
    fn one_of_many_gets_the_stack() {
        let stacks = Stacks::new(1 << 16, 8);
        for _ in 0..200 {
            let (stack, winners) = (stacks.create().unwrap(), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        if let Some(claim) = stacks.claim(stack) {
                            claim.activate();
                            winners.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(winners.into_inner(), 1);
            stacks.kill(stack);
        }
        assert_eq!(stacks.alive(), 0);
    }

    /// The limit counts stacks that are being made.
    #[test]
    fn there_are_never_more_stacks_than_may_be() {
        for _ in 0..20 {
            let stacks = Stacks::new(1 << 16, 50);
            let made = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        while stacks.create().is_ok() {
                            made.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!((made.into_inner(), stacks.alive()), (50, 50));
        }
    }
}
