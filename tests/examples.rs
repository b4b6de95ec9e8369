//! Runs the programs in examples/ through the `mu` command and compares with examples/expected.txt, whose head explains
//! its format; and the embedding example.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../examples/embed.rs"]
#[allow(dead_code, reason = "its main function")]
mod embed;

#[path = "support/sha256.rs"]
mod digest;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A line of expected.txt.
struct Check {
    program: String,
    args: Vec<String>,
    expectations: Vec<(String, String)>,
}

fn checks() -> Vec<Check> {
    let text = std::fs::read_to_string(root().join("examples/expected.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
            let [program, args, expectations] = parts[..] else { panic!("{line}: not three parts") };
            let expectations = expectations.split(';').map(|expectation| {
                let (kind, text) = expectation.trim().split_once(' ').unwrap_or((expectation.trim(), ""));
                (kind.to_owned(), text.trim().to_owned())
            });
            Check {
                program: program.to_owned(),
                args: args.split_whitespace().map(str::to_owned).collect(),
                expectations: expectations.collect(),
            }
        })
        .collect()
}

/// The file an argument `gen:N` stands for.
fn generated(program: &str, length: usize) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples").join(program);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(length.to_string());
    let bytes: Vec<u8> = (0..length).map(|k| ((7 * k + 3) % 251) as u8).collect();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Equal words, where floating-point numbers are compared by their bits.
fn same(expected: &str, got: &str) -> bool {
    let number =
        |word: &str| word.contains('.').then(|| word.parse::<f64>().ok()).flatten().map(f64::to_bits);
    let (expected, got): (Vec<_>, Vec<_>) =
        (expected.split_whitespace().collect(), got.split_whitespace().collect());
    expected.len() == got.len()
        && expected.iter().zip(&got).all(|(expected, got)| {
            expected == got || number(expected).is_some_and(|bits| Some(bits) == number(got))
        })
}

fn run(check: &Check) {
    let mut files = BTreeMap::new();
    for arg in &check.args {
        if let Some(length) = arg.strip_prefix("gen:") {
            let path = generated(&check.program, length.parse().unwrap());
            files.insert(arg.as_str(), path.to_str().unwrap().to_owned());
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mu"));
    command.current_dir(root()).arg("run").arg(format!("examples/{}.uir", check.program));
    if check.program == "lazy" {
        command.args(["--on-undefined", "examples/lazy_square.part.uir"]);
    }
    command.arg("--").args(check.args.iter().map(|arg| files.get(arg.as_str()).unwrap_or(arg)));
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let place = format!("{} {}\nstdout: {stdout}\nstderr: {stderr}\n", check.program, check.args.join(" "));

    let mut exit = 0;
    for (kind, text) in &check.expectations {
        let text = files.iter().fold(text.clone(), |text, (arg, path)| {
            text.split(' ').map(|word| if word == *arg { path } else { word }).collect::<Vec<_>>().join(" ")
        });
        match kind.as_str() {
            "stdout" => assert!(same(&text, &stdout), "{place}expected stdout {text}"),
            "stderr" => assert!(same(&text, &stderr), "{place}expected stderr {text}"),
            "sha256" => assert_eq!(digest::hex(&output.stdout), text, "{} {:?}", check.program, check.args),
            "exit" => exit = text.parse().unwrap(),
            _ => panic!("{kind}: no such expectation"),
        }
    }
    assert_eq!(output.status.code(), Some(exit), "{place}");
}

macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test] fn $name() {
            let checks: Vec<Check> =
                checks().into_iter().filter(|check| check.program == stringify!($name)).collect();
            assert!(!checks.is_empty());
            checks.iter().for_each(run);
        })*
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
    };
}

programs! {
    hello gcd fib is_prime sieve quicksort nbody mandelbrot matmul generator exceptions threads lazy sha256
}

#[test]
fn every_line_is_run() {
    let programs: BTreeSet<String> = checks().into_iter().map(|check| check.program).collect();
    assert!(programs.iter().map(String::as_str).eq(PROGRAMS.iter().copied().collect::<BTreeSet<_>>()));
    assert!(checks().len() >= 89);
}

#[test]
fn embedding() {
    assert_eq!(
        embed::run().unwrap(),
        "Trap: 21\nWatchpoint(1): 42\nresult: 42\nprice: 7.25\nprice: 5.0\nprice: 0.0\norders: 3"
    );
}
