//! What the passes make of small functions, as snapshots.

use super::support::Bench;
use crate::{Input, import, opt::Optimizer};
use mu_ir::ids::FuncVerId;

const HEADER: &str = "
.typedef @i1 = int<1>
.typedef @i32 = int<32>
.typedef @i64 = int<64>
.typedef @iref = iref<@i64>
.typedef @ptr = uptr<@i64>
.typedef @pair = struct<@i64 @i32>
.const @0 <@i64> = 0
.const @1 <@i64> = 1
.const @3 <@i64> = 3
.const @8 <@i64> = 8
.const @10 <@i64> = 10
.const @true <@i1> = 1
.funcsig @unary = (@i64) -> (@i64)
.funcsig @binary = (@i64 @i64) -> (@i64)
.funcsig @mem = (@ptr @i64) -> (@i64)
";

/// The text after the last pass, with the text after the import before it.
fn passes(body: &str) -> String {
    let bench = Bench::load(&format!("{HEADER}{body}"));
    let input = Input { program: &bench.program, layouts: &bench.layouts, globals: &[] };
    let mut func = import::import(input, FuncVerId::new(0)).expect("it imports");
    let before = func.to_string();
    Optimizer::default().run(&mut func);
    format!("{before}-- optimized\n{func}")
}

#[test]
fn block_parameters_become_ordinary_values() {
    insta::assert_snapshot!(passes(
        ".funcdef @f VERSION %v1 <@binary> {
            %entry(<@i64> %a <@i64> %n):
                BRANCH %loop(%a %n @0)
            %loop(<@i64> %a <@i64> %n <@i64> %i):
                %j = ADD <@i64> %i %a
                %more = SLT <@i64> %j %n
                BRANCH2 %more %loop(%a %n %j) %done(%j %n)
            %done(<@i64> %j <@i64> %n):
                %r = SUB <@i64> %j %n
                RET %r
        }"
    ));
}

#[test]
fn constants_reach_through_branches() {
    insta::assert_snapshot!(passes(
        ".funcdef @f VERSION %v1 <@unary> {
            %entry(<@i64> %a):
                BRANCH %test(%a @1)
            %test(<@i64> %a <@i64> %x):
                %one = EQ <@i64> %x @1
                BRANCH2 %one %yes(%a %x) %no(%a)
            %yes(<@i64> %a <@i64> %x):
                %y = MUL <@i64> %x @8
                BRANCH %join(%a %y)
            %no(<@i64> %a):
                BRANCH %join(%a %a)
            %join(<@i64> %a <@i64> %y):
                %r = ADD <@i64> %a %y
                RET %r
        }"
    ));
}

#[test]
fn cells_become_values() {
    insta::assert_snapshot!(passes(
        ".funcdef @f VERSION %v1 <@unary> {
            %entry(<@i64> %n):
                %i = ALLOCA <@i64>
                %p = ALLOCA <@pair>
                %sum = GETFIELDIREF <@pair 0> %p
                BRANCH %loop(%n %i %sum)
            %loop(<@i64> %n <@iref> %i <@iref> %sum):
                %x = LOAD <@i64> %i
                %s = LOAD <@i64> %sum
                %t = ADD <@i64> %s %x
                STORE <@i64> %sum %t
                %y = ADD <@i64> %x @1
                STORE <@i64> %i %y
                %more = SLT <@i64> %y %n
                BRANCH2 %more %loop(%n %i %sum) %done(%sum)
            %done(<@iref> %sum):
                %r = LOAD <@i64> %sum
                RET %r
        }"
    ));
}

#[test]
fn invariants_leave_the_loop() {
    insta::assert_snapshot!(passes(
        ".funcdef @f VERSION %v1 <@mem> {
            %entry(<@ptr> %p <@i64> %n):
                BRANCH %head(%p %n @0 @0)
            %head(<@ptr> %p <@i64> %n <@i64> %i <@i64> %sum):
                %more = SLT <@i64> %i %n
                BRANCH2 %more %body(%p %n %i %sum) %done(%sum)
            %body(<@ptr> %p <@i64> %n <@i64> %i <@i64> %sum):
                %nn = MUL <@i64> %n %n
                %row = MUL <@i64> %i %n
                %at = ADD <@i64> %row %nn
                %loc = SHIFTIREF PTR <@i64 @i64> %p %at
                %x = LOAD PTR <@i64> %loc
                %s = ADD <@i64> %sum %x
                %j = ADD <@i64> %i @1
                BRANCH %head(%p %n %j %s)
            %done(<@i64> %sum):
                RET %sum
        }"
    ));
}

#[test]
fn stores_are_forwarded_until_something_may_write() {
    insta::assert_snapshot!(passes(
        ".funcdecl @g <@unary>
        .funcdef @f VERSION %v1 <@mem> {
            %entry(<@ptr> %p <@i64> %n):
                %q = SHIFTIREF PTR <@i64 @i64> %p @1
                STORE PTR <@i64> %p %n
                STORE PTR <@i64> %q @8
                %a = LOAD PTR <@i64> %p
                %b = LOAD PTR <@i64> %q
                %c = CALL <@unary> @g (%a)
                %d = LOAD PTR <@i64> %p
                %x = ADD <@i64> %a %b
                %y = ADD <@i64> %c %d
                %z = XOR <@i64> %x %y
                RET %z
        }"
    ));
}

#[test]
fn algebra() {
    insta::assert_snapshot!(passes(
        ".funcdef @f VERSION %v1 <@binary> {
            %entry(<@i64> %a <@i64> %b):
                %1 = MUL <@i64> %a @8
                %2 = SUB <@i64> %1 @3
                %3 = ADD <@i64> @10 %2
                %4 = UDIV <@i64> %3 @8
                %5 = UREM <@i64> %4 @10
                %6 = SREM <@i64> %b @8
                %7 = EQ <@i64> %5 %6
                %8 = XOR <@i1> %7 @true
                %9 = ZEXT <@i1 @i64> %8
                RET %9
        }"
    ));
}

#[test]
fn fuel_stops_after_so_many_changes() {
    let bench = Bench::load(&format!(
        "{HEADER}.funcdef @f VERSION %v1 <@unary> {{ %e(<@i64> %a): %x = ADD <@i64> %a @0 %y = MUL <@i64> %x @1 RET %y }}"
    ));
    let input = Input { program: &bench.program, layouts: &bench.layouts, globals: &[] };
    let imported = || import::import(input, FuncVerId::new(0)).expect("it imports");
    let optimized = |fuel: u64| {
        let mut func = imported();
        Optimizer::with_fuel(fuel).run(&mut func);
        func.to_string()
    };
    assert_eq!(optimized(0), imported().to_string());
    assert_ne!(optimized(1), optimized(2));
    assert_eq!(optimized(50), optimized(1000));
    assert!(!optimized(50).contains("mul"), "{}", optimized(50));
}
