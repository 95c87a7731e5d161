//! Function URLs: HTTP addresses of functions and of their aliases.
//!
//! # Promises
//!
//! 1. A function has at most one URL, and so has each of its aliases; a version has none.
//! 2. The id of a URL is random, and stays the same until the URL is deleted.
//! 3. A URL is found by its id in memory, however many there are.
//!
//! # Deliberately absent
//!
//! The address as a whole: it depends on where this server is reached, so the front door writes
//! it. And any request that comes to it.

use std::net::Ipv6Addr;
use std::sync::Arc;

use hearth_types::ids::RevisionId;
use hearth_types::names::Qualifier;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::error::ControlError;
use crate::record::{FunctionRecord, qualifier_key};

/// The text for a function or an alias that is to have a URL and does not exist.
pub const FUNCTION_MISSING: &str = "Function does not exist";

/// The text for a URL that does not exist.
pub const URL_MISSING: &str = "The resource you requested does not exist.";

/// The URL of a function or an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionUrl {
    /// The first part of its host name: 32 lower-case letters and digits.
    pub id: String,
    /// Who may call it.
    pub auth: UrlAuth,
    /// What browsers are told about other origins; absent unless it was given.
    pub cors: Option<Cors>,
    /// How it answers.
    pub mode: InvokeMode,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// Who may call a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlAuth {
    /// Everybody whom the function's policy lets.
    None,
    /// Whoever signs the request.
    AwsIam,
}

/// How a URL answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum InvokeMode {
    /// When the whole response is there.
    #[default]
    Buffered,
    /// While the response comes.
    ResponseStream,
}

/// What browsers are told about calls from other origins. Each part is absent unless it was given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cors {
    /// Whether calls may carry credentials.
    pub allow_credentials: Option<bool>,
    /// The headers that calls may have.
    pub allow_headers: Option<Vec<String>>,
    /// The methods of calls.
    pub allow_methods: Option<Vec<String>>,
    /// Where calls may come from.
    pub allow_origins: Option<Vec<String>>,
    /// The headers of the response that the caller may see.
    pub expose_headers: Option<Vec<String>>,
    /// How long all this may be remembered.
    pub max_age_seconds: Option<u32>,
}

/// What is to be changed about a URL. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UrlChange {
    /// Who may call it.
    pub auth: Option<UrlAuth>,
    /// What browsers are told, all of it; empty for nothing.
    pub cors: Option<Cors>,
    /// How it answers.
    pub mode: Option<InvokeMode>,
}

/// A URL that a request is for.
#[derive(Debug, Clone)]
pub struct FoundUrl {
    /// The function.
    pub function: Arc<FunctionRecord>,
    /// The alias that has the URL; `None` if it is the function's own.
    pub qualifier: Option<Qualifier>,
    /// The URL.
    pub url: FunctionUrl,
}

impl Control {
    /// The URL with this id. Reads memory only.
    #[must_use]
    pub fn url(&self, id: &str) -> Option<FoundUrl> {
        let function = self.catalog.with_url(id)?;
        let (key, url) = function.urls.iter().find(|(_key, url)| url.id == id)?;
        let qualifier = if key.is_empty() { None } else { Some(Qualifier::parse(key).ok()?) };
        let url = url.clone();
        Some(FoundUrl { function, qualifier, url })
    }

    /// How many URLs there are that ask for signatures.
    #[must_use]
    pub fn signed_urls(&self) -> usize {
        let signed = |url: &&FunctionUrl| url.auth == UrlAuth::AwsIam;
        let entries = self.catalog.all();
        entries.iter().map(|entry| entry.record.urls.values().filter(signed).count()).sum()
    }
}

impl FunctionUrl {
    /// A URL with a new id.
    #[must_use]
    pub fn new(auth: UrlAuth, now: Timestamp) -> Self {
        Self {
            // A UUID without its hyphens has the form of AWS's ids.
            id: RevisionId::random().to_string().replace('-', ""),
            auth,
            cors: None,
            mode: InvokeMode::default(),
            created: now,
            modified: now,
        }
    }
}

impl UrlAuth {
    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "NONE" => Some(Self::None),
            "AWS_IAM" => Some(Self::AwsIam),
            _ => None,
        }
    }

    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::AwsIam => "AWS_IAM",
        }
    }
}

impl InvokeMode {
    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "BUFFERED" => Some(Self::Buffered),
            "RESPONSE_STREAM" => Some(Self::ResponseStream),
            _ => None,
        }
    }

    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Buffered => "BUFFERED",
            Self::ResponseStream => "RESPONSE_STREAM",
        }
    }
}

impl FunctionRecord {
    /// Gives the function or an alias a URL.
    ///
    /// # Errors
    ///
    /// If there is no such alias, it has a URL already, or a browser could not be told what it is
    /// to be told.
    pub fn create_url(
        &mut self,
        qualifier: Option<&Qualifier>,
        url: FunctionUrl,
    ) -> Result<FunctionUrl, ControlError> {
        let may_have_one = match qualifier {
            None => true,
            Some(Qualifier::Alias(name)) => self.aliases.contains_key(name),
            Some(Qualifier::Version(_)) => false,
        };
        if !may_have_one {
            return Err(ControlError::NotFound(FUNCTION_MISSING.to_owned()));
        }
        let key = qualifier_key(qualifier);
        if self.urls.contains_key(&key) {
            // The two spaces are AWS's.
            return Err(ControlError::Conflict(format!(
                "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
                self.qualified_arn(qualifier)
            )));
        }
        let url = FunctionUrl { cors: url.cors.map_or(Ok(None), Cors::kept)?, ..url };
        self.urls.insert(key, url.clone());
        Ok(url)
    }

    /// The URL of the function or an alias.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub fn url(&self, qualifier: Option<&Qualifier>) -> Result<&FunctionUrl, ControlError> {
        self.urls.get(&qualifier_key(qualifier)).ok_or_else(url_missing)
    }

    /// Changes the URL of the function or an alias.
    ///
    /// # Errors
    ///
    /// If it has none, or a browser could not be told what it is to be told.
    pub fn update_url(
        &mut self,
        qualifier: Option<&Qualifier>,
        change: UrlChange,
        now: Timestamp,
    ) -> Result<FunctionUrl, ControlError> {
        let url = self.urls.get_mut(&qualifier_key(qualifier)).ok_or_else(url_missing)?;
        if let Some(cors) = change.cors {
            url.cors = cors.kept()?;
        }
        url.auth = change.auth.unwrap_or(url.auth);
        url.mode = change.mode.unwrap_or(url.mode);
        url.modified = now;
        Ok(url.clone())
    }

    /// Deletes the URL of the function or an alias.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub fn delete_url(&mut self, qualifier: Option<&Qualifier>) -> Result<(), ControlError> {
        self.urls.remove(&qualifier_key(qualifier)).map(drop).ok_or_else(url_missing)
    }
}

fn url_missing() -> ControlError {
    ControlError::NotFound(URL_MISSING.to_owned())
}

/// The methods that may be allowed. `OPTIONS` is not one of them: AWS answers it by itself.
const METHODS: [&str; 7] = ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "*"];

impl Cors {
    /// What is kept of it: nothing if it is empty.
    fn kept(self) -> Result<Option<Self>, ControlError> {
        self.check()?;
        Ok((self != Self::default()).then_some(self))
    }

    fn check(&self) -> Result<(), ControlError> {
        let refuse = |text| Err(ControlError::InvalidParameter(text));
        for method in self.allow_methods.iter().flatten() {
            if !METHODS.contains(&method.as_str()) {
                return refuse(format!(
                    "The method '{method}' in AllowMethods is not valid. You can use GET, PUT, POST, DELETE, HEAD, PATCH, and the wildcard character (*)."
                ));
            }
        }
        for origin in self.allow_origins.iter().flatten() {
            if !is_origin(origin) {
                return refuse(format!(
                    "The origin '{origin}' in AllowOrigins is not valid. You can use http:// or https:// with a host and, if there is one, a port, and the wildcard character (*)."
                ));
            }
        }
        // They will stand in headers of responses.
        for header in self.allow_headers.iter().chain(&self.expose_headers).flatten() {
            if !header.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return refuse(format!(
                    "The header '{}' in AllowHeaders or ExposeHeaders is not valid.",
                    header.escape_debug()
                ));
            }
        }
        Ok(())
    }
}

/// Whether a text is `*`, or `http://` or `https://` with a host and perhaps a port.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(authority) = authority else { return false };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_in_host_names),
    };
    is_host && port.is_none_or(is_port)
}

/// A `*` may stand for a part of a name.
fn is_in_host_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._*".contains(&byte)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{Catalog, Entry};
    use crate::event_invoke::tests::function;

    const NOW: Timestamp = Timestamp(1);
    const LATER: Timestamp = Timestamp(2);

    fn qualifier(text: &str) -> Qualifier {
        Qualifier::parse(text).unwrap()
    }

    fn texts(all: &[&str]) -> Option<Vec<String>> {
        Some(all.iter().map(|&text| text.to_owned()).collect())
    }

    fn open() -> FunctionUrl {
        FunctionUrl::new(UrlAuth::None, NOW)
    }

    #[test]
    fn ids_have_aws_form_and_differ() {
        let (one, other) = (open().id, open().id);
        assert_eq!(one.len(), 32);
        assert!(
            one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            "{one}"
        );
        assert_ne!(one, other);
    }

    #[test]
    fn a_url_is_found_by_its_id_until_it_is_deleted() {
        let catalog = Catalog::default();
        let put = |record: &FunctionRecord| {
            catalog.put(Entry { record: Arc::new(record.clone()), serving: Arc::default() });
        };
        let mut record = function();
        let own = record.create_url(None, open()).unwrap();
        put(&record);
        let live = record.create_url(Some(&qualifier("live")), open()).unwrap();
        put(&record);
        for url in [&own, &live] {
            assert_eq!(
                catalog.with_url(&url.id).map(|found| found.arn.clone()),
                Some(record.arn.clone())
            );
        }
        record.delete_url(None).unwrap();
        put(&record);
        assert!(catalog.with_url(&own.id).is_none(), "it was deleted");
        assert!(catalog.with_url(&live.id).is_some(), "it was not");
        catalog.remove(&record.arn);
        assert!(catalog.with_url(&live.id).is_none(), "the function was deleted");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for auth in [UrlAuth::None, UrlAuth::AwsIam] {
            assert_eq!(UrlAuth::parse(auth.name()), Some(auth));
        }
        for mode in [InvokeMode::Buffered, InvokeMode::ResponseStream] {
            assert_eq!(InvokeMode::parse(mode.name()), Some(mode));
        }
        assert_eq!((UrlAuth::parse("none"), InvokeMode::parse("")), (None, None));
    }

    #[test]
    fn a_url_keeps_its_id_until_it_is_deleted() {
        let mut record = function();
        let created = record.create_url(None, open()).unwrap();
        let auth = Some(UrlAuth::AwsIam);
        let updated = record.update_url(None, UrlChange { auth, ..UrlChange::default() }, LATER);
        let expected = FunctionUrl { auth: UrlAuth::AwsIam, modified: LATER, ..created.clone() };
        assert_eq!(updated.unwrap(), expected);
        assert_eq!(record.url(None).unwrap(), &expected);

        record.delete_url(None).unwrap();
        assert_eq!(record.url(None).unwrap_err().to_string(), URL_MISSING);
        assert_ne!(record.create_url(None, open()).unwrap().id, created.id);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let mut record = function();
        let live = qualifier("live");
        record.create_url(None, open()).unwrap();
        record.create_url(Some(&live), open()).unwrap();
        let arn = record.arn.to_string();
        let exists = |arn: &str| {
            format!(
                "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this Lambda function"
            )
        };
        let (exists, alias_exists) = (exists(&arn), exists(&format!("{arn}:live")));
        let nothing = UrlChange::default;
        let (one, latest, gone) = (qualifier("1"), qualifier("$LATEST"), qualifier("gone"));
        #[rustfmt::skip]
        let rows = [
            ("a second one",       record.create_url(None, open()).err(),                     exists.as_str()),
            ("a second of alias",  record.create_url(Some(&live), open()).err(),              alias_exists.as_str()),
            ("of a version",       record.create_url(Some(&one), open()).err(),               FUNCTION_MISSING),
            ("of $LATEST",         record.create_url(Some(&latest), open()).err(),            FUNCTION_MISSING),
            ("of a missing alias", record.create_url(Some(&gone), open()).err(),             FUNCTION_MISSING),
            ("get of none",        record.url(Some(&gone)).err(),                            URL_MISSING),
            ("update of none",     record.update_url(Some(&gone), nothing(), LATER).err(),   URL_MISSING),
            ("delete of none",     record.delete_url(Some(&gone)).err(),                     URL_MISSING),
        ];
        for (name, refused, expected) in rows {
            assert_eq!(refused.unwrap().to_string(), expected, "{name}");
        }
        assert_eq!(record.urls.keys().collect::<Vec<_>>(), ["", "live"]);
    }

    #[test]
    fn cors_is_replaced_whole_and_cleared_by_an_empty_one() {
        let mut record = function();
        let cors = Cors { allow_origins: texts(&["*"]), ..Cors::default() };
        let url = FunctionUrl { cors: Some(cors.clone()), ..open() };
        assert_eq!(record.create_url(None, url).unwrap().cors, Some(cors.clone()));

        let methods = Cors { allow_methods: texts(&["GET"]), ..Cors::default() };
        let rows = [
            ("untouched", None, Some(cors)),
            ("replaced", Some(methods.clone()), Some(methods)),
            ("cleared", Some(Cors::default()), None),
        ];
        for (name, given, expected) in rows {
            let change = UrlChange { cors: given, ..UrlChange::default() };
            assert_eq!(record.update_url(None, change, LATER).unwrap().cors, expected, "{name}");
        }
        let url = FunctionUrl { cors: Some(Cors::default()), ..open() };
        record.delete_url(None).unwrap();
        assert_eq!(record.create_url(None, url).unwrap().cors, None, "empty at once");
    }

    #[test]
    fn each_rule_of_cors_refuses_and_says_why() {
        let none = Cors::default;
        #[rustfmt::skip]
        let rows = [
            ("unknown method", Cors { allow_methods: texts(&["GET", "TRACE"]), ..none() },  "The method 'TRACE' in AllowMethods"),
            ("small method",   Cors { allow_methods: texts(&["get"]), ..none() },           "The method 'get' in AllowMethods"),
            ("no origin",      Cors { allow_origins: texts(&["*", "a.com"]), ..none() },    "The origin 'a.com' in AllowOrigins"),
            ("line break",     Cors { allow_headers: texts(&["a\r\nb: c"]), ..none() },     "The header 'a\\r\\nb: c' in AllowHeaders"),
            ("not ASCII",      Cors { expose_headers: texts(&["x-é"]), ..none() },          "The header 'x-é' in AllowHeaders"),
        ];
        for (name, cors, expected) in rows {
            let mut record = function();
            let url = FunctionUrl { cors: Some(cors), ..open() };
            let refused = record.create_url(None, url).unwrap_err();
            assert!(matches!(refused, ControlError::InvalidParameter(_)), "{name}: {refused:?}");
            assert!(refused.to_string().starts_with(expected), "{name}: {refused}");
            assert!(record.urls.is_empty(), "{name}");
        }
        let all = Cors {
            allow_credentials: Some(true),
            allow_headers: texts(&["Date", "x-custom-header", "*"]),
            allow_methods: texts(&METHODS),
            allow_origins: texts(&["*", "https://example.com"]),
            expose_headers: texts(&["Keep-Alive"]),
            max_age_seconds: Some(86_400),
        };
        assert_eq!(all.clone().kept().unwrap(), Some(all));
    }

    #[test]
    fn each_form_of_an_origin() {
        #[rustfmt::skip]
        let rows = [
            ("*",                             true),
            ("https://www.example.com",       true),
            ("http://localhost:60905",        true),
            ("http://127.0.0.1",              true),
            ("http://[::1]",                  true),
            ("http://[::1]:8080",             true),
            ("https://*.example.com",         true),
            ("",                              false),
            ("example.com",                   false),
            ("ftp://example.com",             false),
            ("https://",                      false),
            ("https://:443",                  false),
            ("https://example.com/",          false),
            ("https://example.com/path",      false),
            ("https://example.com:",          false),
            ("https://example.com:65536",     false),
            ("https://example.com:+80",       false),
            ("https://user@example.com",      false),
            ("https://[::1",                  false),
            ("https://[not an address]",      false),
            ("https://a.com, https://b.com",  false),
            ("https://example.com\r\nx: y",   false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_origin(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_host_is_an_origin_with_a_port_and_without(host in "[a-zA-Z0-9.-]{1,60}", port: u16) {
            let text = format!("https://{host}");
            prop_assert!(is_origin(&text));
            let text = format!("{text}:{port}");
            prop_assert!(is_origin(&text));
            let text = format!("{text}/");
            prop_assert!(!is_origin(&text));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = is_origin(&text);
            let _ = is_origin(&format!("http://{text}"));
        }
    }
}
