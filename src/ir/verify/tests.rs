//! Tests of what conformance scripts cannot reach: bundles no parser makes, cascades, depth, result types.

use crate::codes::{Code, name, verify as code};
use crate::diag::{Severity, Span};
use crate::draft::{ConstCtor, Def, DefKind, Draft, DraftBlock, FuncDef};
use crate::ids::{FuncVerId, VarIdx};
use crate::inst::{Dest, Inst, Unlinked, Use};
use crate::link;
use crate::program::{Program, Var};
use crate::table::{CommInst, CurStack, NewStack, Op};
use crate::types::{Signature, TypeCtor};

/// A bundle under construction. Everything is referred to by name; names without `@` are types of [`Bundle::new`].
struct Bundle {
    draft: Draft,
}

type Ctor = TypeCtor<Use, Use>;

impl Bundle {
    /// With `@i64`, `@i32`, `@double`, `@void`, `@ref` (to int<64>), and signatures `@sig.v` and `@sig.i` (one parameter).
    fn new() -> Bundle {
        let mut bundle = Bundle { draft: Draft::new(Span::NO_SOURCE) };
        bundle.ty("@i64", Ctor::Int(64));
        bundle.ty("@i32", Ctor::Int(32));
        bundle.ty("@double", Ctor::Double);
        bundle.ty("@void", Ctor::Void);
        let i64 = bundle.name("@i64");
        bundle.ty("@ref", Ctor::Ref(i64));
        bundle.def(|bundle| DefKind::Sig {
            name: bundle.name("@sig.v"),
            sig: Signature { params: [].into(), rets: [].into() },
        });
        bundle.def(|bundle| DefKind::Sig {
            name: bundle.name("@sig.i"),
            sig: Signature { params: [i64].into(), rets: [].into() },
        });
        bundle
    }

    fn name(&mut self, name: &str) -> Use {
        Use { sym: self.draft.symbols.intern(name), span: Span::NONE }
    }

    fn def(&mut self, kind: impl FnOnce(&mut Self) -> DefKind) {
        let kind = kind(self);
        self.draft.defs.push(Def { kind, span: Span::NONE });
    }

    fn ty(&mut self, name: &str, ctor: Ctor) {
        self.def(|bundle| DefKind::Type { name: bundle.name(name), ctor });
    }

    fn constant(&mut self, name: &str, ty: &str, ctor: ConstCtor<Use>) {
        self.def(|bundle| {
            let (name, ty) = (bundle.name(name), bundle.name(ty));
            DefKind::Const { name, ty, ctor, ctor_span: Span::NONE }
        });
    }

    /// An instruction by its parts, e.g. `inst(Op::Add, &["@r"], &["@i64"], &["@a", "@b"])`.
    fn inst(&mut self, op: Op, results: &[&str], types: &[&str], args: &[&str]) -> Inst<Unlinked> {
        let mut inst = Inst::new(op, None, Span::NONE);
        inst.results.extend(results.iter().map(|name| self.name(name)));
        inst.types.extend(types.iter().map(|name| self.name(name)));
        inst.args.extend(args.iter().map(|name| self.name(name)));
        inst
    }

    /// `@f` of signature `@sig.i` with one block `@f.b(<@i64> @a)`.
    fn func(&mut self, insts: Vec<Inst<Unlinked>>) {
        self.def(|bundle| {
            let param = (bundle.name("@i64"), bundle.name("@a"));
            let block = DraftBlock {
                name: bundle.name("@f.b"),
                params: vec![param],
                exc_param: None,
                insts,
                span: Span::NONE,
            };
            DefKind::FuncDef(FuncDef {
                name: bundle.name("@f"),
                version: bundle.name("@f.v"),
                sig: bundle.name("@sig.i"),
                blocks: vec![block],
            })
        });
    }

    /// Loads the bundle into a new program; gives it and the codes of all diagnostics.
    fn load(&self, lenient: bool) -> (Program, Vec<Code>) {
        let mut program = Program::new();
        let mark = program.mark();
        let options = link::Options { lenient, resolve_extern: &|_| None };
        match link::load(&mut program, &self.draft, mark, &options) {
            Ok(loaded) => {
                assert!(loaded.warnings.iter().all(|diagnostic| diagnostic.severity == Severity::Warning));
                (program, loaded.warnings.iter().map(|diagnostic| diagnostic.code).collect())
            }
            Err(errors) => (program, errors.iter().map(|diagnostic| diagnostic.code).collect()),
        }
    }

    fn codes(&self) -> Vec<Code> {
        self.load(false).1
    }
}

#[test]
fn one_mistake_is_one_error() {
    let mut bundle = Bundle::new();
    // %x has no known type; everything computed from it stays silent, and so do uses of a result whose type is clear.
    let insts = vec![
        bundle.inst(Op::ExtractElement, &["@x"], &["@i64", "@i64"], &["@a", "@a"]),
        bundle.inst(Op::Add, &["@y"], &["@i64"], &["@x", "@a"]),
        bundle.inst(Op::GetIRef, &["@l"], &["@i64"], &["@x"]),
        bundle.inst(Op::Load, &["@v"], &["@i64"], &["@l"]),
        bundle.inst(Op::FAdd, &["@z"], &["@double"], &["@x", "@x"]),
        bundle.inst(Op::Throw, &[], &[], &["@x"]),
    ];
    bundle.func(insts);
    assert_eq!(bundle.codes(), [code::NOT_AN_ARRAY]);
}

#[test]
fn uses_before_definition_do_not_cascade() {
    let mut bundle = Bundle::new();
    let insts = vec![
        bundle.inst(Op::Load, &["@v"], &["@double"], &["@l"]),
        bundle.inst(Op::Alloca, &["@l"], &["@i64"], &[]),
        bundle.inst(Op::Ret, &[], &[], &[]),
    ];
    bundle.func(insts);
    assert_eq!(bundle.codes(), [name::USED_BEFORE_DEFINITION]);
}

#[test]
fn instructions_without_their_parts_are_refused() {
    let mut bundle = Bundle::new();
    let insts = vec![
        bundle.inst(Op::Add, &["@x"], &["@i64"], &["@a"]),
        bundle.inst(Op::Add, &["@y"], &[], &["@a", "@x"]),
        bundle.inst(Op::Branch, &[], &[], &[]),
    ];
    bundle.func(insts);
    assert_eq!(bundle.codes(), [code::MALFORMED; 3]);
}

#[test]
fn every_instruction_survives_missing_and_superfluous_parts() {
    // Any combination of parts ends in diagnostics, never in a panic.
    let names = ["@a", "@c", "@undefined_later"];
    for &op in Op::ALL {
        for types in 0..4 {
            for args in 0..5 {
                for dests in 0..4 {
                    let mut bundle = Bundle::new();
                    bundle.constant("@c", "@i64", ConstCtor::Int { negative: false, magnitude: 1 });
                    let types: Vec<&str> = (0..types).map(|n| ["@i64", "@ref", "@void"][n % 3]).collect();
                    let args: Vec<&str> = (0..args).map(|n| names[n % 3]).collect();
                    let mut inst = bundle.inst(op, &["@r1", "@r2"], &types, &args);
                    let block = bundle.name("@f.b");
                    for _ in 0..dests {
                        let args = [bundle.name("@r1")].into_iter().collect();
                        inst.dests.push(Dest { block, args });
                    }
                    if dests == 3 {
                        inst.sigs.push(bundle.name("@sig.i"));
                    }
                    let last = bundle.inst(Op::Add, &["@undefined_later"], &["@i64"], &["@a", "@r2"]);
                    bundle.func(vec![inst, last]);
                    let (_, codes) = bundle.load(types.len().is_multiple_of(2));
                    assert!(!codes.is_empty());
                }
            }
        }
    }
}

#[test]
fn every_common_instruction_survives_missing_and_superfluous_parts() {
    for &comm in CommInst::ALL {
        for types in 0..3 {
            for args in 0..5 {
                let mut bundle = Bundle::new();
                let types: Vec<&str> = (0..types).map(|n| ["@ref", "@i64"][n % 2]).collect();
                let args: Vec<&str> = (0..args).map(|n| ["@a", "@r"][n % 2]).collect();
                let mut inst = bundle.inst(Op::CommInst, &["@r"], &types, &args);
                inst.attrs.comm = Some(comm);
                inst.attrs.comm_flags = comm.flags() as u8;
                if comm.sig_args() > 0 && args.len() > 1 {
                    inst.sigs.push(bundle.name("@sig.i"));
                }
                let last = bundle.inst(Op::Throw, &[], &[], &["@r"]);
                bundle.func(vec![inst, last]);
                bundle.codes();
            }
        }
    }
}

#[test]
fn stack_clauses_survive_missing_and_superfluous_parts() {
    for op in [Op::NewThread, Op::SwapStack] {
        for bits in 0..8 {
            for args in 0..5 {
                for split in 0..3 {
                    let mut bundle = Bundle::new();
                    let args: Vec<&str> = (0..args).map(|_| "@a").collect();
                    let mut inst = bundle.inst(op, &["@r"], &["@i64", "@void"], &args);
                    inst.attrs.threadlocal = bits & 1 != 0;
                    inst.attrs.new_stack =
                        if bits & 2 != 0 { NewStack::ThrowExc } else { NewStack::PassValues };
                    inst.attrs.cur_stack = if bits & 4 != 0 { CurStack::KillOld } else { CurStack::RetWith };
                    inst.attrs.split = split;
                    bundle.func(vec![inst]);
                    assert!(!bundle.codes().is_empty());
                }
            }
        }
    }
}

#[test]
fn results_are_typed() {
    let mut bundle = Bundle::new();
    let insts = vec![
        bundle.inst(Op::New, &["@o"], &["@i64"], &[]),
        bundle.inst(Op::GetIRef, &["@l"], &["@i64"], &["@o"]),
        bundle.inst(Op::Load, &["@v"], &["@i64"], &["@l"]),
        bundle.inst(Op::SLt, &["@c"], &["@i64"], &["@v", "@a"]),
        bundle.inst(Op::Ret, &[], &[], &[]),
    ];
    bundle.func(insts);
    let (program, codes) = bundle.load(false);
    assert!(codes.is_empty());
    let ver = &program.func_vers[FuncVerId(0).index()];
    assert!(ver.vars.iter().all(|var| var.ty != Var::UNTYPED));
    let shown: Vec<String> =
        (0..ver.vars.len()).map(|var| program.display_type(ver.vars[VarIdx::new(var).index()].ty)).collect();
    assert_eq!(shown, ["@i64", "@ref", "iref<@i64>", "@i64", "int<1>"]);
}

#[test]
fn lenient_mode_warns_where_strict_mode_refuses() {
    let trunc = |to: &str| {
        let mut bundle = Bundle::new();
        let insts = vec![
            bundle.inst(Op::Trunc, &["@x"], &["@i64", to], &["@a"]),
            bundle.inst(Op::Add, &["@y"], &[to], &["@x", "@x"]),
            bundle.inst(Op::Ret, &[], &[], &[]),
        ];
        bundle.func(insts);
        bundle
    };
    assert_eq!(trunc("@i64").codes(), [code::TRUNC_WIDTH]);
    let (program, warnings) = trunc("@i64").load(true);
    assert_eq!((program.func_vers.len(), warnings), (1, vec![code::TRUNC_WIDTH]));
    assert!(trunc("@i32").codes().is_empty());
    let (program, errors) = trunc("@double").load(true);
    assert_eq!((program.func_vers.len(), errors), (0, vec![code::INT_OP_TYPE, code::INT_CONV_TYPES]));
}

const DEEP: usize = 100_000;

/// `@t0 = <first>`, `@tN = struct<@tN-1>` for a great many N.
fn nested_structs(bundle: &mut Bundle, first: Ctor) -> String {
    bundle.ty("@t0", first);
    for n in 1..DEEP {
        let member = bundle.name(&format!("@t{}", n - 1));
        bundle.ty(&format!("@t{n}"), Ctor::Struct([member].into()));
    }
    format!("@t{}", DEEP - 1)
}

#[test]
fn deep_types_are_walked_without_recursion() {
    let mut bundle = Bundle::new();
    let i64 = bundle.name("@i64");
    let top = nested_structs(&mut bundle, Ctor::WeakRef(i64));
    let member = bundle.name(&top);
    bundle.def(|bundle| DefKind::Sig {
        name: bundle.name("@deep"),
        sig: Signature { params: [member].into(), rets: [].into() },
    });
    bundle.ty("@pointer", Ctor::UPtr(member));
    assert_eq!(bundle.codes(), [code::UPTR_REFERENT, code::NOT_A_VARIABLE_TYPE]);
}

#[test]
fn a_long_cycle_of_types_is_one_error() {
    let mut bundle = Bundle::new();
    let first = bundle.name(&format!("@t{}", DEEP - 1));
    nested_structs(&mut bundle, Ctor::Struct([first].into()));
    assert_eq!(bundle.codes(), [code::INFINITE_TYPE]);
}

#[test]
fn a_long_cycle_of_constants_is_one_error() {
    let mut bundle = Bundle::new();
    let i64 = bundle.name("@i64");
    bundle.ty("@s", Ctor::Struct([i64].into()));
    for n in 0..DEEP {
        let member = bundle.name(&format!("@c{}", (n + 1) % DEEP));
        bundle.constant(&format!("@c{n}"), "@s", ConstCtor::List([member].into()));
    }
    assert_eq!(bundle.codes(), [code::CONST_RECURSIVE]);
}
