//! Puts a server together and takes it apart again.
//!
//! The order matters: ports are bound before any work; what a killed server left is swept before
//! anything new is made; and on the way down the door is closed first, then functions finish, then
//! what they wrote is flushed, then the launcher ends.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hearth_control::concurrency::Provisioner;
use hearth_control::control::{Control, Parts, TargetWatcher};
use hearth_control::mapping::Pollers;
use hearth_environment::driver::Shared;
use hearth_events::Events;
use hearth_front::body::BodyRoom;
use hearth_front::elsewhere::Elsewhere;
use hearth_front::front::{Destinations, Front, InsideGateway};
use hearth_front::metrics::MetricsPage;
use hearth_front::server::Admission;
use hearth_iam::Iam;
use hearth_invoke::{Invoker, Parts as InvokerParts, admission};
use hearth_isolation::cgroups::Hierarchies;
use hearth_isolation::host::{self, Host};
use hearth_isolation::launcher::Configuration;
use hearth_isolation::sandbox::Sandbox;
use hearth_isolation::shells::ShellCounts;
use hearth_isolation::sweep;
use hearth_runtimes::Runtimes;
use hearth_scheduler::core::{Commitment, Limits};
use hearth_scheduler::driver::Scheduler;
use hearth_scheduler::keep;
use hearth_services::buckets::Buckets;
use hearth_services::objects::ObjectSource;
use hearth_services::remote::buckets::RemoteBuckets;
use hearth_services::remote::tls::Trust;
use hearth_services::streams::WriteLimits;
use hearth_services::targets::PutObject;
use hearth_sources::Sources;
use hearth_store::packages::Packages;
use hearth_store::queue::Queue;
use hearth_store::sqlite::Sqlite;
use hearth_telemetry::metrics::Registry;
use hearth_telemetry::{LogLimits, LogStore};
use hearth_types::bucket::Rate;
use hearth_types::function::Target;
use hearth_types::ids::{RequestId, TargetId};
use hearth_types::limits;
use hearth_types::metrics::Metrics;
use hearth_types::names::Scope;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, SystemClock};
use rustix::fs::FlockOperation;
use tokio::sync::watch;

use crate::config::{Config, Keep, MemoryCommitment};
use crate::doors::Doors;
use crate::events;
use crate::host_files::Descriptors;
use crate::host_memory::Memory;
use crate::host_processes::Processes;
use crate::queue::{open_queue, queue_time};
use crate::services::{self, Services};
use crate::sites::{self, OpenApis};
use crate::sources::Readers;
use crate::targets::{self, Remotes, Targets};

/// Where code inside an environment finds this server.
const ENDPOINT_INSIDE: &str = "http://169.254.100.1:4566";

/// How many environments start at a time on each processor. Fewer leave it idle while one of them
/// waits; more make each slower, and the first one ready may serve those who wait for the others.
const STARTS_PER_PROCESSOR: usize = 4;
/// What a shell takes, without and with an interpreter of a few runtimes.
const SHELL_MB: usize = 8;
const WARM_SHELL_MB: usize = 64;
/// What an account without a limit shows as its limit: the most that AWS's wire can carry.
const CONCURRENCY_UNLIMITED: u32 = i32::MAX.cast_unsigned();

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    /// Where only sites are served, if there is such a place.
    http: Option<String>,
    admission: watch::Sender<Admission>,
    working: Working,
    front: Arc<Front>,
    sandbox: Arc<Sandbox>,
    store: Sqlite,
    queue: Arc<dyn Queue>,
    /// Connections and environments.
    tasks: Tasks,
    drain: Duration,
    run: PathBuf,
    /// Kept by being open: one server per data directory.
    _lock: fs::File,
}

/// What works by itself: nobody asks for it at that moment.
#[derive(Debug)]
struct Working {
    /// Event source mappings.
    sources: Sources,
    /// Asynchronous invocations and deliveries.
    events: Events,
}

impl Working {
    async fn start(
        config: &Config,
        front: &Front,
        (targets, readers): ((Targets, &Services, Arc<dyn PutObject>, Trust), Readers),
        shared: (&Arc<dyn Queue>, &Arc<Steady>, &Arc<dyn Metrics>),
    ) -> anyhow::Result<Self> {
        let events = start_events(config, front, targets, shared);
        let sources = readers.start(&front.control, &front.invoker).await?;
        Ok(Self { sources, events })
    }

    /// Takes nothing new. What has been taken ends with the scheduler, and the rest stays where it is.
    fn close(&self) {
        self.sources.close();
        self.events.close();
    }
}

/// Starts a server. When this returns it answers.
pub(crate) async fn start(config: &Config) -> anyhow::Result<Server> {
    let (elsewhere, trust, remotes) = others(config)?;
    let Base { descriptors, doors, address, directories, lock, host } = Base::take(config).await?;
    let (tasks, clock) = (Tasks::default(), Arc::new(SystemClock) as Arc<dyn Clock>);
    let sandbox = start_sandbox(config, &directories, &host, &tasks).await?;
    let (registry, metrics) = figures();
    let stores = Stores::open(config, &directories, (&clock, &trust, &tasks)).await?;
    let services = stores.services(config, (&directories, address), (&metrics, &clock, &tasks));
    let (services, queue, time) = (services.await?, &stores.queue, &stores.time);
    let targets = remotes.over(services.targets());

    let gateway = Arc::new(InsideGateway::default());
    let shared = shared(config, (&sandbox, &stores.logs), &gateway, (&clock, &tasks));
    let scheduler = start_scheduler(config, &host, (shared, descriptors));
    let later = (queue, time, &metrics);
    let readers = Readers::new((config, &trust), &services, later, (&clock, &tasks)).await?;
    let control = open_control(config, &tasks, (&scheduler, &readers), &stores).await?;
    let invoker = invoker(config, (&control, &scheduler), later);
    let (admission, admitted) = watch::channel(Admission::Open);
    let started = (&control, &invoker);
    let balancers = sites::balancers((&stores.store, &admitted), started, (&clock, &tasks)).await?;
    let sockets = sites::sockets(started, &stores.apis, descriptors.sockets());
    let front = Arc::new(Front {
        sites: sites::sites(started, (&stores.apis, &trust), (&balancers, &sockets)),
        invoker: Arc::clone(&invoker),
        scheduler: Arc::clone(&scheduler),
        control,
        iam: stores.iam,
        apis: stores.apis.http,
        rest_apis: stores.apis.rest,
        balancers,
        sockets,
        objects: stores.objects.source,
        buckets: stores.buckets,
        queues: Arc::clone(&services.queues),
        streams: Arc::clone(&services.streams),
        topics: Arc::clone(&services.topics),
        event_buses: Arc::clone(&services.buses),
        schedules: Arc::clone(&services.schedules),
        logs: stores.logs,
        metrics: MetricsPage::new(registry, Arc::clone(queue)),
        mappings: Arc::clone(&readers.book),
        runtimes: stores.runtimes,
        scope: Scope { account: config.account.clone(), region: config.region.clone() },
        elsewhere,
        targets: destinations(&targets),
        event_sources: config.s3_events.0.clone(),
        admission: admitted,
        tasks: tasks.clone(),
        connections_max: descriptors.connections() / doors.count(),
        body_room: BodyRoom::default(),
    });
    gateway.open(Arc::clone(&front));
    front.control.start_provisioned();
    let targets = (targets, &services, stores.objects.taker, trust);
    let working = Working::start(config, &front, (targets, readers), later).await?;
    Ok(Server {
        address,
        http: doors.open(&front),
        admission,
        working,
        front,
        sandbox,
        store: stores.store,
        queue: stores.queue,
        tasks,
        drain: Duration::from_secs(config.drain_seconds),
        run: directories.run,
        _lock: lock,
    })
}

/// What a server stands on: its ports, its files, and what this host can do.
struct Base {
    descriptors: Descriptors,
    doors: Doors,
    address: SocketAddr,
    directories: Directories,
    lock: fs::File,
    host: Host,
}

impl Base {
    /// Takes the ports first, so that nothing is done if another server has them.
    async fn take(config: &Config) -> anyhow::Result<Self> {
        let descriptors = prepare_process();
        let doors = Doors::bind(config).await?;
        let address = doors.address;
        let (directories, lock) = Directories::take(&config.data_dir)?;
        let host = examine(config, &directories.run)?;
        Ok(Self { descriptors, doors, address, directories, lock, host })
    }
}

impl Server {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new work, lets what runs finish within the limit, and leaves nothing behind.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("draining");
        let _ = self.admission.send(Admission::Draining);
        // What is in the queue stays there; what has been taken from it ends with the scheduler.
        self.working.close();
        self.front.queues.close();
        self.front.streams.close();
        // While functions can still run: they hear of the end of each connection.
        let goodbye = Duration::from_secs(limits::SOCKETS_CLOSE_SECONDS_MAX);
        self.front.sockets.close(goodbye.min(self.drain)).await;
        self.front.scheduler.close(self.drain).await;
        // Functions that have just ended may have put objects.
        self.front.buckets.close();
        let sandbox = Arc::clone(&self.sandbox);
        let run = self.run.clone();
        let ended = tokio::task::spawn_blocking(move || {
            sandbox.close();
            // Nothing is left if the launcher ended well.
            sweep_leftovers(&run);
        });
        ended.await.context("ending the launcher")?;
        // Answers are on their way out; a client that does not read them cannot hold us up.
        let grace = Duration::from_secs(limits::END_GRACE_SECONDS);
        if tokio::time::timeout(grace, self.tasks.finished()).await.is_err() {
            tracing::warn!(tasks = self.tasks.running(), "not everything ended in time");
        }
        let logs = Arc::clone(&self.front.logs);
        tokio::task::spawn_blocking(move || logs.close()).await.context("flushing the logs")?;
        self.front.buckets.finish().await;
        self.queue.close().await;
        self.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Settings of this process that no other part of it may change.
fn prepare_process() -> Descriptors {
    // The memory killer should take a function before it takes us; without privilege it may not.
    let _ = fs::write("/proc/self/oom_score_adj", "-900");
    hearth_isolation::linux::give_large_memory_back();
    Descriptors::raised()
}

/// Where figures are kept, and where they are counted.
fn figures() -> (Arc<Registry>, Arc<dyn Metrics>) {
    let registry = Arc::new(Registry::default());
    let metrics = Arc::clone(&registry) as Arc<dyn Metrics>;
    (registry, metrics)
}

/// Tells the scheduler what the control plane does not want any more.
#[derive(Debug)]
struct Watcher(Arc<Scheduler>);

impl TargetWatcher for Watcher {
    fn retired(&self, target: TargetId) {
        self.0.retire(target);
    }
}

/// Keeps environments ready for the control plane.
#[derive(Debug)]
struct Environments {
    scheduler: Arc<Scheduler>,
    runtimes: Arc<Runtimes>,
}

impl Provisioner for Environments {
    fn provision(&self, target: &Arc<Target>, environments: u32) {
        let environments = usize::try_from(environments).unwrap_or(usize::MAX);
        match self.runtimes.get(&target.runtime) {
            Some(runtime) => self.scheduler.provision(target, &runtime, environments),
            None => self.scheduler.unprovision(target.id),
        }
    }

    fn ready(&self, target: TargetId) -> u32 {
        u32::try_from(self.scheduler.ready(target)).unwrap_or(u32::MAX)
    }

    fn broken(&self, target: TargetId) -> bool {
        self.scheduler.broken(target)
    }
}

/// Everything that is kept, opened.
struct Stores {
    logs: Arc<LogStore>,
    store: Sqlite,
    queue: Arc<dyn Queue>,
    time: Arc<Steady>,
    packages: Arc<Packages>,
    runtimes: Arc<Runtimes>,
    iam: Arc<Iam>,
    apis: OpenApis,
    buckets: Arc<Buckets>,
    objects: Objects,
}

impl Stores {
    async fn open(
        config: &Config,
        directories: &Directories,
        (clock, trust, tasks): (&Arc<dyn Clock>, &Trust, &Tasks),
    ) -> anyhow::Result<Self> {
        let log_limits =
            LogLimits { group_bytes_max: config.log_group_bytes_max, ..LogLimits::default() };
        let logs = LogStore::open(directories.logs.clone(), log_limits, Arc::clone(clock));
        let store =
            Sqlite::open(&directories.database).await.context("could not open the store")?;
        let queue = open_queue(config, &directories.queue).await?;
        let time = queue_time(&*queue, clock).await?;
        let packages = Packages::open(directories.packages.clone());
        let runtimes = Runtimes::open(directories.runtimes.clone());
        let iam = Iam::open(Arc::new(store.clone()), Arc::clone(clock)).await;
        let apis = OpenApis::open(&store, clock, tasks).await?;
        let buckets = Buckets::open(directories.buckets.clone(), Arc::new(store.clone())).await;
        let buckets = Arc::new(buckets.context("could not open the buckets")?);
        Ok(Self {
            logs: logs.context("could not open the logs")?,
            store,
            time,
            queue,
            packages: Arc::new(packages.context("could not open the packages")?),
            runtimes: Arc::new(runtimes.context("could not open the runtimes")?),
            iam: Arc::new(iam.context("could not open the roles")?),
            apis,
            objects: Objects::of(config, &buckets, trust)?,
            buckets,
        })
    }

    /// The embedded event services. They keep a key in a directory, and link to an address.
    async fn services(
        &self,
        config: &Config,
        (directories, address): (&Directories, SocketAddr),
        (metrics, clock, tasks): (&Arc<dyn Metrics>, &Arc<dyn Clock>, &Tasks),
    ) -> anyhow::Result<Services> {
        self.buckets.start_notifying(Arc::clone(&self.queue), tasks);
        self.buckets.start_expiring(tasks);
        let parts = services::Parts {
            records: Arc::new(self.store.clone()),
            queue: &self.queue,
            metrics,
            clock,
            time: &self.time,
            tasks,
            topics: directories.topics.clone(),
            streams: directories.streams.clone(),
            limits: WriteLimits {
                records_per_second: config.kinesis_records_per_second,
                bytes_per_second: config.kinesis_bytes_per_second,
            },
            address,
        };
        Services::open(parts).await
    }
}

/// Whoever has the objects that others name by bucket and key: our own buckets, or other ones.
struct Objects {
    /// Hands out code.
    source: Arc<dyn ObjectSource>,
    /// Takes records of events.
    taker: Arc<dyn PutObject>,
}

impl Objects {
    fn of(config: &Config, own: &Arc<Buckets>, trust: &Trust) -> anyhow::Result<Self> {
        if config.s3_endpoint.is_empty() {
            return Ok(Self { source: Arc::clone(own) as _, taker: Arc::clone(own) as _ });
        }
        let keys = (config.s3_access_key_id.as_str(), config.s3_secret_access_key.0.as_str());
        let remote = RemoteBuckets::new(&config.s3_endpoint, keys, trust);
        let remote = Arc::new(remote.context("`s3_endpoint` cannot be used")?);
        Ok(Self { source: Arc::clone(&remote) as _, taker: remote as _ })
    }
}

/// Those who are told of what happens in buckets.
fn destinations(targets: &Targets) -> Destinations {
    Destinations { queues: Arc::clone(&targets.queues), topics: Arc::clone(&targets.topics) }
}

/// The services that are asked in place of our own queues, topics and buses: where they are, whom
/// this server trusts when it asks others, and how it asks these.
fn others(config: &Config) -> anyhow::Result<(Elsewhere, Trust, Remotes)> {
    let elsewhere = targets::elsewhere(config);
    let trust = trust(config)?;
    let secret = config.endpoints_secret_access_key.0.as_str();
    let keys = (config.endpoints_access_key_id.as_str(), secret);
    let remotes = Remotes::at(&elsewhere, keys, &trust)?;
    Ok((elsewhere, trust, remotes))
}

/// Whom this server trusts when it asks others over TLS.
fn trust(config: &Config) -> anyhow::Result<Trust> {
    if config.tls_ca_file.is_empty() {
        return Ok(Trust::default());
    }
    Trust::with_file(Path::new(&config.tls_ca_file)).context("`tls_ca_file` cannot be used")
}

/// What a data directory consists of.
struct Directories {
    run: PathBuf,
    logs: PathBuf,
    packages: PathBuf,
    buckets: PathBuf,
    topics: PathBuf,
    streams: PathBuf,
    runtimes: PathBuf,
    database: PathBuf,
    queue: PathBuf,
}

impl Directories {
    /// Those of this server alone, without what a killed one left.
    fn take(data: &Path) -> anyhow::Result<(Self, fs::File)> {
        let directories = Self::prepare(data)?;
        let lock = lock(&directories.run)?;
        sweep_leftovers(&directories.run);
        Ok((directories, lock))
    }

    fn prepare(data: &Path) -> anyhow::Result<Self> {
        let directories = Self {
            run: data.join("run"),
            logs: data.join("logs"),
            packages: data.join("packages"),
            buckets: data.join("buckets"),
            topics: data.join("topics"),
            streams: data.join("streams"),
            runtimes: runtimes_directory(data),
            database: data.join("hearth.db"),
            queue: data.join("queue.db"),
        };
        let made = [
            &directories.run,
            &directories.logs,
            &directories.packages,
            &directories.buckets,
            &directories.streams,
        ];
        // What is in there is everybody's code and variables, so it is for nobody else to read.
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for directory in made {
            builder
                .create(directory)
                .with_context(|| format!("could not make {}", directory.display()))?;
        }
        // SQLite gives its log the permissions of the file.
        for file in [&directories.database, &directories.queue] {
            let made = fs::File::options().create(true).append(true).mode(0o600).open(file);
            made.with_context(|| format!("could not make {}", file.display()))?;
        }
        Ok(directories)
    }
}

/// Where the runtimes of a data directory are.
pub(crate) fn runtimes_directory(data: &Path) -> PathBuf {
    data.join("runtimes")
}

fn lock(run: &Path) -> anyhow::Result<fs::File> {
    let path = run.join("lock");
    let file =
        fs::File::create(&path).with_context(|| format!("could not open {}", path.display()))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_held) => {
            bail!("another server uses this data directory; give this one its own with --data-dir")
        }
    }
}

fn sweep_leftovers(run: &Path) {
    for left in sweep::sweep(run) {
        tracing::warn!(left, "left over from a server that was killed, and still there");
    }
}

/// Finds out what this host enforces, makes our control groups, and refuses to go on with less
/// than is promised unless told.
fn examine(config: &Config, run: &Path) -> anyhow::Result<Host> {
    let host = host::examine();
    // The process id is for people. It does not do alone: servers in several containers may share
    // one hierarchy.
    let name = format!("hearth-{}-{}", std::process::id(), RequestId::random());
    // Written down before they are made, so that a kill in between leaves nothing unknown.
    let planned = host.hierarchies.planned(&name);
    sweep::remember(run, &planned).context("could not note the cgroups")?;
    let host = host.prepare(&name);
    let refused = refusal(config, &host);
    if refused.is_some() {
        sweep_leftovers(run);
    }
    refused.map_or(Ok(host), |why| bail!(why))
}

/// Why the server does not start on this host, if it does not.
fn refusal(config: &Config, host: &Host) -> Option<String> {
    if host.weaknesses.is_empty() {
        return None;
    }
    let list: Vec<String> =
        host.weaknesses.iter().map(|weakness| format!("  - {weakness}")).collect();
    let list = list.join("\n");
    if !host.weaknesses.iter().all(|weakness| weakness.is_bearable()) {
        return Some(format!(
            "this host cannot keep functions apart:\n{list}\n`hearth doctor` says more."
        ));
    }
    if !config.allow_weaker {
        return Some(format!(
            "this host cannot enforce everything that Hearth promises:\n{list}\nRun it where it can (`hearth doctor` says what is missing), or accept this with --allow-weaker."
        ));
    }
    for weakness in &host.weaknesses {
        tracing::warn!(%weakness, "not enforced on this host, as allowed");
    }
    None
}

async fn start_sandbox(
    config: &Config,
    directories: &Directories,
    host: &Host,
    tasks: &Tasks,
) -> anyhow::Result<Arc<Sandbox>> {
    let configuration = Configuration {
        directory: directories.run.clone(),
        hierarchies: host.hierarchies.clone(),
        uid_base: config.uid_base,
        scratch_on_disk: host.scratch_on_disk,
    };
    let shells = ShellCounts { bare: config.shells, warm: config.warm_shells };
    let sandbox = Sandbox::start(tasks, configuration, shells).await;
    Ok(Arc::new(sandbox.context("could not start the launcher")?))
}

/// The control plane, which tells the scheduler what is not wanted any more.
async fn open_control(
    config: &Config,
    tasks: &Tasks,
    (scheduler, readers): (&Arc<Scheduler>, &Readers),
    stores: &Stores,
) -> anyhow::Result<Arc<Control>> {
    let pollers = Arc::clone(&readers.board) as Arc<dyn Pollers>;
    let parts = control_parts(config, tasks, (scheduler, pollers), stores);
    let watcher = Arc::new(Watcher(Arc::clone(scheduler)));
    Control::open(parts, watcher).await.context("could not open the functions")
}

/// What the control plane works with.
fn control_parts(
    config: &Config,
    tasks: &Tasks,
    (scheduler, pollers): (&Arc<Scheduler>, Arc<dyn Pollers>),
    stores: &Stores,
) -> Parts {
    Parts {
        records: Arc::new(stores.store.clone()),
        packages: Arc::clone(&stores.packages),
        runtimes: Arc::clone(&stores.runtimes),
        clock: Arc::new(SystemClock),
        tasks: tasks.clone(),
        transition_min: Duration::from_millis(config.transition_ms_min),
        concurrency_max: match config.concurrency_max {
            0 => CONCURRENCY_UNLIMITED,
            limit => limit,
        },
        provisioner: Arc::new(Environments {
            scheduler: Arc::clone(scheduler),
            runtimes: Arc::clone(&stores.runtimes),
        }),
        pollers,
    }
}

/// What all environments have in common.
fn shared(
    config: &Config,
    (sandbox, logs): (&Arc<Sandbox>, &Arc<LogStore>),
    gateway: &Arc<InsideGateway>,
    (clock, tasks): (&Arc<dyn Clock>, &Tasks),
) -> Shared {
    Shared {
        backend: Arc::clone(sandbox) as _,
        logs: Arc::clone(logs) as _,
        clock: Arc::clone(clock),
        gateway: Arc::clone(gateway) as _,
        endpoint: config.endpoint_in_functions.then(|| ENDPOINT_INSIDE.to_owned()),
        stream_bytes_per_second: config.stream_bytes_per_second,
        tasks: tasks.clone(),
    }
}

fn start_scheduler(
    config: &Config,
    host: &Host,
    (shared, descriptors): (Shared, Descriptors),
) -> Arc<Scheduler> {
    let memory = Memory::of_this_host(config.memory_mb_max, Hierarchies::own_memory().as_ref());
    // What waits in shells is not counted by the scheduler, and is in the same group.
    let shells = SHELL_MB * config.shells + WARM_SHELL_MB * config.warm_shells;
    let limit = memory.functions_mb.saturating_add(u64::try_from(shells).unwrap_or(0));
    if let Err(error) = host.hierarchies.limit_memory(limit) {
        tracing::warn!(%error, "all environments together are not held to a limit of memory");
    }
    let mut limits = scheduler_limits(config, memory.functions_mb);
    let processes = Processes::of_this_host(Hierarchies::own_pids().as_ref());
    for (most, what) in [
        (descriptors.environments(), "open files (ulimit -n)"),
        (processes.environments(), "processes (pids.max of a control group, kernel.pid_max)"),
    ] {
        if most < limits.environments_max {
            limits.environments_max = most;
            tracing::warn!(
                environments_max = most,
                "fewer environments than configured, for want of {what}"
            );
        }
    }
    Scheduler::new(shared, limits, Arc::new(memory))
}

fn scheduler_limits(config: &Config, memory_mb_max: u64) -> Limits {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let scaling = config.scaling_per_ten_seconds;
    Limits {
        environments_max: config.environments_max,
        memory_mb_max,
        commitment: match config.memory_commitment {
            MemoryCommitment::Measured => Commitment::Measured,
            MemoryCommitment::Configured => Commitment::Configured,
        },
        starts_max: match config.starts_max {
            0 => STARTS_PER_PROCESSOR * processors,
            starts => starts,
        },
        slow_start_ms: limits::SLOW_START_MS,
        room_wait_ms_max: config.room_wait_ms_max,
        life_ms_max: config.life_seconds_max.saturating_mul(1_000),
        scaling: (scaling > 0).then_some(Rate { capacity: scaling, per_ten_seconds: scaling }),
        keep: keep::Rules {
            idle_ms: config.idle_seconds.saturating_mul(1_000),
            learning: match config.keep {
                Keep::Learned => keep::Learning::On,
                Keep::Fixed => keep::Learning::Off,
            },
        },
        look_through_ms: limits::LOOK_THROUGH_MS,
    }
}

/// What runs functions, now or later.
fn invoker(
    config: &Config,
    (control, scheduler): (&Arc<Control>, &Arc<Scheduler>),
    (queue, time, metrics): (&Arc<dyn Queue>, &Arc<Steady>, &Arc<dyn Metrics>),
) -> Arc<Invoker> {
    Arc::new(Invoker::new(InvokerParts {
        control: Arc::clone(control),
        scheduler: Arc::clone(scheduler),
        rules: admission_rules(config),
        queue: Arc::clone(queue),
        time: Arc::clone(time),
        metrics: Arc::clone(metrics),
    }))
}

/// What takes from the queue. Functions that it runs may need the front door.
fn start_events(
    config: &Config,
    front: &Front,
    (targets, services, buckets, trust): (Targets, &Services, Arc<dyn PutObject>, Trust),
    (queue, time, metrics): (&Arc<dyn Queue>, &Arc<Steady>, &Arc<dyn Metrics>),
) -> Events {
    let surroundings = events::Surroundings {
        control: &front.control,
        invoker: &front.invoker,
        queue,
        time,
        logs: &front.logs,
        targets,
        services,
        buckets,
        trust,
        metrics,
        tasks: &front.tasks,
    };
    events::start(config, surroundings)
}

fn admission_rules(config: &Config) -> admission::Rules {
    admission::Rules {
        concurrency: match config.concurrency_max {
            0 => admission::Concurrency::Unlimited,
            _ => admission::Concurrency::Limited,
        },
        requests_per_execution: config.requests_per_execution,
    }
}

/// `hearth serve`: runs until it is told to stop.
pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let server = start(config).await?;
    crate::ui::line(&format!("hearth: listening on http://{}", server.address()));
    if let Some(http) = &server.http {
        crate::ui::line(&format!("hearth: functions alone at {http}"));
    }
    let sandbox = Arc::clone(&server.sandbox);
    let lost = tokio::select! {
        _told = terminate.recv() => false,
        _told = interrupt.recv() => false,
        () = sandbox.ended() => true,
    };
    server.stop().await?;
    if lost {
        bail!("the launcher ended, so no function can be started; start the server again");
    }
    Ok(())
}
