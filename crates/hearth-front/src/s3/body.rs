//! Bodies of requests: small documents into memory, bytes of objects into files.

use std::time::Duration;

use bytes::Bytes;
use hearth_services::buckets::{
    Algorithm, BucketError, Checksum, Expected, NewContent, Receiving, UploadName,
};
use hearth_services::limits::OBJECT_BYTES_MAX;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::Call;
use super::chunked::Decoder;
use super::error::S3Error;
use super::headers;
use crate::body::{self, Held};

/// A document of 10,000 parts or 1,000 keys.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a client may send nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// How much of the body of a refused request is taken off the connection, so that the client reads
/// the refusal and does not only see a broken connection.
const DISCARD_BYTES_MAX: usize = 32 * 1024 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(30);

/// A body that is arriving.
#[derive(Debug)]
pub(super) struct Arriving {
    body: Option<Incoming>,
}

impl Arriving {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body: Some(body) }
    }

    /// All of it, if it is small and what the request says that it is.
    pub(super) async fn document(&mut self, call: &Call) -> Result<Held, S3Error> {
        self.document_as(call, headers::expected(call)?).await
    }

    /// The same, where the headers do not all speak of the document.
    pub(super) async fn document_as(
        &mut self,
        call: &Call,
        expected: Expected,
    ) -> Result<Held, S3Error> {
        let Some(body) = self.body.take() else { return Ok(Held::default()) };
        let read = body::read(body, DOCUMENT_BYTES_MAX, &call.room).await;
        let read = read.map_err(S3Error::of_body)?;
        expected.check(&read.bytes)?;
        Ok(read)
    }

    /// All of it, as an object.
    pub(super) async fn receive(&mut self, call: &Call) -> Result<NewContent, S3Error> {
        check_length(call)?;
        let receiving = call.buckets.receive(headers::expected(call)?);
        self.receive_into(call, receiving).await
    }

    /// All of it, as a part of an upload.
    pub(super) async fn receive_part(
        &mut self,
        call: &Call,
        upload: &UploadName,
    ) -> Result<NewContent, S3Error> {
        check_length(call)?;
        let receiving = call.buckets.receive_part(upload, headers::expected(call)?).await?;
        self.receive_into(call, receiving).await
    }

    async fn receive_into(
        &mut self,
        call: &Call,
        mut receiving: Receiving,
    ) -> Result<NewContent, S3Error> {
        let payload = call.header("x-amz-content-sha256").unwrap_or_default();
        if payload.starts_with("STREAMING-") {
            return self.receive_chunks(call, receiving).await;
        }
        if headers::trailing(call)?.is_some() {
            // Only chunks have something behind them.
            return Err(S3Error::malformed_trailer());
        }
        while let Some(bytes) = self.bytes().await? {
            receiving.write(&bytes).await?;
        }
        Ok(receiving.finish(None).await?)
    }

    async fn receive_chunks(
        &mut self,
        call: &Call,
        mut receiving: Receiving,
    ) -> Result<NewContent, S3Error> {
        let promised = headers::trailing(call)?;
        let mut decoder = Decoder::new();
        let mut within = Vec::new();
        while let Some(bytes) = self.bytes().await? {
            decoder.push(bytes, &mut within)?;
            for bytes in within.drain(..) {
                receiving.write(&bytes).await?;
            }
        }
        let trailers = decoder.finish()?;
        let length = length_of(call, "x-amz-decoded-content-length");
        if length.is_some_and(|length| length != receiving.size()) {
            return Err(S3Error::incomplete_body());
        }
        let trailing = trailing(promised, &trailers)?;
        Ok(receiving.finish(trailing.as_ref()).await?)
    }

    /// Takes the rest of it off the connection.
    pub(super) async fn discard(&mut self) {
        let discarding = async {
            let mut left = DISCARD_BYTES_MAX;
            while let Ok(Some(bytes)) = self.bytes().await {
                left = left.saturating_sub(bytes.len());
                if left == 0 {
                    return;
                }
            }
        };
        let _ended = tokio::time::timeout(DISCARD_TIME_MAX, discarding).await;
    }

    /// The next bytes of it, as they are on the wire.
    pub(super) async fn bytes(&mut self) -> Result<Option<Bytes>, S3Error> {
        let Some(body) = &mut self.body else { return Ok(None) };
        loop {
            let frame = tokio::time::timeout(SILENCE, body.frame()).await;
            let frame = frame.map_err(|_late| S3Error::request_timeout())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|_broken| S3Error::incomplete_body())?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

fn length_of(call: &Call, name: &str) -> Option<u64> {
    call.header(name).and_then(|text| text.parse().ok())
}

/// Refuses what is too large before it comes.
fn check_length(call: &Call) -> Result<(), S3Error> {
    let decoded = length_of(call, "x-amz-decoded-content-length");
    if decoded.or_else(|| length_of(call, "content-length")) > Some(OBJECT_BYTES_MAX) {
        return Err(BucketError::EntityTooLarge.into());
    }
    Ok(())
}

/// The checksum behind the chunks. What was promised must have come.
fn trailing(
    promised: Option<Algorithm>,
    trailers: &[(String, String)],
) -> Result<Option<Checksum>, S3Error> {
    let mut trailing = None;
    for (name, value) in trailers {
        let algorithm = Algorithm::ALL.into_iter().find(|it| it.header() == name);
        if let Some(algorithm) = algorithm {
            trailing = Some(headers::checked(algorithm, value)?);
        }
    }
    let found = trailing.as_ref().map(|found| found.algorithm);
    if promised.is_some() && promised != found {
        return Err(S3Error::malformed_trailer());
    }
    Ok(trailing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was promised, what came, and whether it is a checksum or why it is refused.
    type Row<'a> = (Option<Algorithm>, &'a [(&'a str, &'a str)], Result<bool, &'a str>);

    #[test]
    fn a_trailer_that_was_promised_must_come() {
        let crc32 = Some(Algorithm::Crc32);
        let (name, other) = ("x-amz-checksum-crc32", "x-amz-checksum-crc32c");
        #[rustfmt::skip]
        let rows: [Row<'_>; 6] = [
            (None,  &[],                                           Ok(false)),
            (None,  &[(name, "y/Q5Jg==")],                         Ok(true)),
            (crc32, &[("x-amz-other", "x"), (name, "y/Q5Jg==")],   Ok(true)),
            (crc32, &[],                                           Err("MalformedTrailerError")),
            (crc32, &[(other, "y/Q5Jg==")],                        Err("MalformedTrailerError")),
            (crc32, &[(name, "?")],                                Err("InvalidRequest")),
        ];
        for (promised, trailers, expected) in rows {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let trailers: Vec<_> = trailers.iter().map(pair).collect();
            let found = trailing(promised, &trailers);
            let found = found.map(|it| it.is_some()).map_err(|error| error.code);
            assert_eq!(found, expected, "{promised:?} {trailers:?}");
        }
    }
}
