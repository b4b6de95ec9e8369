//! `int<128>` in memory (and the widths from 65 on, which share its representation).
//!
//! x86-64 has one atomic instruction for 16 bytes, `cmpxchg16b`; everything atomic is built from it, loads included
//! (so an atomic load needs writable memory). Where the CPU lacks it or the address is not a multiple of 16, the
//! instance's lock takes its place. Non-atomic accesses are two halves.

use super::Memory;
use crate::layout::LeafKind;
use mu_ir::semantics::rmw::wide;
use mu_ir::table::{MemOrder, RmwOp};
use std::sync::atomic::Ordering;

fn mask(kind: LeafKind, value: u128) -> u128 {
    match kind {
        LeafKind::Int(width @ 65..=127) => value & (u128::MAX >> (128 - u32::from(width))),
        _ => value,
    }
}

impl Memory {
    /// Loads an `int<128>`.
    pub fn load_u128(&self, address: u64, kind: LeafKind, order: MemOrder) -> u128 {
        let raw = match order {
            MemOrder::NotAtomic => self.load_halves(address),
            // Storing zero in place of zero changes nothing; in place of anything else it does not happen.
            _ => self.exchange_u128(address, 0, 0).0,
        };
        mask(kind, raw)
    }

    /// Stores an `int<128>`.
    pub fn store_u128(&self, address: u64, _kind: LeafKind, value: u128, order: MemOrder) {
        match order {
            MemOrder::NotAtomic => self.store_halves(address, value),
            _ => {
                self.update_u128(address, |_| value);
            }
        }
    }

    /// `CMPXCHG` on an `int<128>`: as [`Memory::cmpxchg`]. Always sequentially consistent and never spurious.
    pub fn cmpxchg_u128(&self, address: u64, kind: LeafKind, expected: u128, desired: u128) -> (u128, bool) {
        let mut raw = self.load_halves(address);
        loop {
            // A torn read is harmless: the exchange fails and gives the real value.
            let guess = if mask(kind, raw) == expected { raw } else { expected };
            match self.exchange_u128(address, guess, desired) {
                (old, true) => return (mask(kind, old), true),
                (old, false) if mask(kind, old) != expected => return (mask(kind, old), false),
                (old, false) => raw = old,
            }
        }
    }

    /// `ATOMICRMW` on an `int<128>`: as [`Memory::atomic_rmw`]. Always sequentially consistent.
    pub fn atomic_rmw_u128(&self, address: u64, kind: LeafKind, op: RmwOp, operand: u128) -> u128 {
        let old = self.update_u128(address, |raw| {
            let old = mask(kind, raw);
            mask(kind, combine(op, old, operand))
        });
        mask(kind, old)
    }

    fn update_u128(&self, address: u64, new: impl Fn(u128) -> u128) -> u128 {
        let mut old = self.load_halves(address);
        loop {
            match self.exchange_u128(address, old, new(old)) {
                (_, true) => return old,
                (now, false) => old = now,
            }
        }
    }

    fn load_halves(&self, address: u64) -> u128 {
        let low = self.load::<u64>(address, Ordering::Relaxed);
        let high = self.load::<u64>(address.wrapping_add(8), Ordering::Relaxed);
        u128::from(low) | u128::from(high) << 64
    }

    fn store_halves(&self, address: u64, value: u128) {
        self.store::<u64>(address, value as u64, Ordering::Relaxed);
        self.store::<u64>(address.wrapping_add(8), (value >> 64) as u64, Ordering::Relaxed);
    }

    /// The one atomic operation on 16 bytes.
    fn exchange_u128(&self, address: u64, expected: u128, desired: u128) -> (u128, bool) {
        if self.has_cmpxchg16b && address.is_multiple_of(16) {
            let cell = std::ptr::with_exposed_provenance_mut(address as usize);
            // SAFETY: the CPU has the instruction; aligned; that it is memory is the program's promise (see `memory`).
            let old = unsafe { exchange16(cell, expected, desired) };
            return (old, old == expected);
        }
        let _guard = self.lock.lock();
        let half = |at: u64| -> u64 {
            match at.is_multiple_of(8) {
                true => self.load::<u64>(at, Ordering::SeqCst),
                // The lock is held.
                false => self.load_bytes(at, 8),
            }
        };
        let old = u128::from(half(address)) | u128::from(half(address.wrapping_add(8))) << 64;
        if old == expected {
            for (at, word) in [(address, desired as u64), (address.wrapping_add(8), (desired >> 64) as u64)] {
                match at.is_multiple_of(8) {
                    true => self.store::<u64>(at, word, Ordering::SeqCst),
                    false => self.store_bytes(at, 8, word),
                }
            }
        }
        (old, old == expected)
    }
}

/// The instruction itself. (The intrinsic of the same name becomes a call of a library function that does not exist when
/// link-time optimisation moves it into a function without the target feature.)
///
/// # Safety
/// The CPU has `cmpxchg16b`, and `cell` is 16 bytes of writable memory, aligned.
unsafe fn exchange16(cell: *mut u128, expected: u128, desired: u128) -> u128 {
    let (mut low, mut high) = (expected as u64, (expected >> 64) as u64);
    // SAFETY: the caller's promise. rbx belongs to the compiler, so it is exchanged for the low half and restored.
    unsafe {
        std::arch::asm!(
            "xchg {desired_low}, rbx",
            "lock cmpxchg16b [rdi]",
            "mov rbx, {desired_low}",
            desired_low = inout(reg) desired as u64 => _,
            in("rdi") cell,
            in("rcx") (desired >> 64) as u64,
            inout("rax") low,
            inout("rdx") high,
            options(nostack)
        );
    }
    u128::from(low) | u128::from(high) << 64
}

fn combine(op: RmwOp, old: u128, operand: u128) -> u128 {
    match op {
        RmwOp::Xchg => operand,
        RmwOp::Add => wide::add(old, operand),
        RmwOp::Sub => wide::sub(old, operand),
        RmwOp::And => wide::bit_and(old, operand),
        RmwOp::Nand => wide::nand(old, operand),
        RmwOp::Or => wide::bit_or(old, operand),
        RmwOp::Xor => wide::bit_xor(old, operand),
        RmwOp::Max => wide::max(old, operand),
        RmwOp::Min => wide::min(old, operand),
        RmwOp::UMax => wide::umax(old, operand),
        RmwOp::UMin => wide::umin(old, operand),
    }
}
