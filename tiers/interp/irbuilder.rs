//! The common instructions of the IR builder (irbuilder). What they do stands in [`mu_rt::irbuilder`]; this tier reads
//! their operands from slots.

use crate::code::CommInfo;
use crate::exec::{Flow, Here};
use mu_ir::table::{BuilderInst, CommInst};
use mu_rt::runtime::Runtime;
use mu_rt::thread::Event;

/// `@uvm.irbuilder.*`
pub(crate) fn comm(here: &Here<'_>, info: &CommInfo, inst: BuilderInst, rt: &mut Runtime) -> Flow {
    let words: Vec<u64> = here.code.list(info.args).iter().map(|&slot| here.get(slot)).collect();
    match rt.irbuilder(CommInst::from(inst), &words) {
        Err(ub) => Flow::Stop(Event::Undefined(ub)),
        Ok(result) => {
            if let (Some(word), Some(&slot)) = (result, here.code.list(info.results).first()) {
                here.set(slot, word);
            }
            Flow::Next
        }
    }
}
