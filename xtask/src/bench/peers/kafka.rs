//! Apache Kafka: one broker in KRaft mode, from Maven Central, with a client in Python that writes.
//!
//! The broker of a run has a directory and ports of its own, and listens on this machine only.
//!
//! # Promises
//!
//! The broker ends with the handle.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::bench::hearth::end_of;
use crate::bench::process::{Process, output_of};
use crate::bench::tools::Tools;
use crate::now;

/// Any will do, in this form.
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const START_MAX: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Writes so many records, evenly into all partitions. They have no keys.
const FILL: &str = r#"
import sys

from kafka import KafkaProducer

server, topic, partitions, records, size = sys.argv[1:]
producer = KafkaProducer(bootstrap_servers=server, linger_ms=20, batch_size=131072, acks="all")
value = b"x" * int(size)
for number in range(int(records)):
    producer.send(topic, value=value, partition=number % int(partitions))
producer.flush()
producer.close()
"#;

/// Whether the broker answers.
const PING: &str = r#"
import sys

from kafka.admin import KafkaAdminClient

KafkaAdminClient(bootstrap_servers=sys.argv[1]).list_topics()
"#;

/// A topic, and what is in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) partitions: usize,
    pub(crate) records: u64,
    pub(crate) record_bytes: usize,
}

/// A running broker.
#[derive(Debug)]
pub(crate) struct Broker {
    // Dropped in this order: the broker uses the directory to the end.
    _server: Process,
    _data: TempDir,
    /// `host:port`.
    pub(crate) address: String,
}

impl Broker {
    /// Starts one, where new topics have so many partitions.
    pub(crate) fn start(tools: &Tools, partitions: usize) -> anyhow::Result<Self> {
        output_of(Command::new("java").arg("-version"))
            .context("Java is needed: apt-get install default-jre-headless maven")?;
        let archives = tools.kafka()?.join("lib/*");
        let data = TempDir::with_prefix("hearth-bench-kafka-");
        let data = data.context("could not make a directory")?;
        let (broker, controller) = free_ports()?;
        let text = properties(data.path(), (broker, controller), partitions);
        fs::write(data.path().join("server.properties"), text)
            .context("could not configure the broker")?;
        let java = |class: &str| {
            let mut command = Command::new("java");
            command.current_dir(data.path()).args(["-Xmx512m", "-cp"]).arg(&archives).arg(class);
            command
        };
        let mut format = java("kafka.tools.StorageTool");
        output_of(format.args(["format", "--cluster-id", CLUSTER, "-c", "server.properties"]))?;
        let log = tools.directory.join("kafka.log");
        let output = File::create(&log).context("could not make the broker's log")?;
        let errors = output.try_clone().context("could not make the broker's log")?;
        let mut command = java("kafka.Kafka");
        command.arg("server.properties").stdin(Stdio::null()).stdout(output).stderr(errors);
        let server = Process::start(&mut command)?;
        let address = broker.to_string();
        let start = now();
        while start.elapsed() < START_MAX {
            if output_of(client(tools, PING)?.arg(&address)).is_ok() {
                return Ok(Self { _server: server, _data: data, address });
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!("Kafka did not start; it said:\n{}", end_of(&log))
    }

    /// Fills a topic, which is made by it.
    pub(crate) fn fill(&self, tools: &Tools, topic: Topic) -> anyhow::Result<()> {
        let Topic { name, partitions, records, record_bytes } = topic;
        let mut fill = client(tools, FILL)?;
        fill.args([self.address.as_str(), name, &partitions.to_string()]);
        fill.args([records.to_string(), record_bytes.to_string()]);
        output_of(&mut fill).map(drop).context("could not fill a topic")
    }
}

fn client(tools: &Tools, script: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(&tools.python.program);
    command.env("PYTHONPATH", tools.kafka_client()?).args(["-c", script]);
    Ok(command)
}

fn properties(
    data: &Path,
    (broker, controller): (SocketAddr, SocketAddr),
    partitions: usize,
) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@{controller}\n\
         listeners=PLAINTEXT://{broker},CONTROLLER://{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         log.dirs={}\n\
         num.partitions={partitions}\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         group.initial.rebalance.delay.ms=0\n",
        data.join("data").display()
    )
}

/// Two ports that nobody uses now.
fn free_ports() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let open = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port");
    // Both at a time, so that they differ.
    let listeners = (open()?, open()?);
    let address = |one: &TcpListener| one.local_addr().context("a port has no address");
    Ok((address(&listeners.0)?, address(&listeners.1)?))
}
