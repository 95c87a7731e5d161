//! Event source mappings at work: reads queues and streams in batches, and runs functions for them.
//!
//! ```text
//!  supervisor   which mappings are read: those that are enabled, each by one reader
//!      │ starts and stops
//!      ▼
//!  reader ──▶ queue     SQS: one task for each mapping, many batches at a time
//!      ├────▶ shard     streams: one task for each shard, batches in the order of their keys
//!      │        │ dynamodb            the streams of tables
//!      │        └ checkpoint, lease   where reading has come to, and who reads
//!      ├────▶ kafka     Kafka: a consumer group for each mapping, one task for each partition
//!      ├────▶ rabbit    RabbitMQ: one task for each mapping, one batch at a time
//!      │        └ access   users and passwords, from the configuration
//!      │
//!      ├─ filter, batch       which records, and how many of them together
//!      ├─ ahead               how many bytes of records are here, of all sources but RabbitMQ
//!      ├─ function            runs the function for a batch
//!      ├─ response            what its answer says about single records
//!      ├─ destination         what is told of records that were given up
//!      └─ progress            what was done, for whoever asks
//! ```
//!
//! # Promises
//!
//! 1. A record is taken from its source, or passed in it, only after the function has dealt with it,
//!    a filter has kept it back, or it was given up as the mapping says. So it comes at least once.
//! 2. A mapping that nobody changes and whose source is empty costs next to nothing.
//! 3. Every wait and every number of batches has a bound.
//!
//! # Deliberately absent
//!
//! The records of mappings and their rules: those are `hearth-control`'s. Running functions: that is
//! `hearth-invoke`'s. The wire: that is `hearth-front`'s.

mod supervisor;
mod board;
mod destination;
pub mod reader;
pub mod queue;
pub mod shard;
pub mod dynamodb;
pub mod kinesis;
pub mod kafka;
pub mod rabbit;
pub mod ahead;
pub mod access;
pub mod checkpoint;
pub mod lease;
pub mod filter;
pub mod json;
pub mod batch;
pub mod function;
pub mod response;
pub mod progress;

pub use board::Board;
pub use supervisor::{Parts, Sources};
