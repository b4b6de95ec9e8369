//! What words of global SSA variables are: the same in every tier, in the heap and for the client.
//!
//! ```
//! use mu_ir::ids::FuncId;
//! use mu_rt::words::{func_of_word, func_word};
//! assert_eq!(func_of_word(func_word(FuncId(4)), 5), Some(FuncId(4)));
//! assert_eq!((func_of_word(0, 5), func_of_word(6, 5)), (None, None));
//! ```

use mu_ir::draft::ConstCtor;
use mu_ir::ids::FuncId;
use mu_ir::inst::Value;
use mu_ir::program::Program;
use mu_ir::semantics::int;
use mu_ir::types::Type;

/// The word of a funcref: the function's number plus one; 0 is NULL.
pub fn func_word(func: FuncId) -> u64 {
    u64::from(func.0) + 1
}

/// The function of a funcref word, if it is one.
pub fn func_of_word(word: u64, func_count: usize) -> Option<FuncId> {
    let index = usize::try_from(word.checked_sub(1)?).ok()?;
    (index < func_count).then(|| FuncId::new(index))
}

/// Where global cells and exposed functions are, by number.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    /// Of global cells.
    pub globals: &'a [u64],
    /// Of exposed functions.
    pub exposes: &'a [u64],
}

/// Why a variable has no words here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoWords {
    /// It has more than wanted.
    TooMany,
    /// An address in it is not known.
    NoAddress,
}

/// Appends the words of a global SSA variable, as long as there are not more than `most` in all. Verified constants are
/// not recursive; their nesting is walked with a work list, so that deep ones cannot overflow the host stack.
///
/// # Errors
/// [`NoWords`]; some words may have been appended.
pub fn const_words(
    program: &Program,
    addresses: Addresses<'_>,
    value: Value,
    most: usize,
    words: &mut Vec<u64>,
) -> Result<(), NoWords> {
    let known = |address: Option<&u64>| address.copied().ok_or(NoWords::NoAddress);
    let mut work = vec![value];
    while let Some(value) = work.pop() {
        match value {
            Value::Local(_) => {}
            Value::Global(global) => words.push(known(addresses.globals.get(global.index()))?),
            Value::Func(func) => words.push(func_word(func)),
            Value::Expose(expose) => words.push(known(addresses.exposes.get(expose.index()))?),
            Value::Const(id) => {
                let constant = &program.consts[id.index()];
                match &constant.ctor {
                    ConstCtor::List(members) => work.extend(members.iter().rev()),
                    ConstCtor::Float(bits) => words.push(u64::from(*bits)),
                    ConstCtor::Double(bits) => words.push(*bits),
                    ConstCtor::Null => words.push(0),
                    ConstCtor::Extern(_) => words.push(constant.address.unwrap_or(0)),
                    ConstCtor::Int { .. } => {
                        let bits = constant.ctor.int_bits().unwrap_or(0);
                        match program.types.get(constant.ty) {
                            Type::Int(128) => words.extend([bits as u64, (bits >> 64) as u64]),
                            Type::Int(width) => words.push(bits as u64 & int::mask(*width)),
                            _ => words.push(bits as u64),
                        }
                    }
                }
            }
        }
        if words.len() > most {
            return Err(NoWords::TooMany);
        }
    }
    Ok(())
}
