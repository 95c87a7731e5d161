//! Records in memory, and a clock that tests move: what the queues are tested on.
//!
//! Nothing here waits, so tests can pause the clock of the reactor.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hearth_store::error::StoreError;
use hearth_store::records::{Record, RecordKey, Records};
use hearth_types::time::{Clock, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(super) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(super) fn at(millis: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp(millis))))
    }

    pub(super) fn pass(&self, millis: u64) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus_millis(millis);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Documents in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryRecords(Mutex<BTreeMap<RecordKey, String>>);

#[async_trait]
impl Records for MemoryRecords {
    async fn put(&self, key: &RecordKey, document: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(key.clone(), document.to_owned());
        Ok(())
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }

    async fn all(&self, kind: &'static str) -> Result<Vec<Record>, StoreError> {
        let records = self.0.lock().unwrap();
        let found = records.iter().filter(|(key, _)| key.kind == kind).map(|(key, document)| {
            let RecordKey { scope, name, .. } = key.clone();
            Record { scope, name, document: document.clone() }
        });
        Ok(found.collect())
    }
}
