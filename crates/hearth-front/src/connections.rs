//! What is done with the connections of WebSocket APIs: `@connections`, as AWS's clients ask for it.
//!
//! A connection is named below a stage of its API, as with AWS, or, because ids are unique here, by its
//! id alone: clients inside functions that are given no endpoint come to this server.

use bytes::Bytes;
use hearth_http::sockets::{ConnectionError, Known, Meant};
use hearth_types::limits::SOCKET_MESSAGE_BYTES_MAX;
use hearth_wire::apigatewaymanagementapi::{Operation, SERVICE};
use hearth_wire::{rest_json, route};
use serde_json::{Value, json};

use crate::body::{self, BodyError};
use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front, from_wire};
use crate::server::Admission;
use crate::traffic::Found;

/// The first segment of all paths of this service, as it is and as some clients encode it.
const FIRST: [&str; 2] = ["/@connections/", "/%40connections/"];

/// A call for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Managed {
    /// The id of the API and the name of the stage, if they are named.
    at: Option<(String, String)>,
    /// The path without them.
    path: String,
}

impl Managed {
    /// The call that a request for a site is, if it is one.
    pub(crate) fn of((site, place): &Found) -> Option<Self> {
        site.sockets()?;
        let (stage, path) = below_stage(&place.path)?;
        Some(Self { at: Some((place.id.clone(), stage.to_owned())), path })
    }

    /// The call that a path is that names no API, if it is one.
    pub(crate) fn anywhere(path: &str) -> Option<Self> {
        Some(Self { at: None, path: own_path(path)? })
    }
}

/// Answers a call.
pub(crate) async fn answer(front: &Front, managed: &Managed, arrived: Arrived) -> Answer {
    let answered = answer_or_refuse(front, managed, arrived).await;
    answered.unwrap_or_else(|error| error.render(Protocol::RestJson))
}

async fn answer_or_refuse(
    front: &Front,
    managed: &Managed,
    arrived: Arrived,
) -> Result<Answer, AwsError> {
    if *front.admission.borrow() == Admission::Draining {
        return Err(AwsError::draining());
    }
    let method = arrived.head.method.clone();
    let matched = route::find(&SERVICE, method.as_str(), &managed.path, arrived.query());
    let Ok(matched) = matched else {
        return Err(AwsError::unknown_path(method.as_str(), &managed.path));
    };
    let at = managed.at.as_ref().map(|(api, stage)| (api.as_str(), stage.as_str()));
    let meant = Meant { at, id: matched.labels.get("connectionId").unwrap_or_default() };
    let sockets = &front.sockets;
    let output = match Operation::of(matched.operation) {
        Operation::PostToConnection => {
            let read = body::read(arrived.body, SOCKET_MESSAGE_BYTES_MAX, &front.body_room).await;
            let read = read.map_err(|error| match error {
                BodyError::TooLarge => ConnectionError::TooLarge.into(),
                BodyError::Incomplete | BodyError::NoRoom => {
                    AwsError::of_body(error, SOCKET_MESSAGE_BYTES_MAX, matched.operation.name)
                }
            })?;
            // It may wait for long, and should not keep the buffer of a connection.
            sockets.post(meant, Bytes::copy_from_slice(&read.bytes))?;
            Value::Null
        }
        Operation::GetConnection => written(&sockets.known(meant)?),
        Operation::DeleteConnection => {
            sockets.delete(meant)?;
            Value::Null
        }
    };
    let answer = rest_json::output(matched.operation, output);
    Ok(from_wire(answer.status, &answer.headers, answer.body))
}

/// AWS writes the times as text.
fn written(known: &Known) -> Value {
    let mut identity = json!({ "sourceIp": known.from.to_string() });
    if let Some(user_agent) = &known.user_agent {
        identity["userAgent"] = Value::from(user_agent.as_str());
    }
    json!({
        "connectedAt": known.connected.iso(),
        "identity": identity,
        "lastActiveAt": known.active.iso(),
    })
}

/// The stage of a path, and the call below it.
fn below_stage(path: &str) -> Option<(&str, String)> {
    let rest = path.strip_prefix('/')?;
    let (stage, below) = rest.split_at(rest.find('/')?);
    Some((stage, own_path(below)?))
}

fn own_path(path: &str) -> Option<String> {
    let rest = FIRST.into_iter().find_map(|first| path.strip_prefix(first))?;
    Some(format!("{}{rest}", FIRST[0]))
}

impl From<ConnectionError> for AwsError {
    fn from(error: ConnectionError) -> Self {
        let name = match &error {
            ConnectionError::Malformed(_) => "BadRequestException",
            ConnectionError::Gone => "GoneException",
            ConnectionError::Full => "LimitExceededException",
            ConnectionError::TooLarge => "PayloadTooLargeException",
        };
        Self::of_connections(name, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use hearth_types::time::Timestamp;

    use super::*;

    #[test]
    fn calls_are_known_by_their_paths() {
        #[rustfmt::skip]
        let rows = [
            ("/prod/@connections/a%3D",     Some(("prod", "/@connections/a%3D"))),
            ("/prod/%40connections/a%3D",   Some(("prod", "/@connections/a%3D"))),
            ("/prod",                       None),
            ("/prod/",                      None),
            ("/prod/@connections",          None),
            ("/prod/more/@connections/a",   None),
        ];
        for (path, expected) in rows {
            let found = below_stage(path);
            let found = found.as_ref().map(|(stage, path)| (*stage, path.as_str()));
            assert_eq!(found, expected, "{path}");
        }
        let anywhere = Managed::anywhere("/@connections/a%3D").unwrap();
        assert_eq!((anywhere.at, anywhere.path.as_str()), (None, "/@connections/a%3D"));
        assert_eq!(Managed::anywhere("/2015-03-31/functions"), None);
    }

    #[test]
    fn what_is_known_of_a_connection_is_told_as_aws_does() {
        let known = Known {
            connected: Timestamp(0),
            active: Timestamp(1_000),
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: None,
        };
        let expected = json!({
            "connectedAt": "1970-01-01T00:00:00.000Z",
            "identity": { "sourceIp": "127.0.0.1" },
            "lastActiveAt": "1970-01-01T00:00:01.000Z",
        });
        assert_eq!(written(&known), expected);
    }

    #[test]
    fn errors_have_the_names_and_statuses_of_aws() {
        #[rustfmt::skip]
        let rows = [
            (ConnectionError::Malformed("x".to_owned()), 400, "BadRequestException"),
            (ConnectionError::Gone,                      410, "GoneException"),
            (ConnectionError::Full,                      429, "LimitExceededException"),
            (ConnectionError::TooLarge,                  413, "PayloadTooLargeException"),
        ];
        for (error, status, name) in rows {
            let answer = AwsError::from(error).render(Protocol::RestJson);
            let named = answer.headers().get("x-amzn-errortype").unwrap();
            assert_eq!((answer.status().as_u16(), named.to_str().unwrap()), (status, name));
        }
    }
}
