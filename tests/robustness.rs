//! No text makes loading panic, and no text that is refused leaves a trace.
//!
//! Every bundle under tests/ and examples/ is cut off at every byte (large ones at a seeded sample of bytes), and
//! changed in small seeded ways: bytes, tokens and whole lines go, come twice, or become something else. Whatever comes
//! out is loaded into an instance that holds something already. It loads, or there are diagnostics with places in the
//! text; then the instance is as it was. Mutants that load are run as well, with little fuel, unless they can reach
//! native code or raw memory: checked mode must end them without a panic, however wrong they are.
//!
//! `MU_ROBUSTNESS=10 cargo test --release --test robustness` does ten times as much, with other seeds.

use mu_vm::ir::diag::Severity;
use mu_vm::rt::runtime::Config;
use mu_vm::{LoadError, Mu, Options};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files up to this size are cut off everywhere.
const EVERY_BYTE_MAX: usize = 2048;

/// Cuts of a larger file.
const CUTS: usize = 60;

/// Mutants of a file.
const MUTANTS: usize = 12;

/// Instructions a mutant's function may execute.
const FUEL: u64 = 2_000;

/// What every instance holds before; names that no other file uses.
const BEFORE: &str = "
    .typedef @robust.i64 = int<64>
    .funcsig @robust.sig = (@robust.i64) -> (@robust.i64)
    .const @robust.one <@robust.i64> = 1
    .global @robust.cell <@robust.i64>
    .funcdef @robust.f VERSION %v1 <@robust.sig> {
        %entry(<@robust.i64> %x):
            %y = ADD <@robust.i64> %x @robust.one
            RET %y
    }
";

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// How much to do, and where the seeds begin.
fn effort() -> (usize, u64) {
    let times = std::env::var("MU_ROBUSTNESS").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    (times, if times == 1 { 0 } else { 0x5eed })
}

fn bundles() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("tests"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "uir") {
                let text = std::fs::read(&path).unwrap();
                // Some are no text on purpose; what can be loaded is.
                if let Ok(text) = String::from_utf8(text) {
                    found.push((path, text));
                }
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "only {} bundles were found", found.len());
    found
}

/// An instance and what it looks like.
struct Subject {
    mu: Mu,
    mark: String,
}

impl Subject {
    fn new() -> Subject {
        let config = Config { heap_bytes: 1 << 20, stack_bytes: 64 << 10, ..Config::default() };
        let mut mu = Mu::new(Options { config, fuel: FUEL }).unwrap();
        mu.load_bundle("before.uir", BEFORE).unwrap();
        // A mark holds the size of every table of the program.
        let mark = format!("{:?}", mu.program().mark());
        Subject { mu, mark }
    }

    /// Loads a text and checks what comes of it. Whether it loaded: then the subject has changed.
    fn load(&mut self, text: &str) -> bool {
        match self.mu.load_bundle("hostile.uir", text) {
            Ok(_) => true,
            Err(error) => {
                check_errors(&error, text);
                self.check_unchanged();
                false
            }
        }
    }

    fn check_unchanged(&self) {
        assert_eq!(format!("{:?}", self.mu.program().mark()), self.mark, "the program has changed");
        for name in ["@robust.i64", "@robust.f", "@robust.f.v1.entry.y", "@robust.cell"] {
            let id = self.mu.id_of(name).unwrap_or_else(|| panic!("{name} is gone"));
            assert_eq!(self.mu.name_of(id), Some(name));
        }
    }

    /// Runs every function without parameters, and the others with zeros, as far as the fuel goes.
    fn run_all(&mut self) {
        let names: Vec<String> = (0..self.mu.program().funcs.len())
            .map(|index| self.mu.func_name(mu_vm::ir::ids::FuncId::new(index)))
            .collect();
        for name in names {
            let Some(func) = self.mu.func(&name) else { continue };
            let params = self.mu.params(func).to_vec();
            let zeros: Option<Vec<_>> = params.iter().map(|&ty| zero(&self.mu, ty)).collect();
            if let Some(zeros) = zeros {
                self.mu.call(func, zeros);
            }
        }
    }
}

/// 0, 0.0 or NULL.
fn zero(mu: &Mu, ty: mu_vm::ir::ids::TypeId) -> Option<mu_vm::Value> {
    mu.value_from_int(ty, 0)
        .or_else(|| mu.value_from_f64(ty, 0.0))
        .or_else(|| mu.value_from_f32(ty, 0.0))
        .or_else(|| mu.null(ty))
}

/// Errors are there, have messages, and point into the text.
fn check_errors(error: &LoadError, text: &str) {
    assert!(error.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error), "no error");
    for diagnostic in &error.diagnostics {
        assert!(!diagnostic.message.is_empty());
        let span = diagnostic.primary.span;
        if span.is_some() {
            let source = error.sources.get(span.source.index()).expect("the source of the place is there");
            let end = source.text.len();
            assert!(span.start <= span.end && span.end as usize <= end, "{span:?} of a text of {end} bytes");
            if source.name == "hostile.uir" {
                assert_eq!(&*source.text, text);
            }
            source.line_col(span.start);
        }
    }
    assert!(!error.to_string().is_empty());
}

/// Runs a job for each bundle on several threads; gives the sum of its results. A panic of the machine becomes a panic
/// that names the bundle.
fn for_each_bundle(job: impl Fn(&Path, &str, &mut Subject) -> usize + Sync) -> usize {
    let bundles = bundles();
    let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(16) {
            scope.spawn(|| {
                let mut subject = Subject::new();
                while let Some((path, text)) = bundles.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sum.fetch_add(job(path, text, &mut subject), Ordering::Relaxed);
                }
            });
        }
    });
    sum.into_inner()
}

/// Loads a text, and says which one it was if that goes wrong.
fn load_or_name(subject: &mut Subject, path: &Path, what: &str, text: &str, run: bool) {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let loaded = subject.load(text);
        if loaded && run {
            subject.run_all();
        }
        loaded
    }));
    match attempt {
        Ok(false) => {}
        Ok(true) => *subject = Subject::new(),
        Err(_) => {
            let file = std::env::temp_dir().join(format!("mu-robustness-{}.uir", std::process::id()));
            let kept = std::fs::write(&file, text)
                .map_or(String::new(), |()| format!("; kept in {}", file.display()));
            panic!("{}, {what}: panic, see above{kept}", path.display());
        }
    }
}

#[test]
fn every_cut_bundle_is_refused_or_loads() {
    let (times, seed) = effort();
    let cuts = for_each_bundle(|path, text, subject| {
        let mut random = Random(seed ^ text.len() as u64);
        let ends: Vec<usize> = match text.len() {
            0..=EVERY_BYTE_MAX => (0..=text.len()).collect(),
            length => (0..CUTS * times).map(|_| random.below(length + 1)).collect(),
        };
        let mut loads = 0;
        for end in ends {
            // Inside a character there is no text to load. Inside a comment all cuts are nearly the same text.
            if let Some(cut) = text.get(..end).filter(|cut| end % 16 == 0 || !ends_in_comment(cut)) {
                load_or_name(subject, path, &format!("the first {end} bytes"), cut, false);
                loads += 1;
            }
        }
        loads
    });
    println!("{cuts} cuts");
}

/// Whether the last line has a comment.
fn ends_in_comment(text: &str) -> bool {
    text.rsplit('\n').next().is_some_and(|line| line.contains("//"))
}

#[test]
fn every_mutant_is_refused_or_loads() {
    let (times, seed) = effort();
    let mutants = for_each_bundle(|path, text, subject| {
        // The machine code of a C function and raw memory are not ours to survive.
        let native = ["PTR", "CCALL", "EXTERN", ".native.", ".expose"].iter().any(|word| text.contains(word));
        for index in 0..MUTANTS * times {
            let mutant = mutant(text, &mut Random(seed ^ index as u64 ^ (text.len() as u64) << 20));
            load_or_name(subject, path, &format!("mutant {index}"), &mutant, !native);
        }
        MUTANTS * times
    });
    println!("{mutants} mutants");
}

/// Tokens that are more likely than others to break something.
const NASTY: &[&str] = &[
    "0",
    "-1",
    "18446744073709551615",
    "0x100000000000000000000000000000000",
    "int<",
    "struct<",
    ">",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "%",
    "@",
    "#",
    ".",
    "-",
    "é",
    "\u{0}",
    "\u{feff}",
    "//",
    "1e999999d",
    "bitsf(",
    "NULL",
    "@void",
    "EXC(",
    "KEEPALIVE(",
    "VERSION",
    ".funcdef",
    ".typedef",
    "SWITCH",
    "RET",
    "THROW",
    "<>",
    "1.5f",
    "nand",
];

/// The text with one to three small changes.
fn mutant(text: &str, random: &mut Random) -> String {
    let mut tokens: Vec<&str> = tokens(text);
    for _ in 0..=random.below(3) {
        if tokens.is_empty() {
            return String::new();
        }
        let at = random.below(tokens.len());
        match random.below(7) {
            0 => {
                tokens.remove(at);
            }
            1 => tokens.insert(at, tokens[at]),
            2 => tokens[at] = *random.pick::<&str>(NASTY),
            3 => tokens.insert(at, *random.pick::<&str>(NASTY)),
            4 => {
                // Another token of the same kind keeps the text plausible, so that later stages see it.
                let kind = kind(tokens[at]);
                let same: Vec<&str> =
                    tokens.iter().copied().filter(|token| self::kind(token) == kind).collect();
                tokens[at] = *random.pick(&same);
            }
            5 => {
                let other = random.below(tokens.len());
                tokens.swap(at, other);
            }
            _ => {
                let end = (at + random.below(40)).min(tokens.len());
                match random.below(2) {
                    0 => drop(tokens.drain(at..end)),
                    _ => {
                        let copy = tokens[at..end].to_vec();
                        tokens.splice(at..at, copy);
                    }
                }
            }
        }
    }
    tokens.concat()
}

/// The first character, and letters and digits as classes.
fn kind(token: &str) -> char {
    match token.chars().next() {
        Some(c) if c.is_ascii_uppercase() => 'A',
        Some(c) if c.is_ascii_lowercase() => 'a',
        Some(c) if c.is_ascii_digit() => '0',
        Some(c) if c.is_whitespace() => ' ',
        Some(c) => c,
        None => ' ',
    }
}

/// Runs of name characters, runs of white space, and single characters; comments as a whole.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let of_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let length = if rest.starts_with("//") {
            rest.find('\n')
        } else if first.is_whitespace() {
            rest.find(|c: char| !c.is_whitespace())
        } else if of_name(first) || "@%#".contains(first) {
            rest[1..].find(|c| !of_name(c)).map(|length| length + 1)
        } else {
            Some(first.len_utf8())
        };
        let (token, after) = rest.split_at(length.unwrap_or(rest.len()));
        tokens.push(token);
        rest = after;
    }
    tokens
}
