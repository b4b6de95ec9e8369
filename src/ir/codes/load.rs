//! `MU-E4xxx`: loading and linking.

crate::codes! {
    UNRESOLVED_SYMBOL = 4001, "an external symbol that is not found",
        "A constant `EXTERN \"name\"` is bound when its bundle loads: to a symbol of the process (libc and libm are \
         there) or of a library given with --lib.";
    REDEFINITION_SIGNATURE = 4002, "a new version with another signature than its function",
        "A .funcdef of an existing function adds a version; it must be written with the function's signature.";
    NO_MEMORY_FOR_GLOBAL = 4003, "a global cell that does not fit in memory",
        "Global cells are allocated when their bundle loads. The type of this one is larger than the memory an \
         instance sets aside for them.";
    NOT_EXPOSED = 4004, "a function that cannot be exposed",
        "Exposing makes machine code that native code can call. The calling convention must be able to pass every \
         parameter and result of the function, and there must be memory for the code.";
}
