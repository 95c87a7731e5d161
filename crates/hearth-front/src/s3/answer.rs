//! What S3 answers with: documents, headers, and the bytes of objects.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hearth_services::buckets::Reader;
use hearth_types::names::AccountId;
use hearth_wire::xml::Element;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// What all documents are in.
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

pub(crate) type ObjectBody = Either<Full<Bytes>, ReaderBody>;
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

/// The bytes of an object.
pub(super) fn object(status: StatusCode, reader: Reader) -> Answer {
    let body = match reader.bytes() {
        Some(bytes) => Either::Left(Full::new(bytes)),
        None => Either::Right(ReaderBody { reader }),
    };
    let mut answer = Response::new(body);
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

/// The bytes of an object that is not in memory.
#[derive(Debug)]
pub(crate) struct ReaderBody {
    reader: Reader,
}

impl Body for ReaderBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let read = self.get_mut().reader.poll_next(context);
        read.map(|read| read.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.reader.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.reader.left())
    }
}
