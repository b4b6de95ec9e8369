//! Backtraces of Mu stacks: function, instruction and source line of each frame.

use crate::{Machine, Mu};
use mu_rt::stack::{FrameCursor, FrameState, StackRef};

/// What stands for the function of a native frame: all frames of native code between two Mu frames.
pub const NATIVE_FRAME: &str = "native code";

/// A frame of a backtrace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrameInfo {
    /// The function, or [`NATIVE_FRAME`].
    pub func: String,
    /// The version, unless the function is undefined.
    pub version: Option<String>,
    /// The instruction's global name, if it has one.
    pub inst: Option<String>,
    /// The basic block, and the instruction's position in it (from 0), unless the frame has never run.
    pub at: Option<(String, usize)>,
    /// The instruction's mnemonic.
    pub mnemonic: Option<&'static str>,
    /// Source name, line and column (from 1) of the instruction.
    pub place: Option<(String, u32, u32)>,
    /// The text of that line.
    pub line: Option<String>,
}

/// The frames of a stack, from the top. Of a deep stack only the ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backtrace {
    /// The frames at the top.
    pub top: Vec<FrameInfo>,
    /// How many frames are left out.
    pub omitted: u64,
    /// The frames at the bottom.
    pub bottom: Vec<FrameInfo>,
}

/// Frames shown at each end of a deep stack.
const END_FRAMES: usize = 10;

impl Mu {
    /// The frames of a stack that is not running.
    pub fn backtrace(&self, stack: StackRef) -> Backtrace {
        self.machine.backtrace(stack)
    }
}

impl Machine {
    /// The frames of a stack that nobody else changes.
    pub(crate) fn backtrace(&self, stack: StackRef) -> Backtrace {
        let mut trace = Backtrace::default();
        let Some(mut cursor) = FrameCursor::new(&self.rt.stacks, stack) else { return trace };
        let mut rest = std::collections::VecDeque::new();
        loop {
            if trace.top.len() < END_FRAMES {
                trace.top.push(self.frame_info(&cursor));
            } else {
                rest.push_back(cursor.clone());
                if rest.len() > END_FRAMES {
                    rest.pop_front();
                    trace.omitted += 1;
                }
            }
            if !cursor.next_frame() {
                break;
            }
        }
        trace.bottom = rest.iter().map(|cursor| self.frame_info(cursor)).collect();
        trace
    }

    fn frame_info(&self, cursor: &FrameCursor) -> FrameInfo {
        let program = &self.rt.program;
        let mut info = FrameInfo {
            func: "?".into(),
            version: None,
            inst: None,
            at: None,
            mnemonic: None,
            place: None,
            line: None,
        };
        let Some(place) = self.interp.place(cursor) else {
            if cursor.state() == FrameState::Native {
                info.func = NATIVE_FRAME.into();
            }
            return info;
        };
        info.func = program.display_name(program.funcs[place.func.index()].id);
        let Some(version) = place.version else { return info };
        let version = &program.func_vers[version.index()];
        info.version = Some(program.display_name(version.id));
        let Some((block, inst)) = place.inst else { return info };
        info.at = Some((program.display_name(version.blocks[block.index()].id), inst.index()));
        let inst = &version.blocks[block.index()].insts[inst.index()];
        info.inst = program.name_of(inst.name).map(str::to_owned);
        info.mnemonic = Some(inst.op.mnemonic());
        if let Some(source) = program.sources.get(inst.span.source.index()) {
            let (line, column) = source.line_col(inst.span.start);
            info.place = Some((source.name.clone(), line, column));
            info.line = source.text.lines().nth(line as usize - 1).map(|text| text.trim().to_owned());
        }
        info
    }
}
