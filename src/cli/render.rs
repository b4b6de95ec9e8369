//! Diagnostics as text: for people (`human`), one line each (`short`), one JSON object per line (`json`).
//!
//! ```text
//! short   prog.uir:4:9: error[MU-E3001]: the operand is @i32
//! json    {"version":1,"kind":"diagnostic","code":"MU-E3001","severity":"error","message":"…","file":"prog.uir",
//!          "line":4,"col":9,"end":{"line":4,"col":11},"label":"…","secondary":[{"file":…,"line":…,"col":…,
//!          "end":{…},"label":"…"}],"help":null}
//! ```
//!
//! Lines and columns count from 1, columns in characters; `end` is one past the last character. A diagnostic without a
//! place has `null` for them. Field names and `version` are stable; new fields may be added. The human form is drawn by
//! `annotate-snippets` and is for eyes only.
//!
//! How it stays quick on large bundles: lines are found by a table per text ([`Lines`]), and the drawing sees only the
//! lines around the marked places, grouped into windows. Places that span lines are marked up to the end of their
//! first line.

use super::json::Object;
use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};
use mu_vm::ir::diag::{Diagnostic, Label, Severity, Source};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

/// The version of the JSON objects.
pub const JSON_VERSION: u64 = 1;

/// How errors are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum ErrorFormat {
    /// With source lines
    Human,
    /// One line each
    Short,
    /// One JSON object per line
    Json,
}

/// Turns what went wrong into text.
#[derive(Clone, Copy, Debug)]
pub struct Reporter {
    /// The form of the text.
    pub format: ErrorFormat,
    /// Whether the human form may have colours.
    pub colour: bool,
}

/// Marked places closer than this many lines are drawn together.
const WINDOW_GAP: usize = 50;

/// Columns of the human form.
const WIDTH: usize = 120;

impl Reporter {
    /// A reporter.
    pub fn new(format: ErrorFormat, colour: bool) -> Reporter {
        Reporter { format, colour }
    }

    /// All diagnostics, each with its line ends.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &[Source]) -> String {
        let mut texts = Texts::new(sources);
        let mut out = String::new();
        for diagnostic in diagnostics {
            match self.format {
                ErrorFormat::Human => {
                    out.push_str(&self.human(diagnostic, &mut texts));
                    out.push_str("\n\n");
                }
                ErrorFormat::Short => {
                    out.push_str(&short(diagnostic, &mut texts));
                    out.push('\n');
                }
                ErrorFormat::Json => {
                    out.push_str(&json(diagnostic, &mut texts));
                    out.push('\n');
                }
            }
        }
        out
    }

    /// A failure that is not about a place in a text.
    pub fn failure(&self, message: &str) -> String {
        self.placeless(Level::ERROR, "error", message)
    }

    /// A warning that is not about a place in a text.
    pub fn warning(&self, message: &str) -> String {
        self.placeless(Level::WARNING, "warning", message)
    }

    fn placeless(&self, level: Level<'_>, severity: &str, message: &str) -> String {
        match self.format {
            ErrorFormat::Human => {
                let title = level.primary_title(message);
                format!("{}\n", self.renderer().render(&[annotate_snippets::Group::with_title(title)]))
            }
            ErrorFormat::Short => format!("{severity}: {}\n", one_line(message)),
            ErrorFormat::Json => {
                let object = Object::new().number("version", JSON_VERSION).text("kind", "failure");
                format!("{}\n", object.text("severity", severity).text("message", message).finish())
            }
        }
    }

    fn renderer(&self) -> Renderer {
        if self.colour { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH)
    }

    fn human(&self, diagnostic: &Diagnostic, texts: &mut Texts<'_>) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let code = diagnostic.code.text();
        let title = level.primary_title(diagnostic.message.as_str()).id(code.as_str());
        let mut places: Vec<Place<'_>> = texts.place(&diagnostic.primary, true).into_iter().collect();
        places.extend(diagnostic.secondary.iter().filter_map(|label| texts.place(label, false)));
        let mut group = annotate_snippets::Group::with_title(title);
        for window in windows(places) {
            group = group.element(texts.snippet(&window));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        self.renderer().render(&[group])
    }
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Line ends would break the promise of one line each.
pub fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn short(diagnostic: &Diagnostic, texts: &mut Texts<'_>) -> String {
    let mut out = String::new();
    if let Some(place) = texts.place(&diagnostic.primary, true) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}:{}:{}: ", texts.name(&place), place.line, place.col);
    }
    let _ = write!(
        out,
        "{}[{}]: {}",
        severity(diagnostic),
        diagnostic.code.text(),
        one_line(&diagnostic.message)
    );
    out
}

fn json(diagnostic: &Diagnostic, texts: &mut Texts<'_>) -> String {
    let object = Object::new()
        .number("version", JSON_VERSION)
        .text("kind", "diagnostic")
        .text("code", &diagnostic.code.text())
        .text("severity", severity(diagnostic))
        .text("message", &diagnostic.message);
    let object = json_place(object, &diagnostic.primary, texts);
    let secondary: Vec<Object> =
        diagnostic.secondary.iter().map(|label| json_place(Object::new(), label, texts)).collect();
    object.list("secondary", secondary).maybe_text("help", diagnostic.help.as_deref()).finish()
}

fn json_place(object: Object, label: &Label, texts: &mut Texts<'_>) -> Object {
    let object = match texts.place(label, false) {
        Some(place) => {
            let (line, col) = texts.line_col(place.source, place.end);
            let end = Object::new().number("line", line as u64).number("col", col as u64).finish();
            object
                .text("file", texts.name(&place))
                .number("line", place.line as u64)
                .number("col", place.col as u64)
                .raw("end", &end)
        }
        None => object.raw("file", "null").raw("line", "null").raw("col", "null").raw("end", "null"),
    };
    object.text("label", &label.text)
}

/// A marked place of a text: within the text, at the boundaries of characters.
struct Place<'d> {
    source: usize,
    start: usize,
    end: usize,
    line: usize,
    col: usize,
    text: &'d str,
    primary: bool,
}

/// The source texts with their lines.
struct Texts<'s> {
    sources: &'s [Source],
    lines: BTreeMap<usize, Lines>,
}

impl<'s> Texts<'s> {
    fn new(sources: &'s [Source]) -> Texts<'s> {
        Texts { sources, lines: BTreeMap::new() }
    }

    fn lines(&mut self, source: usize) -> &Lines {
        let text = &self.sources[source].text;
        self.lines.entry(source).or_insert_with(|| Lines::new(text))
    }

    fn name(&self, place: &Place<'_>) -> &'s str {
        &self.sources[place.source].name
    }

    /// Line and column of a byte.
    fn line_col(&mut self, source: usize, at: usize) -> (usize, usize) {
        let line = self.lines(source).line_of(at);
        let start = self.lines(source).starts[line];
        (line + 1, self.sources[source].text[start..at].chars().count() + 1)
    }

    fn place<'d>(&mut self, label: &'d Label, primary: bool) -> Option<Place<'d>> {
        let source = label.span.source.index();
        let text = &self.sources.get(source)?.text;
        let start = text.floor_char_boundary(label.span.start as usize);
        let end = text.ceil_char_boundary(label.span.end as usize).max(start);
        let (line, col) = self.line_col(source, start);
        Some(Place { source, start, end, line, col, text: &label.text, primary })
    }

    /// The drawing of places that are close to each other.
    fn snippet(&mut self, window: &[Place<'_>]) -> Snippet<'s, Annotation<'s>> {
        let source = window[0].source;
        let name: &'s str = &self.sources[source].name;
        let text: &'s str = &self.sources[source].text;
        let lines = self.lines(source);
        // Windows hold at least one place.
        let first = window.iter().map(|place| place.line).min().unwrap_or(1);
        let last = window.iter().map(|place| place.line).max().unwrap_or(1);
        let range = lines.starts[first - 1]..lines.end_of(last - 1, text);
        let base = range.start;
        let mut snippet = Snippet::source(&text[range]).line_start(first).path(name);
        for place in window {
            let end = place.end.min(lines.end_of(place.line - 1, text)).max(place.start);
            let kind = if place.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let mut annotation = kind.span(Range { start: place.start - base, end: end - base });
            if !place.text.is_empty() {
                annotation = annotation.label(place.text.to_owned());
            }
            snippet = snippet.annotation(annotation);
        }
        snippet
    }
}

/// Groups places of one text that are close; the group of the first place comes first, then by text and line.
fn windows(mut places: Vec<Place<'_>>) -> Vec<Vec<Place<'_>>> {
    let Some(primary) = places.first().map(|place| (place.source, place.line)) else { return Vec::new() };
    places.sort_by_key(|place| (place.source, place.line));
    let mut windows: Vec<Vec<Place<'_>>> = Vec::new();
    for place in places {
        match windows.last_mut() {
            Some(window)
                if window.last().is_some_and(|last| {
                    last.source == place.source && place.line - last.line <= WINDOW_GAP
                }) =>
            {
                window.push(place);
            }
            Some(_) | None => windows.push(vec![place]),
        }
    }
    let holds = |window: &Vec<Place<'_>>| window.iter().any(|place| (place.source, place.line) == primary);
    windows.sort_by_key(|window| !holds(window));
    windows
}

/// Where the lines of a text begin.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Lines {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Lines { starts: std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect() }
    }

    /// The line (from 0) of a byte.
    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at).saturating_sub(1)
    }

    /// The end of a line (from 0), without its line end.
    fn end_of(&self, line: usize, text: &str) -> usize {
        match self.starts.get(line + 1) {
            Some(&next) => next - 1,
            None => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mu_vm::ir::codes::verify;
    use mu_vm::ir::diag::Span;
    use mu_vm::ir::ids::SourceId;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), text: text.into() }
    }

    fn diagnostic(start: usize, end: usize) -> Diagnostic {
        let span = Span::new(SourceId(0), start, end);
        Diagnostic::error(verify::OPERAND_TYPE, span, "wrong").label("here")
    }

    fn render(format: ErrorFormat, colour: bool, diagnostic: Diagnostic, sources: &[Source]) -> String {
        Reporter::new(format, colour).diagnostics(&[diagnostic], sources)
    }

    #[test]
    fn colours_only_where_asked_for() {
        let sources = [source("a.uir", "one two\n")];
        assert!(render(ErrorFormat::Human, true, diagnostic(4, 7), &sources).contains('\u{1b}'));
        for format in [ErrorFormat::Human, ErrorFormat::Short, ErrorFormat::Json] {
            assert!(!render(format, false, diagnostic(4, 7), &sources).contains('\u{1b}'));
        }
    }

    #[test]
    fn windows_of_several_texts_begin_with_the_primary_place() {
        let far = format!("first\n{}last\n", "\n".repeat(200));
        let sources = [source("b.uir", &far), source("a.uir", "other\n")];
        let diagnostic = diagnostic(far.len() - 5, far.len() - 1)
            .also(Span::new(SourceId(1), 0, 5), "there")
            .also(Span::new(SourceId(0), 0, 5), "far");
        let text = render(ErrorFormat::Human, false, diagnostic, &sources);
        let places: Vec<&str> = text.lines().filter(|line| line.contains(".uir:")).collect();
        assert_eq!(places.len(), 3, "{text}");
        assert!(places[0].contains("b.uir:202:1") && places[1].contains("b.uir:1:1"), "{text}");
        assert!(places[2].contains("a.uir:1:1"), "{text}");
    }

    #[test]
    fn spans_beside_characters_and_texts_are_moved() {
        // In the middle of a character, behind the end, of no text, of several lines.
        let sources = [source("a.uir", "ä b\nc")];
        for (start, end, place) in
            [(1, 1, "1:1"), (90, 99, "2:2"), (6, 6, "2:2"), (0, 6, "1:1"), (3, 2, "1:3")]
        {
            let short = render(ErrorFormat::Short, false, diagnostic(start, end), &sources);
            assert_eq!(short, format!("a.uir:{place}: error[MU-E3101]: wrong\n"));
            render(ErrorFormat::Human, false, diagnostic(start, end), &sources);
            render(ErrorFormat::Json, false, diagnostic(start, end), &sources);
        }
        let nowhere = Diagnostic::error(verify::OPERAND_TYPE, Span::NONE, "two\nlines");
        assert_eq!(render(ErrorFormat::Short, false, nowhere.clone(), &[]), "error[MU-E3101]: two lines\n");
        assert!(render(ErrorFormat::Human, false, nowhere, &[]).starts_with("error[MU-E3101]: two"));
    }
}
