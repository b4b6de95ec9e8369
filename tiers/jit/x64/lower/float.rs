//! Floating point: arithmetic, comparisons, conversions. Operands are never exchanged: which NaN comes out of an operation
//! on two depends on their order, and is what the CPU does.

use super::{Address, Lower, O};
use crate::ssa::{Inst, Op, Value};
use crate::x64::inst::{Cc, Kind, Target, Test};
use crate::x64::regs::Size;
use iced_x86::Code;
use mu_ir::semantics::float;
use mu_rt::layout::LeafKind;
use regalloc2::{Operand, PRegSet, VReg};

/// Arithmetic with a result register of its own.
fn avx(op: Op, single: bool) -> Code {
    match (op, single) {
        (Op::FAdd, true) => Code::VEX_Vaddss_xmm_xmm_xmmm32,
        (Op::FAdd, false) => Code::VEX_Vaddsd_xmm_xmm_xmmm64,
        (Op::FSub, true) => Code::VEX_Vsubss_xmm_xmm_xmmm32,
        (Op::FSub, false) => Code::VEX_Vsubsd_xmm_xmm_xmmm64,
        (Op::FMul, true) => Code::VEX_Vmulss_xmm_xmm_xmmm32,
        (Op::FMul, false) => Code::VEX_Vmulsd_xmm_xmm_xmmm64,
        (_, true) => Code::VEX_Vdivss_xmm_xmm_xmmm32,
        (_, false) => Code::VEX_Vdivsd_xmm_xmm_xmmm64,
    }
}

impl Lower<'_> {
    /// A word of the constant pool.
    fn pool(&mut self, bits: u64) -> Address {
        let known = self.vcode.pool.iter().position(|&word| word == bits);
        let at = known.unwrap_or_else(|| {
            self.vcode.pool.push(bits);
            self.vcode.pool.len() - 1
        });
        Address::rip(Target::Pool(at as u32))
    }

    pub(super) fn fp_constant(&mut self, to: VReg, bits: u64) {
        if bits == 0 {
            return self.add(Kind::ZeroFp, &[Operand::reg_def(to)], PRegSet::empty());
        }
        let single = self.vcode.ty(to) == LeafKind::Float;
        let address = self.pool(bits);
        let code = if single { Code::Movss_xmm_xmmm32 } else { Code::Movsd_xmm_xmmm64 };
        self.x(code, &[O::Def(to, Size::X), O::Mem(address)]);
    }

    /// The second operand of an instruction: a constant of the pool or a load where possible.
    fn fp_operand(&mut self, value: Value) -> O {
        if let Some(bits) = self.func.as_const(value)
            && bits != 0
        {
            return O::Mem(self.pool(bits));
        }
        match self.absorbed_load(value, self.ty(value)) {
            Some(address) => O::Mem(address),
            None => O::Use(self.reg(value), Size::X),
        }
    }

    pub(super) fn float_inst(&mut self, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let to = self.result(inst);
        let (op, a) = (data.op, data.args[0]);
        let ty = self.ty(data.results[0]);
        let single = ty == LeafKind::Float;
        match op {
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv => {
                if self.cpu.avx {
                    let code = avx(op, single);
                    let b = self.fp_operand(data.args[1]);
                    let a = self.reg(a);
                    return self.x(code, &[O::Def(to, Size::X), O::Use(a, Size::X), b]);
                }
                let code = match (op, single) {
                    (Op::FAdd, true) => Code::Addss_xmm_xmmm32,
                    (Op::FAdd, false) => Code::Addsd_xmm_xmmm64,
                    (Op::FSub, true) => Code::Subss_xmm_xmmm32,
                    (Op::FSub, false) => Code::Subsd_xmm_xmmm64,
                    (Op::FMul, true) => Code::Mulss_xmm_xmmm32,
                    (Op::FMul, false) => Code::Mulsd_xmm_xmmm64,
                    (_, true) => Code::Divss_xmm_xmmm32,
                    (_, false) => Code::Divsd_xmm_xmmm64,
                };
                let b = self.fp_operand(data.args[1]);
                let a = self.reg(a);
                self.x(code, &[O::Mod(to, a, Size::X), b]);
            }
            Op::FpTrunc | Op::FpExt => {
                let code =
                    if op == Op::FpTrunc { Code::Cvtsd2ss_xmm_xmmm64 } else { Code::Cvtss2sd_xmm_xmmm32 };
                let a = self.reg(a);
                self.x(code, &[O::Def(to, Size::X), O::Use(a, Size::X)]);
            }
            Op::SiToFp => {
                // Only the low part is written: clear the rest first, or the old value would be waited for.
                let zero = self.vcode.vreg(ty);
                self.fp_constant(zero, 0);
                let code = if single { Code::Cvtsi2ss_xmm_rm64 } else { Code::Cvtsi2sd_xmm_rm64 };
                let a = self.reg(a);
                self.x(code, &[O::Mod(to, zero, Size::X), O::Use(a, Size::Q)]);
            }
            Op::F64ToSi => {
                let a = self.reg(a);
                let operands = [Operand::reg_def(to), Operand::reg_use_at_end(a)];
                self.add(Kind::F64ToSi, &operands, PRegSet::empty());
            }
            _ => self.bit_cast(to, ty, a),
        }
    }

    fn bit_cast(&mut self, to: VReg, ty: LeafKind, a: Value) {
        let from = self.ty(a);
        let a = self.reg(a);
        match (from, ty) {
            (LeafKind::Double, _) => {
                self.x(Code::Movq_rm64_xmm, &[O::Def(to, Size::Q), O::Use(a, Size::X)]);
            }
            (LeafKind::Float, _) => {
                self.x(Code::Movd_rm32_xmm, &[O::Def(to, Size::D), O::Use(a, Size::X)]);
            }
            (_, LeafKind::Double) => {
                self.x(Code::Movq_xmm_rm64, &[O::Def(to, Size::X), O::Use(a, Size::Q)]);
            }
            (_, LeafKind::Float) => {
                self.x(Code::Movd_xmm_rm32, &[O::Def(to, Size::X), O::Use(a, Size::D)]);
            }
            _ => self.copy(to, a),
        }
    }

    /// Compares by `ucomis`: equal sets Z, less sets C, unordered sets Z, P and C.
    pub(super) fn compare_fp(&mut self, mask: u8, a: Value, b: Value) -> Test {
        let (swap, test) = match mask {
            float::FUNO => (false, Test::One(Cc::P)),
            float::FORD => (false, Test::One(Cc::Np)),
            float::FUEQ => (false, Test::One(Cc::E)),
            float::FONE => (false, Test::One(Cc::Ne)),
            float::FOEQ => (false, Test::Both(Cc::Np, Cc::E)),
            float::FUNE => (false, Test::Either(Cc::P, Cc::Ne)),
            float::FOGT => (false, Test::One(Cc::A)),
            float::FOGE => (false, Test::One(Cc::Ae)),
            float::FULT => (false, Test::One(Cc::B)),
            float::FULE => (false, Test::One(Cc::Be)),
            float::FOLT => (true, Test::One(Cc::A)),
            float::FOLE => (true, Test::One(Cc::Ae)),
            float::FUGT => (true, Test::One(Cc::B)),
            float::FUGE => (true, Test::One(Cc::Be)),
            float::FTRUE => return self.known(true),
            _ => return self.known(false),
        };
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let single = self.ty(a) == LeafKind::Float;
        let b = self.fp_operand(b);
        let a = self.reg(a);
        let code = if single { Code::Ucomiss_xmm_xmmm32 } else { Code::Ucomisd_xmm_xmmm64 };
        self.x(code, &[O::Use(a, Size::X), b]);
        test
    }

    /// Flags of a comparison whose outcome is known (the optimizer leaves none; unoptimized code has them).
    fn known(&mut self, truth: bool) -> Test {
        let zero = self.word();
        self.constant(zero, 0);
        self.x(Code::Test_rm32_r32, &[O::Use(zero, Size::D), O::Use(zero, Size::D)]);
        Test::One(if truth { Cc::E } else { Cc::Ne })
    }
}
