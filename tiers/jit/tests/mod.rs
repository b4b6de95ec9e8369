//! Tests of the tier as a whole.

mod calls;
mod division;
mod lenient;
mod listings;
mod maps;
mod passes;
mod support;
