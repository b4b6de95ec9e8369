//! The second trace: is what a collection left exactly what can be reached?
//!
//! It shares nothing with [`super::mark`] but the roots and the layouts: a set of addresses instead of mark bits, the
//! reference maps instead of scan tables, [`Heap::find_object`] for every reference. Slow, and for that reason only done
//! in debug builds and when asked for (`--verify-heap`).

use super::roots::{Root, Roots};
use super::space::{BLOCK_SHIFT, LINE_SHIFT, LINES};
use super::verify::{HeapFault, fault};
use super::{Collected, Header, Heap, ObjectInfo, UnitKind};
use crate::layout::{Layouts, LeafKind};
use crate::stack::StackRef;
use mu_ir::semantics::tagref;
use std::collections::HashSet;
use std::sync::atomic::Ordering;

struct Retrace<'a> {
    heap: &'a Heap,
    layouts: &'a Layouts,
    seen: HashSet<u64>,
    work: Vec<ObjectInfo>,
    stacks_seen: HashSet<StackRef>,
    stacks: Vec<StackRef>,
    /// Weak slots and their targets.
    weak: Vec<(u64, u64)>,
    found: Result<(), HeapFault>,
}

impl Heap {
    /// Checks, right after a collection and before anything is allocated, that from the roots the same objects can be
    /// reached as the collector found, that each reference refers to an object (an internal one to the inside of one),
    /// that weak references refer to reached objects, and that line marks cover all of them. Then [`Heap::verify`].
    ///
    /// # Errors
    /// The first fault.
    pub fn verify_collection(
        &self,
        layouts: &Layouts,
        roots: &dyn Roots,
        collected: &Collected,
    ) -> Result<(), HeapFault> {
        let mut trace = Retrace {
            heap: self,
            layouts,
            seen: HashSet::new(),
            work: Vec::new(),
            stacks_seen: HashSet::new(),
            stacks: Vec::new(),
            weak: Vec::new(),
            found: Ok(()),
        };
        roots.pins(&mut |address| trace.internal(0, address));
        roots.roots(&mut |root| trace.root(root));
        let mut stacks = 0;
        loop {
            trace.drain();
            let Some(stack) = trace.stacks.pop() else { break };
            stacks += u64::from(roots.stack(stack, &mut |root| trace.root(root)));
        }
        trace.found?;
        for &(slot, target) in &trace.weak {
            if !trace.seen.contains(&target) {
                fault(slot, "a weak reference to an object that cannot be reached")?;
            }
        }
        let (mut objects, mut bytes) = (0, 0);
        for &start in &trace.seen {
            let info = self.object_at(start).filter(|info| info.kind == UnitKind::Heap);
            if let Some(info) = info {
                objects += 1;
                bytes += info.size_bytes;
                self.verify_lines(&info)?;
            }
        }
        if (objects, bytes) != (collected.objects, collected.bytes) {
            fault(self.space.base(), "the collector counted other objects than can be reached")?;
        }
        if stacks != collected.reached.len() as u64 {
            fault(0, "the collector found other stacks than can be reached")?;
        }
        self.verify(layouts).map(|_| ())
    }

    /// Every line of a small object is marked.
    fn verify_lines(&self, info: &ObjectInfo) -> Result<(), HeapFault> {
        let header = Header(self.space.word(info.start - 8).load(Ordering::Relaxed));
        if header.has(Header::LARGE) {
            return Ok(());
        }
        let offset = info.start - header.prefix_bytes() - self.space.base();
        let last = info.start + info.size_bytes - 1 - self.space.base();
        for line in offset >> LINE_SHIFT..=last >> LINE_SHIFT {
            if !self.space.line_marked(offset >> BLOCK_SHIFT, line % LINES) {
                fault(info.start, "a live object on a line that is not marked")?;
            }
        }
        Ok(())
    }
}

impl Retrace<'_> {
    fn fail(&mut self, address: u64, problem: &'static str) {
        if self.found.is_ok() {
            self.found = Err(HeapFault { address, problem });
        }
    }

    fn root(&mut self, root: Root) {
        match root {
            Root::Slot(address, kind) => self.slot(address, kind),
            Root::Unit { address, ty, var_count } => {
                let layouts = self.layouts;
                layouts.for_each_ref(ty, var_count, |offset, kind| self.slot(address + offset, kind));
            }
            Root::Stack(stack) => self.stack(stack),
        }
    }

    fn stack(&mut self, stack: StackRef) {
        if stack != StackRef::NULL && self.stacks_seen.insert(stack) {
            self.stacks.push(stack);
        }
    }

    fn slot(&mut self, slot: u64, kind: LeafKind) {
        // SAFETY: slots are what `Roots` promises, or words of an object's payload as its type says; no thread runs.
        let word = unsafe { super::space::atomic(slot) }.load(Ordering::Relaxed);
        match kind {
            LeafKind::Ref => self.object(slot, word),
            LeafKind::TagRef64 if tagref::is_ref(word) => self.object(slot, tagref::to_ref(word)),
            LeafKind::WeakRef if word != 0 => self.weak.push((slot, word)),
            LeafKind::IRef => self.internal(slot, word),
            LeafKind::StackRef => self.stack(StackRef(word)),
            _ => {}
        }
    }

    fn object(&mut self, slot: u64, target: u64) {
        if target == 0 {
            return;
        }
        match self.heap.object_at(target) {
            Some(info) => self.reach(info),
            None => self.fail(slot, "a reference to no object"),
        }
    }

    fn internal(&mut self, slot: u64, target: u64) {
        // Outside the heap are ALLOCA cells, which no collection concerns.
        if !self.heap.covers(target) {
            return;
        }
        // A location without bytes may lie at the very end of its unit.
        match self.heap.find_object(target).or_else(|| self.heap.find_object(target.wrapping_sub(1))) {
            Some(info) => self.reach(info),
            None => self.fail(slot, "an internal reference to no object"),
        }
    }

    fn reach(&mut self, info: ObjectInfo) {
        if self.layouts.known(info.ty).is_none() {
            self.fail(info.start, "an object of a type nobody has laid out");
        } else if self.seen.insert(info.start) {
            self.work.push(info);
        }
    }

    fn drain(&mut self) {
        while let Some(info) = self.work.pop() {
            let layouts = self.layouts;
            layouts
                .for_each_ref(info.ty, info.var_count, |offset, kind| self.slot(info.start + offset, kind));
        }
    }
}
