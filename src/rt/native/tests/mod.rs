//! Native calls against an oracle: Rust's own `extern "C"` functions follow the same ABI.
//!
//! [`check`] takes a function type, `fn(S2<f32, i32>, u128) -> f64`. It makes an `extern "C"` function of this type that
//! remembers the arguments it gets and returns what it is told; builds the signature in Mu types; and calls the one
//! through the other with random values. Then it goes the other way: an `extern "C"` function calls an exposed function of
//! this type, on a segment and as a foreign thread. C structs are [`S1`] to [`S8`], by the number of their fields.

mod callbacks;
mod calls;
mod foreign_threads;
mod machine;
mod random;
mod refused;
mod shapes;
mod vectors;

use super::*;
use crate::layout::Layouts;
use crate::layout::tests::{Random, Types};
use mu_ir::ids::{MuId, SigId, TypeId};
use mu_ir::types::{Signature, Type};
use parking_lot::Mutex;
use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

/// The signature with these types.
fn signature(types: &mut Types, params: &[TypeId], rets: &[TypeId]) -> SigId {
    let sig = SigId::new(types.0.sig_count());
    types.0.append(vec![], vec![(MuId::NONE, Signature { params: params.into(), rets: rets.into() })]);
    sig
}

/// The signature with these types, classified.
fn classified(types: &mut Types, params: &[TypeId], rets: &[TypeId]) -> NativeSig {
    let sig = signature(types, params, rets);
    classify(&types.0, &Layouts::new(), sig).unwrap()
}

fn address_of(function: *const ()) -> u64 {
    function.expose_provenance() as u64
}

thread_local! {
    /// The interface and the segment of this test thread.
    static SEGMENT: RefCell<(NativeInterface, Segment)> = {
        let interface = NativeInterface::new(NativeConfig::default()).unwrap();
        let segment = interface.segment().unwrap();
        RefCell::new((interface, segment))
    };
}

/// Calls a function that does not call back.
fn call(function: u64, sig: &NativeSig, args: &[u64], results: &mut [u64]) {
    SEGMENT.with_borrow_mut(|(_, segment)| {
        assert_eq!(segment.call(function, sig, args, results), Ok(NativeExit::Returned));
    });
}

/// Calls a function whose result is one word.
fn call_word(function: u64, sig: &NativeSig, args: &[u64]) -> u64 {
    let mut result = [0];
    call(function, sig, args, &mut result);
    result[0]
}

/// A type that Rust, C and Mu have.
trait CValue: Copy {
    fn ty(types: &mut Types) -> TypeId;
    /// Appends the words of the Mu value.
    fn put(self, words: &mut Vec<u64>);
    /// Makes a value of such words; excess bits are cut off.
    fn take(words: &mut dyn Iterator<Item = u64>) -> Self;
    /// The results of a signature of a function that returns this.
    fn rets(types: &mut Types) -> Vec<TypeId> {
        vec![Self::ty(types)]
    }
}

impl CValue for () {
    fn ty(types: &mut Types) -> TypeId {
        types.0.intern(Type::Void)
    }
    fn put(self, _: &mut Vec<u64>) {}
    fn take(_: &mut dyn Iterator<Item = u64>) -> Self {}
    fn rets(_: &mut Types) -> Vec<TypeId> {
        vec![]
    }
}

macro_rules! int_values {
    ($($int:ty, $unsigned:ty;)*) => {$(
        impl CValue for $int {
            fn ty(types: &mut Types) -> TypeId {
                types.int(<$int>::BITS)
            }
            fn put(self, words: &mut Vec<u64>) {
                words.push(self as $unsigned as u64);
            }
            fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
                words.next().unwrap() as $int
            }
        }
    )*};
}

int_values! { i8, u8; i16, u16; i32, u32; i64, u64; u8, u8; u16, u16; u32, u32; u64, u64; }

impl CValue for u128 {
    fn ty(types: &mut Types) -> TypeId {
        types.int(128)
    }
    fn put(self, words: &mut Vec<u64>) {
        words.extend([self as u64, (self >> 64) as u64]);
    }
    fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
        let low = words.next().unwrap();
        u128::from(low) | u128::from(words.next().unwrap()) << 64
    }
}

impl CValue for f32 {
    fn ty(types: &mut Types) -> TypeId {
        types.0.intern(Type::Float)
    }
    fn put(self, words: &mut Vec<u64>) {
        words.push(u64::from(self.to_bits()));
    }
    fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
        f32::from_bits(words.next().unwrap() as u32)
    }
}

impl CValue for f64 {
    fn ty(types: &mut Types) -> TypeId {
        types.0.intern(Type::Double)
    }
    fn put(self, words: &mut Vec<u64>) {
        words.push(self.to_bits());
    }
    fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
        f64::from_bits(words.next().unwrap())
    }
}

/// A pointer, kept as a number.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Ptr(*const u8);

impl CValue for Ptr {
    fn ty(types: &mut Types) -> TypeId {
        let void = types.0.intern(Type::Void);
        types.0.intern(Type::UPtr(void))
    }
    fn put(self, words: &mut Vec<u64>) {
        words.push(self.0.addr() as u64);
    }
    fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
        Ptr(std::ptr::without_provenance(words.next().unwrap() as usize))
    }
}

impl<T: CValue, const N: usize> CValue for [T; N] {
    fn ty(types: &mut Types) -> TypeId {
        let elem = T::ty(types);
        types.array(elem, N as u64)
    }
    fn put(self, words: &mut Vec<u64>) {
        self.into_iter().for_each(|elem| elem.put(words));
    }
    fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
        std::array::from_fn(|_| T::take(words))
    }
}

macro_rules! structs {
    ($($name:ident ($($field:ident $at:tt),+);)*) => {$(
        /// A struct of C with so many fields.
        #[derive(Clone, Copy)]
        #[repr(C)]
        struct $name<$($field),+>($($field),+);

        impl<$($field: CValue),+> CValue for $name<$($field),+> {
            fn ty(types: &mut Types) -> TypeId {
                let fields = [$($field::ty(types)),+];
                types.structure(&fields)
            }
            fn put(self, words: &mut Vec<u64>) {
                $(self.$at.put(words);)+
            }
            fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
                $name($($field::take(words)),+)
            }
        }
    )*};
}

structs! {
    S1(A 0);
    S2(A 0, B 1);
    S3(A 0, B 1, C 2);
    S4(A 0, B 1, C 2, D 3);
    S5(A 0, B 1, C 2, D 3, E 4);
    S6(A 0, B 1, C 2, D 3, E 4, F 5);
    S7(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    S8(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
}

thread_local! {
    /// What the function of this thread's check got, and what it is to return.
    static EXCHANGE: RefCell<(Vec<u64>, Vec<u64>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// What a function that calls an exposed one is told, and what it got.
struct Exchange {
    address: u64,
    args: Vec<u64>,
    result: Vec<u64>,
}

/// Answers foreign calls as it is told, and remembers them.
#[derive(Default)]
struct Recorder {
    answer: Mutex<Vec<u64>>,
    calls: Mutex<Vec<Callback>>,
    unexposed: Mutex<Vec<u64>>,
    panics: Mutex<Vec<String>>,
}

impl ForeignCall for Recorder {
    fn call(&self, callback: &Callback, results: &mut [u64]) {
        self.calls.lock().push(callback.clone());
        results.copy_from_slice(&self.answer.lock());
    }
    fn unexposed(&self, address: u64) {
        self.unexposed.lock().push(address);
    }
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        let text = payload.downcast_ref::<&str>().copied().unwrap_or("?");
        self.panics.lock().push(text.to_owned());
    }
}

/// A hook that does this and nothing else.
struct Hook<F>(F);

impl<F: Fn(&Callback, &mut [u64]) + Send + Sync> ForeignCall for Hook<F> {
    fn call(&self, callback: &Callback, results: &mut [u64]) {
        self.0(callback, results);
    }
    fn unexposed(&self, address: u64) {
        unreachable!("nothing at {address:x}");
    }
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        std::panic::resume_unwind(payload);
    }
}

/// A function type that [`check`] can make a function of.
trait Callable {
    /// The address of the function.
    fn address() -> u64;
    /// The address of a function that calls what an [`Exchange`] says.
    fn caller() -> u64;
    /// Types of the parameters, and their sizes according to Rust.
    fn params(types: &mut Types) -> Vec<(TypeId, usize)>;
    /// Types of the results.
    fn rets(types: &mut Types) -> Vec<TypeId>;
    /// Words of random arguments, and of a random result.
    fn values(random: &mut Random) -> (Vec<u64>, Vec<u64>);
}

/// Words of a random value.
fn random_value<T: CValue>(random: &mut Random, words: &mut Vec<u64>) {
    T::take(&mut std::iter::repeat_with(|| random.next())).put(words);
}

macro_rules! callable {
    ($($arg:ident $name:ident)*) => {
        impl<R: CValue, $($arg: CValue),*> Callable for fn($($arg),*) -> R {
            fn address() -> u64 {
                #[allow(clippy::too_many_arguments, reason = "that is the test")]
                extern "C" fn callee<R: CValue, $($arg: CValue),*>($($name: $arg),*) -> R {
                    EXCHANGE.with_borrow_mut(|(_received, result)| {
                        $($name.put(_received);)*
                        R::take(&mut result.iter().copied())
                    })
                }
                address_of(callee::<R, $($arg),*> as *const ())
            }
            fn caller() -> u64 {
                extern "C" fn caller<R: CValue, $($arg: CValue),*>(exchange: &mut Exchange) {
                    let mut _args = exchange.args.iter().copied();
                    // SAFETY: the test has exposed a function of this type there.
                    let exposed: extern "C" fn($($arg),*) -> R = unsafe {
                        std::mem::transmute(std::ptr::with_exposed_provenance::<()>(exchange.address as usize))
                    };
                    exposed($($arg::take(&mut _args)),*).put(&mut exchange.result);
                }
                address_of(caller::<R, $($arg),*> as *const ())
            }
            fn params(_types: &mut Types) -> Vec<(TypeId, usize)> {
                vec![$(($arg::ty(_types), size_of::<$arg>())),*]
            }
            fn rets(types: &mut Types) -> Vec<TypeId> {
                R::rets(types)
            }
            fn values(random: &mut Random) -> (Vec<u64>, Vec<u64>) {
                let (mut _args, mut result) = (Vec::new(), Vec::new());
                $(random_value::<$arg>(random, &mut _args);)*
                random_value::<R>(random, &mut result);
                (_args, result)
            }
        }
    };
}

callable! {}
callable! { A a }
callable! { A a B b }
callable! { A a B b C c }
callable! { A a B b C c D d }
callable! { A a B b C c D d E e }
callable! { A a B b C c D d E e F f }
callable! { A a B b C c D d E e F f G g }
callable! { A a B b C c D d E e F f G g H h }
callable! { A a B b C c D d E e F f G g H h I i }
callable! { A a B b C c D d E e F f G g H h I i J j }
callable! { A a B b C c D d E e F f G g H h I i J j K k }
callable! { A a B b C c D d E e F f G g H h I i J j K k L l }

/// What [`check`] needs of a function type. Not generic, so that each type adds little code.
struct Case {
    name: &'static str,
    params: Vec<(TypeId, usize)>,
    rets: Vec<TypeId>,
    function: u64,
    caller: u64,
    values: fn(&mut Random) -> (Vec<u64>, Vec<u64>),
}

/// Calls a function of this type with random values and compares what arrives on both sides, in both directions.
fn check<F: Callable>() {
    let mut types = Types::new();
    let case = Case {
        name: std::any::type_name::<F>(),
        params: F::params(&mut types),
        rets: F::rets(&mut types),
        function: F::address(),
        caller: F::caller(),
        values: F::values,
    };
    let layouts = Layouts::new();
    let params: Vec<TypeId> = case.params.iter().map(|(ty, _)| *ty).collect();
    let sig = signature(&mut types, &params, &case.rets);
    let native = classify(&types.0, &layouts, sig).unwrap_or_else(|reason| panic!("{}: {reason}", case.name));
    for &(ty, size) in &case.params {
        assert_eq!(layouts.of(&types.0, ty).size_bytes, size as u64, "{}", case.name);
    }
    check_calls(&case, &native);
    let pointer = Ptr::ty(&mut types);
    let caller_sig = classified(&mut types, &[pointer], &[]);
    check_callbacks(&case, sig, Arc::new(native), &caller_sig);
}

/// Calls the function of C.
fn check_calls(case: &Case, native: &NativeSig) {
    let name = case.name;
    let mut random = Random::new(name.len() as u64);
    for _ in 0..4 {
        let (args, result) = (case.values)(&mut random);
        EXCHANGE.set((Vec::new(), result.clone()));
        let mut got = vec![0x5555_5555_5555_5555; result.len()];
        call(case.function, native, &args, &mut got);
        assert_eq!(EXCHANGE.take().0, args, "arguments of {name}, {native:?}");
        assert_eq!(got, result, "result of {name}, {native:?}");
    }
}

/// Lets a function of C call an exposed function of this type.
fn check_callbacks(case: &Case, sig: SigId, native: Arc<NativeSig>, caller_sig: &NativeSig) {
    let name = case.name;
    let interface = NativeInterface::new(NativeConfig::default()).unwrap();
    let mut segment = interface.segment().unwrap();
    let address = interface.expose(7, sig, &native, 8).unwrap();
    let recorder = Arc::new(Recorder::default());
    interface.set_foreign_call(Some(recorder.clone()));
    let mut random = Random::new(name.len() as u64);
    for _ in 0..3 {
        let (args, result) = (case.values)(&mut random);
        let expected =
            Callback { address, function: 7, sig, cookie: 8, args: args.iter().copied().collect() };
        let mut exchange = Exchange { address, args, result: Vec::new() };
        let exchange_at = (&raw mut exchange).expose_provenance() as u64;
        let exit = segment.call(case.caller, caller_sig, &[exchange_at], &mut []).unwrap();
        assert_eq!(exit, NativeExit::CalledBack(expected.clone()), "callback of {name}, {native:?}");
        assert_eq!(segment.finish_callback(&result, caller_sig, &mut []), NativeExit::Returned);
        assert_eq!(exchange.result, result, "result of a callback of {name}, {native:?}");

        exchange.result.clear();
        recorder.answer.lock().clone_from(&result);
        // SAFETY: `caller` takes this.
        let caller: extern "C" fn(&mut Exchange) =
            unsafe { std::mem::transmute(std::ptr::with_exposed_provenance::<()>(case.caller as usize)) };
        caller(&mut exchange);
        assert_eq!(recorder.calls.lock().pop(), Some(expected), "foreign call of {name}, {native:?}");
        assert_eq!(exchange.result, result, "result of a foreign call of {name}, {native:?}");
    }
}
