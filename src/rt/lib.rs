//! The runtime of Mu: object layout, heap, memory access, stacks, threads, native calls.
//!
//! Both tiers stand on this crate and share its data structures; it knows nothing of either. This is the project's
//! layer of `unsafe`: everything above it that is not a code generator is safe Rust.
//!
//! | module     | what                                                                   |
//! |------------|------------------------------------------------------------------------|
//! | [`layout`] | sizes, offsets, leaves and reference maps of types                     |
//! | [`heap`]   | allocation of heap objects and global cells; finding them again        |
//! | [`memory`] | loads, stores and atomic operations; the checks of checked mode        |
//! | [`native`] | calls of native functions, symbol lookup                               |
//! | [`os`]     | memory mappings                                                        |
//! | [`stack`]  | stacks, frames, cursors                                                |
//! | [`thread`] | threads, and what a tier tells the driver                              |
//! | [`futex`]  | queues of threads that wait at memory locations                        |
//! | [`choose`] | the seeded source of all choices                                       |
//! | [`runtime`]| everything one instance has loaded and allocated                       |
#![deny(unsafe_op_in_unsafe_fn)]

pub mod choose;
pub mod futex;
pub mod heap;
pub mod layout;
pub mod memory;
pub mod native;
pub mod os;
pub mod runtime;
pub mod stack;
pub mod thread;
