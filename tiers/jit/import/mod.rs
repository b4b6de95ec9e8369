//! Import: from a verified function version to SSA form.
//!
//! One walk over the blocks. Each Mu block becomes an SSA block with a parameter per leaf of its parameters, each Mu
//! instruction the operations it consists of. Decisions that are Mu's own are made here, once, so that nothing behind
//! knows them: EXC clauses become tests and branches, status flags comparisons, lanes of vectors scalar operations, field
//! numbers byte offsets, constants their bits. What this tier cannot do yet is refused with a reason ([`Unsupported`]),
//! never translated wrongly.
//!
//! Lenient loading lets operands pass whose types have the size and register class of the wanted ones: integers of 64 bits
//! and pointers are the only ones of different leaves. Operands are imported as what their place wants
//! ([`Importer::value_as`]), so that everything behind sees types that fit. Amounts of shifts may be narrower than what they
//! shift, and callees may be of other signatures; those are looked at where they stand.
//!
//! Mu blocks may be entered by edges from calls with EXC clauses; a call then ends its block ([`Terminator::Invoke`]) and
//! its two successors are fresh blocks that hold nothing but the jumps onward.
//!
//! **Example.**
//! ```text
//! %q = UDIV <@i32> %a %b EXC(%ok(%q) %zero())        v2: i1 = cmp.eq v1 0
//!                                                    branch v2 b3() b2()
//!                                                b2: v3: i32 = udiv v0 v1
//!                                                    jump b4(v3)
//! ```

mod aggregate;
mod arith;
mod control;
mod memory;
mod support;
mod wide;

pub use support::Unsupported;

use crate::ssa::{Args, Block, Cond, Edge, Func, I1, I64, Op, Terminator, Ty, Value};
use mu_ir::ids::{FuncVerId, TypeId, VarIdx};
use mu_ir::inst::{Dest, Inst, Linked, Value as MuValue};
use mu_ir::program::{FuncVer, Program};
use mu_ir::types::Type;
use mu_rt::layout::{Layout, Layouts, LeafKind};
use mu_rt::words::{Addresses, NoWords, const_words};
use smallvec::SmallVec;

/// The leaves of a Mu value.
type Leaves = SmallVec<[Value; 2]>;

/// What the compiler reads. Code holds addresses of global cells and of native symbols, so it is good for this instance
/// only, and for as long as they stay where they are.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Everything loaded; strictly or leniently does not matter.
    pub program: &'a Program,
    /// Layouts of its types, which are made on demand.
    pub layouts: &'a Layouts,
    /// Addresses of global cells, by number; one for each of the program.
    pub globals: &'a [u64],
}

/// Values of more leaves than this stay with the interpreter: code for them would be one move per leaf.
const LEAVES_MAX: usize = 256;

/// Versions of more instructions than this stay with the interpreter: some of the work grows faster than the code.
const INSTRUCTIONS_MAX: usize = 100_000;

/// Imports a function version.
///
/// # Errors
/// What this tier cannot do yet.
pub fn import(input: Input<'_>, version: FuncVerId) -> Result<Func, Unsupported> {
    let ver = &input.program.func_vers[version.index()];
    let mut importer = Importer {
        program: input.program,
        layouts: input.layouts,
        globals: input.globals,
        ver,
        func: Func::new(version),
        vars: vec![Leaves::new(); ver.vars.len()],
        blocks: Vec::with_capacity(ver.blocks.len()),
        cyclic: Vec::new(),
        current: Func::ENTRY,
        source: 0,
    };
    importer.cyclic = mu_blocks_on_cycles(ver);
    importer.headers()?;
    for (number, block) in ver.blocks.iter().enumerate() {
        importer.current = importer.blocks[number];
        for (at, inst) in block.insts.iter().enumerate() {
            importer.func.sources.push((number as u32, at as u32));
            importer.source = importer.func.sources.len() as u32 - 1;
            importer.inst(inst, number)?;
            if importer.func.insts.len() + importer.func.value_count() > INSTRUCTIONS_MAX {
                return Err(Unsupported::TooLong);
            }
        }
    }
    Ok(importer.func)
}

/// For each block of a version, whether control can come back to it.
fn mu_blocks_on_cycles(ver: &FuncVer) -> Vec<bool> {
    let mut skeleton = Func::new(FuncVerId::new(0));
    for _ in &ver.blocks {
        skeleton.add_block();
    }
    for (number, block) in ver.blocks.iter().enumerate() {
        let Some(last) = block.insts.last() else { continue };
        let exc = last.exc.iter().flat_map(|clause| [&clause.nor, &clause.exc]);
        let mut targets =
            last.dests.iter().chain(exc).map(|dest| Edge { block: Block(dest.block.0), args: Args::new() });
        let Some(default) = targets.next() else { continue };
        let cases = targets.enumerate().map(|(n, edge)| (n as u64, edge)).collect();
        skeleton.blocks[number].term = Terminator::Switch { value: Value(0), cases, default };
    }
    crate::ssa::graph::Graph::new(&skeleton).on_cycle()
}

/// 64 bits that mean nothing to the collector, whatever their type.
fn is_plain_word(ty: Ty) -> bool {
    matches!(ty, LeafKind::Int(64) | LeafKind::Ptr | LeafKind::FuncPtr)
}

struct Importer<'a> {
    program: &'a Program,
    layouts: &'a Layouts,
    globals: &'a [u64],
    ver: &'a FuncVer,
    func: Func,
    /// The leaves of each variable, once defined.
    vars: Vec<Leaves>,
    /// The SSA block of each Mu block.
    blocks: Vec<Block>,
    /// Which Mu blocks control can come back to.
    cyclic: Vec<bool>,
    /// Where instructions are added.
    current: Block,
    source: u32,
}

type Done = Result<(), Unsupported>;

impl<'a> Importer<'a> {
    /// Makes the blocks and their parameters. The entry is a block of its own, which nothing can jump to.
    fn headers(&mut self) -> Done {
        let entry = self.func.add_block();
        let sig = self.program.types.sig(self.ver.sig);
        let mut args = Args::new();
        for &ty in &sig.params {
            for leaf in self.leaf_types(ty)? {
                args.push(self.func.add_param(entry, leaf));
            }
        }
        for &ty in &sig.rets {
            let leaves = self.leaf_types(ty)?;
            self.func.rets.extend(leaves);
        }
        for block in &self.ver.blocks {
            let new = self.func.add_block();
            for &var in block.params.iter().chain(&block.exc_param) {
                let leaves = self.leaf_types(self.ver.vars[var.index()].ty)?;
                self.vars[var.index()] = leaves.into_iter().map(|ty| self.func.add_param(new, ty)).collect();
            }
            self.blocks.push(new);
        }
        self.current = entry;
        let own: Vec<Ty> = self.func.blocks[self.blocks[0].index()]
            .params
            .iter()
            .map(|&param| self.func.ty(param))
            .collect();
        for (arg, ty) in args.iter_mut().zip(own) {
            *arg = self.retype(*arg, ty);
        }
        self.func.blocks[entry.index()].term = Terminator::Jump(Edge { block: self.blocks[0], args });
        Ok(())
    }

    /// The types of the leaves of a value.
    fn leaf_types(&self, ty: TypeId) -> Result<SmallVec<[Ty; 2]>, Unsupported> {
        let leaves = self.layouts.leaves(&self.program.types, ty).ok_or(Unsupported::LargeValue)?;
        let mut types = SmallVec::new();
        for leaf in leaves {
            if types.len() >= LEAVES_MAX {
                return Err(Unsupported::LargeValue);
            }
            match leaf.kind.words() {
                1 => types.push(leaf.kind.strong()),
                _ => types.extend([I64, I64]),
            }
        }
        Ok(types)
    }

    fn layout(&self, ty: TypeId) -> &'a Layout {
        self.layouts.of(&self.program.types, ty)
    }

    fn ty(&self, ty: TypeId) -> &'a Type {
        self.program.types.get(ty)
    }

    fn value_ty(&self, value: MuValue) -> TypeId {
        self.program.value_type(self.ver, value)
    }

    /// The leaves of an operand.
    fn value(&mut self, value: MuValue) -> Result<Leaves, Unsupported> {
        if let MuValue::Local(var) = value {
            return Ok(self.vars[var.index()].clone());
        }
        let types = self.leaf_types(self.value_ty(value))?;
        let mut words = Vec::with_capacity(types.len());
        self.constant_words(value, &mut words)?;
        words.resize(types.len(), 0);
        Ok(types.iter().zip(words).map(|(&ty, bits)| self.func.constant(ty, bits)).collect())
    }

    /// The leaves of an operand as those of the type its place wants.
    fn value_as(&mut self, value: MuValue, want: TypeId) -> Result<Leaves, Unsupported> {
        let mut leaves = self.value(value)?;
        if self.value_ty(value) != want
            && let [leaf] = &mut leaves[..]
            && is_plain_word(self.func.ty(*leaf))
            && let Some(kind) = self.layout(want).scalar()
            && is_plain_word(kind)
        {
            *leaf = self.retype(*leaf, kind);
        }
        Ok(leaves)
    }

    /// The leaf of an operand that has one, as the type its place wants.
    fn scalar_as(&mut self, value: MuValue, want: TypeId) -> Result<Value, Unsupported> {
        match self.value_as(value, want)?[..] {
            [leaf] => Ok(leaf),
            _ => Err(Unsupported::LargeValue),
        }
    }

    /// The leaf of an operand that has one.
    fn scalar(&mut self, value: MuValue) -> Result<Value, Unsupported> {
        let leaves = self.value(value)?;
        match leaves[..] {
            [leaf] => Ok(leaf),
            _ => Err(Unsupported::LargeValue),
        }
    }

    /// The words of a global SSA variable.
    fn constant_words(&self, value: MuValue, words: &mut Vec<u64>) -> Done {
        // Where exposed functions are is not known to this tier.
        let addresses = Addresses { globals: self.globals, exposes: &[] };
        const_words(self.program, addresses, value, LEAVES_MAX, words).map_err(|reason| match reason {
            NoWords::TooMany => Unsupported::LargeValue,
            NoWords::NoAddress => Unsupported::ExposedFunction,
        })
    }

    /// Defines a variable.
    fn define(&mut self, var: VarIdx, leaves: Leaves) {
        self.vars[var.index()] = leaves;
    }

    /// Defines the first result of an instruction.
    fn define_result(&mut self, inst: &Inst<Linked>, leaves: Leaves) {
        if let Some(&var) = inst.results.first() {
            self.define(var, leaves);
        }
    }

    // ---- building

    /// Adds an instruction to the current block.
    fn push(&mut self, op: Op, args: &[Value], results: &[Ty]) -> crate::ssa::Inst {
        let inst = self.func.make_inst(op, args, results, self.source);
        self.func.blocks[self.current.index()].insts.push(inst);
        inst
    }

    /// Adds an instruction with one result.
    fn op(&mut self, op: Op, ty: Ty, args: &[Value]) -> Value {
        let inst = self.push(op, args, &[ty]);
        self.func.insts[inst.index()].results[0]
    }

    fn int(&mut self, ty: Ty, bits: u64) -> Value {
        self.func.constant(ty, bits)
    }

    fn cmp(&mut self, cond: Cond, a: Value, b: Value) -> Value {
        self.op(Op::ICmp(cond), I1, &[a, b])
    }

    /// Ends the current block.
    fn end(&mut self, term: Terminator) {
        let block = &mut self.func.blocks[self.current.index()];
        block.term = term;
        block.source = self.source;
    }

    /// An edge to a Mu block. `exc` is what its exception parameter gets; NULL where nothing was thrown.
    fn edge(&mut self, dest: &Dest<Linked>, exc: Option<Value>) -> Result<Edge, Unsupported> {
        let mut args = Args::new();
        let ver = self.ver;
        for (&arg, param) in dest.args.iter().zip(&ver.blocks[dest.block.index()].params) {
            args.extend(self.value_as(arg, ver.vars[param.index()].ty)?);
        }
        if self.ver.blocks[dest.block.index()].exc_param.is_some() {
            let exc = exc.unwrap_or_else(|| self.int(LeafKind::Ref, 0));
            args.push(exc);
        }
        Ok(Edge { block: self.blocks[dest.block.index()], args })
    }

    /// Continues in a new block if `bad` is false, and takes the exceptional edge with NULL if it is true.
    fn guard(&mut self, bad: Value, exc: &Dest<Linked>) -> Done {
        let edge = self.edge(exc, None)?;
        let go_on = self.func.add_block();
        let raise = self.func.add_block();
        self.func.blocks[raise.index()].cold = true;
        let to = |block| Edge { block, args: Args::new() };
        self.end(Terminator::Branch { cond: bad, then: to(raise), other: to(go_on) });
        self.func.blocks[raise.index()].term = Terminator::Jump(edge);
        self.current = go_on;
        Ok(())
    }

    /// Takes the normal edge of an exception clause, if there is one.
    fn go_on(&mut self, inst: &Inst<Linked>) -> Done {
        if let Some(clause) = &inst.exc {
            let edge = self.edge(&clause.nor, None)?;
            self.end(Terminator::Jump(edge));
        }
        Ok(())
    }
}
