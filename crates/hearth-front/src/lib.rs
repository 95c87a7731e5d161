//! The front door: from a socket to an operation, and back.
//!
//! ```text
//!  listener ──────────▶ traffic       functions by HTTP: URLs, APIs, load balancers
//!                         ▲
//!  server ──▶ front ──────┤
//!               └──▶ caller (account, region) ──▶ invoke      the hot path
//!                                                ├─▶ invoke_stream  the same, piece by piece
//!                                                ├─▶ lambda      the control plane
//!                                                ├─▶ logs        CloudWatch Logs
//!                                                ├─▶ buses       EventBridge
//!                                                ├─▶ scheduler   EventBridge Scheduler
//!                                                ├─▶ kinesis     streams, in JSON and in CBOR
//!                                                ├─▶ apigatewayv2  HTTP and WebSocket APIs
//!                                                ├─▶ apigateway  REST APIs
//!                                                ├─▶ connections  what is sent to WebSockets
//!                                                ├─▶ query       IAM, STS, SNS and load balancers
//!                                                ├─▶ sqs         queues, in JSON and by forms
//!                                                ├─▶ s3          buckets
//!                                                ├─▶ s3_events   events of stores elsewhere
//!                                                ├─▶ events      events that wait or were given up
//!                                                └─▶ own         health, status, metrics, packages
//!                       error ◀── everything that is refused, as AWS words it
//! ```
//!
//! Only this crate knows HTTP statuses, AWS's error names and the shapes of the wire.

pub mod server;
mod stall;
pub mod front;
pub mod traffic;
pub mod elsewhere;
mod caller;
pub mod body;
mod invoke;
mod invoke_stream;
mod lambda;
pub mod compatibility;
mod query;
mod query_error;
mod parameters;
mod rest_json;
mod pages;
mod iam;
mod sts;
mod sns;
mod elb;
mod buses;
mod scheduler;
mod apigatewayv2;
mod apigateway;
mod connections;
mod s3;
pub mod s3_events;
mod sqs;
mod kinesis;
mod logs;
mod events;
mod own;
mod sources;
mod status;
pub mod metrics;
mod error;
