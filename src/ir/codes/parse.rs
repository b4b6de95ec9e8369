//! `MU-E1xxx`: the text cannot be read.

crate::codes! {
    UNEXPECTED_CHARACTER = 1001, "a character that no token starts with",
        "Outside comments the text form uses ASCII letters, digits and the punctuation of the grammar only.";
}
