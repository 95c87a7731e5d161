//! The API itself: its name, its binary types, its policy, and tags.

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde_json::Value;

use super::super::error::{RestError, STAGE_MISSING};
use super::super::limits;
use super::super::patch::{Op, Patch};
use super::super::record::{EndpointKind, IpAddressType, KeySource, Resource, RestApi, Stage};
use super::check_tags;
use crate::apis::new_id;
use crate::authorizer::policy::{Kind, Policy};

/// What can be changed by a patch.
const PATHS: [&str; 9] = [
    "/name",
    "/description",
    "/version",
    "/binaryMediaTypes/{type}",
    "/apiKeySource",
    "/policy",
    "/disableExecuteApiEndpoint",
    "/endpointConfiguration/types/{type}",
    "/endpointConfiguration/ipAddressType",
];

/// What a new API is like. What is absent is as AWS has it if nothing is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewApi {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Which version of itself it is.
    pub version: Option<String>,
    /// Which kinds of content are bytes.
    pub binary_types: Vec<String>,
    /// Where the key of a client is found.
    pub key_source: Option<KeySource>,
    /// Who may use it at all.
    pub policy: Option<String>,
    /// From where it is reached.
    pub endpoint: Option<EndpointKind>,
    /// By which addresses it can be reached.
    pub addresses: Option<IpAddressType>,
    /// Whether it does not answer under its own address.
    pub endpoint_disabled: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl RestApi {
    /// A new API with nothing but a root in it.
    ///
    /// # Errors
    ///
    /// If something that was given cannot be.
    pub fn new(scope: &Scope, new: NewApi, now: Timestamp) -> Result<Self, RestError> {
        if new.name.is_empty() {
            return Err(RestError::invalid("API name cannot be empty."));
        }
        check_tags(&new.tags)?;
        let id = new_id(10);
        let root = Resource {
            id: new_id(10),
            parent: None,
            part: String::new(),
            path: "/".to_owned(),
            methods: BTreeMap::new(),
        };
        let mut api = Self {
            scope: scope.clone(),
            id,
            name: new.name,
            description: new.description.filter(|text| !text.is_empty()),
            version: new.version.filter(|text| !text.is_empty()),
            binary_types: Vec::new(),
            key_source: new.key_source.unwrap_or(KeySource::Header),
            policy: None,
            endpoint: new.endpoint.unwrap_or(EndpointKind::Edge),
            addresses: new.addresses.unwrap_or(IpAddressType::V4),
            endpoint_disabled: new.endpoint_disabled,
            created: now,
            tags: new.tags,
            warnings: Vec::new(),
            root: root.id.clone(),
            resources: [(root.id.clone(), root)].into(),
            authorizers: BTreeMap::new(),
            stages: BTreeMap::new(),
            deployments: BTreeMap::new(),
        };
        for kind in new.binary_types {
            api.add_binary_type(kind)?;
        }
        api.set_policy(new.policy)?;
        Ok(api)
    }

    /// A copy of another API, with a name of its own and without its deployments.
    #[must_use]
    pub fn copy_of(other: &Self, now: Timestamp) -> Self {
        Self {
            id: new_id(10),
            created: now,
            stages: BTreeMap::new(),
            deployments: BTreeMap::new(),
            tags: BTreeMap::new(),
            ..other.clone()
        }
    }

    /// Changes what patches say.
    ///
    /// # Errors
    ///
    /// If one of them cannot be.
    pub fn patch(&mut self, patches: &[Patch]) -> Result<(), RestError> {
        patches.iter().try_for_each(|patch| self.patch_one(patch))
    }

    fn patch_one(&mut self, patch: &Patch) -> Result<(), RestError> {
        match patch.parts().as_slice() {
            ["name"] => {
                let name = patch.required()?;
                if name.is_empty() {
                    return Err(RestError::invalid("API name cannot be empty."));
                }
                self.name = name;
            }
            ["description"] => self.description = patch.optional(),
            ["version"] => self.version = patch.optional(),
            ["binaryMediaTypes", kind] => match patch.op {
                Op::Add => self.add_binary_type((*kind).to_owned())?,
                Op::Replace => {
                    self.binary_types.retain(|known| known != kind);
                    self.add_binary_type(patch.required()?)?;
                }
                Op::Remove => self.binary_types.retain(|known| known != kind),
            },
            ["apiKeySource"] => {
                let source = KeySource::parse(&patch.required()?);
                self.key_source = source.ok_or_else(|| patch.bad_value())?;
            }
            ["policy"] => self.set_policy(patch.optional())?,
            ["disableExecuteApiEndpoint"] => self.endpoint_disabled = patch.flag()?,
            ["endpointConfiguration", "types", _old] => {
                self.endpoint = endpoint_kind(&patch.required()?)?;
            }
            ["endpointConfiguration", "ipAddressType"] => {
                let addresses = IpAddressType::parse(&patch.required()?);
                self.addresses = addresses.ok_or_else(|| patch.bad_value())?;
            }
            // Terraform unsets what is not there.
            ["minimumCompressionSize"] if patch.optional().is_none() => {}
            ["minimumCompressionSize"] => {
                return Err(RestError::not_built("minimumCompressionSize"));
            }
            _ => return Err(patch.refused(&PATHS)),
        }
        Ok(())
    }

    /// Sets who may use the API at all. A short form of resources, such as
    /// `execute-api:/prod/GET/*`, is written out.
    ///
    /// # Errors
    ///
    /// If it is no policy.
    pub fn set_policy(&mut self, policy: Option<String>) -> Result<(), RestError> {
        let Some(text) = policy.filter(|text| !text.trim().is_empty()) else {
            self.policy = None;
            return Ok(());
        };
        let refuse = |why: &str| {
            RestError::invalid(format!(
                "Invalid policy document. Please check the policy syntax and ensure that Principals are valid. ({why})"
            ))
        };
        if text.len() > limits::POLICY_BYTES_MAX {
            return Err(refuse("it is too long"));
        }
        let mut document: Value =
            serde_json::from_str(&text).map_err(|error| refuse(&error.to_string()))?;
        write_out_resources(&mut document, &self.execute_arn());
        Policy::read(&document, Kind::OfResource).map_err(|error| refuse(&error.to_string()))?;
        self.policy = Some(document.to_string());
        Ok(())
    }

    /// The tags of the API, or of one of its stages.
    ///
    /// # Errors
    ///
    /// If there is no such stage.
    pub fn tags_of(
        &mut self,
        stage: Option<&str>,
    ) -> Result<&mut BTreeMap<String, String>, RestError> {
        match stage {
            None => Ok(&mut self.tags),
            Some(name) => {
                let stage: Option<&mut Stage> = self.stages.get_mut(name);
                stage.map(|stage| &mut stage.tags).ok_or(STAGE_MISSING)
            }
        }
    }

    fn add_binary_type(&mut self, kind: String) -> Result<(), RestError> {
        let is_one = kind.split_once('/').is_some_and(|(kind, detail)| {
            !kind.is_empty() && !detail.is_empty() && !detail.contains(['/', ' ', ';'])
        });
        if !is_one {
            return Err(RestError::invalid(format!("Invalid binary media type {kind}")));
        }
        if !self.binary_types.contains(&kind) {
            self.binary_types.push(kind);
        }
        if self.binary_types.len() > limits::BINARY_TYPES_MAX {
            return Err(RestError::TooMany("Binary media types per API"));
        }
        Ok(())
    }
}

/// Reads from where an API is to be reached.
///
/// # Errors
///
/// If that is a private network, or nothing.
pub fn endpoint_kind(text: &str) -> Result<EndpointKind, RestError> {
    match EndpointKind::parse(text) {
        Some(kind) => Ok(kind),
        None if text == "PRIVATE" => Err(RestError::not_built("private endpoints")),
        None => Err(RestError::invalid(format!("Invalid EndpointTypes specified: [{text}]"))),
    }
}

fn write_out_resources(document: &mut Value, execute_arn: &str) {
    let statements = match document.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for statement in statements {
        for name in ["Resource", "NotResource"] {
            match statement.get_mut(name) {
                Some(Value::Array(resources)) => {
                    resources.iter_mut().for_each(|one| write_out(one, execute_arn));
                }
                Some(one) => write_out(one, execute_arn),
                None => {}
            }
        }
    }
}

fn write_out(resource: &mut Value, execute_arn: &str) {
    if let Some(rest) = resource.as_str().and_then(|text| text.strip_prefix("execute-api:/")) {
        *resource = Value::from(format!("{execute_arn}/{rest}"));
    }
}
