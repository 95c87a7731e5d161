//! The control plane of Lambda: functions, their versions, their states.
//!
//! [`record`] is what is kept of a function; [`settings`] is what a caller may ask for, and the
//! rules about it; [`control`] is the operations. Everything is read from memory and written
//! through to the store before an operation answers.
//!
//! ```text
//!  create ──▶ Pending ───── unpacked ────▶ Active
//!  update ──▶ Active, InProgress ────────▶ Active, Successful     (the old code runs until then)
//! ```
//!
//! # Deliberately absent
//!
//! Nothing here can start anything: it changes records, and tells a [`control::TargetWatcher`]
//! which targets are not wanted any more. No HTTP and no AWS error names.

pub mod control;
pub mod changes;
pub mod record;
pub mod settings;
pub mod alias;
pub mod layer;
pub mod policy;
pub mod concurrency;
pub mod event_invoke;
pub mod url;
pub mod mapping;
pub mod code_signing;
pub mod runtime_management;
pub mod tagging;
pub mod publish;
pub mod error;
mod catalog;
mod activation;
