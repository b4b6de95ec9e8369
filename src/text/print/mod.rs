//! The printer: definitions in canonical text form, before ([`print_draft`]) and after linking ([`print_program`]).
//!
//! Both phases are printed by one [`Writer`]: it walks the same [`Part`]s the parser reads and asks a [`Names`] how the
//! phase's references are called. What is printed reads back as the same bundle, and printing that again gives the same
//! text.
//!
//! Names are written short where they are local: inside a block whose global name is `@f.v.b`, the global name
//! `@f.v.b.x` is `%x`. That is decided by the text of the names alone, since reading expands it again to the same text.
//!
//! Canonical form
//! * definitions at the margin, one per line; block headers at 4 columns, instructions at 8, cases of SWITCH at 12;
//! * an empty line around function definitions and between blocks;
//! * one result without parentheses, none without `=`; destinations always with parentheses; empty optional lists,
//!   `NOT_ATOMIC` on LOAD and STORE and the lists of a COMMINST that has none are left out;
//! * integers decimal, floating point numbers by their shortest decimal.
//!
//! ```text
//! .funcdef @f VERSION %v1 <@sig> {
//!     %entry(<@i64> %n):
//!         (%m %z) = ADD [#Z] <@i64> %n @one
//!         BRANCH2 %z %entry(%m) %exit()
//!
//!     %exit():
//!         RET ()
//! }
//! ```

mod draft;
mod program;

use crate::parse::{float_text, string_text};
use mu_ir::draft::ConstCtor;
use mu_ir::inst::{Dest, Inst, Phase};
use mu_ir::table::{AngleArg, CurStack, MemOrder, NewStack, Op, Part, StatusFlags};
use mu_ir::types::{Signature, TypeCtor};
use std::borrow::Cow;
use std::fmt::Write as _;

pub use draft::print_draft;
pub use program::print_program;

/// How the references of a phase are called: global names, with `@`.
///
/// A `scope` is the global name of what a local entity belongs to; an entity without a name is called something in it.
trait Names<P: Phase> {
    fn ty(&self, ty: P::Ty) -> Cow<'_, str>;
    fn sig(&self, sig: P::Sig) -> Cow<'_, str>;
    fn val(&self, val: P::Val, scope: &str) -> Cow<'_, str>;
    fn block(&self, block: P::Block, scope: &str) -> Cow<'_, str>;
    fn def(&self, def: P::Def, scope: &str) -> Cow<'_, str>;
    /// The name of an instruction, if it has one.
    fn inst(&self, name: P::Name) -> Option<Cow<'_, str>>;
}

/// The text so far, and the scopes of the place that is being written.
#[derive(Default)]
struct Writer {
    out: String,
    /// Global name of the function version.
    ver: String,
    /// Global name of the basic block.
    block: String,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Separates a function definition from what stands above.
    fn empty_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    // ---- definitions

    fn typedef<P: Phase>(&mut self, names: &impl Names<P>, name: &str, ctor: &TypeCtor<P::Ty, P::Sig>) {
        self.push(".typedef ");
        self.push(name);
        self.push(" = ");
        self.push(ctor.keyword());
        match ctor {
            TypeCtor::Int(width) => _ = write!(self.out, "<{width}>"),
            TypeCtor::Array(ty, len) | TypeCtor::Vector(ty, len) => {
                _ = write!(self.out, "<{} {len}>", names.ty(*ty))
            }
            TypeCtor::UFuncPtr(sig) | TypeCtor::FuncRef(sig) => _ = write!(self.out, "<{}>", names.sig(*sig)),
            TypeCtor::Struct(_)
            | TypeCtor::Hybrid { .. }
            | TypeCtor::UPtr(_)
            | TypeCtor::Ref(_)
            | TypeCtor::IRef(_)
            | TypeCtor::WeakRef(_) => {
                self.push("<");
                self.list(ctor.type_args().map(|&ty| names.ty(ty)));
                self.push(">");
            }
            TypeCtor::Float
            | TypeCtor::Double
            | TypeCtor::Void
            | TypeCtor::TagRef64
            | TypeCtor::ThreadRef
            | TypeCtor::StackRef
            | TypeCtor::FrameCursorRef
            | TypeCtor::IrBuilderRef => {}
        }
        self.push("\n");
    }

    fn funcsig<P: Phase>(&mut self, names: &impl Names<P>, name: &str, sig: &Signature<P::Ty>) {
        _ = write!(self.out, ".funcsig {name} = (");
        self.list(sig.params.iter().map(|&ty| names.ty(ty)));
        self.push(") -> (");
        self.list(sig.rets.iter().map(|&ty| names.ty(ty)));
        self.push(")\n");
    }

    fn constant<P: Phase>(&mut self, names: &impl Names<P>, name: &str, ty: P::Ty, ctor: &ConstCtor<P::Val>) {
        _ = write!(self.out, ".const {name} <{}> = ", names.ty(ty));
        match ctor {
            ConstCtor::Int { negative, magnitude } => {
                let sign = if *negative { "-" } else { "" };
                _ = write!(self.out, "{sign}{magnitude}");
            }
            ConstCtor::Float(bits) => self.push(&float_text(u64::from(*bits), false)),
            ConstCtor::Double(bits) => self.push(&float_text(*bits, true)),
            ConstCtor::Null => self.push("NULL"),
            ConstCtor::List(members) => {
                self.push("{");
                self.list(members.iter().map(|&member| names.val(member, "")));
                self.push("}");
            }
            ConstCtor::Extern(symbol) => {
                self.push("EXTERN ");
                self.push(&string_text(symbol));
            }
        }
        self.push("\n");
    }

    /// `keyword name <reference>`, the form of global cells and declarations.
    fn simple(&mut self, keyword: &str, name: &str, reference: &str) {
        _ = writeln!(self.out, "{keyword} {name} <{reference}>");
    }

    /// Opens a function definition; an empty line is the caller's business.
    fn funcdef_begin(&mut self, name: &str, version: &str, sig: &str) {
        _ = write!(self.out, ".funcdef {name} VERSION ");
        push_name(&mut self.out, version, name);
        _ = writeln!(self.out, " <{sig}> {{");
        version.clone_into(&mut self.ver);
    }

    fn funcdef_end(&mut self) {
        // The last block left an empty line behind it.
        if self.out.ends_with("\n\n") {
            self.out.pop();
        }
        self.push("}\n\n");
    }

    /// The header of a block; makes it the scope of what follows.
    fn header<'n>(
        &mut self,
        name: &str,
        params: impl Iterator<Item = (Cow<'n, str>, Cow<'n, str>)>,
        exc_param: Option<Cow<'n, str>>,
    ) {
        name.clone_into(&mut self.block);
        self.push("    ");
        push_name(&mut self.out, name, &self.ver);
        self.push("(");
        for (index, (ty, param)) in params.enumerate() {
            _ = write!(self.out, "{}<{ty}> ", if index == 0 { "" } else { " " });
            push_name(&mut self.out, &param, &self.block);
        }
        self.push(")");
        if let Some(param) = exc_param {
            self.push(" [");
            push_name(&mut self.out, &param, &self.block);
            self.push("]");
        }
        self.push(":\n");
    }

    // ---- instructions

    fn inst<P: Phase>(&mut self, names: &impl Names<P>, inst: &Inst<P>) {
        self.push("        ");
        if let [one] = inst.results[..] {
            push_name(&mut self.out, &names.def(one, &self.block), &self.block);
            self.push(" = ");
        } else if !inst.results.is_empty() {
            self.push("(");
            for (index, &result) in inst.results.iter().enumerate() {
                self.push(if index == 0 { "" } else { " " });
                push_name(&mut self.out, &names.def(result, &self.block), &self.block);
            }
            self.push(") = ");
        }
        if let Some(name) = names.inst(inst.name) {
            self.push("[");
            push_name(&mut self.out, &name, &self.block);
            self.push("] ");
        }
        self.push(inst.op.mnemonic());
        let mut rest = Rest::of(inst);
        for &part in inst.op.form().parts() {
            self.part(part, names, inst, &mut rest);
        }
        self.push("\n");
    }

    /// Writes one part, with a space in front; the counterpart of the parser's function of the same name.
    fn part<P: Phase>(&mut self, part: Part, names: &impl Names<P>, inst: &Inst<P>, rest: &mut Rest<'_, P>) {
        let attrs = &inst.attrs;
        match part {
            Part::Status => self.status(attrs.status),
            Part::Ptr => self.push(if attrs.ptr { " PTR" } else { "" }),
            Part::Weak => self.push(if attrs.weak { " WEAK" } else { "" }),
            Part::OrdOptional if attrs.ord == MemOrder::NotAtomic => {}
            Part::OrdOptional | Part::Ord => _ = write!(self.out, " {}", attrs.ord.keyword()),
            Part::OrdFail => _ = write!(self.out, " {}", attrs.ord_fail.keyword()),
            Part::OrdAndRmw => _ = write!(self.out, " {} {}", attrs.ord.keyword(), attrs.rmw.keyword()),
            Part::CallConv => _ = write!(self.out, " #{}", attrs.callconv.keyword()),
            Part::Angle(args) => self.angle(args, names, attrs.literal, rest),
            Part::Arg => self.arg(names, rest.arg()),
            Part::ArgList => {
                self.push(" ");
                self.args(names, rest.args());
            }
            Part::RetArgs => match rest.args() {
                [one] => self.arg(names, Some(*one)),
                args => {
                    self.push(" ");
                    self.args(names, args);
                }
            },
            Part::Dest => self.dest(names, rest.dest()),
            Part::Cases => {
                self.push(" {\n");
                while !rest.args.is_empty() || !rest.dests.is_empty() {
                    self.push("           ");
                    self.arg(names, rest.arg());
                    self.dest(names, rest.dest());
                    self.push("\n");
                }
                self.push("        }");
            }
            Part::TypeList => self.types(names, rest.types(usize::MAX)),
            Part::Wpid => _ = write!(self.out, " {}", attrs.literal),
            Part::WpExc => {
                if !rest.dests.is_empty() {
                    self.push(" WPEXC(");
                    self.bare_dest(names, rest.dest());
                    self.push(")");
                }
            }
            Part::ThreadLocal => {
                if attrs.threadlocal {
                    self.push(" THREADLOCAL(");
                    self.bare_arg(names, rest.arg());
                    self.push(")");
                }
            }
            Part::CurStack => match attrs.cur_stack {
                CurStack::RetWith => {
                    self.push(" RET_WITH");
                    self.types(names, rest.types(attrs.split as usize));
                }
                CurStack::KillOld => self.push(" KILL_OLD"),
            },
            Part::NewStack => match attrs.new_stack {
                NewStack::PassValues => {
                    self.push(" PASS_VALUES");
                    self.types(names, rest.types(usize::MAX));
                    self.push(" ");
                    self.args(names, rest.args());
                }
                NewStack::ThrowExc => {
                    self.push(" THROW_EXC");
                    self.arg(names, rest.arg());
                }
            },
            Part::Comm => self.comm(names, inst, rest),
            Part::Exc => {
                if let Some(exc) = &inst.exc {
                    self.push(" EXC(");
                    self.bare_dest(names, Some(&exc.nor));
                    self.dest(names, Some(&exc.exc));
                    self.push(")");
                }
            }
            Part::Keepalive => {
                if let Some(kept) = &inst.keepalives {
                    self.push(" KEEPALIVE");
                    self.args(names, kept);
                }
            }
        }
    }

    fn status(&mut self, flags: StatusFlags) {
        if !flags.is_empty() {
            self.push(" [");
            let set = StatusFlags::ALL.into_iter().filter(|(flag, _)| flags.contains(*flag));
            self.list(set.map(|(_, letter)| Cow::Owned(format!("#{letter}"))));
            self.push("]");
        }
    }

    fn angle<P: Phase>(
        &mut self,
        args: &[AngleArg],
        names: &impl Names<P>,
        literal: u64,
        rest: &mut Rest<'_, P>,
    ) {
        for (index, arg) in args.iter().enumerate() {
            self.push(if index == 0 { " <" } else { " " });
            match arg {
                AngleArg::Type => match rest.types(1) {
                    [ty] => self.push(&names.ty(*ty)),
                    _ => self.push("?"),
                },
                AngleArg::Sig => match rest.sig() {
                    Some(sig) => self.push(&names.sig(sig)),
                    None => self.push("?"),
                },
                AngleArg::Index => _ = write!(self.out, "{literal}"),
            }
        }
        self.push(">");
    }

    fn comm<P: Phase>(&mut self, names: &impl Names<P>, inst: &Inst<P>, rest: &mut Rest<'_, P>) {
        debug_assert_eq!(inst.op, Op::CommInst);
        self.push(" ");
        self.push(inst.attrs.comm.map_or("?", |comm| comm.name()));
        if inst.attrs.comm_flags > 0 {
            self.push(" [");
            let flag = format!("#{}", inst.attrs.callconv.keyword());
            self.list((0..inst.attrs.comm_flags).map(|_| Cow::Borrowed(flag.as_str())));
            self.push("]");
        }
        if !inst.types.is_empty() {
            self.types(names, rest.types(usize::MAX));
        }
        if !inst.sigs.is_empty() {
            self.push(" <[");
            self.list(inst.sigs.iter().map(|&sig| names.sig(sig)));
            self.push("]>");
        }
        if !inst.args.is_empty() {
            self.push(" ");
            self.args(names, rest.args());
        }
    }

    // ---- pieces

    /// Items separated by spaces.
    fn list<'n>(&mut self, items: impl Iterator<Item = Cow<'n, str>>) {
        for (index, item) in items.enumerate() {
            self.push(if index == 0 { "" } else { " " });
            self.push(&item);
        }
    }

    fn types<P: Phase>(&mut self, names: &impl Names<P>, types: &[P::Ty]) {
        self.push(" <");
        self.list(types.iter().map(|&ty| names.ty(ty)));
        self.push(">");
    }

    fn bare_arg<P: Phase>(&mut self, names: &impl Names<P>, arg: Option<P::Val>) {
        match arg {
            Some(arg) => push_name(&mut self.out, &names.val(arg, &self.block), &self.block),
            None => self.push("?"),
        }
    }

    fn arg<P: Phase>(&mut self, names: &impl Names<P>, arg: Option<P::Val>) {
        self.push(" ");
        self.bare_arg(names, arg);
    }

    fn args<P: Phase>(&mut self, names: &impl Names<P>, args: &[P::Val]) {
        self.push("(");
        for (index, &arg) in args.iter().enumerate() {
            self.push(if index == 0 { "" } else { " " });
            self.bare_arg(names, Some(arg));
        }
        self.push(")");
    }

    fn bare_dest<P: Phase>(&mut self, names: &impl Names<P>, dest: Option<&Dest<P>>) {
        match dest {
            Some(dest) => {
                push_name(&mut self.out, &names.block(dest.block, &self.ver), &self.ver);
                self.args(names, &dest.args);
            }
            None => self.push("?"),
        }
    }

    fn dest<P: Phase>(&mut self, names: &impl Names<P>, dest: Option<&Dest<P>>) {
        self.push(" ");
        self.bare_dest(names, dest);
    }
}

/// What of an instruction's lists is not written yet. Drafts made by a client may have too few of something; that is
/// written as `?`, which does not read back.
struct Rest<'i, P: Phase> {
    types: &'i [P::Ty],
    sigs: &'i [P::Sig],
    args: &'i [P::Val],
    dests: &'i [Dest<P>],
}

impl<'i, P: Phase> Rest<'i, P> {
    fn of(inst: &'i Inst<P>) -> Self {
        Rest { types: &inst.types, sigs: &inst.sigs, args: &inst.args, dests: &inst.dests }
    }

    fn types(&mut self, count: usize) -> &'i [P::Ty] {
        let (taken, rest) = self.types.split_at(count.min(self.types.len()));
        self.types = rest;
        taken
    }

    fn sig(&mut self) -> Option<P::Sig> {
        self.sigs.split_off_first().copied()
    }

    fn arg(&mut self) -> Option<P::Val> {
        self.args.split_off_first().copied()
    }

    fn args(&mut self) -> &'i [P::Val] {
        std::mem::take(&mut self.args)
    }

    fn dest(&mut self) -> Option<&'i Dest<P>> {
        self.dests.split_off_first()
    }
}

/// Writes a global name, as a local one if it begins with the name of its scope and a dot.
fn push_name(out: &mut String, name: &str, scope: &str) {
    match name.strip_prefix(scope).and_then(|rest| rest.strip_prefix('.')) {
        Some(local) if !local.is_empty() && !scope.is_empty() => {
            out.push('%');
            out.push_str(local);
        }
        _ => out.push_str(name),
    }
}
