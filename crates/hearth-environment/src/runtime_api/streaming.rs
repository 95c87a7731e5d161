//! An answer that the runtime streams: it is passed on as it comes.
//!
//! ```text
//!  POST …/response, streaming ──▶ driver: how is it to be taken?
//!                 │ whole ──▶ read like any other answer, within that limit
//!                 │ in pieces
//!                 ▼
//!  body ──▶ Feed ──▶ caller        then, to the driver: how it ended
//! ```
//!
//! # Promises
//!
//! 1. The body is read no faster than the caller takes it, and a caller that is gone stops nobody.
//! 2. No more than `STREAM_BYTES_MAX` bytes are passed on.
//! 3. The runtime is answered when the end is known, and not before.
//!
//! # Deliberately absent
//!
//! No time limit of its own: at the end of the invocation's time the environment is reset, and
//! with that every connection ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_types::limits::{RESPONSE_BYTES_MAX, STREAM_BYTES_MAX};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;
use tokio::sync::oneshot;

use super::server::{Answer, Line, accepted, ask, drain, read_within, refused};
use super::{Beginning, Call, Posted, Streamed, Taking};
use crate::mailbox::Message;
use crate::stream::{Feed, StreamError};

/// Answers a call that streams an answer.
pub(super) async fn respond(line: &Line, beginning: Beginning, mut body: Incoming) -> Answer {
    let id = beginning.id.clone();
    let mut cut = Cut { line, id: Some(id.clone()) };
    let posted = match ask(line, |reply| Call::BeginStream(beginning, reply)).await {
        Ok(Taking::Pieces(feed)) => {
            Posted::Streamed(pass_on(&mut body, feed, STREAM_BYTES_MAX).await)
        }
        Ok(Taking::Whole) => read_within(&mut body, RESPONSE_BYTES_MAX).await,
        Err(refusal) => {
            cut.id = None;
            drain(body).await;
            return refused(line, refusal);
        }
    };
    let is_cut = matches!(posted, Posted::TooLarge | Posted::Streamed(Streamed::TooLarge));
    let answer = match ask(line, |reply| Call::EndStream(id, posted, reply)).await {
        Ok(()) => accepted(),
        Err(refusal) => refused(line, refusal),
    };
    cut.id = None;
    if is_cut {
        drain(body).await;
    }
    answer
}

/// Says that a stream is cut off if its connection goes before its end is known.
struct Cut<'a> {
    line: &'a Line,
    id: Option<String>,
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (reply, _nobody) = oneshot::channel();
        let call = Call::EndStream(id, Posted::Streamed(Streamed::Truncated), reply);
        // If the mailbox is full the function's time limit ends it.
        let _ = self.line.mailbox.try_send(Message::Call(self.line.epoch, call));
    }
}

/// Passes a body on, up to a limit. Says how it ended.
async fn pass_on<B>(body: &mut B, mut feed: Feed, limit: u64) -> Streamed
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = limit;
    let mut ended = Streamed::Whole;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Streamed::Truncated };
        match frame.into_data() {
            Ok(mut data) => {
                let fits = usize::try_from(left).unwrap_or(usize::MAX);
                let is_too_large = data.len() > fits;
                data.truncate(fits);
                left -= data.len() as u64;
                feed.push(data).await;
                if is_too_large {
                    return Streamed::TooLarge;
                }
            }
            Err(frame) => {
                if let Some(error) = frame.trailers_ref().and_then(trailing_error) {
                    ended = Streamed::Failed(error);
                }
            }
        }
    }
    ended
}

/// A runtime reports a failure in the middle of its stream in trailers.
pub(super) fn trailing_error(trailers: &HeaderMap) -> Option<StreamError> {
    let code = trailers.get("lambda-runtime-function-error-type")?;
    let code = String::from_utf8_lossy(code.as_bytes()).into_owned();
    let body = trailers
        .get("lambda-runtime-function-error-body")
        .and_then(|body| STANDARD.decode(body.as_bytes()).ok());
    let details = match body {
        Some(body) => String::from_utf8_lossy(&body).into_owned(),
        None => serde_json::json!({ "errorType": code }).to_string(),
    };
    Some(StreamError { code, details })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::stream::{self, Part, StreamEnd};

    /// A body in pieces; `None` is where its connection breaks.
    struct Pieces(VecDeque<Option<Frame<Bytes>>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            let next = self.0.pop_front();
            Poll::Ready(next.map(|frame| frame.ok_or_else(|| io::ErrorKind::BrokenPipe.into())))
        }
    }

    fn data(text: &'static str) -> Option<Frame<Bytes>> {
        Some(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    fn trailers(of: &[(&'static str, &'static str)]) -> Option<Frame<Bytes>> {
        let pairs = of
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Some(Frame::trailers(pairs.collect()))
    }

    #[tokio::test]
    async fn each_way_for_a_stream_to_end() {
        const KIND: &str = "lambda-runtime-function-error-type";
        const BODY: &str = "lambda-runtime-function-error-body";
        let failed = |code: &str, details: &str| {
            Streamed::Failed(StreamError { code: code.to_owned(), details: details.to_owned() })
        };
        #[rustfmt::skip]
        let rows = [
            ("nothing",           vec![],                                                  "",         Streamed::Whole),
            ("pieces",            vec![data("one"), data("two")],                          "onetwo",   Streamed::Whole),
            ("as much as may be", vec![data("12345678")],                                  "12345678", Streamed::Whole),
            ("a byte too many",   vec![data("12345678"), data("9")],                       "12345678", Streamed::TooLarge),
            ("too much at once",  vec![data("1234567890"), data("never read")],            "12345678", Streamed::TooLarge),
            ("a broken line",     vec![data("one"), None],                                 "one",      Streamed::Truncated),
            ("other trailers",    vec![data("one"), trailers(&[("x-other", "1")])],        "one",      Streamed::Whole),
            ("an error",          vec![data("one"), trailers(&[(KIND, "Own"), (BODY, "eyJhIjoxfQ==")])], "one", failed("Own", "{\"a\":1}")),
            ("an error alone",    vec![trailers(&[(KIND, "Own")])],                        "",         failed("Own", "{\"errorType\":\"Own\"}")),
            ("an odd body",       vec![trailers(&[(KIND, "Own"), (BODY, "***")])],         "",         failed("Own", "{\"errorType\":\"Own\"}")),
        ];
        for (name, frames, passed, expected) in rows {
            let (feed, ending, mut stream) = stream::open(0);
            let feeding = async {
                let ended = pass_on(&mut Pieces(frames.into()), feed, 8).await;
                ending.end(StreamEnd::default());
                ended
            };
            let taking = async {
                let mut taken = Vec::new();
                while let Some(Part::Piece(piece)) = stream.next().await {
                    taken.extend_from_slice(&piece);
                }
                taken
            };
            let (ended, taken) = tokio::join!(feeding, taking);
            assert_eq!((ended, taken.as_slice()), (expected, passed.as_bytes()), "{name}");
        }
    }
}
