//! `mu explain`: everything the tables know about an error code, an undefined behaviour, an instruction, a common
//! instruction or a type constructor. There is no text here that a table could have.
//!
//! ```text
//! $ mu explain GETIREF
//! GETIREF: the iref of an object's memory location
//!
//!   GETIREF <T> v
//!
//! Types      the operand is ref<T>, the result iref<T>
//! Effects    none
//! Undefined  U9  address computation on a NULL reference
//! See        instruction-set#getiref-instruction
//! ```

use super::exit::Exit;
use super::output::{self, Failure};
use super::render::{ErrorFormat, Reporter};
use clap::Args;
use mu_vm::ir::codes::{self, Code};
use mu_vm::ir::table::{CommInst, CommParams, Ct, Effect, Effects, Op, TYPE_CTORS, TypeCtorRow};
use mu_vm::ir::ub::{Ub, When};
use mu_vm::text;
use std::fmt::Write as _;

/// Arguments of `mu explain`.
#[derive(Args)]
#[command(after_help = help())]
pub struct ExplainArgs {
    /// An error code, an undefined behaviour, a (common) instruction or a type constructor; without it, a list of all
    #[arg(value_name = "CODE|INSTRUCTION|…")]
    topic: Option<String>,
}

fn help() -> String {
    let codes = Exit::table(&[Exit::Ok, Exit::Usage]);
    format!(
        "\
Examples:
  mu explain                               everything that can be explained
  mu explain MU-E3101                      an error code; E3101 and 3101 will do
  mu explain U10                           an undefined behaviour
  mu explain SWAPSTACK                     an instruction
  mu explain @uvm.new_stack                a common instruction; new_stack will do
  mu explain hybrid                        a type constructor

{codes}"
    )
}

/// Columns of running text.
const WIDTH: usize = 88;

/// Runs the command.
pub fn main(args: &ExplainArgs) -> u8 {
    let reporter = Reporter::new(ErrorFormat::Human, output::stderr_has_colour());
    let page = match &args.topic {
        None => Ok(list()),
        Some(topic) => page(topic.trim()),
    };
    match page.and_then(|text| output::print(&text)) {
        Ok(()) => Exit::Ok.code(),
        Err(failure) => failure.report(&reporter),
    }
}

/// What a word stands for.
fn page(topic: &str) -> Result<String, Failure> {
    if let Some(op) = Op::from_mnemonic(&topic.to_ascii_uppercase()) {
        return Ok(op_page(op));
    }
    if let Some(inst) = comm_inst(topic) {
        return Ok(comm_page(inst));
    }
    let is_type = |row: &&TypeCtorRow| row.keyword == topic || row.also.contains(&topic);
    if let Some(row) = TYPE_CTORS.iter().find(is_type) {
        return Ok(type_page(row));
    }
    if let Some(ub) = Ub::find(topic) {
        return Ok(ub_page(ub));
    }
    if let Some(code) = codes::find(topic) {
        return Ok(code_page(code));
    }
    let names = Op::ALL.iter().map(|op| op.mnemonic());
    let names = names.chain(CommInst::ALL.iter().flat_map(|inst| [inst.name(), short_name(*inst)]));
    let names = names.chain(TYPE_CTORS.iter().map(|row| row.keyword));
    Err(Failure::usage(match text::closest(topic, names) {
        Some(close) => format!("there is nothing called {topic}; did you mean {close}?"),
        None => format!("there is nothing called {topic}; `mu explain` lists everything"),
    }))
}

fn short_name(inst: CommInst) -> &'static str {
    inst.name().strip_prefix("@uvm.").unwrap_or(inst.name())
}

fn comm_inst(topic: &str) -> Option<CommInst> {
    let bare = topic.strip_prefix('@').unwrap_or(topic);
    CommInst::from_name(&format!("@{bare}")).or_else(|| CommInst::from_name(&format!("@uvm.{bare}")))
}

/// Everything, one line each.
fn list() -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "Instructions");
    for op in Op::ALL {
        let _ = writeln!(out, "  {:<15} {}", op.mnemonic(), op.meaning());
    }
    let _ = writeln!(out, "\nCommon instructions (* loads, but is not executed yet)");
    comm_list(&mut out);
    let _ = writeln!(out, "\nType constructors");
    for row in TYPE_CTORS {
        let _ = writeln!(out, "  {:<20} {}", [row.keyword, row.params].concat(), row.meaning);
    }
    let _ = writeln!(out, "\nUndefined behaviours (* is not reported; `mu explain U26` says why)");
    for &ub in Ub::ALL {
        let mark = if ub.reported() == When::Never { '*' } else { ' ' };
        let _ = writeln!(out, "{mark} {:<4} {}", ub.id(), ub.title());
    }
    let _ = writeln!(out, "\nError codes");
    for code in codes::all() {
        let _ = writeln!(out, "  {} {}", code.text(), code.title);
    }
    out
}

fn op_page(op: Op) -> String {
    let mut out = head(op.mnemonic(), op.meaning(), Some(&text::syntax(op)));
    field(&mut out, "Types", op.rule().text());
    field(&mut out, "Effects", &effects_text(op.effects()));
    ub_fields(&mut out, op.undefined_behaviours());
    if op.code() != 0 {
        field(&mut out, "Number", &format!("{:#x} in the client interface", op.code()));
    }
    field(&mut out, "See", op.anchor());
    out.push_str(WRITTEN);
    if op == Op::CommInst {
        out.push_str("\nCommon instructions\n");
        comm_list(&mut out);
    }
    out
}

/// How to read a written form ([`text::syntax`]).
const WRITTEN: &str = "
T: name of a type, sig: name of a signature, v: variable, dest: %block(v …), [ ]: may be left out,
|: one of both, [[#N …]]: flags, which are written in brackets
";

fn comm_list(out: &mut String) {
    for &inst in CommInst::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {:<38} {}", inst.name(), inst.meaning());
    }
}

fn comm_page(inst: CommInst) -> String {
    let mut out = head(inst.name(), inst.meaning(), Some(&comm_syntax(inst)));
    let CommParams::Fixed(params) = inst.params();
    field(&mut out, "Operands", &types_text(params));
    field(&mut out, "Results", &types_text(inst.results()));
    field(&mut out, "Effects", &effects_text(inst.effects()));
    ub_fields(&mut out, inst.undefined_behaviours());
    field(&mut out, "Number", &format!("{:#x} in the client interface", inst.id()));
    field(&mut out, "See", inst.anchor());
    out
}

/// The written form of a common instruction.
fn comm_syntax(inst: CommInst) -> String {
    let mut out = format!("COMMINST {}", inst.name());
    let group = |out: &mut String, open: &str, word: &str, count: usize, close: &str| {
        if count > 0 {
            let _ = write!(out, " {open}{}{close}", vec![word; count].join(" "));
        }
    };
    group(&mut out, "[", "#DEFAULT", inst.flags(), "]");
    group(&mut out, "<", "T", inst.type_args(), ">");
    group(&mut out, "<[", "sig", inst.sig_args(), "]>");
    let CommParams::Fixed(params) = inst.params();
    group(&mut out, "(", "v", params.len(), ")");
    if inst.may_have_exc() {
        out.push_str(" [EXC(dest dest)]");
    }
    out
}

fn type_page(row: &TypeCtorRow) -> String {
    let mut out = head(row.keyword, row.meaning, Some(&[row.keyword, row.params].concat()));
    if !row.also.is_empty() {
        field(&mut out, "Also read", &row.also.join(", "));
    }
    field(&mut out, "See", row.anchor);
    out
}

fn ub_page(ub: Ub) -> String {
    let mut out = head(ub.id(), ub.title(), None);
    let ops = Op::ALL.iter().filter(|op| op.undefined_behaviours().contains(&ub)).map(|op| op.mnemonic());
    let comm = CommInst::ALL
        .iter()
        .filter(|inst| inst.undefined_behaviours().contains(&ub))
        .map(|inst| if inst.is_irbuilder() { "irbuilder.*" } else { short_name(*inst) });
    let mut who: Vec<&str> = ops.chain(comm).collect();
    // The eighty functions of the IR builder are one.
    who.dedup();
    if !who.is_empty() {
        field(&mut out, "Met by", &who.join(" "));
    }
    let reported = match ub.reported() {
        When::Always => "whenever it happens",
        When::Checked => "in checked mode, the default",
        When::Never => "never",
    };
    let note = if ub.note().is_empty() { String::new() } else { format!("; {}", ub.note()) };
    field(&mut out, "Reported", &format!("{reported}{note}"));
    field(&mut out, "See", ub.anchor());
    out
}

fn code_page(code: Code) -> String {
    let mut out = head(&code.text(), code.title, None);
    for line in wrap(code.explain, WIDTH) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Name, meaning and written form.
fn head(name: &str, meaning: &str, form: Option<&str>) -> String {
    let form = form.map_or_else(String::new, |form| format!("  {form}\n\n"));
    format!("{name}: {meaning}\n\n{form}")
}

/// Columns of the names of fields.
const FIELD: usize = 11;

fn field(out: &mut String, name: &str, text: &str) {
    for (index, line) in wrap(text, WIDTH - FIELD).iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<FIELD$}{line}", if index == 0 { name } else { "" });
    }
}

fn ub_fields(out: &mut String, ubs: &[Ub]) {
    for (index, ub) in ubs.iter().enumerate() {
        field(out, if index == 0 { "Undefined" } else { "" }, &format!("{:<4}{}", ub.id(), ub.title()));
    }
}

fn effects_text(effects: Effects) -> String {
    if effects.is_pure() {
        return "none".to_owned();
    }
    let present: Vec<&str> =
        Effect::ALL.into_iter().filter(|&effect| effects.has(effect)).map(effect_text).collect();
    present.join(", ")
}

fn effect_text(effect: Effect) -> &'static str {
    match effect {
        Effect::Reads => "reads memory",
        Effect::Writes => "writes memory",
        Effect::Allocates => "allocates",
        Effect::MayThrow => "may continue exceptionally",
        Effect::MayTrap => "may trap",
        Effect::Terminates => "ends its basic block",
        Effect::Safepoint => "safepoint",
        Effect::OsrPoint => "OSR point",
        Effect::Orders => "orders memory accesses",
    }
}

fn types_text(types: &[Ct]) -> String {
    if types.is_empty() {
        return "none".to_owned();
    }
    types.iter().map(|&ty| type_text(ty)).collect::<Vec<_>>().join(", ")
}

fn type_text(ty: Ct) -> &'static str {
    match ty {
        Ct::I1 => "int<1>",
        Ct::I6 => "int<6>",
        Ct::I32 => "int<32>",
        Ct::I52 => "int<52>",
        Ct::I64 => "int<64>",
        Ct::Float => "float",
        Ct::Double => "double",
        Ct::IdArray => "iref<int<32>>",
        Ct::WordArray => "iref<int<64>>",
        Ct::RefVoid => "ref<void>",
        Ct::TagRef64 => "tagref64",
        Ct::StackRef => "stackref",
        Ct::FrameCursor => "framecursorref",
        Ct::IrBuilder => "irbuilderref",
        Ct::BytesRef => "@uvm.meta.bytes.r",
        Ct::RefsRef => "@uvm.meta.refs.r",
        Ct::TypeArg => "T",
        Ct::IRefOfTypeArg => "iref<T>",
        Ct::PtrOfReferent => "uptr<U>, where T is ref<U> or iref<U>",
        Ct::FuncRefOfSig => "funcref<sig>",
        Ct::TrapHandler => "funcref<@uvm.meta.trap_handler.sig>",
        Ct::Exposed => "ufuncptr<sig>",
    }
}

/// Breaks a text into lines of at most `width` columns, between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    // Two spaces in a row are columns of a table: they stay.
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_page_by_its_name() {
        let names = Op::ALL.iter().map(|op| op.mnemonic().to_owned());
        let names = names.chain(CommInst::ALL.iter().map(|inst| inst.name().to_owned()));
        let names = names.chain(TYPE_CTORS.iter().map(|row| row.keyword.to_owned()));
        let names = names.chain(Ub::ALL.iter().map(|ub| ub.id().to_owned()));
        let names = names.chain(codes::all().map(|code| code.text()));
        for name in names {
            let page = page(&name).unwrap();
            assert!(page.starts_with(&name), "{name}: {page}");
            assert!(page.lines().all(|line| line.chars().count() <= 120), "{page}");
            assert!(list().contains(&name));
        }
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("U1  zero", 80), ["U1  zero"]);
        assert_eq!(wrap("incomprehensible", 3), ["incomprehensible"]);
    }
}
