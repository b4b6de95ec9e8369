//! Memory: addresses, loads, stores, atomics, frame cells.
//!
//! x86-64 orders loads and stores strongly enough for everything but SEQ_CST stores, which are followed by a fence.

use super::{Address, AddressBase, Lower, O};
use crate::ssa::eval::width;
use crate::ssa::{I64, Inst, Op, Ty, Value};
use crate::x64::inst::{Arg, Cc, Test};
use crate::x64::regs::{self, Size};
use iced_x86::Code;
use mu_ir::table::{MemOrder, RmwOp};
use mu_rt::layout::LeafKind;
use regalloc2::{PRegSet, RegClass};

impl Lower<'_> {
    // ---- addresses

    /// An address as a memory operand, with as much of its computation inside as fits.
    pub(super) fn address(&mut self, mut value: Value) -> Address {
        let mut disp = 0i32;
        let mut index: Option<(Value, u8)> = None;
        loop {
            // What is in a register anyway is best used from there.
            if self.vregs[value.index()].is_some() {
                break;
            }
            let Some((op, args)) = self.func.as_op(value) else { break };
            match op {
                Op::Offset(bytes) => {
                    let Some(sum) = i32::try_from(bytes).ok().and_then(|bytes| disp.checked_add(bytes))
                    else {
                        break;
                    };
                    disp = sum;
                    value = args[0];
                }
                Op::Index(stride) if index.is_none() => {
                    if let Some(known) = self.func.as_const(args[1])
                        && let Ok(bytes) = i32::try_from((known as i64).wrapping_mul(stride))
                        && let Some(sum) = disp.checked_add(bytes)
                    {
                        disp = sum;
                        value = args[0];
                        continue;
                    }
                    let Some((inner, scale, more)) = self.index_term(args[1], stride) else { break };
                    let Some(sum) = disp.checked_add(more) else { break };
                    (disp, index) = (sum, Some((inner, scale)));
                    value = args[0];
                }
                Op::Alloca(slot) => {
                    let cell = self.vcode.cell_offsets[slot as usize];
                    let index_reg = index.map(|(value, _)| self.reg(value));
                    let scale = index.map_or(1, |(_, scale)| scale);
                    return Address { base: AddressBase::Frame, index: index_reg, scale, disp: disp + cell };
                }
                _ => break,
            }
        }
        let base = match self.func.as_const(value) {
            Some(bits)
                if (bits as i64)
                    .checked_add(i64::from(disp))
                    .is_some_and(|sum| i32::try_from(sum).is_ok_and(|sum| sum >= 0)) =>
            {
                disp += bits as i32;
                AddressBase::None
            }
            _ => AddressBase::Reg(self.reg(value)),
        };
        let scale = index.map_or(1, |(_, scale)| scale);
        let index = index.map(|(value, _)| self.reg(value));
        Address { base, index, scale, disp }
    }

    /// An index times a stride as `register * scale + constant`.
    fn index_term(&self, index: Value, stride: i64) -> Option<(Value, u8, i32)> {
        let (mut index, mut stride, mut disp) = (index, stride, 0i32);
        for _ in 0..2 {
            if self.vregs[index.index()].is_some() || self.ty(index) != I64 {
                break;
            }
            match self.func.as_op(index) {
                Some((Op::Add, &[inner, constant])) => {
                    let Some(more) = self.imm(constant, Size::Q) else { break };
                    let Some(more) = i64::from(more).checked_mul(stride) else { break };
                    let Ok(more) = i32::try_from(more) else { break };
                    let Some(sum) = disp.checked_add(more) else { break };
                    (index, disp) = (inner, sum);
                }
                Some((Op::Shl, &[inner, amount])) => {
                    let Some(amount) = self.func.as_const(amount).filter(|&amount| amount <= 3) else {
                        break;
                    };
                    let Some(wider) = stride.checked_mul(1 << amount).filter(|&wider| wider <= 8) else {
                        break;
                    };
                    (index, stride) = (inner, wider);
                }
                _ => break,
            }
        }
        matches!(stride, 1 | 2 | 4 | 8).then_some((index, stride as u8, disp))
    }

    /// An address as a value.
    pub(super) fn address_inst(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let to = self.result(inst);
        // `address` would stop at the register this very value was given.
        self.vregs[data.results[0].index()] = None;
        let address = match data.op {
            Op::Index(stride) if self.index_term(data.args[1], stride).is_none() => {
                let scaled = self.word();
                match i32::try_from(stride) {
                    Ok(stride) => {
                        let index = self.reg(data.args[1]);
                        self.scale_by(scaled, index, stride);
                    }
                    Err(_) => {
                        let (index, factor) = (self.reg(data.args[1]), self.word());
                        self.constant(factor, stride as u64);
                        self.x(
                            Code::Imul_r64_rm64,
                            &[O::Mod(scaled, index, Size::Q), O::Use(factor, Size::Q)],
                        );
                    }
                }
                let base = AddressBase::Reg(self.reg(data.args[0]));
                Address { base, index: Some(scaled), scale: 1, disp: 0 }
            }
            Op::Offset(bytes) if i32::try_from(bytes).is_err() => {
                let far = self.word();
                self.constant(far, bytes as u64);
                let base = AddressBase::Reg(self.reg(data.args[0]));
                Address { base, index: Some(far), scale: 1, disp: 0 }
            }
            _ => self.address(data.results[0]),
        };
        self.vregs[data.results[0].index()] = Some(to);
        self.lea(to, address);
    }

    /// An index times a number of bytes that no addressing mode has.
    fn scale_by(&mut self, to: regalloc2::VReg, index: regalloc2::VReg, stride: i32) {
        let (kind, code) = match i8::try_from(stride) {
            Ok(_) => (Arg::Imm8to64, Code::Imul_r64_rm64_imm8),
            Err(_) => (Arg::Imm32to64, Code::Imul_r64_rm64_imm32),
        };
        if stride > 0 && (stride as u32).is_power_of_two() {
            let amount = u64::from((stride as u32).trailing_zeros());
            self.x(Code::Shl_rm64_imm8, &[O::Mod(to, index, Size::Q), O::Imm(Arg::Imm8, amount)]);
        } else {
            let imm = O::Imm(kind, i64::from(stride) as u64);
            self.x(code, &[O::Def(to, Size::Q), O::Use(index, Size::Q), imm]);
        }
    }

    fn lea(&mut self, to: regalloc2::VReg, address: Address) {
        match address {
            Address { base: AddressBase::Reg(base), index: None, disp: 0, .. } => self.copy(to, base),
            _ => self.x(Code::Lea_r64_m, &[O::Def(to, Size::Q), O::Mem(address)]),
        }
    }

    // ---- loads and stores

    pub(super) fn load(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let address = self.address(data.args[0]);
        let ty = self.ty(data.results[0]);
        if !self.wanted(inst) {
            // An atomic load orders others even when its value is not wanted.
            self.vreg_of(data.results[0]);
        }
        let to = self.result(inst);
        let (code, size) = match ty {
            LeafKind::Float => (Code::Movss_xmm_xmmm32, Size::X),
            LeafKind::Double => (Code::Movsd_xmm_xmmm64, Size::X),
            _ => match ty.size_bytes() {
                1 => (Code::Movzx_r32_rm8, Size::D),
                2 => (Code::Movzx_r32_rm16, Size::D),
                4 => (Code::Mov_r32_rm32, Size::D),
                _ => (Code::Mov_r64_rm64, Size::Q),
            },
        };
        let odd = matches!(ty, LeafKind::Int(width) if !matches!(width, 8 | 16 | 32 | 64));
        if odd {
            // Native code may have written the bits above.
            let raw = self.word();
            self.x(code, &[O::Def(raw, size), O::Mem(address)]);
            self.mask(to, raw, width(ty));
        } else {
            self.x(code, &[O::Def(to, size), O::Mem(address)]);
        }
    }

    pub(super) fn store(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let Op::Store(order) = data.op else { return };
        let value = data.args[1];
        let ty = self.ty(value);
        let address = self.address(data.args[0]);
        let bytes = ty.size_bytes();
        let small = self.func.as_const(value).filter(|&bits| match bytes {
            8 => i32::try_from(bits as i64).is_ok(),
            4 | 1 => true,
            _ => false,
        });
        match (small, class_of(ty)) {
            (Some(bits), _) => {
                let (code, kind) = match bytes {
                    8 => (Code::Mov_rm64_imm32, Arg::Imm32to64),
                    4 => (Code::Mov_rm32_imm32, Arg::Imm32),
                    _ => (Code::Mov_rm8_imm8, Arg::Imm8),
                };
                self.x(code, &[O::Mem(address), O::Imm(kind, bits)]);
            }
            (None, RegClass::Int) => {
                let (code, size) = match bytes {
                    1 => (Code::Mov_rm8_r8, Size::B),
                    2 => (Code::Mov_rm16_r16, Size::W),
                    4 => (Code::Mov_rm32_r32, Size::D),
                    _ => (Code::Mov_rm64_r64, Size::Q),
                };
                let value = self.reg(value);
                self.x(code, &[O::Mem(address), O::Use(value, size)]);
            }
            (None, RegClass::Float | RegClass::Vector) => {
                let code = if bytes == 4 { Code::Movss_xmmm32_xmm } else { Code::Movsd_xmmm64_xmm };
                let value = self.reg(value);
                self.x(code, &[O::Mem(address), O::Use(value, Size::X)]);
            }
        }
        if order == MemOrder::SeqCst {
            self.x(Code::Mfence, &[]);
        }
    }

    pub(super) fn fence(&mut self, order: MemOrder) {
        if order == MemOrder::SeqCst {
            self.x(Code::Mfence, &[]);
        }
    }

    pub(super) fn cmpxchg(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let (old, done) = (data.results[0], data.results[1]);
        let ty = self.ty(old);
        let (expected, desired) = (self.reg(data.args[1]), self.reg(data.args[2]));
        let address = self.address(data.args[0]);
        let (code, size) = match ty.size_bytes() {
            1 => (Code::Cmpxchg_rm8_r8, Size::B),
            2 => (Code::Cmpxchg_rm16_r16, Size::W),
            4 => (Code::Cmpxchg_rm32_r32, Size::D),
            _ => (Code::Cmpxchg_rm64_r64, Size::Q),
        };
        let old = self.vreg_of(old);
        let list =
            [O::Mem(address), O::Use(desired, size), O::In(expected, regs::RAX), O::Out(old, regs::RAX)];
        self.x_full(code, &list, PRegSet::empty(), true);
        if self.vregs[done.index()].is_some() {
            let done = self.vreg_of(done);
            self.set(done, Test::One(Cc::E));
        }
    }

    pub(super) fn rmw(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let Op::Rmw(op) = data.op else { return };
        let ty = self.ty(data.results[0]);
        let operand = self.reg(data.args[1]);
        let address = self.address(data.args[0]);
        let old = self.vreg_of(data.results[0]);
        let (exchange, add, size) = match ty.size_bytes() {
            1 => (Code::Xchg_rm8_r8, Code::Xadd_rm8_r8, Size::B),
            2 => (Code::Xchg_rm16_r16, Code::Xadd_rm16_r16, Size::W),
            4 => (Code::Xchg_rm32_r32, Code::Xadd_rm32_r32, Size::D),
            _ => (Code::Xchg_rm64_r64, Code::Xadd_rm64_r64, Size::Q),
        };
        let code = if op == RmwOp::Xchg { exchange } else { add };
        let list = [O::Mem(address), O::Mod(old, operand, size)];
        self.x_full(code, &list, PRegSet::empty(), true);
    }

    // ---- frame cells

    /// Clears a cell; its address is computed where it is used.
    pub(super) fn alloca(&mut self, inst: Inst, slot: u32) {
        let data = &self.func.insts[inst.index()];
        let cell = self.vcode.cell_offsets[slot as usize];
        if self.wanted(inst) {
            let to = self.result(inst);
            let address = Address { base: AddressBase::Frame, index: None, scale: 1, disp: cell };
            self.x(Code::Lea_r64_m, &[O::Def(to, Size::Q), O::Mem(address)]);
        }
        if self.uses[data.results[0].index()] == 0 {
            return;
        }
        // Cells are whole words: their neighbours begin at the next one.
        let words = self.func.slots[slot as usize].size_bytes.div_ceil(8) as i32;
        if words == 0 {
            return;
        }
        let zero = self.vcode.vreg(LeafKind::Double);
        self.fp_constant(zero, 0);
        let mut word = 0;
        while word < words {
            let pair = words - word >= 2;
            let disp = cell + 8 * word;
            let address = Address { base: AddressBase::Frame, index: None, scale: 1, disp };
            let code = if pair { Code::Movups_xmmm128_xmm } else { Code::Movsd_xmmm64_xmm };
            self.x(code, &[O::Mem(address), O::Use(zero, Size::X)]);
            word += if pair { 2 } else { 1 };
        }
    }
}

fn class_of(ty: Ty) -> RegClass {
    super::class(ty)
}
