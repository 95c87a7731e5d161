//! Context attributes: names in the input of a target that stand for what is known of an invocation.

use bytes::Bytes;
use hearth_types::time::Timestamp;

/// What every name begins with.
const START: &str = "<aws.scheduler.";

/// What is known of an invocation.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The ARN of the schedule.
    pub schedule: &'a str,
    /// The time that the schedule says.
    pub scheduled: Timestamp,
    /// The id of the invocation, the same for each of its attempts.
    pub execution: &'a str,
    /// Which attempt it is; the first is 1.
    pub attempt: u32,
}

/// Puts what is known into an input.
#[must_use]
pub fn fill(input: &Bytes, context: Context<'_>) -> Bytes {
    let Some(text) = std::str::from_utf8(input).ok().filter(|text| text.contains(START)) else {
        return input.clone();
    };
    let text = text
        .replace("<aws.scheduler.schedule-arn>", context.schedule)
        .replace("<aws.scheduler.scheduled-time>", &context.scheduled.iso_seconds())
        .replace("<aws.scheduler.execution-id>", context.execution)
        .replace("<aws.scheduler.attempt-number>", &context.attempt.to_string());
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_replaced_and_nothing_else() {
        let context = Context {
            schedule: "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s",
            scheduled: Timestamp(1_795_404_035_999),
            execution: "d32c5kddcf5bb8c3",
            attempt: 2,
        };
        #[rustfmt::skip]
        let rows = [
            ("<aws.scheduler.schedule-arn>",    context.schedule),
            ("<aws.scheduler.scheduled-time>",  "2026-11-23T03:20:35Z"),
            ("<aws.scheduler.execution-id>",    "d32c5kddcf5bb8c3"),
            ("{\"n\": <aws.scheduler.attempt-number>, \"m\": <aws.scheduler.attempt-number>}", "{\"n\": 2, \"m\": 2}"),
            ("<aws.scheduler.other>",           "<aws.scheduler.other>"),
            ("<aws.events.event>",              "<aws.events.event>"),
            ("",                                ""),
        ];
        for (input, expected) in rows {
            assert_eq!(fill(&Bytes::from(input), context), expected, "{input}");
        }
        let binary = Bytes::from_static(b"\xff<aws.scheduler.execution-id>");
        assert_eq!(fill(&binary, context), binary);
    }
}
