//! A program in text form, compiled and called.

use crate::code::stubs::Status;
use crate::run::Machine;
use crate::{Input, Jit, Settings, Unsupported};
use mu_ir::ids::{FuncId, FuncVerId};
use mu_ir::program::{Entity, Program};
use mu_rt::layout::Layouts;

pub struct Bench {
    pub program: Program,
    pub layouts: Layouts,
    pub globals: Vec<u64>,
    pub jit: Jit,
    pub machine: Machine,
}

impl Bench {
    pub fn load(text: &str) -> Bench {
        Self::with(text, Settings::default())
    }

    pub fn with(text: &str, settings: Settings) -> Bench {
        Self::loaded(text, settings, false)
    }

    /// Loaded in lenient mode. (Native functions are at an address, but cannot be called.)
    pub fn lenient(text: &str, settings: Settings) -> Bench {
        Self::loaded(text, settings, true)
    }

    fn loaded(text: &str, settings: Settings, lenient: bool) -> Bench {
        let mut program = Program::new();
        let before = program.mark();
        let source = program.add_source("test", text);
        let (draft, errors) = mu_text::parse(text, source);
        assert!(errors.is_empty(), "{errors:?}");
        let options = mu_ir::link::Options { lenient, resolve_extern: &|_: &str| lenient.then_some(4096) };
        if let Err(errors) = mu_ir::link::load(&mut program, &draft, before, &options) {
            panic!("{errors:?}");
        }
        let globals =
            program.globals.iter().map(|_| Box::leak(Box::new([0u64; 64])).as_ptr() as u64).collect();
        Bench {
            program,
            layouts: Layouts::new(),
            globals,
            jit: Jit::new(settings, 1 << 20).expect("executable memory"),
            machine: Machine::new(1 << 20).expect("a stack"),
        }
    }

    pub fn func(&self, name: &str) -> FuncId {
        match self.program.lookup(name) {
            Some(Entity::Func(func)) => func,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Compiles everything.
    pub fn compile(&mut self) {
        let refused = self.compile_some();
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// Compiles what is supported; gives the reasons for what is not.
    pub fn compile_some(&mut self) -> Vec<Unsupported> {
        for func in 0..self.program.funcs.len() {
            self.jit.declare(FuncId::new(func));
        }
        let input = Input { program: &self.program, layouts: &self.layouts, globals: &self.globals };
        (0..self.program.func_vers.len())
            .filter_map(|version| self.jit.compile(input, FuncVerId::new(version)).err())
            .collect()
    }

    pub fn call(&mut self, name: &str, args: &[u64]) -> (Status, Vec<u64>) {
        let func = self.func(name);
        let input = Input { program: &self.program, layouts: &self.layouts, globals: &self.globals };
        self.machine.call(&self.jit, input, func, args).expect("it can be called")
    }
}
