//! What compiled code finds behind r15.
//!
//! Fields are read and written by compiled code and by the stubs through the offsets at the end of this file, which are
//! the only place that names them. When the runtime's thread structure takes this over, the offsets follow by themselves;
//! `stack_limit` stays first, since every prologue and loop compares with it (`[r15]` needs no displacement byte).

use memoffset::offset_of;

/// Words of the transfer area: values that do not fit the registers of the convention.
pub const TRANSFER_WORDS: usize = 240;

/// The part of a thread that compiled code uses.
#[repr(C)]
#[derive(Debug)]
pub struct ThreadArea {
    /// The lowest value rsp may have at an entry; also the safepoint poll: to stop the thread, make it the greatest number.
    pub stack_limit: u64,
    /// The exception in flight, between a throw and the landing block.
    pub exception: u64,
    /// The host's rsp while Mu code runs.
    pub host_sp: u64,
    /// Where a prologue goes that finds `stack_limit` above rsp; r11 has the entry, everything else is as at the entry.
    pub prologue_slow: u64,
    /// Where THROW goes, with the exception in `exception`; the throwing frame is that of rbp.
    pub throw: u64,
    /// What a loop calls that finds `stack_limit` above rsp. It keeps all registers.
    pub poll: u64,
    /// The real lowest value of rsp: below it, a prologue that finds `stack_limit` above rsp has found a full stack; else it was
    /// asked to stop.
    pub stack_low: u64,
    /// What the stubs do at a poll: a [`crate::code::stubs::HostFunction`].
    pub poll_host: u64,
    /// How many polls were taken.
    pub polls: u64,
    /// The code map the unwinder looks return addresses up in.
    pub code_map: u64,
    /// Integer arguments on the way in, results on the way out.
    pub ints: [u64; 6],
    /// Floating point arguments and results, likewise.
    pub fps: [u64; 8],
    /// All general registers by hardware number, while a poll of a loop is taken. The collector finds references here.
    pub saved_ints: [u64; 16],
    /// All SSE registers, likewise (their low 8 bytes: nothing else is used).
    pub saved_fps: [u64; 16],
    /// Values that do not fit the registers.
    pub transfer: [u64; TRANSFER_WORDS],
}

impl Default for ThreadArea {
    fn default() -> Self {
        ThreadArea {
            stack_limit: 0,
            exception: 0,
            host_sp: 0,
            prologue_slow: 0,
            throw: 0,
            poll: 0,
            stack_low: 0,
            poll_host: 0,
            polls: 0,
            code_map: 0,
            ints: [0; 6],
            fps: [0; 8],
            saved_ints: [0; 16],
            saved_fps: [0; 16],
            transfer: [0; TRANSFER_WORDS],
        }
    }
}

/// Offset of `stack_limit`.
pub const STACK_LIMIT: i32 = offset_of!(ThreadArea, stack_limit) as i32;
/// Offset of `exception`.
pub const EXCEPTION: i32 = offset_of!(ThreadArea, exception) as i32;
/// Offset of `host_sp`.
pub const HOST_SP: i32 = offset_of!(ThreadArea, host_sp) as i32;
/// Offset of `prologue_slow`.
pub const PROLOGUE_SLOW: i32 = offset_of!(ThreadArea, prologue_slow) as i32;
/// Offset of `throw`.
pub const THROW: i32 = offset_of!(ThreadArea, throw) as i32;
/// Offset of `poll`.
pub const POLL: i32 = offset_of!(ThreadArea, poll) as i32;
/// Offset of `stack_low`.
pub const STACK_LOW: i32 = offset_of!(ThreadArea, stack_low) as i32;
/// Offset of `poll_host`.
pub const POLL_HOST: i32 = offset_of!(ThreadArea, poll_host) as i32;
/// Offset of `ints`.
pub const INTS: i32 = offset_of!(ThreadArea, ints) as i32;
/// Offset of `fps`.
pub const FPS: i32 = offset_of!(ThreadArea, fps) as i32;
/// Offset of `saved_ints`.
pub const SAVED_INTS: i32 = offset_of!(ThreadArea, saved_ints) as i32;
/// Offset of `saved_fps`.
pub const SAVED_FPS: i32 = offset_of!(ThreadArea, saved_fps) as i32;
/// Offset of `transfer`.
pub const TRANSFER: i32 = offset_of!(ThreadArea, transfer) as i32;

// LAYOUT: prologues and polls compare with `[r15]`.
const _: () = assert!(STACK_LIMIT == 0);
const _: () = assert!(size_of::<ThreadArea>() < 4096);
