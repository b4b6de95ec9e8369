//! Native code for tests, in Rust: functions that block and call back, and a way to call exposed functions as a thread does
//! that is not Mu's.

use mu_vm::ir::ids::{MuId, SigId, TypeId};
use mu_vm::ir::types::{Signature, Type, TypeStore};
use mu_vm::rt::layout::Layouts;
use mu_vm::rt::native::{NativeConfig, NativeExit, NativeInterface, classify};
use mu_vm::rt::runtime::Config;
use mu_vm::{Mu, Options, Outcome, Value};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where native code of a test waits until it is let through.
#[derive(Default)]
pub struct Gate {
    /// How many have come to the gate, and whether it is open.
    state: Mutex<(usize, bool)>,
    bell: Condvar,
}

/// All gates, by the number that native code is given.
static GATES: Mutex<Vec<Arc<Gate>>> = Mutex::new(Vec::new());

impl Gate {
    /// A new gate, closed, and its number.
    pub fn new() -> (Arc<Gate>, u64) {
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        gates.push(Arc::default());
        (Arc::clone(&gates[gates.len() - 1]), gates.len() as u64 - 1)
    }

    /// Waits until so many have come to the gate.
    pub fn wait_for(&self, count: usize) {
        let state = self.state.lock().unwrap();
        let waited = self.bell.wait_timeout_while(state, PATIENCE, |state| state.0 < count).unwrap();
        assert!(!waited.1.timed_out(), "nobody came to the gate");
    }

    /// Opens it.
    pub fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.bell.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.bell.notify_all();
        drop(self.bell.wait_while(state, |state| !state.1).unwrap());
    }
}

/// The gate of a number.
pub fn gate(number: u64) -> Arc<Gate> {
    Arc::clone(&GATES.lock().unwrap_or_else(PoisonError::into_inner)[number as usize])
}

type Callee = extern "C" fn(i64) -> i64;

/// Waits at a gate, then calls the function with 7 unless it is NULL; what that gave.
extern "C" fn waits(gate: u64, callee: Option<Callee>) -> i64 {
    self::gate(gate).pass();
    callee.map_or(0, |callee| callee(7))
}

/// Waits until somebody has come to a gate; 0.
extern "C" fn awaits(gate: u64, _callee: Option<Callee>) -> i64 {
    self::gate(gate).wait_for(1);
    0
}

/// The address of [`waits`].
pub fn address_of_waits() -> u64 {
    waits as *const () as u64
}

/// The address of [`awaits`].
pub fn address_of_awaits() -> u64 {
    awaits as *const () as u64
}

/// Calls native code at an address, `(int<64>) -> (int<64>)`, on a stack that belongs to no instance.
pub fn call_native(address: u64, argument: u64) -> u64 {
    let mut types = TypeStore::default();
    let sig = Signature { params: [TypeId(0)].into(), rets: [TypeId(0)].into() };
    types.append(vec![(MuId::NONE, Type::Int(64))], vec![(MuId::NONE, sig)]);
    let sig = classify(&types, &Layouts::new(), SigId(0)).unwrap();
    let config = NativeConfig { segment_bytes: 8 << 20, segments_max: 1, ..NativeConfig::default() };
    let mut segment = NativeInterface::new(config).unwrap().segment().unwrap();
    let mut result = [0];
    assert_eq!(segment.call(address, &sig, &[argument], &mut result), Ok(NativeExit::Returned));
    result[0]
}

/// An instance with the functions of `native.uir`.
pub fn instance(os_threads: bool) -> Mu {
    let config = Config { os_threads, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("native.uir", include_str!("native.uir")).unwrap();
    mu
}

/// Calls a function whose parameters are integers or pointers.
pub fn call(mu: &mut Mu, name: &str, args: &[u64]) -> Outcome {
    let func = mu.func(name).unwrap();
    let types = mu.params(func).to_vec();
    let args: Vec<Value> =
        types.iter().zip(args).map(|(&ty, &word)| mu.value_from_int(ty, word.into()).unwrap()).collect();
    mu.call(func, args)
}

/// The same; the number it returns.
pub fn number(mu: &mut Mu, name: &str, args: &[u64]) -> u64 {
    match call(mu, name, args) {
        Outcome::Return(values) => values[0].as_u64(),
        other => panic!("{name}: {other:?}"),
    }
}

/// Exposes a function.
pub fn exposed(mu: &mut Mu, name: &str, cookie: u64) -> u64 {
    let func = mu.func(name).unwrap();
    mu.expose(func, cookie).unwrap()
}
