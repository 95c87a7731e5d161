//! Putting events: what comes in is matched, and becomes deliveries in the durable queue.

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::queue::{Batch, NewEntry};
use hearth_types::metrics::Metric;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::Buses;
use super::envelope::{Envelope, seconds};
use super::error::BusError;
use super::json::{self, Path};
use super::names::BusArn;
use super::record::Rule;
use super::target::{Input, Kind, Target};
use super::template::{self, Subject};
use crate::delivery::{BusEvent, Delivery, Origin, Parcel, PassedOn, QueueMessage, TopicMessage};
use crate::limits;
use crate::targets::{NotTaken, PutEvent, Sent};

/// An event as a caller gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewEvent {
    /// Who it comes from.
    pub source: Option<String>,
    /// What kind of event it is.
    pub detail_type: Option<String>,
    /// A JSON object.
    pub detail: Option<String>,
    /// The ARNs of what it is about.
    pub resources: Vec<String>,
    /// When it happened; now, if that is not said.
    pub time: Option<Timestamp>,
    /// The name or ARN of a bus; the default one, if that is not said.
    pub bus: Option<String>,
    /// Its own `X-Amzn-Trace-Id`.
    pub trace: Option<String>,
}

/// Why one event of several was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRefusal {
    /// AWS's name of the error.
    pub code: &'static str,
    /// What is said.
    pub message: String,
}

/// An event on its way through a bus.
pub(super) struct Incoming<'a> {
    pub(super) event: Envelope,
    pub(super) trace: Option<&'a str>,
    /// How many buses it has passed, this one included.
    pub(super) buses: u32,
    pub(super) now: Timestamp,
}

impl Buses {
    /// Puts events. For each of them the answer is its id, or why it was not taken. An event for a bus
    /// that is not there is taken and goes nowhere, as on AWS. If too much follows from the events,
    /// those that are over the limit are refused, and can be put in another request.
    ///
    /// # Errors
    ///
    /// If the events are too large together, or the queue failed; then none was taken.
    pub async fn put_events(
        &self,
        scope: &Scope,
        events: Vec<NewEvent>,
        trace: Option<&str>,
    ) -> Result<Vec<Result<String, EntryRefusal>>, BusError> {
        if events.iter().map(counted_bytes).sum::<usize>() > limits::EVENT_ENTRIES_BYTES_MAX {
            let message = "Total size of the entries in the request is over the limit.";
            return Err(BusError::Invalid(message.to_owned()));
        }
        let now = self.clock.now();
        let (mut outgoing, mut answers) = (Outgoing::default(), Vec::new());
        for new in events {
            let bus = BusArn::meant(scope, new.bus.as_deref());
            let own_trace = new.trace.clone();
            let answer = envelope(new, scope, now).and_then(|event| {
                let id = event.id.clone();
                if self.has_bus(&bus) {
                    let trace = own_trace.as_deref().or(trace);
                    let incoming = Incoming { event, trace, buses: 1, now };
                    let room = limits::EVENT_DELIVERIES_BYTES_MAX - outgoing.bytes;
                    outgoing.append(self.route(&bus, &incoming, room)?);
                }
                Ok(id)
            });
            answers.push(answer);
        }
        self.enqueue(outgoing, now).await?;
        Ok(answers)
    }

    /// What follows from an event; refused if that is more than there is room for.
    fn route(
        &self,
        bus: &BusArn,
        incoming: &Incoming<'_>,
        room: usize,
    ) -> Result<Outgoing, EntryRefusal> {
        let compiled = self.compiled(bus);
        let text = incoming.event.text();
        let matching = compiled.index.matching(text.as_bytes()).map_err(|error| {
            // The parts of the event were read before, so this does not happen.
            tracing::error!(%error, "an event could not be read");
            EntryRefusal { code: "InternalFailure", message: error.to_string() }
        })?;
        let mut out = Outgoing::default();
        if matching.is_empty() {
            return Ok(out);
        }
        let event = Bytes::from(text.clone());
        for rule in matching.into_iter().filter_map(|position| compiled.rules.get(position)) {
            out.triggered.push(rule.name.clone());
            let arn = bus.rule(&rule.name);
            let subject = Subject {
                event: &incoming.event,
                text: &text,
                rule_arn: &arn,
                rule_name: &rule.name,
                ingested: incoming.now,
            };
            to_targets(rule, subject, (incoming, &event), (&mut out, room))?;
        }
        Ok(out)
    }

    async fn enqueue(&self, outgoing: Outgoing, now: Timestamp) -> Result<(), BusError> {
        let Outgoing { puts, triggered, .. } = outgoing;
        if !puts.is_empty() {
            let batch = Batch { puts, ..Batch::default() };
            self.queue.apply(batch, now).await.map_err(BusError::Store)?;
        }
        for rule in triggered {
            self.metrics.add(Metric::TriggeredRules, &rule, 1);
        }
        Ok(())
    }
}

/// Adds what the targets of a rule are to get; refused if that is more than there is room for.
pub(super) fn to_targets(
    rule: &Rule,
    subject: Subject<'_>,
    (incoming, event): (&Incoming<'_>, &Bytes),
    (out, room): (&mut Outgoing, usize),
) -> Result<(), EntryRefusal> {
    let arn = subject.rule_arn;
    for target in &rule.targets {
        match parcel(target, subject, incoming) {
            Some((parcel, payload)) => {
                let (body, event_bytes) = body(target, event, payload);
                let more = (parcel, incoming.trace, event_bytes);
                let delivery = delivery((rule, arn), target, more);
                let lane = format!("{arn}/{}", target.id);
                out.push(delivery.entry((&lane, None), body, incoming.now), room)?;
            }
            None => tracing::error!(rule = arn, id = target.id, "a target that was kept is none"),
        }
    }
    Ok(())
}

/// What follows from events.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) puts: Vec<NewEntry>,
    /// The rules that matched.
    triggered: Vec<String>,
    /// What the deliveries have together.
    bytes: usize,
}

impl Outgoing {
    fn push(&mut self, entry: NewEntry, room: usize) -> Result<(), EntryRefusal> {
        self.bytes += entry.head.len() + entry.body.len();
        if self.bytes > room {
            let message = "What follows from the events of the request is over the limit.";
            return Err(EntryRefusal { code: "ThrottlingException", message: message.to_owned() });
        }
        self.puts.push(entry);
        Ok(())
    }

    fn append(&mut self, more: Self) {
        self.puts.extend(more.puts);
        self.triggered.extend(more.triggered);
        self.bytes += more.bytes;
    }
}

#[async_trait]
impl PutEvent for Buses {
    async fn put(&self, sent: Sent<'_>, event: &BusEvent) -> Result<(), NotTaken> {
        let refuse =
            |code: &str, message: String| NotTaken::Refused { code: code.to_owned(), message };
        let Some(bus) = BusArn::parse(sent.arn).filter(|bus| self.has_bus(bus)) else {
            let message = format!("Event bus {} does not exist.", sent.arn);
            return Err(refuse("ResourceNotFoundException", message));
        };
        let detail = std::str::from_utf8(sent.body).ok().and_then(object);
        let Some(detail) = detail else {
            return Err(refuse("MalformedDetail", "Detail is malformed.".to_owned()));
        };
        let now = self.clock.now();
        let (passed, buses) = match event.passed_on.clone() {
            Some(passed) => {
                let buses = passed.buses.saturating_add(1);
                (passed, buses)
            }
            None => (first_bus(&bus, now), 1),
        };
        if buses > limits::EVENT_BUSES_MAX {
            let message =
                format!("The event has passed {} buses already.", limits::EVENT_BUSES_MAX);
            return Err(refuse("LoopDetected", message));
        }
        let BusEvent { source, detail_type, resources, .. } = event.clone();
        let PassedOn { id, time, account, region, .. } = passed;
        let event = Envelope { id, detail_type, source, account, time, region, resources, detail };
        let incoming = Incoming { event, trace: sent.trace, buses, now };
        let outgoing = self
            .route(&bus, &incoming, limits::EVENT_DELIVERIES_BYTES_MAX)
            .map_err(|EntryRefusal { code, message }| refuse(code, message))?;
        let enqueued = self.enqueue(outgoing, now).await;
        enqueued.map_err(|error| NotTaken::Failed { message: error.to_string() })
    }
}

/// What an event that comes from no other bus carries.
fn first_bus(bus: &BusArn, now: Timestamp) -> PassedOn {
    PassedOn {
        id: Uuid::new_v4().to_string(),
        time: seconds(now),
        account: bus.scope.account.to_string(),
        region: bus.scope.region.to_string(),
        buses: 0,
    }
}

/// AWS: what counts of an event.
fn counted_bytes(event: &NewEvent) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let time = event.time.map_or(0, |_time| limits::EVENT_TIME_BYTES);
    let resources = event.resources.iter().map(String::len).sum::<usize>();
    time + length(&event.source) + length(&event.detail_type) + length(&event.detail) + resources
}

fn envelope(new: NewEvent, scope: &Scope, now: Timestamp) -> Result<Envelope, EntryRefusal> {
    let required = |value: Option<String>, name: &str| {
        value.filter(|text| !text.is_empty()).ok_or_else(|| EntryRefusal {
            code: "InvalidArgument",
            message: format!(
                "Parameter {name} is not valid. Reason: {name} is a required argument."
            ),
        })
    };
    let source = required(new.source, "Source")?;
    let detail_type = required(new.detail_type, "DetailType")?;
    let detail = required(new.detail, "Detail")?;
    if source.starts_with("aws.") {
        return Err(EntryRefusal {
            code: "NotAuthorizedForSourceException",
            message: "Not authorized for the source.".to_owned(),
        });
    }
    let detail = object(&detail).ok_or_else(|| EntryRefusal {
        code: "MalformedDetail",
        message: "Detail is malformed.".to_owned(),
    })?;
    Ok(Envelope {
        id: Uuid::new_v4().to_string(),
        detail_type,
        source,
        account: scope.account.to_string(),
        time: seconds(new.time.unwrap_or(now)),
        region: scope.region.to_string(),
        resources: new.resources,
        detail,
    })
}

/// A JSON object without white space, if the text is one that can be a part of an event.
fn object(text: &str) -> Option<String> {
    let read: Value = serde_json::from_str(text).ok()?;
    let fits = read.is_object() && json::depth(text) <= limits::EVENT_DETAIL_DEPTH_MAX;
    fits.then(|| json::compact(text))
}

/// What a target is handed, and the body, if it is not the event.
fn parcel(
    target: &Target,
    subject: Subject<'_>,
    incoming: &Incoming<'_>,
) -> Option<(Parcel, Option<Bytes>)> {
    let arn = target.arn.clone();
    let parcel = match Kind::of(&arn).ok()? {
        Kind::Function => Parcel::Function { arn },
        Kind::LogGroup => Parcel::LogGroup { arn },
        Kind::Topic => Parcel::Topic { arn, message: TopicMessage::default() },
        Kind::Queue => {
            let message = QueueMessage { group: target.group.clone(), ..QueueMessage::default() };
            Parcel::Queue { arn, message }
        }
        Kind::Bus => {
            let event = passed_on(incoming);
            let detail = Bytes::from(incoming.event.detail.clone());
            return Some((Parcel::Bus { arn, event }, Some(detail)));
        }
    };
    let body = match &target.input {
        Input::Event => None,
        Input::Constant(text) => Some(text.clone()),
        Input::Path(path) => {
            let part = Path::parse(path).and_then(|path| path.find(subject.text));
            Some(part.unwrap_or_else(|| "null".to_owned()))
        }
        Input::Transformer { paths, template } => Some(template::fill(template, paths, subject)),
    };
    Some((parcel, body.map(Bytes::from)))
}

/// The body of a delivery, and how much of it is the event: that stands before a payload that is
/// not the event itself, for the dead-letter queue.
fn body(target: &Target, event: &Bytes, payload: Option<Bytes>) -> (Bytes, usize) {
    match payload {
        None => (event.clone(), 0),
        Some(payload) if target.dead_letter.is_none() => (payload, 0),
        Some(payload) => {
            let both = [event.as_ref(), payload.as_ref()].concat();
            (Bytes::from(both), event.len())
        }
    }
}

fn passed_on(incoming: &Incoming<'_>) -> BusEvent {
    let Envelope { id, detail_type, source, account, time, region, resources, .. } =
        incoming.event.clone();
    let passed_on = PassedOn { id, time, account, region, buses: incoming.buses };
    BusEvent { source, detail_type, resources, passed_on: Some(passed_on) }
}

fn delivery(
    (rule, arn): (&Rule, &str),
    target: &Target,
    (parcel, trace, event_bytes): (Parcel, Option<&str>, usize),
) -> Delivery {
    Delivery {
        origin: Origin::Target {
            rule: arn.to_owned(),
            name: rule.name.clone(),
            id: target.id.clone(),
            target: target.arn.clone(),
            event_bytes,
        },
        parcel,
        patience: target.patience(),
        dead_letter: target.dead_letter.clone(),
        trace: trace.map(str::to_owned),
        attempts: 0,
    }
}
