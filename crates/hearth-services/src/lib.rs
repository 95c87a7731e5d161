//! The embedded services beside Lambda: what functions are made from and triggered by.
//!
//! ```text
//!  objects ◀── buckets   our own, in records and files
//!          ◀── remote    of any S3-compatible endpoint
//!  targets ◀── remote    queues, topics and buses of any endpoint, and HTTP endpoints
//!          ◀── queues, topics, buses   our own, in records and in the durable queue
//!  schedules             what is called by the time of day
//! ```
//!
//! What is published to a topic or a bus, and what [`schedules`] call, waits in the durable queue, as
//! deliveries. [`delivery`] is what one service hands to another, [`targets`] are those who take it; [`patterns`]
//! say which events a rule of [`buses`] is for.
//!
//! # Deliberately absent
//!
//! No wire of our own services: their requests and answers are read and written by `hearth-front`.
//! [`remote`] is a client, and writes and reads what it needs as one.

pub mod objects;
pub mod buckets;
pub mod remote;
pub mod queues;
pub mod delivery;
pub mod targets;
pub mod grants;
pub mod topics;
pub mod patterns;
pub mod schedules;
pub mod buses;
pub mod limits;
