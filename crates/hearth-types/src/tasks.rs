//! Supervised tasks: every task has a name, an owner and an end.
//!
//! A [`Tasks`] is owned by whoever starts the tasks. A panic in one of them is reported and ends
//! that task alone. [`Tasks::finished`] waits for all of them; dropping the last handle lets them
//! run on, because each has its own reason to end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A group of tasks that end together, or are at least waited for together.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    ended: Notify,
}

impl Tasks {
    /// Starts a task. `name` is what its panic is reported under.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that every task is started from"
    )]
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.running.fetch_add(1, Ordering::AcqRel);
        let ending = Ending { name, shared: Arc::clone(&self.shared) };
        tokio::spawn(async move {
            // Moved into the task, so that it is dropped also when the work panics.
            let ending = ending;
            work.await;
            drop(ending);
        });
    }

    /// How many tasks are running.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::Acquire)
    }

    /// Waits until no task is running.
    pub async fn finished(&self) {
        loop {
            let ended = self.shared.ended.notified();
            tokio::pin!(ended);
            // Registered before the count is read, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }
}

struct Ending {
    name: &'static str,
    shared: Arc<Shared>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "a task panicked; this is a bug in Hearth");
        }
        if self.shared.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finished_waits_for_all_and_survives_a_panic() {
        let tasks = Tasks::default();
        tasks.finished().await;
        tasks.spawn("fine", async { tokio::task::yield_now().await });
        tasks.spawn("broken", async { panic!("on purpose") });
        tasks.finished().await;
        assert_eq!(tasks.running(), 0);
    }
}
