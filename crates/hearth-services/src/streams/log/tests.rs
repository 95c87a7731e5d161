//! The log of a shard as a whole, on a disk.

use std::fs;

use tempfile::TempDir;

use super::super::quotas::SEGMENT_BYTES_MAX;
use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const HOUR: u64 = 3_600_000;

struct World {
    directory: TempDir,
    log: Arc<ShardLog>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = open(&directory, Phase::Open);
        Self { directory, log }
    }

    fn restarted(self) -> Self {
        let log = open(&self.directory, Phase::Open);
        Self { directory: self.directory, log }
    }

    /// Puts records, and returns the index of the first.
    async fn put(&self, at: Timestamp, texts: &[&str]) -> u64 {
        let records = texts.iter().map(|text| ("key", text.as_bytes()));
        let taken = self.log.append(at, records).unwrap();
        let first = taken.first;
        taken.written().await.unwrap();
        first
    }

    /// Puts so many records, and cannot write them: their file is not found.
    async fn lose(&self, records: usize) {
        let file = self.files().remove(0);
        let away = self.directory.path().join("away");
        fs::rename(&file, &away).unwrap();
        *self.log.file.lock().unwrap() = None;
        let lost = std::iter::repeat_n(("key", b"lost".as_slice()), records);
        self.log.append(NOW, lost).unwrap().written().await.unwrap_err();
        fs::rename(&away, &file).unwrap();
    }

    fn read(&self, from: Cursor, horizon: Timestamp) -> Page {
        let want = Want { records: 1_000, bytes: usize::MAX, horizon };
        self.log.read(from, want).unwrap()
    }

    fn texts(&self, from: Cursor) -> Vec<String> {
        let page = self.read(from, Timestamp(0));
        page.records.iter().map(|one| String::from_utf8(one.data.to_vec()).unwrap()).collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join("stream/shard")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn open(directory: &TempDir, phase: Phase) -> Arc<ShardLog> {
    let opening = Opening {
        directory: directory.path().join("stream/shard"),
        segment_millis_max: HOUR,
        phase,
        tasks: Tasks::default(),
    };
    ShardLog::open(opening, NOW).unwrap()
}

#[tokio::test]
async fn what_was_put_is_read_in_order_also_after_a_restart() {
    let world = World::new();
    assert_eq!(world.put(NOW, &["a", "b"]).await, 1);
    assert_eq!(world.put(NOW.plus_millis(5), &["c"]).await, 3);
    assert_eq!(world.texts(Cursor::default()), ["a", "b", "c"]);
    let world = world.restarted();
    assert_eq!(world.texts(Cursor::default()), ["a", "b", "c"]);
    assert_eq!(world.put(NOW, &["d"]).await, 4);
    let page = world.read(Cursor { index: 3, place: None }, Timestamp(0));
    let times: Vec<u64> = page.records.iter().map(|one| one.arrived.0 - NOW.0).collect();
    assert_eq!(times, [5, 5], "times never go back");
}

#[tokio::test]
async fn reading_goes_on_where_it_stopped() {
    let world = World::new();
    world.put(NOW, &["a", "b", "c"]).await;
    let want = Want { records: 2, bytes: usize::MAX, horizon: Timestamp(0) };
    let page = world.log.read(Cursor::default(), want).unwrap();
    assert_eq!((page.records.len(), page.behind), (2, Some(NOW)));
    assert_eq!(world.texts(page.next), ["c"]);
    for place in [Some((1, 3)), Some((7, 8)), Some((1, 1_000_000)), None] {
        let lost = Cursor { index: 2, place };
        assert_eq!(world.texts(lost), ["b", "c"], "a place that is wrong is not believed");
    }
    let one = Want { records: 9, bytes: 1, horizon: Timestamp(0) };
    assert_eq!(world.log.read(Cursor::default(), one).unwrap().records.len(), 1);
    let end = world.read(Cursor::default(), Timestamp(0));
    assert_eq!((end.behind, end.next.index, end.phase), (None, 4, Phase::Open));
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_nothing_before_it_is_lost() {
    for torn in [1, 7, 8, 20] {
        let world = World::new();
        world.put(NOW, &["a", "b"]).await;
        let file = world.files().remove(0);
        let whole = fs::read(&file).unwrap();
        let mut bytes = whole.clone();
        frame::push(&mut bytes, (3, NOW), "key", b"torn");
        bytes.truncate(whole.len() + torn);
        fs::write(&file, bytes).unwrap();
        let world = world.restarted();
        assert_eq!(world.texts(Cursor::default()), ["a", "b"], "{torn}");
        assert_eq!(fs::read(&file).unwrap(), whole);
        assert_eq!(world.put(NOW, &["c"]).await, 3);
        assert_eq!(world.texts(Cursor::default()), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn the_tip_is_not_behind_what_was_never_written() {
    let world = World::new();
    world.put(NOW, &["a", "b"]).await;
    world.lose(1).await;
    let tip = Cursor { index: world.log.news().borrow().next, place: None };
    let read_to = world.read(Cursor::default(), Timestamp(0)).next;
    assert_eq!((tip.index, read_to.index), (3, 3));
    assert_eq!(world.put(NOW, &["c"]).await, 4);
    assert_eq!(
        (world.texts(tip), world.texts(read_to)),
        (vec!["c".to_owned()], vec!["c".to_owned()])
    );
}

#[tokio::test]
async fn a_tip_of_before_a_restart_skips_nothing() {
    let world = World::new();
    world.put(NOW, &["a", "b"]).await;
    world.lose(2).await;
    let read_to = world.read(Cursor::default(), Timestamp(0)).next;
    let world = world.restarted();
    assert_eq!(world.put(NOW, &["c"]).await, 3);
    assert_eq!(world.texts(read_to), ["c"]);
}

#[tokio::test]
async fn a_segment_that_was_only_begun_is_begun_again() {
    let world = World::new();
    world.put(NOW, &["a"]).await;
    let begun = Segment { first: 2, since: NOW, bytes: 0 };
    fs::write(world.log.path(&begun), b"HS").unwrap();
    let world = world.restarted();
    assert_eq!(world.put(NOW, &["b"]).await, 2);
    assert_eq!(world.texts(Cursor::default()), ["a", "b"]);
}

#[tokio::test]
async fn a_segment_of_another_version_is_left_alone() {
    let world = World::new();
    world.put(NOW, &["a"]).await;
    let file = world.files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[7] = b'9';
    fs::write(&file, &bytes).unwrap();
    let opening = Opening {
        directory: world.directory.path().join("stream/shard"),
        segment_millis_max: HOUR,
        phase: Phase::Open,
        tasks: Tasks::default(),
    };
    assert!(ShardLog::open(opening, NOW).is_err());
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn damage_in_the_middle_costs_what_is_damaged_alone() {
    // The key, the checksum, and the length.
    for before_key in [0, 22, 26] {
        let world = World::new();
        world.put(NOW, &["a", "b", "c"]).await;
        world.put(NOW.plus_millis(HOUR), &["d", "e", "f"]).await;
        damage(&world.files()[0], (b"keyb", before_key));
        assert_eq!(world.texts(Cursor::default()), ["a", "c", "d", "e", "f"], "{before_key}");
        damage(&world.files()[1], (b"keye", before_key));
        let world = world.restarted();
        assert_eq!(world.texts(Cursor::default()), ["a", "c", "d", "f"], "{before_key}");
        assert_eq!(world.put(NOW.plus_millis(HOUR), &["g"]).await, 7);
        assert_eq!(world.texts(Cursor { index: 5, place: None }), ["f", "g"]);
    }
}

/// Changes a byte so far before the key of a record.
fn damage(file: &Path, (key, before_key): (&[u8], usize)) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.windows(key.len()).position(|part| part == key).unwrap();
    bytes[at - before_key] ^= 0xff;
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn old_segments_go_and_the_next_index_stays() {
    let world = World::new();
    world.put(NOW, &["a"]).await;
    world.put(NOW.plus_millis(HOUR), &["b"]).await;
    assert_eq!(world.files().len(), 2);
    world.log.trim(NOW.plus_millis(HOUR - 1)).unwrap();
    assert_eq!(world.files().len(), 2, "what may have something young is kept");
    world.log.trim(NOW.plus_millis(HOUR)).unwrap();
    assert_eq!(world.files().len(), 1);
    assert_eq!(world.texts(Cursor::default()), [""; 0]);
    let world = world.restarted();
    assert_eq!(world.put(NOW.plus_millis(2 * HOUR), &["c"]).await, 3);
    assert_eq!(world.texts(Cursor { index: 1, place: Some((1, 8)) }), ["c"]);
}

#[tokio::test]
async fn what_could_not_be_deleted_is_deleted_the_next_time() {
    let world = World::new();
    world.put(NOW, &["a"]).await;
    world.put(NOW.plus_millis(HOUR), &["b"]).await;
    let (oldest, hidden) = (world.files().remove(0), world.directory.path().join("hidden"));
    // A directory is not deleted like a file, whoever runs this.
    fs::rename(&oldest, &hidden).unwrap();
    fs::create_dir(&oldest).unwrap();
    world.log.trim(NOW.plus_millis(HOUR)).unwrap_err();
    fs::remove_dir(&oldest).unwrap();
    fs::rename(&hidden, &oldest).unwrap();
    world.log.trim(NOW.plus_millis(HOUR)).unwrap();
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn what_is_too_old_is_not_read_although_it_is_there() {
    let world = World::new();
    world.put(NOW, &["a"]).await;
    world.put(NOW.plus_millis(5), &["b"]).await;
    let page = world.read(Cursor::default(), NOW);
    assert_eq!(page.records.len(), 1);
    assert_eq!(page.records[0].index, 2);
}

#[tokio::test]
async fn a_time_is_found_in_the_segment_that_has_it() {
    let world = World::new();
    for hour in 0..4 {
        world.put(NOW.plus_millis(hour * HOUR), &["x", "y"]).await;
        world.put(NOW.plus_millis(hour * HOUR + 10), &["z"]).await;
    }
    assert_eq!(world.files().len(), 4);
    #[rustfmt::skip]
    let rows = [
        (0,              1),
        (1,              3),
        (10,             3),
        (11,             4),
        (HOUR,           4),
        (2 * HOUR + 5,   9),
        (3 * HOUR + 11, 13),
    ];
    for (millis, index) in rows {
        assert_eq!(world.log.seek(NOW.plus_millis(millis)).unwrap().index, index, "{millis}");
    }
}

#[tokio::test]
async fn a_full_segment_is_followed_by_another_one() {
    let world = World::new();
    let text = "x".repeat(usize::try_from(SEGMENT_BYTES_MAX / 3).unwrap());
    for _ in 0..4 {
        world.put(NOW, &[&text]).await;
    }
    assert_eq!(world.files().len(), 2);
    assert_eq!(world.texts(Cursor::default()).len(), 4);
}

#[tokio::test]
async fn a_closed_shard_takes_nothing_and_ends_behind_what_it_has() {
    let world = World::new();
    let mut news = world.log.news();
    let taken = world.log.append(NOW, [("key", &b"a"[..])].into_iter()).unwrap();
    world.log.close();
    assert!(matches!(
        world.log.append(NOW, [("key", &b"b"[..])].into_iter()),
        Err(NotTaken::Closed)
    ));
    taken.written().await.unwrap();
    news.wait_for(|news| news.phase == Phase::Closed && news.next == 2).await.unwrap();
    let page = world.read(Cursor::default(), Timestamp(0));
    assert_eq!((page.records.len(), page.phase), (1, Phase::Closed));
    let directory = world.directory;
    let reopened = World { log: open(&directory, Phase::Closed), directory };
    assert_eq!(reopened.read(Cursor::default(), Timestamp(0)).phase, Phase::Closed);
}

#[tokio::test]
async fn a_group_that_was_not_written_is_skipped_and_its_indices_are_not_used_again() {
    let world = World::new();
    world.put(NOW, &["a"]).await;
    let (segment, hidden) = (world.files().remove(0), world.directory.path().join("hidden"));
    // Without its file the log cannot write, whoever runs this.
    *world.log.file.lock().unwrap() = None;
    fs::rename(&segment, &hidden).unwrap();
    let taken = world.log.append(NOW, [("key", &b"lost"[..])].into_iter()).unwrap();
    assert_eq!(taken.written().await.unwrap_err().code(), "InternalFailure");
    fs::rename(&hidden, &segment).unwrap();
    assert_eq!(world.put(NOW, &["b"]).await, 3);
    assert_eq!(world.texts(Cursor::default()), ["a", "b"]);
}
