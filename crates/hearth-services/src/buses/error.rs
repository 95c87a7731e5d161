//! Why a bus refuses.

use hearth_store::error::StoreError;

use crate::patterns::PatternError;

/// An operation that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is no such bus.
    #[error("Event bus {0} does not exist.")]
    BusMissing(String),
    /// There is a bus of this name.
    #[error("Event bus {0} already exists.")]
    BusExists(String),
    /// There is no such rule.
    #[error("Rule {rule} does not exist on EventBus {bus}.")]
    RuleMissing {
        /// Which rule.
        rule: String,
        /// On which bus.
        bus: String,
    },
    /// There is no such statement in the policy of a bus.
    #[error("Statement with the provided id does not exist.")]
    StatementMissing,
    /// A value that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A pattern that is not one.
    #[error("{0}")]
    Pattern(PatternError),
    /// A quota is used up.
    #[error("The requested resource exceeds the maximum number allowed.")]
    LimitExceeded,
    /// The policy of a bus would be too long.
    #[error("The event bus policy exceeds the maximum length of {0} characters.")]
    PolicyTooLong(usize),
    /// AWS has it, and Hearth does not yet.
    #[error("{0} is not built yet")]
    NotBuilt(String),
    /// The store or the queue failed.
    #[error("could not keep what was given to an event bus")]
    Store(#[source] StoreError),
}
