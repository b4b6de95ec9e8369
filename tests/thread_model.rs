//! A model of how threads sleep, are woken and end together, in every order that can happen.
//!
//! **What.** The steps of `src/os_threads.rs`, `mu_rt::thread` and `mu_rt::futex` that concern waiting, with the locks of
//! `loom` in place of parking_lot's; loom runs each program below with every interleaving (up to a number of preemptions)
//! and says when threads wait for ever. It is a model, not the code: parking_lot's locks and loom's have different
//! interfaces. Whoever changes one of these changes the other; the functions have the same names.
//!
//! | here               | there                                                                  |
//! |--------------------|------------------------------------------------------------------------|
//! | `Crew::enter`      | `try_futex`: compare and enter the queue under the lock of the queues   |
//! | `Cell`             | `ThreadCell`: `sleep`, `get_up`, `interrupt`, `Threads::wake`           |
//! | `Crew::wait`       | `Crew::wait`, `sleep_for_ever`                                         |
//! | `State::all_sleep` | `State::all_sleep`, `look_for_deadlock` without other runs             |
//! | `Cell::time`       | a clock: the time may come at any moment                               |

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Ended,
    Deadlock,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waited {
    Different,
    Woken,
    TimedOut,
    Over,
}

enum Slept {
    Woken,
    TimedOut,
    Interrupted,
}

#[derive(Default)]
struct Sleep {
    alarm: bool,
    time_has_come: bool,
}

#[derive(Default)]
struct Cell {
    sleep: Mutex<Sleep>,
    bell: Condvar,
}

impl Cell {
    fn is_woken(&self) -> bool {
        self.sleep.lock().unwrap().alarm
    }

    fn get_up(&self) -> bool {
        std::mem::take(&mut self.sleep.lock().unwrap().alarm)
    }

    fn interrupt(&self) {
        drop(self.sleep.lock().unwrap());
        self.bell.notify_all();
    }

    fn wake(&self) {
        self.sleep.lock().unwrap().alarm = true;
        self.bell.notify_all();
    }

    fn time(&self) {
        self.sleep.lock().unwrap().time_has_come = true;
        self.bell.notify_all();
    }

    fn sleep(&self, has_timeout: bool, interrupted: impl Fn() -> bool) -> Slept {
        let mut sleep = self.sleep.lock().unwrap();
        loop {
            if sleep.alarm {
                return Slept::Woken;
            }
            if interrupted() {
                return Slept::Interrupted;
            }
            if has_timeout && sleep.time_has_come {
                return Slept::TimedOut;
            }
            sleep = self.bell.wait(sleep).unwrap();
        }
    }
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    members: Vec<usize>,
    asleep: usize,
}

/// A crew of `N` threads; thread 0 is the main one.
struct Crew {
    word: AtomicU32,
    queue: Mutex<Vec<usize>>,
    cells: Vec<Cell>,
    over: AtomicBool,
    state: Mutex<State>,
}

impl Crew {
    fn new(count: usize) -> Arc<Crew> {
        Arc::new(Crew {
            word: AtomicU32::new(0),
            queue: Mutex::default(),
            cells: (0..count).map(|_| Cell::default()).collect(),
            over: AtomicBool::new(false),
            state: Mutex::new(State { members: (0..count).collect(), ..State::default() }),
        })
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The first half of a futex wait for the value 0.
    fn enter(&self, me: usize) -> bool {
        let mut queue = self.queue.lock().unwrap();
        let holds = self.word.load(Ordering::SeqCst) == 0;
        if holds {
            queue.push(me);
        }
        holds
    }

    fn leave_queue(&self, me: usize) -> bool {
        let mut queue = self.queue.lock().unwrap();
        let place = queue.iter().position(|&thread| thread == me);
        place.map(|place| queue.remove(place)).is_some()
    }

    /// A futex wake; how many it woke.
    fn wake(&self, count: usize) -> usize {
        let woken: Vec<usize> = {
            let mut queue = self.queue.lock().unwrap();
            let count = count.min(queue.len());
            queue.drain(..count).collect()
        };
        woken.iter().for_each(|&thread| self.cells[thread].wake());
        woken.len()
    }

    fn all_sleep(&self, state: &State) -> bool {
        let count = state.members.len();
        count > 0
            && state.asleep == count
            && !state.members.iter().any(|&member| self.cells[member].is_woken())
    }

    fn wait(&self, me: usize, mut has_timeout: bool) -> Waited {
        if !self.enter(me) {
            return Waited::Different;
        }
        loop {
            let slept = match has_timeout {
                true => self.cells[me].sleep(true, || self.is_over()),
                false => self.sleep_for_ever(me),
            };
            match slept {
                Slept::Woken => {
                    assert!(self.cells[me].get_up());
                    return Waited::Woken;
                }
                Slept::TimedOut if self.leave_queue(me) => return Waited::TimedOut,
                Slept::TimedOut => has_timeout = false,
                Slept::Interrupted => return Waited::Over,
            }
        }
    }

    fn sleep_for_ever(&self, me: usize) -> Slept {
        let all_sleep = {
            let mut state = self.state.lock().unwrap();
            state.asleep += 1;
            self.all_sleep(&state)
        };
        if all_sleep {
            self.look_for_deadlock();
        }
        let slept = self.cells[me].sleep(false, || self.is_over());
        self.state.lock().unwrap().asleep -= 1;
        slept
    }

    fn look_for_deadlock(&self) {
        let all_sleep = self.all_sleep(&self.state.lock().unwrap());
        if all_sleep {
            self.finish(Outcome::Deadlock);
        }
    }

    fn finish(&self, outcome: Outcome) {
        let mut state = self.state.lock().unwrap();
        state.outcome.get_or_insert(outcome);
        self.over.store(true, Ordering::SeqCst);
        state.members.iter().for_each(|&member| self.cells[member].interrupt());
    }

    /// A thread has ended, or seen that the run is over.
    fn end(&self, me: usize) {
        if me == 0 {
            self.finish(Outcome::Ended);
        }
        self.leave_queue(me);
        let all_sleep = {
            let mut state = self.state.lock().unwrap();
            state.members.retain(|&member| member != me);
            self.all_sleep(&state)
        };
        if all_sleep {
            self.look_for_deadlock();
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        self.state.lock().unwrap().outcome
    }
}

type Body = fn(&Crew, usize);

/// Runs a crew in every order; `check` sees how it ended.
fn model(bodies: &'static [Body], check: fn(&Crew)) {
    let mut builder = loom::model::Builder::new();
    // Each thread more has a preemption less: some seconds for all models.
    builder.preemption_bound = Some(if bodies.len() > 2 { 2 } else { 3 });
    builder.check(move || {
        let crew = Crew::new(bodies.len());
        let run = |me: usize| {
            let crew = Arc::clone(&crew);
            move || {
                bodies[me](&crew, me);
                crew.end(me);
            }
        };
        let others: Vec<_> = (1..bodies.len()).map(|me| thread::spawn(run(me))).collect();
        run(0)();
        others.into_iter().for_each(|other| other.join().unwrap());
        check(&crew);
    });
}

/// Who compares before the store is woken, who compares after it does not sleep.
#[test]
fn no_wake_is_lost() {
    fn main(crew: &Crew, me: usize) {
        assert!(matches!(crew.wait(me, false), Waited::Woken | Waited::Different));
    }
    fn waker(crew: &Crew, _: usize) {
        crew.word.store(1, Ordering::Release);
        crew.wake(1);
    }
    model(&[main, waker], |crew| assert_eq!(crew.outcome(), Some(Outcome::Ended)));
}

/// A thread that wakes another one and sleeps, in turn: at no time do both sleep unwoken.
#[test]
fn handing_over_is_no_deadlock() {
    fn main(crew: &Crew, me: usize) {
        let waited = crew.wait(me, false);
        crew.word.store(2, Ordering::Release);
        crew.wake(1);
        assert!(matches!(waited, Waited::Woken | Waited::Different));
    }
    fn other(crew: &Crew, me: usize) {
        crew.word.store(1, Ordering::Release);
        if crew.wake(1) == 1 {
            // The main thread sleeps, or has been woken: it will wake this one, or end.
            crew.word.store(0, Ordering::Release);
            crew.wait(me, false);
        }
    }
    model(&[main, other], |crew| assert_eq!(crew.outcome(), Some(Outcome::Ended)));
}

/// The time comes while somebody wakes: whoever was taken out of the queue is woken, and nobody else.
#[test]
fn a_timeout_and_a_wake_agree() {
    fn main(crew: &Crew, me: usize) {
        let waited = crew.wait(me, true);
        assert!(matches!(waited, Waited::Woken | Waited::TimedOut));
        crew.word.store(if waited == Waited::Woken { 10 } else { 20 }, Ordering::SeqCst);
    }
    fn clock(crew: &Crew, _: usize) {
        crew.cells[0].time();
    }
    fn waker(crew: &Crew, _: usize) {
        let woken = crew.wake(1);
        // The main thread is not woken twice.
        assert!(woken + crew.wake(1) <= 1);
    }
    model(&[main, clock, waker], |crew| {
        assert!(matches!(crew.word.load(Ordering::SeqCst), 10 | 20));
        assert!(!crew.cells[0].is_woken() && crew.queue.lock().unwrap().is_empty());
        assert_eq!(crew.outcome(), Some(Outcome::Ended));
    });
}

/// All wait, however the last one came to it: the run ends.
#[test]
fn a_deadlock_is_noticed() {
    fn sleeps(crew: &Crew, me: usize) {
        assert_eq!(crew.wait(me, false), Waited::Over);
    }
    fn ends(_: &Crew, _: usize) {}
    model(&[sleeps, sleeps], |crew| assert_eq!(crew.outcome(), Some(Outcome::Deadlock)));
    model(&[sleeps, ends], |crew| assert_eq!(crew.outcome(), Some(Outcome::Deadlock)));
    model(&[sleeps, sleeps, ends], |crew| assert_eq!(crew.outcome(), Some(Outcome::Deadlock)));
}

/// One is woken, does nothing and sleeps again; then it is a deadlock, whoever notices.
#[test]
fn a_deadlock_after_a_wake_is_noticed() {
    fn sleeps_twice(crew: &Crew, me: usize) {
        if crew.wait(me, false) == Waited::Woken {
            assert_eq!(crew.wait(me, false), Waited::Over);
        }
    }
    fn waker(crew: &Crew, me: usize) {
        crew.wake(1);
        assert_eq!(crew.wait(me, false), Waited::Over);
    }
    model(&[sleeps_twice, waker], |crew| assert_eq!(crew.outcome(), Some(Outcome::Deadlock)));
}

/// The run ends while a thread goes to sleep: it leaves.
#[test]
fn nobody_sleeps_after_the_end() {
    fn main(_: &Crew, _: usize) {}
    fn sleeps(crew: &Crew, me: usize) {
        assert_eq!(crew.wait(me, false), Waited::Over);
    }
    fn sleeps_for_a_time(crew: &Crew, me: usize) {
        assert_eq!(crew.wait(me, true), Waited::Over);
    }
    model(&[main, sleeps, sleeps_for_a_time], |crew| assert_eq!(crew.outcome(), Some(Outcome::Ended)));
}
