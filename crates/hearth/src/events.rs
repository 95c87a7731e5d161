//! Puts together what takes from the durable queue, and who takes what is delivered.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_control::control::Control;
use hearth_events::deliveries::Receivers;
use hearth_events::retry::Delays;
use hearth_events::schedules;
use hearth_events::{Events, Parts};
use hearth_invoke::Invoker;
use hearth_services::remote::http::HttpSender;
use hearth_services::remote::tls::Trust;
use hearth_services::targets::{AppendLog, NotTaken, PutObject, Sent};
use hearth_store::queue::Queue;
use hearth_telemetry::{LogError, LogStore, PutEvents};
use hearth_types::logs::LogEvent;
use hearth_types::metrics::Metrics;
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, SystemClock};

use crate::config::{Config, MissedSchedules};
use crate::services::Services;
use crate::targets::Targets;

/// The stream that deliveries go to in a group of logs.
const LOG_STREAM: &str = "deliveries";

/// What the workers need of the rest of the server.
pub(crate) struct Surroundings<'a> {
    pub(crate) control: &'a Arc<Control>,
    pub(crate) invoker: &'a Arc<Invoker>,
    pub(crate) queue: &'a Arc<dyn Queue>,
    pub(crate) time: &'a Arc<Steady>,
    pub(crate) logs: &'a Arc<LogStore>,
    pub(crate) targets: Targets,
    pub(crate) services: &'a Services,
    pub(crate) buckets: Arc<dyn PutObject>,
    pub(crate) trust: Trust,
    pub(crate) metrics: &'a Arc<dyn Metrics>,
    pub(crate) tasks: &'a Tasks,
}

/// Begins to run events and to carry out deliveries.
pub(crate) fn start(config: &Config, surroundings: Surroundings<'_>) -> Events {
    let Surroundings {
        control,
        invoker,
        queue,
        time,
        logs,
        targets,
        services,
        buckets,
        trust,
        metrics,
        tasks,
    } = surroundings;
    let Targets { queues, topics, buses } = targets;
    Events::start(Parts {
        control: Arc::clone(control),
        invoker: Arc::clone(invoker),
        queue: Arc::clone(queue),
        receivers: Receivers {
            functions: Arc::clone(invoker) as _,
            queues,
            topics,
            buses,
            buckets,
            http: Arc::new(HttpSender::new(trust)),
            logs: Arc::new(Logs(Arc::clone(logs))),
        },
        metrics: Arc::clone(metrics),
        time: Arc::clone(time),
        tasks: tasks.clone(),
        delays: Delays {
            retry_ms: [config.event_retry_ms_first, config.event_retry_ms_second],
            backoff_ms_min: config.event_backoff_ms_min,
            backoff_ms_max: config.event_backoff_ms_max,
        },
        schedules: schedules::Parts {
            sources: vec![Arc::clone(&services.schedules) as _, Arc::clone(&services.buses) as _],
            changes: Arc::clone(&services.changes),
            server: services.server.clone(),
            missed: match config.missed_schedules {
                MissedSchedules::Skip => schedules::Missed::Skip,
                MissedSchedules::Once => schedules::Missed::Once,
                MissedSchedules::All => schedules::Missed::All,
            },
        },
    })
}

/// The groups of logs of this server.
#[derive(Debug)]
struct Logs(Arc<LogStore>);

#[async_trait]
impl AppendLog for Logs {
    async fn append(&self, sent: Sent<'_>) -> Result<(), NotTaken> {
        let Some((scope, group)) = log_group(sent.arn) else {
            let message = format!("{} is not a group of logs", sent.arn);
            return Err(NotTaken::Refused {
                code: "InvalidParameterException".to_owned(),
                message,
            });
        };
        let event = LogEvent { at: SystemClock.now(), message: sent.body.clone() };
        let logs = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || {
            match logs.create_stream(&scope, &group, LOG_STREAM) {
                Ok(()) | Err(LogError::StreamExists { .. }) => {}
                Err(error) => return Err(error),
            }
            let put = PutEvents { stream: LOG_STREAM.to_owned(), events: vec![event] };
            logs.put_events(&scope, &group, put)
        });
        let written = written.await.map_err(|ended| failed(&ended))?;
        written.map_err(|error| match error {
            LogError::GroupMissing { .. } => NotTaken::Refused {
                code: "ResourceNotFoundException".to_owned(),
                message: error.to_string(),
            },
            LogError::StreamMissing { .. }
            | LogError::GroupExists { .. }
            | LogError::StreamExists { .. }
            | LogError::NameRefused { .. }
            | LogError::PatternRefused { .. }
            | LogError::TokenInvalid { .. }
            | LogError::NotRead { .. }
            | LogError::NotWritten { .. }
            | LogError::WriterNotStarted { .. } => failed(&error),
        })
    }
}

fn failed(error: &dyn std::error::Error) -> NotTaken {
    NotTaken::Failed { message: error.to_string() }
}

/// The group that an ARN names: `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, with or without `:*`.
fn log_group(arn: &str) -> Option<(Scope, String)> {
    let mut parts = arn.splitn(7, ':');
    let [_arn, _partition, service, region, account, kind] = [(); 6].map(|()| parts.next());
    if service? != "logs" || kind? != "log-group" {
        return None;
    }
    let scope =
        Scope { account: AccountId::parse(account?).ok()?, region: Region::parse(region?).ok()? };
    let name = parts.next()?;
    Some((scope, name.strip_suffix(":*").unwrap_or(name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_a_group_of_logs_names_it() {
        let name = |arn: &str| log_group(arn).map(|(_, name)| name);
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/x";
        assert_eq!(name(arn).as_deref(), Some("/aws/events/x"));
        assert_eq!(name(&format!("{arn}:*")).as_deref(), Some("/aws/events/x"));
        for other in ["", "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:logs:x:y:log-group:z"] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
