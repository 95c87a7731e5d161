//! The operations of the control plane.
//!
//! # Promises
//!
//! 1. An operation that has answered is in the store; one that has failed has changed nothing.
//! 2. Changes of one function happen one after another; while one is in progress, another is
//!    refused.
//! 3. A function is served by what served it before until its new code is ready.
//! 4. Code is kept for as long as a record or an environment uses it, and no longer.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use hearth_runtimes::{Runtime, Runtimes};
use hearth_store::functions::FunctionRecords;
use hearth_store::packages::{PackageError, PackageSummary, Packages};
use hearth_types::function::Target;
use hearth_types::ids::{RevisionId, TargetId};
use hearth_types::limits;
use hearth_types::names::{
    FunctionArn, FunctionName, FunctionReference, Qualifier, Scope, Version,
};
use hearth_types::tasks::Tasks;
use hearth_types::time::Clock;
use tokio::sync::RwLock;

use crate::catalog::{Catalog, Entry};
use crate::error::ControlError;
use crate::record::{Code, FunctionRecord, LastUpdate, State, VersionRecord};
use crate::settings::{Settings, check_tags};

/// Told which targets are not wanted any more: the scheduler.
pub trait TargetWatcher: Send + Sync + fmt::Debug {
    /// No more invocations of this target will come.
    fn retired(&self, target: TargetId);
}

/// What the control plane works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where records are kept.
    pub records: Arc<dyn FunctionRecords>,
    /// Where code is kept.
    pub packages: Arc<Packages>,
    /// Which runtimes there are.
    pub runtimes: Arc<Runtimes>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The owner of the tasks that finish changes.
    pub tasks: Tasks,
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
    /// One change of records at a time.
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
}

/// A function to be created.
#[derive(Debug)]
pub struct CreateFunction {
    /// Which one.
    pub function: FunctionArn,
    /// Its configuration.
    pub settings: Settings,
    /// Its code.
    pub zip: Vec<u8>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether version 1 is published at once.
    pub publish: Publish,
}

/// Whether a change also publishes a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// Code to be changed.
#[derive(Debug)]
pub struct UpdateCode {
    /// The new code.
    pub zip: Vec<u8>,
    /// What it was built for.
    pub architecture: Option<String>,
    /// Refused if the function is at another revision.
    pub revision: Option<String>,
    /// Whether a version is published as well.
    pub publish: Publish,
    /// Only checked, not done.
    pub dry_run: DryRun,
}

/// Whether a change is only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// It is only checked.
    Yes,
    /// It is done.
    No,
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
        let documents = parts.records.all().await.map_err(OpenError::Store)?;
        let control = Arc::new(Self {
            parts,
            catalog: Catalog::default(),
            watcher,
            uploads: RwLock::new(()),
            writing: tokio::sync::Mutex::new(()),
            leaving: Mutex::default(),
            collecting: AtomicBool::new(false),
        });
        for document in documents {
            let record = serde_json::from_str(&document).map_err(OpenError::Record)?;
            control.restore(record).await;
        }
        control.collect_garbage().await;
        Ok(control)
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

    fn entry(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<Entry, ControlError> {
        self.catalog.get(function).ok_or_else(|| missing(function, qualifier))
    }

    /// What a caller invokes. Reads memory only.
    ///
    /// # Errors
    ///
    /// If there is no such function or version, or it cannot be invoked yet.
    pub fn resolve(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<Resolved, ControlError> {
        let entry = self.entry(function, qualifier)?;
        let version = version_of(function, qualifier)?;
        let record = entry.record.version(version).ok_or_else(|| missing(function, qualifier))?;
        let Some(target) = entry.serving.get(&version) else {
            return Err(ControlError::NotActive(record.state.name()));
        };
        let runtime = self.parts.runtimes.get(&target.runtime).ok_or_else(|| {
            ControlError::InvalidParameter(self.parts.runtimes.missing_message(&target.runtime))
        })?;
        let invoked_arn = match qualifier {
            Some(qualifier) => function.qualified(qualifier),
            None => function.to_string(),
        };
        Ok(Resolved { target: Arc::clone(target), runtime, invoked_arn })
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
        let version = version_of(function, qualifier)?;
        if entry.record.version(version).is_none() {
            return Err(missing(function, qualifier));
        }
        let arn = qualifier.map_or_else(|| function.to_string(), |one| function.qualified(one));
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

    /// All functions of a scope: how many there are, and how large their code is.
    #[must_use]
    pub fn usage(&self, scope: &Scope) -> (u64, u64) {
        let mine = self.catalog.all().into_iter().filter(|entry| entry.record.arn.scope == *scope);
        mine.fold((0, 0), |(count, bytes), entry| {
            let code: u64 = entry.record.all_versions().map(|one| one.code.zip_bytes).sum();
            (count + 1, bytes + code)
        })
    }

    /// Creates a function.
    ///
    /// # Errors
    ///
    /// If it exists, a rule is broken, or the code is not an archive.
    pub async fn create(
        self: &Arc<Self>,
        request: CreateFunction,
    ) -> Result<FunctionView, ControlError> {
        let CreateFunction { function, settings, zip, tags, publish } = request;
        check_tags(&tags)?;
        let configuration = settings.create(&function.name, &self.parts.runtimes)?;
        if self.catalog.get(&function).is_some() {
            return Err(ControlError::FunctionExists(function.name.to_string()));
        }
        let uploading = self.uploads.read().await;
        let code = self.keep(zip).await?;
        let writing = self.writing.lock().await;
        if self.catalog.get(&function).is_some() {
            return Err(ControlError::FunctionExists(function.name.to_string()));
        }
        let latest = VersionRecord {
            version: Version::Latest,
            target: TargetId::random(),
            configuration,
            code,
            modified: self.parts.clock.now(),
            revision: RevisionId::random(),
            state: State::Pending,
            last_update: None,
        };
        let arn = function.clone();
        let mut record =
            FunctionRecord { arn, latest, versions: BTreeMap::new(), last_version: 0, tags };
        let version = publish_if_asked(&mut record, publish);
        self.write(record, Arc::default()).await?;
        drop((writing, uploading));
        self.finish_later(&function);
        self.view(&function, version)
    }

    /// Changes the code of a function.
    ///
    /// # Errors
    ///
    /// If there is no such function, it is changing, it is at another revision, or the code is not
    /// an archive.
    pub async fn update_code(
        self: &Arc<Self>,
        function: &FunctionArn,
        update: UpdateCode,
    ) -> Result<FunctionView, ControlError> {
        let UpdateCode { zip, architecture, revision, publish, dry_run } = update;
        self.entry(function, None)?;
        let uploading = self.uploads.read().await;
        let code = match dry_run {
            DryRun::No => self.keep(zip).await?,
            DryRun::Yes => code_of(hearth_store::packages::check(&zip).map_err(package_error)?),
        };
        let writing = self.writing.lock().await;
        let (entry, mut record) = self.to_change(function, revision.as_deref())?;
        let settings = Settings { architecture, ..Settings::default() };
        let old = &record.latest.configuration;
        record.latest.configuration = settings.update(old, &self.parts.runtimes)?;
        record.latest.code = code;
        self.mark_changed(&mut record.latest);
        let version = publish_if_asked(&mut record, publish);
        if dry_run == DryRun::Yes {
            let arn = function.to_string();
            return Ok(FunctionView { function: Arc::new(record), version, arn });
        }
        self.write(record, entry.serving).await?;
        drop((writing, uploading));
        self.finish_later(function);
        self.view(function, version)
    }

    /// Changes the configuration of a function.
    ///
    /// # Errors
    ///
    /// If there is no such function, it is changing, it is at another revision, or a rule is
    /// broken.
    pub async fn update_configuration(
        self: &Arc<Self>,
        function: &FunctionArn,
        settings: Settings,
        revision: Option<&str>,
    ) -> Result<FunctionView, ControlError> {
        let writing = self.writing.lock().await;
        let (entry, mut record) = self.to_change(function, revision)?;
        let old = &record.latest.configuration;
        record.latest.configuration = settings.update(old, &self.parts.runtimes)?;
        self.mark_changed(&mut record.latest);
        self.write(record, entry.serving).await?;
        drop(writing);
        self.finish_later(function);
        self.view(function, Version::Latest)
    }

    /// Deletes a function, or one of its versions. What is running finishes.
    ///
    /// # Errors
    ///
    /// If there is none, or it is `$LATEST` that is named.
    pub async fn delete(
        self: &Arc<Self>,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ControlError> {
        let _writing = self.writing.lock().await;
        let entry = self.entry(function, qualifier)?;
        match qualifier {
            None => {
                self.parts.records.remove(function).await.map_err(ControlError::Store)?;
                self.catalog.remove(function);
                self.retire(entry.serving.values());
                self.collect_later();
            }
            Some(Qualifier::Version(Version::Latest)) => {
                return Err(ControlError::InvalidParameter(
                    "$LATEST version cannot be deleted without deleting the function.".to_owned(),
                ));
            }
            Some(Qualifier::Alias(_)) => {
                return Err(ControlError::InvalidParameter(
                    "Deletion of aliases is not currently supported.".to_owned(),
                ));
            }
            Some(Qualifier::Version(version @ Version::Published(number))) => {
                let mut record = FunctionRecord::clone(&entry.record);
                if record.versions.remove(number).is_none() {
                    return Ok(()); // AWS does not mind.
                }
                let mut serving = HashMap::clone(&entry.serving);
                let gone = serving.remove(version);
                self.write(record, Arc::new(serving)).await?;
                self.retire(gone.iter());
                self.collect_later();
            }
        }
        Ok(())
    }

    /// Changes the tags of a function.
    ///
    /// # Errors
    ///
    /// If there is none, or there would be too many.
    pub async fn tag(
        &self,
        function: &FunctionArn,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Result<(), ControlError> {
        let _writing = self.writing.lock().await;
        let entry = self.entry(function, None)?;
        let mut record = FunctionRecord::clone(&entry.record);
        change(&mut record.tags);
        check_tags(&record.tags)?;
        self.write(record, entry.serving).await
    }

    async fn keep(&self, zip: Vec<u8>) -> Result<Code, ControlError> {
        let packages = Arc::clone(&self.parts.packages);
        // Unpacked at once: an archive that cannot be is refused, before anything has changed.
        let kept = tokio::task::spawn_blocking(move || {
            let summary = packages.keep(&zip)?;
            packages.unpack(summary.digest).map(|_tree| summary)
        });
        let kept = kept.await.expect("keeping a package does not panic");
        let summary = kept.map_err(package_error)?;
        Ok(code_of(summary))
    }

    /// A function that may be changed now.
    fn to_change(
        &self,
        function: &FunctionArn,
        revision: Option<&str>,
    ) -> Result<(Entry, FunctionRecord), ControlError> {
        let entry = self.entry(function, None)?;
        let latest = &entry.record.latest;
        if revision.is_some_and(|revision| revision != latest.revision.to_string()) {
            return Err(ControlError::RevisionMismatch);
        }
        if latest.state == State::Pending || latest.last_update == Some(LastUpdate::InProgress) {
            return Err(ControlError::UpdateInProgress(function.clone()));
        }
        let record = FunctionRecord::clone(&entry.record);
        Ok((entry, record))
    }

    fn mark_changed(&self, version: &mut VersionRecord) {
        version.target = TargetId::random();
        version.revision = RevisionId::random();
        version.modified = self.parts.clock.now();
        version.last_update = Some(LastUpdate::InProgress);
    }

    pub(crate) async fn write(
        &self,
        record: FunctionRecord,
        serving: Arc<HashMap<Version, Arc<Target>>>,
    ) -> Result<(), ControlError> {
        let document = serde_json::to_string(&record).expect("a record can be written as JSON");
        self.parts.records.put(&record.arn, &document).await.map_err(ControlError::Store)?;
        self.catalog.put(Entry { record: Arc::new(record), serving });
        Ok(())
    }

    fn view(&self, function: &FunctionArn, version: Version) -> Result<FunctionView, ControlError> {
        let qualifier = match version {
            Version::Latest => None,
            Version::Published(_) => Some(Qualifier::Version(version)),
        };
        self.get(function, qualifier.as_ref())
    }
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

fn publish_if_asked(record: &mut FunctionRecord, publish: Publish) -> Version {
    if publish == Publish::No {
        return Version::Latest;
    }
    // Recorded: nothing has changed, so the newest version is what is asked for.
    if let Some(newest) = record.versions.get(&record.last_version)
        && newest.code == record.latest.code
        && newest.configuration == record.latest.configuration
    {
        return newest.version;
    }
    record.last_version += 1;
    let version = Version::Published(record.last_version);
    let published = VersionRecord {
        version,
        target: TargetId::random(),
        revision: RevisionId::random(),
        state: State::Pending,
        last_update: None,
        ..record.latest.clone()
    };
    record.versions.insert(record.last_version, published);
    version
}

fn version_of(
    function: &FunctionArn,
    qualifier: Option<&Qualifier>,
) -> Result<Version, ControlError> {
    match qualifier {
        None => Ok(Version::Latest),
        Some(Qualifier::Version(version)) => Ok(*version),
        // Aliases are not built yet, so there is none of that name.
        Some(Qualifier::Alias(_)) => Err(missing(function, qualifier)),
    }
}

fn missing(function: &FunctionArn, qualifier: Option<&Qualifier>) -> ControlError {
    let name = qualifier.map_or_else(|| function.to_string(), |one| function.qualified(one));
    ControlError::FunctionMissing(name)
}

fn code_of(summary: PackageSummary) -> Code {
    Code { digest: summary.digest, zip_bytes: summary.zip_bytes }
}

/// What is wrong with an archive is the caller's to mend; what is wrong with the disk is ours.
fn package_error(error: PackageError) -> ControlError {
    match error {
        PackageError::Empty => {
            ControlError::InvalidParameter("Uploaded file must be a non-empty zip".to_owned())
        }
        PackageError::NotAnArchive { .. } => ControlError::InvalidParameter(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
                .to_owned(),
        ),
        PackageError::ZippedTooLarge { limit, .. } => {
            ControlError::TooLarge(format!("Zipped size must be smaller than {limit} bytes"))
        }
        PackageError::UnzippedTooLarge { .. } => ControlError::InvalidParameter(format!(
            "Unzipped size must be smaller than {} bytes",
            limits::UNZIPPED_BYTES_MAX
        )),
        PackageError::EntryRefused { .. } => ControlError::InvalidParameter(format!(
            "Could not unzip uploaded file. Please check your file, then try to upload again. ({error})"
        )),
        PackageError::TooManyEntries { .. } => ControlError::InvalidParameter(error.to_string()),
        PackageError::NotOpened { .. }
        | PackageError::NotKept { .. }
        | PackageError::NotUnpacked { .. }
        | PackageError::NotRead { .. }
        | PackageError::NotRemoved { .. }
        | PackageError::NotListed { .. }
        | PackageError::NotPacked { .. }
        | PackageError::Missing { .. } => ControlError::Package(error),
    }
}
