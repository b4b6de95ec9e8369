//! Common instructions: every check comes from the row of the table (common-insts).

use super::body::{Body, Types};
use super::control::STACK_REF;
use super::report::Place;
use crate::codes::verify as code;
use crate::diag::Severity;
use crate::ids::TypeId;
use crate::inst::{Inst, Linked};
use crate::program::Var;
use crate::table::{CommFamily, CommInst, CommParams, Ct, NativeInst};
use crate::types::Type;

/// Keys of [`super::facts::Derived::plain`].
const DOUBLE: u32 = 3;
const TAG_REF: u32 = 4;
const FRAME_CURSOR: u32 = 5;
const IR_BUILDER: u32 = 6;
const FLOAT: u32 = 7;

impl Body<'_, '_> {
    /// Returns whether the number of results is known.
    pub(super) fn comm_inst(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) -> bool {
        let Some(comm) = inst.attrs.comm else { return false };
        let CommParams::Fixed(params) = comm.params();
        if !self.comm_counts(inst, comm, params.len()) {
            return false;
        }
        if !self.comm_type_argument(inst, comm) {
            return false;
        }
        for (n, &param) in params.iter().enumerate() {
            self.comm_operand(inst, args, n, param);
        }
        for &result in comm.results() {
            let ty = self.comm_type(inst, result);
            results.push(ty);
        }
        true
    }

    fn comm_counts(&mut self, inst: &Inst<Linked>, comm: CommInst, params: usize) -> bool {
        let flags = usize::from(inst.attrs.comm_flags);
        let (types, sigs, args) = (inst.types.len(), inst.sigs.len(), inst.args.len());
        if flags != comm.flags() {
            self.bad_count(code::COMM_FLAGS, Place::Inst, flags, comm.flags(), "flag");
        } else if types != comm.type_args() {
            self.bad_count(code::COMM_TYPES, Place::Inst, types, comm.type_args(), "type argument");
        } else if sigs != comm.sig_args() {
            self.bad_count(code::COMM_SIGS, Place::Inst, sigs, comm.sig_args(), "signature argument");
        } else if args != params {
            self.bad_count(code::COMM_ARGS, Place::Inst, args, params, "argument");
        } else {
            return true;
        }
        false
    }

    /// What the type or signature argument may be, where the row cannot say it. False where nothing more can be said.
    fn comm_type_argument(&mut self, inst: &Inst<Linked>, comm: CommInst) -> bool {
        let types = &self.cx.program.types;
        let ctor = inst.types.first().map(|&ty| types.get(ty));
        match comm.family() {
            CommFamily::Futex(_) if !matches!(ctor, Some(Type::Int(_))) => {
                self.bad_type(code::FUTEX_TYPE, 0, "int");
                return false;
            }
            CommFamily::Native(native) => match native {
                NativeInst::NativePin | NativeInst::NativeUnpin | NativeInst::NativeGetAddr => match ctor {
                    Some(&(Type::Ref(referent) | Type::IRef(referent))) => {
                        let yields_pointer = native != NativeInst::NativeUnpin;
                        if yields_pointer && !self.cx.facts.is_native_safe(types, referent) {
                            let wants = "references to native-safe types";
                            let severity = self.cx.lenient_severity();
                            self.doubtful_type(code::PTR_NATIVE_SAFE, 0, wants, severity);
                            if severity == Severity::Error {
                                return false;
                            }
                        }
                    }
                    Some(_) | None => {
                        self.bad_type(code::PIN_TYPE, 0, "ref and iref");
                        return false;
                    }
                },
                NativeInst::NativeExpose => {
                    let span = self.span(Place::Sig(0));
                    self.cx.check_native_sig(inst.sigs[0], span);
                }
                NativeInst::NativeUnexpose | NativeInst::NativeGetCookie => {}
            },
            CommFamily::Futex(_)
            | CommFamily::Thread(_)
            | CommFamily::Tr64(_)
            | CommFamily::Misc(_)
            | CommFamily::Meta(_)
            | CommFamily::Builder(_) => {}
        }
        true
    }

    fn comm_operand(&mut self, inst: &Inst<Linked>, args: &[TypeId], n: usize, param: Ct) {
        match param {
            Ct::FuncRefOfSig => self.want_funcref(inst, args, n, inst.sigs[0]),
            Ct::TrapHandler => {
                self.want_funcref(inst, args, n, self.cx.program.predefined.trap_handler_sig);
            }
            Ct::StackRef => self.want_plain(inst, args, n, STACK_REF, Type::StackRef),
            Ct::TagRef64 => self.want_plain(inst, args, n, TAG_REF, Type::TagRef64),
            Ct::Exposed => {
                let have = args[n];
                if have != Var::UNTYPED && !matches!(self.cx.program.types.get(have), Type::UFuncPtr(_)) {
                    self.mismatch_kind(code::OPERAND_TYPE, Place::Arg(n), inst.args[n], have, "a ufuncptr");
                }
            }
            Ct::I1
            | Ct::I6
            | Ct::I32
            | Ct::I52
            | Ct::I64
            | Ct::Float
            | Ct::Double
            | Ct::IdArray
            | Ct::WordArray
            | Ct::RefVoid
            | Ct::FrameCursor
            | Ct::IrBuilder
            | Ct::BytesRef
            | Ct::RefsRef
            | Ct::TypeArg
            | Ct::IRefOfTypeArg
            | Ct::PtrOfReferent => {
                let want = self.comm_type(inst, param);
                self.want_arg(inst, args, n, want);
            }
        }
    }

    /// The type that a [`Ct`] stands for in this instruction; UNTYPED where an error hides it.
    fn comm_type(&mut self, inst: &Inst<Linked>, ct: Ct) -> TypeId {
        let (types, derived) = (&mut self.cx.program.types, &mut self.cx.derived);
        let predefined = &self.cx.program.predefined;
        match ct {
            Ct::I1 => predefined.i1,
            Ct::I6 => derived.int(types, 6),
            Ct::I32 => derived.int(types, 32),
            Ct::I52 => derived.int(types, 52),
            Ct::I64 => derived.int(types, 64),
            Ct::Float => derived.plain(types, FLOAT, Type::Float),
            Ct::IdArray => {
                let id = derived.int(types, 32);
                derived.iref_of(types, id)
            }
            Ct::WordArray => {
                let word = derived.int(types, 64);
                derived.iref_of(types, word)
            }
            Ct::Double => derived.plain(types, DOUBLE, Type::Double),
            Ct::RefVoid => predefined.ref_void,
            Ct::TagRef64 => derived.plain(types, TAG_REF, Type::TagRef64),
            Ct::StackRef => derived.plain(types, STACK_REF, Type::StackRef),
            Ct::FrameCursor => derived.plain(types, FRAME_CURSOR, Type::FrameCursorRef),
            Ct::IrBuilder => derived.plain(types, IR_BUILDER, Type::IrBuilderRef),
            Ct::BytesRef => predefined.bytes_ref,
            Ct::RefsRef => predefined.refs_ref,
            Ct::TypeArg => inst.types[0],
            Ct::IRefOfTypeArg => derived.iref_of(types, inst.types[0]),
            Ct::PtrOfReferent => match *types.get(inst.types[0]) {
                Type::Ref(referent) | Type::IRef(referent) => derived.uptr_of(types, referent),
                _ => Var::UNTYPED,
            },
            Ct::FuncRefOfSig => derived.funcref_of(types, inst.sigs[0]),
            Ct::TrapHandler => derived.funcref_of(types, predefined.trap_handler_sig),
            Ct::Exposed => match inst.sigs.first() {
                Some(&sig) => derived.ufuncptr_of(types, sig),
                None => Var::UNTYPED,
            },
        }
    }
}
