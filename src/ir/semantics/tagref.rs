//! The tagged reference type `tagref64` (spec: type-system, "Tagged Reference"; common-insts, `@uvm.tr64.*`).
//!
//! **What.** A `tagref64` is one word that holds a `double`, an `int<52>`, or a `ref<void>` with an `int<6>`
//! tag, and knows which.
//!
//! **Why this way.** The states share the NaNs of the double, all of which have eleven ones as exponent. Of
//! those, words ending in 1 are integers, words ending in 10 are references, the rest are doubles (among
//! them both infinities). Bit patterns are those of Zebu and of the Scala reference implementation, so
//! their published test vectors hold here. The address keeps its place in the word, which makes unpacking
//! one mask.
//!
//! ```text
//!    63  62         52 51      47 46                        3   2   1   0
//!   +---+-------------+----------+---------------------------+---+---+---+
//!   | any bits that do not match one of the lines below                  |  double
//!   +---+-------------+----------+---------------------------+---+---+---+
//!   | i | 1 1 ... 1 1 |             i[50..0]                         | 1 |  int<52>: i[51] in bit 63
//!   +---+-------------+----------+---------------------------+---+---+---+
//!   | a | 1 1 ... 1 1 | t[5..1]  |         a[46..3]          | t | 1   0 |  ref: a[47] in bit 63,
//!   +---+-------------+----------+---------------------------+---+---+---+       t[0] in bit 2
//! ```
//!
//! **Addresses.** `a` is a canonical 48-bit address (bits 63..47 equal) that is a multiple of 8. In practice
//! it is a user address, bits 63..47 zero, and bit 63 of the word is zero.
//!
//! **NaN.** A double that is NaN may look like an integer or a reference, so `from_fp` replaces the payload
//! of every NaN by 8 and keeps only its sign and its quiet bit. The spec allows it: a `tagref64` "does not
//! preserve the bit-wise representation of the NaN".
//!
//! **Invariants.** For every one of the 2^64 words exactly one of [`is_fp`], [`is_int`], [`is_ref`] is true.
//! The zero word is the double +0, the initial value that the spec asks for. A NULL reference is a reference
//! and keeps its tag. A collector needs only [`is_ref`], [`to_ref`] and, to move the object, [`with_ref`].
//! The `to_` functions are undefined behaviour of the program when the word is in another state; here they
//! then return something arbitrary, and debug builds assert.
//!
//! **Example.**
//! ```text
//! from_int(1)                       == 0x7ff0_0000_0000_0003
//! from_ref(0x7f12_3456_7890, 0x15)  == 0x7ff5_7f12_3456_7896
//! ```

/// The exponent of infinities and NaNs, which all words but doubles have.
const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
/// The sign of a double; also the top bit of the integer and bit 47 of the address.
const SIGN: u64 = 1 << 63;
/// The bit that tells a quiet NaN from a signalling one.
const QUIET: u64 = 1 << 51;
/// The payload given to every NaN: not zero, or it would be an infinity, and ending in 00.
const NAN_PAYLOAD: u64 = 8;
/// The bits of an address kept in place: 46..=3.
const ADDRESS: u64 = 0x7fff_ffff_fff8;
/// The bits of a word that hold the tag: 51..=47 and 2.
const TAG: u64 = 0x000f_8000_0000_0004;

/// `@uvm.tr64.is_int`: whether `tr` holds an integer.
#[inline]
pub const fn is_int(tr: u64) -> bool {
    tr & (EXPONENT | 1) == EXPONENT | 1
}

/// `@uvm.tr64.is_ref`: whether `tr` holds a reference (perhaps NULL).
#[inline]
pub const fn is_ref(tr: u64) -> bool {
    tr & (EXPONENT | 3) == EXPONENT | 2
}

/// `@uvm.tr64.is_fp`: whether `tr` holds an FP number.
#[inline]
pub const fn is_fp(tr: u64) -> bool {
    !is_int(tr) && !is_ref(tr)
}

/// `@uvm.tr64.from_fp`: holds `value`; of a NaN only the sign and the quiet bit survive.
#[inline]
pub const fn from_fp(value: f64) -> u64 {
    let bits = value.to_bits();
    if value.is_nan() { bits & (SIGN | EXPONENT | QUIET) | NAN_PAYLOAD } else { bits }
}

/// `@uvm.tr64.from_int`: holds the `int<52>` `value`.
#[inline]
pub const fn from_int(value: u64) -> u64 {
    debug_assert!(value >> 52 == 0);
    // Bit 51 moves to the sign, the other 51 bits one place up.
    EXPONENT | value << 12 & SIGN | value << 1 & ((1 << 52) - 1) | 1
}

/// `@uvm.tr64.from_ref`: holds the reference with address `addr` and the `int<6>` `tag`.
#[inline]
pub const fn from_ref(addr: u64, tag: u64) -> u64 {
    debug_assert!(to_address(from_address(addr)) == addr, "neither canonical nor aligned to 8");
    debug_assert!(tag >> 6 == 0);
    EXPONENT | from_address(addr) | (tag & 0x3e) << 46 | (tag & 1) << 2 | 2
}

/// `@uvm.tr64.to_fp`: the FP number that `tr` holds.
#[inline]
pub const fn to_fp(tr: u64) -> f64 {
    debug_assert!(is_fp(tr));
    f64::from_bits(tr)
}

/// `@uvm.tr64.to_int`: the `int<52>` that `tr` holds.
#[inline]
pub const fn to_int(tr: u64) -> u64 {
    debug_assert!(is_int(tr));
    tr >> 1 & ((1 << 51) - 1) | tr >> 12 & 1 << 51
}

/// `@uvm.tr64.to_ref`: the address of the reference that `tr` holds; 0 for NULL.
#[inline]
pub const fn to_ref(tr: u64) -> u64 {
    debug_assert!(is_ref(tr));
    to_address(tr)
}

/// `@uvm.tr64.to_tag`: the `int<6>` beside the reference that `tr` holds.
#[inline]
pub const fn to_tag(tr: u64) -> u64 {
    debug_assert!(is_ref(tr));
    tr >> 46 & 0x3e | tr >> 2 & 1
}

/// `tr`, which holds a reference, with the address replaced and the tag kept: what a moving collector does.
#[inline]
pub const fn with_ref(tr: u64, addr: u64) -> u64 {
    debug_assert!(is_ref(tr));
    debug_assert!(to_address(from_address(addr)) == addr, "neither canonical nor aligned to 8");
    tr & (EXPONENT | TAG | 3) | from_address(addr)
}

/// The address bits of a word: 46..=3 in place, 47 in the sign.
#[inline]
const fn from_address(addr: u64) -> u64 {
    addr & ADDRESS | addr << 16 & SIGN
}

/// The canonical address in a word: bits 46..=3, and the sign in 63..=47.
#[inline]
const fn to_address(tr: u64) -> u64 {
    tr & ADDRESS | ((tr as i64 >> 63) << 47) as u64
}

// The fields tile the word: exponent, sign, address, tag and the two state bits are disjoint and complete.
const _: () = assert!(EXPONENT ^ SIGN ^ ADDRESS ^ TAG ^ 3 == u64::MAX);
const _: () = assert!(EXPONENT | SIGN | ADDRESS | TAG | 3 == u64::MAX);

#[cfg(test)]
mod tests {
    use super::super::tests::Xorshift;
    use super::*;

    fn states(tr: u64) -> (bool, bool, bool) {
        (is_fp(tr), is_int(tr), is_ref(tr))
    }
    const FP: (bool, bool, bool) = (true, false, false);
    const INT: (bool, bool, bool) = (false, true, false);
    const REF: (bool, bool, bool) = (false, false, true);

    /// The vectors published with Zebu (tests/test_api/test_tr64.rs) and the Scala reference implementation.
    #[test]
    fn published_vectors() {
        for tr in [0x7ff0000000000001, 0xfff0000000000001, u64::MAX] {
            assert_eq!(states(tr), INT, "{tr:#x}");
        }
        for tr in [0x7ff0000000000002, 0xfff0000000000002, 0xfffffffffffffffe] {
            assert_eq!(states(tr), REF, "{tr:#x}");
        }
        for tr in [0, 0x123456789abcdef0, 0x7ff123456789abcc, 0xfffffffffffffffc, 0x400921fb5a7ed197] {
            assert_eq!(states(tr), FP, "{tr:#x}");
        }
        let ints = [
            (0, 0x7ff0000000000001),
            (0xfffffffffffff, u64::MAX),
            (0x5555555555555, 0x7ffaaaaaaaaaaaab),
            (0xaaaaaaaaaaaaa, 0xfff5555555555555),
            (0x8000000000000, 0xfff0000000000001),
        ];
        for (value, tr) in ints {
            assert_eq!((from_int(value), to_int(tr)), (tr, value));
        }
        let refs = [
            (0, 0, 0x7ff0000000000002),
            (0x7ffffffffff8, 0, 0x7ff07ffffffffffa),
            (0xfffffffffffffff8, 0, 0xfff07ffffffffffa),
            (0, 0x3f, 0x7fff800000000006),
            (0x555555555550, 0, 0x7ff0555555555552),
            (0xffffaaaaaaaaaaa8, 0, 0xfff02aaaaaaaaaaa),
            (0, 0x2a, 0x7ffa800000000002),
            (0, 0x15, 0x7ff5000000000006),
        ];
        for (addr, tag, tr) in refs {
            assert_eq!((from_ref(addr, tag), to_ref(tr), to_tag(tr)), (tr, addr, tag));
        }
        assert_eq!(from_fp(f64::INFINITY), 0x7ff0000000000000);
        assert_eq!(from_fp(f64::from_bits(0x7ff123456789abcd)), 0x7ff0000000000008);
        assert!(to_fp(0x7ff0000000000008).is_nan());
    }

    #[test]
    fn every_word_is_in_exactly_one_state() {
        let mut random = Xorshift::new(21);
        for round in 0..4000 {
            let noise = random.next();
            for word in [noise, noise | EXPONENT, noise & 0xf, noise & 0xf | EXPONENT, noise | 0xfff << 52] {
                let (fp, int, reference) = states(word);
                assert_eq!(fp as u8 + int as u8 + reference as u8, 1, "round {round}: {word:#x}");
            }
        }
    }

    #[test]
    fn doubles_survive_but_for_the_bits_of_nan() {
        let mut random = Xorshift::new(22);
        for _ in 0..4000 {
            let noise = random.next();
            for bits in [noise, noise | EXPONENT, noise & 0xf | EXPONENT, noise & SIGN] {
                let value = f64::from_bits(bits);
                let tr = from_fp(value);
                assert_eq!(states(tr), FP, "{bits:#x}");
                if value.is_nan() {
                    assert!(to_fp(tr).is_nan());
                    assert_eq!(tr & (SIGN | QUIET), bits & (SIGN | QUIET));
                    assert_eq!(from_fp(to_fp(tr)), tr);
                } else {
                    assert_eq!(to_fp(tr).to_bits(), bits);
                }
            }
        }
        assert_eq!(from_fp(0.0), 0, "the initial value");
    }

    #[test]
    fn integers_and_references_survive() {
        let mut random = Xorshift::new(23);
        for tag in 0..64 {
            assert_eq!(states(from_ref(0, tag)), REF);
            assert_eq!((to_ref(from_ref(0, tag)), to_tag(from_ref(0, tag))), (0, tag), "NULL keeps its tag");
            for _ in 0..64 {
                let value = random.next() >> 12;
                assert_eq!(states(from_int(value)), INT);
                assert_eq!(to_int(from_int(value)), value);

                let addr = random.next() >> 17 & !7;
                let tr = from_ref(addr, tag);
                assert_eq!(states(tr), REF);
                assert_eq!((to_ref(tr), to_tag(tr)), (addr, tag));
                let moved = random.next() >> 17 & !7;
                assert_eq!(with_ref(tr, moved), from_ref(moved, tag));
                assert_eq!(with_ref(tr, 0), from_ref(0, tag));
            }
        }
    }

    #[test]
    fn module_example() {
        assert_eq!(from_int(1), 0x7ff0_0000_0000_0003);
        assert_eq!(from_ref(0x7f12_3456_7890, 0x15), 0x7ff5_7f12_3456_7896);
    }
}
