//! How far everything has happened, noted in the durable queue.
//!
//! A mark is an entry that is put in the same batch as what happened: both are there or neither is.
//! Nobody leases it. The next start reads the last one, and knows what was missed. A queue without
//! one is new to this server: it gets its first mark, and nothing from before is made up.

use hearth_store::error::StoreError;
use hearth_store::queue::{Batch, Lane, NewEntry, Page, Queue};
use hearth_types::limits;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The kind of the lanes that marks are in.
const LANE_KIND: &str = "schedules";
/// Marks that are read at a time.
const PAGE_ITEMS: usize = 100;

/// Everything has happened that was due before a time, and of what was due then, everything up to a
/// name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// That time.
    pub(super) until: Timestamp,
    /// That name; if there is none, everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) arn: Option<String>,
}

impl Mark {
    /// The time up to which everything has happened of something.
    pub(super) fn floor(&self, arn: &str) -> Timestamp {
        match &self.arn {
            Some(last) if arn > last.as_str() => Timestamp(self.until.0.saturating_sub(1)),
            Some(_) | None => self.until,
        }
    }

    /// The one that says more.
    fn later(self, other: Self) -> Self {
        // Without a name it is everything, which comes after every name.
        let place = |mark: &Self| (mark.until, mark.arn.is_none(), mark.arn.clone());
        if place(&self) >= place(&other) { self } else { other }
    }
}

/// The marks of one server.
#[derive(Debug)]
pub(super) struct Marks {
    lane: Lane,
    latest: Mark,
    /// How many are in the queue.
    count: usize,
}

impl Marks {
    pub(super) fn new(server: String) -> Self {
        let lane = Lane { kind: LANE_KIND, name: server };
        Self { lane, latest: Mark::default(), count: 0 }
    }

    /// The last mark; the first one, of when the server started, if there is none.
    pub(super) async fn begin(
        &mut self,
        started: Timestamp,
        (queue, now): (&dyn Queue, Timestamp),
    ) -> Result<Mark, StoreError> {
        let found = self.read(queue, now).await?;
        if found != Mark::default() {
            return Ok(found);
        }
        // What was made while it started is not over.
        let before = Timestamp(started.0.saturating_sub(1));
        let (mark, entry) = self.next(Mark { until: before, arn: None }, now);
        queue.apply(Batch { puts: vec![entry], ..Batch::default() }, now).await?;
        self.put(mark.clone(), (queue, now)).await;
        Ok(mark)
    }

    /// Reads the last mark; one that says nothing if there is none.
    async fn read(&mut self, queue: &dyn Queue, now: Timestamp) -> Result<Mark, StoreError> {
        let (mut after, mut found) = (None, Mark::default());
        self.count = 0;
        loop {
            let page = Page { lane: &self.lane, after, items: PAGE_ITEMS };
            let seen = queue.page(page, now).await?;
            for entry in &seen {
                match serde_json::from_str(&entry.head) {
                    Ok(mark) => found = mark,
                    // Written by another version of this program.
                    Err(error) => tracing::error!(%error, "a mark cannot be understood"),
                }
                after = Some(entry.id);
            }
            self.count += seen.len();
            if seen.len() < PAGE_ITEMS {
                break;
            }
        }
        if found.until.millis_since(now) > limits::SCHEDULE_CLOCK_BACK_MS_MAX {
            tracing::warn!(until = %found.until, "the clock was wrong when schedules last happened");
            found = Mark { until: now, arn: None };
        }
        self.latest = found.clone();
        Ok(found)
    }

    /// The mark to be put with what happens, and its entry.
    pub(super) fn next(&self, mark: Mark, now: Timestamp) -> (Mark, NewEntry) {
        let mark = mark.later(self.latest.clone());
        let entry = NewEntry {
            lane: self.lane.clone(),
            group: None,
            put_at: now,
            due: now,
            sameness: None,
            head: serde_json::to_string(&mark).expect("a mark can be written as JSON"),
            body: bytes::Bytes::new(),
        };
        (mark, entry)
    }

    /// A mark was put. Older ones are removed now and then.
    pub(super) async fn put(&mut self, mark: Mark, (queue, now): (&dyn Queue, Timestamp)) {
        self.latest = mark;
        self.count += 1;
        if self.count <= limits::SCHEDULE_MARKS_MAX {
            return;
        }
        match queue.purge(&self.lane, now).await {
            Ok(_removed) => self.count = 1,
            // They stay until the next one is put.
            Err(error) => tracing::warn!(%error, "old marks could not be removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_store::queue::memory::MemoryQueue;

    use super::*;

    fn mark(until: u64, arn: Option<&str>) -> Mark {
        Mark { until: Timestamp(until), arn: arn.map(str::to_owned) }
    }

    #[test]
    fn a_mark_says_of_each_thing_how_far_it_happened() {
        assert_eq!(mark(10, None).floor("a"), Timestamp(10));
        let within = mark(10, Some("b"));
        assert_eq!(["a", "b", "c"].map(|arn| within.floor(arn).0), [10, 10, 9]);
        let marks = [mark(9, None), mark(10, Some("a")), mark(10, Some("b")), mark(10, None)];
        for (index, one) in marks.iter().enumerate() {
            for (other_index, other) in marks.iter().enumerate() {
                let expected = &marks[index.max(other_index)];
                assert_eq!(one.clone().later(other.clone()), *expected);
            }
        }
    }

    #[tokio::test]
    async fn the_last_mark_is_read_and_old_ones_do_not_pile_up() {
        let queue = MemoryQueue::default();
        let mut marks = Marks::new("s".to_owned());
        assert_eq!(marks.read(&queue, Timestamp(0)).await.unwrap(), Mark::default());
        for time in 1..300 {
            let now = Timestamp(time);
            let (mark, entry) = marks.next(mark(time, None), now);
            let batch = Batch { puts: vec![entry], ..Batch::default() };
            queue.apply(batch, now).await.unwrap();
            marks.put(mark, (&queue, now)).await;
            assert!(queue.rows().len() <= limits::SCHEDULE_MARKS_MAX + 1);
        }
        let mut again = Marks::new("s".to_owned());
        assert_eq!(again.read(&queue, Timestamp(5)).await.unwrap(), mark(299, None));
        // It never goes back.
        assert_eq!(again.next(mark(7, None), Timestamp(7)).0, mark(299, None));
        let mut other = Marks::new("t".to_owned());
        assert_eq!(other.read(&queue, Timestamp(5)).await.unwrap(), Mark::default());
    }

    #[tokio::test]
    async fn a_queue_that_is_new_to_a_server_gets_its_first_mark() {
        let queue = MemoryQueue::default();
        let begin = async |started: u64, now: u64| {
            let mut marks = Marks::new("s".to_owned());
            marks.begin(Timestamp(started), (&queue, Timestamp(now))).await.unwrap()
        };
        assert_eq!(begin(10, 12).await, mark(9, None));
        assert_eq!(begin(50, 51).await, mark(9, None));
        assert_eq!(queue.rows().len(), 1);
    }

    #[tokio::test]
    async fn a_mark_of_a_clock_that_was_wrong_is_not_believed() {
        let queue = MemoryQueue::default();
        let mut marks = Marks::new("s".to_owned());
        let far = limits::SCHEDULE_CLOCK_BACK_MS_MAX + 2;
        let (_, entry) = marks.next(mark(far, None), Timestamp(far));
        let batch = Batch { puts: vec![entry], ..Batch::default() };
        queue.apply(batch, Timestamp(far)).await.unwrap();
        assert_eq!(marks.read(&queue, Timestamp(1)).await.unwrap(), mark(1, None));
        assert_eq!(marks.read(&queue, Timestamp(2)).await.unwrap(), mark(far, None));
    }
}
