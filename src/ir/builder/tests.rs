//! Every misuse of the builder is an error with its code, and nothing else happens.

use super::*;
use crate::codes::{name, verify};
use crate::link;
use crate::program::Mark;
use crate::table::{CallConv, CommInst, CommParams, Ct, MemOrder, Op, RmwOp, StatusFlags};

/// A program and a builder with what every function needs.
struct Bench {
    program: Program,
    b: IrBuilder,
    i64: MuId,
    sig: MuId,
    func: MuId,
    ver: MuId,
    entry: MuId,
    ret: MuId,
}

/// `@f = (int<64>) -> (int<64>)`, with a version of one block whose instructions the test lists.
fn bench() -> Bench {
    let mut program = Program::new();
    let mut b = IrBuilder::new(&program);
    let mut sym = |name| b.gen_sym(&mut program, name);
    let (i64, sig, func) = (sym(Some("@i64")), sym(Some("@sig")), sym(Some("@f")));
    let (ver, entry, ret) = (sym(Some("@f.v")), sym(Some("@f.v.entry")), sym(None));
    b.new_type_int(i64, 64);
    b.new_funcsig(sig, &[i64], &[i64]);
    b.new_func(func, sig);
    b.new_func_ver(ver, func, &[entry]);
    Bench { program, b, i64, sig, func, ver, entry, ret }
}

impl Bench {
    fn id(&mut self) -> MuId {
        self.b.gen_sym(&mut self.program, None)
    }

    /// The entry block, which ends with returning its parameter.
    fn entry(&mut self, insts: &[MuId]) -> MuId {
        let x = self.id();
        let mut insts = insts.to_vec();
        insts.push(self.ret);
        self.b.new_bb(self.entry, &[x], &[self.i64], None, &insts);
        self.b.new_ret(self.ret, &[x]);
        x
    }

    /// Codes and messages of what is wrong; the program is as it was.
    fn errors(self) -> Vec<(u16, String)> {
        let Bench { mut program, b, .. } = self;
        let before = size(&program.mark());
        let errors = match b.finish(&program) {
            Err(errors) => errors,
            Ok(draft) => load(&mut program, &draft).expect_err("something is wrong"),
        };
        assert_eq!(size(&program.mark()), before);
        errors.into_iter().map(|error| (error.code.number, error.message)).collect()
    }

    fn codes(self) -> Vec<u16> {
        self.errors().into_iter().map(|(code, _)| code).collect()
    }

    fn load(mut self) -> Program {
        let draft = self.b.finish(&self.program).unwrap();
        load(&mut self.program, &draft).unwrap();
        self.program
    }
}

fn size(mark: &Mark) -> String {
    format!("{mark:?}")
}

fn load(program: &mut Program, draft: &crate::draft::Draft) -> Result<link::Loaded, Vec<Diagnostic>> {
    let before = program.mark();
    link::load(program, draft, before, &link::Options { lenient: false, resolve_extern: &|_| None })
}

#[test]
fn a_correct_bundle_loads() {
    let mut bench = bench();
    bench.entry(&[]);
    let (func, ver) = (bench.func, bench.ver);
    let program = bench.load();
    assert!(matches!(program.entity(func), Some(Entity::Func(_))));
    assert_eq!(program.name_of(ver), Some("@f.v"));
    assert_eq!(program.id_of("@f.v.entry").map(|id| program.display_name(id)).as_deref(), Some("@f.v.entry"));
}

#[test]
fn missing_ids() {
    let mut bench1 = bench();
    bench1.entry(&[]);
    bench1.b.new_type_float(MuId::NONE);
    bench1.b.new_func_ver(MuId::NONE, bench1.func, &[]);
    assert_eq!(bench1.codes(), [code::MISSING_ID.number; 2]);

    let mut bench2 = bench();
    let (block, branch) = (bench2.id(), bench2.id());
    bench2.entry(&[]);
    let (global, other) = (bench2.id(), bench2.id());
    bench2.b.new_global_cell(global, MuId::NONE);
    bench2.b.new_func(other, bench2.sig);
    bench2.b.new_branch(branch, MuId::NONE);
    bench2.b.new_bb(block, &[], &[], Some(MuId::NONE), &[branch, MuId::NONE]);
    let version = bench2.id();
    bench2.b.new_func_ver(version, other, &[block]);
    let errors = bench2.errors();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors.iter().all(|(code, _)| *code == code::MISSING_ID.number), "{errors:?}");
}

#[test]
fn ids_that_stand_for_nothing() {
    let mut bench1 = bench();
    bench1.entry(&[]);
    let global = bench1.id();
    bench1.b.new_global_cell(global, MuId(1 << 30));
    assert_eq!(bench1.codes(), [code::UNKNOWN_ID.number]);

    // The id of another builder, which has not loaded.
    let mut bench2 = bench();
    bench2.entry(&[]);
    let mut other = IrBuilder::new(&bench2.program);
    let foreign = other.gen_sym(&mut bench2.program, None);
    other.new_type_float(foreign);
    let global = bench2.id();
    bench2.b.new_global_cell(global, foreign);
    assert_eq!(bench2.codes(), [code::UNKNOWN_ID.number]);
}

#[test]
fn generated_and_never_built() {
    let mut bench = bench();
    let (missing_inst, global, ty) = (bench.id(), bench.id(), bench.id());
    bench.entry(&[missing_inst]);
    bench.b.new_global_cell(global, ty);
    let errors = bench.errors();
    assert_eq!(errors.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [code::NEVER_BUILT.number; 2]);
    assert!(errors[0].1.ends_with("(in basic block @f.v.entry)"), "{errors:?}");
}

#[test]
fn unused_ids_are_no_mistake() {
    let mut bench = bench();
    bench.entry(&[]);
    let unused = bench.id();
    let program = bench.load();
    assert_eq!(program.entity(unused), Some(Entity::Reserved));
}

#[test]
fn built_twice() {
    let mut bench = bench();
    let x = bench.entry(&[]);
    bench.b.new_type_float(bench.i64);
    let (add, ty) = (bench.id(), bench.i64);
    // A result under the id of a parameter; the instruction is nowhere, too.
    bench.b.new_binop(add, x, Op::Add, ty, x, x, None);
    let mut codes = bench.codes();
    codes.sort();
    assert_eq!(codes, [code::BUILT_TWICE.number, code::BUILT_TWICE.number, code::NOT_PLACED.number]);
}

#[test]
fn ids_of_others_cannot_be_defined() {
    let mut first = bench();
    first.entry(&[]);
    let (i64, func) = (first.i64, first.func);
    let mut program = first.load();
    let mut b = IrBuilder::new(&program);
    b.new_type_float(i64);
    b.new_type_double(MuId(CommInst::NewStack.id()));
    let errors = b.finish(&program).err().unwrap();
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), [code::NOT_GENERATED; 2]);

    // Referring to them is what they are for: a new version of the function.
    let mut b = IrBuilder::new(&program);
    let [ver, entry, x, ret] = [Some("@f.w"), None, None, None].map(|name| b.gen_sym(&mut program, name));
    b.new_func_ver(ver, func, &[entry]);
    b.new_bb(entry, &[x], &[i64], None, &[ret]);
    b.new_ret(ret, &[x]);
    let draft = b.finish(&program).unwrap();
    load(&mut program, &draft).unwrap();
    assert_eq!(program.funcs[0].versions.len(), 2);
}

#[test]
fn clauses_and_lists_of_the_wrong_kind() {
    let mut bench = bench();
    let [dest, exc, keep, csc, nsc, call, swap, block] = std::array::from_fn(|_| bench.id());
    let [result, results] = std::array::from_fn(|_| bench.id());
    let x = bench.entry(&[call, swap, block]);
    let (entry, func, sig) = (bench.entry, bench.func, bench.sig);
    let b = &mut bench.b;
    b.new_dest_clause(dest, entry, &[]);
    b.new_exc_clause(exc, keep, csc);
    b.new_keepalive_clause(keep, &[dest]);
    b.new_csc_kill_old(csc);
    b.new_nsc_throw_exc(nsc, x);
    b.new_call(call, &[result], sig, func, &[x], Some(dest), Some(exc));
    b.new_swapstack(swap, &[results], x, nsc, csc, None, None);
    b.new_bb(block, &[], &[], None, &[]);
    let errors = bench.errors();
    assert!(
        errors
            .iter()
            .any(|(_, message)| message.contains("is a destination clause, but an exception clause"))
    );
    // call: exc, keepalive; swapstack: both clauses; the block among the instructions. What was refused is placed
    // nowhere.
    let count = |code: Code| errors.iter().filter(|(number, _)| *number == code.number).count();
    assert_eq!(count(code::WRONG_ROLE), 5, "{errors:#?}");
    assert_eq!(count(code::NOT_PLACED), 6, "{errors:#?}");
    assert_eq!(errors.len(), 11);
}

#[test]
fn clauses_of_clauses() {
    let mut bench = bench();
    let [dest, exc, keep, call, result, local] = std::array::from_fn(|_| bench.id());
    let x = bench.entry(&[call]);
    let (func, sig, i64) = (bench.func, bench.sig, bench.i64);
    let b = &mut bench.b;
    b.new_dest_clause(dest, dest, &[exc]);
    b.new_exc_clause(exc, dest, i64);
    b.new_keepalive_clause(keep, &[exc]);
    b.new_call(call, &[result], sig, func, &[x], Some(exc), Some(keep));
    b.new_func_ver(local, x, &[]);
    let codes = bench.codes();
    // The destination's block and argument, the exception clause's second destination, the kept clause; the function of
    // the version.
    assert_eq!(codes, [code::WRONG_ROLE.number; 5]);
}

#[test]
fn entities_of_the_wrong_kind_are_the_linkers() {
    let mut bench = bench();
    bench.entry(&[]);
    let (global, sig) = (bench.id(), bench.sig);
    bench.b.new_global_cell(global, sig);
    assert_eq!(bench.codes(), [name::WRONG_KIND.number]);
}

#[test]
fn nodes_in_two_places() {
    let mut bench = bench();
    let (ret, func, sig) = (bench.ret, bench.func, bench.sig);
    let [other, version, again] = std::array::from_fn(|_| bench.id());
    bench.entry(&[]);
    let entry = bench.entry;
    bench.b.new_func(other, sig);
    bench.b.new_func_ver(version, other, &[entry, again]);
    bench.b.new_bb(again, &[], &[], None, &[ret]);
    let errors = bench.errors();
    assert_eq!(errors.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [code::PLACED_TWICE.number; 2]);
    assert!(func != other);
}

#[test]
fn a_clause_may_serve_twice() {
    let mut bench = bench();
    bench.entry(&[]);
    let [func, version, entry, exit, dest, branch, x, c, y, ret, i1] = std::array::from_fn(|_| bench.id());
    let (i64, sig) = (bench.i64, bench.sig);
    let b = &mut bench.b;
    b.new_type_int(i1, 1);
    b.new_const_int(c, i1, 1);
    b.new_func(func, sig);
    b.new_func_ver(version, func, &[entry, exit]);
    b.new_bb(entry, &[x], &[i64], None, &[branch]);
    b.new_dest_clause(dest, exit, &[x]);
    b.new_branch2(branch, c, dest, dest);
    b.new_bb(exit, &[y], &[i64], None, &[ret]);
    b.new_ret(ret, &[y]);
    assert_eq!(bench.load().func_vers.len(), 2);
}

/// Nothing a client does ends in a panic: calls with arbitrary operands, many of them ids that mean something.
#[test]
fn arbitrary_calls_are_errors_at_worst() {
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed >> 8
    };
    let insts: Vec<CommInst> = CommInst::ALL.iter().copied().filter(|inst| inst.is_irbuilder()).collect();
    let mut loaded = 0;
    for round in 0..3000 {
        let mut bench = bench();
        bench.entry(&[]);
        let mut ids: Vec<MuId> = (0..12).map(|_| bench.id()).collect();
        let fresh = ids.clone();
        ids.extend([
            bench.i64,
            bench.sig,
            bench.func,
            bench.ver,
            bench.entry,
            MuId(0x4001),
            MuId(7),
            MuId::NONE,
        ]);
        for own in fresh.iter().take(round % 6 + 1) {
            let inst = insts[next() as usize % insts.len()];
            let CommParams::Fixed(params) = inst.params();
            let mut args = Vec::new();
            for &param in params.iter().filter(|&&param| param != Ct::IrBuilder) {
                let numbers = [next(), next(), next()];
                let id = |k: usize| ids[numbers[k] as usize % ids.len()];
                match param {
                    Ct::IdArray => args.push(Arg::Ids((0..2).map(id).collect())),
                    Ct::WordArray => args.push(Arg::Words(vec![numbers[0], numbers[1]])),
                    Ct::BytesRef => args.push(Arg::Text(Some("puts".into()))),
                    Ct::I64 if matches!(args.last(), Some(Arg::Ids(_) | Arg::Words(_))) => {}
                    _ if args.is_empty() => args.push(Arg::Number(own.0.into())),
                    _ if numbers[2] % 4 == 0 => args.push(Arg::Number(numbers[1] % 48)),
                    _ => args.push(Arg::Number(id(0).0.into())),
                }
            }
            bench.b.call(inst, &mut Args::new(args));
        }
        let Bench { mut program, b, .. } = bench;
        let before = size(&program.mark());
        match b.finish(&program).map(|draft| load(&mut program, &draft)) {
            Ok(Ok(_)) => loaded += 1,
            Ok(Err(_)) | Err(_) => assert_eq!(size(&program.mark()), before),
        }
    }
    assert!(loaded > 20, "only {loaded} bundles load: the test has become too wild");
}

#[test]
fn numbers_without_meaning() {
    let mut bench = bench();
    let ids: [MuId; 12] = std::array::from_fn(|_| bench.id());
    let [bin, bin_r, cmp, cmp_r, conv, conv_r, load_, load_r, rmw, rmw_r, comm, ccall] = ids;
    let x = bench.entry(&[bin, cmp, conv, load_, rmw, comm, ccall]);
    let (i64, sig) = (bench.i64, bench.sig);
    let b = &mut bench.b;
    b.new_binop_with_status(bin, bin_r, &[], 0x7f, 16, i64, x, x, None);
    b.new_cmp(cmp, cmp_r, Op::Add, i64, x, x);
    b.new_conv(conv, conv_r, 0, i64, i64, x);
    b.new_load(load_, load_r, false, 7, i64, x, None);
    b.new_atomicrmw(rmw, rmw_r, false, MemOrder::SeqCst, 11, i64, x, x, None);
    b.new_comminst(comm, &[], 0x200, &[1], &[], &[], &[], None, None);
    b.new_ccall(ccall, &[], u32::MAX, i64, sig, x, &[], None, None);
    assert_eq!(bench.codes(), [code::BAD_NUMBER.number; 9]);
}

#[test]
fn lists_of_different_lengths() {
    let mut bench = bench();
    let [switch, dest, unused] = std::array::from_fn(|_| bench.id());
    let (entry, i64) = (bench.entry, bench.i64);
    let x = bench.id();
    bench.b.new_bb(entry, &[x], &[], None, &[switch]);
    bench.b.new_switch(switch, i64, x, dest, &[unused], &[]);
    bench.b.new_dest_clause(dest, entry, &[]);
    let codes = bench.codes();
    assert_eq!(codes.iter().filter(|&&code| code == code::LENGTHS_DIFFER.number).count(), 2);
}

#[test]
fn names() {
    let long = format!("@{}", "x".repeat(NAME_BYTES_MAX));
    for name in ["", "@", "f", "%x", "@a b", "@é", "@x\0", &long] {
        let mut bench = bench();
        bench.entry(&[]);
        let id = bench.b.gen_sym(&mut bench.program, Some(name));
        assert_ne!(id, MuId::NONE);
        assert_eq!(bench.codes(), [code::BAD_SYMBOL_NAME.number], "{name}");
    }
    let mut twice = bench();
    twice.entry(&[]);
    twice.b.gen_sym(&mut twice.program, Some("@i64"));
    assert_eq!(twice.codes(), [name::DUPLICATE_NAME.number]);
}

#[test]
fn a_name_of_an_earlier_bundle_is_taken() {
    let mut first = bench();
    first.entry(&[]);
    let mut second = Bench { program: first.load(), ..bench() };
    second.b = IrBuilder::new(&second.program);
    let [func, sig] = [Some("@f"), None].map(|name| second.b.gen_sym(&mut second.program, name));
    second.b.new_funcsig(sig, &[], &[]);
    second.b.new_func(func, sig);
    let (program, b) = (&mut second.program, second.b);
    let draft = b.finish(program).unwrap();
    let errors = load(program, &draft).err().unwrap();
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), [name::NAME_TAKEN]);
    assert_eq!(program.entity(func), Some(Entity::Reserved));
    assert_eq!(program.entity(sig), Some(Entity::Reserved));
}

#[test]
fn builders_of_other_instances() {
    let mut bench = bench();
    bench.entry(&[]);
    let mut stranger = Program::new();
    assert_eq!(bench.b.gen_sym(&mut stranger, None), MuId::NONE);
    let builder = IrBuilder::new(&stranger);
    let errors = builder.finish(&bench.program).err().unwrap();
    assert_eq!(errors[0].code, code::OTHER_INSTANCE);
    assert_eq!(bench.codes(), [code::OTHER_INSTANCE.number]);
}

#[test]
fn integers() {
    let cases: [(u32, &[u64], Option<i128>); 14] = [
        (8, &[255], Some(255)),
        (8, &[u64::MAX], Some(-1)),
        (8, &[-128i64 as u64], Some(-128)),
        (8, &[256], None),
        (8, &[-129i64 as u64], None),
        (8, &[-5i64 as u64, u64::MAX], Some(-5)),
        (64, &[u64::MAX], Some(u64::MAX as i128)),
        (64, &[u64::MAX, u64::MAX], Some(-1)),
        (64, &[], Some(0)),
        (64, &[3, 0, 0, 0], Some(3)),
        (128, &[1, 1], Some((1 << 64) + 1)),
        (128, &[1, u64::MAX, u64::MAX], Some(1 - (1 << 64))),
        (128, &[1, 1, 1], None),
        (128, &[1, 1, u64::MAX], None),
    ];
    for (width, words, expected) in cases {
        let mut bench = bench();
        bench.entry(&[]);
        let [ty, constant] = std::array::from_fn(|_| bench.id());
        bench.b.new_type_int(ty, width);
        bench.b.new_const_int_ex(constant, ty, words);
        match expected {
            Some(value) => {
                let program = bench.load();
                assert_eq!(program.consts[0].ctor.int_bits(), Some(value as u128), "{width} {words:?}");
            }
            None => {
                let wanted = if words.len() > 2 { code::TOO_WIDE } else { verify::CONST_INT_RANGE };
                assert_eq!(bench.codes(), [wanted.number], "{width} {words:?}");
            }
        }
    }
}

#[test]
fn messages_name_the_place() {
    let mut bench = bench();
    let [add, sum, f32] = std::array::from_fn(|_| bench.id());
    let x = bench.entry(&[add]);
    bench.b.new_type_float(f32);
    bench.b.new_binop(add, sum, Op::FAdd, f32, x, x, None);
    let errors = bench.errors();
    let place = format!("(in FADD #{} in @f.v.entry of @f.v)", add.0);
    assert!(errors[0].1.ends_with(&place), "{errors:?}");
}

#[test]
fn a_failed_load_leaves_ids_reserved() {
    let mut bench = bench();
    let (i64, entry) = (bench.i64, bench.entry);
    // The parameter has no type of a variable.
    let void = bench.id();
    let x = bench.id();
    bench.b.new_type_void(void);
    bench.b.new_bb(entry, &[x], &[void], None, &[bench.ret]);
    bench.b.new_ret(bench.ret, &[x]);
    let Bench { mut program, b, .. } = bench;
    let before = size(&program.mark());
    let draft = b.finish(&program).unwrap();
    load(&mut program, &draft).unwrap_err();
    assert_eq!(size(&program.mark()), before);
    for id in [i64, entry, void, x] {
        assert_eq!(program.entity(id), Some(Entity::Reserved));
        assert_eq!(program.name_of(id), None);
    }
    assert_eq!(program.id_of("@i64"), None);
}

#[test]
fn numbers_come_back() {
    for &op in Op::ALL {
        let code = u32::from(op.code());
        let meaning = [BinOptr(code).meaning(), CmpOptr(code).meaning(), ConvOptr(code).meaning()];
        let found: Vec<Op> = meaning.into_iter().flatten().collect();
        assert_eq!(found, if code == 0 { vec![] } else { vec![op] });
    }
    for order in MemOrder::ALL {
        assert_eq!(MemOrd::from(order).meaning(), Some(order));
    }
    for op in RmwOp::ALL {
        assert_eq!(RmwOptr::from(op).meaning(), Some(op));
    }
    assert_eq!(BinOpStatus::from(StatusFlags(9)).meaning(), Some(StatusFlags(9)));
    assert_eq!(CallConvNo::from(CallConv::Default).meaning(), Some(CallConv::Default));
    for &inst in CommInst::ALL {
        assert_eq!(CommInstNo::from(inst).meaning(), Some(inst));
    }
}

/// Every row of the table has a method that takes as many arguments.
#[test]
fn every_common_instruction_calls_its_method() {
    let program = Program::new();
    let mut called = 0;
    for &inst in CommInst::ALL.iter().filter(|inst| inst.is_irbuilder()) {
        let CommParams::Fixed(params) = inst.params();
        let mut args = Vec::new();
        let mut arrays = false;
        for &param in params {
            match param {
                Ct::IdArray => args.push(Arg::Ids(vec![MuId(1)])),
                Ct::WordArray => args.push(Arg::Words(vec![1])),
                Ct::BytesRef => args.push(Arg::Text(Some("@x".into()))),
                Ct::IrBuilder => {}
                Ct::I64 if arrays => {}
                _ => args.push(Arg::Number(1)),
            }
            arrays = matches!(param, Ct::IdArray | Ct::WordArray);
        }
        let mut builder = IrBuilder::new(&program);
        let mut args = Args::new(args);
        let known = builder.call(inst, &mut args);
        let needs_program =
            [CommInst::IbNewIrBuilder, CommInst::IbLoad, CommInst::IbAbort, CommInst::IbGenSym];
        assert_eq!(known, !needs_program.contains(&inst), "{}", inst.name());
        if known {
            assert!(args.is_empty(), "{} takes fewer arguments", inst.name());
            assert_eq!(builder.nodes.len(), 1, "{}", inst.name());
            assert_eq!(builder.nodes[0].0, MuId(1), "{}", inst.name());
            called += 1;
        }
    }
    assert_eq!(called, 77);
}

#[test]
fn open_builders_are_never_the_same_twice() {
    let program = Program::new();
    let mut open = OpenBuilders::default();
    let first = open.insert(IrBuilder::new(&program));
    assert!(open.get_mut(first).is_some());
    assert!(open.remove(first).is_some());
    assert!(open.remove(first).is_none());
    let second = open.insert(IrBuilder::new(&program));
    assert!(second != first && open.get_mut(first).is_none() && open.len() == 1);
}
