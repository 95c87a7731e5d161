//! Delivery policies: how deliveries to HTTP endpoints are retried, what the topic says and what
//! the subscription says; and how those to queues and functions are, about which nobody can say
//! anything.
//!
//! # Deliberately absent
//!
//! The sickly retry policy, which AWS shows as `null` and has never documented.

use serde::{Deserialize, Serialize};

use super::error::TopicError;
use crate::delivery::{Backoff, HttpPatience, Patience};
use crate::limits::{
    HTTP_DELAY_SECONDS_DEFAULT, HTTP_RETRIES_DEFAULT, HTTP_RETRIES_MAX, HTTP_RETRY_SECONDS_MAX,
    NOTIFICATION_AGE_MILLIS_MAX, NOTIFICATION_DELAY_SECONDS_MAX, NOTIFICATION_DELAY_SECONDS_MIN,
    NOTIFICATION_RETRIES_AT_ONCE, NOTIFICATION_RETRIES_LATE, NOTIFICATION_RETRIES_MAX,
    NOTIFICATION_RETRIES_SOON,
};

/// What the content type of a notification is if nobody said anything.
pub(super) const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";
/// AWS's name of the attribute, which begins its complaints.
const ATTRIBUTE: &str = "DeliveryPolicy";

/// What a topic says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicDeliveryPolicy {
    http: TopicHttp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TopicHttp {
    #[serde(skip_serializing_if = "Option::is_none")]
    default_healthy_retry_policy: Option<RetryPolicy>,
    #[serde(default)]
    disable_subscription_overrides: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_throttle_policy: Option<ThrottlePolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_request_policy: Option<RequestPolicy>,
}

/// What a subscription says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscriptionDeliveryPolicy {
    healthy_retry_policy: Option<RetryPolicy>,
    /// Always `null`, and shown so.
    sickly_retry_policy: Option<()>,
    throttle_policy: Option<ThrottlePolicy>,
    request_policy: Option<RequestPolicy>,
    #[serde(default)]
    guaranteed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetryPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    min_delay_target: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_delay_target: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_max_delay_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_no_delay_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_min_delay_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_function: Option<Backoff>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThrottlePolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_receives_per_second: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    header_content_type: Option<String>,
}

impl TopicDeliveryPolicy {
    /// Reads one. None: the text is empty, so there is none any more.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, TopicError> {
        let Some(read) = json::<Self>(text)? else { return Ok(None) };
        let TopicHttp { default_healthy_retry_policy, default_throttle_policy, .. } = &read.http;
        if let Some(retry) = default_healthy_retry_policy {
            retry.check("http.defaultHealthyRetryPolicy")?;
        }
        check_throttle("http.defaultThrottlePolicy", *default_throttle_policy)?;
        check_request("http.defaultRequestPolicy", read.http.default_request_policy.as_ref())?;
        Ok(Some(read))
    }

    /// As it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        written(self)
    }
}

impl SubscriptionDeliveryPolicy {
    /// Reads one. None: the text is empty, so there is none any more.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, TopicError> {
        let Some(mut read) = json::<Self>(text)? else { return Ok(None) };
        if let Some(retry) = read.healthy_retry_policy.take() {
            retry.check("healthyRetryPolicy")?;
            read.healthy_retry_policy = Some(retry.filled());
        }
        check_throttle("throttlePolicy", read.throttle_policy)?;
        check_request("requestPolicy", read.request_policy.as_ref())?;
        Ok(Some(read))
    }

    /// As it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        written(self)
    }
}

/// What holds for a topic, with what it did not say.
pub(super) fn effective_of_topic(topic: Option<&TopicDeliveryPolicy>) -> String {
    let said = topic.map(|policy| policy.http.clone());
    let effective = TopicDeliveryPolicy {
        http: TopicHttp {
            default_healthy_retry_policy: Some(retry_of_topic(topic).filled()),
            disable_subscription_overrides: said
                .as_ref()
                .is_some_and(|http| http.disable_subscription_overrides),
            default_throttle_policy: said.as_ref().and_then(|http| http.default_throttle_policy),
            default_request_policy: Some(request_of_topic(topic)),
        },
    };
    written(&effective)
}

/// What holds for a subscription of a topic.
pub(super) fn effective_of_subscription(
    topic: Option<&TopicDeliveryPolicy>,
    own: Option<&SubscriptionDeliveryPolicy>,
) -> String {
    written(&effective(topic, own))
}

/// How long a delivery to a queue or a function is tried.
pub(super) fn managed() -> Patience {
    Patience {
        retries_max: NOTIFICATION_RETRIES_MAX,
        age_ms_max: NOTIFICATION_AGE_MILLIS_MAX,
        http: Some(HttpPatience {
            no_delay_retries: NOTIFICATION_RETRIES_AT_ONCE,
            min_delay_retries: NOTIFICATION_RETRIES_SOON,
            max_delay_retries: NOTIFICATION_RETRIES_LATE,
            min_delay_seconds: NOTIFICATION_DELAY_SECONDS_MIN,
            max_delay_seconds: NOTIFICATION_DELAY_SECONDS_MAX,
            backoff: Backoff::Exponential,
            receives_per_second_max: None,
        }),
    }
}

/// How long a delivery to an HTTP endpoint is tried, and the content type of what is delivered.
pub(super) fn http(
    topic: Option<&TopicDeliveryPolicy>,
    own: Option<&SubscriptionDeliveryPolicy>,
) -> (Patience, String) {
    let effective = effective(topic, own);
    let retry = effective.healthy_retry_policy.unwrap_or_else(default_retry);
    let throttle = effective.throttle_policy.and_then(|policy| policy.max_receives_per_second);
    let patience = Patience {
        retries_max: retry.num_retries.unwrap_or(HTTP_RETRIES_DEFAULT),
        // The number of retries is the bound: waiting for a throttled endpoint uses none of them.
        age_ms_max: NOTIFICATION_AGE_MILLIS_MAX,
        http: Some(HttpPatience {
            no_delay_retries: retry.num_no_delay_retries.unwrap_or(0),
            min_delay_retries: retry.num_min_delay_retries.unwrap_or(0),
            max_delay_retries: retry.num_max_delay_retries.unwrap_or(0),
            min_delay_seconds: retry.min_delay_target.unwrap_or(HTTP_DELAY_SECONDS_DEFAULT),
            max_delay_seconds: retry.max_delay_target.unwrap_or(HTTP_DELAY_SECONDS_DEFAULT),
            backoff: retry.backoff_function.unwrap_or_default(),
            receives_per_second_max: throttle,
        }),
    };
    let content_type = effective.request_policy.and_then(|policy| policy.header_content_type);
    (patience, content_type.unwrap_or_else(|| CONTENT_TYPE.to_owned()))
}

fn effective(
    topic: Option<&TopicDeliveryPolicy>,
    own: Option<&SubscriptionDeliveryPolicy>,
) -> SubscriptionDeliveryPolicy {
    let overridden = topic.is_some_and(|policy| policy.http.disable_subscription_overrides);
    let own = own.filter(|_| !overridden).cloned().unwrap_or_default();
    let throttle = topic.and_then(|policy| policy.http.default_throttle_policy);
    SubscriptionDeliveryPolicy {
        healthy_retry_policy: own
            .healthy_retry_policy
            .or_else(|| Some(retry_of_topic(topic).filled())),
        throttle_policy: own.throttle_policy.or(throttle),
        request_policy: own.request_policy.or_else(|| Some(request_of_topic(topic))),
        ..own
    }
}

fn retry_of_topic(topic: Option<&TopicDeliveryPolicy>) -> RetryPolicy {
    topic
        .and_then(|policy| policy.http.default_healthy_retry_policy.clone())
        .unwrap_or_else(default_retry)
}

fn request_of_topic(topic: Option<&TopicDeliveryPolicy>) -> RequestPolicy {
    let said = topic.and_then(|policy| policy.http.default_request_policy.clone());
    let default = || RequestPolicy { header_content_type: Some(CONTENT_TYPE.to_owned()) };
    said.filter(|policy| policy.header_content_type.is_some()).unwrap_or_else(default)
}

fn default_retry() -> RetryPolicy {
    RetryPolicy {
        min_delay_target: Some(HTTP_DELAY_SECONDS_DEFAULT),
        max_delay_target: Some(HTTP_DELAY_SECONDS_DEFAULT),
        num_retries: Some(HTTP_RETRIES_DEFAULT),
        num_max_delay_retries: None,
        num_no_delay_retries: None,
        num_min_delay_retries: None,
        backoff_function: None,
    }
}

impl RetryPolicy {
    /// With what was not said.
    fn filled(self) -> Self {
        Self {
            min_delay_target: self.min_delay_target,
            max_delay_target: self.max_delay_target,
            num_retries: self.num_retries,
            num_max_delay_retries: Some(self.num_max_delay_retries.unwrap_or(0)),
            num_no_delay_retries: Some(self.num_no_delay_retries.unwrap_or(0)),
            num_min_delay_retries: Some(self.num_min_delay_retries.unwrap_or(0)),
            backoff_function: Some(self.backoff_function.unwrap_or_default()),
        }
    }

    fn check(&self, path: &str) -> Result<(), TopicError> {
        let required = |name: &str, value: Option<u32>| {
            value.ok_or_else(|| refused(format!("{path}.{name} must be specified")))
        };
        let least = required("minDelayTarget", self.min_delay_target)?;
        let greatest = required("maxDelayTarget", self.max_delay_target)?;
        let retries = required("numRetries", self.num_retries)?;
        if !(1..=HTTP_RETRY_SECONDS_MAX).contains(&least) {
            let bounds = format!("must be between 1 and {HTTP_RETRY_SECONDS_MAX}, inclusive");
            return Err(refused(format!("{path}.minDelayTarget {bounds}")));
        }
        if !(least..=HTTP_RETRY_SECONDS_MAX).contains(&greatest) {
            return Err(refused(format!(
                "{path}.maxDelayTarget must be between minDelayTarget and {HTTP_RETRY_SECONDS_MAX}, inclusive"
            )));
        }
        if retries > HTTP_RETRIES_MAX {
            let bounds = format!("must be between 0 and {HTTP_RETRIES_MAX}, inclusive");
            return Err(refused(format!("{path}.numRetries {bounds}")));
        }
        self.check_phases(path, retries)
    }

    fn check_phases(&self, path: &str, retries: u32) -> Result<(), TopicError> {
        let phases =
            [self.num_no_delay_retries, self.num_min_delay_retries, self.num_max_delay_retries];
        let phases = phases.into_iter().flatten().fold(0, u32::saturating_add);
        if phases > retries {
            return Err(refused(format!(
                "{path}: numNoDelayRetries + numMinDelayRetries + numMaxDelayRetries must not exceed numRetries"
            )));
        }
        let policy = SubscriptionDeliveryPolicy {
            healthy_retry_policy: Some(self.clone()),
            ..SubscriptionDeliveryPolicy::default()
        };
        let (patience, _content_type) = http(None, Some(&policy));
        let delay = |retry| patience.http.map_or(0, |http| http.delay_millis(retries, retry));
        let millis: u64 = (1..=retries).map(delay).sum();
        if millis > u64::from(HTTP_RETRY_SECONDS_MAX) * 1_000 {
            return Err(refused(format!(
                "{path}: the total delay of all retries must not exceed {HTTP_RETRY_SECONDS_MAX} seconds"
            )));
        }
        Ok(())
    }
}

fn check_throttle(path: &str, policy: Option<ThrottlePolicy>) -> Result<(), TopicError> {
    match policy.and_then(|policy| policy.max_receives_per_second) {
        Some(0) => {
            Err(refused(format!("{path}.maxReceivesPerSecond must be greater than or equal to 1")))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_request(path: &str, policy: Option<&RequestPolicy>) -> Result<(), TopicError> {
    let Some(content_type) = policy.and_then(|policy| policy.header_content_type.as_deref()) else {
        return Ok(());
    };
    let is_visible = content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_visible && content_type.contains('/') {
        return Ok(());
    }
    Err(refused(format!("{path}.headerContentType: Invalid value [{content_type}]")))
}

fn refused(why: impl AsRef<str>) -> TopicError {
    TopicError::parameter(format!("{ATTRIBUTE}: {}", why.as_ref()))
}

/// Nothing, `{}` and `null` take a policy away.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<Option<T>, TopicError> {
    if text.trim().is_empty() || matches!(text.trim(), "{}" | "null") {
        return Ok(None);
    }
    let read = serde_json::from_str(text);
    read.map(Some).map_err(|error| refused(format!("failed to parse JSON. {error}")))
}

fn written(policy: &impl Serialize) -> String {
    serde_json::to_string(policy).expect("a delivery policy can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;

    #[test]
    fn without_a_policy_aws_has_one() {
        assert_eq!(effective_of_topic(None), DEFAULT);
        let (patience, content_type) = http(None, None);
        assert_eq!((patience.retries_max, content_type.as_str()), (3, CONTENT_TYPE));
        assert_eq!(patience.http.map(|http| http.delay_millis(3, 1)), Some(20_000));
    }

    #[test]
    fn queues_and_functions_are_tried_as_on_aws() {
        let Patience { retries_max, http, .. } = managed();
        let delay = |retry| http.map_or(0, |http| http.delay_millis(retries_max, retry));
        let first: Vec<u64> = (1..=6).map(delay).collect();
        assert_eq!(first, [0, 0, 0, 1_000, 1_000, 1_000]);
        assert!((7..=15).all(|retry| delay(retry - 1) < delay(retry)), "it grows");
        assert_eq!([15, 16, 100_015].map(delay), [20_000; 3]);
    }

    #[test]
    fn a_policy_of_a_topic_is_shown_as_it_was_said() {
        let said = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1}}}"#;
        let policy = TopicDeliveryPolicy::parse(said).unwrap().unwrap();
        let shown = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1},"disableSubscriptionOverrides":false}}"#;
        assert_eq!(policy.shown(), shown);
        assert!(effective_of_topic(Some(&policy)).contains(r#""backoffFunction":"linear""#));
        assert_eq!(TopicDeliveryPolicy::parse("").unwrap(), None);
    }

    #[test]
    fn a_subscription_says_more_than_its_topic_unless_the_topic_forbids_it() {
        let own = r#"{"requestPolicy":{"headerContentType":"text/csv"}}"#;
        let own = SubscriptionDeliveryPolicy::parse(own).unwrap().unwrap();
        let shown = r#"{"healthyRetryPolicy":null,"sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":{"headerContentType":"text/csv"},"guaranteed":false}"#;
        assert_eq!(own.shown(), shown);
        assert_eq!(http(None, Some(&own)).1, "text/csv");
        for (disabled, expected) in [(true, "application/json"), (false, "text/csv")] {
            let topic = format!(
                r#"{{"http":{{"disableSubscriptionOverrides":{disabled},"defaultRequestPolicy":{{"headerContentType":"application/json"}}}}}}"#
            );
            let topic = TopicDeliveryPolicy::parse(&topic).unwrap();
            assert_eq!(http(topic.as_ref(), Some(&own)).1, expected);
        }
    }

    #[test]
    fn a_policy_that_cannot_be_is_refused() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"healthyRetryPolicy":{}}"#,                                                                    "healthyRetryPolicy.minDelayTarget must be specified"),
            (r#"{"healthyRetryPolicy":{"minDelayTarget":0,"maxDelayTarget":1,"numRetries":1}}"#,                "healthyRetryPolicy.minDelayTarget must be between 1 and 3600, inclusive"),
            (r#"{"healthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":1,"numRetries":1}}"#,                "healthyRetryPolicy.maxDelayTarget must be between minDelayTarget and 3600, inclusive"),
            (r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":101}}"#,              "healthyRetryPolicy.numRetries must be between 0 and 100, inclusive"),
            (r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":1,"numNoDelayRetries":2}}"#, "must not exceed numRetries"),
            (r#"{"healthyRetryPolicy":{"minDelayTarget":60,"maxDelayTarget":60,"numRetries":61}}"#,             "must not exceed 3600 seconds"),
            (r#"{"throttlePolicy":{"maxReceivesPerSecond":0}}"#,                                                "throttlePolicy.maxReceivesPerSecond must be greater than or equal to 1"),
            (r#"{"requestPolicy":{"headerContentType":"a\nb/c"}}"#,                                             "requestPolicy.headerContentType: Invalid value"),
            (r#"{"other":1}"#,                                                                                  "failed to parse JSON. unknown field `other`"),
        ];
        for (text, expected) in rows {
            let told = SubscriptionDeliveryPolicy::parse(text).unwrap_err().to_string();
            assert!(told.starts_with("Invalid parameter: DeliveryPolicy: "), "{told}");
            assert!(told.contains(expected), "{told}");
        }
    }
}
