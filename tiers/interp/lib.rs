//! The reference interpreter: the executable specification.
//!
//! Read it next to the specification; one file per group of its sections:
//!
//! | file                    | instruction-set                                                            |
//! |-------------------------|----------------------------------------------------------------------------|
//! | [`basic_operations`]    | binary operations, comparison, conversion, SELECT                          |
//! | [`control_flow`]        | BRANCH, SWITCH; CALL, RET, THROW; the resumption protocol                  |
//! | [`aggregates`]          | struct, array and vector values                                            |
//! | [`memory_operations`]   | allocation, addressing, access                                             |
//! | [`stacks`]              | SWAPSTACK, stacks, and the common instructions                             |
//! | [`threads`]             | NEWTHREAD, the futex instructions                                          |
//! | [`metacircular`]        | the common instructions `@uvm.meta.*`                                      |
//! | [`native_calls`]        | CCALL                                                                      |
//! | `irbuilder`             | the common instructions of the IR builder                                  |
//! | [`exec`]                | the loop: what happens at each instruction, in one match                   |
//!
//! How it works. [`decode`] turns a function version into [`code::Code`] once; [`exec`] executes it. Frames are data
//! on the Mu stack ([`mu_rt::stack`]): the interpreter never recurses on the host stack, so a frame can be paused,
//! inspected, popped or pushed anywhere, and deep recursion costs only Mu stack.
//!
//! What it guarantees. No `unsafe` code; all accesses to frames are checked. Undefined behaviour is reported before it
//! happens, with its id and place, and ends the run: which kinds, and which only with
//! [`mu_rt::runtime::Config::checked`] (the default), is a column of [`mu_ir::ub`].
//!
//! Architecture invariants
//! * This crate sees `mu_ir` and `mu_rt` only.
//! * The match over [`code::Instr`] has no wildcard arm; the matches over families of instructions neither.
//! * Pure operations are computed by `mu_ir::semantics`; which one an instruction means says `mu_ir::eval`.
#![forbid(unsafe_code)]

pub mod aggregates;
pub mod basic_operations;
pub mod code;
pub mod control_flow;
pub mod decode;
pub mod exec;
pub mod frames;
mod irbuilder;
pub mod memory_operations;
pub mod metacircular;
pub mod native_calls;
pub mod stacks;
pub mod threads;

use code::{Code, NONE};
use mu_ir::ids::{FuncId, FuncVerId};
use mu_ir::table::{CommInst, Expose};
use mu_rt::runtime::Runtime;
use mu_rt::thread::{Event, Thread};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sees every instruction before it is executed.
pub trait Tracer {
    /// `thread` is about to execute `pc` in the frame `here`.
    fn instruction(&mut self, rt: &Runtime, thread: &Thread, here: &exec::Here<'_>, pc: usize);

    /// The instruction seen last was not executed, because its callee must be decoded first; it will be seen again next.
    fn instruction_again(&mut self);
}

/// The interpreter of one instance: its decoded code.
#[derive(Default)]
pub struct Interp {
    codes: Vec<Arc<Code>>,
    /// Code of each version that was decoded.
    of_version: BTreeMap<FuncVerId, u32>,
    /// Code of the hidden version of each undefined function that was called.
    of_undefined: BTreeMap<FuncId, u32>,
    /// What a call of each function runs now; [`NONE`] if not known yet.
    current: Vec<u32>,
    /// The runtime's epoch `current` is of.
    epoch: u64,
}

impl Interp {
    /// An interpreter that has decoded nothing.
    pub fn new() -> Interp {
        Interp::default()
    }

    /// Runs the stack a thread is bound to until something happens that the driver must settle.
    pub fn run(
        &mut self,
        rt: &mut Runtime,
        thread: &mut Thread,
        mut tracer: Option<&mut dyn Tracer>,
    ) -> Event {
        loop {
            self.refresh(rt);
            let stop = match &mut tracer {
                None if rt.config.gc_stress.safepoint => {
                    exec::run::<true>(&self.codes, &self.current, rt, thread, None)
                }
                None => exec::run::<false>(&self.codes, &self.current, rt, thread, None),
                Some(tracer) => {
                    exec::run::<true>(&self.codes, &self.current, rt, thread, Some(&mut **tracer))
                }
            };
            match stop {
                exec::Stop::Event(event) => return event,
                exec::Stop::Loaded => {}
                exec::Stop::NeedCode(func) => {
                    if let Some(tracer) = &mut tracer {
                        tracer.instruction_again();
                    }
                    if let Err(event) = self.prepare(rt, func) {
                        return event;
                    }
                }
            }
        }
    }

    /// Which slots of frames hold references.
    pub fn frame_maps(&self) -> impl mu_rt::heap::FrameMaps {
        frames::Maps(&self.codes)
    }

    /// Forgets which versions are current if something was loaded.
    fn refresh(&mut self, rt: &Runtime) {
        if self.epoch != rt.epoch || self.current.len() != rt.funcs.len() {
            self.current.clear();
            self.current.resize(rt.funcs.len(), NONE);
            self.epoch = rt.epoch;
        }
    }

    /// Decodes what a call of a function runs now; its number.
    pub(crate) fn prepare(&mut self, rt: &mut Runtime, func: FuncId) -> Result<u32, Event> {
        self.refresh(rt);
        let code = match rt.func(func).version {
            Some(ver) => match self.of_version.get(&ver) {
                Some(&code) => code,
                None => {
                    let code = decode::decode(rt, ver).map_err(|error| self.undecodable(rt, func, error))?;
                    let number = self.add(code);
                    self.of_version.insert(ver, number);
                    number
                }
            },
            None => match self.of_undefined.get(&func) {
                Some(&code) => code,
                None => {
                    let code = decode::decode_undefined(rt, func)
                        .map_err(|error| self.undecodable(rt, func, error))?;
                    let number = self.add(code);
                    self.of_undefined.insert(func, number);
                    number
                }
            },
        };
        self.current[func.index()] = code;
        Ok(code)
    }

    fn undecodable(&self, rt: &Runtime, func: FuncId, error: decode::DecodeError) -> Event {
        let name = rt.program.display_name(rt.program.funcs[func.index()].id);
        let reason = match error {
            decode::DecodeError::ValueTooLarge => "a variable is larger than 65536 words",
            decode::DecodeError::FrameTooLarge => "its frame is larger than a stack can be",
            decode::DecodeError::CodeTooLarge => "its values are too large for so many instructions",
        };
        Event::Unsupported(format!("function {name} on the interpreter: {reason}"))
    }

    fn add(&mut self, code: Code) -> u32 {
        self.codes.push(Arc::new(code));
        self.codes.len() as u32 - 1
    }

    /// A decoded code by its number, as frames hold it.
    pub fn code(&self, number: u32) -> Option<&Arc<Code>> {
        self.codes.get(number as usize)
    }

    /// Number of decoded versions, hidden ones included.
    pub fn code_count(&self) -> usize {
        self.codes.len()
    }
}

/// Names of the instructions and common instructions that yield the outcome Unsupported, ascending.
pub fn unsupported() -> Vec<&'static str> {
    let comm_insts =
        CommInst::ALL.iter().filter(|inst| inst.expose() == Expose::Later).map(|inst| inst.name());
    let mut names: Vec<&str> = comm_insts.collect();
    names.sort_unstable();
    names
}
