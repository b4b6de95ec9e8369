//! The back end for x86-64: layout, lowering, register allocation, emission.
//!
//! ```text
//! Func ── layout (splits edges, orders blocks) ── lower ── VCode ── regalloc ── emit ── Emitted (bytes, maps, relocations)
//!                                                             └ replay checks the maps (debug builds)
//! ```

pub mod emit;
pub mod inst;
pub mod layout;
pub mod lower;
pub mod regalloc;
pub mod regs;
pub mod replay;

use crate::import::Unsupported;
use crate::ssa::Func;
use crate::ssa::graph::Graph;
use emit::Emitted;
use lower::Cpu;
use regalloc::{Effort, Workspace};

/// Compiles an optimized function to code without a place.
///
/// # Errors
/// What the back end cannot do.
pub fn generate(
    func: &mut Func,
    cpu: Cpu,
    effort: Effort,
    workspace: &mut Workspace,
) -> Result<Emitted, Unsupported> {
    layout::split_switches(func);
    layout::split_edges(func);
    let graph = Graph::new(func);
    let (numbered, placed) = layout::order(func, &graph);
    let mut code = lower::lower(func, &graph, &numbered, cpu)?;
    regalloc::add_stack_maps(&mut code);
    let output = regalloc::allocate(&code, effort, workspace)?;
    if cfg!(debug_assertions)
        && let Err(what) = replay::check(&code, &output)
    {
        panic!("the stack maps are wrong: {what}");
    }
    let mut number = vec![0; func.blocks.len()];
    numbered.iter().enumerate().for_each(|(at, block)| number[block.index()] = at as u32);
    let placed: Vec<u32> = placed.iter().map(|block| number[block.index()]).collect();
    let polls = replay::poll_maps(&code, &output);
    Ok(emit::emit(&code, &output, &placed, &polls))
}
