//! Telemetry: what happens in an environment, told to the extensions that subscribed to it.
//!
//! ```text
//!  driver ── Event ──▶ hub ──▶ one buffer per subscriber ──▶ deliver ──▶ a server inside
//! ```
//!
//! [`subscription`] is what may be asked for, [`events`] is how events look, [`buffer`] collects
//! them; all three are pure. [`hub`] knows the subscribers, and [`deliver`] sends a batch over a
//! connection that the agent has opened, because the server is not in the environment's network.
//!
//! # Promises
//!
//! 1. An environment without a subscriber pays nothing for this.
//! 2. A subscriber that is slow, or gone, holds up nobody. What it does not take is dropped at a
//!    bound, counted, and told to it as `platform.logsDropped`.
//! 3. Events come in the order in which they happened. A batch may come twice.
//!
//! # Deliberately absent
//!
//! Nothing is sent while an environment is frozen: what is left then is sent when it is thawed.

pub mod subscription;
pub mod events;
pub mod buffer;
pub(crate) mod hub;
pub(crate) mod deliver;
