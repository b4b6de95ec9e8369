//! Exposed functions called by threads that are in no native call of the instance.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// Adds the argument and the cookie; panics at 13.
#[derive(Default)]
struct Adder {
    calls: AtomicU64,
    recorder: Recorder,
}

impl ForeignCall for Adder {
    fn call(&self, callback: &Callback, results: &mut [u64]) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        results[0] = callback.args[0] + callback.cookie;
        assert_ne!(callback.args[0], 13);
    }
    fn unexposed(&self, address: u64) {
        self.recorder.unexposed(address);
    }
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        let text = payload.downcast_ref::<String>().cloned().unwrap_or_default();
        self.recorder.panics.lock().push(text);
    }
}

fn exposed_adder(cookie: u64) -> (NativeInterface, Arc<Adder>, u64) {
    let mut types = Types::new();
    let int = types.int(64);
    let sig = signature(&mut types, &[int], &[int]);
    let native = Arc::new(classify(&types.0, &Layouts::new(), sig).unwrap());
    let interface = NativeInterface::new(NativeConfig::default()).unwrap();
    let adder = Arc::new(Adder::default());
    interface.set_foreign_call(Some(adder.clone()));
    let stub = interface.expose(1, sig, &native, cookie).unwrap();
    (interface, adder, stub)
}

fn function(stub: u64) -> extern "C" fn(u64) -> u64 {
    // SAFETY: the signature of the exposed function.
    unsafe { std::mem::transmute(std::ptr::with_exposed_provenance::<()>(stub as usize)) }
}

/// Foreign threads call while others run segments of the same instance.
#[test]
fn foreign_threads_and_segments_at_once() {
    let (interface, adder, stub) = exposed_adder(1000);
    let mut types = Types::new();
    let int = types.int(64);
    let sig = classified(&mut types, &[int, int], &[int]);
    extern "C" fn twice(n: u64, f: extern "C" fn(u64) -> u64) -> u64 {
        f(n) + f(n + 1)
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let f = function(stub);
                for n in 100..2100 {
                    assert_eq!(f(n), n + 1000);
                }
            });
            scope.spawn(|| {
                let mut segment = interface.segment().unwrap();
                let function = address_of(twice as *const ());
                for n in 100..2100 {
                    let mut result = [0];
                    let mut exit = segment.call(function, &sig, &[n, stub], &mut result).unwrap();
                    for expected in [n, n + 1] {
                        assert!(matches!(exit, NativeExit::CalledBack(it) if it.args[0] == expected));
                        exit = segment.finish_callback(&[expected * 2], &sig, &mut result);
                    }
                    assert_eq!((exit, result), (NativeExit::Returned, [4 * n + 2]));
                }
            });
        }
    });
    assert_eq!(adder.calls.load(Ordering::Relaxed), 6000);
}

/// A thread that C makes runs an exposed function.
#[test]
fn a_thread_made_by_c() {
    extern "C" fn run_thread(start: u64) -> u64 {
        // SAFETY: the start routine takes a word and returns one.
        unsafe {
            let mut thread = std::mem::zeroed();
            let start = std::mem::transmute::<*const (), extern "C" fn(*mut libc::c_void) -> *mut libc::c_void>(
                std::ptr::with_exposed_provenance(start as usize),
            );
            let argument = std::ptr::without_provenance_mut(40);
            assert_eq!(libc::pthread_create(&raw mut thread, std::ptr::null(), start, argument), 0);
            let mut result = std::ptr::null_mut();
            assert_eq!(libc::pthread_join(thread, &raw mut result), 0);
            result.addr() as u64
        }
    }
    let (interface, adder, stub) = exposed_adder(2);
    let mut types = Types::new();
    let int = types.int(64);
    let sig = classified(&mut types, &[int], &[int]);
    let mut result = [0];
    let mut segment = interface.segment().unwrap();
    let exit = segment.call(address_of(run_thread as *const ()), &sig, &[stub], &mut result);
    assert_eq!((exit, result), (Ok(NativeExit::Returned), [42]));
    assert_eq!(adder.calls.load(Ordering::Relaxed), 1);
}

/// A panic of the hook does not reach C.
#[test]
fn a_panic_of_the_hook_is_caught() {
    let (_interface, adder, stub) = exposed_adder(5);
    assert_eq!(function(stub)(13), 0);
    assert_eq!(function(stub)(14), 19);
    let panics = adder.recorder.panics.lock();
    assert!(panics.len() == 1 && panics[0].contains("left != right"), "{panics:?}");
}

#[test]
fn stale_functions_and_no_hook() {
    let (interface, adder, stub) = exposed_adder(5);
    assert!(interface.unexpose(stub));
    function(stub)(1);
    assert_eq!(*adder.recorder.unexposed.lock(), [stub]);
    let (interface, adder, stub) = exposed_adder(5);
    interface.set_foreign_call(None);
    assert_eq!(function(stub)(1), 0);
    assert_eq!(adder.calls.load(Ordering::Relaxed), 0);
}

/// Within a call of the hook, C may call again.
#[test]
fn foreign_calls_nest() {
    let (interface, _, stub) = exposed_adder(0);
    interface.set_foreign_call(Some(Arc::new(Hook(move |callback: &Callback, results: &mut [u64]| {
        results[0] = match callback.args[0] {
            0 => 0,
            n => function(stub)(n - 1) + n,
        };
    }))));
    assert_eq!(function(stub)(100), 5050);
}

/// Threads expose, call and remove functions of their own, in the same few places.
#[test]
fn exposing_by_many_threads_at_once() {
    let (interface, _adder, _) = exposed_adder(0);
    let mut types = Types::new();
    let int = types.int(64);
    let sig = signature(&mut types, &[int], &[int]);
    let native = Arc::new(classify(&types.0, &Layouts::new(), sig).unwrap());
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let (interface, native) = (&interface, &native);
            scope.spawn(move || {
                for n in 0..2000 {
                    let cookie = thread << 32 | n;
                    let stub = interface.expose(thread, sig, native, cookie).unwrap();
                    assert_eq!(function(stub)(1000), cookie + 1000);
                    assert_eq!(interface.exposed(stub).map(|it| it.function), Some(thread));
                    assert!(interface.unexpose(stub));
                }
            });
        }
    });
    assert_eq!(interface.exposed_count(), 1);
}
