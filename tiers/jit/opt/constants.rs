//! Sparse conditional constant propagation (Wegman and Zadeck): values that are constant on every way that can be taken.
//!
//! Begins with nothing known and no edge taken but into the entry; follows edges as conditions allow and values as they
//! fall from "nothing known" to a constant to "varies". Folding is `ssa::eval`. Branches are left to `blocks`.

use super::Fuel;
use crate::ssa::eval::eval;
use crate::ssa::graph::Graph;
use crate::ssa::{Block, Def, Func, Inst, Op, Terminator, Value};

/// What is known about a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Const(u64),
    Varies,
}

struct Solver<'a> {
    func: &'a Func,
    known: Vec<Known>,
    /// Instructions and blocks that use each value.
    users: Vec<Vec<User>>,
    reached: Vec<bool>,
    blocks: Vec<Block>,
    values: Vec<Value>,
}

#[derive(Clone, Copy)]
enum User {
    Inst(Inst, Block),
    Terminator(Block),
}

/// Finds constants.
pub fn run(func: &mut Func, fuel: &mut Fuel) -> bool {
    let graph = Graph::new(func);
    let mut solver = Solver {
        func,
        known: vec![Known::Nothing; func.value_count()],
        users: vec![Vec::new(); func.value_count()],
        reached: vec![false; func.blocks.len()],
        blocks: Vec::new(),
        values: Vec::new(),
    };
    solver.prepare(&graph);
    solver.solve();
    let known = solver.known;
    let mut changed = false;
    for (at, known) in known.iter().enumerate() {
        let value = Value(at as u32);
        if let Known::Const(bits) = *known
            && func.as_const(value).is_none()
            && func.resolve(value) == value
            && fuel.burn()
        {
            let constant = func.constant(func.ty(value), bits);
            func.replace(value, constant);
            changed = true;
        }
    }
    if changed {
        func.resolve_all();
    }
    changed
}

impl Solver<'_> {
    fn prepare(&mut self, graph: &Graph) {
        for &block in &graph.order {
            let data = &self.func.blocks[block.index()];
            for &inst in &data.insts {
                for arg in &self.func.insts[inst.index()].args {
                    self.users[arg.index()].push(User::Inst(inst, block));
                }
            }
            let users = &mut self.users;
            data.term.for_each_use(|value| users[value.index()].push(User::Terminator(block)));
            if let Terminator::Invoke { call, .. } = data.term {
                for result in &self.func.insts[call.index()].results {
                    self.known[result.index()] = Known::Varies;
                }
            }
        }
        for param in &self.func.blocks[Func::ENTRY.index()].params {
            self.known[param.index()] = Known::Varies;
        }
        for at in 0..self.known.len() {
            if let Def::Const(bits) = self.func.def(Value(at as u32)) {
                self.known[at] = Known::Const(bits);
            }
        }
    }

    fn solve(&mut self) {
        self.reach(Func::ENTRY);
        loop {
            if let Some(value) = self.values.pop() {
                for user in self.users[value.index()].clone() {
                    match user {
                        User::Inst(inst, block) if self.reached[block.index()] => self.inst(inst),
                        User::Terminator(block) if self.reached[block.index()] => self.terminator(block),
                        User::Inst(..) | User::Terminator(_) => {}
                    }
                }
            } else if let Some(block) = self.blocks.pop() {
                for &inst in &self.func.blocks[block.index()].insts {
                    self.inst(inst);
                }
                self.terminator(block);
            } else {
                return;
            }
        }
    }

    fn reach(&mut self, block: Block) {
        if !std::mem::replace(&mut self.reached[block.index()], true) {
            self.blocks.push(block);
        }
    }

    fn lower(&mut self, value: Value, to: Known) {
        let known = &mut self.known[value.index()];
        let new = match (*known, to) {
            (_, Known::Nothing) => return,
            (Known::Nothing, to) => to,
            (Known::Const(a), Known::Const(b)) if a == b => return,
            (Known::Varies, _) => return,
            (Known::Const(_), _) => Known::Varies,
        };
        *known = new;
        self.values.push(value);
    }

    fn inst(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let &[result] = &data.results[..] else {
            data.results.iter().for_each(|&result| self.lower(result, Known::Varies));
            return;
        };
        let known: smallvec::SmallVec<[Known; 3]> =
            data.args.iter().map(|arg| self.known[arg.index()]).collect();
        if data.op == Op::Select
            && let Known::Const(cond) = known[0]
        {
            return self.lower(result, known[if cond != 0 { 1 } else { 2 }]);
        }
        if known.contains(&Known::Varies) || known.is_empty() {
            return self.lower(result, Known::Varies);
        }
        let mut bits = smallvec::SmallVec::<[u64; 3]>::new();
        for known in &known {
            match known {
                Known::Const(value) => bits.push(*value),
                Known::Nothing | Known::Varies => return,
            }
        }
        let arg_ty = self.func.ty(data.args[0]);
        let folded = eval(data.op, self.func.ty(result), arg_ty, &bits);
        self.lower(result, folded.map_or(Known::Varies, Known::Const));
    }

    fn terminator(&mut self, block: Block) {
        let func = self.func;
        let term = &func.blocks[block.index()].term;
        let taken: smallvec::SmallVec<[&crate::ssa::Edge; 2]> = match term {
            Terminator::Branch { cond, then, other } => match self.known[cond.index()] {
                Known::Nothing => return,
                Known::Const(0) => smallvec::smallvec![other],
                Known::Const(_) => smallvec::smallvec![then],
                Known::Varies => smallvec::smallvec![then, other],
            },
            Terminator::Switch { value, cases, default } => match self.known[value.index()] {
                Known::Nothing => return,
                Known::Const(bits) => {
                    let case = cases.iter().find(|(case, _)| *case == bits);
                    smallvec::smallvec![case.map_or(default, |(_, edge)| edge)]
                }
                Known::Varies => term.edges(),
            },
            _ => term.edges(),
        };
        for edge in taken {
            let params = &func.blocks[edge.block.index()].params;
            for (&param, &arg) in params.iter().zip(&edge.args) {
                let known = self.known[arg.index()];
                self.lower(param, known);
            }
            self.reach(edge.block);
        }
        if let Terminator::Invoke { normal, exc, .. } = term {
            self.reach(*normal);
            self.reach(*exc);
        }
    }
}
