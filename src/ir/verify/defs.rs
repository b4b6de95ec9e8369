//! Definitions of types and signatures (type-system; uvm-ir, Type Definition, Function Signature Definition).

use super::Cx;
use super::cycles::{Cycles, Edge, Step};
use crate::codes::verify as code;
use crate::diag::{Diagnostic, Span};
use crate::draft::DefKind;
use crate::ids::{SigId, TypeId};
use crate::inst::Use;
use crate::types::{Type, TypeCtor};

impl Cx<'_> {
    /// Checks every new type definition.
    pub fn check_types(&mut self) {
        for new in 0..self.spans.types.len() {
            if !self.is_tainted(self.spans.types.get(new)) {
                self.check_type(new);
            }
        }
        self.check_infinite_types();
    }

    /// Name and constructor of a new type as they are written.
    fn written_type(&self, new: usize) -> Option<(&Use, &TypeCtor<Use, Use>)> {
        match &self.def(*self.spans.types.get(new)?)?.kind {
            DefKind::Type { name, ctor } => Some((name, ctor)),
            _ => None,
        }
    }

    /// The place of a new type's name, or of its type argument `arg`.
    fn type_span(&self, new: usize, arg: Option<usize>) -> Span {
        let Some((name, ctor)) = self.written_type(new) else { return Span::NONE };
        let part = arg.and_then(|n| ctor.type_args().nth(n).or(ctor.sig_arg()));
        part.unwrap_or(name).span
    }

    fn check_type(&mut self, new: usize) {
        let ty = TypeId::new(self.mark.types() + new);
        let name = |cx: &Self| cx.ty(ty);
        match self.program.types.get(ty) {
            Type::Int(n) => {
                if !matches!(n, 1..=64 | 128) {
                    let message = format!("{} is int<{n}>", name(self));
                    let span = self.type_span(new, None);
                    let diagnostic = Diagnostic::error(code::INT_WIDTH, span, message);
                    self.out.push(diagnostic.label("int<n> has n from 1 to 64, or 128"));
                }
            }
            Type::Struct(fields) if fields.is_empty() => {
                let message = format!("{} has no fields", name(self));
                let diagnostic = Diagnostic::error(code::EMPTY_STRUCT, self.type_span(new, None), message);
                self.out.push(diagnostic.help("use void for something that holds nothing"));
            }
            Type::Array(_, 0) | Type::Vector(_, 0) => {
                let message = format!("{} has no elements", name(self));
                let span = self.type_span(new, None);
                self.out.push(Diagnostic::error(code::ZERO_LENGTH, span, message));
                self.check_members(new, ty);
            }
            Type::Struct(_) | Type::Hybrid { .. } | Type::Array(..) | Type::Vector(..) => {
                self.check_members(new, ty);
            }
            &Type::UPtr(referent) => {
                if !self.facts.is_native_safe(&self.program.types, referent) {
                    let referent = self.ty(referent);
                    let message = format!("{} points to {referent}, which is not native-safe", name(self));
                    let span = self.type_span(new, Some(0));
                    let mut diagnostic = Diagnostic::error(code::UPTR_REFERENT, span, message);
                    diagnostic.severity = self.lenient_severity();
                    self.out.push(diagnostic.label("not native-safe"));
                }
            }
            &Type::UFuncPtr(sig) => self.check_ufuncptr(new, ty, sig),
            Type::Float
            | Type::Double
            | Type::Void
            | Type::Ref(_)
            | Type::IRef(_)
            | Type::WeakRef(_)
            | Type::TagRef64
            | Type::FuncRef(_)
            | Type::ThreadRef
            | Type::StackRef
            | Type::FrameCursorRef
            | Type::IrBuilderRef => {}
        }
    }

    /// No member is void or a hybrid.
    fn check_members(&mut self, new: usize, ty: TypeId) {
        let types = &self.program.types;
        let bad: Vec<(usize, TypeId, bool)> = types
            .get(ty)
            .type_args()
            .enumerate()
            .filter_map(|(n, &member)| match types.get(member) {
                Type::Void => Some((n, member, true)),
                Type::Hybrid { .. } => Some((n, member, false)),
                _ => None,
            })
            .collect();
        for (n, member, void) in bad {
            // A hybrid directly inside itself is reported as an infinite type.
            if member == ty {
                continue;
            }
            let span = self.type_span(new, Some(n));
            let (name, member_name) = (self.ty(ty), self.ty(member));
            let diagnostic = if void {
                let message = format!("{name} contains {member_name}, which is void");
                Diagnostic::error(code::VOID_MEMBER, span, message).label("void holds no value")
            } else {
                let message = format!("{name} contains {member_name}, which is a hybrid");
                Diagnostic::error(code::NESTED_HYBRID, span, message)
                    .label("a hybrid has no fixed length")
                    .also(self.type_def_span(member), format!("{member_name} is defined here"))
            };
            self.out.push(diagnostic);
        }
    }

    fn check_ufuncptr(&mut self, new: usize, ty: TypeId, sig: SigId) {
        let signature = self.program.types.sig(sig);
        let facts = &mut self.facts;
        let bad = signature
            .params
            .iter()
            .chain(&*signature.rets)
            .copied()
            .find(|&part| !facts.is_native_safe(&self.program.types, part));
        if let Some(bad) = bad {
            let (name, bad, sig) = (self.ty(ty), self.ty(bad), self.program.display_sig(sig));
            let message = format!("{name} points to functions of {sig}, but {bad} is not native-safe");
            let span = self.type_span(new, Some(0));
            let diagnostic = Diagnostic::error(code::UFUNCPTR_SIG, span, message);
            self.out.push(diagnostic.label(format!("has {bad}")));
        }
    }

    /// Finds types that are their own components. Types of earlier bundles cannot refer to new ones, so only new types
    /// are visited.
    fn check_infinite_types(&mut self) {
        let (first, count) = (self.mark.types(), self.spans.types.len());
        let mut cycles = Cycles::new(count);
        for new in (0..count).filter(|&new| self.is_tainted(self.spans.types.get(new))) {
            cycles.not_a_root(new);
        }
        loop {
            let types = &self.program.types;
            let cycle = cycles.next(|new, n| {
                let ctor = types.get(TypeId::new(first + new));
                let composite = matches!(
                    ctor,
                    Type::Struct(_) | Type::Hybrid { .. } | Type::Array(..) | Type::Vector(..)
                );
                match ctor.type_args().nth(n) {
                    Some(member) if composite => {
                        member.index().checked_sub(first).map_or(Edge::Elsewhere, Edge::Node)
                    }
                    Some(_) | None => Edge::End,
                }
            });
            let Some(cycle) = cycle else { return };
            self.infinite_type(cycle);
            // One error per type is enough.
            cycles.leave();
        }
    }

    #[cold]
    fn infinite_type(&mut self, cycle: &[Step]) {
        let first = self.mark.types();
        let name = |new: usize| self.ty(TypeId::new(first + new));
        let (Some(top), Some(last)) = (cycle.first().map(|step| step.node), cycle.last()) else { return };
        let message = match cycle {
            [_] => format!("{} contains itself", name(top)),
            _ => {
                // A few names show the way; a cycle of thousands would not be read.
                let way: Vec<String> = cycle.iter().skip(1).take(6).map(|step| name(step.node)).collect();
                let more = if cycle.len() > 7 { " …" } else { "" };
                format!("{} contains itself through {}{more}", name(top), way.join(", "))
            }
        };
        let span = self.type_span(last.node, Some(last.edge()));
        let diagnostic = Diagnostic::error(code::INFINITE_TYPE, span, message)
            .label("infinitely large")
            .also(
                if last.node == top { Span::NONE } else { self.type_span(top, None) },
                "the type begins here",
            )
            .help("put a ref, iref or uptr in between");
        self.out.push(diagnostic);
    }

    /// Checks every new signature: variables can have its types.
    pub fn check_sigs(&mut self) {
        for new in 0..self.spans.sigs.len() {
            if self.is_tainted(self.spans.sigs.get(new)) {
                continue;
            }
            let sig = SigId::new(self.mark.sigs() + new);
            let signature = self.program.types.sig(sig);
            let params = signature.params.len();
            for n in 0..params + signature.rets.len() {
                let signature = self.program.types.sig(sig);
                let ty = if n < params { signature.params[n] } else { signature.rets[n - params] };
                if self.facts.is_variable_type(&self.program.types, ty) {
                    continue;
                }
                let span = match self.def(self.spans.sigs[new]).map(|def| &def.kind) {
                    Some(DefKind::Sig { sig, .. }) => {
                        sig.params.iter().chain(&*sig.rets).nth(n).map(|part| part.span)
                    }
                    _ => None,
                };
                let what = if n < params { "a parameter" } else { "a return value" };
                self.not_a_variable_type(span.unwrap_or(Span::NONE), ty, what);
            }
        }
    }

    /// Reports a type that no variable can have.
    #[cold]
    pub fn not_a_variable_type(&mut self, span: Span, ty: TypeId, what: &str) {
        let name = self.ty(ty);
        let why = match self.program.types.get(ty) {
            Type::Void => "void has no values",
            Type::Hybrid { .. } => "a hybrid has no fixed length",
            Type::WeakRef(_) => "a weakref exists only in memory",
            _ => "it has a weakref inside",
        };
        let diagnostic = Diagnostic::error(
            code::NOT_A_VARIABLE_TYPE,
            span,
            format!("{what} cannot have type {name}: {why}"),
        )
        .label(why)
        .also(self.type_def_span(ty), format!("{name} is defined here"));
        self.out.push(diagnostic);
    }
}
