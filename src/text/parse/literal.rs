//! Literals: integers, floating point numbers and strings (uvm-ir, Constant Definition).
//!
//! Integers are kept as sign and magnitude; whether they fit is a question of their type, which the linker answers.
//! Floating point numbers are rounded once, from the decimal digits to the format of the suffix: reading a `float`
//! through `double` would round twice and be wrong in the last bit for some literals. A literal too large for its
//! format is an error, and infinite where the lenient mode lets it pass.

/// What is wrong with an integer literal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum IntError {
    /// It is not well formed.
    Malformed,
    /// A digit 8 or 9 behind the prefix of an octal number.
    OctalDigit,
    /// More than 128 bits.
    TooLarge,
}

/// Sign and magnitude of an integer literal.
pub(super) fn integer(text: &str) -> Result<(bool, u128), IntError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x") {
        (16, hex)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.is_empty() {
        return Err(IntError::Malformed);
    }
    let mut value: u128 = 0;
    let mut too_large = false;
    for byte in digits.bytes() {
        let digit = match char::from(byte).to_digit(radix) {
            Some(digit) => u128::from(digit),
            None if radix == 8 && matches!(byte, b'8' | b'9') => return Err(IntError::OctalDigit),
            None => return Err(IntError::Malformed),
        };
        match value.checked_mul(u128::from(radix)).and_then(|value| value.checked_add(digit)) {
            Some(next) => value = next,
            None => too_large = true,
        }
    }
    if too_large { Err(IntError::TooLarge) } else { Ok((negative, value)) }
}

/// Whether a number token is an integer, as far as its look goes.
pub(super) fn looks_like_integer(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.starts_with("0x") || digits.starts_with("0X") {
        return true;
    }
    digits.starts_with(|c: char| c.is_ascii_digit())
        && !digits.contains(['.', 'e', 'E'])
        && !digits.ends_with(['f', 'd'])
}

/// A format of floating point numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Float,
    Double,
}

impl Format {
    /// The format of a suffix.
    pub fn of_suffix(suffix: &str) -> Option<Format> {
        match suffix {
            "f" => Some(Format::Float),
            "d" => Some(Format::Double),
            _ => None,
        }
    }

    /// The bits of a decimal number without suffix, rounded to nearest, ties to even. `None` if it is not well formed.
    pub fn decimal(self, text: &str) -> Option<u64> {
        is_decimal(text).then_some(())?;
        match self {
            Format::Float => text.parse::<f32>().ok().map(|value| u64::from(value.to_bits())),
            Format::Double => text.parse::<f64>().ok().map(f64::to_bits),
        }
    }

    /// The bits of infinity.
    pub fn infinity(self, negative: bool) -> u64 {
        match (self, negative) {
            (Format::Float, false) => f32::INFINITY.to_bits().into(),
            (Format::Float, true) => f32::NEG_INFINITY.to_bits().into(),
            (Format::Double, false) => f64::INFINITY.to_bits(),
            (Format::Double, true) => f64::NEG_INFINITY.to_bits(),
        }
    }

    /// The bits of `nan`: the quiet NaN without sign and payload.
    pub fn nan(self) -> u64 {
        match self {
            Format::Float => QUIET_NAN_FLOAT.into(),
            Format::Double => QUIET_NAN_DOUBLE,
        }
    }

    /// The number of bits.
    pub fn bits(self) -> u32 {
        match self {
            Format::Float => 32,
            Format::Double => 64,
        }
    }
}

const QUIET_NAN_FLOAT: u32 = 0x7fc0_0000;
const QUIET_NAN_DOUBLE: u64 = 0x7ff8_0000_0000_0000;

/// `[+-] digits [. digits] [e [+-] digits]`, with at least one digit in front of the exponent.
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_ok
}

/// The canonical literal of a `float` (`wide` false) or `double` with these bits: the shortest decimal that reads back
/// the same, with digits on both sides of the point as other implementations want; `bits…(…)` for unusual NaNs.
pub(crate) fn float_text(bits: u64, wide: bool) -> String {
    let suffix = if wide { 'd' } else { 'f' };
    let (value, quiet) = if wide {
        (f64::from_bits(bits), QUIET_NAN_DOUBLE)
    } else {
        (f64::from(f32::from_bits(bits as u32)), u64::from(QUIET_NAN_FLOAT))
    };
    if value.is_nan() {
        return if bits == quiet { format!("nan{suffix}") } else { format!("bits{suffix}({bits:#x})") };
    }
    if value.is_infinite() {
        return format!("{}inf{suffix}", if value > 0.0 { '+' } else { '-' });
    }
    let mut text = if wide { format!("{value:?}") } else { format!("{:?}", f32::from_bits(bits as u32)) };
    if !text.contains('.') {
        let at = text.find('e').unwrap_or(text.len());
        text.insert_str(at, ".0");
    }
    text.push(suffix);
    text
}

/// The content of a string token that may lack its closing mark; an error is the place of a bad escape in the token.
pub(super) fn string(token: &str) -> Result<Box<str>, usize> {
    let inner = token.strip_prefix('"').unwrap_or(token);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at..];
        let place = token.len() - token.len().min(escape.len() + 1);
        let (c, len) = match escape.as_bytes().get(1) {
            Some(b'"') => ('"', 2),
            Some(b'\\') => ('\\', 2),
            Some(b'x') => {
                let number = escape.get(2..4).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                match number.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) if byte.is_ascii() => (char::from(byte), 4),
                    _ => return Err(place),
                }
            }
            _ => return Err(place),
        };
        out.push(c);
        rest = &escape[len..];
    }
    out.push_str(rest);
    Ok(out.into())
}

/// A string literal that reads back as `text`.
pub(crate) fn string_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, value) in [
            ("0", Ok((false, 0))),
            ("+0", Ok((false, 0))),
            ("-0", Ok((true, 0))),
            ("42", Ok((false, 42))),
            ("-42", Ok((true, 42))),
            ("+01234567", Ok((false, 0o1234567))),
            ("00", Ok((false, 0))),
            ("-0x123456789abcdef0", Ok((true, 0x1234_5678_9abc_def0))),
            ("0xABCdef", Ok((false, 0xab_cdef))),
            ("340282366920938463463374607431768211455", Ok((false, u128::MAX))),
            ("340282366920938463463374607431768211456", Err(IntError::TooLarge)),
            ("0x100000000000000000000000000000000", Err(IntError::TooLarge)),
            ("0x000000000000000000000000000000000000001", Ok((false, 1))),
            ("089", Err(IntError::OctalDigit)),
            ("0x", Err(IntError::Malformed)),
            ("0X1", Err(IntError::Malformed)),
            ("-", Err(IntError::Malformed)),
            ("12ab", Err(IntError::Malformed)),
        ] {
            assert_eq!(integer(text), value, "{text}");
        }
    }

    #[test]
    fn floats_are_rounded_once() {
        // Just above the middle of 1 and the next float. As a double it is exactly the middle and would round to 1.
        let text = "1.00000005960464477539062500000000001";
        assert_eq!(Format::Float.decimal(text), Some(u64::from(1.0f32.to_bits() + 1)));
        assert_eq!(text.parse::<f64>().unwrap() as f32, 1.0);
    }

    #[test]
    fn decimal_forms() {
        for text in ["1.0", "1", ".5", "5.", "1e5", "-1.5E-3", "+123.456e789", "1e-99999999999999999999"] {
            assert!(Format::Double.decimal(text).is_some(), "{text}");
        }
        for text in ["", ".", "e5", "1e", "1e+", "1.2.3", "1_0", "inf", "nan", "0x1.0"] {
            assert!(Format::Double.decimal(text).is_none(), "{text}");
        }
        assert_eq!(Format::Float.decimal("123.456e789"), Some(f32::INFINITY.to_bits().into()));
    }

    #[test]
    fn float_texts_read_back() {
        let mut bits: u64 = 0x9e37_79b9_7f4a_7c15;
        let special = [0u64, 1 << 63, 1, 0x7ff0_0000_0000_0000, 0x3ff0_0000_0000_0000, 0x7fef_ffff_ffff_ffff];
        for index in 0..20_000u64 {
            bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(index);
            let wide = special.get(index as usize).copied().unwrap_or(bits);
            for (bits, format, is_wide) in [(wide, Format::Double, true), (wide >> 32, Format::Float, false)]
            {
                let text = float_text(bits, is_wide);
                let number = text.strip_suffix(['f', 'd']);
                match number {
                    Some(number) if format.decimal(number).is_some() => {
                        assert_eq!(format.decimal(number), Some(bits), "{text}");
                        assert!(number.contains('.'), "{text}");
                    }
                    _ => assert!(["bits", "+inf", "-inf", "nanf", "nand"].contains(&&text[..4]), "{text}"),
                }
            }
        }
        assert_eq!(float_text(1e300f64.to_bits(), true), "1.0e300d");
        assert_eq!(float_text(0.1f32.to_bits().into(), false), "0.1f");
        assert_eq!(float_text(QUIET_NAN_DOUBLE | 1, true), "bitsd(0x7ff8000000000001)");
    }

    #[test]
    fn strings() {
        for (text, token) in
            [("puts", "\"puts\""), ("a\"b\\c", "\"a\\\"b\\\\c\""), ("\0\n\u{7f}é", "\"\\x00\\x0a\\x7fé\"")]
        {
            assert_eq!(string_text(text), token);
            assert_eq!(string(token).as_deref(), Ok(text));
        }
        for bad in ["\"\\n\"", "\"ab\\x8\"", "\"\\xff\"", "\"\\é\"", "\"\\"] {
            assert!(string(bad).is_err(), "{bad}");
        }
        assert_eq!(string("\"ab\\n\""), Err(3));
    }
}
