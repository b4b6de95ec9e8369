//! `MU-E3xxx`: rules of the type system and of the instructions.
//!
//! `30xx` top-level definitions and function bodies, `31xx` instructions, `32xx` native calls and common instructions.

crate::codes! {
    // ---- types
    INT_WIDTH = 3001, "an int of a width that does not exist",
        "int<n> exists for n = 1 to 64 and for 128.";
    EMPTY_STRUCT = 3002, "a struct without fields",
        "A struct has at least one field (type-system, Struct). To allocate something that holds nothing, use void.";
    ZERO_LENGTH = 3003, "an array or vector without elements",
        "Arrays and vectors have at least one element (type-system, Array, Vector Type). A sequence whose length is \
         only known at run time is the variable part of a hybrid.";
    VOID_MEMBER = 3004, "void inside another type",
        "void holds no value, so it cannot be a field or an element (type-system, Void Type). It can be the type of a \
         whole allocation unit and the referent of references and pointers.";
    NESTED_HYBRID = 3005, "a hybrid inside another type",
        "The length of a hybrid is chosen when it is allocated, so nothing can contain one (type-system, Hybrid). \
         Store a ref to the hybrid instead.";
    INFINITE_TYPE = 3006, "a type that contains itself",
        "A struct, array, vector or hybrid that is its own component would be infinitely large (type-system, Struct). \
         Put a ref, iref or uptr in between.";
    UPTR_REFERENT = 3007, "a uptr to data that native code cannot hold",
        "uptr<T> needs a native-safe T: void, int, float, double, pointers, and composites of them (type-system, \
         Types and Type Constructors). References are managed by the collector and have no meaning outside Mu.";
    UFUNCPTR_SIG = 3008, "a ufuncptr whose signature has types that native code cannot hold",
        "All parameter and return types of the signature of a ufuncptr are native-safe: void, int, float, double, \
         pointers, and composites of them (type-system, Types and Type Constructors).";
    NOT_A_VARIABLE_TYPE = 3010, "a variable cannot have this type",
        "void has no values, a hybrid has no fixed length, and a weakref exists only in memory; types with a weakref \
         inside stay in memory too (type-system, Struct, Hybrid, Reference Types). So none of them can be the type of \
         a parameter, a return value or a result. Pass a ref or iref to the data.";

    // ---- constants, globals, exposed functions
    CONST_INT_TYPE = 3020, "an integer literal for a type that is neither int nor a pointer",
        "Integer literals make constants of int, uptr and ufuncptr types (uvm-ir, Constant Definition). Floating \
         point literals end in f or d.";
    CONST_INT_RANGE = 3021, "an integer literal that does not fit its type",
        "The literal must be a value of the type read as signed or as unsigned: for int<8> that is -128 to 255; \
         pointers have 64 bits (uvm-ir, Constant Definition).";
    CONST_FP_TYPE = 3022, "a floating point literal for another type",
        "Literals that end in f (also bitsf) make constants of type float, those that end in d (also bitsd) of type \
         double.";
    CONST_NULL_TYPE = 3023, "NULL for a type that has no NULL constant",
        "NULL is a value of the reference types and opaque reference types; a weakref cannot be a constant because no \
         variable can hold one (uvm-ir, Constant Definition). The null pointer of uptr and ufuncptr is written 0.";
    CONST_LIST_TYPE = 3024, "a list of members for a type without members",
        "{ … } makes constants of struct, array and vector types. A hybrid cannot be a constant.";
    CONST_LIST_LENGTH = 3025, "a constant with too few or too many members",
        "A list constructor names one global variable for each field or element (uvm-ir, Constant Definition).";
    CONST_MEMBER_TYPE = 3026, "a member of a constant has another type than its field",
        "Each member of a list constructor has exactly the type of the field or element it stands for. A global cell \
         counts as an iref, a function as a funcref, an exposed function as a ufuncptr.";
    CONST_RECURSIVE = 3027, "a constant that contains itself",
        "The members of a constant are values, so a constant cannot be among them, not even indirectly (uvm-ir, \
         Constant Definition).";
    CONST_EXTERN_TYPE = 3028, "EXTERN for a type that is not a pointer",
        "An external symbol is an address: the constant has a uptr or ufuncptr type.";
    GLOBAL_HYBRID = 3030, "a global cell of hybrid type",
        "A hybrid gets its length when it is allocated, and .global has no place to say it. Make a global cell of type \
         ref<hybrid> and store a new object into it.";
    NATIVE_SIG = 3031, "a signature that the C calling convention does not have",
        "With #DEFAULT, parameters and return values are native-safe, no array is passed by value (wrap it in a \
         struct), and there is at most one return value (native-interface-x64-unix, The Default Calling Convention).";
    EXPOSE_COOKIE = 3032, "a cookie that is not an int<64> constant",
        "The cookie of .expose is a constant of type int<64> (uvm-ir, Function Exposing Definition).";

    // ---- function bodies
    NO_BLOCKS = 3040, "a function version without a basic block",
        "Execution begins in the entry block, the first of the body (uvm-ir, Function Body). To define a function \
         without a body use .funcdecl.";
    ENTRY_PARAMS = 3041, "the entry block's parameters differ from the signature",
        "The entry block receives the arguments of the call: it has exactly the parameters of the function's \
         signature, in order (uvm-ir, Function Body).";
    ENTRY_EXC_PARAM = 3042, "an entry block with an exception parameter",
        "Nothing branches to the entry block, so it cannot receive an exception (uvm-ir, Function Body).";
    ENTRY_BRANCHED = 3043, "a branch to the entry block",
        "The entry block is executed once per call (instruction-set, TAILCALL). Add a block after it and branch to \
         that.";
    EMPTY_BLOCK = 3044, "a basic block without instructions",
        "Every basic block ends with a terminator (uvm-ir, Function Body).";
    NO_TERMINATOR = 3045, "a basic block that does not end with a terminator",
        "The last instruction of a basic block says where to go: BRANCH, BRANCH2, SWITCH, WPBRANCH, WATCHPOINT, RET, \
         THROW, TAILCALL, SWAPSTACK with KILL_OLD, @uvm.thread_exit, or any instruction with an exception clause \
         (uvm-ir, Function Body). Control does not fall through into the next block.";
    AFTER_TERMINATOR = 3046, "an instruction after the terminator",
        "A terminator ends its basic block; an instruction with an exception clause is one too. Begin a new block \
         after it.";
    EXC_PARAM_NORMAL = 3047, "a normal branch to a block with an exception parameter",
        "A block with an exception parameter is only an exceptional destination, otherwise the parameter would have \
         no value (uvm-ir, Function Body).";
    EXC_PARAM_NO_CATCH = 3048, "an exception parameter where no exception arrives",
        "The exceptional destination of a division, an allocation or a memory access is taken for an error that is \
         not an exception object. Only CALL, CCALL, TRAP, WATCHPOINT, SWAPSTACK, NEWTHREAD and @uvm.new_stack may go \
         to a block with an exception parameter (uvm-ir, Function Body).";
    DEST_ARG_COUNT = 3049, "too few or too many arguments for a basic block",
        "A destination clause passes one argument for each normal parameter of the block; the exception parameter is \
         filled in by Mu (instruction-set, Destination Clause).";
    DEST_ARG_TYPE = 3050, "an argument has another type than the block's parameter",
        "The arguments of a destination clause have the types of the block's parameters (instruction-set, Destination \
         Clause).";

    // ---- all instructions
    RESULT_COUNT = 3100, "the wrong number of results",
        "As many results are named as the instruction yields (uvm-ir, Function Body). An instruction without results \
         is written without = ; several results are written (%a %b) = ….";
    OPERAND_TYPE = 3101, "an operand of the wrong type",
        "Nothing is converted silently: operands have exactly the types that the type arguments of the instruction \
         say. Types are compared by how they are built, not by name.";
    ARG_COUNT = 3102, "the wrong number of arguments",
        "A call passes one argument for each parameter of the signature; PASS_VALUES one value for each type.";
    EXC_NOT_ALLOWED = 3103, "an exception clause on an instruction that cannot continue exceptionally",
        "Among the binary operations only SDIV, SREM, UDIV and UREM may have EXC, among the common instructions only \
         @uvm.new_stack (instruction-set, Binary Operations, COMMINST Instruction).";
    KEEPALIVE_NOT_ALLOWED = 3104, "a keep-alive clause on an instruction where no frame stops",
        "Keep-alive variables can be read while a frame is paused at the instruction, so only OSR points have them: \
         CALL, CCALL, TRAP, WATCHPOINT, SWAPSTACK (instruction-set, Keep-alive Clause).";
    KEEPALIVE_GLOBAL = 3105, "a global variable in a keep-alive clause",
        "Keep-alive clauses list local variables (instruction-set, Keep-alive Clause). Global variables are always \
         there.";
    MALFORMED = 3106, "an instruction that lacks parts of its form",
        "The number of types, operands or destinations is not what the form of the instruction has. The text form \
         cannot express this; a program that builds bundles through the API can.";

    // ---- arithmetic, comparison, conversion, selection
    INT_OP_TYPE = 3110, "an integer operation on another type",
        "ADD SUB MUL SDIV SREM UDIV UREM SHL LSHR ASHR AND OR XOR work on int and on vectors of int \
         (instruction-set, Binary Operations). For float and double there are FADD FSUB FMUL FDIV FREM.";
    FP_OP_TYPE = 3111, "a floating point operation on another type",
        "FADD FSUB FMUL FDIV FREM work on float, double and vectors of them (instruction-set, Binary Operations).";
    STATUS_FP = 3112, "status flags on a floating point operation",
        "#N #Z #C #V describe integer results.";
    STATUS_VECTOR = 3113, "status flags on a vector operation",
        "Status results are single int<1> values, so the operation must be on a single int.";
    STATUS_CARRY = 3114, "the flags #C and #V on an operation that has no carry or overflow",
        "#C and #V exist for ADD, SUB and MUL; the other integer operations have #N and #Z.";
    EQ_TYPE = 3120, "EQ or NE on a type without equality",
        "EQ and NE compare int, pointers, ref, iref and opaque references, and vectors of them (type-system, \
         EQ-comparable types). Floating point numbers are compared with FOEQ and its family; a struct field by field.";
    INT_CMP_TYPE = 3121, "a signed comparison of another type than int",
        "SGE SGT SLE SLT compare int and vectors of int. Floating point numbers are compared with FOGT and its \
         family.";
    ULT_TYPE = 3122, "an unsigned comparison of a type without order",
        "UGE UGT ULE ULT compare int, pointers and iref, and vectors of them (type-system, ULT-comparable types).";
    FP_CMP_TYPE = 3123, "a floating point comparison of another type",
        "The comparisons that begin with F compare float, double and vectors of them (instruction-set, Comparison).";
    CONV_LENGTHS = 3130, "a conversion between vectors of different lengths",
        "A vector is converted element by element into a vector of as many elements; a single value into a single \
         value (instruction-set, Conversion).";
    INT_CONV_TYPES = 3131, "TRUNC, ZEXT or SEXT between other types than int",
        "TRUNC, ZEXT and SEXT convert int to int (instruction-set, Conversion). Floating point types have FPTRUNC and \
         FPEXT, pointers PTRCAST.";
    TRUNC_WIDTH = 3132, "TRUNC to a type that is not shorter",
        "TRUNC keeps the low bits; the result has fewer bits than the operand. To widen use ZEXT or SEXT.";
    EXT_WIDTH = 3133, "ZEXT or SEXT to a type that is not longer",
        "The result of ZEXT and SEXT has more bits than the operand. To shorten use TRUNC.";
    FP_CONV_TYPES = 3134, "FPTRUNC or FPEXT between other types than double and float",
        "FPTRUNC converts double to float and FPEXT float to double (instruction-set, Conversion).";
    FP_TO_INT_TYPES = 3135, "FPTOUI or FPTOSI between other types",
        "FPTOUI and FPTOSI convert from float or double to int (instruction-set, Conversion).";
    INT_TO_FP_TYPES = 3136, "UITOFP or SITOFP between other types",
        "UITOFP and SITOFP convert from int to float or double (instruction-set, Conversion).";
    BITCAST_TYPES = 3137, "BITCAST between other types than int and a floating point type",
        "BITCAST converts between int and a floating point type (instruction-set, Conversion). References have \
         REFCAST, pointers PTRCAST.";
    BITCAST_WIDTH = 3138, "BITCAST between types of different sizes",
        "BITCAST keeps all bits: int<32> goes with float, int<64> with double.";
    REFCAST_TYPES = 3139, "REFCAST between types that are not references of one kind",
        "REFCAST converts ref to ref, iref to iref or funcref to funcref (instruction-set, Conversion). From ref to \
         iref there is GETIREF.";
    PTRCAST_TYPES = 3140, "PTRCAST between types that are not pointers or int",
        "PTRCAST converts between uptr, ufuncptr and int (instruction-set, Conversion). The address of an object is \
         obtained by pinning it with @uvm.native.pin.";
    SELECT_COND = 3145, "a SELECT condition that is not int<1>",
        "The condition type of SELECT is int<1> or a vector of int<1> (instruction-set, SELECT).";
    SELECT_LENGTHS = 3146, "a SELECT by a vector between values that are not vectors of its length",
        "With a vector condition, one element is selected for each condition: the values are vectors with as many \
         elements (instruction-set, SELECT).";

    // ---- control flow
    SWITCH_TYPE = 3150, "SWITCH on a type without equality",
        "SWITCH compares its operand with constants, so its type is EQ-comparable: int, a pointer, or a reference \
         (instruction-set, SWITCH).";
    SWITCH_CASE_NOT_CONST = 3151, "a SWITCH case that is a local variable",
        "The case values are constants, or other global variables: a function or a global cell (instruction-set, \
         SWITCH). Compare with local variables by EQ and BRANCH2.";
    SWITCH_CASE_DUPLICATE = 3152, "two SWITCH cases with one value",
        "The case values are distinct (instruction-set, SWITCH). Constants with different names can have the same \
         value: in int<8>, -1 and 255 are one value.";
    TAILCALL_RETURNS = 3161, "a TAILCALL of a function with other return types",
        "The callee of TAILCALL returns to the caller of this function, which expects this function's return types \
         (instruction-set, TAILCALL).";
    RET_COUNT = 3162, "RET with too few or too many values",
        "RET passes one value for each return type of the function's signature.";
    RET_TYPE = 3163, "a returned value of the wrong type",
        "The values of RET have the return types of the function's signature.";
    THROW_TYPE = 3164, "an exception that is not a ref",
        "What THROW and THROW_EXC throw is a reference to an object: ref<T> for any T (instruction-set, THROW).";
    THREADLOCAL_TYPE = 3165, "a thread-local reference that is not a ref",
        "THREADLOCAL takes a ref<T> for any T (instruction-set, NEWTHREAD).";

    // ---- struct, array and vector values
    NOT_A_STRUCT = 3170, "EXTRACTVALUE or INSERTVALUE on a type that is not a struct",
        "Arrays and vectors have EXTRACTELEMENT and INSERTELEMENT.";
    FIELD_INDEX = 3171, "a field that does not exist",
        "Fields are numbered from 0. GETFIELDIREF reaches the fixed part of a hybrid; the variable part is reached \
         with GETVARPARTIREF.";
    NOT_AN_ARRAY = 3172, "an element operation on a type that is not an array or vector",
        "EXTRACTELEMENT, INSERTELEMENT and GETELEMIREF work on arrays and vectors. A struct has EXTRACTVALUE, \
         INSERTVALUE and GETFIELDIREF; the variable part of a hybrid has GETVARPARTIREF and SHIFTIREF.";
    INDEX_TYPE = 3173, "an index or length that is not an int",
        "Indexes, offsets and lengths have an int type of any width.";
    SHUFFLE_VECTOR = 3174, "SHUFFLEVECTOR of a type that is not a vector",
        "SHUFFLEVECTOR chooses elements of two vectors (instruction-set, SHUFFLEVECTOR).";
    SHUFFLE_MASK = 3175, "a SHUFFLEVECTOR mask that is not a vector of int",
        "The mask is a vector of int; its length is the length of the result (instruction-set, SHUFFLEVECTOR).";

    // ---- memory
    NEW_HYBRID = 3180, "NEW or ALLOCA of a hybrid",
        "A hybrid is allocated with NEWHYBRID or ALLOCAHYBRID, which take its length (instruction-set, Memory \
         allocation).";
    NOT_A_HYBRID = 3181, "a hybrid operation on another type",
        "NEWHYBRID, ALLOCAHYBRID and GETVARPARTIREF work on hybrids only. Types of fixed length are allocated with \
         NEW and ALLOCA.";
    NO_FIELDS = 3182, "GETFIELDIREF of a type without fields",
        "GETFIELDIREF works on structs and hybrids; arrays and vectors have GETELEMIREF.";
    SHIFT_TYPE = 3183, "SHIFTIREF over void or hybrid",
        "SHIFTIREF moves from element to element of an array; neither void nor a hybrid can be an element.";
    PTR_NATIVE_SAFE = 3184, "a pointer access to data that native code cannot hold",
        "With PTR, and for @uvm.native.pin and get_addr, the type accessed is native-safe: void, int, float, double, \
         pointers, and composites of them.";
    LOAD_STORE_TYPE = 3185, "LOAD or STORE of a type without values",
        "void has no value, a hybrid no fixed length, and a composite with a weakref inside cannot be held by a \
         variable: access its parts one by one. (A weakref itself is loaded and stored as a ref.)";
    MEMORY_ORDER = 3186, "a memory order this instruction cannot have",
        "LOAD: NOT_ATOMIC RELAXED CONSUME ACQUIRE SEQ_CST. STORE: NOT_ATOMIC RELAXED RELEASE SEQ_CST. CMPXCHG: RELAXED \
         ACQUIRE RELEASE ACQ_REL SEQ_CST on success and RELAXED ACQUIRE SEQ_CST on failure. ATOMICRMW: RELAXED ACQUIRE \
         RELEASE ACQ_REL SEQ_CST. FENCE: ACQUIRE RELEASE ACQ_REL SEQ_CST (memory-model, Memory Operations).";
    ATOMIC_TYPE = 3187, "an atomic LOAD or STORE of a type that cannot be accessed atomically",
        "Atomic access exists for int<8> to int<64> and int<128>, float, double, pointers, references and tagref64 \
         (portability, Instructions). Access a composite part by part, or without a memory order.";
    CMPXCHG_TYPE = 3188, "CMPXCHG of a type that cannot be compared and exchanged",
        "CMPXCHG exists for int<8> to int<64> and int<128>, float, double, pointers, references and tagref64 \
         (instruction-set, CMPXCHG).";
    RMW_TYPE = 3189, "ATOMICRMW of a type its operator does not work on",
        "XCHG exists for int<8> to int<64> and int<128>, float, double, pointers, references and tagref64; the other \
         operators for int only (instruction-set, ATOMICRMW).";

    // ---- native calls, common instructions
    CCALL_CALLEE_TYPE = 3200, "CCALL of something that is not a ufuncptr",
        "The default calling convention calls values of type ufuncptr<sig>. An address held in an int is converted \
         with PTRCAST (native-interface-x64-unix).";
    CCALL_SIG = 3201, "CCALL with another signature than its callee's type",
        "CCALL <@T @sig>: T is ufuncptr<sig> of the same signature.";
    COMM_FLAGS = 3210, "a common instruction with the wrong number of flags",
        "@uvm.native.expose and @uvm.native.unexpose take one flag, the calling convention #DEFAULT; the others take \
         none.";
    COMM_TYPES = 3211, "a common instruction with the wrong number of type arguments",
        "See common-insts for the types each takes, written < … > after the name.";
    COMM_SIGS = 3212, "a common instruction with the wrong number of signature arguments",
        "See common-insts for the signatures each takes, written <[ … ]> after the types.";
    COMM_ARGS = 3213, "a common instruction with the wrong number of arguments",
        "See common-insts for the arguments each takes, written ( … ).";
    FUTEX_TYPE = 3214, "a futex on another type than int",
        "The type argument of the futex instructions is an int type (common-insts, Futex Instructions).";
    PIN_TYPE = 3215, "pinning something that is not a ref or iref",
        "The type argument of @uvm.native.pin, unpin and get_addr is ref<T> or iref<T> (common-insts, Object \
         pinning).";
}
