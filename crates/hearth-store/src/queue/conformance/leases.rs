//! Who has an entry, for how long, and what may become of it.

use std::collections::BTreeSet;

use super::*;

/// All that can become of a leased entry.
fn fates() -> [Fate; 3] {
    [
        Fate::Remove,
        Fate::Return { due: NOW, head: Some("changed".to_owned()) },
        Fate::Extend { until: MUCH_LATER },
    ]
}

pub(super) async fn while_a_lease_lasts_nobody_else_has_the_entry(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let id = line.put_bodies(&["a"]).await;
    assert_eq!(ids(&line.lease(1).await), id);
    let shortly_before = Timestamp(LATER.0 - 1);
    assert_eq!(line.lease_until(1, shortly_before, MUCH_LATER).await, []);
    assert_eq!(ids(&line.lease_until(1, LATER, MUCH_LATER).await), id);
}

pub(super) async fn an_entry_is_leased_again_until_it_is_removed(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let entry = line.put_bodies(&["a"]).await[0];
    let mut now = NOW;
    for lease in 1..=5 {
        let until = now.plus_millis(1_000);
        let leased = line.lease_until(1, now, until).await.remove(0);
        assert_eq!(leased.receipt, Receipt { entry, lease });
        assert_eq!(leased.first_leased_at, NOW);
        now = until;
    }
    assert_eq!(line.remove(Receipt { entry, lease: 5 }, now).await, Settled::Done);
    assert_eq!(line.lease_until(1, MUCH_LATER, MUCH_LATER).await, []);
}

pub(super) async fn an_entry_is_removed_once(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let receipt = line.lease_one().await.receipt;
    assert_eq!(line.remove(receipt, NOW).await, Settled::Done);
    for fate in fates() {
        assert_eq!(line.settle(receipt, fate, NOW).await, Settled::Gone);
    }
    assert_eq!(line.len().await, 0);
}

pub(super) async fn a_removal_is_done_although_the_lease_has_run_out(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let receipt = line.lease_one().await.receipt;
    assert_eq!(line.remove(receipt, MUCH_LATER).await, Settled::Done);
    assert_eq!(line.len().await, 0);
}

pub(super) async fn a_later_lease_makes_an_earlier_receipt_stale(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let first = line.lease_one().await.receipt;
    let second = line.lease_until(1, LATER, MUCH_LATER).await.remove(0);
    for fate in fates() {
        assert_eq!(line.settle(first, fate, LATER).await, Settled::Stale);
    }
    let never_given = Receipt { lease: 3, ..first };
    assert_eq!(line.remove(never_given, LATER).await, Settled::Stale);
    // Nothing of that had an effect.
    assert_eq!(line.lease_until(1, LATER, MUCH_LATER).await, []);
    let third = line.lease_until(1, MUCH_LATER, MUCH_LATER.plus_millis(1)).await.remove(0);
    assert_eq!((third.receipt.lease, third.head.as_str()), (3, "{}"));
    assert_eq!(line.remove(second.receipt, MUCH_LATER).await, Settled::Stale);
    assert_eq!(line.remove(third.receipt, MUCH_LATER).await, Settled::Done);
}

pub(super) async fn a_lease_that_has_run_out_is_returned_or_extended_while_nobody_else_has_the_entry(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let receipt = line.lease_one().await.receipt;
    let too_late = LATER.plus_millis(1);
    let [_, back, longer] = fates();
    assert_eq!(line.settle(receipt, longer.clone(), too_late).await, Settled::Done);
    assert_eq!(line.lease_until(1, too_late, MUCH_LATER).await, [], "it is leased once more");
    let again = line.lease_until(1, MUCH_LATER, MUCH_LATER.plus_millis(5)).await.remove(0);
    assert_eq!((again.receipt.lease, again.head.as_str()), (2, "{}"));
    for fate in [back.clone(), longer] {
        assert_eq!(line.settle(receipt, fate, MUCH_LATER).await, Settled::Stale);
    }
    let end = MUCH_LATER.plus_millis(9);
    assert_eq!(line.settle(again.receipt, back, end).await, Settled::Done);
    let third = line.lease_until(1, end, end.plus_millis(1)).await.remove(0);
    assert_eq!((third.receipt.lease, third.head.as_str()), (3, "changed"));
}

pub(super) async fn an_extended_lease_ends_when_it_was_extended_to(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let receipt = line.lease_one().await.receipt;
    let longer = Fate::Extend { until: MUCH_LATER };
    assert_eq!(line.settle(receipt, longer, NOW).await, Settled::Done);
    assert_eq!(line.lease_until(1, LATER.plus_millis(1), MUCH_LATER).await, []);
    // It can be made shorter as well.
    let shorter = Fate::Extend { until: LATER.plus_millis(9) };
    assert_eq!(line.settle(receipt, shorter, LATER).await, Settled::Done);
    let again = line.lease_until(1, LATER.plus_millis(9), MUCH_LATER).await;
    assert_eq!(again[0].receipt.lease, 2);
}

pub(super) async fn what_is_noted_stays_known_and_the_entry_stays_leased(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let receipt = line.lease_one().await.receipt;
    let note = |head: &str, until| Fate::Note { until, head: head.to_owned() };
    assert_eq!(line.settle(receipt, note("first", LATER), NOW).await, Settled::Done);
    assert_eq!(line.settle(receipt, note("second", MUCH_LATER), NOW).await, Settled::Done);
    // A lease that is made longer has nothing to say about it.
    let longer = Fate::Extend { until: MUCH_LATER };
    assert_eq!(line.settle(receipt, longer, NOW).await, Settled::Done);
    assert_eq!(line.lease_until(1, LATER.plus_millis(1), MUCH_LATER).await, []);
    let end = MUCH_LATER.plus_millis(9);
    let again = line.lease_until(1, MUCH_LATER, end).await.remove(0);
    assert_eq!((again.receipt.lease, again.head.as_str()), (2, "second"));
    assert_eq!(line.settle(receipt, note("stale", end), MUCH_LATER).await, Settled::Stale);
}

pub(super) async fn a_returned_entry_waits_until_it_is_due(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let first = line.lease_one().await.receipt;
    assert_eq!(line.give_back(first, LATER).await, Settled::Done);
    for fate in fates() {
        assert_eq!(line.settle(first, fate, NOW).await, Settled::Stale, "it was returned");
    }
    assert_eq!(line.lease_until(1, Timestamp(LATER.0 - 1), MUCH_LATER).await, []);
    let again = line.lease_until(1, LATER, MUCH_LATER).await.remove(0);
    assert_eq!(again.receipt, Receipt { lease: 2, ..first });
    assert_eq!(again.first_leased_at, NOW);
    // At once, if that is asked for.
    let now = Fate::Return { due: NOW, head: None };
    assert_eq!(line.settle(again.receipt, now, LATER).await, Settled::Done);
    assert_eq!(line.lease_until(1, LATER, MUCH_LATER).await[0].receipt.lease, 3);
}

pub(super) async fn a_returned_entry_has_its_new_head_or_keeps_its_old_one(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    let large = Bytes::from(vec![7; 100_000]);
    line.put(vec![NewEntry { body: large.clone(), ..line.entry("") }]).await;
    for (head, expected) in [(None, "{}"), (Some("new"), "new"), (None, "new")] {
        let receipt = line.lease_one().await.receipt;
        let back = Fate::Return { due: NOW, head: head.map(str::to_owned) };
        assert_eq!(line.settle(receipt, back, NOW).await, Settled::Done);
        let seen = queue
            .page(Page { lane: &line.lane, after: None, items: 1 }, NOW)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(seen.head, expected);
    }
    let leased = line.lease_one().await;
    assert_eq!(leased.head, "new");
    assert!(leased.body == large, "the payload is what it was");
}

pub(super) async fn what_never_was_is_gone(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let receipt = Receipt { entry: EntryId(i64::MAX), lease: 1 };
    for fate in fates() {
        assert_eq!(line.settle(receipt, fate, NOW).await, Settled::Gone);
    }
}

pub(super) async fn no_more_than_was_asked_for_is_leased(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a", "b", "c", "d"]).await;
    let rows: [(usize, &[&str]); 5] =
        [(0, &[]), (1, &["a"]), (2, &["b", "c"]), (9, &["d"]), (9, &[])];
    for (entries, expected) in rows {
        assert_eq!(bodies(&line.lease(entries).await), expected);
    }
}

pub(super) async fn no_more_bytes_than_were_asked_for_are_leased_but_for_the_first(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    let sizes = [50_000, 10, 10, 5_000, 10];
    let body = |bytes: &usize| NewEntry { body: vec![1; *bytes].into(), ..line.entry("") };
    let put = line.put(sizes.iter().map(body).collect()).await;
    for expected in [&put[..1], &put[1..3], &put[3..4], &put[4..]] {
        let ask = Ask { lane: &line.lane, entries: 9, bytes: 25, until: LATER };
        assert_eq!(ids(&queue.lease(ask, NOW).await.unwrap()), expected);
    }
}

pub(super) async fn of_many_who_lease_at_once_no_two_get_one_entry(queue: &dyn Queue, name: &str) {
    let line = &Line::new(queue, name);
    let put: BTreeSet<EntryId> = line.put(vec![line.entry("x"); 500]).await.into_iter().collect();
    // An empty answer may only mean that the others have their hands on what is left.
    let take = || async move {
        let mut mine = Vec::new();
        while line.queue.counts(&line.lane, NOW).await.unwrap().waiting > 0 {
            mine.extend(ids(&line.lease(3).await));
        }
        mine
    };
    let taken: Vec<EntryId> =
        together((0..64).map(|_| take()).collect()).await.into_iter().flatten().collect();
    assert_eq!(taken.len(), put.len());
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), put);
}
