//! WebSocket APIs answer: connections, their messages, and what is sent to their clients.
//!
//! ```text
//!  handshake ─▶ Sockets::open ─▶ authorizer ─▶ $connect ─▶ Opening ─── the stream ───▶ shell
//!                    │ no                                                                │
//!                    ▼                                      a message ◀──────────────────┤
//!                Response                                      │ selection               │
//!                                                              ▼                         │
//!                                     the function of a route, its answer ─▶ outbox ─▶ the client
//!                                                                              ▲         │
//!                       PostToConnection ──────────────────────────────────────┘         │
//!                                                              $disconnect ◀─────────────┘
//! ```
//!
//! # Promises
//!
//! 1. A connection is known from before its client hears that it is open until before `$disconnect`
//!    runs, and `$disconnect` runs once for each that was known, however it ended.
//! 2. Whatever a client sends or does not take is bounded: frames, messages, how many of them are
//!    worked on, what waits for it, how long it may be silent. So are all messages together that are
//!    worked on or wait.
//! 3. A connection on which nothing happens has a small buffer, a timer and a task, and nothing else.
//! 4. Nothing reaches a function whose policy does not let API Gateway run it for this route.
//!
//! # Deliberately absent
//!
//! The listening socket, and the head of a handshake (`hearth-front`). The order of messages: as with
//! AWS, those of one connection are worked on at the same time. Extensions of the protocol, such as
//! compression.

mod id;
pub mod selection;
mod lifetime;
mod outbox;
mod connection;
mod scene;
mod event;
mod said;
mod authorize;
mod opening;
mod message;
mod shell;
mod site;

pub use connection::Known;
pub use opening::Opening;
pub use site::SocketSite;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hearth_control::control::Control;
use hearth_types::limits::SOCKET_MESSAGE_BYTES_MAX;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::connection::Connection;
use self::lifetime::Closing;
use self::outbox::{NotTaken, Room};
use crate::apis::Apis;
use crate::functions::Functions;
use crate::throttle::Throttle;

/// What the service of all connections is made of.
#[derive(Debug)]
pub struct Parts {
    /// The APIs.
    pub apis: Arc<Apis>,
    /// The functions' policies.
    pub control: Arc<Control>,
    /// What runs functions.
    pub functions: Functions,
    /// How many connections there may be.
    pub connections_max: usize,
}

/// All connections.
pub struct Sockets {
    apis: Arc<Apis>,
    control: Arc<Control>,
    functions: Functions,
    throttle: Throttle,
    places: Arc<Semaphore>,
    /// For what waits for the clients.
    room: Arc<Room>,
    /// For what functions work on.
    heard: Arc<Room>,
    open: Mutex<Open>,
    tasks: Tasks,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<String, Arc<Connection>>,
    /// Whether no more are let in.
    is_closed: bool,
}

/// Which connection is meant.
#[derive(Debug, Clone, Copy)]
pub struct Meant<'a> {
    /// The id of the API and the name of the stage, if they are named.
    pub at: Option<(&'a str, &'a str)>,
    /// The id of the connection.
    pub id: &'a str,
}

/// Why nothing can be done with a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// That is not the id of one.
    #[error("Invalid connectionId: {0}")]
    Malformed(String),
    /// It is not open any more, or never was.
    #[error("The connection is not open.")]
    Gone,
    /// The client does not take what waits for it.
    #[error("The buffer of the client is full.")]
    Full,
    /// The message is too large.
    #[error("A message may have {} bytes.", SOCKET_MESSAGE_BYTES_MAX)]
    TooLarge,
}

impl fmt::Debug for Sockets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sockets").finish_non_exhaustive()
    }
}

impl Sockets {
    /// No connections yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { apis, control, functions, connections_max } = parts;
        Self {
            apis,
            control,
            functions,
            throttle: Throttle::default(),
            places: Arc::new(Semaphore::new(connections_max)),
            room: Arc::default(),
            heard: Arc::default(),
            open: Mutex::default(),
            tasks: Tasks::default(),
        }
    }

    /// The owner of whatever has to do with connections.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Puts a message where it waits for the client.
    ///
    /// # Errors
    ///
    /// If there is no such connection, or the message cannot be taken.
    pub fn post(&self, meant: Meant<'_>, message: Bytes) -> Result<(), ConnectionError> {
        if message.len() > SOCKET_MESSAGE_BYTES_MAX {
            return Err(ConnectionError::TooLarge);
        }
        let connection = self.get(meant)?;
        connection.outbox.put(message).map_err(|why| match why {
            NotTaken::Full => ConnectionError::Full,
            NotTaken::Over => ConnectionError::Gone,
        })
    }

    /// What is known of a connection.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn known(&self, meant: Meant<'_>) -> Result<Known, ConnectionError> {
        Ok(self.get(meant)?.known())
    }

    /// Ends a connection, behind what waits for its client.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete(&self, meant: Meant<'_>) -> Result<(), ConnectionError> {
        let ended = self.get(meant)?.outbox.end(Closing::DELETED);
        if ended { Ok(()) } else { Err(ConnectionError::Gone) }
    }

    /// Lets no more connections in, ends all that there are, and waits until their functions have
    /// heard of it, but not for longer than this.
    pub async fn close(&self, limit: Duration) {
        let connections: Vec<Arc<Connection>> = self.with_open(|open| {
            open.is_closed = true;
            open.connections.values().cloned().collect()
        });
        for connection in connections {
            connection.outbox.end(Closing::GOING_AWAY);
        }
        if tokio::time::timeout(limit, self.tasks.finished()).await.is_err() {
            tracing::warn!(tasks = self.tasks.running(), "not all WebSockets ended in time");
        }
    }

    fn get(&self, meant: Meant<'_>) -> Result<Arc<Connection>, ConnectionError> {
        if !id::is_one(meant.id) {
            return Err(ConnectionError::Malformed(meant.id.to_owned()));
        }
        let found = self.with_open(|open| open.connections.get(meant.id).cloned());
        let is_there = |connection: &Arc<Connection>| {
            meant.at.is_none_or(|(api, stage)| connection.api == api && connection.stage == stage)
        };
        found.filter(is_there).ok_or(ConnectionError::Gone)
    }

    /// Makes a connection known, if more are let in.
    fn register(&self, connection: &Arc<Connection>) -> bool {
        self.with_open(|open| {
            if !open.is_closed {
                open.connections.insert(connection.id.clone(), Arc::clone(connection));
            }
            !open.is_closed
        })
    }

    /// Makes a connection unknown. Returns whether it was known.
    fn forget(&self, connection: &Connection) -> bool {
        self.with_open(|open| open.connections.remove(&connection.id).is_some())
    }

    fn now(&self) -> Timestamp {
        self.apis.now()
    }

    fn with_open<T>(&self, work: impl FnOnce(&mut Open) -> T) -> T {
        work(&mut self.open.lock().expect("no code panics while it holds the connections"))
    }
}

/// What a server answers to the key of a handshake.
#[must_use]
pub fn accept_key(key: &str) -> String {
    derive_accept_key(key.as_bytes())
}

#[cfg(test)]
mod tests;
