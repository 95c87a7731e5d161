//! The attributes of load balancers, listeners and target groups: which there are, what they may
//! be, and what they are by default.
//!
//! # Promises
//!
//! 1. Only what differs from the default is kept.
//! 2. What would have an effect on AWS and has none here is refused, unless `docs/compatibility.md`
//!    says that it is kept.

use super::error::BalancerError;
use super::limits;
use super::record::Attributes;

/// Whose attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A load balancer's.
    Balancer,
    /// A listener's.
    Listener,
    /// A target group's.
    Group,
}

/// Whether a load balancer must not be deleted.
pub const DELETION_PROTECTION: &str = "deletion_protection.enabled";
/// How long a function may take.
pub const IDLE_TIMEOUT: &str = "idle_timeout.timeout_seconds";
/// Whether headers with odd names are left out.
pub const DROP_INVALID_HEADERS: &str = "routing.http.drop_invalid_header_fields.enabled";
/// What becomes of `X-Forwarded-For`.
pub const FORWARDED_FOR: &str = "routing.http.xff_header_processing.mode";
/// Whether responses say who sent them.
pub const SERVER: &str = "routing.http.response.server.enabled";
/// Whether functions get and return lists of values.
pub const MULTI_VALUE: &str = "lambda.multi_value_headers.enabled";

/// The headers that a listener adds to responses, and the attributes that say with which value.
#[rustfmt::skip]
pub const RESPONSE_HEADERS: &[(&str, &str)] = &[
    ("strict-transport-security",        "routing.http.response.strict_transport_security.header_value"),
    ("access-control-allow-origin",      "routing.http.response.access_control_allow_origin.header_value"),
    ("access-control-allow-methods",     "routing.http.response.access_control_allow_methods.header_value"),
    ("access-control-allow-headers",     "routing.http.response.access_control_allow_headers.header_value"),
    ("access-control-allow-credentials", "routing.http.response.access_control_allow_credentials.header_value"),
    ("access-control-expose-headers",    "routing.http.response.access_control_expose_headers.header_value"),
    ("access-control-max-age",           "routing.http.response.access_control_max_age.header_value"),
    ("content-security-policy",          "routing.http.response.content_security_policy.header_value"),
    ("x-content-type-options",           "routing.http.response.x_content_type_options.header_value"),
    ("x-frame-options",                  "routing.http.response.x_frame_options.header_value"),
];

/// What an attribute may be.
#[derive(Debug, Clone, Copy)]
enum Values {
    /// Any text.
    Text,
    /// `true` or `false`.
    Truth,
    /// A number from the one to the other.
    Number(u32, u32),
    /// One of these.
    Words(&'static [&'static str]),
    /// What it is by default: the rest is not built.
    Default,
}

type Row = (&'static str, &'static str, Values);

#[rustfmt::skip]
const BALANCER: &[Row] = &[
    ("access_logs.s3.enabled",                                   "false",     Values::Default),
    ("access_logs.s3.bucket",                                    "",          Values::Text),
    ("access_logs.s3.prefix",                                    "",          Values::Text),
    ("client_keep_alive.seconds",                                "3600",      Values::Number(60, 604_800)),
    ("connection_logs.s3.enabled",                               "false",     Values::Default),
    ("connection_logs.s3.bucket",                                "",          Values::Text),
    ("connection_logs.s3.prefix",                                "",          Values::Text),
    (DELETION_PROTECTION,                                        "false",     Values::Truth),
    ("health_check_logs.s3.enabled",                             "false",     Values::Default),
    ("health_check_logs.s3.bucket",                              "",          Values::Text),
    ("health_check_logs.s3.prefix",                              "",          Values::Text),
    (IDLE_TIMEOUT,                                               "60",        Values::Number(1, 4_000)),
    ("ipv6.deny_all_igw_traffic",                                "false",     Values::Truth),
    ("load_balancing.cross_zone.enabled",                        "true",      Values::Default),
    ("routing.http.desync_mitigation_mode",                      "defensive", Values::Words(&["monitor", "defensive", "strictest"])),
    (DROP_INVALID_HEADERS,                                       "false",     Values::Truth),
    ("routing.http.preserve_host_header.enabled",                "false",     Values::Truth),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false",     Values::Default),
    ("routing.http.xff_client_port.enabled",                     "false",     Values::Default),
    (FORWARDED_FOR,                                              "append",    Values::Words(&["append", "preserve", "remove"])),
    ("routing.http2.enabled",                                    "true",      Values::Truth),
    ("waf.fail_open.enabled",                                    "false",     Values::Truth),
    ("zonal_shift.config.enabled",                               "false",     Values::Default),
];

const GROUP: &[Row] = &[(MULTI_VALUE, "false", Values::Truth)];

fn rows(of: Of) -> Vec<Row> {
    match of {
        Of::Balancer => BALANCER.to_vec(),
        Of::Group => GROUP.to_vec(),
        Of::Listener => {
            let headers = RESPONSE_HEADERS.iter().map(|(_, key)| (*key, "", Values::Text));
            headers.chain([(SERVER, "true", Values::Truth)]).collect()
        }
    }
}

/// All attributes, as they are.
#[must_use]
pub fn all(of: Of, kept: &Attributes) -> Vec<(&'static str, String)> {
    let row = |(key, default, _): Row| {
        (key, kept.get(key).map_or_else(|| default.to_owned(), Clone::clone))
    };
    rows(of).into_iter().map(row).collect()
}

/// Whether one of them, which is false by default, is true.
#[must_use]
pub fn is_on(kept: &Attributes, key: &str) -> bool {
    kept.get(key).is_some_and(|value| value == "true")
}

/// How many seconds a function may take.
#[must_use]
pub fn idle_timeout_seconds(kept: &Attributes) -> u64 {
    kept.get(IDLE_TIMEOUT).and_then(|value| value.parse().ok()).unwrap_or(60)
}

/// Changes some of them: all, or, if one is refused, none.
///
/// # Errors
///
/// If there is no such attribute, or it cannot have the value.
pub fn set(
    of: Of,
    kept: &mut Attributes,
    changes: &[(String, String)],
) -> Result<(), BalancerError> {
    let rows = rows(of);
    let mut changed = kept.clone();
    for (key, value) in changes {
        let row = rows.iter().find(|(known, _, _)| known == key);
        let Some(&(key, default, values)) = row else {
            let whose = match of {
                Of::Balancer => "Load balancer",
                Of::Listener => "Listener",
                Of::Group => "Target group",
            };
            let text = format!("{whose} attribute key '{key}' is not recognized");
            return Err(BalancerError::Validation(text));
        };
        check((key, default, values), value)?;
        if value == default {
            changed.remove(key);
        } else {
            changed.insert(key.to_owned(), value.clone());
        }
    }
    *kept = changed;
    Ok(())
}

fn check((key, default, values): Row, value: &str) -> Result<(), BalancerError> {
    let one_of = |words: &[&str]| {
        let text = format!("'{key}' must be one of [{}]", words.join(", "));
        if words.contains(&value) { Ok(()) } else { Err(BalancerError::Validation(text)) }
    };
    match values {
        Values::Truth => one_of(&["true", "false"]),
        Values::Words(words) => one_of(words),
        Values::Text if is_plain(value) => Ok(()),
        Values::Text => {
            let text = format!("'{key}' is too long, or has characters that no header has");
            Err(BalancerError::Validation(text))
        }
        Values::Number(least, most) => {
            let number = value.parse::<u32>().ok().filter(|number| (least..=most).contains(number));
            let text = format!("'{key}' must be a number from {least} to {most}");
            number.map(drop).ok_or(BalancerError::Validation(text))
        }
        Values::Default if value == default => Ok(()),
        Values::Default => Err(BalancerError::InvalidConfiguration(format!(
            "Hearth does not support '{key}' with the value '{value}'; it can only be '{default}'"
        ))),
    }
}

fn is_plain(value: &str) -> bool {
    value.len() <= limits::ATTRIBUTE_BYTES_MAX
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(key: &str, value: &str) -> Vec<(String, String)> {
        vec![(key.to_owned(), value.to_owned())]
    }

    #[test]
    fn defaults_are_not_kept() {
        let mut kept = Attributes::new();
        set(Of::Balancer, &mut kept, &changes(IDLE_TIMEOUT, "4000")).unwrap();
        let shown = |kept: &Attributes| {
            let all = all(Of::Balancer, kept);
            all.into_iter().find(|(key, _)| *key == IDLE_TIMEOUT).map(|(_, value)| value)
        };
        assert_eq!(shown(&kept).as_deref(), Some("4000"));
        set(Of::Balancer, &mut kept, &changes(IDLE_TIMEOUT, "60")).unwrap();
        assert_eq!(shown(&kept).as_deref(), Some("60"));
        assert!(kept.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused_and_nothing_is_changed() {
        let long = "x".repeat(limits::ATTRIBUTE_BYTES_MAX + 1);
        let hsts = RESPONSE_HEADERS[0].1;
        #[rustfmt::skip]
        let rows = [
            (Of::Balancer, "no.such.key",              "1",     "Load balancer attribute key 'no.such.key' is not recognized"),
            (Of::Group,    IDLE_TIMEOUT,               "60",    "Target group attribute key 'idle_timeout.timeout_seconds' is not recognized"),
            (Of::Listener, MULTI_VALUE,                "true",  "Listener attribute key"),
            (Of::Balancer, IDLE_TIMEOUT,               "0",     "must be a number from 1 to 4000"),
            (Of::Balancer, IDLE_TIMEOUT,               "x",     "must be a number from 1 to 4000"),
            (Of::Balancer, FORWARDED_FOR,              "drop",  "must be one of [append, preserve, remove]"),
            (Of::Balancer, DELETION_PROTECTION,        "TRUE",  "must be one of [true, false]"),
            (Of::Balancer, "access_logs.s3.enabled",   "true",  "Hearth does not support"),
            (Of::Listener, hsts,                       &long,   "is too long"),
            (Of::Listener, hsts,                       "a\r\nb", "characters that no header has"),
        ];
        for (of, key, value, expected) in rows {
            let mut kept = Attributes::new();
            let mut both = changes(MULTI_VALUE, "true");
            both.extend(changes(key, value));
            let asked = if of == Of::Group { both } else { changes(key, value) };
            let refused = set(of, &mut kept, &asked).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
            assert!(kept.is_empty(), "{key}");
        }
    }

    #[test]
    fn every_default_can_be_set() {
        for of in [Of::Balancer, Of::Listener, Of::Group] {
            let mut kept = Attributes::new();
            for (key, value) in all(of, &kept) {
                set(of, &mut kept, &changes(key, &value)).unwrap();
            }
            assert!(kept.is_empty(), "{kept:?}");
        }
    }
}
