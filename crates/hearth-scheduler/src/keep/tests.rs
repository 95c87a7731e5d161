//! What is learned from which gaps.

use super::*;

const RULES: Rules = Rules { idle_ms: 5 * MINUTE_MS, learning: Learning::On };

/// A habit of calls, each one work of no length.
fn habit(gaps_ms: &[u64]) -> Habit {
    let mut habit = Habit::new(RULES);
    let mut now = Moment(0);
    habit.came(now, 1);
    habit.ended(now);
    for gap in gaps_ms {
        now = now.plus_millis(*gap);
        habit.came(now, 1);
        habit.ended(now);
    }
    habit
}

#[test]
fn plans_follow_the_gaps() {
    let minutes = |all: &[u64]| all.iter().map(|gap| gap * MINUTE_MS).collect::<Vec<_>>();
    let fixed = Plan::fixed(RULES.idle_ms);
    let again = |from: u64, until: u64| Plan {
        release_ms: RELEASE_MS,
        again_ms: (from * MINUTE_MS - RELEASE_MS, until * MINUTE_MS),
    };
    #[rustfmt::skip]
    let rows: [(&str, Vec<u64>, Plan); 6] = [
        ("too little is known",       minutes(&[30, 30, 30]),             fixed),
        ("every half an hour",        minutes(&[30, 30, 30, 30, 30]),     again(30, 31)),
        ("every two minutes",         minutes(&[2, 2, 2, 2, 2]),          again(2, 3)),
        ("about every hour",          minutes(&[59, 60, 61, 60, 59, 60]), again(59, 62)),
        ("never within four hours",   minutes(&[300, 300, 300, 300]),     Plan { release_ms: RELEASE_MS, again_ms: (0, 0) }),
        ("all the time, with breaks", [vec![1_000; 40], minutes(&[1, 1, 2, 1, 1])].concat(), Plan { release_ms: 3 * MINUTE_MS, again_ms: (0, 0) }),
    ];
    for (name, gaps, expected) in rows {
        assert_eq!(habit(&gaps).plan(), expected, "{name}");
    }
}

#[test]
fn nothing_is_learned_when_that_is_off() {
    let mut habit = Habit::new(Rules { learning: Learning::Off, ..RULES });
    for call in 0..50 {
        habit.came(Moment(call * 30 * MINUTE_MS), 1);
    }
    assert_eq!(habit.plan(), Plan::fixed(RULES.idle_ms));
}

#[test]
fn a_crowd_is_expected_again() {
    let mut habit = Habit::new(RULES);
    for burst in 0..8 {
        for at_a_time in 1..=10 {
            habit.came(Moment(burst * 20 * MINUTE_MS), at_a_time);
        }
        habit.ended(Moment(burst * 20 * MINUTE_MS));
    }
    assert_eq!(habit.crowd(), 10);
}

#[test]
fn a_changed_habit_is_noticed() {
    let mut gaps = vec![10 * MINUTE_MS; 600];
    gaps.extend(vec![40 * MINUTE_MS; 2_000]);
    let plan = habit(&gaps).plan();
    assert!(plan.starts(40 * MINUTE_MS + 1) && !plan.keeps(20 * MINUTE_MS), "{plan:?}");
}

proptest::proptest! {
    /// Promise 1, and that no plan costs more than the fixed time over the gaps it was made from.
    #[test]
    fn no_plan_is_worse_than_the_fixed_time(gaps in proptest::collection::vec(1u64..300, 4..40)) {
        let gaps: Vec<u64> = gaps.into_iter().map(|minutes| minutes * MINUTE_MS + MINUTE_MS / 2).collect();
        let plan = habit(&gaps).plan();
        let longest = (u64::try_from(GAP_MINUTES).unwrap()) * MINUTE_MS;
        proptest::prop_assert!(plan.release_ms <= longest && plan.again_ms.1 <= longest);
        let cost = |plan: Plan| -> u64 {
            gaps.iter().map(|gap| {
                let (from, until) = plan.again_ms;
                let waits = plan.release_ms.min(*gap) + until.min(*gap).saturating_sub(from.min(*gap));
                waits + if plan.keeps(*gap) { 0 } else { RULES.idle_ms }
            }).sum()
        };
        // The release before a second start is charged as a whole, so this is exact up to that.
        let slack = u64::try_from(gaps.len()).unwrap() * 2 * RELEASE_MS;
        proptest::prop_assert!(cost(plan) <= cost(Plan::fixed(RULES.idle_ms)) + slack);
    }
}
