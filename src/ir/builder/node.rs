//! What a builder remembers of each call: one node per id, with the ids it refers to.

use crate::ids::MuId;
use crate::inst::Attrs;
use crate::table::{CallConv, Op};
use crate::types::{Signature, TypeCtor};
use smallvec::SmallVec;

/// What was built under an id.
#[derive(Debug)]
pub(super) enum Node {
    Type(TypeCtor<MuId, MuId>),
    Sig(Signature<MuId>),
    Const { ty: MuId, value: ConstValue },
    Global { ty: MuId },
    Func { sig: MuId },
    Expose { func: MuId, callconv: CallConv, cookie: MuId },
    FuncVer { func: MuId, blocks: Box<[MuId]> },
    Block(Box<BlockNode>),
    Inst(Box<InstNode>),
    Dest { block: MuId, args: Box<[MuId]> },
    Exc { nor: MuId, exc: MuId },
    Keepalive(Box<[MuId]>),
    RetWith(Box<[MuId]>),
    KillOld,
    PassValues { types: Box<[MuId]>, vars: Box<[MuId]> },
    ThrowExc(MuId),
}

/// The value of a constant.
#[derive(Debug)]
pub(super) enum ConstValue {
    /// 64-bit words, the least significant first.
    Int(Box<[u64]>),
    Float(u32),
    Double(u64),
    Null,
    List(Box<[MuId]>),
    Extern(Box<str>),
}

#[derive(Debug)]
pub(super) struct BlockNode {
    /// Ids and types.
    pub params: Vec<(MuId, MuId)>,
    pub exc_param: Option<MuId>,
    pub insts: Box<[MuId]>,
}

/// An instruction; its clauses are nodes of their own.
#[derive(Debug)]
pub(super) struct InstNode {
    pub op: Op,
    pub results: SmallVec<[MuId; 1]>,
    pub types: SmallVec<[MuId; 2]>,
    pub sigs: SmallVec<[MuId; 1]>,
    pub args: SmallVec<[MuId; 3]>,
    pub dests: SmallVec<[MuId; 2]>,
    pub exc: Option<MuId>,
    pub keepalive: Option<MuId>,
    /// Current-stack clause of SWAPSTACK.
    pub cur_stack: Option<MuId>,
    /// New-stack clause of SWAPSTACK and NEWTHREAD.
    pub new_stack: Option<MuId>,
    pub attrs: Attrs,
}

impl InstNode {
    pub fn new(op: Op) -> InstNode {
        InstNode {
            op,
            results: SmallVec::new(),
            types: SmallVec::new(),
            sigs: SmallVec::new(),
            args: SmallVec::new(),
            dests: SmallVec::new(),
            exc: None,
            keepalive: None,
            cur_stack: None,
            new_stack: None,
            attrs: Attrs::default(),
        }
    }
}

/// What a place wants of the node with an id, where the linker does not check it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Block,
    Inst,
    Dest,
    Exc,
    Keepalive,
    CurStack,
    NewStack,
}

impl Role {
    /// In words, with the article.
    pub fn text(self) -> &'static str {
        match self {
            Role::Block => "a basic block",
            Role::Inst => "an instruction",
            Role::Dest => "a destination clause",
            Role::Exc => "an exception clause",
            Role::Keepalive => "a keep-alive clause",
            Role::CurStack => "a current-stack clause",
            Role::NewStack => "a new-stack clause",
        }
    }
}

impl Node {
    /// The role it has, if the linker does not know it as an entity, or has to be put into a list.
    pub fn role(&self) -> Option<Role> {
        match self {
            Node::Block(_) => Some(Role::Block),
            Node::Inst(_) => Some(Role::Inst),
            Node::Dest { .. } => Some(Role::Dest),
            Node::Exc { .. } => Some(Role::Exc),
            Node::Keepalive(_) => Some(Role::Keepalive),
            Node::RetWith(_) | Node::KillOld => Some(Role::CurStack),
            Node::PassValues { .. } | Node::ThrowExc(_) => Some(Role::NewStack),
            Node::Type(_)
            | Node::Sig(_)
            | Node::Const { .. }
            | Node::Global { .. }
            | Node::Func { .. }
            | Node::Expose { .. }
            | Node::FuncVer { .. } => None,
        }
    }

    /// Whether it is a clause: part of an instruction, and no entity.
    pub fn is_clause(&self) -> bool {
        !matches!(self.role(), None | Some(Role::Block | Role::Inst))
    }

    /// What it is, with the article.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Type(_) => "a type",
            Node::Sig(_) => "a function signature",
            Node::Const { .. } => "a constant",
            Node::Global { .. } => "a global cell",
            Node::Func { .. } => "a function",
            Node::Expose { .. } => "an exposed function",
            Node::FuncVer { .. } => "a function version",
            Node::Block(_)
            | Node::Inst(_)
            | Node::Dest { .. }
            | Node::Exc { .. }
            | Node::Keepalive(_)
            | Node::RetWith(_)
            | Node::KillOld
            | Node::PassValues { .. }
            | Node::ThrowExc(_) => self.role().map_or("a node", Role::text),
        }
    }
}
