//! Resources: a tree of parts of paths below a root.

use std::collections::BTreeMap;

use super::super::error::{RESOURCE_MISSING, RestError};
use super::super::limits;
use super::super::patch::{Op, Patch};
use super::super::record::{Resource, RestApi};
use crate::apis::new_id;

impl RestApi {
    /// One resource.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn resource(&self, id: &str) -> Result<&Resource, RestError> {
        self.resources.get(id).ok_or(RESOURCE_MISSING)
    }

    /// One resource, to be changed.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn resource_mut(&mut self, id: &str) -> Result<&mut Resource, RestError> {
        self.resources.get_mut(id).ok_or(RESOURCE_MISSING)
    }

    /// Makes a resource below another one.
    ///
    /// # Errors
    ///
    /// If there is no such parent, the part cannot be or is there already, or there are too many.
    pub fn create_resource(&mut self, parent: &str, part: &str) -> Result<Resource, RestError> {
        if self.resources.len() >= limits::RESOURCES_MAX {
            return Err(RestError::TooMany("Resources per API"));
        }
        self.check_part(parent, part, None)?;
        let above = self.resource(parent)?;
        let resource = Resource {
            id: new_id(6),
            parent: Some(parent.to_owned()),
            part: part.to_owned(),
            path: below(&above.path, part),
            methods: BTreeMap::new(),
        };
        self.resources.insert(resource.id.clone(), resource.clone());
        Ok(resource)
    }

    /// The resource with a path, made with all that is above it if it is not there.
    ///
    /// # Errors
    ///
    /// If a part of the path cannot be, or there would be too many.
    pub fn resource_at(&mut self, path: &str) -> Result<&mut Resource, RestError> {
        let mut at = self.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let there = self
                .resources
                .values()
                .find(|one| one.parent.as_deref() == Some(at.as_str()) && one.part == part);
            at = match there {
                Some(there) => there.id.clone(),
                None => self.create_resource(&at, part)?.id,
            };
        }
        self.resource_mut(&at)
    }

    /// Deletes a resource and all that are below it.
    ///
    /// # Errors
    ///
    /// If there is none, or it is the root.
    pub fn delete_resource(&mut self, id: &str) -> Result<(), RestError> {
        self.resource(id)?;
        if id == self.root {
            return Err(RestError::invalid("Root resource cannot be deleted"));
        }
        let mut doomed = vec![id.to_owned()];
        while let Some(id) = doomed.pop() {
            let below = self.resources.values().filter(|one| one.parent.as_ref() == Some(&id));
            doomed.extend(below.map(|one| one.id.clone()));
            self.resources.remove(&id);
        }
        Ok(())
    }

    /// Changes what patches say about a resource.
    ///
    /// # Errors
    ///
    /// If there is none, or one of the patches cannot be.
    pub fn patch_resource(&mut self, id: &str, patches: &[Patch]) -> Result<Resource, RestError> {
        self.resource(id)?;
        for patch in patches {
            if patch.op != Op::Replace {
                return Err(patch.refused(&["/pathPart", "/parentId"]));
            }
            if id == self.root {
                return Err(RestError::invalid("Root resource cannot be updated"));
            }
            let resource = self.resource(id)?;
            let (parent, part) = (resource.parent.clone().unwrap_or_default(), &resource.part);
            let (parent, part) = match patch.parts().as_slice() {
                ["pathPart"] => (parent, patch.required()?),
                ["parentId"] => (patch.required()?, part.clone()),
                _ => return Err(patch.refused(&["/pathPart", "/parentId"])),
            };
            if self.is_within(&parent, id) {
                return Err(RestError::invalid("Resources cannot be cyclical."));
            }
            self.check_part(&parent, &part, Some(id))?;
            let resource = self.resource_mut(id)?;
            resource.parent = Some(parent);
            resource.part = part;
        }
        self.write_paths();
        self.resource(id).cloned()
    }

    /// Whether a resource is another one, or below it.
    fn is_within(&self, id: &str, other: &str) -> bool {
        let mut at = Some(id);
        while let Some(here) = at {
            if here == other {
                return true;
            }
            at = self.resources.get(here).and_then(|one| one.parent.as_deref());
        }
        false
    }

    fn write_paths(&mut self) {
        let mut done = vec![(self.root.clone(), "/".to_owned())];
        while let Some((id, path)) = done.pop() {
            let children = self.resources.values_mut();
            for child in children.filter(|one| one.parent.as_ref() == Some(&id)) {
                child.path = below(&path, &child.part);
                done.push((child.id.clone(), child.path.clone()));
            }
        }
    }

    /// Whether a part may be below a resource. `except` is the one that gets it.
    fn check_part(&self, parent: &str, part: &str, except: Option<&str>) -> Result<(), RestError> {
        let above = self.resource(parent)?;
        let kind = Part::of(part).ok_or_else(|| {
            RestError::invalid(
                "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.",
            )
        })?;
        if Part::of(&above.part) == Some(Part::Greedy) {
            return Err(RestError::invalid(
                "Cannot create a child of a resource with a greedy path variable.",
            ));
        }
        let siblings = self
            .resources
            .values()
            .filter(|one| one.parent.as_deref() == Some(parent) && Some(one.id.as_str()) != except);
        for sibling in siblings {
            if sibling.part == part {
                return Err(RestError::Conflict(format!(
                    "Another resource with the same parent already has this name: {part}"
                )));
            }
            let is_variable = Part::of(&sibling.part) != Some(Part::Literal);
            if kind != Part::Literal && is_variable {
                return Err(RestError::invalid(format!(
                    "A sibling ({}) of this resource already has a variable path part -- only one is allowed",
                    sibling.part
                )));
            }
        }
        let has_below =
            |id: &str| self.resources.values().any(|one| one.parent.as_deref() == Some(id));
        if kind == Part::Greedy && except.is_some_and(has_below) {
            return Err(RestError::invalid(
                "Cannot create a child of a resource with a greedy path variable.",
            ));
        }
        Ok(())
    }
}

/// What a part of a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Itself.
    Literal,
    /// Any one part: `{id}`.
    Variable,
    /// All that follows: `{proxy+}`.
    Greedy,
}

impl Part {
    /// What a part stands for, if it can be one.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
        };
        if let Some(inner) = text.strip_prefix('{') {
            let name = inner.strip_suffix('}')?;
            let (name, kind) = match name.strip_suffix('+') {
                Some(name) => (name, Self::Greedy),
                None => (name, Self::Variable),
            };
            return is_name(name).then_some(kind);
        }
        // Recorded: some more than the text of the error admits.
        let is_literal = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-:~!$&'()*+,;=@%".contains(&byte));
        is_literal.then_some(Self::Literal)
    }

    /// The name of the variable in a part that has one.
    #[must_use]
    pub fn name(text: &str) -> &str {
        text.trim_start_matches('{').trim_end_matches('}').trim_end_matches('+')
    }
}

fn below(path: &str, part: &str) -> String {
    if path == "/" { format!("/{part}") } else { format!("{path}/{part}") }
}
