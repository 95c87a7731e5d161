//! What survives a restart.
//!
//! Records are behind small traits, one per concern ([`functions`]); [`sqlite`] is the embedded
//! engine. [`packages`] keeps code, by its digest, in a directory.
//!
//! # Deliberately absent
//!
//! No rules about records: what they mean is `hearth-control`'s. Time is an argument.

pub mod functions;
pub mod sqlite;
pub mod packages;
pub mod error;
