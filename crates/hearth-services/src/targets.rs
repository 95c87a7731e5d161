//! Whoever takes what is delivered: the embedded queues, topics, buses and buckets, or others with the
//! same protocol, and HTTP endpoints.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::delivery::{BusEvent, QueueMessage, TopicMessage};

/// Why something was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It will not be taken however often it is tried: there is no such queue, it is too large, it
    /// is forbidden.
    #[error("refused with {code}: {message}")]
    Refused {
        /// AWS's name of the error.
        code: String,
        /// What was said.
        message: String,
    },
    /// It may be taken another time.
    #[error("failed for now: {message}")]
    Failed {
        /// What happened.
        message: String,
    },
}

/// One thing for one receiver.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The ARN of the receiver.
    pub arn: &'a str,
    /// The payload.
    pub body: &'a Bytes,
    /// The `X-Amzn-Trace-Id` of what led to it.
    pub trace: Option<&'a str>,
}

/// Takes messages for queues.
#[async_trait]
pub trait SendMessage: Send + Sync + fmt::Debug {
    /// When it returns without an error, the queue has the message durably.
    async fn send(&self, sent: Sent<'_>, message: &QueueMessage) -> Result<(), NotTaken>;
}

/// Takes messages for topics.
#[async_trait]
pub trait Publish: Send + Sync + fmt::Debug {
    /// When it returns without an error, the topic has the message durably.
    async fn publish(&self, sent: Sent<'_>, message: &TopicMessage) -> Result<(), NotTaken>;
}

/// Takes events for buses.
#[async_trait]
pub trait PutEvent: Send + Sync + fmt::Debug {
    /// When it returns without an error, the bus has the event durably.
    async fn put(&self, sent: Sent<'_>, event: &BusEvent) -> Result<(), NotTaken>;
}

/// An object for a bucket.
#[derive(Debug, Clone, Copy)]
pub struct NewObject<'a> {
    /// The name of the bucket.
    pub bucket: &'a str,
    /// Its key in it. What is there already is replaced.
    pub key: &'a str,
    /// The region of whoever puts it.
    pub region: &'a str,
    /// Its bytes: JSON.
    pub body: &'a Bytes,
}

impl NewObject<'_> {
    /// What its bytes are.
    pub const CONTENT_TYPE: &'static str = "application/json";
}

/// Takes objects for buckets.
#[async_trait]
pub trait PutObject: Send + Sync + fmt::Debug {
    /// When it returns without an error, the bucket has the object durably.
    async fn put_object(&self, object: NewObject<'_>) -> Result<(), NotTaken>;
}

/// Takes posts for HTTP endpoints.
#[async_trait]
pub trait HttpPost: Send + Sync + fmt::Debug {
    /// When it returns without an error, the endpoint has answered that it took the body. The usual
    /// headers (`Host`, `Content-Length`) are added to the given ones.
    async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: &Bytes,
    ) -> Result<(), NotTaken>;
}

/// Takes events for groups of logs.
#[async_trait]
pub trait AppendLog: Send + Sync + fmt::Debug {
    /// When it returns without an error, the group has the event, or will have it in a moment.
    async fn append(&self, sent: Sent<'_>) -> Result<(), NotTaken>;
}
