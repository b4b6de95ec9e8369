//! The runtime of Mu: object layout, heap, memory access, stacks, threads, native calls.
//!
//! The tiers stand on this crate and share its data structures; it knows nothing of them. This is the project's
//! layer of `unsafe`: everything above it that is not a code generator is safe Rust.
//!
//! | module     | what                                                                   |
//! |------------|------------------------------------------------------------------------|
//! | [`irbuilder`] | the common instructions of the IR builder                         |
//! | [`layout`] | sizes, offsets, leaves and reference maps of types                     |
//! | [`heap`]   | heap objects and global cells: allocation, finding them, collection     |
//! | [`collection`] | allocation that collects; the roots of an instance                 |
//! | [`stress`] | stress modes of the collector                                          |
//! | [`handles`]| references that clients hold                                           |
//! | [`memory`] | loads, stores and atomic operations; the checks of checked mode        |
//! | [`meta`]   | objects of the metacircular client interface                            |
//! | [`exposing`] | Mu functions that native code can call                                |
//! | [`native`] | calls of native functions, symbol lookup                               |
//! | [`os`]     | memory mappings                                                        |
//! | [`stack`]  | stacks, frames, cursors                                                |
//! | [`thread`] | threads, and what a tier tells the driver                              |
//! | [`futex`]  | queues of threads that wait at memory locations                        |
//! | [`choose`] | the seeded source of all choices                                       |
//! | [`runtime`]| everything one instance has loaded and allocated                       |
//! | [`words`]  | words of constants, global cells and functions                         |
//! | [`world`]  | who may touch it: threads that run, or one who has stopped them all    |
#![deny(unsafe_op_in_unsafe_fn)]

pub mod choose;
pub mod collection;
pub mod exposing;
pub mod futex;
pub mod handles;
pub mod heap;
pub mod irbuilder;
pub mod layout;
pub mod memory;
pub mod meta;
pub mod native;
pub mod os;
pub mod runtime;
pub mod stack;
pub mod stress;
pub mod thread;
pub mod words;
pub mod world;
