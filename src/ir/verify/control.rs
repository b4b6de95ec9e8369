//! Switches, calls, returns, traps, threads and stacks (instruction-set, Intra- and Inter-function Control Flow, Traps
//! and Watchpoints, Unsafe Native Call, Thread and Stack).

use super::Cx;
use super::body::{Body, Types};
use super::report::{Place, counted};
use crate::codes::{Code, verify as code};
use crate::diag::{Diagnostic, Severity, Span};
use crate::draft::ConstCtor;
use crate::ids::{SigId, TypeId};
use crate::inst::{Inst, Linked, Value};
use crate::program::Var;
use crate::table::{CurStack, NewStack};
use crate::types::Type;
use smallvec::SmallVec;

impl Cx<'_> {
    /// The type of a global variable.
    pub fn global_type(&self, value: Value) -> TypeId {
        match value {
            Value::Local(_) => Var::UNTYPED,
            Value::Const(id) => self.program.consts[id.index()].ty,
            Value::Global(id) => self.program.globals[id.index()].iref_ty,
            Value::Func(id) => self.program.funcs[id.index()].funcref_ty,
            Value::Expose(id) => self.program.exposes[id.index()].ptr_ty,
        }
    }

    /// Two numbers that are equal exactly for global variables that are known to hold the same value; for the types
    /// SWITCH works on.
    fn case_key(&self, value: Value) -> (u8, u128) {
        match value {
            Value::Local(var) => (0, var.0.into()),
            Value::Global(id) => (1, id.0.into()),
            Value::Func(id) => (2, id.0.into()),
            Value::Expose(id) => (3, id.0.into()),
            Value::Const(id) => {
                let constant = &self.program.consts[id.index()];
                match (&constant.ctor, constant.address) {
                    (ConstCtor::Null, _) => (4, 0),
                    (ConstCtor::Int { .. }, _) => {
                        let width = match self.program.types.get(constant.ty) {
                            Type::Int(n) => *n,
                            _ => 64,
                        };
                        let bits = constant.ctor.int_bits().unwrap_or(0);
                        (5, if width < 128 { bits & ((1 << width) - 1) } else { bits })
                    }
                    (ConstCtor::Extern(_), Some(address)) => (5, address.into()),
                    _ => (6, id.0.into()),
                }
            }
        }
    }

    /// Reports a signature that the default calling convention cannot express (native-interface-x64-unix); `span` is
    /// where it is used.
    pub fn check_native_sig(&mut self, sig: SigId, span: Span) {
        let signature = self.program.types.sig(sig);
        let (params, rets) = (signature.params.len(), signature.rets.len());
        let fault = if rets > 1 {
            Some(format!("it returns {rets} values, and C functions return at most one"))
        } else {
            (0..params + rets).find_map(|n| {
                let signature = self.program.types.sig(sig);
                let ty = *signature.params.iter().chain(&*signature.rets).nth(n)?;
                let name = || self.program.display_type(ty);
                if matches!(self.program.types.get(ty), Type::Array(..)) {
                    Some(format!("{} is an array, and C passes no array by value", name()))
                } else if !self.facts.is_native_safe(&self.program.types, ty) {
                    Some(format!("{} is not native-safe", name()))
                } else {
                    None
                }
            })
        };
        if let Some(fault) = fault {
            let sig = self.program.display_sig(sig);
            let message = format!("native code cannot have the signature {sig}: {fault}");
            self.out.push(Diagnostic::error(code::NATIVE_SIG, span, message).label("this signature"));
        }
    }
}

impl Body<'_, '_> {
    // ---- inside a function

    pub(super) fn switch(&mut self, inst: &Inst<Linked>, args: &[TypeId]) {
        let ty = inst.types[0];
        if !self.cx.program.types.get(ty).is_eq_comparable() {
            self.bad_type(code::SWITCH_TYPE, 0, "int, pointers and references (but not weakref)");
            return;
        }
        for n in 0..args.len() {
            self.want_arg(inst, args, n, ty);
        }
        let mut keys: SmallVec<[((u8, u128), usize); 16]> = SmallVec::new();
        for (n, &value) in inst.args.iter().enumerate().skip(1) {
            if let Value::Local(_) = value {
                let message = format!("the case {} is not a constant", self.value_name(value));
                self.error(code::SWITCH_CASE_NOT_CONST, Place::Arg(n), message, "a local variable");
            } else {
                keys.push((self.cx.case_key(value), n));
            }
        }
        keys.sort_unstable();
        for pair in keys.windows(2) {
            let ((first_key, first), (second_key, second)) = (pair[0], pair[1]);
            if first_key == second_key {
                let message = format!("{} is a case already", self.value_name(inst.args[second]));
                let diagnostic =
                    Diagnostic::error(code::SWITCH_CASE_DUPLICATE, self.span(Place::Arg(second)), message)
                        .label("never reached")
                        .also(self.span(Place::Arg(first)), "the same value");
                self.cx.out.push(diagnostic);
            }
        }
    }

    // ---- between functions

    /// Operands from `first` on are arguments for a signature.
    fn arguments(&mut self, inst: &Inst<Linked>, args: &[TypeId], first: usize, sig: SigId) {
        let want = self.cx.program.types.sig(sig).params.len();
        let have = args.len() - first;
        if have != want {
            let place = if have > want { Place::Arg(first + want) } else { Place::Inst };
            let sig = self.cx.program.display_sig(sig);
            let message =
                format!("{} passes {}, but {sig} takes {want}", self.inst_name(), counted(have, "argument"));
            self.error(code::ARG_COUNT, place, message, "");
            return;
        }
        for n in 0..want {
            let want = self.cx.program.types.sig(sig).params[n];
            self.want_arg(inst, args, first + n, want);
        }
    }

    /// Operand `n` is `funcref<sig>`.
    pub(super) fn want_funcref(&mut self, inst: &Inst<Linked>, args: &[TypeId], n: usize, sig: SigId) {
        let types = &self.cx.program.types;
        let fits = args[n] == Var::UNTYPED
            || matches!(*types.get(args[n]), Type::FuncRef(own) if types.same_sig(own, sig));
        if !fits {
            let want = self.cx.derived.funcref_of(&mut self.cx.program.types, sig);
            self.want_arg(inst, args, n, want);
        }
    }

    /// Operand `n` is a `ref` to anything.
    pub(super) fn want_ref(&mut self, code: Code, inst: &Inst<Linked>, args: &[TypeId], n: usize) {
        let have = args[n];
        if have != Var::UNTYPED && !matches!(self.cx.program.types.get(have), Type::Ref(_)) {
            self.mismatch_kind(code, Place::Arg(n), inst.args[n], have, "a ref");
        }
    }

    pub(super) fn call(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let sig = inst.sigs[0];
        self.want_funcref(inst, args, 0, sig);
        self.arguments(inst, args, 1, sig);
        results.extend_from_slice(&self.cx.program.types.sig(sig).rets);
    }

    pub(super) fn tail_call(&mut self, inst: &Inst<Linked>, args: &[TypeId]) {
        let sig = inst.sigs[0];
        self.want_funcref(inst, args, 0, sig);
        self.arguments(inst, args, 1, sig);
        let types = &self.cx.program.types;
        let (callee, own) = (&types.sig(sig).rets, &types.sig(self.ver.sig).rets);
        if callee.len() == own.len() && callee.iter().zip(own).all(|(&a, &b)| types.same(a, b)) {
            return;
        }
        let lenient = callee.len() == own.len()
            && callee.iter().zip(own).all(|(&have, &want)| {
                types.same(have, want) || self.cx.mismatch_severity(have, want) == Severity::Warning
            });
        let severity = if lenient { Severity::Warning } else { Severity::Error };
        let (callee, own) = (self.cx.program.display_sig(sig), self.cx.program.display_sig(self.ver.sig));
        let message = format!("{callee} does not return what this function, {own}, returns");
        self.report(code::TAILCALL_RETURNS, Place::Sig(0), severity, message, "other return types");
    }

    pub(super) fn ret(&mut self, inst: &Inst<Linked>, args: &[TypeId]) {
        let sig = self.ver.sig;
        let want = self.cx.program.types.sig(sig).rets.len();
        if args.len() != want {
            let sig = self.cx.program.display_sig(sig);
            let message = format!("RET passes {}, but {sig} returns {want}", counted(args.len(), "value"));
            self.error(code::RET_COUNT, Place::Inst, message, "");
            return;
        }
        for (n, &have) in args.iter().enumerate() {
            let want = self.cx.program.types.sig(sig).rets[n];
            self.want(code::RET_TYPE, Place::Arg(n), inst.args[n], have, want);
        }
    }

    // ---- traps

    /// The first `count` type arguments are the types of the results.
    pub(super) fn list_results(&mut self, inst: &Inst<Linked>, count: usize, results: &mut Types) {
        for (n, &ty) in inst.types[..count].iter().enumerate() {
            if !self.cx.facts.is_variable_type(&self.cx.program.types, ty) {
                let span = self.span(Place::Type(n));
                self.cx.not_a_variable_type(span, ty, "a result");
            }
            results.push(ty);
        }
    }

    // ---- native calls

    pub(super) fn ccall(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let (ty, sig) = (inst.types[0], inst.sigs[0]);
        match *self.cx.program.types.get(ty) {
            Type::UFuncPtr(own) => {
                self.want_arg(inst, args, 0, ty);
                if self.cx.program.types.same_sig(own, sig) {
                    let span = self.span(Place::Sig(0));
                    self.cx.check_native_sig(sig, span);
                } else {
                    let (own, sig) = (self.cx.program.display_sig(own), self.cx.program.display_sig(sig));
                    let ty = self.cx.ty(ty);
                    let message = format!("{ty} points to functions of {own}, not of {sig}");
                    // The signature of the instruction is the one that counts.
                    let severity = self.cx.lenient_severity();
                    self.report(code::CCALL_SIG, Place::Sig(0), severity, message, "another signature");
                    if severity == Severity::Warning {
                        let span = self.span(Place::Sig(0));
                        self.cx.check_native_sig(inst.sigs[0], span);
                    }
                }
            }
            _ => self.bad_type(code::CCALL_CALLEE_TYPE, 0, "ufuncptr"),
        }
        self.arguments(inst, args, 1, sig);
        results.extend_from_slice(&self.cx.program.types.sig(sig).rets);
    }

    // ---- threads and stacks

    /// Operand `n` has a type without parameters.
    pub(super) fn want_plain(
        &mut self,
        inst: &Inst<Linked>,
        args: &[TypeId],
        n: usize,
        key: u32,
        ctor: Type,
    ) {
        if args[n] != Var::UNTYPED && *self.cx.program.types.get(args[n]) != ctor {
            let want = self.cx.derived.plain(&mut self.cx.program.types, key, ctor);
            self.want_arg(inst, args, n, want);
        }
    }

    pub(super) fn new_thread(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        self.want_plain(inst, args, 0, STACK_REF, Type::StackRef);
        if inst.attrs.threadlocal {
            self.want_ref(code::THREADLOCAL_TYPE, inst, args, 1);
        }
        self.new_stack_clause(inst, args, 1 + usize::from(inst.attrs.threadlocal), 0);
        results.push(self.cx.derived.plain(&mut self.cx.program.types, THREAD_REF, Type::ThreadRef));
    }

    pub(super) fn swap_stack(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        self.want_plain(inst, args, 0, STACK_REF, Type::StackRef);
        let split = inst.attrs.split as usize;
        self.new_stack_clause(inst, args, 1, split);
        if inst.attrs.cur_stack == CurStack::RetWith {
            self.list_results(inst, split, results);
        }
    }

    /// `PASS_VALUES`: operands from `first_arg` on have the types from `first_type` on. `THROW_EXC`: one ref.
    fn new_stack_clause(
        &mut self,
        inst: &Inst<Linked>,
        args: &[TypeId],
        first_arg: usize,
        first_type: usize,
    ) {
        let have = args.len() - first_arg;
        match inst.attrs.new_stack {
            NewStack::PassValues => {
                let want = inst.types.len() - first_type;
                if have != want {
                    let place = if have > want { Place::Arg(first_arg + want) } else { Place::Inst };
                    let message =
                        format!("PASS_VALUES has {}, but {}", counted(want, "type"), counted(have, "value"));
                    self.error(code::ARG_COUNT, place, message, "");
                    return;
                }
                for n in 0..want {
                    self.want_arg(inst, args, first_arg + n, inst.types[first_type + n]);
                }
            }
            NewStack::ThrowExc if have == 1 => self.want_ref(code::THROW_TYPE, inst, args, first_arg),
            NewStack::ThrowExc => {
                self.error(code::MALFORMED, Place::Inst, "THROW_EXC takes one exception", "");
            }
        }
    }
}

/// Keys of [`super::facts::Derived::plain`].
pub(super) const STACK_REF: u32 = 1;
pub(super) const THREAD_REF: u32 = 2;
