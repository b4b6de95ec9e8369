//! Top-level definitions (uvm-ir, Top-level Structure) and the type and constant constructors.

use super::literal::{self, Format, IntError};
use super::suggest::did_you_mean;
use super::{Failed, Parsed, Parser, Scope, shorten};
use crate::lex::{Kind, Token};
use mu_ir::codes::parse as codes;
use mu_ir::diag::{Diagnostic, Span};
use mu_ir::draft::{ConstCtor, Def, DefKind, FuncDef};
use mu_ir::inst::Use;
use mu_ir::table::{CallConv, TYPE_CTORS};
use mu_ir::types::{Signature, TypeCtor};

/// The keywords of definitions.
const DEFINITIONS: [&str; 7] =
    [".typedef", ".funcsig", ".const", ".global", ".funcdecl", ".funcdef", ".expose"];

/// The words that are floating point or null literals.
fn is_literal_word(word: &str) -> bool {
    matches!(word, "NULL" | "EXTERN" | "nan" | "nanf" | "nand" | "inf" | "inff" | "infd" | "bitsf" | "bitsd")
}

/// The keyword of a type constructor, whatever name it is written with.
fn type_keyword(word: &str) -> Option<&'static str> {
    let row = TYPE_CTORS.iter().find(|row| row.keyword == word || row.also.contains(&word))?;
    Some(row.keyword)
}

impl Parser<'_> {
    /// The whole text.
    pub(super) fn bundle(&mut self) {
        while !self.at(Kind::Eof) {
            self.begin_statement(0);
            self.op = None;
            let done = if self.at(Kind::Directive) { self.definition() } else { Err(self.no_definition()) };
            if done.is_err() {
                while !matches!(self.tok.kind, Kind::Directive | Kind::Eof) {
                    self.bump();
                }
            }
        }
    }

    /// Whether the current token begins a definition.
    pub(super) fn at_definition(&self) -> bool {
        self.at(Kind::Directive) && DEFINITIONS.contains(&self.str(self.tok))
    }

    fn definition(&mut self) -> Parsed<()> {
        let start = self.tok.start;
        let keyword = self.str(self.tok);
        if !self.at_definition() {
            let message = format!("`{}` is no kind of definition", shorten(keyword));
            self.error_here(codes::UNKNOWN_DEFINITION, message, did_you_mean(keyword, DEFINITIONS));
            self.bump();
            return Err(Failed);
        }
        self.bump();
        let kind = match keyword {
            ".typedef" => self.typedef()?,
            ".funcsig" => self.funcsig()?,
            ".const" => self.constant()?,
            ".global" => {
                let name = self.global_name("a global cell")?;
                DefKind::Global { name, ty: self.angle_type()? }
            }
            ".funcdecl" => {
                let name = self.global_name("a function")?;
                DefKind::FuncDecl { name, sig: self.angle_sig()? }
            }
            ".funcdef" => self.funcdef(),
            _ => self.expose()?,
        };
        let span = self.span_from(start);
        self.draft.defs.push(Def { kind, span });
        Ok(())
    }

    fn typedef(&mut self) -> Parsed<DefKind> {
        let name = self.global_name("a type")?;
        self.expect(Kind::Equals)?;
        Ok(DefKind::Type { name, ctor: self.type_ctor()? })
    }

    fn funcsig(&mut self) -> Parsed<DefKind> {
        let name = self.global_name("a signature")?;
        self.expect(Kind::Equals)?;
        self.expect(Kind::LParen)?;
        let params = self.types_until(Kind::RParen)?;
        self.expect(Kind::Arrow)?;
        self.expect(Kind::LParen)?;
        let rets = self.types_until(Kind::RParen)?;
        Ok(DefKind::Sig { name, sig: Signature { params: params.into(), rets: rets.into() } })
    }

    fn constant(&mut self) -> Parsed<DefKind> {
        let name = self.global_name("a constant")?;
        let ty = self.angle_type()?;
        self.expect(Kind::Equals)?;
        let start = self.tok.start;
        let ctor = self.const_ctor()?;
        Ok(DefKind::Const { name, ty, ctor, ctor_span: self.span_from(start) })
    }

    /// Something else stands where a definition begins.
    fn no_definition(&mut self) -> Failed {
        let wanted = "a definition (`.typedef` …)";
        let help = match self.tok.kind {
            Kind::Word => did_you_mean(&format!(".{}", self.str(self.tok)), DEFINITIONS),
            Kind::RBrace => {
                let message = format!("expected {wanted}, found `}}`, and no function body is open here");
                let mut diagnostic = Diagnostic::error(codes::UNEXPECTED_TOKEN, self.span(self.tok), message);
                if let Some(end) = self.body_end {
                    diagnostic = diagnostic.also(self.span(end), "the last function body ended here");
                }
                self.error(diagnostic);
                return Failed;
            }
            _ => String::new(),
        };
        self.expected_with(wanted, help)
    }

    /// A function definition never fails as a whole: if its header is damaged, its body is read all the same.
    fn funcdef(&mut self) -> DefKind {
        let nothing = self.placeholder(self.span(self.tok));
        let mut def = FuncDef { name: nothing, version: nothing, sig: nothing, blocks: Vec::new() };
        let header = self.funcdef_header(&mut def);
        if header.is_err() {
            while !matches!(self.tok.kind, Kind::LBrace | Kind::RBrace | Kind::Directive | Kind::Eof) {
                self.bump();
            }
        }
        self.enter(Scope::Ver, def.version);
        if header.is_ok() || self.at(Kind::LBrace) {
            if !self.eat(Kind::LBrace) {
                self.expected("`{` and the function's body");
                return DefKind::FuncDef(def);
            }
            def.blocks = self.body();
        }
        DefKind::FuncDef(def)
    }

    fn funcdef_header(&mut self, def: &mut FuncDef) -> Parsed<()> {
        self.enter(Scope::Func, def.name);
        def.name = self.global_name("a function")?;
        self.enter(Scope::Func, def.name);
        if self.eat_word("VERSION") {
            def.version = self.scoped_name(Scope::Func, "the name of a version")?;
        } else if self.at(Kind::LAngle) || self.at_name() || self.at(Kind::LBrace) {
            let at = Span { source: self.source, start: self.prev_end, end: self.prev_end };
            let diagnostic = Diagnostic::error(codes::MISSING_VERSION, at, "the version has no name")
                .label("VERSION and a name are missing here")
                .help("write `VERSION %v1` between the names of function and signature");
            self.error(diagnostic);
            if self.at_name() {
                def.version = self.scoped_name(Scope::Func, "the name of a version")?;
            }
        } else {
            let help = if self.at(Kind::Word) {
                did_you_mean(self.str(self.tok), ["VERSION"])
            } else {
                String::new()
            };
            return Err(self.expected_with("`VERSION`", help));
        }
        def.sig = self.angle_sig()?;
        Ok(())
    }

    fn expose(&mut self) -> Parsed<DefKind> {
        let name = self.global_name("an exposed function")?;
        self.expect(Kind::Equals)?;
        let func = self.global_name("a function")?;
        let angled = self.eat(Kind::LAngle);
        let callconv = self.call_conv(angled)?;
        if angled {
            self.expect(Kind::RAngle)?;
        }
        if matches!(self.tok.kind, Kind::Number) {
            return Err(self.literal_operand());
        }
        let cookie = self.global_name("a cookie (a constant)")?;
        Ok(DefKind::Expose { name, func, callconv, cookie })
    }

    /// `#DEFAULT`; in angle brackets also without `#`.
    pub(super) fn call_conv(&mut self, word_too: bool) -> Parsed<CallConv> {
        if !(self.at(Kind::Flag) || word_too && self.at(Kind::Word)) {
            return Err(self.expected("a calling convention (`#DEFAULT`)"));
        }
        let token = self.bump();
        let flag = self.str(token).trim_start_matches('#');
        Ok(CallConv::from_keyword(flag).unwrap_or_else(|| {
            let message = format!("there is no calling convention `#{}`", shorten(flag));
            let diagnostic = Diagnostic::error(codes::UNKNOWN_FLAG, self.span(token), message);
            self.error(diagnostic.help("the only calling convention is `#DEFAULT`"));
            CallConv::Default
        }))
    }

    // ---- uses of types and signatures

    fn angle_type(&mut self) -> Parsed<Use> {
        self.expect(Kind::LAngle)?;
        let ty = self.type_use()?;
        self.expect(Kind::RAngle)?;
        Ok(ty)
    }

    fn angle_sig(&mut self) -> Parsed<Use> {
        self.expect(Kind::LAngle)?;
        let sig = self.sig_use()?;
        self.expect(Kind::RAngle)?;
        Ok(sig)
    }

    /// The name of a type. A constructor in its place is reported and skipped.
    pub(super) fn type_use(&mut self) -> Parsed<Use> {
        if !self.at(Kind::Word) {
            return self.global_name("a type");
        }
        let start = self.tok;
        let word = self.str(start);
        if type_keyword(word).is_none() {
            return self.global_name("a type");
        }
        self.bump();
        if self.at(Kind::LAngle) {
            self.skip_balanced(Kind::LAngle, Kind::RAngle);
        }
        let span = self.span_from(start.start);
        let written = self.text.get(span.start as usize..span.end as usize).unwrap_or(word);
        let diagnostic = Diagnostic::error(codes::INLINE_TYPE, span, "types cannot be written inline");
        let help = format!("define it: `.typedef @{word} = {}`, and use its name", shorten(written));
        self.error(diagnostic.help(help));
        Ok(self.placeholder(span))
    }

    /// The name of a signature. A signature in its place is reported and skipped.
    pub(super) fn sig_use(&mut self) -> Parsed<Use> {
        if !self.at(Kind::LParen) {
            return self.global_name("a signature");
        }
        let start = self.tok.start;
        self.skip_balanced(Kind::LParen, Kind::RParen);
        if self.eat(Kind::Arrow) && self.at(Kind::LParen) {
            self.skip_balanced(Kind::LParen, Kind::RParen);
        }
        let span = self.span_from(start);
        let diagnostic =
            Diagnostic::error(codes::INLINE_SIGNATURE, span, "signatures cannot be written inline");
        self.error(diagnostic.help("define it with `.funcsig @sig = (…) -> (…)`, and use its name"));
        Ok(self.placeholder(span))
    }

    /// Names of types up to a closing bracket, which is taken too.
    pub(super) fn types_until(&mut self, close: Kind) -> Parsed<Vec<Use>> {
        let mut types = Vec::new();
        while !self.eat(close) {
            if !matches!(self.tok.kind, Kind::Global | Kind::Local | Kind::Word) {
                return Err(self.expected(&format!("the name of a type or {}", close.describe())));
            }
            types.push(self.type_use()?);
        }
        Ok(types)
    }

    /// Skips from an opening bracket to its partner, or to where the statement surely ends.
    pub(super) fn skip_balanced(&mut self, open: Kind, close: Kind) {
        let mut depth = 0usize;
        loop {
            let kind = self.tok.kind;
            if matches!(kind, Kind::Eof | Kind::Directive | Kind::LBrace | Kind::RBrace | Kind::Equals) {
                return;
            }
            self.bump();
            if kind == open {
                depth += 1;
            } else if kind == close {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
        }
    }

    // ---- constructors

    fn type_ctor(&mut self) -> Parsed<TypeCtor<Use, Use>> {
        if self.at(Kind::Global) {
            let message = format!("{} is not a type constructor", self.found());
            let help = "a typedef cannot give another name to a type: use the type's own name everywhere";
            self.error_here(codes::UNKNOWN_TYPE_CONSTRUCTOR, message, help);
            return Err(Failed);
        }
        if !self.at(Kind::Word) {
            return Err(self.expected_with("a type constructor", "for example `int<64>` or `ref<@T>`"));
        }
        let word = self.str(self.tok);
        let Some(keyword) = type_keyword(word) else {
            let message = format!("there is no type constructor `{}`", shorten(word));
            let help = did_you_mean(word, TYPE_CTORS.iter().map(|row| row.keyword));
            self.error_here(codes::UNKNOWN_TYPE_CONSTRUCTOR, message, help);
            return Err(Failed);
        };
        self.bump();
        let params = TYPE_CTORS.iter().any(|row| row.keyword == keyword && !row.params.is_empty());
        if params && !self.eat(Kind::LAngle) {
            return Err(self.expected(&format!("the parameters `<…>` of {keyword}")));
        }
        let ctor = match keyword {
            "int" => TypeCtor::Int(self.small_number("the width of an int")?),
            "float" => TypeCtor::Float,
            "double" => TypeCtor::Double,
            "uptr" => TypeCtor::UPtr(self.type_use()?),
            "ufuncptr" => TypeCtor::UFuncPtr(self.sig_use()?),
            "struct" => return Ok(TypeCtor::Struct(self.types_until(Kind::RAngle)?.into())),
            "hybrid" => return self.hybrid(),
            "array" => TypeCtor::Array(self.type_use()?, self.number("the length of an array")?),
            "vector" => TypeCtor::Vector(self.type_use()?, self.number("the length of a vector")?),
            "void" => TypeCtor::Void,
            "ref" => TypeCtor::Ref(self.type_use()?),
            "iref" => TypeCtor::IRef(self.type_use()?),
            "weakref" => TypeCtor::WeakRef(self.type_use()?),
            "tagref64" => TypeCtor::TagRef64,
            "funcref" => TypeCtor::FuncRef(self.sig_use()?),
            "threadref" => TypeCtor::ThreadRef,
            "stackref" => TypeCtor::StackRef,
            "framecursorref" => TypeCtor::FrameCursorRef,
            // The keyword comes from the table; a test makes sure that each of its rows has an arm here.
            _ => TypeCtor::IrBuilderRef,
        };
        if params {
            self.expect(Kind::RAngle)?;
        }
        Ok(ctor)
    }

    fn hybrid(&mut self) -> Parsed<TypeCtor<Use, Use>> {
        let mut fixed = self.types_until(Kind::RAngle)?;
        match fixed.pop() {
            Some(var) => Ok(TypeCtor::Hybrid { fixed: fixed.into(), var }),
            None => {
                let span = self.span_from(self.prev_end.saturating_sub(1));
                let message = "a hybrid needs the type of its variable part";
                self.error(Diagnostic::error(codes::EMPTY_HYBRID, span, message));
                Err(Failed)
            }
        }
    }

    pub(super) fn const_ctor(&mut self) -> Parsed<ConstCtor<Use>> {
        match self.tok.kind {
            Kind::Number => self.number_ctor(),
            Kind::Word => self.word_ctor(),
            Kind::LBrace => {
                self.bump();
                let mut members = Vec::new();
                while !self.eat(Kind::RBrace) {
                    if self.at_literal() {
                        return Err(self.literal_operand());
                    }
                    if !self.at_name() {
                        return Err(self.expected("the name of a constant or `}`"));
                    }
                    members.push(self.global_name("a member of a constant")?);
                }
                Ok(ConstCtor::List(members.into()))
            }
            _ => Err(self
                .expected_with("a constant constructor", "a number, `NULL`, `{ … }` or `EXTERN \"symbol\"`")),
        }
    }

    fn number_ctor(&mut self) -> Parsed<ConstCtor<Use>> {
        let token = self.tok;
        let text = self.str(token);
        let suffix_behind =
            self.ahead.kind == Kind::Word && Format::of_suffix(self.str(self.ahead)).is_some();
        if literal::looks_like_integer(text) && !suffix_behind {
            let (negative, magnitude) = self.integer()?;
            return Ok(ConstCtor::Int { negative, magnitude });
        }
        self.bump();
        if let Some(infinity) = text.strip_prefix(['+', '-']).and_then(|rest| rest.strip_prefix("inf")) {
            let format = self.float_format(token, infinity)?;
            return Ok(float_ctor(format, format.infinity(text.starts_with('-'))));
        }
        let (number, suffix) = match text.strip_suffix(['f', 'd']) {
            Some(number) => (number, &text[number.len()..]),
            None => (text, ""),
        };
        // Look at the digits first: `1.2.3` is malformed rather than without suffix.
        let Some(_) = Format::Double.decimal(number) else {
            return Err(self.bad_float(token));
        };
        let format = self.float_format(token, suffix)?;
        match format.decimal(number) {
            Some(bits) => {
                if bits == format.infinity(false) || bits == format.infinity(true) {
                    self.float_out_of_range(token, format);
                }
                Ok(float_ctor(format, bits))
            }
            None => Err(self.bad_float(token)),
        }
    }

    /// The constant is infinity all the same, so that the lenient mode can go on with a warning.
    fn float_out_of_range(&mut self, token: Token, format: Format) {
        let (name, suffix) = if format == Format::Float { ("float", 'f') } else { ("double", 'd') };
        let message = format!("`{}` is greater than every {name}", shorten(self.str(token)));
        self.error(
            Diagnostic::error(codes::FLOAT_RANGE, self.span(token), message)
                .help(format!("for infinity write `+inf{suffix}` or `-inf{suffix}`")),
        );
    }

    fn word_ctor(&mut self) -> Parsed<ConstCtor<Use>> {
        let token = self.tok;
        let word = self.str(token);
        if !is_literal_word(word) {
            let message = format!("a constant cannot be `{}`", shorten(word));
            let mut help =
                did_you_mean(word, ["NULL", "EXTERN", "nanf", "nand", "+inff", "+infd", "bitsf", "bitsd"]);
            if help.is_empty() {
                help = "a constant is a number, `NULL`, `{ … }` or `EXTERN \"symbol\"`".into();
            }
            self.error_here(codes::UNKNOWN_KEYWORD, message, help);
            return Err(Failed);
        }
        self.bump();
        match word {
            "NULL" => Ok(ConstCtor::Null),
            "EXTERN" => {
                if !self.at(Kind::Str) {
                    return Err(
                        self.expected_with("the name of a symbol", "it is written in quotation marks")
                    );
                }
                let token = self.bump();
                if self.open_strings.contains(&token.start) {
                    return Ok(ConstCtor::Extern(self.str(token).into()));
                }
                match literal::string(self.str(token)) {
                    Ok(symbol) => Ok(ConstCtor::Extern(symbol)),
                    Err(at) => {
                        let start = token.start + at as u32;
                        let span = Span { source: self.source, start, end: start + 1 };
                        let diagnostic =
                            Diagnostic::error(codes::BAD_ESCAPE, span, "there is no such escape");
                        self.error(diagnostic.help("the escapes are `\\\"`, `\\\\` and `\\xHH`"));
                        Err(Failed)
                    }
                }
            }
            "bitsf" => self.bits_ctor(Format::Float),
            "bitsd" => self.bits_ctor(Format::Double),
            // nan and inf, with the suffix at the word or behind it.
            _ => {
                let (infinite, suffix) = match word.strip_prefix("inf") {
                    Some(suffix) => (true, suffix),
                    None => (false, word.strip_prefix("nan").unwrap_or("")),
                };
                let format = self.float_format(token, suffix)?;
                Ok(float_ctor(format, if infinite { format.infinity(false) } else { format.nan() }))
            }
        }
    }

    /// `(integer)` behind `bitsf` and `bitsd`.
    fn bits_ctor(&mut self, format: Format) -> Parsed<ConstCtor<Use>> {
        self.expect(Kind::LParen)?;
        let token = self.tok;
        let (negative, magnitude) = self.integer()?;
        let limit = if negative { 1u128 << (format.bits() - 1) } else { (1u128 << format.bits()) - 1 };
        if magnitude > limit {
            let message = format!("the integer has more than {} bits", format.bits());
            self.error(Diagnostic::error(codes::BAD_FLOAT, self.span(token), message));
        }
        self.expect(Kind::RParen)?;
        let bits = if negative { magnitude.wrapping_neg() } else { magnitude };
        Ok(float_ctor(format, bits as u64))
    }

    /// The format of a literal whose suffix is part of it, or else the next word.
    fn float_format(&mut self, literal: Token, suffix: &str) -> Parsed<Format> {
        if let Some(format) = Format::of_suffix(suffix) {
            return Ok(format);
        }
        if !suffix.is_empty() {
            return Err(self.bad_float(literal));
        }
        let format = if self.at(Kind::Word) { Format::of_suffix(self.str(self.tok)) } else { None };
        match format {
            Some(format) => {
                self.bump();
                Ok(format)
            }
            None => {
                let number = shorten(self.str(literal));
                let message = format!("`{number}` has no suffix");
                let help = format!("write `{number}f` for a float, `{number}d` for a double");
                self.error(Diagnostic::error(codes::MISSING_SUFFIX, self.span(literal), message).help(help));
                Err(Failed)
            }
        }
    }

    fn bad_float(&mut self, token: Token) -> Failed {
        let message = format!("`{}` is not a number", shorten(self.str(token)));
        self.error(
            Diagnostic::error(codes::BAD_FLOAT, self.span(token), message)
                .help("for example `-1.5e3d` or `1.0f`"),
        );
        Failed
    }

    // ---- integers

    /// Sign and magnitude of an integer literal. One that is malformed is reported and is 0.
    fn integer(&mut self) -> Parsed<(bool, u128)> {
        let token = self.tok;
        if !self.at(Kind::Number) {
            return Err(self.expected("an integer"));
        }
        self.bump();
        let text = self.str(token);
        let value = literal::integer(text);
        let span = self.span(token);
        let shown = shorten(text);
        let diagnostic = match value {
            Ok(value) => return Ok(value),
            Err(IntError::Malformed) => {
                Diagnostic::error(codes::BAD_INTEGER, span, format!("`{shown}` is not an integer"))
            }
            Err(IntError::OctalDigit) => {
                Diagnostic::error(codes::BAD_INTEGER, span, format!("`{shown}` is not an octal number"))
                    .help("0 begins an octal literal; for a decimal one leave it out")
            }
            Err(IntError::TooLarge) => {
                Diagnostic::error(codes::INTEGER_RANGE, span, format!("`{shown}` has more than 128 bits"))
            }
        };
        self.error(diagnostic);
        Ok((false, 0))
    }

    /// An integer of at most `bits` bits, without a minus sign.
    fn unsigned(&mut self, what: &str, bits: u32) -> Parsed<u64> {
        if !self.at(Kind::Number) {
            return Err(self.expected(what));
        }
        let token = self.tok;
        let (negative, magnitude) = self.integer()?;
        match u64::try_from(magnitude) {
            Ok(value) if value <= u64::MAX >> (64 - bits) && !(negative && value > 0) => Ok(value),
            _ => {
                let shown = shorten(self.str(token));
                let message = format!("{what} cannot be {shown}");
                let diagnostic = Diagnostic::error(codes::INTEGER_RANGE, self.span(token), message);
                self.error(diagnostic.help(format!("it is at least 0 and has at most {bits} bits")));
                Ok(0)
            }
        }
    }

    /// A length, width or index of 64 bits.
    pub(super) fn number(&mut self, what: &str) -> Parsed<u64> {
        self.unsigned(what, 64)
    }

    /// A number of 32 bits.
    pub(super) fn small_number(&mut self, what: &str) -> Parsed<u32> {
        Ok(self.unsigned(what, 32)? as u32)
    }

    // ---- literals where they cannot be

    /// Whether the current token is a literal.
    pub(super) fn at_literal(&self) -> bool {
        match self.tok.kind {
            Kind::Number | Kind::Str => true,
            Kind::Word => is_literal_word(self.str(self.tok)),
            _ => false,
        }
    }

    /// Reports the literal at the current token and takes it.
    pub(super) fn literal_operand(&mut self) -> Failed {
        let literal = shorten(self.str(self.tok));
        let message = format!("the literal `{literal}` stands where a variable is expected");
        let help = format!("define a constant, `.const @c <@T> = {literal}`, and use its name");
        self.error_here(codes::LITERAL_OPERAND, message, help);
        let word = self.bump();
        if self.str(word).starts_with("bits") && self.at(Kind::LParen) {
            self.skip_balanced(Kind::LParen, Kind::RParen);
        } else if self.at(Kind::Word) && Format::of_suffix(self.str(self.tok)).is_some() {
            self.bump();
        }
        Failed
    }
}

fn float_ctor(format: Format, bits: u64) -> ConstCtor<Use> {
    match format {
        Format::Float => ConstCtor::Float(bits as u32),
        Format::Double => ConstCtor::Double(bits),
    }
}
