//! Calls of native functions, and finding them by name (native-interface; native-interface-x64-unix).
//!
//! **What.** [`classify`] decides once per signature where each argument goes by the System V x86-64 ABI. A
//! [`NativeInterface`] is what an instance has of this: [`Segment`]s, on which C runs, and exposed functions, which C calls.
//! [`Segment::call`] calls C. [`Symbols`] resolves the names of `EXTERN` constants.
//!
//! ```text
//! integers, pointers   rdi rsi rdx rcx r8 r9, then the stack      result in rax, rdx
//! float, double        xmm0 … xmm7,           then the stack      result in xmm0, xmm1
//! vectors              xmm, ymm, zmm 0 … 7,   then the stack      result in xmm0, ymm0, zmm0
//! struct ≤ 16 bytes    each half by what it holds; whole on the stack if one finds no register
//! larger struct        copied to the stack                        result in memory of the caller, its address in rdi
//! al                   number of vector registers used (variadic callees ask)
//! ```
//!
//! **Why this way.** C runs on segments of its own, and a native call is a coroutine: calling back into Mu suspends it, so
//! that Mu frames and C frames of one Mu stack need not lie in one piece of memory, SWAPSTACK need not know of C, and the
//! driver never nests. [`NativeSig`] is data: two pieces of machine code for all signatures (`switch`) move every argument
//! register from or to a record. The JIT can emit its own moves from the same data.
//!
//! | file        | what                                                           |
//! |-------------|----------------------------------------------------------------|
//! | `classify`  | signatures to places                                           |
//! | `marshal`   | words to places and back                                       |
//! | `switch`    | machine code between the driver's stack and a segment          |
//! | `segment`   | a stack for C with its suspended calls                         |
//! | `exposed`   | stubs: addresses that C can call                               |
//! | `foreign`   | calls by threads that are in no native call of the instance    |
//! | `interface` | one instance's segments, exposed functions and hook            |
//! | `symbols`   | names to addresses                                             |
//!
//! **Invariants.** What cannot be passed is refused by [`classify`], as data ([`UnsupportedReason`]), not by a crash.
//! Values go in and come out as the words of their leaves (see [`crate::layout`]). No thread-locals and no globals: a stub
//! knows its instance, and the stack pointer tells whether a segment of it is running.
//!
//! **Example.** `labs` of this process's C library, as `(int<64>) -> (int<64>)`:
//! ```
//! # use mu_ir::{ids::*, types::*};
//! use mu_rt::{layout::Layouts, native};
//! let (mut types, layouts) = (TypeStore::default(), Layouts::new());
//! let sig = Signature { params: [TypeId(0)].into(), rets: [TypeId(0)].into() };
//! types.append(vec![(MuId::NONE, Type::Int(64))], vec![(MuId::NONE, sig)]);
//! let symbols = native::Symbols::new::<&str>(&[]).unwrap();
//! let labs = symbols.lookup("labs").unwrap();
//! let interface = native::NativeInterface::new(native::NativeConfig::default()).unwrap();
//! let mut segment = interface.segment().unwrap();
//! let mut result = [0];
//! let sig = native::classify(&types, &layouts, SigId(0)).unwrap();
//! let exit = segment.call(labs, &sig, &[-7i64 as u64], &mut result);
//! assert_eq!((exit, result), (Ok(native::NativeExit::Returned), [7]));
//! ```

mod classify;
mod exposed;
mod foreign;
mod interface;
mod marshal;
mod segment;
mod switch;
mod symbols;

#[cfg(test)]
mod tests;

pub use classify::{
    ArgPlace, INT_REGISTERS, MAX_STACK_BYTES, NativeArg, NativeResult, NativeSig, Register, Registers,
    ResultPlace, TypeReason, UnsupportedReason, VECTOR_REGISTERS, classify,
};
pub use exposed::{ExposeError, ExposedFunction};
pub use foreign::ForeignCall;
pub use interface::{NativeConfig, NativeInterface, SegmentError};
pub use marshal::Words;
pub use segment::{Callback, NativeExit, NativeStackFull, Segment};
pub use symbols::{LibraryError, Symbols, flush_stdio};
