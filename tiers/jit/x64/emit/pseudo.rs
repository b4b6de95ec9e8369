//! Machine instructions that are several instructions of the CPU.

use super::{Emit, set_memory};
use crate::x64::inst::{Cc, Kind, MBlock, Target, Test};
use crate::x64::regs::{Size, named};
use iced_x86::{Code, Instruction, OpKind, Register};
use regalloc2::Allocation;

impl Emit<'_> {
    pub(super) fn divide(&mut self, size: Size, signed: Option<bool>, rem: bool, allocs: &[Allocation]) {
        let Some(divisor) = allocs[1].as_reg() else { return };
        let wide = size == Size::Q;
        let unary = |emit: &mut Self, code: Code| {
            let mut instruction = Instruction::default();
            instruction.set_code(code);
            instruction.set_op0_kind(OpKind::Register);
            instruction.set_op0_register(named(divisor, size));
            emit.encode(instruction, None);
        };
        let Some(minus_one) = signed else {
            self.rr(Code::Xor_r32_rm32, Register::EDX, Register::EDX);
            return unary(self, if wide { Code::Div_rm64 } else { Code::Div_rm32 });
        };
        let skip = minus_one.then(|| {
            let mut instruction = Instruction::default();
            instruction.set_code(if wide { Code::Cmp_rm64_imm8 } else { Code::Cmp_rm32_imm8 });
            instruction.set_op0_kind(OpKind::Register);
            instruction.set_op0_register(named(divisor, size));
            instruction.set_op_kind(1, if wide { OpKind::Immediate8to64 } else { OpKind::Immediate8to32 });
            if wide {
                instruction.set_immediate8to64(-1);
            } else {
                instruction.set_immediate8to32(-1);
            }
            self.encode(instruction, None);
            self.skip_if(Cc::E)
        });
        // cqo or cdq
        self.raw(if wide { &[0x48, 0x99] } else { &[0x99] });
        unary(self, if wide { Code::Idiv_rm64 } else { Code::Idiv_rm32 });
        if let Some(skip) = skip {
            let end = self.skip();
            self.land(skip);
            if rem {
                self.rr(Code::Xor_r32_rm32, Register::EDX, Register::EDX);
            } else {
                self.raw(if wide { &[0x48, 0xf7, 0xd8] } else { &[0xf7, 0xd8] });
            }
            self.land(end);
        }
    }

    pub(super) fn select_fp(&mut self, test: Test, allocs: &[Allocation]) {
        let (Some(to), Some(yes)) = (allocs[0].as_reg(), allocs[2].as_reg()) else { return };
        let (to, yes) = (named(to, Size::X), named(yes, Size::X));
        match test {
            Test::One(cc) => {
                let end = self.skip_if(cc.negate());
                self.rr(Code::Movaps_xmm_xmmm128, to, yes);
                self.land(end);
            }
            Test::Both(a, b) => {
                let (first, second) = (self.skip_if(a.negate()), self.skip_if(b.negate()));
                self.rr(Code::Movaps_xmm_xmmm128, to, yes);
                self.land(first);
                self.land(second);
            }
            Test::Either(a, b) => {
                let (take, end) = (self.skip_if(a), self.skip_if(b.negate()));
                self.land(take);
                self.rr(Code::Movaps_xmm_xmmm128, to, yes);
                self.land(end);
            }
        }
    }

    /// ```text
    ///     cvttsd2si to, x         gives the least number when x is out of range or NaN
    ///     cmp to, 1; jno end      which is the one number that overflows here
    ///     ucomisd x, x; mov to, 0; jp end
    ///     movq to, x; not to; shr to, 63; add to, least - … : the greatest number for x > 0, the least for x < 0
    /// ```
    pub(super) fn f64_to_si(&mut self, allocs: &[Allocation]) {
        let (Some(to), Some(from)) = (allocs[0].as_reg(), allocs[1].as_reg()) else { return };
        let (to64, to32, x) = (named(to, Size::Q), named(to, Size::D), named(from, Size::X));
        self.rr(Code::Cvttsd2si_r64_xmmm64, to64, x);
        self.immediate(Code::Cmp_rm64_imm8, to64, OpKind::Immediate8to64, 1);
        // jno
        self.raw(&[0x71, 0]);
        let in_range = self.offset();
        self.rr(Code::Ucomisd_xmm_xmmm64, x, x);
        self.immediate(Code::Mov_r32_imm32, to32, OpKind::Immediate32, 0);
        let nan = self.skip_if(Cc::P);
        // Sign of x: 0 gives the greatest number (0 - 1 with the top bit cleared), 1 the least.
        self.rr(Code::Movq_rm64_xmm, to64, x);
        self.immediate(Code::Sar_rm64_imm8, to64, OpKind::Immediate8, 63);
        // 0 or -1; flipping all bits but the top one of the complement: 0 -> 0x7fff…, -1 -> 0x8000…
        self.immediate(Code::Btc_rm64_imm8, to64, OpKind::Immediate8, 63);
        self.raw_not(to64);
        self.land(nan);
        self.land(in_range);
    }

    pub(super) fn raw_not(&mut self, register: Register) {
        let mut instruction = Instruction::default();
        instruction.set_code(Code::Not_rm64);
        instruction.set_op0_kind(OpKind::Register);
        instruction.set_op0_register(register);
        self.encode(instruction, None);
    }

    pub(super) fn jump_table(&mut self, table: u32, allocs: &[Allocation]) {
        let (Some(index), Some(offset), Some(base)) =
            (allocs[0].as_reg(), allocs[1].as_reg(), allocs[2].as_reg())
        else {
            return;
        };
        let entries = &self.code.tables[table as usize];
        let count = entries.len() as i64;
        let default = self.default_of(table);
        self.immediate(Code::Cmp_rm64_imm32, named(index, Size::Q), OpKind::Immediate32to64, count);
        self.jump_if(Cc::Ae, default);
        let mut lea = Instruction::default();
        lea.set_code(Code::Lea_r64_m);
        lea.set_op0_kind(OpKind::Register);
        lea.set_op0_register(named(base, Size::Q));
        lea.set_op_kind(1, OpKind::Memory);
        self.encode(lea, Some(Target::Table(table)));
        let mut load = Instruction::default();
        load.set_code(Code::Movsxd_r64_rm32);
        load.set_op0_kind(OpKind::Register);
        load.set_op0_register(named(offset, Size::Q));
        load.set_op_kind(1, OpKind::Memory);
        set_memory(&mut load, named(base, Size::Q), named(index, Size::Q), 4, 0);
        self.encode(load, None);
        self.rr(Code::Add_r64_rm64, named(base, Size::Q), named(offset, Size::Q));
        let mut jump = Instruction::default();
        jump.set_code(Code::Jmp_rm64);
        jump.set_op0_kind(OpKind::Register);
        jump.set_op0_register(named(base, Size::Q));
        self.encode(jump, None);
    }

    /// The default of a jump table: the first successor of its block.
    pub(super) fn default_of(&self, table: u32) -> MBlock {
        let is_it = |inst: u32| matches!(self.code.insts[inst as usize].kind, Kind::JumpTable(number) if number == table);
        let block = self.code.blocks.iter().find(|block| block.insts.end > 0 && is_it(block.insts.end - 1));
        block.map_or(0, |block| block.succs[0].index() as MBlock)
    }
}
