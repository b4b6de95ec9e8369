//! Embedding Mu: load a bundle, answer its traps, watch it, call a function. `cargo run --example embed`
use mu_vm::{Mu, Options, Outcome, TrapAction, TrapCause, TrapContext, TrapHandler};

const BUNDLE: &str = include_str!("embed.uir");

struct Client(String);

impl TrapHandler for Client {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let kept = trap.keepalives();
        self.0.push_str(&format!("{:?}: {}\n", trap.cause(), trap.mu.value_to_text(&kept[0])));
        let doubled = trap.mu.value_from_int(kept[0].ty(), 2 * kept[0].as_u128());
        match trap.cause() {
            TrapCause::Trap => TrapAction::PassValues(trap.stack(), doubled.into_iter().collect()),
            TrapCause::Watchpoint(_) => TrapAction::PassValues(trap.stack(), vec![]),
            TrapCause::Undefined(_) => TrapAction::Unhandled,
        }
    }
}

/// What happened, line by line.
pub fn run() -> Result<String, Box<dyn std::error::Error>> {
    let (mut mu, mut client) = (Mu::new(Options::default())?, Client(String::new()));
    mu.load_bundle("embed.uir", BUNDLE)?;
    mu.set_watchpoint(1, true);
    let ask = mu.func("@ask").ok_or("no @ask")?;
    let n = mu.value_from_text(mu.params(ask)[0], "21")?;
    match mu.call_with(ask, vec![n], &mut client, None) {
        Outcome::Return(results) => Ok(format!("{}result: {}", client.0, mu.value_to_text(&results[0]))),
        other => Err(format!("{other:?}").into()),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run().map(|text| println!("{text}"))
}
