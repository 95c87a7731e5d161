//! The vocabulary of Hearth: what everybody talks about, and nobody's work.
//!
//! Names and ARNs ([`names`]), ids ([`ids`]), time ([`time`]; one that never goes back,
//! [`steady`]; whether it was set, [`jumps`]), token buckets ([`bucket`]), what a
//! function version needs to run ([`function`]), where its log lines go ([`logs`]),
//! what is counted ([`metrics`]), what is said now and then ([`seldom`]), supervised tasks ([`tasks`]),
//! errors with what led to them ([`errors`]) and every bound of the system ([`limits`]).
//!
//! # Deliberately absent
//!
//! No files, no sockets, no clocks other than behind [`time::Clock`]. Nothing here knows HTTP.

pub mod names;
pub mod ids;
pub mod time;
pub mod steady;
pub mod jumps;
pub mod seldom;
pub mod bucket;
pub mod function;
pub mod logs;
pub mod metrics;
pub mod tasks;
pub mod errors;
pub mod limits;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
