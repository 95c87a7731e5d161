//! The embedded services beside Lambda: what functions are made from and triggered by.
//!
//! ```text
//!  objects ◀── buckets   our own, in records and files
//!          ◀── remote    of any S3-compatible endpoint
//!  queues                our own, in records and in the durable queue
//! ```
//!
//! [`delivery`] is what one service hands to another, [`targets`] are those who take it.
//!
//! # Deliberately absent
//!
//! No wire: requests and answers are read and written by `hearth-front`.

pub mod objects;
pub mod buckets;
pub mod remote;
pub mod queues;
pub mod delivery;
pub mod targets;
pub mod limits;
