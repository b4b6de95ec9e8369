//! The conformance scripts on compiled code: every call whose functions the tier supports must give what the interpreter
//! gives. (Calls it does not support are counted by reason; `MU_JIT_REASONS=1` prints the counts.)

use mu_jit::code::stubs::Status;
use mu_jit::run::Machine;
use mu_jit::x64::regalloc::Effort;
use mu_jit::{Input, Jit, Settings};
use mu_vm::ir::ids::{FuncId, FuncVerId, TypeId};
use mu_vm::ir::inst::Value as Operand;
use mu_vm::ir::types::Type;
use mu_vm::text::script::{self, StepKind};
use mu_vm::{Mu, Options, Outcome, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Scripts, in order of their names.
fn scripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut work = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")];
    while let Some(folder) = work.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                work.push(path);
            } else if name.ends_with(".uir") && !name.ends_with(".part.uir") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The functions a call may reach, or that their constants refer to.
fn reachable(mu: &Mu, func: FuncId) -> BTreeSet<FuncId> {
    let program = mu.program();
    let mut found = BTreeSet::from([func]);
    let mut work = vec![func];
    while let Some(func) = work.pop() {
        let Some(version) = program.current_version(func) else { continue };
        for inst in program.func_vers[version.index()].blocks.iter().flat_map(|block| &block.insts) {
            for operand in &inst.args {
                if let Operand::Func(next) = operand
                    && found.insert(*next)
                {
                    work.push(*next);
                }
            }
        }
    }
    found
}

/// Whether words of a type mean the same in both tiers: no addresses.
fn is_comparable(mu: &Mu, ty: TypeId) -> bool {
    let types = &mu.program().types;
    match types.get(ty) {
        Type::Int(_) | Type::Float | Type::Double | Type::FuncRef(_) => true,
        Type::Vector(elem, _) | Type::Array(elem, _) => is_comparable(mu, *elem),
        Type::Struct(fields) => fields.iter().all(|&field| is_comparable(mu, field)),
        _ => false,
    }
}

#[derive(Default)]
struct Tally {
    compared: usize,
    skipped: BTreeMap<String, usize>,
}

impl Tally {
    fn skip(&mut self, why: impl Into<String>) {
        *self.skipped.entry(why.into()).or_default() += 1;
    }
}

struct Compiler {
    jit: Jit,
    machine: Machine,
    compiled: BTreeSet<FuncVerId>,
}

impl Compiler {
    fn compile(&mut self, mu: &Mu, func: FuncId) -> Result<(), String> {
        let rt = mu.runtime();
        let input = Input { program: &rt.program, layouts: &rt.layouts, globals: &rt.globals };
        for func in reachable(mu, func) {
            let Some(version) = rt.program.current_version(func) else {
                return Err("an undefined function".into());
            };
            if self.compiled.contains(&version) {
                let entry = self.jit.map().of(version).map_or(0, |compiled| compiled.entry);
                assert_ne!(entry, 0);
                self.jit.redirect(func, entry);
                continue;
            }
            self.jit.compile(input, version).map_err(|reason| reason.to_string())?;
            self.compiled.insert(version);
        }
        Ok(())
    }
}

/// One call in both tiers.
fn call(
    name: &str,
    interp: &mut Mu,
    other: &mut Mu,
    compiler: &mut Compiler,
    call: &script::Call,
    tally: &mut Tally,
) -> bool {
    let Some(func) = interp.func(&call.func) else {
        tally.skip("no such function");
        return false;
    };
    let params = interp.params(func).to_vec();
    let args: Result<Vec<Value>, String> = params
        .iter()
        .zip(&call.args)
        .map(|(&ty, text)| interp.value_from_text(ty, &text.to_string()))
        .collect();
    let Ok(args) = args else {
        tally.skip("arguments that are no plain values");
        return false;
    };
    let returns = interp.returns(func).to_vec();
    if !returns.iter().chain(&params).all(|&ty| is_comparable(interp, ty)) {
        tally.skip("results or arguments that are addresses");
        return false;
    }
    if let Err(reason) = compiler.compile(other, func) {
        tally.skip(reason);
        return false;
    }
    let words: Vec<u64> = args.iter().flat_map(|arg| arg.words().to_vec()).collect();
    interp.set_fuel(10_000_000);
    let outcome = interp.call(func, args);
    let expected = match &outcome {
        Outcome::Return(values) => {
            (Status::Returned, values.iter().flat_map(|value| value.words().to_vec()).collect())
        }
        Outcome::Exception(..) => (Status::Thrown, Vec::new()),
        _ => {
            tally.skip("an outcome that is no value and no exception");
            return false;
        }
    };
    let rt = other.runtime();
    let input = Input { program: &rt.program, layouts: &rt.layouts, globals: &rt.globals };
    let place = format!("{name}: {}{:?}", call.func, words);
    if std::env::var("MU_JIT_TRACE").is_ok() {
        eprintln!("{place}");
    }
    let got = compiler.machine.call(&compiler.jit, input, func, &words).expect("its arguments fit");
    if got.0 == Status::NoCode {
        tally.skip("a call of a function that was not known to be called");
        return false;
    }
    let listing = || {
        let version = rt.program.current_version(func).expect("a version");
        compiler.jit.map().of(version).map(|compiled| compiler.jit.disassemble(compiled)).unwrap_or_default()
    };
    assert_eq!(got, expected, "{place}\n{}", listing());
    tally.compared += 1;
    true
}

fn run(path: &Path, settings: &Settings, tally: &mut Tally) {
    let text = std::fs::read_to_string(path).expect("a script");
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Ok(script) = script::parse(&text) else { return };
    if !script.invalid.is_empty() {
        return;
    }
    let instance = || {
        let mut options = Options::default();
        options.config.heap_bytes = 4 << 20;
        options.config.lenient = script.options.lenient;
        options.config.stack_bytes = script.options.stack_bytes.unwrap_or(options.config.stack_bytes);
        Mu::new(options).expect("an instance")
    };
    let (mut interp, mut other) = (instance(), instance());
    if interp.load_bundle(&name, &text).is_err() || other.load_bundle(&name, &text).is_err() {
        return;
    }
    let jit = Jit::new(settings.clone(), 4 << 20).expect("executable memory");
    let machine = Machine::new(script.options.stack_bytes.unwrap_or(1 << 20)).expect("a stack");
    (0..other.program().funcs.len()).for_each(|func| jit.declare(FuncId::new(func)));
    let mut compiler = Compiler { jit, machine, compiled: BTreeSet::new() };
    for step in &script.steps {
        let done = match &step.kind {
            StepKind::Call(step) => call(&name, &mut interp, &mut other, &mut compiler, step, tally),
            _ => false,
        };
        // What a skipped step would have left in global cells is missing from then on.
        if !done && !interp.program().globals.is_empty() {
            break;
        }
    }
}

fn run_all(settings: &Settings) -> Tally {
    let mut tally = Tally::default();
    for path in scripts() {
        run(&path, settings, &mut tally);
    }
    if std::env::var("MU_JIT_REASONS").is_ok() {
        eprintln!("{} calls compared", tally.compared);
        let mut reasons: Vec<_> = tally.skipped.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        reasons.iter().for_each(|(reason, count)| eprintln!("{count:6} {reason}"));
    }
    tally
}

#[test]
fn scripts_agree_with_the_interpreter() {
    let tally = run_all(&Settings::default());
    assert!(tally.compared > 3000, "only {} calls were compared", tally.compared);
}

#[test]
fn scripts_agree_without_the_optimizer() {
    let tally = run_all(&Settings { optimize: false, ..Settings::default() });
    assert!(tally.compared > 3000, "only {} calls were compared", tally.compared);
}

#[test]
fn scripts_agree_with_the_fast_allocator_and_a_plain_cpu() {
    let settings = Settings { effort: Effort::Fast, ..Settings::default() };
    let plain = Settings { cpu: mu_jit::x64::lower::Cpu::BASELINE, ..settings };
    let tally = run_all(&plain);
    assert!(tally.compared > 3000, "only {} calls were compared", tally.compared);
}

/// Compiling never panics, whatever the bundle.
#[test]
fn every_version_is_compiled_or_refused() {
    let (mut compiled, mut refused) = (0, BTreeMap::<String, usize>::new());
    for path in scripts() {
        let text = std::fs::read_to_string(&path).expect("a script");
        let mut options = Options::default();
        options.config.heap_bytes = 1 << 20;
        options.config.lenient = script::parse(&text).is_ok_and(|script| script.options.lenient);
        let mut mu = Mu::new(options).expect("an instance");
        if mu.load_bundle("script", &text).is_err() {
            continue;
        }
        let rt = mu.runtime();
        let input = Input { program: &rt.program, layouts: &rt.layouts, globals: &rt.globals };
        let mut jit = Jit::new(Settings::default(), 16 << 20).expect("executable memory");
        for version in 0..rt.program.func_vers.len() {
            match jit.compile(input, FuncVerId::new(version)) {
                Ok(_) => compiled += 1,
                Err(reason) => *refused.entry(reason.to_string()).or_default() += 1,
            }
        }
    }
    let refused_count: usize = refused.values().sum();
    if std::env::var("MU_JIT_REASONS").is_ok() {
        eprintln!("{compiled} versions compiled, {refused_count} refused");
        refused.iter().for_each(|(reason, count)| eprintln!("{count:6} {reason}"));
    }
    assert!(compiled > 1800, "{compiled} compiled, {refused_count} refused: {refused:?}");
}
