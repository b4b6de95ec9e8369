//! The optimizer: passes over the SSA form, one per file.
//!
//! [`PASSES`] is the whole of it: names in the order in which they run. After each the checker runs in debug builds. Every
//! pass may stop early when the fuel is used up: each change costs one unit, so that a wrong program is bisected to the one
//! change that makes it wrong ([`Optimizer::with_fuel`]). [`Optimizer::dump`] collects the text after every pass.
//!
//! | pass | what it does |
//! |---|---|
//! | [`params`] | removes block parameters that always get the same value: Mu code becomes true SSA |
//! | [`constants`] | sparse conditional constant propagation |
//! | [`blocks`] | folds branches, removes and merges blocks |
//! | [`promote`] | ALLOCA cells become values |
//! | [`number`] | global value numbering, with the algebra of [`simplify`] and [`divide`] |
//! | [`forward`] | loads of what was stored or loaded before |
//! | [`invariant`] | moves what a loop does not change out of it |
//! | [`induction`] | products of loop counters become sums |
//! | [`dead`] | removes what nobody uses |
//! | [`polls`] | safepoint polls in loops; also without optimization |

pub mod blocks;
pub mod constants;
pub mod dead;
pub mod divide;
pub mod forward;
pub mod induction;
pub mod invariant;
pub mod number;
pub mod params;
pub mod polls;
pub mod promote;
pub mod simplify;

use crate::ssa::graph::Graph;
use crate::ssa::{Func, check};

/// A pass: whether it changed anything.
type Pass = fn(&mut Func, &mut Fuel) -> bool;

/// When a pass runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Always.
    Always,
    /// If the pass before it has changed something.
    Changed,
    /// If the function has a loop.
    Loops,
}

/// The passes, in order.
pub const PASSES: &[(&str, Pass, When)] = &[
    ("params", params::run, When::Always),
    ("promote", promote::run, When::Always),
    ("params", params::run, When::Changed),
    ("constants", constants::run, When::Always),
    ("blocks", blocks::run, When::Always),
    ("number", number::run, When::Always),
    ("forward", forward::run, When::Always),
    ("number", number::run, When::Changed),
    ("blocks", blocks::run, When::Always),
    ("params", params::run, When::Always),
    ("invariant", invariant::run, When::Loops),
    ("induction", induction::run, When::Loops),
    ("invariant", invariant::run, When::Changed),
    ("number", number::run, When::Loops),
    ("blocks", blocks::run, When::Loops),
    ("params", params::run, When::Loops),
    ("dead", dead::run, When::Always),
];

/// The passes that make the function fit for running: not for the sake of speed, so without fuel.
pub const LAST_PASSES: &[(&str, Pass, When)] = &[("polls", polls::run, When::Loops)];

/// How many changes passes may still make.
#[derive(Clone, Copy, Debug)]
pub struct Fuel(u64);

impl Fuel {
    /// Takes one unit; `false` when there is none.
    pub fn burn(&mut self) -> bool {
        match self.0.checked_sub(1) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

/// Runs the passes.
#[derive(Debug)]
pub struct Optimizer {
    fuel: Fuel,
    optimize: bool,
    polls: bool,
    dump: Option<Vec<(String, String)>>,
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer { fuel: Fuel(u64::MAX), optimize: true, polls: false, dump: None }
    }
}

impl Optimizer {
    /// An optimizer that makes at most so many changes.
    pub fn with_fuel(changes: u64) -> Optimizer {
        Optimizer { fuel: Fuel(changes), ..Optimizer::default() }
    }

    /// Only what must be done.
    pub fn minimal() -> Optimizer {
        Optimizer { optimize: false, ..Optimizer::default() }
    }

    /// Whether loops get safepoint polls.
    pub fn polls(mut self, polls: bool) -> Optimizer {
        self.polls = polls;
        self
    }

    /// Keeps the text of the function after every pass that changed it.
    pub fn dump(mut self) -> Optimizer {
        self.dump = Some(Vec::new());
        self
    }

    /// Runs all passes; gives the texts, if they are kept.
    pub fn run(mut self, func: &mut Func) -> Vec<(String, String)> {
        self.note("import", func);
        let (first, last) =
            (if self.optimize { PASSES } else { &[] }, if self.polls { LAST_PASSES } else { &[] });
        let passes = first.iter().chain(last);
        let (mut changed, mut loops) = (false, None);
        for (number, (name, pass, when)) in passes.enumerate() {
            let runs = match when {
                When::Always => true,
                When::Changed => changed,
                When::Loops => *loops.get_or_insert_with(|| has_loop(func)),
            };
            if !runs {
                changed = false;
                continue;
            }
            changed = pass(func, &mut self.fuel);
            if cfg!(debug_assertions)
                && let Err(what) = check::check(func)
            {
                panic!("{name} (pass {number}): {what}\n{func}");
            }
            if changed && let Some(dump) = &mut self.dump {
                dump.push(((*name).to_owned(), func.to_string()));
            }
        }
        self.dump.unwrap_or_default()
    }

    fn note(&mut self, name: &str, func: &Func) {
        if let Some(dump) = &mut self.dump {
            dump.push((name.to_owned(), func.to_string()));
        }
    }
}

/// Whether control can come back to a block. (Passes remove loops at most, so the first answer serves for all.)
fn has_loop(func: &Func) -> bool {
    let graph = Graph::new(func);
    graph
        .order
        .iter()
        .any(|&block| graph.succs(block).iter().any(|&succ| graph.position(succ) <= graph.position(block)))
}
