//! Operations of another service that speaks AWS JSON, for those who ask for more than a delivery.
//!
//! # Deliberately absent
//!
//! What is asked and answered: both are JSON here.

use serde_json::Value;

use super::endpoint::{Call, Endpoint, RemoteError};
use super::refusal::Refusal;
use super::tls::Trust;
use crate::targets::NotTaken;

/// A service of an endpoint, whose operations are called by name.
#[derive(Debug)]
pub struct RemoteOperations {
    endpoint: Endpoint,
    service: &'static str,
    content_type: &'static str,
}

/// What a service is called, and what it speaks.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// What the service is called in signatures.
    pub service: &'static str,
    /// Such as `application/x-amz-json-1.0`.
    pub content_type: &'static str,
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// The region that it is asked for.
    pub region: &'a str,
    /// `X-Amz-Target`.
    pub target: &'static str,
    /// What is asked.
    pub input: &'a Value,
    /// How large the answer may be.
    pub answer_bytes_max: usize,
}

impl RemoteOperations {
    /// The service at `http://host:port`, or with `https`. The credentials are an access key and its
    /// secret; without a key, requests are not signed.
    ///
    /// # Errors
    ///
    /// If the endpoint is none.
    pub fn new(
        endpoint: &str,
        credentials: (&str, &str),
        trust: &Trust,
        dialect: Dialect,
    ) -> Result<Self, RemoteError> {
        let Dialect { service, content_type } = dialect;
        Ok(Self { endpoint: Endpoint::new(endpoint, credentials, trust)?, service, content_type })
    }

    /// Calls an operation, and returns the text of its answer.
    ///
    /// # Errors
    ///
    /// If it was refused, with AWS's code, or could not be asked.
    pub async fn call(&self, operation: Operation<'_>) -> Result<Vec<u8>, NotTaken> {
        let call = Call {
            service: self.service,
            region: operation.region,
            content_type: self.content_type,
            target: Some(operation.target),
            trace: None,
            body: operation.input.to_string(),
        };
        let answer = self.endpoint.call_for(call, operation.answer_bytes_max).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of_json(&answer).judged(answer.status));
        }
        let large = || NotTaken::Failed { message: "The answer is too large.".to_owned() };
        answer.body.ok_or_else(large)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::played::{Heard, Played, Reply};
    use super::*;

    #[tokio::test]
    async fn an_operation_is_called_by_its_name_and_answers_or_is_refused() {
        let replies = [
            Reply::of(200, r#"{"Shards": []}"#),
            Reply::of(400, r#"{"__type": "com.amazonaws.x#ExpiredIteratorException"}"#),
            Reply::of(200, &"x".repeat(101)),
        ];
        let played = Played::start(replies).await;
        let dialect = Dialect { service: "dynamodb", content_type: "application/x-amz-json-1.0" };
        let credentials = (Heard::KEY, Heard::SECRET);
        let remote =
            RemoteOperations::new(&played.endpoint(), credentials, &Trust::default(), dialect)
                .unwrap();
        let input = json!({ "StreamArn": "a" });
        let operation = Operation {
            region: "eu-west-1",
            target: "DynamoDBStreams_20120810.DescribeStream",
            input: &input,
            answer_bytes_max: 100,
        };
        assert_eq!(remote.call(operation).await.unwrap(), br#"{"Shards": []}"#);
        let refused = remote.call(operation).await.unwrap_err();
        assert!(
            matches!(refused, NotTaken::Refused { code, .. } if code == "ExpiredIteratorException")
        );
        assert!(matches!(remote.call(operation).await, Err(NotTaken::Failed { .. })));
        let heard = &played.heard()[0];
        assert_eq!(heard.header("x-amz-target"), "DynamoDBStreams_20120810.DescribeStream");
        assert_eq!(heard.json(), input);
        heard.assert_signed_for("eu-west-1/dynamodb");
    }
}
