//! Which functions an API may run, and the calls of them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hearth_control::control::Control;
use hearth_control::policy::access::{Access, Who};
use hearth_types::ids::RequestId;
use hearth_types::names::Scope;

use crate::functions::Call;
use crate::uri::{self, Named};

/// Who invokes functions for APIs.
const GATEWAY: &str = "apigateway.amazonaws.com";
/// What it does.
const INVOKE: &str = "lambda:InvokeFunction";

/// A function that an API wants to run.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The id of the API.
    pub(crate) api: &'a str,
    /// Whose it is.
    pub(crate) scope: &'a Scope,
    /// The variables of the stage.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// The URI, in which they may stand.
    pub(crate) uri: &'a str,
    /// The ARN of what wants it: a route, or an authorizer.
    pub(crate) source: &'a str,
    /// The role that it is run with, if there is one.
    pub(crate) role: Option<&'a str>,
}

/// The call of the function that an API wants to run, if it may. Only then is the event made. The
/// answer may take as long as the limit says.
pub(crate) fn call(
    control: &Control,
    asked: &Asked<'_>,
    event: impl FnOnce() -> Bytes,
    (trace, limit): (Option<&str>, Duration),
) -> Option<Call> {
    let (function, qualifier) = function(control, asked)?;
    Some(Call {
        // The id in the function's log is its own: one request may run several functions.
        id: RequestId::random(),
        function,
        qualifier,
        payload: event(),
        trace: trace.map(str::to_owned),
        within: Some(limit),
    })
}

/// The function that a URI names, if it lets API Gateway run it on behalf of this source. What a
/// role may do is not looked at. Why there is none is in the server's log.
fn function(control: &Control, asked: &Asked<'_>) -> Option<Named> {
    let uri = uri::with_variables(asked.uri, asked.variables);
    let (api, source) = (asked.api, asked.source);
    let Some((function, qualifier)) = uri::function(&uri) else {
        tracing::info!(api, uri, "the URI of an API names no function");
        return None;
    };
    if asked.role.is_some() {
        return Some((function, qualifier));
    }
    let account = asked.scope.account.as_str();
    let context = [("aws:SourceArn", source), ("aws:SourceAccount", account)];
    let access = Access { who: Who::Service(GATEWAY), action: INVOKE, context: &context };
    let record = control.record(&function).ok();
    if record.is_some_and(|record| record.lets(qualifier.as_ref(), &access)) {
        return Some((function, qualifier));
    }
    let function = function.to_string();
    tracing::info!(api, function, source, "a function is not there, or does not let an API run it");
    None
}
