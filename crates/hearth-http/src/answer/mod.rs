//! What the answer of a function means.

pub mod v1;
