//! Streams: shards, each read in the order of its records.
//!
//! ```text
//!  streams    the mappings' streams: which shards there are, which of them are ours
//!    │ lineage   which may be begun
//!    ▼
//!  reader     one shard: fetches, runs, saves
//!    ▼
//!  core       decides: what is run, again, in parts, given up; what is saved
//!    ├─ lane     one batch at a time, of records with some keys
//!    ├─ window   tumbling windows
//!    ├─ event    what functions and destinations get
//!    └─ teller   says what came of a batch
//! ```
//!
//! # Promises
//!
//! 1. Each record of a stream succeeds, is filtered out, or is given up and told of, at least once.
//! 2. Records with the same key come to the function in their order.
//! 3. After a crash, at most the batches that were with the function are repeated.
//!
//! # Deliberately absent
//!
//! The streams themselves: whoever has one implements [`source::ShardSource`].

pub mod source;
pub mod streams;
pub mod lineage;
mod reader;
pub(crate) mod teller;
pub mod core;
pub mod lane;
pub mod window;
mod event;
#[cfg(test)]
mod tests;
