//! An answer on its way to whoever invoked, piece by piece.
//!
//! ```text
//!  runtime's connection ── Feed ──▶ pieces, a few at a time ──▶ ResponseStream ──▶ caller
//!  driver ──────────────── Ending ──▶ how it ended, once ─────▶      │
//! ```
//!
//! # Promises
//!
//! 1. The caller gets every piece that was put down before the end, in order, and then the end, once.
//! 2. Nothing follows the end, although the runtime's connection may not know yet that it came.
//! 3. No more than `STREAM_PIECES_MAX` pieces wait: a caller that does not read stops the runtime.
//! 4. When the caller is gone, pieces are thrown away at once, and nobody waits for anything.
//!
//! # Deliberately absent
//!
//! No limit of the whole (that is `runtime_api`) and no time limit: the invocation has one, and at
//! its end the driver says how the stream ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hearth_types::limits::{STREAM_PIECE_BYTES_MAX, STREAM_PIECE_COST_BYTES, STREAM_PIECES_MAX};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::bandwidth::Bandwidth;

/// What the caller takes.
#[derive(Debug)]
pub struct ResponseStream {
    pieces: mpsc::Receiver<Bytes>,
    end: End,
    content_type: Option<String>,
}

/// A part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Some bytes, at most `STREAM_PIECE_BYTES_MAX` of them.
    Piece(Bytes),
    /// There are no more.
    End(StreamEnd),
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamEnd {
    /// Why it is not complete, if it is not.
    pub error: Option<StreamError>,
    /// The end of the log, if it was asked for.
    pub log_tail: Option<Vec<u8>>,
}

/// Why a stream is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// The type of the error.
    pub code: String,
    /// Its message, or the description that the runtime gave.
    pub details: String,
}

/// Where the runtime's connection puts pieces down.
#[derive(Debug)]
pub struct Feed {
    pieces: mpsc::Sender<Bytes>,
    /// `None` if nothing holds it to a rate.
    bandwidth: Option<Bandwidth>,
    began: Instant,
}

/// What the driver says how a stream ended with.
#[derive(Debug)]
pub(crate) struct Ending(oneshot::Sender<StreamEnd>);

#[derive(Debug)]
enum End {
    Awaited(oneshot::Receiver<StreamEnd>),
    /// Known, and told when the last piece is.
    Known(StreamEnd),
    Told,
}

/// A stream that lets so many bytes pass in a second; 0 means any number.
pub(crate) fn open(bytes_per_second: u64) -> (Feed, Ending, ResponseStream) {
    let (sender, pieces) = mpsc::channel(STREAM_PIECES_MAX);
    let (ending, end) = oneshot::channel();
    let bandwidth = (bytes_per_second > 0).then(|| Bandwidth::new(bytes_per_second));
    let feed = Feed { pieces: sender, bandwidth, began: Instant::now() };
    (feed, Ending(ending), ResponseStream { pieces, end: End::Awaited(end), content_type: None })
}

impl ResponseStream {
    /// What the runtime says that it streams, if it says it.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    pub(crate) fn of_type(self, content_type: Option<String>) -> Self {
        Self { content_type, ..self }
    }

    /// The next part; `None` behind the end.
    pub async fn next(&mut self) -> Option<Part> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The next part; `None` behind the end. May be dropped while it waits.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Part>> {
        if let End::Awaited(end) = &mut self.end
            && let Poll::Ready(end) = Pin::new(end).poll(context)
        {
            // Promise 2. What was put down before is still there to be taken.
            self.pieces.close();
            self.end = End::Known(end.unwrap_or_else(|_gone| lost()));
        }
        if matches!(self.end, End::Told) {
            return Poll::Ready(None);
        }
        match self.pieces.poll_recv(context) {
            Poll::Ready(Some(piece)) => Poll::Ready(Some(Part::Piece(piece))),
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => match std::mem::replace(&mut self.end, End::Told) {
                End::Known(end) => Poll::Ready(Some(Part::End(end))),
                // The runtime has sent everything; that it was well is yet to be said.
                awaited @ (End::Awaited(_) | End::Told) => {
                    self.end = awaited;
                    Poll::Pending
                }
            },
        }
    }
}

/// The environment's task ended without a word, which only a bug or the end of the server can do.
fn lost() -> StreamEnd {
    let error = StreamError {
        code: "Sandbox.Failure".to_owned(),
        details: "Error: the execution environment was lost".to_owned(),
    };
    StreamEnd { error: Some(error), log_tail: None }
}

impl Feed {
    /// Puts bytes down, and waits until there is room for them. When the caller is gone they are
    /// thrown away.
    pub(crate) async fn push(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() && !self.pieces.is_closed() {
            let piece = bytes.split_to(bytes.len().min(STREAM_PIECE_BYTES_MAX));
            // A flood of tiny pieces is a flood as well.
            self.wait_for_bandwidth((piece.len() as u64).max(STREAM_PIECE_COST_BYTES)).await;
            let _ = self.pieces.send(piece).await;
        }
    }

    async fn wait_for_bandwidth(&mut self, bytes: u64) {
        let Some(bandwidth) = &mut self.bandwidth else { return };
        while let Err(until) = bandwidth.pass(bytes, self.began.elapsed()) {
            tokio::select! {
                () = sleep_until(self.began + until) => {}
                () = self.pieces.closed() => return,
            }
        }
    }
}

impl Ending {
    /// Says how the stream ended. The caller may have gone away.
    pub(crate) fn end(self, end: StreamEnd) {
        let _ = self.0.send(end);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_types::limits::STREAM_BURST_BYTES_MAX;
    use tokio::task::yield_now;

    use super::*;

    fn piece(text: &'static str) -> Option<Part> {
        Some(Part::Piece(Bytes::from_static(text.as_bytes())))
    }

    fn well() -> Option<Part> {
        Some(Part::End(StreamEnd::default()))
    }

    #[tokio::test]
    async fn the_caller_gets_every_piece_and_then_the_end_once() {
        let (mut feed, ending, mut stream) = open(0);
        feed.push("one".into()).await;
        assert_eq!(stream.next().await, piece("one"), "long before the end");
        feed.push("two".into()).await;
        drop(feed);
        ending.end(StreamEnd::default());
        assert_eq!(stream.next().await, piece("two"));
        assert_eq!(stream.next().await, well());
        assert_eq!((stream.next().await, stream.next().await), (None, None));
    }

    #[tokio::test]
    async fn nothing_follows_the_end_and_whoever_waits_for_room_is_let_go() {
        let (mut feed, ending, mut stream) = open(0);
        for _piece in 0..STREAM_PIECES_MAX {
            feed.push("kept".into()).await;
        }
        let late = feed.push("late".into());
        tokio::pin!(late);
        tokio::select! {
            biased;
            () = &mut late => panic!("there is no room"),
            () = yield_now() => {}
        }
        ending.end(StreamEnd::default());
        for _piece in 0..STREAM_PIECES_MAX {
            assert_eq!(stream.next().await, piece("kept"));
        }
        assert_eq!(stream.next().await, well());
        late.await;
    }

    #[tokio::test]
    async fn nobody_waits_for_a_caller_that_is_gone() {
        let (mut feed, ending, stream) = open(1);
        drop(stream);
        for _piece in 0..1_000 {
            feed.push(Bytes::from_static(&[0; 64 * 1024])).await;
        }
        ending.end(StreamEnd::default());
    }

    #[tokio::test]
    async fn an_end_that_nobody_says_is_a_loss() {
        let (feed, ending, mut stream) = open(0);
        drop((feed, ending));
        let Some(Part::End(end)) = stream.next().await else { panic!("it is at its end") };
        assert_eq!(end.error.map(|error| error.code), Some("Sandbox.Failure".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_beyond_the_burst_comes_at_the_rate_and_in_small_pieces() {
        let (mut feed, ending, mut stream) = open(1024 * 1024);
        let began = Instant::now();
        let bytes = STREAM_BURST_BYTES_MAX + 2 * 1024 * 1024;
        let length = usize::try_from(bytes).unwrap();
        let feeding = async {
            feed.push(vec![0; length].into()).await;
            ending.end(StreamEnd::default());
        };
        let taking = async {
            let mut taken = 0;
            while let Some(Part::Piece(piece)) = stream.next().await {
                assert!(piece.len() <= STREAM_PIECE_BYTES_MAX);
                taken += piece.len();
            }
            taken
        };
        let ((), taken) = tokio::join!(feeding, taking);
        assert_eq!(taken, length);
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2_100), "{took:?}");
    }
}
