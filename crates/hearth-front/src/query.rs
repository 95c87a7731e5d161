//! The query protocol: a form goes to `/`, its `Version` says which service is meant, XML comes
//! back. A form for a queue may go to the path of the queue as well, and be a query string.

use std::sync::Arc;

use bytes::Bytes;
use hearth_http::balancers::Balancers;
use hearth_iam::{Caller, Iam};
use hearth_services::topics::{Proof, Topics};
use hearth_types::names::{AccountId, Scope};
use hearth_types::time::Timestamp;
use hearth_wire::aws_query::{self, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::Value;

use crate::body;
use crate::front::{Answer, Arrived, Front};
use crate::query_error::Refusal;
use crate::server::Admission;
use crate::{elb, iam, sns, sqs, sts};

/// The largest request: messages of a megabyte together, each byte written as `%22`, and the rest.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// AWS's namespace of errors that belong to no service.
const NO_SERVICE: &str = "http://webservices.amazon.com/AWSFault/2005-15-09";

/// Whether this is a request of this protocol: a form, or a link that somebody follows.
pub(crate) fn is_query(arrived: &Arrived) -> bool {
    let path = arrived.head.uri.path();
    (path == "/" || sqs::is_queue_path(path))
        && arrived.header("x-amz-target").is_none()
        && (is_link(&arrived.head) || is_form(arrived))
}

fn is_link(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    head.method == Method::GET && query.split('&').any(|pair| pair.starts_with("Action="))
}

fn is_form(arrived: &Arrived) -> bool {
    let is_form = arrived.header("content-type").is_some_and(|kind| {
        let essence = kind.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    is_form && arrived.head.method == Method::POST
}

/// Answers a request. There is always an answer.
pub(crate) async fn answer(front: &Arc<Front>, arrived: Arrived) -> Answer {
    let id = arrived.id;
    let path = arrived.head.uri.path().to_owned();
    if *front.admission.borrow() == Admission::Draining {
        return Refusal::draining().render(NO_SERVICE, id);
    }
    let token = arrived.header("x-amz-security-token").map(str::to_owned);
    let trace = arrived.header("x-amzn-trace-id").map(str::to_owned);
    let is_signed = arrived.head.headers.contains_key(AUTHORIZATION);
    let proof = if is_signed { Proof::Signed } else { Proof::Nothing };
    let Arrived { scope, head, body, .. } = arrived;
    let (service, request) = match read(front, &head, body).await {
        Ok(read) => read,
        Err(refusal) => return refusal.render(NO_SERVICE, id),
    };
    if service == Service::Sqs {
        // Whoever waits for messages is given up with the connection, so it is no task.
        let call = sqs::Call::of(front, &head, scope);
        return sqs::answer_query(front, (call, id, &path), request).await;
    }
    let caller = Caller::new(scope.account.clone(), token.as_deref());
    let action = request.action.clone();
    let call = Call {
        iam: Arc::clone(&front.iam),
        topics: Arc::clone(&front.topics),
        balancers: Arc::clone(&front.balancers),
        own_account: front.scope.account.clone(),
        caller,
        scope,
        trace,
        proof,
        request,
    };
    let performing = async move { perform(service, call).await };
    let result = front.finished(performing).await;
    match result.unwrap_or_else(|| Err(Refusal::broken())) {
        Ok(result) => {
            let namespace = service.namespace();
            let body = aws_query::output(&action, namespace, &result, &id.to_string());
            xml(StatusCode::OK, body)
        }
        Err(refusal) => refusal.render(service.namespace(), id),
    }
}

async fn read(front: &Front, head: &Parts, body: Incoming) -> Result<(Service, Request), Refusal> {
    let held = body::read(body, BODY_BYTES_MAX, &front.body_room).await;
    let held = held.map_err(|error| Refusal::of_body(error, BODY_BYTES_MAX))?;
    let is_queue = sqs::is_queue_path(head.uri.path());
    let in_query = head.uri.query().filter(|_| is_link(head));
    let form = in_query.map_or_else(|| held.bytes.as_ref(), str::as_bytes);
    let mut request = aws_query::input(form).map_err(|error| Refusal::of_form(&error))?;
    if request.version.is_empty() && is_queue {
        request.version = sqs::VERSION.to_owned();
    }
    // A link is followed too easily to delete something with it; no client writes others.
    if in_query.is_some() && !is_queue && !sns::LINKED.contains(&request.action.as_str()) {
        return Err(Refusal::unknown_action(&request.action, &request.version));
    }
    if let Some(said) = front.elsewhere.of_version(&request.version) {
        return Err(Refusal::elsewhere(said));
    }
    let service = Service::of(&request)?;
    Ok((service, request))
}

/// An answer in XML.
pub(crate) fn xml(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static(aws_query::CONTENT_TYPE);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// `2026-11-23T03:20:35Z`: how the services of this protocol print a time.
pub(crate) fn date(at: Timestamp) -> String {
    let precise = at.iso();
    precise.split_once('.').map_or_else(|| precise.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// One call of an operation.
struct Call {
    iam: Arc<Iam>,
    topics: Arc<Topics>,
    balancers: Arc<Balancers>,
    own_account: AccountId,
    caller: Caller,
    scope: Scope,
    trace: Option<String>,
    proof: Proof,
    request: Request,
}

async fn perform(service: Service, call: Call) -> Result<Value, Refusal> {
    let Call { iam, topics, balancers, own_account, caller, scope, trace, proof, request } = call;
    match service {
        Service::Sns => {
            let asker = sns::Asked { topics: &topics, scope, trace, proof };
            sns::perform(asker, request).await
        }
        Service::Elb => {
            let asked = elb::Asked { balancers: &balancers, scope };
            elb::perform(asked, request).await
        }
        Service::Iam => iam::perform(&iam, &caller, request).await,
        Service::Sts => sts::perform(&iam, (&caller, &own_account), request),
        // Answered before: see `answer`.
        Service::Sqs => Err(Refusal::broken()),
    }
}

/// The services that speak this protocol here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Elb,
    Iam,
    Sns,
    Sts,
    Sqs,
}

/// Other services that speak it, by the version of their API, so that a refusal names them.
#[rustfmt::skip]
const NOT_BUILT: &[(&str, &str)] = &[
    ("2010-05-15", "CloudFormation"),
    ("2010-08-01", "CloudWatch"),
    ("2016-11-15", "EC2"),
];

impl Service {
    fn of(request: &Request) -> Result<Self, Refusal> {
        match request.version.as_str() {
            "2010-03-31" => Ok(Self::Sns),
            "2010-05-08" => Ok(Self::Iam),
            // The links in messages of SNS name no version.
            "" if sns::OFFERED.contains(&request.action.as_str()) => Ok(Self::Sns),
            "2011-06-15" => Ok(Self::Sts),
            elb::VERSION => Ok(Self::Elb),
            sqs::VERSION => Ok(Self::Sqs),
            other => Err(match NOT_BUILT.iter().find(|(version, _)| *version == other) {
                Some((_, service)) => Refusal::not_built(service, &request.action),
                None => Refusal::unknown_action(&request.action, other),
            }),
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Elb => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Sqs => "http://queue.amazonaws.com/doc/2012-11-05/",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_whole_seconds() {
        assert_eq!(date(Timestamp(1_795_404_035_123)), "2026-11-23T03:20:35Z");
        assert_eq!(date(Timestamp(0)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_version_says_which_service_is_meant() {
        let of = |version: &str| {
            Service::of(&Request {
                action: "Publish".to_owned(),
                version: version.to_owned(),
                parameters: Value::Null,
            })
        };
        assert_eq!(of("2010-05-08"), Ok(Service::Iam));
        assert_eq!(of("2011-06-15"), Ok(Service::Sts));
        assert_eq!(of("2015-12-01"), Ok(Service::Elb));
        assert_eq!(of("2010-03-31"), Ok(Service::Sns));
        assert_eq!(of(""), Ok(Service::Sns));
        assert_eq!(of("2016-11-15"), Err(Refusal::not_built("EC2", "Publish")));
        assert_eq!(of("2012-11-05"), Ok(Service::Sqs));
        assert_eq!(of("1999-01-01"), Err(Refusal::unknown_action("Publish", "1999-01-01")));
    }
}
