//! The optimizer: passes over the SSA form.

use crate::ssa::Func;

/// Runs all passes.
pub fn optimize(_func: &mut Func) {}
