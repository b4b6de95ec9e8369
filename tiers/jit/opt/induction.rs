//! Strength reduction of induction variables: a product that grows by the same amount each turn becomes a sum.
//!
//! A basic induction variable is a parameter of a loop's head that the one edge back hands on plus something invariant.
//! Its product with something invariant gets a parameter of its own:
//!
//! ```text
//! b1(i): … p = mul i n … j = add i 1; jump b1(j)
//!     →  b1(i, p): … j = add i 1; q = add p n; jump b1(j, q)          entered with p = i0 * n
//! ```
//!
//! Arithmetic is modulo 2^width on both sides, so this holds whatever overflows. Products by powers of two, 3, 5 and 9 stay:
//! an addressing mode or `lea` does them. Only products computed on every turn are worth an addition on every turn.

use super::Fuel;
use super::invariant::{homes, preheader};
use crate::ssa::graph::{Graph, Loop};
use crate::ssa::{Block, Func, Inst, Op, Terminator, Ty, Value};

/// Reduces products in all loops, inner ones first.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    let (loops, _) = Graph::new(func).loops();
    let mut changed = false;
    for l in loops.iter().rev() {
        let graph = Graph::new(func);
        let before = preheader(func, &graph, l);
        changed |= one_loop(func, l.head, before, fuel);
    }
    changed
}

/// A loop with one edge back, and what is needed to rewrite it.
struct Turn<'a> {
    l: &'a Loop,
    before: Block,
    latch: Block,
}

fn one_loop(func: &mut Func, head: Block, before: Block, fuel: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let (loops, _) = graph.loops();
    let Some(l) = loops.iter().find(|l| l.head == head) else { return false };
    let mut latches = graph.preds(head).iter().filter(|pred| l.blocks.contains(pred));
    let (Some(&latch), None) = (latches.next(), latches.next()) else { return false };
    // An edge back beside others would need a block of its own for the sum.
    if !matches!(func.blocks[latch.index()].term, Terminator::Jump(_)) {
        let ends_here =
            func.blocks[latch.index()].term.edges().iter().filter(|edge| edge.block == head).count();
        if ends_here != 1 {
            return false;
        }
    }
    let home = homes(func, &graph);
    let inside = |value: Value| home[value.index()].is_some_and(|block| l.blocks.contains(&block));
    let turn = Turn { l, before, latch };
    let mut found: Vec<(Inst, usize, Value)> = Vec::new();
    for &block in l.blocks.iter().filter(|&&block| graph.dominates(block, latch)) {
        for &inst in &func.blocks[block.index()].insts {
            let data = &func.insts[inst.index()];
            let (Op::Mul, &[a, b]) = (data.op, &data.args[..]) else { continue };
            for (iv, factor) in [(a, b), (b, a)] {
                let number = func.blocks[head.index()].params.iter().position(|&param| param == iv);
                if let Some(number) = number
                    && !inside(factor)
                    && !is_cheap(func, factor)
                {
                    found.push((inst, number, factor));
                    break;
                }
            }
        }
    }
    let mut changed = false;
    for (product, number, factor) in found {
        let Some(step) = turn.step(func, number).filter(|&step| !inside(step)) else { continue };
        if fuel.burn() {
            turn.reduce(func, product, number, factor, step);
            changed = true;
        }
    }
    if changed {
        func.resolve_all();
    }
    changed
}

/// Factors that cost nothing or nearly.
fn is_cheap(func: &Func, factor: Value) -> bool {
    func.as_const(factor).is_some_and(|bits| bits.is_power_of_two() || matches!(bits, 0 | 3 | 5 | 9))
}

impl Turn<'_> {
    /// By what a parameter of the head grows, if that is an addition.
    fn step(&self, func: &Func, number: usize) -> Option<Value> {
        let param = func.blocks[self.l.head.index()].params[number];
        let term = &func.blocks[self.latch.index()].term;
        let edges = term.edges();
        let edge = edges.iter().find(|edge| edge.block == self.l.head)?;
        match func.as_op(edge.args[number])? {
            (Op::Add, &[a, b]) if a == param => Some(b),
            (Op::Add, &[a, b]) if b == param => Some(a),
            _ => None,
        }
    }

    fn reduce(&self, func: &mut Func, product: Inst, number: usize, factor: Value, step: Value) {
        let result = func.insts[product.index()].results[0];
        let ty = func.ty(result);
        let Terminator::Jump(entry) = func.blocks[self.before.index()].term.clone() else { return };
        let first = self.append(func, self.before, Op::Mul, ty, &[entry.args[number], factor]);
        let growth = match func.as_const(step) {
            Some(1) => factor,
            _ => self.append(func, self.before, Op::Mul, ty, &[step, factor]),
        };
        let param = func.add_param(self.l.head, ty);
        let next = self.append(func, self.latch, Op::Add, ty, &[param, growth]);
        for (block, value) in [(self.before, first), (self.latch, next)] {
            for edge in func.blocks[block.index()].term.edges_mut() {
                if edge.block == self.l.head {
                    edge.args.push(value);
                }
            }
        }
        func.blocks.iter_mut().for_each(|block| block.insts.retain(|&inst| inst != product));
        func.replace(result, param);
    }

    fn append(&self, func: &mut Func, block: Block, op: Op, ty: Ty, args: &[Value]) -> Value {
        let source = func.blocks[block.index()].source;
        let inst = func.make_inst(op, args, &[ty], source);
        func.blocks[block.index()].insts.push(inst);
        func.insts[inst.index()].results[0]
    }
}
