//! The formatter behind `mu fmt`: the author's tokens, comments and line breaks with canonical indentation and spacing.
//!
//! It works on tokens, not on the draft, so nothing can get lost; the draft only says where definitions, blocks and
//! instructions begin. Text that does not parse is refused.
//!
//! What is canonical
//! * definitions and `}` of functions at the margin, block headers at 4 columns, instructions at 8, each block header
//!   and instruction on a line of its own;
//! * a line that continues a statement moves with the statement; if it is not indented deeper, it gets 4 columns more
//!   than the statement, or than the line that opened the innermost bracket around it; a closing bracket stands below the
//!   line that opened it;
//! * a comment on its own line is indented as what follows it; one behind the last instruction of a function, as that
//!   instruction; a script directive (`//!`) at the margin stays there;
//! * one empty line at most, none at the start and end of a function body;
//! * no spaces inside brackets, one between other tokens (`CALL <@sig> @f (%a)`, but `%block(%a)` and `EXC(…)`).
//!
//! What is the author's
//! * other line breaks: several definitions may share a line, lists may be broken anywhere;
//! * how much deeper the lines are that continue a statement: arguments may stand below arguments;
//! * columns: two or more spaces where one belongs, and in front of a comment behind code, stay. Tables of constants
//!   are made with them.
//!
//! ```text
//! .const  @one<@i64>=1                       .const  @one <@i64> = 1
//! .funcdef @f VERSION %v <@s> { %entry():    .funcdef @f VERSION %v <@s> {
//! // the end                           →         %entry():
//! RET( )}                                            // the end
//!                                                    RET ()
//!                                            }
//! ```
//!
//! Invariant: formatting what was formatted changes nothing, and the tokens are the same in the same order.

use crate::lex::{Kind, Lexer, Token};
use crate::{parse, soften};
use mu_ir::diag::{Diagnostic, Severity};
use mu_ir::draft::{DefKind, Draft};
use mu_ir::ids::SourceId;
use mu_ir::table::{Form, Op};

/// Columns per level.
const STEP: usize = 4;

/// Formats a text; with `lenient`, also what lenient mode loads. The spans of the diagnostics of a text that cannot be
/// read have source 0.
pub fn format(text: &str, lenient: bool) -> Result<String, Vec<Diagnostic>> {
    let (draft, mut diagnostics) = parse(text, SourceId(0));
    if lenient {
        soften(&mut diagnostics);
    }
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    let mut formatter = Formatter::new(text, statements(&draft));
    let mut lexer = Lexer::new(text);
    loop {
        let token = lexer.next_with_comments();
        if token.kind == Kind::Eof {
            break;
        }
        formatter.token(token);
    }
    Ok(formatter.finish())
}

/// What begins at a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begin {
    Typedef,
    FuncDef,
    /// Another definition.
    Def,
    Block,
    Inst(Op),
}

impl Begin {
    fn indent(self) -> usize {
        match self {
            Begin::Typedef | Begin::FuncDef | Begin::Def => 0,
            Begin::Block => STEP,
            Begin::Inst(_) => 2 * STEP,
        }
    }

    /// Whether it needs a line of its own. Definitions may share one.
    fn own_line(self) -> bool {
        matches!(self, Begin::Block | Begin::Inst(_))
    }
}

/// Where statements begin, in order.
fn statements(draft: &Draft) -> Vec<(u32, Begin)> {
    let mut list = Vec::new();
    for def in &draft.defs {
        let begin = match &def.kind {
            DefKind::Type { .. } => Begin::Typedef,
            DefKind::FuncDef(_) => Begin::FuncDef,
            DefKind::Sig { .. }
            | DefKind::Const { .. }
            | DefKind::Global { .. }
            | DefKind::FuncDecl { .. }
            | DefKind::Expose { .. } => Begin::Def,
        };
        list.push((def.span.start, begin));
        if let DefKind::FuncDef(func) = &def.kind {
            for block in &func.blocks {
                list.push((block.span.start, Begin::Block));
                list.extend(block.insts.iter().map(|inst| (inst.span.start, Begin::Inst(inst.op))));
            }
        }
    }
    list
}

struct Formatter<'a> {
    text: &'a str,
    out: String,
    /// Where statements begin, the next one first.
    statements: std::iter::Peekable<std::vec::IntoIter<(u32, Begin)>>,
    /// The statement being written.
    current: Begin,
    /// Between the braces of a function definition.
    in_body: bool,
    /// Indentations of the lines that opened the brackets around this place, innermost last.
    brackets: Vec<usize>,
    /// Indentation of the line being written.
    line_indent: usize,
    /// Indentation of the line in the source; `None` if there are not only spaces.
    source_indent: Option<usize>,
    /// Indentation of the line in the source on which the current statement begins.
    statement_indent: Option<usize>,
    /// Indentation of the line on which the current statement begins. Another statement may begin that line.
    statement_line: usize,
    previous: Option<Token>,
    /// The `}` of a function was the last token.
    body_closed: bool,
    /// The `{` of a function was the last token.
    body_opened: bool,
    /// Comments on their own lines whose indentation what follows decides: text and whether an empty line precedes.
    waiting: Vec<(&'a str, bool)>,
}

impl<'a> Formatter<'a> {
    fn new(text: &'a str, statements: Vec<(u32, Begin)>) -> Self {
        Formatter {
            text,
            out: String::with_capacity(text.len() + text.len() / 8),
            statements: statements.into_iter().peekable(),
            current: Begin::Def,
            in_body: false,
            brackets: Vec::new(),
            line_indent: 0,
            source_indent: None,
            statement_indent: None,
            statement_line: 0,
            previous: None,
            body_closed: false,
            body_opened: false,
            waiting: Vec::new(),
        }
    }

    fn finish(mut self) -> String {
        self.flush_comments(0);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    fn str(&self, token: Token) -> &'a str {
        &self.text[token.start as usize..token.end as usize]
    }

    fn token(&mut self, token: Token) {
        let gap = self.previous.map_or(0..0, |previous| previous.end as usize..token.start as usize);
        let gap = &self.text[gap];
        if token.first_on_line {
            let above = &self.text[..token.start as usize];
            let indent = &above[above.rfind('\n').map_or(0, |end| end + 1)..];
            self.source_indent = indent.bytes().all(|b| b == b' ').then_some(indent.len());
        }
        let lines = gap.bytes().filter(|&b| b == b'\n').count();
        if token.kind == Kind::Comment {
            self.comment(token, gap, lines);
        } else {
            self.code(token, gap, lines);
        }
        self.previous = Some(token);
    }

    fn comment(&mut self, token: Token, gap: &str, lines: usize) {
        let text = self.str(token).trim_end();
        if lines == 0 && self.previous.is_some() {
            let width = column_width(gap, 1);
            self.out.extend(std::iter::repeat_n(' ', width));
            self.out.push_str(text);
        } else {
            self.waiting.push((text, lines > 1));
        }
    }

    fn code(&mut self, token: Token, gap: &str, lines: usize) {
        let begin = self.statements.next_if(|(start, _)| *start == token.start).map(|(_, begin)| begin);
        let closes = matches!(token.kind, Kind::RParen | Kind::RAngle | Kind::RBracket | Kind::RBrace);
        let closes_body = closes && self.brackets.is_empty() && self.in_body;
        let opened_at = if closes { self.brackets.pop() } else { None };
        let indent = match begin {
            Some(begin) => begin.indent(),
            None if closes_body => 0,
            None => self.continued_indent(opened_at),
        };
        let break_line = lines > 0
            || !self.waiting.is_empty()
            || self.previous.is_some_and(|previous| previous.kind == Kind::Comment)
            || begin.is_some_and(Begin::own_line)
            || closes_body
            || (begin.is_some() && self.body_closed);
        if self.out.is_empty() && self.waiting.is_empty() {
            self.line_indent = indent;
        } else if break_line {
            // Comments at the end of a body belong to the instruction above, not to the brace.
            let comment_indent = if closes_body { self.current.indent().max(STEP) } else { indent };
            self.flush_comments(comment_indent);
            let empty_line = lines > 1 && !self.body_opened && !closes_body;
            self.new_line(indent, empty_line);
        } else if let Some(previous) = self.previous {
            let width = match self.space(previous, token, begin) {
                0 => 0,
                least => column_width(gap, least),
            };
            self.out.extend(std::iter::repeat_n(' ', width));
        }
        self.out.push_str(self.str(token));
        self.advance(token, begin, closes_body);
    }

    /// The indentation of a line that continues a statement; for a closing bracket, with that of the line that opened it.
    fn continued_indent(&self, opened_at: Option<usize>) -> usize {
        let deeper =
            self.source_indent.zip(self.statement_indent).and_then(|(line, first)| line.checked_sub(first));
        match (deeper, opened_at, self.brackets.last()) {
            (_, Some(line), _) => line,
            (Some(deeper), None, _) if deeper > 0 => self.statement_line + deeper,
            (_, None, Some(line)) => line + STEP,
            (_, None, None) => self.statement_line + STEP,
        }
    }

    /// Writes the comments that waited for their indentation.
    fn flush_comments(&mut self, indent: usize) {
        for (text, empty_line) in std::mem::take(&mut self.waiting) {
            let directive = text.starts_with("//!") && self.at_margin(text);
            let empty_line = empty_line && !self.body_opened;
            self.body_opened = false;
            self.new_line(if directive { 0 } else { indent }, empty_line);
            self.out.push_str(text);
        }
    }

    /// Whether a comment stands at the start of its line; it is a part of the text.
    fn at_margin(&self, comment: &str) -> bool {
        let start = comment.as_ptr() as usize - self.text.as_ptr() as usize;
        start == 0 || self.text.as_bytes().get(start - 1) == Some(&b'\n')
    }

    fn new_line(&mut self, indent: usize, empty_line: bool) {
        if !self.out.is_empty() {
            self.out.push_str(if empty_line { "\n\n" } else { "\n" });
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.line_indent = indent;
    }

    /// Follows the structure behind a token that was written.
    fn advance(&mut self, token: Token, begin: Option<Begin>, closes_body: bool) {
        if let Some(begin) = begin {
            self.current = begin;
            self.statement_indent = self.source_indent;
            self.statement_line = self.line_indent;
        }
        self.body_opened = false;
        self.body_closed = closes_body;
        match token.kind {
            Kind::LBrace if self.current == Begin::FuncDef => {
                self.in_body = true;
                self.body_opened = true;
            }
            Kind::LParen | Kind::LAngle | Kind::LBracket | Kind::LBrace => {
                self.brackets.push(self.line_indent)
            }
            Kind::RBrace if closes_body => {
                self.in_body = false;
                self.current = Begin::Def;
            }
            _ => {}
        }
    }

    /// How many spaces belong between two tokens of one line: 0 or 1.
    fn space(&self, left: Token, right: Token, begin: Option<Begin>) -> usize {
        if begin.is_some() {
            return 1;
        }
        let list_constant = self.current == Begin::Def;
        let none = match (left.kind, right.kind) {
            (Kind::LParen | Kind::LAngle | Kind::LBracket, _) => true,
            (_, Kind::RParen | Kind::RAngle | Kind::RBracket | Kind::Colon) => true,
            (Kind::LBrace, _) | (_, Kind::RBrace) => list_constant,
            // int<64>, but ADD <@i64>
            (Kind::Word, Kind::LAngle) => self.current == Begin::Typedef,
            // EXC(…), but RET (…)
            (Kind::Word, Kind::LParen) => self.str(left) != "RET",
            // %block(…), but CALL <@sig> @f (…)
            (Kind::Global | Kind::Local, Kind::LParen) => !(self.brackets.is_empty() && self.calls()),
            _ => false,
        };
        usize::from(!none)
    }

    /// Whether the arguments of the current instruction stand behind a name, the callee's.
    fn calls(&self) -> bool {
        match self.current {
            Begin::Inst(op) => {
                matches!(op.form(), Form::Call | Form::TailCall | Form::CCall | Form::CommInst)
            }
            Begin::Typedef | Begin::FuncDef | Begin::Def | Begin::Block => false,
        }
    }
}

/// The width of a gap on a line: what the author made wider than one space stays, tabs apart.
fn column_width(gap: &str, least: usize) -> usize {
    if gap.len() > 1 && gap.bytes().all(|b| b == b' ') { gap.len() } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens; spaces at the end of a comment do not count.
    fn tokens(text: &str) -> Vec<(Kind, &str)> {
        crate::test::kinds(text).into_iter().map(|(kind, text)| (kind, text.trim_end())).collect()
    }

    fn formatted(text: &str) -> String {
        let once = format(text, false).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(format(&once, false).as_deref(), Ok(once.as_str()), "formatting twice differs");
        assert_eq!(tokens(&once), tokens(text), "tokens differ");
        once
    }

    #[test]
    fn everything_at_once() {
        let text = r#"

//! option: lenient
.typedef @i64=int < 64 >   // a word
.typedef   @s = struct<@i64
@i64>


.funcsig @f.s=(@i64)->( )
.const @a    <@i64> = 1  .const @bb   <@i64> = 22
.const @list <@s> = { @a
  @bb
  }
.const @x <@f> = EXTERN   "x"
  // in front of f
.funcdef @f VERSION %v1<@f.s>{

  // in front of the entry block
%entry( <@i64>%n ):   // trailing
(%r   %z)=ADD[#Z]<@i64>%n @a  %r2 = CALL<@f.s>@f(%n)EXC(
%next ( %n )
      // a destination
%caught()
) KEEPALIVE (%n)

%next(<@i64> %n):
[%name] SWITCH <@i64> %n %next ( %n ) { @a %next(%n)
@bb %caught( ) }
%caught()[%e]:
%q = COMMINST @uvm.new_stack<[@f.s]>(@f)
		RET	( )
	// last words

}.expose @e=@f<DEFAULT>@a
// the end

"#;
        insta::assert_snapshot!(formatted(text));
    }

    #[test]
    fn odd_texts() {
        assert_eq!(formatted(""), "");
        assert_eq!(formatted("\n\n"), "");
        assert_eq!(formatted("//x \r\n"), "//x\n");
        assert_eq!(formatted("\u{feff}  //! a\n //! b\n//! c"), "//! a\n//! b\n//! c\n");
        assert_eq!(formatted(".funcdef @f VERSION %v <@s> {}"), ".funcdef @f VERSION %v <@s> {\n}\n");
        assert!(format(".funcdef @f", true).is_err());
        let wide = ".const @c <@f32> = 1e99f\n";
        assert!(format(wide, false).is_err());
        assert_eq!(format(wide, true).as_deref(), Ok(wide));
    }
}
