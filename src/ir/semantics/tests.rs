//! Tests of the integer operations and of `rmw`, and the value generators that the other tests of this room
//! share.
//!
//! Narrow widths are checked against arithmetic on `i128` and `u128`, where no operation of n ≤ 64 bits
//! overflows: every pair of operands at widths 1..=5, boundary and random values at all other widths.
//! `int<128>` has no wider type to lean on, so it is checked against schoolbook arithmetic on its halves and
//! against the defining equations of division.

use super::int::{self, Status, mask, sign_extend, wide};
use super::rmw;

/// A small deterministic source of test values (Marsaglia's xorshift64).
pub(super) struct Xorshift(u64);

impl Xorshift {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Boundary values of `int<width>` and `random_count` random ones of random lengths.
pub(super) fn interesting(width: u32, random: &mut Xorshift, random_count: usize) -> Vec<u64> {
    let sign = 1 << (width - 1);
    let mut values =
        vec![0, 1, 2, 7, sign, sign - 1, sign | 1, mask(width), mask(width) - 1, u64::from(width)];
    for _ in 0..random_count {
        values.push(random.next() >> (random.next() % 64));
    }
    values.iter_mut().for_each(|x| *x &= mask(width));
    values.sort_unstable();
    values.dedup();
    values
}

/// As [`interesting`], for `int<128>`.
pub(super) fn interesting_wide(random: &mut Xorshift, random_count: usize) -> Vec<u128> {
    let sign = 1 << 127;
    let half = 1 << 64;
    let mut values = vec![0, 1, 2, 7, 127, 128, half - 1, half, half + 1, sign, sign - 1, sign + 1];
    values.extend([u128::MAX, u128::MAX - 1, !0 << 64]);
    for _ in 0..random_count {
        let bits = u128::from(random.next()) << 64 | u128::from(random.next());
        values.push(bits >> (random.next() % 128));
    }
    values
}

/// The operands of one narrow operation, read as numbers, and how numbers are written back.
struct Reference {
    width: u32,
    modulus: u128,
    unsigned: (u128, u128),
    signed: (i128, i128),
}

impl Reference {
    fn new(width: u32, a: u64, b: u64) -> Self {
        let modulus = 1u128 << width;
        let signed = |x: u64| {
            let x = i128::from(x);
            if x >= 1 << (width - 1) { x - (1 << width) } else { x }
        };
        Self { width, modulus, unsigned: (a.into(), b.into()), signed: (signed(a), signed(b)) }
    }

    fn wrap(&self, x: i128) -> u64 {
        x.rem_euclid(1 << self.width) as u64
    }

    /// Whether the number has no place among the signed numbers of this width.
    fn overflows(&self, x: i128) -> bool {
        x < -(1 << (self.width - 1)) || x >= 1 << (self.width - 1)
    }

    fn status(&self, result: u64, c: bool, v: bool) -> Status {
        Status { n: u128::from(result) >= self.modulus / 2, z: result == 0, c, v }
    }
}

fn check_add_sub_mul(width: u32, a: u64, b: u64) {
    let r = Reference::new(width, a, b);
    let ((ua, ub), (sa, sb)) = (r.unsigned, r.signed);

    let sum = ((ua + ub) % r.modulus) as u64;
    assert_eq!(int::add(width, a, b), sum);
    assert_eq!(int::status_add(width, a, b), r.status(sum, ua + ub >= r.modulus, r.overflows(sa + sb)));

    let difference = r.wrap(sa - sb);
    assert_eq!(int::sub(width, a, b), difference);
    assert_eq!(int::status_sub(width, a, b), r.status(difference, ua < ub, r.overflows(sa - sb)));

    let product = (ua * ub % r.modulus) as u64;
    assert_eq!(int::mul(width, a, b), product);
    assert_eq!(int::status_mul(width, a, b), r.status(product, ua * ub >= r.modulus, r.overflows(sa * sb)));
}

fn check_division(width: u32, a: u64, b: u64) {
    let r = Reference::new(width, a, b);
    let ((ua, ub), (sa, sb)) = (r.unsigned, r.signed);
    if b == 0 {
        for divide in [int::udiv, int::urem, int::sdiv, int::srem] {
            assert_eq!(divide(width, a, b), None);
        }
    } else {
        assert_eq!(int::udiv(width, a, b), Some((ua / ub) as u64));
        assert_eq!(int::urem(width, a, b), Some((ua % ub) as u64));
        assert_eq!(int::sdiv(width, a, b), Some(r.wrap(sa / sb)));
        assert_eq!(int::srem(width, a, b), Some(r.wrap(sa % sb)));
    }
}

fn check_shifts_and_bits(width: u32, a: u64, b: u64) {
    let r = Reference::new(width, a, b);
    // "the lowest m bits of op2 are used, where m is the smallest integer that 2^m >= n"
    let used_bits = (0..).find(|m| 1u32 << m >= width).unwrap();
    let power = 1u128 << (r.unsigned.1 % (1 << used_bits));
    assert_eq!(int::shl(width, a, b), (r.unsigned.0 * power % r.modulus) as u64);
    assert_eq!(int::lshr(width, a, b), (r.unsigned.0 / power) as u64);
    assert_eq!(int::ashr(width, a, b), r.wrap(r.signed.0.div_euclid(power as i128)));

    let bits = |f: fn(bool, bool) -> bool| {
        let bit = |i: u32| u64::from(f(a >> i & 1 == 1, b >> i & 1 == 1)) << i;
        (0..width).map(bit).sum::<u64>()
    };
    assert_eq!(int::bit_and(width, a, b), bits(|x, y| x && y));
    assert_eq!(int::bit_or(width, a, b), bits(|x, y| x || y));
    assert_eq!(int::bit_xor(width, a, b), bits(|x, y| x != y));
    assert_eq!(rmw::nand(width, a, b), bits(|x, y| !(x && y)));
}

fn check_comparisons(width: u32, a: u64, b: u64) {
    let r = Reference::new(width, a, b);
    let ((ua, ub), (sa, sb)) = (r.unsigned, r.signed);
    assert_eq!(sign_extend(width, a), sa as i64);
    assert_eq!((int::eq(a, b), int::ne(a, b)), (sa == sb, sa != sb));
    assert_eq!((int::sge(width, a, b), int::sgt(width, a, b)), (sa >= sb, sa > sb));
    assert_eq!((int::sle(width, a, b), int::slt(width, a, b)), (sa <= sb, sa < sb));
    assert_eq!((int::uge(a, b), int::ugt(a, b)), (ua >= ub, ua > ub));
    assert_eq!((int::ule(a, b), int::ult(a, b)), (ua <= ub, ua < ub));
    assert_eq!(rmw::max(width, a, b), r.wrap(sa.max(sb)));
    assert_eq!(rmw::min(width, a, b), r.wrap(sa.min(sb)));
    assert_eq!(rmw::umax(width, a, b), ua.max(ub) as u64);
    assert_eq!(rmw::umin(width, a, b), ua.min(ub) as u64);
    assert_eq!(int::status_of(width, a), r.status(a, false, false));
}

fn check_all(width: u32, a: u64, b: u64) {
    check_add_sub_mul(width, a, b);
    check_division(width, a, b);
    check_shifts_and_bits(width, a, b);
    check_comparisons(width, a, b);
}

#[test]
fn all_pairs_at_widths_1_to_5() {
    for width in 1..=5 {
        for a in 0..1 << width {
            for b in 0..1 << width {
                check_all(width, a, b);
            }
        }
    }
}

#[test]
fn interesting_pairs_at_every_other_width() {
    let mut random = Xorshift::new(1);
    for width in 6..=64 {
        let values = interesting(width, &mut random, 6);
        for &a in &values {
            for &b in &values {
                check_all(width, a, b);
            }
        }
    }
}

#[test]
fn every_shift_amount_at_every_width() {
    let mut random = Xorshift::new(2);
    for width in 7..=64u32 {
        for amount in 0..width.next_power_of_two() + 2 {
            for a in [1 << (width - 1), mask(width), random.next() & mask(width)] {
                check_shifts_and_bits(width, a, u64::from(amount) & mask(width));
            }
        }
    }
}

/// The rulings and the examples of the module texts, in plain numbers.
#[test]
fn rulings_and_examples() {
    assert_eq!((mask(1), mask(52), mask(64)), (1, 0xf_ffff_ffff_ffff, u64::MAX));
    assert_eq!((sign_extend(1, 1), sign_extend(8, 0x7f), sign_extend(64, u64::MAX)), (-1, 127, -1));

    assert_eq!(int::add(8, 200, 100), 44);
    assert_eq!(int::status_add(8, 200, 100), Status { n: false, z: false, c: true, v: false });

    // The least number divided by -1.
    for width in [1, 5, 8, 32, 52, 64] {
        let least = 1 << (width - 1);
        assert_eq!(int::sdiv(width, least, mask(width)), Some(least));
        assert_eq!(int::srem(width, least, mask(width)), Some(0));
    }
    assert_eq!(wide::sdiv(1 << 127, u128::MAX), Some(1 << 127));
    assert_eq!(wide::srem(1 << 127, u128::MAX), Some(0));

    assert_eq!(int::shl(32, 1, 33), 2);
    assert_eq!((int::shl(6, 1, 7), int::lshr(6, 0x3f, 7), int::ashr(6, 0x20, 7)), (0, 0, 0x3f));
    assert_eq!((int::shl(1, 1, 1), int::lshr(1, 1, 1), int::ashr(1, 1, 1)), (1, 1, 1));
    assert_eq!((wide::shl(1, 128), wide::shl(1, 127), wide::ashr(1 << 127, 127)), (1, 1 << 127, u128::MAX));

    assert_eq!(rmw::nand(8, 0xf0, 0xaa), 0x5f);
    assert_eq!((rmw::max(8, 0xff, 1), rmw::umax(8, 0xff, 1)), (1, 0xff));
    // The least 64-bit number times -1 overflows both as unsigned and as signed.
    let status = int::status_mul(64, 1 << 63, u64::MAX);
    assert_eq!(status, Status { n: true, z: false, c: true, v: true });
}

fn halves(x: u128) -> (u64, u64) {
    ((x >> 64) as u64, x as u64)
}

/// The 256-bit unsigned product as (high, low), by the schoolbook on 64-bit digits.
fn product_256(a: u128, b: u128) -> (u128, u128) {
    let ((a1, a0), (b1, b0)) = (halves(a), halves(b));
    let digit = |x: u64, y: u64| u128::from(x) * u128::from(y);
    let low = digit(a0, b0);
    // Three summands below 2^64, so no overflow.
    let middle =
        (low >> 64) + (digit(a1, b0) & u128::from(u64::MAX)) + (digit(a0, b1) & u128::from(u64::MAX));
    let high = (middle >> 64) + (digit(a1, b0) >> 64) + (digit(a0, b1) >> 64) + digit(a1, b1);
    (high, middle << 64 | low & u128::from(u64::MAX))
}

fn check_wide_add_sub_mul(a: u128, b: u128) {
    let ((a1, a0), (b1, b0)) = (halves(a), halves(b));
    let negative = |x: u128| x >> 127 == 1;
    let status = |result: u128, c, v| Status { n: negative(result), z: result == 0, c, v };

    let low = u128::from(a0) + u128::from(b0);
    let high = u128::from(a1) + u128::from(b1) + (low >> 64);
    let sum = high << 64 | low & u128::from(u64::MAX);
    assert_eq!(wide::add(a, b), sum);
    let overflow = negative(a) == negative(b) && negative(sum) != negative(a);
    assert_eq!(wide::status_add(a, b), status(sum, high >> 64 != 0, overflow));

    let difference = wide::sub(a, b);
    assert_eq!(wide::add(difference, b), a);
    let overflow = negative(a) != negative(b) && negative(difference) != negative(a);
    assert_eq!(wide::status_sub(a, b), status(difference, (a1, a0) < (b1, b0), overflow));

    let (high, product) = product_256(a, b);
    assert_eq!(wide::mul(a, b), product);
    // A negative operand was read as 2^128 too much; taking that back gives the high half of the signed
    // product, which fits 128 bits when it is the sign of the low half.
    let signed_high =
        high.wrapping_sub(if negative(a) { b } else { 0 }).wrapping_sub(if negative(b) { a } else { 0 });
    let overflow = signed_high != if negative(product) { u128::MAX } else { 0 };
    assert_eq!(wide::status_mul(a, b), status(product, high != 0, overflow), "{a:#x} {b:#x}");
}

fn check_wide_division(a: u128, b: u128) {
    let (Some(q), Some(r)) = (wide::udiv(a, b), wide::urem(a, b)) else {
        assert_eq!(b, 0);
        assert_eq!((wide::udiv(a, b), wide::urem(a, b)), (None, None));
        assert_eq!((wide::sdiv(a, b), wide::srem(a, b)), (None, None));
        return;
    };
    assert_ne!(b, 0);
    assert!(r < b && product_256(q, b) == (0, a - r));

    let (q, r) = (wide::sdiv(a, b).unwrap(), wide::srem(a, b).unwrap());
    let (sa, sb, sr) = (a as i128, b as i128, r as i128);
    assert_eq!(wide::add(wide::mul(q, b), r), a, "holds modulo 2^128 even where SDIV overflows");
    assert!(sr.unsigned_abs() < sb.unsigned_abs());
    assert!(sr == 0 || (sr < 0) == (sa < 0));
    assert_eq!((q as i128).unsigned_abs(), sa.unsigned_abs() / sb.unsigned_abs());
}

fn check_wide_shifts_and_bits(a: u128, b: u128) {
    let (mut left, mut right, mut arithmetic) = (a, a, a as i128);
    for _ in 0..b % 128 {
        left = left.wrapping_add(left);
        right /= 2;
        arithmetic = arithmetic.div_euclid(2);
    }
    assert_eq!((wide::shl(a, b), wide::lshr(a, b), wide::ashr(a, b)), (left, right, arithmetic as u128));

    let ((a1, a0), (b1, b0)) = (halves(a), halves(b));
    let joined = |f: fn(u32, u64, u64) -> u64| u128::from(f(64, a1, b1)) << 64 | u128::from(f(64, a0, b0));
    assert_eq!(wide::bit_and(a, b), joined(int::bit_and));
    assert_eq!(wide::bit_or(a, b), joined(int::bit_or));
    assert_eq!(wide::bit_xor(a, b), joined(int::bit_xor));
    assert_eq!(rmw::wide::nand(a, b), joined(rmw::nand));
}

fn check_wide_comparisons(a: u128, b: u128) {
    let (ua, ub) = (halves(a), halves(b));
    let (sa, sb) = ((ua.0 as i64, ua.1), (ub.0 as i64, ub.1));
    assert_eq!((wide::eq(a, b), wide::ne(a, b)), (ua == ub, ua != ub));
    assert_eq!((wide::sge(a, b), wide::sgt(a, b)), (sa >= sb, sa > sb));
    assert_eq!((wide::sle(a, b), wide::slt(a, b)), (sa <= sb, sa < sb));
    assert_eq!((wide::uge(a, b), wide::ugt(a, b)), (ua >= ub, ua > ub));
    assert_eq!((wide::ule(a, b), wide::ult(a, b)), (ua <= ub, ua < ub));
    assert_eq!(rmw::wide::max(a, b), if sa > sb { a } else { b });
    assert_eq!(rmw::wide::min(a, b), if sa < sb { a } else { b });
    assert_eq!(rmw::wide::umax(a, b), if ua > ub { a } else { b });
    assert_eq!(rmw::wide::umin(a, b), if ua < ub { a } else { b });
    assert_eq!(wide::status_of(a), Status { n: sa.0 < 0, z: a == 0, c: false, v: false });
}

#[test]
fn wide_operations() {
    let mut random = Xorshift::new(3);
    let values = interesting_wide(&mut random, 40);
    for &a in &values {
        for &b in &values {
            check_wide_add_sub_mul(a, b);
            check_wide_division(a, b);
            check_wide_shifts_and_bits(a, b);
            check_wide_comparisons(a, b);
        }
    }
}

/// `rmw` shares ADD, SUB, AND, OR and XOR with `int`; this fails if a re-export goes astray.
#[test]
fn rmw_shares_the_binary_operations() {
    let (a, b) = (0b1100, 0b1010);
    assert_eq!((rmw::add(4, a, b), rmw::sub(4, a, b)), (0b0110, 0b0010));
    assert_eq!(
        (rmw::bit_and(4, a, b), rmw::bit_or(4, a, b), rmw::bit_xor(4, a, b)),
        (0b1000, 0b1110, 0b0110)
    );
    let (a, b) = (u128::from(a), u128::from(b));
    assert_eq!((rmw::wide::add(a, b), rmw::wide::sub(a, b)), (22, 2));
    assert_eq!(
        (rmw::wide::bit_and(a, b), rmw::wide::bit_or(a, b), rmw::wide::bit_xor(a, b)),
        (0b1000, 0b1110, 0b0110)
    );
}
