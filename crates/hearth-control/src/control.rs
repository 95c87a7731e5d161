//! The operations of the control plane.
//!
//! # Promises
//!
//! 1. An operation that has answered is in the store; one that has failed has changed nothing.
//! 2. Changes of one function happen one after another; while one is in progress, another is
//!    refused.
//! 3. A function is served by what served it before until its new code is ready.
//! 4. Code is kept for as long as a record or an environment uses it, and no longer.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_runtimes::{Runtime, Runtimes};
use hearth_store::collection::Collection;
use hearth_store::packages::Packages;
use hearth_store::records::{RecordKey, Records};
use hearth_types::function::Target;
use hearth_types::ids::TargetId;
use hearth_types::names::{
    FunctionArn, FunctionName, FunctionReference, Qualifier, Scope, Version,
};
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};
use tokio::sync::RwLock;

use crate::catalog::{Catalog, Entry};
use crate::code_signing::CodeSigningConfig;
use crate::concurrency::{Provisioner, RecursiveLoop, Shares};
use crate::error::ControlError;
use crate::layer::Layer;
use crate::mapping::{Mapping, Pollers};
use crate::record::{FunctionRecord, VersionRecord};

/// The kind of the records of functions.
const KIND: &str = "function";

/// Told which targets are not wanted any more: the scheduler.
pub trait TargetWatcher: Send + Sync + fmt::Debug {
    /// No more invocations of this target will come.
    fn retired(&self, target: TargetId);
}

/// What the control plane works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where records are kept.
    pub records: Arc<dyn Records>,
    /// Where code is kept.
    pub packages: Arc<Packages>,
    /// Which runtimes there are.
    pub runtimes: Arc<Runtimes>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The owner of the tasks that finish changes.
    pub tasks: Tasks,
    /// How long Pending, InProgress and the like last at least, so that clients which watch for
    /// them can be tested.
    pub transition_min: Duration,
    /// Executions of an account at a time.
    pub concurrency_max: u32,
    /// What keeps environments ready.
    pub provisioner: Arc<dyn Provisioner>,
    /// What polls event sources.
    pub pollers: Arc<dyn Pollers>,
}

/// The control plane.
#[derive(Debug)]
pub struct Control {
    pub(crate) parts: Parts,
    pub(crate) catalog: Catalog,
    pub(crate) watcher: Arc<dyn TargetWatcher>,
    /// Held (shared) from keeping code to keeping the record that names it, and (alone) while
    /// unused code is removed.
    pub(crate) uploads: RwLock<()>,
    /// The layers, by name.
    pub(crate) layers: Collection<Layer>,
    /// The event source mappings, by UUID.
    pub(crate) mappings: Collection<Mapping>,
    /// The code signing configurations, by id.
    pub(crate) code_signing_configs: Collection<CodeSigningConfig>,
    /// One change of functions at a time.
    pub(crate) writing: tokio::sync::Mutex<()>,
    /// What is not wanted any more but may still be running.
    pub(crate) leaving: Mutex<Vec<std::sync::Weak<Target>>>,
    /// Whether a task is removing unused code.
    pub(crate) collecting: AtomicBool,
}

/// A function, or one version of it, as an operation returns it.
#[derive(Debug, Clone)]
pub struct FunctionView {
    /// The function.
    pub function: Arc<FunctionRecord>,
    /// The version that was asked for.
    pub version: Version,
    /// The ARN, qualified if the caller's name was.
    pub arn: String,
}

impl FunctionView {
    /// The version's record.
    ///
    /// # Panics
    ///
    /// Never: a view is made of a version that exists.
    #[must_use]
    pub fn record(&self) -> &VersionRecord {
        self.function.version(self.version).expect("a view is made of a version that exists")
    }
}

/// What an invocation runs.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What runs.
    pub target: Arc<Target>,
    /// What it runs on.
    pub runtime: Arc<Runtime>,
    /// The ARN as the caller qualified it.
    pub invoked_arn: String,
    /// How many executions there may be at a time.
    pub shares: Shares,
    /// What happens when it is invoked by itself without end.
    pub recursive_loop: RecursiveLoop,
}

/// A page of functions.
#[derive(Debug)]
pub struct FunctionPage {
    /// The functions.
    pub functions: Vec<Arc<FunctionRecord>>,
    /// Where the next page begins, if there is one.
    pub next: Option<FunctionName>,
}

impl Control {
    /// Reads all records and finishes the changes that were in progress.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not one.
    pub async fn open(
        parts: Parts,
        watcher: Arc<dyn TargetWatcher>,
    ) -> Result<Arc<Self>, OpenError> {
        let records = parts.records.all(KIND).await.map_err(OpenError::Store)?;
        let opened = OpenError::Store;
        let store = || Arc::clone(&parts.records);
        let control = Arc::new(Self {
            layers: Collection::open("layer", store()).await.map_err(opened)?,
            mappings: Collection::open("event-source-mapping", store()).await.map_err(opened)?,
            code_signing_configs: Collection::open("code-signing-config", store())
                .await
                .map_err(opened)?,
            parts,
            catalog: Catalog::default(),
            watcher,
            uploads: RwLock::new(()),
            writing: tokio::sync::Mutex::new(()),
            leaving: Mutex::default(),
            collecting: AtomicBool::new(false),
        });
        control.restore_mappings().await;
        for record in records {
            let record = serde_json::from_str(&record.document).map_err(OpenError::Record)?;
            control.restore(record).await;
        }
        control.collect_garbage().await;
        Ok(control)
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The function that a caller means, within the caller's scope.
    ///
    /// # Errors
    ///
    /// If it is in another region or of another account.
    pub fn arn(scope: &Scope, reference: &FunctionReference) -> Result<FunctionArn, ControlError> {
        if let Some(asked) = reference.region.as_ref().filter(|region| **region != scope.region) {
            let here = scope.region.clone();
            return Err(ControlError::OtherRegion { asked: asked.clone(), here });
        }
        if reference.account.as_ref().is_some_and(|account| *account != scope.account) {
            return Err(ControlError::OtherAccount);
        }
        Ok(FunctionArn { scope: scope.clone(), name: reference.name.clone() })
    }

    pub(crate) fn entry(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<Entry, ControlError> {
        self.catalog.get(function).ok_or_else(|| missing(function, qualifier))
    }

    /// What a caller invokes. Reads memory only. `draw`, from 0 up to but not including 1, decides
    /// where an alias leads that has two versions.
    ///
    /// # Errors
    ///
    /// If there is no such function or version, or it cannot be invoked yet.
    pub fn resolve(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
        draw: f64,
    ) -> Result<Resolved, ControlError> {
        let found = self.catalog.get_with_claims(function);
        let (entry, claims) = found.ok_or_else(|| missing(function, qualifier))?;
        let record = &entry.record;
        let version = match qualifier {
            Some(Qualifier::Alias(name)) => record.aliases.get(name).map(|to| to.route(draw)),
            Some(Qualifier::Version(version)) => Some(*version),
            None => Some(Version::Latest),
        };
        let found = version.and_then(|version| record.version(version));
        let found = found.ok_or_else(|| missing(function, qualifier))?;
        let Some(target) = entry.serving.get(&found.version) else {
            return Err(ControlError::NotActive(found.state.name()));
        };
        let runtime = self.parts.runtimes.get(&target.runtime).ok_or_else(|| {
            ControlError::InvalidParameter(self.parts.runtimes.missing_message(&target.runtime))
        })?;
        let invoked_arn = match qualifier {
            Some(qualifier) => function.qualified(qualifier),
            None => function.to_string(),
        };
        let unreserved = self.parts.concurrency_max.saturating_sub(claims.claimed);
        let shares = record.shares(found.version, unreserved);
        let recursive_loop = record.recursive_loop;
        Ok(Resolved { target: Arc::clone(target), runtime, invoked_arn, shares, recursive_loop })
    }

    /// A function or a version of it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn get(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<FunctionView, ControlError> {
        let entry = self.entry(function, qualifier)?;
        let version =
            entry.record.version_of(qualifier).ok_or_else(|| missing(function, qualifier))?;
        let arn = entry.record.qualified_arn(qualifier);
        Ok(FunctionView { function: entry.record, version, arn })
    }

    /// The archive of a version's code.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn zip(&self, digest: hearth_store::packages::CodeDigest) -> Result<Vec<u8>, ControlError> {
        self.parts.packages.zip(digest).map_err(ControlError::Package)
    }

    /// A page of the functions of a scope, in the order of their names.
    #[must_use]
    pub fn list(&self, scope: &Scope, after: Option<&FunctionName>, items: usize) -> FunctionPage {
        let mut functions = self.catalog.page(scope, after, items + 1);
        let more = functions.len() > items;
        functions.truncate(items);
        let next = functions.last().filter(|_| more).map(|last| last.arn.name.clone());
        FunctionPage { functions, next }
    }

    /// What a scope has: how many functions, and how large their archives and those of its layers
    /// are.
    #[must_use]
    pub fn usage(&self, scope: &Scope) -> (u64, u64) {
        let layers = self.layers.page(scope, None, usize::MAX);
        let layers = layers.iter().flat_map(|layer| layer.versions.values());
        let layers: u64 = layers.map(|version| version.code.zip_bytes).sum();
        let functions = self.catalog.page(scope, None, usize::MAX);
        functions.iter().fold((0, layers), |(count, bytes), function| {
            let code = function.all_versions().filter_map(|version| version.code.as_ref());
            (count + 1, bytes + code.map(|code| code.zip_bytes).sum::<u64>())
        })
    }

    /// The record of a function.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn record(&self, function: &FunctionArn) -> Result<Arc<FunctionRecord>, ControlError> {
        self.entry(function, None).map(|entry| entry.record)
    }

    /// Changes what belongs to a function beside its code and configuration: all of it, or, if
    /// `change` refuses, nothing.
    ///
    /// # Errors
    ///
    /// If there is no such function, `change` refuses, or the store failed.
    pub async fn change<T>(
        &self,
        function: &FunctionArn,
        change: impl FnOnce(&mut FunctionRecord) -> Result<T, ControlError> + Send,
    ) -> Result<T, ControlError> {
        let _writing = self.writing.lock().await;
        let entry = self.entry(function, None)?;
        let mut record = FunctionRecord::clone(&entry.record);
        let changed = change(&mut record)?;
        if record != *entry.record {
            self.write(record, entry.serving).await?;
        }
        Ok(changed)
    }

    pub(crate) async fn write(
        &self,
        record: FunctionRecord,
        serving: Arc<HashMap<Version, Arc<Target>>>,
    ) -> Result<(), ControlError> {
        let document = serde_json::to_string(&record).expect("a record can be written as JSON");
        self.parts.records.put(&key(&record.arn), &document).await.map_err(ControlError::Store)?;
        let before = self.catalog.get(&record.arn);
        let before = before.as_ref().map(|entry| entry.record.as_ref());
        self.reprovision(before, Some(&record), &serving);
        self.catalog.put(Entry { record: Arc::new(record), serving });
        Ok(())
    }

    pub(crate) fn view(
        &self,
        function: &FunctionArn,
        version: Version,
    ) -> Result<FunctionView, ControlError> {
        let qualifier = match version {
            Version::Latest => None,
            Version::Published(_) => Some(Qualifier::Version(version)),
        };
        self.get(function, qualifier.as_ref())
    }
}

pub(crate) fn key(function: &FunctionArn) -> RecordKey {
    let FunctionArn { scope, name } = function;
    RecordKey { kind: KIND, scope: scope.clone(), name: name.to_string() }
}

/// The records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error("could not read the records of functions")]
    Store(#[source] hearth_store::error::StoreError),
    /// A record is not one of ours.
    #[error("could not understand the record of a function")]
    Record(#[source] serde_json::Error),
}

fn missing(function: &FunctionArn, qualifier: Option<&Qualifier>) -> ControlError {
    let name = qualifier.map_or_else(|| function.to_string(), |one| function.qualified(one));
    ControlError::FunctionMissing(name)
}
