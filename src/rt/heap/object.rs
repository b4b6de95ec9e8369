//! What an object looks like in memory.
//!
//! ```text
//!                 payload - 16      payload - 8         payload (aligned to 8 … 64)
//! fixed size    |                 | header            | value of the type            |
//! hybrid        | element count   | header            | fixed part | variable part   |
//!
//! header   63 62            48 47              32 31                             0
//!         | 1 | payload size  | flags            | canonical type index            |
//!         |   | in 8 bytes    | (collector state)|                                 |
//! ```
//!
//! Bit 63 tells a header from an element count (less than 2^63) and from the zeros between objects, so a block can be
//! walked from its beginning without any other table. The size field makes an object's extent known without its type;
//! objects too big for it are large objects, whose size is kept at the beginning of their first block.
//! A header is one constant per type: the JIT's inline allocation stores it with one instruction.

use mu_ir::ids::TypeId;

/// A header word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header(pub u64);

impl Header {
    /// Bytes before the payload of an object of fixed size.
    pub const BYTES: u64 = 8;
    /// Bytes before the payload of a hybrid: header and element count.
    pub const HYBRID_BYTES: u64 = 16;
    /// Set in every header.
    pub const TAG: u64 = 1 << 63;
    /// The object has a variable part, and its element count before the header.
    pub const HYBRID: u64 = 1 << 32;
    /// A large object, in blocks of its own.
    pub const LARGE: u64 = 1 << 33;
    /// A global cell: never collected, never moved.
    pub const IMMORTAL: u64 = 1 << 34;
    /// The least payload size, in bytes, that the size field cannot express.
    pub const SIZE_LIMIT: u64 = 1 << 18;

    /// A header. `size_bytes` is that of the payload; it is not recorded for large objects.
    #[inline]
    pub const fn new(ty: TypeId, size_bytes: u64, flags: u64) -> Header {
        let granules = if flags & Self::LARGE != 0 { 0 } else { size_bytes.div_ceil(8) };
        debug_assert!(granules < 1 << 15);
        Header(Self::TAG | granules << 48 | flags | ty.0 as u64)
    }

    /// Whether the word is a header at all.
    #[inline]
    pub const fn is_valid(self) -> bool {
        self.0 & Self::TAG != 0
    }

    /// The canonical type.
    #[inline]
    pub const fn ty(self) -> TypeId {
        TypeId(self.0 as u32)
    }

    /// Whether a flag is set.
    #[inline]
    pub const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    /// Payload size in bytes, a multiple of 8; 0 for large objects.
    #[inline]
    pub const fn size_bytes(self) -> u64 {
        (self.0 >> 48 & 0x7fff) * 8
    }

    /// Bytes before the payload.
    #[inline]
    pub const fn prefix_bytes(self) -> u64 {
        if self.has(Self::HYBRID) { Self::HYBRID_BYTES } else { Self::BYTES }
    }
}
