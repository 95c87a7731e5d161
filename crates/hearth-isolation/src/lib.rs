//! The walls around an execution environment.
//!
//! ```text
//!  server                      launcher (one thread)            environment
//!  sandbox::Sandbox ─ Prepare ─▶ cgroup, clone ─────────────▶ walls: mounts, network, uid
//!       ▲  ▲    │                   │                               │
//!       │  └────│─ Started, fds ────┘                          agent (PID 1)
//!       └───────│────────────── WallsUp, listeners ─────────────────┘
//!               └────── Fit ─────▶ limits; code, layers, /tmp ──▶ attached
//! ```
//!
//! [`sandbox`] is what the server holds: the [`hearth_environment::backend::Backend`] of this
//! crate; `link` is its connection to the launcher, [`shells`] what is built ahead of need.
//! [`launcher`] is the process that has the privileges. [`host`] says what this host can
//! enforce. [`cgroups`], [`linux`] and [`sweep`] are the plumbing.
//!
//! # Promises
//!
//! 1. What is not enforced is named in [`host::Weakness`]; nothing is skipped silently.
//! 2. Every resource of an environment is either tied to a process (and ends with it, also after
//!    SIGKILL), or is found and removed by [`sweep`] at the next start.

pub mod sandbox;
pub mod shells;
mod link;
pub mod launcher;
pub mod host;
pub mod cgroups;
pub mod linux;
pub mod sweep;
