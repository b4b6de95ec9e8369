//! From the kernels' C to Mu, in two forms: `Form::Naive` keeps every local variable in an ALLOCA cell, `Form::Ssa` passes
//! them as block parameters. Both do what they are told and nothing clever.

use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Naive,
    Ssa,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ty {
    Long,
    Unsigned,
    Double,
    /// Only behind a pointer; loads give a long.
    Char,
    Bool,
    LongPtr,
    UnsignedPtr,
    DoublePtr,
    CharPtr,
}

impl Ty {
    fn name(self) -> &'static str {
        match self {
            Ty::Long => "@i64",
            Ty::Unsigned => "@i32",
            Ty::Double => "@double",
            Ty::Char => "@i8",
            Ty::Bool => "@i1",
            Ty::LongPtr => "@p64",
            Ty::UnsignedPtr => "@p32",
            Ty::DoublePtr => "@pd",
            Ty::CharPtr => "@p8",
        }
    }

    fn element(self) -> Ty {
        match self {
            Ty::UnsignedPtr => Ty::Unsigned,
            Ty::DoublePtr => Ty::Double,
            Ty::CharPtr => Ty::Char,
            _ => Ty::Long,
        }
    }

    fn pointer(self) -> Ty {
        match self {
            Ty::Unsigned => Ty::UnsignedPtr,
            Ty::Double => Ty::DoublePtr,
            Ty::Char => Ty::CharPtr,
            _ => Ty::LongPtr,
        }
    }
}

const HEADER: &str = "
.typedef @i1 = int<1>
.typedef @i8 = int<8>
.typedef @i32 = int<32>
.typedef @i64 = int<64>
.typedef @double = double
.typedef @p8 = uptr<@i8>
.typedef @p32 = uptr<@i32>
.typedef @p64 = uptr<@i64>
.typedef @pd = uptr<@double>
.typedef @ref.i32 = iref<@i32>
.typedef @ref.i64 = iref<@i64>
.typedef @ref.double = iref<@double>
.typedef @ref.p8 = iref<@p8>
.typedef @ref.p32 = iref<@p32>
.typedef @ref.p64 = iref<@p64>
.typedef @ref.pd = iref<@pd>
";

/// Mu text for all functions of a source.
pub fn translate(source: &str, form: Form) -> String {
    let tokens = lex(source);
    let mut parser = Parser {
        tokens,
        at: 0,
        form,
        consts: BTreeMap::new(),
        sigs: BTreeMap::new(),
        out: String::new(),
        f: Function::default(),
    };
    parser.declare_all();
    parser.at = 0;
    while parser.at < parser.tokens.len() {
        parser.function();
    }
    let mut text = HEADER.to_owned();
    for (name, (params, ret)) in &parser.sigs {
        let types: Vec<&str> = params.iter().map(|(_, ty)| ty.name()).collect();
        let _ = writeln!(text, ".funcsig @sig.{name} = ({}) -> ({})", types.join(" "), ret.name());
    }
    for ((ty, value), name) in &parser.consts {
        let _ = writeln!(text, ".const {name} <{ty}> = {value}");
    }
    text + &parser.out
}

fn lex(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in source.lines() {
        let line = line.split("//").next().unwrap_or("");
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let length = if rest.starts_with(word) {
                rest.find(|c| !word(c)).unwrap_or(rest.len())
            } else if ["<=", ">=", "==", "!=", "<<", ">>"].iter().any(|op| rest.starts_with(op)) {
                2
            } else {
                1
            };
            tokens.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

type Sigs = BTreeMap<String, (Vec<(String, Ty)>, Ty)>;

/// The function being translated.
#[derive(Default)]
struct Function {
    /// Variables in scope, in order, with what stands for them: a value (SSA) or the cell (naive).
    scope: Vec<(String, Ty, String)>,
    /// Whether the current block has ended.
    ended: bool,
    names: usize,
    blocks: usize,
    /// ALLOCAs for the entry block.
    cells: String,
    body: String,
    all_cells: Vec<(String, Ty)>,
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
    form: Form,
    consts: BTreeMap<(String, String), String>,
    sigs: Sigs,
    out: String,
    f: Function,
}

impl Parser {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    fn want(&mut self, token: &str) {
        assert!(
            self.eat(token),
            "expected {token}, found {} at {:?}",
            self.peek(),
            &self.tokens[self.at.saturating_sub(5)..self.at]
        );
    }

    fn is_type(&self) -> bool {
        matches!(self.peek(), "long" | "unsigned" | "double")
    }

    fn ty(&mut self) -> Ty {
        let base = match self.next().as_str() {
            "double" => Ty::Double,
            "unsigned" if self.eat("char") => Ty::Char,
            "unsigned" => Ty::Unsigned,
            _ => Ty::Long,
        };
        if self.eat("*") { base.pointer() } else { base }
    }

    fn signature(&mut self) -> String {
        let ret = self.ty();
        let name = self.next();
        self.want("(");
        let mut params = Vec::new();
        while !self.eat(")") {
            let ty = self.ty();
            params.push((self.next(), ty));
            self.eat(",");
        }
        self.sigs.insert(name.clone(), (params, ret));
        name
    }

    fn declare_all(&mut self) {
        while self.at < self.tokens.len() {
            self.signature();
            let mut depth = 0;
            loop {
                match self.next().as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
    }

    fn function(&mut self) {
        let name = self.signature();
        let (params, _) = self.sigs[&name].clone();
        self.f = Function::default();
        let list: Vec<String> = params.iter().map(|(p, ty)| format!("<{}> %{p}", ty.name())).collect();
        let mut stores = String::new();
        if self.form == Form::Naive {
            // Every local of the function, with its name made unique by a number.
            for (p, ty) in &params {
                let cell = self.cell(p, *ty);
                let _ = writeln!(stores, "        STORE <{}> {cell} %{p}", ty.name());
                self.f.scope.push((p.clone(), *ty, cell));
            }
        } else {
            self.f.scope = params.iter().map(|(p, ty)| (p.clone(), *ty, format!("%{p}"))).collect();
        }
        self.block();
        let f = std::mem::take(&mut self.f);
        // Cells must be passed along: the text of blocks has a place for them.
        let cell_params: String =
            f.all_cells.iter().map(|(cell, ty)| format!("<@ref.{}> {cell} ", &ty.name()[1..])).collect();
        let cell_args: String = f.all_cells.iter().map(|(cell, _)| format!("{cell} ")).collect();
        let body = f.body.replace("$PARAMS", &cell_params).replace("$ARGS", &cell_args);
        let _ = writeln!(
            self.out,
            ".funcdef @{name} VERSION %v1 <@sig.{name}> {{\n    %entry({}):\n{}{stores}{body}}}",
            list.join(" "),
            f.cells
        );
    }

    fn cell(&mut self, name: &str, ty: Ty) -> String {
        let cell = format!("%{name}.{}", self.f.all_cells.len());
        let _ = writeln!(self.f.cells, "        {cell} = ALLOCA <{}>", ty.name());
        self.f.all_cells.push((cell.clone(), ty));
        cell
    }

    // ---- statements

    fn block(&mut self) {
        self.want("{");
        let scope = self.f.scope.len();
        while !self.eat("}") {
            self.statement();
        }
        self.f.scope.truncate(scope);
    }

    fn statement(&mut self) {
        if self.is_type() {
            let ty = self.ty();
            let name = self.next();
            self.want("=");
            let (value, value_ty) = self.expression(0);
            let value = self.convert(value, value_ty, ty);
            if self.form == Form::Naive {
                let cell = self.cell(&name, ty);
                self.line(&format!("STORE <{}> {cell} {value}", ty.name()));
                self.f.scope.push((name, ty, cell));
            } else {
                self.f.scope.push((name, ty, value));
            }
            return self.want(";");
        }
        match self.peek() {
            "while" => self.while_statement(),
            "if" => self.if_statement(),
            "return" => {
                self.at += 1;
                let (value, _) = self.expression(0);
                self.line(&format!("RET {value}"));
                self.f.ended = true;
                self.want(";");
            }
            _ => self.assignment(),
        }
    }

    fn assignment(&mut self) {
        let name = self.next();
        if self.eat("[") {
            let (address, element) = self.element(&name);
            self.want("=");
            let (value, ty) = self.expression(0);
            let value = self.convert(value, ty, element);
            self.line(&format!("STORE PTR <{}> {address} {value}", element.name()));
        } else {
            self.want("=");
            let (value, ty) = self.expression(0);
            let at = self.find(&name);
            let value = self.convert(value, ty, self.f.scope[at].1);
            if self.form == Form::Naive {
                let (_, ty, cell) = self.f.scope[at].clone();
                self.line(&format!("STORE <{}> {cell} {value}", ty.name()));
            } else {
                self.f.scope[at].2 = value;
            }
        }
        self.want(";");
    }

    fn while_statement(&mut self) {
        self.at += 1;
        let (head, body, exit) = (self.new_block("head"), self.new_block("body"), self.new_block("exit"));
        self.jump(&head);
        self.open(&head);
        let cond = self.condition();
        self.branch(&cond, &body, &exit);
        self.open(&body);
        self.block();
        if !std::mem::take(&mut self.f.ended) {
            self.jump(&head);
        }
        self.open(&exit);
    }

    fn if_statement(&mut self) {
        self.at += 1;
        let (then, other, join) = (self.new_block("then"), self.new_block("else"), self.new_block("join"));
        let cond = self.condition();
        self.branch(&cond, &then, &other);
        let before = self.f.scope.clone();
        self.open(&then);
        self.block();
        if !std::mem::take(&mut self.f.ended) {
            self.jump(&join);
        }
        self.f.scope = before;
        self.open(&other);
        if self.eat("else") {
            self.block();
        }
        if !std::mem::take(&mut self.f.ended) {
            self.jump(&join);
        }
        self.open(&join);
    }

    fn condition(&mut self) -> String {
        self.want("(");
        let (value, ty) = self.expression(0);
        self.want(")");
        assert!(ty == Ty::Bool, "a condition is a comparison");
        value
    }

    // ---- blocks

    fn new_block(&mut self, name: &str) -> String {
        self.f.blocks += 1;
        format!("%{name}{}", self.f.blocks)
    }

    fn args(&self) -> String {
        match self.form {
            Form::Naive => "$ARGS".into(),
            Form::Ssa => self.f.scope.iter().map(|(_, _, value)| format!("{value} ")).collect(),
        }
    }

    fn jump(&mut self, block: &str) {
        let args = self.args();
        self.line(&format!("BRANCH {block}({args})"));
    }

    fn branch(&mut self, cond: &str, then: &str, other: &str) {
        let args = self.args();
        self.line(&format!("BRANCH2 {cond} {then}({args}) {other}({args})"));
    }

    fn open(&mut self, block: &str) {
        let params = match self.form {
            Form::Naive => "$PARAMS".to_owned(),
            Form::Ssa => {
                let mut params = String::new();
                for (name, ty, value) in &mut self.f.scope {
                    *value = format!("%{name}");
                    let _ = write!(params, "<{}> %{name} ", ty.name());
                }
                params
            }
        };
        let _ = writeln!(self.f.body, "    {block}({params}):");
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.f.body, "        {text}");
    }

    fn define(&mut self, text: String) -> String {
        self.f.names += 1;
        let name = format!("%t{}", self.f.names);
        self.line(&format!("{name} = {text}"));
        name
    }

    fn find(&self, name: &str) -> usize {
        self.f
            .scope
            .iter()
            .rposition(|(other, ..)| other == name)
            .unwrap_or_else(|| panic!("no variable {name}"))
    }

    // ---- expressions

    fn constant(&mut self, ty: Ty, value: &str) -> String {
        let value = if ty == Ty::Double { format!("{value}d") } else { value.to_owned() };
        let number = self.consts.len();
        self.consts.entry((ty.name().into(), value)).or_insert_with(|| format!("@k{number}")).clone()
    }

    fn variable(&mut self, name: &str) -> (String, Ty) {
        let (_, ty, value) = self.f.scope[self.find(name)].clone();
        match self.form {
            Form::Naive => (self.define(format!("LOAD <{}> {value}", ty.name())), ty),
            Form::Ssa => (value, ty),
        }
    }

    /// The address of an element, behind `[`.
    fn element(&mut self, name: &str) -> (String, Ty) {
        let (pointer, ty) = self.variable(name);
        let (index, _) = self.expression(0);
        self.want("]");
        let element = ty.element();
        (self.define(format!("SHIFTIREF PTR <{} @i64> {pointer} {index}", element.name())), element)
    }

    fn convert(&mut self, value: String, from: Ty, to: Ty) -> String {
        // Literals without a point are long until they are wanted otherwise.
        match (from, to) {
            _ if from == to => value,
            (Ty::Long, Ty::Unsigned | Ty::Char) if value.starts_with("@k") => {
                let literal =
                    self.consts.iter().find(|(_, name)| **name == value).map(|((_, text), _)| text.clone());
                let literal = literal.expect("a constant");
                self.constant(to, &literal)
            }
            (Ty::Long, Ty::Unsigned | Ty::Char) => self.define(format!("TRUNC <@i64 {}> {value}", to.name())),
            (Ty::Unsigned, Ty::Long) => self.define(format!("ZEXT <@i32 @i64> {value}")),
            (Ty::Long, Ty::Double) => self.define(format!("SITOFP <@i64 @double> {value}")),
            (Ty::Double, Ty::Long) => self.define(format!("FPTOSI <@double @i64> {value}")),
            _ => panic!("no conversion from {from:?} to {to:?}"),
        }
    }

    fn primary(&mut self) -> (String, Ty) {
        if self.eat("(") {
            if self.is_type() {
                let ty = self.ty();
                self.want(")");
                let (value, from) = self.primary();
                return (self.convert(value, from, ty), ty);
            }
            let inner = self.expression(0);
            self.want(")");
            return inner;
        }
        let token = self.next();
        if token.starts_with(|c: char| c.is_ascii_digit()) {
            let ty = if token.contains('.') { Ty::Double } else { Ty::Long };
            return (self.constant(ty, &token), ty);
        }
        if self.eat("(") {
            let (params, ret) = self.sigs[&token].clone();
            let mut args = Vec::new();
            for (_, ty) in params {
                let (value, from) = self.expression(0);
                args.push(self.convert(value, from, ty));
                self.eat(",");
            }
            self.want(")");
            return (self.define(format!("CALL <@sig.{token}> @{token} ({})", args.join(" "))), ret);
        }
        if self.eat("[") {
            let (address, element) = self.element(&token);
            let value = self.define(format!("LOAD PTR <{}> {address}", element.name()));
            return match element {
                Ty::Char => (self.define(format!("ZEXT <@i8 @i64> {value}")), Ty::Long),
                _ => (value, element),
            };
        }
        self.variable(&token)
    }

    fn expression(&mut self, least: u8) -> (String, Ty) {
        let (mut left, mut left_ty) = self.primary();
        loop {
            let op = self.peek().to_owned();
            let strength = match op.as_str() {
                "*" | "/" | "%" => 10,
                "+" | "-" => 9,
                "<<" | ">>" => 8,
                "<" | ">" | "<=" | ">=" => 7,
                "==" | "!=" => 6,
                "&" => 5,
                "^" => 4,
                "|" => 3,
                _ => return (left, left_ty),
            };
            if strength <= least {
                return (left, left_ty);
            }
            self.at += 1;
            let (right, right_ty) = self.expression(strength);
            let ty = if left_ty == Ty::Unsigned || right_ty == Ty::Unsigned { Ty::Unsigned } else { left_ty };
            left = self.convert(left, left_ty, ty);
            let right = self.convert(right, right_ty, ty);
            let (mnemonic, result) = mnemonic(&op, ty);
            left = self.define(format!("{mnemonic} <{}> {left} {right}", ty.name()));
            left_ty = result;
        }
    }
}

fn mnemonic(op: &str, ty: Ty) -> (&'static str, Ty) {
    let (fp, unsigned) = (ty == Ty::Double, ty == Ty::Unsigned);
    let pick = |plain, unsigned_form, fp_form| {
        if fp {
            fp_form
        } else if unsigned {
            unsigned_form
        } else {
            plain
        }
    };
    match op {
        "+" => (pick("ADD", "ADD", "FADD"), ty),
        "-" => (pick("SUB", "SUB", "FSUB"), ty),
        "*" => (pick("MUL", "MUL", "FMUL"), ty),
        "/" => (pick("SDIV", "UDIV", "FDIV"), ty),
        "%" => (pick("SREM", "UREM", "FREM"), ty),
        "<<" => ("SHL", ty),
        ">>" => (pick("ASHR", "LSHR", "LSHR"), ty),
        "&" => ("AND", ty),
        "|" => ("OR", ty),
        "^" => ("XOR", ty),
        "<" => (pick("SLT", "ULT", "FOLT"), Ty::Bool),
        ">" => (pick("SGT", "UGT", "FOGT"), Ty::Bool),
        "<=" => (pick("SLE", "ULE", "FOLE"), Ty::Bool),
        ">=" => (pick("SGE", "UGE", "FOGE"), Ty::Bool),
        "==" => (pick("EQ", "EQ", "FOEQ"), Ty::Bool),
        _ => (pick("NE", "NE", "FUNE"), Ty::Bool),
    }
}
