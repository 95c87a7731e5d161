//! Sessions, as STS hands them out: who somebody is for a while.
//!
//! # Promises
//!
//! 1. A session's token says whose session it is, so that nothing has to be remembered: a session
//!    outlives a restart of the server.
//! 2. A role that does not exist cannot be assumed.
//!
//! # Deliberately absent
//!
//! Proof. Callers are not authenticated yet: nobody checks a signature, a secret or a time of
//! expiry, and a token is not sealed. The document that says who may assume a role, policies and
//! tags of a session and external ids are checked for their form and have no effect, because
//! nothing is decided from them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::names::AccountId;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::{self, Purpose};
use crate::error::IamError;
use crate::iam::Iam;
use crate::id;
use crate::rules::Rules;
use crate::tags::{self, Tag};

/// How long a session of a role lasts if nobody said so.
const ROLE_SECONDS_DEFAULT: i64 = 3_600;
/// AWS: how long a session of a role lasts that was assumed in a session of a role.
const CHAINED_SECONDS_MAX: i64 = 3_600;
/// AWS: how long a session of a role may last, whatever the role says.
const ROLE_SECONDS_MAX: i64 = 43_200;
/// How long a session of nobody else lasts if nobody said so.
const OWN_SECONDS_DEFAULT: i64 = 43_200;
/// AWS: how long it may last.
const OWN_SECONDS_MAX: i64 = 129_600;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Whose session it is.
    pub account: AccountId,
    /// The role that was assumed; none if the account itself asked for a session.
    pub role: Option<SessionRole>,
    /// When it ends.
    pub expires: Timestamp,
}

/// The role of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRole {
    /// The id of the role.
    pub id: String,
    /// The name of the role.
    pub name: String,
    /// What the session is called.
    pub session: String,
}

impl Session {
    /// Reads a token. None: it is not one of ours.
    #[must_use]
    pub fn of_token(token: &str) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(token).ok()?).ok()
    }

    fn token(&self) -> String {
        STANDARD.encode(serde_json::to_vec(self).expect("a session can be written as JSON"))
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Which account.
    pub account: AccountId,
    /// The session that the caller named, if it is one of this account.
    pub session: Option<Session>,
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id of the account, or of the role and the session.
    pub user_id: String,
    /// The account.
    pub account: AccountId,
    /// The ARN.
    pub arn: String,
}

impl Caller {
    /// A caller of an account, who may have sent a token. One that is not ours, or is of another
    /// account, says nothing.
    #[must_use]
    pub fn new(account: AccountId, token: Option<&str>) -> Self {
        let session = token.and_then(Session::of_token);
        let session = session.filter(|session| session.account == account);
        Self { account, session }
    }

    fn role(&self) -> Option<&SessionRole> {
        self.session.as_ref().and_then(|session| session.role.as_ref())
    }

    /// Who the caller is. Without users, whoever has not assumed a role is the account itself.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let account = self.account.clone();
        match self.role() {
            Some(role) => role_identity(account, role),
            None => Identity {
                user_id: account.to_string(),
                arn: format!("arn:aws:iam::{account}:root"),
                account,
            },
        }
    }
}

fn role_identity(account: AccountId, role: &SessionRole) -> Identity {
    let SessionRole { id, name, session } = role;
    Identity {
        user_id: format!("{id}:{session}"),
        arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
        account,
    }
}

/// What a session is used with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The id of the key. While callers are not authenticated, a key names its account by being
    /// its twelve digits; any other key is of the server's own account.
    pub access_key_id: String,
    /// The secret, which nobody checks.
    pub secret_access_key: String,
    /// The token.
    pub session_token: String,
    /// When the session ends.
    pub expires: Timestamp,
}

impl Credentials {
    fn of(session: &Session, own_account: &AccountId) -> Self {
        let access_key_id = if session.account == *own_account {
            id::of_key(id::SESSION_KEY)
        } else {
            session.account.to_string()
        };
        Self {
            access_key_id,
            secret_access_key: id::secret(),
            session_token: session.token(),
            expires: session.expires,
        }
    }
}

/// A role to be assumed.
#[derive(Debug, Clone, Default)]
pub struct AssumeRole {
    /// The ARN of the role.
    pub role_arn: String,
    /// What the session is called.
    pub session_name: String,
    /// How long it is to last.
    pub seconds: Option<i64>,
    /// A policy of the session.
    pub policy: Option<String>,
    /// Tags of the session.
    pub tags: Vec<Tag>,
    /// Who is behind the session.
    pub source_identity: Option<String>,
    /// The device that proves who the caller is, and what it shows.
    pub device: Option<String>,
}

/// A session of the account's own.
#[derive(Debug, Clone, Default)]
pub struct GetSessionToken {
    /// How long it is to last.
    pub seconds: Option<i64>,
    /// The device that proves who the caller is.
    pub device: Option<String>,
}

/// A role that was assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole {
    /// What the session is used with.
    pub credentials: Credentials,
    /// Who its caller is from now on.
    pub identity: Identity,
    /// Who is behind the session.
    pub source_identity: Option<String>,
}

impl Iam {
    /// Begins a session of a role. `own_account` is the server's.
    ///
    /// # Errors
    ///
    /// If something that was given cannot be, there is no such role, or the session would be too
    /// long.
    pub fn assume_role(
        &self,
        caller: &Caller,
        own_account: &AccountId,
        request: AssumeRole,
    ) -> Result<AssumedRole, IamError> {
        check_request(&request)?;
        let AssumeRole { role_arn, session_name, seconds, source_identity, device, .. } = request;
        let named = RoleArn::read(&role_arn)
            .ok_or_else(|| IamError::Validation(format!("{role_arn} is invalid")))?;
        let role = self.role(&named.account, named.name).ok();
        let role = role.filter(|role| role.arn() == role_arn).ok_or_else(|| {
            let caller = caller.identity().arn;
            IamError::AccessDenied(format!(
                "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
            ))
        })?;
        refuse_device(device.as_deref())?;
        let seconds = seconds.unwrap_or(ROLE_SECONDS_DEFAULT);
        if seconds > role.session_seconds_max {
            return Err(IamError::Validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
                    .to_owned(),
            ));
        }
        if seconds > CHAINED_SECONDS_MAX && caller.role().is_some() {
            return Err(IamError::Validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                    .to_owned(),
            ));
        }
        let session_role =
            SessionRole { id: role.id.clone(), name: role.name.clone(), session: session_name };
        let identity = role_identity(named.account.clone(), &session_role);
        let expires = self.expiry(seconds);
        let session = Session { account: named.account, role: Some(session_role), expires };
        let credentials = Credentials::of(&session, own_account);
        Ok(AssumedRole { credentials, identity, source_identity })
    }

    /// Begins a session of the caller's own account.
    ///
    /// # Errors
    ///
    /// If the caller is in a session of a role, or the session would be too long.
    pub fn session_token(
        &self,
        caller: &Caller,
        own_account: &AccountId,
        request: &GetSessionToken,
    ) -> Result<Credentials, IamError> {
        Rules::default().session_seconds(request.seconds, OWN_SECONDS_MAX).check()?;
        refuse_device(request.device.as_deref())?;
        if caller.session.is_some() {
            return Err(IamError::AccessDenied(
                "Cannot call GetSessionToken with session credentials".to_owned(),
            ));
        }
        let expires = self.expiry(request.seconds.unwrap_or(OWN_SECONDS_DEFAULT));
        let session = Session { account: caller.account.clone(), role: None, expires };
        Ok(Credentials::of(&session, own_account))
    }

    fn expiry(&self, seconds: i64) -> Timestamp {
        let milliseconds = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
        self.clock.now().plus_millis(milliseconds)
    }
}

fn check_request(request: &AssumeRole) -> Result<(), IamError> {
    let rules = Rules::default()
        .arn("roleArn", &request.role_arn)
        .session_name("roleSessionName", &request.session_name)
        .session_seconds(request.seconds, ROLE_SECONDS_MAX)
        .tags(&request.tags);
    let rules = match &request.source_identity {
        Some(name) => rules.session_name("sourceIdentity", name),
        None => rules,
    };
    let rules = match &request.policy {
        Some(policy) => rules.document("policy", policy),
        None => rules,
    };
    rules.check()?;
    tags::check_unique(&request.tags)?;
    request.policy.as_deref().map_or(Ok(()), |policy| document::check(policy, Purpose::Inline))
}

/// An account without users has no devices, so none of them can have shown this.
fn refuse_device(device: Option<&str>) -> Result<(), IamError> {
    device.map_or(Ok(()), |_| {
        Err(IamError::AccessDenied(
            "MultiFactorAuthentication failed with invalid MFA one time pass code.".to_owned(),
        ))
    })
}

/// `arn:aws:iam::123456789012:role/path/name`
struct RoleArn<'a> {
    account: AccountId,
    name: &'a str,
}

impl<'a> RoleArn<'a> {
    fn read(arn: &'a str) -> Option<Self> {
        let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
        let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
        Some(Self { account: AccountId::parse(account).ok()?, name })
    }
}

#[cfg(test)]
mod tests;
