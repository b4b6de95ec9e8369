//! Identifiers: the 32-bit ids clients see, and the dense indexes used inside.
//!
//! Every identified entity (uvm-ir, "Identifiers and Names") has a [`MuId`]. Inside, entities are reached by dense
//! indexes, one newtype per kind, so that a table of types cannot be indexed by a function by mistake.

use std::fmt;

/// An id as clients see it. 0 is no id; 1..=65535 are reserved for Mu; bundles get ids from 65536 up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MuId(pub u32);

impl MuId {
    /// The invalid id 0, also the answer "none" of the client interface.
    pub const NONE: MuId = MuId(0);
    /// The first id given to an entity of a bundle.
    pub const FIRST_USER: u32 = 65536;
}

impl fmt::Debug for MuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

macro_rules! index_types {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as `usize`.
            #[inline]
            pub fn index(self) -> usize { self.0 as usize }
            /// Makes an index from a position in its table. Tables hold fewer than 2^32 entries.
            #[inline]
            pub fn new(index: usize) -> Self {
                debug_assert!(index < u32::MAX as usize);
                Self(index as u32)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "{}"), self.0)
            }
        }
    )*};
}

index_types! {
    /// A type of a [`crate::program::Program`]: a `.typedef`, or a type derived by an instruction.
    TypeId;
    /// A function signature.
    SigId;
    /// A constant.
    ConstId;
    /// A global cell.
    GlobalId;
    /// A function.
    FuncId;
    /// A version of a function.
    FuncVerId;
    /// An exposed function (`.expose`).
    ExposeId;
    /// A basic block, numbered within its function version; block 0 is the entry block.
    BlockIdx;
    /// An instruction, numbered within its basic block.
    InstIdx;
    /// A local SSA variable (parameter, exception parameter or result), numbered within its function version.
    VarIdx;
    /// A source text of a program, for spans.
    SourceId;
    /// A symbol of a draft: a name or a reserved id that definitions and uses share.
    Sym;
}
