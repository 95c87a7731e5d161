//! What waits to be written: one buffer for each open stream, and the queue of those with events.
//!
//! ```text
//!  append ──▶ StreamBuffer ──(first event)──▶ Queue ──▶ writer: one turn ──▶ disk
//!                  ▲                            ▲              │
//!                  └── room: bytes are given    └── what is    │
//!                      back after the write ◀── left queues ◀──┘
//! ```
//!
//! # Promises
//!
//! 1. `append` takes two short locks and waits for nothing else.
//! 2. A buffer stands in the queue if it has events. So an idle one is held by its handle alone,
//!    has no memory for events, and is gone when the handle is dropped.
//! 3. Streams are written in turns. One turn takes at most [`TURN_BYTES_MAX`], and what is left
//!    goes behind the others: a flood delays another stream by one turn and not by the flood.
//!
//! # Deliberately absent
//!
//! No disk, no thread: both are in `store`.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hearth_types::limits::{LOG_EVENT_BYTES_MAX, LOG_PENDING_BYTES_MAX};
use hearth_types::logs::{LogEvent, LogStream};
use hearth_types::names::Scope;
use tokio::sync::Notify;

/// How long the writer lets events come together before it writes the first of them: a busy function
/// writes some lines in each millisecond, and to be woken for each costs more than to write them.
/// Queries do not wait for it.
const GATHER: Duration = Duration::from_millis(5);
/// How much of one stream is too much to be waited for.
const HURRY_BYTES: usize = LOG_PENDING_BYTES_MAX / 4;

/// How much of one stream is written before it is the next one's turn.
pub(crate) const TURN_BYTES_MAX: usize = LOG_PENDING_BYTES_MAX;

/// Locks, also after a panic: a caller that broke off left events behind, not a broken structure.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which group, of all accounts and regions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupKey {
    pub(crate) scope: Scope,
    pub(crate) name: String,
}

impl GroupKey {
    pub(crate) fn new(scope: &Scope, name: &str) -> Self {
        Self { scope: scope.clone(), name: name.to_owned() }
    }
}

/// The events of one stream that are not on disk yet.
#[derive(Debug)]
pub(crate) struct StreamBuffer {
    pub(crate) group: GroupKey,
    pub(crate) stream: String,
    pending: Mutex<Pending>,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    events: VecDeque<LogEvent>,
    /// What the events weigh, and those that are being written now.
    bytes: usize,
    /// Whether the buffer stands in the queue.
    queued: bool,
}

/// What an event counts for. Its own structure counts too, or a flood of empty lines would be free.
fn weight(event: &LogEvent) -> usize {
    event.message.len() + size_of::<LogEvent>()
}

impl StreamBuffer {
    pub(crate) fn new(group: GroupKey, stream: &str) -> Self {
        Self {
            group,
            stream: stream.to_owned(),
            pending: Mutex::new(Pending::default()),
            drained: Notify::new(),
        }
    }

    /// Adds events. Returns what the buffer weighs then.
    fn add(&self, events: Vec<LogEvent>) -> usize {
        let mut pending = lock(&self.pending);
        for event in events.into_iter().flat_map(split) {
            pending.bytes += weight(&event);
            pending.events.push_back(event);
        }
        pending.bytes
    }

    /// Takes the oldest events, up to that weight but at least one. They count as pending until
    /// they are given to [`StreamBuffer::written`].
    pub(crate) fn take(&self, bytes_max: usize) -> Batch {
        let mut pending = lock(&self.pending);
        let (mut bytes, mut count) = (0, 0);
        for event in &pending.events {
            if count > 0 && bytes + weight(event) > bytes_max {
                break;
            }
            bytes += weight(event);
            count += 1;
        }
        let events: Vec<LogEvent> = if count == pending.events.len() {
            // The whole deque goes, so that an idle buffer keeps no memory.
            std::mem::take(&mut pending.events).into()
        } else {
            pending.events.drain(..count).collect()
        };
        Batch { events, bytes }
    }

    /// Gives the room of a batch back.
    pub(crate) fn written(&self, bytes: usize) {
        lock(&self.pending).bytes -= bytes;
        self.drained.notify_waiters();
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.pending).events.is_empty()
    }

    fn has_room(&self) -> bool {
        lock(&self.pending).bytes < LOG_PENDING_BYTES_MAX
    }

    /// Whether the buffer has to be put into the queue now. Whoever hears so must do it.
    fn claims_turn(&self) -> bool {
        let mut pending = lock(&self.pending);
        let claims = !pending.queued && !pending.events.is_empty();
        pending.queued |= claims;
        claims
    }

    fn left_queue(&self) {
        lock(&self.pending).queued = false;
    }
}

/// Events on their way to the disk.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) events: Vec<LogEvent>,
    /// What they weigh.
    pub(crate) bytes: usize,
}

/// An event that is too long becomes several, each with the same time.
pub(crate) fn split(event: LogEvent) -> impl Iterator<Item = LogEvent> {
    let LogEvent { at, message } = event;
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let mut message = rest.take()?;
        if message.len() > LOG_EVENT_BYTES_MAX {
            let behind = message.split_off(cut_at(&message));
            rest = Some(behind);
        }
        Some(LogEvent { at, message })
    })
}

/// Where to cut a message that is too long: not inside a character, if it is text.
fn cut_at(message: &Bytes) -> usize {
    let earliest = LOG_EVENT_BYTES_MAX - 3;
    (earliest..=LOG_EVENT_BYTES_MAX)
        .rev()
        .find(|cut| !is_continuation(message[*cut]))
        .unwrap_or(LOG_EVENT_BYTES_MAX)
}

/// Whether a byte is the second, third or fourth of a UTF-8 character.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// The buffers that have events, in the order of their turns.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    hurried: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<Arc<StreamBuffer>>,
    /// The buffer whose turn it is. A query must find it as well.
    in_hand: Option<Arc<StreamBuffer>>,
    /// Whether the writer shall not wait for more.
    urgent: bool,
    closing: bool,
}

impl Queue {
    /// Puts a buffer at the end, if it has events and does not stand in the queue.
    pub(crate) fn enter(&self, buffer: &Arc<StreamBuffer>) {
        if buffer.claims_turn() {
            lock(&self.state).waiting.push_back(Arc::clone(buffer));
            self.filled.notify_one();
        }
    }

    /// Waits for the next buffer and begins its turn. `None`: the queue is closed and empty.
    pub(crate) fn next(&self) -> Option<Arc<StreamBuffer>> {
        let mut state = lock(&self.state);
        loop {
            state.in_hand = state.waiting.pop_front();
            if let Some(buffer) = state.in_hand.clone() {
                // Before the events are taken: what is appended from here on claims a new turn.
                buffer.left_queue();
                return Some(buffer);
            }
            if state.closing {
                return None;
            }
            state.urgent = false;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            let gathers = |state: &mut QueueState| !state.urgent && !state.closing;
            let gathered = self.hurried.wait_timeout_while(state, GATHER, gathers);
            state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Has the writer begin, if it waits for more.
    fn hurry(&self) {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.urgent, true) {
            self.hurried.notify_one();
        }
    }

    /// The buffers with events for which `wanted` holds, that of the running turn included.
    pub(crate) fn waiting(&self, wanted: impl Fn(&GroupKey) -> bool) -> Vec<Arc<StreamBuffer>> {
        let state = lock(&self.state);
        let all = state.in_hand.iter().chain(&state.waiting);
        all.filter(|buffer| wanted(&buffer.group)).cloned().collect()
    }

    /// Lets the writer end when it has written everything.
    pub(crate) fn close(&self) {
        lock(&self.state).closing = true;
        self.filled.notify_all();
        self.hurried.notify_all();
    }

    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }
}

/// What an environment holds of its stream.
#[derive(Debug)]
pub(crate) struct StreamHandle {
    pub(crate) buffer: Arc<StreamBuffer>,
    pub(crate) queue: Arc<Queue>,
}

impl LogStream for StreamHandle {
    fn append(&self, events: Vec<LogEvent>) {
        if self.queue.is_closing() {
            // Nobody would write them, and `room` would wait for ever.
            tracing::warn!(
                group = %self.buffer.group.name,
                stream = %self.buffer.stream,
                events = events.len(),
                "log events came after the log store was closed and are lost"
            );
            return;
        }
        let bytes = self.buffer.add(events);
        self.queue.enter(&self.buffer);
        if bytes >= HURRY_BYTES {
            self.queue.hurry();
        }
    }

    fn has_room(&self) -> bool {
        self.buffer.has_room()
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                let mut drained = pin!(self.buffer.drained.notified());
                // Registered before the room is looked at, so that a write in between is not missed.
                drained.as_mut().enable();
                if self.buffer.has_room() {
                    return;
                }
                drained.await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use hearth_types::names::{AccountId, Region};
    use hearth_types::time::Timestamp;

    use super::*;

    fn event(message: impl Into<Bytes>) -> LogEvent {
        LogEvent { at: Timestamp(1), message: message.into() }
    }

    fn handle(queue: &Arc<Queue>, stream: &str) -> StreamHandle {
        let scope = Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let buffer = Arc::new(StreamBuffer::new(GroupKey::new(&scope, "/g"), stream));
        StreamHandle { buffer, queue: Arc::clone(queue) }
    }

    #[test]
    fn a_flood_delays_another_stream_by_one_turn() {
        let queue = Arc::new(Queue::default());
        let (flood, quiet) = (handle(&queue, "flood"), handle(&queue, "quiet"));
        flood.append((0..20).map(|_| event(vec![b'x'; TURN_BYTES_MAX / 2])).collect());
        quiet.append(vec![event("hello")]);

        let mut turns = Vec::new();
        for _ in 0..3 {
            let buffer = queue.next().expect("there are events");
            let batch = buffer.take(TURN_BYTES_MAX);
            assert!(batch.bytes <= TURN_BYTES_MAX);
            buffer.written(batch.bytes);
            queue.enter(&buffer);
            turns.push(buffer.stream.clone());
        }
        assert_eq!(turns, ["flood", "quiet", "flood"]);
    }

    #[test]
    fn room_is_ready_when_the_bytes_are_written_and_not_before() {
        let queue = Arc::new(Queue::default());
        let flood = handle(&queue, "flood");
        flood.append(vec![event(vec![b'x'; LOG_EVENT_BYTES_MAX]); 2]);

        let mut context = Context::from_waker(Waker::noop());
        let mut room = flood.room();
        assert!(room.as_mut().poll(&mut context).is_pending());
        let batch = flood.buffer.take(usize::MAX);
        assert!(room.as_mut().poll(&mut context).is_pending(), "taken is not written");
        flood.buffer.written(batch.bytes);
        assert!(room.as_mut().poll(&mut context).is_ready());
        assert_eq!(lock(&flood.buffer.pending).events.capacity(), 0, "no memory is kept");
    }

    #[test]
    fn a_written_buffer_lives_no_longer_than_its_handle() {
        let queue = Arc::new(Queue::default());
        let stream = handle(&queue, "short");
        stream.append(vec![event("last words")]);
        let buffer = Arc::downgrade(&stream.buffer);
        drop(stream);

        let last = queue.next().expect("the events outlive the handle");
        assert_eq!(last.take(usize::MAX).events.len(), 1);
        drop(last);
        queue.close();
        assert!(queue.next().is_none());
        assert!(buffer.upgrade().is_none());
    }

    #[test]
    fn long_events_are_split_between_characters() {
        let text = format!("a{}", "\u{e4}".repeat(LOG_EVENT_BYTES_MAX));
        let parts: Vec<LogEvent> = split(event(text.clone())).collect();
        assert_eq!(parts.len(), 3);
        let joined: String = parts
            .iter()
            .map(|part| {
                assert!(part.message.len() <= LOG_EVENT_BYTES_MAX);
                std::str::from_utf8(&part.message).expect("no half character")
            })
            .collect();
        assert_eq!(joined, text);

        assert_eq!(split(event("")).count(), 1, "an empty line is an event");
        assert_eq!(split(event(vec![0x80; LOG_EVENT_BYTES_MAX + 1])).count(), 2);
    }
}
