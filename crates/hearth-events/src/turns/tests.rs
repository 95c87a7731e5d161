//! Turns, windows and rests, one by one and in any order.

use super::*;

const LIMITS: Limits = Limits { entries: 40, of_lane: 20, bytes: 1 << 30, hold_ms: 1_000 };

fn lane(name: &str) -> Lane {
    Lane { kind: "invoke", name: name.to_owned() }
}

/// A turn that gives all that was asked for, of which there is more.
fn give_all(turns: &mut Turns, now: Timestamp) -> Option<Turn> {
    let turn = turns.next(now, |_| usize::MAX)?;
    turns.given(&turn.lane, Given { entries: turn.entries, bytes: 0, more: true });
    Some(turn)
}

fn back(turns: &mut Turns, name: &str, pace: Pace, now: Timestamp) {
    turns.back(&lane(name), Back { bytes: 0, pace, due: None }, now);
}

#[test]
fn a_lane_with_a_million_entries_does_not_delay_the_first_of_another() {
    let mut turns = Turns::new(LIMITS);
    let now = Timestamp(0);
    turns.news(&lane("many"));
    assert_eq!(give_all(&mut turns, now).unwrap().lane, lane("many"));
    turns.news(&lane("one"));
    // However many of the first are done at once.
    for _done in 0..16 {
        back(&mut turns, "many", Pace::Smooth, now);
    }
    let next = [give_all(&mut turns, now), give_all(&mut turns, now)];
    assert!(next.iter().flatten().any(|turn| turn.lane == lane("one")), "{next:?}");
}

#[test]
fn a_window_opens_while_all_goes_well_and_closes_when_something_is_refused() {
    let mut turns = Turns::new(LIMITS);
    let now = Timestamp(0);
    turns.news(&lane("f"));
    assert_eq!(give_all(&mut turns, now).unwrap().entries, limits::LANE_WINDOW_START);
    assert_eq!(give_all(&mut turns, now), None, "the window is full");
    back(&mut turns, "f", Pace::Smooth, now);
    assert_eq!(give_all(&mut turns, now).unwrap().entries, 2, "one is back, and one more may go");
    for _refused in 0..15 {
        back(&mut turns, "f", Pace::Refused, now);
    }
    assert_eq!(turns.out(), 2);
    assert_eq!(give_all(&mut turns, now), None, "two run, so two are what it takes");
    for _well in 0..limits::LANE_CAUTION_MIN {
        back(&mut turns, "f", Pace::Smooth, now);
        assert_eq!(give_all(&mut turns, now).unwrap().entries, 1);
    }
    back(&mut turns, "f", Pace::Smooth, now);
    assert_eq!(give_all(&mut turns, now).unwrap().entries, 2, "after caution it tries more");
}

#[test]
fn a_lane_of_which_nothing_is_taken_rests_longer_and_longer() {
    let mut turns = Turns::new(LIMITS);
    turns.news(&lane("down"));
    let mut now = Timestamp(0);
    let mut rests = Vec::new();
    for _try in 0..6 {
        let turn = turns.next(now, |_| 1).unwrap();
        assert_eq!(turn.entries, 1);
        turns.given(&turn.lane, Given { entries: 1, bytes: 0, more: true });
        back(&mut turns, "down", Pace::Refused, now);
        turns.news(&lane("down"));
        assert_eq!(turns.next(now, |_| 1), None, "news do not end its rest");
        let until = turns.alarm().unwrap();
        rests.push(until.millis_since(now));
        now = until;
    }
    assert_eq!(rests, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    let turn = turns.next(now, |_| 1).unwrap();
    turns.given(&turn.lane, Given { entries: 1, bytes: 0, more: true });
    back(&mut turns, "down", Pace::Smooth, now);
    assert!(turns.next(now, |_| 1).is_some(), "it is taken again, so it rests no more");
}

#[test]
fn what_is_due_later_is_looked_at_then() {
    let mut turns = Turns::new(LIMITS);
    turns.due_at(&lane("f"), Timestamp(500));
    turns.due_at(&lane("f"), Timestamp(700));
    assert_eq!((turns.next(Timestamp(499), |_| 9), turns.alarm()), (None, Some(Timestamp(500))));
    assert_eq!(turns.next(Timestamp(500), |_| 9).unwrap().lane, lane("f"));
}

#[test]
fn what_has_nothing_to_do_is_forgotten() {
    let mut turns = Turns::new(LIMITS);
    for number in 0..1_000 {
        turns.news(&lane(&format!("f{number}")));
        let turn = turns.next(Timestamp(0), |_| 9).unwrap();
        turns.given(&turn.lane, Given { entries: 1, bytes: 5, more: false });
        turns.back(&turn.lane, Back { bytes: 5, pace: Pace::Smooth, due: None }, Timestamp(0));
    }
    assert!(turns.lines.is_empty() && turns.in_line.is_empty() && turns.alarms.is_empty());
    assert_eq!((turns.out, turns.bytes), (0, 0));
}

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// Lanes with entries; what is out of each.
fn simulate(seed: u64) {
    let mut random = Random(seed);
    let mut turns = Turns::new(LIMITS);
    let mut waiting: Vec<usize> = (0..2 + random.below(8)).map(|_| random.below(300)).collect();
    let mut out: Vec<usize> = vec![0; waiting.len()];
    let total: usize = waiting.iter().sum();
    let (mut done, mut now, mut idle) = (0, Timestamp(0), 0);
    for number in 0..waiting.len() {
        turns.news(&lane(&number.to_string()));
    }
    while done < total {
        if let Some(turn) = turns.next(now, |_| 1 + usize::try_from(seed % 30).unwrap()) {
            let number: usize = turn.lane.name.parse().unwrap();
            let entries = turn.entries.min(waiting[number]);
            waiting[number] -= entries;
            out[number] += entries;
            let more = entries == turn.entries;
            turns.given(&turn.lane, Given { entries, bytes: entries, more });
            assert!(turns.out() <= LIMITS.entries && out[number] <= LIMITS.of_lane);
            idle = 0;
        } else if let Some(number) = (0..out.len()).find(|at| out[*at] > 0 && random.below(3) == 0)
        {
            out[number] -= 1;
            let (pace, due) = match random.below(10) {
                0 => (Pace::Refused, Some(now.plus_millis(200))),
                1 => (Pace::Waited, None),
                _ => (Pace::Smooth, None),
            };
            match due {
                Some(_) => waiting[number] += 1,
                None => done += 1,
            }
            turns.back(&lane(&number.to_string()), Back { bytes: 1, pace, due }, now);
            idle = 0;
        } else if out.iter().all(|out| *out == 0) {
            let alarm =
                turns.alarm().unwrap_or_else(|| panic!("seed {seed}: {waiting:?} are stuck"));
            now = alarm.max(now);
            idle += 1;
            assert!(idle < 10, "seed {seed}: an alarm that leads to nothing");
        }
    }
    assert_eq!((turns.out(), turns.bytes), (0, 0), "seed {seed}");
}

#[test]
fn in_any_order_nothing_is_stuck_and_no_limit_is_exceeded() {
    for seed in 0..500 {
        simulate(seed);
    }
}
