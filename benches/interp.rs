//! The interpreter and the loader: ns per run of the example programs, checked and not, and reading a generated bundle.
//!
//! `cargo bench --bench interp` prints criterion's table; throughput is in Mu instructions (or bytes of text).

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mu_vm::{Mu, Options, Outcome};
use std::fmt::Write;
use std::hint::black_box;
use support::{instance, int_argument};

fn run(mu: &mut Mu, argument: u128) {
    let main = mu.func("@main").expect("the program has @main");
    let argument = int_argument(mu, main, argument);
    match mu.call(main, vec![argument]) {
        Outcome::Return(values) => {
            black_box(values);
        }
        other => panic!("{other:?}"),
    }
}

fn programs(criterion: &mut Criterion) {
    let programs = [
        ("fib", include_str!("../examples/fib.uir"), 20),
        ("is_prime", include_str!("../examples/is_prime.uir"), 10_007),
        ("sieve", include_str!("../examples/sieve.uir"), 10_000),
        ("matmul", include_str!("../examples/matmul.uir"), 20),
        ("generator", include_str!("../examples/generator.uir"), 1_000),
    ];
    for checked in [true, false] {
        let mut group = criterion.benchmark_group(if checked { "checked" } else { "unchecked" });
        for (name, text, argument) in programs {
            let mut options = Options::default();
            options.config.checked = checked;
            let mut mu = instance(text, options);
            run(&mut mu, argument);
            group.throughput(Throughput::Elements(mu.executed()));
            group.bench_function(name, |bencher| bencher.iter(|| run(&mut mu, argument)));
        }
        group.finish();
    }
}

/// A bundle of functions with arithmetic, calls and branches, of about `bytes` bytes.
fn bundle(bytes: usize) -> String {
    let mut text = ".typedef @i64 = int<64>\n.funcsig @sig = (@i64 @i64) -> (@i64)\n".to_owned();
    let mut number = 0;
    while text.len() < bytes {
        let _ = writeln!(
            text,
            ".funcdef @function_{number} VERSION %v1 <@sig> {{\n    %entry(<@i64> %a <@i64> %b):\n        \
             %c = ADD <@i64> %a %b\n        %d = MUL <@i64> %c %a\n        \
             %e = CALL <@sig> @function_{number} (%d %b)\n        %z = SLT <@i64> %e %c\n        \
             BRANCH2 %z %left(%c %d) %right(%e)\n    %left(<@i64> %x <@i64> %y):\n        \
             %s = XOR <@i64> %x %y\n        RET %s\n    %right(<@i64> %x):\n        RET %x\n}}"
        );
        number += 1;
    }
    text
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for bytes in [50_000, 5_000_000] {
        let text = bundle(bytes);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("{bytes} bytes"), |bencher| {
            bencher.iter(|| {
                instance(black_box(&text), Options::default());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, programs, loading);
criterion_main!(benches);
