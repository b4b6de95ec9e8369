//! The lexer: a text becomes tokens, one at a time, without copying.
//!
//! It never fails. What is not a token becomes one of the error kinds ([`Kind::BadCharacters`] …), which the parser
//! reports and skips; so the parser sees only well-formed tokens and the formatter can still refuse the text.
//!
//! The text form is made so that one character of lookahead is enough:
//!
//! ```text
//! @f.v1.entry.x   %x        names: the sigil, then the longest run of [0-9A-Za-z_.-]
//! ADD  int  ACQ_REL         words: [A-Za-z_][0-9A-Za-z_]*
//! .typedef                  keywords of definitions: a dot and a word
//! 42  -0x1f  1.5e-3d  +inff numbers: a sign or digit or dot, then all that can belong to a number
//! #DEFAULT                  flags
//! "puts"                    strings
//! ( ) < > [ ] { } = : ->    punctuation
//! ```
//!
//! Numbers are cut out by their longest run of letters, digits and dots and looked at later: `089` or `1.5x` are one
//! token with one good message instead of two surprising tokens.
//!
//! Invariants
//! * Tokens do not overlap and come in order; between them there is only white space and comments.
//! * Every call makes progress until [`Kind::Eof`], which then repeats.
//! * Work is linear in the text.

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The end of the text.
    Eof,
    /// A global name, with its `@`.
    Global,
    /// A local name, with its `%`.
    Local,
    /// A word: mnemonic, keyword or type constructor.
    Word,
    /// A keyword of a definition, with its dot.
    Directive,
    /// A number, or `+inf…`.
    Number,
    /// A flag, with its `#`.
    Flag,
    /// A string, with its quotation marks.
    Str,
    /// `(`
    LParen,
    /// `)`
    RParen,
    /// `<`
    LAngle,
    /// `>`
    RAngle,
    /// `[`
    LBracket,
    /// `]`
    RBracket,
    /// `{`
    LBrace,
    /// `}`
    RBrace,
    /// `=`
    Equals,
    /// `:`
    Colon,
    /// `->`
    Arrow,
    /// A comment; only [`Lexer::next_with_comments`] yields it.
    Comment,
    /// `$name`, the name of an object in a HAIL script
    Hail,
    /// `&` (HAIL)
    Ampersand,
    /// `*` (HAIL)
    Star,
    /// A run of characters that begin no token.
    BadCharacters,
    /// A string without its closing quotation mark.
    OpenString,
    /// A sigil (`@`, `%`, `#` or `$`) without a name.
    EmptyName,
}

impl Kind {
    /// The bracket that opens what this bracket opens or closes.
    pub fn opener(self) -> Option<Kind> {
        match self {
            Kind::LParen | Kind::RParen => Some(Kind::LParen),
            Kind::LAngle | Kind::RAngle => Some(Kind::LAngle),
            Kind::LBracket | Kind::RBracket => Some(Kind::LBracket),
            Kind::LBrace | Kind::RBrace => Some(Kind::LBrace),
            _ => None,
        }
    }

    /// The kind in words, for "expected …" messages.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Eof => "the end of the text",
            Kind::Global => "a global name",
            Kind::Local => "a local name",
            Kind::Word => "a keyword",
            Kind::Directive => "a definition",
            Kind::Number => "a number",
            Kind::Flag => "a flag",
            Kind::Str => "a string",
            Kind::LParen => "`(`",
            Kind::RParen => "`)`",
            Kind::LAngle => "`<`",
            Kind::RAngle => "`>`",
            Kind::LBracket => "`[`",
            Kind::RBracket => "`]`",
            Kind::LBrace => "`{`",
            Kind::RBrace => "`}`",
            Kind::Equals => "`=`",
            Kind::Colon => "`:`",
            Kind::Arrow => "`->`",
            Kind::Comment => "a comment",
            Kind::Hail => "a HAIL name",
            Kind::Ampersand => "`&`",
            Kind::Star => "`*`",
            Kind::BadCharacters => "characters without meaning",
            Kind::OpenString => "an unfinished string",
            Kind::EmptyName => "an empty name",
        }
    }
}

/// A token: a kind and a range of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Whether it is the first token on its line.
    pub first_on_line: bool,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// Whether a byte can stand in a name behind its sigil.
pub fn is_name_byte(byte: u8) -> bool {
    CLASS[byte as usize] & NAME != 0
}

const NAME: u8 = 1;
const WORD: u8 = 2;
const NUMBER: u8 = 4;
/// Bytes that begin a token, a comment or white space; a run of bad characters ends in front of them.
const STARTS: u8 = 8;

/// What each byte may be part of.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || b == b'_' {
            table[byte] = NAME | WORD | NUMBER | STARTS;
        } else if b == b'.' {
            table[byte] = NAME | NUMBER | STARTS;
        } else if b == b'-' {
            table[byte] = NAME | STARTS;
        } else if matches!(
            b,
            b'@' | b'%' | b'#' | b'"' | b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}'
        ) || matches!(b, b'=' | b':' | b'+' | b' ' | b'\t' | b'\r' | b'\n')
        {
            table[byte] = STARTS;
        }
        byte += 1;
    }
    table
};

/// The lexer. Cheap to clone, which is how the parser looks further ahead in the few places that need it.
#[derive(Clone)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    pos: usize,
    first_on_line: bool,
    hail: bool,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of a text shorter than 4 GiB.
    pub fn new(text: &'a str) -> Self {
        // A byte order mark is what some editors put in front of a text; it means nothing.
        let pos = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Lexer { bytes: text.as_bytes(), pos, first_on_line: true, hail: false }
    }

    /// A lexer of a HAIL script, which has the tokens `$name`, `&` and `*` as well.
    pub fn hail(text: &'a str) -> Self {
        Lexer { hail: true, ..Lexer::new(text) }
    }

    /// The next token.
    #[inline]
    pub fn next_token(&mut self) -> Token {
        loop {
            let token = self.next_with_comments();
            if token.kind != Kind::Comment {
                return token;
            }
        }
    }

    /// The next token or comment.
    pub fn next_with_comments(&mut self) -> Token {
        self.skip_space();
        let start = self.pos;
        let first_on_line = std::mem::replace(&mut self.first_on_line, false);
        let kind = match self.bytes.get(start) {
            None => Kind::Eof,
            Some(&byte) => self.token(byte),
        };
        Token { kind, first_on_line, start: start as u32, end: self.pos as u32 }
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.bytes.get(self.pos) {
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'\n' => self.first_on_line = true,
                _ => return,
            }
            self.pos += 1;
        }
    }

    /// Reads the token that begins with `byte` and leaves `pos` behind it.
    fn token(&mut self, byte: u8) -> Kind {
        self.pos += 1;
        match byte {
            b'@' => self.name(Kind::Global),
            b'%' => self.name(Kind::Local),
            b'#' => {
                self.skip_class(WORD);
                if self.bytes[self.pos - 1] == b'#' { Kind::EmptyName } else { Kind::Flag }
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                self.skip_class(WORD);
                Kind::Word
            }
            b'0'..=b'9' => self.number(byte),
            b'.' => match self.bytes.get(self.pos) {
                Some(b'0'..=b'9') => self.number(byte),
                Some(b'A'..=b'Z' | b'a'..=b'z' | b'_') => {
                    self.skip_class(WORD);
                    Kind::Directive
                }
                _ => self.bad_characters(),
            },
            b'+' | b'-' => match self.bytes.get(self.pos) {
                Some(&next) if CLASS[next as usize] & NUMBER != 0 => {
                    self.pos += 1;
                    self.number(next)
                }
                Some(b'>') if byte == b'-' => {
                    self.pos += 1;
                    Kind::Arrow
                }
                _ => self.bad_characters(),
            },
            b'"' => self.string(),
            b'/' if self.bytes.get(self.pos) == Some(&b'/') => {
                let rest = &self.bytes[self.pos..];
                self.pos += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                Kind::Comment
            }
            b'(' => Kind::LParen,
            b')' => Kind::RParen,
            b'<' => Kind::LAngle,
            b'>' => Kind::RAngle,
            b'[' => Kind::LBracket,
            b']' => Kind::RBracket,
            b'{' => Kind::LBrace,
            b'}' => Kind::RBrace,
            b'=' => Kind::Equals,
            b':' => Kind::Colon,
            b'$' if self.hail => self.name(Kind::Hail),
            b'&' if self.hail => Kind::Ampersand,
            b'*' if self.hail => Kind::Star,
            _ => self.bad_characters(),
        }
    }

    fn skip_class(&mut self, class: u8) {
        while self.bytes.get(self.pos).is_some_and(|&b| CLASS[b as usize] & class != 0) {
            self.pos += 1;
        }
    }

    fn name(&mut self, kind: Kind) -> Kind {
        let start = self.pos;
        self.skip_class(NAME);
        if self.pos == start { Kind::EmptyName } else { kind }
    }

    /// The rest of a number whose first byte behind the sign was `first`.
    fn number(&mut self, first: u8) -> Kind {
        let hex = first == b'0' && matches!(self.bytes.get(self.pos), Some(b'x' | b'X'));
        // Letters are an exponent only behind digits: the `e` of `+name` is none.
        let decimal = !hex && (first == b'.' || first.is_ascii_digit());
        loop {
            let before = self.pos;
            self.skip_class(NUMBER);
            // The sign of an exponent belongs to the number; behind the `e` of a hexadecimal number it does not.
            let exponent = decimal && self.pos > before && matches!(self.bytes[self.pos - 1], b'e' | b'E');
            let signed = matches!(self.bytes.get(self.pos), Some(b'+' | b'-'));
            let digit = matches!(self.bytes.get(self.pos + 1), Some(b'0'..=b'9'));
            if !(exponent && signed && digit) {
                return Kind::Number;
            }
            self.pos += 1;
        }
    }

    fn string(&mut self) -> Kind {
        while let Some(&byte) = self.bytes.get(self.pos) {
            match byte {
                b'"' => {
                    self.pos += 1;
                    return Kind::Str;
                }
                b'\n' => break,
                // The escaped byte cannot end the string. A line break after a backslash still does.
                b'\\' if self.bytes.get(self.pos + 1).is_some_and(|&b| b != b'\n') => self.pos += 2,
                _ => self.pos += 1,
            }
        }
        self.pos = self.pos.min(self.bytes.len());
        Kind::OpenString
    }

    /// Takes the whole run, so that a binary file makes one error and not thousands.
    fn bad_characters(&mut self) -> Kind {
        while self.bytes.get(self.pos).is_some_and(|&b| CLASS[b as usize] & STARTS == 0)
            && !self.bytes[self.pos..].starts_with(b"//")
            && !(self.hail && matches!(self.bytes[self.pos], b'$' | b'&' | b'*'))
        {
            self.pos += 1;
        }
        Kind::BadCharacters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::kinds;

    fn one(text: &str) -> Kind {
        let all = kinds(text);
        assert_eq!(all.len(), 1, "{text:?} is {all:?}");
        assert_eq!(all[0].1, text);
        all[0].0
    }

    #[test]
    fn each_kind_of_token() {
        for (text, kind) in [
            ("@f.v1.entry.x-1_0", Kind::Global),
            ("%0", Kind::Local),
            ("ACQ_REL", Kind::Word),
            ("tagref64", Kind::Word),
            (".typedef", Kind::Directive),
            ("#DEFAULT", Kind::Flag),
            ("\"puts\"", Kind::Str),
            ("\"a\\\"b\"", Kind::Str),
            ("->", Kind::Arrow),
            ("// all of it", Kind::Comment),
            ("@", Kind::EmptyName),
            ("#", Kind::EmptyName),
            ("\"puts", Kind::OpenString),
            ("\"puts\\", Kind::OpenString),
            ("\0\0é€", Kind::BadCharacters),
        ] {
            assert_eq!(one(text), kind, "{text}");
        }
    }

    #[test]
    fn numbers_are_one_token() {
        for text in [
            "0", "-1", "+0x1F", "089", "1.0f", ".5d", "5.f", "1e5d", "1.5e-3d", "-2E+10f", "+inff", "-infd",
            "1.5x",
        ] {
            assert_eq!(one(text), Kind::Number, "{text}");
        }
        assert_eq!(kinds("0x1e+5").len(), 2);
        assert_eq!(kinds("1.0 d"), [(Kind::Number, "1.0"), (Kind::Word, "d")]);
        assert_eq!(kinds("(@a)->()")[3], (Kind::Arrow, "->"));
    }

    #[test]
    fn hail_has_tokens_of_its_own() {
        let mut lexer = Lexer::hail("$a.b-1 &@g *$x$y€$z");
        let found: Vec<Kind> =
            std::iter::from_fn(|| Some(lexer.next_token().kind).filter(|&kind| kind != Kind::Eof)).collect();
        let (name, global) = (Kind::Hail, Kind::Global);
        assert_eq!(found, [name, Kind::Ampersand, global, Kind::Star, name, name, Kind::BadCharacters, name]);
        assert_eq!(kinds("$a")[0].0, Kind::BadCharacters);
    }

    #[test]
    fn lines_are_noticed() {
        let mut lexer = Lexer::new("a // x\n b c\n");
        let firsts: Vec<bool> = (0..3).map(|_| lexer.next_token().first_on_line).collect();
        assert_eq!(firsts, [true, true, false]);
    }

    #[test]
    fn a_comment_ends_a_run_of_bad_characters() {
        assert_eq!(kinds("€€// x")[1], (Kind::Comment, "// x"));
        assert_eq!(kinds("/ /").len(), 2);
    }
}
