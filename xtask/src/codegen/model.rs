//! A service model in botocore's form, reduced to what the generator reads.
//!
//! Reading and writing a [`Model`] strips everything else, so these types are also the format of
//! the committed models.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use anyhow::{Context as _, ensure};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// A whole model.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model {
    pub(super) metadata: Metadata,
    pub(super) operations: Ordered<Operation>,
    /// Names of operations that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) operations_not_built: Vec<String>,
    pub(super) shapes: Ordered<Shape>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) api_version: String,
    pub(super) protocol: String,
    pub(super) service_full_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_prefix: Option<String>,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Operation {
    pub(super) http: Http,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Reference>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<Reference>,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Http {
    pub(super) method: String,
    pub(super) request_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_code: Option<u16>,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Reference {
    pub(super) shape: String,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Shape {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) required: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) members: Option<Ordered<Member>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) member: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<String>,
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub(super) enumeration: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) sensitive: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) exception: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) fault: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorTrait>,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorTrait {
    pub(super) http_status_code: u16,
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub(super) shape: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location_name: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Model {
    /// The model with only these operations and the shapes that they reach. All operations if
    /// none is named.
    pub(super) fn restricted_to(self, operations: &[&str]) -> anyhow::Result<Self> {
        for name in operations {
            ensure!(self.operations.get(name).is_some(), "the model has no operation {name}");
        }
        let is_kept = |name: &str| operations.is_empty() || operations.contains(&name);
        let mut kept = Vec::new();
        let mut operations_not_built = self.operations_not_built.clone();
        for (name, operation) in self.operations.iter() {
            if is_kept(name) {
                kept.push((name.clone(), operation.clone()));
            } else {
                operations_not_built.push(name.clone());
            }
        }
        let mut roots = Vec::new();
        for (_, operation) in &kept {
            let ends = operation.input.iter().chain(&operation.output).chain(&operation.errors);
            roots.extend(ends.map(|end| end.shape.as_str()));
        }
        let reached = self.reached(roots)?;
        let shapes = self.shapes.iter().filter(|(name, _)| reached.contains(name.as_str()));
        let shapes = Ordered(shapes.cloned().collect());
        let metadata = self.metadata;
        Ok(Self { metadata, operations: Ordered(kept), operations_not_built, shapes })
    }

    /// The model with each member of a body under the name that it has on the wire. Where AWS's
    /// model has two names for it, the other one is for SDKs only. A member elsewhere that would share
    /// that name gets its place before its own: `uriHttpMethod`.
    pub(super) fn named_as_on_the_wire(mut self) -> Self {
        for (_, shape) in &mut self.shapes.0 {
            shape.name_as_on_the_wire();
        }
        self
    }

    /// The names of these shapes and of all that they refer to.
    pub(super) fn reached<'a>(
        &'a self,
        mut roots: Vec<&'a str>,
    ) -> anyhow::Result<BTreeSet<&'a str>> {
        let mut reached = BTreeSet::new();
        while let Some(name) = roots.pop() {
            if !reached.insert(name) {
                continue;
            }
            let shape = self.shape(name)?;
            let parts = shape.member.iter().chain(&shape.key).chain(&shape.value);
            roots.extend(parts.map(|part| part.shape.as_str()));
            roots.extend(shape.members().map(|(_, member)| member.shape.as_str()));
        }
        Ok(reached)
    }

    pub(super) fn shape(&self, name: &str) -> anyhow::Result<&Shape> {
        self.shapes.get(name).with_context(|| format!("the model has no shape {name}"))
    }
}

impl Shape {
    fn name_as_on_the_wire(&mut self) {
        let Some(members) = &mut self.members else { return };
        let payload = self.payload.clone();
        let in_body = |name: &str, member: &Member| {
            member.location.is_none() && payload.as_deref() != Some(name)
        };
        let bodies: Vec<String> = members
            .iter()
            .filter(|(name, member)| in_body(name, member))
            .filter_map(|(_, member)| member.location_name.clone())
            .collect();
        for (name, member) in &mut members.0 {
            let old = name.clone();
            if in_body(name, member) {
                let Some(wire_name) = member.location_name.take() else { continue };
                *name = wire_name;
            } else if bodies.contains(name) {
                let place = member.location.as_deref().unwrap_or_default();
                *name = format!("{place}{}{}", old[..1].to_uppercase(), &old[1..]);
                member.location_name.get_or_insert_with(|| old.clone());
            }
            // The place of a name in the list is that of its member, so each is renamed once.
            let required = self.required.iter_mut().find(|required| **required == old);
            if let Some(required) = required {
                required.clone_from(name);
            }
        }
    }

    /// The members of a structure, in the model's order.
    pub(super) fn members(&self) -> impl Iterator<Item = &(String, Member)> {
        self.members.iter().flat_map(Ordered::iter)
    }
}

/// A JSON object whose order is kept.
///
/// `serde_json` can keep orders itself, but only by a feature that would be switched on for the
/// whole workspace whenever xtask is built with it.
#[derive(Clone)]
pub(super) struct Ordered<T>(Vec<(String, T)>);

impl<T> Ordered<T> {
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, (String, T)> {
        self.0.iter()
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedVisitor(PhantomData))
    }
}

struct OrderedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
    type Value = Ordered<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered(entries))
    }
}
