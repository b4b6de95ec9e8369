//! The user library of tests/clients.rs: what a client ships beside its bundle. Compiled by the test, without the
//! standard library, so that it takes a blink.
#![no_std]

use core::slice;

/// A checksum of `length` bytes; the name says that no other library has it.
///
/// # Safety
/// The bytes are readable.
#[no_mangle]
pub unsafe extern "C" fn mu_test_client_checksum(bytes: *const u8, length: i64) -> i64 {
    // SAFETY: the caller says so.
    let bytes = unsafe { slice::from_raw_parts(bytes, length as usize) };
    bytes.iter().fold(7, |sum: i64, &byte| sum.wrapping_mul(131).wrapping_add(byte.into()))
}

/// Nothing here panics.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
