//! Puts together what reads event sources.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_control::control::Control;
use hearth_invoke::Invoker;
use hearth_services::queues::Queues;
use hearth_services::remote::queues::RemoteQueues;
use hearth_services::remote::tls::Trust;
use hearth_sources::access::{Login, Secret, Secrets};
use hearth_sources::ahead::Ahead;
use hearth_sources::dynamodb::DynamoDb;
use hearth_sources::kafka::{self, KafkaReader, KnownCluster};
use hearth_sources::kinesis::Kinesis;
use hearth_sources::lease::Leases;
use hearth_sources::progress::Book;
use hearth_sources::queue::QueueReader;
use hearth_sources::queue::source::{EmbeddedQueues, QueueSource, RemoteSource};
use hearth_sources::rabbit::{Broker, RabbitReader};
use hearth_sources::reader::Reader;
use hearth_sources::shard::streams::{self, OpenStream, Streams};
use hearth_sources::{Board, Parts, Sources};
use hearth_store::queue::Queue;
use hearth_types::limits;
use hearth_types::metrics::Metrics;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::Clock;

use crate::config::{Config, Kind};
use crate::services::Services;

/// What reads event sources, before anything is read.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    /// For the control plane.
    pub(crate) board: Arc<Board>,
    /// For whoever shows what was done.
    pub(crate) book: Arc<Book>,
    streams: Arc<Streams>,
    kinesis: Arc<Kinesis>,
    tasks: Tasks,
}

impl Readers {
    /// Those for the sources that there are.
    pub(crate) async fn new(
        (config, trust): (&Config, &Trust),
        services: &Services,
        (queue, time, metrics): (&Arc<dyn Queue>, &Arc<Steady>, &Arc<dyn Metrics>),
        (clock, tasks): (&Arc<dyn Clock>, &Tasks),
    ) -> anyhow::Result<Self> {
        let source = queue_source(config, trust, &services.queues)?;
        let kinesis = Kinesis::new(Arc::clone(&services.streams));
        let mut families = tables(config, trust)?;
        families.push(Arc::clone(&kinesis) as _);
        let ahead = Ahead::new(limits::SOURCES_WAITING_BYTES_MAX);
        let leases = Leases::open(Arc::clone(queue), Arc::clone(time)).await;
        let streams = Streams::new(streams::Parts {
            streams: families,
            leases: Arc::new(leases.context("could not look after the shards of streams")?),
            ahead: Arc::clone(&ahead),
            time: Arc::clone(time),
            tasks: tasks.clone(),
        });
        let queues = QueueReader::new(source, Arc::clone(clock), tasks.clone(), Arc::clone(&ahead));
        let secrets = Arc::new(secrets(config));
        let topics = KafkaReader::new(kafka::Parts {
            clusters: clusters(config),
            secrets: Arc::clone(&secrets),
            trust: trust.clone(),
            queue: Arc::clone(queue),
            ahead,
            time: Arc::clone(time),
            tasks: tasks.clone(),
        });
        let brokers = RabbitReader::new(brokers(config), secrets, trust.clone(), Arc::clone(clock));
        let readers: Vec<Arc<dyn Reader>> =
            vec![Arc::new(queues), Arc::clone(&streams) as _, Arc::new(brokers), Arc::new(topics)];
        let book = Arc::new(Book::new(Arc::clone(metrics)));
        Ok(Self { board: Board::new(readers), book, streams, kinesis, tasks: tasks.clone() })
    }

    /// Begins to read.
    ///
    /// # Errors
    ///
    /// If the checkpoints of streams cannot be looked at.
    pub(crate) async fn start(
        self,
        control: &Arc<Control>,
        invoker: &Arc<Invoker>,
    ) -> anyhow::Result<Sources> {
        self.kinesis.attend(control);
        let attended = self.streams.attend(control).await;
        attended.context("could not look at the checkpoints of streams")?;
        Ok(Sources::start(Parts {
            control: Arc::clone(control),
            board: self.board,
            functions: Arc::new(Arc::clone(invoker)),
            book: self.book,
            tasks: self.tasks,
        }))
    }
}

/// Where the streams of tables are, if they are anywhere.
fn tables(config: &Config, trust: &Trust) -> anyhow::Result<Vec<Arc<dyn OpenStream>>> {
    let endpoint = config.sources_dynamodb_endpoint.as_str();
    if endpoint.is_empty() {
        return Ok(Vec::new());
    }
    let secret = config.sources_dynamodb_secret_access_key.0.as_str();
    let keys = (config.sources_dynamodb_access_key_id.as_str(), secret);
    let tables = DynamoDb::new(endpoint, keys, trust);
    let tables = tables.context("`sources_dynamodb_endpoint` cannot be used")?;
    Ok(vec![Arc::new(tables)])
}

/// What the configuration has in place of AWS Secrets Manager.
fn secrets(config: &Config) -> Secrets {
    let all = config.named.of(Kind::Secret);
    Secrets(all.map(|(name, values)| (name.to_owned(), Secret(values.clone()))).collect())
}

/// The brokers of RabbitMQ that there are.
fn brokers(config: &Config) -> BTreeMap<String, Broker> {
    let broker = |(name, values): (&str, &BTreeMap<String, String>)| {
        let endpoint = values.get("endpoint").cloned().unwrap_or_default();
        (name.to_owned(), Broker { endpoint, login: login(values) })
    };
    config.named.of(Kind::Broker).map(broker).collect()
}

/// The clusters of Kafka that have a name.
fn clusters(config: &Config) -> BTreeMap<String, KnownCluster> {
    let cluster = |(name, values): (&str, &BTreeMap<String, String>)| {
        let servers = values.get("servers").map(String::as_str).unwrap_or_default();
        let servers = servers.split(',').map(str::trim).filter(|server| !server.is_empty());
        let known = KnownCluster {
            servers: servers.map(str::to_owned).collect(),
            login: login(values),
            mechanism: values.get("mechanism").cloned(),
            tls: values.get("tls").map(|text| text == "true"),
        };
        (name.to_owned(), known)
    };
    config.named.of(Kind::Cluster).map(cluster).collect()
}

/// The user and the password of something with a name, if it has both.
fn login(values: &BTreeMap<String, String>) -> Option<Login> {
    let (user, password) = (values.get("user")?.clone(), values.get("password")?.clone());
    Some(Login { user, password })
}

/// Our own queues, or those that the configuration names in their place. Whoever reads them has
/// connections of its own, so that waiting for messages does not hold up those that are sent.
fn queue_source(
    config: &Config,
    trust: &Trust,
    own: &Arc<Queues>,
) -> anyhow::Result<Arc<dyn QueueSource>> {
    if config.sqs_endpoint.is_empty() {
        return Ok(Arc::new(EmbeddedQueues(Arc::clone(own))));
    }
    let secret = config.endpoints_secret_access_key.0.as_str();
    let keys = (config.endpoints_access_key_id.as_str(), secret);
    let remote = RemoteQueues::new(&config.sqs_endpoint, keys, trust);
    let remote = remote.context("`sqs_endpoint` cannot be used")?;
    Ok(Arc::new(RemoteSource(Arc::new(remote))))
}
