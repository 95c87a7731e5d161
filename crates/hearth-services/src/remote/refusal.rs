//! What a service answers when it does not do what it is asked, and whether asking again can help.

use hyper::StatusCode;
use serde_json::Value;

use super::client::Answer;
use crate::targets::NotTaken;

/// AWS: codes of errors that pass, whatever status they come with.
#[rustfmt::skip]
const PASSING: &[&str] = &[
    // Too much at a time.
    "BandwidthLimitExceeded", "EC2ThrottledException", "KmsThrottled", "KMSThrottlingException",
    "LimitExceededException", "PriorRequestNotComplete", "ProvisionedThroughputExceededException",
    "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown",
    "ThrottledException", "Throttled", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
    // A fault of the service itself.
    "InternalError", "InternalException", "InternalFailure", "RequestTimeout",
    "RequestTimeoutException", "ServiceUnavailable",
    // A clock that can be set right.
    "RequestExpired", "RequestTimeTooSkewed",
];

/// A refusal in the words of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Such as `QueueDoesNotExist`.
    pub(super) code: String,
    /// What it says to it.
    pub(super) message: String,
}

impl Refusal {
    /// Of a service that answers in JSON.
    pub(super) fn of_json(answer: &Answer) -> Self {
        let said: Value = serde_json::from_slice(said(answer)).unwrap_or_default();
        let text = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| said.get(*name)?.as_str());
            found.map(str::to_owned)
        };
        // `com.amazonaws.sqs#QueueDoesNotExist`, and from some with an address behind it.
        let code = text(["__type", "code"]).map(|code| {
            let code = code.rsplit('#').next().unwrap_or_default();
            code.split(':').next().unwrap_or_default().to_owned()
        });
        Self::complete(answer.status, code, text(["message", "Message"]))
    }

    /// Of a service that answers in XML.
    pub(super) fn of_xml(answer: &Answer) -> Self {
        let said = String::from_utf8_lossy(said(answer));
        Self::complete(answer.status, xml_text(&said, "Code"), xml_text(&said, "Message"))
    }

    fn complete(status: StatusCode, code: Option<String>, message: Option<String>) -> Self {
        let status = status.as_u16();
        let code = code.filter(|code| !code.is_empty()).unwrap_or_else(|| status.to_string());
        let message = message.unwrap_or_else(|| {
            format!("The endpoint answered with status {status} and no reason.")
        });
        Self { code, message }
    }

    /// Whether asking again can help.
    pub(super) fn judged(self, status: StatusCode) -> NotTaken {
        let Self { code, message } = self;
        if passes(status) || PASSING.contains(&code.as_str()) {
            return NotTaken::Failed { message: format!("{code}: {message}") };
        }
        NotTaken::Refused { code, message }
    }
}

/// Whether a status says that asking again can help.
pub(super) fn passes(status: StatusCode) -> bool {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || status.is_informational() || passing.contains(&status)
}

/// The text of the first element of a name.
pub(super) fn xml_text(said: &str, name: &str) -> Option<String> {
    let (_, behind) = said.split_once(&format!("<{name}>"))?;
    let (text, _) = behind.split_once(&format!("</{name}>"))?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Some(text.replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&"))
}

fn said(answer: &Answer) -> &[u8] {
    answer.body.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        let body = Some(body.as_bytes().to_vec());
        Answer { status, headers: hyper::HeaderMap::new(), body }
    }

    #[test]
    fn refusals_in_json() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "a"}"#, "QueueDoesNotExist", "a"),
            (r#"{"__type": "AccessDeniedException", "Message": "b"}"#,                "AccessDeniedException", "b"),
            (r#"{"code": "Invalid:http://internal/", "message": "c"}"#,               "Invalid", "c"),
            (r#"{"__type": 5}"#, "400", "The endpoint answered with status 400 and no reason."),
            ("no JSON",          "400", "The endpoint answered with status 400 and no reason."),
        ];
        for (body, code, message) in rows {
            let expected = Refusal { code: code.to_owned(), message: message.to_owned() };
            assert_eq!(Refusal::of_json(&answer(400, body)), expected, "{body}");
        }
    }

    #[test]
    fn refusals_in_xml() {
        let body = "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>NotFound</Code>\
            <Message>Topic &quot;a&quot; &amp;amp; more</Message></Error></ErrorResponse>";
        let expected =
            Refusal { code: "NotFound".to_owned(), message: "Topic \"a\" &amp; more".to_owned() };
        assert_eq!(Refusal::of_xml(&answer(404, body)), expected);
        assert_eq!(Refusal::of_xml(&answer(404, "<Code></Code>")).code, "404");
    }

    #[test]
    fn what_may_change_is_told_apart_from_what_will_not() {
        #[rustfmt::skip]
        let rows = [
            (400, "QueueDoesNotExist",   false),
            (403, "AccessDenied",        false),
            (404, "NotFound",            false),
            (302, "302",                 false),
            (400, "RequestThrottled",    true),
            (400, "ThrottlingException", true),
            (403, "Throttling",          true),
            (408, "408",                 true),
            (429, "429",                 true),
            (500, "InternalFailure",     true),
            (503, "anything",            true),
        ];
        for (status, code, may_change) in rows {
            let refusal = Refusal { code: code.to_owned(), message: "why".to_owned() };
            let expected = if may_change {
                NotTaken::Failed { message: format!("{code}: why") }
            } else {
                NotTaken::Refused { code: code.to_owned(), message: "why".to_owned() }
            };
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refusal.judged(status), expected, "{status} {code}");
        }
    }
}
