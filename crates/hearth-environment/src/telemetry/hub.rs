//! Who subscribed, and what each of them is owed.
//!
//! ```text
//!          a batch is due             the agent has connected
//!  Idle ─────────────────▶ Dialing ─────────────────────────▶ Sending
//!   ▲ ▲                       │ nobody listens                   │ taken, or refused
//!   │ └───────────────────────┘                                  │
//!   └────────────────────────────────────────────────────────────┘
//! ```
//!
//! A batch that was not taken is offered again, a few times, and then dropped.

use std::time::Duration;

use bytes::Bytes;
use hearth_types::limits::{
    TELEMETRY_ATTEMPTS_MAX, TELEMETRY_HELD_BYTES_MAX, TELEMETRY_HELD_EVENTS_MAX,
    TELEMETRY_RETRY_MILLIS,
};
use hearth_types::time::Timestamp;
use tokio::time::Instant;

use super::buffer::Buffer;
use super::deliver::Parcel;
use super::events::{Dropped, Event, Record};
use super::subscription::{Destination, Subscription};
use crate::backend::Connection;
use crate::runtime_api::extensions::ExtensionId;

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Only what has waited for long enough.
    Due,
    /// Everything: there may be no other time for it.
    Now,
}

/// What is to be done for a subscriber.
pub(crate) enum Errand {
    /// A connection to this port is needed.
    Dial { subscriber: usize, port: u16 },
    /// There is one already.
    Send { subscriber: usize, connection: Box<dyn Connection>, parcel: Parcel },
}

/// The subscribers of one environment.
pub(crate) struct Hub {
    subscribers: Vec<Subscriber>,
    /// What came in the init phase, for those who subscribe later in it. `None` when it is over.
    held: Option<Held>,
    /// Whether there was a moment for subscribers since the last invocation.
    pub(crate) graced: bool,
}

#[derive(Default)]
struct Held {
    events: Vec<Event>,
    bytes: usize,
}

struct Subscriber {
    extension: ExtensionId,
    subscription: Subscription,
    buffer: Buffer,
    stage: Stage,
    /// What is on its way, or is to be offered again.
    batch: Vec<String>,
    attempts: u32,
    retry_at: Option<Instant>,
    /// Open from the last batch on, where that is how it goes.
    connection: Option<Box<dyn Connection>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Dialing,
    Sending,
}

impl Hub {
    /// Holds what comes until somebody subscribes.
    pub(crate) fn new() -> Self {
        Self { subscribers: Vec::new(), held: Some(Held::default()), graced: false }
    }

    /// Takes a subscription; a second one of the same extension replaces the first. Returns whether
    /// it is taken: it is not if the first came through the other interface.
    pub(crate) fn subscribe(
        &mut self,
        extension: ExtensionId,
        subscription: Subscription,
        now: Instant,
    ) -> bool {
        if let Some(known) = self.subscribers.iter_mut().find(|one| one.extension == extension) {
            if known.subscription.interface != subscription.interface {
                return false;
            }
            known.buffer.set_buffering(subscription.buffering);
            known.subscription = subscription;
            known.connection = None;
            return true;
        }
        let mut subscriber = Subscriber {
            extension,
            buffer: Buffer::new(subscription.buffering),
            subscription,
            stage: Stage::Idle,
            batch: Vec::new(),
            attempts: 0,
            retry_at: None,
            connection: None,
        };
        for event in self.held.iter().flat_map(|held| &held.events) {
            subscriber.push(event, now);
        }
        self.subscribers.push(subscriber);
        true
    }

    /// Nobody else may subscribe. Returns whether anybody has.
    pub(crate) fn close(&mut self) -> bool {
        self.held = None;
        !self.subscribers.is_empty()
    }

    pub(crate) fn push(&mut self, event: Event, now: Instant) {
        for subscriber in &mut self.subscribers {
            subscriber.push(&event, now);
        }
        if let Some(held) = &mut self.held {
            let bytes = held.bytes + event.record.size_bytes();
            if held.events.len() < TELEMETRY_HELD_EVENTS_MAX && bytes <= TELEMETRY_HELD_BYTES_MAX {
                held.bytes = bytes;
                held.events.push(event);
            }
        }
    }

    /// When the next batch is due, of those for which nothing is on its way.
    pub(crate) fn due(&self) -> Option<Instant> {
        let idle = self.subscribers.iter().filter(|one| one.stage == Stage::Idle);
        idle.filter_map(Subscriber::due).min()
    }

    /// Whether nobody is owed anything.
    pub(crate) fn is_quiet(&self) -> bool {
        self.subscribers.iter().all(|one| one.batch.is_empty() && one.buffer.is_empty())
    }

    /// What is to be done now.
    pub(crate) fn errands(&mut self, when: When, now: Instant, at: Timestamp) -> Vec<Errand> {
        let mut errands = Vec::new();
        for (index, subscriber) in self.subscribers.iter_mut().enumerate() {
            let due = match when {
                When::Due => subscriber.due().is_some_and(|due| due <= now),
                When::Now => subscriber.due().is_some(),
            };
            if due && subscriber.stage == Stage::Idle {
                errands.push(subscriber.errand(index, now, at));
            }
        }
        errands
    }

    /// The agent has connected: what is to be sent, if it still is.
    pub(crate) fn connected(&mut self, index: usize) -> Option<Parcel> {
        let subscriber = self.subscribers.get_mut(index)?;
        (subscriber.stage == Stage::Dialing).then(|| {
            subscriber.stage = Stage::Sending;
            subscriber.parcel()
        })
    }

    /// A batch was taken. The connection may be used for the next one.
    pub(crate) fn taken(&mut self, index: usize, connection: Option<Box<dyn Connection>>) {
        if let Some(subscriber) = self.subscribers.get_mut(index) {
            subscriber.stage = Stage::Idle;
            subscriber.batch.clear();
            subscriber.connection = connection;
        }
    }

    /// A batch was not taken.
    pub(crate) fn refused(&mut self, index: usize, now: Instant) {
        let Some(subscriber) = self.subscribers.get_mut(index) else { return };
        subscriber.stage = Stage::Idle;
        subscriber.attempts += 1;
        if subscriber.attempts < TELEMETRY_ATTEMPTS_MAX {
            subscriber.retry_at = Some(now + Duration::from_millis(TELEMETRY_RETRY_MILLIS));
            return;
        }
        let bytes = subscriber.batch.iter().map(|event| event.len() as u64).sum();
        let records = subscriber.batch.len() as u64;
        subscriber.batch.clear();
        subscriber.buffer.count_dropped(Dropped { records, bytes });
    }
}

impl Subscriber {
    fn push(&mut self, event: &Event, now: Instant) {
        for rendered in event.render(&self.subscription) {
            self.buffer.push(rendered, now);
        }
    }

    fn due(&self) -> Option<Instant> {
        if self.batch.is_empty() { self.buffer.due() } else { self.retry_at }
    }

    fn errand(&mut self, index: usize, now: Instant, at: Timestamp) -> Errand {
        if self.batch.is_empty() {
            self.batch = self.buffer.take_batch(now);
            self.attempts = 0;
            // There is room again for the news that there was none.
            if let Some(dropped) = self.buffer.take_dropped() {
                self.push(&Event { at, record: Record::Dropped(dropped) }, now);
            }
        }
        match self.connection.take() {
            Some(connection) => {
                self.stage = Stage::Sending;
                Errand::Send { subscriber: index, connection, parcel: self.parcel() }
            }
            None => {
                self.stage = Stage::Dialing;
                Errand::Dial { subscriber: index, port: self.subscription.destination.port() }
            }
        }
    }

    fn parcel(&self) -> Parcel {
        let bytes = match &self.subscription.destination {
            Destination::Http { .. } => format!("[{}]", self.batch.join(",")),
            Destination::Tcp { .. } => {
                self.batch.iter().map(|event| format!("{event}\n")).collect()
            }
        };
        let destination = self.subscription.destination.clone();
        Parcel { bytes: Bytes::from(bytes), destination }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::telemetry::subscription::Interface;

    const AT: Timestamp = Timestamp(1_795_404_035_123);
    const ONE: ExtensionId = ExtensionId(Uuid::from_u128(1));

    fn subscription(interface: Interface) -> Subscription {
        let schema = match interface {
            Interface::Telemetry => "2022-12-13",
            Interface::Logs => "2021-03-18",
        };
        let body = json!({
            "schemaVersion": schema,
            "types": ["platform", "function"],
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080" },
        });
        Subscription::parse(interface, body.to_string().as_bytes()).unwrap()
    }

    fn line(text: &'static str) -> Event {
        Event { at: AT, record: Record::Function(Bytes::from_static(text.as_bytes())) }
    }

    fn texts(parcel: &Parcel) -> Vec<Value> {
        let events: Vec<Value> = serde_json::from_slice(&parcel.bytes).unwrap();
        events.into_iter().map(|mut event| event["record"].take()).collect()
    }

    /// A hub with one subscriber, for which a batch is on its way.
    fn dialing(now: Instant) -> Hub {
        let mut hub = Hub::new();
        hub.push(line("early\n"), now);
        assert!(hub.subscribe(ONE, subscription(Interface::Telemetry), now));
        let errands = hub.errands(When::Now, now, AT);
        assert!(matches!(errands[..], [Errand::Dial { subscriber: 0, port: 8080 }]));
        hub
    }

    #[tokio::test(start_paused = true)]
    async fn who_subscribes_later_in_init_hears_of_what_was_before() {
        let now = Instant::now();
        let mut hub = dialing(now);
        let parcel = hub.connected(0).unwrap();
        assert_eq!(texts(&parcel), ["early\n"]);
        assert!(hub.connected(0).is_none(), "nobody asked for a second one");
        assert!(!hub.is_quiet());
        hub.taken(0, None);
        assert!(hub.is_quiet());
        assert_eq!(hub.due(), None);
        assert!(hub.close());
    }

    #[tokio::test(start_paused = true)]
    async fn one_batch_is_on_its_way_at_a_time() {
        let now = Instant::now();
        let mut hub = dialing(now);
        hub.push(line("next\n"), now);
        assert_eq!(hub.due(), None);
        assert!(hub.errands(When::Now, now, AT).is_empty());
        hub.connected(0).unwrap();
        hub.taken(0, None);
        assert_eq!(hub.due(), Some(now + Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_offered_again_and_then_dropped_and_told() {
        let mut now = Instant::now();
        let mut hub = dialing(now);
        for _attempt in 1..TELEMETRY_ATTEMPTS_MAX {
            hub.refused(0, now);
            now = hub.due().unwrap();
            assert_eq!(hub.errands(When::Due, now, AT).len(), 1);
        }
        hub.refused(0, now);
        assert_eq!(hub.due(), None);
        hub.push(line("next\n"), now);
        hub.errands(When::Now, now, AT);
        assert_eq!(texts(&hub.connected(0).unwrap()), ["next\n"]);
        hub.taken(0, None);
        hub.errands(When::Now, now, AT);
        let dropped = texts(&hub.connected(0).unwrap());
        assert_eq!(dropped[0]["droppedRecords"], 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_extension_has_one_interface() {
        let now = Instant::now();
        let mut hub = dialing(now);
        assert!(!hub.subscribe(ONE, subscription(Interface::Logs), now));
        assert!(hub.subscribe(ONE, subscription(Interface::Telemetry), now));
        assert!(!Hub::new().close(), "nobody has subscribed");
    }
}
