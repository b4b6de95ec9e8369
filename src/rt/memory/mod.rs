//! Access to memory: loads, stores, compare-exchange, atomic-x, fences (uvm-memory, "Memory Accessing"; memory-model).
//!
//! **What.** [`Memory`] reads and writes scalars at machine addresses, for the interpreter and the client interface.
//! [`check`] decides, in checked mode and before the access, whether an internal reference may be used so.
//!
//! **The safe boundary.** These functions are safe to *call*, though an address can be wrong: what a Mu program does
//! through `uptr` is as unsafe as C and has no check that Rust could ask for. The promise is the program's (or the
//! embedder's, who chose to run it); checked mode verifies it for internal references. A wrong address is undefined
//! behaviour of the Mu program, in every tier. This is the only place where safe code can touch arbitrary memory.
//!
//! **Why this way.** All accesses to aligned addresses, non-atomic ones included, are Rust atomics of at least
//! relaxed order: on x86-64 that is the plain `mov`, words never tear, and a racing Mu program is not undefined
//! behaviour of *this* program. Orders map one to one; `CONSUME` is strengthened to acquire.
//! A misaligned address can only come from a pointer, where the access is implementation-defined: ours then works
//! byte by byte under one lock per instance, so it is atomic for other accesses of the same size at the same address, not
//! for aligned ones that overlap.
//! `int<128>` uses `cmpxchg16b`, or that lock on CPUs without it.
//!
//! **Words.** A scalar is one `u64` as in SSA values: integers zero-extended, a `float` its bits in the low half.
//! Loads mask integers of odd widths, since native code may have written the unused bits.
//!
//! **Example.**
//! ```
//! use mu_ir::table::{MemOrder, RmwOp};
//! use mu_rt::{layout::LeafKind, memory::Memory};
//!
//! let memory = Memory::new();
//! let mut cell = 0xffff_ffff_ffff_fff0u64;
//! let address = (&raw mut cell).expose_provenance() as u64;
//! let int5 = LeafKind::Int(5);
//! assert_eq!(memory.load_word(address, int5, MemOrder::NotAtomic), 0b10000);
//! assert_eq!(memory.atomic_rmw(address, int5, RmwOp::Add, 17, MemOrder::SeqCst), 0b10000);
//! assert_eq!(memory.load_word(address, int5, MemOrder::Acquire), 1);
//! ```

pub mod check;
mod wide;

#[cfg(test)]
mod tests;

pub use check::{AllocaCells, CellInfo, Checker, UnitCache};

use crate::layout::{Leaf, LeafKind};
use mu_ir::semantics::{int, rmw};
use mu_ir::table::{MemOrder, RmwOp};
use parking_lot::Mutex;
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Access to memory for the threads of one instance.
#[derive(Debug)]
pub struct Memory {
    /// Makes atomic what the CPU cannot: misaligned operations, and 128 bits without `cmpxchg16b`.
    lock: Mutex<()>,
    has_cmpxchg16b: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Memory::new()
    }
}

/// The unsigned integers memory is accessed by.
trait Unit: Copy + Eq {
    type Atomic;
    const BYTES: u64;
    fn widen(self) -> u64;
    fn narrow(word: u64) -> Self;
    fn load(cell: &Self::Atomic, order: Ordering) -> Self;
    fn store(cell: &Self::Atomic, value: Self, order: Ordering);
    fn swap(cell: &Self::Atomic, value: Self, order: Ordering) -> Self;
    fn exchange(
        cell: &Self::Atomic,
        old: Self,
        new: Self,
        weak: bool,
        orders: (Ordering, Ordering),
    ) -> Result<Self, Self>;
    /// The atomic at an address.
    ///
    /// # Safety
    /// `address` is aligned to the size and is memory that lives for `'a` and is accessed by atomics only, or by code
    /// outside Rust.
    unsafe fn at<'a>(address: u64) -> &'a Self::Atomic;
}

macro_rules! units {
    ($($int:ty, $atomic:ty;)*) => {$(
        impl Unit for $int {
            type Atomic = $atomic;
            const BYTES: u64 = size_of::<$int>() as u64;
            #[inline(always)]
            fn widen(self) -> u64 { u64::from(self) }
            #[inline(always)]
            fn narrow(word: u64) -> Self { word as $int }
            #[inline(always)]
            fn load(cell: &$atomic, order: Ordering) -> Self { cell.load(order) }
            #[inline(always)]
            fn store(cell: &$atomic, value: Self, order: Ordering) { cell.store(value, order) }
            #[inline(always)]
            fn swap(cell: &$atomic, value: Self, order: Ordering) -> Self { cell.swap(value, order) }
            #[inline(always)]
            fn exchange(
                cell: &$atomic, old: Self, new: Self, weak: bool, (success, failure): (Ordering, Ordering),
            ) -> Result<Self, Self> {
                match weak {
                    true => cell.compare_exchange_weak(old, new, success, failure),
                    false => cell.compare_exchange(old, new, success, failure),
                }
            }
            #[inline(always)]
            unsafe fn at<'a>(address: u64) -> &'a $atomic {
                // SAFETY: the caller's promise is that of `from_ptr`.
                unsafe { <$atomic>::from_ptr(ptr::with_exposed_provenance_mut(address as usize)) }
            }
        }
    )*};
}

units! {
    u8, AtomicU8;
    u16, AtomicU16;
    u32, AtomicU32;
    u64, AtomicU64;
}

/// The order of a load. Orders a load cannot have (the verifier rejects them) count as the strongest.
#[inline(always)]
fn load_order(order: MemOrder) -> Ordering {
    match order {
        MemOrder::NotAtomic | MemOrder::Relaxed => Ordering::Relaxed,
        MemOrder::Consume | MemOrder::Acquire => Ordering::Acquire,
        MemOrder::Release | MemOrder::AcqRel | MemOrder::SeqCst => Ordering::SeqCst,
    }
}

/// The order of a store, likewise.
#[inline(always)]
fn store_order(order: MemOrder) -> Ordering {
    match order {
        MemOrder::NotAtomic | MemOrder::Relaxed => Ordering::Relaxed,
        MemOrder::Release => Ordering::Release,
        MemOrder::Consume | MemOrder::Acquire | MemOrder::AcqRel | MemOrder::SeqCst => Ordering::SeqCst,
    }
}

/// The order of an atomic read-modify-write operation.
#[inline(always)]
fn rmw_order(order: MemOrder) -> Ordering {
    match order {
        MemOrder::NotAtomic | MemOrder::Relaxed => Ordering::Relaxed,
        MemOrder::Consume | MemOrder::Acquire => Ordering::Acquire,
        MemOrder::Release => Ordering::Release,
        MemOrder::AcqRel => Ordering::AcqRel,
        MemOrder::SeqCst => Ordering::SeqCst,
    }
}

/// Keeps the bits an integer has.
#[inline(always)]
fn mask(kind: LeafKind, word: u64) -> u64 {
    match kind {
        LeafKind::Int(8 | 16 | 32 | 64) => word,
        LeafKind::Int(width) => word & int::mask(u32::from(width).min(64)),
        _ => word,
    }
}

/// Runs a function for the unit of a kind's size. 16-byte kinds have functions of their own.
macro_rules! by_size {
    ($kind:expr, $call:ident ( $self:expr $(, $arg:expr)* )) => {
        match $kind.size_bytes() {
            8 => $self.$call::<u64>($($arg),*),
            4 => $self.$call::<u32>($($arg),*),
            1 => $self.$call::<u8>($($arg),*),
            2 => $self.$call::<u16>($($arg),*),
            _ => unreachable!("int<128> has its own functions"),
        }
    };
}

impl Memory {
    /// Asks the CPU what it can.
    pub fn new() -> Memory {
        Memory { lock: Mutex::new(()), has_cmpxchg16b: std::is_x86_feature_detected!("cmpxchg16b") }
    }

    /// Loads a scalar of at most 64 bits.
    #[inline]
    pub fn load_word(&self, address: u64, kind: LeafKind, order: MemOrder) -> u64 {
        mask(kind, by_size!(kind, load(self, address, load_order(order))))
    }

    /// Stores a scalar of at most 64 bits.
    #[inline]
    pub fn store_word(&self, address: u64, kind: LeafKind, value: u64, order: MemOrder) {
        by_size!(kind, store(self, address, value, store_order(order)))
    }

    /// Compares a scalar of at most 64 bits with `expected`, bit by bit, and stores `desired` if they are equal. Gives
    /// the value that was there, and whether it was equal (and, of a `weak` one, the store happened).
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "the operands of CMPXCHG")]
    pub fn cmpxchg(
        &self,
        address: u64,
        kind: LeafKind,
        expected: u64,
        desired: u64,
        success: MemOrder,
        failure: MemOrder,
        weak: bool,
    ) -> (u64, bool) {
        let orders = (rmw_order(success), load_order(failure));
        // Bits that do not belong to an odd-width integer must not decide: compare with what is there.
        let odd = !matches!(kind, LeafKind::Int(8 | 16 | 32 | 64)) && matches!(kind, LeafKind::Int(_));
        if !odd {
            return by_size!(kind, exchange(self, address, expected, desired, weak, orders));
        }
        loop {
            let raw = by_size!(kind, load(self, address, orders.1));
            if mask(kind, raw) != expected {
                return (mask(kind, raw), false);
            }
            if by_size!(kind, exchange(self, address, raw, desired, false, orders)).1 {
                return (expected, true);
            }
        }
    }

    /// Replaces a scalar of at most 64 bits by the result of `op` and gives what was there. Operators other than
    /// `XCHG` are for integers.
    #[inline]
    pub fn atomic_rmw(&self, address: u64, kind: LeafKind, op: RmwOp, operand: u64, order: MemOrder) -> u64 {
        let order = rmw_order(order);
        if op == RmwOp::Xchg {
            return mask(kind, by_size!(kind, swap(self, address, operand, order)));
        }
        let width = match kind {
            LeafKind::Int(width) => u32::from(width),
            _ => kind.size_bytes() as u32 * 8,
        };
        // One loop for all operators: the interpreter need not be fast here, and it is the definition of the rest.
        let failure = if matches!(order, Ordering::SeqCst) { Ordering::SeqCst } else { Ordering::Relaxed };
        let mut raw = by_size!(kind, load(self, address, Ordering::Relaxed));
        loop {
            let old = mask(kind, raw);
            let new = combine(op, width, old, operand);
            match by_size!(kind, exchange(self, address, raw, new, true, (order, failure))) {
                (_, true) => return old,
                (now, false) => raw = now,
            }
        }
    }

    /// `FENCE`. Orders that order nothing do nothing.
    #[inline]
    pub fn fence(&self, order: MemOrder) {
        use std::sync::atomic::fence;
        match order {
            MemOrder::NotAtomic | MemOrder::Relaxed => {}
            MemOrder::Consume | MemOrder::Acquire => fence(Ordering::Acquire),
            MemOrder::Release => fence(Ordering::Release),
            MemOrder::AcqRel => fence(Ordering::AcqRel),
            MemOrder::SeqCst => fence(Ordering::SeqCst),
        }
    }

    /// Loads a value of any SSA type, without atomicity, into the words of `out` (as many as the leaves have).
    pub fn load_value(&self, address: u64, leaves: &[Leaf], out: &mut [u64]) {
        for leaf in leaves {
            let (at, word) = (address.wrapping_add(leaf.offset_bytes), leaf.word as usize);
            if leaf.kind.words() == 2 {
                let value = self.load_u128(at, leaf.kind, MemOrder::NotAtomic);
                (out[word], out[word + 1]) = (value as u64, (value >> 64) as u64);
            } else {
                out[word] = self.load_word(at, leaf.kind, MemOrder::NotAtomic);
            }
        }
    }

    /// Stores a value of any SSA type, without atomicity. Padding keeps its bytes.
    pub fn store_value(&self, address: u64, leaves: &[Leaf], words: &[u64]) {
        for leaf in leaves {
            let (at, word) = (address.wrapping_add(leaf.offset_bytes), leaf.word as usize);
            if leaf.kind.words() == 2 {
                let value = u128::from(words[word]) | u128::from(words[word + 1]) << 64;
                self.store_u128(at, leaf.kind, value, MemOrder::NotAtomic);
            } else {
                self.store_word(at, leaf.kind, words[word], MemOrder::NotAtomic);
            }
        }
    }

    /// Copies bytes out of memory, one by one.
    pub fn read_bytes(&self, address: u64, out: &mut [u8]) {
        for (index, byte) in out.iter_mut().enumerate() {
            *byte = self.load::<u8>(address + index as u64, Ordering::Relaxed) as u8;
        }
    }

    /// Copies bytes into memory, one by one.
    pub fn write_bytes(&self, address: u64, bytes: &[u8]) {
        for (index, &byte) in bytes.iter().enumerate() {
            self.store::<u8>(address + index as u64, u64::from(byte), Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn load<U: Unit>(&self, address: u64, order: Ordering) -> u64 {
        if !address.is_multiple_of(U::BYTES) {
            return self.load_misaligned::<U>(address);
        }
        // SAFETY: aligned; that it is memory is the program's promise (see the module).
        U::load(unsafe { U::at(address) }, order).widen()
    }

    #[inline(always)]
    fn store<U: Unit>(&self, address: u64, value: u64, order: Ordering) {
        if !address.is_multiple_of(U::BYTES) {
            return self.store_misaligned::<U>(address, value);
        }
        // SAFETY: aligned; that it is memory is the program's promise (see the module).
        U::store(unsafe { U::at(address) }, U::narrow(value), order);
    }

    #[inline(always)]
    fn swap<U: Unit>(&self, address: u64, value: u64, order: Ordering) -> u64 {
        if !address.is_multiple_of(U::BYTES) {
            return self.update_misaligned::<U>(address, |_| Some(value)).0;
        }
        // SAFETY: aligned; that it is memory is the program's promise (see the module).
        U::swap(unsafe { U::at(address) }, U::narrow(value), order).widen()
    }

    #[inline(always)]
    fn exchange<U: Unit>(
        &self,
        address: u64,
        expected: u64,
        desired: u64,
        weak: bool,
        orders: (Ordering, Ordering),
    ) -> (u64, bool) {
        if !address.is_multiple_of(U::BYTES) {
            return self.update_misaligned::<U>(address, |old| (old == expected).then_some(desired));
        }
        // SAFETY: aligned; that it is memory is the program's promise (see the module).
        let cell = unsafe { U::at(address) };
        match U::exchange(cell, U::narrow(expected), U::narrow(desired), weak, orders) {
            Ok(old) => (old.widen(), true),
            Err(old) => (old.widen(), false),
        }
    }

    #[cold]
    fn load_misaligned<U: Unit>(&self, address: u64) -> u64 {
        let _guard = self.lock.lock();
        self.load_bytes(address, U::BYTES)
    }

    #[cold]
    fn store_misaligned<U: Unit>(&self, address: u64, value: u64) {
        let _guard = self.lock.lock();
        self.store_bytes(address, U::BYTES, value);
    }

    /// A read-modify-write operation under the lock. Gives the old value and whether `new` asked for a store.
    #[cold]
    fn update_misaligned<U: Unit>(&self, address: u64, new: impl FnOnce(u64) -> Option<u64>) -> (u64, bool) {
        let _guard = self.lock.lock();
        let old = self.load_bytes(address, U::BYTES);
        let new = new(old);
        if let Some(new) = new {
            self.store_bytes(address, U::BYTES, new);
        }
        (old, new.is_some())
    }

    fn load_bytes(&self, address: u64, count: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read_bytes(address, &mut bytes[..count as usize]);
        u64::from_le_bytes(bytes)
    }

    fn store_bytes(&self, address: u64, count: u64, value: u64) {
        self.write_bytes(address, &value.to_le_bytes()[..count as usize]);
    }
}

/// The arithmetic of an atomic-x operation.
fn combine(op: RmwOp, width: u32, old: u64, operand: u64) -> u64 {
    match op {
        RmwOp::Xchg => operand,
        RmwOp::Add => rmw::add(width, old, operand),
        RmwOp::Sub => rmw::sub(width, old, operand),
        RmwOp::And => rmw::bit_and(width, old, operand),
        RmwOp::Nand => rmw::nand(width, old, operand),
        RmwOp::Or => rmw::bit_or(width, old, operand),
        RmwOp::Xor => rmw::bit_xor(width, old, operand),
        RmwOp::Max => rmw::max(width, old, operand),
        RmwOp::Min => rmw::min(width, old, operand),
        RmwOp::UMax => rmw::umax(width, old, operand),
        RmwOp::UMin => rmw::umin(width, old, operand),
    }
}
