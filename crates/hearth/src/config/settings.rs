//! The table of settings: one row for each.
//!
//! A new setting is a field of [`Config`], its default, and a row here.

use std::fmt::Display;
use std::path::Path;

use hearth_types::names::{AccountId, Region};

use super::{
    Auth, Config, Keep, Listener, MemoryCommitment, MissedSchedules, PREFIX, S3Events, Secret,
};

/// One thing that can be set.
pub(crate) struct Setting {
    /// Its name in the file and after `--set`.
    pub(crate) key: &'static str,
    /// What it means.
    pub(crate) about: &'static str,
    /// Reads its value, or says why that text is none.
    pub(super) read: fn(&mut Config, &str) -> Result<(), String>,
    /// Its value as text.
    pub(crate) show: fn(&Config) -> String,
}

impl Setting {
    /// Its name among the environment variables.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.to_ascii_uppercase())
    }
}

macro_rules! settings {
    ($($field:ident, $read:expr, $show:expr, $about:literal;)+) => {
        /// Every setting, in the order in which they are shown.
        pub(crate) const SETTINGS: &[Setting] = &[$(Setting {
            key: stringify!($field),
            about: $about,
            read: |config, text| store(&mut config.$field, $read(text)),
            show: |config| $show(&config.$field),
        }),+];
    };
}

#[rustfmt::skip]
settings! {
    listen,                str::parse,       plain, "address and port of the server; only loopback addresses while `auth` is `off`";
    http,                  Listener::parse,  plain, "address and port where function URLs, APIs and load balancers are served, and nothing else; empty for none";
    http_certificate,      str::parse,       plain, "file with the certificate that is shown there, and its chain (PEM); empty for no TLS";
    http_key,              str::parse,       plain, "file with the key of that certificate (PEM)";
    data_dir,              str::parse,       path,  "where functions, code, runtimes and logs are kept";
    region,                Region::parse,    plain, "region of requests that name none";
    account,               AccountId::parse, plain, "account of requests that name none";
    log_level,             str::parse,       plain, "off, error, warn, info, debug or trace";
    allow_weaker,          str::parse,       plain, "start although this host cannot enforce every limit";
    endpoint_in_functions, str::parse,       plain, "let functions reach this server at AWS_ENDPOINT_URL; false closes that door";
    drain_seconds,         str::parse,       plain, "how long running invocations may take to finish when the server stops";
    idle_seconds,          str::parse,       plain, "how long an environment is kept without work; what a cold start is worth when `keep` is `learned`";
    keep,                  Keep::parse,      plain, "`learned`: environments are kept and started ahead as each function's habit asks for; `fixed`: for `idle_seconds`";
    life_seconds_max,      str::parse,       plain, "how long an environment may live";
    environments_max,      str::parse,       plain, "how many environments may exist at a time";
    memory_mb_max,         str::parse,       plain, "memory for all environments together; 0 means what this host can spare";
    memory_commitment,     MemoryCommitment::parse, plain, "what a working environment is taken to need: `measured`, or all that is `configured`";
    starts_max,            str::parse,       plain, "how many environments start at a time; 0 means four on each processor";
    room_wait_ms_max,      str::parse,       plain, "how long an invocation waits for room on this host";
    concurrency_max,       str::parse,       plain, "how many invocations may run or wait at a time in one account and region; 0 means any number";
    requests_per_execution, str::parse,      plain, "how many requests may come in a second for each of those; 0 means any number";
    scaling_per_ten_seconds, str::parse,     plain, "how many environments a function may gain at once, and in ten seconds; 0 means any number";
    event_retry_ms_first,  str::parse,       plain, "how long an event waits after the first error of its function";
    event_retry_ms_second, str::parse,       plain, "how long an event waits after the second one";
    event_backoff_ms_min,  str::parse,       plain, "how long an event or a delivery waits that was not taken; doubled each time";
    event_backoff_ms_max,  str::parse,       plain, "the longest that it waits then";
    missed_schedules,      MissedSchedules::parse, plain, "schedules whose time came while no server was running: `skip` them, let the last time happen `once`, or `all` of the latest";
    log_group_bytes_max,   str::parse,       plain, "how much of one log group is kept on disk";
    stream_bytes_per_second, str::parse,     plain, "how fast a streamed answer may pass after its first 6 MiB; 0 means as fast as it can";
    worker_threads,        str::parse,       plain, "threads of the server; 0 means one for two processors";
    uid_base,              str::parse,       plain, "first of the user ids that environments run as";
    shells,                str::parse,       plain, "how many environments without a function are kept ready for each root file system; 0 means none";
    warm_shells,           str::parse,       plain, "how many started interpreters wait for a function, for each runtime that was used; 0 means none";
    auth,                  Auth::parse,      plain, "how callers prove who they are; only `off` is built so far";
    transition_ms_min,     str::parse,       plain, "how long Pending, InProgress and other states in between last at least";
    s3_endpoint,           str::parse,       plain, "S3-compatible endpoint that code comes from and records for buckets go to, such as http://127.0.0.1:9000; empty for Hearth's own buckets";
    s3_access_key_id,      str::parse,       plain, "access key for `s3_endpoint`";
    s3_secret_access_key,  Secret::parse,    plain, "secret key for `s3_endpoint`; give it in the file or as a variable";
    s3_events,             S3Events::parse,  plain, "stores elsewhere that may post their events: for each name a `token` and a `function`, or several; give it as tables `[s3_events.NAME]` in the file";
    sqs_endpoint,          str::parse,       plain, "endpoint that speaks SQS, such as http://127.0.0.1:9324, in place of Hearth's own queues; empty for those";
    sns_endpoint,          str::parse,       plain, "endpoint that speaks SNS, in place of Hearth's own topics; empty for those";
    events_endpoint,       str::parse,       plain, "endpoint that speaks EventBridge, in place of Hearth's own event buses; empty for those";
    endpoints_access_key_id, str::parse,     plain, "access key for `sqs_endpoint`, `sns_endpoint` and `events_endpoint`";
    endpoints_secret_access_key, Secret::parse, plain, "secret key for those three; give it in the file or as a variable";
    tls_ca_file,           str::parse,       plain, "file of certificates (PEM) of authorities that are trusted beside those of the machine when others are asked over TLS; empty for none";
    queue,                 Secret::parse,    plain, "PostgreSQL database that keeps what waits, postgres://user:password@host:port/database; empty for the data directory";
}

/// The setting of a name.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Whether a setting is a table in the file, and JSON elsewhere.
pub(super) fn is_table(key: &str) -> bool {
    key == "s3_events"
}

/// The name that needs the fewest letters changed to be the given one.
pub(super) fn nearest(wanted: &str, known: impl Iterator<Item = String>) -> String {
    known.min_by_key(|name| distance(wanted, name)).unwrap_or_default()
}

fn store<T, E: Display>(place: &mut T, read: Result<T, E>) -> Result<(), String> {
    *place = read.map_err(|error| error.to_string())?;
    Ok(())
}

fn plain(value: &impl Display) -> String {
    value.to_string()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// How many letters must be put in, left out or replaced to make `to` of `from`.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (removed, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = removed + 1;
        for (at, other) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
