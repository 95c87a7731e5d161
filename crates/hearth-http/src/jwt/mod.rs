//! Tokens (JWT): whether one was issued by whom it should be, for whom it should be, and is good now.
//!
//! ```text
//!  token ──▶ its key (keys: from memory, or from the issuer) ──▶ signature ──▶ claims ──▶ Accepted
//! ```
//!
//! # Promises
//!
//! 1. A token is accepted only if a key of its issuer has signed it, with an algorithm of RSA's.
//! 2. Looking at a token takes a bounded time, also if its issuer does not answer, and whoever makes
//!    up tokens cannot have an issuer asked without end.
//!
//! # Deliberately absent
//!
//! Other algorithms: AWS says that only those of RSA are supported.

pub mod claims;
pub mod keys;
#[cfg(test)]
mod tests;

use hearth_types::time::Timestamp;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use self::keys::{Keys, KeysError};

/// What tokens may be signed with.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// What a token has to be like.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who has to have issued it.
    pub issuer: &'a str,
    /// For one of these it has to be.
    pub audience: &'a [String],
    /// Of these scopes it has to have one, if there are any.
    pub scopes: &'a [String],
}

/// A token that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// What it says.
    pub claims: Map<String, Value>,
    /// The scopes that it has.
    pub scopes: Vec<String>,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none, or not a good one.
    #[error("{0}")]
    Invalid(String),
    /// It is good, and is not enough.
    #[error("the token does not have a required scope")]
    Scope,
    /// The keys of its issuer could not be had.
    #[error("the keys of the issuer could not be had")]
    Keys(#[source] KeysError),
}

impl Refused {
    fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }
}

/// Looks at a token.
///
/// # Errors
///
/// If it is not accepted.
pub async fn verify(
    keys: &Keys,
    token: &str,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Accepted, Refused> {
    let header =
        decode_header(token).map_err(|_malformed| Refused::invalid("the token is malformed"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refused::invalid(format!("signing method {:?} is invalid", header.alg)));
    }
    let kid = header.kid.ok_or_else(|| Refused::invalid("the token does not name its key"))?;
    let key = keys.key(expected.issuer, &kid).await.map_err(|why| match why {
        KeysError::Unknown => Refused::invalid("the token was signed with an unknown key"),
        KeysError::NotFetched { .. } | KeysError::Malformed { .. } => Refused::Keys(why),
    })?;
    let decoded = decode::<Map<String, Value>>(token, &key, &only_signature())
        .map_err(|_wrong| Refused::invalid("the signature of the token is invalid"))?;
    claims::check(decoded.claims, expected, now)
}

/// Claims are looked at here, by our own clock.
fn only_signature() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.algorithms = ALGORITHMS.to_vec();
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}
