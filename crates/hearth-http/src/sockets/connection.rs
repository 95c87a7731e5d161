//! What is known of a connection, by whoever has to do with it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_types::limits::SOCKET_MESSAGES_RUNNING_MAX;
use hearth_types::time::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::id;
use super::outbox::{Outbox, Room};
use crate::request::Request;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its id.
    pub(super) id: String,
    /// The id of its API.
    pub(super) api: String,
    /// The name of the stage that it was opened at.
    pub(super) stage: String,
    /// The host that it was opened at.
    pub(super) domain: String,
    /// Who has opened it.
    pub(super) from: IpAddr,
    /// With what.
    pub(super) user_agent: Option<String>,
    /// When.
    pub(super) connected: Timestamp,
    /// What the authorizer has said about whoever opened it.
    pub(super) authorizer: Option<Map<String, Value>>,
    /// What waits for the client.
    pub(super) outbox: Outbox,
    /// Places for messages that are worked on.
    pub(super) running: Arc<Semaphore>,
    active: AtomicU64,
}

/// What is told about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// When it was opened.
    pub connected: Timestamp,
    /// When there last was a message.
    pub active: Timestamp,
    /// Who has opened it.
    pub from: IpAddr,
    /// With what.
    pub user_agent: Option<String>,
}

impl Connection {
    /// One that a request wants to open.
    pub(super) fn of(request: &Request, (api, stage): (&str, &str), room: &Arc<Room>) -> Self {
        Self {
            id: id::random(),
            api: api.to_owned(),
            stage: stage.to_owned(),
            domain: request.host.clone(),
            from: request.from,
            user_agent: request.header("user-agent").map(str::to_owned),
            connected: request.time,
            authorizer: None,
            outbox: Outbox::new(room),
            running: Arc::new(Semaphore::new(SOCKET_MESSAGES_RUNNING_MAX)),
            active: AtomicU64::new(request.time.0),
        }
    }

    /// There was a message.
    pub(super) fn touch(&self, now: Timestamp) {
        self.active.fetch_max(now.0, Ordering::Relaxed);
    }

    /// What is told about it.
    pub(super) fn known(&self) -> Known {
        Known {
            connected: self.connected,
            active: Timestamp(self.active.load(Ordering::Relaxed)),
            from: self.from,
            user_agent: self.user_agent.clone(),
        }
    }
}
