//! Calls that make instructions, with their results.
//!
//! Every method is the function of the same name of the interface; see instruction-set for what the instructions do.
//! Clauses are ids of clause nodes; `None` and the id 0 are no clause.

use super::IrBuilder;
use super::defs::given;
use super::node::{InstNode, Node};
use super::numbers::{BinOpStatus, BinOptr, CallConvNo, CmpOptr, CommInstNo, ConvOptr, MemOrd, RmwOptr};
use crate::codes::builder as code;
use crate::ids::MuId;
use crate::table::{MemOrder, Op, RmwOp, StatusFlags};

impl IrBuilder {
    /// An instruction node with the lists that most of them have.
    fn inst(&mut self, op: Op, results: &[MuId], types: &[MuId], args: &[MuId]) -> Box<InstNode> {
        let mut inst = Box::new(InstNode::new(op));
        inst.results.extend_from_slice(results);
        inst.types.extend_from_slice(types);
        inst.args.extend_from_slice(args);
        inst
    }

    fn order(&mut self, id: MuId, order: MemOrd) -> MemOrder {
        self.number(id, order.0, order.meaning(), MemOrd::WHAT, MemOrder::SeqCst)
    }
}

/// Operations without side effects.
impl IrBuilder {
    /// A binary operation.
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_binop(
        &mut self,
        id: MuId,
        result_id: MuId,
        optr: impl Into<BinOptr>,
        ty: MuId,
        opnd1: MuId,
        opnd2: MuId,
        exc_clause: Option<MuId>,
    ) {
        let none = StatusFlags::default();
        self.new_binop_with_status(id, result_id, &[], optr, none, ty, opnd1, opnd2, exc_clause);
    }

    /// A binary operation with status results, in the order N, Z, C, V.
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_binop_with_status(
        &mut self,
        id: MuId,
        result_id: MuId,
        status_result_ids: &[MuId],
        optr: impl Into<BinOptr>,
        status_flags: impl Into<BinOpStatus>,
        ty: MuId,
        opnd1: MuId,
        opnd2: MuId,
        exc_clause: Option<MuId>,
    ) {
        let (optr, flags) = (optr.into(), status_flags.into());
        let op = self.number(id, optr.0, optr.meaning(), BinOptr::WHAT, Op::Add);
        let mut inst = self.inst(op, &[result_id], &[ty], &[opnd1, opnd2]);
        inst.results.extend_from_slice(status_result_ids);
        inst.attrs.status =
            self.number(id, flags.0, flags.meaning(), BinOpStatus::WHAT, StatusFlags::default());
        inst.exc = given(exc_clause);
        self.add(id, Node::Inst(inst));
    }

    /// A comparison.
    pub fn new_cmp(
        &mut self,
        id: MuId,
        result_id: MuId,
        optr: impl Into<CmpOptr>,
        ty: MuId,
        opnd1: MuId,
        opnd2: MuId,
    ) {
        let optr = optr.into();
        let op = self.number(id, optr.0, optr.meaning(), CmpOptr::WHAT, Op::Eq);
        let inst = self.inst(op, &[result_id], &[ty], &[opnd1, opnd2]);
        self.add(id, Node::Inst(inst));
    }

    /// A conversion.
    pub fn new_conv(
        &mut self,
        id: MuId,
        result_id: MuId,
        optr: impl Into<ConvOptr>,
        from_ty: MuId,
        to_ty: MuId,
        opnd: MuId,
    ) {
        let optr = optr.into();
        let op = self.number(id, optr.0, optr.meaning(), ConvOptr::WHAT, Op::Trunc);
        let inst = self.inst(op, &[result_id], &[from_ty, to_ty], &[opnd]);
        self.add(id, Node::Inst(inst));
    }

    /// `SELECT`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_select(
        &mut self,
        id: MuId,
        result_id: MuId,
        cond_ty: MuId,
        opnd_ty: MuId,
        cond: MuId,
        if_true: MuId,
        if_false: MuId,
    ) {
        let inst = self.inst(Op::Select, &[result_id], &[cond_ty, opnd_ty], &[cond, if_true, if_false]);
        self.add(id, Node::Inst(inst));
    }

    /// `EXTRACTVALUE`
    pub fn new_extractvalue(&mut self, id: MuId, result_id: MuId, strty: MuId, index: u32, opnd: MuId) {
        let mut inst = self.inst(Op::ExtractValue, &[result_id], &[strty], &[opnd]);
        inst.attrs.literal = index.into();
        self.add(id, Node::Inst(inst));
    }

    /// `INSERTVALUE`
    pub fn new_insertvalue(
        &mut self,
        id: MuId,
        result_id: MuId,
        strty: MuId,
        index: u32,
        opnd: MuId,
        newval: MuId,
    ) {
        let mut inst = self.inst(Op::InsertValue, &[result_id], &[strty], &[opnd, newval]);
        inst.attrs.literal = index.into();
        self.add(id, Node::Inst(inst));
    }

    /// `EXTRACTELEMENT`
    pub fn new_extractelement(
        &mut self,
        id: MuId,
        result_id: MuId,
        seqty: MuId,
        indty: MuId,
        opnd: MuId,
        index: MuId,
    ) {
        let inst = self.inst(Op::ExtractElement, &[result_id], &[seqty, indty], &[opnd, index]);
        self.add(id, Node::Inst(inst));
    }

    /// `INSERTELEMENT`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_insertelement(
        &mut self,
        id: MuId,
        result_id: MuId,
        seqty: MuId,
        indty: MuId,
        opnd: MuId,
        index: MuId,
        newval: MuId,
    ) {
        let inst = self.inst(Op::InsertElement, &[result_id], &[seqty, indty], &[opnd, index, newval]);
        self.add(id, Node::Inst(inst));
    }

    /// `SHUFFLEVECTOR`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_shufflevector(
        &mut self,
        id: MuId,
        result_id: MuId,
        vecty: MuId,
        maskty: MuId,
        vec1: MuId,
        vec2: MuId,
        mask: MuId,
    ) {
        let inst = self.inst(Op::ShuffleVector, &[result_id], &[vecty, maskty], &[vec1, vec2, mask]);
        self.add(id, Node::Inst(inst));
    }
}

/// Control flow.
impl IrBuilder {
    /// `BRANCH`
    pub fn new_branch(&mut self, id: MuId, dest: MuId) {
        let mut inst = self.inst(Op::Branch, &[], &[], &[]);
        inst.dests.push(dest);
        self.add(id, Node::Inst(inst));
    }

    /// `BRANCH2`
    pub fn new_branch2(&mut self, id: MuId, cond: MuId, if_true: MuId, if_false: MuId) {
        let mut inst = self.inst(Op::Branch2, &[], &[], &[cond]);
        inst.dests.extend([if_true, if_false]);
        self.add(id, Node::Inst(inst));
    }

    /// `SWITCH`
    pub fn new_switch(
        &mut self,
        id: MuId,
        opnd_ty: MuId,
        opnd: MuId,
        default_dest: MuId,
        cases: &[MuId],
        dests: &[MuId],
    ) {
        if cases.len() != dests.len() {
            let message =
                format!("a SWITCH has {} cases, but {} destinations for them", cases.len(), dests.len());
            self.misuse(code::LENGTHS_DIFFER, id, message);
        }
        let mut inst = self.inst(Op::Switch, &[], &[opnd_ty], &[opnd]);
        inst.args.extend_from_slice(cases);
        inst.dests.push(default_dest);
        inst.dests.extend_from_slice(dests);
        self.add(id, Node::Inst(inst));
    }

    /// `CALL`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_call(
        &mut self,
        id: MuId,
        result_ids: &[MuId],
        sig: MuId,
        callee: MuId,
        args: &[MuId],
        exc_clause: Option<MuId>,
        keepalive_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::Call, result_ids, &[], &[callee]);
        inst.args.extend_from_slice(args);
        inst.sigs.push(sig);
        inst.exc = given(exc_clause);
        inst.keepalive = given(keepalive_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `TAILCALL`
    pub fn new_tailcall(&mut self, id: MuId, sig: MuId, callee: MuId, args: &[MuId]) {
        let mut inst = self.inst(Op::TailCall, &[], &[], &[callee]);
        inst.args.extend_from_slice(args);
        inst.sigs.push(sig);
        self.add(id, Node::Inst(inst));
    }

    /// `RET`
    pub fn new_ret(&mut self, id: MuId, rvs: &[MuId]) {
        let inst = self.inst(Op::Ret, &[], &[], rvs);
        self.add(id, Node::Inst(inst));
    }

    /// `THROW`
    pub fn new_throw(&mut self, id: MuId, exc: MuId) {
        let inst = self.inst(Op::Throw, &[], &[], &[exc]);
        self.add(id, Node::Inst(inst));
    }

    /// `TRAP`
    pub fn new_trap(
        &mut self,
        id: MuId,
        result_ids: &[MuId],
        rettys: &[MuId],
        exc_clause: Option<MuId>,
        keepalive_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::Trap, result_ids, rettys, &[]);
        inst.exc = given(exc_clause);
        inst.keepalive = given(keepalive_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `WATCHPOINT`: the destinations are those of the disabled and of the enabled watchpoint, and that of an
    /// exception.
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_watchpoint(
        &mut self,
        id: MuId,
        wpid: u32,
        result_ids: &[MuId],
        rettys: &[MuId],
        dis: MuId,
        ena: MuId,
        exc: Option<MuId>,
        keepalive_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::Watchpoint, result_ids, rettys, &[]);
        inst.attrs.literal = wpid.into();
        inst.dests.extend([dis, ena]);
        inst.dests.extend(given(exc));
        inst.keepalive = given(keepalive_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `WPBRANCH`
    pub fn new_wpbranch(&mut self, id: MuId, wpid: u32, dis: MuId, ena: MuId) {
        let mut inst = self.inst(Op::WpBranch, &[], &[], &[]);
        inst.attrs.literal = wpid.into();
        inst.dests.extend([dis, ena]);
        self.add(id, Node::Inst(inst));
    }

    /// `CCALL`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_ccall(
        &mut self,
        id: MuId,
        result_ids: &[MuId],
        callconv: impl Into<CallConvNo>,
        callee_ty: MuId,
        sig: MuId,
        callee: MuId,
        args: &[MuId],
        exc_clause: Option<MuId>,
        keepalive_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::CCall, result_ids, &[callee_ty], &[callee]);
        inst.args.extend_from_slice(args);
        inst.sigs.push(sig);
        inst.attrs.callconv = self.callconv(id, callconv.into());
        inst.exc = given(exc_clause);
        inst.keepalive = given(keepalive_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `NEWTHREAD`
    pub fn new_newthread(
        &mut self,
        id: MuId,
        result_id: MuId,
        stack: MuId,
        threadlocal: Option<MuId>,
        new_stack_clause: MuId,
        exc_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::NewThread, &[result_id], &[], &[stack]);
        inst.args.extend(given(threadlocal));
        inst.attrs.threadlocal = given(threadlocal).is_some();
        inst.new_stack = Some(new_stack_clause);
        inst.exc = given(exc_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `SWAPSTACK`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_swapstack(
        &mut self,
        id: MuId,
        result_ids: &[MuId],
        swappee: MuId,
        cur_stack_clause: MuId,
        new_stack_clause: MuId,
        exc_clause: Option<MuId>,
        keepalive_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::SwapStack, result_ids, &[], &[swappee]);
        inst.cur_stack = Some(cur_stack_clause);
        inst.new_stack = Some(new_stack_clause);
        inst.exc = given(exc_clause);
        inst.keepalive = given(keepalive_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `COMMINST`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_comminst(
        &mut self,
        id: MuId,
        result_ids: &[MuId],
        opcode: impl Into<CommInstNo>,
        flags: &[u32],
        tys: &[MuId],
        sigs: &[MuId],
        args: &[MuId],
        exc_clause: Option<MuId>,
        keepalive_clause: Option<MuId>,
    ) {
        let opcode = opcode.into();
        let mut inst = self.inst(Op::CommInst, result_ids, tys, args);
        inst.attrs.comm = opcode.meaning();
        self.number(id, opcode.0, opcode.meaning().map(|_| ()), CommInstNo::WHAT, ());
        for &flag in flags {
            inst.attrs.callconv = self.callconv(id, flag.into());
        }
        inst.attrs.comm_flags = u8::try_from(flags.len()).unwrap_or(u8::MAX);
        inst.sigs.extend_from_slice(sigs);
        inst.exc = given(exc_clause);
        inst.keepalive = given(keepalive_clause);
        self.add(id, Node::Inst(inst));
    }
}

/// Allocation, addressing, access.
impl IrBuilder {
    /// `NEW`
    pub fn new_new(&mut self, id: MuId, result_id: MuId, allocty: MuId, exc_clause: Option<MuId>) {
        self.alloc(Op::New, (id, result_id), allocty, None, exc_clause);
    }

    /// `NEWHYBRID`
    pub fn new_newhybrid(
        &mut self,
        id: MuId,
        result_id: MuId,
        allocty: MuId,
        lenty: MuId,
        length: MuId,
        exc_clause: Option<MuId>,
    ) {
        self.alloc(Op::NewHybrid, (id, result_id), allocty, Some((lenty, length)), exc_clause);
    }

    /// `ALLOCA`
    pub fn new_alloca(&mut self, id: MuId, result_id: MuId, allocty: MuId, exc_clause: Option<MuId>) {
        self.alloc(Op::Alloca, (id, result_id), allocty, None, exc_clause);
    }

    /// `ALLOCAHYBRID`
    pub fn new_allocahybrid(
        &mut self,
        id: MuId,
        result_id: MuId,
        allocty: MuId,
        lenty: MuId,
        length: MuId,
        exc_clause: Option<MuId>,
    ) {
        self.alloc(Op::AllocaHybrid, (id, result_id), allocty, Some((lenty, length)), exc_clause);
    }

    /// An allocation; of a hybrid with the type and value of its length.
    fn alloc(
        &mut self,
        op: Op,
        (id, result_id): (MuId, MuId),
        allocty: MuId,
        length: Option<(MuId, MuId)>,
        exc_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(op, &[result_id], &[allocty], &[]);
        if let Some((lenty, length)) = length {
            inst.types.push(lenty);
            inst.args.push(length);
        }
        inst.exc = given(exc_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `GETIREF`
    pub fn new_getiref(&mut self, id: MuId, result_id: MuId, refty: MuId, opnd: MuId) {
        let inst = self.inst(Op::GetIRef, &[result_id], &[refty], &[opnd]);
        self.add(id, Node::Inst(inst));
    }

    /// `GETFIELDIREF`
    pub fn new_getfieldiref(
        &mut self,
        id: MuId,
        result_id: MuId,
        is_ptr: bool,
        refty: MuId,
        index: u32,
        opnd: MuId,
    ) {
        let mut inst = self.inst(Op::GetFieldIRef, &[result_id], &[refty], &[opnd]);
        inst.attrs.ptr = is_ptr;
        inst.attrs.literal = index.into();
        self.add(id, Node::Inst(inst));
    }

    /// `GETELEMIREF`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_getelemiref(
        &mut self,
        id: MuId,
        result_id: MuId,
        is_ptr: bool,
        refty: MuId,
        indty: MuId,
        opnd: MuId,
        index: MuId,
    ) {
        let mut inst = self.inst(Op::GetElemIRef, &[result_id], &[refty, indty], &[opnd, index]);
        inst.attrs.ptr = is_ptr;
        self.add(id, Node::Inst(inst));
    }

    /// `SHIFTIREF`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_shiftiref(
        &mut self,
        id: MuId,
        result_id: MuId,
        is_ptr: bool,
        refty: MuId,
        offty: MuId,
        opnd: MuId,
        offset: MuId,
    ) {
        let mut inst = self.inst(Op::ShiftIRef, &[result_id], &[refty, offty], &[opnd, offset]);
        inst.attrs.ptr = is_ptr;
        self.add(id, Node::Inst(inst));
    }

    /// `GETVARPARTIREF`
    pub fn new_getvarpartiref(&mut self, id: MuId, result_id: MuId, is_ptr: bool, refty: MuId, opnd: MuId) {
        let mut inst = self.inst(Op::GetVarPartIRef, &[result_id], &[refty], &[opnd]);
        inst.attrs.ptr = is_ptr;
        self.add(id, Node::Inst(inst));
    }

    /// `LOAD`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_load(
        &mut self,
        id: MuId,
        result_id: MuId,
        is_ptr: bool,
        ord: impl Into<MemOrd>,
        refty: MuId,
        loc: MuId,
        exc_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::Load, &[result_id], &[refty], &[loc]);
        inst.attrs.ptr = is_ptr;
        inst.attrs.ord = self.order(id, ord.into());
        inst.exc = given(exc_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `STORE`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_store(
        &mut self,
        id: MuId,
        is_ptr: bool,
        ord: impl Into<MemOrd>,
        refty: MuId,
        loc: MuId,
        newval: MuId,
        exc_clause: Option<MuId>,
    ) {
        let mut inst = self.inst(Op::Store, &[], &[refty], &[loc, newval]);
        inst.attrs.ptr = is_ptr;
        inst.attrs.ord = self.order(id, ord.into());
        inst.exc = given(exc_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `CMPXCHG`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_cmpxchg(
        &mut self,
        id: MuId,
        value_result_id: MuId,
        succ_result_id: MuId,
        is_ptr: bool,
        is_weak: bool,
        ord_succ: impl Into<MemOrd>,
        ord_fail: impl Into<MemOrd>,
        refty: MuId,
        loc: MuId,
        expected: MuId,
        desired: MuId,
        exc_clause: Option<MuId>,
    ) {
        let results = [value_result_id, succ_result_id];
        let mut inst = self.inst(Op::CmpXchg, &results, &[refty], &[loc, expected, desired]);
        inst.attrs.ptr = is_ptr;
        inst.attrs.weak = is_weak;
        inst.attrs.ord = self.order(id, ord_succ.into());
        inst.attrs.ord_fail = self.order(id, ord_fail.into());
        inst.exc = given(exc_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `ATOMICRMW`
    #[allow(clippy::too_many_arguments, reason = "the parameters of the interface")]
    pub fn new_atomicrmw(
        &mut self,
        id: MuId,
        result_id: MuId,
        is_ptr: bool,
        ord: impl Into<MemOrd>,
        optr: impl Into<RmwOptr>,
        refty: MuId,
        loc: MuId,
        opnd: MuId,
        exc_clause: Option<MuId>,
    ) {
        let optr = optr.into();
        let mut inst = self.inst(Op::AtomicRmw, &[result_id], &[refty], &[loc, opnd]);
        inst.attrs.ptr = is_ptr;
        inst.attrs.ord = self.order(id, ord.into());
        inst.attrs.rmw = self.number(id, optr.0, optr.meaning(), RmwOptr::WHAT, RmwOp::Xchg);
        inst.exc = given(exc_clause);
        self.add(id, Node::Inst(inst));
    }

    /// `FENCE`
    pub fn new_fence(&mut self, id: MuId, ord: impl Into<MemOrd>) {
        let mut inst = self.inst(Op::Fence, &[], &[], &[]);
        inst.attrs.ord = self.order(id, ord.into());
        self.add(id, Node::Inst(inst));
    }
}
