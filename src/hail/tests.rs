//! Tests of the HAIL loader: what a conformance script cannot ask for.

use crate::rt::runtime::Config;
use crate::{LoadError, Mu, Options, Outcome, Value};

const BUNDLE: &str = "
    .typedef @i8 = int<8>
    .typedef @i64 = int<64>
    .typedef @double = double
    .typedef @u64 = uptr<@i64>
    .typedef @bytes = hybrid<@i8>
    .typedef @node = struct<@i64 @next>
    .typedef @next = ref<@node>
    .typedef @s0 = struct<@i64>
    .const @address <@u64> = 0x1000
    .const @wide <@i64> = -1
    .global @a <@i64>
    .global @b <@i8>
    .global @head <@next>
    .funcsig @sig = () -> (@i64)
    .funcdef @get VERSION %v1 <@sig> {
        %entry():
            %a = LOAD <@i64> @a
            RET %a
    }
    .funcdef @length VERSION %v1 <@sig> {
        %entry():
            %h = LOAD <@next> @head
            BRANCH %loop(%h @zero)
        %loop(<@next> %n <@i64> %count):
            %is_null = EQ <@next> %n @null
            BRANCH2 %is_null %done(%count) %more(%n %count)
        %more(<@next> %n <@i64> %count):
            %i = GETIREF <@node> %n
            %f = GETFIELDIREF <@node 1> %i
            %m = LOAD <@next> %f
            %c = ADD <@i64> %count @one
            BRANCH %loop(%m %c)
        %done(<@i64> %count):
            RET %count
    }
    .const @null <@next> = NULL
    .const @zero <@i64> = 0
    .const @one <@i64> = 1";

fn instance(lenient: bool) -> Mu {
    let config = Config { lenient, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("bundle", BUNDLE).unwrap();
    mu
}

fn codes(error: &LoadError) -> Vec<u16> {
    error.diagnostics.iter().map(|diagnostic| diagnostic.code.number).collect()
}

fn call(mu: &mut Mu, func: &str) -> i64 {
    let func = mu.func(func).unwrap();
    match mu.call(func, vec![]) {
        Outcome::Return(values) => values[0].as_u64() as i64,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lenient_mode_takes_scalars_of_one_size_for_each_other() {
    let text = ".init @a = @address .init @b = 0x101";
    let strict = instance(false).load_hail("t", text).unwrap_err();
    assert_eq!(codes(&strict), [5008, 5009]);
    let mut mu = instance(true);
    let warnings = mu.load_hail("t", text).unwrap();
    assert_eq!(warnings.iter().map(|warning| warning.code.number).collect::<Vec<_>>(), [5008, 5009]);
    assert_eq!(call(&mut mu, "@get"), 0x1000);
    assert_eq!(codes(&mu.load_hail("t", ".init @b = @wide").unwrap_err()), [5008]);
    let text = ".new $x <@double> .init $x = 1e999d";
    assert_eq!(codes(&instance(false).load_hail("t", text).unwrap_err()), [1032]);
    assert_eq!(mu.load_hail("t", text).unwrap().len(), 1);
}

#[test]
fn a_failed_script_leaves_the_instance_as_it_was() {
    let mut mu = instance(false);
    mu.load_hail("t", ".init @a = 7").unwrap();
    let before = format!("{:?} {:?}", mu.program().mark(), mu.runtime().heap.statistics());
    let error = mu.load_hail("t.hail", ".init @a = 8 .new $x <@i64>\n.init @b = $x").unwrap_err();
    assert_eq!(error.to_string(), "t.hail:2:12: MU-E5008: $x is no value of int<8>");
    assert_eq!(format!("{:?} {:?}", mu.program().mark(), mu.runtime().heap.statistics()), before);
    assert_eq!(call(&mut mu, "@get"), 7);
}

#[test]
fn no_memory_is_an_error_before_any_store() {
    let config = Config { heap_bytes: 1 << 16, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("bundle", BUNDLE).unwrap();
    let error = mu.load_hail("t", ".init @a = 1 .newhybrid $x <@bytes> 1000000").unwrap_err();
    assert_eq!(codes(&error), [5012]);
    assert_eq!(call(&mut mu, "@get"), 0);
}

#[test]
fn deep_values_and_many_errors_are_no_danger() {
    let mut mu = instance(false);
    let deep = format!(".init @a = {}1{}", "{".repeat(100_000), "}".repeat(100_000));
    assert_eq!(codes(&mu.load_hail("t", &deep).unwrap_err()), [5008]);
    let error = mu.load_hail("t", &".init $x = 1\n".repeat(1000)).unwrap_err();
    assert_eq!((error.diagnostics.len(), codes(&error)[100]), (101, 1031));
    let error = mu.load_hail("t", &".new $x <@i64>\n".repeat(1000)).unwrap_err();
    assert_eq!((error.diagnostics.len(), codes(&error)[0]), (101, 5002));
}

#[test]
fn a_hundred_thousand_objects() {
    let mut mu = instance(false);
    let count = 100_000;
    let mut text = String::from(".init @head = $0\n");
    for node in 0..count {
        text += &format!(".init ${node} = {{{node} ${}}}\n.new ${node} <@node>\n", node + 1);
    }
    text += &format!(".new ${count} <@node>");
    mu.load_hail("t", &text).unwrap();
    assert_eq!(call(&mut mu, "@length"), count + 1);
}

#[test]
fn a_program_that_loads_errors_leaves_them_to_be_seen() {
    let mut mu = instance(false);
    mu.load_bundle(
        "loader",
        ".funcsig @b_v = (@uvm.meta.bytes.r) -> ()
         .funcdef @load VERSION %v1 <@b_v> {
             %entry(<@uvm.meta.bytes.r> %text):
                 COMMINST @uvm.meta.load_hail (%text)
                 RET ()
         }",
    )
    .unwrap();
    let load = mu.func("@load").unwrap();
    let bytes = |mu: &mut Mu, text: &[u8]| -> Value {
        let ty = mu.params(load)[0];
        mu.new_bytes(ty, text).unwrap()
    };
    let text = bytes(&mut mu, b".init @a = NULL");
    assert!(matches!(mu.call(load, vec![text]), Outcome::Undefined(ub, _) if ub.id() == "U40"));
    assert_eq!(codes(mu.last_load_error().unwrap()), [5008]);
    let text = bytes(&mut mu, b".init @a = 1 \xff");
    assert!(matches!(mu.call(load, vec![text]), Outcome::Undefined(..)));
    assert_eq!(codes(mu.last_load_error().unwrap()), [1001]);
    let text = bytes(&mut mu, b".init @a = 3 // \xff");
    assert!(matches!(mu.call(load, vec![text]), Outcome::Return(_)));
    assert!(mu.last_load_error().is_none());
    assert_eq!(call(&mut mu, "@get"), 3);
}

/// Scripts of random words: an answer, never a panic, and what fails changes nothing.
#[test]
fn random_scripts() {
    const WORDS: &[&str] = &[
        ".new",
        ".newhybrid",
        ".init",
        "$x",
        "$y",
        "$z",
        "<@i64>",
        "<@bytes>",
        "<@node>",
        "<@next>",
        "<@s0>",
        "@a",
        "@b",
        "@head",
        "@wide",
        "@null",
        "@get",
        "=",
        "=",
        "{",
        "}",
        "[",
        "]",
        "[0]",
        "[1]",
        "&",
        "*",
        "NULL",
        "0",
        "1",
        "-1",
        "256",
        "1.0d",
        "1.0f",
        "@missing",
        "%x",
        "?",
        "4",
        "@one",
    ];
    /// Behind these allocations, initialisations of which most are right.
    const ALLOCS: &str = ".new $x <@node> .new $y <@i64> .newhybrid $z <@bytes> 4 ";
    const INITS: &[&str] = &[
        ".init $x = {1 $x}",
        ".init $z = {{1 2}}",
        ".init $z[0][@one] = *@b",
        ".init @a = *$y",
        ".init @head = $x",
        ".init $x[1] = *@head",
        ".init $y = *$x[0]",
        ".init $z = *$z",
        ".init $x = *@head",
        ".init $z[0] = {1 2 3 4 5}",
        ".init $x[2] = 0",
        ".init @a = &$y",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) as usize % below
    };
    let mut mu = instance(false);
    let (mut loaded, mut refused) = (0, 0);
    for round in 0..20_000 {
        let (before, from) = if round % 2 == 0 { (ALLOCS, INITS) } else { ("", WORDS) };
        let text: Vec<&str> = (0..1 + random(8)).map(|_| from[random(from.len())]).collect();
        match mu.load_hail("random", &format!("{before}{}", text.join(" "))) {
            Ok(_) => loaded += 1,
            Err(error) => {
                assert!(!error.diagnostics.is_empty());
                refused += 1;
            }
        }
    }
    assert!(loaded > 500 && refused > 5000, "{loaded} loaded, {refused} refused");
}
