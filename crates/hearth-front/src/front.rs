//! Routing: which service, which operation, whose account.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hearth_control::control::Control;
use hearth_environment::backend::Connection;
use hearth_environment::driver::Gateway;
use hearth_http::apis::Apis;
use hearth_http::balancers::Balancers;
use hearth_http::request::Scheme;
use hearth_http::rest::RestApis;
use hearth_http::site::Sites;
use hearth_http::sockets::Sockets;
use hearth_iam::Iam;
use hearth_invoke::Invoker;
use hearth_runtimes::Runtimes;
use hearth_scheduler::driver::Scheduler;
use hearth_services::buckets::Buckets;
use hearth_services::buses::Buses;
use hearth_services::objects::ObjectSource;
use hearth_services::queues::Queues;
use hearth_services::schedules::Schedules;
use hearth_services::streams::Streams;
use hearth_services::targets::{Publish, SendMessage};
use hearth_services::topics::Topics;
use hearth_sources::progress::Book;
use hearth_telemetry::LogStore;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::names::Scope;
use hearth_types::tasks::Tasks;
use hearth_wire::lambda::{self, Operation};
use hearth_wire::{aws_json, logs, route};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request;
use hyper::{Request, Response};
use tokio::sync::{oneshot, watch};

use crate::body::{self, BodyRoom, Held};
use crate::connections::Managed;
use crate::elsewhere::Elsewhere;
use crate::error::{AwsError, Protocol};
use crate::invoke_stream::{self, EventStream};
use crate::metrics::MetricsPage;
use crate::s3::{self, ObjectBody};
use crate::s3_events::{self, EventSources};
use crate::server::{Admission, serve_connection};
use crate::traffic::{self, Carrier, SiteBody};
use crate::{
    apigateway, apigatewayv2, buses, caller, connections, events, invoke, kinesis,
    lambda as lambda_operations, logs as log_operations, own, query, rest_json, scheduler, sns,
    sqs,
};

/// What the front door answers, most of the time.
pub(crate) type Answer = Response<Full<Bytes>>;
/// What it answers at any time: bytes, an object, or what is not all there yet.
pub(crate) type AnyBody = Either<ObjectBody, Either<EventStream, SiteBody>>;

/// The front door.
#[derive(Debug)]
pub struct Front {
    /// The control plane.
    pub control: Arc<Control>,
    /// Roles and policies.
    pub iam: Arc<Iam>,
    /// Our own buckets.
    pub buckets: Arc<Buckets>,
    /// HTTP and WebSocket APIs.
    pub apis: Arc<Apis>,
    /// REST APIs.
    pub rest_apis: Arc<RestApis>,
    /// Load balancers.
    pub balancers: Arc<Balancers>,
    /// Connections of WebSocket APIs.
    pub sockets: Arc<Sockets>,
    /// Our own event buses.
    pub event_buses: Arc<Buses>,
    /// Our own schedules.
    pub schedules: Arc<Schedules>,
    /// Where code comes from that is named by bucket and key.
    pub objects: Arc<dyn ObjectSource>,
    /// Our own topics.
    pub topics: Arc<Topics>,
    /// Our own queues.
    pub queues: Arc<Queues>,
    /// Our own streams.
    pub streams: Arc<Streams>,
    /// What runs functions.
    pub invoker: Arc<Invoker>,
    /// What has their environments.
    pub scheduler: Arc<Scheduler>,
    /// The logs.
    pub logs: Arc<LogStore>,
    /// The figures.
    pub metrics: MetricsPage,
    /// What has been done for event source mappings.
    pub mappings: Arc<Book>,
    /// The runtimes.
    pub runtimes: Arc<Runtimes>,
    /// The account and region of callers who name none.
    pub scope: Scope,
    /// What requests can be for that are not calls of the API.
    pub sites: Sites,
    /// The services that are served by others.
    pub elsewhere: Elsewhere,
    /// Who takes messages, wherever it is.
    pub targets: Destinations,
    /// Stores elsewhere that post their events.
    pub event_sources: EventSources,
    /// Whether new work is taken.
    pub admission: watch::Receiver<Admission>,
    /// The owner of changes, which outlive the connection that asked for them.
    pub tasks: Tasks,
    /// Connections at a time.
    pub connections_max: usize,
    /// Memory for the bodies of all requests together.
    pub body_room: BodyRoom,
}

/// Who takes messages for queues and topics: our own, or others in their place.
#[derive(Debug, Clone)]
pub struct Destinations {
    /// For queues.
    pub queues: Arc<dyn SendMessage>,
    /// For topics.
    pub topics: Arc<dyn Publish>,
}

/// A request whose body has not been read.
pub(crate) struct Arrived {
    pub(crate) id: RequestId,
    pub(crate) scope: Scope,
    /// Who asks. Functions, which have no network but this server, are at its own address.
    pub(crate) from: IpAddr,
    pub(crate) head: request::Parts,
    pub(crate) body: Incoming,
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn query(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }
}

impl Front {
    /// Answers a request. There is always an answer.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        carrier: Carrier,
    ) -> Result<Response<AnyBody>, Infallible> {
        let (head, body) = request.into_parts();
        let mut managed = None;
        if let Some(found) = traffic::find(&self.sites, &head) {
            managed = Managed::of(&found);
            if managed.is_none() {
                return Ok(traffic::answer(self, found, (head, body), carrier).await);
            }
        }
        let id = RequestId::random();
        let scope = caller::scope(&head.headers, &self.scope);
        let arrived = Arrived { id, scope, from: carrier.from, head, body };
        let mut answer = if let Some(managed) = managed {
            whole(connections::answer(self, &managed, arrived).await)
        } else if s3::is_s3(&arrived.head, &self.buckets) {
            s3::answer(self, arrived).await.map(Either::Left)
        } else {
            self.route(arrived).await
        };
        let value = HeaderValue::from_str(&id.to_string()).expect("an id has no odd characters");
        answer.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), value);
        Ok(answer)
    }

    async fn route(self: &Arc<Self>, arrived: Arrived) -> Response<AnyBody> {
        if events::is_ours(arrived.head.uri.path()) {
            return whole(events::answer(self, arrived).await);
        }
        if s3_events::is_ours(arrived.head.uri.path()) {
            return whole(s3_events::answer(self, arrived).await);
        }
        if arrived.head.uri.path().starts_with(own::PREFIX) {
            return whole(own::answer(self, &arrived).await);
        }
        if let Some(managed) = Managed::anywhere(arrived.head.uri.path()) {
            return whole(connections::answer(self, &managed, arrived).await);
        }
        if sns::is_certificate(&arrived) {
            return whole(sns::certificate(self, &arrived).await);
        }
        if query::is_query(&arrived) {
            return whole(query::answer(self, arrived).await);
        }
        let target = arrived.header("x-amz-target").map(str::to_owned);
        let is_draining = *self.admission.borrow() == Admission::Draining;
        if let Some(target) = target {
            let service = JsonService::of(&target);
            if service == JsonService::Streams {
                return if is_draining {
                    whole(kinesis::draining(&arrived))
                } else {
                    kinesis::answer(self, arrived, &target).await
                };
            }
            return whole(if is_draining {
                service.draining()
            } else {
                self.aws_json(service, arrived, &target).await
            });
        }
        if is_draining {
            return whole(AwsError::draining().render(Protocol::RestJson));
        }
        if apigatewayv2::is_ours(arrived.head.uri.path()) {
            return whole(apigatewayv2::answer(self, arrived).await);
        }
        if apigateway::is_ours(arrived.head.uri.path()) {
            return whole(apigateway::answer(self, arrived).await);
        }
        if scheduler::is_ours(arrived.head.uri.path()) {
            return whole(scheduler::answer(self, arrived).await);
        }
        let answer = self.rest_json(arrived).await;
        answer.unwrap_or_else(|error| whole(error.render(Protocol::RestJson)))
    }

    async fn rest_json(self: &Arc<Self>, arrived: Arrived) -> Result<Response<AnyBody>, AwsError> {
        let method = arrived.head.method.clone();
        let uri = arrived.head.uri.clone();
        let matched = route::find(&lambda::SERVICE, method.as_str(), uri.path(), arrived.query());
        let Ok(matched) = matched else {
            return Err(AwsError::unknown_path(method.as_str(), uri.path()));
        };
        let operation = Operation::of(matched.operation);
        if operation == Operation::Invoke {
            return invoke::answer(self, arrived, &matched).await.map(whole);
        }
        if operation == Operation::InvokeAsync {
            return invoke::answer_async(self, arrived, &matched).await.map(whole);
        }
        if operation == Operation::InvokeWithResponseStream {
            return invoke_stream::answer(self, arrived, &matched).await;
        }
        let asked = rest_json::read_matched(self, &matched, arrived, AwsError::from).await?;
        let (host, input) = (asked.host(), asked.input);
        let call = lambda_operations::Call { front: Arc::clone(self), scope: asked.scope, host };
        let performing = async move { lambda_operations::perform(&call, operation, input).await };
        let output = self.finished(performing).await.ok_or_else(AwsError::broken)??;
        Ok(whole(rest_json::answer(matched.operation, output)))
    }

    /// Finishes what has begun, also when the client goes away in the middle of it: half of a change
    /// would be in the store and half of it not in memory. Nothing came of it if it panicked.
    pub(crate) async fn finished<T: Send + 'static>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, done) = oneshot::channel();
        self.tasks.spawn("operation", async move {
            let _ = sender.send(change.await);
        });
        done.await.ok()
    }

    pub(crate) async fn read(&self, body: Incoming, operation: &str) -> Result<Held, AwsError> {
        let limit = limits::REQUEST_BODY_BYTES_MAX;
        let read = body::read(body, limit, &self.body_room).await;
        read.map_err(|error| AwsError::of_body(error, limit, operation))
    }

    async fn aws_json(
        self: &Arc<Self>,
        service: JsonService,
        arrived: Arrived,
        target: &str,
    ) -> Answer {
        if let Some(said) = self.elsewhere.of_target(target) {
            return AwsError::elsewhere(said).render(Protocol::AwsJson);
        }
        match service {
            JsonService::Buses => {
                let answer = buses::answer(self, arrived, target).await;
                answer.unwrap_or_else(|error| error.render(Protocol::AwsJson))
            }
            JsonService::Queues => sqs::answer_json(self, arrived, target).await,
            JsonService::Logs => {
                let answer = self.logs(arrived, target).await;
                answer.unwrap_or_else(|error| error.render(Protocol::AwsJson))
            }
            // Those have answers that are not all there at once, and go another way.
            JsonService::Streams | JsonService::Unknown => {
                AwsError::unknown_path("POST", target).render(Protocol::AwsJson)
            }
        }
    }

    async fn logs(&self, arrived: Arrived, target: &str) -> Result<Answer, AwsError> {
        let operation = match aws_json::find(&logs::SERVICE, target) {
            Ok(operation) => operation,
            Err(aws_json::TargetError::NotBuilt(name)) => {
                return Err(AwsError::not_built("CloudWatch Logs", name));
            }
            Err(aws_json::TargetError::Unknown) => {
                return Err(AwsError::unknown_path("POST", target));
            }
        };
        let scope = arrived.scope.clone();
        let body = self.read(arrived.body, operation.name).await?;
        let input = aws_json::input(operation, &body.bytes)?;
        let operation = logs::Operation::of(operation);
        let output = log_operations::perform(&self.logs, &scope, operation, input).await?;
        let answer = aws_json::output(&output);
        Ok(from_wire(answer.status, &answer.headers, answer.body))
    }
}

/// The services whose requests name their operation in `X-Amz-Target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonService {
    Buses,
    Logs,
    Queues,
    Streams,
    Unknown,
}

impl JsonService {
    /// What stands before the dot says which one is meant.
    fn of(target: &str) -> Self {
        let prefix = target.split_once('.').map(|(prefix, _operation)| prefix);
        if prefix == logs::SERVICE.target_prefix {
            Self::Logs
        } else if prefix == hearth_wire::sqs::SERVICE.target_prefix {
            Self::Queues
        } else if prefix == hearth_wire::events::SERVICE.target_prefix {
            Self::Buses
        } else if prefix == hearth_wire::kinesis::SERVICE.target_prefix {
            Self::Streams
        } else {
            Self::Unknown
        }
    }

    /// What is answered while no new work is taken.
    fn draining(self) -> Answer {
        match self {
            Self::Queues => sqs::draining_json(),
            Self::Buses | Self::Logs | Self::Streams | Self::Unknown => {
                AwsError::draining().render(Protocol::AwsJson)
            }
        }
    }
}

/// An answer that is all there.
pub(crate) fn whole(answer: Answer) -> Response<AnyBody> {
    answer.map(|body| Either::Left(Either::Left(body)))
}

/// An answer as the protocols place it.
pub(crate) fn from_wire(status: u16, headers: &[(&'static str, String)], body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status.try_into().expect("operations have valid statuses");
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// How requests of functions come: at the endpoint inside their environment.
const INSIDE: Carrier =
    Carrier { scheme: Scheme::Http, port: 4566, from: IpAddr::V4(Ipv4Addr::LOCALHOST) };

/// Serves connections that come from inside environments.
#[derive(Debug, Default)]
pub struct InsideGateway {
    front: std::sync::OnceLock<Arc<Front>>,
}

impl InsideGateway {
    /// Opens the gateway. The front door needs the scheduler, and the scheduler's environments
    /// need this, so it is opened when both exist and before there is any environment.
    pub fn open(&self, front: Arc<Front>) {
        let _ = self.front.set(front);
    }
}

impl Gateway for InsideGateway {
    fn serve(&self, connection: Box<dyn Connection>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self.front.get() {
            Some(front) => {
                let admission = front.admission.clone();
                Box::pin(serve_connection(connection, Arc::clone(front), admission, INSIDE))
            }
            None => Box::pin(std::future::ready(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_says_which_service_is_meant() {
        #[rustfmt::skip]
        let rows = [
            ("Logs_20140328.GetLogEvents", JsonService::Logs),
            ("AmazonSQS.SendMessage",      JsonService::Queues),
            ("AWSEvents.PutEvents",        JsonService::Buses),
            ("Kinesis_20131202.PutRecord", JsonService::Streams),
            ("AmazonSQS",                  JsonService::Unknown),
            ("DynamoDB_20120810.GetItem",  JsonService::Unknown),
            ("",                           JsonService::Unknown),
        ];
        for (target, service) in rows {
            assert_eq!(JsonService::of(target), service, "{target}");
        }
    }
}
