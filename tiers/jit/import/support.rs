//! What this tier supports: one decision per instruction of the table, without a wildcard arm, so that a new
//! instruction does not compile until it is decided here.

use super::{Done, Importer};
use mu_ir::inst::{Inst, Linked};
use mu_ir::table::{CommInst, Op};
use std::fmt;

/// Why a function version is not compiled. It stays with the interpreter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsupported {
    /// An instruction.
    Op(Op),
    /// A common instruction.
    Comm(CommInst),
    /// An instruction in a form or on a type that is not supported; what about it.
    Form(Op, &'static str),
    /// A value with too many leaves.
    LargeValue,
    /// A version with too many instructions.
    TooLong,
    /// The native value of an exposed function.
    ExposedFunction,
    /// Arguments or results that do not fit the transfer area.
    TransferArea,
    /// A frame that is too large.
    Frame,
    /// The register allocator gave up, with its reason.
    Registers(&'static str),
    /// Executable memory is used up.
    CodeRegion,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsupported::Op(op) => f.write_str(op.mnemonic()),
            Unsupported::Comm(comm) => f.write_str(comm.name()),
            Unsupported::Form(op, what) => write!(f, "{}: {what}", op.mnemonic()),
            Unsupported::LargeValue => f.write_str("a value with too many leaves"),
            Unsupported::TooLong => f.write_str("a version with too many instructions"),
            Unsupported::ExposedFunction => f.write_str("the native value of an exposed function"),
            Unsupported::TransferArea => f.write_str("too many arguments or results"),
            Unsupported::Frame => f.write_str("a frame that is too large"),
            Unsupported::Registers(why) => write!(f, "register allocation: {why}"),
            Unsupported::CodeRegion => f.write_str("executable memory is used up"),
        }
    }
}

impl std::error::Error for Unsupported {}

impl Importer<'_> {
    /// Imports one instruction of a Mu block.
    pub(super) fn inst(&mut self, inst: &Inst<Linked>, block: usize) -> Done {
        match inst.op {
            Op::Add
            | Op::Sub
            | Op::Mul
            | Op::SDiv
            | Op::SRem
            | Op::UDiv
            | Op::URem
            | Op::Shl
            | Op::LShr
            | Op::AShr
            | Op::And
            | Op::Or
            | Op::Xor
            | Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FRem => self.binary(inst),
            Op::Eq
            | Op::Ne
            | Op::SGe
            | Op::SGt
            | Op::SLe
            | Op::SLt
            | Op::UGe
            | Op::UGt
            | Op::ULe
            | Op::ULt
            | Op::FFalse
            | Op::FTrue
            | Op::FUno
            | Op::FUeq
            | Op::FUne
            | Op::FUgt
            | Op::FUge
            | Op::FUlt
            | Op::FUle
            | Op::FOrd
            | Op::FOeq
            | Op::FOne
            | Op::FOgt
            | Op::FOge
            | Op::FOlt
            | Op::FOle => self.compare(inst),
            Op::Trunc
            | Op::ZExt
            | Op::SExt
            | Op::FpTrunc
            | Op::FpExt
            | Op::FpToUi
            | Op::FpToSi
            | Op::UiToFp
            | Op::SiToFp
            | Op::BitCast
            | Op::RefCast
            | Op::PtrCast => self.convert(inst),
            Op::Select => self.select(inst),
            Op::Branch => self.branch(inst),
            Op::Branch2 => self.branch2(inst),
            Op::Switch => self.switch(inst),
            Op::Call => self.call(inst),
            Op::TailCall => self.tail_call(inst),
            Op::Ret => self.ret(inst),
            Op::Throw => self.throw(inst),
            Op::ExtractValue | Op::InsertValue => self.struct_value(inst),
            Op::ExtractElement | Op::InsertElement => self.element(inst),
            Op::ShuffleVector => self.shuffle(inst),
            Op::Alloca => self.alloca(inst, block),
            Op::GetIRef => self.get_iref(inst),
            Op::GetFieldIRef => self.field_iref(inst),
            Op::GetElemIRef | Op::ShiftIRef => self.index_iref(inst),
            Op::GetVarPartIRef => self.var_part_iref(inst),
            Op::Load => self.load(inst),
            Op::Store => self.store(inst),
            Op::CmpXchg => self.cmpxchg(inst),
            Op::AtomicRmw => self.rmw(inst),
            Op::Fence => self.fence(inst),
            Op::CommInst => self.comm(inst),
            Op::New
            | Op::NewHybrid
            | Op::AllocaHybrid
            | Op::Trap
            | Op::Watchpoint
            | Op::WpBranch
            | Op::CCall
            | Op::NewThread
            | Op::SwapStack => Err(Unsupported::Op(inst.op)),
        }
    }

    fn comm(&mut self, inst: &Inst<Linked>) -> Done {
        match inst.attrs.comm {
            Some(CommInst::KillDependency) => {
                let value = self.value(inst.args[0])?;
                self.define_result(inst, value);
                Ok(())
            }
            Some(comm) => Err(Unsupported::Comm(comm)),
            None => Err(Unsupported::Op(inst.op)),
        }
    }
}
