//! The Runtime API over HTTP: one task per connection from inside, none per environment.
//!
//! Everything from inside is hostile: bodies are read with a limit, headers have one, connections
//! are counted. A handler may close its descriptors or send nonsense; it hurts only itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hearth_types::ids::EnvironmentId;
use hearth_types::limits::{
    BODY_READ_SECONDS_MAX, INIT_ERROR_BYTES_MAX, RESPONSE_BYTES_MAX, RUNTIME_API_HEADER_BYTES_MAX,
    RUNTIME_BODIES_MAX, RUNTIME_CONNECTIONS_MAX,
};
use hearth_types::tasks::Tasks;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::session::Refusal;
use super::{Beginning, Call, Delivery, Posted, extension_server, streaming};
use crate::backend::{Connection, Door, accept};
use crate::mailbox::{Epoch, Message};

/// How much earlier than the answer to the last event the call for the next one may arrive. AWS's
/// client for Node.js fails a stream on one connection and asks on another, without a pause.
const EARLY_NEXT_MAX: Duration = Duration::from_millis(100);
const EARLY_NEXT_POLL: Duration = Duration::from_millis(5);

/// Reaches the environment's task.
#[derive(Debug, Clone)]
pub(crate) struct Driver {
    pub(crate) environment: EnvironmentId,
    pub(crate) mailbox: mpsc::Sender<Message>,
    /// The epoch of the environment as it goes on.
    pub(crate) epochs: watch::Receiver<Epoch>,
}

/// One connection's way to the environment's task.
#[derive(Debug, Clone)]
pub(super) struct Line {
    environment: EnvironmentId,
    pub(super) mailbox: mpsc::Sender<Message>,
    /// When the connection was accepted.
    pub(super) epoch: Epoch,
    /// The right to hold a body: a runtime has one answer at a time, so two are plenty, and a
    /// crowd of connections that each begin a large one costs nothing.
    bodies: Arc<Semaphore>,
}

/// Serves connections from inside until the environment's task is gone.
pub(crate) async fn serve(mut door: Box<dyn Door>, driver: Driver, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(RUNTIME_CONNECTIONS_MAX));
    let bodies = Arc::new(Semaphore::new(RUNTIME_BODIES_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let connection = tokio::select! {
            connection = accept(door.as_mut()) => connection,
            () = driver.mailbox.closed() => return,
        };
        let Driver { environment, mailbox, epochs } = driver.clone();
        let epoch = *epochs.borrow();
        let line = Line { environment, mailbox, epoch, bodies: Arc::clone(&bodies) };
        tasks.spawn("runtime api connection", async move {
            serve_connection(connection, line, epochs).await;
            drop(place);
        });
    }
}

async fn serve_connection(
    connection: Box<dyn Connection>,
    line: Line,
    mut epochs: watch::Receiver<Epoch>,
) {
    let epoch = line.epoch;
    let service = service_fn(move |request| answer(request, line.clone()));
    let serving = hyper::server::conn::http1::Builder::new()
        .max_buf_size(RUNTIME_API_HEADER_BYTES_MAX)
        // Of trailers as well: an error of a stream comes in them.
        .max_header_size(RUNTIME_API_HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(connection), service);
    let over = async move {
        // Also when nobody counts any more, because the environment is gone.
        let _ = epochs.wait_for(|now| *now != epoch).await;
    };
    tokio::select! {
        // How the connection of a runtime ends says nothing that its process does not say.
        _ended = serving => {}
        () = over => {}
    }
}

pub(super) type Answer = Response<Full<Bytes>>;

async fn answer(request: Request<Incoming>, line: Line) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let Some(call) = path.strip_prefix("/2018-06-01/") else {
        if path == "/ping" && request.method() == Method::GET {
            return Ok(plain("pong"));
        }
        return Ok(extension_server::answer(request, &line).await);
    };
    let parts: Vec<&str> = call.split('/').collect();
    let answer = match (request.method().as_str(), parts.as_slice()) {
        ("GET", ["runtime", "invocation", "next"]) => next(&line).await,
        ("POST", ["runtime", "invocation", id, "response"]) => {
            match response_mode(request.headers()) {
                Some(Mode::Buffered) => {
                    let posted = read(&line, request.into_body(), RESPONSE_BYTES_MAX).await;
                    respond(&line, id, posted).await
                }
                Some(Mode::Streaming) => {
                    let beginning =
                        Beginning { id: (*id).to_owned(), content_type: content_type(&request) };
                    streaming::respond(&line, beginning, request.into_body()).await
                }
                None => {
                    let answer = respond(&line, id, Posted::UnknownMode).await;
                    drain(request.into_body()).await;
                    answer
                }
            }
        }
        ("POST", ["runtime", "invocation", id, "error"]) => {
            let posted = match read(&line, request.into_body(), RESPONSE_BYTES_MAX).await {
                Posted::Response(body) => Posted::Error(body),
                other @ (Posted::Error(_)
                | Posted::TooLarge
                | Posted::Truncated
                | Posted::UnknownMode
                | Posted::Streamed(_)) => other,
            };
            respond(&line, id, posted).await
        }
        ("POST", ["runtime", "init", "error"]) => init_error(&line, request.into_body()).await,
        ("GET", ["runtime", "restore", "next"]) | ("POST", ["runtime", "restore", "error"]) => {
            not_found() // Only for functions with SnapStart.
        }
        _ => not_found(),
    };
    Ok(answer)
}

async fn next(line: &Line) -> Answer {
    let early_until = Instant::now() + EARLY_NEXT_MAX;
    loop {
        match ask(line, Call::Next).await {
            Ok(delivery) => return event(*delivery),
            Err(refusal) if refusal.is_of_early_next() && Instant::now() < early_until => {
                sleep(EARLY_NEXT_POLL).await;
            }
            Err(refusal) => return refused(line, refusal),
        }
    }
}

async fn respond(line: &Line, id: &str, posted: Posted) -> Answer {
    let id = id.to_owned();
    match ask(line, |reply| Call::Respond(id, posted, reply)).await {
        Ok(()) => accepted(),
        Err(refusal) => refused(line, refusal),
    }
}

async fn init_error(line: &Line, body: Incoming) -> Answer {
    let body = match read(line, body, INIT_ERROR_BYTES_MAX).await {
        Posted::Response(body) | Posted::Error(body) => body,
        Posted::TooLarge | Posted::Truncated | Posted::UnknownMode | Posted::Streamed(_) => {
            Bytes::new()
        }
    };
    match ask(line, |reply| Call::InitError(body, reply)).await {
        Ok(()) => accepted(),
        Err(refusal) => refused(line, refusal),
    }
}

/// Asks the session and waits for its verdict: for `next` that may be for ever.
pub(super) async fn ask<T>(
    line: &Line,
    call: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Call,
) -> Result<T, Refusal> {
    let (reply, verdict) = oneshot::channel();
    if line.mailbox.send(Message::Call(line.epoch, call(reply))).await.is_err() {
        return Err(Refusal::Gone);
    }
    verdict.await.unwrap_or(Err(Refusal::Gone))
}

/// Reads a body up to a limit, when it is its turn. A trailer may say that the stream failed midway.
async fn read(line: &Line, mut body: Incoming, limit: usize) -> Posted {
    let Ok(_turn) = line.bodies.acquire().await else { return Posted::Truncated };
    let reading = async {
        let posted = read_within(&mut body, limit).await;
        if posted == Posted::TooLarge {
            drain(body).await;
        }
        posted
    };
    // A function's own time limit is shorter or as long; this frees the turn of one that hangs.
    tokio::time::timeout(Duration::from_secs(BODY_READ_SECONDS_MAX), reading)
        .await
        .unwrap_or(Posted::Truncated)
}

pub(super) async fn read_within(body: &mut Incoming, limit: usize) -> Posted {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Posted::Truncated };
        match frame.into_data() {
            Ok(data) => {
                if whole.len() + data.len() > limit {
                    return Posted::TooLarge;
                }
                if whole.is_empty() && hyper::body::Body::is_end_stream(body) {
                    return Posted::Response(data); // In one piece, so not copied.
                }
                whole.extend_from_slice(&data);
            }
            Err(frame) => {
                if let Some(error) = frame.trailers_ref().and_then(streaming::trailing_error) {
                    return Posted::Error(Bytes::from(error.details));
                }
            }
        }
    }
    Posted::Response(whole.freeze())
}

/// Takes the rest of a body that is refused, within reason, so that the client sees the refusal
/// and not a broken connection.
pub(super) async fn drain(mut body: Incoming) {
    let mut left = 4 * RESPONSE_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// How a runtime says that its answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Buffered,
    Streaming,
}

/// `None` if it says what does not exist.
fn response_mode(headers: &HeaderMap) -> Option<Mode> {
    match headers.get("lambda-runtime-function-response-mode").map(HeaderValue::as_bytes) {
        None => Some(Mode::Buffered),
        Some(mode) => mode.eq_ignore_ascii_case(b"streaming").then_some(Mode::Streaming),
    }
}

fn content_type(request: &Request<Incoming>) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?;
    value.to_str().ok().map(str::to_owned)
}

/// An event as the runtime gets it. Empty headers are left out: clients stumble over them.
fn event(delivery: Delivery) -> Answer {
    let Delivery { invocation, deadline_ms } = delivery;
    let mut answer = Response::new(Full::new(invocation.payload));
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
            && !value.is_empty()
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json");
    set("lambda-runtime-aws-request-id", &invocation.id.to_string());
    set("lambda-runtime-deadline-ms", &deadline_ms.to_string());
    set("lambda-runtime-invoked-function-arn", &invocation.invoked_arn);
    set("lambda-runtime-trace-id", &invocation.trace);
    set("lambda-runtime-client-context", invocation.client_context.as_deref().unwrap_or_default());
    answer
}

pub(super) fn refused(line: &Line, refusal: Refusal) -> Answer {
    // As often as what is inside likes, so only for those who look closely.
    tracing::debug!(environment = %line.environment, ?refusal, "a call of the runtime is refused");
    match refusal {
        Refusal::InvalidStateTransition { from, to } => {
            let text = format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            );
            error(StatusCode::FORBIDDEN, "InvalidStateTransition", &text)
        }
        Refusal::InvalidRequestId => {
            error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
        }
        Refusal::TooLarge { limit } => {
            let text = format!("Exceeded maximum allowed payload size ({limit} bytes).");
            error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &text)
        }
        Refusal::Truncated => {
            error(StatusCode::BAD_REQUEST, "Runtime.TruncatedResponse", "Truncated HTTP request")
        }
        Refusal::UnknownMode => {
            let kind = "Runtime.InvalidResponseModeHeader";
            error(StatusCode::BAD_REQUEST, kind, "Invalid response mode")
        }
        Refusal::Gone => {
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "shutting down")
        }
    }
}

pub(super) fn error(status: StatusCode, kind: &str, text: &str) -> Answer {
    let body = serde_json::json!({ "errorMessage": text, "errorType": kind });
    json(status, format!("{body}\n"))
}

pub(super) fn accepted() -> Answer {
    json(StatusCode::ACCEPTED, "{\"status\":\"OK\"}\n".to_owned())
}

pub(super) fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn plain(text: &'static str) -> Answer {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())))
}

pub(super) fn not_found() -> Answer {
    let mut answer = plain("404 page not found\n");
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}
