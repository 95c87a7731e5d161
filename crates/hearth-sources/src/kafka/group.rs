//! A member of a consumer group: joins it, learns which partitions are its, and stays.
//!
//! ```text
//!  join ──▶ share out, if it is the leader ──▶ sync ──▶ a session: heartbeats, commits
//!    ▲                                                      │ others come or go, or it was away
//!    └──────────────────────────────────────────────────────┘
//! ```
//!
//! # Promises
//!
//! 1. What is committed is committed as this member in this generation: the coordinator refuses it if
//!    somebody else has the partition by then.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_types::limits;
use tokio::sync::oneshot;

use super::cluster::{self, Cluster};
use super::connection::{Connection, Fault};
use super::messages::{self, Assignment, Member, Part, Patience};
use super::wire::Malformed;
use crate::reader::{Stop, Stopper};

const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER: i16 = 25;
/// Others come or go: it is to be joined once more.
pub(super) const REBALANCING: i16 = 27;
const FENCED: i16 = 82;

/// How somebody is in a group.
#[derive(Debug)]
pub(super) struct Session {
    member: Member,
    connection: tokio::sync::Mutex<Connection>,
    /// The partitions that are its, and up to where the group has come in each.
    pub(super) partitions: Vec<(i32, Option<i64>)>,
    /// Whether the group has begun with any partition of the topic, whoever has it now.
    pub(super) has_begun: bool,
    /// How many partitions its topic had when they were shared out by it; `None` if another member
    /// has shared them out.
    shared_out: Option<usize>,
    lost: (Stopper, Stop),
    /// Those that nobody has said yet: no more than one for each partition.
    commits: Mutex<Vec<Commit>>,
}

/// An offset that is to be committed.
#[derive(Debug)]
struct Commit {
    partition: i32,
    offset: i64,
    teller: oneshot::Sender<Result<(), Fault>>,
}

/// What a heartbeat has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// All is as it was.
    Steady,
    /// The partitions are to be shared out anew: what is begun may be finished before.
    Rebalance,
    /// It is not a member any more.
    Lost,
}

impl Session {
    /// Joins a group, under the id that it had in it before, if it had one. `id` becomes the one that
    /// it has now.
    pub(super) async fn join(
        cluster: &Cluster,
        (group, topic): (&str, &str),
        id: &mut String,
    ) -> Result<Self, Fault> {
        let mut connection = cluster.coordinator(group).await?;
        // Nobody is to wait for a member that has nothing to read.
        let known = cluster::topic(&mut connection, topic).await?;
        let patience = Patience {
            session_millis: limits::KAFKA_SESSION_MILLIS.cast_signed(),
            rebalance_millis: limits::KAFKA_REBALANCE_MILLIS_MAX.cast_signed(),
        };
        let wait = Duration::from_millis(limits::KAFKA_REBALANCE_MILLIS_MAX.into());
        let newcomer = Member { group: group.to_owned(), generation: -1, id: id.clone() };
        let request = messages::join_request(&newcomer, topic, patience);
        let answer = connection.call(messages::JOIN_GROUP, &request, wait).await?;
        let joined = messages::joined(&answer).inspect_err(|fault| {
            if *fault == Fault::Code(UNKNOWN_MEMBER) {
                id.clear();
            }
        })?;
        id.clone_from(&joined.member);
        let member = Member { generation: joined.generation, id: joined.member, ..newcomer };
        let (shares, shared_out) = shares(&mut connection, &joined.members, topic).await?;
        let request = messages::sync_request(&member, &shares);
        let answer = connection.call(messages::SYNC_GROUP, &request, wait).await?;
        let assigned = messages::synced(&answer)?;
        let ours = assigned.into_iter().filter(|(name, _)| name == topic);
        let ours: BTreeSet<i32> = ours.flat_map(|(_, partitions)| partitions).collect();
        // One that is new by now may be ours already.
        let known = known.partitions.iter().map(|(id, _leader)| *id);
        let all: BTreeSet<i32> = known.chain(ours.iter().copied()).collect();
        let all: Vec<i32> = all.into_iter().collect();
        let request = messages::committed_request(group, topic, &all);
        let answer = connection.call(messages::OFFSET_FETCH, &request, Duration::ZERO).await?;
        let committed = messages::committed(&answer)?;
        let has_begun = committed.iter().any(|(_id, committed)| committed.is_some());
        let partitions = begun(&ours, committed)?;
        let connection = tokio::sync::Mutex::new(connection);
        let (lost, commits) = (Stopper::new(), Mutex::default());
        Ok(Self { member, connection, partitions, has_begun, shared_out, lost, commits })
    }

    /// Ends when it is known not to be a member any more.
    pub(super) async fn lost(&self) {
        self.lost.1.stopped().await;
    }

    /// Takes that it is not to be a member any longer.
    pub(super) fn give_up(&self) {
        self.lost.0.stop();
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.1.is_stopped()
    }

    /// Says that it is there. Connects again if that is needed.
    pub(super) async fn pulse(&self, cluster: &Cluster) -> Pulse {
        let request = messages::heartbeat_request(&self.member);
        let mut connection = self.connection.lock().await;
        let beat = connection.call(messages::HEARTBEAT, &request, Duration::ZERO).await;
        let fault = match beat.and_then(|answer| messages::done(&answer)) {
            Ok(()) => return Pulse::Steady,
            Err(fault) => fault,
        };
        match fault {
            Fault::Code(REBALANCING) => Pulse::Rebalance,
            Fault::Code(ILLEGAL_GENERATION | UNKNOWN_MEMBER | FENCED) | Fault::Refused(_) => {
                self.lost.0.stop();
                Pulse::Lost
            }
            Fault::Broken(_) | Fault::Code(_) | Fault::Unreadable(_) => {
                tracing::info!(group = self.member.group, %fault, "a coordinator is looked for again");
                if let Ok(other) = cluster.coordinator(&self.member.group).await {
                    *connection = other;
                }
                Pulse::Steady
            }
        }
    }

    /// Says up to where a partition is dealt with: what is behind that offset is not. Whoever has the
    /// connection says it for all that wait, as a coordinator takes some milliseconds for each request.
    pub(super) async fn commit(&self, part: Part<'_>, offset: i64) -> Result<(), Fault> {
        let (teller, mut told) = oneshot::channel();
        self.waiting().push(Commit { partition: part.id, offset, teller });
        let gone = |_| Err(Fault::Broken("whoever was to commit it is gone".to_owned()));
        tokio::select! {
            // Whose offset somebody has said does not wait for the connection as well: it would go on
            // one request later, and say then what only one has to say.
            biased;
            done = &mut told => return done.unwrap_or_else(gone),
            mut connection = self.connection.lock() => {
                let commits = mem::take(&mut *self.waiting());
                self.commit_all(&mut connection, part.topic, commits).await;
            }
        }
        told.await.unwrap_or_else(gone)
    }

    async fn commit_all(&self, connection: &mut Connection, topic: &str, commits: Vec<Commit>) {
        let offsets: Vec<(i32, i64)> =
            commits.iter().map(|one| (one.partition, one.offset)).collect();
        let request = messages::commit_request(&self.member, topic, &offsets);
        let answer = connection.call(messages::OFFSET_COMMIT, &request, Duration::ZERO).await;
        let done = answer.and_then(|answer| messages::commit_done(&answer));
        for Commit { partition, teller, .. } in commits {
            let done = match &done {
                Ok(done) => done
                    .iter()
                    .find(|(id, _done)| *id == partition)
                    .map_or_else(|| Err(Malformed.into()), |(_id, done)| done.clone()),
                Err(fault) => Err(fault.clone()),
            };
            if let Err(Fault::Code(ILLEGAL_GENERATION | UNKNOWN_MEMBER | FENCED)) = done {
                self.lost.0.stop();
            }
            // Nobody waits for it if the partition is not read any more.
            let _ = teller.send(done);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Commit>> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its topic has other partitions than those that it has shared out.
    pub(super) async fn is_outgrown(&self, topic: &str) -> bool {
        let Some(shared_out) = self.shared_out else { return false };
        let mut connection = self.connection.lock().await;
        let found = cluster::topic(&mut connection, topic).await;
        found.is_ok_and(|found| found.partitions.len() != shared_out)
    }

    /// Leaves, so that nobody waits for it.
    pub(super) async fn leave(&self) {
        let request = messages::leave_request(&self.member);
        let mut connection = self.connection.lock().await;
        let left = connection.call(messages::LEAVE_GROUP, &request, Duration::ZERO).await;
        if let Err(fault) = left.and_then(|answer| messages::done(&answer)) {
            // The coordinator finds out when no heartbeat comes.
            tracing::debug!(group = self.member.group, %fault, "a group was not left in order");
        }
    }
}

/// Leaves a group as somebody who was to join it again, so that nobody waits for who does not come.
pub(super) async fn leave(cluster: &Cluster, group: &str, id: &str) -> Result<(), Fault> {
    let mut connection = cluster.coordinator(group).await?;
    let member = Member { group: group.to_owned(), generation: -1, id: id.to_owned() };
    let request = messages::leave_request(&member);
    messages::done(&connection.call(messages::LEAVE_GROUP, &request, Duration::ZERO).await?)
}

/// Each of our partitions, once, and up to where the group has come in it. One of which nothing was said
/// would be read by nobody.
fn begun(
    ours: &BTreeSet<i32>,
    committed: Vec<(i32, Option<i64>)>,
) -> Result<Vec<(i32, Option<i64>)>, Malformed> {
    let committed: BTreeMap<i32, Option<i64>> = committed.into_iter().collect();
    let begin = |id: &i32| committed.get(id).map(|at| (*id, *at)).ok_or(Malformed);
    ours.iter().map(begin).collect()
}

/// Shares the partitions out, if this is the leader: it alone is told the members.
async fn shares(
    connection: &mut Connection,
    members: &[(String, Vec<String>)],
    topic: &str,
) -> Result<(Vec<(String, Assignment)>, Option<usize>), Fault> {
    if members.is_empty() {
        return Ok((Vec::new(), None));
    }
    let mut names: Vec<String> = members.iter().flat_map(|(_, topics)| topics.clone()).collect();
    names.sort();
    names.dedup();
    let topics = cluster::topics(connection, &names).await?;
    let ours = topics.iter().find(|one| one.name == topic);
    let count = ours.map_or(0, |one| one.partitions.len());
    Ok((messages::range(members, &topics), Some(count)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::task::JoinSet;

    use super::*;
    use crate::kafka::wire::{Reader, Writer};

    const PARTITIONS: i32 = 8;
    const ROUNDS: i64 = 20;

    /// Answers commits, each a while after it has come, until nobody asks any more. Returns what was
    /// committed, by request.
    async fn coordinate(mut stream: DuplexStream) -> Vec<Vec<(i32, i64)>> {
        let mut committed = Vec::new();
        while let Ok(length) = stream.read_i32().await {
            let mut request = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut request).await.unwrap();
            let mut reader = Reader(&request);
            let (_api, _version) = (reader.i16().unwrap(), reader.i16().unwrap());
            let number = reader.i32().unwrap();
            let (_client, _group) = (reader.text().unwrap(), reader.text().unwrap());
            let (_generation, _member) = (reader.i32().unwrap(), reader.text().unwrap());
            let topics = reader.items(|one| {
                let _topic = one.text()?;
                one.items(|part| {
                    let part = (part.i32()?, part.i64()?, part.i16()?);
                    Ok((part.0, part.1))
                })
            });
            let offsets: Vec<(i32, i64)> = topics.unwrap().into_iter().flatten().collect();
            tokio::time::sleep(Duration::from_millis(5)).await;
            let mut answer = Writer::default();
            answer.i32(number).i32(0).count(1).text("orders").count(offsets.len());
            for (partition, _offset) in &offsets {
                answer.i32(*partition).i16(0);
            }
            let mut framed = Writer::default();
            framed.bytes(&answer.0);
            stream.write_all(&framed.0).await.unwrap();
            committed.push(offsets);
        }
        committed
    }

    #[test]
    fn each_partition_is_begun_once_and_none_is_forgotten() {
        let ours = BTreeSet::from([1, 3]);
        let said = vec![(3, None), (1, Some(7)), (2, Some(9)), (3, None)];
        assert_eq!(begun(&ours, said), Ok(vec![(1, Some(7)), (3, None)]));
        assert_eq!(begun(&ours, vec![(1, Some(7))]), Err(Malformed));
        assert_eq!(begun(&BTreeSet::new(), Vec::new()), Ok(Vec::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn partitions_that_wait_are_committed_together() {
        let (ours, theirs) = tokio::io::duplex(4_096);
        let session = Arc::new(Session {
            member: Member { group: "group".to_owned(), generation: 1, id: "member".to_owned() },
            connection: tokio::sync::Mutex::new(Connection::over(ours)),
            partitions: Vec::new(),
            has_begun: true,
            shared_out: None,
            lost: Stopper::new(),
            commits: Mutex::default(),
        });
        let mut reading = JoinSet::new();
        for id in 0..PARTITIONS {
            let session = Arc::clone(&session);
            reading.spawn(async move {
                for offset in 1..=ROUNDS {
                    // A batch.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    session.commit(Part { topic: "orders", id }, offset).await.unwrap();
                }
            });
        }
        let read = async move {
            reading.join_all().await;
            drop(session);
        };
        let (committed, ()) = tokio::join!(coordinate(theirs), read);
        // The first is alone; then all others wait, and so on.
        assert!(committed.len() <= 3 * usize::try_from(ROUNDS).unwrap(), "{}", committed.len());
        for id in 0..PARTITIONS {
            let of_one = committed.iter().flatten().filter(|one| one.0 == id).map(|one| one.1);
            assert_eq!(of_one.collect::<Vec<_>>(), (1..=ROUNDS).collect::<Vec<_>>());
        }
    }
}
