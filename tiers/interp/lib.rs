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

pub use exec::{Alone, AloneInstruction, NativeStep, Stop};
pub use native_calls::{Begun, NativeOutcome, NativeWork};

use code::{Code, NONE};
use exec::{Flow, Here};
use mu_ir::ids::{FuncId, FuncVerId};
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

    /// Runs the stack a thread is bound to until something happens that the driver must settle, or that can only be
    /// done while no thread runs. Many threads may run at a time.
    pub fn run(&self, rt: &Runtime, thread: &mut Thread, tracer: Option<&mut dyn Tracer>) -> Stop {
        if self.is_old(rt) {
            return Stop::Alone(Alone::Refresh);
        }
        match tracer {
            None if rt.config.gc_stress.safepoint => {
                exec::run::<true>(&self.codes, &self.current, rt, thread, None)
            }
            None => exec::run::<false>(&self.codes, &self.current, rt, thread, None),
            Some(tracer) => exec::run::<true>(&self.codes, &self.current, rt, thread, Some(tracer)),
        }
    }

    /// Does what a thread stopped for while no thread runs. Then it may run again, unless there is an event.
    pub fn alone(&mut self, rt: &mut Runtime, thread: &mut Thread, what: Alone) -> Option<Event> {
        match what {
            Alone::Refresh => self.refresh(rt),
            Alone::Decode(func) => return self.prepare(rt, func).err(),
            Alone::Callback => return self.alone_callback(rt, thread),
            Alone::Safepoint => rt.stress_safepoint(thread, &frames::Maps(&self.codes)),
            Alone::Instruction(instruction) => return self.alone_instruction(rt, thread, instruction),
        }
        None
    }

    fn alone_instruction(
        &mut self,
        rt: &mut Runtime,
        thread: &mut Thread,
        instruction: AloneInstruction,
    ) -> Option<Event> {
        self.refresh(rt);
        let stack = rt.stacks.get(thread.stack)?;
        let (region, fp) = (Arc::clone(stack.region()), stack.top_fp());
        let code = Arc::clone(self.codes.get(region.code(fp) as usize)?);
        let here = Here { code: &code, slots: region.slots(fp, code.slot_count), region: &region, fp };
        let (codes, current) = (self.codes.as_slice(), self.current.as_slice());
        let flow = match instruction {
            AloneInstruction::New(number) => {
                let info = &code.allocs[number as usize];
                Ok(memory_operations::new_collecting(&here, info, codes, rt, thread))
            }
            AloneInstruction::NewStack(number) => {
                let info = &code.comms[number as usize];
                stacks::new_stack_collecting(&here, info, codes, current, rt, thread)
            }
            AloneInstruction::Meta(number, inst) => {
                let info = &code.comms[number as usize];
                stacks::metacircular(&here, info, inst, codes, current, rt, thread)
            }
            AloneInstruction::IrBuilder(number, inst) => {
                Ok(irbuilder::comm(&here, &code.comms[number as usize], inst, rt))
            }
        };
        match flow {
            Ok(flow) => go_on(&here, flow),
            Err(func) => match self.prepare(rt, func) {
                Ok(_) => self.alone_instruction(rt, thread, instruction),
                Err(event) => Some(event),
            },
        }
    }

    /// Which slots of frames hold references.
    pub fn frame_maps(&self) -> impl mu_rt::heap::FrameMaps {
        frames::Maps(&self.codes)
    }

    /// Whether something was loaded, so that what is known of current versions may be old.
    pub(crate) fn is_old(&self, rt: &Runtime) -> bool {
        self.epoch != rt.epoch || self.current.len() != rt.funcs.len()
    }

    /// Forgets which versions are current if something was loaded.
    fn refresh(&mut self, rt: &Runtime) {
        if self.is_old(rt) {
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

/// Moves a frame on after an instruction that was executed outside the loop; an event if it does not go on.
fn go_on(here: &Here<'_>, flow: Flow) -> Option<Event> {
    let pc = here.region.pc(here.fp);
    let pc = match flow {
        Flow::Next => pc + 1,
        Flow::Edge(edge) => control_flow::take_edge(here.code, here.slots, edge) as u64,
        Flow::Exceptional(edge, exception) => {
            control_flow::take_exceptional_edge(here.code, here.slots, edge, exception) as u64
        }
        Flow::Stop(event) => return Some(event),
        Flow::Reload | Flow::Alone(_) | Flow::NativeCall | Flow::NativeReturn(_) => return None,
    };
    here.region.set_pc(here.fp, pc);
    None
}
