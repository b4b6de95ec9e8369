use super::*;
use std::collections::BTreeSet;

#[test]
fn mnemonics_and_names_are_unique_and_found() {
    let mut seen = BTreeSet::new();
    for &op in Op::ALL {
        assert!(seen.insert(op.mnemonic()), "{} twice", op.mnemonic());
        assert_eq!(Op::from_mnemonic(op.mnemonic()), Some(op));
    }
    let mut last = 0;
    for &inst in CommInst::ALL {
        assert!(inst.id() > last, "{} is out of order", inst.name());
        last = inst.id();
        assert_eq!(CommInst::from_name(inst.name()), Some(inst));
        assert_eq!(CommInst::from_id(inst.id()), Some(inst));
    }
    assert_eq!(CommInst::from_name("@uvm.meta.cur_func_ver"), Some(CommInst::MetaCurFuncVer));
}

#[test]
fn operator_codes_are_unique() {
    let codes: Vec<u16> = Op::ALL.iter().map(|op| op.code()).filter(|&code| code != 0).collect();
    let distinct: BTreeSet<u16> = codes.iter().copied().collect();
    assert_eq!(codes.len(), distinct.len());
    assert_eq!(codes.len(), 18 + 26 + 12);
}

#[test]
fn forms_that_may_throw_say_so() {
    for &op in Op::ALL {
        let has_exc = op.form().parts().contains(&Part::Exc);
        let may_throw = op.effects().has(Effect::MayThrow);
        let exempt = matches!(op.form(), Form::BinOp | Form::Watchpoint);
        assert!(exempt || has_exc == may_throw, "{}", op.mnemonic());
        let keepalive = op.form().parts().contains(&Part::Keepalive);
        let osr = op.effects().has(Effect::OsrPoint);
        assert!(op == Op::CommInst || keepalive == osr, "{}", op.mnemonic());
    }
}
