//! Compiled kernels against gcc: `cargo bench -p mu-jit --bench kernels [-- NAME] [--disasm] [--dump]`.
//!
//! Each kernel is one C function, translated to Mu in two forms. Rounds are interleaved: in each, every engine runs every
//! kernel once; the table has the least time of each. All engines must agree on the answers. Without gcc the Mu columns are
//! printed alone.

mod translate;

use mu_ir::ids::{FuncId, FuncVerId};
use mu_ir::program::{Entity, Program};
use mu_jit::code::stubs::Status;
use mu_jit::run::Machine;
use mu_jit::{Input, Jit, Settings};
use mu_rt::layout::Layouts;
use std::process::Command;
use std::time::{Duration, Instant};
use translate::Form;

const SOURCE: &str = include_str!("kernels.c");
const ROUNDS: usize = 25;

struct Kernel {
    name: &'static str,
    argument: u64,
    /// Words of memory it gets, filled in a way.
    fill: fn(&mut [u64]),
    words: usize,
}

fn none(_: &mut [u64]) {}

fn doubles(memory: &mut [u64]) {
    memory.iter_mut().enumerate().for_each(|(at, word)| *word = (1.0 + (at % 17) as f64 / 3.0).to_bits());
}

fn numbers(memory: &mut [u64]) {
    memory
        .iter_mut()
        .enumerate()
        .for_each(|(at, word)| *word = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3);
}

const KERNELS: &[Kernel] = &[
    Kernel { name: "sieve", argument: 4_000_000, fill: none, words: 500_001 },
    Kernel { name: "fib", argument: 32, fill: none, words: 1 },
    Kernel { name: "nbody", argument: 100_000, fill: doubles, words: 35 },
    Kernel { name: "spectral", argument: 500, fill: doubles, words: 1000 },
    Kernel { name: "mandelbrot", argument: 300, fill: none, words: 1 },
    Kernel { name: "matmul_f64", argument: 200, fill: doubles, words: 120_000 },
    Kernel { name: "matmul_i64", argument: 200, fill: numbers, words: 120_000 },
    Kernel { name: "quicksort", argument: 300_000, fill: none, words: 300_000 },
    Kernel { name: "fannkuch", argument: 9, fill: none, words: 40 },
    Kernel { name: "sha1", argument: 20_000, fill: numbers, words: 40 },
    Kernel { name: "loop", argument: 20_000_000, fill: none, words: 1 },
];

struct Mu {
    program: Program,
    layouts: Layouts,
    jit: Jit,
    machine: Machine,
    compile_time: Duration,
    insts: usize,
}

impl Mu {
    fn new(form: Form, settings: &Settings) -> Mu {
        let text = translate::translate(SOURCE, form);
        let mut program = Program::new();
        let before = program.mark();
        let source = program.add_source("kernels", text.as_str());
        let (draft, errors) = mu_text::parse(&text, source);
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        let options = mu_ir::link::Options { lenient: false, resolve_extern: &|_: &str| None };
        if let Err(errors) = mu_ir::link::load(&mut program, &draft, before, &options) {
            panic!("{errors:?}\n{text}");
        }
        let layouts = Layouts::new();
        let jit = Jit::new(settings.clone(), 1 << 20).expect("executable memory");
        let machine = Machine::new(8 << 20).expect("a stack");
        let mut mu = Mu { program, layouts, jit, machine, compile_time: Duration::MAX, insts: 0 };
        mu.insts =
            mu.program.func_vers.iter().flat_map(|ver| &ver.blocks).map(|block| block.insts.len()).sum();
        mu.compile(settings);
        mu
    }

    fn compile(&mut self, settings: &Settings) {
        let input = Input { program: &self.program, layouts: &self.layouts, globals: &[] };
        // Compile time is that of the whole bundle, best of some times.
        let mut jit = Jit::new(settings.clone(), 1 << 20).expect("executable memory");
        for _ in 0..20 {
            let start = Instant::now();
            for version in 0..self.program.func_vers.len() {
                jit.compile(input, FuncVerId::new(version)).expect("it compiles");
            }
            self.compile_time = self.compile_time.min(start.elapsed());
        }
        self.jit = jit;
    }

    fn func(&self, name: &str) -> FuncId {
        match self.program.lookup(&format!("@{name}")) {
            Some(Entity::Func(func)) => func,
            _ => panic!("no function {name}"),
        }
    }

    fn run(&mut self, kernel: &Kernel, memory: &mut [u64]) -> (u64, Duration) {
        let func = self.func(kernel.name);
        let args = [kernel.argument, memory.as_mut_ptr().expose_provenance() as u64];
        let input = Input { program: &self.program, layouts: &self.layouts, globals: &[] };
        let start = Instant::now();
        let (status, results) = self.machine.call(&self.jit, input, func, &args).expect("it can be called");
        let time = start.elapsed();
        assert_eq!(status, Status::Returned, "{}", kernel.name);
        (results[0], time)
    }

    /// Where the time of compiling goes: best of many rounds over all kernels, in ns per IR instruction.
    fn phases(&self, settings: &Settings) {
        let input = Input { program: &self.program, layouts: &self.layouts, globals: &[] };
        let mut best = [Duration::MAX; 3];
        let mut workspace = mu_jit::x64::regalloc::Workspace::default();
        for _ in 0..500 {
            let mut times = [Duration::ZERO; 3];
            for version in 0..self.program.func_vers.len() {
                let start = Instant::now();
                let mut func = mu_jit::import::import(input, FuncVerId::new(version)).expect("it imports");
                times[0] += start.elapsed();
                let start = Instant::now();
                mu_jit::opt::Optimizer::default().polls(settings.polls).run(&mut func);
                times[1] += start.elapsed();
                let start = Instant::now();
                let done = mu_jit::x64::generate(&mut func, settings.cpu, settings.effort, &mut workspace);
                times[2] += start.elapsed();
                assert!(done.is_ok());
            }
            best.iter_mut().zip(times).for_each(|(best, time)| *best = (*best).min(time));
        }
        for (name, time) in ["import", "optimize", "generate"].iter().zip(best) {
            println!("{name:10} {:7.0} ns", time.as_nanos() as f64 / self.insts as f64);
        }
    }

    fn show(&self, name: &str) {
        let version = self.program.current_version(self.func(name)).expect("a version");
        println!("{}", self.jit.disassemble(self.jit.map().of(version).expect("code")));
    }

    fn dump(&self, name: &str) {
        let version = self.program.current_version(self.func(name)).expect("a version");
        let input = Input { program: &self.program, layouts: &self.layouts, globals: &[] };
        let mut func = mu_jit::import::import(input, version).expect("it imports");
        for (pass, text) in mu_jit::opt::Optimizer::default().dump().polls(true).run(&mut func) {
            println!("---- {pass}\n{text}");
        }
    }
}

/// The kernels as C compiled them.
struct C {
    library: libloading::Library,
}

impl C {
    fn new(option: &str) -> Option<C> {
        let folder = std::env::temp_dir();
        let name = format!("mu-kernels-{}{option}", std::process::id());
        let (source, object) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
        std::fs::write(&source, SOURCE).ok()?;
        let done = Command::new("gcc")
            .args([
                option,
                "-fno-strict-aliasing",
                "-fwrapv",
                "-ffp-contract=off",
                "-shared",
                "-fPIC",
                "-Wl,-Bsymbolic",
                "-o",
            ])
            .arg(&object)
            .arg(&source)
            .status();
        if !done.is_ok_and(|status| status.success()) {
            return None;
        }
        // SAFETY: a library of functions without initialisers, made just now.
        let library = unsafe { libloading::Library::new(&object) }.ok();
        let _ = std::fs::remove_file(source);
        let _ = std::fs::remove_file(object);
        Some(C { library: library? })
    }

    fn run(&self, kernel: &Kernel, memory: &mut [u64]) -> (u64, Duration) {
        // SAFETY: the function has these two parameters, or only the first.
        unsafe {
            let function: libloading::Symbol<'_, unsafe extern "C" fn(u64, *mut u64) -> u64> =
                self.library.get(kernel.name.as_bytes()).expect("a kernel");
            let start = Instant::now();
            let result = function(kernel.argument, memory.as_mut_ptr());
            (result, start.elapsed())
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let wanted = args.iter().find(|arg| !arg.starts_with("--"));
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    // Loops of gcc cannot be stopped; `--no-polls` compares like with like.
    let settings = Settings { polls: !args.iter().any(|arg| arg == "--no-polls"), ..Settings::default() };
    let (mut ssa, mut naive) = (Mu::new(Form::Ssa, &settings), Mu::new(Form::Naive, &settings));
    if let Some(name) = wanted {
        let mu = if flag("--naive") { &naive } else { &ssa };
        if flag("--disasm") {
            return mu.show(name);
        }
        if flag("--phases") {
            return mu.phases(&settings);
        }
        if flag("--dump") {
            return mu.dump(name);
        }
    }
    let (c1, c2) = (C::new("-O1"), C::new("-O2"));
    if c1.is_none() {
        println!("gcc is not there: no denominator");
    }
    println!("{:12} {:>10} {:>9} {:>9} {:>9}", "kernel", "gcc -O1 ms", "SSA", "naive", "gcc -O2");
    let mut logs = [0.0; 3];
    let mut count = 0;
    for kernel in KERNELS.iter().filter(|kernel| wanted.is_none_or(|name| name == kernel.name)) {
        let mut best = [Duration::MAX; 4];
        let mut memory = vec![0u64; kernel.words];
        for _ in 0..ROUNDS {
            let mut answers = Vec::new();
            for (engine, least) in best.iter_mut().enumerate() {
                memory.fill(0);
                (kernel.fill)(&mut memory);
                let (answer, time) = match (engine, &c1, &c2) {
                    (0, _, _) => ssa.run(kernel, &mut memory),
                    (1, _, _) => naive.run(kernel, &mut memory),
                    (2, Some(c), _) | (3, _, Some(c)) => c.run(kernel, &mut memory),
                    _ => continue,
                };
                answers.push(answer);
                *least = (*least).min(time);
            }
            assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{}: {answers:x?}", kernel.name);
        }
        let ratio = |time: Duration| time.as_secs_f64() / best[2].as_secs_f64();
        let ratios = [ratio(best[0]), ratio(best[1]), ratio(best[3])];
        logs.iter_mut().zip(ratios).for_each(|(log, ratio)| *log += ratio.ln());
        count += 1;
        println!(
            "{:12} {:>10.2} {:>9.2} {:>9.2} {:>9.2}",
            kernel.name,
            best[2].as_secs_f64() * 1e3,
            ratios[0],
            ratios[1],
            ratios[2]
        );
    }
    let mean = logs.map(|log| (log / f64::from(count)).exp());
    println!("{:12} {:>10} {:>9.2} {:>9.2} {:>9.2}", "geomean", "", mean[0], mean[1], mean[2]);
    for (name, mu) in [("SSA", &ssa), ("naive", &naive)] {
        println!(
            "compile time, {name}: {:.2} us per IR instruction ({} instructions, {} bytes of code)",
            mu.compile_time.as_secs_f64() * 1e6 / mu.insts as f64,
            mu.insts,
            mu.jit.map().functions().iter().map(|function| function.bytes).sum::<u32>() / 20
        );
    }
}
