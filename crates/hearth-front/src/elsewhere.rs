//! Services that this server leaves to another one, by its configuration.
//!
//! A call of such a service is refused with the address of whoever serves it: an answer of the
//! embedded one, which nothing here uses, would mislead.

/// Where services are that are not served here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The endpoint of SQS, if it is another one.
    pub sqs: Option<String>,
    /// The endpoint of SNS, if it is another one.
    pub sns: Option<String>,
    /// The endpoint of EventBridge, if it is another one.
    pub events: Option<String>,
}

impl Elsewhere {
    /// What is said to a call with this `X-Amz-Target`, if it belongs elsewhere.
    pub(crate) fn of_target(&self, target: &str) -> Option<String> {
        match target.split('.').next().unwrap_or_default() {
            "AmazonSQS" => said("SQS", "sqs_endpoint", self.sqs.as_deref()),
            "AWSEvents" => said("EventBridge", "events_endpoint", self.events.as_deref()),
            _ => None,
        }
    }

    /// What is said to a call of the query protocol with this `Version`, if it belongs elsewhere.
    pub(crate) fn of_version(&self, version: &str) -> Option<String> {
        match version {
            "2012-11-05" => said("SQS", "sqs_endpoint", self.sqs.as_deref()),
            "2010-03-31" => said("SNS", "sns_endpoint", self.sns.as_deref()),
            _ => None,
        }
    }
}

fn said(service: &str, setting: &str, endpoint: Option<&str>) -> Option<String> {
    let endpoint = endpoint?;
    Some(format!(
        "{service} is not served here: this server uses {endpoint} in its place (`{setting}`). Send the request there."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_elsewhere_is_refused() {
        let at = |port: u16| Some(format!("http://127.0.0.1:{port}"));
        let all = Elsewhere { sqs: at(1), sns: at(2), events: at(3) };
        #[rustfmt::skip]
        let rows = [
            (all.of_target("AmazonSQS.SendMessage"),        Some((1, "sqs_endpoint"))),
            (all.of_target("AWSEvents.PutEvents"),          Some((3, "events_endpoint"))),
            (all.of_target("Logs_20140328.PutLogEvents"),   None),
            (all.of_target(""),                             None),
            (all.of_version("2012-11-05"),                  Some((1, "sqs_endpoint"))),
            (all.of_version("2010-03-31"),                  Some((2, "sns_endpoint"))),
            (all.of_version("2010-05-08"),                  None),
            (Elsewhere::default().of_target("AmazonSQS.X"), None),
            (Elsewhere::default().of_version("2010-03-31"), None),
        ];
        for (said, expected) in rows {
            assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
            if let (Some(said), Some((port, setting))) = (said, expected) {
                assert!(said.contains(&format!("http://127.0.0.1:{port} ")), "{said}");
                assert!(said.contains(setting), "{said}");
            }
        }
    }
}
