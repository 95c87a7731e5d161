//! The front door: from a socket to an operation, and back.
//!
//! ```text
//!  server ──▶ front ──▶ caller (account, region) ──▶ invoke      the hot path
//!                                                ├─▶ functions   the control plane
//!                                                ├─▶ logs        CloudWatch Logs
//!                                                └─▶ own         health, packages
//!                       error ◀── everything that is refused, as AWS words it
//! ```
//!
//! Only this crate knows HTTP statuses, AWS's error names and the shapes of the wire.

pub mod server;
pub mod front;
mod caller;
pub mod body;
mod invoke;
mod functions;
mod configuration;
mod logs;
mod own;
mod error;
