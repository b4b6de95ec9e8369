//! Mu: a micro virtual machine.
//!
//! A client (a language runtime) makes an instance, loads bundles of Mu IR into it, makes stacks and runs threads on
//! them; traps call the client back.
//!
//! ```
//! use mu_vm::{Mu, Options, Outcome};
//!
//! let mut mu = Mu::new(Options::default()).unwrap();
//! mu.load_bundle("square.uir", "
//!     .typedef @i64 = int<64>
//!     .funcsig @sig = (@i64) -> (@i64)
//!     .funcdef @square VERSION %v1 <@sig> {
//!         %entry(<@i64> %x):
//!             %y = MUL <@i64> %x %x
//!             RET %y
//!     }").unwrap();
//! let square = mu.func("@square").unwrap();
//! let x = mu.value_from_text(mu.params(square)[0], "12").unwrap();
//! match mu.call(square, vec![x]) {
//!     Outcome::Return(values) => assert_eq!(mu.value_to_text(&values[0]), "144"),
//!     other => panic!("{other:?}"),
//! }
//! ```
//!
//! Several instances can live in one process; dropping one frees everything it mapped.
//!
//! Architecture invariants
//! * This crate is the top of the graph: it knows the tiers and the text form, and nothing below knows it.
//! * Nothing a client does with this interface is undefined behaviour of the host; misuse is an error. (What a program does
//!   through `uptr` and native calls, or unchecked through a stale `iref`, is its own affair.)
#![forbid(unsafe_code)]

pub mod builder;
pub mod conformance;
pub mod driver;
mod hail;
pub mod handles;
pub mod introspect;
pub mod memory;
pub mod native;
mod os_threads;
mod schedule;
pub mod threads;
pub mod trace;
pub mod values;

pub use builder::Builder;
pub use driver::{Outcome, TrapAction, TrapContext, TrapHandler};
pub use introspect::Cursor;
pub use mu_interp as interp;
pub use mu_ir as ir;
pub use mu_rt as rt;
pub use mu_rt::stack::StackRef;
pub use mu_rt::thread::{ThreadRef, TrapCause};
pub use mu_text as text;
pub use threads::Ended;
pub use trace::{Backtrace, FrameInfo};
pub use values::{ClientError, Value};

use mu_interp::Interp;
use mu_interp::frames::NewStackFailure;
use mu_ir::diag::{Diagnostic, Severity, Source};
use mu_ir::ids::{FuncId, MuId, TypeId};
use mu_ir::program::{Entity, Program};
use mu_rt::runtime::{Config, NewRuntimeError, Runtime};
use mu_rt::world::{Stopped, World};
use native::Foreign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Options of an instance.
#[derive(Clone, Debug)]
pub struct Options {
    /// Limits and switches of the runtime.
    pub config: Config,
    /// Instructions each run may execute, all its threads together.
    pub fuel: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { config: Config::default(), fuel: u64::MAX }
    }
}

/// Why a bundle was not loaded: every error, with the texts the places point into. The instance is as it was.
#[derive(Clone, Debug)]
pub struct LoadError {
    /// The errors, in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// Source texts by [`mu_ir::ids::SourceId`].
    pub sources: Vec<Source>,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let span = diagnostic.primary.span;
            if let Some(source) = self.sources.get(span.source.index()) {
                let (line, column) = source.line_col(span.start);
                write!(f, "{}:{line}:{column}: ", source.name)?;
            }
            write!(f, "{}: {}", diagnostic.code.text(), diagnostic.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// An instance of Mu, while none of its threads runs. Threads run inside [`Mu::call`], [`Mu::run_thread`] and [`Mu::run`];
/// whoever has a `&mut Mu` meanwhile (a trap handler) has stopped them.
pub struct Mu {
    machine: Stopped<Machine>,
}

/// What an instance is made of.
struct Machine {
    rt: Runtime,
    interp: Interp,
    fuel: u64,
    executed: AtomicU64,
    /// Threads that were woken by a deterministic run inside theirs.
    woken: Vec<ThreadRef>,
    /// Threads that the client has made and no run has adopted.
    made: Vec<ThreadRef>,
    /// How threads ended that the client made.
    ended: Vec<(ThreadRef, Outcome)>,
    last_load_error: Option<LoadError>,
    /// How calls by foreign threads ended that did not return.
    foreign_failures: Vec<Outcome>,
}

impl Mu {
    /// Makes an instance.
    ///
    /// # Errors
    /// When memory cannot be reserved or a library cannot be opened.
    pub fn new(options: Options) -> Result<Mu, NewRuntimeError> {
        let machine = Machine {
            rt: Runtime::new(options.config)?,
            interp: Interp::new(),
            fuel: options.fuel,
            executed: AtomicU64::new(0),
            woken: Vec::new(),
            made: Vec::new(),
            ended: Vec::new(),
            last_load_error: None,
            foreign_failures: Vec::new(),
        };
        let machine = World::stopped(machine);
        machine.rt.native.set_foreign_call(Some(Arc::new(Foreign(machine.world().downgrade()))));
        Ok(Mu { machine })
    }

    /// Loads a bundle in text form (uvm-ir, "Bundle Loading"): all of it, or nothing. Answers the warnings.
    ///
    /// # Errors
    /// Every error of the bundle.
    pub fn load_bundle(&mut self, name: &str, text: &str) -> Result<Vec<Diagnostic>, LoadError> {
        let before = self.machine.rt.program.mark();
        let source = self.machine.rt.program.add_source(name, text);
        let (draft, mut diagnostics) = mu_text::parse(text, source);
        self.soften(&mut diagnostics);
        if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            let sources = self.machine.rt.program.sources.clone();
            self.machine.rt.program.truncate(&before);
            return Err(LoadError { diagnostics, sources });
        }
        // Linking truncates the program on errors; the texts are wanted for the messages.
        let source = self.machine.rt.program.sources.last().cloned();
        match self.machine.rt.load(&draft, before) {
            Ok(warnings) => {
                diagnostics.extend(warnings);
                Ok(diagnostics)
            }
            Err(diagnostics) => {
                let mut sources = self.machine.rt.program.sources.clone();
                sources.extend(source);
                Err(LoadError { diagnostics, sources })
            }
        }
    }

    /// Makes warnings of what lenient mode lets pass in a text.
    pub(crate) fn soften(&self, diagnostics: &mut [Diagnostic]) {
        if self.machine.rt.config.lenient {
            mu_text::soften(diagnostics);
        }
    }

    /// `@uvm.meta.load_bundle` and `@uvm.meta.load_hail`: false, and the error kept, if the text has errors.
    pub(crate) fn load_from_program(&mut self, hail: bool, text: &[u8]) -> bool {
        // What is not UTF-8 becomes characters that no token has.
        let text = String::from_utf8_lossy(text);
        let result = match hail {
            true => self.load_hail("text of load_hail", &text).map(|_| ()),
            false => self.load_bundle("text of load_bundle", &text).map(|_| ()),
        };
        self.machine.last_load_error = result.err();
        self.machine.last_load_error.is_none()
    }

    /// The errors of the text that a program loaded last, if it had any: why a thread ended with
    /// [`mu_ir::ub::Ub::BadBundle`].
    pub fn last_load_error(&self) -> Option<&LoadError> {
        self.machine.last_load_error.as_ref()
    }

    /// Lets the client handle traps again after a program made one of its functions the trap handler
    /// (uvm-client-interface, "MuVM Functions": setting one handler overrides the other).
    pub fn override_mu_trap_handler(&mut self) {
        self.machine.rt.trap_handler = None;
    }

    /// Everything loaded. Its functions take ids as indexes and panic on one that stands for nothing; those of `Mu` do
    /// not.
    pub fn program(&self) -> &Program {
        &self.machine.rt.program
    }

    /// The runtime, for reading.
    pub fn runtime(&self) -> &Runtime {
        &self.machine.rt
    }

    /// The id of a global name (uvm-client-interface, "Basic Functions").
    pub fn id_of(&self, name: &str) -> Option<MuId> {
        self.machine.rt.program.id_of(name)
    }

    /// The name of an id.
    pub fn name_of(&self, id: MuId) -> Option<&str> {
        self.machine.rt.program.name_of(id)
    }

    /// The function of a name.
    pub fn func(&self, name: &str) -> Option<FuncId> {
        match self.machine.rt.program.lookup(name)? {
            Entity::Func(func) => Some(func),
            _ => None,
        }
    }

    /// The name of a function; empty if there is no such function.
    pub fn func_name(&self, func: FuncId) -> String {
        let program = self.program();
        program.funcs.get(func.index()).map(|func| program.display_name(func.id)).unwrap_or_default()
    }

    /// Parameter types of a function; none if there is no such function.
    pub fn params(&self, func: FuncId) -> &[TypeId] {
        let program = self.program();
        program.funcs.get(func.index()).map_or(&[], |func| &program.types.sig(func.sig).params)
    }

    /// Return types of a function; none if there is no such function.
    pub fn returns(&self, func: FuncId) -> &[TypeId] {
        let program = self.program();
        program.funcs.get(func.index()).map_or(&[], |func| &program.types.sig(func.sig).rets)
    }

    /// Makes a stack with `func` at its bottom, READY for its parameters. The client holds it until it is killed or has
    /// been let go ([`Mu::release_stack`]).
    ///
    /// # Errors
    /// When there is no memory or room for it, or no such function.
    pub fn new_stack(&mut self, func: FuncId) -> Result<StackRef, NewStackFailure> {
        if !self.has_func(func) {
            return Err(NewStackFailure::NoFunction);
        }
        let machine = &mut *self.machine;
        let stack = machine.interp.new_stack(&mut machine.rt, func)?;
        if let Some(stack) = self.machine.rt.stacks.get(stack) {
            stack.set_held(true);
        }
        Ok(stack)
    }

    /// Lets a stack go that the client holds, because it made the stack or a thread left it at a trap: from now on it is
    /// killed by a collection when nothing else refers to it. False if there is no such stack.
    pub fn release_stack(&mut self, stack: StackRef) -> bool {
        let held = self.machine.rt.stacks.get(stack).map(|stack| stack.set_held(false));
        held == Some(true)
    }

    /// Collects: all memory of unreachable objects is free afterwards, unreachable stacks are dead.
    pub fn collect(&mut self) {
        let plan = mu_rt::heap::Plan { defragment: true, ..mu_rt::heap::Plan::default() };
        let machine = &mut *self.machine;
        machine.rt.collect(None, &machine.interp.frame_maps(), plan);
    }

    /// Kills a READY stack. False if it is not READY, or a frame cursor on it is open (checked mode).
    pub fn kill_stack(&mut self, stack: StackRef) -> bool {
        let stacks = &self.machine.rt.stacks;
        let ready = stacks.get(stack).is_some_and(|stack| stack.state() == mu_rt::stack::StackState::Ready);
        let may = ready && !(self.machine.rt.config.checked && stacks.has_open_cursors(stack));
        if may {
            stacks.kill(stack);
        }
        may
    }

    /// Enables or disables a watchpoint. False if no instruction has this id.
    pub fn set_watchpoint(&mut self, wpid: u32, enabled: bool) -> bool {
        self.machine.rt.set_watchpoint(wpid, enabled).is_ok()
    }

    /// Instructions executed so far, by all threads.
    pub fn executed(&self) -> u64 {
        self.machine.executed.load(Ordering::Relaxed)
    }

    /// Function versions decoded for the interpreter so far, hidden ones of undefined functions included.
    pub fn versions_decoded(&self) -> usize {
        self.machine.interp.code_count()
    }

    /// Sets how many instructions each run that begins from now on may execute.
    pub fn set_fuel(&mut self, fuel: u64) {
        self.machine.fuel = fuel;
    }
}
