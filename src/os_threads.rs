//! Mu threads on OS threads of their own, running at the same time.
//!
//! **What.** A *crew* is the threads of one run: its main thread, which runs on the OS thread of the client that began
//! the run, and every thread started from it, each on an OS thread of its own. Each lets the interpreter run its Mu thread
//! until that stops, and settles what it stopped for: alone, sharing the machine, or having stopped everybody
//! ([`mu_rt::world`]).
//!
//! ```text
//!   enter ── interpret ──> event ── settled while sharing: NEWTHREAD, wake, the end of a thread ──┐
//!     ^         │                                                                               │
//!     │         ├─ poll: somebody stops the world, or the run is over ── leave ─────────────────┤
//!     │         ├─ wait ── leave, sleep, complete ───────────────────────────────────────────────┤
//!     │         └─ collect, decode, trap, load ── leave, stop the world, do it, let it go ────────┤
//!     └──────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! **Why this way.** What an event refers to may move as soon as the thread has left the world, so events that hold
//! references are settled before; the others are plain data and are settled after. Traps of all threads go to the client's
//! OS thread, because a trap handler is whatever object the client passed and need not be usable elsewhere: the main
//! thread looks for them whenever it polls, sleeps or ends. While it is in native code they wait.
//!
//! **The end.** As in the deterministic schedule ([`crate::schedule`]) the run ends with its main thread, or with undefined
//! behaviour, an unhandled trap or an uncaught exception in any thread. The others end at their next poll, their stacks
//! stay ACTIVE. Nobody waits for a thread in native code: the instance goes on, and lives on, until that comes back.
//!
//! **Deadlock.** A thread that goes to sleep for ever while all others sleep looks at all of them; if each sleeps for
//! ever and nobody was woken while it looked, nobody ever will be: [`Outcome::Deadlock`]. While a function is exposed
//! that cannot be known, because a thread that is not Mu's may call it and wake somebody: then they sleep on.
//!
//! **Invariants.** A thread's [`Thread`] is out of its cell only while its OS thread has entered the world, or is the one
//! that has stopped it and passes the thread to whatever may collect. No lock of this module is held while waiting for the
//! world.

use crate::driver::{DEADLOCK_THREADS_MAX, NoTraps, Outcome, Resume, TrapHandler};
use crate::values::Value;
use crate::{Machine, Mu, StackRef};
use mu_interp::threads::wait_result;
use mu_interp::{Alone, Begun, NativeStep, Stop};
use mu_ir::ub::Ub;
use mu_rt::native::Segment;
use mu_rt::thread::{Event, NewThread, Slept, Thread, ThreadCell, ThreadRef};
use mu_rt::world::World;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Instructions between two polls: some 50 microseconds.
const LEASE: u64 = 1 << 14;

/// Host stack of the OS thread of a Mu thread, in bytes: the interpreter does not recurse on it.
const HOST_STACK_BYTES: usize = 512 << 10;

/// The threads of one run.
struct Crew {
    world: World<Machine>,
    main: ThreadRef,
    /// The run has ended: everybody shall leave.
    over: AtomicBool,
    /// Instructions that all threads together may still execute; `u64::MAX`: any number.
    fuel: AtomicU64,
    /// How many members sleep without a timeout, or are about to, or have just been woken.
    asleep: AtomicUsize,
    has_requests: AtomicBool,
    state: Mutex<State>,
    /// A member has left.
    left: Condvar,
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    members: BTreeMap<ThreadRef, Arc<Member>>,
    /// Events that the client's OS thread shall settle.
    requests: VecDeque<(Arc<Member>, Event)>,
}

/// A thread of a crew.
struct Member {
    cell: Arc<ThreadCell>,
    /// Its thread has ended.
    has_ended: AtomicBool,
    /// The client's OS thread has settled its request.
    is_answered: AtomicBool,
    /// It is in native code, so nobody waits for it.
    is_native: AtomicBool,
}

/// Why a thread stopped being interpreted.
enum Pause {
    /// It shall look around, then go on.
    Poll,
    /// Something must be done while no thread runs.
    Alone(Alone),
    /// Native code shall run.
    Native(NativeStep),
    /// It waits at a futex, for so many nanoseconds or for ever.
    Wait(Option<u64>),
    /// An event that the client settles: a trap or a load, without references.
    Client(Event),
    /// It has ended.
    Ended(Box<Outcome>),
}

impl Mu {
    /// [`Mu::run_thread`] with every Mu thread on an OS thread of its own.
    pub(crate) fn run_on_os_threads(
        &mut self,
        stack: StackRef,
        args: Vec<Value>,
        handler: &mut dyn TrapHandler,
    ) -> Outcome {
        let cell = self.machine.rt.threads.add(stack, 0);
        let Some(mut thread) = cell.take() else { return Outcome::Exit };
        let event = self.machine.resume(&mut thread, stack, Resume::Values(args));
        if let Err(outcome) = self.settle_all(&mut thread, handler, event) {
            self.machine.rt.threads.end(cell.id());
            return *outcome;
        }
        cell.rest(thread);
        let world = self.machine.world().clone();
        let crew = Arc::new(Crew {
            main: cell.id(),
            over: AtomicBool::new(false),
            fuel: AtomicU64::new(self.machine.fuel),
            asleep: AtomicUsize::new(0),
            has_requests: AtomicBool::new(false),
            state: Mutex::default(),
            left: Condvar::new(),
            world,
        });
        let main = crew.join(cell);
        self.machine.while_running(|| crew.run_as_client(&main, handler))
    }

    /// Settles an event and whatever comes of it at once.
    fn settle_all(
        &mut self,
        thread: &mut Box<Thread>,
        handler: &mut dyn TrapHandler,
        event: Option<Event>,
    ) -> Result<(), Box<Outcome>> {
        let mut next = event;
        while let Some(event) = next {
            next = self.settle(thread, handler, event)?;
        }
        Ok(())
    }
}

impl Crew {
    fn join(&self, cell: Arc<ThreadCell>) -> Arc<Member> {
        let member = Arc::new(Member {
            cell,
            has_ended: AtomicBool::new(false),
            is_answered: AtomicBool::new(false),
            is_native: AtomicBool::new(false),
        });
        self.state.lock().members.insert(member.cell.id(), Arc::clone(&member));
        member
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Whether a thread has nothing more to do.
    fn is_done(&self, member: &Member) -> bool {
        self.is_over() || member.has_ended.load(Ordering::SeqCst)
    }

    /// The main thread, on the client's OS thread; the outcome of the run.
    fn run_as_client(self: &Arc<Self>, main: &Arc<Member>, handler: &mut dyn TrapHandler) -> Outcome {
        let mut segment = None;
        while !self.is_done(main) {
            self.serve(handler);
            match self.interpret(main) {
                Pause::Poll => {}
                Pause::Wait(timeout) => self.wait(main, timeout, Some(handler)),
                Pause::Client(event) => self.settle_as_client(main, handler, event),
                Pause::Alone(what) => self.alone(main, what),
                Pause::Native(step) => self.native(main, step, &mut segment),
                Pause::Ended(outcome) => self.end(main, *outcome),
            }
        }
        self.leave(main);
        let mut state = self.state.lock();
        while !state.members.values().all(|member| member.is_native.load(Ordering::SeqCst)) {
            self.left.wait(&mut state);
        }
        state.outcome.take().unwrap_or(Outcome::Exit)
    }

    /// Another thread, on an OS thread of its own.
    fn run(self: &Arc<Self>, member: &Arc<Member>) {
        let mut segment = None;
        while !self.is_done(member) {
            match self.interpret(member) {
                Pause::Poll => {}
                Pause::Wait(timeout) => self.wait(member, timeout, None),
                Pause::Client(event) => self.request(member, event),
                Pause::Alone(what) => self.alone(member, what),
                Pause::Native(step) => self.native(member, step, &mut segment),
                Pause::Ended(outcome) => self.end(member, *outcome),
            }
        }
        self.leave(member);
    }

    /// Interprets a thread until it stops, and settles what can be settled while sharing the machine.
    fn interpret(self: &Arc<Self>, member: &Arc<Member>) -> Pause {
        let machine = self.world.enter();
        let Some(mut thread) = member.cell.take() else { return Pause::Poll };
        let pause = loop {
            let lease = self.take_fuel();
            thread.fuel = lease;
            let before = thread.executed;
            let stop = machine.interp.run(&machine.rt, &mut thread, None);
            let spent = thread.executed - before;
            machine.executed.fetch_add(spent, Ordering::Relaxed);
            self.give_fuel_back(lease - spent);
            let pause = match stop {
                Stop::Alone(what) => Some(Pause::Alone(what)),
                Stop::Native(step) => Some(Pause::Native(step)),
                Stop::Event(Event::OutOfFuel) if lease > 0 => None,
                Stop::Event(event) => self.share(&machine, &mut thread, event),
            };
            if let Some(pause) = pause {
                break pause;
            }
            let requested = member.cell.id() == self.main && self.has_requests.load(Ordering::Relaxed);
            if requested || self.is_over() || self.world.is_stop_wanted() {
                break Pause::Poll;
            }
        };
        member.cell.rest(thread);
        pause
    }

    fn take_fuel(&self) -> u64 {
        let take = |fuel: u64| Some(if fuel == u64::MAX { fuel } else { fuel - fuel.min(LEASE) });
        match self.fuel.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(fuel) | Err(fuel) => fuel.min(LEASE),
        }
    }

    fn give_fuel_back(&self, rest: u64) {
        let give = |fuel: u64| (fuel != u64::MAX).then(|| fuel + rest);
        let _ = self.fuel.fetch_update(Ordering::Relaxed, Ordering::Relaxed, give);
    }

    /// Settles an event of a thread that has entered the world; `None`: it goes on.
    fn share(self: &Arc<Self>, machine: &Machine, thread: &mut Thread, event: Event) -> Option<Pause> {
        match event {
            Event::Wait { timeout } => Some(Pause::Wait(timeout)),
            Event::Woke(threads) => {
                let count = threads.len() as u64;
                threads.into_iter().for_each(|woken| machine.rt.threads.wake(woken, wait_result::WOKEN));
                machine.interp.complete(&machine.rt, thread.stack, count);
                None
            }
            Event::NewThread(new) => match self.start(machine, thread, &new) {
                Ok(()) => None,
                Err(ub) => Some(Pause::Ended(Box::new(machine.ended(thread, Event::Undefined(ub))))),
            },
            event @ (Event::Trap(_) | Event::Load { .. }) => Some(Pause::Client(event)),
            event @ (Event::Returned { .. }
            | Event::Threw(_)
            | Event::ThreadExit
            | Event::Undefined(_)
            | Event::Unsupported(_)
            | Event::OutOfFuel) => Some(Pause::Ended(Box::new(machine.ended(thread, event)))),
        }
    }

    /// NEWTHREAD. The OS thread is made first: if it cannot be, the stack stays as it is.
    fn start(self: &Arc<Self>, machine: &Machine, thread: &Thread, new: &NewThread) -> Result<(), Ub> {
        let (hand_over, begin) = mpsc::sync_channel::<Arc<Member>>(1);
        let crew = Arc::clone(self);
        let has_room = self.state.lock().members.len() < machine.rt.config.threads_max;
        let builder = std::thread::Builder::new().name("mu".into()).stack_size(HOST_STACK_BYTES);
        let os_thread = has_room.then(|| {
            builder.spawn(move || {
                if let Ok(member) = begin.recv() {
                    crew.run(&member);
                }
            })
        });
        if !matches!(os_thread, Some(Ok(_))) {
            return machine.interp.complete_failed(&machine.rt, thread.stack);
        }
        let cell = machine.rt.threads.add(new.stack, new.threadlocal);
        machine.interp.complete(&machine.rt, thread.stack, cell.id().0);
        let Some(mut started) = cell.take() else { return Ok(()) };
        let bound = machine.interp.bind(&machine.rt, &mut started, new.stack, &new.resumption);
        if let Some(event) = bound.unwrap_or_else(|ub| Some(Event::Undefined(ub))) {
            // An exception that nobody on the new stack catches.
            let outcome = machine.ended(&started, event);
            machine.rt.threads.end(started.id);
            if outcome.ends_any_run() {
                self.finish(outcome);
            }
            return Ok(());
        }
        cell.rest(started);
        // The receiver waits for this; it can only be gone if its thread is.
        let _ = hand_over.send(self.join(cell));
        Ok(())
    }

    /// Does what a thread stopped for while no thread runs.
    fn alone(&self, member: &Arc<Member>, what: Alone) {
        let mut mu = Mu { machine: self.world.stop() };
        let Some(mut thread) = member.cell.take() else { return };
        let Machine { rt, interp, .. } = &mut *mu.machine;
        let event = interp.alone(rt, &mut thread, what);
        // What comes of it is a load, or the end: no trap, so nobody is asked.
        let settled = mu.settle_all(&mut thread, &mut NoTraps, event);
        member.cell.rest(thread);
        drop(mu);
        if let Err(outcome) = settled {
            self.end(member, *outcome);
        }
    }

    /// Lets native code run, outside of the world. If the run ends meanwhile, the native code is left to itself: this OS
    /// thread goes when it comes back.
    fn native(&self, member: &Arc<Member>, step: NativeStep, spare: &mut Option<Segment>) {
        let begun = {
            let machine = self.world.enter();
            let Some(thread) = member.cell.take() else { return };
            let begun = machine.interp.begin_native(&machine.rt, &thread, step, spare);
            member.cell.rest(thread);
            begun
        };
        let mut work = match begun {
            Begun::Work(work) => work,
            Begun::Stop(event) => return self.settle_as_client(member, &mut NoTraps, event),
            Begun::GoesOn => return,
        };
        member.is_native.store(true, Ordering::SeqCst);
        if self.is_over() {
            // Who waits for the last member holds the lock between looking and waiting.
            drop(self.state.lock());
            self.left.notify_all();
        }
        let outcome = work.run();
        member.is_native.store(false, Ordering::SeqCst);
        if self.is_over() {
            return;
        }
        let machine = self.world.enter();
        let Some(mut thread) = member.cell.take() else { return };
        let stop = machine.interp.end_native(&machine.rt, &mut thread, *work, outcome, spare);
        let ended = match &stop {
            Some(Stop::Event(event)) => Some(machine.ended(&thread, event.clone())),
            Some(Stop::Alone(_) | Stop::Native(_)) | None => None,
        };
        member.cell.rest(thread);
        drop(machine);
        match (ended, stop) {
            (Some(outcome), _) => self.end(member, outcome),
            (None, Some(Stop::Alone(what))) => self.alone(member, what),
            (None, Some(Stop::Event(_) | Stop::Native(_)) | None) => {}
        }
    }

    /// Settles an event of any thread with the world stopped.
    fn settle_as_client(&self, member: &Arc<Member>, handler: &mut dyn TrapHandler, event: Event) {
        let mut mu = Mu { machine: self.world.stop() };
        let Some(mut thread) = member.cell.take() else { return };
        let settled = mu.settle_all(&mut thread, handler, Some(event));
        member.cell.rest(thread);
        drop(mu);
        if let Err(outcome) = settled {
            self.end(member, *outcome);
        }
    }

    /// Has an event settled: here if the client's handler is not needed, else by the client's OS thread.
    fn request(&self, member: &Arc<Member>, event: Event) {
        let needs_client = matches!(event, Event::Trap(_)) && self.world.enter().rt.trap_handler.is_none();
        if !needs_client {
            return self.settle_as_client(member, &mut NoTraps, event);
        }
        let main = {
            let mut state = self.state.lock();
            state.requests.push_back((Arc::clone(member), event));
            self.has_requests.store(true, Ordering::SeqCst);
            state.members.get(&self.main).map(Arc::clone)
        };
        if let Some(main) = main {
            main.cell.interrupt();
        }
        // Nobody wakes a thread that waits at no futex.
        member.cell.sleep(None, || member.is_answered.load(Ordering::SeqCst) || self.is_over());
        member.is_answered.store(false, Ordering::SeqCst);
    }

    /// The client's OS thread settles what other threads ask for.
    fn serve(&self, handler: &mut dyn TrapHandler) {
        while self.has_requests.load(Ordering::SeqCst) {
            let request = {
                let mut state = self.state.lock();
                let request = state.requests.pop_front();
                self.has_requests.store(!state.requests.is_empty(), Ordering::SeqCst);
                request
            };
            let Some((member, event)) = request else { return };
            self.settle_as_client(&member, handler, event);
            member.is_answered.store(true, Ordering::SeqCst);
            member.cell.interrupt();
        }
    }

    /// Sleeps at a futex until the thread is woken, its time is over, or the run is.
    fn wait(&self, member: &Arc<Member>, timeout: Option<u64>, mut handler: Option<&mut dyn TrapHandler>) {
        // A time too far away to be expressed does not come.
        let time = |nanoseconds| Instant::now().checked_add(Duration::from_nanos(nanoseconds));
        let spurious = self.spurious_end();
        let is_spurious = spurious.is_some_and(|end| timeout.is_none_or(|timeout| end < timeout));
        let mut until = if is_spurious { spurious } else { timeout }.and_then(time);
        let is_client = handler.is_some();
        let interrupted = || self.is_over() || is_client && self.has_requests.load(Ordering::SeqCst);
        loop {
            let for_ever = until.is_none();
            if for_ever {
                self.asleep.fetch_add(1, Ordering::SeqCst);
                self.check_deadlock(Some(member));
            }
            let slept = member.cell.sleep(until, interrupted);
            if for_ever {
                self.asleep.fetch_sub(1, Ordering::SeqCst);
            }
            match slept {
                Slept::Woken(result) => return self.complete(member, result),
                Slept::TimedOut => {
                    if self.world.enter().rt.futexes.lock().leave(member.cell.id()) {
                        let result = if is_spurious { wait_result::SPURIOUS } else { wait_result::TIMEOUT };
                        return self.complete(member, result);
                    }
                    // Somebody has just taken it out of the queue, and is about to wake it.
                    until = None;
                }
                Slept::Interrupted if self.is_over() => return,
                Slept::Interrupted => {
                    if let Some(handler) = &mut handler {
                        self.serve(&mut **handler);
                    }
                }
            }
        }
    }

    /// After how many nanoseconds a wait ends without a reason, if it does.
    fn spurious_end(&self) -> Option<u64> {
        let machine = self.world.enter();
        let schedule = machine.rt.config.schedule;
        let mut chooser = machine.rt.chooser.lock();
        chooser.percent(schedule.spurious_wakes).then(|| chooser.around(schedule.preempt.max(1)))
    }

    /// The instruction that a thread waited at is done.
    fn complete(&self, member: &Member, result: u64) {
        let machine = self.world.enter();
        if let Some(stack) = member.cell.with(|thread| thread.stack) {
            machine.interp.complete(&machine.rt, stack, result);
        }
    }

    /// Ends the run if all members sleep and nobody will ever wake one. `me` is about to sleep.
    fn check_deadlock(&self, me: Option<&Arc<Member>>) {
        loop {
            let wakes = self.world.enter().rt.threads.wakes();
            let members: Vec<Arc<Member>> = self.state.lock().members.values().map(Arc::clone).collect();
            if members.is_empty() || self.is_over() || self.asleep.load(Ordering::SeqCst) != members.len() {
                return;
            }
            if me.is_some_and(|me| me.cell.is_woken()) {
                return;
            }
            if self.world.enter().rt.native.exposed_count() > 0 {
                return;
            }
            let is_me = |member: &Arc<Member>| me.is_some_and(|me| Arc::ptr_eq(me, member));
            let sleeps = |member: &Arc<Member>| is_me(member) || member.cell.sleeps_for_ever();
            let all_sleep = members.iter().all(sleeps);
            let machine = self.world.enter();
            if all_sleep && machine.rt.threads.wakes() == wakes {
                let deadlock = self.deadlock(&machine, &members);
                return self.finish(deadlock);
            }
            drop(machine);
            // Somebody is about to sleep, or has just been woken: it will be counted in a moment.
            std::thread::yield_now();
        }
    }

    fn deadlock(&self, machine: &Machine, members: &[Arc<Member>]) -> Outcome {
        let (main, others): (Vec<_>, Vec<_>) =
            members.iter().partition(|member| member.cell.id() == self.main);
        let traces = main.into_iter().chain(others).take(DEADLOCK_THREADS_MAX).map(|member| {
            let stack = member.cell.with(|thread| thread.stack).unwrap_or(StackRef::NULL);
            (member.cell.id(), machine.backtrace(stack))
        });
        Outcome::Deadlock { waiting: members.len(), threads: traces.collect() }
    }

    /// A thread has ended.
    fn end(&self, member: &Member, outcome: Outcome) {
        member.has_ended.store(true, Ordering::SeqCst);
        if member.cell.id() == self.main || outcome.ends_any_run() {
            self.finish(outcome);
        }
    }

    /// The run has ended, if it had not before.
    fn finish(&self, outcome: Outcome) {
        let mut state = self.state.lock();
        state.outcome.get_or_insert(outcome);
        self.over.store(true, Ordering::SeqCst);
        state.members.values().for_each(|member| member.cell.interrupt());
    }

    /// An OS thread has nothing more to do with the run.
    fn leave(&self, member: &Member) {
        let id = member.cell.id();
        {
            let machine = self.world.enter();
            machine.rt.futexes.lock().leave(id);
            machine.rt.threads.end(id);
        }
        self.state.lock().members.remove(&id);
        self.left.notify_all();
        self.check_deadlock(None);
    }
}
