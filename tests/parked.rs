//! Many suspended stacks in one process, by the example that measures them. Alone in its file: it looks at the memory of
//! the whole process. `cargo run --release --example parked -- 200000` is the same with more stacks.

#[path = "../examples/parked.rs"]
#[allow(dead_code, reason = "its main function")]
mod parked;

/// Twenty thousand stacks: with a mapping and a guard for each, more than half of the mappings a process may have.
const STACKS: u64 = 20_000;

#[test]
fn twenty_thousand_stacks_are_parked_collected_and_resumed() {
    for stack_bytes in [16 << 10, 1 << 20] {
        let mappings = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let before = mappings();
        let measured = parked::run(STACKS, stack_bytes).unwrap();
        assert_eq!((measured.alive as u64, measured.right), (STACKS, STACKS), "{measured:?}");
        assert!(measured.resident_bytes <= 8192.0, "{measured:?}");
        let mappings_max = if measured.guards_are_free { 0.01 } else { 2.01 };
        assert!(measured.mappings <= mappings_max, "{measured:?}");
        // The instance is gone, and all it mapped.
        assert!(mappings() <= before + 8, "{before} mappings before, {} after", mappings());
    }
}
