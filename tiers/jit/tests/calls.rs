//! Calls, results, exceptions, stack overflow.

use super::support::Bench;
use crate::Unsupported;
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

/// A poll after which somebody still wants the thread to stop.
extern "C" fn stay(area: *mut crate::thread_area::ThreadArea, _frame: u64) {
    // SAFETY: called by compiled code with its thread.
    unsafe { (*area).polls += 1 };
}

#[test]
fn counted_loops_poll_once_in_a_strip() {
    let text = format!(
        "{TYPES}
        .funcdef @sum VERSION %v1 <@binary> {{
            %entry(<@i64> %from <@i64> %to):
                BRANCH %head(%from %to @0)
            %head(<@i64> %i <@i64> %to <@i64> %sum):
                %more = SLT <@i64> %i %to
                BRANCH2 %more %body(%i %to %sum) %done(%sum)
            %body(<@i64> %i <@i64> %to <@i64> %sum):
                %s = ADD <@i64> %sum %i
                %j = ADD <@i64> %i @2
                BRANCH %head(%j %to %s)
            %done(<@i64> %sum):
                RET %sum
        }}"
    );
    let mut bench = Bench::load(&text);
    bench.compile();
    bench.machine.poisoned = true;
    bench.machine.area.poll_host = (stay as *const ()).expose_provenance() as u64;
    let edges = [i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1];
    let mut ranges =
        vec![(0, 0), (5, 1), (0, 1), (0, 8191), (0, 8192), (0, 8193), (-20_000, 20_001), (1, 100_000)];
    ranges.extend(edges.map(|edge| (edge, edge)));
    ranges.extend([(i64::MAX - 9, i64::MAX - 1), (i64::MIN, i64::MIN + 30_000), (i64::MAX, i64::MIN)]);
    ranges.extend([(i64::MAX - 40_001, i64::MAX - 1)]);
    for (from, to) in ranges {
        let (mut sum, mut i, mut turns) = (0i64, from, 0u64);
        while i < to {
            (sum, i, turns) = (sum.wrapping_add(i), i.wrapping_add(2), turns + 1);
        }
        bench.machine.area.polls = 0;
        assert_eq!(bench.call("@sum", &[from as u64, to as u64]), (Status::Returned, vec![sum as u64]));
        let polls = bench.machine.area.polls;
        assert!(polls >= turns / 5000 && polls <= turns / 4000, "{polls} polls in {turns} turns");
    }
}

/// Dividend and divisor in one register, shifted value and amount too: what two-register instructions want apart.
#[test]
fn one_value_as_both_operands() {
    let mut text = TYPES.to_owned();
    for op in ["SDIV", "SREM", "UDIV", "UREM", "SHL", "LSHR", "ASHR", "MUL", "SUB", "XOR"] {
        text += &format!(
            ".funcdef @{op} VERSION %v1 <@binary> {{
                %entry(<@i64> %a <@i64> %b):
                    %r = {op} <@i64> %a %a
                    %s = ADD <@i64> %r %b
                    %t = ADD <@i64> %s %a
                    RET %t
            }}"
        );
    }
    let expected = |op: &str, a: u64| match op {
        "SDIV" | "UDIV" => 1,
        "SREM" | "UREM" | "SUB" | "XOR" => 0,
        "SHL" => a << (a & 63),
        "LSHR" => a >> (a & 63),
        "ASHR" => ((a as i64) >> (a & 63)) as u64,
        _ => a.wrapping_mul(a),
    };
    for cpu in [crate::x64::lower::Cpu::BASELINE, crate::x64::lower::Cpu::detect()] {
        for effort in [crate::x64::regalloc::Effort::Best, crate::x64::regalloc::Effort::Fast] {
            let settings = crate::Settings { cpu, effort, optimize: false, ..crate::Settings::default() };
            let mut bench = Bench::with(&text, settings);
            bench.compile();
            for op in ["SDIV", "SREM", "UDIV", "UREM", "SHL", "LSHR", "ASHR", "MUL", "SUB", "XOR"] {
                for a in [1, 3, 63, 64, u64::MAX, 1 << 63] {
                    let got = bench.call(&format!("@{op}"), &[a, 5]);
                    let sum = expected(op, a).wrapping_add(5).wrapping_add(a);
                    assert_eq!(got, (Status::Returned, vec![sum]), "{op} {a}");
                }
            }
        }
    }
}

/// A function of thousands of blocks compiles in time that is not quadratic in any visible way.
#[test]
fn a_long_function() {
    let mut text = TYPES.to_owned();
    text += ".funcdef @long VERSION %v1 <@binary> { %entry(<@i64> %a <@i64> %b): BRANCH %b0(%a %b)";
    let count = 300;
    for at in 0..count {
        text += &format!(
            "%b{at}(<@i64> %a <@i64> %b):
                %c = SLT <@i64> %a %b
                BRANCH2 %c %l{at}(%a %b) %r{at}(%a %b)
            %l{at}(<@i64> %a <@i64> %b):
                %x = ADD <@i64> %a @1
                BRANCH %b{next}(%x %b)
            %r{at}(<@i64> %a <@i64> %b):
                %y = SUB <@i64> %b @2
                BRANCH %b{next}(%y %a)",
            next = at + 1
        );
    }
    text += &format!("%b{count}(<@i64> %a <@i64> %b): %r = XOR <@i64> %a %b RET %r }}");
    let settings =
        crate::Settings { effort: crate::x64::regalloc::Effort::Fast, ..crate::Settings::default() };
    let mut bench = Bench::with(&text, settings);
    bench.compile();
    let (mut a, mut b) = (10i64, 20i64);
    for _ in 0..count {
        (a, b) = if a < b { (a + 1, b) } else { (b - 2, a) };
    }
    assert_eq!(bench.call("@long", &[10, 20]), (Status::Returned, vec![(a ^ b) as u64]));
}

/// The last of so many parameters; `None` if that is refused.
fn last_of(count: usize) -> Option<u64> {
    let types = vec!["@i64"; count].join(" ");
    let params: String = (0..count).map(|n| format!("<@i64> %p{n} ")).collect();
    let args = vec!["%a"; count - 1].join(" ");
    let mut bench = Bench::load(&format!(
        "{TYPES}
        .funcsig @many = ({types}) -> (@i64)
        .funcdef @last VERSION %v1 <@many> {{
            %entry({params}):
                RET %p{}
        }}
        .funcdef @pass VERSION %v1 <@binary> {{
            %entry(<@i64> %a <@i64> %b):
                %r = CALL <@many> @last ({args} %b)
                RET %r
        }}",
        count - 1
    ));
    let refused = bench.compile_some();
    if refused.is_empty() {
        let (status, results) = bench.call("@pass", &[1, 77]);
        assert_eq!(status, Status::Returned);
        return Some(results[0]);
    }
    assert_eq!(refused, [Unsupported::TransferArea; 2]);
    None
}

/// Six words go in registers, the others through the transfer area.
#[test]
fn the_transfer_area_bounds_arguments() {
    let most = crate::x64::regs::INT_PASSED.len() + crate::thread_area::TRANSFER_WORDS;
    assert_eq!(most, 246);
    assert_eq!([last_of(6), last_of(7), last_of(most)], [Some(77); 3]);
    assert_eq!(last_of(most + 1), None);
}
