//! Signatures under notifications, and the certificate that they can be checked with.
//!
//! ```text
//!  first need ──▶ key file there? ──yes──▶ read ──┐
//!                      │ no                       ├──▶ Identity: key, certificate, its name
//!                      └──▶ made, kept (0600) ────┘
//! ```
//!
//! # Promises
//!
//! 1. The key is made once and survives restarts. Only its owner can read the file.
//! 2. The certificate follows from the key alone: it is the same after every restart, and its name
//!    is that of its content.
//! 3. Nothing of this delays the start: the key is made or read when it is first needed.
//!
//! # Deliberately absent
//!
//! A chain: the certificate is signed with its own key. Who fetches it from the server trusts it.

mod certificate;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use getrandom::SysRng;
use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::sha2::Sha256;
use sha1::Sha1;
use tokio::sync::OnceCell;

use super::record::SignatureVersion;
use crate::limits::SIGNING_KEY_BITS;

/// The file with the key, as PKCS #8.
const KEY_FILE: &str = "signing-key.der";

/// Why something could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key could not be read or kept.
    #[error("could not {operation}")]
    File {
        /// What was being done, as a verb phrase.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file has no key in it.
    #[error("the file is not a private key; move it away and a new one is made")]
    NotAKey(#[source] rsa::pkcs8::Error),
    /// The key could not be made or used.
    #[error("could not use the key")]
    Key(#[source] rsa::Error),
    /// The key could not be written as a file has it.
    #[error("could not encode the key")]
    Encoding(#[source] rsa::pkcs8::Error),
    /// The work was given up: the server ends.
    #[error("the work was given up")]
    GivenUp,
}

/// Signs, with a key that is made or read when it is first needed.
#[derive(Debug)]
pub(super) struct Signer {
    directory: PathBuf,
    identity: OnceCell<Arc<Identity>>,
}

/// The key, and what others know of it.
pub(super) struct Identity {
    key: PrivateKey,
    /// The certificate, as it is served.
    pub(super) pem: String,
    /// What its file is called.
    pub(super) name: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Signer {
    /// Will keep its key in a directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, identity: OnceCell::new() }
    }

    pub(super) async fn identity(&self) -> Result<Arc<Identity>, SigningError> {
        let made = self.identity.get_or_try_init(|| async {
            let directory = self.directory.clone();
            let made = tokio::task::spawn_blocking(move || Identity::open(&directory)).await;
            made.map_err(|_ended| SigningError::GivenUp)?.map(Arc::new)
        });
        made.await.map(Arc::clone)
    }

    /// The signature of a text, in base64.
    pub(super) async fn sign(
        &self,
        text: String,
        version: SignatureVersion,
    ) -> Result<String, SigningError> {
        let identity = self.identity().await?;
        let signed = tokio::task::spawn_blocking(move || identity.sign(&text, version)).await;
        signed.map_err(|_ended| SigningError::GivenUp)?
    }
}

impl Identity {
    fn open(directory: &Path) -> Result<Self, SigningError> {
        let file = directory.join(KEY_FILE);
        let key = match fs::read(&file) {
            Ok(bytes) => PrivateKey::from_pkcs8_der(&bytes).map_err(SigningError::NotAKey)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key =
                    PrivateKey::new(&mut SysRng, SIGNING_KEY_BITS).map_err(SigningError::Key)?;
                keep(directory, &file, &key)?;
                key
            }
            Err(source) => {
                let operation = "read the key that notifications are signed with";
                return Err(SigningError::File { operation, source });
            }
        };
        let der = certificate::of(&key)?;
        let (pem, name) = (certificate::pem(&der), certificate::name(&der));
        Ok(Self { key, pem, name })
    }

    fn sign(&self, text: &str, version: SignatureVersion) -> Result<String, SigningError> {
        let bytes = text.as_bytes();
        let signature = match version {
            SignatureVersion::One => self.key.pkcs1v15_sign::<Sha1>(bytes),
            SignatureVersion::Two => self.key.pkcs1v15_sign::<Sha256>(bytes),
        };
        signature.map(|signature| STANDARD.encode(signature)).map_err(SigningError::Key)
    }
}

/// Keeps a key: whole, or not at all.
fn keep(directory: &Path, file: &Path, key: &PrivateKey) -> Result<(), SigningError> {
    let document = key.to_pkcs8_der().map_err(SigningError::Encoding)?;
    let beside = file.with_extension("new");
    let write = || {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut options = fs::File::options();
        let mut new = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        new.write_all(document.as_bytes())?;
        new.sync_all()?;
        fs::rename(&beside, file)?;
        fs::File::open(directory)?.sync_all()
    };
    let operation = "keep the key that notifications are signed with";
    write().map_err(|source| SigningError::File { operation, source })
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::OnceLock;

    use super::*;

    /// Puts a key into a directory: the same for all tests, because making one takes long.
    pub(in crate::topics) fn keep_one_key(directory: &Path) {
        static KEY: OnceLock<PrivateKey> = OnceLock::new();
        let make = || PrivateKey::new(&mut SysRng, SIGNING_KEY_BITS).unwrap();
        keep(directory, &directory.join(KEY_FILE), KEY.get_or_init(make)).unwrap();
    }

    #[tokio::test]
    async fn a_signature_can_be_checked_and_the_key_outlives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("topics");
        let signer = Signer::new(place.clone());
        let identity = signer.identity().await.unwrap();
        let public = identity.key.to_public_key();
        for version in [SignatureVersion::One, SignatureVersion::Two] {
            let signature = signer.sign("text".to_owned(), version).await.unwrap();
            let signature = STANDARD.decode(signature).unwrap();
            let checked = match version {
                SignatureVersion::One => public.pkcs1v15_verify::<Sha1>(b"text", &signature),
                SignatureVersion::Two => public.pkcs1v15_verify::<Sha256>(b"text", &signature),
            };
            assert!(checked.is_ok(), "{version:?}");
            assert!(public.pkcs1v15_verify::<Sha256>(b"other", &signature).is_err());
        }
        let mode = fs::metadata(place.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Signer::new(place).identity().await.unwrap();
        assert_eq!((&again.pem, &again.name), (&identity.pem, &identity.name));
    }

    #[tokio::test]
    async fn a_file_that_is_no_key_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(KEY_FILE), b"nonsense").unwrap();
        let told = Signer::new(directory.path().to_owned()).identity().await.unwrap_err();
        assert!(matches!(told, SigningError::NotAKey(_)), "{told}");
        assert_eq!(fs::read(directory.path().join(KEY_FILE)).unwrap(), b"nonsense");
    }
}
