//! Requests as events.

pub mod v1;
