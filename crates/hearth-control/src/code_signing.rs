//! Code signing configurations: whose code a function takes.
//!
//! # Promises
//!
//! 1. A configuration that a function is under cannot be deleted.
//! 2. A function under a configuration that enforces takes no code that is not verified.
//!
//! # Deliberately absent
//!
//! Verifying a signature. All code counts as unsigned: a configuration that warns lets it pass, one
//! that enforces refuses it. Whether a signing profile exists is not asked; neither does AWS.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::ids::RevisionId;
use hearth_types::names::{FunctionArn, Scope};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::error::ControlError;
use crate::record::FunctionRecord;
use crate::settings::check_tags;

/// 17 hexadecimal digits: the part of an id that is random.
const ID_MASK: u128 = (1 << 68) - 1;

/// A code signing configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSigningConfig {
    /// `csc-` and 17 lower-case letters or digits.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// The signing profiles whose signatures count.
    pub publishers: Vec<String>,
    /// What happens to code without such a signature.
    pub policy: UntrustedArtifactOnDeployment,
    /// When it was last changed. Its tags do not count.
    pub modified: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What happens to code whose signature does not count, or that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum UntrustedArtifactOnDeployment {
    /// It is taken.
    #[default]
    Warn,
    /// It is refused.
    Enforce,
}

impl UntrustedArtifactOnDeployment {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warn => "Warn",
            Self::Enforce => "Enforce",
        }
    }

    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Warn, Self::Enforce].into_iter().find(|policy| policy.name() == text)
    }
}

/// What a caller gave. What is absent stays as it is, or takes its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeSigningSettings {
    /// What it is for.
    pub description: Option<String>,
    /// The signing profiles whose signatures count.
    pub publishers: Option<Vec<String>>,
    /// What happens to code without such a signature.
    pub policy: Option<UntrustedArtifactOnDeployment>,
}

impl CodeSigningSettings {
    /// A new configuration.
    ///
    /// # Errors
    ///
    /// If a publisher is not a signing profile, or the tags break a rule.
    pub fn create(
        self,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<CodeSigningConfig, ControlError> {
        check_tags(&tags)?;
        let blank = CodeSigningConfig {
            id: random_id(),
            description: String::new(),
            publishers: Vec::new(),
            policy: UntrustedArtifactOnDeployment::default(),
            modified: now,
            tags,
        };
        self.update(&blank, now)
    }

    /// A configuration that is changed.
    ///
    /// # Errors
    ///
    /// If a publisher is not a signing profile.
    pub fn update(
        self,
        old: &CodeSigningConfig,
        now: Timestamp,
    ) -> Result<CodeSigningConfig, ControlError> {
        let mut new = CodeSigningConfig { modified: now, ..old.clone() };
        if let Some(description) = self.description {
            new.description = description;
        }
        if let Some(publishers) = self.publishers {
            check_publishers(&publishers)?;
            new.publishers = publishers;
        }
        if let Some(policy) = self.policy {
            new.policy = policy;
        }
        Ok(new)
    }
}

impl CodeSigningConfig {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self, scope: &Scope) -> String {
        arn_of(scope, &self.id)
    }
}

/// The ARN of a configuration.
pub(crate) fn arn_of(scope: &Scope, id: &str) -> String {
    let Scope { account, region } = scope;
    format!("arn:aws:lambda:{region}:{account}:code-signing-config:{id}")
}

/// Whether a text has the form of an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.strip_prefix("csc-").is_some_and(|rest| {
        rest.len() == 17
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// There is no such configuration.
pub(crate) fn missing(arn: &str) -> ControlError {
    ControlError::NotFoundUntyped(format!(
        "The Lambda code signing configuration {arn} can not be found."
    ))
}

/// The id in the ARN of a configuration of this scope.
fn id_in<'a>(scope: &Scope, arn: &'a str) -> Option<&'a str> {
    let (_, id) = arn.rsplit_once(':')?;
    (is_id(id) && arn_of(scope, id) == arn).then_some(id)
}

fn random_id() -> String {
    // The end of a random UUID: all of these bits but two are random.
    let bits = RevisionId::random().0.as_u128() & ID_MASK;
    format!("csc-{bits:017x}")
}

/// AWS takes a profile without a version as well, and one that does not exist.
fn check_publishers(publishers: &[String]) -> Result<(), ControlError> {
    let stranger = publishers.iter().find(|arn| {
        let mut parts = arn.splitn(6, ':');
        parts.nth(2) != Some("signer")
            || !parts.nth(2).is_some_and(|resource| resource.starts_with("/signing-profiles/"))
    });
    stranger.map_or(Ok(()), |arn| {
        Err(ControlError::InvalidParameter(format!(
            "{arn} is not the ARN of a version of an AWS Signer signing profile."
        )))
    })
}

/// Refuses functions whose code is in a container image: it is not signed this way.
///
/// # Errors
///
/// If it is such a function.
pub(crate) fn check_signable(record: &FunctionRecord) -> Result<(), ControlError> {
    if record.latest.configuration.image.is_none() {
        return Ok(());
    }
    Err(ControlError::InvalidParameter(
        "Code signing is not supported for functions created with container images.".to_owned(),
    ))
}

impl Control {
    /// Creates a configuration.
    ///
    /// # Errors
    ///
    /// If a rule is broken, or the store failed.
    pub async fn create_code_signing_config(
        &self,
        scope: &Scope,
        settings: CodeSigningSettings,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<CodeSigningConfig>, ControlError> {
        let config = settings.create(tags, self.now())?;
        let id = config.id.clone();
        let _configs = self.code_signing_configs.writing().await;
        self.code_signing_configs.put(scope, &id, config).await.map_err(ControlError::Store)
    }

    /// A configuration.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn code_signing_config(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<Arc<CodeSigningConfig>, ControlError> {
        let found = id_in(scope, arn).and_then(|id| self.code_signing_configs.get(scope, id));
        found.ok_or_else(|| missing(arn))
    }

    /// Changes a configuration.
    ///
    /// # Errors
    ///
    /// If there is none, a rule is broken, or the store failed.
    pub async fn update_code_signing_config(
        &self,
        scope: &Scope,
        arn: &str,
        settings: CodeSigningSettings,
    ) -> Result<Arc<CodeSigningConfig>, ControlError> {
        let _configs = self.code_signing_configs.writing().await;
        let old = self.code_signing_config(scope, arn)?;
        let new = settings.update(&old, self.now())?;
        self.code_signing_configs.put(scope, &old.id, new).await.map_err(ControlError::Store)
    }

    /// Deletes a configuration.
    ///
    /// # Errors
    ///
    /// If there is none, a function is under it, or the store failed.
    pub async fn delete_code_signing_config(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<(), ControlError> {
        let _configs = self.code_signing_configs.writing().await;
        // While this is held, no function comes under it.
        let _functions = self.writing.lock().await;
        let config = self.code_signing_config(scope, arn)?;
        if let Some(function) = self.functions_by_code_signing_config(scope, arn)?.first() {
            return Err(ControlError::Conflict(format!(
                "The code signing configuration {arn} cannot be deleted while functions use it. It is used by {function}."
            )));
        }
        self.code_signing_configs.remove(scope, &config.id).await.map_err(ControlError::Store)
    }

    /// Up to `items` configurations of a scope in the order of their ids, from behind `after` on.
    #[must_use]
    pub fn list_code_signing_configs(
        &self,
        scope: &Scope,
        after: Option<&str>,
        items: usize,
    ) -> Vec<Arc<CodeSigningConfig>> {
        self.code_signing_configs.page(scope, after, items)
    }

    /// The functions under a configuration, in the order of their names.
    ///
    /// # Errors
    ///
    /// If there is no such configuration.
    pub fn functions_by_code_signing_config(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<Vec<FunctionArn>, ControlError> {
        self.code_signing_config(scope, arn)?;
        let all = self.catalog.all().into_iter().map(|entry| entry.record);
        // The ARN names the scope, so a function of another one does not have it.
        let under = all.filter(|record| record.code_signing_config.as_deref() == Some(arn));
        Ok(under.map(|record| record.arn.clone()).collect())
    }

    /// Puts a function under a configuration. What it runs already stays.
    ///
    /// # Errors
    ///
    /// If there is no such configuration or function, it is a container image, or the store failed.
    pub async fn put_function_code_signing_config(
        &self,
        function: &FunctionArn,
        arn: &str,
    ) -> Result<(), ControlError> {
        // Recorded: a missing configuration is named before a missing function.
        self.check_code_signing(&function.scope, arn)?;
        self.change(function, |record| {
            check_signable(record)?;
            // It may have been deleted in between; from here on it cannot be.
            self.check_code_signing(&function.scope, arn)?;
            record.code_signing_config = Some(arn.to_owned());
            Ok(())
        })
        .await
    }

    /// The ARN of the configuration that a function is under.
    ///
    /// # Errors
    ///
    /// If there is no such function, or it is a container image.
    pub fn function_code_signing_config(
        &self,
        function: &FunctionArn,
    ) -> Result<Option<String>, ControlError> {
        let record = self.record(function)?;
        check_signable(&record)?;
        Ok(record.code_signing_config.clone())
    }

    /// Takes a function out from under its configuration. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If there is no such function, it is a container image, or the store failed.
    pub async fn delete_function_code_signing_config(
        &self,
        function: &FunctionArn,
    ) -> Result<(), ControlError> {
        self.change(function, |record| {
            check_signable(record)?;
            record.code_signing_config = None;
            Ok(())
        })
        .await
    }

    /// Whether a function may come under this configuration. The answer holds for as long as the
    /// caller keeps other changes of functions away.
    pub(crate) fn check_code_signing(&self, scope: &Scope, arn: &str) -> Result<(), ControlError> {
        let found = self.code_signing_config(scope, arn);
        found.map(drop).map_err(|_missing| ControlError::CodeSigningConfigMissing(arn.to_owned()))
    }

    /// Whether unsigned code may be deployed to a function that is, or will be, under this
    /// configuration.
    pub(crate) fn admits_unsigned(
        &self,
        function: &FunctionArn,
        arn: &str,
    ) -> Result<(), ControlError> {
        self.check_code_signing(&function.scope, arn)?;
        match self.code_signing_config(&function.scope, arn)?.policy {
            UntrustedArtifactOnDeployment::Warn => Ok(()),
            UntrustedArtifactOnDeployment::Enforce => {
                Err(ControlError::CodeVerificationFailed(format!(
                    "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for {}.",
                    function.name
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region};

    use super::*;
    use crate::publish::testing::function;
    use crate::record::Image;

    const PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/abcdef";

    fn scope(region: &str) -> Scope {
        let account = AccountId::parse("000000000000").unwrap();
        Scope { account, region: Region::parse(region).unwrap() }
    }

    fn given() -> CodeSigningSettings {
        CodeSigningSettings {
            publishers: Some(vec![PROFILE.to_owned()]),
            ..CodeSigningSettings::default()
        }
    }

    #[test]
    fn defaults_are_those_of_aws() {
        let made = given().create(BTreeMap::new(), Timestamp(7)).unwrap();
        assert!(is_id(&made.id), "{}", made.id);
        assert_eq!(made.description, "");
        assert_eq!(made.publishers, [PROFILE]);
        assert_eq!(made.policy, UntrustedArtifactOnDeployment::Warn);
        assert_eq!(made.modified, Timestamp(7));
        let other = given().create(BTreeMap::new(), Timestamp(7)).unwrap();
        assert_ne!(made.id, other.id);
    }

    #[test]
    fn an_update_changes_only_what_was_given() {
        let tags = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let old = given().create(tags, Timestamp(7)).unwrap();
        let none = CodeSigningSettings::default();
        let described = CodeSigningSettings { description: Some("x".to_owned()), ..none.clone() };
        let policy = Some(UntrustedArtifactOnDeployment::Enforce);
        let enforced = CodeSigningSettings { policy, ..none.clone() };
        #[rustfmt::skip]
        let rows = [
            ("nothing",     none,      old.clone()),
            ("description", described, CodeSigningConfig { description: "x".to_owned(), ..old.clone() }),
            ("policy",      enforced,  CodeSigningConfig { policy: UntrustedArtifactOnDeployment::Enforce, ..old.clone() }),
        ];
        for (name, change, expected) in rows {
            let new = change.update(&old, Timestamp(9)).unwrap();
            assert_eq!(new, CodeSigningConfig { modified: Timestamp(9), ..expected }, "{name}");
        }
    }

    #[test]
    fn a_publisher_is_a_signing_profile() {
        #[rustfmt::skip]
        let rows = [
            (PROFILE,                                                             true),
            ("arn:aws:signer:us-east-1:000000000000:/signing-profiles/release",   true),
            ("arn:aws-cn:signer:cn-north-1:000000000000:/signing-profiles/a/b",   true),
            ("arn:aws:signer:us-east-1:000000000000:/signing-jobs/release",       false),
            ("arn:aws:lambda:us-east-1:000000000000:/signing-profiles/release/a", false),
            ("arn:aws:signer",                                                    false),
            ("",                                                                  false),
        ];
        for (arn, taken) in rows {
            let publishers = Some(vec![PROFILE.to_owned(), arn.to_owned()]);
            let settings = CodeSigningSettings { publishers, ..CodeSigningSettings::default() };
            let made = settings.create(BTreeMap::new(), Timestamp(0));
            assert_eq!(made.is_ok(), taken, "{arn}");
        }
    }

    #[test]
    fn an_id_is_found_in_an_arn_of_its_own_scope_only() {
        let arn = arn_of(&scope("us-east-1"), "csc-0123456789abcdefz");
        assert_eq!(id_in(&scope("us-east-1"), &arn), Some("csc-0123456789abcdefz"));
        #[rustfmt::skip]
        let strangers = [
            arn_of(&scope("eu-west-1"), "csc-0123456789abcdefz"),
            arn_of(&scope("us-east-1"), "csc-0123456789abcde"),
            arn_of(&scope("us-east-1"), "csc-0123456789ABCDEFZ"),
            "csc-0123456789abcdefz".to_owned(),
            format!("{arn}:1"),
            String::new(),
        ];
        for stranger in strangers {
            assert_eq!(id_in(&scope("us-east-1"), &stranger), None, "{stranger}");
        }
    }

    #[test]
    fn the_words_for_the_policy_are_those_of_aws() {
        for (word, policy) in [
            ("Warn", Some(UntrustedArtifactOnDeployment::Warn)),
            ("Enforce", Some(UntrustedArtifactOnDeployment::Enforce)),
            ("warn", None),
            ("", None),
        ] {
            assert_eq!(UntrustedArtifactOnDeployment::parse(word), policy, "{word}");
        }
    }

    #[test]
    fn a_container_image_is_not_signed_this_way() {
        let mut record = function();
        assert!(check_signable(&record).is_ok());
        record.latest.configuration.image = Some(Image {
            uri: "example/image:1".to_owned(),
            entry_point: None,
            command: None,
            working_directory: None,
        });
        let refused = check_signable(&record).unwrap_err().to_string();
        assert!(refused.contains("container images"), "{refused}");
    }
}
