//! An X.509 certificate for a key, signed with the key itself.
//!
//! It follows from the key: serial number, dates and name are the same each time. The bytes are
//! written as RFC 5280 orders them; a certificate without extensions worth the name needs no
//! library.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::PrivateKey;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::sha2::{Digest as _, Sha256};

use super::SigningError;

/// Whom the certificate is about.
const COMMON_NAME: &str = "Hearth topics";
/// From when on it is valid, and until the last moment that a certificate can name.
const NOT_BEFORE: &[u8] = b"250101000000Z";
const NOT_AFTER: &[u8] = b"99991231235959Z";

/// Tags of DER.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_ID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// The version and the extensions of a certificate.
const EXPLICIT_0: u8 = 0xa0;
const EXPLICIT_3: u8 = 0xa3;

/// `sha256WithRSAEncryption`, `commonName` and `basicConstraints`.
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const NAME_ATTRIBUTE: &[u8] = &[0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// The certificate, as DER.
pub(super) fn of(key: &PrivateKey) -> Result<Vec<u8>, SigningError> {
    let public = key.to_public_key().to_public_key_der();
    let public =
        public.map_err(|error| SigningError::Encoding(rsa::pkcs8::Error::PublicKey(error)))?;
    let algorithm = sequence(&[&element(OBJECT_ID, SHA256_WITH_RSA), &element(NULL, &[])]);
    let content = sequence(&[
        &element(EXPLICIT_0, &element(INTEGER, &[2])),
        &element(INTEGER, &serial(public.as_bytes())),
        &algorithm,
        &name_of(COMMON_NAME),
        &sequence(&[&element(UTC_TIME, NOT_BEFORE), &element(GENERALIZED_TIME, NOT_AFTER)]),
        &name_of(COMMON_NAME),
        public.as_bytes(),
        &element(EXPLICIT_3, &sequence(&[&not_an_authority()])),
    ]);
    let signature = key.pkcs1v15_sign::<Sha256>(&content).map_err(SigningError::Key)?;
    Ok(sequence(&[&content, &algorithm, &bit_string(&signature)]))
}

/// A certificate as people and programs pass it on.
pub(super) fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// What the file of a certificate is called: as AWS calls its own.
pub(super) fn name(der: &[u8]) -> String {
    let digest = Sha256::digest(der);
    let letters: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("SimpleNotificationService-{letters}.pem")
}

/// Positive and not too long.
fn serial(public: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(public);
    let mut serial: Vec<u8> = digest.iter().copied().take(16).collect();
    serial[0] = (serial[0] & 0x7f) | 0x40;
    serial
}

fn name_of(common: &str) -> Vec<u8> {
    let attribute =
        sequence(&[&element(OBJECT_ID, NAME_ATTRIBUTE), &element(UTF8_STRING, common.as_bytes())]);
    sequence(&[&element(SET, &attribute)])
}

fn not_an_authority() -> Vec<u8> {
    let nothing = sequence(&[]);
    sequence(&[&element(OBJECT_ID, BASIC_CONSTRAINTS), &element(OCTET_STRING, &nothing)])
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A tag, the length in as many bytes as it needs, and the content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    let used: Vec<u8> = length.iter().copied().skip_while(|byte| *byte == 0).collect();
    match used.as_slice() {
        [] => bytes.push(0),
        [short] if *short < 0x80 => bytes.push(*short),
        long => {
            let count = u8::try_from(long.len()).expect("a length has eight bytes at the most");
            bytes.push(0x80 | count);
            bytes.extend_from_slice(long);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        assert_eq!(element(NULL, &[]), [0x05, 0x00]);
        assert_eq!(element(INTEGER, &[2]), [0x02, 0x01, 0x02]);
        assert_eq!(element(OCTET_STRING, &[7; 127])[..2], [0x04, 0x7f]);
        assert_eq!(element(OCTET_STRING, &[7; 128])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(element(OCTET_STRING, &[7; 256])[..4], [0x04, 0x82, 0x01, 0x00]);
    }

    #[test]
    fn a_text_is_cut_into_lines() {
        let text = pem(&[0; 60]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((lines[1].len(), lines[2].len()), (64, 16));
    }
}
