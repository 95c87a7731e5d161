//! Who lets a request pass: what authorizers answer, and what is remembered of it.

pub mod policy;
pub mod answer;
pub mod remembered;
