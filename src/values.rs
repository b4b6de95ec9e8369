//! Values as the client holds them, and their text.
//!
//! A [`Value`] is a type and the words of its leaves. References in values are addresses, so the words of a value with
//! references are a *handle* ([`mu_rt::handles`]): the instance keeps alive what they refer to, and changes them when
//! objects move. Clones share a handle; the instance forgets it when the last is dropped.
//!
//! A value belongs to the instance that made it, and remembers which one that is: every function that takes a value refuses
//! one of another instance (U33, `None` or `false`, as its documentation says). Ids ([`TypeId`], [`FuncId`]) and words of
//! references ([`crate::StackRef`]) are plain numbers: one that stands for nothing is refused, one of another instance
//! means whatever has that number here.
//!
//! Text of values, by type: `42`, `-1`, `0xff` (integers and pointers; printed signed), `1.5`, `nan`, `-inf`,
//! `bits(0x7fc00000)` (floating point), `{1, {2, 3}}` (struct, array, vector), `null` (references), `@f` (funcref).

use crate::{Machine, Mu};
use mu_ir::ids::{FuncId, TypeId};
use mu_ir::program::{Entity, Identity};
use mu_ir::semantics::{int, tagref};
use mu_ir::types::Type;
use mu_ir::ub::Ub;
use mu_rt::handles::Handle;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// A value of a Mu type.
#[derive(Clone, Debug)]
pub struct Value {
    ty: TypeId,
    /// The representative of its type.
    canon: TypeId,
    words: Words,
    /// Of the instance it belongs to.
    owner: Identity,
}

#[derive(Clone, Debug)]
enum Words {
    /// No references.
    Plain(Vec<u64>),
    /// References, or NULL where there could be one.
    Held(Arc<Handle>),
}

/// Values of one type (its definition may have several names) and with equal words: references to the same, numbers with
/// equal bits.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.owner == other.owner && self.canon == other.canon && self.words() == other.words()
    }
}

impl Eq for Value {}

impl Value {
    /// Its type.
    pub fn ty(&self) -> TypeId {
        self.ty
    }

    /// The words of its leaves, as they are now: those of references change when objects move.
    pub fn words(&self) -> Cow<'_, [u64]> {
        match &self.words {
            Words::Plain(words) => Cow::Borrowed(words),
            Words::Held(handle) => Cow::Owned(handle.words()),
        }
    }

    /// The bits of an integer, zero-extended.
    pub fn as_u128(&self) -> u128 {
        let words = self.words();
        let word = |index: usize| u128::from(words.get(index).copied().unwrap_or(0));
        word(0) | word(1) << 64
    }

    /// The low 64 bits of an integer or pointer.
    pub fn as_u64(&self) -> u64 {
        self.words().first().copied().unwrap_or(0)
    }

    /// A `double`.
    pub fn as_f64(&self) -> f64 {
        f64::from_bits(self.as_u64())
    }

    /// A `float`.
    pub fn as_f32(&self) -> f32 {
        f32::from_bits(self.as_u64() as u32)
    }

    /// Whether a reference is NULL.
    pub fn is_null(&self) -> bool {
        self.as_u64() == 0
    }
}

/// Why a function of the client's interface refused what it was asked. Nothing has changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// The value is no reference to memory of the kind that is wanted (`ref`, `iref`, `uptr`).
    #[error("the value is no reference to memory")]
    NoReference,
    /// A value or a type is of another type than is wanted here.
    #[error("the value is of another type")]
    WrongType,
    /// There are no values of this type (`void`, `weakref`, `hybrid` and what contains them), they are too large, or
    /// there is no such type.
    #[error("the type has no values")]
    NoValues,
    /// The struct or hybrid has no field of this index.
    #[error("there is no such field")]
    NoSuchField,
    /// Nothing of the wanted kind has this id or name.
    #[error("nothing of the wanted kind has this id or name")]
    NoSuchEntity,
    /// The operation cannot have this memory order (instruction-set, "Memory Operations").
    #[error("the operation cannot have this memory order")]
    BadOrder,
    /// Locations of this type cannot be accessed atomically, or not by this operation.
    #[error("locations of this type are not accessed so atomically")]
    NotAtomic,
    /// The heap is full.
    #[error("the heap is full")]
    NoMemory,
    /// A program doing this would be undefined: NULL, an ended lifetime, a location of another type; a value of another
    /// instance is [`Ub::BadHandle`].
    #[error("{}: {}", .0.id(), .0.title())]
    Undefined(Ub),
}

/// What a client's ids and values stand for.
impl Mu {
    /// The constructor of a type, if there is a type with this id.
    pub(crate) fn type_of_id(&self, ty: TypeId) -> Option<&Type> {
        let types = &self.program().types;
        (ty.index() < types.type_count()).then(|| types.get(ty))
    }

    /// Whether there is a function with this id.
    pub(crate) fn has_func(&self, func: FuncId) -> bool {
        func.index() < self.program().funcs.len()
    }

    /// Whether a value belongs to this instance; then its type is one of this instance, too.
    pub(crate) fn owns(&self, value: &Value) -> bool {
        self.machine.owns(value)
    }

    /// The constructor of a value's type.
    pub(crate) fn type_of(&self, value: &Value) -> Result<&Type, ClientError> {
        let own = if self.owns(value) { self.type_of_id(value.ty) } else { None };
        own.ok_or(ClientError::Undefined(Ub::BadHandle))
    }

    /// A value without references, of the words of its leaves.
    pub(crate) fn plain(&self, ty: TypeId, words: Vec<u64>) -> Value {
        self.machine.plain(ty, words)
    }
}

impl Machine {
    /// Whether a value belongs to this instance; then its type is one of this instance, too.
    pub(crate) fn owns(&self, value: &Value) -> bool {
        value.owner == *self.rt.program.identity()
    }

    /// A value without references, of the words of its leaves (one word each; `int<128>` two, low word first). See
    /// [`Machine::hold`] for others.
    fn plain(&self, ty: TypeId, words: Vec<u64>) -> Value {
        let canon = self.rt.program.types.canon(ty);
        Value { ty, canon, words: Words::Plain(words), owner: self.rt.program.identity().clone() }
    }

    /// A value of these words; if there can be references in it, what they refer to stays alive.
    pub(crate) fn hold(&self, ty: TypeId, words: Vec<u64>) -> Value {
        let leaves = self.rt.layouts.leaves(&self.rt.program.types, ty).unwrap_or(&[]);
        match self.rt.handles.lock().hold(&words, leaves) {
            Some(handle) => Value { words: Words::Held(handle), ..self.plain(ty, Vec::new()) },
            None => self.plain(ty, words),
        }
    }
}

/// Types and composite values.
impl Mu {
    pub(crate) fn hold(&self, ty: TypeId, words: Vec<u64>) -> Value {
        self.machine.hold(ty, words)
    }

    /// The type of a global name.
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        match self.program().lookup(name)? {
            Entity::Type(ty) => Some(ty),
            _ => None,
        }
    }

    /// The members of a struct, array or vector value; `None` for other types, and values of another instance.
    pub fn members_of(&self, value: &Value) -> Option<Vec<Value>> {
        let types = match self.type_of(value).ok()? {
            Type::Struct(fields) => fields.to_vec(),
            Type::Array(elem, length) | Type::Vector(elem, length) => {
                // A value exists, so the length is small; a type alone could be larger than memory.
                self.machine.rt.layouts.words(&self.program().types, value.ty)?;
                vec![*elem; usize::try_from(*length).ok()?]
            }
            _ => return None,
        };
        let words = value.words();
        Some(self.split_words(&types, &words))
    }

    /// The struct, array or vector of these members; `None` if their number or types are wrong, or one is of another
    /// instance.
    pub fn value_from_members(&self, ty: TypeId, members: &[Value]) -> Option<Value> {
        let types = &self.program().types;
        let same = |wanted: TypeId, member: &Value| self.owns(member) && types.same(wanted, member.ty);
        let fits = match self.type_of_id(ty)? {
            Type::Struct(fields) => {
                fields.len() == members.len()
                    && fields.iter().zip(members).all(|(&field, member)| same(field, member))
            }
            Type::Array(elem, length) | Type::Vector(elem, length) => {
                *length == members.len() as u64 && members.iter().all(|member| same(*elem, member))
            }
            _ => false,
        };
        fits.then(|| self.hold(ty, members.iter().flat_map(|member| member.words().into_owned()).collect()))
    }
}

/// Nested braces deeper than this are refused.
const DEPTH_MAX: usize = 64;

impl Mu {
    /// An integer or pointer value, reduced to the width of its type. `None` if the type is another.
    pub fn value_from_int(&self, ty: TypeId, bits: u128) -> Option<Value> {
        match *self.type_of_id(ty)? {
            Type::Int(128) => Some(self.plain(ty, vec![bits as u64, (bits >> 64) as u64])),
            Type::Int(width) => Some(self.plain(ty, vec![bits as u64 & int::mask(width)])),
            Type::UPtr(_) | Type::UFuncPtr(_) => Some(self.plain(ty, vec![bits as u64])),
            _ => None,
        }
    }

    /// A `double` value; `None` if the type is another.
    pub fn value_from_f64(&self, ty: TypeId, value: f64) -> Option<Value> {
        matches!(self.type_of_id(ty)?, Type::Double).then(|| self.plain(ty, vec![value.to_bits()]))
    }

    /// A `float` value; `None` if the type is another.
    pub fn value_from_f32(&self, ty: TypeId, value: f32) -> Option<Value> {
        matches!(self.type_of_id(ty)?, Type::Float).then(|| self.plain(ty, vec![value.to_bits().into()]))
    }

    /// The NULL of a reference type; `None` if the type is another.
    pub fn null(&self, ty: TypeId) -> Option<Value> {
        let ctor = self.type_of_id(ty)?;
        let is_reference = ctor.is_general_reference() && !matches!(ctor, Type::WeakRef(_));
        is_reference.then(|| self.plain(ty, vec![0]))
    }

    /// A funcref; `None` if there is no such function.
    pub fn funcref(&self, func: FuncId) -> Option<Value> {
        let ty = self.program().funcs.get(func.index())?.funcref_ty;
        Some(self.plain(ty, vec![mu_rt::words::func_word(func)]))
    }

    /// Reads a value of a type.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn value_from_text(&self, ty: TypeId, text: &str) -> Result<Value, String> {
        self.type_of_id(ty).ok_or("there is no such type")?;
        let mut words = Vec::new();
        self.read_value(ty, text.trim(), 0, &mut words)?;
        Ok(self.hold(ty, words))
    }

    fn read_value(&self, ty: TypeId, text: &str, depth: usize, words: &mut Vec<u64>) -> Result<(), String> {
        let wanted = || format!("`{text}` is no {}", self.program().display_type(ty));
        let program = self.program();
        match program.types.get(ty) {
            Type::Int(_) | Type::UPtr(_) | Type::UFuncPtr(_) => {
                let bits = parse_int(text).ok_or_else(wanted)?;
                let width = if let Type::Int(width) = *program.types.get(ty) { width } else { 64 };
                if !fits(text, width) {
                    return Err(format!("{text} does not fit {}", program.display_type(ty)));
                }
                words.extend(self.value_from_int(ty, bits).ok_or_else(wanted)?.words().iter());
            }
            Type::Float => words.push(parse_f32(text).ok_or_else(wanted)?.into()),
            Type::Double => words.push(parse_f64(text).ok_or_else(wanted)?),
            Type::FuncRef(_) if text.starts_with('@') => {
                let func = self.func(text).ok_or_else(|| format!("there is no function {text}"))?;
                words.push(mu_rt::words::func_word(func));
            }
            Type::TagRef64 => words.push(parse_tagref(text).ok_or_else(wanted)?),
            Type::Struct(fields) => {
                let members = self.members(ty, text, depth)?;
                if members.len() != fields.len() {
                    return Err(wanted());
                }
                for (&field, member) in fields.iter().zip(members) {
                    self.read_value(field, member, depth + 1, words)?;
                }
            }
            Type::Array(elem, length) | Type::Vector(elem, length) => {
                let members = self.members(ty, text, depth)?;
                if members.len() as u64 != *length {
                    return Err(wanted());
                }
                for member in members {
                    self.read_value(*elem, member, depth + 1, words)?;
                }
            }
            _ if text == "null" => words.push(0),
            Type::Void
            | Type::Hybrid { .. }
            | Type::Ref(_)
            | Type::IRef(_)
            | Type::WeakRef(_)
            | Type::FuncRef(_)
            | Type::ThreadRef
            | Type::StackRef
            | Type::FrameCursorRef
            | Type::IrBuilderRef => return Err(wanted()),
        }
        Ok(())
    }

    fn members<'t>(&self, ty: TypeId, text: &'t str, depth: usize) -> Result<Vec<&'t str>, String> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match inner {
            Some(inner) if depth < DEPTH_MAX => Ok(split_list(inner)),
            _ => Err(format!("`{text}` is no {}: write it in braces", self.program().display_type(ty))),
        }
    }

    /// The text of a value; these words for one of another instance.
    pub fn value_to_text(&self, value: &Value) -> String {
        if !self.owns(value) {
            return "a value of another instance".into();
        }
        let mut out = String::new();
        let words = value.words();
        let mut words = &*words;
        // Types may be nested deeper than the host stack, so what is left to write is a list.
        let mut work = vec![Piece::Value(value.ty)];
        while let Some(piece) = work.pop() {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(ty) => self.write_value(ty, &mut words, &mut out, &mut work),
                Piece::Elements(_, 0) => {}
                Piece::Elements(elem, count) => {
                    if count > 1 {
                        work.push(Piece::Elements(elem, count - 1));
                        work.push(Piece::Text(", "));
                    }
                    work.push(Piece::Value(elem));
                }
            }
        }
        out
    }

    /// Writes a scalar, or says what there is to write for a value of several parts (last first).
    fn write_value(&self, ty: TypeId, words: &mut &[u64], out: &mut String, work: &mut Vec<Piece>) {
        let mut next = || match words.split_first() {
            Some((&word, rest)) => {
                *words = rest;
                word
            }
            None => 0,
        };
        // Writing to a string cannot fail.
        let _ = match self.program().types.get(ty) {
            Type::Int(128) => write!(out, "{}", (u128::from(next()) | u128::from(next()) << 64) as i128),
            Type::Int(1) => write!(out, "{}", next()),
            Type::Int(width) => write!(out, "{}", int::sign_extend(*width, next())),
            Type::UPtr(_) | Type::UFuncPtr(_) => write!(out, "{:#x}", next()),
            Type::Float => write!(out, "{}", fp_text(f64::from(f32::from_bits(next() as u32)), true)),
            Type::Double => write!(out, "{}", fp_text(f64::from_bits(next()), false)),
            Type::FuncRef(_) => match mu_rt::words::func_of_word(next(), self.program().funcs.len()) {
                Some(func) => write!(out, "{}", self.func_name(func)),
                None => write!(out, "null"),
            },
            Type::TagRef64 => write!(out, "{}", tagref_text(next())),
            Type::Struct(fields) => {
                work.push(Piece::Text("}"));
                for (index, &field) in fields.iter().enumerate().rev() {
                    work.push(Piece::Value(field));
                    work.push(Piece::Text(if index == 0 { "" } else { ", " }));
                }
                write!(out, "{{")
            }
            Type::Array(elem, length) | Type::Vector(elem, length) => {
                work.extend([Piece::Text("}"), Piece::Elements(*elem, *length)]);
                write!(out, "{{")
            }
            Type::Void | Type::Hybrid { .. } => write!(out, "void"),
            Type::Ref(_)
            | Type::IRef(_)
            | Type::WeakRef(_)
            | Type::ThreadRef
            | Type::StackRef
            | Type::FrameCursorRef
            | Type::IrBuilderRef => write!(out, "{}", if next() == 0 { "null" } else { "nonnull" }),
        };
    }
}

/// Something [`Mu::value_to_text`] has still to write.
enum Piece {
    Text(&'static str),
    Value(TypeId),
    /// Elements of one type, with commas between.
    Elements(TypeId, u64),
}

/// Splits at commas outside braces and parentheses.
pub fn split_list(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() || !parts.is_empty() {
        parts.push(last);
    }
    parts
}

/// An integer with optional sign, decimal or `0x`, in two's complement.
pub fn parse_int(text: &str) -> Option<u128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            u128::from_str_radix(hex, 16).ok()?
        }
        Some(_) => return None,
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok()?,
        None => return None,
    };
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// Whether an integer that can be read fits a width in bits, as a signed or as an unsigned number.
fn fits(text: &str, width: u32) -> bool {
    let Some(bits) = parse_int(text) else { return false };
    if text.starts_with('-') {
        // The magnitude is at most 2^(width - 1).
        bits.wrapping_neg() <= 1 << (width - 1)
    } else {
        width == 128 || bits >> width == 0
    }
}

fn parse_bits(text: &str) -> Option<u128> {
    parse_int(text.strip_prefix("bits(")?.strip_suffix(')')?.trim())
}

/// Bits of a `float`.
pub fn parse_f32(text: &str) -> Option<u32> {
    match parse_bits(text) {
        Some(bits) => u32::try_from(bits).ok(),
        None => Some(text.parse::<f32>().ok()?.to_bits()),
    }
}

/// Bits of a `double`.
pub fn parse_f64(text: &str) -> Option<u64> {
    match parse_bits(text) {
        Some(bits) => u64::try_from(bits).ok(),
        None => Some(text.parse::<f64>().ok()?.to_bits()),
    }
}

fn parse_tagref(text: &str) -> Option<u64> {
    if let Some(inner) = text.strip_prefix("fp(") {
        return Some(tagref::from_fp(f64::from_bits(parse_f64(inner.strip_suffix(')')?)?)));
    }
    if let Some(inner) = text.strip_prefix("int(") {
        let text = inner.strip_suffix(')')?;
        return fits(text, 52).then_some(tagref::from_int(parse_int(text)? as u64 & int::mask(52)));
    }
    let parts = split_list(text.strip_prefix("ref(")?.strip_suffix(')')?);
    match parts.as_slice() {
        ["null", tag] if fits(tag, 6) => Some(tagref::from_ref(0, parse_int(tag)? as u64 & int::mask(6))),
        _ => None,
    }
}

/// The shortest text that reads back as the same number; NaNs with their bits.
fn fp_text(value: f64, single: bool) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if single { format!("{:?}", value as f32) } else { format!("{value:?}") }
}

/// The text of a `tagref64`.
fn tagref_text(word: u64) -> String {
    if tagref::is_int(word) {
        format!("int({})", tagref::to_int(word))
    } else if tagref::is_ref(word) {
        let reference = if tagref::to_ref(word) == 0 { "null" } else { "nonnull" };
        format!("ref({reference}, {})", tagref::to_tag(word))
    } else {
        format!("fp({})", fp_text(tagref::to_fp(word), false))
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn integers_fit_as_signed_or_unsigned() {
        for (text, width) in [("0", 1), ("1", 1), ("-1", 1), ("255", 8), ("-128", 8), ("0xff", 8), ("-0", 8)]
        {
            assert!(fits(text, width), "{text} {width}");
        }
        for (text, width) in [("2", 1), ("-2", 1), ("256", 8), ("-129", 8), ("0x100", 8), ("x", 8)] {
            assert!(!fits(text, width), "{text} {width}");
        }
        assert!(fits("18446744073709551615", 64) && !fits("18446744073709551616", 64));
        assert!(fits("340282366920938463463374607431768211455", 128));
        assert!(fits("-170141183460469231731687303715884105728", 128));
        assert!(!fits("-170141183460469231731687303715884105729", 128));
    }
}
