//! The store from outside: environments write, callers read. One clock that stands still, one
//! directory per test.

use std::sync::atomic::AtomicBool;

use hearth_types::limits::LOG_EVENT_BYTES_MAX;
use hearth_types::time::Timestamp;

use super::*;
use crate::{
    Direction, EventRange, EventsQuery, FilterPattern, FilterQuery, GroupsQuery, Page, ReadFrom,
    StreamOrder, StreamsQuery,
};

const NOW: Timestamp = Timestamp(1_795_404_035_123);
const GROUP: &str = "/aws/lambda/hello";

#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        NOW
    }
}

fn scope() -> Scope {
    Scope {
        account: AccountId::parse("000000000000").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
    }
}

fn open(root: &Path) -> Arc<LogStore> {
    LogStore::open(root.to_owned(), LogLimits::default(), Arc::new(Standing)).unwrap()
}

fn event(offset: u64, text: &str) -> LogEvent {
    LogEvent { at: NOW.plus_millis(offset), message: text.to_owned().into() }
}

fn sink(store: &LogStore, stream: &str) -> Arc<dyn LogStream> {
    LogSink::open(store, &scope(), GROUP, stream)
}

fn found(store: &LogStore, query: &FilterQuery) -> Vec<String> {
    let page = store.filter(&scope(), GROUP, query).unwrap();
    let text = |message: &[u8]| String::from_utf8_lossy(message).into_owned();
    page.items.iter().map(|event| text(&event.message)).collect()
}

#[test]
fn an_appended_event_is_found_at_once_and_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let stream = sink(&store, "s");
    assert!(store.groups(&scope(), &GroupsQuery::default()).unwrap().items.is_empty());
    stream.append(vec![event(0, "hello"), event(1, "")]);
    assert_eq!(found(&store, &FilterQuery::default()), ["hello", ""]);
    stream.append(vec![event(2, "last words")]);
    store.close();
    store.close();
    stream.append(vec![event(3, "from beyond")]);
    drop(store);

    let store = open(root.path());
    assert_eq!(found(&store, &FilterQuery::default()), ["hello", "", "last words"]);
    let groups = store.groups(&scope(), &GroupsQuery::default()).unwrap().items;
    assert_eq!(groups.len(), 1);
    assert_eq!((groups[0].name.as_str(), groups[0].created), (GROUP, NOW));
}

#[test]
fn each_stream_keeps_its_order_while_many_write_and_one_reads() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let reader = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // The group is missing until the first event.
                let _ = store.filter(&scope(), GROUP, &FilterQuery::default());
            }
        });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let stream = sink(&store, &format!("s{writer}"));
                threads.spawn(move || {
                    for number in 0..500 {
                        stream.append(vec![event(0, &number.to_string())]);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let expected: Vec<String> = (0..500).map(|number: u32| number.to_string()).collect();
    for writer in 0..4 {
        let streams = vec![format!("s{writer}")];
        assert_eq!(found(&store, &FilterQuery { streams, ..FilterQuery::default() }), expected);
    }
}

#[test]
fn pages_join_in_time_order_over_streams() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    for (stream, times) in [("a", [0, 30, 60]), ("b", [10, 30, 50])] {
        let events = times.map(|at| event(at, &format!("{stream}{at}")));
        sink(&store, stream).append(events.to_vec());
        // Settled here, so that the order of writing is known: all of `a`, then all of `b`.
        store.streams(&scope(), GROUP, &StreamsQuery::default()).unwrap();
    }
    let mut query = FilterQuery { limit: Some(2), ..FilterQuery::default() };
    let (mut texts, mut ids) = (Vec::new(), Vec::new());
    loop {
        texts.extend(found(&store, &query));
        let page: Page<_> = store.filter(&scope(), GROUP, &query).unwrap();
        ids.extend(page.items.into_iter().map(|event| event.id));
        query.token = page.token;
        if query.token.is_none() {
            break;
        }
    }
    assert_eq!(texts, ["a0", "b10", "a30", "b30", "b50", "a60"]);
    assert!(ids.is_sorted_by(|one, next| one < next), "ids sort as events do and are unique");

    let middle = FilterQuery {
        start: Some(NOW.plus_millis(10)),
        end: Some(NOW.plus_millis(50)),
        pattern: Some(FilterPattern::parse("-a").unwrap()),
        ..FilterQuery::default()
    };
    assert_eq!(found(&store, &middle), ["b10", "b30", "b50"], "the end is included");
    let prefix = FilterQuery { stream_prefix: "a".to_owned(), ..FilterQuery::default() };
    assert_eq!(found(&store, &prefix).len(), 3);
    let missing = FilterQuery { streams: vec!["c".to_owned()], ..FilterQuery::default() };
    let missing = store.filter(&scope(), GROUP, &missing);
    assert!(matches!(missing, Err(LogError::StreamMissing { .. })));
    let wrong = FilterQuery { token: Some("x".to_owned()), ..FilterQuery::default() };
    assert!(matches!(store.filter(&scope(), GROUP, &wrong), Err(LogError::TokenInvalid { .. })));
}

#[test]
fn a_stream_is_read_in_both_directions_and_the_end_repeats_its_token() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let stream = sink(&store, "s");
    stream.append((0..5).map(|at| event(at, &at.to_string())).collect());
    let read = |from: ReadFrom, token: Option<&String>| {
        let token = token.cloned();
        let range = EventRange::default();
        let query = EventsQuery { stream: "s".to_owned(), range, from, limit: Some(2), token };
        let page = store.events(&scope(), GROUP, &query).unwrap();
        let texts = page.events.iter().map(|event| String::from_utf8_lossy(&event.message));
        (texts.collect::<Vec<_>>().concat(), page.forward_token, page.backward_token)
    };

    let (texts, forward, backward) = read(ReadFrom::Head, None);
    assert_eq!(texts, "01");
    let (texts, _, beginning) = read(ReadFrom::Head, Some(&backward));
    assert_eq!((texts.as_str(), &beginning), ("", &backward), "so does the beginning");
    let (texts, forward, _) = read(ReadFrom::Head, Some(&forward));
    assert_eq!(texts, "23");
    let (texts, forward, _) = read(ReadFrom::Head, Some(&forward));
    assert_eq!(texts, "4");
    let (texts, end, _) = read(ReadFrom::Head, Some(&forward));
    assert_eq!((texts.as_str(), &end), ("", &forward), "the end repeats its token");
    stream.append(vec![event(9, "9")]);
    assert_eq!(read(ReadFrom::Head, Some(&end)).0, "9", "the token goes on when events come");

    let (texts, _, backward) = read(ReadFrom::Tail, None);
    assert_eq!(texts, "49");
    let (texts, forward, _) = read(ReadFrom::Tail, Some(&backward));
    assert_eq!(texts, "23");
    assert_eq!(read(ReadFrom::Tail, Some(&forward)).0, "49", "and back again");
}

#[test]
fn the_end_of_a_range_is_not_in_it() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    sink(&store, "s").append((0..5).map(|at| event(at, "x")).collect());
    let range = EventRange { start: Some(NOW.plus_millis(1)), end: Some(NOW.plus_millis(3)) };
    let query = EventsQuery { stream: "s".to_owned(), range, ..EventsQuery::default() };
    let page = store.events(&scope(), GROUP, &query).unwrap();
    let times: Vec<Timestamp> = page.events.iter().map(|event| event.at).collect();
    assert_eq!(times, [NOW.plus_millis(1), NOW.plus_millis(2)]);
}

#[test]
fn long_events_are_split_and_a_page_stays_small() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    sink(&store, "s").append(vec![event(0, &"x".repeat(LOG_EVENT_BYTES_MAX * 5 + 1))]);
    let page = store.filter(&scope(), GROUP, &FilterQuery::default()).unwrap();
    let lengths: Vec<usize> = page.items.iter().map(|event| event.message.len()).collect();
    assert_eq!(lengths, [LOG_EVENT_BYTES_MAX; 4], "a page has 1 MB");
    let next = FilterQuery { token: page.token, ..FilterQuery::default() };
    let page = store.filter(&scope(), GROUP, &next).unwrap();
    let lengths: Vec<usize> = page.items.iter().map(|event| event.message.len()).collect();
    assert_eq!(lengths, [LOG_EVENT_BYTES_MAX, 1]);
}

#[test]
fn groups_and_streams_are_listed_in_pages() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    for group in ["/b", "/a/2", "/a/1", "/a/3"] {
        store.create_group(&scope(), group).unwrap();
    }
    let mut query = GroupsQuery { prefix: "/a".to_owned(), limit: Some(2), token: None };
    let first = store.groups(&scope(), &query).unwrap();
    query.token = first.token;
    let second = store.groups(&scope(), &query).unwrap();
    assert_eq!(second.token, None);
    let names = first.items.iter().chain(&second.items).map(|group| group.name.as_str());
    assert_eq!(names.collect::<Vec<&str>>(), ["/a/1", "/a/2", "/a/3"]);

    for (stream, at) in [("x", 5), ("y", 9), ("z", 1)] {
        sink(&store, stream).append(vec![event(at, "x")]);
    }
    let mut query = StreamsQuery {
        order: StreamOrder::LastEvent,
        direction: Direction::Descending,
        limit: Some(2),
        ..StreamsQuery::default()
    };
    let first = store.streams(&scope(), GROUP, &query).unwrap();
    query.token = first.token;
    let second = store.streams(&scope(), GROUP, &query).unwrap();
    let names = first.items.iter().chain(&second.items).map(|stream| stream.name.as_str());
    assert_eq!(names.collect::<Vec<&str>>(), ["y", "x", "z"]);
    assert_eq!(second.items[0].last_event, Some(NOW.plus_millis(1)));
}

#[test]
fn what_a_caller_creates_and_deletes() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let put = || PutEvents { stream: "s".to_owned(), events: vec![event(0, "put")] };
    let scope = scope();

    assert!(matches!(store.put_events(&scope, GROUP, put()), Err(LogError::GroupMissing { .. })));
    store.create_group(&scope, GROUP).unwrap();
    assert!(matches!(store.create_group(&scope, GROUP), Err(LogError::GroupExists { .. })));
    assert!(matches!(store.put_events(&scope, GROUP, put()), Err(LogError::StreamMissing { .. })));
    store.create_stream(&scope, GROUP, "s").unwrap();
    assert!(matches!(store.create_stream(&scope, GROUP, "s"), Err(LogError::StreamExists { .. })));
    store.put_events(&scope, GROUP, put()).unwrap();
    assert_eq!(found(&store, &FilterQuery::default()), ["put"]);
    store.put_retention(&scope, GROUP, 7).unwrap();
    store.delete_stream(&scope, GROUP, "s").unwrap();
    assert!(found(&store, &FilterQuery::default()).is_empty());
    assert!(matches!(store.create_group(&scope, ""), Err(LogError::NameRefused { .. })));

    drop(store);
    let store = open(root.path());
    let groups = store.groups(&scope, &GroupsQuery::default()).unwrap().items;
    assert_eq!(groups[0].retention_days, Some(7));
    store.delete_group(&scope, GROUP).unwrap();
    assert!(matches!(store.delete_group(&scope, GROUP), Err(LogError::GroupMissing { .. })));
    drop(store);
    let store = open(root.path());
    assert!(store.groups(&scope, &GroupsQuery::default()).unwrap().items.is_empty());
}

#[test]
fn a_deleted_group_comes_back_empty_with_the_next_event() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let stream = sink(&store, "s");
    stream.append(vec![event(0, "old")]);
    store.delete_group(&scope(), GROUP).unwrap();
    stream.append(vec![event(1, "new")]);
    assert_eq!(found(&store, &FilterQuery::default()), ["new"]);
}

#[test]
fn folders_are_unique_and_never_leave_their_place() {
    assert_eq!(folder_name("/aws/lambda/a-b_c"), "%2Faws%2Flambda%2Fa-b_c");
    assert_eq!(folder_name(".."), "%2E%2E");
    assert_eq!(folder_name("~1"), "%7E1");
    assert_eq!(folder_name(""), "%");
    let (long, longer) = ("/".repeat(NAME_BYTES_MAX - 1), "/".repeat(NAME_BYTES_MAX));
    assert_ne!(folder_name(&long), folder_name(&longer));
    assert!(folder_name(&longer).len() < 255);
}
