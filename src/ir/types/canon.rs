//! Finding representatives of new types: which of them are the same as each other, and as older types.
//!
//! Types and signatures are the nodes of a graph; an edge leads to each type argument. Nodes are settled children
//! first, one strongly connected component after the other:
//!
//! * A node outside all cycles has settled children only. It is looked up by its *shape*: constructor, parameters,
//!   representatives of the children. One hash lookup decides.
//! * A cycle (a linked list) is compared with the older ones: a hash of the first levels of each node picks candidates,
//!   walking both side by side decides. If one node of the component has an older equal, all have, because they reach
//!   each other. If none has, the cycle is reduced to one node per distinguishable type by partition refinement, as one
//!   minimises a finite automaton (Hopcroft: always split by the smaller half).
//!
//! Settled nodes never change their representative, and two settled nodes are the same exactly when their
//! representatives are. The work is about proportional to the number of edges; nothing recurses.
//!
//! ```text
//! @node = struct<@i64 @next>  @next = ref<@node>     old, settled
//! @a = struct<@i64 @b>  @b = ref<@c>  @c = struct<@i64 @d>  @d = ref<@a>
//!                       side by side with the old cycle: @a @c are @node, @b @d are @next
//!                       without the old one, refinement: {@a @c} {@b @d}
//! ```

use super::{Node, Signature, Type, TypeMark, TypeStore};
use crate::draft::FixedHasher;
use crate::ids::{SigId, TypeId};
use hashbrown::HashMap;
use std::hash::{BuildHasher, Hasher};

/// How many levels the hash of a node in a cycle looks at: enough to tell apart what programs contain.
const LEVELS: usize = 8;

/// The new nodes: types first, then signatures, numbered from 0.
struct Graph {
    mark: TypeMark,
    types: usize,
    /// Edges of node n are `targets[starts[n]..starts[n + 1]]`.
    starts: Vec<usize>,
    targets: Vec<Node>,
}

impl Graph {
    fn new(store: &TypeStore, mark: TypeMark) -> Graph {
        let types = store.types.len() - mark.types;
        let count = types + store.sigs.len() - mark.sigs;
        let mut graph = Graph { mark, types, starts: vec![0], targets: Vec::new() };
        for n in 0..count {
            store.each_child(graph.node(n), |child| graph.targets.push(child));
            graph.starts.push(graph.targets.len());
        }
        graph
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The node with a number.
    fn node(&self, n: usize) -> Node {
        match n.checked_sub(self.types) {
            None => Node::Type(TypeId::new(self.mark.types + n)),
            Some(sig) => Node::Sig(SigId::new(self.mark.sigs + sig)),
        }
    }

    /// The number of a new node.
    fn number(&self, node: Node) -> Option<usize> {
        match node {
            Node::Type(ty) => ty.index().checked_sub(self.mark.types),
            Node::Sig(sig) => sig.index().checked_sub(self.mark.sigs).map(|n| n + self.types),
        }
    }

    fn children(&self, n: usize) -> &[Node] {
        &self.targets[self.starts[n]..self.starts[n + 1]]
    }

    /// Strongly connected components, children first (Tarjan's algorithm with an explicit stack), as ranges of a list.
    fn components(&self) -> (Vec<usize>, Vec<usize>) {
        const UNSEEN: usize = usize::MAX;
        let count = self.len();
        let (mut order, mut low) = (vec![UNSEEN; count], vec![0; count]);
        let mut open = vec![false; count];
        let (mut stack, mut path) = (Vec::new(), Vec::new());
        let (mut members, mut ends) = (Vec::with_capacity(count), Vec::new());
        let mut next = 0;
        for root in 0..count {
            if order[root] != UNSEEN {
                continue;
            }
            path.push((root, 0));
            while let Some(&mut (n, ref mut edge)) = path.last_mut() {
                if *edge == 0 {
                    (order[n], low[n]) = (next, next);
                    next += 1;
                    stack.push(n);
                    open[n] = true;
                }
                let child = self.children(n).get(*edge).map(|&child| self.number(child));
                *edge += 1;
                match child {
                    Some(Some(child)) if order[child] == UNSEEN => path.push((child, 0)),
                    Some(Some(child)) if open[child] => low[n] = low[n].min(order[child]),
                    Some(_) => {}
                    None => {
                        path.pop();
                        if let Some(&(parent, _)) = path.last() {
                            low[parent] = low[parent].min(low[n]);
                        }
                        if low[n] == order[n] {
                            while let Some(member) = stack.pop() {
                                open[member] = false;
                                members.push(member);
                                if member == n {
                                    break;
                                }
                            }
                            ends.push(members.len());
                        }
                    }
                }
            }
        }
        (members, ends)
    }
}

/// The representatives of a store that are in cycles.
#[derive(Default)]
pub(super) struct Cycles {
    /// Hashes of the first 1, 2, … levels of each. Equal types have equal hashes: a hash does not depend on which nodes
    /// were settled when it was made.
    levels: HashMap<Node, [u64; LEVELS], FixedHasher>,
    /// Those with a hash of all levels.
    by_hash: HashMap<u64, Vec<Node>, FixedHasher>,
}

impl Cycles {
    fn insert(&mut self, node: Node, levels: [u64; LEVELS]) {
        self.levels.insert(node, levels);
        self.by_hash.entry(levels[LEVELS - 1]).or_default().push(node);
    }

    /// Forgets what was appended since the mark.
    pub(super) fn truncate(&mut self, mark: TypeMark) {
        let is_old = |node: Node| match node {
            Node::Type(ty) => ty.index() < mark.types,
            Node::Sig(sig) => sig.index() < mark.sigs,
        };
        let before = self.levels.len();
        self.levels.retain(|&node, _| is_old(node));
        if self.levels.len() < before {
            self.by_hash.retain(|_, nodes| {
                nodes.retain(|&node| is_old(node));
                !nodes.is_empty()
            });
        }
    }
}

/// Nodes that reach each other, numbered from 0, and their classes.
struct Cycle {
    nodes: Vec<Node>,
    /// What tells a node apart at once: constructor, parameters, settled children; 0 for children in the cycle.
    labels: Vec<Box<[u64]>>,
    /// Children of each node that are in the cycle: their positions in the label, and their numbers.
    inner: Vec<Vec<(usize, usize)>>,
    class_of: Vec<usize>,
    classes: Vec<Vec<usize>>,
    /// Where a node stands in its class.
    place: Vec<usize>,
}

impl TypeStore {
    /// Finds the representatives of everything that was appended since the mark.
    pub(super) fn settle(&mut self, mark: TypeMark) {
        let graph = Graph::new(self, mark);
        let (members, ends) = graph.components();
        let mut start = 0;
        for end in ends {
            let component = &members[start..end];
            start = end;
            let node = graph.node(component[0]);
            if component.len() == 1 && !graph.children(component[0]).contains(&node) {
                self.settle_by_shape(node);
            } else {
                // Lowest definition first, so that it becomes the representative.
                let mut component = component.to_vec();
                component.sort_unstable();
                self.settle_cycle(component.into_iter().map(|n| graph.node(n)).collect());
            }
        }
    }

    fn settle_by_shape(&mut self, node: Node) {
        match node {
            Node::Type(ty) => match self.find(self.get(ty)) {
                Some(known) => self.types[ty.index()].canon = known,
                None => self.insert_type(ty),
            },
            Node::Sig(sig) => match self.find_sig(self.sig(sig)) {
                Some(known) => self.sigs[sig.index()].canon = known,
                None => self.insert_sig(sig),
            },
        }
    }

    fn settle_cycle(&mut self, nodes: Vec<Node>) {
        let mut cycle = self.new_cycle(nodes);
        let levels = self.level_hashes(&cycle);
        if let Some(known) = self.find_cycle(&cycle, &levels) {
            for (&node, &canon) in cycle.nodes.iter().zip(&known) {
                self.set_canon(node, canon);
            }
            return;
        }
        cycle.refine();
        let first_of = |class: &Vec<usize>| class.iter().copied().min();
        let firsts: Vec<usize> = cycle.classes.iter().filter_map(first_of).collect();
        for (&node, &class) in cycle.nodes.iter().zip(&cycle.class_of) {
            self.set_canon(node, cycle.nodes[firsts[class]]);
        }
        for first in firsts {
            let node = cycle.nodes[first];
            match node {
                Node::Type(ty) => self.insert_type(ty),
                Node::Sig(sig) => self.insert_sig(sig),
            }
            self.cycles.insert(node, levels[first]);
        }
    }

    /// The older equals of all nodes of a cycle, if there are any.
    fn find_cycle(&self, cycle: &Cycle, levels: &[[u64; LEVELS]]) -> Option<Vec<Node>> {
        let candidates = |n: usize| self.cycles.by_hash.get(&levels[n][LEVELS - 1]);
        // Every node must have a candidate; begin with one that has few.
        let mut best: Option<(usize, &Vec<Node>)> = None;
        for n in 0..cycle.nodes.len() {
            let old = candidates(n)?;
            if best.is_none_or(|(_, fewest)| old.len() < fewest.len()) {
                best = Some((n, old));
            }
        }
        let (n, old) = best?;
        old.iter().find_map(|&old| self.side_by_side(cycle, n, old))
    }

    /// Hashes of the first 1, 2, … levels of each node of a cycle.
    fn level_hashes(&self, cycle: &Cycle) -> Vec<[u64; LEVELS]> {
        // Children in cycles, the own or settled ones, count by their hashes, other children by their representatives.
        enum Child {
            Own(usize),
            Settled([u64; LEVELS]),
        }
        let mut children: Vec<Vec<Child>> = Vec::with_capacity(cycle.nodes.len());
        let mut hashes = vec![[0; LEVELS]; cycle.nodes.len()];
        for (n, &node) in cycle.nodes.iter().enumerate() {
            let mut hasher = FixedHasher.build_hasher();
            let parameters = self.parameters(node);
            parameters.iter().for_each(|&part| hasher.write_u64(part));
            let mut inner = cycle.inner[n].iter().peekable();
            let mut in_cycles = Vec::new();
            let mut position = parameters.len();
            self.each_child(node, |child| {
                let settled = || self.cycles.levels.get(&self.canon_node(child));
                if let Some(&(_, own)) = inner.next_if(|&&(at, _)| at == position) {
                    in_cycles.push(Child::Own(own));
                    hasher.write_u64(0);
                } else if let Some(&levels) = settled() {
                    in_cycles.push(Child::Settled(levels));
                    hasher.write_u64(0);
                } else {
                    hasher.write_u64(cycle.labels[n][position]);
                }
                position += 1;
            });
            hashes[n][0] = hasher.finish();
            children.push(in_cycles);
        }
        for level in 1..LEVELS {
            for (n, children) in children.iter().enumerate() {
                let mut hasher = FixedHasher.build_hasher();
                hasher.write_u64(hashes[n][0]);
                for child in children {
                    hasher.write_u64(match child {
                        Child::Own(own) => hashes[*own][level - 1],
                        Child::Settled(levels) => levels[level - 1],
                    });
                }
                hashes[n][level] = hasher.finish();
            }
        }
        hashes
    }

    fn set_canon(&mut self, node: Node, canon: Node) {
        match (node, canon) {
            (Node::Type(ty), Node::Type(canon)) => self.types[ty.index()].canon = canon,
            (Node::Sig(sig), Node::Sig(canon)) => self.sigs[sig.index()].canon = canon,
            // Labels begin with the kind of node, so classes do not mix them.
            (Node::Type(_), Node::Sig(_)) | (Node::Sig(_), Node::Type(_)) => {}
        }
    }

    /// Makes a cycle with its first partition: by label.
    fn new_cycle(&self, nodes: Vec<Node>) -> Cycle {
        let numbers: HashMap<Node, usize, FixedHasher> =
            nodes.iter().enumerate().map(|(n, &node)| (node, n)).collect();
        let mut by_label: HashMap<Box<[u64]>, usize, FixedHasher> = HashMap::default();
        let mut cycle = Cycle {
            nodes,
            labels: Vec::new(),
            inner: Vec::new(),
            class_of: Vec::new(),
            classes: Vec::new(),
            place: Vec::new(),
        };
        for (n, &node) in cycle.nodes.iter().enumerate() {
            let mut label = self.parameters(node).to_vec();
            let mut inner = Vec::new();
            self.each_child(node, |child| {
                let child = self.canon_node(child);
                match numbers.get(&child) {
                    Some(&other) => {
                        inner.push((label.len(), other));
                        label.push(0);
                    }
                    None => label.push(node_label(child)),
                }
            });
            let label = label.into_boxed_slice();
            let class = *by_label.entry(label.clone()).or_insert(cycle.classes.len());
            if class == cycle.classes.len() {
                cycle.classes.push(Vec::new());
            }
            cycle.class_of.push(class);
            cycle.place.push(cycle.classes[class].len());
            cycle.classes[class].push(n);
            cycle.labels.push(label);
            cycle.inner.push(inner);
        }
        cycle
    }

    /// Walks the nodes of a cycle and settled nodes together, beginning with node `start` and `old`. If no difference is
    /// met, gives the settled node of each.
    fn side_by_side(&self, cycle: &Cycle, start: usize, old: Node) -> Option<Vec<Node>> {
        let mut found: HashMap<usize, Node, FixedHasher> = HashMap::default();
        found.insert(start, old);
        let mut work = vec![(start, old)];
        let mut old_children = Vec::new();
        while let Some((n, old)) = work.pop() {
            let parameters = self.parameters(old);
            if cycle.labels[n][..parameters.len()] != parameters {
                return None;
            }
            old_children.clear();
            self.each_child(old, |child| old_children.push(self.canon_node(child)));
            let mut inner = cycle.inner[n].iter().peekable();
            let children = cycle.labels[n].iter().enumerate().skip(parameters.len());
            for ((position, &label), &old_child) in children.zip(&old_children) {
                let same = match inner.next_if(|&&(at, _)| at == position) {
                    Some(&(_, below)) => {
                        *found.entry(below).or_insert_with(|| {
                            work.push((below, old_child));
                            old_child
                        }) == old_child
                    }
                    None => label == node_label(old_child),
                };
                if !same {
                    return None;
                }
            }
        }
        (0..cycle.nodes.len()).map(|n| found.get(&n).copied()).collect()
    }

    /// What a node is besides its children: constructor, number parameters, numbers of children.
    fn parameters(&self, node: Node) -> [u64; 3] {
        match node {
            Node::Sig(sig) => {
                let sig = self.sig(sig);
                [0, sig.params.len() as u64, sig.rets.len() as u64]
            }
            Node::Type(ty) => {
                let ctor = self.get(ty);
                [1 + u64::from(ctor.tag()), ctor.number(), 0]
            }
        }
    }

    /// Calls a function for each type and signature argument, in order.
    fn each_child(&self, node: Node, mut visit: impl FnMut(Node)) {
        match node {
            Node::Type(ty) => {
                let ctor = self.get(ty);
                ctor.type_args().for_each(|&child| visit(Node::Type(child)));
                ctor.sig_arg().into_iter().for_each(|&child| visit(Node::Sig(child)));
            }
            Node::Sig(sig) => {
                let sig = self.sig(sig);
                sig.params.iter().chain(&*sig.rets).for_each(|&child| visit(Node::Type(child)));
            }
        }
    }

    fn canon_node(&self, node: Node) -> Node {
        match node {
            Node::Type(ty) => Node::Type(self.canon(ty)),
            Node::Sig(sig) => Node::Sig(self.canon_sig(sig)),
        }
    }
}

impl Cycle {
    /// Splits classes until members of one class have children of one class at every position.
    fn refine(&mut self) {
        let mut parents: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.nodes.len()];
        for (n, children) in self.inner.iter().enumerate() {
            for &(position, child) in children {
                parents[child].push((position, n));
            }
        }
        let mut work: Vec<usize> = (0..self.classes.len()).collect();
        let mut queued = vec![true; self.classes.len()];
        let mut edges = Vec::new();
        let mut touched: HashMap<usize, Vec<usize>, FixedHasher> = HashMap::default();
        let mut order = Vec::new();
        while let Some(splitter) = work.pop() {
            queued[splitter] = false;
            edges.clear();
            edges.extend(self.classes[splitter].iter().flat_map(|&member| parents[member].iter().copied()));
            edges.sort_unstable();
            for group in edges.chunk_by(|(a, _), (b, _)| a == b) {
                for &(_, parent) in group {
                    let class = self.class_of[parent];
                    let list = touched.entry(class).or_default();
                    if list.is_empty() {
                        order.push(class);
                    }
                    list.push(parent);
                }
                for class in order.drain(..) {
                    let Some(part) = touched.remove(&class) else { continue };
                    if part.len() == self.classes[class].len() {
                        continue;
                    }
                    let new = self.split(class, &part);
                    queued.push(false);
                    let smaller =
                        if self.classes[new].len() < self.classes[class].len() { new } else { class };
                    // If the old class still waits, both halves must; else the smaller one is enough.
                    let next = if queued[class] { new } else { smaller };
                    queued[next] = true;
                    work.push(next);
                }
            }
        }
    }

    /// Moves members of a class into a new one.
    fn split(&mut self, class: usize, part: &[usize]) -> usize {
        let new = self.classes.len();
        for &member in part {
            let at = self.place[member];
            self.classes[class].swap_remove(at);
            if let Some(&moved) = self.classes[class].get(at) {
                self.place[moved] = at;
            }
        }
        for (at, &member) in part.iter().enumerate() {
            self.class_of[member] = new;
            self.place[member] = at;
        }
        self.classes.push(part.to_vec());
        new
    }
}

/// A number for a settled node, not 0.
fn node_label(node: Node) -> u64 {
    match node {
        Node::Type(ty) => u64::from(ty.0) * 2 + 1,
        Node::Sig(sig) => u64::from(sig.0) * 2 + 2,
    }
}

impl Type {
    /// The number among the parameters, if any.
    fn number(&self) -> u64 {
        match self {
            Type::Int(n) => u64::from(*n),
            Type::Array(_, n) | Type::Vector(_, n) => *n,
            Type::Struct(fields) | Type::Hybrid { fixed: fields, .. } => fields.len() as u64,
            Type::Float
            | Type::Double
            | Type::UPtr(_)
            | Type::UFuncPtr(_)
            | Type::Void
            | Type::Ref(_)
            | Type::IRef(_)
            | Type::WeakRef(_)
            | Type::TagRef64
            | Type::FuncRef(_)
            | Type::ThreadRef
            | Type::StackRef
            | Type::FrameCursorRef
            | Type::IrBuilderRef => 0,
        }
    }

    /// A number for the constructor.
    fn tag(&self) -> u8 {
        match self {
            Type::Int(_) => 0,
            Type::Float => 1,
            Type::Double => 2,
            Type::UPtr(_) => 3,
            Type::UFuncPtr(_) => 4,
            Type::Struct(_) => 5,
            Type::Hybrid { .. } => 6,
            Type::Array(..) => 7,
            Type::Vector(..) => 8,
            Type::Void => 9,
            Type::Ref(_) => 10,
            Type::IRef(_) => 11,
            Type::WeakRef(_) => 12,
            Type::TagRef64 => 13,
            Type::FuncRef(_) => 14,
            Type::ThreadRef => 15,
            Type::StackRef => 16,
            Type::FrameCursorRef => 17,
            Type::IrBuilderRef => 18,
        }
    }
}

// ---- shapes: one level, children by their representatives

impl TypeStore {
    /// Hash of a type's shape; its children are settled.
    pub(super) fn shape_hash(&self, ctor: &Type) -> u64 {
        let mut hasher = FixedHasher.build_hasher();
        hasher.write_u64(u64::from(ctor.tag()) << 56 ^ ctor.number());
        ctor.type_args().for_each(|&child| hasher.write_u32(self.canon(child).0));
        ctor.sig_arg().into_iter().for_each(|&child| hasher.write_u32(self.canon_sig(child).0));
        hasher.finish()
    }

    /// Hash of a signature's shape; its types are settled.
    pub(super) fn sig_shape_hash(&self, sig: &Signature<TypeId>) -> u64 {
        let mut hasher = FixedHasher.build_hasher();
        hasher.write_usize(sig.params.len());
        sig.params.iter().chain(&*sig.rets).for_each(|&child| hasher.write_u32(self.canon(child).0));
        hasher.finish()
    }

    /// Whether two types whose children are settled are the same.
    pub(super) fn same_shape(&self, a: &Type, b: &Type) -> bool {
        a.tag() == b.tag()
            && a.number() == b.number()
            && a.type_args().zip(b.type_args()).all(|(&a, &b)| self.same(a, b))
            && a.sig_arg().zip(b.sig_arg()).is_none_or(|(&a, &b)| self.same_sig(a, b))
    }

    /// Whether two signatures whose types are settled are the same.
    pub(super) fn same_sig_shape(&self, a: &Signature<TypeId>, b: &Signature<TypeId>) -> bool {
        let same = |a: &[TypeId], b: &[TypeId]| {
            a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| self.same(a, b))
        };
        same(&a.params, &b.params) && same(&a.rets, &b.rets)
    }
}

#[cfg(test)]
mod tests;
