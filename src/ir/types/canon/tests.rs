//! Settling against the definition: a pair of types is the same when no unfolding tells them apart.

use super::*;
use crate::ids::MuId;

/// A small generator (xorshift), so that failures can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// The classes of all types and signatures by the definition, the largest relation in which related nodes have equal
/// parameters and related children: told apart level by level until nothing changes.
fn classes_by_definition(store: &TypeStore) -> HashMap<Node, usize, FixedHasher> {
    let types = (0..store.type_count()).map(|ty| Node::Type(TypeId::new(ty)));
    let nodes: Vec<Node> =
        types.chain((0..store.sig_count()).map(|sig| Node::Sig(SigId::new(sig)))).collect();
    let mut class_of: HashMap<Node, usize, FixedHasher> = nodes.iter().map(|&node| (node, 0)).collect();
    let mut count = 1;
    loop {
        let mut classes: HashMap<Vec<usize>, usize, FixedHasher> = HashMap::default();
        let mut next = HashMap::default();
        for &node in &nodes {
            let mut key: Vec<usize> = store.parameters(node).iter().map(|&part| part as usize).collect();
            store.each_child(node, |child| key.push(class_of[&child]));
            let fresh = classes.len();
            next.insert(node, *classes.entry(key).or_insert(fresh));
        }
        class_of = next;
        if classes.len() == count {
            return class_of;
        }
        count = classes.len();
    }
}

/// Representatives are the lowest members of their classes, and what one would look up is found.
fn check_all(store: &TypeStore) {
    let class_of = classes_by_definition(store);
    let mut first: HashMap<usize, Node, FixedHasher> = HashMap::default();
    let types = (0..store.type_count()).map(|ty| Node::Type(TypeId::new(ty)));
    for node in types.chain((0..store.sig_count()).map(|sig| Node::Sig(SigId::new(sig)))) {
        let canon = store.canon_node(node);
        assert_eq!(store.canon_node(canon), canon);
        assert_eq!(class_of[&canon], class_of[&node], "{node:?} is not {canon:?}");
        assert_eq!(
            *first.entry(class_of[&node]).or_insert(canon),
            canon,
            "{node:?} has another representative"
        );
        if let Node::Type(ty) = node {
            assert_eq!(store.find(store.get(ty)), Some(store.canon(ty)));
        }
    }
}

/// Appends some types and signatures that refer to each other and to older ones at random.
fn append_some(store: &mut TypeStore, random: &mut Random) {
    let (old_types, old_sigs) = (store.type_count(), store.sig_count());
    let size = 1 << (1 + random.below(4));
    let (types, sigs) = (1 + random.below(size), random.below(3));
    let new_types: Vec<(MuId, Type)> = (0..types)
        .map(|_| {
            let mut ty = || TypeId::new(random.below(old_types + types));
            let (a, b) = (ty(), ty());
            let ctor = match random.below(6) {
                0 => Type::Int(64),
                1 => Type::Ref(a),
                2 | 3 => Type::Struct([a, b].into()),
                4 if old_sigs + sigs > 0 => Type::FuncRef(SigId::new(random.below(old_sigs + sigs))),
                _ => Type::Ref(b),
            };
            (MuId::NONE, ctor)
        })
        .collect();
    let new_sigs = (0..sigs)
        .map(|_| {
            let mut list =
                || (0..random.below(3)).map(|_| TypeId::new(random.below(old_types + types))).collect();
            (MuId::NONE, Signature { params: list(), rets: list() })
        })
        .collect();
    store.append(new_types, new_sigs);
}

#[test]
fn representatives_agree_with_the_definition() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3000 {
        let mut store = TypeStore::default();
        for _ in 0..1 + random.below(4) {
            append_some(&mut store, &mut random);
        }
        check_all(&store);
    }
}

#[test]
fn representatives_agree_after_truncation() {
    let mut random = Random(77);
    for _ in 0..1000 {
        let mut store = TypeStore::default();
        append_some(&mut store, &mut random);
        let mark = store.mark();
        append_some(&mut store, &mut random);
        append_some(&mut store, &mut random);
        store.truncate(mark);
        append_some(&mut store, &mut random);
        check_all(&store);
    }
}

#[test]
fn a_cycle_through_an_older_equal_cycle_is_found() {
    // @node = struct<@ref @ref>, @ref = ref<@node>; then @node2 = struct<@ref @ref2>, @ref2 = ref<@node2>
    let pair = |a: u32, b: u32| (MuId::NONE, Type::Struct([TypeId(a), TypeId(b)].into()));
    let mut store = TypeStore::default();
    store.append(vec![pair(1, 1), (MuId::NONE, Type::Ref(TypeId(0)))], vec![]);
    store.append(vec![pair(1, 3), (MuId::NONE, Type::Ref(TypeId(2)))], vec![]);
    assert!(store.same(TypeId(0), TypeId(2)) && store.same(TypeId(1), TypeId(3)));
}

/// Types `shape(base)` appended, where `base` is the id of the first.
fn append_at(store: &mut TypeStore, shape: impl Fn(u32) -> Vec<Type>) -> u32 {
    let base = store.type_count() as u32;
    store.append(shape(base).into_iter().map(|ctor| (MuId::NONE, ctor)).collect(), vec![]);
    base
}

fn pair(a: u32, b: u32) -> Type {
    Type::Struct([TypeId(a), TypeId(b)].into())
}

#[test]
fn recursive_types_are_found_however_they_are_written() {
    let mut store = TypeStore::default();
    let int = append_at(&mut store, |_| vec![Type::Int(64)]);
    // @t = struct<@i64 @r>, @r = ref<@t>
    let t = append_at(&mut store, |base| vec![pair(int, base + 1), Type::Ref(TypeId(base))]);
    let same = |store: &TypeStore, a: u32, b: u32| store.same(TypeId(a), TypeId(b));
    // Not recursive itself: @u = struct<@i64 @r>, and its own ref<@t>.
    let u =
        append_at(&mut store, |base| vec![pair(int, t + 1), Type::Ref(TypeId(base)), Type::Ref(TypeId(t))]);
    assert!(same(&store, t, u) && same(&store, t + 1, u + 1) && same(&store, t + 1, u + 2));
    // Unrolled three times.
    let v = append_at(&mut store, |base| {
        (0..3)
            .flat_map(|n| [pair(int, base + 2 * n + 1), Type::Ref(TypeId(base + (2 * n + 2) % 6))])
            .collect()
    });
    assert!((0..3).all(|n| same(&store, t, v + 2 * n) && same(&store, t + 1, v + 2 * n + 1)));
    // With a longer way in: @w = struct<@i64 @x>, @x = ref<@y>, @y = struct<@i64 @z>, @z = ref<@y>
    let w = append_at(&mut store, |base| {
        let r = |to: u32| Type::Ref(TypeId(base + to));
        vec![pair(int, base + 1), r(2), pair(int, base + 3), r(2)]
    });
    assert!((0..4).all(|n| same(&store, t + n % 2, w + n)));
    // Another integer makes another type.
    let o =
        append_at(&mut store, |base| vec![pair(base + 2, base + 1), Type::Ref(TypeId(base)), Type::Int(32)]);
    assert!(!same(&store, t, o) && !same(&store, t + 1, o + 1));
    check_all(&store);
}

#[test]
fn a_part_of_an_older_cycle_is_found() {
    // @c = struct<@c @r>, @r = ref<@c>; then @d = struct<@d @r>, which is @c: a cycle of one node in one of two
    let mut store = TypeStore::default();
    let c = append_at(&mut store, |base| vec![pair(base, base + 1), Type::Ref(TypeId(base))]);
    let d = append_at(&mut store, |base| vec![pair(base, c + 1), pair(c, base), pair(base, base + 1)]);
    assert!(store.same(TypeId(c), TypeId(d)));
    check_all(&store);
}

#[test]
fn recursion_through_signatures() {
    // @s = (@f) -> (), @f = funcref<@s>, twice in one append and once more
    let mut store = TypeStore::default();
    let both = |store: &mut TypeStore| {
        let (ty, sig) = (store.type_count() as u32, store.sig_count() as u32);
        let sigs =
            (0..2).map(|n| (MuId::NONE, Signature { params: [TypeId(ty + n)].into(), rets: [].into() }));
        let types = (0..2).map(|n| (MuId::NONE, Type::FuncRef(SigId(sig + (1 - n)))));
        store.append(types.collect(), sigs.collect());
    };
    both(&mut store);
    both(&mut store);
    assert!((1..4).all(|n| store.same(TypeId(0), TypeId(n)) && store.same_sig(SigId(0), SigId(n))));
    check_all(&store);
}

#[test]
fn truncate_restores_the_tables() {
    let mut random = Random(4711);
    for _ in 0..300 {
        let mut store = TypeStore::default();
        append_some(&mut store, &mut random);
        append_some(&mut store, &mut random);
        let sizes = |store: &TypeStore| {
            let cycles = &store.cycles;
            let lists: usize = cycles.by_levels.values().map(Vec::len).sum();
            let tables = (store.type_table.len(), store.sig_table.len(), cycles.by_form.len());
            (tables, cycles.cycles.len(), cycles.place_of.len(), lists)
        };
        let (before, mark) = (sizes(&store), store.mark());
        append_some(&mut store, &mut random);
        append_some(&mut store, &mut random);
        store.truncate(mark);
        assert_eq!(sizes(&store), before);
        check_all(&store);
    }
}

const MANY: usize = 100_000;

#[test]
fn long_chains_and_long_cycles_settle_quickly() {
    let mut store = TypeStore::default();
    let end = |n: usize| if n == 0 { Type::Int(64) } else { Type::Struct([TypeId::new(n - 1)].into()) };
    store.append((0..MANY).map(|n| (MuId::NONE, end(n))).collect(), vec![]);
    assert!(!store.same(TypeId(5), TypeId(6)));
    // The same chain again, defined the other way round.
    let base = store.type_count();
    let reversed = |n: usize| {
        let ctor = if n + 1 == MANY { Type::Int(64) } else { Type::Ref(TypeId::new(base + n + 1)) };
        (MuId::NONE, ctor)
    };
    store.append((0..MANY).map(reversed).collect(), vec![]);
    // A ring of references with one struct in it, twice: every node differs from every other of its ring.
    let ring = |base: usize| {
        (0..MANY)
            .map(|n| {
                let next = TypeId::new(base + (n + 1) % MANY);
                (MuId::NONE, if n == 0 { Type::Struct([next].into()) } else { Type::Ref(next) })
            })
            .collect()
    };
    let first = store.type_count();
    store.append(ring(first), vec![]);
    let second = store.type_count();
    store.append(ring(second), vec![]);
    assert!(store.same(TypeId::new(first + 7), TypeId::new(second + 7)));
    assert!(!store.same(TypeId::new(first + 7), TypeId::new(first + 8)));
}

/// A ring of references, an iref for each bit of a word that is set.
fn ring(base: u32, len: u32, word: u64) -> Vec<Type> {
    let next = |n: u32| TypeId(base + (n + 1) % len);
    (0..len)
        .map(|n| if n < 64 && word >> n & 1 == 1 { Type::IRef(next(n)) } else { Type::Ref(next(n)) })
        .collect()
}

#[test]
fn cycles_that_look_alike_for_long() {
    // Three marks in rings of 60 nodes: any two rings agree on many long ways. 10,000 of them, and the same again,
    // begun elsewhere.
    let word = |n: u64| 1 | 1 << (1 + n % 29) | 1 << (30 + n / 29 % 30);
    let turned = |word: u64, turn: u32| (word << turn | word >> (60 - turn)) & ((1 << 60) - 1);
    let mut different: Vec<u64> =
        (0..870).filter_map(|n| (0..60).map(|turn| turned(word(n), turn)).min()).collect();
    different.sort_unstable();
    different.dedup();
    let all = |store: &mut TypeStore, turn: u32| {
        append_at(store, |base| {
            let one = |n: u32| ring(base + 60 * n, 60, turned(word(u64::from(n) % 870), turn));
            (0..10_000).flat_map(one).collect()
        })
    };
    let mut store = TypeStore::default();
    let first = all(&mut store, 0);
    assert_eq!(store.cycles.cycles.len(), different.len());
    let second = all(&mut store, 17);
    assert_eq!(store.cycles.cycles.len(), different.len());
    assert!((0..10_000).all(|n| store.same(TypeId(first + 60 * n), TypeId(second + 60 * n + 17))));
}

#[test]
fn rings_of_all_lengths() {
    let mut store = TypeStore::default();
    append_at(&mut store, |base| {
        let mut types = Vec::new();
        for len in 2..500 {
            types.extend(ring(base + types.len() as u32, len, 1));
        }
        types
    });
    assert_eq!(store.cycles.cycles.len(), 498);
}

#[test]
fn small_cycles_over_a_large_one_do_not_walk_it() {
    // One ring of structs, of which each refers to itself; then cycles that refer to it, and are or are not parts of it.
    let mut store = TypeStore::default();
    let int = append_at(&mut store, |_| vec![Type::Int(64)]);
    let many = MANY as u32 / 2;
    let triple = |a: u32, b: u32, c: u32| Type::Struct([TypeId(a), TypeId(b), TypeId(c)].into());
    let c = append_at(&mut store, |base| {
        (0..many)
            .map(|n| triple(if n == 0 { int } else { base + n }, base + n, base + (n + 1) % many))
            .collect()
    });
    let d = append_at(&mut store, |base| {
        let parts = (1..many).map(|n| triple(base + n - 1, base + n - 1, c + (n + 1) % many));
        parts.chain((1..many).map(|n| triple(base + many + n - 2, c + n, c + n))).collect()
    });
    assert!((1..many).all(|n| store.same(TypeId(c + n), TypeId(d + n - 1))));
    assert_eq!(store.cycles.cycles.len(), many as usize);
}

#[test]
fn the_budget_bounds_what_looks_alike() {
    // A hub with many chains that differ at their ends, and cycles over the hub that could be any of them.
    let mut store = TypeStore::default();
    let chains = 200;
    let long = 50;
    let hub = append_at(&mut store, |base| {
        let node = |chain: u32, at: u32| base + 1 + chain * (long + 1) + at;
        let mut types = vec![Type::Struct((0..chains).map(|chain| TypeId(node(chain, 0))).collect())];
        for chain in 0..chains {
            types.extend((0..long).map(|at| pair(base, node(chain, at + 1))));
            types.push(Type::Array(TypeId(node(chain, 0)), u64::from(chain)));
        }
        types
    });
    append_at(&mut store, |base| {
        let node = |chain: u32, at: u32| base + chain * (long + 1) + at;
        (0..20 * chains)
            .flat_map(|chain| {
                let last = Type::Array(TypeId(node(chain, 0)), u64::from(chain) + 7);
                (0..long).map(move |at| pair(hub, node(chain, at + 1))).chain([last])
            })
            .collect()
    });
    assert!(!store.same(TypeId(hub), TypeId(hub + 1)));
}
