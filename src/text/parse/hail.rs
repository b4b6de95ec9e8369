//! The grammar of HAIL scripts; [`crate::hail`] says what comes of them.
//!
//! A script is a list of definitions, each of which begins with its own keyword; where one cannot be read, reading goes
//! on at the next keyword.

use super::{Failed, Limits, Parsed, Parser, shorten};
use crate::hail::{Alloc, Init, IntExpr, LValue, RKind, RValue, Script};
use crate::lex::{Kind, Lexer, Token};
use mu_ir::codes::{hail as hail_codes, parse as codes};
use mu_ir::diag::{Diagnostic, Span};
use mu_ir::draft::ConstCtor;
use mu_ir::ids::SourceId;
use mu_ir::inst::Use;

/// See [`crate::hail::parse`].
pub(crate) fn parse_hail(text: &str, source: SourceId) -> (Script, Vec<Diagnostic>) {
    let limits = Limits::of(text);
    let mut script = Script::default();
    if text.len() >= limits.text {
        let span = Span::new(source, 0, 0);
        return (script, vec![Diagnostic::error(codes::TEXT_TOO_LONG, span, "the text is too long")]);
    }
    let mut parser = Parser::new(text, Lexer::hail(text), source, limits);
    while !parser.at(Kind::Eof) {
        parser.begin_statement(0);
        if parser.hail_definition(&mut script).is_err() {
            parser.skip_to_definition();
        }
    }
    let (draft, diagnostics) = parser.finish();
    script.symbols = draft.symbols;
    (script, diagnostics)
}

impl Parser<'_> {
    fn skip_to_definition(&mut self) {
        if self.tok.start == self.statement {
            self.bump();
        }
        while !matches!(self.tok.kind, Kind::Eof | Kind::Directive) {
            self.bump();
        }
    }

    fn hail_definition(&mut self, script: &mut Script) -> Parsed<()> {
        if !self.at(Kind::Directive) {
            return Err(self.expected("`.new`, `.newhybrid` or `.init`"));
        }
        let start = self.tok.start;
        match self.str(self.tok) {
            ".new" => {
                self.bump();
                let (name, ty) = self.hail_alloc()?;
                script.allocs.push(Alloc { name, ty, length: None, span: self.span_from(start) });
            }
            ".newhybrid" => {
                self.bump();
                let (name, ty) = self.hail_alloc()?;
                let length = Some(self.hail_int("the length of the variable part")?);
                script.allocs.push(Alloc { name, ty, length, span: self.span_from(start) });
            }
            ".init" => {
                self.bump();
                let to = self.hail_lvalue()?;
                self.expect(Kind::Equals)?;
                let value = script.values.len();
                if let Err(failed) = self.hail_value(&mut script.values) {
                    script.values.truncate(value);
                    return Err(failed);
                }
                script.inits.push(Init { to, value, span: self.span_from(start) });
            }
            other => {
                let message = format!("HAIL has no definition `{}`", shorten(other));
                let help = "a HAIL script consists of `.new`, `.newhybrid` and `.init`";
                self.error_here(hail_codes::HAIL_UNKNOWN_DEFINITION, message, help);
                return Err(Failed);
            }
        }
        if matches!(self.tok.kind, Kind::Eof | Kind::Directive) {
            return Ok(());
        }
        Err(self.expected("the end of the definition"))
    }

    /// `$name <@type>`
    fn hail_alloc(&mut self) -> Parsed<(Use, Use)> {
        if !self.at(Kind::Hail) {
            return Err(self.expected_with("the name of the object", "names of objects begin with `$`"));
        }
        let token = self.bump();
        let name = self.hail_use(token);
        self.expect(Kind::LAngle)?;
        let ty = self.hail_global("the name of a type")?;
        self.expect(Kind::RAngle)?;
        Ok((name, ty))
    }

    fn hail_use(&mut self, token: Token) -> Use {
        let span = self.span(token);
        match self.intern(self.str(token)) {
            Some(sym) => Use { sym, span },
            None => {
                let message = format!("the name `{}` is too long", shorten(self.str(token)));
                self.error(Diagnostic::error(codes::NAME_TOO_LONG, span, message));
                self.placeholder(span)
            }
        }
    }

    fn hail_global(&mut self, what: &str) -> Parsed<Use> {
        if !self.at(Kind::Global) {
            return Err(self.expected(what));
        }
        let token = self.bump();
        Ok(self.hail_use(token))
    }

    fn hail_int(&mut self, what: &str) -> Parsed<IntExpr> {
        if self.at(Kind::Global) {
            return self.hail_global(what).map(IntExpr::Const);
        }
        let span = self.span(self.tok);
        Ok(IntExpr::Literal(self.number(what)?, span))
    }

    fn hail_lvalue(&mut self) -> Parsed<LValue> {
        let start = self.tok.start;
        if !matches!(self.tok.kind, Kind::Global | Kind::Hail) {
            return Err(self.expected("the name of a global cell or of an object"));
        }
        let is_hail = self.at(Kind::Hail);
        let token = self.bump();
        let name = self.hail_use(token);
        let mut indexes = Vec::new();
        while self.eat(Kind::LBracket) {
            indexes.push(self.hail_int("an index")?);
            self.expect(Kind::RBracket)?;
        }
        Ok(LValue { name, is_hail, indexes: indexes.into(), span: self.span_from(start) })
    }

    /// A value with all its members. Lists that are open are kept here, so that nesting costs no host stack.
    fn hail_value(&mut self, values: &mut Vec<RValue>) -> Parsed<()> {
        let mut open: Vec<usize> = Vec::new();
        loop {
            let token = self.tok;
            let start = token.start;
            match token.kind {
                Kind::LBrace => {
                    self.bump();
                    open.push(values.len());
                    values.push(RValue { kind: RKind::List { end: 0 }, span: self.span(token) });
                }
                Kind::RBrace if !open.is_empty() => {
                    self.bump();
                    let end = values.len();
                    if let Some(list) = open.pop().and_then(|list| values.get_mut(list)) {
                        list.kind = RKind::List { end };
                        list.span.end = self.prev_end;
                    }
                }
                _ => {
                    let kind = self.hail_leaf(!open.is_empty())?;
                    values.push(RValue { kind, span: self.span_from(start) });
                }
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    /// A value that is no list.
    fn hail_leaf(&mut self, in_list: bool) -> Parsed<RKind> {
        match self.tok.kind {
            Kind::Global => {
                let token = self.bump();
                Ok(RKind::Global(self.hail_use(token).sym))
            }
            Kind::Hail => {
                let token = self.bump();
                Ok(RKind::Hail(self.hail_use(token).sym))
            }
            Kind::Ampersand => {
                self.bump();
                Ok(RKind::AddressOf(Box::new(self.hail_lvalue()?)))
            }
            Kind::Star => {
                self.bump();
                Ok(RKind::Load(Box::new(self.hail_lvalue()?)))
            }
            Kind::Number | Kind::Word if self.at_literal() && !self.at_word("EXTERN") => {
                match self.const_ctor()? {
                    ConstCtor::Int { negative, magnitude } => Ok(RKind::Int { negative, magnitude }),
                    ConstCtor::Float(bits) => Ok(RKind::Float(bits)),
                    ConstCtor::Double(bits) => Ok(RKind::Double(bits)),
                    ConstCtor::Null => Ok(RKind::Null),
                    // Neither begins with what was looked at.
                    ConstCtor::List(_) | ConstCtor::Extern(_) => Err(Failed),
                }
            }
            _ => Err(self.expected(if in_list { "a value or `}`" } else { "a value" })),
        }
    }
}
