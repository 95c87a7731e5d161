//! Which entry comes first.

use super::*;

pub(super) async fn the_oldest_due_is_first_and_then_the_first_put(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let due = |earlier: u64, body| NewEntry { due: Timestamp(NOW.0 - earlier), ..line.entry(body) };
    line.put(vec![due(10, "c"), due(30, "a"), due(20, "b"), due(10, "d")]).await;
    line.put(vec![due(10, "e"), due(0, "f")]).await;
    assert_eq!(bodies(&line.lease(4).await), ["a", "b", "c", "d"]);
    assert_eq!(bodies(&line.lease(4).await), ["e", "f"]);
}

pub(super) async fn what_is_not_due_is_not_leased(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    line.put(vec![NewEntry { due: LATER, ..line.entry("later") }, line.entry("now")]).await;
    assert_eq!(bodies(&line.lease(9).await), ["now"]);
    let before = Timestamp(LATER.0 - 1);
    assert_eq!(line.lease_until(1, before, LATER).await, []);
    assert_eq!(bodies(&line.lease_until(1, LATER, MUCH_LATER).await), ["later"]);
}

pub(super) async fn later_puts_have_greater_ids(queue: &dyn Queue, name: &str) {
    let line = Line::new(queue, name);
    let mut last = EntryId(i64::MIN);
    for round in 0..10 {
        let earlier = Timestamp(NOW.0 - round);
        let puts = vec![NewEntry { put_at: earlier, due: earlier, ..line.entry("") }; 3];
        for id in line.put(puts).await {
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }
}

pub(super) async fn lanes_do_not_delay_each_other(queue: &dyn Queue, name: &str) {
    let crowded = Line::new(queue, name);
    let other = Line::new(queue, &format!("{name}-other"));
    crowded.put(vec![crowded.member("g", "x"); 300]).await;
    crowded.lease(1).await;
    let id = other.put(vec![other.member("g", "mine")]).await;
    assert_eq!(ids(&other.lease(1).await), id);
}
