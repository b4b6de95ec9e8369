//! Places and messages. Nothing here runs unless there is something to report.

use super::Cx;
use super::body::Body;
use super::facts::interchangeable;
use super::values::int_fits;
use crate::codes::{Code, name, verify as code};
use crate::diag::{Diagnostic, Severity, Span, short_name};
use crate::draft::{ConstCtor, Def, DefKind};
use crate::ids::*;
use crate::inst::{Dest, Inst, Linked, Unlinked, Use, Value};
use crate::program::Const;
use crate::table::Op;
use crate::types::Type;

/// A place in the instruction at hand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// The whole instruction.
    Inst,
    /// An operand.
    Arg(usize),
    /// A type argument.
    Type(usize),
    /// A signature argument.
    Sig(usize),
    /// A result.
    Result(usize),
    /// The block of a destination clause.
    Dest(DestNo),
    /// An argument of a destination clause.
    DestArg(DestNo, usize),
    /// A keep-alive variable.
    Keepalive(usize),
}

impl Place {
    /// The operand at this place.
    pub fn operand_mut(self, inst: &mut Inst<Linked>) -> Option<&mut Value> {
        match self {
            Place::Arg(n) => inst.args.get_mut(n),
            Place::DestArg(no, n) => {
                let dest = match no {
                    DestNo::Plain(at) => inst.dests.get_mut(at)?,
                    DestNo::Nor => &mut inst.exc.as_deref_mut()?.nor,
                    DestNo::Exc => &mut inst.exc.as_deref_mut()?.exc,
                };
                dest.args.get_mut(n)
            }
            Place::Inst
            | Place::Type(_)
            | Place::Sig(_)
            | Place::Result(_)
            | Place::Dest(_)
            | Place::Keepalive(_) => None,
        }
    }
}

/// A destination clause of the instruction at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DestNo {
    /// One of `dests`.
    Plain(usize),
    /// The normal destination of EXC.
    Nor,
    /// The exceptional destination of EXC.
    Exc,
}

impl<'a> Cx<'a> {
    /// A type for messages.
    pub fn ty(&self, ty: TypeId) -> String {
        short_name(&self.program.display_type(ty))
    }

    /// The name of a global variable for messages.
    pub fn global_name(&self, value: Value) -> String {
        let id = match value {
            Value::Local(_) => MuId::NONE,
            Value::Const(id) => self.program.consts[id.index()].id,
            Value::Global(id) => self.program.globals[id.index()].id,
            Value::Func(id) => self.program.funcs[id.index()].id,
            Value::Expose(id) => self.program.exposes[id.index()].id,
        };
        short_name(&self.program.display_name(id))
    }

    /// Where a global variable is defined.
    pub fn global_span(&self, value: Value) -> Span {
        match value {
            Value::Local(_) => Span::NONE,
            Value::Const(id) => self.program.consts[id.index()].span,
            Value::Global(id) => self.program.globals[id.index()].span,
            Value::Func(id) => self.program.funcs[id.index()].span,
            Value::Expose(id) => self.program.exposes[id.index()].span,
        }
    }

    /// The definition of the draft with this index.
    pub fn def(&self, index: usize) -> Option<&'a Def> {
        self.draft.defs.get(index)
    }

    /// The place of the type definition of `ty`, if it is in this bundle.
    pub fn type_def_span(&self, ty: TypeId) -> Span {
        let name = ty.index().checked_sub(self.mark.types()).and_then(|new| {
            match &self.def(*self.spans.types.get(new)?)?.kind {
                DefKind::Type { name, .. } => Some(name.span),
                _ => None,
            }
        });
        name.unwrap_or(Span::NONE)
    }

    /// The severity of a mismatch between two types.
    pub fn mismatch_severity(&self, have: TypeId, want: TypeId) -> Severity {
        if self.options.lenient && interchangeable(&self.program.types, have, want) {
            Severity::Warning
        } else {
            Severity::Error
        }
    }

    /// The severity of what the lenient mode lets pass.
    pub fn lenient_severity(&self) -> Severity {
        if self.options.lenient { Severity::Warning } else { Severity::Error }
    }

    /// Lenient mode: an integer constant of another width stands for the constant of the wanted type that is written
    /// with the same number, if there is one. Whoever refers to it refers to that one from now on, so no tier has to
    /// know of it.
    pub fn retyped(&mut self, value: Value, want: TypeId) -> Option<ConstId> {
        let (Value::Const(id), &Type::Int(width)) = (value, self.program.types.get(want)) else {
            return None;
        };
        let constant = &self.program.consts[id.index()];
        let &ConstCtor::Int { negative, magnitude } = &constant.ctor else { return None };
        let is_int = matches!(self.program.types.get(constant.ty), Type::Int(_));
        if !self.options.lenient || !is_int || !int_fits(width, negative, magnitude) {
            return None;
        }
        let key = (id, self.program.types.canon(want));
        if let Some(&known) = self.retyped.get(&key) {
            return Some(known);
        }
        let made = ConstId::new(self.program.consts.len());
        // Nobody needs to name it; an id would be one that the bundle does not have elsewhere.
        let constant = Const { id: MuId::NONE, ty: want, ..constant.clone() };
        self.program.consts.push(constant);
        self.retyped.insert(key, made);
        Some(made)
    }

    /// How one gets from a type to another, where there is a way.
    pub fn conversion_help(&self, have: TypeId, want: TypeId) -> Option<String> {
        let types = &self.program.types;
        let way = match (types.get(have), types.get(want)) {
            (Type::Int(from), Type::Int(to)) if from < to => "ZEXT or SEXT",
            (Type::Int(_), Type::Int(_)) => "TRUNC",
            (Type::Float, Type::Double) => "FPEXT",
            (Type::Double, Type::Float) => "FPTRUNC",
            (Type::Int(_), Type::Float | Type::Double) => "UITOFP, SITOFP or BITCAST",
            (Type::Float | Type::Double, Type::Int(_)) => "FPTOUI, FPTOSI or BITCAST",
            (Type::Ref(_), Type::Ref(_))
            | (Type::IRef(_), Type::IRef(_))
            | (Type::FuncRef(_), Type::FuncRef(_)) => "REFCAST",
            (Type::Ref(referent), Type::IRef(location)) if types.same(*referent, *location) => "GETIREF",
            (Type::UPtr(_) | Type::UFuncPtr(_) | Type::Int(_), Type::UPtr(_) | Type::UFuncPtr(_))
            | (Type::UPtr(_) | Type::UFuncPtr(_), Type::Int(_)) => "PTRCAST",
            _ => return None,
        };
        Some(format!("convert with {way}"))
    }
}

impl Body<'_, '_> {
    fn draft_inst(&self) -> Option<&Inst<Unlinked>> {
        self.def?.blocks.get(self.block)?.insts.get(self.inst)
    }

    /// The instruction at hand.
    pub fn linked_inst(&self) -> Option<&Inst<Linked>> {
        self.ver.blocks.get(self.block)?.insts.get(self.inst)
    }

    /// The source range of a place; the instruction's where the draft says nothing.
    pub fn span(&self, place: Place) -> Span {
        let whole = self.linked_inst().map_or(Span::NONE, |inst| inst.span);
        let Some(inst) = self.draft_inst() else { return whole };
        let at = |list: &[Use], n: usize| list.get(n).map(|part| part.span);
        let found = match place {
            Place::Inst => None,
            Place::Arg(n) => at(&inst.args, n),
            Place::Type(n) => at(&inst.types, n),
            Place::Sig(n) => at(&inst.sigs, n),
            Place::Result(n) => at(&inst.results, n),
            Place::Dest(no) => draft_dest(inst, no).map(|dest| dest.block.span),
            Place::DestArg(no, n) => draft_dest(inst, no).and_then(|dest| at(&dest.args, n)),
            Place::Keepalive(n) => inst.keepalives.as_deref().and_then(|vars| at(vars, n)),
        };
        found.filter(|span| span.is_some()).unwrap_or(whole)
    }

    /// The mnemonic of the instruction at hand; the name of the common instruction for COMMINST.
    pub fn inst_name(&self) -> &'static str {
        match self.linked_inst() {
            Some(inst) if inst.op == Op::CommInst => inst.attrs.comm.map_or("COMMINST", |comm| comm.name()),
            Some(inst) => inst.op.mnemonic(),
            None => "the instruction",
        }
    }

    /// A variable for messages: `%x` for one of this block, else its global name.
    pub fn value_name(&self, value: Value) -> String {
        match value {
            Value::Local(var) => {
                let name = self.cx.program.display_name(self.vars[var.index()].id);
                let block = self.cx.program.display_name(self.ver.blocks[self.block].id);
                match name.strip_prefix(&block).and_then(|rest| rest.strip_prefix('.')) {
                    Some(local) => format!("%{}", short_name(local)),
                    None => short_name(&name),
                }
            }
            _ => self.cx.global_name(value),
        }
    }

    /// A block for messages.
    pub fn block_name(&self, block: BlockIdx) -> String {
        let name = self.cx.program.display_name(self.ver.blocks[block.index()].id);
        let ver = self.cx.program.display_name(self.ver.id);
        match name.strip_prefix(&ver).and_then(|rest| rest.strip_prefix('.')) {
            Some(local) => format!("%{}", short_name(local)),
            None => short_name(&name),
        }
    }

    fn value_span(&self, value: Value) -> Span {
        match value {
            Value::Local(var) => self.vars[var.index()].span,
            _ => self.cx.global_span(value),
        }
    }

    /// Counts an error or warning that would not be shown, so that it need not be made.
    fn is_too_much(&mut self, place: Place, severity: Severity) -> bool {
        let span = self.span(place);
        match severity {
            Severity::Error if !self.cx.out.has_room() => self.cx.out.count_error(span),
            Severity::Warning if !self.cx.out.has_room_for_warnings() => self.cx.out.count_warning(span),
            Severity::Error | Severity::Warning => return false,
        }
        true
    }

    /// Reports an error at a place of the instruction at hand.
    #[cold]
    pub fn error(&mut self, code: Code, place: Place, message: impl Into<String>, label: &str) {
        self.report(code, place, Severity::Error, message.into(), label);
    }

    /// Reports at a place of the instruction at hand.
    #[cold]
    pub fn report(&mut self, code: Code, place: Place, severity: Severity, message: String, label: &str) {
        let mut diagnostic = Diagnostic::error(code, self.span(place), message).label(label);
        diagnostic.severity = severity;
        self.cx.out.push(diagnostic);
    }

    /// Reports that a value does not have the type wanted at its place.
    #[cold]
    pub fn mismatch(&mut self, code: Code, place: Place, value: Value, have: TypeId, want: TypeId) {
        let help = self.cx.conversion_help(have, want);
        self.mismatch_help(code, place, value, have, want, help);
    }

    /// The same with other help than how to convert.
    #[cold]
    pub fn mismatch_help(
        &mut self,
        code: Code,
        place: Place,
        value: Value,
        have: TypeId,
        want: TypeId,
        help: Option<String>,
    ) {
        let severity = match self.cx.mismatch_severity(have, want) {
            Severity::Error if self.constant_of_other_width(place, value, want) => Severity::Warning,
            Severity::Error if self.is_narrow_amount(place, have, want) => Severity::Warning,
            severity => severity,
        };
        if self.is_too_much(place, severity) {
            return;
        }
        let (have_name, want_name) = (self.cx.ty(have), self.cx.ty(want));
        let name = self.value_name(value);
        let place_name = match place {
            Place::DestArg(..) => "the block's parameter".to_owned(),
            _ => self.inst_name().to_owned(),
        };
        let mut diagnostic = Diagnostic::error(
            code,
            self.span(place),
            format!("{name} has type {have_name}, but {place_name} takes {want_name} here"),
        )
        .label(format!("this is {have_name}"))
        .also(self.value_span(value), format!("{name} is defined here"));
        diagnostic.severity = severity;
        diagnostic.help = help;
        self.cx.out.push(diagnostic);
    }

    /// Lenient mode: the amount of a shift may be an integer of fewer bits. Only its low bits count, and those above it
    /// are zero, so tiers read no more of an amount than its lowest word.
    fn is_narrow_amount(&self, place: Place, have: TypeId, want: TypeId) -> bool {
        let is_shift =
            self.linked_inst().is_some_and(|inst| matches!(inst.op, Op::Shl | Op::LShr | Op::AShr));
        let types = &self.cx.program.types;
        let (Type::Int(have), Type::Int(want)) = (types.get(have), types.get(want)) else { return false };
        self.cx.options.lenient && is_shift && matches!(place, Place::Arg(1)) && have < want
    }

    /// Lenient mode: the operand becomes a constant of the wanted type, see [`Cx::retyped`].
    fn constant_of_other_width(&mut self, place: Place, value: Value, want: TypeId) -> bool {
        let Some(replacement) = self.cx.retyped(value, want) else { return false };
        self.replaced.push((self.block, self.inst, place, replacement));
        true
    }

    /// Reports that a value is not what its place wants, in words.
    #[cold]
    pub fn mismatch_kind(&mut self, code: Code, place: Place, value: Value, have: TypeId, want: &str) {
        if self.is_too_much(place, Severity::Error) {
            return;
        }
        let have_name = self.cx.ty(have);
        let name = self.value_name(value);
        let diagnostic = Diagnostic::error(
            code,
            self.span(place),
            format!("{name} has type {have_name}, but {} takes {want} here", self.inst_name()),
        )
        .label(format!("this is {have_name}"))
        .also(self.value_span(value), format!("{name} is defined here"));
        self.cx.out.push(diagnostic);
    }

    /// Reports a type argument that the instruction does not work on.
    #[cold]
    pub fn bad_type(&mut self, code: Code, n: usize, wants: &str) {
        self.doubtful_type(code, n, wants, Severity::Error);
    }

    /// The same, where it may be a warning.
    #[cold]
    pub fn doubtful_type(&mut self, code: Code, n: usize, wants: &str, severity: Severity) {
        if self.is_too_much(Place::Type(n), severity) {
            return;
        }
        let Some(&ty) = self.linked_inst().and_then(|inst| inst.types.get(n)) else { return };
        let ty_name = self.cx.ty(ty);
        let what = self.describe(ty);
        let message = format!("{} works on {wants}, and {ty_name} is {what}", self.inst_name());
        let mut diagnostic = Diagnostic::error(code, self.span(Place::Type(n)), message)
            .label(format!("this is {what}"))
            .also(self.cx.type_def_span(ty), format!("{ty_name} is defined here"));
        diagnostic.severity = severity;
        self.cx.out.push(diagnostic);
    }

    /// The constructor of a type in words, e.g. `a struct`, `int<8>`, `a vector of float`.
    pub fn describe(&self, ty: TypeId) -> String {
        match self.cx.program.types.get(ty) {
            Type::Int(n) => format!("int<{n}>"),
            Type::Array(element, n) => format!("an array of {n} {}", self.cx.ty(*element)),
            Type::Vector(element, n) => format!("a vector of {n} {}", self.cx.ty(*element)),
            Type::Void | Type::TagRef64 | Type::Float | Type::Double => {
                self.cx.program.types.get(ty).keyword().to_owned()
            }
            Type::Ref(referent) => format!("a ref to {}", self.cx.ty(*referent)),
            Type::IRef(referent) => format!("an iref to {}", self.cx.ty(*referent)),
            Type::WeakRef(referent) => format!("a weakref to {}", self.cx.ty(*referent)),
            Type::UPtr(referent) => format!("a uptr to {}", self.cx.ty(*referent)),
            Type::FuncRef(sig) => format!("a funcref of {}", self.cx.program.display_sig(*sig)),
            Type::UFuncPtr(sig) => format!("a ufuncptr of {}", self.cx.program.display_sig(*sig)),
            Type::IrBuilderRef => "an irbuilderref".to_owned(),
            Type::Struct(_) => "a struct".to_owned(),
            Type::Hybrid { .. } => "a hybrid".to_owned(),
            Type::ThreadRef | Type::StackRef | Type::FrameCursorRef => {
                format!("a {}", self.cx.program.types.get(ty).keyword())
            }
        }
    }

    /// Reports a use of a variable that has no value yet.
    #[cold]
    pub fn used_too_early(&mut self, place: Place, var: VarIdx) {
        if self.is_too_much(place, Severity::Error) {
            return;
        }
        let name = self.value_name(Value::Local(var));
        let span = self.vars[var.index()].span;
        let own_result = self.linked_inst().is_some_and(|inst| inst.results.contains(&var));
        let (message, label) = match place {
            Place::DestArg(no, _) if own_result => (
                format!("{name} does not exist in this destination of {}", self.inst_name()),
                match no {
                    DestNo::Plain(_) => "results exist in the enabled destination only",
                    DestNo::Nor | DestNo::Exc => "results exist in the normal destination only",
                },
            ),
            _ if own_result => {
                (format!("{name} is a result of the instruction that uses it"), "not computed yet")
            }
            _ => (format!("{name} is used before it is computed"), "not computed yet"),
        };
        let diagnostic = Diagnostic::error(name::USED_BEFORE_DEFINITION, self.span(place), message)
            .label(label)
            .also(span, format!("{name} is defined here"));
        self.cx.out.push(diagnostic);
    }

    /// Reports a wrong number of operands, types and so on: `the {what} of {instruction}`.
    #[cold]
    pub fn bad_count(&mut self, code: Code, place: Place, have: usize, want: usize, what: &str) {
        let message = format!("{} has {}, but takes {want}", self.inst_name(), counted(have, what));
        let label = format!("{} here", counted(have, what));
        self.error(code, place, message, &label);
    }

    /// Reports an exception or keep-alive clause on an instruction that cannot have one.
    #[cold]
    pub fn clause_not_allowed(&mut self, code: Code, place: Place, clause: &str) {
        let message = format!("{} cannot have {clause}", self.inst_name());
        self.error(code, place, message, "drop this clause");
    }

    /// Reports the wrong number of results.
    #[cold]
    pub fn bad_result_count(&mut self, have: usize, want: usize) {
        let place = if have > want { Place::Result(want) } else { Place::Inst };
        let message = format!(
            "{} yields {}, but {have} {} named",
            self.inst_name(),
            counted(want, "result"),
            if have == 1 { "is" } else { "are" }
        );
        self.error(code::RESULT_COUNT, place, message, "");
    }
}

/// `1 argument`, `2 arguments`
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn draft_dest(inst: &Inst<Unlinked>, no: DestNo) -> Option<&Dest<Unlinked>> {
    match no {
        DestNo::Plain(n) => inst.dests.get(n),
        DestNo::Nor => inst.exc.as_deref().map(|exc| &exc.nor),
        DestNo::Exc => inst.exc.as_deref().map(|exc| &exc.exc),
    }
}
