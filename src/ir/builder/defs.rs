//! Calls that make types, signatures, constants, global cells, functions, function versions, basic blocks and clauses.
//!
//! Every method is the function of the same name of the interface: the id of the new node, then its parts in the same
//! order; an array and its length are one slice.

use super::IrBuilder;
use super::node::{BlockNode, ConstValue, Node};
use super::numbers::CallConvNo;
use crate::codes::builder as code;
use crate::ids::MuId;
use crate::table::CallConv;
use crate::types::{Signature, TypeCtor};

/// Types and signatures (type-system).
impl IrBuilder {
    fn new_type(&mut self, id: MuId, ctor: TypeCtor<MuId, MuId>) {
        self.add(id, Node::Type(ctor));
    }

    /// `int<len>`
    pub fn new_type_int(&mut self, id: MuId, len: u32) {
        self.new_type(id, TypeCtor::Int(len));
    }

    /// `float`
    pub fn new_type_float(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::Float);
    }

    /// `double`
    pub fn new_type_double(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::Double);
    }

    /// `uptr<ty>`
    pub fn new_type_uptr(&mut self, id: MuId, ty: MuId) {
        self.new_type(id, TypeCtor::UPtr(ty));
    }

    /// `ufuncptr<sig>`
    pub fn new_type_ufuncptr(&mut self, id: MuId, sig: MuId) {
        self.new_type(id, TypeCtor::UFuncPtr(sig));
    }

    /// `struct<fieldtys>`
    pub fn new_type_struct(&mut self, id: MuId, fieldtys: &[MuId]) {
        self.new_type(id, TypeCtor::Struct(fieldtys.into()));
    }

    /// `hybrid<fixedtys varty>`
    pub fn new_type_hybrid(&mut self, id: MuId, fixedtys: &[MuId], varty: MuId) {
        self.new_type(id, TypeCtor::Hybrid { fixed: fixedtys.into(), var: varty });
    }

    /// `array<elemty len>`
    pub fn new_type_array(&mut self, id: MuId, elemty: MuId, len: u64) {
        self.new_type(id, TypeCtor::Array(elemty, len));
    }

    /// `vector<elemty len>`
    pub fn new_type_vector(&mut self, id: MuId, elemty: MuId, len: u64) {
        self.new_type(id, TypeCtor::Vector(elemty, len));
    }

    /// `void`
    pub fn new_type_void(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::Void);
    }

    /// `ref<ty>`
    pub fn new_type_ref(&mut self, id: MuId, ty: MuId) {
        self.new_type(id, TypeCtor::Ref(ty));
    }

    /// `iref<ty>`
    pub fn new_type_iref(&mut self, id: MuId, ty: MuId) {
        self.new_type(id, TypeCtor::IRef(ty));
    }

    /// `weakref<ty>`
    pub fn new_type_weakref(&mut self, id: MuId, ty: MuId) {
        self.new_type(id, TypeCtor::WeakRef(ty));
    }

    /// `funcref<sig>`
    pub fn new_type_funcref(&mut self, id: MuId, sig: MuId) {
        self.new_type(id, TypeCtor::FuncRef(sig));
    }

    /// `tagref64`
    pub fn new_type_tagref64(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::TagRef64);
    }

    /// `threadref`
    pub fn new_type_threadref(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::ThreadRef);
    }

    /// `stackref`
    pub fn new_type_stackref(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::StackRef);
    }

    /// `framecursorref`
    pub fn new_type_framecursorref(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::FrameCursorRef);
    }

    /// `irbuilderref`
    pub fn new_type_irbuilderref(&mut self, id: MuId) {
        self.new_type(id, TypeCtor::IrBuilderRef);
    }

    /// A function signature, `(paramtys) -> (rettys)`.
    pub fn new_funcsig(&mut self, id: MuId, paramtys: &[MuId], rettys: &[MuId]) {
        self.add(id, Node::Sig(Signature { params: paramtys.into(), rets: rettys.into() }));
    }
}

/// Constants and other global variables (uvm-ir).
impl IrBuilder {
    /// A constant of `int<n>` with n up to 64, `uptr` or `ufuncptr`. A negative number is sign-extended to 64 bits.
    pub fn new_const_int(&mut self, id: MuId, ty: MuId, value: u64) {
        self.new_const_int_ex(id, ty, &[value]);
    }

    /// A constant of any `int<n>`: 64-bit words, the least significant first; words left out are 0. Words beyond the
    /// width of the type must be 0, or repeat the sign.
    pub fn new_const_int_ex(&mut self, id: MuId, ty: MuId, values: &[u64]) {
        self.add(id, Node::Const { ty, value: ConstValue::Int(values.into()) });
    }

    /// A constant of type `float`.
    pub fn new_const_float(&mut self, id: MuId, ty: MuId, value: f32) {
        self.add(id, Node::Const { ty, value: ConstValue::Float(value.to_bits()) });
    }

    /// A constant of type `double`.
    pub fn new_const_double(&mut self, id: MuId, ty: MuId, value: f64) {
        self.add(id, Node::Const { ty, value: ConstValue::Double(value.to_bits()) });
    }

    /// The NULL of a general reference type.
    pub fn new_const_null(&mut self, id: MuId, ty: MuId) {
        self.add(id, Node::Const { ty, value: ConstValue::Null });
    }

    /// A constant of a struct, array or vector type, of global variables.
    pub fn new_const_seq(&mut self, id: MuId, ty: MuId, elems: &[MuId]) {
        self.add(id, Node::Const { ty, value: ConstValue::List(elems.into()) });
    }

    /// The address of an external symbol, as a `uptr` or `ufuncptr`. It is looked up when the bundle is loaded.
    pub fn new_const_extern(&mut self, id: MuId, ty: MuId, symbol: &str) {
        self.add(id, Node::Const { ty, value: ConstValue::Extern(symbol.into()) });
    }

    /// A global cell for a `ty`.
    pub fn new_global_cell(&mut self, id: MuId, ty: MuId) {
        self.add(id, Node::Global { ty });
    }

    /// A function; it is undefined unless a version of it is built, too.
    pub fn new_func(&mut self, id: MuId, sig: MuId) {
        self.add(id, Node::Func { sig });
    }

    /// An exposed function; the cookie is a constant of type `int<64>`.
    pub fn new_exp_func(&mut self, id: MuId, func: MuId, callconv: impl Into<CallConvNo>, cookie: MuId) {
        let callconv = self.callconv(id, callconv.into());
        self.add(id, Node::Expose { func, callconv, cookie });
    }

    pub(super) fn callconv(&mut self, id: MuId, callconv: CallConvNo) -> CallConv {
        self.number(id, callconv.0, callconv.meaning(), CallConvNo::WHAT, CallConv::Default)
    }
}

/// Function versions, basic blocks and clauses.
impl IrBuilder {
    /// A version of a function of this bundle or of an earlier one; the first block is the entry block.
    pub fn new_func_ver(&mut self, id: MuId, func: MuId, bbs: &[MuId]) {
        self.add(id, Node::FuncVer { func, blocks: bbs.into() });
    }

    /// A basic block with its parameters.
    pub fn new_bb(
        &mut self,
        id: MuId,
        nor_param_ids: &[MuId],
        nor_param_types: &[MuId],
        exc_param_id: Option<MuId>,
        insts: &[MuId],
    ) {
        if nor_param_ids.len() != nor_param_types.len() {
            let (ids, types) = (nor_param_ids.len(), nor_param_types.len());
            self.misuse(
                code::LENGTHS_DIFFER,
                id,
                format!("a block has {ids} parameters, but {types} types for them"),
            );
        }
        let params = nor_param_ids.iter().copied().zip(nor_param_types.iter().copied()).collect();
        let block = BlockNode { params, exc_param: given(exc_param_id), insts: insts.into() };
        self.add(id, Node::Block(Box::new(block)));
    }

    /// A destination clause, `dest(vars)`.
    pub fn new_dest_clause(&mut self, id: MuId, dest: MuId, vars: &[MuId]) {
        self.add(id, Node::Dest { block: dest, args: vars.into() });
    }

    /// An exception clause of two destination clauses, `EXC(nor exc)`.
    pub fn new_exc_clause(&mut self, id: MuId, nor: MuId, exc: MuId) {
        self.add(id, Node::Exc { nor, exc });
    }

    /// `KEEPALIVE(vars)`
    pub fn new_keepalive_clause(&mut self, id: MuId, vars: &[MuId]) {
        self.add(id, Node::Keepalive(vars.into()));
    }

    /// The current-stack clause `RET_WITH <rettys>`.
    pub fn new_csc_ret_with(&mut self, id: MuId, rettys: &[MuId]) {
        self.add(id, Node::RetWith(rettys.into()));
    }

    /// The current-stack clause `KILL_OLD`.
    pub fn new_csc_kill_old(&mut self, id: MuId) {
        self.add(id, Node::KillOld);
    }

    /// The new-stack clause `PASS_VALUES <tys> (vars)`.
    pub fn new_nsc_pass_values(&mut self, id: MuId, tys: &[MuId], vars: &[MuId]) {
        self.add(id, Node::PassValues { types: tys.into(), vars: vars.into() });
    }

    /// The new-stack clause `THROW_EXC exc`.
    pub fn new_nsc_throw_exc(&mut self, id: MuId, exc: MuId) {
        self.add(id, Node::ThrowExc(exc));
    }
}

/// An optional id: 0 is none, too.
pub(super) fn given(id: Option<MuId>) -> Option<MuId> {
    id.filter(|&id| id != MuId::NONE)
}
