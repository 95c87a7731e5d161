//! Publishing: `$LATEST` as it is becomes a version that does not change any more.
//!
//! # Promises
//!
//! 1. A number is never used again, also not when its version has been deleted.
//! 2. What has not changed since it was published is not published again: the version that there is
//!    answers for it.
//! 3. A version of code that is ready can be invoked as soon as [`Control::publish_version`] has
//!    answered. One that comes with new code, or of code that could not be unpacked, begins as
//!    `Pending`.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_types::ids::{RevisionId, TargetId};
use hearth_types::names::{FunctionArn, Version};

use crate::control::{Control, FunctionView};
use crate::error::ControlError;
use crate::record::{Configuration, FunctionRecord, LastUpdate, State, VersionRecord};
use crate::settings::refuse;

/// Whether a change also publishes a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// A version to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishVersion {
    /// Refused if the code of `$LATEST` is another. The digest as AWS writes it.
    pub code_sha256: Option<String>,
    /// What the version is for, in place of what `$LATEST` is for.
    pub description: Option<String>,
    /// Refused if `$LATEST` is at another revision.
    pub revision: Option<String>,
}

impl Control {
    /// Publishes `$LATEST`, or finds the version that it was published as.
    ///
    /// # Errors
    ///
    /// If there is no such function, it is changing, it cannot be invoked, or its code or its
    /// revision is another than the caller thinks.
    pub async fn publish_version(
        self: &Arc<Self>,
        function: &FunctionArn,
        request: PublishVersion,
    ) -> Result<FunctionView, ControlError> {
        let PublishVersion { code_sha256, description, revision } = request;
        let writing = self.writing.lock().await;
        let (entry, mut record) = self.to_change(function, revision.as_deref())?;
        check_publishable(&record.latest, code_sha256.as_deref())?;
        let state = first_state(&record.latest);
        let version = publish_latest(&mut record, description, state);
        if record.last_version == entry.record.last_version {
            return self.view(function, version); // Nothing has changed.
        }
        let mut serving = HashMap::clone(&entry.serving);
        if state == State::Active {
            let published = record.version(version).expect("it has just been published");
            let target = self.target(function, published);
            serving.extend(target.map(|target| (version, target)));
        }
        self.write(record, Arc::new(serving)).await?;
        let view = self.view(function, version);
        drop(writing);
        if state == State::Pending {
            self.finish_later(function);
        }
        view
    }
}

/// Publishes what an operation has just written into `$LATEST`, if the caller asked for it. Returns
/// the version that the operation answers with.
pub(crate) fn publish_if_asked(record: &mut FunctionRecord, asked: Publish) -> Version {
    match asked {
        Publish::No => Version::Latest,
        Publish::Yes => publish_latest(record, None, State::Pending),
    }
}

fn check_publishable(
    latest: &VersionRecord,
    code_sha256: Option<&str>,
) -> Result<(), ControlError> {
    if latest.state != State::Active {
        return Err(ControlError::NotActive(latest.state.name()));
    }
    let current = latest.code.map(|code| code.digest.base64()).unwrap_or_default();
    match code_sha256 {
        Some(given) if given != current => refuse(format!(
            "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
        )),
        Some(_) | None => Ok(()),
    }
}

/// In which state a version begins that has the code of this one.
fn first_state(latest: &VersionRecord) -> State {
    match latest.last_update {
        Some(LastUpdate::Successful) => State::Active,
        // What runs is the code from before; what is published is the new one.
        Some(LastUpdate::Failed | LastUpdate::InProgress) | None => State::Pending,
    }
}

fn publish_latest(
    record: &mut FunctionRecord,
    description: Option<String>,
    state: State,
) -> Version {
    if let Some(newest) = unchanged(record) {
        return newest;
    }
    record.last_version += 1;
    let version = Version::Published(record.last_version);
    let mut configuration = record.latest.configuration.clone();
    record.published_description = Some(configuration.description.clone());
    if let Some(description) = description {
        configuration.description = description;
    }
    let published = VersionRecord {
        version,
        target: TargetId::random(),
        configuration,
        revision: RevisionId::random(),
        state,
        last_update: (state == State::Active).then_some(LastUpdate::Successful),
        ..record.latest.clone()
    };
    record.versions.insert(record.last_version, published);
    version
}

/// The newest version, if `$LATEST` is still what it was published from. That the version was given
/// a description of its own makes no difference.
fn unchanged(record: &FunctionRecord) -> Option<Version> {
    let newest = record.versions.get(&record.last_version)?;
    let described = record.published_description.as_ref();
    let published = Configuration {
        description: described.unwrap_or(&newest.configuration.description).clone(),
        ..newest.configuration.clone()
    };
    let digest = |version: &VersionRecord| version.code.map(|code| code.digest);
    let same = digest(newest) == digest(&record.latest) && published == record.latest.configuration;
    same.then_some(newest.version)
}

/// Functions for the tests of this crate.
#[cfg(test)]
pub(crate) mod testing {
    use hearth_store::packages::CodeDigest;
    use serde_json::json;

    use super::*;

    /// A function that is active, read as an old record is: without what was added since.
    pub(crate) fn function() -> FunctionRecord {
        let record = json!({
            "arn": {
                "scope": { "account": "000000000000", "region": "us-east-1" },
                "name": "f",
            },
            "latest": {
                "version": "$LATEST",
                "target": TargetId::random(),
                "configuration": {
                    "runtime": "provided.al2023",
                    "role": "arn:aws:iam::000000000000:role/r",
                    "handler": "bootstrap",
                    "description": "",
                    "timeout_seconds": 3,
                    "memory_mb": 128,
                    "ephemeral_storage_mb": 512,
                    "variables": null,
                    "architecture": "x86_64",
                    "log_group": "/aws/lambda/f",
                },
                "code": { "digest": CodeDigest::of(b"0"), "zip_bytes": 1 },
                "modified": 0,
                "revision": RevisionId::random(),
                "state": "Active",
                "last_update": "Successful",
            },
        });
        serde_json::from_value(record).expect("the record of a function")
    }

    /// The same with versions from 1 on, which differ in their code.
    pub(crate) fn with_versions(count: u64) -> FunctionRecord {
        let mut record = function();
        for number in 1..=count {
            let code = record.latest.code.as_mut().expect("it is not an image");
            code.digest = CodeDigest::of(number.to_string().as_bytes());
            assert_eq!(
                publish_latest(&mut record, None, State::Active),
                Version::Published(number)
            );
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use hearth_store::packages::CodeDigest;

    use super::testing::{function, with_versions};
    use super::*;

    fn publish(record: &mut FunctionRecord) -> Version {
        publish_latest(record, None, State::Active)
    }

    fn describe(record: &mut FunctionRecord, description: &str) -> Version {
        publish_latest(record, Some(description.to_owned()), State::Active)
    }

    #[test]
    fn a_version_has_the_code_and_configuration_of_latest_and_ids_of_its_own() {
        for (state, last_update) in
            [(State::Active, Some(LastUpdate::Successful)), (State::Pending, None)]
        {
            let mut record = function();
            let latest = record.latest.clone();
            assert_eq!(publish_latest(&mut record, None, state), Version::Published(1));
            let version = record.versions[&1].clone();
            assert_eq!((version.state, version.last_update), (state, last_update));
            assert_ne!(version.target, latest.target);
            assert_ne!(version.revision, latest.revision);
            let same = VersionRecord {
                version: Version::Published(1),
                target: version.target,
                revision: version.revision,
                state,
                last_update,
                ..latest.clone()
            };
            assert_eq!(version, same);
            assert_eq!(record.latest, latest, "$LATEST stays as it is");
        }
    }

    #[test]
    fn what_has_changed_is_published_and_what_has_not_is_found() {
        type Change = fn(&mut FunctionRecord);
        #[rustfmt::skip]
        let rows: [(&str, Change, u64); 8] = [
            ("nothing",                 |_| (),                                                                      2),
            ("a revision",              |record| record.latest.revision = RevisionId::random(),                      2),
            ("a target",                |record| record.latest.target = TargetId::random(),                          2),
            ("memory",                  |record| record.latest.configuration.memory_mb = 256,                        3),
            ("its description",         |record| record.latest.configuration.description.push('!'),                  3),
            ("code",                    |record| record.latest.code.as_mut().unwrap().digest = CodeDigest::of(b"x"), 3),
            ("code of an older one",    |record| record.latest.code = record.versions[&1].code,                      3),
            ("the newest is gone",      |record| drop(record.versions.remove(&2)),                                   3),
        ];
        for (what, change, expected) in rows {
            let mut record = with_versions(2);
            change(&mut record);
            assert_eq!(publish(&mut record), Version::Published(expected), "{what}");
            assert_eq!(record.last_version, expected, "{what}");
        }
    }

    #[test]
    fn a_description_of_its_own_neither_makes_a_version_nor_changes_one() {
        let mut record = function();
        assert_eq!(describe(&mut record, "first"), Version::Published(1));
        assert_eq!(record.versions[&1].configuration.description, "first");
        assert_eq!(record.latest.configuration.description, "");
        assert_eq!(describe(&mut record, "second"), Version::Published(1));
        assert_eq!(publish(&mut record), Version::Published(1));
        assert_eq!(record.versions[&1].configuration.description, "first");

        // That of `$LATEST` is a part of its configuration.
        record.latest.configuration.description = "first".to_owned();
        assert_eq!(publish(&mut record), Version::Published(2));
        assert_eq!(publish(&mut record), Version::Published(2));
    }

    #[test]
    fn a_number_is_never_used_again() {
        let mut record = with_versions(3);
        record.versions.clear();
        assert_eq!(publish(&mut record), Version::Published(4));
    }

    #[test]
    fn publishing_is_left_out_unless_it_was_asked_for() {
        let mut record = function();
        let before = record.clone();
        assert_eq!(publish_if_asked(&mut record, Publish::No), Version::Latest);
        assert_eq!(record, before);
        assert_eq!(publish_if_asked(&mut record, Publish::Yes), Version::Published(1));
        assert_eq!(record.versions[&1].state, State::Pending);
    }

    #[test]
    fn what_cannot_be_published_says_why() {
        let right = CodeDigest::of(b"0").base64();
        let other = "CodeSHA256 (other) is different from current CodeSHA256 in $LATEST (";
        let failed = "The operation cannot be performed at this time. The function is currently in the following state: Failed";
        #[rustfmt::skip]
        let rows = [
            ("not asked",  State::Active, None,                 None),
            ("the same",   State::Active, Some(right.as_str()), None),
            ("another",    State::Active, Some("other"),        Some(other)),
            ("nothing",    State::Active, Some(""),             Some("CodeSHA256 () is different")),
            ("not active", State::Failed, Some(right.as_str()), Some(failed)),
        ];
        for (what, state, given, expected) in rows {
            let mut latest = function().latest;
            latest.state = state;
            let refused = check_publishable(&latest, given).err().map(|error| error.to_string());
            match (&refused, expected) {
                (None, None) => {}
                (Some(text), Some(expected)) => assert!(text.contains(expected), "{what}: {text}"),
                (Some(_), None) | (None, Some(_)) => panic!("{what}: {refused:?}"),
            }
        }
    }

    #[test]
    fn a_version_of_code_that_is_not_ready_begins_pending() {
        #[rustfmt::skip]
        let rows = [
            (Some(LastUpdate::Successful), State::Active),
            (Some(LastUpdate::Failed),     State::Pending),
            (Some(LastUpdate::InProgress), State::Pending),
            (None,                         State::Pending),
        ];
        for (last_update, expected) in rows {
            let latest = VersionRecord { last_update, ..function().latest };
            assert_eq!(first_state(&latest), expected, "{last_update:?}");
        }
    }
}
