//! The order of blocks in memory, and the last changes to the control flow before lowering.
//!
//! * [`split_edges`]: an edge that passes arguments from a block with several successors, or that is critical, gets a
//!   block of its own: there the register allocator puts its moves. Those that stay empty vanish in emission.
//! * [`split_switches`]: a switch without a dense range of cases becomes a binary search.
//! * [`order`]: blocks of a loop lie together; in memory, a block that tests at the head of a loop whose end jumps back to it is put
//!   at the end, so that each turn takes one jump; cold blocks come last.

use crate::ssa::graph::Graph;
use crate::ssa::{Args, Block, Cond, Edge, Func, I1, Op, Terminator, Value};

/// A switch with fewer cases, or with fewer than half of its range used, is a search.
const TABLE_CASES_MIN: usize = 5;

/// Turns sparse switches into comparisons.
pub fn split_switches(func: &mut Func) {
    for number in 0..func.blocks.len() {
        let Terminator::Switch { value, cases, default } = &func.blocks[number].term else { continue };
        if cases.is_empty() {
            func.blocks[number].term = Terminator::Jump(default.clone());
            continue;
        }
        if is_dense(cases) {
            continue;
        }
        let (value, cases, default) = (*value, cases.clone(), default.clone());
        let source = func.blocks[number].source;
        search(func, Block(number as u32), value, &cases, &default, source);
    }
}

fn is_dense(cases: &[(u64, Edge)]) -> bool {
    let span = cases[cases.len() - 1].0.wrapping_sub(cases[0].0);
    cases.len() >= TABLE_CASES_MIN && span < 2 * cases.len() as u64 && span < 4096
}

/// A binary search, from the block `at` on. Depth is the logarithm of the number of cases.
fn search(func: &mut Func, at: Block, value: Value, cases: &[(u64, Edge)], default: &Edge, source: u32) {
    let ty = func.ty(value);
    func.blocks[at.index()].source = source;
    let to = |block| Edge { block, args: Args::new() };
    let compare = |func: &mut Func, cond: Cond, bits: u64| {
        let bits = func.constant(ty, bits);
        let inst = func.make_inst(Op::ICmp(cond), &[value, bits], &[I1], source);
        func.blocks[at.index()].insts.push(inst);
        func.insts[inst.index()].results[0]
    };
    match cases {
        [] => func.blocks[at.index()].term = Terminator::Jump(default.clone()),
        [(bits, edge), rest @ ..] if rest.len() < 3 => {
            let cond = compare(func, Cond::Eq, *bits);
            let next = func.add_block();
            func.blocks[at.index()].term = Terminator::Branch { cond, then: edge.clone(), other: to(next) };
            search(func, next, value, rest, default, source);
        }
        _ if is_dense(cases) => {
            func.blocks[at.index()].term =
                Terminator::Switch { value, cases: cases.to_vec(), default: default.clone() };
        }
        _ => {
            let (low, high) = cases.split_at(cases.len() / 2);
            // References have no order, but their words do: only equality decides in the end.
            let cond = compare(func, Cond::ULt, high[0].0);
            let (left, right) = (func.add_block(), func.add_block());
            func.blocks[at.index()].term = Terminator::Branch { cond, then: to(left), other: to(right) };
            search(func, left, value, low, default, source);
            search(func, right, value, high, default, source);
        }
    }
}

/// Gives edges that need one a block of their own.
pub fn split_edges(func: &mut Func) {
    let graph = Graph::new(func);
    for &block in &graph.order {
        let term = &func.blocks[block.index()].term;
        if matches!(term, Terminator::Jump(_)) {
            continue;
        }
        let count = term.edges().len();
        for number in 0..count {
            let edge = func.blocks[block.index()].term.edges()[number].clone();
            let many = graph.preds(edge.block).len() > 1;
            if edge.args.is_empty() && !many {
                continue;
            }
            let middle = func.add_block();
            let cold = func.blocks[edge.block.index()].cold;
            let source = func.blocks[block.index()].source;
            let data = &mut func.blocks[middle.index()];
            (data.term, data.cold, data.source) = (Terminator::Jump(edge), cold, source);
            *func.blocks[block.index()].term.edges_mut()[number] = Edge { block: middle, args: Args::new() };
        }
    }
}

/// The reachable blocks, loops together and cold blocks last, in two orders: for the register allocator, which wants every
/// head before its loop, and as they will lie in memory.
pub fn order(func: &Func, graph: &Graph) -> (Vec<Block>, Vec<Block>) {
    let cold = cold_blocks(func, graph);
    let (loops, inner) = graph.loops_by(|block| !cold[block.index()]);
    let depth = |block: Block| {
        let (mut depth, mut at) = (0, inner[block.index()]);
        while let Some(number) = at {
            depth += 1;
            at = loops[number].parent;
        }
        depth
    };
    // Reverse postorder that leaves a loop only when it is finished: the successors furthest out are visited first.
    let mut state = vec![false; func.blocks.len()];
    let mut order = Vec::with_capacity(graph.order.len());
    let mut work = vec![(Func::ENTRY, None::<Vec<Block>>)];
    state[0] = true;
    while let Some((block, rest)) = work.pop() {
        let mut rest = rest.unwrap_or_else(|| {
            let mut succs = func.blocks[block.index()].term.successors().to_vec();
            // The last one in the list is visited first; the first lies right behind this block.
            succs.sort_by_key(|&succ| (cold[succ.index()], std::cmp::Reverse(depth(succ))));
            succs
        });
        match rest.pop() {
            Some(succ) => {
                work.push((block, Some(rest)));
                if !std::mem::replace(&mut state[succ.index()], true) {
                    work.push((succ, None));
                }
            }
            None => order.push(block),
        }
    }
    order.reverse();
    let (mut hot, last): (Vec<Block>, Vec<Block>) = order.into_iter().partition(|block| !cold[block.index()]);
    let numbered = hot.iter().chain(&last).copied().collect();
    for l in loops.iter().rev() {
        rotate(func, &mut hot, l);
    }
    let placed = hot.into_iter().chain(last).collect();
    (numbered, placed)
}

/// Puts the head of a loop behind its last block, if the head can leave the loop and the last block jumps to it.
fn rotate(func: &Func, order: &mut [Block], l: &crate::ssa::graph::Loop) {
    let Some(start) = order.iter().position(|&block| block == l.head) else { return };
    let inside = |block: &Block| l.blocks.contains(block);
    let end = start + order[start..].iter().take_while(|block| inside(block)).count();
    // Cold blocks of the loop lie elsewhere.
    let here = l.blocks.iter().filter(|block| order.contains(block)).count();
    if end - start != here || here < 2 {
        return;
    }
    let leaves = func.blocks[l.head.index()].term.successors().iter().any(|succ| !inside(succ));
    let last = order[end - 1];
    let jumps = matches!(&func.blocks[last.index()].term, Terminator::Jump(edge) if edge.block == l.head);
    if leaves && jumps && l.head != Func::ENTRY {
        order[start..end].rotate_left(1);
    }
}

/// Blocks marked cold, and those that only cold blocks lead to.
fn cold_blocks(func: &Func, graph: &Graph) -> Vec<bool> {
    let mut cold: Vec<bool> = func.blocks.iter().map(|block| block.cold).collect();
    for &block in graph.order.iter().skip(1) {
        let preds = graph.preds(block);
        let forward = preds
            .iter()
            .filter(|pred| graph.is_reachable(**pred) && graph.position(**pred) < graph.position(block));
        let mut any = false;
        let all = forward.inspect(|_| any = true).all(|pred| cold[pred.index()]);
        if any && all {
            cold[block.index()] = true;
        }
    }
    cold
}
