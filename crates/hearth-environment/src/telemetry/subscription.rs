//! What an extension asks for when it subscribes to telemetry, pure.
//!
//! Two interfaces take a subscription: the Telemetry API, and the older Logs API, whose events are
//! fewer and whose records are smaller. The body is the same but for the versions of the schema.

use hearth_types::limits::{
    TELEMETRY_BYTES_MAX, TELEMETRY_BYTES_MIN, TELEMETRY_ITEMS_MAX, TELEMETRY_ITEMS_MIN,
    TELEMETRY_TIMEOUT_MILLIS_DEFAULT, TELEMETRY_TIMEOUT_MILLIS_MAX, TELEMETRY_TIMEOUT_MILLIS_MIN,
};
use serde::Deserialize;

/// The port of the Runtime API inside, which nobody else can have.
const TAKEN_PORT: u16 = 9001;
/// AWS: the names under which an extension finds itself.
const HOSTS: &[&str] = &["sandbox.localdomain", "sandbox"];

/// Through which interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `PUT /2022-07-01/telemetry`.
    Telemetry,
    /// `PUT /2020-08-15/logs`.
    Logs,
}

/// A valid subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Through which interface it came.
    pub interface: Interface,
    /// The form of the records.
    pub schema: Schema,
    /// What is wanted.
    pub topics: Vec<Topic>,
    /// How much is kept before it is sent, and for how long.
    pub buffering: Buffering,
    /// Where it is sent.
    pub destination: Destination,
}

/// The form of the records, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Schema {
    /// Of the Logs API.
    Logs2020,
    /// Of the Logs API; adds the end of the runtime's part.
    Logs2021,
    /// The first of the Telemetry API.
    Telemetry202207,
    /// What is logged as JSON is sent as JSON.
    Telemetry202212,
    /// The same for an ordinary function.
    Telemetry202501,
}

const TELEMETRY_SCHEMAS: &[(&str, Schema)] = &[
    ("2022-07-01", Schema::Telemetry202207),
    ("2022-12-13", Schema::Telemetry202212),
    ("2025-01-29", Schema::Telemetry202501),
];
const LOGS_SCHEMAS: &[(&str, Schema)] =
    &[("2020-08-15", Schema::Logs2020), ("2021-03-18", Schema::Logs2021)];

/// A kind of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// What the platform does.
    Platform,
    /// What the function writes.
    Function,
    /// What extensions write.
    Extension,
}

impl Topic {
    /// As AWS writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

/// How much is kept before it is sent, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffering {
    /// At most so many bytes.
    pub bytes: u64,
    /// At most so many events.
    pub items: u64,
    /// At most so long.
    pub timeout_ms: u64,
}

/// Where events are sent. The host is always the environment itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// As JSON arrays, each in a request.
    Http {
        /// The port.
        port: u16,
        /// The path, with its query.
        path: String,
        /// As the extension named it, for the `Host` header.
        authority: String,
        /// `POST`, or `PUT` if the older interface was asked for that.
        method: Method,
    },
    /// As lines of JSON on one connection.
    Tcp {
        /// The port.
        port: u16,
    },
}

/// How a batch is sent over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The usual one.
    Post,
    /// On request.
    Put,
}

impl Destination {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    schema_version: Option<String>,
    types: Option<Vec<String>>,
    destination: Option<AskedDestination>,
    buffering: Option<AskedBuffering>,
}

#[derive(Deserialize)]
struct AskedDestination {
    protocol: Option<String>,
    #[serde(rename = "URI")]
    uri: Option<String>,
    port: Option<u64>,
    method: Option<String>,
    encoding: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskedBuffering {
    max_bytes: Option<u64>,
    max_items: Option<u64>,
    timeout_ms: Option<u64>,
}

impl Subscription {
    /// What the body of a request asks for.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(interface: Interface, body: &[u8]) -> Result<Self, String> {
        let asked: Asked = serde_json::from_slice(body)
            .map_err(|error| format!("could not parse the subscription: {error}"))?;
        Ok(Self {
            interface,
            schema: schema(interface, asked.schema_version.as_deref())?,
            topics: topics(&asked.types.unwrap_or_default())?,
            buffering: buffering(asked.buffering)?,
            destination: destination(interface, asked.destination)?,
        })
    }
}

fn schema(interface: Interface, version: Option<&str>) -> Result<Schema, String> {
    let (known, default) = match interface {
        Interface::Telemetry => (TELEMETRY_SCHEMAS, None),
        Interface::Logs => (LOGS_SCHEMAS, Some(Schema::Logs2020)),
    };
    let Some(version) = version else {
        return default.ok_or_else(|| "schemaVersion is required".to_owned());
    };
    let found = known.iter().find(|(name, _)| *name == version);
    found.map(|(_, schema)| *schema).ok_or_else(|| format!("unknown schemaVersion {version}"))
}

fn topics(types: &[String]) -> Result<Vec<Topic>, String> {
    let mut topics = Vec::new();
    for name in types {
        let all = [Topic::Platform, Topic::Function, Topic::Extension];
        let found = all.into_iter().find(|topic| topic.name() == name);
        let topic = found.ok_or_else(|| format!("unknown type {name}"))?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    if topics.is_empty() { Err("types must name at least one type".to_owned()) } else { Ok(topics) }
}

fn buffering(asked: Option<AskedBuffering>) -> Result<Buffering, String> {
    let within = |name: &str, value: Option<u64>, default: u64, (least, most): (u64, u64)| {
        let value = value.unwrap_or(default);
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(format!("buffering.{name} must be from {least} to {most}"))
        }
    };
    let (bytes, items, timeout_ms) = asked
        .map_or((None, None, None), |asked| (asked.max_bytes, asked.max_items, asked.timeout_ms));
    let times = (TELEMETRY_TIMEOUT_MILLIS_MIN, TELEMETRY_TIMEOUT_MILLIS_MAX);
    let (least, most) = (TELEMETRY_BYTES_MIN, TELEMETRY_BYTES_MAX);
    let counts = (TELEMETRY_ITEMS_MIN, TELEMETRY_ITEMS_MAX);
    Ok(Buffering {
        bytes: within("maxBytes", bytes, least, (least, most))?,
        items: within("maxItems", items, TELEMETRY_ITEMS_MAX, counts)?,
        timeout_ms: within("timeoutMs", timeout_ms, TELEMETRY_TIMEOUT_MILLIS_DEFAULT, times)?,
    })
}

fn destination(
    interface: Interface,
    asked: Option<AskedDestination>,
) -> Result<Destination, String> {
    let asked = asked.ok_or_else(|| "destination is required".to_owned())?;
    if asked.encoding.as_deref().is_some_and(|encoding| encoding != "JSON") {
        return Err("destination.encoding must be JSON".to_owned());
    }
    let destination = match asked.protocol.as_deref() {
        Some("HTTP") => {
            let uri = asked.uri.ok_or_else(|| "destination.URI is required".to_owned())?;
            http(&uri, method(interface, asked.method.as_deref())?)?
        }
        Some("TCP") => Destination::Tcp { port: tcp_port(asked.port, asked.uri.as_deref())? },
        _ => return Err("destination.protocol must be HTTP or TCP".to_owned()),
    };
    match destination.port() {
        0 => Err("the destination's port must be from 1 to 65535".to_owned()),
        TAKEN_PORT => Err(format!("the destination's port may not be {TAKEN_PORT}")),
        _ => Ok(destination),
    }
}

fn method(interface: Interface, asked: Option<&str>) -> Result<Method, String> {
    match (interface, asked) {
        (_, None | Some("POST")) => Ok(Method::Post),
        (Interface::Logs, Some("PUT")) => Ok(Method::Put),
        (_, Some(other)) => Err(format!("destination.method {other} is not known")),
    }
}

fn tcp_port(port: Option<u64>, uri: Option<&str>) -> Result<u16, String> {
    let wrong = || "destination.port must be from 1 to 65535".to_owned();
    if let Some(port) = port {
        return u16::try_from(port).map_err(|_large| wrong());
    }
    let uri = uri.and_then(|uri| uri.split_once("://")).ok_or_else(wrong)?.1;
    let (host, port) = uri.split_once(':').ok_or_else(wrong)?;
    check_host(host)?;
    port.trim_end_matches('/').parse::<u16>().map_err(|_nonsense| wrong())
}

fn http(uri: &str, method: Method) -> Result<Destination, String> {
    let wrong = || format!("{uri} is not an address like http://sandbox.localdomain:8080");
    let rest = uri.strip_prefix("http://").ok_or_else(wrong)?;
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().map_err(|_nonsense| wrong())?),
        None => (authority, 80),
    };
    check_host(host)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Destination::Http { port, path, authority: authority.to_owned(), method })
}

fn check_host(host: &str) -> Result<(), String> {
    if HOSTS.contains(&host) {
        Ok(())
    } else {
        Err(format!("the destination's host must be {}", HOSTS.join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(interface: Interface, body: &Value) -> Result<Subscription, String> {
        Subscription::parse(interface, body.to_string().as_bytes())
    }

    fn telemetry(member: &str, value: Value) -> Result<Subscription, String> {
        let mut body = json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform", "function", "platform"],
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/in?a=b" },
        });
        body[member] = value;
        parse(Interface::Telemetry, &body)
    }

    #[test]
    fn a_subscription_without_buffering_gets_the_defaults() {
        let subscription = telemetry("other", Value::Null).unwrap();
        assert_eq!(subscription.schema, Schema::Telemetry202212);
        assert_eq!(subscription.topics, [Topic::Platform, Topic::Function]);
        let defaults = Buffering { bytes: 262_144, items: 10_000, timeout_ms: 1_000 };
        assert_eq!(subscription.buffering, defaults);
        let destination = Destination::Http {
            port: 8080,
            path: "/in?a=b".to_owned(),
            authority: "sandbox.localdomain:8080".to_owned(),
            method: Method::Post,
        };
        assert_eq!(subscription.destination, destination);
    }

    #[test]
    fn each_way_to_ask_for_something_else() {
        let http = |uri: &str| json!({ "protocol": "HTTP", "URI": uri });
        #[rustfmt::skip]
        let rows = [
            ("schemaVersion", json!("2025-01-29"),                                              None),
            ("schemaVersion", json!("2020-08-15"),                                              Some("unknown schemaVersion 2020-08-15")),
            ("schemaVersion", Value::Null,                                                      Some("schemaVersion is required")),
            ("types",         json!([]),                                                        Some("types must name at least one type")),
            ("types",         json!(["system"]),                                                Some("unknown type system")),
            ("buffering",     json!({ "timeoutMs": 25 }),                                       None),
            ("buffering",     json!({ "timeoutMs": 24 }),                                       Some("buffering.timeoutMs must be from 25 to 30000")),
            ("buffering",     json!({ "maxItems": 999 }),                                       Some("buffering.maxItems must be from 1000 to 10000")),
            ("buffering",     json!({ "maxBytes": 1_048_577 }),                                 Some("buffering.maxBytes must be from 262144 to 1048576")),
            ("destination",   Value::Null,                                                      Some("destination is required")),
            ("destination",   json!({ "protocol": "UDP" }),                                     Some("destination.protocol must be HTTP or TCP")),
            ("destination",   http("http://sandbox.localdomain:9001"),                          Some("the destination's port may not be 9001")),
            ("destination",   http("http://example.com:8080"),                                  Some("the destination's host must be sandbox.localdomain or sandbox")),
            ("destination",   http("http://sandbox:70000"),                                     Some("http://sandbox:70000 is not an address like http://sandbox.localdomain:8080")),
            ("destination",   http("http://sandbox"),                                           None),
            ("destination",   json!({ "protocol": "TCP", "port": 4444 }),                       None),
            ("destination",   json!({ "protocol": "TCP", "URI": "tcp://sandbox.localdomain:4444" }), None),
            ("destination",   json!({ "protocol": "TCP", "port": 65_536 }),                     Some("destination.port must be from 1 to 65535")),
            ("destination",   json!({ "protocol": "TCP", "port": 0 }),                          Some("the destination's port must be from 1 to 65535")),
        ];
        for (member, value, expected) in rows {
            let got = telemetry(member, value.clone()).err();
            assert_eq!(got.as_deref(), expected, "{member}: {value}");
        }
        assert!(Subscription::parse(Interface::Telemetry, b"no JSON").is_err());
    }

    #[test]
    fn the_older_interface_has_its_own_schemas_and_methods() {
        let destination =
            json!({ "protocol": "HTTP", "URI": "http://sandbox:8080", "method": "PUT" });
        let body = json!({ "types": ["platform"], "destination": destination });
        let subscription = parse(Interface::Logs, &body).unwrap();
        assert_eq!(subscription.schema, Schema::Logs2020);
        let Destination::Http { method, path, .. } = subscription.destination else { panic!() };
        assert_eq!((method, path.as_str()), (Method::Put, "/"));
    }
}
