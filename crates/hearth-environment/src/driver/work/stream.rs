//! An invocation whose answer goes to its caller in pieces.
//!
//! The caller gets the beginning when the runtime announces it, and the invocation is answered when
//! the runtime has sent the end: until then the function's time limit holds, also for a caller that
//! does not read.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Current, Driver, PostReply};
use crate::failure::Failure;
use crate::invocation::{Answer, RunResult};
use crate::lifecycle::Event;
use crate::mailbox::Taker;
use crate::runtime_api::session::{Refusal, Session};
use crate::runtime_api::{Beginning, Posted, Streamed, Taking};
use crate::stream::{self, Ending, StreamEnd, StreamError};

/// A stream that has begun.
#[derive(Debug)]
pub(super) struct Streaming {
    ending: Ending,
    /// What the runtime said about why it cannot go on.
    error: Option<StreamError>,
}

impl Streaming {
    /// The invocation failed before the runtime had sent the end. What came first counts.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.error.get_or_insert_with(|| seen_in_a_stream(failure));
    }

    /// Tells the caller how it ended.
    pub(super) fn end(self, log_tail: Option<Vec<u8>>) {
        self.ending.end(StreamEnd { error: self.error, log_tail });
    }
}

/// A failure as the caller of a stream is told of it.
fn seen_in_a_stream(failure: &Failure) -> StreamError {
    let code = match failure.error_type {
        // AWS: a stream whose runtime dies is cut off. The end of the connection and the end of
        // the process come in either order, which the caller need not notice.
        "Runtime.ExitError" => "Runtime.TruncatedResponse",
        other => other,
    };
    StreamError { code: code.to_owned(), details: failure.message.clone() }
}

impl Driver {
    /// The runtime begins to stream its answer. Says how that is to be taken.
    pub(in crate::driver) fn begin_stream(
        &mut self,
        Beginning { id, content_type }: Beginning,
        reply: oneshot::Sender<Result<Taking, Refusal>>,
    ) {
        let rate = self.shared.stream_bytes_per_second;
        let work = &mut self.work;
        let taking = work.session.begin(&id).map(|streaming| {
            work.session = streaming;
            let current = work.current.as_mut();
            let pieces = current.and_then(|current| current.open(rate, content_type));
            pieces.unwrap_or(Taking::Whole)
        });
        // A connection that is gone by now has sent nothing; the function's time limit ends it.
        let _ = reply.send(taking);
    }

    /// The runtime has sent all of its answer, or as much as there will be.
    pub(in crate::driver) fn end_stream(&mut self, id: &str, posted: Posted, reply: PostReply) {
        if !self.work.take(self.work.session.end(id), posted, reply) {
            return;
        }
        self.happen(Event::Answered);
        if self.work.session == Session::Waiting {
            self.runtime_asks(); // It had asked before the end had arrived. Extensions count as ever.
        }
    }
}

impl Current {
    /// Gives the caller the beginning, if it takes answers in pieces.
    fn open(&mut self, bytes_per_second: u64, content_type: Option<String>) -> Option<Taking> {
        let caller = match self.outcome.take()? {
            Taker::Pieces(caller) => caller,
            whole @ Taker::Whole(_) => {
                self.outcome = Some(whole);
                return None;
            }
        };
        let (feed, ending, stream) = stream::open(bytes_per_second);
        self.stream = Some(Streaming { ending, error: None });
        // The caller may have gone away; then the stream is closed, and what is fed to it is
        // thrown away.
        let _ = caller.send(Ok(Answer::Stream(stream.of_type(content_type))));
        Some(Taking::Pieces(feed))
    }

    /// The runtime has sent the end, or will not.
    pub(super) fn streamed(&mut self, streamed: Streamed) -> (Bytes, RunResult) {
        match streamed {
            Streamed::Whole => (Bytes::new(), RunResult::Success),
            Streamed::Failed(error) => {
                let details = Bytes::from(error.details.clone());
                if let Some(stream) = &mut self.stream {
                    stream.error = Some(error);
                }
                (details, RunResult::Unhandled)
            }
            Streamed::TooLarge => self.fail(Failure::stream_too_large()),
            Streamed::Truncated => self.fail(Failure::truncated(self.id)),
        }
    }
}
