//! The optimizer's own form: true SSA over scalar leaves.
//!
//! **What.** A [`Func`] is a list of blocks with parameters. A [`Value`] is a constant, a block parameter or a result of
//! an instruction, and may be used wherever its definition dominates. Its type is a scalar leaf ([`Ty`]): struct, array
//! and vector values of Mu are taken apart into their leaves on the way in, an `int<128>` into two words, so that
//! EXTRACTVALUE and friends are renamings and nothing in this crate ever sees an aggregate.
//!
//! **Why this way.** Mu code is SSA, but its blocks see only their own parameters; the first pass (`opt::params`) turns
//! that into ordinary SSA by removing parameters that always get the same value. Instructions are few and low: an EXC
//! clause is an explicit test and branch, status flags are comparisons, addresses are [`Op::Offset`] and [`Op::Index`].
//! What is left has its meaning from `mu_ir::semantics`, at the width of its type.
//!
//! **Invariants** (checked by [`check`] after every pass in debug builds).
//! * An integer of width n is zero-extended: the bits above n are zero. `float` is its bits in the low half.
//! * Constants are values, not instructions, and exist once per type and bits.
//! * Each block ends with one [`Terminator`]; only terminators have successors.
//! * The blocks after a [`Terminator::Invoke`] have no parameters and no other predecessor, so that nothing has to be
//!   moved between the call and the safepoint it is.
//! * No value of a type the collector looks at is computed where it might not be a valid reference: address
//!   computations stay where Mu put them (passes may move them only to where they happen anyway).
//!
//! **Example.** `%r = ADD <@i8> %a %b; RET %r` prints as
//! ```text
//! b0(v0: i8, v1: i8):
//!     v2: i8 = add v0 v1
//!     ret v2
//! ```

pub mod check;
pub mod eval;
pub mod graph;
pub mod print;

use hashbrown::HashMap;
use mu_ir::ids::{FuncId, FuncVerId, TypeId};
use mu_ir::table::{MemOrder, RmwOp};
use mu_rt::layout::LeafKind;
use smallvec::SmallVec;

/// The type of a value: a scalar leaf.
pub type Ty = LeafKind;

/// A truth value.
pub const I1: Ty = LeafKind::Int(1);
/// A word.
pub const I64: Ty = LeafKind::Int(64);

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident $letter:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index into a table.
            #[inline(always)]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}{}", $letter, self.0)
            }
        }
    )*};
}

index! {
    /// A value.
    Value "v";
    /// An instruction.
    Inst "i";
    /// A basic block.
    Block "b";
}

/// Integer comparisons.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Cond {
    Eq,
    Ne,
    SGe,
    SGt,
    SLe,
    SLt,
    UGe,
    UGt,
    ULe,
    ULt,
}

impl Cond {
    /// The comparison that is true when this one is false.
    pub fn negate(self) -> Cond {
        match self {
            Cond::Eq => Cond::Ne,
            Cond::Ne => Cond::Eq,
            Cond::SGe => Cond::SLt,
            Cond::SGt => Cond::SLe,
            Cond::SLe => Cond::SGt,
            Cond::SLt => Cond::SGe,
            Cond::UGe => Cond::ULt,
            Cond::UGt => Cond::ULe,
            Cond::ULe => Cond::UGt,
            Cond::ULt => Cond::UGe,
        }
    }

    /// The comparison with exchanged operands.
    pub fn swap(self) -> Cond {
        match self {
            Cond::Eq => Cond::Eq,
            Cond::Ne => Cond::Ne,
            Cond::SGe => Cond::SLe,
            Cond::SGt => Cond::SLt,
            Cond::SLe => Cond::SGe,
            Cond::SLt => Cond::SGt,
            Cond::UGe => Cond::ULe,
            Cond::UGt => Cond::ULt,
            Cond::ULe => Cond::UGe,
            Cond::ULt => Cond::UGt,
        }
    }

    /// Whether the operands are read as signed numbers.
    pub fn is_signed(self) -> bool {
        matches!(self, Cond::SGe | Cond::SGt | Cond::SLe | Cond::SLt)
    }
}

/// Pure operations too long for inline code, as functions of the tier (`code::helpers`). They cannot meet a safepoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "named after the operations of mu_ir::semantics")]
pub enum Helper {
    FRem32,
    FRem64,
    UiToF32,
    UiToF64,
    F64ToUi,
    WideUDiv,
    WideURem,
    WideSDiv,
    WideSRem,
    WideShl,
    WideLShr,
    WideAShr,
    WideUiToF32,
    WideUiToF64,
    WideSiToF32,
    WideSiToF64,
    WideF64ToUi,
    WideF64ToSi,
}

/// What a call calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Callee {
    /// A function known by name: through its entry cell.
    Func(FuncId),
    /// A funcref, the first argument of the instruction.
    Indirect,
}

/// What an instruction does. Operands and results are in [`InstData`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(
    missing_docs,
    reason = "operations named after Mu's have its meaning, at the width of the result's type"
)]
pub enum Op {
    Add,
    Sub,
    Mul,
    UDiv,
    SDiv,
    URem,
    SRem,
    Shl,
    LShr,
    AShr,
    And,
    Or,
    Xor,
    /// The high half of the unsigned product of two words.
    UMulHi,
    /// The high half of the signed product of two words.
    SMulHi,
    /// A rotation to the left by a constant amount below the width, which is 32 or 64.
    Rotl,
    FAdd,
    FSub,
    FMul,
    FDiv,
    ICmp(Cond),
    /// A comparison by the outcomes for which it is true (`mu_ir::semantics::float`).
    FCmp(u8),
    /// `cond a b`
    Select,
    Trunc,
    ZExt,
    SExt,
    FpTrunc,
    FpExt,
    /// A double to a word: truncated, clamped, NaN to 0.
    F64ToSi,
    /// A signed word to the result's type.
    SiToFp,
    BitCast,
    /// The same word as another type of one word: REFCAST, GETIREF, PTRCAST between words.
    Retype,
    /// An address plus a number of bytes.
    Offset(i64),
    /// `address index`: an address plus a word times a number of bytes.
    Index(i64),
    Load(MemOrder),
    /// `address value`
    Store(MemOrder),
    /// `address expected desired` gives the old value and whether it was replaced. Always a full barrier here.
    CmpXchg,
    /// `address operand` gives the old value. Always a full barrier here.
    Rmw(RmwOp),
    /// A barrier; only SEQ_CST needs code on x86-64, the others still order what the optimizer moves.
    Fence(MemOrder),
    /// The address of a frame cell, which becomes zero.
    Alloca(u32),
    /// A call, by the convention of [`crate::x64::convention`]. A safepoint.
    Call(Callee),
    /// A call of a [`Helper`].
    Help(Helper),
    /// At the beginning of the exceptional block of an `Invoke`: the exception.
    Landing,
    /// A safepoint poll, at the beginning of a loop's head.
    Poll,
}

/// What an instruction may do besides computing its results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing: it may be moved, merged and removed.
    Pure,
    /// Nothing, but it must not be executed where Mu does not (a division by zero stops the process).
    PureInPlace,
    /// Reads memory.
    Read,
    /// Reads and writes memory, or orders accesses, or more.
    Write,
}

impl Op {
    /// What it may do besides computing its results.
    pub fn effect(self) -> Effect {
        match self {
            Op::Add
            | Op::Sub
            | Op::Mul
            | Op::Shl
            | Op::LShr
            | Op::AShr
            | Op::And
            | Op::Or
            | Op::Xor
            | Op::UMulHi
            | Op::SMulHi
            | Op::Rotl
            | Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::ICmp(_)
            | Op::FCmp(_)
            | Op::Select
            | Op::Trunc
            | Op::ZExt
            | Op::SExt
            | Op::FpTrunc
            | Op::FpExt
            | Op::F64ToSi
            | Op::SiToFp
            | Op::BitCast
            | Op::Help(_) => Effect::Pure,
            Op::UDiv | Op::SDiv | Op::URem | Op::SRem | Op::Retype | Op::Offset(_) | Op::Index(_) => {
                Effect::PureInPlace
            }
            Op::Load(MemOrder::NotAtomic | MemOrder::Relaxed) => Effect::Read,
            Op::Load(_)
            | Op::Store(_)
            | Op::CmpXchg
            | Op::Rmw(_)
            | Op::Fence(_)
            | Op::Alloca(_)
            | Op::Call(_)
            | Op::Landing
            | Op::Poll => Effect::Write,
        }
    }

    /// Whether it may be removed when nobody uses its results.
    pub fn is_removable(self) -> bool {
        match self.effect() {
            Effect::Pure | Effect::PureInPlace => true,
            Effect::Read => self == Op::Load(MemOrder::NotAtomic),
            Effect::Write => matches!(self, Op::Alloca(_)),
        }
    }

    /// Whether exchanging the first two operands changes nothing. (Not FADD: which NaN comes out depends on the order.)
    pub fn is_commutative(self) -> bool {
        matches!(self, Op::Add | Op::Mul | Op::And | Op::Or | Op::Xor | Op::UMulHi | Op::SMulHi)
            || matches!(self, Op::ICmp(Cond::Eq | Cond::Ne))
    }
}

/// Operands.
pub type Args = SmallVec<[Value; 3]>;

/// An instruction.
#[derive(Clone, Debug)]
pub struct InstData {
    /// What it does.
    pub op: Op,
    /// Operands.
    pub args: Args,
    /// How many of the operands, the last ones, a call only keeps alive (KEEPALIVE).
    pub kept: u32,
    /// Results.
    pub results: SmallVec<[Value; 1]>,
    /// The Mu instruction it comes from, by [`Func::sources`].
    pub source: u32,
}

/// A jump to a block, with the arguments for its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The target.
    pub block: Block,
    /// One per parameter.
    pub args: Args,
}

/// How a block ends.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are named")]
pub enum Terminator {
    Jump(Edge),
    Branch {
        cond: Value,
        then: Edge,
        other: Edge,
    },
    /// Cases are distinct, sorted by value.
    Switch {
        value: Value,
        cases: Vec<(u64, Edge)>,
        default: Edge,
    },
    Ret(Args),
    /// An indirect callee is the first argument.
    TailCall {
        callee: Callee,
        args: Args,
    },
    Throw(Value),
    /// A call that continues in one of two blocks. Its results may be used below the normal one.
    Invoke {
        call: Inst,
        normal: Block,
        exc: Block,
    },
    /// Never reached.
    Unreachable,
}

impl Terminator {
    /// The edges that pass arguments, in a fixed order.
    pub fn edges(&self) -> SmallVec<[&Edge; 2]> {
        match self {
            Terminator::Jump(edge) => SmallVec::from_slice(&[edge]),
            Terminator::Branch { then, other, .. } => SmallVec::from_slice(&[then, other]),
            Terminator::Switch { cases, default, .. } => {
                std::iter::once(default).chain(cases.iter().map(|(_, edge)| edge)).collect()
            }
            Terminator::Ret(_)
            | Terminator::TailCall { .. }
            | Terminator::Throw(_)
            | Terminator::Invoke { .. }
            | Terminator::Unreachable => SmallVec::new(),
        }
    }

    /// The same, to change them.
    pub fn edges_mut(&mut self) -> SmallVec<[&mut Edge; 2]> {
        match self {
            Terminator::Jump(edge) => smallvec::smallvec![edge],
            Terminator::Branch { then, other, .. } => smallvec::smallvec![then, other],
            Terminator::Switch { cases, default, .. } => {
                std::iter::once(default).chain(cases.iter_mut().map(|(_, edge)| edge)).collect()
            }
            Terminator::Ret(_)
            | Terminator::TailCall { .. }
            | Terminator::Throw(_)
            | Terminator::Invoke { .. }
            | Terminator::Unreachable => SmallVec::new(),
        }
    }

    /// Successors, in the order of [`Terminator::edges`]. One may appear several times.
    pub fn successors(&self) -> SmallVec<[Block; 2]> {
        match self {
            Terminator::Invoke { normal, exc, .. } => SmallVec::from_slice(&[*normal, *exc]),
            Terminator::Jump(edge) => SmallVec::from_slice(&[edge.block]),
            Terminator::Branch { then, other, .. } => SmallVec::from_slice(&[then.block, other.block]),
            _ => self.edges().into_iter().map(|edge| edge.block).collect(),
        }
    }

    /// Visits the values used here, arguments of edges included; not those of an invoked call.
    pub fn for_each_use(&self, mut visit: impl FnMut(Value)) {
        match self {
            Terminator::Branch { cond: value, .. }
            | Terminator::Switch { value, .. }
            | Terminator::Throw(value) => visit(*value),
            Terminator::Ret(args) | Terminator::TailCall { args, .. } => {
                args.iter().for_each(|&value| visit(value));
            }
            Terminator::Jump(_) | Terminator::Invoke { .. } | Terminator::Unreachable => {}
        }
        for edge in self.edges() {
            edge.args.iter().for_each(|&value| visit(value));
        }
    }

    /// Replaces the values used here.
    pub fn map_uses(&mut self, mut map: impl FnMut(Value) -> Value) {
        match self {
            Terminator::Branch { cond: value, .. }
            | Terminator::Switch { value, .. }
            | Terminator::Throw(value) => *value = map(*value),
            Terminator::Ret(args) | Terminator::TailCall { args, .. } => {
                args.iter_mut().for_each(|value| *value = map(*value));
            }
            Terminator::Jump(_) | Terminator::Invoke { .. } | Terminator::Unreachable => {}
        }
        for edge in self.edges_mut() {
            edge.args.iter_mut().for_each(|value| *value = map(*value));
        }
    }
}

/// A basic block.
#[derive(Clone, Debug)]
pub struct BlockData {
    /// Parameters.
    pub params: Vec<Value>,
    /// Instructions, in order.
    pub insts: Vec<Inst>,
    /// How it ends.
    pub term: Terminator,
    /// The Mu instruction its terminator comes from.
    pub source: u32,
    /// Whether it is seldom executed: laid out last.
    pub cold: bool,
}

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Def {
    /// A constant, by its bits.
    Const(u64),
    /// A result of an instruction, by number.
    Inst(Inst, u32),
    /// A parameter of a block, by number.
    Param(Block, u32),
}

#[derive(Clone, Copy, Debug)]
struct ValueData {
    ty: Ty,
    def: Def,
    /// The value that replaces this one; itself if none does.
    alias: Value,
}

/// A cell of the frame.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The canonical type.
    pub ty: TypeId,
    /// Bytes.
    pub size_bytes: u64,
    /// Alignment in bytes.
    pub align_bytes: u64,
    /// Whether it has become values: it takes no room then.
    pub promoted: bool,
    /// Whether the collector must look into it.
    pub has_refs: bool,
}

/// The place of a Mu instruction: block and instruction number.
pub type Place = (u32, u32);

/// A function in SSA form.
#[derive(Clone, Debug)]
pub struct Func {
    /// The version it was made from.
    pub version: FuncVerId,
    /// Types of the results, leaf by leaf.
    pub rets: Vec<Ty>,
    /// Blocks; block 0 is the entry and has no predecessors. Blocks that cannot be reached stay in the table, empty.
    pub blocks: Vec<BlockData>,
    /// Instructions, by number; those in no block are dead.
    pub insts: Vec<InstData>,
    /// Frame cells.
    pub slots: Vec<Slot>,
    /// Where the instructions come from.
    pub sources: Vec<Place>,
    values: Vec<ValueData>,
    consts: HashMap<(Ty, u64), Value, hash::Fx>,
}

/// A small deterministic hasher for keys of a few words.
pub mod hash {
    use std::hash::{BuildHasherDefault, Hasher};

    /// Multiplies and rotates each word.
    #[derive(Default, Clone, Copy)]
    pub struct FxHasher(u64);

    /// Builds [`FxHasher`]s.
    pub type Fx = BuildHasherDefault<FxHasher>;

    impl FxHasher {
        #[inline]
        fn add(&mut self, word: u64) {
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    impl Hasher for FxHasher {
        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.add(u64::from_le_bytes(word));
            }
        }
        fn write_u8(&mut self, n: u8) {
            self.add(u64::from(n));
        }
        fn write_u32(&mut self, n: u32) {
            self.add(u64::from(n));
        }
        fn write_u64(&mut self, n: u64) {
            self.add(n);
        }
        fn write_usize(&mut self, n: usize) {
            self.add(n as u64);
        }
        fn finish(&self) -> u64 {
            self.0.rotate_left(26)
        }
    }
}

impl Func {
    /// A function without blocks.
    pub fn new(version: FuncVerId) -> Func {
        Func {
            version,
            rets: Vec::new(),
            blocks: Vec::new(),
            insts: Vec::new(),
            slots: Vec::new(),
            sources: vec![(0, 0)],
            values: Vec::new(),
            consts: HashMap::default(),
        }
    }

    /// The entry block.
    pub const ENTRY: Block = Block(0);

    /// Adds a block, which ends in `Unreachable` until its terminator is set.
    pub fn add_block(&mut self) -> Block {
        self.blocks.push(BlockData {
            params: Vec::new(),
            insts: Vec::new(),
            term: Terminator::Unreachable,
            source: 0,
            cold: false,
        });
        Block(self.blocks.len() as u32 - 1)
    }

    fn add_value(&mut self, ty: Ty, def: Def) -> Value {
        let value = Value(self.values.len() as u32);
        self.values.push(ValueData { ty, def, alias: value });
        value
    }

    /// Adds a parameter to a block.
    pub fn add_param(&mut self, block: Block, ty: Ty) -> Value {
        let number = self.blocks[block.index()].params.len() as u32;
        let value = self.add_value(ty, Def::Param(block, number));
        self.blocks[block.index()].params.push(value);
        value
    }

    /// The constant with these bits.
    pub fn constant(&mut self, ty: Ty, bits: u64) -> Value {
        if let Some(&value) = self.consts.get(&(ty, bits)) {
            return value;
        }
        let value = self.add_value(ty, Def::Const(bits));
        self.consts.insert((ty, bits), value);
        value
    }

    /// Makes an instruction, in no block yet.
    pub fn make_inst(&mut self, op: Op, args: &[Value], results: &[Ty], source: u32) -> Inst {
        let inst = Inst(self.insts.len() as u32);
        let results = results
            .iter()
            .enumerate()
            .map(|(n, &ty)| self.add_value(ty, Def::Inst(inst, n as u32)))
            .collect();
        self.insts.push(InstData { op, args: args.into(), kept: 0, results, source });
        inst
    }

    /// Number of values.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The type of a value.
    #[inline]
    pub fn ty(&self, value: Value) -> Ty {
        self.values[value.index()].ty
    }

    /// Where a value comes from. The value must not have been replaced.
    #[inline]
    pub fn def(&self, value: Value) -> Def {
        self.values[value.index()].def
    }

    /// The bits of a constant.
    #[inline]
    pub fn as_const(&self, value: Value) -> Option<u64> {
        match self.values[value.index()].def {
            Def::Const(bits) => Some(bits),
            Def::Inst(..) | Def::Param(..) => None,
        }
    }

    /// The instruction that computes a value.
    #[inline]
    pub fn as_inst(&self, value: Value) -> Option<Inst> {
        match self.values[value.index()].def {
            Def::Inst(inst, _) => Some(inst),
            Def::Const(_) | Def::Param(..) => None,
        }
    }

    /// The operation and operands of the instruction that computes a value.
    #[inline]
    pub fn as_op(&self, value: Value) -> Option<(Op, &[Value])> {
        let data = &self.insts[self.as_inst(value)?.index()];
        Some((data.op, &data.args))
    }

    /// Uses of `old` are uses of `new` from now on; see [`Func::resolve_all`].
    pub fn replace(&mut self, old: Value, new: Value) {
        let new = self.resolve(new);
        debug_assert!(old != new && self.ty(old) == self.ty(new), "{old:?} by {new:?}");
        self.values[old.index()].alias = new;
    }

    /// The value that stands for `value` now.
    #[inline]
    pub fn resolve(&self, mut value: Value) -> Value {
        loop {
            let next = self.values[value.index()].alias;
            if next == value {
                return value;
            }
            value = next;
        }
    }

    /// Rewrites all uses of values that were replaced.
    pub fn resolve_all(&mut self) {
        let mut insts = std::mem::take(&mut self.insts);
        for inst in &mut insts {
            inst.args.iter_mut().for_each(|arg| *arg = self.resolve(*arg));
        }
        self.insts = insts;
        let mut blocks = std::mem::take(&mut self.blocks);
        for block in &mut blocks {
            block.term.map_uses(|value| self.resolve(value));
        }
        self.blocks = blocks;
    }

    /// Numbers the parameters of a block anew after some were removed.
    pub fn renumber_params(&mut self, block: Block) {
        for (number, param) in self.blocks[block.index()].params.iter().enumerate() {
            self.values[param.index()].def = Def::Param(block, number as u32);
        }
    }
}
