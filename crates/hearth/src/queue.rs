//! Which engine keeps the durable queue.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_store::queue::Queue;
use hearth_store::queue::postgres::PostgresQueue;
use hearth_store::queue::sqlite::SqliteQueue;
use hearth_types::tasks::Tasks;

use crate::config::Config;

/// Opens the engine that the configuration asks for; `file` is that of the embedded one.
pub(crate) async fn open_queue(config: &Config, file: &Path) -> anyhow::Result<Arc<dyn Queue>> {
    // Tasks of its own: it works until everything that uses it has ended.
    let tasks = Tasks::default();
    let address = &config.queue.0;
    if address.is_empty() {
        let queue = SqliteQueue::open(file, &tasks).await;
        return Ok(Arc::new(queue.context("could not open the queue")?));
    }
    let queue = PostgresQueue::open(address, &tasks).await;
    // The address is not named: it has a password in it.
    Ok(Arc::new(queue.context("could not open the queue in PostgreSQL (the setting `queue`)")?))
}
