//! A queue in memory, for tests of what is put into it.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::error::StoreError;
use hearth_store::queue::signals::Signals;
use hearth_store::queue::{
    Applied, Ask, Batch, Counts, EntryId, Lane, Leased, NewEntry, Page, Put, Queue, Seen,
};
use hearth_types::time::Timestamp;

/// Keeps what is put, batch by batch.
#[derive(Debug, Default)]
pub(super) struct MemoryQueue {
    state: Mutex<State>,
    signals: Signals,
}

#[derive(Debug, Default)]
struct State {
    batches: Vec<Vec<NewEntry>>,
    is_broken: bool,
}

impl MemoryQueue {
    /// What was put since the last call, batch by batch.
    pub(super) fn take(&self) -> Vec<Vec<NewEntry>> {
        std::mem::take(&mut self.state.lock().unwrap().batches)
    }

    /// From now on nothing can be put.
    pub(super) fn break_down(&self) {
        self.state.lock().unwrap().is_broken = true;
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn apply(&self, batch: Batch, _now: Timestamp) -> Result<Applied, StoreError> {
        let mut state = self.state.lock().unwrap();
        if state.is_broken {
            let source = serde_json::from_str::<u8>("broken").unwrap_err();
            return Err(StoreError::Document { kind: "queue", source });
        }
        let puts = (1..).zip(&batch.puts).map(|(id, _put)| Put::New(EntryId(id))).collect();
        state.batches.push(batch.puts);
        Ok(Applied { puts, settles: Vec::new() })
    }

    async fn lease(&self, _ask: Ask<'_>, _now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        Ok(Vec::new())
    }

    async fn next_due(&self, _lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn lanes(
        &self,
        _kind: &'static str,
        _after: Option<&str>,
        _items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        Ok(Vec::new())
    }

    async fn counts(&self, _lane: &Lane, _now: Timestamp) -> Result<Counts, StoreError> {
        Ok(Counts::default())
    }

    async fn page(&self, _page: Page<'_>, _now: Timestamp) -> Result<Vec<Seen>, StoreError> {
        Ok(Vec::new())
    }

    async fn body(&self, _lane: &Lane, _id: EntryId) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    async fn purge(&self, _lane: &Lane, _put_before: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }
}
