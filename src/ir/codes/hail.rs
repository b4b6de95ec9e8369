//! `MU-E5xxx`: HAIL scripts. (Their words are read like those of bundles: see [`super::parse`] and [`super::name`].)

crate::codes! {
    HAIL_UNKNOWN_DEFINITION = 5001, "a keyword that HAIL does not have",
        "A HAIL script consists of .new, .newhybrid and .init definitions (hail, Top-level Definitions). Types, \
         constants and global cells are defined in a bundle, which is loaded before.";
    HAIL_DUPLICATE_NAME = 5002, "a HAIL name is defined twice",
        "Each .new and .newhybrid of a script gives its object a name of its own. The same name in another script is \
         another object.";
    HAIL_UNKNOWN_NAME = 5003, "a HAIL name that no .new defines",
        "HAIL names are known within one script only (hail, Lexical Structures). To keep an object for later, store a \
         reference to it in a global cell: .init @cell = $object.";
    HAIL_ALLOC_TYPE = 5004, "a type that cannot be allocated so",
        "Hybrids are allocated by .newhybrid with the length of their variable part, all other types by .new \
         (hail, Top-level Definitions).";
    HAIL_NO_INTEGER = 5005, "an index or a length that is no integer",
        "Indexes and lengths are integer literals or the names of constants of a type int<n>; they are treated as \
         unsigned (hail, Expressions).";
    HAIL_INDEX_RANGE = 5006, "an index without a member",
        "A struct has as many members as fields, an array or vector as many as elements; in a hybrid the fields of the \
         fixed part come first and the variable part is one more, which has as many elements as .newhybrid said.";
    HAIL_NO_MEMBERS = 5007, "an index into something that has no parts",
        "Only structs, hybrids, arrays and vectors can be indexed. To reach what a reference refers to, initialise the \
         object by its own name.";
    HAIL_VALUE_TYPE = 5008, "a value that does not suit its location",
        "hail, Top-level Definitions, lists what may be assigned to each type: int and pointers take integers, float and \
         double floating point literals with the right suffix, ref and weakref a HAIL name, iref a global cell or \
         &location, funcref a function, every reference NULL, tagref64 a double, an int<52> or {ref tag}, types with \
         parts a list. Constants and *location must have the type of the location; only what references refer to may \
         differ.";
    HAIL_VALUE_RANGE = 5009, "an integer that does not fit its location",
        "As in a .const, the literal must be a value of the type, taken as signed or as unsigned: an int<8> takes -128 \
         to 255.";
    HAIL_LIST_LENGTH = 5010, "a list with more members than its location",
        "A list may be shorter than the location, which then keeps what its other parts hold, but not longer.";
    HAIL_SELF_READ = 5011, "an initialiser reads what it writes",
        "An .init may store in any order, so a *location on its right must not overlap the location on its left (hail, \
         Memory Order).";
    HAIL_NO_MEMORY = 5012, "an object that does not fit in memory",
        "The heap has no room for an object of this size. Nothing of the script has been done.";
}
