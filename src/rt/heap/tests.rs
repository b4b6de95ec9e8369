use super::*;
use crate::layout::tests::{Random, Types, random_type};
use crate::layout::{Layouts, Shape};
use mu_ir::types::Type;

fn small_heap(limit_bytes: u64) -> Heap {
    Heap::new(HeapConfig { limit_bytes, immortal_bytes: 1 << 20, ..HeapConfig::default() }).unwrap()
}

#[test]
fn every_address_finds_its_unit() {
    let (mut types, mut random, layouts) = (Types::new(), Random::new(7), Layouts::new());
    let void = types.0.intern(Type::Void);
    let i64 = types.int(64);
    let big = types.array(i64, 5000);
    let heap =
        Heap::new(HeapConfig { limit_bytes: 64 << 20, immortal_bytes: 16 << 20, ..HeapConfig::default() })
            .unwrap();
    let mut buffers = [AllocBuffer::default(), AllocBuffer::default()];
    let mut units = Vec::new();
    for round in 0..6000 {
        let ty = match random.below(200) {
            0..5 => void,
            5 => big,
            6..60 => {
                let (fixed, var) =
                    (random_type(&mut types, &mut random, 1), random_type(&mut types, &mut random, 1));
                types.hybrid(&[fixed], var)
            }
            _ => random_type(&mut types, &mut random, 2),
        };
        let layout = layouts.of(&types.0, ty);
        let global = random.below(10) == 0 && !matches!(layout.shape, Shape::Hybrid { .. });
        let (size, align) = (layout.size_bytes, layout.align_bytes);
        let (address, count) = match layout.shape {
            Shape::Hybrid { var_offset, stride, .. } => {
                let count = if round % 500 == 0 { 20_000 } else { random.below(40) };
                (heap.alloc_hybrid_in(&mut buffers[0], ty, var_offset, stride, count, align), count)
            }
            _ if global => (heap.alloc_global(ty, size, align), 0),
            _ if round % 3 == 0 => (heap.alloc_fixed(ty, size, align), 0),
            _ => (heap.alloc_fixed_in(&mut buffers[round % 2], ty, size, align), 0),
        };
        let start = address.unwrap().0;
        assert_eq!(start % align.max(8), 0);
        let size_bytes = layout.unit_size(count).unwrap().next_multiple_of(8);
        let kind = if global { UnitKind::Global } else { UnitKind::Heap };
        units.push(ObjectInfo { start, ty, var_count: count, size_bytes, kind });
    }
    for unit in &units {
        let end = unit.start + unit.size_bytes;
        for address in [unit.start, unit.start + unit.size_bytes / 2, end.saturating_sub(1).max(unit.start)] {
            assert_eq!(heap.find_object(address), Some(*unit));
        }
        assert_eq!(heap.find_object(unit.start - 1), None, "the header is in no unit");
        assert!(unit.size_bytes == 0 || heap.find_object(end).is_none(), "one past the end");
    }
    // No two overlap, and a walk sees all of them.
    units.sort_by_key(|unit| unit.start);
    assert!(units.windows(2).all(|pair| pair[0].start + pair[0].size_bytes < pair[1].start));
    let mut walked = Vec::new();
    heap.for_each_object(|unit| walked.push(unit));
    assert_eq!(walked, units);
    assert_eq!(heap.verify(&layouts), Ok(6000));
    let statistics = heap.statistics();
    assert_eq!(statistics.objects + statistics.globals, 6000);
    assert_eq!(
        statistics.object_bytes + statistics.global_bytes,
        units.iter().map(|unit| unit.size_bytes).sum()
    );
}

#[test]
fn a_full_heap_refuses_and_impossible_sizes_too() {
    let heap = small_heap(1 << 20);
    let mut count = 0;
    while heap.alloc_fixed(TypeId(0), 1000, 8).is_some() {
        count += 1;
    }
    assert!((900..=1040).contains(&count), "{count}");
    assert_eq!(heap.alloc_fixed(TypeId(0), 1000, 8), None);
    assert!(heap.alloc_global(TypeId(0), 1000, 8).is_some(), "globals have room of their own");
    let heap = small_heap(1 << 20);
    for size in [1 << 20, 1 << 46, u64::MAX, u64::MAX - 7, u64::MAX - 63, u64::MAX - (1 << 15)] {
        assert_eq!(heap.alloc_fixed(TypeId(0), size, 16), None);
        assert_eq!(heap.alloc_global(TypeId(0), size, 16), None);
    }
    for (fixed, elem, count) in [
        (8, 8, u64::MAX),
        (8, 8, 1 << 61),
        (8, 8, (1 << 61) - 1),
        (0, 1, u64::MAX),
        (8, 32, 1 << 59),
        (0, u64::MAX, 1),
        (u64::MAX, 1, 0),
        (0, u64::MAX, u64::MAX),
    ] {
        assert_eq!(heap.alloc_hybrid(TypeId(0), fixed, elem, count, 8), None);
    }
    assert!(heap.alloc_fixed(TypeId(0), 500_000, 8).is_some());
    assert!(heap.alloc_fixed(TypeId(0), 500_000, 8).is_some());
    assert_eq!(heap.alloc_fixed(TypeId(0), 500_000, 8), None);
    let heap = small_heap(1 << 20);
    assert!(
        heap.alloc_hybrid(TypeId(0), 8, 0, u64::MAX >> 1, 8).is_some(),
        "elements without size take no room"
    );
    assert!(
        Heap::new(HeapConfig { limit_bytes: u64::MAX, immortal_bytes: 0, ..HeapConfig::default() }).is_err()
    );
}

#[test]
fn sizes_around_the_border_of_large_objects() {
    let heap = small_heap(8 << 20);
    for size in LARGE - 20..LARGE + 20 {
        for align in [8, 16, 64] {
            let start = heap.alloc_fixed(TypeId(1), size, align).unwrap().0;
            let rounded = size.next_multiple_of(8);
            assert_eq!((start % align, heap.find_object(start + size - 1).unwrap().size_bytes), (0, rounded));
            assert_eq!(heap.find_object(start + rounded), None);
        }
    }
}

#[test]
fn memory_is_zero_and_instances_are_independent() {
    for _ in 0..50 {
        let heaps = [small_heap(1 << 20), small_heap(1 << 20)];
        for heap in &heaps {
            let at = heap.alloc_fixed(TypeId(0), 64, 8).unwrap().0;
            for offset in (0..64).step_by(8) {
                assert_eq!(heap.space.word(at + offset).swap(u64::MAX, Ordering::Relaxed), 0);
            }
        }
        let first = heaps[0].alloc_fixed(TypeId(0), 8, 8).unwrap().0;
        assert!(heaps[0].covers(first) && !heaps[1].covers(first));
        assert_eq!(heaps[1].find_object(first), None);
    }
    let heap = small_heap(1 << 20);
    for address in [0, 8, 1 << 40, u64::MAX, u64::MAX - 7] {
        assert_eq!(heap.find_object(address), None);
    }
}

#[test]
fn threads_allocate_side_by_side() {
    let heap = small_heap(64 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let heap = &heap;
            scope.spawn(move || {
                let mut buffer = AllocBuffer::default();
                let mut last = None;
                for index in 0..20_000u64 {
                    let (ty, size) = (TypeId(thread), index % 70);
                    let at = heap.alloc_fixed_in(&mut buffer, ty, size, 8).unwrap();
                    if let Some((at, size)) = last.replace((at, size)) {
                        let Address(at) = at;
                        let info = heap.find_object(at + size / 2).unwrap();
                        assert_eq!((info.start, info.ty), (at, ty));
                    }
                }
            });
        }
    });
    assert_eq!(heap.statistics().objects, 80_000);
}

#[test]
fn the_verifier_sees_damage() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let i64 = types.int(64);
    let r = types.reference(i64);
    let node = types.structure(&[i64, r]);
    layouts.of(&types.0, node);
    let fresh = || {
        let heap = small_heap(1 << 20);
        let [a, b] = [0, 1].map(|_| heap.alloc_fixed(node, 16, 8).unwrap().0);
        heap.space.word(a + 8).store(b, Ordering::Relaxed);
        assert_eq!(heap.verify(&layouts), Ok(2));
        (heap, a, b)
    };
    let problem = |heap: &Heap| heap.verify(&layouts).unwrap_err().problem;
    let (heap, a, b) = fresh();
    heap.space.word(a + 8).store(b + 8, Ordering::Relaxed);
    assert_eq!(
        heap.verify(&layouts).unwrap_err(),
        HeapFault { address: a + 8, problem: "a reference to no object" }
    );
    let (heap, a, _) = fresh();
    heap.space.word(a - 8).store(Header::new(r, 16, 0).0, Ordering::Relaxed);
    assert_eq!(problem(&heap), "the size in the header is not that of the type");
    let (heap, a, b) = fresh();
    heap.space.word(a + 8).store(0, Ordering::Relaxed);
    heap.space.word(b - 8).store(17, Ordering::Relaxed);
    assert_eq!(problem(&heap), "a word that belongs to no object");
    let (heap, a, b) = fresh();
    heap.space.word(a + 8).store(0, Ordering::Relaxed);
    heap.space.word(b - 8).store(0, Ordering::Relaxed);
    assert_eq!(problem(&heap), "a start bit without an object");
    let (heap, a, _) = fresh();
    heap.space.word(a - 8).store(Header::new(node, 16, Header::IMMORTAL).0, Ordering::Relaxed);
    assert_eq!(problem(&heap), "the header names the wrong region");
    let (heap, a, _) = fresh();
    heap.space.word(a - 8).store(Header::new(TypeId(77), 16, 0).0, Ordering::Relaxed);
    assert_eq!(problem(&heap), "a type nobody has laid out");
}
