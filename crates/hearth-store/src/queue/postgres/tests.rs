//! The engine on a PostgreSQL of the tests' own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use sqlx::{Connection as _, PgConnection};

use super::scratch::database;
use super::*;
use crate::queue::conformance::{self, together};
use crate::queue::{Fate, Page, Put, Receipt, Settle, Settled, Unless};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LATER: Timestamp = Timestamp(NOW.0 + 30_000);

fn lane(name: &str) -> Lane {
    Lane { kind: "test", name: name.to_owned() }
}

fn entry(lane: &Lane, group: Option<&str>, body: &str) -> NewEntry {
    NewEntry {
        lane: lane.clone(),
        group: group.map(str::to_owned),
        put_at: NOW,
        due: NOW,
        sameness: None,
        head: "{}".to_owned(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn puts(puts: Vec<NewEntry>) -> Batch {
    Batch { puts, ..Batch::default() }
}

async fn open(address: &str) -> PostgresQueue {
    PostgresQueue::open(address, &Tasks::default()).await.unwrap()
}

async fn lease(queue: &PostgresQueue, lane: &Lane, entries: usize) -> Vec<Leased> {
    let ask = Ask { lane, entries, bytes: usize::MAX, until: LATER };
    queue.lease(ask, NOW).await.unwrap()
}

fn removal(receipt: Receipt) -> Batch {
    Batch { settles: vec![Settle { receipt, fate: Fate::Remove }], ..Batch::default() }
}

/// One value, asked of the database itself.
async fn asked(address: &str, question: &str) -> i64 {
    let mut connection = PgConnection::connect(address).await.unwrap();
    let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_what_every_queue_must_do() {
    let Some(address) = database("it_does_what_every_queue_must_do").await else { return };
    let queue = open(&address).await;
    conformance::all(&queue).await;
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_agrees_with_the_model_over_random_steps() {
    let test = "it_agrees_with_the_model_over_random_steps";
    let Some(address) = database(test).await else { return };
    let queue = open(&address).await;
    // One after the other: each has a time of its own, and what is remembered is forgotten by time.
    for seed in 0..6 {
        Box::pin(conformance::model::agrees(&queue, test, seed, 150)).await;
    }
    let left = "SELECT count(*) FROM hearth.body WHERE entry NOT IN (SELECT id FROM hearth.entry)";
    assert_eq!(asked(&address, left).await, 0, "no payload outlives its entry");
}

/// What each of several workers of several servers does until nothing is left: lease, look, remove.
#[derive(Debug, Default)]
struct Shared {
    /// How often each entry was leased.
    seen: Mutex<BTreeMap<EntryId, u32>>,
    /// The bodies of each group, in the order in which they were leased.
    groups: Mutex<BTreeMap<String, Vec<u32>>>,
}

async fn work(queue: &PostgresQueue, lane: &Lane, shared: &Shared) {
    while queue.counts(lane, NOW).await.unwrap().oldest.is_some() {
        for leased in lease(queue, lane, 4).await {
            *shared.seen.lock().unwrap().entry(leased.receipt.entry).or_default() += 1;
            if let Some(group) = leased.group {
                let number = std::str::from_utf8(&leased.body).unwrap().parse().unwrap();
                shared.groups.lock().unwrap().entry(group).or_default().push(number);
            }
            let applied = queue.apply(removal(leased.receipt), NOW).await.unwrap();
            assert_eq!(applied.settles, [Settled::Done]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_share_the_work_and_no_entry_is_worked_on_twice() {
    let test = "servers_share_the_work_and_no_entry_is_worked_on_twice";
    let Some(address) = database(test).await else { return };
    let (one, other) = (open(&address).await, open(&address).await);
    let lane = lane("shared");
    let groups = ["g0", "g1", "g2", "g3", "g4"];
    for number in 0..40 {
        let text = number.to_string();
        let mut batch: Vec<NewEntry> =
            groups.iter().map(|group| entry(&lane, Some(group), &text)).collect();
        batch.extend(vec![entry(&lane, None, &text); 5]);
        let queue = if number % 2 == 0 { &one } else { &other };
        queue.apply(puts(batch), NOW).await.unwrap();
    }
    let shared = Shared::default();
    let workers = (0..12).map(|worker| {
        let queue = if worker % 2 == 0 { &one } else { &other };
        work(queue, &lane, &shared)
    });
    together(workers.collect()).await;

    let seen = shared.seen.into_inner().unwrap();
    assert_eq!(seen.len(), 400);
    assert!(seen.values().all(|times| *times == 1), "each once: {seen:?}");
    for (group, numbers) in shared.groups.into_inner().unwrap() {
        assert_eq!(numbers, (0..40).collect::<Vec<u32>>(), "{group} in its order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_several_servers_put_into_keeps_the_order_of_its_ids() {
    let test = "a_group_that_several_servers_put_into_keeps_the_order_of_its_ids";
    let Some(address) = database(test).await else { return };
    let servers = [open(&address).await, open(&address).await];
    let lane = &lane("mixed");
    let putting = together(
        (0..60)
            .map(|number| servers[number % 2].apply(puts(vec![entry(lane, Some("g"), "")]), NOW))
            .collect(),
    );
    let taken = Mutex::new(Vec::new());
    let taking = async {
        while taken.lock().unwrap().len() < 60 {
            for leased in lease(&servers[0], lane, 1).await {
                taken.lock().unwrap().push(leased.receipt.entry);
                servers[1].apply(removal(leased.receipt), NOW).await.unwrap();
            }
        }
    };
    let (put, ()) = tokio::join!(putting, taking);
    let put: BTreeSet<EntryId> = put.into_iter().map(|put| put.unwrap().puts[0].id()).collect();
    // No entry came that is earlier than one that was leased already.
    assert_eq!(taken.into_inner().unwrap(), put.into_iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_leased_for_somebody_who_went_away_is_given_back() {
    let test = "what_was_leased_for_somebody_who_went_away_is_given_back";
    let Some(address) = database(test).await else { return };
    let tasks = Tasks::default();
    let queue = PostgresQueue::open(&address, &tasks).await.unwrap();
    let lane = lane("gone");
    queue.apply(puts(vec![entry(&lane, None, "x"); 3]), NOW).await.unwrap();
    let at_rest = tasks.running();
    for _ in 0..20 {
        let ask = Ask { lane: &lane, entries: 1, bytes: usize::MAX, until: LATER };
        // It asks, and does not wait for the answer.
        let _ = tokio::time::timeout(Duration::ZERO, queue.lease(ask, NOW)).await;
    }
    let all_are_back = async {
        while tasks.running() > at_rest || queue.counts(&lane, NOW).await.unwrap().waiting < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_are_back).await.unwrap();
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_hears_what_another_has_put() {
    let Some(address) = database("a_server_hears_what_another_has_put").await else { return };
    let (one, other) = (open(&address).await, open(&address).await);
    // A name that does not fit into a notification is heard of as well.
    for name in ["short".to_owned(), "many words ".repeat(800)] {
        let lane = lane(&name);
        let waiting = one.signals().wait_for(&lane);
        let subscription = one.signals().subscribe(lane.kind);
        other.apply(puts(vec![entry(&lane, None, "")]), NOW).await.unwrap();
        let heard = async {
            waiting.signalled().await;
            while !subscription.next().await.contains(&lane) {}
        };
        tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap();
    }
}

/// Cuts every connection to a database but the one that does it.
async fn cut_connections(address: &str) -> i64 {
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    asked(address, cut).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_lose_nothing_and_do_nothing_twice() {
    let test = "connections_that_are_cut_lose_nothing_and_do_nothing_twice";
    let Some(address) = database(test).await else { return };
    let queue = open(&address).await;
    let lane = &lane("cut");
    let answered = Mutex::new(BTreeMap::new());
    let queue_of_all = &queue;
    let put_many = |writer: u32| {
        let answered = &answered;
        async move {
            for number in 0..60 {
                let body = format!("{writer}-{number}");
                let batch = puts(vec![NewEntry { head: body.clone(), ..entry(lane, None, "") }]);
                let is_kept = match queue_of_all.apply(batch, NOW).await {
                    Ok(applied) => Some(matches!(applied.puts[..], [Put::New(_)])),
                    Err(StoreError::Unknown(_)) => None,
                    Err(_) => Some(false),
                };
                answered.lock().unwrap().insert(body, is_kept);
            }
        }
    };
    let cutting = async {
        let mut cut = 0;
        while answered.lock().unwrap().len() < 8 * 60 {
            cut += cut_connections(&address).await;
        }
        cut
    };
    let writing = async {
        together((0..8).map(put_many).collect()).await;
    };
    let (cut, ()) = tokio::join!(cutting, writing);
    assert!(cut > 0, "something was cut");

    // The last ones to be cut may only notice now.
    let seen = loop {
        if let Ok(seen) = queue.page(Page { lane, after: None, items: 1_000 }, NOW).await {
            break seen;
        }
    };
    let mut found = BTreeMap::new();
    for seen in seen {
        *found.entry(seen.head).or_insert(0) += 1;
    }
    for (body, is_kept) in answered.into_inner().unwrap() {
        let times = found.get(&body).copied().unwrap_or(0);
        match is_kept {
            Some(is_kept) => assert_eq!(times, i32::from(is_kept), "{body}"),
            None => assert!(times <= 1, "{body} is there {times} times"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_heard_again_after_the_connection_was_cut() {
    let test = "others_are_heard_again_after_the_connection_was_cut";
    let Some(address) = database(test).await else { return };
    let (one, other) = (open(&address).await, open(&address).await);
    let lane = lane("again");
    let waiting = one.signals().wait_for(&lane);
    cut_connections(&address).await;
    // Whichever comes first: it hears again, or it looks at everything once it does.
    let batch = puts(vec![entry(&lane, None, "")]);
    while other.apply(batch.clone(), NOW).await.is_err() {}
    tokio::time::timeout(Duration::from_secs(20), waiting.signalled()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_put_at_once_share_transactions() {
    let Some(address) = database("those_who_put_at_once_share_transactions").await else { return };
    let queue = open(&address).await;
    let lane = lane("crowd");
    let put = |_| queue.apply(puts(vec![entry(&lane, None, "x")]), NOW);
    let applied = together((0..600).map(put).collect()).await;
    assert!(applied.iter().all(Result::is_ok));
    let transactions = "SELECT count(DISTINCT xmin::text) FROM hearth.entry";
    let transactions = asked(&address, transactions).await;
    assert!(transactions < 100, "{transactions} transactions for 600 batches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_refused_keeps_no_other_from_happening() {
    let test = "a_batch_that_is_refused_keeps_no_other_from_happening";
    let Some(address) = database(test).await else { return };
    let queue = open(&address).await;
    // Too large for an index, and nothing that compresses.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4E00 + (state >> 18)).unwrap_or('x')
    };
    let hopeless = lane(&(0..20_000).map(|_| letter()).collect::<String>());
    let good = lane("good");
    let put = |number: u32| {
        let lane = if number % 10 == 5 { &hopeless } else { &good };
        queue.apply(puts(vec![entry(lane, None, "")]), NOW)
    };
    let applied = together((0..60).map(put).collect()).await;
    for (number, applied) in (0..).zip(applied) {
        assert_eq!(applied.is_err(), number % 10 == 5, "{number}: {applied:?}");
    }
    assert_eq!(queue.counts(&good, NOW).await.unwrap().waiting, 54);

    let nul = queue.apply(puts(vec![entry(&lane("a\0b"), None, "")]), NOW).await;
    assert!(matches!(nul, Err(StoreError::Text)), "{nul:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_depends_on_a_removal_happens_once_whoever_does_it() {
    let test = "what_depends_on_a_removal_happens_once_whoever_does_it";
    let Some(address) = database(test).await else { return };
    let servers = [open(&address).await, open(&address).await];
    let (from, to) = (&lane("from"), &lane("to"));
    servers[0].apply(puts(vec![entry(from, Some("g"), "x"); 10]), NOW).await.unwrap();
    let receipts: Vec<Receipt> =
        lease(&servers[0], from, 10).await.into_iter().map(|leased| leased.receipt).collect();
    let moves = (0..8).flat_map(|round| receipts.iter().map(move |receipt| (round, *receipt)));
    let moved = moves.map(|(round, receipt)| {
        let batch = Batch {
            puts: vec![entry(to, Some("g"), "x")],
            unless_settled: Unless::Nothing,
            ..removal(receipt)
        };
        servers[round % 2].apply(batch, NOW)
    });
    let moved = together(moved.collect()).await;
    let puts: usize = moved.into_iter().map(|applied| applied.unwrap().puts.len()).sum();
    assert_eq!(puts, 10);
    assert_eq!(lease(&servers[1], to, 100).await.len(), 10);
}

#[tokio::test]
async fn what_is_the_same_is_forgotten_in_the_end() {
    let Some(address) = database("what_is_the_same_is_forgotten_in_the_end").await else { return };
    let queue = open(&address).await;
    let lane = lane("same");
    for number in 0..30_u64 {
        let now = NOW.plus_millis(number * 1_000);
        let sameness =
            Some(crate::queue::Sameness { id: number.to_string(), until: now.plus_millis(5_000) });
        let put = NewEntry { sameness, ..entry(&lane, None, "") };
        queue.apply(puts(vec![put]), now).await.unwrap();
    }
    let left = asked(&address, "SELECT count(*) FROM hearth.sameness").await;
    assert!(left < 10, "{left} are remembered");
}

#[tokio::test]
async fn servers_may_start_together_and_a_newer_schema_is_refused() {
    let test = "servers_may_start_together_and_a_newer_schema_is_refused";
    let Some(address) = database(test).await else { return };
    let tasks = Tasks::default();
    let opened = together((0..4).map(|_| PostgresQueue::open(&address, &tasks)).collect()).await;
    assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    drop(opened);
    // Everything that was started for them ends with them.
    tokio::time::timeout(Duration::from_secs(20), tasks.finished()).await.unwrap();

    let newer = "WITH newer AS (UPDATE hearth.queue_schema SET version = 99 RETURNING version)
                 SELECT version FROM newer";
    assert_eq!(asked(&address, newer).await, 99);
    let refused = PostgresQueue::open(&address, &tasks).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 99, .. }), "{refused}");
}

#[tokio::test]
async fn tables_of_the_first_schema_are_brought_up_to_date() {
    let test = "tables_of_the_first_schema_are_brought_up_to_date";
    let Some(address) = database(test).await else { return };
    let mut old = PgConnection::connect(&address).await.unwrap();
    let first = include_str!("../../../migrations/postgres/0001_queue.sql");
    let rows = "CREATE TABLE hearth.queue_schema (version bigint NOT NULL);
        INSERT INTO hearth.queue_schema VALUES (1);
        INSERT INTO hearth.entry (id, kind, lane, put_at, due, leases, leased, behind, head, body,
            body_bytes) VALUES (0, 'test', 'old', 5, 5, 0, false, false, '{}', 'abc', 3);";
    let whole = format!("CREATE SCHEMA hearth; {first} {rows}");
    sqlx::raw_sql(&whole).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    let queue = open(&address).await;
    let lane = lane("old");
    assert_eq!(lease(&queue, &lane, 9).await[0].body, "abc");
    queue.apply(puts(vec![entry(&lane, None, "")]), NOW).await.unwrap();
    assert_eq!(queue.purge(&lane, NOW).await.unwrap(), 1);
    let indexes = "SELECT count(*) FROM pg_indexes WHERE indexname = 'entry_put'";
    assert_eq!(asked(&address, indexes).await, 1);
}

#[tokio::test]
async fn nothing_shows_the_password() {
    let test = "nothing_shows_the_password";
    let Some(address) = database(test).await else { return };
    let with_password = address.replace("hearth@", "hearth:hidden@");
    let queue = open(&with_password).await;
    assert!(!format!("{queue:?} {queue:#?}").contains("hidden"));
    let nowhere = address.replace("hearth@", "nobody:hidden@");
    let refused = PostgresQueue::open(&nowhere, &Tasks::default()).await.unwrap_err();
    assert!(!format!("{refused:?} {refused}").contains("hidden"), "{refused:?}");
}
