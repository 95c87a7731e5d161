//! Objects by bucket and key, wherever they are kept.

use std::fmt::Debug;

use async_trait::async_trait;
use hearth_types::names::Scope;

/// Which object is meant, and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAddress {
    /// The account and the region of whoever asks.
    pub scope: Scope,
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
    /// The version; the current one if there is none.
    pub version: Option<String>,
}

/// Why an object was not fetched, in S3's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FetchError {
    /// Such as `NoSuchKey`.
    pub code: String,
    /// Such as `The specified key does not exist.`
    pub message: String,
}

impl FetchError {
    /// An error with this code and message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    pub(crate) fn too_large(limit_bytes: usize) -> Self {
        let message = format!("The object is larger than the {limit_bytes} bytes it may have.");
        Self::new("EntityTooLarge", message)
    }
}

/// Hands out objects.
///
/// # Promises
///
/// 1. An object is handed out whole or not at all.
/// 2. No more than the limit is held in memory.
#[async_trait]
pub trait ObjectSource: Send + Sync + Debug {
    /// Reads a whole object of at most `limit_bytes`.
    async fn fetch(
        &self,
        address: &ObjectAddress,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, FetchError>;
}
