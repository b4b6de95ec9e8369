//! Binary operations, comparison, conversion and SELECT on values of any type (instruction-set, "Basic Operations").
//!
//! The loop in [`crate::exec`] does the frequent scalar cases itself. Everything else comes here: vectors, 128-bit
//! integers, exception clauses, status results, conversions with floating point numbers. A lane is one or two words;
//! an operation is done lane by lane by `mu_ir::eval`.

use crate::code::{LaneInfo, NONE, SelectLanesInfo, Slot};
use crate::exec::{Flow, Here};
use mu_ir::eval::{self, Lane, LaneOp};
use mu_ir::semantics::int::Status;
use mu_ir::table::IntOp;
use mu_ir::ub::Ub;

/// Any element-wise operation.
pub(crate) fn lanes(here: &Here<'_>, info: &LaneInfo) -> Flow {
    let (from_words, to_words) = (info.from.words(), info.to.words());
    for lane in 0..info.lanes {
        let a = get(here, info.from, info.a + lane * from_words);
        let b = match info.op {
            _ if info.b == NONE => 0,
            // The amount; lenient loading admits shorter integers than the value, and its low word is all that counts.
            LaneOp::Int(IntOp::Shl | IntOp::LShr | IntOp::AShr) => {
                here.get(info.b + lane * from_words).into()
            }
            LaneOp::Int(_) | LaneOp::Fp(_) | LaneOp::Cmp(_) | LaneOp::FpCmp(_) | LaneOp::Conv(_) => {
                get(here, info.from, info.b + lane * from_words)
            }
        };
        let Some(result) = eval::lane(info.op, info.from, info.to, a, b) else {
            return Flow::failed(info.exc, Ub::DivideByZero);
        };
        put(here, info.to, info.d + lane * to_words, result);
        if let LaneOp::Int(op) = info.op
            && info.status != [NONE; 4]
        {
            put_status(here, info, eval::status(op, info.from, a, b, result));
        }
    }
    Flow::normal(info.nor)
}

fn get(here: &Here<'_>, kind: Lane, slot: Slot) -> u128 {
    if kind == Lane::Wide { here.get_wide(slot) } else { here.get(slot).into() }
}

fn put(here: &Here<'_>, kind: Lane, slot: Slot, value: u128) {
    if kind == Lane::Wide { here.set_wide(slot, value) } else { here.set(slot, value as u64) }
}

fn put_status(here: &Here<'_>, info: &LaneInfo, status: Status) {
    for (slot, flag) in info.status.into_iter().zip([status.n, status.z, status.c, status.v]) {
        if slot != NONE {
            here.set(slot, flag.into());
        }
    }
}

/// SELECT of values of several words, or lane by lane.
pub(crate) fn select_lanes(here: &Here<'_>, info: SelectLanesInfo) -> Flow {
    for lane in 0..info.lanes {
        let chosen = if here.get(info.c + lane) != 0 { info.a } else { info.b };
        for word in lane * info.words..(lane + 1) * info.words {
            here.set(info.d + word, here.get(chosen + word));
        }
    }
    Flow::Next
}
