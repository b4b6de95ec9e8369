//! Futexes: queues of threads that wait at memory locations (threads-stacks, "Futex"; common-insts, "Futex
//! Instructions").
//!
//! **What.** [`Futexes`] holds the queues of an instance: who waits at which location, in which order. It puts nobody
//! to sleep and wakes nobody up: the interpreter compares and enters a thread, the driver lets it sleep; waking answers
//! the threads whose wait is over, and the driver lets them go on.
//!
//! **Why this way.** A queue is a range of one ordered map from (location, ticket) to thread. Tickets ascend, so that a
//! range is first in, first out; entering, waking, leaving in the middle (timeout, end of a thread) and moving to
//! another location all cost a logarithm, whoever else waits.
//!
//! **Locations.** A location is the address of an `iref`. When a collector moves objects it tells the queues
//! ([`Futexes::rekey`]); the locations are roots ([`Futexes::locations`]), because a thread that was moved to another
//! queue has no reference of its own to that location.
//!
//! **Invariants.**
//! * A thread is in at most one queue. Both maps agree.
//! * Threads of one queue keep their order when the queue is moved, and stand behind those that wait there already.
//!
//! **Example.**
//! ```
//! use mu_rt::futex::Futexes;
//! use mu_rt::thread::ThreadRef;
//!
//! let (mut futexes, a, b, c) = (Futexes::default(), ThreadRef(1), ThreadRef(2), ThreadRef(3));
//! for thread in [a, b, c] {
//!     futexes.enter(0x100, thread);
//! }
//! assert_eq!(futexes.requeue(0x100, 0x200, 1), [a]);
//! assert_eq!(futexes.wake(0x100, 9), []);
//! assert_eq!(futexes.wake(0x200, 1), [b]);
//! assert!(futexes.leave(c) && !futexes.leave(c));
//! ```

use crate::thread::ThreadRef;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// A place in a queue: the location and a ticket; lower tickets came earlier.
type Place = (u64, u64);

/// The futex queues of an instance.
#[derive(Debug, Default)]
pub struct Futexes {
    queues: BTreeMap<Place, ThreadRef>,
    places: BTreeMap<ThreadRef, Place>,
    next_ticket: u64,
}

impl Futexes {
    /// Enters a thread at the end of the queue of a location. It must not be in a queue.
    pub fn enter(&mut self, location: u64, thread: ThreadRef) {
        debug_assert!(!self.places.contains_key(&thread), "{thread:?} waits already");
        let place = (location, self.next_ticket);
        self.next_ticket += 1;
        self.queues.insert(place, thread);
        self.places.insert(thread, place);
    }

    /// Takes the first threads of the queue of a location out of it, at most `count`.
    pub fn wake(&mut self, location: u64, count: usize) -> Vec<ThreadRef> {
        let woken: Vec<ThreadRef> = self.at(location).take(count).collect();
        for &thread in &woken {
            self.leave(thread);
        }
        woken
    }

    /// Takes the first threads of the queue of `from` out of it, at most `count`, and moves the others to the end of
    /// the queue of `to`.
    pub fn requeue(&mut self, from: u64, to: u64, count: usize) -> Vec<ThreadRef> {
        let woken = self.wake(from, count);
        if from != to {
            let moved: Vec<ThreadRef> = self.at(from).collect();
            for thread in moved {
                self.leave(thread);
                self.enter(to, thread);
            }
        }
        woken
    }

    /// Takes a thread out of its queue; false if it is in none.
    pub fn leave(&mut self, thread: ThreadRef) -> bool {
        match self.places.remove(&thread) {
            Some(place) => self.queues.remove(&place).is_some(),
            None => false,
        }
    }

    /// The threads that wait at a location, the first one first.
    pub fn at(&self, location: u64) -> impl Iterator<Item = ThreadRef> {
        self.queues.range((location, 0)..=(location, u64::MAX)).map(|(_, &thread)| thread)
    }

    /// The locations somebody waits at, ascending: roots, as words of type `iref`.
    pub fn locations(&self) -> impl Iterator<Item = u64> {
        let mut last = None;
        self.queues.keys().map(|&(location, _)| location).filter(move |&location| {
            let new = last != Some(location);
            last = Some(location);
            new
        })
    }

    /// Objects have moved: `moved` answers the new address of each location. Different locations stay different.
    pub fn rekey(&mut self, moved: impl Fn(u64) -> u64) {
        let old = std::mem::take(&mut self.queues);
        for ((location, ticket), thread) in old {
            let place = (moved(location), ticket);
            self.queues.insert(place, thread);
            self.places.insert(thread, place);
        }
    }

    /// Number of waiting threads.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
