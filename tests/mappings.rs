//! What the process has mapped, as the kernel tells it: no page is writable and executable, and under the stress mode
//! `move` nobody can look where an object was.

use mu_vm::conformance::{Suite, Tier};
use mu_vm::rt::runtime::Config;
use mu_vm::{Mu, Options, Outcome};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The mappings of the process: begin, end, permissions (`rwxp`).
fn mappings() -> Vec<(u64, u64, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let parse = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (begin, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some((number(begin)?, number(end)?, rest.get(..4)?.to_owned()))
    };
    maps.lines().map(|line| parse(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

fn assert_none_is_writable_and_executable() {
    for (begin, end, access) in mappings() {
        assert!(!(access.contains('w') && access.contains('x')), "{begin:x}-{end:x} {access}");
    }
}

#[test]
fn no_page_is_writable_and_executable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut suite = Suite::find(&root).unwrap();
    let rooms = ["native-interface/", "threads-stacks/", "irbuilder/", "common-insts/", "memory/"];
    suite.scripts.retain(|script| rooms.iter().any(|room| script.starts_with(room)));
    // Of the many, every third.
    let mut number = 0;
    suite.scripts.retain(|script| {
        number += 1;
        script.starts_with(rooms[0]) || number % 3 == 0
    });
    assert!(suite.scripts.len() > 50);
    let done = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                assert_none_is_writable_and_executable();
                looks += 1;
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            looks
        });
        suite.run(&[Tier::Interp], 1);
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(looks > 10, "{looks} looks");
}

const PROGRAM: &str = "
    .typedef @i64 = int<64>
    .typedef @ref = ref<@i64>
    .funcsig @make_sig = () -> (@ref)
    .funcdef @make VERSION %v1 <@make_sig> {
        %entry():
            %object = NEW <@i64>
            RET %object
    }
";

#[test]
fn nobody_can_look_where_an_object_was() {
    for stress in ["move", "every:1,move"] {
        let config = Config { gc_stress: stress.parse().unwrap(), ..Config::default() };
        let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
        mu.load_bundle("mappings", PROGRAM).unwrap();
        let access = |address: u64| {
            let mappings = mappings();
            let found = mappings.iter().find(|(begin, end, _)| (*begin..*end).contains(&address));
            found.unwrap_or_else(|| panic!("{address:#x} is mapped")).2.clone()
        };
        let make = mu.func("@make").unwrap();
        let Outcome::Return(values) = mu.call(make, Vec::new()) else { panic!("it returns") };
        for _ in 0..10 {
            let stale = values[0].as_u64();
            assert_eq!(access(stale), "rw-p");
            mu.collect();
            assert_ne!(values[0].as_u64(), stale);
            assert_eq!(access(stale), "---p");
        }
    }
}
