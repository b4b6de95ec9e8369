//! C calls back into Mu.

use super::*;

/// An interface, and the signatures `(int<64>…) -> (int<64>)` of up to four parameters.
struct World {
    interface: NativeInterface,
    sigs: Vec<(SigId, Arc<NativeSig>)>,
}

impl World {
    fn new(config: NativeConfig) -> World {
        let mut types = Types::new();
        let int = types.int(64);
        let layouts = Layouts::new();
        let sigs = (0..5).map(|count| signature(&mut types, &vec![int; count], &[int])).collect::<Vec<_>>();
        let sigs =
            sigs.into_iter().map(|sig| (sig, Arc::new(classify(&types.0, &layouts, sig).unwrap()))).collect();
        World { interface: NativeInterface::new(config).unwrap(), sigs }
    }

    fn expose(&self, function: u64, params: usize, cookie: u64) -> u64 {
        let (sig, native) = &self.sigs[params];
        self.interface.expose(function, *sig, native, cookie).unwrap()
    }

    fn sig(&self, params: usize) -> &NativeSig {
        &self.sigs[params].1
    }
}

/// The callback that C waits for.
fn callback(exit: NativeExit) -> Callback {
    match exit {
        NativeExit::CalledBack(callback) => callback,
        other => panic!("{other:?}"),
    }
}

/// A function of C that calls another: `f(n) + 1`.
extern "C" fn one_more(n: u64, f: extern "C" fn(u64) -> u64) -> u64 {
    f(n) + 1
}

fn one_more_at() -> u64 {
    address_of(one_more as *const ())
}

#[test]
fn qsort_compares_with_an_exposed_function() {
    let world = World::new(NativeConfig::default());
    let qsort = Symbols::new::<&str>(&[]).unwrap().lookup("qsort").unwrap();
    let mut types = Types::new();
    let (int, long) = (types.int(32), types.int(64));
    let compare = signature(&mut types, &[long, long], &[int]);
    let compare_sig = Arc::new(classify(&types.0, &Layouts::new(), compare).unwrap());
    let qsort_sig = classified(&mut types, &[long, long, long, long], &[]);
    let stub = world.interface.expose(1, compare, &compare_sig, 2).unwrap();
    let mut segment = world.interface.segment().unwrap();
    let mut random = Random::new(1);
    let mut numbers: Vec<u64> = (0..1000).map(|_| random.below(500)).collect();
    let mut expected = numbers.clone();
    expected.sort_unstable();
    let base = numbers.as_mut_ptr().expose_provenance() as u64;
    let mut exit = segment.call(qsort, &qsort_sig, &[base, 1000, 8, stub], &mut []).unwrap();
    let mut calls = 0;
    while exit != NativeExit::Returned {
        let Callback { address, function, sig, cookie, args } = callback(exit);
        assert_eq!((address, function, sig, cookie), (stub, 1, compare, 2));
        // SAFETY: qsort passes addresses of elements.
        let [a, b] = [args[0], args[1]]
            .map(|at| unsafe { std::ptr::with_exposed_provenance::<u64>(at as usize).read() });
        let order = a.cmp(&b) as i32;
        exit = segment.finish_callback(&[u64::from(order as u32)], &qsort_sig, &mut []);
        calls += 1;
    }
    assert!(calls > 1000);
    assert_eq!(numbers, expected);
}

/// C → Mu → C → Mu …: every callback calls C again, on the same segment, below the calls that wait.
#[test]
fn a_thousand_nested_calls() {
    let world = World::new(NativeConfig::default());
    let stub = world.expose(1, 1, 0);
    let mut segment = world.interface.segment().unwrap();
    let depth = 1000;
    for n in (0..depth).rev() {
        let exit = segment.call(one_more_at(), world.sig(2), &[n, stub], &mut [0]).unwrap();
        assert_eq!(callback(exit).args[0], n);
    }
    assert_eq!(segment.suspended(), depth as usize);
    let mut result = [0];
    for n in 0..depth {
        let exit = segment.finish_callback(&[n], world.sig(2), &mut result);
        assert_eq!((exit, result), (NativeExit::Returned, [n + 1]));
    }
    assert_eq!(segment.suspended(), 0);
    // Now empty, it can do it again.
    let exit = segment.call(one_more_at(), world.sig(2), &[5, stub], &mut [0]).unwrap();
    assert_eq!(callback(exit).args[0], 5);
}

#[test]
fn too_many_nested_calls_are_an_error_that_leaves_all_as_it_was() {
    let config = NativeConfig { segment_bytes: 1 << 16, room_bytes: 16 << 10, ..NativeConfig::default() };
    let world = World::new(config);
    let stub = world.expose(1, 1, 0);
    let mut segment = world.interface.segment().unwrap();
    let error = loop {
        match segment.call(one_more_at(), world.sig(2), &[1, stub], &mut [0]) {
            Ok(exit) => drop(callback(exit)),
            Err(error) => break error,
        }
    };
    let depth = segment.suspended();
    assert!(depth > 10, "{depth}");
    assert_eq!(error, NativeStackFull { suspended: depth });
    assert!(error.to_string().contains(&depth.to_string()));
    let mut result = [0];
    for _ in 0..depth {
        let exit = segment.finish_callback(&[41], world.sig(2), &mut result);
        assert_eq!((exit, result), (NativeExit::Returned, [42]));
    }
}

/// Arguments and results count, too.
#[test]
fn large_values_that_do_not_fit_are_an_error() {
    let config = NativeConfig { segment_bytes: 1 << 16, ..NativeConfig::default() };
    let interface = NativeInterface::new(config).unwrap();
    assert_eq!(interface.config().room_bytes, 1 << 15);
    let mut segment = interface.segment().unwrap();
    let mut types = Types::new();
    let int = types.int(64);
    let large = types.array(int, 5_000);
    let large = types.structure(&[large]);
    for (params, rets) in [(vec![], vec![large]), (vec![large], vec![])] {
        let native = classified(&mut types, &params, &rets);
        let args = vec![0; native.arg_words as usize];
        let mut results = vec![0; native.result.words as usize];
        let error = segment.call(one_more_at(), &native, &args, &mut results);
        assert_eq!(error, Err(NativeStackFull { suspended: 0 }));
    }
}

/// Calls of several segments end in any order.
#[test]
fn suspended_segments_go_on_in_any_order() {
    let world = World::new(NativeConfig::default());
    let stub = world.expose(1, 1, 0);
    let mut segments: Vec<Segment> = (0..5).map(|_| world.interface.segment().unwrap()).collect();
    for (n, segment) in (0..).zip(&mut segments) {
        for level in 0..3 {
            let exit = segment.call(one_more_at(), world.sig(2), &[n * 10 + level, stub], &mut [0]).unwrap();
            assert_eq!(callback(exit).args[0], n * 10 + level);
        }
    }
    for index in [1, 4, 0, 3, 2, 2, 0, 4, 1, 3, 0, 1, 2, 3, 4] {
        let mut result = [0];
        let exit = segments[index].finish_callback(&[index as u64], world.sig(2), &mut result);
        assert_eq!((exit, result), (NativeExit::Returned, [index as u64 + 1]));
    }
    assert!(segments.iter().all(|segment| segment.suspended() == 0));
}

/// A suspended call goes on on other OS threads, again and again.
#[test]
fn a_suspended_call_moves_between_threads() {
    extern "C" fn sum(count: u64, f: extern "C" fn(u64) -> u64) -> u64 {
        (0..count).fold(0, |sum, n| sum * 3 + f(n))
    }
    let world = World::new(NativeConfig::default());
    let stub = world.expose(1, 1, 0);
    let mut segment = world.interface.segment().unwrap();
    let mut exit = segment.call(address_of(sum as *const ()), world.sig(2), &[20, stub], &mut [0]).unwrap();
    let mut result = [0];
    for n in 0..20 {
        (segment, exit, result) = std::thread::scope(|scope| {
            let world = &world;
            let thread = scope.spawn(move || {
                assert_eq!(callback(exit).args[0], n);
                let mut result = [0];
                let exit = segment.finish_callback(&[n * n], world.sig(2), &mut result);
                (segment, exit, result)
            });
            thread.join().unwrap()
        });
    }
    let expected = (0..20).fold(0u64, |sum, n| sum * 3 + n * n);
    assert_eq!((exit, result, segment.suspended()), (NativeExit::Returned, [expected], 0));
}

#[test]
fn exposing_finding_and_removing() {
    let world = World::new(NativeConfig::default());
    let first = world.expose(10, 1, u64::MAX);
    let found = ExposedFunction { function: 10, sig: world.sigs[1].0, cookie: u64::MAX };
    assert_eq!(world.interface.exposed(first), Some(found));
    for nothing in [0, first - 1, first + 1, first + 16, first + 4096, u64::MAX] {
        assert_eq!(world.interface.exposed(nothing), None);
        assert!(!world.interface.unexpose(nothing));
    }
    let many: Vec<u64> = (0..2000).map(|n| world.expose(n, 1, n)).collect();
    assert_eq!(world.interface.exposed_count(), 2001);
    for (n, &address) in (0..).zip(&many) {
        let exposed = world.interface.exposed(address).unwrap();
        assert_eq!((exposed.function, exposed.cookie), (n, n));
    }
    assert!(world.interface.unexpose(first));
    assert!(!world.interface.unexpose(first));
    assert_eq!(world.interface.exposed(first), None);
    assert!(many.iter().all(|&address| world.interface.unexpose(address)));
    assert_eq!(world.interface.exposed_count(), 0);
    // Places are used again in the order in which they became free, after those never used.
    let again: Vec<u64> = (0..2001).map(|n| world.expose(n, 1, n)).collect();
    let reused = again.iter().position(|address| *address == first).unwrap();
    assert!(reused < 256, "{reused}");
    assert_eq!(again[reused + 1..], many[..2000 - reused]);
}

/// A stale function pointer is recognised, on a segment.
#[test]
fn calling_what_is_not_exposed_any_more() {
    let world = World::new(NativeConfig::default());
    let stub = world.expose(1, 1, 0);
    let mut segment = world.interface.segment().unwrap();
    // A callback may remove itself; it ends as usual.
    let exit = segment.call(one_more_at(), world.sig(2), &[3, stub], &mut [0]).unwrap();
    assert_eq!(callback(exit).args[0], 3);
    assert!(world.interface.unexpose(stub));
    let mut result = [0];
    let exit = segment.finish_callback(&[9], world.sig(2), &mut result);
    assert_eq!((exit, result), (NativeExit::Returned, [10]));
    let exit = segment.call(one_more_at(), world.sig(2), &[3, stub], &mut result);
    assert_eq!(exit, Ok(NativeExit::CalledUnexposed(stub)));
    assert_eq!(segment.suspended(), 1);
    assert_eq!(segment.finish_callback(&[], world.sig(2), &mut result), NativeExit::Returned);
}

/// Segments come back to the pool, with or without suspended calls.
#[test]
fn segments_are_pooled_and_limited() {
    let world = World::new(NativeConfig { segments_max: 3, ..NativeConfig::default() });
    let stub = world.expose(1, 1, 0);
    for round in 0..100 {
        let mut segments: Vec<Segment> = (0..3).map(|_| world.interface.segment().unwrap()).collect();
        let error = world.interface.segment().unwrap_err();
        assert_eq!(error, SegmentError::AllInUse(3));
        assert_eq!(error.to_string(), "all 3 native segments are in use");
        for segment in &mut segments {
            let exit = segment.call(one_more_at(), world.sig(2), &[round, stub], &mut [0]).unwrap();
            assert_eq!(callback(exit).args[0], round);
            assert_eq!(segment.suspended(), 1);
        }
    }
}

/// Instances know their own segments: calling a function of one from a segment of the other is a foreign call.
#[test]
fn instances_side_by_side() {
    let worlds: Vec<World> = (0..20).map(|_| World::new(NativeConfig::default())).collect();
    let recorders: Vec<Arc<Recorder>> = worlds.iter().map(|_| Arc::default()).collect();
    for (world, recorder) in worlds.iter().zip(&recorders) {
        recorder.answer.lock().push(100);
        world.interface.set_foreign_call(Some(recorder.clone()));
    }
    let stubs: Vec<u64> = worlds.iter().map(|world| world.expose(1, 1, 0)).collect();
    for (n, world) in worlds.iter().enumerate() {
        let mut segment = world.interface.segment().unwrap();
        assert!(segment.is_of(&world.interface) && !segment.is_of(&worlds[(n + 1) % 20].interface));
        for (m, &stub) in stubs.iter().enumerate() {
            let mut result = [0];
            let exit = segment.call(one_more_at(), world.sig(2), &[m as u64, stub], &mut result).unwrap();
            if n == m {
                assert_eq!(callback(exit).address, stub);
                assert_eq!(segment.finish_callback(&[6], world.sig(2), &mut result), NativeExit::Returned);
                assert_eq!(result, [7]);
            } else {
                assert_eq!((exit, result), (NativeExit::Returned, [101]));
                assert_eq!(recorders[m].calls.lock().pop().map(|call| call.args[0]), Some(m as u64));
            }
        }
    }
}

/// A result in memory is written to the byte, and its address is what C gets in rax.
#[test]
fn results_in_memory_have_their_size() {
    extern "C" fn with_buffer(buffer: *mut u8, f: extern "C" fn(*mut u8) -> *mut u8) -> *mut u8 {
        f(buffer)
    }
    let world = World::new(NativeConfig::default());
    let mut types = Types::new();
    let byte = types.int(8);
    let bytes = types.array(byte, 17);
    let odd = types.structure(&[bytes]);
    let sig = signature(&mut types, &[], &[odd]);
    let native = Arc::new(classify(&types.0, &Layouts::new(), sig).unwrap());
    let interface = NativeInterface::new(NativeConfig::default()).unwrap();
    let stub = interface.expose(1, sig, &native, 0).unwrap();
    let mut segment = interface.segment().unwrap();
    let mut buffer = [0xee_u8; 32];
    let inside = (&raw mut buffer).expose_provenance() as u64 + 3;
    let function = address_of(with_buffer as *const ());
    let mut result = [0];
    let exit = segment.call(function, world.sig(2), &[inside, stub], &mut result).unwrap();
    assert!(callback(exit).args.is_empty());
    let words: Vec<u64> = (0..17).collect();
    assert_eq!(segment.finish_callback(&words, world.sig(2), &mut result), NativeExit::Returned);
    assert_eq!(result, [inside]);
    let expected: Vec<u8> = [vec![0xee; 3], (0..17).collect(), vec![0xee; 12]].concat();
    assert_eq!(buffer[..], expected);
}

/// `char` and `short` as results of callbacks are extended as C expects of its functions.
#[test]
fn narrow_results_of_callbacks() {
    extern "C" fn all_bits(f: extern "C" fn() -> u64) -> u64 {
        f()
    }
    let world = World::new(NativeConfig::default());
    let mut types = Types::new();
    for (width, word, expected) in [(8, 0x80, 0xffff_ff80), (16, 0x8001, 0xffff_8001), (1, 1, 1), (5, 31, 31)]
    {
        let int = types.int(width);
        let sig = signature(&mut types, &[], &[int]);
        let native = Arc::new(classify(&types.0, &Layouts::new(), sig).unwrap());
        let interface = NativeInterface::new(NativeConfig::default()).unwrap();
        let stub = interface.expose(1, sig, &native, 0).unwrap();
        let mut segment = interface.segment().unwrap();
        let mut result = [0];
        let exit =
            segment.call(address_of(all_bits as *const ()), world.sig(1), &[stub], &mut result).unwrap();
        assert!(callback(exit).args.is_empty());
        assert_eq!(segment.finish_callback(&[word], world.sig(1), &mut result), NativeExit::Returned);
        assert_eq!(result, [expected]);
    }
}
