//! What the machine code must keep: registers, floating-point control, memory protection.

use super::*;
use std::arch::{asm, naked_asm};
use std::sync::OnceLock;

fn interface_with_stub() -> (NativeInterface, Segment, u64) {
    let mut types = Types::new();
    let int = types.int(64);
    let sig = signature(&mut types, &[int], &[int]);
    let native = Arc::new(classify(&types.0, &Layouts::new(), sig).unwrap());
    let interface = NativeInterface::new(NativeConfig::default()).unwrap();
    let segment = interface.segment().unwrap();
    let stub = interface.expose(1, sig, &native, 0).unwrap();
    (interface, segment, stub)
}

/// The function pointer of the stub.
fn exposed(stub: u64) -> extern "C" fn(u64) -> u64 {
    // SAFETY: the signature of the exposed function.
    unsafe { std::mem::transmute(std::ptr::with_exposed_provenance::<()>(stub as usize)) }
}

fn ints(params: usize) -> NativeSig {
    let mut types = Types::new();
    let int = types.int(64);
    classified(&mut types, &vec![int; params], &[int])
}

/// Fills all callee-saved registers, calls the argument, and answers how many of them have changed.
#[unsafe(naked)]
unsafe extern "C" fn fill_and_call(f: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov rbx, 0x1111111111111111",
        "mov rbp, 0x2222222222222222",
        "mov r12, 0x3333333333333333",
        "mov r13, 0x4444444444444444",
        "mov r14, 0x5555555555555555",
        "mov r15, 0x6666666666666666",
        "mov rax, rdi",
        "mov rdi, 77",
        "call rax",
        "xor ecx, ecx",
        "mov rdx, 0x1111111111111111",
        "cmp rbx, rdx",
        "setne al",
        "add cl, al",
        "mov rdx, 0x2222222222222222",
        "cmp rbp, rdx",
        "setne al",
        "add cl, al",
        "mov rdx, 0x3333333333333333",
        "cmp r12, rdx",
        "setne al",
        "add cl, al",
        "mov rdx, 0x4444444444444444",
        "cmp r13, rdx",
        "setne al",
        "add cl, al",
        "mov rdx, 0x5555555555555555",
        "cmp r14, rdx",
        "setne al",
        "add cl, al",
        "mov rdx, 0x6666666666666666",
        "cmp r15, rdx",
        "setne al",
        "add cl, al",
        "mov eax, ecx",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

#[test]
fn callee_saved_registers() {
    let (interface, mut segment, stub) = interface_with_stub();
    let recorder = Arc::new(Recorder::default());
    recorder.answer.lock().push(0);
    interface.set_foreign_call(Some(recorder.clone()));
    let fill = address_of(fill_and_call as *const ());
    let sig = ints(1);
    let mut result = [9];
    for _ in 0..3 {
        assert!(matches!(segment.call(fill, &sig, &[stub], &mut result), Ok(NativeExit::CalledBack(_))));
    }
    for _ in 0..3 {
        assert_eq!(segment.finish_callback(&[0], &sig, &mut result), NativeExit::Returned);
        assert_eq!(result, [0]);
    }
    // SAFETY: the stub takes this.
    assert_eq!(unsafe { fill_and_call(stub) }, 0);
    assert_eq!(recorder.calls.lock()[0].args[0], 77);
}

/// Whether a sum that is slightly more than 1 is rounded up: the rounding mode of SSE.
fn rounds_up() -> bool {
    let mut sum: f64 = 2f64.powi(-60);
    // SAFETY: an addition.
    unsafe { asm!("addsd {sum}, {one}", sum = inout(xmm_reg) sum, one = in(xmm_reg) 1f64) };
    sum != 1.0
}

fn x87_control() -> u16 {
    let mut word = 0u16;
    // SAFETY: stores two bytes.
    unsafe { asm!("fnstcw [{}]", in(reg) &raw mut word) };
    word
}

/// A rounding mode that C sets holds while C runs, and nowhere else.
#[test]
fn floating_point_control_belongs_to_the_native_call() {
    const UPWARD: i32 = 0x800;
    // With the library it is in.
    static FESETROUND: OnceLock<(Symbols, u64)> = OnceLock::new();
    FESETROUND.get_or_init(|| {
        let symbols = Symbols::new::<&str>(&[]).unwrap();
        let fesetround = symbols.lookup("fesetround").unwrap();
        (symbols, fesetround)
    });
    extern "C" fn with_upward(f: extern "C" fn(u64) -> u64) -> u64 {
        // SAFETY: the function of the C library.
        let fesetround: extern "C" fn(i32) -> i32 = unsafe {
            std::mem::transmute(std::ptr::with_exposed_provenance::<()>(FESETROUND.wait().1 as usize))
        };
        let before = u64::from(rounds_up());
        fesetround(UPWARD);
        let during = u64::from(rounds_up());
        f(0);
        let after = u64::from(rounds_up()) + u64::from(x87_control() & 0xc00 == UPWARD as u16);
        before * 100 + during * 10 + after
    }
    let (interface, mut segment, stub) = interface_with_stub();
    let watch = Arc::new(Mutex::new(Vec::new()));
    let watched = watch.clone();
    interface.set_foreign_call(Some(Arc::new(Hook(move |_: &Callback, _: &mut [u64]| {
        watched.lock().push(rounds_up());
    }))));
    let function = address_of(with_upward as *const ());
    let (sig, mut result) = (ints(1), [0]);
    let x87 = x87_control();
    for _ in 0..2 {
        assert!(matches!(segment.call(function, &sig, &[stub], &mut result), Ok(NativeExit::CalledBack(_))));
        assert!(!rounds_up());
        assert_eq!(x87_control(), x87);
        assert_eq!(segment.finish_callback(&[0], &sig, &mut result), NativeExit::Returned);
        assert_eq!(result, [12]);
        assert!(!rounds_up());
        assert_eq!(x87_control(), x87);
    }
    // On a foreign thread, too, Mu has its own.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(with_upward(exposed(stub)), 12);
        });
    });
    assert_eq!(*watch.lock(), [false]);
}

/// Gives its frame pointer and its stack pointer.
#[unsafe(naked)]
unsafe extern "C" fn frame_pointer() -> u64 {
    naked_asm!("mov rax, rbp", "ret")
}

#[unsafe(naked)]
unsafe extern "C" fn stack_pointer() -> u64 {
    naked_asm!("mov rax, rsp", "ret")
}

/// C runs on the segment, and frame pointers lead from there to the driver's stack.
#[test]
fn frame_pointers_lead_to_the_driver() {
    let (_interface, mut segment, _) = interface_with_stub();
    let (mut fp, mut sp) = ([0], [0]);
    let sig = ints(0);
    segment.call(address_of(frame_pointer as *const ()), &sig, &[], &mut fp).unwrap();
    segment.call(address_of(stack_pointer as *const ()), &sig, &[], &mut sp).unwrap();
    assert!(fp[0] > sp[0] && fp[0] - sp[0] < 1024, "{fp:x?} {sp:x?}");
    let here = (&raw const fp).addr() as u64;
    assert!(here.abs_diff(sp[0]) > 1 << 20);
    // SAFETY: the link of the call, which still lies on the segment.
    let return_address = unsafe { std::ptr::with_exposed_provenance::<u64>(fp[0] as usize + 8).read() };
    assert!(return_address.abs_diff(address_of(frame_pointer as *const ())) < 1 << 30);
}

/// Calls the argument, and answers how the return address of its caller's caller has changed meanwhile.
#[unsafe(naked)]
unsafe extern "C" fn change_of_link(f: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "mov rbx, [rbp + 8]",
        "call rdi",
        "mov rax, [rbp + 8]",
        "sub rax, rbx",
        "pop rbx",
        "ret",
    )
}

/// When another driver continues the call, frame pointers lead to that one.
#[test]
fn frame_pointers_lead_to_the_driver_that_continues() {
    let (_interface, mut segment, stub) = interface_with_stub();
    let (function, sig, mut result) = (address_of(change_of_link as *const ()), ints(1), [0]);
    assert!(matches!(segment.call(function, &sig, &[stub], &mut result), Ok(NativeExit::CalledBack(_))));
    assert_eq!(segment.finish_callback(&[0], &sig, &mut result), NativeExit::Returned);
    assert!(result[0] != 0 && (result[0] as i64).abs() < 1 << 30, "{result:x?}");
}

fn mapping_of(address: u64) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        (from..to).contains(&address)
    })?;
    Some(line.split(' ').nth(1).unwrap().to_owned())
}

/// Code is never writable, a segment has its guard, and dropping the interface unmaps all.
#[test]
fn memory_protection() {
    let (interface, segment, stub) = interface_with_stub();
    assert_eq!(mapping_of(stub).as_deref(), Some("r-xp"));
    assert_eq!(mapping_of(stub + 4096).as_deref(), Some("rw-p"));
    let base = interface.0.segment_base(0);
    assert_eq!(mapping_of(base).as_deref(), Some("---p"));
    assert_eq!(mapping_of(base + 4096).as_deref(), Some("rw-p"));
    assert_eq!(mapping_of(base + interface.config().segment_bytes).as_deref(), Some("---p"));
    drop(interface);
    // A segment keeps what it may need.
    assert_eq!(mapping_of(stub).as_deref(), Some("r-xp"));
    drop(segment);
    assert_eq!(mapping_of(base), None);
    assert_ne!(mapping_of(stub).as_deref(), Some("r-xp"));
}

/// C that needs more stack than there is meets the guard page, and dies as C does.
#[test]
fn native_stack_overflow_is_a_segmentation_fault() {
    extern "C" fn deep(n: u64) -> u64 {
        let array = std::hint::black_box([n; 64]);
        if n == u64::MAX { 0 } else { deep(n + 1) + array[n as usize % 64] }
    }
    let (_interface, mut segment, _) = interface_with_stub();
    let sig = ints(1);
    let function = address_of(deep as *const ());
    // SAFETY: the child only runs the call, which needs no lock.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the default action ends the child.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        let _ = segment.call(function, &sig, &[0], &mut [0]);
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV, "{status:x}");
}

/// The unwind tables lead from C to the driver, and from the hook of a foreign thread to C.
#[test]
fn backtraces() {
    extern "C" fn show(out: &mut String) -> u64 {
        *out = std::backtrace::Backtrace::force_capture().to_string();
        0
    }
    extern "C" fn calls_back(f: extern "C" fn(u64) -> u64, out: &mut String) -> u64 {
        f(0);
        show(out)
    }
    #[inline(never)]
    fn first_driver(segment: &mut Segment, function: u64, args: &[u64]) -> Option<NativeExit> {
        segment.call(function, &ints(args.len()), args, &mut [0]).ok()
    }
    #[inline(never)]
    fn second_driver(segment: &mut Segment) -> Option<NativeExit> {
        Some(segment.finish_callback(&[0], &ints(1), &mut [0]))
    }
    let (interface, mut segment, stub) = interface_with_stub();
    let mut text = String::new();
    let out = (&raw mut text).expose_provenance() as u64;
    assert_eq!(first_driver(&mut segment, address_of(show as *const ()), &[out]), Some(NativeExit::Returned));
    assert!(text.contains("show") && text.contains("first_driver"), "{text}");
    let function = address_of(calls_back as *const ());
    first_driver(&mut segment, function, &[stub, out]);
    assert_eq!(second_driver(&mut segment), Some(NativeExit::Returned));
    assert!(text.contains("calls_back") && text.contains("second_driver"), "{text}");
    assert!(!text.contains("first_driver"), "{text}");
    let hook = Arc::new(Mutex::new(String::new()));
    let shown = hook.clone();
    interface.set_foreign_call(Some(Arc::new(Hook(move |_: &Callback, _: &mut [u64]| {
        show(&mut shown.lock());
    }))));
    calls_back(exposed(stub), &mut String::new());
    assert!(hook.lock().contains("calls_back"), "{}", hook.lock());
}
