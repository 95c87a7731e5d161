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
struct Incoming<'a> {
    event: Envelope,
    trace: Option<&'a str>,
    /// How many buses it has passed, this one included.
    buses: u32,
    now: Timestamp,
}

impl Buses {
    /// Puts events. For each of them the answer is its id, or why it was not taken. An event for a bus
    /// that is not there is taken and goes nowhere, as on AWS.
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
        let (mut batch, mut triggered, mut answers) = (Batch::default(), Vec::new(), Vec::new());
        for new in events {
            let bus = BusArn::meant(scope, new.bus.as_deref());
            let own_trace = new.trace.clone();
            let event = match envelope(new, scope, now) {
                Ok(event) => event,
                Err(refusal) => {
                    answers.push(Err(refusal));
                    continue;
                }
            };
            answers.push(Ok(event.id.clone()));
            if self.find_bus(&bus).is_some() {
                let trace = own_trace.as_deref().or(trace);
                let incoming = Incoming { event, trace, buses: 1, now };
                triggered.extend(self.route(&bus, &incoming, &mut batch.puts));
            }
        }
        self.enqueue(batch, triggered, now).await?;
        Ok(answers)
    }

    /// Adds the deliveries that follow from an event. Returns the rules that matched.
    fn route(&self, bus: &BusArn, incoming: &Incoming<'_>, out: &mut Vec<NewEntry>) -> Vec<String> {
        let compiled = self.compiled(bus);
        let text = incoming.event.text();
        let matching = match compiled.index.matching(text.as_bytes()) {
            Ok(matching) => matching,
            Err(error) => {
                // The parts of the event were read before, so this does not happen.
                tracing::error!(%error, "an event could not be read");
                return Vec::new();
            }
        };
        let body = Bytes::from(text.clone());
        let mut triggered = Vec::with_capacity(matching.len());
        for rule in matching.into_iter().filter_map(|position| compiled.rules.get(position)) {
            triggered.push(rule.name.clone());
            let arn = bus.rule(&rule.name);
            let subject = Subject {
                event: &incoming.event,
                text: &text,
                rule_arn: &arn,
                rule_name: &rule.name,
                ingested: incoming.now,
            };
            for target in &rule.targets {
                match parcel(target, subject, incoming) {
                    Some((parcel, special)) => {
                        let body = special.unwrap_or_else(|| body.clone());
                        let delivery = delivery((rule, &arn), target, (parcel, incoming.trace));
                        let lane = format!("{arn}/{}", target.id);
                        out.push(delivery.entry((&lane, None), body, incoming.now));
                    }
                    None => tracing::error!(
                        rule = arn,
                        id = target.id,
                        "a target that was kept is none"
                    ),
                }
            }
        }
        triggered
    }

    async fn enqueue(
        &self,
        batch: Batch,
        triggered: Vec<String>,
        now: Timestamp,
    ) -> Result<(), BusError> {
        if !batch.puts.is_empty() {
            self.queue.apply(batch, now).await.map_err(BusError::Store)?;
        }
        for rule in triggered {
            self.metrics.add(Metric::TriggeredRules, &rule, 1);
        }
        Ok(())
    }
}

#[async_trait]
impl PutEvent for Buses {
    async fn put(&self, sent: Sent<'_>, event: &BusEvent) -> Result<(), NotTaken> {
        let refuse =
            |code: &str, message: String| NotTaken::Refused { code: code.to_owned(), message };
        let Some(bus) = BusArn::parse(sent.arn).filter(|bus| self.find_bus(bus).is_some()) else {
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
        let mut batch = Batch::default();
        let triggered = self.route(&bus, &incoming, &mut batch.puts);
        let enqueued = self.enqueue(batch, triggered, now).await;
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

/// A JSON object without white space, if the text is one.
fn object(text: &str) -> Option<String> {
    let read: Value = serde_json::from_str(text).ok()?;
    read.is_object().then(|| json::compact(text))
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

fn passed_on(incoming: &Incoming<'_>) -> BusEvent {
    let Envelope { id, detail_type, source, account, time, region, resources, .. } =
        incoming.event.clone();
    let passed_on = PassedOn { id, time, account, region, buses: incoming.buses };
    BusEvent { source, detail_type, resources, passed_on: Some(passed_on) }
}

fn delivery(
    (rule, arn): (&Rule, &str),
    target: &Target,
    (parcel, trace): (Parcel, Option<&str>),
) -> Delivery {
    Delivery {
        origin: Origin::Target {
            rule: arn.to_owned(),
            name: rule.name.clone(),
            id: target.id.clone(),
            target: target.arn.clone(),
        },
        parcel,
        patience: target.patience(),
        dead_letter: target.dead_letter.clone(),
        trace: trace.map(str::to_owned),
        attempts: 0,
    }
}
