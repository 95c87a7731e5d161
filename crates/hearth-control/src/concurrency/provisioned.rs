//! Provisioned concurrency: environments of a published version that are kept ready.
//!
//! It is asked for by version, or by an alias: then it moves along with the alias. A record says
//! only how many environments are wanted. How many there are is asked of the [`Provisioner`] each
//! time, so that nothing that is stored can be wrong about it.
//!
//! # Promises
//!
//! 1. A version is provisioned under one name: its number, or one alias.
//! 2. Whatever a record asks for has been said to the [`Provisioner`], also after a restart.
//!
//! # Deliberately absent
//!
//! A part for the second version of an alias that shares its invocations between two: as in AWS,
//! such an alias cannot be provisioned. One that came to share later keeps what it had, for the
//! version that it points to.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use hearth_types::function::Target;
use hearth_types::ids::TargetId;
use hearth_types::names::{AliasName, FunctionArn, Qualifier, Version};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Pool;
use crate::catalog::Entry;
use crate::control::Control;
use crate::error::ControlError;
use crate::record::{FunctionRecord, State, qualifier_key};
use crate::settings::refuse;

/// Recorded, for what is to be provisioned.
const UNPUBLISHED: &str =
    "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
/// Recorded, for what is asked about or taken away.
const NEITHER_ALIAS_NOR_VERSION: &str =
    "The function resource provided must be an alias or a published version.";

/// AWS's reason when environments of a version cannot load the function.
const INIT_FAILED: &str = "FUNCTION_ERROR_INIT_FAILURE";

/// Keeps environments ready: the scheduler.
pub trait Provisioner: Send + Sync + fmt::Debug {
    /// From now on, keeps so many environments of a target ready; 0 ends that. The last call
    /// counts, and one that says the same again changes nothing. A target that is retired
    /// ([`crate::control::TargetWatcher`]) is no longer provisioned either.
    fn provision(&self, target: &Arc<Target>, environments: u32);

    /// How many of them are ready now.
    fn ready(&self, target: TargetId) -> u32;

    /// Whether some of them stand and could not load the function.
    fn broken(&self, target: TargetId) -> bool;
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// How many environments are to be ready.
    pub requested: u32,
    /// When that was asked for.
    pub modified: Timestamp,
}

/// What was asked for, and what there is of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvisionedNow {
    /// How many environments are to be ready.
    pub requested: u32,
    /// How many have been started.
    pub allocated: u32,
    /// How many are ready.
    pub available: u32,
    /// How far it is.
    pub status: ProvisionedStatus,
    /// Why it failed, if it did.
    pub reason: Option<&'static str>,
    /// When it was asked for.
    pub modified: Timestamp,
}

/// How far the environments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvisionedStatus {
    /// Some of them are missing.
    InProgress,
    /// All of them are ready.
    Ready,
    /// There will be none.
    Failed,
}

impl ProvisionedStatus {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }
}

impl Provisioned {
    /// What there is of it when so many environments are ready, of a version in this state, with
    /// what went wrong with the others.
    pub(super) fn with_ready(
        self,
        ready: u32,
        state: State,
        broken: Option<&'static str>,
    ) -> ProvisionedNow {
        let Self { requested, modified } = self;
        let available = ready.min(requested);
        let (status, reason) = match state {
            State::Failed => {
                (ProvisionedStatus::Failed, Some("The version is in the state Failed."))
            }
            State::Active if available == requested => (ProvisionedStatus::Ready, None),
            State::Active if broken.is_some() => (ProvisionedStatus::Failed, broken),
            State::Active | State::Pending => (ProvisionedStatus::InProgress, None),
        };
        ProvisionedNow { requested, allocated: available, available, status, reason, modified }
    }
}

impl FunctionRecord {
    /// What is provisioned for all of its versions.
    pub(super) fn provisioned_total(&self) -> u32 {
        self.provisioned.values().fold(0_u32, |sum, one| sum.saturating_add(one.requested))
    }

    /// Asks for environments of a version or an alias, in place of those asked for before.
    ///
    /// # Errors
    ///
    /// If there is none, it is not published, it has no version of its own, or there is no room.
    pub fn put_provisioned(
        &mut self,
        qualifier: &Qualifier,
        asked: Provisioned,
        pool: Pool,
    ) -> Result<(), ControlError> {
        let version = self.existing_version(qualifier)?;
        self.check_provisionable(qualifier, version)?;
        if let Qualifier::Alias(name) = qualifier
            && self.aliases.get(name).is_some_and(|alias| !alias.routing.is_empty())
        {
            return refuse("Alias with weights can not be used with Provisioned Concurrency");
        }
        let key = qualifier_key(Some(qualifier));
        self.check_room(&key, asked.requested, pool)?;
        self.provisioned.insert(key, asked);
        Ok(())
    }

    /// Asks for no more environments of a version or an alias. That there are none is fine.
    ///
    /// # Errors
    ///
    /// If there is no such version or alias.
    pub fn delete_provisioned(&mut self, qualifier: &Qualifier) -> Result<(), ControlError> {
        self.existing_version(qualifier)?;
        self.provisioned.remove(&qualifier_key(Some(qualifier)));
        Ok(())
    }

    /// Refuses to point an alias to a version that its provisioned concurrency cannot follow to.
    ///
    /// # Errors
    ///
    /// If it has some, and the version is not published or has its own.
    pub fn check_provisioned_move(
        &self,
        alias: &AliasName,
        to: Version,
    ) -> Result<(), ControlError> {
        if !self.provisioned.contains_key(alias.as_str()) {
            return Ok(());
        }
        self.check_provisionable(&Qualifier::Alias(alias.clone()), to)
    }

    fn existing_version(&self, qualifier: &Qualifier) -> Result<Version, ControlError> {
        self.version_of(Some(qualifier))
            .ok_or_else(|| ControlError::NotFound(missing(&self.arn, qualifier)))
    }

    fn check_provisionable(
        &self,
        qualifier: &Qualifier,
        version: Version,
    ) -> Result<(), ControlError> {
        if version == Version::Latest {
            return refuse(UNPUBLISHED);
        }
        let own = qualifier_key(Some(qualifier));
        let mut others = self.provisioned.keys().filter(|key| **key != own);
        if !others.any(|key| self.provisioned_version(key) == Some(version)) {
            return Ok(());
        }
        let text = match qualifier {
            Qualifier::Alias(_) => {
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            }
            Qualifier::Version(_) => "Version is pointed by a Provisioned Concurrency alias",
        };
        Err(ControlError::Conflict(text.to_owned()))
    }

    fn check_room(&self, key: &str, requested: u32, pool: Pool) -> Result<(), ControlError> {
        let before = self.provisioned_total();
        let own = self.provisioned.get(key).map_or(0, |one| one.requested);
        let total = before.saturating_sub(own).saturating_add(requested);
        if let Some(reserved) = self.reserved_concurrency {
            if total <= reserved {
                return Ok(());
            }
            return refuse(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
            );
        }
        if total <= before || pool.holds(total) {
            return Ok(());
        }
        if requested > pool.left() {
            return Err(ControlError::InvalidParameterUntyped(format!(
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{}].",
                pool.left()
            )));
        }
        Err(pool.exhausted("ConcurrentExecutions"))
    }

    /// The version whose environments are kept ready under a key.
    fn provisioned_version(&self, key: &str) -> Option<Version> {
        let qualifier = Qualifier::parse(key).ok()?;
        self.version_of(Some(&qualifier))
    }
}

/// How many environments a record wants to be ready, by version.
pub(super) fn wanted(record: &FunctionRecord) -> BTreeMap<Version, u32> {
    let mut wanted: BTreeMap<Version, u32> = BTreeMap::new();
    for (key, provisioned) in &record.provisioned {
        if let Some(version) = record.provisioned_version(key) {
            let sum = wanted.entry(version).or_default();
            *sum = sum.saturating_add(provisioned.requested);
        }
    }
    wanted
}

/// What has to be said to the [`Provisioner`] when a record takes the place of another.
pub(super) fn calls(
    before: Option<&FunctionRecord>,
    after: Option<&FunctionRecord>,
) -> BTreeMap<Version, u32> {
    let ended = before.map(wanted).unwrap_or_default().into_keys().map(|version| (version, 0));
    let mut calls: BTreeMap<Version, u32> = ended.collect();
    calls.extend(after.map(wanted).unwrap_or_default());
    calls
}

impl Control {
    /// Asks for environments of a version or an alias.
    ///
    /// # Errors
    ///
    /// If [`FunctionRecord::put_provisioned`] refuses.
    pub async fn put_provisioned(
        &self,
        function: &FunctionArn,
        qualifier: &Qualifier,
        requested: u32,
    ) -> Result<ProvisionedNow, ControlError> {
        check_published(qualifier, UNPUBLISHED)?;
        let before = self.provisioned(function, qualifier).ok();
        let modified = self.now();
        let put = self.change(function, |record| {
            let asked = Provisioned { requested, modified };
            record.put_provisioned(qualifier, asked, self.pool(function))
        });
        put.await.map_err(|error| error.when_missing(missing(function, qualifier)))?;
        // Recorded: the answer is how it was before anything was done about it.
        let ready = before.map_or(0, |before| before.available.min(requested));
        Ok(ProvisionedNow {
            requested,
            allocated: ready,
            available: ready,
            status: ProvisionedStatus::InProgress,
            reason: None,
            modified,
        })
    }

    /// What is provisioned for a version or an alias.
    ///
    /// # Errors
    ///
    /// If nothing is, or there is no such version or alias.
    pub fn provisioned(
        &self,
        function: &FunctionArn,
        qualifier: &Qualifier,
    ) -> Result<ProvisionedNow, ControlError> {
        check_published(qualifier, NEITHER_ALIAS_NOR_VERSION)?;
        let entry = self.catalog.get(function);
        let entry = entry.ok_or_else(|| ControlError::NotFound(missing(function, qualifier)))?;
        entry.record.existing_version(qualifier)?;
        let key = qualifier_key(Some(qualifier));
        let provisioned = entry.record.provisioned.get(&key);
        let provisioned = provisioned.ok_or(ControlError::ProvisionedConcurrencyMissing)?;
        Ok(self.provisioned_now(&entry, &key, *provisioned))
    }

    /// All that is provisioned for a function, by qualifier.
    ///
    /// # Errors
    ///
    /// If there is no such function.
    pub fn list_provisioned(
        &self,
        function: &FunctionArn,
    ) -> Result<Vec<(String, ProvisionedNow)>, ControlError> {
        let entry = self.catalog.get(function);
        let entry = entry.ok_or_else(|| ControlError::FunctionMissing(function.to_string()))?;
        let all = entry.record.provisioned.iter();
        Ok(all.map(|(key, one)| (key.clone(), self.provisioned_now(&entry, key, *one))).collect())
    }

    /// Asks for no more environments of a version or an alias. That there are none is fine.
    ///
    /// # Errors
    ///
    /// If there is no such version or alias.
    pub async fn delete_provisioned(
        &self,
        function: &FunctionArn,
        qualifier: &Qualifier,
    ) -> Result<(), ControlError> {
        check_published(qualifier, NEITHER_ALIAS_NOR_VERSION)?;
        let delete = self.change(function, |record| record.delete_provisioned(qualifier));
        delete.await.map_err(|error| error.when_missing(missing(function, qualifier)))
    }

    /// Says to the [`Provisioner`] what is wanted when a record takes the place of another, for
    /// those versions that can be run. What is wanted still is said again: a version may have
    /// become runnable only now.
    pub(crate) fn reprovision(
        &self,
        before: Option<&FunctionRecord>,
        after: Option<&FunctionRecord>,
        serving: &HashMap<Version, Arc<Target>>,
    ) {
        for (version, environments) in calls(before, after) {
            if let Some(target) = serving.get(&version) {
                self.parts.provisioner.provision(target, environments);
            }
        }
    }

    fn provisioned_now(
        &self,
        entry: &Entry,
        key: &str,
        provisioned: Provisioned,
    ) -> ProvisionedNow {
        let version = entry.record.provisioned_version(key);
        let target = version.and_then(|version| entry.serving.get(&version));
        let ready = target.map_or(0, |target| self.parts.provisioner.ready(target.id));
        let broken = target.is_some_and(|target| self.parts.provisioner.broken(target.id));
        let broken = broken.then_some(INIT_FAILED);
        let version = version.and_then(|version| entry.record.version(version));
        let state = version.map_or(State::Pending, |version| version.state);
        provisioned.with_ready(ready, state, broken)
    }
}

fn check_published(qualifier: &Qualifier, text: &str) -> Result<(), ControlError> {
    if *qualifier == Qualifier::Version(Version::Latest) { refuse(text) } else { Ok(()) }
}

/// Recorded: aliases that are not there are named in another way than versions.
fn missing(function: &FunctionArn, qualifier: &Qualifier) -> String {
    let what = match qualifier {
        Qualifier::Alias(_) => "Cannot find alias arn",
        Qualifier::Version(_) => "Function not found",
    };
    format!("{what}: {}", function.qualified(qualifier))
}
