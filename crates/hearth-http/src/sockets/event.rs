//! What the functions of a WebSocket API are told.
//!
//! # Promises
//!
//! 1. A handshake is told with its headers and its query, the end with AWS's four headers that mean
//!    nothing, and a message with neither.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_types::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::connection::Connection;
use super::id;
use super::lifetime::Closing;
use super::scene::{CONNECT, DISCONNECT, Scene};
use crate::event::v1::{Maker, nonempty, spelling};
use crate::event::{query_pairs, request_time};
use crate::request::Request;

/// What happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happening<'a> {
    pub(super) scene: &'a Scene,
    pub(super) connection: &'a Connection,
    /// The id of what happens.
    pub(super) request_id: &'a str,
    /// When it does.
    pub(super) now: Timestamp,
}

/// The event of a handshake.
pub(super) fn connect(happening: &Happening<'_>, request: &Request) -> Bytes {
    let parts = Parts::of(request);
    written(&Event {
        headers: Some(parts.last_headers()),
        multi_value_headers: Some(parts.all_headers()),
        query_string_parameters: nonempty(parts.last_query()),
        multi_value_query_string_parameters: nonempty(parts.all_query()),
        ..Event::of(happening, Context::of(happening, Kind::Connect, CONNECT))
    })
}

/// The event of a handshake for an authorizer.
pub(super) fn authorizer(happening: &Happening<'_>, request: &Request, arn: &str) -> Bytes {
    let parts = Parts::of(request);
    written(&AuthorizerEvent {
        r#type: "REQUEST",
        method_arn: arn,
        headers: parts.last_headers(),
        multi_value_headers: parts.all_headers(),
        query_string_parameters: parts.last_query(),
        multi_value_query_string_parameters: parts.all_query(),
        stage_variables: happening.scene.variables(),
        request_context: Context::of(happening, Kind::Connect, CONNECT),
    })
}

/// The event of a message.
pub(super) fn message(happening: &Happening<'_>, route_key: &str, text: &str) -> Bytes {
    let context = Context {
        message_id: Some(id::random()),
        ..Context::of(happening, Kind::Message, route_key)
    };
    written(&Event { body: Some(text), ..Event::of(happening, context) })
}

/// The event of the end.
pub(super) fn disconnect(happening: &Happening<'_>, closing: &Closing) -> Bytes {
    let headers = [
        ("Host", happening.connection.domain.as_str()),
        ("x-api-key", ""),
        ("X-Forwarded-For", ""),
        ("x-restapi", ""),
    ];
    let context = Context {
        disconnect_status_code: Some(closing.code),
        disconnect_reason: Some(closing.reason.as_ref()),
        ..Context::of(happening, Kind::Disconnect, DISCONNECT)
    };
    written(&Event {
        headers: Some(headers.into()),
        multi_value_headers: Some(
            headers.into_iter().map(|(name, value)| (name, vec![value])).collect(),
        ),
        ..Event::of(happening, context)
    })
}

fn written(event: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(event).expect("an event can be written as JSON"))
}

type Last<'a> = BTreeMap<&'a str, &'a str>;
type All<'a> = BTreeMap<&'a str, Vec<&'a str>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Last<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<All<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<Last<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<All<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<&'a BTreeMap<String, String>>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerEvent<'a> {
    r#type: &'static str,
    method_arn: &'a str,
    headers: Last<'a>,
    multi_value_headers: All<'a>,
    query_string_parameters: Last<'a>,
    multi_value_query_string_parameters: All<'a>,
    stage_variables: &'a BTreeMap<String, String>,
    request_context: Context<'a>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Connect,
    Message,
    Disconnect,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    event_type: Kind,
    extended_request_id: &'a str,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'a str,
    connected_at: u64,
    request_time_epoch: u64,
    identity: Identity<'a>,
    request_id: &'a str,
    domain_name: &'a str,
    connection_id: &'a str,
    api_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    source_ip: String,
}

impl<'a> Event<'a> {
    fn of(happening: &Happening<'a>, request_context: Context<'a>) -> Self {
        let variables = happening.scene.variables();
        Self {
            headers: None,
            multi_value_headers: None,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
            stage_variables: (!variables.is_empty()).then_some(variables),
            request_context,
            body: None,
            // Messages are texts; others end the connection.
            is_base64_encoded: false,
        }
    }
}

impl<'a> Context<'a> {
    fn of(happening: &Happening<'a>, event_type: Kind, route_key: &'a str) -> Self {
        let Happening { scene, connection, request_id, now } = *happening;
        Self {
            route_key,
            authorizer: connection.authorizer.as_ref(),
            message_id: None,
            disconnect_status_code: None,
            event_type,
            extended_request_id: request_id,
            request_time: request_time(now),
            message_direction: "IN",
            disconnect_reason: None,
            stage: &scene.stage,
            connected_at: connection.connected.0,
            request_time_epoch: now.0,
            identity: Identity {
                user_agent: connection.user_agent.as_deref(),
                source_ip: connection.from.to_string(),
            },
            request_id,
            domain_name: &connection.domain,
            connection_id: &connection.id,
            api_id: &scene.api.id,
        }
    }
}

/// Headers and query of a handshake, as pairs in the order in which they came.
struct Parts<'a> {
    headers: Vec<(Cow<'static, str>, &'a str)>,
    query: Vec<(String, String)>,
}

impl<'a> Parts<'a> {
    fn of(request: &'a Request) -> Self {
        let headers = request.headers.iter();
        let headers =
            headers.map(|(name, value)| (spelled(name, request.protocol), value.as_str()));
        Self { headers: headers.collect(), query: query_pairs(&request.query) }
    }

    fn last_headers(&self) -> Last<'_> {
        self.headers.iter().map(|(name, value)| (name.as_ref(), *value)).collect()
    }

    fn all_headers(&self) -> All<'_> {
        let mut all = All::new();
        for (name, value) in &self.headers {
            all.entry(name.as_ref()).or_default().push(value);
        }
        all
    }

    fn last_query(&self) -> Last<'_> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn all_query(&self) -> All<'_> {
        let mut all = All::new();
        for (name, value) in &self.query {
            all.entry(name).or_default().push(value);
        }
        all
    }
}

/// How the name of a header stands in an event: those of the handshake and our own as AWS writes
/// them, and others as in the events of REST APIs.
fn spelled(name: &str, protocol: &str) -> Cow<'static, str> {
    let known = match name {
        "sec-websocket-extensions" => "Sec-WebSocket-Extensions",
        "sec-websocket-key" => "Sec-WebSocket-Key",
        "sec-websocket-protocol" => "Sec-WebSocket-Protocol",
        "sec-websocket-version" => "Sec-WebSocket-Version",
        "x-amzn-trace-id" => "X-Amzn-Trace-Id",
        "x-forwarded-for" => "X-Forwarded-For",
        "x-forwarded-port" => "X-Forwarded-Port",
        "x-forwarded-proto" => "X-Forwarded-Proto",
        _ => return spelling(name, protocol, Maker::Rest),
    };
    Cow::Borrowed(known)
}
