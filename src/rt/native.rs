//! Calls of native functions, and finding them by name (native-interface; native-interface-x64-unix).
//!
//! **What.** [`classify`] decides once per signature where each argument of a `CCALL #DEFAULT` goes by the System V
//! x86-64 ABI; [`call`] puts them there and calls. [`Symbols`] resolves the names of `EXTERN` constants.
//!
//! ```text
//! integers, pointers   rdi rsi rdx rcx r8 r9, then the stack      result in rax
//! float, double        xmm0 … xmm7,           then the stack      result in xmm0
//! al                   number of xmm registers used (variadic callees ask)
//! ```
//!
//! **Why this way.** One trampoline for all signatures, which loads every argument register from a record: no code is
//! generated, and a call costs a few nanoseconds more than a direct one. The JIT will emit its own calls.
//! The call runs on the stack of the caller of [`call`].
//!
//! **Limits.** Integers up to 64 bits, pointers, `float` and `double`; at most one result. Structs, vectors and
//! `int<128>` are refused by [`classify`], as data, not by a crash. Narrow integers arrive zero-extended, as the ABI
//! allows; results are cut to their width.
//!
//! **Example.** `labs` of this process's C library, as `(int<64>) -> (int<64>)`:
//! ```
//! # use mu_ir::{ids::*, types::*};
//! use mu_rt::native;
//! let mut types = TypeStore::default();
//! let sig = Signature { params: [TypeId(0)].into(), rets: [TypeId(0)].into() };
//! types.append(vec![(MuId::NONE, Type::Int(64))], vec![(MuId::NONE, sig)]);
//! let symbols = native::Symbols::new::<&str>(&[]).unwrap();
//! let labs = symbols.lookup("labs").unwrap();
//! assert_eq!(native::call(labs, &native::classify(&types, SigId(0)).unwrap(), &[-7i64 as u64]), 7);
//! ```

use crate::layout::{LeafKind, scalar_kind};
use libloading::os::unix::Library;
use mu_ir::ids::{SigId, TypeId};
use mu_ir::semantics::int;
use mu_ir::types::TypeStore;
use smallvec::SmallVec;
use std::arch::naked_asm;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::mem::offset_of;

/// Why a signature cannot be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnsupportedReason {
    /// A parameter (its index) whose type is not passed to native functions by this implementation, or by none.
    Param(usize, TypeId),
    /// A result of such a type.
    Result(TypeId),
    /// C functions return one value at most.
    ManyResults(usize),
    /// More arguments on the stack than [`MAX_STACK_WORDS`].
    ManyParams(usize),
}

impl fmt::Display for UnsupportedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnsupportedReason::Param(index, _) => {
                write!(f, "parameter {index} has a type that cannot be passed to native functions")
            }
            UnsupportedReason::Result(_) => {
                f.write_str("the result has a type that native functions cannot return")
            }
            UnsupportedReason::ManyResults(count) => {
                write!(f, "{count} results, but native functions return one at most")
            }
            UnsupportedReason::ManyParams(count) => {
                write!(f, "{count} parameters are too many for a native call")
            }
        }
    }
}

impl std::error::Error for UnsupportedReason {}

/// Most arguments that may go on the stack.
pub const MAX_STACK_WORDS: usize = 8192;

/// Where an argument goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgPlace {
    /// The n-th integer register.
    Int(u8),
    /// The n-th xmm register.
    Fp(u8),
    /// The n-th word on the stack.
    Stack(u16),
}

/// How the result comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultPlace {
    /// There is none.
    None,
    /// In rax: an integer of so many bits.
    Int(u8),
    /// In the low half of xmm0.
    Float,
    /// In xmm0.
    Double,
}

/// A signature, ready for calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NativeSig {
    /// The place of each argument.
    pub args: Box<[ArgPlace]>,
    /// The place of the result.
    pub result: ResultPlace,
    /// Words of arguments on the stack.
    pub stack_words: u16,
    /// Number of xmm registers with arguments.
    pub fp_registers: u8,
}

const INT_REGISTERS: u8 = 6;
const FP_REGISTERS: u8 = 8;

/// Assigns the arguments and the result of a signature to registers and stack.
///
/// # Errors
/// When a type is not native-safe, or not supported.
pub fn classify(types: &TypeStore, sig: SigId) -> Result<NativeSig, UnsupportedReason> {
    let sig = types.sig(sig);
    let result = match &*sig.rets {
        [] => ResultPlace::None,
        [ty] => match native_kind(types, *ty).ok_or(UnsupportedReason::Result(*ty))? {
            LeafKind::Float => ResultPlace::Float,
            LeafKind::Double => ResultPlace::Double,
            LeafKind::Int(width) => ResultPlace::Int(width),
            _ => ResultPlace::Int(64),
        },
        many => return Err(UnsupportedReason::ManyResults(many.len())),
    };
    let (mut ints, mut fps, mut stack_words) = (0, 0, 0);
    let mut args = Vec::with_capacity(sig.params.len());
    for (index, &ty) in sig.params.iter().enumerate() {
        let kind = native_kind(types, ty).ok_or(UnsupportedReason::Param(index, ty))?;
        let is_fp = matches!(kind, LeafKind::Float | LeafKind::Double);
        args.push(if is_fp && fps < FP_REGISTERS {
            fps += 1;
            ArgPlace::Fp(fps - 1)
        } else if !is_fp && ints < INT_REGISTERS {
            ints += 1;
            ArgPlace::Int(ints - 1)
        } else {
            if stack_words as usize == MAX_STACK_WORDS {
                return Err(UnsupportedReason::ManyParams(sig.params.len()));
            }
            stack_words += 1;
            ArgPlace::Stack(stack_words - 1)
        });
    }
    Ok(NativeSig { args: args.into(), result, stack_words, fp_registers: fps })
}

/// The kind of a type that goes into one register.
fn native_kind(types: &TypeStore, ty: TypeId) -> Option<LeafKind> {
    match scalar_kind(types.get(ty))? {
        kind @ (LeafKind::Int(..=64)
        | LeafKind::Float
        | LeafKind::Double
        | LeafKind::Ptr
        | LeafKind::FuncPtr) => Some(kind),
        LeafKind::Int(_)
        | LeafKind::Ref
        | LeafKind::IRef
        | LeafKind::WeakRef
        | LeafKind::TagRef64
        | LeafKind::FuncRef
        | LeafKind::ThreadRef
        | LeafKind::StackRef
        | LeafKind::FrameCursorRef
        | LeafKind::IrBuilderRef => None,
    }
}

/// Calls a native function with one word per argument and gives its result as a word (0 if there is none).
///
/// Safe to call in the sense of [`crate::memory`]: that there is a function of this signature at `function` is the
/// program's promise. It must return; unwinding or jumping out of it is undefined (native-interface-x64-unix).
/// The caller has checked that `function` is not NULL.
///
/// # Panics
/// When the number of arguments is not that of the signature.
pub fn call(function: u64, sig: &NativeSig, args: &[u64]) -> u64 {
    assert_eq!(args.len(), sig.args.len(), "one word for each argument");
    let mut stack: SmallVec<[u64; 16]> = SmallVec::from_elem(0, sig.stack_words as usize);
    let mut record = CallRecord {
        function,
        stack: stack.as_ptr(),
        stack_words: stack.len() as u64,
        fp_registers: u64::from(sig.fp_registers),
        ints: [0; INT_REGISTERS as usize],
        fps: [0; FP_REGISTERS as usize],
    };
    for (&word, place) in args.iter().zip(&sig.args) {
        match *place {
            ArgPlace::Int(index) => record.ints[index as usize] = word,
            ArgPlace::Fp(index) => record.fps[index as usize] = word,
            ArgPlace::Stack(index) => stack[index as usize] = word,
        }
    }
    record.stack = stack.as_ptr();
    // SAFETY: the record and the stack words outlive the call; what the function does is the program's promise.
    unsafe { trampoline(&mut record) };
    match sig.result {
        ResultPlace::None => 0,
        ResultPlace::Int(width) => record.ints[0] & int::mask(u32::from(width)),
        ResultPlace::Float => record.fps[0] & 0xffff_ffff,
        ResultPlace::Double => record.fps[0],
    }
}

/// What the trampoline loads and stores.
#[repr(C)]
struct CallRecord {
    function: u64,
    stack: *const u64,
    stack_words: u64,
    fp_registers: u64,
    /// In: the integer registers. Out: rax in the first.
    ints: [u64; INT_REGISTERS as usize],
    /// In: the low halves of the xmm registers. Out: that of xmm0 in the first.
    fps: [u64; FP_REGISTERS as usize],
}

/// Calls `record.function` with the arguments in the record.
///
/// The stack words are copied from the last to the first, so that a stack too small for them is noticed at its guard
/// page.
///
/// # Safety
/// The record is filled for the function, which returns normally.
#[unsafe(naked)]
unsafe extern "sysv64" fn trampoline(record: *mut CallRecord) {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "sub rsp, 8",
        "mov rbx, rdi",
        // rsp is a multiple of 16 here; an odd number of words needs a gap above them.
        "mov rcx, [rbx + {stack_words}]",
        "mov rsi, [rbx + {stack}]",
        "test cl, 1",
        "jz 2f",
        "sub rsp, 8",
        "2:",
        "test rcx, rcx",
        "jz 3f",
        "push qword ptr [rsi + rcx * 8 - 8]",
        "dec rcx",
        "jmp 2b",
        "3:",
        "movsd xmm0, [rbx + {fps}]",
        "movsd xmm1, [rbx + {fps} + 8]",
        "movsd xmm2, [rbx + {fps} + 16]",
        "movsd xmm3, [rbx + {fps} + 24]",
        "movsd xmm4, [rbx + {fps} + 32]",
        "movsd xmm5, [rbx + {fps} + 40]",
        "movsd xmm6, [rbx + {fps} + 48]",
        "movsd xmm7, [rbx + {fps} + 56]",
        "mov rdi, [rbx + {ints}]",
        "mov rsi, [rbx + {ints} + 8]",
        "mov rdx, [rbx + {ints} + 16]",
        "mov rcx, [rbx + {ints} + 24]",
        "mov r8, [rbx + {ints} + 32]",
        "mov r9, [rbx + {ints} + 40]",
        "mov rax, [rbx + {fp_registers}]",
        "call qword ptr [rbx + {function}]",
        "mov [rbx + {ints}], rax",
        "movsd [rbx + {fps}], xmm0",
        "lea rsp, [rbp - 8]",
        "pop rbx",
        "pop rbp",
        "ret",
        function = const offset_of!(CallRecord, function),
        stack = const offset_of!(CallRecord, stack),
        stack_words = const offset_of!(CallRecord, stack_words),
        fp_registers = const offset_of!(CallRecord, fp_registers),
        ints = const offset_of!(CallRecord, ints),
        fps = const offset_of!(CallRecord, fps),
    )
}

/// Writes out what programs have printed through the C library and what it still holds back, so that it comes before what
/// the embedder prints next.
pub fn flush_stdio() {
    // SAFETY: `fflush(NULL)` flushes every open output stream of the C library; it takes the streams' own locks.
    unsafe {
        libc::fflush(std::ptr::null_mut());
    }
}

/// A library that cannot be opened.
#[derive(Debug)]
pub struct LibraryError {
    /// Its name, as given.
    pub name: OsString,
    /// What the dynamic linker says.
    pub reason: String,
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot load the library {}: {}", self.name.display(), self.reason)
    }
}

impl std::error::Error for LibraryError {}

/// The native symbols an instance can see: those of the libraries the user names, of this process (the C library
/// included), and of the mathematical library, searched in this order. Libraries stay loaded as long as this lives.
#[derive(Debug)]
pub struct Symbols {
    libraries: Vec<Library>,
}

impl Symbols {
    /// Opens libraries, by file name (searched as `dlopen(3)` does) or path.
    ///
    /// # Errors
    /// The first library that cannot be opened.
    pub fn new<S: AsRef<OsStr>>(libraries: &[S]) -> Result<Symbols, LibraryError> {
        let mut opened = Vec::new();
        for name in libraries {
            let name = name.as_ref();
            // SAFETY: the library's initialisers run; the user who named it asked for them.
            let library = unsafe { Library::new(name) }
                .map_err(|error| LibraryError { name: name.to_owned(), reason: error.to_string() })?;
            opened.push(library);
        }
        opened.push(Library::this());
        // A system without a separate mathematical library has it in the C library.
        // SAFETY: the initialisers of the C library's own parts do no harm.
        opened.extend(unsafe { Library::new("libm.so.6") });
        Ok(Symbols { libraries: opened })
    }

    /// The address of a symbol, of a function or of data.
    pub fn lookup(&self, name: &str) -> Option<u64> {
        let symbol = self.libraries.iter().find_map(|library| {
            // SAFETY: the symbol is taken as an address, whatever its type.
            unsafe { library.get::<*mut u8>(name.as_bytes()) }.ok()
        })?;
        let address = symbol.into_raw().expose_provenance() as u64;
        (address != 0).then_some(address)
    }
}

#[cfg(test)]
mod tests;
