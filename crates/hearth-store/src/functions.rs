//! The records of functions.

use std::fmt;

use async_trait::async_trait;
use hearth_types::names::FunctionArn;

use crate::error::StoreError;

/// Keeps one document per function.
///
/// # Promises
///
/// 1. When `put` or `remove` has returned, its effect survives a crash of the machine.
/// 2. A document is replaced whole or not at all.
/// 3. `all` returns what was put and not removed, in the order of the ARNs.
///
/// `conformance` checks each promise on every engine.
#[async_trait]
pub trait FunctionRecords: Send + Sync + fmt::Debug {
    /// Keeps a document, in place of the one before.
    async fn put(&self, function: &FunctionArn, document: &str) -> Result<(), StoreError>;

    /// Forgets a document. That there is none is fine.
    async fn remove(&self, function: &FunctionArn) -> Result<(), StoreError>;

    /// All documents.
    async fn all(&self) -> Result<Vec<String>, StoreError>;
}

#[cfg(test)]
pub(crate) mod conformance {
    use hearth_types::names::{AccountId, FunctionName, Region, Scope};

    use super::*;

    fn arn(name: &str) -> FunctionArn {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        FunctionArn { scope, name: FunctionName::parse(name).unwrap() }
    }

    pub(crate) async fn replaces_whole_and_returns_in_order(records: &impl FunctionRecords) {
        records.put(&arn("b"), "{\"one\":1}").await.unwrap();
        records.put(&arn("a"), "{}").await.unwrap();
        records.put(&arn("b"), "{\"two\":2}").await.unwrap();
        assert_eq!(records.all().await.unwrap(), ["{}", "{\"two\":2}"]);
    }

    pub(crate) async fn removes_and_does_not_mind_what_is_missing(records: &impl FunctionRecords) {
        records.put(&arn("a"), "{}").await.unwrap();
        records.remove(&arn("a")).await.unwrap();
        records.remove(&arn("a")).await.unwrap();
        assert!(records.all().await.unwrap().is_empty());
    }
}
