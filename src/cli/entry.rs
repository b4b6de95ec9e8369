//! The entry function of `mu run`: which one it is, and what it receives.
//!
//! * A C-like main, of signature `(int<32> uptr<uptr<int<8>>>) -> (int<32>)`, receives argc and argv as a C program
//!   does: argv\[0\] is the name of the first file, every text ends with a NUL character, argv\[argc\] is NULL. The memory
//!   lives as long as the [`Call`]. Its result is the exit code. Clients also write the arrays of C as hybrids without
//!   fixed part, `uptr<hybrid<uptr<hybrid<int<8>>>>>`, and the result as `int<64>`.
//! * Any other function receives one value per argument, read by the type of the parameter: `42`, `-1`, `0xff`, `1.5`,
//!   `nan`, `{1, 2}`, `null`, `@f`. Integers must fit their type, as signed or as unsigned numbers.

use super::output::Failure;
use mu_vm::ir::ids::{FuncId, TypeId};
use mu_vm::ir::types::Type;
use mu_vm::{Mu, Value};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A call that is ready to be made.
pub struct Call {
    /// The function.
    pub func: FuncId,
    /// Its arguments.
    pub args: Vec<Value>,
    /// Whether the result is the exit code.
    pub is_c_like: bool,
    /// The memory `args` point to.
    _argv: Option<Argv>,
}

impl Call {
    /// Finds the entry function and reads its arguments.
    ///
    /// # Errors
    /// When there is no such function, or the arguments do not fit it.
    pub fn new(mu: &Mu, entry: &str, file: &OsStr, args: &[OsString]) -> Result<Call, Failure> {
        let name = if entry.starts_with('@') { entry.to_owned() } else { format!("@{entry}") };
        let Some(func) = mu.func(&name) else { return Err(no_function(mu, &name)) };
        if let Some((argc_type, argv_type)) = c_like_main(mu, func) {
            let mut argv = Argv::new(std::iter::once(file).chain(args.iter().map(OsString::as_os_str)));
            let argc = mu.value_from_int(argc_type, args.len() as u128 + 1);
            let address = mu.value_from_int(argv_type, argv.address().into());
            // Both types were looked at.
            let args = argc.into_iter().chain(address).collect();
            return Ok(Call { func, args, is_c_like: true, _argv: Some(argv) });
        }
        let params = mu.params(func);
        if params.len() != args.len() {
            let types: Vec<String> = params.iter().map(|&ty| mu.program().display_type(ty)).collect();
            return Err(Failure::usage(format!(
                "{name} takes {} arguments ({}), and {} are given behind `--`",
                params.len(),
                types.join(" "),
                args.len()
            )));
        }
        let values = params.iter().zip(args).enumerate();
        let args = values
            .map(|(index, (&ty, text))| read_argument(mu, ty, index, text))
            .collect::<Result<_, _>>()?;
        Ok(Call { func, args, is_c_like: false, _argv: None })
    }
}

fn no_function(mu: &Mu, name: &str) -> Failure {
    let program = mu.program();
    let names: Vec<&str> = program.funcs.iter().filter_map(|func| program.name_of(func.id)).collect();
    let mut message = format!("there is no function {name}");
    match mu_vm::text::closest(name, names.iter().copied()) {
        Some(close) => message.push_str(&format!("; did you mean --entry {close}?")),
        None if names.is_empty() => message.push_str("; no function is defined at all"),
        None => message.push_str("; name another with --entry"),
    }
    Failure::usage(message)
}

/// The types of argc and argv, if the function is a C-like main.
fn c_like_main(mu: &Mu, func: FuncId) -> Option<(TypeId, TypeId)> {
    let types = &mu.program().types;
    let &[argc, argv] = mu.params(func) else { return None };
    let &[result] = mu.returns(func) else { return None };
    // What a pointer points to: the element, where it is written as an array without length.
    let pointee = |pointer: TypeId| match *types.get(pointer) {
        Type::UPtr(to) => match types.get(to) {
            Type::Hybrid { fixed, var } if fixed.is_empty() => Some(*var),
            _ => Some(to),
        },
        _ => None,
    };
    let character = pointee(pointee(argv)?)?;
    let matches = *types.get(argc) == Type::Int(32)
        && *types.get(character) == Type::Int(8)
        && matches!(types.get(result), Type::Int(32 | 64));
    matches.then_some((argc, argv))
}

fn read_argument(mu: &Mu, ty: TypeId, index: usize, text: &OsStr) -> Result<Value, Failure> {
    let failure = |reason: String| Failure::usage(format!("argument {}: {reason}", index + 1));
    let text = text.to_str().ok_or_else(|| failure("it is not UTF-8".to_owned()))?;
    mu.value_from_text(ty, text).map_err(failure)
}

/// The arguments of a C-like main in memory.
struct Argv {
    /// The texts, each with its NUL.
    _texts: Vec<Vec<u8>>,
    /// Their addresses, and NULL.
    addresses: Vec<u64>,
}

impl Argv {
    fn new<'a>(texts: impl Iterator<Item = &'a OsStr>) -> Argv {
        let mut texts: Vec<Vec<u8>> = texts.map(|text| [text.as_bytes(), b"\0"].concat()).collect();
        // The program may write to all of this, so Rust must not believe that it knows what is there.
        let addresses = texts.iter_mut().map(|text| text.as_mut_ptr().expose_provenance() as u64);
        let addresses = addresses.chain(std::iter::once(0)).collect();
        Argv { _texts: texts, addresses }
    }

    fn address(&mut self) -> u64 {
        self.addresses.as_mut_ptr().expose_provenance() as u64
    }
}
