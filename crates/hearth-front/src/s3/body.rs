//! Bodies of requests: small documents into memory, bytes of objects into files.

use std::time::Duration;

use bytes::Bytes;
use hearth_services::buckets::{Algorithm, Expected, NewContent, Receiving};
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

    /// All of it, if it is small.
    pub(super) async fn document(&mut self, call: &Call) -> Result<Held, S3Error> {
        let Some(body) = self.body.take() else { return Ok(Held::default()) };
        let read = body::read(body, DOCUMENT_BYTES_MAX, &call.room).await;
        read.map_err(S3Error::of_body)
    }

    /// All of it, into a file.
    pub(super) async fn receive(&mut self, call: &Call) -> Result<NewContent, S3Error> {
        let expected = headers::expected(call)?;
        let length = |name: &str| call.header(name).and_then(|text| text.parse::<u64>().ok());
        let decoded = length("x-amz-decoded-content-length");
        if decoded.or_else(|| length("content-length")) > Some(OBJECT_BYTES_MAX) {
            return Err(hearth_services::buckets::BucketError::EntityTooLarge.into());
        }
        let payload = call.header("x-amz-content-sha256").unwrap_or_default();
        if payload.starts_with("STREAMING-") {
            return self.receive_chunks(call, expected, decoded).await;
        }
        let mut receiving = call.buckets.receive(expected).await?;
        while let Some(bytes) = self.bytes().await? {
            receiving.write(&bytes).await?;
        }
        Ok(receiving.finish(None).await?)
    }

    async fn receive_chunks(
        &mut self,
        call: &Call,
        expected: Expected,
        length: Option<u64>,
    ) -> Result<NewContent, S3Error> {
        let mut receiving: Receiving = call.buckets.receive(expected).await?;
        let mut decoder = Decoder::new();
        let mut within = Vec::new();
        while let Some(bytes) = self.bytes().await? {
            decoder.push(bytes, &mut within)?;
            for bytes in within.drain(..) {
                receiving.write(&bytes).await?;
            }
        }
        let trailers = decoder.finish()?;
        if length.is_some_and(|length| length != receiving.size()) {
            return Err(S3Error::incomplete_body());
        }
        let mut trailing = None;
        for (name, value) in trailers {
            let algorithm = Algorithm::ALL.into_iter().find(|it| it.header() == name);
            if let Some(algorithm) = algorithm {
                trailing = Some(headers::checked(algorithm, &value)?);
            }
        }
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

    async fn bytes(&mut self) -> Result<Option<Bytes>, S3Error> {
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
