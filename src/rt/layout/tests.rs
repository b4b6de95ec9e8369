use super::*;
use mu_ir::ids::{MuId, SigId};
use mu_ir::types::{Signature, Type};

/// A type store with helpers.
pub(crate) struct Types(pub TypeStore);

impl Types {
    pub(crate) fn new() -> Types {
        let mut store = TypeStore::default();
        store.append(vec![], vec![(MuId::NONE, Signature { params: [].into(), rets: [].into() })]);
        Types(store)
    }

    pub(crate) fn int(&mut self, width: u32) -> TypeId {
        self.0.intern(Type::Int(width))
    }

    pub(crate) fn structure(&mut self, fields: &[TypeId]) -> TypeId {
        self.0.intern(Type::Struct(fields.into()))
    }

    pub(crate) fn array(&mut self, elem: TypeId, count: u64) -> TypeId {
        self.0.intern(Type::Array(elem, count))
    }

    pub(crate) fn vector(&mut self, elem: TypeId, count: u64) -> TypeId {
        self.0.intern(Type::Vector(elem, count))
    }

    pub(crate) fn hybrid(&mut self, fixed: &[TypeId], var: TypeId) -> TypeId {
        self.0.intern(Type::Hybrid { fixed: fixed.into(), var })
    }

    pub(crate) fn reference(&mut self, to: TypeId) -> TypeId {
        self.0.intern(Type::Ref(to))
    }
}

/// The generator of the random tests.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A random memory type of bounded size, without voids and hybrids.
pub(crate) fn random_type(types: &mut Types, random: &mut Random, depth: u32) -> TypeId {
    let void = types.0.intern(Type::Void);
    match random.below(if depth == 0 { 9 } else { 14 }) {
        0 | 1 => {
            let width = [1, 8, 16, 32, 64, 128, 6, 52, 33, 17][random.below(10) as usize];
            types.int(width)
        }
        2 => types.0.intern(Type::Float),
        3 => types.0.intern(Type::Double),
        4 => types.reference(void),
        5 => types.0.intern(Type::IRef(void)),
        6 => types.0.intern(Type::WeakRef(void)),
        7 => types.0.intern(Type::TagRef64),
        8 => types.0.intern(Type::UFuncPtr(SigId(0))),
        9 | 10 => {
            let fields: Vec<_> =
                (0..1 + random.below(5)).map(|_| random_type(types, random, depth - 1)).collect();
            types.structure(&fields)
        }
        11 | 12 => {
            let elem = random_type(types, random, depth - 1);
            types.array(elem, 1 + random.below(5))
        }
        _ => {
            let elem = random_type(types, random, 0);
            types.vector(elem, 1 + random.below(9))
        }
    }
}

/// The rules of C, told independently: (size, align), and the leaves found on the way.
fn model(types: &TypeStore, ty: TypeId, at: u64, leaves: &mut Vec<(u64, LeafKind)>) -> (u64, u64) {
    let up = |x: u64, a: u64| x.div_ceil(a) * a;
    match types.get(ty) {
        Type::Struct(fields) => {
            let (mut end, mut align) = (0, 1);
            for &field in fields {
                let (size, field_align) = model(types, field, 0, &mut Vec::new());
                end = up(end, field_align);
                model(types, field, at + end, leaves);
                end += size;
                align = field_align.max(align);
            }
            (up(end, align), align)
        }
        Type::Array(elem, n) | Type::Vector(elem, n) => {
            let (size, mut align) = model(types, *elem, at, &mut Vec::new());
            (0..*n).for_each(|i| {
                model(types, *elem, at + i * size, leaves);
            });
            if matches!(types.get(ty), Type::Vector(..)) {
                while align < 64 && size * n % (align * 2) == 0 {
                    align *= 2;
                }
            }
            (size * n, align)
        }
        scalar => {
            let kind = scalar_kind(scalar).unwrap();
            let size = match scalar {
                Type::Int(n) => u64::from(n.div_ceil(8).next_power_of_two()),
                Type::Float => 4,
                _ => 8,
            };
            leaves.push((at, kind));
            (size, size)
        }
    }
}

#[test]
fn layouts_are_those_of_c() {
    let (mut types, mut random, layouts) = (Types::new(), Random::new(1), Layouts::new());
    for _ in 0..2000 {
        let ty = random_type(&mut types, &mut random, 3);
        let mut expected = Vec::new();
        let (size, align) = model(&types.0, ty, 0, &mut expected);
        let layout = layouts.of(&types.0, ty);
        assert_eq!((layout.size_bytes, layout.align_bytes), (size, align), "{:?}", types.0.get(ty));
        let leaves = layouts.leaves(&types.0, ty).unwrap();
        let found: Vec<_> = leaves.iter().map(|leaf| (leaf.offset_bytes, leaf.kind)).collect();
        assert_eq!(found, expected);
        let mut word = 0;
        for leaf in leaves {
            assert_eq!(leaf.word, word);
            word += leaf.kind.words();
        }
        assert_eq!(layouts.words(&types.0, ty), Some(word));
        // Looking up a byte finds the leaf that begins there and no other.
        for offset in 0..size + 2 {
            let expected = expected.iter().find(|leaf| leaf.0 == offset).map(|leaf| leaf.1);
            assert_eq!(layouts.leaf_at(types.0.canon(ty), 0, offset).map(|(_, kind)| kind), expected);
        }
        let mut refs = Vec::new();
        layouts.for_each_ref(types.0.canon(ty), 0, |offset, kind| refs.push((offset, kind)));
        expected.retain(|leaf| leaf.1.is_root());
        assert_eq!(refs, expected);
    }
}

#[test]
fn hybrids_end_in_a_flexible_array() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let (i8, i16, i64) = (types.int(8), types.int(16), types.int(64));
    let r = types.reference(i64);
    let pair = types.structure(&[i8, r]);
    let hybrid = types.hybrid(&[i64, i8], i16);
    let layout = layouts.of(&types.0, hybrid);
    let Shape::Hybrid { var_offset, stride, .. } = layout.shape else { panic!() };
    assert_eq!((var_offset, stride, layout.align_bytes, layout.size_bytes), (10, 2, 8, 10));
    assert_eq!(
        (layout.unit_size(3), layout.unit_size(u64::MAX), layout.unit_size(1 << 63)),
        (Some(16), None, None)
    );
    assert_eq!(layouts.leaf_at(hybrid, 2, 12).map(|(_, kind)| kind), Some(LeafKind::Int(16)));
    assert_eq!(layouts.leaf_at(hybrid, 2, 14), None);
    assert_eq!(layouts.leaf_at(hybrid, 0, 8).map(|(_, kind)| kind), Some(LeafKind::Int(8)));
    assert_eq!((layouts.leaves(&types.0, hybrid), layouts.words(&types.0, hybrid)), (None, None));

    let bare = types.hybrid(&[], pair);
    let layout = layouts.of(&types.0, bare);
    assert_eq!((layout.size_bytes, layout.align_bytes), (0, 8));
    let mut refs = Vec::new();
    layouts.for_each_ref(bare, 3, |offset, kind| refs.push((offset, kind)));
    assert_eq!(refs, [(8, LeafKind::Ref), (24, LeafKind::Ref), (40, LeafKind::Ref)]);
    layouts.for_each_ref(bare, 0, |_, _| panic!("no elements"));
}

#[test]
fn vectors_are_aligned_without_padding() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let (i32, double) = (types.int(32), types.0.intern(Type::Double));
    for (elem, count, size, align) in [
        (i32, 4, 16, 16),
        (double, 2, 16, 16),
        (double, 4, 32, 32),
        (i32, 3, 12, 4),
        (i32, 1, 4, 4),
        (double, 64, 512, 64),
    ] {
        let vector = types.vector(elem, count);
        let layout = layouts.of(&types.0, vector);
        assert_eq!((layout.size_bytes, layout.align_bytes), (size, align));
    }
}

#[test]
fn huge_types_are_too_large_and_harmless() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let (i8, i64) = (types.int(8), types.int(64));
    let half = types.array(i8, 1 << 63);
    let r = types.reference(half);
    let row = types.array(r, 1 << 40);
    for ty in [
        types.array(i8, u64::MAX),
        types.array(i64, (1 << 61) + 1),
        types.array(i64, 1 << 61),
        types.array(i8, 1 << 47),
        types.array(row, 1 << 40),
        types.structure(&[half, half]),
        types.structure(&[half, half, i8, r]),
        types.hybrid(&[half, i64], r),
        types.vector(i64, u64::MAX),
    ] {
        let layout = layouts.of(&types.0, ty);
        assert!(layout.is_too_large() && layout.size().is_none() && layout.unit_size(1).is_none());
        assert_eq!((layouts.leaves(&types.0, ty), layouts.words(&types.0, ty)), (None, None));
    }
    let big = types.array(i8, (1 << 47) - 8);
    assert_eq!(layouts.of(&types.0, big).size(), Some((1 << 47) - 8));
    let many = types.array(i8, 65_536);
    assert_eq!(layouts.leaves(&types.0, many).unwrap().len(), 65_536);
    let too_many = types.array(i8, 65_537);
    assert_eq!(layouts.leaves(&types.0, too_many), None);
}

#[test]
fn depth_and_doubling_cost_little() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let void = types.0.intern(Type::Void);
    let r = types.reference(void);
    // A chain of structs: @s0 = struct<uptr<array<int<8> 0>> ref<void>>, @s1 = struct<uptr<array<int<8> 1>> @s0>, …
    // (The pointers give the type store something to tell them apart quickly.)
    let i8 = types.int(8);
    let first = types.0.type_count() as u32;
    let length = 50_000;
    let mut definitions = Vec::new();
    for index in 0..length {
        let at = first + index * 3;
        definitions.push((MuId::NONE, Type::Array(i8, u64::from(index))));
        definitions.push((MuId::NONE, Type::UPtr(TypeId(at))));
        let below = if index == 0 { r } else { TypeId(at - 1) };
        definitions.push((MuId::NONE, Type::Struct([TypeId(at + 1), below].into())));
    }
    types.0.append(definitions, vec![]);
    let deep = TypeId(first + length * 3 - 1);
    let size = u64::from(length + 1) * 8;
    assert_eq!(layouts.of(&types.0, deep).size(), Some(size));
    assert_eq!(layouts.leaves(&types.0, deep).unwrap().len() as u64, size / 8);
    assert_eq!(layouts.leaf_at(types.0.canon(deep), 0, size - 8).map(|(_, kind)| kind), Some(LeafKind::Ref));
    // 2^30 references without an array: the map stays short.
    let mut ty = r;
    for _ in 0..30 {
        ty = types.structure(&[ty, ty]);
    }
    let layout = layouts.of(&types.0, ty);
    assert_eq!(layout.size(), Some(8 << 30));
    assert!(layout.refs.len() <= 64);
    assert_eq!(layouts.leaves(&types.0, ty), None);
    let wide: Vec<_> = (0..50_000).map(|_| r).collect();
    let wide = types.structure(&wide);
    let mut count = 0;
    layouts.of(&types.0, wide);
    layouts.for_each_ref(wide, 0, |offset, _| {
        assert_eq!(offset, count * 8);
        count += 1;
    });
    assert_eq!(count, 50_000);
}

/// The leaves of every level of a chain of structs, counted in steps: at most a few for each leaf there is.
#[test]
fn leaves_of_deep_chains_are_found_in_few_steps() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let (i64, void) = (types.int(64), types.0.intern(Type::Void));
    let nothing = types.array(i64, 0);
    let pair = types.structure(&[i64, i64]);
    let first = types.0.type_count() as u32;
    let length = 20_000;
    let mut definitions = Vec::new();
    for index in 0..length {
        // Levels of all kinds that add no leaf, and from time to time one that adds one.
        let below = if index == 0 { pair } else { TypeId(first + index - 1) };
        definitions.push((
            MuId::NONE,
            match index % 4000 {
                3999 => Type::Struct([below, i64].into()),
                other if other % 3 == 0 => Type::Struct([void, below, nothing].into()),
                other if other % 3 == 1 => Type::Array(below, 1),
                _ => Type::Struct([below].into()),
            },
        ));
    }
    types.0.append(definitions, vec![]);
    let mut leaf_count = 0;
    for index in 0..length {
        let leaves = layouts.leaves(&types.0, TypeId(first + index)).unwrap();
        let offsets: Vec<u64> = leaves.iter().map(|leaf| leaf.offset_bytes).collect();
        let expected = u64::from(2 + (index + 1) / 4000);
        assert_eq!(offsets, (0..expected).map(|word| word * 8).collect::<Vec<_>>());
        leaf_count += expected;
    }
    // Nor does the collector go through the levels.
    let mut chain = types.reference(void);
    for _ in 0..1000 {
        let array = types.array(chain, 1);
        chain = types.structure(&[array]);
    }
    let reference = RefEntry::One { offset_bytes: 0, kind: LeafKind::Ref };
    assert_eq!(*layouts.of(&types.0, chain).refs, [reference]);
    let steps = layouts.leaf_steps.load(std::sync::atomic::Ordering::Relaxed);
    assert!(steps <= 4 * leaf_count, "{steps} steps for {leaf_count} leaves");
    assert!(steps < 200, "{steps} steps: chains share what was found");
}

#[test]
fn a_struct_that_contains_itself_does_not_hang() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let first = types.0.type_count() as u32;
    let structure = |ty: u32| Type::Struct([TypeId(first + ty), TypeId(first + 2)].into());
    types.0.append(
        vec![(MuId::NONE, structure(1)), (MuId::NONE, structure(0)), (MuId::NONE, Type::Int(0))],
        vec![],
    );
    for index in 0..3 {
        assert!(layouts.of(&types.0, TypeId(first + index)).is_too_large());
    }
}

#[test]
fn classes_ignore_referents_and_weakness() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let (i32, i64) = (types.int(32), types.int(64));
    let (a, b) = (types.reference(i32), types.reference(i64));
    let weak = types.0.intern(Type::WeakRef(i32));
    let (iref, ptr) = (types.0.intern(Type::IRef(i32)), types.0.intern(Type::UPtr(i32)));
    let [sa, sb, sw] = [a, b, weak].map(|ty| types.structure(&[i64, ty]));
    let (s1, array) = (types.structure(&[i64]), types.array(i64, 1));
    for ty in [i32, i64, a, b, weak, iref, ptr, sa, sb, sw, s1, array] {
        layouts.of(&types.0, ty);
    }
    for (x, y, same) in [
        (a, b, true),
        (a, weak, true),
        (a, iref, false),
        (ptr, i64, false),
        (sa, sb, true),
        (sa, sw, true),
        (s1, i64, false),
        (s1, array, false),
    ] {
        assert_eq!(layouts.same_class(x, y), same, "{:?} {:?}", types.0.get(x), types.0.get(y));
    }
}

#[test]
fn truncated_types_are_computed_anew() {
    let (mut types, mut layouts) = (Types::new(), Layouts::new());
    let i64 = types.int(64);
    // Enough types to reach the third segment of the table.
    for count in 1..=300 {
        let ty = types.array(i64, count);
        layouts.of(&types.0, ty);
    }
    let mark = types.0.mark();
    let kept = types.0.type_count();
    let lost = types.array(i64, 1000);
    assert_eq!(layouts.of(&types.0, lost).size(), Some(8000));
    types.0.truncate(mark);
    layouts.truncate(kept);
    assert!(layouts.known(lost).is_none());
    assert_eq!(types.array(i64, 2000), lost);
    assert_eq!(layouts.of(&types.0, lost).size(), Some(16000));
    assert_eq!(layouts.known(TypeId::new(kept - 1)).unwrap().size(), Some(2400));
}
