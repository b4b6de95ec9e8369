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
//! thread looks for them whenever it polls, sleeps or ends. While it is in native code they wait. In a run without a main
//! thread ([`Mu::run`]) the client's OS thread does nothing else.
//!
//! **The end.** As in the deterministic schedule ([`crate::schedule`]) the run ends with its main thread, or with undefined
//! behaviour, an unhandled trap or an uncaught exception in any thread; of several outcomes the first one counts. The
//! others end at their next poll, their stacks stay ACTIVE. Nobody waits for a thread in native code: the instance goes on,
//! and lives on, until that comes back. All other OS threads have let go of the instance when the run is over. A Rust panic
//! in any thread (a bug, or the client's trap handler) ends the run, and goes on in the client.
//!
//! **Deadlock.** Members that sleep for ever are counted under one lock, from before they sleep until they have got up.
//! When the count is that of all members and none was woken, nobody of the crew runs, so nobody of it ever will. Threads of
//! other runs of the instance (around a trap handler that called this one) might still wake one: they must be stuck as
//! well. And where functions are exposed, threads that nobody here knows might: then it is no deadlock.
//!
//! **Invariants.**
//! * A thread's [`Thread`] is out of its cell only while its OS thread has entered the world, or is the one that has stopped
//!   it and passes the thread to whatever may collect.
//! * No lock of this module is held while waiting for the world. The state of the crew is locked before a cell's sleep.
//! * A member's OS thread drops its reference to the crew, and with it to the instance, before it says that it is gone.

use crate::driver::{DEADLOCK_THREADS_MAX, NoTraps, Outcome, Resume, TrapHandler};
use crate::trace::Backtrace;
use crate::values::Value;
use crate::{Machine, Mu, StackRef};
use mu_interp::threads::wait_result;
use mu_interp::{Alone, Begun, NativeOutcome, NativeStation, NativeStep, Stop};
use mu_ir::ub::Ub;
use mu_rt::thread::{Event, NewThread, Slept, Thread, ThreadCell, ThreadRef};
use mu_rt::world::{Stopped, World};
use parking_lot::{Condvar, Mutex, RwLockReadGuard};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Instructions between two polls: some 50 microseconds.
const LEASE: u64 = 1 << 14;

/// Host stack of the OS thread of a Mu thread, in bytes: the interpreter does not recurse on it.
const HOST_STACK_BYTES: usize = 512 << 10;

/// After what time a thread looks again whether all others are stuck.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The threads of one run.
struct Crew {
    world: World<Machine>,
    /// The thread on the client's OS thread; NULL if there is none.
    main: ThreadRef,
    /// The run has ended: everybody shall leave.
    over: AtomicBool,
    /// What all threads together may still execute; `None`: any number of instructions.
    fuel: Option<Mutex<Fuel>>,
    has_requests: AtomicBool,
    office: Arc<Office>,
}

/// What an OS thread still uses when it has dropped the crew.
#[derive(Default)]
struct Office {
    state: Mutex<State>,
    /// A member has left, runs native code after the end, or has a request and there is no main thread.
    left: Condvar,
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    /// A Rust panic of a member, which shall go on in the client.
    panic: Option<Box<dyn Any + Send>>,
    members: BTreeMap<ThreadRef, Arc<Member>>,
    /// Threads that the client made, and how those ended that have, without ending the run.
    clients: BTreeSet<ThreadRef>,
    ended: Vec<(ThreadRef, Outcome)>,
    /// Threads that are being started, and will be members.
    starting: usize,
    /// OS threads that are no members any more but have not dropped the crew yet.
    leaving: usize,
    /// How many members sleep for ever, or are about to, or were woken and have not got up.
    asleep: usize,
    /// Events that the client's OS thread shall settle.
    requests: VecDeque<(Arc<Member>, Event)>,
}

impl State {
    /// Whether no member will ever go on unless somebody else wakes one.
    fn all_sleep(&self) -> bool {
        let count = self.members.len();
        count > 0 && self.asleep == count && !self.members.values().any(|member| member.cell.is_woken())
    }

    /// Whether nobody is left to wait for: who runs native code when the run is over is left to itself.
    fn all_gone(&self, is_over: bool) -> bool {
        let native = |member: &Arc<Member>| is_over && member.is_native.load(Ordering::SeqCst);
        self.leaving == 0 && self.members.values().all(native)
    }
}

/// Instructions that a run may still execute.
struct Fuel {
    /// Nobody has them.
    left: u64,
    /// Running threads have them; what they do not use comes back.
    lent: u64,
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

fn is_trap(event: &Event) -> bool {
    matches!(event, Event::Trap(_))
}

/// Why a thread stopped being interpreted.
enum Pause {
    /// It shall look around, then go on.
    Poll,
    /// It shall go on as soon as others have given back fuel they do not need.
    Refuel,
    /// Something must be done while no thread runs.
    Alone(Alone),
    /// It waits at a futex, for so many nanoseconds or for ever.
    Wait(Option<u64>),
    /// An event that the client settles: a trap or a load, without references.
    Client(Event),
    /// It has ended.
    Ended(Box<Outcome>),
}

/// An OS thread that has entered the world, and the Mu thread it runs.
type Entered<'a> = (RwLockReadGuard<'a, Machine>, Box<Thread>);

/// Leaves the world.
fn rest(member: &Member, (machine, thread): Entered<'_>, pause: Pause) -> Pause {
    member.cell.rest(thread);
    drop(machine);
    pause
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
        let crew = self.crew(cell.id());
        let main = crew.join(cell);
        crew.adopt(&mut self.machine);
        self.machine.while_running(|| Arc::clone(&crew).run_as_client(main, handler));
        self.close(&crew).unwrap_or(Outcome::Exit)
    }

    /// [`Mu::run`] with every Mu thread on an OS thread of its own.
    pub(crate) fn run_all_on_os_threads(&mut self, handler: &mut dyn TrapHandler) -> Option<Outcome> {
        let crew = self.crew(ThreadRef::NULL);
        crew.adopt(&mut self.machine);
        self.machine.while_running(|| crew.wait_as_client(handler));
        self.close(&crew)
    }

    fn crew(&self, main: ThreadRef) -> Arc<Crew> {
        let fuel = match self.machine.fuel {
            u64::MAX => None,
            left => Some(Mutex::new(Fuel { left, lent: 0 })),
        };
        let world = self.machine.world().clone();
        let over = AtomicBool::new(false);
        let has_requests = AtomicBool::new(false);
        Arc::new(Crew { main, over, fuel, has_requests, office: Arc::default(), world })
    }

    /// What ended a run that is over. A panic goes on here.
    fn close(&mut self, crew: &Crew) -> Option<Outcome> {
        let mut state = crew.office.state.lock();
        self.machine.ended.append(&mut state.ended);
        let (outcome, panic) = (state.outcome.take(), state.panic.take());
        drop(state);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        outcome
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
        self.office.state.lock().members.insert(member.cell.id(), Arc::clone(&member));
        member
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Whether a thread has nothing more to do.
    fn is_done(&self, member: &Member) -> bool {
        self.is_over() || member.has_ended.load(Ordering::SeqCst)
    }

    /// The main thread, on the client's OS thread, until everybody is gone.
    fn run_as_client(self: Arc<Self>, main: Arc<Member>, handler: &mut dyn TrapHandler) {
        let work = || {
            let mut station = NativeStation::default();
            while !self.is_done(&main) {
                self.serve(&mut *handler);
                match self.interpret(&main, &mut station) {
                    Pause::Poll => {}
                    Pause::Refuel => std::thread::yield_now(),
                    Pause::Wait(timeout) => self.wait(&main, timeout, Some(&mut *handler)),
                    Pause::Client(event) => self.settle_for_client(&main, &mut *handler, event),
                    Pause::Alone(what) => self.alone(&main, what),
                    Pause::Ended(outcome) => self.end(&main, *outcome),
                }
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.finish_with_panic(panic);
        }
        let office = self.leave(main);
        let mut state = office.state.lock();
        // The client's own thread has left as well.
        state.leaving -= 1;
        while !state.all_gone(true) {
            office.left.wait(&mut state);
        }
    }

    /// The client's OS thread in a run without a main thread: it settles what threads ask for until all have ended.
    fn wait_as_client(self: &Arc<Self>, handler: &mut dyn TrapHandler) {
        loop {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.serve(&mut *handler))) {
                self.finish_with_panic(panic);
            }
            let mut state = self.office.state.lock();
            if state.all_gone(self.is_over()) {
                return;
            }
            if state.requests.is_empty() || self.is_over() {
                self.office.left.wait(&mut state);
            }
        }
    }

    /// Another thread, on an OS thread of its own.
    fn run(self: Arc<Self>, member: Arc<Member>) {
        let work = || {
            let mut station = NativeStation::default();
            while !self.is_done(&member) {
                match self.interpret(&member, &mut station) {
                    Pause::Poll => {}
                    Pause::Refuel => std::thread::yield_now(),
                    Pause::Wait(timeout) => self.wait(&member, timeout, None),
                    Pause::Client(event) => self.request(&member, event),
                    Pause::Alone(what) => self.alone(&member, what),
                    Pause::Ended(outcome) => self.end(&member, *outcome),
                }
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.finish_with_panic(panic);
        }
        let office = self.leave(member);
        office.state.lock().leaving -= 1;
        office.left.notify_all();
    }

    /// Interprets a thread until it stops, and settles what can be settled while sharing the machine.
    fn interpret(self: &Arc<Self>, member: &Member, station: &mut NativeStation) -> Pause {
        let machine = self.world.enter();
        let Some(thread) = member.cell.take() else { return Pause::Poll };
        let mut entered = (machine, thread);
        loop {
            let (machine, thread) = &mut entered;
            let Some(lease) = self.take_fuel() else {
                return rest(member, entered, Pause::Refuel);
            };
            thread.fuel = lease;
            let before = thread.executed;
            let stop = machine.interp.run(&machine.rt, thread, None);
            let spent = thread.executed - before;
            machine.executed.fetch_add(spent, Ordering::Relaxed);
            self.give_fuel_back(lease, spent);
            let pause = match stop {
                Stop::Event(Event::OutOfFuel) if lease > 0 => None,
                Stop::Native(step) => match self.native(member, entered, step, station) {
                    None => return Pause::Poll,
                    Some((again, pause)) => {
                        entered = again;
                        pause
                    }
                },
                stop => self.stopped(machine, thread, stop),
            };
            if let Some(pause) = pause {
                return rest(member, entered, pause);
            }
            let requested = member.cell.id() == self.main && self.has_requests.load(Ordering::Relaxed);
            if requested || self.is_over() || self.world.is_stop_wanted() {
                return rest(member, entered, Pause::Poll);
            }
        }
    }

    /// Instructions for a turn: 0 if all are used up, `None` if others have them.
    fn take_fuel(&self) -> Option<u64> {
        let Some(fuel) = &self.fuel else { return Some(LEASE) };
        let mut fuel = fuel.lock();
        let lease = fuel.left.min(LEASE);
        fuel.left -= lease;
        fuel.lent += lease;
        (lease > 0 || fuel.lent == 0).then_some(lease)
    }

    fn give_fuel_back(&self, lease: u64, spent: u64) {
        if let Some(fuel) = &self.fuel {
            let mut fuel = fuel.lock();
            fuel.lent -= lease;
            fuel.left += lease - spent;
        }
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
            Event::NewThread(new) => match self.new_thread(machine, thread, &new) {
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

    /// NEWTHREAD, if there may be another thread.
    fn new_thread(self: &Arc<Self>, machine: &Machine, thread: &Thread, new: &NewThread) -> Result<(), Ub> {
        {
            let mut state = self.office.state.lock();
            if state.members.len() + state.starting >= machine.rt.config.threads_max {
                drop(state);
                return machine.interp.complete_failed(&machine.rt, thread.stack);
            }
            state.starting += 1;
        }
        let started = self.start(machine, thread, new);
        self.office.state.lock().starting -= 1;
        started
    }

    /// The OS thread is made first: if it cannot be, the stack stays as it is. The instruction is done when the stack is
    /// bound: somebody else may have bound or killed it since it was looked at, and then this thread is undefined.
    fn start(self: &Arc<Self>, machine: &Machine, thread: &Thread, new: &NewThread) -> Result<(), Ub> {
        let (hand_over, begin) = mpsc::sync_channel::<(Arc<Crew>, Arc<Member>)>(1);
        let builder = std::thread::Builder::new().name("mu".into()).stack_size(HOST_STACK_BYTES);
        let os_thread = builder.spawn(move || {
            if let Ok((crew, member)) = begin.recv() {
                crew.run(member);
            }
        });
        if os_thread.is_err() {
            return machine.interp.complete_failed(&machine.rt, thread.stack);
        }
        let cell = machine.rt.threads.add(new.stack, new.threadlocal);
        let Some(mut started) = cell.take() else { return Ok(()) };
        let bound = machine.interp.bind(&machine.rt, &mut started, new.stack, &new.resumption);
        let event = bound.inspect_err(|_| machine.rt.threads.end(started.id))?;
        machine.interp.complete(&machine.rt, thread.stack, cell.id().0);
        if let Some(event) = event {
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
        let _ = hand_over.send((Arc::clone(self), self.join(cell)));
        Ok(())
    }

    /// Threads that the client has made meanwhile belong to the run.
    fn adopt(self: &Arc<Self>, machine: &mut Machine) {
        for id in std::mem::take(&mut machine.made) {
            let Some(cell) = machine.rt.threads.get(id) else { continue };
            let member = self.join(cell);
            self.office.state.lock().clients.insert(id);
            let crew = Arc::clone(self);
            let builder = std::thread::Builder::new().name("mu".into()).stack_size(HOST_STACK_BYTES);
            if builder.spawn(move || crew.run(member)).is_err() {
                self.office.state.lock().members.remove(&id);
                machine.rt.threads.end(id);
                let reason = "more threads of the operating system".to_owned();
                self.finish(Outcome::Unsupported(reason, Backtrace::default()));
            }
        }
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

    /// Lets native code run for a thread, outside of the world, and enters again; `None` if the run is over. Then the native
    /// code is left to itself: this OS thread goes when it comes back.
    fn run_native<'a>(
        &'a self,
        member: &Member,
        (machine, thread): Entered<'a>,
        station: &mut NativeStation,
    ) -> Option<(Entered<'a>, NativeOutcome)> {
        member.cell.rest(thread);
        drop(machine);
        member.is_native.store(true, Ordering::SeqCst);
        if self.is_over() {
            // Who waits for the last member holds the lock between looking and waiting.
            drop(self.office.state.lock());
            self.office.left.notify_all();
        }
        let outcome = station.run();
        member.is_native.store(false, Ordering::SeqCst);
        if self.is_over() {
            return None;
        }
        let machine = self.world.enter();
        let thread = member.cell.take()?;
        Some(((machine, thread), outcome))
    }

    /// A CCALL, or the end of a callback.
    fn native<'a>(
        self: &'a Arc<Self>,
        member: &Member,
        (machine, mut thread): Entered<'a>,
        step: NativeStep,
        station: &mut NativeStation,
    ) -> Option<(Entered<'a>, Option<Pause>)> {
        match machine.interp.begin_native(&machine.rt, &thread, step, station) {
            Begun::Ready => {}
            Begun::GoesOn => return Some(((machine, thread), None)),
            Begun::Stop(event) => {
                let pause = self.share(&machine, &mut thread, event);
                return Some(((machine, thread), pause));
            }
        }
        let ((machine, mut thread), outcome) = self.run_native(member, (machine, thread), station)?;
        let pause = match machine.interp.end_native(&machine.rt, &mut thread, station, outcome) {
            None => None,
            Some(stop) => self.stopped(&machine, &mut thread, stop),
        };
        Some(((machine, thread), pause))
    }

    /// Why a thread that has stopped does not go on; `None`: it does.
    fn stopped(self: &Arc<Self>, machine: &Machine, thread: &mut Thread, stop: Stop) -> Option<Pause> {
        match stop {
            Stop::Alone(what) => Some(Pause::Alone(what)),
            Stop::Event(event) => self.share(machine, thread, event),
            // Done before this is asked.
            Stop::Native(_) => None,
        }
    }

    /// Settles an event of any thread, with the world stopped.
    fn settle(
        self: &Arc<Self>,
        member: &Arc<Member>,
        world: Stopped<Machine>,
        handler: &mut dyn TrapHandler,
        event: Event,
    ) {
        let mut mu = Mu { machine: world };
        let Some(mut thread) = member.cell.take() else { return };
        let settled = mu.settle_all(&mut thread, handler, Some(event));
        member.cell.rest(thread);
        self.adopt(&mut mu.machine);
        drop(mu);
        if let Err(outcome) = settled {
            self.end(member, *outcome);
        }
    }

    /// The same on the client's OS thread, whose main thread does nothing else meanwhile.
    fn settle_for_client(
        self: &Arc<Self>,
        member: &Arc<Member>,
        handler: &mut dyn TrapHandler,
        event: Event,
    ) {
        let world = self.world.stop();
        let main = world.rt.threads.get(self.main);
        let was = main.as_ref().map(|main| main.set_held_up(true));
        self.settle(member, world, handler, event);
        if let (Some(main), Some(was)) = (main, was) {
            main.set_held_up(was);
        }
    }

    /// Has an event settled: here if the client's handler is not needed, else by the client's OS thread.
    fn request(self: &Arc<Self>, member: &Arc<Member>, event: Event) {
        let is_for_client = |machine: &Machine| is_trap(&event) && machine.rt.trap_handler.is_none();
        if !is_for_client(&self.world.enter()) {
            // Who handles traps changes only while the world is stopped, so it may have changed a moment ago.
            let world = self.world.stop();
            if !is_for_client(&world) {
                return self.settle(member, world, &mut NoTraps, event);
            }
        }
        let main = {
            let mut state = self.office.state.lock();
            state.requests.push_back((Arc::clone(member), event));
            self.has_requests.store(true, Ordering::SeqCst);
            state.members.get(&self.main).map(Arc::clone)
        };
        match main {
            Some(main) => main.cell.interrupt(),
            None => _ = self.office.left.notify_all(),
        }
        // Nobody wakes a thread that waits at no futex.
        member.cell.sleep(None, true, || member.is_answered.load(Ordering::SeqCst) || self.is_over());
        member.is_answered.store(false, Ordering::SeqCst);
    }

    /// The client's OS thread settles what other threads ask for.
    fn serve(self: &Arc<Self>, handler: &mut dyn TrapHandler) {
        while self.has_requests.load(Ordering::SeqCst) && !self.is_over() {
            let request = {
                let mut state = self.office.state.lock();
                let request = state.requests.pop_front();
                self.has_requests.store(!state.requests.is_empty(), Ordering::SeqCst);
                request
            };
            let Some((member, event)) = request else { return };
            self.settle_for_client(&member, handler, event);
            member.is_answered.store(true, Ordering::SeqCst);
            member.cell.interrupt();
        }
    }

    /// Sleeps at a futex until the thread is woken, its time is over, or the run is.
    fn wait(
        self: &Arc<Self>,
        member: &Arc<Member>,
        timeout: Option<u64>,
        mut handler: Option<&mut dyn TrapHandler>,
    ) {
        // A time too far away to be expressed does not come.
        let time = |nanoseconds| Instant::now().checked_add(Duration::from_nanos(nanoseconds));
        let spurious = self.spurious_end();
        let is_spurious = spurious.is_some_and(|end| timeout.is_none_or(|timeout| end < timeout));
        let mut until = if is_spurious { spurious } else { timeout }.and_then(time);
        let is_client = handler.is_some();
        let interrupted = || self.is_over() || is_client && self.has_requests.load(Ordering::SeqCst);
        loop {
            let slept = match until {
                Some(_) => member.cell.sleep(until, false, interrupted),
                None => self.sleep_for_ever(member, interrupted),
            };
            match slept {
                Slept::Woken => {
                    if let Some(result) = member.cell.get_up() {
                        self.complete(member, result);
                    }
                    return;
                }
                Slept::TimedOut if until.is_none() => {}
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

    /// Sleeps without a timeout, after looking whether anybody is left to wake the thread. `TimedOut`: it shall look again.
    fn sleep_for_ever(&self, member: &Member, interrupted: impl Fn() -> bool) -> Slept {
        let all_sleep = {
            let mut state = self.office.state.lock();
            state.asleep += 1;
            state.all_sleep()
        };
        let again = (all_sleep && self.look_for_deadlock()).then(|| Instant::now() + LOOK_AGAIN);
        let slept = member.cell.sleep(again, true, interrupted);
        // A woken thread counts as woken until it has got up, so nobody takes it for asleep in between.
        self.office.state.lock().asleep -= 1;
        slept
    }

    /// After how many nanoseconds a wait ends without a reason, if it does.
    fn spurious_end(&self) -> Option<u64> {
        let machine = self.world.enter();
        let schedule = machine.rt.config.schedule;
        if schedule.spurious_wakes == 0 {
            return None;
        }
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

    /// All members sleep: ends the run if nobody will ever wake one. `true`: that cannot be said yet.
    fn look_for_deadlock(&self) -> bool {
        if self.is_over() {
            return false;
        }
        let machine = self.world.enter();
        if machine.rt.native.exposed_count() > 0 {
            return false;
        }
        let before = machine.rt.threads.changes();
        let members: Vec<Arc<Member>> = {
            let state = self.office.state.lock();
            if !state.all_sleep() {
                return false;
            }
            state.members.values().map(Arc::clone).collect()
        };
        let is_member = |id| members.iter().any(|member| member.cell.id() == id);
        let others = machine.rt.threads.all().into_iter().filter(|cell| !is_member(cell.id()));
        if !others.into_iter().all(|other| other.is_stuck()) || machine.rt.threads.changes() != before {
            return true;
        }
        let deadlock = self.deadlock(&machine, &members);
        self.finish(deadlock);
        false
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
        let id = member.cell.id();
        let mut state = self.office.state.lock();
        let is_clients = state.clients.contains(&id);
        if id == self.main || outcome.ends_run(self.main != ThreadRef::NULL, is_clients) {
            drop(state);
            self.finish(outcome);
        } else if is_clients {
            state.ended.push((id, outcome));
        }
    }

    /// The run has ended, if it had not before.
    fn finish(&self, outcome: Outcome) {
        let mut state = self.office.state.lock();
        state.outcome.get_or_insert(outcome);
        self.end_run(&state);
    }

    fn finish_with_panic(&self, panic: Box<dyn Any + Send>) {
        let mut state = self.office.state.lock();
        state.panic.get_or_insert(panic);
        self.end_run(&state);
    }

    fn end_run(&self, state: &State) {
        self.over.store(true, Ordering::SeqCst);
        state.members.values().for_each(|member| member.cell.interrupt());
    }

    /// An OS thread has nothing more to do with the run. It drops the crew; then it shall count itself out of those that
    /// are leaving.
    fn leave(self: Arc<Self>, member: Arc<Member>) -> Arc<Office> {
        let id = member.cell.id();
        {
            let machine = self.world.enter();
            machine.rt.futexes.lock().leave(id);
            machine.rt.threads.end(id);
        }
        let all_sleep = {
            let mut state = self.office.state.lock();
            state.members.remove(&id);
            state.leaving += 1;
            state.all_sleep()
        };
        while all_sleep && self.look_for_deadlock() {
            std::thread::sleep(LOOK_AGAIN);
        }
        Arc::clone(&self.office)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use mu_rt::runtime::Config;

    const SPINNERS: &str = "
        .typedef @i64 = int<64>
        .typedef @i32 = int<32>
        .funcsig @v_v = () -> ()
        .const @c0 <@i64> = 0
        .const @c1 <@i64> = 1
        .const @n0 <@i32> = 0
        .const @c16 <@i64> = 16
        .global @word <@i32>
        .funcdef @spins VERSION %v1 <@v_v> {
            %entry():
                BRANCH %loop()
            %loop():
                BRANCH %loop()
        }
        .funcdef @sleeps VERSION %v1 <@v_v> {
            %entry():
                %r = COMMINST @uvm.futex.wait <@i32> (@word @n0)
                RET ()
        }
        .funcdef @starts VERSION %v1 <@v_v> {
            %entry():
                BRANCH %loop(@c0)
            %loop(<@i64> %i):
                %s = COMMINST @uvm.new_stack <[@v_v]> (@spins)
                %t = NEWTHREAD %s PASS_VALUES <> ()
                %s2 = COMMINST @uvm.new_stack <[@v_v]> (@sleeps)
                %t2 = NEWTHREAD %s2 PASS_VALUES <> ()
                %i1 = ADD <@i64> %i @c1
                %over = EQ <@i64> %i1 @c16
                BRANCH2 %over %end() %loop(%i1)
            %end():
                RET ()
        }";

    /// No OS thread still has the instance, so dropping it frees all its memory at once.
    #[test]
    fn nobody_keeps_the_instance_after_a_run() {
        let config = Config { os_threads: true, ..Config::default() };
        let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
        mu.load_bundle("spinners.uir", SPINNERS).unwrap();
        let starts = mu.func("@starts").unwrap();
        let alone = mu.machine.world().references();
        for _ in 0..10 {
            assert!(matches!(mu.call(starts, vec![]), Outcome::Return(_)));
            assert_eq!(mu.machine.world().references(), alone);
        }
    }

    #[test]
    fn fuel_is_used_up_when_nobody_has_any() {
        let config = Config { os_threads: true, ..Config::default() };
        let mu = Mu::new(Options { config, ..Options::default() }).unwrap();
        let crew = Crew {
            world: mu.machine.world().clone(),
            main: ThreadRef(1),
            over: AtomicBool::new(false),
            fuel: Some(Mutex::new(Fuel { left: LEASE + 1, lent: 0 })),
            has_requests: AtomicBool::new(false),
            office: Arc::default(),
        };
        assert_eq!((crew.take_fuel(), crew.take_fuel(), crew.take_fuel()), (Some(LEASE), Some(1), None));
        crew.give_fuel_back(1, 1);
        assert_eq!(crew.take_fuel(), None, "somebody may give back some");
        crew.give_fuel_back(LEASE, LEASE - 2);
        assert_eq!(crew.take_fuel(), Some(2));
        crew.give_fuel_back(2, 2);
        assert_eq!(crew.take_fuel(), Some(0));
    }
}
