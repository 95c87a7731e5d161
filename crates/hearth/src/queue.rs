//! Which engine keeps the durable queue.

use std::sync::Arc;

use anyhow::Context as _;
use hearth_store::error::StoreError;
use hearth_store::queue::Queue;
use hearth_store::queue::postgres::PostgresQueue;
use hearth_types::tasks::Tasks;

use crate::config::Config;

/// Opens the engine that the configuration asks for. `embedded` opens the one in the data directory,
/// and is left alone if that is not it.
#[expect(
    dead_code,
    reason = "called where the stores are opened, once the embedded engine is there"
)]
pub(crate) async fn open_queue(
    config: &Config,
    embedded: impl Future<Output = Result<Arc<dyn Queue>, StoreError>>,
) -> anyhow::Result<Arc<dyn Queue>> {
    let address = &config.queue.0;
    if address.is_empty() {
        return embedded.await.context("could not open the queue");
    }
    // Tasks of its own: it works until everything that uses it has ended.
    let queue = PostgresQueue::open(address, &Tasks::default()).await;
    // The address is not named: it has a password in it.
    Ok(Arc::new(queue.context("could not open the queue in PostgreSQL (the setting `queue`)")?))
}
