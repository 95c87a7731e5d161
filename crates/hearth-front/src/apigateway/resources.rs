//! Resources of REST APIs.

use hearth_http::rest::record::Resource;
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, methods, paging, patches, write};
use crate::error::AwsError;

/// What is shown of the methods of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Methods {
    /// Which there are.
    Names,
    /// All of them.
    Whole,
}

impl Methods {
    fn asked(embed: Option<&[String]>) -> Self {
        let is_asked = embed.unwrap_or_default().iter().any(|one| one == "methods");
        if is_asked { Self::Whole } else { Self::Names }
    }
}

pub(super) async fn create(
    call: &Call,
    request: types::CreateResourceRequest,
) -> Result<Value, AwsError> {
    let (parent, part) = (request.parent_id, request.path_part);
    let changed = call.change(&request.rest_api_id, |api| api.create_resource(&parent, &part));
    let (_api, resource) = changed.await?;
    Ok(write(&wire(&resource, Methods::Names)))
}

pub(super) fn get(call: &Call, request: types::GetResourceRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let resource = api.resource(&request.resource_id)?;
    Ok(write(&wire(resource, Methods::asked(request.embed.as_deref()))))
}

pub(super) fn list(call: &Call, request: types::GetResourcesRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let methods = Methods::asked(request.embed.as_deref());
    let all = api.resources.iter().map(|(id, one)| (id.clone(), wire(one, methods)));
    let (item, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::Resources { position, item: Some(item) }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateResourceRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let id = request.resource_id;
    let changed = call.change(&request.rest_api_id, |api| api.patch_resource(&id, &patches));
    let (_api, resource) = changed.await?;
    Ok(write(&wire(&resource, Methods::Names)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteResourceRequest,
) -> Result<Value, AwsError> {
    call.change(&request.rest_api_id, |api| api.delete_resource(&request.resource_id)).await?;
    Ok(Value::Null)
}

fn wire(resource: &Resource, methods: Methods) -> types::Resource {
    let of_methods = resource.methods.iter().map(|(name, method)| {
        let shown = match methods {
            Methods::Names => types::Method::default(),
            Methods::Whole => methods::wire(name, method),
        };
        (name.clone(), shown)
    });
    let is_root = resource.parent.is_none();
    types::Resource {
        id: Some(resource.id.clone()),
        parent_id: resource.parent.clone(),
        path_part: (!is_root).then(|| resource.part.clone()),
        path: Some(resource.path.clone()),
        resource_methods: (!resource.methods.is_empty()).then(|| of_methods.collect()),
    }
}
