//! Topics of another service that speaks SNS's protocol, the query protocol.
//!
//! # Promises
//!
//! A message counts as taken only when the service has named the id that it gave to it.
//!
//! # Deliberately absent
//!
//! Subscriptions: they are the service's. Phone numbers and mobile devices as targets.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::utf8_percent_encode;

use super::ENCODED;
use super::endpoint::{Call, Endpoint, Place, RemoteError, text};
use super::refusal::{Refusal, xml_text};
use super::tls::Trust;
use crate::delivery::{AttributeValue, TopicMessage};
use crate::targets::{NotTaken, Publish, Sent};

/// The topics of an endpoint.
#[derive(Debug)]
pub struct RemoteTopics {
    endpoint: Endpoint,
}

impl RemoteTopics {
    /// The topics at `http://host:port`, or with `https`. The credentials are an access key and
    /// its secret; without a key, requests are not signed.
    ///
    /// # Errors
    ///
    /// If the endpoint is none.
    pub fn new(
        endpoint: &str,
        credentials: (&str, &str),
        trust: &Trust,
    ) -> Result<Self, RemoteError> {
        Ok(Self { endpoint: Endpoint::new(endpoint, credentials, trust)? })
    }
}

#[async_trait]
impl Publish for RemoteTopics {
    async fn publish(&self, sent: Sent<'_>, message: &TopicMessage) -> Result<(), NotTaken> {
        let call = Call {
            service: "sns",
            region: Place::of(sent.arn, "sns")?.region,
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            target: None,
            trace: sent.trace,
            body: form(&sent, message)?,
        };
        let answer = self.endpoint.call(call).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of_xml(&answer).judged(answer.status));
        }
        let body = answer.body.unwrap_or_default();
        match xml_text(&String::from_utf8_lossy(&body), "MessageId") {
            Some(_id) => Ok(()),
            None => Err(self.endpoint.odd("`MessageId`")),
        }
    }
}

/// The input of `Publish`.
fn form(sent: &Sent<'_>, message: &TopicMessage) -> Result<String, NotTaken> {
    let mut form = String::from("Action=Publish&Version=2010-03-31");
    let mut push = |name: &str, value: &str| {
        form.push('&');
        form.extend(utf8_percent_encode(name, ENCODED));
        form.push('=');
        form.extend(utf8_percent_encode(value, ENCODED));
    };
    push("TopicArn", sent.arn);
    push("Message", text(sent.body)?);
    for (name, value) in [
        ("Subject", &message.subject),
        ("MessageGroupId", &message.group),
        ("MessageDeduplicationId", &message.deduplication),
    ] {
        if let Some(value) = value {
            push(name, value);
        }
    }
    for (number, (name, attribute)) in (1_usize..).zip(&message.attributes) {
        let entry = format!("MessageAttributes.entry.{number}");
        push(&format!("{entry}.Name"), name);
        push(&format!("{entry}.Value.DataType"), &attribute.data_type);
        match &attribute.value {
            AttributeValue::Text(text) => push(&format!("{entry}.Value.StringValue"), text),
            AttributeValue::Binary(bytes) => {
                push(&format!("{entry}.Value.BinaryValue"), &STANDARD.encode(bytes));
            }
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::super::played::{Heard, Played, Reply};
    use super::*;
    use crate::delivery::MessageAttribute;

    const ARN: &str = "arn:aws:sns:us-east-2:000000000000:t";
    const TAKEN: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
        <PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";

    #[tokio::test]
    async fn a_message_is_published_with_all_that_belongs_to_it() {
        let played = Played::start([Reply::of(200, TAKEN)]).await;
        let remote =
            RemoteTopics::new(&played.endpoint(), (Heard::KEY, Heard::SECRET), &Trust::default())
                .unwrap();
        let attribute =
            |data_type: &str, value| MessageAttribute { data_type: data_type.to_owned(), value };
        let message = TopicMessage {
            subject: Some("a subject".to_owned()),
            attributes: BTreeMap::from([
                ("a".to_owned(), attribute("Binary", AttributeValue::Binary(vec![0, 255]))),
                ("b".to_owned(), attribute("String", AttributeValue::Text("1+1=2".to_owned()))),
            ]),
            group: Some("g".to_owned()),
            deduplication: Some("d".to_owned()),
        };
        let body = Bytes::from_static("h\u{e9} & more".as_bytes());
        let sent = Sent { arn: ARN, body: &body, trace: Some("Root=1") };
        assert_eq!(remote.publish(sent, &message).await, Ok(()));

        let heard = played.heard();
        let expected = "Action=Publish&Version=2010-03-31\
            &TopicArn=arn%3Aaws%3Asns%3Aus-east-2%3A000000000000%3At\
            &Message=h%C3%A9%20%26%20more&Subject=a%20subject\
            &MessageGroupId=g&MessageDeduplicationId=d\
            &MessageAttributes.entry.1.Name=a\
            &MessageAttributes.entry.1.Value.DataType=Binary\
            &MessageAttributes.entry.1.Value.BinaryValue=AP8%3D\
            &MessageAttributes.entry.2.Name=b\
            &MessageAttributes.entry.2.Value.DataType=String\
            &MessageAttributes.entry.2.Value.StringValue=1%2B1%3D2";
        assert_eq!(heard[0].body, expected);
        assert_eq!(heard[0].header("x-amzn-trace-id"), "Root=1");
        heard[0].assert_signed_for("us-east-2/sns");
    }

    #[tokio::test]
    async fn what_will_not_change_is_told_apart_from_what_may() {
        let refusal = |code: &str| {
            format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>")
        };
        #[rustfmt::skip]
        let rows = [
            (Reply::of(404, &refusal("NotFound")),           true),
            (Reply::of(403, &refusal("AuthorizationError")), true),
            (Reply::of(400, &refusal("InvalidParameter")),   true),
            (Reply::of(429, &refusal("Throttled")),          false),
            (Reply::of(400, &refusal("Throttling")),         false),
            (Reply::of(500, &refusal("InternalError")),      false),
            (Reply::of(200, "<html></html>"),                false),
            (Reply::Close,                                   false),
        ];
        for (reply, is_refused) in rows {
            let shown = format!("{reply:?}");
            let played = Played::start([reply]).await;
            let remote =
                RemoteTopics::new(&played.endpoint(), ("", ""), &Trust::default()).unwrap();
            let sent = Sent { arn: ARN, body: &Bytes::from_static(b"m"), trace: None };
            let why = remote.publish(sent, &TopicMessage::default()).await.unwrap_err();
            assert_eq!(matches!(why, NotTaken::Refused { .. }), is_refused, "{shown}: {why}");
        }
    }
}
