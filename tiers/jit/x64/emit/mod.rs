//! Emission: from allocated machine instructions to bytes.
//!
//! Instructions are encoded one by one by iced's `Encoder`; jumps are written here, short where the target is known to be
//! near, and patched when all labels are known. Constants and jump tables follow the code. Addresses outside the
//! function (entry cells) are left as relocations, so the bytes can be made before there is a place for them.
//! In debug builds every encoded instruction is decoded again and compared.
//!
//! ```text
//! entry:      cmp rsp, [r15]        stack limit and safepoint poll; not in leaves
//!             jb slow
//!             push rbp; mov rbp, rsp; sub rsp, frame
//!             …
//!             leave; ret
//! slow:       lea r11, [entry]; jmp [r15 + prologue_slow]
//! rbp + 8     return address
//! rbp         caller's rbp
//! rbp - …     cells, then spill slots
//! ```

mod jumps;
mod pseudo;

use super::inst::{Arg, Base, Cc, Goal, Kept, Kind, MBlock, Mem, Target, VCode};
use super::regs::{Size, named};
use super::replay::PollMaps;
use crate::code::helpers;
use crate::ssa::Ty;
use crate::thread_area as thread;
use iced_x86::{Code, Encoder, Instruction, OpKind, Register};
use mu_ir::ids::FuncId;
use regalloc2::{Allocation, Edit, Inst, InstOrEdit, Output, RegClass};

/// Frames up to this size are covered by the room below the stack limit; larger ones check for themselves.
pub const RED_ZONE_BYTES: i32 = 4096;

/// Where a relocation points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelocTarget {
    /// The entry cell of a function.
    Cell(FuncId),
    /// The table of entry cells.
    Cells,
}

/// A 32-bit distance that depends on where the code is put: from the end of the field, which is the end of the
/// instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloc {
    /// Where the field is.
    pub offset: u32,
    /// What it points to.
    pub target: RelocTarget,
}

/// Where a leaf of a keep-alive variable is while its frame waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptAt {
    /// In the frame, at this distance from rbp.
    Slot(i32, Ty),
    /// Known beforehand.
    Const(u64, Ty),
}

/// A place where other code can run while this frame waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Safepoint {
    /// Offset of the return address.
    pub offset: u32,
    /// The references of the frame: offset from rbp, kind.
    pub slots: Vec<(i32, Ty)>,
    /// The leaves of the keep-alive variables, in order.
    pub kept: Vec<KeptAt>,
    /// The references in registers, by hardware number: at a poll, whose slow path saves them.
    pub regs: Vec<(u8, Ty)>,
    /// Where an exception continues, by offset.
    pub landing: Option<u32>,
    /// The Mu instruction.
    pub source: u32,
}

/// The code of a function version, not yet at its place.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// Code, constants, jump tables.
    pub bytes: Vec<u8>,
    /// How many of the bytes are instructions.
    pub code_bytes: u32,
    /// What depends on the place.
    pub relocs: Vec<Reloc>,
    /// Safepoints, by offset.
    pub safepoints: Vec<Safepoint>,
    /// Where the code of each Mu instruction begins: offset, number of its source.
    pub sources: Vec<(u32, u32)>,
    /// Bytes below rbp.
    pub frame_bytes: u32,
    /// Number of machine instructions.
    pub inst_count: u32,
}

/// Emits a function, its blocks in the order `placed`. Twice: the second time, jumps forward know about how far they go
/// (not farther than the first time, since nothing gets longer).
pub fn emit(code: &VCode, output: &Output, placed: &[MBlock], polls: &PollMaps) -> Emitted {
    let (first, labels) = emit_once(code, output, placed, polls, None);
    let has_jumps = code.blocks.len() > 2;
    if has_jumps { emit_once(code, output, placed, polls, Some(&labels)).0 } else { first }
}

/// Emits; with the labels of an earlier emission if there was one. Gives the labels.
fn emit_once(
    code: &VCode,
    output: &Output,
    placed: &[MBlock],
    polls: &PollMaps,
    before: Option<&[Option<u32>]>,
) -> (Emitted, Vec<Option<u32>>) {
    let slots = output.num_spillslots as u32;
    let frame_bytes = (code.cell_bytes + 8 * slots).next_multiple_of(16);
    let mut emit = Emit {
        code,
        output,
        encoder: Encoder::new(64),
        labels: vec![None; code.blocks.len()],
        before,
        block: 0,
        fixups: Vec::new(),
        short_fixups: Vec::new(),
        poll_fixups: Vec::new(),
        data_fixups: Vec::new(),
        out: Emitted {
            bytes: Vec::new(),
            code_bytes: 0,
            relocs: Vec::new(),
            safepoints: Vec::new(),
            sources: Vec::new(),
            frame_bytes,
            inst_count: 0,
        },
        landings: Vec::new(),
        forward: Vec::new(),
        source: u32::MAX,
        next: 0,
    };
    emit.thread_jumps();
    let slow = emit.prologue();
    let placed: Vec<MBlock> =
        placed.iter().copied().filter(|&block| emit.forward[block as usize] == block).collect();
    for (at, &block) in placed.iter().enumerate() {
        emit.next = placed.get(at + 1).copied().unwrap_or(MBlock::MAX);
        emit.block(block as usize);
    }
    emit.poll_paths(polls);
    if let Some(slow) = slow {
        emit.slow_path(slow);
    }
    emit.finish()
}

struct Emit<'a> {
    code: &'a VCode,
    output: &'a Output,
    encoder: Encoder,
    /// Offset of each block.
    labels: Vec<Option<u32>>,
    /// Where blocks were when the code was emitted the first time.
    before: Option<&'a [Option<u32>]>,
    /// The block being emitted.
    block: MBlock,
    /// 8-bit jump distances to blocks.
    short_fixups: Vec<(u32, MBlock)>,
    /// Polls: where they jump to their slow paths, and the instruction.
    poll_fixups: Vec<(u32, u32)>,
    /// 32-bit jump distances to blocks.
    fixups: Vec<(u32, MBlock)>,
    /// 32-bit distances to constants and tables.
    data_fixups: Vec<(u32, Target)>,
    out: Emitted,
    /// Safepoints with an exceptional continuation.
    landings: Vec<(usize, MBlock)>,
    /// Where jumps to each block really go: past blocks that only jump on.
    forward: Vec<MBlock>,
    source: u32,
    /// The block that follows the one being emitted.
    next: MBlock,
}

impl Emit<'_> {
    /// Finds the blocks that hold nothing but a jump.
    fn thread_jumps(&mut self) {
        let count = self.code.blocks.len();
        self.forward = (0..count as MBlock).collect();
        for block in 0..count {
            let mut only = None;
            let mut items = 0;
            for item in self.output.block_insts_and_edits(self.code, regalloc2::Block::new(block)) {
                match item {
                    InstOrEdit::Inst(inst) => {
                        items += 1;
                        only = Some(inst);
                    }
                    InstOrEdit::Edit(Edit::Move { from, to }) => items += usize::from(from != to),
                }
            }
            if let (1, Some(inst)) = (items, only)
                && let Kind::Jump(to) = self.code.insts[inst.index()].kind
                && to as usize != block
                && block != 0
            {
                self.forward[block] = to;
            }
        }
        for block in 0..count {
            let mut to = self.forward[block];
            // A cycle of empty blocks is an endless loop: stop somewhere in it.
            for _ in 0..count {
                let next = self.forward[to as usize];
                if next == to {
                    break;
                }
                to = next;
            }
            self.forward[block] = to;
        }
    }

    fn offset(&self) -> u32 {
        self.out.bytes.len() as u32
    }

    // ---- encoding

    /// Encodes one instruction. A memory operand relative to the instruction pointer is left for a fix-up.
    fn encode(&mut self, mut instruction: Instruction, target: Option<Target>) {
        let at = self.offset();
        if target.is_some() {
            instruction.set_memory_base(Register::RIP);
            instruction.set_memory_displ_size(8);
            instruction.set_memory_displacement64(u64::from(at));
        }
        let length = self.encoder.encode(&instruction, u64::from(at));
        let mut bytes = self.encoder.take_buffer();
        debug_assert!(length.is_ok(), "{:?}: {:?}", instruction.code(), length);
        if cfg!(debug_assertions) {
            check_encoding(&instruction, &bytes, u64::from(at));
        }
        self.out.bytes.extend_from_slice(&bytes);
        bytes.clear();
        self.encoder.set_buffer(bytes);
        self.out.inst_count += 1;
        if let Some(target) = target {
            // An immediate may follow the displacement.
            let constants = self.encoder.get_constant_offsets();
            let field = at + constants.displacement_offset() as u32;
            debug_assert_eq!(field + 4, self.offset(), "relocated instructions have no immediates");
            match target {
                Target::Pool(_) | Target::Table(_) => self.data_fixups.push((field, target)),
                Target::Cell(func) => {
                    self.out.relocs.push(Reloc { offset: field, target: RelocTarget::Cell(func) });
                }
                Target::Cells => self.out.relocs.push(Reloc { offset: field, target: RelocTarget::Cells }),
            }
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.bytes.extend_from_slice(bytes);
        self.out.inst_count += 1;
    }

    /// An instruction on two registers.
    fn rr(&mut self, code: Code, to: Register, from: Register) {
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        instruction.set_op0_kind(OpKind::Register);
        instruction.set_op0_register(to);
        instruction.set_op_kind(1, OpKind::Register);
        instruction.set_op_register(1, from);
        self.encode(instruction, None);
    }

    /// An instruction on a register and memory, in the order of the code.
    fn rm(&mut self, code: Code, register: Register, base: Register, disp: i32, memory_first: bool) {
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        let (memory, reg) = if memory_first { (0, 1) } else { (1, 0) };
        instruction.set_op_kind(reg, OpKind::Register);
        instruction.set_op_register(reg, register);
        instruction.set_op_kind(memory, OpKind::Memory);
        set_memory(&mut instruction, base, Register::None, 1, disp);
        self.encode(instruction, None);
    }

    // ---- function

    /// The prologue. Gives the offset of the field that jumps to the slow path, if there is one.
    fn prologue(&mut self) -> Option<u32> {
        let frame = self.out.frame_bytes as i32;
        let mut slow = None;
        // A leaf with a small frame can neither overflow the stack nor run for long without a poll.
        if self.code.has_calls || frame > RED_ZONE_BYTES {
            if frame > RED_ZONE_BYTES {
                self.rm(Code::Lea_r64_m, Register::R11, Register::RSP, -frame, false);
                self.rm(Code::Cmp_r64_rm64, Register::R11, Register::R15, thread::STACK_LIMIT, false);
            } else {
                self.rm(Code::Cmp_r64_rm64, Register::RSP, Register::R15, thread::STACK_LIMIT, false);
            }
            self.raw(&[0x0f, 0x80 + Cc::B as u8, 0, 0, 0, 0]);
            slow = Some(self.offset() - 4);
        }
        self.raw(&[0x55]);
        self.rr(Code::Mov_r64_rm64, Register::RBP, Register::RSP);
        if frame != 0 {
            let mut instruction = Instruction::default();
            let short = frame < 128;
            instruction.set_code(if short { Code::Sub_rm64_imm8 } else { Code::Sub_rm64_imm32 });
            instruction.set_op0_kind(OpKind::Register);
            instruction.set_op0_register(Register::RSP);
            if short {
                instruction.set_op_kind(1, OpKind::Immediate8to64);
                instruction.set_immediate8to64(i64::from(frame));
            } else {
                instruction.set_op_kind(1, OpKind::Immediate32to64);
                instruction.set_immediate32to64(i64::from(frame));
            }
            self.encode(instruction, None);
        }
        slow
    }

    /// The slow paths of polls: a call of the stub, which saves everything, and back.
    fn poll_paths(&mut self, polls: &PollMaps) {
        for (field, inst) in std::mem::take(&mut self.poll_fixups) {
            let here = self.offset();
            self.patch(field, here);
            let mut instruction = Instruction::default();
            instruction.set_code(Code::Call_rm64);
            instruction.set_op0_kind(OpKind::Memory);
            set_memory(&mut instruction, Register::R15, Register::None, 1, thread::POLL);
            self.encode(instruction, None);
            let source = self.code.insts[inst as usize].source;
            let mut safepoint = Safepoint {
                offset: self.offset(),
                slots: Vec::new(),
                kept: Vec::new(),
                regs: Vec::new(),
                landing: None,
                source,
            };
            for &(alloc, vreg) in polls.get(&inst).into_iter().flatten() {
                let ty = self.code.ty(vreg);
                match (alloc.as_reg(), self.slot(alloc)) {
                    (Some(reg), _) => safepoint.regs.push((reg.hw_enc() as u8, ty)),
                    (None, Some(slot)) => safepoint.slots.push((slot, ty)),
                    (None, None) => {}
                }
            }
            self.out.safepoints.push(safepoint);
            self.raw(&[0xe9, 0, 0, 0, 0]);
            self.patch(self.offset() - 4, field + 4);
        }
    }

    fn slow_path(&mut self, field: u32) {
        let here = self.offset();
        self.patch(field, here);
        // lea r11, [entry]
        self.raw(&[0x4c, 0x8d, 0x1d, 0, 0, 0, 0]);
        self.patch(self.offset() - 4, 0);
        self.jump_to_thread(thread::PROLOGUE_SLOW);
    }

    /// `jmp [r15 + offset]`
    fn jump_to_thread(&mut self, offset: i32) {
        let mut instruction = Instruction::default();
        instruction.set_code(Code::Jmp_rm64);
        instruction.set_op0_kind(OpKind::Memory);
        set_memory(&mut instruction, Register::R15, Register::None, 1, offset);
        self.encode(instruction, None);
    }

    fn block(&mut self, block: usize) {
        self.labels[block] = Some(self.offset());
        self.block = block as MBlock;
        let output = self.output;
        for item in output.block_insts_and_edits(self.code, regalloc2::Block::new(block)) {
            match item {
                InstOrEdit::Edit(Edit::Move { from, to }) => self.move_value(*from, *to),
                InstOrEdit::Inst(inst) => self.inst(inst),
            }
        }
    }

    /// The offset of a spill slot from rbp.
    fn slot(&self, allocation: Allocation) -> Option<i32> {
        let slot = allocation.as_stack()?;
        Some(-(self.code.cell_bytes as i32) - 8 * (slot.index() as i32 + 1))
    }

    fn move_value(&mut self, from: Allocation, to: Allocation) {
        if from == to {
            return;
        }
        match (from.as_reg(), to.as_reg()) {
            (Some(from), Some(to)) if from.class() == RegClass::Int => {
                self.rr(Code::Mov_r64_rm64, named(to, Size::Q), named(from, Size::Q));
            }
            (Some(from), Some(to)) => {
                self.rr(Code::Movaps_xmm_xmmm128, named(to, Size::X), named(from, Size::X));
            }
            (Some(from), None) => {
                let disp = self.slot(to).unwrap_or(0);
                let (code, size) = match from.class() {
                    RegClass::Int => (Code::Mov_rm64_r64, Size::Q),
                    RegClass::Float | RegClass::Vector => (Code::Movsd_xmmm64_xmm, Size::X),
                };
                self.rm(code, named(from, size), Register::RBP, disp, true);
            }
            (None, Some(to)) => {
                let disp = self.slot(from).unwrap_or(0);
                let (code, size) = match to.class() {
                    RegClass::Int => (Code::Mov_r64_rm64, Size::Q),
                    RegClass::Float | RegClass::Vector => (Code::Movsd_xmm_xmmm64, Size::X),
                };
                self.rm(code, named(to, size), Register::RBP, disp, false);
            }
            (None, None) => debug_assert!(false, "the allocator makes no moves between slots"),
        }
    }

    fn inst(&mut self, inst: Inst) {
        let data = &self.code.insts[inst.index()];
        if self.source != data.source {
            self.source = data.source;
            self.out.sources.push((self.offset(), data.source));
        }
        let output = self.output;
        let allocs = output.inst_allocs(inst);
        match &data.kind {
            Kind::X { code, args, mem, imm, lock } => self.x(*code, args, *mem, *imm, *lock, allocs),
            Kind::Args => {}
            Kind::Jump(to) => self.jump_unless_next(*to),
            Kind::Branch { test, then, other } => self.branch(*test, *then, *other),
            Kind::JumpTable(table) => self.jump_table(*table, allocs),
            Kind::Call { goal, landing, normal, own, kept } => {
                self.call(*goal, allocs);
                self.safepoint(inst, *own as usize, kept, *landing);
                if let Some(normal) = normal {
                    self.jump_unless_next(*normal);
                }
            }
            Kind::Help(helper) => {
                let mut instruction = Instruction::default();
                instruction.set_code(Code::Mov_r64_imm64);
                instruction.set_op0_kind(OpKind::Register);
                instruction.set_op0_register(Register::RAX);
                instruction.set_op_kind(1, OpKind::Immediate64);
                instruction.set_immediate64(helpers::address(*helper));
                self.encode(instruction, None);
                self.raw(&[0xff, 0xd0]);
            }
            Kind::Ret => self.raw(&[0xc9, 0xc3]),
            Kind::TailCall(goal) => {
                self.raw(&[0xc9]);
                self.goal(Code::Jmp_rm64, *goal, allocs);
            }
            Kind::Throw => self.jump_to_thread(thread::THROW),
            Kind::Divide { size, signed, rem } => self.divide(*size, *signed, *rem, allocs),
            Kind::SelectFp(test) => self.select_fp(*test, allocs),
            Kind::Poll => {
                self.rm(Code::Cmp_r64_rm64, Register::RSP, Register::R15, thread::STACK_LIMIT, false);
                self.raw(&[0x0f, 0x80 + Cc::B as u8, 0, 0, 0, 0]);
                self.poll_fixups.push((self.offset() - 4, inst.index() as u32));
            }
            Kind::ZeroFp => {
                if let Some(to) = allocs[0].as_reg() {
                    let to = named(to, Size::X);
                    self.rr(Code::Xorps_xmm_xmmm128, to, to);
                }
            }
            Kind::F64ToSi => self.f64_to_si(allocs),
            Kind::Unreachable => self.raw(&[0x0f, 0x0b]),
        }
    }

    fn x(&mut self, code: Code, args: &[Arg; 3], mem: Mem, imm: u64, lock: bool, allocs: &[Allocation]) {
        let moves = matches!(code, Code::Mov_r64_rm64 | Code::Movaps_xmm_xmmm128)
            && matches!((args[0], args[1]), (Arg::Op(a, _), Arg::Op(b, _)) if allocs[a as usize] == allocs[b as usize]);
        if moves {
            return;
        }
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        instruction.set_has_lock_prefix(
            lock && !matches!(
                code,
                Code::Xchg_rm8_r8 | Code::Xchg_rm16_r16 | Code::Xchg_rm32_r32 | Code::Xchg_rm64_r64
            ),
        );
        let mut target = None;
        for (at, &arg) in args.iter().enumerate() {
            let at = at as u32;
            let kind = match arg {
                Arg::None => break,
                Arg::Op(operand, size) => {
                    if let Some(reg) = allocs[operand as usize].as_reg() {
                        instruction.set_op_register(at, named(reg, size));
                    }
                    OpKind::Register
                }
                Arg::Mem => {
                    target = self.memory(&mut instruction, mem, allocs);
                    OpKind::Memory
                }
                Arg::Imm8 => OpKind::Immediate8,
                Arg::Imm8to32 => OpKind::Immediate8to32,
                Arg::Imm8to64 => OpKind::Immediate8to64,
                Arg::Imm32 => OpKind::Immediate32,
                Arg::Imm32to64 => OpKind::Immediate32to64,
                Arg::Imm64 => OpKind::Immediate64,
            };
            instruction.set_op_kind(at, kind);
            match arg {
                Arg::None | Arg::Op(..) | Arg::Mem => {}
                Arg::Imm8 => instruction.set_immediate8(imm as u8),
                Arg::Imm8to32 => instruction.set_immediate8to32(imm as i32),
                Arg::Imm8to64 => instruction.set_immediate8to64(imm as i64),
                Arg::Imm32 => instruction.set_immediate32(imm as u32),
                Arg::Imm32to64 => instruction.set_immediate32to64(imm as i64),
                Arg::Imm64 => instruction.set_immediate64(imm),
            }
        }
        self.encode(instruction, target);
    }

    /// Sets the memory operand; gives what it is relative to, if it is to the instruction pointer.
    fn memory(&self, instruction: &mut Instruction, mem: Mem, allocs: &[Allocation]) -> Option<Target> {
        let register =
            |operand: u8| allocs[operand as usize].as_reg().map_or(Register::None, |reg| named(reg, Size::Q));
        let index = mem.index.map_or(Register::None, register);
        let base = match mem.base {
            Base::None => Register::None,
            Base::Op(operand) => register(operand),
            Base::Frame => Register::RBP,
            Base::Thread => Register::R15,
            Base::Rip(target) => return Some(target),
        };
        set_memory(instruction, base, index, mem.scale, mem.disp);
        None
    }

    fn goal(&mut self, code: Code, goal: Goal, allocs: &[Allocation]) {
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        instruction.set_op0_kind(OpKind::Memory);
        match goal {
            Goal::Func(func) => self.encode(instruction, Some(Target::Cell(func))),
            Goal::Indirect => {
                let register =
                    |at: usize| allocs[at].as_reg().map_or(Register::None, |reg| named(reg, Size::Q));
                set_memory(&mut instruction, register(0), register(1), 8, 0);
                self.encode(instruction, None);
            }
        }
    }

    fn call(&mut self, goal: Goal, allocs: &[Allocation]) {
        self.goal(Code::Call_rm64, goal, allocs);
    }

    /// Notes the map of the call that was just emitted.
    fn safepoint(&mut self, inst: Inst, own: usize, kept: &[Kept], landing: Option<MBlock>) {
        let (allocs, operands) = (self.output.inst_allocs(inst), self.code.operands_of(inst.index()));
        let place = |at: usize| {
            let slot = self.slot(allocs[at]);
            debug_assert!(slot.is_some(), "a value that lives across a call is not on the stack");
            (slot.unwrap_or(0), self.code.ty(operands[at].vreg()))
        };
        let slots = (own..operands.len()).map(place).filter(|(_, ty)| ty.is_root()).collect();
        let kept = kept.iter().map(|kept| match *kept {
            Kept::Operand(at) => {
                let (slot, ty) = place(usize::from(at));
                KeptAt::Slot(slot, ty)
            }
            Kept::Const(bits, ty) => KeptAt::Const(bits, ty),
        });
        let kept = kept.collect();
        if let Some(landing) = landing {
            self.landings.push((self.out.safepoints.len(), landing));
        }
        let source = self.code.insts[inst.index()].source;
        let offset = self.offset();
        self.out.safepoints.push(Safepoint { offset, slots, kept, regs: Vec::new(), landing: None, source });
    }

    fn immediate(&mut self, code: Code, register: Register, kind: OpKind, value: i64) {
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        instruction.set_op0_kind(OpKind::Register);
        instruction.set_op0_register(register);
        instruction.set_op_kind(1, kind);
        match kind {
            OpKind::Immediate8 => instruction.set_immediate8(value as u8),
            OpKind::Immediate8to64 => instruction.set_immediate8to64(value),
            OpKind::Immediate8to32 => instruction.set_immediate8to32(value as i32),
            _ => instruction.set_immediate32(value as u32),
        }
        self.encode(instruction, None);
    }

    // ---- the end

    fn patch(&mut self, field: u32, target: u32) {
        let distance = (i64::from(target) - i64::from(field) - 4) as i32;
        self.out.bytes[field as usize..field as usize + 4].copy_from_slice(&distance.to_le_bytes());
    }

    fn finish(mut self) -> (Emitted, Vec<Option<u32>>) {
        self.out.code_bytes = self.offset();
        while !self.offset().is_multiple_of(8) {
            self.out.bytes.push(0xcc);
        }
        let pool = self.offset();
        for &word in &self.code.pool {
            self.out.bytes.extend_from_slice(&word.to_le_bytes());
        }
        let mut tables = Vec::new();
        for table in &self.code.tables {
            let start = self.offset();
            tables.push(start);
            for &entry in table {
                let label = self.labels[self.forward[entry as usize] as usize].unwrap_or(0);
                let distance = (i64::from(label) - i64::from(start)) as i32;
                self.out.bytes.extend_from_slice(&distance.to_le_bytes());
            }
        }
        for (field, target) in std::mem::take(&mut self.data_fixups) {
            let at = match target {
                Target::Pool(word) => pool + 8 * word,
                Target::Table(table) => tables[table as usize],
                Target::Cell(_) | Target::Cells => continue,
            };
            self.patch(field, at);
        }
        for (field, to) in std::mem::take(&mut self.fixups) {
            let label = self.labels[to as usize].unwrap_or(0);
            self.patch(field, label);
        }
        for (field, to) in std::mem::take(&mut self.short_fixups) {
            let label = self.labels[to as usize].unwrap_or(0);
            let distance = i64::from(label) - i64::from(field) - 1;
            assert!((0..128).contains(&distance), "a short jump goes too far: {distance}");
            self.out.bytes[field as usize] = distance as u8;
        }
        for (safepoint, landing) in std::mem::take(&mut self.landings) {
            self.out.safepoints[safepoint].landing = self.labels[self.forward[landing as usize] as usize];
        }
        (self.out, self.labels)
    }
}

fn set_memory(instruction: &mut Instruction, base: Register, index: Register, scale: u8, disp: i32) {
    instruction.set_memory_base(base);
    instruction.set_memory_index(index);
    instruction.set_memory_index_scale(u32::from(scale));
    instruction.set_memory_displacement64(i64::from(disp) as u64);
    // rbp and r13 as a base always take a displacement, and no base takes a long one; the encoder sees to both.
    let size = match (base, i8::try_from(disp)) {
        (Register::None, _) => 4,
        (Register::RBP | Register::R13, Ok(0)) => 1,
        (_, Ok(0)) => 0,
        (_, Ok(_)) => 1,
        (_, Err(_)) => 8,
    };
    instruction.set_memory_displ_size(size);
}

/// Decodes what was encoded and compares.
fn check_encoding(instruction: &Instruction, bytes: &[u8], rip: u64) {
    let mut decoder = iced_x86::Decoder::with_ip(64, bytes, rip, iced_x86::DecoderOptions::NONE);
    let decoded = decoder.decode();
    let count = decoded.op_count();
    let same = decoded.code() == instruction.code()
        && decoded.len() == bytes.len()
        && (0..count).all(|at| decoded.op_kind(at) == instruction.op_kind(at))
        && (0..count).all(|at| {
            decoded.op_kind(at) != OpKind::Register || decoded.op_register(at) == instruction.op_register(at)
        })
        && decoded.memory_base() == instruction.memory_base()
        && decoded.memory_index() == instruction.memory_index()
        && (decoded.memory_index() == Register::None
            || decoded.memory_index_scale() == instruction.memory_index_scale())
        && decoded.memory_displacement64() == instruction.memory_displacement64()
        && decoded.has_lock_prefix() == instruction.has_lock_prefix();
    debug_assert!(same, "encoded {instruction:?}, decoded {decoded:?}");
}
