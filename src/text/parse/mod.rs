//! The parser of the text form (UIR): a text becomes a [`Draft`] and a list of diagnostics.
//!
//! Hand-written recursive descent without recursion: the grammar nests two deep (body, cases), so there is one function
//! per level and input cannot choose the depth. Instruction bodies are not written out here; [`inst`] interprets the
//! parts that the instruction table gives for each form.
//!
//! Names. A local name is sugar for a global one (uvm-ir, Names), and a [`Draft`] knows only global names. Two scope
//! strings hold the prefixes of the moment, `@f.v.` for blocks and `@f.v.b.` for variables; expanding a name appends to
//! one of them, interns and cuts it back, so no name costs an allocation.
//!
//! Errors. A function that cannot go on reports a diagnostic and returns [`Failed`]; the loops over instructions and
//! definitions catch it and skip to the next place where an instruction, a block or a definition begins, so one text
//! yields all its errors. Frequent slips (an inline type, a literal operand, a missing colon) are reported and then
//! taken as if they were right, which keeps the rest of the definition readable. A diagnostic is not reported when it
//! is at the place of the one before, or behind bad characters in the same statement: those would be echoes.
//!
//! ```text
//! .typedef @i64 = int<64>                      Type  { @i64, int<64> }
//! .funcdef @f VERSION %v <@sig> {              FuncDef { @f, @f.v, @sig, blocks: [
//!     %entry(<@i64> %n):                           DraftBlock { @f.v.entry, params: [(@i64, @f.v.entry.n)], insts: [
//!         %m = ADD <@i64> %n @one                      Inst { Add, results: [@f.v.entry.m], types: [@i64],
//!         RET %m                                              args: [@f.v.entry.n, @one] }, …
//! }
//! ```
//!
//! Invariants
//! * `tok` is never one of the error kinds; the parser never looks at bytes the lexer has not cut.
//! * Every loop either consumes a token or ends.
//! * Work is linear in the text: where the parser looks further ahead than one token, the look stops at the next
//!   bracket, so that no token is looked at more than a few times.

mod define;
mod hail;
mod inst;
mod literal;
mod suggest;

use crate::lex::{Kind, Lexer, Token, is_name_byte};
use mu_ir::codes::{Code, parse as codes};
use mu_ir::diag::{Diagnostic, Span};
use mu_ir::draft::Draft;
use mu_ir::ids::{SourceId, Sym};
use mu_ir::inst::Use;
use mu_ir::table::Op;

pub(crate) use hail::parse_hail;
pub(crate) use literal::{float_text, string_text};
pub use suggest::closest;

/// Reads a bundle in text form (uvm-ir). The whole text must be a bundle.
///
/// All errors are reported, in the order of the text; after 100 of them reading stops with a last
/// diagnostic that says so. When there are errors the draft holds what could be read: good enough for an outline, not
/// for linking.
pub fn parse(text: &str, source: SourceId) -> (Draft, Vec<Diagnostic>) {
    parse_with(text, source, Limits::of(text))
}

/// Bounds that keep hostile texts from using unreasonable time or memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the text; spans are 32-bit.
    pub text: usize,
    /// Bytes of one name. Every use of a name costs time proportional to the length of its expansion.
    pub name: usize,
    /// Bytes of all names; a symbol's place in the arena is 32-bit.
    pub all_names: usize,
    /// Number of diagnostics.
    pub errors: usize,
}

impl Limits {
    /// The limits of a text. A local name of two bytes stands for one as long as its function's: so that a short text
    /// cannot fill the memory, all names together may have 64 bytes for each byte of the text, and 64 MiB anyway.
    fn of(text: &str) -> Self {
        let all_names = text.len().saturating_mul(64).clamp(64 << 20, 1 << 30);
        Limits { text: u32::MAX as usize, name: 1 << 14, all_names, errors: 100 }
    }
}

pub(crate) fn parse_with(text: &str, source: SourceId, limits: Limits) -> (Draft, Vec<Diagnostic>) {
    if text.len() >= limits.text {
        let span = Span::new(source, 0, 0);
        return (
            Draft::new(source),
            vec![Diagnostic::error(codes::TEXT_TOO_LONG, span, "the text is too long")],
        );
    }
    let mut parser = Parser::new(text, Lexer::new(text), source, limits);
    parser.bundle();
    parser.finish()
}

/// Says that something could not be read; the diagnostic is already in the list.
struct Failed;

type Parsed<T> = Result<T, Failed>;

/// Where a local name belongs to.
#[derive(Clone, Copy)]
enum Scope {
    /// The function: names of versions.
    Func,
    /// The version: names of blocks.
    Ver,
    /// The block: names of variables and instructions.
    Block,
}

struct Parser<'a> {
    text: &'a str,
    source: SourceId,
    limits: Limits,
    lexer: Lexer<'a>,
    /// The token to be read next.
    tok: Token,
    /// The one behind it.
    ahead: Token,
    /// End of the last token read.
    prev_end: u32,
    /// First byte of the definition, block header or instruction being read.
    statement: u32,
    /// The instruction being read, for help.
    op: Option<Op>,
    /// Inside the braces of SWITCH; its `}` does not close the function.
    in_cases: bool,
    /// The brackets that are open, innermost last: the body's brace, and those of the statement.
    open: Vec<Token>,
    /// The brace that closed the last function body.
    body_end: Option<Token>,
    draft: Draft,
    diagnostics: Vec<Diagnostic>,
    last_error: Option<u32>,
    /// Where there were characters without meaning; each was reported, so they are few.
    bad_characters: Vec<u32>,
    /// Where strings without an end begin, likewise.
    open_strings: Vec<u32>,
    stopped: bool,
    names_len: usize,
    /// Prefixes of local names, dot included, by [`Scope`].
    scopes: [String; 3],
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, lexer: Lexer<'a>, source: SourceId, limits: Limits) -> Self {
        let eof = Token { kind: Kind::Eof, first_on_line: true, start: 0, end: 0 };
        let mut parser = Parser {
            text,
            source,
            limits,
            lexer,
            tok: eof,
            ahead: eof,
            prev_end: 0,
            statement: 0,
            op: None,
            in_cases: false,
            open: Vec::new(),
            body_end: None,
            draft: Draft::new(source),
            diagnostics: Vec::new(),
            last_error: None,
            bad_characters: Vec::new(),
            open_strings: Vec::new(),
            stopped: false,
            names_len: 0,
            scopes: Default::default(),
        };
        parser.tok = parser.fetch();
        parser.ahead = parser.fetch();
        parser
    }

    fn finish(mut self) -> (Draft, Vec<Diagnostic>) {
        // The lexer runs a token ahead, so its errors may come early.
        self.diagnostics.sort_by_key(|d| (d.code == codes::TOO_MANY_ERRORS, d.primary.span.start));
        (self.draft, self.diagnostics)
    }

    // ---- tokens

    /// The next token that is one, reporting what is none.
    fn fetch(&mut self) -> Token {
        let mut first_on_line = false;
        loop {
            let mut token = self.lexer.next_token();
            first_on_line |= token.first_on_line;
            token.first_on_line = first_on_line;
            match token.kind {
                _ if self.stopped => return self.eof(),
                Kind::BadCharacters => self.report_bad_characters(token),
                Kind::OpenString => {
                    self.open_strings.push(token.start);
                    self.report(
                        Diagnostic::error(
                            codes::UNTERMINATED_STRING,
                            self.span(token),
                            "the string has no end",
                        )
                        .help("close it with `\"` on the same line"),
                    );
                    token.kind = Kind::Str;
                    return token;
                }
                Kind::EmptyName => {
                    let sigil = self.str(token);
                    let message = format!("`{sigil}` without a name");
                    self.report(Diagnostic::error(codes::EMPTY_NAME, self.span(token), message));
                    token.kind = match sigil {
                        "@" => Kind::Global,
                        "%" => Kind::Local,
                        "$" => Kind::Hail,
                        _ => Kind::Flag,
                    };
                    return token;
                }
                _ => return token,
            }
        }
    }

    fn report_bad_characters(&mut self, token: Token) {
        self.bad_characters.push(token.start);
        let run = self.str(token);
        let first = run.chars().next().unwrap_or('\0');
        let mut diagnostic = Diagnostic::error(
            codes::UNEXPECTED_CHARACTER,
            self.span(token),
            format!("nothing begins with {}", show_char(first)),
        );
        if first == '/' {
            diagnostic = diagnostic.help("a comment begins with `//` and ends with the line");
        } else if matches!(first, ',' | ';') {
            diagnostic = diagnostic.help("lists are separated by spaces only, and statements by nothing");
        } else if matches!(first, '+' | '-') {
            diagnostic = diagnostic.help("a sign is written directly in front of its number");
        }
        self.report(diagnostic);
    }

    fn eof(&self) -> Token {
        let end = self.text.len() as u32;
        Token { kind: Kind::Eof, first_on_line: true, start: end, end }
    }

    /// Takes the current token.
    #[inline]
    fn bump(&mut self) -> Token {
        let token = self.tok;
        if let Some(opener) = token.kind.opener() {
            if opener == token.kind {
                self.open.push(token);
            } else {
                self.open.pop_if(|open| open.kind == opener);
            }
        }
        self.prev_end = token.end;
        self.tok = self.ahead;
        self.ahead = self.fetch();
        token
    }

    /// The current token begins a statement inside so many brackets.
    fn begin_statement(&mut self, brackets: usize) {
        self.statement = self.tok.start;
        self.open.truncate(brackets);
    }

    #[inline]
    fn at(&self, kind: Kind) -> bool {
        self.tok.kind == kind
    }

    #[inline]
    fn eat(&mut self, kind: Kind) -> bool {
        let found = self.at(kind);
        if found {
            self.bump();
        }
        found
    }

    fn at_word(&self, word: &str) -> bool {
        self.at(Kind::Word) && self.str(self.tok) == word
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.bump();
        }
        found
    }

    fn at_name(&self) -> bool {
        matches!(self.tok.kind, Kind::Global | Kind::Local)
    }

    fn expect(&mut self, kind: Kind) -> Parsed<Token> {
        if self.at(kind) { Ok(self.bump()) } else { Err(self.expected(kind.describe())) }
    }

    /// The text of a token.
    #[inline]
    fn str(&self, token: Token) -> &'a str {
        self.text.get(token.start as usize..token.end as usize).unwrap_or("")
    }

    fn span(&self, token: Token) -> Span {
        Span { source: self.source, start: token.start, end: token.end }
    }

    /// From a byte to the end of the last token read.
    fn span_from(&self, start: u32) -> Span {
        Span { source: self.source, start, end: self.prev_end.max(start) }
    }

    // ---- errors

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.stopped {
            return;
        }
        let span = diagnostic.primary.span;
        self.diagnostics.push(diagnostic);
        if self.diagnostics.len() >= self.limits.errors {
            let message = format!("stopped after {} errors", self.limits.errors);
            self.diagnostics.push(Diagnostic::error(codes::TOO_MANY_ERRORS, span, message));
            self.stop();
        }
    }

    /// Ends the text here.
    fn stop(&mut self) {
        self.stopped = true;
        self.tok = self.eof();
        self.ahead = self.tok;
    }

    /// Reports an error of the grammar, unless it is an echo of the one before.
    fn error(&mut self, diagnostic: Diagnostic) {
        let at = diagnostic.primary.span.start;
        let from = self.statement.min(self.prev_end);
        let behind_bad = self.bad_characters.iter().any(|bad| (from..=at).contains(bad));
        if self.last_error != Some(at) && !behind_bad {
            self.last_error = Some(at);
            self.report(diagnostic);
        }
    }

    /// Reports an error at the current token.
    fn error_here(&mut self, code: Code, message: String, help: impl Into<String>) {
        let diagnostic = Diagnostic::error(code, self.span(self.tok), message);
        let help = help.into();
        self.error(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    /// Reports that something else is wanted at the current token.
    fn expected(&mut self, what: &str) -> Failed {
        let help = match self.op {
            Some(op) => format!("the form is: {}", crate::syntax(op)),
            None => String::new(),
        };
        self.expected_with(what, help)
    }

    fn expected_with(&mut self, what: &str, help: impl Into<String>) -> Failed {
        let help = help.into();
        let is_end = self.at(Kind::Eof);
        let (code, message) = match is_end {
            true => (codes::UNEXPECTED_END, format!("the text ends where {what} is expected")),
            false => (codes::UNEXPECTED_TOKEN, format!("expected {what}, found {}", self.found())),
        };
        let mut diagnostic = Diagnostic::error(code, self.span(self.tok), message);
        if let Some(open) = self.unclosed() {
            diagnostic = diagnostic.also(self.span(open), "not closed");
        } else if is_end && (self.statement as usize) < self.text.len() {
            let begin = Span { source: self.source, start: self.statement, end: self.statement };
            diagnostic = diagnostic.also(begin, "what is not finished begins here");
        }
        self.error(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
        Failed
    }

    /// The innermost open bracket, if nothing that can stand in it is next: the end, a definition, another bracket's end,
    /// an instruction among cases.
    fn unclosed(&self) -> Option<Token> {
        let open = *self.open.last()?;
        let ends = match self.tok.kind {
            Kind::Eof | Kind::Directive => true,
            Kind::Word => self.in_cases && self.tok.first_on_line && open.kind == Kind::LBrace,
            kind => kind.opener().is_some_and(|opener| opener != kind && opener != open.kind),
        };
        ends.then_some(open)
    }

    /// The current token for messages.
    fn found(&self) -> String {
        match self.tok.kind {
            Kind::Eof => "the end of the text".into(),
            _ => format!("`{}`", shorten(self.str(self.tok))),
        }
    }

    // ---- names

    /// A symbol for what cannot be named: it stands where a name should be.
    fn placeholder(&mut self, span: Span) -> Use {
        Use { sym: self.draft.symbols.intern("@"), span }
    }

    /// The symbol of a name token in a scope.
    fn use_name(&mut self, token: Token, scope: Scope) -> Use {
        let text = self.str(token);
        let span = self.span(token);
        let sym = match text.strip_prefix('%') {
            None => self.intern(text),
            Some(local) => {
                // Taken out and put back, because interning needs the parser; moving a String copies no text.
                let mut name = std::mem::take(&mut self.scopes[scope as usize]);
                let prefix = name.len();
                let fits = prefix + local.len() <= self.limits.name;
                let sym = if fits {
                    name.push_str(local);
                    let sym = self.intern(&name);
                    name.truncate(prefix);
                    sym
                } else {
                    None
                };
                self.scopes[scope as usize] = name;
                sym
            }
        };
        match sym {
            Some(sym) => Use { sym, span },
            None => {
                let all = self.names_len > self.limits.all_names;
                let message = match all {
                    true => "the names of this text, with local names expanded, are too long".to_owned(),
                    false => format!("the name `{}` is too long", shorten(text)),
                };
                self.error(Diagnostic::error(codes::NAME_TOO_LONG, span, message));
                if all {
                    self.stop();
                }
                self.placeholder(span)
            }
        }
    }

    /// The symbol of a global name; `None` when a limit is passed.
    fn intern(&mut self, name: &str) -> Option<Sym> {
        if name.len() > self.limits.name || self.names_len > self.limits.all_names {
            return None;
        }
        let before = self.draft.symbols.len();
        let sym = self.draft.symbols.intern(name);
        if self.draft.symbols.len() > before {
            self.names_len += name.len();
        }
        Some(sym)
    }

    /// Makes a name the prefix of the local names in it.
    fn enter(&mut self, scope: Scope, owner: Use) {
        let name = self.draft.symbols.name(owner.sym).unwrap_or("@");
        let prefix = &mut self.scopes[scope as usize];
        prefix.clear();
        prefix.push_str(name);
        prefix.push('.');
    }

    /// Takes a global name; `what` says of what. A local name is reported and taken as a placeholder.
    fn global_name(&mut self, what: &str) -> Parsed<Use> {
        match self.tok.kind {
            Kind::Global => {
                let token = self.bump();
                Ok(self.use_name(token, Scope::Func))
            }
            Kind::Local => {
                let local = self.str(self.tok);
                let message = format!("{what} has a global name, not `{}`", shorten(local));
                let help = format!("global names begin with @: `@{}`", shorten(&local[1..]));
                self.error_here(codes::LOCAL_NAME_HERE, message, help);
                let token = self.bump();
                Ok(self.placeholder(self.span(token)))
            }
            Kind::Word => {
                // Dots and hyphens end a word but not the name that was meant.
                let rest = &self.text[self.tok.start as usize..];
                let len = rest.bytes().position(|b| !is_name_byte(b)).unwrap_or(rest.len());
                let help = format!("global names begin with @: `@{}`", shorten(&rest[..len]));
                Err(self.expected_with(&format!("the name of {what}"), help))
            }
            _ => Err(self.expected(&format!("the name of {what}"))),
        }
    }

    /// Takes a name of either kind in a scope.
    fn scoped_name(&mut self, scope: Scope, what: &str) -> Parsed<Use> {
        if self.at_name() {
            let token = self.bump();
            Ok(self.use_name(token, scope))
        } else {
            Err(self.expected(what))
        }
    }
}

/// A character for messages.
fn show_char(c: char) -> String {
    if c.is_control() { format!("the character U+{:04X}", c as u32) } else { format!("`{c}`") }
}

/// A text for messages: at most 40 characters, of one line.
fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    match line.char_indices().nth(40) {
        None => line.to_owned(),
        Some((cut, _)) => format!("{}…", &line[..cut]),
    }
}
