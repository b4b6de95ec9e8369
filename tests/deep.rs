//! Deep recursion costs only Mu stack: ten million nested Mu calls, and an exception through them, run on a host thread
//! with 256 KiB of stack ([I4]).

use mu_vm::{Mu, Options, Outcome};

const PROGRAM: &str = "
    .typedef @i64 = int<64>
    .typedef @void = void
    .typedef @ref = ref<@void>
    .const @i64_0 <@i64> = 0
    .const @i64_1 <@i64> = 1
    .const @null <@ref> = NULL
    .funcsig @sig = (@i64) -> (@i64)

    // depth(n) = n, by n nested calls
    .funcdef @depth VERSION %v1 <@sig> {
        %entry(<@i64> %n):
            %last = EQ <@i64> %n @i64_0
            BRANCH2 %last %bottom() %deeper(%n)
        %bottom():
            RET @i64_0
        %deeper(<@i64> %n):
            %m = SUB <@i64> %n @i64_1
            %d = CALL <@sig> @depth (%m)
            %r = ADD <@i64> %d @i64_1
            RET %r
    }

    // throws after n nested calls
    .funcdef @thrower VERSION %v1 <@sig> {
        %entry(<@i64> %n):
            %last = EQ <@i64> %n @i64_0
            BRANCH2 %last %bottom() %deeper(%n)
        %bottom():
            THROW @null
        %deeper(<@i64> %n):
            %m = SUB <@i64> %n @i64_1
            %d = CALL <@sig> @thrower (%m)
            RET %d
    }

    .funcdef @catcher VERSION %v1 <@sig> {
        %entry(<@i64> %n):
            %d = CALL <@sig> @thrower (%n) EXC(%normal(%d) %caught(%n))
        %normal(<@i64> %d):
            RET @i64_0
        %caught(<@i64> %n):
            RET %n
    }
";

const DEPTH: u64 = 10_000_000;

fn call(mu: &mut Mu, name: &str, argument: u64) -> Outcome {
    let func = mu.func(name).unwrap();
    let ty = mu.params(func)[0];
    let argument = mu.value_from_int(ty, argument.into()).unwrap();
    mu.call(func, vec![argument])
}

#[test]
fn ten_million_nested_calls_do_not_touch_the_host_stack() {
    let run = || {
        let mut options = Options::default();
        options.config.stack_bytes = 4 << 30;
        let mut mu = Mu::new(options).unwrap();
        mu.load_bundle("deep.uir", PROGRAM).unwrap();
        for name in ["@depth", "@catcher"] {
            match call(&mut mu, name, DEPTH) {
                Outcome::Return(values) => assert_eq!(values[0].as_u64(), DEPTH),
                other => panic!("{name}: {other:?}"),
            }
        }
        match call(&mut mu, "@thrower", 1_000_000) {
            Outcome::Exception(exception, backtrace) => {
                assert!(exception.is_null());
                assert_eq!(
                    backtrace.top.len() + backtrace.bottom.len() + backtrace.omitted as usize,
                    1_000_001
                );
            }
            other => panic!("{other:?}"),
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}
