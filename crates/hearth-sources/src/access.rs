//! How to get into sources that ask who comes: what a mapping says of it, and what the configuration
//! has in place of AWS Secrets Manager.
//!
//! A mapping names a secret by its ARN, `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX`.
//! The secret is the one that the configuration has under that name, with or without the six
//! characters that AWS puts behind it.
//!
//! # Promises
//!
//! 1. No secret is ever shown or logged.
//! 2. What a mapping asks for and cannot be given is said; nothing else is tried in its place.

use std::collections::BTreeMap;
use std::fmt;

use hearth_control::mapping::settings::SourceAccess;

/// What AWS puts behind the name of a secret: a hyphen and so many characters.
const SUFFIX_CHARACTERS: usize = 6;

/// Names and values, as they stand in a secret of AWS's, which is a JSON object.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub BTreeMap<String, String>);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who comes.
    pub user: String,
    /// What shows it.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a mapping cannot get in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Nobody has said what the secret is.
    #[error("the secret {0} is not in the configuration: give it in a table [secrets.NAME]")]
    Unknown(String),
    /// Something is missing in it.
    #[error("the secret {secret} has no `{member}`")]
    Incomplete {
        /// The secret, as the mapping names it.
        secret: String,
        /// What is missing.
        member: &'static str,
    },
    /// A way in that is not built.
    #[error("{0} of SourceAccessConfigurations is not supported by Hearth")]
    Unsupported(String),
}

/// The secrets of the configuration, by their names.
#[derive(Debug, Clone, Default)]
pub struct Secrets(pub BTreeMap<String, Secret>);

impl Secrets {
    /// The secret that an ARN, or just a name, means.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn find(&self, uri: &str) -> Result<&Secret, AccessError> {
        let name = uri.split_once(":secret:").map_or(uri, |(_, name)| name);
        let without_suffix = || {
            let (front, suffix) = name.rsplit_once('-')?;
            let fits = suffix.len() == SUFFIX_CHARACTERS
                && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if fits { self.0.get(front) } else { None }
        };
        let found = self.0.get(uri).or_else(|| self.0.get(name)).or_else(without_suffix);
        found.ok_or_else(|| AccessError::Unknown(uri.to_owned()))
    }

    /// A value of the secret that an ARN means.
    ///
    /// # Errors
    ///
    /// If there is no such secret, or it has no such value.
    pub fn value(&self, uri: &str, member: &'static str) -> Result<&str, AccessError> {
        let value = self.find(uri)?.0.get(member);
        let incomplete = || AccessError::Incomplete { secret: uri.to_owned(), member };
        value.map(String::as_str).ok_or_else(incomplete)
    }

    /// The name and the password of the secret that an ARN means.
    ///
    /// # Errors
    ///
    /// If there is no such secret, or one of them is not in it.
    pub fn login(&self, uri: &str) -> Result<Login, AccessError> {
        let user = self.value(uri, "username")?.to_owned();
        Ok(Login { user, password: self.value(uri, "password")?.to_owned() })
    }
}

/// Where a mapping says something of a kind.
#[must_use]
pub fn uri<'a>(access: &'a [SourceAccess], kind: &str) -> Option<&'a str> {
    access.iter().find(|one| one.kind == kind).map(|one| one.uri.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let secret = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Secret(pairs.collect())
        };
        let whole = secret(&[("username", "u"), ("password", "p")]);
        let half = secret(&[("username", "u")]);
        Secrets([("prod/broker".to_owned(), whole), ("half".to_owned(), half)].into())
    }

    #[test]
    fn an_arn_means_the_secret_of_its_name() {
        let prefix = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
        #[rustfmt::skip]
        let rows = [
            ("prod/broker".to_owned(),                 true),
            (format!("{prefix}prod/broker"),           true),
            (format!("{prefix}prod/broker-a1B2c3"),    true),
            (format!("{prefix}prod/broker-a1B2c"),     false),
            (format!("{prefix}prod/broker-a1B2c3-x"),  false),
            (format!("{prefix}other"),                 false),
        ];
        let secrets = secrets();
        for (uri, is_found) in rows {
            assert_eq!(secrets.login(&uri).is_ok(), is_found, "{uri}");
        }
    }

    #[test]
    fn what_is_missing_is_said_and_what_is_secret_is_not() {
        let secrets = secrets();
        let refused = secrets.login("half").unwrap_err();
        assert_eq!(refused.to_string(), "the secret half has no `password`");
        let login = secrets.login("prod/broker").unwrap();
        assert_eq!(format!("{login:?}"), "Login { user: \"u\", .. }");
        assert!(!format!("{secrets:?}").contains("username"));
    }
}
