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

/// Whether two nodes are the same, by the definition: the largest relation in which related nodes have equal parameters
/// and related children.
fn bisimilar(store: &TypeStore, a: Node, b: Node) -> bool {
    let mut pairs = vec![(a, b)];
    let mut done = 0;
    while done < pairs.len() {
        let (a, b) = pairs[done];
        done += 1;
        if store.parameters(a) != store.parameters(b) {
            return false;
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        store.each_child(a, |child| left.push(child));
        store.each_child(b, |child| right.push(child));
        for pair in left.into_iter().zip(right) {
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    true
}

fn check_all(store: &TypeStore) {
    for a in 0..store.type_count() {
        for b in 0..a {
            let (a, b) = (TypeId::new(a), TypeId::new(b));
            assert_eq!(store.same(a, b), bisimilar(store, Node::Type(a), Node::Type(b)), "{a:?} {b:?}");
        }
    }
    for a in 0..store.sig_count() {
        for b in 0..a {
            let (a, b) = (SigId::new(a), SigId::new(b));
            assert_eq!(store.same_sig(a, b), bisimilar(store, Node::Sig(a), Node::Sig(b)), "{a:?} {b:?}");
        }
    }
}

/// Appends some types and signatures that refer to each other and to older ones at random.
fn append_some(store: &mut TypeStore, random: &mut Random) {
    let (old_types, old_sigs) = (store.type_count(), store.sig_count());
    let (types, sigs) = (1 + random.below(6), random.below(3));
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
