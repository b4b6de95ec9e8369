//! `MU-E6xxx`: misuse of the IR builder.

crate::codes! {
    MISSING_ID = 6001, "no id where one must be",
        "The id 0 (MU_NO_ID) stands for `none` where a parameter is optional: exception, keep-alive and WPEXC clauses, \
         the thread-local of NEWTHREAD, the exception parameter of a basic block. Everywhere else an id that gen_sym gave, or the id of an entity of an earlier bundle, \
         is wanted.";
    UNKNOWN_ID = 6002, "an id that stands for nothing",
        "A reference is an id of this builder, or that of an entity of a bundle that has been loaded. An id that \
         another builder has generated stands for nothing until that builder has loaded its bundle, and for nothing \
         for ever when it was aborted.";
    NEVER_BUILT = 6003, "an id that was generated and used, but nothing was built under it",
        "References may come before what they refer to, but when the bundle is loaded every id that is used must have \
         been given to a function that makes a node, a parameter or a result.";
    BUILT_TWICE = 6004, "an id that two things were built under",
        "Every node, parameter and result has an id of its own: call gen_sym for each.";
    NOT_GENERATED = 6005, "something was built under an id that this builder did not generate",
        "New things are built under ids that gen_sym of the same builder gave. The ids of earlier bundles and of other \
         builders can be referred to, not defined.";
    WRONG_ROLE = 6006, "a node in a place that wants another kind of node",
        "For example a destination clause where an exception clause is expected, or a basic block in the list of \
         instructions. Types, signatures, constants, variables and functions in the wrong place are reported as \
         MU-E2004.";
    PLACED_TWICE = 6007, "a node that is in two places",
        "An instruction belongs to one basic block and a basic block to one function version. (Clauses may serve \
         several instructions.)";
    NOT_PLACED = 6008, "a node that is in no place",
        "Instructions are put into basic blocks by new_bb, basic blocks into function versions by new_func_ver, and \
         clauses are handed to instructions. A node that was made and is used nowhere is a mistake of the client.";
    BAD_NUMBER = 6009, "a number that stands for no operator, order, flag or common instruction",
        "The numbers are those of the client interface: MU_BINOP_ADD is 0x01, and so on. `mu explain ADD` shows them.";
    LENGTHS_DIFFER = 6010, "two lists that belong together have different lengths",
        "The parameters of a basic block and their types, the cases of a SWITCH and their destinations come in two \
         lists of one length.";
    BAD_SYMBOL_NAME = 6011, "a name that cannot be one",
        "A name begins with @ and goes on with letters, digits, `_`, `-` and `.` (uvm-ir, Identifiers and Names). The \
         interface knows global names only: a local variable %x in block %b of version %v of @f is @f.v.b.x. External \
         symbols are texts in UTF-8.";
    TOO_WIDE = 6012, "an integer constant of more than 128 bits",
        "new_const_int_ex takes 64-bit words, the least significant first. Words beyond the width of the type must \
         repeat the sign or be zero.";
    OTHER_INSTANCE = 6013, "a builder of another instance",
        "A builder belongs to the instance that made it: its ids mean nothing elsewhere.";
}
