//! What a client does wrong is refused as data, and nothing that was there before is lost.

use mu_ir::ub::Ub;
use mu_vm::{Mu, Options, Outcome, TrapAction, TrapContext, TrapHandler};
use std::fmt::Write as _;

const TRAPS: &str = "
    .typedef @i64 = int<64>
    .typedef @void = void
    .typedef @ref = ref<@void>
    .funcsig @sig = (@i64) -> (@i64)
    .funcdef @traps VERSION %v <@sig> {
        %entry(<@i64> %n):
            [%trap] TRAP <> EXC(%nor(%n) %exc(%n)) KEEPALIVE(%n)
        %nor(<@i64> %n):
            RET %n
        %exc(<@i64> %n) [%e]:
            RET %n
    }
";

/// Gives the trap's integer where a reference belongs.
struct Forger {
    throws: bool,
    refused: bool,
}

impl TrapHandler for Forger {
    fn handle_trap(&mut self, context: &mut TrapContext<'_>) -> TrapAction {
        let forged = context.keepalives().remove(0);
        self.refused = !context.set_threadlocal(&forged);
        match self.throws {
            true => TrapAction::ThrowExc(context.stack(), forged),
            false => TrapAction::PassValues(context.stack(), Vec::new()),
        }
    }
}

#[test]
fn an_integer_is_no_reference() {
    let mut mu = Mu::new(Options::default()).unwrap();
    mu.load_bundle("traps", TRAPS).unwrap();
    let func = mu.func("@traps").unwrap();
    for throws in [false, true] {
        let argument = mu.value_from_int(mu.params(func)[0], 0x1_2345_6788).unwrap();
        let mut handler = Forger { throws, refused: false };
        let outcome = mu.call_with(func, vec![argument], &mut handler, None);
        assert!(handler.refused);
        match outcome {
            Outcome::Return(values) if !throws => assert_eq!(values[0].as_u64(), 0x1_2345_6788),
            Outcome::Undefined(Ub::BadBinding, _) if throws => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refused_bundle_gives_back_its_global_cells() {
    let cells = |count: usize| {
        let mut text = String::from(".typedef @i8 = int<8> .typedef @small = array<@i8 100>");
        text += ".typedef @large = array<@i8 16000000>\n";
        (0..count).for_each(|i| writeln!(text, ".global @s{i} <@small> .global @l{i} <@large>").unwrap());
        text
    };
    let mut mu = Mu::new(Options::default()).unwrap();
    mu.load_bundle("before", ".typedef @before = int<64> .global @cell <@before>").unwrap();
    for _ in 0..3 {
        // 16 MB each: more than the gigabyte there is.
        let error = mu.load_bundle("too many", &cells(80)).unwrap_err();
        assert!(error.to_string().contains("MU-E4003"), "{error}");
    }
    mu.load_bundle("enough", &cells(50)).unwrap();
    for i in 0..50 {
        assert!(mu.id_of(&format!("@l{i}")).is_some());
    }
}
