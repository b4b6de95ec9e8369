//! Who may touch an instance: many running threads at the same time, or one stopper alone.
//!
//! **What.** A [`World`] holds what an instance is. A thread that runs has *entered* it and shares it; whoever collects,
//! loads, or looks into other threads' stacks *stops* it and has it alone. A stop waits until every thread has left, and
//! threads that want to enter wait until the stop is over.
//!
//! ```text
//! thread A   enter ══ runs ══ poll: somebody stops ══ leave ········· enter ══ runs …
//! thread B   enter ══ CCALL: leave ── native code ─────────────────────────── enter (waits while stopped) …
//! client                       stop ·············· ══ collects, loads … ══ drop
//! ```
//!
//! **Why this way.** This is the safepoint handshake, and it is a readers-writer lock: threads that run are its readers,
//! a stop is its writer. Entering gives `&T`, stopping gives `&mut T`, so the compiler proves that nobody runs while
//! something moves. A reader cannot be interrupted, so it *polls*: running threads ask [`World::is_stop_wanted`] at least
//! every few thousand instructions and leave for a moment if so. A thread in native code has left, so it holds up nobody;
//! it can only enter again when the stop is over. All state a thread has while it is outside is in memory that the
//! stopper may look at: its frames are saved, and its [`crate::thread::Thread`] rests in its cell.
//!
//! **Invariants.**
//! * Who has entered does not stop without leaving first: it would wait for itself.
//! * Addresses that objects may move from are not kept across leaving, except in frames, cells, handles and pins.
//! * Waiting stops come before threads that want to enter, so a stop is not starved by threads that come and go.
//!
//! **Example.**
//! ```
//! use mu_rt::world::World;
//!
//! let mut stopped = World::stopped(1);
//! let world = stopped.world().clone();
//! let adder = std::thread::spawn(move || loop {
//!     if *world.enter() == 2 {
//!         break world.stop().replace(3);
//!     }
//! });
//! *stopped = 2;
//! assert_eq!(stopped.while_running(|| adder.join().unwrap()), 2);
//! assert_eq!(*stopped, 3);
//! ```

use parking_lot::lock_api::ArcRwLockWriteGuard;
use parking_lot::{RawRwLock, RwLock, RwLockReadGuard};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// An instance that threads enter and leave. Clones are the same world.
pub struct World<T> {
    lock: Arc<RwLock<T>>,
    /// How many stops wait.
    wanted: Arc<AtomicUsize>,
}

impl<T> Clone for World<T> {
    fn clone(&self) -> Self {
        World { lock: Arc::clone(&self.lock), wanted: Arc::clone(&self.wanted) }
    }
}

impl<T> World<T> {
    /// A new world, stopped.
    pub fn stopped(content: T) -> Stopped<T> {
        World { lock: Arc::new(RwLock::new(content)), wanted: Arc::default() }.stop()
    }

    /// Enters; waits while the world is stopped or somebody waits to stop it.
    pub fn enter(&self) -> RwLockReadGuard<'_, T> {
        self.lock.read()
    }

    /// Stops; waits until every thread has left.
    pub fn stop(&self) -> Stopped<T> {
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let guard = self.lock.write_arc();
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        Stopped { world: self.clone(), guard }
    }

    /// How many references keep the world: clones, and stops that are under way.
    pub fn references(&self) -> usize {
        Arc::strong_count(&self.lock)
    }

    /// A reference that does not keep the world.
    pub fn downgrade(&self) -> WeakWorld<T> {
        WeakWorld { lock: Arc::downgrade(&self.lock), wanted: Arc::downgrade(&self.wanted) }
    }

    /// Whether somebody waits for the threads that have entered to leave: what they poll.
    #[inline]
    pub fn is_stop_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) != 0
    }
}

/// Refers to a world without keeping it.
pub struct WeakWorld<T> {
    lock: Weak<RwLock<T>>,
    wanted: Weak<AtomicUsize>,
}

impl<T> WeakWorld<T> {
    /// The world, if it is still there.
    pub fn upgrade(&self) -> Option<World<T>> {
        Some(World { lock: self.lock.upgrade()?, wanted: self.wanted.upgrade()? })
    }
}

/// Does something when it is dropped.
struct Finally<F: FnMut()>(F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The content of a world, while nobody runs. Dropping it lets threads enter again.
pub struct Stopped<T> {
    world: World<T>,
    guard: ArcRwLockWriteGuard<RawRwLock, T>,
}

impl<T> Stopped<T> {
    /// The world that is stopped.
    pub fn world(&self) -> &World<T> {
        &self.world
    }

    /// Lets threads enter while `work` is done; then stops again.
    pub fn while_running<R>(&mut self, work: impl FnOnce() -> R) -> R {
        // Outlives the guard below, so the wish ends when the lock has been taken again.
        let wanted = Arc::clone(&self.world.wanted);
        let _granted = Finally(|| _ = wanted.fetch_sub(1, Ordering::Relaxed));
        ArcRwLockWriteGuard::unlocked(&mut self.guard, || {
            // The lock is taken again right behind this, also if `work` panics: then threads have to leave.
            let _wish = Finally(|| _ = wanted.fetch_add(1, Ordering::Relaxed));
            work()
        })
    }

    /// Replaces the content.
    pub fn replace(&mut self, content: T) -> T {
        std::mem::replace(&mut *self.guard, content)
    }
}

impl<T> Deref for Stopped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Stopped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// Threads that run count in a cell of their own; a stopper sees all cells at rest.
    #[test]
    fn nobody_runs_while_the_world_is_stopped() {
        const THREADS: usize = 4;
        let counts: Vec<AtomicUsize> = (0..THREADS).map(|_| AtomicUsize::new(0)).collect();
        let (running, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let mut stopped = World::stopped(0u64);
        let world = stopped.world().clone();
        std::thread::scope(|scope| {
            for count in &counts {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let entered = world.enter();
                        running.fetch_add(1, Ordering::SeqCst);
                        while !world.is_stop_wanted() && !over.load(Ordering::Relaxed) {
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        running.fetch_sub(1, Ordering::SeqCst);
                        drop(entered);
                    }
                });
            }
            for stop in 0..200 {
                stopped.while_running(std::thread::yield_now);
                assert_eq!(running.load(Ordering::SeqCst), 0);
                *stopped += 1;
                assert_eq!(*stopped, stop + 1);
            }
            over.store(true, Ordering::Relaxed);
            drop(stopped);
        });
        assert!(counts.iter().any(|count| count.load(Ordering::Relaxed) > 0));
    }

    /// Who runs polls; a panic must be waited for by nobody for ever.
    #[test]
    fn the_world_is_stopped_again_after_a_panic() {
        let mut stopped = World::stopped(0u64);
        let world = stopped.world().clone();
        let (has_entered, entered) = std::sync::mpsc::channel();
        let runner = std::thread::spawn(move || {
            let guard = world.enter();
            has_entered.send(()).unwrap();
            while !world.is_stop_wanted() {
                std::hint::spin_loop();
            }
            drop(guard);
        });
        let work = || {
            stopped.while_running(|| {
                entered.recv().unwrap();
                panic!("as expected");
            });
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
        *stopped += 1;
        assert!(!stopped.world().is_stop_wanted());
        runner.join().unwrap();
    }

    #[test]
    fn stoppers_take_turns() {
        let world = World::stopped(0u64).world().clone();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| *world.stop() += 1));
            }
        });
        assert_eq!(*world.enter(), 4000);
    }
}
