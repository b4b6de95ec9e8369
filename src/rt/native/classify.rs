//! Where arguments and results go: the classification of the System V x86-64 ABI ("Parameter Passing", "Returning of
//! Values"), over Mu types by the table of native-interface-x64-unix.
//!
//! A value is cut into eightbytes, from its beginning in memory. What lies in an eightbyte gives its class:
//!
//! ```text
//! INTEGER   integers, pointers                                 the next general register
//! SSE       float, double, the first eight bytes of a vector   the next vector register, low part
//! SSEUP     the rest of a vector                               the next part of the same register
//! MEMORY    more than 16 bytes, unless one vector              the stack
//! ```
//!
//! Where an eightbyte holds things of two classes, INTEGER wins. A value that does not find all its registers goes to
//! the stack whole, and the registers stay free for those after it.
//!
//! Example: `struct<float int<32> double>` is two eightbytes, INTEGER (float and int together) and SSE: rdi and xmm0.
//!
//! **Decisions.**
//! * An `int<n>` is passed as its storage in memory: `int<52>` as a `long`. Unused bits are zero on the way in, and cut
//!   off on the way out.
//! * `int<8>` and `int<16>` are `char` and `short` of C, which are signed here. The ABI leaves the upper half of their
//!   register open, but compilers in the family of Clang rely on callers that extend to 32 bits, so we do. Mu integers have
//!   no sign, so one choice serves one of two C types: a callee compiled by Clang that takes `unsigned char` must be declared
//!   with `int<32>` and given a zero-extended value. Compilers in the family of GCC extend what they get themselves.
//!   `_Bool` is `int<1>`, extended with zeros, as everybody expects.
//! * Vectors of 32 and 64 bytes travel in ymm and zmm registers, as code compiled for AVX and AVX-512 expects. Code
//!   compiled for lesser CPUs expects them elsewhere; on a CPU that lacks these registers we refuse.
//! * An eightbyte that is padding only goes nowhere, and an empty struct has none. Arrays without elements, which C has
//!   only as an extension, count as nothing (Clang and Rust agree; GCC looks at their element type).
//! * Refused, because compilers or CPUs disagree or C has no such type: vectors of other sizes than 8, 16, 32 and 64
//!   bytes, of `int<128>`, or of one `double`; arrays by themselves; references.
//!
//! **Invariants.** No recursion and no work per byte: hostile types cost what their text costs (parts are visited once, or
//! lie within 64 bytes). The leaves of all arguments together are bounded by [`MAX_STACK_BYTES`].

use crate::layout::{Layout, Layouts, Leaf, LeafKind, Shape};
use mu_ir::ids::{SigId, TypeId};
use mu_ir::types::TypeStore;
use smallvec::SmallVec;
use std::collections::HashSet;

/// Number of general registers for arguments: rdi, rsi, rdx, rcx, r8, r9.
pub const INT_REGISTERS: u8 = 6;
/// Number of vector registers for arguments: xmm0 to xmm7.
pub const VECTOR_REGISTERS: u8 = 8;
/// Most bytes of arguments on the stack.
pub const MAX_STACK_BYTES: u32 = 65_536;
/// The largest vector, and so the largest value in registers.
const MAX_VECTOR_BYTES: u64 = 64;

/// Why a signature cannot be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnsupportedReason {
    /// A parameter (its index) of a type that is not passed.
    #[error("parameter {0} cannot be passed to native functions: {2}")]
    Param(usize, TypeId, TypeReason),
    /// A result of such a type.
    #[error("the result cannot be returned by native functions: {1}")]
    Result(TypeId, TypeReason),
    /// C functions return one value at most.
    #[error("{0} results, but native functions return one at most")]
    ManyResults(usize),
    /// More bytes of arguments on the stack than [`MAX_STACK_BYTES`].
    #[error("the arguments need more than {MAX_STACK_BYTES} bytes of stack")]
    StackTooLarge,
}

/// Why a type cannot be passed by value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TypeReason {
    /// It is or holds a reference, or has no fixed size (type-system: not native-safe).
    #[error("its type is not native-safe")]
    NotNativeSafe,
    /// It has more bytes or words than an SSA value can.
    #[error("its type is too large")]
    TooLarge,
    /// An array itself; C passes arrays inside structs only.
    #[error("C passes no arrays by value, only structs that hold arrays")]
    Array,
    /// It is or holds a vector of a size that the ABI does not know.
    #[error("the ABI has vectors of 8, 16, 32 and 64 bytes, not of {0}")]
    VectorSize(u64),
    /// It is or holds a vector of elements the ABI has no vectors of: `int<128>`, or a single double.
    #[error("the ABI has no vectors of these elements")]
    VectorElement,
    /// A vector of 32 bytes, and the CPU has no ymm registers.
    #[error("vectors of 32 bytes need a CPU with AVX")]
    NeedsAvx,
    /// A vector of 64 bytes, and the CPU has no zmm registers.
    #[error("vectors of 64 bytes need a CPU with AVX-512")]
    NeedsAvx512,
}

/// Where one eightbyte goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// Nowhere: it is padding.
    None,
    /// The n-th of rdi, rsi, rdx, rcx, r8, r9 for arguments; of rax, rdx for results.
    Int(u8),
    /// Bytes `8 * part` to `8 * part + 7` of the vector register of this number.
    Vector {
        /// Number of the register.
        index: u8,
        /// Which eight bytes of it; other than 0 only in vectors of more than 8 bytes.
        part: u8,
    },
}

/// The registers of the eightbytes of a value, in their order.
pub type Registers = SmallVec<[Register; 2]>;

/// Where an argument goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArgPlace {
    /// Into registers.
    Registers(Registers),
    /// Onto the stack, at this distance from the stack pointer before the call: a multiple of 8, and of the alignment.
    Stack {
        /// The distance in bytes.
        offset_bytes: u32,
    },
}

/// An argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NativeArg {
    /// Its scalars: where they lie in the value's memory, and in its words.
    pub leaves: Box<[Leaf]>,
    /// Words of the value.
    pub words: u32,
    /// Where it goes.
    pub place: ArgPlace,
}

/// How the result comes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResultPlace {
    /// In registers; in none if there is no result.
    Registers(Registers),
    /// In memory of the caller, whose address is the first integer argument.
    Memory,
}

/// The result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NativeResult {
    /// Its scalars, as in [`NativeArg::leaves`].
    pub leaves: Box<[Leaf]>,
    /// Words of the value.
    pub words: u32,
    /// Size in memory, in bytes.
    pub size_bytes: u64,
    /// Alignment in memory, in bytes.
    pub align_bytes: u64,
    /// How it comes back.
    pub place: ResultPlace,
}

/// A signature, ready for calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NativeSig {
    /// The arguments.
    pub args: Box<[NativeArg]>,
    /// The result.
    pub result: NativeResult,
    /// Words of all arguments.
    pub arg_words: u32,
    /// Bytes of arguments on the stack: a multiple of 8.
    pub stack_bytes: u32,
    /// What the stack pointer is a multiple of before the call: 16, or more for vectors on the stack.
    pub stack_align: u32,
    /// Number of vector registers with arguments: what `al` says.
    pub vector_registers: u8,
    /// How much of vector registers is used, in bytes: 16, 32 or 64.
    pub vector_bytes: u8,
}

/// Assigns the arguments and the result of a signature to registers and stack, on this CPU. `layouts` is of the same
/// instance as `types`.
///
/// # Errors
/// When something in it is not native-safe, not in the ABI, or not on this CPU.
pub fn classify(types: &TypeStore, layouts: &Layouts, sig: SigId) -> Result<NativeSig, UnsupportedReason> {
    let widest = if std::is_x86_feature_detected!("avx512f") {
        64
    } else if std::is_x86_feature_detected!("avx") {
        32
    } else {
        16
    };
    classify_for(types, layouts, sig, widest)
}

/// [`classify`] for a CPU whose vector registers have `widest` bytes.
pub(super) fn classify_for(
    types: &TypeStore,
    layouts: &Layouts,
    sig: SigId,
    widest: u64,
) -> Result<NativeSig, UnsupportedReason> {
    let sig = types.sig(sig);
    let class = |ty| class_of(types, layouts, ty, widest);
    let mut free = Free::default();
    let result = match *sig.rets {
        [] => no_result(),
        [ty] => {
            let value = class(ty).map_err(|reason| UnsupportedReason::Result(ty, reason))?;
            let place = match &value.eightbytes {
                // Two eightbytes always find room in rax, rdx, xmm0, xmm1.
                Some(eightbytes) => ResultPlace::Registers(Free::default().take(eightbytes)),
                None => {
                    free.ints = 1;
                    ResultPlace::Memory
                }
            };
            let Layout { words, size_bytes, align_bytes, .. } = *value.layout;
            NativeResult { leaves: value.leaves.into(), words, size_bytes, align_bytes, place }
        }
        _ => return Err(UnsupportedReason::ManyResults(sig.rets.len())),
    };
    let mut vector_bytes = match &result.place {
        ResultPlace::Registers(registers) => vector_bytes(registers),
        ResultPlace::Memory => 16,
    };
    let mut args = Vec::with_capacity(sig.params.len());
    let (mut arg_words, mut stack_bytes, mut stack_align) = (0, 0u64, 16);
    for (index, &ty) in sig.params.iter().enumerate() {
        let value = class(ty).map_err(|reason| UnsupportedReason::Param(index, ty, reason))?;
        let registers = value.eightbytes.as_ref().filter(|it| free.has_room(it)).map(|it| free.take(it));
        let place = match registers {
            Some(registers) => {
                vector_bytes = vector_bytes.max(self::vector_bytes(&registers));
                ArgPlace::Registers(registers)
            }
            None => {
                let offset_bytes = stack_bytes.next_multiple_of(value.layout.align_bytes.max(8));
                stack_bytes = offset_bytes + value.layout.size_bytes.next_multiple_of(8);
                stack_align = value.layout.align_bytes.max(stack_align);
                if stack_bytes > u64::from(MAX_STACK_BYTES) {
                    return Err(UnsupportedReason::StackTooLarge);
                }
                ArgPlace::Stack { offset_bytes: offset_bytes as u32 }
            }
        };
        arg_words += value.layout.words;
        args.push(NativeArg { leaves: value.leaves.into(), words: value.layout.words, place });
    }
    Ok(NativeSig {
        args: args.into(),
        result,
        arg_words,
        stack_bytes: stack_bytes as u32,
        stack_align: stack_align as u32,
        vector_registers: free.vectors,
        vector_bytes,
    })
}

fn no_result() -> NativeResult {
    let place = ResultPlace::Registers(Registers::new());
    NativeResult { leaves: [].into(), words: 0, size_bytes: 0, align_bytes: 1, place }
}

/// How much of the vector registers these use, in bytes.
fn vector_bytes(registers: &[Register]) -> u8 {
    let part = registers.iter().map(|register| match register {
        Register::None | Register::Int(_) => 0,
        Register::Vector { part, .. } => *part,
    });
    // Vectors have 2, 4 or 8 parts.
    ((part.max().unwrap_or(0) + 1) * 8).max(16)
}

/// The registers taken so far.
#[derive(Default)]
struct Free {
    ints: u8,
    vectors: u8,
}

impl Free {
    /// Whether there are argument registers for all eightbytes.
    fn has_room(&self, eightbytes: &[Class]) -> bool {
        let count = |class| eightbytes.iter().filter(|it| **it == class).count();
        usize::from(self.ints) + count(Class::Integer) <= usize::from(INT_REGISTERS)
            && usize::from(self.vectors) + count(Class::Sse) <= usize::from(VECTOR_REGISTERS)
    }

    /// The next registers.
    fn take(&mut self, eightbytes: &[Class]) -> Registers {
        let mut part = 0;
        let registers = eightbytes.iter().map(|class| match class {
            Class::Nothing => Register::None,
            Class::Integer => {
                self.ints += 1;
                Register::Int(self.ints - 1)
            }
            Class::Sse => {
                (self.vectors, part) = (self.vectors + 1, 0);
                Register::Vector { index: self.vectors - 1, part }
            }
            Class::SseUp => {
                part += 1;
                Register::Vector { index: self.vectors - 1, part }
            }
        });
        registers.collect()
    }
}

/// The class of an eightbyte. MEMORY is a property of whole values here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Nothing,
    Integer,
    Sse,
    SseUp,
}

impl Class {
    /// The class of an eightbyte that holds things of both classes.
    fn merge(self, other: Class) -> Class {
        match (self, other) {
            (Class::Nothing, class) | (class, Class::Nothing) => class,
            (Class::Integer, _) | (_, Class::Integer) => Class::Integer,
            (Class::SseUp, Class::SseUp) => Class::SseUp,
            (Class::Sse | Class::SseUp, Class::Sse | Class::SseUp) => Class::Sse,
        }
    }
}

type Eightbytes = SmallVec<[Class; 2]>;

/// What classification says of one value.
struct Classified<'a> {
    layout: &'a Layout,
    leaves: &'a [Leaf],
    /// `None`: MEMORY.
    eightbytes: Option<Eightbytes>,
}

fn class_of<'a>(
    types: &TypeStore,
    layouts: &'a Layouts,
    ty: TypeId,
    widest: u64,
) -> Result<Classified<'a>, TypeReason> {
    let layout = layouts.of(types, ty);
    if let Shape::Array { vector: false, .. } = layout.shape {
        return Err(TypeReason::Array);
    }
    check_parts(layouts, types.canon(ty))?;
    let leaves = match layouts.leaves(types, ty) {
        Some(leaves) if !layout.is_too_large() => leaves,
        _ => return Err(TypeReason::TooLarge),
    };
    let eightbytes = eightbytes(layouts, types.canon(ty), layout.size_bytes);
    // Only single vectors are passed in more than two.
    match eightbytes.as_ref().map_or(0, SmallVec::len) {
        3.. if widest < 32 => Err(TypeReason::NeedsAvx),
        5.. if widest < 64 => Err(TypeReason::NeedsAvx512),
        _ => Ok(Classified { layout, leaves, eightbytes }),
    }
}

/// Refuses what C has not. Each part is visited once, however often it occurs.
fn check_parts(layouts: &Layouts, ty: TypeId) -> Result<(), TypeReason> {
    let mut seen = HashSet::new();
    let mut work: SmallVec<[TypeId; 8]> = smallvec::smallvec![ty];
    while let Some(ty) = work.pop() {
        let layout = known(layouts, ty);
        match &layout.shape {
            Shape::Void => {}
            Shape::Scalar(kind) if is_native_safe(*kind) => {}
            Shape::Scalar(_) | Shape::Hybrid { .. } => return Err(TypeReason::NotNativeSafe),
            Shape::Struct(fields) => {
                work.extend(fields.iter().map(|field| field.ty).filter(|ty| seen.insert(*ty)));
            }
            Shape::Array { elem, count, vector: true, .. } => {
                match known(layouts, *elem).scalar() {
                    Some(LeafKind::Double) if *count == 1 => return Err(TypeReason::VectorElement),
                    Some(LeafKind::Int(65..)) => return Err(TypeReason::VectorElement),
                    Some(kind) if is_native_safe(kind) => {}
                    _ => return Err(TypeReason::NotNativeSafe),
                }
                if !matches!(layout.size_bytes, 8 | 16 | 32 | 64) {
                    return Err(TypeReason::VectorSize(layout.size_bytes));
                }
            }
            Shape::Array { elem, vector: false, .. } => {
                work.extend(Some(*elem).filter(|ty| seen.insert(*ty)))
            }
        }
    }
    Ok(())
}

/// Whether C has values of this kind.
fn is_native_safe(kind: LeafKind) -> bool {
    match kind {
        LeafKind::Int(_) | LeafKind::Float | LeafKind::Double | LeafKind::Ptr | LeafKind::FuncPtr => true,
        LeafKind::Ref
        | LeafKind::IRef
        | LeafKind::WeakRef
        | LeafKind::TagRef64
        | LeafKind::FuncRef
        | LeafKind::ThreadRef
        | LeafKind::StackRef
        | LeafKind::FrameCursorRef
        | LeafKind::IrBuilderRef => false,
    }
}

/// The classes of the eightbytes of a type without references, from the beginning; `None` for MEMORY.
fn eightbytes(layouts: &Layouts, ty: TypeId, size_bytes: u64) -> Option<Eightbytes> {
    if size_bytes > MAX_VECTOR_BYTES {
        return None;
    }
    let mut classes: Eightbytes = smallvec::smallvec![Class::Nothing; size_bytes.div_ceil(8) as usize];
    let mut work: SmallVec<[(TypeId, u64); 8]> = smallvec::smallvec![(ty, 0)];
    while let Some((ty, offset)) = work.pop() {
        let layout = known(layouts, ty);
        if layout.size_bytes == 0 {
            // There may be many of them in 64 bytes.
            continue;
        }
        let first = (offset / 8) as usize;
        let last = ((offset + layout.size_bytes - 1) / 8) as usize;
        match &layout.shape {
            Shape::Void | Shape::Hybrid { .. } => return None,
            Shape::Scalar(kind) => {
                let class = match kind {
                    LeafKind::Float | LeafKind::Double => Class::Sse,
                    _ => Class::Integer,
                };
                classes[first..=last].iter_mut().for_each(|it| *it = it.merge(class));
            }
            Shape::Array { vector: true, .. } => {
                classes[first] = classes[first].merge(Class::Sse);
                classes[first + 1..=last].iter_mut().for_each(|it| *it = it.merge(Class::SseUp));
            }
            Shape::Array { elem, count, stride, vector: false, .. } => {
                work.extend((0..*count).map(|index| (*elem, offset + index * stride)));
            }
            Shape::Struct(fields) => {
                work.extend(fields.iter().map(|field| (field.ty, offset + field.offset_bytes)));
            }
        }
    }
    let one_vector = || classes[0] == Class::Sse && classes[1..].iter().all(|class| *class == Class::SseUp);
    (classes.len() <= 2 || one_vector()).then_some(classes)
}

/// The layout of a part of a type whose layout has been computed.
fn known(layouts: &Layouts, canon: TypeId) -> &Layout {
    layouts.known(canon).expect("the layout of a type comes with those of its parts")
}
