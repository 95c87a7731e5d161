//! Creating, changing and deleting functions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_store::packages::{PackageError, PackageSummary};
use hearth_types::ids::{RevisionId, TargetId};
use hearth_types::limits;
use hearth_types::names::{FunctionArn, Qualifier, Scope, Version};

use crate::catalog::Entry;
use crate::code_signing::check_signable;
use crate::control::{Control, FunctionView, key};
use crate::error::ControlError;
use crate::layer::LayerReference;
use crate::publish::{Publish, publish_if_asked};
use crate::record::{Code, Configuration, FunctionRecord, LastUpdate, State, VersionRecord};
use crate::settings::{Context, Settings, check_tags, refuse};

/// A function to be created.
#[derive(Debug)]
pub struct CreateFunction {
    /// Which one.
    pub function: FunctionArn,
    /// Its configuration.
    pub settings: Settings,
    /// Its code.
    pub source: Source,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of the code signing configuration that it is under.
    pub code_signing_config: Option<String>,
    /// Whether version 1 is published at once.
    pub publish: Publish,
}

/// Where code comes from.
#[derive(Debug)]
pub enum Source {
    /// An archive.
    Zip(Vec<u8>),
    /// A container image, by its URI.
    Image(String),
}

/// Code to be changed.
#[derive(Debug)]
pub struct UpdateCode {
    /// The new code.
    pub source: Source,
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

/// A function to be created whose code is kept.
struct NewFunction {
    function: FunctionArn,
    configuration: Configuration,
    code: Option<Code>,
    tags: BTreeMap<String, String>,
    code_signing_config: Option<String>,
    publish: Publish,
}

/// Code to be changed that is kept, unless it is only checked.
struct NewCode {
    code: Option<Code>,
    image: Option<String>,
    architecture: Option<String>,
    revision: Option<String>,
    publish: Publish,
    dry_run: DryRun,
}

impl Control {
    /// Creates a function.
    ///
    /// # Errors
    ///
    /// If it exists, a rule is broken, or the code is not an archive.
    pub async fn create(
        self: &Arc<Self>,
        request: CreateFunction,
    ) -> Result<FunctionView, ControlError> {
        let CreateFunction { function, settings, source, tags, code_signing_config, publish } =
            request;
        check_tags(&tags)?;
        if let Some(arn) = &code_signing_config {
            self.check_code_signing(&function.scope, arn)?;
            self.admits_unsigned(&function, arn)?;
        }
        // No layer may be forgotten between its being found and its being written down.
        let uploading = self.uploads.read().await;
        let layers = self.layers_of(&function, &settings, &[])?;
        let image = match &source {
            Source::Zip(_) => None,
            Source::Image(uri) => Some(uri.clone()),
        };
        self.lay(layers.as_deref()).await?;
        let context = self.context(layers.as_deref());
        let configuration = settings.create(&function.name, image, context)?;
        self.check_new(&function)?;
        let code = self.keep_source(&function.scope, source).await?;
        let new = NewFunction { function, configuration, code, tags, code_signing_config, publish };
        let created = self.create_kept(new).await;
        drop(uploading);
        if created.is_err() {
            self.collect_later(); // What was kept for it is of no use.
        }
        created
    }

    /// Creates a function whose code is kept already.
    async fn create_kept(self: &Arc<Self>, new: NewFunction) -> Result<FunctionView, ControlError> {
        let NewFunction { function, configuration, code, tags, code_signing_config, publish } = new;
        check_size(code.as_ref(), &configuration)?;
        let _writing = self.writing.lock().await;
        // Both may have changed while the code was on its way.
        self.check_new(&function)?;
        if let Some(arn) = &code_signing_config {
            self.check_code_signing(&function.scope, arn)?;
            self.admits_unsigned(&function, arn)?;
        }
        let latest = VersionRecord {
            version: Version::Latest,
            target: TargetId::random(),
            configuration,
            code,
            modified: self.now(),
            revision: RevisionId::random(),
            state: State::Pending,
            last_update: None,
        };
        let mut record = FunctionRecord {
            tags,
            code_signing_config,
            ..FunctionRecord::new(function.clone(), latest)
        };
        if record.code_signing_config.is_some() {
            check_signable(&record)?;
        }
        let version = publish_if_asked(&mut record, publish);
        self.write(record, Arc::default()).await?;
        // Looked at before anybody else can change it.
        let view = self.view(&function, version);
        self.finish_later(&function);
        view
    }

    fn check_new(&self, function: &FunctionArn) -> Result<(), ControlError> {
        match self.catalog.get(function) {
            None => Ok(()),
            Some(_) => Err(ControlError::FunctionExists(function.name.to_string())),
        }
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
        let UpdateCode { source, architecture, revision, publish, dry_run } = update;
        // What is only checked is not published either.
        let publish = if dry_run == DryRun::Yes { Publish::No } else { publish };
        let before = self.record(function)?;
        check_kind(&source, &before.latest.configuration)?;
        self.to_change(function, revision.as_deref())?;
        let uploading = self.uploads.read().await;
        let image = match &source {
            Source::Zip(_) => None,
            Source::Image(uri) => Some(uri.clone()),
        };
        let code = match (source, dry_run) {
            (source, DryRun::No) => self.keep_source(&function.scope, source).await?,
            (Source::Zip(zip), DryRun::Yes) => {
                let checked =
                    tokio::task::spawn_blocking(move || hearth_store::packages::check(&zip));
                let checked = checked.await.expect("checking an archive does not panic");
                Some(code_of(checked.map_err(package_error)?))
            }
            (Source::Image(_), DryRun::Yes) => None,
        };
        let new = NewCode { code, image, architecture, revision, publish, dry_run };
        let updated = self.update_kept(function, new).await;
        drop(uploading);
        if updated.is_err() {
            self.collect_later(); // What was kept for it is of no use.
        }
        updated
    }

    /// Gives a function code that is kept already.
    async fn update_kept(
        self: &Arc<Self>,
        function: &FunctionArn,
        new: NewCode,
    ) -> Result<FunctionView, ControlError> {
        let NewCode { code, image, architecture, revision, publish, dry_run } = new;
        let _writing = self.writing.lock().await;
        let (entry, mut record) = self.to_change(function, revision.as_deref())?;
        if let Some(arn) = &record.code_signing_config {
            self.admits_unsigned(function, arn)?;
        }
        let settings = Settings { architecture, ..Settings::default() };
        let old = &record.latest.configuration;
        record.latest.configuration = settings.update(old, self.context(None))?;
        if let (Some(uri), Some(old)) = (image, &mut record.latest.configuration.image) {
            old.uri = uri;
        }
        record.latest.code = code;
        check_size(record.latest.code.as_ref(), &record.latest.configuration)?;
        self.mark_changed(&mut record.latest);
        let version = publish_if_asked(&mut record, publish);
        if dry_run == DryRun::Yes {
            let arn = function.to_string();
            return Ok(FunctionView { function: Arc::new(record), version, arn });
        }
        self.write(record, entry.serving).await?;
        let view = self.view(function, version);
        self.finish_later(function);
        view
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
        // No layer may be forgotten between its being found and its being written down.
        let _uploading = self.uploads.read().await;
        let before = self.record(function)?;
        let kept = &before.latest.configuration.layers;
        self.lay(self.layers_of(function, &settings, kept)?.as_deref()).await?;
        if let Some(seconds) = settings.timeout_seconds {
            self.check_timeout_of_sources(function, seconds).await?;
        }
        let _writing = self.writing.lock().await;
        let (entry, mut record) = self.to_change(function, revision)?;
        let old = &record.latest.configuration;
        let layers = self.layers_of(function, &settings, &old.layers)?;
        record.latest.configuration = settings.update(old, self.context(layers.as_deref()))?;
        check_size(record.latest.code.as_ref(), &record.latest.configuration)?;
        self.mark_changed(&mut record.latest);
        self.write(record, entry.serving).await?;
        let view = self.view(function, Version::Latest);
        self.finish_later(function);
        view
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
                self.parts.records.remove(&key(function)).await.map_err(ControlError::Store)?;
                self.catalog.remove(function);
                self.retire(entry.serving.values());
                self.collect_later();
                Ok(())
            }
            Some(Qualifier::Version(Version::Latest)) => {
                refuse("$LATEST version cannot be deleted without deleting the function.")
            }
            Some(Qualifier::Alias(_)) => refuse("Deletion of aliases is not currently supported."),
            Some(Qualifier::Version(version @ Version::Published(number))) => {
                let mut record = FunctionRecord::clone(&entry.record);
                record.check_unused(*number)?;
                if record.versions.remove(number).is_none() {
                    return Ok(()); // AWS does not mind.
                }
                record.forget_qualifier(&Qualifier::Version(*version));
                let mut serving = HashMap::clone(&entry.serving);
                let gone = serving.remove(version);
                self.write(record, Arc::new(serving)).await?;
                self.retire(gone.iter());
                self.collect_later();
                Ok(())
            }
        }
    }

    fn context<'a>(&'a self, layers: Option<&'a [LayerReference]>) -> Context<'a> {
        Context { runtimes: &self.parts.runtimes, layers }
    }

    /// The layers that settings name. What the function has already is found also when it was
    /// deleted since.
    fn layers_of(
        &self,
        function: &FunctionArn,
        settings: &Settings,
        kept: &[LayerReference],
    ) -> Result<Option<Vec<LayerReference>>, ControlError> {
        let named = settings.layers.as_deref();
        named.map(|arns| self.resolve_layers(&function.scope, arns, kept)).transpose()
    }

    /// Lays layers over each other before anything names them, so that a change which is answered
    /// does not fail for want of room afterwards.
    async fn lay(&self, layers: Option<&[LayerReference]>) -> Result<(), ControlError> {
        let digests = layers.unwrap_or_default().iter().map(|layer| layer.code.digest);
        self.merge(digests.collect()).await.map_err(package_error)
    }

    async fn keep_source(
        &self,
        scope: &Scope,
        source: Source,
    ) -> Result<Option<Code>, ControlError> {
        match source {
            Source::Zip(zip) => self.keep(scope, zip).await.map(Some),
            Source::Image(_) => Ok(None),
        }
    }

    /// Keeps an archive. `uploads` must be held until a record names it.
    pub(crate) async fn keep(&self, scope: &Scope, zip: Vec<u8>) -> Result<Code, ControlError> {
        self.check_storage(scope)?;
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

    /// All code of an account in a region has a limit.
    fn check_storage(&self, scope: &Scope) -> Result<(), ControlError> {
        let (_functions, bytes) = self.usage(scope);
        if bytes < limits::CODE_STORAGE_BYTES_MAX {
            Ok(())
        } else {
            Err(ControlError::CodeStorageExceeded)
        }
    }

    /// A function that may be changed now.
    pub(crate) fn to_change(
        &self,
        function: &FunctionArn,
        revision: Option<&str>,
    ) -> Result<(Entry, FunctionRecord), ControlError> {
        let entry = self.entry(function, None)?;
        let latest = &entry.record.latest;
        if revision.is_some_and(|revision| revision != latest.revision.to_string()) {
            return Err(ControlError::RevisionMismatch("GetFunction/GetAlias"));
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
        version.modified = self.now();
        version.last_update = Some(LastUpdate::InProgress);
    }
}

fn check_kind(source: &Source, configuration: &Configuration) -> Result<(), ControlError> {
    match (source, &configuration.image) {
        (Source::Zip(_), Some(_)) => {
            refuse("Please provide ImageUri when updating a function with packageType Image.")
        }
        (Source::Image(_), None) => {
            refuse("Please don't provide ImageUri when updating a function with packageType Zip.")
        }
        (Source::Zip(_), None) | (Source::Image(_), Some(_)) => Ok(()),
    }
}

/// Code and layers share one limit.
fn check_size(code: Option<&Code>, configuration: &Configuration) -> Result<(), ControlError> {
    let bytes = code.map_or(0, |code| code.unzipped_bytes) + configuration.layer_bytes();
    if bytes <= limits::UNZIPPED_BYTES_MAX {
        return Ok(());
    }
    refuse(format!(
        "Function code combined with layers exceeds the maximum allowed size of {} bytes. The actual size is {bytes} bytes.",
        limits::UNZIPPED_BYTES_MAX
    ))
}

fn code_of(summary: PackageSummary) -> Code {
    Code {
        digest: summary.digest,
        zip_bytes: summary.zip_bytes,
        unzipped_bytes: summary.unzipped_bytes,
    }
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
        | PackageError::NotMerged { .. }
        | PackageError::Missing { .. } => ControlError::Package(error),
    }
}
