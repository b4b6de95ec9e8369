//! The common instruction rows (common-insts, and the 2017 interface for the native block and the IR builder).
//!
//! ```text
//! Variant "@name" id  T S F  Params  [results]  [effects]  [UB]  Expose "anchor" "meaning"
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
    /// `irbuilderref`
    IrBuilder,
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
    /// An `irbuilderref`, then what the builder function of the same name takes.
    Builder,
}

/// When and where a common instruction can be executed by the tiers of today.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expose {
    /// Executed.
    Now,
    /// Known to parser, printer and verifier; executing it yields the outcome Unsupported.
    Later,
}

macro_rules! mu_comm_insts {
    ($($variant:ident $name:literal $id:literal $types:literal $sigs:literal $flags:literal
       $params:expr, [$($result:ident)*] [$($effect:ident)*] [$($ub:ident)*] $expose:ident
       $anchor:literal $meaning:literal;)*) => {
        /// A common instruction.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum CommInst { $(#[doc = $meaning] $variant = $id),* }

        impl CommInst {
            /// Every common instruction, by id.
            pub const ALL: &'static [CommInst] = &[$(CommInst::$variant),*];
            /// Its name, with `@`.
            pub const fn name(self) -> &'static str { match self { $(CommInst::$variant => $name),* } }
            /// Its id.
            pub const fn id(self) -> u32 { self as u32 }
            /// The common instruction of a name; `@uvm.meta.cur_func_ver` is read too.
            pub fn from_name(name: &str) -> Option<CommInst> {
                match name {
                    $($name => Some(CommInst::$variant),)*
                    "@uvm.meta.cur_func_ver" => Some(CommInst::MetaCurFuncVer),
                    _ => None,
                }
            }
            /// The common instruction of an id.
            pub fn from_id(id: u32) -> Option<CommInst> {
                match id { $($id => Some(CommInst::$variant),)* _ => None }
            }
            /// Number of type arguments.
            pub const fn type_args(self) -> usize { match self { $(CommInst::$variant => $types),* } }
            /// Number of signature arguments.
            pub const fn sig_args(self) -> usize { match self { $(CommInst::$variant => $sigs),* } }
            /// Number of flags.
            pub const fn flags(self) -> usize { match self { $(CommInst::$variant => $flags),* } }
            /// Parameters.
            pub const fn params(self) -> CommParams { match self { $(CommInst::$variant => $params),* } }
            /// Results.
            pub const fn results(self) -> &'static [Ct] { match self { $(CommInst::$variant => &[$(Ct::$result),*]),* } }
            /// What it does besides computing results.
            pub const fn effects(self) -> Effects {
                match self { $(CommInst::$variant => const { Effects::of(&[$(Effect::$effect),*]) }),* }
            }
            /// The undefined behaviours it can meet.
            pub const fn undefined_behaviours(self) -> &'static [Ub] {
                match self { $(CommInst::$variant => &[$(Ub::$ub),*]),* }
            }
            /// Whether the tiers execute it today.
            pub const fn expose(self) -> Expose { match self { $(CommInst::$variant => Expose::$expose),* } }
            /// Where the specification defines it.
            pub const fn anchor(self) -> &'static str { match self { $(CommInst::$variant => $anchor),* } }
            /// What it does, in one line.
            pub const fn meaning(self) -> &'static str { match self { $(CommInst::$variant => $meaning),* } }
        }
    };
}

use CommParams::{Builder, Fixed};
use Ct::*;

mu_comm_insts! {
    NewStack       "@uvm.new_stack"       0x201 0 1 0 Fixed(&[FuncRefOfSig]), [StackRef] [Allocates MayThrow Safepoint] [CreationFailed BadCallee] Now "common-insts#thread-and-stack-operations" "make a stack whose bottom frame is a function";
    KillStack      "@uvm.kill_stack"      0x202 0 0 0 Fixed(&[StackRef]), [] [Writes] [BadKill OpenCursor] Now "common-insts#thread-and-stack-operations" "destroy a stack";
    ThreadExit     "@uvm.thread_exit"     0x203 0 0 0 Fixed(&[]), [] [Terminates] [] Now "common-insts#thread-and-stack-operations" "end the thread and its stack";
    CurrentStack   "@uvm.current_stack"   0x204 0 0 0 Fixed(&[]), [StackRef] [Reads] [] Now "common-insts#thread-and-stack-operations" "the stack this thread is bound to";
    SetThreadlocal "@uvm.set_threadlocal" 0x205 0 0 0 Fixed(&[RefVoid]), [] [Writes] [] Now "common-insts#thread-and-stack-operations" "set the thread-local reference";
    GetThreadlocal "@uvm.get_threadlocal" 0x206 0 0 0 Fixed(&[]), [RefVoid] [Reads] [] Now "common-insts#thread-and-stack-operations" "the thread-local reference";

    Tr64IsFp    "@uvm.tr64.is_fp"    0x211 0 0 0 Fixed(&[TagRef64]), [I1] [] [] Now "common-insts#64-bit-tagged-reference" "whether a tagref64 holds a double";
    Tr64IsInt   "@uvm.tr64.is_int"   0x212 0 0 0 Fixed(&[TagRef64]), [I1] [] [] Now "common-insts#64-bit-tagged-reference" "whether a tagref64 holds an integer";
    Tr64IsRef   "@uvm.tr64.is_ref"   0x213 0 0 0 Fixed(&[TagRef64]), [I1] [] [] Now "common-insts#64-bit-tagged-reference" "whether a tagref64 holds a reference";
    Tr64FromFp  "@uvm.tr64.from_fp"  0x214 0 0 0 Fixed(&[Double]), [TagRef64] [] [] Now "common-insts#64-bit-tagged-reference" "a tagref64 of a double";
    Tr64FromInt "@uvm.tr64.from_int" 0x215 0 0 0 Fixed(&[I52]), [TagRef64] [] [] Now "common-insts#64-bit-tagged-reference" "a tagref64 of an integer";
    Tr64FromRef "@uvm.tr64.from_ref" 0x216 0 0 0 Fixed(&[RefVoid, I6]), [TagRef64] [] [] Now "common-insts#64-bit-tagged-reference" "a tagref64 of a reference and a tag";
    Tr64ToFp    "@uvm.tr64.to_fp"    0x217 0 0 0 Fixed(&[TagRef64]), [Double] [] [WrongTagrefState] Now "common-insts#64-bit-tagged-reference" "the double in a tagref64";
    Tr64ToInt   "@uvm.tr64.to_int"   0x218 0 0 0 Fixed(&[TagRef64]), [I52] [] [WrongTagrefState] Now "common-insts#64-bit-tagged-reference" "the integer in a tagref64";
    Tr64ToRef   "@uvm.tr64.to_ref"   0x219 0 0 0 Fixed(&[TagRef64]), [RefVoid] [] [WrongTagrefState] Now "common-insts#64-bit-tagged-reference" "the reference in a tagref64";
    Tr64ToTag   "@uvm.tr64.to_tag"   0x21a 0 0 0 Fixed(&[TagRef64]), [I6] [] [WrongTagrefState] Now "common-insts#64-bit-tagged-reference" "the tag beside the reference in a tagref64";

    FutexWait        "@uvm.futex.wait"         0x220 1 0 0 Fixed(&[IRefOfTypeArg, TypeArg]), [I32] [Reads Safepoint Orders] [NullAccess ExpiredLocation WrongLocationType] Now "common-insts#wait" "sleep until woken, if the location holds the value";
    FutexWaitTimeout "@uvm.futex.wait_timeout" 0x221 1 0 0 Fixed(&[IRefOfTypeArg, TypeArg, I64]), [I32] [Reads Safepoint Orders] [NullAccess ExpiredLocation WrongLocationType] Now "common-insts#wait" "sleep until woken or until nanoseconds have passed";
    FutexWake        "@uvm.futex.wake"         0x222 1 0 0 Fixed(&[IRefOfTypeArg, I32]), [I32] [Orders] [NullAccess ExpiredLocation WrongLocationType NegativeWake] Now "common-insts#wake" "wake threads that sleep at a location";
    FutexCmpRequeue  "@uvm.futex.cmp_requeue"  0x223 1 0 0 Fixed(&[IRefOfTypeArg, IRefOfTypeArg, TypeArg, I32]), [I32] [Reads Orders] [NullAccess ExpiredLocation WrongLocationType NegativeWake] Now "common-insts#requeue" "wake some threads and move the others to another location";

    KillDependency "@uvm.kill_dependency" 0x230 1 0 0 Fixed(&[TypeArg]), [TypeArg] [] [] Now "common-insts#miscellaneous-instructions" "the same value without its memory dependency";

    NativePin       "@uvm.native.pin"        0x240 1 0 0 Fixed(&[TypeArg]), [PtrOfReferent] [Writes] [] Now "common-insts#object-pinning" "pin an object and give its address";
    NativeUnpin     "@uvm.native.unpin"      0x241 1 0 0 Fixed(&[TypeArg]), [] [Writes] [UnmatchedUnpin] Now "common-insts#object-pinning" "undo one pin";
    NativeGetAddr   "@uvm.native.get_addr"   0x242 1 0 0 Fixed(&[TypeArg]), [PtrOfReferent] [] [] Now "native-interface#object-pinning" "the address of a pinned object or a global cell";
    NativeExpose    "@uvm.native.expose"     0x243 0 1 1 Fixed(&[FuncRefOfSig, I64]), [Exposed] [Allocates] [BadCallee] Later "common-insts#mu-function-exposing" "make a function callable by native code";
    NativeUnexpose  "@uvm.native.unexpose"   0x244 0 0 1 Fixed(&[Exposed]), [] [Writes] [] Later "common-insts#mu-function-exposing" "undo an expose";
    NativeGetCookie "@uvm.native.get_cookie" 0x245 0 0 0 Fixed(&[]), [I64] [Reads] [] Later "common-insts#mu-function-exposing" "the cookie of the exposed value that was called";

    MetaIdOf              "@uvm.meta.id_of"              0x250 0 0 0 Fixed(&[BytesRef]), [I32] [Reads] [UnknownId ExpiredLocation WrongLocationType OutsideArray] Now "common-insts#id-name-conversion" "the id of a name";
    MetaNameOf            "@uvm.meta.name_of"            0x251 0 0 0 Fixed(&[I32]), [BytesRef] [Reads Allocates Safepoint] [UnknownId AllocationFailed] Now "common-insts#id-name-conversion" "the name of an id";
    MetaLoadBundle        "@uvm.meta.load_bundle"        0x252 0 0 0 Fixed(&[BytesRef]), [] [Reads Writes Safepoint] [BadBundle NullAccess ExpiredLocation WrongLocationType OutsideArray] Now "common-insts#bundle-hail-loading" "load a bundle";
    MetaLoadHail          "@uvm.meta.load_hail"          0x253 0 0 0 Fixed(&[BytesRef]), [] [Reads Writes Allocates Safepoint] [BadBundle NullAccess ExpiredLocation WrongLocationType OutsideArray] Now "common-insts#bundle-hail-loading" "load a HAIL script";
    MetaNewCursor         "@uvm.meta.new_cursor"         0x254 0 0 0 Fixed(&[StackRef]), [FrameCursor] [Reads Allocates] [BadIntrospection] Now "common-insts#stack-introspection" "a cursor on the top frame of a stack";
    MetaNextFrame         "@uvm.meta.next_frame"         0x255 0 0 0 Fixed(&[FrameCursor]), [] [Writes] [BelowBottom ClosedCursor] Now "common-insts#stack-introspection" "move a cursor to the frame below";
    MetaCopyCursor        "@uvm.meta.copy_cursor"        0x256 0 0 0 Fixed(&[FrameCursor]), [FrameCursor] [Reads Allocates] [ClosedCursor] Now "common-insts#stack-introspection" "another cursor on the same frame";
    MetaCloseCursor       "@uvm.meta.close_cursor"       0x257 0 0 0 Fixed(&[FrameCursor]), [] [Writes] [ClosedCursor] Now "common-insts#stack-introspection" "end a cursor";
    MetaCurFunc           "@uvm.meta.cur_func"           0x258 0 0 0 Fixed(&[FrameCursor]), [I32] [Reads] [ClosedCursor] Now "common-insts#stack-introspection" "id of the frame's function";
    MetaCurFuncVer        "@uvm.meta.cur_func_Ver"       0x259 0 0 0 Fixed(&[FrameCursor]), [I32] [Reads] [ClosedCursor] Now "common-insts#stack-introspection" "id of the frame's function version";
    MetaCurInst           "@uvm.meta.cur_inst"           0x25a 0 0 0 Fixed(&[FrameCursor]), [I32] [Reads] [ClosedCursor] Now "common-insts#stack-introspection" "id of the frame's current instruction";
    MetaDumpKeepalives    "@uvm.meta.dump_keepalives"    0x25b 0 0 0 Fixed(&[FrameCursor]), [RefsRef] [Reads Allocates Safepoint] [ClosedCursor AllocationFailed] Now "common-insts#stack-introspection" "values of the keep-alive variables, boxed";
    MetaPopFramesTo       "@uvm.meta.pop_frames_to"      0x25c 0 0 0 Fixed(&[FrameCursor]), [] [Writes] [ClosedCursor CursorFramePopped BadIntrospection] Now "common-insts#on-stack-replacement" "pop all frames above a cursor";
    MetaPushFrame         "@uvm.meta.push_frame"         0x25d 0 1 0 Fixed(&[StackRef, FuncRefOfSig]), [] [Writes] [BadIntrospection BadCallee StackOverflow] Now "common-insts#on-stack-replacement" "push a frame of a function";
    MetaEnableWatchpoint  "@uvm.meta.enable_watchpoint"  0x25e 0 0 0 Fixed(&[I32]), [] [Writes Safepoint] [UnknownWatchpoint] Now "common-insts#watchpoint-operations" "enable all watchpoints of an id";
    MetaDisableWatchpoint "@uvm.meta.disable_watchpoint" 0x25f 0 0 0 Fixed(&[I32]), [] [Writes Safepoint] [UnknownWatchpoint] Now "common-insts#watchpoint-operations" "disable all watchpoints of an id";
    MetaSetTrapHandler    "@uvm.meta.set_trap_handler"   0x260 0 0 0 Fixed(&[TrapHandler, RefVoid]), [] [Writes] [BadCallee] Now "common-insts#trap-handling" "make a Mu function the trap handler";

    IbNewIrBuilder "@uvm.irbuilder.new_ir_builder" 0x270 0 0 0 Fixed(&[]), [IrBuilder] [Allocates] [BadBuilderNode] Later "irbuilder#new-ir-builder" "make an IR builder";
    IbLoad "@uvm.irbuilder.load" 0x300 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#load" "load the bundle being built";
    IbAbort "@uvm.irbuilder.abort" 0x301 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#abort" "give up the bundle being built";
    IbGenSym "@uvm.irbuilder.gen_sym" 0x302 0 0 0 Builder, [I32] [Writes] [BadBuilderNode] Later "irbuilder#gen-sym" "reserve an id, optionally with a name";
    IbNewTypeInt "@uvm.irbuilder.new_type_int" 0x303 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-int" "add a type: type int";
    IbNewTypeFloat "@uvm.irbuilder.new_type_float" 0x304 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-float" "add a type: type float";
    IbNewTypeDouble "@uvm.irbuilder.new_type_double" 0x305 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-double" "add a type: type double";
    IbNewTypeUptr "@uvm.irbuilder.new_type_uptr" 0x306 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-uptr" "add a type: type uptr";
    IbNewTypeUfuncptr "@uvm.irbuilder.new_type_ufuncptr" 0x307 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-ufuncptr" "add a type: type ufuncptr";
    IbNewTypeStruct "@uvm.irbuilder.new_type_struct" 0x308 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-struct" "add a type: type struct";
    IbNewTypeHybrid "@uvm.irbuilder.new_type_hybrid" 0x309 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-hybrid" "add a type: type hybrid";
    IbNewTypeArray "@uvm.irbuilder.new_type_array" 0x30a 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-array" "add a type: type array";
    IbNewTypeVector "@uvm.irbuilder.new_type_vector" 0x30b 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-vector" "add a type: type vector";
    IbNewTypeVoid "@uvm.irbuilder.new_type_void" 0x30c 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-void" "add a type: type void";
    IbNewTypeRef "@uvm.irbuilder.new_type_ref" 0x30d 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-ref" "add a type: type ref";
    IbNewTypeIref "@uvm.irbuilder.new_type_iref" 0x30e 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-iref" "add a type: type iref";
    IbNewTypeWeakref "@uvm.irbuilder.new_type_weakref" 0x30f 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-weakref" "add a type: type weakref";
    IbNewTypeFuncref "@uvm.irbuilder.new_type_funcref" 0x310 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-funcref" "add a type: type funcref";
    IbNewTypeTagref64 "@uvm.irbuilder.new_type_tagref64" 0x311 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-tagref64" "add a type: type tagref64";
    IbNewTypeThreadref "@uvm.irbuilder.new_type_threadref" 0x312 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-threadref" "add a type: type threadref";
    IbNewTypeStackref "@uvm.irbuilder.new_type_stackref" 0x313 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-stackref" "add a type: type stackref";
    IbNewTypeFramecursorref "@uvm.irbuilder.new_type_framecursorref" 0x314 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-framecursorref" "add a type: type framecursorref";
    IbNewTypeIrbuilderref "@uvm.irbuilder.new_type_irbuilderref" 0x315 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-type-irbuilderref" "add a type: type irbuilderref";
    IbNewFuncsig "@uvm.irbuilder.new_funcsig" 0x316 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-funcsig" "add a node: funcsig";
    IbNewConstInt "@uvm.irbuilder.new_const_int" 0x317 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-const-int" "add a constant: const int";
    IbNewConstIntEx "@uvm.irbuilder.new_const_int_ex" 0x318 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-const-int-ex" "add a constant: const int ex";
    IbNewConstFloat "@uvm.irbuilder.new_const_float" 0x319 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-const-float" "add a constant: const float";
    IbNewConstDouble "@uvm.irbuilder.new_const_double" 0x31a 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-const-double" "add a constant: const double";
    IbNewConstNull "@uvm.irbuilder.new_const_null" 0x31b 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-const-null" "add a constant: const null";
    IbNewConstSeq "@uvm.irbuilder.new_const_seq" 0x31c 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-const-seq" "add a constant: const seq";
    IbNewConstExtern "@uvm.irbuilder.new_const_extern" 0x31d 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-const-extern" "add a constant: const extern";
    IbNewGlobalCell "@uvm.irbuilder.new_global_cell" 0x31e 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-global-cell" "add a node: global cell";
    IbNewFunc "@uvm.irbuilder.new_func" 0x31f 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-func" "add a node: func";
    IbNewExpFunc "@uvm.irbuilder.new_exp_func" 0x320 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-exp-func" "add a node: exp func";
    IbNewFuncVer "@uvm.irbuilder.new_func_ver" 0x321 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-func-ver" "add a node: func ver";
    IbNewBb "@uvm.irbuilder.new_bb" 0x322 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-bb" "add a node: bb";
    IbNewDestClause "@uvm.irbuilder.new_dest_clause" 0x323 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-dest-clause" "add a node: dest clause";
    IbNewExcClause "@uvm.irbuilder.new_exc_clause" 0x324 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-exc-clause" "add a node: exc clause";
    IbNewKeepaliveClause "@uvm.irbuilder.new_keepalive_clause" 0x325 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-keepalive-clause" "add a node: keepalive clause";
    IbNewCscRetWith "@uvm.irbuilder.new_csc_ret_with" 0x326 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-csc-ret-with" "add a node: csc ret with";
    IbNewCscKillOld "@uvm.irbuilder.new_csc_kill_old" 0x327 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-csc-kill-old" "add a node: csc kill old";
    IbNewNscPassValues "@uvm.irbuilder.new_nsc_pass_values" 0x328 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-nsc-pass-values" "add a node: nsc pass values";
    IbNewNscThrowExc "@uvm.irbuilder.new_nsc_throw_exc" 0x329 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-nsc-throw-exc" "add a node: nsc throw exc";
    IbNewBinop "@uvm.irbuilder.new_binop" 0x32a 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-binop" "add a node: binop";
    IbNewBinopWithStatus "@uvm.irbuilder.new_binop_with_status" 0x32b 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-binop-with-status" "add a node: binop with status";
    IbNewCmp "@uvm.irbuilder.new_cmp" 0x32c 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-cmp" "add a node: cmp";
    IbNewConv "@uvm.irbuilder.new_conv" 0x32d 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-conv" "add a node: conv";
    IbNewSelect "@uvm.irbuilder.new_select" 0x32e 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-select" "add a node: select";
    IbNewBranch "@uvm.irbuilder.new_branch" 0x32f 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-branch" "add a node: branch";
    IbNewBranch2 "@uvm.irbuilder.new_branch2" 0x330 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-branch2" "add a node: branch2";
    IbNewSwitch "@uvm.irbuilder.new_switch" 0x331 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-switch" "add a node: switch";
    IbNewCall "@uvm.irbuilder.new_call" 0x332 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-call" "add a node: call";
    IbNewTailcall "@uvm.irbuilder.new_tailcall" 0x333 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-tailcall" "add a node: tailcall";
    IbNewRet "@uvm.irbuilder.new_ret" 0x334 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-ret" "add a node: ret";
    IbNewThrow "@uvm.irbuilder.new_throw" 0x335 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-throw" "add a node: throw";
    IbNewExtractvalue "@uvm.irbuilder.new_extractvalue" 0x336 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-extractvalue" "add a node: extractvalue";
    IbNewInsertvalue "@uvm.irbuilder.new_insertvalue" 0x337 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-insertvalue" "add a node: insertvalue";
    IbNewExtractelement "@uvm.irbuilder.new_extractelement" 0x338 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-extractelement" "add a node: extractelement";
    IbNewInsertelement "@uvm.irbuilder.new_insertelement" 0x339 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-insertelement" "add a node: insertelement";
    IbNewShufflevector "@uvm.irbuilder.new_shufflevector" 0x33a 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-shufflevector" "add a node: shufflevector";
    IbNewNew "@uvm.irbuilder.new_new" 0x33b 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-new" "add a node: new";
    IbNewNewhybrid "@uvm.irbuilder.new_newhybrid" 0x33c 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-newhybrid" "add a node: newhybrid";
    IbNewAlloca "@uvm.irbuilder.new_alloca" 0x33d 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-alloca" "add a node: alloca";
    IbNewAllocahybrid "@uvm.irbuilder.new_allocahybrid" 0x33e 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-allocahybrid" "add a node: allocahybrid";
    IbNewGetiref "@uvm.irbuilder.new_getiref" 0x33f 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-getiref" "add a node: getiref";
    IbNewGetfieldiref "@uvm.irbuilder.new_getfieldiref" 0x340 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-getfieldiref" "add a node: getfieldiref";
    IbNewGetelemiref "@uvm.irbuilder.new_getelemiref" 0x341 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-getelemiref" "add a node: getelemiref";
    IbNewShiftiref "@uvm.irbuilder.new_shiftiref" 0x342 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-shiftiref" "add a node: shiftiref";
    IbNewGetvarpartiref "@uvm.irbuilder.new_getvarpartiref" 0x343 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-getvarpartiref" "add a node: getvarpartiref";
    IbNewLoad "@uvm.irbuilder.new_load" 0x344 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-load" "add a node: load";
    IbNewStore "@uvm.irbuilder.new_store" 0x345 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-store" "add a node: store";
    IbNewCmpxchg "@uvm.irbuilder.new_cmpxchg" 0x346 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-cmpxchg" "add a node: cmpxchg";
    IbNewAtomicrmw "@uvm.irbuilder.new_atomicrmw" 0x347 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-atomicrmw" "add a node: atomicrmw";
    IbNewFence "@uvm.irbuilder.new_fence" 0x348 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-fence" "add a node: fence";
    IbNewTrap "@uvm.irbuilder.new_trap" 0x349 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-trap" "add a node: trap";
    IbNewWatchpoint "@uvm.irbuilder.new_watchpoint" 0x34a 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-watchpoint" "add a node: watchpoint";
    IbNewWpbranch "@uvm.irbuilder.new_wpbranch" 0x34b 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-wpbranch" "add a node: wpbranch";
    IbNewCcall "@uvm.irbuilder.new_ccall" 0x34c 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-ccall" "add a node: ccall";
    IbNewNewthread "@uvm.irbuilder.new_newthread" 0x34d 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-newthread" "add a node: newthread";
    IbNewSwapstack "@uvm.irbuilder.new_swapstack" 0x34e 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-swapstack" "add a node: swapstack";
    IbNewComminst "@uvm.irbuilder.new_comminst" 0x34f 0 0 0 Builder, [] [Writes] [BadBuilderNode] Later "irbuilder#new-comminst" "add a node: comminst";
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

    /// Whether it may have a keep-alive clause: only OSR points may, and no common instruction is one.
    pub fn may_have_keepalive(self) -> bool {
        self.effects().has(Effect::OsrPoint)
    }
}
