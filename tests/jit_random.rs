//! Random programs on compiled code, with and without the optimizer, against the interpreter.
//!
//! A program is a few functions; each is a set of blocks that all take the same parameters (a state of values of several
//! types, a frame cell, and a count that falls) and pass mixtures of what they compute. Divisors are never zero, shifts and
//! conversions are total, so every program is valid and ends. `MU_JIT_PROGRAMS=N MU_JIT_SEED=S` runs more, or others.

use mu_jit::code::stubs::Status;
use mu_jit::run::Machine;
use mu_jit::x64::regalloc::Effort;
use mu_jit::{Input, Jit, Settings};
use mu_vm::ir::ids::{FuncId, FuncVerId};
use mu_vm::{Mu, Options, Outcome, Value};
use std::fmt::Write;

/// xorshift64*: small and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() >> 33) as usize % count
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Bits that are often near the edges.
    fn bits(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(4) as u64,
            1 => u64::MAX - self.below(4) as u64,
            2 => 1 << self.below(64),
            3 => (1u64 << self.below(64)).wrapping_sub(1),
            4 => self.below(1000) as u64,
            _ => self.next(),
        }
    }
}

/// Functions with a counted loop, per program.
const LOOPS: usize = 3;

/// Types of the state. Integers by width; 0 is float, 200 double.
const TYPES: [u32; 9] = [1, 8, 16, 32, 64, 13, 45, 0, 200];

fn ty_name(ty: u32) -> String {
    match ty {
        0 => "@float".into(),
        200 => "@double".into(),
        width => format!("@i{width}"),
    }
}

fn is_int(ty: u32) -> bool {
    !matches!(ty, 0 | 200)
}

struct Writer {
    random: Random,
    out: String,
    consts: String,
    const_count: usize,
    /// Names and types of what a block can use.
    values: Vec<(String, u32)>,
    names: usize,
}

impl Writer {
    fn constant(&mut self, ty: u32) -> String {
        self.const_count += 1;
        let name = format!("@c{}", self.const_count);
        let value = match ty {
            0 => format!("bitsf({:#x})", self.random.bits() as u32),
            200 => match self.random.below(3) {
                0 => format!("bitsd({:#x})", self.random.bits()),
                1 => format!("{}.5d", self.random.below(100)),
                _ => format!("-{}.0d", self.random.below(3)),
            },
            width => format!("{:#x}", self.random.bits() & mask(width)),
        };
        let _ = writeln!(self.consts, ".const {name} <{}> = {value}", ty_name(ty));
        name
    }

    /// A divisor that is not zero.
    fn divisor(&mut self, width: u32) -> String {
        self.const_count += 1;
        let name = format!("@c{}", self.const_count);
        let value = (self.random.bits() & mask(width)).max(1);
        let _ = writeln!(self.consts, ".const {name} <@i{width}> = {value:#x}");
        name
    }

    fn value(&mut self, ty: u32) -> String {
        let matching: Vec<String> =
            self.values.iter().filter(|(_, other)| *other == ty).map(|(name, _)| name.clone()).collect();
        if matching.is_empty() || self.random.chance(20) {
            return self.constant(ty);
        }
        // What was computed last is the most interesting.
        let at = self.random.below(matching.len()).max(self.random.below(matching.len()));
        matching[at].clone()
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("%t{}", self.names)
    }

    fn define(&mut self, ty: u32, text: String) {
        let name = self.fresh();
        let _ = writeln!(self.out, "        {name} = {text}");
        self.values.push((name, ty));
    }

    fn ty(&mut self) -> u32 {
        TYPES[self.random.below(TYPES.len())]
    }

    fn int_ty(&mut self) -> u32 {
        TYPES[self.random.below(7)]
    }

    fn instruction(&mut self, callees: usize) {
        match self.random.below(21) {
            0..=6 => self.int_binary(),
            7 => self.division(),
            8..=9 => self.compare(),
            10 => self.fp_binary(),
            11..=13 => self.conversion(),
            14 => {
                let ty = self.ty();
                let (cond, a, b) = (self.value(1), self.value(ty), self.value(ty));
                self.define(ty, format!("SELECT <@i1 {}> {cond} {a} {b}", ty_name(ty)));
            }
            15..=16 => self.memory(),
            17 => self.status(),
            18 if callees > 0 => self.call(callees),
            19 => self.counted_loop(),
            _ => self.wide(),
        }
    }

    fn int_binary(&mut self) {
        const OPS: [&str; 9] = ["ADD", "SUB", "MUL", "SHL", "LSHR", "ASHR", "AND", "OR", "XOR"];
        let ty = self.int_ty();
        let op = OPS[self.random.below(OPS.len())];
        let (a, b) = (self.value(ty), self.value(ty));
        self.define(ty, format!("{op} <@i{ty}> {a} {b}"));
    }

    fn division(&mut self) {
        const OPS: [&str; 4] = ["UDIV", "UREM", "SDIV", "SREM"];
        let ty = self.int_ty();
        let op = OPS[self.random.below(OPS.len())];
        let a = self.value(ty);
        let b = if self.random.chance(60) {
            self.divisor(ty)
        } else {
            let (b, one) = (self.value(ty), self.divisor(ty));
            self.define(ty, format!("OR <@i{ty}> {b} {one}"));
            self.values[self.values.len() - 1].0.clone()
        };
        self.define(ty, format!("{op} <@i{ty}> {a} {b}"));
    }

    fn compare(&mut self) {
        const OPS: [&str; 10] = ["EQ", "NE", "SGE", "SGT", "SLE", "SLT", "UGE", "UGT", "ULE", "ULT"];
        const FP: [&str; 14] = [
            "FUNO", "FUEQ", "FUNE", "FUGT", "FUGE", "FULT", "FULE", "FORD", "FOEQ", "FONE", "FOGT", "FOGE",
            "FOLT", "FOLE",
        ];
        let ty = self.ty();
        let op = if is_int(ty) { OPS[self.random.below(OPS.len())] } else { FP[self.random.below(FP.len())] };
        let (a, b) = (self.value(ty), self.value(ty));
        self.define(1, format!("{op} <{}> {a} {b}", ty_name(ty)));
    }

    fn fp_binary(&mut self) {
        const OPS: [&str; 5] = ["FADD", "FSUB", "FMUL", "FDIV", "FREM"];
        let ty = if self.random.chance(50) { 0 } else { 200 };
        let op = OPS[self.random.below(OPS.len())];
        let (a, b) = (self.value(ty), self.value(ty));
        self.define(ty, format!("{op} <{}> {a} {b}", ty_name(ty)));
    }

    fn conversion(&mut self) {
        let (from, to) = (self.ty(), self.ty());
        let op = match (is_int(from), is_int(to)) {
            (true, true) if to < from => "TRUNC",
            (true, true) if to > from => ["ZEXT", "SEXT"][self.random.below(2)],
            (true, true) => return,
            (true, false) => match (from, to) {
                (32, 0) | (64, 200) if self.random.chance(50) => "BITCAST",
                _ => ["UITOFP", "SITOFP"][self.random.below(2)],
            },
            (false, true) => match (from, to) {
                (0, 32) | (200, 64) if self.random.chance(50) => "BITCAST",
                _ => ["FPTOUI", "FPTOSI"][self.random.below(2)],
            },
            (false, false) if from == to => return,
            (false, false) => ["FPEXT", "FPTRUNC"][usize::from(to == 0)],
        };
        let a = self.value(from);
        self.define(to, format!("{op} <{} {}> {a}", ty_name(from), ty_name(to)));
    }

    /// Fields 0 to 8 of the cell have the types of `TYPES`.
    fn memory(&mut self) {
        let field = self.random.below(TYPES.len());
        let ty = TYPES[field];
        let iref = self.fresh();
        let _ = writeln!(self.out, "        {iref} = GETFIELDIREF <@cell {field}> %cell");
        if self.random.chance(50) {
            let value = self.value(ty);
            let _ = writeln!(self.out, "        STORE <{}> {iref} {value}", ty_name(ty));
        } else {
            self.define(ty, format!("LOAD <{}> {iref}", ty_name(ty)));
        }
    }

    fn status(&mut self) {
        let ty = self.int_ty();
        let op = ["ADD", "SUB", "MUL"][self.random.below(3)];
        let (a, b) = (self.value(ty), self.value(ty));
        let names: Vec<String> = (0..5).map(|_| self.fresh()).collect();
        let _ = writeln!(self.out, "        ({}) = {op} [#N #Z #C #V] <@i{ty}> {a} {b}", names.join(" "));
        self.values.push((names[0].clone(), ty));
        self.values.extend(names[1..].iter().map(|name| (name.clone(), 1)));
    }

    /// Through `int<128>` and back.
    fn wide(&mut self) {
        const OPS: [&str; 9] = ["ADD", "SUB", "MUL", "SHL", "LSHR", "ASHR", "AND", "OR", "XOR"];
        let (a, b) = (self.value(64), self.value(64));
        let (x, y, z) = (self.fresh(), self.fresh(), self.fresh());
        let op = OPS[self.random.below(OPS.len())];
        let _ = writeln!(self.out, "        {x} = ZEXT <@i64 @i128> {a}");
        let _ = writeln!(self.out, "        {y} = SEXT <@i64 @i128> {b}");
        let _ = writeln!(self.out, "        {z} = {op} <@i128> {x} {y}");
        if self.random.chance(50) {
            self.define(64, format!("TRUNC <@i128 @i64> {z}"));
        } else {
            let op = ["SLT", "ULE", "EQ", "UGT"][self.random.below(4)];
            self.define(1, format!("{op} <@i128> {z} {x}"));
        }
    }

    fn call(&mut self, callees: usize) {
        let callee = self.random.below(callees);
        let args: Vec<String> = TYPES.iter().map(|&ty| self.value(ty)).collect();
        let names: Vec<String> = TYPES.iter().map(|_| self.fresh()).collect();
        let _ = writeln!(
            self.out,
            "        ({}) = CALL <@sig> @f{callee} (%cell @count {})",
            names.join(" "),
            args.join(" ")
        );
        self.values.extend(names.into_iter().zip(TYPES));
    }

    /// A call of one of the loops, from a number of 32 bits to one at most 8191 above.
    fn counted_loop(&mut self) {
        let number = self.random.below(LOOPS);
        let (from, length, k) = (self.value(64), self.value(64), self.value(64));
        let names: Vec<String> = (0..3).map(|_| self.fresh()).collect();
        let _ = writeln!(self.out, "        {} = AND <@i64> {from} @low32", names[0]);
        let _ = writeln!(self.out, "        {} = AND <@i64> {length} @low13", names[1]);
        let _ = writeln!(self.out, "        {} = ADD <@i64> {} {}", names[2], names[0], names[1]);
        self.define(64, format!("CALL <@lsig> @l{number} (%cell {} {} {k})", names[0], names[2]));
    }

    /// A loop that counts, with products of its counter and a cell that changes or does not.
    fn loop_function(&mut self, number: usize) {
        const OPS: [&str; 6] = ["ADD", "SUB", "MUL", "XOR", "OR", "AND"];
        let mut op = || OPS[self.random.below(OPS.len())];
        let (a, b, c) = (op(), op(), op());
        let cond = ["SLT", "ULT"][self.random.below(2)];
        let step = 1 + self.random.below(3);
        let (load, store) = (self.random.chance(50), self.random.chance(30));
        let loaded = if load { "LOAD <@i64> %at" } else { "XOR <@i64> %k %i" };
        let stored = if store { "STORE <@i64> %at %y" } else { "" };
        let _ = writeln!(
            self.out,
            ".funcdef @l{number} VERSION %v1 <@lsig> {{
    %entry(<@cellref> %cell <@i64> %i <@i64> %end <@i64> %k):
        BRANCH %head(%cell %i %end %k %k)
    %head(<@cellref> %cell <@i64> %i <@i64> %end <@i64> %k <@i64> %acc):
        %more = {cond} <@i64> %i %end
        BRANCH2 %more %body(%cell %i %end %k %acc) %done(%acc)
    %body(<@cellref> %cell <@i64> %i <@i64> %end <@i64> %k <@i64> %acc):
        %at = GETFIELDIREF <@cell 4> %cell
        %m = {loaded}
        %kk = MUL <@i64> %k %k
        %ik = MUL <@i64> %i %kk
        %x = {a} <@i64> %ik %acc
        %y = {b} <@i64> %x %m
        {stored}
        %z = {c} <@i64> %y %i
        %w = ADD <@i64> %z %acc
        %j = ADD <@i64> %i @step{step}
        BRANCH %head(%cell %j %end %k %w)
    %done(<@i64> %acc):
        RET %acc
}}"
        );
    }

    fn block(&mut self, number: usize, blocks: usize, callees: usize) {
        let params: Vec<String> =
            TYPES.iter().enumerate().map(|(at, &ty)| format!("<{}> %p{at}", ty_name(ty))).collect();
        let _ = writeln!(self.out, "    %b{number}(<@cellref> %cell <@i64> %n {}):", params.join(" "));
        self.values = TYPES.iter().enumerate().map(|(at, &ty)| (format!("%p{at}"), ty)).collect();
        let _ = writeln!(self.out, "        %m = SUB <@i64> %n @one");
        for _ in 0..self.random.below(14) {
            self.instruction(callees);
        }
        let stop = self.fresh();
        let _ = writeln!(self.out, "        {stop} = EQ <@i64> %n @zero");
        let exit: Vec<String> = TYPES.iter().map(|&ty| self.value(ty)).collect();
        // Mostly the state itself, so that parameters turn out to be redundant.
        let mut pass = || -> String {
            let args: Vec<String> = TYPES
                .iter()
                .enumerate()
                .map(|(at, &ty)| if self.random.chance(60) { format!("%p{at}") } else { self.value(ty) })
                .collect();
            args.join(" ")
        };
        let (next, other) = (pass(), pass());
        let (to, or) = (self.random.below(blocks), self.random.below(blocks));
        let cond = self.value(1);
        let value = self.value(64);
        let _ = writeln!(
            self.out,
            "        BRANCH2 {stop} %exit{number}({}) %go{number}(%cell %m {cond} {value} {next} {other})",
            exit.join(" ")
        );
        let types: Vec<String> =
            TYPES.iter().enumerate().map(|(at, &ty)| format!("<{}> %x{at}", ty_name(ty))).collect();
        let more: Vec<String> =
            TYPES.iter().enumerate().map(|(at, &ty)| format!("<{}> %y{at}", ty_name(ty))).collect();
        let list =
            |letter: &str| (0..TYPES.len()).map(|at| format!("%{letter}{at}")).collect::<Vec<_>>().join(" ");
        let _ = writeln!(self.out, "    %exit{number}({}):\n        RET ({})", types.join(" "), list("x"));
        let _ = writeln!(
            self.out,
            "    %go{number}(<@cellref> %cell <@i64> %m <@i1> %c <@i64> %v {} {}):",
            types.join(" "),
            more.join(" ")
        );
        let (x, y) = (format!("%cell %m {}", list("x")), format!("%cell %m {}", list("y")));
        if self.random.chance(70) {
            let _ = writeln!(self.out, "        BRANCH2 %c %b{to}({x}) %b{or}({y})");
        } else {
            let cases: Vec<String> = (0..self.random.below(9))
                .map(|case| {
                    format!(
                        "@k{case} %b{}({})",
                        self.random.below(blocks),
                        if case % 2 == 0 { &x } else { &y }
                    )
                })
                .collect();
            let _ = writeln!(self.out, "        SWITCH <@i64> %v %b{to}({x}) {{ {} }}", cases.join(" "));
        }
    }

    fn function(&mut self, number: usize) {
        let _ = writeln!(self.out, ".funcdef @f{number} VERSION %v1 <@sig> {{");
        let params: Vec<String> =
            TYPES.iter().enumerate().map(|(at, &ty)| format!("<{}> %p{at}", ty_name(ty))).collect();
        let names: Vec<String> = (0..TYPES.len()).map(|at| format!("%p{at}")).collect();
        let _ = writeln!(self.out, "    %entry(<@cellref> %outer <@i64> %n {}):", params.join(" "));
        // A cell of its own, or that of the caller.
        let cell = if self.random.chance(70) { "%cell" } else { "%outer" };
        let _ = writeln!(
            self.out,
            "        %cell = ALLOCA <@cell>\n        BRANCH %b0({cell} %n {})",
            names.join(" ")
        );
        let blocks = 1 + self.random.below(6);
        for block in 0..blocks {
            self.block(block, blocks, number);
        }
        self.out.push_str("}\n");
    }
}

fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// A program; its functions are `@f0` … and `@main`.
fn program(seed: u64) -> (String, usize) {
    let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut writer = Writer {
        random,
        out: String::new(),
        consts: String::new(),
        const_count: 0,
        values: Vec::new(),
        names: 0,
    };
    let functions = 1 + writer.random.below(3);
    (0..LOOPS).for_each(|number| writer.loop_function(number));
    (0..functions).for_each(|number| writer.function(number));
    let types: Vec<String> = TYPES.iter().map(|&ty| ty_name(ty)).collect();
    let types = types.join(" ");
    let mut text =
        String::from(".typedef @float = float\n.typedef @double = double\n.typedef @i128 = int<128>\n");
    for ty in TYPES.into_iter().filter(|&ty| is_int(ty)) {
        let _ = writeln!(text, ".typedef @i{ty} = int<{ty}>");
    }
    let _ = writeln!(text, ".typedef @cell = struct<{types}>\n.typedef @cellref = iref<@cell>");
    for step in 1..4 {
        let _ = writeln!(text, ".const @step{step} <@i64> = {step}");
    }
    let _ = writeln!(text, ".const @low32 <@i64> = 0xffffffff\n.const @low13 <@i64> = 0x1fff");
    let _ = writeln!(text, ".funcsig @lsig = (@cellref @i64 @i64 @i64) -> (@i64)");
    let _ = writeln!(text, ".const @zero <@i64> = 0\n.const @one <@i64> = 1\n.const @count <@i64> = 3");
    for case in 0..9 {
        let _ = writeln!(text, ".const @k{case} <@i64> = {}", if case < 6 { case } else { case * 1000 });
    }
    let _ = writeln!(text, ".funcsig @sig = (@cellref @i64 {types}) -> ({types})");
    let _ = writeln!(text, ".funcsig @msig = (@i64 {types}) -> ({types})");
    text.push_str(&writer.consts);
    text.push_str(&writer.out);
    let params: Vec<String> =
        TYPES.iter().enumerate().map(|(at, &ty)| format!("<{}> %p{at}", ty_name(ty))).collect();
    let list =
        |letter: &str| (0..TYPES.len()).map(|at| format!("%{letter}{at}")).collect::<Vec<_>>().join(" ");
    let _ = writeln!(
        text,
        ".funcdef @main VERSION %v1 <@msig> {{\n    %entry(<@i64> %n {}):\n        %cell = ALLOCA <@cell>\n        ({}) = CALL <@sig> @f{} (%cell %n {})\n        RET ({})\n}}",
        params.join(" "),
        list("r"),
        functions - 1,
        list("p"),
        list("r")
    );
    (text, functions)
}

fn compile(mu: &Mu, settings: &Settings) -> Jit {
    let rt = mu.runtime();
    let input = Input { program: &rt.program, layouts: &rt.layouts, globals: &rt.globals };
    let mut jit = Jit::new(settings.clone(), 1 << 20).expect("executable memory");
    (0..rt.program.funcs.len()).for_each(|func| jit.declare(FuncId::new(func)));
    for version in 0..rt.program.func_vers.len() {
        jit.compile(input, FuncVerId::new(version)).expect("it compiles");
    }
    jit
}

/// One program, with some arguments, in all settings.
fn check(seed: u64, machine: &mut Machine) {
    let (text, _) = program(seed);
    let mut options = Options::default();
    options.config.heap_bytes = 1 << 20;
    let mut mu = Mu::new(options).expect("an instance");
    if let Err(error) = mu.load_bundle("random", &text) {
        panic!("seed {seed}: {error}\n{text}");
    }
    let main = mu.func("@main").expect("main");
    let settings = [
        Settings::default(),
        Settings { optimize: false, ..Settings::default() },
        Settings { effort: Effort::Fast, ..Settings::default() },
    ];
    let jits: Vec<Jit> = settings.iter().map(|settings| compile(&mu, settings)).collect();
    let mut random = Random(seed | 1);
    for _ in 0..4 {
        let mut words = vec![random.below(40) as u64];
        words.extend(TYPES.iter().map(|&ty| match ty {
            0 => random.bits() & 0xffff_ffff,
            200 => random.bits(),
            width => random.bits() & mask(width),
        }));
        let params = mu.params(main).to_vec();
        let args: Vec<Value> = params
            .iter()
            .zip(&words)
            .map(|(&ty, &word)| {
                mu.value_from_int(ty, u128::from(word))
                    .or_else(|| mu.value_from_f64(ty, f64::from_bits(word)))
                    .or_else(|| mu.value_from_f32(ty, f32::from_bits(word as u32)))
                    .expect("a number")
            })
            .collect();
        let expected: Vec<u64> = match mu.call(main, args) {
            Outcome::Return(values) => values.iter().map(Value::as_u64).collect(),
            other => panic!("seed {seed}: {other:?}\n{text}"),
        };
        let rt = mu.runtime();
        let input = Input { program: &rt.program, layouts: &rt.layouts, globals: &rt.globals };
        // Half of the calls begin with a request to stop, so that the first prologue or loop takes a poll.
        machine.poisoned = random.chance(50);
        for (jit, settings) in jits.iter().zip(&settings) {
            let got = machine.call(jit, input, main, &words).expect("its arguments fit");
            if got != (Status::Returned, expected.clone()) {
                let path = std::env::temp_dir().join(format!("mu-jit-{seed}.uir"));
                std::fs::write(&path, &text).expect("a file");
                panic!(
                    "seed {seed}, {settings:?}: {words:?} gives\n{got:x?}, not\n{expected:x?}; the program is in {}",
                    path.display()
                );
            }
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_programs_agree_with_the_interpreter() {
    let mut machine = Machine::new(4 << 20).expect("a stack");
    let first = number("MU_JIT_SEED", 1);
    for seed in first..first + number("MU_JIT_PROGRAMS", 15) {
        check(seed, &mut machine);
    }
}
