//! Decoding of single instructions: one exhaustive match over [`Op`].

use super::{DecodeError, Decoder};
use crate::code::*;
use mu_ir::ids::TypeId;
use mu_ir::inst::{Inst, Linked, Value};
use mu_ir::semantics::float;
use mu_ir::table::{CommInst, CurStack, Expose, MemOrder, NewStack, Op, StatusFlags};
use mu_ir::types::Type;
use mu_rt::layout::{Layout, LeafKind, Shape};
use mu_rt::native;
use std::sync::Arc;

type Decoded = Result<Instr, DecodeError>;

impl Decoder<'_> {
    /// Decodes one instruction.
    pub(super) fn inst(&mut self, inst: &Inst<Linked>) -> Decoded {
        match inst.op {
            Op::Add
            | Op::Sub
            | Op::Mul
            | Op::SDiv
            | Op::SRem
            | Op::UDiv
            | Op::URem
            | Op::Shl
            | Op::LShr
            | Op::AShr
            | Op::And
            | Op::Or
            | Op::Xor
            | Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FRem => self.binop(inst),
            Op::Eq
            | Op::Ne
            | Op::SGe
            | Op::SGt
            | Op::SLe
            | Op::SLt
            | Op::UGe
            | Op::UGt
            | Op::ULe
            | Op::ULt
            | Op::FFalse
            | Op::FTrue
            | Op::FUno
            | Op::FUeq
            | Op::FUne
            | Op::FUgt
            | Op::FUge
            | Op::FUlt
            | Op::FUle
            | Op::FOrd
            | Op::FOeq
            | Op::FOne
            | Op::FOgt
            | Op::FOge
            | Op::FOlt
            | Op::FOle => self.cmp(inst),
            Op::Trunc
            | Op::ZExt
            | Op::SExt
            | Op::FpTrunc
            | Op::FpExt
            | Op::FpToUi
            | Op::FpToSi
            | Op::UiToFp
            | Op::SiToFp
            | Op::BitCast
            | Op::RefCast
            | Op::PtrCast => self.conv(inst),
            Op::Select => self.select(inst),
            Op::Branch => Ok(Instr::Branch { edge: self.edge(&inst.dests[0])? }),
            Op::Branch2 => {
                let c = self.slot(inst.args[0])?;
                Ok(Instr::Branch2 { c, then: self.edge(&inst.dests[0])?, other: self.edge(&inst.dests[1])? })
            }
            Op::Switch => self.switch(inst),
            Op::Call => self.call(inst),
            Op::TailCall => {
                let callee = self.slot(inst.args[0])?;
                let args = self.word_list(&inst.args[1..])?;
                Ok(Instr::TailCall { callee, info: self.call_info(inst, args, NONE) })
            }
            Op::Ret => Ok(Instr::Ret { values: self.word_list(&inst.args)? }),
            Op::Throw => Ok(Instr::Throw { a: self.slot(inst.args[0])? }),
            Op::ExtractValue | Op::InsertValue => self.struct_value(inst),
            Op::ExtractElement | Op::InsertElement => self.element(inst),
            Op::ShuffleVector => self.shuffle(inst),
            Op::New | Op::NewHybrid | Op::Alloca | Op::AllocaHybrid => self.alloc(inst),
            Op::GetIRef => Ok(Instr::GetIRef { d: self.def(inst, 0), a: self.slot(inst.args[0])? }),
            Op::GetFieldIRef => self.field_iref(inst),
            Op::GetElemIRef | Op::ShiftIRef => self.index_iref(inst),
            Op::GetVarPartIRef => self.var_part_iref(inst),
            Op::Load | Op::Store | Op::CmpXchg | Op::AtomicRmw => self.access(inst),
            Op::Fence => Ok(Instr::Fence { ord: inst.attrs.ord }),
            Op::Trap => {
                let resume = self.resume(inst, &inst.types)?;
                Ok(Instr::Trap { resume })
            }
            Op::Watchpoint => self.watchpoint(inst),
            Op::WpBranch => {
                let wpid = inst.attrs.literal as u32;
                let (disabled, enabled) = (self.edge(&inst.dests[0])?, self.edge(&inst.dests[1])?);
                Ok(Instr::WpBranch { wpid, disabled, enabled })
            }
            Op::CCall => self.ccall(inst),
            Op::NewThread => self.new_thread(inst),
            Op::SwapStack => self.swap_stack(inst),
            Op::CommInst => self.comm(inst),
        }
    }

    // ---- element-wise operations

    /// What a lane of a type is, and how many there are.
    fn lane(&self, ty: TypeId) -> (LaneKind, u32) {
        let kind = |ty: &Type| match ty {
            Type::Int(128) => LaneKind::Wide,
            Type::Int(width) => LaneKind::Int(*width as u8),
            Type::Float => LaneKind::F32,
            Type::Double => LaneKind::F64,
            _ => LaneKind::Int(64),
        };
        match self.ty(ty) {
            Type::Vector(elem, length) => (kind(self.ty(*elem)), *length as u32),
            scalar => (kind(scalar), 1),
        }
    }

    fn lanes_info(
        &mut self,
        inst: &Inst<Linked>,
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
        Ok(LaneInfo { op: inst.op, from, to, lanes, a, b, d: self.def(inst, 0), nor, exc, status })
    }

    fn lanes(&mut self, inst: &Inst<Linked>, from_ty: TypeId, to_ty: TypeId) -> Decoded {
        let info = self.lanes_info(inst, from_ty, to_ty)?;
        self.code.lanes.push(info);
        Ok(Instr::Lanes { info: self.code.lanes.len() as u32 - 1 })
    }

    fn binop(&mut self, inst: &Inst<Linked>) -> Decoded {
        let ty = inst.types[0];
        let (kind, lanes) = self.lane(ty);
        let plain = lanes == 1 && !self.is_vector(ty) && inst.exc.is_none() && inst.attrs.status.is_empty();
        if !plain || kind == LaneKind::Wide || inst.op == Op::FRem {
            return self.lanes(inst, ty, ty);
        }
        let (d, a, b) = (self.def(inst, 0), self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        let single = kind == LaneKind::F32;
        let w = if let LaneKind::Int(w) = kind { w } else { 64 };
        Ok(match inst.op {
            Op::Add => Instr::Add { w, d, a, b },
            Op::Sub => Instr::Sub { w, d, a, b },
            Op::Mul => Instr::Mul { w, d, a, b },
            Op::Shl => Instr::Shl { w, d, a, b },
            Op::LShr => Instr::LShr { w, d, a, b },
            Op::AShr => Instr::AShr { w, d, a, b },
            Op::And => Instr::And { d, a, b },
            Op::Or => Instr::Or { d, a, b },
            Op::Xor => Instr::Xor { d, a, b },
            Op::SDiv => Instr::SDiv { w, d, a, b },
            Op::SRem => Instr::SRem { w, d, a, b },
            Op::UDiv => Instr::UDiv { w, d, a, b },
            Op::URem => Instr::URem { w, d, a, b },
            Op::FAdd if single => Instr::FAdd32 { d, a, b },
            Op::FSub if single => Instr::FSub32 { d, a, b },
            Op::FMul if single => Instr::FMul32 { d, a, b },
            Op::FDiv if single => Instr::FDiv32 { d, a, b },
            Op::FAdd => Instr::FAdd64 { d, a, b },
            Op::FSub => Instr::FSub64 { d, a, b },
            Op::FMul => Instr::FMul64 { d, a, b },
            Op::FDiv => Instr::FDiv64 { d, a, b },
            _ => return self.lanes(inst, ty, ty),
        })
    }

    fn is_vector(&self, ty: TypeId) -> bool {
        matches!(self.ty(ty), Type::Vector(..))
    }

    fn cmp(&mut self, inst: &Inst<Linked>) -> Decoded {
        let ty = inst.types[0];
        let (kind, _) = self.lane(ty);
        if self.is_vector(ty) || kind == LaneKind::Wide {
            let i1 = self.program.predefined.i1;
            return self.lanes(inst, ty, i1);
        }
        let (d, a, b) = (self.def(inst, 0), self.slot(inst.args[0])?, self.slot(inst.args[1])?);
        let w = match kind {
            LaneKind::Int(w) => w,
            LaneKind::F32 => return Ok(Instr::FCmp32 { mask: fcmp_mask(inst.op), d, a, b }),
            LaneKind::F64 => return Ok(Instr::FCmp64 { mask: fcmp_mask(inst.op), d, a, b }),
            LaneKind::Wide => 128,
        };
        Ok(match inst.op {
            Op::Eq => Instr::Eq { d, a, b },
            Op::Ne => Instr::Ne { d, a, b },
            Op::SGe => Instr::SGe { w, d, a, b },
            Op::SGt => Instr::SGt { w, d, a, b },
            Op::SLe => Instr::SLe { w, d, a, b },
            Op::SLt => Instr::SLt { w, d, a, b },
            Op::UGe => Instr::UGe { d, a, b },
            Op::UGt => Instr::UGt { d, a, b },
            Op::ULe => Instr::ULe { d, a, b },
            _ => Instr::ULt { d, a, b },
        })
    }

    fn conv(&mut self, inst: &Inst<Linked>) -> Decoded {
        let (from_ty, to_ty) = (inst.types[0], inst.types[1]);
        let (from, to) = (self.lane(from_ty).0, self.lane(to_ty).0);
        if self.is_vector(from_ty) {
            return self.lanes(inst, from_ty, to_ty);
        }
        let (d, a) = (self.def(inst, 0), self.slot(inst.args[0])?);
        Ok(match (inst.op, from, to) {
            (Op::Trunc, LaneKind::Int(_), LaneKind::Int(w)) => Instr::Trunc { w, d, a },
            (Op::ZExt, LaneKind::Int(_), LaneKind::Int(_)) | (Op::RefCast | Op::BitCast, _, _) => {
                Instr::Move { d, a }
            }
            (Op::SExt, LaneKind::Int(from), LaneKind::Int(to)) => Instr::SExt { from, to, d, a },
            (Op::PtrCast, LaneKind::Int(from), LaneKind::Int(to)) if to >= from => Instr::Move { d, a },
            (Op::PtrCast, LaneKind::Int(_), LaneKind::Int(w)) => Instr::Trunc { w, d, a },
            _ => return self.lanes(inst, from_ty, to_ty),
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
            super::const_words(self.program, self.globals, value, &mut words);
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

    fn struct_value(&mut self, inst: &Inst<Linked>) -> Decoded {
        let ty = inst.types[0];
        let field = self.layout(ty).fields()[inst.attrs.literal as usize];
        let words = self.words(field.ty)?;
        let d = self.def(inst, 0);
        let base = self.slot(inst.args[0])?;
        if inst.op == Op::ExtractValue {
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

    fn element(&mut self, inst: &Inst<Linked>) -> Decoded {
        let ty = inst.types[0];
        let (length, words) = match self.layout(ty).shape {
            Shape::Array { count, elem_words, .. } => (count, elem_words),
            _ => (0, 1),
        };
        let a = Slots { base: self.slot(inst.args[0])?, words: self.words(ty)? };
        let at = self.slot(inst.args[1])?;
        let index_words = self.words(inst.types[1])?;
        let insert = inst.op == Op::InsertElement;
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

    fn alloc(&mut self, inst: &Inst<Linked>) -> Decoded {
        let ty = self.program.types.canon(inst.types[0]);
        let hybrid = matches!(inst.op, Op::NewHybrid | Op::AllocaHybrid);
        let (length, length_words) = match hybrid {
            true => (self.slot(inst.args[0])?, self.words(inst.types[1])?),
            false => (NONE, 0),
        };
        let (nor, exc) = self.exc_edges(inst)?;
        self.code.has_alloca |= matches!(inst.op, Op::Alloca | Op::AllocaHybrid);
        let d = self.def(inst, 0);
        // Allocation looks layouts up without the type store.
        self.layout(ty);
        self.code.allocs.push(AllocInfo { op: inst.op, ty, length, length_words, d, nor, exc });
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

    fn index_iref(&mut self, inst: &Inst<Linked>) -> Decoded {
        let shift = inst.op == Op::ShiftIRef;
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

    fn access(&mut self, inst: &Inst<Linked>) -> Decoded {
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
            if inst.op == Op::Load {
                return Ok(Instr::LoadLeaf { kind, d: self.def(inst, 0), loc, ty });
            }
            if inst.op == Op::Store {
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
        Ok(match inst.op {
            Op::Load => Instr::Load { info },
            Op::Store => Instr::Store { info },
            Op::CmpXchg => Instr::CmpXchg { info },
            _ => Instr::AtomicRmw { info },
        })
    }

    // ---- common instructions

    fn comm(&mut self, inst: &Inst<Linked>) -> Decoded {
        let unsupported = Instr::Unsupported { op: Op::CommInst, comm: inst.attrs.comm };
        let Some(comm) = inst.attrs.comm.filter(|comm| comm.expose() == Expose::Now) else {
            return Ok(unsupported);
        };
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
        self.code.comms.push(CommInfo { inst: comm, args, results, sig, ty, nor, exc });
        Ok(Instr::Comm { info: self.code.comms.len() as u32 - 1 })
    }
}

/// The outcomes for which a floating point comparison is true.
pub fn fcmp_mask(op: Op) -> u8 {
    match op {
        Op::FTrue => float::FTRUE,
        Op::FUno => float::FUNO,
        Op::FUeq => float::FUEQ,
        Op::FUne => float::FUNE,
        Op::FUgt => float::FUGT,
        Op::FUge => float::FUGE,
        Op::FUlt => float::FULT,
        Op::FUle => float::FULE,
        Op::FOrd => float::FORD,
        Op::FOeq => float::FOEQ,
        Op::FOne => float::FONE,
        Op::FOgt => float::FOGT,
        Op::FOge => float::FOGE,
        Op::FOlt => float::FOLT,
        Op::FOle => float::FOLE,
        _ => float::FFALSE,
    }
}
