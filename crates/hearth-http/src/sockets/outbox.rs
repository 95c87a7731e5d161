//! What waits for the client of a connection.
//!
//! # Promises
//!
//! 1. Messages come out in the order in which they went in, each once, and those that are in when
//!    the end is asked for come out before it.
//! 2. There is a bound on messages and on bytes for each connection, and on the bytes of all.
//! 3. An outbox in which nothing waits has no buffer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hearth_types::limits::{
    SOCKET_BACKLOG_BYTES_MAX, SOCKET_BACKLOG_MESSAGES_MAX, SOCKETS_BACKLOG_BYTES_MAX,
};
use tokio::sync::Notify;

use super::lifetime::Closing;

/// Memory for messages of all connections together.
#[derive(Debug, Default)]
pub(super) struct Room(AtomicUsize);

/// Some of it, until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    bytes: usize,
    room: Arc<Room>,
}

/// A message, and the room that it takes.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Bytes,
    _room: Taken,
}

impl Room {
    /// Takes room for so many bytes, if there is any.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<Taken> {
        let more = |used: usize| {
            let used = used.saturating_add(bytes);
            (used <= SOCKETS_BACKLOG_BYTES_MAX).then_some(used)
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Taken { bytes, room: Arc::clone(self) })
    }
}

impl Held {
    /// The message.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// There is no room.
    Full,
    /// The connection ends.
    Over,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// A message.
    Message(Held),
    /// The end.
    End(Closing),
}

/// What waits for one client.
#[derive(Debug)]
pub(super) struct Outbox {
    room: Arc<Room>,
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Held>,
    bytes: usize,
    end: Option<Closing>,
}

impl Outbox {
    /// An empty one.
    pub(super) fn new(room: &Arc<Room>) -> Self {
        Self { room: Arc::clone(room), waiting: Mutex::default(), more: Notify::new() }
    }

    /// Puts a message in.
    pub(super) fn put(&self, message: Bytes) -> Result<(), NotTaken> {
        self.with(|waiting| {
            if waiting.end.is_some() {
                return Err(NotTaken::Over);
            }
            let bytes = waiting.bytes + message.len();
            if bytes > SOCKET_BACKLOG_BYTES_MAX
                || waiting.messages.len() >= SOCKET_BACKLOG_MESSAGES_MAX
            {
                return Err(NotTaken::Full);
            }
            let room = self.room.take(message.len()).ok_or(NotTaken::Full)?;
            waiting.messages.push_back(Held { bytes: message, _room: room });
            waiting.bytes = bytes;
            Ok(())
        })?;
        self.more.notify_one();
        Ok(())
    }

    /// Asks for the end. The first one who does says why; whether it was this one is returned.
    pub(super) fn end(&self, closing: Closing) -> bool {
        let is_first = self.with(|waiting| {
            let is_first = waiting.end.is_none();
            waiting.end.get_or_insert(closing);
            is_first
        });
        self.more.notify_one();
        is_first
    }

    /// Waits for what comes next. There is one who does; it may stop waiting at any time.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.with(take) {
                return next;
            }
            self.more.notified().await;
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.waiting.lock().expect("no code panics while it holds an outbox"))
    }
}

fn take(waiting: &mut Waiting) -> Option<Next> {
    let Some(message) = waiting.messages.pop_front() else {
        waiting.messages = VecDeque::new(); // Promise 3.
        return waiting.end.clone().map(Next::End);
    };
    waiting.bytes -= message.bytes.len();
    Some(Next::Message(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> (Arc<Room>, Outbox) {
        let room = Arc::new(Room::default());
        let outbox = Outbox::new(&room);
        (room, outbox)
    }

    async fn message(outbox: &Outbox) -> Bytes {
        match outbox.next().await {
            Next::Message(held) => held.bytes().clone(),
            Next::End(closing) => panic!("{closing:?}"),
        }
    }

    #[tokio::test]
    async fn what_waits_comes_in_order_and_before_the_end() {
        let (room, outbox) = outbox();
        assert_eq!(outbox.put(Bytes::from_static(b"one")), Ok(()));
        assert_eq!(outbox.put(Bytes::from_static(b"two")), Ok(()));
        assert!(outbox.end(Closing::GOING_AWAY));
        assert!(!outbox.end(Closing::DELETED), "the first one has said why");
        assert_eq!(outbox.put(Bytes::from_static(b"three")), Err(NotTaken::Over));
        assert_eq!((message(&outbox).await, message(&outbox).await), ("one".into(), "two".into()));
        assert!(
            matches!(outbox.next().await, Next::End(closing) if closing == Closing::GOING_AWAY)
        );
        assert_eq!(room.0.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let (_room, outbox) = outbox();
        let putting = async {
            tokio::task::yield_now().await;
            outbox.put(Bytes::from_static(b"late")).unwrap();
        };
        let (got, ()) = tokio::join!(message(&outbox), putting);
        assert_eq!(got, "late");
    }

    #[test]
    fn room_is_taken_until_it_is_given_back() {
        let room = Arc::new(Room::default());
        let most = room.take(SOCKETS_BACKLOG_BYTES_MAX);
        assert!(most.is_some() && room.take(1).is_none() && room.take(usize::MAX).is_none());
        drop(most);
        assert!(room.take(1).is_some());
        assert_eq!(room.0.load(Ordering::Acquire), 0);
    }

    #[test]
    fn there_are_bounds_on_messages_on_bytes_and_on_those_of_all() {
        let (room, first) = outbox();
        for _message in 0..SOCKET_BACKLOG_MESSAGES_MAX {
            first.put(Bytes::new()).unwrap();
        }
        assert_eq!(first.put(Bytes::new()), Err(NotTaken::Full));

        let large = Bytes::from(vec![b'x'; SOCKET_BACKLOG_BYTES_MAX]);
        let many = SOCKETS_BACKLOG_BYTES_MAX / SOCKET_BACKLOG_BYTES_MAX;
        let boxes: Vec<Outbox> = (0..=many).map(|_| Outbox::new(&room)).collect();
        for one in &boxes[..many] {
            one.put(large.clone()).unwrap();
            assert_eq!(one.put(Bytes::from_static(b"x")), Err(NotTaken::Full));
        }
        assert_eq!(boxes[many].put(Bytes::from_static(b"x")), Err(NotTaken::Full));
        drop(boxes);
        assert_eq!(room.0.load(Ordering::Acquire), 0, "what was not sent gives its room back");
    }
}
