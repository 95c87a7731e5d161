//! The requests of Kafka's protocol that are made here, and their answers. Pure.
//!
//! Each has one version: the newest without tagged fields that does what is needed, which every broker
//! since Kafka 2.1 knows, and which Kafka 4 has kept.

use hearth_types::limits;

use super::connection::{Api, Fault};
use super::records::Aborted;
use super::wire::{Malformed, Reader, Writer};

pub(super) const PRODUCE: Api = Api { key: 0, version: 3 };
pub(super) const FETCH: Api = Api { key: 1, version: 10 };
pub(super) const LIST_OFFSETS: Api = Api { key: 2, version: 2 };
pub(super) const METADATA: Api = Api { key: 3, version: 4 };
pub(super) const OFFSET_COMMIT: Api = Api { key: 8, version: 5 };
pub(super) const OFFSET_FETCH: Api = Api { key: 9, version: 3 };
pub(super) const FIND_COORDINATOR: Api = Api { key: 10, version: 1 };
pub(super) const JOIN_GROUP: Api = Api { key: 11, version: 3 };
pub(super) const HEARTBEAT: Api = Api { key: 12, version: 1 };
pub(super) const LEAVE_GROUP: Api = Api { key: 13, version: 1 };
pub(super) const SYNC_GROUP: Api = Api { key: 14, version: 1 };

/// How partitions are shared out among the members of a group: the way that every client knows.
const RANGE: &str = "range";
/// What members of a group are.
const CONSUMER: &str = "consumer";
/// Only what was committed is read.
const READ_COMMITTED: i8 = 1;
/// Nothing is written before all replicas in sync have it.
const ALL_REPLICAS: i16 = -1;
const UNKNOWN_TOPIC: i16 = 3;

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    /// The partitions in the order of their numbers, and where the leader of each is.
    pub(super) partitions: Vec<(i32, Option<String>)>,
}

pub(super) fn metadata_request(topics: &[String]) -> Writer {
    let mut request = Writer::default();
    request.count(topics.len());
    for topic in topics {
        request.text(topic);
    }
    // No topic is made by looking for it.
    request.i8(0);
    request
}

/// The topics that there are, of those that were asked for.
pub(super) fn metadata(answer: &[u8]) -> Result<Vec<Topic>, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    let brokers = reader.items(|one| {
        let (id, host, port) = (one.i32()?, one.text()?, one.i32()?);
        let _rack = one.text()?;
        Ok((
            id,
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") },
        ))
    })?;
    let _cluster = reader.text()?;
    let _controller = reader.i32()?;
    let topics = reader.items(|one| {
        let (code, name) = (one.i16()?, one.text()?);
        let _internal = one.i8()?;
        let mut partitions = one.items(|part| {
            let (_code, id, leader) = (part.i16()?, part.i32()?, part.i32()?);
            let _replicas = (part.items(Reader::i32)?, part.items(Reader::i32)?);
            let leader = brokers.iter().find(|(id, _)| *id == leader);
            Ok((id, leader.map(|(_, address)| address.clone())))
        })?;
        partitions.sort();
        Ok((code, Topic { name, partitions }))
    })?;
    let mut found = Vec::new();
    for (code, topic) in topics {
        if code != UNKNOWN_TOPIC {
            Fault::check(code)?;
            found.push(topic);
        }
    }
    Ok(found)
}

pub(super) fn find_coordinator_request(group: &str) -> Writer {
    let mut request = Writer::default();
    request.text(group).i8(0);
    request
}

/// Where the coordinator of a group is.
pub(super) fn coordinator(answer: &[u8]) -> Result<String, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    Fault::check(reader.i16()?)?;
    let _why = reader.text()?;
    let _id = reader.i32()?;
    let (host, port) = (reader.text()?, reader.i32()?);
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// Who somebody is in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) group: String,
    pub(super) generation: i32,
    pub(super) id: String,
}

/// How long a group waits for its members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) session_millis: i32,
    pub(super) rebalance_millis: i32,
}

pub(super) fn join_request(member: &Member, topic: &str, patience: Patience) -> Writer {
    let mut subscription = Writer::default();
    subscription.i16(0).count(1).text(topic).i32(-1);
    let mut request = Writer::default();
    request.text(&member.group).i32(patience.session_millis).i32(patience.rebalance_millis);
    request.text(&member.id).text(CONSUMER);
    request.count(1).text(RANGE).bytes(&subscription.0);
    request
}

/// What came of joining a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) generation: i32,
    pub(super) member: String,
    /// Of the leader: every member, and the topics that it wants. Of others nobody.
    pub(super) members: Vec<(String, Vec<String>)>,
}

pub(super) fn joined(answer: &[u8]) -> Result<Joined, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    Fault::check(reader.i16()?)?;
    let generation = reader.i32()?;
    let _protocol = reader.text()?;
    let _leader = reader.text()?;
    let member = reader.text()?;
    let members = reader.items(|one| {
        let (id, mut subscription) = (one.text()?, Reader(one.bytes()?));
        let _version = subscription.i16()?;
        Ok((id, subscription.items(Reader::text)?))
    })?;
    Ok(Joined { generation, member, members })
}

/// What a member is to read: topics and numbers of partitions.
pub(super) type Assignment = Vec<(String, Vec<i32>)>;

pub(super) fn sync_request(member: &Member, assignments: &[(String, Assignment)]) -> Writer {
    let mut request = Writer::default();
    request.text(&member.group).i32(member.generation).text(&member.id);
    request.count(assignments.len());
    for (id, topics) in assignments {
        let mut assignment = Writer::default();
        assignment.i16(0).count(topics.len());
        for (topic, partitions) in topics {
            assignment.text(topic).count(partitions.len());
            for partition in partitions {
                assignment.i32(*partition);
            }
        }
        assignment.i32(-1);
        request.text(id).bytes(&assignment.0);
    }
    request
}

pub(super) fn synced(answer: &[u8]) -> Result<Assignment, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    Fault::check(reader.i16()?)?;
    let mut assignment = Reader(reader.bytes()?);
    if assignment.0.is_empty() {
        return Ok(Vec::new());
    }
    let _version = assignment.i16()?;
    assignment.items(|one| Ok((one.text()?, one.items(Reader::i32)?))).map_err(Fault::from)
}

pub(super) fn heartbeat_request(member: &Member) -> Writer {
    let mut request = Writer::default();
    request.text(&member.group).i32(member.generation).text(&member.id);
    request
}

pub(super) fn leave_request(member: &Member) -> Writer {
    let mut request = Writer::default();
    request.text(&member.group).text(&member.id);
    request
}

/// The answer to a request that has nothing but a code.
pub(super) fn done(answer: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    Fault::check(reader.i16()?)
}

pub(super) fn committed_request(group: &str, topic: &str, partitions: &[i32]) -> Writer {
    let mut request = Writer::default();
    request.text(group).count(1).text(topic).count(partitions.len());
    for partition in partitions {
        request.i32(*partition);
    }
    request
}

/// Up to where a group has come in each of the partitions of a topic, if it has begun.
pub(super) fn committed(answer: &[u8]) -> Result<Vec<(i32, Option<i64>)>, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    let topics = reader.items(|one| {
        let _topic = one.text()?;
        one.items(|part| {
            let (id, offset) = (part.i32()?, part.i64()?);
            let _metadata = part.text()?;
            Ok((part.i16()?, id, offset))
        })
    })?;
    Fault::check(reader.i16()?)?;
    let mut all = Vec::new();
    for (code, id, offset) in topics.into_iter().flatten() {
        Fault::check(code)?;
        all.push((id, (offset >= 0).then_some(offset)));
    }
    Ok(all)
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) topic: &'a str,
    pub(super) id: i32,
}

/// Commits offsets of partitions of one topic.
pub(super) fn commit_request(member: &Member, topic: &str, offsets: &[(i32, i64)]) -> Writer {
    let mut request = Writer::default();
    request.text(&member.group).i32(member.generation).text(&member.id);
    request.count(1).text(topic).count(offsets.len());
    for (partition, offset) in offsets {
        request.i32(*partition).i64(*offset).no_text();
    }
    request
}

/// What became of each partition.
pub(super) fn commit_done(answer: &[u8]) -> Result<Vec<(i32, Result<(), Fault>)>, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    let topics = reader.items(|one| {
        let _topic = one.text()?;
        one.items(|part| Ok((part.i32()?, part.i16()?)))
    })?;
    Ok(topics.into_iter().flatten().map(|(id, code)| (id, Fault::check(code))).collect())
}

/// Asks for the first offset at a time; -1 for the end, and -2 for the beginning.
pub(super) fn offset_request(part: Part<'_>, timestamp: i64) -> Writer {
    let mut request = Writer::default();
    request.i32(-1).i8(READ_COMMITTED);
    request.count(1).text(part.topic).count(1).i32(part.id).i64(timestamp);
    request
}

/// The offset; `None` if everything is older.
pub(super) fn offset(answer: &[u8]) -> Result<Option<i64>, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    let topics = reader.items(|one| {
        let _topic = one.text()?;
        one.items(|part| {
            let (_id, code, _timestamp) = (part.i32()?, part.i16()?, part.i64()?);
            Ok((code, part.i64()?))
        })
    })?;
    let (code, offset) = topics.into_iter().flatten().next().ok_or(Malformed)?;
    Fault::check(code)?;
    Ok((offset >= 0).then_some(offset))
}

/// How much is fetched at a time, and how long is waited for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appetite {
    /// Bytes of batches, compressed as they are.
    pub(super) bytes: usize,
    /// Bytes of records that are taken of them.
    pub(super) records_bytes: usize,
    pub(super) wait_millis: i32,
}

impl Appetite {
    /// One for which the event's form of the records has about so many bytes.
    pub(super) fn of(event_bytes: usize) -> Self {
        Self {
            bytes: event_bytes.min(limits::KAFKA_FETCH_BYTES_MAX),
            // There they are in Base64.
            records_bytes: (event_bytes / 4 * 3).min(limits::KAFKA_PORTION_BYTES_MAX),
            wait_millis: limits::KAFKA_FETCH_WAIT_MILLIS.cast_signed(),
        }
    }
}

pub(super) fn fetch_request(part: Part<'_>, offset: i64, appetite: Appetite) -> Writer {
    let bytes = i32::try_from(appetite.bytes).unwrap_or(i32::MAX);
    let mut request = Writer::default();
    request.i32(-1).i32(appetite.wait_millis).i32(1).i32(bytes).i8(READ_COMMITTED);
    // No session: each request says all that it wants.
    request.i32(0).i32(-1);
    request.count(1).text(part.topic).count(1);
    // Without an epoch of the leader, and without an offset where a log of ours would begin.
    request.i32(part.id).i32(-1).i64(offset).i64(-1).i32(bytes);
    request.count(0);
    request
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetched<'a> {
    /// The offset behind the last record that may be read.
    pub(super) end: i64,
    pub(super) aborted: Vec<Aborted>,
    pub(super) records: &'a [u8],
}

pub(super) fn fetched(answer: &[u8]) -> Result<Fetched<'_>, Fault> {
    let mut reader = Reader(answer);
    let _throttle = reader.i32()?;
    Fault::check(reader.i16()?)?;
    let _session = reader.i32()?;
    let topics = reader.items(|one| {
        let _topic = one.text()?;
        one.items(|part| {
            let (_id, code) = (part.i32()?, part.i16()?);
            let (_high, end, _start) = (part.i64()?, part.i64()?, part.i64()?);
            let aborted =
                part.items(|one| Ok(Aborted { producer: one.i64()?, first_offset: one.i64()? }))?;
            Ok((code, Fetched { end, aborted, records: part.bytes()? }))
        })
    })?;
    let (code, fetched) = topics.into_iter().flatten().next().ok_or(Malformed)?;
    Fault::check(code)?;
    Ok(fetched)
}

pub(super) fn produce_request(part: Part<'_>, batch: &[u8], timeout_millis: i32) -> Writer {
    let mut request = Writer::default();
    request.no_text().i16(ALL_REPLICAS).i32(timeout_millis);
    request.count(1).text(part.topic).count(1).i32(part.id).bytes(batch);
    request
}

pub(super) fn produced(answer: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader(answer);
    let topics = reader.items(|one| {
        let _topic = one.text()?;
        one.items(|part| {
            let (_id, code) = (part.i32()?, part.i16()?);
            let _where = (part.i64()?, part.i64()?);
            Ok(code)
        })
    })?;
    Fault::check(topics.into_iter().flatten().next().ok_or(Malformed)?)
}

/// Shares partitions out among the members that want them, as the protocol's `range` does: each topic
/// by itself, in the order of the members' ids, in portions that differ by one at the most.
pub(super) fn range(
    members: &[(String, Vec<String>)],
    topics: &[Topic],
) -> Vec<(String, Assignment)> {
    let mut shares: Vec<(String, Assignment)> =
        members.iter().map(|(id, _)| (id.clone(), Vec::new())).collect();
    shares.sort();
    for topic in topics {
        let wants = |id: &str| {
            members.iter().any(|(one, wanted)| one == id && wanted.contains(&topic.name))
        };
        let mut takers: Vec<&mut (String, Assignment)> =
            shares.iter_mut().filter(|(id, _)| wants(id)).collect();
        let count = takers.len();
        let mut left = topic.partitions.iter().map(|(id, _)| *id);
        for (place, taker) in takers.iter_mut().enumerate() {
            let partitions = topic.partitions.len();
            let share = partitions / count + usize::from(place < partitions % count);
            let taken: Vec<i32> = left.by_ref().take(share).collect();
            if !taken.is_empty() {
                taker.1.push((topic.name.clone(), taken));
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, partitions: i32) -> Topic {
        Topic { name: name.to_owned(), partitions: (0..partitions).map(|id| (id, None)).collect() }
    }

    #[test]
    fn records_take_no_more_of_an_event_than_was_set_aside() {
        for event_bytes in [0, 7, limits::KAFKA_TIP_BYTES, limits::SHARD_WAITING_BYTES_MAX] {
            let appetite = Appetite::of(event_bytes);
            assert!(appetite.records_bytes.div_ceil(3) * 4 <= event_bytes + 4, "{appetite:?}");
            assert!(appetite.bytes <= event_bytes.min(limits::KAFKA_FETCH_BYTES_MAX));
        }
    }

    #[test]
    fn partitions_are_shared_out_in_portions_that_are_alike() {
        let member = |id: &str, topics: &[&str]| {
            (id.to_owned(), topics.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
        };
        let members = [member("b", &["t", "u"]), member("a", &["t"]), member("c", &["t"])];
        let shares = range(&members, &[topic("t", 7), topic("u", 1)]);
        let share = |id: &str, topics: &[(&str, &[i32])]| {
            let topics = topics.iter().map(|(name, ids)| ((*name).to_owned(), ids.to_vec()));
            (id.to_owned(), topics.collect::<Assignment>())
        };
        let expected = [
            share("a", &[("t", &[0, 1, 2])]),
            share("b", &[("t", &[3, 4]), ("u", &[0])]),
            share("c", &[("t", &[5, 6])]),
        ];
        assert_eq!(shares, expected);
        assert_eq!(range(&[member("a", &["other"])], &[topic("t", 2)]), [share("a", &[])]);
    }

    #[test]
    fn an_assignment_is_read_as_it_was_written() {
        let member = Member { group: "g".to_owned(), generation: 3, id: "m".to_owned() };
        let assignment: Assignment = vec![("t".to_owned(), vec![0, 2])];
        let request = sync_request(&member, &[("m".to_owned(), assignment.clone())]);
        // Behind the group, the generation, the id, the count and the id of the first member.
        let mut reader = Reader(&request.0);
        reader.take(3 + 4 + 3 + 4 + 3).unwrap();
        let mut answer = Writer::default();
        answer.i32(0).i16(0).raw(reader.0);
        assert_eq!(synced(&answer.0), Ok(assignment));
        assert_eq!(synced(&[0, 0, 0, 0, 0, 27]), Err(Fault::Code(27)));
    }

    #[test]
    fn metadata_of_a_broker_is_read() {
        // What Kafka 4.1 has answered, with one topic of two partitions.
        let answer = "00000000000000010000000100093132372e302e302e31000098b4ffff0016414141414141414141 \
            414141414141414141414141410000000100000001000000066f7264657273000000000200000000 \
            00010000000100000001000000010000000100000001000000000000000000010000000100000001 \
            0000000100000001";
        let digits: Vec<u8> = answer.bytes().filter(u8::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let leader = || Some("127.0.0.1:39092".to_owned());
        let expected =
            Topic { name: "orders".to_owned(), partitions: vec![(0, leader()), (1, leader())] };
        assert_eq!(metadata(&bytes), Ok(vec![expected]));
    }

    #[test]
    fn no_answer_panics() {
        for length in 0..64 {
            for fill in [0_u8, 1, 0x7f, 0xff] {
                let answer = vec![fill; length];
                let _ = (metadata(&answer), coordinator(&answer), joined(&answer), synced(&answer));
                let _ = (committed(&answer), commit_done(&answer), offset(&answer));
                let _ = (fetched(&answer), produced(&answer), done(&answer));
            }
        }
    }
}
