//! Marking: which objects can be reached, and where their references are.
//!
//! **What.** A [`Marker`] gets places of references ([`Marker::slot`], [`Marker::root`]), reaches the objects they refer
//! to, and follows the references inside those, until nothing new turns up ([`Marker::drain`]).
//!
//! **Why this way.** An object is *reached* once: its mark bit is set and its address goes on an explicit stack, so no
//! shape of the object graph can overflow the host stack. Mark bits lie apart from the objects, one bit per 8 bytes: a
//! whole block's bits are eight cache lines, so whether an object has been reached is known without touching it.
//! Between the stack and the scan of an object's words is a short queue: an object is prefetched when it enters and
//! scanned when it leaves, by which time its cache line has arrived; in heaps whose order is random this hides most of
//! the memory's latency. How to scan a type is computed once ([`ScanTable`]): for most types a mask of the words that
//! are references.
//!
//! A marker is compiled twice: `MOVING` may give an object a new place while reaching it
//! ([`super::evacuate`]) and then updates the slot; the other version never writes to slots.
//!
//! **Invariants.**
//! * A mark bit is set exactly for payloads that were reached and are where they will stay.
//! * Start bits stay valid during marking, and copies get theirs at once: internal references find their objects.
//! * Weak slots are only collected here; [`Marker::clear_weak`] treats them when everything has been reached.

use super::evacuate::Evacuator;
use super::roots::{Root, Roots};
use super::space::{BLOCK_SHIFT, BlockKind, Space, atomic};
use super::{Header, LARGE_PAYLOAD};
use crate::layout::{Layouts, LeafKind, RefEntry, Shape};
use crate::stack::{StackRef, StackSet};
use mu_ir::ids::TypeId;
use mu_ir::semantics::tagref;
use std::sync::atomic::Ordering;

/// Objects between the stack and their scan.
const QUEUE: usize = 32;

/// How to find the references in objects of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scan {
    /// Not computed yet.
    Unknown,
    /// There are none.
    Nothing,
    /// Strong references: one where the mask has a bit, in words from the beginning.
    Words(u64),
    /// The same, and then `count` of them (or as many as the variable part has elements) from an offset on.
    WordsAndArray { words: u64, offset_bytes: u64, count: Option<u64> },
    /// By the reference map.
    Map,
}

/// How to scan each type, by canonical id; kept from one collection to the next.
#[derive(Default)]
pub(super) struct ScanTable {
    scans: Vec<Scan>,
    /// The mask of [`Scan::Words`] (0 for [`Scan::Nothing`]), or [`NO_MASK`]: what most objects need, in one word.
    masks: Vec<u64>,
}

/// The type is not scanned by a mask alone. (Sixty-four references in a row are, as an array.)
const NO_MASK: u64 = u64::MAX;

impl ScanTable {
    #[inline]
    fn mask(&self, ty: TypeId) -> u64 {
        self.masks.get(ty.index()).copied().unwrap_or(NO_MASK)
    }

    #[inline]
    fn get(&mut self, layouts: &Layouts, ty: TypeId) -> Scan {
        match self.scans.get(ty.index()) {
            Some(&scan) if scan != Scan::Unknown => scan,
            _ => self.compute(layouts, ty),
        }
    }

    #[cold]
    fn compute(&mut self, layouts: &Layouts, ty: TypeId) -> Scan {
        let scan = layouts.known(ty).map_or(Scan::Nothing, |layout| scan_of(layouts, &layout.refs));
        if self.scans.len() <= ty.index() {
            self.scans.resize(ty.index() + 1, Scan::Unknown);
            self.masks.resize(ty.index() + 1, NO_MASK);
        }
        self.scans[ty.index()] = scan;
        self.masks[ty.index()] = match scan {
            Scan::Nothing => 0,
            Scan::Words(words) => words,
            Scan::Unknown | Scan::WordsAndArray { .. } | Scan::Map => NO_MASK,
        };
        scan
    }
}

fn scan_of(layouts: &Layouts, refs: &[RefEntry]) -> Scan {
    let mut words = 0u64;
    for (at, entry) in refs.iter().enumerate() {
        match *entry {
            RefEntry::One { offset_bytes, kind: LeafKind::Ref } if offset_bytes < 512 => {
                words |= 1 << (offset_bytes / 8);
            }
            RefEntry::Repeat { offset_bytes, stride: 8, count, elem }
                if at + 1 == refs.len()
                    && layouts.known(elem).is_some_and(|elem| elem.shape == Shape::Scalar(LeafKind::Ref)) =>
            {
                return Scan::WordsAndArray { words, offset_bytes, count };
            }
            RefEntry::One { .. } | RefEntry::Repeat { .. } => return Scan::Map,
        }
    }
    if words == 0 { Scan::Nothing } else { Scan::Words(words) }
}

/// What a trace has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Found {
    /// Objects, global cells not counted.
    pub objects: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Weak references cleared.
    pub weakrefs_cleared: u64,
}

/// A trace of the object graph; see the module.
pub(super) struct Marker<'a, const MOVING: bool> {
    pub space: &'a Space,
    pub layouts: &'a Layouts,
    pub scans: &'a mut ScanTable,
    /// Objects reached and not scanned.
    pub stack: Vec<u64>,
    pub evacuator: Evacuator<'a>,
    weak: Vec<u64>,
    /// Stacks reached and not scanned.
    stacks: Vec<StackRef>,
    /// Stacks reached; those that do not exist leave it when they would be scanned.
    stacks_seen: StackSet,
    pub found: Found,
}

impl<'a, const MOVING: bool> Marker<'a, MOVING> {
    pub(super) fn new(
        space: &'a Space,
        layouts: &'a Layouts,
        scans: &'a mut ScanTable,
        stack: Vec<u64>,
        evacuator: Evacuator<'a>,
    ) -> Self {
        Marker {
            space,
            layouts,
            scans,
            stack,
            evacuator,
            weak: Vec::new(),
            stacks: Vec::new(),
            stacks_seen: StackSet::default(),
            found: Found::default(),
        }
    }

    /// Reaches everything that roots reach. The stacks reached, for the caller to kill the others.
    pub(super) fn trace(&mut self, roots: &dyn Roots) -> StackSet {
        roots.roots(&mut |root| self.root(root));
        loop {
            self.drain();
            if self.stacks.is_empty() {
                return std::mem::take(&mut self.stacks_seen);
            }
            while let Some(stack) = self.stacks.pop() {
                if !roots.stack(stack, &mut |root| self.root(root)) {
                    self.stacks_seen.remove(&stack);
                }
            }
        }
    }

    fn root(&mut self, root: Root) {
        match root {
            Root::Slot(address, kind) => self.slot(address, kind),
            Root::Unit { address, ty, var_count } => {
                let layouts = self.layouts;
                layouts.for_each_ref(ty, var_count, |offset, kind| self.slot(address + offset, kind));
            }
            Root::Stack(stack) => self.reach_stack(stack),
        }
    }

    fn reach_stack(&mut self, stack: StackRef) {
        if stack != StackRef::NULL && self.stacks_seen.insert(stack) {
            self.stacks.push(stack);
        }
    }

    #[inline]
    fn load(address: u64) -> u64 {
        // SAFETY: slots are what `Roots` promises, or words of an object's payload as its type says; no thread runs.
        unsafe { atomic(address) }.load(Ordering::Relaxed)
    }

    #[inline]
    fn store(address: u64, word: u64) {
        // SAFETY: as for `load`.
        unsafe { atomic(address) }.store(word, Ordering::Relaxed);
    }

    /// The word at `address`, which is of a kind.
    fn slot(&mut self, address: u64, kind: LeafKind) {
        match kind {
            LeafKind::Ref => self.strong(address),
            LeafKind::IRef => self.internal(address),
            LeafKind::WeakRef => self.weak.push(address),
            LeafKind::TagRef64 => {
                let word = Self::load(address);
                if tagref::is_ref(word) {
                    let target = tagref::to_ref(word);
                    let now = self.object(target);
                    if MOVING && now != target {
                        Self::store(address, tagref::with_ref(word, now));
                    }
                }
            }
            LeafKind::StackRef => self.reach_stack(StackRef(Self::load(address))),
            // Threads are roots while they run; a cursor is given a word when programs can hold one.
            LeafKind::ThreadRef | LeafKind::FrameCursorRef => {}
            LeafKind::Int(_)
            | LeafKind::Float
            | LeafKind::Double
            | LeafKind::Ptr
            | LeafKind::FuncPtr
            | LeafKind::FuncRef
            | LeafKind::IrBuilderRef => {}
        }
    }

    /// A strong reference at `address`.
    #[inline]
    fn strong(&mut self, address: u64) {
        let target = Self::load(address);
        let now = self.object(target);
        if MOVING && now != target {
            Self::store(address, now);
        }
    }

    /// Reaches the object whose payload begins at `target`; NULL and addresses outside the heap do not matter. Where the
    /// object is now.
    #[inline]
    fn object(&mut self, target: u64) -> u64 {
        if target.wrapping_sub(self.space.base()) >= self.space.span() {
            return target;
        }
        if MOVING { self.reach_or_move(target) } else { self.reach(target) }
    }

    #[inline]
    fn reach(&mut self, payload: u64) -> u64 {
        if self.space.mark(payload) {
            self.stack.push(payload);
        }
        payload
    }

    fn reach_or_move(&mut self, payload: u64) -> u64 {
        if self.space.is_marked(payload) {
            return payload;
        }
        let block = (payload - self.space.base()) >> BLOCK_SHIFT;
        if self.evacuator.empties(self.space, block) {
            let header = Header(self.space.word(payload - 8).load(Ordering::Relaxed));
            if !header.is_valid() {
                return header.0;
            }
            if let Some(now) = self.evacuator.evacuate(self.space, self.layouts, payload, header) {
                return self.reach(now);
            }
        }
        self.reach(payload)
    }

    /// An internal reference at `address`.
    fn internal(&mut self, address: u64) {
        let target = Self::load(address);
        let Some(start) = start_of(self.space, target) else { return };
        let now = self.object(start);
        if MOVING && now != start {
            Self::store(address, target - start + now);
        }
    }

    /// Reaches a pinned object, which stays where it is.
    pub(super) fn pin(&mut self, address: u64) {
        if let Some(start) = start_of(self.space, address) {
            self.reach(start);
        }
    }

    /// Scans what was reached until nothing is left. Objects wait in the queue until it is full, or until there is nothing
    /// else to do: in a long list each object is scanned at once.
    fn drain(&mut self) {
        let mut queue = [0u64; QUEUE];
        let (mut first, mut end) = (0usize, 0usize);
        loop {
            if let Some(next) = self.stack.pop() {
                Space::prefetch(next);
                queue[end % QUEUE] = next;
                end += 1;
                if end - first < QUEUE {
                    continue;
                }
            } else if first == end {
                break;
            }
            let payload = queue[first % QUEUE];
            first += 1;
            self.scan(payload);
        }
    }

    #[inline]
    fn scan(&mut self, payload: u64) {
        let header = Header(self.space.word(payload - 8).load(Ordering::Relaxed));
        debug_assert!(header.is_valid(), "a reference to no object: {payload:#x}");
        let size = if header.has(Header::LARGE) {
            self.space.word(payload - LARGE_PAYLOAD).load(Ordering::Relaxed)
        } else {
            let size = header.size_bytes();
            self.space.mark_lines(payload - header.prefix_bytes(), payload + size);
            size
        };
        if !header.has(Header::IMMORTAL) {
            self.found.objects += 1;
            self.found.bytes += size;
        }
        let mask = self.scans.mask(header.ty());
        if mask != NO_MASK {
            return self.words(payload, mask);
        }
        match self.scans.get(self.layouts, header.ty()) {
            Scan::Nothing | Scan::Unknown => {}
            Scan::Words(words) => self.words(payload, words),
            Scan::WordsAndArray { words, offset_bytes, count } => {
                self.words(payload, words);
                let count = count.unwrap_or_else(|| self.var_count(payload, header));
                for index in 0..count {
                    self.strong(payload + offset_bytes + index * 8);
                }
            }
            Scan::Map => {
                let (layouts, count) = (self.layouts, self.var_count(payload, header));
                layouts.for_each_ref(header.ty(), count, |offset, kind| self.slot(payload + offset, kind));
            }
        }
    }

    #[inline]
    fn words(&mut self, payload: u64, mut words: u64) {
        while words != 0 {
            self.strong(payload + u64::from(words.trailing_zeros()) * 8);
            words &= words - 1;
        }
    }

    fn var_count(&self, payload: u64, header: Header) -> u64 {
        match header.has(Header::HYBRID) {
            true => self.space.word(payload - 16).load(Ordering::Relaxed),
            false => 0,
        }
    }

    /// After everything has been reached: weak references to the rest become NULL, the others follow their objects.
    pub(super) fn clear_weak(&mut self) {
        for address in std::mem::take(&mut self.weak) {
            let target = Self::load(address);
            if target.wrapping_sub(self.space.base()) >= self.space.span() || self.space.is_marked(target) {
                continue;
            }
            let header = Header(self.space.word(target - 8).load(Ordering::Relaxed));
            if header.is_valid() {
                Self::store(address, 0);
                self.found.weakrefs_cleared += 1;
            } else {
                Self::store(address, header.0);
            }
        }
    }
}

/// The beginning of the object that an internal reference refers to. The location may be one without bytes at the end
/// of its object, so the end counts as inside.
pub(super) fn start_of(space: &Space, address: u64) -> Option<u64> {
    let block = space.block_of(address)?;
    match space.kind(block) {
        BlockKind::Free => None,
        BlockKind::Small => space.find_start(block, address),
        BlockKind::Large(first) => Some(space.block_address(first) + LARGE_PAYLOAD),
    }
}
