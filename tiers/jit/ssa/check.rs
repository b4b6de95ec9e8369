//! Checks the invariants of the SSA form: every use below its definition, types as operations want them, edges that
//! match parameters, calls with an exceptional edge set apart. Runs after each pass in debug builds; a failure is a bug of
//! the pass that ran last, which the pass manager names.

use super::graph::Graph;
use super::{Block, Def, Func, I1, I64, Inst, InstData, Op, Terminator, Ty, Value};
use mu_rt::layout::LeafKind;

/// Checks a function.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn check(func: &Func) -> Result<(), String> {
    let graph = Graph::new(func);
    let mut checker = Checker { func, graph: &graph, home: vec![None; func.insts.len()] };
    checker.homes()?;
    for &block in &graph.order {
        checker.block(block).map_err(|what| format!("{block:?}: {what}"))?;
    }
    Ok(())
}

struct Checker<'a> {
    func: &'a Func,
    graph: &'a Graph,
    /// Block and position of each instruction; the invoked call of a block stands after all others.
    home: Vec<Option<(Block, usize)>>,
}

impl Checker<'_> {
    fn homes(&mut self) -> Result<(), String> {
        for &block in &self.graph.order {
            let data = &self.func.blocks[block.index()];
            let invoked = match data.term {
                Terminator::Invoke { call, .. } => Some(call),
                _ => None,
            };
            for (at, inst) in data.insts.iter().copied().chain(invoked).enumerate() {
                if self.home[inst.index()].replace((block, at)).is_some() {
                    return Err(format!("{inst:?} stands in two places"));
                }
            }
        }
        Ok(())
    }

    /// Whether a value is defined above position `at` of a block.
    fn available(&self, value: Value, block: Block, at: usize) -> Result<(), String> {
        if self.func.resolve(value) != value {
            return Err(format!("{value:?} was replaced but is still used"));
        }
        let good = match self.func.def(value) {
            Def::Const(_) => true,
            Def::Param(home, number) => {
                self.func.blocks[home.index()].params.get(number as usize) == Some(&value)
                    && self.graph.is_reachable(home)
                    && self.graph.dominates(home, block)
            }
            Def::Inst(inst, number) => {
                let listed = self.func.insts[inst.index()].results.get(number as usize) == Some(&value);
                listed && self.home[inst.index()].is_some_and(|home| self.is_above(inst, home, block, at))
            }
        };
        if good { Ok(()) } else { Err(format!("{value:?} is used where it is not defined")) }
    }

    fn is_above(&self, inst: Inst, (home, position): (Block, usize), block: Block, at: usize) -> bool {
        if let Terminator::Invoke { call, normal, .. } = self.func.blocks[home.index()].term
            && call == inst
        {
            return self.graph.dominates(normal, block);
        }
        if home == block { position < at } else { self.graph.dominates(home, block) }
    }

    fn block(&self, block: Block) -> Result<(), String> {
        let data = &self.func.blocks[block.index()];
        for (at, &inst) in data.insts.iter().enumerate() {
            self.inst(inst, block, at).map_err(|what| format!("{inst:?}: {what}"))?;
        }
        let end = data.insts.len();
        let mut result = Ok(());
        data.term.for_each_use(|value| {
            if result.is_ok() {
                result = self.available(value, block, end);
            }
        });
        result?;
        for edge in data.term.edges() {
            let params = &self.func.blocks[edge.block.index()].params;
            if edge.args.len() != params.len() {
                return Err(format!("{} arguments for {:?}", edge.args.len(), edge.block));
            }
            for (&arg, &param) in edge.args.iter().zip(params) {
                self.same(arg, self.func.ty(param))?;
            }
        }
        self.terminator(block)
    }

    fn terminator(&self, block: Block) -> Result<(), String> {
        let data = &self.func.blocks[block.index()];
        match &data.term {
            Terminator::Branch { cond, .. } => self.same(*cond, I1),
            Terminator::Ret(args) => {
                if args.len() != self.func.rets.len() {
                    return Err("returns another number of values".into());
                }
                args.iter().zip(&self.func.rets).try_for_each(|(&arg, &ty)| self.same(arg, ty))
            }
            Terminator::Throw(value) => self.same(*value, LeafKind::Ref),
            Terminator::Switch { cases, .. } => {
                let sorted = cases.windows(2).all(|pair| pair[0].0 < pair[1].0);
                if sorted { Ok(()) } else { Err("cases are not sorted".into()) }
            }
            Terminator::Invoke { call, normal, exc } => {
                self.inst(*call, block, data.insts.len())?;
                for next in [normal, exc] {
                    let next_data = &self.func.blocks[next.index()];
                    if !next_data.params.is_empty() || self.graph.preds(*next).len() != 1 {
                        return Err(format!("{next:?} has parameters or several predecessors"));
                    }
                }
                if normal == exc { Err("one block for both continuations".into()) } else { Ok(()) }
            }
            Terminator::Jump(_) | Terminator::TailCall { .. } | Terminator::Unreachable => Ok(()),
        }
    }

    fn same(&self, value: Value, ty: Ty) -> Result<(), String> {
        let is = self.func.ty(value);
        if is == ty { Ok(()) } else { Err(format!("{value:?} is {is:?}, not {ty:?}")) }
    }

    fn inst(&self, inst: Inst, block: Block, at: usize) -> Result<(), String> {
        let data = &self.func.insts[inst.index()];
        for &arg in &data.args {
            self.available(arg, block, at)?;
        }
        self.types(data)
    }

    fn types(&self, data: &InstData) -> Result<(), String> {
        let ty = |n: usize| data.args.get(n).map(|&arg| self.func.ty(arg));
        let result = data.results.first().map(|&result| self.func.ty(result));
        let is_int = |ty: Option<Ty>| matches!(ty, Some(LeafKind::Int(1..=64)));
        let is_fp = |ty: Option<Ty>| matches!(ty, Some(LeafKind::Float | LeafKind::Double));
        let is_address = |ty: Option<Ty>| matches!(ty, Some(LeafKind::IRef | LeafKind::Ptr));
        let width = |ty: Option<Ty>| if let Some(LeafKind::Int(width)) = ty { width } else { 0 };
        let good = match data.op {
            Op::Add
            | Op::Sub
            | Op::Mul
            | Op::UDiv
            | Op::SDiv
            | Op::URem
            | Op::SRem
            | Op::Shl
            | Op::LShr
            | Op::AShr
            | Op::And
            | Op::Or
            | Op::Xor => is_int(result) && ty(0) == result && ty(1) == result,
            Op::UMulHi | Op::SMulHi => result == Some(I64) && ty(0) == result && ty(1) == result,
            Op::Rotl => {
                matches!(width(result), 32 | 64)
                    && ty(0) == result
                    && self.func.as_const(data.args[1]).is_some_and(|bits| bits < u64::from(width(result)))
            }
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv => is_fp(result) && ty(0) == result && ty(1) == result,
            Op::ICmp(_) => result == Some(I1) && ty(0) == ty(1) && !is_fp(ty(0)),
            Op::FCmp(_) => result == Some(I1) && ty(0) == ty(1) && is_fp(ty(0)),
            Op::Select => ty(0) == Some(I1) && ty(1) == result && ty(2) == result,
            Op::Trunc => is_int(result) && width(ty(0)) > width(result),
            Op::ZExt | Op::SExt => is_int(ty(0)) && width(ty(0)) < width(result),
            Op::FpTrunc => ty(0) == Some(LeafKind::Double) && result == Some(LeafKind::Float),
            Op::FpExt => ty(0) == Some(LeafKind::Float) && result == Some(LeafKind::Double),
            Op::F64ToSi => ty(0) == Some(LeafKind::Double) && result == Some(I64),
            Op::SiToFp => ty(0) == Some(I64) && is_fp(result),
            Op::BitCast => ty(0).map(LeafKind::size_bytes) == result.map(LeafKind::size_bytes),
            Op::Retype => !is_fp(ty(0)) && !is_fp(result) && result != ty(0),
            Op::Offset(_) => is_address(result) && ty(0) == result,
            Op::Index(_) => is_address(result) && ty(0) == result && ty(1) == Some(I64),
            Op::Load(_) => is_address(ty(0)) && result.is_some(),
            Op::Store(_) => is_address(ty(0)) && data.args.len() == 2 && result.is_none(),
            Op::CmpXchg => is_address(ty(0)) && ty(1) == result && ty(2) == result,
            Op::Rmw(_) => is_address(ty(0)) && ty(1) == result,
            Op::Alloca(slot) => result == Some(LeafKind::IRef) && (slot as usize) < self.func.slots.len(),
            Op::Landing => result == Some(LeafKind::Ref),
            Op::Fence(_) | Op::Poll => data.args.is_empty() && result.is_none(),
            Op::Call(_) | Op::Help(_) => true,
        };
        if good { Ok(()) } else { Err(format!("{:?} has operands or results of the wrong types", data.op)) }
    }
}
