//! The small enumerations instructions carry: orders, flags, clauses, effects.

/// Memory orders (memory-model), weakest first; the numbers are those of the client interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum MemOrder {
    #[default]
    NotAtomic = 0,
    Relaxed = 1,
    Consume = 2,
    Acquire = 3,
    Release = 4,
    AcqRel = 5,
    SeqCst = 6,
}

impl MemOrder {
    /// All orders.
    pub const ALL: [MemOrder; 7] = [
        MemOrder::NotAtomic,
        MemOrder::Relaxed,
        MemOrder::Consume,
        MemOrder::Acquire,
        MemOrder::Release,
        MemOrder::AcqRel,
        MemOrder::SeqCst,
    ];

    /// The keyword of the text form.
    pub fn keyword(self) -> &'static str {
        match self {
            MemOrder::NotAtomic => "NOT_ATOMIC",
            MemOrder::Relaxed => "RELAXED",
            MemOrder::Consume => "CONSUME",
            MemOrder::Acquire => "ACQUIRE",
            MemOrder::Release => "RELEASE",
            MemOrder::AcqRel => "ACQ_REL",
            MemOrder::SeqCst => "SEQ_CST",
        }
    }

    /// The order a keyword names.
    pub fn from_keyword(word: &str) -> Option<MemOrder> {
        Self::ALL.into_iter().find(|order| order.keyword() == word)
    }
}

/// Operators of ATOMICRMW; the numbers are those of the client interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum RmwOp {
    #[default]
    Xchg = 0,
    Add = 1,
    Sub = 2,
    And = 3,
    Nand = 4,
    Or = 5,
    Xor = 6,
    Max = 7,
    Min = 8,
    UMax = 9,
    UMin = 10,
}

impl RmwOp {
    /// All operators.
    pub const ALL: [RmwOp; 11] = [
        RmwOp::Xchg,
        RmwOp::Add,
        RmwOp::Sub,
        RmwOp::And,
        RmwOp::Nand,
        RmwOp::Or,
        RmwOp::Xor,
        RmwOp::Max,
        RmwOp::Min,
        RmwOp::UMax,
        RmwOp::UMin,
    ];

    /// The keyword of the text form.
    pub fn keyword(self) -> &'static str {
        match self {
            RmwOp::Xchg => "XCHG",
            RmwOp::Add => "ADD",
            RmwOp::Sub => "SUB",
            RmwOp::And => "AND",
            RmwOp::Nand => "NAND",
            RmwOp::Or => "OR",
            RmwOp::Xor => "XOR",
            RmwOp::Max => "MAX",
            RmwOp::Min => "MIN",
            RmwOp::UMax => "UMAX",
            RmwOp::UMin => "UMIN",
        }
    }

    /// The operator a keyword names.
    pub fn from_keyword(word: &str) -> Option<RmwOp> {
        Self::ALL.into_iter().find(|op| op.keyword() == word)
    }
}

/// Status results of a binary operation (2017 interface): a set of N, Z, C, V, in that order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct StatusFlags(pub u8);

impl StatusFlags {
    /// Negative: the sign bit of the result.
    pub const N: StatusFlags = StatusFlags(1);
    /// Zero: the result is zero.
    pub const Z: StatusFlags = StatusFlags(2);
    /// Carry: unsigned overflow.
    pub const C: StatusFlags = StatusFlags(4);
    /// Overflow: signed overflow.
    pub const V: StatusFlags = StatusFlags(8);
    /// The four flags with their letters, in the order of results.
    pub const ALL: [(StatusFlags, &'static str); 4] =
        [(Self::N, "N"), (Self::Z, "Z"), (Self::C, "C"), (Self::V, "V")];

    /// Whether all flags of `other` are in this set.
    pub fn contains(self, other: StatusFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Number of flags, which is the number of status results.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Calling conventions of native calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(u8)]
pub enum CallConv {
    /// The platform's C convention (native-interface-x64-unix).
    #[default]
    Default = 0,
}

impl CallConv {
    /// The flag of the text form, without `#`.
    pub fn keyword(self) -> &'static str {
        match self {
            CallConv::Default => "DEFAULT",
        }
    }

    /// The convention a flag names.
    pub fn from_keyword(word: &str) -> Option<CallConv> {
        (word == "DEFAULT").then_some(CallConv::Default)
    }
}

/// The current-stack clause of SWAPSTACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum CurStack {
    /// `RET_WITH <Ts>`: the frame waits for values of these types.
    #[default]
    RetWith,
    /// `KILL_OLD`: the stack is killed.
    KillOld,
}

/// The new-stack clause of SWAPSTACK and NEWTHREAD.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum NewStack {
    /// `PASS_VALUES <Ts> (vals)`
    #[default]
    PassValues,
    /// `THROW_EXC exc`
    ThrowExc,
}

/// One effect of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Effect {
    /// Reads Mu or native memory.
    Reads = 1,
    /// Writes Mu or native memory.
    Writes = 2,
    /// Allocates.
    Allocates = 4,
    /// Can continue exceptionally, and may have an exception clause.
    MayThrow = 8,
    /// Can transfer control to the client.
    MayTrap = 16,
    /// Always ends its basic block. (With an exception clause every instruction does.)
    Terminates = 32,
    /// A safepoint: collections, redefinition and watchpoints take effect here.
    Safepoint = 64,
    /// An OSR point: frames stop here with a resumption point; may have a keep-alive clause.
    OsrPoint = 128,
    /// Orders memory accesses around it.
    Orders = 256,
}

impl Effect {
    /// All effects.
    pub const ALL: [Effect; 9] = [
        Effect::Reads,
        Effect::Writes,
        Effect::Allocates,
        Effect::MayThrow,
        Effect::MayTrap,
        Effect::Terminates,
        Effect::Safepoint,
        Effect::OsrPoint,
        Effect::Orders,
    ];
}

/// A set of effects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effects(u16);

impl Effects {
    /// A set from a list.
    pub const fn of(list: &[Effect]) -> Effects {
        let mut bits = 0;
        let mut index = 0;
        while index < list.len() {
            bits |= list[index] as u16;
            index += 1;
        }
        Effects(bits)
    }

    /// Whether the effect is in the set.
    pub const fn has(self, effect: Effect) -> bool {
        self.0 & effect as u16 != 0
    }

    /// Whether the instruction computes its results from its operands and does nothing else.
    pub const fn is_pure(self) -> bool {
        self.0 == 0
    }
}
