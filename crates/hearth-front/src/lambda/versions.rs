//! Versions: publish and list.

use hearth_control::publish::PublishVersion;
use hearth_types::names::Version;
use hearth_wire::lambda::types;
use serde_json::Value;

use super::functions::{listed, views};
use super::{Call, configuration, paging, write};
use crate::error::AwsError;

pub(super) async fn publish(
    call: &Call,
    request: types::PublishVersionRequest,
) -> Result<Value, AwsError> {
    if request.publish_to.is_some() {
        return Err(AwsError::invalid_parameter(
            "Hearth does not support PublishTo yet; leave it out.",
        ));
    }
    let function = call.unqualified(&request.function_name)?;
    let publish = PublishVersion {
        code_sha256: request.code_sha256,
        description: request.description,
        revision: request.revision_id,
    };
    let view = call.control().publish_version(&function, publish).await?;
    Ok(write(&configuration::shown(&view, &call.front.runtimes)))
}

pub(super) fn list(
    call: &Call,
    request: types::ListVersionsByFunctionRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let record = call.control().record(&function)?;
    let versions = views(&record, true).into_iter().map(|view| (key(view.version), view));
    let (page, next_marker) =
        paging::cut(versions, (request.marker.as_deref(), request.max_items))?;
    Ok(write(&types::ListVersionsByFunctionResponse {
        next_marker,
        versions: Some(page.iter().map(|view| listed(call, view)).collect()),
    }))
}

/// Keys in the order of the listing: `$LATEST`, and the numbers as numbers.
fn key(version: Version) -> String {
    let number = match version {
        Version::Latest => 0,
        Version::Published(number) => number,
    };
    format!("{number:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_comes_first_and_ten_comes_after_nine() {
        let published = [1, 9, 10, 99, 100, u64::MAX].map(Version::Published);
        let keys: Vec<String> =
            std::iter::once(Version::Latest).chain(published).map(key).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys.iter().all(|key| key.len() == keys[0].len()), "{keys:?}");
    }
}
