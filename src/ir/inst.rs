//! Instructions as data: one uniform record, before and after linking.
//!
//! Every instruction is an [`Inst`]: an [`Op`] and lists of what the written form of that op holds. One record for all
//! ops wastes some bytes, but parser, printer, linker, verifier and builder each become one loop over
//! [`crate::table::Form::parts`] instead of sixty cases. What the tiers execute is decoded from it and compact.
//!
//! Where the parts of a form go:
//!
//! ```text
//! operands, in written order          args      SWITCH: operand, then the case values
//! destinations, in written order      dests     SWITCH: default, then one per case; WATCHPOINT: dis, ena, [exc]
//! types in angle brackets or lists    types     SWAPSTACK: RET_WITH types, then PASS_VALUES types (split says where)
//! signatures                          sigs
//! EXC (nor exc)                       exc
//! KEEPALIVE (…)                       keepalives
//! everything else                     attrs
//! ```
//!
//! NEWTHREAD args: stack, thread-local (if `attrs.threadlocal`), then the values or the exception.
//! SWAPSTACK args: swappee, then the values or the exception. CALL, TAILCALL, CCALL args: callee, then the arguments.

use crate::diag::Span;
use crate::ids::*;
use crate::table::{CallConv, CommInst, CurStack, MemOrder, NewStack, Op, RmwOp, StatusFlags};
use smallvec::SmallVec;
use std::fmt::Debug;

/// How the parts of an instruction refer to entities: by symbol before linking, by index after.
pub trait Phase: Clone + Copy + Debug + 'static {
    /// A type.
    type Ty: Copy + Debug;
    /// A signature.
    type Sig: Copy + Debug;
    /// An operand.
    type Val: Copy + Debug;
    /// A basic block.
    type Block: Copy + Debug;
    /// The definition of a result.
    type Def: Copy + Debug;
    /// The instruction's own name or id.
    type Name: Copy + Debug;
}

/// A use of a symbol, with its place.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The symbol.
    pub sym: Sym,
    /// Where it is written.
    pub span: Span,
}

/// Before linking: everything is a symbol.
#[derive(Clone, Copy, Debug)]
pub struct Unlinked;

impl Phase for Unlinked {
    type Ty = Use;
    type Sig = Use;
    type Val = Use;
    type Block = Use;
    type Def = Use;
    type Name = Option<Use>;
}

/// After linking: everything is an index.
#[derive(Clone, Copy, Debug)]
pub struct Linked;

impl Phase for Linked {
    type Ty = TypeId;
    type Sig = SigId;
    type Val = Value;
    type Block = BlockIdx;
    type Def = VarIdx;
    type Name = MuId;
}

/// A linked operand: a local or a global SSA variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Value {
    /// A parameter or result of the same basic block.
    Local(VarIdx),
    /// A constant.
    Const(ConstId),
    /// A global cell: an iref to it.
    Global(GlobalId),
    /// A function: a funcref to it.
    Func(FuncId),
    /// An exposed function: its native value.
    Expose(ExposeId),
}

/// A destination clause.
#[derive(Clone, Debug)]
pub struct Dest<P: Phase> {
    /// The block.
    pub block: P::Block,
    /// The arguments for its normal parameters.
    pub args: SmallVec<[P::Val; 4]>,
}

/// An exception clause.
#[derive(Clone, Debug)]
pub struct ExcClause<P: Phase> {
    /// Where the instruction continues normally.
    pub nor: Dest<P>,
    /// Where it continues exceptionally.
    pub exc: Dest<P>,
}

/// The parts of an instruction that are neither operands nor references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attrs {
    /// `PTR`
    pub ptr: bool,
    /// `WEAK`
    pub weak: bool,
    /// NEWTHREAD has `THREADLOCAL`.
    pub threadlocal: bool,
    /// Memory order (of success, for CMPXCHG).
    pub ord: MemOrder,
    /// Memory order of a failed CMPXCHG.
    pub ord_fail: MemOrder,
    /// Operator of ATOMICRMW.
    pub rmw: RmwOp,
    /// Status results of a binary operation.
    pub status: StatusFlags,
    /// Calling convention of CCALL.
    pub callconv: CallConv,
    /// Current-stack clause of SWAPSTACK.
    pub cur_stack: CurStack,
    /// New-stack clause of SWAPSTACK and NEWTHREAD.
    pub new_stack: NewStack,
    /// The common instruction of COMMINST; `None` only where its name is unknown (an error was reported).
    pub comm: Option<CommInst>,
    /// Number of flags given to COMMINST; the only flag today is a calling convention, in `callconv`.
    pub comm_flags: u8,
    /// Field index (EXTRACTVALUE, INSERTVALUE, GETFIELDIREF) or watchpoint id.
    pub literal: u64,
    /// SWAPSTACK: how many of `types` belong to RET_WITH.
    pub split: u32,
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct Inst<P: Phase> {
    /// Which.
    pub op: Op,
    /// Its name (before linking, if it has one) or id.
    pub name: P::Name,
    /// Results, in order.
    pub results: SmallVec<[P::Def; 1]>,
    /// Types.
    pub types: SmallVec<[P::Ty; 2]>,
    /// Signatures.
    pub sigs: SmallVec<[P::Sig; 1]>,
    /// Operands.
    pub args: SmallVec<[P::Val; 3]>,
    /// Destinations, without those of the exception clause.
    pub dests: SmallVec<[Dest<P>; 2]>,
    /// Exception clause.
    pub exc: Option<Box<ExcClause<P>>>,
    /// Keep-alive variables; `None` when there is no clause.
    pub keepalives: Option<Box<[P::Val]>>,
    /// The rest.
    pub attrs: Attrs,
    /// Where it is written, from its results or mnemonic to its end.
    pub span: Span,
}

impl<P: Phase> Inst<P> {
    /// An instruction without parts.
    pub fn new(op: Op, name: P::Name, span: Span) -> Self {
        Inst {
            op,
            name,
            results: SmallVec::new(),
            types: SmallVec::new(),
            sigs: SmallVec::new(),
            args: SmallVec::new(),
            dests: SmallVec::new(),
            exc: None,
            keepalives: None,
            attrs: Attrs::default(),
            span,
        }
    }

    /// Whether the instruction ends its basic block (uvm-ir, Function Body).
    pub fn is_terminator(&self) -> bool {
        use crate::table::Effect;
        self.exc.is_some()
            || self.op.effects().has(Effect::Terminates)
            || (self.op == Op::SwapStack && self.attrs.cur_stack == CurStack::KillOld)
            || (self.op == Op::CommInst && self.attrs.comm.is_some_and(CommInst::terminates))
    }
}
