//! Tests of reading, printing and formatting together.

use crate::lex::{Kind, Lexer};
use crate::parse::{Limits, parse_with};
use crate::{format, parse, print_draft};
use mu_ir::codes;
use mu_ir::diag::{Diagnostic, Source};
use mu_ir::draft::{ConstCtor, DefKind, Draft};
use mu_ir::ids::SourceId;
use mu_ir::table::{AngleArg, CommInst, MemOrder, Op, Part, RmwOp, StatusFlags, TYPE_CTORS};
use std::fmt::Write;
use std::path::{Path, PathBuf};

mod errors;
mod linked;

const RICH: &str = include_str!("rich.uir");

/// One line per diagnostic: `E1005 3:14 message | label | help: …`.
fn render(text: &str, diagnostics: &[Diagnostic]) -> String {
    let source = Source { name: String::new(), text: text.into() };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let (line, column) = source.line_col(diagnostic.primary.span.start);
        write!(out, "E{} {line}:{column} {}", diagnostic.code.number, diagnostic.message).unwrap();
        if !diagnostic.primary.text.is_empty() {
            write!(out, " | {}", diagnostic.primary.text).unwrap();
        }
        if let Some(help) = &diagnostic.help {
            write!(out, " | help: {help}").unwrap();
        }
        out.push('\n');
    }
    out
}

/// The draft of a text without errors.
fn draft(text: &str) -> Draft {
    let (draft, diagnostics) = parse(text, SourceId(0));
    assert!(diagnostics.is_empty(), "{}\nin\n{text}", render(text, &diagnostics));
    draft
}

/// What a draft says, without places.
fn content(draft: &Draft) -> String {
    let mut out = String::new();
    for def in &draft.defs {
        let debug = format!("{:?}", def.kind);
        let mut rest = debug.as_str();
        // Symbols become names; spans go.
        while let Some(at) = rest.find(['S', 's']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            if let Some(span) = from.strip_prefix("Span {") {
                rest = &span[span.find('}').unwrap() + 1..];
            } else if let Some((digits, behind)) = from
                .strip_prefix("Sym")
                .map(|sym| sym.split_at(sym.find(|c: char| !c.is_ascii_digit()).unwrap()))
                && let Ok(number) = digits.parse()
            {
                out.push_str(draft.symbols.name(mu_ir::ids::Sym(number)).unwrap_or("?"));
                rest = behind;
            } else {
                out.push_str(&from[..1]);
                rest = &from[1..];
            }
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

/// Every script and example of the repository that can be read.
fn corpus() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("tests/conformance"), root.join("examples")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "uir")
                && let Ok(text) = std::fs::read_to_string(&path)
                // A script may be about an error of the text form, and says so.
                && !text.lines().any(|line| line.starts_with("//! invalid") && (line.contains("E1") || line.trim() == "//! invalid"))
                && !text.contains("//! warns MU-E1")
            {
                files.push((path, text));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

/// A tiny generator of numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }
}

// ---- what is read

#[test]
fn the_corpus_is_read() {
    for (path, text) in corpus() {
        let (_, diagnostics) = parse(&text, SourceId(0));
        let errors: Vec<_> =
            diagnostics.into_iter().filter(|d| d.code != codes::name::UNKNOWN_COMM_INST).collect();
        assert!(errors.is_empty(), "{}:\n{}", path.display(), render(&text, &errors));
    }
}

#[test]
fn the_rich_sample_is_read() {
    let text = print_draft(&draft(RICH));
    insta::assert_snapshot!(text);
}

#[test]
fn local_names_are_expanded() {
    let draft = draft(
        ".funcdef @f VERSION %v <@s> { %b(<@i> %p) [%e]: %x = [%n] ADD <@i> %p @c BRANCH %b2(%x) \
         @g(): BRANCH @g() } .funcdef @h VERSION @h.w <@s> { @hb(): RET %x }",
    );
    let names: Vec<&str> =
        (0..draft.symbols.len()).filter_map(|i| draft.symbols.name(mu_ir::ids::Sym(i as u32))).collect();
    for name in ["@f.v", "@f.v.b", "@f.v.b.p", "@f.v.b.e", "@f.v.b.x", "@f.v.b.n", "@f.v.b2", "@g", "@hb.x"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
}

#[test]
fn parts_go_where_they_belong() {
    let draft = draft(
        ".funcdef @f VERSION %v <@s> { %b(): \
         (%r1 %r2) = [%i] SWAPSTACK %st RET_WITH <@a @b> PASS_VALUES <@c> (%x %y) EXC(%n(%r1) %e()) KEEPALIVE(%k) \
         SWITCH <@t> %op %d() { @c1 %d1(%z) @c2 %d2() } \
         %th = NEWTHREAD %st THREADLOCAL(%tl) THROW_EXC %exc \
         %w = WATCHPOINT 7 <@a> %dis() %ena() WPEXC(%exc()) }",
    );
    let DefKind::FuncDef(func) = &draft.defs[0].kind else { panic!() };
    let [swap, switch, thread, watch] = &func.blocks[0].insts[..] else { panic!() };
    assert_eq!((swap.results.len(), swap.types.len(), swap.attrs.split, swap.args.len()), (2, 3, 2, 3));
    assert!(
        swap.exc.is_some()
            && swap.keepalives.as_ref().is_some_and(|kept| kept.len() == 1)
            && swap.name.is_some()
    );
    assert_eq!((switch.types.len(), switch.args.len(), switch.dests.len()), (1, 3, 3));
    assert_eq!((thread.args.len(), thread.attrs.threadlocal), (3, true));
    assert_eq!((watch.attrs.literal, watch.dests.len(), watch.types.len()), (7, 3, 1));
    let text = |span: mu_ir::diag::Span| span.end - span.start;
    assert_eq!(text(func.blocks[0].span), 5);
    assert_eq!(text(switch.span), "SWITCH <@t> %op %d() { @c1 %d1(%z) @c2 %d2() }".len() as u32);
}

#[test]
fn constants_have_their_values() {
    let draft = draft(RICH);
    let value = |wanted: &str| {
        draft.defs.iter().find_map(|def| match &def.kind {
            DefKind::Const { name, ctor, .. } if draft.symbols.name(name.sym) == Some(wanted) => {
                Some(ctor.map(|_| ()))
            }
            _ => None,
        })
    };
    let double = |value: f64| Some(ConstCtor::Double(value.to_bits()));
    assert_eq!(value("@c1"), Some(ConstCtor::Int { negative: true, magnitude: 1 }));
    assert_eq!(value("@oct"), Some(ConstCtor::Int { negative: false, magnitude: 0o1234567 }));
    assert_eq!(value("@big"), Some(ConstCtor::Int { negative: false, magnitude: u128::MAX }));
    assert_eq!(value("@f2"), Some(ConstCtor::Float(1.5f32.to_bits())));
    assert_eq!(value("@f3"), Some(ConstCtor::Float(123.456e7f32.to_bits())));
    assert_eq!(value("@f4"), Some(ConstCtor::Float(0x7fc0_0000)));
    assert_eq!(value("@f6"), Some(ConstCtor::Float(f32::NEG_INFINITY.to_bits())));
    assert_eq!(value("@f8"), Some(ConstCtor::Float(0x7f80_0001)));
    assert_eq!(value("@d1"), double(-123.456e-7));
    assert_eq!(value("@d2"), double(1e5));
    assert_eq!(value("@d3"), double(0.5));
    assert_eq!(value("@d4"), double(5.0));
    assert_eq!(value("@d5"), double(1.0));
    assert_eq!(value("@d9"), double(f64::INFINITY));
    assert_eq!(value("@d10"), Some(ConstCtor::Double(u64::MAX)));
    assert_eq!(value("@d11"), double(1.0));
    assert_eq!(value("@odd"), Some(ConstCtor::Extern("a \"b\" \\ \u{7} é".into())));
}

#[test]
fn every_type_constructor_is_read() {
    for row in TYPE_CTORS {
        let params = match row.params {
            "" => "",
            "<n>" => "<8>",
            "<T n>" => "<@T 8>",
            "<T>" => "<@T>",
            "<sig>" => "<@sig>",
            _ => "<@T @U>",
        };
        for keyword in std::iter::once(&row.keyword).chain(row.also) {
            let draft = draft(&format!(".typedef @x = {keyword}{params}"));
            let DefKind::Type { ctor, .. } = &draft.defs[0].kind else { panic!() };
            assert_eq!(ctor.keyword(), row.keyword);
        }
    }
}

/// A bundle of random instructions, every one at least a few times, with random optional parts.
fn random_bundle(random: &mut Random, per_op: usize) -> String {
    let mut text = String::from(".funcdef @f VERSION %v <@s> {\n%b0():\n");
    let mut count = 0;
    for &op in Op::ALL {
        for _ in 0..per_op {
            count += 1;
            match random.below(4) {
                0 => {}
                1 => write!(text, "%r{count} = ").unwrap(),
                2 => write!(text, "(%r{count} @q{count}) = ").unwrap(),
                _ => text.push_str("() = "),
            }
            if random.chance() {
                write!(text, "[%i{count}] ").unwrap();
            }
            text.push_str(op.mnemonic());
            for &part in op.form().parts() {
                text.push(' ');
                random_part(random, part, &mut text);
            }
            text.push('\n');
            if random.below(8) == 0 {
                writeln!(text, "%b{count}(<@T> %p) [%e]:").unwrap();
            }
        }
    }
    text.push_str("}\n");
    text
}

fn random_part(random: &mut Random, part: Part, text: &mut String) {
    let mut any = |items: &[&str], most: usize| {
        let list: Vec<&str> = (0..random.below(most + 1)).map(|_| items[random.below(items.len())]).collect();
        list.join(" ")
    };
    let vars = |s: String| format!("({s})");
    let dest = ["%b0()", "%b0", "%b1(%a @c)", "@bb(%a)"];
    let one = |s: &str| s.to_owned();
    let piece = match part {
        Part::Status => {
            let mask = any(&["x"], 15).len() / 2;
            let set = StatusFlags::ALL.iter().filter(|(flag, _)| mask & flag.0 as usize != 0);
            let flags: Vec<String> = set.map(|(_, letter)| format!("#{letter}")).collect();
            if flags.is_empty() { String::new() } else { format!("[{}]", flags.join(" ")) }
        }
        Part::Ptr => any(&["PTR"], 1),
        Part::Weak => any(&["WEAK"], 1),
        Part::OrdOptional => any(&MemOrder::ALL.map(MemOrder::keyword), 1),
        Part::Ord | Part::OrdFail => one(MemOrder::ALL[random.below(7)].keyword()),
        Part::OrdAndRmw => {
            let mut words =
                [MemOrder::ALL[random.below(7)].keyword(), RmwOp::ALL[random.below(11)].keyword()];
            if random.chance() {
                words.reverse();
            }
            words.join(" ")
        }
        Part::CallConv => one("#DEFAULT"),
        Part::Angle(args) => {
            let args: Vec<&str> = args
                .iter()
                .map(|arg| match arg {
                    AngleArg::Type => "@T",
                    AngleArg::Sig => "@sig",
                    AngleArg::Index => "18446744073709551615",
                })
                .collect();
            format!("<{}>", args.join(" "))
        }
        Part::Arg => one(["%a", "@c", "%r.x-1"][random.below(3)]),
        Part::ArgList => vars(any(&["%a", "@c"], 4)),
        Part::RetArgs => match any(&["%a", "@c"], 3) {
            list if list.len() == 2 => list,
            list => vars(list),
        },
        Part::Dest => one(dest[random.below(4)]),
        Part::Cases => format!("{{ {} }}", any(&["@c %b0()", "@d %b1(%x %y)", "@e %b2"], 4)),
        Part::TypeList => format!("<{}>", any(&["@T", "@U"], 3)),
        Part::Wpid => one("4294967295"),
        Part::WpExc => any(&["WPEXC(%b0())"], 1),
        Part::ThreadLocal => any(&["THREADLOCAL(%a)"], 1),
        Part::CurStack => match random.chance() {
            true => format!("RET_WITH <{}>", any_types(random)),
            false => one("KILL_OLD"),
        },
        Part::NewStack => match random.chance() {
            true => format!("PASS_VALUES <{}> (%a)", any_types(random)),
            false => one("THROW_EXC %a"),
        },
        Part::Comm => {
            let mut comm = one(CommInst::ALL[random.below(CommInst::ALL.len())].name());
            for list in [" [#DEFAULT]", " <@T @U>", " <[@sig]>", " (%a @c)"] {
                if random.chance() {
                    comm.push_str(list);
                }
            }
            comm
        }
        Part::Exc => any(&["EXC(%b0(%a) %b1)"], 1),
        Part::Keepalive => any(&["KEEPALIVE (%a %b)", "KEEPALIVE()"], 1),
    };
    text.push_str(&piece);
}

fn any_types(random: &mut Random) -> String {
    ["", "@T", "@T @U"][random.below(3)].to_owned()
}

// ---- reading, printing, reading

/// Printing keeps the content, and printing again gives the same text. Formatting keeps the content too.
fn round_trip(text: &str) {
    let first = draft(text);
    let printed = print_draft(&first);
    let second = draft(&printed);
    assert_eq!(
        content(&first),
        content(&second),
        "printing changed the content of\n{text}\nprinted:\n{printed}"
    );
    assert_eq!(print_draft(&second), printed);
    assert_eq!(format(&printed, false).as_deref(), Ok(printed.as_str()), "what is printed is not formatted");

    let formatted = format(text, false).unwrap();
    assert_eq!(
        content(&first),
        content(&draft(&formatted)),
        "formatting changed the content of\n{text}\n{formatted}"
    );
    assert_eq!(format(&formatted, false).as_deref(), Ok(formatted.as_str()), "formatting twice differs");
    assert_eq!(all_tokens(text), all_tokens(&formatted));
}

/// All tokens of a text, comments included.
pub(crate) fn kinds(text: &str) -> Vec<(Kind, &str)> {
    let mut lexer = Lexer::new(text);
    let mut out = Vec::new();
    loop {
        let token = lexer.next_with_comments();
        if token.kind == Kind::Eof {
            return out;
        }
        out.push((token.kind, &text[token.start as usize..token.end as usize]));
    }
}

fn all_tokens(text: &str) -> Vec<String> {
    kinds(text).into_iter().map(|(_, text)| text.trim_end().to_owned()).collect()
}

#[test]
fn the_rich_sample_survives() {
    round_trip(RICH);
}

#[test]
fn random_instructions_survive() {
    let mut random = Random(1);
    for _ in 0..20 {
        round_trip(&random_bundle(&mut random, 4));
    }
}

#[test]
fn the_corpus_survives() {
    for (path, text) in corpus() {
        let readable = parse(&text, SourceId(0)).1.is_empty();
        if readable {
            let result = std::panic::catch_unwind(|| round_trip(&text));
            assert!(result.is_ok(), "in {}", path.display());
        }
    }
}

#[test]
fn any_white_space_is_formatted() {
    let tokens = all_tokens(RICH);
    let between = [
        " ",
        " ",
        " ",
        " ",
        "  ",
        "     ",
        "\t",
        "\n",
        "\n    ",
        "\n\n\n",
        " // c\n",
        "\n  // own\n",
        "\n//! d\n",
        "\r\n",
        "// e\n\n// f\n\n",
    ];
    let mut random = Random(11);
    for _ in 0..200 {
        let mut text = String::new();
        for token in &tokens {
            text.push_str(token);
            let comment = token.starts_with("//");
            text.push_str(if comment { "\n" } else { between[random.below(between.len())] });
        }
        round_trip(&text);
    }
}

#[test]
fn nameless_symbols_get_names() {
    let mut draft =
        draft(".typedef @a = void .funcdef @f VERSION %v <@s> { %b(<@a> %p): %x = EQ <@a> %p %p RET %x }");
    let clash = draft.symbols.anonymous();
    draft.symbols.intern(&format!("@anon.x{}", clash.index()));
    let nameless = |name: &mut mu_ir::inst::Use, draft: &mut Draft| name.sym = draft.symbols.anonymous();
    let mut defs = std::mem::take(&mut draft.defs);
    let DefKind::Type { name, .. } = &mut defs[0].kind else { panic!() };
    name.sym = clash;
    let DefKind::FuncDef(func) = &mut defs[1].kind else { panic!() };
    nameless(&mut func.version, &mut draft);
    nameless(&mut func.blocks[0].name, &mut draft);
    nameless(&mut func.blocks[0].insts[0].results[0], &mut draft);
    draft.defs = defs;
    let printed = print_draft(&draft);
    assert_eq!(print_draft(&self::draft(&printed)), printed);
    assert!(printed.contains(&format!(".typedef @anon.x{}_ = void", clash.index())), "{printed}");
}

// ---- hostile texts

#[test]
fn every_prefix_of_a_text_is_read() {
    for end in 0..=RICH.len() {
        if RICH.is_char_boundary(end) {
            let (draft, _) = parse(&RICH[..end], SourceId(0));
            print_draft(&draft);
        }
    }
}

#[test]
fn mutated_texts_are_read() {
    let tokens = all_tokens(RICH);
    let extra = [
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        "[",
        "]",
        "=",
        ":",
        "->",
        "\"",
        "@",
        "%",
        "#",
        "\0",
        "é",
        ".typedef",
        ".nope",
        "0x",
        "1e",
        "EXC",
        "VERSION",
        "\n",
        "//",
        "-",
        "+inf",
        "99999999999999999999999999999999999999999",
    ];
    let mut random = Random(7);
    for _ in 0..300 {
        let mut mutated = tokens.clone();
        for _ in 0..=random.below(6) {
            let at = random.below(mutated.len());
            match random.below(4) {
                0 => _ = mutated.remove(at),
                1 => mutated.insert(at, extra[random.below(extra.len())].to_owned()),
                2 => mutated[at] = tokens[random.below(tokens.len())].clone(),
                _ => mutated.swap(at, random.below(tokens.len()).min(tokens.len() - 8)),
            }
        }
        let separator = if random.chance() { " " } else { "\n" };
        let text = mutated.join(separator);
        let (draft, diagnostics) = parse(&text, SourceId(0));
        print_draft(&draft);
        assert!(diagnostics.len() <= 101);
        for diagnostic in &diagnostics {
            let span = diagnostic.primary.span;
            assert!(span.start <= span.end && span.end as usize <= text.len());
        }
        if diagnostics.is_empty() {
            round_trip(&text);
        }
    }
}

#[test]
fn large_repetitions_are_read() {
    let head = ".funcdef @f VERSION %v <@s> { %b():";
    // The debug build takes its time.
    let size = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    parse(&format!("{head}{}", "{".repeat(1_000_000)), SourceId(0));
    for piece in [
        "{",
        "}",
        "(",
        "<",
        "[",
        ".typedef",
        "\"",
        "@",
        "%a",
        "%a\n",
        "\n(\n%a",
        "%b(\n",
        "\0",
        "é",
        "-",
        ".",
        "#",
        "SWITCH <@T> %a %b() {\n",
        "EXC(",
        "COMMINST @x (",
        "\n%a(%b",
        "RET %a\n",
        "1 ",
        "NULL ",
        "= ",
    ] {
        for head in ["", head, ".typedef @x = struct<", ".const @x <@T> = "] {
            let text = format!("{head}{}", piece.repeat(size / piece.len()));
            let (_, diagnostics) = parse(&text, SourceId(0));
            assert!(diagnostics.len() <= 101);
        }
    }
    for long in ["@", "%", "#", "A", ".a", "0x", "1.", "\""] {
        let text = format!(".const @x <@T> = {long}{}", "1".repeat(1_000_000));
        let (_, diagnostics) = parse(&text, SourceId(0));
        assert!(diagnostics.iter().all(|d| d.message.len() < 200), "{long}");
    }
}

#[test]
fn limits_hold() {
    let tight = Limits { text: 80, name: 8, all_names: 20, errors: 2 };
    let codes_of = |text: &str| -> Vec<u16> {
        parse_with(text, SourceId(0), tight).1.iter().map(|diagnostic| diagnostic.code.number).collect()
    };
    assert_eq!(codes_of(".typedef @abcdefg = void"), [0u16; 0]);
    assert_eq!(codes_of(".typedef @abcdefgh = void"), [1029]);
    assert_eq!(codes_of(".funcdef @f VERSION %v <@s> { %b(): RET %x1 }"), [1029]);
    assert_eq!(codes_of(".global @aaaaaaa <@bbbbbbb> .global @ccccccc <@ddddddd> .global @e <@f>"), [1029]);
    assert_eq!(codes_of(&" ".repeat(80)), [1030]);
    assert_eq!(codes_of("1 .a 2 .b 3 .c 4"), [1005, 1007, 1031]);
}

// ---- speed

/// Prints how long reading, printing and formatting take; run it with `--release -- --nocapture speed`.
#[test]
fn speed() {
    let mut random = Random(3);
    let body = random_bundle(&mut random, 20);
    let mut text = String::new();
    while text.len() < if cfg!(debug_assertions) { 500_000 } else { 5_000_000 } {
        text.push_str(&body.replace("@f ", &format!("@f{} ", text.len())));
    }
    let count = all_tokens(&text).len();
    let mut read = None;
    for (what, run) in [
        ("read", &mut (|text: &str| read = Some(parse(text, SourceId(0)).0)) as &mut dyn FnMut(&str)),
        ("read", &mut |text| drop(parse(text, SourceId(0)))),
        ("format", &mut |text| drop(format(text, false))),
    ] {
        let start = std::time::Instant::now();
        run(&text);
        let time = start.elapsed();
        let per_byte = time.as_nanos() as f64 / text.len() as f64;
        println!("{what}: {} bytes, {count} tokens in {time:.1?}, {per_byte:.1} ns/byte", text.len());
    }
    let start = std::time::Instant::now();
    let printed = print_draft(&read.unwrap());
    println!("print: {} bytes in {:.1?}", printed.len(), start.elapsed());
}
