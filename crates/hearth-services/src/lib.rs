//! The embedded services beside Lambda: what functions are made from and triggered by.
//!
//! ```text
//!  objects ◀── buckets   our own, in records and files
//!          ◀── remote    of any S3-compatible endpoint
//! ```
//!
//! [`delivery`] is what one service hands to another, [`targets`] are those who take it; [`patterns`]
//! say which events a rule of [`buses`] is for.
//!
//! # Deliberately absent
//!
//! No wire: S3's requests and answers are read and written by `hearth-front`.

pub mod objects;
pub mod buckets;
pub mod remote;
pub mod delivery;
pub mod targets;
pub mod patterns;
pub mod buses;
pub mod limits;
