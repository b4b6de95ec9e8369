//! The code map: from an address in compiled code to the function version, its safepoint, its source.
//!
//! What the collector (slots of a frame), the unwinder (where an exception lands) and introspection (which instruction a
//! frame stands at) ask. Functions are kept by address, safepoints of each by offset: two binary searches.

use crate::ssa::{Place, Slot};
use crate::x64::emit::{Emitted, Safepoint};
use mu_ir::ids::FuncVerId;

/// A compiled function version at its place.
#[derive(Debug)]
pub struct Compiled {
    /// The version.
    pub version: FuncVerId,
    /// Where its code begins; this is its entry.
    pub entry: u64,
    /// Bytes of code, constants and tables.
    pub bytes: u32,
    /// Bytes of instructions.
    pub code_bytes: u32,
    /// Bytes of the frame below rbp.
    pub frame_bytes: u32,
    /// Safepoints, by offset of the return address.
    pub safepoints: Vec<Safepoint>,
    /// Frame cells (ALLOCA): offset from rbp, what they are.
    pub cells: Vec<(i32, Slot)>,
    /// Where the code of each Mu instruction begins.
    pub sources: Vec<(u32, u32)>,
    /// Place of each source.
    pub places: Vec<Place>,
}

impl Compiled {
    /// What is known when the code has its place.
    pub fn new(
        version: FuncVerId,
        entry: u64,
        emitted: Emitted,
        cells: Vec<(i32, Slot)>,
        places: Vec<Place>,
    ) -> Compiled {
        Compiled {
            version,
            entry,
            bytes: emitted.bytes.len() as u32,
            code_bytes: emitted.code_bytes,
            frame_bytes: emitted.frame_bytes,
            safepoints: emitted.safepoints,
            cells,
            sources: emitted.sources,
            places,
        }
    }

    /// The safepoint whose return address this is.
    pub fn safepoint(&self, address: u64) -> Option<&Safepoint> {
        let offset = u32::try_from(address.checked_sub(self.entry)?).ok()?;
        let at = self.safepoints.binary_search_by_key(&offset, |safepoint| safepoint.offset).ok()?;
        Some(&self.safepoints[at])
    }

    /// The Mu instruction an address belongs to.
    pub fn place(&self, address: u64) -> Option<Place> {
        let offset = u32::try_from(address.checked_sub(self.entry)?).ok()?;
        let after = self.sources.partition_point(|(start, _)| *start <= offset);
        let (_, source) = self.sources.get(after.checked_sub(1)?)?;
        self.places.get(*source as usize).copied()
    }
}

/// All compiled functions of an instance.
#[derive(Debug, Default)]
pub struct CodeMap {
    /// By ascending entry: code is handed out in order.
    functions: Vec<Compiled>,
}

impl CodeMap {
    /// Adds a function, whose code lies behind all others.
    pub fn add(&mut self, compiled: Compiled) -> &Compiled {
        debug_assert!(self.functions.last().is_none_or(|last| last.entry < compiled.entry));
        self.functions.push(compiled);
        &self.functions[self.functions.len() - 1]
    }

    /// The function an address lies in.
    pub fn find(&self, address: u64) -> Option<&Compiled> {
        let after = self.functions.partition_point(|function| function.entry <= address);
        let function = &self.functions[after.checked_sub(1)?];
        (address < function.entry + u64::from(function.bytes)).then_some(function)
    }

    /// All functions, by address.
    pub fn functions(&self) -> &[Compiled] {
        &self.functions
    }

    /// The newest code of a version.
    pub fn of(&self, version: FuncVerId) -> Option<&Compiled> {
        self.functions.iter().rev().find(|function| function.version == version)
    }
}
