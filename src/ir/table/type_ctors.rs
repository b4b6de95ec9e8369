//! The type constructor rows (type-system).

/// A type constructor.
#[derive(Debug)]
pub struct TypeCtorRow {
    /// The keyword of the text form.
    pub keyword: &'static str,
    /// Other keywords that are read but never printed.
    pub also: &'static [&'static str],
    /// The parameters in angle brackets, empty if there are none.
    pub params: &'static str,
    /// Where the specification defines it.
    pub anchor: &'static str,
    /// What the type is, in one line.
    pub meaning: &'static str,
}

macro_rules! rows {
    ($($keyword:literal [$($also:literal)*] $params:literal $anchor:literal $meaning:literal;)*) => {
        /// Every type constructor.
        pub const TYPE_CTORS: &[TypeCtorRow] = &[$(TypeCtorRow {
            keyword: $keyword,
            also: &[$($also),*],
            params: $params,
            anchor: concat!("type-system#", $anchor),
            meaning: $meaning,
        }),*];
    };
}

rows! {
    "int" [] "<n>" "integer-types" "integer of n bits, 1 to 64 or 128; neutral to signedness";
    "float" [] "" "floating-point-types" "IEEE 754 single precision";
    "double" [] "" "floating-point-types" "IEEE 754 double precision";
    "uptr" [] "<T>" "pointer-types" "untraced pointer to native data of a native-safe type";
    "ufuncptr" [] "<sig>" "pointer-types" "untraced pointer to a native function";
    "struct" [] "<T1 T2 …>" "struct" "fields of several types; at least one";
    "hybrid" [] "<F1 F2 … V>" "hybrid" "fixed fields followed by a variable number of elements; only in memory";
    "array" [] "<T n>" "array" "n elements of one type; at least one";
    "vector" [] "<T n>" "vector-type" "n elements for element-wise operations; at least one";
    "void" [] "" "void-type" "no value; the type of empty allocation units";
    "ref" [] "<T>" "reference-types" "reference to an object in the heap";
    "iref" [] "<T>" "reference-types" "internal reference to a memory location";
    "weakref" [] "<T>" "reference-types" "reference that does not keep its object alive; only in memory";
    "tagref64" [] "" "tagged-reference" "double, int<52>, or ref<void> with an int<6>, in 64 bits";
    "funcref" [] "<sig>" "function-reference-type" "reference to a Mu function";
    "threadref" [] "" "other-opaque-reference-types" "reference to a thread";
    "stackref" [] "" "other-opaque-reference-types" "reference to a stack";
    "framecursorref" [] "" "other-opaque-reference-types" "reference to a frame cursor";
    "irbuilderref" ["irnoderef"] "" "other-opaque-reference-types" "reference to an IR builder";
}
