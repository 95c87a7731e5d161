//! What event source mappings are doing. Hearth's own.
//!
//! ```text
//!  GET /_hearth/sources         all mappings of the caller's account and region
//!  GET /_hearth/sources/UUID    one of them
//! ```

use hearth_control::mapping::Mapping;
use hearth_control::mapping::operations::MappingFilter;
use hearth_control::mapping::source::Source;
use hearth_services::queues::QueueName;
use hearth_types::names::Scope;
use serde_json::{Value, json};

use crate::front::Front;

/// All mappings of a scope.
pub(crate) async fn all(front: &Front, scope: &Scope) -> Value {
    let mut shown = Vec::new();
    for mapping in front.control.list_mappings(scope, &MappingFilter::default()) {
        shown.push(row(front, &mapping).await);
    }
    json!({ "mappings": shown })
}

/// One of them.
pub(crate) async fn one(front: &Front, scope: &Scope, id: &str) -> Option<Value> {
    let mapping = front.control.mapping(scope, id).ok()?;
    Some(row(front, &mapping).await)
}

async fn row(front: &Front, mapping: &Mapping) -> Value {
    let seen = front.mappings.seen(&mapping.id).unwrap_or_default();
    let configuration = &mapping.configuration;
    let parts = configuration.topics.iter().chain(&configuration.queues);
    let parts: Vec<&String> = parts.collect();
    json!({
        "uuid": mapping.id.as_str(),
        "function": mapping.function_arn(),
        "source": source(&mapping.source),
        "parts": parts,
        "state": mapping.state.name(),
        "reason": mapping.transition_reason,
        "waiting": waiting(front, mapping).await.or(seen.behind),
        "progress": seen,
    })
}

/// The ARN of a source, or where it is.
fn source(source: &Source) -> String {
    match source {
        Source::Arn { arn, .. } => arn.clone(),
        Source::SelfManagedKafka { bootstrap_servers } => bootstrap_servers.join(","),
    }
}

/// How many messages wait, where the queue is our own.
async fn waiting(front: &Front, mapping: &Mapping) -> Option<u64> {
    const WAITING: &str = "ApproximateNumberOfMessages";
    if !mapping.source.kind().is_queue() || front.elsewhere.sqs.is_some() {
        return None;
    }
    let name = QueueName::of_arn(mapping.source.arn()?)?;
    let found = front.queues.attributes(&name, &[WAITING.to_owned()]).await.ok()?;
    found.get(WAITING)?.parse().ok()
}
