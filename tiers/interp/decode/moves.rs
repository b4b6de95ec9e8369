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

/// Appends an order of `moves` (to, from) to `out`. Targets are distinct. Work is n log n in their number.
pub fn sequence(moves: &[(Slot, Slot)], scratch: Slot, out: &mut Vec<(Slot, Slot)>) {
    let mut open: Vec<(Slot, Slot)> = moves.iter().copied().filter(|(to, from)| to != from).collect();
    open.sort_unstable();
    // For each move the one that overwrites what it reads, and how many others read what it overwrites.
    let overwriter: Vec<Option<usize>> =
        open.iter().map(|&(_, from)| open.binary_search_by_key(&from, |&(to, _)| to).ok()).collect();
    let mut readers = vec![0u32; open.len()];
    for &other in overwriter.iter().flatten() {
        readers[other] += 1;
    }
    let mut done = vec![false; open.len()];
    let mut ready: Vec<usize> = (0..open.len()).rev().filter(|&at| readers[at] == 0).collect();
    while let Some(at) = ready.pop() {
        done[at] = true;
        out.push(open[at]);
        if let Some(other) = overwriter[at] {
            readers[other] -= 1;
            if readers[other] == 0 {
                ready.push(other);
            }
        }
    }
    // Only simple cycles are left: every target is read by exactly one other move.
    for first in 0..open.len() {
        if done[first] {
            continue;
        }
        out.push((scratch, open[first].0));
        let mut at = first;
        loop {
            done[at] = true;
            let (to, from) = open[at];
            match overwriter[at].filter(|&other| other != first) {
                Some(other) => {
                    out.push((to, from));
                    at = other;
                }
                None => {
                    out.push((to, scratch));
                    break;
                }
            }
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
