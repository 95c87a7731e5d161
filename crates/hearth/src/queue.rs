//! Which engine keeps the durable queue, and by which time it goes.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_store::queue::Queue;
use hearth_store::queue::postgres::PostgresQueue;
use hearth_store::queue::sqlite::SqliteQueue;
use hearth_types::limits;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};

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

/// The time that the queue goes by. If the clock was set back since the last run, what is in the
/// queue would be due when the clock has come up with it; so the time goes on from where it was.
pub(crate) async fn queue_time(
    queue: &dyn Queue,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Steady>> {
    let latest = queue.latest().await.context("could not ask the queue what time it was")?;
    let beginning = beginning(latest, clock.now());
    Ok(Arc::new(Steady::no_earlier_than(beginning, Arc::clone(clock))))
}

/// When the time of the queue begins, of which it knows that it was so late already.
fn beginning(latest: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let Some(latest) = latest.filter(|latest| *latest > now) else { return now };
    let behind_seconds = latest.millis_since(now) / 1_000;
    if latest.millis_since(now) > limits::CLOCK_SET_BACK_MS_MAX {
        tracing::warn!(
            %latest,
            behind_seconds,
            "the clock is far behind what is in the queue; what is due there waits for it"
        );
        return now;
    }
    tracing::info!(%latest, behind_seconds, "the clock was set back; the queue goes on from there");
    latest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_goes_on_from_where_it_was_unless_that_cannot_be() {
        let now = Timestamp(1_800_000_000_000);
        let day = limits::CLOCK_SET_BACK_MS_MAX;
        let rows = [
            (None, now),
            (Some(Timestamp(now.0 - 5)), now),
            (Some(now.plus_millis(3_600_000)), now.plus_millis(3_600_000)),
            (Some(now.plus_millis(day)), now.plus_millis(day)),
            (Some(now.plus_millis(day + 1)), now),
        ];
        for (latest, expected) in rows {
            assert_eq!(beginning(latest, now), expected, "{latest:?}");
        }
    }
}
