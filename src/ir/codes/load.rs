//! `MU-E4xxx`: loading and linking.

crate::codes! {
    UNRESOLVED_SYMBOL = 4001, "an external symbol that is not found",
        "A constant `EXTERN \"name\"` is bound when its bundle loads: to a symbol of the process (libc and libm are \
         there) or of a library given with --lib.";
    REDEFINITION_SIGNATURE = 4002, "a new version with another signature than its function",
        "A .funcdef of an existing function adds a version; it must be written with the function's signature.";
}
