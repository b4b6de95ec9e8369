//! Printing of linked programs: references are indexes.
//!
//! Entities come in the order of their ids, which is the order of their definition. What was built through the client
//! interface may lack names; such entities get names from their ids, so that the text can be read and loaded again.

use super::{Names, Writer};
use mu_ir::ids::*;
use mu_ir::inst::{Linked, Value};
use mu_ir::program::{Block, FuncVer, Mark, Program};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Prints linked entities in canonical form: those that came after `since`, or all that Mu does not predefine.
///
/// Loading the text into a program that holds what was there at `since` gives the same bundle. A function with several
/// versions after the mark is printed with its last one, because a bundle cannot define a function twice; a comment
/// names the older ones. Instructions without a name stay so; other entities without a name get one made from their id.
pub fn print_program(program: &Program, since: Option<&Mark>) -> String {
    let names = ProgramNames { program };
    let mut writer = Writer::default();
    for (_, item) in items(program, since) {
        print_item(&mut writer, &names, item, since);
    }
    while writer.out.ends_with("\n\n") {
        writer.out.pop();
    }
    writer.out
}

/// Something to print at top level.
#[derive(Clone, Copy)]
enum Item {
    Type(TypeId),
    Sig(SigId),
    Const(ConstId),
    Global(GlobalId),
    /// A function without a version after the mark.
    FuncDecl(FuncId),
    /// The last version of its function.
    FuncVer(FuncVerId),
    Expose(ExposeId),
}

/// What to print, in the order of the ids.
fn items(program: &Program, since: Option<&Mark>) -> Vec<(MuId, Item)> {
    let first = |at: fn(&Mark) -> usize| since.map_or(0, at);
    let mut items = Vec::new();
    for index in first(Mark::types)..program.types.type_count() {
        let id = program.types.type_mu_id(TypeId::new(index));
        if id.0 >= MuId::FIRST_USER {
            items.push((id, Item::Type(TypeId::new(index))));
        }
    }
    for index in first(Mark::sigs)..program.types.sig_count() {
        let id = program.types.sig_mu_id(SigId::new(index));
        if id.0 >= MuId::FIRST_USER {
            items.push((id, Item::Sig(SigId::new(index))));
        }
    }
    for index in first(Mark::consts)..program.consts.len() {
        items.push((program.consts[index].id, Item::Const(ConstId::new(index))));
    }
    for index in first(Mark::globals)..program.globals.len() {
        items.push((program.globals[index].id, Item::Global(GlobalId::new(index))));
    }
    let first_ver = first(Mark::func_vers);
    for index in first(Mark::funcs)..program.funcs.len() {
        let func = &program.funcs[index];
        if func.versions.last().is_none_or(|ver| ver.index() < first_ver) {
            items.push((func.id, Item::FuncDecl(FuncId::new(index))));
        }
    }
    for index in first_ver..program.func_vers.len() {
        let ver = FuncVerId::new(index);
        if program.current_version(program.func_vers[index].func) == Some(ver) {
            items.push((program.func_vers[index].id, Item::FuncVer(ver)));
        }
    }
    for index in first(Mark::exposes)..program.exposes.len() {
        items.push((program.exposes[index].id, Item::Expose(ExposeId::new(index))));
    }
    items.sort_by_key(|(id, _)| *id);
    items
}

fn print_item(writer: &mut Writer, names: &ProgramNames<'_>, item: Item, since: Option<&Mark>) {
    let program = names.program;
    match item {
        Item::Type(ty) => writer.typedef(names, &names.ty(ty), program.types.get(ty)),
        Item::Sig(sig) => writer.funcsig(names, &names.sig(sig), program.types.sig(sig)),
        Item::Const(id) => {
            let constant = &program.consts[id.index()];
            writer.constant(names, &names.constant(id), constant.ty, &constant.ctor);
        }
        Item::Global(id) => {
            let global = &program.globals[id.index()];
            writer.simple(".global", &names.global(global.id), &names.ty(global.ty));
        }
        Item::FuncDecl(id) => {
            let func = &program.funcs[id.index()];
            writer.simple(".funcdecl", &names.global(func.id), &names.sig(func.sig));
        }
        Item::FuncVer(id) => print_func_ver(writer, names, &program.func_vers[id.index()], since),
        Item::Expose(id) => {
            let expose = &program.exposes[id.index()];
            let func = names.global(program.funcs[expose.func.index()].id);
            let cookie = names.global(program.consts[expose.cookie.index()].id);
            let name = names.global(expose.id);
            _ = writeln!(writer.out, ".expose {name} = {func} #{} {cookie}", expose.callconv.keyword());
        }
    }
}

fn print_func_ver(writer: &mut Writer, names: &ProgramNames<'_>, ver: &FuncVer, since: Option<&Mark>) {
    let program = names.program;
    let func = &program.funcs[ver.func.index()];
    let first_ver = since.map_or(0, Mark::func_vers);
    writer.empty_line();
    for &older in &func.versions[..func.versions.len().saturating_sub(1)] {
        if older.index() >= first_ver {
            let id = program.func_vers[older.index()].id;
            _ = writeln!(writer.out, "// An older version, {}, is left out.", program.display_name(id));
        }
    }
    let name = names.global(func.id);
    let version = names.local(ver.id, &name, 'v');
    writer.funcdef_begin(&name, &version, &names.sig(ver.sig));
    for block in &ver.blocks {
        print_block(writer, &InVersion { names, ver }, block, &version);
    }
    writer.funcdef_end();
}

fn print_block(writer: &mut Writer, names: &InVersion<'_, '_>, block: &Block, version: &str) {
    let name = names.names.local(block.id, version, 'b');
    let params =
        block.params.iter().map(|&var| (names.ty(names.ver.vars[var.index()].ty), names.def(var, &name)));
    writer.header(&name, params, block.exc_param.map(|var| names.def(var, &name)));
    for inst in &block.insts {
        writer.inst(names, inst);
    }
    writer.push("\n");
}

/// Names of global entities.
struct ProgramNames<'p> {
    program: &'p Program,
}

impl<'p> ProgramNames<'p> {
    fn global(&self, id: MuId) -> Cow<'p, str> {
        self.local(id, "@anon", 'x')
    }

    /// The name of an id, or one made from its scope, a letter and the id.
    fn local(&self, id: MuId, scope: &str, letter: char) -> Cow<'p, str> {
        match self.program.name_of(id) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.unused(format!("{scope}.{letter}{}", id.0))),
        }
    }

    fn unused(&self, mut name: String) -> String {
        while self.program.id_of(&name).is_some() {
            name.push('_');
        }
        name
    }

    /// Definitions refer to types with ids only; those that instructions derive are never printed.
    fn ty(&self, ty: TypeId) -> Cow<'p, str> {
        match self.program.types.type_mu_id(ty) {
            MuId::NONE => Cow::Owned(self.unused(format!("@anon.t{}", ty.index()))),
            id => self.global(id),
        }
    }

    fn sig(&self, sig: SigId) -> Cow<'p, str> {
        match self.program.types.sig_mu_id(sig) {
            MuId::NONE => Cow::Owned(self.unused(format!("@anon.s{}", sig.index()))),
            id => self.global(id),
        }
    }

    /// Lenient loading makes constants without an id.
    fn constant(&self, constant: ConstId) -> Cow<'p, str> {
        match self.program.consts[constant.index()].id {
            MuId::NONE => Cow::Owned(self.unused(format!("@anon.c{}", constant.index()))),
            id => self.global(id),
        }
    }

    /// The name of a global variable.
    fn global_value(&self, value: Value) -> Cow<'p, str> {
        let id = match value {
            Value::Const(id) => return self.constant(id),
            Value::Global(id) => self.program.globals[id.index()].id,
            Value::Func(id) => self.program.funcs[id.index()].id,
            Value::Expose(id) => self.program.exposes[id.index()].id,
            // Only instructions have local operands, and those are named by InVersion.
            Value::Local(_) => return Cow::Borrowed("?"),
        };
        self.global(id)
    }
}

/// Outside functions: definitions refer to types, signatures and global variables only.
impl Names<Linked> for ProgramNames<'_> {
    fn ty(&self, ty: TypeId) -> Cow<'_, str> {
        ProgramNames::ty(self, ty)
    }

    fn sig(&self, sig: SigId) -> Cow<'_, str> {
        ProgramNames::sig(self, sig)
    }

    fn val(&self, val: Value, _scope: &str) -> Cow<'_, str> {
        self.global_value(val)
    }

    fn block(&self, _block: BlockIdx, _scope: &str) -> Cow<'_, str> {
        Cow::Borrowed("?")
    }

    fn def(&self, _def: VarIdx, _scope: &str) -> Cow<'_, str> {
        Cow::Borrowed("?")
    }

    fn inst(&self, _name: MuId) -> Option<Cow<'_, str>> {
        None
    }
}

/// Names inside a function version.
struct InVersion<'n, 'p> {
    names: &'n ProgramNames<'p>,
    ver: &'n FuncVer,
}

impl Names<Linked> for InVersion<'_, '_> {
    fn ty(&self, ty: TypeId) -> Cow<'_, str> {
        self.names.ty(ty)
    }

    fn sig(&self, sig: SigId) -> Cow<'_, str> {
        self.names.sig(sig)
    }

    fn val(&self, val: Value, scope: &str) -> Cow<'_, str> {
        match val {
            Value::Local(var) => self.def(var, scope),
            _ => self.names.global_value(val),
        }
    }

    fn block(&self, block: BlockIdx, scope: &str) -> Cow<'_, str> {
        self.names.local(self.ver.blocks[block.index()].id, scope, 'b')
    }

    fn def(&self, def: VarIdx, scope: &str) -> Cow<'_, str> {
        self.names.local(self.ver.vars[def.index()].id, scope, 'x')
    }

    fn inst(&self, name: MuId) -> Option<Cow<'_, str>> {
        self.names.program.name_of(name).map(Cow::Borrowed)
    }
}
