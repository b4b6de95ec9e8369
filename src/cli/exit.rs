//! The exit codes of the command, in one table.
//!
//! A C-like entry function gives the exit code itself, so everything the command has to say stands from 120 up, out of
//! the way of what programs usually answer, and clear of 101 (a Rust panic) and of 128 + n (death by signal n, from 1).
//!
//! ```text
//! Exit::Undefined.code() == 121        mu run --help prints Exit::table()
//! ```

use std::fmt::Write as _;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Everything went well.
    Ok,
    /// `mu fmt --check`: a file is not formatted; `mu test`: a script failed.
    Differs,
    /// An exception left the stack-bottom frame.
    Exception,
    /// Undefined behaviour.
    Undefined,
    /// A trap that nobody handles.
    Trap,
    /// An instruction this implementation does not execute.
    Unsupported,
    /// The fuel was used up.
    Fuel,
    /// The instance or its first stack could not be made.
    Start,
    /// A bundle or a HAIL script has errors.
    Bundle,
    /// The command line is wrong, or a file cannot be read or written.
    Usage,
    /// All threads wait, and nobody can wake one.
    Deadlock,
}

impl Exit {
    /// All of them, by ascending code.
    pub const ALL: [Exit; 11] = [
        Exit::Ok,
        Exit::Differs,
        Exit::Exception,
        Exit::Undefined,
        Exit::Trap,
        Exit::Unsupported,
        Exit::Fuel,
        Exit::Start,
        Exit::Bundle,
        Exit::Usage,
        Exit::Deadlock,
    ];

    /// The number the process exits with.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Differs => 1,
            Exit::Exception => 120,
            Exit::Undefined => 121,
            Exit::Trap => 122,
            Exit::Unsupported => 123,
            Exit::Fuel => 124,
            Exit::Start => 125,
            Exit::Bundle => 126,
            Exit::Usage => 127,
            Exit::Deadlock => 128,
        }
    }

    /// What it means, for the help text.
    const fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "success; after a C-like main, its result modulo 256",
            Exit::Differs => "a file is not formatted (mu fmt --check), or a script failed (mu test)",
            Exit::Exception => "an exception left the entry function",
            Exit::Undefined => "undefined behaviour",
            Exit::Trap => "a trap that nobody handles",
            Exit::Unsupported => "an instruction this implementation does not execute yet",
            Exit::Fuel => "out of fuel (--fuel)",
            Exit::Start => "the instance or its first stack could not be made",
            Exit::Bundle => "a bundle or a HAIL script has errors",
            Exit::Usage => "wrong command line, or a file that cannot be read or written",
            Exit::Deadlock => "all threads wait, and nobody can wake one",
        }
    }

    /// The table for the help text, of the codes a command can end with.
    pub fn table(of: &[Exit]) -> String {
        let mut out = String::from("Exit codes:");
        for exit in Exit::ALL.into_iter().filter(|exit| of.contains(exit)) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\n  {:>3}  {}", exit.code(), exit.meaning());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_keep_clear_of_panics_and_signals() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b));
        assert!(codes.iter().all(|&code| code < 2 || (120..=128).contains(&code)));
    }
}
