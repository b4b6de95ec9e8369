//! Decoded code: what the interpreter executes.
//!
//! A function version is decoded once. Every SSA variable of a basic block gets a *slot*, a word of the frame (several
//! words for 128-bit integers, vectors, structs and arrays: their leaves in order). A block sees only its own variables,
//! so all blocks share the same slots and a frame is as large as its largest block. Constants lie in slots behind
//! them and are written when the frame is made, so that an operand is always a slot number.
//!
//! ```text
//!  slot 0 …            variables of the current block: parameters first, then results in order
//!  slot var_slots …    constants of the function
//! ```
//!
//! Passing arguments to a block is a list of moves between slots, ordered at decode time so that they can be done one
//! after the other (a cycle goes through a scratch slot). A loop that passes a variable on unchanged costs no move.
//!
//! One instruction of the IR is one [`Instr`]; a program counter is an index into [`Code::instrs`].

use mu_ir::eval::{Lane, LaneOp};
use mu_ir::ids::{BlockIdx, FuncId, FuncVerId, InstIdx, SigId, TypeId};
use mu_ir::table::{AllocOp, CommFamily, MemOrder, RmwOp};
use mu_rt::layout::LeafKind;
use std::sync::Arc;

/// A word of the frame.
pub type Slot = u32;

/// "No edge", "no entry".
pub const NONE: u32 = u32::MAX;

/// A range of [`Code::lists`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// First entry.
    pub start: u32,
    /// Number of entries.
    pub len: u32,
}

/// The slots of a value: `words` of them from `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// First slot.
    pub base: Slot,
    /// Number of words.
    pub words: u32,
}

/// A branch to a block: where to, and what to move first.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Program counter of the block's first instruction.
    pub target: u32,
    /// First of its moves in [`Code::moves`].
    pub moves_start: u32,
    /// Number of moves.
    pub moves_len: u32,
    /// Slot of the block's exception parameter, or [`NONE`].
    pub exc_slot: Slot,
}

/// Where a frame that stands at an instruction continues.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Slots for the values received: the results, which lie side by side.
    pub results: Slots,
    /// Types of the values waited for, for a check when a stack is bound (representatives).
    pub expects: Box<[TypeId]>,
    /// Edge to continue normally; [`NONE`] means the next instruction.
    pub nor: u32,
    /// Edge to continue exceptionally; [`NONE`] means to throw on.
    pub exc: u32,
}

/// A call.
#[derive(Clone, Debug)]
pub struct CallInfo {
    /// Words of the arguments.
    pub args: List,
    /// The signature, as representative.
    pub sig: SigId,
    /// Index of its [`Resume`] ([`NONE`] for TAILCALL).
    pub resume: u32,
}

/// How a signature is called natively, or why it cannot be.
pub type NativeCallSig = Result<mu_rt::native::NativeSig, mu_rt::native::UnsupportedReason>;

/// A native call.
#[derive(Clone, Debug)]
pub struct NativeCallInfo {
    /// Words of the arguments.
    pub args: List,
    /// Slot of the callee's address.
    pub callee: Slot,
    /// How the convention passes them; the reason if it cannot. Shared by all calls of a signature.
    pub native: Arc<NativeCallSig>,
    /// Index of its [`Resume`].
    pub resume: u32,
}

/// Operands and shape of an element-wise operation.
#[derive(Clone, Debug)]
pub struct LaneInfo {
    /// The operation.
    pub op: LaneOp,
    /// What one lane of the operands is.
    pub from: Lane,
    /// What one lane of the result is.
    pub to: Lane,
    /// Number of lanes; 1 for scalars.
    pub lanes: u32,
    /// Operands.
    pub a: Slot,
    /// Second operand ([`NONE`] for conversions).
    pub b: Slot,
    /// Result.
    pub d: Slot,
    /// Edges of the exception clause, normal then exceptional, or [`NONE`].
    pub nor: u32,
    /// See `nor`.
    pub exc: u32,
    /// Status results: slots of N, Z, C, V or [`NONE`].
    pub status: [Slot; 4],
}

/// A memory access of several leaves, or with an order.
#[derive(Clone, Debug)]
pub struct AccessInfo {
    /// Type of the location.
    pub ty: TypeId,
    /// Bytes of the location.
    pub size_bytes: u64,
    /// Leaves of the type: offset in bytes and kind.
    pub leaves: Box<[(u64, LeafKind)]>,
    /// Slot of the address.
    pub loc: Slot,
    /// Through a pointer, not an iref.
    pub ptr: bool,
    /// Order (of success).
    pub ord: MemOrder,
    /// Order of failure.
    pub ord_fail: MemOrder,
    /// Weak CMPXCHG.
    pub weak: bool,
    /// Operator of ATOMICRMW.
    pub rmw: RmwOp,
    /// Result.
    pub d: Slot,
    /// Second result of CMPXCHG.
    pub d2: Slot,
    /// Value to store, expected value.
    pub a: Slot,
    /// Desired value.
    pub b: Slot,
    /// Edges of the exception clause.
    pub nor: u32,
    /// See `nor`.
    pub exc: u32,
}

/// An allocation.
#[derive(Clone, Debug)]
pub struct AllocInfo {
    /// NEW, NEWHYBRID, ALLOCA or ALLOCAHYBRID.
    pub op: AllocOp,
    /// Type of the allocation unit.
    pub ty: TypeId,
    /// Slot of the length, or [`NONE`].
    pub length: Slot,
    /// Words of the length's type (1, or 2 for int<128>).
    pub length_words: u32,
    /// Result.
    pub d: Slot,
    /// Edges of the exception clause.
    pub nor: u32,
    /// See `nor`.
    pub exc: u32,
}

/// GETFIELDIREF in checked mode.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The struct or hybrid type, as representative.
    pub ty: TypeId,
    /// Which field.
    pub field: u32,
    /// Slot of the address.
    pub a: Slot,
    /// Slot of the result.
    pub d: Slot,
}

/// GETELEMIREF and SHIFTIREF.
#[derive(Clone, Debug)]
pub struct IndexInfo {
    /// SHIFTIREF, else GETELEMIREF.
    pub shift: bool,
    /// The array or vector type (GETELEMIREF), as representative.
    pub array_ty: TypeId,
    /// Type of the elements, as representative.
    pub elem_ty: TypeId,
    /// Bytes from one element to the next.
    pub stride: u64,
    /// Number of elements of the array type (GETELEMIREF).
    pub length: u64,
    /// Width of the index in bits; it is signed.
    pub width: u32,
    /// Through a pointer, not an iref.
    pub ptr: bool,
    /// Slot of the address.
    pub loc: Slot,
    /// Slot of the index.
    pub index: Slot,
    /// Result.
    pub d: Slot,
}

/// SWAPSTACK and NEWTHREAD.
#[derive(Clone, Debug)]
pub struct SwapInfo {
    /// Slot of the swappee; of NEWTHREAD, of the stack to bind to.
    pub swappee: Slot,
    /// Slot of the thread-local reference of NEWTHREAD ([`NONE`]: NULL).
    pub threadlocal: Slot,
    /// KILL_OLD.
    pub kill_old: bool,
    /// Words of the values to pass; with THROW_EXC the exception.
    pub values: List,
    /// THROW_EXC.
    pub throw: bool,
    /// Types of the values, as representatives.
    pub passes: Box<[TypeId]>,
    /// Index of its [`Resume`] ([`NONE`] with KILL_OLD). That of NEWTHREAD says where its result goes and how it goes
    /// on; it is no resumption point.
    pub resume: u32,
}

/// SWITCH.
#[derive(Clone, Debug)]
pub struct SwitchInfo {
    /// Operand.
    pub operand: Slots,
    /// Values and edges, ascending by value.
    pub cases: Vec<(u128, u32)>,
    /// Edge of the default.
    pub default: u32,
}

/// A common instruction.
#[derive(Clone, Debug)]
pub struct CommInfo {
    /// Which, as a member of its family.
    pub inst: CommFamily,
    /// First slots of its operands.
    pub args: List,
    /// First slots of its results.
    pub results: List,
    /// The signature argument, as representative.
    pub sig: Option<SigId>,
    /// The type argument, as representative.
    pub ty: Option<TypeId>,
    /// Edges of the exception clause.
    pub nor: u32,
    /// See `nor`.
    pub exc: u32,
}

/// An instruction. Frequent shapes carry their operands; the others an index into a table of their kind.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "d, a, b are the result's and operands' slots, w the width in bits")]
pub enum Instr {
    // integers up to 64 bits
    Add {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Sub {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Mul {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Shl {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    LShr {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    AShr {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    And {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Or {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Xor {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    /// SDIV, SREM, UDIV, UREM without an exception clause.
    SDiv {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    SRem {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    UDiv {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    URem {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    // comparisons of integers, pointers and references
    Eq {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Ne {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    SGe {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    SGt {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    SLe {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    SLt {
        w: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    UGe {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    UGt {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    ULe {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    ULt {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    // double and float
    FAdd64 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FSub64 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FMul64 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FDiv64 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FAdd32 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FSub32 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FMul32 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FDiv32 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FCmp64 {
        mask: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FCmp32 {
        mask: u8,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    // conversions between integers up to 64 bits
    Trunc {
        w: u8,
        d: Slot,
        a: Slot,
    },
    SExt {
        from: u8,
        to: u8,
        d: Slot,
        a: Slot,
    },
    /// The same word: ZEXT, REFCAST, PTRCAST that widens, BITCAST.
    Move {
        d: Slot,
        a: Slot,
    },
    /// Any element-wise operation.
    Lanes {
        info: u32,
    },
    /// SELECT of one word; `values` is the place of the two candidates in [`Code::lists`].
    Select {
        d: Slot,
        c: Slot,
        values: u32,
    },
    /// SELECT of values of several words (one lane), or with a vector condition (a condition word per lane).
    SelectLanes {
        info: u32,
    },
    // control flow inside a function
    Branch {
        edge: u32,
    },
    Branch2 {
        c: Slot,
        then: u32,
        other: u32,
    },
    Switch {
        info: u32,
    },
    // control flow between functions
    Call {
        func: FuncId,
        info: u32,
    },
    CallIndirect {
        callee: Slot,
        info: u32,
    },
    TailCall {
        callee: Slot,
        info: u32,
    },
    Ret {
        values: List,
    },
    Throw {
        a: Slot,
    },
    // struct, array and vector values
    CopyWords {
        d: Slot,
        a: Slot,
        words: u32,
    },
    InsertWords {
        info: u32,
    },
    ExtractElement {
        info: u32,
    },
    InsertElement {
        info: u32,
    },
    Shuffle {
        info: u32,
    },
    // memory
    Alloc {
        info: u32,
    },
    GetIRef {
        d: Slot,
        a: Slot,
    },
    /// GETFIELDIREF and GETVARPARTIREF through pointers; `offset` in bytes.
    PtrOffset {
        d: Slot,
        a: Slot,
        offset: u32,
    },
    /// GETFIELDIREF.
    FieldIRef {
        d: Slot,
        a: Slot,
        offset: u32,
    },
    /// GETFIELDIREF in checked mode.
    CheckedFieldIRef {
        info: u32,
    },
    /// GETFIELDIREF of an offset that needs more than 32 bits: it lies in a constant slot.
    FarFieldIRef {
        ptr: bool,
        d: Slot,
        a: Slot,
        offset: Slot,
    },
    /// GETVARPARTIREF of a hybrid type (representative).
    VarPartIRef {
        d: Slot,
        a: Slot,
        ty: TypeId,
    },
    IndexIRef {
        info: u32,
    },
    /// LOAD of one leaf through an iref, not atomic, without an exception clause.
    LoadLeaf {
        kind: LeafKind,
        d: Slot,
        loc: Slot,
        ty: TypeId,
    },
    /// STORE of one leaf through an iref, not atomic, without an exception clause.
    StoreLeaf {
        kind: LeafKind,
        loc: Slot,
        a: Slot,
        ty: TypeId,
    },
    Load {
        info: u32,
    },
    Store {
        info: u32,
    },
    CmpXchg {
        info: u32,
    },
    AtomicRmw {
        info: u32,
    },
    Fence {
        ord: MemOrder,
    },
    // traps
    Trap {
        resume: u32,
    },
    Watchpoint {
        wpid: u32,
        disabled: u32,
        resume: u32,
    },
    WpBranch {
        wpid: u32,
        disabled: u32,
        enabled: u32,
    },
    /// The hidden version of an undefined function.
    TrapUndefined {
        func: FuncId,
        resume: u32,
    },
    // native calls, stacks, common instructions
    CCall {
        info: u32,
    },
    NewThread {
        info: u32,
    },
    SwapStack {
        info: u32,
    },
    Comm {
        info: u32,
    },
}

/// INSERTVALUE, and operands of the element instructions.
#[derive(Clone, Copy, Debug)]
pub struct ElementInfo {
    /// Result.
    pub d: Slot,
    /// The array, vector or struct.
    pub a: Slots,
    /// First word of the field (INSERTVALUE), or slot of the index (elements).
    pub at: u32,
    /// Words of the index's type.
    pub index_words: u32,
    /// Words of an element or field.
    pub words: u32,
    /// Number of elements.
    pub length: u64,
    /// The new value.
    pub value: Slot,
}

/// SHUFFLEVECTOR.
#[derive(Clone, Copy, Debug)]
pub struct ShuffleInfo {
    /// Result.
    pub d: Slot,
    /// First vector.
    pub a: Slot,
    /// Second vector.
    pub b: Slot,
    /// Mask.
    pub mask: Slot,
    /// Words of a mask element.
    pub mask_words: u32,
    /// Elements of each vector.
    pub length: u32,
    /// Elements of the mask and the result.
    pub mask_length: u32,
    /// Words of an element.
    pub words: u32,
}

/// SELECT with a vector condition.
#[derive(Clone, Copy, Debug)]
pub struct SelectLanesInfo {
    /// Result.
    pub d: Slot,
    /// Condition.
    pub c: Slot,
    /// Value where the condition is 1.
    pub a: Slot,
    /// Value where it is 0.
    pub b: Slot,
    /// Number of lanes.
    pub lanes: u32,
    /// Words of a lane.
    pub words: u32,
}

/// What a code is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodeOf {
    /// A version.
    Version(FuncVerId),
    /// The hidden version of a function without one (uvm-ir, "Function Definition and Declaration").
    Undefined(FuncId),
}

/// A decoded function version.
#[derive(Debug)]
pub struct Code {
    /// What it is of.
    pub of: CodeOf,
    /// The function.
    pub func: FuncId,
    /// Instructions of all blocks.
    pub instrs: Vec<Instr>,
    /// The IR instruction each is decoded from; empty for hidden versions.
    pub places: Vec<(BlockIdx, InstIdx)>,
    /// First slot of each variable; empty for hidden versions.
    pub var_slots: Vec<Slot>,
    /// Words of each variable.
    pub var_words: Vec<u32>,
    /// The slots of each block's variables that hold references, with their kinds, in the order of definition.
    pub root_slots: Vec<(Slot, LeafKind)>,
    /// For each instruction, which of them hold a value when it is about to be executed: first and number.
    pub roots_at: Vec<(u32, u32)>,
    /// Slots for variables.
    pub var_slot_count: u32,
    /// All slots of a frame.
    pub slot_count: u32,
    /// Words of the constants, for the slots from `var_slot_count` on.
    pub consts: Vec<u64>,
    /// Words of the parameters.
    pub param_words: u32,
    /// Parameter types, as representatives: what a fresh frame waits for.
    pub param_types: Box<[TypeId]>,
    /// Return types, as representatives.
    pub ret_types: Box<[TypeId]>,
    /// Whether frames may hold ALLOCA cells.
    pub has_alloca: bool,
    /// Edges.
    pub edges: Vec<Edge>,
    /// Moves of edges: (to, from).
    pub moves: Vec<(Slot, Slot)>,
    /// Word lists.
    pub lists: Vec<Slot>,
    /// Resumption points; number 0 is none.
    pub resumes: Vec<Resume>,
    /// Calls.
    pub calls: Vec<CallInfo>,
    /// Native calls.
    pub native_calls: Vec<NativeCallInfo>,
    /// Element-wise operations.
    pub lanes: Vec<LaneInfo>,
    /// Vector selections.
    pub select_lanes: Vec<SelectLanesInfo>,
    /// Memory accesses.
    pub accesses: Vec<AccessInfo>,
    /// Allocations.
    pub allocs: Vec<AllocInfo>,
    /// Array addressing.
    pub indexes: Vec<IndexInfo>,
    /// Fields of GETFIELDIREF in checked mode.
    pub fields: Vec<FieldInfo>,
    /// Element operations.
    pub elements: Vec<ElementInfo>,
    /// Shuffles.
    pub shuffles: Vec<ShuffleInfo>,
    /// Stack switches.
    pub swaps: Vec<SwapInfo>,
    /// Switches.
    pub switches: Vec<SwitchInfo>,
    /// Common instructions.
    pub comms: Vec<CommInfo>,
}

impl Code {
    /// A code without instructions.
    pub fn new(of: CodeOf, func: FuncId) -> Code {
        Code {
            of,
            func,
            instrs: Vec::new(),
            places: Vec::new(),
            var_slots: Vec::new(),
            var_words: Vec::new(),
            root_slots: Vec::new(),
            roots_at: Vec::new(),
            var_slot_count: 0,
            slot_count: 0,
            consts: Vec::new(),
            param_words: 0,
            param_types: [].into(),
            ret_types: [].into(),
            has_alloca: false,
            edges: Vec::new(),
            moves: Vec::new(),
            lists: Vec::new(),
            // Number 0 means "not noted" in frames.
            resumes: vec![Resume {
                results: Slots { base: 0, words: 0 },
                expects: [].into(),
                nor: NONE,
                exc: NONE,
            }],
            calls: Vec::new(),
            native_calls: Vec::new(),
            lanes: Vec::new(),
            select_lanes: Vec::new(),
            accesses: Vec::new(),
            allocs: Vec::new(),
            indexes: Vec::new(),
            fields: Vec::new(),
            elements: Vec::new(),
            shuffles: Vec::new(),
            swaps: Vec::new(),
            switches: Vec::new(),
            comms: Vec::new(),
        }
    }

    /// The entries of a list.
    #[inline]
    pub fn list(&self, list: List) -> &[Slot] {
        &self.lists[list.start as usize..(list.start + list.len) as usize]
    }

    /// The slots that hold references while a frame stands at an instruction.
    pub fn live_roots(&self, pc: u64) -> &[(Slot, LeafKind)] {
        let range = usize::try_from(pc).ok().and_then(|pc| self.roots_at.get(pc));
        let (start, len) = range.copied().unwrap_or((0, 0));
        self.root_slots.get(start as usize..(start + len) as usize).unwrap_or(&[])
    }

    /// The resumption point of an instruction that has one.
    pub fn resume_at(&self, pc: u64) -> Option<&Resume> {
        let resume = match *self.instrs.get(usize::try_from(pc).ok()?)? {
            Instr::Call { info, .. } | Instr::CallIndirect { info, .. } => self.calls[info as usize].resume,
            Instr::CCall { info } => self.native_calls[info as usize].resume,
            Instr::SwapStack { info } => self.swaps[info as usize].resume,
            Instr::Trap { resume }
            | Instr::Watchpoint { resume, .. }
            | Instr::TrapUndefined { resume, .. } => resume,
            // Nobody binds a stack here: NEWTHREAD and common instructions are completed by the driver.
            Instr::Add { .. }
            | Instr::Sub { .. }
            | Instr::Mul { .. }
            | Instr::Shl { .. }
            | Instr::LShr { .. }
            | Instr::AShr { .. }
            | Instr::And { .. }
            | Instr::Or { .. }
            | Instr::Xor { .. }
            | Instr::SDiv { .. }
            | Instr::SRem { .. }
            | Instr::UDiv { .. }
            | Instr::URem { .. }
            | Instr::Eq { .. }
            | Instr::Ne { .. }
            | Instr::SGe { .. }
            | Instr::SGt { .. }
            | Instr::SLe { .. }
            | Instr::SLt { .. }
            | Instr::UGe { .. }
            | Instr::UGt { .. }
            | Instr::ULe { .. }
            | Instr::ULt { .. }
            | Instr::FAdd64 { .. }
            | Instr::FSub64 { .. }
            | Instr::FMul64 { .. }
            | Instr::FDiv64 { .. }
            | Instr::FAdd32 { .. }
            | Instr::FSub32 { .. }
            | Instr::FMul32 { .. }
            | Instr::FDiv32 { .. }
            | Instr::FCmp64 { .. }
            | Instr::FCmp32 { .. }
            | Instr::Trunc { .. }
            | Instr::SExt { .. }
            | Instr::Move { .. }
            | Instr::Lanes { .. }
            | Instr::Select { .. }
            | Instr::SelectLanes { .. }
            | Instr::Branch { .. }
            | Instr::Branch2 { .. }
            | Instr::Switch { .. }
            | Instr::TailCall { .. }
            | Instr::Ret { .. }
            | Instr::Throw { .. }
            | Instr::CopyWords { .. }
            | Instr::InsertWords { .. }
            | Instr::ExtractElement { .. }
            | Instr::InsertElement { .. }
            | Instr::Shuffle { .. }
            | Instr::Alloc { .. }
            | Instr::GetIRef { .. }
            | Instr::PtrOffset { .. }
            | Instr::FieldIRef { .. }
            | Instr::CheckedFieldIRef { .. }
            | Instr::FarFieldIRef { .. }
            | Instr::VarPartIRef { .. }
            | Instr::IndexIRef { .. }
            | Instr::LoadLeaf { .. }
            | Instr::StoreLeaf { .. }
            | Instr::Load { .. }
            | Instr::Store { .. }
            | Instr::CmpXchg { .. }
            | Instr::AtomicRmw { .. }
            | Instr::Fence { .. }
            | Instr::WpBranch { .. }
            | Instr::NewThread { .. }
            | Instr::Comm { .. } => NONE,
        };
        self.resumes.get(resume as usize)
    }
}

// Four instructions to a cache line.
const _: () = assert!(size_of::<Instr>() == 16);
