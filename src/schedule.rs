//! Deterministic threads: all Mu threads of a run on one OS thread, under a scheduler with a seed.
//!
//! **What.** A *run* is a main thread and every thread that is started from it. [`Run`] knows which of them can go on,
//! which wait at a futex and until when, and what time it is. After each turn of a thread the next one is drawn from
//! the instance's [`Chooser`], and so is the length of its turn; the same seed gives the same run.
//!
//! **Why this way.** The interpreter runs one thread until something happens ([`mu_rt::thread::Event`]) or its fuel of this turn is used
//! up, so a scheduler is a loop around it, and nothing in the interpreter knows of it. With one thread that can go on
//! and no deadline there are no turns: a program of one thread runs at full speed and does not depend on the seed.
//! All memory is sequentially consistent here; what weaker orders allow beyond that, OS threads will show.
//!
//! **Time** is virtual: one nanosecond per instruction of any thread of the run, and when nobody can go on it jumps to
//! the next deadline. So timeouts repeat as well.
//!
//! **The end.** The run ends with its main thread, and its outcome is that thread's; the other threads end where they
//! stand, their stacks stay ACTIVE. Undefined behaviour, a trap that nobody handles and an uncaught exception in any
//! thread end the run with that outcome. If nobody can go on and no time is awaited, the outcome is
//! [`Outcome::Deadlock`].
//!
//! Threads that the client made join the run that begins next, or that goes on when a trap handler has made them. A run
//! without a main thread ([`crate::Mu::run`]) ends when all its threads have.
//!
//! **Runs inside runs.** A trap handler may call Mu functions. That is a run of its own: the threads of the outer run
//! stand still meanwhile, though they can be woken.

use crate::Outcome;
use mu_interp::NativeStation;
use mu_interp::threads::wait_result;
use mu_rt::choose::Chooser;
use mu_rt::runtime::Runtime;
use mu_rt::thread::ThreadRef;
use std::collections::{BTreeMap, BTreeSet};

/// When something is to happen to a waiting thread. Ordered by time, then by who came first.
type Deadline = (u128, u64);

/// The threads of one run.
pub(crate) struct Run {
    /// The thread whose end is the end of the run; NULL: it ends when all have ended.
    main: ThreadRef,
    /// Threads that the client made.
    clients: BTreeSet<ThreadRef>,
    /// Threads that can go on, without the one whose turn it is.
    ready: Vec<ThreadRef>,
    /// Threads that wait at a futex, and until when.
    waiting: BTreeMap<ThreadRef, Option<Deadline>>,
    /// What the waits that end by themselves give.
    deadlines: BTreeMap<Deadline, (ThreadRef, u64)>,
    next_deadline: u64,
    /// Nanoseconds since the run began.
    now: u128,
    /// Instructions that all threads together may still execute; `u64::MAX`: any number.
    fuel: u64,
    /// Where native code runs: one serves all threads that take turns.
    pub station: NativeStation,
}

impl Run {
    /// A run that begins with the turn of its main thread.
    pub fn new(main: ThreadRef, fuel: u64) -> Run {
        Run {
            main,
            clients: BTreeSet::new(),
            ready: Vec::new(),
            waiting: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            next_deadline: 0,
            now: 0,
            fuel,
            station: NativeStation::default(),
        }
    }

    /// Whether the end of this thread, with this outcome, is the end of the run.
    pub fn is_ended_by(&self, thread: ThreadRef, outcome: &Outcome) -> bool {
        self.main == thread || outcome.ends_run(self.main != ThreadRef::NULL, self.is_clients(thread))
    }

    /// Whether the client made this thread.
    pub fn is_clients(&self, thread: ThreadRef) -> bool {
        self.clients.contains(&thread)
    }

    /// A thread that the client made can go on from now on.
    pub fn adopt(&mut self, thread: ThreadRef) {
        self.clients.insert(thread);
        self.ready(thread);
    }

    /// Whether a thread whose turn's fuel is used up may have another turn.
    pub fn has_fuel(&self) -> bool {
        self.fuel > 0
    }

    /// Number of threads besides the one whose turn it is.
    pub fn others(&self) -> usize {
        self.ready.len() + self.waiting.len()
    }

    /// Whether the thread whose turn it is need not ask for another turn.
    pub fn is_alone(&self) -> bool {
        self.ready.is_empty()
    }

    /// How many instructions the next turn has.
    pub fn turn(&self, rt: &mut Runtime) -> u64 {
        let mut turn = self.fuel;
        let preempt = rt.config.schedule.preempt;
        if !self.ready.is_empty() && preempt > 0 {
            turn = turn.min(rt.chooser.get_mut().around(preempt));
        }
        if let Some(&(time, _)) = self.deadlines.keys().next() {
            let until = u64::try_from(time.saturating_sub(self.now)).unwrap_or(u64::MAX);
            turn = turn.min(until.max(1));
        }
        turn
    }

    /// A turn has taken so many instructions.
    pub fn spend(&mut self, instructions: u64) {
        self.now += u128::from(instructions);
        if self.fuel != u64::MAX {
            self.fuel -= instructions.min(self.fuel);
        }
    }

    /// A thread can go on from now on.
    pub fn ready(&mut self, thread: ThreadRef) {
        self.ready.push(thread);
    }

    /// A thread waits at a futex, for so many nanoseconds or for ever. Perhaps it will be woken without a reason.
    pub fn wait(&mut self, thread: ThreadRef, timeout: Option<u64>, rt: &mut Runtime) {
        let schedule = rt.config.schedule;
        let mut end = timeout.map(|nanoseconds| (self.now + u128::from(nanoseconds), wait_result::TIMEOUT));
        if rt.chooser.get_mut().percent(schedule.spurious_wakes) {
            let time = self.now + u128::from(rt.chooser.get_mut().around(schedule.preempt.max(1)));
            if end.is_none_or(|(timeout, _)| time < timeout) {
                end = Some((time, wait_result::SPURIOUS));
            }
        }
        let deadline = end.map(|(time, result)| {
            let deadline = (time, self.next_deadline);
            self.next_deadline += 1;
            self.deadlines.insert(deadline, (thread, result));
            deadline
        });
        self.waiting.insert(thread, deadline);
    }

    /// A waiting thread can go on. False if it does not wait in this run.
    pub fn wake(&mut self, thread: ThreadRef) -> bool {
        let Some(deadline) = self.waiting.remove(&thread) else { return false };
        if let Some(deadline) = deadline {
            self.deadlines.remove(&deadline);
        }
        self.ready(thread);
        true
    }

    /// Ends the next wait whose time has come, with its result. If nobody can go on, its time comes now.
    pub fn expired(&mut self, may_jump: bool) -> Option<(ThreadRef, u64)> {
        let (&(time, _), &(thread, result)) = self.deadlines.first_key_value()?;
        if time > self.now {
            if !(may_jump && self.ready.is_empty()) {
                return None;
            }
            self.now = time;
        }
        self.wake(thread);
        Some((thread, result))
    }

    /// Draws the thread that goes on, of those that are ready.
    pub fn choose(&mut self, chooser: &mut Chooser) -> Option<ThreadRef> {
        if self.ready.is_empty() {
            return None;
        }
        let index = chooser.below(self.ready.len() as u64) as usize;
        Some(self.ready.swap_remove(index))
    }

    /// The threads that wait, by ascending reference.
    pub fn waiting(&self) -> impl Iterator<Item = ThreadRef> {
        self.waiting.keys().copied()
    }

    /// The run is over: its threads are gone.
    pub fn end(&self, rt: &mut Runtime) {
        for &thread in self.ready.iter().chain(self.waiting.keys()) {
            rt.futexes.get_mut().leave(thread);
            rt.threads.end(thread);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mu_rt::runtime::Config;

    fn runtime(seed: u64) -> Runtime {
        let mut config = Config::default();
        config.schedule.seed = seed;
        Runtime::new(config).unwrap()
    }

    #[test]
    fn one_thread_is_never_interrupted() {
        let mut rt = runtime(1);
        let run = Run::new(ThreadRef(1), u64::MAX);
        assert_eq!((run.turn(&mut rt), run.is_alone(), run.others()), (u64::MAX, true, 0));
    }

    #[test]
    fn turns_end_at_deadlines_and_with_the_fuel() {
        let mut rt = runtime(1);
        let mut run = Run::new(ThreadRef(1), 100);
        run.wait(ThreadRef(2), Some(30), &mut rt);
        assert_eq!(run.turn(&mut rt), 30);
        run.spend(30);
        assert_eq!(run.expired(false), Some((ThreadRef(2), wait_result::TIMEOUT)));
        assert!(run.turn(&mut rt) <= 70);
        run.spend(70);
        assert!(!run.has_fuel());
    }

    #[test]
    fn time_jumps_only_when_nobody_can_go_on() {
        let mut rt = runtime(1);
        let mut run = Run::new(ThreadRef(1), u64::MAX);
        run.wait(ThreadRef(1), Some(u64::MAX), &mut rt);
        run.wait(ThreadRef(2), Some(50), &mut rt);
        run.wait(ThreadRef(3), Some(50), &mut rt);
        assert_eq!(run.expired(false), None);
        assert_eq!(run.expired(true).map(|(thread, _)| thread), Some(ThreadRef(2)));
        assert_eq!(
            run.expired(true).map(|(thread, _)| thread),
            Some(ThreadRef(3)),
            "its time has come as well"
        );
        assert_eq!(run.expired(true), None, "two threads can go on");
        assert!(run.wake(ThreadRef(1)) && !run.wake(ThreadRef(1)));
        assert_eq!(run.others(), 3);
    }

    #[test]
    fn everybody_has_a_turn() {
        let mut rt = runtime(3);
        let mut run = Run::new(ThreadRef(1), u64::MAX);
        (1..=5).for_each(|number| run.ready(ThreadRef(number)));
        let mut turns = [0; 6];
        for _ in 0..1000 {
            let thread = run.choose(rt.chooser.get_mut()).unwrap();
            turns[thread.0 as usize] += 1;
            run.ready(thread);
        }
        assert!(turns[1..].iter().all(|&turns| turns > 100), "{turns:?}");
    }
}
