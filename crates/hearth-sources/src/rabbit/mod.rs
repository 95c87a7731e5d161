//! Queues of RabbitMQ (AMQP 0-9-1) as event sources, in the shape of Amazon MQ's.
//!
//! ```text
//!  a connection ──▶ gather ──batch──▶ run ──answered──▶ acknowledge ──┐
//!      ▲              ▲                │ ▲ throttled: wait            │
//!      │              └────────────────┼─┴────────────────────────────┘
//!      └── close, wait ◀──failed───────┘
//! ```
//!
//! AWS runs one batch of a queue of RabbitMQ at a time, and so one task does everything.
//!
//! # Promises
//!
//! 1. A message is acknowledged only when the function has dealt with it, or when the filters keep it
//!    back. Otherwise the broker has it again, in its old place, whatever happens here.
//! 2. Messages come in the order of the queue, also behind a failure.
//! 3. A function that is throttled costs no message a delivery: the batch is kept, and tried again.
//! 4. What waits here is bounded, in bytes: when there is enough, the broker is left with the rest.
//! 5. A message that no function can have is rejected, and harms nobody: the queue's own rules have it.
//!
//! `lapin` speaks AMQP, on a wire of ours that looks at everything before (`wire`, `sieve`, `properties`)
//! and counts it (`gate`).
//!
//! # Deliberately absent
//!
//! Retries that are counted, and a place for what failed for good: those are the queue's (its delivery
//! limit, its dead-letter exchange, the time to live of its messages). ActiveMQ, which speaks another
//! protocol.

mod event;
mod link;
mod wire;
mod sieve;
mod properties;
mod gate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_control::mapping::Mapping;
use hearth_control::mapping::source::{Source, SourceKind};
use hearth_services::remote::tls::Trust;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::time::{Clock, Moment};
use lapin::uri::AMQPScheme;
use tokio::time::Instant;

use self::event::{Message, Place, event};
use self::link::{Arrived, Link, Target, Trouble};
use crate::access::{Login, Secrets, uri};
use crate::batch::{BatchLimits, Gathering};
use crate::filter::Filters;
use crate::function::{Call, NotRun, Ran, reason};
use crate::progress::{Count, FUNCTION_FAILED, FUNCTION_THROTTLED, Processed};
use crate::reader::{Ended, Reader, Work};

/// The virtual host that there is in every broker.
const VIRTUAL_HOST_DEFAULT: &str = "/";
/// The ports of AMQP, without TLS and with it.
const PORTS: (u16, u16) = (5672, 5671);
/// AWS's words when a broker or a cluster is not reached.
const NOT_CONNECTED: &str =
    "Connection error. Please check your event source connection configuration.";
/// How often a batch is looked at again that could not be run, at first and in the end.
const PAUSES: (Duration, Duration) = (
    Duration::from_millis(limits::SHARD_RETRY_MILLIS_MIN),
    Duration::from_millis(limits::SHARD_RETRY_MILLIS_MAX),
);

/// A broker of the configuration.
#[derive(Debug, Clone)]
pub struct Broker {
    /// `amqp://host:port`, or with `amqps`.
    pub endpoint: String,
    /// Who comes, for mappings whose secret the configuration does not have.
    pub login: Option<Login>,
}

/// Reads queues of RabbitMQ.
#[derive(Debug)]
pub struct RabbitReader {
    brokers: BTreeMap<String, Broker>,
    secrets: Arc<Secrets>,
    trust: Trust,
    clock: Arc<dyn Clock>,
}

impl RabbitReader {
    /// Reads the queues of these brokers, by their names. `trust` says whom a connection with TLS may
    /// lead to.
    #[must_use]
    pub fn new(
        brokers: BTreeMap<String, Broker>,
        secrets: Arc<Secrets>,
        trust: Trust,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { brokers, secrets, trust, clock }
    }

    /// The broker of a source, and where it is.
    fn place(&self, source: &Source) -> Result<(&Broker, (AMQPScheme, String, u16)), String> {
        let name = broker_name(source.arn().unwrap_or_default());
        let broker = self.brokers.get(name).ok_or_else(|| {
            format!("The broker `{name}` is not in the configuration: give it in a table [sources.mq.{name}].")
        })?;
        let address = address(&broker.endpoint)
            .ok_or_else(|| format!("`{}` is not the endpoint of a broker.", broker.endpoint))?;
        Ok((broker, address))
    }

    /// What a mapping consumes, and how.
    fn target(&self, mapping: &Mapping) -> Result<Target, String> {
        let (broker, (scheme, host, port)) = self.place(&mapping.source)?;
        let configuration = &mapping.configuration;
        let access = &configuration.source_access;
        let secret = uri(access, "BASIC_AUTH").unwrap_or_default();
        let login = match (self.secrets.login(secret), &broker.login) {
            (Ok(login), _) => login,
            (Err(_), Some(login)) => login.clone(),
            (Err(error), None) => return Err(error.to_string()),
        };
        let queue = configuration.queues.first().cloned().unwrap_or_default();
        if [queue.as_str(), login.user.as_str()].iter().any(|text| text.len() > 255) {
            return Err("names of AMQP have 255 bytes at the most".to_owned());
        }
        // The next batch is here when one is done.
        let prefetch = configuration.batch_size.saturating_mul(2);
        Ok(Target {
            scheme,
            host,
            port,
            virtual_host: uri(access, "VIRTUAL_HOST").unwrap_or(VIRTUAL_HOST_DEFAULT).to_owned(),
            queue,
            login,
            trust: self.trust.clone(),
            prefetch: u16::try_from(prefetch).unwrap_or(u16::MAX).max(1),
        })
    }
}

/// The name in `arn:aws:mq:REGION:ACCOUNT:broker:NAME:ID`.
fn broker_name(arn: &str) -> &str {
    arn.split(':').nth(6).unwrap_or_default()
}

/// The parts of `amqp://host:port`; the port may be missing.
fn address(endpoint: &str) -> Option<(AMQPScheme, String, u16)> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let (scheme, usual) = match scheme {
        "amqp" => (AMQPScheme::AMQP, PORTS.0),
        "amqps" => (AMQPScheme::AMQPS, PORTS.1),
        _ => return None,
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (rest, usual),
    };
    let is_host = !host.is_empty() && !host.contains(['/', '@']);
    is_host.then(|| (scheme, host.to_owned(), port))
}

#[async_trait]
impl Reader for RabbitReader {
    fn serves(&self, kind: SourceKind) -> bool {
        kind == SourceKind::Broker && !self.brokers.is_empty()
    }

    async fn check(&self, source: &Source, _timeout_seconds: u32) -> Result<(), String> {
        // Whether the rest is right (the secret, the queue) is said as the result of reading, as AWS
        // does.
        self.place(source).map(drop)
    }

    async fn read(&self, work: Work) -> Ended {
        if let Err(why) = self.place(&work.mapping.source) {
            return Ended::Unreadable(why);
        }
        let target = match self.target(&work.mapping) {
            Ok(target) => target,
            Err(why) => {
                // Nothing will be other than it is until the mapping is changed.
                work.progress.went_wrong(NOT_CONNECTED, &why, self.clock.now());
                work.stop.stopped().await;
                return Ended::Stopped;
            }
        };
        let filters = match Filters::parse(&work.mapping.configuration.filters) {
            Ok(filters) => filters,
            Err(error) => return Ended::Unreadable(error.to_string()),
        };
        let limits = BatchLimits::of(&work.mapping.configuration);
        let clock = Arc::clone(&self.clock);
        let consuming = Consuming { target, filters, limits, clock, work, began: Instant::now() };
        Box::pin(consuming.run()).await
    }
}

/// A queue, being read.
struct Consuming {
    target: Target,
    filters: Filters,
    limits: BatchLimits,
    clock: Arc<dyn Clock>,
    work: Work,
    /// What moments are counted from.
    began: Instant,
}

/// What is to be done when a link has been used.
enum Next {
    /// Nothing: it is time to stop.
    Stop,
    /// Another link, after a pause: the function has failed, and the broker is to have the messages
    /// again.
    Again,
}

/// What came of a batch.
enum Verdict {
    /// The function has dealt with it.
    Done,
    /// It has failed.
    Failed,
    /// It will never be run for this batch.
    Refused,
    /// It is time to stop.
    Stopped,
}

impl Consuming {
    async fn run(&self) -> Ended {
        let stop = &self.work.stop;
        let (mut failures, mut troubles) = (0, 0);
        while !stop.is_stopped() {
            let opened = tokio::select! {
                () = stop.stopped() => break,
                opened = Link::open(&self.target) => opened,
            };
            let came = match opened {
                Ok(mut link) => {
                    let came = self.consume(&mut link, (&mut failures, &mut troubles)).await;
                    // Before the pause, so that the queue's own rules have the messages meanwhile.
                    link.close().await;
                    came
                }
                Err(trouble) => Err(trouble),
            };
            let longest = match came {
                Ok(Next::Stop) => break,
                Ok(Next::Again) => pause(&mut failures),
                Err(trouble) => {
                    let why = trouble.to_string();
                    self.work.progress.went_wrong(NOT_CONNECTED, &why, self.clock.now());
                    pause(&mut troubles)
                }
            };
            self.rest(longest).await;
        }
        Ended::Stopped
    }

    /// Uses a link until it is of no use any more.
    async fn consume(
        &self,
        link: &mut Link,
        (failures, troubles): (&mut u32, &mut u32),
    ) -> Result<Next, Trouble> {
        let mut batcher = Batcher { consuming: self, gathering: Gathering::new(self.limits) };
        let mut left = None;
        loop {
            let Some(batch) = batcher.next(link, &mut left).await? else { return Ok(Next::Stop) };
            *troubles = 0;
            let Some(last) = batch.last().map(|message| message.tag) else { continue };
            match self.process(&batch).await {
                Verdict::Done => {
                    *failures = 0;
                    link.acknowledge_up_to(last).await?;
                    self.work.progress.add(Count::Deleted, batch.len());
                    self.work.progress.processed(Processed::Fine, self.clock.now());
                }
                Verdict::Refused => {
                    link.reject_up_to(last).await?;
                    self.work.progress.add(Count::Dropped, batch.len());
                }
                Verdict::Failed => return Ok(Next::Again),
                Verdict::Stopped => return Ok(Next::Stop),
            }
        }
    }

    /// Runs the function for a batch.
    async fn process(&self, batch: &[Message]) -> Verdict {
        let (work, progress) = (&self.work, &self.work.progress);
        let place = Place {
            arn: work.mapping.source.arn().unwrap_or_default(),
            queue: &self.target.queue,
            virtual_host: &self.target.virtual_host,
        };
        let payload = event(batch, place);
        let mut throttles = 0;
        loop {
            let running = progress.run();
            let call = Call { id: RequestId::random(), payload: payload.clone(), trace: None };
            let ran = work.functions.run(&work.mapping, call).await;
            drop(running);
            let failed = |why: &str| {
                progress.add(Count::FailedInvoke, batch.len());
                progress.went_wrong(FUNCTION_FAILED, why, self.clock.now());
            };
            match ran {
                Ran::Answered { .. } => {
                    progress.add(Count::Invoked, batch.len());
                    return Verdict::Done;
                }
                Ran::Failed { error, version: _ } => {
                    progress.add(Count::Invoked, batch.len());
                    failed(&reason(&error));
                    return Verdict::Failed;
                }
                Ran::NotRun(NotRun::Refused(why)) => {
                    failed(&why);
                    return Verdict::Refused;
                }
                Ran::NotRun(NotRun::Unavailable(why)) => {
                    progress.went_wrong(FUNCTION_FAILED, &why, self.clock.now());
                }
                Ran::NotRun(NotRun::Throttled) => {
                    progress.went_wrong(FUNCTION_THROTTLED, "", self.clock.now());
                }
                Ran::NotRun(NotRun::Closing) => return Verdict::Stopped,
            }
            self.rest(pause(&mut throttles)).await;
            if work.stop.is_stopped() {
                return Verdict::Stopped;
            }
        }
    }

    /// Waits, unless it is time to stop.
    async fn rest(&self, longest: Duration) {
        tokio::select! {
            () = tokio::time::sleep(longest) => {}
            () = self.work.stop.stopped() => {}
        }
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// How long to wait after so many things in a row that went wrong, and one more.
fn pause(in_a_row: &mut u32) -> Duration {
    let longest = PAUSES.0.saturating_mul(1 << (*in_a_row).min(16)).min(PAUSES.1);
    *in_a_row = in_a_row.saturating_add(1);
    longest
}

/// Gathers batches.
struct Batcher<'a> {
    consuming: &'a Consuming,
    gathering: Gathering<Message>,
}

impl Batcher<'_> {
    /// The next batch; `None` when it is time to stop. `left` is what did not fit into the last one.
    async fn next(
        &mut self,
        link: &mut Link,
        left: &mut Option<Message>,
    ) -> Result<Option<Vec<Message>>, Trouble> {
        let stop = self.consuming.work.stop.clone();
        if let Some(message) = left.take() {
            *left = self.add(message);
        }
        loop {
            // No more than the broker has sent at a time: what filters keep back may go on coming, and
            // neither the window nor the end waits for that.
            let mut at_once = 0..self.consuming.target.prefetch;
            while left.is_none()
                && !self.gathering.is_full()
                && at_once.next().is_some()
                && let Some(arrived) = link.next_if_here().await?
            {
                *left = self.take(link, &arrived).await?;
            }
            if stop.is_stopped() {
                return Ok(None);
            }
            let now = self.consuming.now();
            if left.is_some() || self.gathering.is_ready(now) {
                return Ok(Some(self.gathering.take()));
            }
            let window =
                self.gathering.due().map(|due| Duration::from_millis(due.millis_since(now)));
            tokio::select! {
                () = stop.stopped() => return Ok(None),
                () = tokio::time::sleep(window.unwrap_or_default()), if window.is_some() => {}
                arrived = link.next() => *left = self.take(link, &arrived?).await?,
            }
        }
    }

    /// Takes a message that was delivered. What the filters keep back is acknowledged: AWS discards it.
    /// What no function can have is rejected: nobody knows what filters would say to it.
    async fn take(&mut self, link: &Link, arrived: &Arrived) -> Result<Option<Message>, Trouble> {
        let (progress, delivery) = (&self.consuming.work.progress, &arrived.delivery);
        progress.add(Count::Polled, 1);
        if let Some(unfit) = arrived.unfit {
            link.reject(delivery.delivery_tag).await?;
            progress.add(Count::Dropped, 1);
            let why = format!("a message was rejected: {unfit}");
            progress.went_wrong(FUNCTION_FAILED, &why, self.consuming.clock.now());
            return Ok(None);
        }
        if let Some(message) = Message::of(delivery, &self.consuming.filters) {
            return Ok(self.add(message));
        }
        progress.add(Count::FilteredOut, 1);
        link.acknowledge(delivery.delivery_tag).await?;
        progress.add(Count::Deleted, 1);
        Ok(None)
    }

    /// Adds a message to the batch, or gives it back if it does not fit any more.
    fn add(&mut self, message: Message) -> Option<Message> {
        let (bytes, now) = (message.bytes(), self.consuming.now());
        self.gathering.add(message, bytes, now).err()
    }
}

#[cfg(test)]
mod tests;
