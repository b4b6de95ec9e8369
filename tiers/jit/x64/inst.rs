//! Machine instructions before registers are known.
//!
//! Nearly all are [`Kind::X`]: an instruction of the CPU by its encoder [`Code`], with operands that name entries of the
//! allocator's operand list. What takes several instructions, or ends a block, or is a safepoint has a kind of its own.
//! A [`VCode`] is what the register allocator sees: blocks with every loop's head before the loop, cold ones last.

use super::regs::Size;
use crate::ssa::{Helper, Ty};
use iced_x86::Code;
use mu_ir::ids::FuncId;
use mu_rt::layout::LeafKind;
use regalloc2::{Operand, PRegSet, VReg};

/// A machine block, by number.
pub type MBlock = u32;

/// A thing with an address that is known when code is installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A word of the function's constant pool.
    Pool(u32),
    /// A jump table.
    Table(u32),
    /// The entry cell of a function.
    Cell(FuncId),
    /// The table of entry cells, indexed by funcref words.
    Cells,
}

/// What an address begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// Nothing.
    None,
    /// A register of the operand list.
    Op(u8),
    /// The frame: displacements are from rbp.
    Frame,
    /// The thread area.
    Thread,
    /// The instruction pointer.
    Rip(Target),
}

/// A memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mem {
    /// The base.
    pub base: Base,
    /// The index register, in the operand list.
    pub index: Option<u8>,
    /// 1, 2, 4 or 8.
    pub scale: u8,
    /// The displacement.
    pub disp: i32,
}

/// An operand of a CPU instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// None.
    None,
    /// An entry of the operand list. If the allocator gave it a stack slot, a memory operand.
    Op(u8, Size),
    /// The memory operand of the instruction.
    Mem,
    /// An 8-bit immediate.
    Imm8,
    /// An 8-bit immediate, extended to 32 bits.
    Imm8to32,
    /// An 8-bit immediate, extended to 64 bits.
    Imm8to64,
    /// A 32-bit immediate.
    Imm32,
    /// A 32-bit immediate, extended to 64 bits.
    Imm32to64,
    /// A 64-bit immediate.
    Imm64,
}

/// Conditions, by their hardware numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the CPU's names")]
pub enum Cc {
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cc {
    /// The opposite.
    pub fn negate(self) -> Cc {
        match self {
            Cc::B => Cc::Ae,
            Cc::Ae => Cc::B,
            Cc::E => Cc::Ne,
            Cc::Ne => Cc::E,
            Cc::Be => Cc::A,
            Cc::A => Cc::Be,
            Cc::P => Cc::Np,
            Cc::Np => Cc::P,
            Cc::L => Cc::Ge,
            Cc::Ge => Cc::L,
            Cc::Le => Cc::G,
            Cc::G => Cc::Le,
        }
    }
}

/// What flags must be for something to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// One condition.
    One(Cc),
    /// Either of two.
    Either(Cc, Cc),
    /// Both of two.
    Both(Cc, Cc),
}

impl Test {
    /// The opposite.
    pub fn negate(self) -> Test {
        match self {
            Test::One(cc) => Test::One(cc.negate()),
            Test::Either(a, b) => Test::Both(a.negate(), b.negate()),
            Test::Both(a, b) => Test::Either(a.negate(), b.negate()),
        }
    }
}

/// Where a call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// Through the entry cell of a function.
    Func(FuncId),
    /// Through the memory operand: base and funcref word are operands 0 and 1.
    Indirect,
}

/// A leaf of a keep-alive variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// An operand of the call, on the stack.
    Operand(u16),
    /// A constant.
    Const(u64, Ty),
}

/// What a machine instruction is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One instruction of the CPU.
    X {
        /// Which.
        code: Code,
        /// Its operands.
        args: [Arg; 3],
        /// The memory operand.
        mem: Mem,
        /// The immediate.
        imm: u64,
        /// With the LOCK prefix.
        lock: bool,
    },
    /// The definitions of the parameters that come in registers.
    Args,
    /// A jump.
    Jump(MBlock),
    /// A branch by the flags.
    Branch {
        /// The test.
        test: Test,
        /// Where to go if it holds.
        then: MBlock,
        /// Where to go otherwise.
        other: MBlock,
    },
    /// A jump through a table of offsets: operand 0 is the index, operands 1 and 2 temporaries.
    JumpTable(u32),
    /// A call: a safepoint. The last operands are the references that are live after it.
    Call {
        /// The callee.
        goal: Goal,
        /// Where it continues when an exception comes back.
        landing: Option<MBlock>,
        /// Where it continues normally, if it ends its block.
        normal: Option<MBlock>,
        /// How many of the operands belong to the call itself.
        own: u16,
        /// The leaves of the keep-alive variables.
        kept: Vec<Kept>,
    },
    /// A call of a helper.
    Help(Helper),
    /// A return.
    Ret,
    /// A tail call, as [`Goal`] says.
    TailCall(Goal),
    /// A throw of the exception in the thread area.
    Throw,
    /// Division: dividend in rax, divisor operand 1, result in rax or rdx.
    Divide {
        /// Operand size.
        size: Size,
        /// Signed, and whether the divisor may be -1.
        signed: Option<bool>,
        /// Whether the remainder is wanted.
        rem: bool,
    },
    /// `operand 0 = operand 2 if test else operand 1`, SSE registers; 0 reuses 1.
    SelectFp(Test),
    /// A safepoint poll, which saves all registers: its map names registers and slots (`replay::poll_maps`).
    Poll,
    /// Operand 0, an SSE register, = 0.
    ZeroFp,
    /// Operand 0 = the double operand 1, truncated and clamped.
    F64ToSi,
    /// Not reached.
    Unreachable,
}

/// A machine instruction.
#[derive(Clone, Debug)]
pub struct MInst {
    /// What it is.
    pub kind: Kind,
    /// First operand.
    pub first: u32,
    /// Number of operands.
    pub count: u32,
    /// What it destroys.
    pub clobbers: PRegSet,
    /// The Mu instruction it comes from.
    pub source: u32,
}

/// A machine block.
#[derive(Clone, Debug, Default)]
pub struct MBlockData {
    /// Instructions.
    pub insts: std::ops::Range<u32>,
    /// Parameters.
    pub params: Vec<VReg>,
    /// Arguments of its jump, if it ends in one.
    pub args: Vec<VReg>,
    /// Successors.
    pub succs: Vec<regalloc2::Block>,
    /// Predecessors.
    pub preds: Vec<regalloc2::Block>,
    /// Whether it is the head of a loop: aligned.
    pub loop_head: bool,
}

/// A function as machine instructions.
#[derive(Clone, Debug, Default)]
pub struct VCode {
    /// Blocks; the first is the entry.
    pub blocks: Vec<MBlockData>,
    /// Instructions of all blocks, in order.
    pub insts: Vec<MInst>,
    /// Operands of all instructions.
    pub operands: Vec<Operand>,
    /// Types of virtual registers.
    pub vreg_types: Vec<Ty>,
    /// Constant pool.
    pub pool: Vec<u64>,
    /// Jump tables.
    pub tables: Vec<Vec<MBlock>>,
    /// Bytes of the frame's cells; they lie directly below rbp.
    pub cell_bytes: u32,
    /// Offsets of the cells from rbp.
    pub cell_offsets: Vec<i32>,
    /// Whether it calls anything.
    pub has_calls: bool,
    /// The references that are live after each poll, by instruction.
    pub polls: Vec<(u32, Vec<VReg>)>,
}

impl VCode {
    /// A new virtual register.
    pub fn vreg(&mut self, ty: Ty) -> VReg {
        self.vreg_types.push(ty);
        VReg::new(self.vreg_types.len() - 1, super::regs::class(ty))
    }

    /// The operands of an instruction.
    pub fn operands_of(&self, inst: usize) -> &[Operand] {
        let data = &self.insts[inst];
        &self.operands[data.first as usize..(data.first + data.count) as usize]
    }

    /// What kind of word a virtual register holds.
    pub fn ty(&self, vreg: VReg) -> LeafKind {
        self.vreg_types[vreg.vreg()]
    }
}

/// One line per instruction with its operands, for messages about the register allocator.
impl std::fmt::Display for VCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, block) in self.blocks.iter().enumerate() {
            let succs: Vec<usize> = block.succs.iter().map(|succ| succ.index()).collect();
            writeln!(f, "block {number} {:?} -> {succs:?} {:?}", block.params, block.args)?;
            for inst in block.insts.clone() {
                let data = &self.insts[inst as usize];
                let operands: Vec<String> =
                    self.operands_of(inst as usize).iter().map(|o| o.to_string()).collect();
                match &data.kind {
                    Kind::X { code, imm, .. } => writeln!(f, "  {inst}: {code:?} {imm:#x} {operands:?}")?,
                    kind => writeln!(f, "  {inst}: {kind:?} {operands:?}")?,
                }
            }
        }
        Ok(())
    }
}
