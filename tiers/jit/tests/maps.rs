//! Stack maps: a collector that moves everything, and the checker that must see what is wrong.

use super::support::Bench;
use crate::code::map::CodeMap;
use crate::code::stubs::Status;
use crate::thread_area::ThreadArea;
use crate::x64::emit::KeptAt;
use crate::x64::regalloc::{Effort, Workspace};
use crate::x64::{layout, lower, regalloc, replay};
use crate::{Settings, import, opt, ssa};
use mu_ir::ids::FuncVerId;
use regalloc2::{OperandConstraint, OperandPos};
use std::ptr;

const PROGRAM: &str = "
.typedef @i64 = int<64>
.typedef @void = void
.typedef @ref = ref<@void>
.const @0 <@i64> = 0
.const @1 <@i64> = 1
.funcsig @nothing = () -> ()
.funcsig @collect.sig = () -> ()
.funcsig @three = (@ref @ref @ref) -> (@ref @ref @ref)
.funcsig @loop.sig = (@ref @ref @i64) -> (@ref @ref @i64)
.funcdecl @collect <@nothing>

// All three live across; two collections.
.funcdef @keep VERSION %v1 <@three> {
    %entry(<@ref> %a <@ref> %b <@ref> %c):
        CALL <@nothing> @collect ()
        CALL <@nothing> @collect ()
        RET (%c %a %b)
}

// References change places in a loop that collects.
.funcdef @swap VERSION %v1 <@loop.sig> {
    %entry(<@ref> %a <@ref> %b <@i64> %n):
        BRANCH %head(%a %b %n @0)
    %head(<@ref> %a <@ref> %b <@i64> %n <@i64> %i):
        %more = SLT <@i64> %i %n
        BRANCH2 %more %body(%a %b %n %i) %done(%a %b %i)
    %body(<@ref> %a <@ref> %b <@i64> %n <@i64> %i):
        CALL <@nothing> @collect ()
        %j = ADD <@i64> %i @1
        BRANCH %head(%b %a %n %j)
    %done(<@ref> %a <@ref> %b <@i64> %i):
        RET (%a %b %i)
}

// The same without calls: the loop polls on every turn, since it does not count in a way that is known to end.
.funcdef @spin VERSION %v1 <@loop.sig> {
    %entry(<@ref> %a <@ref> %b <@i64> %n):
        BRANCH %head(%a %b %n @0 %a %b)
    %head(<@ref> %a <@ref> %b <@i64> %n <@i64> %i <@ref> %first <@ref> %second):
        %more = NE <@i64> %i %n
        BRANCH2 %more %body(%a %b %n %i %first %second) %done(%a %b %i %first %second)
    %body(<@ref> %a <@ref> %b <@i64> %n <@i64> %i <@ref> %first <@ref> %second):
        %j = ADD <@i64> %i @1
        BRANCH %head(%b %a %n %j %first %second)
    %done(<@ref> %a <@ref> %b <@i64> %i <@ref> %first <@ref> %second):
        %same = EQ <@ref> %a %first
        BRANCH2 %same %yes(%first %second %i) %no(%first %second %i)
    %yes(<@ref> %first <@ref> %second <@i64> %i):
        RET (%first %second %i)
    %no(<@ref> %first <@ref> %second <@i64> %i):
        RET (%second %first %i)
}

// Everything a KEEPALIVE clause can name: live, dead, constant, floating point, twice.
.typedef @double = double
.const @half <@double> = 0.5d
.funcsig @keepalive.sig = (@ref @i64 @double) -> (@i64)
.funcdef @keepalive VERSION %v1 <@keepalive.sig> {
    %entry(<@ref> %a <@i64> %b <@double> %c):
        BRANCH %kept(%a %b %c @half @1)
    %kept(<@ref> %a <@i64> %b <@double> %c <@double> %half <@i64> %one):
        CALL <@nothing> @collect () KEEPALIVE (%c %a %b %half %one %a)
        RET %b
}

// A frame below holds references while the one above collects.
.funcdef @deep VERSION %v1 <@loop.sig> {
    %entry(<@ref> %a <@ref> %b <@i64> %n):
        %end = EQ <@i64> %n @0
        BRANCH2 %end %bottom(%a %b %n) %more(%a %b %n)
    %bottom(<@ref> %a <@ref> %b <@i64> %n):
        CALL <@nothing> @collect ()
        RET (%a %b %n)
    %more(<@ref> %a <@ref> %b <@i64> %n):
        %m = SUB <@i64> %n @1
        (%x %y %z) = CALL <@loop.sig> @deep (%b %a %m)
        %sum = ADD <@i64> %z @1
        RET (%a %y %sum)
}
";

/// How far a collection moves every object, in bytes.
const MOVE: u64 = 1 << 20;

/// Adds to every reference of every frame, as a collector that moves all objects would.
extern "C" fn collect(area: *mut ThreadArea, frame: u64) {
    // SAFETY: called by compiled code with its thread and a frame record; frames link to each other down to one whose
    // return address no function has, and maps name slots inside their frames.
    unsafe {
        let map = &*ptr::with_exposed_provenance::<CodeMap>((*area).code_map as usize);
        let mut frame = frame;
        loop {
            let record = ptr::with_exposed_provenance::<u64>(frame as usize);
            let (caller, return_pc) = (*record, *record.add(1));
            let Some(function) = map.find(return_pc) else { return };
            let safepoint = function.safepoint(return_pc).expect("a safepoint");
            for (offset, ty) in &safepoint.slots {
                assert!(ty.is_root());
                let slot =
                    ptr::with_exposed_provenance_mut::<u64>((caller as i64 + i64::from(*offset)) as usize);
                *slot += MOVE;
            }
            // Only the topmost frame can stand at a poll.
            for (number, ty) in &safepoint.regs {
                assert!(ty.is_root());
                (*area).saved_ints[usize::from(*number)] += MOVE;
            }
            frame = caller;
        }
    }
}

fn bench(settings: Settings) -> Bench {
    let mut bench = Bench::with(PROGRAM, settings);
    bench.compile();
    let func = bench.func("@collect");
    bench.jit.host_function(func, collect).expect("room");
    bench
}

#[test]
fn references_follow_their_objects() {
    for effort in [Effort::Best, Effort::Fast] {
        for optimize in [true, false] {
            let mut bench = bench(Settings { effort, optimize, ..Settings::default() });
            let moved = |word: u64, times: u64| word + times * MOVE;
            let (status, words) = bench.call("@keep", &[0x1000, 0x2000, 0x3000]);
            assert_eq!(status, Status::Returned);
            assert_eq!(words, [moved(0x3000, 2), moved(0x1000, 2), moved(0x2000, 2)]);
            let (_, words) = bench.call("@swap", &[0x1000, 0x2000, 7]);
            assert_eq!(words, [moved(0x2000, 7), moved(0x1000, 7), 7]);
            let (_, words) = bench.call("@deep", &[0x1000, 0x2000, 5]);
            assert_eq!(words[0], moved(0x1000, 1), "{effort:?} {optimize}");
            assert_eq!(words[2], 5);
            // Each turn takes a poll, and so does the last look at the head.
            bench.machine.poisoned = true;
            bench.machine.area.poll_host = (collect as *const ()).expose_provenance() as u64;
            for turns in [0, 1, 2, 5, 8] {
                let (_, words) = bench.call("@spin", &[0x1000, 0x2000, turns]);
                let order = if turns % 2 == 0 { [0x1000, 0x2000] } else { [0x2000, 0x1000] };
                assert_eq!(
                    words[..2],
                    order.map(|word| moved(word, turns + 1)),
                    "{turns} {effort:?} {optimize}"
                );
            }
            bench.machine.poisoned = false;
        }
    }
}

/// The allocated code of a version, and whether the checker is content when an entry of a map is left out.
/// The keep-alive variables of the frame that called, as text, into the thread's first results.
extern "C" fn look(area: *mut ThreadArea, frame: u64) {
    // SAFETY: as in `collect`.
    unsafe {
        let map = &*ptr::with_exposed_provenance::<CodeMap>((*area).code_map as usize);
        let record = ptr::with_exposed_provenance::<u64>(frame as usize);
        let (caller, return_pc) = (*record, *record.add(1));
        let safepoint =
            map.find(return_pc).and_then(|function| function.safepoint(return_pc)).expect("a safepoint");
        for (number, kept) in safepoint.kept.iter().enumerate() {
            (*area).transfer[number] = match kept {
                KeptAt::Slot(offset, _) => {
                    *ptr::with_exposed_provenance::<u64>((caller as i64 + i64::from(*offset)) as usize)
                }
                KeptAt::Const(bits, _) => *bits,
            };
        }
    }
}

#[test]
fn keepalive_variables_are_found() {
    for effort in [Effort::Best, Effort::Fast] {
        let mut bench = bench(Settings { effort, ..Settings::default() });
        let func = bench.func("@collect");
        bench.jit.host_function(func, look).expect("room");
        let (c, half) = (1.25f64.to_bits(), 0.5f64.to_bits());
        assert_eq!(bench.call("@keepalive", &[0x1000, 42, c]), (Status::Returned, vec![42]));
        assert_eq!(bench.machine.area.transfer[..6], [c, 0x1000, 42, half, 1, 0x1000]);
    }
}

#[test]
fn a_missing_map_entry_is_found() {
    let bench = Bench::load(PROGRAM);
    let mut dropped = 0;
    for version in 0..bench.program.func_vers.len() {
        let input = crate::Input { program: &bench.program, layouts: &bench.layouts, globals: &[] };
        let mut func = import::import(input, FuncVerId::new(version)).expect("it imports");
        opt::Optimizer::default().run(&mut func);
        layout::split_edges(&mut func);
        let graph = ssa::graph::Graph::new(&func);
        let (order, _) = layout::order(&func, &graph);
        let mut code = lower::lower(&func, &graph, &order, lower::Cpu::detect()).expect("it lowers");
        regalloc::add_stack_maps(&mut code);
        for inst in 0..code.insts.len() {
            let is_entry = |operand: &regalloc2::Operand| {
                operand.pos() == OperandPos::Late && operand.constraint() == OperandConstraint::Stack
            };
            let Some(entry) = code.operands_of(inst).iter().position(is_entry) else { continue };
            let mut broken = code.clone();
            let at = broken.insts[inst].first as usize;
            let count = broken.insts[inst].count;
            broken.operands.swap(at + entry, at + count as usize - 1);
            broken.insts[inst].count -= 1;
            if !code.operands_of(inst)[entry].vreg().class().eq(&regalloc2::RegClass::Int) {
                continue;
            }
            let output =
                regalloc::allocate(&broken, Effort::Best, &mut Workspace::default()).expect("registers");
            assert!(replay::check(&broken, &output).is_err(), "version {version}, instruction {inst}");
            dropped += 1;
        }
        let output = regalloc::allocate(&code, Effort::Best, &mut Workspace::default()).expect("registers");
        assert_eq!(replay::check(&code, &output), Ok(()));
    }
    assert!(dropped >= 4, "only {dropped} entries were dropped");
}
