//! `--trace=calls,ops`: one line per instruction, and one per call and return, on the standard error output.
//!
//! ```text
//! SEQ T1 S1 DEPTH enter @f.v1 (ARGUMENT …)          the frame of a call begins
//! SEQ T1 S1 DEPTH @f.v1.entry:2 OP OPERAND …        instruction 2 (from 0) of block @f.v1.entry
//! SEQ T1 S1 DEPTH leave @f.v1 (VALUE …)             RET
//! SEQ T1 S1 DEPTH tail @f.v1                        TAILCALL: the frame makes room for the callee's
//! SEQ T1 S1 DEPTH throw @f.v1 EXCEPTION             THROW
//! SEQ T1 S1 DEPTH unwind @f.v1                      an exception passed through the frame
//! ```
//!
//! The format is stable; fields are separated by single spaces.
//! * SEQ numbers the instructions, from 1. `enter` and `unwind` carry the number of the instruction that follows them,
//!   the others that of the instruction that does it. Everything is written before the instruction is executed.
//! * T is the thread, S the stack, numbered in the order in which they were made. DEPTH is the number of frames of the
//!   stack, this one included, native ones left out. What a thread that is not Mu's calls is not traced.
//! * OPERAND: what stands in the instruction, in written order, callee first; without types, literals and
//!   destinations. COMMINST is followed by the name of the common instruction. A function that has no definition runs
//!   two hidden instructions, `@f(undefined):0 TRAP` and `@f(undefined):1 TAILCALL`.
//!
//! Values are written so that equal runs give equal lines, whatever addresses the system hands out:
//!
//! | written            | what                                                                                         |
//! |--------------------|----------------------------------------------------------------------------------------------|
//! | `-5` `1.5` `nan`   | integers (signed, `int<1>` as 0 and 1), `float` and `double`                                   |
//! | `null`             | NULL                                                                                           |
//! | `#3` `#3+16`       | a reference: the third object, global cell or ALLOCA cell that was mentioned, and bytes into it |
//! | `&#3+16` `&2`      | a pointer into an object; another pointer: the second that was mentioned                        |
//! | `int(7)` `fp(1.5)` `ref(#3,1)` | `tagref64`, by its state                                                           |
//! | `@f` `S2` `T2`     | `funcref`, `stackref`, `threadref`                                                              |
//! | `{1 2 3}`          | values of several scalars: all of them in order, at most the first 16                          |
//! | `@g` `@c`          | global cells, functions and exposed functions by their names; so are constants of pointer, struct, array and vector types |
//!
//! (An address that the program has turned into an integer is an integer, and differs from run to run. An ALLOCA cell at
//! the place of an older one counts as the same.)

use clap::ValueEnum;
use mu_vm::interp::Tracer;
use mu_vm::interp::code::CodeOf;
use mu_vm::interp::exec::Here;
use mu_vm::ir::draft::ConstCtor;
use mu_vm::ir::ids::{BlockIdx, InstIdx, TypeId, VarIdx};
use mu_vm::ir::inst::{Inst, Linked, Value};
use mu_vm::ir::program::FuncVer;
use mu_vm::ir::semantics::{int, tagref};
use mu_vm::ir::table::Op;
use mu_vm::ir::types::Type;
use mu_vm::rt::layout::LeafKind;
use mu_vm::rt::memory::AllocaCells;
use mu_vm::rt::runtime::Runtime;
use mu_vm::rt::thread::Thread;
use mu_vm::rt::words::func_of_word;
use mu_vm::{StackRef, ThreadRef};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::sync::Arc;

/// What is traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TraceKind {
    /// Calls and returns
    Calls,
    /// Every instruction
    Ops,
}

/// Of values with more scalars than this only the first ones are written.
const SCALARS_SHOWN: usize = 16;

/// Writes the lines.
pub struct TraceWriter<W: Write> {
    out: BufWriter<W>,
    calls: bool,
    ops: bool,
    /// Instructions seen.
    seq: u64,
    /// The next instruction was seen already.
    again: bool,
    /// The thread that runs.
    thread: ThreadRef,
    /// Its stack.
    stack: StackRef,
    /// The frames of each stack, from the bottom.
    frames: BTreeMap<StackRef, Vec<Frame>>,
    names: Ordinals,
    line: String,
}

/// A frame that was entered and not left.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Frame {
    fp: u64,
    of: CodeOf,
}

/// Ordinals instead of addresses.
#[derive(Default)]
struct Ordinals {
    /// By the address where the unit begins.
    objects: BTreeMap<u64, usize>,
    pointers: BTreeMap<u64, usize>,
}

impl<W: Write> TraceWriter<W> {
    /// A tracer of these kinds.
    pub fn new(out: W, kinds: &[TraceKind]) -> TraceWriter<W> {
        TraceWriter {
            out: BufWriter::new(out),
            calls: kinds.contains(&TraceKind::Calls),
            ops: kinds.contains(&TraceKind::Ops),
            seq: 0,
            again: false,
            thread: ThreadRef::NULL,
            stack: StackRef::NULL,
            frames: BTreeMap::new(),
            names: Ordinals::default(),
            line: String::new(),
        }
    }

    /// Writes out what is buffered.
    pub fn finish(&mut self) {
        let _ = self.out.flush();
    }

    /// Begins a line about a frame of the running stack.
    fn begin(&mut self, depth: usize) {
        self.line.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{} T{} S{} {depth} ", self.seq, self.thread.0, self.stack.0);
    }

    /// Ends the line. If nobody reads it, nobody misses it.
    fn end(&mut self) {
        self.line.push('\n');
        let _ = self.out.write_all(self.line.as_bytes());
    }

    /// Brings the list of frames up to date, and writes what has become of them. Answers the depth.
    fn update_frames(&mut self, rt: &Runtime, here: &Here<'_>, pc: usize) -> usize {
        let this = Frame { fp: here.fp, of: here.code.of };
        let mut frames = self.frames.remove(&self.stack).unwrap_or_default();
        // The stack grows downwards: frames with a lower fp were above this one.
        while let Some(&top) = frames.last()
            && (top.fp < this.fp || (top.fp == this.fp && top.of != this.of))
        {
            if self.calls {
                self.begin(frames.len());
                let _ = write!(self.line, "unwind {}", version_name(rt, top.of));
                self.end();
            }
            frames.pop();
        }
        if frames.last() != Some(&this) {
            frames.push(this);
            if self.calls {
                self.begin(frames.len());
                let _ = write!(self.line, "enter {}", version_name(rt, this.of));
                if pc == 0 {
                    self.parameters(rt, here);
                }
                self.end();
            }
        }
        let depth = frames.len();
        self.frames.insert(self.stack, frames);
        depth
    }

    /// The frame ends with this instruction.
    fn pop_frame(&mut self) {
        if let Some(frames) = self.frames.get_mut(&self.stack) {
            frames.pop();
        }
    }

    /// The values of the parameters of a frame that has just been entered.
    fn parameters(&mut self, rt: &Runtime, here: &Here<'_>) {
        self.line.push_str(" (");
        match here.code.of {
            CodeOf::Version(ver) => {
                let ver = &rt.program.func_vers[ver.index()];
                for (index, &var) in ver.blocks[0].params.iter().enumerate() {
                    self.line.push_str(if index == 0 { "" } else { " " });
                    self.local(rt, here, ver, var);
                }
            }
            CodeOf::Undefined(func) => {
                let params = &rt.program.types.sig(rt.program.funcs[func.index()].sig).params;
                let mut slot = 0;
                for (index, &ty) in params.iter().enumerate() {
                    self.line.push_str(if index == 0 { "" } else { " " });
                    let words = rt.layouts.words(&rt.program.types, ty).unwrap_or(0);
                    self.value(rt, here, ty, slot, words);
                    slot += words;
                }
            }
        }
        self.line.push(')');
    }

    fn local(&mut self, rt: &Runtime, here: &Here<'_>, ver: &FuncVer, var: VarIdx) {
        let (slot, words) = (here.code.var_slots[var.index()], here.code.var_words[var.index()]);
        self.value(rt, here, ver.vars[var.index()].ty, slot, words);
    }

    /// All operands of an instruction, separated by spaces.
    fn operands(&mut self, rt: &Runtime, here: &Here<'_>, at: &At) {
        for (index, &operand) in at.inst().args.iter().enumerate() {
            self.line.push_str(if index == 0 { "" } else { " " });
            self.operand(rt, here, &at.ver, operand);
        }
    }

    fn operand(&mut self, rt: &Runtime, here: &Here<'_>, ver: &FuncVer, operand: Value) {
        let program = &rt.program;
        let id = match operand {
            Value::Local(var) => return self.local(rt, here, ver, var),
            Value::Const(id) => {
                let constant = &program.consts[id.index()];
                if self.constant(program.types.get(constant.ty), &constant.ctor) {
                    return;
                }
                constant.id
            }
            Value::Global(id) => program.globals[id.index()].id,
            Value::Func(id) => program.funcs[id.index()].id,
            Value::Expose(id) => program.exposes[id.index()].id,
        };
        self.line.push_str(&program.display_name(id));
    }

    /// Writes a constant of one scalar; false (and nothing) for others.
    fn constant(&mut self, ty: &Type, ctor: &ConstCtor<Value>) -> bool {
        let line = &mut self.line;
        // Writing to a string cannot fail.
        let _ = match (ty, ctor) {
            (Type::Int(1), ConstCtor::Int { magnitude, .. }) => write!(line, "{}", magnitude & 1),
            (Type::Int(128), ConstCtor::Int { .. }) => {
                write!(line, "{}", ctor.int_bits().unwrap_or(0) as i128)
            }
            (Type::Int(width), ConstCtor::Int { .. }) => {
                let bits = ctor.int_bits().unwrap_or(0) as u64;
                write!(line, "{}", int::sign_extend(*width, bits & int::mask(*width)))
            }
            (_, ConstCtor::Float(bits)) => fp(line, f32::from_bits(*bits)),
            (_, ConstCtor::Double(bits)) => fp(line, f64::from_bits(*bits)),
            (_, ConstCtor::Null) => write!(line, "null"),
            (_, ConstCtor::Int { .. } | ConstCtor::List(_) | ConstCtor::Extern(_)) => return false,
        };
        true
    }

    /// The value of a type in `words` slots.
    fn value(&mut self, rt: &Runtime, here: &Here<'_>, ty: TypeId, slot: u32, words: u32) {
        let leaves = rt.layouts.leaves(&rt.program.types, ty).unwrap_or(&[]);
        let single = leaves.len() == 1;
        self.line.push_str(if single { "" } else { "{" });
        let mut at = slot;
        for (index, leaf) in leaves.iter().enumerate() {
            let size = if matches!(leaf.kind, LeafKind::Int(65..)) { 2 } else { 1 };
            if at + size > slot + words {
                break;
            }
            self.line.push_str(if index == 0 { "" } else { " " });
            if index == SCALARS_SHOWN {
                self.line.push('…');
                break;
            }
            self.scalar(rt, leaf.kind, here.get(at), if size == 2 { here.get(at + 1) } else { 0 });
            at += size;
        }
        self.line.push_str(if single { "" } else { "}" });
    }

    fn scalar(&mut self, rt: &Runtime, kind: LeafKind, word: u64, high: u64) {
        let line = &mut self.line;
        // Writing to a string cannot fail.
        let _ = match kind {
            LeafKind::Int(1) => write!(line, "{word}"),
            LeafKind::Int(width @ 2..=64) => write!(line, "{}", int::sign_extend(width.into(), word)),
            LeafKind::Int(_) => write!(line, "{}", (u128::from(word) | u128::from(high) << 64) as i128),
            LeafKind::Float => fp(line, f32::from_bits(word as u32)),
            LeafKind::Double => fp(line, f64::from_bits(word)),
            LeafKind::Ptr | LeafKind::FuncPtr => self.names.pointer(rt, word, line),
            LeafKind::Ref | LeafKind::IRef | LeafKind::WeakRef => self.names.reference(rt, word, line),
            LeafKind::TagRef64 => self.names.tagged(rt, word, line),
            LeafKind::FuncRef => match func_of_word(word, rt.program.funcs.len()) {
                Some(func) => {
                    write!(line, "{}", rt.program.display_name(rt.program.funcs[func.index()].id))
                }
                None => write!(line, "null"),
            },
            LeafKind::StackRef if word != 0 => write!(line, "S{word}"),
            LeafKind::ThreadRef if word != 0 => write!(line, "T{word}"),
            LeafKind::IrBuilderRef if word != 0 => write!(line, "B{word}"),
            LeafKind::StackRef | LeafKind::ThreadRef | LeafKind::FrameCursorRef | LeafKind::IrBuilderRef => {
                self.names.reference(rt, word, line)
            }
        };
    }

    fn op_line(&mut self, rt: &Runtime, here: &Here<'_>, depth: usize, at: &At) {
        self.begin(depth);
        let block = rt.program.display_name(at.ver.blocks[at.block.index()].id);
        let inst = at.inst();
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{block}:{} {}", at.index.0, inst.op.mnemonic());
        if let Some(comm) = inst.attrs.comm {
            let _ = write!(self.line, " {}", comm.name());
        }
        self.line.push_str(if inst.args.is_empty() { "" } else { " " });
        self.operands(rt, here, at);
        self.end();
    }

    /// The line of an instruction that ends its frame.
    fn exit_line(&mut self, rt: &Runtime, here: &Here<'_>, depth: usize, at: &At) {
        self.begin(depth);
        let name = version_name(rt, here.code.of);
        match at.inst().op {
            Op::Ret => {
                let _ = write!(self.line, "leave {name} (");
                self.operands(rt, here, at);
                self.line.push(')');
            }
            Op::TailCall => {
                let _ = write!(self.line, "tail {name}");
            }
            // THROW, the only other one.
            _ => {
                let _ = write!(self.line, "throw {name} ");
                self.operands(rt, here, at);
            }
        }
        self.end();
    }

    /// The two instructions of a function without a definition.
    fn undefined(&mut self, rt: &Runtime, here: &Here<'_>, pc: usize, depth: usize) {
        let mnemonic = if pc == 0 { Op::Trap } else { Op::TailCall }.mnemonic();
        let name = version_name(rt, here.code.of);
        if self.ops {
            self.begin(depth);
            let _ = write!(self.line, "{name}:{pc} {mnemonic}");
            self.end();
        }
        if pc > 0 {
            if self.calls {
                self.begin(depth);
                let _ = write!(self.line, "tail {name}");
                self.end();
            }
            self.pop_frame();
        }
    }
}

/// An instruction and its place.
struct At {
    ver: Arc<FuncVer>,
    block: BlockIdx,
    index: InstIdx,
}

impl At {
    fn inst(&self) -> &Inst<Linked> {
        &self.ver.blocks[self.block.index()].insts[self.index.index()]
    }
}

fn version_name(rt: &Runtime, of: CodeOf) -> String {
    let program = &rt.program;
    match of {
        CodeOf::Version(ver) => program.display_name(program.func_vers[ver.index()].id),
        CodeOf::Undefined(func) => {
            format!("{}(undefined)", program.display_name(program.funcs[func.index()].id))
        }
    }
}

/// The shortest text that reads back as the same number. Sign and payload of NaN are unspecified.
fn fp(line: &mut String, value: impl std::fmt::Debug) -> std::fmt::Result {
    let text = format!("{value:?}");
    line.push_str(if text == "NaN" { "nan" } else { &text });
    Ok(())
}

impl Ordinals {
    fn object(&mut self, start: u64) -> usize {
        let next = self.objects.len() + 1;
        *self.objects.entry(start).or_insert(next)
    }

    fn reference(&mut self, rt: &Runtime, word: u64, line: &mut String) -> std::fmt::Result {
        if word == 0 {
            return write!(line, "null");
        }
        let start = unit_start(rt, word).unwrap_or(word);
        write!(line, "#{}", self.object(start))?;
        if word == start { Ok(()) } else { write!(line, "+{}", word - start) }
    }

    fn pointer(&mut self, rt: &Runtime, word: u64, line: &mut String) -> std::fmt::Result {
        if word == 0 {
            return write!(line, "null");
        }
        line.push('&');
        if unit_start(rt, word).is_some() {
            return self.reference(rt, word, line);
        }
        let next = self.pointers.len() + 1;
        write!(line, "{}", self.pointers.entry(word).or_insert(next))
    }

    fn tagged(&mut self, rt: &Runtime, word: u64, line: &mut String) -> std::fmt::Result {
        if tagref::is_int(word) {
            return write!(line, "int({})", int::sign_extend(52, tagref::to_int(word)));
        }
        if tagref::is_ref(word) {
            line.push_str("ref(");
            self.reference(rt, tagref::to_ref(word), line)?;
            return write!(line, ",{})", tagref::to_tag(word));
        }
        line.push_str("fp(");
        fp(line, tagref::to_fp(word))?;
        write!(line, ")")
    }
}

/// Where the allocation unit around an address begins.
fn unit_start(rt: &Runtime, address: u64) -> Option<u64> {
    match rt.heap.find_object(address) {
        Some(object) => Some(object.start),
        None => rt.stacks.find(address).map(|cell| cell.start),
    }
}

impl<W: Write> Tracer for TraceWriter<W> {
    fn instruction(&mut self, rt: &Runtime, thread: &Thread, here: &Here<'_>, pc: usize) {
        if std::mem::take(&mut self.again) {
            return;
        }
        self.seq += 1;
        (self.thread, self.stack) = (thread.id, thread.stack);
        let depth = self.update_frames(rt, here, pc);
        let CodeOf::Version(ver) = here.code.of else { return self.undefined(rt, here, pc, depth) };
        let Some(&(block, index)) = here.code.places.get(pc) else { return };
        let at = At { ver: Arc::clone(&rt.program.func_vers[ver.index()]), block, index };
        if self.ops {
            self.op_line(rt, here, depth, &at);
        }
        match at.inst().op {
            Op::Ret | Op::TailCall | Op::Throw => {
                if self.calls {
                    self.exit_line(rt, here, depth, &at);
                }
                self.pop_frame();
            }
            // Native code may write to the same stream, or end the process.
            Op::CCall => self.finish(),
            _ => {}
        }
    }

    fn instruction_again(&mut self) {
        self.again = true;
    }
}
