//! Printing of linked programs: what is printed loads again, as the same bundle.

use super::{content, corpus, draft};
use crate::{format, parse, print_draft, print_program};
use mu_ir::diag::Diagnostic;
use mu_ir::draft::{DefKind, Draft};
use mu_ir::ids::SourceId;
use mu_ir::link::{Loaded, Options, load};
use mu_ir::program::Program;

fn load_draft(program: &mut Program, draft: &Draft) -> Result<Loaded, Vec<Diagnostic>> {
    let before = program.mark();
    load(program, draft, before, &Options { lenient: false, resolve_extern: &|_| Some(1) })
}

/// Loads a text that has no errors.
fn load_text(program: &mut Program, text: &str) -> Loaded {
    let draft = draft(text);
    load_draft(program, &draft).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

/// Definitions in any order, because a program prints by ids.
fn sorted_content(text: &str) -> Vec<String> {
    let content = content(&draft(text));
    let mut lines: Vec<String> = content.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn the_corpus_survives_linking() {
    let mut loaded = 0;
    for (path, text) in corpus() {
        let (draft, diagnostics) = parse(&text, SourceId(0));
        let mut program = Program::new();
        if !diagnostics.is_empty() || load_draft(&mut program, &draft).is_err() {
            // Scripts about errors, and parts that need another bundle.
            continue;
        }
        loaded += 1;
        let printed = print_program(&program, None);
        assert_eq!(
            sorted_content(&text),
            sorted_content(&printed),
            "{} printed as\n{printed}",
            path.display()
        );
        let mut again = Program::new();
        load_text(&mut again, &printed);
        assert_eq!(print_program(&again, None), printed, "in {}", path.display());
        assert_eq!(format(&printed, false).as_deref(), Ok(printed.as_str()));
    }
    assert!(loaded > 50, "only {loaded} texts were loaded");
}

const FIRST: &str = "\
.typedef @i64 = int<64>
.const @one <@i64> = 1
.funcsig @sig = (@i64) -> (@i64)
.funcdecl @later <@sig>

.funcdef @f VERSION %v1 <@sig> {
    %entry(<@i64> %n):
        %m = ADD <@i64> %n @one
        RET %m
}
";

const SECOND: &str = "\
.const @two <@i64> = 2
.global @cell <@i64>

.funcdef @f VERSION %v2 <@sig> {
    %entry(<@i64> %n):
        %m = ADD <@i64> %n @two
        RET %m
}

.funcdef @later VERSION %v1 <@sig> {
    %entry(<@i64> %n):
        TAILCALL <@sig> @f (%n)
}

.expose @e = @f #DEFAULT @two
";

#[test]
fn bundles_are_printed_one_by_one() {
    let mut program = Program::new();
    let first = load_text(&mut program, FIRST);
    assert_eq!(sorted_content(&print_program(&program, Some(&first.mark))), sorted_content(FIRST));
    let second = load_text(&mut program, SECOND);
    let printed = print_program(&program, Some(&second.mark));
    assert_eq!(sorted_content(&printed), sorted_content(SECOND));
    let mut again = Program::new();
    load_text(&mut again, FIRST);
    let loaded = load_text(&mut again, &printed);
    assert_eq!(print_program(&again, Some(&loaded.mark)), printed);

    let all = print_program(&program, None);
    assert!(all.contains("// An older version, @f.v1, is left out."), "{all}");
    assert!(!all.contains(".funcdecl"), "a defined function is declared too:\n{all}");
    load_text(&mut Program::new(), &all);
    assert_eq!(print_program(&Program::new(), None), "");
}

#[test]
fn nameless_entities_get_names() {
    let mut draft = draft(FIRST);
    let mut nameless = draft.symbols.anonymous();
    for def in &mut draft.defs {
        // The type loses its name where it is defined and used; so do the version, the block and its variables.
        let mut next = || std::mem::replace(&mut nameless, draft.symbols.anonymous());
        if let DefKind::FuncDef(func) = &mut def.kind {
            func.version.sym = next();
            let block = &mut func.blocks[0];
            block.name.sym = next();
            let (param, result) = (next(), next());
            block.params[0].1.sym = param;
            block.insts[0].results[0].sym = result;
            block.insts[0].args[0].sym = param;
            block.insts[1].args[0].sym = result;
        }
    }
    let mut program = Program::new();
    load_draft(&mut program, &draft).unwrap();
    let printed = print_program(&program, None);
    let mut again = Program::new();
    load_text(&mut again, &printed);
    assert_eq!(print_program(&again, None), printed);
    assert!(!printed.contains("%entry") && printed.contains("VERSION %v"), "{printed}");
    // The draft prints the same program, with other made-up names.
    load_text(&mut Program::new(), &print_draft(&draft));
}
