//! Topics of Apache Kafka as event sources: clusters of one's own, and those in the shape of Amazon
//! MSK's.
//!
//! ```text
//!  reader      one group for each mapping
//!    ▼
//!  group       joins, stays, leaves; which partitions are ours
//!    ▼
//!  partition   one task for each: fetches, runs, commits
//!    ├─ event      what functions and destinations get
//!    ├─ failed     writes what was given up to a topic, whatever its size
//!    └─ cluster    who is asked what
//!         ├─ messages, records, wire    the protocol
//!         └─ connection, scram          how brokers are talked to
//!
//!  drain       the client without the rest, for measurements
//! ```
//!
//! The client is our own (docs/adr/0028-a-client-for-kafka.md). Each partition has batches of its
//! own, and one of them at a time is with the function.
//!
//! # Promises
//!
//! 1. Records of a partition come in their order, each at least once.
//! 2. Offsets are committed to the mapping's consumer group when a batch is done, so that after a
//!    kill at most the batch of each partition is repeated that was with the function.
//! 3. A server that is gone holds its partitions for [`limits::KAFKA_SESSION_MILLIS`] at the most.
//!
//! # Deliberately absent
//!
//! Registries of schemas, and what is read as a queue (share groups): both are refused. Ways in that
//! are AWS's own (IAM, OAuth), and certificates of clients: refused as well.

mod cluster;
mod connection;
mod drain;
mod event;
mod failed;
mod group;
mod messages;
mod partition;
mod records;
mod scram;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_control::mapping::Mapping;
use hearth_control::mapping::settings::{Configuration, SourceAccess};
use hearth_control::mapping::source::{Source, SourceKind};
use hearth_services::remote::tls::Trust;
use hearth_store::queue::Queue;
use hearth_types::limits;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::cluster::Cluster;
use self::connection::{Fault, Mechanism, Sasl, Security};
use self::group::{Pulse, Session};
use self::partition::{Common, PartitionReader};
use self::scram::Hash;
use crate::access::{AccessError, Login, Secrets, uri};
use crate::ahead::Ahead;
use crate::filter::Filters;
use crate::reader::{Ended, Reader, Stop, Stopper, Work};
use crate::shard::lane::Rules;
use crate::shard::streams::rules;

pub use self::drain::drain;

/// AWS's words when a broker or a cluster is not reached.
const NOT_CONNECTED: &str =
    "Connection error. Please check your event source connection configuration.";
/// AWS: how often a batch is run again where it was to be for ever, and there is a destination for what is
/// given up, of whatever kind
/// (<https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html>).
const RETRIES_BEFORE_DESTINATION: u32 = 10;
/// What lies in a network of AWS's, and has no meaning here.
const IGNORED: [&str; 2] = ["VPC_SUBNET", "VPC_SECURITY_GROUP"];
const AUTHORITY: &str = "SERVER_ROOT_CA_CERTIFICATE";

/// A cluster of the configuration.
#[derive(Debug, Clone, Default)]
pub struct KnownCluster {
    /// Where it is: `host:port`, and more of them.
    pub servers: Vec<String>,
    /// Who comes, for mappings that do not say it, or whose secret the configuration does not have.
    pub login: Option<Login>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`, where the mapping does not say it.
    pub mechanism: Option<String>,
    /// Whether it speaks TLS; `None` if whoever has to show who comes does.
    pub tls: Option<bool>,
}

/// What topics are read with.
#[derive(Debug)]
pub struct Parts {
    /// The clusters of the configuration, by their names.
    pub clusters: BTreeMap<String, KnownCluster>,
    /// What the configuration has in place of AWS Secrets Manager.
    pub secrets: Arc<Secrets>,
    /// Whom connections with TLS may lead to.
    pub trust: Trust,
    /// Where what is told of records waits that were given up.
    pub queue: Arc<dyn Queue>,
    /// What all readers may have.
    pub ahead: Arc<Ahead>,
    /// The time that the queue goes by.
    pub time: Arc<Steady>,
    /// The owner of the tasks.
    pub tasks: Tasks,
}

/// Reads topics.
#[derive(Debug)]
pub struct KafkaReader {
    parts: Parts,
}

impl KafkaReader {
    /// Reads topics with these.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The cluster of a source, and where it is.
    fn known(&self, source: &Source) -> Result<(KnownCluster, Vec<String>), String> {
        match source {
            Source::SelfManagedKafka { bootstrap_servers } => {
                let is_it = |known: &&KnownCluster| {
                    known.servers.iter().any(|server| bootstrap_servers.contains(server))
                };
                let known = self.parts.clusters.values().find(is_it).cloned();
                Ok((known.unwrap_or_default(), bootstrap_servers.clone()))
            }
            Source::Arn { arn, .. } => {
                let name = arn.split('/').nth(1).unwrap_or_default();
                let known = self.parts.clusters.get(name).cloned().ok_or_else(|| {
                    format!("The cluster `{name}` is not in the configuration: give it in a table [sources.kafka.{name}].")
                })?;
                let servers = known.servers.clone();
                Ok((known, servers))
            }
        }
    }

    /// What the partitions of a mapping have in common.
    fn common(&self, work: &Work) -> Result<Common, String> {
        let mapping = &work.mapping;
        let (known, servers) = self.known(&mapping.source)?;
        let configuration = &mapping.configuration;
        refuse(configuration)?;
        let access = &configuration.source_access;
        let security = security(access, &known, (self.parts.secrets.as_ref(), &self.parts.trust))
            .map_err(|error| error.to_string())?;
        let filters = Filters::parse(&configuration.filters).map_err(|error| error.to_string())?;
        let joined = servers.join(",");
        let topic = configuration.topics.first().cloned().unwrap_or_default();
        let part = format!("{topic}-{}", i32::MAX);
        let place =
            event::Place { arn: mapping.source.arn(), servers: &joined, part: part.as_str() };
        let rules = rules_of(configuration, event::around_bytes(place));
        Ok(Common {
            work: work.clone(),
            cluster: Cluster { servers, security },
            topic,
            servers: joined,
            rules: Arc::new(rules),
            filters,
            queue: Arc::clone(&self.parts.queue),
            ahead: Arc::clone(&self.parts.ahead),
            time: Arc::clone(&self.parts.time),
            tasks: self.parts.tasks.clone(),
        })
    }
}

fn rules_of(configuration: &Configuration, around_bytes: usize) -> Rules {
    let mut rules = rules(configuration);
    rules.batch.bytes = rules.batch.bytes.saturating_sub(around_bytes);
    if configuration.on_failure.as_ref().is_some_and(|destination| !destination.is_empty()) {
        rules.retries_max.get_or_insert(RETRIES_BEFORE_DESTINATION);
    }
    rules
}

/// Refuses what is not built.
fn refuse(configuration: &Configuration) -> Result<(), String> {
    let kafka = configuration.kafka.as_ref();
    if kafka.is_some_and(|kafka| kafka.schema_registry.is_some()) {
        return Err("SchemaRegistryConfig is not supported by Hearth".to_owned());
    }
    let mode = kafka.and_then(|kafka| kafka.consumption_mode.as_deref());
    if mode.is_some_and(|mode| mode != "Stream") {
        return Err("Hearth reads Kafka in the ConsumptionMode Stream only".to_owned());
    }
    Ok(())
}

/// How the brokers of a mapping are talked to.
fn security(
    access: &[SourceAccess],
    known: &KnownCluster,
    (secrets, trust): (&Secrets, &Trust),
) -> Result<Security, AccessError> {
    let mut shown = None;
    for one in access {
        let mechanism = match one.kind.as_str() {
            "BASIC_AUTH" => Mechanism::Plain,
            "SASL_SCRAM_256_AUTH" => Mechanism::Scram(Hash::Sha256),
            "SASL_SCRAM_512_AUTH" => Mechanism::Scram(Hash::Sha512),
            kind if kind == AUTHORITY || IGNORED.contains(&kind) => continue,
            kind => return Err(AccessError::Unsupported(kind.to_owned())),
        };
        shown = Some((mechanism, one.uri.as_str()));
    }
    let sasl = match (shown, known.login.clone()) {
        (Some((mechanism, secret)), login) => match (secrets.login(secret), login) {
            (Ok(login), _) | (Err(_), Some(login)) => Some(Sasl { mechanism, login }),
            (Err(error), None) => return Err(error),
        },
        (None, Some(login)) => {
            let mechanism = match known.mechanism.as_deref() {
                Some("SCRAM-SHA-256") => Mechanism::Scram(Hash::Sha256),
                Some("SCRAM-SHA-512") => Mechanism::Scram(Hash::Sha512),
                Some(_) | None => Mechanism::Plain,
            };
            Some(Sasl { mechanism, login })
        }
        (None, None) => None,
    };
    let authority = match uri(access, AUTHORITY) {
        Some(secret) => {
            let text = secrets.value(secret, "certificate")?;
            let unusable =
                |_| AccessError::Incomplete { secret: secret.to_owned(), member: "certificate" };
            Some(trust.and_text(text).map_err(unusable)?)
        }
        None => None,
    };
    let is_tls = known.tls.unwrap_or_else(|| sasl.is_some() || authority.is_some());
    Ok(Security { tls: is_tls.then(|| authority.unwrap_or_else(|| trust.clone())), sasl })
}

#[async_trait]
impl Reader for KafkaReader {
    fn serves(&self, kind: SourceKind) -> bool {
        kind == SourceKind::SelfManagedKafka
            || (kind == SourceKind::ManagedKafka && !self.parts.clusters.is_empty())
    }

    async fn check(&self, source: &Source, _timeout_seconds: u32) -> Result<(), String> {
        // Whether the rest is right (the secret, the topic) is said as the result of reading, as AWS
        // does.
        self.known(source).map(drop)
    }

    async fn read(&self, work: Work) -> Ended {
        if let Err(why) = self.known(&work.mapping.source) {
            return Ended::Unreadable(why);
        }
        let stop = work.stop.clone();
        let common = match self.common(&work) {
            Ok(common) => Arc::new(common),
            Err(why) => {
                // Nothing will be other than it is until the mapping is changed.
                work.progress.went_wrong(NOT_CONNECTED, &why, self.parts.time.of_day());
                stop.stopped().await;
                return Ended::Stopped;
            }
        };
        // It goes on behind this until batches that run are done, and leaves the group then.
        let (alive, mut ended) = mpsc::channel::<()>(1);
        self.parts.tasks.spawn("a consumer group", async move {
            let alive = alive;
            Box::pin(Group { common, id: String::new(), setbacks: 0 }.run()).await;
            drop(alive);
        });
        tokio::select! {
            () = stop.stopped() => Ended::Stopped,
            _gone = ended.recv() => Ended::Stopped,
        }
    }
}

/// A mapping's place in its consumer group.
struct Group {
    common: Arc<Common>,
    /// Who it is in the group, once it was.
    id: String,
    setbacks: u32,
}

/// Why a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is time to stop.
    Stopped,
    /// The partitions are shared out anew.
    Rebalance,
    /// The group has given it up.
    Lost,
}

impl Group {
    async fn run(mut self) {
        let common = Arc::clone(&self.common);
        let stop = &common.work.stop;
        let group = group_id(&common.work.mapping);
        while !stop.is_stopped() {
            let names = (group.as_str(), common.topic.as_str());
            let joining = Session::join(&common.cluster, names, &mut self.id);
            let joined = tokio::select! {
                () = stop.stopped() => break,
                joined = Box::pin(joining) => joined,
            };
            match joined {
                Ok(session) => {
                    self.setbacks = 0;
                    match self.hold(Arc::new(session)).await {
                        Why::Stopped => return,
                        Why::Rebalance => {}
                        Why::Lost => self.id.clear(),
                    }
                }
                Err(fault) => self.wait_after(&fault, stop).await,
            }
        }
        // It was told to stop between two sessions: the group may be waiting for it. One that cannot
        // be told finds out.
        if !self.id.is_empty() {
            let leaving = Box::pin(group::leave(&common.cluster, &group, &self.id));
            let longest = Duration::from_millis(limits::KAFKA_HEARTBEAT_MILLIS);
            let left = tokio::time::timeout(longest, leaving).await;
            tracing::debug!(group, ?left, "a group was left while it was being joined");
        }
    }

    async fn wait_after(&mut self, fault: &Fault, stop: &Stop) {
        // That others come or go while it joins is nobody's problem.
        if *fault != Fault::Code(group::REBALANCING) {
            let (progress, at) = (&self.common.work.progress, self.common.time.of_day());
            progress.went_wrong(NOT_CONNECTED, &fault.to_string(), at);
        }
        let doubled = limits::SOURCE_RETRY_MILLIS_MIN << self.setbacks.min(16);
        self.setbacks = self.setbacks.saturating_add(1);
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(Duration::from_millis(doubled.min(limits::SOURCE_RETRY_MILLIS_MAX))) => {}
        }
    }

    /// Has the partitions of a session read until it ends, and all readers have.
    async fn hold(&self, session: Arc<Session>) -> Why {
        let common = &self.common;
        let (stopper, stop) = Stopper::new();
        let (alive, mut ended) = mpsc::channel::<()>(1);
        for (partition, committed) in session.partitions.iter().copied() {
            let reader = PartitionReader::new((common, &session), partition, stop.clone());
            let (alive, seat) = (alive.clone(), Seat(Arc::clone(&session)));
            common.tasks.spawn("read a partition", async move {
                Box::pin(reader.read(committed)).await;
                drop(seat);
                drop(alive);
            });
        }
        // When this is gone as well, and all readers are, `ended` says so.
        let mut alive = Some(alive);
        let mut why = None;
        let beat = Duration::from_millis(limits::KAFKA_HEARTBEAT_MILLIS);
        let mut look_at = Instant::now() + Duration::from_secs(limits::KAFKA_LOOK_SECONDS);
        loop {
            let mut found = tokio::select! {
                () = common.work.stop.stopped(), if why != Some(Why::Stopped) => Some(Why::Stopped),
                _none = ended.recv(), if alive.is_none() => break,
                () = tokio::time::sleep(beat) => match session.pulse(&common.cluster).await {
                    Pulse::Steady => None,
                    Pulse::Rebalance => Some(Why::Rebalance),
                    Pulse::Lost => Some(Why::Lost),
                },
                () = session.lost(), if why != Some(Why::Lost) => Some(Why::Lost),
            };
            if found.is_none() && why.is_none() && Instant::now() >= look_at {
                look_at = Instant::now() + Duration::from_secs(limits::KAFKA_LOOK_SECONDS);
                found = session.is_outgrown(&common.topic).await.then_some(Why::Rebalance);
            }
            if let Some(found) = found {
                stopper.stop();
                alive = None;
                // That it is to stop is not forgotten for anything else.
                why = if why == Some(Why::Stopped) { why } else { Some(found) };
                if session.is_lost() {
                    break;
                }
            }
        }
        let why = why.unwrap_or(Why::Lost);
        if why == Why::Stopped && !session.is_lost() {
            session.leave().await;
        }
        why
    }
}

/// A reader at its partition. If it panics, nobody would read the partition for as long as this is a
/// member: it joins anew, which takes until the group has found out that the old member is gone.
struct Seat(Arc<Session>);

impl Drop for Seat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.give_up();
        }
    }
}

/// The consumer group of a mapping.
fn group_id(mapping: &Mapping) -> String {
    let kafka = mapping.configuration.kafka.as_ref();
    let given = kafka.map(|kafka| kafka.consumer_group_id.clone()).filter(|id| !id.is_empty());
    given.unwrap_or_else(|| mapping.id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Secret;

    fn access(pairs: &[(&str, &str)]) -> Vec<SourceAccess> {
        let access = |(kind, uri): &(&str, &str)| SourceAccess {
            kind: (*kind).to_owned(),
            uri: (*uri).to_owned(),
        };
        pairs.iter().map(access).collect()
    }

    fn secrets() -> Secrets {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let whole = Secret([pair("username", "u"), pair("password", "p")].into());
        Secrets([("s".to_owned(), whole)].into())
    }

    fn login(user: &str) -> Login {
        Login { user: user.to_owned(), password: "p".to_owned() }
    }

    #[test]
    fn nothing_is_run_for_ever_where_somebody_gets_what_is_given_up() {
        #[rustfmt::skip]
        let rows = [
            (None,                  None,                           None),
            (None,                  Some(-1),                       None),
            (None,                  Some(3),                        Some(3)),
            (Some("kafka://failed"), None,                          Some(10)),
            (Some("kafka://failed"), Some(-1),                      Some(10)),
            (Some("arn:aws:sqs:us-east-1:000000000000:q"), Some(-1), Some(10)),
            (Some("arn:aws:s3:::failed"), Some(100),                Some(100)),
            (Some("arn:aws:s3:::failed"), Some(0),                  Some(0)),
        ];
        for (destination, given, expected) in rows {
            let configuration = Configuration {
                on_failure: destination.map(str::to_owned),
                retry_attempts_max: given,
                ..Configuration::default()
            };
            let found = rules_of(&configuration, 0).retries_max;
            assert_eq!(found, expected, "{destination:?}, {given:?}");
        }
    }

    #[test]
    fn what_the_mapping_says_comes_first_and_tls_goes_with_it() {
        let own = KnownCluster { login: Some(login("own")), ..KnownCluster::default() };
        let open = KnownCluster { tls: Some(false), ..KnownCluster::default() };
        let none = KnownCluster::default();
        let scram = Mechanism::Scram(Hash::Sha512);
        #[rustfmt::skip]
        let rows: [(&[(&str, &str)], &KnownCluster, Option<(Mechanism, &str)>, bool); 6] = [
            (&[("VPC_SUBNET", "x")],                              &none, None,                            false),
            (&[("BASIC_AUTH", "s")],                              &none, Some((Mechanism::Plain, "u")),   true),
            (&[("BASIC_AUTH", "s")],                              &open, Some((Mechanism::Plain, "u")),   false),
            (&[("VPC_SUBNET", "x"), ("SASL_SCRAM_512_AUTH", "s")], &own, Some((scram, "u")),              true),
            (&[("SASL_SCRAM_512_AUTH", "missing")],               &own,  Some((scram, "own")),            true),
            (&[],                                                 &own,  Some((Mechanism::Plain, "own")), true),
        ];
        for (given, known, sasl, is_tls) in rows {
            let trust = Trust::default();
            let found = security(&access(given), known, (&secrets(), &trust)).unwrap();
            let shown = found.sasl.as_ref().map(|sasl| (sasl.mechanism, sasl.login.user.as_str()));
            assert_eq!((shown, found.tls.is_some()), (sasl, is_tls), "{given:?}");
        }
        let refused = |given: &[(&str, &str)]| {
            security(&access(given), &none, (&secrets(), &Trust::default())).unwrap_err()
        };
        assert!(matches!(refused(&[("BASIC_AUTH", "missing")]), AccessError::Unknown(_)));
        assert!(matches!(refused(&[("IAM_AUTH", "x")]), AccessError::Unsupported(_)));
        assert!(matches!(refused(&[(AUTHORITY, "s")]), AccessError::Incomplete { .. }));
    }
}
