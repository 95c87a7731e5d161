//! A connection to a broker of Kafka: TLS and who we are, then one request after the other.
//!
//! # Promises
//!
//! 1. No answer is waited for without a bound, and none is read that is larger than it may be.
//! 2. A request that was not awaited to its end leaves a connection that says so.
//!
//! # Deliberately absent
//!
//! Several requests under way: whoever wants that has several connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hearth_services::remote::tls::Trust;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::messages;
use super::scram::{Hash, Hello};
use super::wire::{Malformed, Reader, Writer};
use crate::access::Login;

/// What this client calls itself.
const CLIENT: &str = "hearth";
const SASL_HANDSHAKE: Api = Api { key: 17, version: 1 };
const SASL_AUTHENTICATE: Api = Api { key: 36, version: 0 };

/// A kind of request, in a version that every broker since Kafka 2.1 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Api {
    pub(super) key: i16,
    pub(super) version: i16,
}

/// Why something could not be had from a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The connection is of no use any more, or there is none.
    #[error("{0}")]
    Broken(String),
    /// The broker has said so, by a number.
    #[error("the broker says {}", name(.0))]
    Code(i16),
    /// It has refused who comes.
    #[error("the broker lets nobody in: {0}")]
    Refused(String),
    /// Records cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self::Broken(format!("an answer has {malformed}"))
    }
}

impl Fault {
    /// Good if a broker has said that nothing is wrong.
    pub(super) fn check(code: i16) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self::Code(code)) }
    }
}

/// Kafka's name of an error that is to be expected here.
fn name(code: &i16) -> String {
    let name = match code {
        1 => "OFFSET_OUT_OF_RANGE",
        2 => "CORRUPT_MESSAGE",
        3 => "UNKNOWN_TOPIC_OR_PARTITION",
        5 => "LEADER_NOT_AVAILABLE",
        6 => "NOT_LEADER_OR_FOLLOWER",
        7 => "REQUEST_TIMED_OUT",
        10 => "MESSAGE_TOO_LARGE",
        14 => "COORDINATOR_LOAD_IN_PROGRESS",
        15 => "COORDINATOR_NOT_AVAILABLE",
        16 => "NOT_COORDINATOR",
        17 => "INVALID_TOPIC_EXCEPTION",
        18 => "RECORD_LIST_TOO_LARGE",
        22 => "ILLEGAL_GENERATION",
        23 => "INCONSISTENT_GROUP_PROTOCOL",
        24 => "INVALID_GROUP_ID",
        25 => "UNKNOWN_MEMBER_ID",
        26 => "INVALID_SESSION_TIMEOUT",
        27 => "REBALANCE_IN_PROGRESS",
        29 => "TOPIC_AUTHORIZATION_FAILED",
        30 => "GROUP_AUTHORIZATION_FAILED",
        31 => "CLUSTER_AUTHORIZATION_FAILED",
        35 => "UNSUPPORTED_VERSION",
        _ => return format!("error {code}"),
    };
    name.to_owned()
}

/// How somebody shows who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sasl {
    pub(super) mechanism: Mechanism,
    pub(super) login: Login,
}

/// In which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Scram(Hash),
}

impl Mechanism {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(Hash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(Hash::Sha512) => "SCRAM-SHA-512",
        }
    }
}

/// How brokers are talked to.
#[derive(Debug, Clone)]
pub(super) struct Security {
    /// Whom a connection with TLS may lead to; `None` for connections without.
    pub(super) tls: Option<Trust>,
    pub(super) sasl: Option<Sasl>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// Where it leads to.
    address: Arc<str>,
    number: i32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// A request is under way, or was when somebody lost interest.
    Busy,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("address", &self.address)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Connection {
    /// One that leads wherever a stream does.
    pub(super) fn over(stream: tokio::io::DuplexStream) -> Self {
        let stream = Box::new(stream);
        Self { stream, address: Arc::from("nowhere"), number: 0, state: State::Ready }
    }
}

impl Connection {
    /// Connects to `host:port`, and shows who comes.
    pub(super) async fn open(address: &str, security: &Security) -> Result<Self, Fault> {
        let longest = Duration::from_secs(limits::SOURCE_ANSWER_SECONDS_MAX);
        let opened = tokio::time::timeout(longest, Box::pin(Self::open_slowly(address, security)));
        let late = || Fault::Broken(format!("{address} does not answer"));
        opened.await.map_err(|_elapsed| late())?
    }

    async fn open_slowly(address: &str, security: &Security) -> Result<Self, Fault> {
        let broken = |error: std::io::Error| Fault::Broken(format!("{address}: {error}"));
        let tcp = TcpStream::connect(address).await.map_err(broken)?;
        tcp.set_nodelay(true).map_err(broken)?;
        let stream: Box<dyn Stream> = match &security.tls {
            None => Box::new(tcp),
            Some(trust) => {
                let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Box::new(trust.connect(host, tcp).await.map_err(broken)?)
            }
        };
        let mut connection =
            Self { stream, address: Arc::from(address), number: 0, state: State::Ready };
        if let Some(sasl) = &security.sasl {
            connection.show(sasl).await?;
        }
        Ok(connection)
    }

    /// Sends a request and waits for its answer, for `wait` longer than an answer may take.
    pub(super) async fn call(
        &mut self,
        api: Api,
        body: &Writer,
        wait: Duration,
    ) -> Result<Vec<u8>, Fault> {
        if self.state == State::Busy {
            return Err(Fault::Broken(format!("a request to {} was given up", self.address)));
        }
        self.state = State::Busy;
        let longest = wait.saturating_add(Duration::from_secs(limits::SOURCE_ANSWER_SECONDS_MAX));
        let answered = tokio::time::timeout(longest, self.exchange(api, body)).await;
        let late = || Fault::Broken(format!("{} does not answer", self.address));
        let answer = answered.map_err(|_elapsed| late())??;
        self.state = State::Ready;
        Ok(answer)
    }

    async fn exchange(&mut self, api: Api, body: &Writer) -> Result<Vec<u8>, Fault> {
        self.number = self.number.wrapping_add(1);
        let address = Arc::clone(&self.address);
        let broken = |error: std::io::Error| Fault::Broken(format!("{address}: {error}"));
        let mut request = Writer::default();
        request.i16(api.key).i16(api.version).i32(self.number).text(CLIENT).raw(&body.0);
        let mut framed = Writer::default();
        framed.bytes(&request.0);
        self.stream.write_all(&framed.0).await.map_err(broken)?;
        self.stream.flush().await.map_err(broken)?;
        let length = self.stream.read_i32().await.map_err(broken)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let length_max = if api == messages::FETCH {
            limits::KAFKA_ANSWER_BYTES_MAX
        } else {
            limits::KAFKA_ANSWER_BYTES_WITHOUT_RECORDS_MAX
        };
        if !(4..=length_max).contains(&length) {
            return Err(Fault::Broken(format!("{address} has answered with {length} bytes")));
        }
        let number = self.stream.read_i32().await.map_err(broken)?;
        if number != self.number {
            return Err(Fault::Broken(format!("{address} has answered something else")));
        }
        let mut answer = vec![0; length - 4];
        self.stream.read_exact(&mut answer).await.map_err(broken)?;
        Ok(answer)
    }
}

impl Connection {
    async fn show(&mut self, sasl: &Sasl) -> Result<(), Fault> {
        let mut request = Writer::default();
        request.text(sasl.mechanism.name());
        let answer = self.call(SASL_HANDSHAKE, &request, Duration::ZERO).await?;
        let mut reader = Reader(&answer);
        let (code, offered) = (reader.i16()?, reader.items(Reader::text)?);
        if code != 0 {
            let (wanted, offered) = (sasl.mechanism.name(), offered.join(", "));
            return Err(Fault::Refused(format!("it offers {offered}, and not {wanted}")));
        }
        match sasl.mechanism {
            Mechanism::Plain => {
                let Login { user, password } = &sasl.login;
                self.say(format!("\0{user}\0{password}").as_bytes()).await.map(drop)
            }
            Mechanism::Scram(hash) => self.show_by_scram(hash, &sasl.login).await,
        }
    }

    async fn show_by_scram(&mut self, hash: Hash, login: &Login) -> Result<(), Fault> {
        let unclear = || Fault::Refused("it does not speak SCRAM as it should".to_owned());
        let hello = Hello::new(hash, login, &RequestId::random().to_string());
        let answer = self.say(hello.message().as_bytes()).await?;
        let proof = hello.prove(&String::from_utf8_lossy(&answer)).ok_or_else(unclear)?;
        let answer = self.say(proof.message.as_bytes()).await?;
        if proof.is_answered_by(&String::from_utf8_lossy(&answer)) {
            Ok(())
        } else {
            Err(unclear())
        }
    }

    async fn say(&mut self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut request = Writer::default();
        request.bytes(message);
        let answer = self.call(SASL_AUTHENTICATE, &request, Duration::ZERO).await?;
        let mut reader = Reader(&answer);
        let (code, why) = (reader.i16()?, reader.text()?);
        if code != 0 {
            return Err(Fault::Refused(why));
        }
        Ok(reader.bytes()?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_larger_than_it_may_be_is_not_read() {
        let (most, least) = (limits::KAFKA_ANSWER_BYTES_MAX, 4);
        let others = limits::KAFKA_ANSWER_BYTES_WITHOUT_RECORDS_MAX;
        #[rustfmt::skip]
        let rows = [
            (messages::FETCH,     most + 1,   true),
            (messages::FETCH,     others + 1, false),
            (messages::HEARTBEAT, others + 1, true),
            (messages::HEARTBEAT, others,     false),
            (messages::HEARTBEAT, least - 1,  true),
        ];
        for (api, length, is_refused) in rows {
            let (ours, mut theirs) = tokio::io::duplex(4_096);
            let mut connection = Connection::over(ours);
            theirs.write_i32(i32::try_from(length).unwrap()).await.unwrap();
            let body = Writer::default();
            let answer = connection.call(api, &body, Duration::ZERO).await.unwrap_err();
            // What may be read is waited for.
            let why = if is_refused { "has answered with" } else { "does not answer" };
            assert!(answer.to_string().contains(why), "{api:?}, {length}: {answer}");
            let again = connection.call(api, &body, Duration::ZERO).await;
            assert!(matches!(again, Err(Fault::Broken(_))), "{again:?}");
        }
    }
}
