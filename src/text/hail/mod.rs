//! HAIL, the Heap Allocation and Initialisation Language (hail): a text becomes a [`Script`] and a list of diagnostics.
//!
//! A script allocates heap objects, which have names of their own in it, and stores values to them and to global cells.
//! What names stand for and whether a value suits its location depends on what is loaded: that is the loader's business.
//! Here is only the form.
//!
//! ```text
//! .new       $node <@node>                 Alloc { $node, @node, no length }
//! .newhybrid $text <@chars> 3              Alloc { $text, @chars, 3 }
//! .init      $text[1] = {0x48 0x69 @c}     Init  { $text [1], value 0 }        values: List … end
//! .init      @head    = {&$text[1] $node}  Init  { @head, value 4 }
//! ```
//!
//! Values nest as deeply as the text wants, so they are no tree of boxes: [`Script::values`] holds them in the order of
//! the text, and a list says where it ends. Nothing here or in the loader recurses.
//!
//! The tokens are those of the Mu IR, with `$name`, `&` and `*`; literals are read by the same functions.
//!
//! Only the text form is read. (The binary form of bundles and of HAIL has no users left: the 2017 interface builds
//! bundles and objects by function calls.)

#[cfg(test)]
mod tests;

use mu_ir::diag::{Diagnostic, Span};
use mu_ir::draft::Symbols;
use mu_ir::ids::{SourceId, Sym};
use mu_ir::inst::Use;

/// A HAIL script.
#[derive(Default)]
pub struct Script {
    /// Its names: global names with `@`, HAIL names with `$`.
    pub symbols: Symbols,
    /// The allocations, in textual order.
    pub allocs: Vec<Alloc>,
    /// The initialisations, in textual order.
    pub inits: Vec<Init>,
    /// The values of the initialisations and their members, in textual order.
    pub values: Vec<RValue>,
}

/// `.new $name <@ty>` or `.newhybrid $name <@ty> length`
#[derive(Clone, Debug)]
pub struct Alloc {
    /// The HAIL name.
    pub name: Use,
    /// The name of the type.
    pub ty: Use,
    /// The length of the variable part, of `.newhybrid`.
    pub length: Option<IntExpr>,
    /// The whole definition.
    pub span: Span,
}

/// `.init to = value`
#[derive(Clone, Debug)]
pub struct Init {
    /// The memory location.
    pub to: LValue,
    /// Index of the value in [`Script::values`].
    pub value: usize,
    /// The whole definition.
    pub span: Span,
}

/// A memory location: a global cell or an allocated object, and the way to a part of it.
#[derive(Clone, Debug)]
pub struct LValue {
    /// A global name or a HAIL name.
    pub name: Use,
    /// Whether it is a HAIL name.
    pub is_hail: bool,
    /// From the outside to the inside.
    pub indexes: Box<[IntExpr]>,
    /// All of it.
    pub span: Span,
}

/// An index or a length.
#[derive(Clone, Copy, Debug)]
pub enum IntExpr {
    /// A literal.
    Literal(u64, Span),
    /// The name of a constant.
    Const(Use),
}

impl IntExpr {
    /// Where it stands.
    pub fn span(self) -> Span {
        match self {
            IntExpr::Literal(_, span) => span,
            IntExpr::Const(name) => name.span,
        }
    }
}

/// A value.
#[derive(Clone, Debug)]
pub struct RValue {
    /// What it is.
    pub kind: RKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum RKind {
    /// A global SSA variable.
    Global(Sym),
    /// A reference to an allocated object.
    Hail(Sym),
    /// An integer literal: sign and magnitude as written.
    Int {
        /// Written with a minus sign.
        negative: bool,
        /// The digits.
        magnitude: u128,
    },
    /// Bits of a `float` literal.
    Float(u32),
    /// Bits of a `double` literal.
    Double(u64),
    /// `NULL`
    Null,
    /// `&lvalue`, an internal reference.
    AddressOf(Box<LValue>),
    /// `*lvalue`, what the location holds.
    Load(Box<LValue>),
    /// `{ … }`: its members are the values behind it.
    List {
        /// Index of the first value that is not inside.
        end: usize,
    },
}

impl Script {
    /// Index of the value behind the one at `at`, members included.
    pub fn after(&self, at: usize) -> usize {
        match self.values[at].kind {
            RKind::List { end } => end,
            RKind::Global(_)
            | RKind::Hail(_)
            | RKind::Int { .. }
            | RKind::Float(_)
            | RKind::Double(_)
            | RKind::Null
            | RKind::AddressOf(_)
            | RKind::Load(_) => at + 1,
        }
    }

    /// Indexes of the members of the list at `at`.
    pub fn members(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.after(at);
        let inside = move |at: usize| (at < end).then_some(at);
        std::iter::successors(inside(at + 1), move |&member| inside(self.after(member)))
    }
}

/// Reads a HAIL script. The whole text must be one. All errors are reported, in the order of the text; after 100 of
/// them reading stops with a last diagnostic that says so.
pub fn parse(text: &str, source: SourceId) -> (Script, Vec<Diagnostic>) {
    crate::parse::parse_hail(text, source)
}
