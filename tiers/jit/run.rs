//! Running compiled code without the runtime: for tests, benchmarks and experiments.
//!
//! A [`Machine`] owns a Mu stack and a thread area and calls compiled functions by words, leaf by leaf, as they are in SSA
//! values. There is no collector, no trap and no interpreter behind it: what it calls must have been compiled, or the
//! answer is [`Status::NoCode`].

use crate::code::stubs::Status;
use crate::import::Input;
use crate::thread_area::ThreadArea;
use crate::x64::regs::{self, Passed};
use crate::{Jit, Unsupported};
use mu_ir::ids::{FuncId, SigId};
use mu_rt::layout::LeafKind;
use mu_rt::os::Reservation;
use regalloc2::RegClass;

/// Room below the stack limit: for frames that do not check, and for helpers.
const STACK_SLACK_BYTES: u64 = 64 << 10;

/// A stack and a thread area.
#[derive(Debug)]
pub struct Machine {
    stack: Reservation,
    /// Whether calls begin with a request to stop: the first prologue or loop takes a poll.
    pub poisoned: bool,
    /// The area compiled code works on.
    pub area: Box<ThreadArea>,
}

/// The leaves of the types in a list.
fn leaves(input: Input<'_>, types: &[mu_ir::ids::TypeId]) -> Result<Vec<LeafKind>, Unsupported> {
    let mut kinds = Vec::new();
    for &ty in types {
        let leaves = input.layouts.leaves(&input.program.types, ty).ok_or(Unsupported::LargeValue)?;
        for leaf in leaves {
            match leaf.kind.words() {
                1 => kinds.push(leaf.kind),
                _ => kinds.extend([LeafKind::Int(64); 2]),
            }
        }
    }
    Ok(kinds)
}

impl Machine {
    /// A stack of this many bytes.
    ///
    /// # Errors
    /// When the system has no memory.
    pub fn new(stack_bytes: u64) -> Result<Machine, mu_rt::os::OsError> {
        let stack = Reservation::new(stack_bytes + STACK_SLACK_BYTES, 4096)?;
        Ok(Machine { stack, poisoned: false, area: Box::default() })
    }

    /// Calls a function with the words of its arguments; gives how it ended and the words of its results.
    ///
    /// # Errors
    /// When arguments or results do not fit the convention, or the function has no code.
    pub fn call(
        &mut self,
        jit: &Jit,
        input: Input<'_>,
        func: FuncId,
        args: &[u64],
    ) -> Result<(Status, Vec<u64>), Unsupported> {
        let sig: SigId = input.program.funcs[func.index()].sig;
        let sig = input.program.types.sig(sig);
        let (params, rets) = (leaves(input, &sig.params)?, leaves(input, &sig.rets)?);
        let version = input.program.current_version(func);
        let Some(compiled) = version.and_then(|version| jit.map().of(version)) else {
            return Ok((Status::NoCode, Vec::new()));
        };
        for (place, &word) in regs::convention(params.iter().copied())?.into_iter().zip(args) {
            *self.word(place) = word;
        }
        self.area.stack_low = self.stack.base() + STACK_SLACK_BYTES;
        self.area.stack_limit = if self.poisoned { u64::MAX } else { self.area.stack_low };
        // SAFETY: `compiled` is in the map and takes these arguments; the stack is ours, mapped, and ends on a page.
        let status = unsafe { jit.stubs().call(&mut self.area, jit.map(), compiled.entry, self.stack.end()) };
        let places = regs::convention(rets.iter().copied())?;
        let results = match status {
            Status::Returned => places.into_iter().map(|place| *self.word(place)).collect(),
            Status::Thrown | Status::Overflow | Status::NoCode => Vec::new(),
        };
        let results = results
            .into_iter()
            .zip(&rets)
            .map(|(word, kind): (u64, _)| if *kind == LeafKind::Float { word & 0xffff_ffff } else { word });
        Ok((status, results.collect()))
    }

    /// Where a passed value lies while the host is in charge.
    fn word(&mut self, place: Passed) -> &mut u64 {
        match place {
            Passed::Transfer(word) => &mut self.area.transfer[word as usize],
            Passed::Reg(preg) if preg.class() == RegClass::Int => {
                let number = regs::INT_PASSED.iter().position(|&passed| passed == preg).unwrap_or(0);
                &mut self.area.ints[number]
            }
            Passed::Reg(preg) => &mut self.area.fps[preg.hw_enc()],
        }
    }
}
