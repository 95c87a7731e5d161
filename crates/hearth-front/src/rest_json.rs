//! What all services have in common whose protocol is REST-JSON: a request becomes the input of an
//! operation, and an output becomes an answer.

use hearth_types::names::Scope;
use hearth_wire::decode::DecodeError;
use hearth_wire::rest_json as wire;
use hearth_wire::route::{self, Matched};
use hearth_wire::service::{OperationDescription, Service};
use hyper::header::HOST;
use hyper::http::request::Parts;
use serde_json::Value;

use crate::body::Held;
use crate::error::AwsError;
use crate::front::{Answer, Arrived, Front, from_wire};

/// A request that has been read.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) operation: &'static OperationDescription,
    pub(crate) input: Value,
    /// Its body, for operations that take documents.
    pub(crate) body: Held,
    pub(crate) scope: Scope,
    pub(crate) head: Parts,
}

/// Reads a request of a service. What cannot be read is refused in the service's words.
pub(crate) async fn read(
    front: &Front,
    service: &'static Service,
    arrived: Arrived,
    unreadable: impl FnOnce(DecodeError) -> AwsError,
) -> Result<Asked, AwsError> {
    let (method, uri) = (arrived.head.method.clone(), arrived.head.uri.clone());
    let matched = route::find(service, method.as_str(), uri.path(), arrived.query());
    let matched =
        matched.map_err(|_unknown| AwsError::unknown_path(method.as_str(), uri.path()))?;
    read_matched(front, &matched, arrived, unreadable).await
}

/// Reads a request of which it is known what it asks for.
pub(crate) async fn read_matched(
    front: &Front,
    matched: &Matched<'_>,
    arrived: Arrived,
    unreadable: impl FnOnce(DecodeError) -> AwsError,
) -> Result<Asked, AwsError> {
    let Arrived { scope, head, body, .. } = arrived;
    let operation = matched.operation;
    let body = front.read(body, operation.name).await?;
    let header = |name: &str| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let query = head.uri.query().unwrap_or_default();
    let labels = &matched.labels;
    let request = wire::Request { labels, query, header: &header, body: &body.bytes };
    let input = wire::input(operation, &request).map_err(unreadable)?;
    Ok(Asked { operation, input, body, scope, head })
}

/// The answer that an output means.
pub(crate) fn answer(operation: &OperationDescription, output: Value) -> Answer {
    let answer = wire::output(operation, output);
    from_wire(answer.status, &answer.headers, answer.body)
}

impl Asked {
    /// How the client reached us.
    pub(crate) fn host(&self) -> Option<String> {
        self.head.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned)
    }
}
