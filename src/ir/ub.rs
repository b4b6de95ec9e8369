//! Undefined behaviours of the specification, by id.
//!
//! The specification names undefined behaviour in many places. Each kind has an id here; the checked interpreter
//! reports the id and the instruction, scripts expect ids, `mu explain U10` prints the row.
//!
//! Not every kind can be noticed. The column behind the number says what to expect: `Always` reported; reported in
//! `Checked` mode only, which looks at every access through an iref; `Never`, with the reason. `tests/tidy.rs` compares the
//! column with what the sources really raise, and wants a script or test for every kind that is raised.

/// When an undefined behaviour is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Whenever it happens.
    Always,
    /// In checked mode; without it, anything may happen.
    Checked,
    /// Never.
    Never,
}

macro_rules! undefined_behaviours {
    ($($id:ident $number:literal $when:ident $([$note:literal])? $where_:literal $title:literal;)*) => {
        /// A kind of undefined behaviour.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
        pub enum Ub { $(#[doc = $title] $id),* }

        impl Ub {
            /// All of them.
            pub const ALL: &'static [Ub] = &[$(Ub::$id),*];
            /// The number: 10 of `U10`.
            pub fn number(self) -> u16 { match self { $(Ub::$id => $number),* } }
            /// What happened, in one line.
            pub fn title(self) -> &'static str { match self { $(Ub::$id => $title),* } }
            /// The chapter and section of the specification.
            pub fn anchor(self) -> &'static str { match self { $(Ub::$id => $where_),* } }
            /// The short id, `U10`.
            pub fn id(self) -> &'static str { match self { $(Ub::$id => concat!("U", $number)),* } }
            /// When it is reported.
            pub fn reported(self) -> When { match self { $(Ub::$id => When::$when),* } }
            /// Why it is not reported, or in which cases it is not; empty where there is nothing to say.
            pub fn note(self) -> &'static str { match self { $(Ub::$id => concat!("" $(, $note)?)),* } }
        }
    };
}

undefined_behaviours! {
    DivideByZero 1 Always "instruction-set#binary-operations" "division or remainder by zero without an exception clause";
    ExtractOutOfRange 2 Always "instruction-set#extractelement-instruction" "EXTRACTELEMENT index out of range";
    InsertOutOfRange 3 Always "instruction-set#insertelement-instruction" "INSERTELEMENT index out of range";
    ShuffleOutOfRange 4 Always "instruction-set#shufflevector-instruction" "SHUFFLEVECTOR mask element out of range";
    AllocationFailed 5 Always "instruction-set#memory-allocation" "an allocation failed and has no exception clause";
    CreationFailed 6 Always "common-insts#thread-and-stack-operations" "a stack or thread could not be made, without an exception clause";
    StackOverflow 7 Always "instruction-set#call-and-tailcall-instruction" "a CALL or CCALL without an exception clause overflowed the stack";
    NullAccess 8 Always "portability#instructions" "memory access through NULL without an exception clause";
    NullAddressing 9 Always "portability#instructions" "address computation on a NULL reference";
    OutsideArray 10 Checked ["not with PTR"]
        "instruction-set#other-memory-addressing-instructions" "the reference leaves its memory array";
    EmptyVarPart 11 Checked "instruction-set#other-memory-addressing-instructions" "GETVARPARTIREF of a hybrid without elements";
    ExpiredLocation 12 Checked ["not with PTR, and not while a newer cell of the same type lies where the expired ALLOCA cell was"]
        "portability#instructions" "access to a memory location whose lifetime has ended";
    WrongLocationType 13 Checked ["not with PTR"]
        "portability#instructions" "access to a memory location of another type";
    WrongTagrefState 14 Always "common-insts#64-bit-tagged-reference" "a tagref64 does not hold the wanted kind of value";
    BadCallee 15 Always "portability#instructions" "call of NULL or of a function with another signature";
    ReturnFromBottom 16 Never ["defined here: it ends the thread normally, and whoever started the thread gets the values"]
        "threads-stacks#stack-and-thread-creation" "return from the stack-bottom frame";
    BadBinding 17 Always "threads-stacks#binding" "a stack was bound that is not READY for these values";
    BadKill 18 Always "common-insts#thread-and-stack-operations" "kill_stack of a stack that is not READY";
    OpenCursor 19 Checked ["without it, binding or killing the stack closes the cursors"]
        "threads-stacks#stack-introspection" "a stack was bound or killed while a frame cursor on it is open";
    BelowBottom 20 Always "threads-stacks#stack-introspection" "next_frame below the stack-bottom frame";
    ClosedCursor 21 Always "threads-stacks#stack-introspection" "use of a closed frame cursor";
    CursorFramePopped 22 Checked ["without it, such cursors are closed"]
        "threads-stacks#on-stack-replacement" "pop_frames_to removed a frame another cursor refers to";
    UnorderedOsr 23 Never ["the order of operations of different threads is not tracked; each is done as a whole, and the later one meets U17, U21 or U25 if it comes too late"]
        "threads-stacks#on-stack-replacement" "two threads change or inspect one stack without an order";
    UnorderedBinding 24 Never ["the order of operations of different threads is not tracked; each is done as a whole, and the later binding meets U17"]
        "memory-model#special-rules-for-stack-operations" "two bindings of one stack without an order";
    BadIntrospection 25 Always "threads-stacks#stack-introspection" "introspection or push_frame on a stack in the wrong state";
    DataRace 26 Never ["happens-before is not tracked"]
        "memory-model#value-visibility" "conflicting accesses without an order";
    MixedAtomicity 27 Never ["happens-before is not tracked"]
        "memory-model#value-visibility" "atomic and non-atomic access to one location without an order";
    NegativeWake 28 Always "common-insts#futex-instructions" "a negative number of threads to wake";
    UnmatchedUnpin 29 Always "common-insts#object-pinning" "unpin without a matching pin";
    NativeUnwind 30 Always ["when Mu code throws through native frames or removes them; what native code itself does to its stack is not seen"]
        "native-interface-x64-unix#the-default-calling-convention" "frames of Mu and of native code were unwound together";
    UnknownId 31 Always "common-insts#id-name-conversion" "an unknown id or name";
    UnknownWatchpoint 32 Always "uvm-client-interface#watchpoint-operations" "a watchpoint id that no instruction has";
    BadHandle 33 Always ["by functions of the Rust interface; a frame cursor that is closed is U21"]
        "uvm-client-interface#the-mu-micro-vm-and-client-contexts" "a handle that is closed, foreign or of the wrong type";
    SharedContext 34 Never ["ruled out by the types of the Rust interface"]
        "uvm-client-interface#the-mu-micro-vm-and-client-contexts" "one client context used by two threads at a time";
    BadTrapResult 35 Never ["the types of the Rust interface rule out results that are unset; wrong ones are U17"]
        "uvm-client-interface#trap-handling" "a trap handler left its results unset or wrong";
    BadBuilderNode 36 Always "irbuilder#load" "an IR builder that is NULL, or used after load or abort";
    HailSelfRead 37 Never ["an error of the script, MU-E5011, before anything is executed"]
        "hail#top-level-definitions" "a HAIL initialiser reads the location being written";
    NoExceptionClause 38 Never ["each such case has an id of its own: U1, U5, U6, U7 and U8"]
        "instruction-set#exception-clause" "an instruction continued exceptionally without an exception clause";
    BadNativeCallee 39 Always "instruction-set#ccall-instruction" "CCALL of NULL, or a call or unexpose of a value that is not exposed";
    BadBundle 40 Always "common-insts#bundle-hail-loading" "an instruction loaded a bundle or HAIL script that has errors";
}

impl Ub {
    /// Finds a row by what a user typed: `U10`, `MU-U0010`, `u10`.
    pub fn find(text: &str) -> Option<Ub> {
        let upper = text.to_ascii_uppercase();
        let number: u16 = upper.strip_prefix("MU-").unwrap_or(&upper).strip_prefix('U')?.parse().ok()?;
        Ub::ALL.iter().copied().find(|ub| ub.number() == number)
    }
}
