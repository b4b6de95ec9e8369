//! Constants, global cells and exposed functions (uvm-ir).

use super::Cx;
use super::cycles::{Cycles, Edge};
use crate::codes::verify as code;
use crate::diag::{Diagnostic, Severity, Span};
use crate::draft::{ConstCtor, DefKind};
use crate::ids::{ConstId, TypeId};
use crate::inst::{Use, Value};
use crate::types::Type;

impl Cx<'_> {
    /// Checks every new constant.
    pub fn check_consts(&mut self) {
        let recursive = self.check_recursive_consts();
        for new in 0..self.spans.consts.len() {
            if !self.is_tainted(self.spans.consts.get(new)) {
                self.check_const(new, &recursive);
            }
        }
    }

    /// The place of a new constant's constructor.
    fn ctor_span(&self, new: usize) -> Span {
        match self.spans.consts.get(new).and_then(|&def| self.def(def)).map(|def| &def.kind) {
            Some(DefKind::Const { ctor_span, .. }) => *ctor_span,
            _ => Span::NONE,
        }
    }

    /// The members of a new constant as they are written.
    fn member_span(&self, new: usize, n: usize) -> Span {
        let members: &[Use] =
            match self.spans.consts.get(new).and_then(|&def| self.def(def)).map(|def| &def.kind) {
                Some(DefKind::Const { ctor: ConstCtor::List(members), .. }) => members,
                _ => &[],
            };
        members.get(n).map_or_else(|| self.ctor_span(new), |member| member.span)
    }

    fn check_const(&mut self, new: usize, recursive: &[bool]) {
        let constant = &self.program.consts[self.mark.consts() + new];
        let ty = constant.ty;
        let ctor = self.program.types.get(ty);
        let (fits, code, what) = match &constant.ctor {
            &ConstCtor::Int { negative, magnitude } => {
                let width = match ctor {
                    Type::Int(n) => Some(*n),
                    Type::UPtr(_) | Type::UFuncPtr(_) => Some(64),
                    _ => None,
                };
                if let Some(width) = width
                    && !int_fits(width, negative, magnitude)
                {
                    self.const_range(new, ty, width, negative);
                }
                (width.is_some(), code::CONST_INT_TYPE, "an integer literal")
            }
            ConstCtor::Float(_) => (*ctor == Type::Float, code::CONST_FP_TYPE, "a float literal"),
            ConstCtor::Double(_) => (*ctor == Type::Double, code::CONST_FP_TYPE, "a double literal"),
            ConstCtor::Null => (
                ctor.is_general_reference() && !matches!(ctor, Type::WeakRef(_)),
                code::CONST_NULL_TYPE,
                "NULL",
            ),
            ConstCtor::Extern(_) => (ctor.is_pointer(), code::CONST_EXTERN_TYPE, "EXTERN"),
            ConstCtor::List(_) => {
                let fits = matches!(ctor, Type::Struct(_) | Type::Array(..) | Type::Vector(..));
                if fits {
                    self.check_members_of_const(new, ty, recursive);
                }
                (fits, code::CONST_LIST_TYPE, "a list")
            }
        };
        if fits {
            return;
        }
        let name = self.ty(ty);
        let kind = self.program.types.get(ty).keyword();
        let message = format!("{what} cannot be a constant of type {name}");
        let mut diagnostic = Diagnostic::error(code, self.ctor_span(new), message)
            .label(format!("the type is {kind}"))
            .also(self.type_def_span(ty), format!("{name} is defined here"));
        if code == code::CONST_NULL_TYPE && self.program.types.get(ty).is_pointer() {
            diagnostic = diagnostic.help("the null pointer is written 0");
        }
        self.out.push(diagnostic);
    }

    #[cold]
    fn const_range(&mut self, new: usize, ty: TypeId, width: u32, negative: bool) {
        let name = self.ty(ty);
        let message = format!("the literal does not fit {name}, which has {width} bits");
        let label = if negative {
            format!("less than -2^{}", width.saturating_sub(1))
        } else {
            format!("2^{width} or more")
        };
        let diagnostic = Diagnostic::error(code::CONST_INT_RANGE, self.ctor_span(new), message);
        self.out.push(diagnostic.label(label));
    }

    /// As many members as the type has, each of the right type.
    fn check_members_of_const(&mut self, new: usize, ty: TypeId, recursive: &[bool]) {
        let index = self.mark.consts() + new;
        let types = &self.program.types;
        let ConstCtor::List(members) = &self.program.consts[index].ctor else { return };
        let have = members.len();
        let want = match types.get(ty) {
            Type::Struct(fields) => fields.len() as u64,
            Type::Array(_, n) | Type::Vector(_, n) => *n,
            _ => return,
        };
        if have as u64 != want {
            let name = self.ty(ty);
            let message = format!("{name} has {want} members, but {have} are written");
            self.out.push(Diagnostic::error(code::CONST_LIST_LENGTH, self.ctor_span(new), message));
            return;
        }
        for n in 0..have {
            let types = &self.program.types;
            let ConstCtor::List(members) = &self.program.consts[index].ctor else { return };
            let value = members[n];
            let want = match types.get(ty) {
                Type::Struct(fields) => fields[n],
                Type::Array(element, _) | Type::Vector(element, _) => *element,
                _ => return,
            };
            let have = self.global_type(value);
            // A member that leads back to this constant cannot have the right type, and has been reported.
            let is_recursive = |index: usize| {
                let new = index.checked_sub(self.mark.consts());
                new.and_then(|new| recursive.get(new)) == Some(&true)
            };
            let cyclic = matches!(value, Value::Const(id) if is_recursive(index) && is_recursive(id.index()));
            if !cyclic && !types.same(have, want) {
                let replacement = self.retyped(value, want);
                self.bad_member(new, n, value, (have, want), replacement.is_some());
                if let (Some(constant), ConstCtor::List(members)) =
                    (replacement, &mut self.program.consts[index].ctor)
                {
                    members[n] = Value::Const(constant);
                }
            }
        }
    }

    #[cold]
    fn bad_member(
        &mut self,
        new: usize,
        n: usize,
        value: Value,
        (have, want): (TypeId, TypeId),
        is_replaced: bool,
    ) {
        let (name, have_name, want_name) = (self.global_name(value), self.ty(have), self.ty(want));
        let message = format!("{name} has type {have_name}, but member {n} is {want_name}");
        let mut diagnostic = Diagnostic::error(code::CONST_MEMBER_TYPE, self.member_span(new, n), message)
            .label(format!("this is {have_name}"))
            .also(self.global_span(value), format!("{name} is defined here"));
        diagnostic.severity =
            if is_replaced { Severity::Warning } else { self.mismatch_severity(have, want) };
        self.out.push(diagnostic);
    }

    /// Finds constants that contain themselves, and says which new ones do. Constants of earlier bundles cannot refer to
    /// new ones.
    fn check_recursive_consts(&mut self) -> Vec<bool> {
        let (first, count) = (self.mark.consts(), self.spans.consts.len());
        let mut recursive = vec![false; count];
        let mut cycles = Cycles::new(count);
        for new in (0..count).filter(|&new| self.is_tainted(self.spans.consts.get(new))) {
            cycles.not_a_root(new);
        }
        loop {
            let consts = &self.program.consts;
            let cycle = cycles.next(|new, n| match &consts[first + new].ctor {
                ConstCtor::List(members) => match members.get(n) {
                    Some(Value::Const(ConstId(below))) => {
                        (*below as usize).checked_sub(first).map_or(Edge::Elsewhere, Edge::Node)
                    }
                    Some(Value::Local(_) | Value::Global(_) | Value::Func(_) | Value::Expose(_)) => {
                        Edge::Elsewhere
                    }
                    None => Edge::End,
                },
                ConstCtor::Int { .. }
                | ConstCtor::Float(_)
                | ConstCtor::Double(_)
                | ConstCtor::Null
                | ConstCtor::Extern(_) => Edge::End,
            });
            let Some(cycle) = cycle else { return recursive };
            let (Some(top), Some(last)) = (cycle.first(), cycle.last()) else { continue };
            // One error per constant is enough.
            if recursive[top.node] {
                continue;
            }
            let (at, n, below) = (last.node, last.edge(), top.node);
            for step in cycle.iter().rev() {
                // What an earlier cycle has marked need not be walked again.
                if std::mem::replace(&mut recursive[step.node], true) {
                    break;
                }
            }
            self.recursive_const(at, n, below);
        }
    }

    #[cold]
    fn recursive_const(&mut self, at: usize, n: usize, below: usize) {
        let value = Value::Const(ConstId::new(self.mark.consts() + below));
        let name = self.global_name(value);
        let message = format!("{name} contains itself");
        let span = self.member_span(at, n);
        let diagnostic = Diagnostic::error(code::CONST_RECURSIVE, span, message).label("infinitely large");
        self.out.push(diagnostic.also(self.global_span(value), format!("{name} is defined here")));
    }

    /// Checks every new global cell.
    pub fn check_globals(&mut self) {
        for new in 0..self.spans.globals.len() {
            let global = &self.program.globals[self.mark.globals() + new];
            let (ty, id, mut span) = (global.ty, global.id, global.span);
            let is_hybrid = matches!(self.program.types.get(ty), Type::Hybrid { .. });
            if !is_hybrid || self.is_tainted(self.spans.globals.get(new)) {
                continue;
            }
            if let Some(DefKind::Global { ty, .. }) = self.def(self.spans.globals[new]).map(|def| &def.kind) {
                span = ty.span;
            }
            let (name, ty_name) = (self.program.display_name(id), self.ty(ty));
            let message = format!("{name} has type {ty_name}, which is a hybrid");
            let diagnostic = Diagnostic::error(code::GLOBAL_HYBRID, span, message)
                .label("a hybrid needs a length")
                .also(self.type_def_span(ty), format!("{ty_name} is defined here"))
                .help("hold a ref to the hybrid, and allocate it with NEWHYBRID");
            self.out.push(diagnostic);
        }
    }

    /// Checks every new exposed function.
    pub fn check_exposes(&mut self) {
        for new in 0..self.spans.exposes.len() {
            if self.is_tainted(self.spans.exposes.get(new)) {
                continue;
            }
            let expose = &self.program.exposes[self.mark.exposes() + new];
            let (func, cookie, span) = (expose.func, expose.cookie, expose.span);
            let (mut func_span, mut cookie_span) = (span, span);
            if let Some(DefKind::Expose { func, cookie, .. }) =
                self.def(self.spans.exposes[new]).map(|def| &def.kind)
            {
                (func_span, cookie_span) = (func.span, cookie.span);
            }
            self.check_native_sig(self.program.funcs[func.index()].sig, func_span);
            let ty = self.program.consts[cookie.index()].ty;
            if *self.program.types.get(ty) != Type::Int(64) {
                let value = Value::Const(cookie);
                let (name, ty) = (self.global_name(value), self.ty(ty));
                let message = format!("the cookie {name} has type {ty}, but a cookie is an int<64>");
                let diagnostic = Diagnostic::error(code::EXPOSE_COOKIE, cookie_span, message)
                    .label(format!("this is {ty}"))
                    .also(self.global_span(value), format!("{name} is defined here"));
                self.out.push(diagnostic);
            }
        }
    }
}

/// Whether a literal is a value of `int<width>` read as signed or as unsigned.
pub(super) fn int_fits(width: u32, negative: bool, magnitude: u128) -> bool {
    match (negative, width) {
        // An ill-formed width is reported at the type.
        (_, 0) => true,
        (false, 1..=127) => magnitude >> width == 0,
        (true, 1..=128) => magnitude <= 1 << (width - 1),
        (false, _) | (true, _) => true,
    }
}
