//! Schedules and groups as a whole, on a database.

use std::collections::{BTreeMap, BTreeSet};

use hearth_store::queue::NewEntry;
use hearth_store::sqlite::Sqlite;
use hearth_types::names::{AccountId, Region};
use hearth_types::testing::StandingClock;
use tempfile::TempDir;

use super::names::GroupArn;
use super::record::Completion;
use super::target::Target;
use super::timed::Timed as _;
use super::timing::{Occurrence, Timing};
use super::*;
use crate::delivery::{Delivery, Origin, Parcel};

/// 2026-11-23T03:20:35.123Z.
const NOW: u64 = 1_795_404_035_123;

struct Place {
    schedules: Arc<Schedules>,
    changes: Arc<Changes>,
    clock: Arc<StandingClock>,
    tasks: Tasks,
    directory: TempDir,
}

impl Place {
    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap()).await
    }

    async fn open(directory: TempDir) -> Self {
        let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
        let (changes, tasks) = (Arc::new(Changes::default()), Tasks::default());
        let clock = StandingClock::at(Timestamp(NOW));
        let parts = Parts {
            records: Arc::new(store),
            changes: Arc::clone(&changes),
            clock: Arc::clone(&clock) as _,
            tasks: tasks.clone(),
        };
        let schedules = Schedules::open(parts).await.unwrap();
        Self { schedules, changes, clock, tasks, directory }
    }

    async fn again(self) -> Self {
        let directory = self.directory;
        drop(self.schedules);
        Self::open(directory).await
    }

    fn later(&self, milliseconds: u64) {
        self.clock.pass(milliseconds);
    }

    fn timing(&self, arn: &ScheduleArn) -> Option<Timing> {
        self.schedules.timing(&arn.to_string())
    }
}

fn here() -> Scope {
    Scope {
        account: AccountId::parse("000000000000").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
    }
}

fn schedule(group: &str, name: &str) -> ScheduleArn {
    ScheduleArn::meant(&here(), Some(group.to_owned()), name.to_owned())
}

fn group(name: &str) -> GroupArn {
    GroupArn { scope: here(), name: name.to_owned() }
}

fn settings(expression: &str) -> ScheduleSettings {
    ScheduleSettings {
        expression: expression.to_owned(),
        target: Target {
            arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            ..Target::default()
        },
        ..ScheduleSettings::default()
    }
}

fn token(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn text<T>(result: Result<T, ScheduleError>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

#[tokio::test]
async fn a_schedule_is_made_changed_and_deleted_and_survives_a_restart() {
    let place = Place::new().await;
    let arn = schedule("default", "s");
    let made = place.schedules.create(&arn, settings("rate(5 minutes)"), None).await.unwrap();
    assert_eq!(made, "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s");
    assert_eq!(place.changes.take().into_iter().collect::<Vec<_>>(), [made]);
    let again = place.schedules.create(&arn, settings("rate(5 minutes)"), None).await;
    assert_eq!(text(again), "Schedule s already exists.");

    place.later(1_000);
    place.schedules.update(&arn, settings("rate(1 hours)"), None).await.unwrap();
    let place = place.again().await;
    let kept = place.schedules.get(&arn).unwrap();
    assert_eq!(kept.settings.expression, "rate(1 hours)");
    assert_eq!((kept.created_at.0, kept.modified_at.0), (NOW, NOW + 1_000));

    place.schedules.delete(&arn, None).await.unwrap();
    assert_eq!(text(place.schedules.get(&arn)), "Schedule s does not exist.");
    assert_eq!(text(place.schedules.delete(&arn, None).await), "Schedule s does not exist.");
    assert_eq!(place.changes.take().len(), 1);
}

#[tokio::test]
async fn what_could_never_happen_as_it_was_given_is_refused() {
    let place = Place::new().await;
    let (past, future) = (Timestamp(NOW - 301_000), Timestamp(NOW + 60_000));
    let zone = |name: &str| Some(name.to_owned());
    let cron = "cron(0 10 * * ? *)";
    #[rustfmt::skip]
    let rows = [
        (settings("cron(0 1 * * * *)"), "Invalid Schedule Expression cron(0 1 * * * *)."),
        (settings(" rate(10 minutes)"), "Invalid Schedule Expression  rate(10 minutes)."),
        (settings("at(2023-02-31T00:00:00)"), "Invalid Schedule Expression at(2023-02-31T00:00:00)."),
        (ScheduleSettings { zone: zone("Mars/Phobos"), ..settings(cron) }, "Invalid Schedule Expression Timezone Mars/Phobos."),
        (ScheduleSettings { zone: zone("Europe/Berlin"), ..settings(cron) }, ""),
        (ScheduleSettings { zone: zone("UTC"), ..settings(cron) }, ""),
        (ScheduleSettings { start: Some(past), ..settings(cron) }, "The StartDate you specify cannot be earlier than 5 minutes ago."),
        (ScheduleSettings { start: Some(future), end: Some(Timestamp(NOW)), ..settings(cron) }, "The StartDate you specify must come before the EndDate you specify."),
        (ScheduleSettings { start: Some(past), ..settings("at(2027-01-01T00:00:00)") }, ""),
        // These are over before they begin, which is no mistake of form.
        (settings("at(2001-01-01T00:00:00)"), ""),
        (settings("cron(0 0 31 2 ? *)"), ""),
    ];
    for (number, (settings, expected)) in (0..).zip(rows) {
        let arn = schedule("default", &format!("s{number}"));
        let shown = format!("{settings:?}");
        assert_eq!(text(place.schedules.create(&arn, settings, None).await), expected, "{shown}");
    }
}

#[tokio::test]
async fn a_request_that_is_repeated_changes_nothing() {
    let place = Place::new().await;
    let arn = schedule("default", "s");
    let create =
        |expression: &str| place.schedules.create(&arn, settings(expression), token("one"));
    create("rate(5 minutes)").await.unwrap();
    create("rate(5 minutes)").await.unwrap();
    assert_eq!(text(create("rate(6 minutes)").await), "Schedule s already exists.");

    place.later(5);
    place.schedules.update(&arn, settings("rate(7 minutes)"), token("two")).await.unwrap();
    place.later(5);
    place.schedules.update(&arn, settings("rate(7 minutes)"), token("two")).await.unwrap();
    assert_eq!(place.schedules.get(&arn).unwrap().modified_at, Timestamp(NOW + 5));

    place.schedules.delete(&arn, token("three")).await.unwrap();
    place.schedules.delete(&arn, token("three")).await.unwrap();
    let other = place.schedules.delete(&arn, token("four")).await;
    assert_eq!(text(other), "Schedule s does not exist.");

    let made = place.schedules.create_group(&group("g"), BTreeMap::new(), token("g")).await;
    let again = place.schedules.create_group(&group("g"), BTreeMap::new(), token("g")).await;
    assert_eq!(made.unwrap(), again.unwrap());
    let other = place.schedules.create_group(&group("g"), BTreeMap::new(), token("h")).await;
    assert_eq!(text(other), "Schedule group g already exists.");
}

#[tokio::test]
async fn of_those_who_make_the_same_at_once_one_does() {
    let place = Place::new().await;
    let (arn, other) = (schedule("default", "s"), schedule("default", "other"));
    let create = |arn, expression: &str, by: &str| {
        place.schedules.create(arn, settings(expression), token(by))
    };
    let (one, two, three, four) = tokio::join!(
        create(&arn, "rate(5 minutes)", "one"),
        create(&arn, "rate(6 minutes)", "two"),
        create(&arn, "rate(5 minutes)", "one"),
        create(&other, "rate(6 minutes)", "two"),
    );
    assert_eq!(text(two), "Schedule s already exists.");
    assert_eq!(one.unwrap(), three.unwrap(), "a request that is repeated");
    assert_eq!(four.unwrap(), other.to_string());
    assert_eq!(place.schedules.get(&arn).unwrap().settings.expression, "rate(5 minutes)");
    assert_eq!(place.schedules.all().len(), 2);
}

#[tokio::test]
async fn when_it_happens_follows_from_what_was_given_and_when() {
    let place = Place::new().await;
    let arn = schedule("default", "s");
    let next = |after: u64| {
        let timing = place.timing(&arn).unwrap();
        timing.next(Timestamp(after)).map(|one| one.scheduled.0 - NOW)
    };
    // Without a start it begins at once, and is counted from then.
    place.schedules.create(&arn, settings("rate(5 minutes)"), None).await.unwrap();
    assert_eq!((next(0), next(NOW)), (Some(0), Some(300_000)));
    // A change of something else leaves it alone, and what was before does not happen again.
    place.later(1_000);
    let disabled =
        ScheduleSettings { state: ScheduleState::Disabled, ..settings("rate(5 minutes)") };
    place.schedules.update(&arn, disabled, None).await.unwrap();
    assert_eq!(place.timing(&arn), None);
    place.schedules.update(&arn, settings("rate(5 minutes)"), None).await.unwrap();
    assert_eq!(next(0), Some(300_000));
    // With a start it is counted from there.
    let start = Some(Timestamp(NOW + 90_000));
    let started = ScheduleSettings { start, ..settings("rate(5 minutes)") };
    place.schedules.update(&arn, started, None).await.unwrap();
    assert_eq!((next(0), next(NOW + 90_000)), (Some(90_000), Some(390_000)));
    // The dates mean nothing for one time.
    let once = ScheduleSettings { end: start, ..settings("at(2026-11-23T10:00:00)") };
    place.schedules.update(&arn, once, None).await.unwrap();
    assert_eq!(next(0), Some(23_964_877));
    place.schedules.update(&arn, settings("at(2026-11-23T01:00:00)"), None).await.unwrap();
    assert_eq!(next(0), None);
}

fn delivered(entries: &[NewEntry]) -> (&NewEntry, Delivery) {
    let [entry] = entries else { panic!("one delivery: {entries:?}") };
    (entry, Delivery::read(&entry.head).unwrap())
}

#[tokio::test]
async fn what_happens_is_one_delivery_to_the_target() {
    let place = Place::new().await;
    place.schedules.create_group(&group("g"), BTreeMap::new(), None).await.unwrap();
    let arn = schedule("g", "s");
    let input = Some("{\"at\": \"<aws.scheduler.scheduled-time>\"}".to_owned());
    let mut with_input = settings("rate(5 minutes)");
    with_input.target.input = input;
    place.schedules.create(&arn, with_input, None).await.unwrap();
    let scheduled = Timestamp(NOW);
    let occurrence = Occurrence { scheduled, due: scheduled };
    let entries = place.schedules.entries(&arn.to_string(), occurrence, Timestamp(NOW + 7));
    let (entry, delivery) = delivered(&entries);
    assert_eq!((entry.put_at, entry.due), (Timestamp(NOW + 7), Timestamp(NOW + 7)));
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned();
    assert_eq!(delivery.parcel, Parcel::Function { arn: function });
    assert_eq!(delivery.payload(&entry.body), "{\"at\": \"2026-11-23T03:20:35Z\"}");
    let Origin::Schedule { group, execution, .. } = delivery.origin else { panic!("{delivery:?}") };
    assert_eq!((group.as_str(), execution.len()), ("g", 16));
    // The same occurrence has the same id, and another one has another.
    let same = place.schedules.entries(&arn.to_string(), occurrence, Timestamp(NOW + 9));
    assert_eq!(delivered(&same).1.origin, delivered(&entries).1.origin);
    let other = Occurrence { scheduled: Timestamp(NOW + 1), due: Timestamp(NOW + 1) };
    let other = place.schedules.entries(&arn.to_string(), other, Timestamp(NOW + 9));
    assert_ne!(delivered(&other).1.origin, delivered(&entries).1.origin);
}

#[tokio::test]
async fn functions_that_universal_targets_call_do_not_hold_up_each_other() {
    let place = Place::new().await;
    let mut lanes = BTreeSet::new();
    for (number, function) in (0..).zip(["one", "other", "one"]) {
        for kind in ["Event", "RequestResponse"] {
            let call = format!(r#"{{"FunctionName": "{function}", "InvocationType": "{kind}"}}"#);
            let mut universal = settings("rate(5 minutes)");
            universal.target.arn = "arn:aws:scheduler:::aws-sdk:lambda:invoke".to_owned();
            universal.target.input = Some(call);
            let arn = schedule("default", &format!("{kind}-{number}"));
            place.schedules.create(&arn, universal, None).await.unwrap();
            let occurrence = Occurrence { scheduled: Timestamp(NOW), due: Timestamp(NOW) };
            let entries = place.schedules.entries(&arn.to_string(), occurrence, Timestamp(NOW));
            let (entry, _delivery) = delivered(&entries);
            lanes.insert(entry.lane.name.clone());
        }
    }
    assert_eq!(lanes.len(), 4, "one for each function and kind of call: {lanes:?}");
}

#[tokio::test]
async fn one_that_is_over_is_deleted_if_it_was_asked_for() {
    let place = Place::new().await;
    let at = "at(2026-11-23T10:00:00)";
    let (kept, gone) = (schedule("default", "kept"), schedule("default", "gone"));
    let delete = ScheduleSettings { completion: Completion::Delete, ..settings(at) };
    place.schedules.create(&kept, settings(at), None).await.unwrap();
    place.schedules.create(&gone, delete.clone(), None).await.unwrap();
    let timing = place.timing(&gone).unwrap();
    // It was given another time meanwhile: then it is not over.
    place.later(1);
    place.schedules.update(&gone, delete, None).await.unwrap();
    place.schedules.completed(&gone.to_string(), &timing).await;
    assert!(place.schedules.get(&gone).is_ok());
    for arn in [&kept, &gone] {
        let timing = place.timing(arn).unwrap();
        place.schedules.completed(&arn.to_string(), &timing).await;
    }
    assert!(place.schedules.get(&kept).is_ok());
    assert_eq!(text(place.schedules.get(&gone)), "Schedule gone does not exist.");
}

#[tokio::test]
async fn a_group_is_deleted_with_its_schedules_also_by_the_next_server() {
    let place = Place::new().await;
    let refused = place.schedules.delete_group(&group("default"), None).await;
    assert_eq!(text(refused), "This operation cannot be performed on schedule group default.");
    let missing = place.schedules.create(&schedule("g", "s"), settings("rate(1 days)"), None).await;
    assert_eq!(text(missing), "Schedule group g does not exist.");
    for name in ["g", "g-2"] {
        place.schedules.create_group(&group(name), BTreeMap::new(), None).await.unwrap();
        for one in ["a", "b"] {
            let arn = schedule(name, one);
            place.schedules.create(&arn, settings("rate(1 days)"), None).await.unwrap();
        }
    }
    place.schedules.delete_group(&group("g"), None).await.unwrap();
    assert_eq!(place.timing(&schedule("g", "a")), None, "it has no effect any more");
    let refused = place.schedules.create(&schedule("g", "c"), settings("rate(1 days)"), None).await;
    assert!(!text(refused).is_empty());
    place.tasks.finished().await;
    assert_eq!(text(place.schedules.group(&here(), "g")), "Schedule group g does not exist.");
    assert_eq!(place.schedules.all().len(), 2, "those of the other group");

    // A server that ended in the middle of it.
    let deleting =
        Group { state: GroupState::Deleting, ..place.schedules.group(&here(), "g-2").unwrap() };
    place.schedules.groups.put(&here(), "g-2", deleting).await.unwrap();
    let place = place.again().await;
    place.tasks.finished().await;
    assert_eq!(text(place.schedules.group(&here(), "g-2")), "Schedule group g-2 does not exist.");
    assert!(place.schedules.all().is_empty());
}

#[tokio::test]
async fn lists_come_in_pages_that_join_to_the_whole() {
    let place = Place::new().await;
    place.schedules.create_group(&group("g"), BTreeMap::new(), None).await.unwrap();
    for (group, name) in
        [("default", "a"), ("default", "ab"), ("default", "b"), ("g", "ab"), ("g", "abc")]
    {
        let mut given = settings("rate(1 days)");
        if name == "b" {
            given.state = ScheduleState::Disabled;
        }
        place.schedules.create(&schedule(group, name), given, None).await.unwrap();
    }
    let all = Wanted { items: 9, ..Wanted::default() };
    #[rustfmt::skip]
    let rows = [
        (all,                                                        "default/a default/ab default/b g/ab g/abc"),
        (Wanted { group: Some("g"), ..all },                         "g/ab g/abc"),
        (Wanted { group: Some("g"), prefix: "ab", ..all },           "g/ab g/abc"),
        (Wanted { group: Some("g"), prefix: "abc", ..all },          "g/abc"),
        (Wanted { prefix: "ab", ..all },                             "default/ab g/ab g/abc"),
        (Wanted { state: Some(ScheduleState::Disabled), ..all },     "default/b"),
    ];
    for (wanted, expected) in rows {
        for items in 1..7 {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let wanted = Wanted { items, after: after.as_deref(), ..wanted };
                let Listed { items: page, next } = place.schedules.list(&here(), wanted).unwrap();
                assert!(page.len() <= items);
                found.extend(page.iter().map(|one| format!("{}/{}", one.group, one.name)));
                after = next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found.join(" "), expected, "{wanted:?} by {items}");
        }
    }
    let unknown = Wanted { group: Some("x"), ..all };
    assert_eq!(text(place.schedules.list(&here(), unknown)), "Schedule group x does not exist.");
    let groups = place.schedules.list_groups(&here(), ("", None, 1));
    assert_eq!(
        (groups.items[0].name.as_str(), groups.next.as_deref()),
        ("default", Some("default"))
    );
    let groups = place.schedules.list_groups(&here(), ("", Some("default"), 1));
    assert_eq!((groups.items[0].name.as_str(), groups.next), ("g", None));
}

#[tokio::test]
async fn groups_have_tags() {
    let place = Place::new().await;
    let tags = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let arn = place.schedules.create_group(&group("g"), tags, None).await.unwrap();
    let add = |tags: &mut BTreeMap<String, String>| {
        tags.insert("b".to_owned(), "2".to_owned());
    };
    place.schedules.change_tags(&here(), &arn, add).await.unwrap();
    let remove = |tags: &mut BTreeMap<String, String>| tags.retain(|key, _| key != "a");
    place.schedules.change_tags(&here(), &arn, remove).await.unwrap();
    let expected = BTreeMap::from([("b".to_owned(), "2".to_owned())]);
    assert_eq!(place.schedules.tags(&here(), &arn).unwrap(), expected);
    let many = |tags: &mut BTreeMap<String, String>| {
        tags.extend((0..60).map(|number| (number.to_string(), String::new())));
    };
    let refused = place.schedules.change_tags(&here(), &arn, many).await;
    assert_eq!(text(refused), "The number of tags exceeds the maximum number allowed.");
    let other = arn.replace("us-east-1", "eu-west-1");
    assert!(!text(place.schedules.tags(&here(), &other)).is_empty());
}

#[tokio::test]
async fn a_server_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
    let records: Arc<dyn Records> = Arc::new(store);
    let first = server_id(&records).await.unwrap();
    assert_eq!(server_id(&records).await.unwrap(), first);
    assert!(!first.is_empty());
}
