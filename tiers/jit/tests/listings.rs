//! Machine code of small functions, as snapshots: for a CPU without extensions, so that they are the same everywhere.

use super::support::Bench;
use crate::Settings;
use crate::x64::lower::Cpu;
use mu_ir::ids::FuncVerId;

fn listing(text: &str) -> String {
    let mut bench = Bench::with(text, Settings { cpu: Cpu::BASELINE, ..Settings::default() });
    bench.compile();
    let compiled = bench.jit.map().of(FuncVerId::new(0)).expect("code");
    // Distances to entry cells depend on the size of the region.
    let listing = bench.jit.disassemble(compiled);
    listing.lines().map(|line| line.split(" [0x").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_call_with_references() {
    insta::assert_snapshot!(listing(
        ".typedef @i64 = int<64>
        .typedef @void = void
        .typedef @ref = ref<@void>
        .funcsig @s = (@ref @i64) -> (@ref @i64)
        .funcdef @f VERSION %v1 <@s> {
            %entry(<@ref> %a <@i64> %n):
                (%b %m) = CALL <@s> @f (%a %n) EXC(%ok(%a %b %m) %caught(%a)) KEEPALIVE (%n)
            %ok(<@ref> %a <@ref> %b <@i64> %m):
                %same = EQ <@ref> %a %b
                %r = SELECT <@i1 @i64> %same %m %n0
                RET (%a %r)
            %caught(<@ref> %a) [%exc]:
                RET (%exc %n0)
        }
        .typedef @i1 = int<1>
        .const @zero <@i64> = 0
        "
        .replace("%n0", "@zero")
        .as_str()
    ));
}

#[test]
fn a_loop_over_memory() {
    insta::assert_snapshot!(listing(
        ".typedef @i32 = int<32>
        .typedef @i64 = int<64>
        .typedef @ptr = uptr<@i32>
        .const @0 <@i64> = 0
        .const @1 <@i64> = 1
        .const @zero <@i32> = 0
        .funcsig @s = (@ptr @i64) -> (@i32)
        .funcdef @sum VERSION %v1 <@s> {
            %entry(<@ptr> %p <@i64> %n):
                BRANCH %head(%p %n @0 @zero)
            %head(<@ptr> %p <@i64> %n <@i64> %i <@i32> %sum):
                %more = SLT <@i64> %i %n
                BRANCH2 %more %body(%p %n %i %sum) %done(%sum)
            %body(<@ptr> %p <@i64> %n <@i64> %i <@i32> %sum):
                %at = SHIFTIREF PTR <@i32 @i64> %p %i
                %x = LOAD PTR <@i32> %at
                %s = ADD <@i32> %sum %x
                %j = ADD <@i64> %i @1
                BRANCH %head(%p %n %j %s)
            %done(<@i32> %sum):
                RET %sum
        }"
    ));
}
