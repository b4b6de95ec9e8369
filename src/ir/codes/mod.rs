//! The table of error codes. A code is never renumbered and never used for something else.
//!
//! * `MU-E1xxx` text: lexer and parser ([`parse`])
//! * `MU-E2xxx` names and references ([`name`])
//! * `MU-E3xxx` verifier ([`verify`])
//! * `MU-E4xxx` loading and linking ([`load`])
//! * `MU-E5xxx` HAIL scripts ([`hail`])
//! * `MU-E6xxx` misuse of the IR builder ([`builder`])
//! * `MU-Uxxxx` undefined behaviour: see [`crate::ub`]
//!
//! Each code has a title (the rule, one line) and an explanation for `mu explain`. Every code is provoked by at least
//! one conformance script or test; `tests/tidy.rs` checks that.

pub mod builder;
pub mod hail;
pub mod load;
pub mod name;
pub mod parse;
pub mod verify;

/// What is known about a code.
#[derive(Debug, PartialEq, Eq)]
pub struct CodeInfo {
    /// The number: 3101 of `MU-E3101`.
    pub number: u16,
    /// The constant's name in the source, also the rule's id for people.
    pub name: &'static str,
    /// The rule in one line.
    pub title: &'static str,
    /// A few sentences: why it is a rule, how to mend it, the section of the specification.
    pub explain: &'static str,
}

/// A code: a reference to its row.
pub type Code = &'static CodeInfo;

impl CodeInfo {
    /// The code as users write it, e.g. `MU-E3101`.
    pub fn text(&self) -> String {
        format!("MU-E{:04}", self.number)
    }
}

/// Defines one constant per code and the list of them.
#[macro_export]
macro_rules! codes {
    ($($name:ident = $number:literal, $title:literal, $explain:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: $crate::codes::Code =
                &$crate::codes::CodeInfo { number: $number, name: stringify!($name), title: $title, explain: $explain };
        )*
        /// All codes of this range, ascending.
        pub const CODES: &[$crate::codes::Code] = &[$($name),*];
    };
}

/// All ranges.
pub const RANGES: &[&[Code]] =
    &[parse::CODES, name::CODES, verify::CODES, load::CODES, hail::CODES, builder::CODES];

/// All codes, ascending.
pub fn all() -> impl Iterator<Item = Code> {
    RANGES.iter().flat_map(|range| range.iter().copied())
}

/// Finds a code by what a user typed: `MU-E3101`, `E3101` or `3101`.
pub fn find(text: &str) -> Option<Code> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_prefix("MU-E").or_else(|| upper.strip_prefix('E')).unwrap_or(&upper);
    let number: u16 = digits.parse().ok()?;
    all().find(|code| code.number == number)
}

#[cfg(test)]
mod tests {
    #[test]
    fn codes_ascend_within_their_thousand() {
        for (range, first) in super::RANGES.iter().zip([1000u16, 2000, 3000, 4000, 5000, 6000]) {
            let mut last = first;
            for code in *range {
                assert!(code.number > last && code.number < first + 1000, "{} is out of order", code.name);
                last = code.number;
            }
        }
    }

    #[test]
    fn codes_are_found_in_every_spelling() {
        for code in super::all() {
            assert_eq!(super::find(&code.text()), Some(code));
            assert_eq!(super::find(&code.number.to_string()), Some(code));
        }
    }
}
