//! End-to-end tests: the program as it is shipped, driven from outside.
//!
//! Every test has a server and a data directory of its own, on a port that the kernel chose. What
//! the tests need beyond Rust (AWS's clients, a runtime, compiled functions) is made once and kept
//! in `target/test-tools`.
//!
//! Two variables change what a missing piece means. By default a host that cannot keep a promise
//! fails the tests, and an optional language that is not installed is skipped, loudly.
//! `HEARTH_TESTS_ALLOW_WEAKER=1` skips the former as well; `HEARTH_TESTS_SKIP_NOTHING=1` makes
//! every skip a failure. `HEARTH_LEAK_ROUNDS` is how often the leak test goes around.

mod harness;
mod http;
mod tools;
mod functions;
mod host;
mod sites;
mod reports;
mod kills;

mod lifecycle;
mod extensions;
mod answers;
mod changes;
mod routing;
mod scaling;
mod languages;
mod clients;
mod api;
mod sqs;
mod sources_sqs;
mod table_streams;
mod sources_kinesis;
mod rabbit;
mod kafka;
mod rust_sdk;
mod operations;
mod topics;
mod event_buses;
mod schedules;
mod http_apis;
mod rest_apis;
mod websockets;
mod load_balancers;
mod uploads;
mod buckets;
mod compatibility;
mod connections;
mod function_urls;
mod frameworks;
mod cross_origin;
mod http_bad_input;
mod http_shapes;
mod walls;
mod shells;
mod weaker;
mod hostile;
mod restart;
mod elsewhere;
mod kill;
mod kill_sources;
mod kill_brokers;
mod disk;
mod two_writers;
mod leaks;
mod cli;
mod metrics;
mod terraform;
mod postgres;
