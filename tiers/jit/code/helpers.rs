//! Pure operations that compiled code calls instead of containing: thin C functions over `mu_ir::semantics`.
//!
//! They take and give machine words by the C convention (an `i128` in two registers), need little stack, and can meet no
//! safepoint, so no map is needed at their calls.

use crate::ssa::Helper;
use mu_ir::semantics::{conv, float, int};

extern "C" fn frem32(a: f32, b: f32) -> f32 {
    float::frem(a, b)
}

extern "C" fn frem64(a: f64, b: f64) -> f64 {
    float::frem(a, b)
}

extern "C" fn ui_to_f32(a: u64) -> f32 {
    conv::uitofp(64, a)
}

extern "C" fn ui_to_f64(a: u64) -> f64 {
    conv::uitofp(64, a)
}

extern "C" fn f64_to_ui(a: f64) -> u64 {
    conv::fptoui(64, a)
}

extern "C" fn wide_udiv(a: u128, b: u128) -> u128 {
    int::wide::udiv(a, b).unwrap_or(0)
}

extern "C" fn wide_urem(a: u128, b: u128) -> u128 {
    int::wide::urem(a, b).unwrap_or(0)
}

extern "C" fn wide_sdiv(a: u128, b: u128) -> u128 {
    int::wide::sdiv(a, b).unwrap_or(0)
}

extern "C" fn wide_srem(a: u128, b: u128) -> u128 {
    int::wide::srem(a, b).unwrap_or(0)
}

extern "C" fn wide_shl(a: u128, b: u128) -> u128 {
    int::wide::shl(a, b)
}

extern "C" fn wide_lshr(a: u128, b: u128) -> u128 {
    int::wide::lshr(a, b)
}

extern "C" fn wide_ashr(a: u128, b: u128) -> u128 {
    int::wide::ashr(a, b)
}

extern "C" fn wide_ui_to_f32(a: u128) -> f32 {
    conv::wide::uitofp(a)
}

extern "C" fn wide_ui_to_f64(a: u128) -> f64 {
    conv::wide::uitofp(a)
}

extern "C" fn wide_si_to_f32(a: u128) -> f32 {
    conv::wide::sitofp(a)
}

extern "C" fn wide_si_to_f64(a: u128) -> f64 {
    conv::wide::sitofp(a)
}

extern "C" fn wide_f64_to_ui(a: f64) -> u128 {
    conv::wide::fptoui(a)
}

extern "C" fn wide_f64_to_si(a: f64) -> u128 {
    conv::wide::fptosi(a)
}

/// The address of a helper.
pub fn address(helper: Helper) -> u64 {
    let pointer: *const () = match helper {
        Helper::FRem32 => frem32 as *const (),
        Helper::FRem64 => frem64 as *const (),
        Helper::UiToF32 => ui_to_f32 as *const (),
        Helper::UiToF64 => ui_to_f64 as *const (),
        Helper::F64ToUi => f64_to_ui as *const (),
        Helper::WideUDiv => wide_udiv as *const (),
        Helper::WideURem => wide_urem as *const (),
        Helper::WideSDiv => wide_sdiv as *const (),
        Helper::WideSRem => wide_srem as *const (),
        Helper::WideShl => wide_shl as *const (),
        Helper::WideLShr => wide_lshr as *const (),
        Helper::WideAShr => wide_ashr as *const (),
        Helper::WideUiToF32 => wide_ui_to_f32 as *const (),
        Helper::WideUiToF64 => wide_ui_to_f64 as *const (),
        Helper::WideSiToF32 => wide_si_to_f32 as *const (),
        Helper::WideSiToF64 => wide_si_to_f64 as *const (),
        Helper::WideF64ToUi => wide_f64_to_ui as *const (),
        Helper::WideF64ToSi => wide_f64_to_si as *const (),
    };
    pointer.expose_provenance() as u64
}
