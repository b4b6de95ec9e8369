//! The numbers of the client interface (`MuBinOptr`, `MuMemOrd`, …) and what they stand for.
//!
//! A client hands numbers over; they may be anything. Each kind has a type here that holds the number as it came, made
//! from it (`BinOptr::from(0x01)`) or from our own enumeration (`BinOptr::from(Op::Add)`), and says what it stands for,
//! if it stands for something. The builder reports the others at load.

use crate::table::{CallConv, CommInst, Form, MemOrder, Op, RmwOp, StatusFlags};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident from $table:ty: $number:expr, $meaning:expr, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// What such a number is called in messages, with its article.
            pub const WHAT: &'static str = $what;

            /// What the number stands for.
            pub fn meaning(self) -> Option<$table> {
                let meaning: fn(u32) -> Option<$table> = $meaning;
                meaning(self.0)
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self { Self(number) }
        }

        impl From<$table> for $name {
            fn from(value: $table) -> Self {
                let number: fn($table) -> u32 = $number;
                Self(number(value))
            }
        }
    )*};
}

/// The instruction of a form with an operator number.
fn op(form: Form, number: u32) -> Option<Op> {
    Op::ALL.iter().copied().find(|op| op.form() == form && u32::from(op.code()) == number)
}

numbers! {
    /// `MuBinOptr`: a binary operator.
    BinOptr from Op: |op| op.code().into(), |number| op(Form::BinOp, number), "a binary operator";
    /// `MuCmpOptr`: a comparison.
    CmpOptr from Op: |op| op.code().into(), |number| op(Form::Cmp, number), "a comparison";
    /// `MuConvOptr`: a conversion.
    ConvOptr from Op: |op| op.code().into(), |number| op(Form::Conv, number), "a conversion";
    /// `MuBinOpStatus`: a set of status flags.
    BinOpStatus from StatusFlags: |flags| flags.0.into(),
        |number| (number <= 15).then_some(StatusFlags(number as u8)), "a set of status flags";
    /// `MuMemOrd`: a memory order.
    MemOrd from MemOrder: |order| order as u32,
        |number| MemOrder::ALL.into_iter().find(|order| *order as u32 == number), "a memory order";
    /// `MuAtomicRMWOptr`: an operator of ATOMICRMW.
    RmwOptr from RmwOp: |op| op as u32,
        |number| RmwOp::ALL.into_iter().find(|op| *op as u32 == number), "an operator of ATOMICRMW";
    /// `MuCallConv`, and a flag of a common instruction: a calling convention.
    CallConvNo from CallConv: |convention| convention as u32,
        |number| (number == CallConv::Default as u32).then_some(CallConv::Default), "a calling convention";
    /// `MuCommInst`: a common instruction.
    CommInstNo from CommInst: CommInst::id, CommInst::from_id, "a common instruction";
}
