//! The client's interface in Rust, group by group: what each function gives, what it refuses, and that nothing of it minds
//! a collection at every allocation that moves everything.

use mu_vm::ir::table::{MemOrder, RmwOp};
use mu_vm::ir::ub::Ub;
use mu_vm::rt::runtime::Config;
use mu_vm::rt::stress::GcStress;
use mu_vm::{ClientError, Mu, Options, Outcome, TrapAction, TrapContext, TrapHandler, Value};

const BUNDLE: &str = "
    .typedef @void = void
    .typedef @i1 = int<1>   .typedef @i8 = int<8>    .typedef @i16 = int<16>  .typedef @i32 = int<32>
    .typedef @i52 = int<52> .typedef @i64 = int<64>  .typedef @i128 = int<128>
    .typedef @float = float .typedef @double = double
    .typedef @rvoid = ref<@void>
    .typedef @node = struct<@i64 @rnode>
    .typedef @rnode = ref<@node>
    .typedef @inode = iref<@node>
    .typedef @wnode = weakref<@node>
    .typedef @weak = struct<@i64 @wnode>
    .typedef @text = hybrid<@i64 @i8>
    .typedef @three = array<@i16 3>
    .typedef @grid = array<@three 2>
    .typedef @quad = vector<@i32 4>
    .typedef @nodes = array<@rnode 2>
    .typedef @pi64 = uptr<@i64>
    .typedef @pair = struct<@i64 @float>
    .typedef @tag = tagref64
    .typedef @stack = stackref
    .typedef @thread = threadref
    .typedef @cursor = framecursorref
    .funcsig @v_v = () -> ()
    .funcsig @i_i = (@i64) -> (@i64)
    .funcsig @r_i = (@rnode) -> (@i64)
    .funcsig @v_r = () -> (@rnode)
    .typedef @f = funcref<@i_i>
    .typedef @g = funcref<@v_v>
    .typedef @fp = ufuncptr<@i_i>
    .const @zero <@i64> = 0
    .const @one <@i64> = 1
    .const @wide <@i128> = -2
    .const @half <@float> = 1.5f
    .const @p <@pair> = {@one @half}
    .const @nothing <@rnode> = NULL
    .global @cell <@i64>
    .global @root <@rnode>
    .funcdef @double_it VERSION %v <@i_i> {
        %entry(<@i64> %n):
            %m = ADD <@i64> %n %n
            RET %m
    }
    .expose @exposed = @double_it #DEFAULT @zero
    .funcdef @sum VERSION %v <@r_i> {
        %entry(<@rnode> %list):
            BRANCH %head(%list @zero)
        %head(<@rnode> %list <@i64> %sum):
            %done = EQ <@rnode> %list @nothing
            BRANCH2 %done %exit(%sum) %body(%list %sum)
        %body(<@rnode> %list <@i64> %sum):
            %i = GETIREF <@node> %list
            %pn = GETFIELDIREF <@node 0> %i
            %pr = GETFIELDIREF <@node 1> %i
            %n = LOAD <@i64> %pn
            %rest = LOAD <@rnode> %pr
            %more = ADD <@i64> %sum %n
            BRANCH %head(%rest %more)
        %exit(<@i64> %sum):
            RET %sum
    }
    .funcdef @trapping VERSION %v <@i_i> {
        %entry(<@i64> %n):
            %c = ALLOCA <@i64>
            STORE <@i64> %c %n
            [%trap] TRAP <> KEEPALIVE(%c)
            %r = LOAD <@i64> %c
            RET %r
    }
";

fn instance(stress: &str) -> Mu {
    let gc_stress = match stress {
        "" => GcStress::default(),
        stress => stress.parse().unwrap(),
    };
    // The interface checks whether or not programs are.
    let config = Config { gc_stress, checked: stress.is_empty(), heap_bytes: 8 << 20, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("client", BUNDLE).unwrap_or_else(|error| panic!("{error}"));
    mu
}

fn int(mu: &mut Mu, number: u64) -> Value {
    mu.handle_from_uint(number, 64).unwrap()
}

fn undefined<T>(ub: Ub) -> Result<T, ClientError> {
    Err(ClientError::Undefined(ub))
}

/// `@node(number, rest)` in the heap.
fn node(mu: &mut Mu, number: u64, rest: &Value) -> Value {
    let object = mu.new_fixed(mu.type_named("@node").unwrap()).unwrap();
    let whole = mu.get_iref(&object).unwrap();
    let (head, tail) = (mu.get_field_iref(&whole, 0).unwrap(), mu.get_field_iref(&whole, 1).unwrap());
    let number = int(mu, number);
    mu.store(MemOrder::NotAtomic, &head, &number).unwrap();
    mu.store(MemOrder::Release, &tail, rest).unwrap();
    object
}

fn call(mu: &mut Mu, func: &str, args: Vec<Value>) -> u64 {
    match mu.call(mu.func(func).unwrap(), args) {
        Outcome::Return(values) => values[0].as_u64(),
        other => panic!("{other:?}"),
    }
}

// ---- handles

#[test]
fn integers_are_cut_off_and_extended() {
    let mut mu = instance("");
    let signed: [(i64, u32, i64); 8] = [
        (-1, 1, -1),
        (-1, 20, -1),
        (0x1_2345, 16, 0x2345),
        (0x8000, 16, -0x8000),
        (i64::MIN, 64, i64::MIN),
        (-2, 128, -2),
        (5, 7, 5),
        (64, 7, -64),
    ];
    for (number, len, back) in signed {
        let handle = mu.handle_from_sint(number, len).unwrap();
        assert_eq!(mu.handle_to_sint(&handle), Ok(back), "{number} in int<{len}>");
        let mask = if len >= 64 { u64::MAX } else { (1 << len) - 1 };
        assert_eq!(mu.handle_to_uint(&handle), Ok(back as u64 & mask), "{number} in int<{len}>");
    }
    let all = mu.handle_from_uint(u64::MAX, 128).unwrap();
    assert_eq!(mu.handle_to_uint64s(&all), Ok(vec![u64::MAX, 0]), "extended with zeros");
    let all = mu.handle_from_sint(-1i8, 128).unwrap();
    assert_eq!(mu.handle_to_uint64s(&all), Ok(vec![u64::MAX; 2]), "extended with the sign");
    let small = mu.handle_from_uint(0xffu8, 4).unwrap();
    assert_eq!((mu.handle_to_uint(&small), mu.handle_to_sint(&small)), (Ok(15), Ok(-1)));
    let words = mu.handle_from_uint64s(&[1, 2, 3], 128).unwrap();
    assert_eq!(mu.handle_to_uint64s(&words), Ok(vec![1, 2]));
    let words = mu.handle_from_uint64s(&[], 64).unwrap();
    assert_eq!(mu.handle_to_uint64s(&words), Ok(vec![0]));
    for len in [0, 65, 127, 129, u32::MAX] {
        assert_eq!(mu.handle_from_sint(1, len), Err(ClientError::NoValues));
        assert_eq!(mu.handle_from_uint(1u32, len), Err(ClientError::NoValues));
        assert_eq!(mu.handle_from_uint64s(&[1], len), Err(ClientError::NoValues));
    }
    let i64 = mu.type_named("@i64").unwrap();
    let one = int(&mut mu, 1);
    assert!(mu.program().types.same(one.ty(), i64), "the type that the bundle defined");
}

#[test]
fn numbers_and_pointers_cross_bit_by_bit() {
    let mut mu = instance("");
    let float = mu.handle_from_float(-0.0);
    assert_eq!(mu.handle_to_float(&float).map(f32::to_bits), Ok((-0.0f32).to_bits()));
    let double = mu.handle_from_double(f64::from_bits(0x7ff0_0000_0000_0001));
    assert_eq!(mu.handle_to_double(&double).map(f64::to_bits), Ok(0x7ff0_0000_0000_0001));
    let [ptr, fp] = ["@pi64", "@fp"].map(|name| mu.type_named(name).unwrap());
    let pointer = mu.handle_from_ptr(ptr, u64::MAX).unwrap();
    assert_eq!(mu.handle_to_ptr(&pointer), Ok(u64::MAX));
    let function = mu.handle_from_fp(fp, 0x1000).unwrap();
    assert_eq!(mu.handle_to_fp(&function), Ok(0x1000));
    assert_eq!(mu.handle_from_ptr(fp, 1), Err(ClientError::WrongType));
    assert_eq!(mu.handle_from_fp(ptr, 1), Err(ClientError::WrongType));
    assert_eq!(mu.handle_to_ptr(&function), Err(ClientError::WrongType));
    assert_eq!(mu.handle_to_fp(&pointer), Err(ClientError::WrongType));
    assert_eq!(mu.handle_to_float(&double), Err(ClientError::WrongType));
    assert_eq!(mu.handle_to_double(&float), Err(ClientError::WrongType));
    assert_eq!(mu.handle_to_sint(&double), Err(ClientError::WrongType));
    assert_eq!(mu.handle_to_uint(&pointer), Err(ClientError::WrongType));
}

#[test]
fn handles_of_what_bundles_define() {
    let mut mu = instance("");
    let id = |mu: &Mu, name: &str| mu.id_of(name).unwrap();
    let wide = mu.handle_from_const(id(&mu, "@wide")).unwrap();
    assert_eq!(mu.handle_to_uint64s(&wide), Ok(vec![u64::MAX - 1, u64::MAX]));
    let pair = mu.handle_from_const(id(&mu, "@p")).unwrap();
    assert_eq!(mu.value_to_text(&pair), "{1, 1.5}");
    let cell = mu.handle_from_global(id(&mu, "@cell")).unwrap();
    let five = int(&mut mu, 5);
    mu.store(MemOrder::SeqCst, &cell, &five).unwrap();
    assert_eq!(mu.load(MemOrder::NotAtomic, &mu.handle_named("@cell").unwrap()), Ok(five));
    let func = mu.handle_from_func(id(&mu, "@double_it")).unwrap();
    assert_eq!(Some(&func), mu.funcref(mu.func("@double_it").unwrap()).as_ref());
    assert_eq!(mu.handle_to_func(&func).ok(), mu.func("@double_it"));
    let null = mu.null(func.ty()).unwrap();
    assert_eq!(mu.handle_to_func(&null), undefined(Ub::BadCallee));
    assert_eq!(mu.handle_to_func(&cell), Err(ClientError::WrongType));
    let exposed = mu.handle_from_expose(id(&mu, "@exposed")).unwrap();
    assert_ne!(mu.handle_to_fp(&exposed), Ok(0));
    for (name, value) in [("@wide", &wide), ("@cell", &cell), ("@double_it", &func), ("@exposed", &exposed)] {
        assert_eq!(mu.handle_named(name).as_ref(), Ok(value));
        let fitting = [
            mu.handle_from_const(id(&mu, name)),
            mu.handle_from_global(id(&mu, name)),
            mu.handle_from_func(id(&mu, name)),
            mu.handle_from_expose(id(&mu, name)),
        ];
        assert_eq!(fitting.iter().filter(|handle| handle.is_ok()).count(), 1, "{name}");
        assert!(fitting.iter().all(|handle| handle.is_ok() || *handle == Err(ClientError::NoSuchEntity)));
    }
    assert_eq!(mu.handle_named("@i64"), Err(ClientError::NoSuchEntity));
    assert_eq!(mu.handle_named("@nobody"), Err(ClientError::NoSuchEntity));
}

#[test]
fn references_are_compared_and_cast() {
    let mut mu = instance("every:1,move");
    let null = mu.null(mu.type_named("@rnode").unwrap()).unwrap();
    let (one, other) = (node(&mut mu, 1, &null), node(&mut mu, 2, &null));
    assert_eq!(mu.ref_eq(&one, &one.clone()), Ok(true));
    assert_eq!(mu.ref_eq(&one, &other), Ok(false));
    assert_eq!(mu.ref_eq(&null, &null), Ok(true));
    let rvoid = mu.type_named("@rvoid").unwrap();
    let void = mu.refcast(&one, rvoid).unwrap();
    assert_eq!(mu.ref_eq(&void, &one), Err(ClientError::WrongType));
    let back = mu.refcast(&void, one.ty()).unwrap();
    assert_eq!(mu.ref_eq(&back, &one), Ok(true));
    let whole = mu.get_iref(&one).unwrap();
    let tail = mu.get_field_iref(&whole, 1).unwrap();
    let inode = mu.type_named("@inode").unwrap();
    let odd = mu.refcast(&tail, inode).unwrap();
    assert_eq!((mu.ref_ult(&whole, &odd), mu.ref_ult(&odd, &whole)), (Ok(true), Ok(false)));
    assert_eq!(mu.load(MemOrder::NotAtomic, &odd), undefined(Ub::WrongLocationType));
    assert_eq!(mu.ref_ult(&one, &other), Err(ClientError::WrongType));
    let func = mu.handle_named("@double_it").unwrap();
    let g = mu.type_named("@g").unwrap();
    assert!(mu.refcast(&func, g).is_ok());
    let number = int(&mut mu, 1);
    for (value, ty) in [(&one, inode), (&whole, rvoid), (&func, rvoid), (&number, rvoid), (&one, number.ty())]
    {
        assert_eq!(mu.refcast(value, ty), Err(ClientError::WrongType));
    }
    assert_eq!(mu.ref_eq(&number, &number), Err(ClientError::WrongType));
}

#[test]
fn members_are_taken_out_and_put_in() {
    let mut mu = instance("every:1,move");
    let [node_ty, three, quad, nodes] =
        ["@node", "@three", "@quad", "@nodes"].map(|name| mu.type_named(name).unwrap());
    let null = mu.null(mu.type_named("@rnode").unwrap()).unwrap();
    let seven = int(&mut mu, 7);
    let pair = mu.value_from_members(node_ty, &[seven.clone(), null.clone()]).unwrap();
    let object = node(&mut mu, 9, &null);
    let pair = mu.insert_value(&pair, 1, &object).unwrap();
    let list = mu.new_object(node_ty, &pair).unwrap();
    assert_eq!(call(&mut mu, "@sum", vec![list]), 16);
    assert_eq!(mu.extract_value(&pair, 0), Ok(seven.clone()));
    let rest = mu.extract_value(&pair, 1).unwrap();
    assert_eq!(mu.ref_eq(&rest, &object), Ok(true));
    assert_eq!(mu.extract_value(&pair, 2), Err(ClientError::NoSuchField));
    assert_eq!(mu.insert_value(&pair, usize::MAX, &seven), Err(ClientError::NoSuchField));
    assert_eq!(mu.insert_value(&pair, 0, &object), Err(ClientError::WrongType));
    let both = mu.value_from_members(nodes, &[null, object.clone()]).unwrap();
    mu.collect();
    let second = mu.extract_element(&both, 1).unwrap();
    assert_eq!(mu.ref_eq(&second, &object), Ok(true));
    for (ty, width) in [(three, 16), (quad, 32)] {
        let elements = mu.program().types.get(ty).clone();
        let count = if matches!(elements, mu_vm::ir::types::Type::Vector(..)) { 4 } else { 3 };
        let parts: Vec<Value> = (0..count).map(|n| mu.handle_from_uint(n, width).unwrap()).collect();
        let whole = mu.value_from_members(ty, &parts).unwrap();
        let nine = mu.handle_from_uint(9u8, width).unwrap();
        let changed = mu.insert_element(&whole, 1, &nine).unwrap();
        assert_eq!(mu.extract_element(&changed, 1), Ok(nine.clone()));
        assert_eq!(mu.extract_element(&whole, 1), Ok(parts[1].clone()), "the old value is as it was");
        assert_eq!(mu.extract_element(&whole, count), undefined(Ub::ExtractOutOfRange));
        assert_eq!(mu.insert_element(&whole, u64::MAX, &nine), undefined(Ub::InsertOutOfRange));
        assert_eq!(mu.insert_element(&whole, 0, &seven), Err(ClientError::WrongType));
        assert_eq!(mu.extract_value(&whole, 0), Err(ClientError::WrongType));
    }
    assert_eq!(mu.extract_element(&pair, 0), Err(ClientError::WrongType));
}

#[test]
fn stacks_threads_and_cursors_have_handles() {
    let mut mu = instance("every:1,move");
    let stack = mu.new_stack(mu.func("@double_it").unwrap()).unwrap();
    let handle = mu.handle_from_stack(stack).unwrap();
    assert_eq!(mu.handle_to_stack(&handle), Ok(stack));
    assert!(mu.release_stack(stack));
    mu.collect();
    assert!(mu.expected_types(stack).is_some(), "the handle keeps it alive");
    let cursor = mu.new_cursor(stack).unwrap();
    let word = mu.handle_from_cursor(cursor).unwrap();
    assert!(mu.program().types.same(word.ty(), mu.type_named("@cursor").unwrap()));
    let cursor = mu.cursor_from_word(word.as_u64()).unwrap();
    assert_eq!(mu.cur_func(&cursor), Ok(mu.id_of("@double_it").unwrap()));
    drop((cursor, handle, word));
    mu.collect();
    assert_eq!(mu.expected_types(stack), None, "nobody keeps it alive");
    assert_eq!(mu.handle_from_stack(stack), undefined(Ub::BadHandle));
}

// ---- memory

#[test]
fn the_client_builds_a_list() {
    for stress in ["", "move", "every:1,move", "safepoint,move"] {
        let mut mu = instance(stress);
        let mut list = mu.null(mu.type_named("@rnode").unwrap()).unwrap();
        for number in 1..=50 {
            list = node(&mut mu, number, &list);
        }
        assert_eq!(call(&mut mu, "@sum", vec![list.clone()]), 1275);
        let root = mu.handle_named("@root").unwrap();
        mu.store(MemOrder::SeqCst, &root, &list).unwrap();
        drop(list);
        mu.collect();
        assert_eq!(mu.runtime().heap.statistics().objects, 50);
        let mut list = mu.load(MemOrder::Consume, &root).unwrap();
        let mut seen = Vec::new();
        while !list.is_null() {
            let whole = mu.get_iref(&list).unwrap();
            let content = mu.load(MemOrder::NotAtomic, &whole).unwrap();
            seen.push(mu.extract_value(&content, 0).unwrap().as_u64());
            list = mu.extract_value(&content, 1).unwrap();
        }
        assert_eq!(seen, (1..=50).rev().collect::<Vec<_>>());
        assert_eq!(mu.get_iref(&list), undefined(Ub::NullAddressing));
    }
}

#[test]
fn addresses_stay_inside() {
    let mut mu = instance("every:1,move");
    let [text, grid, i64] = ["@text", "@grid", "@i64"].map(|name| mu.type_named(name).unwrap());
    let object = mu.new_hybrid(text, 4).unwrap();
    let whole = mu.get_iref(&object).unwrap();
    let first = mu.get_var_part_iref(&whole).unwrap();
    let last = mu.shift_iref(&first, 3).unwrap();
    let x = mu.handle_from_uint(b'x', 8).unwrap();
    mu.store(MemOrder::NotAtomic, &last, &x).unwrap();
    mu.collect();
    let again = mu.shift_iref(&last, -3).unwrap();
    assert_eq!(mu.ref_eq(&again, &first), Ok(true));
    assert_eq!(mu.load(MemOrder::Relaxed, &last), Ok(x));
    for offset in [4, -1, i64::MAX, i64::MIN] {
        assert_eq!(mu.shift_iref(&first, offset), undefined(Ub::OutsideArray));
    }
    assert_eq!(mu.get_field_iref(&whole, 1), Err(ClientError::NoSuchField));
    assert_eq!(mu.get_elem_iref(&whole, 0), Err(ClientError::WrongType));
    assert_eq!(mu.shift_iref(&whole, 0), Err(ClientError::WrongType));
    assert_eq!(mu.load(MemOrder::NotAtomic, &whole), Err(ClientError::NoValues));
    let empty = mu.new_hybrid(text, 0).unwrap();
    let whole = mu.get_iref(&empty).unwrap();
    assert_eq!(mu.get_var_part_iref(&whole), undefined(Ub::EmptyVarPart));
    let object = mu.new_fixed(grid).unwrap();
    let whole = mu.get_iref(&object).unwrap();
    let row = mu.get_elem_iref(&whole, 1).unwrap();
    let cell = mu.get_elem_iref(&row, 2).unwrap();
    assert!(mu.load(MemOrder::SeqCst, &cell).is_ok());
    assert_eq!(mu.get_elem_iref(&row, 3), undefined(Ub::OutsideArray));
    assert_eq!(mu.get_elem_iref(&whole, 2), undefined(Ub::OutsideArray));
    assert_eq!(mu.get_field_iref(&whole, 0), Err(ClientError::WrongType));
    assert_eq!(mu.get_var_part_iref(&whole), Err(ClientError::WrongType));
    assert_eq!(mu.get_iref(&whole), Err(ClientError::NoReference));
    for loc in [&object, &int(&mut mu, 1)] {
        assert_eq!(mu.get_field_iref(loc, 0), Err(ClientError::NoReference));
        assert_eq!(mu.get_elem_iref(loc, 0), Err(ClientError::NoReference));
        assert_eq!(mu.shift_iref(loc, 0), Err(ClientError::NoReference));
        assert_eq!(mu.get_var_part_iref(loc), Err(ClientError::NoReference));
        assert_eq!(mu.load(MemOrder::NotAtomic, loc), Err(ClientError::NoReference));
    }
    assert_eq!(mu.new_fixed(text), Err(ClientError::WrongType));
    assert_eq!(mu.new_hybrid(i64, 1), Err(ClientError::WrongType));
    for length in [9 << 20, 1 << 40, u64::MAX] {
        assert_eq!(mu.new_hybrid(text, length), Err(ClientError::NoMemory));
    }
    let null = mu.null(mu.type_named("@inode").unwrap()).unwrap();
    assert_eq!(mu.get_field_iref(&null, 0), undefined(Ub::NullAddressing));
    assert_eq!(mu.load(MemOrder::NotAtomic, &null), undefined(Ub::NullAccess));
}

#[test]
fn every_operation_has_its_orders() {
    use MemOrder::{AcqRel, Acquire, Consume, NotAtomic, Relaxed, Release, SeqCst};
    let mut mu = instance("");
    let cell = mu.handle_named("@cell").unwrap();
    let one = int(&mut mu, 1);
    let refused = |result: Result<(), ClientError>| result == Err(ClientError::BadOrder);
    for order in MemOrder::ALL {
        let load = mu.load(order, &cell).map(|_| ());
        assert_eq!(refused(load), [Release, AcqRel].contains(&order), "load {order:?}");
        let store = mu.store(order, &cell, &one);
        assert_eq!(refused(store), [Consume, Acquire, AcqRel].contains(&order), "store {order:?}");
        let rmw = mu.atomicrmw(order, RmwOp::Add, &cell, &one).map(|_| ());
        assert_eq!(refused(rmw), [NotAtomic, Consume].contains(&order), "atomicrmw {order:?}");
        let success = mu.cmpxchg((order, Relaxed), false, &cell, &one, &one).map(|_| ());
        assert_eq!(refused(success), [NotAtomic, Consume].contains(&order), "cmpxchg {order:?}");
        let failure = mu.cmpxchg((SeqCst, order), false, &cell, &one, &one).map(|_| ());
        let illegal = [NotAtomic, Consume, Release, AcqRel];
        assert_eq!(refused(failure), illegal.contains(&order), "cmpxchg failing {order:?}");
        assert_eq!(
            refused(mu.fence(order)),
            [NotAtomic, Relaxed, Consume].contains(&order),
            "fence {order:?}"
        );
    }
}

#[test]
fn atomic_operations_of_every_width() {
    let mut mu = instance("");
    for width in [8, 16, 32, 52, 64, 128] {
        let ty = mu.handle_from_uint(0u8, width).unwrap().ty();
        let object = mu.new_fixed(ty).unwrap();
        let loc = mu.get_iref(&object).unwrap();
        let steps: [(RmwOp, i64, i64); 11] = [
            (RmwOp::Xchg, 12, 12),
            (RmwOp::Add, -14, -2),
            (RmwOp::Sub, 3, -5),
            (RmwOp::And, 0x3c, 0x38),
            (RmwOp::Nand, 0x18, !0x18),
            (RmwOp::Or, 5, !0x18),
            (RmwOp::Xor, -1, 0x18),
            (RmwOp::Max, -1, 0x18),
            (RmwOp::Min, -1, -1),
            (RmwOp::UMax, 1, -1),
            (RmwOp::UMin, 2, 2),
        ];
        let mut before = 0;
        for (op, operand, after) in steps {
            let operand = mu.handle_from_sint(operand, width).unwrap();
            let old = mu.atomicrmw(MemOrder::AcqRel, op, &loc, &operand).unwrap();
            assert_eq!(mu.handle_to_sint(&old), Ok(before), "{op:?} of int<{width}>");
            let new = mu.load(MemOrder::SeqCst, &loc).unwrap();
            assert_eq!(mu.handle_to_sint(&new), Ok(after), "{op:?} of int<{width}>");
            before = after;
        }
        let [two, minus] = [2, -1].map(|number: i64| mu.handle_from_sint(number, width).unwrap());
        let orders = (MemOrder::AcqRel, MemOrder::Acquire);
        assert_eq!(mu.cmpxchg(orders, false, &loc, &minus, &two), Ok((two.clone(), false)));
        assert_eq!(mu.cmpxchg(orders, true, &loc, &two, &minus), Ok((two.clone(), true)));
        assert_eq!(mu.load(MemOrder::NotAtomic, &loc), Ok(minus.clone()));
        mu.store(MemOrder::Release, &loc, &two).unwrap();
        assert_eq!(mu.load(MemOrder::Acquire, &loc), Ok(two));
    }
}

#[test]
fn atomic_operations_on_references() {
    let mut mu = instance("every:1,move");
    let rnode = mu.type_named("@rnode").unwrap();
    let null = mu.null(rnode).unwrap();
    let (one, two) = (node(&mut mu, 1, &null), node(&mut mu, 2, &null));
    let object = mu.new_fixed(rnode).unwrap();
    let loc = mu.get_iref(&object).unwrap();
    let orders = (MemOrder::SeqCst, MemOrder::SeqCst);
    assert!(mu.cmpxchg(orders, false, &loc, &null, &one).unwrap().1);
    mu.collect();
    assert!(!mu.cmpxchg(orders, false, &loc, &two, &null).unwrap().1);
    assert!(mu.cmpxchg(orders, false, &loc, &one, &two).unwrap().1);
    let old = mu.atomicrmw(MemOrder::SeqCst, RmwOp::Xchg, &loc, &one).unwrap();
    assert_eq!(mu.ref_eq(&old, &two), Ok(true));
    assert_eq!(mu.atomicrmw(MemOrder::SeqCst, RmwOp::Add, &loc, &one), Err(ClientError::NotAtomic));
    let rvoid = mu.type_named("@rvoid").unwrap();
    let void = mu.refcast(&one, rvoid).unwrap();
    assert_eq!(mu.store(MemOrder::SeqCst, &loc, &void), Err(ClientError::WrongType));
    assert_eq!(mu.cmpxchg(orders, false, &loc, &void, &one), Err(ClientError::WrongType));
    assert_eq!(mu.cmpxchg(orders, false, &loc, &one, &void), Err(ClientError::WrongType));
    let number = int(&mut mu, one.as_u64());
    assert_eq!(
        mu.store(MemOrder::NotAtomic, &loc, &number),
        Err(ClientError::WrongType),
        "no forged references"
    );
    assert_eq!(mu.atomicrmw(MemOrder::SeqCst, RmwOp::Xchg, &loc, &number), Err(ClientError::WrongType));
    // Whole structs and small integers are not accessed atomically.
    let whole = mu.get_iref(&one).unwrap();
    assert_eq!(mu.load(MemOrder::SeqCst, &whole), Err(ClientError::NotAtomic));
    let bit = mu.new_fixed(mu.type_named("@i1").unwrap()).unwrap();
    let bit = mu.get_iref(&bit).unwrap();
    assert!(mu.load(MemOrder::NotAtomic, &bit).is_ok());
    assert_eq!(mu.load(MemOrder::Relaxed, &bit), Err(ClientError::NotAtomic));
}

#[test]
fn weak_references_are_loaded_as_strong_ones() {
    let mut mu = instance("move");
    let [rnode, wnode, weak] = ["@rnode", "@wnode", "@weak"].map(|name| mu.type_named(name).unwrap());
    assert_eq!(mu.null(wnode), None, "no variable has this type");
    let null = mu.null(rnode).unwrap();
    let target = node(&mut mu, 3, &null);
    let object = mu.new_fixed(weak).unwrap();
    let whole = mu.get_iref(&object).unwrap();
    assert_eq!(mu.load(MemOrder::NotAtomic, &whole), Err(ClientError::NoValues));
    let loc = mu.get_field_iref(&whole, 1).unwrap();
    mu.store(MemOrder::SeqCst, &loc, &target).unwrap();
    mu.collect();
    let strong = mu.load(MemOrder::SeqCst, &loc).unwrap();
    assert!(mu.program().types.same(strong.ty(), rnode));
    assert_eq!(mu.ref_eq(&strong, &target), Ok(true));
    drop(target);
    mu.collect();
    assert_eq!(mu.load(MemOrder::NotAtomic, &loc).unwrap(), strong, "the handle keeps it");
    drop(strong);
    mu.collect();
    assert_eq!(mu.load(MemOrder::NotAtomic, &loc), Ok(null));
}

#[test]
fn pinned_objects_stay() {
    for stress in ["", "every:1,move"] {
        let mut mu = instance(stress);
        let i64 = mu.type_named("@i64").unwrap();
        let object = mu.new_fixed(i64).unwrap();
        let pointer = mu.pin(&object).unwrap();
        assert!(mu.program().types.same(pointer.ty(), mu.type_named("@pi64").unwrap()));
        let inside = mu.get_iref(&object).unwrap();
        assert_eq!(mu.pin(&inside), Ok(pointer.clone()));
        let seven = int(&mut mu, 7);
        mu.store(MemOrder::NotAtomic, &pointer, &seven).unwrap();
        drop((object, inside));
        mu.collect();
        mu.collect();
        assert_eq!(mu.load(MemOrder::SeqCst, &pointer), Ok(seven), "pinned means alive, and where it was");
        assert_eq!(mu.runtime().heap.statistics().objects, 1);
        let other = mu.new_fixed(i64).unwrap();
        assert_eq!(mu.unpin(&other), undefined(Ub::UnmatchedUnpin));
        let address = mu.get_addr(&other).unwrap();
        mu.collect();
        assert_eq!(mu.get_addr(&other) == Ok(address.clone()), stress.is_empty());
        if !stress.is_empty() {
            assert_eq!(mu.load(MemOrder::NotAtomic, &address), undefined(Ub::ExpiredLocation));
        }
    }
}

#[test]
fn every_pin_is_undone_by_an_unpin() {
    let mut mu = instance("move");
    let i64 = mu.type_named("@i64").unwrap();
    let object = mu.new_fixed(i64).unwrap();
    let pointer = mu.pin(&object).unwrap();
    mu.pin(&object).unwrap();
    mu.unpin(&object).unwrap();
    mu.collect();
    assert_eq!(mu.get_addr(&object), Ok(pointer.clone()));
    mu.unpin(&object).unwrap();
    mu.collect();
    assert_ne!(mu.get_addr(&object), Ok(pointer));
    assert_eq!(mu.unpin(&object), undefined(Ub::UnmatchedUnpin));
    // References may not be seen by native code, and NULL has no address.
    let null = mu.null(mu.type_named("@rnode").unwrap()).unwrap();
    let list = node(&mut mu, 1, &null);
    assert_eq!(mu.pin(&list), Err(ClientError::WrongType));
    assert_eq!(mu.get_addr(&list), Err(ClientError::WrongType));
    let null = mu.null(object.ty()).unwrap();
    assert_eq!(mu.pin(&null), undefined(Ub::NullAddressing));
    let number = int(&mut mu, 1);
    assert_eq!(mu.pin(&number), Err(ClientError::NoReference));
    assert_eq!(mu.unpin(&number), Err(ClientError::NoReference));
}

#[test]
fn pointers_lead_into_memory_of_mu_only() {
    let mut mu = instance("");
    let pi64 = mu.type_named("@pi64").unwrap();
    let mine = Box::new(5u64);
    let one = int(&mut mu, 1);
    for address in [&raw const *mine as u64, 1, 8, 0x1000, u64::MAX, u64::MAX - 7, 1 << 47] {
        let pointer = mu.handle_from_ptr(pi64, address).unwrap();
        assert_eq!(mu.load(MemOrder::NotAtomic, &pointer), undefined(Ub::ExpiredLocation), "{address:#x}");
        assert_eq!(mu.store(MemOrder::SeqCst, &pointer, &one), undefined(Ub::ExpiredLocation));
        // Arithmetic is no access.
        assert!(mu.shift_iref(&pointer, i64::MAX).is_ok());
    }
    assert_eq!(*mine, 5);
    let null = mu.handle_from_ptr(pi64, 0).unwrap();
    assert_eq!(mu.load(MemOrder::NotAtomic, &null), undefined(Ub::NullAccess));
    // A global cell does not move, but its neighbourhood is none of its.
    let cell = mu.handle_named("@cell").unwrap();
    let pointer = mu.get_addr(&cell).unwrap();
    mu.store(MemOrder::NotAtomic, &pointer, &one).unwrap();
    assert_eq!(mu.load(MemOrder::NotAtomic, &cell), Ok(one));
    let inside = mu.handle_from_ptr(pi64, pointer.as_u64() + 1).unwrap();
    assert!(mu.load(MemOrder::NotAtomic, &inside).is_err());
    // Parts through pointers.
    let [grid, text] = ["@grid", "@text"].map(|name| mu.type_named(name).unwrap());
    let object = mu.new_fixed(grid).unwrap();
    let whole = mu.pin(&object).unwrap();
    let row = mu.get_elem_iref(&whole, 1).unwrap();
    let cell = mu.get_elem_iref(&row, 2).unwrap();
    assert_eq!(cell.as_u64(), whole.as_u64() + 10);
    assert!(mu.load(MemOrder::SeqCst, &cell).is_ok());
    let beyond = mu.shift_iref(&cell, 1).unwrap();
    assert!(mu.load(MemOrder::SeqCst, &beyond).is_err());
    let object = mu.new_hybrid(text, 2).unwrap();
    let whole = mu.pin(&object).unwrap();
    let (length, first) = (mu.get_field_iref(&whole, 0).unwrap(), mu.get_var_part_iref(&whole).unwrap());
    assert_eq!((length.as_u64(), first.as_u64()), (whole.as_u64(), whole.as_u64() + 8));
    assert!(mu.load(MemOrder::SeqCst, &first).is_ok());
}

/// In lenient mode native code may have pointers to objects with references inside, and types that differ in what they refer
/// to are taken for each other. References stay out of reach of pointers, and numbers never become references.
#[test]
fn lenient_mode_forges_no_references() {
    let config = Config { lenient: true, ..Config::default() };
    let mut mu = Mu::new(Options { config, ..Options::default() }).unwrap();
    mu.load_bundle("client", BUNDLE).unwrap();
    let null = mu.null(mu.type_named("@rnode").unwrap()).unwrap();
    let object = node(&mut mu, 1, &null);
    let pointer = mu.pin(&object).unwrap();
    let (number, reference) =
        (mu.get_field_iref(&pointer, 0).unwrap(), mu.get_field_iref(&pointer, 1).unwrap());
    assert!(mu.load(MemOrder::SeqCst, &number).is_ok());
    for loc in [&pointer, &reference] {
        assert_eq!(mu.load(MemOrder::NotAtomic, loc), Err(ClientError::WrongType));
        assert_eq!(mu.store(MemOrder::NotAtomic, loc, &null), Err(ClientError::WrongType));
    }
    let inside = mu.get_iref(&object).unwrap();
    let tail = mu.get_field_iref(&inside, 1).unwrap();
    let void = mu.refcast(&object, mu.type_named("@rvoid").unwrap()).unwrap();
    assert_eq!(mu.store(MemOrder::SeqCst, &tail, &void), Ok(()));
    let one = int(&mut mu, object.as_u64());
    assert_eq!(mu.store(MemOrder::SeqCst, &tail, &one), Err(ClientError::WrongType));
    assert_eq!(mu.store(MemOrder::NotAtomic, &inside, &one), Err(ClientError::WrongType));
}

/// Every single allocation of the client may fail, and nothing else happens then.
#[test]
fn a_full_heap_is_an_error() {
    for failing in 1..=6 {
        let mut mu = instance(&format!("fail:{failing}"));
        let [i64, text] = ["@i64", "@text"].map(|name| mu.type_named(name).unwrap());
        let seven = int(&mut mu, 7);
        let made = [
            mu.new_fixed(i64),
            mu.new_hybrid(text, 10),
            mu.new_object(i64, &seven),
            mu.new_fixed(text),
            mu.new_fixed(i64),
            mu.new_hybrid(text, 0),
        ];
        let full = made.iter().filter(|made| **made == Err(ClientError::NoMemory)).count();
        // One of the six is refused for its type, without being tried.
        assert_eq!(full, usize::from(failing < 6), "allocation {failing}");
    }
}

/// Changes an ALLOCA cell from a trap handler and keeps the reference to it.
struct Changer(Option<Value>);

impl TrapHandler for Changer {
    fn handle_trap(&mut self, trap: &mut TrapContext<'_>) -> TrapAction {
        let cell = trap.keepalives().remove(0);
        let one = trap.mu.handle_from_uint(1u8, 64).unwrap();
        trap.mu.collect();
        trap.mu.atomicrmw(MemOrder::SeqCst, RmwOp::Add, &cell, &one).unwrap();
        self.0 = Some(cell);
        TrapAction::PassValues(trap.stack(), Vec::new())
    }
}

#[test]
fn alloca_cells_end_with_their_frame() {
    let mut mu = instance("every:1,move");
    let (func, argument) = (mu.func("@trapping").unwrap(), int(&mut mu, 41));
    let mut handler = Changer(None);
    match mu.call_with(func, vec![argument], &mut handler, None) {
        Outcome::Return(values) => assert_eq!(values[0].as_u64(), 42),
        other => panic!("{other:?}"),
    }
    let cell = handler.0.unwrap();
    mu.collect();
    assert_eq!(mu.load(MemOrder::NotAtomic, &cell), undefined(Ub::ExpiredLocation));
    assert_eq!(mu.pin(&cell), undefined(Ub::ExpiredLocation));
}

// ---- tagged references

#[test]
fn tagged_references_hold_one_of_three() {
    let mut mu = instance("every:1,move");
    let double = mu.handle_from_double(-2.5);
    let fp = mu.tr64_from_fp(&double).unwrap();
    let number = mu.handle_from_sint(-5, 52).unwrap();
    let int52 = mu.tr64_from_int(&number).unwrap();
    let null = mu.null(mu.type_named("@rnode").unwrap()).unwrap();
    let object = node(&mut mu, 8, &null);
    let tag = mu.handle_from_uint(33u8, 6).unwrap();
    let tagged = mu.tr64_from_ref(&object, &tag).unwrap();
    drop(object);
    mu.collect();
    for (value, is) in
        [(&fp, [true, false, false]), (&int52, [false, true, false]), (&tagged, [false, false, true])]
    {
        assert!(mu.program().types.same(value.ty(), mu.type_named("@tag").unwrap()));
        assert_eq!([mu.tr64_is_fp(value), mu.tr64_is_int(value), mu.tr64_is_ref(value)], is.map(Ok));
        let given = [
            mu.tr64_to_fp(value).map(|_| ()),
            mu.tr64_to_int(value).map(|_| ()),
            mu.tr64_to_ref(value).map(|_| ()),
            mu.tr64_to_tag(value).map(|_| ()),
        ];
        let wanted = [is[0], is[1], is[2], is[2]];
        let expected = wanted.map(|is| if is { Ok(()) } else { undefined(Ub::WrongTagrefState) });
        assert_eq!(given, expected);
    }
    assert_eq!(mu.tr64_to_fp(&fp), Ok(double.clone()));
    assert_eq!(mu.tr64_to_int(&int52), Ok(number.clone()));
    assert_eq!(mu.tr64_to_tag(&tagged), Ok(tag.clone()));
    let back = mu.tr64_to_ref(&tagged).unwrap();
    assert_eq!(back.ty(), mu.program().predefined.ref_void);
    let list = mu.refcast(&back, null.ty()).unwrap();
    assert_eq!(call(&mut mu, "@sum", vec![list]), 8, "it followed the object");
    let of_null = mu.tr64_from_ref(&null, &tag).unwrap();
    assert!(mu.tr64_to_ref(&of_null).unwrap().is_null());
    assert_eq!(mu.tr64_from_fp(&number), Err(ClientError::WrongType));
    assert_eq!(mu.tr64_from_int(&tag), Err(ClientError::WrongType));
    assert_eq!(mu.tr64_from_int(&double), Err(ClientError::WrongType));
    assert_eq!(mu.tr64_from_ref(&null, &number), Err(ClientError::WrongType));
    assert_eq!(mu.tr64_from_ref(&number, &tag), Err(ClientError::WrongType));
    assert_eq!(mu.tr64_is_fp(&double), Err(ClientError::WrongType));
}
