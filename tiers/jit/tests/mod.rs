//! Tests of the tier as a whole.

mod calls;
mod division;
mod listings;
mod maps;
mod passes;
mod support;
