//! Layers: archives that are laid over each other in the `/opt` of a function.
//!
//! A layer is a line of versions that do not change. The functions of an account use its layers;
//! those of another account of this server may if the policy of the version says so.
//!
//! # Promises
//!
//! 1. The number of a version is never used again, also not when all versions have been deleted.
//! 2. A function keeps what it uses: a [`LayerReference`] names the archive itself, so a version
//!    that is deleted goes on to work where it is in use, and is not given to anybody else.
//! 3. Whoever may not use a version of another account does not learn whether there is one.
//!
//! # Deliberately absent
//!
//! Organizations: Hearth knows none, so a statement with a condition lets nobody in. The layers of
//! AWS itself (`awslayer`) are not here, and layers are not signed.

mod arn;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hearth_store::packages::CodeDigest;
use hearth_types::ids::RevisionId;
use hearth_types::names::{AccountId, Scope};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::arn::{LayerArn, LayerVersionArn};
use crate::control::Control;
use crate::error::ControlError;
use crate::policy::{Guard, Policy, Statement};
use crate::record::Code;
use crate::settings::refuse;

/// AWS: how many layers a function may have.
const LAYERS_MAX: usize = 5;

/// A layer: its versions, and how far their numbers have come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// The versions that there are, by number.
    #[serde(default)]
    pub versions: BTreeMap<u64, LayerVersion>,
    /// The number of the last version that was published.
    pub last_version: u64,
}

/// One version of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerVersion {
    /// Its number, from 1.
    pub version: u64,
    /// What it is for.
    pub description: String,
    /// Under which license it is.
    pub license: Option<String>,
    /// For which runtimes it was made.
    pub runtimes: Vec<String>,
    /// For which machines it was made.
    pub architectures: Vec<String>,
    /// What it holds.
    pub code: Code,
    /// When it was published.
    pub created: Timestamp,
    /// Who else may use it.
    #[serde(default)]
    pub policy: Option<Policy>,
}

/// A layer as a function has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReference {
    /// The ARN of the version.
    pub arn: String,
    /// What that version holds.
    pub code: Code,
}

/// A version to be published.
#[derive(Debug)]
pub struct PublishLayer {
    /// Of which layer. If there is none, it begins with this version.
    pub layer: LayerArn,
    /// The archive.
    pub zip: Vec<u8>,
    /// What it is for.
    pub description: String,
    /// Under which license it is.
    pub license: Option<String>,
    /// For which runtimes it was made.
    pub runtimes: Vec<String>,
    /// For which machines it was made.
    pub architectures: Vec<String>,
}

/// A statement for the policy of a version.
#[derive(Debug, Clone)]
pub struct LayerPermission {
    /// The id of the statement.
    pub statement_id: String,
    /// What is allowed.
    pub action: String,
    /// An account, its ARN, or `*`.
    pub principal: String,
    /// Only within this organization.
    pub organization: Option<String>,
    /// Refused if the policy is at another revision.
    pub revision: Option<String>,
}

/// Which versions a listing shows. What is absent fits all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerFilter {
    /// Those that were made for this runtime.
    pub runtime: Option<String>,
    /// Those that were made for this machine.
    pub architecture: Option<String>,
}

impl Layer {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), versions: BTreeMap::new(), last_version: 0 }
    }

    /// Adds the next version, which `make` makes of its number.
    fn publish(&mut self, make: impl FnOnce(u64) -> LayerVersion) -> LayerVersion {
        self.last_version += 1;
        let version = make(self.last_version);
        self.versions.insert(self.last_version, version.clone());
        version
    }

    /// The versions that a listing shows, newest first.
    fn matching(&self, filter: &LayerFilter) -> impl Iterator<Item = &LayerVersion> {
        self.versions.values().rev().filter(move |version| filter.fits(version))
    }
}

impl LayerVersion {
    /// Whether its policy lets an account in.
    fn admits(&self, account: &AccountId) -> bool {
        let statements = self.policy.iter().flat_map(|policy| &policy.statements);
        statements.filter(|one| one.effect == "Allow" && one.condition.is_none()).any(|one| {
            let root = one.principal.get("AWS").and_then(Value::as_str);
            let named = root.and_then(|arn| arn.split(':').nth(4));
            one.principal == "*" || named == Some(account.as_str())
        })
    }

    /// Adds a statement to its policy. Returns the statement and the revision of the policy.
    fn add_permission(
        &mut self,
        which: &LayerVersionArn,
        permission: LayerPermission,
    ) -> Result<(Statement, RevisionId), ControlError> {
        let LayerPermission { statement_id, action, principal, organization, revision } =
            permission;
        let statement = Statement {
            sid: statement_id,
            effect: "Allow".to_owned(),
            principal: match principal.as_str() {
                "*" => Value::from("*"),
                account if AccountId::parse(account).is_ok() => {
                    json!({ "AWS": format!("arn:aws:iam::{account}:root") })
                }
                arn => json!({ "AWS": arn }),
            },
            action: Value::from(action),
            resource: Value::from(which.to_string()),
            condition: organization
                .map(|id| json!({ "StringEquals": { "aws:PrincipalOrgID": id } })),
        };
        let guard = guard(revision.as_deref());
        let policy = Policy::add(self.policy.as_ref(), statement.clone(), &guard)?;
        let revision = policy.revision;
        self.policy = Some(policy);
        Ok((statement, revision))
    }
}

impl LayerFilter {
    fn fits(&self, version: &LayerVersion) -> bool {
        let among = |asked: &Option<String>, made_for: &[String]| {
            asked.as_ref().is_none_or(|asked| made_for.contains(asked))
        };
        among(&self.runtime, &version.runtimes) && among(&self.architecture, &version.architectures)
    }
}

impl Control {
    /// Publishes the next version of a layer.
    ///
    /// # Errors
    ///
    /// If the archive is not one, or the store failed.
    pub async fn publish_layer(
        self: &Arc<Self>,
        request: PublishLayer,
    ) -> Result<LayerVersion, ControlError> {
        let PublishLayer { layer, zip, description, license, runtimes, architectures } = request;
        let uploading = self.uploads.read().await;
        let code = self.keep(layer.scope(), zip).await?;
        let writing = self.layers.writing().await;
        let mut record = self
            .layers
            .get(layer.scope(), layer.name())
            .map_or_else(|| Layer::new(layer.name()), |record| Layer::clone(&record));
        let created = self.now();
        let published = record.publish(|version| LayerVersion {
            version,
            description,
            license,
            runtimes,
            architectures,
            code,
            created,
            policy: None,
        });
        let put = self.put_layer(&layer, record).await;
        drop((writing, uploading));
        if put.is_err() {
            self.collect_later(); // What was kept for it is of no use.
        }
        put.map(|()| published)
    }

    /// A version of a layer.
    ///
    /// # Errors
    ///
    /// If there is none, or it is somebody else's and not open to the caller.
    pub fn layer_version(
        &self,
        caller: &Scope,
        which: &LayerVersionArn,
    ) -> Result<LayerVersion, ControlError> {
        seen(caller, which, self.find_layer_version(which)).map_err(|unseen| match unseen {
            Unseen::Missing => {
                ControlError::NotFound("The resource you requested does not exist.".to_owned())
            }
            Unseen::OtherRegion => which.layer().in_other_region(caller),
            Unseen::Denied => denied(caller, "lambda:GetLayerVersion", which),
        })
    }

    /// The versions of a layer that fit, newest first. Of a layer that does not exist there are
    /// none.
    ///
    /// # Errors
    ///
    /// If the layer is somebody else's, or in another region.
    pub fn list_layer_versions(
        &self,
        caller: &Scope,
        layer: &LayerArn,
        filter: &LayerFilter,
    ) -> Result<Vec<LayerVersion>, ControlError> {
        if layer.scope().account != caller.account {
            // A policy can open one version, and never the list of all.
            return Err(denied(caller, "lambda:ListLayerVersions", layer));
        }
        layer.check_region(caller)?;
        let record = self.layers.get(layer.scope(), layer.name());
        Ok(record.iter().flat_map(|record| record.matching(filter)).cloned().collect())
    }

    /// The layers of a scope in the order of their names, each with its newest version that fits.
    /// A layer that has none is left out.
    #[must_use]
    pub fn list_layers(
        &self,
        scope: &Scope,
        filter: &LayerFilter,
    ) -> Vec<(LayerArn, LayerVersion)> {
        let layers = self.layers.page(scope, None, usize::MAX);
        let newest = layers.iter().filter_map(|record| {
            let newest = record.matching(filter).next()?;
            let layer = LayerArn::named(&record.name, scope).ok()?;
            Some((layer, newest.clone()))
        });
        newest.collect()
    }

    /// Deletes a version. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If the store failed.
    pub async fn delete_layer_version(
        self: &Arc<Self>,
        which: &LayerVersionArn,
    ) -> Result<(), ControlError> {
        let (layer, number) = (which.layer(), which.number());
        let writing = self.layers.writing().await;
        let Some(record) = self.layers.get(layer.scope(), layer.name()) else { return Ok(()) };
        let mut record = Layer::clone(&record);
        if record.versions.remove(&number).is_none() {
            return Ok(());
        }
        self.put_layer(layer, record).await?;
        drop(writing);
        self.collect_later();
        Ok(())
    }

    /// Adds a statement to the policy of a version. Returns the statement and the revision of the
    /// policy.
    ///
    /// # Errors
    ///
    /// If there is no such version, or its policy has such a statement, is at another revision or
    /// would be too long.
    pub async fn add_layer_permission(
        &self,
        which: &LayerVersionArn,
        permission: LayerPermission,
    ) -> Result<(Statement, RevisionId), ControlError> {
        self.change_layer_version(which, |version| version.add_permission(which, permission)).await
    }

    /// Removes a statement from the policy of a version.
    ///
    /// # Errors
    ///
    /// If there is no such version, policy or statement, or the policy is at another revision.
    pub async fn remove_layer_permission(
        &self,
        which: &LayerVersionArn,
        statement_id: &str,
        revision: Option<&str>,
    ) -> Result<(), ControlError> {
        self.change_layer_version(which, |version| {
            version.policy =
                Policy::remove(version.policy.as_ref(), statement_id, &guard(revision))?;
            Ok(())
        })
        .await
    }

    /// The policy of a version.
    ///
    /// # Errors
    ///
    /// If there is no such version, or it has none.
    pub fn layer_policy(&self, which: &LayerVersionArn) -> Result<Policy, ControlError> {
        let version = self.find_layer_version(which);
        let version = version.ok_or_else(|| ControlError::NotFound(does_not_exist(which)))?;
        version.policy.ok_or_else(|| {
            ControlError::NotFound("No policy is associated with the given resource.".to_owned())
        })
    }

    /// The layers that a function of this scope names. Those that it has already (`kept`) need not
    /// be there any more. `uploads` must be held until a record names them.
    pub(crate) fn resolve_layers(
        &self,
        scope: &Scope,
        arns: &[String],
        kept: &[LayerReference],
    ) -> Result<Vec<LayerReference>, ControlError> {
        resolve(scope, arns, kept, |which| self.find_layer_version(which))
    }

    /// The archives of all versions of all layers.
    pub(crate) fn layer_code(&self) -> Vec<CodeDigest> {
        let layers = self.layers.all();
        let versions = layers.iter().flat_map(|layer| layer.versions.values());
        versions.map(|version| version.code.digest).collect()
    }

    fn find_layer_version(&self, which: &LayerVersionArn) -> Option<LayerVersion> {
        let (layer, number) = (which.layer(), which.number());
        let record = self.layers.get(layer.scope(), layer.name())?;
        record.versions.get(&number).cloned()
    }

    async fn change_layer_version<T>(
        &self,
        which: &LayerVersionArn,
        change: impl FnOnce(&mut LayerVersion) -> Result<T, ControlError> + Send,
    ) -> Result<T, ControlError> {
        let (layer, number) = (which.layer(), which.number());
        let missing = || ControlError::NotFound(does_not_exist(which));
        let _writing = self.layers.writing().await;
        let record = self.layers.get(layer.scope(), layer.name()).ok_or_else(missing)?;
        let mut record = Layer::clone(&record);
        let changed = change(record.versions.get_mut(&number).ok_or_else(missing)?)?;
        self.put_layer(layer, record).await?;
        Ok(changed)
    }

    async fn put_layer(&self, layer: &LayerArn, record: Layer) -> Result<(), ControlError> {
        let kept = self.layers.put(layer.scope(), layer.name(), record).await;
        kept.map(drop).map_err(ControlError::Store)
    }
}

/// Finds the layers that a function names. See [`Control::resolve_layers`].
fn resolve(
    caller: &Scope,
    arns: &[String],
    kept: &[LayerReference],
    find: impl Fn(&LayerVersionArn) -> Option<LayerVersion>,
) -> Result<Vec<LayerReference>, ControlError> {
    if arns.len() > LAYERS_MAX {
        return refuse(format!("Cannot reference more than {LAYERS_MAX} layers."));
    }
    let mut named: Vec<LayerVersionArn> = Vec::new();
    let mut found = Vec::new();
    for text in arns {
        let Some(which) = LayerVersionArn::parse(text) else { return refuse(does_not_exist(text)) };
        let arn = which.to_string();
        let code = match kept.iter().find(|one| one.arn == arn) {
            Some(one) => one.code,
            None => match seen(caller, &which, find(&which)) {
                Ok(version) => version.code,
                Err(Unseen::Missing) => return refuse(does_not_exist(&arn)),
                Err(Unseen::OtherRegion) => {
                    return refuse(format!(
                        "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                        caller.region
                    ));
                }
                Err(Unseen::Denied) => {
                    return Err(denied(caller, "lambda:GetLayerVersion", &which));
                }
            },
        };
        if let Some(other) = named.iter().find(|other| other.layer() == which.layer()) {
            return refuse(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {other} and {which}"
            ));
        }
        named.push(which);
        found.push(LayerReference { arn, code });
    }
    Ok(found)
}

/// Why a caller does not get a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unseen {
    /// There is none.
    Missing,
    /// It would be in another region.
    OtherRegion,
    /// It is, or would be, of another account, and not open to the caller.
    Denied,
}

/// What a caller gets of a version that was found, or was not.
fn seen(
    caller: &Scope,
    which: &LayerVersionArn,
    found: Option<LayerVersion>,
) -> Result<LayerVersion, Unseen> {
    let Scope { account, region } = which.layer().scope();
    let here = *region == caller.region;
    if *account != caller.account {
        let open = found.filter(|version| here && version.admits(&caller.account));
        return open.ok_or(Unseen::Denied);
    }
    if here { found.ok_or(Unseen::Missing) } else { Err(Unseen::OtherRegion) }
}

fn denied(caller: &Scope, action: &str, resource: &impl fmt::Display) -> ControlError {
    ControlError::AccessDenied(format!(
        "User: arn:aws:iam::{}:root is not authorized to perform: {action} on resource: {resource} because no resource-based policy allows the {action} action",
        caller.account
    ))
}

fn does_not_exist(which: &(impl fmt::Display + ?Sized)) -> String {
    format!("Layer version {which} does not exist.")
}

fn guard(revision: Option<&str>) -> Guard<'_> {
    Guard { revision, source: "GetLayerPolicy" }
}
