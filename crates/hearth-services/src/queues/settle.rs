//! What receivers do with messages that they have: delete them, keep them longer or shorter, or, of
//! those in the process, give them back as if they had never had them.

use hearth_store::queue::{Batch, Fate, Receipt, Settle, Settled};
use hearth_types::metrics::Metric;
use hearth_types::time::Timestamp;

use super::Queues;
use super::attempts::Presence;
use super::error::QueueError;
use super::handle::Handle;
use super::message::Head;
use super::names::QueueName;
use super::quotas::VISIBILITY_SECONDS_MAX;
use super::receive::bounded;
use super::record::QueueRecord;

/// What was to be done, each in its place.
type Results = Vec<Result<(), QueueError>>;

impl Queues {
    /// Deletes messages, in one write. One that is deleted already is fine.
    ///
    /// # Errors
    ///
    /// If there is no such queue. What is wrong with one handle is told in its place.
    pub async fn delete_messages(
        &self,
        name: &QueueName,
        handles: &[String],
    ) -> Result<Results, QueueError> {
        let queue = self.queue(name)?;
        let now = self.clock.now();
        let mut fates = Vec::with_capacity(handles.len());
        for handle in handles {
            let receipt = self.deletable(&queue, handle, now).await;
            fates.push(receipt.map(|receipt| Settle { receipt, fate: Fate::Remove }));
        }
        let (mut results, settled) = self.settle(&queue, fates, now).await?;
        let mut deleted = 0;
        for (place, settled) in settled {
            match settled {
                Settled::Done => deleted += 1,
                // AWS: the request succeeds, and the message might not be deleted.
                Settled::Stale if !queue.is_fifo() => {}
                Settled::Stale => results[place] = Err(expired(&handles[place])),
                Settled::Gone => {}
            }
        }
        self.flights.ended(&queue.lane(), deleted);
        if deleted > 0 {
            self.metrics.add(Metric::NumberOfMessagesDeleted, &queue.name, deleted);
        }
        Ok(results)
    }

    /// Says for how many seconds from now on messages stay with their receivers, in one write.
    ///
    /// # Errors
    ///
    /// If there is no such queue. What is wrong with one handle or number is told in its place.
    pub async fn change_visibility(
        &self,
        name: &QueueName,
        changes: &[(String, i32)],
    ) -> Result<Results, QueueError> {
        let queue = self.queue(name)?;
        let now = self.clock.now();
        let fates = changes
            .iter()
            .map(|(handle, seconds)| change(&queue, (handle.as_str(), *seconds), now));
        let (mut results, settled) = self.settle(&queue, fates.collect(), now).await?;
        for (place, settled) in settled {
            let (handle, seconds) = &changes[place];
            match settled {
                Settled::Done if *seconds == 0 => self.flights.ended(&queue.lane(), 1),
                Settled::Done => {}
                Settled::Stale => results[place] = Err(QueueError::MessageNotInflight),
                Settled::Gone => {
                    let reason =
                        "Message does not exist or is not available for visibility timeout change.";
                    let error = QueueError::parameter(handle, "ReceiptHandle", reason);
                    results[place] = Err(error);
                }
            }
        }
        Ok(results)
    }

    /// Gives back messages with which nothing was done, in one write: they are there again at once, and
    /// the receive does not count. What somebody else has received since stays as it is.
    ///
    /// # Errors
    ///
    /// If there is no such queue, if a handle is not of it, or if the store failed; then nothing is
    /// given back.
    pub async fn give_back(&self, name: &QueueName, handles: &[String]) -> Result<(), QueueError> {
        let queue = self.queue(name)?;
        let (lane, now) = (queue.lane(), self.clock.now());
        let mut fates = Vec::with_capacity(handles.len());
        for handle in handles {
            let receipt = Handle::read(handle, &queue)?.receipt;
            let seen = self.seen(&lane, receipt, now).await?;
            // Nobody but who has the newest receipt changes the head, so it is the same in the write.
            if let Some(seen) = seen.filter(|seen| seen.leases == receipt.lease) {
                let head = Head::with_receive_undone(&seen.head);
                fates.push(Ok(Settle { receipt, fate: Fate::Return { due: now, head } }));
            }
        }
        let (_none_refused, settled) = self.settle(&queue, fates, now).await?;
        let done = settled.iter().filter(|(_place, settled)| *settled == Settled::Done).count();
        self.flights.ended(&lane, u64::try_from(done).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Does what can be done. Returns what was refused before, and what became of the rest by its
    /// place.
    async fn settle(
        &self,
        queue: &QueueRecord,
        fates: Vec<Result<Settle, QueueError>>,
        now: Timestamp,
    ) -> Result<(Results, Vec<(usize, Settled)>), QueueError> {
        let mut results = Vec::with_capacity(fates.len());
        let (mut places, mut batch) = (Vec::new(), Batch::default());
        for (place, fate) in fates.into_iter().enumerate() {
            results.push(fate.map(|settle| {
                places.push(place);
                batch.settles.push(settle);
            }));
        }
        if places.is_empty() {
            return Ok((results, Vec::new()));
        }
        let sets_free = queue.is_fifo() || batch.settles.iter().any(|one| one.fate != Fate::Remove);
        let applied = self.engine.apply(batch, now).await.map_err(QueueError::Store)?;
        if sets_free {
            // What is given back, or what an entry of its group kept back, can be received now; and
            // whoever waits has to look at the time again.
            self.engine.signals().signal(&queue.lane());
        }
        Ok((results, places.into_iter().zip(applied.settles).collect()))
    }

    /// Of a FIFO queue, a message whose visibility timeout has ended cannot be deleted: it may have
    /// been handed out in order to somebody else. The handle says when that was to be; only if that
    /// time is over, the message may have been kept for longer, and is looked at.
    async fn deletable(
        &self,
        queue: &QueueRecord,
        text: &str,
        now: Timestamp,
    ) -> Result<Receipt, QueueError> {
        let handle = Handle::read(text, queue)?;
        if queue.is_fifo()
            && now >= handle.until
            && self.presence(&queue.lane(), handle.receipt, now).await? == Presence::Expired
        {
            return Err(expired(text));
        }
        Ok(handle.receipt)
    }
}

fn expired(handle: &str) -> QueueError {
    QueueError::parameter(handle, "ReceiptHandle", "The receipt handle has expired.")
}

fn change(
    queue: &QueueRecord,
    (text, seconds): (&str, i32),
    now: Timestamp,
) -> Result<Settle, QueueError> {
    let handle = Handle::read(text, queue)?;
    let given = bounded("VisibilityTimeout", Some(seconds), VISIBILITY_SECONDS_MAX)?;
    let wanted = u64::from(given.unwrap_or_default());
    let passed = now.millis_since(handle.received) / 1_000;
    if passed + wanted > u64::from(VISIBILITY_SECONDS_MAX) {
        let reason = format!(
            "Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_SECONDS_MAX} seconds]"
        );
        return Err(QueueError::parameter(seconds, "VisibilityTimeout", &reason));
    }
    let fate = match wanted {
        0 => Fate::Return { due: now, head: None },
        seconds => Fate::Extend { until: now.plus_millis(seconds * 1_000) },
    };
    Ok(Settle { receipt: handle.receipt, fate })
}
