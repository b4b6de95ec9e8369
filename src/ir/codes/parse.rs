//! `MU-E1xxx`: the text cannot be read.

crate::codes! {
    UNEXPECTED_CHARACTER = 1001, "a character that no token starts with",
        "Outside comments and strings the text form uses ASCII letters, digits and the punctuation of the grammar \
         only. Comments begin with // and end with the line; there are no /* */ comments.";
    UNTERMINATED_STRING = 1002, "a string that does not end on its line",
        "The name of an external symbol stands between two quotation marks on one line: EXTERN \"puts\".";
    BAD_ESCAPE = 1003, "an escape sequence that does not exist",
        "In strings a backslash begins an escape: \\\" is a quotation mark, \\\\ a backslash, and \\xHH the character \
         with this hexadecimal number (00 to 7f).";
    EMPTY_NAME = 1004, "a name without characters",
        "A name is @ (global) or % (local) and then at least one of 0-9 a-z A-Z _ - . (uvm-ir, Names).";
    UNEXPECTED_TOKEN = 1005, "a token that does not belong here",
        "The grammar wants something else at this place. `mu explain MNEMONIC` shows the written form of an \
         instruction.";
    UNEXPECTED_END = 1006, "the text ends within a definition",
        "Something is missing at the end of the text, often the } of a function body.";
    UNKNOWN_DEFINITION = 1007, "a top-level keyword that does not exist",
        "A bundle consists of .typedef, .funcsig, .const, .global, .funcdecl, .funcdef and .expose definitions \
         (uvm-ir, Top-level Structure).";
    UNKNOWN_INSTRUCTION = 1008, "an instruction that does not exist",
        "Mnemonics are written in capitals; instruction-set lists them. Common instructions are written with COMMINST \
         and their name.";
    UNKNOWN_TYPE_CONSTRUCTOR = 1009, "a type constructor that does not exist",
        "The type constructors are int, float, double, uptr, ufuncptr, struct, hybrid, array, vector, void, ref, iref, \
         weakref, tagref64, funcref, threadref, stackref, framecursorref and irbuilderref (type-system, Types and Type \
         Constructors). A typedef cannot name another type, only apply a constructor.";
    UNKNOWN_KEYWORD = 1010, "a memory order, operator or constant constructor that does not exist",
        "Memory orders are NOT_ATOMIC, RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL and SEQ_CST; ATOMICRMW has the \
         operators XCHG, ADD, SUB, AND, NAND, OR, XOR, MAX, MIN, UMAX and UMIN; constants are numbers, NULL, { … } or \
         EXTERN \"symbol\".";
    UNKNOWN_FLAG = 1011, "a flag that does not exist here",
        "The only calling convention is #DEFAULT. Binary operations take the status flags #N, #Z, #C and #V.";
    STATUS_ORDER = 1012, "status flags out of order or written twice",
        "The status results come in the order N, Z, C, V whatever is written, so the flags are written in that order, \
         each at most once.";
    INLINE_TYPE = 1013, "a type constructor where the name of a type is expected",
        "Types cannot be written inside other definitions (uvm-ir, Type Definition). Define the type with .typedef and \
         use its name: .typedef @i64 = int<64>, then <@i64>.";
    INLINE_SIGNATURE = 1014, "a signature where the name of a signature is expected",
        "Signatures cannot be written inside other definitions (uvm-ir, Function Signature Definition). Define it with \
         .funcsig and use its name.";
    LITERAL_OPERAND = 1015, "a literal where a variable is expected",
        "Operands are names of variables; a literal has no type of its own (uvm-ir, Constant Definition). Define the \
         constant with .const and use its name: .const @one <@i64> = 1.";
    LOCAL_NAME_HERE = 1016, "a local name where a global name is needed",
        "Local names (%) exist inside function definitions only, for versions, basic blocks, parameters, instructions \
         and results. Types, signatures, constants, global cells, functions and common instructions have global names \
         (@).";
    MISSING_VERSION = 1017, "a function definition without a version",
        "Each definition adds a version to its function and names it: .funcdef @f VERSION %v1 <@sig> { … } (uvm-ir, \
         Function Definition and Declaration).";
    MISSING_COLON = 1018, "a basic block header without its colon",
        "A block begins with its name, its parameters in parentheses, possibly an exception parameter in brackets, and \
         a colon: %loop(<@i64> %i): or %handler() [%exc]: (uvm-ir, Function Body).";
    OUTSIDE_BLOCK = 1019, "an instruction in front of the first basic block",
        "Every instruction belongs to a basic block. The first block of a function body is its entry block; its \
         parameters receive the arguments: %entry(<@i64> %n):.";
    BAD_INTEGER = 1020, "an integer literal that is not well formed",
        "An integer is an optional sign and decimal digits, 0 and octal digits, or 0x and hexadecimal digits. So 089 \
         is not a number: 0 begins an octal literal.";
    INTEGER_RANGE = 1021, "an integer literal that is too large for its place",
        "Integer constants have at most 128 bits; lengths and field indexes 64 bits, without a sign; the width of an \
         int and watchpoint ids 32 bits.";
    BAD_FLOAT = 1022, "a floating point literal that is not well formed",
        "A floating point literal is a decimal number with the suffix f (float) or d (double), as 1.0f or -2.5e10d; \
         or nanf, +inff, -infd; or the bits, bitsf(0x7fc00000) with at most 32 bits, bitsd(…) with at most 64.";
    MISSING_SUFFIX = 1023, "a floating point literal without a suffix",
        "The suffix says the format: f for float, d for double, as in 1.0f and 1.0d.";
    EMPTY_HYBRID = 1024, "a hybrid without a variable part",
        "The last type of hybrid<F1 F2 … V> is the element type of the variable part, so there is at least one \
         (type-system, Hybrid).";
    TYPED_ARGUMENT = 1025, "a type in front of an argument",
        "Arguments are names of variables, without types; only the parameters in the header of a basic block have \
         types. BRANCH %loop(%a %b), not BRANCH %loop(<@i64> %a <@i64> %b).";
    AFTER_INSTRUCTION = 1026, "something left over behind an instruction",
        "The instruction is complete, and what follows is neither an instruction nor the header of a basic block. \
         Clauses have a fixed order: EXC before KEEPALIVE; and not every instruction may have them.";
    UNCLOSED_BODY = 1027, "a function body that is not closed",
        "A top-level definition begins while the body of a function is still open: a } is missing in front of it.";
    BLOCK_WITHOUT_PARENTHESES = 1028, "a basic block header without parameter list",
        "Also a block without parameters is written with parentheses: %exit(): (uvm-ir, Function Body).";
    NAME_TOO_LONG = 1029, "a name, or all names together, are too long",
        "A name, with local names expanded, has at most 16384 bytes. All names of a bundle together have at most 64 bytes \
         for each byte of its text, but never less than 64 MiB nor more than 1 GiB.";
    TEXT_TOO_LONG = 1030, "a text of 4 GiB or more",
        "Places in texts are 32-bit numbers. Divide the bundle.";
    TOO_MANY_ERRORS = 1031, "too many errors to show them all",
        "Reading a text stops after 100 errors. Of the errors of a bundle that can be read, 200 are shown, and 1000 \
         warnings; the last line says how many there are besides. Mend some and try again.";
    FLOAT_RANGE = 1032, "a floating point literal beyond the range of its format",
        "The client must ensure that the number can be represented by the type (uvm-ir, Constant Definition). A number \
         that is not zero but rounds to zero is accepted. The lenient mode takes infinity, with a warning.";
}
