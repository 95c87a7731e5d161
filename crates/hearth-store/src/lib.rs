//! What survives a restart.
//!
//! [`records`] is the trait of whoever keeps documents; [`sqlite`] is the embedded engine, and
//! [`collection`] holds all records of one kind in memory. [`queue`] is what waits to be done, and
//! its engines. [`shelf`] keeps the versions of objects. [`packages`] keeps code, by its digest, in a
//! directory.
//!
//! # Deliberately absent
//!
//! No rules about records: what they mean is `hearth-control`'s. Time is an argument.

pub mod records;
pub mod collection;
pub mod sqlite;
pub mod queue;
pub mod shelf;
pub mod packages;
pub mod error;
