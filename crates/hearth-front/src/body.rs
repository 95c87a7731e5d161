//! Reading request bodies, never more of them than is allowed and never for ever. Large answers of
//! services are counted among them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hearth_types::limits::{BODIES_BYTES_MAX, BODY_READ_SECONDS_MAX};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much of a body that is refused is still taken off the connection, so that the client reads
/// the refusal and does not only see a broken connection.
const DISCARD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is larger than it may be.
    TooLarge,
    /// The client stopped sending, or took too long.
    Incomplete,
    /// All bodies together would take more memory than they may.
    NoRoom,
}

/// What the room is counted in.
const PAGE_BYTES: usize = 4096;
/// From which size on the room of a body follows its bytes: below, that costs more than it keeps.
const ROOM_FOLLOWS_BYTES: usize = 64 * 1024;

/// Memory for the bodies of all requests together. It is taken for what has arrived, so that a
/// client which only promises a large body keeps nobody else out.
#[derive(Debug, Clone)]
pub struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_BYTES_MAX / PAGE_BYTES)))
    }
}

/// A body, and the room that it takes for as long as it is held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    room: Option<OwnedSemaphorePermit>,
}

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read(body: Incoming, limit: usize, room: &BodyRoom) -> Result<Held, BodyError> {
    if body.is_end_stream() {
        return Ok(Held::default());
    }
    let reading = read_within(body, limit, room);
    tokio::time::timeout(Duration::from_secs(BODY_READ_SECONDS_MAX), reading)
        .await
        .unwrap_or(Err(BodyError::Incomplete))
}

async fn read_within(mut body: Incoming, limit: usize, room: &BodyRoom) -> Result<Held, BodyError> {
    let mut whole = BytesMut::new();
    let mut held = Held::default();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(BodyError::Incomplete) };
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            discard(body).await;
            return Err(BodyError::TooLarge);
        }
        if !held.grow(room, whole.len() + data.len()) {
            discard(body).await;
            return Err(BodyError::NoRoom);
        }
        if whole.is_empty() && body.is_end_stream() {
            held.bytes = data; // In one piece, so not copied.
            return Ok(held);
        }
        whole.extend_from_slice(&data);
    }
    held.bytes = whole.freeze();
    Ok(held)
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Held {
    /// The body of an answer, which counts as those of requests do until the client has taken it.
    pub(crate) fn of_answer(bytes: Bytes, room: &BodyRoom) -> Result<Self, BodyError> {
        let mut held = Self { bytes, room: None };
        if held.grow(room, held.bytes.len()) { Ok(held) } else { Err(BodyError::NoRoom) }
    }

    /// The bytes alone. A large body gives its room back when the last of them is let go of, which is
    /// when a runtime has it; a small one at once.
    pub(crate) fn into_bytes(self) -> Bytes {
        if self.bytes.len() < ROOM_FOLLOWS_BYTES { self.bytes } else { Bytes::from_owner(self) }
    }

    /// Takes what a body of so many bytes needs beside what was taken before. Pieces may be smaller
    /// than a page.
    fn grow(&mut self, room: &BodyRoom, bytes: usize) -> bool {
        let taken = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(PAGE_BYTES).saturating_sub(taken);
        if missing == 0 {
            return true;
        }
        let pages = u32::try_from(missing).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&room.0).try_acquire_many_owned(pages) else { return false };
        match &mut self.room {
            Some(room) => room.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

async fn discard(mut body: Incoming) {
    let mut left = DISCARD_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt as _;
    use tokio::sync::mpsc;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// What comes of a body of a hundred bytes, with a pause behind each, and how long it takes.
    async fn read_slowly(pause: Duration) -> (Option<Result<usize, BodyError>>, Duration) {
        let (mut theirs, ours) = tokio::io::duplex(1024);
        let (sender, mut told) = mpsc::channel(1);
        let service = service_fn(move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                let held = read(request.into_body(), 1024, &BodyRoom::default()).await;
                let _ = sender.send(held.map(|held| held.bytes.len())).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
            }
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(ours), service);
        let sending = async {
            let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n";
            theirs.write_all(head).await.unwrap();
            for _byte in 0..100 {
                theirs.write_all(b"x").await.unwrap();
                sleep(pause).await;
            }
        };
        let begin = Instant::now();
        let outcome = tokio::select! {
            outcome = told.recv() => outcome,
            _ended = serving => told.recv().await,
            () = sending => None,
        };
        (outcome, begin.elapsed())
    }

    #[test]
    fn a_body_in_small_pieces_takes_no_more_room_than_in_one() {
        let room = BodyRoom::default();
        let pages = room.0.available_permits();
        let mut held = Held::default();
        for bytes in 1..=PAGE_BYTES {
            assert!(held.grow(&room, bytes));
        }
        assert_eq!(room.0.available_permits(), pages - 1);
        assert!(held.grow(&room, PAGE_BYTES + 1));
        assert_eq!(room.0.available_permits(), pages - 2);
        assert!(!held.grow(&room, BODIES_BYTES_MAX + 1));
        drop(held);
        assert_eq!(room.0.available_permits(), pages);
    }

    #[test]
    fn the_body_of_an_answer_takes_room_until_it_is_let_go_of() {
        let room = BodyRoom::default();
        let pages = room.0.available_permits();
        let large = Bytes::from(vec![0; 10 * PAGE_BYTES.max(ROOM_FOLLOWS_BYTES)]);
        let held = Held::of_answer(large, &room).unwrap().into_bytes();
        let taken = held.len() / PAGE_BYTES;
        assert_eq!(room.0.available_permits(), pages - taken);
        let _others =
            Arc::clone(&room.0).try_acquire_many_owned(u32::try_from(pages - taken).unwrap());
        let more = Held::of_answer(Bytes::from_static(b"x"), &room);
        assert_eq!(more.err(), Some(BodyError::NoRoom));
        drop(held);
        assert_eq!(room.0.available_permits(), taken);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_come_slowly_and_not_for_ever() {
        let (outcome, took) = read_slowly(Duration::from_secs(1)).await;
        assert_eq!(outcome, Some(Ok(100)));
        assert!(took < Duration::from_secs(BODY_READ_SECONDS_MAX));

        let (outcome, took) = read_slowly(Duration::from_secs(BODY_READ_SECONDS_MAX / 50)).await;
        assert_eq!(outcome, Some(Err(BodyError::Incomplete)));
        assert_eq!(took.as_secs(), BODY_READ_SECONDS_MAX);
    }
}
