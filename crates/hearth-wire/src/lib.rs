//! AWS's wire: what a request and an answer look like, as the service models describe it.
//!
//! The models in `models/` are turned into static tables by `cargo xtask codegen`. The modules
//! here read those tables: they find the operation that a request names, put its parts together
//! into one JSON object keyed by member names, say which constraints of the model that object
//! breaks, and place an answer's members where the protocol wants them.
//!
//! # Promises
//!
//! 1. Nothing here panics on a caller's bytes.
//! 2. The texts of constraint violations are those of the real service, as far as they are
//!    recorded.
//! 3. A member that the model does not know is ignored.
//!
//! # Deliberately absent
//!
//! No I/O, no HTTP library, no signatures, and no decision about what a function is: a well-formed
//! request for a missing function passes through here untouched.

pub mod service;
pub mod route;
pub mod rest_json;
pub mod aws_json;
pub mod cbor;
pub mod aws_query;
pub mod event_stream;
pub mod xml;
pub mod decode;
pub mod conform;
pub mod validate;
pub mod error;
pub mod shape;
pub mod pattern;
pub mod timestamp;
pub mod blob;
mod query;
pub mod lambda;
pub mod logs;
pub mod sqs;
pub mod events;
pub mod apigatewayv2;
pub mod apigateway;
pub mod apigatewaymanagementapi;
pub mod scheduler;
pub mod kinesis;
