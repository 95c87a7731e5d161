//! Connections with TLS, and whom they may lead to.
//!
//! # Promises
//!
//! 1. The other end has a certificate for the name that was asked for, from an authority that the
//!    machine trusts or that the configuration names. There is no way to leave that out.
//! 2. Nothing older than TLS 1.2 is spoken.
//!
//! # Deliberately absent
//!
//! Certificates of our own: nobody is told who asks.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why the authorities of a file cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("certificates could not be read from {}", file.display())]
    NotRead {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// There is none in it.
    #[error("there is no certificate in {}", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A text cannot be read.
    #[error("certificates could not be read from a text")]
    NotUnderstood(#[source] pem::Error),
    /// There is none in it.
    #[error("there is no certificate in a text")]
    NoneInText,
}

/// Whom connections with TLS may lead to. Its clones are the same.
#[derive(Clone, Default)]
pub struct Trust(Arc<Roots>);

#[derive(Default)]
struct Roots {
    /// Authorities beside those of the machine.
    more: Vec<CertificateDer<'static>>,
    /// Made when it is first needed: most servers never need it, and the machine's list is long.
    connector: OnceLock<TlsConnector>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trust").field("more", &self.0.more.len()).finish_non_exhaustive()
    }
}

impl Trust {
    /// Whom the machine trusts, and whoever has a certificate from an authority in this file, which
    /// has certificates in the form that begins with `-----BEGIN CERTIFICATE-----`.
    ///
    /// # Errors
    ///
    /// If there is no certificate in the file.
    pub fn with_file(file: &Path) -> Result<Self, TrustError> {
        let not_read = |source| TrustError::NotRead { file: file.to_owned(), source };
        let read = CertificateDer::pem_file_iter(file).map_err(not_read)?;
        let more = read.collect::<Result<Vec<_>, _>>().map_err(not_read)?;
        if more.is_empty() {
            return Err(TrustError::Empty { file: file.to_owned() });
        }
        Ok(Self(Arc::new(Roots { more, connector: OnceLock::new() })))
    }

    /// The same, and whoever has a certificate from an authority in a text of the form of such a file.
    ///
    /// # Errors
    ///
    /// If there is no certificate in the text.
    pub fn and_text(&self, text: &str) -> Result<Self, TrustError> {
        let read = CertificateDer::pem_slice_iter(text.as_bytes());
        let read = read.collect::<Result<Vec<_>, _>>().map_err(TrustError::NotUnderstood)?;
        if read.is_empty() {
            return Err(TrustError::NoneInText);
        }
        let more = self.0.more.iter().cloned().chain(read).collect();
        Ok(Self(Arc::new(Roots { more, connector: OnceLock::new() })))
    }

    /// Speaks TLS on a connection to a host.
    ///
    /// # Errors
    ///
    /// If the other end does not, or is not the host.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = self.0.connector.get_or_init(|| self.0.connector());
        connector.connect(name, stream).await
    }
}

impl Roots {
    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "some of the authorities that the machine trusts were not read");
        }
        roots.add_parsable_certificates(native.certs);
        roots.add_parsable_certificates(self.more.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for these versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("authorities.pem");
        assert!(matches!(Trust::with_file(&file), Err(TrustError::NotRead { .. })));
        fs::write(&file, "nothing").unwrap();
        assert!(matches!(Trust::with_file(&file), Err(TrustError::Empty { .. })));
        assert!(matches!(Trust::default().and_text("nothing"), Err(TrustError::NoneInText)));
        fs::write(&file, "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(Trust::with_file(&file), Err(TrustError::NotRead { .. })));
    }

    #[tokio::test]
    async fn whoever_has_no_certificate_is_not_talked_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (plain, _from) = listener.accept().await.unwrap();
        drop(plain);
        assert!(Trust::default().connect("localhost", stream).await.is_err());
    }
}
