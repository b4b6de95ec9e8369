//! What cannot be passed is refused with a reason.

use super::super::classify::classify_for;
use super::*;

fn reason(types: &mut Types, ty: TypeId) -> Result<NativeSig, UnsupportedReason> {
    let int = types.int(64);
    let layouts = Layouts::new();
    let sig = signature(types, &[], &[ty]);
    let result = classify(&types.0, &layouts, sig);
    let sig = signature(types, &[int, ty], &[]);
    let param = classify(&types.0, &layouts, sig);
    match (&result, &param) {
        (Ok(_), Ok(_)) => {}
        (Err(UnsupportedReason::Result(_, a)), Err(UnsupportedReason::Param(1, _, b))) => assert_eq!(a, b),
        _ => panic!("{result:?}, {param:?}"),
    }
    param
}

#[test]
fn types_without_a_place() {
    let mut types = Types::new();
    let (i8, i64, wide, double) = (types.int(8), types.int(64), types.int(128), f64::ty(&mut types));
    let (float, pointer) = (f32::ty(&mut types), Ptr::ty(&mut types));
    let reference = types.reference(i64);
    let tag = types.0.intern(Type::TagRef64);
    let hybrid = types.hybrid(&[i64], i8);
    let large = types.array(i64, 1 << 50);
    let many = types.array(i8, 70_000);
    let odd_vectors = [(3, 12), (1, 4), (5, 20), (32, 128)].map(|(n, bytes)| (types.vector(float, n), bytes));
    let mut cases = vec![
        (reference, TypeReason::NotNativeSafe),
        (tag, TypeReason::NotNativeSafe),
        (hybrid, TypeReason::NotNativeSafe),
        (types.structure(&[i64, reference]), TypeReason::NotNativeSafe),
        (types.vector(reference, 2), TypeReason::NotNativeSafe),
        (types.structure(&[large]), TypeReason::TooLarge),
        (types.structure(&[many]), TypeReason::TooLarge),
        (types.array(i64, 2), TypeReason::Array),
        (large, TypeReason::Array),
        (types.vector(wide, 2), TypeReason::VectorElement),
        (types.vector(double, 1), TypeReason::VectorElement),
    ];
    cases.extend(odd_vectors.map(|(ty, bytes)| (ty, TypeReason::VectorSize(bytes))));
    for (ty, expected) in cases.clone() {
        let inside = types.structure(&[i8, ty]);
        assert_eq!(reason(&mut types, ty), Err(UnsupportedReason::Param(1, ty, expected)));
        if expected != TypeReason::Array {
            assert_eq!(reason(&mut types, inside), Err(UnsupportedReason::Param(1, inside, expected)));
        }
    }
    let pointers = types.vector(pointer, 2);
    assert!(reason(&mut types, pointers).is_ok());
    let sig = signature(&mut types, &[], &[i64, i64]);
    let refused = classify(&types.0, &Layouts::new(), sig);
    assert_eq!(refused, Err(UnsupportedReason::ManyResults(2)));
    for (_, reason) in cases {
        assert!(!UnsupportedReason::Param(0, i64, reason).to_string().is_empty());
    }
}

#[test]
fn wide_vectors_need_a_cpu_that_has_them() {
    let mut types = Types::new();
    let float = f32::ty(&mut types);
    let (narrow, wide, wider) = (types.vector(float, 4), types.vector(float, 8), types.vector(float, 16));
    let in_struct = types.structure(&[wide]);
    let in_memory = types.structure(&[wide, wider]);
    let cases = [(narrow, 16, None), (wide, 32, Some(TypeReason::NeedsAvx)), (in_memory, 16, None)];
    let more = [(in_struct, 32, Some(TypeReason::NeedsAvx)), (wider, 64, Some(TypeReason::NeedsAvx512))];
    for (ty, needs, expected) in cases.into_iter().chain(more) {
        let sig = signature(&mut types, &[ty], &[]);
        for widest in [16, 32, 64] {
            let result = classify_for(&types.0, &Layouts::new(), sig, widest);
            if widest >= needs {
                assert_eq!(u64::from(result.unwrap().vector_bytes), needs);
            } else if widest == 16 {
                assert_eq!(result, Err(UnsupportedReason::Param(0, ty, TypeReason::NeedsAvx)));
            } else {
                assert_eq!(result, Err(UnsupportedReason::Param(0, ty, expected.unwrap())));
            }
        }
    }
}

/// Nesting, sharing and repetition of parts do not multiply the work.
#[test]
fn hostile_types_cost_little() {
    let mut types = Types::new();
    let int = types.int(64);
    let mut deep = int;
    for _ in 0..100_000 {
        deep = types.structure(&[deep]);
    }
    assert!(reason(&mut types, deep).is_ok());
    let mut doubled = types.structure(&[]);
    for _ in 0..100 {
        doubled = types.structure(&[doubled, doubled]);
    }
    assert!(reason(&mut types, doubled).is_ok());
    let nothings = types.array(doubled, u64::MAX);
    let nothings = types.structure(&[nothings, int]);
    assert!(reason(&mut types, nothings).is_ok());
    let mut exponential = int;
    for _ in 0..40 {
        exponential = types.structure(&[exponential, exponential]);
    }
    assert!(reason(&mut types, exponential).is_err());
    let byte = types.int(8);
    let bytes = types.array(byte, 60_000);
    let (one, two) = (types.structure(&[bytes]), types.structure(&[int]));
    let sig = signature(&mut types, &[one, two, two], &[one]);
    assert!(classify(&types.0, &Layouts::new(), sig).is_ok());
    let sig = signature(&mut types, &[one, one], &[]);
    assert_eq!(classify(&types.0, &Layouts::new(), sig), Err(UnsupportedReason::StackTooLarge));
}
