//! HTTP requests that are events.
//!
//! ```text
//!  hearth-front ── Request ──▶ Sites ──▶ the Site that is meant ──▶ event ──▶ Invoker
//!      ▲                                                                        │
//!      └──────────── Response ◀───────────── what the answer means ◀────────────┘
//! ```
//!
//! A [`site::Site`] is whatever a request can be for: a function URL, an API, a load balancer. It is
//! found by the request's host, or by its path; it makes an event of the request, and a response of
//! what the function answered.
//!
//! # Deliberately absent
//!
//! No listening sockets: the front door reads requests, and writes responses. The stream of a
//! WebSocket it hands over when the handshake is done (`sockets`).

pub mod request;
pub mod site;
pub mod event;
pub mod functions;
pub mod answer;
pub mod authorizer;
pub mod cors;
mod throttle;
mod endpoint;
pub mod uri;
mod permitted;
mod words;
pub mod response;
pub mod urls;
pub mod jwt;
pub mod apis;
pub mod rest;
pub mod sockets;
pub mod balancers;
