//! Linking: from symbols to entities, all of a bundle or nothing.
//!
//! Three passes over the definitions of a draft:
//! 1. *define*: every definition gets an index, an id and its name; clashes are reported;
//! 2. *resolve*: every use of a symbol becomes an index, wrong kinds and unknown names are reported. What refers to such
//!    a name, directly or not, is *tainted*: nothing more is said about it, so that one mistake is reported once;
//! 3. *verify* ([`crate::verify`]): types of results, and every rule of the specification.
//!
//! Any error truncates the program to what it was before. Warnings (lenient mode) do not.
//!
//! Work and memory are proportional to the draft, however many errors it has: [`Findings`] keeps the first of them, and a
//! diagnostic beyond those is not even made. Nothing recurses.
//!
//! ```text
//! Program ── mark ──> append types, constants, functions, versions ──> verify ──> keep, or truncate to the mark
//! ```

use crate::codes::{load as code_load, name as code};
use crate::diag::{Diagnostic, Findings, Span, short_name};
use crate::draft::{ConstCtor, Def, DefKind, Draft, DraftBlock, FuncDef};
use crate::ids::*;
use crate::inst::{Dest, ExcClause, Inst, Linked, Unlinked, Use, Value};
use crate::program::*;
use crate::types::{Signature, Type};
use crate::verify;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How to load a bundle.
pub struct Options<'a> {
    /// Type mismatches between types of one size and register class are warnings.
    pub lenient: bool,
    /// Finds the address of an external symbol.
    pub resolve_extern: &'a dyn Fn(&str) -> Option<u64>,
}

/// What loading a bundle did.
#[derive(Debug)]
pub struct Loaded {
    /// The size of the program before; what comes after the mark is the bundle.
    pub mark: Mark,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// Appends a draft to the program, or reports every error and leaves the program as it was at `before`
/// (a mark taken before the bundle's source text was added).
pub fn load(
    program: &mut Program,
    draft: &Draft,
    before: Mark,
    options: &Options<'_>,
) -> Result<Loaded, Vec<Diagnostic>> {
    let mark = program.mark();
    let mut linker = Linker::new(program, draft);
    linker.define_all();
    linker.resolve_all(options);
    let (errors, spans) = (linker.errors, linker.spans);
    // Names that are wrong do not hide other errors: the verifier passes over what is tainted.
    let options = verify::Options { lenient: options.lenient };
    let errors = verify::verify(program, &mark, draft, &spans, options, errors);
    if errors.errors() == 0 {
        debug_assert!(verify::all_typed(program, &mark), "a good bundle has an untyped variable");
        Ok(Loaded { mark, warnings: name_places(draft, errors.into_sorted()) })
    } else {
        undo(program, draft, &before);
        Err(name_places(draft, errors.into_sorted()))
    }
}

/// Makes a program what it was at `before`, when loading `draft` began: what the draft added is forgotten, and ids that
/// its builder had reserved are unused again.
pub fn undo(program: &mut Program, draft: &Draft, before: &Mark) {
    for index in 0..draft.symbols.len() {
        let id = draft.symbols.id(Sym::new(index));
        if program.entity(id).is_some_and(|entity| before.is_older_than(entity)) {
            program.set_entity(id, Entity::Reserved);
        }
    }
    program.truncate(before);
}

/// Says in messages where something is that was built instead of written: there is no text to point into.
fn name_places(draft: &Draft, mut errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let wanted: BTreeSet<MuId> = errors.iter().filter_map(|error| error.primary.span.built_id()).collect();
    if wanted.is_empty() {
        return errors;
    }
    let mut places: BTreeMap<MuId, String> = BTreeMap::new();
    let show = |name: Use| match draft.symbols.name(name.sym) {
        Some(text) => text.to_owned(),
        None => format!("#{}", draft.symbols.id(name.sym).0),
    };
    let mut note = |name: Use, place: String| {
        let id = draft.symbols.id(name.sym);
        if wanted.contains(&id) {
            places.insert(id, place);
        }
    };
    for def in &draft.defs {
        match &def.kind {
            DefKind::Type { name, .. }
            | DefKind::Sig { name, .. }
            | DefKind::Const { name, .. }
            | DefKind::Global { name, .. }
            | DefKind::FuncDecl { name, .. }
            | DefKind::Expose { name, .. } => note(*name, show(*name)),
            DefKind::FuncDef(func) => {
                note(func.version, show(func.version));
                for block in &func.blocks {
                    let block_name = format!("{} of {}", show(block.name), show(func.version));
                    note(block.name, block_name.clone());
                    for inst in &block.insts {
                        let Some(name) = inst.name else { continue };
                        note(name, format!("{} {} in {block_name}", inst.op.mnemonic(), show(name)));
                    }
                }
            }
        }
    }
    for error in &mut errors {
        if let Some(place) = error.primary.span.built_id().and_then(|id| places.get(&id)) {
            error.message = format!("{} (in {place})", error.message);
        }
    }
    errors
}

struct Linker<'p> {
    program: &'p mut Program,
    draft: &'p Draft,
    errors: Findings,
    spans: verify::Spans,
    /// Symbols of which nothing more can be said: defined twice, or by something that could not be resolved.
    tainted: Vec<bool>,
    /// A tainted symbol was used since this was last reset.
    met_taint: bool,
    /// While a definition outside of function bodies is resolved: its symbol.
    resolving: Option<Sym>,
    /// (used symbol, symbol of the definition that uses it), of definitions outside of function bodies.
    dependents: Vec<(Sym, Sym)>,
    /// What each symbol of the draft is, as far as this draft defines it.
    defined: Vec<Option<Entity>>,
    /// Where each symbol was defined, for messages.
    places: Vec<Span>,
    /// The id of each symbol this draft defines.
    ids: Vec<MuId>,
    /// Symbols looked up in the program: not yet, not there, there.
    found: Vec<Lookup>,
    /// The signatures of the functions this draft defines, as they are written.
    func_sigs: Vec<Use>,
    /// Number of functions in front of those.
    old_funcs: usize,
}

#[derive(Clone, Copy)]
enum Lookup {
    Unknown,
    Missing,
    Found(Entity),
}

impl<'p> Linker<'p> {
    fn new(program: &'p mut Program, draft: &'p Draft) -> Self {
        let count = draft.symbols.len();
        let old_funcs = program.funcs.len();
        Linker {
            program,
            draft,
            errors: Findings::default(),
            spans: verify::Spans::default(),
            tainted: vec![false; count],
            met_taint: false,
            resolving: None,
            dependents: Vec::new(),
            defined: vec![None; count],
            places: vec![Span::NONE; count],
            ids: vec![MuId::NONE; count],
            found: vec![Lookup::Unknown; count],
            func_sigs: Vec::new(),
            old_funcs,
        }
    }

    // ---- pass 1: define

    fn define_all(&mut self) {
        let mut types = self.program.types.type_count();
        let mut sigs = self.program.types.sig_count();
        let mut consts = self.program.consts.len();
        let mut globals = self.program.globals.len();
        let mut exposes = self.program.exposes.len();
        let mut funcs = self.program.funcs.len();
        let mut vers = self.program.func_vers.len();
        let next = |counter: &mut usize| {
            *counter += 1;
            *counter - 1
        };
        for (index, def) in self.draft.defs.iter().enumerate() {
            match &def.kind {
                DefKind::Type { name, .. } => {
                    self.define(*name, Entity::Type(TypeId::new(next(&mut types))));
                    self.spans.types.push(index);
                }
                DefKind::Sig { name, .. } => {
                    self.define(*name, Entity::Sig(SigId::new(next(&mut sigs))));
                    self.spans.sigs.push(index);
                }
                DefKind::Const { name, .. } => {
                    self.define(*name, Entity::Const(ConstId::new(next(&mut consts))));
                    self.spans.consts.push(index);
                }
                DefKind::Global { name, .. } => {
                    self.define(*name, Entity::Global(GlobalId::new(next(&mut globals))));
                    self.spans.globals.push(index);
                }
                DefKind::Expose { name, .. } => {
                    self.define(*name, Entity::Expose(ExposeId::new(next(&mut exposes))));
                    self.spans.exposes.push(index);
                }
                DefKind::FuncDecl { name, sig } => {
                    if self.declare_func(*name, false) {
                        self.func_sigs.push(*sig);
                        self.define(*name, Entity::Func(FuncId::new(next(&mut funcs))));
                        self.spans.funcs.push(index);
                    }
                }
                DefKind::FuncDef(func) => {
                    if self.declare_func(func.name, true) {
                        self.func_sigs.push(func.sig);
                        self.define(func.name, Entity::Func(FuncId::new(next(&mut funcs))));
                        self.spans.funcs.push(index);
                    }
                    self.define_body(func, FuncVerId::new(next(&mut vers)));
                    self.spans.func_vers.push(index);
                }
            }
        }
    }

    /// Whether a declaration or definition makes a new function. Reports the cases in which it must not be there.
    fn declare_func(&mut self, name: Use, has_body: bool) -> bool {
        let sym = name.sym.index();
        if let Some(Entity::Func(_)) = self.defined[sym] {
            let text = self.sym_text(name.sym);
            self.errors.push(
                Diagnostic::error(
                    code::DECLARED_TWICE,
                    name.span,
                    format!("{text} stands twice in this bundle"),
                )
                .also(self.places[sym], "first here"),
            );
            self.tainted[sym] = true;
            return false;
        }
        if self.defined[sym].is_some() {
            self.defined_twice(name);
            return false;
        }
        match self.lookup_program(name.sym) {
            Some(Entity::Func(func)) if has_body => {
                // Redefinition: the function is the old one.
                self.defined[sym] = Some(Entity::Func(func));
                self.places[sym] = name.span;
                false
            }
            Some(Entity::Func(func)) => {
                let text = self.sym_text(name.sym);
                let place = self.program.funcs[func.index()].span;
                self.errors.push(
                    Diagnostic::error(code::ALREADY_DECLARED, name.span, format!("{text} exists already"))
                        .also(place, "declared or defined here")
                        .help("drop the .funcdecl; a .funcdef adds a version"),
                );
                false
            }
            _ => true,
        }
    }

    /// Gives a symbol of this draft an entity, an id and its name.
    fn define(&mut self, name: Use, entity: Entity) {
        let sym = name.sym.index();
        if self.defined[sym].is_some() {
            return self.defined_twice(name);
        }
        let reserved = self.draft.symbols.id(name.sym);
        let id = if reserved == MuId::NONE {
            self.program.define(entity)
        } else {
            self.program.set_entity(reserved, entity);
            reserved
        };
        if let Some(text) = self.draft.symbols.name(name.sym) {
            if text.starts_with("@uvm.") {
                self.errors.push(Diagnostic::error(
                    code::RESERVED_NAME,
                    name.span,
                    format!("{text} belongs to the micro VM"),
                ));
            } else if let Err(other) = self.program.set_name(id, text)
                && other != id
            {
                let kind = self.program.entity(other).map_or("an entity", Entity::kind);
                let place = self.entity_span(other);
                self.errors.push(
                    Diagnostic::error(code::NAME_TAKEN, name.span, format!("{text} is already {kind}"))
                        .also(place, "defined here"),
                );
            }
        }
        self.defined[sym] = Some(entity);
        self.places[sym] = name.span;
        self.ids[sym] = id;
    }

    #[cold]
    fn defined_twice(&mut self, name: Use) {
        let sym = name.sym.index();
        self.tainted[sym] = true;
        if !self.errors.has_room() {
            return self.errors.count_error(name.span);
        }
        let text = self.sym_text(name.sym);
        self.errors.push(
            Diagnostic::error(code::DUPLICATE_NAME, name.span, format!("{text} is defined twice"))
                .also(self.places[sym], "first definition"),
        );
    }

    fn define_body(&mut self, func: &FuncDef, ver: FuncVerId) {
        self.define(func.version, Entity::FuncVer(ver));
        let mut vars = 0;
        for (index, block) in func.blocks.iter().enumerate() {
            let block_idx = BlockIdx::new(index);
            self.define(block.name, Entity::Block(ver, block_idx));
            let mut var = |linker: &mut Self, name: Use| {
                linker.define(name, Entity::Var(ver, VarIdx::new(vars)));
                vars += 1;
            };
            for &(_, name) in &block.params {
                var(self, name);
            }
            if let Some(name) = block.exc_param {
                var(self, name);
            }
            for (at, inst) in block.insts.iter().enumerate() {
                for &name in &inst.results {
                    var(self, name);
                }
                if let Some(name) = inst.name {
                    self.define(name, Entity::Inst(ver, block_idx, InstIdx::new(at)));
                }
            }
        }
    }

    // ---- pass 2: resolve

    fn resolve_all(&mut self, options: &Options<'_>) {
        self.resolve_types();
        let draft = self.draft;
        for def in &draft.defs {
            self.resolve_global_var(def, options);
        }
        self.taint_dependents();
        let mut versions = Vec::new();
        for def in &draft.defs {
            if let DefKind::FuncDef(func) = &def.kind {
                versions.push(self.resolve_func(func, def.span));
            }
        }
        for (func, version) in versions {
            let ver = FuncVerId::new(self.program.func_vers.len());
            self.program.func_vers.push(Arc::new(version));
            // After an error a function may be missing; everything is truncated then.
            if let Some(func) = func.and_then(|func: FuncId| self.program.funcs.get_mut(func.index())) {
                func.versions.push(ver);
            }
        }
    }

    /// Begins the resolution of a definition outside of function bodies.
    fn begin(&mut self, name: Use) {
        self.resolving = Some(name.sym);
        self.met_taint = false;
    }

    /// Ends it. Whatever could not be resolved taints its symbol.
    fn end(&mut self) {
        if let Some(sym) = self.resolving.take() {
            self.tainted[sym.index()] |= self.met_taint;
        }
    }

    /// Taints what depends on what is tainted, and notes those definitions for the verifier.
    fn taint_dependents(&mut self) {
        let mut work: Vec<Sym> = Vec::new();
        for (index, &tainted) in self.tainted.iter().enumerate() {
            if tainted {
                work.push(Sym::new(index));
            }
        }
        if work.is_empty() {
            return;
        }
        self.dependents.sort_unstable();
        while let Some(sym) = work.pop() {
            let first = self.dependents.partition_point(|&(used, _)| used < sym);
            for &(_, user) in self.dependents[first..].iter().take_while(|(used, _)| *used == sym) {
                if !std::mem::replace(&mut self.tainted[user.index()], true) {
                    work.push(user);
                }
            }
        }
        for (index, def) in self.draft.defs.iter().enumerate() {
            let is_tainted = |name: &Use| self.tainted[name.sym.index()];
            let tainted = match &def.kind {
                DefKind::Type { name, .. }
                | DefKind::Sig { name, .. }
                | DefKind::Const { name, .. }
                | DefKind::Global { name, .. }
                | DefKind::FuncDecl { name, .. }
                | DefKind::Expose { name, .. } => is_tainted(name),
                DefKind::FuncDef(func) => [func.name, func.version, func.sig].iter().any(is_tainted),
            };
            if tainted {
                self.spans.tainted.insert(index);
            }
        }
    }

    fn resolve_types(&mut self) {
        let mut types = Vec::new();
        let mut sigs = Vec::new();
        let draft = self.draft;
        for def in &draft.defs {
            match &def.kind {
                DefKind::Type { name, ctor } => {
                    self.begin(*name);
                    // `map` wants two closures; collect the uses first, then apply.
                    let mut args = Vec::new();
                    for &arg in ctor.type_args() {
                        args.push(self.ty(arg));
                    }
                    let sig = ctor.sig_arg().map(|&sig| self.sig(sig));
                    let mut args = args.into_iter();
                    let ctor: Type =
                        ctor.map(|_| args.next().unwrap_or(TypeId(0)), |_| sig.unwrap_or(SigId(0)));
                    types.push((self.id_of_sym(name.sym), ctor));
                    self.end();
                }
                DefKind::Sig { name, sig } => {
                    self.begin(*name);
                    let params = sig.params.iter().map(|&ty| self.ty(ty)).collect();
                    let rets = sig.rets.iter().map(|&ty| self.ty(ty)).collect();
                    sigs.push((self.id_of_sym(name.sym), Signature { params, rets }));
                    self.end();
                }
                DefKind::Const { .. }
                | DefKind::Global { .. }
                | DefKind::FuncDecl { .. }
                | DefKind::FuncDef(_)
                | DefKind::Expose { .. } => {}
            }
        }
        self.program.types.append(types, sigs);
    }

    fn resolve_global_var(&mut self, def: &Def, options: &Options<'_>) {
        match &def.kind {
            DefKind::Type { .. } | DefKind::Sig { .. } => {}
            DefKind::Const { name, ty, ctor, ctor_span } => {
                self.begin(*name);
                let ty = self.ty(*ty);
                let address = match ctor {
                    ConstCtor::Extern(symbol) => self.resolve_extern(symbol, *ctor_span, options),
                    _ => None,
                };
                let ctor = ctor.map(|&member| self.global_var(member));
                let id = self.id_of_sym(name.sym);
                self.program.consts.push(Const { id, ty, ctor, address, span: name.span });
            }
            DefKind::Global { name, ty } => {
                self.begin(*name);
                let ty = self.ty(*ty);
                let iref_ty = self.derive(Type::IRef(ty));
                let id = self.id_of_sym(name.sym);
                self.program.globals.push(Global { id, ty, iref_ty, span: name.span });
            }
            DefKind::FuncDecl { name, sig } => {
                self.begin(*name);
                let sig = self.sig(*sig);
                self.add_func(*name, sig);
            }
            DefKind::FuncDef(func) => {
                self.begin(func.name);
                let sig = self.sig(func.sig);
                self.add_func(func.name, sig);
            }
            DefKind::Expose { name, func, callconv, cookie } => {
                self.begin(*name);
                let func = self.func(*func);
                let cookie = self.const_(*cookie);
                let sig = self.func_sig(func);
                let ptr_ty = self.derive(Type::UFuncPtr(sig));
                let id = self.id_of_sym(name.sym);
                let callconv = *callconv;
                self.program.exposes.push(Expose { id, func, callconv, cookie, ptr_ty, span: name.span });
            }
        }
        self.end();
    }

    /// Signature of a function; of one that comes later in this bundle too. An unknown one is reported at the function.
    fn func_sig(&mut self, func: FuncId) -> SigId {
        if let Some(known) = self.program.funcs.get(func.index()) {
            return known.sig;
        }
        let written =
            func.index().checked_sub(self.old_funcs).and_then(|new| self.func_sigs.get(new)).copied();
        match written.and_then(|sig| self.entity(sig)) {
            Some(Entity::Sig(sig)) => sig,
            _ => SigId(0),
        }
    }

    fn add_func(&mut self, name: Use, sig: SigId) {
        let Some(Entity::Func(func)) = self.defined[name.sym.index()] else { return };
        if func.index() == self.program.funcs.len() {
            let funcref_ty = self.derive(Type::FuncRef(sig));
            let id = self.id_of_sym(name.sym);
            self.program.funcs.push(Func { id, sig, funcref_ty, versions: Vec::new(), span: name.span });
        }
    }

    fn resolve_extern(&mut self, symbol: &str, span: Span, options: &Options<'_>) -> Option<u64> {
        let address = (options.resolve_extern)(symbol);
        if address.is_none() {
            self.errors.push(
                Diagnostic::error(
                    code_load::UNRESOLVED_SYMBOL,
                    span,
                    format!("no symbol \"{symbol}\" is loaded"),
                )
                .help("symbols of libc and libm are there; name other libraries with --lib"),
            );
        }
        address
    }

    fn resolve_func(&mut self, func: &'p FuncDef, span: Span) -> (Option<FuncId>, FuncVer) {
        let ver = match self.defined[func.version.sym.index()] {
            Some(Entity::FuncVer(ver)) => ver,
            _ => FuncVerId(u32::MAX),
        };
        let (block, vars, local_names) = (BlockIdx(0), Vec::new(), None);
        let mut body = Body { linker: self, func, ver, vars, block, block_vars: 0..0, local_names };
        let blocks = func.blocks.iter().enumerate().map(|(at, block)| body.block(at, block)).collect();
        let vars = body.vars;
        let sig = self.sig(func.sig);
        let owner = match self.defined[func.name.sym.index()] {
            Some(Entity::Func(owner)) => Some(owner),
            _ => None,
        };
        let id = self.id_of_sym(func.version.sym);
        let version = FuncVer { id, func: owner.unwrap_or(FuncId(0)), sig, blocks, vars, span };
        (owner, version)
    }

    // ---- uses

    fn derive(&mut self, ctor: Type) -> TypeId {
        self.program.types.intern(ctor)
    }

    fn lookup_program(&mut self, sym: Sym) -> Option<Entity> {
        match self.found[sym.index()] {
            Lookup::Found(entity) => Some(entity),
            Lookup::Missing => None,
            Lookup::Unknown => {
                // The id goes first: a name that a builder gave does not refer to what has that name already.
                let id = self.draft.symbols.id(sym);
                let entity = match self.draft.symbols.name(sym) {
                    _ if id != MuId::NONE => {
                        self.program.entity(id).filter(|&entity| entity != Entity::Reserved)
                    }
                    Some(name) => self.program.lookup(name),
                    None => None,
                };
                self.found[sym.index()] = entity.map_or(Lookup::Missing, Lookup::Found);
                entity
            }
        }
    }

    fn entity(&mut self, use_: Use) -> Option<Entity> {
        self.met_taint |= self.tainted[use_.sym.index()];
        if let Some(user) = self.resolving {
            self.dependents.push((use_.sym, user));
        }
        match self.defined[use_.sym.index()] {
            Some(entity) => Some(entity),
            None => self.lookup_program(use_.sym),
        }
    }

    #[cold]
    fn wrong(&mut self, use_: Use, entity: Option<Entity>, wanted: &str) {
        self.met_taint = true;
        if !self.errors.has_room() {
            return self.errors.count_error(use_.span);
        }
        let text = self.sym_text(use_.sym);
        let place = self.places[use_.sym.index()];
        let error = match entity {
            None => Diagnostic::error(code::UNKNOWN_NAME, use_.span, format!("nothing is called {text}"))
                .label(format!("expected {wanted}")),
            Some(entity) => {
                let message = format!("{text} is {}, but {wanted} is expected here", entity.kind());
                Diagnostic::error(code::WRONG_KIND, use_.span, message).also(place, "defined here")
            }
        };
        self.errors.push(error);
    }

    fn ty(&mut self, use_: Use) -> TypeId {
        match self.entity(use_) {
            Some(Entity::Type(ty)) => ty,
            other => {
                self.wrong(use_, other, "a type");
                TypeId(0)
            }
        }
    }

    fn sig(&mut self, use_: Use) -> SigId {
        match self.entity(use_) {
            Some(Entity::Sig(sig)) => sig,
            other => {
                self.wrong(use_, other, "a function signature");
                SigId(0)
            }
        }
    }

    fn func(&mut self, use_: Use) -> FuncId {
        match self.entity(use_) {
            Some(Entity::Func(func)) => func,
            other => {
                self.wrong(use_, other, "a function");
                FuncId(0)
            }
        }
    }

    fn const_(&mut self, use_: Use) -> ConstId {
        match self.entity(use_) {
            Some(Entity::Const(id)) => id,
            other => {
                self.wrong(use_, other, "a constant");
                ConstId(0)
            }
        }
    }

    fn global_var(&mut self, use_: Use) -> Value {
        match self.entity(use_) {
            Some(Entity::Const(id)) => Value::Const(id),
            Some(Entity::Global(id)) => Value::Global(id),
            Some(Entity::Func(id)) => Value::Func(id),
            Some(Entity::Expose(id)) => Value::Expose(id),
            other => {
                self.wrong(use_, other, "a constant, global cell or function");
                Value::Const(ConstId(0))
            }
        }
    }

    // ---- names

    fn sym_text(&self, sym: Sym) -> String {
        match self.draft.symbols.name(sym) {
            Some(name) => short_name(name),
            None => format!("#{}", self.draft.symbols.id(sym).0),
        }
    }

    /// The id of a symbol this draft defines.
    fn id_of_sym(&self, sym: Sym) -> MuId {
        self.ids[sym.index()]
    }

    fn entity_span(&self, id: MuId) -> Span {
        match self.program.entity(id) {
            Some(Entity::Const(id)) => {
                self.program.consts.get(id.index()).map_or(Span::NONE, |entity| entity.span)
            }
            Some(Entity::Global(id)) => {
                self.program.globals.get(id.index()).map_or(Span::NONE, |entity| entity.span)
            }
            Some(Entity::Func(id)) => {
                self.program.funcs.get(id.index()).map_or(Span::NONE, |entity| entity.span)
            }
            Some(Entity::FuncVer(id)) => {
                self.program.func_vers.get(id.index()).map_or(Span::NONE, |entity| entity.span)
            }
            _ => Span::NONE,
        }
    }
}

/// Resolution inside a function version.
struct Body<'a, 'p> {
    linker: &'a mut Linker<'p>,
    func: &'p FuncDef,
    ver: FuncVerId,
    vars: Vec<Var>,
    block: BlockIdx,
    /// The variables of the current block.
    block_vars: std::ops::Range<usize>,
    /// Where each local name of the version is defined first; made when the first error wants it.
    local_names: Option<HashMap<&'p str, Span>>,
}

impl<'p> Body<'_, 'p> {
    fn block(&mut self, at: usize, block: &DraftBlock) -> Block {
        let start = self.vars.len();
        let results: usize = block.insts.iter().map(|inst| inst.results.len()).sum();
        let count = block.params.len() + usize::from(block.exc_param.is_some()) + results;
        self.block = BlockIdx::new(at);
        self.block_vars = start..start + count;
        let mut params = Vec::with_capacity(block.params.len());
        for &(ty, name) in &block.params {
            self.linker.met_taint = false;
            let ty = self.linker.ty(ty);
            let ty = if self.linker.met_taint { Var::UNTYPED } else { ty };
            params.push(self.new_var(name, ty));
        }
        let ref_void = self.linker.program.predefined.ref_void;
        let exc_param = block.exc_param.map(|name| self.new_var(name, ref_void));
        let insts = block.insts.iter().enumerate().map(|(index, inst)| self.inst(index, inst)).collect();
        let id = self.linker.id_of_sym(block.name.sym);
        Block { id, params, exc_param, insts, span: block.span }
    }

    fn new_var(&mut self, name: Use, ty: TypeId) -> VarIdx {
        let id = self.linker.id_of_sym(name.sym);
        self.vars.push(Var { id, ty, span: name.span });
        VarIdx::new(self.vars.len() - 1)
    }

    fn inst(&mut self, index: usize, inst: &Inst<Unlinked>) -> Inst<Linked> {
        self.linker.met_taint = false;
        let results = inst.results.iter().map(|&name| self.new_var(name, Var::UNTYPED)).collect();
        let id = match inst.name {
            Some(name) => self.linker.id_of_sym(name.sym),
            // Anonymous instructions are identified too: cur_inst answers their id.
            None => self.linker.program.define(Entity::Inst(self.ver, self.block, InstIdx::new(index))),
        };
        let mut linked = Inst::new(inst.op, id, inst.span);
        linked.results = results;
        linked.types = inst.types.iter().map(|&ty| self.linker.ty(ty)).collect();
        linked.sigs = inst.sigs.iter().map(|&sig| self.linker.sig(sig)).collect();
        linked.args = inst.args.iter().map(|&arg| self.value(arg)).collect();
        linked.dests = inst.dests.iter().map(|dest| self.dest(dest)).collect();
        linked.exc = inst
            .exc
            .as_ref()
            .map(|exc| Box::new(ExcClause { nor: self.dest(&exc.nor), exc: self.dest(&exc.exc) }));
        linked.keepalives =
            inst.keepalives.as_ref().map(|list| list.iter().map(|&var| self.value(var)).collect());
        linked.attrs = inst.attrs;
        if self.linker.met_taint {
            self.linker.spans.broken.insert((self.ver, self.block, InstIdx::new(index)));
        }
        linked
    }

    fn dest(&mut self, dest: &Dest<Unlinked>) -> Dest<Linked> {
        let block = match self.linker.entity(dest.block) {
            Some(Entity::Block(ver, block)) if ver == self.ver => block,
            Some(Entity::Block(..)) => {
                self.other_function(dest.block);
                BlockIdx(0)
            }
            other => {
                self.linker.wrong(dest.block, other, "a basic block");
                BlockIdx(0)
            }
        };
        Dest { block, args: dest.args.iter().map(|&arg| self.value(arg)).collect() }
    }

    fn value(&mut self, use_: Use) -> Value {
        match self.linker.entity(use_) {
            Some(Entity::Var(ver, var)) => {
                if ver != self.ver {
                    self.other_function(use_);
                } else if !self.block_vars.contains(&var.index()) {
                    self.other_block(use_);
                }
                Value::Local(var)
            }
            Some(Entity::Const(id)) => Value::Const(id),
            Some(Entity::Global(id)) => Value::Global(id),
            Some(Entity::Func(id)) => Value::Func(id),
            Some(Entity::Expose(id)) => Value::Expose(id),
            None => {
                self.unknown_variable(use_);
                Value::Const(ConstId(0))
            }
            other => {
                self.linker.wrong(use_, other, "a variable");
                Value::Const(ConstId(0))
            }
        }
    }

    #[cold]
    fn other_block(&mut self, use_: Use) {
        self.linker.met_taint = true;
        if !self.linker.errors.has_room() {
            return self.linker.errors.count_error(use_.span);
        }
        let text = self.linker.sym_text(use_.sym);
        let place = self.linker.places[use_.sym.index()];
        let message = format!("{text} is a variable of another basic block");
        self.linker.errors.push(
            Diagnostic::error(code::OTHER_BLOCK, use_.span, message)
                .also(place, "defined here")
                .help("pass it as an argument of the branch and receive it in a block parameter"),
        );
    }

    #[cold]
    fn other_function(&mut self, use_: Use) {
        self.linker.met_taint = true;
        if !self.linker.errors.has_room() {
            return self.linker.errors.count_error(use_.span);
        }
        let text = self.linker.sym_text(use_.sym);
        let message = format!("{text} belongs to another function version");
        self.linker.errors.push(Diagnostic::error(code::OTHER_FUNCTION, use_.span, message));
    }

    /// `%x` that this block does not define: if another block of the version has one, say so.
    #[cold]
    fn unknown_variable(&mut self, use_: Use) {
        self.linker.met_taint = true;
        if !self.linker.errors.has_room() {
            return self.linker.errors.count_error(use_.span);
        }
        let text = self.linker.sym_text(use_.sym);
        let elsewhere = self.same_name_elsewhere(use_.sym);
        let mut error = Diagnostic::error(code::UNKNOWN_NAME, use_.span, format!("nothing is called {text}"))
            .label("expected a variable");
        if let Some(place) = elsewhere {
            error = error.also(place, "another basic block has a variable of this name").help(
                "variables do not live across basic blocks: pass it as an argument and receive it in a block parameter",
            );
        }
        self.linker.errors.push(error);
    }

    /// Where the version defines the local name of a symbol of this block.
    fn same_name_elsewhere(&mut self, sym: Sym) -> Option<Span> {
        let draft = self.linker.draft;
        let local_name = |block: &DraftBlock, sym: Sym| {
            let name = draft.symbols.name(sym)?.strip_prefix(draft.symbols.name(block.name.sym)?)?;
            name.strip_prefix('.')
        };
        let func = self.func;
        let names = self.local_names.get_or_insert_with(|| {
            let mut names = HashMap::new();
            for block in &func.blocks {
                let params = block.params.iter().map(|&(_, name)| name);
                let results = block.insts.iter().flat_map(|inst| inst.results.iter().copied());
                for name in params.chain(block.exc_param).chain(results) {
                    if let Some(local) = local_name(block, name.sym) {
                        names.entry(local).or_insert(name.span);
                    }
                }
            }
            names
        });
        names.get(local_name(&func.blocks[self.block.index()], sym)?).copied()
    }
}
