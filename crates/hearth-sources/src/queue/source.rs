//! Where messages come from: our own queues, or those of another service with the same protocol.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_services::queues::{Poll, QueueError, QueueName, Queues, Received};
use hearth_services::remote::polled::is_queue_missing;
use hearth_services::remote::queues::RemoteQueues;
use hearth_services::targets::NotTaken;

/// Queues that can be read.
#[async_trait]
pub trait QueueSource: Send + Sync + Debug {
    /// For how many seconds a message of a queue stays with whoever receives it.
    async fn visibility_seconds(&self, queue: &QueueName) -> Result<u32, Trouble>;

    /// Begins to read a queue.
    async fn open(&self, queue: &QueueName) -> Result<Box<dyn OpenQueue>, Trouble>;
}

/// A queue that is being read.
#[async_trait]
pub trait OpenQueue: Send + Sync + Debug {
    /// For how many seconds a message stays with whoever takes it now; `None` where that takes a call.
    fn visibility_seconds(&self) -> Option<u32>;

    /// Ends when it may pay to take. May be dropped at any moment.
    async fn arrival(&self) -> Result<(), Trouble>;

    /// Takes up to so many messages. There may be none; a queue elsewhere may wait for some, but no
    /// longer than that. To be awaited to its end.
    async fn take(&self, messages: usize, longest: Duration) -> Result<Vec<Received>, Trouble>;

    /// Deletes messages by their receipt handles. Returns how many were there to be deleted.
    async fn delete(&self, handles: &[String]) -> Result<usize, Trouble>;

    /// Keeps messages from others for so many seconds from now on. Those that are not here any more
    /// are left out.
    async fn keep(&self, handles: &[String], seconds: u32) -> Result<(), Trouble>;

    /// Gives back messages with which nothing was done. Where the service can do that, it does not
    /// count that they were received.
    async fn give_back(&self, handles: &[String]) -> Result<(), Trouble>;
}

/// Why a queue was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no such queue. The text has AWS's words for who wanted to receive.
    #[error(
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist."
    )]
    Missing,
    /// It is not allowed, or not possible for this queue.
    #[error(
        "Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {message}"
    )]
    Refused {
        /// AWS's name of the error.
        code: String,
        /// What was said.
        message: String,
    },
    /// It did not work, and may another time.
    #[error("the queue cannot be reached now: {0}")]
    Failed(String),
}

/// Our own queues.
#[derive(Debug, Clone)]
pub struct EmbeddedQueues(pub Arc<Queues>);

#[derive(Debug)]
struct Embedded {
    queues: Arc<Queues>,
    name: QueueName,
    poll: Poll,
}

#[async_trait]
impl QueueSource for EmbeddedQueues {
    async fn visibility_seconds(&self, queue: &QueueName) -> Result<u32, Trouble> {
        self.0.visibility_seconds(queue).map_err(trouble)
    }

    async fn open(&self, queue: &QueueName) -> Result<Box<dyn OpenQueue>, Trouble> {
        let poll = self.0.poll(queue).map_err(trouble)?;
        Ok(Box::new(Embedded { queues: Arc::clone(&self.0), name: queue.clone(), poll }))
    }
}

#[async_trait]
impl OpenQueue for Embedded {
    fn visibility_seconds(&self) -> Option<u32> {
        // If it is gone, whoever takes hears of it.
        self.queues.visibility_seconds(&self.name).ok()
    }

    async fn arrival(&self) -> Result<(), Trouble> {
        self.poll.arrival().await.map_err(trouble)
    }

    async fn take(&self, messages: usize, _longest: Duration) -> Result<Vec<Received>, Trouble> {
        self.poll.take(messages).await.map_err(trouble)
    }

    async fn delete(&self, handles: &[String]) -> Result<usize, Trouble> {
        let results = self.queues.delete_messages(&self.name, handles).await.map_err(trouble)?;
        Ok(results.into_iter().filter(Result::is_ok).count())
    }

    async fn keep(&self, handles: &[String], seconds: u32) -> Result<(), Trouble> {
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let changes: Vec<(String, i32)> =
            handles.iter().map(|handle| (handle.clone(), seconds)).collect();
        self.queues.change_visibility(&self.name, &changes).await.map(drop).map_err(trouble)
    }

    async fn give_back(&self, handles: &[String]) -> Result<(), Trouble> {
        self.queues.give_back(&self.name, handles).await.map_err(trouble)
    }
}

fn trouble(error: QueueError) -> Trouble {
    if matches!(error, QueueError::QueueDoesNotExist) {
        return Trouble::Missing;
    }
    if error.is_refusal() {
        return Trouble::Refused { code: error.code().to_owned(), message: error.to_string() };
    }
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    Trouble::Failed(cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
}

/// The queues of another service.
#[derive(Debug, Clone)]
pub struct RemoteSource(pub Arc<RemoteQueues>);

/// AWS's name of the error, also with what older clients have in front of it.
const OVER_LIMIT: &str = "OverLimit";

/// How long a queue elsewhere is left alone when it had nothing: it has been waited for in the call.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Remote {
    queues: Arc<RemoteQueues>,
    arn: String,
}

#[async_trait]
impl QueueSource for RemoteSource {
    async fn visibility_seconds(&self, queue: &QueueName) -> Result<u32, Trouble> {
        self.0.visibility_seconds(&queue.to_string()).await.map_err(remote_trouble)
    }

    async fn open(&self, queue: &QueueName) -> Result<Box<dyn OpenQueue>, Trouble> {
        Ok(Box::new(Remote { queues: Arc::clone(&self.0), arn: queue.to_string() }))
    }
}

#[async_trait]
impl OpenQueue for Remote {
    fn visibility_seconds(&self) -> Option<u32> {
        None
    }

    async fn arrival(&self) -> Result<(), Trouble> {
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    async fn take(&self, messages: usize, longest: Duration) -> Result<Vec<Received>, Trouble> {
        self.queues.receive(&self.arn, messages, longest).await.map_err(remote_trouble)
    }

    async fn delete(&self, handles: &[String]) -> Result<usize, Trouble> {
        self.queues.delete_messages(&self.arn, handles).await.map_err(remote_trouble)
    }

    async fn keep(&self, handles: &[String], seconds: u32) -> Result<(), Trouble> {
        let changed = self.queues.change_visibility(&self.arn, handles, seconds).await;
        changed.map(drop).map_err(remote_trouble)
    }

    async fn give_back(&self, handles: &[String]) -> Result<(), Trouble> {
        // SQS has no other way, and counts the receive.
        self.keep(handles, 0).await
    }
}

fn remote_trouble(why: NotTaken) -> Trouble {
    if is_queue_missing(&why) {
        return Trouble::Missing;
    }
    match why {
        // Too many messages are in flight, of which some will come back.
        NotTaken::Refused { code, message } if code.ends_with(OVER_LIMIT) => {
            Trouble::Failed(format!("{code}: {message}"))
        }
        NotTaken::Refused { code, message } => Trouble::Refused { code, message },
        NotTaken::Failed { message } => Trouble::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_full_elsewhere_is_tried_again() {
        #[rustfmt::skip]
        let rows = [
            ("OverLimit",                                   "failed"),
            ("AWS.SimpleQueueService.OverLimit",            "failed"),
            ("AccessDenied",                                "refused"),
            ("QueueDoesNotExist",                           "missing"),
            ("AWS.SimpleQueueService.NonExistentQueue",     "missing"),
        ];
        for (code, expected) in rows {
            let why = NotTaken::Refused { code: code.to_owned(), message: "no".to_owned() };
            let found = match remote_trouble(why) {
                Trouble::Missing => "missing",
                Trouble::Refused { .. } => "refused",
                Trouble::Failed(_) => "failed",
            };
            assert_eq!(found, expected, "{code}");
        }
    }
}
