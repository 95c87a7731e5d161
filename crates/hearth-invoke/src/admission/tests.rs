//! The rules of admission, in tables and under races.

use hearth_types::names::{AccountId, FunctionName, Region};
use uuid::Uuid;

use super::*;

const RULES: Rules = Rules { concurrency: Concurrency::Limited, requests_per_execution: 0 };
const NOW: Moment = Moment(10_000);
const SHARES: Shares =
    Shares { unreserved: 3, reserved: None, provisioned_total: 0, provisioned: 0 };

fn function(name: &str) -> FunctionArn {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    FunctionArn { scope, name: FunctionName::parse(name).unwrap() }
}

/// Asks for one more invocation of a version of a function.
fn enter(
    admission: &Arc<Admission>,
    (name, version): (&str, u128),
    shares: Shares,
    now: Moment,
) -> Result<Execution, Throttled> {
    let target = TargetId(Uuid::from_u128(version));
    admission.enter(Asked { function: &function(name), target, shares }, now)
}

fn admission(rules: Rules) -> Arc<Admission> {
    Arc::new(Admission::new(rules))
}

/// Enters until it is refused; returns what holds the places, and why there are no more.
fn fill(admission: &Arc<Admission>, of: (&str, u128), shares: Shares) -> (Vec<Execution>, Limit) {
    let mut held = Vec::new();
    loop {
        match enter(admission, of, shares, NOW) {
            Ok(execution) => held.push(execution),
            Err(throttled) => return (held, throttled.limit),
        }
        assert!(held.len() < 1_000, "there is no limit");
    }
}

#[test]
fn each_function_is_held_to_what_it_has() {
    let reserved = |reserved| Shares { reserved: Some(reserved), ..SHARES };
    let provisioned = Shares { provisioned_total: 2, provisioned: 2, ..SHARES };
    let both = Shares { reserved: Some(5), ..provisioned };
    let other_version = Shares { provisioned: 0, ..both };
    #[rustfmt::skip]
    let rows = [
        ("nothing",                          SHARES,        3, Limit::Account),
        ("reserved",                         reserved(7),   7, Limit::Reserved),
        ("reserved, none at all",            reserved(0),   0, Limit::Reserved),
        ("provisioned, and it spills over",  provisioned,   5, Limit::Account),
        ("provisioned out of what is reserved", both,       5, Limit::Reserved),
        ("what another version has provisioned is not for this one", other_version, 3, Limit::Reserved),
    ];
    for (name, shares, expected, limit) in rows {
        let (held, met) = fill(&admission(RULES), ("a", 1), shares);
        assert_eq!((held.len(), met), (expected, limit), "{name}");
    }
}

#[test]
fn functions_without_a_share_of_their_own_share_the_rest() {
    let admission = admission(RULES);
    let first = enter(&admission, ("a", 1), SHARES, NOW).unwrap();
    let (others, limit) = fill(&admission, ("b", 2), SHARES);
    assert_eq!((others.len(), limit), (2, Limit::Account));
    let own = Shares { reserved: Some(1), ..SHARES };
    assert_eq!(fill(&admission, ("c", 3), own).0.len(), 1, "what is reserved is kept free");
    drop(first);
    assert_eq!(fill(&admission, ("b", 2), SHARES).0.len(), 1, "a place is free again");
}

#[test]
fn a_limit_that_is_lowered_holds_for_the_next_and_interrupts_nobody() {
    let admission = admission(RULES);
    let shares = |reserved| Shares { reserved: Some(reserved), ..SHARES };
    let (mut held, _) = fill(&admission, ("a", 1), shares(4));
    let another = || enter(&admission, ("a", 1), shares(2), NOW);
    assert!(another().is_err());
    held.truncate(2);
    assert!(another().is_err(), "two run, and two may");
    held.truncate(1);
    assert!(another().is_ok());
}

#[test]
fn what_is_reserved_and_given_back_counts_those_that_run_already() {
    let admission = admission(RULES);
    let another = |shares| enter(&admission, ("a", 1), shares, NOW).map(drop);
    let others = || fill(&admission, ("b", 2), SHARES).0.len();
    let (held, _) = fill(&admission, ("a", 1), SHARES);
    assert_eq!((held.len(), others()), (3, 0));
    assert!(another(Shares { reserved: Some(3), ..SHARES }).is_err(), "three run, and three may");
    assert_eq!(others(), 3, "they are not the account's any more");
    assert!(another(Shares { reserved: Some(4), ..SHARES }).is_ok());
    assert!(another(SHARES).is_err(), "they are the account's again");
    assert_eq!(others(), 0);
    drop(held);
    assert_eq!((admission.running(&function("a").scope), others()), (0, 3));
}

#[test]
fn what_is_not_provisioned_any_more_and_still_runs_counts_as_reserved() {
    let admission = admission(RULES);
    let reserved = Shares { reserved: Some(3), ..SHARES };
    let provisioned = Shares { provisioned_total: 2, provisioned: 2, ..reserved };
    let (mut held, _) = fill(&admission, ("a", 1), provisioned);
    assert_eq!(held.len(), 3);
    let another = || enter(&admission, ("a", 1), reserved, NOW).map(drop);
    assert!(another().is_err());
    held.truncate(2);
    assert!(another().is_ok());
}

#[test]
fn requests_come_no_faster_than_ten_times_the_executions() {
    let admission = admission(Rules { requests_per_execution: 10, ..RULES });
    let request = |shares, ms| enter(&admission, ("a", 1), shares, NOW.plus_millis(ms)).map(drop);
    let reserved = Shares { reserved: Some(1), ..SHARES };
    for (shares, requests, limit) in
        [(SHARES, 30, Limit::AccountRate), (reserved, 10, Limit::ReservedRate)]
    {
        for _request in 0..requests {
            assert_eq!(request(shares, 0), Ok(()));
        }
        let retry_ms = 1_000u64.div_ceil(requests);
        assert_eq!(request(shares, 0), Err(Throttled { limit, retry_ms }));
        assert_eq!(request(shares, retry_ms), Ok(()), "one more, a little later");
    }
}

#[test]
fn what_is_provisioned_and_called_too_often_spills_over() {
    let admission = admission(Rules { requests_per_execution: 10, ..RULES });
    let shares = Shares { provisioned_total: 1, provisioned: 1, ..SHARES };
    let call = || enter(&admission, ("a", 1), shares, NOW).map(drop);
    // Ten a second for what is provisioned, and thirty for the account.
    assert!((0..40).all(|_| call().is_ok()));
    assert!(call().is_err());
}

#[test]
fn an_account_without_a_limit_still_honours_what_is_reserved() {
    let rules = Rules { concurrency: Concurrency::Unlimited, requests_per_execution: 10 };
    let admission = admission(rules);
    let another = |shares| enter(&admission, ("a", 1), shares, NOW);
    let held: Vec<_> = (0..500).map(|_| another(SHARES)).collect();
    assert!(held.iter().all(Result::is_ok));
    assert!(another(Shares { reserved: Some(0), ..SHARES }).is_err());
}

#[test]
fn nothing_is_remembered_of_functions_that_do_not_run() {
    let admission = admission(Rules { requests_per_execution: 10, ..RULES });
    let reserved = Shares { reserved: Some(1), ..SHARES };
    drop(enter(&admission, ("a", 1), reserved, NOW).unwrap());
    let later = NOW.plus_millis(1_000);
    let running = enter(&admission, ("b", 2), reserved, later).unwrap();
    assert_eq!(admission.lock().functions.len(), 1);
    drop(running);
}

/// Many threads at once: promise 1, and that nothing is lost.
#[test]
fn counts_are_exact_under_races() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let admission = admission(RULES);
    let (inside, most, entered) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for thread in 0..8u128 {
            let (admission, inside, most, entered) = (&admission, &inside, &most, &entered);
            scope.spawn(move || {
                for _round in 0..2_000 {
                    let shares = Shares { unreserved: 4, ..SHARES };
                    let name = if thread % 2 == 0 { "a" } else { "b" };
                    let Ok(held) = enter(admission, (name, thread), shares, NOW) else {
                        continue;
                    };
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    entered.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(held);
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 4 && entered.load(Ordering::SeqCst) > 0);
    assert_eq!(admission.running(&function("a").scope), 0);
    assert_eq!(fill(&admission, ("a", 1), SHARES).0.len(), 3);
}
