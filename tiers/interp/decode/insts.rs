//! Decoding of single instructions: one exhaustive match over each [`Family`].

use super::{DecodeError, Decoder};
use crate::code::*;
use mu_ir::eval::{Lane, LaneOp, fcmp_mask};
use mu_ir::ids::TypeId;
use mu_ir::inst::{Inst, Linked, Value};
use mu_ir::table::{
    AccessOp, AddressOp, AllocOp, CallOp, ChoiceOp, CmpOp, CommInst, ConvOp, CurStack, Family, FpCmpOp, FpOp,
    IntOp, MemOrder, NewStack, StatusFlags, SystemOp, ValueOp,
};
use mu_ir::types::Type;
use mu_rt::layout::{Layout, LeafKind, Shape};
use mu_rt::native;
use mu_rt::words::const_words;
use std::sync::Arc;

type Decoded = Result<Instr, DecodeError>;

impl Decoder<'_> {
    /// Decodes one instruction.
    pub(super) fn inst(&mut self, inst: &Inst<Linked>) -> Decoded {
        match inst.op.family() {
            Family::Int(op) => self.int_op(inst, op),
            Family::Fp(op) => self.fp_op(inst, op),
            Family::Cmp(op) => self.cmp(inst, op),
            Family::FpCmp(op) => self.fp_cmp(inst, op),
            Family::Conv(op) => self.conv(inst, op),
            Family::Choice(op) => match op {
                ChoiceOp::Select => self.select(inst),
                ChoiceOp::Branch => Ok(Instr::Branch { edge: self.edge(&inst.dests[0])? }),
                ChoiceOp::Branch2 => {
                    let c = self.slot(inst.args[0])?;
                    let (then, other) = (self.edge(&inst.dests[0])?, self.edge(&inst.dests[1])?);
                    Ok(Instr::Branch2 { c, then, other })
                }
                ChoiceOp::Switch => self.switch(inst),
            },
            Family::Call(op) => match op {
                CallOp::Call => self.call(inst),
                CallOp::TailCall => {
                    let callee = self.slot(inst.args[0])?;
                    let args = self.word_list(&inst.args[1..])?;
                    Ok(Instr::TailCall { callee, info: self.call_info(inst, args, NONE) })
                }
                CallOp::Ret => Ok(Instr::Ret { values: self.word_list(&inst.args)? }),
                CallOp::Throw => Ok(Instr::Throw { a: self.slot(inst.args[0])? }),
            },
            Family::Value(op) => match op {
                ValueOp::ExtractValue => self.struct_value(inst, false),
                ValueOp::InsertValue => self.struct_value(inst, true),
                ValueOp::ExtractElement => self.element(inst, false),
                ValueOp::InsertElement => self.element(inst, true),
                ValueOp::ShuffleVector => self.shuffle(inst),
            },
            Family::Alloc(op) => self.alloc(inst, op),
            Family::Address(op) => match op {
                AddressOp::GetIRef => {
                    Ok(Instr::GetIRef { d: self.def(inst, 0), a: self.slot(inst.args[0])? })
                }
                AddressOp::GetFieldIRef => self.field_iref(inst),
                AddressOp::GetElemIRef => self.index_iref(inst, false),
                AddressOp::ShiftIRef => self.index_iref(inst, true),
                AddressOp::GetVarPartIRef => self.var_part_iref(inst),
            },
            Family::Access(op) => self.access(inst, op),
            Family::System(op) => match op {
                SystemOp::Fence => Ok(Instr::Fence { ord: inst.attrs.ord }),
                SystemOp::Trap => {
                    let resume = self.resume(inst, &inst.types)?;
                    Ok(Instr::Trap { resume })
                }
                SystemOp::Watchpoint => self.watchpoint(inst),
                SystemOp::WpBranch => {
                    let wpid = inst.attrs.literal as u32;
                    let (disabled, enabled) = (self.edge(&inst.dests[0])?, self.edge(&inst.dests[1])?);
                    Ok(Instr::WpBranch { wpid, disabled, enabled })
                }
                SystemOp::CCall => self.ccall(inst),
                SystemOp::NewThread => self.new_thread(inst),
                SystemOp::SwapStack => self.swap_stack(inst),
                SystemOp::CommInst => self.comm(inst),
            },
        }
    }

    // ---- element-wise operations

    /// What a lane of a type is, and how many there are.
    fn lane(&self, ty: TypeId) -> (Lane, u32) {
        match self.ty(ty) {
            Type::Vector(elem, length) => (Lane::of(self.ty(*elem)), *length as u32),
            scalar => (Lane::of(scalar), 1),
        }
    }

    fn lanes_info(
        &mut self,
        inst: &Inst<Linked>,
        op: LaneOp,
        from_ty: TypeId,
        to_ty: TypeId,
    ) -> Result<LaneInfo, DecodeError> {
        let (from, lanes) = self.lane(from_ty);
        let (to, _) = self.lane(to_ty);
        let a = self.slot(inst.args[0])?;
        let b = match inst.args.get(1) {
            Some(&value) => self.slot(value)?,
            None => NONE,
        };
        let (nor, exc) = self.exc_edges(inst)?;
        let mut status = [NONE; 4];
        let mut next = 1;
        for (index, (flag, _)) in StatusFlags::ALL.into_iter().enumerate() {
            if inst.attrs.status.contains(flag) {
                status[index] = self.def(inst, next);
                next += 1;
            }
        }
        Ok(LaneInfo { op, from, to, lanes, a, b, d: self.def(inst, 0), nor, exc, status })
    }

    fn lanes(&mut self, inst: &Inst<Linked>, op: LaneOp, from_ty: TypeId, to_ty: TypeId) -> Decoded {
        let info = self.lanes_info(inst, op, from_ty, to_ty)?;
        self.code.lanes.push(info);
        Ok(Instr::Lanes { info: self.code.lanes.len() as u32 - 1 })
    }

    /// A binary operation on integers.
    fn int_op(&mut self, inst: &Inst<Linked>, op: IntOp) -> Decoded {
        let ty = inst.types[0];
        let plain = !self.is_vector(ty) && inst.exc.is_none() && inst.attrs.status.is_empty();
        let (Lane::Int(w), true) = (self.lane(ty).0, plain) else {
            return self.lanes(inst, LaneOp::Int(op), ty, ty);
        };
        let (d, a, b) = (self.def(inst, 0), self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        Ok(match op {
            IntOp::Add => Instr::Add { w, d, a, b },
            IntOp::Sub => Instr::Sub { w, d, a, b },
            IntOp::Mul => Instr::Mul { w, d, a, b },
            IntOp::SDiv => Instr::SDiv { w, d, a, b },
            IntOp::SRem => Instr::SRem { w, d, a, b },
            IntOp::UDiv => Instr::UDiv { w, d, a, b },
            IntOp::URem => Instr::URem { w, d, a, b },
            IntOp::Shl => Instr::Shl { w, d, a, b },
            IntOp::LShr => Instr::LShr { w, d, a, b },
            IntOp::AShr => Instr::AShr { w, d, a, b },
            IntOp::And => Instr::And { d, a, b },
            IntOp::Or => Instr::Or { d, a, b },
            IntOp::Xor => Instr::Xor { d, a, b },
        })
    }

    /// A binary operation on floating point numbers.
    fn fp_op(&mut self, inst: &Inst<Linked>, op: FpOp) -> Decoded {
        let ty = inst.types[0];
        if self.is_vector(ty) || op == FpOp::FRem {
            return self.lanes(inst, LaneOp::Fp(op), ty, ty);
        }
        let (d, a, b) = (self.def(inst, 0), self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        let single = self.lane(ty).0 == Lane::F32;
        Ok(match (op, single) {
            (FpOp::FAdd, true) => Instr::FAdd32 { d, a, b },
            (FpOp::FSub, true) => Instr::FSub32 { d, a, b },
            (FpOp::FMul, true) => Instr::FMul32 { d, a, b },
            (FpOp::FDiv, true) => Instr::FDiv32 { d, a, b },
            (FpOp::FAdd, false) => Instr::FAdd64 { d, a, b },
            (FpOp::FSub, false) => Instr::FSub64 { d, a, b },
            (FpOp::FMul, false) => Instr::FMul64 { d, a, b },
            (FpOp::FDiv, false) => Instr::FDiv64 { d, a, b },
            (FpOp::FRem, _) => return self.lanes(inst, LaneOp::Fp(op), ty, ty),
        })
    }

    fn is_vector(&self, ty: TypeId) -> bool {
        matches!(self.ty(ty), Type::Vector(..))
    }

    /// A comparison of integers, pointers or references.
    fn cmp(&mut self, inst: &Inst<Linked>, op: CmpOp) -> Decoded {
        let ty = inst.types[0];
        let (Lane::Int(w), false) = (self.lane(ty).0, self.is_vector(ty)) else {
            let i1 = self.program.predefined.i1;
            return self.lanes(inst, LaneOp::Cmp(op), ty, i1);
        };
        let (d, a, b) = (self.def(inst, 0), self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        Ok(match op {
            CmpOp::Eq => Instr::Eq { d, a, b },
            CmpOp::Ne => Instr::Ne { d, a, b },
            CmpOp::SGe => Instr::SGe { w, d, a, b },
            CmpOp::SGt => Instr::SGt { w, d, a, b },
            CmpOp::SLe => Instr::SLe { w, d, a, b },
            CmpOp::SLt => Instr::SLt { w, d, a, b },
            CmpOp::UGe => Instr::UGe { d, a, b },
            CmpOp::UGt => Instr::UGt { d, a, b },
            CmpOp::ULe => Instr::ULe { d, a, b },
            CmpOp::ULt => Instr::ULt { d, a, b },
        })
    }

    /// A comparison of floating point numbers.
    fn fp_cmp(&mut self, inst: &Inst<Linked>, op: FpCmpOp) -> Decoded {
        let ty = inst.types[0];
        if self.is_vector(ty) {
            let i1 = self.program.predefined.i1;
            return self.lanes(inst, LaneOp::FpCmp(op), ty, i1);
        }
        let (d, a, b) = (self.def(inst, 0), self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        let mask = fcmp_mask(op);
        Ok(match self.lane(ty).0 {
            Lane::F32 => Instr::FCmp32 { mask, d, a, b },
            Lane::F64 | Lane::Int(_) | Lane::Wide => Instr::FCmp64 { mask, d, a, b },
        })
    }

    fn conv(&mut self, inst: &Inst<Linked>, op: ConvOp) -> Decoded {
        let (from_ty, to_ty) = (inst.types[0], inst.types[1]);
        let (from, to) = (self.lane(from_ty).0, self.lane(to_ty).0);
        if self.is_vector(from_ty) {
            return self.lanes(inst, LaneOp::Conv(op), from_ty, to_ty);
        }
        let (d, a) = (self.def(inst, 0), self.slot(inst.args[0])?);
        let narrow = if let (Lane::Int(from), Lane::Int(to)) = (from, to) { Some((from, to)) } else { None };
        Ok(match (op, narrow) {
            (ConvOp::Trunc, Some((_, w))) => Instr::Trunc { w, d, a },
            (ConvOp::ZExt, Some(_)) | (ConvOp::RefCast | ConvOp::BitCast, _) => Instr::Move { d, a },
            (ConvOp::SExt, Some((from, to))) => Instr::SExt { from, to, d, a },
            (ConvOp::PtrCast, Some((from, to))) if to >= from => Instr::Move { d, a },
            (ConvOp::PtrCast, Some((_, w))) => Instr::Trunc { w, d, a },
            (ConvOp::Trunc | ConvOp::ZExt | ConvOp::SExt | ConvOp::PtrCast, None)
            | (
                ConvOp::FpTrunc
                | ConvOp::FpExt
                | ConvOp::FpToUi
                | ConvOp::FpToSi
                | ConvOp::UiToFp
                | ConvOp::SiToFp,
                _,
            ) => return self.lanes(inst, LaneOp::Conv(op), from_ty, to_ty),
        })
    }

    fn select(&mut self, inst: &Inst<Linked>) -> Decoded {
        let d = self.def(inst, 0);
        let (c, a, b) = (self.slot(inst.args[0])?, self.slot(inst.args[1])?, self.slot(inst.args[2])?);
        let words = self.words(inst.types[1])?;
        let lanes = match self.ty(inst.types[0]) {
            Type::Vector(_, length) => *length as u32,
            _ => 1,
        };
        if lanes == 1 && words == 1 {
            let values = self.code.lists.len() as u32;
            self.code.lists.extend([a, b]);
            return Ok(Instr::Select { d, c, values });
        }
        self.code.select_lanes.push(SelectLanesInfo { d, c, a, b, lanes, words: words / lanes });
        Ok(Instr::SelectLanes { info: self.code.select_lanes.len() as u32 - 1 })
    }

    // ---- control flow

    fn switch(&mut self, inst: &Inst<Linked>) -> Decoded {
        let operand = Slots { base: self.slot(inst.args[0])?, words: self.words(inst.types[0])? };
        let default = self.edge(&inst.dests[0])?;
        let mut cases = Vec::with_capacity(inst.args.len() - 1);
        for (&value, dest) in inst.args[1..].iter().zip(&inst.dests[1..]) {
            let mut words = Vec::new();
            let known = const_words(self.program, self.addresses, value, 2, &mut words);
            known.map_err(|_| DecodeError::ValueTooLarge)?;
            let low = u128::from(words.first().copied().unwrap_or(0));
            let high = u128::from(words.get(1).copied().unwrap_or(0));
            cases.push((low | high << 64, self.edge(dest)?));
        }
        cases.sort_unstable_by_key(|(value, _)| *value);
        self.code.switches.push(SwitchInfo { operand, cases, default });
        Ok(Instr::Switch { info: self.code.switches.len() as u32 - 1 })
    }

    /// The resumption point of an instruction whose results have these types.
    fn resume(&mut self, inst: &Inst<Linked>, types: &[TypeId]) -> Result<u32, DecodeError> {
        let (nor, exc) = self.exc_edges(inst)?;
        let resume = Resume { results: self.results(inst), expects: self.canon_types(types), nor, exc };
        self.code.resumes.push(resume);
        Ok(self.code.resumes.len() as u32 - 1)
    }

    fn call_info(&mut self, inst: &Inst<Linked>, args: List, resume: u32) -> u32 {
        let sig = self.program.types.canon_sig(inst.sigs[0]);
        self.code.calls.push(CallInfo { args, sig, resume });
        self.code.calls.len() as u32 - 1
    }

    fn call(&mut self, inst: &Inst<Linked>) -> Decoded {
        let rets = self.program.types.sig(inst.sigs[0]).rets.clone();
        let args = self.word_list(&inst.args[1..])?;
        let resume = self.resume(inst, &rets)?;
        let types = &self.program.types;
        if let Value::Func(func) = inst.args[0]
            && types.same_sig(self.program.funcs[func.index()].sig, inst.sigs[0])
        {
            return Ok(Instr::Call { func, info: self.call_info(inst, args, resume) });
        }
        // Lenient loading lets functions of other signatures pass: that is looked at when they are called.
        let callee = self.slot(inst.args[0])?;
        Ok(Instr::CallIndirect { callee, info: self.call_info(inst, args, resume) })
    }

    fn watchpoint(&mut self, inst: &Inst<Linked>) -> Decoded {
        let disabled = self.edge(&inst.dests[0])?;
        let nor = self.edge(&inst.dests[1])?;
        let exc = match inst.dests.get(2) {
            Some(dest) => self.edge(dest)?,
            None => NONE,
        };
        let expects = self.canon_types(&inst.types);
        self.code.resumes.push(Resume { results: self.results(inst), expects, nor, exc });
        let resume = self.code.resumes.len() as u32 - 1;
        Ok(Instr::Watchpoint { wpid: inst.attrs.literal as u32, disabled, resume })
    }

    fn ccall(&mut self, inst: &Inst<Linked>) -> Decoded {
        let sig = inst.sigs[0];
        let types = &self.program.types;
        let classify = || Arc::new(native::classify(types, self.layouts, sig));
        let native = Arc::clone(self.native_sigs.entry(types.canon_sig(sig)).or_insert_with(classify));
        let rets = self.program.types.sig(sig).rets.clone();
        let callee = self.slot(inst.args[0])?;
        let args = self.word_list(&inst.args[1..])?;
        let resume = self.resume(inst, &rets)?;
        self.code.native_calls.push(NativeCallInfo { args, callee, native, resume });
        Ok(Instr::CCall { info: self.code.native_calls.len() as u32 - 1 })
    }

    fn new_thread(&mut self, inst: &Inst<Linked>) -> Decoded {
        let swappee = self.slot(inst.args[0])?;
        let (threadlocal, values) = match inst.attrs.threadlocal {
            true => (self.slot(inst.args[1])?, &inst.args[2..]),
            false => (NONE, &inst.args[1..]),
        };
        let values = self.word_list(values)?;
        let passes = self.canon_types(&inst.types);
        let resume = self.resume(inst, &[])?;
        let throw = inst.attrs.new_stack == NewStack::ThrowExc;
        let kill_old = false;
        self.code.swaps.push(SwapInfo { swappee, threadlocal, kill_old, values, throw, passes, resume });
        Ok(Instr::NewThread { info: self.code.swaps.len() as u32 - 1 })
    }

    fn swap_stack(&mut self, inst: &Inst<Linked>) -> Decoded {
        let swappee = self.slot(inst.args[0])?;
        let values = self.word_list(&inst.args[1..])?;
        let (rets, passes) = inst.types.split_at(inst.attrs.split as usize);
        let passes = self.canon_types(passes);
        let kill_old = inst.attrs.cur_stack == CurStack::KillOld;
        let resume = if kill_old { NONE } else { self.resume(inst, rets)? };
        let throw = inst.attrs.new_stack == NewStack::ThrowExc;
        let threadlocal = NONE;
        self.code.swaps.push(SwapInfo { swappee, threadlocal, kill_old, values, throw, passes, resume });
        Ok(Instr::SwapStack { info: self.code.swaps.len() as u32 - 1 })
    }

    // ---- struct, array and vector values

    fn struct_value(&mut self, inst: &Inst<Linked>, insert: bool) -> Decoded {
        let ty = inst.types[0];
        let field = self.layout(ty).fields()[inst.attrs.literal as usize];
        let words = self.words(field.ty)?;
        let d = self.def(inst, 0);
        let base = self.slot(inst.args[0])?;
        if !insert {
            let a = base + field.word;
            return Ok(if words == 1 { Instr::Move { d, a } } else { Instr::CopyWords { d, a, words } });
        }
        let a = Slots { base, words: self.words(ty)? };
        let value = self.slot(inst.args[1])?;
        self.code.elements.push(ElementInfo {
            d,
            a,
            at: field.word,
            index_words: 0,
            words,
            length: 0,
            value,
        });
        Ok(Instr::InsertWords { info: self.code.elements.len() as u32 - 1 })
    }

    fn element(&mut self, inst: &Inst<Linked>, insert: bool) -> Decoded {
        let ty = inst.types[0];
        let (length, words) = match self.layout(ty).shape {
            Shape::Array { count, elem_words, .. } => (count, elem_words),
            _ => (0, 1),
        };
        let a = Slots { base: self.slot(inst.args[0])?, words: self.words(ty)? };
        let at = self.slot(inst.args[1])?;
        let index_words = self.words(inst.types[1])?;
        let value = if insert { self.slot(inst.args[2])? } else { NONE };
        self.code.elements.push(ElementInfo {
            d: self.def(inst, 0),
            a,
            at,
            index_words,
            words,
            length,
            value,
        });
        let info = self.code.elements.len() as u32 - 1;
        Ok(if insert { Instr::InsertElement { info } } else { Instr::ExtractElement { info } })
    }

    fn shuffle(&mut self, inst: &Inst<Linked>) -> Decoded {
        let shape = |decoder: &Self, ty: TypeId| match decoder.layout(ty).shape {
            Shape::Array { count, elem_words, .. } => (count as u32, elem_words),
            _ => (0, 1),
        };
        let (length, words) = shape(self, inst.types[0]);
        let (mask_length, mask_words) = shape(self, inst.types[1]);
        let (a, b) = (self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        let mask = self.slot(inst.args[2])?;
        let d = self.def(inst, 0);
        self.code.shuffles.push(ShuffleInfo { d, a, b, mask, mask_words, length, mask_length, words });
        Ok(Instr::Shuffle { info: self.code.shuffles.len() as u32 - 1 })
    }

    // ---- memory

    fn layout(&self, ty: TypeId) -> &Layout {
        self.layouts.of(&self.program.types, ty)
    }

    fn alloc(&mut self, inst: &Inst<Linked>, op: AllocOp) -> Decoded {
        let ty = self.program.types.canon(inst.types[0]);
        let (hybrid, in_frame) = match op {
            AllocOp::New => (false, false),
            AllocOp::NewHybrid => (true, false),
            AllocOp::Alloca => (false, true),
            AllocOp::AllocaHybrid => (true, true),
        };
        let (length, length_words) = match hybrid {
            true => (self.slot(inst.args[0])?, self.words(inst.types[1])?),
            false => (NONE, 0),
        };
        let (nor, exc) = self.exc_edges(inst)?;
        self.code.has_alloca |= in_frame;
        let d = self.def(inst, 0);
        // Allocation looks layouts up without the type store.
        self.layout(ty);
        self.code.allocs.push(AllocInfo { op, ty, length, length_words, d, nor, exc });
        Ok(Instr::Alloc { info: self.code.allocs.len() as u32 - 1 })
    }

    fn field_iref(&mut self, inst: &Inst<Linked>) -> Decoded {
        let (ty, field) = (self.program.types.canon(inst.types[0]), inst.attrs.literal as usize);
        let offset = self.layout(ty).fields()[field].offset_bytes;
        if self.checked && !inst.attrs.ptr {
            let info =
                FieldInfo { ty, field: field as u32, a: self.slot(inst.args[0])?, d: self.def(inst, 0) };
            self.code.fields.push(info);
            return Ok(Instr::CheckedFieldIRef { info: self.code.fields.len() as u32 - 1 });
        }
        self.at_offset(inst, offset)
    }

    fn var_part_iref(&mut self, inst: &Inst<Linked>) -> Decoded {
        let ty = self.program.types.canon(inst.types[0]);
        let offset = match self.layout(ty).shape {
            Shape::Hybrid { var_offset, .. } => var_offset,
            _ => 0,
        };
        if inst.attrs.ptr {
            return self.at_offset(inst, offset);
        }
        Ok(Instr::VarPartIRef { d: self.def(inst, 0), a: self.slot(inst.args[0])?, ty })
    }

    /// GETFIELDIREF, and GETVARPARTIREF of a pointer.
    fn at_offset(&mut self, inst: &Inst<Linked>, offset: u64) -> Decoded {
        let (d, a) = (self.def(inst, 0), self.slot(inst.args[0])?);
        let ptr = inst.attrs.ptr;
        Ok(match u32::try_from(offset) {
            Ok(offset) if ptr => Instr::PtrOffset { d, a, offset },
            Ok(offset) => Instr::FieldIRef { d, a, offset },
            Err(_) => {
                let slot = self.code.var_slot_count + self.code.consts.len() as u32;
                self.code.consts.push(offset);
                Instr::FarFieldIRef { ptr, d, a, offset: slot }
            }
        })
    }

    fn index_iref(&mut self, inst: &Inst<Linked>, shift: bool) -> Decoded {
        let ty = self.program.types.canon(inst.types[0]);
        let (elem_ty, stride, length) = match &self.layout(ty).shape {
            Shape::Array { elem, stride, count, .. } if !shift => (*elem, *stride, *count),
            _ => (ty, self.layout(ty).size_bytes, 0),
        };
        let width = match self.ty(inst.types[1]) {
            Type::Int(width) => *width,
            _ => 64,
        };
        let (loc, index) = (self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        let (d, ptr) = (self.def(inst, 0), inst.attrs.ptr);
        self.code.indexes.push(IndexInfo {
            shift,
            array_ty: ty,
            elem_ty,
            stride,
            length,
            width,
            ptr,
            loc,
            index,
            d,
        });
        Ok(Instr::IndexIRef { info: self.code.indexes.len() as u32 - 1 })
    }

    fn access(&mut self, inst: &Inst<Linked>, op: AccessOp) -> Decoded {
        let ty = self.program.types.canon(inst.types[0]);
        let layout = self.layout(ty);
        let (size_bytes, scalar) = (layout.size_bytes, layout.scalar());
        let loc = self.slot(inst.args[0])?;
        let attrs = inst.attrs;
        let plain = !attrs.ptr && attrs.ord == MemOrder::NotAtomic && inst.exc.is_none();
        if let Some(kind) = scalar
            && plain
            && kind.words() == 1
        {
            if op == AccessOp::Load {
                return Ok(Instr::LoadLeaf { kind, d: self.def(inst, 0), loc, ty });
            }
            if op == AccessOp::Store {
                return Ok(Instr::StoreLeaf { kind, loc, a: self.slot(inst.args[1])?, ty });
            }
        }
        let leaves = self.layouts.leaves(&self.program.types, ty).ok_or(DecodeError::ValueTooLarge)?;
        self.make_room(leaves.len())?;
        self.leaf_count += leaves.len();
        let leaves: Box<[(u64, LeafKind)]> =
            leaves.iter().map(|leaf| (leaf.offset_bytes, leaf.kind)).collect();
        let operand = |decoder: &mut Self, at: usize| match inst.args.get(at) {
            Some(&value) => decoder.slot(value),
            None => Ok(NONE),
        };
        let (a, b) = (operand(self, 1)?, operand(self, 2)?);
        let (nor, exc) = self.exc_edges(inst)?;
        let (d, d2) = (self.def(inst, 0), self.def(inst, 1));
        let (ptr, ord, ord_fail, weak, rmw) = (attrs.ptr, attrs.ord, attrs.ord_fail, attrs.weak, attrs.rmw);
        let access =
            AccessInfo { ty, size_bytes, leaves, loc, ptr, ord, ord_fail, weak, rmw, d, d2, a, b, nor, exc };
        self.code.accesses.push(access);
        let info = self.code.accesses.len() as u32 - 1;
        Ok(match op {
            AccessOp::Load => Instr::Load { info },
            AccessOp::Store => Instr::Store { info },
            AccessOp::CmpXchg => Instr::CmpXchg { info },
            AccessOp::AtomicRmw => Instr::AtomicRmw { info },
        })
    }

    // ---- common instructions

    fn comm(&mut self, inst: &Inst<Linked>) -> Decoded {
        let comm = inst.attrs.comm.expect("the verifier lets no COMMINST pass without a name");
        if comm == CommInst::KillDependency {
            let (d, a) = (self.def(inst, 0), self.slot(inst.args[0])?);
            return Ok(Instr::CopyWords { d, a, words: self.words(inst.types[0])? });
        }
        let args = self.slot_list(&inst.args)?;
        let start = self.code.lists.len() as u32;
        self.code.lists.extend(inst.results.iter().map(|var| self.code.var_slots[var.index()]));
        let results = List { start, len: inst.results.len() as u32 };
        let sig = inst.sigs.first().map(|&sig| self.program.types.canon_sig(sig));
        let (nor, exc) = self.exc_edges(inst)?;
        let ty = inst.types.first().map(|&ty| self.program.types.canon(ty));
        if let Some(ty) = ty {
            // Futex instructions look layouts up without the type store.
            self.layout(ty);
        }
        self.code.comms.push(CommInfo { inst: comm.family(), args, results, sig, ty, nor, exc });
        Ok(Instr::Comm { info: self.code.comms.len() as u32 - 1 })
    }
}
