//! Registers, and the Mu calling convention.
//!
//! **Convention.** Values pass between Mu frames (arguments, results, stack switches) leaf by leaf: integers, pointers
//! and references in rdi rsi rdx rcx r8 r9, floating point numbers in xmm0–xmm7, the rest in the thread's transfer area,
//! never on the stack, so that any call can be a tail call. No register survives a call, so everything that is live
//! lies in the frame. r15 holds the thread, rbp the frame, rsp the stack; all others are the allocator's.

use crate::import::Unsupported;
use crate::ssa::Ty;
use crate::thread_area::TRANSFER_WORDS;
use iced_x86::Register;
use mu_rt::layout::LeafKind;
use regalloc2::{MachineEnv, PReg, PRegSet, RegClass};

/// A general register by its hardware number.
pub const fn int(number: usize) -> PReg {
    PReg::new(number, RegClass::Int)
}

/// An SSE register by its number.
pub const fn fp(number: usize) -> PReg {
    PReg::new(number, RegClass::Float)
}

/// `rax`
pub const RAX: PReg = int(0);
/// `rcx`
pub const RCX: PReg = int(1);
/// `rdx`
pub const RDX: PReg = int(2);
/// `rsi`
pub const RSI: PReg = int(6);
/// `rdi`
pub const RDI: PReg = int(7);

/// Registers of integer arguments and results.
pub const INT_PASSED: [PReg; 6] = [RDI, RSI, RDX, RCX, int(8), int(9)];
/// Number of SSE registers of arguments and results.
pub const FP_PASSED: usize = 8;

/// The general registers the allocator may use, in the order in which it should.
const INT_ALLOCATABLE: [usize; 13] = [0, 1, 2, 6, 7, 8, 9, 10, 11, 3, 12, 13, 14];

/// Where a value is passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passed {
    /// In a register.
    Reg(PReg),
    /// In a word of the transfer area.
    Transfer(u32),
}

/// The register class of a type.
pub fn class(ty: Ty) -> RegClass {
    match ty {
        LeafKind::Float | LeafKind::Double => RegClass::Float,
        LeafKind::Int(_)
        | LeafKind::Ptr
        | LeafKind::FuncPtr
        | LeafKind::Ref
        | LeafKind::IRef
        | LeafKind::WeakRef
        | LeafKind::TagRef64
        | LeafKind::FuncRef
        | LeafKind::ThreadRef
        | LeafKind::StackRef
        | LeafKind::FrameCursorRef
        | LeafKind::IrBuilderRef => RegClass::Int,
    }
}

/// Where values of these types are passed.
///
/// # Errors
/// When the transfer area is too small.
pub fn convention(types: impl Iterator<Item = Ty>) -> Result<Vec<Passed>, Unsupported> {
    let (mut ints, mut fps, mut words) = (0, 0, 0);
    let mut passed = Vec::new();
    for ty in types {
        let place = match class(ty) {
            RegClass::Int if ints < INT_PASSED.len() => {
                ints += 1;
                Passed::Reg(INT_PASSED[ints - 1])
            }
            RegClass::Float if fps < FP_PASSED => {
                fps += 1;
                Passed::Reg(fp(fps - 1))
            }
            RegClass::Int | RegClass::Float | RegClass::Vector => {
                words += 1;
                Passed::Transfer(words - 1)
            }
        };
        passed.push(place);
    }
    if words as usize > TRANSFER_WORDS { Err(Unsupported::TransferArea) } else { Ok(passed) }
}

/// Every register the allocator may use: what a call destroys.
pub fn all() -> PRegSet {
    let mut set = PRegSet::empty();
    INT_ALLOCATABLE.iter().for_each(|&number| set.add(int(number)));
    (0..16).for_each(|number| set.add(fp(number)));
    set
}

/// What a call of a C function destroys.
pub fn c_clobbers() -> PRegSet {
    let mut set = PRegSet::empty();
    [0, 1, 2, 6, 7, 8, 9, 10, 11].iter().for_each(|&number| set.add(int(number)));
    (0..16).for_each(|number| set.add(fp(number)));
    set
}

/// The registers for the allocator.
pub fn environment() -> MachineEnv {
    let (mut ints, mut fps) = (PRegSet::empty(), PRegSet::empty());
    INT_ALLOCATABLE.iter().for_each(|&number| ints.add(int(number)));
    (0..16).for_each(|number| fps.add(fp(number)));
    MachineEnv {
        preferred_regs_by_class: [ints, fps, PRegSet::empty()],
        non_preferred_regs_by_class: [PRegSet::empty(); 3],
        scratch_by_class: [None; 3],
        fixed_stack_slots: Vec::new(),
    }
}

/// How much of a register an instruction works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// 8 bits.
    B,
    /// 16 bits.
    W,
    /// 32 bits.
    D,
    /// 64 bits.
    Q,
    /// An SSE register.
    X,
}

/// The register as the encoder knows it.
pub fn named(reg: PReg, size: Size) -> Register {
    use Register::*;
    const BYTES: [Register; 16] =
        [AL, CL, DL, BL, SPL, BPL, SIL, DIL, R8L, R9L, R10L, R11L, R12L, R13L, R14L, R15L];
    const WORDS: [Register; 16] =
        [AX, CX, DX, BX, SP, BP, SI, DI, R8W, R9W, R10W, R11W, R12W, R13W, R14W, R15W];
    const DOUBLES: [Register; 16] =
        [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, R8D, R9D, R10D, R11D, R12D, R13D, R14D, R15D];
    const QUADS: [Register; 16] =
        [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15];
    const SSE: [Register; 16] = [
        XMM0, XMM1, XMM2, XMM3, XMM4, XMM5, XMM6, XMM7, XMM8, XMM9, XMM10, XMM11, XMM12, XMM13, XMM14, XMM15,
    ];
    let number = reg.hw_enc();
    match size {
        Size::B => BYTES[number],
        Size::W => WORDS[number],
        Size::D => DOUBLES[number],
        Size::Q => QUADS[number],
        Size::X => SSE[number],
    }
}
