//! What every engine of the queue must do, whatever it is made of.
//!
//! One function per promise. Each takes the name of a lane that nobody else uses, so that one
//! database can serve all of them, also at the same time. [`all`] runs them; [`model`] compares an
//! engine with a simple one in memory, over random steps.
//!
//! What lasts until a time is over at that time, and what is due at a time is due at it.
//!
//! # Deliberately absent
//!
//! Crashes: how to have one is the engine's own business.

mod batches;
mod leases;
mod order;
mod groups;
mod views;
pub(crate) mod model;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hearth_types::time::Timestamp;

use crate::queue::{
    Applied, Ask, Batch, EntryId, Fate, Lane, Leased, NewEntry, Page, Put, Queue, Receipt,
    Sameness, Settle, Settled, Unless,
};

/// The kind of lane that promises are checked in.
const KIND: &str = "conformance";
/// When everything begins.
const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// The lease of most checks ends then.
const LATER: Timestamp = Timestamp(NOW.0 + 30_000);
/// Long after that.
const MUCH_LATER: Timestamp = Timestamp(NOW.0 + 3_600_000);
/// Room for everything.
const ANY_BYTES: usize = 64 * 1024 * 1024;
/// How long something that was promised may take, before it is taken to never happen.
const PATIENCE: Duration = Duration::from_secs(20);

macro_rules! promises {
    ($($module:ident::$promise:ident),+ $(,)?) => {
        /// Checks every promise.
        pub(crate) async fn all(queue: &dyn Queue) {
            $(Box::pin($module::$promise(queue, &unique(stringify!($promise)))).await;)+
        }
    };
}

promises! {
    batches::what_is_put_is_leased_as_it_was_put,
    batches::bodies_of_every_size_come_back_as_they_were,
    batches::an_empty_batch_does_nothing,
    batches::a_batch_fills_several_lanes,
    batches::what_cannot_be_settled_does_not_keep_the_rest_from_happening,
    batches::nothing_happens_unless_all_can_be_settled,
    batches::all_happens_if_all_can_be_settled,
    batches::one_that_is_removed_twice_in_a_batch_is_gone_the_second_time,
    batches::the_same_is_not_put_twice_within_its_time,
    batches::the_same_is_put_again_after_its_time,
    batches::the_same_in_another_lane_is_another,
    batches::the_same_twice_in_one_batch_is_put_once,
    batches::what_was_removed_is_still_remembered_as_the_same,
    leases::while_a_lease_lasts_nobody_else_has_the_entry,
    leases::an_entry_is_leased_again_until_it_is_removed,
    leases::an_entry_is_removed_once,
    leases::a_removal_is_done_although_the_lease_has_run_out,
    leases::a_later_lease_makes_an_earlier_receipt_stale,
    leases::a_lease_that_has_run_out_is_returned_or_extended_while_nobody_else_has_the_entry,
    leases::an_extended_lease_ends_when_it_was_extended_to,
    leases::what_is_noted_stays_known_and_the_entry_stays_leased,
    leases::a_returned_entry_waits_until_it_is_due,
    leases::a_returned_entry_has_its_new_head_or_keeps_its_old_one,
    leases::what_never_was_is_gone,
    leases::no_more_than_was_asked_for_is_leased,
    leases::no_more_bytes_than_were_asked_for_are_leased_but_for_the_first,
    leases::of_many_who_lease_at_once_no_two_get_one_entry,
    order::the_oldest_due_is_first_and_then_the_first_put,
    order::what_is_not_due_is_not_leased,
    order::later_puts_have_greater_ids,
    order::lanes_do_not_delay_each_other,
    groups::a_group_is_leased_in_its_order_whatever_is_due_first,
    groups::a_group_waits_while_its_first_is_leased,
    groups::other_groups_go_on,
    groups::a_group_waits_for_its_first_to_be_due_again,
    groups::a_lease_that_runs_out_holds_its_group_no_longer,
    groups::of_those_leased_together_each_may_be_removed_first,
    groups::the_bytes_that_were_asked_for_hold_within_a_group,
    groups::a_group_that_was_emptied_begins_anew,
    groups::what_is_put_in_the_batch_that_removes_the_first_follows_it,
    groups::the_group_of_another_lane_is_another,
    groups::a_purged_first_frees_its_group,
    groups::of_a_group_one_is_leased_at_a_time_by_whoever_comes,
    views::the_next_due_is_when_there_is_something_to_lease,
    views::a_group_that_waits_is_not_due,
    views::lanes_come_in_pages_and_without_the_empty_ones,
    views::lanes_come_in_pages_with_the_next_due_of_each,
    views::counts_tell_waiting_delayed_and_leased_apart,
    views::pages_show_entries_in_the_order_of_their_ids,
    views::a_body_can_be_looked_at,
    views::what_was_put_before_is_purged_leased_or_not,
    views::the_time_is_known_unless_others_may_have_their_own,
    views::whoever_waits_is_told_of_a_put,
    views::whoever_waits_is_told_of_a_return,
    views::whoever_waits_is_told_when_a_group_may_go_on,
}

/// A name that no other check of this process uses.
pub(crate) fn unique(name: &str) -> String {
    static USED: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", USED.fetch_add(1, Ordering::Relaxed))
}

/// A lane and the engine that has it.
#[derive(Debug, Clone)]
struct Line<'a> {
    queue: &'a dyn Queue,
    lane: Lane,
}

impl<'a> Line<'a> {
    fn new(queue: &'a dyn Queue, name: &str) -> Self {
        Self { queue, lane: Lane { kind: KIND, name: name.to_owned() } }
    }

    /// An entry that is due now.
    fn entry(&self, body: &str) -> NewEntry {
        NewEntry {
            lane: self.lane.clone(),
            group: None,
            put_at: NOW,
            due: NOW,
            sameness: None,
            head: "{}".to_owned(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    /// An entry of a group.
    fn member(&self, group: &str, body: &str) -> NewEntry {
        NewEntry { group: Some(group.to_owned()), ..self.entry(body) }
    }

    /// An entry that is the same as others with its id.
    fn same(&self, id: &str, until: Timestamp) -> NewEntry {
        let sameness = Some(Sameness { id: id.to_owned(), until });
        NewEntry { sameness, ..self.entry(id) }
    }

    async fn apply(&self, batch: Batch, now: Timestamp) -> Applied {
        self.queue.apply(batch, now).await.unwrap()
    }

    async fn puts(&self, puts: Vec<NewEntry>) -> Vec<Put> {
        self.apply(Batch { puts, ..Batch::default() }, NOW).await.puts
    }

    /// Puts entries that are all new.
    async fn put(&self, puts: Vec<NewEntry>) -> Vec<EntryId> {
        let puts = self.puts(puts).await;
        assert!(puts.iter().all(|put| matches!(put, Put::New(_))), "all are new: {puts:?}");
        puts.into_iter().map(Put::id).collect()
    }

    /// Puts entries with these bodies, one after the other in one batch.
    async fn put_bodies(&self, bodies: &[&str]) -> Vec<EntryId> {
        self.put(bodies.iter().map(|body| self.entry(body)).collect()).await
    }

    /// Puts entries of groups, each given as group and body.
    async fn put_members(&self, members: &[(&str, &str)]) -> Vec<EntryId> {
        self.put(members.iter().map(|(group, body)| self.member(group, body)).collect()).await
    }

    async fn lease_until(&self, entries: usize, now: Timestamp, until: Timestamp) -> Vec<Leased> {
        let ask = Ask { lane: &self.lane, entries, bytes: ANY_BYTES, until };
        self.queue.lease(ask, now).await.unwrap()
    }

    /// Leases until [`LATER`].
    async fn lease(&self, entries: usize) -> Vec<Leased> {
        self.lease_until(entries, NOW, LATER).await
    }

    /// Leases the one entry that there is to be had.
    async fn lease_one(&self) -> Leased {
        let mut leased = self.lease(1).await;
        assert_eq!(leased.len(), 1, "there is something to lease");
        leased.remove(0)
    }

    async fn settle(&self, receipt: Receipt, fate: Fate, now: Timestamp) -> Settled {
        let settles = vec![Settle { receipt, fate }];
        let applied = self.apply(Batch { settles, ..Batch::default() }, now).await;
        assert_eq!((applied.puts.len(), applied.settles.len()), (0, 1));
        applied.settles[0]
    }

    async fn remove(&self, receipt: Receipt, now: Timestamp) -> Settled {
        self.settle(receipt, Fate::Remove, now).await
    }

    async fn give_back(&self, receipt: Receipt, due: Timestamp) -> Settled {
        self.settle(receipt, Fate::Return { due, head: None }, NOW).await
    }

    /// How many entries there are.
    async fn len(&self) -> usize {
        self.queue
            .page(Page { lane: &self.lane, after: None, items: 1_000 }, NOW)
            .await
            .unwrap()
            .len()
    }
}

fn removal(receipt: Receipt) -> Settle {
    Settle { receipt, fate: Fate::Remove }
}

fn ids(leased: &[Leased]) -> Vec<EntryId> {
    leased.iter().map(|leased| leased.receipt.entry).collect()
}

fn bodies(leased: &[Leased]) -> Vec<String> {
    let body = |leased: &Leased| String::from_utf8_lossy(&leased.body).into_owned();
    leased.iter().map(body).collect()
}

/// Waits for what was promised, and fails the test if it does not come.
async fn soon<T>(promised: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, promised).await.expect("what was promised happens")
}

/// Does everything at the same time, and waits until all is done.
pub(crate) async fn together<T>(works: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut works: Vec<Pin<Box<_>>> = works.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = works.iter().map(|_| None).collect();
    poll_fn(move |context| {
        for (work, done) in works.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(result) = work.as_mut().poll(context)
            {
                *done = Some(result);
            }
        }
        if done.iter().any(Option::is_none) {
            return Poll::Pending;
        }
        Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
    })
    .await
}
