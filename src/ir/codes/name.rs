//! `MU-E2xxx`: names and what they refer to.

crate::codes! {
    UNKNOWN_NAME = 2001, "a name that nothing defines",
        "Every name used in a bundle is defined in the same bundle or in one loaded before (uvm-ir, Identifiers and \
         Names). A local name %x stands for @function.version.block.x, so it only reaches its own basic block: pass \
         values to other blocks as arguments.";
    DUPLICATE_NAME = 2002, "a name is defined twice in one bundle",
        "Names are global in an instance. Local names expand to global ones (%x in block %b of version %v of @f is \
         @f.v.b.x), so two blocks may both have a %x but one block may not define %x twice.";
    NAME_TAKEN = 2003, "a name is already used by an earlier bundle",
        "A bundle must not define an entity whose name exists (uvm-ir, Bundle Loading). The exception is .funcdef, \
         which adds a version to an existing function; the version then needs a new name.";
    WRONG_KIND = 2004, "a name refers to another kind of entity than the place wants",
        "For example a function where a type is expected, or a type where a variable is expected.";
    OTHER_BLOCK = 2005, "a variable of another basic block",
        "Local variables do not live across basic blocks (instruction-set, SSA Variables). Pass the value as an \
         argument of the branch and receive it in a block parameter.";
    OTHER_FUNCTION = 2006, "a basic block or variable of another function version",
        "Branches stay inside a function version.";
    DECLARED_TWICE = 2007, "a function is declared or defined twice in one bundle",
        "One bundle holds at most one declaration or definition of a function (uvm-ir, Function Definition and \
         Declaration). Drop the .funcdecl where there is a .funcdef.";
    ALREADY_DECLARED = 2008, "a declaration of a function that exists",
        "A function that was declared or defined by an earlier bundle cannot be declared again; a .funcdef adds a \
         version to it.";
    UNKNOWN_COMM_INST = 2009, "a common instruction that does not exist",
        "See `mu explain COMMINST` for the list, and common-insts in the specification.";
    RESERVED_NAME = 2010, "a definition of a name that Mu predefines",
        "Names beginning with @uvm. belong to the micro VM.";
    USED_BEFORE_DEFINITION = 2011, "a variable is used before it is computed",
        "Within a basic block an instruction can only use parameters and the results of earlier instructions. The \
         results of an instruction with an exception clause exist only in its normal destination.";
}
