//! Tests of what conformance scripts cannot reach.
