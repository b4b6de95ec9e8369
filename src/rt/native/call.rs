//! The call itself: words of leaves to registers and stack, and back.
//!
//! ```text
//! words of leaves  ──put──▶  eightbytes in memory order  ──▶  registers in the record, words of the stack
//!                                                                     │ trampoline: load all, call, store results
//! words of leaves  ◀──take──  eightbytes in memory order  ◀──  registers in the record, or the result's memory
//! ```
//!
//! Scalars never cross an eightbyte (they are aligned to their size, at most 8, and `int<128>` is two), so a value's image
//! in memory is built from words by shifting; everything outside the trampoline is safe Rust.

use super::classify::{
    ArgPlace, INT_REGISTERS, NativeArg, NativeSig, Register, ResultPlace, VECTOR_REGISTERS,
};
use crate::layout::{Leaf, LeafKind};
use memoffset::offset_of;
use mu_ir::semantics::int;
use smallvec::SmallVec;
use std::arch::naked_asm;

/// Enough for most calls without allocation.
type Words = SmallVec<[u64; 16]>;

/// Calls a native function with the words of all arguments and gives the words of the result.
///
/// Safe to call in the sense of [`crate::memory`]: that there is a function of this signature at `function` is the
/// program's promise. It must return; unwinding or jumping out of it is undefined (native-interface-x64-unix).
/// The caller has checked that `function` is not NULL.
///
/// # Panics
/// When `args` or `results` have not as many words as the signature says.
pub fn call(function: u64, sig: &NativeSig, args: &[u64], results: &mut [u64]) {
    assert_eq!(args.len(), sig.arg_words as usize, "words of the arguments");
    assert_eq!(results.len(), sig.result.words as usize, "words of the result");
    let mut ints = [0; INT_REGISTERS as usize];
    let vector_words = usize::from(sig.vector_bytes) / 8;
    let (mut narrow, mut wide) = ([0; VECTOR_REGISTERS as usize * 2], Vec::new());
    let vectors: &mut [u64] = match vector_words {
        2 => &mut narrow,
        _ => {
            wide.resize(usize::from(VECTOR_REGISTERS) * vector_words, 0);
            &mut wide
        }
    };
    // Made empty and in place, so that the words it has room for are not copied.
    let mut stack = Words::new();
    stack.resize(sig.stack_bytes as usize / 8, 0);
    let mut rest = args;
    for arg in &sig.args {
        let (words, after) = rest.split_at(arg.words as usize);
        rest = after;
        match &arg.place {
            ArgPlace::Registers(registers) => {
                let mut image = [0; 8];
                put(arg, words, &mut image);
                for (&eightbyte, register) in image.iter().zip(registers) {
                    match *register {
                        Register::None => {}
                        Register::Int(index) => ints[usize::from(index)] = eightbyte,
                        Register::Vector { index, part } => {
                            vectors[usize::from(index) * vector_words + usize::from(part)] = eightbyte;
                        }
                    }
                }
            }
            ArgPlace::Stack { offset_bytes } => put(arg, words, &mut stack[*offset_bytes as usize / 8..]),
        }
    }
    let mut memory = Words::new();
    let mut memory_first = 0;
    if sig.result.place == ResultPlace::Memory {
        // From some address on, `size` bytes, aligned.
        let align = sig.result.align_bytes.max(8);
        memory.resize(((sig.result.size_bytes + align).div_ceil(8)) as usize, 0);
        let address = memory.as_mut_ptr().expose_provenance() as u64;
        ints[0] = address.next_multiple_of(align);
        memory_first = ((ints[0] - address) / 8) as usize;
    }
    let mut record = CallRecord {
        function,
        stack: stack.as_ptr(),
        stack_words: stack.len() as u64,
        stack_mask: u64::from(sig.stack_align).wrapping_neg(),
        vectors: vectors.as_mut_ptr(),
        vector_registers: u64::from(sig.vector_registers),
        vector_bytes: u64::from(sig.vector_bytes),
        ints,
    };
    // SAFETY: the record, the stack words, the vectors (8 of `vector_bytes` bytes, which the CPU's registers have) and the
    // result's memory outlive the call; what the function does is the program's promise.
    unsafe { trampoline(&mut record) };
    match &sig.result.place {
        ResultPlace::Memory => take(&sig.result.leaves, &memory[memory_first..], results),
        ResultPlace::Registers(registers) => {
            let mut image = [0; 8];
            for (eightbyte, register) in image.iter_mut().zip(registers) {
                *eightbyte = match *register {
                    Register::None => 0,
                    Register::Int(index) => record.ints[usize::from(index)],
                    Register::Vector { index, part } => {
                        vectors[usize::from(index) * vector_words + usize::from(part)]
                    }
                };
            }
            take(&sig.result.leaves, &image, results);
        }
    }
}

/// Adds an argument to a zeroed image in memory order.
fn put(arg: &NativeArg, words: &[u64], image: &mut [u64]) {
    if let [Leaf { kind: LeafKind::Int(width @ (8 | 16)), .. }] = *arg.leaves {
        // See the decisions of `classify`.
        image[0] = int::sign_extend(u32::from(width), words[0]) as u64 & int::mask(32);
        return;
    }
    for leaf in &arg.leaves {
        let (at, shift) = (leaf.offset_bytes as usize / 8, leaf.offset_bytes % 8 * 8);
        let word = leaf.word as usize;
        image[at] |= words[word] << shift;
        if leaf.kind.words() == 2 {
            image[at + 1] = words[word + 1];
        }
    }
}

/// Reads a value from its image in memory order. Bits that do not belong to its scalars are cut off.
fn take(leaves: &[Leaf], image: &[u64], words: &mut [u64]) {
    for leaf in leaves {
        let (at, shift) = (leaf.offset_bytes as usize / 8, leaf.offset_bytes % 8 * 8);
        let word = leaf.word as usize;
        let bits = match leaf.kind {
            LeafKind::Int(width) => u32::from(width),
            kind => kind.size_bytes() as u32 * 8,
        };
        words[word] = image[at] >> shift & int::mask(bits.min(64));
        if leaf.kind.words() == 2 {
            words[word + 1] = image[at + 1] & int::mask(bits - 64);
        }
    }
}

/// What the trampoline loads and stores.
#[repr(C)]
struct CallRecord {
    function: u64,
    /// Words of arguments for the stack.
    stack: *const u64,
    /// Their number.
    stack_words: u64,
    /// Keeps the bits of an address that is aligned as the stack must be.
    stack_mask: u64,
    /// In: the vector registers, `vector_bytes` of each. Out: the first two.
    vectors: *mut u64,
    vector_registers: u64,
    vector_bytes: u64,
    /// In: the integer registers. Out: rax and rdx in the first two.
    ints: [u64; INT_REGISTERS as usize],
}

/// Calls `record.function` with the arguments in the record.
///
/// The stack words are copied from the last to the first, so that a stack too small for them is noticed at its guard
/// page.
///
/// # Safety
/// The record is filled for the function, which returns normally. The CPU has vector registers of `vector_bytes` bytes.
#[unsafe(naked)]
unsafe extern "sysv64" fn trampoline(record: *mut CallRecord) {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "sub rsp, 8",
        "mov rbx, rdi",
        // The stack words shall begin at an aligned address; there may be a gap above them.
        "mov rcx, [rbx + {stack_words}]",
        "mov rsi, [rbx + {stack}]",
        "lea rdx, [rcx * 8]",
        "mov rax, rsp",
        "sub rax, rdx",
        "and rax, [rbx + {stack_mask}]",
        "lea rsp, [rax + rdx]",
        "2:",
        "test rcx, rcx",
        "jz 3f",
        "push qword ptr [rsi + rcx * 8 - 8]",
        "dec rcx",
        "jmp 2b",
        "3:",
        "cmp qword ptr [rbx + {vector_registers}], 0",
        "je 6f",
        "mov r10, [rbx + {vectors}]",
        "cmp qword ptr [rbx + {vector_bytes}], 32",
        "ja 5f",
        "je 4f",
        "movups xmm0, [r10]",
        "movups xmm1, [r10 + 16]",
        "movups xmm2, [r10 + 32]",
        "movups xmm3, [r10 + 48]",
        "movups xmm4, [r10 + 64]",
        "movups xmm5, [r10 + 80]",
        "movups xmm6, [r10 + 96]",
        "movups xmm7, [r10 + 112]",
        "jmp 6f",
        "4:",
        "vmovups ymm0, [r10]",
        "vmovups ymm1, [r10 + 32]",
        "vmovups ymm2, [r10 + 64]",
        "vmovups ymm3, [r10 + 96]",
        "vmovups ymm4, [r10 + 128]",
        "vmovups ymm5, [r10 + 160]",
        "vmovups ymm6, [r10 + 192]",
        "vmovups ymm7, [r10 + 224]",
        "jmp 6f",
        "5:",
        "vmovups zmm0, [r10]",
        "vmovups zmm1, [r10 + 64]",
        "vmovups zmm2, [r10 + 128]",
        "vmovups zmm3, [r10 + 192]",
        "vmovups zmm4, [r10 + 256]",
        "vmovups zmm5, [r10 + 320]",
        "vmovups zmm6, [r10 + 384]",
        "vmovups zmm7, [r10 + 448]",
        "6:",
        "mov rdi, [rbx + {ints}]",
        "mov rsi, [rbx + {ints} + 8]",
        "mov rdx, [rbx + {ints} + 16]",
        "mov rcx, [rbx + {ints} + 24]",
        "mov r8, [rbx + {ints} + 32]",
        "mov r9, [rbx + {ints} + 40]",
        "mov rax, [rbx + {vector_registers}]",
        "call qword ptr [rbx + {function}]",
        "mov [rbx + {ints}], rax",
        "mov [rbx + {ints} + 8], rdx",
        "mov r10, [rbx + {vectors}]",
        "cmp qword ptr [rbx + {vector_bytes}], 32",
        "ja 8f",
        "je 7f",
        "movups [r10], xmm0",
        "movups [r10 + 16], xmm1",
        "jmp 9f",
        "7:",
        "vmovups [r10], ymm0",
        "vmovups [r10 + 32], ymm1",
        // Upper parts that are not zero would slow down the SSE code that follows.
        "vzeroupper",
        "jmp 9f",
        "8:",
        "vmovups [r10], zmm0",
        "vmovups [r10 + 64], zmm1",
        "vzeroupper",
        "9:",
        "lea rsp, [rbp - 8]",
        "pop rbx",
        "pop rbp",
        "ret",
        function = const offset_of!(CallRecord, function),
        stack = const offset_of!(CallRecord, stack),
        stack_words = const offset_of!(CallRecord, stack_words),
        stack_mask = const offset_of!(CallRecord, stack_mask),
        vectors = const offset_of!(CallRecord, vectors),
        vector_registers = const offset_of!(CallRecord, vector_registers),
        vector_bytes = const offset_of!(CallRecord, vector_bytes),
        ints = const offset_of!(CallRecord, ints),
    )
}
