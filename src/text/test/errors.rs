//! What is said about texts with errors, as snapshots; and that every code of the parser is provoked.

use super::render;
use crate::parse;
use mu_ir::codes::{name, parse as codes};
use mu_ir::ids::SourceId;
use std::collections::BTreeSet;

/// The diagnostics of a text.
fn errors(text: &str) -> String {
    render(text, &parse(text, SourceId(0)).1)
}

/// The text and its diagnostics, for snapshots of many small texts.
fn report(texts: &[&str]) -> String {
    texts
        .iter()
        .map(|text| {
            format!("{text}\n{}\n", errors(text).trim_end().replace("E1", "    E1").replace("E2", "    E2"))
        })
        .collect()
}

/// Texts with errors at top level.
const DEFINITIONS: &[&str] = &[
    ".const @c <@float> = 1e39f .const @d <@double> = -1e309 d",
    "€ .typedef @a = void",
    "/* no */ .typedef @a = void",
    ".typedef @a = struct<@b, @c>",
    ".const @a <@fp> = EXTERN \"puts",
    ".const @a <@fp> = EXTERN \"a\\n\"",
    ".const @a <@fp> = EXTERN puts",
    ".typedef @ = void",
    ".typedef a = void",
    ".typedef @a void",
    ".typedef @a",
    ".typdef @a = void .typedef @b = void",
    "typedef @a = void",
    ".typedef @a = integer<64>",
    ".typedef @a = Int<64>",
    ".typedef @a = @b",
    ".typedef @a = ref<int<64>> .typedef @b = funcref<(@a)->()>",
    ".typedef @a = array<double 4>",
    ".typedef @a = ref<i64>",
    ".typedef @a = ref<%b>",
    ".typedef %a = void",
    ".typedef @a = hybrid<>",
    ".typedef @a = int<64",
    ".typedef @a = int",
    ".typedef @a = int<4294967296> .typedef @b = array<@a -1>",
    ".typedef @a = int<089>",
    ".funcsig @a = (@b) (@c)",
    ".funcsig @a = (int<64>) -> (@c ref<@a>)",
    ".const @a <@T> = 0x",
    ".const @a <@T> = 12ab",
    ".const @a <@T> = 340282366920938463463374607431768211456",
    ".const @a <@T> = 1.0",
    ".const @a <@T> = 1.2.3f",
    ".const @a <@T> = 1.0x",
    ".const @a <@T> = +infx .const @b <@T> = inf",
    ".const @a <@T> = bitsf(0x100000000) .const @b <@T> = bitsd(-0x8000000000000000)",
    ".const @a <@T> = Null",
    ".const @a <@T> = {@b 1}",
    ".const @a <@T> = 0 89",
    ".const @a = 0",
    ".global @a <ref<@b>>",
    ".expose @a = @f #STDCALL @c",
    ".expose @a = @f @c",
    ".expose @a = @f #DEFAULT 0",
    ".funcdecl @a (@b) -> ()",
    "}",
];

/// Texts with errors in function definitions.
const FUNCTIONS: &[&str] = &[
    ".funcdef @f <@s> { %b(): RET () }",
    ".funcdef @f %v <@s> { %b(): RET () }",
    ".funcdef @f version %v <@s> { %b(): RET () }",
    ".funcdef @f VERSION %v <() -> ()> { %b(): RETURN () }",
    ".funcdef @f VERSION %v <@s> { RET () }",
    ".funcdef @f VERSION %v <@s> { %b():\n RET ()\n.global @g <@T>",
    ".funcdef @f VERSION %v <@s> { %b():\n RET ()\n",
    ".funcdef @f VERSION %v <@s>",
    ".funcdef @f VERSION %v <@s> { %b:\n RET ()\n}",
    ".funcdef @f VERSION %v <@s> {\n %b(<@T> %a)\n  RET ()\n %c() [%e]\n  RET () }",
    ".funcdef @f VERSION %v <@s> { %b(%a): RET () }",
    ".funcdef @f VERSION %v <@s> { %b(<int<8>> %a): RET () }",
];

/// Instructions with errors.
const INSTRUCTIONS: &[&str] = &[
    "%x = add <@T> %a %b",
    "%x = PHI <@T> %a %b",
    "%x = ADD <@T> %a 1",
    "%x = ADD <@T> %a 1.0 d",
    "%x = FADD <double> %a bitsd(0)",
    "%x = ADD <@T> %a\n %y = ADD <@T> %a %b",
    "%x = ADD <@T> %a %b %c",
    "%x = ADD <@T> %a %b KEEPALIVE(%a)",
    "%x = ADD %a %b",
    "%x ADD <@T> %a %b",
    "%x = ",
    "(%x %y = ADD <@T> %a %b",
    "%x = ADD [#Z #N] <@T> %a %b",
    "%x = ADD [#N #N] <@T> %a %b",
    "%x = ADD [#Q] <@T> %a %b",
    "%x = ADD [N] <@T> %a %b",
    "%x = ADD <@T> @ %b",
    "%x = ADD <@T> %a, %b",
    "%x = ADD <@T> + %b",
    "BRANCH %b(<@T> %a <@T> 1)",
    "BRANCH",
    "BRANCH %b(%a\nRET ()",
    "RET\n%c(): RET ()",
    "%x = LOAD SEQCST <@T> %a",
    "%x = CMPXCHG ACQ_REL <@T> %a %b %c",
    "%x = ATOMICRMW SEQ_CST PLUS <@T> %a %b",
    "%x = ATOMICRMW SEQCST ADD <@T> %a %b",
    "%x = ATOMICRMW ADDD <@T> %a %b",
    "%x = ATOMICRMW ADD <@T> %a %b",
    "%x = ATOMICRMW SEQ_CST <@T> %a %b",
    "%x = ATOMICRMW SEQ_CST ADD ADD <@T> %a %b",
    "%x = CALL <(@T) -> ()> @f (%a)",
    "%x = CALL <@s> @f %a",
    "%x = CALL <@s> @f (%a) KEEPALIVE(%a) EXC(%n() %e())",
    "%x = CALL <@s> @f (%a) EXC(%n())",
    "%x = CCALL #CDECL <@T @s> @f (%a)",
    "%x = CCALL <@T @s> @f (%a)",
    "%x = GETFIELDIREF <@T -1> %a",
    "%x = GETFIELDIREF <@T @i> %a",
    "SWITCH <@T> %a %b() { 1 %c() }\nRET ()",
    "SWITCH <@T> %a %b() { @c = }\nRET )\n%c(): RET ()",
    "WPBRANCH 4294967296 %a() %b()",
    "WPBRANCH %a() %b()",
    "SWAPSTACK %s PASS_VALUES <> ()",
    "SWAPSTACK %s KILL_OLD",
    "%x = COMMINST @uvm.newstack <[@s]> (@f)",
    "%x = COMMINST uvm.new_stack <[@s]> (@f)",
    "%x = COMMINST %new_stack <[@s]> (@f)",
    "EXC(%a() %b())",
    "= %a",
    "%x = %y",
    "%x = 1",
];

#[test]
fn errors_in_definitions() {
    insta::assert_snapshot!(report(DEFINITIONS));
}

#[test]
fn errors_in_functions() {
    insta::assert_snapshot!(report(FUNCTIONS));
}

/// Wraps an instruction into a function, behind an empty line so that its line is 2.
fn in_function(inst: &str) -> String {
    format!(".funcdef @f VERSION %v <@s> {{ %b():\n{inst}\n}}\n.typedef @after = void")
}

#[test]
fn errors_in_instructions() {
    let mut out = String::new();
    for inst in INSTRUCTIONS {
        let text = in_function(inst);
        let (draft, _) = parse(&text, SourceId(0));
        assert_eq!(draft.defs.len(), 2, "what follows is not read behind {inst}");
        out.push_str(&format!("{inst}\n"));
        for line in errors(&text).lines() {
            out.push_str(&format!("    {line}\n"));
        }
        out.push('\n');
    }
    insta::assert_snapshot!(out);
}

#[test]
fn all_errors_are_reported() {
    let text = "\
.typedef @i64 = Int<64>
.const @one <@i64> 1
.funcdef @f VERSION %v <@s> {
    %entry(<@i64> %a):
        %b = ADDD <@i64> %a @one
        %c = ADD <int<64>> %b 1
        BRANCH %next(%c

    %next(<@i64> %c)
        %d = CALL <@s> @f (%c) EXC(
            %next(%d)
            %caught(
        )
    %caught(<@i64> %c) [%e]:
        %fine = ADD <@i64> %c %c
        STORE SEQCST <@i64> %c %c
        RET (%c
}
.global @g <void>
.nothing
";
    insta::assert_snapshot!(errors(text));
    let (draft, _) = parse(text, SourceId(0));
    assert_eq!(draft.defs.len(), 2);
}

#[test]
fn reading_stops_after_a_hundred_errors() {
    let (_, diagnostics) = parse(&".nope ".repeat(1000), SourceId(0));
    assert_eq!(diagnostics.len(), 101);
    assert_eq!(diagnostics[100].code, codes::TOO_MANY_ERRORS);
}

#[test]
fn every_code_is_provoked() {
    let texts = DEFINITIONS.iter().chain(FUNCTIONS).map(|text| (*text).to_owned());
    let texts = texts.chain(INSTRUCTIONS.iter().map(|inst| in_function(inst)));
    let mut seen: BTreeSet<u16> =
        texts.flat_map(|text| parse(&text, SourceId(0)).1).map(|diagnostic| diagnostic.code.number).collect();
    // These are provoked by `limits_hold` and by the test above.
    seen.extend([codes::NAME_TOO_LONG, codes::TEXT_TOO_LONG, codes::TOO_MANY_ERRORS].map(|code| code.number));
    assert!(seen.contains(&name::UNKNOWN_COMM_INST.number));
    for code in codes::CODES {
        assert!(seen.contains(&code.number), "{} is not provoked", code.name);
    }
}
