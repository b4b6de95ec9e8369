//! The machine code between a driver's stack and a native segment.
//!
//! ```text
//!      driver's stack                                    native segment
//!  call ──────────────── enter ───────────────────────▶ C function … returns
//!  Returned ◀─────────── leave ◀───────────────────────┘
//!
//!  call ──────────────── enter ───────────────────────▶ C function … calls a stub
//!  CalledBack ◀───────── leave ◀───── callback_entry ◀──┘
//!  finish_callback ───── resume ────▶ callback_return ─▶ C function … returns or calls a stub again
//!
//!      a stack that is no segment of the instance (a foreign thread)
//!  C … calls a stub ─▶ callback_entry ─▶ `on_foreign`, a Rust function on that stack ─▶ callback_return ─▶ C goes on
//! ```
//!
//! The driver's side keeps its callee-saved registers on its own stack, and where they lie in the segment's [`Header`].
//! The native side keeps what it needs to go on in a [`CallbackFrame`] on the segment. Nothing refers to the driver's
//! stack while a native call is suspended, so any OS thread can continue it.
//!
//! **Preserved.** rbx, rbp, r12 to r15 on both sides. The control bits of mxcsr: Mu and Rust need the driver's own, so a
//! change by C (`fesetround`) holds until its function returns or calls back, holds again when the callback has returned,
//! and then ends; the x87 control word goes with it. The direction flag is clear on all sides by the ABI. The stack is
//! aligned as the ABI wants it. There is no red zone to save: `call` has ended the one of the C function.
//!
//! **Backtraces.** Frame pointers lead from C through [`CallFrame::link`] into the stack of the driver that runs the
//! segment now, as perf walks them; the unwind tables say the same to debuggers.
//!
//! Shadow stacks (CET) are not supported, as Rust programs do not enable them.

use super::classify::INT_REGISTERS;
use std::arch::naked_asm;
use std::mem::offset_of;

/// What lies at the upper end of a segment.
#[repr(C, align(64))]
pub(super) struct Header {
    /// Where the driver's registers lie, while native code runs.
    pub driver_rsp: u64,
    /// The driver's floating-point control.
    pub driver_mxcsr: u32,
    /// That of the native code, to compare.
    pub native_mxcsr: u32,
}

/// A call of C, on the segment.
#[repr(C, align(64))]
pub(super) struct CallFrame {
    /// Frame pointer, return address and frame address (CFA) of the driver that runs the call.
    pub link: [u64; 3],
    /// The function.
    pub function: u64,
    /// The stack pointer before the call: at the first stack argument.
    pub stack: u64,
    /// In: the vector registers, `vector_bytes` of each. Out: the first two.
    pub vectors: u64,
    /// How many vector registers have arguments.
    pub vector_registers: u64,
    /// 16, 32 or 64.
    pub vector_bytes: u64,
    /// The memory of the result, or 0.
    pub memory: u64,
    /// In: the general registers. Out: rax and rdx in the first two.
    pub ints: [u64; INT_REGISTERS as usize],
}

/// A call by C, on its stack. The vector registers follow.
#[repr(C, align(64))]
pub(super) struct CallbackFrame {
    /// The slot of the exposed function.
    pub slot: u64,
    /// The frame pointer: return address and stack arguments lie above it.
    pub rbp: u64,
    /// In: the general registers. Out: rax and rdx in the first two.
    pub ints: [u64; INT_REGISTERS as usize],
    /// The control word of SSE at the call.
    pub mxcsr: u32,
    /// The control word of the x87 at the call.
    pub x87: u32,
    /// 16, 32 or 64; 0 if arguments and result need no vector register.
    pub vector_bytes: u64,
    /// For the control word that foreign calls run with.
    pub scratch: u64,
}

/// What the entry of exposed functions knows of the instance.
#[repr(C)]
pub(super) struct Gate {
    /// Where the segments begin.
    pub segments_base: u64,
    /// Bytes of all segments.
    pub segments_bytes: u64,
    /// The size of a segment minus 1.
    pub segment_mask: u64,
}

/// What the entry of exposed functions knows of the function, at the beginning of its slot.
#[repr(C)]
pub(super) struct SlotHead {
    /// [`callback_entry`].
    pub entry: u64,
    /// The instance.
    pub gate: *const Gate,
    /// As in [`CallbackFrame`].
    pub vector_bytes: u64,
}

/// Bytes of callee-saved registers below a frame pointer.
const SAVED_BYTES: usize = 40;

/// Loads vector registers 0 to 7, of so many bytes, from the place.
macro_rules! load_vectors {
    ($mov:literal, $register:literal, $bytes:literal, $place:literal) => {
        load_vectors!($mov, $register, $bytes, $place; "0" "1" "2" "3" "4" "5" "6" "7")
    };
    ($mov:literal, $register:literal, $bytes:literal, $place:literal; $($n:literal)*) => {
        concat!($($mov, " ", $register, $n, ", [", $place, " + ", $n, " * ", $bytes, "]\n"),*)
    };
}

/// Stores them.
macro_rules! store_vectors {
    ($mov:literal, $register:literal, $bytes:literal, $place:literal) => {
        store_vectors!($mov, $register, $bytes, $place; "0" "1" "2" "3" "4" "5" "6" "7")
    };
    ($mov:literal, $register:literal, $bytes:literal, $place:literal; $($n:literal)*) => {
        concat!($($mov, " [", $place, " + ", $n, " * ", $bytes, "], ", $register, $n, "\n"),*)
    };
}

/// Calls a native function on a segment. Answers 0 when it has returned, else the address of the [`CallbackFrame`].
///
/// # Safety
/// `header` is that of a segment that is not running. `frame` and everything it points to lie on the segment, below all
/// suspended frames, and are filled for the function. The CPU has vector registers of `vector_bytes` bytes.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn enter(header: *mut Header, frame: *mut CallFrame) -> u64 {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_offset r15, -56",
        "stmxcsr [rdi + {driver_mxcsr}]",
        "mov [rdi + {driver_rsp}], rsp",
        "mov rbx, rdi",
        "mov r12, rsi",
        "mov rax, [rbp]",
        "mov rcx, [rbp + 8]",
        "lea rdx, [rbp + 16]",
        "mov [rsi + {link}], rax",
        "mov [rsi + {link} + 8], rcx",
        "mov [rsi + {link} + 16], rdx",
        "lea rbp, [rsi + {link}]",
        // The frame address is now the word at rbp + 16.
        ".cfi_escape 0x0f, 0x03, 0x76, 0x10, 0x06",
        "mov rsp, [rsi + {stack}]",
        "cmp qword ptr [rsi + {vector_registers}], 0",
        "je 6f",
        "mov r10, [rsi + {vectors}]",
        "cmp qword ptr [rsi + {vector_bytes}], 32",
        "ja 5f",
        "je 4f",
        load_vectors!("movups", "xmm", "16", "r10"),
        "jmp 6f",
        "4:",
        load_vectors!("vmovups", "ymm", "32", "r10"),
        "jmp 6f",
        "5:",
        load_vectors!("vmovups", "zmm", "64", "r10"),
        "6:",
        "mov rdi, [r12 + {ints}]",
        "mov rsi, [r12 + {ints} + 8]",
        "mov rdx, [r12 + {ints} + 16]",
        "mov rcx, [r12 + {ints} + 24]",
        "mov r8, [r12 + {ints} + 32]",
        "mov r9, [r12 + {ints} + 40]",
        "mov rax, [r12 + {vector_registers}]",
        "call qword ptr [r12 + {function}]",
        "mov [r12 + {ints}], rax",
        "mov [r12 + {ints} + 8], rdx",
        "mov r10, [r12 + {vectors}]",
        "cmp qword ptr [r12 + {vector_bytes}], 32",
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
        "xor eax, eax",
        "jmp {leave}",
        ".cfi_endproc",
        driver_mxcsr = const offset_of!(Header, driver_mxcsr),
        driver_rsp = const offset_of!(Header, driver_rsp),
        link = const offset_of!(CallFrame, link),
        function = const offset_of!(CallFrame, function),
        stack = const offset_of!(CallFrame, stack),
        vectors = const offset_of!(CallFrame, vectors),
        vector_registers = const offset_of!(CallFrame, vector_registers),
        vector_bytes = const offset_of!(CallFrame, vector_bytes),
        ints = const offset_of!(CallFrame, ints),
        leave = sym leave,
    )
}

/// Continues a native call whose callback has its result. Answers as [`enter`] does.
///
/// # Safety
/// `header` is that of a segment that is not running, `callback` its innermost [`CallbackFrame`] with the result filled in,
/// `call` the call that the callback belongs to.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn resume(
    header: *mut Header,
    callback: *mut CallbackFrame,
    call: *mut CallFrame,
) -> u64 {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "stmxcsr [rdi + {driver_mxcsr}]",
        "mov [rdi + {driver_rsp}], rsp",
        "mov rax, [rbp]",
        "mov rcx, [rbp + 8]",
        "mov [rdx + {link}], rax",
        "lea r8, [rbp + 16]",
        "mov [rdx + {link} + 8], rcx",
        "mov [rdx + {link} + 16], r8",
        "mov rsp, rsi",
        "jmp {callback_return}",
        driver_mxcsr = const offset_of!(Header, driver_mxcsr),
        driver_rsp = const offset_of!(Header, driver_rsp),
        link = const offset_of!(CallFrame, link),
        callback_return = sym callback_return,
    )
}

/// Back to the driver: rbx is the header, rax what [`enter`] or [`resume`] answers. Jumped to, not called.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() {
    naked_asm!(
        "stmxcsr [rbx + {native_mxcsr}]",
        "mov ecx, [rbx + {native_mxcsr}]",
        "xor ecx, [rbx + {driver_mxcsr}]",
        // All but the six flags of exceptions.
        "test ecx, 0xffc0",
        "jnz 3f",
        "2:",
        "mov rsp, [rbx + {driver_rsp}]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        "3:",
        "ldmxcsr [rbx + {driver_mxcsr}]",
        "mov dword ptr [rbx + {native_mxcsr}], 0x37f",
        "fldcw [rbx + {native_mxcsr}]",
        "jmp 2b",
        native_mxcsr = const offset_of!(Header, native_mxcsr),
        driver_mxcsr = const offset_of!(Header, driver_mxcsr),
        driver_rsp = const offset_of!(Header, driver_rsp),
    )
}

/// Where the stub of an exposed function goes: called by C, with the slot in r11.
///
/// # Safety
/// For C only, through a stub.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn callback_entry() {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov r10, [r11 + {slot_vector_bytes}]",
        "lea rax, [r10 * 8 + {frame_bytes}]",
        "sub rsp, rax",
        "and rsp, -64",
        "mov [rsp + {slot}], r11",
        "mov [rsp + {rbp_at}], rbp",
        "mov [rsp + {ints}], rdi",
        "mov [rsp + {ints} + 8], rsi",
        "mov [rsp + {ints} + 16], rdx",
        "mov [rsp + {ints} + 24], rcx",
        "mov [rsp + {ints} + 32], r8",
        "mov [rsp + {ints} + 40], r9",
        "mov [rsp + {vector_bytes}], r10",
        "stmxcsr [rsp + {mxcsr}]",
        "fnstcw [rsp + {x87}]",
        "test r10d, r10d",
        "je 6f",
        "cmp r10d, 32",
        "ja 5f",
        "je 4f",
        store_vectors!("movups", "xmm", "16", "rsp + {frame_bytes}"),
        "jmp 6f",
        "4:",
        store_vectors!("vmovups", "ymm", "32", "rsp + {frame_bytes}"),
        "vzeroupper",
        "jmp 6f",
        "5:",
        store_vectors!("vmovups", "zmm", "64", "rsp + {frame_bytes}"),
        "vzeroupper",
        "6:",
        // Is this a segment of the instance?
        "mov r10, [r11 + {slot_gate}]",
        "mov rax, rsp",
        "sub rax, [r10 + {segments_base}]",
        "cmp rax, [r10 + {segments_bytes}]",
        "jae 7f",
        "mov rbx, rsp",
        "or rbx, [r10 + {segment_mask}]",
        "sub rbx, {header_bytes} - 1",
        "mov rax, rsp",
        "jmp {leave}",
        "7:",
        "mov dword ptr [rsp + {scratch}], 0x1f80",
        "ldmxcsr [rsp + {scratch}]",
        "mov rdi, rsp",
        "call {on_foreign}",
        "jmp {callback_return}",
        ".cfi_endproc",
        slot_vector_bytes = const offset_of!(SlotHead, vector_bytes),
        slot_gate = const offset_of!(SlotHead, gate),
        frame_bytes = const size_of::<CallbackFrame>(),
        slot = const offset_of!(CallbackFrame, slot),
        rbp_at = const offset_of!(CallbackFrame, rbp),
        ints = const offset_of!(CallbackFrame, ints),
        vector_bytes = const offset_of!(CallbackFrame, vector_bytes),
        mxcsr = const offset_of!(CallbackFrame, mxcsr),
        x87 = const offset_of!(CallbackFrame, x87),
        scratch = const offset_of!(CallbackFrame, scratch),
        segments_base = const offset_of!(Gate, segments_base),
        segments_bytes = const offset_of!(Gate, segments_bytes),
        segment_mask = const offset_of!(Gate, segment_mask),
        header_bytes = const size_of::<Header>(),
        leave = sym leave,
        on_foreign = sym super::foreign::on_foreign,
        callback_return = sym callback_return,
    )
}

/// Gives C the result of its call: rsp is the [`CallbackFrame`]. Jumped to, not called.
#[unsafe(naked)]
unsafe extern "sysv64" fn callback_return() {
    naked_asm!(
        "cmp qword ptr [rsp + {vector_bytes}], 0",
        "je 6f",
        "cmp qword ptr [rsp + {vector_bytes}], 32",
        "ja 5f",
        "je 4f",
        "movups xmm0, [rsp + {frame_bytes}]",
        "movups xmm1, [rsp + {frame_bytes} + 16]",
        "jmp 6f",
        "4:",
        "vmovups ymm0, [rsp + {frame_bytes}]",
        "vmovups ymm1, [rsp + {frame_bytes} + 32]",
        "jmp 6f",
        "5:",
        "vmovups zmm0, [rsp + {frame_bytes}]",
        "vmovups zmm1, [rsp + {frame_bytes} + 64]",
        "6:",
        "ldmxcsr [rsp + {mxcsr}]",
        "fldcw [rsp + {x87}]",
        "mov rax, [rsp + {ints}]",
        "mov rdx, [rsp + {ints} + 8]",
        "mov rbp, [rsp + {rbp_at}]",
        "lea rsp, [rbp - {saved_bytes}]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        frame_bytes = const size_of::<CallbackFrame>(),
        rbp_at = const offset_of!(CallbackFrame, rbp),
        ints = const offset_of!(CallbackFrame, ints),
        vector_bytes = const offset_of!(CallbackFrame, vector_bytes),
        mxcsr = const offset_of!(CallbackFrame, mxcsr),
        x87 = const offset_of!(CallbackFrame, x87),
        saved_bytes = const SAVED_BYTES,
    )
}
