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

/// KiB mapped now, by the kernel. What the host's allocator reserves for threads does not count: pieces of 64 MiB, aligned
/// to their size, of which it keeps more or fewer.
fn mapped_kib() -> u64 {
    const ARENA: u64 = 64 << 20;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let address = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let ranges = maps.lines().map(|line| line.split(' ').next().unwrap().split_once('-').unwrap());
    let ranges: Vec<(u64, u64)> = ranges.map(|(start, end)| (address(start), address(end))).collect();
    let mut bytes = 0;
    let mut at = 0;
    while let Some(&(start, end)) = ranges.get(at) {
        // Used and reserved parts of an arena are mappings of their own, side by side.
        let parts =
            ranges[at..].iter().scan(start, |next, &(start, end)| (start == *next).then(|| *next = end));
        let parts = parts.count();
        let arena = start % ARENA == 0
            && (at..at + parts).any(|last| ranges[last].1 == start + ARENA && ranges[last].1 > start);
        if arena {
            at += (at..at + parts).position(|last| ranges[last].1 == start + ARENA).unwrap_or(0) + 1;
        } else {
            bytes += end - start;
            at += 1;
        }
    }
    bytes >> 10
}

#[test]
fn instances_live_in_parallel_and_leave_nothing() {
    // A first round lets the allocator and the thread stacks reach their size.
    round();
    let before = mapped_kib();
    (0..3).for_each(|_| round());
    let after = mapped_kib();
    // 240 instances that leaked only their smallest mapping, a stack of 1 MiB, would make it 240 MiB more; one leaked
    // heap is a gigabyte.
    assert!(after < before + (16 << 10), "{before} KiB mapped before, {after} KiB after");
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
