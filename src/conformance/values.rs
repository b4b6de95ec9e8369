//! Values of scripts: building them as arguments, comparing them with results, showing results.
//!
//! A written value has no type of its own; it is read by the type that stands at its place
//! (tests/conformance/README.md, "Values"). Recursion is bounded by [`mu_text::script::DEPTH_MAX`].

use crate::Mu;
use crate::values::{self, Value};
use mu_ir::ids::TypeId;
use mu_ir::semantics::{int, tagref};
use mu_ir::types::Type;
use mu_text::script::Value as Text;

/// Makes the value `text` of type `ty`; objects are allocated for `new <@T> v`.
pub(super) fn build(mu: &mut Mu, ty: TypeId, text: &Text) -> Result<Value, String> {
    let wrong = |mu: &Mu| format!("`{text}` is no {}", mu.program().display_type(ty));
    match text {
        Text::Number(_) | Text::Bits(_) | Text::Null | Text::Name(_) => {
            mu.value_from_text(ty, &text.to_string())
        }
        Text::Braces(texts) => {
            let types = member_types(mu, ty, texts.len()).ok_or_else(|| wrong(mu))?;
            let members: Result<Vec<Value>, String> =
                types.iter().zip(texts).map(|(&member, text)| build(mu, member, text)).collect();
            mu.value_from_members(ty, &members?).ok_or_else(|| wrong(mu))
        }
        Text::New(content_ty, content) => {
            let object = new_object(mu, content_ty, content)?;
            let content_ty = type_named(mu, content_ty)?;
            let types = &mu.program().types;
            match *types.get(ty) {
                Type::Ref(to) if types.same(to, content_ty) || *types.get(to) == Type::Void => {
                    Ok(mu.hold(ty, object.words().to_vec()))
                }
                _ => Err(wrong(mu)),
            }
        }
        Text::Fp(_) | Text::Int(_) | Text::Ref(..) if *mu.program().types.get(ty) == Type::TagRef64 => {
            let word = tagref_word(mu, text)?;
            Ok(mu.hold(ty, vec![word]))
        }
        Text::Fp(_) | Text::Int(_) | Text::Ref(..) => Err(wrong(mu)),
        Text::Text(text) => mu.new_bytes(ty, text.as_bytes()).map_err(|error| error.to_string()),
        Text::NonNull | Text::Content(..) | Text::Any => Err(format!("`{text}` stands for results only")),
    }
}

/// Allocates an object of the named type that holds `content`.
pub(super) fn new_object(mu: &mut Mu, ty: &str, content: &Text) -> Result<Value, String> {
    let ty = type_named(mu, ty)?;
    let content = build(mu, ty, content)?;
    mu.new_object(ty, &content).map_err(|error| error.to_string())
}

fn type_named(mu: &Mu, name: &str) -> Result<TypeId, String> {
    mu.type_named(name).ok_or_else(|| format!("there is no type {name}"))
}

/// Types of the members of a struct, array or vector type that has `count` members.
fn member_types(mu: &Mu, ty: TypeId, count: usize) -> Option<Vec<TypeId>> {
    match mu.program().types.get(ty) {
        Type::Struct(fields) if fields.len() == count => Some(fields.to_vec()),
        Type::Array(elem, length) | Type::Vector(elem, length) if *length == count as u64 => {
            Some(vec![*elem; count])
        }
        _ => None,
    }
}

fn tagref_word(mu: &mut Mu, text: &Text) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no tagref64");
    match text {
        Text::Fp(value) => {
            values::parse_f64(&value.to_string()).map(f64::from_bits).map(tagref::from_fp).ok_or_else(wrong)
        }
        Text::Int(value) => {
            let number = values::parse_int(&value.to_string()).ok_or_else(wrong)?;
            Ok(tagref::from_int(number as u64 & int::mask(52)))
        }
        Text::Ref(reference, tag) => {
            let ref_void = mu.program().predefined.ref_void;
            let address = build(mu, ref_void, reference)?.as_u64();
            let tag = values::parse_int(&tag.to_string()).ok_or_else(wrong)?;
            Ok(tagref::from_ref(address, tag as u64 & int::mask(6)))
        }
        _ => Err(wrong()),
    }
}

/// Whether a result is what the script says.
///
/// # Errors
/// When the script says what cannot be said of this type.
pub(super) fn matches(mu: &Mu, wanted: &Text, got: &Value) -> Result<bool, String> {
    let ty = mu.program().types.get(got.ty());
    let wrong = || Err(format!("`{wanted}` cannot be a {}", mu.program().display_type(got.ty())));
    match (wanted, ty) {
        (Text::Any, _) => Ok(true),
        (Text::Null, ty) if ty.is_general_reference() => Ok(got.is_null()),
        (Text::NonNull, ty) if ty.is_general_reference() => Ok(!got.is_null()),
        (Text::Number(text), Type::Float) if is_nan(text) => Ok(got.as_f32().is_nan()),
        (Text::Number(text), Type::Double) if is_nan(text) => Ok(got.as_f64().is_nan()),
        (Text::Number(_) | Text::Bits(_) | Text::Name(_), _) => {
            Ok(mu.value_from_text(got.ty(), &wanted.to_string())?.words() == got.words())
        }
        (Text::Content(ty, content), Type::Ref(_) | Type::IRef(_)) => {
            match mu.load_as(got, type_named(mu, ty)?) {
                Ok(value) => matches(mu, content, &value),
                Err(_) => Ok(false),
            }
        }
        (Text::Text(text), Type::Ref(_)) => Ok(mu.bytes_of(got).is_ok_and(|bytes| bytes == text.as_bytes())),
        (Text::Braces(texts), Type::Struct(_) | Type::Array(..) | Type::Vector(..)) => {
            let members = mu.members_of(got).unwrap_or_default();
            if members.len() != texts.len() {
                return wrong();
            }
            all_match(mu, texts, &members)
        }
        (Text::Fp(value), Type::TagRef64) => match tagref::is_fp(got.as_u64()) {
            true if is_nan(&value.to_string()) => Ok(tagref::to_fp(got.as_u64()).is_nan()),
            true => match values::parse_f64(&value.to_string()) {
                Some(bits) => Ok(bits == tagref::to_fp(got.as_u64()).to_bits()),
                None => wrong(),
            },
            false => Ok(false),
        },
        (Text::Int(value), Type::TagRef64) => {
            match values::parse_int(&value.to_string()) {
                Some(number) => Ok(tagref::is_int(got.as_u64())
                    && tagref::to_int(got.as_u64()) == number as u64 & int::mask(52)),
                None => wrong(),
            }
        }
        (Text::Ref(reference, tag), Type::TagRef64) => {
            if !tagref::is_ref(got.as_u64()) {
                return Ok(false);
            }
            let object = mu.hold(mu.program().predefined.ref_void, vec![tagref::to_ref(got.as_u64())]);
            let same_tag = match &**tag {
                Text::Any => true,
                tag => match values::parse_int(&tag.to_string()) {
                    Some(tag) => tagref::to_tag(got.as_u64()) == tag as u64 & int::mask(6),
                    None => return wrong(),
                },
            };
            Ok(same_tag && matches(mu, reference, &object)?)
        }
        (
            Text::Null
            | Text::NonNull
            | Text::Content(..)
            | Text::New(..)
            | Text::Braces(_)
            | Text::Text(_)
            | Text::Fp(_)
            | Text::Int(_)
            | Text::Ref(..),
            _,
        ) => wrong(),
    }
}

/// Whether lists are equal; of different length they are not.
pub(super) fn all_match(mu: &Mu, wanted: &[Text], got: &[Value]) -> Result<bool, String> {
    let mut all = wanted.len() == got.len();
    for (wanted, got) in wanted.iter().zip(got) {
        all &= matches(mu, wanted, got)?;
    }
    Ok(all)
}

fn is_nan(text: &str) -> bool {
    matches!(text, "nan" | "-nan" | "+nan")
}

/// A result in words, in the way the script wrote what it wants there.
pub(super) fn show(mu: &Mu, wanted: Option<&Text>, got: &Value) -> String {
    let hex = |digits: u128| format!("{digits:#x}");
    match (wanted, mu.program().types.get(got.ty())) {
        (Some(Text::Number(text)), Type::Int(_)) if text.contains("0x") => hex(got.as_u128()),
        (Some(Text::Bits(_)), Type::Float | Type::Double) => format!("bits({})", hex(got.as_u128())),
        (Some(Text::Content(name, content)), Type::Ref(_) | Type::IRef(_)) if !got.is_null() => {
            match mu.type_named(name).map(|ty| mu.load_as(got, ty)) {
                Some(Ok(value)) => format!("<{name}> {}", show(mu, Some(content), &value)),
                Some(Err(error)) => format!("nonnull (not <{name}>: {error})"),
                None => mu.value_to_text(got),
            }
        }
        (Some(Text::Text(_)), Type::Ref(_)) if !got.is_null() => match mu.bytes_of(got) {
            Ok(bytes) => Text::Text(String::from_utf8_lossy(&bytes).into_owned()).to_string(),
            Err(error) => format!("nonnull (no bytes: {error})"),
        },
        (Some(Text::Braces(texts)), Type::Struct(_) | Type::Array(..) | Type::Vector(..)) => {
            let members = mu.members_of(got).unwrap_or_default();
            let texts: Vec<_> =
                members.iter().enumerate().map(|(at, got)| show(mu, texts.get(at), got)).collect();
            format!("{{{}}}", texts.join(", "))
        }
        _ => mu.value_to_text(got),
    }
}

/// Results in parentheses.
pub(super) fn show_all(mu: &Mu, wanted: Option<&[Text]>, got: &[Value]) -> String {
    let wanted = wanted.unwrap_or(&[]);
    let texts: Vec<_> = got.iter().enumerate().map(|(at, got)| show(mu, wanted.get(at), got)).collect();
    format!("({})", texts.join(", "))
}
