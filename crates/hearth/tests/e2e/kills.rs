//! Killing a server again and again while clients use it.
//!
//! ```text
//!  clients ──▶ server at its address of the moment ──killed──▶ again on the same data directory
//!     │
//!     └── those requests that were accepted, for the test to look for
//! ```
//!
//! The moments are drawn from a seed, which is printed: `HEARTH_KILL_SEED` repeats them. How often
//! a server is killed is `HEARTH_KILLS`.

use std::env;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Place, Server, say};
use crate::http::{Connection, Request};

const KILLS_DEFAULT: usize = 50;
/// The pace of a client. Without it more would come in than a debug build can run in the time that
/// a test may take.
pub(crate) const PACE: Duration = Duration::from_millis(10);
/// How long a server lives until it is killed.
const LIFE_MILLIS: Range<u64> = 30..900;

/// Starts a server in its place.
pub(crate) type Start<'a> = dyn Fn(Place) -> Server + 'a;

/// The seed, and how often to kill.
pub(crate) fn drawn() -> (u64, usize) {
    drawn_where(KILLS_DEFAULT)
}

/// The same where another number of kills is usual.
pub(crate) fn drawn_where(kills_default: usize) -> (u64, usize) {
    let seed =
        number_in("HEARTH_KILL_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let kills = number_in("HEARTH_KILLS").and_then(|kills| usize::try_from(kills).ok());
    let kills = kills.unwrap_or(kills_default);
    say(&format!("killing {kills} times; HEARTH_KILL_SEED={seed} repeats the moments"));
    (seed, kills)
}

fn number_in(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    /// Those of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn within(&mut self, range: &Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

/// What the clients and the killer have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Where the server is, if it is.
    address: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
    /// Answers that were neither an acceptance nor an end of the connection.
    refused: AtomicUsize,
}

impl Shared {
    fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_address(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Whether clients are to end.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// How often a client was refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Sends a request to whichever server there is. `None` if it was not answered.
    pub(crate) fn send(
        &self,
        connection: &mut Option<Connection>,
        request: &Request,
    ) -> Option<(u16, Value)> {
        if connection.is_none() {
            *connection = Connection::open(self.address()?).ok();
        }
        let answer = connection.as_mut()?.send(request);
        if answer.is_err() {
            *connection = None;
        }
        answer.ok().map(|answer| (answer.status, answer.json()))
    }

    /// Sends one request after the other until it is over. Returns the ids of those that were
    /// accepted. What was not answered may have been accepted or not.
    pub(crate) fn flow(
        &self,
        name: &str,
        accepted_is: u16,
        make: impl Fn(usize, &str) -> Request,
    ) -> Vec<String> {
        let (mut accepted, mut connection) = (Vec::new(), None);
        for number in 0.. {
            if self.is_over() {
                break;
            }
            let id = format!("{name}-{number}");
            match self.send(&mut connection, &make(number, &id)) {
                Some((status, _)) if status == accepted_is => accepted.push(id),
                Some(_refused) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                None => {}
            }
            thread::sleep(PACE);
        }
        accepted
    }
}

/// Ends the flow when it goes, also in a panic: the scope of the clients waits for them.
#[derive(Debug)]
pub(crate) struct Flow<'a>(pub(crate) &'a Shared);

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// Starts a server and kills it so many times. Returns one that lives.
pub(crate) fn kill_again_and_again(
    shared: &Shared,
    place: Place,
    moments: (&mut Draws, usize),
) -> Server {
    kill_within(shared, (place, &Server::start_at), moments, &LIFE_MILLIS)
}

/// The same for a server that is started in another way, and lives longer until it is killed.
pub(crate) fn kill_within(
    shared: &Shared,
    (mut place, start): (Place, &Start<'_>),
    (draws, kills): (&mut Draws, usize),
    life_millis: &Range<u64>,
) -> Server {
    for _kill in 0..kills {
        let server = start(place);
        shared.set_address(Some(server.address));
        // The moment is the point of this test, and nothing waits for anything.
        thread::sleep(Duration::from_millis(draws.within(life_millis)));
        shared.set_address(None);
        place = server.kill();
    }
    start(place)
}
