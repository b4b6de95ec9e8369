//! The native libraries an instance sees (uvm-ir, "Constant Definition", EXTERN).
//!
//! Names are looked up when a bundle loads, so that a missing one is an error there. Nothing is cached: the dynamic
//! linker's tables are fast enough for that.

use libloading::os::unix::Library;
use std::ffi::{OsStr, OsString};

/// Writes out what programs have printed through the C library and what it still holds back, so that it comes before what
/// the embedder prints next.
pub fn flush_stdio() {
    // SAFETY: `fflush(NULL)` flushes every open output stream of the C library; it takes the streams' own locks.
    unsafe {
        libc::fflush(std::ptr::null_mut());
    }
}

/// A library that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot load the library {}: {reason}", name.display())]
pub struct LibraryError {
    /// Its name, as given.
    pub name: OsString,
    /// What the dynamic linker says.
    pub reason: String,
}

/// The native symbols an instance can see: those of the libraries the user names, of this process (the C library
/// included), and of the mathematical library, searched in this order. Libraries stay loaded as long as this lives.
#[derive(Debug)]
pub struct Symbols {
    libraries: Vec<Library>,
}

impl Symbols {
    /// Opens libraries, by file name (searched as `dlopen(3)` does) or path.
    ///
    /// # Errors
    /// The first library that cannot be opened.
    pub fn new<S: AsRef<OsStr>>(libraries: &[S]) -> Result<Symbols, LibraryError> {
        let mut opened = Vec::new();
        for name in libraries {
            let name = name.as_ref();
            // SAFETY: the library's initialisers run; the user who named it asked for them.
            let library = unsafe { Library::new(name) }
                .map_err(|error| LibraryError { name: name.to_owned(), reason: error.to_string() })?;
            opened.push(library);
        }
        opened.push(Library::this());
        // A system without a separate mathematical library has it in the C library.
        // SAFETY: the initialisers of the C library's own parts do no harm.
        opened.extend(unsafe { Library::new("libm.so.6") });
        Ok(Symbols { libraries: opened })
    }

    /// The address of a symbol, of a function or of data.
    pub fn lookup(&self, name: &str) -> Option<u64> {
        let symbol = self.libraries.iter().find_map(|library| {
            // SAFETY: the symbol is taken as an address, whatever its type.
            unsafe { library.get::<*mut u8>(name.as_bytes()) }.ok()
        })?;
        let address = symbol.into_raw().expose_provenance() as u64;
        (address != 0).then_some(address)
    }
}
