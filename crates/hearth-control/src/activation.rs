//! Finishing a change: unpacking code, and putting the new version in the place of the old one.
//!
//! Runs after the operation has answered, and again at start for whatever a crash interrupted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_store::packages::{CodeDigest, PackageError, Packages};
use hearth_types::function::Target;
use hearth_types::ids::RevisionId;
use hearth_types::names::FunctionArn;
use tokio::sync::RwLockWriteGuard;

use crate::catalog::Entry;
use crate::control::Control;
use crate::error::ControlError;
use crate::record::{FunctionRecord, LastUpdate, LogFormat, State, VersionRecord};

/// How often code that is not used any more is looked for while some may be.
const COLLECT_EVERY: Duration = Duration::from_millis(500);
/// When a change that could not be stored, for instance on a full disk, is tried again at first.
const FINISH_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// When it is given up until the next start.
const FINISH_PAUSE_MAX: Duration = Duration::from_secs(60);

impl Control {
    /// Takes a stored function into the catalog. Its code is unpacked again if it has to be.
    pub(crate) async fn restore(self: &Arc<Self>, record: FunctionRecord) {
        let arn = record.arn.clone();
        let mut serving = HashMap::new();
        for version in record.all_versions().filter(|version| is_ready(version)) {
            match self.unpack(version).await {
                Ok(()) => {
                    let target = self.target(&arn, version);
                    serving.extend(target.map(|target| (version.version, target)));
                }
                Err(error) => tracing::error!(function = %arn, %error, "its code is lost"),
            }
        }
        let settled = !record.all_versions().any(is_unsettled);
        self.catalog.put(Entry { record: Arc::new(record), serving: Arc::new(serving) });
        if !settled && let Err(error) = self.finish(&arn).await {
            tracing::error!(function = %arn, ?error, "its last change could not be finished");
            self.finish_later(&arn);
        }
    }

    /// Has the provisioned environments started, once at the start of the server, when functions
    /// can reach it.
    pub fn start_provisioned(&self) {
        for entry in self.catalog.all() {
            self.reprovision(None, Some(&entry.record), &entry.serving);
        }
    }

    /// Finishes the change of a function in the background.
    pub(crate) fn finish_later(self: &Arc<Self>, function: &FunctionArn) {
        let (control, function) = (Arc::clone(self), function.clone());
        self.parts.tasks.spawn("finish a change", async move {
            tokio::time::sleep(control.parts.transition_min).await;
            let mut pause = FINISH_AGAIN_AFTER;
            loop {
                match control.finish(&function).await {
                    Ok(Finished::Replaced) => return control.collect_later(),
                    Ok(Finished::Added) => return,
                    Err(error) => {
                        tracing::error!(%function, ?error, "a change could not be finished");
                    }
                }
                if pause > FINISH_PAUSE_MAX {
                    return; // The next start finishes it.
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        });
    }

    async fn finish(&self, function: &FunctionArn) -> Result<Finished, ControlError> {
        let Some(entry) = self.catalog.get(function) else { return Ok(Finished::Added) };
        let mut unpacked = HashMap::new();
        for version in entry.record.all_versions().filter(|version| is_unsettled(version)) {
            let result = self.unpack(version).await;
            if let Err(error) = &result {
                tracing::warn!(%function, %error, "code could not be unpacked");
            }
            unpacked.insert(version.target, result);
        }
        let _writing = self.writing.lock().await;
        // Deleted in between, or even created again: then it is somebody else's change.
        let Some(entry) = self.catalog.get(function) else { return Ok(Finished::Added) };
        let mut record = FunctionRecord::clone(&entry.record);
        let mut serving = HashMap::clone(&entry.serving);
        let mut replaced = Vec::new();
        for version in record.all_versions_mut() {
            let Some(result) = unpacked.get(&version.target) else { continue };
            if settle(version, result)
                && let Some(target) = self.target(function, version)
            {
                replaced.extend(serving.insert(version.version, target));
            }
        }
        if record == *entry.record {
            return Ok(Finished::Added);
        }
        self.write(record, Arc::new(serving)).await?;
        self.retire(replaced.iter());
        Ok(if replaced.is_empty() { Finished::Added } else { Finished::Replaced })
    }

    async fn unpack(&self, version: &VersionRecord) -> Result<(), Unready> {
        let Some(code) = version.code else { return Err(Unready::Image) };
        let packages = Arc::clone(&self.parts.packages);
        let unpacked = tokio::task::spawn_blocking(move || packages.unpack(code.digest));
        unpacked.await.expect("unpacking does not panic").map_err(Unready::Package)?;
        self.merge(layers(version)).await.map_err(Unready::Package)
    }

    /// Lays layers over each other, unless that was done before.
    pub(crate) async fn merge(&self, layers: Vec<CodeDigest>) -> Result<(), PackageError> {
        if layers.is_empty() {
            return Ok(());
        }
        let packages = Arc::clone(&self.parts.packages);
        let merged = tokio::task::spawn_blocking(move || packages.merge(&layers));
        merged.await.expect("merging does not panic").map(drop)
    }

    /// What serves a version. An image has no code here, and nothing that serves it.
    pub(crate) fn target(
        &self,
        function: &FunctionArn,
        version: &VersionRecord,
    ) -> Option<Arc<Target>> {
        let configuration = &version.configuration;
        let layers = layers(version);
        let packages = &self.parts.packages;
        let application_log_level = match &configuration.log_format {
            LogFormat::Text => None,
            LogFormat::Json { application_level, .. } => Some(application_level.clone()),
        };
        Some(Arc::new(Target {
            id: version.target,
            function: function.clone(),
            version: version.version,
            runtime: configuration.runtime.clone(),
            handler: configuration.handler.clone(),
            memory_mb: configuration.memory_mb,
            timeout_seconds: configuration.timeout_seconds,
            ephemeral_storage_mb: configuration.ephemeral_storage_mb,
            variables: configuration.variables.clone().unwrap_or_default(),
            log_group: configuration.log_group.clone(),
            application_log_level,
            code: packages.tree(version.code?.digest),
            layers: (!layers.is_empty()).then(|| packages.merged_path(&layers)),
        }))
    }

    /// Tells the watcher, and remembers what may still be running.
    pub(crate) fn retire<'a>(&self, targets: impl Iterator<Item = &'a Arc<Target>>) {
        let mut leaving = self.leaving.lock().expect("no code panics while it holds the list");
        for target in targets {
            leaving.push(Arc::downgrade(target));
            self.watcher.retired(target.id);
        }
    }

    /// Removes unused code in the background, and comes back until what is leaving has left. One
    /// task does that for everybody.
    pub(crate) fn collect_later(self: &Arc<Self>) {
        if self.collecting.swap(true, Ordering::AcqRel) {
            return;
        }
        let control = Arc::clone(self);
        self.parts.tasks.spawn("collect unused code", async move {
            loop {
                tokio::time::sleep(COLLECT_EVERY).await;
                // Whoever waits for the lock holds up every upload behind it.
                let Ok(alone) = control.uploads.try_write() else { continue };
                control.remove_unused(alone).await;
                // Cleared before the list is looked at: what comes now starts another task.
                control.collecting.store(false, Ordering::Release);
                let leaving = control.leaving.lock().expect("nobody panics with the list").len();
                if leaving == 0 || control.collecting.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        });
    }

    /// Removes the code that neither a record, nor what serves, nor an environment uses.
    pub async fn collect_garbage(&self) {
        let alone = self.uploads.write().await;
        self.remove_unused(alone).await;
    }

    async fn remove_unused(&self, _no_uploads: RwLockWriteGuard<'_, ()>) {
        let wanted = {
            // No change may move a target from the catalog to those that leave in between.
            let _writing = self.writing.lock().await;
            self.used_code()
        };
        let packages = Arc::clone(&self.parts.packages);
        let removed = tokio::task::spawn_blocking(move || {
            let mut removed = packages.retain_merged(&wanted)?;
            removed.extend(packages.retain(&wanted)?);
            Ok::<_, PackageError>(removed)
        });
        let removed = removed.await;
        match removed.expect("removing does not panic") {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => tracing::debug!(count = removed.len(), "removed unused code"),
            Err(error) => tracing::warn!(%error, "unused code could not be removed"),
        }
    }

    fn used_code(&self) -> HashSet<CodeDigest> {
        let mut used = HashSet::new();
        for entry in self.catalog.all() {
            used.extend(entry.record.archives().map(|code| code.digest));
            let versions = entry.record.all_versions();
            used.extend(versions.map(|version| Packages::merged_key(&layers(version))));
            used.extend(entry.serving.values().flat_map(|target| digests_of(target)));
        }
        used.extend(self.layer_code());
        let mut leaving = self.leaving.lock().expect("no code panics while it holds the list");
        leaving.retain(|target| match target.upgrade() {
            Some(target) => {
                used.extend(digests_of(&target));
                true
            }
            None => false,
        });
        used
    }
}

/// What a target's code and its only layer were unpacked from, and under which digest several
/// layers were merged.
fn digests_of(target: &Target) -> impl Iterator<Item = CodeDigest> {
    let paths = std::iter::once(&target.code).chain(&target.layers);
    paths.filter_map(|path| path.file_name()?.to_str()?.parse().ok())
}

fn layers(version: &VersionRecord) -> Vec<CodeDigest> {
    version.configuration.layers.iter().map(|layer| layer.code.digest).collect()
}

/// Why a version cannot be served.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("its code could not be unpacked")]
    Package(#[source] PackageError),
    #[error("Hearth does not run container images yet")]
    Image,
}

/// How a change was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finished {
    /// Something that served before does so no more.
    Replaced,
    /// Nothing has become unused.
    Added,
}

/// Whether a change of a version is in progress.
fn is_unsettled(version: &VersionRecord) -> bool {
    version.state == State::Pending || version.last_update == Some(LastUpdate::InProgress)
}

fn is_ready(version: &VersionRecord) -> bool {
    version.state == State::Active && version.last_update != Some(LastUpdate::InProgress)
}

/// Ends a change of a version. Returns whether it can be served now.
fn settle(version: &mut VersionRecord, result: &Result<(), Unready>) -> bool {
    version.revision = RevisionId::random();
    match (result, version.state) {
        (Ok(()), _) => {
            version.state = State::Active;
            version.last_update = Some(LastUpdate::Successful);
            true
        }
        (Err(_), State::Active) => {
            version.last_update = Some(LastUpdate::Failed);
            false
        }
        (Err(_), State::Pending | State::Failed) => {
            version.state = State::Failed;
            version.last_update = Some(LastUpdate::Failed);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(state: State, last_update: Option<LastUpdate>) -> VersionRecord {
        let latest = crate::publish::testing::function().latest;
        VersionRecord { state, last_update, ..latest }
    }

    #[test]
    fn each_change_ends_as_aws_ends_it() {
        use LastUpdate::{Failed, InProgress, Successful};
        let lost = || Err(Unready::Package(PackageError::Missing { digest: CodeDigest::of(b"") }));
        #[rustfmt::skip]
        let rows = [
            ("created",              State::Pending, None,             Ok(()), State::Active, Successful, true),
            ("updated",              State::Active,  Some(InProgress), Ok(()), State::Active, Successful, true),
            ("creation goes wrong",  State::Pending, None,             lost(), State::Failed, Failed,     false),
            ("update goes wrong",    State::Active,  Some(InProgress), lost(), State::Active, Failed,     false),
        ];
        for (name, state, update, result, state_after, update_after, served) in rows {
            let mut version = version(state, update);
            let before = version.revision;
            assert_eq!(settle(&mut version, &result), served, "{name}");
            assert_eq!(
                (version.state, version.last_update),
                (state_after, Some(update_after)),
                "{name}"
            );
            assert_ne!(version.revision, before, "{name}: the revision changes");
        }
    }
}
