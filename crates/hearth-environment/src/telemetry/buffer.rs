//! What one subscriber has not been sent yet, pure.
//!
//! A batch is due when it is full, by bytes or by events, or when its first event has waited for as
//! long as it may. What does not fit any more is counted and forgotten.

use std::collections::VecDeque;
use std::time::Duration;

use hearth_types::limits::TELEMETRY_BUFFERS_MAX;
use tokio::time::Instant;

use super::events::Dropped;
use super::subscription::Buffering;

/// Events of one subscriber, each as JSON.
#[derive(Debug)]
pub struct Buffer {
    buffering: Buffering,
    events: VecDeque<String>,
    bytes: u64,
    /// When the first of them came.
    since: Option<Instant>,
    dropped: Dropped,
}

impl Buffer {
    /// An empty buffer.
    #[must_use]
    pub fn new(buffering: Buffering) -> Self {
        let dropped = Dropped::default();
        Self { buffering, events: VecDeque::new(), bytes: 0, since: None, dropped }
    }

    /// From now on it is held to this.
    pub fn set_buffering(&mut self, buffering: Buffering) {
        self.buffering = buffering;
    }

    /// Adds an event, if there is room.
    pub fn push(&mut self, event: String, now: Instant) {
        let bytes = event.len() as u64;
        let most = self.buffering.bytes * TELEMETRY_BUFFERS_MAX;
        let count = self.events.len() as u64;
        if self.bytes + bytes > most || count >= self.buffering.items * TELEMETRY_BUFFERS_MAX {
            self.drop_event(bytes);
            return;
        }
        if self.since.is_none() {
            self.since = Some(now);
        }
        self.bytes += bytes;
        self.events.push_back(event);
    }

    /// Counts what was lost on its way.
    pub fn count_dropped(&mut self, lost: Dropped) {
        self.dropped.records += lost.records;
        self.dropped.bytes += lost.bytes;
    }

    /// What was dropped since it was last asked, if anything.
    pub fn take_dropped(&mut self) -> Option<Dropped> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped != Dropped::default()).then_some(dropped)
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// When a batch is due, if there is anything to send.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let since = self.since?;
        let full =
            self.bytes >= self.buffering.bytes || self.events.len() as u64 >= self.buffering.items;
        let wait = if full { 0 } else { self.buffering.timeout_ms };
        Some(since + Duration::from_millis(wait))
    }

    /// Takes the oldest events, as many as one batch may have and at least one. What stays behind
    /// waits from now on.
    pub fn take_batch(&mut self, now: Instant) -> Vec<String> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(event) = self.events.front() {
            let more = bytes + event.len() as u64;
            let count = batch.len() as u64;
            if !batch.is_empty() && (more > self.buffering.bytes || count >= self.buffering.items) {
                break;
            }
            bytes = more;
            batch.extend(self.events.pop_front());
        }
        self.bytes -= bytes;
        self.since = (!self.events.is_empty()).then_some(now);
        batch
    }

    fn drop_event(&mut self, bytes: u64) {
        self.count_dropped(Dropped { records: 1, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Buffering = Buffering { bytes: 10, items: 3, timeout_ms: 100 };

    fn filled(events: &[&str], now: Instant) -> Buffer {
        let mut buffer = Buffer::new(SMALL);
        for event in events {
            buffer.push((*event).to_owned(), now);
        }
        buffer
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_due_when_it_is_full_or_has_waited() {
        let now = Instant::now();
        let later = now + Duration::from_millis(100);
        #[rustfmt::skip]
        let rows: &[(&str, &[&str], Option<Instant>)] = &[
            ("nothing",        &[],                   None),
            ("little",         &["one", "two"],       Some(later)),
            ("many",           &["1", "2", "3"],      Some(now)),
            ("much",           &["12345", "67890"],   Some(now)),
        ];
        for (name, events, due) in rows {
            assert_eq!(filled(events, now).due(), *due, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn batches_are_held_to_their_size_and_keep_the_order() {
        let now = Instant::now();
        let mut buffer = filled(&["1", "2", "3", "4"], now);
        assert_eq!(buffer.take_batch(now), ["1", "2", "3"]);
        let then = now + Duration::from_millis(5);
        assert_eq!(buffer.take_batch(then), ["4"]);
        assert!(buffer.is_empty());
        assert_eq!(buffer.due(), None);

        let mut buffer = filled(&["a longer event", "b"], now);
        assert_eq!(buffer.take_batch(now), ["a longer event"], "one goes, however long it is");
        assert_eq!(buffer.take_batch(now), ["b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_dropped_and_counted() {
        let now = Instant::now();
        let mut buffer = filled(&["1234567890", "1234567890", "lost", "lost too"], now);
        assert_eq!(buffer.take_dropped(), Some(Dropped { records: 2, bytes: 12 }));
        assert_eq!(buffer.take_dropped(), None);
        assert_eq!(buffer.take_batch(now), ["1234567890"]);
        buffer.push("fits".to_owned(), now);
        assert_eq!(buffer.take_dropped(), None);
    }
}
