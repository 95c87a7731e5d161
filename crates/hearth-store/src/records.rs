//! Records: one document for each thing that has to be remembered.

#[cfg(any(test, feature = "testing"))]
pub mod memory;

use std::fmt;

use async_trait::async_trait;
use hearth_types::names::Scope;

use crate::error::StoreError;

/// What a record is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// What it is a record of, such as `function`.
    pub kind: &'static str,
    /// Whose it is, and where.
    pub scope: Scope,
    /// Its name, which no other record of its kind and scope has.
    pub name: String,
}

/// A record as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is, and where.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// What it says.
    pub document: String,
}

/// Keeps one document per key.
///
/// # Promises
///
/// 1. When `put` or `remove` has returned, its effect survives a crash of the machine.
/// 2. A document is replaced whole or not at all.
/// 3. `all` returns what was put under a kind and not removed, ordered by account, region and name.
///
/// `conformance` checks each promise on every engine.
#[async_trait]
pub trait Records: Send + Sync + fmt::Debug {
    /// Keeps a document, in place of the one before.
    async fn put(&self, key: &RecordKey, document: &str) -> Result<(), StoreError>;

    /// Forgets a document. That there is none is fine.
    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError>;

    /// All records of a kind.
    async fn all(&self, kind: &'static str) -> Result<Vec<Record>, StoreError>;
}

#[cfg(test)]
pub(crate) mod conformance {
    use hearth_types::names::{AccountId, Region};

    use super::*;

    pub(crate) const KIND: &str = "thing";

    fn key(kind: &'static str, name: &str) -> RecordKey {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        RecordKey { kind, scope, name: name.to_owned() }
    }

    async fn documents(records: &impl Records) -> Vec<String> {
        let all = records.all(KIND).await.unwrap();
        all.into_iter().map(|record| record.document).collect()
    }

    pub(crate) async fn replaces_whole_and_returns_in_order(records: &impl Records) {
        records.put(&key(KIND, "b"), "{\"one\":1}").await.unwrap();
        records.put(&key(KIND, "a"), "{}").await.unwrap();
        records.put(&key(KIND, "b"), "{\"two\":2}").await.unwrap();
        assert_eq!(documents(records).await, ["{}", "{\"two\":2}"]);
        let first = records.all(KIND).await.unwrap().remove(0);
        assert_eq!((first.scope, first.name), (key(KIND, "a").scope, "a".to_owned()));
    }

    pub(crate) async fn removes_and_does_not_mind_what_is_missing(records: &impl Records) {
        records.put(&key(KIND, "a"), "{}").await.unwrap();
        records.remove(&key(KIND, "a")).await.unwrap();
        records.remove(&key(KIND, "a")).await.unwrap();
        assert_eq!(documents(records).await, Vec::<String>::new());
    }

    pub(crate) async fn kinds_do_not_see_each_other(records: &impl Records) {
        records.put(&key(KIND, "a"), "{}").await.unwrap();
        records.put(&key("other", "a"), "[]").await.unwrap();
        records.remove(&key("other", "a")).await.unwrap();
        assert_eq!(documents(records).await, ["{}"]);
    }
}
