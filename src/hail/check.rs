//! Checking a HAIL script: names, types, ranges; what comes out is a [`Plan`] (hail, "Top-level Definitions").
//!
//! Assigning is directed by the type of the location. A list is taken apart into assignments to the members, by a list
//! of work; a scalar takes what the specification's list allows for its type. Types of constants and of locations that
//! are read must be the location's own, where what references refer to does not count (`REFCAST` and `PTRCAST` are
//! implied) and a `weakref` is as good as a `ref`.

use super::location::{Location, Part};
use super::{Base, Object, Place, Plan, Referent, Store, Stored};
use mu_ir::codes::{hail as code, parse as parse_code};
use mu_ir::diag::{Diagnostic, Severity, Span};
use mu_ir::ids::{Sym, TypeId};
use mu_ir::inst::Value;
use mu_ir::program::Entity;
use mu_ir::semantics::{int, tagref};
use mu_ir::types::Type;
use mu_rt::layout::LeafKind;
use mu_rt::runtime::Runtime;
use mu_rt::words::func_word;
use mu_text::hail::{Alloc, Init, LValue, RKind, Script};
use std::collections::HashMap;

/// Reporting stops after so many errors.
const ERRORS_MAX: usize = 100;

/// Checks a script; what it does, and what is wrong with it, in the order of the text.
pub(super) fn check(rt: &Runtime, script: &Script) -> (Plan, Vec<Diagnostic>) {
    let mut checker = Checker {
        rt,
        script,
        plan: Plan::default(),
        objects: HashMap::new(),
        diagnostics: Vec::new(),
        errors: 0,
    };
    for alloc in &script.allocs {
        checker.alloc(alloc);
    }
    for init in &script.inits {
        checker.init(init);
    }
    let mut diagnostics = checker.diagnostics;
    diagnostics.sort_by_key(|d| (d.code == parse_code::TOO_MANY_ERRORS, d.primary.span.start));
    (checker.plan, diagnostics)
}

/// The state of checking.
pub(super) struct Checker<'a> {
    pub rt: &'a Runtime,
    pub script: &'a Script,
    pub plan: Plan,
    /// Numbers of objects by name; `None` if its allocation has an error. Never iterated.
    pub objects: HashMap<Sym, Option<usize>>,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
}

/// What a value is, before it is fitted to its location.
enum Given {
    /// Words of a value of this canonical type.
    Words(TypeId, Vec<u64>),
    /// The location of what is read.
    Loaded(Location),
}

impl Checker<'_> {
    pub(super) fn error(&mut self, diagnostic: Diagnostic) {
        let span = diagnostic.primary.span;
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        if self.errors <= ERRORS_MAX {
            self.diagnostics.push(diagnostic);
        }
        if self.errors == ERRORS_MAX {
            self.errors += 1;
            let message = format!("stopped after {ERRORS_MAX} errors");
            self.diagnostics.push(Diagnostic::error(parse_code::TOO_MANY_ERRORS, span, message));
        }
    }

    fn alloc(&mut self, alloc: &Alloc) {
        let object = self.object_of(alloc);
        if let Some(before) = self.objects.insert(alloc.name.sym, None) {
            let message = format!("{} is defined twice", self.text(alloc.name.sym));
            let mut diagnostic = Diagnostic::error(code::HAIL_DUPLICATE_NAME, alloc.name.span, message);
            if let Some(before) = before {
                diagnostic = diagnostic.also(self.plan.allocs[before].span, "here first");
            }
            return self.error(diagnostic);
        }
        if let Some(object) = object {
            self.plan.allocs.push(object);
            self.objects.insert(alloc.name.sym, Some(self.plan.allocs.len() - 1));
        }
    }

    /// What an allocation allocates; errors are reported.
    fn object_of(&mut self, alloc: &Alloc) -> Option<Object> {
        let length = alloc.length.map(|length| self.integer(length));
        let ty = match self.entity(alloc.ty)? {
            Entity::Type(ty) => self.rt.program.types.canon(ty),
            other => {
                self.wrong_kind(alloc.ty, other, "a type");
                return None;
            }
        };
        let is_hybrid = matches!(self.rt.program.types.get(ty), Type::Hybrid { .. });
        if is_hybrid != length.is_some() {
            let name = self.text(alloc.ty.sym);
            let (message, help) = match is_hybrid {
                true => (format!("{name} is a hybrid"), "write `.newhybrid $name <@type> length`"),
                false => (format!("{name} is no hybrid"), "write `.new $name <@type>`, without a length"),
            };
            self.error(Diagnostic::error(code::HAIL_ALLOC_TYPE, alloc.ty.span, message).help(help));
            return None;
        }
        let count = match length {
            Some(length) => Some(length?),
            None => None,
        };
        let small = u64::try_from(count.unwrap_or(0)).ok();
        let fits = small.and_then(|count| self.layout(ty).unit_size(count)).is_some();
        if !fits {
            let message = format!("no memory holds {}", self.text(alloc.name.sym));
            self.error(Diagnostic::error(code::HAIL_NO_MEMORY, alloc.span, message));
            return None;
        }
        Some(Object { ty, count: count.and(small), span: alloc.span })
    }

    fn init(&mut self, init: &Init) {
        let Some(whole) = self.location(&init.to) else { return };
        let mut work = vec![(whole, init.value)];
        while let Some((to, at)) = work.pop() {
            let is_list = matches!(self.script.values[at].kind, RKind::List { .. });
            match self.member_count(to.part) {
                Some(count) if is_list => {
                    for (index, member) in self.script.members(at).enumerate() {
                        match self.member(to, index as u64) {
                            Some(location) => work.push((location, member)),
                            None => {
                                let part = self.show_part(to.part);
                                let message = format!("{part} has {count} members, not more");
                                let span = self.script.values[member].span;
                                self.error(Diagnostic::error(code::HAIL_LIST_LENGTH, span, message));
                                break;
                            }
                        }
                    }
                }
                _ => self.assign(whole, to, at),
            }
        }
    }

    /// Fits a value that is not taken apart to a location.
    fn assign(&mut self, whole: Location, to: Location, at: usize) {
        let script = self.script;
        let value = &script.values[at];
        let span = value.span;
        let ty = match to.part {
            Part::Typed(ty, _) => Some(self.rt.program.types.get(ty)),
            Part::VarPart(..) => None,
        };
        let what = match (&value.kind, ty) {
            (RKind::Int { negative, magnitude }, Some(ty)) => self.int(ty, *negative, *magnitude, span),
            (&RKind::Float(bits), Some(Type::Float)) => Ok(scalar(LeafKind::Float, bits.into())),
            (&RKind::Double(bits), Some(Type::Double)) => Ok(scalar(LeafKind::Double, bits)),
            (&RKind::Double(bits), Some(Type::TagRef64)) => {
                Ok(scalar(LeafKind::TagRef64, tagref::from_fp(f64::from_bits(bits))))
            }
            (RKind::Null, Some(ty)) if ty.is_general_reference() => {
                self.kind_of(to).map(|kind| scalar(kind, 0)).ok_or(Wrong::Type)
            }
            (&RKind::Hail(sym), Some(Type::Ref(_) | Type::WeakRef(_))) => self.reference(to, sym, span),
            (RKind::AddressOf(lvalue), Some(Type::IRef(_))) => self.address(lvalue),
            (RKind::List { .. }, Some(Type::TagRef64)) => self.tagged(whole, at),
            (&RKind::Global(sym), _) => self.global(to, sym, span),
            (RKind::Load(lvalue), _) => self.load(whole, to, lvalue),
            (
                RKind::Float(_)
                | RKind::Double(_)
                | RKind::Int { .. }
                | RKind::Null
                | RKind::Hail(_)
                | RKind::AddressOf(_)
                | RKind::List { .. },
                _,
            ) => Err(Wrong::Type),
        };
        match what {
            Ok(what) => self.plan.stores.push(Store { to: to.place, what }),
            Err(Wrong::Reported) => {}
            Err(Wrong::Type) => self.wrong_value(to, at),
        }
    }

    fn wrong_value(&mut self, to: Location, at: usize) {
        let value = &self.script.values[at];
        let what = match &value.kind {
            RKind::Global(sym) | RKind::Hail(sym) => self.text(*sym),
            RKind::Int { .. } => "an integer".into(),
            RKind::Float(_) => "a float".into(),
            RKind::Double(_) => "a double".into(),
            RKind::Null => "NULL".into(),
            RKind::AddressOf(_) => "an internal reference".into(),
            RKind::Load(_) => "what is read".into(),
            RKind::List { .. } => "a list".into(),
        };
        let message = format!("{what} is no value of {}", self.show_part(to.part));
        self.error(Diagnostic::error(code::HAIL_VALUE_TYPE, value.span, message));
    }

    /// The kind of a scalar location.
    fn kind_of(&self, to: Location) -> Option<LeafKind> {
        match to.part {
            Part::Typed(ty, _) => self.layout(ty).scalar(),
            Part::VarPart(..) => None,
        }
    }

    /// An integer literal.
    fn int(&mut self, ty: &Type, negative: bool, magnitude: u128, span: Span) -> Result<Stored, Wrong> {
        let (width, kind) = match *ty {
            Type::Int(width) => (width, LeafKind::Int(width as u8)),
            Type::UPtr(_) => (64, LeafKind::Ptr),
            Type::UFuncPtr(_) => (64, LeafKind::FuncPtr),
            Type::TagRef64 => (52, LeafKind::TagRef64),
            _ => return Err(Wrong::Type),
        };
        let bits = self.fitting(width, negative, magnitude, span)?;
        let words = [bits as u64, (bits >> 64) as u64];
        Ok(match kind {
            LeafKind::TagRef64 => scalar(kind, tagref::from_int(words[0])),
            _ => Stored::Scalar(kind, words),
        })
    }

    /// A literal as the bits of an `int<width>`; reported if it does not fit.
    fn fitting(&mut self, width: u32, negative: bool, magnitude: u128, span: Span) -> Result<u128, Wrong> {
        let mask = u128::MAX >> (128 - width.clamp(1, 128));
        let most = if negative { (mask >> 1) + 1 } else { mask };
        if magnitude > most {
            let sign = if negative { "-" } else { "" };
            let message = format!("{sign}{magnitude} does not fit {width} bits");
            let mut diagnostic = Diagnostic::error(code::HAIL_VALUE_RANGE, span, message);
            if self.rt.config.lenient {
                diagnostic.severity = Severity::Warning;
            }
            self.error(diagnostic);
            if !self.rt.config.lenient {
                return Err(Wrong::Reported);
            }
        }
        Ok(if negative { magnitude.wrapping_neg() } else { magnitude } & mask)
    }

    /// A HAIL name.
    fn reference(&mut self, to: Location, sym: Sym, span: Span) -> Result<Stored, Wrong> {
        let object = self.object(Self::name_at(sym, span)).ok_or(Wrong::Reported)?;
        let kind = self.kind_of(to).ok_or(Wrong::Type)?;
        Ok(Stored::Reference(kind, Place { base: Base::Object(object), offset: 0 }))
    }

    /// `&lvalue`. That of a variable part refers to its first element, as GETVARPARTIREF does.
    fn address(&mut self, lvalue: &LValue) -> Result<Stored, Wrong> {
        let location = self.location(lvalue).ok_or(Wrong::Reported)?;
        if matches!(location.part, Part::VarPart(_, 0)) {
            let message = "the variable part has no elements";
            self.error(Diagnostic::error(code::HAIL_INDEX_RANGE, lvalue.span, message));
            return Err(Wrong::Reported);
        }
        Ok(Stored::Reference(LeafKind::IRef, location.place))
    }

    /// A global name.
    fn global(&mut self, to: Location, sym: Sym, span: Span) -> Result<Stored, Wrong> {
        let name = Self::name_at(sym, span);
        let program = &self.rt.program;
        let (value, ty) = match self.entity(name).ok_or(Wrong::Reported)? {
            Entity::Const(id) => (Value::Const(id), program.consts[id.index()].ty),
            Entity::Global(global) => {
                let is_iref = matches!(self.kind_of(to), Some(LeafKind::IRef));
                let place = Place { base: Base::Global(global), offset: 0 };
                return is_iref.then_some(Stored::Reference(LeafKind::IRef, place)).ok_or(Wrong::Type);
            }
            Entity::Func(func) => {
                let is_funcref = matches!(self.kind_of(to), Some(LeafKind::FuncRef));
                return is_funcref.then_some(scalar(LeafKind::FuncRef, func_word(func))).ok_or(Wrong::Type);
            }
            Entity::Expose(id) => (Value::Expose(id), program.exposes[id.index()].ptr_ty),
            other => {
                self.wrong_kind(name, other, "a constant, global cell or function");
                return Err(Wrong::Reported);
            }
        };
        // What is loaded has addresses.
        let words = self.rt.const_words(value).unwrap_or_default();
        self.given(to, Given::Words(program.types.canon(ty), words), span)
    }

    /// `*lvalue`
    fn load(&mut self, whole: Location, to: Location, lvalue: &LValue) -> Result<Stored, Wrong> {
        let from = self.location(lvalue).ok_or(Wrong::Reported)?;
        self.no_self_read(whole, from, lvalue.span)?;
        self.given(to, Given::Loaded(from), lvalue.span)
    }

    fn no_self_read(&mut self, whole: Location, from: Location, span: Span) -> Result<(), Wrong> {
        if !self.overlap(whole, from) {
            return Ok(());
        }
        let message = "this is part of the location that is initialised";
        self.error(Diagnostic::error(code::HAIL_SELF_READ, span, message));
        Err(Wrong::Reported)
    }

    /// A value that has a type of its own.
    fn given(&mut self, to: Location, given: Given, span: Span) -> Result<Stored, Wrong> {
        let from = match &given {
            Given::Words(ty, _) => Part::Typed(*ty, 0),
            Given::Loaded(from) => from.part,
        };
        let (to_ty, from_ty) = match (to.part, from) {
            (Part::Typed(to, to_length), Part::Typed(from, length)) if to_length == length => (to, from),
            // A whole variable part can be read into one of the same length.
            (Part::VarPart(to_elem, to_count), Part::VarPart(elem, count))
                if to_elem == elem && to_count == count =>
            {
                let size = self.size(to.part);
                return given.loaded().map(|from| Stored::Copy(from.place, size)).ok_or(Wrong::Type);
            }
            _ => return Err(Wrong::Type),
        };
        match (self.layout(to_ty).scalar(), self.layout(from_ty).scalar()) {
            (Some(LeafKind::TagRef64), Some(from_kind)) => self.tagref(from_kind, &given),
            (Some(kind), Some(from_kind)) if kind.strong() == from_kind.strong() => Ok(given.scalar(kind)),
            (Some(kind), Some(from_kind)) if self.lenient_same(kind, from_kind) => {
                let types = &self.rt.program;
                let (have, want) = (types.display_type(from_ty), types.display_type(to_ty));
                let mut warning =
                    Diagnostic::error(code::HAIL_VALUE_TYPE, span, format!("a {have} is taken as a {want}"));
                warning.severity = Severity::Warning;
                self.error(warning);
                Ok(given.scalar(kind))
            }
            (None, None) if to_ty == from_ty => match given {
                Given::Loaded(from) => Ok(Stored::Copy(from.place, self.size(to.part))),
                Given::Words(_, words) => self.composite(to, &words),
            },
            _ => Err(Wrong::Type),
        }
    }

    /// In lenient mode, scalars of one size and register class are taken for each other.
    fn lenient_same(&self, a: LeafKind, b: LeafKind) -> bool {
        let plain = |kind| matches!(kind, LeafKind::Int(_) | LeafKind::Ptr | LeafKind::FuncPtr);
        self.rt.config.lenient && plain(a) && plain(b) && a.size_bytes() == b.size_bytes()
    }

    /// Words of a constant with parts: its leaves are stored one by one, and then there is nothing left to store.
    fn composite(&mut self, to: Location, words: &[u64]) -> Result<Stored, Wrong> {
        let Part::Typed(ty, _) = to.part else { return Err(Wrong::Type) };
        let leaves = self.rt.layouts.leaves(&self.rt.program.types, ty).ok_or(Wrong::Type)?;
        for leaf in leaves {
            let word = leaf.word as usize;
            let value = [words[word], words.get(word + 1).copied().unwrap_or(0)];
            let place = Place { offset: to.place.offset + leaf.offset_bytes, ..to.place };
            self.plan.stores.push(Store { to: place, what: Stored::Scalar(leaf.kind, value) });
        }
        Ok(Stored::Copy(to.place, 0))
    }

    /// A `tagref64` from a value of another type, or of its own.
    fn tagref(&self, from: LeafKind, given: &Given) -> Result<Stored, Wrong> {
        match (from, given) {
            (LeafKind::TagRef64, _) => Ok(given.scalar(LeafKind::TagRef64)),
            (LeafKind::Double, Given::Words(_, words)) => {
                Ok(scalar(LeafKind::TagRef64, tagref::from_fp(f64::from_bits(words[0]))))
            }
            (LeafKind::Int(52), Given::Words(_, words)) => {
                Ok(scalar(LeafKind::TagRef64, tagref::from_int(words[0])))
            }
            (LeafKind::Double | LeafKind::Int(52), Given::Loaded(from_at)) => {
                Ok(Stored::Number(from, from_at.place))
            }
            _ => Err(Wrong::Type),
        }
    }

    /// `{ref tag}` for a `tagref64`.
    fn tagged(&mut self, whole: Location, at: usize) -> Result<Stored, Wrong> {
        let script = self.script;
        let members: Vec<usize> = script.members(at).take(3).collect();
        let &[reference, tag] = members.as_slice() else { return Err(Wrong::Type) };
        let (reference, tag) = (&script.values[reference], &script.values[tag]);
        let referent = match &reference.kind {
            RKind::Null => Referent::Null,
            &RKind::Hail(sym) => {
                let name = Self::name_at(sym, reference.span);
                Referent::Object(self.object(name).ok_or(Wrong::Reported)?)
            }
            RKind::Load(lvalue) => {
                let from = self.location(lvalue).ok_or(Wrong::Reported)?;
                self.no_self_read(whole, from, lvalue.span)?;
                match self.kind_of(from) {
                    Some(LeafKind::Ref | LeafKind::WeakRef) => Referent::Loaded(from.place),
                    _ => return Err(Wrong::Type),
                }
            }
            _ => return Err(Wrong::Type),
        };
        let bits = match &tag.kind {
            RKind::Int { negative, magnitude } => self.fitting(6, *negative, *magnitude, tag.span)?,
            &RKind::Global(sym) => {
                let name = Self::name_at(sym, tag.span);
                match self.entity(name).ok_or(Wrong::Reported)? {
                    Entity::Const(id) if self.is_int(id, 6) => {
                        let ctor = &self.rt.program.consts[id.index()].ctor;
                        ctor.int_bits().unwrap_or(0) & u128::from(int::mask(6))
                    }
                    _ => return Err(Wrong::Type),
                }
            }
            _ => return Err(Wrong::Type),
        };
        Ok(Stored::Tagged(referent, bits as u64))
    }

    fn is_int(&self, id: mu_ir::ids::ConstId, width: u32) -> bool {
        *self.rt.program.types.get(self.rt.program.consts[id.index()].ty) == Type::Int(width)
    }
}

/// Why a value is not taken.
enum Wrong {
    /// The error is reported.
    Reported,
    /// It does not suit the location.
    Type,
}

impl Given {
    fn loaded(&self) -> Option<Location> {
        match self {
            Given::Loaded(from) => Some(*from),
            Given::Words(..) => None,
        }
    }

    /// As a scalar of a kind.
    fn scalar(&self, kind: LeafKind) -> Stored {
        match self {
            Given::Words(_, words) => {
                let word = |at: usize| words.get(at).copied().unwrap_or(0);
                Stored::Scalar(kind, [word(0), word(1)])
            }
            Given::Loaded(from) => Stored::Scalars(kind, from.place),
        }
    }
}

/// A scalar of one word.
fn scalar(kind: LeafKind, word: u64) -> Stored {
    Stored::Scalar(kind, [word, 0])
}
