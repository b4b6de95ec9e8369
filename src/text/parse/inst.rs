//! Function bodies: blocks and instructions (uvm-ir, Function Body; instruction-set).
//!
//! What stands behind a mnemonic is not written here: the instruction table gives each form as a list of [`Part`]s, and
//! [`Parser::part`] reads one part after the other into the uniform [`Inst`]. Its header says where each part goes.
//!
//! Line ends mean nothing in the grammar. They are used in two places only: to find the next instruction behind an
//! error, and to say better what is wrong.

use super::suggest::did_you_mean;
use super::{Failed, Parsed, Parser, Scope, shorten};
use crate::lex::Kind;
use mu_ir::codes::{name as name_codes, parse as codes};
use mu_ir::diag::{Diagnostic, Span};
use mu_ir::draft::DraftBlock;
use mu_ir::inst::{Dest, ExcClause, Inst, Unlinked, Use};
use mu_ir::table::{AngleArg, CommInst, CurStack, MemOrder, NewStack, Op, Part, RmwOp, StatusFlags};
use smallvec::SmallVec;

/// The words that begin an optional clause at the end of an instruction.
const CLAUSES: [&str; 3] = ["EXC", "KEEPALIVE", "WPEXC"];

/// What a parenthesis opens, found by looking ahead.
#[derive(PartialEq, Eq)]
enum Ahead {
    /// The header of a block, with its colon.
    Header,
    /// Result names and `=`.
    Results,
    /// Something else.
    Other,
}

impl Parser<'_> {
    /// A function body behind its `{`, up to and including its `}`.
    pub(super) fn body(&mut self) -> Vec<DraftBlock> {
        let mut blocks: Vec<DraftBlock> = Vec::new();
        let mut outside_reported = false;
        let brace = self.open.pop();
        self.open.clear();
        self.open.extend(brace);
        loop {
            self.begin_statement(1);
            self.in_cases = false;
            let done = match self.tok.kind {
                Kind::RBrace => {
                    self.op = None;
                    self.body_end = Some(self.bump());
                    return blocks;
                }
                Kind::Eof => {
                    self.op = None;
                    self.expected("`}`, the end of the function's body");
                    return blocks;
                }
                Kind::Directive if self.at_definition() => {
                    let message = format!("{} begins inside a function body", self.found());
                    let mut diagnostic =
                        Diagnostic::error(codes::UNCLOSED_BODY, self.span(self.tok), message);
                    if let Some(brace) = brace {
                        diagnostic = diagnostic.also(self.span(brace), "the body begins here");
                    }
                    self.error(diagnostic.help("a `}` is missing in front of it"));
                    return blocks;
                }
                Kind::Global | Kind::Local if self.at_header() => {
                    self.op = None;
                    self.header().map(|block| blocks.push(block))
                }
                Kind::Word if self.op.is_some() && CLAUSES.contains(&self.str(self.tok)) => {
                    Err(self.not_a_statement())
                }
                Kind::LParen | Kind::LBracket | Kind::Word => {
                    self.instruction_into(&mut blocks, &mut outside_reported)
                }
                Kind::Global | Kind::Local if self.ahead.kind == Kind::Equals => {
                    self.instruction_into(&mut blocks, &mut outside_reported)
                }
                _ => Err(self.not_a_statement()),
            };
            if done.is_err() {
                self.resync();
            }
        }
    }

    fn instruction_into(&mut self, blocks: &mut [DraftBlock], outside_reported: &mut bool) -> Parsed<()> {
        if blocks.is_empty() && !std::mem::replace(outside_reported, true) {
            let help = "begin the body with the header of its entry block, for example `%entry():`";
            self.error_here(codes::OUTSIDE_BLOCK, "an instruction outside all basic blocks".into(), help);
        }
        if blocks.is_empty() {
            // Read it all the same, for the errors in it.
            let nothing = self.placeholder(self.span(self.tok));
            self.enter(Scope::Block, nothing);
        }
        let inst = self.instruction()?;
        if let Some(block) = blocks.last_mut() {
            block.insts.push(inst);
        }
        Ok(())
    }

    /// Reports a token that begins neither an instruction nor a block.
    fn not_a_statement(&mut self) -> Failed {
        if let Some(op) = self.op {
            if self.last_error != Some(self.tok.start) {
                let message = format!("{} is left over behind {}", self.found(), op.mnemonic());
                let help = format!("the form is: {}", crate::syntax(op));
                self.error_here(codes::AFTER_INSTRUCTION, message, help);
            }
            return Failed;
        }
        if self.at_name()
            && self.ahead.kind == Kind::Word
            && Op::from_mnemonic(self.str(self.ahead)).is_some()
        {
            self.bump();
            return self.expected("`=`");
        }
        self.expected("an instruction, a basic block or `}`")
    }

    /// Skips to where an instruction, a block or a definition begins, or the body ends.
    fn resync(&mut self) {
        let mut depth = usize::from(self.in_cases);
        // What the statement began with was tried already.
        let mut tried = self.tok.start == self.statement;
        self.op = None;
        loop {
            match self.tok.kind {
                Kind::Eof => return,
                Kind::Directive if self.at_definition() => return,
                Kind::RBrace if depth == 0 => return,
                Kind::RBrace => depth -= 1,
                Kind::LBrace => depth += 1,
                _ if !tried && self.tok.first_on_line && self.at_statement() => return,
                _ => {}
            }
            tried = false;
            self.bump();
        }
    }

    /// Whether an instruction or block seems to begin here.
    fn at_statement(&self) -> bool {
        match self.tok.kind {
            Kind::Word => Op::from_mnemonic(self.str(self.tok)).is_some(),
            Kind::LBracket => matches!(self.ahead.kind, Kind::Global | Kind::Local),
            Kind::LParen => self.look_into_parens() == Ahead::Results,
            Kind::Global | Kind::Local => {
                self.ahead.kind == Kind::Equals || self.ahead.kind == Kind::Colon || self.at_header()
            }
            _ => false,
        }
    }

    /// Whether the header of a block begins here; the current token is a name.
    fn at_header(&self) -> bool {
        match self.ahead.kind {
            Kind::Colon => true,
            // At the start of a line behind something complete it can be nothing else.
            Kind::LParen if self.tok.first_on_line && self.tok.start == self.statement => true,
            Kind::LParen => self.look_into_parens() == Ahead::Header,
            // `%name [%exc]:`, whose parentheses are missing.
            Kind::LBracket => {
                let mut lexer = self.lexer.clone();
                matches!(lexer.next_token().kind, Kind::Global | Kind::Local)
                    && lexer.next_token().kind == Kind::RBracket
                    && lexer.next_token().kind == Kind::Colon
            }
            _ => false,
        }
    }

    /// Looks at a list in parentheses, whose `(` is the current token or the one behind it.
    fn look_into_parens(&self) -> Ahead {
        let mut lexer = self.lexer.clone();
        let mut kind = if self.at(Kind::LParen) { self.ahead.kind } else { lexer.next_token().kind };
        // Words and numbers for types written inline, an error the header will report.
        let mut typed = false;
        while let Kind::Global | Kind::Local | Kind::LAngle | Kind::RAngle | Kind::Word | Kind::Number = kind
        {
            typed |= kind == Kind::LAngle;
            kind = lexer.next_token().kind;
        }
        if kind != Kind::RParen {
            return Ahead::Other;
        }
        // Only parameters have types. If it has no colon, the header will report that.
        if typed {
            return Ahead::Header;
        }
        kind = lexer.next_token().kind;
        if kind == Kind::Equals {
            return Ahead::Results;
        }
        while matches!(kind, Kind::LBracket | Kind::RBracket | Kind::Global | Kind::Local) {
            kind = lexer.next_token().kind;
        }
        if kind == Kind::Colon { Ahead::Header } else { Ahead::Other }
    }

    /// `name ( <T> p … ) [ exc ] :`
    fn header(&mut self) -> Parsed<DraftBlock> {
        let start = self.tok.start;
        let name = self.scoped_name(Scope::Ver, "the name of a basic block")?;
        self.enter(Scope::Block, name);
        let mut block =
            DraftBlock { name, params: Vec::new(), exc_param: None, insts: Vec::new(), span: name.span };
        if self.eat(Kind::LParen) {
            while !self.eat(Kind::RParen) {
                if self.at_name() {
                    return Err(
                        self.expected_with("the type of a parameter", "parameters are written `<@T> %name`")
                    );
                }
                if !self.eat(Kind::LAngle) {
                    return Err(self.expected("a parameter `<@T> %name` or `)`"));
                }
                let ty = self.type_use()?;
                self.expect(Kind::RAngle)?;
                let param = self.scoped_name(Scope::Block, "the name of a parameter")?;
                block.params.push((ty, param));
            }
        } else {
            let message = "a block header needs a parameter list, even an empty one";
            let written = shorten(self.text.get(start as usize..self.prev_end as usize).unwrap_or(""));
            self.error_here(
                codes::BLOCK_WITHOUT_PARENTHESES,
                message.into(),
                format!("write `{written}():`"),
            );
        }
        if self.eat(Kind::LBracket) {
            block.exc_param = Some(self.scoped_name(Scope::Block, "the name of the exception parameter")?);
            self.expect(Kind::RBracket)?;
        }
        if !self.eat(Kind::Colon) {
            let at = Span { source: self.source, start: self.prev_end, end: self.prev_end };
            let diagnostic =
                Diagnostic::error(codes::MISSING_COLON, at, "the block header does not end with a colon")
                    .label("`:` is missing here");
            self.error(diagnostic);
        }
        block.span = self.span_from(start);
        Ok(block)
    }

    // ---- instructions

    fn instruction(&mut self) -> Parsed<Inst<Unlinked>> {
        let start = self.tok.start;
        self.op = None;
        let mut results: SmallVec<[Use; 1]> = SmallVec::new();
        let mut bound = true;
        if self.at_name() {
            results.push(self.scoped_name(Scope::Block, "the name of a result")?);
        } else if self.eat(Kind::LParen) {
            while !self.eat(Kind::RParen) {
                results.push(self.scoped_name(Scope::Block, "the name of a result or `)`")?);
            }
        } else {
            bound = false;
        }
        if bound {
            self.expect(Kind::Equals)?;
        }
        let mut name = None;
        if self.eat(Kind::LBracket) {
            name = Some(self.scoped_name(Scope::Block, "the name of the instruction")?);
            self.expect(Kind::RBracket)?;
        }
        let op = self.mnemonic()?;
        self.op = Some(op);
        let mut inst = Inst::new(op, name, Span::NONE);
        inst.results = results;
        for &part in op.form().parts() {
            self.part(part, &mut inst)?;
        }
        inst.span = self.span_from(start);
        Ok(inst)
    }

    fn mnemonic(&mut self) -> Parsed<Op> {
        if !self.at(Kind::Word) {
            return Err(self.expected("an instruction"));
        }
        let word = self.str(self.tok);
        if let Some(op) = Op::from_mnemonic(word) {
            self.bump();
            return Ok(op);
        }
        let message = format!("there is no instruction `{}`", shorten(word));
        let help = match word {
            _ if CLAUSES.contains(&word) => "a clause is the end of an instruction".into(),
            _ => did_you_mean(word, Op::ALL.iter().map(|op| op.mnemonic())),
        };
        self.error_here(codes::UNKNOWN_INSTRUCTION, message, help);
        Err(Failed)
    }

    /// Reads one part of the current instruction.
    fn part(&mut self, part: Part, inst: &mut Inst<Unlinked>) -> Parsed<()> {
        match part {
            Part::Status => self.status(inst)?,
            Part::Ptr => inst.attrs.ptr = self.eat_word("PTR"),
            Part::Weak => inst.attrs.weak = self.eat_word("WEAK"),
            Part::OrdOptional => {
                if self.at(Kind::Word) {
                    inst.attrs.ord = self.order()?;
                }
            }
            Part::Ord => inst.attrs.ord = self.order()?,
            Part::OrdFail => inst.attrs.ord_fail = self.order()?,
            Part::OrdAndRmw => self.order_and_operator(inst)?,
            Part::CallConv => inst.attrs.callconv = self.call_conv(false)?,
            Part::Angle(args) => self.angle(args, inst)?,
            Part::Arg => {
                let arg = self.operand("an operand")?;
                inst.args.push(arg);
            }
            Part::ArgList => self.arg_list(&mut inst.args)?,
            Part::RetArgs => {
                if self.at(Kind::LParen) {
                    self.arg_list(&mut inst.args)?;
                } else {
                    let arg = self.operand("a return value or `()`")?;
                    inst.args.push(arg);
                }
            }
            Part::Dest => {
                let dest = self.dest()?;
                inst.dests.push(dest);
            }
            Part::Cases => self.cases(inst)?,
            Part::TypeList => self.type_list(inst)?,
            Part::Wpid => inst.attrs.literal = self.small_number("a watchpoint id")?.into(),
            Part::WpExc => {
                if self.eat_word("WPEXC") {
                    self.expect(Kind::LParen)?;
                    let dest = self.dest()?;
                    inst.dests.push(dest);
                    self.expect(Kind::RParen)?;
                }
            }
            Part::ThreadLocal => {
                if self.eat_word("THREADLOCAL") {
                    inst.attrs.threadlocal = true;
                    self.expect(Kind::LParen)?;
                    let arg = self.operand("an operand")?;
                    inst.args.push(arg);
                    self.expect(Kind::RParen)?;
                }
            }
            Part::CurStack => {
                if self.eat_word("RET_WITH") {
                    self.type_list(inst)?;
                    inst.attrs.split = inst.types.len() as u32;
                } else if self.eat_word("KILL_OLD") {
                    inst.attrs.cur_stack = CurStack::KillOld;
                } else {
                    return Err(self.expected("`RET_WITH` or `KILL_OLD`"));
                }
            }
            Part::NewStack => {
                if self.eat_word("PASS_VALUES") {
                    self.type_list(inst)?;
                    self.arg_list(&mut inst.args)?;
                } else if self.eat_word("THROW_EXC") {
                    inst.attrs.new_stack = NewStack::ThrowExc;
                    let arg = self.operand("an exception")?;
                    inst.args.push(arg);
                } else {
                    return Err(self.expected("`PASS_VALUES` or `THROW_EXC`"));
                }
            }
            Part::Comm => self.comm(inst)?,
            Part::Exc => {
                if self.eat_word("EXC") {
                    self.expect(Kind::LParen)?;
                    let nor = self.dest()?;
                    let exc = self.dest()?;
                    self.expect(Kind::RParen)?;
                    inst.exc = Some(Box::new(ExcClause { nor, exc }));
                }
            }
            Part::Keepalive => {
                if self.eat_word("KEEPALIVE") {
                    let mut kept: SmallVec<[Use; 8]> = SmallVec::new();
                    self.arg_list(&mut kept)?;
                    inst.keepalives = Some(kept.as_slice().into());
                }
            }
        }
        Ok(())
    }

    /// `[#N #Z #C #V]`
    fn status(&mut self, inst: &mut Inst<Unlinked>) -> Parsed<()> {
        if !self.eat(Kind::LBracket) {
            return Ok(());
        }
        while !self.eat(Kind::RBracket) {
            if !self.at(Kind::Flag) {
                return Err(self.expected("a status flag or `]`"));
            }
            let letter = &self.str(self.tok)[1..];
            match StatusFlags::ALL.into_iter().find(|(_, known)| *known == letter) {
                // Flags have ascending bits in the order of results, so a new one is above all before it.
                Some((flag, _)) if inst.attrs.status.0 < flag.0 => inst.attrs.status.0 |= flag.0,
                Some((flag, _)) => {
                    let message = if inst.attrs.status.contains(flag) {
                        format!("#{letter} is written twice")
                    } else {
                        format!("#{letter} is out of order")
                    };
                    self.error_here(codes::STATUS_ORDER, message, "the order is #N #Z #C #V");
                    inst.attrs.status.0 |= flag.0;
                }
                None => {
                    let message = format!("there is no status flag {}", self.found());
                    self.error_here(codes::UNKNOWN_FLAG, message, "the status flags are #N, #Z, #C and #V");
                }
            }
            self.bump();
        }
        Ok(())
    }

    fn order(&mut self) -> Parsed<MemOrder> {
        let orders = MemOrder::ALL.map(MemOrder::keyword);
        if !self.at(Kind::Word) {
            return Err(self.expected("a memory order"));
        }
        let word = self.str(self.tok);
        match MemOrder::from_keyword(word) {
            Some(order) => {
                self.bump();
                Ok(order)
            }
            None => {
                let message = format!("there is no memory order `{}`", shorten(word));
                self.error_here(codes::UNKNOWN_KEYWORD, message, did_you_mean(word, orders));
                self.bump();
                // Most likely a misspelling; read on.
                Ok(MemOrder::NotAtomic)
            }
        }
    }

    /// Order, operator and `PTR`, in any order: the chapters of the specification differ.
    fn order_and_operator(&mut self, inst: &mut Inst<Unlinked>) -> Parsed<()> {
        let (mut order, mut rmw) = (None, None);
        while self.at(Kind::Word) {
            let word = self.str(self.tok);
            let (known_order, known_rmw) = (MemOrder::from_keyword(word), RmwOp::from_keyword(word));
            if word == "PTR" && !inst.attrs.ptr {
                inst.attrs.ptr = true;
            } else if known_order.is_some() && order.is_none() {
                order = known_order;
            } else if known_rmw.is_some() && rmw.is_none() {
                rmw = known_rmw;
            } else {
                let (message, words) = if order.is_some() && rmw.is_some() {
                    return Err(self.expected("`<`"));
                } else if order.is_some() {
                    ("operator of ATOMICRMW", RmwOp::ALL.map(RmwOp::keyword).to_vec())
                } else if rmw.is_some() {
                    ("memory order", MemOrder::ALL.map(MemOrder::keyword).to_vec())
                } else {
                    let mut words = MemOrder::ALL.map(MemOrder::keyword).to_vec();
                    words.extend(RmwOp::ALL.map(RmwOp::keyword));
                    ("memory order or operator", words)
                };
                let message = format!("there is no {message} `{}`", shorten(word));
                self.error_here(codes::UNKNOWN_KEYWORD, message, did_you_mean(word, words));
                return Err(Failed);
            }
            self.bump();
        }
        match (order, rmw) {
            (Some(order), Some(rmw)) => {
                inst.attrs.ord = order;
                inst.attrs.rmw = rmw;
                Ok(())
            }
            (None, _) => Err(self.expected("a memory order")),
            (_, None) => Err(self.expected("an operator of ATOMICRMW")),
        }
    }

    fn angle(&mut self, args: &[AngleArg], inst: &mut Inst<Unlinked>) -> Parsed<()> {
        self.expect(Kind::LAngle)?;
        for arg in args {
            match arg {
                AngleArg::Type => {
                    let ty = self.type_use()?;
                    inst.types.push(ty);
                }
                AngleArg::Sig => {
                    let sig = self.sig_use()?;
                    inst.sigs.push(sig);
                }
                AngleArg::Index => inst.attrs.literal = self.number("a field index")?,
            }
        }
        self.expect(Kind::RAngle)?;
        Ok(())
    }

    /// `< T … >`
    fn type_list(&mut self, inst: &mut Inst<Unlinked>) -> Parsed<()> {
        if !self.eat(Kind::LAngle) {
            return Err(self.expected("a list of types `<…>`"));
        }
        while !self.eat(Kind::RAngle) {
            if !matches!(self.tok.kind, Kind::Global | Kind::Local | Kind::Word) {
                return Err(self.expected("the name of a type or `>`"));
            }
            let ty = self.type_use()?;
            inst.types.push(ty);
        }
        Ok(())
    }

    /// A variable. Literals and types are reported and taken for one.
    fn operand(&mut self, what: &str) -> Parsed<Use> {
        match self.tok.kind {
            Kind::Global | Kind::Local if !self.at_next_statement() => {
                let token = self.bump();
                Ok(self.use_name(token, Scope::Block))
            }
            Kind::LAngle => {
                let span = self.span(self.tok);
                self.error_here(
                    codes::TYPED_ARGUMENT,
                    "arguments are written without types".into(),
                    "leave the type out",
                );
                self.skip_balanced(Kind::LAngle, Kind::RAngle);
                if self.at_name() || self.at_literal() {
                    self.operand_behind_type()
                } else {
                    Ok(self.placeholder(span))
                }
            }
            _ if self.at_literal() => {
                let span = self.span(self.tok);
                self.literal_operand();
                Ok(self.placeholder(span))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Whether the current name belongs to the next statement, so that something is missing in front of it: it is a
    /// result or the header of a block.
    fn at_next_statement(&self) -> bool {
        match self.ahead.kind {
            Kind::Equals | Kind::Colon => true,
            Kind::LParen => self.tok.first_on_line && self.look_into_parens() == Ahead::Header,
            _ => false,
        }
    }

    fn operand_behind_type(&mut self) -> Parsed<Use> {
        let span = self.span(self.tok);
        if self.at_literal() {
            self.literal_operand();
            return Ok(self.placeholder(span));
        }
        self.scoped_name(Scope::Block, "an operand")
    }

    /// `( v … )`
    fn arg_list<A: smallvec::Array<Item = Use>>(&mut self, args: &mut SmallVec<A>) -> Parsed<()> {
        if !self.eat(Kind::LParen) {
            return Err(self.expected("a list of operands `(…)`"));
        }
        while !self.eat(Kind::RParen) {
            let arg = self.operand("an operand or `)`")?;
            args.push(arg);
        }
        Ok(())
    }

    /// `%bb ( v … )` or `%bb`
    fn dest(&mut self) -> Parsed<Dest<Unlinked>> {
        if self.at_name() && self.at_next_statement() {
            return Err(self.expected("a basic block"));
        }
        let block = self.scoped_name(Scope::Ver, "a basic block")?;
        let mut args = SmallVec::new();
        // Behind a block without arguments, results in parentheses may begin the next line.
        let next_line =
            self.tok.first_on_line && self.at(Kind::LParen) && self.look_into_parens() == Ahead::Results;
        if self.at(Kind::LParen) && !next_line {
            self.arg_list(&mut args)?;
        }
        Ok(Dest { block, args })
    }

    /// `{ value dest … }`
    fn cases(&mut self, inst: &mut Inst<Unlinked>) -> Parsed<()> {
        self.expect(Kind::LBrace)?;
        self.in_cases = true;
        while !self.eat(Kind::RBrace) {
            let value = self.operand("a case `@constant %block(…)` or `}`")?;
            let dest = self.dest()?;
            inst.args.push(value);
            inst.dests.push(dest);
        }
        self.in_cases = false;
        Ok(())
    }

    /// A common instruction's name and its lists, each of which may be left out.
    fn comm(&mut self, inst: &mut Inst<Unlinked>) -> Parsed<()> {
        if !self.at(Kind::Global) {
            // Reports a local name or a missing `@`.
            self.global_name("a common instruction")?;
        } else {
            let name = self.str(self.tok);
            inst.attrs.comm = CommInst::from_name(name);
            if inst.attrs.comm.is_none() {
                let message = format!("there is no common instruction `{}`", shorten(name));
                let help = did_you_mean(name, CommInst::ALL.iter().map(|inst| inst.name()));
                self.error_here(name_codes::UNKNOWN_COMM_INST, message, help);
            }
            self.bump();
        }
        // A bracket with a name in it belongs to the next instruction.
        if self.at(Kind::LBracket) && matches!(self.ahead.kind, Kind::Flag | Kind::RBracket) {
            self.bump();
            while !self.eat(Kind::RBracket) {
                inst.attrs.callconv = self.call_conv(false)?;
                inst.attrs.comm_flags = inst.attrs.comm_flags.saturating_add(1);
            }
        }
        if self.at(Kind::LAngle) && self.ahead.kind != Kind::LBracket {
            self.type_list(inst)?;
        }
        if self.at(Kind::LAngle) && self.ahead.kind == Kind::LBracket {
            self.bump();
            self.bump();
            while !self.eat(Kind::RBracket) {
                let sig = self.sig_use()?;
                inst.sigs.push(sig);
            }
            self.expect(Kind::RAngle)?;
        }
        // So do names in parentheses in front of `=`.
        if self.at(Kind::LParen) && self.look_into_parens() != Ahead::Results {
            self.arg_list(&mut inst.args)?;
        }
        Ok(())
    }
}
