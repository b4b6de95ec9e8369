//! Struct, array and vector values (instruction-set, "Aggregate Type Operations").
//!
//! A value is its leaves, word after word, so a field or element is a range of slots.

use crate::code::{ElementInfo, ShuffleInfo, Slot};
use crate::exec::{Flow, Here};
use mu_ir::ub::Ub;
use mu_rt::thread::Event;
use smallvec::SmallVec;

/// EXTRACTVALUE of a field of several words.
pub(crate) fn copy_words(here: &Here<'_>, d: Slot, a: Slot, words: u32) -> Flow {
    for word in 0..words {
        here.set(d + word, here.get(a + word));
    }
    Flow::Next
}

/// INSERTVALUE
pub(crate) fn insert_words(here: &Here<'_>, info: ElementInfo) -> Flow {
    copy_words(here, info.d, info.a.base, info.a.words);
    copy_words(here, info.d + info.at, info.value, info.words)
}

/// The index operand, if it is in range. It is unsigned, of any width.
fn index(here: &Here<'_>, info: ElementInfo) -> Option<u32> {
    let high = if info.index_words > 1 { here.get(info.at + 1) } else { 0 };
    let index = here.get(info.at);
    (high == 0 && index < info.length).then_some(index as u32)
}

/// EXTRACTELEMENT
pub(crate) fn extract_element(here: &Here<'_>, info: ElementInfo) -> Flow {
    match index(here, info) {
        Some(index) => copy_words(here, info.d, info.a.base + index * info.words, info.words),
        None => Flow::Stop(Event::Undefined(Ub::ExtractOutOfRange)),
    }
}

/// INSERTELEMENT
pub(crate) fn insert_element(here: &Here<'_>, info: ElementInfo) -> Flow {
    match index(here, info) {
        Some(index) => {
            copy_words(here, info.d, info.a.base, info.a.words);
            copy_words(here, info.d + index * info.words, info.value, info.words)
        }
        None => Flow::Stop(Event::Undefined(Ub::InsertOutOfRange)),
    }
}

/// SHUFFLEVECTOR
pub(crate) fn shuffle(here: &Here<'_>, info: ShuffleInfo) -> Flow {
    let mut froms: SmallVec<[Slot; 16]> = SmallVec::new();
    for lane in 0..info.mask_length {
        let at = info.mask + lane * info.mask_words;
        let high = if info.mask_words > 1 { here.get(at + 1) } else { 0 };
        let number = here.get(at);
        let length = u64::from(info.length);
        let from = match number {
            _ if high != 0 || number >= 2 * length => {
                return Flow::Stop(Event::Undefined(Ub::ShuffleOutOfRange));
            }
            _ if number < length => info.a + number as u32 * info.words,
            _ => info.b + (number - length) as u32 * info.words,
        };
        froms.push(from);
    }
    for (lane, &from) in froms.iter().enumerate() {
        copy_words(here, info.d + lane as u32 * info.words, from, info.words);
    }
    Flow::Next
}
