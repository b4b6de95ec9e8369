//! Exposed functions: machine code that C can call.
//!
//! An exposed value is the address of a *stub*, two instructions that name their slot and go to the entry that all share.
//! Stubs are written once per page, all of a page alike, and then never again: what a stub stands for is data, in its
//! slot. So exposing and unexposing write no code, and no page is writable and executable at once, nor was it ever
//! executable while it was writable.
//!
//! ```text
//!   chunk   page of code        endbr64; lea r11, [slot 0]; jmp [r11]    endbr64; lea r11, [slot 1]; jmp [r11]   …
//!           pages of slots      slot 0: entry, gate, function, cookie, signature                slot 1 …
//! ```
//!
//! **Invariants.** Slots do not move and are not unmapped before the interface is. A free slot has no signature; who calls
//! its stub is told so ([`super::NativeExit::CalledUnexposed`]). Free slots are reused in the order in which they became free,
//! when a chunk has been used up, so that a stale call is likely to be recognised. Callers read slots without a lock:
//! calling a function while it is being unexposed is the client's fault, but reads at worst parts of its successor.

use super::classify::{NativeSig, Register, ResultPlace};
use super::switch::{Gate, SlotHead, callback_entry};
use crate::os::{Access, OsError, PAGE, Reservation};
use mu_ir::ids::SigId;
use std::collections::{BTreeMap, VecDeque};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Why a function cannot be exposed: the system gives no memory for the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no memory for an exposed function: {0}")]
pub struct ExposeError(pub OsError);

/// What an exposed value stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExposedFunction {
    /// The function, in the words of whoever exposed it.
    pub function: u64,
    /// Its signature.
    pub sig: SigId,
    /// The cookie.
    pub cookie: u64,
}

/// A signature of exposed functions. Made once per signature and kept.
pub(super) struct ExposedSig {
    sig: SigId,
    pub native: Arc<NativeSig>,
}

/// What a stub stands for.
#[repr(C, align(64))]
pub(super) struct Slot {
    head: SlotHead,
    function: AtomicU64,
    cookie: AtomicU64,
    sig: AtomicPtr<ExposedSig>,
    address: u64,
}

impl Slot {
    /// What is exposed here now.
    pub fn load(&self) -> Option<(ExposedFunction, *const ExposedSig)> {
        let pointer = self.sig.load(Ordering::Acquire);
        // SAFETY: signatures are kept as long as slots.
        let sig = unsafe { pointer.as_ref() }?.sig;
        let function = self.function.load(Ordering::Relaxed);
        let exposed = ExposedFunction { function, sig, cookie: self.cookie.load(Ordering::Relaxed) };
        Some((exposed, pointer))
    }

    /// Where the stub is.
    pub fn address(&self) -> u64 {
        self.address
    }
}

/// Bytes of a stub.
const STUB_BYTES: u64 = 16;
/// Stubs of a chunk.
const STUBS: u64 = PAGE / STUB_BYTES;
/// Bytes of a slot.
const SLOT_BYTES: u64 = size_of::<Slot>() as u64;

/// All exposed functions of an instance.
#[derive(Default)]
pub(super) struct Exposed {
    /// Code and slots, by the address of the code.
    chunks: BTreeMap<u64, Reservation>,
    /// Addresses of free slots' stubs.
    free: VecDeque<u64>,
    sigs: BTreeMap<SigId, Arc<ExposedSig>>,
    /// Signatures whose ids mean others now.
    refused: Vec<Arc<ExposedSig>>,
    count: usize,
}

impl Exposed {
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are stubs, used or not.
    pub fn has_stubs(&self) -> bool {
        !self.chunks.is_empty()
    }

    /// See [`super::NativeInterface::expose`]. `gate` does not move as long as this lives.
    pub fn expose(
        &mut self,
        gate: &Gate,
        exposed: ExposedFunction,
        native: &Arc<NativeSig>,
    ) -> Result<u64, ExposeError> {
        if self.free.is_empty() {
            self.add_chunk(gate).map_err(ExposeError)?;
        }
        let address = self.free.pop_front().expect("a new chunk has free slots");
        let slot = self.slot(address).expect("an address of a stub");
        let made = || Arc::new(ExposedSig { sig: exposed.sig, native: Arc::clone(native) });
        let sig = self.sigs.entry(exposed.sig).or_insert_with(made);
        if sig.native != *native {
            // The id was that of a bundle which was refused. Code that was exposed meanwhile may still look at it.
            let old = std::mem::replace(sig, made());
            self.refused.push(old);
        }
        let sig = Arc::as_ptr(sig).cast_mut();
        // SAFETY: the slot is free: only calls that are the client's fault read it now, and they read these words too.
        unsafe {
            (&raw mut (*slot).head.vector_bytes).write(vector_bytes(native));
            (*slot).function.store(exposed.function, Ordering::Relaxed);
            (*slot).cookie.store(exposed.cookie, Ordering::Relaxed);
            (*slot).sig.store(sig, Ordering::Release);
        }
        self.count += 1;
        Ok(address)
    }

    /// See [`super::NativeInterface::unexpose`].
    pub fn unexpose(&mut self, address: u64) -> bool {
        let Some(slot) = self.slot(address) else { return false };
        // SAFETY: the slot of a stub.
        let before = unsafe { (*slot).sig.swap(ptr::null_mut(), Ordering::AcqRel) };
        if before.is_null() {
            return false;
        }
        self.free.push_back(address);
        self.count -= 1;
        true
    }

    /// What is exposed at an address.
    pub fn find(&self, address: u64) -> Option<ExposedFunction> {
        let slot = self.slot(address)?;
        // SAFETY: the slot of a stub.
        unsafe { (*slot).load() }.map(|(exposed, _)| exposed)
    }

    /// The slot of the stub at an address.
    fn slot(&self, address: u64) -> Option<*mut Slot> {
        let (&code, _) = self.chunks.range(..=address).next_back()?;
        let offset = address - code;
        (offset < PAGE && offset.is_multiple_of(STUB_BYTES)).then(|| slot_pointer(code, offset / STUB_BYTES))
    }

    fn add_chunk(&mut self, gate: &Gate) -> Result<(), OsError> {
        let chunk = Reservation::new(PAGE + STUBS * SLOT_BYTES, PAGE)?;
        let code = chunk.base();
        for number in 0..STUBS {
            let address = code + number * STUB_BYTES;
            let slot = slot_pointer(code, number);
            // SAFETY: both lie in the new chunk, aligned, and nobody knows them yet.
            unsafe {
                ptr::with_exposed_provenance_mut::<[u8; STUB_BYTES as usize]>(address as usize)
                    .write(stub(address, slot.addr() as u64));
                let entry = (callback_entry as *const ()).expose_provenance() as u64;
                slot.write(Slot {
                    head: SlotHead { entry, gate, vector_bytes: 0 },
                    function: AtomicU64::new(0),
                    cookie: AtomicU64::new(0),
                    sig: AtomicPtr::default(),
                    address,
                });
            }
        }
        chunk.protect(0, PAGE, Access::Execute)?;
        self.free.extend((0..STUBS).map(|number| code + number * STUB_BYTES));
        self.chunks.insert(code, chunk);
        Ok(())
    }
}

fn slot_pointer(code: u64, number: u64) -> *mut Slot {
    ptr::with_exposed_provenance_mut((code + PAGE + number * SLOT_BYTES) as usize)
}

/// The machine code of a stub.
fn stub(address: u64, slot: u64) -> [u8; STUB_BYTES as usize] {
    // int3 where nothing shall be executed.
    let mut bytes = [0xcc; STUB_BYTES as usize];
    bytes[..4].copy_from_slice(&[0xf3, 0x0f, 0x1e, 0xfa]); // endbr64
    bytes[4..7].copy_from_slice(&[0x4c, 0x8d, 0x1d]); // lea r11, [rip + …]
    let distance = (slot - (address + 11)) as u32;
    bytes[7..11].copy_from_slice(&distance.to_le_bytes());
    bytes[11..14].copy_from_slice(&[0x41, 0xff, 0x23]); // jmp qword ptr [r11]
    bytes
}

/// How much of the vector registers the entry must save and load.
fn vector_bytes(sig: &NativeSig) -> u64 {
    let in_result = match &sig.result.place {
        ResultPlace::Memory => false,
        ResultPlace::Registers(registers) => {
            registers.iter().any(|register| matches!(register, Register::Vector { .. }))
        }
    };
    if sig.vector_registers > 0 || in_result { u64::from(sig.vector_bytes) } else { 0 }
}
