//! From nodes to a draft: every id finds what it stands for, every node its place.
//!
//! 1. *define*: each node, parameter and result is entered under its id; ids that are taken, or not this builder's, are
//!    reported;
//! 2. *emit*: nodes of top-level definitions become definitions of the draft in the order of the calls, with what they
//!    list. A reference becomes a symbol: that of its id if it was generated here, a new one for an entity of the program;
//! 3. *left over*: nodes that nothing listed are reported.
//!
//! What an entity may be used for (a type where a variable is wanted) is left to the linker, which knows for texts, too;
//! clauses, blocks and instructions are put together here, so their roles are checked here.

use super::node::{BlockNode, ConstValue, InstNode, Node, Role};
use super::{IrBuilder, MuId, Symbols};
use crate::codes::{Code, builder as code};
use crate::diag::{Diagnostic, Findings, Span};
use crate::draft::{ConstCtor, Def, DefKind, Draft, DraftBlock, FixedHasher, FuncDef};
use crate::ids::Sym;
use crate::inst::{Dest, ExcClause, Inst, Unlinked, Use};
use crate::program::{Entity, Program};
use crate::table::{CurStack, NewStack, Op};
use crate::types::{Signature, Type, TypeCtor};
use hashbrown::{HashMap, HashSet};

/// What stands under an id of the builder.
#[derive(Clone, Copy)]
enum Built {
    /// The node with this number.
    Node(usize),
    /// A parameter or result of the node with this number.
    Local(usize),
}

struct Finish<'a> {
    program: &'a Program,
    nodes: &'a [(MuId, Node)],
    symbols: Symbols,
    own: HashMap<MuId, Sym, FixedHasher>,
    built: HashMap<MuId, Built, FixedHasher>,
    /// Symbols of entities of the program.
    foreign: HashMap<MuId, Sym, FixedHasher>,
    /// For each node, the node that lists it.
    owners: Vec<Option<usize>>,
    errors: Findings,
}

impl IrBuilder {
    /// The bundle that was built.
    ///
    /// # Errors
    /// Every misuse of the builder.
    pub fn finish(self, program: &Program) -> Result<Draft, Vec<Diagnostic>> {
        let mut finish = Finish {
            program,
            symbols: self.symbols,
            own: self.own,
            built: HashMap::with_hasher(FixedHasher),
            foreign: HashMap::with_hasher(FixedHasher),
            owners: vec![None; self.nodes.len()],
            nodes: &self.nodes,
            errors: self.errors,
        };
        if *program.identity() != self.instance {
            let message = "the bundle was built for another instance";
            return Err(vec![Diagnostic::error(code::OTHER_INSTANCE, Span::NONE, message)]);
        }
        finish.define_all();
        let defs = finish.emit_all();
        finish.left_over();
        if finish.errors.errors() == 0 {
            Ok(Draft { source: Span::NO_SOURCE, symbols: finish.symbols, defs })
        } else {
            Err(finish.errors.into_sorted())
        }
    }
}

impl Finish<'_> {
    // ---- messages

    fn show(&self, id: MuId) -> String {
        let name =
            self.own.get(&id).and_then(|&sym| self.symbols.name(sym)).or_else(|| self.program.name_of(id));
        name.map_or_else(|| format!("#{}", id.0), str::to_owned)
    }

    /// A node for messages: what it is and what it is called.
    fn show_node(&self, at: usize) -> String {
        let (id, node) = &self.nodes[at];
        let name = self.show(*id);
        match node {
            Node::Inst(inst) => format!("{} {name}", inst.op.mnemonic()),
            _ => {
                let kind = node.kind();
                format!("{} {name}", kind.split_once(' ').map_or(kind, |(_, kind)| kind))
            }
        }
    }

    /// Reports something wrong with the node that is at hand.
    fn error(&mut self, code: Code, at: usize, message: String) {
        let message = format!("{message} (in {})", self.show_node(at));
        self.errors.push(Diagnostic::error(code, Span::built(self.nodes[at].0), message));
    }

    // ---- pass 1

    fn define_all(&mut self) {
        let nodes = self.nodes;
        for (at, (id, node)) in nodes.iter().enumerate() {
            self.define(*id, Built::Node(at));
            match node {
                Node::Block(block) => {
                    for &(param, _) in &block.params {
                        self.define(param, Built::Local(at));
                    }
                    if let Some(param) = block.exc_param {
                        self.define(param, Built::Local(at));
                    }
                }
                Node::Inst(inst) => {
                    for &result in &inst.results {
                        self.define(result, Built::Local(at));
                    }
                }
                _ => {}
            }
        }
    }

    fn define(&mut self, id: MuId, built: Built) {
        let at = match built {
            Built::Node(at) | Built::Local(at) => at,
        };
        if id == MuId::NONE {
            let what = match built {
                Built::Node(_) => self.nodes[at].1.kind(),
                Built::Local(_) => "a parameter or result",
            };
            self.error(code::MISSING_ID, at, format!("{what} has no id"));
        } else if !self.own.contains_key(&id) {
            let name = self.show(id);
            self.error(code::NOT_GENERATED, at, format!("{name} was not generated by this builder"));
        } else if self.built.contains_key(&id) {
            let name = self.show(id);
            self.error(code::BUILT_TWICE, at, format!("{name} is built twice"));
        } else {
            self.built.insert(id, built);
        }
    }

    // ---- references

    /// A use of an entity by the node `at`.
    fn entity(&mut self, id: MuId, at: usize) -> Use {
        let span = Span::built(self.nodes[at].0);
        if id == MuId::NONE {
            self.error(code::MISSING_ID, at, "an id is missing".into());
        } else if let Some(&sym) = self.own.get(&id) {
            match self.built.get(&id) {
                Some(&Built::Node(node)) if self.nodes[node].1.is_clause() => {
                    let message =
                        format!("{} is {}, not an entity", self.show(id), self.nodes[node].1.kind());
                    self.error(code::WRONG_ROLE, at, message);
                }
                Some(_) => {}
                None => {
                    let name = self.show(id);
                    self.error(code::NEVER_BUILT, at, format!("nothing was built under {name}"));
                }
            }
            return Use { sym, span };
        } else if let Some(&sym) = self.foreign.get(&id) {
            return Use { sym, span };
        } else {
            match self.program.entity(id) {
                Some(entity) if entity != Entity::Reserved => {
                    let sym = self.symbols.reserve(id, None);
                    self.foreign.insert(id, sym);
                    return Use { sym, span };
                }
                _ => self.error(code::UNKNOWN_ID, at, format!("#{} stands for nothing", id.0)),
            }
        }
        Use { sym: self.symbols.anonymous(), span }
    }

    /// The use of an id where it is defined.
    fn name(&self, id: MuId) -> Use {
        // Ids without a symbol have been reported.
        Use { sym: self.own.get(&id).copied().unwrap_or(Sym(0)), span: Span::built(id) }
    }

    fn entities(&mut self, ids: &[MuId], at: usize) -> Vec<Use> {
        ids.iter().map(|&id| self.entity(id, at)).collect()
    }

    /// The node of this role with an id.
    fn part(&mut self, id: MuId, role: Role, at: usize) -> Option<usize> {
        let found = match self.built.get(&id) {
            Some(&Built::Node(node)) if self.nodes[node].1.role() == Some(role) => {
                if matches!(role, Role::Block | Role::Inst)
                    && let Some(owner) = self.owners[node]
                {
                    let (name, other) = (self.show_node(node), self.show_node(owner));
                    self.error(code::PLACED_TWICE, at, format!("{name} is in {other} already"));
                    return None;
                }
                self.owners[node] = Some(at);
                return Some(node);
            }
            Some(&Built::Node(node)) => self.nodes[node].1.kind(),
            Some(Built::Local(_)) => "a local variable",
            None if id == MuId::NONE => {
                self.error(code::MISSING_ID, at, format!("{} is missing", role.text()));
                return None;
            }
            None if self.own.contains_key(&id) => {
                let name = self.show(id);
                self.error(code::NEVER_BUILT, at, format!("nothing was built under {name}"));
                return None;
            }
            None => match self.program.entity(id) {
                Some(entity) if entity != Entity::Reserved => entity.kind(),
                _ => {
                    self.error(code::UNKNOWN_ID, at, format!("#{} stands for nothing", id.0));
                    return None;
                }
            },
        };
        let message = format!("{} is {found}, but {} is expected here", self.show(id), role.text());
        self.error(code::WRONG_ROLE, at, message);
        None
    }

    // ---- pass 2

    fn emit_all(&mut self) -> Vec<Def> {
        let nodes = self.nodes;
        // Functions that have a version here are defined with it.
        let versions = nodes.iter().filter_map(|(_, node)| match node {
            Node::FuncVer { func, .. } => Some(*func),
            _ => None,
        });
        let mut defined: HashSet<MuId, FixedHasher> = HashSet::with_hasher(FixedHasher);
        defined.extend(versions);
        let mut defs = Vec::new();
        for (at, (id, node)) in nodes.iter().enumerate() {
            let name = self.name(*id);
            let kind = match node {
                Node::Func { .. } if defined.contains(id) => None,
                Node::FuncVer { func, blocks } => {
                    self.func_def(name, *func, blocks, at).map(DefKind::FuncDef)
                }
                _ => self.simple_def(name, node, at),
            };
            if let Some(kind) = kind {
                defs.push(Def { kind, span: Span::built(*id) });
            }
        }
        defs
    }

    /// The definition of anything but a function version; `None` for what is no top-level definition.
    fn simple_def(&mut self, name: Use, node: &Node, at: usize) -> Option<DefKind> {
        Some(match node {
            Node::Type(ctor) => {
                let ids: Vec<MuId> = ctor.type_args().copied().collect();
                let mut args = self.entities(&ids, at).into_iter();
                let sig = ctor.sig_arg().map(|&sig| self.entity(sig, at));
                // As many arguments come back as went in.
                let ctor = ctor.map(|_| args.next().unwrap_or(name), |_| sig.unwrap_or(name));
                DefKind::Type { name, ctor }
            }
            Node::Sig(sig) => {
                let params = self.entities(&sig.params, at).into();
                DefKind::Sig { name, sig: Signature { params, rets: self.entities(&sig.rets, at).into() } }
            }
            Node::Const { ty, value } => {
                let ctor = self.const_ctor(*ty, value, at);
                DefKind::Const { name, ty: self.entity(*ty, at), ctor, ctor_span: name.span }
            }
            Node::Global { ty } => DefKind::Global { name, ty: self.entity(*ty, at) },
            Node::Func { sig } => DefKind::FuncDecl { name, sig: self.entity(*sig, at) },
            Node::Expose { func, callconv, cookie } => {
                let func = self.entity(*func, at);
                DefKind::Expose { name, func, callconv: *callconv, cookie: self.entity(*cookie, at) }
            }
            Node::FuncVer { .. }
            | Node::Block(_)
            | Node::Inst(_)
            | Node::Dest { .. }
            | Node::Exc { .. }
            | Node::Keepalive(_)
            | Node::RetWith(_)
            | Node::KillOld
            | Node::PassValues { .. }
            | Node::ThrowExc(_) => return None,
        })
    }

    fn const_ctor(&mut self, ty: MuId, value: &ConstValue, at: usize) -> ConstCtor<Use> {
        match value {
            ConstValue::Int(words) => integer(words, self.int_width(ty)).unwrap_or_else(|| {
                self.error(code::TOO_WIDE, at, "an integer has more than 128 bits".into());
                ConstCtor::Null
            }),
            ConstValue::Float(bits) => ConstCtor::Float(*bits),
            ConstValue::Double(bits) => ConstCtor::Double(*bits),
            ConstValue::Null => ConstCtor::Null,
            ConstValue::List(members) => ConstCtor::List(self.entities(members, at).into()),
            ConstValue::Extern(symbol) => ConstCtor::Extern(symbol.clone()),
        }
    }

    /// Bits of an integer constant's type; pointers have 64, and what is no such type is reported by the verifier.
    fn int_width(&self, ty: MuId) -> u32 {
        let width = match self.built.get(&ty) {
            Some(&Built::Node(node)) => match self.nodes[node].1 {
                Node::Type(TypeCtor::Int(width)) => Some(width),
                _ => None,
            },
            Some(Built::Local(_)) => None,
            None => match self.program.entity(ty) {
                Some(Entity::Type(ty)) => match self.program.types.get(ty) {
                    Type::Int(width) => Some(*width),
                    _ => None,
                },
                _ => None,
            },
        };
        width.unwrap_or(64)
    }

    fn func_def(&mut self, version: Use, func: MuId, blocks: &[MuId], at: usize) -> Option<FuncDef> {
        let name = self.entity(func, at);
        let sig = match self.built.get(&func) {
            Some(&Built::Node(node)) => match self.nodes[node].1 {
                Node::Func { sig } => Some(self.entity(sig, node)),
                _ => None,
            },
            Some(Built::Local(_)) => None,
            None => match self.program.entity(func) {
                Some(Entity::Func(func)) => {
                    let sig = self.program.types.sig_mu_id(self.program.funcs[func.index()].sig);
                    Some(self.entity(sig, at))
                }
                _ => None,
            },
        };
        let found: Vec<usize> =
            blocks.iter().filter_map(|&block| self.part(block, Role::Block, at)).collect();
        let blocks = found.into_iter().filter_map(|node| self.block(node)).collect();
        match sig {
            Some(sig) => Some(FuncDef { name, version, sig, blocks }),
            None => {
                // What does not exist was reported by `entity`.
                if self.built.contains_key(&func) || self.foreign.contains_key(&func) {
                    let message = format!("{} is no function", self.show(func));
                    self.error(code::WRONG_ROLE, at, message);
                }
                None
            }
        }
    }

    fn block(&mut self, at: usize) -> Option<DraftBlock> {
        let nodes = self.nodes;
        let (id, Node::Block(block)) = &nodes[at] else { return None };
        let BlockNode { params, exc_param, insts } = &**block;
        let params = params.iter().map(|&(param, ty)| (self.entity(ty, at), self.name(param))).collect();
        let exc_param = exc_param.map(|param| self.name(param));
        let found: Vec<usize> = insts.iter().filter_map(|&inst| self.part(inst, Role::Inst, at)).collect();
        let insts = found.into_iter().filter_map(|node| self.inst(node)).collect();
        Some(DraftBlock { name: self.name(*id), params, exc_param, insts, span: Span::built(*id) })
    }

    fn inst(&mut self, at: usize) -> Option<Inst<Unlinked>> {
        let nodes = self.nodes;
        let (id, Node::Inst(node)) = &nodes[at] else { return None };
        let InstNode { op, results, types, sigs, args, dests, exc, keepalive, cur_stack, new_stack, attrs } =
            &**node;
        let mut inst = Inst::new(*op, Some(self.name(*id)), Span::built(*id));
        inst.attrs = *attrs;
        inst.results = results.iter().map(|&result| self.name(result)).collect();
        inst.types = self.entities(types, at).into();
        inst.sigs = self.entities(sigs, at).into();
        inst.args = self.entities(args, at).into();
        inst.dests = dests.iter().filter_map(|&dest| self.dest(dest, at, at)).collect();
        if let Some(clause) = cur_stack {
            self.cur_stack(*clause, at, &mut inst);
        }
        if let Some(clause) = new_stack {
            self.new_stack(*clause, at, &mut inst);
        }
        debug_assert!(cur_stack.is_none() || *op == Op::SwapStack);
        inst.exc = exc.and_then(|clause| self.exc(clause, at)).map(Box::new);
        if let Some(clause) = keepalive
            && let Some(node) = self.part(*clause, Role::Keepalive, at)
            && let Node::Keepalive(vars) = &nodes[node].1
        {
            inst.keepalives = Some(self.entities(vars, node).into());
        }
        Some(inst)
    }

    /// A destination that the node `at`, the instruction or its exception clause, names.
    fn dest(&mut self, dest: MuId, at: usize, inst: usize) -> Option<Dest<Unlinked>> {
        let node = self.part(dest, Role::Dest, at)?;
        let nodes = self.nodes;
        let Node::Dest { block, args } = &nodes[node].1 else { return None };
        // What linking finds wrong is shown at the instruction.
        let span = Span::built(nodes[inst].0);
        let block = Use { span, ..self.entity(*block, node) };
        Some(Dest { block, args: args.iter().map(|&arg| Use { span, ..self.entity(arg, node) }).collect() })
    }

    fn exc(&mut self, clause: MuId, at: usize) -> Option<ExcClause<Unlinked>> {
        let node = self.part(clause, Role::Exc, at)?;
        let Node::Exc { nor, exc } = self.nodes[node].1 else { return None };
        let (nor, exc) = (self.dest(nor, node, at), self.dest(exc, node, at));
        Some(ExcClause { nor: nor?, exc: exc? })
    }

    fn cur_stack(&mut self, clause: MuId, at: usize, inst: &mut Inst<Unlinked>) {
        let Some(node) = self.part(clause, Role::CurStack, at) else { return };
        let nodes = self.nodes;
        match &nodes[node].1 {
            Node::RetWith(types) => {
                let types = self.entities(types, node);
                inst.attrs.split = types.len() as u32;
                inst.types.extend(types);
            }
            _ => inst.attrs.cur_stack = CurStack::KillOld,
        }
    }

    fn new_stack(&mut self, clause: MuId, at: usize, inst: &mut Inst<Unlinked>) {
        let Some(node) = self.part(clause, Role::NewStack, at) else { return };
        let nodes = self.nodes;
        match &nodes[node].1 {
            Node::PassValues { types, vars } => {
                let types = self.entities(types, node);
                let vars = self.entities(vars, node);
                inst.types.extend(types);
                inst.args.extend(vars);
            }
            Node::ThrowExc(exc) => {
                let exc = self.entity(*exc, node);
                inst.attrs.new_stack = NewStack::ThrowExc;
                inst.args.push(exc);
            }
            _ => {}
        }
    }

    // ---- pass 3

    fn left_over(&mut self) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].1.role().is_some() && self.owners[at].is_none() {
                let (id, node) = &self.nodes[at];
                let message = format!("{} is used nowhere", self.show_node(at));
                let where_ = match node.role() {
                    Some(Role::Block) => "list it in a function version",
                    Some(Role::Inst) => "list it in a basic block",
                    _ => "hand it to an instruction",
                };
                let error = Diagnostic::error(code::NOT_PLACED, Span::built(*id), message).help(where_);
                self.errors.push(error);
            }
        }
    }
}

/// An integer given as words, as sign and magnitude for a type of `width` bits: unsigned if it fits so, else signed.
/// `None` if it has more than 128 significant bits.
fn integer(words: &[u64], width: u32) -> Option<ConstCtor<Use>> {
    let low = words.first().copied().unwrap_or(0);
    let high = words.get(1).copied().unwrap_or(0);
    let bits = u128::from(low) | u128::from(high) << 64;
    let rest = words.get(2..).unwrap_or(&[]);
    let negative = words.last().is_some_and(|&word| word >> 63 == 1);
    if !rest.iter().all(|&word| word == 0) {
        // More than 128 bits: only the repeated sign of a negative number can be dropped.
        let sign_only = rest.iter().all(|&word| word == u64::MAX) && high >> 63 == 1;
        return sign_only.then_some(ConstCtor::Int { negative: true, magnitude: bits.wrapping_neg() });
    }
    let signed = if words.len() == 1 { low as i64 as i128 } else { bits as i128 };
    let fits_unsigned = width >= 128 || bits >> width == 0;
    let least = match width {
        1..=127 => -1i128 << (width - 1),
        _ => i128::MIN,
    };
    if !fits_unsigned && negative && signed >= least {
        return Some(ConstCtor::Int { negative: true, magnitude: signed.unsigned_abs() });
    }
    Some(ConstCtor::Int { negative: false, magnitude: bits })
}
