//! What is special to this engine: transactions that are shared, ids, crashes, damage, a full disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use sqlx::SqliteConnection;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::queue::conformance;
use crate::queue::sqlite::group::{Asked, Changes, Group, Operation, PurgeStep};
use crate::queue::sqlite::log::LogEnd;
use crate::queue::sqlite::writer::Writer;
use crate::queue::sqlite::{SqliteQueue, file};
use crate::queue::{
    Applied, Ask, Batch, EntryId, Fate, Lane, Leased, NewEntry, Put, Queue as _, Sameness, Settle,
    Settled,
};

const NOW: Timestamp = Timestamp(1_000);

fn lane() -> Lane {
    Lane { kind: "invoke", name: "hello".to_owned() }
}

fn entry(body: &[u8]) -> NewEntry {
    NewEntry {
        lane: lane(),
        group: None,
        put_at: NOW,
        due: NOW,
        sameness: None,
        head: "{}".to_owned(),
        body: Bytes::copy_from_slice(body),
    }
}

fn puts(entries: Vec<NewEntry>) -> Batch {
    Batch { puts: entries, ..Batch::default() }
}

async fn open(file: &Path) -> SqliteQueue {
    SqliteQueue::open(file, &Tasks::default()).await.unwrap()
}

async fn fresh() -> (SqliteQueue, PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    (open(&file).await, file, directory)
}

async fn put(queue: &SqliteQueue, body: &[u8]) -> EntryId {
    queue.apply(puts(vec![entry(body)]), NOW).await.unwrap().puts[0].id()
}

async fn lease(queue: &SqliteQueue, entries: usize) -> Vec<Leased> {
    let lane = lane();
    let ask = Ask { lane: &lane, entries, bytes: usize::MAX, until: NOW.plus_millis(1_000) };
    queue.lease(ask, NOW).await.unwrap()
}

async fn remove(queue: &SqliteQueue, leased: &[Leased]) -> Applied {
    let settles =
        leased.iter().map(|leased| Settle { receipt: leased.receipt, fate: Fate::Remove });
    let batch = Batch { settles: settles.collect(), ..Batch::default() };
    queue.apply(batch, NOW).await.unwrap()
}

/// What a crash at this moment would leave, in another directory.
fn image(file: &Path) -> (PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("queue.db");
    fs::copy(file, &copy).unwrap();
    fs::copy(with(file, "-wal"), with(&copy, "-wal")).unwrap();
    (copy, directory)
}

fn with(file: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", file.display()))
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_share_transactions() {
    let (queue, _, _directory) = fresh().await;
    let queue = Arc::new(queue);
    let before = queue.transactions();
    let callers = Tasks::default();
    for number in 0..200_u8 {
        let queue = Arc::clone(&queue);
        callers.spawn("caller", async move {
            put(&queue, &[number]).await;
        });
    }
    callers.finished().await;
    assert!(queue.transactions() - before < 20, "{} transactions", queue.transactions() - before);
    assert_eq!(queue.counts(&lane(), NOW).await.unwrap().waiting, 200);
    let mut bodies: Vec<_> = lease(&queue, 200).await.iter().map(|leased| leased.body[0]).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..200).collect::<Vec<u8>>());
    queue.close().await;
}

#[tokio::test]
async fn an_id_is_not_given_again_although_the_latest_entries_are_gone() {
    let (queue, file, _directory) = fresh().await;
    let first = put(&queue, b"one").await;
    let leased = lease(&queue, 1).await;
    assert_eq!(remove(&queue, &leased).await.settles, [Settled::Done]);
    queue.close().await;
    assert!(!with(&file, "-wal").exists(), "closed well, it has no log");

    let queue = open(&file).await;
    assert_eq!(queue.recovery().log, None);
    assert!(put(&queue, b"two").await > first);
    queue.close().await;
}

#[tokio::test]
async fn an_id_is_not_given_again_after_a_crash_however_many_were_given() {
    let (queue, file, _directory) = fresh().await;
    let ids = queue.apply(puts(vec![entry(b"x"); 2_500]), NOW).await.unwrap().puts;
    let latest = ids.iter().map(|put| put.id()).max().unwrap();
    assert_eq!(queue.purge(&lane(), NOW.plus_millis(1)).await.unwrap(), 2_500);
    let (copy, _image) = image(&file);
    queue.close().await;
    let queue = open(&copy).await;
    assert!(put(&queue, b"later").await > latest);
    queue.close().await;
}

#[tokio::test]
async fn the_oldest_is_known_also_of_those_that_come_from_elsewhere() {
    let (queue, file, _directory) = fresh().await;
    let old = |millis| NewEntry { put_at: Timestamp(millis), ..entry(b"old") };
    let order = [900, 500, 950, 100, 990];
    queue.apply(puts(order.map(old).to_vec()), NOW).await.unwrap();
    queue.close().await;
    // What is known of a lane is read anew.
    let queue = open(&file).await;
    queue.apply(puts(vec![old(980), old(995)]), NOW).await.unwrap();
    for (before, removed, oldest) in [(100, 0, 100), (901, 3, 950), (985, 2, 990), (996, 2, 0)] {
        assert_eq!(queue.purge(&lane(), Timestamp(before)).await.unwrap(), removed);
        let counts = queue.counts(&lane(), NOW).await.unwrap();
        assert_eq!(counts.oldest.map_or(0, |oldest| oldest.0), oldest);
    }
    queue.close().await;
}

#[tokio::test]
async fn the_time_is_noted_now_and_then_and_known_after_a_crash() {
    let (queue, file, _directory) = fresh().await;
    assert_eq!(queue.latest().await.unwrap(), None);
    let noon = Timestamp(1_800_000_000_000);
    let rows = [
        (noon, noon),
        (noon.plus_millis(9_999), noon),
        (noon.plus_millis(10_000), noon.plus_millis(10_000)),
        // Set back by an hour, it is as late as before; by a week, it was wrong before.
        (Timestamp(noon.0 - 3_600_000), noon.plus_millis(10_000)),
        (Timestamp(noon.0 - 7 * 86_400_000), Timestamp(noon.0 - 7 * 86_400_000)),
    ];
    for (now, expected) in rows {
        queue.apply(puts(vec![entry(b"x")]), now).await.unwrap();
        assert_eq!(queue.latest().await.unwrap(), Some(expected), "at {now}");
    }
    let (copy, _image) = image(&file);
    queue.close().await;
    let queue = open(&copy).await;
    assert_eq!(queue.latest().await.unwrap(), Some(rows[4].1));
    queue.close().await;
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    let mut old = file::connect(&file).await.unwrap();
    let first = include_str!("../../../migrations/sqlite_queue/0001_entries.sql");
    sqlx::raw_sql(first).execute(&mut old).await.unwrap();
    let rows = "INSERT INTO lane VALUES (1, 'invoke', 'hello');
        UPDATE given SET id = 1000;
        INSERT INTO entry (id, lane, due, put_at, blocked, early, head, body_bytes, body)
            VALUES (7, 1, 5, 5, 0, 0, '{}', 3, x'616263');
        PRAGMA user_version = 1";
    sqlx::raw_sql(rows).execute(&mut old).await.unwrap();
    sqlx::Connection::close(old).await.unwrap();
    let queue = open(&file).await;
    assert_eq!(lease(&queue, 9).await[0].body, "abc");
    assert!(put(&queue, b"new").await > EntryId(1_000));
    assert_eq!(queue.latest().await.unwrap(), None);
    queue.close().await;
}

#[tokio::test]
async fn a_closed_queue_answers_that_it_is() {
    let (queue, _, _directory) = fresh().await;
    put(&queue, b"one").await;
    queue.close().await;
    let refused = queue.apply(puts(vec![entry(b"two")]), NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::Closed));
}

#[tokio::test]
async fn everything_that_was_acknowledged_survives_a_crash() {
    let (queue, file, _directory) = fresh().await;
    for number in 0..20_u8 {
        put(&queue, &[number]).await;
    }
    let leased = lease(&queue, 5).await;
    remove(&queue, &leased).await;
    let (copy, _image) = image(&file);
    queue.close().await;

    let queue = open(&copy).await;
    let log = queue.recovery().log.clone().unwrap();
    assert_eq!(log.end, LogEnd::Whole);
    let bodies: Vec<_> = lease(&queue, 99).await.iter().map(|leased| leased.body[0]).collect();
    assert_eq!(bodies, (5..20).collect::<Vec<u8>>());
    queue.close().await;
}

#[tokio::test]
async fn a_torn_last_page_is_reported_and_what_was_before_is_kept() {
    let (queue, file, _directory) = fresh().await;
    for number in 0..5_u8 {
        put(&queue, &[number]).await;
    }
    let (copy, _image) = image(&file);
    queue.close().await;
    let mut log = fs::read(with(&copy, "-wal")).unwrap();
    let length = log.len();
    log[length - 50..].fill(0xAA);
    fs::write(with(&copy, "-wal"), log).unwrap();

    let queue = open(&copy).await;
    assert_eq!(queue.recovery().log.clone().unwrap().end, LogEnd::Torn);
    assert_eq!(queue.recovery().salvage, None);
    let bodies: Vec<_> = lease(&queue, 99).await.iter().map(|leased| leased.body[0]).collect();
    assert_eq!(bodies, [0, 1, 2, 3]);
    queue.close().await;
}

#[tokio::test]
async fn what_a_killed_server_had_leased_is_given_back_but_for_other_kinds() {
    let (queue, file, _directory) = fresh().await;
    let message = Lane { kind: "sqs", name: "hello".to_owned() };
    let grouped = NewEntry { group: Some("g".to_owned()), ..entry(b"grouped") };
    let later = NewEntry { due: NOW.plus_millis(9), ..entry(b"later") };
    let other = NewEntry { lane: message.clone(), ..entry(b"message") };
    let all = vec![entry(b"one"), grouped.clone(), grouped, later, other];
    queue.apply(puts(all), NOW).await.unwrap();
    let before = lease(&queue, 9).await;
    let until = NOW.plus_millis(1_000);
    let ask = Ask { lane: &message, entries: 1, bytes: usize::MAX, until };
    assert_eq!((before.len(), queue.lease(ask.clone(), NOW).await.unwrap().len()), (3, 1));
    let (copy, _image) = image(&file);
    queue.close().await;

    let queue = open(&copy).await;
    assert!(lease(&queue, 9).await.is_empty());
    assert_eq!(queue.give_back("invoke", NOW).await.unwrap(), 3);
    let again = lease(&queue, 9).await;
    let ids = |leased: &[Leased]| -> Vec<EntryId> {
        leased.iter().map(|leased| leased.receipt.entry).collect()
    };
    assert_eq!(ids(&again), ids(&before));
    assert!(again.iter().all(|leased| leased.receipt.lease == 2));
    assert_eq!(queue.give_back("deliver", NOW).await.unwrap(), 0);
    assert!(queue.lease(ask, NOW).await.unwrap().is_empty(), "its receiver may live on");
    queue.close().await;
}

/// A queue of 300 entries in three lanes, groups and large payloads among them, closed well.
async fn filled() -> (PathBuf, TempDir) {
    let (queue, file, directory) = fresh().await;
    for number in 0..100_u32 {
        let text = number.to_string();
        let plain = NewEntry { body: vec![b'x'; 900].into(), ..entry(b"") };
        let grouped = NewEntry {
            lane: Lane { kind: "sqs", name: "fifo".to_owned() },
            group: Some(format!("g{}", number % 7)),
            sameness: Some(Sameness { id: text.clone(), until: NOW.plus_millis(9_000) }),
            ..entry(text.as_bytes())
        };
        let large = NewEntry {
            lane: Lane { kind: "sns", name: "large".to_owned() },
            body: vec![b'y'; 5_000].into(),
            ..entry(b"")
        };
        queue.apply(puts(vec![plain, grouped, large]), NOW).await.unwrap();
    }
    queue.close().await;
    (file, directory)
}

/// Overwrites a page of a table, in the middle of those that it has.
async fn garble(file: &Path, table: &'static str) {
    let mut connection = file::connect(file).await.unwrap();
    let pages: Vec<i64> = sqlx::query_scalar(
        "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno",
    )
    .bind(table)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let page = usize::try_from(pages[pages.len() / 2]).unwrap();
    let mut bytes = fs::read(file).unwrap();
    bytes[(page - 1) * 4_096..page * 4_096].fill(0x5A);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn of_a_damaged_file_everything_is_kept_that_can_be_read() {
    let (file, _directory) = filled().await;
    garble(&file, "entry").await;
    fs::write(with(&file, "-check"), "").unwrap();

    let queue = open(&file).await;
    let salvage = queue.recovery().salvage.clone().unwrap();
    assert_eq!(salvage.kept + salvage.lost, 300);
    assert!((1..30).contains(&salvage.lost), "one page of entries: {salvage:?}");
    assert!(salvage.damaged_file.exists() && !with(&file, "-check").exists());

    // A group whose first entry is lost goes on with its next.
    let fifo = Lane { kind: "sqs", name: "fifo".to_owned() };
    let known = queue.counts(&fifo, NOW).await.unwrap().waiting;
    let ask = Ask { lane: &fifo, entries: 200, bytes: usize::MAX, until: NOW.plus_millis(1) };
    assert_eq!(u64::try_from(queue.lease(ask, NOW).await.unwrap().len()).unwrap(), known);
    assert!(put(&queue, b"new").await.0 > 300);
    queue.close().await;
    assert_eq!(open(&file).await.recovery().salvage, None, "it is mended");
}

#[tokio::test]
async fn a_lost_payload_costs_its_entries_and_no_others() {
    let (file, _directory) = filled().await;
    garble(&file, "payload").await;
    fs::write(with(&file, "-check"), "").unwrap();
    let queue = open(&file).await;
    let salvage = queue.recovery().salvage.clone().unwrap();
    assert!((1..5).contains(&salvage.lost), "{salvage:?}");
    let large = Lane { kind: "sns", name: "large".to_owned() };
    let ask = Ask { lane: &large, entries: 200, bytes: usize::MAX, until: NOW.plus_millis(1) };
    let leased = queue.lease(ask, NOW).await.unwrap();
    assert_eq!(u64::try_from(leased.len()).unwrap(), 100 - salvage.lost);
    assert!(leased.iter().all(|leased| leased.body.len() == 5_000));
    queue.close().await;
}

#[tokio::test]
async fn of_a_file_that_is_none_nothing_is_kept_and_the_queue_works() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    fs::write(&file, vec![0x5A; 40_960]).unwrap();
    let queue = open(&file).await;
    let salvage = queue.recovery().salvage.clone().unwrap();
    assert_eq!((salvage.kept, salvage.lost), (0, 0));
    assert_eq!(fs::read(&salvage.damaged_file).unwrap().len(), 40_960);
    put(&queue, b"one").await;
    queue.close().await;
}

#[tokio::test]
async fn a_salvage_that_a_crash_interrupted_is_finished() {
    let (file, _directory) = filled().await;
    // The damaged file was put aside, and the copy not yet put in its place.
    fs::rename(&file, with(&file, ".salvage")).unwrap();
    fs::write(with(&file, ".damaged-1"), "damaged").unwrap();
    fs::write(&file, "").unwrap();
    let queue = open(&file).await;
    assert_eq!(queue.counts(&lane(), NOW).await.unwrap().waiting, 100);
    queue.close().await;
    // A copy beside the file is not complete, or would be in its place.
    fs::write(with(&file, ".salvage"), "half of it").unwrap();
    let queue = open(&file).await;
    assert_eq!(queue.counts(&lane(), NOW).await.unwrap().waiting, 100);
    assert!(!with(&file, ".salvage").exists());
    queue.close().await;
}

/// What the writer says to a group of batches.
async fn work(writer: &mut Writer, batches: Vec<Batch>) -> Vec<Result<Applied, StoreError>> {
    let mut group = Group::default();
    let mut answers = Vec::new();
    for batch in batches {
        let (answer, answered) = oneshot::channel();
        group.add(Operation::Apply(Asked { wish: Changes { batch, now: NOW }, answer }));
        answers.push(answered);
    }
    writer.work(group).await;
    let mut said = Vec::new();
    for answer in answers {
        said.push(answer.await.unwrap());
    }
    said
}

#[tokio::test]
async fn a_log_that_may_have_what_was_refused_is_emptied_before_anything_else_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    let mut writer = Writer::open(&file).await.unwrap();
    assert!(work(&mut writer, vec![puts(vec![entry(&[7; 100_000])])]).await[0].is_ok());
    let before = fs::metadata(with(&file, "-wal")).unwrap().len();
    writer.doubtful = true;
    assert!(work(&mut writer, vec![puts(vec![entry(b"next")])]).await[0].is_ok());
    assert!(!writer.doubtful);
    let after = fs::metadata(with(&file, "-wal")).unwrap().len();
    assert!((1..before / 2).contains(&after), "{before} bytes, then {after}");

    let (copy, _image) = image(&file);
    let queue = open(&copy).await;
    assert_eq!(queue.counts(&lane(), NOW).await.unwrap().waiting, 2);
    queue.close().await;
}

/// Has the writer remove everything of a lane.
async fn purge(writer: &mut Writer, lane: Lane) {
    let (answer, answered) = oneshot::channel();
    let up_to = writer.shared.last_id();
    let wish = PurgeStep { lane, put_before: NOW.plus_millis(1), up_to };
    let mut group = Group::default();
    group.add(Operation::Purge(Asked { wish, answer }));
    writer.work(group).await;
    assert!(answered.await.unwrap().is_ok());
}

#[tokio::test]
async fn on_a_full_disk_puts_are_refused_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(&directory.path().join("queue.db")).await.unwrap();
    let small = || puts(vec![entry(b"small")]);
    assert!(work(&mut writer, vec![small()]).await[0].is_ok());
    let pages = number(&mut writer.connection, "PRAGMA page_count").await;
    // As on a disk that has room for a few pages more.
    let limit = format!("PRAGMA max_page_count = {}", pages + 4);
    sqlx::raw_sql(&limit).execute(&mut writer.connection).await.unwrap();

    let giant = || puts(vec![entry(&[7; 100_000])]);
    let said = work(&mut writer, vec![small(), giant(), small()]).await;
    assert!(said[0].is_ok() && said[2].is_ok(), "whoever fits is served: {said:?}");
    assert!(matches!(said[1], Err(StoreError::Engine { .. })));
    assert_eq!(number(&mut writer.connection, "SELECT count(*) FROM entry").await, 3);
    assert_eq!(number(&mut writer.connection, "SELECT count(*) FROM payload").await, 0);
    assert_eq!(writer.shared.lanes().entries(&lane()), 3);

    sqlx::raw_sql("PRAGMA max_page_count = 100000").execute(&mut writer.connection).await.unwrap();
    let said = work(&mut writer, vec![giant()]).await;
    assert!(matches!(said[0].as_ref().unwrap().puts[..], [Put::New(_)]));
    assert_eq!(number(&mut writer.connection, "SELECT count(*) FROM payload").await, 1);
}

/// A file with twenty megabytes of payload that are gone, and one entry.
async fn mostly_free(file: &Path) -> Writer {
    let mut writer = Writer::open(file).await.unwrap();
    for _ in 0..20 {
        assert!(work(&mut writer, vec![puts(vec![entry(&[7; 1_000_000])])]).await[0].is_ok());
    }
    purge(&mut writer, lane()).await;
    assert!(work(&mut writer, vec![puts(vec![entry(b"kept")])]).await[0].is_ok());
    assert!(number(&mut writer.connection, "PRAGMA page_count").await > 4_000);
    writer
}

#[tokio::test]
async fn room_is_given_back_when_nobody_asks_for_anything() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    let mut writer = mostly_free(&file).await;
    writer.give_room_back().await;
    assert!(fs::metadata(&file).unwrap().len() < 1_000_000);
    // It works on as before.
    assert!(work(&mut writer, vec![puts(vec![entry(b"new")])]).await[0].is_ok());
    assert_eq!(number(&mut writer.connection, "SELECT count(*) FROM entry").await, 2);
    let (copy, _image) = image(&file);
    let queue = open(&copy).await;
    let bodies: Vec<_> = lease(&queue, 9).await.into_iter().map(|leased| leased.body).collect();
    assert_eq!(bodies, ["kept", "new"]);
    queue.close().await;
}

#[tokio::test]
async fn room_is_given_back_at_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    let writer = mostly_free(&file).await;
    sqlx::Connection::close(writer.connection).await.unwrap();
    let queue = open(&file).await;
    assert_eq!(lease(&queue, 9).await[0].body, "kept");
    queue.close().await;
    assert!(fs::metadata(&file).unwrap().len() < 1_000_000);
}

#[tokio::test]
async fn empty_lanes_are_forgotten_and_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(&directory.path().join("queue.db")).await.unwrap();
    let lane = |number: i32| Lane { kind: "sqs", name: number.to_string() };
    let in_lane = |number: i32| NewEntry { lane: lane(number), ..entry(b"x") };
    let sameness = Sameness { id: "s".to_owned(), until: NOW.plus_millis(9_000) };
    let same = NewEntry { sameness: Some(sameness), ..in_lane(3) };
    let all = vec![in_lane(1), in_lane(2), same, in_lane(4)];
    assert!(work(&mut writer, vec![puts(all)]).await[0].is_ok());
    for number in 1..=3 {
        purge(&mut writer, lane(number)).await;
    }
    let lanes = "SELECT count(*) FROM lane";
    writer.forget_lanes(3).await;
    assert_eq!(number(&mut writer.connection, lanes).await, 4, "so many are kept");
    writer.forget_lanes(2).await;
    assert_eq!(number(&mut writer.connection, lanes).await, 2, "one has entries, one a sameness");
    assert_eq!(writer.shared.lanes().number(&lane(1)), None);

    assert!(work(&mut writer, vec![puts(vec![in_lane(1)])]).await[0].is_ok());
    assert_eq!(writer.shared.lanes().number(&lane(1)), Some(5));
    assert_eq!(writer.shared.lanes().entries(&lane(1)), 1);
}

#[tokio::test]
async fn large_payloads_are_apart_and_go_with_their_entries() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    let queue = open(&file).await;
    let sizes = [0, 2_048, 2_049, 1_000_000];
    for size in sizes {
        put(&queue, &vec![7; size]).await;
    }
    let mut looking = file::connect(&file).await.unwrap();
    assert_eq!(number(&mut looking, "SELECT count(*) FROM payload").await, 2);
    assert_eq!(number(&mut looking, "SELECT max(length(body)) FROM entry").await, 2_048);

    let leased = lease(&queue, 9).await;
    assert_eq!(leased.iter().map(|leased| leased.body.len()).collect::<Vec<_>>(), sizes);
    let body = queue.body(&lane(), leased[3].receipt.entry).await.unwrap();
    assert_eq!(body.map(|body| body.len()), Some(1_000_000));
    remove(&queue, &leased[..3]).await;
    assert_eq!(number(&mut looking, "SELECT count(*) FROM payload").await, 1);
    assert_eq!(queue.purge(&lane(), NOW.plus_millis(1)).await.unwrap(), 1);
    assert_eq!(number(&mut looking, "SELECT count(*) FROM payload").await, 0);
    sqlx::Connection::close(looking).await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn the_log_is_bounded_however_much_is_written() {
    let (queue, file, _directory) = fresh().await;
    for _ in 0..40 {
        put(&queue, &vec![7; 1_000_000]).await;
    }
    let length = fs::metadata(with(&file, "-wal")).unwrap().len();
    assert!(length < 20_000_000, "{length} bytes of log after 40 MB");
    queue.close().await;
}

#[tokio::test]
async fn a_lane_of_one_group_that_is_blocked_costs_its_first_entry_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queue.db");
    let queue = open(&file).await;
    let grouped = |group: &str| NewEntry { group: Some(group.to_owned()), ..entry(b"x") };
    queue.apply(puts(vec![grouped("a"); 3_000]), NOW).await.unwrap();
    queue.apply(puts(vec![grouped("b")]), NOW).await.unwrap();
    assert_eq!(lease(&queue, 1).await[0].group.as_deref(), Some("a"));
    assert_eq!(lease(&queue, 9).await[0].group.as_deref(), Some("b"));
    let mut looking = file::connect(&file).await.unwrap();
    let free = "SELECT count(*) FROM entry WHERE blocked = 0";
    assert_eq!(number(&mut looking, free).await, 2, "the index that is read has two entries");
    sqlx::Connection::close(looking).await.unwrap();
    queue.close().await;
}

#[tokio::test]
async fn no_query_that_is_asked_often_reads_a_whole_table() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = file::connect(&directory.path().join("queue.db")).await.unwrap();
    file::migrate(&mut connection).await.unwrap();
    let queries = [
        super::leases::FIRST,
        super::leases::WITH_GROUPS,
        super::leases::OLDEST,
        super::leases::OLDEST_EARLY,
        super::reads::PAGE,
        super::reads::COUNTS,
        super::reads::LEASED,
        super::reads::DUES,
        "SELECT due FROM entry WHERE lane = ?1 AND blocked = 0 ORDER BY due LIMIT 1",
        "DELETE FROM entry WHERE id IN (SELECT value FROM json_each(?1))",
    ];
    for query in queries {
        let explained = format!("EXPLAIN QUERY PLAN {query}");
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(&explained).fetch_all(&mut connection).await.unwrap();
        for (_, _, _, step) in plan {
            assert!(!step.starts_with("SCAN entry"), "{step} in {query}");
        }
    }
}

#[tokio::test]
async fn whoever_goes_away_does_not_hurt_the_others() {
    let (queue, _, _directory) = fresh().await;
    let gone = queue.apply(puts(vec![entry(b"gone")]), NOW);
    // It asks, and does not wait for the answer.
    let _ = tokio::time::timeout(Duration::ZERO, gone).await;
    put(&queue, b"stays").await;
    let bodies: Vec<_> = lease(&queue, 9).await.into_iter().map(|leased| leased.body).collect();
    assert_eq!(bodies.last().unwrap(), "stays");
    queue.close().await;
}

#[tokio::test]
async fn the_engine_keeps_every_promise_of_a_queue() {
    let (queue, _file, _directory) = fresh().await;
    Box::pin(conformance::all(&queue)).await;
}

#[tokio::test]
async fn the_engine_agrees_with_a_simple_queue() {
    let (queue, _file, _directory) = fresh().await;
    for seed in 1..=4 {
        Box::pin(conformance::model::agrees(&queue, "model", seed, 300)).await;
    }
}
