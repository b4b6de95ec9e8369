//! Doing what a checked HAIL script says: first all allocations, then all stores.
//!
//! Allocation does not collect; when there is no room, whoever may collect can collect and run the whole plan again,
//! since nothing has been stored. From the first allocation to the last store the addresses are held only here.

use super::{Base, Object, Place, Plan, Referent, Stored};
use mu_ir::codes::hail as code;
use mu_ir::diag::Diagnostic;
use mu_ir::semantics::tagref;
use mu_ir::table::MemOrder;
use mu_rt::layout::LeafKind;
use mu_rt::runtime::Runtime;

const PLAIN: MemOrder = MemOrder::NotAtomic;

/// Runs a plan.
pub(super) fn run(rt: &Runtime, plan: &Plan) -> Result<(), Box<Diagnostic>> {
    let mut objects = Vec::with_capacity(plan.allocs.len());
    for object in &plan.allocs {
        objects.push(allocate(rt, object).ok_or_else(|| {
            let message = "the heap has no room for this object";
            Box::new(Diagnostic::error(code::HAIL_NO_MEMORY, object.span, message))
        })?);
    }
    let memory = Memory { rt, objects: &objects };
    for store in &plan.stores {
        memory.store(store.to, store.what);
    }
    Ok(())
}

fn allocate(rt: &Runtime, object: &Object) -> Option<u64> {
    match object.count {
        Some(count) => rt.new_hybrid(object.ty, count).map(|(address, _)| address),
        None => rt.new_fixed(object.ty),
    }
}

/// Memory, with the addresses of the script's objects.
struct Memory<'a> {
    rt: &'a Runtime,
    objects: &'a [u64],
}

impl Memory<'_> {
    fn address(&self, place: Place) -> u64 {
        let base = match place.base {
            Base::Object(number) => self.objects[number],
            Base::Global(global) => self.rt.globals[global.index()],
        };
        base + place.offset
    }

    fn load(&self, from: Place, kind: LeafKind) -> u64 {
        self.rt.memory.load_word(self.address(from), kind, PLAIN)
    }

    fn store(&self, to: Place, what: Stored) {
        let (memory, to) = (&self.rt.memory, self.address(to));
        let word = |kind, word| memory.store_word(to, kind, word, PLAIN);
        match what {
            Stored::Scalar(kind, [low, high]) if kind.words() == 2 => {
                memory.store_u128(to, kind, u128::from(low) | u128::from(high) << 64, PLAIN);
            }
            Stored::Scalar(kind, [low, _]) => word(kind, low),
            Stored::Reference(kind, place) => word(kind, self.address(place)),
            Stored::Scalars(kind, from) if kind.words() == 2 => {
                let value = memory.load_u128(self.address(from), kind, PLAIN);
                memory.store_u128(to, kind, value, PLAIN);
            }
            Stored::Scalars(kind, from) => word(kind, self.load(from, kind)),
            Stored::Copy(from, bytes) => self.copy(self.address(from), to, bytes),
            Stored::Tagged(referent, tag) => {
                let reference = match referent {
                    Referent::Null => 0,
                    Referent::Object(number) => self.objects[number],
                    Referent::Loaded(from) => self.load(from, LeafKind::Ref),
                };
                word(LeafKind::TagRef64, tagref::from_ref(reference, tag));
            }
            Stored::Number(LeafKind::Double, from) => {
                let number = f64::from_bits(self.load(from, LeafKind::Double));
                word(LeafKind::TagRef64, tagref::from_fp(number));
            }
            Stored::Number(kind, from) => word(LeafKind::TagRef64, tagref::from_int(self.load(from, kind))),
        }
    }

    /// Copies bytes, whole words where both places are aligned to them, so that no reference is ever torn.
    fn copy(&self, from: u64, to: u64, bytes: u64) {
        let memory = &self.rt.memory;
        let aligned = from.is_multiple_of(8) && to.is_multiple_of(8);
        let words = if aligned { bytes / 8 } else { 0 };
        let word = LeafKind::Int(64);
        for at in (0..words).map(|index| index * 8) {
            memory.store_word(to + at, word, memory.load_word(from + at, word, PLAIN), PLAIN);
        }
        let mut byte = [0];
        for at in words * 8..bytes {
            memory.read_bytes(from + at, &mut byte);
            memory.write_bytes(to + at, &byte);
        }
    }
}
