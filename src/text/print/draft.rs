//! Printing of drafts: references are symbols.

use super::{Names, Writer};
use mu_ir::draft::{Def, DefKind, Draft, FuncDef, Symbols};
use mu_ir::ids::Sym;
use mu_ir::inst::{Unlinked, Use};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

/// Prints a draft in canonical form, its definitions in written order.
///
/// Reading the text gives a draft with the same definitions. Symbols without a name get one that nothing else in the
/// draft has.
pub fn print_draft(draft: &Draft) -> String {
    let names = DraftNames::new(&draft.symbols);
    let mut writer = Writer::default();
    for def in &draft.defs {
        print_def(&mut writer, &names, def);
    }
    while writer.out.ends_with("\n\n") {
        writer.out.pop();
    }
    writer.out
}

fn print_def(writer: &mut Writer, names: &DraftNames<'_>, def: &Def) {
    match &def.kind {
        DefKind::Type { name, ctor } => writer.typedef(names, &names.global(*name), ctor),
        DefKind::Sig { name, sig } => writer.funcsig(names, &names.global(*name), sig),
        DefKind::Const { name, ty, ctor, ctor_span: _ } => {
            writer.constant(names, &names.global(*name), *ty, ctor)
        }
        DefKind::Global { name, ty } => writer.simple(".global", &names.global(*name), &names.ty(*ty)),
        DefKind::FuncDecl { name, sig } => writer.simple(".funcdecl", &names.global(*name), &names.sig(*sig)),
        DefKind::FuncDef(func) => print_func(writer, names, func),
        DefKind::Expose { name, func, callconv, cookie } => {
            let (name, func, cookie) = (names.global(*name), names.global(*func), names.global(*cookie));
            _ = writeln!(writer.out, ".expose {name} = {func} #{} {cookie}", callconv.keyword());
        }
    }
}

fn print_func(writer: &mut Writer, names: &DraftNames<'_>, func: &FuncDef) {
    let name = names.global(func.name);
    let version = names.name(func.version, &name, 'v');
    writer.empty_line();
    writer.funcdef_begin(&name, &version, &names.sig(func.sig));
    for block in &func.blocks {
        let header = names.block(block.name, &version);
        let params = block.params.iter().map(|&(ty, param)| (names.ty(ty), names.def(param, &header)));
        writer.header(&header, params, block.exc_param.map(|param| names.def(param, &header)));
        for inst in &block.insts {
            writer.inst(names, inst);
        }
        writer.push("\n");
    }
    writer.funcdef_end();
}

/// The symbols' names, and what names are taken if there are symbols without.
struct DraftNames<'d> {
    symbols: &'d Symbols,
    taken: HashSet<&'d str>,
}

impl<'d> DraftNames<'d> {
    fn new(symbols: &'d Symbols) -> Self {
        let all = || (0..symbols.len()).map(|index| symbols.name(Sym::new(index)));
        let taken = if all().any(|name| name.is_none()) { all().flatten().collect() } else { HashSet::new() };
        DraftNames { symbols, taken }
    }

    fn global(&self, name: Use) -> Cow<'_, str> {
        self.name(name, "@anon", 'x')
    }

    /// The name of a symbol, or one made from its scope, a letter and its number.
    fn name(&self, name: Use, scope: &str, letter: char) -> Cow<'_, str> {
        if let Some(name) = self.symbols.name(name.sym) {
            return Cow::Borrowed(name);
        }
        let mut made = format!("{scope}.{letter}{}", name.sym.index());
        while self.taken.contains(made.as_str()) {
            made.push('_');
        }
        Cow::Owned(made)
    }
}

impl Names<Unlinked> for DraftNames<'_> {
    fn ty(&self, ty: Use) -> Cow<'_, str> {
        self.global(ty)
    }

    fn sig(&self, sig: Use) -> Cow<'_, str> {
        self.global(sig)
    }

    fn val(&self, val: Use, _scope: &str) -> Cow<'_, str> {
        // A symbol does not say whether it is a local variable, so an unnamed one is called the same everywhere.
        self.global(val)
    }

    fn block(&self, block: Use, scope: &str) -> Cow<'_, str> {
        self.name(block, scope, 'b')
    }

    fn def(&self, def: Use, _scope: &str) -> Cow<'_, str> {
        self.global(def)
    }

    fn inst(&self, name: Option<Use>) -> Option<Cow<'_, str>> {
        self.symbols.name(name?.sym).map(Cow::Borrowed)
    }
}
