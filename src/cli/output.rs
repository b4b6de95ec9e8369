//! Reading files and writing to the standard streams, so that no broken pipe and no odd file can make the command panic.
//!
//! `println!` and `eprintln!` panic when nobody reads any more; [`print`] and [`say`] do not. A reader who left
//! (`mu explain | head -1`) is no error; a full disk is one.

use super::exit::Exit;
use super::render::Reporter;
use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::path::Path;

/// Why a command cannot go on, other than because of a program's own doing.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// One line for people.
    pub message: String,
}

impl Failure {
    /// A wrong command line, or trouble with a file.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into() }
    }

    /// Says it, and answers the exit code.
    pub fn report(&self, reporter: &Reporter) -> u8 {
        say(&reporter.failure(&self.message));
        self.exit.code()
    }
}

/// Writes to the standard error output. If nobody reads it, nobody misses it.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to the standard output.
///
/// # Errors
/// When it cannot be written, unless the reader has gone.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::usage(format!("cannot write to the standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The name of a file for messages; the standard input is `-`.
pub fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Whether a path stands for the standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a text file, or the standard input for `-`.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Failure> {
    let bytes = if is_stdin(path) {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.map_err(|error| Failure::usage(format!("cannot read {}: {error}", name(path))))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("cannot read {}: byte {at} does not begin a UTF-8 character", name(path)))
    })
}

/// Whether messages may be coloured: for people at a terminal who have not asked for plain text (<https://no-color.org>).
pub fn stderr_has_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
