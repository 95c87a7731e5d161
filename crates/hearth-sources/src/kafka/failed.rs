//! Writes records that were given up to a topic, whatever their size. [`Handover`] is pure.
//!
//! ```text
//!  a batch ──written──▶ the next one, which may be larger again
//!     │ too large
//!     ├─ of several ──▶ half of them
//!     └─ of one ──▶ without its value ──▶ nothing but why and where ──▶ left out
//! ```
//!
//! # Promises
//!
//! 1. A record that the topic refuses for its size holds up nothing: it is written without what is too
//!    large, and a header says what it had and where it is. AWS, too, sends no payload where it cannot.
//! 2. Every other record is written as it was.
//!
//! # Deliberately absent
//!
//! Refusals for another reason: whoever writes tries again, from the first record on.

use serde_json::json;

use super::cluster::{self, Cluster, MESSAGE_TOO_LARGE};
use super::connection::Fault;
use super::messages::Part;
use super::records::{self, Record};

const RECORD_LIST_TOO_LARGE: i16 = 18;
/// The header of a record that is not as it was.
const OMITTED_HEADER: &str = "hearth.omitted";
/// How many headers are written for whoever looks why: that one, and AWS's.
const OWN_HEADERS: usize = 2;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Records as they were.
    pub(super) whole: usize,
    /// Records without what was too large.
    pub(super) cut: usize,
    /// Records of which the topic took nothing.
    pub(super) left_out: usize,
}

/// Writes records that are from a partition to a topic. The last header of each says why.
pub(super) async fn write(
    cluster: &Cluster,
    topic: &str,
    (from, records): (Part<'_>, Vec<Record>),
) -> Result<Written, Fault> {
    let (id, mut leader) = cluster.outlet(topic, from.id).await?;
    let into = Part { topic, id };
    let mut handover = Handover::new(from, records);
    while let Some(batch) = handover.batch() {
        let produced = cluster::produce(&mut leader, into, batch).await;
        match produced {
            Ok(()) => handover.written(),
            Err(Fault::Code(MESSAGE_TOO_LARGE | RECORD_LIST_TOO_LARGE)) => handover.refused(),
            Err(fault) => return Err(fault),
        }
    }
    let came = handover.came;
    if came.cut + came.left_out > 0 {
        tracing::warn!(
            topic,
            from = from.topic,
            partition = from.id,
            cut = came.cut,
            left_out = came.left_out,
            "records that were given up are too large for their topic"
        );
    }
    Ok(came)
}

/// How much there is of the next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    All,
    NoValue,
    /// Why it was given up, and where it is.
    Coordinates,
}

/// Records that are being written.
struct Handover<'a> {
    from: Part<'a>,
    records: Vec<Record>,
    /// The first that is not written.
    next: usize,
    extent: Extent,
    /// How many may be in one batch.
    together_max: usize,
    came: Written,
}

impl<'a> Handover<'a> {
    fn new(from: Part<'a>, records: Vec<Record>) -> Self {
        let came = Written::default();
        Self { from, records, next: 0, extent: Extent::All, together_max: usize::MAX, came }
    }

    /// What is to be written now; `None` if that is all.
    fn batch(&self) -> Option<&[Record]> {
        let left = self.records.get(self.next..).filter(|left| !left.is_empty())?;
        left.get(..records::fitting(left).min(self.together_max))
    }

    /// Takes that the batch is written.
    fn written(&mut self) {
        let count = self.batch().map_or(0, <[Record]>::len);
        match self.extent {
            Extent::All => self.came.whole += count,
            Extent::NoValue | Extent::Coordinates => self.came.cut += count,
        }
        self.together_max = self.together_max.saturating_mul(2);
        self.pass(count);
    }

    /// Takes that it is too large.
    fn refused(&mut self) {
        let count = self.batch().map_or(0, <[Record]>::len);
        if count > 1 {
            self.together_max = count / 2;
            return;
        }
        self.together_max = 1;
        let Some(record) = self.records.get_mut(self.next) else { return };
        match self.extent {
            Extent::All => {
                let omitted = omitted(record, self.from);
                record.headers.push((OMITTED_HEADER.to_owned(), Some(omitted)));
                record.value = None;
                self.extent = Extent::NoValue;
            }
            Extent::NoValue => {
                record.key = None;
                let others = record.headers.len().saturating_sub(OWN_HEADERS);
                drop(record.headers.drain(..others));
                self.extent = Extent::Coordinates;
            }
            Extent::Coordinates => {
                self.came.left_out += 1;
                self.pass(1);
            }
        }
    }

    fn pass(&mut self, count: usize) {
        self.next += count;
        self.extent = Extent::All;
    }
}

/// What a record had, and where it is.
fn omitted(record: &Record, from: Part<'_>) -> Vec<u8> {
    let length = |part: &Option<Vec<u8>>| part.as_ref().map(Vec::len);
    let omitted = json!({
        "reason": "MESSAGE_TOO_LARGE",
        "topic": from.topic,
        "partition": from.id,
        "offset": record.offset,
        "keyBytes": length(&record.key),
        "valueBytes": length(&record.value),
        "headers": record.headers.len().saturating_sub(1),
    });
    omitted.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::records::TimeKind;
    use super::*;

    fn record(offset: i64, key_bytes: usize, value_bytes: usize) -> Record {
        Record {
            offset,
            timestamp: 0,
            time_kind: TimeKind::Create,
            key: Some(vec![b'k'; key_bytes]),
            value: Some(vec![b'v'; value_bytes]),
            headers: vec![
                ("own".to_owned(), Some(b"x".to_vec())),
                ("lambda.failure".to_owned(), Some(b"why".to_vec())),
            ],
        }
    }

    /// What a topic has in the end that takes batches up to a size, and what is said of it.
    fn handed_over(records: Vec<Record>, batch_bytes_max: usize) -> (Vec<Record>, Written) {
        let mut handover = Handover::new(Part { topic: "orders", id: 3 }, records);
        let mut topic: Vec<Record> = Vec::new();
        while let Some(batch) = handover.batch() {
            if records::written(batch).len() > batch_bytes_max {
                handover.refused();
            } else {
                topic.extend_from_slice(batch);
                handover.written();
            }
        }
        (topic, handover.came)
    }

    #[test]
    fn a_record_that_is_too_large_is_written_without_its_value_and_the_others_whole() {
        let records: Vec<Record> =
            (0..9).map(|offset| record(offset, 5, if offset == 4 { 5_000 } else { 100 })).collect();
        let (topic, came) = handed_over(records.clone(), 1_000);
        assert_eq!(came, Written { whole: 8, cut: 1, left_out: 0 });
        for (number, (found, given)) in topic.iter().zip(&records).enumerate() {
            assert_eq!(found == given, number != 4, "{number}");
        }
        assert_eq!((topic.len(), &topic[4].value), (9, &None));
        assert_eq!((&topic[4].key, topic[4].headers.len()), (&records[4].key, 3));
        assert_eq!(topic[4].headers[..2], records[4].headers);
        let (name, said) = &topic[4].headers[2];
        let said: Value = serde_json::from_slice(said.as_deref().unwrap()).unwrap();
        assert_eq!(name, OMITTED_HEADER);
        assert_eq!((&said["topic"], &said["partition"]), (&json!("orders"), &json!(3)));
        assert_eq!((&said["offset"], &said["valueBytes"]), (&json!(4), &json!(5_000)));
    }

    #[test]
    fn whatever_is_too_large_nothing_is_held_up() {
        let records = vec![record(0, 1, 1), record(1, 5_000, 5_000), record(2, 1, 1)];
        let (topic, came) = handed_over(records.clone(), 1_000);
        assert_eq!(came, Written { whole: 2, cut: 1, left_out: 0 });
        assert_eq!((&topic[1].key, topic[1].headers.len()), (&None, OWN_HEADERS));
        assert_eq!(topic[1].headers[0].0, "lambda.failure");
        let (topic, came) = handed_over(records, 10);
        assert_eq!((topic.len(), came), (0, Written { whole: 0, cut: 0, left_out: 3 }));
        let (topic, came) = handed_over(Vec::new(), 10);
        assert_eq!((topic.len(), came), (0, Written::default()));
    }
}
