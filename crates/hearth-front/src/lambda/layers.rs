//! Layers: their versions, and who may use them.

use hearth_control::layer::{
    LayerArn, LayerFilter, LayerPermission, LayerVersion, LayerVersionArn, PublishLayer,
};
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, code, paging, write};
use crate::error::AwsError;

pub(super) async fn publish(
    call: &Call,
    request: types::PublishLayerVersionRequest,
) -> Result<Value, AwsError> {
    let layer = LayerArn::own(&request.layer_name, &call.scope)?;
    let zip = content(call, request.content).await?;
    let published = call
        .control()
        .publish_layer(PublishLayer {
            layer: layer.clone(),
            zip,
            description: request.description.unwrap_or_default(),
            license: request.license_info,
            runtimes: request.compatible_runtimes.unwrap_or_default(),
            architectures: request.compatible_architectures.unwrap_or_default(),
        })
        .await?;
    Ok(shown(call, &layer, &published))
}

/// The archive that a request brings or points to.
async fn content(call: &Call, given: types::LayerVersionContentInput) -> Result<Vec<u8>, AwsError> {
    // To refer to an object instead of copying it would bind the layer to what becomes of that.
    if given.s3_object_storage_mode.as_deref().is_some_and(|mode| mode != "COPY") {
        return Err(AwsError::invalid_parameter(
            "Hearth does not support Content.S3ObjectStorageMode yet; leave it out.",
        ));
    }
    match (given.zip_file, given.s3_bucket, given.s3_key) {
        (Some(zip), None, None) => code::uploaded(zip),
        (None, Some(bucket), Some(key)) => {
            code::fetch(call, bucket, key, given.s3_object_version).await
        }
        (None, Some(_), None) | (None, None, Some(_)) => {
            Err(AwsError::invalid_parameter("S3Bucket and S3Key must be given together."))
        }
        (None, None, None) => {
            Err(AwsError::invalid_parameter("Please provide a source for layer content."))
        }
        (Some(_), Some(_), _) | (Some(_), None, Some(_)) => Err(AwsError::invalid_parameter(
            "Please do not provide other LayerVersionContentInput parameters when providing a ZipFile.",
        )),
    }
}

pub(super) fn get(call: &Call, request: types::GetLayerVersionRequest) -> Result<Value, AwsError> {
    let layer = LayerArn::named(&request.layer_name, &call.scope)?;
    found(call, &layer.version(request.version_number)?)
}

pub(super) fn get_by_arn(
    call: &Call,
    request: types::GetLayerVersionByArnRequest,
) -> Result<Value, AwsError> {
    // The layers of AWS itself have ARNs without a number, and are not here.
    let which = LayerVersionArn::parse(&request.arn)
        .ok_or_else(|| AwsError::not_found("The resource you requested does not exist."))?;
    found(call, &which)
}

pub(super) fn list_versions(
    call: &Call,
    request: types::ListLayerVersionsRequest,
) -> Result<Value, AwsError> {
    let layer = LayerArn::named(&request.layer_name, &call.scope)?;
    let filter = LayerFilter {
        runtime: request.compatible_runtime,
        architecture: request.compatible_architecture,
    };
    let versions = call.control().list_layer_versions(&call.scope, &layer, &filter)?;
    // The newest comes first, so keys must become larger as numbers become smaller.
    let versions = versions
        .into_iter()
        .map(|version| (format!("{:020}", u64::MAX - version.version), listed(&layer, version)));
    let page = (request.marker.as_deref(), request.max_items);
    let (versions, next_marker) = paging::cut(versions, page)?;
    let layer_versions = Some(versions);
    Ok(write(&types::ListLayerVersionsResponse { next_marker, layer_versions }))
}

pub(super) fn list(call: &Call, request: types::ListLayersRequest) -> Result<Value, AwsError> {
    let filter = LayerFilter {
        runtime: request.compatible_runtime,
        architecture: request.compatible_architecture,
    };
    let layers = call.control().list_layers(&call.scope, &filter);
    let layers = layers.into_iter().map(|(layer, newest)| {
        let item = types::LayersListItem {
            layer_name: Some(layer.name().to_owned()),
            layer_arn: Some(layer.to_string()),
            latest_matching_version: Some(listed(&layer, newest)),
        };
        (layer.name().to_owned(), item)
    });
    let page = (request.marker.as_deref(), request.max_items);
    let (layers, next_marker) = paging::cut(layers, page)?;
    Ok(write(&types::ListLayersResponse { next_marker, layers: Some(layers) }))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteLayerVersionRequest,
) -> Result<Value, AwsError> {
    let which = own_version(call, &request.layer_name, request.version_number)?;
    call.control().delete_layer_version(&which).await?;
    Ok(json!({}))
}

pub(super) async fn add_permission(
    call: &Call,
    request: types::AddLayerVersionPermissionRequest,
) -> Result<Value, AwsError> {
    let which = own_version(call, &request.layer_name, request.version_number)?;
    let permission = LayerPermission {
        statement_id: request.statement_id,
        action: request.action,
        principal: request.principal,
        organization: request.organization_id,
        revision: request.revision_id,
    };
    let (statement, revision) = call.control().add_layer_permission(&which, permission).await?;
    Ok(write(&types::AddLayerVersionPermissionResponse {
        statement: Some(write(&statement).to_string()),
        revision_id: Some(revision.to_string()),
    }))
}

pub(super) async fn remove_permission(
    call: &Call,
    request: types::RemoveLayerVersionPermissionRequest,
) -> Result<Value, AwsError> {
    let which = own_version(call, &request.layer_name, request.version_number)?;
    let (statement, revision) = (request.statement_id.as_str(), request.revision_id.as_deref());
    call.control().remove_layer_permission(&which, statement, revision).await?;
    Ok(json!({}))
}

pub(super) fn get_policy(
    call: &Call,
    request: types::GetLayerVersionPolicyRequest,
) -> Result<Value, AwsError> {
    let which = own_version(call, &request.layer_name, request.version_number)?;
    let policy = call.control().layer_policy(&which)?;
    Ok(write(&types::GetLayerVersionPolicyResponse {
        policy: Some(policy.text()),
        revision_id: Some(policy.revision.to_string()),
    }))
}

fn own_version(call: &Call, layer: &str, number: i64) -> Result<LayerVersionArn, AwsError> {
    Ok(LayerArn::own(layer, &call.scope)?.version(number)?)
}

fn found(call: &Call, which: &LayerVersionArn) -> Result<Value, AwsError> {
    let version = call.control().layer_version(&call.scope, which)?;
    Ok(shown(call, which.layer(), &version))
}

/// A version as it is shown by itself, also to who has just published it: the two answers have the
/// same members.
fn shown(call: &Call, layer: &LayerArn, version: &LayerVersion) -> Value {
    let LayerVersion { code, .. } = version;
    let item = listed(layer, version.clone());
    write(&types::GetLayerVersionResponse {
        content: Some(types::LayerVersionContentOutput {
            location: Some(call.location(&code.digest)),
            code_sha256: Some(code.digest.base64()),
            code_size: i64::try_from(code.zip_bytes).ok(),
            ..types::LayerVersionContentOutput::default()
        }),
        layer_arn: Some(layer.to_string()),
        layer_version_arn: item.layer_version_arn,
        description: item.description,
        created_date: item.created_date,
        version: item.version,
        compatible_architectures: item.compatible_architectures,
        compatible_runtimes: item.compatible_runtimes,
        license_info: item.license_info,
    })
}

/// A version as a listing shows it: without what it holds.
fn listed(layer: &LayerArn, version: LayerVersion) -> types::LayerVersionsListItem {
    // What was not said about a version is left out, and not shown as an empty list.
    let given = |texts: Vec<String>| (!texts.is_empty()).then_some(texts);
    types::LayerVersionsListItem {
        layer_version_arn: Some(format!("{layer}:{}", version.version)),
        version: i64::try_from(version.version).ok(),
        description: Some(version.description),
        created_date: Some(version.created.lambda()),
        compatible_architectures: given(version.architectures),
        compatible_runtimes: given(version.runtimes),
        license_info: version.license,
    }
}
