//! What is Hearth's own and not AWS's: health, status, metrics, what event sources do, and the
//! download of code packages.

use bytes::Bytes;
use hearth_store::packages::CodeDigest;
use hearth_telemetry::metrics::text;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front};
use crate::server::Admission;

/// What all of our own paths begin with; no AWS service has such a path.
pub(crate) const PREFIX: &str = "/_hearth/";

pub(crate) async fn answer(front: &Front, arrived: &Arrived) -> Answer {
    let path = arrived.head.uri.path();
    let rest = path.strip_prefix(PREFIX).unwrap_or_default();
    match (&arrived.head.method, rest.split_once('/')) {
        (&Method::GET, None) if rest == "health" => health(front),
        (&Method::GET, None) if rest == "status" => {
            let body = crate::status::status(front).to_string();
            json(StatusCode::OK, body.into())
        }
        (&Method::GET, None) if rest == "metrics" => {
            let body = crate::metrics::page(front).await;
            with_type(StatusCode::OK, text::CONTENT_TYPE, body.into())
        }
        (&Method::GET, None) if rest == "sources" => {
            let body = crate::sources::all(front, &arrived.scope).await.to_string();
            json(StatusCode::OK, body.into())
        }
        (&Method::GET, Some(("sources", id))) => {
            match crate::sources::one(front, &arrived.scope, id).await {
                Some(found) => json(StatusCode::OK, found.to_string().into()),
                None => missing(path),
            }
        }
        (&Method::GET, Some(("packages", digest))) => match digest.parse() {
            Ok(digest) => package(front, digest).await,
            Err(_not_one) => missing(path),
        },
        _ => missing(path),
    }
}

fn health(front: &Front) -> Answer {
    let (status, text) = match *front.admission.borrow() {
        Admission::Open => (StatusCode::OK, "ok"),
        Admission::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let body = serde_json::json!({ "status": text, "version": env!("CARGO_PKG_VERSION") });
    json(status, body.to_string().into())
}

async fn package(front: &Front, digest: CodeDigest) -> Answer {
    let control = std::sync::Arc::clone(&front.control);
    let read = tokio::task::spawn_blocking(move || control.zip(digest)).await;
    match read.expect("reading a package does not panic") {
        Ok(zip) => with_type(StatusCode::OK, "application/zip", zip.into()),
        Err(error) => {
            tracing::info!(%digest, %error, "a package that is not there");
            missing(&digest.to_string())
        }
    }
}

fn missing(path: &str) -> Answer {
    AwsError::not_found(format!("Hearth has nothing at {path}")).render(Protocol::RestJson)
}

/// An answer that is JSON.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Answer {
    with_type(status, "application/json", body)
}

fn with_type(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
