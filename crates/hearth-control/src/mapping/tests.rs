//! The rules, kind by kind, and the life of a mapping.

use hearth_types::names::{AccountId, FunctionName, Region};

use super::settings::{
    Destination, Destinations, DocumentDb, KafkaSettings, Logging, ProvisionedPollers, Scaling,
    SchemaRegistry, Settings, SourceAccess, StartingPosition,
};
use super::source::SourceKind;
use super::state::{NO_POLLER, settled_state};
use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const UNSUPPORTED: &str = "parameter for given event source mapping type.";

fn source(kind: SourceKind) -> Source {
    let resource = match kind {
        SourceKind::StandardQueue => "sqs:us-east-1:000000000000:q",
        SourceKind::FifoQueue => "sqs:us-east-1:000000000000:q.fifo",
        SourceKind::KinesisStream => "kinesis:us-east-1:000000000000:stream/s",
        SourceKind::KinesisConsumer => "kinesis:us-east-1:000000000000:stream/s/consumer/c:1",
        SourceKind::DynamoDbStream => "dynamodb:us-east-1:000000000000:table/t/stream/1",
        SourceKind::ManagedKafka => "kafka:us-east-1:000000000000:cluster/c/1",
        SourceKind::Broker => "mq:us-east-1:000000000000:broker:b:1",
        SourceKind::DocumentDb => "rds:us-east-1:000000000000:cluster:d",
        SourceKind::SelfManagedKafka => {
            return Source::parse(None, Some(vec!["k-1:9092".to_owned()])).unwrap();
        }
    };
    Source::parse(Some(&format!("arn:aws:{resource}")), None).unwrap()
}

fn access(kind: &str, uri: &str) -> SourceAccess {
    SourceAccess { kind: kind.to_owned(), uri: uri.to_owned() }
}

/// The least that a mapping of a kind must be given.
fn least(kind: SourceKind) -> Settings {
    let starting_position = Some("LATEST".to_owned());
    let topics = Some(vec!["t".to_owned()]);
    let source_access = Some(vec![access("BASIC_AUTH", "arn:secret")]);
    match kind {
        SourceKind::StandardQueue | SourceKind::FifoQueue => Settings::default(),
        SourceKind::KinesisStream | SourceKind::KinesisConsumer | SourceKind::DynamoDbStream => {
            Settings { starting_position, ..Settings::default() }
        }
        SourceKind::ManagedKafka => Settings { starting_position, topics, ..Settings::default() },
        SourceKind::SelfManagedKafka => {
            Settings { starting_position, topics, source_access, ..Settings::default() }
        }
        SourceKind::Broker => {
            let queues = Some(vec!["q".to_owned()]);
            Settings { queues, source_access, ..Settings::default() }
        }
        SourceKind::DocumentDb => Settings {
            starting_position,
            source_access,
            document_db: Some(DocumentDb {
                database: Some("d".to_owned()),
                ..DocumentDb::default()
            }),
            ..Settings::default()
        },
    }
}

fn create(kind: SourceKind, settings: Settings) -> Result<Configuration, String> {
    rules::create(settings, &source(kind), &MappingId::random(), NOW)
        .map_err(|error| error.to_string())
}

/// Creates one with the least that is needed and something more.
fn with(kind: SourceKind, more: fn(&mut Settings)) -> Result<Configuration, String> {
    let mut settings = least(kind);
    more(&mut settings);
    create(kind, settings)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn failing_to(arn: Option<&str>) -> Option<Destinations> {
    let on_failure = Some(Destination { arn: arn.map(str::to_owned) });
    Some(Destinations { on_success: None, on_failure })
}

fn pollers(least: Option<i32>, most: Option<i32>) -> Option<ProvisionedPollers> {
    Some(ProvisionedPollers { least, most, group: None })
}

#[test]
fn defaults_differ_by_kind() {
    let queue = with(SourceKind::StandardQueue, |_| {}).unwrap();
    assert_eq!((queue.batch_size, queue.batching_window_seconds), (10, Some(0)));
    assert_eq!((queue.starting_position, queue.parallelization_factor), (None, None));
    assert_eq!(queue.response_types, Some(Vec::new()));

    let stream = with(SourceKind::KinesisStream, |_| {}).unwrap();
    assert_eq!((stream.batch_size, stream.batching_window_seconds), (100, Some(0)));
    assert_eq!((stream.record_age_seconds_max, stream.retry_attempts_max), (Some(-1), Some(-1)));
    assert_eq!((stream.bisect_batch, stream.parallelization_factor), (Some(false), Some(1)));
    assert_eq!(stream.tumbling_window_seconds, Some(0));
    assert_eq!(stream.starting_position, Some(StartingPosition::Latest));

    let id = MappingId::random();
    let kafka = source(SourceKind::ManagedKafka);
    let kafka = rules::create(least(SourceKind::ManagedKafka), &kafka, &id, NOW).unwrap();
    assert_eq!((kafka.batch_size, kafka.batching_window_seconds), (100, None));
    assert_eq!(kafka.kafka.unwrap().consumer_group_id, id.as_str());
}

#[test]
fn what_a_kind_does_not_have_is_refused() {
    use SourceKind::{
        Broker, DocumentDb, DynamoDbStream, FifoQueue, KinesisConsumer, KinesisStream,
        ManagedKafka, SelfManagedKafka, StandardQueue,
    };

    type Row = (&'static str, fn(&mut Settings), &'static [SourceKind]);
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("DestinationConfig",                   |s| s.destinations = failing_to(Some("arn:aws:sqs:us-east-1:000000000000:q")), &[StandardQueue, FifoQueue, Broker, DocumentDb]),
        ("ParallelizationFactor",               |s| s.parallelization_factor = Some(1),             &[StandardQueue, FifoQueue, ManagedKafka, SelfManagedKafka, Broker, DocumentDb]),
        ("MaximumRecordAgeInSeconds",           |s| s.record_age_seconds_max = Some(-1),            &[StandardQueue, FifoQueue, Broker, DocumentDb]),
        ("MaximumRetryAttempts",                |s| s.retry_attempts_max = Some(1),                 &[StandardQueue, FifoQueue, Broker, DocumentDb]),
        ("BisectBatchOnFunctionError",          |s| s.bisect_batch = Some(false),                   &[StandardQueue, FifoQueue, Broker, DocumentDb]),
        ("TumblingWindowInSeconds",             |s| s.tumbling_window_seconds = Some(0),            &[StandardQueue, FifoQueue, ManagedKafka, SelfManagedKafka, Broker, DocumentDb]),
        ("Topics",                              |s| s.topics = Some(vec!["t".to_owned()]),          &[StandardQueue, FifoQueue, KinesisStream, KinesisConsumer, DynamoDbStream, Broker, DocumentDb]),
        ("Queues",                              |s| s.queues = Some(vec!["q".to_owned()]),          &[StandardQueue, FifoQueue, KinesisStream, KinesisConsumer, DynamoDbStream, ManagedKafka, SelfManagedKafka, DocumentDb]),
        ("SourceAccessConfigurations",          |s| s.source_access = Some(Vec::new()),             &[StandardQueue, FifoQueue, KinesisStream, KinesisConsumer, DynamoDbStream]),
        ("FunctionResponseTypes",               |s| s.response_types = Some(Vec::new()),            &[Broker, DocumentDb]),
        ("FilterCriteria",                      |s| s.filters = Some(Vec::new()),                   &[DocumentDb]),
        ("MetricsConfig",                       |s| s.metrics = Some(Vec::new()),                   &[Broker, DocumentDb]),
        ("LoggingConfig",                       |s| s.logging = Some(Logging::default()),           &[StandardQueue, FifoQueue, KinesisStream, KinesisConsumer, DynamoDbStream, Broker, DocumentDb]),
        ("ScalingConfig",                       |s| s.scaling = Some(Scaling::default()),           &[KinesisStream, KinesisConsumer, DynamoDbStream, ManagedKafka, SelfManagedKafka, Broker, DocumentDb]),
        ("ProvisionedPollerConfig",             |s| s.pollers = pollers(None, Some(5)),             &[KinesisStream, KinesisConsumer, DynamoDbStream, Broker, DocumentDb]),
        ("AmazonManagedKafkaEventSourceConfig", |s| s.managed_kafka = Some(KafkaSettings::default()),      &[StandardQueue, FifoQueue, KinesisStream, KinesisConsumer, DynamoDbStream, SelfManagedKafka, Broker, DocumentDb]),
        ("SelfManagedKafkaEventSourceConfig",   |s| s.self_managed_kafka = Some(KafkaSettings::default()), &[StandardQueue, FifoQueue, KinesisStream, KinesisConsumer, DynamoDbStream, ManagedKafka, Broker, DocumentDb]),
        ("DocumentDBEventSourceConfig",         |s| s.document_db = Some(Default::default()),       &[StandardQueue, FifoQueue, KinesisStream, KinesisConsumer, DynamoDbStream, ManagedKafka, SelfManagedKafka, Broker]),
        ("StartingPosition",                    |s| s.starting_position = some("LATEST"),           &[Broker]),
        ("StartingPositionTimestamp",           |s| s.starting_position_seconds = Some(1.0),        &[StandardQueue, FifoQueue, Broker]),
    ];
    let all = [
        StandardQueue,
        FifoQueue,
        KinesisStream,
        KinesisConsumer,
        DynamoDbStream,
        ManagedKafka,
        SelfManagedKafka,
        Broker,
        DocumentDb,
    ];
    for (member, more, without) in rows {
        let text = format!("Unsupported {member} {UNSUPPORTED}");
        for kind in all {
            let refused = with(kind, *more).is_err_and(|found| found == text);
            assert_eq!(refused, without.contains(&kind), "{member} of {kind:?}");
        }
    }
}

#[test]
fn each_rule_refuses_and_says_why() {
    use SourceKind::{
        Broker, DocumentDb, DynamoDbStream, FifoQueue, KinesisStream, ManagedKafka,
        SelfManagedKafka, StandardQueue,
    };

    type Row = (SourceKind, fn(&mut Settings), &'static str);
    #[rustfmt::skip]
    let rows: &[Row] = &[
        (StandardQueue,    |s| s.starting_position = some("LATEST"),        "StartingPosition is not valid for SQS event sources."),
        (StandardQueue,    |s| s.batch_size = Some(11),                     "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"),
        (FifoQueue,        |s| s.batch_size = Some(11),                     "Maximum batch size must be between 1 and 10 inclusive"),
        (FifoQueue,        |s| s.batching_window_seconds = Some(1),         "Batching window is not supported for FIFO queues"),
        (KinesisStream,    |s| s.starting_position = None,                  "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."),
        (ManagedKafka,     |s| s.starting_position = None,                  "Value null at 'startingPosition'"),
        (DynamoDbStream,   |s| s.starting_position = some("AT_TIMESTAMP"),  "Unsupported starting position for arn type: arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1"),
        (KinesisStream,    |s| s.starting_position = some("AT_TIMESTAMP"),  "Need to specify a timestamp"),
        (KinesisStream,    |s| s.starting_position_seconds = Some(1.0),     "StartingPositionTimestamp can only be used with StartingPosition AT_TIMESTAMP."),
        (KinesisStream,    |s| { s.starting_position = some("AT_TIMESTAMP"); s.starting_position_seconds = Some(1.8e9); },   "StartingPositionTimestamp cannot be in the future."),
        (KinesisStream,    |s| { s.starting_position = some("AT_TIMESTAMP"); s.starting_position_seconds = Some(1.0e300); }, "StartingPositionTimestamp cannot be in the future."),
        (KinesisStream,    |s| { s.starting_position = some("AT_TIMESTAMP"); s.starting_position_seconds = Some(-1.0); },    "StartingPositionTimestamp cannot be before 1970."),
        (KinesisStream,    |s| s.record_age_seconds_max = Some(59),         "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)"),
        (KinesisStream,    |s| s.record_age_seconds_max = Some(0),          "MaximumRecordAgeInSeconds must be either -1"),
        (KinesisStream,    |s| s.destinations = failing_to(None),           "The Destination field is required for an OnFailure configuration."),
        (KinesisStream,    |s| s.destinations = failing_to(Some("arn:aws:lambda:us-east-1:000000000000:function:f")), "The destination ARN arn:aws:lambda:us-east-1:000000000000:function:f is invalid."),
        (KinesisStream,    |s| s.destinations = failing_to(Some("kafka://t")), "The destination ARN kafka://t is invalid."),
        (KinesisStream,    |s| s.destinations = failing_to(Some("arn:aws:sqs:us-east-1:000000000000:q.fifo")), "The destination ARN arn:aws:sqs:us-east-1:000000000000:q.fifo is invalid."),
        (ManagedKafka,     |s| s.destinations = failing_to(Some("arn:aws:sns:us-east-1:000000000000:t.fifo")), "The destination ARN arn:aws:sns:us-east-1:000000000000:t.fifo is invalid."),
        (KinesisStream,    |s| s.destinations = Some(Destinations { on_success: Some(Destination { arn: some("arn:aws:sqs:us-east-1:000000000000:q") }), on_failure: None }), "Unsupported DestinationConfig parameter"),
        (StandardQueue,    |s| s.filters = Some(vec!["{".to_owned()]),      "Invalid filter pattern definition."),
        (KinesisStream,    |s| s.filters = Some(vec![r#"{"data":["b"]}"#.to_owned()]),     "Invalid filter pattern definition."),
        (DynamoDbStream,   |s| s.filters = Some(vec![r#"{"dynamodb":["b"]}"#.to_owned()]), "Invalid filter pattern definition."),
        (StandardQueue,    |s| s.filters = Some(vec![r#"{"a":["b"]}"#.to_owned(); 6]), "at most 5 filters"),
        (StandardQueue,    |s| s.metrics = Some(vec!["KafkaMetrics".to_owned()]),      "Unsupported MetricsConfig KafkaMetrics parameter"),
        (StandardQueue,    |s| s.pollers = pollers(Some(1), None),          "Value '1' at 'provisionedPollerConfig.minimumPollers' failed to satisfy constraint: Member must have value greater than or equal to 2"),
        (ManagedKafka,     |s| s.pollers = pollers(None, Some(2_001)),      "Value '2001' at 'provisionedPollerConfig.maximumPollers' failed to satisfy constraint: Member must have value less than or equal to 2000"),
        (ManagedKafka,     |s| s.pollers = pollers(Some(9), Some(8)),       "MinimumPollers cannot be greater than MaximumPollers."),
        (StandardQueue,    |s| { s.pollers = pollers(Some(2), None); s.scaling = Some(Scaling { concurrency_max: Some(5) }); }, "cannot be used together"),
        (StandardQueue,    |s| s.pollers = Some(ProvisionedPollers { group: some("g"), ..ProvisionedPollers::default() }), "Unsupported ProvisionedPollerConfig.PollerGroupName parameter"),
        (ManagedKafka,     |s| s.topics = None,                             "Required 'topics' parameter is missing."),
        (Broker,           |s| s.queues = None,                             "Required 'queues' parameter is missing."),
        (SelfManagedKafka, |s| s.source_access = None,                      "Required 'sourceAccessConfigurations' parameter is missing."),
        (DocumentDb,       |s| s.document_db = None,                        "Required 'documentDBEventSourceConfig.databaseName' parameter is missing."),
        (Broker,           |s| s.source_access = Some(vec![access("VIRTUAL_HOST", "/")]), "exactly one BASIC_AUTH"),
        (Broker,           |s| s.source_access = Some(vec![access("VPC_SUBNET", "s")]),   "Unsupported SourceAccessConfigurations type 'VPC_SUBNET' parameter"),
        (ManagedKafka,     |s| s.source_access = Some(vec![access("BASIC_AUTH", "s")]),   "Unsupported SourceAccessConfigurations type 'BASIC_AUTH' parameter"),
        (ManagedKafka,     |s| s.source_access = Some(vec![access("IAM_AUTH", "")]),      "The URI of the source access configuration IAM_AUTH is missing."),
        (ManagedKafka,     |s| s.managed_kafka = Some(KafkaSettings { schema_registry: Some(registry()), ..KafkaSettings::default() }), "only available in provisioned mode"),
        (ManagedKafka,     |s| { s.pollers = pollers(Some(1), None); s.managed_kafka = Some(KafkaSettings { schema_registry: Some(SchemaRegistry { attributes: Vec::new(), ..registry() }), ..KafkaSettings::default() }); }, "SchemaRegistryConfig needs"),
        (SelfManagedKafka, |s| s.self_managed_kafka = Some(queue_mode()),   "Unsupported StartingPosition parameter"),
        (SelfManagedKafka, |s| { s.starting_position = None; s.batching_window_seconds = Some(1); s.self_managed_kafka = Some(queue_mode()); }, "Unsupported MaximumBatchingWindowInSeconds parameter"),
        (SelfManagedKafka, |s| { s.starting_position = None; s.retry_attempts_max = Some(-1); s.self_managed_kafka = Some(queue_mode()); }, "MaximumRetryAttempts cannot be -1"),
    ];
    for (kind, more, text) in rows {
        let refused = with(*kind, *more).unwrap_err();
        assert!(refused.contains(text), "{kind:?}: {refused}, expected {text}");
    }
}

fn registry() -> SchemaRegistry {
    SchemaRegistry {
        uri: some("arn:registry"),
        record_format: some("JSON"),
        access: Vec::new(),
        attributes: vec!["VALUE".to_owned()],
    }
}

fn queue_mode() -> KafkaSettings {
    KafkaSettings { consumption_mode: some("Queue"), ..KafkaSettings::default() }
}

#[test]
fn what_the_rules_allow_is_kept() {
    let large = with(SourceKind::StandardQueue, |s| {
        s.batch_size = Some(10_000);
        s.batching_window_seconds = Some(1);
    });
    assert_eq!(large.unwrap().batch_size, 10_000);
    let aged = with(SourceKind::DynamoDbStream, |s| {
        s.record_age_seconds_max = Some(60);
        s.destinations = failing_to(Some("arn:aws:s3:::failed"));
    });
    assert_eq!(aged.unwrap().on_failure, some("arn:aws:s3:::failed"));
    let timed = with(SourceKind::KinesisConsumer, |s| {
        s.starting_position = some("AT_TIMESTAMP");
        s.starting_position_seconds = Some(1.5);
    });
    let began = timed.unwrap().starting_position.unwrap();
    assert_eq!((began.name(), began.at()), ("AT_TIMESTAMP", Some(Timestamp(1_500))));
    let kafka = with(SourceKind::ManagedKafka, |s| {
        s.pollers = pollers(Some(1), None);
        s.destinations = failing_to(Some("kafka://failed"));
        s.managed_kafka = Some(KafkaSettings {
            consumer_group_id: some("group"),
            schema_registry: Some(registry()),
            consumption_mode: None,
        });
    });
    let kafka = kafka.unwrap().kafka.unwrap();
    assert_eq!(
        (kafka.consumer_group_id.as_str(), kafka.schema_registry),
        ("group", Some(registry()))
    );
    let queue = with(SourceKind::SelfManagedKafka, |s| {
        s.starting_position = None;
        s.self_managed_kafka = Some(queue_mode());
    });
    let queue = queue.unwrap();
    assert_eq!((queue.starting_position, queue.retry_attempts_max), (None, Some(0)));
}

#[test]
fn an_update_changes_what_is_given_and_empty_values_take_away() {
    let kind = SourceKind::StandardQueue;
    let old = with(kind, |s| {
        s.batch_size = Some(5);
        s.filters = Some(vec![r#"{"a":["b"]}"#.to_owned()]);
        s.kms_key_arn = some("arn:aws:kms:us-east-1:000000000000:key/1");
        s.scaling = Some(Scaling { concurrency_max: Some(7) });
    });
    let old = old.unwrap();
    assert_eq!(rules::update(Settings::default(), &old, kind).unwrap(), old);
    let change = Settings {
        filters: Some(Vec::new()),
        kms_key_arn: some(""),
        scaling: Some(Scaling::default()),
        ..Settings::default()
    };
    let new = rules::update(change, &old, kind).unwrap();
    let bare = with(kind, |s| s.batch_size = Some(5)).unwrap();
    assert_eq!(new, bare);
    let change = Settings { batch_size: Some(11), ..Settings::default() };
    assert!(rules::update(change, &old, kind).is_err(), "the rules hold for what comes of it");
}

#[test]
fn what_is_set_at_creation_only_cannot_be_changed() {
    let kind = SourceKind::ManagedKafka;
    let old = with(kind, |_| {}).unwrap();
    let group = KafkaSettings { consumer_group_id: some("other"), ..KafkaSettings::default() };
    let change = Settings { managed_kafka: Some(group), ..Settings::default() };
    let refused = rules::update(change, &old, kind).unwrap_err().to_string();
    let block = "'amazonManagedKafkaEventSourceConfig.consumerGroupId'";
    assert_eq!(refused, format!("Unsupported {block} {UNSUPPORTED}"));

    let kind = SourceKind::Broker;
    let old = with(kind, |s| {
        s.source_access = Some(vec![access("BASIC_AUTH", "a"), access("VIRTUAL_HOST", "/v")]);
    });
    let old = old.unwrap();
    let change = |access| Settings { source_access: Some(access), ..Settings::default() };
    let host = change(vec![access("BASIC_AUTH", "a"), access("VIRTUAL_HOST", "/w")]);
    assert!(rules::update(host, &old, kind).unwrap_err().to_string().contains("VIRTUAL_HOST"));
    let password = change(vec![access("BASIC_AUTH", "b")]);
    let new = rules::update(password, &old, kind).unwrap();
    assert_eq!(new.source_access, [access("BASIC_AUTH", "b"), access("VIRTUAL_HOST", "/v")]);
}

#[test]
fn some_sources_do_not_wait_a_quarter_of_an_hour() {
    assert!(rules::check_timeout(SourceKind::StandardQueue, 900).is_ok());
    assert!(rules::check_timeout(SourceKind::KinesisStream, 900).is_ok());
    assert!(rules::check_timeout(SourceKind::ManagedKafka, 840).is_ok());
    assert!(rules::check_timeout(SourceKind::DocumentDb, 841).is_err());
}

fn mapping(kind: SourceKind) -> Mapping {
    let scope = Scope {
        account: AccountId::parse("000000000000").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
    };
    Mapping {
        id: MappingId::random(),
        function: FunctionArn { scope, name: FunctionName::parse("f").unwrap() },
        qualifier: None,
        source: source(kind),
        enabled: true,
        configuration: with(kind, |_| {}).unwrap(),
        state: State::Creating,
        transition_reason: state::user_reason(kind).to_owned(),
        last_processing_result: state::first_result(kind),
        modified: NOW,
        tags: BTreeMap::new(),
    }
}

/// Reads queues.
#[derive(Debug)]
struct QueuePollers;

/// The mapping whose queue cannot be read.
const LOST: &str = "00000000-0000-4000-8000-000000000001";

#[async_trait::async_trait]
impl Pollers for QueuePollers {
    fn serves(&self, kind: SourceKind) -> bool {
        kind.is_queue()
    }

    fn obstacle(&self, mapping: &MappingId) -> Option<String> {
        (mapping.as_str() == LOST).then(|| "the queue is gone".to_owned())
    }

    async fn check(&self, _source: &Source, _timeout_seconds: u32) -> Result<(), String> {
        Ok(())
    }

    fn changed(&self) {}
}

#[test]
fn a_mapping_rests_where_it_truly_is() {
    let queue = mapping(SourceKind::StandardQueue);
    let stream = mapping(SourceKind::KinesisStream);
    let lost = Mapping { id: MappingId::parse(LOST).unwrap(), ..queue.clone() };
    let off = |mapping: &Mapping| Mapping { enabled: false, ..mapping.clone() };
    #[rustfmt::skip]
    let rows = [
        ("wanted, and gone",        settled_state(&lost, &QueuePollers),       (State::Disabled, "the queue is gone")),
        ("not wanted, and gone",    settled_state(&off(&lost), &QueuePollers), (State::Disabled, "USER_INITIATED")),
        ("wanted and read",         settled_state(&queue, &QueuePollers),      (State::Enabled, "USER_INITIATED")),
        ("wanted but not read",     settled_state(&stream, &QueuePollers),     (State::Disabled, NO_POLLER)),
        ("nothing is read",         settled_state(&queue, &NoPollers),         (State::Disabled, NO_POLLER)),
        ("not wanted, could be",    settled_state(&off(&queue), &QueuePollers), (State::Disabled, "USER_INITIATED")),
        ("not wanted, could not",   settled_state(&off(&stream), &NoPollers),  (State::Disabled, "User action")),
    ];
    for (name, (state, reason), expected) in rows {
        assert_eq!((state, reason.as_str()), expected, "{name}");
    }
}

#[test]
fn a_change_is_named_after_what_it_does() {
    let on = mapping(SourceKind::StandardQueue);
    let off = Mapping { enabled: false, ..on.clone() };
    assert_eq!(State::of_change(&on, &off), State::Disabling);
    assert_eq!(State::of_change(&off, &on), State::Enabling);
    assert_eq!(State::of_change(&on, &on), State::Updating);
    assert_eq!(State::of_change(&off, &off), State::Updating);
}

#[test]
fn a_repetition_is_refused_in_the_words_of_its_kind() {
    let kafka = |topic: &str| {
        let mut one = mapping(SourceKind::SelfManagedKafka);
        one.configuration.topics = vec![topic.to_owned()];
        one
    };
    assert!(kafka("t").repeats(&kafka("t")));
    assert!(!kafka("t").repeats(&kafka("u")), "another topic");
    let queue = mapping(SourceKind::StandardQueue);
    let live = Mapping { qualifier: some("live"), ..queue.clone() };
    assert!(queue.repeats(&queue));
    assert!(!queue.repeats(&live), "another alias");
    assert!(!queue.repeats(&mapping(SourceKind::FifoQueue)), "another queue");

    let id = MappingId::parse("AAAAAAAA-0000-4000-8000-000000000000").unwrap();
    let ending = "already exists. Please update or delete the existing mapping with UUID aaaaaaaa-0000-4000-8000-000000000000";
    #[rustfmt::skip]
    let rows = [
        (live,                               r#"An event source mapping with SQS arn (" arn:aws:sqs:us-east-1:000000000000:q ") and function (" f:live ")"#),
        (mapping(SourceKind::KinesisStream), r#"The event source arn (" arn:aws:kinesis:us-east-1:000000000000:stream/s ") and function (" f ") provided mapping"#),
        (kafka("t"),                         r#"An event source mapping with event source ("k-1:9092"), function ("arn:aws:lambda:us-east-1:000000000000:function:f"), topics ("t")"#),
    ];
    for (one, beginning) in rows {
        assert_eq!(one.refused_beside(&id).to_string(), format!("{beginning} {ending}"));
    }
}

#[test]
fn a_stored_mapping_reads_back_as_itself() {
    for kind in [SourceKind::FifoQueue, SourceKind::SelfManagedKafka, SourceKind::DocumentDb] {
        let one = mapping(kind);
        let document = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Mapping>(&document).unwrap(), one);
    }
    assert_eq!(MappingId::parse("no uuid"), None);
}
