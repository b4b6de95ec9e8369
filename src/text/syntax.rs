//! The written form of an instruction as one line of grammar, for help texts and `mu explain`.

use mu_ir::table::{AngleArg, Effect, Op, Part, Rule};

/// The written form of an instruction, from the table: `LOAD [PTR] [ORDER] <T> v [EXC(dest dest)]`.
///
/// `T`, `sig`, `v` and `dest` stand for the name of a type, of a signature, of a variable, and for a destination
/// `%block(v …)`; what stands in brackets is optional; status flags and common instruction flags have brackets of
/// their own and are written `[#N …]`.
pub fn syntax(op: Op) -> String {
    let mut out = op.mnemonic().to_owned();
    for &part in op.form().parts() {
        // One form serves all binary operations; but only divisions may throw, and only integers have a status.
        let is_absent = match part {
            Part::Exc => !op.effects().has(Effect::MayThrow),
            Part::Status => op.rule() == Rule::FpBinOp,
            _ => false,
        };
        if is_absent {
            continue;
        }
        out.push(' ');
        out.push_str(&part_syntax(part));
    }
    out
}

fn part_syntax(part: Part) -> String {
    let text = match part {
        Part::Status => "[[#N #Z #C #V]]",
        Part::Ptr => "[PTR]",
        Part::Weak => "[WEAK]",
        Part::OrdOptional => "[ORDER]",
        Part::Ord | Part::OrdFail => "ORDER",
        Part::OrdAndRmw => "ORDER OPERATOR",
        Part::CallConv => "#DEFAULT",
        Part::Angle(args) => {
            let args: Vec<&str> = args
                .iter()
                .map(|arg| match arg {
                    AngleArg::Type => "T",
                    AngleArg::Sig => "sig",
                    AngleArg::Index => "index",
                })
                .collect();
            return format!("<{}>", args.join(" "));
        }
        Part::Arg => "v",
        Part::ArgList => "(v …)",
        Part::RetArgs => "(v …)",
        Part::Dest => "dest",
        Part::Cases => "{ @constant dest … }",
        Part::TypeList => "<T …>",
        Part::Wpid => "number",
        Part::WpExc => "[WPEXC(dest)]",
        Part::ThreadLocal => "[THREADLOCAL(v)]",
        Part::CurStack => "(RET_WITH <T …> | KILL_OLD)",
        Part::NewStack => "(PASS_VALUES <T …> (v …) | THROW_EXC v)",
        Part::Comm => "@name [[#FLAG …]] [<T …>] [<[sig …]>] [(v …)]",
        Part::Exc => "[EXC(dest dest)]",
        Part::Keepalive => "[KEEPALIVE(v …)]",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_come_from_the_table() {
        assert_eq!(syntax(Op::Load), "LOAD [PTR] [ORDER] <T> v [EXC(dest dest)]");
        assert_eq!(syntax(Op::GetFieldIRef), "GETFIELDIREF [PTR] <T index> v");
        assert_eq!(syntax(Op::Ret), "RET (v …)");
        assert_eq!(syntax(Op::Add), "ADD [[#N #Z #C #V]] <T> v v");
        assert_eq!(syntax(Op::SDiv), "SDIV [[#N #Z #C #V]] <T> v v [EXC(dest dest)]");
        assert_eq!(syntax(Op::FAdd), "FADD <T> v v");
    }
}
