//! What happens by the time of day, whatever it is: what the driver in `hearth-events` asks for, and
//! how it hears of changes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use hearth_store::queue::NewEntry;
use hearth_types::time::Timestamp;
use tokio::sync::Notify;

use super::timing::{Occurrence, Timing};

/// Things that happen by the time of day. Each is known by its ARN.
#[async_trait]
pub trait Timed: Send + Sync + fmt::Debug {
    /// AWS's name of the service, as it stands in the ARNs.
    fn service(&self) -> &'static str;

    /// Everything that has effect.
    fn all(&self) -> Vec<(String, Timing)>;

    /// When one of them happens; `None` if there is none, or it has no effect.
    fn timing(&self, arn: &str) -> Option<Timing>;

    /// What is to be done when it happens: entries for the durable queue.
    fn entries(&self, arn: &str, occurrence: Occurrence, now: Timestamp) -> Vec<NewEntry>;

    /// It happened: its entries are in the queue.
    fn happened(&self, arn: &str);

    /// It will not happen any more, if `timing` is still when it happens.
    async fn completed(&self, arn: &str, timing: &Timing);
}

/// What has changed since somebody last asked.
///
/// Its memory is bounded by the number of things that there are.
#[derive(Debug, Default)]
pub struct Changes {
    arns: Mutex<BTreeSet<String>>,
    news: Notify,
}

impl Changes {
    /// Something may happen at another time from now on, or not at all. Told after the change can
    /// be seen.
    pub fn note(&self, arn: String) {
        self.lock().insert(arn);
        self.news.notify_one();
    }

    /// What has changed since this was last asked.
    #[must_use]
    pub fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.lock())
    }

    /// Ends when something has changed. For one who waits.
    pub async fn noted(&self) {
        self.news.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.arns.lock().expect("no code panics while it holds what has changed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_missed() {
        let changes = Changes::default();
        changes.note("a".to_owned());
        changes.note("a".to_owned());
        changes.noted().await;
        assert_eq!(changes.take().len(), 1);
        assert!(changes.take().is_empty());
    }
}
