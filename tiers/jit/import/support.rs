//! What this tier supports: one decision per instruction of the table, family by family and without a wildcard arm, so
//! that a new instruction does not compile until it is decided here. What imports an instruction is told which of its
//! family it is, and asks no more.

use super::{Done, Importer};
use mu_ir::inst::{Inst, Linked};
use mu_ir::table::{
    AccessOp, AddressOp, AllocOp, CallOp, ChoiceOp, CommFamily, CommInst, Family, MiscInst, Op, SystemOp,
    ValueOp,
};
use std::fmt;

/// Why a function version is not compiled. It stays with the interpreter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsupported {
    /// An instruction, in whatever form.
    Op(Op),
    /// A common instruction, in whatever form.
    Comm(CommInst),
    /// An instruction in a form or on a type that is not supported; what about it.
    Form(Op, &'static str),
    /// A value of more than 256 leaves, or a type without SSA values.
    LargeValue,
    /// A version of more than 100000 instructions and values, as the importer counts them.
    TooLong,
    /// A callee of a signature with other words than those of the call: undefined behaviour if it is called, which the
    /// interpreter reports. (Lenient loading lets it pass.)
    CalleeSignature,
    /// The native value of an exposed function.
    ExposedFunction,
    /// Arguments or results of more words than the registers of the convention and the 240 words of the transfer area
    /// ([`crate::thread_area::TRANSFER_WORDS`]) hold.
    TransferArea,
    /// Frame cells of too many bytes.
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
            Unsupported::CalleeSignature => f.write_str("a callee of another signature"),
            Unsupported::ExposedFunction => f.write_str("the native value of an exposed function"),
            Unsupported::TransferArea => f.write_str("too many arguments or results"),
            Unsupported::Frame => f.write_str("frame cells of too many bytes"),
            Unsupported::Registers(why) => write!(f, "register allocation: {why}"),
            Unsupported::CodeRegion => f.write_str("executable memory is used up"),
        }
    }
}

impl std::error::Error for Unsupported {}

impl Importer<'_> {
    /// Imports one instruction of a Mu block.
    pub(super) fn inst(&mut self, inst: &Inst<Linked>, block: usize) -> Done {
        match inst.op.family() {
            Family::Int(op) => self.int_binary(inst, op),
            Family::Fp(op) => self.fp_binary(inst, op),
            Family::Cmp(op) => self.compare(inst, op),
            Family::FpCmp(op) => self.fp_compare(inst, op),
            Family::Conv(op) => self.convert(inst, op),
            Family::Choice(op) => match op {
                ChoiceOp::Select => self.select(inst),
                ChoiceOp::Branch => self.branch(inst),
                ChoiceOp::Branch2 => self.branch2(inst),
                ChoiceOp::Switch => self.switch(inst),
            },
            Family::Call(op) => match op {
                CallOp::Call => self.call(inst),
                CallOp::TailCall => self.tail_call(inst),
                CallOp::Ret => self.ret(inst),
                CallOp::Throw => self.throw(inst),
            },
            Family::Value(op) => match op {
                ValueOp::ExtractValue => self.struct_value(inst, None),
                ValueOp::InsertValue => self.struct_value(inst, Some(inst.args[1])),
                ValueOp::ExtractElement => self.element(inst, None),
                ValueOp::InsertElement => self.element(inst, Some(inst.args[2])),
                ValueOp::ShuffleVector => self.shuffle(inst),
            },
            Family::Alloc(op) => match op {
                AllocOp::Alloca => self.alloca(inst, block),
                AllocOp::New | AllocOp::NewHybrid | AllocOp::AllocaHybrid => Err(Unsupported::Op(inst.op)),
            },
            Family::Address(op) => match op {
                AddressOp::GetIRef => self.get_iref(inst),
                AddressOp::GetFieldIRef => self.field_iref(inst),
                AddressOp::GetElemIRef => self.elem_iref(inst),
                AddressOp::ShiftIRef => self.shift_iref(inst),
                AddressOp::GetVarPartIRef => self.var_part_iref(inst),
            },
            Family::Access(op) => match op {
                AccessOp::Load => self.load(inst),
                AccessOp::Store => self.store(inst),
                AccessOp::CmpXchg => self.cmpxchg(inst),
                AccessOp::AtomicRmw => self.rmw(inst),
            },
            Family::System(op) => match op {
                SystemOp::Fence => self.fence(inst),
                SystemOp::CommInst => self.comm(inst),
                SystemOp::Trap
                | SystemOp::Watchpoint
                | SystemOp::WpBranch
                | SystemOp::CCall
                | SystemOp::NewThread
                | SystemOp::SwapStack => Err(Unsupported::Op(inst.op)),
            },
        }
    }

    fn comm(&mut self, inst: &Inst<Linked>) -> Done {
        let Some(comm) = inst.attrs.comm else { return Err(Unsupported::Op(inst.op)) };
        match comm.family() {
            CommFamily::Misc(op) => match op {
                MiscInst::KillDependency => {
                    let value = self.value_as(inst.args[0], inst.types[0])?;
                    self.define_result(inst, value);
                    Ok(())
                }
            },
            CommFamily::Thread(_)
            | CommFamily::Tr64(_)
            | CommFamily::Futex(_)
            | CommFamily::Native(_)
            | CommFamily::Meta(_)
            | CommFamily::Builder(_) => Err(Unsupported::Comm(comm)),
        }
    }
}
