//! Replays a draft, read from a text, as calls of the IR builder: what a text means, built without it.

use mu_vm::ir::draft::{ConstCtor, DefKind, Draft, DraftBlock, FuncDef};
use mu_vm::ir::ids::{MuId, Sym};
use mu_vm::ir::inst::{Dest, Inst, Unlinked, Use};
use mu_vm::ir::table::{CurStack, NewStack, Op};
use mu_vm::ir::types::TypeCtor;
use mu_vm::{Builder, Mu};

/// Builds what a draft says. `None` if the interface has no call for it: a text can write instructions that have too
/// few results or operands.
pub fn build(mu: &mut Mu, draft: &Draft) -> Option<Builder> {
    let b = mu.new_ir_builder();
    let mut replay = Replay { mu, b, draft, ids: vec![MuId::NONE; draft.symbols.len()] };
    replay.reserve_all();
    for def in &draft.defs {
        replay.def(&def.kind)?;
    }
    Some(replay.b)
}

struct Replay<'a> {
    mu: &'a mut Mu,
    b: Builder,
    draft: &'a Draft,
    /// By symbol.
    ids: Vec<MuId>,
}

impl Replay<'_> {
    // ---- ids

    /// Generates ids in the order in which linking a text gives them.
    fn reserve_all(&mut self) {
        let draft = self.draft;
        for def in &draft.defs {
            match &def.kind {
                DefKind::Type { name, .. }
                | DefKind::Sig { name, .. }
                | DefKind::Const { name, .. }
                | DefKind::Global { name, .. }
                | DefKind::FuncDecl { name, .. }
                | DefKind::Expose { name, .. } => self.reserve(name.sym),
                DefKind::FuncDef(func) => {
                    // The function may be one of an earlier bundle.
                    if self.known(func.name.sym) == MuId::NONE {
                        self.reserve(func.name.sym);
                    }
                    self.reserve(func.version.sym);
                    for block in &func.blocks {
                        self.reserve_block(block);
                    }
                }
            }
        }
    }

    fn reserve_block(&mut self, block: &DraftBlock) {
        self.reserve(block.name.sym);
        for (_, name) in &block.params {
            self.reserve(name.sym);
        }
        if let Some(name) = block.exc_param {
            self.reserve(name.sym);
        }
        for inst in &block.insts {
            for name in inst.results.iter().chain(&inst.name) {
                self.reserve(name.sym);
            }
        }
    }

    fn reserve(&mut self, sym: Sym) {
        if self.ids[sym.index()] == MuId::NONE {
            self.ids[sym.index()] = self.b.gen_sym(self.mu, self.draft.symbols.name(sym));
        }
    }

    /// The id of a symbol in the instance.
    fn known(&self, sym: Sym) -> MuId {
        self.draft.symbols.name(sym).and_then(|name| self.mu.id_of(name)).unwrap_or_default()
    }

    fn id(&mut self, use_: Use) -> MuId {
        if self.ids[use_.sym.index()] == MuId::NONE {
            let known = self.known(use_.sym);
            // A name that nothing defines becomes an id that nothing is built under.
            self.ids[use_.sym.index()] = if known == MuId::NONE { self.fresh() } else { known };
        }
        self.ids[use_.sym.index()]
    }

    fn fresh(&mut self) -> MuId {
        self.b.gen_sym(self.mu, None)
    }

    fn list(&mut self, uses: &[Use]) -> Vec<MuId> {
        uses.iter().map(|&use_| self.id(use_)).collect()
    }

    // ---- definitions

    fn def(&mut self, def: &DefKind) -> Option<()> {
        match def {
            DefKind::Type { name, ctor } => {
                let id = self.id(*name);
                self.ty(id, ctor);
            }
            DefKind::Sig { name, sig } => {
                let (id, params, rets) = (self.id(*name), self.list(&sig.params), self.list(&sig.rets));
                self.b.new_funcsig(id, &params, &rets);
            }
            DefKind::Const { name, ty, ctor, .. } => {
                let (id, ty) = (self.id(*name), self.id(*ty));
                self.constant(id, ty, ctor);
            }
            DefKind::Global { name, ty } => {
                let (id, ty) = (self.id(*name), self.id(*ty));
                self.b.new_global_cell(id, ty);
            }
            DefKind::FuncDecl { name, sig } => {
                let (id, sig) = (self.id(*name), self.id(*sig));
                self.b.new_func(id, sig);
            }
            DefKind::FuncDef(func) => self.func(func)?,
            DefKind::Expose { name, func, callconv, cookie } => {
                let (id, func, cookie) = (self.id(*name), self.id(*func), self.id(*cookie));
                self.b.new_exp_func(id, func, *callconv, cookie);
            }
        }
        Some(())
    }

    fn ty(&mut self, id: MuId, ctor: &TypeCtor<Use, Use>) {
        let args: Vec<Use> = ctor.type_args().chain(ctor.sig_arg()).copied().collect();
        let args = self.list(&args);
        let b = &mut self.b;
        match ctor {
            TypeCtor::Int(width) => b.new_type_int(id, *width),
            TypeCtor::Float => b.new_type_float(id),
            TypeCtor::Double => b.new_type_double(id),
            TypeCtor::UPtr(_) => b.new_type_uptr(id, args[0]),
            TypeCtor::UFuncPtr(_) => b.new_type_ufuncptr(id, args[0]),
            TypeCtor::Struct(_) => b.new_type_struct(id, &args),
            TypeCtor::Hybrid { fixed, .. } => b.new_type_hybrid(id, &args[..fixed.len()], args[fixed.len()]),
            TypeCtor::Array(_, len) => b.new_type_array(id, args[0], *len),
            TypeCtor::Vector(_, len) => b.new_type_vector(id, args[0], *len),
            TypeCtor::Void => b.new_type_void(id),
            TypeCtor::Ref(_) => b.new_type_ref(id, args[0]),
            TypeCtor::IRef(_) => b.new_type_iref(id, args[0]),
            TypeCtor::WeakRef(_) => b.new_type_weakref(id, args[0]),
            TypeCtor::TagRef64 => b.new_type_tagref64(id),
            TypeCtor::FuncRef(_) => b.new_type_funcref(id, args[0]),
            TypeCtor::ThreadRef => b.new_type_threadref(id),
            TypeCtor::StackRef => b.new_type_stackref(id),
            TypeCtor::FrameCursorRef => b.new_type_framecursorref(id),
            TypeCtor::IrBuilderRef => b.new_type_irbuilderref(id),
        }
    }

    fn constant(&mut self, id: MuId, ty: MuId, ctor: &ConstCtor<Use>) {
        match ctor {
            ConstCtor::Int { negative: false, magnitude } if *magnitude <= u64::MAX.into() => {
                self.b.new_const_int(id, ty, *magnitude as u64);
            }
            ConstCtor::Int { negative, magnitude } => {
                let negative = *negative && *magnitude > 0;
                let bits = if negative { magnitude.wrapping_neg() } else { *magnitude };
                // The last word is the sign, repeated.
                let sign = if negative { u64::MAX } else { 0 };
                self.b.new_const_int_ex(id, ty, &[bits as u64, (bits >> 64) as u64, sign]);
            }
            ConstCtor::Float(bits) => self.b.new_const_float(id, ty, f32::from_bits(*bits)),
            ConstCtor::Double(bits) => self.b.new_const_double(id, ty, f64::from_bits(*bits)),
            ConstCtor::Null => self.b.new_const_null(id, ty),
            ConstCtor::List(members) => {
                let members = self.list(members);
                self.b.new_const_seq(id, ty, &members);
            }
            ConstCtor::Extern(symbol) => self.b.new_const_extern(id, ty, symbol),
        }
    }

    fn func(&mut self, func: &FuncDef) -> Option<()> {
        let (id, version, sig) = (self.id(func.name), self.id(func.version), self.id(func.sig));
        if self.known(func.name.sym) != id {
            self.b.new_func(id, sig);
        }
        let names: Vec<Use> = func.blocks.iter().map(|block| block.name).collect();
        let blocks = self.list(&names);
        self.b.new_func_ver(version, id, &blocks);
        func.blocks.iter().try_for_each(|block| self.block(block))
    }

    fn block(&mut self, block: &DraftBlock) -> Option<()> {
        let (mut ids, mut types) = (Vec::new(), Vec::new());
        for &(ty, name) in &block.params {
            types.push(self.id(ty));
            ids.push(self.id(name));
        }
        let exc_param = block.exc_param.map(|name| self.id(name));
        let mut insts = Vec::new();
        for inst in &block.insts {
            let id = match inst.name {
                Some(name) => self.id(name),
                None => self.fresh(),
            };
            insts.push(id);
            self.inst(id, inst)?;
        }
        let id = self.id(block.name);
        self.b.new_bb(id, &ids, &types, exc_param, &insts);
        Some(())
    }

    // ---- instructions

    fn dest(&mut self, dest: &Dest<Unlinked>) -> MuId {
        let (block, args) = (self.id(dest.block), self.list(&dest.args));
        let id = self.fresh();
        self.b.new_dest_clause(id, block, &args);
        id
    }

    fn inst(&mut self, id: MuId, inst: &Inst<Unlinked>) -> Option<()> {
        let parts = Parts {
            id,
            results: self.list(&inst.results),
            types: self.list(&inst.types),
            sigs: self.list(&inst.sigs),
            args: self.list(&inst.args),
            dests: inst.dests.iter().map(|dest| self.dest(dest)).collect(),
            exc: inst.exc.as_ref().map(|exc| {
                let (nor, exc) = (self.dest(&exc.nor), self.dest(&exc.exc));
                let clause = self.fresh();
                self.b.new_exc_clause(clause, nor, exc);
                clause
            }),
            keepalive: inst.keepalives.as_ref().map(|vars| {
                let (clause, vars) = (self.fresh(), self.list(vars));
                self.b.new_keepalive_clause(clause, &vars);
                clause
            }),
        };
        match inst.op {
            Op::NewThread | Op::SwapStack => self.stack_inst(inst, &parts),
            _ => self
                .operation(inst, &parts)
                .or_else(|| self.memory(inst, &parts))
                .or_else(|| self.control(inst, &parts)),
        }
    }

    fn operation(&mut self, inst: &Inst<Unlinked>, parts: &Parts) -> Option<()> {
        use mu_vm::ir::table::Form;
        let Parts { id, results, types, args, exc, .. } = parts;
        let (id, exc, index) = (*id, *exc, inst.attrs.literal as u32);
        let (b, status) = (&mut self.b, inst.attrs.status);
        match (inst.op.form(), &results[..], &types[..], &args[..]) {
            (Form::BinOp, &[r], &[t], &[x, y]) if status.is_empty() => {
                b.new_binop(id, r, inst.op, t, x, y, exc);
            }
            (Form::BinOp, [r, flags @ ..], &[t], &[x, y]) => {
                b.new_binop_with_status(id, *r, flags, inst.op, status, t, x, y, exc);
            }
            (Form::Cmp, &[r], &[t], &[x, y]) => b.new_cmp(id, r, inst.op, t, x, y),
            (Form::Conv, &[r], &[t, u], &[x]) => b.new_conv(id, r, inst.op, t, u, x),
            (Form::Select, &[r], &[t, u], &[c, x, y]) => b.new_select(id, r, t, u, c, x, y),
            (Form::ExtractValue, &[r], &[t], &[x]) => b.new_extractvalue(id, r, t, index, x),
            (Form::InsertValue, &[r], &[t], &[x, y]) => b.new_insertvalue(id, r, t, index, x, y),
            (Form::ExtractElement, &[r], &[t, u], &[x, y]) => b.new_extractelement(id, r, t, u, x, y),
            (Form::InsertElement, &[r], &[t, u], &[x, y, z]) => b.new_insertelement(id, r, t, u, x, y, z),
            (Form::ShuffleVector, &[r], &[t, u], &[x, y, z]) => b.new_shufflevector(id, r, t, u, x, y, z),
            _ => return None,
        }
        Some(())
    }

    fn memory(&mut self, inst: &Inst<Unlinked>, parts: &Parts) -> Option<()> {
        let Parts { id, results, types, args, exc, .. } = parts;
        let (id, exc, attrs) = (*id, *exc, inst.attrs);
        let (ptr, ord) = (attrs.ptr, attrs.ord);
        let b = &mut self.b;
        match (inst.op, &results[..], &types[..], &args[..]) {
            (Op::New, &[r], &[t], &[]) => b.new_new(id, r, t, exc),
            (Op::NewHybrid, &[r], &[t, u], &[x]) => b.new_newhybrid(id, r, t, u, x, exc),
            (Op::Alloca, &[r], &[t], &[]) => b.new_alloca(id, r, t, exc),
            (Op::AllocaHybrid, &[r], &[t, u], &[x]) => b.new_allocahybrid(id, r, t, u, x, exc),
            (Op::GetIRef, &[r], &[t], &[x]) => b.new_getiref(id, r, t, x),
            (Op::GetFieldIRef, &[r], &[t], &[x]) => {
                b.new_getfieldiref(id, r, ptr, t, u32::try_from(attrs.literal).ok()?, x);
            }
            (Op::GetElemIRef, &[r], &[t, u], &[x, y]) => b.new_getelemiref(id, r, ptr, t, u, x, y),
            (Op::ShiftIRef, &[r], &[t, u], &[x, y]) => b.new_shiftiref(id, r, ptr, t, u, x, y),
            (Op::GetVarPartIRef, &[r], &[t], &[x]) => b.new_getvarpartiref(id, r, ptr, t, x),
            (Op::Load, &[r], &[t], &[x]) => b.new_load(id, r, ptr, ord, t, x, exc),
            (Op::Store, &[], &[t], &[x, y]) => b.new_store(id, ptr, ord, t, x, y, exc),
            (Op::CmpXchg, &[r, s], &[t], &[x, y, z]) => {
                b.new_cmpxchg(id, r, s, ptr, attrs.weak, ord, attrs.ord_fail, t, x, y, z, exc);
            }
            (Op::AtomicRmw, &[r], &[t], &[x, y]) => b.new_atomicrmw(id, r, ptr, ord, attrs.rmw, t, x, y, exc),
            (Op::Fence, &[], &[], &[]) => b.new_fence(id, ord),
            _ => return None,
        }
        Some(())
    }

    fn control(&mut self, inst: &Inst<Unlinked>, parts: &Parts) -> Option<()> {
        let Parts { id, results, types, sigs, args, dests, exc, keepalive } = parts;
        let (id, exc, keepalive) = (*id, *exc, *keepalive);
        let wpid = inst.attrs.literal as u32;
        let b = &mut self.b;
        match (inst.op, &results[..], &dests[..], &args[..]) {
            (Op::Branch, [], &[dest], []) => b.new_branch(id, dest),
            (Op::Branch2, [], &[then, other], &[c]) => b.new_branch2(id, c, then, other),
            (Op::Switch, [], [default, dests @ ..], [x, cases @ ..]) => {
                b.new_switch(id, types[0], *x, *default, cases, dests);
            }
            (Op::Call, _, [], [callee, args @ ..]) => {
                b.new_call(id, results, sigs[0], *callee, args, exc, keepalive);
            }
            (Op::TailCall, [], [], [callee, args @ ..]) => b.new_tailcall(id, sigs[0], *callee, args),
            (Op::Ret, [], [], _) => b.new_ret(id, args),
            (Op::Throw, [], [], &[x]) => b.new_throw(id, x),
            (Op::Trap, _, [], []) => b.new_trap(id, results, types, exc, keepalive),
            (Op::Watchpoint, _, [dis, ena, exc @ ..], []) => {
                b.new_watchpoint(id, wpid, results, types, *dis, *ena, exc.first().copied(), keepalive);
            }
            (Op::WpBranch, [], &[dis, ena], []) => b.new_wpbranch(id, wpid, dis, ena),
            (Op::CCall, _, [], [callee, args @ ..]) => {
                let callconv = inst.attrs.callconv;
                b.new_ccall(id, results, callconv, types[0], sigs[0], *callee, args, exc, keepalive);
            }
            (Op::CommInst, _, [], _) => {
                let flags = vec![inst.attrs.callconv as u32; inst.attrs.comm_flags.into()];
                let comm = inst.attrs.comm?;
                b.new_comminst(id, results, comm, &flags, types, sigs, args, exc, keepalive);
            }
            _ => return None,
        }
        Some(())
    }

    fn stack_inst(&mut self, inst: &Inst<Unlinked>, parts: &Parts) -> Option<()> {
        let Parts { id, results, types, args, exc, keepalive, .. } = parts;
        let new_thread = inst.op == Op::NewThread;
        let split = if new_thread { 0 } else { inst.attrs.split as usize };
        let (rets, passes) = types.split_at(split);
        let (stack, rest) = args.split_first()?;
        let (threadlocal, rest) = match inst.attrs.threadlocal {
            true => rest.split_first().map(|(&local, rest)| (Some(local), rest))?,
            false => (None, rest),
        };
        let (new_stack, cur_stack) = (self.fresh(), self.fresh());
        match inst.attrs.new_stack {
            NewStack::PassValues => self.b.new_nsc_pass_values(new_stack, passes, rest),
            NewStack::ThrowExc => self.b.new_nsc_throw_exc(new_stack, *rest.first()?),
        }
        if new_thread {
            self.b.new_newthread(*id, *results.first()?, *stack, threadlocal, new_stack, *exc);
            return Some(());
        }
        match inst.attrs.cur_stack {
            CurStack::RetWith => self.b.new_csc_ret_with(cur_stack, rets),
            CurStack::KillOld => self.b.new_csc_kill_old(cur_stack),
        }
        self.b.new_swapstack(*id, results, *stack, cur_stack, new_stack, *exc, *keepalive);
        Some(())
    }
}

/// The parts of an instruction as ids; clauses are built already.
struct Parts {
    id: MuId,
    results: Vec<MuId>,
    types: Vec<MuId>,
    sigs: Vec<MuId>,
    args: Vec<MuId>,
    dests: Vec<MuId>,
    exc: Option<MuId>,
    keepalive: Option<MuId>,
}
