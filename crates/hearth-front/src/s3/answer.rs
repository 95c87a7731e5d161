//! What S3 answers with: documents, headers, and the bytes of objects.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hearth_services::limits::CHUNK_BYTES;
use hearth_types::names::AccountId;
use hearth_wire::xml::Element;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncRead as _, ReadBuf};

/// What all documents are in.
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

pub(crate) type ObjectBody = Either<Full<Bytes>, FileBody>;
pub(super) type Answer = Response<ObjectBody>;

/// The root of a document.
pub(super) fn root(name: &str) -> Element {
    Element::new(name).attribute("xmlns", NAMESPACE)
}

pub(super) fn xml(document: &Element) -> Answer {
    xml_as(StatusCode::OK, document)
}

pub(super) fn xml_as(status: StatusCode, document: &Element) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(document.document()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = status;
    answer
}

pub(super) fn file(status: StatusCode, file: File, length: u64) -> Answer {
    let body = FileBody { file, left: length, chunk: Vec::new() };
    let mut answer = Response::new(Either::Right(body));
    *answer.status_mut() = status;
    answer
}

/// Sets a header. A value that cannot be in one is left out.
pub(super) fn set(answer: &mut Answer, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        answer.headers_mut().insert(name, value);
    }
}

/// Sets what AWS says of every object. Nothing is encrypted here.
pub(super) fn set_encryption(answer: &mut Answer) {
    set(answer, "x-amz-server-side-encryption", "AES256");
}

pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// Who has a bucket. AWS has an id of 64 digits for every account beside its number.
pub(super) fn owner(name: &str, account: &AccountId) -> Element {
    Element::new(name).child(Element::text("ID", format!("{:0>64}", account.as_str())))
}

/// The bytes of an object, from the place in its file on.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: File,
    left: u64,
    chunk: Vec<u8>,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = usize::try_from(this.left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        this.chunk.resize(wanted, 0);
        let mut buffer = ReadBuf::new(&mut this.chunk);
        match Pin::new(&mut this.file).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the file is too short");
                Poll::Ready(Some(Err(cut)))
            }
            Poll::Ready(Ok(())) => {
                let bytes = Bytes::copy_from_slice(buffer.filled());
                this.left -= bytes.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
