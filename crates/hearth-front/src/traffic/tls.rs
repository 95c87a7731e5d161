//! The certificate that the listener for sites shows.
//!
//! # Promises
//!
//! 1. Nothing older than TLS 1.2 is spoken.
//!
//! # Deliberately absent
//!
//! Certificates of clients. And reading the files again: a new certificate needs a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Protocols inside TLS, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} could not be read", file.display())]
    NotRead {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("there is no certificate in {}", .0.display())]
    Empty(PathBuf),
    /// Certificate and key cannot be used, or not with each other.
    #[error("the certificate cannot be used with the key")]
    Unusable(#[source] rustls::Error),
}

/// What speaks TLS with this certificate, its chain, and its key, each in a file of the form that
/// begins with `-----BEGIN`.
///
/// # Errors
///
/// If a file cannot be read, or the two do not belong together.
pub fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let not_read = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::NotRead { file, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(not_read(certificate))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(not_read(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(not_read(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for these versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_without_a_certificate_or_a_key_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty.pem");
        fs::write(&empty, "nothing\n").unwrap();
        let missing = directory.path().join("missing.pem");
        assert!(matches!(server(&missing, &empty), Err(TlsError::NotRead { .. })));
        assert!(matches!(server(&empty, &empty), Err(TlsError::Empty(_))));
    }
}
