//! A site's response on its way to the client.
//!
//! # Promises
//!
//! 1. What cannot stand in a header is left out, and so is what only a connection may say. More
//!    headers than there may be are no response.
//! 2. A streamed body that fails is cut off: the client sees that it is not complete.
//!
//! # Deliberately absent
//!
//! No buffer: a streamed body is asked for more when the client has taken what there was.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hearth_environment::stream::{Part, ResponseStream};
use hearth_http::response;
use hearth_types::limits::TRAFFIC_RESPONSE_HEADERS_MAX;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::front::{AnyBody, whole};

/// Why a body ended before it was complete: the type of the function's error.
#[derive(Debug)]
pub(crate) struct Cut(String);

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the function failed in the middle of its answer: {}", self.0)
    }
}

impl std::error::Error for Cut {}

/// A body that comes in pieces.
#[derive(Debug)]
pub(crate) enum SiteBody {
    /// Some of it is there.
    First(Bytes, ResponseStream),
    /// The rest is to come.
    Rest(ResponseStream),
    /// There is no more.
    Over,
}

/// The door's own answer.
pub(super) fn said(status: u16, message: &str) -> Response<AnyBody> {
    render(response::Response::json(status, &json!({ "message": message })))
}

/// A site's answer.
pub(super) fn render(response: response::Response) -> Response<AnyBody> {
    let response::Response { status, headers, body } = response;
    // What only announces a response cannot be one: whoever waits for it would wait on.
    let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
    let status = status.unwrap_or(StatusCode::BAD_GATEWAY);
    // These have no body, whatever a function says.
    let body = match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => response::Body::Whole(Bytes::new()),
        _other => body,
    };
    let mut answer = match body {
        response::Body::Whole(bytes) => whole(Response::new(Full::new(bytes))),
        response::Body::Stream(first, stream) => {
            Response::new(Either::Right(Either::Right(SiteBody::First(first, stream))))
        }
    };
    *answer.status_mut() = status;
    for (name, value) in headers {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        if response::OF_CONNECTION.contains(&name.as_str()) {
            continue;
        }
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        if answer.headers().len() >= TRAFFIC_RESPONSE_HEADERS_MAX {
            return said(502, "Bad Gateway");
        }
        answer.headers_mut().append(name, value);
    }
    answer
}

impl Body for SiteBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(this, Self::Over) {
                Self::Over => return Poll::Ready(None),
                Self::First(first, stream) => {
                    *this = Self::Rest(stream);
                    if !first.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(first))));
                    }
                }
                Self::Rest(mut stream) => {
                    let part = stream.poll_next(context);
                    if part.is_pending() || matches!(part, Poll::Ready(Some(Part::Piece(_)))) {
                        *this = Self::Rest(stream);
                    }
                    return Poll::Ready(match ready!(part) {
                        Some(Part::Piece(piece)) => Some(Ok(Frame::data(piece))),
                        Some(Part::End(end)) => end.error.map(|error| Err(Cut(error.code))),
                        None => None,
                    });
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Over)
    }
}

#[cfg(test)]
mod tests {
    use hearth_http::response::{Body as SiteResponse, Response as Answer};

    use super::*;

    fn rendered(status: u16, headers: &[(&str, &str)]) -> Response<AnyBody> {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let body = SiteResponse::Whole(Bytes::from_static(b"body"));
        render(Answer { status, headers: headers.collect(), body })
    }

    #[test]
    fn a_response_has_only_headers_that_may_be() {
        let answer = rendered(
            201,
            &[
                ("X", "1"),
                ("x", "2"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("Transfer-Encoding", "chunked"),
                ("content-length", "1000000"),
                ("connection", "close"),
                ("two words", "x"),
                ("split", "a\r\nx-evil: 1"),
                ("", "x"),
            ],
        );
        let got: Vec<(&str, &[u8])> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let expected: [(&str, &[u8]); 4] =
            [("x", b"1"), ("x", b"2"), ("set-cookie", b"a=1"), ("set-cookie", b"b=2")];
        assert_eq!(got, expected);
        assert_eq!(answer.status(), StatusCode::CREATED);
    }

    #[test]
    fn more_headers_than_there_may_be_are_no_response() {
        let names: Vec<String> = (0..40_000).map(|at| format!("x-{at}")).collect();
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        assert_eq!(rendered(200, &headers).status(), StatusCode::BAD_GATEWAY);
        let most = &headers[..TRAFFIC_RESPONSE_HEADERS_MAX];
        assert_eq!(rendered(200, most).status(), StatusCode::OK);
    }

    #[test]
    fn what_is_no_status_of_a_response_is_not_sent_as_one() {
        for (status, expected) in [(0, 502), (101, 502), (199, 502), (200, 200), (1_000, 502)] {
            assert_eq!(rendered(status, &[]).status().as_u16(), expected, "{status}");
        }
    }

    #[test]
    fn what_has_no_body_gets_none() {
        #[rustfmt::skip]
        let rows = [
            (200, Some(4)),
            (204, Some(0)),
            (304, Some(0)),
            (404, Some(4)),
        ];
        for (status, length) in rows {
            assert_eq!(rendered(status, &[]).body().size_hint().exact(), length, "{status}");
        }
    }
}
