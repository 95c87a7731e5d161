//! Opens the embedded event services: queues, topics, event buses, schedules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use hearth_services::buses::{self, Buses};
use hearth_services::queues::{self, Queues};
use hearth_services::schedules::timed::Changes;
use hearth_services::schedules::{self, Schedules};
use hearth_services::topics::{TopicParts, Topics};
use hearth_store::queue::Queue;
use hearth_store::records::Records;
use hearth_types::metrics::Metrics;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::Clock;

use crate::targets::Targets;

/// The event services of this server.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) queues: Arc<Queues>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) buses: Arc<Buses>,
    pub(crate) schedules: Arc<Schedules>,
    /// Where schedules, and rules that have one, say what has changed.
    pub(crate) changes: Arc<Changes>,
    /// What this server is called in a queue that it may share.
    pub(crate) server: String,
}

/// What they are made of.
pub(crate) struct Parts<'a> {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) queue: &'a Arc<dyn Queue>,
    pub(crate) metrics: &'a Arc<dyn Metrics>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) time: &'a Arc<Steady>,
    pub(crate) tasks: &'a Tasks,
    /// Where the key is kept that notifications are signed with.
    pub(crate) topics: PathBuf,
    /// Where this server listens.
    pub(crate) address: SocketAddr,
}

impl Services {
    pub(crate) async fn open(parts: Parts<'_>) -> anyhow::Result<Self> {
        let Parts { records, queue, metrics, clock, time, tasks, topics, address } = parts;
        let queues = Queues::open(queues::Parts {
            records: Arc::clone(&records),
            engine: Arc::clone(queue),
            clock: Arc::clone(time) as _,
            metrics: Arc::clone(metrics),
            tasks: tasks.clone(),
        });
        let topics = Topics::open(TopicParts {
            records: Arc::clone(&records),
            queue: Arc::clone(queue),
            metrics: Arc::clone(metrics),
            clock: Arc::clone(clock),
            directory: topics,
            endpoint: own_endpoint(address),
        });
        let changes = Arc::new(Changes::default());
        let schedules = Schedules::open(schedules::Parts {
            records: Arc::clone(&records),
            changes: Arc::clone(&changes),
            clock: Arc::clone(clock),
            tasks: tasks.clone(),
        });
        let server = schedules::server_id(&records).await;
        let buses = Buses::open(buses::Parts {
            records,
            queue: Arc::clone(queue),
            changes: Arc::clone(&changes),
            clock: Arc::clone(clock),
            metrics: Arc::clone(metrics),
        });
        Ok(Self {
            queues: queues.await.context("could not open the queues")?,
            topics: Arc::new(topics.await.context("could not open the topics")?),
            buses: Arc::new(buses.await.context("could not open the event buses")?),
            schedules: schedules.await.context("could not open the schedules")?,
            changes,
            server: server.context("could not name this server")?,
        })
    }

    /// Those who take what is delivered.
    pub(crate) fn targets(&self) -> Targets {
        Targets {
            queues: Arc::clone(&self.queues) as _,
            topics: Arc::clone(&self.topics) as _,
            buses: Arc::clone(&self.buses) as _,
        }
    }
}

/// How this server is reached from its own host: what messages link to.
fn own_endpoint(mut address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    address.set_ip(ip);
    format!("http://{address}")
}
