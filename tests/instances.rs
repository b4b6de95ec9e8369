//! [I2]: instances share nothing. Many live and die in one process, in parallel, and dropping one unmaps what it mapped.

use mu_vm::{Mu, Options, Outcome};

const PROGRAM: &str = "
    .typedef @i64 = int<64>
    .typedef @ref = ref<@i64>
    .const @i64_0 <@i64> = 0
    .const @i64_1 <@i64> = 1
    .funcsig @sig = (@i64) -> (@i64)
    .global @calls <@i64>

    // Allocates n objects and counts its calls in a global cell.
    .funcdef @work VERSION %v1 <@sig> {
        %entry(<@i64> %n):
            %c = LOAD <@i64> @calls
            %d = ADD <@i64> %c @i64_1
            STORE <@i64> @calls %d
            BRANCH %head(%n)
        %head(<@i64> %n):
            %done = EQ <@i64> %n @i64_0
            BRANCH2 %done %exit() %body(%n)
        %body(<@i64> %n):
            %object = NEW <@i64>
            %m = SUB <@i64> %n @i64_1
            BRANCH %head(%m)
        %exit():
            %c = LOAD <@i64> @calls
            RET %c
    }
";

fn call(mu: &mut Mu, argument: u64) -> u64 {
    let func = mu.func("@work").unwrap();
    let argument = mu.value_from_int(mu.params(func)[0], argument.into()).unwrap();
    match mu.call(func, vec![argument]) {
        Outcome::Return(values) => values[0].as_u64(),
        other => panic!("{other:?}"),
    }
}

/// Bytes of private memory mapped now, from the kernel.
fn mapped_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn instances_live_in_parallel_and_leave_nothing() {
    // A first round lets the allocator and the thread stacks reach their size.
    round();
    let before = mapped_kib();
    round();
    let after = mapped_kib();
    // One leaked instance would keep a gigabyte of address space.
    assert!(after < before + (512 << 10), "{before} KiB mapped before, {after} KiB after");
}

fn round() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut first = Mu::new(Options::default()).unwrap();
                    let mut second = Mu::new(Options::default()).unwrap();
                    first.load_bundle("a.uir", PROGRAM).unwrap();
                    second.load_bundle("a.uir", PROGRAM).unwrap();
                    assert_eq!(call(&mut first, 100), 1);
                    assert_eq!(call(&mut first, 100), 2);
                    drop(first);
                    assert_eq!(call(&mut second, 100), 1, "each instance has its own global cells");
                }
            });
        }
    });
}
