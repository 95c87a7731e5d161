//! Why EventBridge Scheduler refuses.

use hearth_store::error::StoreError;

/// An operation that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// There is no such schedule.
    #[error("Schedule {0} does not exist.")]
    ScheduleMissing(String),
    /// There is a schedule of this name in its group.
    #[error("Schedule {0} already exists.")]
    ScheduleExists(String),
    /// There is no such group.
    #[error("Schedule group {0} does not exist.")]
    GroupMissing(String),
    /// There is a group of this name.
    #[error("Schedule group {0} already exists.")]
    GroupExists(String),
    /// The group is on its way out.
    #[error("Schedule group {0} is being deleted.")]
    GroupDeleting(String),
    /// A value that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A quota is used up.
    #[error("{0} exceeds the maximum number allowed.")]
    LimitExceeded(&'static str),
    /// AWS has it, and Hearth does not yet.
    #[error("{0} is not built yet")]
    NotBuilt(String),
    /// The store failed.
    #[error("could not keep what was given to the scheduler")]
    Store(#[source] StoreError),
}
