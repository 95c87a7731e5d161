//! Function logs: what an environment prints, kept on disk and found again. And figures: what is
//! counted, kept in memory ([`metrics`]).
//!
//! [`LogStore`] takes the output of all environments through `hearth_types::logs` and answers what
//! CloudWatch Logs is asked: which groups, which streams, which events. [`FilterPattern`] is the
//! part of CloudWatch's pattern language that is built.
//!
//! # Promises
//!
//! 1. Handing over an event does not wait for a disk.
//! 2. The events of a stream are read in the order in which they were handed over, as far as their
//!    timestamps do not say otherwise.
//! 3. What was handed over is read by the next query, and by a server that is started after this
//!    one was closed. A killed server loses at most what was in memory, which is milliseconds.
//!
//! # Deliberately absent
//!
//! No HTTP and no wire shapes, no fsync (logs outlive the process, not necessarily a power cut),
//! no traces, no JSON log records.

pub use error::LogError;
pub use group::{GroupDescription, StreamDescription};
pub use pattern::FilterPattern;
pub use query::{
    Direction, EventPage, EventRange, EventsQuery, FilterQuery, FilteredEvent, GroupsQuery,
    LoggedEvent, Page, ReadFrom, StreamOrder, StreamsQuery,
};
pub use store::{LogLimits, LogStore, NAME_BYTES_MAX, PutEvents};

mod store;
mod stream;
mod group;
mod segment;
mod query;
mod page;
mod pattern;
mod error;
pub mod metrics;
