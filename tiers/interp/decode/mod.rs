//! Decoding: from a verified function version to [`Code`].
//!
//! One walk over the blocks gives every variable its slots; a second walk emits one [`Instr`] per instruction. Branch
//! targets are block numbers until all blocks have their program counters.
//!
//! Values of many words make code longer than its text: a branch that passes a value of 60,000 words is 60,000 moves.
//! So sizes are checked before anything is written down, and code has a limit ([`CODE_ENTRIES_MAX`]). Otherwise the work
//! is about proportional to the size of the version.
//!
//! Example. In `%head(<@i64> %a <@i64> %b): … BRANCH2 %c %head(%b %r) %exit(%a)` the variables have the slots
//! a = 0, b = 1, c = 2, r = 3; the edge back to `%head` is the moves 0 ← 1, 1 ← 3.

mod insts;
mod moves;

use crate::code::*;
use mu_ir::ids::*;
use mu_ir::inst::{Dest, Inst, Linked, Value};
use mu_ir::program::{FuncVer, Program};
use mu_ir::types::Type;
use mu_rt::layout::Layouts;
use mu_rt::runtime::Runtime;
use mu_rt::words::{Addresses, const_words, func_word};
use std::collections::HashMap;
use std::sync::Arc;

/// Why a version cannot be decoded. All are limits of this tier, not errors of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A value has too many words to be an SSA variable here.
    ValueTooLarge,
    /// A frame has more words than slot numbers can tell.
    FrameTooLarge,
    /// The decoded code would have more than [`CODE_ENTRIES_MAX`] entries.
    CodeTooLarge,
}

/// The most words a frame may have. A frame must fit a stack anyway.
const FRAME_WORDS_MAX: u64 = 1 << 24;

/// The most words that the operands, moves and leaves of a function version may have in all: some hundred megabytes.
pub const CODE_ENTRIES_MAX: usize = 1 << 24;

/// Decodes a function version.
pub fn decode(rt: &Runtime, ver: FuncVerId) -> Result<Code, DecodeError> {
    let body = Arc::clone(&rt.program.func_vers[ver.index()]);
    let mut decoder = Decoder {
        program: &rt.program,
        layouts: &rt.layouts,
        addresses: rt.addresses(),
        checked: rt.config.checked,
        ver: &body,
        code: Code::new(CodeOf::Version(ver), body.func),
        const_slots: HashMap::new(),
        native_sigs: HashMap::new(),
        edge_blocks: Vec::new(),
        scratch: 0,
        leaf_count: 0,
    };
    decoder.assign_slots()?;
    decoder.signature()?;
    let mut block_pcs = Vec::with_capacity(body.blocks.len());
    for (block_at, block) in body.blocks.iter().enumerate() {
        block_pcs.push(decoder.code.instrs.len() as u32);
        let first_root = decoder.code.root_slots.len() as u32;
        decoder.root_slots(block.params.iter().chain(&block.exc_param));
        for (inst_at, inst) in block.insts.iter().enumerate() {
            let roots = decoder.code.root_slots.len() as u32 - first_root;
            decoder.code.roots_at.push((first_root, roots));
            decoder.root_slots(inst.results.iter());
            decoder.code.places.push((BlockIdx::new(block_at), InstIdx::new(inst_at)));
            let instr = decoder.inst(inst)?;
            decoder.code.instrs.push(instr);
        }
    }
    for (edge, block) in decoder.code.edges.iter_mut().zip(&decoder.edge_blocks) {
        edge.target = block_pcs[block.index()];
    }
    let mut code = decoder.code;
    code.slot_count = code.var_slot_count + code.consts.len() as u32;
    Ok(code)
}

/// The hidden version of a function that has none: a trap with the parameters as keep-alive variables, then a tail
/// call of the function as it is by then (uvm-ir, "Function Definition and Declaration").
pub fn decode_undefined(rt: &Runtime, func: FuncId) -> Result<Code, DecodeError> {
    let sig = rt.program.funcs[func.index()].sig;
    let mut code = Code::new(CodeOf::Undefined(func), func);
    let types = &rt.program.types;
    let mut words = 0;
    for &ty in &types.sig(sig).params {
        words += rt.layouts.words(types, ty).ok_or(DecodeError::ValueTooLarge)?;
        if u64::from(words) > FRAME_WORDS_MAX {
            return Err(DecodeError::FrameTooLarge);
        }
    }
    let canon = |list: &[TypeId]| list.iter().map(|&ty| types.canon(ty)).collect::<Box<[TypeId]>>();
    code.param_types = canon(&types.sig(sig).params);
    code.ret_types = canon(&types.sig(sig).rets);
    code.param_words = words;
    code.var_slot_count = words;
    code.lists = (0..words).collect();
    code.consts = vec![func_word(func)];
    code.slot_count = words + 1;
    let nothing = Slots { base: 0, words: 0 };
    code.resumes.push(Resume { results: nothing, expects: [].into(), nor: NONE, exc: NONE });
    code.calls.push(CallInfo {
        args: List { start: 0, len: words },
        sig: types.canon_sig(sig),
        resume: NONE,
    });
    let mut slot = 0;
    for &ty in &types.sig(sig).params {
        for leaf in rt.layouts.leaves(types, ty).unwrap_or(&[]).iter().filter(|leaf| leaf.kind.is_root()) {
            code.root_slots.push((slot + leaf.word, leaf.kind));
        }
        slot += rt.layouts.words(types, ty).unwrap_or(0);
    }
    let roots = code.root_slots.len() as u32;
    code.roots_at = vec![(0, roots); 2];
    code.instrs = vec![Instr::TrapUndefined { func, resume: 1 }, Instr::TailCall { callee: words, info: 0 }];
    Ok(code)
}

pub(crate) struct Decoder<'a> {
    program: &'a Program,
    layouts: &'a Layouts,
    addresses: Addresses<'a>,
    checked: bool,
    ver: &'a FuncVer,
    code: Code,
    /// First slots of the constants used so far.
    const_slots: HashMap<Value, Slot>,
    /// Signatures of native calls so far, by representative: one with large structs has a long description.
    native_sigs: HashMap<SigId, Arc<NativeCallSig>>,
    /// Target block of each edge.
    edge_blocks: Vec<BlockIdx>,
    /// A slot for breaking cycles of moves.
    scratch: Slot,
    /// Number of leaves of memory accesses so far.
    leaf_count: usize,
}

impl Decoder<'_> {
    fn assign_slots(&mut self) -> Result<(), DecodeError> {
        let ver = self.ver;
        self.code.var_slots = vec![0; ver.vars.len()];
        self.code.var_words = vec![0; ver.vars.len()];
        let mut most = 0;
        for block in &ver.blocks {
            let mut next = 0u64;
            let results = block.insts.iter().flat_map(|inst| inst.results.iter());
            for &var in block.params.iter().chain(&block.exc_param).chain(results) {
                let words = self.words(ver.vars[var.index()].ty)?;
                self.code.var_slots[var.index()] = next as u32;
                self.code.var_words[var.index()] = words;
                next += u64::from(words);
                if next > FRAME_WORDS_MAX {
                    return Err(DecodeError::FrameTooLarge);
                }
            }
            most = most.max(next as u32);
        }
        self.scratch = most;
        self.code.var_slot_count = most + 1;
        Ok(())
    }

    fn signature(&mut self) -> Result<(), DecodeError> {
        let types = &self.program.types;
        let sig = types.sig(self.ver.sig);
        self.code.param_types = sig.params.iter().map(|&ty| types.canon(ty)).collect();
        self.code.ret_types = sig.rets.iter().map(|&ty| types.canon(ty)).collect();
        for &ty in &sig.params {
            self.code.param_words += self.words(ty)?;
        }
        Ok(())
    }

    /// Notes which slots of variables hold references.
    fn root_slots<'v>(&mut self, vars: impl Iterator<Item = &'v VarIdx>) {
        for &var in vars {
            let base = self.code.var_slots[var.index()];
            let leaves =
                self.layouts.leaves(&self.program.types, self.ver.vars[var.index()].ty).unwrap_or(&[]);
            let roots = leaves.iter().filter(|leaf| leaf.kind.is_root());
            self.code.root_slots.extend(roots.map(|leaf| (base + leaf.word, leaf.kind)));
        }
    }

    fn words(&mut self, ty: TypeId) -> Result<u32, DecodeError> {
        self.layouts.words(&self.program.types, ty).ok_or(DecodeError::ValueTooLarge)
    }

    fn ty(&self, ty: TypeId) -> &Type {
        self.program.types.get(ty)
    }

    fn value_ty(&self, value: Value) -> TypeId {
        self.program.value_type(self.ver, value)
    }

    fn canon_types(&self, types: &[TypeId]) -> Box<[TypeId]> {
        types.iter().map(|&ty| self.program.types.canon(ty)).collect()
    }

    /// First slot of a result.
    fn def(&self, inst: &Inst<Linked>, result: usize) -> Slot {
        inst.results.get(result).map_or(NONE, |var| self.code.var_slots[var.index()])
    }

    /// The slots of all results: they lie side by side.
    fn results(&self, inst: &Inst<Linked>) -> Slots {
        let words = inst.results.iter().map(|var| self.code.var_words[var.index()]).sum();
        let base = inst.results.first().map_or(0, |var| self.code.var_slots[var.index()]);
        Slots { base, words }
    }

    /// First slot of an operand.
    fn slot(&mut self, value: Value) -> Result<Slot, DecodeError> {
        if let Value::Local(var) = value {
            return Ok(self.code.var_slots[var.index()]);
        }
        if let Some(&slot) = self.const_slots.get(&value) {
            return Ok(slot);
        }
        // Before the words are there: constants can share members, so their size can be exponential in their text.
        let count = self.words(self.value_ty(value))? as usize;
        if (self.code.consts.len() + count) as u64 > FRAME_WORDS_MAX {
            return Err(DecodeError::FrameTooLarge);
        }
        let mut words = Vec::with_capacity(count);
        let known = const_words(self.program, self.addresses, value, count, &mut words);
        known.map_err(|_| DecodeError::ValueTooLarge)?;
        words.resize(count, 0);
        let slot = self.code.var_slot_count + self.code.consts.len() as u32;
        self.code.consts.extend(words);
        self.const_slots.insert(value, slot);
        Ok(slot)
    }

    /// Checks that there is room for more operands, moves or leaves.
    fn make_room(&self, more: usize) -> Result<(), DecodeError> {
        let entries = self.code.lists.len() + self.code.moves.len() + self.leaf_count;
        if entries + more > CODE_ENTRIES_MAX { Err(DecodeError::CodeTooLarge) } else { Ok(()) }
    }

    /// All words of a list of operands.
    fn word_list(&mut self, values: &[Value]) -> Result<List, DecodeError> {
        let start = self.code.lists.len() as u32;
        for &value in values {
            let base = self.slot(value)?;
            let ty = self.value_ty(value);
            let words = self.words(ty)?;
            self.make_room(words as usize)?;
            self.code.lists.extend(base..base + words);
        }
        Ok(List { start, len: self.code.lists.len() as u32 - start })
    }

    /// First slots of a list of operands.
    fn slot_list(&mut self, values: &[Value]) -> Result<List, DecodeError> {
        let start = self.code.lists.len() as u32;
        for &value in values {
            let slot = self.slot(value)?;
            self.code.lists.push(slot);
        }
        Ok(List { start, len: self.code.lists.len() as u32 - start })
    }

    /// An edge to a destination.
    fn edge(&mut self, dest: &Dest<Linked>) -> Result<u32, DecodeError> {
        let block = &self.ver.blocks[dest.block.index()];
        let mut moves = Vec::new();
        for (&param, &arg) in block.params.iter().zip(&dest.args) {
            let from = self.slot(arg)?;
            let to = self.code.var_slots[param.index()];
            let words = self.code.var_words[param.index()];
            self.make_room(moves.len() + words as usize)?;
            moves.extend((0..words).map(|word| (to + word, from + word)));
        }
        let exc_slot = block.exc_param.map_or(NONE, |var| self.code.var_slots[var.index()]);
        let start = self.code.moves.len() as u32;
        moves::sequence(&moves, self.scratch, &mut self.code.moves);
        let moves_len = self.code.moves.len() as u32 - start;
        self.code.edges.push(Edge { target: 0, moves_start: start, moves_len, exc_slot });
        self.edge_blocks.push(dest.block);
        Ok(self.code.edges.len() as u32 - 1)
    }

    /// Edges of the exception clause: normal, exceptional.
    fn exc_edges(&mut self, inst: &Inst<Linked>) -> Result<(u32, u32), DecodeError> {
        match &inst.exc {
            None => Ok((NONE, NONE)),
            Some(clause) => Ok((self.edge(&clause.nor)?, self.edge(&clause.exc)?)),
        }
    }
}
