//! Loads, the same for every peer: one thread for each connection.
//!
//! # Promises
//!
//! 1. Errors while warming up count.
//! 2. A peer that is gone ends the load early; it does not make it spin.
//!
//! # Deliberately absent
//!
//! Open-loop arrival: each connection waits for its answer before it sends more.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::http::{Connection, Request};
use super::stats::{Answered, Summary};
use crate::{complain, now};

/// Each connection gives up after so many errors; more would not say more.
const ERRORS_MAX: usize = 100;
/// For how long requests are sent before latencies count.
const WARM_UP: Duration = Duration::from_millis(300);

/// A load to put on a peer.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Requests,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
}

/// The requests of a load: the first, the second, and so on for ever.
#[derive(Clone)]
pub(crate) struct Requests(Arc<dyn Fn(u64) -> Request + Send + Sync>);

impl fmt::Debug for Requests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Requests({:?}, …)", self.first())
    }
}

impl Requests {
    /// Each is made from its number.
    pub(crate) fn new(make: impl Fn(u64) -> Request + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The one of this number.
    pub(crate) fn of(&self, number: u64) -> Request {
        (self.0)(number)
    }

    /// The first of them.
    pub(crate) fn first(&self) -> Request {
        self.of(0)
    }

    /// The same invocation over and over.
    pub(crate) fn invocation(path: String) -> Self {
        Self::new(move |_| Request::invocation(path.clone(), "{}".to_owned()))
    }
}

impl Load {
    /// Puts the load on the peer, and waits for it to end.
    pub(crate) fn run(&self) -> Summary {
        let start = Barrier::new(self.connections);
        let sent = AtomicU64::new(0);
        let shares: Vec<Share> = thread::scope(|scope| {
            let one = || self.one_connection(&start, &sent);
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(one)).collect();
            let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
            // A thread of ours that panics is a bug, and shows as an error in the table.
            ends.map(|end| end.unwrap_or(Share { latencies: Vec::new(), errors: 1 })).collect()
        });
        let errors = shares.iter().map(|share| share.errors).sum();
        let latencies = shares.into_iter().flat_map(|share| share.latencies).collect();
        Summary::of(latencies, self.duration, errors)
    }

    fn one_connection(&self, start: &Barrier, number: &AtomicU64) -> Share {
        let mut share = Share { latencies: Vec::new(), errors: 0 };
        let mut connection = Connection::open(self.address).ok();
        start.wait();
        let begin = now();
        while share.errors < ERRORS_MAX && begin.elapsed() < WARM_UP + self.duration {
            let counts = begin.elapsed() >= WARM_UP;
            let request = self.requests.of(number.fetch_add(1, Ordering::Relaxed));
            let sent = now();
            let answered = self.one_request(&mut connection, &request);
            match answered {
                Ok(()) if counts => share.latencies.push(sent.elapsed()),
                Ok(()) => {}
                Err(_) => {
                    share.errors += 1;
                    connection = None;
                }
            }
        }
        share
    }

    /// Sends one request, on a new connection if there is none.
    fn one_request(
        &self,
        connection: &mut Option<Connection>,
        request: &Request,
    ) -> anyhow::Result<()> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(self.address)?),
        };
        connection.ask(request)?.succeeded()
    }
}

/// What one connection measured.
struct Share {
    latencies: Vec<Duration>,
    errors: usize,
}

/// The same request from many connections at the same moment, each once.
#[derive(Debug, Clone)]
pub(crate) struct Burst {
    pub(crate) address: SocketAddr,
    pub(crate) request: Request,
    pub(crate) count: usize,
}

impl Burst {
    /// Sends everything, and waits for the last answer.
    pub(crate) fn run(&self) -> Answered {
        let start = Barrier::new(self.count);
        let outcomes: Vec<anyhow::Result<Exchange>> = thread::scope(|scope| {
            let one = || self.one(&start);
            let threads: Vec<_> = (0..self.count).map(|_| scope.spawn(one)).collect();
            let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ends.map(|end| end.unwrap_or_else(|_| Err(anyhow!("a thread of ours failed"))))
                .collect()
        });
        let errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        if let Some(error) = errors.clone().next() {
            complain(&format!("the first error of a burst: {error:#}"));
        }
        let errors = errors.count();
        let good: Vec<Exchange> = outcomes.into_iter().flatten().collect();
        let first_sent = good.iter().map(|exchange| exchange.sent).min();
        let last_answered = good.iter().map(|exchange| exchange.answered).max();
        let all = first_sent.zip(last_answered).map(|(sent, answered)| answered - sent);
        Answered { all: all.unwrap_or_default(), errors }
    }

    fn one(&self, start: &Barrier) -> anyhow::Result<Exchange> {
        let connection = Connection::open(self.address);
        // Also without a connection, or the others would wait for ever.
        start.wait();
        let sent = now();
        connection?.ask(&self.request)?.succeeded()?;
        Ok(Exchange { sent, answered: now() })
    }
}

/// When one request was sent and answered.
struct Exchange {
    sent: Instant,
    answered: Instant,
}
