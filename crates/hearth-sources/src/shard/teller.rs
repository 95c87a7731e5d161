//! Who says what came of a batch, also if the task that runs it panics.
//!
//! # Promises
//!
//! 1. Whoever waits for a batch hears of it exactly once, whatever becomes of its task.

use tokio::sync::mpsc;

/// Says what came of a batch. If it is dropped before somebody has said it, it says that it has failed.
#[derive(Debug)]
pub(crate) struct Teller<T> {
    sender: mpsc::Sender<T>,
    word: Option<T>,
}

impl<T> Teller<T> {
    /// One that says `failed` unless it is told something else. The channel has a place for each batch
    /// that may run at a time.
    pub(crate) fn new(sender: mpsc::Sender<T>, failed: T) -> Self {
        Self { sender, word: Some(failed) }
    }

    /// Says this.
    pub(crate) fn tell(mut self, word: T) {
        self.word = Some(word);
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        if let Some(word) = self.word.take() {
            // Nobody waits for it if what was read was lost meanwhile.
            let _ = self.sender.try_send(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::tasks::Tasks;

    use super::*;

    #[tokio::test]
    async fn one_word_is_said_also_by_a_task_that_panics() {
        let (sender, mut said) = mpsc::channel(2);
        let tasks = Tasks::default();
        let (fine, broken) = (Teller::new(sender.clone(), "failed"), Teller::new(sender, "failed"));
        tasks.spawn("fine", async move { fine.tell("done") });
        tasks.finished().await;
        tasks.spawn("broken", async move {
            let _broken = broken;
            panic!("on purpose");
        });
        assert_eq!(said.recv().await, Some("done"));
        assert_eq!(said.recv().await, Some("failed"));
        assert_eq!(said.recv().await, None);
    }
}
