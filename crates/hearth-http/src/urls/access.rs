//! Who may call a function URL.
//!
//! Two things are asked of a policy: `lambda:InvokeFunctionUrl`, and `lambda:InvokeFunction` through
//! a URL. Somebody of the function's own account may call it without a policy, because what the
//! identities of an account may do is not enforced here; a policy can still refuse them.

use hearth_control::policy::access::{Access, Verdict, Who};
use hearth_control::url::{FoundUrl, UrlAuth};
use hearth_types::names::AccountId;
use serde_json::{Value, json};

use super::signature::{self, SignatureError};
use crate::request::Request;

/// What is asked for, one after the other.
const ACTIONS: [&str; 2] = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody.
    Anybody,
    /// Somebody who has signed the request.
    Signed {
        /// The id of the access key.
        access_key: String,
        /// The account that it is taken to be of.
        account: AccountId,
    },
}

/// Why a request is refused. Its text is for the server's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// It must be signed.
    #[error("the signature is not one: {0}")]
    Signature(SignatureError),
    /// The policy of the function does not let the caller.
    #[error("the policy of the function does not allow {0}")]
    Policy(&'static str),
}

impl Caller {
    /// How an event names the account.
    pub(super) fn account(&self) -> &str {
        match self {
            Self::Anybody => "anonymous",
            Self::Signed { account, .. } => account.as_str(),
        }
    }

    /// What an event says about the caller.
    pub(super) fn authorizer(&self) -> Option<Value> {
        match self {
            Self::Anybody => None,
            Self::Signed { access_key, account } => Some(json!({ "iam": {
                "accessKey": access_key,
                "accountId": account.as_str(),
                "callerId": account.as_str(),
                "cognitoIdentity": null,
                "principalOrgId": null,
                "userArn": format!("arn:aws:iam::{account}:root"),
                "userId": account.as_str(),
            }})),
        }
    }
}

/// Finds out who calls, and whether they may.
pub(super) fn check(found: &FoundUrl, request: &Request) -> Result<Caller, Refused> {
    let owner = &found.function.arn.scope;
    let caller = match found.url.auth {
        UrlAuth::None => Caller::Anybody,
        UrlAuth::AwsIam => {
            let region = owner.region.as_str();
            let key = signature::check(request, region).map_err(Refused::Signature)?;
            // As with other requests: a key of twelve digits names an account.
            let account = AccountId::parse(&key).unwrap_or_else(|_| owner.account.clone());
            Caller::Signed { access_key: key, account }
        }
    };
    let who = match &caller {
        Caller::Anybody => Who::Anybody,
        Caller::Signed { account, .. } => Who::Account(account.as_str()),
    };
    let is_own = caller.account() == owner.account.as_str();
    let from = request.from.to_string();
    let context = [
        ("lambda:FunctionUrlAuthType", found.url.auth.name()),
        ("lambda:InvokedViaFunctionUrl", "true"),
        ("aws:SourceIp", from.as_str()),
        ("aws:PrincipalAccount", caller.account()),
    ];
    // Of nobody it is known which account they are of.
    let known = if caller == Caller::Anybody { &context[..3] } else { &context[..] };
    for action in ACTIONS {
        let access = Access { who, action, context: known };
        let may = match found.function.verdict(found.qualifier.as_ref(), &access) {
            Verdict::Allowed => true,
            Verdict::Silent => is_own,
            Verdict::Denied => false,
        };
        if !may {
            return Err(Refused::Policy(action));
        }
    }
    Ok(caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_who_has_signed() {
        let account = AccountId::parse("000000000000").unwrap();
        let signed = Caller::Signed { access_key: "AKIATEST".to_owned(), account };
        let authorizer = signed.authorizer().unwrap();
        assert_eq!(authorizer["iam"]["accessKey"], "AKIATEST");
        assert_eq!(authorizer["iam"]["userArn"], "arn:aws:iam::000000000000:root");
        assert_eq!((signed.account(), Caller::Anybody.account()), ("000000000000", "anonymous"));
        assert_eq!(Caller::Anybody.authorizer(), None);
    }
}
