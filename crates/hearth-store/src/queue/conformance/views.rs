//! What can be seen of a lane without leasing, what is purged, and who is told of what.

use super::*;
use crate::queue::{Counts, Page, Seen, Sharing};

pub(super) async fn the_next_due_is_when_there_is_something_to_lease(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    let next_due = || async { queue.next_due(&line.lane).await.unwrap() };
    assert_eq!(next_due().await, None);
    line.put(vec![NewEntry { due: MUCH_LATER, ..line.entry("b") }]).await;
    assert_eq!(next_due().await, Some(MUCH_LATER));
    line.put(vec![NewEntry { due: Timestamp(NOW.0 - 5), ..line.entry("a") }]).await;
    assert!(next_due().await.is_some_and(|due| due < NOW), "one is due");

    let leased = line.lease(9).await;
    assert_eq!(next_due().await, Some(LATER), "the lease ends");
    assert_eq!(ids(&line.lease_until(9, LATER, MUCH_LATER.plus_millis(1)).await), ids(&leased));
    assert_eq!(next_due().await, Some(MUCH_LATER));
    let rest = line.lease_until(9, MUCH_LATER, MUCH_LATER.plus_millis(9)).await;
    assert_eq!(bodies(&rest), ["b"]);
    for receipt in [Receipt { lease: 2, ..leased[0].receipt }, rest[0].receipt] {
        assert_eq!(line.remove(receipt, MUCH_LATER).await, Settled::Done);
    }
    assert_eq!(next_due().await, None, "the lane is empty");
}

/// Whoever waits until something is due, and finds nothing to lease, would ask for ever.
pub(super) async fn a_group_that_waits_is_not_due(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a"), ("g", "b")]).await;
    let leased = line.lease(1).await;
    assert_eq!(queue.next_due(&line.lane).await.unwrap(), Some(LATER));
    assert_eq!(line.remove(leased[0].receipt, NOW).await, Settled::Done);
    assert!(queue.next_due(&line.lane).await.unwrap().is_some_and(|due| due <= NOW));
}

pub(super) async fn lanes_come_in_pages_and_without_the_empty_ones(queue: &dyn Queue, name: &str) {
    // Of a kind of its own, and all names begin alike, so that no other check comes in between.
    const KIND_OF_ITS_OWN: &str = "conformance-lanes";
    let lane = |last: &str| Lane { kind: KIND_OF_ITS_OWN, name: format!("{name}/{last}") };
    let line = |last: &str| Line { queue, lane: lane(last) };
    for last in ["d", "B", "a", "é", "c", "c"] {
        line(last).put_bodies(&["x"]).await;
    }
    let other_kind = Line::new(queue, &lane("b").name);
    other_kind.put_bodies(&["x"]).await;
    let emptied = line("c").lease(9).await;
    for leased in emptied {
        assert_eq!(line("c").remove(leased.receipt, NOW).await, Settled::Done);
    }
    // A lane all of whose entries are leased or delayed is not empty.
    assert_eq!(line("d").lease(9).await.len(), 1);

    let (mut after, mut found) = (format!("{name}/"), Vec::new());
    let mut left = 4;
    while left > 0 {
        let page = queue.lanes(KIND_OF_ITS_OWN, Some(&after), left.min(3)).await.unwrap();
        assert_eq!(page.len(), left.min(3));
        assert!(page.iter().all(|lane| lane.kind == KIND_OF_ITS_OWN));
        left -= page.len();
        found.extend(page);
        after.clone_from(&found[found.len() - 1].name);
    }
    assert_eq!(found, ["B", "a", "d", "é"].map(lane), "in the order of their bytes");
    assert!(!queue.lanes(KIND_OF_ITS_OWN, None, 1).await.unwrap().is_empty());
}

pub(super) async fn lanes_come_in_pages_with_the_next_due_of_each(queue: &dyn Queue, name: &str) {
    const KIND_OF_ITS_OWN: &str = "conformance-dues";
    let line = |last: &str| {
        let lane = Lane { kind: KIND_OF_ITS_OWN, name: format!("{name}/{last}") };
        Line { queue, lane }
    };
    let [delayed, behind, emptied, due] = ["a", "b", "c", "d"].map(line);
    delayed.put(vec![NewEntry { due: MUCH_LATER, ..delayed.entry("x") }]).await;
    behind.put_members(&[("g", "leased"), ("g", "behind it")]).await;
    assert_eq!(behind.lease(1).await.len(), 1);
    emptied.put_bodies(&["x"]).await;
    let receipt = emptied.lease_one().await.receipt;
    assert_eq!(emptied.remove(receipt, NOW).await, Settled::Done);
    due.put_bodies(&["x", "y"]).await;

    let (mut after, mut found) = (format!("{name}/"), Vec::new());
    loop {
        let page = queue.dues(KIND_OF_ITS_OWN, Some(&after), 2).await.unwrap();
        assert!(page.len() <= 2, "{page:?}");
        let Some((last, _)) = page.last() else { break };
        after.clone_from(&last.name);
        found.extend(page);
    }
    assert_eq!(found, [(delayed.lane, MUCH_LATER), (behind.lane, LATER), (due.lane, NOW)]);
    assert_eq!(queue.dues(KIND_OF_ITS_OWN, None, 1).await.unwrap().len(), 1);
    assert_eq!(queue.dues("conformance-none", None, 9).await.unwrap(), []);
}

pub(super) async fn counts_tell_waiting_delayed_and_leased_apart(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let counts =
        |now| async move { queue.counts(&Line::new(queue, name).lane, now).await.unwrap() };
    assert_eq!(counts(NOW).await, Counts::default());
    let old = Timestamp(NOW.0 - 77);
    line.put_members(&[("g", "a"), ("g", "b")]).await;
    line.put_bodies(&["c"]).await;
    line.put(vec![NewEntry { due: LATER, put_at: old, ..line.entry("d") }]).await;
    let oldest = Some(old);
    let expected = Counts { waiting: 3, delayed: 1, leased: 0, oldest };
    assert_eq!(counts(NOW).await, expected);

    let receipt = line.lease_one().await.receipt;
    assert_eq!(counts(NOW).await, Counts { waiting: 2, leased: 1, ..expected });
    let all = Counts { waiting: 4, delayed: 0, ..expected };
    assert_eq!(counts(LATER).await, all, "due, and the lease has run out");
    assert_eq!(line.give_back(receipt, MUCH_LATER).await, Settled::Done);
    assert_eq!(counts(NOW).await, Counts { waiting: 2, delayed: 2, ..expected });
}

pub(super) async fn pages_show_entries_in_the_order_of_their_ids(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let other = Line::new(queue, &format!("{name}-other"));
    let first = NewEntry { due: LATER, put_at: Timestamp(5), ..line.member("g", "1") };
    let mut put = line.put(vec![first, other.entry("x"), line.entry("four")]).await;
    put.remove(1);
    put.extend(line.put_bodies(&["", "x"]).await);
    let leased = line.lease_one().await;
    assert_eq!(leased.receipt.entry, put[1]);

    let page = |after, items| async move {
        let lane = Lane { kind: KIND, name: name.to_owned() };
        queue.page(Page { lane: &lane, after, items }, NOW).await.unwrap()
    };
    let seen = page(None, 9).await;
    assert_eq!(seen.iter().map(|seen| seen.id).collect::<Vec<_>>(), put);
    assert_eq!(page(None, 2).await, seen[..2]);
    assert_eq!(page(Some(put[1]), 1).await, seen[2..3]);
    assert_eq!(page(Some(put[3]), 9).await, []);
    let delayed = Seen {
        id: put[0],
        group: Some("g".to_owned()),
        put_at: Timestamp(5),
        due: LATER,
        leases: 0,
        leased: false,
        head: "{}".to_owned(),
        body_bytes: 1,
    };
    assert_eq!(seen[0], delayed);
    let held = Seen {
        id: put[1],
        group: None,
        put_at: NOW,
        due: LATER,
        leases: 1,
        leased: true,
        body_bytes: 4,
        ..delayed
    };
    assert_eq!(seen[1], held);
    let afterwards =
        queue.page(Page { lane: &line.lane, after: None, items: 9 }, LATER).await.unwrap();
    assert!(!afterwards[1].leased, "its lease has run out");
}

pub(super) async fn a_body_can_be_looked_at(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let other = Line::new(queue, &format!("{name}-other"));
    let id = line.put_bodies(&["inside"]).await[0];
    let inside = Some(Bytes::from_static(b"inside"));
    assert_eq!(queue.body(&line.lane, id).await.unwrap(), inside);
    assert_eq!(queue.body(&other.lane, id).await.unwrap(), None);
    assert_eq!(queue.body(&line.lane, EntryId(i64::MAX)).await.unwrap(), None);
    let receipt = line.lease_one().await.receipt;
    assert_eq!(queue.body(&line.lane, id).await.unwrap(), inside, "also while it is leased");
    assert_eq!(line.remove(receipt, NOW).await, Settled::Done);
    assert_eq!(queue.body(&line.lane, id).await.unwrap(), None);
}

pub(super) async fn what_was_put_before_is_purged_leased_or_not(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let other = Line::new(queue, &format!("{name}-other"));
    let old = |body| NewEntry { put_at: Timestamp(NOW.0 - 1), ..line.entry(body) };
    line.put(vec![old("a"), line.entry("b"), old("c")]).await;
    line.put(vec![NewEntry { due: MUCH_LATER, ..old("d") }]).await;
    line.put(vec![NewEntry { body: vec![1; 90_000].into(), ..old("") }]).await;
    other.put(vec![NewEntry { put_at: Timestamp(0), ..other.entry("x") }]).await;
    let receipt = line.lease_one().await.receipt;

    assert_eq!(queue.purge(&line.lane, NOW).await.unwrap(), 4);
    assert_eq!(line.remove(receipt, NOW).await, Settled::Gone);
    assert_eq!(bodies(&line.lease(9).await), ["b"]);
    assert_eq!(queue.purge(&line.lane, NOW).await.unwrap(), 0);
    assert_eq!(other.len().await, 1);
    // Many are cleared in steps.
    line.put(vec![old("many"); 3_000]).await;
    assert_eq!(queue.purge(&line.lane, NOW).await.unwrap(), 3_000);
    assert_eq!(line.len().await, 1);
}

pub(super) async fn the_time_is_known_unless_others_may_have_their_own(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    line.lease_until(1, NOW, LATER).await;
    let latest = queue.latest().await.unwrap();
    match queue.sharing() {
        // Nothing of the whole suite is done at an earlier time.
        Sharing::Alone => assert!(latest.is_some_and(|latest| latest >= NOW), "{latest:?}"),
        Sharing::Shared => assert_eq!(latest, None),
    }
}

pub(super) async fn whoever_waits_is_told_of_a_put(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let waiting = queue.signals().wait_for(&line.lane);
    let subscription = queue.signals().subscribe(KIND);
    line.put_bodies(&["a"]).await;
    soon(waiting.signalled()).await;
    // Other checks may go on in other lanes of this kind.
    soon(async { while !subscription.next().await.contains(&line.lane) {} }).await;
    // One that is not due yet may change how long to wait.
    line.put(vec![NewEntry { due: MUCH_LATER, ..line.entry("b") }]).await;
    soon(waiting.signalled()).await;
}

pub(super) async fn whoever_waits_is_told_of_a_return(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let receipt = line.lease_one().await.receipt;
    let waiting = queue.signals().wait_for(&line.lane);
    assert_eq!(line.give_back(receipt, NOW).await, Settled::Done);
    soon(waiting.signalled()).await;
}

/// Whoever found nothing waits for the lease to end, and would do so although it is over already.
pub(super) async fn whoever_waits_is_told_when_a_group_may_go_on(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a"), ("g", "b")]).await;
    let receipt = line.lease_one().await.receipt;
    let waiting = queue.signals().wait_for(&line.lane);
    assert_eq!(line.lease(1).await, []);
    assert_eq!(line.remove(receipt, NOW).await, Settled::Done);
    soon(waiting.signalled()).await;
    assert_eq!(bodies(&line.lease(1).await), ["b"]);
}
