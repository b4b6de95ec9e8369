//! The common instruction rows (common-insts, and the 2017 interface for the native block and the IR builder).
//!
//! ```text
//! Variant "@name" id  T S F  Params  [results]  [effects]  [UB]  "anchor" "meaning"
//!                     │ │ └ number of flags
//!                     │ └ number of signature arguments
//!                     └ number of type arguments
//! ```

use super::{Effect, Effects};
use crate::ub::Ub;

/// The type of a parameter or result of a common instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ct {
    /// `int<1>`
    I1,
    /// `int<6>`
    I6,
    /// `int<32>`
    I32,
    /// `int<52>`
    I52,
    /// `int<64>`
    I64,
    /// `double`
    Double,
    /// `ref<void>`
    RefVoid,
    /// `tagref64`
    TagRef64,
    /// `stackref`
    StackRef,
    /// `framecursorref`
    FrameCursor,
    /// `float`
    Float,
    /// `irbuilderref`
    IrBuilder,
    /// `iref<int<32>>`: the first of as many ids or flags as the next `int<64>` operand says; NULL if there are none.
    IdArray,
    /// `iref<int<64>>`: likewise, of 64-bit words.
    WordArray,
    /// `@uvm.meta.bytes.r`, a `ref<hybrid<int<64> int<8>>>`
    BytesRef,
    /// `@uvm.meta.refs.r`, a `ref<hybrid<int<64> ref<void>>>`
    RefsRef,
    /// The type argument.
    TypeArg,
    /// `iref` of the type argument.
    IRefOfTypeArg,
    /// `uptr<U>` where the type argument is `ref<U>` or `iref<U>`.
    PtrOfReferent,
    /// `funcref` of the signature argument.
    FuncRefOfSig,
    /// `funcref<@uvm.meta.trap_handler.sig>`
    TrapHandler,
    /// What exposing yields: `ufuncptr<sig>` for `#DEFAULT`; as an operand any `ufuncptr`.
    Exposed,
}

/// Parameter lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommParams {
    /// Exactly these.
    Fixed(&'static [Ct]),
}

macro_rules! mu_comm_insts {
    ($($family:ident $family_inst:ident $family_meaning:literal {
        $($variant:ident $name:literal $id:literal $types:literal $sigs:literal $flags:literal
          $params:expr, [$($result:ident)*] [$($effect:ident)*] [$($ub:ident)*]
          $anchor:literal $meaning:literal;)*
    })*) => {
        /// A common instruction.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum CommInst { $($(#[doc = $meaning] $variant = $id,)*)* }

        impl CommInst {
            /// Every common instruction, by id.
            pub const ALL: &'static [CommInst] = &[$($(CommInst::$variant,)*)*];
            /// Its name, with `@`.
            pub const fn name(self) -> &'static str { match self { $($(CommInst::$variant => $name,)*)* } }
            /// Its id.
            pub const fn id(self) -> u32 { self as u32 }
            /// The common instruction of a name; `@uvm.meta.cur_func_ver` is read too.
            pub fn from_name(name: &str) -> Option<CommInst> {
                match name {
                    $($($name => Some(CommInst::$variant),)*)*
                    "@uvm.meta.cur_func_ver" => Some(CommInst::MetaCurFuncVer),
                    _ => None,
                }
            }
            /// The common instruction of an id.
            pub fn from_id(id: u32) -> Option<CommInst> {
                match id { $($($id => Some(CommInst::$variant),)*)* _ => None }
            }
            /// Number of type arguments.
            pub const fn type_args(self) -> usize { match self { $($(CommInst::$variant => $types,)*)* } }
            /// Number of signature arguments.
            pub const fn sig_args(self) -> usize { match self { $($(CommInst::$variant => $sigs,)*)* } }
            /// Number of flags.
            pub const fn flags(self) -> usize { match self { $($(CommInst::$variant => $flags,)*)* } }
            /// Parameters.
            pub const fn params(self) -> CommParams { match self { $($(CommInst::$variant => $params,)*)* } }
            /// Results.
            pub const fn results(self) -> &'static [Ct] { match self { $($(CommInst::$variant => &[$(Ct::$result),*],)*)* } }
            /// What it does besides computing results.
            pub const fn effects(self) -> Effects {
                match self { $($(CommInst::$variant => const { Effects::of(&[$(Effect::$effect),*]) },)*)* }
            }
            /// The undefined behaviours it can meet.
            pub const fn undefined_behaviours(self) -> &'static [Ub] {
                match self { $($(CommInst::$variant => &[$(Ub::$ub),*],)*)* }
            }
            /// Where the specification defines it.
            pub const fn anchor(self) -> &'static str { match self { $($(CommInst::$variant => $anchor,)*)* } }
            /// What it does, in one line.
            pub const fn meaning(self) -> &'static str { match self { $($(CommInst::$variant => $meaning,)*)* } }
            /// Its family, and which of the family it is.
            pub const fn family(self) -> CommFamily {
                match self { $($(CommInst::$variant => CommFamily::$family($family_inst::$variant),)*)* }
            }
        }

        /// The families of common instructions, as [`super::Family`] for instructions.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum CommFamily { $(#[doc = $family_meaning] $family($family_inst)),* }

        $(
            #[doc = $family_meaning]
            #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
            pub enum $family_inst { $(#[doc = $meaning] $variant),* }

            impl From<$family_inst> for CommInst {
                fn from(inst: $family_inst) -> CommInst {
                    match inst { $($family_inst::$variant => CommInst::$variant),* }
                }
            }
        )*
    };
}

use CommParams::Fixed;
use Ct::*;

mu_comm_insts! {
Thread ThreadInst "Stacks, threads, thread-local references." {
    NewStack       "@uvm.new_stack"       0x201 0 1 0 Fixed(&[FuncRefOfSig]), [StackRef] [Allocates MayThrow Safepoint] [CreationFailed BadCallee] "common-insts#thread-and-stack-operations" "make a stack whose bottom frame is a function";
    KillStack      "@uvm.kill_stack"      0x202 0 0 0 Fixed(&[StackRef]), [] [Writes] [BadKill OpenCursor] "common-insts#thread-and-stack-operations" "destroy a stack";
    ThreadExit     "@uvm.thread_exit"     0x203 0 0 0 Fixed(&[]), [] [Terminates] [] "common-insts#thread-and-stack-operations" "end the thread and its stack";
    CurrentStack   "@uvm.current_stack"   0x204 0 0 0 Fixed(&[]), [StackRef] [Reads] [] "common-insts#thread-and-stack-operations" "the stack this thread is bound to";
    SetThreadlocal "@uvm.set_threadlocal" 0x205 0 0 0 Fixed(&[RefVoid]), [] [Writes] [] "common-insts#thread-and-stack-operations" "set the thread-local reference";
    GetThreadlocal "@uvm.get_threadlocal" 0x206 0 0 0 Fixed(&[]), [RefVoid] [Reads] [] "common-insts#thread-and-stack-operations" "the thread-local reference";
}
Tr64 Tr64Inst "Tagged references." {
    Tr64IsFp    "@uvm.tr64.is_fp"    0x211 0 0 0 Fixed(&[TagRef64]), [I1] [] [] "common-insts#64-bit-tagged-reference" "whether a tagref64 holds a double";
    Tr64IsInt   "@uvm.tr64.is_int"   0x212 0 0 0 Fixed(&[TagRef64]), [I1] [] [] "common-insts#64-bit-tagged-reference" "whether a tagref64 holds an integer";
    Tr64IsRef   "@uvm.tr64.is_ref"   0x213 0 0 0 Fixed(&[TagRef64]), [I1] [] [] "common-insts#64-bit-tagged-reference" "whether a tagref64 holds a reference";
    Tr64FromFp  "@uvm.tr64.from_fp"  0x214 0 0 0 Fixed(&[Double]), [TagRef64] [] [] "common-insts#64-bit-tagged-reference" "a tagref64 of a double";
    Tr64FromInt "@uvm.tr64.from_int" 0x215 0 0 0 Fixed(&[I52]), [TagRef64] [] [] "common-insts#64-bit-tagged-reference" "a tagref64 of an integer";
    Tr64FromRef "@uvm.tr64.from_ref" 0x216 0 0 0 Fixed(&[RefVoid, I6]), [TagRef64] [] [] "common-insts#64-bit-tagged-reference" "a tagref64 of a reference and a tag";
    Tr64ToFp    "@uvm.tr64.to_fp"    0x217 0 0 0 Fixed(&[TagRef64]), [Double] [] [WrongTagrefState] "common-insts#64-bit-tagged-reference" "the double in a tagref64";
    Tr64ToInt   "@uvm.tr64.to_int"   0x218 0 0 0 Fixed(&[TagRef64]), [I52] [] [WrongTagrefState] "common-insts#64-bit-tagged-reference" "the integer in a tagref64";
    Tr64ToRef   "@uvm.tr64.to_ref"   0x219 0 0 0 Fixed(&[TagRef64]), [RefVoid] [] [WrongTagrefState] "common-insts#64-bit-tagged-reference" "the reference in a tagref64";
    Tr64ToTag   "@uvm.tr64.to_tag"   0x21a 0 0 0 Fixed(&[TagRef64]), [I6] [] [WrongTagrefState] "common-insts#64-bit-tagged-reference" "the tag beside the reference in a tagref64";
}
Futex FutexInst "Futexes." {
    FutexWait        "@uvm.futex.wait"         0x220 1 0 0 Fixed(&[IRefOfTypeArg, TypeArg]), [I32] [Reads Safepoint Orders] [NullAccess ExpiredLocation WrongLocationType] "common-insts#wait" "sleep until woken, if the location holds the value";
    FutexWaitTimeout "@uvm.futex.wait_timeout" 0x221 1 0 0 Fixed(&[IRefOfTypeArg, TypeArg, I64]), [I32] [Reads Safepoint Orders] [NullAccess ExpiredLocation WrongLocationType] "common-insts#wait" "sleep until woken or until nanoseconds have passed";
    FutexWake        "@uvm.futex.wake"         0x222 1 0 0 Fixed(&[IRefOfTypeArg, I32]), [I32] [Orders] [NullAccess ExpiredLocation WrongLocationType NegativeWake] "common-insts#wake" "wake threads that sleep at a location";
    FutexCmpRequeue  "@uvm.futex.cmp_requeue"  0x223 1 0 0 Fixed(&[IRefOfTypeArg, IRefOfTypeArg, TypeArg, I32]), [I32] [Reads Orders] [NullAccess ExpiredLocation WrongLocationType NegativeWake] "common-insts#requeue" "wake some threads and move the others to another location";
}
Misc MiscInst "Miscellaneous instructions." {
    KillDependency "@uvm.kill_dependency" 0x230 1 0 0 Fixed(&[TypeArg]), [TypeArg] [] [] "common-insts#miscellaneous-instructions" "the same value without its memory dependency";
}
Native NativeInst "Pinning, and functions for native code." {
    NativePin       "@uvm.native.pin"        0x240 1 0 0 Fixed(&[TypeArg]), [PtrOfReferent] [Writes] [] "common-insts#object-pinning" "pin an object and give its address";
    NativeUnpin     "@uvm.native.unpin"      0x241 1 0 0 Fixed(&[TypeArg]), [] [Writes] [UnmatchedUnpin] "common-insts#object-pinning" "undo one pin";
    NativeGetAddr   "@uvm.native.get_addr"   0x242 1 0 0 Fixed(&[TypeArg]), [PtrOfReferent] [] [] "native-interface#pinning" "the address of a pinned object or a global cell";
    NativeExpose    "@uvm.native.expose"     0x243 0 1 1 Fixed(&[FuncRefOfSig, I64]), [Exposed] [Allocates] [BadCallee] "common-insts#mu-function-exposing" "make a function callable by native code";
    NativeUnexpose  "@uvm.native.unexpose"   0x244 0 0 1 Fixed(&[Exposed]), [] [Writes] [BadNativeCallee] "common-insts#mu-function-exposing" "undo an expose";
    NativeGetCookie "@uvm.native.get_cookie" 0x245 0 0 0 Fixed(&[]), [I64] [Reads] [] "common-insts#mu-function-exposing" "the cookie of the exposed value that was called";
}
Meta MetaInst "The metacircular client interface." {
    MetaIdOf              "@uvm.meta.id_of"              0x250 0 0 0 Fixed(&[BytesRef]), [I32] [Reads] [UnknownId ExpiredLocation WrongLocationType OutsideArray] "common-insts#id-name-conversion" "the id of a name";
    MetaNameOf            "@uvm.meta.name_of"            0x251 0 0 0 Fixed(&[I32]), [BytesRef] [Reads Allocates Safepoint] [UnknownId AllocationFailed] "common-insts#id-name-conversion" "the name of an id";
    MetaLoadBundle        "@uvm.meta.load_bundle"        0x252 0 0 0 Fixed(&[BytesRef]), [] [Reads Writes Safepoint] [BadBundle NullAccess ExpiredLocation WrongLocationType OutsideArray] "common-insts#bundle-hail-loading" "load a bundle";
    MetaLoadHail          "@uvm.meta.load_hail"          0x253 0 0 0 Fixed(&[BytesRef]), [] [Reads Writes Allocates Safepoint] [BadBundle NullAccess ExpiredLocation WrongLocationType OutsideArray] "common-insts#bundle-hail-loading" "load a HAIL script";
    MetaNewCursor         "@uvm.meta.new_cursor"         0x254 0 0 0 Fixed(&[StackRef]), [FrameCursor] [Reads Allocates] [BadIntrospection] "common-insts#stack-introspection" "a cursor on the top frame of a stack";
    MetaNextFrame         "@uvm.meta.next_frame"         0x255 0 0 0 Fixed(&[FrameCursor]), [] [Writes] [BelowBottom ClosedCursor] "common-insts#stack-introspection" "move a cursor to the frame below";
    MetaCopyCursor        "@uvm.meta.copy_cursor"        0x256 0 0 0 Fixed(&[FrameCursor]), [FrameCursor] [Reads Allocates] [ClosedCursor] "common-insts#stack-introspection" "another cursor on the same frame";
    MetaCloseCursor       "@uvm.meta.close_cursor"       0x257 0 0 0 Fixed(&[FrameCursor]), [] [Writes] [ClosedCursor] "common-insts#stack-introspection" "end a cursor";
    MetaCurFunc           "@uvm.meta.cur_func"           0x258 0 0 0 Fixed(&[FrameCursor]), [I32] [Reads] [ClosedCursor] "common-insts#stack-introspection" "id of the frame's function";
    MetaCurFuncVer        "@uvm.meta.cur_func_Ver"       0x259 0 0 0 Fixed(&[FrameCursor]), [I32] [Reads] [ClosedCursor] "common-insts#stack-introspection" "id of the frame's function version";
    MetaCurInst           "@uvm.meta.cur_inst"           0x25a 0 0 0 Fixed(&[FrameCursor]), [I32] [Reads] [ClosedCursor] "common-insts#stack-introspection" "id of the frame's current instruction";
    MetaDumpKeepalives    "@uvm.meta.dump_keepalives"    0x25b 0 0 0 Fixed(&[FrameCursor]), [RefsRef] [Reads Allocates Safepoint] [ClosedCursor AllocationFailed] "common-insts#stack-introspection" "values of the keep-alive variables, boxed";
    MetaPopFramesTo       "@uvm.meta.pop_frames_to"      0x25c 0 0 0 Fixed(&[FrameCursor]), [] [Writes] [ClosedCursor CursorFramePopped BadIntrospection NativeUnwind] "common-insts#on-stack-replacement" "pop all frames above a cursor";
    MetaPushFrame         "@uvm.meta.push_frame"         0x25d 0 1 0 Fixed(&[StackRef, FuncRefOfSig]), [] [Writes] [BadIntrospection BadCallee StackOverflow] "common-insts#on-stack-replacement" "push a frame of a function";
    MetaEnableWatchpoint  "@uvm.meta.enable_watchpoint"  0x25e 0 0 0 Fixed(&[I32]), [] [Writes Safepoint] [UnknownWatchpoint] "common-insts#watchpoint-operations" "enable all watchpoints of an id";
    MetaDisableWatchpoint "@uvm.meta.disable_watchpoint" 0x25f 0 0 0 Fixed(&[I32]), [] [Writes Safepoint] [UnknownWatchpoint] "common-insts#watchpoint-operations" "disable all watchpoints of an id";
    MetaSetTrapHandler    "@uvm.meta.set_trap_handler"   0x260 0 0 0 Fixed(&[TrapHandler, RefVoid]), [] [Writes] [BadCallee] "common-insts#trap-handling" "make a Mu function the trap handler";
}
Builder BuilderInst "The IR builder." {
    IbNewIrBuilder "@uvm.irbuilder.new_ir_builder" 0x270 0 0 0 Fixed(&[]), [IrBuilder] [Allocates] [] "irbuilder#new-ir-builder" "make an IR builder";
    IbLoad "@uvm.irbuilder.load" 0x300 0 0 0 Fixed(&[IrBuilder]), [] [Writes Safepoint] [BadBuilderNode BadBundle] "irbuilder#load" "load the bundle being built";
    IbAbort "@uvm.irbuilder.abort" 0x301 0 0 0 Fixed(&[IrBuilder]), [] [Writes] [BadBuilderNode] "irbuilder#abort" "give up the bundle being built";
    IbGenSym "@uvm.irbuilder.gen_sym" 0x302 0 0 0 Fixed(&[IrBuilder, BytesRef]), [I32] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#gen-sym" "reserve an id, optionally with a name";
    IbNewTypeInt "@uvm.irbuilder.new_type_int" 0x303 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-int" "make a type: int";
    IbNewTypeFloat "@uvm.irbuilder.new_type_float" 0x304 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-float" "make a type: float";
    IbNewTypeDouble "@uvm.irbuilder.new_type_double" 0x305 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-double" "make a type: double";
    IbNewTypeUptr "@uvm.irbuilder.new_type_uptr" 0x306 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-uptr" "make a type: uptr";
    IbNewTypeUfuncptr "@uvm.irbuilder.new_type_ufuncptr" 0x307 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-ufuncptr" "make a type: ufuncptr";
    IbNewTypeStruct "@uvm.irbuilder.new_type_struct" 0x308 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-type-struct" "make a type: struct";
    IbNewTypeHybrid "@uvm.irbuilder.new_type_hybrid" 0x309 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-type-hybrid" "make a type: hybrid";
    IbNewTypeArray "@uvm.irbuilder.new_type_array" 0x30a 0 0 0 Fixed(&[IrBuilder, I32, I32, I64]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-array" "make a type: array";
    IbNewTypeVector "@uvm.irbuilder.new_type_vector" 0x30b 0 0 0 Fixed(&[IrBuilder, I32, I32, I64]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-vector" "make a type: vector";
    IbNewTypeVoid "@uvm.irbuilder.new_type_void" 0x30c 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-void" "make a type: void";
    IbNewTypeRef "@uvm.irbuilder.new_type_ref" 0x30d 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-ref" "make a type: ref";
    IbNewTypeIref "@uvm.irbuilder.new_type_iref" 0x30e 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-iref" "make a type: iref";
    IbNewTypeWeakref "@uvm.irbuilder.new_type_weakref" 0x30f 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-weakref" "make a type: weakref";
    IbNewTypeFuncref "@uvm.irbuilder.new_type_funcref" 0x310 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-funcref" "make a type: funcref";
    IbNewTypeTagref64 "@uvm.irbuilder.new_type_tagref64" 0x311 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-tagref64" "make a type: tagref64";
    IbNewTypeThreadref "@uvm.irbuilder.new_type_threadref" 0x312 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-threadref" "make a type: threadref";
    IbNewTypeStackref "@uvm.irbuilder.new_type_stackref" 0x313 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-stackref" "make a type: stackref";
    IbNewTypeFramecursorref "@uvm.irbuilder.new_type_framecursorref" 0x314 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-framecursorref" "make a type: framecursorref";
    IbNewTypeIrbuilderref "@uvm.irbuilder.new_type_irbuilderref" 0x315 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-type-irbuilderref" "make a type: irbuilderref";
    IbNewFuncsig "@uvm.irbuilder.new_funcsig" 0x316 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-funcsig" "make a function signature";
    IbNewConstInt "@uvm.irbuilder.new_const_int" 0x317 0 0 0 Fixed(&[IrBuilder, I32, I32, I64]), [] [Writes] [BadBuilderNode] "irbuilder#new-const-int" "make a constant: int";
    IbNewConstIntEx "@uvm.irbuilder.new_const_int_ex" 0x318 0 0 0 Fixed(&[IrBuilder, I32, I32, WordArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-const-int-ex" "make a constant: int, of several words";
    IbNewConstFloat "@uvm.irbuilder.new_const_float" 0x319 0 0 0 Fixed(&[IrBuilder, I32, I32, Float]), [] [Writes] [BadBuilderNode] "irbuilder#new-const-float" "make a constant: float";
    IbNewConstDouble "@uvm.irbuilder.new_const_double" 0x31a 0 0 0 Fixed(&[IrBuilder, I32, I32, Double]), [] [Writes] [BadBuilderNode] "irbuilder#new-const-double" "make a constant: double";
    IbNewConstNull "@uvm.irbuilder.new_const_null" 0x31b 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-const-null" "make a constant: null";
    IbNewConstSeq "@uvm.irbuilder.new_const_seq" 0x31c 0 0 0 Fixed(&[IrBuilder, I32, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-const-seq" "make a constant: struct, array or vector";
    IbNewConstExtern "@uvm.irbuilder.new_const_extern" 0x31d 0 0 0 Fixed(&[IrBuilder, I32, I32, BytesRef]), [] [Reads Writes] [BadBuilderNode NullAccess ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-const-extern" "make a constant: address of an external symbol";
    IbNewGlobalCell "@uvm.irbuilder.new_global_cell" 0x31e 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-global-cell" "make a global cell";
    IbNewFunc "@uvm.irbuilder.new_func" 0x31f 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-func" "make a function";
    IbNewExpFunc "@uvm.irbuilder.new_exp_func" 0x320 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-exp-func" "make an exposed function";
    IbNewFuncVer "@uvm.irbuilder.new_func_ver" 0x321 0 0 0 Fixed(&[IrBuilder, I32, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-func-ver" "make a function version of basic blocks";
    IbNewBb "@uvm.irbuilder.new_bb" 0x322 0 0 0 Fixed(&[IrBuilder, I32, IdArray, IdArray, I64, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-bb" "make a basic block of instructions";
    IbNewDestClause "@uvm.irbuilder.new_dest_clause" 0x323 0 0 0 Fixed(&[IrBuilder, I32, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-dest-clause" "make a destination clause";
    IbNewExcClause "@uvm.irbuilder.new_exc_clause" 0x324 0 0 0 Fixed(&[IrBuilder, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-exc-clause" "make an exception clause";
    IbNewKeepaliveClause "@uvm.irbuilder.new_keepalive_clause" 0x325 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-keepalive-clause" "make a keep-alive clause";
    IbNewCscRetWith "@uvm.irbuilder.new_csc_ret_with" 0x326 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-csc-ret-with" "make the current-stack clause RET_WITH";
    IbNewCscKillOld "@uvm.irbuilder.new_csc_kill_old" 0x327 0 0 0 Fixed(&[IrBuilder, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-csc-kill-old" "make the current-stack clause KILL_OLD";
    IbNewNscPassValues "@uvm.irbuilder.new_nsc_pass_values" 0x328 0 0 0 Fixed(&[IrBuilder, I32, IdArray, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-nsc-pass-values" "make the new-stack clause PASS_VALUES";
    IbNewNscThrowExc "@uvm.irbuilder.new_nsc_throw_exc" 0x329 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-nsc-throw-exc" "make the new-stack clause THROW_EXC";
    IbNewBinop "@uvm.irbuilder.new_binop" 0x32a 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-binop" "make a binary operation";
    IbNewBinopWithStatus "@uvm.irbuilder.new_binop_with_status" 0x32b 0 0 0 Fixed(&[IrBuilder, I32, I32, IdArray, I64, I32, I32, I32, I32, I32, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-binop-with-status" "make a binary operation with status results";
    IbNewCmp "@uvm.irbuilder.new_cmp" 0x32c 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-cmp" "make a comparison";
    IbNewConv "@uvm.irbuilder.new_conv" 0x32d 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-conv" "make a conversion";
    IbNewSelect "@uvm.irbuilder.new_select" 0x32e 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-select" "make an instruction: SELECT";
    IbNewBranch "@uvm.irbuilder.new_branch" 0x32f 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-branch" "make an instruction: BRANCH";
    IbNewBranch2 "@uvm.irbuilder.new_branch2" 0x330 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-branch2" "make an instruction: BRANCH2";
    IbNewSwitch "@uvm.irbuilder.new_switch" 0x331 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, IdArray, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-switch" "make an instruction: SWITCH";
    IbNewCall "@uvm.irbuilder.new_call" 0x332 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64, I32, I32, IdArray, I64, I32, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-call" "make an instruction: CALL";
    IbNewTailcall "@uvm.irbuilder.new_tailcall" 0x333 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-tailcall" "make an instruction: TAILCALL";
    IbNewRet "@uvm.irbuilder.new_ret" 0x334 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-ret" "make an instruction: RET";
    IbNewThrow "@uvm.irbuilder.new_throw" 0x335 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-throw" "make an instruction: THROW";
    IbNewExtractvalue "@uvm.irbuilder.new_extractvalue" 0x336 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-extractvalue" "make an instruction: EXTRACTVALUE";
    IbNewInsertvalue "@uvm.irbuilder.new_insertvalue" 0x337 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-insertvalue" "make an instruction: INSERTVALUE";
    IbNewExtractelement "@uvm.irbuilder.new_extractelement" 0x338 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-extractelement" "make an instruction: EXTRACTELEMENT";
    IbNewInsertelement "@uvm.irbuilder.new_insertelement" 0x339 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-insertelement" "make an instruction: INSERTELEMENT";
    IbNewShufflevector "@uvm.irbuilder.new_shufflevector" 0x33a 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-shufflevector" "make an instruction: SHUFFLEVECTOR";
    IbNewNew "@uvm.irbuilder.new_new" 0x33b 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-new" "make an instruction: NEW";
    IbNewNewhybrid "@uvm.irbuilder.new_newhybrid" 0x33c 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-newhybrid" "make an instruction: NEWHYBRID";
    IbNewAlloca "@uvm.irbuilder.new_alloca" 0x33d 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-alloca" "make an instruction: ALLOCA";
    IbNewAllocahybrid "@uvm.irbuilder.new_allocahybrid" 0x33e 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-allocahybrid" "make an instruction: ALLOCAHYBRID";
    IbNewGetiref "@uvm.irbuilder.new_getiref" 0x33f 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-getiref" "make an instruction: GETIREF";
    IbNewGetfieldiref "@uvm.irbuilder.new_getfieldiref" 0x340 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-getfieldiref" "make an instruction: GETFIELDIREF";
    IbNewGetelemiref "@uvm.irbuilder.new_getelemiref" 0x341 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-getelemiref" "make an instruction: GETELEMIREF";
    IbNewShiftiref "@uvm.irbuilder.new_shiftiref" 0x342 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-shiftiref" "make an instruction: SHIFTIREF";
    IbNewGetvarpartiref "@uvm.irbuilder.new_getvarpartiref" 0x343 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-getvarpartiref" "make an instruction: GETVARPARTIREF";
    IbNewLoad "@uvm.irbuilder.new_load" 0x344 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-load" "make an instruction: LOAD";
    IbNewStore "@uvm.irbuilder.new_store" 0x345 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-store" "make an instruction: STORE";
    IbNewCmpxchg "@uvm.irbuilder.new_cmpxchg" 0x346 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-cmpxchg" "make an instruction: CMPXCHG";
    IbNewAtomicrmw "@uvm.irbuilder.new_atomicrmw" 0x347 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-atomicrmw" "make an instruction: ATOMICRMW";
    IbNewFence "@uvm.irbuilder.new_fence" 0x348 0 0 0 Fixed(&[IrBuilder, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-fence" "make an instruction: FENCE";
    IbNewTrap "@uvm.irbuilder.new_trap" 0x349 0 0 0 Fixed(&[IrBuilder, I32, IdArray, IdArray, I64, I32, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-trap" "make an instruction: TRAP";
    IbNewWatchpoint "@uvm.irbuilder.new_watchpoint" 0x34a 0 0 0 Fixed(&[IrBuilder, I32, I32, IdArray, IdArray, I64, I32, I32, I32, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-watchpoint" "make an instruction: WATCHPOINT";
    IbNewWpbranch "@uvm.irbuilder.new_wpbranch" 0x34b 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-wpbranch" "make an instruction: WPBRANCH";
    IbNewCcall "@uvm.irbuilder.new_ccall" 0x34c 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64, I32, I32, I32, I32, IdArray, I64, I32, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-ccall" "make an instruction: CCALL";
    IbNewNewthread "@uvm.irbuilder.new_newthread" 0x34d 0 0 0 Fixed(&[IrBuilder, I32, I32, I32, I32, I32, I32]), [] [Writes] [BadBuilderNode] "irbuilder#new-newthread" "make an instruction: NEWTHREAD";
    IbNewSwapstack "@uvm.irbuilder.new_swapstack" 0x34e 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64, I32, I32, I32, I32, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-swapstack" "make an instruction: SWAPSTACK";
    IbNewComminst "@uvm.irbuilder.new_comminst" 0x34f 0 0 0 Fixed(&[IrBuilder, I32, IdArray, I64, I32, IdArray, I64, IdArray, I64, IdArray, I64, IdArray, I64, I32, I32]), [] [Reads Writes] [BadBuilderNode ExpiredLocation WrongLocationType OutsideArray] "irbuilder#new-comminst" "make an instruction: COMMINST";
}
}

impl CommInst {
    /// Whether it may have an exception clause.
    pub fn may_have_exc(self) -> bool {
        self.effects().has(Effect::MayThrow)
    }

    /// Whether it always ends its basic block.
    pub fn terminates(self) -> bool {
        self.effects().has(Effect::Terminates)
    }

    /// Whether it is a function of the IR builder (`@uvm.irbuilder.*`).
    pub fn is_irbuilder(self) -> bool {
        matches!(self.family(), CommFamily::Builder(_))
    }
}
