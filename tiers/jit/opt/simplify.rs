//! The algebra: simpler forms of single operations.
//!
//! A rule gives a value that is there already ([`Simple::Is`]), or steps that take the operation's place. Every rule holds for
//! all operands of the width at hand, by `mu_ir::semantics`; floating point has none but folding, because of NaN and -0.
//! Constants of commutative operations stand on the right; `x - c` is `x + (-c)`; comparisons have their constant on the
//! right; so later rules need to look at one form only.

use super::divide;
use crate::ssa::eval::{eval, width};
use crate::ssa::{Args, Cond, Func, I1, Inst, Op, Ty, Value};
use mu_ir::semantics::int::mask;
use mu_rt::layout::LeafKind;

/// What an operation comes to.
#[derive(Debug)]
pub enum Simple {
    /// A value that is there.
    Is(Value),
    /// Instructions in no block yet; the last one takes the place of the operation.
    Steps(Vec<Inst>),
}

/// The operation being simplified.
pub(super) struct Cx<'a> {
    pub func: &'a mut Func,
    pub ty: Ty,
    pub source: u32,
    steps: Vec<Inst>,
}

impl Cx<'_> {
    pub fn constant(&mut self, bits: u64) -> Value {
        let ty = self.ty;
        self.func.constant(ty, bits & mask_of(ty))
    }

    pub fn step(&mut self, op: Op, ty: Ty, args: &[Value]) -> Value {
        let inst = self.func.make_inst(op, args, &[ty], self.source);
        self.steps.push(inst);
        self.func.insts[inst.index()].results[0]
    }

    /// Ends with an operation in the place of the one at hand.
    pub fn end(mut self, op: Op, args: &[Value]) -> Option<Simple> {
        let ty = self.ty;
        self.step(op, ty, args);
        Some(Simple::Steps(self.steps))
    }

    /// The operands of a value computed by this operation.
    pub fn operands(&self, value: Value, op: Op) -> Option<(Value, Value)> {
        match self.func.as_op(value)? {
            (found, &[a, b]) if found == op => Some((a, b)),
            _ => None,
        }
    }

    pub fn bits(&self, value: Value) -> Option<u64> {
        self.func.as_const(value)
    }
}

fn mask_of(ty: Ty) -> u64 {
    match ty {
        LeafKind::Int(width) => mask(u32::from(width)),
        _ => u64::MAX,
    }
}

/// Finds a simpler form of a pure instruction with one result.
pub fn simplify(func: &mut Func, inst: Inst) -> Option<Simple> {
    let data = &func.insts[inst.index()];
    let (op, args, source) = (data.op, data.args.clone(), data.source);
    let ty = func.ty(data.results[0]);
    if let Some(bits) = fold(func, op, ty, &args) {
        return Some(Simple::Is(func.constant(ty, bits)));
    }
    let cx = Cx { func, ty, source, steps: Vec::new() };
    if let [a, b] = args[..]
        && cx.bits(a).is_some()
        && cx.bits(b).is_none()
    {
        if op.is_commutative() {
            return cx.end(op, &[b, a]);
        }
        if let Op::ICmp(cond) = op {
            return cx.end(Op::ICmp(cond.swap()), &[b, a]);
        }
    }
    match op {
        Op::Add => add(cx, args[0], args[1]),
        Op::Sub => sub(cx, args[0], args[1]),
        Op::Mul => mul(cx, args[0], args[1]),
        Op::And | Op::Or | Op::Xor => bitwise(cx, op, args[0], args[1]),
        Op::Shl | Op::LShr | Op::AShr => shift(cx, op, args[0], args[1]),
        Op::UDiv | Op::URem | Op::SDiv | Op::SRem => divide::divide(cx, op, args[0], args[1]),
        Op::ICmp(cond) => compare(cx, cond, args[0], args[1]),
        Op::Select => select(cx, &args),
        Op::Trunc | Op::ZExt | Op::SExt => resize(cx, op, args[0]),
        Op::Retype | Op::BitCast => retype(cx, op, args[0]),
        Op::Offset(bytes) => offset(cx, bytes, args[0]),
        Op::Index(stride) => {
            let index = cx.bits(args[1])?;
            cx.end(Op::Offset((index as i64).wrapping_mul(stride)), &[args[0]])
        }
        Op::UMulHi
        | Op::SMulHi
        | Op::Rotl
        | Op::FAdd
        | Op::FSub
        | Op::FMul
        | Op::FDiv
        | Op::FCmp(_)
        | Op::FpTrunc
        | Op::FpExt
        | Op::F64ToSi
        | Op::SiToFp
        | Op::Load(_)
        | Op::Store(_)
        | Op::CmpXchg
        | Op::Rmw(_)
        | Op::Fence(_)
        | Op::Alloca(_)
        | Op::Call(_)
        | Op::Help(_)
        | Op::Landing
        | Op::Poll => None,
    }
}

fn fold(func: &Func, op: Op, ty: Ty, args: &Args) -> Option<u64> {
    let mut bits = smallvec::SmallVec::<[u64; 3]>::new();
    for &arg in args {
        bits.push(func.as_const(arg)?);
    }
    eval(op, ty, func.ty(*args.first()?), &bits)
}

fn add(mut cx: Cx<'_>, a: Value, b: Value) -> Option<Simple> {
    let c = cx.bits(b)?;
    if c == 0 {
        return Some(Simple::Is(a));
    }
    // (x + c1) + c2
    let (inner, c1) = cx.operands(a, Op::Add)?;
    let sum = cx.bits(c1)?.wrapping_add(c);
    let sum = cx.constant(sum);
    cx.end(Op::Add, &[inner, sum])
}

fn sub(mut cx: Cx<'_>, a: Value, b: Value) -> Option<Simple> {
    if a == b {
        return Some(Simple::Is(cx.constant(0)));
    }
    if cx.bits(b) == Some(0) {
        return Some(Simple::Is(a));
    }
    if let Some(c) = cx.bits(b) {
        let negative = cx.constant(c.wrapping_neg());
        return cx.end(Op::Add, &[a, negative]);
    }
    // (x + y) - x
    if let Some((x, y)) = cx.operands(a, Op::Add) {
        if x == b {
            return Some(Simple::Is(y));
        }
        if y == b {
            return Some(Simple::Is(x));
        }
    }
    None
}

fn mul(mut cx: Cx<'_>, a: Value, b: Value) -> Option<Simple> {
    let c = cx.bits(b)?;
    match c {
        0 => Some(Simple::Is(b)),
        1 => Some(Simple::Is(a)),
        _ if c.is_power_of_two() => {
            let amount = cx.constant(u64::from(c.trailing_zeros()));
            cx.end(Op::Shl, &[a, amount])
        }
        _ if c == mask_of(cx.ty) => {
            let zero = cx.constant(0);
            cx.end(Op::Sub, &[zero, a])
        }
        _ => {
            let (inner, c1) = cx.operands(a, Op::Mul)?;
            let product = cx.bits(c1)?.wrapping_mul(c);
            let product = cx.constant(product);
            cx.end(Op::Mul, &[inner, product])
        }
    }
}

fn bitwise(mut cx: Cx<'_>, op: Op, a: Value, b: Value) -> Option<Simple> {
    if a == b {
        return Some(Simple::Is(if op == Op::Xor { cx.constant(0) } else { a }));
    }
    if op == Op::Or
        && let Some((x, amount)) = rotation(&cx, a, b).or_else(|| rotation(&cx, b, a))
    {
        let amount = cx.constant(amount);
        return cx.end(Op::Rotl, &[x, amount]);
    }
    let c = cx.bits(b)?;
    let ones = mask_of(cx.ty);
    match (op, c) {
        (Op::And, 0) | (Op::Or, _) if op == Op::And || c == ones => return Some(Simple::Is(b)),
        (Op::And, _) if c == ones => return Some(Simple::Is(a)),
        (Op::Or | Op::Xor, 0) => return Some(Simple::Is(a)),
        _ => {}
    }
    // Negation of a comparison.
    if op == Op::Xor
        && cx.ty == I1
        && let Some((Op::ICmp(cond), &[x, y])) = cx.func.as_op(a)
    {
        return cx.end(Op::ICmp(cond.negate()), &[x, y]);
    }
    if op == Op::Xor
        && cx.ty == I1
        && let Some((Op::FCmp(outcomes), &[x, y])) = cx.func.as_op(a)
    {
        return cx.end(Op::FCmp(outcomes ^ mu_ir::semantics::float::FTRUE), &[x, y]);
    }
    // (x op c1) op c2
    if let Some((inner, c1)) = cx.operands(a, op)
        && let Some(c1) = cx.bits(c1)
    {
        let both = match op {
            Op::And => c1 & c,
            Op::Or => c1 | c,
            _ => c1 ^ c,
        };
        let both = cx.constant(both);
        return cx.end(op, &[inner, both]);
    }
    // The low bits of a widened value are all it has.
    if op == Op::And
        && let Some((Op::ZExt, &[inner])) = cx.func.as_op(a)
        && c & mask_of(cx.func.ty(inner)) == mask_of(cx.func.ty(inner))
    {
        return Some(Simple::Is(a));
    }
    None
}

/// `x << c | x >> (width - c)`, for widths that registers have.
fn rotation(cx: &Cx<'_>, left: Value, right: Value) -> Option<(Value, u64)> {
    let (x, up) = cx.operands(left, Op::Shl)?;
    let (y, down) = cx.operands(right, Op::LShr)?;
    let (up, down) = (cx.bits(up)?, cx.bits(down)?);
    let bits = u64::from(width(cx.ty));
    (x == y && matches!(bits, 32 | 64) && up > 0 && down > 0 && up + down == bits).then_some((x, up))
}

fn shift(mut cx: Cx<'_>, op: Op, a: Value, b: Value) -> Option<Simple> {
    let bits = width(cx.ty);
    let amount = cx.bits(b)? & mask(bits.next_power_of_two().trailing_zeros().max(1));
    if amount == 0 || bits == 1 {
        return Some(Simple::Is(a));
    }
    if u64::from(bits) <= amount {
        if op != Op::AShr {
            return Some(Simple::Is(cx.constant(0)));
        }
        let last = cx.constant(u64::from(bits - 1));
        return cx.end(op, &[a, last]);
    }
    if cx.bits(b) != Some(amount) {
        let amount = cx.constant(amount);
        return cx.end(op, &[a, amount]);
    }
    // (x shift c1) shift c2, in the same direction
    let (inner, c1) = cx.operands(a, op)?;
    let c1 = cx.bits(c1)?;
    let both = c1.checked_add(amount).filter(|&both| c1 < u64::from(bits) && both < u64::from(bits))?;
    let both = cx.constant(both);
    cx.end(op, &[inner, both])
}

fn compare(mut cx: Cx<'_>, cond: Cond, a: Value, b: Value) -> Option<Simple> {
    if a == b {
        let truth = matches!(cond, Cond::Eq | Cond::SGe | Cond::SLe | Cond::UGe | Cond::ULe);
        return Some(Simple::Is(cx.constant(u64::from(truth))));
    }
    let ty = cx.func.ty(a);
    let c = cx.bits(b)?;
    if ty == I1 {
        return match (cond, c) {
            (Cond::Ne, 0) | (Cond::Eq, 1) => Some(Simple::Is(a)),
            (Cond::Eq, 0) | (Cond::Ne, 1) => {
                let one = cx.constant(1);
                cx.end(Op::Xor, &[a, one])
            }
            _ => None,
        };
    }
    match (cond, c) {
        (Cond::ULt, 0) => return Some(Simple::Is(cx.constant(0))),
        (Cond::UGe, 0) => return Some(Simple::Is(cx.constant(1))),
        (Cond::ULt, 1) | (Cond::ULe, 0) => {
            let zero = cx.func.constant(ty, 0);
            return cx.end(Op::ICmp(Cond::Eq), &[a, zero]);
        }
        (Cond::UGt, 0) => {
            return cx.end(Op::ICmp(Cond::Ne), &[a, b]);
        }
        _ => {}
    }
    // A widened value with a constant of the narrow width: compare narrow.
    if let Some((Op::ZExt, &[inner])) = cx.func.as_op(a)
        && !cond.is_signed()
    {
        let narrow = cx.func.ty(inner);
        if c <= mask_of(narrow) {
            let c = cx.func.constant(narrow, c);
            return cx.end(Op::ICmp(cond), &[inner, c]);
        }
    }
    // x + c1 == c2
    if matches!(cond, Cond::Eq | Cond::Ne)
        && let Some((inner, c1)) = cx.operands(a, Op::Add)
        && let Some(c1) = cx.bits(c1)
    {
        let rest = cx.func.constant(ty, c.wrapping_sub(c1) & mask_of(ty));
        return cx.end(Op::ICmp(cond), &[inner, rest]);
    }
    None
}

fn select(cx: Cx<'_>, args: &Args) -> Option<Simple> {
    let (cond, yes, no) = (args[0], args[1], args[2]);
    if yes == no {
        return Some(Simple::Is(yes));
    }
    match cx.bits(cond) {
        Some(0) => return Some(Simple::Is(no)),
        Some(_) => return Some(Simple::Is(yes)),
        None => {}
    }
    if cx.ty == I1 && cx.bits(yes) == Some(1) && cx.bits(no) == Some(0) {
        return Some(Simple::Is(cond));
    }
    if cx.ty == I1 && cx.bits(yes) == Some(0) && cx.bits(no) == Some(1) {
        return cx.end(Op::Xor, &[cond, no]);
    }
    // Ones and zeros are the condition itself, widened.
    if matches!(cx.ty, LeafKind::Int(2..)) && cx.bits(yes) == Some(1) && cx.bits(no) == Some(0) {
        return cx.end(Op::ZExt, &[cond]);
    }
    None
}

fn resize(cx: Cx<'_>, op: Op, a: Value) -> Option<Simple> {
    let (inner_op, inner) = match cx.func.as_op(a)? {
        (op @ (Op::Trunc | Op::ZExt | Op::SExt), &[inner]) => (op, inner),
        _ => return None,
    };
    let (from, to) = (width(cx.func.ty(inner)), width(cx.ty));
    match (op, inner_op) {
        (Op::Trunc, Op::Trunc) => cx.end(Op::Trunc, &[inner]),
        (Op::Trunc, Op::ZExt | Op::SExt) => match from.cmp(&to) {
            std::cmp::Ordering::Equal => Some(Simple::Is(inner)),
            std::cmp::Ordering::Less => cx.end(inner_op, &[inner]),
            std::cmp::Ordering::Greater => cx.end(Op::Trunc, &[inner]),
        },
        (Op::ZExt, Op::ZExt) | (Op::SExt, Op::ZExt) => cx.end(Op::ZExt, &[inner]),
        (Op::SExt, Op::SExt) => cx.end(Op::SExt, &[inner]),
        (Op::ZExt, Op::Trunc) if from == to => {
            let mut cx = cx;
            let low = cx.constant(mask(width(cx.func.ty(a))));
            cx.end(Op::And, &[inner, low])
        }
        _ => None,
    }
}

fn retype(cx: Cx<'_>, op: Op, a: Value) -> Option<Simple> {
    match cx.func.as_op(a)? {
        (inner_op, &[inner]) if inner_op == op => {
            if cx.func.ty(inner) == cx.ty {
                return Some(Simple::Is(inner));
            }
            // What was no reference on the way is not one now, unless it was one before.
            cx.end(op, &[inner])
        }
        _ => None,
    }
}

fn offset(cx: Cx<'_>, bytes: i64, a: Value) -> Option<Simple> {
    if bytes == 0 {
        return Some(Simple::Is(a));
    }
    match cx.func.as_op(a)? {
        (Op::Offset(more), &[inner]) => {
            let sum = bytes.checked_add(more)?;
            cx.end(Op::Offset(sum), &[inner])
        }
        _ => None,
    }
}
