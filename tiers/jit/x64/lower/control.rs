//! Control: the ends of blocks, calls, the entry.

use super::{Address, Lower, O, stack_use};
use crate::import::Unsupported;
use crate::ssa::{Block, Callee, Edge, Func, Helper, Inst, Terminator, Value};
use crate::thread_area as thread;
use crate::x64::inst::{Goal, Kept, Kind, MBlock, Target, Test};
use crate::x64::regs::{self, Passed, Size, convention};
use iced_x86::Code;
use mu_rt::layout::LeafKind;
use regalloc2::{Operand, PRegSet, VReg};
use smallvec::SmallVec;

type Operands = SmallVec<[Operand; 12]>;

impl Lower<'_> {
    fn mblock(&self, block: Block) -> MBlock {
        self.position[block.index()]
    }

    fn succ(&mut self, block: Block) -> MBlock {
        let (to, at) = (self.mblock(block), self.mblock(self.at.0) as usize);
        self.vcode.blocks[at].succs.push(regalloc2::Block::new(to as usize));
        to
    }

    pub(super) fn terminator(&mut self, block: Block, term: &Terminator) -> Result<(), Unsupported> {
        match term {
            Terminator::Jump(edge) => {
                let args = self.edge_args(edge);
                let at = self.mblock(block) as usize;
                self.vcode.blocks[at].args = args;
                let to = self.succ(edge.block);
                self.add(Kind::Jump(to), &[], PRegSet::empty());
            }
            Terminator::Branch { cond, then, other } => {
                let test = self.test(*cond);
                self.branch(test, then.block, other.block);
            }
            Terminator::Switch { value, cases, default } => self.switch(*value, cases, default.block),
            Terminator::Ret(args) => self.ret(args)?,
            Terminator::TailCall { callee, args } => self.tail_call(*callee, args)?,
            Terminator::Throw(value) => {
                let value = self.reg(*value);
                let exception = Address::thread(thread::EXCEPTION);
                self.x(Code::Mov_rm64_r64, &[O::Mem(exception), O::Use(value, Size::Q)]);
                self.add(Kind::Throw, &[], PRegSet::empty());
            }
            Terminator::Invoke { call, normal, exc } => {
                self.call(*call, Some((*normal, *exc)))?;
            }
            Terminator::Unreachable => self.add(Kind::Unreachable, &[], PRegSet::empty()),
        }
        Ok(())
    }

    /// The arguments of a jump, in registers.
    fn edge_args(&mut self, edge: &Edge) -> Vec<VReg> {
        edge.args.iter().map(|&arg| self.reg(arg)).collect()
    }

    fn branch(&mut self, test: Test, then: Block, other: Block) {
        let (then, other) = (self.succ(then), self.succ(other));
        self.add(Kind::Branch { test, then, other }, &[], PRegSet::empty());
    }

    /// A table where the cases lie densely. Sparse switches are comparisons by now (`layout::split_switches`).
    fn switch(&mut self, value: Value, cases: &[(u64, Edge)], default: Block) {
        let first = cases[0].0;
        let span = (cases[cases.len() - 1].0 - first + 1) as usize;
        let value = self.reg(value);
        let index = if first == 0 {
            value
        } else {
            let index = self.word();
            let start = self.word();
            self.constant(start, first);
            self.x(Code::Sub_r64_rm64, &[O::Mod(index, value, Size::Q), O::Use(start, Size::Q)]);
            index
        };
        let default = self.succ(default);
        let mut table = vec![default; span];
        for (bits, edge) in cases {
            table[(bits - first) as usize] = self.succ(edge.block);
        }
        self.vcode.tables.push(table);
        let number = self.vcode.tables.len() as u32 - 1;
        let (offset, base) = (self.word(), self.word());
        let operands =
            [Operand::reg_use(index), Operand::reg_def_at_start(offset), Operand::reg_def_at_start(base)];
        self.add(Kind::JumpTable(number), &operands, PRegSet::empty());
    }

    // ---- values that pass between frames

    /// Puts values where the convention wants them; gives the uses of those in registers.
    fn pass(&mut self, values: &[Value]) -> Result<Operands, Unsupported> {
        let places = convention(values.iter().map(|&value| self.ty(value)))?;
        let mut operands = Operands::new();
        for (&value, place) in values.iter().zip(places) {
            match place {
                Passed::Reg(preg) => operands.push(Operand::reg_fixed_use(self.reg(value), preg)),
                Passed::Transfer(word) => {
                    let vreg = self.reg(value);
                    let code = match self.ty(value) {
                        LeafKind::Float => Code::Movss_xmmm32_xmm,
                        LeafKind::Double => Code::Movsd_xmmm64_xmm,
                        _ => Code::Mov_rm64_r64,
                    };
                    let size = if code == Code::Mov_rm64_r64 { Size::Q } else { Size::X };
                    let address = Address::thread(thread::TRANSFER + 8 * word as i32);
                    self.x(code, &[O::Mem(address), O::Use(vreg, size)]);
                }
            }
        }
        Ok(operands)
    }

    /// The definitions of values that arrive in registers, and the loads of the others.
    fn receive(&mut self, values: &[Value]) -> Result<(Operands, Vec<(Value, u32)>), Unsupported> {
        let places = convention(values.iter().map(|&value| self.ty(value)))?;
        let (mut operands, mut loads) = (Operands::new(), Vec::new());
        for (&value, place) in values.iter().zip(places) {
            // Nobody asked for it: it need not arrive.
            if self.vregs[value.index()].is_none() {
                continue;
            }
            match place {
                Passed::Reg(preg) => operands.push(Operand::reg_fixed_def(self.vreg_of(value), preg)),
                Passed::Transfer(word) => loads.push((value, word)),
            }
        }
        Ok((operands, loads))
    }

    fn load_transferred(&mut self, loads: &[(Value, u32)]) {
        for &(value, word) in loads {
            let to = self.vreg_of(value);
            let address = Address::thread(thread::TRANSFER + 8 * word as i32);
            let (code, size) = match self.ty(value) {
                LeafKind::Float => (Code::Movss_xmm_xmmm32, Size::X),
                LeafKind::Double => (Code::Movsd_xmm_xmmm64, Size::X),
                _ => (Code::Mov_r64_rm64, Size::Q),
            };
            self.x(code, &[O::Def(to, size), O::Mem(address)]);
        }
    }

    pub(super) fn entry(&mut self) -> Result<(), Unsupported> {
        let params = self.func.blocks[Func::ENTRY.index()].params.clone();
        let (operands, loads) = self.receive(&params)?;
        self.add(Kind::Args, &operands, PRegSet::empty());
        self.load_transferred(&loads);
        Ok(())
    }

    fn ret(&mut self, args: &[Value]) -> Result<(), Unsupported> {
        let operands = self.pass(args)?;
        self.add(Kind::Ret, &operands, PRegSet::empty());
        Ok(())
    }

    /// The goal of a call, the operands that lead to an indirect callee, and the arguments.
    fn goal<'v>(&mut self, callee: Callee, args: &'v [Value]) -> (Goal, Operands, &'v [Value]) {
        match callee {
            Callee::Func(func) => (Goal::Func(func), Operands::new(), args),
            Callee::Indirect => {
                let (word, cells) = (self.reg(args[0]), self.word());
                self.x(Code::Lea_r64_m, &[O::Def(cells, Size::Q), O::Mem(Address::rip(Target::Cells))]);
                let operands = [Operand::reg_use(cells), Operand::reg_use(word)].into_iter().collect();
                (Goal::Indirect, operands, &args[1..])
            }
        }
    }

    fn tail_call(&mut self, callee: Callee, args: &[Value]) -> Result<(), Unsupported> {
        let (goal, mut operands, args) = self.goal(callee, args);
        operands.extend(self.pass(args)?);
        self.add(Kind::TailCall(goal), &operands, PRegSet::empty());
        Ok(())
    }

    /// A call, at the end of its block if it has two continuations.
    pub(super) fn call(&mut self, inst: Inst, ends: Option<(Block, Block)>) -> Result<(), Unsupported> {
        let data = &self.func.insts[inst.index()];
        let crate::ssa::Op::Call(callee) = data.op else { return Ok(()) };
        self.vcode.has_calls = true;
        let (args, kept) = data.args.split_at(data.args.len() - data.kept as usize);
        let (goal, mut operands, args) = self.goal(callee, args);
        operands.extend(self.pass(args)?);
        let (defs, loads) = self.receive(&data.results)?;
        if ends.is_some() && !loads.is_empty() {
            return Err(Unsupported::Form(
                mu_ir::table::Op::Call,
                "an exception clause and results beyond the registers",
            ));
        }
        let mut clobbers = regs::all();
        for def in &defs {
            if let Some(preg) = fixed(def) {
                clobbers.remove(preg);
            }
        }
        operands.extend(defs);
        let own = operands.len() as u16;
        let kept = self.keep(kept, &mut operands);
        let (normal, landing) = match ends {
            None => (None, None),
            Some((normal, exc)) => (Some(self.succ(normal)), Some(self.succ(exc))),
        };
        self.add(Kind::Call { goal, landing, normal, own, kept }, &operands, clobbers);
        self.load_transferred(&loads);
        Ok(())
    }

    /// Keep-alive variables as uses on the stack, one per register.
    fn keep(&mut self, values: &[Value], operands: &mut Operands) -> Vec<Kept> {
        let first = operands.len();
        let mut kept = Vec::with_capacity(values.len());
        for &value in values {
            if let Some(bits) = self.func.as_const(value) {
                kept.push(Kept::Const(bits, self.ty(value)));
                continue;
            }
            let vreg = self.vreg_of(value);
            let known = operands[first..].iter().position(|operand| operand.vreg() == vreg);
            let at = first + known.unwrap_or(operands.len() - first);
            if known.is_none() {
                operands.push(stack_use(vreg));
            }
            kept.push(Kept::Operand(at as u16));
        }
        kept
    }

    pub(super) fn landing(&mut self, inst: Inst) {
        if !self.wanted(inst) {
            return;
        }
        let to = self.result(inst);
        let exception = Address::thread(thread::EXCEPTION);
        self.x(Code::Mov_r64_rm64, &[O::Def(to, Size::Q), O::Mem(exception)]);
    }

    pub(super) fn help(&mut self, inst: Inst, helper: Helper) {
        let data = &self.func.insts[inst.index()];
        let args: Vec<VReg> = data.args.iter().map(|&arg| self.reg(arg)).collect();
        let mut operands = Operands::new();
        let (mut ints, mut fps) = (0, 0);
        for vreg in args {
            let preg = match vreg.class() {
                regalloc2::RegClass::Int => {
                    ints += 1;
                    regs::INT_PASSED[ints - 1]
                }
                _ => {
                    fps += 1;
                    regs::fp(fps - 1)
                }
            };
            operands.push(Operand::reg_fixed_use(vreg, preg));
        }
        let mut clobbers = regs::c_clobbers();
        for (number, &result) in data.results.iter().enumerate() {
            let preg = match (super::class(self.ty(result)), number) {
                (regalloc2::RegClass::Int, 0) => regs::RAX,
                (regalloc2::RegClass::Int, _) => regs::RDX,
                _ => regs::fp(0),
            };
            clobbers.remove(preg);
            operands.push(Operand::reg_fixed_def(self.vreg_of(result), preg));
        }
        self.vcode.has_calls = true;
        self.add(Kind::Help(helper), &operands, clobbers);
    }
}

/// The register an operand is fixed to.
fn fixed(operand: &Operand) -> Option<regalloc2::PReg> {
    match operand.constraint() {
        regalloc2::OperandConstraint::FixedReg(preg) => Some(preg),
        _ => None,
    }
}
