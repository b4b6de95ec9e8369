//! Tests of the tier as a whole.

mod calls;
mod division;
mod maps;
mod passes;
mod support;
