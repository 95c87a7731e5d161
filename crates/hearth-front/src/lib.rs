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
//!                                                ├─▶ kinesis     streams, in JSON and in CBOR
//!                                                ├─▶ apigatewayv2  HTTP and WebSocket APIs
//!                                                ├─▶ apigateway  REST APIs
//!                                                ├─▶ query       IAM, STS, SNS and load balancers
//!                                                ├─▶ sqs         queues, in JSON and by forms
//!                                                ├─▶ s3          buckets
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
mod iam;
mod sts;
mod sns;
mod elb;
mod buses;
mod apigatewayv2;
mod apigateway;
mod s3;
mod sqs;
mod kinesis;
mod logs;
mod events;
mod own;
mod sources;
mod status;
pub mod metrics;
mod error;
