//! Runtime management: when a version of a function takes a new version of its runtime.
//!
//! A host has one version of each runtime: the one that is installed. So `Auto` and
//! `FunctionUpdate` are kept and shown, and both mean that version. `Manual` names a version, and
//! only the installed one can be named; any other is refused, because it could not be run.
//!
//! # Promises
//!
//! 1. Each version has settings of its own, and begins with `Auto`. The function without a
//!    qualifier is `$LATEST`.
//! 2. A runtime version is kept with `Manual`, and with nothing else.
//!
//! # Deliberately absent
//!
//! Keeping an older version of a runtime: when another one is installed, functions run on that, also
//! those that have named the one before.

use hearth_types::names::{FunctionArn, Qualifier};
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::error::ControlError;
use crate::record::{FunctionRecord, VersionRecord, qualifier_key};
use crate::settings::refuse;

/// When a new version of the runtime is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum UpdateRuntimeOn {
    /// When there is one.
    #[default]
    Auto,
    /// When the function is changed.
    FunctionUpdate,
    /// When the caller names it.
    Manual,
}

/// The runtime management of a version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RuntimeManagement {
    /// When a new version of the runtime is taken.
    pub update_on: UpdateRuntimeOn,
    /// The version of the runtime that was named, with `Manual`.
    #[serde(default)]
    pub runtime_version_arn: Option<String>,
}

impl UpdateRuntimeOn {
    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Auto, Self::FunctionUpdate, Self::Manual].into_iter().find(|one| one.name() == text)
    }

    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::FunctionUpdate => "FunctionUpdate",
            Self::Manual => "Manual",
        }
    }
}

impl Control {
    /// Changes the runtime management of a version, and returns what is kept.
    ///
    /// # Errors
    ///
    /// If there is no such function or version, it is an alias that was named, or the runtime
    /// version is missing, superfluous or not installed.
    pub async fn put_runtime_management(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
        asked: RuntimeManagement,
    ) -> Result<RuntimeManagement, ControlError> {
        let installed = |name: &str| {
            let runtime = self.parts.runtimes.get(name)?;
            Some(runtime.version_arn(function.scope.region.as_str()))
        };
        let changed = self
            .change(function, |record| record.put_runtime_management(qualifier, asked, installed));
        changed.await.map_err(|error| named(error, function, qualifier))
    }

    /// The runtime management of a version.
    ///
    /// # Errors
    ///
    /// If there is no such function or version, or it is an alias that was named.
    pub fn runtime_management(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<RuntimeManagement, ControlError> {
        let record = self.record(function).map_err(|error| named(error, function, qualifier))?;
        record.runtime_management_of(qualifier)
    }
}

/// A function that is missing is named with the qualifier that was given.
fn named(
    error: ControlError,
    function: &FunctionArn,
    qualifier: Option<&Qualifier>,
) -> ControlError {
    match qualifier {
        None => error,
        Some(one) => error.when_missing(format!("Function not found: {}", function.qualified(one))),
    }
}

impl FunctionRecord {
    /// The runtime management of a version.
    ///
    /// # Errors
    ///
    /// If there is no such version, or it is an alias that was named.
    pub fn runtime_management_of(
        &self,
        qualifier: Option<&Qualifier>,
    ) -> Result<RuntimeManagement, ControlError> {
        let kept = self.runtime_management.get(&key(self.managed(qualifier)?));
        Ok(kept.cloned().unwrap_or_default())
    }

    /// Changes the runtime management of a version. `installed` tells the ARN of the installed
    /// version of a runtime.
    ///
    /// # Errors
    ///
    /// If there is no such version, it is an alias that was named, or the runtime version is
    /// missing, superfluous or not installed.
    pub fn put_runtime_management(
        &mut self,
        qualifier: Option<&Qualifier>,
        asked: RuntimeManagement,
        installed: impl FnOnce(&str) -> Option<String>,
    ) -> Result<RuntimeManagement, ControlError> {
        let version = self.managed(qualifier)?;
        match (asked.update_on, &asked.runtime_version_arn) {
            (UpdateRuntimeOn::Auto | UpdateRuntimeOn::FunctionUpdate, None) => {}
            (UpdateRuntimeOn::Auto | UpdateRuntimeOn::FunctionUpdate, Some(_)) => {
                return refuse(
                    "RuntimeVersionArn can only be specified when UpdateRuntimeOn is Manual.",
                );
            }
            (UpdateRuntimeOn::Manual, None) => {
                return refuse("RuntimeVersionArn is required when UpdateRuntimeOn is Manual.");
            }
            (UpdateRuntimeOn::Manual, Some(arn)) => check_installed(version, arn, installed)?,
        }
        let key = key(version);
        self.runtime_management.insert(key, asked.clone());
        Ok(asked)
    }

    /// The version whose runtime a qualifier means.
    fn managed(&self, qualifier: Option<&Qualifier>) -> Result<&VersionRecord, ControlError> {
        let version = match qualifier {
            None => return Ok(&self.latest),
            Some(Qualifier::Version(version)) => *version,
            Some(Qualifier::Alias(_)) => {
                return refuse(
                    "Aliases do not support this operation. Please specify $LATEST or a published version.",
                );
            }
        };
        self.version(version)
            .ok_or_else(|| ControlError::FunctionMissing(self.arn.qualified(&version)))
    }
}

fn key(version: &VersionRecord) -> String {
    qualifier_key(Some(&Qualifier::Version(version.version)))
}

fn check_installed(
    version: &VersionRecord,
    arn: &str,
    installed: impl FnOnce(&str) -> Option<String>,
) -> Result<(), ControlError> {
    let runtime = &version.configuration.runtime;
    match installed(runtime) {
        Some(installed) if installed == arn => Ok(()),
        Some(installed) => refuse(format!(
            "The runtime version {arn} is not available. The version of {runtime} that is installed on this host is {installed}."
        )),
        None => refuse(format!(
            "The runtime version {arn} is not available: the runtime of the function is not installed on this host."
        )),
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AliasName, Version};

    use super::*;
    use crate::alias::Alias;
    use crate::publish::testing::with_versions;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
    const INSTALLED: &str = "arn:aws:lambda:us-east-1::runtime:0123";

    fn asked(update_on: UpdateRuntimeOn, arn: Option<&str>) -> RuntimeManagement {
        RuntimeManagement { update_on, runtime_version_arn: arn.map(str::to_owned) }
    }

    fn qualifier(text: &str) -> Option<Qualifier> {
        (!text.is_empty()).then(|| Qualifier::parse(text).unwrap())
    }

    fn record() -> FunctionRecord {
        let mut record = with_versions(1);
        let live = Alias::new(Version::Published(1), String::new(), [].into());
        record.create_alias(AliasName::parse("live").unwrap(), live).unwrap();
        record
    }

    #[test]
    fn each_setting_is_kept_or_refused() {
        use UpdateRuntimeOn::{Auto, FunctionUpdate, Manual};
        let superfluous = "RuntimeVersionArn can only be specified when UpdateRuntimeOn is Manual.";
        let required = "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.";
        let alias = "Aliases do not support this operation.";
        let missing = format!("Function not found: {ARN}:9");
        #[rustfmt::skip]
        let rows = [
            ("auto",              "",        asked(Auto, None),                      None),
            ("with the function", "$LATEST", asked(FunctionUpdate, None),            None),
            ("manual",            "1",       asked(Manual, Some(INSTALLED)),         None),
            ("no version",        "",        asked(Manual, None),                    Some(required)),
            ("another version",   "",        asked(Manual, Some("arn:other")),       Some(INSTALLED)),
            ("auto and version",  "",        asked(Auto, Some(INSTALLED)),           Some(superfluous)),
            ("both",              "",        asked(FunctionUpdate, Some(INSTALLED)), Some(superfluous)),
            ("an alias",          "live",    asked(Auto, None),                      Some(alias)),
            ("no alias",          "none",    asked(Auto, None),                      Some(alias)),
            ("missing",           "9",       asked(Auto, None),                      Some(missing.as_str())),
        ];
        for (what, text, asked, expected) in rows {
            let (mut record, qualifier) = (record(), qualifier(text));
            let before = record.clone();
            let installed = |name: &str| (name == "provided.al2023").then(|| INSTALLED.to_owned());
            let put = record.put_runtime_management(qualifier.as_ref(), asked.clone(), installed);
            match (put, expected) {
                (Ok(kept), None) => {
                    assert_eq!(kept, asked, "{what}");
                    let found = record.runtime_management_of(qualifier.as_ref()).unwrap();
                    assert_eq!(found, asked, "{what}");
                }
                (Err(refused), Some(text)) => {
                    assert!(refused.to_string().contains(text), "{what}: {refused}");
                    assert_eq!(record, before, "{what}");
                }
                (put, _) => panic!("{what}: {put:?}"),
            }
        }
    }

    #[test]
    fn a_runtime_that_is_not_installed_has_no_version_to_name() {
        let manual = asked(UpdateRuntimeOn::Manual, Some(INSTALLED));
        let refused = record().put_runtime_management(None, manual, |_| None).unwrap_err();
        assert!(refused.to_string().contains("is not installed on this host"), "{refused}");
    }

    #[test]
    fn each_version_has_its_own_and_no_qualifier_means_latest() {
        let mut record = record();
        let of = |record: &FunctionRecord, text: &str| {
            record.runtime_management_of(qualifier(text).as_ref()).unwrap().update_on
        };
        let update = asked(UpdateRuntimeOn::FunctionUpdate, None);
        record.put_runtime_management(None, update, |_| None).unwrap();
        assert_eq!(of(&record, ""), UpdateRuntimeOn::FunctionUpdate);
        assert_eq!(of(&record, "$LATEST"), UpdateRuntimeOn::FunctionUpdate);
        assert_eq!(of(&record, "1"), UpdateRuntimeOn::Auto);
    }

    #[test]
    fn every_mode_reads_back_from_its_word() {
        for mode in
            [UpdateRuntimeOn::Auto, UpdateRuntimeOn::FunctionUpdate, UpdateRuntimeOn::Manual]
        {
            assert_eq!(UpdateRuntimeOn::parse(mode.name()), Some(mode));
        }
        assert_eq!(UpdateRuntimeOn::parse("auto"), None);
    }
}
