//! Tags of buckets and objects.

use serde::{Deserialize, Serialize};

use super::error::BucketError;
use crate::limits::{
    BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, TAG_KEY_CHARACTERS_MAX, TAG_VALUE_CHARACTERS_MAX,
};

/// Tags, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(Vec<(String, String)>);

/// What is tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

impl Tags {
    /// Takes tags, if something of this kind may have them.
    ///
    /// # Errors
    ///
    /// If there are too many, two have one key, or one has characters that it may not have.
    pub fn new(tags: Vec<(String, String)>, tagged: Tagged) -> Result<Self, BucketError> {
        let max = match tagged {
            Tagged::Bucket => BUCKET_TAGS_MAX,
            Tagged::Object => OBJECT_TAGS_MAX,
        };
        if tags.len() > max {
            return Err(match tagged {
                Tagged::Bucket => {
                    let text = format!("Bucket tag count cannot be greater than {max}");
                    BucketError::BadRequest(text)
                }
                Tagged::Object => {
                    BucketError::BadRequest(format!("Object tags cannot be greater than {max}"))
                }
            });
        }
        for (place, (key, value)) in tags.iter().enumerate() {
            let is_reserved = key.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("aws:"));
            let is_key = !key.is_empty() && key.chars().count() <= TAG_KEY_CHARACTERS_MAX;
            if !is_key || !key.chars().all(is_allowed) {
                let text = "The TagKey you have provided is invalid";
                return Err(BucketError::InvalidTag(text.to_owned()));
            }
            if is_reserved {
                let text = "System tags cannot be added/updated by requester";
                return Err(BucketError::InvalidTag(text.to_owned()));
            }
            if value.chars().count() > TAG_VALUE_CHARACTERS_MAX || !value.chars().all(is_allowed) {
                let text = "The TagValue you have provided is invalid";
                return Err(BucketError::InvalidTag(text.to_owned()));
            }
            if tags.iter().take(place).any(|(before, _)| before == key) {
                let text = "Cannot provide multiple Tags with the same key";
                return Err(BucketError::InvalidTag(text.to_owned()));
            }
        }
        Ok(Self(tags))
    }

    /// Their keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(&self, key: &str, value: &str) -> bool {
        self.iter().any(|tag| tag == (key, value))
    }
}

/// AWS: letters, digits and spaces of any language, and some signs.
fn is_allowed(one: char) -> bool {
    one.is_alphanumeric() || one == ' ' || "+-=._:/@".contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_tag() {
        let long = "k".repeat(TAG_KEY_CHARACTERS_MAX + 1);
        let long_value = "v".repeat(TAG_VALUE_CHARACTERS_MAX + 1);
        #[rustfmt::skip]
        let rows: [(&[(&str, &str)], &str); 10] = [
            (&[],                              ""),
            (&[("a", "b"), ("A", "")],         ""),
            (&[("é +-=._:/@1", "Ünï code")],   ""),
            (&[("", "b")],                     "InvalidTag"),
            (&[("a?", "b")],                   "InvalidTag"),
            (&[("a", "b&")],                   "InvalidTag"),
            (&[("a", "b"), ("a", "c")],        "InvalidTag"),
            (&[("AWS:a", "b")],                "InvalidTag"),
            (&[(&long, "b")],                  "InvalidTag"),
            (&[("a", &long_value)],            "InvalidTag"),
        ];
        for (tags, refusal) in rows {
            let own = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let found = Tags::new(own.collect(), Tagged::Object);
            assert_eq!(found.as_ref().err().map_or("", BucketError::code), refusal, "{tags:?}");
        }
    }

    #[test]
    fn an_object_has_ten_and_a_bucket_fifty() {
        for (tagged, max) in [(Tagged::Object, 10), (Tagged::Bucket, 50)] {
            let tags = |count: usize| {
                let tags = (0..count).map(|number| (number.to_string(), String::new()));
                Tags::new(tags.collect(), tagged)
            };
            assert_eq!(tags(max).unwrap().len(), max);
            assert_eq!(tags(max + 1).unwrap_err().code(), "BadRequest");
        }
    }
}
