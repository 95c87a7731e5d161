//! Tags: which things have them, and how they are changed.
//!
//! What a set of tags may be is [`crate::settings::check_tags`], which is also asked when something
//! is created with tags.
//!
//! # Deliberately absent
//!
//! Tags of capacity providers and network connectors: Hearth has neither.

use std::collections::BTreeMap;
use std::fmt;

use hearth_types::ids::RevisionId;
use hearth_types::names::{FunctionArn, FunctionReference, Region, Scope};

use crate::code_signing::{self, CodeSigningConfig};
use crate::control::Control;
use crate::error::ControlError;
use crate::mapping::Mapping;
use crate::settings::check_tags;

/// Recorded.
const QUALIFIED: &str =
    "Tags on function aliases and versions are not supported. Please specify a function ARN.";

/// Something that can have tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taggable {
    /// A function, with all its versions.
    Function(FunctionArn),
    /// An event source mapping.
    Mapping {
        /// Whose it is, and where.
        scope: Scope,
        /// Its UUID, in lower case.
        uuid: String,
    },
    /// A code signing configuration.
    CodeSigningConfig {
        /// Whose it is, and where.
        scope: Scope,
        /// Its id.
        id: String,
    },
}

/// A change of the tags of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChange {
    /// These are added, or take the place of those with the same keys.
    Set(BTreeMap<String, String>),
    /// Those with these keys go. That there is none is fine.
    Remove(Vec<String>),
}

impl Taggable {
    /// Reads the ARN of something that a caller may tag.
    ///
    /// # Errors
    ///
    /// If it is not the ARN of such a thing, it names a version or an alias, or the thing is in
    /// another region, of another account, or of a kind that Hearth does not have.
    pub fn parse(scope: &Scope, arn: &str) -> Result<Self, ControlError> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "lambda", region, account, kind, rest @ ..] = parts.as_slice()
        else {
            return Err(not_taggable(arn));
        };
        if !partition.starts_with("aws") {
            return Err(not_taggable(arn));
        }
        match (*kind, rest) {
            ("function", [_name]) => {
                let reference =
                    FunctionReference::parse(arn).ok().ok_or_else(|| not_taggable(arn))?;
                Control::arn(scope, &reference).map(Self::Function)
            }
            ("function", [_name, _qualifier]) => {
                Err(ControlError::InvalidParameter(QUALIFIED.to_owned()))
            }
            ("event-source-mapping", [uuid]) if is_uuid(uuid) => {
                check_scope(scope, region, account)?;
                Ok(Self::Mapping { scope: scope.clone(), uuid: uuid.to_ascii_lowercase() })
            }
            ("code-signing-config", [id]) if code_signing::is_id(id) => {
                check_scope(scope, region, account)?;
                Ok(Self::CodeSigningConfig { scope: scope.clone(), id: (*id).to_owned() })
            }
            ("capacity-provider", [_name]) => Err(ControlError::NotFound(format!(
                "{arn} does not exist: Hearth has no capacity providers."
            ))),
            ("network-connector", [_name]) => Err(ControlError::NotFound(format!(
                "{arn} does not exist: Hearth has no network connectors."
            ))),
            _ => Err(not_taggable(arn)),
        }
    }

    fn missing(&self) -> ControlError {
        let arn = self.to_string();
        match self {
            Self::Function(_) => ControlError::FunctionMissing(arn),
            Self::Mapping { .. } => {
                ControlError::NotFound(format!("Event source mapping not found: {arn}"))
            }
            Self::CodeSigningConfig { .. } => code_signing::missing(&arn),
        }
    }
}

impl fmt::Display for Taggable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(formatter),
            Self::Mapping { scope: Scope { account, region }, uuid } => {
                write!(formatter, "arn:aws:lambda:{region}:{account}:event-source-mapping:{uuid}")
            }
            Self::CodeSigningConfig { scope, id } => {
                formatter.write_str(&code_signing::arn_of(scope, id))
            }
        }
    }
}

impl TagChange {
    /// Makes the change.
    ///
    /// # Errors
    ///
    /// If there is nothing to set, or the outcome breaks a rule. Then the tags are not to be used.
    pub fn apply(self, tags: &mut BTreeMap<String, String>) -> Result<(), ControlError> {
        match self {
            // The text is AWS's.
            Self::Set(new) if new.is_empty() => Err(ControlError::InvalidParameter(
                "An error occurred and the request cannot be processed.".to_owned(),
            )),
            Self::Set(new) => {
                tags.extend(new);
                check_tags(tags)
            }
            Self::Remove(keys) => {
                for key in keys {
                    tags.remove(&key);
                }
                Ok(())
            }
        }
    }
}

fn not_taggable(arn: &str) -> ControlError {
    ControlError::InvalidParameter(format!(
        "{arn} is not the ARN of a resource that can have tags."
    ))
}

/// Refuses what is in another region or of another account, as [`Control::arn`] does.
fn check_scope(scope: &Scope, region: &str, account: &str) -> Result<(), ControlError> {
    if region != scope.region.as_str() {
        let asked = Region::parse(region)
            .map_err(|malformed| ControlError::InvalidParameter(malformed.to_string()))?;
        return Err(ControlError::OtherRegion { asked, here: scope.region.clone() });
    }
    if account != scope.account.as_str() {
        return Err(ControlError::OtherAccount);
    }
    Ok(())
}

fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

impl Control {
    /// The tags of something.
    ///
    /// # Errors
    ///
    /// If it does not exist.
    pub fn tags_of(&self, resource: &Taggable) -> Result<BTreeMap<String, String>, ControlError> {
        let tags = match resource {
            Taggable::Function(function) => Some(self.record(function)?.tags.clone()),
            Taggable::Mapping { scope, uuid } => {
                self.mappings.get(scope, uuid).map(|mapping| mapping.tags.clone())
            }
            Taggable::CodeSigningConfig { scope, id } => {
                self.code_signing_configs.get(scope, id).map(|config| config.tags.clone())
            }
        };
        tags.ok_or_else(|| resource.missing())
    }

    /// Changes the tags of something.
    ///
    /// # Errors
    ///
    /// If it does not exist, the change breaks a rule, or the store failed.
    pub async fn change_tags(
        &self,
        resource: &Taggable,
        change: TagChange,
    ) -> Result<(), ControlError> {
        match resource {
            Taggable::Function(function) => {
                self.change(function, |record| {
                    let before = record.tags.clone();
                    change.apply(&mut record.tags)?;
                    // Recorded: the tags count as a part of the function.
                    if record.tags != before {
                        record.latest.revision = RevisionId::random();
                    }
                    Ok(())
                })
                .await
            }
            Taggable::Mapping { scope, uuid } => {
                let _mappings = self.mappings.writing().await;
                let found = self.mappings.get(scope, uuid).ok_or_else(|| resource.missing())?;
                let mut mapping = Mapping::clone(&found);
                change.apply(&mut mapping.tags)?;
                let put = self.mappings.put(scope, uuid, mapping).await;
                put.map(drop).map_err(ControlError::Store)
            }
            Taggable::CodeSigningConfig { scope, id } => {
                let _configs = self.code_signing_configs.writing().await;
                let found =
                    self.code_signing_configs.get(scope, id).ok_or_else(|| resource.missing())?;
                let mut config = CodeSigningConfig::clone(&found);
                change.apply(&mut config.tags)?;
                let put = self.code_signing_configs.put(scope, id, config).await;
                put.map(drop).map_err(ControlError::Store)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::limits;
    use hearth_types::names::{AccountId, FunctionName};
    use proptest::prelude::*;

    use super::*;

    fn scope() -> Scope {
        let account = AccountId::parse("000000000000").unwrap();
        Scope { account, region: Region::parse("us-east-1").unwrap() }
    }

    #[test]
    fn every_kind_of_arn() {
        const HERE: &str = "arn:aws:lambda:us-east-1:000000000000:";
        #[rustfmt::skip]
        let rows = [
            ("function:hello",                               Ok("function:hello")),
            ("function:hello:$LATEST",                       Err("Tags on function aliases and versions are not supported.")),
            ("function:hello:live",                          Err("Tags on function aliases and versions are not supported.")),
            ("function:hello:1:2",                           Err("is not the ARN of a resource that can have tags")),
            ("function:",                                    Err("is not the ARN of a resource that can have tags")),
            ("function",                                     Err("is not the ARN of a resource that can have tags")),
            ("event-source-mapping:0F7C2A90-1111-4222-8333-0123456789AB",
                                                             Ok("event-source-mapping:0f7c2a90-1111-4222-8333-0123456789ab")),
            ("event-source-mapping:hello",                   Err("is not the ARN of a resource that can have tags")),
            ("code-signing-config:csc-0123456789abcdef0",    Ok("code-signing-config:csc-0123456789abcdef0")),
            ("code-signing-config:csc-0",                    Err("is not the ARN of a resource that can have tags")),
            ("code-signing-config:csc-0123456789abcdef0:1",  Err("is not the ARN of a resource that can have tags")),
            ("capacity-provider:mine",                       Err("Hearth has no capacity providers")),
            ("network-connector:mine",                       Err("Hearth has no network connectors")),
            ("layer:hello",                                  Err("is not the ARN of a resource that can have tags")),
        ];
        for (rest, expected) in rows {
            let read = Taggable::parse(&scope(), &format!("{HERE}{rest}"));
            match (read, expected) {
                (Ok(read), Ok(expected)) => {
                    assert_eq!(read.to_string(), format!("{HERE}{expected}"));
                }
                (Err(error), Err(expected)) => {
                    let text = error.to_string();
                    assert!(text.contains(expected), "{rest}: {text}");
                }
                (read, expected) => panic!("{rest}: {read:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn what_is_elsewhere_is_refused() {
        for rest in [
            "function:hello",
            "event-source-mapping:0f7c2a90-1111-4222-8333-0123456789ab",
            "code-signing-config:csc-0123456789abcdef0",
        ] {
            let region = format!("arn:aws:lambda:eu-west-1:000000000000:{rest}");
            let refused = Taggable::parse(&scope(), &region).unwrap_err();
            assert!(matches!(refused, ControlError::OtherRegion { .. }), "{rest}: {refused:?}");
            let account = format!("arn:aws:lambda:us-east-1:123456789012:{rest}");
            let refused = Taggable::parse(&scope(), &account).unwrap_err();
            assert!(matches!(refused, ControlError::OtherAccount), "{rest}: {refused:?}");
        }
    }

    fn tags(count: usize) -> BTreeMap<String, String> {
        (0..count).map(|number| (format!("key-{number}"), "value".to_owned())).collect()
    }

    #[test]
    fn each_change_of_tags() {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let keys =
            |keys: &[&str]| TagChange::Remove(keys.iter().copied().map(String::from).collect());
        let set = TagChange::Set;
        let full = || tags(limits::TAGS_MAX);
        #[rustfmt::skip]
        let rows = [
            ("first",             tags(0), set(tags(2)),                      Ok(2)),
            ("in place of one",   tags(2), set(one("key-1", "other")),        Ok(2)),
            ("one more",          tags(2), set(one("more", "")),              Ok(3)),
            ("as many as can be", tags(0), set(full()),                       Ok(50)),
            ("the same again",    full(),  set(full()),                       Ok(50)),
            ("too many at once",  tags(0), set(tags(limits::TAGS_MAX + 1)),   Err("Number of tags exceeds resource tag limit.")),
            ("too many together", full(),  set(one("more", "")),              Err("Number of tags exceeds resource tag limit.")),
            ("none at all",       tags(2), set(tags(0)),                      Err("An error occurred and the request cannot be processed.")),
            ("reserved",          tags(2), set(one("aws:x", "")),             Err("reserved")),
            ("one goes",          tags(2), keys(&["key-1"]),                  Ok(1)),
            ("all go",            tags(2), keys(&["key-1", "key-0"]),         Ok(0)),
            ("an unknown one",    tags(2), keys(&["other"]),                  Ok(2)),
        ];
        for (name, mut tags, change, expected) in rows {
            match (change.apply(&mut tags), expected) {
                (Ok(()), Ok(count)) => assert_eq!(tags.len(), count, "{name}"),
                (Err(error), Err(expected)) => {
                    let text = error.to_string();
                    assert!(text.contains(expected), "{name}: {text}");
                }
                (done, expected) => panic!("{name}: {done:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_old_one() {
        let mut tags = BTreeMap::from([("a".to_owned(), "old".to_owned())]);
        let change = TagChange::Set(BTreeMap::from([("a".to_owned(), "new".to_owned())]));
        change.apply(&mut tags).unwrap();
        assert_eq!(tags["a"], "new");
    }

    fn taggable() -> impl Strategy<Value = Taggable> {
        prop_oneof![
            "[a-zA-Z0-9_-]{1,140}".prop_map(|name| {
                let name = FunctionName::parse(&name).unwrap();
                Taggable::Function(FunctionArn { scope: scope(), name })
            }),
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
                .prop_map(|uuid| Taggable::Mapping { scope: scope(), uuid }),
            "csc-[a-z0-9]{17}".prop_map(|id| Taggable::CodeSigningConfig { scope: scope(), id }),
        ]
    }

    proptest! {
        #[test]
        fn an_arn_reads_back_as_itself(resource in taggable()) {
            let read = Taggable::parse(&scope(), &resource.to_string()).unwrap();
            prop_assert_eq!(read, resource);
        }

        #[test]
        fn no_text_panics(text in ".*", rest in "[a-z:0-9-]{0,60}") {
            let _ = Taggable::parse(&scope(), &text);
            let _ = Taggable::parse(&scope(), &format!("arn:aws:lambda:us-east-1:{rest}"));
        }
    }
}
