//! Hostile texts: whatever is loaded, time stays about linear in its size and the host stack stays small.
//!
//! Each shape makes one thing large: nesting, a list, a name, the number of definitions, of errors, of bundles. It is
//! loaded (and run, where there is something to run) at two sizes, ten apart, on a thread with 256 KiB of stack: a
//! recursion whose depth the text decides overflows it and ends the process. Work that grows like the square of the
//! size shows in the ratio of the two times, which is printed; the assertion is only a generous bound, because
//! machines differ.
//!
//! ```text
//! cargo test --release --test hostile -- --nocapture --test-threads=1
//! nested types              100000     6888895 B      231 ms     33.5 ns/B   x1.1 per byte
//! ```
//! The last column compares the time per byte of the two sizes: 1 is linear, 10 is quadratic.

use mu_vm::{LoadError, Mu, Options, Outcome};
use std::fmt::Write;
use std::time::{Duration, Instant};

const HOST_STACK_BYTES: usize = 256 << 10;

/// No shape may take longer, even in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// What every text begins with.
const HEAD: &str = "
    .typedef @i64 = int<64>
    .typedef @i1 = int<1>
    .typedef @void = void
    .typedef @ref = ref<@void>
    .const @zero <@i64> = 0
    .const @seven <@i64> = 7
    .funcsig @main.sig = () -> (@i64)
";

/// A function that returns 7 after some instructions.
fn main_with(insts: &str) -> String {
    format!(".funcdef @main VERSION %v <@main.sig> {{ %entry():\n {insts}\n RET @seven }}\n")
}

/// What must happen to a text.
#[derive(Clone, Copy)]
enum Expect {
    /// It loads.
    Loads,
    /// It loads, and `@main` returns 7.
    Runs,
    /// It loads, and `@main` ends in some way: this much may be more than the implementation can run.
    Ends,
    /// It does not load, and one of the errors has this code.
    Fails(&'static str),
    /// It does not load.
    Refused,
}

fn new_mu() -> Mu {
    Mu::new(Options::default()).unwrap()
}

fn run_main(mu: &mut Mu) -> Outcome {
    let main = mu.func("@main").unwrap();
    mu.call(main, vec![])
}

fn assert_error(error: &LoadError, code: &str) {
    let codes: Vec<String> = error.diagnostics.iter().take(5).map(|found| found.code.text()).collect();
    assert!(
        error.diagnostics.iter().any(|found| found.code.text() == code),
        "{code} is not among {codes:?}…"
    );
}

/// Loads a text into a new instance and does what is expected.
fn load(text: &str, expect: Expect) {
    let mut mu = new_mu();
    let loaded = mu.load_bundle("hostile.uir", text);
    match (expect, loaded) {
        (Expect::Loads, Ok(_)) => {}
        (Expect::Runs, Ok(_)) => match run_main(&mut mu) {
            Outcome::Return(values) => assert_eq!(values[0].as_u64(), 7),
            other => panic!("{other:?}"),
        },
        (Expect::Ends, Ok(_)) => drop(run_main(&mut mu)),
        (Expect::Fails(code), Err(error)) => {
            assert_error(&error, code);
            assert!(error.to_string().len() < 100 << 20);
        }
        (Expect::Refused, Err(_)) => {}
        (Expect::Loads | Expect::Runs | Expect::Ends, Err(mut error)) => {
            error.diagnostics.truncate(3);
            panic!("{error}");
        }
        (Expect::Fails(_) | Expect::Refused, Ok(_)) => panic!("it loads"),
    }
}

/// Runs something on a thread with a small stack, and measures it.
fn on_small_stack<T: Send + Sync>(input: &T, work: impl Fn(&T) + Send + Sync) -> Duration {
    std::thread::scope(|scope| {
        let run = || {
            let start = Instant::now();
            work(input);
            start.elapsed()
        };
        let thread = std::thread::Builder::new().stack_size(HOST_STACK_BYTES).spawn_scoped(scope, run);
        thread.unwrap().join().unwrap()
    })
}

/// Does something with the texts of sizes n / 10 and n, and prints how long it took. Debug builds take a fifth.
fn measure(name: &str, n: usize, make: impl Fn(usize) -> String, work: impl Fn(&String) + Send + Sync) {
    let n = if cfg!(debug_assertions) { n / 5 } else { n };
    let mut per_byte = [0.0; 2];
    for (at, n) in [n / 10, n].into_iter().enumerate() {
        let text = make(n);
        let time = on_small_stack(&text, &work);
        per_byte[at] = time.as_nanos() as f64 / text.len() as f64;
        let ratio =
            if at == 1 { format!("x{:.1} per byte", per_byte[1] / per_byte[0]) } else { String::new() };
        let (bytes, millis) = (text.len(), time.as_millis());
        println!("{name:32} {n:8} {bytes:10} B {millis:7} ms {:9.1} ns/B   {ratio}", per_byte[at]);
        assert!(time < LONGEST, "{name}, {n}: {time:?}");
    }
}

fn check(name: &str, n: usize, expect: Expect, make: impl Fn(usize) -> String) {
    measure(name, n, make, |text| load(text, expect));
}

/// One line for each number, behind the head.
fn lines(n: usize, line: impl Fn(&mut String, usize) -> std::fmt::Result) -> String {
    let mut text = String::from(HEAD);
    for i in 0..n {
        line(&mut text, i).unwrap();
        text.push('\n');
    }
    text
}

// ---- types

#[test]
fn nested_types() {
    check("nested types", 100_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = struct<@i64>"),
            _ => write!(out, ".typedef @t{i} = struct<@t{}>", i - 1),
        });
        text += &main_with(&format!("%r = NEW <@t{0}> %i = GETIREF <@t{0}> %r %v = LOAD <@t{0}> %i", n - 1));
        text
    });
}

#[test]
fn nested_types_outermost_first() {
    check("nested types, outermost first", 100_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = struct<@i64>"),
            _ => write!(out, ".typedef @t{} = struct<@t{}>", n - i, if i + 1 == n { 0 } else { n - i - 1 }),
        });
        text += &main_with(&format!("%r = NEW <@t{}>", n - 1));
        text
    });
}

#[test]
fn nested_references() {
    check("nested references", 100_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = ref<@i64>"),
            _ => write!(out, ".typedef @t{i} = ref<@t{}>", i - 1),
        });
        text += &main_with(&format!("%r = NEW <@t{0}>", n - 1));
        text
    });
}

#[test]
fn nested_arrays() {
    // The size doubles at each level: far beyond any memory.
    check("nested arrays", 100_000, Expect::Ends, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = array<@i64 2>"),
            _ => write!(out, ".typedef @t{i} = array<@t{} 2>", i - 1),
        });
        text += &main_with(&format!("%r = NEW <@t{}>", n - 1));
        text
    });
}

#[test]
fn nested_signatures() {
    check("nested signatures", 100_000, Expect::Loads, |n| {
        lines(n, |out, i| match i {
            0 => write!(out, ".funcsig @s0 = () -> ()"),
            _ => write!(out, ".funcsig @s{i} = (@f{0}) -> () .typedef @f{0} = funcref<@s{0}>", i - 1),
        })
    });
}

#[test]
fn a_type_that_contains_itself_deep_inside() {
    check("infinite type", 100_000, Expect::Fails("MU-E3006"), |n| {
        lines(n, |out, i| write!(out, ".typedef @t{i} = struct<@t{}>", (i + 1) % n))
    });
}

#[test]
fn wide_structs() {
    check("wide struct", 100_000, Expect::Runs, |n| {
        let mut text = String::from(HEAD);
        text += ".typedef @wide = struct<";
        text += &"@i64 @ref ".repeat(n / 2);
        text += ">\n";
        // The same again: one type.
        text += ".typedef @wide2 = struct<";
        text += &"@i64 @ref ".repeat(n / 2);
        text += ">\n";
        let last = n - 2;
        text += &main_with(&format!(
            "%r = NEW <@wide> %i = GETIREF <@wide> %r %f = GETFIELDIREF <@wide2 {last}> %i STORE <@i64> %f @seven"
        ));
        text
    });
}

#[test]
fn many_recursive_types_in_a_ring() {
    // One component; all members differ because of the marked one.
    check("ring of types", 100_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = ref<@s> .typedef @s = struct<@i64 @t{}>", n - 1),
            _ => write!(out, ".typedef @t{i} = ref<@t{}>", i - 1),
        });
        text += &main_with("%r = NEW <@s>");
        text
    });
}

#[test]
fn many_recursive_types_that_are_one() {
    check("equal recursive types", 100_000, Expect::Runs, |n| {
        let mut text =
            lines(n, |out, i| write!(out, ".typedef @n{i} = struct<@i64 @r{i}> .typedef @r{i} = ref<@n{i}>"));
        text += &main_with(&format!("%r = NEW <@n0> %i = GETIREF <@n{}> %r", n - 1));
        text
    });
}

#[test]
fn recursive_types_that_look_alike() {
    // Rings that differ only far away from where they begin: behind `depth` references.
    check("look-alike recursive types", 100_000, Expect::Loads, |n| {
        let depth = 20;
        lines(n / depth, |out, i| {
            for at in 1..depth {
                write!(out, ".typedef @r{i}.{at} = ref<@r{i}.{}> ", at - 1)?;
            }
            let marks = "@i64 ".repeat(1 + i % 7);
            write!(
                out,
                ".typedef @r{i}.0 = ref<@s{i}> .typedef @s{i} = struct<{marks} @a{i} @r{i}.{}> ",
                depth - 1
            )?;
            write!(out, ".typedef @a{i} = array<@i64 {}>", i + 1)
        })
    });
}

#[test]
fn recursive_types_that_refer_to_older_ones() {
    check("recursive types over older ones", 30_000, Expect::Loads, |n| {
        // Each refers to all of a block of older ones of its own size.
        let side = n.isqrt();
        lines(2 * side, |out, i| {
            write!(out, ".typedef @r{i} = ref<@n{i}> .typedef @n{i} = struct<@r{i} @l{i} ")?;
            if i > side {
                (0..side).try_for_each(|old| write!(out, "@r{old} "))?;
            }
            write!(out, "> .typedef @l{i} = array<@i64 {}>", i + 1)
        })
    });
}

#[test]
fn loads_of_every_level_of_a_nested_type() {
    check("loads of every level", 20_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = struct<@i64> .global @g0 <@t0>"),
            _ => write!(out, ".typedef @t{i} = struct<@t{}> .global @g{i} <@t{i}>", i - 1),
        });
        let loads: String = (0..n).map(|i| format!("%v{i} = LOAD <@t{i}> @g{i}\n")).collect();
        text += &main_with(&loads);
        text
    });
}

#[test]
fn rings_that_look_alike_for_long() {
    // Two marks in a ring of 200 references: the rings agree on long ways.
    check("rings that look alike", 200_000, Expect::Loads, |n| {
        let len = 200;
        lines(n / len, |out, i| {
            for at in 0..len {
                let ctor = if at == 0 || at == 1 + i % (len - 1) { "iref" } else { "ref" };
                write!(out, ".typedef @r{i}.{at} = {ctor}<@r{i}.{}> ", (at + 1) % len)?;
            }
            Ok(())
        })
    });
}

// ---- constants

#[test]
fn nested_constants() {
    check("nested constants", 100_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = struct<@i64> .const @c0 <@t0> = {{@seven}}"),
            _ => write!(out, ".typedef @t{i} = struct<@t{0}> .const @c{i} <@t{i}> = {{@c{0}}}", i - 1),
        });
        text += &main_with(&format!("%x = EXTRACTVALUE <@t{0} 0> @c{0}", n - 1));
        text
    });
}

#[test]
fn exponential_constants() {
    // 2^levels words; nothing may try to write them down.
    check("exponential constants", 400, Expect::Ends, |n| {
        let mut text = lines(n, |out, i| match i {
            0 => write!(out, ".typedef @t0 = struct<@i64 @i64> .const @c0 <@t0> = {{@seven @seven}}"),
            _ => write!(
                out,
                ".typedef @t{i} = struct<@t{0} @t{0}> .const @c{i} <@t{i}> = {{@c{0} @c{0}}}",
                i - 1
            ),
        });
        text += &main_with(&format!("%x = EXTRACTVALUE <@t{0} 0> @c{0}", n - 1));
        text
    });
}

#[test]
fn many_constants_in_one_function() {
    // Each has a slot in the frame, and so has each result: 800 KB of a stack of 1 MiB.
    check("constants in one function", 50_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| write!(out, ".const @k{i} <@i64> = {i}"));
        let mut insts = String::new();
        for i in 0..n {
            writeln!(insts, "%x{i} = ADD <@i64> @k{i} @zero").unwrap();
        }
        text += &main_with(&insts);
        text
    });
}

#[test]
fn a_wide_constant() {
    check("wide constant", 60_000, Expect::Runs, |n| {
        let mut text = String::from(HEAD);
        write!(text, ".typedef @a = array<@i64 {n}> .const @c <@a> = {{").unwrap();
        text += &"@seven ".repeat(n);
        text += "}\n";
        text += &main_with("%x = EXTRACTELEMENT <@a @i64> @c @zero");
        text
    });
}

#[test]
fn constants_that_contain_themselves() {
    check("recursive constants", 100_000, Expect::Fails("MU-E3027"), |n| {
        lines(n, |out, i| {
            write!(out, ".typedef @t{i} = struct<@i64> .const @c{i} <@t{i}> = {{@c{}}}", (i + 1) % n)
        })
    });
}

#[test]
fn many_large_values() {
    // Each of the loads, branches and calls moves a value of 60,000 words, so a short text asks for much code.
    check("large values", 5_000, Expect::Ends, |n| {
        let mut text = String::from(HEAD);
        text += ".typedef @big = array<@i64 60000> .global @g <@big>
            .funcsig @big.sig = (@big @big) -> () .funcdecl @take <@big.sig>\n";
        text += ".funcdef @main VERSION %v <@main.sig> { %entry(): %v = LOAD <@big> @g BRANCH %b0(%v)\n";
        for i in 0..n {
            writeln!(
                text,
                "%b{i}(<@big> %v): %w = LOAD <@big> @g CALL <@big.sig> @take (%v %w) BRANCH %b{}(%w)",
                i + 1
            )
            .unwrap();
        }
        writeln!(text, "%b{n}(<@big> %v): RET @seven }}").unwrap();
        text
    });
}

#[test]
fn a_signature_with_many_large_parameters() {
    check("large parameters", 100_000, Expect::Loads, |n| {
        let mut text = String::from(HEAD);
        text += ".typedef @big = array<@i64 65536> .funcsig @many.sig = (";
        text += &"@big ".repeat(n);
        text +=
            ") -> () .funcdecl @many <@many.sig>\n .const @f <@fr> = NULL .typedef @fr = funcref<@many.sig>";
        text
    });
}

// ---- function bodies

#[test]
fn a_switch_with_many_cases() {
    check("switch", 1_000_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| write!(out, ".const @k{i} <@i64> = {i}"));
        text += ".funcdef @main VERSION %v <@main.sig> { %entry(): SWITCH <@i64> @seven %default() {\n";
        for i in 0..n {
            text += if i == 7 { "@k7 %seven()\n" } else { "" };
            if i != 7 {
                writeln!(text, "@k{i} %default()").unwrap();
            }
        }
        text += "} %default(): RET @zero %seven(): RET @seven }\n";
        text
    });
}

#[test]
fn a_block_with_many_parameters() {
    check("block parameters", 50_000, Expect::Runs, |n| {
        let mut text = String::from(HEAD);
        text += ".funcdef @main VERSION %v <@main.sig> { %entry(): BRANCH %loop(@seven ";
        text += &"@zero ".repeat(n - 1);
        text += ")\n %loop(";
        (0..n).for_each(|i| write!(text, "<@i64> %p{i} ").unwrap());
        // Rotated by one: one long cycle of moves; until the seven comes round.
        write!(text, "): %done = EQ <@i64> %p{} @seven BRANCH2 %done %out() %loop(%p{} ", 5, n - 1).unwrap();
        (1..n).for_each(|i| write!(text, "%p{} ", i - 1).unwrap());
        text += ") %out(): RET @seven }\n";
        text
    });
}

#[test]
fn many_blocks() {
    check("blocks", 100_000, Expect::Runs, |n| {
        let mut text = String::from(HEAD);
        text += ".funcdef @main VERSION %v <@main.sig> { %entry(): BRANCH %b0(@seven)\n";
        for i in 0..n {
            writeln!(text, "%b{i}(<@i64> %x): BRANCH %b{}(%x)", i + 1).unwrap();
        }
        writeln!(text, "%b{n}(<@i64> %x): RET %x }}").unwrap();
        text
    });
}

#[test]
fn a_block_with_many_instructions() {
    check("instructions in one block", 100_000, Expect::Runs, |n| {
        let mut text = String::from(HEAD);
        text += ".funcdef @main VERSION %v <@main.sig> { %entry(): %x0 = ADD <@i64> @seven @zero\n";
        for i in 0..n {
            writeln!(text, "%x{} = ADD <@i64> %x{i} @zero", i + 1).unwrap();
        }
        writeln!(text, "RET %x{n} }}").unwrap();
        text
    });
}

#[test]
fn a_call_with_many_arguments() {
    check("arguments and results", 30_000, Expect::Runs, |n| {
        let mut text = String::from(HEAD);
        let tys = "@i64 ".repeat(n);
        writeln!(text, ".funcsig @many = ({tys}) -> ({tys})").unwrap();
        text += ".funcdef @callee VERSION %v <@many> { %entry(";
        (0..n).for_each(|i| write!(text, "<@i64> %p{i} ").unwrap());
        text += "): RET (";
        (0..n).for_each(|i| write!(text, "%p{i} ").unwrap());
        text += ") }\n .funcdef @main VERSION %v <@main.sig> { %entry(): (";
        (0..n).for_each(|i| write!(text, "%r{i} ").unwrap());
        text += ") = CALL <@many> @callee (";
        text += &"@seven ".repeat(n);
        writeln!(text, ") RET %r{} }}", n - 1).unwrap();
        text
    });
}

#[test]
fn many_functions_that_call_each_other() {
    check("functions", 50_000, Expect::Runs, |n| {
        let mut text = lines(n, |out, i| {
            // Every function names others, forwards and backwards; a few are called.
            let next = if i + 1 < n.min(100) { format!("@f{}", i + 1) } else { "@last".into() };
            write!(
                out,
                ".funcdef @f{i} VERSION %v <@main.sig> {{ %entry(): %a = EQ <@fr> @f{} @f{}
                    %r = CALL <@main.sig> {next} () RET %r }}",
                (i * 7919) % n,
                n - 1 - i
            )
        });
        text += ".typedef @fr = funcref<@main.sig>
            .funcdef @last VERSION %v <@main.sig> { %entry(): RET @seven }
            .funcdef @main VERSION %v <@main.sig> { %entry(): %r = CALL <@main.sig> @f0 () RET %r }\n";
        text
    });
}

#[test]
fn many_exposed_functions() {
    check("exposed functions", 50_000, Expect::Loads, |n| {
        // The functions come behind their use.
        let mut text = lines(n, |out, i| write!(out, ".expose @e{i} = @f{} #DEFAULT @zero", n - 1 - i));
        for i in 0..n {
            writeln!(text, ".funcdecl @f{i} <@main.sig>").unwrap();
        }
        text
    });
}

// ---- names and tokens

#[test]
fn a_long_name() {
    check("long name", 1_000_000, Expect::Refused, |n| {
        let name = "n".repeat(n);
        format!("{HEAD} .const @{name} <@i64> = 1 .const @c <@t> = @{name}")
    });
}

#[test]
fn local_names_in_a_function_with_a_long_name() {
    // Local names are sugar for global ones, so each costs as much as the names around it.
    check("local names of a long name", 10_000, Expect::Runs, |n| locals_of_a_long_name(n, 5_000));
    // A megabyte that would stand for one gigabyte of names.
    load(&locals_of_a_long_name(60_000, 16_000), Expect::Fails("MU-E1029"));
}

fn locals_of_a_long_name(n: usize, length: usize) -> String {
    let name = "f".repeat(length);
    let mut text = String::from(HEAD);
    writeln!(text, ".funcdef @{name} VERSION %v <@main.sig> {{ %entry():").unwrap();
    (0..n).for_each(|i| writeln!(text, "%x{i} = ADD <@i64> @seven @zero").unwrap());
    text += "RET @seven }\n";
    text += &main_with("");
    text
}

#[test]
fn a_long_literal() {
    check("long literal", 1_000_000, Expect::Refused, |n| {
        format!("{HEAD} .const @c <@i64> = {}", "9".repeat(n))
    });
}

#[test]
fn a_long_fraction() {
    check("long fraction", 1_000_000, Expect::Loads, |n| {
        format!(".typedef @d = double .const @c <@d> = 0.{}d", "123456789".repeat(n / 9))
    });
}

#[test]
fn tokens_without_sense() {
    for (name, unit) in [
        ("opening braces", "{"),
        ("opening brackets", "("),
        ("angle brackets", "<"),
        ("quotation marks", "\""),
        ("backslashes", "\"\\"),
        ("zero bytes", "\0"),
        ("not ASCII", "ü ö\n"),
        ("percent signs", "%"),
        ("slashes", "/ "),
        ("half definitions", ".funcdef @f VERSION %v <@s> { %e(): "),
        ("half instructions", ".funcdef @f VERSION %v <@s> { %e(): %x = SWITCH <@t> %x %y { "),
        ("results without end", ".funcdef @f VERSION %v <@s> { %e(): ( %x %y %z \n( %x"),
    ] {
        check(name, 1_000_000, Expect::Refused, |n| format!("{HEAD} {}", unit.repeat(n / unit.len())));
    }
}

#[test]
fn parentheses_that_need_a_look_ahead() {
    check("look-ahead", 500_000, Expect::Refused, |n| {
        let list = "%a ".repeat(n / 6);
        let mut text = format!("{HEAD} .funcdef @f VERSION %v <@main.sig> {{ %e(): ");
        for _ in 0..2 {
            write!(text, "BRANCH %b\n ({list}\n").unwrap();
        }
        text
    });
}

// ---- errors

#[test]
fn many_errors_of_one_kind() {
    let all: [(&str, &str, &str); 9] = [
        ("errors: unknown variable", "MU-E2001", "%y{i} = ADD <@i64> %nothing{i} @zero"),
        ("errors: unknown constant", "MU-E2001", "%y{i} = ADD <@i64> @nothing{i} @zero"),
        ("errors: unknown type", "MU-E2001", "%y{i} = ADD <@nothing{i}> @zero @zero"),
        ("errors: wrong kind", "MU-E2004", "%y{i} = ADD <@i64> @i64 @zero"),
        ("errors: defined twice", "MU-E2002", "%y = ADD <@i64> @zero @zero"),
        ("errors: variable of another block", "MU-E2001", "%y{i} = ADD <@i64> %z @zero"),
        ("errors: type mismatch", "MU-E3101", "%y{i} = ADD <@i1> @zero @zero"),
        ("errors: operand count", "MU-E3102", "CALL <@main.sig> @main (@zero @zero)"),
        ("errors: syntax", "MU-E1031", "%y{i} = ADD @i64 @zero @zero"),
    ];
    for (name, code, line) in all {
        check(name, 100_000, Expect::Fails(code), |n| {
            let mut text = String::from(HEAD);
            text +=
                ".funcdef @main VERSION %v <@main.sig> { %entry(): BRANCH %next(@zero) %next(<@i64> %z):\n";
            text += " BRANCH %last() %last():\n";
            (0..n).for_each(|i| text += &format!("{}\n", line.replace("{i}", &i.to_string())));
            text += "RET @seven }\n";
            text
        });
    }
}

#[test]
fn many_errors_in_definitions() {
    let all: [(&str, &str); 7] = [
        ("errors: unknown member type", ".typedef @t{i} = struct<@nothing{i}>"),
        ("errors: width", ".typedef @t{i} = int<65>"),
        ("errors: redefined type", ".typedef @t = int<64>"),
        ("errors: redeclared function", ".funcdecl @f <@main.sig>"),
        ("errors: reserved names", ".typedef @uvm.t{i} = int<64>"),
        ("errors: range", ".const @c{i} <@i1> = {i}2"),
        ("errors: unresolved symbols", ".const @c{i} <@p> = EXTERN \"nothing_{i}\" "),
    ];
    for (name, line) in all {
        check(name, 100_000, Expect::Refused, |n| {
            let text = lines(n, |out, i| write!(out, "{}", line.replace("{i}", &i.to_string())));
            format!("{text} .typedef @p = uptr<@i64>")
        });
    }
}

#[test]
fn many_versions_in_one_bundle() {
    check("versions in one bundle", 100_000, Expect::Fails("MU-E2007"), |n| {
        lines(n, |out, i| write!(out, ".funcdef @f VERSION %v{i} <@main.sig> {{ %entry(): RET @seven }}"))
    });
}

#[test]
fn errors_about_long_names() {
    check("errors about long names", 100_000, Expect::Refused, |n| {
        let name = "t".repeat(10_000);
        let mut text = format!("{HEAD} .typedef @{name} = int<8>\n");
        text += ".funcdef @main VERSION %v <@main.sig> { %entry():\n";
        writeln!(text, "%r = NEW <@{name}>").unwrap();
        (0..n).for_each(|i| writeln!(text, "%x{i} = ADD <@i64> %r %r").unwrap());
        text += "RET @seven }\n";
        text
    });
}

// ---- bundles

/// Loads each line as a bundle, into one instance.
fn load_lines(text: &str, loads: bool) {
    let mut mu = new_mu();
    mu.load_bundle("head.uir", HEAD).unwrap();
    for line in text.lines() {
        let loaded = mu.load_bundle("line.uir", line);
        assert_eq!(loaded.is_ok(), loads, "{line}");
    }
}

#[test]
fn many_bundles() {
    let make = |n: usize| {
        let mut text = String::new();
        for i in 0..n {
            writeln!(
                text,
                ".typedef @n{i} = struct<@i64 @r{i}> .typedef @r{i} = ref<@n{i}> .const @c{i} <@i64> = {i} \
                 .funcdef @f{i} VERSION %v <@main.sig> {{ %entry(): %x = ADD <@i64> @c{i} @c{} RET %x }}",
                i / 2
            )
            .unwrap();
        }
        text
    };
    measure("bundles", 10_000, make, |text| load_lines(text, true));
}

#[test]
fn many_versions_of_one_function() {
    let make = |n: usize| {
        let mut text = String::from(".funcdef @f VERSION %v <@main.sig> { %entry(): RET @seven }\n");
        for i in 0..n {
            writeln!(text, ".funcdef @f VERSION %v{i} <@main.sig> {{ %entry(): RET @seven }}").unwrap();
        }
        text
    };
    measure("versions", 10_000, make, |text| load_lines(text, true));
}

#[test]
fn many_bundles_that_fail_in_a_large_program() {
    let make = |n: usize| {
        let large = lines(n, |out, i| {
            write!(
                out,
                ".typedef @m{i} = struct<@i64 @q{i}> .typedef @q{i} = ref<@m{i}> .const @k{i} <@i64> = {i}"
            )
        });
        let fails = |i| format!(".typedef @n{i} = struct<@i64 @r{i}> .typedef @r{i} = weakref<@nothing>\n");
        format!("{large}//\n{}", (0..n / 10).map(fails).collect::<String>())
    };
    measure("failing bundles", 100_000, make, |text| {
        let (large, bundles) = text.split_once("//\n").unwrap();
        let mut mu = new_mu();
        mu.load_bundle("large.uir", large).unwrap();
        assert!(bundles.lines().all(|bundle| mu.load_bundle("bundle.uir", bundle).is_err()));
    });
}

/// Names whose Fx hashes (rotate, xor, multiply) are all equal: the second word of each is solved for.
fn colliding_names(count: usize) -> Vec<String> {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let chars = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
    let mut names = Vec::new();
    let mut n = 0u64;
    while names.len() < count {
        n += 1;
        let mut first = [b'@'; 8];
        for (at, byte) in first[1..].iter_mut().enumerate() {
            *byte = chars[(n >> (6 * at)) as usize & 63];
        }
        let state = u64::from_le_bytes(first).wrapping_mul(FACTOR);
        let second = (state.rotate_left(5) ^ 0x1234_5678_9abc_de60).to_le_bytes();
        if second.iter().all(|byte| chars.contains(byte)) {
            names.push([first, second].iter().map(|word| String::from_utf8_lossy(word)).collect());
        }
    }
    names
}

#[test]
fn names_that_collide_in_a_simple_hash() {
    let names = colliding_names(if cfg!(debug_assertions) { 50 } else { 5_000 });
    check("colliding names", names.len(), Expect::Loads, |n| {
        lines(n, |out, i| write!(out, ".const {} <@i64> = {i}", names[i]))
    });
}
