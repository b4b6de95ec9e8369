//! Words that clients hold: roots outside the machine (uvm-memory, "Garbage Collection": "any values held by any client
//! contexts").
//!
//! A [`Handle`] is the words of a value, some of them references. The client owns it through an `Arc`; the instance
//! knows it weakly, keeps alive what it refers to, and updates it when objects move. Dropping the last `Arc` is all it
//! takes to let go. Words are atomics because a collection may change them while the client holds the handle.

use crate::layout::{Leaf, LeafKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The words of a value with references, held by a client.
#[derive(Debug)]
pub struct Handle {
    words: Box<[AtomicU64]>,
    /// Which words are references, and of which kind.
    refs: Box<[(u32, LeafKind)]>,
}

impl Handle {
    /// The words now.
    pub fn words(&self) -> Vec<u64> {
        self.words.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    /// The references: their places and kinds.
    pub fn refs(&self) -> impl Iterator<Item = (&AtomicU64, LeafKind)> {
        self.refs.iter().filter_map(|&(word, kind)| Some((self.words.get(word as usize)?, kind)))
    }
}

/// All handles of an instance.
#[derive(Debug, Default)]
pub struct Handles {
    all: Vec<Weak<Handle>>,
    /// Length at which dropped handles are forgotten.
    prune_at: usize,
}

impl Handles {
    /// Keeps words as a handle; `leaves` are those of their type. `None` if none of them is a reference.
    pub fn hold(&mut self, words: &[u64], leaves: &[Leaf]) -> Option<Arc<Handle>> {
        let refs: Box<[_]> =
            leaves.iter().filter(|leaf| leaf.kind.is_root()).map(|leaf| (leaf.word, leaf.kind)).collect();
        if refs.is_empty() {
            return None;
        }
        if self.all.len() >= self.prune_at {
            self.prune();
        }
        let handle =
            Arc::new(Handle { words: words.iter().map(|&word| AtomicU64::new(word)).collect(), refs });
        self.all.push(Arc::downgrade(&handle));
        Some(handle)
    }

    /// Handles that are still held.
    pub fn held(&mut self) -> Vec<Arc<Handle>> {
        self.prune();
        self.all.iter().filter_map(Weak::upgrade).collect()
    }

    fn prune(&mut self) {
        self.all.retain(|handle| handle.strong_count() > 0);
        self.prune_at = (self.all.len() * 2).max(64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_handles_are_forgotten() {
        let mut handles = Handles::default();
        let leaf = |kind, word| Leaf { offset_bytes: 0, kind, word };
        assert!(handles.hold(&[7], &[leaf(LeafKind::Int(64), 0)]).is_none());
        let kept = handles.hold(&[1, 2], &[leaf(LeafKind::Int(8), 0), leaf(LeafKind::Ref, 1)]).unwrap();
        for _ in 0..10_000 {
            handles.hold(&[1], &[leaf(LeafKind::IRef, 0)]);
        }
        assert!(handles.all.len() < 200);
        assert_eq!(handles.held().len(), 1);
        kept.refs().for_each(|(word, _)| word.store(9, Ordering::Relaxed));
        assert_eq!(kept.words(), [1, 9]);
    }
}
