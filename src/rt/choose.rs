//! The one source of nondeterminism of an instance.
//!
//! **What.** What the specification leaves open while a program runs (which thread goes on and for how long, whether a
//! weak CMPXCHG fails without a reason, whether a futex wait ends without one) is drawn from one [`Chooser`], a
//! generator with a seed. Two runs of one program with one seed do the same, instruction by instruction.
//!
//! **Why this way.** One generator, because two would have to be kept in step to repeat a run. Nothing is drawn while
//! there is nothing to choose: a program of one thread does not depend on the seed. The generator is SplitMix64
//! (Steele, Lea, Flood 2014): one addition and two multiplications, every seed is a good one.
//!
//! **Example.**
//! ```
//! use mu_rt::choose::Chooser;
//!
//! let (mut one, mut same) = (Chooser::new(7), Chooser::new(7));
//! let drawn: Vec<u64> = (0..4).map(|_| one.below(10)).collect();
//! assert!(drawn.iter().all(|&number| number < 10));
//! assert_eq!(drawn, (0..4).map(|_| same.below(10)).collect::<Vec<_>>());
//! ```

/// How threads are scheduled in the deterministic mode, and how often what may fail spuriously does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// The seed of the [`Chooser`].
    pub seed: u64,
    /// Mean number of instructions a thread executes before another may go on; 0: threads only give way when they wait
    /// or end. With one thread that can go on nothing is interrupted.
    pub preempt: u64,
    /// How many of a hundred weak CMPXCHG that could succeed fail.
    pub weak_failures: u8,
    /// How many of a hundred futex waits that put the thread to sleep end without a reason, some time later.
    pub spurious_wakes: u8,
}

impl Schedule {
    /// The mean slice when nothing else is said: long enough to cost nothing, short enough to interleave.
    pub const PREEMPT: u64 = 1000;
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { seed: 0, preempt: Self::PREEMPT, weak_failures: 0, spurious_wakes: 0 }
    }
}

/// A generator of choices.
#[derive(Clone, Debug)]
pub struct Chooser {
    state: u64,
}

impl Chooser {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Chooser {
        Chooser { state: seed }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number below `bound`; 0 if `bound` is 0 or 1, without drawing.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 1 to 2 × `mean` − 1, all equally likely: `mean` on the average.
    pub fn around(&mut self, mean: u64) -> u64 {
        1 + self.below(mean.saturating_mul(2).saturating_sub(1))
    }

    /// True `rate` times of a hundred; nothing is drawn for a rate of 0.
    pub fn percent(&mut self, rate: u8) -> bool {
        rate > 0 && self.below(100) < rate.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_bounds_and_have_their_mean() {
        let mut chooser = Chooser::new(1);
        for mean in [1, 2, 10, 1000] {
            let sum: u64 = (0..10_000)
                .map(|_| {
                    let number = chooser.around(mean);
                    assert!((1..2 * mean).contains(&number));
                    number
                })
                .sum();
            assert!(sum.abs_diff(mean * 10_000) < mean * 300, "{sum}");
        }
        assert_eq!((chooser.below(0), chooser.below(1)), (0, 0));
        assert!(chooser.around(u64::MAX) > 0);
    }

    #[test]
    fn rates_are_kept() {
        let mut chooser = Chooser::new(2);
        let count = |chooser: &mut Chooser, rate| (0..10_000).filter(|_| chooser.percent(rate)).count();
        assert_eq!((count(&mut chooser, 0), count(&mut chooser, 100)), (0, 10_000));
        assert!(count(&mut chooser, 20).abs_diff(2000) < 300);
    }

    #[test]
    fn seeds_differ() {
        let draw = |seed| (0..8).map(|_| Chooser::new(seed).bits()).collect::<Vec<_>>();
        assert_ne!(draw(0), draw(1));
    }
}
