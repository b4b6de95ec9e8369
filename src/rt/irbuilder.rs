//! `@uvm.irbuilder.*` for the tiers: reads the operands of a builder function from memory and calls it (irbuilder;
//! common-insts, "IR Builder").
//!
//! The operands are the parameters of the function of the interface, one for one and in its order: an array is an
//! `iref` to its first element and, behind it, an `int<64>` operand with the length (two arrays of one length share it);
//! a NULL array is empty; a text is a `@uvm.meta.bytes.r`, or NULL; an optional id is 0. So one loop over the row of the
//! table reads them all ([`mu_ir::builder::Args`]).
//!
//! In checked mode arrays and texts are checked like any other access before they are read. Nothing here allocates in
//! the heap, so no address changes meanwhile.

use crate::layout::LeafKind;
use crate::memory::UnitCache;
use crate::runtime::Runtime;
use mu_ir::builder::{Arg, Args, IrBuilder};
use mu_ir::codes::builder as code;
use mu_ir::ids::{MuId, TypeId};
use mu_ir::table::{CommInst, CommParams, Ct, MemOrder};
use mu_ir::types::Type;
use mu_ir::ub::Ub;

/// A text as it was found in memory.
enum Text {
    None,
    Some(String),
    NotUtf8,
}

impl Runtime {
    /// Executes a common instruction of the IR builder on the words of its operands; its result, if it has one. After
    /// `load`, what a tier remembers of functions may be old: see [`Runtime::epoch`].
    ///
    /// # Errors
    /// The undefined behaviours in the row of the instruction. After [`Ub::BadBundle`] the errors are in
    /// [`Runtime::load_errors`].
    pub fn irbuilder(&mut self, inst: CommInst, words: &[u64]) -> Result<Option<u64>, Ub> {
        if inst == CommInst::IbNewIrBuilder {
            let builder = IrBuilder::new(&self.program);
            return Ok(Some(self.builders.insert(builder)));
        }
        let (&reference, rest) = words.split_first().ok_or(Ub::BadBuilderNode)?;
        // The builder is looked up first: a wrong one is the greater mistake.
        self.builders.get_mut(reference).ok_or(Ub::BadBuilderNode)?;
        let (mut args, not_utf8) = self.read_args(inst, rest)?;
        match inst {
            CommInst::IbLoad => {
                let builder = self.builders.remove(reference).ok_or(Ub::BadBuilderNode)?;
                return match self.load_built(builder) {
                    Ok(_) => Ok(None),
                    Err(errors) => {
                        self.load_errors = errors;
                        Err(Ub::BadBundle)
                    }
                };
            }
            CommInst::IbAbort => {
                self.builders.remove(reference);
                return Ok(None);
            }
            _ => {}
        }
        let builder = self.builders.get_mut(reference).ok_or(Ub::BadBuilderNode)?;
        if not_utf8 {
            builder.misuse(
                code::BAD_SYMBOL_NAME,
                MuId::NONE,
                format!("a text given to {} is not UTF-8", inst.name()),
            );
        }
        if inst == CommInst::IbGenSym {
            let id = builder.gen_sym(&mut self.program, args.text().as_deref());
            return Ok(Some(id.0.into()));
        }
        builder.call(inst, &mut args);
        Ok(None)
    }

    /// The operands behind the builder, and whether a text among them is not UTF-8.
    fn read_args(&self, inst: CommInst, words: &[u64]) -> Result<(Args, bool), Ub> {
        let CommParams::Fixed(params) = inst.params();
        let params = params.get(1..).unwrap_or(&[]);
        let mut args = Vec::with_capacity(params.len());
        let mut not_utf8 = false;
        // How many arrays wait for their length; their lengths are no arguments.
        let mut arrays = 0;
        for (at, (&param, &word)) in params.iter().zip(words).enumerate() {
            let length = || {
                let length =
                    params[at..].iter().position(|&param| param == Ct::I64).map(|behind| at + behind);
                length.and_then(|at| words.get(at)).copied().unwrap_or(0)
            };
            match param {
                Ct::IdArray => {
                    let ids = self.read_array(word, length(), 32)?;
                    args.push(Arg::Ids(ids.into_iter().map(|id| MuId(id as u32)).collect()));
                    arrays += 1;
                }
                Ct::WordArray => {
                    args.push(Arg::Words(self.read_array(word, length(), 64)?));
                    arrays += 1;
                }
                Ct::I64 if arrays > 0 => arrays = 0,
                Ct::BytesRef => {
                    let text = match self.read_text(word)? {
                        Text::None if inst == CommInst::IbNewConstExtern => return Err(Ub::NullAccess),
                        Text::None => None,
                        Text::Some(text) => Some(text),
                        Text::NotUtf8 => {
                            not_utf8 = true;
                            None
                        }
                    };
                    args.push(Arg::Text(text));
                }
                _ => args.push(Arg::Number(word)),
            }
        }
        Ok((Args::new(args), not_utf8))
    }

    /// An array of integers of 8, 32 or 64 bits.
    fn read_array(&self, address: u64, length: u64, bits: u32) -> Result<Vec<u64>, Ub> {
        if address == 0 || length == 0 {
            return Ok(Vec::new());
        }
        let kind = LeafKind::Int(bits as u8);
        let ty = self.program.types.find(&Type::Int(bits)).unwrap_or(TypeId(0));
        let bytes = u64::from(bits / 8);
        let last = (length - 1).checked_mul(bytes).and_then(|offset| address.checked_add(offset));
        let last = last.ok_or(Ub::OutsideArray)?;
        let cache = UnitCache::default();
        let checker = self.config.checked.then(|| self.checker(&self.stacks, &cache));
        if let Some(checker) = &checker {
            let unit = checker.find_unit(address).ok_or(Ub::ExpiredLocation)?;
            if !unit.contains(last) {
                return Err(Ub::OutsideArray);
            }
        }
        let mut elements = Vec::new();
        for at in (address..=last).step_by(bytes as usize) {
            if let Some(checker) = &checker {
                checker.check_leaf(at, kind, ty)?;
            }
            elements.push(self.memory.load_word(at, kind, MemOrder::NotAtomic));
        }
        Ok(elements)
    }

    /// A `@uvm.meta.bytes`: its length, then the bytes.
    fn read_text(&self, address: u64) -> Result<Text, Ub> {
        if address == 0 {
            return Ok(Text::None);
        }
        let length = self.read_array(address, 1, 64)?;
        let bytes = self.read_array(address + 8, length.first().copied().unwrap_or(0), 8)?;
        let bytes = bytes.into_iter().map(|byte| byte as u8).collect();
        Ok(String::from_utf8(bytes).map_or(Text::NotUtf8, Text::Some))
    }
}
