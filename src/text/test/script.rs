//! Tests of the directives: every form, and every way to get one wrong.

use super::*;

/// A script around some lines, which begin at line 2.
fn script(lines: &str) -> Result<Script, Vec<ScriptError>> {
    parse(&format!("//! spec: a#b\n{lines}"))
}

fn step(line: &str) -> StepKind {
    let script = script(line).unwrap_or_else(|errors| panic!("{line}: {errors:?}"));
    script.steps.into_iter().next().unwrap().kind
}

fn call(lines: &str) -> Call {
    match step(lines) {
        StepKind::Call(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_directive_is_read() {
    let text = "\
//! spec: uvm-ir#top-level memory#heap
//! spec: third#one
//! option: stack=16K heap=8M virtual-time
//! option: fuel=100000 lenient schedule=7 seeds=20 preempt=0 stacks=12 threads=9 weak-failures=100 spurious-wakes=5
//! warns MU-E3101 @7:2
.typedef @i64 = int<64> //! this is a comment and no directive
//! load other.uir
//! load bad.uir invalid MU-E3001 @4:5
//!   invalid MU-E3002 @6:1
//! load later.uir invalid
//! watchpoint 7 on
//! watchpoint 7 off
//! id @a.b-c._1
//! no-id @x
//! call @f() => ()
";
    let script = parse(text).unwrap();
    assert_eq!(script.spec, ["uvm-ir#top-level", "memory#heap", "third#one"]);
    let wanted = Options {
        stack_bytes: Some(16 << 10),
        heap_bytes: Some(8 << 20),
        fuel: Some(100_000),
        lenient: true,
        stacks_max: Some(12),
        threads_max: Some(9),
        seed: Some(7),
        seeds: Some(20),
        preempt: Some(0),
        weak_failures: Some(100),
        spurious_wakes: Some(5),
        virtual_time: true,
    };
    assert_eq!(script.options, wanted);
    let expected = |line, column, code: &str| Some(Expected { line, column, code: code.into() });
    assert_eq!(script.warns, [Report { line: 5, expected: expected(7, 2, "MU-E3101") }]);
    let kinds: Vec<_> = script.steps.iter().map(|step| (step.line, step.kind.clone())).collect();
    let bad = vec![
        Report { line: 8, expected: expected(4, 5, "MU-E3001") },
        Report { line: 9, expected: expected(6, 1, "MU-E3002") },
    ];
    let later = vec![Report { line: 10, expected: None }];
    let no_call =
        Call { func: "@f".into(), args: vec![], outcomes: vec![Outcome::Values(vec![])], traps: vec![] };
    let wanted = [
        (7, StepKind::Load { file: "other.uir".into(), hail: false, invalid: None }),
        (8, StepKind::Load { file: "bad.uir".into(), hail: false, invalid: Some(bad) }),
        (10, StepKind::Load { file: "later.uir".into(), hail: false, invalid: Some(later) }),
        (11, StepKind::Watchpoint { id: 7, on: true }),
        (12, StepKind::Watchpoint { id: 7, on: false }),
        (13, StepKind::Id("@a.b-c._1".into())),
        (14, StepKind::NoId("@x".into())),
        (15, StepKind::Call(no_call)),
    ];
    assert_eq!(kinds, wanted);
    // 1 warning, loading, and each step: two of the loads expect 2 and 1 errors.
    assert_eq!(script.assertions(), 1 + 1 + (1 + 2 + 1) + 2 + 2 + 1);
}

#[test]
fn values_are_read_and_written_back() {
    let values = "5, -1, 0xff, 1.5, -0.0, 1e10, inf, -inf, nan, bits(0x7fc00000), {1, {2, 3}, {}}, null, nonnull, \
                  @f.g, <@T> {1, <@U> 2}, fp(1.5), int(7), ref(nonnull, 3), ref(new <@i64> 3, 1), new <@i64> 4, _";
    let call = call(&format!("//! call @f({values}) => ({values})"));
    assert_eq!(list_text(&call.args), format!("({values})"));
    assert_eq!(call.outcomes[0].to_string(), format!("({values})"));
    assert_eq!(call.args.len(), 21);
    let two = Value::Content("@U".into(), Box::new(Value::Number("2".into())));
    let members = Value::Braces(vec![Value::Number("1".into()), two]);
    assert_eq!(call.args[14], Value::Content("@T".into(), Box::new(members)));
}

#[test]
fn outcomes_are_read_and_written_back() {
    let outcomes = [
        "()",
        "(1, 2)",
        "throws",
        "throws null",
        "throws <@T> {1, 2}",
        "ub U10",
        "ub U1 at @f.v1.entry.x",
        "exit",
        "trap",
        "exhausted fuel",
        "deadlock",
    ];
    for outcome in outcomes {
        assert_eq!(call(&format!("//! call @f() => {outcome}")).outcomes[0].to_string(), outcome);
    }
    let either = call("//! call @f() => either (1) | throws | ub U7 at @a.b | exit");
    let texts: Vec<_> = either.outcomes.iter().map(Outcome::to_string).collect();
    assert_eq!(texts, ["(1)", "throws", "ub U7 at @a.b", "exit"]);
}

#[test]
fn traps_are_read() {
    let call = call(
        "//! call @f(1) => (42)
//!   trap @f.v1.entry.t keepalives (1, 2.5) pass (42)
//!   trap wp 7 _ keepalives () watchpoint 7 off load a.uir throw <@i64> 5
//!   trap undefined @g load g.part.uir exit
//!   trap _ throw null",
    );
    assert_eq!(call.traps.len(), 4);
    assert_eq!(call.traps.iter().map(|trap| trap.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
    let places: Vec<_> = call.traps.iter().map(|trap| trap.place.to_string()).collect();
    assert_eq!(places, ["trap @f.v1.entry.t", "trap wp 7 _", "trap undefined @g", "trap _"]);
    assert_eq!(call.traps[0].keepalives.as_ref().map(Vec::len), Some(2));
    assert_eq!(call.traps[2].keepalives, None);
    let deeds = [Deed::Watchpoint { id: 7, on: false }, Deed::Load("a.uir".into())];
    assert_eq!(call.traps[1].deeds, deeds);
    let five = Value::Content("@i64".into(), Box::new(Value::Number("5".into())));
    assert_eq!(call.traps[1].answer, Answer::Throw(five));
    assert_eq!(call.traps[2].answer, Answer::Exit);
    assert_eq!(call.traps[3].answer, Answer::Throw(Value::Null));
    assert_eq!(call.traps[0].answer, Answer::Pass(vec![Value::Number("42".into())]));
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    let mistakes = [
        ("//!call @f() => ()", "one space"),
        (" //! call @f() => ()", "beginning of its line"),
        ("//! ", "empty"),
        ("//! cal @f() => ()", "no directive `cal`"),
        ("//! spec:", "names no clause"),
        ("//! spec: chapter", "no clause"),
        ("//! option:", "names no option"),
        ("//! option: stac=1", "no option `stac=1`"),
        ("//! option: stack=16X", "`16X`: write bytes as a number"),
        ("//! option: stack=99999999999G", "more than 64 bits"),
        ("//! option: fuel=1KB", "`1KB`: write a number"),
        ("//! option: seeds=many", "no number"),
        ("//! option: weak-failures=101", "no rate"),
        ("//! valid twice", "nothing more"),
        ("//! invalid MU-E3001", "its place"),
        ("//! invalid MU-E3001 12:5", "its place"),
        ("//! invalid MU-E3001 @12", "its place"),
        ("//! warns X @1:1 more", "nothing more"),
        ("//! load", "file is expected"),
        ("//! load a.uir b.uir", "nothing more"),
        ("//! watchpoint x on", "no watchpoint id"),
        ("//! watchpoint 7 maybe", "`on` or `off`"),
        ("//! id f", "global name"),
        ("//! no-id @", "no name"),
        ("//! call f() => ()", "global name"),
        ("//! call @f => ()", "`(` is expected"),
        ("//! call @f( => ()", "`=` is no value"),
        ("//! call @f(", "a value is expected"),
        ("//! call @f(1 2) => ()", "`,` or `)`"),
        ("//! call @f(1,) => ()", "a value is expected"),
        ("//! call @f(one) => ()", "`one` is no value"),
        ("//! call @f(0x) => ()", "no value"),
        ("//! call @f(bits(1, 2)) => ()", "wants one value"),
        ("//! call @f(ref(null)) => ()", "reference and a tag"),
        ("//! call @f(foo(1)) => ()", "no values `foo(…)`"),
        ("//! call @f(<i64> 1) => ()", "global name"),
        ("//! call @f({1, 2) => ()", "`,` or `}`"),
        ("//! call @f()", "`=>` is expected"),
        ("//! call @f() =>", "outcome is expected"),
        ("//! call @f() => throw", "outcome is expected"),
        ("//! call @f() => throws 5", "an exception is"),
        ("//! call @f() => ub 10", "no undefined behaviour"),
        ("//! call @f() => ub U10 @x", "nothing more"),
        ("//! call @f() => exhausted", "`fuel`"),
        ("//! call @f() => either (1)", "two outcomes"),
        ("//!   trap _ exit", "no"),
        ("//! call @f() => ()\n//!   trap _", "`pass`, `throw` or `exit`"),
        ("//! call @f() => ()\n//!   trap f exit", "global name"),
        ("//! call @f() => ()\n//!   invalid X @1:1", "load FILE invalid"),
        ("//! call @f() => ()\n//!   more", "nothing is continued"),
        ("//! load a.uir\n//!   invalid X @1:1", "load FILE invalid"),
    ];
    for (lines, message) in mistakes {
        let errors = script(lines).expect_err(lines);
        assert_eq!(errors.len(), 1, "{lines}: {errors:?}");
        assert!(errors[0].message.contains(message), "{lines}: {}", errors[0].message);
        assert_eq!(errors[0].line as usize, 1 + lines.lines().count(), "{lines}");
    }
}

#[test]
fn the_continuations_of_a_broken_line_are_not_reported_too() {
    let errors = script("//! call @f() = ()\n//!   trap _ exit\n//! what").unwrap_err();
    assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn a_script_says_what_it_is_about_and_expects_something() {
    assert!(parse("//! valid").unwrap_err()[0].message.contains("names no clause"));
    assert!(parse("//! spec: a#b").unwrap_err()[0].message.contains("expects nothing"));
    assert!(script("//! valid\n//! invalid").unwrap_err()[0].message.contains("both"));
    assert!(script("//! valid\n//! valid").unwrap_err()[0].message.contains("twice"));
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("//! call @f({}1{}) => ()", "{".repeat(100_000), "}".repeat(100_000));
    assert!(script(&deep).unwrap_err()[0].message.contains("deeper"));
    let types = format!("//! call @f({}1) => ()", "<@T>".repeat(100_000));
    assert!(script(&types).unwrap_err()[0].message.contains("deeper"));
    assert!(script(&format!("//! call @f({}1{}) => ()", "{".repeat(60), "}".repeat(60))).is_ok());
}

#[test]
fn no_line_makes_the_parser_panic() {
    let good = "//! call @f(1, {2.5, null}, <@T> 3) => either (ref(nonnull, 3)) | ub U1 at @f.v1.é";
    for (end, _) in good.char_indices() {
        let _ = script(&good[..end]);
        let _ = script(&format!("{}é{}", &good[..end], &good[end..]));
    }
}
