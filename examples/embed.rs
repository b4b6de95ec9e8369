//! Embedding Mu: load a bundle, answer its traps, watch it, call a function; make objects, and threads that work on them.
//! `cargo run --example embed`
use mu_vm::ir::table::MemOrder;
use mu_vm::{ClientError, Mu, Options, Outcome, TrapAction, TrapCause, TrapContext, TrapHandler, Value};

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

/// An order in Mu's heap: a hybrid, filled item by item. It may move at every allocation; the handles follow.
fn order(mu: &mut Mu, items: &[(u64, f64)]) -> Result<Value, ClientError> {
    let order =
        mu.new_hybrid(mu.type_named("@order").ok_or(ClientError::NoSuchEntity)?, items.len() as u64)?;
    let whole = mu.get_iref(&order)?;
    let length = mu.get_field_iref(&whole, 0)?;
    let count = mu.handle_from_uint(items.len() as u64, 64)?;
    mu.store(MemOrder::NotAtomic, &length, &count)?;
    for (index, &(count, price)) in items.iter().enumerate() {
        let first = mu.get_var_part_iref(&whole)?;
        let item = mu.shift_iref(&first, index as i64)?;
        let (many, each) = (mu.get_field_iref(&item, 0)?, mu.get_field_iref(&item, 1)?);
        let (count, price) = (mu.handle_from_uint(count, 64)?, mu.handle_from_double(price));
        mu.store(MemOrder::NotAtomic, &many, &count)?;
        mu.store(MemOrder::NotAtomic, &each, &price)?;
    }
    Ok(order)
}

/// What happened, line by line.
pub fn run() -> Result<String, Box<dyn std::error::Error>> {
    let (mut mu, mut client) = (Mu::new(Options::default())?, Client(String::new()));
    mu.load_bundle("embed.uir", BUNDLE)?;
    mu.set_watchpoint(1, true);
    let ask = mu.func("@ask").ok_or("no @ask")?;
    let n = mu.value_from_text(mu.params(ask)[0], "21")?;
    let result = match mu.call_with(ask, vec![n], &mut client, None) {
        Outcome::Return(results) => mu.value_to_text(&results[0]),
        other => return Err(format!("{other:?}").into()),
    };
    let mut text = format!("{}result: {result}\n", client.0);

    // A thread for each order. They run together.
    let price = mu.func("@price").ok_or("no @price")?;
    for items in [&[(2, 1.5), (1, 4.25)][..], &[(10, 0.5)], &[]] {
        let order = order(&mut mu, items)?;
        let stack = mu.new_stack(price).map_err(|failure| format!("{failure:?}"))?;
        mu.new_thread_nor(stack, None, vec![order])?;
    }
    for (_, outcome) in mu.run(&mut client).threads {
        match outcome {
            Outcome::Return(results) => text += &format!("price: {}\n", mu.value_to_text(&results[0])),
            other => return Err(format!("{other:?}").into()),
        }
    }
    let served = mu.load(MemOrder::SeqCst, &mu.handle_named("@served")?)?;
    Ok(text + &format!("orders: {}", mu.handle_to_uint(&served)?))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run().map(|text| println!("{text}"))
}
