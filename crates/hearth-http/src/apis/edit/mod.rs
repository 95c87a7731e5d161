//! What may be done to an API: pure changes of its record, with AWS's rules.
//!
//! Each kind of part has a *change*, of which everything but what is to be changed is absent. A
//! part is made by changing one that is empty, so what holds for a change holds for a new part.
//!
//! # Deliberately absent
//!
//! Ids come from chance and times from the caller; everything else follows from the arguments.

pub mod api;
pub mod route;
pub mod integration;
pub mod authorizer;
pub mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::error::ApiError;
use super::limits;

/// Checks the tags of an API or a stage.
fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > limits::TAGS_MAX {
        return Err(ApiError::TooMany("Tags per resource"));
    }
    if tags.keys().any(|key| key.starts_with("aws:")) {
        return Err(ApiError::invalid(
            "aws: prefixed tag key names are not allowed for external use.",
        ));
    }
    Ok(())
}
