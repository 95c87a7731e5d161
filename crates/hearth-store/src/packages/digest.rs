//! The name of a code package: the SHA-256 of its archive.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of an archive. Two archives with one digest are one package.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CodeDigest([u8; 32]);

/// A text that does not name a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SHA-256 in 64 lower-case hexadecimal digits")]
pub struct DigestError {
    /// The text.
    pub text: String,
}

impl CodeDigest {
    /// The digest of an archive.
    pub fn of(zip: &[u8]) -> CodeDigest {
        CodeDigest(Sha256::digest(zip).into())
    }

    /// The digest as 64 lower-case hexadecimal digits, as files are named.
    pub fn hex(&self) -> String {
        self.to_string()
    }

    /// The digest as AWS writes it in `CodeSha256`.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

impl FromStr for CodeDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<CodeDigest, DigestError> {
        let refused = || DigestError { text: text.to_owned() };
        // Upper case is refused so that a package has one name, also in the file system.
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = digit(*high).zip(digit(*low)).ok_or_else(refused)?;
            *byte = (high << 4) | low;
        }
        Ok(CodeDigest(bytes))
    }
}

impl fmt::Display for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeDigest({self})")
    }
}

impl From<CodeDigest> for String {
    fn from(digest: CodeDigest) -> String {
        digest.hex()
    }
}

impl TryFrom<String> for CodeDigest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<CodeDigest, DigestError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_aws_does() {
        let digest = CodeDigest::of(b"");
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.hex(), hex);
        assert_eq!(digest.base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(hex.parse(), Ok(digest));
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let hex = CodeDigest::of(b"x").hex();
        for text in
            [&hex[1..], format!("{hex}0").as_str(), hex.to_uppercase().as_str(), "", "../etc"]
        {
            assert!(text.parse::<CodeDigest>().is_err(), "{text}");
        }
    }
}
