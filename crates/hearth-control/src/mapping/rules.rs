//! What a caller may not ask of a mapping, although the model allows it.
//!
//! The front door has checked the model's constraints. What is left depends on the kind of the
//! source, or on more than one value. All of it is pure.

use std::time::Duration;

use hearth_types::time::Timestamp;

use crate::error::ControlError;
use crate::mapping::MappingId;
use crate::mapping::filter;
use crate::mapping::settings::{
    Configuration, Kafka, KafkaSettings, ProvisionedPollers, QUEUE_MODE, SchemaRegistry, Settings,
    SourceAccess, StartingPosition, defaults,
};
use crate::mapping::source::{Source, SourceKind};

/// AWS: filters of one mapping. (More of them only on request.)
const FILTERS_MAX: usize = 5;
/// AWS: records of a batch when it may not be gathered.
const BATCH_SIZE_UNGATHERED_MAX: i32 = 10;
/// AWS: the least age at which a record may be given up.
const RECORD_AGE_SECONDS_MIN: i32 = 60;
/// AWS: how long a function may run that reads Kafka, Amazon MQ or Amazon DocumentDB.
const TIMEOUT_SECONDS_MAX: u32 = 840;
/// AWS: the fewest and the most pollers of a queue, and how many there are if nobody says.
const POLLERS_OF_A_QUEUE: PollerBounds = PollerBounds { least: 2, most: 10_000, usual: (2, 200) };
/// The same for Kafka.
const POLLERS_OF_KAFKA: PollerBounds = PollerBounds { least: 1, most: 2_000, usual: (1, 200) };

const VIRTUAL_HOST: &str = "VIRTUAL_HOST";
const BASIC_AUTH: &str = "BASIC_AUTH";

struct PollerBounds {
    least: i32,
    most: i32,
    usual: (i32, i32),
}

/// The configuration of a new mapping.
pub(super) fn create(
    settings: Settings,
    source: &Source,
    id: &MappingId,
    now: Timestamp,
) -> Result<Configuration, ControlError> {
    let kind = source.kind();
    check_given(&settings, kind)?;
    let mut configuration = defaults(kind);
    configuration.starting_position = starting_position(&settings, source, now)?;
    if kind.is_kafka() {
        // AWS's default is a unique value, too.
        configuration.kafka = Some(Kafka { consumer_group_id: id.to_string(), ..Kafka::default() });
    }
    merge(&mut configuration, settings);
    if configuration.is_queue_of_kafka() {
        // AWS: the broker delivers again what was not dealt with.
        configuration.retry_attempts_max.get_or_insert(0);
    }
    check_complete(&configuration, kind)?;
    check(&configuration, kind)?;
    Ok(configuration)
}

/// The configuration of a mapping that is changed.
pub(super) fn update(
    settings: Settings,
    old: &Configuration,
    kind: SourceKind,
) -> Result<Configuration, ControlError> {
    check_given(&settings, kind)?;
    check_unchangeable(&settings, old)?;
    let mut configuration = old.clone();
    merge(&mut configuration, settings);
    check(&configuration, kind)?;
    Ok(configuration)
}

/// Refuses a function that may run longer than its kind of source waits for it.
pub(super) fn check_timeout(kind: SourceKind, timeout_seconds: u32) -> Result<(), ControlError> {
    if kind.is_queue() || kind.is_stream() || timeout_seconds <= TIMEOUT_SECONDS_MAX {
        return Ok(());
    }
    Err(refused(format!(
        "Function timeout: {timeout_seconds} seconds is greater than {TIMEOUT_SECONDS_MAX} seconds, the maximum for given event source mapping type."
    )))
}

/// A member that this kind of source does not have. Recorded for `DestinationConfig`.
pub(super) fn unsupported(member: &str) -> ControlError {
    refused(format!("Unsupported {member} parameter for given event source mapping type."))
}

fn refused(text: impl Into<String>) -> ControlError {
    ControlError::InvalidParameter(text.into())
}

/// The text of a broken constraint, where the model has none. Recorded for `startingPosition`; the
/// type is that of an invalid parameter all the same.
fn violation(value: &str, path: &str, constraint: &str) -> ControlError {
    refused(format!(
        "1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: Member must {constraint}"
    ))
}

fn check_given(settings: &Settings, kind: SourceKind) -> Result<(), ControlError> {
    let (queue, stream, kafka) = (kind.is_queue(), kind.is_stream(), kind.is_kafka());
    let (broker, documents) = (kind == SourceKind::Broker, kind == SourceKind::DocumentDb);
    if queue && settings.starting_position.is_some() {
        return Err(refused("StartingPosition is not valid for SQS event sources."));
    }
    // What, whether it is given, and whether the kind has it.
    #[rustfmt::skip]
    let rows = [
        ("StartingPosition", settings.starting_position.is_some(), stream || kafka || documents),
        ("StartingPositionTimestamp", settings.starting_position_seconds.is_some(), stream || kafka || documents),
        ("ParallelizationFactor", settings.parallelization_factor.is_some(), stream),
        ("DestinationConfig", settings.destinations.is_some(), stream || kafka),
        ("MaximumRecordAgeInSeconds", settings.record_age_seconds_max.is_some(), stream || kafka),
        ("MaximumRetryAttempts", settings.retry_attempts_max.is_some(), stream || kafka),
        ("BisectBatchOnFunctionError", settings.bisect_batch.is_some(), stream || kafka),
        ("TumblingWindowInSeconds", settings.tumbling_window_seconds.is_some(), stream),
        ("Topics", settings.topics.is_some(), kafka),
        ("Queues", settings.queues.is_some(), broker),
        ("SourceAccessConfigurations", settings.source_access.is_some(), kafka || broker || documents),
        ("FunctionResponseTypes", settings.response_types.is_some(), queue || stream || kafka),
        ("FilterCriteria", settings.filters.is_some(), !documents),
        ("MetricsConfig", settings.metrics.is_some(), queue || stream || kafka),
        ("LoggingConfig", settings.logging.is_some(), kafka),
        ("ScalingConfig", settings.scaling.is_some(), queue),
        ("ProvisionedPollerConfig", settings.pollers.is_some(), queue || kafka),
        ("AmazonManagedKafkaEventSourceConfig", settings.managed_kafka.is_some(), kind == SourceKind::ManagedKafka),
        ("SelfManagedKafkaEventSourceConfig", settings.self_managed_kafka.is_some(), kind == SourceKind::SelfManagedKafka),
        ("DocumentDBEventSourceConfig", settings.document_db.is_some(), documents),
    ];
    if let Some((member, ..)) = rows.iter().find(|(_, given, has)| *given && !*has) {
        return Err(unsupported(member));
    }
    let Some(destinations) = &settings.destinations else { return Ok(()) };
    let success = destinations.on_success.as_ref().and_then(|one| one.arn.as_deref());
    if success.is_some_and(|arn| !arn.is_empty()) {
        return Err(unsupported("DestinationConfig"));
    }
    if destinations.on_failure.as_ref().is_some_and(|one| one.arn.is_none()) {
        return Err(refused("The Destination field is required for an OnFailure configuration."));
    }
    Ok(())
}

/// Refuses to change what can only be set when a mapping is created.
fn check_unchangeable(settings: &Settings, old: &Configuration) -> Result<(), ControlError> {
    #[rustfmt::skip]
    let blocks = [
        ("amazonManagedKafkaEventSourceConfig", &settings.managed_kafka),
        ("selfManagedKafkaEventSourceConfig", &settings.self_managed_kafka),
    ];
    for (block, given) in blocks {
        let Some(given) = given else { continue };
        // Also when it stays the same.
        if given.consumer_group_id.is_some() {
            return Err(unsupported(&format!("'{block}.consumerGroupId'")));
        }
        if given.consumption_mode.is_some() {
            return Err(unsupported(&format!("'{block}.consumptionMode'")));
        }
    }
    let given = settings.source_access.as_deref().unwrap_or_default();
    if given.iter().any(|one| one.kind == VIRTUAL_HOST && !old.source_access.contains(one)) {
        return Err(refused(
            "VIRTUAL_HOST of SourceAccessConfigurations can only be set when the event source mapping is created.",
        ));
    }
    Ok(())
}

fn starting_position(
    settings: &Settings,
    source: &Source,
    now: Timestamp,
) -> Result<Option<StartingPosition>, ControlError> {
    use StartingPosition::{AtTimestamp, Latest, TrimHorizon};

    let kind = source.kind();
    if kind.is_queue() || kind == SourceKind::Broker {
        return Ok(None);
    }
    let own = settings.self_managed_kafka.as_ref();
    let (position, at) =
        (settings.starting_position.as_deref(), settings.starting_position_seconds);
    if own.and_then(|own| own.consumption_mode.as_deref()) == Some(QUEUE_MODE) {
        // What is read as a queue has no positions.
        let given = position.is_some() || at.is_some();
        return if given { Err(unsupported("StartingPosition")) } else { Ok(None) };
    }
    let position = position.ok_or_else(|| violation("null", "startingPosition", "not be null."))?;
    match (position, at) {
        ("AT_TIMESTAMP", _) if kind == SourceKind::DynamoDbStream => Err(refused(format!(
            "Unsupported starting position for arn type: {}",
            source.arn().unwrap_or_default()
        ))),
        ("AT_TIMESTAMP", None) => Err(refused("Need to specify a timestamp")),
        ("AT_TIMESTAMP", Some(seconds)) => past(seconds, now).map(AtTimestamp).map(Some),
        (_, Some(_)) => Err(refused(
            "StartingPositionTimestamp can only be used with StartingPosition AT_TIMESTAMP.",
        )),
        ("TRIM_HORIZON", None) => Ok(Some(TrimHorizon)),
        ("LATEST", None) => Ok(Some(Latest)),
        (other, None) => Err(refused(format!("Unsupported starting position: {other}"))),
    }
}

/// The point in time so many seconds after the beginning of 1970, if it has come already.
fn past(seconds: f64, now: Timestamp) -> Result<Timestamp, ControlError> {
    if seconds < 0.0 {
        return Err(refused("StartingPositionTimestamp cannot be before 1970."));
    }
    Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .map(Timestamp)
        .filter(|at| *at <= now)
        .ok_or_else(|| refused("StartingPositionTimestamp cannot be in the future."))
}

/// Puts what was given in the place of what was there.
fn merge(configuration: &mut Configuration, settings: Settings) {
    let into = configuration;
    into.batch_size = settings.batch_size.unwrap_or(into.batch_size);
    keep(&mut into.batching_window_seconds, settings.batching_window_seconds);
    keep(&mut into.parallelization_factor, settings.parallelization_factor);
    keep(&mut into.record_age_seconds_max, settings.record_age_seconds_max);
    keep(&mut into.retry_attempts_max, settings.retry_attempts_max);
    keep(&mut into.bisect_batch, settings.bisect_batch);
    keep(&mut into.tumbling_window_seconds, settings.tumbling_window_seconds);
    keep(&mut into.response_types, settings.response_types);
    replace(&mut into.topics, settings.topics);
    replace(&mut into.queues, settings.queues);
    replace(&mut into.filters, settings.filters);
    replace(&mut into.metrics, settings.metrics);
    if let Some(destinations) = settings.destinations {
        let arn = destinations.on_failure.and_then(|one| one.arn);
        into.on_failure = arn.filter(|arn| !arn.is_empty());
    }
    if let Some(key) = settings.kms_key_arn {
        into.kms_key_arn = Some(key).filter(|key| !key.is_empty());
    }
    if let Some(logging) = settings.logging {
        into.log_level = logging.level;
    }
    if let Some(scaling) = settings.scaling {
        into.concurrency_max = scaling.concurrency_max;
    }
    if let Some(pollers) = settings.pollers {
        let group = pollers.group.filter(|group| !group.is_empty());
        into.pollers = Some(ProvisionedPollers { group, ..pollers })
            .filter(|pollers| *pollers != ProvisionedPollers::default());
    }
    if let Some(mut access) = settings.source_access {
        // A virtual host stays, because an update cannot name another.
        if !access.iter().any(|one| one.kind == VIRTUAL_HOST) {
            into.source_access.retain(|one| one.kind == VIRTUAL_HOST);
            access.append(&mut into.source_access);
        }
        into.source_access = access;
    }
    if let Some(mut documents) = settings.document_db {
        documents.full_document.get_or_insert_with(|| "Default".to_owned());
        into.document_db = Some(documents);
    }
    if let Some(kafka) = &mut into.kafka
        && let Some(given) = settings.managed_kafka.or(settings.self_managed_kafka)
    {
        merge_kafka(kafka, given);
    }
}

fn merge_kafka(into: &mut Kafka, given: KafkaSettings) {
    replace(&mut into.consumer_group_id, given.consumer_group_id);
    keep(&mut into.consumption_mode, given.consumption_mode);
    if let Some(registry) = given.schema_registry {
        into.schema_registry =
            Some(registry).filter(|registry| *registry != SchemaRegistry::default());
    }
}

fn keep<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

fn replace<T>(old: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *old = new;
    }
}

/// Refuses a new mapping that lacks something that has no default.
fn check_complete(configuration: &Configuration, kind: SourceKind) -> Result<(), ControlError> {
    let (own, broker) = (kind == SourceKind::SelfManagedKafka, kind == SourceKind::Broker);
    let documents = kind == SourceKind::DocumentDb;
    #[rustfmt::skip]
    let rows = [
        ("topics", kind.is_kafka() && configuration.topics.is_empty()),
        ("queues", broker && configuration.queues.is_empty()),
        ("sourceAccessConfigurations", (own || broker || documents) && configuration.source_access.is_empty()),
    ];
    match rows.iter().find(|(_, absent)| *absent) {
        Some((member, _)) => Err(lacking(member)),
        None => Ok(()),
    }
}

fn lacking(member: &str) -> ControlError {
    refused(format!("Required '{member}' parameter is missing."))
}

fn check(configuration: &Configuration, kind: SourceKind) -> Result<(), ControlError> {
    check_batches(configuration, kind)?;
    check_records(configuration, kind)?;
    check_filters(&configuration.filters, kind)?;
    check_metrics(&configuration.metrics, kind)?;
    check_scaling(configuration, kind)?;
    check_access(&configuration.source_access, kind)?;
    if let Some(registry) =
        configuration.kafka.as_ref().and_then(|kafka| kafka.schema_registry.as_ref())
    {
        check_registry(registry, configuration.pollers.as_ref())?;
    }
    let database = configuration.document_db.as_ref().and_then(|found| found.database.as_ref());
    if kind == SourceKind::DocumentDb && database.is_none() {
        return Err(lacking("documentDBEventSourceConfig.databaseName"));
    }
    Ok(())
}

fn check_batches(configuration: &Configuration, kind: SourceKind) -> Result<(), ControlError> {
    let size = configuration.batch_size;
    let gathered = configuration.batching_window_seconds.is_some_and(|seconds| seconds > 0);
    if kind == SourceKind::FifoQueue && gathered {
        return Err(refused("Batching window is not supported for FIFO queues"));
    }
    if kind == SourceKind::FifoQueue && size > BATCH_SIZE_UNGATHERED_MAX {
        return Err(refused("Maximum batch size must be between 1 and 10 inclusive"));
    }
    if kind == SourceKind::StandardQueue && size > BATCH_SIZE_UNGATHERED_MAX && !gathered {
        return Err(refused(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    if configuration.is_queue_of_kafka() && configuration.batching_window_seconds.is_some() {
        return Err(unsupported("MaximumBatchingWindowInSeconds"));
    }
    if configuration.is_queue_of_kafka() && configuration.retry_attempts_max == Some(-1) {
        return Err(refused(
            "MaximumRetryAttempts cannot be -1 (infinite) if the ConsumptionMode is Queue.",
        ));
    }
    Ok(())
}

/// What becomes of records that cannot be handed over.
fn check_records(configuration: &Configuration, kind: SourceKind) -> Result<(), ControlError> {
    let age = configuration.record_age_seconds_max.unwrap_or(-1);
    if age != -1 && age < RECORD_AGE_SECONDS_MIN {
        return Err(refused(
            "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)",
        ));
    }
    let Some(destination) = &configuration.on_failure else { return Ok(()) };
    let service = destination.split(':').nth(2);
    let fits = if let Some(topic) = destination.strip_prefix("kafka://") {
        // AWS: what is given up must not come again.
        kind.is_kafka() && !configuration.topics.iter().any(|source| source == topic)
    } else {
        // AWS: FIFO queues and topics are not among them. What is told names no group either.
        match service {
            Some("sqs" | "sns") => !destination.ends_with(".fifo"),
            service => service == Some("s3"),
        }
    };
    if fits {
        Ok(())
    } else {
        Err(refused(format!("The destination ARN {destination} is invalid.")))
    }
}

/// Where records have their data, if AWS takes only patterns for parts of it.
fn field_of_parts(kind: SourceKind) -> Option<&'static str> {
    match kind {
        SourceKind::KinesisStream | SourceKind::KinesisConsumer => Some("data"),
        SourceKind::DynamoDbStream => Some("dynamodb"),
        SourceKind::StandardQueue
        | SourceKind::FifoQueue
        | SourceKind::ManagedKafka
        | SourceKind::SelfManagedKafka
        | SourceKind::Broker
        | SourceKind::DocumentDb => None,
    }
}

fn check_filters(filters: &[String], kind: SourceKind) -> Result<(), ControlError> {
    if filters.len() > FILTERS_MAX {
        return Err(refused(format!(
            "An event source mapping can have at most {FILTERS_MAX} filters."
        )));
    }
    let field = field_of_parts(kind);
    let wants_text = |pattern: &str| field.is_some_and(|data| filter::wants_text(pattern, data));
    if filters.iter().any(|pattern| !filter::is_pattern(pattern) || wants_text(pattern)) {
        return Err(refused("Invalid filter pattern definition."));
    }
    Ok(())
}

fn check_metrics(metrics: &[String], kind: SourceKind) -> Result<(), ControlError> {
    let own_of_kafka = |metric: &&String| matches!(metric.as_str(), "ErrorCount" | "KafkaMetrics");
    match metrics.iter().find(own_of_kafka).filter(|_| !kind.is_kafka()) {
        Some(metric) => Err(unsupported(&format!("MetricsConfig {metric}"))),
        None => Ok(()),
    }
}

fn check_scaling(configuration: &Configuration, kind: SourceKind) -> Result<(), ControlError> {
    let Some(pollers) = &configuration.pollers else { return Ok(()) };
    if configuration.concurrency_max.is_some() {
        return Err(refused("ScalingConfig and ProvisionedPollerConfig cannot be used together."));
    }
    let bounds = if kind.is_queue() { POLLERS_OF_A_QUEUE } else { POLLERS_OF_KAFKA };
    if kind.is_queue() && pollers.group.is_some() {
        return Err(unsupported("ProvisionedPollerConfig.PollerGroupName"));
    }
    #[rustfmt::skip]
    let rows = [
        ("provisionedPollerConfig.minimumPollers", pollers.least),
        ("provisionedPollerConfig.maximumPollers", pollers.most),
    ];
    for (path, given) in rows {
        let Some(given) = given else { continue };
        let (value, least, most) = (format!("'{given}'"), bounds.least, bounds.most);
        if given < least {
            let constraint = format!("have value greater than or equal to {least}");
            return Err(violation(&value, path, &constraint));
        }
        if given > most {
            let constraint = format!("have value less than or equal to {most}");
            return Err(violation(&value, path, &constraint));
        }
    }
    let (least, most) = bounds.usual;
    if pollers.least.unwrap_or(least) > pollers.most.unwrap_or(most) {
        return Err(refused("MinimumPollers cannot be greater than MaximumPollers."));
    }
    Ok(())
}

/// The ways in that a kind of source has.
fn access_kinds(kind: SourceKind) -> &'static [&'static str] {
    match kind {
        SourceKind::ManagedKafka => &[
            "SASL_SCRAM_512_AUTH",
            "CLIENT_CERTIFICATE_TLS_AUTH",
            "SERVER_ROOT_CA_CERTIFICATE",
            "IAM_AUTH",
            "IAM_OAUTHBEARER_AUTH",
        ],
        SourceKind::SelfManagedKafka => &[
            BASIC_AUTH,
            "VPC_SUBNET",
            "VPC_SECURITY_GROUP",
            "SASL_SCRAM_512_AUTH",
            "SASL_SCRAM_256_AUTH",
            "CLIENT_CERTIFICATE_TLS_AUTH",
            "SERVER_ROOT_CA_CERTIFICATE",
            "OAUTHBEARER_AUTH",
            "OAUTHBEARER_SCOPE",
            "OAUTHBEARER_AUDIENCE",
            "OAUTHBEARER_LOGICAL_CLUSTER",
            "OAUTHBEARER_IDENTITY_POOL",
            "IAM_AUTH",
            "IAM_OAUTHBEARER_AUTH",
        ],
        SourceKind::Broker => &[BASIC_AUTH, VIRTUAL_HOST],
        SourceKind::DocumentDb => &[BASIC_AUTH],
        SourceKind::StandardQueue
        | SourceKind::FifoQueue
        | SourceKind::KinesisStream
        | SourceKind::KinesisConsumer
        | SourceKind::DynamoDbStream => &[],
    }
}

fn check_access(given: &[SourceAccess], kind: SourceKind) -> Result<(), ControlError> {
    let known = access_kinds(kind);
    for one in given {
        if !known.contains(&one.kind.as_str()) {
            let member = format!("SourceAccessConfigurations type '{}'", one.kind);
            return Err(unsupported(&member));
        }
        if one.uri.is_empty() {
            return Err(refused(format!(
                "The URI of the source access configuration {} is missing.",
                one.kind
            )));
        }
    }
    let count = |name: &str| given.iter().filter(|one| one.kind == name).count();
    let with_password = matches!(kind, SourceKind::Broker | SourceKind::DocumentDb);
    if with_password && count(BASIC_AUTH) != 1 {
        return Err(refused("SourceAccessConfigurations must have exactly one BASIC_AUTH."));
    }
    if count(VIRTUAL_HOST) > 1 {
        return Err(refused("SourceAccessConfigurations can have only one VIRTUAL_HOST."));
    }
    Ok(())
}

fn check_registry(
    registry: &SchemaRegistry,
    pollers: Option<&ProvisionedPollers>,
) -> Result<(), ControlError> {
    if pollers.is_none() {
        return Err(refused("SchemaRegistryConfig is only available in provisioned mode."));
    }
    let complete = registry.uri.is_some()
        && registry.record_format.is_some()
        && !registry.attributes.is_empty()
        && !registry.attributes.contains(&String::new());
    if !complete {
        return Err(refused(
            "SchemaRegistryConfig needs SchemaRegistryURI, EventRecordFormat and SchemaValidationConfigs.",
        ));
    }
    if registry.access.iter().any(|one| one.kind.is_empty() || one.uri.is_empty()) {
        return Err(refused(
            "Each of the AccessConfigs of SchemaRegistryConfig needs Type and URI.",
        ));
    }
    Ok(())
}
