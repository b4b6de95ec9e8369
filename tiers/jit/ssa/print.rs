//! The text of a function in SSA form, for people and snapshots. One line per instruction; constants are written as
//! `7`, or `f64 0x3ff0000000000000` where the type is not clear from the bits.

use super::{Callee, Def, Edge, Func, InstData, Op, Terminator, Ty, Value};
use mu_rt::layout::LeafKind;
use std::fmt::{self, Display, Write};

/// Prints a type.
pub fn ty_name(ty: Ty) -> String {
    match ty {
        LeafKind::Int(width) => format!("i{width}"),
        LeafKind::Float => "f32".into(),
        LeafKind::Double => "f64".into(),
        LeafKind::Ptr => "ptr".into(),
        LeafKind::FuncPtr => "funcptr".into(),
        LeafKind::Ref => "ref".into(),
        LeafKind::IRef => "iref".into(),
        LeafKind::WeakRef => "weakref".into(),
        LeafKind::TagRef64 => "tagref".into(),
        LeafKind::FuncRef => "funcref".into(),
        LeafKind::ThreadRef => "threadref".into(),
        LeafKind::StackRef => "stackref".into(),
        LeafKind::FrameCursorRef => "cursorref".into(),
        LeafKind::IrBuilderRef => "builderref".into(),
    }
}

/// Prints an operation.
fn op_name(op: Op) -> String {
    match op {
        Op::ICmp(cond) => format!("cmp.{}", format!("{cond:?}").to_lowercase()),
        Op::FCmp(mask) => format!("fcmp.{mask:04b}"),
        Op::Offset(bytes) => format!("offset {bytes:+}"),
        Op::Index(stride) => format!("index *{stride}"),
        Op::Load(order) => format!("load{}", order_name(order)),
        Op::Store(order) => format!("store{}", order_name(order)),
        Op::Rmw(op) => format!("rmw.{}", op.keyword().to_lowercase()),
        Op::Fence(order) => format!("fence{}", order_name(order)),
        Op::Alloca(slot) => format!("alloca s{slot}"),
        Op::Call(Callee::Func(func)) => format!("call f{}", func.0),
        Op::Call(Callee::Indirect) => "call".into(),
        Op::Help(helper) => format!("help {helper:?}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn order_name(order: mu_ir::table::MemOrder) -> String {
    match order {
        mu_ir::table::MemOrder::NotAtomic => String::new(),
        order => format!(".{}", order.keyword().to_lowercase()),
    }
}

struct Show<'a, T>(&'a Func, T);

impl Display for Show<'_, Value> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Show(func, value) = self;
        match func.def(*value) {
            Def::Const(bits) => match func.ty(*value) {
                LeafKind::Int(width) if u32::from(width) > 16 && bits > 1 << (width - 2) => {
                    write!(f, "{bits:#x}")
                }
                LeafKind::Int(_) => write!(f, "{bits}"),
                LeafKind::Double => write!(f, "{:?}d", f64::from_bits(bits)),
                LeafKind::Float => write!(f, "{:?}f", f32::from_bits(bits as u32)),
                ty => write!(f, "{} {bits:#x}", ty_name(ty)),
            },
            Def::Inst(..) | Def::Param(..) => write!(f, "{value:?}"),
        }
    }
}

impl Display for Show<'_, &Edge> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Show(func, edge) = self;
        write!(f, "{:?}(", edge.block)?;
        for (n, &arg) in edge.args.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { ", " }, Show(func, arg))?;
        }
        f.write_str(")")
    }
}

impl Display for Show<'_, &[Value]> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.iter().try_for_each(|&arg| write!(f, " {}", Show(self.0, arg)))
    }
}

impl Display for Show<'_, &InstData> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Show(func, data) = self;
        for (n, &result) in data.results.iter().enumerate() {
            let comma = if n + 1 < data.results.len() { ", " } else { " = " };
            write!(f, "{result:?}: {}{comma}", ty_name(func.ty(result)))?;
        }
        let (args, kept) = data.args.split_at(data.args.len() - data.kept as usize);
        write!(f, "{}{}", op_name(data.op), Show(func, args))?;
        if kept.is_empty() { Ok(()) } else { write!(f, " keepalive{}", Show(func, kept)) }
    }
}

impl Display for Show<'_, &Terminator> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Show(func, term) = *self;
        match term {
            Terminator::Jump(edge) => write!(f, "jump {}", Show(func, edge)),
            Terminator::Branch { cond, then, other } => {
                write!(f, "branch {} {} {}", Show(func, *cond), Show(func, then), Show(func, other))
            }
            Terminator::Switch { value, cases, default } => {
                write!(f, "switch {} {}", Show(func, *value), Show(func, default))?;
                cases.iter().try_for_each(|(bits, edge)| write!(f, " {bits}: {}", Show(func, edge)))
            }
            Terminator::Ret(args) => write!(f, "ret{}", Show(func, &args[..])),
            Terminator::TailCall { callee, args } => {
                let call = op_name(Op::Call(*callee));
                write!(f, "tail{call}{}", Show(func, &args[..]))
            }
            Terminator::Throw(value) => write!(f, "throw {}", Show(func, *value)),
            Terminator::Invoke { call, normal, exc } => {
                write!(f, "{} -> {normal:?} exc {exc:?}", Show(func, &func.insts[call.index()]))
            }
            Terminator::Unreachable => f.write_str("unreachable"),
        }
    }
}

impl Display for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reachable = super::graph::Graph::new(self);
        for (number, slot) in self.slots.iter().enumerate() {
            writeln!(f, "s{number}: {} bytes", slot.size_bytes)?;
        }
        for (number, block) in self.blocks.iter().enumerate() {
            if !reachable.is_reachable(super::Block(number as u32)) {
                continue;
            }
            let mut line = format!("b{number}(");
            for (n, &param) in block.params.iter().enumerate() {
                let comma = if n == 0 { "" } else { ", " };
                write!(line, "{comma}{param:?}: {}", ty_name(self.ty(param)))?;
            }
            writeln!(f, "{line}):{}", if block.cold { " cold" } else { "" })?;
            for inst in &block.insts {
                writeln!(f, "    {}", Show(self, &self.insts[inst.index()]))?;
            }
            writeln!(f, "    {}", Show(self, &block.term))?;
        }
        Ok(())
    }
}
