//! Integers: arithmetic, comparisons, conversions, selections.
//!
//! A value of width n is zero-extended. Widths up to 32 are computed in 32-bit registers (the CPU clears the upper half),
//! others in 64; where an operation can leave bits above the width, a mask follows.

use super::{Address, AddressBase, Lower, O, size_of};
use crate::ssa::eval::width;
use crate::ssa::{Cond, I64, Inst, Op, Value};
use crate::x64::inst::{Arg, Cc, Kind, Test};
use crate::x64::regs::{self, Size};
use iced_x86::Code;
use mu_rt::layout::LeafKind;
use regalloc2::{Operand, PRegSet, RegClass, VReg};
use smallvec::SmallVec;

/// The forms of a two-operand instruction: register with register or memory, with an 8-bit and with a 32-bit immediate.
struct Alu {
    rm: Code,
    imm8: Code,
    imm32: Code,
}

fn alu(op: Op, size: Size) -> Alu {
    let wide = size == Size::Q;
    let pick = |narrow: [Code; 3], full: [Code; 3]| {
        let [rm, imm8, imm32] = if wide { full } else { narrow };
        Alu { rm, imm8, imm32 }
    };
    match op {
        Op::Sub => pick(
            [Code::Sub_r32_rm32, Code::Sub_rm32_imm8, Code::Sub_rm32_imm32],
            [Code::Sub_r64_rm64, Code::Sub_rm64_imm8, Code::Sub_rm64_imm32],
        ),
        Op::And => pick(
            [Code::And_r32_rm32, Code::And_rm32_imm8, Code::And_rm32_imm32],
            [Code::And_r64_rm64, Code::And_rm64_imm8, Code::And_rm64_imm32],
        ),
        Op::Or => pick(
            [Code::Or_r32_rm32, Code::Or_rm32_imm8, Code::Or_rm32_imm32],
            [Code::Or_r64_rm64, Code::Or_rm64_imm8, Code::Or_rm64_imm32],
        ),
        Op::Xor => pick(
            [Code::Xor_r32_rm32, Code::Xor_rm32_imm8, Code::Xor_rm32_imm32],
            [Code::Xor_r64_rm64, Code::Xor_rm64_imm8, Code::Xor_rm64_imm32],
        ),
        _ => pick(
            [Code::Add_r32_rm32, Code::Add_rm32_imm8, Code::Add_rm32_imm32],
            [Code::Add_r64_rm64, Code::Add_rm64_imm8, Code::Add_rm64_imm32],
        ),
    }
}

/// The condition that a comparison of integers tests.
fn cc_of(cond: Cond) -> Cc {
    match cond {
        Cond::Eq => Cc::E,
        Cond::Ne => Cc::Ne,
        Cond::SGe => Cc::Ge,
        Cond::SGt => Cc::G,
        Cond::SLe => Cc::Le,
        Cond::SLt => Cc::L,
        Cond::UGe => Cc::Ae,
        Cond::UGt => Cc::A,
        Cond::ULe => Cc::Be,
        Cond::ULt => Cc::B,
    }
}

/// An immediate operand for an instruction with an 8-bit and a 32-bit form.
fn immediate(codes: &Alu, size: Size, value: i32) -> (Code, O) {
    let short = i8::try_from(value).is_ok();
    let kind = match (short, size) {
        (true, Size::Q) => Arg::Imm8to64,
        (true, _) => Arg::Imm8to32,
        (false, Size::Q) => Arg::Imm32to64,
        (false, _) => Arg::Imm32,
    };
    (if short { codes.imm8 } else { codes.imm32 }, O::Imm(kind, i64::from(value) as u64))
}

/// Bits of a shift amount that count, for integers of this width.
fn amount_bits(width: u32) -> u32 {
    width.next_power_of_two().trailing_zeros()
}

impl Lower<'_> {
    pub(super) fn int_inst(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let (op, a) = (data.op, data.args[0]);
        let b = data.args.get(1).copied().unwrap_or(a);
        let to = self.result(inst);
        let ty = self.ty(data.results[0]);
        match op {
            Op::Add => self.add_int(to, ty, a, b),
            Op::Sub | Op::And | Op::Or | Op::Xor => self.alu_int(op, to, ty, a, b),
            Op::Mul => self.mul(to, ty, a, b),
            Op::Shl | Op::LShr | Op::AShr => self.shift(op, to, ty, a, b),
            Op::UDiv | Op::SDiv | Op::URem | Op::SRem => self.divide(op, to, ty, a, b),
            Op::Rotl => self.rotate(to, ty, a, b),
            Op::UMulHi | Op::SMulHi => self.mul_high(op == Op::SMulHi, to, a, b),
            Op::Trunc => self.truncate(to, width(ty), a),
            Op::ZExt | Op::Retype => self.into(to, a),
            _ => {
                let from = self.reg(a);
                self.sign_extend(to, from, width(self.ty(a)), width(ty));
            }
        }
    }

    // ---- widths

    /// Clears the bits above a width that is not that of a register.
    pub(super) fn mask(&mut self, to: VReg, from: VReg, width: u32) {
        match width {
            8 => self.x(Code::Movzx_r32_rm8, &[O::Def(to, Size::D), O::Use(from, Size::B)]),
            16 => self.x(Code::Movzx_r32_rm16, &[O::Def(to, Size::D), O::Use(from, Size::W)]),
            32 => self.x(Code::Mov_r32_rm32, &[O::Def(to, Size::D), O::Use(from, Size::D)]),
            64 => self.copy(to, from),
            1..=31 => {
                let (code, imm) =
                    immediate(&alu(Op::And, Size::D), Size::D, mu_ir::semantics::int::mask(width) as i32);
                self.x(code, &[O::Mod(to, from, Size::D), imm]);
            }
            _ => {
                let up = self.word();
                let amount = O::Imm(Arg::Imm8, u64::from(64 - width));
                self.x(Code::Shl_rm64_imm8, &[O::Mod(up, from, Size::Q), amount]);
                self.x(Code::Shr_rm64_imm8, &[O::Mod(to, up, Size::Q), amount]);
            }
        }
    }

    /// Where the raw result of an operation of this width goes, before [`Lower::finish`].
    fn raw(&mut self, to: VReg, width: u32) -> VReg {
        if matches!(width, 32 | 64) { to } else { self.word() }
    }

    fn finish(&mut self, to: VReg, raw: VReg, width: u32) {
        if to != raw {
            self.mask(to, raw, width);
        }
    }

    fn truncate(&mut self, to: VReg, width: u32, a: Value) {
        if let (8 | 16 | 32, Some(address)) = (width, self.absorbed_load(a, I64)) {
            // The low bytes come first.
            let code = match width {
                8 => Code::Movzx_r32_rm8,
                16 => Code::Movzx_r32_rm16,
                _ => Code::Mov_r32_rm32,
            };
            self.x(code, &[O::Def(to, Size::D), O::Mem(address)]);
            return;
        }
        let from = self.reg(a);
        self.mask(to, from, width);
    }

    /// Sign-extends from one width to another; bits above `to_width` are cleared.
    fn sign_extend(&mut self, to: VReg, from: VReg, from_width: u32, to_width: u32) {
        let size = if to_width <= 32 { Size::D } else { Size::Q };
        let raw = self.raw(to, to_width);
        self.sign_extend_raw(raw, from, from_width, size);
        self.finish(to, raw, to_width);
    }

    /// Sign-extends to the whole register.
    fn sign_extend_raw(&mut self, to: VReg, from: VReg, from_width: u32, size: Size) {
        let wide = size == Size::Q;
        match from_width {
            8 => {
                let code = if wide { Code::Movsx_r64_rm8 } else { Code::Movsx_r32_rm8 };
                self.x(code, &[O::Def(to, size), O::Use(from, Size::B)]);
            }
            16 => {
                let code = if wide { Code::Movsx_r64_rm16 } else { Code::Movsx_r32_rm16 };
                self.x(code, &[O::Def(to, size), O::Use(from, Size::W)]);
            }
            32 if wide => self.x(Code::Movsxd_r64_rm32, &[O::Def(to, Size::Q), O::Use(from, Size::D)]),
            32 | 64 => self.copy(to, from),
            _ => {
                let bits = if wide { 64 } else { 32 };
                let amount = O::Imm(Arg::Imm8, u64::from(bits - from_width));
                let up = self.word();
                let (left, right) = if wide {
                    (Code::Shl_rm64_imm8, Code::Sar_rm64_imm8)
                } else {
                    (Code::Shl_rm32_imm8, Code::Sar_rm32_imm8)
                };
                self.x(left, &[O::Mod(up, from, size), amount]);
                self.x(right, &[O::Mod(to, up, size), amount]);
            }
        }
    }

    /// A value, sign-extended to a whole register.
    fn signed(&mut self, value: Value, size: Size) -> VReg {
        let width = width(self.ty(value));
        if let Some(bits) = self.func.as_const(value) {
            let extended = mu_ir::semantics::conv::sext(width, 64, bits);
            let to = self.word();
            self.constant(to, if size == Size::D { extended & 0xffff_ffff } else { extended });
            return to;
        }
        let from = self.reg(value);
        if (width == 32 && size == Size::D) || width == 64 {
            return from;
        }
        let to = self.word();
        self.sign_extend_raw(to, from, width, size);
        to
    }

    // ---- arithmetic

    fn add_int(&mut self, to: VReg, ty: LeafKind, a: Value, b: Value) {
        let (size, width) = (size_of(ty), width(ty));
        let raw = self.raw(to, width);
        // Through `lea` where there is something to gain: another register, a scaled operand, a constant besides.
        if let Some(address) = self.sum(a, b, size) {
            let code = if size == Size::Q { Code::Lea_r64_m } else { Code::Lea_r32_m };
            self.x(code, &[O::Def(raw, size), O::Mem(address)]);
        } else {
            self.two(Op::Add, raw, ty, a, b);
        }
        self.finish(to, raw, width);
    }

    /// A sum as an address, unless the second operand comes from memory.
    fn sum(&mut self, a: Value, b: Value, size: Size) -> Option<Address> {
        if self.is_absorbable(b) || self.is_absorbable(a) {
            return None;
        }
        let mut disp = 0i32;
        let mut terms = SmallVec::<[Value; 2]>::new();
        for value in [a, b] {
            if let Some(imm) = self.imm(value, size) {
                disp = disp.checked_add(imm)?;
            } else if let Some((inner, imm)) = self.private_sum(value, size) {
                disp = disp.checked_add(imm)?;
                terms.push(inner);
            } else {
                terms.push(value);
            }
        }
        let (base, index) = match terms[..] {
            [base] => (base, None),
            [base, index] => (base, Some(index)),
            _ => return None,
        };
        let (base, index) = match index {
            Some(index) if self.scaled(base, size).is_some() && self.scaled(index, size).is_none() => {
                (index, Some(base))
            }
            index => (base, index),
        };
        let (index, scale) = match index {
            None => (None, 1),
            Some(index) => match self.scaled(index, size) {
                Some((inner, scale)) => (Some(self.reg(inner)), scale),
                None => (Some(self.reg(index)), 1),
            },
        };
        let base = AddressBase::Reg(self.reg(base));
        Some(Address { base, index, scale, disp })
    }

    /// `x + constant` that only the current instruction uses.
    fn private_sum(&self, value: Value, size: Size) -> Option<(Value, i32)> {
        if self.uses[value.index()] != 1 || self.vregs[value.index()].is_some() {
            return None;
        }
        match self.func.as_op(value)? {
            (Op::Add, &[inner, constant]) if size_of(self.ty(value)) == size && self.is_whole(value) => {
                Some((inner, self.imm(constant, size)?))
            }
            _ => None,
        }
    }

    /// Whether a type fills its register, so that nothing has to be masked.
    fn is_whole(&self, value: Value) -> bool {
        matches!(width(self.ty(value)), 32 | 64)
    }

    /// `x << 1, 2 or 3` that only the current instruction uses.
    fn scaled(&self, value: Value, size: Size) -> Option<(Value, u8)> {
        if self.uses[value.index()] != 1 || self.vregs[value.index()].is_some() || !self.is_whole(value) {
            return None;
        }
        match self.func.as_op(value)? {
            (Op::Shl, &[inner, amount]) if size_of(self.ty(value)) == size => {
                let amount = self.func.as_const(amount)?;
                (1..=3).contains(&amount).then(|| (inner, 1 << amount))
            }
            _ => None,
        }
    }

    fn is_absorbable(&self, value: Value) -> bool {
        self.func.as_inst(value).is_some_and(|inst| {
            matches!(self.func.insts[inst.index()].op, Op::Load(_))
                && self.home[inst.index()] == self.at
                && self.uses[value.index()] == 1
                && self.is_whole(value)
        })
    }

    /// A two-operand instruction into a register that may have to be masked.
    fn two(&mut self, op: Op, to: VReg, ty: LeafKind, a: Value, b: Value) {
        let size = size_of(ty);
        let codes = alu(op, size);
        let (a, b) = if op != Op::Sub && (self.func.as_const(a).is_some() || self.is_absorbable(a)) {
            (b, a)
        } else {
            (a, b)
        };
        if let Some(imm) = self.imm(b, size) {
            let (code, imm) = immediate(&codes, size, imm);
            let a = self.reg(a);
            self.x(code, &[O::Mod(to, a, size), imm]);
        } else if self.is_whole(b)
            && let Some(address) = self.absorbed_load(b, ty)
        {
            let a = self.reg(a);
            self.x(codes.rm, &[O::Mod(to, a, size), O::Mem(address)]);
        } else {
            let (a, b) = (self.reg(a), self.reg(b));
            self.x(codes.rm, &[O::Mod(to, a, size), O::Use(b, size)]);
        }
    }

    fn alu_int(&mut self, op: Op, to: VReg, ty: LeafKind, a: Value, b: Value) {
        let width = width(ty);
        if op == Op::Sub && self.func.as_const(a) == Some(0) {
            let raw = self.raw(to, width);
            let size = size_of(ty);
            let b = self.reg(b);
            let code = if size == Size::Q { Code::Neg_rm64 } else { Code::Neg_rm32 };
            self.x(code, &[O::Mod(raw, b, size)]);
            self.finish(to, raw, width);
            return;
        }
        if op == Op::Xor
            && self.is_whole(a)
            && self.func.as_const(b) == Some(mu_ir::semantics::int::mask(width))
        {
            let size = size_of(ty);
            let a = self.reg(a);
            let code = if size == Size::Q { Code::Not_rm64 } else { Code::Not_rm32 };
            return self.x(code, &[O::Mod(to, a, size)]);
        }
        // Bitwise operations on zero-extended values give zero-extended values.
        let raw = if op == Op::Sub { self.raw(to, width) } else { to };
        self.two(op, raw, ty, a, b);
        self.finish(to, raw, width);
    }

    fn mul(&mut self, to: VReg, ty: LeafKind, a: Value, b: Value) {
        let (size, width) = (size_of(ty), width(ty));
        let raw = self.raw(to, width);
        let (a, b) = if self.func.as_const(a).is_some() { (b, a) } else { (a, b) };
        let wide = size == Size::Q;
        if let Some(imm) = self.imm(b, size) {
            let a = self.reg(a);
            self.mul_constant(raw, size, a, imm);
        } else if self.is_whole(b)
            && let Some(address) = self.absorbed_load(b, ty)
        {
            let a = self.reg(a);
            let code = if wide { Code::Imul_r64_rm64 } else { Code::Imul_r32_rm32 };
            self.x(code, &[O::Mod(raw, a, size), O::Mem(address)]);
        } else {
            let (a, b) = (self.reg(a), self.reg(b));
            let code = if wide { Code::Imul_r64_rm64 } else { Code::Imul_r32_rm32 };
            self.x(code, &[O::Mod(raw, a, size), O::Use(b, size)]);
        }
        self.finish(to, raw, width);
    }

    /// Multiplication by a constant: `lea` by 3, 5, 9, else `imul`. (Powers of two are shifts by now.)
    fn mul_constant(&mut self, to: VReg, size: Size, a: VReg, imm: i32) {
        let wide = size == Size::Q;
        if let 3 | 5 | 9 = imm {
            let scale = (imm - 1) as u8;
            let address = Address { base: AddressBase::Reg(a), index: Some(a), scale, disp: 0 };
            let code = if wide { Code::Lea_r64_m } else { Code::Lea_r32_m };
            self.x(code, &[O::Def(to, size), O::Mem(address)]);
            return;
        }
        let code = match (i8::try_from(imm).is_ok(), wide) {
            (true, true) => Code::Imul_r64_rm64_imm8,
            (true, false) => Code::Imul_r32_rm32_imm8,
            (false, true) => Code::Imul_r64_rm64_imm32,
            (false, false) => Code::Imul_r32_rm32_imm32,
        };
        let kind = match (i8::try_from(imm).is_ok(), wide) {
            (true, true) => Arg::Imm8to64,
            (true, false) => Arg::Imm8to32,
            (false, true) => Arg::Imm32to64,
            (false, false) => Arg::Imm32,
        };
        self.x(code, &[O::Def(to, size), O::Use(a, size), O::Imm(kind, i64::from(imm) as u64)]);
    }

    fn mul_high(&mut self, signed: bool, to: VReg, a: Value, b: Value) {
        let (a, b) = (self.reg(a), self.reg(b));
        let code = if signed { Code::Imul_rm64 } else { Code::Mul_rm64 };
        let mut clobbers = PRegSet::empty();
        clobbers.add(regs::RAX);
        let list = [O::Use(b, Size::Q), O::In(a, regs::RAX), O::Out(to, regs::RDX)];
        self.x_full(code, &list, clobbers, false);
    }

    fn shift(&mut self, op: Op, to: VReg, ty: LeafKind, a: Value, b: Value) {
        let (size, width) = (size_of(ty), width(ty));
        let wide = size == Size::Q;
        let amount_bits = amount_bits(width);
        // An arithmetic shift needs the sign in the top bit of the register; others leave zeros above.
        let a = if op == Op::AShr { self.signed(a, size) } else { self.reg(a) };
        let raw = if op == Op::LShr { to } else { self.raw(to, width) };
        if let Some(amount) = self.func.as_const(b) {
            let amount = amount & mu_ir::semantics::int::mask(amount_bits.max(1));
            let amount = if amount_bits == 0 { 0 } else { amount };
            let code = match (op, wide) {
                (Op::Shl, true) => Code::Shl_rm64_imm8,
                (Op::Shl, false) => Code::Shl_rm32_imm8,
                (Op::LShr, true) => Code::Shr_rm64_imm8,
                (Op::LShr, false) => Code::Shr_rm32_imm8,
                (_, true) => Code::Sar_rm64_imm8,
                (_, false) => Code::Sar_rm32_imm8,
            };
            self.x(code, &[O::Mod(raw, a, size), O::Imm(Arg::Imm8, amount)]);
        } else {
            let mut amount = self.reg(b);
            if !matches!(amount_bits, 5 | 6) || (amount_bits == 5) == wide {
                // The CPU takes 5 bits of the amount, or 6 in 64-bit instructions.
                let masked = self.word();
                let mask = mu_ir::semantics::int::mask(amount_bits.max(1)) as i32;
                let mask = if amount_bits == 0 { 0 } else { mask };
                let (code, imm) = immediate(&alu(Op::And, Size::D), Size::D, mask);
                self.x(code, &[O::Mod(masked, amount, Size::D), imm]);
                amount = masked;
            }
            self.shift_by(op, raw, a, amount, size);
        }
        self.finish(to, raw, width);
    }

    fn shift_by(&mut self, op: Op, to: VReg, a: VReg, amount: VReg, size: Size) {
        let wide = size == Size::Q;
        if self.cpu.bmi2 {
            let code = match (op, wide) {
                (Op::Shl, true) => Code::VEX_Shlx_r64_rm64_r64,
                (Op::Shl, false) => Code::VEX_Shlx_r32_rm32_r32,
                (Op::LShr, true) => Code::VEX_Shrx_r64_rm64_r64,
                (Op::LShr, false) => Code::VEX_Shrx_r32_rm32_r32,
                (_, true) => Code::VEX_Sarx_r64_rm64_r64,
                (_, false) => Code::VEX_Sarx_r32_rm32_r32,
            };
            self.x(code, &[O::Def(to, size), O::Use(a, size), O::Use(amount, size)]);
            return;
        }
        let code = match (op, wide) {
            (Op::Shl, true) => Code::Shl_rm64_CL,
            (Op::Shl, false) => Code::Shl_rm32_CL,
            (Op::LShr, true) => Code::Shr_rm64_CL,
            (Op::LShr, false) => Code::Shr_rm32_CL,
            (_, true) => Code::Sar_rm64_CL,
            (_, false) => Code::Sar_rm32_CL,
        };
        // The amount in its fixed register is also the second operand of the encoder's instruction.
        let first = self.vcode.operands.len() as u32;
        let operands =
            [Operand::reg_reuse_def(to, 1), Operand::reg_use(a), Operand::reg_fixed_use(amount, regs::RCX)];
        self.vcode.operands.extend_from_slice(&operands);
        let mem = super::Mem { base: super::Base::None, index: None, scale: 1, disp: 0 };
        let args = [Arg::Op(0, size), Arg::Op(2, Size::B), Arg::None];
        let kind = Kind::X { code, args, mem, imm: 0, lock: false };
        let source = self.source;
        let clobbers = PRegSet::empty();
        self.group.push(crate::x64::inst::MInst { kind, first, count: 3, clobbers, source });
    }

    fn rotate(&mut self, to: VReg, ty: LeafKind, a: Value, amount: Value) {
        let size = size_of(ty);
        let wide = size == Size::Q;
        let left = self.func.as_const(amount).unwrap_or(0);
        let a = self.reg(a);
        if self.cpu.bmi2 {
            let right = u64::from(width(ty)) - left;
            let code = if wide { Code::VEX_Rorx_r64_rm64_imm8 } else { Code::VEX_Rorx_r32_rm32_imm8 };
            return self.x(code, &[O::Def(to, size), O::Use(a, size), O::Imm(Arg::Imm8, right)]);
        }
        let code = if wide { Code::Rol_rm64_imm8 } else { Code::Rol_rm32_imm8 };
        self.x(code, &[O::Mod(to, a, size), O::Imm(Arg::Imm8, left)]);
    }

    fn divide(&mut self, op: Op, to: VReg, ty: LeafKind, a: Value, b: Value) {
        let (size, bits) = (size_of(ty), width(ty));
        let signed = matches!(op, Op::SDiv | Op::SRem);
        let rem = matches!(op, Op::URem | Op::SRem);
        // Of the widths a register does not fill, no quotient overflows. -1 needs care where the CPU would fault.
        let minus_one = matches!(bits, 32 | 64)
            && self.func.as_const(b).is_none_or(|bits_of| bits_of == mu_ir::semantics::int::mask(bits));
        let (a, b) = match signed {
            true => (self.signed(a, size), self.signed(b, size)),
            false => (self.reg(a), self.reg(b)),
        };
        let raw = if signed { self.raw(to, bits) } else { to };
        let (result, other) = if rem { (regs::RDX, regs::RAX) } else { (regs::RAX, regs::RDX) };
        let mut clobbers = PRegSet::empty();
        clobbers.add(other);
        let operands = [
            Operand::reg_fixed_use(a, regs::RAX),
            Operand::reg_use_at_end(b),
            Operand::reg_fixed_def(raw, result),
        ];
        let kind = Kind::Divide { size, signed: signed.then_some(minus_one), rem };
        self.add(kind, &operands, clobbers);
        self.finish(to, raw, bits);
    }

    // ---- comparisons

    /// A comparison as a value.
    pub(super) fn compare_inst(&mut self, inst: Inst) {
        let to = self.result(inst);
        let test = self.comparison(inst);
        self.set(to, test);
    }

    fn set_one(&mut self, to: VReg, cc: Cc) {
        let code = match cc {
            Cc::B => Code::Setb_rm8,
            Cc::Ae => Code::Setae_rm8,
            Cc::E => Code::Sete_rm8,
            Cc::Ne => Code::Setne_rm8,
            Cc::Be => Code::Setbe_rm8,
            Cc::A => Code::Seta_rm8,
            Cc::P => Code::Setp_rm8,
            Cc::Np => Code::Setnp_rm8,
            Cc::L => Code::Setl_rm8,
            Cc::Ge => Code::Setge_rm8,
            Cc::Le => Code::Setle_rm8,
            Cc::G => Code::Setg_rm8,
        };
        self.x(code, &[O::Def(to, Size::B)]);
    }

    /// The truth of a test, as 0 or 1.
    pub(super) fn set(&mut self, to: VReg, test: Test) {
        let byte = self.word();
        match test {
            Test::One(cc) => self.set_one(byte, cc),
            Test::Either(first, second) | Test::Both(first, second) => {
                let (a, b) = (self.word(), self.word());
                self.set_one(a, first);
                self.set_one(b, second);
                let either = matches!(test, Test::Either(..));
                let code = if either { Code::Or_r32_rm32 } else { Code::And_r32_rm32 };
                self.x(code, &[O::Mod(byte, a, Size::D), O::Use(b, Size::D)]);
            }
        }
        self.x(Code::Movzx_r32_rm8, &[O::Def(to, Size::D), O::Use(byte, Size::B)]);
    }

    /// Sets the flags by a truth value; says what they must be for it to be true.
    pub(super) fn test(&mut self, cond: Value) -> Test {
        if let Some(inst) = self.func.as_inst(cond)
            && matches!(self.func.insts[inst.index()].op, Op::ICmp(_) | Op::FCmp(_))
            && self.vregs[cond.index()].is_none()
            && self.uses[cond.index()] == 1
        {
            return self.comparison(inst);
        }
        let cond = self.reg(cond);
        self.x(Code::Test_rm32_r32, &[O::Use(cond, Size::D), O::Use(cond, Size::D)]);
        Test::One(Cc::Ne)
    }

    /// Compares, and says what the flags must be for the comparison to hold.
    fn comparison(&mut self, inst: Inst) -> Test {
        let data = &self.func.insts[inst.index()];
        match data.op {
            Op::FCmp(mask) => self.compare_fp(mask, data.args[0], data.args[1]),
            Op::ICmp(cond) => {
                let (a, b) = (data.args[0], data.args[1]);
                let constant_first = self.func.as_const(a).is_some();
                let (cond, a, b) = if constant_first { (cond.swap(), b, a) } else { (cond, a, b) };
                self.compare_int(cond, a, b)
            }
            _ => Test::One(Cc::Ne),
        }
    }

    fn compare_int(&mut self, cond: Cond, a: Value, b: Value) -> Test {
        let ty = self.ty(a);
        let test = Test::One(cc_of(cond));
        let size = match (width(ty), cond.is_signed()) {
            (8, _) => Size::B,
            (16, true) => Size::W,
            (1..=32, _) => Size::D,
            _ => Size::Q,
        };
        let odd = !matches!(width(ty), 8 | 16 | 32 | 64);
        if odd && cond.is_signed() {
            let (a, b) = (self.signed(a, size), self.signed(b, size));
            let code = if size == Size::Q { Code::Cmp_r64_rm64 } else { Code::Cmp_r32_rm32 };
            self.x(code, &[O::Use(a, size), O::Use(b, size)]);
            return test;
        }
        let whole = matches!((size, width(ty)), (Size::B, 8) | (Size::W, 16) | (Size::D, 32) | (Size::Q, 64));
        if let Some(bits) = self.func.as_const(b)
            && size != Size::W
        {
            self.compare_constant(a, ty, bits, size, whole);
            return test;
        }
        let code = match size {
            Size::B => Code::Cmp_r8_rm8,
            Size::W => Code::Cmp_r16_rm16,
            Size::Q => Code::Cmp_r64_rm64,
            Size::D | Size::X => Code::Cmp_r32_rm32,
        };
        let address = if whole { self.absorbed_load(b, ty) } else { None };
        let a = self.reg(a);
        match address {
            Some(address) => self.x(code, &[O::Use(a, size), O::Mem(address)]),
            None => {
                let b = self.reg(b);
                self.x(code, &[O::Use(a, size), O::Use(b, size)]);
            }
        }
        test
    }

    fn compare_constant(&mut self, a: Value, ty: LeafKind, bits: u64, size: Size, whole: bool) {
        let imm = match size {
            Size::B => Some(i32::from(bits as u8 as i8)),
            Size::D => Some(bits as u32 as i32),
            _ => i32::try_from(bits as i64).ok(),
        };
        let Some(imm) = imm else {
            let constant = self.word();
            self.constant(constant, bits);
            let a = self.reg(a);
            self.x(Code::Cmp_r64_rm64, &[O::Use(a, size), O::Use(constant, size)]);
            return;
        };
        let (imm8, imm32) = match size {
            Size::B => (Code::Cmp_rm8_imm8, Code::Cmp_rm8_imm8),
            Size::Q => (Code::Cmp_rm64_imm8, Code::Cmp_rm64_imm32),
            Size::D | Size::W | Size::X => (Code::Cmp_rm32_imm8, Code::Cmp_rm32_imm32),
        };
        let codes = Alu { rm: imm8, imm8, imm32 };
        let (code, operand) = match size {
            Size::B => (imm8, O::Imm(Arg::Imm8, imm as u8 as u64)),
            _ => immediate(&codes, size, imm),
        };
        if whole && let Some(address) = self.absorbed_load(a, ty) {
            self.x(code, &[O::Mem(address), operand]);
            return;
        }
        let a = self.reg(a);
        if imm == 0 {
            let code = match size {
                Size::B => Code::Test_rm8_r8,
                Size::Q => Code::Test_rm64_r64,
                Size::D | Size::W | Size::X => Code::Test_rm32_r32,
            };
            self.x(code, &[O::Use(a, size), O::Use(a, size)]);
        } else {
            self.x(code, &[O::Use(a, size), operand]);
        }
    }

    // ---- selections

    pub(super) fn select(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let (cond, yes, no) = (data.args[0], data.args[1], data.args[2]);
        let to = self.result(inst);
        // Operands first: making a constant must not come between the comparison and its use.
        let (yes, no) = (self.reg(yes), self.reg(no));
        let test = self.test(cond);
        if to.class() == RegClass::Float {
            let operands = [Operand::reg_reuse_def(to, 1), Operand::reg_use(no), Operand::reg_use(yes)];
            self.add(Kind::SelectFp(test), &operands, PRegSet::empty());
            return;
        }
        match test {
            Test::One(cc) => self.cmov(to, no, yes, cc),
            Test::Either(first, second) => {
                let half = self.vcode.vreg(self.func.ty(data.results[0]));
                self.cmov(half, no, yes, first);
                self.cmov(to, half, yes, second);
            }
            Test::Both(first, second) => {
                let half = self.vcode.vreg(self.func.ty(data.results[0]));
                self.cmov(half, yes, no, first.negate());
                self.cmov(to, half, no, second.negate());
            }
        }
    }

    fn cmov(&mut self, to: VReg, no: VReg, yes: VReg, cc: Cc) {
        let code = match cc {
            Cc::B => Code::Cmovb_r64_rm64,
            Cc::Ae => Code::Cmovae_r64_rm64,
            Cc::E => Code::Cmove_r64_rm64,
            Cc::Ne => Code::Cmovne_r64_rm64,
            Cc::Be => Code::Cmovbe_r64_rm64,
            Cc::A => Code::Cmova_r64_rm64,
            Cc::P => Code::Cmovp_r64_rm64,
            Cc::Np => Code::Cmovnp_r64_rm64,
            Cc::L => Code::Cmovl_r64_rm64,
            Cc::Ge => Code::Cmovge_r64_rm64,
            Cc::Le => Code::Cmovle_r64_rm64,
            Cc::G => Code::Cmovg_r64_rm64,
        };
        self.x(code, &[O::Mod(to, no, Size::Q), O::Use(yes, Size::Q)]);
    }
}
