//! How a thread ended, as text: what happened, and the stack trace with source lines, innermost frame first.
//!
//! ```text
//! undefined behaviour U1 (division or remainder by zero without an exception clause) [spec: instruction-set#binary-operations]
//!   at @f.v1.entry.x  SDIV  prog.uir:12:9
//!       %q = [%x] SDIV <@i64> %a %b
//!   at @main.v1.entry:3  CALL  prog.uir:20:9
//!       %r = CALL <@sig> @f (%a %b)
//! ```
//!
//! A frame is called by its instruction's name, or by its basic block and the position of the instruction in it, from 0.
//! In the short form there is one line, with the place of the innermost frame; in the JSON form one object
//! (`"kind":"outcome"`) with all frames.

use super::exit::Exit;
use super::json::Object;
use super::render::{ErrorFormat, JSON_VERSION, Reporter, one_line};
use annotate_snippets::renderer::{AnsiColor, Style};
use mu_vm::ir::ub::Ub;
use mu_vm::trace::NATIVE_FRAME;
use mu_vm::{Backtrace, FrameInfo, Mu, Outcome, ThreadRef, TrapCause, Value};
use std::fmt::Write as _;

/// An outcome that is not a result.
pub struct Report {
    /// How the process ends.
    pub exit: Exit,
    /// The kind of outcome, stable.
    kind: &'static str,
    /// The kind in words: the beginning of the message.
    title: String,
    /// What happened.
    message: String,
    /// The id of the undefined behaviour.
    code: Option<&'static str>,
    /// Where the specification says so.
    spec: Option<&'static str>,
    /// What to do about it.
    help: Option<String>,
    /// The thread of `backtrace`, where there are several.
    thread: Option<ThreadRef>,
    backtrace: Backtrace,
    /// Further threads.
    others: Vec<(ThreadRef, Backtrace)>,
}

impl Report {
    /// What there is to say about an outcome; `None` for threads that returned or exited.
    pub fn of(mu: &Mu, outcome: Outcome) -> Option<Report> {
        let report = |exit, kind, title: &str, message, backtrace| Report {
            exit,
            kind,
            title: title.to_owned(),
            message,
            code: None,
            spec: None,
            help: None,
            thread: None,
            backtrace,
            others: Vec::new(),
        };
        Some(match outcome {
            Outcome::Return(_) | Outcome::Exit => return None,
            Outcome::Exception(value, trace) => {
                let message = exception_text(mu, &value);
                report(Exit::Exception, "exception", "uncaught exception", message, trace)
            }
            Outcome::Trap(cause, trace) => {
                let message = match cause {
                    TrapCause::Trap => "a TRAP instruction".to_owned(),
                    TrapCause::Watchpoint(id) => format!("watchpoint {id}"),
                    TrapCause::Undefined(func) => {
                        format!("a call of {}, which has no definition", mu.func_name(func))
                    }
                };
                let mut report = report(Exit::Trap, "trap", "unhandled trap", message, trace);
                if matches!(cause, TrapCause::Undefined(_)) {
                    report.help = Some("load its bundle too, or give it with --on-undefined".to_owned());
                }
                report
            }
            Outcome::Undefined(ub, trace) => Report {
                code: Some(ub.id()),
                spec: Some(ub.anchor()),
                help: built_errors(mu, ub),
                ..report(Exit::Undefined, "undefined", "undefined behaviour", ub.title().to_owned(), trace)
            },
            Outcome::Unsupported(what, trace) => {
                report(Exit::Unsupported, "unsupported", "unsupported", what, trace)
            }
            Outcome::OutOfFuel(trace) => {
                let message = format!("after {} instructions", mu.executed());
                report(Exit::Fuel, "fuel", "out of fuel", message, trace)
            }
            Outcome::Deadlock { waiting, threads } => {
                let message = match waiting {
                    1 => "the only thread waits at a futex".to_owned(),
                    count => format!("all {count} threads wait at futexes"),
                };
                let mut threads = threads.into_iter();
                let (thread, trace) = threads.next().unzip();
                let trace = trace.unwrap_or_default();
                let others = threads.collect();
                Report { thread, others, ..report(Exit::Deadlock, "deadlock", "deadlock", message, trace) }
            }
        })
    }

    /// The text, with its line ends.
    pub fn text(&self, reporter: &Reporter) -> String {
        match reporter.format {
            ErrorFormat::Human => self.human(reporter.colour),
            ErrorFormat::Short => self.short(),
            ErrorFormat::Json => self.json(),
        }
    }

    fn human(&self, colour: bool) -> String {
        let red = if colour { AnsiColor::BrightRed.on_default().bold() } else { Style::new() };
        let dim = if colour { Style::new().dimmed() } else { Style::new() };
        let mut out = format!("{red}{}{red:#}", self.title);
        // Writing to a string cannot fail.
        let _ = match self.code {
            Some(code) => write!(out, " {red}{code}{red:#} ({})", self.message),
            None => write!(out, ": {}", self.message),
        };
        if let Some(spec) = self.spec {
            let _ = write!(out, " {dim}[spec: {spec}]{dim:#}");
        }
        out.push('\n');
        if let Some(thread) = self.thread.filter(|_| !self.others.is_empty()) {
            let _ = writeln!(out, "thread T{}:", thread.0);
        }
        human_trace(&self.backtrace, &mut out);
        for (thread, trace) in &self.others {
            let _ = writeln!(out, "thread T{}:", thread.0);
            human_trace(trace, &mut out);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "help: {help}");
        }
        out
    }

    fn short(&self) -> String {
        let mut out = String::new();
        let innermost = self.backtrace.top.first();
        if let Some((file, line, col)) = innermost.and_then(|frame| frame.place.as_ref()) {
            let _ = write!(out, "{file}:{line}:{col}: ");
        }
        let _ = match self.code {
            Some(code) => write!(out, "{} {code}: {}", self.title, self.message),
            None => write!(out, "{}: {}", self.title, one_line(&self.message)),
        };
        if let Some(frame) = innermost {
            let _ = write!(out, " at {}", frame_name(frame));
        }
        out.push('\n');
        out
    }

    fn json(&self) -> String {
        let others = self
            .others
            .iter()
            .map(|(thread, trace)| json_trace(Object::new().number("thread", thread.0), trace));
        let object = Object::new()
            .number("version", JSON_VERSION)
            .text("kind", "outcome")
            .text("outcome", self.kind)
            .maybe_text("code", self.code)
            .text("severity", "error")
            .text("message", &self.message)
            .maybe_text("spec", self.spec);
        let object = match self.thread {
            None => json_trace(object, &self.backtrace),
            Some(thread) => {
                json_trace(object.number("thread", thread.0), &self.backtrace).list("other_threads", others)
            }
        };
        format!("{}\n", object.maybe_text("help", self.help.as_deref()).finish())
    }
}

/// Bytes of the content of an exception that are written.
const CONTENT_SHOWN: usize = 200;

/// What an exception is: NULL, or an object of a type and its content.
fn exception_text(mu: &Mu, value: &Value) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    let Some(object) = mu.runtime().heap.find_object(value.as_u64()) else { return "a reference".to_owned() };
    let mut text = format!("an object of type {}", mu.program().display_type(object.ty));
    // Hybrids and very large objects are no values.
    if let Ok(content) = mu.load_as(value, object.ty)
        && !content.words().is_empty()
    {
        let content = mu.value_to_text(&content);
        let (start, rest) = content.split_at(content.floor_char_boundary(CONTENT_SHOWN));
        text.push_str(&format!(", {start}{}", if rest.is_empty() { "" } else { "…" }));
    }
    text
}

/// What a frame is called.
fn frame_name(frame: &FrameInfo) -> String {
    match (&frame.inst, &frame.at, &frame.version) {
        (Some(inst), _, _) => inst.clone(),
        (None, Some((block, index)), _) => format!("{block}:{index}"),
        (None, None, Some(version)) => format!("{version} (not started)"),
        (None, None, None) if frame.func == NATIVE_FRAME => NATIVE_FRAME.into(),
        (None, None, None) => format!("{} (undefined)", frame.func),
    }
}

fn human_trace(trace: &Backtrace, out: &mut String) {
    human_frames(&trace.top, out);
    if trace.omitted > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  … {} frames omitted …", trace.omitted);
    }
    human_frames(&trace.bottom, out);
}

fn json_trace(object: Object, trace: &Backtrace) -> Object {
    let frames = |frames: &[FrameInfo]| frames.iter().map(json_frame).collect::<Vec<_>>();
    object
        .list("frames", frames(&trace.top))
        .number("omitted", trace.omitted)
        .list("bottom_frames", frames(&trace.bottom))
}

/// Recursion makes many equal frames; they are written once.
fn human_frames(frames: &[FrameInfo], out: &mut String) {
    for same in frames.chunk_by(|a, b| a == b) {
        human_frame(&same[0], out);
        if same.len() > 1 {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  … and {} frames like it", same.len() - 1);
        }
    }
}

fn human_frame(frame: &FrameInfo, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "  at {}", frame_name(frame));
    if let Some(mnemonic) = frame.mnemonic {
        let _ = write!(out, "  {mnemonic}");
    }
    if let Some((file, line, col)) = &frame.place {
        let _ = write!(out, "  {file}:{line}:{col}");
    }
    out.push('\n');
    if let Some(line) = &frame.line {
        let _ = writeln!(out, "      {}", annotate_snippets::normalize_untrusted_str(line));
    }
}

fn json_frame(frame: &FrameInfo) -> Object {
    let (block, index) = match &frame.at {
        Some((block, index)) => (Some(block.as_str()), Some(*index as u64)),
        None => (None, None),
    };
    let place = frame.place.as_ref();
    Object::new()
        .text("func", &frame.func)
        .maybe_text("func_version", frame.version.as_deref())
        .maybe_text("block", block)
        .maybe_number("index", index)
        .maybe_text("inst", frame.inst.as_deref())
        .maybe_text("mnemonic", frame.mnemonic)
        .maybe_text("file", place.map(|(file, _, _)| file.as_str()))
        .maybe_number("line", place.map(|&(_, line, _)| line.into()))
        .maybe_number("col", place.map(|&(_, _, col)| col.into()))
        .maybe_text("source", frame.line.as_deref())
}

/// What was wrong with a bundle that Mu code built.
fn built_errors(mu: &Mu, ub: Ub) -> Option<String> {
    let errors = mu.built_load_errors();
    let lines = errors.iter().map(|error| format!("{}: {}", error.code.text(), error.message));
    (ub == Ub::BadBundle && !errors.is_empty()).then(|| lines.collect::<Vec<_>>().join("; "))
}
