//! How many messages of each queue are in flight: received and not deleted.
//!
//! Nothing is counted while messages are handed out. What is kept is an upper bound: it grows with
//! each message that is received and shrinks with each that is deleted or given back, but not with
//! those whose visibility timeout ends. Only when it reaches the quota is the lane counted, and not
//! more often than once in a second. After a start it is 0, though messages may be in flight.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use hearth_store::queue::Lane;
use hearth_types::time::Timestamp;

use super::quotas::{IN_FLIGHT_COUNT_MILLIS, IN_FLIGHT_MAX};

/// The bounds of all queues, by their lanes.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<String, Flight>>);

#[derive(Debug, Clone, Copy, Default)]
struct Flight {
    bound: u64,
    counted: Option<Timestamp>,
}

/// Whether more may be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Fine,
    /// It seems not; it should be counted.
    Count,
    /// It may not.
    Full,
}

impl Flights {
    pub(super) fn verdict(&self, lane: &Lane, now: Timestamp) -> Verdict {
        let flights = self.lock();
        let Some(flight) = flights.get(&lane.name).filter(|one| one.bound >= IN_FLIGHT_MAX) else {
            return Verdict::Fine;
        };
        let is_fresh = |counted| now.millis_since(counted) < IN_FLIGHT_COUNT_MILLIS;
        if flight.counted.is_some_and(is_fresh) { Verdict::Full } else { Verdict::Count }
    }

    /// Says what was counted, and what follows from it.
    pub(super) fn counted(&self, lane: &Lane, leased: u64, now: Timestamp) -> Verdict {
        let flight = Flight { bound: leased, counted: Some(now) };
        self.lock().insert(lane.name.clone(), flight);
        if leased < IN_FLIGHT_MAX { Verdict::Fine } else { Verdict::Full }
    }

    /// That many more were received.
    pub(super) fn begun(&self, lane: &Lane, messages: usize) {
        let messages = u64::try_from(messages).unwrap_or(u64::MAX);
        let mut flights = self.lock();
        match flights.get_mut(&lane.name) {
            Some(flight) => flight.bound = flight.bound.saturating_add(messages),
            None => {
                flights.insert(lane.name.clone(), Flight { bound: messages, counted: None });
            }
        }
    }

    /// That many were deleted or given back.
    pub(super) fn ended(&self, lane: &Lane, messages: u64) {
        if let Some(flight) = self.lock().get_mut(&lane.name) {
            flight.bound = flight.bound.saturating_sub(messages);
        }
    }

    /// The queue is empty or gone.
    pub(super) fn forget(&self, lane: &Lane) {
        self.lock().remove(&lane.name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.lock().expect("no code panics while it holds the flights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_counted_only_when_it_seems_full_and_once_in_a_second() {
        let flights = Flights::default();
        let lane = Lane { kind: "sqs", name: "q".to_owned() };
        let quota = usize::try_from(IN_FLIGHT_MAX).unwrap();
        assert_eq!(flights.verdict(&lane, Timestamp(0)), Verdict::Fine);
        flights.begun(&lane, quota - 1);
        assert_eq!(flights.verdict(&lane, Timestamp(0)), Verdict::Fine);
        flights.begun(&lane, 1);
        assert_eq!(flights.verdict(&lane, Timestamp(0)), Verdict::Count);
        assert_eq!(flights.counted(&lane, IN_FLIGHT_MAX, Timestamp(5)), Verdict::Full);
        assert_eq!(flights.verdict(&lane, Timestamp(1_004)), Verdict::Full);
        assert_eq!(flights.verdict(&lane, Timestamp(1_005)), Verdict::Count);
        assert_eq!(flights.counted(&lane, 3, Timestamp(1_005)), Verdict::Fine);
        flights.begun(&lane, quota - 3);
        flights.ended(&lane, 1);
        assert_eq!(flights.verdict(&lane, Timestamp(1_006)), Verdict::Fine);
        flights.begun(&lane, 2);
        flights.forget(&lane);
        assert_eq!(flights.verdict(&lane, Timestamp(1_006)), Verdict::Fine);
    }
}
