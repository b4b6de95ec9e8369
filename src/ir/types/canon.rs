//! Finding representatives of new types: which of them are the same as each other, and as older types.
//!
//! Types and signatures are the nodes of a graph; an edge leads to each type argument. Nodes are settled children
//! first, one strongly connected component after the other:
//!
//! * A node outside all cycles has settled children only. It is looked up by its *shape*: constructor, parameters,
//!   representatives of the children. One hash lookup decides.
//! * A cycle (a linked list) is first reduced to one node per distinguishable type by partition refinement, as one
//!   minimises a finite automaton (Hopcroft: always split by the smaller half). Then a hash of the unfolded first levels
//!   picks candidates among the older cycles, and walking both side by side decides. If one node of the component has an
//!   older equal, all have, because they reach each other; and their equals are one older cycle.
//! * The hash tells nodes inside the cycle from settled ones, so it cannot find an older cycle that the new one refers
//!   to. Those are refined together with it first; only cycles that are not larger come into question.
//!
//! Settled nodes never change their representative, and two settled nodes are the same exactly when their
//! representatives are. The work is about proportional to the number of edges; nothing recurses.
//!
//! ```text
//! @node = struct<@i64 @next>  @next = ref<@node>     old, settled
//! @a = struct<@i64 @b>  @b = ref<@c>  @c = struct<@i64 @d>  @d = ref<@a>
//!                       refinement: {@a @c} {@b @d}; side by side with the old cycle: @a @c are @node, @b @d are @next
//! ```

use super::{Node, Signature, Type, TypeMark, TypeStore};
use crate::draft::FixedHasher;
use crate::ids::{SigId, TypeId};
use hashbrown::{HashMap, HashTable};
use std::hash::{BuildHasher, Hasher};

/// How many levels the hash of a cycle looks at: enough to tell apart what programs contain.
const LEVELS_MAX: usize = 64;

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

/// The settled cycles of a store.
#[derive(Default)]
pub(super) struct Cycles {
    /// Representatives in cycles, with their hashes.
    table: HashTable<(u64, Node)>,
    /// The representatives of each cycle.
    nodes: Vec<Vec<Node>>,
    /// The cycle of a representative.
    cycle_of: HashMap<Node, usize, FixedHasher>,
}

impl Cycles {
    fn insert(&mut self, nodes: Vec<Node>, colours: &[u64]) {
        for (&node, &colour) in nodes.iter().zip(colours) {
            self.table.insert_unique(colour, (colour, node), |&(colour, _)| colour);
            self.cycle_of.insert(node, self.nodes.len());
        }
        self.nodes.push(nodes);
    }

    /// Forgets the cycles appended since the mark.
    pub(super) fn truncate(&mut self, mark: TypeMark) {
        let is_old = |node: Node| match node {
            Node::Type(ty) => ty.index() < mark.types,
            Node::Sig(sig) => sig.index() < mark.sigs,
        };
        let kept = self.nodes.partition_point(|nodes| nodes.first().is_some_and(|&node| is_old(node)));
        if kept < self.nodes.len() {
            self.nodes.truncate(kept);
            self.table.retain(|&mut (_, node)| is_old(node));
            self.cycle_of.retain(|&node, _| is_old(node));
        }
    }
}

/// Nodes that reach each other, numbered from 0, and their classes.
struct Cycle {
    nodes: Vec<Node>,
    /// What tells a node apart at once: constructor, parameters, settled children; 0 for children in the cycle.
    labels: Vec<Box<[u64]>>,
    /// Children of each node that are in the cycle: their positions and numbers.
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
        if self.is_cycle_referred_to(&nodes) {
            return;
        }
        let mut cycle = self.new_cycle(nodes);
        cycle.refine();
        let colours = cycle.colours();
        let candidates = self.cycles.table.iter_hash(colours[0]).filter(|&&(colour, _)| colour == colours[0]);
        let known = candidates.into_iter().find_map(|&(_, old)| self.side_by_side(&cycle, old));
        let is_new = known.is_none();
        let class_nodes = known.unwrap_or_else(|| {
            cycle
                .classes
                .iter()
                .filter_map(|class| class.iter().min())
                .map(|&first| cycle.nodes[first])
                .collect()
        });
        for (&node, &class) in cycle.nodes.iter().zip(&cycle.class_of) {
            self.set_canon(node, class_nodes[class]);
        }
        if is_new {
            for &node in &class_nodes {
                match node {
                    Node::Type(ty) => self.insert_type(ty),
                    Node::Sig(sig) => self.insert_sig(sig),
                }
            }
            self.cycles.insert(class_nodes, &colours);
        }
    }

    /// Whether the nodes are the same as those of an older cycle they refer to; if so, settles them. Each older node
    /// must have an equal among the new, so only cycles of at most their number are tried.
    fn is_cycle_referred_to(&mut self, new: &[Node]) -> bool {
        let mut cycles: Vec<usize> = Vec::new();
        for &node in new {
            self.each_child(node, |child| {
                if let Some(&cycle) = self.cycles.cycle_of.get(&self.canon_node(child))
                    && self.cycles.nodes[cycle].len() <= new.len()
                {
                    cycles.push(cycle);
                }
            });
        }
        cycles.sort_unstable();
        cycles.dedup();
        if cycles.is_empty() {
            return false;
        }
        let mut nodes: Vec<Node> =
            cycles.iter().flat_map(|&cycle| self.cycles.nodes[cycle].iter().copied()).collect();
        let old = nodes.len();
        nodes.extend_from_slice(new);
        let mut both = self.new_cycle(nodes);
        both.refine();
        // Older nodes are pairwise different, so a class has at most one; it has the lowest number.
        let equals: Vec<Option<Node>> = (old..both.nodes.len())
            .map(|n| {
                let first = both.classes[both.class_of[n]].iter().copied().min().filter(|&first| first < old);
                first.map(|first| both.nodes[first])
            })
            .collect();
        for (&node, equal) in new.iter().zip(&equals) {
            let Some(equal) = *equal else { return false };
            self.set_canon(node, equal);
        }
        true
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
                match (numbers.get(&child), child) {
                    (Some(&other), _) => {
                        inner.push((label.len(), other));
                        label.push(0);
                    }
                    (None, Node::Type(ty)) => label.push(u64::from(ty.0) * 2 + 1),
                    (None, Node::Sig(sig)) => label.push(u64::from(sig.0) * 2 + 2),
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

    /// Walks the classes of a cycle and settled nodes together, beginning with class 0 and `old`. If no difference is
    /// met, gives the settled node of each class.
    fn side_by_side(&self, cycle: &Cycle, old: Node) -> Option<Vec<Node>> {
        let mut found: HashMap<usize, Node, FixedHasher> = HashMap::default();
        found.insert(0, old);
        let mut work = vec![(0, old)];
        let mut old_children = Vec::new();
        while let Some((class, old)) = work.pop() {
            let member = cycle.classes[class][0];
            let parameters = self.parameters(old);
            if cycle.labels[member][..parameters.len()] != parameters {
                return None;
            }
            old_children.clear();
            self.each_child(old, |child| old_children.push(self.canon_node(child)));
            let mut inner = cycle.inner[member].iter().peekable();
            let children = cycle.labels[member].iter().enumerate().skip(parameters.len());
            for ((position, &label), &old_child) in children.zip(&old_children) {
                let same = match inner.next_if(|&&(at, _)| at == position) {
                    Some(&(_, other)) => {
                        let below = cycle.class_of[other];
                        *found.entry(below).or_insert_with(|| {
                            work.push((below, old_child));
                            old_child
                        }) == old_child
                    }
                    None => match old_child {
                        Node::Type(ty) => label == u64::from(ty.0) * 2 + 1,
                        Node::Sig(sig) => label == u64::from(sig.0) * 2 + 2,
                    },
                };
                if !same {
                    return None;
                }
            }
        }
        (0..cycle.classes.len()).map(|class| found.get(&class).copied()).collect()
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

    /// A hash of the first levels of each class; equal types have equal ones.
    fn colours(&self) -> Vec<u64> {
        let mut colours = vec![0; self.classes.len()];
        for _ in 0..self.classes.len().min(LEVELS_MAX) {
            colours = self
                .classes
                .iter()
                .map(|class| {
                    let member = class[0];
                    let mut hasher = FixedHasher.build_hasher();
                    self.labels[member].iter().for_each(|&part| hasher.write_u64(part));
                    for &(position, child) in &self.inner[member] {
                        hasher.write_usize(position);
                        hasher.write_u64(colours[self.class_of[child]]);
                    }
                    hasher.finish()
                })
                .collect();
        }
        colours
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
