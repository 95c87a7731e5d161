//! SNS' operations: parameters to topics and back, and what messages link to.
//!
//! A message names three addresses on this server: its certificate, and two links that confirm or
//! end a subscription. Whoever follows a link has no signature; the token or the subscription in it
//! says what is meant, also in which account and region.

mod publishing;
mod subscriptions;
mod topics;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_services::topics::{Asker, Attributes, Page, Proof, TopicError, Topics};
use hearth_types::names::Scope;
use hearth_wire::aws_query::Request;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response};
use serde_json::{Value, json};

use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

/// What is offered.
pub(crate) const OFFERED: &[&str] = &[
    "AddPermission",
    "ConfirmSubscription",
    "CreateTopic",
    "DeleteTopic",
    "GetSubscriptionAttributes",
    "GetTopicAttributes",
    "ListSubscriptions",
    "ListSubscriptionsByTopic",
    "ListTagsForResource",
    "ListTopics",
    "Publish",
    "PublishBatch",
    "RemovePermission",
    "SetSubscriptionAttributes",
    "SetTopicAttributes",
    "Subscribe",
    "TagResource",
    "Unsubscribe",
    "UntagResource",
];

/// What messages link to. Each takes a secret: a token, or the id of a subscription.
pub(crate) const LINKED: &[&str] = &["ConfirmSubscription", "Unsubscribe"];

/// What the name of a certificate begins and ends with.
const CERTIFICATE: (&str, &str) = ("/SimpleNotificationService-", ".pem");

/// Who asks, and of whom.
pub(crate) struct Asked<'a> {
    pub(crate) topics: &'a Topics,
    pub(crate) scope: Scope,
    pub(crate) trace: Option<String>,
    pub(crate) proof: Proof,
}

/// One call of an operation.
struct Call<'a> {
    asked: Asked<'a>,
    parameters: Parameters,
}

impl Asked<'_> {
    fn asker(&self) -> Asker<'_> {
        Asker { scope: &self.scope, trace: self.trace.as_deref() }
    }
}

/// Performs an operation. `Null` is the result of one that answers nothing.
pub(crate) async fn perform(asked: Asked<'_>, request: Request) -> Result<Value, Refusal> {
    let action = request.action.as_str();
    if !OFFERED.contains(&action) {
        return Err(Refusal::not_built("SNS", action));
    }
    let call = Call { asked, parameters: Parameters::new(request.parameters) };
    match action {
        "CreateTopic" => topics::create(call).await,
        "DeleteTopic" => topics::delete(call).await,
        "ListTopics" => topics::list(call),
        "GetTopicAttributes" => topics::attributes(call),
        "SetTopicAttributes" => topics::set_attribute(call).await,
        "AddPermission" => topics::add_permission(call).await,
        "RemovePermission" => topics::remove_permission(call).await,
        "TagResource" => topics::tag(call).await,
        "UntagResource" => topics::untag(call).await,
        "ListTagsForResource" => topics::list_tags(call),

        "Subscribe" => subscriptions::subscribe(call).await,
        "ConfirmSubscription" => subscriptions::confirm(call).await,
        "Unsubscribe" => subscriptions::unsubscribe(call).await,
        "ListSubscriptions" => subscriptions::list(call),
        "ListSubscriptionsByTopic" => subscriptions::list_by_topic(call),
        "GetSubscriptionAttributes" => subscriptions::attributes(call),
        "SetSubscriptionAttributes" => subscriptions::set_attribute(call).await,

        "Publish" => publishing::publish(call).await,
        "PublishBatch" => publishing::publish_batch(call).await,
        other => Err(Refusal::not_built("SNS", other)),
    }
}

/// Whether somebody wants a certificate that a message has named.
pub(crate) fn is_certificate(arrived: &Arrived) -> bool {
    let path = arrived.head.uri.path();
    arrived.head.method == Method::GET
        && path.starts_with(CERTIFICATE.0)
        && path.ends_with(CERTIFICATE.1)
}

/// Answers with a certificate.
pub(crate) async fn certificate(front: &Front, arrived: &Arrived) -> Answer {
    let path = arrived.head.uri.path();
    let name = path.trim_start_matches('/');
    match front.topics.certificate(name).await {
        Ok(Some(pem)) => {
            let mut answer = Response::new(Full::new(pem.into()));
            let kind = HeaderValue::from_static("application/x-pem-file");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            answer
        }
        Ok(None) => {
            let told = format!("Hearth has nothing at {path}");
            AwsError::not_found(told).render(Protocol::RestJson)
        }
        Err(error) => {
            tracing::error!(%error, "the certificate of notifications cannot be read");
            AwsError::broken().render(Protocol::RestJson)
        }
    }
}

/// Attributes, as SNS answers them.
fn shown_attributes(attributes: Attributes) -> Value {
    let entries = attributes.into_iter().map(|(key, value)| json!({ "key": key, "value": value }));
    json!({ "Attributes": { "entry": entries.collect::<Vec<Value>>() } })
}

/// A page of a listing, as SNS answers it.
fn listed<T>(name: &str, page: Page<T>, each: impl FnMut(T) -> Value) -> Value {
    let token = page.next.map(|next| STANDARD.encode(next));
    let items: Vec<Value> = page.items.into_iter().map(each).collect();
    json!({ name: items, "NextToken": token })
}

/// What the page begins behind.
fn behind(parameters: &mut Parameters) -> Result<Option<String>, Refusal> {
    let Some(token) = parameters.text("NextToken") else { return Ok(None) };
    let key = STANDARD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.map(Some).ok_or_else(|| invalid("NextToken"))
}

/// `Invalid parameter: ` and what about it.
fn invalid(what: &str) -> Refusal {
    let told = format!("Invalid parameter: {what}");
    TopicError::InvalidParameter(told).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_in_order_and_there_once() {
        assert!(OFFERED.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn a_page_leads_to_the_next_one() {
        let page = Page { items: vec![1, 2], next: Some("key".to_owned()) };
        let answer = listed("Items", page, |item| json!(item));
        assert_eq!(answer, json!({ "Items": [1, 2], "NextToken": "a2V5" }));
        let mut parameters = Parameters::new(json!({ "NextToken": "a2V5" }));
        assert_eq!(behind(&mut parameters), Ok(Some("key".to_owned())));
        let mut parameters = Parameters::new(json!({ "NextToken": "%" }));
        assert_eq!(behind(&mut parameters), Err(invalid("NextToken")));
    }
}
