//! What expires by itself: the rules of a bucket, and what they say of a version. Pure.
//!
//! # Promises
//!
//! 1. Nothing expires before the end of the day on which a rule says that it does, in UTC.
//! 2. A rule that is not enabled, or whose filter does not fit, says nothing.
//!
//! # Deliberately absent
//!
//! Transitions: there is one storage class. Who carries this out is `expiry`.

use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::BucketError;
use super::record::{Object, VersionRecord, Versioning};
use super::tags::Tags;
use crate::limits::{LIFECYCLE_RULES_MAX, RULE_ID_CHARACTERS_MAX};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// AWS: how many noncurrent versions a rule may leave.
const NEWER_VERSIONS_MAX: u32 = 100;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LifecycleRule {
    /// What it is called.
    pub id: String,
    /// Whether it is followed.
    pub status: RuleStatus,
    /// What it is about.
    pub filter: RuleFilter,
    /// When objects expire.
    pub expiration: Option<Expiration>,
    /// When versions expire that are not the newest.
    pub noncurrent: Option<NoncurrentExpiration>,
    /// After how many days an upload that was not finished is forgotten.
    pub abort_days: Option<u32>,
}

/// Whether a rule is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RuleStatus {
    /// It is.
    Enabled,
    /// It is not.
    #[default]
    Disabled,
}

/// What a rule is about: everything that all of this is true of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleFilter {
    /// In which form it was given.
    pub form: FilterForm,
    /// How keys begin.
    pub prefix: Option<String>,
    /// Tags that an object has.
    pub tags: Tags,
    /// More bytes than this.
    pub larger_than: Option<u64>,
    /// Fewer bytes than this.
    pub smaller_than: Option<u64>,
}

/// In which form a filter was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FilterForm {
    /// A prefix beside the rest of the rule, as it was once.
    Prefix,
    /// A filter with one condition, or none.
    #[default]
    One,
    /// A filter with several, in an `And`.
    And,
}

/// When objects expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    /// So many days after they were put.
    Days(u32),
    /// From this day on.
    Date(Timestamp),
    /// Never; but a delete marker that is alone does.
    LoneMarkers,
}

/// When versions expire that are not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoncurrentExpiration {
    /// So many days after another one came before them.
    pub days: u32,
    /// The newest so many of them do not.
    pub newer_versions: Option<u32>,
}

/// Where a version stands among those of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the newest of several.
    Newest,
    /// It is the only one.
    Alone,
    /// It is not the newest.
    Noncurrent {
        /// When the next newer one came.
        since: Timestamp,
        /// How many noncurrent ones are newer.
        newer: u32,
    },
}

/// What becomes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays.
    Stay,
    /// A delete marker comes before it.
    Hide,
    /// It is removed for good.
    Remove,
}

/// Refuses rules that make no sense.
///
/// # Errors
///
/// In S3's words.
pub fn check_rules(rules: &[LifecycleRule]) -> Result<(), BucketError> {
    let invalid = |text: &str| Err(BucketError::InvalidArgument(text.to_owned()));
    if rules.is_empty() || rules.len() > LIFECYCLE_RULES_MAX {
        return Err(BucketError::MalformedXml);
    }
    for (place, rule) in rules.iter().enumerate() {
        if rule.id.chars().count() > RULE_ID_CHARACTERS_MAX {
            return invalid("ID length should not exceed allowed limit of 255");
        }
        if rules.iter().take(place).any(|before| before.id == rule.id) {
            return invalid("Rule ID must be unique. Found same ID for more than one rule");
        }
        if rule.expiration.is_none() && rule.noncurrent.is_none() && rule.abort_days.is_none() {
            let text = "At least one action needs to be specified in a rule";
            return Err(BucketError::InvalidRequest(text.to_owned()));
        }
        check_filter(rule)?;
        match rule.expiration {
            Some(Expiration::Days(0)) => {
                return invalid("'Days' for Expiration action must be a positive integer");
            }
            Some(Expiration::Date(date)) if !date.0.is_multiple_of(DAY_MILLIS) => {
                return invalid("'Date' must be at midnight GMT");
            }
            Some(Expiration::Days(_) | Expiration::Date(_) | Expiration::LoneMarkers) | None => {}
        }
        if let Some(noncurrent) = rule.noncurrent {
            if noncurrent.days == 0 {
                return invalid(
                    "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
                );
            }
            if noncurrent.newer_versions.is_some_and(|it| it == 0 || it > NEWER_VERSIONS_MAX) {
                return invalid(
                    "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be an integer between 1 and 100",
                );
            }
        }
        if rule.abort_days == Some(0) {
            return invalid(
                "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
            );
        }
    }
    Ok(())
}

fn check_filter(rule: &LifecycleRule) -> Result<(), BucketError> {
    let RuleFilter { tags, larger_than, smaller_than, .. } = &rule.filter;
    if let (Some(larger), Some(smaller)) = (larger_than, smaller_than)
        && larger >= smaller
    {
        let text = "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.";
        return Err(BucketError::InvalidRequest(text.to_owned()));
    }
    let is_of_objects = !tags.is_empty() || larger_than.is_some() || smaller_than.is_some();
    if is_of_objects && rule.abort_days.is_some() {
        let text = "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.";
        return Err(BucketError::InvalidRequest(text.to_owned()));
    }
    if !tags.is_empty() && rule.expiration == Some(Expiration::LoneMarkers) {
        let text = "ExpiredObjectDeleteMarker cannot be specified with Tags.";
        return Err(BucketError::InvalidRequest(text.to_owned()));
    }
    Ok(())
}

impl RuleFilter {
    /// Whether it fits an object, or a delete marker, which has neither tags nor a size.
    fn fits(&self, key: &str, object: Option<&Object>) -> bool {
        let has_prefix = self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix));
        let fits_object = match object {
            Some(object) => {
                self.tags.iter().all(|(key, value)| object.tags.has(key, value))
                    && self.larger_than.is_none_or(|bound| object.size > bound)
                    && self.smaller_than.is_none_or(|bound| object.size < bound)
            }
            None => {
                self.tags.is_empty() && self.larger_than.is_none() && self.smaller_than.is_none()
            }
        };
        has_prefix && fits_object
    }
}

/// The midnight that ends the day which is so many days later.
fn after_days(from: Timestamp, days: u32) -> Timestamp {
    let due = from.0.saturating_add(u64::from(days).saturating_mul(DAY_MILLIS));
    Timestamp(due.div_ceil(DAY_MILLIS).saturating_mul(DAY_MILLIS))
}

fn enabled<'a>(
    rules: &'a [LifecycleRule],
    key: &str,
    object: Option<&Object>,
) -> impl Iterator<Item = &'a LifecycleRule> {
    rules
        .iter()
        .filter(move |rule| rule.status == RuleStatus::Enabled && rule.filter.fits(key, object))
}

/// When an object expires that is the newest version of its key, and by which rule.
#[must_use]
pub fn expires<'a>(
    rules: &'a [LifecycleRule],
    key: &str,
    (object, modified): (&Object, Timestamp),
) -> Option<(Timestamp, &'a str)> {
    let due = enabled(rules, key, Some(object)).filter_map(|rule| {
        let due = match rule.expiration? {
            Expiration::Days(days) => after_days(modified, days),
            Expiration::Date(date) => date,
            Expiration::LoneMarkers => return None,
        };
        Some((due, rule.id.as_str()))
    });
    due.min()
}

/// What becomes of a version at this moment.
pub(super) fn judge(
    rules: &[LifecycleRule],
    (key, version, standing): (&str, &VersionRecord, Standing),
    (versioning, now): (Versioning, Timestamp),
) -> Verdict {
    let object = version.object.as_ref();
    let is_gone = match (standing, object) {
        (Standing::Newest | Standing::Alone, Some(object)) => {
            let due = expires(rules, key, (object, version.modified));
            if due.is_none_or(|(due, _)| now < due) {
                return Verdict::Stay;
            }
            return match versioning {
                Versioning::Never => Verdict::Remove,
                Versioning::Enabled | Versioning::Suspended => Verdict::Hide,
            };
        }
        // A marker with nothing behind it hides nothing.
        (Standing::Alone, None) => enabled(rules, key, object).any(|rule| match rule.expiration {
            Some(Expiration::LoneMarkers) => true,
            Some(Expiration::Days(days)) => now >= after_days(version.modified, days),
            Some(Expiration::Date(date)) => now >= date,
            None => false,
        }),
        (Standing::Newest, None) => false,
        (Standing::Noncurrent { since, newer }, object) => {
            enabled(rules, key, object).any(|rule| {
                rule.noncurrent.is_some_and(|it| {
                    now >= after_days(since, it.days)
                        && it.newer_versions.is_none_or(|kept| newer >= kept)
                })
            })
        }
    };
    if is_gone { Verdict::Remove } else { Verdict::Stay }
}

/// When an upload is forgotten that was not finished, and by which rule. Nothing but its key is known
/// of what it will be.
#[must_use]
pub fn upload_expires<'a>(
    rules: &'a [LifecycleRule],
    key: &str,
    initiated: Timestamp,
) -> Option<(Timestamp, &'a str)> {
    let due = enabled(rules, key, None)
        .filter_map(|rule| Some((after_days(initiated, rule.abort_days?), rule.id.as_str())));
    due.min()
}

#[cfg(test)]
mod tests;
