//! The instruction table: the one place that knows what instructions exist.
//!
//! Three tables in plain Rust, one row per thing:
//! * [`Op`]: instructions ([`ops`]),
//! * [`CommInst`]: common instructions ([`comm_insts`]),
//! * [`TYPE_CTORS`]: type constructors.
//!
//! Legend of an instruction row:
//!
//! ```text
//! Variant "MNEMONIC" code  Form      Rule        [effects …]      [UB …]         "chapter#anchor"  "meaning"
//!    │        │       │      │         │             │               │               │               └ one line, present tense
//!    │        │       │      │         │             │               │               └ where the specification defines it
//!    │        │       │      │         │             │               └ undefined behaviours it can meet (ub.rs)
//!    │        │       │      │         │             └ what an optimiser and a scheduler must know (Effect)
//!    │        │       │      │         └ type rule (Rule); the verifier matches on it
//!    │        │       │      └ written form: the parts of the text after the mnemonic, in order (Form → Part)
//!    │        │       └ numeric code of the client interface (0 where the interface has a function per instruction)
//!    │        └ keyword of the text form
//!    └ name in this code
//! ```
//!
//! Parser and printer walk [`Form::parts`]; verifier and builder use [`Rule`]; `mu explain` and the
//! tiers read the rest. Rows stand in families: [`Op::family`] gives an instruction as a member of its family
//! (`Family::Int(IntOp::Add)`), [`CommInst::family`] a common instruction. The tiers match on families without wildcard
//! arms, one function per family: a new row does not compile until every tier has decided what to do with it.
//!
//! To add an instruction: a row here, a function in every tier, a conformance script (ARCHITECTURE.md has the steps).

mod attrs;
mod comm_insts;
mod ops;
mod type_ctors;

pub use attrs::{CallConv, CurStack, Effect, Effects, MemOrder, NewStack, RmwOp, StatusFlags};
pub use comm_insts::{
    BuilderInst, CommFamily, CommInst, CommParams, Ct, FutexInst, MetaInst, MiscInst, NativeInst, ThreadInst,
    Tr64Inst,
};
pub use ops::{
    AccessOp, AddressOp, AllocOp, CallOp, ChoiceOp, CmpOp, ConvOp, Family, FpCmpOp, FpOp, IntOp, Op,
    SystemOp, ValueOp,
};
pub use type_ctors::{TYPE_CTORS, TypeCtorRow};

/// A piece of an instruction's written form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// `[#N #Z #C #V]`, optional.
    Status,
    /// `PTR`, optional.
    Ptr,
    /// `WEAK`, optional.
    Weak,
    /// A memory order; NOT_ATOMIC when left out.
    OrdOptional,
    /// A memory order.
    Ord,
    /// The memory order of a failed CMPXCHG.
    OrdFail,
    /// A memory order and an ATOMICRMW operator, in either order.
    OrdAndRmw,
    /// `#DEFAULT`
    CallConv,
    /// `< … >` with exactly these arguments.
    Angle(&'static [AngleArg]),
    /// One operand.
    Arg,
    /// `( … )`: any number of operands.
    ArgList,
    /// `( … )` or a single operand without parentheses.
    RetArgs,
    /// One destination clause.
    Dest,
    /// `{ value dest … }`
    Cases,
    /// `< T … >`: any number of types.
    TypeList,
    /// A watchpoint id.
    Wpid,
    /// `WPEXC ( dest )`, optional.
    WpExc,
    /// `THREADLOCAL ( operand )`, optional.
    ThreadLocal,
    /// `RET_WITH < T … >` or `KILL_OLD`
    CurStack,
    /// `PASS_VALUES < T … > ( … )` or `THROW_EXC operand`
    NewStack,
    /// Name of a common instruction, then `[ flags ] < types > <[ signatures ]> ( operands )`, each optional.
    Comm,
    /// `EXC ( nor exc )`, optional.
    Exc,
    /// `KEEPALIVE ( … )`, optional.
    Keepalive,
}

/// An argument in angle brackets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AngleArg {
    /// Name of a type.
    Type,
    /// Name of a signature.
    Sig,
    /// An integer literal.
    Index,
}

/// Written forms. One form may serve several instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each form is shown by its parts")]
pub enum Form {
    BinOp,
    Cmp,
    Conv,
    Select,
    Branch,
    Branch2,
    Switch,
    Call,
    TailCall,
    Ret,
    Throw,
    ExtractValue,
    InsertValue,
    ExtractElement,
    InsertElement,
    ShuffleVector,
    New,
    NewHybrid,
    GetIRef,
    GetFieldIRef,
    IndexIRef,
    GetVarPartIRef,
    Load,
    Store,
    CmpXchg,
    AtomicRmw,
    Fence,
    Trap,
    Watchpoint,
    WpBranch,
    CCall,
    NewThread,
    SwapStack,
    CommInst,
}

impl Form {
    /// The parts after the mnemonic, in the order in which they are written.
    pub fn parts(self) -> &'static [Part] {
        use AngleArg::{Index as I, Sig as S, Type as T};
        use Part::*;
        match self {
            Form::BinOp => &[Status, Angle(&[T]), Arg, Arg, Exc],
            Form::Cmp => &[Angle(&[T]), Arg, Arg],
            Form::Conv => &[Angle(&[T, T]), Arg],
            Form::Select => &[Angle(&[T, T]), Arg, Arg, Arg],
            Form::Branch => &[Dest],
            Form::Branch2 => &[Arg, Dest, Dest],
            Form::Switch => &[Angle(&[T]), Arg, Dest, Cases],
            Form::Call => &[Angle(&[S]), Arg, ArgList, Exc, Keepalive],
            Form::TailCall => &[Angle(&[S]), Arg, ArgList],
            Form::Ret => &[RetArgs],
            Form::Throw => &[Arg],
            Form::ExtractValue => &[Angle(&[T, I]), Arg],
            Form::InsertValue => &[Angle(&[T, I]), Arg, Arg],
            Form::ExtractElement => &[Angle(&[T, T]), Arg, Arg],
            Form::InsertElement => &[Angle(&[T, T]), Arg, Arg, Arg],
            Form::ShuffleVector => &[Angle(&[T, T]), Arg, Arg, Arg],
            Form::New => &[Angle(&[T]), Exc],
            Form::NewHybrid => &[Angle(&[T, T]), Arg, Exc],
            Form::GetIRef => &[Angle(&[T]), Arg],
            Form::GetFieldIRef => &[Ptr, Angle(&[T, I]), Arg],
            Form::IndexIRef => &[Ptr, Angle(&[T, T]), Arg, Arg],
            Form::GetVarPartIRef => &[Ptr, Angle(&[T]), Arg],
            Form::Load => &[Ptr, OrdOptional, Angle(&[T]), Arg, Exc],
            Form::Store => &[Ptr, OrdOptional, Angle(&[T]), Arg, Arg, Exc],
            Form::CmpXchg => &[Ptr, Weak, Ord, OrdFail, Angle(&[T]), Arg, Arg, Arg, Exc],
            Form::AtomicRmw => &[Ptr, OrdAndRmw, Angle(&[T]), Arg, Arg, Exc],
            Form::Fence => &[Ord],
            Form::Trap => &[TypeList, Exc, Keepalive],
            Form::Watchpoint => &[Wpid, TypeList, Dest, Dest, WpExc, Keepalive],
            Form::WpBranch => &[Wpid, Dest, Dest],
            Form::CCall => &[CallConv, Angle(&[T, S]), Arg, ArgList, Exc, Keepalive],
            Form::NewThread => &[Arg, ThreadLocal, NewStack, Exc],
            Form::SwapStack => &[Arg, CurStack, NewStack, Exc, Keepalive],
            Form::CommInst => &[Comm, Exc, Keepalive],
        }
    }
}

/// Type rules. The verifier turns each into checks; the text here is what `mu explain` prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "described by Rule::text")]
pub enum Rule {
    IntBinOp,
    IntDivOp,
    FpBinOp,
    EqCmp,
    IntCmp,
    UltCmp,
    FpCmp,
    IntShrink,
    IntGrow,
    FpShrink,
    FpGrow,
    FpToInt,
    IntToFp,
    BitCast,
    RefCast,
    PtrCast,
    Select,
    Branch,
    Branch2,
    Switch,
    Call,
    TailCall,
    Ret,
    Throw,
    ExtractValue,
    InsertValue,
    ExtractElement,
    InsertElement,
    ShuffleVector,
    New,
    NewHybrid,
    Alloca,
    AllocaHybrid,
    GetIRef,
    GetFieldIRef,
    GetElemIRef,
    ShiftIRef,
    GetVarPartIRef,
    Load,
    Store,
    CmpXchg,
    AtomicRmw,
    Fence,
    Trap,
    Watchpoint,
    WpBranch,
    CCall,
    NewThread,
    SwapStack,
    CommInst,
}

impl Rule {
    /// The rule for people.
    pub fn text(self) -> &'static str {
        match self {
            Rule::IntBinOp => {
                "T is int or a vector of int; operands and result have type T; status results are int<1>"
            }
            Rule::IntDivOp => "T is int or a vector of int; operands and result have type T; may have EXC",
            Rule::FpBinOp => "T is float, double or a vector of them; operands and result have type T",
            Rule::EqCmp => "T is EQ-comparable or a vector of such; result int<1>, or vector<int<1> n>",
            Rule::IntCmp => "T is int or a vector of int; result int<1>, or vector<int<1> n>",
            Rule::UltCmp => {
                "T is int, a pointer or iref, or a vector of such; result int<1>, or vector<int<1> n>"
            }
            Rule::FpCmp => "T is float, double or a vector of them; result int<1>, or vector<int<1> n>",
            Rule::IntShrink => "T1 and T2 are int, T2 shorter than T1, or vectors of such with equal lengths",
            Rule::IntGrow => "T1 and T2 are int, T2 longer than T1, or vectors of such with equal lengths",
            Rule::FpShrink => "T1 is double and T2 float, or vectors of them with equal lengths",
            Rule::FpGrow => "T1 is float and T2 double, or vectors of them with equal lengths",
            Rule::FpToInt => "T1 is a floating point type and T2 int, or vectors of them with equal lengths",
            Rule::IntToFp => "T1 is int and T2 a floating point type, or vectors of them with equal lengths",
            Rule::BitCast => {
                "one of T1 and T2 is int, the other a floating point type, with equal numbers of bits"
            }
            Rule::RefCast => "T1 and T2 are both ref, both iref or both funcref",
            Rule::PtrCast => "T1 and T2 are each uptr, ufuncptr or int",
            Rule::Select => {
                "S is int<1>, or vector<int<1> n> with T a vector of n; both values and the result have type T"
            }
            Rule::Branch => "the arguments match the block's parameters",
            Rule::Branch2 => "the condition is int<1>; the arguments match the blocks' parameters",
            Rule::Switch => {
                "T is EQ-comparable; the operand has type T; the cases are distinct constants of type T"
            }
            Rule::Call => "callee is funcref<sig>; arguments match sig; as many results as sig returns",
            Rule::TailCall => {
                "callee is funcref<sig>; arguments match sig; sig returns what the function returns"
            }
            Rule::Ret => "values match the function's return types",
            Rule::Throw => "the operand is a ref",
            Rule::ExtractValue => {
                "T is a struct with a field of this index; the result has that field's type"
            }
            Rule::InsertValue => {
                "T is a struct with a field of this index; the new value has that field's type"
            }
            Rule::ExtractElement => "T1 is array or vector, T2 int; the result has T1's element type",
            Rule::InsertElement => "T1 is array or vector, T2 int; the new value has T1's element type",
            Rule::ShuffleVector => {
                "T1 is a vector, T2 a vector of int; the result has T1's elements and T2's length"
            }
            Rule::New | Rule::Alloca => {
                "T is any type but hybrid; the result is ref<T> (NEW) or iref<T> (ALLOCA)"
            }
            Rule::NewHybrid | Rule::AllocaHybrid => {
                "T1 is a hybrid, T2 int; the result is ref<T1> or iref<T1>"
            }
            Rule::GetIRef => "the operand is ref<T>, the result iref<T>",
            Rule::GetFieldIRef => {
                "T1 is struct or hybrid; from iref<T1> (uptr<T1>) to iref (uptr) of the field"
            }
            Rule::GetElemIRef => {
                "T1 is array or vector, T2 int; from iref<T1> (uptr<T1>) to iref (uptr) of the element"
            }
            Rule::ShiftIRef => "T2 is int; from iref<T1> (uptr<T1>) to iref<T1> (uptr<T1>)",
            Rule::GetVarPartIRef => {
                "T1 is hybrid; from iref<T1> (uptr<T1>) to iref (uptr) of its variable element type"
            }
            Rule::Load => "loc is iref<T> (uptr<T>); the result has the strong variant of T",
            Rule::Store => "loc is iref<T> (uptr<T>); the value has the strong variant of T",
            Rule::CmpXchg => {
                "T is EQ-comparable, float, double or tagref64; two results: strong variant of T, int<1>"
            }
            Rule::AtomicRmw => {
                "XCHG: any scalar; the others: T is int; operand and result have the strong variant of T"
            }
            Rule::Fence => "no operands",
            Rule::Trap => "results have the types Ts",
            Rule::Watchpoint => "results have the types Ts and exist in the enabled destination only",
            Rule::WpBranch => "the arguments match the blocks' parameters",
            Rule::CCall => "T is ufuncptr<sig>; arguments match sig; sig returns at most one value",
            Rule::NewThread => {
                "stackref, optional thread-local ref, values of types Ts or a ref; result threadref"
            }
            Rule::SwapStack => "stackref, values of types Ts or a ref; results have the types of RET_WITH",
            Rule::CommInst => "as the common instruction says",
        }
    }
}

#[cfg(test)]
mod tests;
