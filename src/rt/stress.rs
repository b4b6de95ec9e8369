//! Stress modes of the collector: collections where nobody expects them.
//!
//! | text       | meaning                                                                                       |
//! |------------|-----------------------------------------------------------------------------------------------|
//! | `every:N`  | collect at every Nth allocation                                                               |
//! | `safepoint`| collect at every safepoint: calls, allocations, traps, branches, stack switches               |
//! | `move`     | every collection moves every object that is not pinned to an address never used before; old pages fault |
//! | `fail:K`   | the Kth allocation fails                                                                      |
//!
//! They combine with commas: `safepoint,move`. Each counts what it forced, so that a run can prove it did something.
//!
//! Programs that keep many objects alive are *thinned*: with more than [`THINNING`] objects and stacks alive, that many
//! times fewer collections are forced, so that the time a stress run takes stays proportional to the time without.

use std::fmt;
use std::str::FromStr;

/// With up to so many objects and stacks alive every collection that is due is forced; with n times as many, every nth.
pub const THINNING: u64 = 250;

/// Which stress modes are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GcStress {
    /// Collect at every Nth allocation.
    pub every: Option<u64>,
    /// Collect at every safepoint.
    pub safepoint: bool,
    /// Move everything at every collection, to fresh addresses.
    pub move_all: bool,
    /// The number (from 1) of the allocation that fails.
    pub fail_at: Option<u64>,
}

impl GcStress {
    /// Whether allocations have to ask.
    pub fn at_allocations(&self) -> bool {
        self.every.is_some() || self.fail_at.is_some()
    }
}

impl FromStr for GcStress {
    type Err = String;

    fn from_str(text: &str) -> Result<GcStress, String> {
        let mut stress = GcStress::default();
        for part in text.split(',') {
            let part = part.trim();
            let number = |text: &str| match text.parse::<u64>() {
                Ok(number) if number > 0 => Ok(Some(number)),
                _ => Err(format!("`{part}`: write a number from 1 on after the colon")),
            };
            match part.split_once(':') {
                Some(("every", text)) => stress.every = number(text)?,
                Some(("fail", text)) => stress.fail_at = number(text)?,
                None if part == "safepoint" => stress.safepoint = true,
                None if part == "move" => stress.move_all = true,
                _ => return Err(format!("`{part}` is no stress mode: every:N, safepoint, move, fail:K")),
            }
        }
        Ok(stress)
    }
}

impl fmt::Display for GcStress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.every.map(|every| format!("every:{every}")),
            self.safepoint.then(|| "safepoint".to_owned()),
            self.move_all.then(|| "move".to_owned()),
            self.fail_at.map(|at| format!("fail:{at}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(","))
    }
}

/// What the stress modes did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StressCounts {
    /// Allocations seen (only counted while a mode looks at allocations).
    pub allocations: u64,
    /// Collections forced at allocations.
    pub allocation_collections: u64,
    /// Collections forced at safepoints.
    pub safepoint_collections: u64,
    /// Collections that were due and not forced, since the last that was.
    pub thinned: u64,
    /// Objects and stacks alive after the last collection.
    pub alive: u64,
    /// Allocations that were made to fail.
    pub failures: u64,
}

impl StressCounts {
    /// Whether a collection that is due happens.
    pub(crate) fn force(&mut self) -> bool {
        self.thinned += 1;
        let force = self.thinned.saturating_mul(THINNING) >= self.alive;
        if force {
            self.thinned = 0;
        }
        force
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_written() {
        for text in ["every:3", "safepoint,move", "move,fail:17", "every:1,safepoint,move,fail:2"] {
            assert_eq!(text.parse::<GcStress>().unwrap().to_string(), text);
        }
        for wrong in ["", "every", "every:0", "every:x", "moved", "fail:-1", "safepoint:1"] {
            assert!(wrong.parse::<GcStress>().is_err(), "{wrong}");
        }
    }
}
