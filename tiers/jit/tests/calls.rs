//! Calls, results, exceptions, stack overflow.

use super::support::Bench;
use crate::code::stubs::Status;

const TYPES: &str = "
.typedef @i64 = int<64>
.typedef @double = double
.typedef @void = void
.typedef @ref = ref<@void>
.const @0 <@i64> = 0
.const @1 <@i64> = 1
.const @2 <@i64> = 2
.const @null <@ref> = NULL
.funcsig @unary = (@i64) -> (@i64)
.funcsig @binary = (@i64 @i64) -> (@i64)
";

#[test]
fn fibonacci() {
    let text = format!(
        "{TYPES}
        .funcdef @fib VERSION %v1 <@unary> {{
            %entry(<@i64> %n):
                %small = SLT <@i64> %n @2
                BRANCH2 %small %done(%n) %more(%n)
            %done(<@i64> %n):
                RET %n
            %more(<@i64> %n):
                %a = SUB <@i64> %n @1
                %b = SUB <@i64> %n @2
                %x = CALL <@unary> @fib (%a)
                %y = CALL <@unary> @fib (%b)
                %z = ADD <@i64> %x %y
                RET %z
        }}"
    );
    let mut bench = Bench::load(&text);
    bench.compile();
    assert_eq!(bench.call("@fib", &[20]), (Status::Returned, vec![6765]));
}

#[test]
fn exceptions_land_at_the_nearest_clause() {
    let text = format!(
        "{TYPES}
        .funcdef @raise VERSION %v1 <@unary> {{
            %entry(<@i64> %n):
                %zero = EQ <@i64> %n @0
                BRANCH2 %zero %throw() %down(%n)
            %throw():
                THROW @null
            %down(<@i64> %n):
                %m = SUB <@i64> %n @1
                %r = CALL <@unary> @raise (%m)
                RET %r
        }}
        .funcdef @catch VERSION %v1 <@binary> {{
            %entry(<@i64> %n <@i64> %x):
                %r = CALL <@unary> @raise (%n) EXC(%normal(%r) %caught(%x))
            %normal(<@i64> %r):
                RET %r
            %caught(<@i64> %x) [%exc]:
                %is = EQ <@ref> %exc @null
                BRANCH2 %is %good(%x) %bad()
            %good(<@i64> %x):
                RET %x
            %bad():
                RET @0
        }}"
    );
    let mut bench = Bench::load(&text);
    bench.compile();
    assert_eq!(bench.call("@catch", &[10, 77]), (Status::Returned, vec![77]));
    assert_eq!(bench.call("@raise", &[10]), (Status::Thrown, vec![]));
    assert_eq!(bench.call("@raise", &[1_000_000]), (Status::Overflow, vec![]));
}

#[test]
fn polls_are_taken_in_prologues_and_loops() {
    let text = format!(
        "{TYPES}
        .funcdef @id VERSION %v1 <@unary> {{
            %entry(<@i64> %x):
                RET %x
        }}
        .funcdef @caller VERSION %v1 <@binary> {{
            %entry(<@i64> %a <@i64> %b):
                %x = CALL <@unary> @id (%a)
                %y = SUB <@i64> %x %b
                RET %y
        }}
        .funcdef @count VERSION %v1 <@binary> {{
            %entry(<@i64> %a <@i64> %n):
                BRANCH %loop(%a %n @0)
            %loop(<@i64> %a <@i64> %n <@i64> %i):
                %b = ADD <@i64> %a %i
                %j = ADD <@i64> %i @1
                %more = SLT <@i64> %j %n
                BRANCH2 %more %loop(%b %n %j) %done(%b)
            %done(<@i64> %b):
                RET %b
        }}"
    );
    for optimize in [true, false] {
        let mut bench = Bench::with(&text, crate::Settings { optimize, ..crate::Settings::default() });
        bench.compile();
        bench.machine.poisoned = true;
        assert_eq!(bench.call("@caller", &[50, 8]), (Status::Returned, vec![42]));
        assert_eq!(bench.machine.area.polls, 1, "the prologue of @caller");
        assert_eq!(bench.call("@count", &[7, 10]), (Status::Returned, vec![52]));
        // Either the prologue or the loop of @count.
        assert_eq!(bench.machine.area.polls, 2);
    }
}
