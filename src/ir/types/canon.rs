//! Finding representatives of new types: which of them are the same as each other, and as older types.
//!
//! Types and signatures are the nodes of a graph; an edge leads to each type argument. Nodes are settled children
//! first, one strongly connected component after the other:
//!
//! * A node outside all cycles has settled children only. It is looked up by its *shape*: constructor, parameters,
//!   representatives of the children. One hash lookup decides.
//! * A cycle (a linked list) is reduced to one node per distinguishable type by partition refinement, as one minimises
//!   a finite automaton (Hopcroft: the smaller half of a split class is the next splitter). What is left has no two
//!   equal nodes, so refining it again ends with one node per class; and since every choice of the refinement depends on
//!   the shape of the graph alone, equal cycles come out in equal order. The nodes written down in that order are the
//!   cycle's *form*: one hash lookup decides here too.
//! * A cycle can also be the same as a part of an older one, C, that it refers to; its form cannot show that, because it
//!   takes references to C for settled. Only one older cycle comes into question: what a part of C refers to is in C
//!   or was settled before C, so C is the cycle settled last of those referred to. Who in C has the child referred to,
//!   and a hash of the first levels of each node, pick candidates; walking the new cycle and C side by side decides.
//!
//! Settled nodes never change their representative, and two settled nodes are the same exactly when their
//! representatives are. The work is about n log n in the number of edges, whatever they look like, and nothing recurses.
//!
//! The one step whose work a text could make quadratic is the last one, with many candidates that differ only far away
//! from where they begin. It has a budget for each append, [`STEPS_PER_EDGE`] steps for each edge. When that is used up,
//! a cycle that refers to an older one is taken to be different from it. No program that was not made for it gets near.
//!
//! ```text
//! @node = struct<@i64 @next>  @next = ref<@node>     old, settled
//! @a = struct<@i64 @b>  @b = ref<@c>  @c = struct<@i64 @d>  @d = ref<@a>
//!                       refinement: {@a @c} {@b @d}; form: struct(@i64, 1) ref(0), which is that of @node, @next
//! @e = struct<@i64 @f>  @f = ref<@node>
//!                       no cycle: @f has the shape of @next, then @e that of @node
//! ```

use super::{Node, Signature, Type, TypeMark, TypeStore};
use crate::draft::FixedHasher;
use crate::ids::{SigId, TypeId};
use hashbrown::{HashMap, HashTable};
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// How many levels the hash of a node in a cycle looks at: enough to tell apart what programs contain.
const LEVELS: usize = 4;

/// The budget for comparing new cycles with older ones that they refer to.
const STEPS_PER_EDGE: usize = 100;

/// Hashes of the first 1, 2, … levels of a node. Equal nodes have equal hashes: they do not depend on which nodes were
/// settled when they were made.
type Levels = [u64; LEVELS];

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
    /// Each cycle's nodes, in the order of its form, and the hash of the form. In the order of settling.
    cycles: Vec<(Box<[Node]>, u64)>,
    /// The cycles by the hash of their form.
    by_form: HashTable<usize>,
    /// Where each node is.
    place_of: HashMap<Node, Place, FixedHasher>,
    /// The nodes of each cycle by the hash of all levels.
    by_levels: HashMap<(usize, u64), Vec<Node>, FixedHasher>,
    /// The nodes of a cycle that have a child of it at a position; only of cycles that newer ones have referred to.
    parents: HashMap<usize, Parents, FixedHasher>,
    /// Steps left for comparing the present append.
    steps: usize,
}

type Parents = HashMap<(Node, usize), Vec<Node>, FixedHasher>;

/// A place in a cycle.
struct Place {
    cycle: usize,
    place: usize,
    levels: Levels,
}

impl Cycles {
    fn insert(&mut self, nodes: Box<[Node]>, hash: u64, levels: &[Levels]) {
        let cycle = self.cycles.len();
        for (place, (&node, &levels)) in nodes.iter().zip(levels).enumerate() {
            self.place_of.insert(node, Place { cycle, place, levels });
            self.by_levels.entry((cycle, levels[LEVELS - 1])).or_default().push(node);
        }
        self.cycles.push((nodes, hash));
        let cycles = &self.cycles;
        self.by_form.insert_unique(hash, cycle, |&other| cycles[other].1);
    }

    /// The place of a node, if it is in this cycle.
    fn place_in(&self, cycle: usize, node: Node) -> Option<usize> {
        let found = self.place_of.get(&node)?;
        (found.cycle == cycle).then_some(found.place)
    }

    /// Forgets what was appended since the mark.
    pub(super) fn truncate(&mut self, mark: TypeMark) {
        let is_new = |node: Node| match node {
            Node::Type(ty) => ty.index() >= mark.types,
            Node::Sig(sig) => sig.index() >= mark.sigs,
        };
        // The nodes of a cycle were appended together, and cycles in the order of their nodes.
        while let Some((nodes, hash)) =
            self.cycles.pop_if(|(nodes, _)| nodes.first().is_some_and(|&node| is_new(node)))
        {
            let cycle = self.cycles.len();
            self.parents.remove(&cycle);
            if let Ok(entry) = self.by_form.find_entry(hash, |&other| other == cycle) {
                entry.remove();
            }
            for node in &nodes {
                if let Some(place) = self.place_of.remove(node) {
                    self.by_levels.remove(&(cycle, place.levels[LEVELS - 1]));
                }
            }
        }
    }
}

/// Where the nodes of the component being settled are.
struct Component<'a> {
    graph: &'a Graph,
    /// New nodes in the order of components, and the place of each in that list.
    members: &'a [usize],
    places: &'a [usize],
    /// This component.
    range: Range<usize>,
}

impl Component<'_> {
    /// Its nodes, the lowest definition first.
    fn nodes(&self) -> Vec<Node> {
        self.members[self.range.clone()].iter().map(|&n| self.graph.node(n)).collect()
    }

    /// The number of a node in the component.
    fn number(&self, node: Node) -> Option<usize> {
        let place = self.places[self.graph.number(node)?];
        self.range.contains(&place).then(|| place - self.range.start)
    }
}

impl TypeStore {
    /// Finds the representatives of everything that was appended since the mark.
    pub(super) fn settle(&mut self, mark: TypeMark) {
        let graph = Graph::new(self, mark);
        let (mut members, ends) = graph.components();
        let mut places = vec![0; members.len()];
        self.cycles.steps = STEPS_PER_EDGE * (graph.len() + graph.targets.len());
        let mut start = 0;
        for end in ends {
            let range = start..end;
            start = end;
            // Lowest definition first, so that it becomes the representative.
            members[range.clone()].sort_unstable();
            for place in range.clone() {
                places[members[place]] = place;
            }
            let first = members[range.start];
            if range.len() == 1 && !graph.children(first).contains(&graph.node(first)) {
                self.settle_by_shape(graph.node(first));
            } else {
                self.settle_cycle(&Component { graph: &graph, members: &members, places: &places, range });
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

    fn settle_cycle(&mut self, component: &Component<'_>) {
        let nodes = component.nodes();
        let labels: Vec<Label> =
            nodes.iter().map(|&node| self.label(node, |n| component.number(n))).collect();
        let levels = self.level_hashes(&nodes, &labels);
        if let Some(equals) = self.equals_in_referred(&nodes, &labels, &levels) {
            for (&node, equal) in nodes.iter().zip(equals) {
                self.set_canon(node, equal);
            }
            return;
        }
        let mut partition = Partition::new(labels);
        partition.refine();
        let (order, count) = partition.canonical_order();
        // The lowest node of each class, in order.
        let mut firsts: Vec<Option<usize>> = vec![None; count];
        for (n, &class) in order.iter().enumerate() {
            firsts[class].get_or_insert(n);
        }
        let levels: Vec<Levels> = firsts.iter().flatten().map(|&n| levels[n]).collect();
        let firsts: Box<[Node]> = firsts.into_iter().flatten().map(|n| nodes[n]).collect();
        let form = self.form(&firsts, |child| component.number(child).map(|n| order[n]));
        let hash = FixedHasher.hash_one(&form[..]);
        let known = self.cycles.by_form.find(hash, |&cycle| {
            let (nodes, known_hash) = &self.cycles.cycles[cycle];
            let inner = |child| self.cycles.place_in(cycle, self.canon_node(child));
            *known_hash == hash && nodes.len() == firsts.len() && self.form(nodes, inner) == form
        });
        if let Some(&cycle) = known {
            for (n, &node) in nodes.iter().enumerate() {
                self.set_canon(node, self.cycles.cycles[cycle].0[order[n]]);
            }
            return;
        }
        for (n, &node) in nodes.iter().enumerate() {
            self.set_canon(node, firsts[order[n]]);
        }
        for &node in &firsts {
            match node {
                Node::Type(ty) => self.insert_type(ty),
                Node::Sig(sig) => self.insert_sig(sig),
            }
        }
        self.cycles.insert(firsts, hash, &levels);
    }

    /// The older equals of the nodes of a cycle, if they are in a cycle it refers to.
    fn equals_in_referred(
        &mut self,
        nodes: &[Node],
        labels: &[Label],
        levels: &[Levels],
    ) -> Option<Vec<Node>> {
        // What each refers to, with the position of the child in the label.
        let mut uses = Vec::new();
        for (n, &node) in nodes.iter().enumerate() {
            let mut position = self.parameters(node).len();
            self.each_child(node, |child| {
                let child = self.canon_node(child);
                uses.extend(self.cycles.place_of.get(&child).map(|found| (found.cycle, n, child, position)));
                position += 1;
            });
        }
        let cycle = uses.iter().map(|&(cycle, ..)| cycle).max()?;
        if !self.cycles.parents.contains_key(&cycle) {
            let parents = self.parents_in(cycle);
            self.cycles.parents.insert(cycle, parents);
        }
        let parents = &self.cycles.parents[&cycle];
        // Every node must have candidates; begin with one that has few.
        let by_levels = levels
            .iter()
            .enumerate()
            .map(|(n, levels)| (n, self.cycles.by_levels.get(&(cycle, levels[LEVELS - 1]))));
        let by_child = uses
            .iter()
            .filter(|&&(other, ..)| other == cycle)
            .map(|&(_, n, child, position)| (n, parents.get(&(child, position))));
        let mut best: Option<(usize, &Vec<Node>)> = None;
        for (n, old) in by_levels.chain(by_child) {
            let old = old?;
            if best.is_none_or(|(_, fewest)| old.len() < fewest.len()) {
                best = Some((n, old));
            }
        }
        let (start, candidates) = best?;
        let mut steps = self.cycles.steps;
        let mut equals = None;
        for &old in candidates {
            equals = self.side_by_side(labels, start, old, &mut steps);
            if equals.is_some() || steps == 0 {
                break;
            }
        }
        self.cycles.steps = steps;
        equals
    }

    fn parents_in(&self, cycle: usize) -> Parents {
        let mut parents = Parents::default();
        for &node in &self.cycles.cycles[cycle].0 {
            let mut position = self.parameters(node).len();
            self.each_child(node, |child| {
                let child = self.canon_node(child);
                if self.cycles.place_in(cycle, child).is_some() {
                    parents.entry((child, position)).or_default().push(node);
                }
                position += 1;
            });
        }
        parents
    }

    /// Walks the nodes of a cycle and settled nodes together, beginning with node `start` and `old`. If no difference is
    /// met, gives the settled node of each.
    fn side_by_side(
        &self,
        labels: &[Label],
        start: usize,
        old: Node,
        steps: &mut usize,
    ) -> Option<Vec<Node>> {
        let mut found: HashMap<usize, Node, FixedHasher> = HashMap::default();
        found.insert(start, old);
        let mut work = vec![(start, old)];
        let mut old_children = Vec::new();
        while let Some((n, old)) = work.pop() {
            let Label { text, children } = &labels[n];
            *steps = steps.saturating_sub(text.len());
            let parameters = self.parameters(old);
            if *steps == 0 || text[..parameters.len()] != parameters {
                return None;
            }
            old_children.clear();
            self.each_child(old, |child| old_children.push(self.canon_node(child)));
            let mut inner = children.iter().peekable();
            for ((position, &label), &old_child) in
                text.iter().enumerate().skip(parameters.len()).zip(&old_children)
            {
                let same = match inner.next_if(|&&(at, _)| at == position) {
                    Some(&(_, below)) => {
                        *found.entry(below).or_insert_with(|| {
                            work.push((below, old_child));
                            old_child
                        }) == old_child
                    }
                    None => label == settled_label(old_child),
                };
                if !same {
                    return None;
                }
            }
        }
        (0..labels.len()).map(|n| found.get(&n).copied()).collect()
    }

    /// The hashes of the nodes of a cycle.
    fn level_hashes(&self, nodes: &[Node], labels: &[Label]) -> Vec<Levels> {
        // Children in cycles, this or settled ones, count by their hashes, other children by their representatives.
        let mut hashes: Vec<Levels> = vec![[0; LEVELS]; nodes.len()];
        let mut settled: Vec<Vec<(usize, &Levels)>> = vec![Vec::new(); nodes.len()];
        for (n, &node) in nodes.iter().enumerate() {
            let mut hasher = FixedHasher.build_hasher();
            let text = &labels[n].text;
            let mut position = self.parameters(node).len();
            text[..position].iter().for_each(|&part| hasher.write_u64(part));
            self.each_child(node, |child| {
                let in_cycle =
                    self.cycles.place_of.get(&self.canon_node(child)).filter(|_| text[position] != 0);
                settled[n].extend(in_cycle.map(|found| (position, &found.levels)));
                hasher.write_u64(if in_cycle.is_some() { 0 } else { text[position] });
                position += 1;
            });
            hashes[n][0] = hasher.finish();
        }
        for level in 1..LEVELS {
            for n in 0..nodes.len() {
                let mut hasher = FixedHasher.build_hasher();
                hasher.write_u64(hashes[n][0]);
                // Merged by position, so that the order is that of the children.
                let mut settled = settled[n].iter().peekable();
                for &(position, own) in &labels[n].children {
                    while let Some((_, levels)) = settled.next_if(|&&(at, _)| at < position) {
                        hasher.write_u64(levels[level - 1]);
                    }
                    hasher.write_u64(hashes[own][level - 1]);
                }
                settled.for_each(|(_, levels)| hasher.write_u64(levels[level - 1]));
                hashes[n][level] = hasher.finish();
            }
        }
        hashes
    }

    fn set_canon(&mut self, node: Node, canon: Node) {
        match (node, canon) {
            (Node::Type(ty), Node::Type(canon)) => self.types[ty.index()].canon = canon,
            (Node::Sig(sig), Node::Sig(canon)) => self.sigs[sig.index()].canon = canon,
            // Labels and forms begin with the kind of node, so they do not mix them.
            (Node::Type(_), Node::Sig(_)) | (Node::Sig(_), Node::Type(_)) => {}
        }
    }

    /// What tells a node apart at once: parameters and settled children, and 0 for each child that has a number by
    /// `inner`; and those children with their positions.
    fn label(&self, node: Node, inner: impl Fn(Node) -> Option<usize>) -> Label {
        let mut text = self.parameters(node).to_vec();
        let mut children = Vec::new();
        self.each_child(node, |child| match inner(child) {
            Some(number) => {
                children.push((text.len(), number));
                text.push(0);
            }
            None => text.push(settled_label(self.canon_node(child))),
        });
        Label { text, children }
    }

    /// The nodes of a cycle written down, with the places that `inner` gives for children in the cycle.
    fn form(&self, nodes: &[Node], inner: impl Fn(Node) -> Option<usize>) -> Vec<u64> {
        let mut form = Vec::new();
        for &node in nodes {
            form.extend(self.parameters(node));
            self.each_child(node, |child| {
                form.push(match inner(child) {
                    Some(place) => place as u64 * 4 + 3,
                    None => settled_label(self.canon_node(child)),
                });
            });
        }
        form
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

/// See [`TypeStore::label`].
struct Label {
    text: Vec<u64>,
    children: Vec<(usize, usize)>,
}

/// Numbered nodes in classes, which are split until they tell apart what differs.
///
/// Every choice depends on labels, edges and numbers of *classes* only, never on the numbers of nodes: isomorphic
/// graphs go through the same steps.
struct Partition {
    labels: Vec<Label>,
    class_of: Vec<usize>,
    classes: Vec<Vec<usize>>,
    /// Where a node stands in its class.
    place: Vec<usize>,
}

impl Partition {
    /// The first partition: by the text of the labels, in their order.
    fn new(labels: Vec<Label>) -> Partition {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by(|&a, &b| labels[a].text.cmp(&labels[b].text));
        let (mut class_of, mut place) = (vec![0; labels.len()], vec![0; labels.len()]);
        let classes: Vec<Vec<usize>> =
            order.chunk_by(|&a, &b| labels[a].text == labels[b].text).map(<[usize]>::to_vec).collect();
        for (class, members) in classes.iter().enumerate() {
            for (at, &member) in members.iter().enumerate() {
                (class_of[member], place[member]) = (class, at);
            }
        }
        Partition { labels, class_of, classes, place }
    }

    /// Splits classes until members of one class have children of one class at every position.
    fn refine(&mut self) {
        let mut parents: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.labels.len()];
        for (n, label) in self.labels.iter().enumerate() {
            for &(position, child) in &label.children {
                parents[child].push((position, n));
            }
        }
        let mut work: Vec<usize> = (0..self.classes.len()).collect();
        let mut edges = Vec::new();
        // The parents met so far, by class; and those classes.
        let mut met: Vec<Vec<usize>> = vec![Vec::new(); self.classes.len()];
        let mut touched = Vec::new();
        while let Some(splitter) = work.pop() {
            edges.clear();
            edges.extend(self.classes[splitter].iter().flat_map(|&member| parents[member].iter().copied()));
            edges.sort_unstable();
            for group in edges.chunk_by(|(a, _), (b, _)| a == b) {
                for &(_, parent) in group {
                    let class = self.class_of[parent];
                    if met[class].is_empty() {
                        touched.push(class);
                    }
                    met[class].push(parent);
                }
                touched.sort_unstable();
                for class in touched.drain(..) {
                    let part = std::mem::take(&mut met[class]);
                    if part.len() < self.classes[class].len() {
                        // The smaller half gets the new number. If the class still waits in the work list, both halves
                        // must be there; if not, the smaller is enough: so it is always the new one.
                        work.push(self.split(class, part));
                        met.push(Vec::new());
                    }
                }
            }
        }
    }

    /// Moves the given members of a class or the others, whichever are fewer, into a new class. The work is proportional
    /// to the given members.
    fn split(&mut self, class: usize, part: Vec<usize>) -> usize {
        let new = self.classes.len();
        for &member in &part {
            let at = self.place[member];
            self.classes[class].swap_remove(at);
            if let Some(&moved) = self.classes[class].get(at) {
                self.place[moved] = at;
            }
        }
        let rest = self.classes[class].len();
        self.classes.push(part);
        if rest < self.classes[new].len() {
            self.classes.swap(class, new);
            for (at, &member) in self.classes[class].iter().enumerate() {
                self.place[member] = at;
            }
        }
        for (at, &member) in self.classes[new].iter().enumerate() {
            (self.class_of[member], self.place[member]) = (new, at);
        }
        new
    }

    /// The place of each node's class in an order that is the same for all graphs with the same classes, and how many
    /// classes there are. The partition must be refined.
    fn canonical_order(mut self) -> (Vec<usize>, usize) {
        let count = self.classes.len();
        if count == self.labels.len() {
            return (self.class_of, count);
        }
        // One node for each class; no two of them are equal, so refining ends with one per class.
        let reduced = self.classes.iter().map(|members| {
            let mut label =
                std::mem::replace(&mut self.labels[members[0]], Label { text: vec![], children: vec![] });
            for (_, child) in &mut label.children {
                *child = self.class_of[*child];
            }
            label
        });
        let mut reduced = Partition::new(reduced.collect());
        reduced.refine();
        (self.class_of.iter().map(|&class| reduced.class_of[class]).collect(), count)
    }
}

/// A number for a settled node, not 0.
fn settled_label(node: Node) -> u64 {
    match node {
        Node::Type(ty) => u64::from(ty.0) * 4 + 1,
        Node::Sig(sig) => u64::from(sig.0) * 4 + 2,
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
