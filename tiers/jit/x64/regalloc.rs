//! Register allocation by `regalloc2`, and the stack maps that come out of it.
//!
//! **The recipe.** No register survives a safepoint (its clobbers are all allocatable registers but those of its
//! results), and every reference that is live after it is one more operand: a late use that must be on the stack. So each
//! has a slot, the slots *are* the map, and whatever is read later is read from the slot the collector has updated.
//! Liveness is ours: a backward dataflow over the references alone.
//!
//! A poll in a loop is another kind of safepoint: its slow path saves all registers, so it constrains nothing. Where its
//! references are, copies included, is found afterwards ([`super::replay::poll_maps`]).
//!
//! **What to avoid** (each gives wrong code without an error): a register left out of the clobbers; arguments for the
//! blocks behind a call that ends its block; a fixed result that is also clobbered.
//!
//! Impossible constraints make the allocator panic; that is a bug of the lowering, and is caught and reported rather than
//! taking the process down.

use super::inst::{Kind, VCode};
use super::lower::stack_use;
use super::regs;
use crate::import::Unsupported;
use regalloc2::{
    Algorithm, Block, Function, Inst, InstRange, Operand, OperandConstraint, OperandKind, Output, PRegSet,
    RegClass, RegallocOptions, VReg,
};

/// Which allocator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Effort {
    /// Backtracking: the better code.
    #[default]
    Best,
    /// One pass: ten times as fast.
    Fast,
}

impl Function for VCode {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }
    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }
    fn entry_block(&self) -> Block {
        Block::new(0)
    }
    fn block_insns(&self, block: Block) -> InstRange {
        let range = &self.blocks[block.index()].insts;
        InstRange::new(Inst::new(range.start as usize), Inst::new(range.end as usize))
    }
    fn block_succs(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].succs
    }
    fn block_preds(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].preds
    }
    fn block_params(&self, block: Block) -> &[VReg] {
        &self.blocks[block.index()].params
    }
    fn is_ret(&self, inst: Inst) -> bool {
        matches!(
            self.insts[inst.index()].kind,
            Kind::Ret | Kind::TailCall(_) | Kind::Throw | Kind::Unreachable
        )
    }
    fn is_branch(&self, inst: Inst) -> bool {
        match self.insts[inst.index()].kind {
            Kind::Jump(_) | Kind::Branch { .. } | Kind::JumpTable(_) => true,
            Kind::Call { normal, .. } => normal.is_some(),
            Kind::X { .. }
            | Kind::Args
            | Kind::Help(_)
            | Kind::Ret
            | Kind::TailCall(_)
            | Kind::Throw
            | Kind::Divide { .. }
            | Kind::SelectFp(_)
            | Kind::ZeroFp
            | Kind::Poll
            | Kind::F64ToSi
            | Kind::Unreachable => false,
        }
    }
    fn branch_blockparams(&self, block: Block, _: Inst, _: usize) -> &[VReg] {
        &self.blocks[block.index()].args
    }
    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        self.operands_of(inst.index())
    }
    fn inst_clobbers(&self, inst: Inst) -> PRegSet {
        self.insts[inst.index()].clobbers
    }
    fn num_vregs(&self) -> usize {
        self.vreg_types.len()
    }
    fn spillslot_size(&self, _: RegClass) -> usize {
        1
    }
}

/// A set of small numbers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// An empty set for numbers below `count`.
    pub fn new(count: usize) -> Bits {
        Bits(vec![0; count.div_ceil(64)])
    }

    /// Adds a number; whether it is new.
    pub fn insert(&mut self, at: usize) -> bool {
        let (word, bit) = (&mut self.0[at / 64], 1 << (at % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Takes a number out.
    pub fn remove(&mut self, at: usize) {
        self.0[at / 64] &= !(1 << (at % 64));
    }

    /// Whether a number is in the set.
    pub fn contains(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 != 0
    }

    /// Adds all of another set; whether any was new.
    pub fn union(&mut self, other: &Bits) -> bool {
        let mut changed = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            changed |= *theirs & !*mine != 0;
            *mine |= *theirs;
        }
        changed
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            std::iter::successors((word != 0).then_some(word), |&word| {
                let rest = word & (word - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |word| at * 64 + word.trailing_zeros() as usize)
        })
    }
}

/// The references, numbered densely, and which of them are live at the end of each block.
struct Liveness {
    /// Number of each virtual register among the references.
    number: Vec<u32>,
    refs: Vec<VReg>,
    live_out: Vec<Bits>,
}

const NOT_REF: u32 = u32::MAX;

impl Liveness {
    fn new(code: &VCode) -> Liveness {
        let mut number = vec![NOT_REF; code.vreg_types.len()];
        let mut refs = Vec::new();
        for (at, ty) in code.vreg_types.iter().enumerate() {
            if ty.is_root() {
                number[at] = refs.len() as u32;
                refs.push(VReg::new(at, RegClass::Int));
            }
        }
        let count = refs.len();
        let mut liveness = Liveness { number, refs, live_out: vec![Bits::new(count); code.blocks.len()] };
        if count > 0 {
            liveness.solve(code);
        }
        liveness
    }

    fn solve(&mut self, code: &VCode) {
        let mut work: Vec<usize> = (0..code.blocks.len()).collect();
        let mut queued = vec![true; code.blocks.len()];
        while let Some(at) = work.pop() {
            queued[at] = false;
            let mut live = self.live_out[at].clone();
            self.before_jump(code, at, &mut live);
            for inst in code.blocks[at].insts.clone().rev() {
                self.step(code.operands_of(inst as usize), &mut live);
            }
            for &param in &code.blocks[at].params {
                if self.number[param.vreg()] != NOT_REF {
                    live.remove(self.number[param.vreg()] as usize);
                }
            }
            for pred in &code.blocks[at].preds {
                if self.live_out[pred.index()].union(&live) && !queued[pred.index()] {
                    queued[pred.index()] = true;
                    work.push(pred.index());
                }
            }
        }
    }

    /// Arguments of the jump at the end of a block are used by it.
    fn before_jump(&self, code: &VCode, at: usize, live: &mut Bits) {
        for &arg in &code.blocks[at].args {
            if self.number[arg.vreg()] != NOT_REF {
                live.insert(self.number[arg.vreg()] as usize);
            }
        }
    }

    /// Liveness before an instruction from that after it.
    fn step(&self, operands: &[Operand], live: &mut Bits) {
        let of = |operand: &Operand| {
            let number = self.number[operand.vreg().vreg()];
            (number != NOT_REF).then_some(number as usize)
        };
        for operand in operands.iter().filter(|operand| operand.kind() == OperandKind::Def) {
            of(operand).into_iter().for_each(|number| live.remove(number));
        }
        for operand in operands.iter().filter(|operand| operand.kind() == OperandKind::Use) {
            of(operand).into_iter().for_each(|number| {
                live.insert(number);
            });
        }
    }
}

/// Adds the references that are live after each safepoint to its operands.
pub fn add_stack_maps(code: &mut VCode) {
    let liveness = Liveness::new(code);
    if liveness.refs.is_empty() {
        return;
    }
    for at in 0..code.blocks.len() {
        let is_safepoint =
            |inst: u32| matches!(code.insts[inst as usize].kind, Kind::Call { .. } | Kind::Poll);
        let has_safepoint = code.blocks[at].insts.clone().any(is_safepoint);
        if !has_safepoint {
            continue;
        }
        let mut live = liveness.live_out[at].clone();
        liveness.before_jump(code, at, &mut live);
        for inst in code.blocks[at].insts.clone().rev() {
            let inst = inst as usize;
            if matches!(code.insts[inst].kind, Kind::Call { .. }) {
                let mut operands = code.operands_of(inst).to_vec();
                // Results are no roots yet, and keep-alive variables have their use already.
                let done: Vec<VReg> = operands
                    .iter()
                    .filter(|operand| {
                        operand.kind() == OperandKind::Def || operand.constraint() == OperandConstraint::Stack
                    })
                    .map(|operand| operand.vreg())
                    .collect();
                let live_refs = live.iter().map(|number| liveness.refs[number]);
                operands.extend(live_refs.filter(|vreg| !done.contains(vreg)).map(stack_use));
                code.insts[inst].first = code.operands.len() as u32;
                code.insts[inst].count = operands.len() as u32;
                code.operands.extend(operands);
            }
            if matches!(code.insts[inst].kind, Kind::Poll) {
                let refs = live.iter().map(|number| liveness.refs[number]).collect();
                code.polls.push((inst as u32, refs));
            }
            liveness.step(code.operands_of(inst), &mut live);
        }
    }
}

/// Memory the allocator keeps from one function to the next.
#[derive(Default)]
pub struct Workspace(regalloc2::Ctx);

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Workspace")
    }
}

/// Allocates registers.
///
/// # Errors
/// When the allocator gives up.
pub fn allocate(code: &VCode, effort: Effort, workspace: &mut Workspace) -> Result<Output, Unsupported> {
    let algorithm = match effort {
        Effort::Best => Algorithm::Ion,
        Effort::Fast => Algorithm::Fastalloc,
    };
    let options = RegallocOptions { verbose_log: false, validate_ssa: cfg!(debug_assertions), algorithm };
    let environment = regs::environment();
    // A panic leaves the context in any state: it is taken out and only put back afterwards.
    let mut context = std::mem::take(&mut workspace.0);
    let run = std::panic::AssertUnwindSafe(|| {
        regalloc2::run_with_ctx(code, &environment, &options, &mut context).map(|_| ())
    });
    let output = match std::panic::catch_unwind(run) {
        Ok(Ok(())) => {
            let output = std::mem::take(&mut context.output);
            workspace.0 = context;
            output
        }
        Ok(Err(error)) => {
            debug_assert!(false, "register allocation: {error:?}");
            return Err(Unsupported::Registers("constraints that cannot be met"));
        }
        Err(_) => return Err(Unsupported::Registers("it panicked")),
    };
    if cfg!(debug_assertions) {
        let mut checker = regalloc2::checker::Checker::new(code, &environment);
        checker.prepare(&output);
        if let Err(errors) = checker.run() {
            panic!("the allocation is wrong: {errors:?}\n{code}");
        }
    }
    Ok(output)
}
