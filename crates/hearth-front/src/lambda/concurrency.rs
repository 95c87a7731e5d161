//! Concurrency (reserved, provisioned, scaling), recursion, and the limits of the account.

use hearth_control::concurrency::{ProvisionedNow, RecursiveLoop};
use hearth_types::limits;
use hearth_types::names::{FunctionArn, Qualifier};
use hearth_types::time::Timestamp;
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, paging, write};
use crate::error::AwsError;

pub(super) async fn put(
    call: &Call,
    request: types::PutFunctionConcurrencyRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let asked = count(request.reserved_concurrent_executions);
    call.control().put_reserved(&function, asked).await?;
    Ok(write(&types::Concurrency { reserved_concurrent_executions: Some(integer(asked)) }))
}

pub(super) fn get(
    call: &Call,
    request: types::GetFunctionConcurrencyRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let record = call.control().record(&function)?;
    Ok(write(&types::GetFunctionConcurrencyResponse {
        reserved_concurrent_executions: record.reserved_concurrency.map(integer),
    }))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteFunctionConcurrencyRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    call.control().delete_reserved(&function).await?;
    Ok(json!({}))
}

pub(super) async fn put_provisioned(
    call: &Call,
    request: types::PutProvisionedConcurrencyConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) = qualified(call, &request.function_name, &request.qualifier)?;
    let asked = count(request.provisioned_concurrent_executions);
    let now = call.control().put_provisioned(&function, &qualifier, asked).await?;
    Ok(write(&types::PutProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: Some(integer(now.requested)),
        allocated_provisioned_concurrent_executions: Some(integer(now.allocated)),
        available_provisioned_concurrent_executions: Some(integer(now.available)),
        status: Some(now.status.name().to_owned()),
        status_reason: now.reason.map(ToOwned::to_owned),
        last_modified: Some(whole_seconds(now.modified)),
    }))
}

pub(super) fn get_provisioned(
    call: &Call,
    request: types::GetProvisionedConcurrencyConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) = qualified(call, &request.function_name, &request.qualifier)?;
    let now = call.control().provisioned(&function, &qualifier)?;
    Ok(write(&types::GetProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: Some(integer(now.requested)),
        available_provisioned_concurrent_executions: Some(integer(now.available)),
        allocated_provisioned_concurrent_executions: Some(integer(now.allocated)),
        status: Some(now.status.name().to_owned()),
        status_reason: now.reason.map(ToOwned::to_owned),
        last_modified: Some(whole_seconds(now.modified)),
    }))
}

pub(super) fn list_provisioned(
    call: &Call,
    request: types::ListProvisionedConcurrencyConfigsRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let all = call.control().list_provisioned(&function)?.into_iter().map(|(qualifier, now)| {
        let item = listed(function.qualified(&qualifier), now);
        (qualifier, item)
    });
    let (page, next_marker) = paging::cut(all, (request.marker.as_deref(), request.max_items))?;
    Ok(write(&types::ListProvisionedConcurrencyConfigsResponse {
        provisioned_concurrency_configs: Some(page),
        next_marker,
    }))
}

pub(super) async fn delete_provisioned(
    call: &Call,
    request: types::DeleteProvisionedConcurrencyConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) = qualified(call, &request.function_name, &request.qualifier)?;
    call.control().delete_provisioned(&function, &qualifier).await?;
    Ok(json!({}))
}

pub(super) async fn put_scaling(
    call: &Call,
    request: types::PutFunctionScalingConfigRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    Err(call.control().no_scaling(&function, &request.qualifier).into())
}

pub(super) fn get_scaling(
    call: &Call,
    request: types::GetFunctionScalingConfigRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    Err(call.control().no_scaling(&function, &request.qualifier).into())
}

pub(super) async fn put_recursion(
    call: &Call,
    request: types::PutFunctionRecursionConfigRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let asked = RecursiveLoop::parse(&request.recursive_loop)
        .ok_or_else(|| AwsError::invalid_parameter("RecursiveLoop must be Allow or Terminate."))?;
    let put = call.control().change(&function, |record| {
        record.recursive_loop = asked;
        Ok(())
    });
    put.await?;
    Ok(write(&types::PutFunctionRecursionConfigResponse {
        recursive_loop: Some(asked.name().to_owned()),
    }))
}

pub(super) fn get_recursion(
    call: &Call,
    request: types::GetFunctionRecursionConfigRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let record = call.control().record(&function)?;
    Ok(write(&types::GetFunctionRecursionConfigResponse {
        recursive_loop: Some(record.recursive_loop.name().to_owned()),
    }))
}

pub(super) fn account_settings(
    call: &Call,
    _request: types::GetAccountSettingsRequest,
) -> Result<Value, AwsError> {
    let (functions, code_bytes) = call.control().usage(&call.scope);
    let (limit, unreserved) = call.control().account_concurrency(&call.scope);
    Ok(write(&types::GetAccountSettingsResponse {
        account_limit: Some(types::AccountLimit {
            total_code_size: Some(long(limits::CODE_STORAGE_BYTES_MAX)),
            code_size_unzipped: Some(long(limits::UNZIPPED_BYTES_MAX)),
            code_size_zipped: Some(long(limits::ZIP_BYTES_MAX)),
            concurrent_executions: Some(integer(limit)),
            unreserved_concurrent_executions: Some(integer(unreserved)),
        }),
        account_usage: Some(types::AccountUsage {
            total_code_size: Some(long(code_bytes)),
            function_count: Some(long(functions)),
        }),
    }))
}

fn listed(
    function_arn: String,
    now: ProvisionedNow,
) -> types::ProvisionedConcurrencyConfigListItem {
    types::ProvisionedConcurrencyConfigListItem {
        function_arn: Some(function_arn),
        requested_provisioned_concurrent_executions: Some(integer(now.requested)),
        available_provisioned_concurrent_executions: Some(integer(now.available)),
        allocated_provisioned_concurrent_executions: Some(integer(now.allocated)),
        status: Some(now.status.name().to_owned()),
        status_reason: now.reason.map(ToOwned::to_owned),
        last_modified: Some(whole_seconds(now.modified)),
    }
}

/// A function, and the version or alias of it that is meant.
fn qualified(
    call: &Call,
    name: &str,
    qualifier: &str,
) -> Result<(FunctionArn, Qualifier), AwsError> {
    let (function, qualifier) = call.function(name, Some(qualifier))?;
    let missing = || AwsError::invalid_parameter("Name a version or an alias as the qualifier.");
    Ok((function, qualifier.ok_or_else(missing)?))
}

/// The model has refused what is negative.
fn count(asked: i32) -> u32 {
    u32::try_from(asked).unwrap_or_default()
}

fn integer(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn long(amount: impl TryInto<i64>) -> i64 {
    amount.try_into().unwrap_or(i64::MAX)
}

/// `2026-11-23T03:20:35+0000`: provisioned concurrency has a time without a fraction.
fn whole_seconds(at: Timestamp) -> String {
    let text = at.lambda();
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _fraction)| seconds);
    format!("{seconds}+0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_has_no_fraction() {
        assert_eq!(whole_seconds(Timestamp(1_795_404_035_999)), "2026-11-23T03:20:35+0000");
        assert_eq!(whole_seconds(Timestamp(0)), "1970-01-01T00:00:00+0000");
    }

    #[test]
    fn what_does_not_fit_the_wire_is_as_large_as_it_can_be() {
        assert_eq!((integer(7), integer(u32::MAX)), (7, i32::MAX));
        assert_eq!((long(7_u64), long(u64::MAX)), (7, i64::MAX));
        assert_eq!((count(7), count(-1)), (7, 0));
    }
}
