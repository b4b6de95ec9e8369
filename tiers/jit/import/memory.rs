//! ALLOCA, addresses, loads, stores, atomics (instruction-set: memory operations).
//!
//! Without an EXC clause nothing is checked: NULL is the client's fault. With one, the test stands before the access.

use super::{Done, Importer, Leaves};
use crate::import::Unsupported;
use crate::ssa::{Cond, I1, I64, Op, Slot, Value};
use mu_ir::inst::{Inst, Linked};
use mu_ir::table::{MemOrder, RmwOp};
use mu_rt::layout::{Layout, LeafKind, Shape};

/// Larger cells stay with the interpreter, whose stacks check every frame.
const CELL_BYTES_MAX: u64 = 4096;

impl Importer<'_> {
    pub(super) fn alloca(&mut self, inst: &Inst<Linked>, block: usize) -> Done {
        if self.cyclic[block] {
            return Err(Unsupported::Form(inst.op, "in a loop"));
        }
        let canon = self.program.types.canon(inst.types[0]);
        let layout = self.layout(canon);
        if layout.size_bytes > CELL_BYTES_MAX {
            return Err(Unsupported::Form(inst.op, "a large cell"));
        }
        if layout.align_bytes > 16 {
            return Err(Unsupported::Form(inst.op, "an alignment above 16"));
        }
        self.func.slots.push(Slot {
            ty: canon,
            size_bytes: layout.size_bytes,
            align_bytes: layout.align_bytes,
            promoted: false,
            has_refs: layout.has_refs(),
        });
        let slot = self.func.slots.len() as u32 - 1;
        let address = self.op(Op::Alloca(slot), LeafKind::IRef, &[]);
        self.define_result(inst, Leaves::from_slice(&[address]));
        self.go_on(inst)
    }

    pub(super) fn get_iref(&mut self, inst: &Inst<Linked>) -> Done {
        let object = self.scalar(inst.args[0])?;
        let address = self.retype(object, LeafKind::IRef);
        self.define_result(inst, Leaves::from_slice(&[address]));
        Ok(())
    }

    fn offset(&mut self, inst: &Inst<Linked>, bytes: u64) -> Done {
        if bytes == Layout::TOO_LARGE {
            return Err(Unsupported::Form(inst.op, "an offset beyond the address space"));
        }
        let base = self.scalar(inst.args[0])?;
        let address = match bytes {
            0 => base,
            _ => {
                let ty = self.func.ty(base);
                self.op(Op::Offset(bytes as i64), ty, &[base])
            }
        };
        self.define_result(inst, Leaves::from_slice(&[address]));
        Ok(())
    }

    pub(super) fn field_iref(&mut self, inst: &Inst<Linked>) -> Done {
        let bytes = self.layout(inst.types[0]).fields()[inst.attrs.literal as usize].offset_bytes;
        self.offset(inst, bytes)
    }

    pub(super) fn var_part_iref(&mut self, inst: &Inst<Linked>) -> Done {
        let bytes = match self.layout(inst.types[0]).shape {
            Shape::Hybrid { var_offset, .. } => var_offset,
            _ => 0,
        };
        self.offset(inst, bytes)
    }

    pub(super) fn elem_iref(&mut self, inst: &Inst<Linked>) -> Done {
        let layout = self.layout(inst.types[0]);
        let stride = match layout.shape {
            Shape::Array { stride, .. } => stride,
            _ => layout.size_bytes,
        };
        self.index_iref(inst, stride)
    }

    pub(super) fn shift_iref(&mut self, inst: &Inst<Linked>) -> Done {
        let stride = self.layout(inst.types[0]).size_bytes;
        self.index_iref(inst, stride)
    }

    fn index_iref(&mut self, inst: &Inst<Linked>, stride: u64) -> Done {
        if stride == Layout::TOO_LARGE {
            return Err(Unsupported::Form(inst.op, "an offset beyond the address space"));
        }
        let base = self.scalar(inst.args[0])?;
        let index = self.value_as(inst.args[1], inst.types[1])?;
        // The index is signed; of a wide one, the low word is all that can matter inside an array.
        let index = match self.func.ty(index[0]) {
            LeafKind::Int(64) => index[0],
            _ => self.op(Op::SExt, I64, &[index[0]]),
        };
        let ty = self.func.ty(base);
        let address = self.op(Op::Index(stride as i64), ty, &[base, index]);
        self.define_result(inst, Leaves::from_slice(&[address]));
        Ok(())
    }

    /// The address of an access, after the test for NULL if there is an exception clause.
    fn address(&mut self, inst: &Inst<Linked>) -> Result<Value, Unsupported> {
        let address = self.scalar(inst.args[0])?;
        if let Some(clause) = &inst.exc {
            let ty = self.func.ty(address);
            let null = self.int(ty, 0);
            let bad = self.cmp(Cond::Eq, address, null);
            self.guard(bad, &clause.exc)?;
        }
        Ok(address)
    }

    fn at(&mut self, address: Value, bytes: u64) -> Value {
        let ty = self.func.ty(address);
        if bytes == 0 { address } else { self.op(Op::Offset(bytes as i64), ty, &[address]) }
    }

    /// Offset and type of each word of a value in memory.
    fn words_in_memory(&self, inst: &Inst<Linked>) -> Result<Vec<(u64, LeafKind)>, Unsupported> {
        self.leaf_types(inst.types[0])?;
        let leaves =
            self.layouts.leaves(&self.program.types, inst.types[0]).ok_or(Unsupported::LargeValue)?;
        let mut words = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            match leaf.kind.words() {
                1 => words.push((leaf.offset_bytes, leaf.kind.strong())),
                _ => words.extend([(leaf.offset_bytes, I64), (leaf.offset_bytes + 8, I64)]),
            }
        }
        let atomic = !matches!(inst.attrs.ord, MemOrder::NotAtomic);
        if atomic && words.len() != 1 {
            return Err(Unsupported::Form(inst.op, "atomic access to 128 bits"));
        }
        Ok(words)
    }

    pub(super) fn load(&mut self, inst: &Inst<Linked>) -> Done {
        let words = self.words_in_memory(inst)?;
        let address = self.address(inst)?;
        let mut leaves = Leaves::new();
        for (bytes, ty) in words {
            let at = self.at(address, bytes);
            leaves.push(self.op(Op::Load(inst.attrs.ord), ty, &[at]));
        }
        self.define_result(inst, leaves);
        self.go_on(inst)
    }

    pub(super) fn store(&mut self, inst: &Inst<Linked>) -> Done {
        let words = self.words_in_memory(inst)?;
        let address = self.address(inst)?;
        let values = self.value_as(inst.args[1], inst.types[0])?;
        for ((bytes, _), value) in words.into_iter().zip(values) {
            let at = self.at(address, bytes);
            self.push(Op::Store(inst.attrs.ord), &[at, value], &[]);
        }
        self.go_on(inst)
    }

    /// The type of an atomic operand, if one instruction can do it: odd widths would compare bits that are not theirs.
    fn atomic_type(&self, inst: &Inst<Linked>) -> Result<LeafKind, Unsupported> {
        match self.layout(inst.types[0]).scalar() {
            Some(kind) if kind.words() == 2 => Err(Unsupported::Form(inst.op, "atomic access to 128 bits")),
            Some(LeafKind::Int(width)) if !matches!(width, 8 | 16 | 32 | 64) => {
                Err(Unsupported::Form(inst.op, "an integer of an odd width"))
            }
            Some(kind) => Ok(kind.strong()),
            None => Err(Unsupported::LargeValue),
        }
    }

    /// The integer type an atomic instruction of the CPU works on.
    fn carrier(ty: LeafKind) -> LeafKind {
        match ty {
            LeafKind::Float => LeafKind::Int(32),
            LeafKind::Double => I64,
            other => other,
        }
    }

    fn carried(&mut self, value: Value) -> Value {
        let ty = self.func.ty(value);
        let carrier = Self::carrier(ty);
        if ty == carrier { value } else { self.op(Op::BitCast, carrier, &[value]) }
    }

    fn uncarried(&mut self, value: Value, ty: LeafKind) -> Value {
        if self.func.ty(value) == ty { value } else { self.op(Op::BitCast, ty, &[value]) }
    }

    pub(super) fn cmpxchg(&mut self, inst: &Inst<Linked>) -> Done {
        let ty = self.atomic_type(inst)?;
        let address = self.address(inst)?;
        let (expected, desired) =
            (self.scalar_as(inst.args[1], inst.types[0])?, self.scalar_as(inst.args[2], inst.types[0])?);
        let (expected, desired) = (self.carried(expected), self.carried(desired));
        let swap = self.push(Op::CmpXchg, &[address, expected, desired], &[Self::carrier(ty), I1]);
        let results = self.func.insts[swap.index()].results.clone();
        let old = self.uncarried(results[0], ty);
        for (&var, value) in inst.results.iter().zip([old, results[1]]) {
            self.define(var, Leaves::from_slice(&[value]));
        }
        self.go_on(inst)
    }

    pub(super) fn rmw(&mut self, inst: &Inst<Linked>) -> Done {
        let ty = self.atomic_type(inst)?;
        match inst.attrs.rmw {
            RmwOp::Xchg | RmwOp::Add | RmwOp::Sub => {}
            RmwOp::And
            | RmwOp::Nand
            | RmwOp::Or
            | RmwOp::Xor
            | RmwOp::Max
            | RmwOp::Min
            | RmwOp::UMax
            | RmwOp::UMin => return self.rmw_loop(inst, ty),
        }
        let address = self.address(inst)?;
        let operand = self.scalar_as(inst.args[1], inst.types[0])?;
        let mut operand = self.carried(operand);
        let carrier = Self::carrier(ty);
        let mut op = inst.attrs.rmw;
        if op == RmwOp::Sub {
            let zero = self.int(carrier, 0);
            operand = self.op(Op::Sub, carrier, &[zero, operand]);
            op = RmwOp::Add;
        }
        let old = self.op(Op::Rmw(op), carrier, &[address, operand]);
        let old = self.uncarried(old, ty);
        self.define_result(inst, Leaves::from_slice(&[old]));
        self.go_on(inst)
    }

    /// An operator without an instruction of the CPU: a loop around a compare-exchange.
    fn rmw_loop(&mut self, inst: &Inst<Linked>, ty: LeafKind) -> Done {
        use crate::ssa::{Args, Edge, Terminator};
        let address = self.address(inst)?;
        let operand = self.scalar_as(inst.args[1], inst.types[0])?;
        let first = self.op(Op::Load(MemOrder::Relaxed), ty, &[address]);
        let (retry, done) = (self.func.add_block(), self.func.add_block());
        let seen = self.func.add_param(retry, ty);
        self.end(Terminator::Jump(Edge { block: retry, args: Args::from_slice(&[first]) }));
        self.current = retry;
        let new = self.rmw_combine(inst.attrs.rmw, ty, seen, operand);
        let swap = self.push(Op::CmpXchg, &[address, seen, new], &[ty, I1]);
        let results = self.func.insts[swap.index()].results.clone();
        self.end(Terminator::Branch {
            cond: results[1],
            then: Edge { block: done, args: Args::new() },
            other: Edge { block: retry, args: Args::from_slice(&[results[0]]) },
        });
        self.current = done;
        self.define_result(inst, Leaves::from_slice(&[results[0]]));
        self.go_on(inst)
    }

    fn rmw_combine(&mut self, op: RmwOp, ty: LeafKind, old: Value, operand: Value) -> Value {
        let pick = |cond: Cond, this: &mut Self| {
            let keep = this.cmp(cond, old, operand);
            this.op(Op::Select, ty, &[keep, old, operand])
        };
        match op {
            RmwOp::And => self.op(Op::And, ty, &[old, operand]),
            RmwOp::Nand => {
                let both = self.op(Op::And, ty, &[old, operand]);
                let ones = self.int(ty, mu_ir::semantics::int::mask(crate::ssa::eval::width(ty)));
                self.op(Op::Xor, ty, &[both, ones])
            }
            RmwOp::Or => self.op(Op::Or, ty, &[old, operand]),
            RmwOp::Xor => self.op(Op::Xor, ty, &[old, operand]),
            RmwOp::Max => pick(Cond::SGt, self),
            RmwOp::Min => pick(Cond::SLt, self),
            RmwOp::UMax => pick(Cond::UGt, self),
            RmwOp::UMin => pick(Cond::ULt, self),
            RmwOp::Xchg => operand,
            RmwOp::Add => self.op(Op::Add, ty, &[old, operand]),
            RmwOp::Sub => self.op(Op::Sub, ty, &[old, operand]),
        }
    }

    pub(super) fn fence(&mut self, inst: &Inst<Linked>) -> Done {
        self.push(Op::Fence(inst.attrs.ord), &[], &[]);
        Ok(())
    }
}
