//! Parallel moves, one after the other.
//!
//! The arguments of a branch are read before any parameter is written, and parameters and arguments share slots.
//! A move can be done once nobody else still wants to read the slot it overwrites. What cannot be ordered that way is
//! a set of simple cycles; each is opened by saving one slot in a scratch slot.
//!
//! ```text
//! 1 ← 0, 2 ← 1            2 ← 1, 1 ← 0
//! 0 ← 1, 1 ← 0            s ← 0, 0 ← 1, 1 ← s
//! ```

use crate::code::Slot;
use std::collections::BTreeMap;

/// Appends an order of `moves` (to, from) to `out`. Targets are distinct.
pub fn sequence(moves: &[(Slot, Slot)], scratch: Slot, out: &mut Vec<(Slot, Slot)>) {
    let mut from_of: BTreeMap<Slot, Slot> = moves.iter().copied().filter(|(to, from)| to != from).collect();
    if from_of.is_empty() {
        return;
    }
    let mut readers: BTreeMap<Slot, u32> = BTreeMap::new();
    for &from in from_of.values() {
        *readers.entry(from).or_insert(0) += 1;
    }
    let mut ready: Vec<Slot> = from_of.keys().rev().copied().filter(|to| !readers.contains_key(to)).collect();
    while let Some(to) = ready.pop() {
        let Some(from) = from_of.remove(&to) else { continue };
        out.push((to, from));
        if let Some(count) = readers.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&from);
                if from_of.contains_key(&from) {
                    ready.push(from);
                }
            }
        }
    }
    // Only simple cycles are left: every target is read by exactly one other move.
    while let Some((&first, _)) = from_of.first_key_value() {
        out.push((scratch, first));
        let mut to = first;
        while let Some(from) = from_of.remove(&to) {
            let last = from == first;
            out.push((to, if last { scratch } else { from }));
            if last {
                break;
            }
            to = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order must give what reading everything first gives.
    fn check(moves: &[(Slot, Slot)]) {
        let mut slots: Vec<u32> = (100..120).collect();
        let mut expected = slots.clone();
        for &(to, from) in moves {
            expected[to as usize] = slots[from as usize];
        }
        let mut out = Vec::new();
        sequence(moves, 19, &mut out);
        for (to, from) in out {
            slots[to as usize] = slots[from as usize];
        }
        assert_eq!(slots[..19], expected[..19], "{moves:?}");
    }

    #[test]
    fn chains_fans_and_cycles() {
        check(&[]);
        check(&[(3, 3)]);
        check(&[(1, 0), (2, 1)]);
        check(&[(0, 1), (1, 0)]);
        check(&[(0, 1), (1, 2), (2, 0), (3, 0)]);
        check(&[(0, 5), (1, 5), (5, 0)]);
        check(&[(0, 1), (1, 0), (2, 3), (3, 2), (4, 2)]);
    }

    #[test]
    fn every_function_of_four_slots_to_four() {
        for code in 0..256u32 {
            let moves: Vec<(Slot, Slot)> = (0..4).map(|to| (to, code >> (2 * to) & 3)).collect();
            check(&moves);
        }
    }
}
