//! Calls of native functions, and finding them by name (native-interface; native-interface-x64-unix).
//!
//! **What.** [`classify`] decides once per signature where each argument of a `CCALL #DEFAULT` goes by the System V
//! x86-64 ABI; [`call`] puts them there and calls. [`Symbols`] resolves the names of `EXTERN` constants.
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
//! **Why this way.** [`NativeSig`] is data: the interpreter hands it to one trampoline for all signatures, which loads
//! every argument register from a record, so no code is generated and a call costs some ten nanoseconds more than a
//! direct one; the JIT emits its own moves from the same data. The call runs on the stack of the caller of [`call`].
//!
//! **Invariants.** What cannot be passed is refused by [`classify`], as data ([`UnsupportedReason`]), not by a crash.
//! Values go in and come out as the words of their leaves (see [`crate::layout`]).
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
//! let mut result = [0];
//! let sig = native::classify(&types, &layouts, SigId(0)).unwrap();
//! native::call(labs, &sig, &[-7i64 as u64], &mut result);
//! assert_eq!(result, [7]);
//! ```

mod call;
mod classify;
mod symbols;

#[cfg(test)]
mod tests;

pub use call::call;
pub use classify::{
    ArgPlace, INT_REGISTERS, MAX_STACK_BYTES, NativeArg, NativeResult, NativeSig, Register, Registers,
    ResultPlace, TypeReason, UnsupportedReason, VECTOR_REGISTERS, classify,
};
pub use symbols::{LibraryError, Symbols, flush_stdio};
