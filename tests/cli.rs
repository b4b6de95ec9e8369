//! The `mu` command from outside: help, diagnostics in their three forms, stack traces, traces, an exit code for every
//! outcome, and streams that nobody reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The command, run in the root of the project so that paths in messages are the same everywhere.
fn mu(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mu"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    command
}

fn output(args: &[&str]) -> Output {
    mu(args).output().unwrap()
}

fn code(args: &[&str]) -> i32 {
    output(args).status.code().unwrap_or(-1)
}

/// Exit code and both streams as one text.
fn everything(args: &[&str]) -> String {
    let output = output(args);
    let mut text = format!("$ mu {}\nexit {}\n", args.join(" "), output.status.code().unwrap_or(-1));
    for (name, stream) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !stream.is_empty() {
            let stream = String::from_utf8_lossy(stream);
            // Writing to a string cannot fail.
            let _ = write!(text, "--- {name}\n{stream}");
        }
    }
    text
}

/// Several command lines as one text.
fn all(lines: &[&[&str]]) -> String {
    lines.iter().map(|args| everything(args)).collect::<Vec<_>>().join("\n")
}

/// `mu run` of an entry function of tests/cli/outcomes.uir.
fn run<'a>(entry: &'a str, options: &[&'a str], args: &[&'a str]) -> Vec<&'a str> {
    [&["run", "tests/cli/outcomes.uir", "--entry", entry], options, &["--"], args].concat()
}

/// A folder for files of one test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn help() {
    insta::assert_snapshot!(
        "help",
        all(&[&["--help"], &["run", "--help"], &["check", "--help"], &["fmt", "--help"]])
    );
    insta::assert_snapshot!("help_more", all(&[&["cat", "--help"], &["explain", "--help"]]));
}

#[test]
fn wrong_command_lines_exit_with_127() {
    let lines: [&[&str]; 20] = [
        &["frobnicate"],
        &["run"],
        &["run", "tests/cli/outcomes.uir", "--heap=7X"],
        &["run", "tests/cli/list.uir", "--stack-size=1.5K"],
        &["run", "tests/cli/list.uir", "--fuel=1KB"],
        &["run", "tests/cli/list.uir", "--fuel=99999999T"],
        &["run", "tests/cli/list.uir", "--preempt=often"],
        &["run", "tests/cli/list.uir", "--gc-stress=every:0"],
        &["run", "tests/cli/list.uir", "--gc-stress=move,never"],
        &["run", "tests/cli/list.uir", "--hail"],
        &["run", "tests/cli/list.uir", "--hail=/nonexistent/file.hail"],
        &["run", "/nonexistent/file.uir"],
        &["run", "tests/cli/outcomes.uir"],
        &["run", "tests/cli/outcomes.uir", "--entry", "dvi", "--", "1", "2"],
        &["run", "tests/cli/outcomes.uir", "--entry=div", "--", "1"],
        &["run", "tests/cli/outcomes.uir", "--entry=div", "--", "1", "two"],
        &["run", "tests/cli/outcomes.uir", "--entry=reverse", "--", "2", "0", "0", "0", "{0, 0}", "null"],
        &["run", "tests/cli/outcomes.uir", "--entry=reverse", "--", "1", "256", "0", "0", "{0, 0}", "null"],
        &["explain", "SWAPSTAK"],
        &["test", "--filter=nothing has this name"],
    ];
    insta::assert_snapshot!(all(&lines));
    assert_eq!(code(&[]), 127);
    assert_eq!(code(&["--version"]), 0);
}

#[test]
fn diagnostics() {
    for format in ["human", "short", "json"] {
        let option = format!("--error-format={format}");
        let errors = everything(&["check", &option, "tests/cli/errors.uir"]);
        let lenient = everything(&["check", "--lenient", &option, "tests/cli/lenient.uir"]);
        insta::assert_snapshot!(format!("diagnostics_{format}"), format!("{errors}\n{lenient}"));
    }
}

#[test]
fn brackets_that_are_not_closed() {
    insta::assert_snapshot!(everything(&["check", "tests/cli/unbalanced.uir"]));
}

#[test]
fn check_goes_on_after_a_bundle_with_errors() {
    let text = everything(&[
        "check",
        "--error-format=short",
        "tests/cli/errors.uir",
        "/nonexistent/file.uir",
        "tests/cli/lenient.uir",
    ]);
    insta::assert_snapshot!(text);
    assert_eq!(code(&["check", "examples/gcd.uir"]), 0);
    assert_eq!(code(&["check", "tests/cli/errors.uir", "examples/gcd.uir"]), 126);
}

#[test]
fn what_is_not_shown_is_counted() {
    let folder = folder("many");
    let path = folder.join("many.uir");
    let line = |_| "        %x = ADD <@i32> @one @one\n".to_owned();
    let wrong = |n: usize, operand: &str| {
        let body: String =
            (0..n).map(line).enumerate().map(|(i, text)| text.replace("%x", &format!("%x{i}"))).collect();
        let text = format!(
            ".typedef @i32 = int<32>\n.typedef @i64 = int<64>\n.typedef @r32 = ref<@i32>\n.typedef @r64 = ref<@i64>\n\
             .const @one <@i64> = 1\n.const @null <@r64> = NULL\n.funcsig @s = () -> ()\n\
             .funcdef @f VERSION %v <@s> {{\n    %e():\n{body}        RET ()\n}}\n"
        );
        text.replace("@one @one", operand)
    };
    let check = |text: &str, options: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let output = output(&[&["check", "--error-format=short", path.to_str().unwrap()], options].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        let last = said.lines().last().unwrap_or("").to_owned();
        (output.status.code(), said.lines().count(), last)
    };
    // Two errors in each instruction; of the verifier, of the linker, and of both.
    let (code, lines, last) = check(&wrong(150, "@one @one"), &[]);
    assert_eq!((code, lines), (Some(126), 201));
    assert!(last.ends_with("error[MU-E1031]: 100 more errors are not shown"), "{last}");
    let (_, lines, last) = check(&wrong(1000, "@no @nothing"), &[]);
    assert!(lines == 201 && last.ends_with(": 1800 more errors are not shown"), "{last}");
    let (_, lines, last) = check(&wrong(100, "@one @one"), &[]);
    assert!(lines == 200 && last.contains("error[MU-E3101]"), "{last}");
    let (_, lines, last) = check(&(wrong(100, "@one @one") + ".global @g <@gone>\n"), &[]);
    assert!(lines == 201 && last.ends_with(": 1 more error is not shown"), "{last}");
    // Warnings do not stand in the way of errors.
    let warned = wrong(1200, "@one @one").replace("ADD <@i32> @one @one", "EQ <@r32> @null @null");
    let (code, lines, last) = check(&warned, &["--lenient"]);
    assert!(code == Some(0) && lines == 1001, "{last}");
    assert!(last.ends_with("warning[MU-E1031]: 1400 more warnings are not shown"), "{last}");
    let (code, lines, last) = check(&warned.replace("RET ()", "RET @one"), &["--lenient"]);
    assert!(code == Some(126) && lines == 1 && last.contains("error[MU-E3162]"), "{last}");
}

#[test]
fn places_at_the_edges_of_texts_can_be_drawn() {
    let folder = folder("edges");
    let texts = [
        ("empty.uir", String::new()),
        ("open.uir", ".funcdef @f VERSION %v <@s> {".to_owned()),
        ("open_line.uir", ".funcdef @f VERSION %v <@s> {\n".to_owned()),
        ("string.uir", ".const @s <@t> = EXTERN \"é".to_owned()),
        ("control.uir", ".typedef @a = \u{1b}[31m\u{202e}\t\u{0}\n".to_owned()),
        ("crlf.uir", ".typedef @a = int<x>\r\n.typedef @b = \r\n".to_owned()),
        ("long.uir", format!(".typedef @a = {}int<x>", " ".repeat(300_000))),
        ("far.uir", format!(".typedef @a = void\n{}.typedef @a = void\n", "\n".repeat(100_000))),
    ];
    for (name, text) in texts {
        let path = folder.join(name);
        std::fs::write(&path, &text).unwrap();
        for format in ["--error-format=human", "--error-format=short", "--error-format=json"] {
            let output = output(&["check", format, path.to_str().unwrap()]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            let expected = if text.is_empty() { 0 } else { 126 };
            assert_eq!(output.status.code(), Some(expected), "{name}: {stderr}");
            assert!(!stderr.contains('\u{1b}') && !stderr.contains('\0'), "{name}: {stderr:?}");
            assert!(stderr.len() < 5000, "{name}: {} bytes", stderr.len());
        }
    }
}

#[test]
fn files_that_are_no_text() {
    let path = folder("binary").join("binary.uir");
    std::fs::write(&path, b".typedef @i\xff").unwrap();
    let path = path.to_str().unwrap();
    for command in ["run", "check", "cat", "fmt"] {
        assert_eq!(code(&[command, path]), 127, "{command}");
        assert_eq!(code(&[command, "/"]), 127, "{command}");
    }
}

#[test]
fn results() {
    let lines = [
        run("div", &[], &["-17", "0x5"]),
        run("@div", &[], &["-17", "0x5"]),
        run("reverse", &[], &["1", "-128", "1.5", "nan", "{255, -inf}", "null"]),
        run("nothing", &[], &[]),
        run("exit", &[], &["0"]),
        run("undef", &["--on-undefined", "tests/cli/missing.part.uir"], &["7"]),
        run("first_character", &[], &["A"]),
        run("null_at_the_end", &[], &["a", "", "c"]),
    ];
    insta::assert_snapshot!(all(&lines.each_ref().map(Vec::as_slice)));
}

#[test]
fn every_outcome_has_its_exit_code() {
    let outcomes: [(&str, &[&str], i32); 15] = [
        ("div", &[], 0),
        ("exc", &[], 120),
        ("ub", &[], 121),
        ("hungry", &["--heap=1M"], 121),
        ("bottomless", &["--stack-size=16K"], 121),
        ("trap", &[], 122),
        ("undef", &[], 122),
        ("unsup", &[], 123),
        ("loop", &["--fuel=1000"], 124),
        ("ub", &["--heap=17179869183G"], 125),
        ("ub", &["--stack-size=17179869183G"], 125),
        ("ub", &["--lib=/nonexistent/lib.so"], 125),
        ("undef", &["--on-undefined=tests/cli/errors.uir"], 126),
        ("undef", &["--on-undefined=/nonexistent/file.uir"], 127),
        ("stuck", &[], 128),
    ];
    for (entry, options, expected) in outcomes {
        let args: &[&str] = if entry == "div" { &["7", "2"] } else { &["7"] };
        let line = run(entry, options, args);
        assert_eq!(code(&line), expected, "{}", everything(&line));
    }
}

#[test]
fn reports_of_outcomes() {
    let lines = [
        run("ub", &[], &["7"]),
        run("deep", &[], &["21"]),
        run("exc", &[], &["7"]),
        run("trap", &[], &["7"]),
        run("undef", &[], &["7"]),
        run("unsup", &[], &["7"]),
        run("loop", &["--fuel=1000"], &["7"]),
        run("stuck", &[], &["7"]),
        run("undef", &["--on-undefined=tests/cli/errors.uir", "--error-format=short"], &["7"]),
    ];
    insta::assert_snapshot!("outcomes", all(&lines.each_ref().map(Vec::as_slice)));
    let lines = ["ub", "exc", "undef", "stuck"].map(|entry| run(entry, &["--error-format=short"], &["7"]));
    insta::assert_snapshot!("outcomes_short", all(&lines.each_ref().map(Vec::as_slice)));
    let lines = ["ub", "exc", "undef", "stuck"].map(|entry| run(entry, &["--error-format=json"], &["7"]));
    insta::assert_snapshot!("outcomes_json", all(&lines.each_ref().map(Vec::as_slice)));
}

#[test]
fn explain() {
    let topics =
        ["MU-E3101", "U10", "U26", "SWAPSTACK", "add", "@uvm.new_stack", "futex.wait", "hybrid", "irnoderef"];
    insta::assert_snapshot!(all(&topics.map(|topic| ["explain", topic]).each_ref().map(|line| &line[..])));
    // The same page by each of its names.
    for names in [
        &["MU-E3101", "E3101", "3101", "e3101"][..],
        &["U10", "u10", "MU-U0010"],
        &["@uvm.new_stack", "new_stack"],
    ] {
        let pages: Vec<_> = names.iter().map(|name| output(&["explain", name]).stdout).collect();
        assert!(pages.iter().all(|page| *page == pages[0] && !page.is_empty()), "{names:?}");
    }
}

#[test]
fn traces() {
    let lines: [&[&str]; 5] = [
        &["run", "examples/fib.uir", "--trace=calls", "--", "2"],
        &["run", "examples/generator.uir", "--trace=calls,ops", "--", "1"],
        &["run", "examples/hello.uir", "--trace=ops"],
        &["run", "examples/exceptions.uir", "--trace=calls", "--", "5", "4"],
        &[
            "run",
            "examples/lazy.uir",
            "--on-undefined=examples/lazy_square.part.uir",
            "--trace=calls,ops",
            "--",
            "3",
        ],
    ];
    insta::assert_snapshot!("traces", all(&lines));
    insta::assert_snapshot!(
        "traces_of_values",
        everything(&["run", "tests/cli/traced.uir", "--trace=ops,calls"])
    );
    let calls_back: [&[&str]; 2] = [
        &["run", "tests/cli/callbacks.uir", "--trace=ops,calls"],
        &["run", "tests/cli/callbacks.uir", "--trace=calls", "--entry=@fails"],
    ];
    insta::assert_snapshot!("traces_of_callbacks", all(&calls_back));
    // Addresses differ from run to run, and must not show.
    let line: &[&str] = &["run", "examples/quicksort.uir", "--trace=calls,ops", "--", "20", "1"];
    assert_eq!(everything(line), everything(line));
}

/// What `--stats` says, by name, and the standard output.
fn statistics_of(args: &[&str]) -> (BTreeMap<String, String>, String) {
    let output = output(&[&["run", "--stats"], args].concat());
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let line = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{stderr}"));
        (name.trim().to_owned(), value.to_owned())
    };
    (stderr.lines().map(line).collect(), stdout)
}

#[test]
fn statistics() {
    let (stats, _) = statistics_of(&["examples/generator.uir", "--", "10"]);
    for (name, expected) in [
        ("instructions", "81"), // 11 and 7 for each number
        ("heap objects", "1"),
        ("heap bytes", "0"),
        ("stacks created", "2"),
        ("versions decoded", "3"),
        ("collections", "0"),
    ] {
        assert_eq!(stats[name], expected, "{name}");
    }
    for name in ["seconds", "ns/instruction", "million/s", "heap bytes handed out"] {
        assert!(stats[name].parse::<f64>().unwrap() > 0.0, "{name}");
    }
    assert!(!stats.contains_key("pause seconds, max") && !stats.contains_key("stress modes"));
}

#[test]
fn hail_scripts_are_loaded_after_the_bundles() {
    let (bundle, hail) = ("tests/cli/list.uir", "tests/cli/list.hail");
    let lines: [&[&str]; 7] = [
        &["run", bundle, "--hail", hail],
        &["run", "--hail", hail, bundle, "--hail", hail],
        &["run", bundle, "--hail", "tests/cli/wrong.hail"],
        &["check", bundle, "--hail", "tests/cli/wrong.hail", "--hail", hail, "--error-format=short"],
        &["check", "--hail", hail, bundle],
        // Bundles that are missing make all names unknown; mistakes of the text itself are told.
        &["check", "tests/cli/errors.uir", "--hail", "tests/cli/wrong.hail", "--error-format=short"],
        &["check", "/nonexistent/file.uir", "--hail", "tests/cli/untidy.uir", "--error-format=short"],
    ];
    insta::assert_snapshot!(all(&lines));
    // Lenient mode warns of the number that does not fit, at its place.
    let folder = folder("hail");
    let wide = folder.join("wide.hail");
    std::fs::write(&wide, ".init @wide = 0x1ffffffffffffffff\n").unwrap();
    let uir = folder.join("wide.uir");
    std::fs::write(&uir, ".typedef @i64 = int<64>\n.global @wide <@i64>\n").unwrap();
    let line = ["check", uir.to_str().unwrap(), "--hail", wide.to_str().unwrap(), "--error-format=short"];
    assert_eq!(code(&line), 126);
    let lenient = output(&[&line[..], &["--lenient"]].concat());
    let said = String::from_utf8(lenient.stderr).unwrap();
    assert_eq!(lenient.status.code(), Some(0), "{said}");
    assert!(said.contains("wide.hail:1:15: warning[MU-E50"), "{said}");
}

#[test]
fn stress_modes_say_what_they_forced() {
    let line = |options: &[&'static str]| -> (BTreeMap<String, String>, String) {
        let list = ["tests/cli/list.uir", "--hail=tests/cli/list.hail", "--entry=build", "--verify-heap"];
        statistics_of(&[&list[..], options, &["--", "10"]].concat())
    };
    let (calm, result) = line(&[]);
    assert_eq!((calm["collections"].as_str(), result.as_str()), ("0", "97\n"));
    let (moved, result) = line(&["--gc-stress=every:2,move"]);
    assert_eq!((moved["collections"].as_str(), result.as_str()), ("5", "97\n"));
    assert_eq!(
        (moved["stress at allocations"].as_str(), moved["stress modes"].as_str()),
        ("5", "every:2,move")
    );
    // The two objects of the script, and those made before each collection.
    assert_eq!(moved["objects moved"], (3 + 5 + 7 + 9 + 11).to_string());
    assert_eq!((moved["live objects"].as_str(), moved["live bytes"].as_str()), ("11", "176"));
    let number = |stats: &BTreeMap<String, String>, name: &str| stats[name].parse::<f64>().unwrap();
    assert!(number(&moved, "pause seconds, max") <= number(&moved, "pause seconds, total"));
    assert!(number(&moved, "pause seconds, max") > 0.0);
    let (everywhere, result) = line(&["--gc-stress=safepoint"]);
    assert!(number(&everywhere, "stress at safepoints") > 20.0 && result == "97\n", "{everywhere:?}");
    assert_eq!(everywhere["stress at safepoints"], everywhere["collections"]);
    // The third allocation fails, and its exceptional edge is taken.
    let (failed, result) = line(&["--gc-stress=fail:3"]);
    assert_eq!((failed["stress failures"].as_str(), result.as_str()), ("1", "-1\n"));
    let (never, result) = line(&["--gc-stress=fail:11"]);
    assert_eq!((never["stress failures"].as_str(), result.as_str()), ("0", "97\n"));
}

#[test]
fn sizes_and_counts_have_units() {
    let list = |options: &[&'static str]| {
        everything(&[&["run", "tests/cli/list.uir", "--entry=build"], options, &["--", "100000"]].concat())
    };
    // 2.4 MB of nodes.
    assert!(list(&["--heap=1M"]).contains("\n-1\n"));
    assert!(list(&["--heap=16MiB"]).contains("\n5000050000\n"));
    assert!(list(&["--fuel=2K"]).contains("after 2000 instructions"));
    assert!(list(&["--fuel=1M"]).contains("after 1000000 instructions"));
    assert!(list(&["--fuel=1T"]).contains("\n5000050000\n"));
    for stack in ["--stack-size=64K", "--stack=65536"] {
        let shallow = run("bottomless", &[stack, "--stats"], &["7"]);
        let deep = run("bottomless", &["--stack-size=2M", "--stats"], &["7"]);
        let instructions = |line: &[&str]| {
            let text = everything(line);
            let line = text.lines().find(|line| line.starts_with("instructions")).unwrap_or("").to_owned();
            line.rsplit(' ').next().unwrap_or("").parse::<u64>().unwrap()
        };
        assert!(instructions(&shallow) * 16 < instructions(&deep), "{stack}");
    }
}

#[test]
fn the_options_of_scripts_and_programs_are_the_same() {
    let help = |command: &str| String::from_utf8(output(&[command, "--help"]).stdout).unwrap();
    let (run, test) = (help("run"), help("test"));
    for option in ["--heap <SIZE>", "--stack-size <SIZE>", "--gc-stress <MODES>", "--verify-heap"] {
        assert!(run.contains(option) && test.contains(option), "{option}");
    }
    let script = folder("scripts").join("hungry.uir");
    std::fs::write(
        &script,
        "//! spec: instruction-set#memory-allocation\n.typedef @i8 = int<8>\n.typedef @big = array<@i8 2000000>\n\
         .funcsig @sig = () -> ()\n.funcdef @f VERSION %v <@sig> {\n%e(): %x = NEW <@big>\nRET ()\n}\n//! call @f() => ()\n",
    )
    .unwrap();
    let script = script.to_str().unwrap();
    assert_eq!(code(&["test", script]), 0);
    assert_eq!(code(&["test", "--heap=1M", script]), 1);
    let failed = everything(&["test", "--gc-stress=fail:1", script]);
    assert!(
        failed.contains("0 passed, 1 failed; 2 assertions, 0 collections, 1 allocations failed"),
        "{failed}"
    );
    assert_eq!(code(&["test", "--stack-size=big", script]), 127);
    let counted = everything(&["test", "--gc-stress=every:1", "--verify-heap", script]);
    assert!(counted.contains("1 passed, 0 failed; 2 assertions, 1 collections"), "{counted}");
}

#[test]
fn cat_prints_what_loads_again() {
    let folder = folder("cat");
    for example in ["gcd", "generator", "sha256", "nbody"] {
        let path = format!("examples/{example}.uir");
        let once = output(&["cat", &path]);
        assert_eq!(once.status.code(), Some(0), "{example}");
        let printed = folder.join(format!("{example}.uir"));
        std::fs::write(&printed, &once.stdout).unwrap();
        let twice = output(&["cat", printed.to_str().unwrap()]);
        assert!(once.stdout == twice.stdout && !once.stdout.is_empty(), "{example}");
    }
    insta::assert_snapshot!(everything(&["cat", "tests/cli/untidy.uir"]));
}

#[test]
fn fmt() {
    let folder = folder("fmt");
    let path = folder.join("untidy.uir");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/untidy.uir"), &path).unwrap();
    let path = path.to_str().unwrap();
    let untidy = std::fs::read(path).unwrap();

    let check = output(&["fmt", "--check", path, "examples/gcd.uir"]);
    assert_eq!(
        (check.status.code(), String::from_utf8_lossy(&check.stdout)),
        (Some(1), format!("{path}\n").into())
    );
    let stdout = output(&["fmt", "--stdout", path]);
    assert_eq!((stdout.status.code(), std::fs::read(path).unwrap()), (Some(0), untidy));
    insta::assert_snapshot!("fmt", String::from_utf8_lossy(&stdout.stdout));

    let input = std::fs::File::open(path).unwrap();
    let piped = mu(&["fmt", "-"]).stdin(input).output().unwrap();
    assert_eq!((piped.status.code(), &piped.stdout), (Some(0), &stdout.stdout));

    // What only lenient mode loads is formatted only there.
    let infinite = folder.join("infinite.uir");
    std::fs::write(&infinite, "  .typedef @f = float\n.const @c <@f> = 1e99f\n").unwrap();
    let infinite = infinite.to_str().unwrap();
    assert_eq!(
        (code(&["fmt", "--check", infinite]), code(&["fmt", "--check", "--lenient", infinite])),
        (126, 1)
    );

    assert_eq!(code(&["fmt", path]), 0);
    assert_eq!(std::fs::read(path).unwrap(), stdout.stdout);
    assert_eq!(code(&["fmt", "--check", path]), 0);

    // What cannot be read stays as it is; the others are formatted all the same.
    let broken = folder.join("broken.uir");
    std::fs::write(&broken, ".typedef @a == void\n").unwrap();
    std::fs::write(path, "  .typedef @a = void\n").unwrap();
    assert_eq!(code(&["fmt", broken.to_str().unwrap(), path]), 126);
    assert_eq!(std::fs::read_to_string(path).unwrap(), ".typedef @a = void\n");
    assert_eq!(std::fs::read_to_string(&broken).unwrap(), ".typedef @a == void\n");
}

#[test]
fn the_examples_are_formatted() {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    let bundles: Vec<String> = paths.filter(|path| path.ends_with(".uir")).collect();
    let line: Vec<&str> = ["fmt", "--check"].into_iter().chain(bundles.iter().map(String::as_str)).collect();
    assert_eq!(code(&line), 0, "{}", everything(&line));
}

#[test]
fn readers_that_leave_are_no_error() {
    let commands: [(&[&str], i32); 8] = [
        (&["--help"], 0),
        (&["explain"], 0),
        (&["cat", "examples/sha256.uir"], 0),
        (&["run", "examples/gcd.uir", "--", "6", "4"], 0),
        (&["run", "examples/gcd.uir", "--trace=ops", "--stats", "--", "6", "4"], 0),
        (&["run", "tests/cli/outcomes.uir", "--entry=ub", "--", "1"], 121),
        (&["check", "tests/cli/errors.uir"], 126),
        (&["run"], 127),
    ];
    for (args, expected) in commands {
        let (stdout_reader, stdout) = std::io::pipe().unwrap();
        let (stderr_reader, stderr) = std::io::pipe().unwrap();
        drop((stdout_reader, stderr_reader));
        let status = mu(args).stdout(stdout).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(expected), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let output =
        mu(&["explain"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", String::from_utf8_lossy(&output.stderr));
}
