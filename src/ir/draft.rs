//! A bundle before linking: definitions that refer to each other by symbols.
//!
//! The text parser and the IR builder both make drafts. A symbol stands for a global name, an id the client reserved,
//! or both; local names are expanded to global ones by the parser (`%x` in `@f.v.b` is `@f.v.b.x`), so a draft knows
//! only one kind of name.

use crate::diag::Span;
use crate::ids::{MuId, SourceId, Sym};
use crate::inst::{Inst, Unlinked, Use};
use crate::table::CallConv;
use crate::types::{Signature, TypeCtor};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// A bundle before linking.
pub struct Draft {
    /// The text it came from; [`Span::NO_SOURCE`] for built bundles.
    pub source: SourceId,
    /// The symbols of this draft.
    pub symbols: Symbols,
    /// The definitions, in written order.
    pub defs: Vec<Def>,
}

impl Draft {
    /// An empty draft.
    pub fn new(source: SourceId) -> Draft {
        Draft { source, symbols: Symbols::default(), defs: Vec::new() }
    }
}

/// A top-level definition.
#[derive(Clone, Debug)]
pub struct Def {
    /// What it defines.
    pub kind: DefKind,
    /// The whole definition.
    pub span: Span,
}

/// The kinds of top-level definitions (uvm-ir, Top-level Structure).
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are the parts of the written form")]
pub enum DefKind {
    /// `.typedef name = ctor`
    Type { name: Use, ctor: TypeCtor<Use, Use> },
    /// `.funcsig name = (params) -> (rets)`
    Sig { name: Use, sig: Signature<Use> },
    /// `.const name <ty> = ctor`
    Const { name: Use, ty: Use, ctor: ConstCtor<Use>, ctor_span: Span },
    /// `.global name <ty>`
    Global { name: Use, ty: Use },
    /// `.funcdecl name <sig>`
    FuncDecl { name: Use, sig: Use },
    /// `.funcdef name VERSION version <sig> { blocks }`
    FuncDef(FuncDef),
    /// `.expose name = func #callconv cookie`
    Expose { name: Use, func: Use, callconv: CallConv, cookie: Use },
}

/// A function definition.
#[derive(Clone, Debug)]
pub struct FuncDef {
    /// The function.
    pub name: Use,
    /// The version.
    pub version: Use,
    /// The signature as written.
    pub sig: Use,
    /// The basic blocks; the first is the entry block.
    pub blocks: Vec<DraftBlock>,
}

/// A basic block.
#[derive(Clone, Debug)]
pub struct DraftBlock {
    /// Its name.
    pub name: Use,
    /// Types and names of the normal parameters.
    pub params: Vec<(Use, Use)>,
    /// The exception parameter.
    pub exc_param: Option<Use>,
    /// The instructions.
    pub insts: Vec<Inst<Unlinked>>,
    /// The header of the block.
    pub span: Span,
}

/// A constant constructor; `V` refers to other global variables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConstCtor<V> {
    /// An integer literal: sign and magnitude as written. Also for pointers.
    Int {
        /// Written with a minus sign.
        negative: bool,
        /// The digits.
        magnitude: u128,
    },
    /// Bits of a `float`.
    Float(u32),
    /// Bits of a `double`.
    Double(u64),
    /// `NULL`
    Null,
    /// `{ … }`
    List(Box<[V]>),
    /// `EXTERN "symbol"`
    Extern(Box<str>),
}

impl<V> ConstCtor<V> {
    /// The value of an integer constructor as 128 bits in two's complement.
    pub fn int_bits(&self) -> Option<u128> {
        match self {
            ConstCtor::Int { negative: true, magnitude } => Some(magnitude.wrapping_neg()),
            ConstCtor::Int { negative: false, magnitude } => Some(*magnitude),
            _ => None,
        }
    }

    /// Refers to the members in another way.
    pub fn map<V2>(&self, member: impl FnMut(&V) -> V2) -> ConstCtor<V2> {
        match self {
            ConstCtor::Int { negative, magnitude } => {
                ConstCtor::Int { negative: *negative, magnitude: *magnitude }
            }
            ConstCtor::Float(bits) => ConstCtor::Float(*bits),
            ConstCtor::Double(bits) => ConstCtor::Double(*bits),
            ConstCtor::Null => ConstCtor::Null,
            ConstCtor::List(members) => ConstCtor::List(members.iter().map(member).collect()),
            ConstCtor::Extern(symbol) => ConstCtor::Extern(symbol.clone()),
        }
    }
}

/// The symbols of a draft: an interner for names, plus reserved ids.
#[derive(Default, Debug)]
pub struct Symbols {
    arena: String,
    entries: Vec<SymEntry>,
    table: HashTable<Sym>,
    /// Seeded, so that no text can hold names that all collide. Tables of names are only looked up, never walked, so
    /// nothing depends on the seed.
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
struct SymEntry {
    /// Range of the name in the arena; empty for a nameless symbol.
    start: u32,
    end: u32,
    /// The id the client reserved, or [`MuId::NONE`].
    id: MuId,
}

/// A hasher without random seeds, for keys that a text cannot choose freely (numbers of entities): nothing can depend
/// on the seed, and it is quick. For names see [`Symbols`].
#[derive(Clone, Copy, Default, Debug)]
pub struct FixedHasher;

impl BuildHasher for FixedHasher {
    type Hasher = FxHasher;
    fn build_hasher(&self) -> FxHasher {
        FxHasher(0)
    }
}

/// The multiply-rotate hash of rustc ("Fx"): quick on short names.
pub struct FxHasher(u64);

impl std::hash::Hasher for FxHasher {
    fn finish(&self) -> u64 {
        // The table uses the top bits for its tags and the low bits for its buckets; fold so that both are mixed.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let word = u64::from_le_bytes([
                chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
            ]);
            self.write_u64(word);
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(word) ^ ((rest.len() as u64) << 56));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

impl Symbols {
    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The symbol of a global name (with `@`).
    pub fn intern(&mut self, name: &str) -> Sym {
        let hash = self.hasher.hash_one(name);
        if let Some(&sym) = self.table.find(hash, |&sym| self.name(sym) == Some(name)) {
            return sym;
        }
        let sym = Sym::new(self.entries.len());
        let start = self.arena.len() as u32;
        self.arena.push_str(name);
        self.entries.push(SymEntry { start, end: self.arena.len() as u32, id: MuId::NONE });
        let (arena, entries, hasher) = (&self.arena, &self.entries, &self.hasher);
        self.table.insert_unique(hash, sym, |&sym| {
            let entry = entries[sym.index()];
            hasher.hash_one(&arena[entry.start as usize..entry.end as usize])
        });
        sym
    }

    /// The symbol that has a name already.
    pub fn find(&self, name: &str) -> Option<Sym> {
        self.table.find(self.hasher.hash_one(name), |&sym| self.name(sym) == Some(name)).copied()
    }

    /// A symbol for an id the client reserved, with an optional name.
    pub fn reserve(&mut self, id: MuId, name: Option<&str>) -> Sym {
        let sym = match name {
            Some(name) => self.intern(name),
            None => {
                self.entries.push(SymEntry { start: 0, end: 0, id });
                Sym::new(self.entries.len() - 1)
            }
        };
        self.entries[sym.index()].id = id;
        sym
    }

    /// A symbol nothing else can refer to: for entities without a name.
    pub fn anonymous(&mut self) -> Sym {
        self.reserve(MuId::NONE, None)
    }

    /// The name of a symbol.
    pub fn name(&self, sym: Sym) -> Option<&str> {
        let entry = self.entries[sym.index()];
        (entry.start < entry.end).then(|| &self.arena[entry.start as usize..entry.end as usize])
    }

    /// The reserved id of a symbol.
    pub fn id(&self, sym: Sym) -> MuId {
        self.entries[sym.index()].id
    }
}
