//! Allocation, addressing, access, memory orders (instruction-set, Memory Operations; memory-model).

use super::body::{Body, Types};
use super::report::Place;
use crate::codes::{Code, verify as code};
use crate::ids::TypeId;
use crate::inst::{Inst, Linked};
use crate::program::Var;
use crate::table::{MemOrder, RmwOp};
use crate::types::Type;

impl Body<'_, '_> {
    // ---- allocation

    /// NEW (in the heap) and ALLOCA (in the frame).
    pub(super) fn new_fixed(&mut self, inst: &Inst<Linked>, results: &mut Types, in_heap: bool) {
        if matches!(self.cx.program.types.get(inst.types[0]), Type::Hybrid { .. }) {
            self.bad_type(code::NEW_HYBRID, 0, "types of fixed length");
        }
        let result = self.allocated(inst, in_heap);
        results.push(result);
    }

    /// NEWHYBRID (in the heap) and ALLOCAHYBRID (in the frame).
    pub(super) fn new_hybrid(
        &mut self,
        inst: &Inst<Linked>,
        args: &[TypeId],
        results: &mut Types,
        in_heap: bool,
    ) {
        if !matches!(self.cx.program.types.get(inst.types[0]), Type::Hybrid { .. }) {
            self.bad_type(code::NOT_A_HYBRID, 0, "hybrids");
        }
        self.index(inst, args, 0);
        let result = self.allocated(inst, in_heap);
        results.push(result);
    }

    /// `ref<T>` in the heap, `iref<T>` in the frame.
    fn allocated(&mut self, inst: &Inst<Linked>, in_heap: bool) -> TypeId {
        let (types, ty) = (&mut self.cx.program.types, inst.types[0]);
        if in_heap { self.cx.derived.ref_of(types, ty) } else { self.cx.derived.iref_of(types, ty) }
    }

    // ---- addressing

    /// `iref<T>`, or `uptr<T>` with PTR.
    fn location_type(&mut self, ptr: bool, ty: TypeId) -> TypeId {
        if ty == Var::UNTYPED {
            return ty;
        }
        let types = &mut self.cx.program.types;
        if ptr { self.cx.derived.uptr_of(types, ty) } else { self.cx.derived.iref_of(types, ty) }
    }

    /// Operand 0 is `iref<T>`, or `uptr<T>` with PTR; T is type argument 0.
    fn want_location(&mut self, inst: &Inst<Linked>, args: &[TypeId]) {
        let (want, have) = (inst.types[0], args[0]);
        if have == Var::UNTYPED {
            return;
        }
        let types = &self.cx.program.types;
        let fits = match *types.get(have) {
            Type::IRef(referent) if !inst.attrs.ptr => types.same(referent, want),
            Type::UPtr(referent) if inst.attrs.ptr => types.same(referent, want),
            _ => false,
        };
        // A uptr to a type that is not native-safe has been reported where it is defined.
        if fits {
            return;
        }
        if inst.attrs.ptr && !self.cx.facts.is_native_safe(&self.cx.program.types, want) {
            self.bad_type(code::PTR_NATIVE_SAFE, 0, "native-safe types when it has PTR");
            return;
        }
        self.location_mismatch(inst, have);
    }

    #[cold]
    fn location_mismatch(&mut self, inst: &Inst<Linked>, have: TypeId) {
        let want = self.location_type(inst.attrs.ptr, inst.types[0]);
        let help = match (self.cx.program.types.get(have), inst.attrs.ptr) {
            (Type::UPtr(_), false) => Some("write PTR to go through a pointer"),
            (Type::IRef(_), true) => Some("drop PTR to go through an iref"),
            (Type::Ref(_), false) => Some("GETIREF gives the iref of an object"),
            _ => None,
        };
        let help = help.map(str::to_owned);
        self.mismatch_help(code::OPERAND_TYPE, Place::Arg(0), inst.args[0], have, want, help);
    }

    pub(super) fn get_iref(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let (ty, have) = (inst.types[0], args[0]);
        let types = &self.cx.program.types;
        let fits = have == Var::UNTYPED
            || matches!(*types.get(have), Type::Ref(referent) if types.same(referent, ty));
        if !fits {
            let want = self.cx.derived.ref_of(&mut self.cx.program.types, ty);
            self.want_arg(inst, args, 0, want);
        }
        let result = self.location_type(false, ty);
        results.push(result);
    }

    pub(super) fn get_field_iref(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let field = self.field(inst, code::NO_FIELDS, "structs and hybrids");
        if field != Var::UNTYPED {
            self.want_location(inst, args);
        }
        let result = self.location_type(inst.attrs.ptr, field);
        results.push(result);
    }

    pub(super) fn get_elem_iref(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let element = self.element(inst);
        if element != Var::UNTYPED {
            self.want_location(inst, args);
        }
        self.index(inst, args, 1);
        let result = self.location_type(inst.attrs.ptr, element);
        results.push(result);
    }

    pub(super) fn shift_iref(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let mut ty = inst.types[0];
        if matches!(self.cx.program.types.get(ty), Type::Void | Type::Hybrid { .. }) {
            self.bad_type(code::SHIFT_TYPE, 0, "types that an array can have as elements");
            ty = Var::UNTYPED;
        } else {
            self.want_location(inst, args);
        }
        self.index(inst, args, 1);
        let result = self.location_type(inst.attrs.ptr, ty);
        results.push(result);
    }

    pub(super) fn get_var_part_iref(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        let element = match *self.cx.program.types.get(inst.types[0]) {
            Type::Hybrid { var, .. } => {
                self.want_location(inst, args);
                var
            }
            _ => {
                self.bad_type(code::NOT_A_HYBRID, 0, "hybrids");
                Var::UNTYPED
            }
        };
        let result = self.location_type(inst.attrs.ptr, element);
        results.push(result);
    }

    // ---- access

    pub(super) fn load(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        use MemOrder::*;
        self.order(inst.attrs.ord, &[NotAtomic, Relaxed, Consume, Acquire, SeqCst], "");
        if let Some(strong) = self.accessed(inst, args) {
            results.push(strong);
        } else {
            results.push(Var::UNTYPED);
        }
    }

    pub(super) fn store(&mut self, inst: &Inst<Linked>, args: &[TypeId]) {
        use MemOrder::*;
        self.order(inst.attrs.ord, &[NotAtomic, Relaxed, Release, SeqCst], "");
        if let Some(strong) = self.accessed(inst, args) {
            self.want_arg(inst, args, 1, strong);
        }
    }

    /// The type of the value that LOAD and STORE move, unless there is no such value.
    fn accessed(&mut self, inst: &Inst<Linked>, args: &[TypeId]) -> Option<TypeId> {
        let ty = inst.types[0];
        let strong = self.cx.derived.strong(&mut self.cx.program.types, ty);
        if !self.cx.facts.is_variable_type(&self.cx.program.types, strong) {
            self.bad_type(code::LOAD_STORE_TYPE, 0, "types that a variable can have");
            return None;
        }
        self.want_location(inst, args);
        self.no_refs_through_pointers(inst);
        if inst.attrs.ord != MemOrder::NotAtomic && !self.cx.program.types.get(ty).is_atomic() {
            self.bad_type(code::ATOMIC_TYPE, 0, ATOMIC_TYPES);
        }
        Some(strong)
    }

    /// The lenient mode knows pointers to types with references inside; the references stay out of reach, since words
    /// from anywhere would get to the collector.
    fn no_refs_through_pointers(&mut self, inst: &Inst<Linked>) {
        if inst.attrs.ptr
            && self.cx.options.lenient
            && !self.cx.facts.is_native_safe(&self.cx.program.types, inst.types[0])
        {
            self.bad_type(code::PTR_NATIVE_SAFE, 0, "native-safe types when it has PTR");
        }
    }

    pub(super) fn cmp_xchg(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        use MemOrder::*;
        self.order(inst.attrs.ord, &[Relaxed, Acquire, Release, AcqRel, SeqCst], " on success");
        self.order(inst.attrs.ord_fail, &[Relaxed, Acquire, SeqCst], " on failure");
        let strong = self.read_modify_write(inst, args, code::CMPXCHG_TYPE, ATOMIC_TYPES, 2);
        results.push(strong);
        results.push(self.cx.program.predefined.i1);
    }

    pub(super) fn atomic_rmw(&mut self, inst: &Inst<Linked>, args: &[TypeId], results: &mut Types) {
        use MemOrder::*;
        self.order(inst.attrs.ord, &[Relaxed, Acquire, Release, AcqRel, SeqCst], "");
        let strong = if inst.attrs.rmw == RmwOp::Xchg {
            self.read_modify_write(inst, args, code::RMW_TYPE, ATOMIC_TYPES, 1)
        } else if matches!(self.cx.program.types.get(inst.types[0]), Type::Int(_)) {
            self.read_modify_write(inst, args, code::RMW_TYPE, "int<8> to int<64> and int<128>", 1)
        } else {
            let wants = format!("int when it does {}", inst.attrs.rmw.keyword());
            self.bad_type(code::RMW_TYPE, 0, &wants);
            self.cx.derived.strong(&mut self.cx.program.types, inst.types[0])
        };
        results.push(strong);
    }

    /// Checks location and values of CMPXCHG and ATOMICRMW and gives the strong variant of the type.
    fn read_modify_write(
        &mut self,
        inst: &Inst<Linked>,
        args: &[TypeId],
        code: Code,
        wants: &str,
        values: usize,
    ) -> TypeId {
        let ty = inst.types[0];
        let strong = self.cx.derived.strong(&mut self.cx.program.types, ty);
        if self.cx.program.types.get(ty).is_atomic() {
            self.want_location(inst, args);
            self.no_refs_through_pointers(inst);
            for n in 1..=values {
                self.want_arg(inst, args, n, strong);
            }
        } else {
            self.bad_type(code, 0, wants);
        }
        strong
    }

    pub(super) fn fence(&mut self, inst: &Inst<Linked>) {
        use MemOrder::*;
        self.order(inst.attrs.ord, &[Acquire, Release, AcqRel, SeqCst], "");
    }

    fn order(&mut self, have: MemOrder, legal: &[MemOrder], when: &str) {
        if !legal.contains(&have) {
            self.bad_order(have, legal, when);
        }
    }

    #[cold]
    fn bad_order(&mut self, have: MemOrder, legal: &[MemOrder], when: &str) {
        let legal: Vec<&str> = legal.iter().map(|order| order.keyword()).collect();
        let message = format!("{} cannot have the order {}{when}", self.inst_name(), have.keyword());
        self.error(code::MEMORY_ORDER, Place::Inst, message, &format!("one of {}{when}", legal.join(" ")));
    }
}

/// The types of locations for atomic access, in words.
const ATOMIC_TYPES: &str =
    "int<8> to int<64>, int<128>, float, double, pointers, references and tagref64 atomically";
