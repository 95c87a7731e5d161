//! RabbitMQ, as Debian packages it: persistent messages to a durable queue, each confirmed to its
//! publisher when it is on the disk.
//!
//! The broker of a run has a directory, ports and a name of its own, and listens on this machine
//! only. One that runs as a service is left alone.
//!
//! # Promises
//!
//! The broker and the name server that it needs end with the handle.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use super::amqp::{Extent, Publisher};
use crate::bench::hearth::end_of;
use crate::bench::later;
use crate::bench::process::Process;
use crate::bench::stats::Summary;
use crate::bench::tools::Tools;
use crate::now;

/// Without the wrapper in `/usr/sbin`, which becomes another user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const QUEUE: &str = "bench";
const START_MAX: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// For how long messages are sent before they count.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long a round lasts.
const ROUND: Duration = crate::bench::fixtures::ROUND;

/// A running broker.
#[derive(Debug)]
pub(crate) struct Broker {
    // Dropped in this order: the name server is needed to the end, and the directory by both.
    _server: Process,
    _names: Process,
    _data: TempDir,
    address: SocketAddr,
}

impl Broker {
    pub(crate) fn start(tools: &Tools) -> anyhow::Result<Self> {
        ensure!(
            Path::new(SERVER).exists(),
            "RabbitMQ is needed: apt-get install --no-install-recommends rabbitmq-server"
        );
        let data = TempDir::with_prefix("hearth-bench-rabbitmq-");
        let data = data.context("could not make a directory")?;
        let [port, distribution, names_port] = free_ports()?;
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1", "-port", &names_port.to_string()]);
        let names = Process::start(epmd.stdin(Stdio::null()).stdout(Stdio::null()))?;
        wait_for(names_port, "the name server of Erlang").context("epmd")?;

        let log = tools.directory.join("rabbitmq.log");
        let output = File::create(&log).context("could not make the broker's log")?;
        let errors = output.try_clone().context("could not make the broker's log")?;
        let mut command = command(data.path(), (port, distribution, names_port))?;
        let server = Process::start(command.stdin(Stdio::null()).stdout(output).stderr(errors))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let broker = Self { _server: server, _names: names, _data: data, address };
        let start = now();
        while start.elapsed() < START_MAX {
            if Publisher::open(address, QUEUE).is_ok() {
                return Ok(broker);
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!("RabbitMQ did not start; it said:\n{}", end_of(&log))
    }

    /// One round: so many connections, each with so many messages under way.
    pub(crate) fn load(&self, connections: usize, under_way: usize) -> anyhow::Result<Summary> {
        // As many messages as the last round left would make this one another.
        Publisher::open(self.address, QUEUE)?.purge()?;
        let start = Barrier::new(connections);
        let shares: Vec<anyhow::Result<Vec<Duration>>> = thread::scope(|scope| {
            let one = || self.one_connection(&start, under_way);
            let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
            let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ends.map(|end| end.ok().context("our own thread failed")?).collect()
        });
        let mut latencies = Vec::new();
        for share in shares {
            latencies.extend(share?);
        }
        Ok(Summary::of(latencies, ROUND, 0))
    }

    fn one_connection(&self, start: &Barrier, under_way: usize) -> anyhow::Result<Vec<Duration>> {
        let publisher = Publisher::open(self.address, QUEUE);
        // Also without a connection, or the others would wait for ever.
        start.wait();
        let mut publisher = publisher?;
        let (mut latencies, mut sent) = (Vec::new(), VecDeque::<(u64, Instant)>::new());
        let (begin, mut number) = (now(), 0);
        while begin.elapsed() < WARM_UP + ROUND {
            while sent.len() < under_way {
                number += 1;
                publisher.publish(later::body(number).as_bytes())?;
                sent.push_back((number, now()));
            }
            publisher.flush()?;
            let confirmed = publisher.confirmed()?;
            let counts = begin.elapsed() >= WARM_UP;
            let is_meant = |of: u64| match confirmed.extent {
                Extent::One => of == confirmed.number,
                Extent::AllUpTo => of <= confirmed.number,
            };
            sent.retain(|(of, at)| {
                let meant = is_meant(*of);
                if meant && counts {
                    latencies.push(at.elapsed());
                }
                !meant
            });
        }
        Ok(latencies)
    }
}

/// Three ports that nobody uses now.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    let open = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port");
    // All at a time, so that they differ.
    let listeners = [open()?, open()?, open()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().context("a port has no address")?.port();
    }
    Ok(ports)
}

fn wait_for(port: u16, who: &str) -> anyhow::Result<()> {
    let start = now();
    while start.elapsed() < START_MAX {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        thread::sleep(LOOK_AGAIN);
    }
    bail!("{who} did not start")
}

/// The broker, with everything that it reads and writes in one directory.
fn command(data: &Path, (port, distribution, names): (u16, u16, u16)) -> anyhow::Result<Command> {
    let files = [("rabbitmq.conf", ""), ("enabled_plugins", "[].\n")];
    for (name, content) in files {
        fs::write(data.join(name), content).context("could not configure the broker")?;
    }
    let mut command = Command::new(SERVER);
    command
        .current_dir(data)
        .env("HOME", data)
        .env("RABBITMQ_NODENAME", "hearth-bench@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", data.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", data.join("log"))
        .env("RABBITMQ_PID_FILE", data.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", data.join("rabbitmq.conf"))
        .env("RABBITMQ_CONF_ENV_FILE", data.join("rabbitmq-env.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", data.join("enabled_plugins"))
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", names.to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
    Ok(command)
}
