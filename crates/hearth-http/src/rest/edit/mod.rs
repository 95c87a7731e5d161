//! What may be done to a REST API: pure changes of its record, with AWS's rules.
//!
//! # Deliberately absent
//!
//! Ids come from chance and times from the caller; everything else follows from the arguments.

pub mod api;
pub mod resource;
pub mod method;
pub mod integration;
pub mod response;
pub mod authorizer;
pub mod deployment;
pub mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::error::RestError;
use super::limits;

/// Checks the tags of something.
///
/// # Errors
///
/// If there are too many, or one is AWS's own.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), RestError> {
    if tags.len() > limits::TAGS_MAX {
        return Err(RestError::TooMany("Tags per resource"));
    }
    if tags.keys().any(|key| key.starts_with("aws:")) {
        return Err(RestError::invalid(
            "aws: prefixed tag key names are not allowed for external use.",
        ));
    }
    Ok(())
}
