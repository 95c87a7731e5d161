//! A cluster: who leads a partition, who coordinates a group, and what is asked of them.

use std::time::Duration;

use hearth_types::limits;

use super::connection::{Connection, Fault, Security};
use super::messages::{self, Appetite, Part, Topic};
use super::records::{self, Portion, Record};
use super::wire::Writer;

/// The beginning of a partition, where a time is asked for.
pub(super) const EARLIEST: i64 = -2;
/// Its end.
pub(super) const LATEST: i64 = -1;
/// What a broker says of a batch with more bytes than its topic takes.
pub(super) const MESSAGE_TOO_LARGE: i16 = 10;
const UNKNOWN_TOPIC: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
/// How long a broker waits for its replicas.
const PRODUCE_MILLIS: i32 = 10_000;

/// A cluster.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// Where it is asked first: `host:port`.
    pub(super) servers: Vec<String>,
    pub(super) security: Security,
}

/// What was read of a partition.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) portion: Portion,
    /// The offset behind the last record that may be read.
    pub(super) end: i64,
}

impl Cluster {
    /// A connection to the broker that coordinates a group.
    pub(super) async fn coordinator(&self, group: &str) -> Result<Connection, Fault> {
        let mut any = self.any().await?;
        let request = messages::find_coordinator_request(group);
        let answer = any.call(messages::FIND_COORDINATOR, &request, Duration::ZERO).await?;
        self.open(&messages::coordinator(&answer)?).await
    }

    /// A connection to the broker that leads a partition.
    pub(super) async fn leader(&self, part: Part<'_>) -> Result<Connection, Fault> {
        let mut any = self.any().await?;
        let topic = topic(&mut any, part.topic).await?;
        let found = topic.partitions.into_iter().find(|(id, _)| *id == part.id);
        let (_id, leader) = found.ok_or(Fault::Code(UNKNOWN_TOPIC))?;
        self.open(&leader.ok_or(Fault::Code(LEADER_NOT_AVAILABLE))?).await
    }

    /// The partition of a topic whose number a number gives, and a connection to the broker that leads it.
    pub(super) async fn outlet(
        &self,
        topic_name: &str,
        number: i32,
    ) -> Result<(i32, Connection), Fault> {
        let mut any = self.any().await?;
        let topic = topic(&mut any, topic_name).await?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX).max(1);
        let id = number.rem_euclid(count);
        Ok((id, self.leader(Part { topic: topic_name, id }).await?))
    }

    /// A connection to the first of the servers that answers.
    pub(super) async fn any(&self) -> Result<Connection, Fault> {
        let mut last = Fault::Broken("there are no servers".to_owned());
        for server in &self.servers {
            match self.open(server).await {
                Ok(connection) => return Ok(connection),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    async fn open(&self, address: &str) -> Result<Connection, Fault> {
        Connection::open(address, &self.security).await
    }
}

/// The topics that there are, of some.
pub(super) async fn topics(
    connection: &mut Connection,
    names: &[String],
) -> Result<Vec<Topic>, Fault> {
    let request = messages::metadata_request(names);
    messages::metadata(&connection.call(messages::METADATA, &request, Duration::ZERO).await?)
}

/// One topic, which has to be there.
pub(super) async fn topic(connection: &mut Connection, name: &str) -> Result<Topic, Fault> {
    let found = topics(connection, &[name.to_owned()]).await?;
    found.into_iter().next().ok_or(Fault::Code(UNKNOWN_TOPIC))
}

/// The first offset of a partition at a time, or its end.
pub(super) async fn offset(
    leader: &mut Connection,
    part: Part<'_>,
    timestamp: i64,
) -> Result<i64, Fault> {
    // The end comes first: what is written between the two requests is behind it, and not lost.
    let end = offset_once(leader, part, LATEST).await?;
    let end = end.ok_or_else(|| Fault::Broken("a partition has no end".to_owned()))?;
    if timestamp == LATEST {
        return Ok(end);
    }
    Ok(offset_once(leader, part, timestamp).await?.unwrap_or(end))
}

async fn offset_once(
    leader: &mut Connection,
    part: Part<'_>,
    timestamp: i64,
) -> Result<Option<i64>, Fault> {
    let request = messages::offset_request(part, timestamp);
    messages::offset(&leader.call(messages::LIST_OFFSETS, &request, Duration::ZERO).await?)
}

/// Writes records to a partition, in one batch.
pub(super) async fn produce(
    leader: &mut Connection,
    part: Part<'_>,
    records: &[Record],
) -> Result<(), Fault> {
    let batch = records::written(records);
    if batch.len() > limits::KAFKA_REQUEST_BYTES_MAX {
        // A broker would hang up instead of saying so.
        return Err(Fault::Code(MESSAGE_TOO_LARGE));
    }
    let request = messages::produce_request(part, &batch, PRODUCE_MILLIS);
    messages::produced(&leader.call(messages::PRODUCE, &request, Duration::ZERO).await?)
}

/// Reads from an offset on. Waits a while if there is nothing.
pub(super) async fn read(
    leader: &mut Connection,
    (part, offset): (Part<'_>, i64),
    appetite: Appetite,
) -> Result<Read, Fault> {
    let request: Writer = messages::fetch_request(part, offset, appetite);
    let millis = u64::try_from(appetite.wait_millis).unwrap_or_default();
    let answer = leader.call(messages::FETCH, &request, Duration::from_millis(millis)).await?;
    let fetched = messages::fetched(&answer)?;
    let portion =
        records::read(fetched.records, (offset, appetite.records_bytes), &fetched.aborted)
            .map_err(|error| Fault::Unreadable(format!("at offset {offset}: {error}")))?;
    Ok(Read { portion, end: fetched.end })
}
