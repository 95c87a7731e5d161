//! The engine in memory: what tests of whoever keeps records are run on.
//!
//! It answers at once, without a task and without I/O, so that tests can stop the clock and move it.
//!
//! # Promises
//!
//! Those of [`super::Records`], which the conformance suite checks here as well, but for one: what is
//! in it ends with the process.
//!
//! # Deliberately absent
//!
//! No server can be told to use it: it is compiled for the tests of this crate and, by the feature
//! `testing`, for those of others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use super::{Record, RecordKey, Records};
use crate::error::StoreError;

/// Documents in memory.
#[derive(Debug, Default)]
pub struct MemoryRecords(Mutex<BTreeMap<RecordKey, String>>);

impl MemoryRecords {
    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RecordKey, String>> {
        self.0.lock().expect("no code panics while it holds the documents")
    }
}

#[async_trait]
impl Records for MemoryRecords {
    async fn put(&self, key: &RecordKey, document: &str) -> Result<(), StoreError> {
        self.lock().insert(key.clone(), document.to_owned());
        Ok(())
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.lock().remove(key);
        Ok(())
    }

    async fn all(&self, kind: &'static str) -> Result<Vec<Record>, StoreError> {
        // The map has the order that is promised.
        let records = self.lock();
        let found = records.iter().filter(|(key, _)| key.kind == kind).map(|(key, document)| {
            let RecordKey { scope, name, .. } = key.clone();
            Record { scope, name, document: document.clone() }
        });
        Ok(found.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::conformance;

    #[tokio::test]
    async fn it_conforms() {
        let records = MemoryRecords::default;
        conformance::replaces_whole_and_returns_in_order(&records()).await;
        conformance::removes_and_does_not_mind_what_is_missing(&records()).await;
        conformance::kinds_do_not_see_each_other(&records()).await;
    }
}
