//! The optimizing tier of the Mu micro virtual machine, for x86-64.
//!
//! ```text
//! FuncVer ── import ── Func (true SSA over scalar leaves) ── opt ── x64::generate ── Emitted ── Jit::install ── Compiled
//! ```
//!
//! **Rooms.** [`import`]: from Mu's instructions to the tier's own. [`ssa`]: that form, its checker and printer. [`opt`]: the
//! passes. [`x64`]: lowering, register allocation, emission. [`code`]: executable memory, entry cells, the code map, stubs.
//!
//! **Invariants.**
//! * What is not supported is refused with a reason ([`Unsupported`]) before any code exists; nothing is translated wrongly.
//! * No register survives a call; every reference that is live at a safepoint is in a slot its map names.
//! * Calls go through entry cells, so that a redefinition is one store.
//! * Executable memory is never writable at the address it runs from.
//! * The meaning of pure operations comes from `mu_ir::semantics`; code is compared with the interpreter's answers.

pub mod code;
pub mod import;
pub mod opt;
pub mod run;
pub mod ssa;
pub mod thread_area;
pub mod x64;

#[cfg(test)]
mod tests;

pub use import::{Input, Unsupported};

use code::buffer::{CodeBuffer, MapError};
use code::map::{CodeMap, Compiled};
use code::stubs::{HostFunction, Stubs};
use mu_ir::ids::{FuncId, FuncVerId};
use mu_rt::words::func_word;
use opt::Optimizer;
use x64::emit::{Emitted, RelocTarget};
use x64::lower::Cpu;
use x64::regalloc::{Effort, Workspace};

/// How to compile.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which register allocator.
    pub effort: Effort,
    /// Whether to optimize at all.
    pub optimize: bool,
    /// Whether loops can be stopped at safepoint polls.
    pub polls: bool,
    /// What the CPU has.
    pub cpu: Cpu,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { effort: Effort::Best, optimize: true, polls: true, cpu: Cpu::detect() }
    }
}

/// The compiler and the code of one instance.
#[derive(Debug)]
pub struct Jit {
    /// How to compile.
    pub settings: Settings,
    workspace: Workspace,
    buffer: CodeBuffer,
    stubs: Stubs,
    map: CodeMap,
}

impl Jit {
    /// A region of executable memory without code.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub fn new(settings: Settings, code_bytes: usize) -> Result<Jit, MapError> {
        let mut buffer = CodeBuffer::new(code_bytes)?;
        let stubs = Stubs::write(&mut buffer);
        buffer.set_cell(0, stubs.no_code);
        Ok(Jit { settings, workspace: Workspace::default(), buffer, stubs, map: CodeMap::default() })
    }

    /// Makes sure that calls of a function go somewhere.
    pub fn declare(&self, func: FuncId) {
        self.buffer.set_cell(func_word(func), self.stubs.no_code);
    }

    /// Makes calls of a function go to the entry of compiled code.
    pub fn redirect(&self, func: FuncId, entry: u64) {
        self.buffer.set_cell(func_word(func), entry);
    }

    /// Makes calls of a function run a function of the host.
    ///
    /// # Errors
    /// When executable memory is used up.
    pub fn host_function(&mut self, func: FuncId, function: HostFunction) -> Result<(), Unsupported> {
        let entry = Stubs::host_entry(&mut self.buffer, function).ok_or(Unsupported::CodeRegion)?;
        self.redirect(func, entry);
        Ok(())
    }

    /// Compiles a function version and makes its function's calls go there.
    ///
    /// # Errors
    /// Why it cannot be compiled; nothing has changed then.
    pub fn compile(&mut self, input: Input<'_>, version: FuncVerId) -> Result<&Compiled, Unsupported> {
        let (emitted, func) = compile(input, version, &self.settings, &mut self.workspace)?;
        let cells = func
            .slots
            .iter()
            .copied()
            .zip(cell_offsets(&func))
            .filter(|(slot, _)| !slot.promoted)
            .map(|(slot, at)| (at, slot))
            .collect();
        let entry = self.install(&emitted).ok_or(Unsupported::CodeRegion)?;
        let function = input.program.func_vers[version.index()].func;
        self.buffer.set_cell(func_word(function), entry);
        Ok(self.map.add(Compiled::new(version, entry, emitted, cells, func.sources)))
    }

    fn install(&mut self, emitted: &Emitted) -> Option<u64> {
        let cell = |word: u64| self.buffer.cell_address(word);
        let targets: Vec<(usize, u64)> = emitted
            .relocs
            .iter()
            .map(|reloc| {
                let target = match reloc.target {
                    RelocTarget::Cell(func) => cell(func_word(func)),
                    RelocTarget::Cells => cell(0),
                };
                (reloc.offset as usize, target)
            })
            .collect();
        self.buffer.add(emitted.bytes.len(), |address, room| {
            room.copy_from_slice(&emitted.bytes);
            for (offset, target) in targets {
                let end = address + offset as u64 + 4;
                let distance = (target.wrapping_sub(end) as i64) as i32;
                room[offset..offset + 4].copy_from_slice(&distance.to_le_bytes());
            }
        })
    }

    /// The code map.
    pub fn map(&self) -> &CodeMap {
        &self.map
    }

    /// The stubs.
    pub fn stubs(&self) -> &Stubs {
        &self.stubs
    }

    /// The code of a function as a listing.
    pub fn disassemble(&self, compiled: &Compiled) -> String {
        let bytes = self.buffer.bytes(compiled.entry, compiled.bytes as usize);
        code::listing::listing(compiled, bytes)
    }

    /// Bytes of executable memory in use.
    pub fn code_bytes(&self) -> usize {
        self.buffer.used_bytes()
    }
}

/// Compiles a function version to code without a place.
///
/// # Errors
/// Why it cannot be compiled.
pub fn compile(
    input: Input<'_>,
    version: FuncVerId,
    settings: &Settings,
    workspace: &mut Workspace,
) -> Result<(Emitted, ssa::Func), Unsupported> {
    let mut func = import::import(input, version)?;
    if cfg!(debug_assertions)
        && let Err(what) = ssa::check::check(&func)
    {
        panic!("import: {what}\n{func}");
    }
    let optimizer = if settings.optimize { Optimizer::default() } else { Optimizer::minimal() };
    optimizer.polls(settings.polls).run(&mut func);
    let emitted = x64::generate(&mut func, settings.cpu, settings.effort, workspace)?;
    Ok((emitted, func))
}

/// Offsets of the frame cells from rbp.
fn cell_offsets(func: &ssa::Func) -> Vec<i32> {
    x64::lower::cell_offsets(&func.slots).unwrap_or_default()
}
