//! What a streamed answer means.
//!
//! ```text
//!  {"statusCode":200,"headers":{…},"cookies":[…]} 00 00 00 00 00 00 00 00 body …
//!  └────────────── the prelude ──────────────────┘└──── the end of it ──┘
//! ```
//!
//! An answer has a prelude if its media type says so; otherwise all of it is the body of a response
//! with status 200. The response begins when the prelude is complete, or with the first bytes.
//!
//! # Promises
//!
//! 1. No more than `STREAM_PRELUDE_BYTES_MAX` and one piece are held back.
//! 2. An answer that fails before it has begun is not passed on as one.

use bytes::{Bytes, BytesMut};
use hearth_environment::stream::{Part, ResponseStream};
use hearth_types::limits::STREAM_PRELUDE_BYTES_MAX;
use serde_json::Value;

use super::{Malformed, v2};
use crate::response::{Body, Response};

/// The media type of an answer with a prelude.
pub const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";
/// What ends a prelude.
const PRELUDE_END: [u8; 8] = [0; 8];

/// Why there is no response. Its text is for the server's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotBegun {
    /// It failed before it had begun. Names the type of the error.
    #[error("the function failed before it began to answer: {0}")]
    Failed(String),
    /// It ended within its prelude.
    #[error("the answer ended within its prelude")]
    Incomplete,
    /// Its prelude is longer than one may be.
    #[error("the prelude of the answer is too long")]
    TooLong,
    /// Its prelude is none.
    #[error("the prelude of the answer is none")]
    Prelude(#[source] Malformed),
}

/// Waits for the beginning of a streamed answer, and says what response it means.
///
/// # Errors
///
/// If it ends, or fails, before it has begun, or its prelude is none.
pub async fn read(mut stream: ResponseStream) -> Result<Response, NotBegun> {
    let content_type = stream.content_type().unwrap_or("application/octet-stream").to_owned();
    if !has_prelude(&content_type) {
        let first = next(&mut stream).await?.unwrap_or_default();
        let headers = vec![("content-type".to_owned(), content_type)];
        return Ok(Response { status: 200, headers, body: Body::Stream(first, stream) });
    }
    let (prelude, rest) = prelude(&mut stream).await?;
    let prelude: Value =
        serde_json::from_slice(&prelude).map_err(|_no| NotBegun::Prelude(Malformed::NotJson))?;
    let Value::Object(prelude) = prelude else {
        return Err(NotBegun::Prelude(Malformed::NotAnObject));
    };
    let (status, mut headers) = v2::head(prelude).map_err(NotBegun::Prelude)?;
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/octet-stream".to_owned()));
    }
    Ok(Response { status, headers, body: Body::Stream(rest, stream) })
}

fn has_prelude(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case(WITH_PRELUDE)
}

/// The prelude, and what has come behind its end.
async fn prelude(stream: &mut ResponseStream) -> Result<(Bytes, Bytes), NotBegun> {
    let mut prelude = Prelude::default();
    loop {
        let piece = next(stream).await?.ok_or(NotBegun::Incomplete)?;
        if let Some(found) = prelude.push(&piece)? {
            return Ok(found);
        }
    }
}

/// A prelude that is not complete yet.
#[derive(Debug, Default)]
struct Prelude(BytesMut);

impl Prelude {
    /// Takes more bytes. If its end is among them: the prelude, and what has come behind its end.
    fn push(&mut self, piece: &[u8]) -> Result<Option<(Bytes, Bytes)>, NotBegun> {
        let Self(held) = self;
        // The end may have begun in the piece before.
        let from = held.len().saturating_sub(PRELUDE_END.len() - 1);
        held.extend_from_slice(piece);
        let end = held[from..].windows(PRELUDE_END.len()).position(|window| window == PRELUDE_END);
        // Some of what is held may be the beginning of the end.
        let begun = held.len().saturating_sub(PRELUDE_END.len() - 1);
        let length = end.map_or(begun, |end| from + end);
        if length > STREAM_PRELUDE_BYTES_MAX {
            return Err(NotBegun::TooLong);
        }
        Ok(end.map(|_found| {
            let prelude = held.split_to(length).freeze();
            let rest = held.split_off(PRELUDE_END.len()).freeze();
            (prelude, rest)
        }))
    }
}

/// The next bytes; `None` at a good end.
async fn next(stream: &mut ResponseStream) -> Result<Option<Bytes>, NotBegun> {
    match stream.next().await {
        Some(Part::Piece(piece)) => Ok(Some(piece)),
        Some(Part::End(end)) => match end.error {
            Some(error) => Err(NotBegun::Failed(error.code)),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a stream that comes in these pieces.
    fn found(pieces: &[&[u8]]) -> Result<Option<(Vec<u8>, Vec<u8>)>, NotBegun> {
        let mut prelude = Prelude::default();
        for piece in pieces {
            if let Some((before, behind)) = prelude.push(piece)? {
                return Ok(Some((before.to_vec(), behind.to_vec())));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_prelude_ends_wherever_its_pieces_do() {
        let whole = b"{\"statusCode\":201}\0\0\0\0\0\0\0\0body";
        let expected = Some((b"{\"statusCode\":201}".to_vec(), b"body".to_vec()));
        assert_eq!(found(&[whole]), Ok(expected.clone()));
        for cut in 0..=whole.len() - b"body".len() {
            let (one, other) = whole.split_at(cut);
            let found = found(&[one, other]);
            match found {
                Ok(Some((prelude, rest))) => {
                    let (wanted, body) = expected.clone().unwrap();
                    assert_eq!(prelude, wanted, "cut at {cut}");
                    assert!(body.starts_with(&rest), "cut at {cut}");
                }
                Ok(None) | Err(_) => panic!("nothing was found when cut at {cut}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_prelude_that_does_not_end_is_given_up() {
        assert_eq!(found(&[b"{}\0\0\0\0\0\0\0"]), Ok(None));
        let long = vec![b' '; STREAM_PRELUDE_BYTES_MAX];
        assert_eq!(found(&[&long]), Ok(None));
        assert_eq!(found(&[&long, b"        "]), Err(NotBegun::TooLong));
        let longest = [long.as_slice(), &PRELUDE_END].concat();
        assert!(matches!(found(&[&longest]), Ok(Some(_))), "it is as long as it may be");
    }

    #[test]
    fn the_media_type_says_whether_there_is_a_prelude() {
        #[rustfmt::skip]
        let rows = [
            ("application/vnd.awslambda.http-integration-response",                true),
            ("Application/Vnd.Awslambda.Http-Integration-Response; charset=utf-8", true),
            ("application/octet-stream",                                           false),
            ("application/json",                                                   false),
            ("",                                                                   false),
        ];
        for (content_type, expected) in rows {
            assert_eq!(has_prelude(content_type), expected, "{content_type}");
        }
    }
}
