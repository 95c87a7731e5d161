//! What is counted, by AWS's names, and whoever counts it.
//!
//! Those who work hold a [`Metrics`]; `hearth-telemetry` keeps the figures and shows them.

use std::fmt;

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident, $namespace:literal, $dimension:literal, $kind:ident;)+) => {
        /// One metric, under the name that CloudWatch has for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric {
            $($(#[$doc])* $name,)+
        }

        impl Metric {
            /// Every metric, in the order in which they are shown.
            pub const ALL: &[Metric] = &[$(Metric::$name,)+];

            /// AWS's name of it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// AWS's namespace of it, such as `AWS/Lambda`.
            #[must_use]
            pub fn namespace(self) -> &'static str {
                match self { $(Self::$name => $namespace,)+ }
            }

            /// AWS's name of what the resource is, such as `FunctionName`.
            #[must_use]
            pub fn dimension(self) -> &'static str {
                match self { $(Self::$name => $dimension,)+ }
            }

            /// Whether it is counted or measured.
            #[must_use]
            pub fn kind(self) -> MetricKind {
                match self { $(Self::$name => MetricKind::$kind,)+ }
            }
        }
    };
}

/// How a metric comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It is counted: [`Metrics::add`].
    Count,
    /// Each occurrence has a duration: [`Metrics::observe`].
    Duration,
}

metrics! {
    /// Events that were accepted for asynchronous invocation.
    AsyncEventsReceived, "AWS/Lambda", "FunctionName", Count;
    /// From the acceptance of an event to the attempt to run it.
    AsyncEventAge, "AWS/Lambda", "FunctionName", Duration;
    /// Events that were given up without a run that succeeded.
    AsyncEventsDropped, "AWS/Lambda", "FunctionName", Count;
    /// Events that could not be sent to their dead-letter queue.
    DeadLetterErrors, "AWS/Lambda", "FunctionName", Count;
    /// Records that could not be sent to their destination.
    DestinationDeliveryFailures, "AWS/Lambda", "FunctionName", Count;
    /// Invocations that were stopped because their function invoked itself in a loop.
    RecursiveInvocationsDropped, "AWS/Lambda", "FunctionName", Count;
    /// Records that an event source mapping has read.
    PolledEventCount, "AWS/Lambda", "EventSourceMappingUUID", Count;
    /// Records that the filters of a mapping have kept back.
    FilteredOutEventCount, "AWS/Lambda", "EventSourceMappingUUID", Count;
    /// Records that a mapping has run its function for.
    InvokedEventCount, "AWS/Lambda", "EventSourceMappingUUID", Count;
    /// Records for which that has failed.
    FailedInvokeEventCount, "AWS/Lambda", "EventSourceMappingUUID", Count;
    /// Records that a mapping has given up.
    DroppedEventCount, "AWS/Lambda", "EventSourceMappingUUID", Count;
    /// Records that a mapping has handed to its destination for failures.
    OnFailureDestinationDeliveredEventCount, "AWS/Lambda", "EventSourceMappingUUID", Count;
    /// Messages that a mapping has deleted from their queue.
    DeletedEventCount, "AWS/Lambda", "EventSourceMappingUUID", Count;
    /// How old the newest record of a batch of a stream was when the function got it.
    IteratorAge, "AWS/Lambda", "FunctionName", Duration;
    /// Messages that were put into a queue.
    NumberOfMessagesSent, "AWS/SQS", "QueueName", Count;
    /// Messages that were handed out by a queue.
    NumberOfMessagesReceived, "AWS/SQS", "QueueName", Count;
    /// Messages that were deleted from a queue.
    NumberOfMessagesDeleted, "AWS/SQS", "QueueName", Count;
    /// Messages that were published to a topic.
    NumberOfMessagesPublished, "AWS/SNS", "TopicName", Count;
    /// Notifications that reached their endpoint.
    NumberOfNotificationsDelivered, "AWS/SNS", "TopicName", Count;
    /// Notifications that were given up.
    NumberOfNotificationsFailed, "AWS/SNS", "TopicName", Count;
    /// Notifications that a filter policy kept back.
    NumberOfNotificationsFilteredOut, "AWS/SNS", "TopicName", Count;
    /// Notifications that went to the dead-letter queue of their subscription.
    NumberOfNotificationsRedrivenToDlq, "AWS/SNS", "TopicName", Count;
    /// Notifications that could not be sent to that queue either.
    NumberOfNotificationsFailedToRedriveToDlq, "AWS/SNS", "TopicName", Count;
    /// Events that matched a rule.
    TriggeredRules, "AWS/Events", "RuleName", Count;
    /// Attempts to hand an event to a target.
    InvocationAttempts, "AWS/Events", "RuleName", Count;
    /// Events that a target took.
    Invocations, "AWS/Events", "RuleName", Count;
    /// Events that were given up for a target.
    FailedInvocations, "AWS/Events", "RuleName", Count;
    /// Events that went to the dead-letter queue of their target.
    InvocationsSentToDlq, "AWS/Events", "RuleName", Count;
    /// Events that could not be sent to the dead-letter queue of their target.
    InvocationsFailedToBeSentToDlq, "AWS/Events", "RuleName", Count;
    /// Attempts to call the target of a schedule.
    InvocationAttemptCount, "AWS/Scheduler", "ScheduleGroup", Count;
    /// Attempts that failed.
    TargetErrorCount, "AWS/Scheduler", "ScheduleGroup", Count;
    /// Invocations that were given up.
    InvocationDroppedCount, "AWS/Scheduler", "ScheduleGroup", Count;
    /// Invocations that went to the dead-letter queue of their schedule.
    InvocationsSentToDeadLetterCount, "AWS/Scheduler", "ScheduleGroup", Count;
    /// Invocations that could not be sent to that queue either.
    InvocationsFailedToBeSentToDeadLetterCount, "AWS/Scheduler", "ScheduleGroup", Count;
    /// Records that were put into a stream.
    IncomingRecords, "AWS/Kinesis", "StreamName", Count;
    /// Their bytes, with their partition keys.
    IncomingBytes, "AWS/Kinesis", "StreamName", Count;
    /// Records that were read from a stream.
    OutgoingRecords, "AWS/Kinesis", "StreamName", Count;
    /// Their bytes.
    OutgoingBytes, "AWS/Kinesis", "StreamName", Count;
    /// Records that a stream did not take because its shards are written to too fast.
    WriteProvisionedThroughputExceeded, "AWS/Kinesis", "StreamName", Count;
}

/// Counts.
///
/// # Promises
///
/// Nothing here waits or fails.
pub trait Metrics: Send + Sync + fmt::Debug {
    /// `count` more of it, for the resource of this name.
    fn add(&self, metric: Metric, resource: &str, count: u64);

    /// One more occurrence, which took so many milliseconds.
    fn observe(&self, metric: Metric, resource: &str, milliseconds: u64);
}

/// For whoever does not want to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMetrics;

impl Metrics for NoMetrics {
    fn add(&self, _metric: Metric, _resource: &str, _count: u64) {}

    fn observe(&self, _metric: Metric, _resource: &str, _milliseconds: u64) {}
}
