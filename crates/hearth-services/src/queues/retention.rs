//! Messages that are older than their queue keeps them are removed, whether anybody asks or not; so
//! are those whose queue is gone.

use std::sync::Arc;
use std::time::Duration;

use hearth_store::error::StoreError;
use hearth_store::queue::Page;
use hearth_types::time::Timestamp;

use super::quotas::RETENTION_LOOK_SECONDS;
use super::record::QueueRecord;
use super::{Queues, closing};

impl Queues {
    /// Looks through all queues from time to time, until they are closed.
    pub(super) async fn watch_retention(self: Arc<Self>) {
        let mut phase = self.phase.subscribe();
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(RETENTION_LOOK_SECONDS)) => {}
                () = closing(&mut phase) => return,
            }
            self.drop_old().await;
            if let Err(error) = self.clear_orphans().await {
                tracing::warn!(%error, "messages of deleted queues could not be removed");
            }
        }
    }

    /// Removes what is too old now.
    pub(super) async fn drop_old(&self) {
        for queue in self.queues.all() {
            if let Err(error) = self.drop_old_of(&queue).await {
                tracing::warn!(%error, queue = queue.name, "old messages could not be removed");
            }
        }
    }

    async fn drop_old_of(&self, queue: &QueueRecord) -> Result<(), StoreError> {
        let (lane, now) = (queue.lane(), self.clock.now());
        // To look costs less than to remove nothing.
        if self.engine.page(Page { lane: &lane, after: None, items: 1 }, now).await?.is_empty() {
            return Ok(());
        }
        let Some(kept_since) = now.0.checked_sub(queue.retention_millis()) else { return Ok(()) };
        // What is exactly as old as that is too old.
        let put_before = Timestamp(kept_since).plus_millis(1);
        let removed = self.engine.purge(&lane, put_before).await?;
        if removed > 0 {
            tracing::info!(queue = queue.name, removed, "messages have expired");
        }
        Ok(())
    }
}
