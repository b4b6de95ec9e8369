//! Structs of many shapes, in and out.

use super::*;

/// In and out alone, beside others, behind six integers, and behind eight doubles.
fn check_shape<T: CValue>() {
    check::<fn(T) -> T>();
    check::<fn(i64, T, f64) -> T>();
    check::<fn(T, T, T, i32, T, f32, T) -> T>();
    check::<fn(i64, i64, i64, i64, i64, T, i64, f64, T, i8) -> T>();
    check::<fn(f64, f64, f64, f64, f64, f64, f64, T, f32, i64, T) -> ()>();
}

macro_rules! shapes {
    ($($test:ident { $($shape:ty)* })*) => {$(
        #[test]
        fn $test() {
            $(check_shape::<$shape>();)*
        }
    )*};
}

shapes! {
    scalars { i8 i16 i32 i64 u32 u64 u128 f32 f64 Ptr }
    one_field { S1<i8> S1<i16> S1<i32> S1<i64> S1<u128> S1<f32> S1<f64> S1<Ptr> S1<S1<S1<f32>>> }
    two_fields {
        S2<f32, f32> S2<f32, i32> S2<i32, f32> S2<f32, f64> S2<f64, f32> S2<f64, f64> S2<f64, i64> S2<i64, f64>
        S2<i64, i64> S2<i8, i64> S2<i64, i8> S2<i8, f64> S2<f32, i64> S2<u64, Ptr> S2<u128, i8> S2<i8, u128>
        S2<u128, u128> S2<f32, u128>
    }
    three_and_four_fields {
        S3<i8, i16, i32> S3<f32, f32, f32> S3<i64, i64, i64> S3<f32, f32, i32> S3<i32, f32, f32> S3<f32, i32, f64>
        S3<f64, f32, i8> S3<i8, i8, i8> S3<f64, f64, f64> S4<f32, f32, f32, f32> S4<i32, f32, f32, i32>
        S4<i8, i16, f32, f64> S4<i16, i16, i16, i16> S4<f32, f32, f32, f64> S4<i64, i32, i16, i8>
    }
    many_fields {
        S5<i8, i8, i8, i8, i8> S5<i8, i32, f32, i16, i8> S6<i8, i8, i8, i8, f32, f32> S8<i8, i8, i8, i8, i8, i8, i8, i8>
        S8<i16, i16, i16, i16, i16, i16, i16, i16> S8<f32, f32, f32, f32, f32, f32, f32, f32>
        S7<i64, f64, i64, f64, i64, f64, i8>
    }
    arrays {
        S1<[f32; 1]> S1<[f32; 2]> S1<[f32; 3]> S1<[f32; 4]> S1<[f32; 5]> S1<[f64; 2]> S1<[f64; 3]> S1<[u8; 3]> S1<[u8; 8]>
        S1<[u8; 9]> S1<[u8; 15]> S1<[u8; 16]> S1<[u8; 17]> S1<[u8; 64]> S1<[u8; 100]> S1<[i16; 5]> S1<[u64; 200]>
        S2<[u8; 4], f32> S2<f32, [u8; 12]> S2<[f32; 2], [i32; 2]> S2<[f32; 3], i8> S1<[[i16; 2]; 3]> S1<[[f32; 2]; 2]>
        S1<[u128; 1]> S1<[u128; 2]>
    }
    nested {
        S2<S2<f32, f32>, f32> S2<f32, S2<f32, i32>> S2<S2<i8, i16>, S2<i32, f64>> S1<[S2<i8, f32>; 2]> S2<S1<f64>, S1<i64>>
        S2<S3<i8, i8, i8>, S3<i8, i8, i8>> S3<S1<i8>, S2<i16, S1<i8>>, f32> S2<S2<S2<f32, i8>, i8>, i8> S1<[S1<[f32; 2]>; 2]>
        S2<S2<i64, i64>, i64> S1<S1<S2<i64, S1<f64>>>> S1<[S3<i8, i16, i8>; 3]> S2<i8, S2<i64, i8>>
    }
    empty_parts { S2<[f64; 0], i32> S2<f32, [i64; 0]> S2<i64, [u128; 0]> S3<[u8; 0], f64, [f32; 0]> S1<S2<[i8; 0], f32>> }
}

/// The descriptions the JIT reads.
#[test]
fn places_of_known_shapes() {
    let mut types = Types::new();
    let pair = <S3<f32, i32, f64>>::ty(&mut types);
    let (large, wide) = (<S1<[u8; 17]>>::ty(&mut types), u128::ty(&mut types));
    let (int, float) = (i64::ty(&mut types), f32::ty(&mut types));
    let native =
        classified(&mut types, &[large, pair, int, int, int, wide, wide, int, float, large], &[large]);
    let registers = |list: &[Register]| ArgPlace::Registers(list.into());
    let stack = |offset_bytes| ArgPlace::Stack { offset_bytes };
    let vector = |index| Register::Vector { index, part: 0 };
    let places: Vec<ArgPlace> = native.args.iter().map(|arg| arg.place.clone()).collect();
    let expected = [
        stack(0),
        registers(&[Register::Int(1), vector(0)]),
        registers(&[Register::Int(2)]),
        registers(&[Register::Int(3)]),
        registers(&[Register::Int(4)]),
        // One register is left, which is not enough: the next aligned place, and the register stays free.
        stack(32),
        stack(48),
        registers(&[Register::Int(5)]),
        registers(&[vector(1)]),
        stack(64),
    ];
    assert_eq!(places, expected);
    assert_eq!((native.stack_bytes, native.stack_align), (88, 16));
    assert_eq!((native.vector_registers, native.vector_bytes), (2, 16));
    assert_eq!(native.result.place, ResultPlace::Memory);
    assert_eq!((native.result.size_bytes, native.result.align_bytes, native.result.words), (17, 1, 17));
    let native = classified(&mut types, &[], &[pair]);
    assert_eq!(
        native.result.place,
        ResultPlace::Registers([Register::Int(0), vector(0)].into_iter().collect())
    );
    let empty = types.structure(&[]);
    let native = classified(&mut types, &[empty, int], &[empty]);
    assert_eq!(
        (&native.args[0].place, &native.args[1].place),
        (&registers(&[]), &registers(&[Register::Int(0)]))
    );
    assert_eq!(native.result.place, ResultPlace::Registers(Registers::new()));
}
