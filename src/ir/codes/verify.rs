//! `MU-E3xxx`: rules of the type system and of the instructions.

crate::codes! {
    INT_WIDTH = 3001, "an int of a width that does not exist",
        "int<n> exists for n = 1 to 64 and for 128.";
}
