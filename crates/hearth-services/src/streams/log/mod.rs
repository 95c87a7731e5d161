//! The records of one shard: files that grow at their end, and are deleted from the oldest on.
//!
//! ```text
//!  append ─▶ pending ──(one commit at a time: write, sync)──▶ segment ─▶ read
//!               ▲                                               │
//!               └── what comes meanwhile is the next commit     └─▶ trim: the oldest go
//!
//!  00000000000000000001-0001800000000000.segment      first index, and no record is older
//!  00000000000000016213-0001800000473000.segment      the last one is written to
//! ```
//!
//! # Promises
//!
//! 1. What `append` was answered for is on the disk, and is read until it is too old.
//! 2. Indices grow in the order in which records are read; no two records that are on the disk have the
//!    same one. Times of arrival never go back within a shard.
//! 3. A torn end, which a crash leaves, is cut off when the log is opened; nothing before it is lost.
//!    Damage that has whole records behind it is reported, and passed over wherever it is.
//! 4. A place that was given out as the tip passes no record that comes later, also if what came first
//!    could not be written, and its indices are given again after a restart.
//! 5. In memory are what waits to be written, up to a bound, and some bytes for each segment. To read on
//!    from where one stopped costs no more because there is much; to find a place costs one segment.
//!
//! # Deliberately absent
//!
//! No index in memory or beside the segments, and no cache: whoever reads on brings the place in the file
//! where he stopped, and what was just written is in the page cache.

mod frame;
mod read;
mod write;
#[cfg(test)]
mod tests;

pub use frame::DataRecord;
pub use read::{Cursor, Page, Want};
pub(super) use write::NotTaken;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use tokio::sync::{oneshot, watch};

use self::frame::{Frames, MAGIC, MAGIC_BYTES};
use super::error::StreamError;

/// What the name of a segment ends in.
const SUFFIX: &str = ".segment";

/// The log of one shard.
#[derive(Debug)]
pub(super) struct ShardLog {
    directory: PathBuf,
    /// How old a segment may get before the next one is begun.
    segment_millis_max: u64,
    tasks: Tasks,
    state: Mutex<State>,
    /// The segment that is written to. Whoever holds it may change files.
    file: Mutex<Option<File>>,
    /// How far it is written, and whether more may come.
    news: watch::Sender<News>,
}

/// How far a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The index behind all records that can be read.
    pub next: u64,
    /// Whether there may be more.
    pub phase: Phase,
}

/// Whether a shard takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It does.
    Open,
    /// It never will again: it was split or merged, or its stream was deleted.
    Closed,
}

#[derive(Debug)]
struct State {
    /// Oldest first; there is always one, and the last is written to.
    segments: VecDeque<Segment>,
    /// The index behind all records that are on the disk: where the tip is, also after a restart.
    readable: u64,
    /// The same, and behind those that never will be there.
    durable: u64,
    /// When the last of those came.
    durable_at: Timestamp,
    /// The index of the next record that comes.
    next: u64,
    /// When the last one came, on the disk or not.
    last_at: Timestamp,
    pending: Group,
    writer: Writer,
    phase: Phase,
}

/// One file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// No record in it has a smaller index.
    first: u64,
    /// No record in it is older, and none before it is younger.
    since: Timestamp,
    /// How much of it is on the disk.
    bytes: u64,
}

/// Records that are written together.
#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    /// The first index.
    first: u64,
    /// When the first and the last of them came.
    since: Timestamp,
    until: Timestamp,
    /// The index behind them.
    next: u64,
    waiting: Vec<oneshot::Sender<Result<(), StreamError>>>,
}

/// Whether a task is writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Idle,
    Busy,
}

/// What a log is opened with.
#[derive(Debug)]
pub(super) struct Opening {
    /// Where its segments are. Made if it is not there.
    pub(super) directory: PathBuf,
    /// How old a segment may get.
    pub(super) segment_millis_max: u64,
    /// Whether the shard takes records.
    pub(super) phase: Phase,
    /// The owner of the task that writes.
    pub(super) tasks: Tasks,
}

impl ShardLog {
    /// Opens a log, or makes one. It blocks.
    ///
    /// # Errors
    ///
    /// If its files cannot be read or made.
    pub(super) fn open(opening: Opening, now: Timestamp) -> io::Result<Arc<Self>> {
        let Opening { directory, segment_millis_max, phase, tasks } = opening;
        fs::create_dir_all(&directory)?;
        let mut segments = segments(&directory)?;
        let Some(last) = segments.back_mut() else {
            let first = Segment { first: 1, since: now, bytes: MAGIC_BYTES };
            drop(begin(&directory, first)?);
            // The directory itself is in some that were made with it, or just before.
            for made in directory.ancestors().skip(1).take(3) {
                File::open(made)?.sync_all()?;
            }
            segments.push_back(first);
            return Ok(Self::with(
                directory,
                (segment_millis_max, tasks),
                (segments, (1, now), phase),
            ));
        };
        let (next, at) = recover(&directory, last)?;
        Ok(Self::with(directory, (segment_millis_max, tasks), (segments, (next, at), phase)))
    }

    fn with(
        directory: PathBuf,
        (segment_millis_max, tasks): (u64, Tasks),
        (segments, (next, at), phase): (VecDeque<Segment>, (u64, Timestamp), Phase),
    ) -> Arc<Self> {
        Arc::new(Self {
            directory,
            segment_millis_max,
            tasks,
            state: Mutex::new(State {
                segments,
                readable: next,
                durable: next,
                durable_at: at,
                next,
                last_at: at,
                pending: Group::default(),
                writer: Writer::Idle,
                phase,
            }),
            file: Mutex::new(None),
            news: watch::Sender::new(News { next, phase }),
        })
    }

    /// Takes no records any more. Those that were taken before are still written.
    pub(super) fn close(&self) {
        self.lock().phase = Phase::Closed;
        self.tell();
    }

    /// How far it is written, now and later.
    pub(super) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Tells those who wait for records.
    fn tell(&self) {
        let state = self.lock();
        // What waits to be written is still going to come.
        let is_over = state.phase == Phase::Closed && state.durable == state.next;
        let phase = if is_over { Phase::Closed } else { Phase::Open };
        // Under the lock: what one has seen before another must not be told after it, or a shard that
        // is at its end would be taken for open for ever.
        self.news.send_replace(News { next: state.readable, phase });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds a log")
    }

    fn path(&self, segment: &Segment) -> PathBuf {
        path(&self.directory, segment)
    }
}

fn path(directory: &Path, segment: &Segment) -> PathBuf {
    directory.join(format!("{:020}-{:016}{SUFFIX}", segment.first, segment.since.0))
}

/// The segments of a directory, oldest first.
fn segments(directory: &Path) -> io::Result<VecDeque<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.split_once('-'));
        let Some((first, since)) = parts else { continue };
        let (Ok(first), Ok(since)) = (first.parse::<u64>(), since.parse::<u64>()) else { continue };
        found.push(Segment { first, since: Timestamp(since), bytes: entry.metadata()?.len() });
    }
    found.sort_by_key(|segment| (segment.first, segment.since));
    Ok(found.into())
}

/// Makes the file of a segment, so that it survives a crash.
fn begin(directory: &Path, segment: Segment) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path(directory, &segment))?;
    file.write_all(&MAGIC)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    Ok(file)
}

/// Refuses a segment that another version of this program has written: to cut it off would be to lose it.
fn check_version(file: &Path, bytes: u64) -> io::Result<()> {
    // One without records was only begun, whatever is in it.
    if bytes <= MAGIC_BYTES {
        return Ok(());
    }
    let mut found = MAGIC;
    File::open(file)?.read_exact(&mut found)?;
    if found == MAGIC {
        return Ok(());
    }
    let what = format!("{} does not begin as a segment does", file.display());
    Err(io::Error::other(what))
}

/// Says that records are lost.
fn tell_damage(file: &Path, bytes: u64) {
    tracing::error!(file = %file.display(), bytes, "records of a shard are damaged and were passed over");
}

/// Reads the last segment through, and cuts off what has nothing whole behind it. Returns the index
/// behind its records, and when the last of them came.
fn recover(directory: &Path, last: &mut Segment) -> io::Result<(u64, Timestamp)> {
    let file = path(directory, last);
    check_version(&file, last.bytes)?;
    let mut frames = Frames::open(&file, MAGIC_BYTES, last.bytes)?;
    let (mut next, mut at) = (last.first, last.since);
    let mut whole = MAGIC_BYTES;
    if last.bytes >= MAGIC_BYTES {
        while let (Some(record), damaged) = frames.next_whole(last.first)? {
            if damaged > 0 {
                tell_damage(&file, damaged);
            }
            (next, at) = (record.index + 1, record.arrived);
            whole = frames.at();
        }
    }
    if last.bytes == whole {
        // What a process had written when it was killed is read from now on, so it has to stay.
        File::open(&file)?.sync_data()?;
    } else {
        let torn = last.bytes.saturating_sub(whole);
        tracing::warn!(file = %file.display(), torn, "the torn end of a shard's records was cut off");
        if whole == MAGIC_BYTES {
            drop(begin(directory, *last)?);
        } else {
            let file = OpenOptions::new().write(true).open(&file)?;
            file.set_len(whole)?;
            file.sync_all()?;
        }
        last.bytes = whole;
    }
    Ok((next, at))
}
