//! Changes that happen together or not at all, and what is the same as something else.

use super::*;

pub(super) async fn what_is_put_is_leased_as_it_was_put(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let put_at = Timestamp(NOW.0 - 5_000);
    let head = r#"{"attempt":1,"text":"é – \u0000"}"#.to_owned();
    let put = NewEntry { put_at, head: head.clone(), ..line.member("g", "all of it") };
    let id = line.put(vec![put]).await[0];

    let leased = line.lease_one().await;
    let expected = Leased {
        receipt: Receipt { entry: id, lease: 1 },
        group: Some("g".to_owned()),
        put_at,
        first_leased_at: NOW,
        head,
        body: Bytes::from_static(b"all of it"),
    };
    assert_eq!(leased, expected);
}

pub(super) async fn bodies_of_every_size_come_back_as_they_were(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let sizes = [0, 1, 1_023, 1_024, 1_025, 65_536, 1024 * 1024];
    let body = |bytes: usize| -> Bytes { (0..=u8::MAX).cycle().take(bytes).collect() };
    let puts = sizes.iter().map(|bytes| NewEntry { body: body(*bytes), ..line.entry("") });
    let ids = line.put(puts.collect()).await;

    let page =
        queue.page(Page { lane: &line.lane, after: None, items: sizes.len() }, NOW).await.unwrap();
    let leased = line.lease(sizes.len()).await;
    assert_eq!((page.len(), leased.len()), (sizes.len(), sizes.len()));
    for (at, bytes) in sizes.into_iter().enumerate() {
        assert_eq!(page[at].body_bytes, u64::try_from(bytes).unwrap());
        assert!(leased[at].body == body(bytes), "a body of {bytes} bytes");
        let seen = queue.body(&line.lane, ids[at]).await.unwrap();
        assert!(seen.is_some_and(|seen| seen == body(bytes)), "a look at {bytes} bytes");
    }
    for leased in leased {
        assert_eq!(line.remove(leased.receipt, NOW).await, Settled::Done);
        assert_eq!(queue.body(&line.lane, leased.receipt.entry).await.unwrap(), None);
    }
}

pub(super) async fn an_empty_batch_does_nothing(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    assert_eq!(line.apply(Batch::default(), NOW).await, Applied::default());
    let batch = Batch { unless_settled: Unless::Nothing, ..Batch::default() };
    assert_eq!(line.apply(batch, NOW).await, Applied::default());
}

pub(super) async fn a_batch_fills_several_lanes(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let other = Line::new(queue, &format!("{name}-other"));
    let ids = line.put(vec![line.entry("a"), other.entry("b"), line.entry("c")]).await;
    assert!(ids.is_sorted() && ids[0] < ids[2], "in the order of the batch: {ids:?}");
    assert_eq!(bodies(&line.lease(9).await), ["a", "c"]);
    assert_eq!(bodies(&other.lease(9).await), ["b"]);
}

pub(super) async fn what_cannot_be_settled_does_not_keep_the_rest_from_happening(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a", "b"]).await;
    let leased = line.lease(2).await;
    assert_eq!(line.remove(leased[0].receipt, NOW).await, Settled::Done);

    let batch = Batch {
        puts: vec![line.entry("c")],
        settles: vec![removal(leased[0].receipt), removal(leased[1].receipt)],
        unless_settled: Unless::GoOn,
    };
    let applied = line.apply(batch, NOW).await;
    assert_eq!(applied.settles, [Settled::Gone, Settled::Done]);
    assert!(matches!(applied.puts[..], [Put::New(_)]));
    assert_eq!(bodies(&line.lease(9).await), ["c"]);
}

pub(super) async fn nothing_happens_unless_all_can_be_settled(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a", "b"]).await;
    let leased = line.lease(2).await;
    assert_eq!(line.remove(leased[0].receipt, NOW).await, Settled::Done);

    // The one that could be settled comes first, so an engine that goes by the order would do it.
    let batch = Batch {
        puts: vec![line.same("c", LATER)],
        settles: vec![removal(leased[1].receipt), removal(leased[0].receipt)],
        unless_settled: Unless::Nothing,
    };
    let applied = line.apply(batch, NOW).await;
    assert_eq!(applied.puts, []);
    assert_eq!((applied.settles.len(), applied.settles[1]), (2, Settled::Gone));
    assert_eq!(line.len().await, 1);
    assert_eq!(line.remove(leased[1].receipt, NOW).await, Settled::Done);
    // What was not put is not remembered either.
    line.put(vec![line.same("c", LATER)]).await;
}

pub(super) async fn all_happens_if_all_can_be_settled(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a", "b"]).await;
    let leased = line.lease(2).await;
    let batch = Batch {
        puts: vec![line.entry("c")],
        settles: leased.iter().map(|leased| removal(leased.receipt)).collect(),
        unless_settled: Unless::Nothing,
    };
    let applied = line.apply(batch, NOW).await;
    assert_eq!(applied.settles, [Settled::Done, Settled::Done]);
    assert_eq!(ids(&line.lease(9).await), [applied.puts[0].id()]);
}

pub(super) async fn one_that_is_removed_twice_in_a_batch_is_gone_the_second_time(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_bodies(&["a"]).await;
    let receipt = line.lease_one().await.receipt;
    let settles = vec![removal(receipt), removal(receipt)];
    let applied = line.apply(Batch { settles, ..Batch::default() }, NOW).await;
    assert_eq!(applied.settles, [Settled::Done, Settled::Gone]);
}

pub(super) async fn the_same_is_not_put_twice_within_its_time(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let id = line.put(vec![line.same("x", LATER)]).await[0];
    let batch = Batch { puts: vec![line.same("x", MUCH_LATER)], ..Batch::default() };
    let again = line.apply(batch, Timestamp(LATER.0 - 1)).await;
    assert_eq!(again.puts, [Put::Same(id)]);
    assert_eq!(line.len().await, 1);
}

pub(super) async fn the_same_is_put_again_after_its_time(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let id = line.put(vec![line.same("x", LATER)]).await[0];
    for (later, until) in [(1, MUCH_LATER), (2, MUCH_LATER)] {
        let batch = Batch { puts: vec![line.same("x", until)], ..Batch::default() };
        let again = line.apply(batch, Timestamp(LATER.0 + later)).await.puts[0];
        assert_eq!(matches!(again, Put::New(_)), later == 1, "remembered anew: {again:?}");
        assert_ne!(again.id(), id);
    }
    assert_eq!(line.len().await, 2);
}

pub(super) async fn the_same_in_another_lane_is_another(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let other = Line::new(queue, &format!("{name}-other"));
    line.put(vec![line.same("x", LATER), other.same("x", LATER), line.same("y", LATER)]).await;
    assert_eq!((line.len().await, other.len().await), (2, 1));
}

pub(super) async fn the_same_twice_in_one_batch_is_put_once(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let puts = vec![line.same("x", LATER), line.entry("between"), line.same("x", LATER)];
    let puts = line.puts(puts).await;
    assert_eq!(puts[2], Put::Same(puts[0].id()));
    assert_eq!(bodies(&line.lease(9).await), ["x", "between"]);
}

pub(super) async fn what_was_removed_is_still_remembered_as_the_same(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    let id = line.put(vec![line.same("x", LATER)]).await[0];
    let receipt = line.lease_one().await.receipt;
    assert_eq!(line.remove(receipt, NOW).await, Settled::Done);
    assert_eq!(line.puts(vec![line.same("x", LATER)]).await, [Put::Same(id)]);
    assert_eq!(line.len().await, 0);
}
