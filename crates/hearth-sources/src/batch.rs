//! Gathering records until they are a batch. Pure; shared by all sources.
//!
//! A batch is ready when it has as many records as the mapping says, when no other record would fit
//! into the event, or when its window ends, which begins with its first record.
//!
//! # Promises
//!
//! 1. Records come out in the order in which they went in.
//! 2. The event of a batch is never larger than a function takes, unless one record alone is.
//!
//! # Deliberately absent
//!
//! Time: it is an argument.

use std::time::Duration;

use hearth_control::mapping::settings::Configuration;
use hearth_types::limits;
use hearth_types::time::Moment;

/// AWS: how long a batch is gathered where the mapping cannot say it, or does not.
const WINDOW_DEFAULT: Duration = Duration::from_millis(500);
/// What stands around the records of an event, at the most.
const AROUND_BYTES: usize = 1_024;

/// How far a batch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records at the most.
    pub records: usize,
    /// Bytes of all records at the most, as they stand in the event.
    pub bytes: usize,
    /// How long more records are waited for after the first; zero for not at all.
    pub window: Duration,
}

impl BatchLimits {
    /// Those of a mapping.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        let seconds = configuration.batching_window_seconds;
        let window = seconds.map_or(WINDOW_DEFAULT, |seconds| {
            Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
        });
        Self {
            records: usize::try_from(configuration.batch_size).unwrap_or(1).max(1),
            bytes: limits::PAYLOAD_SYNC_BYTES_MAX - AROUND_BYTES,
            window,
        }
    }

    fn window_millis(&self) -> u64 {
        u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A batch that is being gathered.
#[derive(Debug)]
pub struct Gathering<R> {
    limits: BatchLimits,
    records: Vec<R>,
    bytes: usize,
    /// When the first record came.
    since: Option<Moment>,
}

impl<R> Gathering<R> {
    /// One without records.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, records: Vec::new(), bytes: 0, since: None }
    }

    /// Adds a record that takes so many bytes in the event.
    ///
    /// # Errors
    ///
    /// If it does not fit any more: the record comes back, and the batch is to be taken first.
    pub fn add(&mut self, record: R, bytes: usize, now: Moment) -> Result<(), R> {
        let fits = self.bytes.saturating_add(bytes) <= self.limits.bytes;
        let is_first = self.records.is_empty();
        if self.records.len() >= self.limits.records || !(fits || is_first) {
            return Err(record);
        }
        self.since.get_or_insert(now);
        self.records.push(record);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// The records that it has so far.
    #[must_use]
    pub fn records(&self) -> &[R] {
        &self.records
    }

    /// How many more records it may have.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limits.records.saturating_sub(self.records.len())
    }

    /// How many bytes they have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many more bytes they may have.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        self.limits.bytes.saturating_sub(self.bytes)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether nothing more can be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.room() == 0 || self.room_bytes() == 0
    }

    /// When its window ends; `None` while it has no records.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.since.map(|since| since.plus_millis(self.limits.window_millis()))
    }

    /// Whether it is to be handed over now.
    #[must_use]
    pub fn is_ready(&self, now: Moment) -> bool {
        self.due().is_some_and(|due| self.is_full() || now >= due)
    }

    /// Takes the records, and begins anew.
    #[must_use]
    pub fn take(&mut self) -> Vec<R> {
        self.bytes = 0;
        self.since = None;
        std::mem::take(&mut self.records)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(records: usize, bytes: usize, window_millis: u64) -> BatchLimits {
        BatchLimits { records, bytes, window: Duration::from_millis(window_millis) }
    }

    #[test]
    fn a_batch_is_ready_when_it_is_full_or_its_window_has_ended() {
        #[rustfmt::skip]
        let rows = [
            ("no records",           limits(3, 100, 0),   vec![],           1_000, false),
            ("one, without window",  limits(3, 100, 0),   vec![10],         0,     true),
            ("one, in its window",   limits(3, 100, 500), vec![10],         499,   false),
            ("one, window ended",    limits(3, 100, 500), vec![10],         500,   true),
            ("as many as it may",    limits(3, 100, 500), vec![10, 10, 10], 0,     true),
            ("as large as it may",   limits(3, 100, 500), vec![60, 40],     0,     true),
            ("one that is too large", limits(3, 100, 500), vec![101],       0,     true),
        ];
        for (name, limits, sizes, at, ready) in rows {
            let mut batch = Gathering::new(limits);
            for size in sizes {
                batch.add((), size, Moment(0)).unwrap();
            }
            assert_eq!(batch.is_ready(Moment(at)), ready, "{name}");
        }
    }

    #[test]
    fn the_window_begins_with_the_first_record_of_each_batch() {
        let mut batch = Gathering::new(limits(10, 100, 50));
        assert_eq!(batch.due(), None);
        batch.add("a", 1, Moment(100)).unwrap();
        batch.add("b", 1, Moment(140)).unwrap();
        assert_eq!(batch.due(), Some(Moment(150)));
        assert_eq!(batch.take(), ["a", "b"]);
        assert_eq!(batch.due(), None);
        batch.add("c", 1, Moment(200)).unwrap();
        assert_eq!(batch.due(), Some(Moment(250)));
    }

    proptest! {
        #[test]
        fn no_record_is_lost_or_out_of_order_and_no_batch_is_too_large(
            sizes in prop::collection::vec(0..120_usize, 0..60), most in 1..12_usize,
        ) {
            let mut batch = Gathering::new(limits(most, 100, 0));
            let mut batches: Vec<Vec<(usize, usize)>> = Vec::new();
            for record in sizes.iter().copied().enumerate() {
                if let Err(record) = batch.add(record, record.1, Moment(0)) {
                    batches.push(batch.take());
                    batch.add(record, record.1, Moment(0)).expect("the first one fits always");
                }
            }
            batches.push(batch.take());
            for one in &batches {
                let bytes: usize = one.iter().map(|(_, size)| size).sum();
                prop_assert!(one.len() <= most && (bytes <= 100 || one.len() == 1));
            }
            let all: Vec<usize> = batches.concat().into_iter().map(|(number, _)| number).collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
        }
    }
}
