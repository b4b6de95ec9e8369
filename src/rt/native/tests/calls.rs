//! Scalars, variadic functions, the stack, and symbols.

use super::*;

#[allow(clippy::too_many_arguments, reason = "that is the test")]
extern "C" fn mixed(
    i0: i64,
    d0: f64,
    i1: i64,
    d1: f64,
    i2: i64,
    d2: f64,
    i3: i64,
    d3: f64,
    i4: i64,
    d4: f64,
    i5: i64,
    d5: f64,
    i6: i64,
    d6: f64,
    i7: i64,
    d7: f64,
    i8: i64,
    d8: f64,
    i9: i64,
    d9: f64,
) -> f64 {
    let ints = [i0, i1, i2, i3, i4, i5, i6, i7, i8, i9];
    let doubles = [d0, d1, d2, d3, d4, d5, d6, d7, d8, d9];
    ints.iter().zip(doubles).enumerate().map(|(n, (&i, d))| (n as f64 + 1.0) * (i as f64) + d * 1000.0).sum()
}

#[test]
fn ten_integers_and_ten_doubles_find_their_places() {
    let mut types = Types::new();
    let (int, double) = (types.int(64), types.0.intern(Type::Double));
    let params: Vec<_> = (0..20).map(|n| if n % 2 == 0 { int } else { double }).collect();
    let native = classified(&mut types, &params, &[double]);
    assert_eq!((native.stack_bytes, native.vector_registers), (48, 8));
    let mut random = Random::new(3);
    for _ in 0..1000 {
        let ints: [i64; 10] = std::array::from_fn(|_| random.below(2000) as i64 - 1000);
        let doubles: [f64; 10] = std::array::from_fn(|_| random.below(100) as f64 - 50.0);
        let args: Vec<u64> = ints.iter().zip(doubles).flat_map(|(&i, d)| [i as u64, d.to_bits()]).collect();
        let expected: f64 = ints
            .iter()
            .zip(doubles)
            .enumerate()
            .map(|(n, (&i, d))| (n as f64 + 1.0) * (i as f64) + d * 1000.0)
            .sum();
        assert_eq!(f64::from_bits(call_word(address_of(mixed as *const ()), &native, &args)), expected);
    }
}

/// Says on which address its frame was aligned, with an odd number of stack arguments.
#[allow(clippy::too_many_arguments, reason = "that is the test")]
extern "C" fn aligned(_: i8, _: i8, _: i8, _: i8, _: i8, _: i8, seventh: i8, eighth: i16, ninth: f32) -> i32 {
    #[repr(align(16))]
    struct Aligned(#[allow(dead_code, reason = "its place matters")] [u64; 4]);
    let place = Aligned([0; 4]);
    let misaligned = (std::hint::black_box(&raw const place) as usize % 16) as i32;
    i32::from(seventh) * 1000 + i32::from(eighth) + (ninth * 2.0) as i32 + misaligned
}

#[test]
fn narrow_arguments_and_results() {
    let mut types = Types::new();
    let (i1, i8, i16, i32) = (types.int(1), types.int(8), types.int(16), types.int(32));
    let float = types.0.intern(Type::Float);
    let native = classified(&mut types, &[i8, i8, i8, i8, i8, i8, i8, i16, float], &[i32]);
    assert_eq!(native.stack_bytes, 16);
    let args = [0, 0, 0, 0, 0, 0, 0xfd, 0xffff, u64::from(4.5f32.to_bits())];
    assert_eq!(call_word(address_of(aligned as *const ()), &native, &args), (-3000 - 1 + 9i32) as u32 as u64);

    extern "C" fn noise() -> u64 {
        0xabcd_ef01_2345_67ff
    }
    for (ty, expected) in [(i1, 1), (i8, 0xff), (i16, 0x67ff), (i32, 0x2345_67ff)] {
        let native = classified(&mut types, &[], &[ty]);
        assert_eq!(call_word(address_of(noise as *const ()), &native, &[]), expected);
    }
    extern "C" fn half(x: f32) -> f32 {
        x / 2.0
    }
    let native = classified(&mut types, &[float], &[float]);
    let result = call_word(address_of(half as *const ()), &native, &[u64::from(3f32.to_bits())]);
    assert_eq!(result, u64::from(1.5f32.to_bits()));
    extern "C" fn nothing() {}
    call(address_of(nothing as *const ()), &classified(&mut types, &[], &[]), &[], &mut []);
}

/// Odd widths travel as their storage, and come back without what lies above them. `char` and `short` are extended.
#[test]
fn odd_widths_and_extension() {
    extern "C" fn all_bits(a: u64, b: u64, c: u64, d: u64, e: u64) -> u64 {
        assert_eq!([a, b, c, d, e], [1, 0x1f, (1 << 52) - 1, 0xffff_ff80, 0xffff_8000]);
        u64::MAX
    }
    let mut types = Types::new();
    let [i1, i5, i8, i16, i52] = [1, 5, 8, 16, 52].map(|width| types.int(width));
    for (ty, width) in [(i1, 1), (i5, 5), (i52, 52)] {
        let native = classified(&mut types, &[i1, i5, i52, i8, i16], &[ty]);
        let args = [1, 0x1f, (1 << 52) - 1, 0x80, 0x8000];
        assert_eq!(call_word(address_of(all_bits as *const ()), &native, &args), (1 << width) - 1);
    }
}

#[test]
fn variadic_functions_see_their_doubles() {
    let mut types = Types::new();
    let (i8, i32, i64, double) = (types.int(8), types.int(32), types.int(64), types.0.intern(Type::Double));
    let ptr = types.0.intern(Type::UPtr(i8));
    let params = [ptr, i64, ptr, double, i64, double, i64, i64, i64, double];
    let native = classified(&mut types, &params, &[i32]);
    let snprintf = Symbols::new::<&str>(&[]).unwrap().lookup("snprintf").unwrap();
    let mut out = [0u8; 64];
    let format = c"%.1f %ld %.2f %ld %ld %ld %.3f";
    let (out_at, format_at) = ((&raw mut out).expose_provenance(), format.as_ptr().expose_provenance());
    let [a, b, c] = [1.5f64, -2.25, 3.125].map(f64::to_bits);
    let args = [out_at as u64, 64, format_at as u64, a, -7i64 as u64, b, 8, 9, 10, c];
    let length = call_word(snprintf, &native, &args) as usize;
    assert_eq!(std::str::from_utf8(&out[..length]), Ok("1.5 -7 -2.25 8 9 10 3.125"));
}

#[test]
fn many_stack_arguments() {
    extern "C" fn add_up(
        _: u64,
        _: u64,
        _: u64,
        _: u64,
        _: u64,
        _: u64,
        first: u64,
        second: u64,
        third: u64,
    ) -> u64 {
        first + second * 10 + third * 100
    }
    let mut types = Types::new();
    let int = types.int(64);
    for count in [9, 10, 300, 6 + MAX_STACK_BYTES as usize / 8] {
        let native = classified(&mut types, &vec![int; count], &[int]);
        let args: Vec<u64> = (1..=count as u64).collect();
        assert_eq!(call_word(address_of(add_up as *const ()), &native, &args), 7 + 80 + 900);
    }
    let count = 7 + MAX_STACK_BYTES as usize / 8;
    let sig = signature(&mut types, &vec![int; count], &[int]);
    assert_eq!(classify(&types.0, &Layouts::new(), sig), Err(UnsupportedReason::StackTooLarge));
}

#[test]
fn symbols_of_libc_and_libm() {
    let symbols = Symbols::new::<&str>(&[]).unwrap();
    for name in ["puts", "write", "cos", "fmod"] {
        assert!(symbols.lookup(name).is_some(), "{name}");
    }
    for name in ["no_such_symbol_anywhere", "", "pu\0ts"] {
        assert_eq!(symbols.lookup(name), None);
    }
    let error = Symbols::new(&["libno_such_library.so"]).unwrap_err();
    assert!(error.to_string().starts_with("cannot load the library libno_such_library.so: "));
}
