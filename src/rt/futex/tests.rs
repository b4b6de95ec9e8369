//! The queues against a model that keeps plain lists.

use super::Futexes;
use crate::choose::Chooser;
use crate::thread::ThreadRef;
use std::collections::BTreeMap;

/// What the queues should be, written in the simplest way.
#[derive(Default)]
struct Model {
    queues: BTreeMap<u64, Vec<ThreadRef>>,
}

impl Model {
    fn wake(&mut self, location: u64, count: usize) -> Vec<ThreadRef> {
        let queue = self.queues.entry(location).or_default();
        queue.drain(..count.min(queue.len())).collect()
    }

    fn requeue(&mut self, from: u64, to: u64, count: usize) -> Vec<ThreadRef> {
        let woken = self.wake(from, count);
        let rest = self.queues.remove(&from).unwrap_or_default();
        self.queues.entry(to).or_default().extend(rest);
        woken
    }

    fn leave(&mut self, thread: ThreadRef) -> bool {
        self.queues.values_mut().any(|queue| match queue.iter().position(|&other| other == thread) {
            Some(at) => {
                queue.remove(at);
                true
            }
            None => false,
        })
    }

    fn rekey(&mut self, moved: impl Fn(u64) -> u64) {
        let old = std::mem::take(&mut self.queues);
        self.queues = old.into_iter().map(|(location, queue)| (moved(location), queue)).collect();
    }
}

fn compare(futexes: &Futexes, model: &Model) {
    let waiting: usize = model.queues.values().map(Vec::len).sum();
    assert_eq!((futexes.len(), futexes.is_empty()), (waiting, waiting == 0));
    for (&location, queue) in &model.queues {
        assert_eq!(&futexes.at(location).collect::<Vec<_>>(), queue, "at {location:#x}");
    }
    let busy = model.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(&location, _)| location);
    assert_eq!(futexes.locations().collect::<Vec<_>>(), busy.collect::<Vec<_>>());
}

#[test]
fn random_operations_do_what_a_simple_model_does() {
    for seed in 0..50 {
        let mut chooser = Chooser::new(seed);
        let (mut futexes, mut model) = (Futexes::default(), Model::default());
        let mut next = 1;
        for _ in 0..1_000 {
            let mut location = || 0x1000 + 8 * chooser.below(6);
            let (from, to) = (location(), location());
            let count = chooser.below(4) as usize;
            match chooser.below(10) {
                0..=4 => {
                    futexes.enter(from, ThreadRef(next));
                    model.queues.entry(from).or_default().push(ThreadRef(next));
                    next += 1;
                }
                5 | 6 => assert_eq!(futexes.wake(from, count), model.wake(from, count)),
                7 => assert_eq!(futexes.requeue(from, to, count), model.requeue(from, to, count)),
                8 => {
                    let thread = ThreadRef(chooser.below(next + 1));
                    assert_eq!(futexes.leave(thread), model.leave(thread));
                }
                _ => {
                    // Rotates the locations, as if objects changed places.
                    let moved = |location: u64| 0x1000 + (location - 0x1000 + 8) % 48;
                    futexes.rekey(moved);
                    model.rekey(moved);
                }
            }
            compare(&futexes, &model);
        }
    }
}

#[test]
fn the_greatest_count_wakes_all() {
    let mut futexes = Futexes::default();
    for number in 1..=100 {
        futexes.enter(u64::MAX, ThreadRef(number));
    }
    assert_eq!(futexes.wake(u64::MAX, 0), []);
    assert_eq!(futexes.wake(u64::MAX, usize::MAX), (1..=100).map(ThreadRef).collect::<Vec<_>>());
    assert!(futexes.is_empty());
}
