//! House rules that can be checked: arrows between crates, sizes of files and functions, where `unsafe` may stand,
//! links in the documents, error codes that nothing provokes, undefined behaviours that nothing raises.

use mu_vm::ir::ub::{Ub, When};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder with one of these endings, sorted.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut work = vec![root().join(folder)];
    while let Some(dir) = work.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                work.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    ["src", "tiers", "tests", "benches", "examples"]
        .iter()
        .flat_map(|folder| files(folder, &[".rs"]))
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Where the unit tests of a file begin, if they stand in it: always at its end.
const UNIT_TESTS: &str = "#[cfg(test)]\nmod tests {";

/// [I1]: which crates of the project each crate may depend on.
#[test]
fn arrows_point_one_way() {
    let allowed: [(&str, &[&str]); 6] = [
        ("src/ir", &[]),
        ("src/text", &["mu-ir"]),
        ("src/rt", &["mu-ir"]),
        ("tiers/interp", &["mu-ir", "mu-rt"]),
        ("tiers/jit", &["mu-ir", "mu-rt"]),
        (".", &["mu-ir", "mu-text", "mu-rt", "mu-interp", "mu-jit"]),
    ];
    let mut members = BTreeSet::new();
    for (folder, may) in allowed {
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or("");
        let dependencies = dependencies.split("\n[").next().unwrap_or("");
        for line in dependencies.lines() {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or("");
            if dependency.starts_with("mu-") {
                assert!(may.contains(&dependency), "{folder} must not depend on {dependency}");
            }
        }
        members.insert(folder);
    }
    let manifest = read(&root().join("Cargo.toml"));
    let listed = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or("");
    for member in listed.split(',') {
        let member = member.trim().trim_matches('"');
        assert!(member.is_empty() || members.contains(member), "{member} is in no arrow rule");
    }
}

#[test]
fn files_are_shorter_than_1000_lines() {
    let long: Vec<String> = sources()
        .iter()
        .map(|path| (read(path).lines().count(), name(path)))
        .filter(|(lines, _)| *lines > 1000)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Functions that are one table or one exhaustive match, where cutting would hide what they cover.
const LONG_FUNCTIONS: &[&str] = &["tiers/interp/exec.rs: run", "tiers/interp/exec.rs: slow"];

#[test]
fn functions_are_shorter_than_100_lines() {
    let mut long = Vec::new();
    for path in sources() {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            let words = trimmed.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let words = words.trim_start_matches("pub(super) ").trim_start_matches("const ");
            let words = words.trim_start_matches("unsafe ").trim_start_matches("extern \"C\" ");
            let Some(rest) = words.strip_prefix("fn ") else { continue };
            // A declaration in a trait has no body.
            let header =
                lines[start..].iter().find(|line| line.contains('{') || line.trim_end().ends_with(';'));
            if header.is_none_or(|line| !line.contains('{')) {
                continue;
            }
            // The function ends at the first line that closes a brace at its own indentation.
            let closing = format!("{}}}", " ".repeat(indent));
            let end = lines[start..].iter().position(|line| *line == closing).unwrap_or(0);
            let function = rest.split(['(', '<']).next().unwrap_or(rest);
            let place = format!("{}: {function}", name(&path));
            if end + 1 > 100 && !LONG_FUNCTIONS.contains(&place.as_str()) {
                long.push(format!("{place} has {} lines", end + 1));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn unsafe_stands_only_where_it_may() {
    for krate in ["src/ir/lib.rs", "src/text/lib.rs", "tiers/interp/lib.rs", "src/lib.rs", "src/main.rs"] {
        assert!(
            read(&root().join(krate)).contains("#![forbid(unsafe_code)]"),
            "{krate} must forbid unsafe code"
        );
    }
    // What plays the part of C, and this file, which names what it looks for.
    let exempt = ["tests/clients/library.rs", "tests/tidy.rs"].map(|path| root().join(path));
    for path in ["tests", "benches", "examples"].iter().flat_map(|folder| files(folder, &[".rs"])) {
        let uses = |line: &str| line.split("//").next().unwrap_or("").contains("unsafe {");
        assert!(exempt.contains(&path) || !read(&path).lines().any(uses), "{}: unsafe code", name(&path));
    }
    for path in files("src/rt", &[".rs"]).into_iter().chain(files("tiers/jit", &[".rs"])) {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if code.contains("unsafe {") || code.contains("unsafe impl") {
                let before = lines[at.saturating_sub(6)..at].iter().any(|line| line.contains("SAFETY:"));
                let inside = lines.get(at + 1).is_some_and(|line| line.contains("SAFETY:"));
                assert!(before || inside, "{}:{}: no SAFETY comment", name(&path), at + 1);
            }
        }
    }
}

#[test]
fn nothing_unfinished_is_committed() {
    let marks =
        [concat!("dbg", "!("), concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME")];
    for path in sources() {
        let text = read(&path);
        for mark in marks {
            assert!(!text.contains(mark), "{} contains {mark}", name(&path));
        }
    }
}

#[test]
fn links_in_documents_resolve() {
    let documents =
        ["README.md", "ARCHITECTURE.md", "tests/conformance/README.md"].map(|document| root().join(document));
    for document in documents {
        let text = read(&document);
        let folder = document.parent().unwrap_or(root());
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or("");
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            assert!(folder.join(target).exists(), "{}: broken link {target}", name(&document));
        }
    }
}

/// Every code is provoked by a script or named in a test.
#[test]
fn every_error_code_is_provoked() {
    let mut provoked = String::new();
    let tests = files("tests", &[".uir", ".snap", ".rs"]);
    for path in tests.into_iter().chain(files("src", &[".rs", ".snap"])) {
        let name = name(&path);
        if ["tests/", "/tests", "/test/", ".snap"].iter().any(|part| name.contains(part)) {
            provoked.push_str(&read(&path));
        }
    }
    for path in sources() {
        if let Some((_, tests)) = read(&path).split_once(UNIT_TESTS) {
            provoked.push_str(tests);
        }
    }
    let silent: Vec<String> = mu_vm::ir::codes::all()
        .filter(|code| {
            let short = format!("E{:04}", code.number);
            !provoked.contains(&short) && !provoked.contains(code.name)
        })
        .map(|code| format!("{} {}", code.text(), code.name))
        .collect();
    assert!(silent.is_empty(), "no script or test provokes\n{}", silent.join("\n"));
}

/// Lines of a source without comments, unit tests and places that only look at a value: `==`, `matches!`, patterns.
fn constructing_lines(text: &str) -> String {
    let code = text.split(UNIT_TESTS).next().unwrap_or("");
    let mut lines = String::new();
    for line in code.lines() {
        let line = line.split("//").next().unwrap_or("");
        let looks = ["== ", "!= "].iter().any(|compares| line.contains(&format!("{compares}Ub::")));
        if !looks && !line.contains("matches!(") {
            lines.push_str(line.rsplit("=> ").next().unwrap_or(line));
            lines.push('\n');
        }
    }
    lines
}

/// Whether a text has the word, not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let after = text[at + word.len()..].chars().next();
        !after.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

/// The column "reported" of the undefined behaviours against the sources, and each that is raised against the scripts.
#[test]
fn undefined_behaviours_are_raised_as_their_table_says() {
    let mut raising = String::new();
    for folder in ["src", "tiers"] {
        for path in files(folder, &[".rs"]) {
            let name = name(&path);
            if name != "src/ir/ub.rs" && !name.contains("/tests") {
                raising.push_str(&constructing_lines(&read(&path)));
            }
        }
    }
    let scripts: String = files("tests/conformance", &[".uir"]).iter().map(|path| read(path)).collect();
    let tests: String = files("tests", &[".rs"]).iter().map(|path| read(path)).collect();
    let units: String = files("src", &["tests.rs"]).iter().map(|path| read(path)).collect();
    let mut wrong = Vec::new();
    for &ub in Ub::ALL {
        let variant = format!("Ub::{ub:?}");
        let (raised, never) = (has_word(&raising, &variant), ub.reported() == When::Never);
        if raised == never {
            wrong.push(format!("{} {variant}: raised is {raised}, but the table says otherwise", ub.id()));
        }
        if never && ub.note().is_empty() {
            wrong.push(format!("{} {variant} is never reported, and the table does not say why", ub.id()));
        }
        let expected = format!("ub {}", ub.id());
        let tested =
            has_word(&scripts, &expected) || has_word(&tests, &variant) || has_word(&units, &variant);
        if raised && !tested {
            wrong.push(format!("{} {variant}: no script or test expects it", ub.id()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// [I3]: no arm for "all others" beside arms that name instructions, common instructions, families or type rules. Where
/// such a match stands, a new row of the table must not compile until somebody has decided.
#[test]
fn matches_over_the_instruction_table_have_no_wildcard_arms() {
    // Behind its import, the optimizing tier has operations of its own, whose passes pick the patterns they know.
    let own_operations = ["tiers/jit/ssa/", "tiers/jit/opt/", "tiers/jit/x64/"];
    let mut found = Vec::new();
    let in_rooms = ["tiers", "src/ir/verify"].iter().flat_map(|folder| files(folder, &[".rs"]));
    for path in in_rooms.chain([root().join("src/ir/eval.rs")]) {
        let text = read(&path);
        let code = text.split(UNIT_TESTS).next().unwrap_or("");
        let lines: Vec<&str> = code.lines().collect();
        if own_operations.iter().any(|room| name(&path).starts_with(room)) {
            let table = ["Family", "IntOp", "FpOp", "ConvOp", "CommInst", ".family()", ".mnemonic()"];
            let knows = lines.iter().position(|line| table.iter().any(|word| line.contains(word)));
            if let Some(at) = knows {
                found.push(format!("{}:{}: the instruction table behind the import", name(&path), at + 1));
            }
            continue;
        }
        for (at, line) in lines.iter().enumerate() {
            let pattern = line.trim_start().split(" =>").next().unwrap_or("");
            let wildcard = pattern == "_" || pattern.chars().all(|letter| letter.is_ascii_lowercase());
            if !wildcard || pattern.is_empty() || !line.contains("=>") {
                continue;
            }
            let indent = |line: &str| line.len() - line.trim_start().len();
            let depth = indent(line);
            // The arms before it, up to the line that opens the match.
            let arms =
                lines[..at].iter().rev().take_while(|before| before.is_empty() || indent(before) >= depth);
            let arms = arms.filter(|before| indent(before) == depth);
            let mut patterns = arms.map(|arm| arm.split("=>").next().unwrap_or(arm));
            let named = ["Op::", "CommInst::", "Inst::", "Family::", "Rule::"];
            if patterns.any(|pattern| named.iter().any(|name| pattern.contains(name))) {
                found.push(format!("{}:{}: {}", name(&path), at + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "wildcard arms:\n{}", found.join("\n"));
}

/// Every row of the decisions in ARCHITECTURE.md names scripts or Rust tests, and they exist.
#[test]
fn decisions_are_shown_by_scripts_or_tests() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let section = text.split("\n## ").find(|section| section.starts_with("Decisions")).unwrap_or("");
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30, "the table of decisions was not found");
    let mut wrong = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [point, _, shown_by] = cells[..] else {
            wrong.push(format!("{row}\n    must have three cells: point, decision, shown by"));
            continue;
        };
        for shown in shown_by.split(", ") {
            let exists = match shown.split_once(": ") {
                Some((file, test)) => {
                    let path = root().join(file);
                    path.exists() && read(&path).contains(&format!("fn {test}("))
                }
                None => shown.ends_with(".uir") && root().join("tests/conformance").join(shown).exists(),
            };
            if !exists {
                wrong.push(format!("{point}: there is no {shown}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every function of the Rust interface that takes an id, a value, a stack or a cursor is called wrongly in a test.
#[test]
fn every_function_of_the_interface_is_misused() {
    let misuse = read(&root().join("tests/misuse.rs")) + &read(&root().join("src/introspect/tests.rs"));
    let rooms = [
        "src/lib.rs",
        "src/values.rs",
        "src/handles.rs",
        "src/memory.rs",
        "src/native.rs",
        "src/threads.rs",
        "src/driver.rs",
        "src/introspect/mod.rs",
        "src/trace.rs",
        "src/os_threads.rs",
    ];
    let takes =
        ["TypeId", "FuncId", "MuId", "&Value", "[Value]", "Vec<Value>", "StackRef", "ThreadRef", "Cursor"];
    let (mut found, mut missing) = (0, Vec::new());
    for path in rooms.map(|room| root().join(room)).iter().filter(|path| path.exists()) {
        for function in read(path).split("    pub fn ").skip(1) {
            let header = function.split('{').next().unwrap_or("");
            let name = header.split(['(', '<']).next().unwrap_or("");
            let parameters = header.split(") ->").next().unwrap_or(header);
            if takes.iter().any(|kind| parameters.contains(kind)) {
                found += 1;
                if !misuse.contains(&format!(".{name}(")) {
                    missing.push(format!("{}: {name}", path.display()));
                }
            }
        }
    }
    assert!(found > 75, "only {found} functions were found");
    assert!(missing.is_empty(), "tests/misuse.rs does not call\n{}", missing.join("\n"));
}
