//! Tags of a role or a policy. Keys that differ only in case are the same key.

use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::quotas;

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The key, in the case in which it was last written.
    pub key: String,
    /// The value, which may be empty.
    pub value: String,
}

/// Refuses tags of one request that have the same key.
pub(crate) fn check_unique(tags: &[Tag]) -> Result<(), IamError> {
    let mut keys: Vec<String> = tags.iter().map(|tag| tag.key.to_lowercase()).collect();
    keys.sort();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(IamError::InvalidInput(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    Ok(())
}

/// Adds tags in place of those that have the same key.
pub(crate) fn add(tags: &mut Vec<Tag>, more: Vec<Tag>) -> Result<(), IamError> {
    for tag in more {
        match tags.iter_mut().find(|one| same_key(&one.key, &tag.key)) {
            Some(one) => *one = tag,
            None => tags.push(tag),
        }
    }
    if tags.len() > quotas::TAGS {
        return Err(IamError::LimitExceeded(
            "The number of tags has reached the maximum limit.".to_owned(),
        ));
    }
    Ok(())
}

/// Removes tags. That there is none of a key is fine.
pub(crate) fn remove(tags: &mut Vec<Tag>, keys: &[String]) {
    tags.retain(|tag| !keys.iter().any(|key| same_key(&tag.key, key)));
}

fn same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<Tag> {
        let tag = |(key, value): &(&str, &str)| Tag {
            key: String::from(*key),
            value: String::from(*value),
        };
        pairs.iter().map(tag).collect()
    }

    #[test]
    fn a_key_in_another_case_is_the_same_key() {
        let mut kept = tags(&[("Team", "a"), ("Stage", "x")]);
        add(&mut kept, tags(&[("team", "b"), ("Cost", "")])).unwrap();
        assert_eq!(kept, tags(&[("team", "b"), ("Stage", "x"), ("Cost", "")]));
        remove(&mut kept, &["TEAM".to_owned(), "nobody".to_owned()]);
        assert_eq!(kept, tags(&[("Stage", "x"), ("Cost", "")]));
        assert!(check_unique(&kept).is_ok());
        let twice = check_unique(&tags(&[("a", ""), ("b", ""), ("A", "")])).unwrap_err();
        assert!(matches!(twice, IamError::InvalidInput(_)), "{twice:?}");
    }

    #[test]
    fn there_are_fifty_at_most() {
        let numbered = |from: usize, to: usize| -> Vec<Tag> {
            (from..to).map(|one| Tag { key: one.to_string(), value: String::new() }).collect()
        };
        let mut kept = numbered(0, 49);
        add(&mut kept, numbered(0, 50)).unwrap();
        let full = add(&mut kept, numbered(50, 51)).unwrap_err();
        assert!(matches!(full, IamError::LimitExceeded(_)), "{full:?}");
    }
}
