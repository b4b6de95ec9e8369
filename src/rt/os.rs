//! The operating system's memory calls, as far as the runtime needs them.
//!
//! **What.** [`Reservation`], a range of address space that is unmapped when dropped, and typed errors.
//!
//! **Why this way.** Everything big (the heap with its side tables, each stack) is *one* mapping, made with
//! `MAP_NORESERVE`: pages cost nothing until touched, arrive zeroed (which is Mu's initial value of everything),
//! and addresses never change, so that metadata is found by arithmetic. Dropping the owner gives all of it back,
//! which is how many instances can live and die in one process.
//!
//! **Invariants.** A `Reservation` owns its range alone; nothing else in the process maps or unmaps inside it.
//! Bases and sizes are multiples of [`PAGE`].
//!
//! **Example.** 1 MiB, aligned to 64 KiB, of which one page is made inaccessible:
//! ```
//! let range = mu_rt::os::Reservation::new(1 << 20, 1 << 16).unwrap();
//! assert_eq!(range.base() % (1 << 16), 0);
//! range.protect(0, 4096, mu_rt::os::Access::None).unwrap();
//! ```

use std::ffi::c_int;
use std::ptr;

/// The page size of x86-64, in bytes.
pub const PAGE: u64 = 4096;

/// More address space than any user process of x86-64 has (47 bits), in bytes.
pub const ADDRESS_SPACE: u64 = 1 << 47;

/// Since Linux 6.13; libc does not name it yet.
const MADV_GUARD_INSTALL: c_int = 102;

/// A failed system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{call} of {bytes} bytes failed: {}", std::io::Error::from_raw_os_error(*errno))]
pub struct OsError {
    /// The call: `mmap`, `mprotect`…
    pub call: &'static str,
    /// How many bytes it was about.
    pub bytes: u64,
    /// The error number, as in `errno(3)`.
    pub errno: i32,
}

impl OsError {
    fn last(call: &'static str, bytes: u64) -> OsError {
        OsError { call, bytes, errno: std::io::Error::last_os_error().raw_os_error().unwrap_or(0) }
    }
}

/// What may be done with pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nothing: a guard.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing. There is no access for writing and executing.
    Execute,
}

impl Access {
    fn bits(self) -> c_int {
        match self {
            Access::None => libc::PROT_NONE,
            Access::Read => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Access::Execute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

/// An owned range of zeroed, private, anonymous memory, readable and writable; unmapped on drop.
#[derive(Debug)]
pub struct Reservation {
    base: u64,
    bytes: u64,
}

impl Reservation {
    /// Reserves `bytes` (rounded up to pages, at least one) at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// When the system refuses, or when the size exceeds the address space (`ENOMEM`, without a call).
    pub fn new(bytes: u64, align: u64) -> Result<Reservation, OsError> {
        debug_assert!(align.is_power_of_two());
        let align = align.max(PAGE);
        if bytes > ADDRESS_SPACE || align > ADDRESS_SPACE {
            return Err(OsError { call: "mmap", bytes, errno: libc::ENOMEM });
        }
        let bytes = bytes.next_multiple_of(PAGE).max(PAGE);
        // The system aligns to pages only: take more, then give the ends back.
        let slack = align - PAGE;
        let raw = map(bytes + slack)?;
        let base = raw.next_multiple_of(align);
        if base > raw {
            unmap(raw, base - raw);
        }
        if base + bytes < raw + bytes + slack {
            unmap(base + bytes, raw + slack - base);
        }
        Ok(Reservation { base, bytes })
    }

    /// The lowest address.
    #[inline]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The size in bytes.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The address after the last byte.
    #[inline]
    pub fn end(&self) -> u64 {
        self.base + self.bytes
    }

    /// Changes what may be done with `bytes` bytes from `offset`; both are multiples of [`PAGE`].
    ///
    /// # Errors
    /// When the range is not inside the reservation or not of whole pages (`EINVAL`), or the system refuses.
    pub fn protect(&self, offset: u64, bytes: u64, access: Access) -> Result<(), OsError> {
        let address = self.pages("mprotect", offset, bytes)?;
        // SAFETY: the pages lie inside the mapping this value owns. Whoever holds pointers into them is a user of
        // this reservation and asked for the change.
        match unsafe { libc::mprotect(address, bytes as usize, access.bits()) } {
            0 => Ok(()),
            _ => Err(OsError::last("mprotect", bytes)),
        }
    }

    /// Gives the pages of a range back to the system; they read as zero afterwards.
    ///
    /// # Errors
    /// As [`Reservation::protect`].
    pub fn discard(&self, offset: u64, bytes: u64) -> Result<(), OsError> {
        let address = self.pages("madvise", offset, bytes)?;
        // SAFETY: the pages lie inside the private anonymous mapping this value owns.
        match unsafe { libc::madvise(address, bytes as usize, libc::MADV_DONTNEED) } {
            0 => Ok(()),
            _ => Err(OsError::last("madvise", bytes)),
        }
    }

    /// Makes pages inaccessible without splitting the mapping (`MADV_GUARD_INSTALL`). They stay so when they are given
    /// back with [`Reservation::discard`].
    ///
    /// # Errors
    /// As [`Reservation::protect`]; `EINVAL` also where the kernel cannot do it (before Linux 6.13).
    pub fn install_guard(&self, offset: u64, bytes: u64) -> Result<(), OsError> {
        let address = self.pages("madvise", offset, bytes)?;
        // SAFETY: the pages lie inside the private anonymous mapping this value owns. Whoever holds pointers into them
        // is a user of this reservation and asked for the change.
        match unsafe { libc::madvise(address, bytes as usize, MADV_GUARD_INSTALL) } {
            0 => Ok(()),
            _ => Err(OsError::last("madvise", bytes)),
        }
    }

    /// Asks for small pages only, so that touching one page takes one page. A kernel without huge pages refuses, which
    /// does not matter.
    pub fn forbid_huge_pages(&self) {
        let begin = ptr::with_exposed_provenance_mut(self.base as usize);
        // SAFETY: the whole mapping this value owns; the advice does not change what the memory holds.
        unsafe { libc::madvise(begin, self.bytes as usize, libc::MADV_NOHUGEPAGE) };
    }

    /// Allows huge pages in a range, which is otherwise as it was. A kernel without them refuses, which does not matter.
    pub fn allow_huge_pages(&self, offset: u64, bytes: u64) {
        if let Ok(begin) = self.pages("madvise", offset, bytes) {
            // SAFETY: pages inside the mapping this value owns; the advice does not change what the memory holds.
            unsafe { libc::madvise(begin, bytes as usize, libc::MADV_HUGEPAGE) };
        }
    }

    fn pages(&self, call: &'static str, offset: u64, bytes: u64) -> Result<*mut libc::c_void, OsError> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        if !inside || !offset.is_multiple_of(PAGE) || !bytes.is_multiple_of(PAGE) {
            return Err(OsError { call, bytes, errno: libc::EINVAL });
        }
        Ok(ptr::with_exposed_provenance_mut((self.base + offset) as usize))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        unmap(self.base, self.bytes);
    }
}

fn map(bytes: u64) -> Result<u64, OsError> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping at an address the system chooses touches no existing memory.
    let address =
        unsafe { libc::mmap(ptr::null_mut(), bytes as usize, Access::ReadWrite.bits(), flags, -1, 0) };
    if address == libc::MAP_FAILED {
        return Err(OsError::last("mmap", bytes));
    }
    Ok(address.expose_provenance() as u64)
}

fn unmap(base: u64, bytes: u64) {
    // SAFETY: called only for (parts of) mappings that `map` made and nobody uses any more.
    let result = unsafe { libc::munmap(ptr::with_exposed_provenance_mut(base as usize), bytes as usize) };
    debug_assert_eq!(result, 0, "munmap of an own mapping cannot fail");
}

/// Whether a byte can be read: asks the kernel to read it, which answers where the program would fault.
#[cfg(test)]
pub(crate) fn is_readable(address: u64) -> bool {
    let mut pipe = [0; 2];
    // SAFETY: the kernel reads one byte at the address, or answers EFAULT; descriptors are those just made.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let written = libc::write(pipe[1], ptr::with_exposed_provenance(address as usize), 1);
        libc::close(pipe[0]);
        libc::close(pipe[1]);
        written == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(address: u64) -> *mut u64 {
        ptr::with_exposed_provenance_mut(address as usize)
    }

    #[test]
    fn reservations_are_aligned_zeroed_and_writable() {
        for align in [1, PAGE, 1 << 15, 1 << 21] {
            let range = Reservation::new(100_000, align).unwrap();
            assert_eq!(range.base() % align.max(PAGE), 0);
            assert_eq!(range.bytes(), 102_400);
            // SAFETY: the last word of an own mapping.
            unsafe {
                assert_eq!(word(range.end() - 8).read(), 0);
                word(range.end() - 8).write(7);
                assert_eq!(word(range.end() - 8).read(), 7);
            }
            range.discard(98_304, PAGE).unwrap();
            // SAFETY: as before.
            assert_eq!(unsafe { word(range.end() - 8).read() }, 0);
        }
    }

    #[test]
    fn errors_are_values() {
        assert_eq!(Reservation::new(u64::MAX, 1).unwrap_err().errno, libc::ENOMEM);
        let too_much = Reservation::new(ADDRESS_SPACE, 1).unwrap_err();
        assert_eq!((too_much.call, too_much.errno), ("mmap", libc::ENOMEM));
        assert!(too_much.to_string().starts_with("mmap of 140737488355328 bytes failed: "));
        let range = Reservation::new(PAGE, 1).unwrap();
        for (offset, bytes) in [(0, 2 * PAGE), (PAGE, PAGE), (8, PAGE), (u64::MAX, PAGE)] {
            assert_eq!(range.protect(offset, bytes, Access::None).unwrap_err().errno, libc::EINVAL);
        }
    }

    #[test]
    fn dropping_unmaps() {
        // 300 reservations of 1 TiB only fit one after the other.
        for _ in 0..300 {
            drop(Reservation::new(1 << 40, 1 << 15).unwrap());
        }
    }
}
