//! One execution environment: an isolated place that runs one copy of one function version.
//!
//! What happens to an environment is decided in [`lifecycle`], which is pure; [`driver`] is the one
//! task that owns an environment and performs what was decided. The runtime inside, and the
//! extensions beside it, talk to [`runtime_api`]; extensions may have [`telemetry`] sent to them. Its
//! walls are behind the traits of [`backend`], of which [`simulated`] is an implementation without
//! any walls, for tests.
//!
//! # Deliberately absent
//!
//! Nothing here chooses between environments (that is `hearth-scheduler`), knows what a namespace
//! is (that is `hearth-isolation`), or answers an AWS API (that is `hearth-front`).

pub mod invocation;
pub mod stream;
pub mod bandwidth;
pub mod lifecycle;
pub mod mailbox;
pub mod driver;
pub mod runtime_api;
pub mod telemetry;
pub mod backend;
pub mod simulated;
pub mod output;
pub mod variables;
pub mod failure;
pub mod report;
pub mod tail;
