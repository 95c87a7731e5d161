//! Streams: shards, each read in order.
//!
//! ```text
//!  ShardSource ──▶ reader ──▶ core ──▶ function
//! ```

pub mod source;
