//! Executable memory, never writable at the address it runs from.
//!
//! One anonymous file is mapped twice: once executable, where code runs, once writable, where it is written. Entry cells
//! are data and lie in the same range of addresses, so that code reaches them by 32-bit distances.
//!
//! ```text
//! base                                   cells
//! | code (read, execute)                 | entry cells (read, write) |
//! view: | the same code (read, write)    |
//! ```
//!
//! Cells are indexed by the words of function references: cell 0 belongs to NULL. Space is handed out in order; freeing
//! single functions comes with the collection of code.

use mu_rt::os::PAGE;
use std::ptr;

/// Bytes for code in one region, unless the instance says otherwise.
pub const CODE_BYTES: usize = 64 << 20;
/// Number of entry cells.
pub const CELLS: usize = 1 << 20;

/// A range of executable memory with its entry cells.
#[derive(Debug)]
pub struct CodeBuffer {
    base: *mut u8,
    view: *mut u8,
    code_bytes: usize,
    used: usize,
}

/// A failed system call.
#[derive(Debug, thiserror::Error)]
#[error("{call} for executable memory failed: {error}")]
pub struct MapError {
    call: &'static str,
    error: std::io::Error,
}

fn failed(call: &'static str) -> MapError {
    MapError { call, error: std::io::Error::last_os_error() }
}

const CELL_BYTES: usize = CELLS * 8;

impl CodeBuffer {
    /// Maps a region for `code_bytes` bytes of code.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(code_bytes: usize) -> Result<CodeBuffer, MapError> {
        let code_bytes = code_bytes.next_multiple_of(PAGE as usize).clamp(PAGE as usize, 1 << 30);
        // SAFETY: the name is a C string; the descriptor is closed below.
        let file = unsafe { libc::memfd_create(c"mu-code".as_ptr(), libc::MFD_CLOEXEC) };
        if file < 0 {
            return Err(failed("memfd_create"));
        }
        let buffer = Self::map(file, code_bytes);
        // SAFETY: the descriptor is ours, and the mappings stay without it.
        unsafe { libc::close(file) };
        buffer
    }

    fn map(file: i32, code_bytes: usize) -> Result<CodeBuffer, MapError> {
        // SAFETY: the file is new and ours.
        if unsafe { libc::ftruncate(file, code_bytes as i64) } != 0 {
            return Err(failed("ftruncate"));
        }
        let (read, write) = (libc::PROT_READ, libc::PROT_READ | libc::PROT_WRITE);
        let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at an address of the system's choice.
        let base = unsafe { libc::mmap(ptr::null_mut(), code_bytes + CELL_BYTES, write, anonymous, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(failed("mmap"));
        }
        let release = |what: MapError| {
            // SAFETY: the mapping made above, of this size, which nothing else knows yet.
            unsafe { libc::munmap(base, code_bytes + CELL_BYTES) };
            what
        };
        let fixed = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: replaces the first part of the mapping made above.
        let code = unsafe { libc::mmap(base, code_bytes, read | libc::PROT_EXEC, fixed, file, 0) };
        if code == libc::MAP_FAILED {
            return Err(release(failed("mmap (execute)")));
        }
        // SAFETY: a new mapping, at an address of the system's choice.
        let view = unsafe { libc::mmap(ptr::null_mut(), code_bytes, write, libc::MAP_SHARED, file, 0) };
        if view == libc::MAP_FAILED {
            return Err(release(failed("mmap (write)")));
        }
        Ok(CodeBuffer { base: base.cast(), view: view.cast(), code_bytes, used: 0 })
    }

    /// The address of the first byte of code.
    pub fn base(&self) -> u64 {
        self.base.expose_provenance() as u64
    }

    /// Bytes handed out.
    pub fn used_bytes(&self) -> usize {
        self.used
    }

    /// The address of the entry cell of a funcref word.
    pub fn cell_address(&self, word: u64) -> u64 {
        self.base() + self.code_bytes as u64 + 8 * word
    }

    /// Sets where calls of a function go: takes effect at the next call, everywhere.
    pub fn set_cell(&self, word: u64, entry: u64) {
        assert!((word as usize) < CELLS, "more functions than entry cells");
        // SAFETY: inside the cells, which are mapped writable as long as `self`; code reads them with single loads.
        unsafe {
            let cell = self.base.add(self.code_bytes).cast::<u64>().add(word as usize);
            std::sync::atomic::AtomicU64::from_ptr(cell).store(entry, std::sync::atomic::Ordering::Release);
        }
    }

    /// Room for code, aligned to 16; gives its address, or nothing when the region is full. `write` gets the address
    /// and the bytes to fill.
    pub fn add(&mut self, bytes: usize, write: impl FnOnce(u64, &mut [u8])) -> Option<u64> {
        let start = self.used.next_multiple_of(16);
        if start + bytes > self.code_bytes {
            return None;
        }
        let address = self.base() + start as u64;
        // SAFETY: inside the writable view; nobody else has this part, since `used` only grows.
        let room = unsafe { std::slice::from_raw_parts_mut(self.view.add(start), bytes) };
        write(address, room);
        self.used = start + bytes;
        Some(address)
    }

    /// The bytes at an address of code.
    pub fn bytes(&self, address: u64, length: usize) -> &[u8] {
        let start = (address - self.base()) as usize;
        assert!(start + length <= self.used);
        // SAFETY: inside the view, and written before `used` passed it.
        unsafe { std::slice::from_raw_parts(self.view.add(start), length) }
    }
}

impl Drop for CodeBuffer {
    fn drop(&mut self) {
        // SAFETY: the mappings made by `new`, which nobody else unmaps.
        unsafe {
            libc::munmap(self.base.cast(), self.code_bytes + CELL_BYTES);
            libc::munmap(self.view.cast(), self.code_bytes);
        }
    }
}

// SAFETY: the pointers are to mappings that belong to this value alone.
unsafe impl Send for CodeBuffer {}
