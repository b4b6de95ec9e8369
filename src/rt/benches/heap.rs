//! The heap without a program: `cargo bench -p mu-rt --bench heap` (criterion's table; throughput is in objects).
//!
//! * `binary-trees 18`: the program of that name with a heap of 96 MiB: 68 million nodes in trees that die at once,
//!   beside one that lives. Its roots are words on a stack of ours, as a compiled program has them.
//! * `trace`: a collection of a heap in which two million objects of three words are alive: a binary tree whose nodes lie
//!   in memory as a walk meets them (`ordered`), or anywhere (`shuffled`), and one long list.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mu_ir::ids::TypeId;
use mu_ir::types::{Type, TypeStore};
use mu_rt::heap::{AllocBuffer, Heap, HeapConfig, Plan, Root, Roots};
use mu_rt::layout::{Layouts, LeafKind};
use mu_rt::stack::StackRef;
use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Words that hold references.
#[derive(Default)]
struct Shadow(Vec<AtomicU64>);

// SAFETY: the words belong to this value, and nobody else runs during a collection.
unsafe impl Roots for Shadow {
    fn pins(&self, _visit: &mut dyn FnMut(u64)) {}

    fn roots(&self, visit: &mut dyn FnMut(Root)) {
        self.0.iter().for_each(|word| visit(Root::Slot(word.as_ptr() as u64, LeafKind::Ref)));
    }

    fn stack(&self, _stack: StackRef, _visit: &mut dyn FnMut(Root)) -> bool {
        false
    }
}

/// A heap of nodes and a program's view of it.
struct Nodes {
    heap: Heap,
    layouts: Layouts,
    buffer: AllocBuffer,
    shadow: Shadow,
    node: TypeId,
    bytes: u64,
}

impl Nodes {
    /// Nodes of so many references and integers.
    fn new(limit_bytes: u64, refs: usize, ints: usize) -> Nodes {
        let mut types = TypeStore::default();
        let void = types.intern(Type::Void);
        let int = types.intern(Type::Int(64));
        let reference = types.intern(Type::Ref(void));
        let fields: Vec<TypeId> =
            std::iter::repeat_n(reference, refs).chain(std::iter::repeat_n(int, ints)).collect();
        let node = types.intern(Type::Struct(fields.into()));
        let layouts = Layouts::new();
        let bytes = layouts.of(&types, node).size().expect("a small struct");
        Nodes {
            heap: Heap::new(HeapConfig { limit_bytes, ..HeapConfig::default() }).expect("a heap"),
            layouts,
            buffer: AllocBuffer::default(),
            shadow: Shadow::default(),
            node,
            bytes,
        }
    }

    #[inline]
    fn new_node(&mut self) -> u64 {
        match self.heap.alloc_fixed_in(&mut self.buffer, self.node, self.bytes, 8) {
            Some(address) => address.0,
            None => self.collect_and_new(),
        }
    }

    #[cold]
    fn collect_and_new(&mut self) -> u64 {
        self.collect();
        self.heap
            .alloc_fixed_in(&mut self.buffer, self.node, self.bytes, 8)
            .expect("the heap is large enough")
            .0
    }

    fn collect(&mut self) {
        black_box(self.heap.collect(&self.layouts, &self.shadow, Plan::default()));
        self.buffer.reset();
    }

    #[inline]
    fn field(&self, object: u64, index: u64) -> u64 {
        // SAFETY: the object is alive, and has this field.
        unsafe { *std::ptr::with_exposed_provenance::<u64>((object + index * 8) as usize) }
    }

    #[inline]
    fn set(&mut self, object: u64, index: u64, word: u64) {
        // SAFETY: the object is alive, and has this field.
        unsafe { *std::ptr::with_exposed_provenance_mut::<u64>((object + index * 8) as usize) = word }
    }

    fn push(&mut self, reference: u64) {
        self.shadow.0.push(AtomicU64::new(reference));
    }

    fn pop(&mut self) -> u64 {
        self.shadow.0.pop().expect("what was pushed").into_inner()
    }

    fn tree(&mut self, depth: u32) -> u64 {
        if depth == 0 {
            return self.new_node();
        }
        let left = self.tree(depth - 1);
        self.push(left);
        let right = self.tree(depth - 1);
        self.push(right);
        let node = self.new_node();
        let right = self.pop();
        let left = self.pop();
        self.set(node, 0, left);
        self.set(node, 1, right);
        node
    }

    fn count(&self, node: u64) -> u64 {
        match self.field(node, 0) {
            0 => 1,
            left => 1 + self.count(left) + self.count(self.field(node, 1)),
        }
    }
}

const DEPTH: u32 = 18;
const DEPTH_MIN: u32 = 4;

/// The nodes of a tree.
fn nodes_of(depth: u32) -> u64 {
    (2 << depth) - 1
}

/// The trees of one depth.
fn trees_of(depth: u32) -> u64 {
    1 << (DEPTH - depth + DEPTH_MIN)
}

fn binary_trees_program() -> u64 {
    let mut nodes = Nodes::new(96 << 20, 2, 0);
    let stretch = nodes.tree(DEPTH + 1);
    let mut made = nodes.count(stretch);
    let long_lived = nodes.tree(DEPTH);
    nodes.push(long_lived);
    for depth in (DEPTH_MIN..=DEPTH).step_by(2) {
        for _ in 0..trees_of(depth) {
            let tree = nodes.tree(depth);
            made += nodes.count(tree);
        }
    }
    let long_lived = nodes.pop();
    made + nodes.count(long_lived)
}

fn binary_trees(criterion: &mut Criterion) {
    let short: u64 = (DEPTH_MIN..=DEPTH).step_by(2).map(|depth| trees_of(depth) * nodes_of(depth)).sum();
    let total = nodes_of(DEPTH + 1) + nodes_of(DEPTH) + short;
    assert_eq!(binary_trees_program(), total);
    let mut group = criterion.benchmark_group("heap");
    group.sample_size(10).warm_up_time(Duration::from_millis(100)).throughput(Throughput::Elements(total));
    group.bench_function("binary-trees 18", |bencher| bencher.iter(binary_trees_program));
    group.finish();
}

/// Objects in the heaps that are traced.
const TRACED: u64 = 2_000_000;

/// A heap of objects in the order of `place`: which place in memory the nth object of a walk has.
fn traced(place: impl Fn(u64) -> u64, list: bool) -> Nodes {
    let mut nodes = Nodes::new(512 << 20, 2, 1);
    let at: Vec<u64> = (0..TRACED).map(|_| nodes.new_node()).collect();
    let object = |nth: u64| at[place(nth) as usize];
    // Subtrees in the order of a walk: the left one follows its root.
    let mut work = vec![(0, TRACED)];
    while let Some((first, count)) = work.pop() {
        let below = count - 1;
        let left = if list { below } else { below.div_ceil(2) };
        for (field, start, count) in [(0, first + 1, left), (1, first + 1 + left, below - left)] {
            if count > 0 {
                nodes.set(object(first), field, object(start));
                work.push((start, count));
            }
        }
    }
    nodes.push(object(0));
    nodes.collect();
    assert_eq!(nodes.heap.statistics().objects, TRACED);
    nodes
}

/// A permutation of `0..TRACED`, always the same.
fn shuffled() -> Vec<u64> {
    let mut places: Vec<u64> = (0..TRACED).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for last in (1..places.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        places.swap(last, (state % (last as u64 + 1)) as usize);
    }
    places
}

fn trace(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trace");
    group.sample_size(20).throughput(Throughput::Elements(TRACED));
    let shuffled = shuffled();
    for (name, list, shuffle) in [
        ("tree, ordered", false, false),
        ("tree, shuffled", false, true),
        ("list, ordered", true, false),
        ("list, shuffled", true, true),
    ] {
        let mut nodes = traced(|nth| if shuffle { shuffled[nth as usize] } else { nth }, list);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| (), |()| nodes.collect(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, binary_trees, trace);
criterion_main!(benches);
