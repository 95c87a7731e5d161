//! The events of the Telemetry API and of the Logs API, as AWS shapes them, pure.
//!
//! One [`Event`] is what happened; [`Event::render`] writes it in the form that a subscriber asked
//! for, or not at all if its form does not have it.
//!
//! # Deliberately absent
//!
//! No events of `SnapStart`. No span `responseDuration`: how long the runtime took to hand an answer
//! over is not measured.

use std::time::Duration;

use bytes::Bytes;
use hearth_types::time::Timestamp;
use serde_json::{Map, Value, json};

use super::subscription::{Interface, Schema, Subscription, Topic};
use crate::driver::Purpose;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub record: Record,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The init phase began.
    InitStart {
        /// Which one.
        init: Init,
        /// The function's name.
        function_name: String,
        /// The function's version.
        function_version: String,
        /// The runtime's version.
        runtime_version: String,
        /// The same as an ARN.
        runtime_version_arn: String,
        /// The log stream, which is one per environment.
        instance_id: String,
        /// The function's memory.
        memory_bytes: u64,
    },
    /// The runtime's part of the init phase is over.
    InitRuntimeDone {
        /// When it took place.
        init: Init,
        /// How it went.
        outcome: Outcome,
    },
    /// The init phase is over.
    InitReport {
        /// When it took place.
        init: Init,
        /// How it went.
        outcome: Outcome,
        /// How long it took.
        duration: Duration,
    },
    /// An invocation began.
    Start {
        /// Which one.
        request_id: String,
        /// The function's version.
        version: String,
        /// The X-Ray header.
        trace: String,
    },
    /// The runtime's part of an invocation is over.
    RuntimeDone {
        /// Which one.
        request_id: String,
        /// The X-Ray header.
        trace: String,
        /// How it went.
        outcome: Outcome,
        /// How long it took.
        duration: Duration,
        /// How large the answer is, if there is one.
        produced_bytes: Option<u64>,
        /// What the time was spent on.
        spans: Vec<Span>,
    },
    /// An invocation is over.
    Report {
        /// Which one.
        request_id: String,
        /// The X-Ray header.
        trace: String,
        /// How it went.
        outcome: Outcome,
        /// The figures of the `REPORT` line.
        metrics: Metrics,
        /// What the time was spent on.
        spans: Vec<Span>,
    },
    /// Where an extension is when the init phase is over.
    Extension {
        /// Its name.
        name: String,
        /// Where it is.
        state: &'static str,
        /// What it subscribed to.
        events: Vec<&'static str>,
        /// The type of its error, if it has failed.
        error_type: Option<String>,
    },
    /// An extension subscribed.
    Subscribed {
        /// Its name.
        name: String,
        /// Through which interface.
        interface: Interface,
        /// To what.
        topics: Vec<Topic>,
    },
    /// Events of a subscriber were dropped.
    Dropped(Dropped),
    /// The function wrote something.
    Function(Bytes),
    /// An extension wrote something.
    ExtensionLine(Bytes),
}

/// An init phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Init {
    /// When it takes place.
    pub phase: Phase,
    /// What the environment was started for.
    pub purpose: Purpose,
}

/// When an init phase takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the first invocation.
    Init,
    /// As a part of an invocation.
    Invoke,
}

/// How something went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// With an error of this type.
    Error(String),
    /// It took too long.
    Timeout,
}

/// A part of the time.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its name.
    pub name: &'static str,
    /// When it began.
    pub start: Timestamp,
    /// How long it is.
    pub duration: Duration,
}

/// The figures of the `REPORT` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics {
    /// How long the invocation took.
    pub duration: Duration,
    /// What AWS would bill.
    pub billed_ms: u64,
    /// The function's memory.
    pub memory_mb: u32,
    /// The most that was in use.
    pub memory_used_mb: u32,
    /// How long the init phase took, on a cold start.
    pub init: Option<Duration>,
}

/// How much was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Events.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Record {
    /// Who wants to know.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Function(_) => Topic::Function,
            Self::ExtensionLine(_) => Topic::Extension,
            Self::InitStart { .. }
            | Self::InitRuntimeDone { .. }
            | Self::InitReport { .. }
            | Self::Start { .. }
            | Self::RuntimeDone { .. }
            | Self::Report { .. }
            | Self::Extension { .. }
            | Self::Subscribed { .. }
            | Self::Dropped(_) => Topic::Platform,
        }
    }

    /// About how much memory it takes while it is held.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Function(line) | Self::ExtensionLine(line) => line.len() + 64,
            Self::InitStart { .. }
            | Self::InitRuntimeDone { .. }
            | Self::InitReport { .. }
            | Self::Start { .. }
            | Self::RuntimeDone { .. }
            | Self::Report { .. }
            | Self::Extension { .. }
            | Self::Subscribed { .. }
            | Self::Dropped(_) => 512,
        }
    }
}

impl Event {
    /// The event as JSON, in the forms of a subscription; none if it is not wanted or has no form
    /// there. The Logs API tells the end of an invocation twice.
    #[must_use]
    pub fn render(&self, subscription: &Subscription) -> Vec<String> {
        if !subscription.topics.contains(&self.record.topic()) {
            return Vec::new();
        }
        let mut all = Vec::new();
        let mut add = |kind: &str, record: Value| {
            let event = json!({ "time": self.at.iso(), "type": kind, "record": record });
            all.push(event.to_string());
        };
        match subscription.interface {
            Interface::Telemetry => {
                add(self.record.telemetry_type(), self.record.telemetry(subscription.schema));
            }
            Interface::Logs => {
                if let Record::Report { request_id, .. } = &self.record {
                    add("platform.end", json!({ "requestId": request_id }));
                }
                if let Some(record) = self.record.logs(subscription.schema) {
                    add(self.record.telemetry_type(), record);
                }
            }
        }
        all
    }
}

impl Record {
    fn telemetry_type(&self) -> &'static str {
        match self {
            Self::InitStart { .. } => "platform.initStart",
            Self::InitRuntimeDone { .. } => "platform.initRuntimeDone",
            Self::InitReport { .. } => "platform.initReport",
            Self::Start { .. } => "platform.start",
            Self::RuntimeDone { .. } => "platform.runtimeDone",
            Self::Report { .. } => "platform.report",
            Self::Extension { .. } => "platform.extension",
            Self::Subscribed { interface: Interface::Telemetry, .. } => {
                "platform.telemetrySubscription"
            }
            Self::Subscribed { interface: Interface::Logs, .. } => "platform.logsSubscription",
            Self::Dropped(_) => "platform.logsDropped",
            Self::Function(_) => "function",
            Self::ExtensionLine(_) => "extension",
        }
    }

    fn telemetry(&self, schema: Schema) -> Value {
        match self {
            Self::InitStart { .. } | Self::InitRuntimeDone { .. } | Self::InitReport { .. } => {
                self.init()
            }
            Self::Start { request_id, version, trace } => {
                let record = json!({ "requestId": request_id, "version": version });
                with_trace(record, trace)
            }
            Self::RuntimeDone { request_id, trace, outcome, duration, produced_bytes, spans } => {
                let mut metrics = json!({ "durationMs": millis(*duration) });
                if let Some(bytes) = produced_bytes {
                    metrics["producedBytes"] = json!(bytes);
                }
                let spans = spans.iter().map(Span::render).collect::<Vec<_>>();
                let record = json!({ "requestId": request_id, "metrics": metrics, "spans": spans });
                with_trace(with_outcome(record, outcome), trace)
            }
            Self::Report { request_id, trace, outcome, metrics, spans } => {
                let spans = spans.iter().map(Span::render).collect::<Vec<_>>();
                let record =
                    json!({ "requestId": request_id, "metrics": metrics.render(), "spans": spans });
                with_trace(with_outcome(record, outcome), trace)
            }
            Self::Extension { name, state, events, error_type } => {
                let mut record = json!({ "name": name, "state": state, "events": events });
                if let Some(error_type) = error_type {
                    record["errorType"] = json!(error_type);
                }
                record
            }
            Self::Subscribed { name, topics, .. } => {
                let topics: Vec<&str> = topics.iter().map(|topic| topic.name()).collect();
                json!({ "name": name, "state": "Subscribed", "types": topics })
            }
            Self::Dropped(Dropped { records, bytes }) => json!({
                "droppedRecords": records,
                "droppedBytes": bytes,
                "reason": "The subscriber takes events more slowly than they are made.",
            }),
            Self::Function(line) => line_of_function(line, schema).unwrap_or_else(|| text(line)),
            Self::ExtensionLine(line) => text(line),
        }
    }

    fn init(&self) -> Value {
        let common = |init: &Init| {
            let kind = init.purpose.initialization();
            json!({ "initializationType": kind, "phase": init.phase.name() })
        };
        match self {
            Self::InitStart {
                init,
                function_name,
                function_version,
                runtime_version,
                runtime_version_arn,
                instance_id,
                memory_bytes,
            } => {
                let mut record = common(init);
                record["functionName"] = json!(function_name);
                record["functionVersion"] = json!(function_version);
                record["runtimeVersion"] = json!(runtime_version);
                record["runtimeVersionArn"] = json!(runtime_version_arn);
                record["instanceId"] = json!(instance_id);
                record["instanceMaxMemory"] = json!(memory_bytes);
                record
            }
            Self::InitRuntimeDone { init, outcome } => with_outcome(common(init), outcome),
            Self::InitReport { init, outcome, duration } => {
                let mut record = with_outcome(common(init), outcome);
                record["metrics"] = json!({ "durationMs": millis(*duration) });
                record
            }
            Self::Start { .. }
            | Self::RuntimeDone { .. }
            | Self::Report { .. }
            | Self::Extension { .. }
            | Self::Subscribed { .. }
            | Self::Dropped(_)
            | Self::Function(_)
            | Self::ExtensionLine(_) => Value::Null,
        }
    }

    /// The smaller records of the Logs API.
    fn logs(&self, schema: Schema) -> Option<Value> {
        match self {
            Self::InitStart { .. } | Self::InitRuntimeDone { .. } | Self::InitReport { .. } => None,
            Self::Start { request_id, version, .. } => {
                Some(json!({ "requestId": request_id, "version": version }))
            }
            Self::RuntimeDone { request_id, outcome, .. } => {
                let record = json!({ "requestId": request_id, "status": outcome.status() });
                (schema == Schema::Logs2021).then_some(record)
            }
            Self::Report { request_id, metrics, .. } => {
                Some(json!({ "requestId": request_id, "metrics": metrics.render() }))
            }
            Self::Extension { .. }
            | Self::Subscribed { .. }
            | Self::Dropped(_)
            | Self::Function(_)
            | Self::ExtensionLine(_) => Some(self.telemetry(schema)),
        }
    }
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

impl Outcome {
    fn status(&self) -> &'static str {
        match self {
            // AWS: what the platform is to blame for is a failure, all else an error.
            Self::Error(error_type) if error_type.starts_with("Sandbox.") => "failure",
            Self::Error(_) => "error",
            Self::Success => "success",
            Self::Timeout => "timeout",
        }
    }
}

impl Span {
    fn render(&self) -> Value {
        json!({ "name": self.name, "start": self.start.iso(), "durationMs": millis(self.duration) })
    }
}

impl Metrics {
    fn render(&self) -> Value {
        let mut metrics = json!({
            "durationMs": millis(self.duration),
            "billedDurationMs": self.billed_ms,
            "memorySizeMB": self.memory_mb,
            "maxMemoryUsedMB": self.memory_used_mb,
        });
        if let Some(init) = self.init {
            metrics["initDurationMs"] = json!(millis(init));
        }
        metrics
    }
}

fn with_outcome(mut record: Value, outcome: &Outcome) -> Value {
    record["status"] = json!(outcome.status());
    if let Outcome::Error(error_type) = outcome {
        record["errorType"] = json!(error_type);
    }
    record
}

fn with_trace(mut record: Value, trace: &str) -> Value {
    if !trace.is_empty() {
        record["tracing"] = json!({ "type": "X-Amzn-Trace-Id", "value": trace });
    }
    record
}

/// Milliseconds with three digits behind the point.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

fn text(line: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(line).into_owned())
}

/// AWS: since the second schema, what was logged as a JSON object is sent as one.
fn line_of_function(line: &[u8], schema: Schema) -> Option<Value> {
    if schema < Schema::Telemetry202212 || line.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice::<Map<String, Value>>(line).ok().map(Value::Object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(interface: Interface, schema: &str) -> Subscription {
        let body = json!({
            "schemaVersion": schema,
            "types": ["platform", "function", "extension"],
            "destination": { "protocol": "TCP", "port": 4444 },
        });
        Subscription::parse(interface, body.to_string().as_bytes()).unwrap()
    }

    fn rendered(record: Record, subscription: &Subscription) -> Vec<Value> {
        let event = Event { at: Timestamp(1_795_404_035_123), record };
        let parse = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        event.render(subscription).into_iter().map(parse).collect()
    }

    fn report() -> Record {
        Record::Report {
            request_id: "8f5e".to_owned(),
            trace: String::new(),
            outcome: Outcome::Timeout,
            metrics: Metrics {
                duration: Duration::from_micros(3_010_500),
                billed_ms: 3_011,
                memory_mb: 128,
                memory_used_mb: 36,
                init: Some(Duration::from_millis(110)),
            },
            spans: Vec::new(),
        }
    }

    #[test]
    fn each_platform_event_as_the_telemetry_api_shapes_it() {
        let runtime_done = Record::RuntimeDone {
            request_id: "8f5e".to_owned(),
            trace: "Root=1".to_owned(),
            outcome: Outcome::Error("Runtime.ExitError".to_owned()),
            duration: Duration::from_micros(1_500),
            produced_bytes: Some(7),
            spans: vec![Span {
                name: "responseLatency",
                start: Timestamp(1_795_404_035_000),
                duration: Duration::from_millis(1),
            }],
        };
        let init_report = Record::InitReport {
            init: Init { phase: Phase::Invoke, purpose: Purpose::Provisioned },
            outcome: Outcome::Success,
            duration: Duration::from_millis(90),
        };
        let extension = Record::Extension {
            name: "outer".to_owned(),
            state: "Ready",
            events: vec!["INVOKE"],
            error_type: None,
        };
        let subscribed = Record::Subscribed {
            name: "outer".to_owned(),
            interface: Interface::Telemetry,
            topics: vec![Topic::Platform],
        };
        let metrics = json!({ "durationMs": 3010.5, "billedDurationMs": 3011, "memorySizeMB": 128, "maxMemoryUsedMB": 36, "initDurationMs": 110.0 });
        let tracing = json!({ "type": "X-Amzn-Trace-Id", "value": "Root=1" });
        let span = json!({ "name": "responseLatency", "start": "2026-11-23T03:20:35.000Z", "durationMs": 1.0 });
        #[rustfmt::skip]
        let rows = [
            (report(),     "platform.report",                json!({ "requestId": "8f5e", "status": "timeout", "metrics": metrics, "spans": [] })),
            (runtime_done, "platform.runtimeDone",           json!({ "requestId": "8f5e", "status": "error", "errorType": "Runtime.ExitError", "metrics": { "durationMs": 1.5, "producedBytes": 7 }, "spans": [span], "tracing": tracing })),
            (init_report,  "platform.initReport",            json!({ "initializationType": "provisioned-concurrency", "phase": "invoke", "status": "success", "metrics": { "durationMs": 90.0 } })),
            (extension,    "platform.extension",             json!({ "name": "outer", "state": "Ready", "events": ["INVOKE"] })),
            (subscribed,   "platform.telemetrySubscription", json!({ "name": "outer", "state": "Subscribed", "types": ["platform"] })),
        ];
        let subscription = subscription(Interface::Telemetry, "2022-07-01");
        for (record, kind, expected) in rows {
            let time = "2026-11-23T03:20:35.123Z";
            let expected = json!({ "time": time, "type": kind, "record": expected });
            assert_eq!(rendered(record, &subscription), [expected]);
        }
    }

    #[test]
    fn the_logs_api_tells_the_end_and_less_of_the_rest() {
        let subscription = subscription(Interface::Logs, "2020-08-15");
        let kinds: Vec<Value> = rendered(report(), &subscription)
            .into_iter()
            .map(|mut one| one["type"].take())
            .collect();
        assert_eq!(kinds, ["platform.end", "platform.report"]);
        let init = Record::InitRuntimeDone {
            init: Init { phase: Phase::Init, purpose: Purpose::OnDemand },
            outcome: Outcome::Success,
        };
        assert_eq!(rendered(init, &subscription), Vec::<Value>::new());
    }

    #[test]
    fn a_line_is_text_unless_it_is_json_and_the_subscriber_knows_that() {
        let line = || Record::Function(Bytes::from_static(b"{\"level\":\"INFO\"}\n"));
        let older = subscription(Interface::Telemetry, "2022-07-01");
        let newer = subscription(Interface::Telemetry, "2022-12-13");
        assert_eq!(rendered(line(), &older)[0]["record"], json!("{\"level\":\"INFO\"}\n"));
        assert_eq!(rendered(line(), &newer)[0]["record"], json!({ "level": "INFO" }));
        let plain = Record::Function(Bytes::from_static(b"plain\n"));
        assert_eq!(rendered(plain, &newer)[0]["record"], json!("plain\n"));
        let extension = Record::ExtensionLine(Bytes::from_static(b"{}\n"));
        assert_eq!(
            rendered(extension, &newer)[0],
            json!({
                "time": "2026-11-23T03:20:35.123Z", "type": "extension", "record": "{}\n",
            })
        );
    }
}
