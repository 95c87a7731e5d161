//! Event source mappings: create, get, update, delete, list.

use std::time::Duration;

use hearth_control::mapping::Mapping;
use hearth_control::mapping::operations::{CreateMapping, MappingFilter, UpdateMapping};
use hearth_control::mapping::settings::{
    Configuration, Destination, Destinations, DocumentDb, Kafka, KafkaSettings, Logging,
    ProvisionedPollers, Scaling, SchemaRegistry, Settings, SourceAccess,
};
use hearth_control::mapping::source::{Source, SourceKind};
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use hearth_wire::lambda::types;
use serde_json::Value;

use super::{Call, paging, write};
use crate::error::AwsError;

/// AWS: mappings on one page, although the model allows more.
const PAGE_ITEMS_MAX: usize = 100;
/// The only kind of endpoint that the model has.
const BOOTSTRAP_SERVERS: &str = "KAFKA_BOOTSTRAP_SERVERS";

/// Gives the stream of a table a region that has none: DynamoDB Local calls its own `ddblocal`, which
/// is not one of AWS's, and so no ARN of AWS's could name it. Whoever reads it finds it again.
pub(super) fn give_region(input: &mut Value, scope: &Scope) {
    let Some(Value::String(arn)) = input.get_mut("EventSourceArn") else { return };
    if let Some(rest) = arn.strip_prefix("arn:aws:dynamodb:ddblocal:") {
        *arn = format!("arn:aws:dynamodb:{}:{rest}", scope.region);
    }
}

pub(super) async fn create(
    call: &Call,
    mut request: types::CreateEventSourceMappingRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) = call.function(&request.function_name, None)?;
    let created = call
        .control()
        .create_mapping(CreateMapping {
            function,
            qualifier,
            source_arn: request.event_source_arn.take(),
            bootstrap_servers: request.self_managed_event_source.take().map(bootstrap_servers),
            tags: request.tags.take().unwrap_or_default(),
            settings: settings_of_create(request),
        })
        .await?;
    Ok(write(&shown(call, &created)))
}

pub(super) fn get(
    call: &Call,
    request: types::GetEventSourceMappingRequest,
) -> Result<Value, AwsError> {
    let mapping = call.control().mapping(&call.scope, &request.uuid)?;
    Ok(write(&shown(call, &mapping)))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateEventSourceMappingRequest,
) -> Result<Value, AwsError> {
    let name = request.function_name.as_deref();
    let function = name.map(|name| call.function(name, None)).transpose()?;
    let id = request.uuid.clone();
    let update = UpdateMapping { function, settings: settings_of_update(request) };
    let mapping = call.control().update_mapping(&call.scope, &id, update).await?;
    Ok(write(&shown(call, &mapping)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteEventSourceMappingRequest,
) -> Result<Value, AwsError> {
    let mapping = call.control().delete_mapping(&call.scope, &request.uuid).await?;
    Ok(write(&shown(call, &mapping)))
}

pub(super) fn list(
    call: &Call,
    request: types::ListEventSourceMappingsRequest,
) -> Result<Value, AwsError> {
    let name = request.function_name.as_deref();
    let function = name.map(|name| call.function(name, None)).transpose()?;
    let filter = MappingFilter {
        source_arn: request.event_source_arn,
        function_arn: function.map(|(function, qualifier)| {
            qualifier.map_or_else(|| function.to_string(), |one| function.qualified(&one))
        }),
        after: paging::after(request.marker.as_deref())?,
    };
    let asked = request.max_items.and_then(|asked| usize::try_from(asked).ok());
    let items = asked.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let found = call.control().list_mappings(&call.scope, &filter);
    let more = found.len() > items;
    let page = found.get(..items).unwrap_or(&found);
    let last = page.last().filter(|_| more);
    Ok(write(&types::ListEventSourceMappingsResponse {
        next_marker: last.map(|last| paging::marker(last.id.as_str())),
        event_source_mappings: Some(page.iter().map(|mapping| shown(call, mapping)).collect()),
    }))
}

/// What both requests ask for, and the rest of the settings.
macro_rules! settings_of {
    ($request:ident, $($rest:tt)*) => {
        Settings {
            enabled: $request.enabled,
            batch_size: $request.batch_size,
            batching_window_seconds: $request.maximum_batching_window_in_seconds,
            parallelization_factor: $request.parallelization_factor,
            destinations: $request.destination_config.map(destinations),
            record_age_seconds_max: $request.maximum_record_age_in_seconds,
            retry_attempts_max: $request.maximum_retry_attempts,
            bisect_batch: $request.bisect_batch_on_function_error,
            tumbling_window_seconds: $request.tumbling_window_in_seconds,
            source_access: $request.source_access_configurations.map(source_access),
            response_types: $request.function_response_types,
            filters: $request.filter_criteria.map(filters),
            kms_key_arn: $request.kms_key_arn,
            metrics: $request.metrics_config.map(metrics),
            logging: $request.logging_config.map(logging),
            scaling: $request.scaling_config.map(scaling),
            pollers: $request.provisioned_poller_config.map(pollers),
            managed_kafka: $request.amazon_managed_kafka_event_source_config.map(managed_kafka),
            self_managed_kafka: $request
                .self_managed_kafka_event_source_config
                .map(self_managed_kafka),
            document_db: $request.document_db_event_source_config.map(document_db),
            $($rest)*
        }
    };
}

fn settings_of_create(request: types::CreateEventSourceMappingRequest) -> Settings {
    settings_of!(
        request,
        starting_position: request.starting_position,
        starting_position_seconds: request.starting_position_timestamp,
        topics: request.topics,
        queues: request.queues,
    )
}

/// An update has no starting position, no topics and no queues.
fn settings_of_update(request: types::UpdateEventSourceMappingRequest) -> Settings {
    settings_of!(request, ..Settings::default())
}

fn bootstrap_servers(given: types::SelfManagedEventSource) -> Vec<String> {
    given.endpoints.unwrap_or_default().remove(BOOTSTRAP_SERVERS).unwrap_or_default()
}

fn destinations(given: types::DestinationConfig) -> Destinations {
    Destinations {
        on_success: given.on_success.map(|one| Destination { arn: one.destination }),
        on_failure: given.on_failure.map(|one| Destination { arn: one.destination }),
    }
}

/// A filter without a pattern is one with an empty pattern: refused.
fn filters(given: types::FilterCriteria) -> Vec<String> {
    let filters = given.filters.unwrap_or_default();
    filters.into_iter().map(|filter| filter.pattern.unwrap_or_default()).collect()
}

fn metrics(given: types::EventSourceMappingMetricsConfig) -> Vec<String> {
    given.metrics.unwrap_or_default()
}

fn logging(given: types::EventSourceMappingLoggingConfig) -> Logging {
    Logging { level: given.system_log_level }
}

fn scaling(given: types::ScalingConfig) -> Scaling {
    Scaling { concurrency_max: given.maximum_concurrency }
}

fn pollers(given: types::ProvisionedPollerConfig) -> ProvisionedPollers {
    ProvisionedPollers {
        least: given.minimum_pollers,
        most: given.maximum_pollers,
        group: given.poller_group_name,
    }
}

fn source_access(given: Vec<types::SourceAccessConfiguration>) -> Vec<SourceAccess> {
    given.into_iter().map(|one| access(one.r#type, one.uri)).collect()
}

/// What is left out is empty: refused.
fn access(kind: Option<String>, uri: Option<String>) -> SourceAccess {
    SourceAccess { kind: kind.unwrap_or_default(), uri: uri.unwrap_or_default() }
}

fn managed_kafka(given: types::AmazonManagedKafkaEventSourceConfig) -> KafkaSettings {
    KafkaSettings {
        consumer_group_id: given.consumer_group_id,
        schema_registry: given.schema_registry_config.map(schema_registry),
        consumption_mode: None,
    }
}

fn self_managed_kafka(given: types::SelfManagedKafkaEventSourceConfig) -> KafkaSettings {
    KafkaSettings {
        consumer_group_id: given.consumer_group_id,
        schema_registry: given.schema_registry_config.map(schema_registry),
        consumption_mode: given.consumption_mode,
    }
}

fn schema_registry(given: types::KafkaSchemaRegistryConfig) -> SchemaRegistry {
    let ways_in = given.access_configs.unwrap_or_default();
    let checked = given.schema_validation_configs.unwrap_or_default();
    SchemaRegistry {
        uri: given.schema_registry_uri,
        record_format: given.event_record_format,
        access: ways_in.into_iter().map(|one| access(one.r#type, one.uri)).collect(),
        attributes: checked.into_iter().map(|one| one.attribute.unwrap_or_default()).collect(),
    }
}

fn document_db(given: types::DocumentDBEventSourceConfig) -> DocumentDb {
    DocumentDb {
        database: given.database_name,
        collection: given.collection_name,
        full_document: given.full_document,
    }
}

fn shown(call: &Call, mapping: &Mapping) -> types::EventSourceMappingConfiguration {
    let seen = call.front.mappings.seen(&mapping.id);
    let (kind, configuration) = (mapping.source.kind(), &mapping.configuration);
    let position = configuration.starting_position;
    let kafka = configuration.kafka.as_ref();
    types::EventSourceMappingConfiguration {
        uuid: Some(mapping.id.to_string()),
        event_source_mapping_arn: Some(mapping.arn()),
        function_arn: Some(mapping.function_arn()),
        event_source_arn: mapping.source.arn().map(str::to_owned),
        self_managed_event_source: shown_servers(&mapping.source),
        state: Some(mapping.state.name().to_owned()),
        state_transition_reason: Some(mapping.transition_reason.clone()),
        last_modified: Some(seconds(mapping.modified)),
        last_processing_result: seen
            .and_then(|seen| seen.result)
            .or_else(|| mapping.last_processing_result.clone()),
        starting_position: position.map(|position| position.name().to_owned()),
        starting_position_timestamp: position.and_then(|position| position.at()).map(seconds),
        batch_size: Some(configuration.batch_size),
        maximum_batching_window_in_seconds: configuration.batching_window_seconds,
        parallelization_factor: configuration.parallelization_factor,
        maximum_record_age_in_seconds: configuration.record_age_seconds_max,
        bisect_batch_on_function_error: configuration.bisect_batch,
        maximum_retry_attempts: configuration.retry_attempts_max,
        tumbling_window_in_seconds: configuration.tumbling_window_seconds,
        destination_config: shown_destinations(configuration, kind),
        function_response_types: configuration.response_types.clone(),
        filter_criteria: shown_filters(&configuration.filters),
        kms_key_arn: configuration.kms_key_arn.clone(),
        metrics_config: given(&configuration.metrics)
            .map(|metrics| types::EventSourceMappingMetricsConfig { metrics: Some(metrics) }),
        logging_config: configuration
            .log_level
            .clone()
            .map(|level| types::EventSourceMappingLoggingConfig { system_log_level: Some(level) }),
        scaling_config: configuration
            .concurrency_max
            .map(|most| types::ScalingConfig { maximum_concurrency: Some(most) }),
        provisioned_poller_config: configuration.pollers.as_ref().map(shown_pollers),
        topics: given(&configuration.topics),
        queues: given(&configuration.queues),
        source_access_configurations: given(&configuration.source_access)
            .map(|all| all.into_iter().map(shown_access).collect()),
        amazon_managed_kafka_event_source_config: kafka
            .filter(|_| kind == SourceKind::ManagedKafka)
            .map(shown_managed_kafka),
        self_managed_kafka_event_source_config: kafka
            .filter(|_| kind == SourceKind::SelfManagedKafka)
            .map(shown_self_managed_kafka),
        document_db_event_source_config: configuration.document_db.as_ref().map(shown_document_db),
        ..types::EventSourceMappingConfiguration::default()
    }
}

/// A list is shown unless it is empty.
fn given<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn seconds(at: Timestamp) -> f64 {
    Duration::from_millis(at.0).as_secs_f64()
}

fn shown_servers(source: &Source) -> Option<types::SelfManagedEventSource> {
    match source {
        Source::Arn { .. } => None,
        Source::SelfManagedKafka { bootstrap_servers } => Some(types::SelfManagedEventSource {
            endpoints: Some([(BOOTSTRAP_SERVERS.to_owned(), bootstrap_servers.clone())].into()),
        }),
    }
}

/// Where there can be a destination, AWS shows the place for it also while it is empty.
fn shown_destinations(
    configuration: &Configuration,
    kind: SourceKind,
) -> Option<types::DestinationConfig> {
    (kind.is_stream() || kind.is_kafka()).then(|| types::DestinationConfig {
        on_failure: Some(types::OnFailure { destination: configuration.on_failure.clone() }),
        on_success: None,
    })
}

fn shown_filters(patterns: &[String]) -> Option<types::FilterCriteria> {
    let patterns = given(patterns)?.into_iter();
    let filters = patterns.map(|pattern| types::Filter { pattern: Some(pattern) });
    Some(types::FilterCriteria { filters: Some(filters.collect()) })
}

fn shown_pollers(pollers: &ProvisionedPollers) -> types::ProvisionedPollerConfig {
    types::ProvisionedPollerConfig {
        minimum_pollers: pollers.least,
        maximum_pollers: pollers.most,
        poller_group_name: pollers.group.clone(),
    }
}

fn shown_access(access: SourceAccess) -> types::SourceAccessConfiguration {
    types::SourceAccessConfiguration { r#type: Some(access.kind), uri: Some(access.uri) }
}

fn shown_managed_kafka(kafka: &Kafka) -> types::AmazonManagedKafkaEventSourceConfig {
    types::AmazonManagedKafkaEventSourceConfig {
        consumer_group_id: Some(kafka.consumer_group_id.clone()),
        schema_registry_config: kafka.schema_registry.as_ref().map(shown_registry),
    }
}

fn shown_self_managed_kafka(kafka: &Kafka) -> types::SelfManagedKafkaEventSourceConfig {
    types::SelfManagedKafkaEventSourceConfig {
        consumer_group_id: Some(kafka.consumer_group_id.clone()),
        schema_registry_config: kafka.schema_registry.as_ref().map(shown_registry),
        consumption_mode: kafka.consumption_mode.clone(),
    }
}

fn shown_registry(registry: &SchemaRegistry) -> types::KafkaSchemaRegistryConfig {
    let ways_in = given(&registry.access).map(|all| {
        let shown = all.into_iter().map(|one| types::KafkaSchemaRegistryAccessConfig {
            r#type: Some(one.kind),
            uri: Some(one.uri),
        });
        shown.collect()
    });
    let checked = registry
        .attributes
        .iter()
        .map(|attribute| types::KafkaSchemaValidationConfig { attribute: Some(attribute.clone()) });
    types::KafkaSchemaRegistryConfig {
        schema_registry_uri: registry.uri.clone(),
        event_record_format: registry.record_format.clone(),
        access_configs: ways_in,
        schema_validation_configs: Some(checked.collect()),
    }
}

fn shown_document_db(documents: &DocumentDb) -> types::DocumentDBEventSourceConfig {
    types::DocumentDBEventSourceConfig {
        database_name: documents.database.clone(),
        collection_name: documents.collection.clone(),
        full_document: documents.full_document.clone(),
    }
}
