//! Listings: the code of a function in Intel syntax, with the maps of its safepoints and the Mu instructions it comes from.

use super::map::Compiled;
use crate::ssa::print::ty_name;
use crate::x64::emit::KeptAt;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use std::fmt::Write;

/// A listing. Addresses are offsets from the entry, so equal code gives equal text.
pub fn listing(compiled: &Compiled, bytes: &[u8]) -> String {
    let mut out = String::new();
    let code = &bytes[..compiled.code_bytes as usize];
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_branch_leading_zeros(false);
    let mut sources = compiled.sources.iter().peekable();
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let offset = instruction.ip() as u32;
        while let Some((_, source)) = sources.next_if(|(start, _)| *start <= offset) {
            if let Some((block, inst)) = compiled.places.get(*source as usize) {
                let _ = writeln!(out, "                ; block {block}, instruction {inst}");
            }
        }
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let _ = writeln!(out, "{offset:8x}:  {text}");
        let next = instruction.next_ip() as u32;
        if let Some(safepoint) = compiled.safepoints.iter().find(|safepoint| safepoint.offset == next) {
            let slots: Vec<String> = safepoint
                .slots
                .iter()
                .map(|(offset, ty)| format!("[rbp{offset:+}] {}", ty_name(*ty)))
                .collect();
            let kept: Vec<String> = safepoint
                .kept
                .iter()
                .map(|kept| match kept {
                    KeptAt::Slot(offset, ty) => format!("[rbp{offset:+}] {}", ty_name(*ty)),
                    KeptAt::Const(bits, ty) => format!("{bits:#x} {}", ty_name(*ty)),
                })
                .collect();
            let kept = if kept.is_empty() { String::new() } else { format!(", keeps ({})", kept.join(", ")) };
            let landing =
                safepoint.landing.map_or(String::new(), |landing| format!(", exception to {landing:x}"));
            let _ = writeln!(out, "                ; map {{{}}}{kept}{landing}", slots.join(", "));
        }
    }
    out
}
