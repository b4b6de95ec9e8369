use super::*;
use crate::heap::{Heap, HeapConfig};
use crate::layout::tests::{Random, Types};
use crate::layout::{Layouts, Shape};
use mu_ir::ids::TypeId;
use mu_ir::types::Type;
use mu_ir::ub::Ub;

/// Aligned memory for the accesses.
#[repr(align(16))]
struct Buffer([u8; 64]);

impl Buffer {
    fn address(&mut self) -> u64 {
        (&raw mut self.0).expose_provenance() as u64
    }
}

fn all_kinds() -> Vec<LeafKind> {
    let opaque = [LeafKind::Float, LeafKind::Double, LeafKind::Ptr, LeafKind::Ref, LeafKind::TagRef64];
    (1..=64).map(LeafKind::Int).chain(opaque).collect()
}

fn bits(kind: LeafKind) -> u32 {
    match kind {
        LeafKind::Int(width) => u32::from(width),
        _ => kind.size_bytes() as u32 * 8,
    }
}

#[test]
fn loads_see_what_stores_wrote_and_nothing_else_changes() {
    let (memory, mut random) = (Memory::new(), Random::new(5));
    for kind in all_kinds() {
        for offset in [16, 17, 18, 20, 24, 27] {
            let mut buffer = Buffer([0xa5; 64]);
            let at = buffer.address() + offset;
            let value = random.next() & int::mask(bits(kind));
            let (store, load) = match offset % 3 {
                0 => (MemOrder::NotAtomic, MemOrder::NotAtomic),
                1 => (MemOrder::Release, MemOrder::Acquire),
                _ => (MemOrder::SeqCst, MemOrder::SeqCst),
            };
            memory.store_word(at, kind, value, store);
            assert_eq!(memory.load_word(at, kind, load), value, "{kind:?} at {offset}");
            let size = kind.size_bytes() as usize;
            let offset = offset as usize;
            assert_eq!(buffer.0[offset..offset + size], value.to_le_bytes()[..size]);
            assert!(buffer.0[..offset].iter().chain(&buffer.0[offset + size..]).all(|&byte| byte == 0xa5));
        }
    }
}

#[test]
fn foreign_bits_of_odd_widths_are_ignored() {
    let memory = Memory::new();
    let mut buffer = Buffer([0xff; 64]);
    let at = buffer.address();
    let seq = MemOrder::SeqCst;
    for width in [1u8, 3, 13, 33, 52] {
        let (kind, all) = (LeafKind::Int(width), int::mask(u32::from(width)));
        memory.write_bytes(at, &[0xff; 8]);
        assert_eq!(memory.load_word(at, kind, MemOrder::NotAtomic), all);
        assert_eq!(memory.cmpxchg(at, kind, all - 1, 0, seq, seq, false), (all, false));
        assert_eq!(memory.cmpxchg(at, kind, all, 1, seq, seq, true), (all, true));
        memory.write_bytes(at, &[0xff; 8]);
        assert_eq!(memory.atomic_rmw(at, kind, RmwOp::Add, 1, seq), all);
        assert_eq!(memory.load_word(at, kind, MemOrder::NotAtomic), 0);
        memory.write_bytes(at, &[0xff; 8]);
        assert_eq!(memory.atomic_rmw(at, kind, RmwOp::Xchg, 0, seq), all);
    }
}

#[test]
fn atomic_operations_compute_what_the_semantics_say() {
    let (memory, mut random) = (Memory::new(), Random::new(6));
    for _ in 0..20_000 {
        let mut buffer = Buffer([0; 64]);
        let at = buffer.address() + [0, 8, 3][random.below(3) as usize];
        let width = [8, 16, 32, 64, 128, 7, 40, 100][random.below(8) as usize];
        let kind = LeafKind::Int(width);
        let op = RmwOp::ALL[random.below(11) as usize];
        let wide = u128::MAX >> (128 - u32::from(width));
        let [old, operand] =
            [0; 2].map(|_| (u128::from(random.next()) << 64 | u128::from(random.next())) & wide);
        let order = [MemOrder::Relaxed, MemOrder::AcqRel, MemOrder::SeqCst][random.below(3) as usize];
        let signed = |x: u128| (x << (128 - width) as u32) as i128;
        let expected = wide
            & match op {
                RmwOp::Xchg => operand,
                RmwOp::Add => old.wrapping_add(operand),
                RmwOp::Sub => old.wrapping_sub(operand),
                RmwOp::And => old & operand,
                RmwOp::Nand => !(old & operand),
                RmwOp::Or => old | operand,
                RmwOp::Xor => old ^ operand,
                RmwOp::Max if signed(operand) > signed(old) => operand,
                RmwOp::Min if signed(operand) < signed(old) => operand,
                RmwOp::UMax => old.max(operand),
                RmwOp::UMin => old.min(operand),
                RmwOp::Max | RmwOp::Min => old,
            };
        if width > 64 && width < 128 {
            continue; // `int<65>` to `int<127>` do not exist; their loads and stores are tested below
        }
        if width == 128 {
            memory.store_u128(at, kind, old, MemOrder::SeqCst);
            assert_eq!(memory.atomic_rmw_u128(at, kind, op, operand), old);
            assert_eq!(memory.load_u128(at, kind, MemOrder::Acquire), expected, "{op:?}");
            assert_eq!(memory.cmpxchg_u128(at, kind, !expected, 1), (expected, false));
            assert_eq!(memory.cmpxchg_u128(at, kind, expected, 1), (expected, true));
            assert_eq!(memory.load_u128(at, kind, MemOrder::NotAtomic), 1);
        } else {
            memory.store_word(at, kind, old as u64, MemOrder::SeqCst);
            assert_eq!(memory.atomic_rmw(at, kind, op, operand as u64, order), old as u64);
            assert_eq!(memory.load_word(at, kind, MemOrder::Acquire), expected as u64, "{op:?} {width}");
            let other = expected as u64 ^ 1;
            assert_eq!(
                memory.cmpxchg(at, kind, other, 0, order, MemOrder::Relaxed, false),
                (expected as u64, false)
            );
            while !memory.cmpxchg(at, kind, expected as u64, other, order, MemOrder::Relaxed, true).1 {}
            assert_eq!(memory.load_word(at, kind, MemOrder::NotAtomic), other);
        }
    }
}

/// Every order an operation may have, and those it may not: none panics.
#[test]
fn all_orders_are_accepted() {
    let memory = Memory::new();
    let mut buffer = Buffer([0; 64]);
    let at = buffer.address();
    let kind = LeafKind::Int(64);
    for order in MemOrder::ALL {
        for failure in MemOrder::ALL {
            memory.cmpxchg(at, kind, 0, 0, order, failure, false);
        }
        memory.store_word(at, kind, 0, order);
        memory.load_word(at, kind, order);
        for op in RmwOp::ALL {
            memory.atomic_rmw(at, kind, op, 0, order);
        }
        memory.fence(order);
        memory.store_u128(at, LeafKind::Int(128), 0, order);
        memory.load_u128(at, LeafKind::Int(128), order);
    }
}

#[test]
fn counters_lose_nothing_between_threads() {
    for has_cmpxchg16b in [true, false] {
        let mut memory = Memory::new();
        memory.has_cmpxchg16b &= has_cmpxchg16b;
        let mut buffer = Buffer([0; 64]);
        let at = buffer.address();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        memory.atomic_rmw_u128(at, LeafKind::Int(128), RmwOp::Add, (1 << 64) + 1);
                        memory.atomic_rmw(at + 16, LeafKind::Int(32), RmwOp::Add, 1, MemOrder::Relaxed);
                        memory.atomic_rmw(at + 21, LeafKind::Int(64), RmwOp::Add, 1, MemOrder::SeqCst);
                    }
                });
            }
        });
        assert_eq!(memory.load_u128(at, LeafKind::Int(128), MemOrder::SeqCst), 80_000 << 64 | 80_000);
        assert_eq!(memory.load_word(at + 16, LeafKind::Int(32), MemOrder::SeqCst), 80_000);
        assert_eq!(memory.load_word(at + 21, LeafKind::Int(64), MemOrder::SeqCst), 80_000);
    }
}

#[test]
fn composite_values_go_leaf_by_leaf() {
    let (mut types, layouts, memory) = (Types::new(), Layouts::new(), Memory::new());
    let (i8, i128, float) = (types.int(8), types.int(128), types.0.intern(Type::Float));
    let inner = types.structure(&[i8, float]);
    let ty = types.structure(&[i8, i128, inner]);
    let leaves = layouts.leaves(&types.0, ty).unwrap();
    let mut buffer = Buffer([0x77; 64]);
    let value = [0xfe, 1, 2, 3, 0x4048_f5c3];
    memory.store_value(buffer.address(), leaves, &value);
    let mut back = [0; 5];
    memory.load_value(buffer.address(), leaves, &mut back);
    assert_eq!(back, value);
    assert_eq!(
        (buffer.0[0], buffer.0[1], buffer.0[16], buffer.0[24], buffer.0[32], buffer.0[33]),
        (0xfe, 0x77, 1, 2, 3, 0x77)
    );
}

/// Cells at fixed addresses, as a stack would have them.
struct Cells(Vec<CellInfo>);

impl AllocaCells for Cells {
    fn find(&self, address: u64) -> Option<CellInfo> {
        self.0.iter().copied().filter(|cell| cell.start <= address).max_by_key(|cell| cell.start)
    }
}

/// A heap, types with layouts, and a checker for each question.
struct World {
    types: Types,
    layouts: Layouts,
    heap: Heap,
    cells: Cells,
    cache: UnitCache,
}

impl World {
    fn new() -> World {
        World {
            types: Types::new(),
            layouts: Layouts::new(),
            heap: Heap::new(HeapConfig::default()).unwrap(),
            cells: Cells(Vec::new()),
            cache: UnitCache::default(),
        }
    }

    fn lay_out(&self, list: &[TypeId]) {
        for &ty in list {
            self.layouts.of(&self.types.0, ty);
        }
    }

    fn new_object(&self, ty: TypeId, count: u64) -> u64 {
        let layout = self.layouts.of(&self.types.0, ty);
        match layout.shape {
            Shape::Hybrid { var_offset, stride, .. } => {
                self.heap.alloc_hybrid(ty, var_offset, stride, count, layout.align_bytes).unwrap().0
            }
            _ => self.heap.alloc_fixed(ty, layout.size_bytes, layout.align_bytes).unwrap().0,
        }
    }

    fn checker(&self) -> Checker<'_> {
        let (heap, layouts, cells, cache) = (&self.heap, &self.layouts, &self.cells, &self.cache);
        Checker { heap, layouts, cells, cache, strict: false }
    }
}

#[test]
fn accesses_need_a_location_of_their_type() {
    let mut world = World::new();
    let t = &mut world.types;
    let (i8, i32, i64, double) = (t.int(8), t.int(32), t.int(64), t.0.intern(Type::Double));
    let void = t.0.intern(Type::Void);
    let (r32, r64, weak) = (t.reference(i32), t.reference(i64), t.0.intern(Type::WeakRef(i64)));
    let inner = t.structure(&[i32, i8]);
    let array = t.array(inner, 3);
    let ty = t.structure(&[array, weak, double]);
    let other = t.structure(&[i32, i32]);
    world.lay_out(&[i8, i32, i64, double, void, r32, r64, weak, inner, array, ty, other]);
    let at = world.new_object(ty, 0);
    let empty = world.new_object(void, 0);
    let cell = CellInfo { start: 0x1000, ty: i64, var_count: 0, size_bytes: 8 };
    world.cells.0.push(cell);
    let checker = world.checker();
    for (address, ty, verdict) in [
        (at, ty, Ok(())),
        (at, array, Ok(())),
        (at, inner, Ok(())),
        (at, i32, Ok(())),
        (at, void, Ok(())),
        (at, i8, Err(Ub::WrongLocationType)),
        (at, other, Err(Ub::WrongLocationType)),
        (at + 4, i8, Ok(())),
        (at + 4, void, Ok(())),
        (at + 5, i8, Err(Ub::WrongLocationType)),
        (at + 5, void, Err(Ub::WrongLocationType)),
        (at + 8, inner, Ok(())),
        (at + 8, array, Err(Ub::WrongLocationType)),
        (at + 24, r32, Ok(())),
        (at + 24, r64, Ok(())),
        (at + 24, weak, Ok(())),
        (at + 24, i64, Err(Ub::WrongLocationType)),
        (at + 32, double, Ok(())),
        (at + 32, i64, Err(Ub::WrongLocationType)),
        (at + 40, i64, Err(Ub::ExpiredLocation)),
        (at - 8, i64, Err(Ub::ExpiredLocation)),
        (0, i64, Err(Ub::NullAccess)),
        (0, ty, Err(Ub::NullAccess)),
        (0x1000, i64, Ok(())),
        (0x1000, i32, Err(Ub::WrongLocationType)),
        (0x1008, i64, Err(Ub::ExpiredLocation)),
        (0x0fff, i8, Err(Ub::ExpiredLocation)),
        (u64::MAX, i8, Err(Ub::ExpiredLocation)),
        (empty, void, Ok(())),
        (empty, i8, Err(Ub::WrongLocationType)),
    ] {
        assert_eq!(checker.check_iref(address, ty), verdict, "{:#x} {ty:?}", address.wrapping_sub(at));
        if let Some(kind) = world.layouts.known(ty).unwrap().scalar() {
            assert_eq!(checker.check_leaf(address, kind, ty), verdict);
        }
    }
    let strict = Checker { strict: true, ..checker };
    assert_eq!(strict.check_iref(at + 24, weak), Ok(()));
    assert_eq!(strict.check_iref(at + 24, r64), Err(Ub::WrongLocationType), "a weakref is not a ref");
    assert_eq!(checker.check_field(at + 8, inner, 1), Ok(at + 12));
    assert_eq!(checker.check_field(0, inner, 1), Err(Ub::NullAddressing));
    assert_eq!(checker.check_field(at + 4, inner, 1), Err(Ub::WrongLocationType));
    world.cells.0.clear();
    assert_eq!(
        world.checker().check_iref(0x1000, i64),
        Err(Ub::ExpiredLocation),
        "alloca cells are not remembered"
    );
}

#[test]
fn shifting_stays_in_the_memory_array() {
    let mut world = World::new();
    let t = &mut world.types;
    let (i64, float) = (t.int(64), t.0.intern(Type::Float));
    let void = t.0.intern(Type::Void);
    let vector = t.vector(float, 4);
    let row = t.array(vector, 10);
    let matrix = t.array(row, 20);
    let hybrid = t.hybrid(&[i64], matrix);
    world.lay_out(&[hybrid, void, i64]);
    // hybrid<int<64> array<array<vector<float 4> 10> 20>> with 2 elements: 1600 floats from offset 16
    let unit = world.new_object(hybrid, 2);
    let (first, size) = (unit + 16, 2 * 20 * 10 * 16);
    let checker = world.checker();
    for (elem, stride) in [(float, 4), (vector, 16), (row, 160), (matrix, 3200)] {
        let count = size / stride;
        for (from, delta, to) in [
            (0, 0, Some(0)),
            (0, 1, Some(1)),
            (0, count - 1, Some(count - 1)),
            (0, count, None),
            (0, -1, None),
            (count - 1, 1, None),
            (count - 1, 1 - count, Some(0)),
            (count / 2, -count / 2 - 1, None),
            (0, i64::MAX, None),
            (0, i64::MIN, None),
        ] {
            let from = first + (from * stride) as u64;
            let to = to.map(|index| first + (index * stride) as u64).ok_or(Ub::OutsideArray);
            assert_eq!(checker.check_shift(from, elem, i128::from(delta)), to, "{elem:?} {delta}");
        }
    }
    assert_eq!(checker.check_shift(first, float, i128::MIN), Err(Ub::OutsideArray));
    assert_eq!(checker.check_shift(first + 2, float, 1), Err(Ub::WrongLocationType));
    assert_eq!(checker.check_shift(unit, i64, 0), Ok(unit));
    assert_eq!(checker.check_shift(unit, i64, 1), Err(Ub::OutsideArray));
    assert_eq!(checker.check_shift(first, void, 1), Err(Ub::OutsideArray));
    assert_eq!(checker.check_shift(0, float, 0), Err(Ub::NullAddressing));
    assert_eq!(checker.check_shift(first + size as u64, float, 0), Err(Ub::ExpiredLocation));
    assert_eq!(checker.check_element(first, row, 9), Ok(first + 144));
    assert_eq!(checker.check_element(first, row, 10), Ok(first + 160), "still the same memory array");
    assert_eq!(checker.check_element(first, row, 400), Err(Ub::OutsideArray));
    assert_eq!(checker.check_element(first, vector, -1), Err(Ub::OutsideArray));
    assert_eq!(checker.check_element(unit, row, 0), Err(Ub::WrongLocationType));
    assert_eq!(checker.check_var_part(unit, hybrid), Ok(first));
    assert_eq!(checker.check_var_part(0, hybrid), Err(Ub::NullAddressing));
    assert_eq!(checker.check_var_part(first, hybrid), Err(Ub::WrongLocationType));
    let none = world.new_object(hybrid, 0);
    assert_eq!(world.checker().check_var_part(none, hybrid), Err(Ub::EmptyVarPart));
}

#[test]
fn structs_separate_memory_arrays() {
    let mut world = World::new();
    let t = &mut world.types;
    let i16 = t.int(16);
    let triple = t.array(i16, 3);
    let pair = t.structure(&[triple, triple]);
    let array = t.array(pair, 4);
    world.lay_out(&[array]);
    let at = world.new_object(array, 0);
    let checker = world.checker();
    assert_eq!(checker.check_shift(at, i16, 2), Ok(at + 4));
    assert_eq!(checker.check_shift(at, i16, 3), Err(Ub::OutsideArray), "the next field is another array");
    assert_eq!(checker.check_shift(at + 6, i16, -1), Err(Ub::OutsideArray));
    assert_eq!(checker.check_shift(at + 18, i16, 2), Ok(at + 22));
    assert_eq!(checker.check_shift(at, triple, 1), Err(Ub::OutsideArray), "fields are no array");
    assert_eq!(checker.check_shift(at, triple, 0), Ok(at));
    assert_eq!(checker.check_shift(at + 12, pair, 2), Ok(at + 36));
    assert_eq!(checker.check_shift(at + 12, pair, 3), Err(Ub::OutsideArray));
    // A vector without padding is part of the memory array too.
    let mut world = World::new();
    let i16 = world.types.int(16);
    let vector = world.types.vector(i16, 3);
    let array = world.types.array(vector, 4);
    world.lay_out(&[array]);
    let at = world.new_object(array, 0);
    assert_eq!(world.checker().check_shift(at, i16, 11), Ok(at + 22));
    assert_eq!(world.checker().check_shift(at, i16, 12), Err(Ub::OutsideArray));
}

/// Misaligned atomic operations of all kinds go under one lock: none sees half of another.
#[test]
fn misaligned_atomic_operations_do_not_tear() {
    let memory = Memory::new();
    let mut buffer = Buffer([0; 64]);
    let base = buffer.address();
    let is_whole = |value: u64| value == 0 || value == u64::MAX;
    std::thread::scope(|scope| {
        let (memory, int64) = (&memory, LeafKind::Int(64));
        scope.spawn(move || {
            for turn in 0..20_000u64 {
                let value = if turn % 2 == 0 { u64::MAX } else { 0 };
                memory.store_word(base + 3, int64, value, MemOrder::SeqCst);
                memory.store_u128(
                    base + 21,
                    LeafKind::Int(128),
                    u128::from(value) << 64 | u128::from(value),
                    MemOrder::SeqCst,
                );
            }
        });
        for _ in 0..20_000 {
            assert!(is_whole(memory.load_word(base + 3, int64, MemOrder::SeqCst)));
            let old = memory.atomic_rmw(base + 3, int64, RmwOp::Nand, u64::MAX, MemOrder::SeqCst);
            assert!(is_whole(old), "{old:#x}");
            let wide = memory.load_u128(base + 21, LeafKind::Int(128), MemOrder::SeqCst);
            assert!(wide == 0 || wide == u128::MAX, "{wide:#x}");
        }
    });
}
