//! Jumps: short where the target is known to be near, else long, patched when all labels are known.

use super::Emit;
use crate::x64::inst::{Cc, MBlock, Test};

impl Emit<'_> {
    pub(super) fn jump(&mut self, to: MBlock) {
        let to = self.forward[to as usize];
        match self.near(to, 2) {
            Some(distance) => self.raw(&[0xeb, distance as u8]),
            None if self.is_near_ahead(to) => {
                self.raw(&[0xeb, 0]);
                self.short_fixups.push((self.offset() - 1, to));
            }
            None => {
                self.raw(&[0xe9, 0, 0, 0, 0]);
                self.fixups.push((self.offset() - 4, to));
            }
        }
    }

    pub(super) fn jump_if(&mut self, cc: Cc, to: MBlock) {
        let to = self.forward[to as usize];
        match self.near(to, 2) {
            Some(distance) => self.raw(&[0x70 + cc as u8, distance as u8]),
            None if self.is_near_ahead(to) => {
                self.raw(&[0x70 + cc as u8, 0]);
                self.short_fixups.push((self.offset() - 1, to));
            }
            None => {
                self.raw(&[0x0f, 0x80 + cc as u8, 0, 0, 0, 0]);
                self.fixups.push((self.offset() - 4, to));
            }
        }
    }

    /// The distance to a block that was emitted already and is near enough for a short jump of `length` bytes.
    pub(super) fn near(&self, to: MBlock, length: u32) -> Option<i8> {
        let target = self.labels[to as usize]?;
        i8::try_from(i64::from(target) - i64::from(self.offset() + length)).ok()
    }

    /// Whether a block that is not emitted yet will be near: counted from the beginning of this block, as far as is known.
    pub(super) fn is_near_ahead(&self, to: MBlock) -> bool {
        let Some(before) = self.before else { return false };
        let (Some(target), Some(block), Some(now)) =
            (before[to as usize], before[self.block as usize], self.labels[self.block as usize])
        else {
            return false;
        };
        let inside = i64::from(self.offset() - now);
        self.labels[to as usize].is_none() && i64::from(target) - i64::from(block) - inside < 120
    }

    /// A short jump forward inside an instruction's own code; see [`Emit::land`].
    pub(super) fn skip_if(&mut self, cc: Cc) -> u32 {
        self.raw(&[0x70 + cc as u8, 0]);
        self.offset()
    }

    pub(super) fn skip(&mut self) -> u32 {
        self.raw(&[0xeb, 0]);
        self.offset()
    }

    pub(super) fn land(&mut self, skip: u32) {
        let distance = self.offset() - skip;
        debug_assert!(distance < 128);
        self.out.bytes[skip as usize - 1] = distance as u8;
    }

    pub(super) fn branch(&mut self, test: Test, then: MBlock, other: MBlock) {
        let (then, other) = (self.forward[then as usize], self.forward[other as usize]);
        if then == other {
            return self.jump_unless_next(then);
        }
        let (test, then, other) =
            if then == self.next { (test.negate(), other, then) } else { (test, then, other) };
        match test {
            Test::One(cc) => self.jump_if(cc, then),
            Test::Either(a, b) => {
                self.jump_if(a, then);
                self.jump_if(b, then);
            }
            Test::Both(a, b) => {
                self.jump_if(a.negate(), other);
                self.jump_if(b, then);
            }
        }
        self.jump_unless_next(other);
    }

    pub(super) fn jump_unless_next(&mut self, to: MBlock) {
        if self.forward[to as usize] != self.next {
            self.jump(to);
        }
    }
}
