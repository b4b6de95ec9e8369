//! The trap handler of scripts: compares each trap with its `trap` line and does what the line says.

use super::values;
use super::{Assertion, Failure, Loader};
use crate::driver::{TrapAction, TrapContext, TrapHandler};
use crate::{Mu, TrapCause};
use mu_text::script::{self, Answer, Deed, Trap, TrapPlace};
use std::path::Path;

/// Answers the traps of one call.
pub(super) struct Answers<'a> {
    /// The lines not used yet.
    rest: &'a [Trap],
    /// Where files are.
    folder: &'a Path,
    /// How to load them.
    loader: Loader,
    /// One for each trap met.
    pub assertions: Vec<Assertion>,
}

impl<'a> Answers<'a> {
    /// For these lines.
    pub fn new(traps: &'a [Trap], folder: &'a Path, loader: Loader) -> Answers<'a> {
        Answers { rest: traps, folder, loader, assertions: Vec::new() }
    }

    /// The call has ended: what of the lines did not happen has failed.
    pub fn finish(mut self) -> Vec<Assertion> {
        for trap in self.rest {
            let failure = Failure { expected: trap.place.to_string(), got: "the call ended before".into() };
            self.assertions.push(Assertion { line: trap.line, failure: Some(failure) });
        }
        self.assertions
    }

    /// Does what a line says; what differs, and how to go on.
    fn answer(&self, trap: &Trap, context: &mut TrapContext<'_>) -> Result<TrapAction, Failure> {
        let got = place(context);
        if got != trap.place {
            return Err(Failure { expected: trap.place.to_string(), got: got.to_string() });
        }
        for deed in &trap.deeds {
            self.deed(deed, context.mu)?;
        }
        let stack = context.stack();
        let failed = |what: String| move |reason| Failure { expected: what, got: reason };
        match &trap.answer {
            Answer::Exit => Ok(TrapAction::Exit),
            Answer::Pass(texts) => {
                let what = script::list_text(texts);
                let types = context.expected_types();
                if types.len() != texts.len() {
                    let got = format!("the stack waits for {} values", types.len());
                    return Err(Failure { expected: format!("pass {what}"), got });
                }
                let built = types.iter().zip(texts).map(|(&ty, text)| values::build(context.mu, ty, text));
                let values = built.collect::<Result<_, _>>().map_err(failed(format!("pass {what}")))?;
                Ok(TrapAction::PassValues(stack, values))
            }
            Answer::Throw(script::Value::Content(ty, content)) => {
                let object = values::new_object(context.mu, ty, content);
                let exception = object.map_err(failed(format!("throw <{ty}> {content}")))?;
                Ok(TrapAction::ThrowExc(stack, exception))
            }
            Answer::Throw(other) => {
                let ref_void = context.mu.program().predefined.ref_void;
                let exception =
                    values::build(context.mu, ref_void, other).map_err(failed(format!("throw {other}")))?;
                Ok(TrapAction::ThrowExc(stack, exception))
            }
        }
    }

    fn deed(&self, deed: &Deed, mu: &mut Mu) -> Result<(), Failure> {
        match deed {
            Deed::Load(file) => load(mu, self.folder, file, false, self.loader)
                .map(|_| ())
                .map_err(|got| Failure { expected: format!("{file} loads"), got }),
            Deed::Watchpoint { id, on } => match mu.set_watchpoint(*id, *on) {
                true => Ok(()),
                false => {
                    Err(Failure { expected: format!("watchpoint {id} exists"), got: "it does not".into() })
                }
            },
        }
    }
}

impl TrapHandler for Answers<'_> {
    fn handle_trap(&mut self, context: &mut TrapContext<'_>) -> TrapAction {
        let Some((trap, rest)) = self.rest.split_first() else { return TrapAction::Unhandled };
        self.rest = rest;
        let keepalives = compare_keepalives(trap, context);
        let (failure, action) = match self.answer(trap, context) {
            Ok(action) => (keepalives, action),
            Err(failure) => (Some(failure), TrapAction::Unhandled),
        };
        self.assertions.push(Assertion { line: trap.line, failure });
        action
    }
}

fn compare_keepalives(trap: &Trap, context: &TrapContext<'_>) -> Option<Failure> {
    let wanted = trap.keepalives.as_ref()?;
    let got = context.keepalives();
    let got_text = match values::all_match(context.mu, wanted, &got) {
        Ok(true) => return None,
        Ok(false) => values::show_all(context.mu, Some(wanted), &got),
        Err(reason) => reason,
    };
    let expected = format!("keepalives {}", script::list_text(wanted));
    Some(Failure { expected, got: format!("keepalives {got_text}") })
}

/// Where a trap happened, as scripts write it.
fn place(context: &TrapContext<'_>) -> TrapPlace {
    match context.cause() {
        TrapCause::Trap => TrapPlace::Trap(context.inst_name()),
        TrapCause::Watchpoint(id) => TrapPlace::Watchpoint(id, context.inst_name()),
        TrapCause::Undefined(func) => TrapPlace::Undefined(context.mu.func_name(func)),
    }
}

/// Loads a bundle or HAIL script from a file; its warnings.
pub(super) fn load(
    mu: &mut Mu,
    folder: &Path,
    file: &str,
    hail: bool,
    loader: Loader,
) -> Result<Vec<mu_ir::diag::Diagnostic>, String> {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    load_text(mu, file, &text, hail, loader).map_err(|error| error.to_string())
}

/// Loads a bundle (with `loader`) or a HAIL script; its warnings.
pub(super) fn load_text(
    mu: &mut Mu,
    name: &str,
    text: &str,
    hail: bool,
    loader: Loader,
) -> Result<Vec<mu_ir::diag::Diagnostic>, crate::LoadError> {
    if hail { mu.load_hail(name, text) } else { loader(mu, name, text) }
}
