//! The instruction rows. The legend stands in the module above.

use super::{Effect, Effects, Form, Rule};
use crate::ub::Ub;

macro_rules! mu_ops {
    ($($family:ident $family_op:ident $family_meaning:literal {
        $($variant:ident $mnemonic:literal $code:literal $form:ident $rule:ident [$($effect:ident)*] [$($ub:ident)*]
          $anchor:literal $meaning:literal;)*
    })*) => {
        /// An instruction of the Mu IR.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Op { $($(#[doc = $meaning] $variant,)*)* }

        impl Op {
            /// Every instruction, in table order.
            pub const ALL: &'static [Op] = &[$($(Op::$variant,)*)*];

            /// The keyword of the text form.
            pub const fn mnemonic(self) -> &'static str { match self { $($(Op::$variant => $mnemonic,)*)* } }
            /// The instruction a keyword names.
            pub fn from_mnemonic(word: &str) -> Option<Op> {
                match word { $($($mnemonic => Some(Op::$variant),)*)* _ => None }
            }
            /// The operator number of the client interface; 0 where there is none.
            pub const fn code(self) -> u16 { match self { $($(Op::$variant => $code,)*)* } }
            /// The written form.
            pub const fn form(self) -> Form { match self { $($(Op::$variant => Form::$form,)*)* } }
            /// The type rule.
            pub const fn rule(self) -> Rule { match self { $($(Op::$variant => Rule::$rule,)*)* } }
            /// What it does besides computing results.
            pub const fn effects(self) -> Effects {
                match self { $($(Op::$variant => const { Effects::of(&[$(Effect::$effect),*]) },)*)* }
            }
            /// The undefined behaviours it can meet.
            pub const fn undefined_behaviours(self) -> &'static [Ub] {
                match self { $($(Op::$variant => &[$(Ub::$ub),*],)*)* }
            }
            /// Where the specification defines it.
            pub const fn anchor(self) -> &'static str { match self { $($(Op::$variant => $anchor,)*)* } }
            /// What it does, in one line.
            pub const fn meaning(self) -> &'static str { match self { $($(Op::$variant => $meaning,)*)* } }
            /// Its family, and which of the family it is.
            pub const fn family(self) -> Family {
                match self { $($(Op::$variant => Family::$family($family_op::$variant),)*)* }
            }
        }

        /// The families of instructions: those that one function of a tier handles, with the member as it sees it. A
        /// match over a family needs no arm for the others, and no wildcard.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Family { $(#[doc = $family_meaning] $family($family_op)),* }

        $(
            #[doc = $family_meaning]
            #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
            pub enum $family_op { $(#[doc = $meaning] $variant),* }

            impl From<$family_op> for Op {
                fn from(op: $family_op) -> Op { match op { $($family_op::$variant => Op::$variant),* } }
            }
        )*
    };
}

mu_ops! {
Int IntOp "Binary operations on integers." {
    Add  "ADD"  0x01 BinOp IntBinOp [] [] "instruction-set#binary-operations" "sum, modulo 2^n";
    Sub  "SUB"  0x02 BinOp IntBinOp [] [] "instruction-set#binary-operations" "difference, modulo 2^n";
    Mul  "MUL"  0x03 BinOp IntBinOp [] [] "instruction-set#binary-operations" "product, modulo 2^n";
    SDiv "SDIV" 0x04 BinOp IntDivOp [MayThrow] [DivideByZero] "instruction-set#binary-operations" "signed quotient, rounded towards zero; MIN/-1 is MIN";
    SRem "SREM" 0x05 BinOp IntDivOp [MayThrow] [DivideByZero] "instruction-set#binary-operations" "signed remainder, with the sign of the dividend; MIN rem -1 is 0";
    UDiv "UDIV" 0x06 BinOp IntDivOp [MayThrow] [DivideByZero] "instruction-set#binary-operations" "unsigned quotient";
    URem "UREM" 0x07 BinOp IntDivOp [MayThrow] [DivideByZero] "instruction-set#binary-operations" "unsigned remainder";
    Shl  "SHL"  0x08 BinOp IntBinOp [] [] "instruction-set#binary-operations" "left shift by the low bits of the second operand";
    LShr "LSHR" 0x09 BinOp IntBinOp [] [] "instruction-set#binary-operations" "right shift that fills with zeros";
    AShr "ASHR" 0x0A BinOp IntBinOp [] [] "instruction-set#binary-operations" "right shift that fills with the sign bit";
    And  "AND"  0x0B BinOp IntBinOp [] [] "instruction-set#binary-operations" "bitwise and";
    Or   "OR"   0x0C BinOp IntBinOp [] [] "instruction-set#binary-operations" "bitwise inclusive or";
    Xor  "XOR"  0x0D BinOp IntBinOp [] [] "instruction-set#binary-operations" "bitwise exclusive or";
}
Fp FpOp "Binary operations on floating point numbers." {
    FAdd "FADD" 0xB0 BinOp FpBinOp [] [] "instruction-set#binary-operations" "IEEE 754 sum";
    FSub "FSUB" 0xB1 BinOp FpBinOp [] [] "instruction-set#binary-operations" "IEEE 754 difference";
    FMul "FMUL" 0xB2 BinOp FpBinOp [] [] "instruction-set#binary-operations" "IEEE 754 product";
    FDiv "FDIV" 0xB3 BinOp FpBinOp [] [] "instruction-set#binary-operations" "IEEE 754 quotient";
    FRem "FREM" 0xB4 BinOp FpBinOp [] [] "instruction-set#binary-operations" "remainder of the truncated quotient, as fmod of C";
}
Cmp CmpOp "Comparisons of integers, pointers and references." {
    Eq  "EQ"  0x20 Cmp EqCmp  [] [] "instruction-set#comparison" "equal, or referring to the same thing";
    Ne  "NE"  0x21 Cmp EqCmp  [] [] "instruction-set#comparison" "not equal";
    SGe "SGE" 0x22 Cmp IntCmp [] [] "instruction-set#comparison" "signed greater than or equal";
    SGt "SGT" 0x23 Cmp IntCmp [] [] "instruction-set#comparison" "signed greater than";
    SLe "SLE" 0x24 Cmp IntCmp [] [] "instruction-set#comparison" "signed less than or equal";
    SLt "SLT" 0x25 Cmp IntCmp [] [] "instruction-set#comparison" "signed less than";
    UGe "UGE" 0x26 Cmp UltCmp [] [] "instruction-set#comparison" "unsigned greater than or equal; for irefs: not before";
    UGt "UGT" 0x27 Cmp UltCmp [] [] "instruction-set#comparison" "unsigned greater than; for irefs: after";
    ULe "ULE" 0x28 Cmp UltCmp [] [] "instruction-set#comparison" "unsigned less than or equal; for irefs: not after";
    ULt "ULT" 0x29 Cmp UltCmp [] [] "instruction-set#comparison" "unsigned less than; for irefs: before";
}
FpCmp FpCmpOp "Comparisons of floating point numbers." {
    FFalse "FFALSE" 0xC0 Cmp FpCmp [] [] "instruction-set#comparison" "always false";
    FTrue  "FTRUE"  0xC1 Cmp FpCmp [] [] "instruction-set#comparison" "always true";
    FUno "FUNO" 0xC2 Cmp FpCmp [] [] "instruction-set#comparison" "unordered: an operand is NaN";
    FUeq "FUEQ" 0xC3 Cmp FpCmp [] [] "instruction-set#comparison" "unordered or equal";
    FUne "FUNE" 0xC4 Cmp FpCmp [] [] "instruction-set#comparison" "unordered or not equal";
    FUgt "FUGT" 0xC5 Cmp FpCmp [] [] "instruction-set#comparison" "unordered or greater than";
    FUge "FUGE" 0xC6 Cmp FpCmp [] [] "instruction-set#comparison" "unordered, greater than or equal";
    FUlt "FULT" 0xC7 Cmp FpCmp [] [] "instruction-set#comparison" "unordered or less than";
    FUle "FULE" 0xC8 Cmp FpCmp [] [] "instruction-set#comparison" "unordered, less than or equal";
    FOrd "FORD" 0xC9 Cmp FpCmp [] [] "instruction-set#comparison" "ordered: no operand is NaN";
    FOeq "FOEQ" 0xCA Cmp FpCmp [] [] "instruction-set#comparison" "ordered and equal";
    FOne "FONE" 0xCB Cmp FpCmp [] [] "instruction-set#comparison" "ordered and not equal";
    FOgt "FOGT" 0xCC Cmp FpCmp [] [] "instruction-set#comparison" "ordered and greater than";
    FOge "FOGE" 0xCD Cmp FpCmp [] [] "instruction-set#comparison" "ordered, greater than or equal";
    FOlt "FOLT" 0xCE Cmp FpCmp [] [] "instruction-set#comparison" "ordered and less than";
    FOle "FOLE" 0xCF Cmp FpCmp [] [] "instruction-set#comparison" "ordered, less than or equal";
}
Conv ConvOp "Conversions." {
    Trunc   "TRUNC"   0x30 Conv IntShrink [] [] "instruction-set#conversion" "keep the low bits";
    ZExt    "ZEXT"    0x31 Conv IntGrow   [] [] "instruction-set#conversion" "fill with zero bits";
    SExt    "SEXT"    0x32 Conv IntGrow   [] [] "instruction-set#conversion" "fill with the sign bit";
    FpTrunc "FPTRUNC" 0x33 Conv FpShrink  [] [] "instruction-set#conversion" "round to the smaller floating point type";
    FpExt   "FPEXT"   0x34 Conv FpGrow    [] [] "instruction-set#conversion" "widen exactly";
    FpToUi  "FPTOUI"  0x35 Conv FpToInt   [] [] "instruction-set#conversion" "truncate, clamp to the unsigned range, NaN to 0";
    FpToSi  "FPTOSI"  0x36 Conv FpToInt   [] [] "instruction-set#conversion" "truncate, clamp to the signed range, NaN to 0";
    UiToFp  "UITOFP"  0x37 Conv IntToFp   [] [] "instruction-set#conversion" "round the unsigned value to nearest even";
    SiToFp  "SITOFP"  0x38 Conv IntToFp   [] [] "instruction-set#conversion" "round the signed value to nearest even";
    BitCast "BITCAST" 0x39 Conv BitCast   [] [] "instruction-set#conversion" "the same bits as another type";
    RefCast "REFCAST" 0x3A Conv RefCast   [] [] "instruction-set#conversion" "the same referent seen with another type";
    PtrCast "PTRCAST" 0x3B Conv PtrCast   [] [] "instruction-set#conversion" "the same address as another pointer type or integer";
}
Choice ChoiceOp "Selection, and control flow inside a function." {
    Select  "SELECT"  0 Select  Select  [] [] "instruction-set#select-instruction" "one of two values, element by element for a vector condition";
    Branch  "BRANCH"  0 Branch  Branch  [Terminates] [] "instruction-set#branch-instruction" "jump";
    Branch2 "BRANCH2" 0 Branch2 Branch2 [Terminates] [] "instruction-set#branch2-instruction" "jump by a condition";
    Switch  "SWITCH"  0 Switch  Switch  [Terminates] [] "instruction-set#switch-instruction" "jump by comparing with constants";
}
Call CallOp "Control flow between functions." {
    Call     "CALL"     0 Call     Call     [Reads Writes MayThrow MayTrap Safepoint OsrPoint] [BadCallee StackOverflow] "instruction-set#call-and-tailcall-instruction" "call a function; exceptions and stack overflow take the exceptional edge";
    TailCall "TAILCALL" 0 TailCall TailCall [Reads Writes MayTrap Terminates Safepoint] [BadCallee NativeUnwind] "instruction-set#call-and-tailcall-instruction" "replace this frame by a call";
    Ret      "RET"      0 Ret      Ret      [Terminates] [] "instruction-set#ret-instruction" "return values to the frame below";
    Throw    "THROW"    0 Throw    Throw    [Terminates] [NativeUnwind] "instruction-set#throw-instruction" "throw an exception to the frame below";
}
Value ValueOp "Parts of struct, array and vector values." {
    ExtractValue   "EXTRACTVALUE"   0 ExtractValue   ExtractValue   [] [] "instruction-set#extractvalue-instruction" "a field of a struct value";
    InsertValue    "INSERTVALUE"    0 InsertValue    InsertValue    [] [] "instruction-set#insertvalue-instruction" "a struct value with one field replaced";
    ExtractElement "EXTRACTELEMENT" 0 ExtractElement ExtractElement [] [ExtractOutOfRange] "instruction-set#extractelement-instruction" "an element of an array or vector value";
    InsertElement  "INSERTELEMENT"  0 InsertElement  InsertElement  [] [InsertOutOfRange] "instruction-set#insertelement-instruction" "an array or vector value with one element replaced";
    ShuffleVector  "SHUFFLEVECTOR"  0 ShuffleVector  ShuffleVector  [] [ShuffleOutOfRange] "instruction-set#shufflevector-instruction" "elements of two vectors chosen by a mask";
}
Alloc AllocOp "Allocation." {
    New          "NEW"          0 New       New          [Allocates MayThrow Safepoint] [AllocationFailed] "instruction-set#memory-allocation" "allocate an object in the heap";
    NewHybrid    "NEWHYBRID"    0 NewHybrid NewHybrid    [Allocates MayThrow Safepoint] [AllocationFailed] "instruction-set#memory-allocation" "allocate a hybrid in the heap";
    Alloca       "ALLOCA"       0 New       Alloca       [Allocates MayThrow] [AllocationFailed] "instruction-set#memory-allocation" "allocate a cell in this frame";
    AllocaHybrid "ALLOCAHYBRID" 0 NewHybrid AllocaHybrid [Allocates MayThrow] [AllocationFailed] "instruction-set#memory-allocation" "allocate a hybrid cell in this frame";
}
Address AddressOp "Addressing." {
    GetIRef        "GETIREF"        0 GetIRef        GetIRef        [] [NullAddressing] "instruction-set#getiref-instruction" "the iref of an object's memory location";
    GetFieldIRef   "GETFIELDIREF"   0 GetFieldIRef   GetFieldIRef   [] [NullAddressing] "instruction-set#other-memory-addressing-instructions" "the iref or pointer of a field";
    GetElemIRef    "GETELEMIREF"    0 IndexIRef      GetElemIRef    [] [NullAddressing OutsideArray] "instruction-set#other-memory-addressing-instructions" "the iref or pointer of an element";
    ShiftIRef      "SHIFTIREF"      0 IndexIRef      ShiftIRef      [] [NullAddressing OutsideArray] "instruction-set#other-memory-addressing-instructions" "move an iref or pointer by elements";
    GetVarPartIRef "GETVARPARTIREF" 0 GetVarPartIRef GetVarPartIRef [] [NullAddressing EmptyVarPart] "instruction-set#other-memory-addressing-instructions" "the iref or pointer of the first element of the variable part";
}
Access AccessOp "Memory access." {
    Load      "LOAD"      0 Load      Load      [Reads MayThrow] [NullAccess ExpiredLocation WrongLocationType] "instruction-set#load-instruction" "load from memory";
    Store     "STORE"     0 Store     Store     [Writes MayThrow] [NullAccess ExpiredLocation WrongLocationType] "instruction-set#store-instruction" "store to memory";
    CmpXchg   "CMPXCHG"   0 CmpXchg   CmpXchg   [Reads Writes MayThrow Orders] [NullAccess ExpiredLocation WrongLocationType] "instruction-set#cmpxchg-instruction" "compare and exchange atomically";
    AtomicRmw "ATOMICRMW" 0 AtomicRmw AtomicRmw [Reads Writes MayThrow Orders] [NullAccess ExpiredLocation WrongLocationType] "instruction-set#atomicrmw-instruction" "read, modify and write atomically; the old value is the result";
}
System SystemOp "Order, traps, native calls, threads, stacks, common instructions." {
    Fence     "FENCE"     0 Fence     Fence     [Orders] [] "instruction-set#fence" "order memory accesses";
    Trap       "TRAP"       0 Trap       Trap       [Reads Writes MayThrow MayTrap Safepoint OsrPoint] [] "instruction-set#trap-and-watchpoint-instruction" "stop here and ask the client";
    Watchpoint "WATCHPOINT" 0 Watchpoint Watchpoint [Reads Writes MayThrow MayTrap Terminates Safepoint OsrPoint] [] "instruction-set#trap-and-watchpoint-instruction" "a trap while its watchpoint is enabled, else a jump";
    WpBranch   "WPBRANCH"   0 WpBranch   WpBranch   [Terminates Safepoint] [] "instruction-set#wpbranch-instruction" "jump by whether a watchpoint is enabled";
    CCall     "CCALL"     0 CCall     CCall     [Reads Writes MayThrow MayTrap Safepoint OsrPoint] [BadNativeCallee StackOverflow] "instruction-set#ccall-instruction" "call a native function";
    NewThread "NEWTHREAD" 0 NewThread NewThread [Reads Writes Allocates MayThrow Safepoint] [CreationFailed BadBinding NativeUnwind] "instruction-set#newthread-instruction" "start a thread on a stack";
    SwapStack "SWAPSTACK" 0 SwapStack SwapStack [Reads Writes MayThrow MayTrap Safepoint OsrPoint] [BadBinding OpenCursor NativeUnwind] "instruction-set#swapstack-instruction" "leave this stack and continue another";
    CommInst  "COMMINST"  0 CommInst  CommInst  [Reads Writes Allocates MayThrow Safepoint Orders] [] "instruction-set#comminst-instruction" "a common instruction; see its own row";
}
}
