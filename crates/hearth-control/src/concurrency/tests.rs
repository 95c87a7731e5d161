//! Tests of the rules about reserved and provisioned concurrency.

use std::collections::BTreeMap;

use hearth_types::names::{AliasName, Qualifier, Version};
use hearth_types::time::Timestamp;
use proptest::prelude::*;

use super::provisioned::{calls, wanted};
use super::*;
use crate::alias::Alias;
use crate::publish::testing::with_versions;
use crate::record::State;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const FULL: Pool = Pool { limit: 1_000, claimed: 0 };
const BELOW_MINIMUM: &str =
    "decreases account's UnreservedConcurrentExecution below its minimum value of";

/// What was asked for, by qualifier.
type Asked = &'static [(&'static str, u32)];
/// What, what is reserved, what was asked for, what is asked for `live`, the pool, the refusal.
type Room = (&'static str, Option<u32>, Asked, u32, Pool, Option<String>);
/// What, what was asked for before and after, what is said.
type Said = (&'static str, Option<Asked>, Option<Asked>, &'static [(u64, u32)]);

fn qualifier(text: &str) -> Qualifier {
    Qualifier::parse(text).unwrap()
}

fn name(text: &str) -> AliasName {
    AliasName::parse(text).unwrap()
}

fn asked(requested: u32) -> Provisioned {
    Provisioned { requested, modified: Timestamp(7) }
}

fn alias(version: Version, shares: &[(u64, f64)]) -> Alias {
    Alias::new(version, String::new(), shares.iter().copied().collect())
}

/// Versions 1 to 3; `live` and `also` point to 1, `both` to 2 and 3, `head` to `$LATEST`.
fn function() -> FunctionRecord {
    let mut record = with_versions(3);
    record.aliases.insert(name("live"), alias(Version::Published(1), &[]));
    record.aliases.insert(name("also"), alias(Version::Published(1), &[]));
    record.aliases.insert(name("both"), alias(Version::Published(2), &[(3, 0.5)]));
    record.aliases.insert(name("head"), alias(Version::Latest, &[]));
    record
}

/// With these environments asked for, however that came about.
fn provisioned(all: &[(&str, u32)]) -> FunctionRecord {
    let mut record = function();
    record.provisioned =
        all.iter().map(|(key, count)| ((*key).to_owned(), asked(*count))).collect();
    record
}

#[test]
fn the_words_for_recursion_are_those_of_aws() {
    for one in [RecursiveLoop::Terminate, RecursiveLoop::Allow] {
        assert_eq!(RecursiveLoop::parse(one.name()), Some(one));
    }
    assert_eq!(RecursiveLoop::parse("allow"), None);
    assert_eq!(RecursiveLoop::default().name(), "Terminate");
}

#[test]
fn a_reservation_leaves_what_is_kept_for_all() {
    let pool = |limit, claimed| Pool { limit, claimed };
    let most = u32::MAX;
    #[rustfmt::skip]
    let rows = [
        ("nothing",                   None,      0, pool(1_000, 0),     None),
        ("all that there is",         None,    900, pool(1_000, 0),     None),
        ("one too many",              None,    901, pool(1_000, 0),     Some(100)),
        ("far too many",              None,   most, pool(1_000, 0),     Some(100)),
        ("others have the rest",      None,    400, pool(1_000, 500),   None),
        ("others have too much",      None,    401, pool(1_000, 500),   Some(100)),
        ("in place of its own",       Some(900), 800, pool(1_000, 0),   None),
        ("more than its own",         Some(300), 401, pool(1_000, 500), Some(100)),
        ("a small account",           None,      1, pool(10, 0),        Some(10)),
        ("to disable it there",       None,      0, pool(10, 0),        None),
        ("the limit was lowered",     Some(900), 899, pool(500, 0),     None),
        ("and it wants more",         Some(900), 901, pool(500, 0),     Some(100)),
        ("others alone are too many", None,      1, pool(500, most),    Some(100)),
    ];
    for (what, before, reserved, pool, minimum) in rows {
        let mut record = function();
        record.reserved_concurrency = before;
        let put = record.put_reserved(reserved, pool).map_err(|error| error.to_string());
        let expected = minimum.map(|minimum: u32| {
            format!(
                "Specified ReservedConcurrentExecutions for function {BELOW_MINIMUM} [{minimum}]."
            )
        });
        assert_eq!(put.err(), expected, "{what}");
        let after = if minimum.is_some() { before } else { Some(reserved) };
        assert_eq!(record.reserved_concurrency, after, "{what}");
    }
}

#[test]
fn a_reservation_covers_what_is_provisioned() {
    let mut record = provisioned(&[("live", 3), ("2", 4)]);
    assert_eq!(record.claimed_concurrency(), 7);
    let refused = record.put_reserved(6, FULL).unwrap_err();
    assert!(matches!(refused, ControlError::InvalidParameterUntyped(_)), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        " ReservedConcurrentExecutions  6 should not be lower than function's total provisioned concurrency [7]."
    );
    record.put_reserved(9, FULL).unwrap();
    assert_eq!(record.claimed_concurrency(), 9, "what is provisioned is a part of it");
}

#[test]
fn each_rule_of_what_is_provisioned_refuses_and_says_why() {
    let unpublished =
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    let weights = "Alias with weights can not be used with Provisioned Concurrency";
    let taken = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version";
    let pointed = "Version is pointed by a Provisioned Concurrency alias";
    #[rustfmt::skip]
    let rows: &[(&str, Asked, &str, Result<(), String>)] = &[
        ("a version",                  &[],            "1",       Ok(())),
        ("an alias",                   &[],            "live",    Ok(())),
        ("once more",                  &[("1", 9)],    "1",       Ok(())),
        ("an alias once more",         &[("live", 9)], "live",    Ok(())),
        ("another version",            &[("live", 9)], "2",       Ok(())),
        ("another version's alias",    &[("2", 9)],    "live",    Ok(())),
        ("$LATEST",                    &[],            "$LATEST", Err(unpublished.to_owned())),
        ("an alias of $LATEST",        &[],            "head",    Err(unpublished.to_owned())),
        ("an alias of two versions",   &[],            "both",    Err(weights.to_owned())),
        ("its version has its own",    &[("1", 9)],    "live",    Err(taken.to_owned())),
        ("two aliases of one version", &[("also", 9)], "live",    Err(taken.to_owned())),
        ("an alias has it",            &[("live", 9)], "1",       Err(pointed.to_owned())),
        ("no such alias",              &[],            "none",    Err(format!("Cannot find alias arn: {ARN}:none"))),
        ("no such version",            &[],            "9",       Err(format!("Function not found: {ARN}:9"))),
    ];
    for (what, before, text, expected) in rows {
        let mut record = provisioned(before);
        let old = record.clone();
        let put = record.put_provisioned(&qualifier(text), asked(5), FULL);
        let put = put.map_err(|error| error.to_string());
        assert_eq!(put, *expected, "{what}");
        match put {
            Ok(()) => assert_eq!(record.provisioned.get(*text), Some(&asked(5)), "{what}"),
            Err(_) => assert_eq!(record, old, "{what}"),
        }
    }
}

#[test]
fn there_is_room_in_the_reservation_or_else_in_the_account() {
    let reservation = "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function";
    let minimum = format!("Specified ConcurrentExecutions for function {BELOW_MINIMUM} [100].");
    let account = |left: u32| {
        format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}]."
        )
    };
    let pool = |limit, claimed| Pool { limit, claimed };
    #[rustfmt::skip]
    let rows: &[Room] = &[
        ("the reservation",         Some(10), &[],           10,    FULL,           None),
        ("more than that",          Some(10), &[],           11,    FULL,           Some(reservation.to_owned())),
        ("all versions count",      Some(10), &[("2", 6)],   5,     FULL,           Some(reservation.to_owned())),
        ("but not what it had",     Some(10), &[("live", 6)], 10,   FULL,           None),
        ("a reservation is enough", Some(10), &[],           10,    pool(100, 100), None),
        ("disabled",                Some(0),  &[],           1,     FULL,           Some(reservation.to_owned())),
        ("the account",             None,     &[],           900,   FULL,           None),
        ("more than that",          None,     &[],           901,   FULL,           Some(minimum.clone())),
        ("all versions count",      None,     &[("2", 500)], 401,   FULL,           Some(minimum.clone())),
        ("but not what it had",     None,     &[("live", 500)], 900, FULL,          None),
        ("others have the rest",    None,     &[],           401,   pool(1_000, 500), Some(minimum)),
        ("more than there is",      None,     &[],           1_001, FULL,           Some(account(1_000))),
        ("more than others left",   None,     &[],           501,   pool(1_000, 500), Some(account(500))),
        ("less than it had",        None,     &[("live", 600)], 599, pool(500, 0),  None),
    ];
    for (what, reserved, before, count, pool, expected) in rows {
        let mut record = provisioned(before);
        record.reserved_concurrency = *reserved;
        let put = record.put_provisioned(&qualifier("live"), asked(*count), *pool);
        assert_eq!(put.err().map(|error| error.to_string()), *expected, "{what}");
    }
}

#[test]
fn only_the_limits_of_the_account_have_no_type() {
    let refused = |reserved, count| {
        let mut record = function();
        record.reserved_concurrency = reserved;
        record.put_provisioned(&qualifier("1"), asked(count), FULL).unwrap_err()
    };
    assert!(matches!(refused(Some(1), 2), ControlError::InvalidParameter(_)));
    assert!(matches!(refused(None, 950), ControlError::InvalidParameterUntyped(_)));
    assert!(matches!(refused(None, 1_001), ControlError::InvalidParameterUntyped(_)));
}

#[test]
fn what_is_taken_away_may_have_been_absent_but_not_its_alias() {
    let mut record = provisioned(&[("live", 3)]);
    record.delete_provisioned(&qualifier("2")).unwrap();
    assert_eq!(record.provisioned.len(), 1);
    record.delete_provisioned(&qualifier("live")).unwrap();
    assert!(record.provisioned.is_empty());
    record.delete_provisioned(&qualifier("live")).unwrap();
    let refused = record.delete_provisioned(&qualifier("none")).unwrap_err().to_string();
    assert_eq!(refused, format!("Cannot find alias arn: {ARN}:none"));
}

#[test]
fn a_provisioned_alias_moves_to_versions_that_can_be_provisioned() {
    let record = provisioned(&[("live", 3), ("2", 4)]);
    #[rustfmt::skip]
    let rows = [
        ("live", Version::Published(1), true),
        ("live", Version::Published(3), true),
        ("live", Version::Published(2), false),
        ("live", Version::Latest,       false),
        ("also", Version::Published(2), true),
        ("also", Version::Latest,       true),
    ];
    for (alias, to, expected) in rows {
        let checked = record.check_provisioned_move(&name(alias), to);
        assert_eq!(checked.is_ok(), expected, "{alias} to {to}: {checked:?}");
    }
}

#[test]
fn what_is_said_follows_the_record() {
    let none: Asked = &[];
    #[rustfmt::skip]
    let rows: &[Said] = &[
        ("created",              None,                 Some(none),           &[]),
        ("read at start",        None,                 Some(&[("live", 3)]), &[(1, 3)]),
        ("put",                  Some(none),           Some(&[("2", 3)]),    &[(2, 3)]),
        ("changed",              Some(&[("2", 3)]),    Some(&[("2", 5)]),    &[(2, 5)]),
        ("something else",       Some(&[("2", 3)]),    Some(&[("2", 3)]),    &[(2, 3)]),
        ("taken away",           Some(&[("live", 3)]), Some(none),           &[(1, 0)]),
        ("moved to another",     Some(&[("live", 3)]), Some(&[("2", 3)]),    &[(1, 0), (2, 3)]),
        ("deleted",              Some(&[("live", 3)]), None,                 &[(1, 0)]),
        ("a qualifier is gone",  Some(&[("none", 3)]), Some(&[("none", 3)]), &[]),
        ("two names of one",     None,                 Some(&[("live", 3), ("1", 4)]), &[(1, 7)]),
    ];
    for (what, before, after, expected) in rows {
        let (before, after) = (before.map(provisioned), after.map(provisioned));
        let expected: BTreeMap<Version, u32> = expected
            .iter()
            .map(|(version, count)| (Version::Published(*version), *count))
            .collect();
        assert_eq!(calls(before.as_ref(), after.as_ref()), expected, "{what}");
    }
}

#[test]
fn what_is_provisioned_follows_its_alias() {
    let before = provisioned(&[("live", 3)]);
    let mut after = before.clone();
    after.aliases.insert(name("live"), alias(Version::Published(2), &[]));
    let expected = BTreeMap::from([(Version::Published(1), 0), (Version::Published(2), 3)]);
    assert_eq!(calls(Some(&before), Some(&after)), expected);
    after.aliases.insert(name("live"), alias(Version::Published(2), &[(3, 0.5)]));
    assert_eq!(wanted(&after), BTreeMap::from([(Version::Published(2), 3)]));
}

#[test]
fn how_far_it_is_depends_on_what_is_ready() {
    use ProvisionedStatus::{Failed, InProgress, Ready};
    #[rustfmt::skip]
    let rows = [
        ("nothing yet",           0, State::Active,  0, InProgress),
        ("some",                  2, State::Active,  2, InProgress),
        ("all",                   3, State::Active,  3, Ready),
        ("more than was wanted",  5, State::Active,  3, Ready),
        ("the version is coming", 0, State::Pending, 0, InProgress),
        ("it never comes",        0, State::Failed,  0, Failed),
    ];
    for (what, ready, state, shown, status) in rows {
        let now = asked(3).with_ready(ready, state, None);
        assert_eq!((now.allocated, now.available, now.status), (shown, shown, status), "{what}");
        assert_eq!((now.requested, now.modified), (3, Timestamp(7)), "{what}");
        assert_eq!(now.reason.is_some(), status == Failed, "{what}");
    }
}

#[test]
fn what_is_asked_for_reads_back_from_the_store() {
    let mut record = provisioned(&[("live", 3)]);
    record.reserved_concurrency = Some(0);
    record.recursive_loop = RecursiveLoop::Allow;
    let document = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<FunctionRecord>(&document).unwrap(), record);
}

/// One change of one of three functions.
#[derive(Debug, Clone)]
enum Change {
    Reserve(u32),
    Release,
    Provision(&'static str, u32),
    End(&'static str),
}

fn changes() -> impl Strategy<Value = Vec<(usize, Change)>> {
    let name = || prop::sample::select(vec!["1", "2", "live", "also"]);
    let change = prop_oneof![
        (0..600_u32).prop_map(Change::Reserve),
        Just(Change::Release),
        (name(), 1..600_u32).prop_map(|(name, count)| Change::Provision(name, count)),
        name().prop_map(Change::End),
    ];
    prop::collection::vec((0..3_usize, change), 1..40)
}

proptest! {
    #[test]
    fn claims_never_grow_into_what_is_kept_for_all(changes in changes(), limit in 50..1_500_u32) {
        let mut functions = [function(), function(), function()];
        for (index, change) in changes {
            let others = functions.iter().enumerate().filter(|(other, _)| *other != index);
            let claimed = others.map(|(_, other)| other.claimed_concurrency()).sum();
            let pool = Pool { limit, claimed };
            let one = &mut functions[index];
            // What is refused changes nothing, which other tests show.
            let _ = match change {
                Change::Reserve(count) => one.put_reserved(count, pool),
                Change::Release => {
                    one.reserved_concurrency = None;
                    Ok(())
                }
                Change::Provision(name, count) => {
                    one.put_provisioned(&qualifier(name), asked(count), pool)
                }
                Change::End(name) => one.delete_provisioned(&qualifier(name)),
            };
            let total: u32 = functions.iter().map(FunctionRecord::claimed_concurrency).sum();
            prop_assert!(total + SHARED_MIN.min(limit) <= limit, "{} of {}", total, limit);
            for one in &functions {
                let reserved = one.reserved_concurrency.unwrap_or(u32::MAX);
                prop_assert!(one.provisioned_total() <= reserved);
            }
        }
    }
}
