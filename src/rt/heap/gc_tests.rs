//! Collections of random object graphs, compared with a model.

use super::space::atomic;
use super::*;
use crate::layout::tests::{Random, Types};
use crate::layout::{Layout, Layouts, LeafKind, Shape};
use crate::os::is_readable;
use crate::stack::StackRef;
use mu_ir::semantics::tagref;
use mu_ir::types::Type;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Roots made of plain words.
#[derive(Default)]
pub(super) struct Slots {
    pub slots: Vec<(AtomicU64, LeafKind)>,
    pub pins: Vec<u64>,
    pub stacks: RefCell<BTreeMap<StackRef, Vec<(AtomicU64, LeafKind)>>>,
}

// SAFETY: the slots are atomic words that this value owns and nobody else touches during a collection.
unsafe impl Roots for Slots {
    fn pins(&self, visit: &mut dyn FnMut(u64)) {
        self.pins.iter().for_each(|&pin| visit(pin));
    }

    fn roots(&self, visit: &mut dyn FnMut(Root)) {
        self.slots.iter().for_each(|(slot, kind)| visit(Root::Slot(slot.as_ptr() as u64, *kind)));
    }

    fn stack(&self, stack: StackRef, visit: &mut dyn FnMut(Root)) -> bool {
        let stacks = self.stacks.borrow();
        let Some(slots) = stacks.get(&stack) else { return false };
        slots.iter().for_each(|(slot, kind)| visit(Root::Slot(slot.as_ptr() as u64, *kind)));
        true
    }
}

impl Slots {
    pub(super) fn get(&self, at: usize) -> u64 {
        self.slots[at].0.load(Ordering::Relaxed)
    }

    fn set(&self, at: usize, word: u64) {
        self.slots[at].0.store(word, Ordering::Relaxed);
    }
}

fn word(address: u64) -> &'static AtomicU64 {
    // SAFETY: tests give addresses of words in live objects, and the heap outlives the use.
    unsafe { atomic(address) }
}

/// A type of the model: where its references are, and of which kind.
struct Kind {
    ty: TypeId,
    refs: Vec<(u64, LeafKind)>,
}

/// What an object should be.
#[derive(Clone)]
struct Model {
    kind: usize,
    count: u64,
    /// Targets by the index of the reference.
    targets: Vec<Option<u64>>,
}

struct World {
    heap: Heap,
    layouts: Layouts,
    kinds: Vec<Kind>,
    buffer: AllocBuffer,
    roots: Slots,
    /// Objects by their number, which each carries in its first word.
    model: BTreeMap<u64, Model>,
    /// What each root slot refers to: an object and an offset in it.
    root_targets: Vec<Option<(u64, u64)>>,
    pins: Vec<(u64, u64)>,
    next: u64,
    random: Random,
}

const ROOTS: usize = 24;

impl World {
    fn new(seed: u64, config: HeapConfig) -> World {
        let (mut types, layouts) = (Types::new(), Layouts::new());
        let i64 = types.int(64);
        let void = types.0.intern(Type::Void);
        let r = types.reference(void);
        let weak = types.0.intern(Type::WeakRef(void));
        let iref = types.0.intern(Type::IRef(void));
        let tag = types.0.intern(Type::TagRef64);
        let v16 = types.vector(i64, 4);
        let pairs = types.structure(&[i64, r]);
        let all = [
            types.structure(&[i64, r, r]),
            types.structure(&[i64, i64, i64]),
            types.structure(&[i64, weak, iref, tag, r]),
            types.structure(&[i64, v16, r]),
            types.hybrid(&[i64, r], r),
            types.hybrid(&[i64, iref], pairs),
            types.array(i64, 60),
            types.structure(&[i64, r, void]),
            types.array(i64, 700),
            types.array(pairs, 900),
        ];
        let kinds = all.into_iter().map(|ty| {
            layouts.of(&types.0, ty);
            Kind { ty, refs: Vec::new() }
        });
        let kinds = kinds.collect();
        let mut world = World {
            heap: Heap::new(config).unwrap(),
            layouts,
            kinds,
            buffer: AllocBuffer::default(),
            roots: Slots::default(),
            model: BTreeMap::new(),
            root_targets: vec![None; ROOTS],
            pins: Vec::new(),
            next: 1,
            random: Random::new(seed),
        };
        for at in 0..ROOTS {
            let kind = match at % 8 {
                6 => LeafKind::TagRef64,
                7 => LeafKind::IRef,
                _ => LeafKind::Ref,
            };
            world.roots.slots.push((AtomicU64::new(0), kind));
        }
        world
    }

    fn refs(&self, kind: usize, count: u64) -> Vec<(u64, LeafKind)> {
        let mut refs = self.kinds[kind].refs.clone();
        self.layouts.for_each_ref(self.kinds[kind].ty, count, |offset, leaf| refs.push((offset, leaf)));
        refs
    }

    fn allocate(&mut self) -> Option<u64> {
        let kind = match self.random.below(100) {
            0..=1 => 8 + self.random.below(2),
            2..=9 => 4 + self.random.below(2),
            10..=14 => 6,
            other => other % 4 + u64::from(other % 31 == 0) * 4,
        } as usize;
        let ty = self.kinds[kind].ty;
        let layout: &Layout = self.layouts.known(ty)?;
        let (mut count, heap) = (0, &self.heap);
        let address = match layout.shape {
            Shape::Hybrid { var_offset, stride, .. } => {
                let most = if self.random.below(20) == 0 { 300 } else { 9 };
                count = self.random.below(most);
                heap.alloc_hybrid_in(&mut self.buffer, ty, var_offset, stride, count, layout.align_bytes)?
            }
            _ => heap.alloc_fixed_in(&mut self.buffer, ty, layout.size_bytes, layout.align_bytes)?,
        };
        for offset in (8..layout.unit_size(count)?).step_by(8) {
            assert_eq!(word(address.0 + offset).load(Ordering::Relaxed), 0, "memory is zero");
        }
        word(address.0).store(self.next, Ordering::Relaxed);
        let targets = vec![None; self.refs(kind, count).len()];
        self.model.insert(self.next, Model { kind, count, targets });
        self.next += 1;
        Some(address.0)
    }

    /// A random reachable object, by walking from a random root.
    fn pick(&mut self) -> Option<u64> {
        let root = self.random.below(ROOTS as u64) as usize;
        let mut at = self.root_target(root)?;
        for _ in 0..self.random.below(30) {
            let model = &self.model[&word(at).load(Ordering::Relaxed)];
            let refs = self.refs(model.kind, model.count);
            if refs.is_empty() {
                break;
            }
            let index = self.random.below(refs.len() as u64) as usize;
            let (offset, kind) = refs[index];
            let model = &self.model[&word(at).load(Ordering::Relaxed)];
            match model.targets[index] {
                Some(_) => at = self.target_of(at + offset, kind)?,
                None => break,
            }
        }
        Some(at)
    }

    fn target_of(&self, slot: u64, kind: LeafKind) -> Option<u64> {
        let value = word(slot).load(Ordering::Relaxed);
        self.decode(value, kind)
    }

    fn decode(&self, value: u64, kind: LeafKind) -> Option<u64> {
        let address = if kind == LeafKind::TagRef64 {
            if !tagref::is_ref(value) {
                return None;
            }
            tagref::to_ref(value)
        } else {
            value
        };
        match kind {
            _ if address == 0 => None,
            LeafKind::IRef => {
                Some(self.heap.find_object(address).expect("an iref refers to an object").start)
            }
            _ => Some(self.heap.object_at(address).expect("a reference refers to an object").start),
        }
    }

    fn root_target(&self, root: usize) -> Option<u64> {
        self.decode(self.roots.get(root), self.roots.slots[root].1)
    }

    fn encode(&mut self, target: Option<u64>, kind: LeafKind) -> (u64, u64) {
        let Some(target) = target else { return (0, 0) };
        match kind {
            LeafKind::TagRef64 => (tagref::from_ref(target, self.random.below(64)), 0),
            LeafKind::IRef => {
                let info = self.heap.object_at(target).unwrap();
                let offset = self.random.below(info.size_bytes / 8) * 8;
                (target + offset, offset)
            }
            _ => (target, 0),
        }
    }

    fn set_root(&mut self, root: usize, target: Option<u64>) {
        let (value, offset) = self.encode(target, self.roots.slots[root].1);
        self.roots.set(root, value);
        self.root_targets[root] = target.map(|target| (word(target).load(Ordering::Relaxed), offset));
    }

    fn set_field(&mut self, object: u64, index: usize, target: Option<u64>) {
        let id = word(object).load(Ordering::Relaxed);
        let (kind, count) = (self.model[&id].kind, self.model[&id].count);
        let (offset, leaf) = self.refs(kind, count)[index];
        let (value, _) = self.encode(target, leaf);
        word(object + offset).store(value, Ordering::Relaxed);
        let target = target.map(|target| word(target).load(Ordering::Relaxed));
        self.model.get_mut(&id).unwrap().targets[index] = target;
    }

    fn mutate(&mut self) {
        let root = self.random.below(ROOTS as u64) as usize;
        match self.random.below(150) {
            0 => self.set_root(root, None),
            1..=6 if self.roots.get(root) != 0 && self.random.below(20) > 0 => {}
            1..=4 => {
                let target = self.pick();
                self.set_root(root, target);
            }
            5..=6 => {
                if let Some(object) = self.allocate() {
                    self.set_root(root, Some(object));
                }
            }
            7 if self.pins.len() < 4 => {
                if let Some(object) = self.pick() {
                    self.roots.pins.push(object);
                    self.pins.push((object, word(object).load(Ordering::Relaxed)));
                }
            }
            8 => {
                if !self.pins.is_empty() {
                    let at = self.random.below(self.pins.len() as u64) as usize;
                    self.pins.swap_remove(at);
                    self.roots.pins.swap_remove(at);
                }
            }
            _ => {
                let (from, to) = (self.pick(), self.pick());
                let target = match self.random.below(12) {
                    0 => None,
                    1..=7 => self.allocate(),
                    _ => to,
                };
                let Some(from) = from else { return };
                let slots = self.model[&word(from).load(Ordering::Relaxed)].targets.len() as u64;
                if slots > 0 {
                    let index = self.random.below(slots) as usize;
                    let taken = self.model[&word(from).load(Ordering::Relaxed)].targets[index].is_some();
                    if !taken || self.random.below(30) == 0 {
                        self.set_field(from, index, target);
                    }
                }
            }
        }
    }

    /// Numbers of the objects that should survive.
    fn reachable(&self) -> BTreeSet<u64> {
        let mut work: Vec<u64> = self.root_targets.iter().flatten().map(|&(id, _)| id).collect();
        work.extend(self.pins.iter().map(|&(_, id)| id));
        let mut seen = BTreeSet::new();
        while let Some(id) = work.pop() {
            if !seen.insert(id) {
                continue;
            }
            let model = &self.model[&id];
            let refs = self.refs(model.kind, model.count);
            let strong = refs.iter().zip(&model.targets).filter(|((_, kind), _)| *kind != LeafKind::WeakRef);
            work.extend(strong.filter_map(|(_, target)| *target));
        }
        seen
    }

    fn collect(&mut self, defragment: bool) -> Collected {
        let plan = Plan { defragment, ..Plan::default() };
        let collected = self.heap.collect(&self.layouts, &self.roots, plan);
        self.buffer.reset();
        self.heap.verify_collection(&self.layouts, &self.roots, &collected).unwrap();
        let alive = self.reachable();
        self.model.retain(|id, _| alive.contains(id));
        for model in self.model.values_mut() {
            for target in &mut model.targets {
                *target = target.filter(|target| alive.contains(target));
            }
        }
        assert_eq!(collected.objects, alive.len() as u64);
        collected
    }

    /// Compares the heap with the model.
    fn check(&self) {
        for (root, target) in self.root_targets.iter().enumerate() {
            let now = self.root_target(root);
            assert_eq!(now.map(|at| word(at).load(Ordering::Relaxed)), target.map(|(id, _)| id));
            if let (Some(at), Some((_, offset)), LeafKind::IRef) = (now, target, self.roots.slots[root].1) {
                assert_eq!(self.roots.get(root), at + offset);
            }
        }
        for (address, id) in &self.pins {
            assert_eq!(word(*address).load(Ordering::Relaxed), *id, "pinned objects stay");
        }
        self.heap.for_each_object(|info| {
            let model = &self.model[&word(info.start).load(Ordering::Relaxed)];
            assert_eq!((info.ty, info.var_count), (self.kinds[model.kind].ty, model.count));
            for ((offset, kind), target) in self.refs(model.kind, model.count).iter().zip(&model.targets) {
                let now = self.target_of(info.start + offset, *kind);
                assert_eq!(now.map(|at| word(at).load(Ordering::Relaxed)), *target);
            }
        });
    }
}

fn random_graphs(seed: u64, config: HeapConfig, rounds: u64) -> (u64, u64) {
    let mut world = World::new(seed, config);
    let (mut moved, mut emptied) = (0, 0);
    for round in 0..rounds {
        for _ in 0..world.random.below(400) {
            world.mutate();
        }
        let mut collected = world.collect(round % 3 == 0);
        moved += collected.moved;
        if round % 3 == 1 {
            collected = world.collect(true);
            (moved, emptied) = (moved + collected.moved, emptied + collected.emptied_blocks);
        }
        world.check();
        assert!(world.heap.used_bytes() <= config.limit_bytes);
    }
    (moved, emptied)
}

#[test]
fn random_graphs_survive() {
    for seed in 0..3 {
        let config = HeapConfig { limit_bytes: 3 << 20, ..HeapConfig::default() };
        let (moved, emptied) = random_graphs(seed, config, 120);
        assert!(moved > 0 && emptied > 0, "{moved} {emptied}");
    }
}

#[test]
fn random_graphs_move_to_fresh_addresses() {
    for seed in 10..12 {
        let config = HeapConfig {
            limit_bytes: 3 << 20,
            fresh_bytes: Some(HeapConfig::FRESH_BYTES),
            ..HeapConfig::default()
        };
        let (moved, _) = random_graphs(seed, config, 100);
        assert!(moved > 3_000, "{moved}");
    }
}

/// The stress mode `move` (research F12): where an object was, nobody can look any more, and no new object lies where one
/// was before.
#[test]
fn stale_addresses_fault_and_new_ones_were_never_used() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let i64 = types.int(64);
    let (pair, large, hybrid) =
        (types.structure(&[i64, i64]), types.array(i64, 9000), types.hybrid(&[i64], i64));
    for ty in [pair, large, hybrid] {
        layouts.of(&types.0, ty);
    }
    let fresh_bytes = Some(HeapConfig::FRESH_BYTES);
    let heap = Heap::new(HeapConfig { limit_bytes: 4 << 20, fresh_bytes, ..HeapConfig::default() }).unwrap();
    let mut roots = Slots::default();
    for number in 0..300u64 {
        let at = match number % 3 {
            0 => heap.alloc_fixed(pair, 16, 8),
            1 => heap.alloc_hybrid(hybrid, 8, 8, number, 8),
            _ if number % 50 == 2 => heap.alloc_fixed(large, 72_000, 8),
            _ => continue,
        };
        word(at.unwrap().0).store(number, Ordering::Relaxed);
        roots.slots.push((AtomicU64::new(at.unwrap().0), LeafKind::Ref));
    }
    // The last one stays.
    let pinned = roots.get(roots.slots.len() - 1);
    roots.pins.push(pinned);
    let moving = roots.slots.len() - 1;
    let mut used_blocks: BTreeSet<u64> = BTreeSet::new();
    for round in 0..40 {
        let before: Vec<u64> = (0..moving).map(|at| roots.get(at)).collect();
        used_blocks.extend(before.iter().map(|at| at / BLOCK));
        let collected = heap.collect(&layouts, &roots, Plan::default());
        heap.verify_collection(&layouts, &roots, &collected).unwrap();
        assert_eq!(collected.moved, moving as u64);
        for (at, &stale) in before.iter().enumerate() {
            let now = roots.get(at);
            assert!(!used_blocks.contains(&(now / BLOCK)), "round {round}: {now:#x} was used before");
            assert_eq!(stale / BLOCK == pinned / BLOCK, is_readable(stale), "round {round}: {stale:#x}");
            assert_eq!(now % 8, 0);
            assert!(word(now).load(Ordering::Relaxed) < 300);
        }
        assert_eq!((roots.get(moving), is_readable(pinned)), (pinned, true));
        // Neighbours of what is pinned have left: a stale reference to one finds no object.
        let neighbour = before.iter().find(|&&stale| stale / BLOCK == pinned / BLOCK);
        if let Some(&stale) = neighbour {
            assert_ne!(word(stale).load(Ordering::Relaxed), word(roots.get(0)).load(Ordering::Relaxed));
            assert!(heap.object_at(stale).is_none());
        }
    }
}

#[test]
fn fresh_addresses_begin_anew() {
    let config = HeapConfig { limit_bytes: 1 << 20, fresh_bytes: Some(4 << 20), ..HeapConfig::default() };
    random_graphs(20, config, 700);
}

#[test]
fn weak_references_and_stacks() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let i64 = types.int(64);
    let weak = types.0.intern(Type::WeakRef(i64));
    for ty in [i64, weak] {
        layouts.of(&types.0, ty);
    }
    let heap = Heap::new(HeapConfig::default()).unwrap();
    let new = |ty| heap.alloc_fixed(ty, 8, 8).unwrap().0;
    let (holder, target, on_stack, on_lost_stack) = (new(weak), new(i64), new(i64), new(i64));
    word(holder).store(target, Ordering::Relaxed);
    let mut roots = Slots::default();
    roots.slots.push((AtomicU64::new(holder), LeafKind::Ref));
    roots.slots.push((AtomicU64::new(7), LeafKind::StackRef));
    let slot =
        |target| vec![(AtomicU64::new(target), LeafKind::Ref), (AtomicU64::new(7), LeafKind::StackRef)];
    roots.stacks.borrow_mut().insert(StackRef(7), slot(on_stack));
    roots.stacks.borrow_mut().insert(StackRef(8), slot(on_lost_stack));
    roots.slots.push((AtomicU64::new(target), LeafKind::Ref));
    let collected = heap.collect(&layouts, &roots, Plan::default());
    assert_eq!((collected.objects, collected.weakrefs_cleared), (3, 0));
    assert_eq!(collected.reached.iter().collect::<Vec<_>>(), [&StackRef(7)]);
    assert_eq!(word(roots.get(0)).load(Ordering::Relaxed), target);
    roots.slots.pop();
    let collected = heap.collect(&layouts, &roots, Plan::default());
    assert_eq!((collected.objects, collected.weakrefs_cleared), (2, 1));
    assert_eq!(word(roots.get(0)).load(Ordering::Relaxed), 0);
    roots.slots.pop();
    let collected = heap.collect(&layouts, &roots, Plan::default());
    assert_eq!((collected.objects, collected.reached.len()), (1, 0));
    assert_eq!(heap.find_object(on_stack), None);
}

#[test]
fn garbage_does_not_fill_the_heap_and_fragments_can_be_joined() {
    let (mut types, layouts) = (Types::new(), Layouts::new());
    let i64 = types.int(64);
    let line = types.array(i64, 31);
    let medium = types.array(i64, 500);
    for ty in [line, medium] {
        layouts.of(&types.0, ty);
    }
    let heap = Heap::new(HeapConfig { limit_bytes: 1 << 20, ..HeapConfig::default() }).unwrap();
    let mut roots = Slots::default();
    let mut count = 0;
    // Every eighth line survives: no block is free, most memory is.
    while let Some(at) = heap.alloc_fixed(line, 248, 8) {
        if count % 8 == 0 {
            roots.slots.push((AtomicU64::new(at.0), LeafKind::Ref));
        }
        count += 1;
    }
    heap.collect(&layouts, &roots, Plan::default());
    assert!(heap.alloc_fixed(medium, 4000, 8).is_none() && heap.is_fragmented());
    let collected = heap.collect(&layouts, &roots, Plan { defragment: true, ..Plan::default() });
    assert!(collected.emptied_blocks > 10 && collected.moved > 0);
    heap.verify_collection(&layouts, &roots, &collected).unwrap();
    let mut medium_count = 0;
    while heap.alloc_fixed(medium, 4000, 8).is_some() {
        medium_count += 1;
    }
    assert!(medium_count > 100, "{medium_count}");
    assert_eq!(heap.used_bytes(), 1 << 20);
    let small = heap.collect(&layouts, &roots, Plan::default());
    assert_eq!(small.objects, roots.slots.len() as u64);
}
