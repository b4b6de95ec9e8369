//! Finding definitions that contain themselves: a depth-first search over numbered nodes, with an explicit path, so that
//! no input chooses the depth of the host stack.
//!
//! The search yields one cycle after the other and each edge is looked at once, so the work is proportional to the number of
//! nodes and edges, and of what the caller does with each cycle.
//!
//! ```text
//! 0 -> 1, 1 -> 2, 2 -> 0 2     yields the paths 0 1 2 (2 -> 0 closes it) and 2 (2 -> 2)
//! ```

/// What a node's `n`th edge leads to.
pub(super) enum Edge {
    /// The node has no more edges.
    End,
    /// Nothing that is searched.
    Elsewhere,
    /// This node.
    Node(usize),
}

/// A node on the path, and how many of its edges have been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub node: usize,
    edges: usize,
}

impl Step {
    /// The edge that was taken last.
    pub fn edge(self) -> usize {
        self.edges.saturating_sub(1)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// Not visited, and no search begins here.
    NotARoot,
    /// On the path, at this position.
    OnPath(usize),
    Done,
}

/// The search.
pub(super) struct Cycles {
    marks: Vec<Mark>,
    path: Vec<Step>,
    root: usize,
}

impl Cycles {
    /// A search among nodes 0 to `count` - 1.
    pub fn new(count: usize) -> Cycles {
        Cycles { marks: vec![Mark::New; count], path: Vec::new(), root: 0 }
    }

    /// Visits a node only when an edge leads there.
    pub fn not_a_root(&mut self, node: usize) {
        self.marks[node] = Mark::NotARoot;
    }

    /// The next cycle: the path from the node at which it begins to the one whose last edge leads back there.
    pub fn next(&mut self, edge: impl Fn(usize, usize) -> Edge) -> Option<&[Step]> {
        loop {
            let Some(step) = self.path.last_mut() else {
                let root = (self.root..self.marks.len()).find(|&node| self.marks[node] == Mark::New)?;
                self.root = root;
                self.enter(root);
                continue;
            };
            let (node, number) = (step.node, step.edges);
            step.edges = number.saturating_add(1);
            match edge(node, number) {
                Edge::End => self.leave(),
                Edge::Elsewhere => {}
                Edge::Node(below) => match self.marks.get(below) {
                    Some(Mark::New | Mark::NotARoot) => self.enter(below),
                    Some(&Mark::OnPath(start)) => return Some(&self.path[start..]),
                    Some(Mark::Done) | None => {}
                },
            }
        }
    }

    /// Looks at no more edges of the node that closed the last cycle.
    pub fn leave(&mut self) {
        if let Some(step) = self.path.pop() {
            self.marks[step.node] = Mark::Done;
        }
    }

    fn enter(&mut self, node: usize) {
        self.marks[node] = Mark::OnPath(self.path.len());
        self.path.push(Step { node, edges: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(edges: &[&[usize]], leave: bool) -> Vec<Vec<usize>> {
        let mut cycles = Cycles::new(edges.len());
        let mut found = Vec::new();
        let edge = |node: usize, n: usize| edges[node].get(n).map_or(Edge::End, |&to| Edge::Node(to));
        while let Some(cycle) = cycles.next(edge) {
            found.push(cycle.iter().map(|step| step.node).collect());
            if leave {
                cycles.leave();
            }
        }
        found
    }

    #[test]
    fn each_cycle_is_found_once() {
        let none: Vec<Vec<usize>> = Vec::new();
        assert_eq!(all(&[&[1, 2], &[2], &[]], false), none);
        assert_eq!(all(&[&[0]], false), [vec![0]]);
        assert_eq!(all(&[&[1], &[2], &[0, 2]], false), [vec![0, 1, 2], vec![2]]);
        assert_eq!(all(&[&[1], &[2], &[0, 2]], true), [vec![0, 1, 2]]);
        assert_eq!(all(&[&[], &[2], &[1, 7]], false), [vec![1, 2]]);
    }

    #[test]
    fn a_long_path_is_no_danger() {
        let edge = |node: usize, n: usize| match n {
            0 => Edge::Node((node + 1) % 1_000_000),
            _ => Edge::End,
        };
        let mut cycles = Cycles::new(1_000_000);
        assert_eq!(cycles.next(edge).map(<[Step]>::len), Some(1_000_000));
        assert!(cycles.next(edge).is_none());
    }
}
