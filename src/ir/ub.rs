//! Undefined behaviours of the specification, by id.
//!
//! The specification names undefined behaviour in many places. Each kind has an id here; the checked interpreter
//! reports the id and the instruction, scripts expect ids, `mu explain U10` prints the row.

macro_rules! undefined_behaviours {
    ($($id:ident $number:literal $where_:literal $title:literal;)*) => {
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
        }
    };
}

undefined_behaviours! {
    DivideByZero 1 "instruction-set#binary-operations" "division or remainder by zero without an exception clause";
    ExtractOutOfRange 2 "instruction-set#extractelement-instruction" "EXTRACTELEMENT index out of range";
    InsertOutOfRange 3 "instruction-set#insertelement-instruction" "INSERTELEMENT index out of range";
    ShuffleOutOfRange 4 "instruction-set#shufflevector-instruction" "SHUFFLEVECTOR mask element out of range";
    AllocationFailed 5 "instruction-set#memory-allocation" "an allocation failed and has no exception clause";
    CreationFailed 6 "common-insts#thread-and-stack-operations" "a stack or thread could not be made, without an exception clause";
    StackOverflow 7 "instruction-set#call-and-tailcall-instruction" "a CALL without an exception clause overflowed the stack";
    NullAccess 8 "portability#instructions" "memory access through NULL without an exception clause";
    NullAddressing 9 "portability#instructions" "address computation on a NULL reference";
    OutsideArray 10 "instruction-set#other-memory-addressing-instructions" "the reference leaves its memory array";
    EmptyVarPart 11 "instruction-set#other-memory-addressing-instructions" "GETVARPARTIREF of a hybrid without elements";
    ExpiredLocation 12 "portability#instructions" "access to a memory location whose lifetime has ended";
    WrongLocationType 13 "portability#instructions" "access to a memory location of another type";
    WrongTagrefState 14 "common-insts#64-bit-tagged-reference" "a tagref64 does not hold the wanted kind of value";
    BadCallee 15 "portability#instructions" "call of NULL or of a function with another signature";
    ReturnFromBottom 16 "threads-stacks#stack-and-thread-creation" "return from the stack-bottom frame";
    BadBinding 17 "threads-stacks#binding" "a stack was bound that is not READY for these values";
    BadKill 18 "common-insts#thread-and-stack-operations" "kill_stack of a stack that is not READY";
    OpenCursor 19 "threads-stacks#stack-introspection" "a stack was bound or killed while a frame cursor on it is open";
    BelowBottom 20 "threads-stacks#stack-introspection" "next_frame below the stack-bottom frame";
    ClosedCursor 21 "threads-stacks#stack-introspection" "use of a closed frame cursor";
    CursorFramePopped 22 "threads-stacks#on-stack-replacement" "pop_frames_to removed a frame another cursor refers to";
    UnorderedOsr 23 "threads-stacks#on-stack-replacement" "two threads change or inspect one stack without an order";
    UnorderedBinding 24 "memory-model#special-rules-for-stack-operations" "two bindings of one stack without an order";
    BadIntrospection 25 "threads-stacks#stack-introspection" "introspection or push_frame on a stack in the wrong state";
    DataRace 26 "memory-model#value-visibility" "conflicting accesses without an order";
    MixedAtomicity 27 "memory-model#value-visibility" "atomic and non-atomic access to one location without an order";
    NegativeWake 28 "common-insts#futex-instructions" "a negative number of threads to wake";
    UnmatchedUnpin 29 "common-insts#object-pinning" "unpin without a matching pin";
    NativeUnwind 30 "native-interface-x64-unix#the-default-calling-convention" "native code unwound Mu frames";
    UnknownId 31 "common-insts#id-name-conversion" "an unknown id or name";
    UnknownWatchpoint 32 "uvm-client-interface#watchpoint-operations" "a watchpoint id that no instruction has";
    BadHandle 33 "uvm-client-interface#the-mu-micro-vm-and-client-contexts" "a handle that is closed, foreign or of the wrong type";
    SharedContext 34 "uvm-client-interface#the-mu-micro-vm-and-client-contexts" "one client context used by two threads at a time";
    BadTrapResult 35 "uvm-client-interface#trap-handling" "a trap handler left its results unset or wrong";
    BadBuilderNode 36 "irbuilder#load" "an IR builder that is NULL, or used after load or abort";
    HailSelfRead 37 "hail#top-level-definitions" "a HAIL initialiser reads the location being written";
    NoExceptionClause 38 "instruction-set#exception-clause" "an instruction continued exceptionally without an exception clause";
    BadNativeCallee 39 "instruction-set#ccall-instruction" "CCALL of a NULL function pointer";
    BadBundle 40 "common-insts#bundle-hail-loading" "an instruction loaded a bundle or HAIL script that has errors";
}

impl Ub {
    /// Finds a row by what a user typed: `U10`, `MU-U0010`, `u10`.
    pub fn find(text: &str) -> Option<Ub> {
        let upper = text.to_ascii_uppercase();
        let number: u16 = upper.strip_prefix("MU-").unwrap_or(&upper).strip_prefix('U')?.parse().ok()?;
        Ub::ALL.iter().copied().find(|ub| ub.number() == number)
    }
}
