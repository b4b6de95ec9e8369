//! Calls of builder functions by common instruction: what `@uvm.irbuilder.*` does, once its operands have been read.
//!
//! A tier does not know eighty functions; it knows a row of the table. [`crate::table::CommInst::params`] says what the
//! operands are, whoever runs the instruction makes an [`Arg`] of each, and [`IrBuilder::call`] hands them to the method
//! of that name, in the order of the interface.

use super::{CallConvNo, IrBuilder};
use crate::ids::MuId;
use crate::table::CommInst;

/// An operand that has been read.
#[derive(Clone, PartialEq, Debug)]
pub enum Arg {
    /// An integer, or the bits of a floating point number.
    Number(u64),
    /// An array of ids or flags.
    Ids(Vec<MuId>),
    /// An array of 64-bit words.
    Words(Vec<u64>),
    /// A text, if there is one.
    Text(Option<String>),
}

/// The operands of one call behind the builder itself, lengths of arrays left out, taken from the front. What is not
/// there, or is of another kind, is 0 or empty: the verifier has checked that this does not happen.
#[derive(Clone, Debug)]
pub struct Args {
    rest: std::vec::IntoIter<Arg>,
}

impl Args {
    /// From all of them.
    pub fn new(args: Vec<Arg>) -> Args {
        Args { rest: args.into_iter() }
    }

    /// Whether all have been taken.
    pub fn is_empty(&self) -> bool {
        self.rest.len() == 0
    }

    fn word(&mut self) -> u64 {
        match self.rest.next() {
            Some(Arg::Number(number)) => number,
            Some(Arg::Ids(_) | Arg::Words(_) | Arg::Text(_)) | None => 0,
        }
    }

    fn num(&mut self) -> u32 {
        self.word() as u32
    }

    fn flag(&mut self) -> bool {
        self.num() != 0
    }

    fn id(&mut self) -> MuId {
        MuId(self.num())
    }

    /// An optional id.
    fn opt(&mut self) -> Option<MuId> {
        Some(self.id()).filter(|&id| id != MuId::NONE)
    }

    fn ids(&mut self) -> Vec<MuId> {
        match self.rest.next() {
            Some(Arg::Ids(ids)) => ids,
            Some(Arg::Number(_) | Arg::Words(_) | Arg::Text(_)) | None => Vec::new(),
        }
    }

    fn words(&mut self) -> Vec<u64> {
        match self.rest.next() {
            Some(Arg::Words(words)) => words,
            Some(Arg::Number(_) | Arg::Ids(_) | Arg::Text(_)) | None => Vec::new(),
        }
    }

    /// A text.
    pub fn text(&mut self) -> Option<String> {
        match self.rest.next() {
            Some(Arg::Text(text)) => text,
            Some(Arg::Number(_) | Arg::Ids(_) | Arg::Words(_)) | None => None,
        }
    }
}

impl IrBuilder {
    /// Calls the method that a common instruction stands for. False for an instruction that is no such method: the
    /// others, and those of the builder that need the program (`new_ir_builder`, `load`, `abort`, `gen_sym`).
    pub fn call(&mut self, inst: CommInst, args: &mut Args) -> bool {
        self.call_def(inst, args)
            || self.call_clause(inst, args)
            || self.call_operation(inst, args)
            || self.call_control(inst, args)
            || self.call_memory(inst, args)
    }

    fn call_def(&mut self, inst: CommInst, a: &mut Args) -> bool {
        match inst {
            CommInst::IbNewTypeInt => self.new_type_int(a.id(), a.num()),
            CommInst::IbNewTypeFloat => self.new_type_float(a.id()),
            CommInst::IbNewTypeDouble => self.new_type_double(a.id()),
            CommInst::IbNewTypeUptr => self.new_type_uptr(a.id(), a.id()),
            CommInst::IbNewTypeUfuncptr => self.new_type_ufuncptr(a.id(), a.id()),
            CommInst::IbNewTypeStruct => self.new_type_struct(a.id(), &a.ids()),
            CommInst::IbNewTypeHybrid => self.new_type_hybrid(a.id(), &a.ids(), a.id()),
            CommInst::IbNewTypeArray => self.new_type_array(a.id(), a.id(), a.word()),
            CommInst::IbNewTypeVector => self.new_type_vector(a.id(), a.id(), a.word()),
            CommInst::IbNewTypeVoid => self.new_type_void(a.id()),
            CommInst::IbNewTypeRef => self.new_type_ref(a.id(), a.id()),
            CommInst::IbNewTypeIref => self.new_type_iref(a.id(), a.id()),
            CommInst::IbNewTypeWeakref => self.new_type_weakref(a.id(), a.id()),
            CommInst::IbNewTypeFuncref => self.new_type_funcref(a.id(), a.id()),
            CommInst::IbNewTypeTagref64 => self.new_type_tagref64(a.id()),
            CommInst::IbNewTypeThreadref => self.new_type_threadref(a.id()),
            CommInst::IbNewTypeStackref => self.new_type_stackref(a.id()),
            CommInst::IbNewTypeFramecursorref => self.new_type_framecursorref(a.id()),
            CommInst::IbNewTypeIrbuilderref => self.new_type_irbuilderref(a.id()),
            CommInst::IbNewFuncsig => self.new_funcsig(a.id(), &a.ids(), &a.ids()),
            CommInst::IbNewConstInt => self.new_const_int(a.id(), a.id(), a.word()),
            CommInst::IbNewConstIntEx => self.new_const_int_ex(a.id(), a.id(), &a.words()),
            CommInst::IbNewConstFloat => self.new_const_float(a.id(), a.id(), f32::from_bits(a.num())),
            CommInst::IbNewConstDouble => self.new_const_double(a.id(), a.id(), f64::from_bits(a.word())),
            CommInst::IbNewConstNull => self.new_const_null(a.id(), a.id()),
            CommInst::IbNewConstSeq => self.new_const_seq(a.id(), a.id(), &a.ids()),
            CommInst::IbNewConstExtern => {
                self.new_const_extern(a.id(), a.id(), &a.text().unwrap_or_default())
            }
            CommInst::IbNewGlobalCell => self.new_global_cell(a.id(), a.id()),
            CommInst::IbNewFunc => self.new_func(a.id(), a.id()),
            CommInst::IbNewExpFunc => self.new_exp_func(a.id(), a.id(), CallConvNo(a.num()), a.id()),
            _ => return false,
        }
        true
    }

    fn call_clause(&mut self, inst: CommInst, a: &mut Args) -> bool {
        match inst {
            CommInst::IbNewFuncVer => self.new_func_ver(a.id(), a.id(), &a.ids()),
            CommInst::IbNewBb => self.new_bb(a.id(), &a.ids(), &a.ids(), a.opt(), &a.ids()),
            CommInst::IbNewDestClause => self.new_dest_clause(a.id(), a.id(), &a.ids()),
            CommInst::IbNewExcClause => self.new_exc_clause(a.id(), a.id(), a.id()),
            CommInst::IbNewKeepaliveClause => self.new_keepalive_clause(a.id(), &a.ids()),
            CommInst::IbNewCscRetWith => self.new_csc_ret_with(a.id(), &a.ids()),
            CommInst::IbNewCscKillOld => self.new_csc_kill_old(a.id()),
            CommInst::IbNewNscPassValues => self.new_nsc_pass_values(a.id(), &a.ids(), &a.ids()),
            CommInst::IbNewNscThrowExc => self.new_nsc_throw_exc(a.id(), a.id()),
            _ => return false,
        }
        true
    }

    fn call_operation(&mut self, inst: CommInst, a: &mut Args) -> bool {
        match inst {
            CommInst::IbNewBinop => {
                self.new_binop(a.id(), a.id(), a.num(), a.id(), a.id(), a.id(), a.opt());
            }
            CommInst::IbNewBinopWithStatus => {
                let (id, result, status) = (a.id(), a.id(), a.ids());
                let (optr, flags) = (a.num(), a.num());
                self.new_binop_with_status(id, result, &status, optr, flags, a.id(), a.id(), a.id(), a.opt());
            }
            CommInst::IbNewCmp => self.new_cmp(a.id(), a.id(), a.num(), a.id(), a.id(), a.id()),
            CommInst::IbNewConv => self.new_conv(a.id(), a.id(), a.num(), a.id(), a.id(), a.id()),
            CommInst::IbNewSelect => {
                self.new_select(a.id(), a.id(), a.id(), a.id(), a.id(), a.id(), a.id());
            }
            CommInst::IbNewExtractvalue => self.new_extractvalue(a.id(), a.id(), a.id(), a.num(), a.id()),
            CommInst::IbNewInsertvalue => {
                self.new_insertvalue(a.id(), a.id(), a.id(), a.num(), a.id(), a.id());
            }
            CommInst::IbNewExtractelement => {
                self.new_extractelement(a.id(), a.id(), a.id(), a.id(), a.id(), a.id());
            }
            CommInst::IbNewInsertelement => {
                self.new_insertelement(a.id(), a.id(), a.id(), a.id(), a.id(), a.id(), a.id());
            }
            CommInst::IbNewShufflevector => {
                self.new_shufflevector(a.id(), a.id(), a.id(), a.id(), a.id(), a.id(), a.id());
            }
            _ => return false,
        }
        true
    }

    fn call_control(&mut self, inst: CommInst, a: &mut Args) -> bool {
        match inst {
            CommInst::IbNewBranch => self.new_branch(a.id(), a.id()),
            CommInst::IbNewBranch2 => self.new_branch2(a.id(), a.id(), a.id(), a.id()),
            CommInst::IbNewSwitch => self.new_switch(a.id(), a.id(), a.id(), a.id(), &a.ids(), &a.ids()),
            CommInst::IbNewCall => {
                self.new_call(a.id(), &a.ids(), a.id(), a.id(), &a.ids(), a.opt(), a.opt());
            }
            CommInst::IbNewTailcall => self.new_tailcall(a.id(), a.id(), a.id(), &a.ids()),
            CommInst::IbNewRet => self.new_ret(a.id(), &a.ids()),
            CommInst::IbNewThrow => self.new_throw(a.id(), a.id()),
            CommInst::IbNewTrap => self.new_trap(a.id(), &a.ids(), &a.ids(), a.opt(), a.opt()),
            CommInst::IbNewWatchpoint => {
                let (id, wpid, results, types) = (a.id(), a.num(), a.ids(), a.ids());
                self.new_watchpoint(id, wpid, &results, &types, a.id(), a.id(), a.opt(), a.opt());
            }
            CommInst::IbNewWpbranch => self.new_wpbranch(a.id(), a.num(), a.id(), a.id()),
            CommInst::IbNewCcall => {
                let (id, results, callconv) = (a.id(), a.ids(), CallConvNo(a.num()));
                let (ty, sig, callee, args) = (a.id(), a.id(), a.id(), a.ids());
                self.new_ccall(id, &results, callconv, ty, sig, callee, &args, a.opt(), a.opt());
            }
            CommInst::IbNewNewthread => {
                self.new_newthread(a.id(), a.id(), a.id(), a.opt(), a.id(), a.opt());
            }
            CommInst::IbNewSwapstack => {
                self.new_swapstack(a.id(), &a.ids(), a.id(), a.id(), a.id(), a.opt(), a.opt());
            }
            CommInst::IbNewComminst => {
                let (id, results, opcode) = (a.id(), a.ids(), a.num());
                let flags: Vec<u32> = a.ids().iter().map(|flag| flag.0).collect();
                let (types, sigs, args) = (a.ids(), a.ids(), a.ids());
                self.new_comminst(id, &results, opcode, &flags, &types, &sigs, &args, a.opt(), a.opt());
            }
            _ => return false,
        }
        true
    }

    fn call_memory(&mut self, inst: CommInst, a: &mut Args) -> bool {
        match inst {
            CommInst::IbNewNew => self.new_new(a.id(), a.id(), a.id(), a.opt()),
            CommInst::IbNewNewhybrid => {
                self.new_newhybrid(a.id(), a.id(), a.id(), a.id(), a.id(), a.opt());
            }
            CommInst::IbNewAlloca => self.new_alloca(a.id(), a.id(), a.id(), a.opt()),
            CommInst::IbNewAllocahybrid => {
                self.new_allocahybrid(a.id(), a.id(), a.id(), a.id(), a.id(), a.opt());
            }
            CommInst::IbNewGetiref => self.new_getiref(a.id(), a.id(), a.id(), a.id()),
            CommInst::IbNewGetfieldiref => {
                self.new_getfieldiref(a.id(), a.id(), a.flag(), a.id(), a.num(), a.id());
            }
            CommInst::IbNewGetelemiref => {
                self.new_getelemiref(a.id(), a.id(), a.flag(), a.id(), a.id(), a.id(), a.id());
            }
            CommInst::IbNewShiftiref => {
                self.new_shiftiref(a.id(), a.id(), a.flag(), a.id(), a.id(), a.id(), a.id());
            }
            CommInst::IbNewGetvarpartiref => {
                self.new_getvarpartiref(a.id(), a.id(), a.flag(), a.id(), a.id());
            }
            CommInst::IbNewLoad => {
                self.new_load(a.id(), a.id(), a.flag(), a.num(), a.id(), a.id(), a.opt());
            }
            CommInst::IbNewStore => {
                self.new_store(a.id(), a.flag(), a.num(), a.id(), a.id(), a.id(), a.opt());
            }
            CommInst::IbNewCmpxchg => {
                let (id, value, success, ptr, weak) = (a.id(), a.id(), a.id(), a.flag(), a.flag());
                let (ord, fail, ty) = (a.num(), a.num(), a.id());
                let (loc, expected, desired) = (a.id(), a.id(), a.id());
                self.new_cmpxchg(
                    id,
                    value,
                    success,
                    ptr,
                    weak,
                    ord,
                    fail,
                    ty,
                    loc,
                    expected,
                    desired,
                    a.opt(),
                );
            }
            CommInst::IbNewAtomicrmw => {
                let (id, result, ptr, ord, optr) = (a.id(), a.id(), a.flag(), a.num(), a.num());
                self.new_atomicrmw(id, result, ptr, ord, optr, a.id(), a.id(), a.id(), a.opt());
            }
            CommInst::IbNewFence => self.new_fence(a.id(), a.num()),
            _ => return false,
        }
        true
    }
}
