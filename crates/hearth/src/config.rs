//! The configuration: one typed struct, and where each of its values came from.
//!
//! ```text
//! defaults ──▶ file ──▶ HEARTH_* variables ──▶ flags ──▶ validated once
//! ```
//!
//! What comes later wins. The file is the one of `--config`, else of `HEARTH_CONFIG`, else
//! `/etc/hearth/hearth.toml` if it is there. A setting is one row of the table in [`settings`]; the
//! file, the variables and the flags all go by that table.
//!
//! # Promises
//!
//! 1. A key or a variable that is not known is refused, and the error names the nearest known one.
//! 2. A value that cannot be used is refused, and the error says where it came from.
//! 3. Whoever holds a [`Config`] from [`Config::load`] may trust it: it was validated as a whole.
//!
//! # Deliberately absent
//!
//! No global: the struct is passed down, in parts. No reload: a change needs a restart.

mod settings;
mod named;
mod s3_events;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs;
use std::net::{AddrParseError, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use hearth_types::limits;
use hearth_types::names::{AccountId, Region};
use tracing::level_filters::LevelFilter;

pub(crate) use self::named::{Kind, Named};
pub(crate) use self::s3_events::S3Events;
pub(crate) use self::settings::{SETTINGS, Setting};

/// The port at which tools look for a local AWS.
pub(crate) const PORT: u16 = 4566;
/// The file that is read when none is named.
const SYSTEM_FILE: &str = "/etc/hearth/hearth.toml";
/// What the variables of this program begin with.
const PREFIX: &str = "HEARTH_";
/// Variables of this program that are not settings: the file, and what the client commands read.
const OTHER_VARIABLES: &[&str] = &["HEARTH_CONFIG", "HEARTH_ENDPOINT"];

const OPEN_WITHOUT_AUTH: &str = "authentication is not built yet, so Hearth listens on loopback \
    addresses only, such as 127.0.0.1:4566; to reach it from elsewhere, forward a port";
const HALF_OF_TLS: &str =
    "`http_certificate` and `http_key` are two files that belong together; give both or none";
const TOO_MANY_SHELLS: &str = "must be at most 64";
const NO_QUEUE: &str =
    "must be empty, or an address such as `postgres://user:password@host:port/database`";
const NO_HOME: &str =
    "there is no home directory to keep data in; give another place with `--data-dir DIR`";

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// Where function URLs, APIs and load balancers are served, and nothing else.
    pub(crate) http: Listener,
    /// A file with the certificate that is shown there, and its chain; empty for no TLS.
    pub(crate) http_certificate: String,
    /// A file with its key.
    pub(crate) http_key: String,
    /// Where everything is kept that survives a restart.
    pub(crate) data_dir: PathBuf,
    /// The region of requests that name none.
    pub(crate) region: Region,
    /// The account of requests that name none.
    pub(crate) account: AccountId,
    /// How much is logged.
    pub(crate) log_level: LevelFilter,
    /// Whether to start although the host cannot enforce every promise.
    pub(crate) allow_weaker: bool,
    /// Whether functions are given `AWS_ENDPOINT_URL`, so that their SDK reaches this server.
    pub(crate) endpoint_in_functions: bool,
    /// How long running invocations may take to finish when the server stops.
    pub(crate) drain_seconds: u64,
    /// How long an environment is kept without work.
    pub(crate) idle_seconds: u64,
    /// How many environments may exist.
    pub(crate) environments_max: usize,
    /// How many invocations may run or wait at a time in one account and region; 0 for any number.
    pub(crate) concurrency_max: u32,
    /// How many requests may come in a second for each of those; 0 for any number.
    pub(crate) requests_per_execution: u32,
    /// How many environments a function may gain at once and in ten seconds; 0 for any number.
    pub(crate) scaling_per_ten_seconds: u64,
    /// How many environments start at a time; 0 for four on each processor.
    pub(crate) starts_max: usize,
    /// How long an invocation waits for room on this host, in milliseconds.
    pub(crate) room_wait_ms_max: u64,
    /// Memory for all environments together; 0 for what this host can spare.
    pub(crate) memory_mb_max: u64,
    /// What a working environment is taken to need of it.
    pub(crate) memory_commitment: MemoryCommitment,
    /// How long environments are kept without work.
    pub(crate) keep: Keep,
    /// How long an environment may live.
    pub(crate) life_seconds_max: u64,
    /// How long an event waits after the first error of its function, in milliseconds.
    pub(crate) event_retry_ms_first: u64,
    /// How long it waits after the second one.
    pub(crate) event_retry_ms_second: u64,
    /// How long an event or a delivery waits that was not taken; doubled each time.
    pub(crate) event_backoff_ms_min: u64,
    /// The longest that it waits.
    pub(crate) event_backoff_ms_max: u64,
    /// What becomes of schedules whose time came while no server was running.
    pub(crate) missed_schedules: MissedSchedules,
    /// How much of one log group is kept on disk.
    pub(crate) log_group_bytes_max: u64,
    /// How fast a streamed answer may pass when its burst is used up; 0 means as fast as it can.
    pub(crate) stream_bytes_per_second: u64,
    /// Threads of the server; 0 means one for two processors.
    pub(crate) worker_threads: usize,
    /// The first of the user ids that environments run as.
    pub(crate) uid_base: u32,
    /// How many shells are kept ready for each root file system.
    pub(crate) shells: usize,
    /// How many interpreters wait for a function, for each way to start one.
    pub(crate) warm_shells: usize,
    /// How callers prove who they are.
    pub(crate) auth: Auth,
    /// How long Pending, InProgress and the like last at least, in milliseconds.
    pub(crate) transition_ms_min: u64,
    /// Where code that is named by bucket and key comes from; empty for Hearth's own buckets.
    pub(crate) s3_endpoint: String,
    /// The access key for that endpoint.
    pub(crate) s3_access_key_id: String,
    /// Its secret.
    pub(crate) s3_secret_access_key: Secret,
    /// Stores elsewhere that may post events, with their tokens.
    pub(crate) s3_events: S3Events,
    /// What speaks SQS in place of Hearth's own queues; empty for those.
    pub(crate) sqs_endpoint: String,
    /// What speaks SNS in place of Hearth's own topics; empty for those.
    pub(crate) sns_endpoint: String,
    /// What speaks EventBridge in place of Hearth's own event buses; empty for those.
    pub(crate) events_endpoint: String,
    /// How many records a shard takes in a second; 0 means any number.
    pub(crate) kinesis_records_per_second: u64,
    /// How many of their bytes; 0 means any number.
    pub(crate) kinesis_bytes_per_second: u64,
    /// The access key for those three.
    pub(crate) endpoints_access_key_id: String,
    /// Its secret.
    pub(crate) endpoints_secret_access_key: Secret,
    /// Where the streams of tables are; empty for nowhere.
    pub(crate) sources_dynamodb_endpoint: String,
    /// The access key for that endpoint.
    pub(crate) sources_dynamodb_access_key_id: String,
    /// Its secret.
    pub(crate) sources_dynamodb_secret_access_key: Secret,
    /// Brokers, clusters and secrets, which have names of their own.
    pub(crate) named: Named,
    /// Certificates of authorities that are trusted beside those of the machine; empty for none.
    pub(crate) tls_ca_file: String,
    /// The PostgreSQL database that keeps the durable queue; empty for the data directory. It has a
    /// password in it.
    pub(crate) queue: Secret,
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Listener(pub(crate) Option<SocketAddr>);

impl Listener {
    fn parse(text: &str) -> Result<Listener, String> {
        if text.is_empty() {
            return Ok(Listener(None));
        }
        text.parse()
            .map(|address| Listener(Some(address)))
            .map_err(|error: AddrParseError| error.to_string())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |address| address.fmt(formatter))
    }
}

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl Secret {
    fn parse(text: &str) -> Result<Secret, String> {
        Ok(Secret(text.to_owned()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "" } else { "(set)" })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A word of a setting that knows only a few.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$about])* $variant),+ }

        impl $name {
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("it is one of {:?}", [$($word),+])),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

words! {
    /// What a working environment is taken to need of this host's memory.
    MemoryCommitment {
        /// What it has been seen to need, and a margin.
        Measured = "measured",
        /// All that its function is configured with.
        Configured = "configured",
    }
}

words! {
    /// How long environments are kept without work.
    Keep {
        /// As each function's habit asks for.
        Learned = "learned",
        /// For `idle_seconds`.
        Fixed = "fixed",
    }
}

words! {
    /// What becomes of schedules whose time came while no server was running.
    MissedSchedules {
        /// They do not happen.
        Skip = "skip",
        /// The last time happens.
        Once = "once",
        /// The latest times happen, up to a hundred of each schedule.
        All = "all",
    }
}

/// How callers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// They do not: whoever reaches the port may do everything.
    Off,
}

impl Auth {
    fn parse(text: &str) -> Result<Auth, String> {
        match text {
            "off" => Ok(Auth::Off),
            _ => Err("only `off` is built so far".to_owned()),
        }
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Off => formatter.write_str("off"),
        }
    }
}

/// The flags of `hearth serve` that set something.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// Address and port to listen on (default: 127.0.0.1:4566)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Address and port where function URLs, APIs and load balancers are served, and nothing else
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<String>,
    /// Where functions, code and logs are kept (default: /var/lib/hearth as root, else
    /// ~/.local/share/hearth)
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Configuration file (default: $HEARTH_CONFIG, or /etc/hearth/hearth.toml if it is there)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Region of requests that name none (default: us-east-1)
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Account of requests that name none (default: 000000000000)
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// off, error, warn, info, debug or trace (default: info)
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Start although this host cannot enforce every limit; `hearth doctor` says which
    #[arg(long)]
    pub(crate) allow_weaker: bool,
    /// Set any other setting; `hearth config keys` lists them
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => formatter.write_str("default"),
            Origin::File(path) => write!(formatter, "file {}", path.display()),
            Origin::Variable(name) => write!(formatter, "variable {name}"),
            Origin::Flag(flag) => write!(formatter, "flag {flag}"),
        }
    }
}

/// Where each value of a [`Config`] came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origins(BTreeMap<&'static str, Origin>);

impl Origins {
    /// Where the value of a setting came from.
    pub(crate) fn of(&self, setting: &Setting) -> &Origin {
        self.0.get(setting.key).expect("there is an origin for every setting")
    }
}

impl Config {
    /// Puts the configuration together and validates it.
    pub(crate) fn load(flags: &Flags) -> anyhow::Result<(Config, Origins)> {
        Config::load_in(&Surroundings::current()?, flags)
    }

    fn load_in(surroundings: &Surroundings, flags: &Flags) -> anyhow::Result<(Config, Origins)> {
        let mut loading = Loading::new(surroundings);
        if let Some(path) = surroundings.file(flags) {
            loading.read_file(&path)?;
        }
        loading.read_variables(&surroundings.variables)?;
        loading.read_flags(flags)?;
        loading.finish()
    }
}

/// What the configuration depends on besides the flags. A value, so that tests can give another.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    /// The variables that begin with `HEARTH_`.
    variables: BTreeMap<String, String>,
    /// The data directory when none is set; empty when there is no place for it.
    data_dir: PathBuf,
    /// The file that is read when none is named, if it is there.
    system_file: Option<PathBuf>,
}

impl Surroundings {
    fn current() -> anyhow::Result<Surroundings> {
        let mut variables = BTreeMap::new();
        for (name, value) in env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let not_text = |value| anyhow!("the variable {name} is not UTF-8: {value:?}");
            variables.insert(name.to_owned(), value.into_string().map_err(not_text)?);
        }
        let system_file = Path::new(SYSTEM_FILE);
        Ok(Surroundings {
            variables,
            data_dir: data_dir(),
            system_file: system_file.exists().then(|| system_file.to_owned()),
        })
    }

    fn file(&self, flags: &Flags) -> Option<PathBuf> {
        let named = flags.config.clone();
        named
            .or_else(|| self.variables.get("HEARTH_CONFIG").map(PathBuf::from))
            .or_else(|| self.system_file.clone())
    }
}

/// The data directory of this user.
fn data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/hearth");
    }
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let share = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    share.map_or_else(PathBuf::new, |share| share.join("hearth"))
}

/// A configuration that is being put together.
struct Loading {
    config: Config,
    origins: Origins,
}

impl Loading {
    fn new(surroundings: &Surroundings) -> Loading {
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            http: Listener::default(),
            http_certificate: String::new(),
            http_key: String::new(),
            data_dir: surroundings.data_dir.clone(),
            region: Region::parse("us-east-1").expect("it is a region"),
            account: AccountId::parse("000000000000").expect("it has twelve digits"),
            log_level: LevelFilter::INFO,
            allow_weaker: false,
            endpoint_in_functions: true,
            drain_seconds: 30,
            idle_seconds: 300,
            environments_max: 1000,
            concurrency_max: limits::ACCOUNT_CONCURRENCY_DEFAULT,
            requests_per_execution: limits::REQUESTS_PER_EXECUTION,
            scaling_per_ten_seconds: limits::SCALING_PER_TEN_SECONDS,
            starts_max: 0,
            room_wait_ms_max: 10_000,
            memory_mb_max: 0,
            memory_commitment: MemoryCommitment::Measured,
            keep: Keep::Learned,
            life_seconds_max: 4 * 3_600,
            event_retry_ms_first: limits::EVENT_RETRY_MS_FIRST,
            event_retry_ms_second: limits::EVENT_RETRY_MS_SECOND,
            event_backoff_ms_min: limits::EVENT_BACKOFF_MS_MIN,
            event_backoff_ms_max: limits::EVENT_BACKOFF_MS_MAX,
            missed_schedules: MissedSchedules::Once,
            log_group_bytes_max: limits::LOG_GROUP_BYTES_MAX,
            stream_bytes_per_second: limits::STREAM_BYTES_PER_SECOND_DEFAULT,
            worker_threads: 0,
            uid_base: 1_879_048_192,
            shells: 2,
            warm_shells: 2,
            auth: Auth::Off,
            transition_ms_min: 0,
            s3_endpoint: String::new(),
            s3_access_key_id: String::new(),
            s3_secret_access_key: Secret::default(),
            s3_events: S3Events::default(),
            sqs_endpoint: String::new(),
            sns_endpoint: String::new(),
            events_endpoint: String::new(),
            kinesis_records_per_second: 0,
            kinesis_bytes_per_second: 0,
            endpoints_access_key_id: String::new(),
            endpoints_secret_access_key: Secret::default(),
            sources_dynamodb_endpoint: String::new(),
            sources_dynamodb_access_key_id: String::new(),
            sources_dynamodb_secret_access_key: Secret::default(),
            named: Named::default(),
            tls_ca_file: String::new(),
            queue: Secret::default(),
        };
        let origins = SETTINGS.iter().map(|setting| (setting.key, Origin::Default)).collect();
        Loading { config, origins: Origins(origins) }
    }

    fn read_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("could not read the configuration file `{shown}`"))?;
        let table: toml::Table = toml::from_str(&text)
            .with_context(|| format!("could not understand the configuration file `{shown}`"))?;
        for (key, value) in flat(table) {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                toml::Value::Table(table) if settings::is_table(&key) => {
                    serde_json::to_string(&table)
                        .with_context(|| format!("could not understand `{key}` in `{shown}`"))?
                }
                toml::Value::Float(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_)
                | toml::Value::Table(_) => {
                    bail!("`{key}` in `{shown}` must be a text, a whole number, `true` or `false`")
                }
            };
            if self.set_named(&key, &text, &format!("in `{shown}`"))? {
                continue;
            }
            let origin = Origin::File(path.to_owned());
            let unknown = || unknown_key(&key, &format!("in `{shown}`"));
            self.set(settings::find(&key).ok_or_else(unknown)?, &text, origin)?;
        }
        Ok(())
    }

    fn read_variables(&mut self, variables: &BTreeMap<String, String>) -> anyhow::Result<()> {
        for (name, text) in variables {
            if OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let setting = SETTINGS.iter().find(|setting| setting.variable() == *name);
            let setting = setting.ok_or_else(|| unknown_variable(name))?;
            self.set(setting, text, Origin::Variable(name.clone()))?;
        }
        Ok(())
    }

    fn read_flags(&mut self, flags: &Flags) -> anyhow::Result<()> {
        let allow_weaker = flags.allow_weaker.then(|| "true".to_owned());
        let named = [
            ("listen", "--listen", &flags.listen),
            ("http", "--http", &flags.http),
            ("data_dir", "--data-dir", &flags.data_dir),
            ("region", "--region", &flags.region),
            ("account", "--account", &flags.account),
            ("log_level", "--log-level", &flags.log_level),
            ("allow_weaker", "--allow-weaker", &allow_weaker),
        ];
        for (key, flag, text) in named {
            if let Some(text) = text {
                let setting = settings::find(key).expect("the flags above name settings");
                self.set(setting, text, Origin::Flag(flag.to_owned()))?;
            }
        }
        for pair in &flags.settings {
            let (key, text) = pair
                .split_once('=')
                .ok_or_else(|| anyhow!("`--set {pair}` must have the form `--set KEY=VALUE`"))?;
            if self.set_named(key, text, "after `--set`")? {
                continue;
            }
            let setting = settings::find(key).ok_or_else(|| unknown_key(key, "after `--set`"))?;
            self.set(setting, text, Origin::Flag("--set".to_owned()))?;
        }
        Ok(())
    }

    fn set(&mut self, setting: &Setting, text: &str, origin: Origin) -> anyhow::Result<()> {
        let key = setting.key;
        (setting.read)(&mut self.config, text).map_err(|why| {
            if settings::is_table(key) {
                // There are tokens in it.
                return anyhow!("`{key}` cannot be used ({origin}): {why}");
            }
            anyhow!("`{key}` cannot be `{text}` ({origin}): {why}")
        })?;
        self.origins.0.insert(key, origin);
        Ok(())
    }

    /// Sets what has a name of its own. Says whether the key is of that kind.
    fn set_named(&mut self, key: &str, text: &str, place: &str) -> anyhow::Result<bool> {
        let set = self.config.named.set(key, text);
        set.map_err(|why| anyhow!("`{key}` {place}: {why}"))
    }

    fn finish(mut self) -> anyhow::Result<(Config, Origins)> {
        for (key, fault) in faults(&self.config) {
            if let Some(fault) = fault {
                let setting = settings::find(key).expect("the faults name settings");
                bail!("`{key}` ({}): {fault}", self.origins.of(setting));
            }
        }
        // A server may be started in one directory and its files be looked for from another.
        let absolute = std::path::absolute(&self.config.data_dir);
        self.config.data_dir = absolute.context("could not make the data directory absolute")?;
        Ok((self.config, self.origins))
    }
}

/// What is wrong with values that can be read and still cannot be used.
fn faults(config: &Config) -> [(&'static str, Option<&'static str>); 15] {
    let fault = |wrong: bool, text| wrong.then_some(text);
    let too_slow = 1..limits::STREAM_BYTES_PER_SECOND_MIN;
    let open = config.auth == Auth::Off && !config.listen.ip().is_loopback();
    let queue = config.queue.0.as_str();
    let is_address = ["postgres://", "postgresql://"].iter().any(|start| queue.starts_with(start));
    let (certificate, key) = (&config.http_certificate, &config.http_key);
    let no_queue = !queue.is_empty() && !is_address;
    [
        ("listen", fault(open, OPEN_WITHOUT_AUTH)),
        ("http_certificate", fault(certificate.is_empty() && !key.is_empty(), HALF_OF_TLS)),
        ("http_key", fault(key.is_empty() && !certificate.is_empty(), HALF_OF_TLS)),
        ("data_dir", fault(config.data_dir.as_os_str().is_empty(), NO_HOME)),
        ("environments_max", fault(config.environments_max == 0, "must be at least 1")),
        ("life_seconds_max", fault(config.life_seconds_max == 0, "must be at least 1")),
        ("event_backoff_ms_min", fault(config.event_backoff_ms_min == 0, "must be at least 1")),
        (
            "event_backoff_ms_max",
            fault(
                config.event_backoff_ms_max < config.event_backoff_ms_min,
                "must be at least `event_backoff_ms_min`",
            ),
        ),
        (
            "log_group_bytes_max",
            fault(
                config.log_group_bytes_max < limits::LOG_SEGMENT_BYTES_MAX,
                "must be at least 8388608, the size of one file of a log",
            ),
        ),
        (
            "stream_bytes_per_second",
            fault(
                too_slow.contains(&config.stream_bytes_per_second),
                "must be at least 32768, or 0 for no limit",
            ),
        ),
        ("worker_threads", fault(config.worker_threads > 1024, "must be at most 1024")),
        (
            "uid_base",
            fault(
                config.uid_base < 65_536 || config.uid_base > 4_000_000_000,
                "must be between 65536 and 4000000000, away from the ids of people and services",
            ),
        ),
        ("shells", fault(config.shells > limits::SHELLS_MAX, TOO_MANY_SHELLS)),
        ("warm_shells", fault(config.warm_shells > limits::SHELLS_MAX, TOO_MANY_SHELLS)),
        ("queue", fault(no_queue, NO_QUEUE)),
    ]
}

/// The settings of a file under the names that they have elsewhere: `endpoint` in the table
/// `[sources.dynamodb]` is `sources_dynamodb_endpoint`, and in `[sources.mq.orders]` it is
/// `sources.mq.orders.endpoint`.
fn flat(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut settings = Vec::new();
    let mut tables = vec![(String::new(), table)];
    while let Some((prefix, table)) = tables.pop() {
        for (key, value) in table {
            let key = format!("{prefix}{key}");
            match value {
                // Only what begins with a name of tables is one; others are refused as values.
                toml::Value::Table(inner) if named::prefix(&key).is_some() => {
                    tables.push((named::prefix(&key).unwrap_or_default(), inner));
                }
                toml::Value::Table(inner) if key.starts_with("sources") => {
                    tables.push((format!("{key}_"), inner));
                }
                toml::Value::Table(_)
                | toml::Value::String(_)
                | toml::Value::Integer(_)
                | toml::Value::Boolean(_)
                | toml::Value::Float(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_) => settings.push((key, value)),
            }
        }
    }
    settings
}

fn unknown_key(key: &str, place: &str) -> anyhow::Error {
    let nearest = settings::nearest(key, SETTINGS.iter().map(|setting| setting.key.to_owned()));
    anyhow!("the key `{key}` {place} is not known; the nearest is `{nearest}`")
}

fn unknown_variable(name: &str) -> anyhow::Error {
    let others = OTHER_VARIABLES.iter().map(|name| (*name).to_owned());
    let nearest = settings::nearest(name, SETTINGS.iter().map(Setting::variable).chain(others));
    anyhow!("the variable `{name}` is not known; the nearest is `{nearest}`")
}
