//! The control-flow graph of a function: order, predecessors, dominators, loops.
//!
//! Computed from the function when a pass wants it, and thrown away when the pass has changed the blocks. Dominators by
//! the iterative algorithm over reverse postorder; loops by back edges to dominators. A graph with a cycle that has two
//! entries (irreducible) has back edges without a dominating head: those make no [`Loop`], which only costs speed.

use super::{Block, Func, Terminator};
use std::cell::OnceCell;

/// A natural loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The block all its others are dominated by.
    pub head: Block,
    /// All its blocks, in reverse postorder.
    pub blocks: Vec<Block>,
    /// The loop around it, by index.
    pub parent: Option<usize>,
}

/// What is known about the control flow of a function.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Reachable blocks in reverse postorder: dominators before what they dominate.
    pub order: Vec<Block>,
    succs: Lists,
    preds: Lists,
    /// Position in `order`; `u32::MAX` for unreachable blocks.
    position: Vec<u32>,
    /// Immediate dominators; found when first asked for.
    idom: OnceCell<Vec<Block>>,
}

/// A list of blocks per block, all in one piece of memory.
#[derive(Clone, Debug, Default)]
struct Lists {
    starts: Vec<u32>,
    blocks: Vec<Block>,
}

impl Lists {
    fn of(&self, block: Block) -> &[Block] {
        &self.blocks[self.starts[block.index()] as usize..self.starts[block.index() + 1] as usize]
    }
}

impl Graph {
    /// Computes order and predecessors.
    pub fn new(func: &Func) -> Graph {
        let succs = successors(func);
        let (order, position) = reverse_postorder(&succs, func.blocks.len());
        let preds = turn_round(&succs, &order);
        Graph { order, succs, preds, position, idom: OnceCell::new() }
    }

    /// Predecessors; one that reaches the block by several edges appears once per edge.
    pub fn preds(&self, block: Block) -> &[Block] {
        self.preds.of(block)
    }

    /// Successors, once per edge.
    pub fn succs(&self, block: Block) -> &[Block] {
        self.succs.of(block)
    }

    fn idoms(&self) -> &[Block] {
        self.idom.get_or_init(|| self.dominators())
    }

    fn dominators(&self) -> Vec<Block> {
        let mut idom = vec![Func::ENTRY; self.position.len()];
        let mut known = vec![false; self.position.len()];
        known[0] = true;
        let mut changed = true;
        while changed {
            changed = false;
            for &block in &self.order[1..] {
                let mut best: Option<Block> = None;
                for &pred in self.preds(block) {
                    if known[pred.index()] {
                        best = Some(best.map_or(pred, |other| self.meet(&idom, other, pred)));
                    }
                }
                let best = best.unwrap_or(Func::ENTRY);
                if !known[block.index()] || idom[block.index()] != best {
                    known[block.index()] = true;
                    idom[block.index()] = best;
                    changed = true;
                }
            }
        }
        idom
    }

    fn meet(&self, idom: &[Block], mut a: Block, mut b: Block) -> Block {
        while a != b {
            if self.position[a.index()] > self.position[b.index()] {
                a = idom[a.index()];
            } else {
                b = idom[b.index()];
            }
        }
        a
    }

    /// Whether a block can be reached.
    pub fn is_reachable(&self, block: Block) -> bool {
        self.position[block.index()] != u32::MAX
    }

    /// The position of a reachable block in the order.
    pub fn position(&self, block: Block) -> usize {
        self.position[block.index()] as usize
    }

    /// The immediate dominator; of the entry block, itself.
    pub fn idom(&self, block: Block) -> Block {
        self.idoms()[block.index()]
    }

    /// Whether every way to `b` passes `a` (both reachable).
    pub fn dominates(&self, a: Block, mut b: Block) -> bool {
        let idom = self.idoms();
        while self.position[b.index()] > self.position[a.index()] {
            b = idom[b.index()];
        }
        a == b
    }

    /// Natural loops, inner ones after the loops around them, and for each block its innermost loop.
    pub fn loops(&self) -> (Vec<Loop>, Vec<Option<usize>>) {
        self.loops_by(|_| true)
    }

    /// The same, of those edges back alone that begin in certain blocks.
    pub fn loops_by(&self, counts: impl Fn(Block) -> bool) -> (Vec<Loop>, Vec<Option<usize>>) {
        let mut loops: Vec<Loop> = Vec::new();
        let mut inner: Vec<Option<usize>> = vec![None; self.position.len()];
        // Heads in reverse postorder: an outer loop's head comes before an inner one's.
        for &head in &self.order {
            let mut work: Vec<Block> = self
                .preds(head)
                .iter()
                .copied()
                .filter(|&pred| {
                    counts(pred) && self.position(pred) >= self.position(head) && self.dominates(head, pred)
                })
                .collect();
            if work.is_empty() {
                continue;
            }
            let mut member = vec![false; self.position.len()];
            member[head.index()] = true;
            while let Some(block) = work.pop() {
                if !std::mem::replace(&mut member[block.index()], true) {
                    work.extend(self.preds(block).iter().copied());
                }
            }
            let blocks: Vec<Block> = self.order.iter().copied().filter(|b| member[b.index()]).collect();
            let number = loops.len();
            let parent = inner[head.index()];
            for block in &blocks {
                inner[block.index()] = Some(number);
            }
            loops.push(Loop { head, blocks, parent });
        }
        (loops, inner)
    }

    /// For each block, whether it lies on any cycle, irreducible ones included.
    pub fn on_cycle(&self) -> Vec<bool> {
        // A block is on a cycle exactly when its strongly connected component has an edge inside (Tarjan, iterative).
        let count = self.position.len();
        let (mut index, mut low) = (vec![u32::MAX; count], vec![0u32; count]);
        let (mut on_stack, mut stack, mut next) = (vec![false; count], Vec::new(), 0u32);
        let mut cyclic = vec![false; count];
        let mut work = vec![(Func::ENTRY, 0usize)];
        while let Some((block, at)) = work.pop() {
            let b = block.index();
            if at == 0 {
                (index[b], low[b]) = (next, next);
                next += 1;
                stack.push(block);
                on_stack[b] = true;
            }
            let succs = self.succs(block);
            if at > 0 {
                let child = succs[at - 1].index();
                if on_stack[child] {
                    low[b] = low[b].min(low[child]);
                }
            }
            if let Some(&succ) = succs.get(at) {
                work.push((block, at + 1));
                if index[succ.index()] == u32::MAX {
                    work.push((succ, 0));
                }
                continue;
            }
            if low[b] == index[b] {
                let start = stack.iter().rposition(|&other| other == block).unwrap_or(0);
                let many = stack.len() - start > 1;
                for member in stack.drain(start..) {
                    on_stack[member.index()] = false;
                    cyclic[member.index()] = many || self.succs(member).contains(&member);
                }
            }
        }
        cyclic
    }
}

fn successors(func: &Func) -> Lists {
    let mut lists = Lists::default();
    lists.starts.reserve(func.blocks.len() + 1);
    lists.starts.push(0);
    for block in &func.blocks {
        match &block.term {
            Terminator::Jump(edge) => lists.blocks.push(edge.block),
            Terminator::Branch { then, other, .. } => lists.blocks.extend([then.block, other.block]),
            term => lists.blocks.extend(term.successors()),
        }
        lists.starts.push(lists.blocks.len() as u32);
    }
    lists
}

fn reverse_postorder(succs: &Lists, count: usize) -> (Vec<Block>, Vec<u32>) {
    let mut position = vec![u32::MAX; count];
    let mut order = Vec::with_capacity(count);
    let mut work = vec![(Func::ENTRY, 0usize)];
    position[0] = 0;
    while let Some((block, next)) = work.last_mut() {
        match succs.of(*block).get(*next) {
            Some(&succ) => {
                *next += 1;
                if position[succ.index()] == u32::MAX {
                    position[succ.index()] = 0;
                    work.push((succ, 0));
                }
            }
            None => {
                order.push(*block);
                work.pop();
            }
        }
    }
    order.reverse();
    for (at, block) in order.iter().enumerate() {
        position[block.index()] = at as u32;
    }
    (order, position)
}

/// Predecessors from the successors of reachable blocks.
fn turn_round(succs: &Lists, order: &[Block]) -> Lists {
    let count = succs.starts.len() - 1;
    let mut starts = vec![0u32; count + 1];
    for succ in order.iter().flat_map(|&block| succs.of(block)) {
        starts[succ.index() + 1] += 1;
    }
    for at in 0..count {
        starts[at + 1] += starts[at];
    }
    let mut next = starts.clone();
    let mut blocks = vec![Func::ENTRY; starts[count] as usize];
    for &block in order {
        for succ in succs.of(block) {
            blocks[next[succ.index()] as usize] = block;
            next[succ.index()] += 1;
        }
    }
    Lists { starts, blocks }
}
