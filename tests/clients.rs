//! Bundles of the size and shape that language back ends write: tens of thousands of lines with the objects of the
//! program in a HAIL script, external symbols of libc and of the client's own library, exceptions, pinned texts,
//! `int<128>`, virtual calls, and the harmless type errors of real clients, which only `--lenient` lets pass
//! (`GETIREF <@ref…>`, pointers to types with references inside, constants and shift amounts of another width).
//!
//! The text is made of tests/clients/common.uir and, for each unit, tests/clients/unit.template with its
//! numbers put in. [`Unit`] computes what each unit must answer.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// 400 units are 69,700 lines of UIR and 3,200 of HAIL.
const UNITS: i64 = 400;

/// What the program prints.
const GREETING: &str = "all units have run\n";

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A unit of the program, as a model.
struct Unit {
    number: i64,
    factor: i64,
    offset: i64,
    /// Added to the thing's value at each call; also an amount of a shift.
    small: i64,
    text: String,
    value: i64,
}

impl Unit {
    fn new(number: i64) -> Unit {
        let mixed = (number + 1).wrapping_mul(0x5851_f42d_4c95_7f2d);
        Unit {
            number,
            factor: (mixed >> 20) & 0xffff_ffff | 1,
            offset: mixed >> 33,
            small: number % 60 + 1,
            text: format!("unit {number}: {}", "text ".repeat(number as usize % 5)),
            value: number * 1000 + 7,
        }
    }

    fn uir(&self, template: &str) -> String {
        template
            .replace("{n}", &self.number.to_string())
            .replace("{factor}", &self.factor.to_string())
            .replace("{offset}", &self.offset.to_string())
            .replace("{small}", &self.small.to_string())
    }

    /// The objects of the unit: allocations and initialisations.
    fn hail(&self, allocations: &mut String, initialisations: &mut String) {
        let Unit { number, text, value, .. } = self;
        let length = text.len();
        let characters: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        let characters = characters.join(" ");
        // Writing to a string cannot fail.
        let _ = write!(
            allocations,
            ".newhybrid $text.{number} <@hyb.text_0> {length}\n\
             .new $vtable.{number} <@stt.vtable_0>\n\
             .new $thing.{number} <@stt.unit{number}.Thing_0>\n"
        );
        let _ = write!(
            initialisations,
            ".init $text.{number} = {{-1 {length} {{{characters}}}}}\n\
             .init $vtable.{number} = {{{number} {} @method_{number}}}\n\
             .init $thing.{number} = {{{{$vtable.{number}}} {value} $text.{number}}}\n\
             .init @gcl.unit{number}.thing = $thing.{number}\n\
             .init @gcl.unit{number}.text = $text.{number}\n",
            number + 1
        );
    }

    /// What `@unit_{n}` answers.
    fn run(&mut self, x: i64) -> i64 {
        let hash = self.text.bytes().fold(self.offset, |hash, byte| hash.wrapping_mul(31) ^ i64::from(byte));
        let x = x ^ hash;
        let wide = i128::from(x).wrapping_mul(self.factor.into()).wrapping_add(self.offset.into());
        let x = (wide >> (x & 31)) as i64 ^ (wide >> 63) as i64;
        let x = if (x as u64).is_multiple_of(3) { x.wrapping_neg() } else { x.wrapping_add(self.offset) };
        let sum = self.text.bytes().fold(7i64, |sum, byte| sum.wrapping_mul(131).wrapping_add(byte.into()));
        let x = x.wrapping_add(sum);
        self.value += self.small;
        let x = self.value ^ x;
        match x as u64 % 4 {
            0 => x.wrapping_mul(self.factor),
            1 => x.wrapping_sub(self.factor),
            2 => (x as u64 >> self.small) as i64,
            _ => x,
        }
    }
}

/// A program of so many units, in files.
struct Client {
    bundle: PathBuf,
    hail: PathBuf,
    library: PathBuf,
    /// What `@checksum` answers.
    checksum: i64,
}

impl Client {
    fn new(folder: &Path, units: i64) -> Client {
        let template = std::fs::read_to_string(source("unit.template")).unwrap();
        let mut text = std::fs::read_to_string(source("common.uir")).unwrap();
        let (mut allocations, mut initialisations) = (String::new(), String::new());
        let mut body = String::new();
        let mut sum = 0;
        for number in 0..units {
            let mut unit = Unit::new(number);
            text.push_str(&unit.uir(&template));
            unit.hail(&mut allocations, &mut initialisations);
            let _ = writeln!(
                body,
                "        %x_{} = CALL <@sig.i64_i64> @unit_{number} (%x_{number})",
                number + 1
            );
            sum = unit.run(sum);
        }
        let _ = write!(
            text,
            ".funcdef @checksum VERSION %_ver_10 <@sig._i64> {{\n    %blk0():\n        \
             BRANCH %blk1(@0_i64)\n    %blk1(<@i64> %x_0):\n{body}        RET %x_{units}\n}}\n\
             .funcdef @entry VERSION %_ver_11 <@sig.main> {{\n    \
             %blk0(<@i32> %argc_0 <@ptr.argv_0> %argv_0):\n        \
             %sum_0 = CALL <@sig._i64> @checksum ()\n        \
             %text_0 = LOAD <@ref.text_0> @gcl.greeting\n        \
             %rtn_0 = CALL <@sig.text_i64> @print (%text_0)\n        \
             RET %sum_0\n}}\n"
        );
        let greeting: Vec<String> = GREETING.bytes().map(|byte| byte.to_string()).collect();
        let _ = write!(
            initialisations,
            ".init $greeting = {{0 {length} {{{}}}}}\n.init @gcl.greeting = $greeting\n\
             .init $error_vtable = {{-1 -1 @error_method}}\n.init @gcl.error_vtable = $error_vtable\n\
             .newhybrid $greeting <@hyb.text_0> {length}\n.new $error_vtable <@stt.vtable_0>\n",
            greeting.join(" "),
            length = GREETING.len()
        );
        let (bundle, hail) = (folder.join("client.uir"), folder.join("client.hail"));
        std::fs::write(&bundle, text).unwrap();
        std::fs::write(&hail, allocations + &initialisations).unwrap();
        Client { bundle, hail, library: compile_library(folder), checksum: sum }
    }

    fn mu(&self, command: &str, options: &[&str]) -> Output {
        let mut mu = Command::new(env!("CARGO_BIN_EXE_mu"));
        mu.arg(command).arg(&self.bundle).arg("--hail").arg(&self.hail).args(options);
        mu.stdin(Stdio::null()).output().unwrap()
    }

    /// Calls a function with the client's library.
    fn run(&self, entry: &str, options: &[&str]) -> (Option<i32>, String, String) {
        let library = format!("--lib={}", self.library.display());
        let output = self.mu("run", &[&["--lenient", &library, "--entry", entry], options].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

/// The client's library, by the compiler that compiles this.
fn compile_library(folder: &Path) -> PathBuf {
    let library = folder.join("libclient.so");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--edition=2021", "--crate-type=cdylib", "-Cpanic=abort", "-Copt-level=1", "-o"])
        .args([&library, &source("library.rs")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

#[test]
fn a_large_client_runs_as_its_author_means_it() {
    let folder = folder("large");
    let client = Client::new(&folder, UNITS);
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
    assert!(lines(&client.bundle) > 55_000 && lines(&client.hail) > 1200);

    let (code, stdout, stderr) = client.run("@checksum", &[]);
    assert_eq!((code, stdout.trim()), (Some(0), client.checksum.to_string().as_str()), "{stderr}");
    // Thousands of warnings are not what who runs a program wants to read.
    assert!(stderr.contains("more warnings; `mu check` shows them") && stderr.len() < 5000, "{stderr}");

    // A main as a C compiler would call it, its arrays written as hybrids.
    let (code, stdout, stderr) = client.run("@entry", &["--", "an argument"]);
    assert_eq!((code, stdout.as_str()), (Some(client.checksum as u8 as i32), GREETING), "{stderr}");
}

#[test]
fn a_client_runs_while_its_objects_move() {
    let folder = folder("moving");
    let client = Client::new(&folder, 40);
    let stress = ["--gc-stress=safepoint,move", "--verify-heap", "--stats"];
    let (code, stdout, stderr) = client.run("@checksum", &stress);
    assert_eq!((code, stdout.trim()), (Some(0), client.checksum.to_string().as_str()), "{stderr}");
    let count = |name: &str| -> u64 {
        let line = stderr.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{stderr}"));
        line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap()
    };
    assert!(count("stress at safepoints") > 100 && count("objects moved") > 10_000, "{stderr}");
}

#[test]
fn what_is_missing_or_not_lenient_is_said() {
    let folder = folder("missing");
    let client = Client::new(&folder, 2);
    let said = |output: Output| (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());

    let (code, stderr) = said(client.mu("run", &["--lenient", "--error-format=short"]));
    assert_eq!(code, Some(126));
    assert!(stderr.contains("error[MU-E4001]: no symbol \"mu_test_client_checksum\" is loaded"), "{stderr}");

    let library = format!("--lib={}", client.library.display());
    let (code, stderr) = said(client.mu("check", &[&library, "--error-format=short"]));
    assert_eq!(code, Some(126));
    for error in ["error[MU-E3007]", "error[MU-E3101]", "error[MU-E3184]"] {
        assert!(stderr.contains(error), "{error}: {stderr}");
    }
    let (code, stderr) = said(client.mu("check", &[&library, "--lenient", "--error-format=short"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("error[") && stderr.contains("warning[MU-E3184]"), "{stderr}");
}
