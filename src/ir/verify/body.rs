//! Function versions: blocks, terminators, destinations, the order of definitions, and what all instructions share.
//!
//! A basic block sees its own parameters and the results of its earlier instructions, nothing else. So one counter per
//! variable (`defined`: the block that has computed it) answers "is it there yet" while the instructions are walked in
//! order, and types of results are ready when their uses are met.

use super::report::{DestNo, Place, counted};
use super::{Cx, arith};
use crate::codes::{load, verify as code};
use crate::diag::{Diagnostic, Severity, Span};
use crate::draft::{DefKind, FuncDef};
use crate::ids::*;
use crate::inst::{Dest, Inst, Linked, Value};
use crate::program::{Block, FuncVer, Var};
use crate::table::{CommInst, Effect, Op, Part, Rule};
use smallvec::SmallVec;
use std::sync::Arc;

/// Types of the operands or results of an instruction.
pub(super) type Types = SmallVec<[TypeId; 8]>;

/// A function version being checked. Its variables are taken out of it, so that their types can be written while the
/// rest is read.
pub(super) struct Body<'b, 'a> {
    pub cx: &'b mut Cx<'a>,
    pub ver: &'b FuncVer,
    pub vars: Vec<Var>,
    /// Number + 1 of the block in which the variable has been computed.
    defined: Vec<u32>,
    pub def: Option<&'a FuncDef>,
    /// Its number.
    index: FuncVerId,
    /// The block and the instruction at hand.
    pub block: usize,
    pub inst: usize,
    /// Lenient mode: operands that become other constants, with their block and instruction.
    pub replaced: Vec<(usize, usize, Place, ConstId)>,
}

impl<'a> Cx<'a> {
    /// Checks every new function version.
    pub fn check_func_vers(&mut self) {
        for new in 0..self.spans.func_vers.len() {
            if self.is_tainted(self.spans.func_vers.get(new)) {
                continue;
            }
            let index = self.mark.func_vers() + new;
            let Some(slot) = self.program.func_vers.get_mut(index) else { return };
            let vars = std::mem::take(&mut Arc::make_mut(slot).vars);
            let ver = Arc::clone(slot);
            let def = match self.def(self.spans.func_vers[new]).map(|def| &def.kind) {
                Some(DefKind::FuncDef(def)) => Some(def),
                _ => None,
            };
            let defined = vec![0; vars.len()];
            let number = FuncVerId::new(index);
            let (block, inst, replaced) = (0, 0, Vec::new());
            let mut body =
                Body { cx: self, ver: &ver, vars, defined, def, index: number, block, inst, replaced };
            body.check();
            let (vars, replaced) = (body.vars, body.replaced);
            drop(ver);
            let slot = Arc::make_mut(&mut self.program.func_vers[index]);
            slot.vars = vars;
            for (block, inst, place, constant) in replaced {
                if let Some(operand) = place.operand_mut(&mut slot.blocks[block].insts[inst]) {
                    *operand = Value::Const(constant);
                }
            }
        }
    }
}

impl Body<'_, '_> {
    fn check(&mut self) {
        self.check_signature();
        let ver = self.ver;
        if ver.blocks.is_empty() {
            let span = self.def.map_or(ver.span, |def| def.version.span);
            let name = self.cx.program.display_name(ver.id);
            let message = format!("{name} has no basic block");
            self.cx.out.push(Diagnostic::error(code::NO_BLOCKS, span, message).label("an empty body"));
            return;
        }
        self.check_entry(&ver.blocks[0]);
        for (index, block) in ver.blocks.iter().enumerate() {
            self.block = index;
            self.check_block(block);
        }
    }

    /// A new version has the signature of its function.
    fn check_signature(&mut self) {
        let func = &self.cx.program.funcs[self.ver.func.index()];
        let (want, id, func_span) = (func.sig, func.id, func.span);
        if self.cx.program.types.same_sig(want, self.ver.sig) {
            return;
        }
        let span = self.def.map_or(self.ver.span, |def| def.sig.span);
        let name = self.cx.program.display_name(id);
        let (want, have) = (self.cx.program.display_sig(want), self.cx.program.display_sig(self.ver.sig));
        let message = format!("{name} has signature {want}, but this version is written with {have}");
        self.cx.out.push(
            Diagnostic::error(load::REDEFINITION_SIGNATURE, span, message)
                .label("another signature")
                .also(func_span, format!("{name} was defined here")),
        );
    }

    /// The entry block has the parameters of the signature and no exception parameter.
    fn check_entry(&mut self, entry: &Block) {
        if let Some(exc) = entry.exc_param {
            let name = self.cx.program.display_name(self.cx.program.funcs[self.ver.func.index()].id);
            let message = format!("the entry block of {name} has an exception parameter");
            let span = self.vars[exc.index()].span;
            self.cx.out.push(Diagnostic::error(code::ENTRY_EXC_PARAM, span, message).label("drop this"));
        }
        let sig = self.ver.sig;
        let want = self.cx.program.types.sig(sig).params.len();
        if entry.params.len() != want {
            let sig_name = self.cx.program.display_sig(sig);
            let message = format!(
                "the entry block has {}, but {sig_name} has {want}",
                counted(entry.params.len(), "parameter")
            );
            let span = entry.span;
            self.cx.out.push(Diagnostic::error(code::ENTRY_PARAMS, span, message));
            return;
        }
        for (n, &param) in entry.params.iter().enumerate() {
            let have = self.vars[param.index()].ty;
            let want = self.cx.program.types.sig(sig).params[n];
            if have == Var::UNTYPED || self.cx.program.types.same(have, want) {
                continue;
            }
            let (have_name, want_name) = (self.cx.ty(have), self.cx.ty(want));
            let message = format!(
                "parameter {} of the entry block is {have_name}, but the signature says {want_name}",
                n + 1
            );
            let span = self.param_type_span(0, n, param);
            let mut diagnostic =
                Diagnostic::error(code::ENTRY_PARAMS, span, message).label(format!("this is {have_name}"));
            diagnostic.severity = self.cx.mismatch_severity(have, want);
            if diagnostic.severity == Severity::Error {
                // Who knows which of the two is meant: let it fit everywhere.
                self.vars[param.index()].ty = Var::UNTYPED;
            }
            self.cx.out.push(diagnostic);
        }
    }

    /// Where the type of a block parameter is written.
    fn param_type_span(&self, block: usize, n: usize, param: VarIdx) -> Span {
        let written = self.def.and_then(|def| def.blocks.get(block)?.params.get(n)).map(|(ty, _)| ty.span);
        written.unwrap_or(self.vars[param.index()].span)
    }

    fn check_block(&mut self, block: &Block) {
        for (n, &param) in block.params.iter().enumerate() {
            self.define(param);
            let ty = self.vars[param.index()].ty;
            // The types of the entry block's parameters are those of the signature, which has been checked.
            if self.block > 0
                && ty != Var::UNTYPED
                && !self.cx.facts.is_variable_type(&self.cx.program.types, ty)
            {
                let span = self.param_type_span(self.block, n, param);
                self.cx.not_a_variable_type(span, ty, "a block parameter");
            }
        }
        if let Some(exc) = block.exc_param {
            self.vars[exc.index()].ty = self.cx.program.predefined.ref_void;
            self.define(exc);
        }
        let Some(last) = block.insts.last() else {
            let message = format!("{} is empty", self.block_name(BlockIdx::new(self.block)));
            let diagnostic = Diagnostic::error(code::EMPTY_BLOCK, block.span, message);
            self.cx.out.push(diagnostic.help("end the block with a terminator, e.g. BRANCH or RET"));
            return;
        };
        let mut terminated = false;
        for (index, inst) in block.insts.iter().enumerate() {
            self.inst = index;
            if index > 0 && !terminated && block.insts[index - 1].is_terminator() {
                terminated = true;
                let message = format!("{} stands after the end of its block", self.inst_name());
                let diagnostic = Diagnostic::error(code::AFTER_TERMINATOR, inst.span, message)
                    .label("never reached")
                    .also(block.insts[index - 1].span, "the block ends here")
                    .help("begin a new basic block");
                self.cx.out.push(diagnostic);
            }
            self.check_inst(inst);
        }
        if !terminated && !last.is_terminator() {
            let message =
                format!("{} ends with {}", self.block_name(BlockIdx::new(self.block)), self.inst_name());
            let diagnostic = Diagnostic::error(code::NO_TERMINATOR, last.span, message)
                .label("not a terminator")
                .help("control does not fall through: end the block with BRANCH, RET, …");
            self.cx.out.push(diagnostic);
        }
    }

    /// Whether a name in the instruction at hand could not be resolved, which was reported.
    fn is_broken(&self) -> bool {
        let broken = &self.cx.spans.broken;
        !broken.is_empty()
            && broken.contains(&(self.index, BlockIdx::new(self.block), InstIdx::new(self.inst)))
    }

    fn define(&mut self, var: VarIdx) {
        self.defined[var.index()] = self.block as u32 + 1;
    }

    /// The type of a value at a place; UNTYPED, with an error, if it has not been computed.
    pub fn operand(&mut self, place: Place, value: Value) -> TypeId {
        match value {
            Value::Local(var) if self.defined[var.index()] != self.block as u32 + 1 => {
                self.used_too_early(place, var);
                Var::UNTYPED
            }
            Value::Local(var) => self.vars[var.index()].ty,
            _ => self.cx.global_type(value),
        }
    }

    fn check_inst(&mut self, inst: &Inst<Linked>) {
        if self.is_broken() {
            inst.results.iter().for_each(|&var| self.define(var));
            return;
        }
        if !self.check_form(inst) {
            self.error(
                code::MALFORMED,
                Place::Inst,
                format!("{} lacks parts of its form", self.inst_name()),
                "",
            );
            inst.results.iter().for_each(|&var| self.define(var));
            return;
        }
        let mut args = Types::new();
        for (n, &value) in inst.args.iter().enumerate() {
            args.push(self.operand(Place::Arg(n), value));
        }
        let mut results = Types::new();
        let known = self.check_rule(inst, &args, &mut results);
        for (n, &value) in inst.keepalives.iter().flatten().enumerate() {
            let place = Place::Keepalive(n);
            match value {
                Value::Local(_) => {
                    self.operand(place, value);
                }
                _ => {
                    let message = format!("{} is not a local variable", self.value_name(value));
                    self.error(code::KEEPALIVE_GLOBAL, place, message, "a global variable");
                }
            }
        }
        self.check_clauses(inst);
        // Destinations that do not see the results come first.
        let sees_results = |n: usize| inst.op == Op::Watchpoint && n == 1;
        for (n, dest) in inst.dests.iter().enumerate().filter(|&(n, _)| !sees_results(n)) {
            let exceptional = inst.op == Op::Watchpoint && n == 2;
            self.check_dest(inst, DestNo::Plain(n), dest, exceptional);
        }
        if let Some(exc) = &inst.exc {
            self.check_dest(inst, DestNo::Exc, &exc.exc, true);
        }
        if known && inst.results.len() != results.len() {
            self.bad_result_count(inst.results.len(), results.len());
        }
        for (n, &var) in inst.results.iter().enumerate() {
            self.vars[var.index()].ty = results.get(n).copied().unwrap_or(Var::UNTYPED);
            self.define(var);
        }
        for (n, dest) in inst.dests.iter().enumerate().filter(|&(n, _)| sees_results(n)) {
            self.check_dest(inst, DestNo::Plain(n), dest, false);
        }
        if let Some(exc) = &inst.exc {
            self.check_dest(inst, DestNo::Nor, &exc.nor, false);
        }
    }

    /// Whether the instruction has the parts of its form. The parser makes no others; a builder might.
    fn check_form(&self, inst: &Inst<Linked>) -> bool {
        use crate::table::AngleArg;
        let (mut types, mut sigs, mut args, mut dests) = (0, 0, 0, 0);
        let (mut more_types, mut more_sigs, mut more_args, mut cases, mut wpexc) =
            (false, false, false, false, false);
        for part in inst.op.form().parts() {
            match part {
                Part::Angle(list) => {
                    types += list.iter().filter(|&&arg| arg == AngleArg::Type).count();
                    sigs += list.iter().filter(|&&arg| arg == AngleArg::Sig).count();
                }
                Part::Arg => args += 1,
                Part::ArgList | Part::RetArgs | Part::NewStack => more_args = true,
                Part::Dest => dests += 1,
                Part::Cases => cases = true,
                Part::TypeList | Part::CurStack => more_types = true,
                Part::WpExc => wpexc = true,
                Part::ThreadLocal => args += usize::from(inst.attrs.threadlocal),
                Part::Comm => (more_types, more_sigs, more_args) = (true, true, true),
                Part::Status
                | Part::Ptr
                | Part::Weak
                | Part::OrdOptional
                | Part::Ord
                | Part::OrdFail
                | Part::OrdAndRmw
                | Part::CallConv
                | Part::Wpid
                | Part::Exc
                | Part::Keepalive => {}
            }
        }
        // NEWTHREAD and SWAPSTACK: PASS_VALUES brings types.
        more_types |= matches!(inst.op, Op::NewThread | Op::SwapStack);
        let fits = |have: usize, least: usize, more: bool| have == least || (more && have > least);
        fits(inst.types.len(), types, more_types)
            && fits(inst.sigs.len(), sigs, more_sigs)
            && inst.attrs.split as usize <= inst.types.len()
            && if cases {
                inst.args.len() >= args && inst.dests.len() + args == inst.args.len() + dests
            } else {
                fits(inst.args.len(), args, more_args)
                    && (inst.dests.len() == dests || (wpexc && inst.dests.len() == dests + 1))
            }
    }

    /// EXC and KEEPALIVE only where they can matter.
    fn check_clauses(&mut self, inst: &Inst<Linked>) {
        // What a common instruction does stands in its own row.
        let effects = inst.attrs.comm.map_or_else(|| inst.op.effects(), CommInst::effects);
        let has_part = |part| inst.op.form().parts().contains(&part);
        if inst.exc.is_some() {
            // WATCHPOINT may throw too, but has a clause of its own.
            let allowed = effects.has(Effect::MayThrow) && has_part(Part::Exc);
            if !allowed {
                self.clause_not_allowed(
                    code::EXC_NOT_ALLOWED,
                    Place::Dest(DestNo::Nor),
                    "an exception clause",
                );
            }
        }
        if inst.keepalives.as_ref().is_some_and(|vars| !vars.is_empty()) {
            let allowed = effects.has(Effect::OsrPoint) && has_part(Part::Keepalive);
            if !allowed {
                self.clause_not_allowed(
                    code::KEEPALIVE_NOT_ALLOWED,
                    Place::Keepalive(0),
                    "keep-alive variables",
                );
            }
        }
    }

    /// A destination: not the entry block, the right arguments, and an exception parameter only where an exception can
    /// arrive.
    fn check_dest(&mut self, inst: &Inst<Linked>, no: DestNo, dest: &Dest<Linked>, exceptional: bool) {
        let ver = self.ver;
        let block = &ver.blocks[dest.block.index()];
        if dest.block.index() == 0 {
            let message = format!("{} branches to the entry block", self.inst_name());
            self.error(code::ENTRY_BRANCHED, Place::Dest(no), message, "the entry block");
        }
        if block.exc_param.is_some() && dest.block.index() != 0 {
            if !exceptional {
                let message = format!("{} has an exception parameter", self.block_name(dest.block));
                self.error(code::EXC_PARAM_NORMAL, Place::Dest(no), message, "a normal destination");
            } else if !catches_exceptions(inst) && inst.op.effects().has(Effect::MayThrow) {
                let name = self.block_name(dest.block);
                let message = format!(
                    "{} catches no exception, and {name} has an exception parameter",
                    self.inst_name()
                );
                self.error(code::EXC_PARAM_NO_CATCH, Place::Dest(no), message, "no exception arrives here");
            }
        }
        let mut types = Types::new();
        for (n, &value) in dest.args.iter().enumerate() {
            types.push(self.operand(Place::DestArg(no, n), value));
        }
        if dest.args.len() != block.params.len() {
            let name = self.block_name(dest.block);
            let message = format!(
                "{name} has {}, but gets {}",
                counted(block.params.len(), "parameter"),
                counted(dest.args.len(), "argument")
            );
            let diagnostic = Diagnostic::error(code::DEST_ARG_COUNT, self.span(Place::Dest(no)), message)
                .also(block.span, format!("{name} is defined here"));
            self.cx.out.push(diagnostic);
            return;
        }
        for (n, (&value, &param)) in dest.args.iter().zip(&block.params).enumerate() {
            let want = self.vars[param.index()].ty;
            self.want(code::DEST_ARG_TYPE, Place::DestArg(no, n), value, types[n], want);
        }
    }

    /// Checks that a value has a type.
    #[inline]
    pub fn want(&mut self, code: crate::codes::Code, place: Place, value: Value, have: TypeId, want: TypeId) {
        if have == want
            || have == Var::UNTYPED
            || want == Var::UNTYPED
            || self.cx.program.types.same(have, want)
        {
            return;
        }
        self.mismatch(code, place, value, have, want);
    }

    /// Checks that operand `n` has a type.
    #[inline]
    pub fn want_arg(&mut self, inst: &Inst<Linked>, args: &[TypeId], n: usize, want: TypeId) {
        self.want(code::OPERAND_TYPE, Place::Arg(n), inst.args[n], args[n], want);
    }

    /// The type rule. Writes the types of the results and says whether their number is known.
    fn check_rule(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) -> bool {
        match inst.op.rule() {
            Rule::IntBinOp | Rule::IntDivOp => self.int_bin_op(inst, args, results),
            Rule::FpBinOp => self.fp_bin_op(inst, args, results),
            Rule::EqCmp => self.comparison(inst, args, results, arith::EQ_CMP),
            Rule::IntCmp => self.comparison(inst, args, results, arith::INT_CMP),
            Rule::UltCmp => self.comparison(inst, args, results, arith::ULT_CMP),
            Rule::FpCmp => self.comparison(inst, args, results, arith::FP_CMP),
            Rule::IntShrink => self.conversion(inst, args, results, arith::int_shrink),
            Rule::IntGrow => self.conversion(inst, args, results, arith::int_grow),
            Rule::FpShrink => self.conversion(inst, args, results, arith::fp_shrink),
            Rule::FpGrow => self.conversion(inst, args, results, arith::fp_grow),
            Rule::FpToInt => self.conversion(inst, args, results, arith::fp_to_int),
            Rule::IntToFp => self.conversion(inst, args, results, arith::int_to_fp),
            Rule::BitCast => self.conversion(inst, args, results, arith::bit_cast),
            Rule::RefCast => self.conversion(inst, args, results, arith::ref_cast),
            Rule::PtrCast => self.conversion(inst, args, results, arith::ptr_cast),
            Rule::Select => self.select(inst, args, results),
            Rule::Branch | Rule::WpBranch => {}
            Rule::Branch2 => self.want_arg(inst, args, 0, self.cx.program.predefined.i1),
            Rule::Switch => self.switch(inst, args),
            Rule::Call => self.call(inst, args, results),
            Rule::TailCall => self.tail_call(inst, args),
            Rule::Ret => self.ret(inst, args),
            Rule::Throw => self.want_ref(code::THROW_TYPE, inst, args, 0),
            Rule::ExtractValue => self.extract_value(inst, args, results),
            Rule::InsertValue => self.insert_value(inst, args, results),
            Rule::ExtractElement => self.extract_element(inst, args, results),
            Rule::InsertElement => self.insert_element(inst, args, results),
            Rule::ShuffleVector => self.shuffle_vector(inst, args, results),
            Rule::New => self.new_fixed(inst, results, true),
            Rule::Alloca => self.new_fixed(inst, results, false),
            Rule::NewHybrid => self.new_hybrid(inst, args, results, true),
            Rule::AllocaHybrid => self.new_hybrid(inst, args, results, false),
            Rule::GetIRef => self.get_iref(inst, args, results),
            Rule::GetFieldIRef => self.get_field_iref(inst, args, results),
            Rule::GetElemIRef => self.get_elem_iref(inst, args, results),
            Rule::ShiftIRef => self.shift_iref(inst, args, results),
            Rule::GetVarPartIRef => self.get_var_part_iref(inst, args, results),
            Rule::Load => self.load(inst, args, results),
            Rule::Store => self.store(inst, args),
            Rule::CmpXchg => self.cmp_xchg(inst, args, results),
            Rule::AtomicRmw => self.atomic_rmw(inst, args, results),
            Rule::Fence => self.fence(inst),
            Rule::Trap | Rule::Watchpoint => self.list_results(inst, inst.types.len(), results),
            Rule::CCall => self.ccall(inst, args, results),
            Rule::NewThread => self.new_thread(inst, args, results),
            Rule::SwapStack => self.swap_stack(inst, args, results),
            Rule::CommInst => return self.comm_inst(inst, args, results),
        }
        true
    }
}

/// Whether the exceptional destination can receive an exception object: OSR points do (uvm-ir, Function Body), NEWTHREAD
/// and `@uvm.new_stack` pass NULL (where they are defined).
fn catches_exceptions(inst: &Inst<Linked>) -> bool {
    inst.op.effects().has(Effect::OsrPoint) || matches!(inst.op, Op::NewThread | Op::CommInst)
}
