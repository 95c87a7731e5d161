//! Entries that keep their order among themselves.

use std::sync::Mutex;

use super::*;

pub(super) async fn a_group_is_leased_in_its_order_whatever_is_due_first(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    let due = |due: Timestamp, body| NewEntry { due, ..line.member("g", body) };
    line.put(vec![due(LATER, "a"), due(NOW, "b"), due(Timestamp(NOW.0 - 9), "c")]).await;
    assert_eq!(line.lease(9).await, [], "the first is not due yet");
    assert_eq!(bodies(&line.lease_until(9, LATER, MUCH_LATER).await), ["a", "b", "c"]);
}

pub(super) async fn a_group_waits_while_its_first_is_leased(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a"), ("g", "b")]).await;
    line.put_members(&[("g", "c")]).await;
    for expected in ["a", "b", "c"] {
        let leased = line.lease(1).await;
        assert_eq!(bodies(&leased), [expected]);
        assert_eq!(line.lease(9).await, [], "its first is leased");
        assert_eq!(line.remove(leased[0].receipt, NOW).await, Settled::Done);
    }
    assert_eq!(line.lease(9).await, []);
}

pub(super) async fn other_groups_go_on(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a"), ("g", "b"), ("h", "c"), ("h", "d")]).await;
    line.put_bodies(&["e"]).await;
    assert_eq!(bodies(&line.lease(1).await), ["a"]);
    let mut rest = bodies(&line.lease(9).await);
    assert!(rest.iter().position(|one| one == "c") < rest.iter().position(|one| one == "d"));
    rest.sort();
    assert_eq!(rest, ["c", "d", "e"]);
}

pub(super) async fn a_group_waits_for_its_first_to_be_due_again(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a"), ("g", "b")]).await;
    let leased = line.lease(1).await;
    assert_eq!(line.give_back(leased[0].receipt, LATER).await, Settled::Done);
    assert_eq!(line.lease(9).await, [], "its first is there, and not due");
    let again = line.lease_until(9, LATER, MUCH_LATER).await;
    assert_eq!(bodies(&again), ["a", "b"]);
    assert_eq!((again[0].receipt.lease, again[1].receipt.lease), (2, 1));
}

pub(super) async fn a_lease_that_runs_out_holds_its_group_no_longer(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a"), ("g", "b"), ("g", "c")]).await;
    assert_eq!(bodies(&line.lease(2).await), ["a", "b"]);
    assert_eq!(line.lease(9).await, []);
    let again = line.lease_until(9, LATER, MUCH_LATER).await;
    assert_eq!(bodies(&again), ["a", "b", "c"]);
    // Removed after its second lease has run out as well, it makes room.
    assert_eq!(line.remove(again[0].receipt, MUCH_LATER).await, Settled::Done);
    let end = MUCH_LATER.plus_millis(1_000);
    assert_eq!(bodies(&line.lease_until(9, MUCH_LATER, end).await), ["b", "c"]);
}

pub(super) async fn of_those_leased_together_each_may_be_removed_first(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a"), ("g", "b"), ("g", "c")]).await;
    let leased = line.lease(2).await;
    assert_eq!(bodies(&leased), ["a", "b"]);
    assert_eq!(line.remove(leased[1].receipt, NOW).await, Settled::Done);
    assert_eq!(line.lease(9).await, [], "the first is still leased");
    assert_eq!(line.remove(leased[0].receipt, NOW).await, Settled::Done);
    assert_eq!(bodies(&line.lease(9).await), ["c"]);
}

pub(super) async fn the_bytes_that_were_asked_for_hold_within_a_group(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "12345"), ("g", "1234567"), ("g", "1")]).await;
    let rows: [&[&str]; 2] = [&["12345"], &["1234567", "1"]];
    for expected in rows {
        let ask = Ask { lane: &line.lane, entries: 9, bytes: 10, until: LATER };
        let leased = queue.lease(ask, NOW).await.unwrap();
        assert_eq!(bodies(&leased), expected);
        let settles = leased.iter().map(|leased| removal(leased.receipt)).collect();
        line.apply(Batch { settles, ..Batch::default() }, NOW).await;
    }
    assert_eq!(line.len().await, 0);
}

pub(super) async fn a_group_that_was_emptied_begins_anew(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    for body in ["a", "b"] {
        line.put_members(&[("g", body)]).await;
        let leased = line.lease_one().await;
        assert_eq!(bodies(std::slice::from_ref(&leased)), [body]);
        assert_eq!(line.remove(leased.receipt, NOW).await, Settled::Done);
    }
}

pub(super) async fn what_is_put_in_the_batch_that_removes_the_first_follows_it(
    queue: &dyn Queue,
    name: &str,
) {
    let line = Line::new(queue, name);
    line.put_members(&[("g", "a")]).await;
    let leased = line.lease_one().await;
    let batch = Batch {
        puts: vec![line.member("g", "b"), line.member("g", "c")],
        settles: vec![removal(leased.receipt)],
        unless_settled: Unless::Nothing,
    };
    line.apply(batch, NOW).await;
    assert_eq!(bodies(&line.lease(1).await), ["b"]);
    assert_eq!(line.lease(1).await, []);
}

pub(super) async fn the_group_of_another_lane_is_another(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let other = Line::new(queue, &format!("{name}-other"));
    line.put(vec![line.member("g", "a"), other.member("g", "b")]).await;
    assert_eq!(bodies(&other.lease(9).await), ["b"]);
    assert_eq!(bodies(&line.lease(9).await), ["a"]);
}

pub(super) async fn a_purged_first_frees_its_group(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let put_at = Timestamp(NOW.0 - 1_000);
    line.put(vec![NewEntry { put_at, ..line.member("g", "a") }, line.member("g", "b")]).await;
    assert_eq!(bodies(&line.lease(1).await), ["a"]);
    assert_eq!(queue.purge(&line.lane, NOW).await.unwrap(), 1);
    assert_eq!(bodies(&line.lease(9).await), ["b"]);
}

pub(super) async fn of_a_group_one_is_leased_at_a_time_by_whoever_comes(
    queue: &dyn Queue,
    name: &str,
) {
    const GROUPS: usize = 3;
    const MEMBERS: usize = 20;
    let line = &Line::new(queue, name);
    let put = |number: usize| {
        let entry = line.member(&(number % GROUPS).to_string(), &number.to_string());
        async move { line.put(vec![entry]).await }
    };
    let seen: &[Mutex<Vec<EntryId>>; GROUPS] = &Default::default();
    let held: &[Mutex<bool>; GROUPS] = &Default::default();
    let take = || async move {
        while line.len().await > 0 {
            let leased = line.lease(1).await;
            let Some(leased) = leased.first() else {
                // The others have them, and go on before this one looks again.
                tokio::task::yield_now().await;
                continue;
            };
            let group: usize = leased.group.as_deref().unwrap().parse().unwrap();
            let taken = std::mem::replace(&mut *held[group].lock().unwrap(), true);
            assert!(!taken, "somebody else has one of this group");
            seen[group].lock().unwrap().push(leased.receipt.entry);
            tokio::task::yield_now().await;
            *held[group].lock().unwrap() = false;
            assert_eq!(line.remove(leased.receipt, NOW).await, Settled::Done);
        }
    };
    // Half of it is put before, and half meanwhile.
    let half = GROUPS * MEMBERS / 2;
    together((0..half).map(put).collect()).await;
    let putting = async {
        together((half..GROUPS * MEMBERS).map(put).collect()).await;
    };
    let taking = async {
        together((0..8).map(|_| take()).collect()).await;
    };
    tokio::join!(putting, taking);
    take().await;
    for seen in seen {
        let seen = seen.lock().unwrap();
        assert!(seen.is_sorted() && seen.len() == MEMBERS, "each once, in order: {seen:?}");
    }
}
