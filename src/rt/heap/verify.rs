//! The heap verifier: does what lies in memory make sense?
//!
//! It reads the blocks object by object and compares with what the start bits and the types say. Before the first
//! collection it reads all words, so that it also sees objects without a start bit; later there are dead objects between
//! the live ones, and it goes by the start bits. A fault is a bug of this project, or of native code that wrote where it should not.

use super::space::BlockKind;
use super::{BLOCK, Header, Heap, LARGE_PAYLOAD, ObjectInfo, UnitKind};
use crate::layout::{Layouts, LeafKind};
use mu_ir::semantics::tagref;
use std::sync::atomic::Ordering;

/// Something in the heap that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("heap fault at {address:#x}: {problem}")]
pub struct HeapFault {
    /// Where.
    pub address: u64,
    /// What is wrong there.
    pub problem: &'static str,
}

type Verdict = Result<(), HeapFault>;

pub(super) fn fault(address: u64, problem: &'static str) -> Verdict {
    Err(HeapFault { address, problem })
}

impl Heap {
    /// Checks every object: header, type, size, start bit, alignment, and that each reference in it is NULL or the
    /// beginning of an object. No thread may allocate meanwhile. Returns the number of units checked.
    ///
    /// # Errors
    /// The first fault, by address.
    pub fn verify(&self, layouts: &Layouts) -> Result<u64, HeapFault> {
        let mut units = 0;
        for block in self.blocks_taken() {
            if self.space.kind(block) == BlockKind::Small {
                self.space.settle(block);
            }
            match self.space.kind(block) {
                BlockKind::Free => fault(self.space.block_address(block), "a block in use is marked free")?,
                BlockKind::Small if self.epoch() == 0 => units += self.verify_small(block, layouts)?,
                BlockKind::Small => units += self.verify_starts(block, layouts)?,
                BlockKind::Large(first) if first == block => {
                    self.verify_unit(self.space.block_address(block) + LARGE_PAYLOAD, layouts)?;
                    units += 1;
                }
                BlockKind::Large(first) => {
                    if first > block || self.space.kind(first) != BlockKind::Large(first) {
                        fault(
                            self.space.block_address(block),
                            "part of a large object without its beginning",
                        )?;
                    }
                }
            }
        }
        Ok(units)
    }

    /// Checks the objects that begin in a block, and that they do not overlap.
    fn verify_starts(&self, block: u64, layouts: &Layouts) -> Result<u64, HeapFault> {
        let mut free_from = self.space.block_address(block);
        let end = free_from + BLOCK;
        let mut units = 0;
        for payload in self.space.starts_in(block) {
            let info = self.verify_unit(payload, layouts)?;
            let header = Header(self.space.word(payload - 8).load(Ordering::Relaxed));
            if payload - header.prefix_bytes() < free_from || payload + info.size_bytes > end {
                fault(payload, "objects that overlap or leave their block")?;
            }
            free_from = payload + info.size_bytes;
            units += 1;
        }
        Ok(units)
    }

    /// Walks a block object by object and compares with its start bits.
    fn verify_small(&self, block: u64, layouts: &Layouts) -> Result<u64, HeapFault> {
        let mut starts = self.space.starts_in(block);
        let mut at = self.space.block_address(block);
        let end = at + BLOCK;
        let mut units = 0;
        while at < end {
            let word = self.space.word(at).load(Ordering::Relaxed);
            let next = if at + 8 < end { self.space.word(at + 8).load(Ordering::Relaxed) } else { 0 };
            let payload = if Header(word).is_valid() {
                at + 8
            } else if Header(next).is_valid() && Header(next).has(Header::HYBRID) {
                at + 16
            } else if word == 0 {
                at += 8;
                continue;
            } else {
                return fault(at, "a word that belongs to no object").map(|()| 0);
            };
            if starts.next() != Some(payload) {
                fault(payload, "an object without its start bit")?;
            }
            let info = self.verify_unit(payload, layouts)?;
            at = payload + info.size_bytes;
            if at > end {
                fault(payload, "a small object that leaves its block")?;
            }
            units += 1;
        }
        match starts.next() {
            Some(address) => fault(address, "a start bit without an object").map(|()| 0),
            None => Ok(units),
        }
    }

    fn verify_unit(&self, payload: u64, layouts: &Layouts) -> Result<ObjectInfo, HeapFault> {
        let problem = |problem| HeapFault { address: payload, problem };
        let info = self.info_at(payload).ok_or(problem("no header"))?;
        let layout = layouts.known(info.ty).ok_or(problem("a type nobody has laid out"))?;
        let size = layout.unit_size(info.var_count).ok_or(problem("a size that cannot exist"))?;
        if size.next_multiple_of(8) != info.size_bytes {
            fault(payload, "the size in the header is not that of the type")?;
        }
        if !payload.is_multiple_of(layout.align_bytes.max(8)) {
            fault(payload, "a misaligned object")?;
        }
        if (info.kind == UnitKind::Heap) != self.space.is_heap(payload) {
            fault(payload, "the header names the wrong region")?;
        }
        if self.object_at(payload).is_none() {
            fault(payload, "an object that cannot be found")?;
        }
        let mut verdict = Ok(());
        layouts.for_each_ref(info.ty, info.var_count, |offset, kind| {
            if verdict.is_ok() {
                verdict = self.verify_reference(payload + offset, kind);
            }
        });
        verdict.map(|()| info)
    }

    fn verify_reference(&self, location: u64, kind: LeafKind) -> Verdict {
        let word = self.space.word(location).load(Ordering::Relaxed);
        let target = match kind {
            LeafKind::Ref | LeafKind::WeakRef => word,
            LeafKind::TagRef64 if tagref::is_ref(word) => tagref::to_ref(word),
            // An iref may also refer to an alloca cell; the rest refer to things outside the heap.
            _ => return Ok(()),
        };
        match target == 0 || self.object_at(target).is_some() {
            true => Ok(()),
            false => fault(location, "a reference to no object"),
        }
    }
}
