//! Diagnostics as plain data: a stable code, a place, a label, help. Rendering is the command's business.
//!
//! ```text
//! Diagnostic { code: E3101, "operand has type @i32, the instruction wants @i64",
//!              primary: 14:9 "this is @i32", secondary: [3:1 "@i64 is defined here"], help: … }
//! ```

use crate::codes::Code;
use crate::ids::{MuId, SourceId};

/// A range of bytes in a source text. For what an IR builder made there is no text; such a span holds the id of the
/// node instead, so that messages can name it ([`Span::built`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The source text, [`Span::NO_SOURCE`] where an entity was built without one.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The source of entities that were built through the API.
    pub const NO_SOURCE: SourceId = SourceId(u32::MAX);
    /// A span that points nowhere.
    pub const NONE: Span = Span { source: Self::NO_SOURCE, start: 0, end: 0 };

    /// A span in `source`, in bytes.
    pub fn new(source: SourceId, start: usize, end: usize) -> Span {
        Span { source, start: start as u32, end: end as u32 }
    }

    /// The place of something that was built under an id.
    pub fn built(id: MuId) -> Span {
        Span { source: Self::NO_SOURCE, start: id.0, end: id.0 }
    }

    /// The id, if the span is the place of something built.
    pub fn built_id(self) -> Option<MuId> {
        (!self.is_some() && self.start != 0).then_some(MuId(self.start))
    }

    /// Whether the span points into a text.
    pub fn is_some(self) -> bool {
        self.source != Self::NO_SOURCE
    }

    /// The smallest span that covers both; they must be of one source.
    pub fn to(self, other: Span) -> Span {
        Span { source: self.source, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The bundle is not loaded.
    Error,
    /// The bundle is loaded (lenient mode).
    Warning,
}

/// A place with a remark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

/// One error or warning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Stable code; its table says what it means.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// One line: what is wrong here, with the names of the program.
    pub message: String,
    /// The place; no text for bundles built through the API, whose messages name the place.
    pub primary: Label,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            help: None,
        }
    }

    /// Adds the remark at the primary place.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Adds another place.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        if span.is_some() {
            self.secondary.push(Label { span, text: text.into() });
        }
        self
    }

    /// Adds help.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// Errors and warnings of a bundle as they are met: the first of each kind are kept, the others are only counted, so that
/// time and memory do not depend on how many there are.
///
/// ```
/// use mu_ir::codes::name::UNKNOWN_NAME;
/// use mu_ir::diag::{Diagnostic, Findings, Span};
///
/// let mut findings = Findings::default();
/// for _ in 0..Findings::ERRORS_MAX + 5 {
///     findings.push(Diagnostic::error(UNKNOWN_NAME, Span::NONE, "nothing is called so"));
/// }
/// assert_eq!(findings.errors(), Findings::ERRORS_MAX + 5);
/// assert_eq!(findings.into_sorted().last().unwrap().message, "5 more errors are not shown");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// The place of the first error and the first warning that were not kept.
    hidden: [Option<Span>; 2],
}

impl Findings {
    /// So many errors are kept.
    pub const ERRORS_MAX: usize = 200;
    /// So many warnings are kept.
    pub const WARNINGS_MAX: usize = 1000;

    /// Errors so far.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether a further error would be shown. If not, it need not be made: [`Findings::count_error`].
    pub fn has_room(&self) -> bool {
        self.errors < Self::ERRORS_MAX
    }

    /// The same of a warning.
    pub fn has_room_for_warnings(&self) -> bool {
        self.warnings < Self::WARNINGS_MAX
    }

    /// An error that is not shown.
    pub fn count_error(&mut self, span: Span) {
        self.errors += 1;
        self.hidden[0].get_or_insert(span);
    }

    /// A warning that is not shown.
    pub fn count_warning(&mut self, span: Span) {
        self.warnings += 1;
        self.hidden[1].get_or_insert(span);
    }

    /// An error or warning.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        match diagnostic.severity {
            Severity::Error if !self.has_room() => self.count_error(diagnostic.primary.span),
            Severity::Warning if !self.has_room_for_warnings() => {
                self.count_warning(diagnostic.primary.span);
            }
            Severity::Error => {
                self.errors += 1;
                self.list.push(diagnostic);
            }
            Severity::Warning => {
                self.warnings += 1;
                self.list.push(diagnostic);
            }
        }
    }

    /// All of them by place, and how many are missing. With errors there are no warnings.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let has_errors = self.errors > 0;
        let wanted = if has_errors { Severity::Error } else { Severity::Warning };
        let mut list = self.list;
        list.retain(|diagnostic| diagnostic.severity == wanted);
        list.sort_by_key(|diagnostic| (diagnostic.primary.span, diagnostic.code.number));
        let [error, warning] = self.hidden;
        let (hidden, all, what) =
            if has_errors { (error, self.errors, "error") } else { (warning, self.warnings, "warning") };
        if let Some(span) = hidden {
            let count = all - list.len();
            let plural = if count == 1 { " is" } else { "s are" };
            let message = format!("{count} more {what}{plural} not shown");
            let diagnostic = Diagnostic::error(crate::codes::parse::TOO_MANY_ERRORS, span, message);
            list.push(Diagnostic { severity: wanted, ..diagnostic.label("one of them") });
        }
        list
    }
}

/// A name for messages: of a very long one the beginning and the end.
pub(crate) fn short_name(name: &str) -> String {
    const MAX: usize = 150;
    if name.len() <= MAX {
        return name.to_owned();
    }
    let (start, end) = (name.floor_char_boundary(MAX / 2), name.ceil_char_boundary(name.len() - MAX / 2));
    format!("{}…{}", &name[..start], &name[end..])
}

/// A source text that spans point into.
#[derive(Clone, Debug)]
pub struct Source {
    /// File name or another name for messages.
    pub name: String,
    /// The text.
    pub text: std::sync::Arc<str>,
}

impl Source {
    /// Line and column (both from 1, the column in characters) of a byte offset.
    pub fn line_col(&self, offset: u32) -> (u32, u32) {
        let offset = (offset as usize).min(self.text.len());
        let before = self.text.as_bytes();
        let mut line = 1;
        let mut line_start = 0;
        for (index, &byte) in before[..offset].iter().enumerate() {
            if byte == b'\n' {
                line += 1;
                line_start = index + 1;
            }
        }
        let column =
            self.text[line_start..].char_indices().take_while(|(at, _)| line_start + at < offset).count();
        (line, column as u32 + 1)
    }
}
