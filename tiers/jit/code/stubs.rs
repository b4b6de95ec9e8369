//! The code around compiled code: how the host enters it, and how it leaves other than by returning.
//!
//! Written once per instance at the beginning of its region.
//!
//! ```text
//! enter(thread: rdi, entry: rsi, stack top: rdx) -> status: rax
//!     saves the host's registers on the host stack and its rsp in the thread, switches to the Mu stack, loads the
//!     argument registers from the thread, calls the entry, stores the result registers, and goes back.
//! throw
//!     asks `unwind` where the nearest handler below rbp is and jumps there, or leaves with the exception.
//! prologue_slow
//!     a full stack: the same with NULL, for the call at the top of the stack only; else a poll, then the entry again.
//! ```
//!
//! Every resumption that does not pair with a call is a jump, never a `ret`.

use crate::code::buffer::CodeBuffer;
use crate::code::map::CodeMap;
use crate::thread_area::{self as thread, ThreadArea};
use crate::x64::regs::{self, Size, named};
use iced_x86::{Code, Encoder, Instruction, MemoryOperand, Register};
use std::ptr;

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Status {
    /// It returned.
    Returned = 0,
    /// An exception left the bottom frame.
    Thrown = 1,
    /// The stack is full.
    Overflow = 2,
    /// A function that has no code was called.
    NoCode = 3,
}

impl Status {
    fn from_word(word: u64) -> Status {
        match word {
            0 => Status::Returned,
            1 => Status::Thrown,
            2 => Status::Overflow,
            _ => Status::NoCode,
        }
    }
}

/// Addresses of the stubs.
#[derive(Clone, Copy, Debug)]
pub struct Stubs {
    enter: u64,
    throw: u64,
    prologue_slow: u64,
    poll: u64,
    /// Where the cells of functions without code point.
    pub no_code: u64,
    /// The return address of the bottom frame.
    back: u64,
}

/// A function of the host that Mu code calls; see [`Stubs::host_entry`].
pub type HostFunction = extern "C" fn(*mut ThreadArea, u64);

/// What `unwind` found, for the throw stub.
#[repr(C)]
struct Handler {
    pc: u64,
    sp: u64,
    bp: u64,
}

/// Walks frames from the throwing one down, at most `frames_max`, to the nearest call with a handler. A `pc` of 0: there is none.
extern "C" fn unwind(area: *const ThreadArea, handler: *mut Handler, bp: u64, bottom: u64, frames_max: u64) {
    // SAFETY: called by the throw stub only, with the thread it runs on, whose `code_map` the entering host keeps alive;
    // `bp` is the frame of the throwing function, and frames link to each other down to the bottom one.
    unsafe {
        let map = &*ptr::with_exposed_provenance::<CodeMap>((*area).code_map as usize);
        let mut frame = bp;
        *handler = Handler { pc: 0, sp: 0, bp: 0 };
        for _ in 0..frames_max {
            let words = ptr::with_exposed_provenance::<u64>(frame as usize);
            let (caller_bp, return_pc) = (*words, *words.add(1));
            if return_pc == bottom {
                return;
            }
            let landing = map.find(return_pc).and_then(|function| {
                let landing = function.safepoint(return_pc)?.landing?;
                Some(function.entry + u64::from(landing))
            });
            if let Some(pc) = landing {
                *handler = Handler { pc, sp: frame + 16, bp: caller_bp };
                return;
            }
            frame = caller_bp;
        }
    }
}

/// What a poll does as long as there is no runtime: it counts, and takes the poison out of the limit.
extern "C" fn poll(area: *mut ThreadArea, _frame: u64) {
    // SAFETY: called by compiled code with its thread.
    unsafe {
        (*area).polls += 1;
        (*area).stack_limit = (*area).stack_low;
    }
}

/// Registers a C caller expects back.
const HOST_SAVED: [Register; 6] =
    [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

struct Writer {
    encoder: Encoder,
    base: u64,
}

impl Writer {
    fn add(&mut self, instruction: Result<Instruction, iced_x86::IcedError>) {
        let at = self.here();
        let encoded = instruction.and_then(|instruction| self.encoder.encode(&instruction, at));
        assert!(encoded.is_ok(), "a stub does not encode: {encoded:?}");
    }

    fn here(&mut self) -> u64 {
        let buffer = self.encoder.take_buffer();
        let here = self.base + buffer.len() as u64;
        self.encoder.set_buffer(buffer);
        here
    }

    fn load(&mut self, to: Register, base: Register, disp: i32) {
        let code = if to.is_xmm() { Code::Movsd_xmm_xmmm64 } else { Code::Mov_r64_rm64 };
        self.add(Instruction::with2(code, to, memory(base, disp)));
    }

    fn store(&mut self, base: Register, disp: i32, from: Register) {
        let code = if from.is_xmm() { Code::Movsd_xmmm64_xmm } else { Code::Mov_rm64_r64 };
        self.add(Instruction::with2(code, memory(base, disp), from));
    }

    fn mov(&mut self, to: Register, from: Register) {
        self.add(Instruction::with2(Code::Mov_r64_rm64, to, from));
    }

    fn constant(&mut self, to: Register, value: u64) {
        self.add(Instruction::with2(Code::Mov_r64_imm64, to, value));
    }

    /// The registers of the convention, from the thread area.
    fn load_registers(&mut self) {
        for number in 0..regs::FP_PASSED {
            self.load(named(regs::fp(number), Size::X), Register::R15, thread::FPS + 8 * number as i32);
        }
        for (number, &reg) in regs::INT_PASSED.iter().enumerate() {
            self.load(named(reg, Size::Q), Register::R15, thread::INTS + 8 * number as i32);
        }
    }

    /// The registers of the convention, to the thread area.
    fn store_registers(&mut self) {
        for (number, &reg) in regs::INT_PASSED.iter().enumerate() {
            self.store(Register::R15, thread::INTS + 8 * number as i32, named(reg, Size::Q));
        }
        for number in 0..regs::FP_PASSED {
            self.store(Register::R15, thread::FPS + 8 * number as i32, named(regs::fp(number), Size::X));
        }
    }

    /// Calls a host function with the thread and this frame's record.
    fn call_host(&mut self, function: HostFunction) {
        self.store_registers();
        self.mov(Register::RDI, Register::R15);
        self.mov(Register::RSI, Register::RBP);
        self.constant(Register::RAX, (function as *const ()).expose_provenance() as u64);
        self.add(Instruction::with1(Code::Call_rm64, Register::RAX));
        self.load_registers();
    }

    /// Calls what the thread says is to be done at a poll.
    fn call_poll(&mut self) {
        self.mov(Register::RDI, Register::R15);
        self.mov(Register::RSI, Register::RBP);
        self.add(Instruction::with1(Code::Call_rm64, memory(Register::R15, thread::POLL_HOST)));
    }

    /// The poll of a loop: keeps all registers, where the collector can update them.
    fn poll_entry(&mut self) {
        self.add(Instruction::with1(Code::Push_r64, Register::RBP));
        self.mov(Register::RBP, Register::RSP);
        let ints = (0..15).filter(|number| !matches!(number, 4 | 5));
        for number in ints.clone() {
            let reg = named(regs::int(number), Size::Q);
            self.store(Register::R15, thread::SAVED_INTS + 8 * number as i32, reg);
        }
        for number in 0..16 {
            let reg = named(regs::fp(number), Size::X);
            self.store(Register::R15, thread::SAVED_FPS + 8 * number as i32, reg);
        }
        self.call_poll();
        for number in ints {
            let reg = named(regs::int(number), Size::Q);
            self.load(reg, Register::R15, thread::SAVED_INTS + 8 * number as i32);
        }
        for number in 0..16 {
            let reg = named(regs::fp(number), Size::X);
            self.load(reg, Register::R15, thread::SAVED_FPS + 8 * number as i32);
        }
        self.add(Ok(Instruction::with(Code::Leaveq)));
        self.add(Ok(Instruction::with(Code::Retnq)));
    }

    fn host_entry(&mut self, function: HostFunction) {
        self.add(Instruction::with1(Code::Push_r64, Register::RBP));
        self.mov(Register::RBP, Register::RSP);
        self.call_host(function);
        self.add(Ok(Instruction::with(Code::Leaveq)));
        self.add(Ok(Instruction::with(Code::Retnq)));
    }

    /// Continues at the nearest handler, looking at `frames_max` frames, or leaves with a status. Gives a short jump and
    /// its target.
    fn dispatch(&mut self, back: u64, frames_max: u64, otherwise: Status) -> (u64, u64) {
        // Room for the handler; the stack is aligned in frames.
        self.add(Instruction::with2(Code::Sub_rm64_imm8, Register::RSP, 32));
        self.mov(Register::RDI, Register::R15);
        self.mov(Register::RSI, Register::RSP);
        self.mov(Register::RDX, Register::RBP);
        self.constant(Register::RCX, back);
        self.constant(Register::R8, frames_max);
        self.constant(Register::RAX, (unwind as *const ()).expose_provenance() as u64);
        self.add(Instruction::with1(Code::Call_rm64, Register::RAX));
        self.load(Register::RAX, Register::RSP, 0);
        self.add(Instruction::with2(Code::Test_rm64_r64, Register::RAX, Register::RAX));
        let jump = self.here();
        self.add(Instruction::with_branch(Code::Je_rel8_64, jump + 2));
        self.load(Register::RBP, Register::RSP, 16);
        self.load(Register::RSP, Register::RSP, 8);
        self.add(Instruction::with1(Code::Jmp_rm64, Register::RAX));
        let target = self.here();
        self.leave(otherwise);
        (jump, target)
    }

    /// Back to the host, with a status.
    fn leave(&mut self, status: Status) {
        self.constant(Register::RAX, status as u64);
        self.load(Register::RSP, Register::R15, thread::HOST_SP);
        for &saved in HOST_SAVED.iter().rev() {
            self.add(Instruction::with1(Code::Pop_r64, saved));
        }
        self.add(Ok(Instruction::with(Code::Retnq)));
    }
}

fn memory(base: Register, disp: i32) -> MemoryOperand {
    MemoryOperand::with_base_displ(base, i64::from(disp))
}

impl Stubs {
    /// Writes the stubs into a region that is still empty.
    pub fn write(buffer: &mut CodeBuffer) -> Stubs {
        let mut writer = Writer { encoder: Encoder::new(64), base: buffer.base() };
        let enter = writer.here();
        for &saved in &HOST_SAVED {
            writer.add(Instruction::with1(Code::Push_r64, saved));
        }
        writer.mov(Register::R15, Register::RDI);
        writer.store(Register::R15, thread::HOST_SP, Register::RSP);
        writer.mov(Register::RSP, Register::RDX);
        writer.mov(Register::RAX, Register::RSI);
        writer.constant(Register::RBP, 0);
        writer.load_registers();
        writer.add(Instruction::with1(Code::Call_rm64, Register::RAX));
        let back = writer.here();
        writer.store_registers();
        writer.leave(Status::Returned);
        let no_code = writer.here();
        writer.leave(Status::NoCode);
        let throw = writer.here();
        let first = writer.dispatch(back, u64::MAX, Status::Thrown);
        // A full stack takes the exceptional edge of the very call that found it, with NULL: as if a frame of the callee
        // had thrown it.
        let overflow = writer.here();
        writer.add(Instruction::with1(Code::Push_r64, Register::RBP));
        writer.mov(Register::RBP, Register::RSP);
        writer.constant(Register::RAX, 0);
        writer.store(Register::R15, thread::EXCEPTION, Register::RAX);
        let second = writer.dispatch(back, 1, Status::Overflow);
        // Not below the real limit: somebody wants the thread to stop. The arguments are in the registers still.
        let prologue_slow = writer.here();
        writer.add(Instruction::with2(
            Code::Cmp_r64_rm64,
            Register::RSP,
            memory(Register::R15, thread::STACK_LOW),
        ));
        writer.add(Instruction::with_branch(Code::Jb_rel32_64, overflow));
        writer.add(Instruction::with1(Code::Push_r64, Register::RBP));
        writer.mov(Register::RBP, Register::RSP);
        writer.add(Instruction::with1(Code::Push_r64, Register::R11));
        writer.add(Instruction::with2(Code::Sub_rm64_imm8, Register::RSP, 8));
        writer.store_registers();
        writer.call_poll();
        writer.load_registers();
        writer.load(Register::R11, Register::RBP, -8);
        writer.add(Ok(Instruction::with(Code::Leaveq)));
        writer.add(Instruction::with1(Code::Jmp_rm64, Register::R11));
        let poll_stub = writer.here();
        writer.poll_entry();
        let mut bytes = writer.encoder.take_buffer();
        // The jumps' distances, now that the instructions have their lengths.
        for (jump, target) in [first, second] {
            bytes[(jump + 1 - buffer.base()) as usize] = (target - jump - 2) as u8;
        }
        let placed = buffer.add(bytes.len(), |_, room| room.copy_from_slice(&bytes));
        assert_eq!(placed, Some(enter), "stubs are written first");
        Stubs { enter, throw, prologue_slow, poll: poll_stub, no_code, back }
    }

    /// Writes an entry that Mu code can call like a function and that runs a function of the host: with the thread area and
    /// the address of a frame record (caller's rbp, return address) of its own, below which the stack is free.
    ///
    /// The host function finds arguments and leaves results in the area's words for registers, by the convention. Nothing if
    /// the region is full.
    pub fn host_entry(buffer: &mut CodeBuffer, function: HostFunction) -> Option<u64> {
        let mut writer = Writer { encoder: Encoder::new(64), base: 0 };
        writer.host_entry(function);
        let bytes = writer.encoder.take_buffer();
        buffer.add(bytes.len(), |_, room| room.copy_from_slice(&bytes))
    }

    /// The return address of bottom frames.
    pub fn back(&self) -> u64 {
        self.back
    }

    /// Calls compiled code with the argument registers of the thread area, on a stack whose top is `stack_top`
    /// (16-byte aligned) and whose room down to the area's limit is mapped.
    ///
    /// # Safety
    /// `entry` is the entry of compiled code whose signature fits what the area holds; `map` holds that code and all it
    /// can call; the stack is as said. What the Mu code does to memory is its own promise.
    pub unsafe fn call(&self, area: &mut ThreadArea, map: &CodeMap, entry: u64, stack_top: u64) -> Status {
        area.prologue_slow = self.prologue_slow;
        area.poll = self.poll;
        if area.poll_host == 0 {
            area.poll_host = (poll as *const ()).expose_provenance() as u64;
        }
        area.throw = self.throw;
        area.code_map = ptr::from_ref(map).expose_provenance() as u64;
        let enter = ptr::with_exposed_provenance::<()>(self.enter as usize);
        // SAFETY: `enter` is the stub written above, which follows the C convention.
        unsafe {
            let enter: extern "C" fn(*mut ThreadArea, u64, u64) -> u64 = std::mem::transmute(enter);
            Status::from_word(enter(area, entry, stack_top))
        }
    }
}
