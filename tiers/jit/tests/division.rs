//! Division by constants, for every width and divisors around every edge.

use super::support::Bench;
use crate::code::stubs::Status;
use mu_ir::semantics::int;
use std::fmt::Write;

const OPS: [&str; 4] = ["UDIV", "UREM", "SDIV", "SREM"];

fn divisors(width: u32) -> Vec<u64> {
    let mask = int::mask(width);
    let mut found =
        vec![1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 25, 60, 100, 125, 625, 641, 1000, 10_000, 0xffff, 65_537];
    found.extend([1_000_000_007, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffb, 6_700_417, 274_177]);
    found.extend((1..width).map(|bit| 1 << bit));
    found.extend([mask, mask - 1, mask >> 1, (mask >> 1) + 1, (mask >> 1) + 2, mask - 6, mask - 9, mask / 3]);
    found.iter_mut().for_each(|d| *d &= mask);
    found.retain(|&d| d != 0);
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn quotients_and_remainders() {
    for width in [8u32, 16, 32, 64, 13, 33, 45, 63] {
        let divisors = divisors(width);
        let mut text = format!(".typedef @i = int<{width}>\n.funcsig @s = (@i) -> (@i)\n");
        for d in &divisors {
            let _ = writeln!(text, ".const @d{d} <@i> = {d}");
            for op in OPS {
                let _ = writeln!(
                    text,
                    ".funcdef @{op}.{d} VERSION %v1 <@s> {{ %e(<@i> %a): %r = {op} <@i> %a @d{d} RET %r }}"
                );
            }
        }
        let mut bench = Bench::load(&text);
        bench.compile();
        let mask = int::mask(width);
        for d in divisors {
            let mut dividends = vec![0, 1, 2, mask, mask - 1, mask >> 1, (mask >> 1) + 1, (mask >> 1) + 2];
            for near in [d, d.wrapping_mul(2), d.wrapping_mul(7), d.wrapping_mul(mask / d), d.wrapping_neg()]
            {
                dividends.extend([near.wrapping_sub(1) & mask, near & mask, near.wrapping_add(1) & mask]);
            }
            for a in dividends {
                let expected = [int::udiv, int::urem, int::sdiv, int::srem].map(|f| f(width, a, d));
                for (op, expected) in OPS.iter().zip(expected) {
                    let got = bench.call(&format!("@{op}.{d}"), &[a]);
                    assert_eq!(
                        got,
                        (Status::Returned, vec![expected.expect("no zero")]),
                        "{op} int<{width}> {a} {d}"
                    );
                }
            }
        }
    }
}
