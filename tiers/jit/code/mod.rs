//! Code at its place: executable memory, entry cells, the map from addresses to functions, listings.

pub mod buffer;
pub mod helpers;
pub mod listing;
pub mod map;
pub mod stubs;
