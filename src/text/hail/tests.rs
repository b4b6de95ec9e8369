//! Tests of the HAIL parser.

use super::*;

fn read(text: &str) -> Script {
    let (script, diagnostics) = parse(text, SourceId(0));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    script
}

/// Codes and places of the errors of a text.
fn errors(text: &str) -> Vec<(u16, &str)> {
    let (_, diagnostics) = parse(text, SourceId(0));
    let place = |span: Span| &text[span.start as usize..span.end as usize];
    diagnostics.iter().map(|error| (error.code.number, place(error.primary.span))).collect()
}

/// The values of a script as one line.
fn show(script: &Script, at: usize) -> String {
    let place = |to: &LValue| {
        let indexes: String = to
            .indexes
            .iter()
            .map(|index| match index {
                IntExpr::Literal(number, _) => format!("[{number}]"),
                IntExpr::Const(name) => format!("[{}]", script.symbols.name(name.sym).unwrap()),
            })
            .collect();
        format!("{}{indexes}", script.symbols.name(to.name.sym).unwrap())
    };
    match &script.values[at].kind {
        RKind::Global(sym) | RKind::Hail(sym) => script.symbols.name(*sym).unwrap().into(),
        RKind::Int { negative, magnitude } => format!("{}{magnitude}", if *negative { "-" } else { "" }),
        RKind::Float(bits) => format!("f{}", f32::from_bits(*bits)),
        RKind::Double(bits) => format!("d{}", f64::from_bits(*bits)),
        RKind::Null => "NULL".into(),
        RKind::AddressOf(to) => format!("&{}", place(to)),
        RKind::Load(from) => format!("*{}", place(from)),
        RKind::List { .. } => {
            let members: Vec<_> = script.members(at).map(|member| show(script, member)).collect();
            format!("{{{}}}", members.join(" "))
        }
    }
}

#[test]
fn allocations() {
    let script = read(".new $a.b-1 <@T> // a comment\n.newhybrid $c <@H> 0x10 .newhybrid $d<@H>@N");
    let names: Vec<_> =
        script.allocs.iter().map(|alloc| script.symbols.name(alloc.name.sym).unwrap()).collect();
    assert_eq!(names, ["$a.b-1", "$c", "$d"]);
    assert!(script.allocs[0].length.is_none());
    assert!(matches!(script.allocs[1].length, Some(IntExpr::Literal(16, _))));
    assert!(matches!(script.allocs[2].length, Some(IntExpr::Const(_))));
}

#[test]
fn every_kind_of_value() {
    let text = "{1 -2 0x1f 010 1.5f -2e3d NULL @g $h &@g[0][@n] *$h {} {{}} nanf +infd bitsf(0x3f800000) {*@x {3}} 4}";
    let script = read(&format!(".init $h[1][@c] = {text} .init @g = 7"));
    let shown = "{1 -2 31 8 f1.5 d-2000 NULL @g $h &@g[0][@n] *$h {} {{}} fNaN dinf f1 {*@x {3}} 4}";
    assert_eq!(show(&script, script.inits[0].value), shown);
    assert_eq!(show(&script, script.inits[1].value), "7");
    assert_eq!(script.inits[0].to.indexes.len(), 2);
}

#[test]
fn nesting_has_no_limit() {
    let deep = format!(".init @g = {}{}", "{".repeat(200_000), "}".repeat(200_000));
    let script = read(&deep);
    assert_eq!(script.values.len(), 200_000);
    assert_eq!(script.members(0).count(), 1);
    let open = format!(".init @g = {}", "{".repeat(200_000));
    assert_eq!(errors(&open), [(1006, "")]);
}

#[test]
fn errors_are_reported_at_their_places() {
    assert_eq!(errors(".typedef @x = int<8>"), [(5001, ".typedef")]);
    assert_eq!(errors(".new @x <@T>"), [(1005, "@x")]);
    assert_eq!(errors(".new $x <int>"), [(1005, "int")]);
    assert_eq!(errors(".new $x <@T> 5"), [(1005, "5")]);
    assert_eq!(errors(".newhybrid $x <@T>"), [(1006, "")]);
    assert_eq!(errors(".newhybrid $x <@T> -1"), [(1021, "-1")]);
    assert_eq!(errors(".init @g 5"), [(1005, "5")]);
    assert_eq!(errors(".init @g = "), [(1006, "")]);
    assert_eq!(errors(".init @g = {1 } }"), [(1005, "}")]);
    assert_eq!(errors(".init @g = {1 .init @h = 2"), [(1005, ".init")]);
    assert_eq!(errors(".init @g[ = 2"), [(1005, "=")]);
    assert_eq!(errors(".init @g = EXTERN \"x\""), [(1005, "EXTERN")]);
    assert_eq!(errors(".init @g = 1.5"), [(1023, "1.5")]);
    assert_eq!(errors(".init @g = $"), [(1004, "$")]);
    assert_eq!(errors("x .new $x <@T>"), [(1005, "x")]);
}

#[test]
fn all_errors_are_reported() {
    let text = ".new x\n.init $a = {1 2 ?}\n.init @g = 1\n.bad\n.init @h 3\n";
    assert_eq!(errors(text), [(1005, "x"), (1001, "?"), (5001, ".bad"), (1005, "3")]);
    let (script, _) = parse(text, SourceId(0));
    assert_eq!(script.inits.len(), 2);
    let (_, diagnostics) = parse(&".bad\n".repeat(1000), SourceId(0));
    assert_eq!((diagnostics.len(), diagnostics[100].code.number), (101, 1031));
}
