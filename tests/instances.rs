//! [I2]: instances share nothing. Many live and die in one process, in parallel, and dropping one unmaps what it mapped.

use mu_vm::{Mu, Options, Outcome};
use std::sync::Barrier;

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

/// A number of KiB that the kernel tells about the process.
fn kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Address space, anonymous memory (both in KiB), mappings.
fn footprint() -> [u64; 3] {
    let mappings = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    [kib("VmSize:"), kib("RssAnon:"), mappings as u64]
}

/// What four hundred instances may leave behind: an instance that keeps one page, or forgets one mapping, is more.
const LEFT_MAX: [u64; 3] = [1024, 1024, 20];

#[test]
fn instances_live_in_parallel_and_leave_nothing() {
    // The same threads throughout: the allocator keeps memory for each that ever was.
    let together = Barrier::new(5);
    let [before, after] = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // The first let the allocator reach its size.
                for rounds in [10, 50] {
                    (0..rounds).for_each(|_| two_instances());
                    together.wait();
                    // The main thread looks.
                    together.wait();
                }
            });
        }
        [(), ()].map(|()| {
            together.wait();
            let seen = footprint();
            together.wait();
            seen
        })
    });
    for ((before, after), most) in before.iter().zip(&after).zip(LEFT_MAX) {
        assert!(*after <= before + most, "{before:?} before, {after:?} after");
    }
}

fn two_instances() {
    let mut first = Mu::new(Options::default()).unwrap();
    let mut second = Mu::new(Options::default()).unwrap();
    first.load_bundle("a.uir", PROGRAM).unwrap();
    second.load_bundle("a.uir", PROGRAM).unwrap();
    assert_eq!(call(&mut first, 100), 1);
    assert_eq!(call(&mut first, 100), 2);
    // Stacks, some of them killed; and garbage that was collected.
    let work = first.func("@work").unwrap();
    let stacks: Vec<_> = (0..20).map(|_| first.new_stack(work).unwrap()).collect();
    assert!(stacks.iter().step_by(3).all(|&stack| first.kill_stack(stack)));
    first.collect();
    drop(first);
    assert_eq!(call(&mut second, 100), 1, "each instance has its own global cells");
}
