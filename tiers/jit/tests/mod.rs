//! Tests of the tier as a whole.

mod calls;
mod support;
