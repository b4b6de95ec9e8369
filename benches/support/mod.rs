//! What several benches need.

use mu_vm::ir::ids::FuncId;
use mu_vm::{Mu, Options, Value};

/// An instance that has loaded a program.
pub fn instance(program: &str, options: Options) -> Mu {
    let mut mu = Mu::new(options).expect("an instance");
    mu.load_bundle("bench.uir", program).unwrap_or_else(|error| panic!("{error}"));
    mu
}

/// An argument for the first parameter of a function, an integer.
pub fn int_argument(mu: &Mu, func: FuncId, value: u128) -> Value {
    mu.value_from_int(mu.params(func)[0], value).expect("the parameter is an int")
}
