//! How many executions a function may have at a time, how many are kept for it, and what happens
//! when it calls itself without end.
//!
//! The executions of an account are one [`Pool`]. A function *claims* a part of it: what is
//! reserved for it, or, if nothing is, what is provisioned for its versions. Functions that claim
//! nothing share the rest.
//!
//! # Promises
//!
//! 1. Claims never grow into the part of the pool that is kept for all functions. If the pool has
//!    become smaller since, they stay as they are, and may only shrink.
//! 2. A function never has more provisioned than is reserved for it.
//!
//! # Deliberately absent
//!
//! Counting executions and starting environments: the scheduler does both, and is told through
//! [`Provisioner`]. Scaling configurations: they are for versions on a capacity provider, which
//! Hearth does not offer.

mod provisioned;

use hearth_types::names::{FunctionArn, Scope, Version};
use serde::{Deserialize, Serialize};

pub use self::provisioned::{Provisioned, ProvisionedNow, ProvisionedStatus, Provisioner};
use crate::control::Control;
use crate::error::ControlError;
use crate::record::FunctionRecord;

/// AWS: how many executions of an account cannot be claimed by single functions. An account that
/// has fewer keeps all of them for all functions.
const SHARED_MIN: u32 = 100;

/// What happens when a function calls itself without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RecursiveLoop {
    /// It is stopped.
    #[default]
    Terminate,
    /// It goes on.
    Allow,
}

impl RecursiveLoop {
    /// Reads AWS's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Terminate, Self::Allow].into_iter().find(|one| one.name() == word)
    }

    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminate => "Terminate",
            Self::Allow => "Allow",
        }
    }
}

/// The executions of an account, as one of its functions sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// How many there may be at a time.
    pub limit: u32,
    /// How many of them the other functions have claimed.
    pub claimed: u32,
}

impl Pool {
    /// What stays for all functions.
    fn shared_min(self) -> u32 {
        SHARED_MIN.min(self.limit)
    }

    /// What the other functions have left.
    fn left(self) -> u32 {
        self.limit.saturating_sub(self.claimed)
    }

    /// Whether so much more can be claimed.
    fn holds(self, claim: u32) -> bool {
        self.left().checked_sub(claim).is_some_and(|left| left >= self.shared_min())
    }

    /// AWS's words for a claim that the pool does not hold, made through this parameter.
    fn exhausted(self, parameter: &str) -> ControlError {
        ControlError::InvalidParameterUntyped(format!(
            "Specified {parameter} for function decreases account's UnreservedConcurrentExecution below its minimum value of [{}].",
            self.shared_min()
        ))
    }
}

/// How many executions there may be at a time, as they bear on one version of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// What functions that claim nothing have together.
    pub unreserved: u32,
    /// What is reserved for the function.
    pub reserved: Option<u32>,
    /// What is provisioned for all of its versions.
    pub provisioned_total: u32,
    /// What is provisioned for this version.
    pub provisioned: u32,
}

impl FunctionRecord {
    /// The shares of one of its versions, where the account has `unreserved` for everybody.
    pub(crate) fn shares(&self, version: Version, unreserved: u32) -> Shares {
        // Nearly every function has none.
        let provisioned = if self.provisioned.is_empty() {
            0
        } else {
            provisioned::wanted(self).get(&version).copied().unwrap_or(0)
        };
        Shares {
            unreserved,
            reserved: self.reserved_concurrency,
            provisioned_total: self.provisioned_total(),
            provisioned,
        }
    }

    /// What it takes out of its account's pool.
    #[must_use]
    pub fn claimed_concurrency(&self) -> u32 {
        self.reserved_concurrency.unwrap_or_else(|| self.provisioned_total())
    }

    /// Reserves executions for it, in place of those that were reserved before. None at all means
    /// that it is not run.
    ///
    /// # Errors
    ///
    /// If the pool does not hold them, or more is provisioned.
    pub fn put_reserved(&mut self, asked: u32, pool: Pool) -> Result<(), ControlError> {
        if asked > self.claimed_concurrency() && !pool.holds(asked) {
            return Err(pool.exhausted("ReservedConcurrentExecutions"));
        }
        let provisioned = self.provisioned_total();
        if provisioned > asked {
            // The spaces are AWS's.
            return Err(ControlError::InvalidParameterUntyped(format!(
                " ReservedConcurrentExecutions  {asked} should not be lower than function's total provisioned concurrency [{provisioned}]."
            )));
        }
        self.reserved_concurrency = Some(asked);
        Ok(())
    }
}

impl Control {
    /// How many executions an account may have at a time, and how many of them are not reserved
    /// for single functions.
    #[must_use]
    pub fn account_concurrency(&self, scope: &Scope) -> (u32, u32) {
        let limit = self.parts.concurrency_max;
        (limit, limit.saturating_sub(self.catalog.claims(scope).reserved))
    }

    /// How many executions of an account no function has claimed for itself.
    #[must_use]
    pub fn unclaimed_concurrency(&self, scope: &Scope) -> u32 {
        self.parts.concurrency_max.saturating_sub(self.catalog.claims(scope).claimed)
    }

    /// The shares of a version of a function, if there is such a function.
    #[must_use]
    pub fn shares(&self, function: &FunctionArn, version: Version) -> Option<Shares> {
        let (entry, claims) = self.catalog.get_with_claims(function)?;
        let unreserved = self.parts.concurrency_max.saturating_sub(claims.claimed);
        Some(entry.record.shares(version, unreserved))
    }

    /// Reserves executions for a function.
    ///
    /// # Errors
    ///
    /// If there is no such function, or [`FunctionRecord::put_reserved`] refuses.
    pub async fn put_reserved(
        &self,
        function: &FunctionArn,
        asked: u32,
    ) -> Result<(), ControlError> {
        let put = self.change(function, |record| record.put_reserved(asked, self.pool(function)));
        // Recorded: it is `$LATEST` that is not there.
        let missing = format!("Function not found: {}", function.qualified(&Version::Latest));
        put.await.map_err(|error| error.when_missing(missing))
    }

    /// Gives back what is reserved for a function. That there is nothing is fine.
    ///
    /// # Errors
    ///
    /// If there is no such function.
    pub async fn delete_reserved(&self, function: &FunctionArn) -> Result<(), ControlError> {
        let delete = |record: &mut FunctionRecord| {
            record.reserved_concurrency = None;
            Ok(())
        };
        self.change(function, delete).await
    }

    /// Why a version has no scaling configuration, and can be given none.
    #[must_use]
    pub fn no_scaling(&self, function: &FunctionArn, qualifier: &str) -> ControlError {
        let record = self.catalog.get(function).map(|entry| entry.record);
        // `$LATEST.PUBLISHED` is a version of functions on a capacity provider only.
        let version = Version::parse(qualifier);
        let exists = record.zip(version).is_some_and(|(record, one)| record.version(one).is_some());
        if exists {
            // As the service answers.
            ControlError::AccessDenied(
                "The function provided by the arn does not contain a capacity provider configuration"
                    .to_owned(),
            )
        } else {
            ControlError::FunctionMissing(function.qualified(&qualifier))
        }
    }

    /// What a function may claim from. Holds for as long as functions are not changed.
    fn pool(&self, function: &FunctionArn) -> Pool {
        let all = self.catalog.claims(&function.scope).claimed;
        let own = self.catalog.get(function).map_or(0, |entry| entry.record.claimed_concurrency());
        Pool { limit: self.parts.concurrency_max, claimed: all.saturating_sub(own) }
    }
}

#[cfg(test)]
mod tests;
