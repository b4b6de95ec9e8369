//! Branches, SWITCH, calls, returns, exceptions (instruction-set: control flow).

use super::{Done, Importer, Leaves};
use crate::import::Unsupported;
use crate::ssa::{Args, Callee, Edge, Op, Terminator, Ty};
use mu_ir::ids::TypeId;
use mu_ir::inst::{Inst, Linked, Value as MuValue};
use mu_ir::types::Type;
use mu_ir::verify::interchangeable_sigs;
use mu_rt::layout::LeafKind;
use smallvec::SmallVec;

impl Importer<'_> {
    pub(super) fn branch(&mut self, inst: &Inst<Linked>) -> Done {
        let edge = self.edge(&inst.dests[0], None)?;
        self.end(Terminator::Jump(edge));
        Ok(())
    }

    pub(super) fn branch2(&mut self, inst: &Inst<Linked>) -> Done {
        let cond = self.scalar(inst.args[0])?;
        let (then, other) = (self.edge(&inst.dests[0], None)?, self.edge(&inst.dests[1], None)?);
        self.end(Terminator::Branch { cond, then, other });
        Ok(())
    }

    pub(super) fn switch(&mut self, inst: &Inst<Linked>) -> Done {
        let value = self.value_as(inst.args[0], inst.types[0])?;
        let &[value] = &value[..] else { return Err(Unsupported::Form(inst.op, "a case of two words")) };
        let default = self.edge(&inst.dests[0], None)?;
        let mut cases = Vec::with_capacity(inst.args.len() - 1);
        for (&case, dest) in inst.args[1..].iter().zip(&inst.dests[1..]) {
            let mut words = Vec::new();
            self.constant_words(case, &mut words)?;
            cases.push((words.first().copied().unwrap_or(0), self.edge(dest, None)?));
        }
        cases.sort_by_key(|(bits, _)| *bits);
        self.end(Terminator::Switch { value, cases, default });
        Ok(())
    }

    pub(super) fn ret(&mut self, inst: &Inst<Linked>) -> Done {
        let types = &self.program.types.sig(self.ver.sig).rets;
        let args = self.arguments(&inst.args, types)?;
        self.end(Terminator::Ret(args));
        Ok(())
    }

    pub(super) fn throw(&mut self, inst: &Inst<Linked>) -> Done {
        let exc = self.scalar(inst.args[0])?;
        let exc = self.retype(exc, LeafKind::Ref);
        self.end(Terminator::Throw(exc));
        Ok(())
    }

    /// The leaves of values, as those of these types.
    fn arguments(&mut self, values: &[MuValue], types: &[TypeId]) -> Result<Args, Unsupported> {
        let mut args = Args::new();
        for (&value, &ty) in values.iter().zip(types) {
            args.extend(self.value_as(value, ty)?);
        }
        Ok(args)
    }

    /// The callee and the arguments, behind the funcref if the callee is one.
    fn callee(&mut self, inst: &Inst<Linked>) -> Result<(Callee, Args), Unsupported> {
        let mut args = Args::new();
        let want = inst.sigs[0];
        // Fitting types say nothing about the value of a funcref that REFCAST or lenient mode gave another type: calling
        // a function of another signature is undefined behaviour, and this tier does not look.
        let fits = match *self.ty(self.value_ty(inst.args[0])) {
            Type::FuncRef(have) => interchangeable_sigs(&self.program.types, have, want),
            _ => false,
        };
        if !fits {
            return Err(Unsupported::CalleeSignature);
        }
        let callee = match inst.args[0] {
            MuValue::Func(func) => Callee::Func(func),
            value => {
                args.push(self.scalar(value)?);
                Callee::Indirect
            }
        };
        args.extend(self.arguments(&inst.args[1..], &self.program.types.sig(want).params)?);
        Ok((callee, args))
    }

    pub(super) fn tail_call(&mut self, inst: &Inst<Linked>) -> Done {
        let (callee, args) = self.callee(inst)?;
        self.end(Terminator::TailCall { callee, args });
        Ok(())
    }

    pub(super) fn call(&mut self, inst: &Inst<Linked>) -> Done {
        let (callee, mut args) = self.callee(inst)?;
        let mut kept = Args::new();
        for &value in inst.keepalives.as_deref().unwrap_or(&[]) {
            kept.extend(self.value(value)?);
        }
        args.extend_from_slice(&kept);
        let rets = self.program.types.sig(inst.sigs[0]).rets.clone();
        let mut types: SmallVec<[Ty; 4]> = SmallVec::new();
        let mut counts: SmallVec<[usize; 4]> = SmallVec::new();
        for &ty in &rets {
            let leaves = self.leaf_types(ty)?;
            counts.push(leaves.len());
            types.extend(leaves);
        }
        let call = self.func.make_inst(Op::Call(callee), &args, &types, self.source);
        self.func.insts[call.index()].kept = kept.len() as u32;
        let mut results = self.func.insts[call.index()].results.clone().into_iter();
        for (&var, &count) in inst.results.iter().zip(&counts) {
            let leaves: Leaves = results.by_ref().take(count).collect();
            self.define(var, leaves);
        }
        let Some(clause) = &inst.exc else {
            self.func.blocks[self.current.index()].insts.push(call);
            return Ok(());
        };
        let (normal, exc) = (self.func.add_block(), self.func.add_block());
        self.end(Terminator::Invoke { call, normal, exc });
        self.current = normal;
        let edge = self.edge(&clause.nor, None)?;
        self.end(Terminator::Jump(edge));
        self.func.blocks[exc.index()].cold = true;
        self.current = exc;
        let thrown = self.op(Op::Landing, LeafKind::Ref, &[]);
        let edge: Edge = self.edge(&clause.exc, Some(thrown))?;
        self.end(Terminator::Jump(edge));
        Ok(())
    }
}
