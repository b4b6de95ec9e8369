//! Vectors: 128 bits by the oracle, the others by functions written for them.

use super::*;
use std::arch::x86_64::*;
use std::mem::transmute;

macro_rules! vectors {
    ($($name:ident $inner:ident [$elem:ty; $count:literal];)*) => {$(
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(super) struct $name($inner);

        impl CValue for $name {
            fn ty(types: &mut Types) -> TypeId {
                let elem = <$elem>::ty(types);
                types.vector(elem, $count)
            }
            fn put(self, words: &mut Vec<u64>) {
                // SAFETY: plain data of one size.
                unsafe { transmute::<$inner, [$elem; $count]>(self.0) }.put(words);
            }
            fn take(words: &mut dyn Iterator<Item = u64>) -> Self {
                // SAFETY: plain data of one size.
                $name(unsafe { transmute::<[$elem; $count], $inner>(CValue::take(words)) })
            }
        }
    )*};
}

vectors! {
    F32x4 __m128 [f32; 4];
    F64x2 __m128d [f64; 2];
    I8x16 __m128i [i8; 16];
    I16x8 __m128i [i16; 8];
    I32x4 __m128i [i32; 4];
    I64x2 __m128i [i64; 2];
    F32x8 __m256 [f32; 8];
    I16x16 __m256i [i16; 16];
    F64x8 __m512d [f64; 8];
    I8x64 __m512i [i8; 64];
}

fn check_vector<T: CValue>() {
    check::<fn(T) -> T>();
    check::<fn(T, i64, T, f64, T, f32) -> T>();
    check::<fn(f32, T, T, T, f64, T, T, T, T, T, i8, T) -> T>();
    check::<fn(S1<T>, S2<T, i8>, S2<f32, T>, S1<[T; 2]>, T) -> S1<T>>();
    check::<fn(T, S2<f32, f32>, S1<S1<T>>, u128) -> S2<T, T>>();
    check::<fn(i32, i32, i32, i32, i32, i32, i32, T, S2<i32, T>, i32) -> S2<i64, T>>();
}

#[test]
fn vectors_of_16_bytes() {
    check_vector::<F32x4>();
    check_vector::<F64x2>();
    check_vector::<I8x16>();
    check_vector::<I16x8>();
    check_vector::<I32x4>();
    check_vector::<I64x2>();
}

/// The ABI passes them like doubles.
#[test]
fn vectors_of_8_bytes() {
    extern "C" fn swap(a: f64, b: i64, c: f64) -> f64 {
        f64::from_bits(a.to_bits().rotate_left(32) ^ c.to_bits() ^ b as u64)
    }
    let mut types = Types::new();
    let (float, i8, i32, i64) = (f32::ty(&mut types), types.int(8), types.int(32), types.int(64));
    let vectors = [types.vector(float, 2), types.vector(i8, 8), types.vector(i32, 2), types.vector(i64, 1)];
    let words = |value: u64, bits: u32| -> Vec<u64> {
        (0..64 / bits).map(|n| value >> (n * bits) & (u64::MAX >> (64 - bits))).collect()
    };
    for (ty, bits) in vectors.into_iter().zip([32, 8, 32, 64]) {
        let in_struct = types.structure(&[ty]);
        let native = classified(&mut types, &[ty, i64, in_struct], &[ty]);
        let args = [words(0x0102_0304_0506_0708, bits), vec![3], words(0x8000_0000_0000_0000, bits)].concat();
        let mut result = vec![0; (64 / bits) as usize];
        call(address_of(swap as *const ()), &native, &args, &mut result);
        assert_eq!(result, words(0x8506_0708_0102_0307, bits));
    }
}

/// The function pointer at an address.
///
/// # Safety
/// `F` is the type of the function there.
unsafe fn at<F: Copy>(address: u64) -> F {
    let pointer = std::ptr::with_exposed_provenance::<()>(address as usize);
    // SAFETY: promised by the caller.
    unsafe { std::mem::transmute_copy(&pointer) }
}

/// A function with ten vectors and a struct of one, so that some travel on the stack; its address, and the words that go
/// in and come out.
macro_rules! wide_callee {
    ($function:ident $caller:ident $feature:literal $vector:ident) => {
        /// Gives back the argument that the number says.
        #[target_feature(enable = $feature)]
        #[allow(clippy::too_many_arguments, improper_ctypes_definitions, reason = "that is the test")]
        extern "C" fn $function(
            which: i32,
            a: $vector,
            b: f64,
            c: $vector,
            d: $vector,
            e: $vector,
            f: $vector,
            g: $vector,
            h: $vector,
            i: $vector,
            seventh: S2<i64, $vector>,
            j: $vector,
        ) -> $vector {
            let all = [a, c, d, e, f, g, h, i, seventh.1, j];
            if b != 0.5 || seventh.0 != -9 { a } else { all[which as usize] }
        }

        /// Calls an exposed function of this type.
        #[target_feature(enable = $feature)]
        #[allow(improper_ctypes_definitions, reason = "that is the test")]
        extern "C" fn $caller(exchange: &mut Exchange) {
            type Exposed = extern "C" fn(
                i32,
                $vector,
                f64,
                $vector,
                $vector,
                $vector,
                $vector,
                $vector,
                $vector,
                $vector,
                S2<i64, $vector>,
                $vector,
            ) -> $vector;
            // SAFETY: the test has exposed a function of this type there.
            let exposed = unsafe { at::<Exposed>(exchange.address) };
            let words = &mut exchange.args.iter().copied();
            let (a, b, c) = (i32::take(words), $vector::take(words), f64::take(words));
            let [d, e, f, g, h, i, j] = CValue::take(words);
            let (seventh, k) = (CValue::take(words), CValue::take(words));
            exposed(a, b, c, d, e, f, g, h, i, j, seventh, k).put(&mut exchange.result);
        }
    };
}

wide_callee! { wide32 call_wide32 "avx" F32x8 }
wide_callee! { wide32_int call_wide32_int "avx" I16x16 }
wide_callee! { wide64 call_wide64 "avx512f" F64x8 }
wide_callee! { wide64_int call_wide64_int "avx512f" I8x64 }

fn check_wide<T: CValue>(function: *const (), caller: *const ()) {
    let mut types = Types::new();
    let (int, double, vector) = (types.int(32), f64::ty(&mut types), T::ty(&mut types));
    let pair = <S2<i64, T>>::ty(&mut types);
    let params = [int, vector, double, vector, vector, vector, vector, vector, vector, vector, pair, vector];
    let sig = signature(&mut types, &params, &[vector]);
    let native = Arc::new(classify(&types.0, &Layouts::new(), sig).unwrap());
    let pointer = Ptr::ty(&mut types);
    let caller_sig = classified(&mut types, &[pointer], &[]);
    let interface = NativeInterface::new(NativeConfig::default()).unwrap();
    let address = interface.expose(1, sig, &native, 0).unwrap();
    assert_eq!((u64::from(native.vector_bytes), native.vector_registers), (size_of::<T>() as u64, 8));
    assert_eq!(native.stack_align, size_of::<T>() as u32);
    let mut random = Random::new(7);
    for which in 0..10 {
        let (mut args, mut expected) = (vec![which], Vec::new());
        for n in 0..10 {
            let mut words = Vec::new();
            random_value::<T>(&mut random, &mut words);
            if n == which {
                expected = words.clone();
            }
            if n == 8 {
                args.push(-9i64 as u64);
            }
            args.extend(words);
            if n == 0 {
                args.push(0.5f64.to_bits());
            }
        }
        let mut result = vec![0; expected.len()];
        call(address_of(function), &native, &args, &mut result);
        assert_eq!(result, expected, "argument {which}");

        let mut exchange = Exchange { address, args, result: Vec::new() };
        let exchange_at = (&raw mut exchange).expose_provenance() as u64;
        let mut segment = interface.segment().unwrap();
        let exit = segment.call(address_of(caller), &caller_sig, &[exchange_at], &mut []).unwrap();
        let NativeExit::CalledBack(callback) = exit else { panic!("{exit:?}") };
        assert_eq!(*callback.args, *exchange.args);
        assert_eq!(segment.finish_callback(&expected, &caller_sig, &mut []), NativeExit::Returned);
        assert_eq!(exchange.result, expected);
    }
}

#[test]
fn vectors_of_32_and_64_bytes_where_the_cpu_has_them() {
    if std::is_x86_feature_detected!("avx") {
        check_wide::<F32x8>(wide32 as *const (), call_wide32 as *const ());
        check_wide::<I16x16>(wide32_int as *const (), call_wide32_int as *const ());
    }
    if std::is_x86_feature_detected!("avx512f") {
        check_wide::<F64x8>(wide64 as *const (), call_wide64 as *const ());
        check_wide::<I8x64>(wide64_int as *const (), call_wide64_int as *const ());
    }
}
