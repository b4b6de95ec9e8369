//! Redundant block parameters: one that gets the same value from every edge *is* that value.
//!
//! Mu's blocks see only their own parameters, so everything that lives on is passed along: after this pass it is used
//! directly, wherever its definition dominates. Optimistic, so that parameters of a loop that only hand a value round
//! vanish together: each begins as "nothing known", is what its edges agree on as far as they are known, and is itself
//! for good once they disagree.
//!
//! ```text
//! b0(v0): jump b1(v0, 0)                          b0(v0): jump b1(0)
//! b1(v1, v2): … branch c b1(v1, v3) b2(v1)   →    b1(v2): … branch c b1(v3) b2()
//! b2(v4): ret v4                                  b2(): ret v0
//! ```

use super::Fuel;
use crate::ssa::graph::Graph;
use crate::ssa::{Args, Block, Func, Value};

/// Removes redundant parameters. (What one run leaves because a value became known late, the next one finds.)
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    if func.blocks.iter().skip(1).all(|block| block.params.is_empty()) {
        return false;
    }
    let graph = Graph::new(func);
    // What each parameter is known to be; itself when two values meet.
    let mut known: Vec<Option<Value>> = vec![None; func.value_count()];
    let of = |known: &[Option<Value>], value: Value| match func.def(value) {
        crate::ssa::Def::Param(..) => known[value.index()],
        _ => Some(value),
    };
    for &param in &func.blocks[Func::ENTRY.index()].params {
        known[param.index()] = Some(param);
    }
    let incoming = incoming(func, &graph);
    let mut again = true;
    while again {
        again = false;
        for &block in &graph.order[1..] {
            for (number, &param) in func.blocks[block.index()].params.iter().enumerate() {
                if known[param.index()] == Some(param) {
                    continue;
                }
                let mut now = None;
                for args in &incoming[block.index()] {
                    match (of(&known, args[number]), now) {
                        (None, _) => {}
                        (value, None) => now = value,
                        (value, one) if value == one => {}
                        (_, Some(_)) => now = Some(param),
                    }
                }
                again |= now != known[param.index()];
                known[param.index()] = now;
            }
        }
    }
    let mut redundant: Vec<(Block, Vec<bool>)> = Vec::new();
    for &block in &graph.order {
        let mut keep = Vec::new();
        for &param in &func.blocks[block.index()].params.clone() {
            let same = known[param.index()].filter(|&value| value != param);
            let remove = same.is_some() && fuel.burn();
            if let (Some(value), true) = (same, remove) {
                func.replace(param, value);
            }
            keep.push(!remove);
        }
        if keep.contains(&false) {
            redundant.push((block, keep));
        }
    }
    for (block, keep) in &redundant {
        remove(func, &graph, *block, keep);
    }
    if !redundant.is_empty() {
        func.resolve_all();
    }
    !redundant.is_empty()
}

/// The arguments of all edges into each block.
fn incoming<'a>(func: &'a Func, graph: &Graph) -> Vec<Vec<&'a Args>> {
    let mut incoming = vec![Vec::new(); func.blocks.len()];
    for &block in &graph.order {
        for edge in func.blocks[block.index()].term.edges() {
            if !edge.args.is_empty() {
                incoming[edge.block.index()].push(&edge.args);
            }
        }
    }
    incoming
}

/// Drops the parameters that are not kept, and the arguments for them.
pub fn remove(func: &mut Func, graph: &Graph, block: Block, keep: &[bool]) {
    let mut at = 0;
    func.blocks[block.index()].params.retain(|_| {
        at += 1;
        keep[at - 1]
    });
    func.renumber_params(block);
    let mut preds = graph.preds(block).to_vec();
    preds.sort_unstable();
    preds.dedup();
    for pred in preds {
        for edge in func.blocks[pred.index()].term.edges_mut() {
            if edge.block == block {
                edge.args = edge
                    .args
                    .iter()
                    .zip(keep)
                    .filter(|(_, keep)| **keep)
                    .map(|(&arg, _)| arg)
                    .collect::<Args>();
            }
        }
    }
}
