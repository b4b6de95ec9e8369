//! The `//!` directives of conformance scripts: a text becomes a [`Script`], or the list of its malformed lines.
//!
//! **What.** A script is a bundle in text form whose expectations stand in comments (tests/conformance/README.md is the
//! contract). This module reads the comments and nothing else: names and values stay text, because what they mean
//! depends on types, which only a loaded program knows. Values become a small tree ([`Value`]), so that who runs a
//! script never takes text apart again.
//!
//! **Why this way.** One line is one directive, so a line is read by one [`Cursor`] from left to right without
//! backtracking, and a mistake costs its line and no other. Nothing is skipped: an unknown word, a missing bracket or
//! anything left over at the end of a line is an error, so that an expectation cannot get lost by a typing mistake.
//!
//! **Invariants.**
//! * Every line that starts with `//!` (white space before it aside) is either in the result or in the errors.
//! * Line numbers count from 1.
//! * Values nest at most [`DEPTH_MAX`] deep; nothing else recurses.
//!
//! **Example.**
//! ```
//! use mu_text::script::{self, Outcome, StepKind};
//!
//! let script = script::parse("\
//! //! spec: instruction-set#binary-operations
//! //! call @add(1, 2) => (3)
//! ").unwrap();
//! assert_eq!(script.steps[0].line, 2);
//! let StepKind::Call(call) = &script.steps[0].kind else { panic!() };
//! assert_eq!((call.func.as_str(), call.args.len()), ("@add", 2));
//! assert_eq!(call.outcomes[0].to_string(), "(3)");
//! ```

#[cfg(test)]
#[path = "test/script.rs"]
mod tests;

use crate::units;
use std::fmt;

/// Values nested deeper than this are refused.
pub const DEPTH_MAX: usize = 64;

/// A malformed directive.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// A script: what its directives say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Script {
    /// The clauses of the specification it is about, `chapter#anchor`, in textual order.
    pub spec: Vec<String>,
    /// Options of the instance.
    pub options: Options,
    /// The line of `valid`, if it is there.
    pub valid: Option<u32>,
    /// `invalid` lines: errors of loading the script's own bundle.
    pub invalid: Vec<Report>,
    /// `warns` lines: warnings of loading it.
    pub warns: Vec<Report>,
    /// What happens then, in textual order.
    pub steps: Vec<Step>,
}

/// `option:` lines, all together. `None` where the script leaves the choice to its runner.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Bytes of each stack.
    pub stack_bytes: Option<u64>,
    /// Most bytes of heap objects.
    pub heap_bytes: Option<u64>,
    /// Instructions each call may execute.
    pub fuel: Option<u64>,
    /// Whether harmless type mismatches are warnings.
    pub lenient: bool,
    /// Most stacks at a time.
    pub stacks_max: Option<usize>,
    /// Most threads of a call at a time.
    pub threads_max: Option<usize>,
    /// The seed of the scheduler.
    pub seed: Option<u64>,
    /// With how many seeds the script is run, from that one on; at least 1.
    pub seeds: Option<u64>,
    /// The script waits for times that only a virtual clock reaches.
    pub virtual_time: bool,
    /// Mean number of instructions between preemptions.
    pub preempt: Option<u64>,
    /// How many of a hundred weak CMPXCHG fail spuriously.
    pub weak_failures: Option<u8>,
    /// How many of a hundred futex waits end spuriously.
    pub spurious_wakes: Option<u8>,
}

/// An expected error or warning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The line of the directive.
    pub line: u32,
    /// What is expected; `None` where the bless mode shall fill it in.
    pub expected: Option<Expected>,
}

/// A code and its primary place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Expected {
    /// Line of the bundle, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The code as written, e.g. `MU-E3101`.
    pub code: String,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @{}:{}", self.code, self.line, self.column)
    }
}

/// A step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its line.
    pub line: u32,
    /// What to do.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StepKind {
    /// Load another bundle, or a HAIL script.
    Load {
        /// The file, relative to the script.
        file: String,
        /// It is a HAIL script.
        hail: bool,
        /// The errors, where it must fail; the first stands on the line of the step, others continue it.
        invalid: Option<Vec<Report>>,
    },
    /// Enable or disable a watchpoint.
    Watchpoint {
        /// Its id.
        id: u32,
        /// Enable.
        on: bool,
    },
    /// The name is known.
    Id(String),
    /// The name is not known.
    NoId(String),
    /// Call a function.
    Call(Call),
}

/// A call and what must come of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The function's name.
    pub func: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// What may come of it: one outcome, or those of `either`.
    pub outcomes: Vec<Outcome>,
    /// The traps it meets, in order.
    pub traps: Vec<Trap>,
}

/// How a thread ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The bottom frame returned these values.
    Values(Vec<Value>),
    /// An exception left the bottom frame; with what is to be known about it.
    Throws(Option<Value>),
    /// Undefined behaviour.
    Undefined {
        /// The id, `U10`.
        id: String,
        /// The global name of the instruction, if it matters.
        at: Option<String>,
    },
    /// The thread was ended.
    Exit,
    /// A trap nobody answered.
    Trap,
    /// The fuel was used up.
    ExhaustedFuel,
    /// All threads wait, and nobody can wake one.
    Deadlock,
}

/// A trap a call meets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trap {
    /// The line.
    pub line: u32,
    /// Where it happens.
    pub place: TrapPlace,
    /// Values of the keep-alive variables, if they matter.
    pub keepalives: Option<Vec<Value>>,
    /// What the handler does first.
    pub deeds: Vec<Deed>,
    /// How the thread goes on.
    pub answer: Answer,
}

/// Where a trap happens. Instructions are named by their global name; `None` is one without a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TrapPlace {
    /// At a TRAP instruction.
    Trap(Option<String>),
    /// At a WATCHPOINT with this id.
    Watchpoint(u32, Option<String>),
    /// At the call of this function, which has no version.
    Undefined(String),
}

/// What a trap handler does before it answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Load a bundle; the file is relative to the script.
    Load(String),
    /// Enable or disable a watchpoint.
    Watchpoint {
        /// Its id.
        id: u32,
        /// Enable.
        on: bool,
    },
}

/// How the thread goes on after a trap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// With these values.
    Pass(Vec<Value>),
    /// With this exception: `null`, or a [`Value::Content`] of which a new object is made.
    Throw(Value),
    /// Not at all.
    Exit,
}

/// A value as written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number, `inf`, `-inf`, `nan`.
    Number(String),
    /// `bits(…)`, with the number inside.
    Bits(String),
    /// `{v, …}`
    Braces(Vec<Value>),
    /// `null`
    Null,
    /// `nonnull`
    NonNull,
    /// `@name`
    Name(String),
    /// `<@T> v`
    Content(String, Box<Value>),
    /// `new <@T> v`
    New(String, Box<Value>),
    /// `fp(v)`
    Fp(Box<Value>),
    /// `int(v)`
    Int(Box<Value>),
    /// `ref(v, tag)`
    Ref(Box<Value>, Box<Value>),
    /// `"text"`, without its escapes.
    Text(String),
    /// `_`
    Any,
}

/// Writes values as they are read.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(text) | Value::Name(text) => f.write_str(text),
            Value::Bits(text) => write!(f, "bits({text})"),
            Value::Braces(members) => write_list(f, '{', members, '}'),
            Value::Null => f.write_str("null"),
            Value::NonNull => f.write_str("nonnull"),
            Value::Content(ty, value) => write!(f, "<{ty}> {value}"),
            Value::New(ty, value) => write!(f, "new <{ty}> {value}"),
            Value::Fp(value) => write!(f, "fp({value})"),
            Value::Int(value) => write!(f, "int({value})"),
            Value::Ref(value, tag) => write!(f, "ref({value}, {tag})"),
            Value::Text(text) => {
                f.write_str("\"")?;
                for c in text.chars() {
                    match c {
                        '\n' => f.write_str("\\n")?,
                        '"' | '\\' => write!(f, "\\{c}")?,
                        c => write!(f, "{c}")?,
                    }
                }
                f.write_str("\"")
            }
            Value::Any => f.write_str("_"),
        }
    }
}

/// Writes outcomes as they are read.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Values(values) => write_list(f, '(', values, ')'),
            Outcome::Throws(None) => f.write_str("throws"),
            Outcome::Throws(Some(value)) => write!(f, "throws {value}"),
            Outcome::Undefined { id, at: None } => write!(f, "ub {id}"),
            Outcome::Undefined { id, at: Some(at) } => write!(f, "ub {id} at {at}"),
            Outcome::Exit => f.write_str("exit"),
            Outcome::Trap => f.write_str("trap"),
            Outcome::ExhaustedFuel => f.write_str("exhausted fuel"),
            Outcome::Deadlock => f.write_str("deadlock"),
        }
    }
}

/// Writes places as they are read.
impl fmt::Display for TrapPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "_".into());
        match self {
            TrapPlace::Trap(inst) => write!(f, "trap {}", name(inst)),
            TrapPlace::Watchpoint(id, inst) => write!(f, "trap wp {id} {}", name(inst)),
            TrapPlace::Undefined(func) => write!(f, "trap undefined {func}"),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, open: char, values: &[Value], close: char) -> fmt::Result {
    write!(f, "{open}")?;
    for (index, value) in values.iter().enumerate() {
        write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
    }
    write!(f, "{close}")
}

/// The values in parentheses, as they are written in outcomes.
pub fn list_text(values: &[Value]) -> String {
    Outcome::Values(values.to_vec()).to_string()
}

impl Script {
    /// How many things the script asserts when all of it runs.
    pub fn assertions(&self) -> usize {
        let steps = self.steps.iter().map(|step| match &step.kind {
            StepKind::Load { invalid, .. } => invalid.as_ref().map_or(1, Vec::len),
            StepKind::Watchpoint { .. } | StepKind::Id(_) | StepKind::NoId(_) => 1,
            StepKind::Call(call) => 1 + call.traps.len(),
        });
        // Loading the script's own bundle is one assertion, or one for each error.
        self.invalid.len().max(1) + self.warns.len() + steps.sum::<usize>()
    }
}

/// Reads the directives of a script.
///
/// # Errors
/// Every malformed directive; a script that names no clause, or expects nothing.
pub fn parse(text: &str) -> Result<Script, Vec<ScriptError>> {
    let mut reader = Reader { script: Script::default(), errors: Vec::new(), open: Open::Nothing };
    for (index, line) in text.lines().enumerate() {
        reader.line(index as u32 + 1, line);
    }
    reader.check_whole();
    if reader.errors.is_empty() { Ok(reader.script) } else { Err(reader.errors) }
}

/// What a continuation line continues.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    /// Nothing that could be continued.
    Nothing,
    /// The last step.
    Step,
    /// A malformed line: its continuations are not reported as well.
    Broken,
}

struct Reader {
    script: Script,
    errors: Vec<ScriptError>,
    open: Open,
}

impl Reader {
    fn line(&mut self, line: u32, text: &str) {
        let trimmed = text.trim_start();
        let Some(rest) = trimmed.strip_prefix("//!") else { return };
        if trimmed.len() != text.len() {
            return self.error(line, "a directive begins at the beginning of its line".into());
        }
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let mut cursor = Cursor { rest: rest.trim() };
        let result = match spaces {
            0 => Err("a directive has one space after `//!`, a continuation two or more".into()),
            1 => {
                self.open = Open::Nothing;
                self.directive(line, &mut cursor)
            }
            _ if self.open == Open::Broken => return,
            _ => self.continuation(line, &mut cursor),
        };
        if let Err(message) = result.and_then(|()| cursor.end()) {
            self.error(line, message);
        }
    }

    fn error(&mut self, line: u32, message: String) {
        self.errors.push(ScriptError { line, message });
        self.open = Open::Broken;
    }

    fn directive(&mut self, line: u32, cursor: &mut Cursor<'_>) -> Result<(), String> {
        match cursor.word() {
            "spec:" => self.spec(cursor),
            "option:" => self.option(cursor),
            "valid" if self.script.valid.is_some() => Err("`valid` stands twice".into()),
            "valid" => {
                self.script.valid = Some(line);
                Ok(())
            }
            "invalid" => {
                let expected = cursor.expected()?;
                self.script.invalid.push(Report { line, expected });
                Ok(())
            }
            "warns" => {
                let expected = cursor.expected()?;
                self.script.warns.push(Report { line, expected });
                Ok(())
            }
            keyword @ ("load" | "hail") => {
                let kind = cursor.load(line, keyword == "hail")?;
                self.step(line, kind)
            }
            "watchpoint" => {
                let (id, on) = cursor.watchpoint()?;
                self.step(line, StepKind::Watchpoint { id, on })
            }
            "id" => {
                let name = cursor.global()?;
                self.step(line, StepKind::Id(name))
            }
            "no-id" => {
                let name = cursor.global()?;
                self.step(line, StepKind::NoId(name))
            }
            "call" => {
                let call = cursor.call()?;
                self.step(line, StepKind::Call(call))
            }
            "" => Err("the directive is empty".into()),
            other => Err(format!("there is no directive `{other}`")),
        }
    }

    fn step(&mut self, line: u32, kind: StepKind) -> Result<(), String> {
        self.script.steps.push(Step { line, kind });
        self.open = Open::Step;
        Ok(())
    }

    fn continuation(&mut self, line: u32, cursor: &mut Cursor<'_>) -> Result<(), String> {
        let step = match self.open {
            Open::Step => self.script.steps.last_mut(),
            Open::Nothing | Open::Broken => None,
        };
        match (cursor.word(), step.map(|step| &mut step.kind)) {
            ("trap", Some(StepKind::Call(call))) => {
                call.traps.push(cursor.trap(line)?);
                Ok(())
            }
            ("invalid", Some(StepKind::Load { invalid: Some(errors), .. })) => {
                let expected = cursor.expected()?;
                errors.push(Report { line, expected });
                Ok(())
            }
            ("trap", _) => Err("`trap` continues a `call`, and there is none above".into()),
            ("invalid", _) => {
                Err("`invalid` here continues a `load FILE invalid`, and there is none above".into())
            }
            (other, _) => Err(format!("nothing is continued by `{other}`: `trap` or `invalid` is")),
        }
    }

    fn spec(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        let mut any = false;
        loop {
            match cursor.word() {
                "" if any => return Ok(()),
                "" => return Err("`spec:` names no clause".into()),
                clause => {
                    let parts = clause.split_once('#');
                    if !parts.is_some_and(|(chapter, anchor)| !chapter.is_empty() && !anchor.is_empty()) {
                        return Err(format!("`{clause}` is no clause: write `chapter#anchor`"));
                    }
                    self.script.spec.push(clause.into());
                    any = true;
                }
            }
        }
    }

    fn option(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        let options = &mut self.script.options;
        let mut any = false;
        loop {
            let word = cursor.word();
            match word.split_once('=') {
                None if word.is_empty() && any => return Ok(()),
                None if word.is_empty() => return Err("`option:` names no option".into()),
                None if word == "lenient" => options.lenient = true,
                None if word == "virtual-time" => options.virtual_time = true,
                Some(("stack", size)) => options.stack_bytes = Some(amount(size, units::size)?),
                Some(("heap", size)) => options.heap_bytes = Some(amount(size, units::size)?),
                Some(("fuel", fuel)) => options.fuel = Some(amount(fuel, units::count)?),
                Some(("stacks", count)) => {
                    options.stacks_max = Some(usize::try_from(decimal(count)?).unwrap_or(usize::MAX));
                }
                Some(("threads", count)) => {
                    options.threads_max = Some(usize::try_from(decimal(count)?).unwrap_or(usize::MAX));
                }
                Some(("schedule", seed)) => options.seed = Some(decimal(seed)?),
                Some(("seeds", count)) => options.seeds = Some(decimal(count)?.max(1)),
                Some(("preempt", mean)) => options.preempt = Some(decimal(mean)?),
                Some(("weak-failures", rate)) => options.weak_failures = Some(percent(rate)?),
                Some(("spurious-wakes", rate)) => options.spurious_wakes = Some(percent(rate)?),
                _ => {
                    return Err(format!(
                        "there is no option `{word}`: stack=, heap=, fuel=, stacks=, threads=, schedule=, seeds=, \
                         preempt=, weak-failures=, spurious-wakes=, virtual-time and lenient are"
                    ));
                }
            }
            any = true;
        }
    }

    /// Checks that concern no single line.
    fn check_whole(&mut self) {
        let script = &self.script;
        if !self.errors.is_empty() {
            return;
        }
        if script.spec.is_empty() {
            self.error(1, "the script names no clause: `//! spec: chapter#anchor`".into());
        } else if let (Some(line), false) = (script.valid, script.invalid.is_empty()) {
            self.error(line, "the bundle cannot be both `valid` and `invalid`".into());
        } else if script.valid.is_none()
            && script.invalid.is_empty()
            && script.warns.is_empty()
            && script.steps.is_empty()
        {
            self.error(1, "the script expects nothing: `valid`, `invalid` or steps are missing".into());
        }
    }
}

fn decimal(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// A number with a unit, if any.
fn amount(text: &str, read: fn(&str) -> Result<u64, String>) -> Result<u64, String> {
    read(text).map_err(|reason| format!("`{text}`: {reason}"))
}

fn percent(text: &str) -> Result<u8, String> {
    let rate = text.parse().ok().filter(|&rate: &u8| rate <= 100);
    rate.ok_or_else(|| format!("`{text}` is no rate from 0 to 100"))
}

/// The rest of a line.
struct Cursor<'t> {
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The characters up to the next that `stop` holds of.
    fn until(&mut self, stop: impl Fn(char) -> bool) -> &'t str {
        self.skip_space();
        let end = self.rest.find(stop).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// The characters up to the next white space; empty at the end of the line.
    fn word(&mut self) -> &'t str {
        self.until(char::is_whitespace)
    }

    /// Takes `text` if it stands here.
    fn take(&mut self, text: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a word if it stands here as a whole.
    fn take_word(&mut self, word: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(word) {
            Some(rest) if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-') => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.take(text) { Ok(()) } else { Err(format!("`{text}` is expected {}", self.before())) }
    }

    /// Where the cursor stands, for messages.
    fn before(&self) -> String {
        match self.rest.trim_start() {
            "" => "at the end of the line".into(),
            rest => format!("before `{}`", rest.chars().take(40).collect::<String>()),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.skip_space();
        if self.rest.is_empty() { Ok(()) } else { Err(format!("nothing more is expected {}", self.before())) }
    }

    /// A global name.
    fn global(&mut self) -> Result<String, String> {
        self.skip_space();
        if !self.rest.starts_with('@') {
            return Err(format!("a global name is expected {}", self.before()));
        }
        let length = self.rest[1..].find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)));
        let end = length.map_or(self.rest.len(), |length| length + 1);
        if end == 1 {
            return Err("`@` has no name".into());
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(name.into())
    }

    /// A global name, or `_` for an instruction without one.
    fn inst_name(&mut self) -> Result<Option<String>, String> {
        if self.take_word("_") { Ok(None) } else { self.global().map(Some) }
    }

    /// `CODE @LINE:COL`, or nothing.
    fn expected(&mut self) -> Result<Option<Expected>, String> {
        let code = self.word();
        if code.is_empty() {
            return Ok(None);
        }
        let place = self.word();
        let numbers = place.strip_prefix('@').and_then(|place| place.split_once(':'));
        let parsed = numbers.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        match parsed {
            Some((line, column)) => Ok(Some(Expected { line, column, code: code.into() })),
            None => Err(format!("a code and its place are expected, as `{code} @12:5`")),
        }
    }

    fn load(&mut self, line: u32, hail: bool) -> Result<StepKind, String> {
        let file = self.file()?;
        let invalid = match self.take_word("invalid") {
            true => Some(vec![Report { line, expected: self.expected()? }]),
            false => None,
        };
        Ok(StepKind::Load { file, hail, invalid })
    }

    fn file(&mut self) -> Result<String, String> {
        match self.word() {
            "" => Err("a file is expected at the end of the line".into()),
            file => Ok(file.into()),
        }
    }

    fn watchpoint(&mut self) -> Result<(u32, bool), String> {
        let id = self.watchpoint_id()?;
        match self.word() {
            "on" => Ok((id, true)),
            "off" => Ok((id, false)),
            other => Err(format!("`on` or `off` is expected, not `{other}`")),
        }
    }

    fn watchpoint_id(&mut self) -> Result<u32, String> {
        let word = self.word();
        word.parse().map_err(|_| format!("`{word}` is no watchpoint id"))
    }

    fn call(&mut self) -> Result<Call, String> {
        let func = self.global()?;
        let args = self.values('(', ')', 0)?;
        self.expect("=>")?;
        let mut outcomes = Vec::new();
        if self.take_word("either") {
            outcomes.push(self.outcome()?);
            while self.take("|") {
                outcomes.push(self.outcome()?);
            }
            if outcomes.len() < 2 {
                return Err("`either` wants two outcomes or more, with `|` between them".into());
            }
        } else {
            outcomes.push(self.outcome()?);
        }
        Ok(Call { func, args, outcomes, traps: Vec::new() })
    }

    fn outcome(&mut self) -> Result<Outcome, String> {
        self.skip_space();
        if self.rest.starts_with('(') {
            return self.values('(', ')', 0).map(Outcome::Values);
        }
        if self.take_word("throws") {
            self.skip_space();
            let more = !self.rest.is_empty() && !self.rest.starts_with('|');
            return Ok(Outcome::Throws(if more { Some(self.exception()?) } else { None }));
        }
        if self.take_word("ub") {
            let id = self.word();
            let number = id.strip_prefix('U').filter(|digits| digits.parse::<u16>().is_ok());
            number.ok_or_else(|| format!("`{id}` is no undefined behaviour: write `U10`"))?;
            let at = if self.take_word("at") { Some(self.global()?) } else { None };
            return Ok(Outcome::Undefined { id: id.into(), at });
        }
        if self.take_word("exhausted") {
            return match self.take_word("fuel") {
                true => Ok(Outcome::ExhaustedFuel),
                false => Err(format!("`fuel` is expected {}", self.before())),
            };
        }
        if self.take_word("exit") {
            return Ok(Outcome::Exit);
        }
        if self.take_word("deadlock") {
            return Ok(Outcome::Deadlock);
        }
        if self.take_word("trap") {
            return Ok(Outcome::Trap);
        }
        Err(format!("an outcome is expected {}", self.before()))
    }

    /// `null` or `<@T> v`.
    fn exception(&mut self) -> Result<Value, String> {
        match self.value(0)? {
            value @ (Value::Null | Value::Content(..)) => Ok(value),
            other => Err(format!("an exception is `null` or `<@T> v`, not `{other}`")),
        }
    }

    fn trap(&mut self, line: u32) -> Result<Trap, String> {
        let place = if self.take_word("undefined") {
            TrapPlace::Undefined(self.global()?)
        } else if self.take_word("wp") {
            let id = self.watchpoint_id()?;
            TrapPlace::Watchpoint(id, self.inst_name()?)
        } else {
            TrapPlace::Trap(self.inst_name()?)
        };
        let keepalives = match self.take_word("keepalives") {
            true => Some(self.values('(', ')', 0)?),
            false => None,
        };
        let mut deeds = Vec::new();
        loop {
            let answer = if self.take_word("load") {
                deeds.push(Deed::Load(self.file()?));
                continue;
            } else if self.take_word("watchpoint") {
                let (id, on) = self.watchpoint()?;
                deeds.push(Deed::Watchpoint { id, on });
                continue;
            } else if self.take_word("pass") {
                Answer::Pass(self.values('(', ')', 0)?)
            } else if self.take_word("throw") {
                Answer::Throw(self.exception()?)
            } else if self.take_word("exit") {
                Answer::Exit
            } else {
                return Err(format!("`pass`, `throw` or `exit` is expected {}", self.before()));
            };
            return Ok(Trap { line, place, keepalives, deeds, answer });
        }
    }

    /// Values between brackets, with commas between them.
    fn values(&mut self, open: char, close: char, depth: usize) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        self.expect(open.encode_utf8(&mut [0; 4]))?;
        if self.take(close.encode_utf8(&mut [0; 4])) {
            return Ok(values);
        }
        loop {
            values.push(self.value(depth)?);
            if self.take(close.encode_utf8(&mut [0; 4])) {
                return Ok(values);
            }
            if !self.take(",") {
                return Err(format!("`,` or `{close}` is expected {}", self.before()));
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err(format!("values nest deeper than {DEPTH_MAX}"));
        }
        self.skip_space();
        if self.rest.starts_with('{') {
            return self.values('{', '}', depth + 1).map(Value::Braces);
        }
        if self.rest.starts_with('@') {
            return self.global().map(Value::Name);
        }
        if self.take("\"") {
            return self.text().map(Value::Text);
        }
        if self.rest.starts_with('<') {
            return self.typed(depth).map(|(ty, value)| Value::Content(ty, value));
        }
        let word = self.until(|c: char| c.is_whitespace() || "(),{}<>|".contains(c));
        if self.rest.starts_with('(') {
            return self.constructed(word, depth);
        }
        match word {
            "null" => Ok(Value::Null),
            "nonnull" => Ok(Value::NonNull),
            "_" => Ok(Value::Any),
            "new" => self.typed(depth).map(|(ty, value)| Value::New(ty, value)),
            "" => Err(format!("a value is expected {}", self.before())),
            word if is_number(word) => Ok(Value::Number(word.into())),
            other => Err(format!("`{other}` is no value")),
        }
    }

    /// The rest of a string, with `\"`, `\\` and `\n`.
    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    _ => return Err("the escapes of a string are `\\n`, `\\\"` and `\\\\`".into()),
                },
                c => text.push(c),
            }
        }
        Err("a string has no end".into())
    }

    /// `<@T> v`
    fn typed(&mut self, depth: usize) -> Result<(String, Box<Value>), String> {
        self.expect("<")?;
        let ty = self.global()?;
        self.expect(">")?;
        Ok((ty, Box::new(self.value(depth + 1)?)))
    }

    /// `bits(…)`, `fp(…)`, `int(…)`, `ref(…, …)`; the word has been read.
    fn constructed(&mut self, word: &str, depth: usize) -> Result<Value, String> {
        let mut inner = self.values('(', ')', depth + 1)?.into_iter();
        match (word, inner.next(), inner.next(), inner.next()) {
            ("bits", Some(Value::Number(number)), None, _) => Ok(Value::Bits(number)),
            ("fp", Some(value), None, _) => Ok(Value::Fp(Box::new(value))),
            ("int", Some(value), None, _) => Ok(Value::Int(Box::new(value))),
            ("ref", Some(value), Some(tag), None) => Ok(Value::Ref(Box::new(value), Box::new(tag))),
            ("bits" | "fp" | "int", ..) => Err(format!("`{word}` wants one value in parentheses")),
            ("ref", ..) => Err("`ref` wants a reference and a tag in parentheses".into()),
            (other, ..) => Err(format!("there are no values `{other}(…)`: bits, fp, int and ref are")),
        }
    }
}

/// Whether a word looks like a number of any type. Whether it is one of its type, the runner sees.
fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    match hex {
        Some(hex) => !hex.is_empty() && hex.chars().all(|c| c.is_ascii_hexdigit()),
        None if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => digits.parse::<f64>().is_ok(),
        None => matches!(digits, "inf" | "nan"),
    }
}
