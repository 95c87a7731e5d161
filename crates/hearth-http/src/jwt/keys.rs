//! The keys of issuers: fetched when they are first needed, and remembered.
//!
//! An issuer says at `/.well-known/openid-configuration` below its address where its keys are. Both
//! documents are fetched within [`KEYS_FETCH_SECONDS_MAX`] each, by one request at a time for each
//! issuer; those that need them wait for it.
//!
//! # Promises
//!
//! 1. Whose key is known does not wait for somebody whose key is not.
//! 2. While there are good keys, others are looked for once in [`KEYS_AGAIN_MILLIS`], also if whoever
//!    caused that has gone away.
//!
//! [`KEYS_FETCH_SECONDS_MAX`]: crate::apis::limits::KEYS_FETCH_SECONDS_MAX
//! [`KEYS_AGAIN_MILLIS`]: crate::apis::limits::KEYS_AGAIN_MILLIS

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_services::remote::web::{Web, WebRequest};
use jsonwebtoken::DecodingKey;
use serde_json::Value;
use tokio::time::Instant;

use crate::apis::limits::{
    ISSUERS_MAX, KEYS_AGAIN_MILLIS, KEYS_BYTES_MAX, KEYS_FETCH_SECONDS_MAX, KEYS_KEPT_MILLIS,
};

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The issuer has none with this id.
    #[error("there is no such key")]
    Unknown,
    /// A document could not be fetched.
    #[error("{url} could not be fetched: {why}")]
    NotFetched {
        /// Its address.
        url: String,
        /// Why.
        why: String,
    },
    /// A document is not what it should be.
    #[error("{url} is not what it should be: {why}")]
    Malformed {
        /// Its address.
        url: String,
        /// Why.
        why: &'static str,
    },
}

/// Where documents come from.
#[async_trait]
pub trait Documents: Send + Sync + fmt::Debug {
    /// Fetches a document, or says why not.
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String>;
}

#[async_trait]
impl Documents for Web {
    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let request = WebRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: Bytes::new(),
            seconds: KEYS_FETCH_SECONDS_MAX,
            answer_bytes_max: KEYS_BYTES_MAX,
        };
        let answer = self.ask(request).await.map_err(|error| error.to_string())?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        Err(format!("it was answered with status {}", answer.status))
    }
}

/// The keys of an issuer by their ids, if they could be had.
type Fetched = Result<HashMap<String, Arc<DecodingKey>>, KeysError>;

/// The keys of issuers.
#[derive(Debug)]
pub struct Keys {
    documents: Arc<dyn Documents>,
    issuers: Mutex<HashMap<String, Arc<Issuer>>>,
}

/// One issuer.
#[derive(Debug, Default)]
struct Issuer {
    known: Mutex<Known>,
    /// Held by whoever fetches its keys.
    turn: tokio::sync::Mutex<()>,
}

/// What is known of one issuer.
#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<DecodingKey>>,
    /// When the keys were fetched.
    fetched: Option<Instant>,
    /// When that was last tried, and what went wrong, if something did.
    tried: Option<(Instant, Option<KeysError>)>,
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = &self.keys.len();
        formatter.debug_struct("Known").field("keys", keys).finish_non_exhaustive()
    }
}

impl Known {
    fn is_fresh(&self) -> bool {
        self.fetched.is_some_and(|at| is_within(at, KEYS_KEPT_MILLIS))
    }

    fn key(&self, id: &str) -> Option<Arc<DecodingKey>> {
        self.keys.get(id).filter(|_| self.is_fresh()).cloned()
    }

    /// What is known of a key without asking again, by whoever would ask now.
    fn settled(&mut self, id: &str) -> Option<Result<Arc<DecodingKey>, KeysError>> {
        if let Some(key) = self.key(id) {
            return Some(Ok(key));
        }
        let is_fresh = self.is_fresh();
        if let Some((at, failed)) = &self.tried
            && (is_fresh || failed.is_some())
            && is_within(*at, KEYS_AGAIN_MILLIS)
        {
            return Some(Err(failed.clone().unwrap_or(KeysError::Unknown)));
        }
        if is_fresh {
            // Whoever asks may go away before there is an answer.
            self.tried = Some((Instant::now(), None));
        }
        None
    }

    /// Takes in what was fetched, and finds a key there.
    fn take(&mut self, fetched: Fetched, id: &str) -> Result<Arc<DecodingKey>, KeysError> {
        let now = Instant::now();
        self.tried = Some((now, fetched.as_ref().err().cloned()));
        self.keys = fetched?;
        self.fetched = Some(now);
        self.keys.get(id).cloned().ok_or(KeysError::Unknown)
    }
}

impl Issuer {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no code panics while it holds what is known of an issuer")
    }
}

impl Keys {
    /// Keys that come from there.
    #[must_use]
    pub fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents, issuers: Mutex::default() }
    }

    /// A key of an issuer, by its id.
    ///
    /// # Errors
    ///
    /// If the issuer has no such key, or its keys cannot be had.
    pub async fn key(&self, issuer: &str, id: &str) -> Result<Arc<DecodingKey>, KeysError> {
        let one = self.issuer(issuer);
        if let Some(key) = one.known().key(id) {
            return Ok(key);
        }
        let turn = one.turn.lock().await;
        let settled = one.known().settled(id);
        if let Some(settled) = settled {
            return settled;
        }
        let fetched = self.fetch(issuer).await;
        let key = one.known().take(fetched, id);
        drop(turn);
        if let Err(error @ (KeysError::NotFetched { .. } | KeysError::Malformed { .. })) = &key {
            tracing::warn!(issuer, %error, "the keys of an issuer of tokens were not fetched");
        }
        key
    }

    fn issuer(&self, issuer: &str) -> Arc<Issuer> {
        let mut issuers = self.issuers.lock().expect("no code panics while it holds the issuers");
        if issuers.len() >= ISSUERS_MAX && !issuers.contains_key(issuer) {
            // They come from what is configured, so there are hardly ever as many.
            issuers.clear();
        }
        Arc::clone(issuers.entry(issuer.to_owned()).or_default())
    }

    async fn fetch(&self, issuer: &str) -> Fetched {
        let base = issuer.trim_end_matches('/');
        let about = self.document(&format!("{base}/.well-known/openid-configuration")).await?;
        let place = about.value.get("jwks_uri").and_then(Value::as_str);
        let place = place.ok_or(KeysError::Malformed { url: about.url, why: "no jwks_uri" })?;
        // Whoever is asked in clear is on this machine: keys from elsewhere could be anybody's.
        let is_safe = place.starts_with("https://") || Web::leads_to_this_machine(place);
        if !is_safe {
            let url = place.to_owned();
            return Err(KeysError::Malformed { url, why: "the address is not one with https" });
        }
        let keys = self.document(place).await?;
        let list = keys.value.get("keys").and_then(Value::as_array);
        let list = list.ok_or(KeysError::Malformed { url: keys.url, why: "no list of keys" })?;
        Ok(list.iter().filter_map(rsa_key).collect())
    }

    async fn document(&self, url: &str) -> Result<Document, KeysError> {
        let fetched = self.documents.fetch(url).await;
        let fetched = fetched.map_err(|why| KeysError::NotFetched { url: url.to_owned(), why })?;
        let value = serde_json::from_slice(&fetched)
            .map_err(|_error| KeysError::Malformed { url: url.to_owned(), why: "not JSON" })?;
        Ok(Document { url: url.to_owned(), value })
    }
}

/// A document, and where it came from.
struct Document {
    url: String,
    value: Value,
}

/// A key that signatures can be checked with. Others are not for us.
fn rsa_key(key: &Value) -> Option<(String, Arc<DecodingKey>)> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("kty") != Some("RSA") || text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let read = DecodingKey::from_rsa_components(text("n")?, text("e")?).ok()?;
    Some((text("kid")?.to_owned(), Arc::new(read)))
}

fn is_within(at: Instant, millis: u64) -> bool {
    at.elapsed() < Duration::from_millis(millis)
}
