//! What lenient loading lets pass, compiled or refused: the scripts of the verifier, and what they do not reach.

use super::support::Bench;
use crate::code::stubs::Status;
use crate::{Input, Settings, Unsupported};
use mu_ir::ids::{FuncVerId, MuId};

macro_rules! script {
    ($name:literal) => {
        include_str!(concat!("../../../tests/conformance/verifier/", $name, ".lenient.uir"))
    };
}

fn settings(optimize: bool) -> Settings {
    Settings { optimize, ..Settings::default() }
}

/// Compiles a script, and compares calls.
fn check(text: &str, calls: &[(&str, &[u64], &[u64])]) {
    for optimize in [false, true] {
        let mut bench = Bench::lenient(text, settings(optimize));
        bench.compile();
        for &(name, args, results) in calls {
            assert_eq!(bench.call(name, args), (Status::Returned, results.to_vec()), "{name} {args:?}");
        }
    }
}

/// The reason why a function is refused.
fn refused(text: &str, name: &str) -> Option<Unsupported> {
    let mut bench = Bench::lenient(text, settings(true));
    let version = bench.program.current_version(bench.func(name)).expect("a version");
    let input = Input { program: &bench.program, layouts: &bench.layouts, globals: &bench.globals };
    bench.jit.compile(input, version).err()
}

#[test]
fn amounts_of_shifts_may_be_narrower() {
    let top = 1 << 63;
    check(
        script!("shift_amount"),
        &[
            ("@shifts", &[1, top, 1], &[2, 0, 0, 1 << 62, 0, 3 << 62]),
            ("@shifts", &[3, 0, 64], &[0, 3, 0, 0, 0, 0]),
            ("@shifts", &[3, 0, 128], &[3, 0, 3, 0, 3, 0]),
            ("@shifts", &[3, 0, 0xffff_ffff_ffff_ff81], &[6, 0, 1, 0, 1, 0]),
            ("@shl", &[5, 63], &[top]),
            ("@shl", &[5, 64], &[5]),
            ("@shl", &[5, 0xff], &[top]),
            ("@with_status", &[5, 2], &[20]),
        ],
    );
}

#[test]
fn native_calls_stay_with_the_interpreter() {
    let reason = refused(script!("ccall_signature"), "@f");
    assert_eq!(reason, Some(Unsupported::Op(mu_ir::table::Op::CCall)));
}

/// NEW and stacks stay with the interpreter, so the calls of the script of the verifier stand here without them.
const CALLEES: &str = "
.typedef @i64 = int<64>
.typedef @i8 = int<8>
.typedef @ptr = uptr<@i8>
.typedef @double = double
.funcsig @of_int = (@i64 @i64) -> (@i64)
.funcsig @of_ptr = (@ptr @i64) -> (@ptr)
.funcsig @of_one = (@i64) -> (@i64)
.funcsig @of_fp = (@double @i64) -> (@i64)
.typedef @f_int = funcref<@of_int>
.funcsig @through = (@f_int @i64 @i64) -> (@i64)
.funcdef @minus VERSION %v1 <@of_int> {
    %entry(<@i64> %a <@i64> %b):
        %r = SUB <@i64> %a %b
        RET %r
}
.funcdef @similar VERSION %v1 <@of_int> {
    %entry(<@i64> %a <@i64> %b):
        %r = CALL <@of_ptr> @minus (%a %b)
        %s = ADD <@i64> %r %b
        %t = CALL <@of_ptr> @minus (%s %a)
        RET %t
}
.funcdef @similar_tail VERSION %v1 <@of_int> {
    %entry(<@i64> %a <@i64> %b):
        TAILCALL <@of_ptr> @minus (%a %b)
}
.funcdef @similar_indirect VERSION %v1 <@through> {
    %entry(<@f_int> %f <@i64> %a <@i64> %b):
        %r = CALL <@of_ptr> %f (%a %b)
        RET %r
}
.funcdef @other VERSION %v1 <@of_int> {
    %entry(<@i64> %a <@i64> %b):
        %r = CALL <@of_one> @minus (%a)
        RET %r
}
.funcdef @other_tail VERSION %v1 <@of_int> {
    %entry(<@i64> %a <@i64> %b):
        TAILCALL <@of_one> @minus (%a)
}
.funcdef @other_class VERSION %v1 <@of_fp> {
    %entry(<@double> %a <@i64> %b):
        %r = CALL <@of_fp> @minus (%a %b)
        RET %r
}
.funcdef @other_indirect VERSION %v1 <@through> {
    %entry(<@f_int> %f <@i64> %a <@i64> %b):
        %r = CALL <@of_one> %f (%a)
        RET %r
}
";

#[test]
fn callees_for_the_same_words_are_called() {
    let mut bench = Bench::lenient(CALLEES, settings(true));
    let minus = mu_rt::words::func_word(bench.func("@minus"));
    bench.compile_some();
    for (name, args, result) in [
        ("@similar", &[10, 3][..], 0),
        ("@similar_tail", &[10, 3], 7),
        ("@similar_indirect", &[minus, 10, 3], 7),
    ] {
        assert_eq!(bench.call(name, args), (Status::Returned, vec![result]), "{name}");
    }
}

#[test]
fn callees_for_other_words_are_refused() {
    for name in ["@other", "@other_tail", "@other_class", "@other_indirect"] {
        assert_eq!(refused(CALLEES, name), Some(Unsupported::CalleeSignature), "{name}");
    }
    for name in ["@minus", "@similar", "@similar_tail", "@similar_indirect"] {
        assert_eq!(refused(CALLEES, name), None, "{name}");
    }
    assert_eq!(refused(script!("callee_signature"), "@content"), None);
}

#[test]
fn constants_without_an_id_are_like_others() {
    let text = script!("constant_width");
    let bench = Bench::lenient(text, settings(true));
    assert!(bench.program.consts.iter().any(|constant| constant.id == MuId::NONE), "none were made");
    check(
        text,
        &[
            ("@add_minus_one", &[10], &[9]),
            ("@add_all_ones", &[10], &[265]),
            ("@narrow", &[7], &[107]),
            ("@add_wide", &[0, 1], &[u64::MAX - 1, 1]),
            ("@give_pair", &[], &[1, 255]),
        ],
    );
}

#[test]
fn pointers_are_compared_with_their_signs() {
    check(
        script!("signed_pointers"),
        &[
            ("@f", &[1, 2], &[1, 1, 0, 0]),
            ("@f", &[2, 2], &[0, 1, 0, 1]),
            ("@f", &[u64::MAX, 1], &[1, 1, 0, 0]),
        ],
    );
}

#[test]
fn conversions_that_change_nothing() {
    check(script!("trunc_width"), &[("@f", &[77], &[77])]);
    let text = "
.typedef @i8 = int<8>
.typedef @i128 = int<128>
.funcsig @sig = (@i8 @i128) -> (@i8 @i8 @i8 @i128 @i128 @i128)
.funcdef @f VERSION %v1 <@sig> {
    %entry(<@i8> %a <@i128> %b):
        %ta = TRUNC <@i8 @i8> %a
        %za = ZEXT <@i8 @i8> %a
        %sa = SEXT <@i8 @i8> %a
        %tb = TRUNC <@i128 @i128> %b
        %zb = ZEXT <@i128 @i128> %b
        %sb = SEXT <@i128 @i128> %b
        RET (%ta %za %sa %tb %zb %sb)
}
";
    check(text, &[("@f", &[200, 5, 1 << 63], &[200, 200, 200, 5, 1 << 63, 5, 1 << 63, 5, 1 << 63])]);
}

/// An operand of each place may be a pointer where an integer of its size is wanted, and the other way round.
#[test]
fn integers_and_pointers_stand_for_each_other_everywhere() {
    check(script!("dest_arg_type"), &[("@f", &[1], &[])]);
    check(script!("ret_type"), &[("@f", &[77], &[77])]);
    let text = "
.typedef @i1 = int<1>
.typedef @i64 = int<64>
.typedef @ptr = uptr<@i64>
.typedef @arr = array<@i64 3>
.typedef @pair = struct<@i64 @ptr>
.const @one <@i64> = 1
.const @pair_0 <@pair> = {@one @no}
.const @no <@ptr> = 0
.funcsig @sig = (@i64 @ptr) -> (@ptr @i64 @i64 @i1 @ptr @i64 @i64 @i64)
.funcdef @f VERSION %v1 <@sig> {
    %entry(<@i64> %i <@ptr> %p):
        %sum = ADD <@i64> %p %i
        %shifted = SHL <@i64> %i %p
        %less = ULT <@ptr> %i %p
        %picked = SELECT <@i1 @ptr> %less %i %p
        %cell = ALLOCA <@i64>
        STORE <@i64> %cell %p
        %old = ATOMICRMW SEQ_CST ADD <@i64> %cell %p
        (%seen %good) = CMPXCHG SEQ_CST SEQ_CST <@i64> %cell %sum %p
        %pair = INSERTVALUE <@pair 0> @pair_0 %p
        %pair2 = INSERTVALUE <@pair 1> %pair %i
        %first = EXTRACTVALUE <@pair 0> %pair2
        %second = EXTRACTVALUE <@pair 1> %pair2
        %both = SUB <@i64> %first %second
        %array = ALLOCA <@arr>
        %at = GETELEMIREF <@arr @i64> %array %p
        STORE <@i64> %at %i
        %back = LOAD <@i64> %at
        SWITCH <@i64> %p 
            %next(%sum %shifted %old %less %picked %both %back) { @one
            %next(%i %i %i %less %i %i %i) }
    %next(<@ptr> %sum <@i64> %shifted <@i64> %old <@i1> %less <@ptr> %q <@ptr> %both <@i64> %n):
        %last = ADD <@i64> %q @one
        RET (%sum %shifted %old %less %q %both %n %last)
}
";
    check(text, &[("@f", &[3, 2], &[5, 12, 2, 0, 2, u64::MAX, 3, 3])]);
}

/// No version of a script that lenient mode loads makes the importer build what the checker of the SSA form rejects.
#[test]
fn every_version_is_compiled_or_refused() {
    for text in [script!("operand_type"), script!("callee_signature"), script!("pointer_referent")] {
        let mut bench = Bench::lenient(text, settings(true));
        for version in 0..bench.program.func_vers.len() {
            let input = Input { program: &bench.program, layouts: &bench.layouts, globals: &bench.globals };
            let _ = bench.jit.compile(input, FuncVerId::new(version));
        }
    }
}
