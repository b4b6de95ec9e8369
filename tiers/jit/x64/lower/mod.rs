//! Lowering: from SSA to machine instructions, choosing how each value is computed.
//!
//! Blocks are visited in reverse postorder backwards, and instructions of a block backwards, so every use is seen before
//! its definition. A value gets a virtual register when something asks for it; a pure instruction nobody asked for is
//! dropped. That is how folding works: an address computation, a comparison, a load or a constant that its user absorbs
//! is never asked for.
//!
//! ```text
//! v5 = index *8 v1 v2        ┐
//! v6 = load v5               ├  add v7, [v1 + v2*8]      (v5 and v6 never get registers)
//! v7 = add v3 v6             ┘
//! v8 = cmp.slt v7 v4         ┐
//! branch v8 b1() b2()        ┘  cmp v7, v4; jl b1
//! ```
//!
//! A load may be absorbed if it has one use, in the same block, and nothing between the two writes memory.
//! Code of one SSA instruction is written forwards into `group`; groups are put together backwards.

mod control;
mod float;
mod int;
mod memory;

use super::inst::{Arg, Base, Kind, MBlock, MInst, Mem, Target, VCode};
use super::regs::{self, Size};
use crate::import::Unsupported;
use crate::ssa::graph::Graph;
use crate::ssa::{Block, Effect, Func, Inst, Op, Slot, Terminator, Ty, Value};
use iced_x86::Code;
use mu_rt::layout::LeafKind;
use regalloc2::{Operand, OperandConstraint, OperandKind, OperandPos, PReg, PRegSet, RegClass, VReg};
use smallvec::SmallVec;

/// What the CPU has beyond the x86-64 baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Shifts by any register (`shlx` and friends).
    pub bmi2: bool,
    /// Floating point with a result register of its own (`vaddsd` and friends).
    pub avx: bool,
}

impl Cpu {
    /// Asks the CPU.
    pub fn detect() -> Cpu {
        Cpu { bmi2: std::is_x86_feature_detected!("bmi2"), avx: std::is_x86_feature_detected!("avx") }
    }

    /// What every x86-64 CPU has.
    pub const BASELINE: Cpu = Cpu { bmi2: false, avx: false };
}

/// Lowers a function whose edges are split (`layout::split_edges`), with blocks in the order of `layout`.
///
/// # Errors
/// What does not fit the convention or a frame.
pub fn lower(func: &Func, graph: &Graph, layout: &[Block], cpu: Cpu) -> Result<VCode, Unsupported> {
    let mut lower = Lower::new(func, layout, cpu)?;
    let mut code: Vec<Vec<MInst>> = vec![Vec::new(); layout.len()];
    for &block in graph.order.iter().rev() {
        lower.block(block)?;
        let at = lower.position[block.index()] as usize;
        lower.rest.reverse();
        code[at] = std::mem::take(&mut lower.rest);
    }
    for (at, insts) in code.into_iter().enumerate() {
        let start = lower.vcode.insts.len() as u32;
        lower.vcode.insts.extend(insts);
        lower.vcode.blocks[at].insts = start..lower.vcode.insts.len() as u32;
    }
    let mut vcode = lower.vcode;
    for at in 0..vcode.blocks.len() {
        for succ in vcode.blocks[at].succs.clone() {
            vcode.blocks[succ.index()].preds.push(regalloc2::Block::new(at));
        }
    }
    Ok(vcode)
}

/// The places of frame cells: offsets from rbp.
///
/// # Errors
/// When the frame would be too large.
pub fn cell_offsets(slots: &[Slot]) -> Result<Vec<i32>, Unsupported> {
    let mut bytes = 0u64;
    let mut offsets = Vec::with_capacity(slots.len());
    for slot in slots {
        if !slot.promoted {
            bytes = (bytes + slot.size_bytes.max(1)).next_multiple_of(slot.align_bytes.max(8));
        }
        if bytes > FRAME_BYTES_MAX {
            return Err(Unsupported::Frame);
        }
        offsets.push(-(bytes as i32));
    }
    Ok(offsets)
}

/// The most bytes of cells in a frame.
const FRAME_BYTES_MAX: u64 = 1 << 16;

/// An address of virtual registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    base: AddressBase,
    index: Option<VReg>,
    scale: u8,
    disp: i32,
}

#[derive(Clone, Copy, Debug)]
enum AddressBase {
    None,
    Reg(VReg),
    Frame,
    Thread,
    Rip(Target),
}

impl Address {
    fn thread(disp: i32) -> Address {
        Address { base: AddressBase::Thread, index: None, scale: 1, disp }
    }

    fn rip(target: Target) -> Address {
        Address { base: AddressBase::Rip(target), index: None, scale: 1, disp: 0 }
    }
}

/// An operand while an instruction is put together.
#[derive(Clone, Copy, Debug)]
pub(super) enum O {
    /// Defines a register.
    Def(VReg, Size),
    /// Defines the first register in the place of the second: `op dst, …` that also reads dst.
    Mod(VReg, VReg, Size),
    /// Reads a register.
    Use(VReg, Size),
    /// Reads a fixed register that the instruction does not name.
    In(VReg, PReg),
    /// Defines a fixed register that the instruction does not name.
    Out(VReg, PReg),
    /// Reads or writes memory.
    Mem(Address),
    /// An immediate.
    Imm(Arg, u64),
}

struct Lower<'a> {
    func: &'a Func,
    cpu: Cpu,
    vcode: VCode,
    /// The register of each value that was asked for.
    vregs: Vec<Option<VReg>>,
    /// Number of uses of each value.
    uses: Vec<u32>,
    /// Block of each instruction, and the number of instructions that write memory before it there.
    home: Vec<(Block, u32)>,
    /// Position of each block in the layout.
    position: Vec<MBlock>,
    /// The block being lowered, and the number of writes before the current instruction.
    at: (Block, u32),
    /// Code of the current SSA instruction, forwards.
    group: Vec<MInst>,
    /// Code of the block behind it, backwards.
    rest: Vec<MInst>,
    source: u32,
}

impl<'a> Lower<'a> {
    fn new(func: &'a Func, layout: &[Block], cpu: Cpu) -> Result<Lower<'a>, Unsupported> {
        let mut position = vec![MBlock::MAX; func.blocks.len()];
        for (at, block) in layout.iter().enumerate() {
            position[block.index()] = at as MBlock;
        }
        let mut uses = vec![0u32; func.value_count()];
        let mut home = vec![(Func::ENTRY, 0); func.insts.len()];
        for &block in layout {
            let data = &func.blocks[block.index()];
            let mut writes = 0;
            for &inst in &data.insts {
                home[inst.index()] = (block, writes);
                let inst = &func.insts[inst.index()];
                inst.args.iter().for_each(|arg| uses[arg.index()] += 1);
                writes += u32::from(inst.op.effect() == Effect::Write);
            }
            data.term.for_each_use(|value| uses[value.index()] += 1);
            if let Terminator::Invoke { call, .. } = data.term {
                home[call.index()] = (block, writes);
                func.insts[call.index()].args.iter().for_each(|arg| uses[arg.index()] += 1);
            }
        }
        let mut vcode = VCode::default();
        vcode.blocks.resize_with(layout.len(), Default::default);
        vcode.cell_offsets = cell_offsets(&func.slots)?;
        let bytes = vcode.cell_offsets.last().map_or(0, |offset| -offset);
        vcode.cell_bytes = (bytes as u32).next_multiple_of(8);
        Ok(Lower {
            func,
            cpu,
            vcode,
            vregs: vec![None; func.value_count()],
            uses,
            home,
            position,
            at: (Func::ENTRY, 0),
            group: Vec::new(),
            rest: Vec::new(),
            source: 0,
        })
    }

    fn block(&mut self, block: Block) -> Result<(), Unsupported> {
        let data = &self.func.blocks[block.index()];
        let writes = data
            .insts
            .iter()
            .filter(|inst| self.func.insts[inst.index()].op.effect() == Effect::Write)
            .count();
        self.at = (block, writes as u32);
        self.source = data.source;
        self.terminator(block, &data.term)?;
        self.end_group();
        for &inst in data.insts.iter().rev() {
            self.at.1 = self.home[inst.index()].1;
            self.source = self.func.insts[inst.index()].source;
            self.inst(inst)?;
            self.end_group();
        }
        if block == Func::ENTRY {
            self.entry()?;
            self.end_group();
        } else {
            let params = data.params.iter().map(|&param| self.vreg_of(param)).collect();
            let at = self.position[block.index()] as usize;
            self.vcode.blocks[at].params = params;
        }
        Ok(())
    }

    fn end_group(&mut self) {
        while let Some(inst) = self.group.pop() {
            self.rest.push(inst);
        }
    }

    /// Whether anything asked for a result.
    fn wanted(&self, inst: Inst) -> bool {
        self.func.insts[inst.index()].results.iter().any(|result| self.vregs[result.index()].is_some())
    }

    fn inst(&mut self, inst: Inst) -> Result<(), Unsupported> {
        let data = &self.func.insts[inst.index()];
        // A cell is cleared even when its address only stands in memory operands.
        if data.op.is_removable() && !self.wanted(inst) && !matches!(data.op, Op::Alloca(_)) {
            return Ok(());
        }
        match data.op {
            Op::Add
            | Op::Sub
            | Op::Mul
            | Op::And
            | Op::Or
            | Op::Xor
            | Op::Shl
            | Op::LShr
            | Op::AShr
            | Op::UDiv
            | Op::SDiv
            | Op::URem
            | Op::SRem
            | Op::UMulHi
            | Op::SMulHi
            | Op::Rotl
            | Op::Trunc
            | Op::ZExt
            | Op::SExt
            | Op::Retype => self.int_inst(inst),
            Op::ICmp(_) | Op::FCmp(_) => self.compare_inst(inst),
            Op::Select => self.select(inst),
            Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FpTrunc
            | Op::FpExt
            | Op::F64ToSi
            | Op::SiToFp
            | Op::BitCast => self.float_inst(inst),
            Op::Offset(_) | Op::Index(_) => self.address_inst(inst),
            Op::Load(_) => self.load(inst),
            Op::Store(_) => self.store(inst),
            Op::CmpXchg => self.cmpxchg(inst),
            Op::Rmw(_) => self.rmw(inst),
            Op::Fence(order) => self.fence(order),
            Op::Alloca(slot) => self.alloca(inst, slot),
            Op::Call(_) => return self.call(inst, None),
            Op::Help(helper) => self.help(inst, helper),
            Op::Landing => self.landing(inst),
            Op::Poll => self.add(Kind::Poll, &[], PRegSet::empty()),
        }
        Ok(())
    }

    // ---- values

    fn ty(&self, value: Value) -> Ty {
        self.func.ty(value)
    }

    /// The register of a value that is not a constant.
    fn vreg_of(&mut self, value: Value) -> VReg {
        debug_assert!(self.func.as_const(value).is_none());
        if let Some(vreg) = self.vregs[value.index()] {
            return vreg;
        }
        let vreg = self.vcode.vreg(self.func.ty(value));
        self.vregs[value.index()] = Some(vreg);
        vreg
    }

    /// The register of the result of the current instruction.
    fn result(&mut self, inst: Inst) -> VReg {
        self.vreg_of(self.func.insts[inst.index()].results[0])
    }

    /// A fresh register for a word.
    fn word(&mut self) -> VReg {
        self.vcode.vreg(LeafKind::Int(64))
    }

    /// A value in a register; a constant is made here.
    fn reg(&mut self, value: Value) -> VReg {
        match self.func.as_const(value) {
            None => self.vreg_of(value),
            Some(bits) => {
                let vreg = self.vcode.vreg(self.func.ty(value));
                self.constant(vreg, bits);
                vreg
            }
        }
    }

    fn constant(&mut self, to: VReg, bits: u64) {
        if to.class() == RegClass::Float {
            self.fp_constant(to, bits);
        } else if bits <= u64::from(u32::MAX) {
            self.x(Code::Mov_r32_imm32, &[O::Def(to, Size::D), O::Imm(Arg::Imm32, bits)]);
        } else if bits as i64 >= i64::from(i32::MIN) && (bits as i64) < 0 {
            self.x(Code::Mov_rm64_imm32, &[O::Def(to, Size::Q), O::Imm(Arg::Imm32to64, bits)]);
        } else {
            self.x(Code::Mov_r64_imm64, &[O::Def(to, Size::Q), O::Imm(Arg::Imm64, bits)]);
        }
    }

    /// A constant as an immediate of an instruction of this size: one that sign-extends from 32 bits.
    fn imm(&self, value: Value, size: Size) -> Option<i32> {
        let bits = self.func.as_const(value)?;
        match size {
            Size::D => Some(bits as u32 as i32),
            Size::Q => i32::try_from(bits as i64).ok(),
            Size::B | Size::W | Size::X => None,
        }
    }

    /// The memory operand of a load that the current instruction may absorb.
    fn absorbed_load(&mut self, value: Value, ty: Ty) -> Option<Address> {
        let inst = self.func.as_inst(value)?;
        let data = &self.func.insts[inst.index()];
        let Op::Load(_) = data.op else { return None };
        let free = data.op.effect() == Effect::Read
            && self.home[inst.index()] == self.at
            && self.uses[value.index()] == 1
            && self.vregs[value.index()].is_none()
            && self.ty(value) == ty;
        if !free {
            return None;
        }
        Some(self.address(data.args[0]))
    }

    // ---- instructions

    /// Adds a CPU instruction.
    fn x(&mut self, code: Code, list: &[O]) {
        self.x_full(code, list, PRegSet::empty(), false);
    }

    fn x_full(&mut self, code: Code, list: &[O], clobbers: PRegSet, lock: bool) {
        let mut operands: SmallVec<[Operand; 6]> = SmallVec::new();
        let mut args = [Arg::None; 3];
        let mut count = 0;
        let mut mem = Mem { base: Base::None, index: None, scale: 1, disp: 0 };
        let mut imm = 0;
        for &entry in list {
            let next = operands.len() as u8;
            let arg = match entry {
                O::Def(vreg, size) => {
                    operands.push(Operand::reg_def(vreg));
                    Arg::Op(next, size)
                }
                O::Mod(to, from, size) => {
                    operands.push(Operand::reg_reuse_def(to, usize::from(next) + 1));
                    operands.push(Operand::reg_use(from));
                    Arg::Op(next, size)
                }
                O::Use(vreg, size) => {
                    operands.push(Operand::reg_use(vreg));
                    Arg::Op(next, size)
                }
                O::In(vreg, preg) => {
                    operands.push(Operand::reg_fixed_use(vreg, preg));
                    continue;
                }
                O::Out(vreg, preg) => {
                    operands.push(Operand::reg_fixed_def(vreg, preg));
                    continue;
                }
                O::Mem(address) => {
                    mem = Self::memory_operand(address, &mut operands);
                    Arg::Mem
                }
                O::Imm(kind, bits) => {
                    imm = bits;
                    kind
                }
            };
            args[count] = arg;
            count += 1;
        }
        self.add(Kind::X { code, args, mem, imm, lock }, &operands, clobbers);
    }

    fn memory_operand(address: Address, operands: &mut SmallVec<[Operand; 6]>) -> Mem {
        let base = match address.base {
            AddressBase::None => Base::None,
            AddressBase::Frame => Base::Frame,
            AddressBase::Thread => Base::Thread,
            AddressBase::Rip(target) => Base::Rip(target),
            AddressBase::Reg(vreg) => {
                operands.push(Operand::reg_use(vreg));
                Base::Op(operands.len() as u8 - 1)
            }
        };
        let index = address.index.map(|vreg| {
            operands.push(Operand::reg_use(vreg));
            operands.len() as u8 - 1
        });
        Mem { base, index, scale: address.scale, disp: address.disp }
    }

    fn add(&mut self, kind: Kind, operands: &[Operand], clobbers: PRegSet) {
        let first = self.vcode.operands.len() as u32;
        self.vcode.operands.extend_from_slice(operands);
        let source = self.source;
        self.group.push(MInst { kind, first, count: operands.len() as u32, clobbers, source });
    }

    /// Copies a register.
    fn copy(&mut self, to: VReg, from: VReg) {
        match to.class() {
            RegClass::Int => self.x(Code::Mov_r64_rm64, &[O::Def(to, Size::Q), O::Use(from, Size::Q)]),
            RegClass::Float | RegClass::Vector => {
                self.x(Code::Movaps_xmm_xmmm128, &[O::Def(to, Size::X), O::Use(from, Size::X)]);
            }
        }
    }

    /// Puts a value, of any kind, into a given register.
    fn into(&mut self, to: VReg, value: Value) {
        match self.func.as_const(value) {
            Some(bits) => self.constant(to, bits),
            None => {
                let from = self.vreg_of(value);
                self.copy(to, from);
            }
        }
    }
}

/// A use of a value in any place while the results are being written: on the stack, at a safepoint.
pub(super) fn stack_use(vreg: VReg) -> Operand {
    Operand::new(vreg, OperandConstraint::Stack, OperandKind::Use, OperandPos::Late)
}

/// The size of the instructions that compute a type.
fn size_of(ty: Ty) -> Size {
    match ty {
        LeafKind::Int(1..=32) => Size::D,
        LeafKind::Float | LeafKind::Double => Size::X,
        _ => Size::Q,
    }
}

pub(super) use regs::class;
