//! The IR builder: bundles made by calls instead of text (irbuilder; the functions and their order are those of the 2017
//! interface).
//!
//! **What.** [`IrBuilder::gen_sym`] reserves an id; each `new_*` method records one node under an id that the client
//! chose so. Nodes refer to each other by id: to nodes of the same builder, built before or after, and to entities of
//! bundles loaded earlier. [`IrBuilder::finish`] makes a [`Draft`] of the nodes, and from there on a built bundle goes
//! the way of a text: [`crate::link`], [`crate::verify`].
//!
//! ```text
//!   gen_sym ──> id ──┐
//!                    v
//!   new_type_int(id, 64), new_bb(id, …, [insts]), …   nodes by id, any order       one method per call: defs, insts
//!                    │ finish: places, roles, what is missing                       finish.rs
//!                    v
//!                  Draft ──> link ──> verify ──> Program
//! ```
//!
//! **Why this way.** All ids are one space, so the client needs no handles; clauses (destinations, exception clauses,
//! the clauses of SWAPSTACK) are nodes with ids, too. A method only writes down what it was given: nothing is checked
//! until the bundle is loaded, when everything that is wrong is known and is reported together. So the methods return
//! nothing, and a client cannot use them in a wrong order.
//!
//! **Invariants**
//! * No call fails or panics, whatever numbers and ids it is given. Misuse is a diagnostic `MU-E6xxx` at load.
//! * Ids are reserved in the program ([`Entity::Reserved`]) when they are generated. Those of a builder that is aborted
//!   or fails to load stay reserved, and stand for nothing.
//! * A builder holds no reference to the program, so any number of them can be open.
//!
//! **Example.**
//! ```
//! use mu_ir::builder::IrBuilder;
//! use mu_ir::program::Program;
//! use mu_ir::table::Op;
//! use mu_ir::link;
//!
//! let mut program = Program::new();
//! let mut b = IrBuilder::new(&program);
//! let mut sym = |b: &mut IrBuilder, name| b.gen_sym(&mut program, name);
//! let [i64, sig, func, ver] = [Some("@i64"), Some("@sig"), Some("@square"), None].map(|name| sym(&mut b, name));
//! let [entry, x, y, mul, ret] = [None; 5].map(|name| sym(&mut b, name));
//! b.new_type_int(i64, 64);
//! b.new_funcsig(sig, &[i64], &[i64]);
//! b.new_func(func, sig);
//! b.new_func_ver(ver, func, &[entry]);
//! b.new_bb(entry, &[x], &[i64], None, &[mul, ret]);
//! b.new_binop(mul, y, Op::Mul, i64, x, x, None);
//! b.new_ret(ret, &[y]);
//! let draft = b.finish(&program).unwrap();
//! let before = program.mark();
//! link::load(&mut program, &draft, before, &link::Options { lenient: false, resolve_extern: &|_| None }).unwrap();
//! assert_eq!(program.id_of("@square"), Some(func));
//! ```

mod call;
mod defs;
mod finish;
mod insts;
mod node;
mod numbers;
#[cfg(test)]
mod tests;

pub use call::{Arg, Args};
pub use numbers::{BinOpStatus, BinOptr, CallConvNo, CmpOptr, CommInstNo, ConvOptr, MemOrd, RmwOptr};

use crate::codes::{Code, builder as code, name as name_code};
use crate::diag::{Diagnostic, Findings, Span};
use crate::draft::{FixedHasher, Symbols};
use crate::ids::{MuId, Sym};
use crate::program::{Entity, Identity, Program};
use hashbrown::HashMap;
use node::Node;
use std::collections::BTreeMap;

#[cfg(doc)]
use crate::draft::Draft;

/// Bytes of one name; as for texts.
const NAME_BYTES_MAX: usize = 1 << 14;

/// Bytes of all names of a builder; their places are 32-bit numbers.
const ALL_NAMES_BYTES_MAX: usize = 1 << 30;

/// A bundle being built. See the module.
#[derive(Debug)]
pub struct IrBuilder {
    instance: Identity,
    symbols: Symbols,
    /// Symbols of the ids this builder generated.
    own: HashMap<MuId, Sym, FixedHasher>,
    nodes: Vec<(MuId, Node)>,
    errors: Findings,
    names_bytes: usize,
}

impl IrBuilder {
    /// A builder for bundles of this program.
    pub fn new(program: &Program) -> IrBuilder {
        IrBuilder {
            instance: program.identity().clone(),
            symbols: Symbols::default(),
            own: HashMap::with_hasher(FixedHasher),
            nodes: Vec::new(),
            errors: Findings::default(),
            names_bytes: 0,
        }
    }

    /// Reserves an id, with the global name (`@…`) that its entity will have. Id 0 if `program` is not the builder's.
    ///
    /// A bad name, or one that the builder has given away already, is reported at load; the id is good.
    pub fn gen_sym(&mut self, program: &mut Program, name: Option<&str>) -> MuId {
        if *program.identity() != self.instance {
            self.misuse(code::OTHER_INSTANCE, MuId::NONE, "an id was asked for from another instance".into());
            return MuId::NONE;
        }
        let id = program.define(Entity::Reserved);
        let name = name.filter(|name| self.accept_name(id, name));
        let sym = self.symbols.reserve(id, name);
        self.own.insert(id, sym);
        id
    }

    /// Whether a name can be given; reports it otherwise.
    fn accept_name(&mut self, id: MuId, name: &str) -> bool {
        self.names_bytes = self.names_bytes.saturating_add(name.len());
        if name.len() > NAME_BYTES_MAX || self.names_bytes > ALL_NAMES_BYTES_MAX {
            self.misuse(code::BAD_SYMBOL_NAME, id, format!("the name of #{} is too long", id.0));
            return false;
        }
        let good = name.strip_prefix('@').is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        });
        if !good {
            let name = name.escape_debug();
            self.misuse(code::BAD_SYMBOL_NAME, id, format!("\"{name}\" cannot be the name of #{}", id.0));
            return false;
        }
        if let Some(other) = self.symbols.find(name).map(|sym| self.symbols.id(sym)) {
            let message = format!("#{} and #{} are both to be called {name}", other.0, id.0);
            self.misuse(name_code::DUPLICATE_NAME, id, message);
            return false;
        }
        true
    }

    /// Records something wrong, to be reported at load. For interfaces that read what they hand to a builder from
    /// elsewhere and find it unreadable.
    pub fn misuse(&mut self, code: Code, id: MuId, message: String) {
        self.errors.push(Diagnostic::error(code, Span::built(id), message));
    }

    fn add(&mut self, id: MuId, node: Node) {
        self.nodes.push((id, node));
    }

    /// What a number of the interface stands for; the default, and an error at load, if for nothing.
    fn number<T>(&mut self, id: MuId, number: u32, meaning: Option<T>, what: &str, default: T) -> T {
        meaning.unwrap_or_else(|| {
            let message = format!("{number:#x} is not {what}");
            self.misuse(code::BAD_NUMBER, id, message);
            default
        })
    }
}

/// The builders that Mu code has open, by the word of their `irbuilderref`: small numbers that are never used again, so
/// that a builder that was loaded or aborted is recognised.
#[derive(Debug, Default)]
pub struct OpenBuilders {
    open: BTreeMap<u64, IrBuilder>,
    last: u64,
}

impl OpenBuilders {
    /// Keeps a builder; the word of its reference, never 0.
    pub fn insert(&mut self, builder: IrBuilder) -> u64 {
        self.last += 1;
        self.open.insert(self.last, builder);
        self.last
    }

    /// The builder of a reference.
    pub fn get_mut(&mut self, word: u64) -> Option<&mut IrBuilder> {
        self.open.get_mut(&word)
    }

    /// Ends a reference.
    pub fn remove(&mut self, word: u64) -> Option<IrBuilder> {
        self.open.remove(&word)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}
