//! STS' operations: who calls, and sessions of roles.
//!
//! Callers are not authenticated yet. A session can be used, and says of itself whose it is, but
//! nobody checks its secret, its end or what it may do.

use hearth_iam::{AssumeRole, Caller, Credentials, GetSessionToken, Iam};
use hearth_types::names::AccountId;
use hearth_wire::aws_query::Request;
use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::query::date;
use crate::query_error::Refusal;

/// What is offered.
pub(crate) const OFFERED: &[&str] = &["AssumeRole", "GetCallerIdentity", "GetSessionToken"];

/// Performs an operation. `own_account` is the server's.
pub(crate) fn perform(
    iam: &Iam,
    (caller, own_account): (&Caller, &AccountId),
    request: Request,
) -> Result<Value, Refusal> {
    let parameters = Parameters::new(request.parameters);
    match request.action.as_str() {
        "GetCallerIdentity" => Ok(identity(caller)),
        "AssumeRole" => assume_role(iam, (caller, own_account), parameters),
        "GetSessionToken" => session_token(iam, (caller, own_account), parameters),
        other => Err(Refusal::not_built("STS", other)),
    }
}

fn identity(caller: &Caller) -> Value {
    let identity = caller.identity();
    json!({ "UserId": identity.user_id, "Account": identity.account, "Arn": identity.arn })
}

fn assume_role(
    iam: &Iam,
    (caller, own_account): (&Caller, &AccountId),
    mut parameters: Parameters,
) -> Result<Value, Refusal> {
    let request = AssumeRole {
        role_arn: parameters.required("RoleArn"),
        session_name: parameters.required("RoleSessionName"),
        seconds: parameters.number("DurationSeconds"),
        policy: parameters.text("Policy"),
        tags: parameters.tags("Tags"),
        source_identity: parameters.text("SourceIdentity"),
        device: device(&mut parameters),
    };
    parameters.check()?;
    let assumed = iam.assume_role(caller, own_account, request)?;
    Ok(json!({
        "Credentials": shown(&assumed.credentials),
        "AssumedRoleUser": {
            "AssumedRoleId": assumed.identity.user_id,
            "Arn": assumed.identity.arn,
        },
        "SourceIdentity": assumed.source_identity,
    }))
}

fn session_token(
    iam: &Iam,
    (caller, own_account): (&Caller, &AccountId),
    mut parameters: Parameters,
) -> Result<Value, Refusal> {
    let seconds = parameters.number("DurationSeconds");
    let request = GetSessionToken { seconds, device: device(&mut parameters) };
    parameters.check()?;
    let credentials = iam.session_token(caller, own_account, &request)?;
    Ok(json!({ "Credentials": shown(&credentials) }))
}

/// The device that is to prove who the caller is, or what it shows.
fn device(parameters: &mut Parameters) -> Option<String> {
    let shows = parameters.text("TokenCode");
    parameters.text("SerialNumber").or(shows)
}

fn shown(credentials: &Credentials) -> Value {
    json!({
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": date(credentials.expires),
    })
}
