//! Event buses of another service that speaks EventBridge's protocol, AWS JSON 1.1.
//!
//! # Promises
//!
//! An event counts as taken only when the service has named the id that it gave to it.
//!
//! # Deliberately absent
//!
//! Of an event that one bus passes to another, the protocol carries the time alone. Id, account and
//! region are given anew by the service.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::endpoint::{Call, Endpoint, Place, RemoteError, text};
use super::refusal::Refusal;
use super::tls::Trust;
use crate::delivery::BusEvent;
use crate::targets::{NotTaken, PutEvent, Sent};

/// The event buses of an endpoint.
#[derive(Debug)]
pub struct RemoteBuses {
    endpoint: Endpoint,
}

impl RemoteBuses {
    /// The buses at `http://host:port`, or with `https`. The credentials are an access key and
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
impl PutEvent for RemoteBuses {
    async fn put(&self, sent: Sent<'_>, event: &BusEvent) -> Result<(), NotTaken> {
        let call = Call {
            service: "events",
            region: Place::of(sent.arn, "events")?.region,
            content_type: "application/x-amz-json-1.1",
            target: Some("AWSEvents.PutEvents"),
            trace: None,
            body: json!({ "Entries": [entry(&sent, event)?] }).to_string(),
        };
        let answer = self.endpoint.call(call).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of_json(&answer).judged(answer.status));
        }
        let status = answer.status;
        let body = answer.body.unwrap_or_default();
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        // A call succeeds also if its entries do not: each says for itself what became of it.
        let entry = &said["Entries"][0];
        if entry["EventId"].is_string() {
            return Ok(());
        }
        let Some(code) = entry["ErrorCode"].as_str() else {
            return Err(self.endpoint.odd("`EventId`"));
        };
        let message = entry["ErrorMessage"].as_str().unwrap_or_default().to_owned();
        Err(Refusal { code: code.to_owned(), message }.judged(status))
    }
}

/// An entry of `PutEvents`.
fn entry(sent: &Sent<'_>, event: &BusEvent) -> Result<Value, NotTaken> {
    let mut entry = json!({
        "EventBusName": sent.arn,
        "Source": event.source,
        "DetailType": event.detail_type,
        "Detail": text(sent.body)?,
        "Resources": event.resources,
    });
    if let Some(trace) = sent.trace {
        entry["TraceHeader"] = Value::from(trace);
    }
    let passed_on = event.passed_on.as_ref();
    if let Some(seconds) = passed_on.and_then(|passed_on| seconds(&passed_on.time)) {
        entry["Time"] = Value::from(seconds);
    }
    Ok(entry)
}

/// The seconds since 1970 of `2026-11-23T03:20:35Z`, which is how events have their time. `None` if
/// it is written in another way, or is earlier.
fn seconds(time: &str) -> Option<u64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    // Fractions are left away: events do not have them.
    let [hour, minute, second] = numbers(clock.split('.').next()?, ':')?;
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
    if !is_date || day > 31 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years are counted from March, so that the day of the leap years is their last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + (day - 1);
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let numbers: Option<Vec<u64>> = text.split(separator).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::played::{Heard, Played, Reply};
    use super::*;
    use crate::delivery::PassedOn;

    const ARN: &str = "arn:aws:events:us-east-1:000000000000:event-bus/orders";
    const TAKEN: &str = r#"{"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}"#;

    fn event() -> BusEvent {
        BusEvent {
            source: "lambda".to_owned(),
            detail_type: "Lambda Function Invocation Result - Success".to_owned(),
            resources: vec!["arn:aws:lambda:us-east-1:000000000000:function:f".to_owned()],
            passed_on: None,
        }
    }

    #[tokio::test]
    async fn an_event_is_put_with_all_that_belongs_to_it() {
        let played = Played::start([Reply::of(200, TAKEN)]).await;
        let remote =
            RemoteBuses::new(&played.endpoint(), (Heard::KEY, Heard::SECRET), &Trust::default())
                .unwrap();
        let passed_on = PassedOn {
            id: "i".to_owned(),
            time: "2026-11-23T03:20:35Z".to_owned(),
            account: "111111111111".to_owned(),
            region: "eu-west-1".to_owned(),
            buses: 1,
        };
        let event = BusEvent { passed_on: Some(passed_on), ..event() };
        let body = Bytes::from_static(br#"{"a": 1}"#);
        let sent = Sent { arn: ARN, body: &body, trace: Some("Root=1") };
        assert_eq!(remote.put(sent, &event).await, Ok(()));

        let heard = played.heard();
        assert_eq!(heard[0].header("x-amz-target"), "AWSEvents.PutEvents");
        assert_eq!(heard[0].header("content-type"), "application/x-amz-json-1.1");
        let entry = json!({
            "EventBusName": ARN,
            "Source": "lambda",
            "DetailType": "Lambda Function Invocation Result - Success",
            "Detail": r#"{"a": 1}"#,
            "Resources": ["arn:aws:lambda:us-east-1:000000000000:function:f"],
            "TraceHeader": "Root=1",
            "Time": 1_795_404_035,
        });
        assert_eq!(heard[0].json(), json!({ "Entries": [entry] }));
        heard[0].assert_signed_for("us-east-1/events");
    }

    #[tokio::test]
    async fn what_will_not_change_is_told_apart_from_what_may() {
        let entry = |code: &str| {
            let entry = json!({ "ErrorCode": code, "ErrorMessage": "why" });
            json!({ "FailedEntryCount": 1, "Entries": [entry] }).to_string()
        };
        #[rustfmt::skip]
        let rows = [
            (Reply::of(200, &entry("MalformedDetail")),                              true),
            (Reply::of(200, &entry("NotAuthorizedForSource")),                       true),
            (Reply::of(400, r#"{"__type": "ResourceNotFoundException"}"#),           true),
            (Reply::of(200, &entry("ThrottlingException")),                          false),
            (Reply::of(200, &entry("InternalFailure")),                              false),
            (Reply::of(500, r#"{"__type": "InternalException"}"#),                   false),
            (Reply::of(200, "no JSON"),                                              false),
            (Reply::of(200, r#"{"FailedEntryCount": 0, "Entries": []}"#),            false),
            (Reply::Close,                                                           false),
        ];
        for (reply, is_refused) in rows {
            let shown = format!("{reply:?}");
            let played = Played::start([reply]).await;
            let remote = RemoteBuses::new(&played.endpoint(), ("", ""), &Trust::default()).unwrap();
            let sent = Sent { arn: ARN, body: &Bytes::from_static(b"{}"), trace: None };
            let why = remote.put(sent, &event()).await.unwrap_err();
            assert_eq!(matches!(why, NotTaken::Refused { .. }), is_refused, "{shown}: {why}");
        }
    }

    #[test]
    fn the_time_of_an_event_is_a_number_on_the_wire() {
        #[rustfmt::skip]
        let rows = [
            ("1970-01-01T00:00:00Z",     Some(0_u64)),
            ("2026-11-23T03:20:35Z",     Some(1_795_404_035)),
            ("2026-11-23T03:20:35.123Z", Some(1_795_404_035)),
            ("2000-02-29T00:00:00Z",     Some(951_782_400)),
            ("2000-03-01T00:00:00Z",     Some(951_868_800)),
            ("9999-12-31T23:59:59Z",     Some(253_402_300_799)),
            ("1969-12-31T23:59:59Z",     None),
            ("2026-13-01T00:00:00Z",     None),
            ("2026-11-23T03:20:35",      None),
            ("2026-11-23",               None),
            ("yesterday",                None),
            ("",                         None),
        ];
        for (time, expected) in rows {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }
}
