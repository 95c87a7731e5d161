//! A queue of a broker, being consumed: a connection, a channel, a consumer.
//!
//! `lapin` speaks to the broker on a wire of ours (`wire`), which keeps from it what would harm it and
//! counts what waits here.
//!
//! The broker keeps what was delivered and not acknowledged for whoever has the channel, and gives it
//! to the next one, in its old place, when the channel is gone. So a link that is dropped or closed
//! gives everything back that it has not acknowledged.
//!
//! # Deliberately absent
//!
//! Making queues: one that is not there is said to be missing. Recovery: whoever has the link makes
//! another one. Threads of our own: `lapin` has one for each connection, which ends with it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use async_rs::Runtime;
use futures_core::Stream;
use hearth_services::remote::tls::Trust;
use hearth_types::limits;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ErrorKind};

use super::gate::{Outlet, gate};
use super::properties::Unfit;
use super::wire::{self, Kit};
use crate::access::Login;

/// AMQP: there is no such thing.
const NOT_FOUND: u16 = 404;
/// AMQP: it is not allowed.
const ACCESS_REFUSED: u16 = 403;
/// AMQP: the virtual host is not there, or not for this user.
const NOT_ALLOWED: u16 = 530;
/// AMQP: all is well.
const SUCCESS: u16 = 200;

/// What is consumed, and how to get there.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) scheme: AMQPScheme,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) virtual_host: String,
    pub(super) queue: String,
    pub(super) login: Login,
    /// Whom a connection with TLS may lead to.
    pub(super) trust: Trust,
    /// How many messages may be here that are not acknowledged.
    pub(super) prefetch: u16,
}

/// Why a queue is not consumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// It will not be until somebody has changed something.
    #[error("the broker has refused: {0}")]
    Refused(String),
    /// It may be another time.
    #[error("the broker cannot be reached now: {0}")]
    Failed(String),
}

/// A message that was delivered.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) delivery: Delivery,
    /// Why no function can have it, if that is so. Nothing of it is here then but its number.
    pub(super) unfit: Option<Unfit>,
}

/// A queue, being consumed.
#[derive(Debug)]
pub(super) struct Link {
    consumer: Consumer,
    channel: Channel,
    connection: Connection,
    waiting: Outlet,
}

impl Link {
    /// Begins to consume.
    pub(super) async fn open(target: &Target) -> Result<Self, Trouble> {
        within("connecting", Box::pin(Self::open_slowly(target))).await
    }

    async fn open_slowly(target: &Target) -> Result<Self, lapin::Error> {
        let uri = AMQPUri {
            scheme: target.scheme.clone(),
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: target.login.user.clone(),
                    password: target.login.password.clone(),
                },
                host: target.host.clone(),
                port: target.port,
            },
            vhost: target.virtual_host.clone(),
            query: AMQPQueryString {
                frame_max: Some(limits::RABBIT_FRAME_BYTES_MAX),
                ..AMQPQueryString::default()
            },
        };
        let properties = ConnectionProperties::default().with_connection_name("hearth".into());
        let (inlet, waiting) = gate();
        let trust = target.trust.clone();
        let connect = async move |uri: AMQPUri, _runtime: Runtime<Kit>| {
            wire::connect(&uri, &trust, &inlet).await
        };
        let connection = Connection::connector(uri, wire::runtime(), connect, properties).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(target.prefetch, BasicQosOptions::default()).await?;
        let queue = target.queue.as_str();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
        let options = BasicConsumeOptions::default();
        let consumer =
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
        Ok(Self { consumer, channel, connection, waiting })
    }

    /// The next message. May be dropped at any moment.
    pub(super) async fn next(&mut self) -> Result<Arrived, Trouble> {
        let found = poll_fn(|context| Pin::new(&mut self.consumer).poll_next(context)).await;
        self.arrived(found)
    }

    /// The next message that is here already, if there is one.
    pub(super) async fn next_if_here(&mut self) -> Result<Option<Arrived>, Trouble> {
        let found = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut self.consumer).poll_next(context) {
                Poll::Ready(found) => Some(found),
                Poll::Pending => None,
            })
        });
        let found = found.await;
        match found {
            Some(found) => self.arrived(found).map(Some),
            None => Ok(None),
        }
    }

    fn arrived(&self, found: Option<Result<Delivery, lapin::Error>>) -> Result<Arrived, Trouble> {
        match found {
            Some(Ok(delivery)) => {
                let unfit = self.waiting.taken(delivery.delivery_tag);
                Ok(Arrived { delivery, unfit })
            }
            Some(Err(error)) => Err(trouble(&error)),
            // The broker has cancelled it: the queue was deleted, or its node is gone.
            None => Err(Trouble::Failed("the queue is not delivered any more".to_owned())),
        }
    }

    /// Has the broker forget one message.
    pub(super) async fn acknowledge(&self, tag: u64) -> Result<(), Trouble> {
        self.acknowledge_by(tag, BasicAckOptions { multiple: false }).await
    }

    /// Has the broker forget everything that was delivered up to a message.
    pub(super) async fn acknowledge_up_to(&self, tag: u64) -> Result<(), Trouble> {
        self.acknowledge_by(tag, BasicAckOptions { multiple: true }).await
    }

    async fn acknowledge_by(&self, tag: u64, options: BasicAckOptions) -> Result<(), Trouble> {
        within("acknowledging", self.channel.basic_ack(tag, options)).await
    }

    /// Has the broker do what it does with messages that cannot be dealt with, for everything that
    /// was delivered up to one: they go to the queue's dead-letter exchange, or are gone.
    pub(super) async fn reject_up_to(&self, tag: u64) -> Result<(), Trouble> {
        self.reject_by(tag, BasicNackOptions { multiple: true, requeue: false }).await
    }

    /// The same for one message.
    pub(super) async fn reject(&self, tag: u64) -> Result<(), Trouble> {
        self.reject_by(tag, BasicNackOptions { multiple: false, requeue: false }).await
    }

    async fn reject_by(&self, tag: u64, options: BasicNackOptions) -> Result<(), Trouble> {
        within("rejecting", self.channel.basic_nack(tag, options)).await
    }

    /// Gives everything back that is not acknowledged.
    pub(super) async fn close(self) {
        // The broker's farewell stands behind what it has sent already.
        self.waiting.close();
        let closed = within("closing", self.connection.close(SUCCESS, "bye".into())).await;
        if let Err(trouble) = closed {
            tracing::debug!(%trouble, "a connection to a broker was not closed in order");
        }
    }
}

async fn within<T>(
    what: &'static str,
    work: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, Trouble> {
    let longest = Duration::from_secs(limits::SOURCE_ANSWER_SECONDS_MAX);
    match tokio::time::timeout(longest, work).await {
        Ok(done) => done.map_err(|error| trouble(&error)),
        Err(_elapsed) => Err(Trouble::Failed(format!("{what} took too long"))),
    }
}

fn trouble(error: &lapin::Error) -> Trouble {
    if let ErrorKind::ProtocolError(refusal) = error.kind()
        && [NOT_FOUND, ACCESS_REFUSED, NOT_ALLOWED].contains(&refusal.get_id())
    {
        return Trouble::Refused(refusal.get_message().to_string());
    }
    Trouble::Failed(error.to_string())
}
