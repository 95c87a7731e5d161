//! What is measured: one function for each scenario, from tools to rows of the table.
//!
//! Each has a server of its own, so that none inherits the warm environments of another.

use super::peers::ministack;
use super::table::Row;
use super::tools::Tools;
use super::{
    accept, backlog, bodies, buckets, burst, cold, control, density, growth, http_api, neighbour,
    patterns, queues, schedules, sources, started, stream, warm,
};

/// One thing to measure.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Tools, usize) -> anyhow::Result<Vec<Row>>,
}

#[rustfmt::skip]
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "warm",        what: "one connection, Python, beside the emulator",           run: warm::python },
    Scenario { name: "echo",        what: "one connection, compiled, beside echo and emulator",    run: warm::compiled },
    Scenario { name: "connections", what: "16 connections, Python",                                run: warm::connections },
    Scenario { name: "throughput",  what: "as many requests as two processors give",               run: warm::throughput },
    Scenario { name: "cold-rust",   what: "new environments, compiled function",                   run: cold::compiled },
    Scenario { name: "cold-python", what: "new environments, Python",                              run: cold::python },
    Scenario { name: "cold-node",   what: "new environments, Node.js",                             run: cold::node },
    Scenario { name: "cold-java",   what: "new environments, Java",                                run: cold::java },
    Scenario { name: "burst",       what: "many first calls of one function at once",              run: burst::run },
    Scenario { name: "memory",      what: "the server, idle and with idle environments",           run: density::memory },
    Scenario { name: "density",     what: "a thousand idle environments",                          run: density::density },
    Scenario { name: "growth",      what: "more functions, environments and connections",          run: growth::run },
    Scenario { name: "neighbour",   what: "one function while another misbehaves",                 run: neighbour::neighbour },
    Scenario { name: "fairness",    what: "processors in proportion to memory, and beside hogs",   run: neighbour::fairness },
    Scenario { name: "stream",      what: "a streamed answer of 200 MB",                           run: stream::run },
    Scenario { name: "streamed",    what: "the same through a function URL",                       run: stream::through_url },
    Scenario { name: "http-api",    what: "HTTP APIs, load balancers, URLs, beside invocations",   run: http_api::run },
    Scenario { name: "bodies",      what: "64 requests of 6 MB at once",                           run: bodies::run },
    Scenario { name: "control",     what: "the control plane with many functions",                 run: control::run },
    Scenario { name: "patterns",    what: "events against a thousand rules, on one processor",     run: patterns::run },
    Scenario { name: "accept",      what: "durable 202s, beside SQLite and RabbitMQ",              run: accept::run },
    Scenario { name: "handler-start", what: "from a 202 to the start of the handler",              run: started::run },
    Scenario { name: "backlog",     what: "a million waiting events, beside few",                  run: backlog::run },
    Scenario { name: "queues",      what: "messages through send, receive and delete",             run: queues::run },
    Scenario { name: "buckets",     what: "objects, small and large, and who is told of them",     run: buckets::run },
    Scenario { name: "schedules",   what: "a hundred thousand schedules, idle and due",            run: schedules::run },
    Scenario { name: "sources-sqs", what: "messages of a queue to a function, beside ministack",   run: sources::queues },
    Scenario { name: "sources-kinesis", what: "records of a stream to a function, beside ministack", run: sources::streams },
    Scenario { name: "sources-kafka", what: "records of a topic to a function, beside its client alone", run: sources::topics::run },
    Scenario { name: "sources-idle", what: "a thousand mappings with nothing to do",               run: sources::idle::run },
    Scenario { name: "ministack",   what: "beside an emulator of many services, without Docker",   run: ministack::run },
];
