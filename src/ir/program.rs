//! Everything an instance has loaded: an append-only store of entities, their ids and names.
//!
//! A bundle is appended as a whole or not at all: [`Program::mark`] remembers the size of every table and
//! [`Program::truncate`] goes back to it, so a bundle with an error leaves the program exactly as it was.

use crate::diag::{Source, Span};
use crate::draft::ConstCtor;
use crate::ids::*;
use crate::inst::{Inst, Linked, Value};
use crate::table::{CallConv, CommInst};
use crate::types::{Signature, Type, TypeMark, TypeStore};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// What an id stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entity {
    /// A type definition.
    Type(TypeId),
    /// A signature definition.
    Sig(SigId),
    /// A constant.
    Const(ConstId),
    /// A global cell.
    Global(GlobalId),
    /// A function.
    Func(FuncId),
    /// An exposed function.
    Expose(ExposeId),
    /// A function version.
    FuncVer(FuncVerId),
    /// A basic block.
    Block(FuncVerId, BlockIdx),
    /// A parameter, exception parameter or result.
    Var(FuncVerId, VarIdx),
    /// An instruction.
    Inst(FuncVerId, BlockIdx, InstIdx),
    /// A common instruction.
    Comm(CommInst),
    /// An id the client reserved and has not used yet.
    Reserved,
}

impl Entity {
    /// The kind of entity in words, with its article.
    pub fn kind(self) -> &'static str {
        match self {
            Entity::Type(_) => "a type",
            Entity::Sig(_) => "a function signature",
            Entity::Const(_) => "a constant",
            Entity::Global(_) => "a global cell",
            Entity::Func(_) => "a function",
            Entity::Expose(_) => "an exposed function",
            Entity::FuncVer(_) => "a function version",
            Entity::Block(..) => "a basic block",
            Entity::Var(..) => "a local variable",
            Entity::Inst(..) => "an instruction",
            Entity::Comm(_) => "a common instruction",
            Entity::Reserved => "an unused id",
        }
    }
}

/// A constant.
#[derive(Clone, Debug)]
pub struct Const {
    /// Its id; [`MuId::NONE`] of those that lenient loading put in the place of others.
    pub id: MuId,
    /// Its type.
    pub ty: TypeId,
    /// Its value.
    pub ctor: ConstCtor<Value>,
    /// The address an `EXTERN` constant was bound to.
    pub address: Option<u64>,
    /// Where it is defined.
    pub span: Span,
}

/// A global cell.
#[derive(Clone, Debug)]
pub struct Global {
    /// Its id.
    pub id: MuId,
    /// The type of the cell; as a variable it is an iref to this type.
    pub ty: TypeId,
    /// `iref<ty>`, the type of the variable.
    pub iref_ty: TypeId,
    /// Where it is defined.
    pub span: Span,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Func {
    /// Its id.
    pub id: MuId,
    /// Its signature.
    pub sig: SigId,
    /// `funcref<sig>`, the type of the variable.
    pub funcref_ty: TypeId,
    /// All versions, oldest first; calls use the last. Empty while the function is undefined.
    pub versions: Vec<FuncVerId>,
    /// Where it was declared or first defined.
    pub span: Span,
}

/// An exposed function.
#[derive(Clone, Debug)]
pub struct Expose {
    /// Its id.
    pub id: MuId,
    /// The Mu function.
    pub func: FuncId,
    /// The calling convention.
    pub callconv: CallConv,
    /// The cookie, an `int<64>` constant.
    pub cookie: ConstId,
    /// `ufuncptr<sig>`, the type of the variable.
    pub ptr_ty: TypeId,
    /// Where it is defined.
    pub span: Span,
}

/// A local variable.
#[derive(Clone, Copy, Debug)]
pub struct Var {
    /// Its id.
    pub id: MuId,
    /// Its type; [`Var::UNTYPED`] until the verifier has derived it.
    pub ty: TypeId,
    /// Where it is defined.
    pub span: Span,
}

impl Var {
    /// The type of results before the verifier has seen them, and of results whose instruction has an error.
    pub const UNTYPED: TypeId = TypeId(u32::MAX);
}

/// A basic block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its id.
    pub id: MuId,
    /// Normal parameters.
    pub params: Vec<VarIdx>,
    /// Exception parameter.
    pub exc_param: Option<VarIdx>,
    /// Instructions; the last is a terminator.
    pub insts: Vec<Inst<Linked>>,
    /// The header of the block.
    pub span: Span,
}

/// A version of a function.
#[derive(Clone, Debug)]
pub struct FuncVer {
    /// Its id.
    pub id: MuId,
    /// The function.
    pub func: FuncId,
    /// The signature.
    pub sig: SigId,
    /// Basic blocks; block 0 is the entry block.
    pub blocks: Vec<Block>,
    /// Local variables of all blocks.
    pub vars: Vec<Var>,
    /// The definition.
    pub span: Span,
}

/// The predefined types of the metacircular client interface (common-insts).
#[derive(Clone, Copy, Debug)]
pub struct Predefined {
    /// `@uvm.meta.bytes`, `hybrid<int<64> int<8>>`
    pub bytes: TypeId,
    /// `@uvm.meta.bytes.r`
    pub bytes_ref: TypeId,
    /// `@uvm.meta.refs`, `hybrid<int<64> ref<void>>`
    pub refs: TypeId,
    /// `@uvm.meta.refs.r`
    pub refs_ref: TypeId,
    /// `@uvm.meta.trap_handler.sig`, `(stackref int<32> ref<void>) -> ()`
    pub trap_handler_sig: SigId,
    /// `int<1>`
    pub i1: TypeId,
    /// `ref<void>`
    pub ref_void: TypeId,
}

/// Tells programs apart: equal only to its own clones.
#[derive(Clone, Debug)]
pub struct Identity(Arc<()>);

impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Identity {}

/// Everything an instance has loaded.
pub struct Program {
    /// Types and signatures.
    pub types: TypeStore,
    /// Constants.
    pub consts: Vec<Const>,
    /// Global cells.
    pub globals: Vec<Global>,
    /// Functions.
    pub funcs: Vec<Func>,
    /// Function versions.
    pub func_vers: Vec<Arc<FuncVer>>,
    /// Exposed functions.
    pub exposes: Vec<Expose>,
    /// Source texts.
    pub sources: Vec<Source>,
    /// Predefined types.
    pub predefined: Predefined,
    identity: Identity,
    names: Names,
    /// Entities of user ids; index 0 is id [`MuId::FIRST_USER`].
    entities: Vec<Entity>,
    /// Entities Mu defines, by ascending id.
    reserved: Vec<(MuId, Entity)>,
}

/// The size of a program at some moment.
#[derive(Clone, Debug)]
pub struct Mark {
    types: TypeMark,
    consts: usize,
    globals: usize,
    funcs: usize,
    func_vers: usize,
    exposes: usize,
    entities: usize,
    sources: usize,
    names: NamesMark,
}

impl Default for Program {
    fn default() -> Self {
        Program::new()
    }
}

/// Ids of the predefined types, outside the ranges the specification publishes.
const PREDEFINED_TYPE_ID: u32 = 0x4000;

impl Program {
    /// A program that holds only what Mu predefines.
    pub fn new() -> Program {
        let mut types = TypeStore::default();
        let id = |n: u32| MuId(PREDEFINED_TYPE_ID + n);
        types.append(
            vec![
                (MuId::NONE, Type::Int(64)),
                (MuId::NONE, Type::Int(8)),
                (MuId::NONE, Type::Void),
                (MuId::NONE, Type::Ref(TypeId(2))),
                (id(0), Type::Hybrid { fixed: [TypeId(0)].into(), var: TypeId(1) }),
                (id(1), Type::Ref(TypeId(4))),
                (id(2), Type::Hybrid { fixed: [TypeId(0)].into(), var: TypeId(3) }),
                (id(3), Type::Ref(TypeId(6))),
                (MuId::NONE, Type::StackRef),
                (MuId::NONE, Type::Int(32)),
                (MuId::NONE, Type::Int(1)),
            ],
            vec![(id(4), Signature { params: [TypeId(8), TypeId(9), TypeId(3)].into(), rets: [].into() })],
        );
        let predefined = Predefined {
            bytes: TypeId(4),
            bytes_ref: TypeId(5),
            refs: TypeId(6),
            refs_ref: TypeId(7),
            trap_handler_sig: SigId(0),
            i1: TypeId(10),
            ref_void: TypeId(3),
        };
        let mut program = Program {
            types,
            consts: Vec::new(),
            globals: Vec::new(),
            funcs: Vec::new(),
            func_vers: Vec::new(),
            exposes: Vec::new(),
            sources: Vec::new(),
            predefined,
            identity: Identity(Arc::new(())),
            names: Names::default(),
            entities: Vec::new(),
            reserved: Vec::new(),
        };
        for &inst in CommInst::ALL {
            program.define_reserved(MuId(inst.id()), Entity::Comm(inst), &[inst.name()]);
        }
        program.names.add_alias("@uvm.meta.cur_func_ver", MuId(CommInst::MetaCurFuncVer.id()));
        let meta_types: [(MuId, Entity, &[&str]); 5] = [
            (id(0), Entity::Type(predefined.bytes), &["@uvm.meta.bytes"]),
            (id(1), Entity::Type(predefined.bytes_ref), &["@uvm.meta.bytes.r", "@uvm.meta.bytes_r"]),
            (id(2), Entity::Type(predefined.refs), &["@uvm.meta.refs"]),
            (id(3), Entity::Type(predefined.refs_ref), &["@uvm.meta.refs.r", "@uvm.meta.refs_r"]),
            (id(4), Entity::Sig(predefined.trap_handler_sig), &["@uvm.meta.trap_handler.sig"]),
        ];
        for (id, entity, names) in meta_types {
            program.define_reserved(id, entity, names);
        }
        program
    }

    /// What tells this program from others.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn define_reserved(&mut self, id: MuId, entity: Entity, names: &[&str]) {
        self.reserved.push((id, entity));
        self.names.insert(id, names[0]);
        for name in &names[1..] {
            self.names.add_alias(name, id);
        }
    }

    /// Gives an entity the next id.
    pub fn define(&mut self, entity: Entity) -> MuId {
        let id = MuId(MuId::FIRST_USER + self.entities.len() as u32);
        self.entities.push(entity);
        id
    }

    /// Sets what a reserved id stands for.
    pub fn set_entity(&mut self, id: MuId, entity: Entity) {
        if let Some(slot) =
            id.0.checked_sub(MuId::FIRST_USER).and_then(|index| self.entities.get_mut(index as usize))
        {
            *slot = entity;
        }
    }

    /// What an id stands for.
    pub fn entity(&self, id: MuId) -> Option<Entity> {
        match id.0.checked_sub(MuId::FIRST_USER) {
            Some(index) => self.entities.get(index as usize).copied(),
            None => {
                let at = self.reserved.binary_search_by_key(&id, |(id, _)| *id).ok()?;
                Some(self.reserved[at].1)
            }
        }
    }

    /// Gives an id a name. Returns the id that has it already, if any.
    pub fn set_name(&mut self, id: MuId, name: &str) -> Result<(), MuId> {
        match self.names.find(name) {
            Some(other) => Err(other),
            None => {
                self.names.insert(id, name);
                Ok(())
            }
        }
    }

    /// The id of a global name (with `@`).
    pub fn id_of(&self, name: &str) -> Option<MuId> {
        self.names.find(name)
    }

    /// The name of an id.
    pub fn name_of(&self, id: MuId) -> Option<&str> {
        self.names.name(id)
    }

    /// The entity of a global name.
    pub fn lookup(&self, name: &str) -> Option<Entity> {
        self.entity(self.id_of(name)?)
    }

    /// A name for messages: the name, or the id where there is none.
    pub fn display_name(&self, id: MuId) -> String {
        self.name_of(id).map_or_else(|| format!("#{}", id.0), str::to_owned)
    }

    /// The current version of a function.
    pub fn current_version(&self, func: FuncId) -> Option<FuncVerId> {
        self.funcs[func.index()].versions.last().copied()
    }

    /// The type of a linked operand; `ver` is the function version it stands in.
    pub fn value_type(&self, ver: &FuncVer, value: Value) -> TypeId {
        match value {
            Value::Local(var) => ver.vars[var.index()].ty,
            Value::Const(id) => self.consts[id.index()].ty,
            Value::Global(id) => self.globals[id.index()].iref_ty,
            Value::Func(id) => self.funcs[id.index()].funcref_ty,
            Value::Expose(id) => self.exposes[id.index()].ptr_ty,
        }
    }

    /// A type for messages: its name, or how it is built.
    pub fn display_type(&self, ty: TypeId) -> String {
        if ty == Var::UNTYPED {
            return "?".into();
        }
        let id = self.types.type_mu_id(ty);
        if id != MuId::NONE {
            return self.display_name(id);
        }
        let ctor = self.types.get(ty);
        let args: Vec<String> = match ctor {
            Type::Int(n) => vec![n.to_string()],
            Type::Array(t, n) | Type::Vector(t, n) => vec![self.display_type(*t), n.to_string()],
            Type::FuncRef(sig) | Type::UFuncPtr(sig) => vec![self.display_sig(*sig)],
            _ => ctor.type_args().map(|&arg| self.display_type(arg)).collect(),
        };
        if args.is_empty() {
            ctor.keyword().into()
        } else {
            format!("{}<{}>", ctor.keyword(), args.join(" "))
        }
    }

    /// A signature for messages.
    pub fn display_sig(&self, sig: SigId) -> String {
        let id = self.types.sig_mu_id(sig);
        if id != MuId::NONE {
            return self.display_name(id);
        }
        let list =
            |types: &[TypeId]| types.iter().map(|&ty| self.display_type(ty)).collect::<Vec<_>>().join(" ");
        let Signature { params, rets } = self.types.sig(sig);
        format!("({}) -> ({})", list(params), list(rets))
    }

    /// Adds a source text.
    pub fn add_source(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        self.sources.push(Source { name: name.into(), text: text.into() });
        SourceId::new(self.sources.len() - 1)
    }

    /// The present size, for [`Program::truncate`].
    pub fn mark(&self) -> Mark {
        Mark {
            types: self.types.mark(),
            consts: self.consts.len(),
            globals: self.globals.len(),
            funcs: self.funcs.len(),
            func_vers: self.func_vers.len(),
            exposes: self.exposes.len(),
            entities: self.entities.len(),
            sources: self.sources.len(),
            names: self.names.mark(),
        }
    }

    /// Forgets everything that was appended since `mark`, versions added to older functions included.
    ///
    /// The work is proportional to what goes, not to what stays: a large program must not make small mistakes slow.
    /// What ids stand for that were reserved before the mark and used after it is for [`crate::link::undo`].
    pub fn truncate(&mut self, mark: &Mark) {
        for ver in &self.func_vers[mark.func_vers..] {
            if let Some(func) = self.funcs.get_mut(ver.func.index()) {
                while func.versions.pop_if(|ver| ver.index() >= mark.func_vers).is_some() {}
            }
        }
        self.types.truncate(mark.types);
        self.consts.truncate(mark.consts);
        self.globals.truncate(mark.globals);
        self.funcs.truncate(mark.funcs);
        self.func_vers.truncate(mark.func_vers);
        self.exposes.truncate(mark.exposes);
        self.entities.truncate(mark.entities);
        self.sources.truncate(mark.sources);
        self.names.truncate(&mark.names);
    }
}

impl Mark {
    /// Whether an entity was appended after the mark.
    pub fn is_older_than(&self, entity: Entity) -> bool {
        match entity {
            Entity::Type(ty) => ty.index() >= self.types(),
            Entity::Sig(sig) => sig.index() >= self.sigs(),
            Entity::Const(id) => id.index() >= self.consts,
            Entity::Global(id) => id.index() >= self.globals,
            Entity::Func(id) => id.index() >= self.funcs,
            Entity::Expose(id) => id.index() >= self.exposes,
            Entity::FuncVer(ver) | Entity::Block(ver, _) | Entity::Var(ver, _) | Entity::Inst(ver, ..) => {
                ver.index() >= self.func_vers
            }
            Entity::Comm(_) | Entity::Reserved => false,
        }
    }

    /// Index of the first type after the mark.
    pub fn types(&self) -> usize {
        self.types.types()
    }

    /// Index of the first signature after the mark.
    pub fn sigs(&self) -> usize {
        self.types.sigs()
    }

    /// Index of the first constant after the mark.
    pub fn consts(&self) -> usize {
        self.consts
    }

    /// Index of the first global cell after the mark.
    pub fn globals(&self) -> usize {
        self.globals
    }

    /// Index of the first function after the mark.
    pub fn funcs(&self) -> usize {
        self.funcs
    }

    /// Index of the first function version after the mark.
    pub fn func_vers(&self) -> usize {
        self.func_vers
    }

    /// Index of the first exposed function after the mark.
    pub fn exposes(&self) -> usize {
        self.exposes
    }
}

/// Names of ids, both ways. All texts lie in one string.
#[derive(Default)]
struct Names {
    arena: String,
    /// (id, range in the arena), in order of insertion.
    entries: Vec<(MuId, u32, u32)>,
    /// Entry indexes by name.
    table: HashTable<u32>,
    /// Entry index + 1 by user id.
    by_user_id: Vec<u32>,
    /// Entry indexes of reserved ids, few.
    by_reserved_id: Vec<(MuId, u32)>,
    /// Seeded, see [`crate::draft::Symbols`].
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Debug)]
struct NamesMark {
    arena: usize,
    entries: usize,
}

impl Names {
    fn text(&self, entry: u32) -> &str {
        let (_, start, end) = self.entries[entry as usize];
        &self.arena[start as usize..end as usize]
    }

    fn find(&self, name: &str) -> Option<MuId> {
        let hash = self.hasher.hash_one(name);
        let entry = self.table.find(hash, |&entry| self.text(entry) == name)?;
        Some(self.entries[*entry as usize].0)
    }

    fn name(&self, id: MuId) -> Option<&str> {
        let entry = match id.0.checked_sub(MuId::FIRST_USER) {
            Some(index) => self.by_user_id.get(index as usize)?.checked_sub(1)?,
            None => self.by_reserved_id.iter().find(|(other, _)| *other == id)?.1,
        };
        Some(self.text(entry))
    }

    fn insert(&mut self, id: MuId, name: &str) {
        let entry = self.add_alias(name, id);
        match id.0.checked_sub(MuId::FIRST_USER) {
            Some(index) => {
                let index = index as usize;
                if self.by_user_id.len() <= index {
                    self.by_user_id.resize(index + 1, 0);
                }
                self.by_user_id[index] = entry + 1;
            }
            None => self.by_reserved_id.push((id, entry)),
        }
    }

    /// A further name that leads to an id; `name` does not answer it.
    fn add_alias(&mut self, name: &str, id: MuId) -> u32 {
        let entry = self.entries.len() as u32;
        let start = self.arena.len() as u32;
        self.arena.push_str(name);
        self.entries.push((id, start, self.arena.len() as u32));
        let (arena, entries, hasher) = (&self.arena, &self.entries, &self.hasher);
        self.table.insert_unique(hasher.hash_one(name), entry, |&entry| {
            let (_, start, end) = entries[entry as usize];
            hasher.hash_one(&arena[start as usize..end as usize])
        });
        entry
    }

    fn mark(&self) -> NamesMark {
        NamesMark { arena: self.arena.len(), entries: self.entries.len() }
    }

    fn truncate(&mut self, mark: &NamesMark) {
        for entry in mark.entries..self.entries.len() {
            let hash = self.hasher.hash_one(self.text(entry as u32));
            if let Ok(found) = self.table.find_entry(hash, |&other| other as usize == entry) {
                found.remove();
            }
        }
        for &(id, ..) in &self.entries[mark.entries..] {
            if let Some(index) = id.0.checked_sub(MuId::FIRST_USER)
                && let Some(slot) = self.by_user_id.get_mut(index as usize)
                && *slot as usize > mark.entries
            {
                *slot = 0;
            }
        }
        self.entries.truncate(mark.entries);
        self.arena.truncate(mark.arena);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predefined_names_resolve_both_ways() {
        let program = Program::new();
        let id = program.id_of("@uvm.new_stack").unwrap();
        assert_eq!(id, MuId(0x201));
        assert_eq!(program.name_of(id), Some("@uvm.new_stack"));
        assert_eq!(program.id_of("@uvm.meta.cur_func_ver"), program.id_of("@uvm.meta.cur_func_Ver"));
        assert_eq!(program.lookup("@uvm.meta.bytes_r"), program.lookup("@uvm.meta.bytes.r"));
    }

    #[test]
    fn truncate_leaves_no_trace() {
        let mut program = Program::new();
        let first = program.define(Entity::Reserved);
        program.set_name(first, "@kept").unwrap();
        let mark = program.mark();
        let second = program.define(Entity::Reserved);
        program.set_name(second, "@gone").unwrap();
        assert_eq!(program.set_name(second, "@kept"), Err(first));
        program.truncate(&mark);
        assert_eq!(program.id_of("@gone"), None);
        assert_eq!(program.entity(second), None);
        assert_eq!(program.name_of(first), Some("@kept"));
        assert_eq!(program.define(Entity::Reserved), second);
        assert_eq!(program.name_of(second), None);
    }
}
