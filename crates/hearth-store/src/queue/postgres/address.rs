//! Where the database is.
//!
//! # Promises
//!
//! 1. An address is never part of an error or of a log: it has a password in it.
//! 2. An address that asks for encryption is refused, and not used without.
//!
//! # Deliberately absent
//!
//! TLS to the database is not built yet: use it on this machine, by a Unix socket, or through a
//! network or tunnel that is private.

use std::str::FromStr as _;

use hearth_types::limits;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::error::StoreError;

/// What may stand behind the `?`. What is not known would be written to the log by the driver.
const PARAMETERS: &[&str] =
    &["host", "port", "user", "password", "dbname", "sslmode", "application_name"];

const SCHEME: &str = "it begins with `postgres://` or `postgresql://`";
const FORM: &str = "it has the form `postgres://user:password@host:port/database`";
const PARAMETER: &str = "behind its `?` may only be `host`, `port`, `user`, `password`, `dbname`, \
    `sslmode` and `application_name`";
const ENCRYPTED: &str = "TLS to PostgreSQL is not built yet, so `sslmode` can only be `disable`, \
    `allow` or `prefer`, all of which mean a connection without it";

/// Reads an address such as `postgres://user:password@host:port/database`.
pub(super) fn options(address: &str) -> Result<PgConnectOptions, StoreError> {
    let schemes = ["postgres://", "postgresql://"];
    if !schemes.iter().any(|scheme| address.starts_with(scheme)) {
        return Err(StoreError::Address(SCHEME));
    }
    let (_, query) = address.split_once('?').unwrap_or_default();
    let mut keys = query.split('&').filter_map(|pair| pair.split('=').next());
    if !keys.all(|key| key.is_empty() || PARAMETERS.contains(&key)) {
        return Err(StoreError::Address(PARAMETER));
    }
    // What the driver says of an address that it cannot read may quote a part of it.
    let Ok(options) = PgConnectOptions::from_str(address) else {
        return Err(StoreError::Address(FORM));
    };
    match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => {}
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => {
            return Err(StoreError::Address(ENCRYPTED));
        }
    }
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("hearth") };
    let wait = format!("{}s", limits::POSTGRES_SECONDS_MAX);
    Ok(options.options([
        // A change is durable when it is answered, whatever the database's own settings say.
        ("synchronous_commit", "on"),
        // A server that was cut off holds no locks for longer.
        ("statement_timeout", wait.as_str()),
        ("idle_in_transaction_session_timeout", wait.as_str()),
        // A queue is empty at one moment and full at the next: a plan that was made for the one, or
        // from what was counted then, must not be used for the other. There is an index for every
        // statement.
        ("plan_cache_mode", "force_custom_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("jit", "off"),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_who() {
        let options = options("postgres://me:p%40ss@db.internal:6543/jobs").unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("db.internal", 6543));
        assert_eq!((options.get_username(), options.get_database()), ("me", Some("jobs")));
        let set = options.get_options().unwrap_or_default();
        assert!(set.contains("-c synchronous_commit=on"), "{set}");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_being_quoted() {
        #[rustfmt::skip]
        let rows = [
            ("mysql://me:hidden@h/d",                            SCHEME),
            ("me:hidden@h/d",                                    SCHEME),
            ("postgres://me:hidden@h:port/d",                    FORM),
            ("postgres://me:hidden@h/d?sslmode=perhaps",         FORM),
            ("postgres://me:hidden@h/d?passwort=hidden",         PARAMETER),
            ("postgres://me@h/d?user=me&options=-chidden",       PARAMETER),
            ("postgres://me:hidden@h/d?sslmode=require",         ENCRYPTED),
            ("postgres://me:hidden@h/d?sslmode=verify-full",     ENCRYPTED),
        ];
        for (address, why) in rows {
            let error = options(address).unwrap_err().to_string();
            assert!(error.ends_with(why), "{address}: {error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
