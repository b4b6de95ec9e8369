//! Tests of the runner with scripts that must fail: a runner that accepts everything would pass all others.

use super::suite::{Verdict, judge};
use super::*;
use std::path::Path;

const HEAD: &str = "\
//! spec: a#b
.typedef @i8 = int<8>
.typedef @i64 = int<64>
.typedef @f32 = float
.typedef @void = void
.typedef @r = ref<@i64>
.typedef @pair = struct<@i8 @f32>
.typedef @tr = tagref64
.funcsig @v_v = () -> ()
.funcsig @i8_i8 = (@i8) -> (@i8)
.funcsig @f_f = (@f32) -> (@f32)
.funcsig @r_r = (@r) -> (@r)
.funcsig @p_p = (@pair) -> (@pair)
.funcsig @t_t = (@tr) -> (@tr)
.const @zero <@i64> = 0
.funcdef @i VERSION %v1 <@i8_i8> { %e(<@i8> %x): RET %x }
.funcdef @f VERSION %v1 <@f_f> { %e(<@f32> %x): RET %x }
.funcdef @o VERSION %v1 <@r_r> { %e(<@r> %x): RET %x }
.funcdef @p VERSION %v1 <@p_p> { %e(<@pair> %x): RET %x }
.funcdef @t VERSION %v1 <@t_t> { %e(<@tr> %x): RET %x }
.funcdef @throw VERSION %v1 <@r_r> { %e(<@r> %x): THROW %x }
.funcdef @trap VERSION %v1 <@i8_i8> { %e(<@i8> %x): %y = [%here] TRAP <@i8> KEEPALIVE(%x) RET %y }
.funcdef @div VERSION %v1 <@v_v> { %e(): %q = [%here] UDIV <@i64> @zero @zero RET () }
.funcdef @wp VERSION %v1 <@v_v> { %e(): [%w] WATCHPOINT 7 <> %out() %out() %out(): RET () }
.funcdef @loop VERSION %v1 <@v_v> { %e(): BRANCH %l() %l(): BRANCH %l() }
.funcdecl @gone <@i8_i8>
";

/// The report of the script head and some lines.
fn report(lines: &str) -> Report {
    run_text("test.uir", &format!("{HEAD}{lines}\n"), Path::new("."), Tier::Interp)
}

fn failures(report: &Report) -> Vec<String> {
    let text = |assertion: &Assertion| {
        let failure = assertion.failure.as_ref().unwrap();
        format!("{} | {}", failure.expected, failure.got)
    };
    report.failures().map(text).collect()
}

#[test]
fn what_is_true_passes() {
    let lines = [
        "//! call @i(-1) => (255)",
        "//! call @i(0x80) => (-128)",
        "//! call @i(5) => (_)",
        "//! call @f(nan) => (nan)",
        "//! call @f(bits(0x7fc00001)) => (bits(0x7fc00001))",
        "//! call @f(bits(0x7fc00001)) => (nan)",
        "//! call @f(-0.0) => (-0.0)",
        "//! call @p({1, inf}) => ({1, inf})",
        "//! call @p({1, nan}) => ({_, nan})",
        "//! call @o(null) => (null)",
        "//! call @o(new <@i64> 7) => (nonnull)",
        "//! call @o(new <@i64> 7) => (<@i64> 7)",
        "//! call @t(fp(1.5)) => (fp(1.5))",
        "//! call @t(fp(nan)) => (fp(nan))",
        "//! call @t(int(-1)) => (int(-1))",
        "//! call @t(int(-1)) => (int(0xfffffffffffff))",
        "//! call @t(ref(null, 3)) => (ref(null, 3))",
        "//! call @t(ref(new <@i64> 4, 3)) => (ref(<@i64> 4, 3))",
        "//! call @t(ref(new <@i64> 4, 3)) => (ref(nonnull, _))",
        "//! call @throw(null) => throws null",
        "//! call @throw(new <@i64> 3) => throws <@i64> 3",
        "//! call @throw(new <@i64> 3) => throws",
        "//! call @div() => ub U1",
        "//! call @div() => ub U1 at @div.v1.e.here",
        "//! call @div() => either () | ub U1",
        "//! call @loop() => exhausted fuel\n//! option: fuel=1000",
        "//! call @trap(1) => trap",
        "//! call @trap(1) => (7)\n//!   trap @trap.v1.e.here keepalives (1) pass (7)",
        "//! call @trap(1) => (7)\n//!   trap @trap.v1.e.here pass (7)",
        "//! call @trap(1) => throws <@i64> 5\n//!   trap @trap.v1.e.here throw <@i64> 5",
        "//! call @trap(1) => throws null\n//!   trap @trap.v1.e.here throw null",
        "//! call @trap(1) => exit\n//!   trap @trap.v1.e.here exit",
        "//! call @wp() => ()",
        "//! watchpoint 7 on\n//! call @wp() => ()\n//!   trap wp 7 @wp.v1.e.w watchpoint 7 off pass ()\n//! call @wp() => ()",
        "//! call @gone(1) => exit\n//!   trap undefined @gone keepalives (1) exit",
        "//! id @i\n//! id @i.v1.e\n//! no-id @nothing",
        "//! valid",
    ];
    for line in lines {
        let report = report(line);
        assert!(report.passed(), "{line}: {:?}", failures(&report));
    }
}

#[test]
fn what_is_not_true_fails() {
    let lines = [
        ("//! call @i(1) => (2)", "(2) | (1)"),
        ("//! call @i(0x80) => (0x7f)", "(0x7f) | (0x80)"),
        ("//! call @i(1) => ()", "() | (1)"),
        ("//! call @i(1) => (1, 1)", "(1, 1) | (1)"),
        ("//! call @i(1) => (1.5)", "(1.5) | (1) (`1.5` is no "),
        ("//! call @i(1) => (null)", "(null) | (1) (`null` cannot be a "),
        ("//! call @i(1, 2) => (1)", "(1) | @i takes 1 arguments"),
        ("//! call @i(null) => (1)", "(1) | `null` is no "),
        ("//! call @i(nonnull) => (1)", "(1) | `nonnull` stands for results only"),
        ("//! call @nobody() => (1)", "(1) | there is no function @nobody"),
        ("//! call @f(nan) => (0.0)", "(0.0) | (nan)"),
        ("//! call @f(1.0) => (nan)", "(nan) | (1.0)"),
        ("//! call @f(-0.0) => (0.0)", "(0.0) | (-0.0)"),
        ("//! call @f(bits(0x7fc00001)) => (bits(0x7fc00000))", "(bits(0x7fc00000)) | (bits(0x7fc00001))"),
        ("//! call @p({1, 2.0}) => ({1, 2.5})", "({1, 2.5}) | ({1, 2.0})"),
        ("//! call @p({1, 2.0}) => ({1})", "({1}) | ({1, 2.0}) (`{1}` cannot be a "),
        ("//! call @p({1}) => ({1, 2.5})", "({1, 2.5}) | `{1}` is no "),
        ("//! call @o(null) => (nonnull)", "(nonnull) | (null)"),
        ("//! call @o(null) => (<@i64> 0)", "(<@i64> 0) | (null)"),
        ("//! call @o(new <@i64> 7) => (null)", "(null) | (nonnull)"),
        ("//! call @o(new <@i64> 7) => (<@i64> 8)", "(<@i64> 8) | (<@i64> 7)"),
        ("//! call @o(new <@f32> 7.0) => (nonnull)", "(nonnull) | `new <@f32> 7.0` is no "),
        ("//! call @o(new <@nothing> 7) => (nonnull)", "(nonnull) | there is no type @nothing"),
        ("//! call @t(fp(1.5)) => (int(1))", "(int(1)) | (fp(1.5))"),
        ("//! call @t(int(2)) => (int(1))", "(int(1)) | (int(2))"),
        ("//! call @t(ref(null, 3)) => (ref(null, 4))", "(ref(null, 4)) | (ref(null, 3))"),
        ("//! call @t(ref(null, 3)) => (ref(nonnull, 3))", "(ref(nonnull, 3)) | (ref(null, 3))"),
        ("//! call @i(1) => throws", "throws | (1)"),
        ("//! call @throw(null) => ()", "() | throws null"),
        ("//! call @throw(null) => throws <@i64> 1", "throws <@i64> 1 | throws null"),
        ("//! call @throw(new <@i64> 2) => throws <@i64> 1", "throws <@i64> 1 | throws <@i64> 2"),
        ("//! call @div() => ub U2", "ub U2 | ub U1 at @div.v1.e.here"),
        ("//! call @div() => ub U1 at @div.v1.e.there", "ub U1 at @div.v1.e.there | ub U1 at @div.v1.e.here"),
        ("//! call @div() => either () | exit", "either () | exit | ub U1"),
        ("//! option: fuel=10\n//! call @loop() => ()", "() | exhausted fuel"),
        ("//! call @trap(1) => (1)", "(1) | trap at @trap.v1.e.here"),
        ("//! call @gone(1) => (1)", "(1) | trap undefined @gone"),
        ("//! watchpoint 8 on", "the watchpoint exists | no instruction"),
        ("//! id @nothing", "@nothing is known"),
        ("//! no-id @i", "the name is not known"),
        ("//! load no_such_file.uir", "no_such_file.uir loads"),
        ("//! load no_such_file.uir invalid", "can be read"),
        ("//! invalid", "invalid | the bundle loads"),
        ("//! warns MU-E3101 @1:1", "MU-E3101 @1:1"),
        ("//! call @i(1) = (1)", "a directive | `=>` is expected"),
    ];
    for (line, text) in lines {
        let report = report(line);
        let failures = failures(&report);
        assert_eq!(failures.len(), 1, "{line}: {failures:?}");
        assert!(failures[0].contains(text), "{line}: {}", failures[0]);
    }
}

#[test]
fn every_trap_line_is_compared() {
    let traps = [
        ("trap @trap.v1.e.there pass (1)", "trap @trap.v1.e.there | trap @trap.v1.e.here"),
        ("trap _ pass (1)", "trap _ | trap @trap.v1.e.here"),
        ("trap wp 7 @trap.v1.e.here pass (1)", "trap wp 7 @trap.v1.e.here | trap @trap.v1.e.here"),
        ("trap undefined @i pass (1)", "trap undefined @i | trap @trap.v1.e.here"),
        ("trap @trap.v1.e.here pass ()", "pass () | the stack waits for 1 values"),
        ("trap @trap.v1.e.here pass (null)", "pass (null) | `null` is no "),
        ("trap @trap.v1.e.here watchpoint 8 on pass (1)", "watchpoint 8 exists"),
        ("trap @trap.v1.e.here load no_such_file.uir pass (1)", "no_such_file.uir loads"),
        ("trap @trap.v1.e.here throw <@nothing> 1", "throw <@nothing> 1 | there is no type"),
    ];
    for (trap, text) in traps {
        // The line fails, and so the trap stays unanswered, as the outcome says.
        let failures = failures(&report(&format!("//! call @trap(1) => trap\n//!   {trap}")));
        assert_eq!(failures.len(), 1, "{trap}: {failures:?}");
        assert!(failures[0].contains(text), "{trap}: {}", failures[0]);
    }
    let keepalives = report("//! call @trap(1) => (5)\n//!   trap @trap.v1.e.here keepalives (2) pass (5)");
    assert_eq!(failures(&keepalives), ["keepalives (2) | keepalives (1)"]);
    let too_many = report("//! call @i(1) => (1)\n//!   trap @trap.v1.e.here pass (5)");
    assert_eq!(failures(&too_many), ["trap @trap.v1.e.here | the call ended before"]);
}

#[test]
fn a_failed_step_does_not_hide_the_next() {
    let report = report("//! call @i(1) => (2)\n//! call @i(2) => (2)\n//! call @i(3) => (2)");
    let first = HEAD.lines().count() as u32 + 1;
    assert_eq!(report.failures().map(|failure| failure.line).collect::<Vec<_>>(), [first, first + 2]);
    assert_eq!(report.assertions.len(), 4);
}

const INVALID: &str = "\
//! spec: a#b
//! invalid
.typedef @r = ref<@nothing>
.typedef @s = struct<@nobody @r>
";

#[test]
fn errors_of_loading_are_compared_exactly() {
    let run =
        |lines: &str| run_text("t.uir", &INVALID.replace("//! invalid", lines), Path::new("."), Tier::Interp);
    assert!(run("//! invalid MU-E2001 @4:19\n//! invalid MU-E2001 @5:22").passed());
    let wrong_place = run("//! invalid MU-E2001 @4:20\n//! invalid MU-E2001 @5:22");
    assert_eq!(wrong_place.failures().count(), 2, "one is missing and one is left over");
    let missing = failures(&run("//! invalid MU-E2001 @3:19"));
    assert!(missing.len() == 1 && missing[0].starts_with("nothing else is reported"), "{missing:?}");
    let alone = failures(&run("//! invalid"));
    assert!(alone.len() == 1 && alone[0].contains("bless it"), "{alone:?}");
    let valid = failures(&run("//! valid\n//! call @f() => ()"));
    assert_eq!(valid.len(), 2);
    assert!(valid[1].contains("not run"));
}

#[test]
fn blessing_fills_in_what_is_reported() {
    let report = run_text("t.uir", INVALID, Path::new("."), Tier::Interp);
    let blessed = bless::bless(INVALID, &report).unwrap();
    let wanted = INVALID.replace("//! invalid", "//! invalid MU-E2001 @4:19\n//! invalid MU-E2001 @5:22");
    assert_eq!(blessed.text, wanted);
    assert_eq!(blessed.changed, 2);
    let again = run_text("t.uir", &blessed.text, Path::new("."), Tier::Interp);
    assert!(again.passed());
    assert_eq!(bless::bless(&blessed.text, &again), None);
    // From there, one error less: the places go back.
    let fewer = blessed.text.replace("@nobody ", "");
    let report = run_text("t.uir", &fewer, Path::new("."), Tier::Interp);
    let blessed = bless::bless(&fewer, &report).unwrap();
    assert_eq!(
        blessed.text,
        wanted.replace("@4:19\n//! invalid MU-E2001 @5:22", "@3:19").replace("@nobody ", "")
    );
    assert!(run_text("t.uir", &blessed.text, Path::new("."), Tier::Interp).passed());
}

#[test]
fn blessing_leaves_outcomes_and_bundles_that_load_alone() {
    let text = format!("{HEAD}//! call @i(1) => (2)\n");
    let report = run_text("t.uir", &text, Path::new("."), Tier::Interp);
    assert_eq!(bless::bless(&text, &report), None);
    let text = format!("{HEAD}//! invalid\n");
    let report = run_text("t.uir", &text, Path::new("."), Tier::Interp);
    assert_eq!(bless::bless(&text, &report), None);
}

#[test]
fn blessing_writes_errors_of_other_files() {
    let reported = |line, column| Expected { line, column, code: "MU-E2001".into() };
    let errors = LoadErrors {
        file: Some("bad.part.uir".into()),
        hail: false,
        lines: vec![2],
        reported: vec![reported(7, 1), reported(9, 3)],
        messages: vec![String::new(); 2],
    };
    let report = Report {
        script: "t.uir".into(),
        tier: Tier::Interp,
        assertions: vec![],
        load_errors: vec![errors],
        collections: 0,
        forced_failures: 0,
    };
    let blessed = bless::bless("//! spec: a#b\n//! load bad.part.uir invalid\n//! id @x\n", &report).unwrap();
    let wanted = "//! spec: a#b\n//! load bad.part.uir invalid MU-E2001 @7:1\n//!   invalid MU-E2001 @9:3\n//! id @x\n";
    assert_eq!(blessed.text, wanted);
}

#[test]
fn ledgers_are_sorted_and_have_reasons() {
    let ledger = Ledger::parse("# remark\na/x.uir  one reason\nb.uir  another, with  spaces\n").unwrap();
    assert_eq!(ledger.len(), 2);
    assert_eq!(ledger.reason("b.uir"), Some("another, with  spaces"));
    assert_eq!(ledger.missing(&["a/x.uir".into()]), ["b.uir"]);
    let errors = Ledger::parse("b.uir  x\na.uir  y\na.uir  z\nc.uir\nd.uir no reason\n").unwrap_err();
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn the_ledger_turns_verdicts_around() {
    let ledger = Ledger::parse("test.uir  reason\n").unwrap();
    let (good, bad) = (report("//! valid"), report("//! call @i(1) => (2)"));
    assert_eq!(judge(&good, &Ledger::default()), Verdict::Passed);
    assert_eq!(judge(&bad, &Ledger::default()), Verdict::Failed);
    assert_eq!(judge(&good, &ledger), Verdict::Stale);
    assert_eq!(judge(&bad, &ledger), Verdict::KnownFailure);
}

/// A race that some schedules win: the report names the first seed that does not.
const RACE: &str = "\
//! spec: a#b
//! option: preempt=1 schedule=3 seeds=40
.typedef @i64 = int<64>
.const @one <@i64> = 1
.global @cell <@i64>
.funcsig @none = () -> ()
.funcsig @sig = () -> (@i64)
.funcdef @store VERSION %v <@none> {
    %e():
        STORE RELAXED <@i64> @cell @one
        RET ()
}
.funcdef @race VERSION %v <@sig> {
    %e():
        %s = COMMINST @uvm.new_stack <[@none]> (@store)
        %t = NEWTHREAD %s PASS_VALUES <> ()
        %x = LOAD RELAXED <@i64> @cell
        RET %x
}
.global @zero <@i64>
.funcdef @stuck VERSION %v <@none> {
    %e():
        %x = LOAD <@i64> @zero
        %r = COMMINST @uvm.futex.wait <@i64> (@zero %x)
        RET ()
}
//! call @stuck() => deadlock
";

#[test]
fn a_script_is_run_with_all_its_seeds() {
    let run = |text: &str| run_text("race.uir", text, Path::new("."), Tier::Interp);
    let either = run(&format!("{RACE}//! call @race() => either (0) | (1)\n"));
    assert!(either.passed(), "{:?}", failures(&either));
    assert_eq!(either.assertions.len(), 3, "the assertions of one run");
    for outcome in ["(0)", "(1)"] {
        let report = run(&format!("{RACE}//! call @race() => {outcome}\n"));
        let failures: Vec<_> = report.failures().filter_map(|assertion| assertion.failure.as_ref()).collect();
        assert_eq!(failures.len(), 1, "{outcome} comes of some seeds only");
        assert!(failures[0].got.contains(" (schedule="), "{}", failures[0].got);
    }
    let wrong = run(&format!("{RACE}//! call @stuck() => ()\n"));
    let got: Vec<_> = wrong.failures().filter_map(|assertion| assertion.failure.as_ref()).collect();
    assert!(got[0].got.starts_with("deadlock of 1 threads: T"), "{}", got[0].got);
}

#[test]
fn scripts_name_clauses_that_there_are() {
    let root = std::env::temp_dir().join(format!("mu-clauses-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    let script = "// A script.\n//! spec: hail#example\n//! spec: hail#exmaple\n//! valid\n";
    std::fs::write(root.join("a.uir"), script).unwrap();
    let run = || super::run(&root, "a.uir", Tier::Interp);
    assert!(run().passed(), "a suite without a list");
    std::fs::write(root.join("clauses.txt"), "# titles\nhail#example\nhail#future-work  text\n").unwrap();
    let report = run();
    let failed: Vec<_> = report.failures().collect();
    assert_eq!((report.assertions.len(), failed.len(), failed[0].line), (2, 1, 3));
    assert_eq!(failed[0].failure.as_ref().unwrap().got, "hail#exmaple");
    std::fs::write(root.join("clauses.txt"), "hail#example because\n").unwrap();
    let report = run();
    assert!(report.failures().any(|failed| failed.failure.as_ref().unwrap().got.contains("`because`")));
    std::fs::remove_dir_all(&root).unwrap();
}
