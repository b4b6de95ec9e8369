//! The runtime of one instance: everything loaded and everything allocated, shared by the tiers.
//!
//! There are no globals: an instance owns its runtime, and dropping it unmaps all memory.
//!
//! Sharing. `&Runtime` is what running threads have, all at the same time: they allocate, access memory, bind stacks and
//! wake each other through it. `&mut Runtime` means that nobody runs: loading, collecting, and everything that looks
//! into other threads' stacks. Who hands out which is [`crate::world`].
//!
//! Loading goes through [`Runtime::load`]: link and verify the draft against the program, then make room for its global
//! cells. If anything fails, nothing has changed.

use crate::choose::{Chooser, Schedule};
use crate::futex::Futexes;
use crate::handles::Handles;
use crate::heap::{AllocBuffer, Heap, HeapConfig};
use crate::layout::Layouts;
use crate::memory::{AllocaCells, Checker, Memory, UnitCache};
use crate::native::{NativeConfig, NativeInterface, NativeSig, Symbols};
use crate::os::OsError;
use crate::stack::Stacks;
use crate::stress::{GcStress, StressCounts};
use crate::thread::Threads;
use crate::words::{Addresses, NoWords, const_words};
use mu_ir::builder::{IrBuilder, OpenBuilders};
use mu_ir::codes::load as code;
use mu_ir::diag::Diagnostic;
use mu_ir::draft::Draft;
use mu_ir::ids::{FuncId, FuncVerId, SigId, TypeId};
use mu_ir::inst::Value;
use mu_ir::link;
use mu_ir::program::{Mark, Program};
use mu_ir::ub::Ub;
use mu_ir::verify;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Limits and switches of an instance.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most bytes of heap objects.
    pub heap_bytes: u64,
    /// Bytes of each stack.
    pub stack_bytes: u64,
    /// Most stacks alive at a time.
    pub stacks_max: usize,
    /// The stacks of native code.
    pub native: NativeConfig,
    /// Most threads of one run at a time.
    pub threads_max: usize,
    /// Every Mu thread runs on an OS thread of its own. Otherwise all run on the client's, by [`Config::schedule`]: then a
    /// run can be repeated.
    pub os_threads: bool,
    /// How threads are scheduled when they all run on one OS thread.
    pub schedule: Schedule,
    /// Detect undefined behaviour of memory accesses through irefs.
    pub checked: bool,
    /// Type mismatches between types of one size and register class are warnings.
    pub lenient: bool,
    /// Libraries to search for external symbols, before the process itself.
    pub libraries: Vec<String>,
    /// Stress modes of the collector.
    pub gc_stress: GcStress,
    /// Check the heap after each collection by a second trace.
    pub verify_heap: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            heap_bytes: 1 << 30,
            stack_bytes: 1 << 20,
            stacks_max: 1 << 20,
            native: NativeConfig::default(),
            threads_max: 1 << 20,
            os_threads: false,
            schedule: Schedule::default(),
            checked: true,
            lenient: false,
            libraries: Vec::new(),
            gc_stress: GcStress::default(),
            verify_heap: cfg!(debug_assertions),
        }
    }
}

/// Why an instance could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NewRuntimeError {
    /// The system gave no memory.
    #[error("cannot reserve memory: {0}")]
    Os(OsError),
    /// A library could not be opened.
    #[error("{0}")]
    Library(String),
}

/// What a call needs to know about a function.
#[derive(Clone, Copy, Debug)]
pub struct FuncEntry {
    /// The version calls use now; `None` while the function is undefined.
    pub version: Option<FuncVerId>,
    /// The signature's representative.
    pub sig: SigId,
}

/// A Mu function that handles traps (`@uvm.meta.set_trap_handler`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MuTrapHandler {
    /// The function, of signature `@uvm.meta.trap_handler.sig`.
    pub func: FuncId,
    /// Its last argument, a `ref<void>`: a root.
    pub userdata: u64,
}

/// The runtime of one instance.
pub struct Runtime {
    /// Everything loaded.
    pub program: Program,
    /// Layouts of its types.
    pub layouts: Layouts,
    /// The heap.
    pub heap: Heap,
    /// Checked access to memory.
    pub memory: Memory,
    /// The stacks.
    pub stacks: Stacks,
    /// The threads.
    pub threads: Threads,
    /// The futex queues.
    pub futexes: Mutex<Futexes>,
    /// Where choices come from.
    pub chooser: Mutex<Chooser>,
    /// External symbols.
    pub symbols: Symbols,
    /// Calls between Mu and C.
    pub native: NativeInterface,
    /// Functions, by number.
    pub funcs: Vec<FuncEntry>,
    /// Addresses of global cells, by number.
    pub globals: Vec<u64>,
    /// Addresses of exposed functions, by number.
    pub exposes: Vec<u64>,
    /// How native code passes values, by representatives of signatures.
    pub(crate) native_sigs: Mutex<BTreeMap<SigId, Arc<NativeSig>>>,
    /// Addresses of global cells whose type holds references, with that type, canonical: roots.
    pub(crate) global_units: Vec<(u64, TypeId)>,
    /// References that the client holds.
    pub handles: Mutex<Handles>,
    /// The client's pinning multiset: addresses, one entry per pin.
    pub client_pins: Vec<u64>,
    /// Where the client allocates.
    pub(crate) client_buffer: AllocBuffer,
    /// What stress modes did.
    pub stress_counts: StressCounts,
    /// Stacks killed because nobody could reach them.
    pub stacks_killed: u64,
    /// Watchpoints that instructions name: enabled or not.
    pub watchpoints: BTreeMap<u32, bool>,
    /// The Mu function that handles traps, if one was set: it comes before the client's handler.
    pub trap_handler: Option<MuTrapHandler>,
    /// The IR builders that Mu code has open.
    pub builders: OpenBuilders,
    /// Why the last bundle that Mu code built could not be loaded.
    pub load_errors: Vec<Diagnostic>,
    /// Limits and switches.
    pub config: Config,
    /// Counts loads and redefinitions, so that tiers know when what they remember may be old.
    pub epoch: u64,
}

impl Runtime {
    /// A runtime that has loaded nothing.
    pub fn new(config: Config) -> Result<Runtime, NewRuntimeError> {
        let heap_config = HeapConfig {
            limit_bytes: config.heap_bytes,
            growth_bytes: Some(HeapConfig::GROWTH_BYTES),
            fresh_bytes: config.gc_stress.move_all.then_some(HeapConfig::FRESH_BYTES),
            ..HeapConfig::default()
        };
        Ok(Runtime {
            program: Program::new(),
            layouts: Layouts::new(),
            heap: Heap::new(heap_config).map_err(NewRuntimeError::Os)?,
            memory: Memory::new(),
            stacks: Stacks::new(config.stack_bytes, config.stacks_max),
            threads: Threads::default(),
            futexes: Mutex::default(),
            chooser: Mutex::new(Chooser::new(config.schedule.seed)),
            symbols: Symbols::new(&config.libraries)
                .map_err(|error| NewRuntimeError::Library(error.to_string()))?,
            native: NativeInterface::new(config.native).map_err(NewRuntimeError::Os)?,
            funcs: Vec::new(),
            globals: Vec::new(),
            exposes: Vec::new(),
            native_sigs: Mutex::default(),
            global_units: Vec::new(),
            handles: Mutex::default(),
            client_pins: Vec::new(),
            client_buffer: AllocBuffer::default(),
            stress_counts: StressCounts::default(),
            stacks_killed: 0,
            watchpoints: BTreeMap::new(),
            trap_handler: None,
            builders: OpenBuilders::default(),
            load_errors: Vec::new(),
            config,
            epoch: 0,
        })
    }

    /// Loads a draft. `before` is a mark from before its source text was added. Answers the warnings.
    pub fn load(&mut self, draft: &Draft, before: Mark) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let symbols = &self.symbols;
        let resolve_extern = |name: &str| symbols.lookup(name);
        let options = link::Options { lenient: self.config.lenient, resolve_extern: &resolve_extern };
        let units = self.global_units.len();
        let room = self.heap.globals_mark();
        let loaded = link::load(&mut self.program, draft, before.clone(), &options)?;
        if let Err(error) = self.make_globals().and_then(|()| self.make_exposes()) {
            self.globals.truncate(loaded.mark.globals());
            self.heap.forget_globals(&room);
            self.global_units.truncate(units);
            link::undo(&mut self.program, draft, &before);
            let type_count = self.program.types.type_count();
            self.layouts.truncate(type_count);
            let sig_count = self.program.types.sig_count();
            self.native_sigs.get_mut().retain(|sig, _| sig.index() < sig_count);
            return Err(vec![*error]);
        }
        self.note_functions(&loaded.mark);
        self.epoch += 1;
        Ok(loaded.warnings)
    }

    /// Loads what a builder built. Answers the warnings.
    pub fn load_built(&mut self, builder: IrBuilder) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let draft = builder.finish(&self.program)?;
        let before = self.program.mark();
        self.load(&draft, before)
    }

    fn make_globals(&mut self) -> Result<(), Box<Diagnostic>> {
        for global in &self.program.globals[self.globals.len()..] {
            let types = &self.program.types;
            let layout = self.layouts.of(types, global.ty);
            let size = layout.size();
            let address = size
                .and_then(|size| self.heap.alloc_global(types.canon(global.ty), size, layout.align_bytes))
                .ok_or_else(|| {
                    let name = self.program.display_name(global.id);
                    let message = format!("there is no memory for global cell {name}");
                    Box::new(Diagnostic::error(code::NO_MEMORY_FOR_GLOBAL, global.span, message))
                })?;
            self.globals.push(address.0);
            if layout.has_refs() {
                self.global_units.push((address.0, types.canon(global.ty)));
            }
        }
        Ok(())
    }

    fn note_functions(&mut self, mark: &Mark) {
        for func in &self.program.funcs[self.funcs.len()..] {
            self.funcs.push(FuncEntry { version: None, sig: self.program.types.canon_sig(func.sig) });
        }
        for index in mark.func_vers()..self.program.func_vers.len() {
            let version = &self.program.func_vers[index];
            self.funcs[version.func.index()].version = Some(FuncVerId::new(index));
            for block in &version.blocks {
                for inst in &block.insts {
                    if matches!(inst.op, mu_ir::table::Op::Watchpoint | mu_ir::table::Op::WpBranch) {
                        self.watchpoints.entry(inst.attrs.literal as u32).or_insert(false);
                    }
                }
            }
        }
    }

    /// Whether values of these canonical types can go where those are wanted. In lenient mode types of one size and
    /// register class are taken for each other, as when bundles are loaded.
    #[inline]
    pub fn types_fit(&self, have: &[TypeId], want: &[TypeId]) -> bool {
        have == want || self.config.lenient && verify::interchangeable_lists(&self.program.types, have, want)
    }

    /// Whether a function of one signature can be called with another (both representatives), likewise.
    #[inline]
    pub fn sig_fits(&self, have: SigId, want: SigId) -> bool {
        have == want || self.config.lenient && verify::interchangeable_sigs(&self.program.types, have, want)
    }

    /// Whether the watchpoints of an id are enabled.
    pub fn is_enabled(&self, wpid: u32) -> bool {
        self.watchpoints.get(&wpid).copied().unwrap_or(false)
    }

    /// Enables or disables all watchpoints of an id.
    ///
    /// # Errors
    /// [`Ub::UnknownWatchpoint`] if no instruction has this id.
    pub fn set_watchpoint(&mut self, wpid: u32, enabled: bool) -> Result<(), Ub> {
        *self.watchpoints.get_mut(&wpid).ok_or(Ub::UnknownWatchpoint)? = enabled;
        Ok(())
    }

    /// Where global cells and exposed functions are.
    pub fn addresses(&self) -> Addresses<'_> {
        Addresses { globals: &self.globals, exposes: &self.exposes }
    }

    /// The words of a global SSA variable of a type with values.
    ///
    /// # Errors
    /// As [`const_words`], of which neither can happen to what is loaded.
    pub fn const_words(&self, value: Value) -> Result<Vec<u64>, NoWords> {
        let mut words = Vec::new();
        const_words(&self.program, self.addresses(), value, usize::MAX, &mut words)?;
        Ok(words)
    }

    /// What checks an access; `cells` finds ALLOCA cells, `cache` remembers what was found last.
    #[inline]
    pub fn checker<'a>(&'a self, cells: &'a dyn AllocaCells, cache: &'a UnitCache) -> Checker<'a> {
        let strict = !self.config.lenient;
        Checker { heap: &self.heap, layouts: &self.layouts, cells, cache, strict }
    }

    /// The function's entry.
    pub fn func(&self, func: FuncId) -> FuncEntry {
        self.funcs[func.index()]
    }
}
