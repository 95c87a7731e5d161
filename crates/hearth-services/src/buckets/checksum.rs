//! The checksums that S3 knows beside the ETag.
//!
//! # Deliberately absent
//!
//! SHA-1: whoever asks for it is refused by name. Checksums over the checksums of parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// The one of ZIP.
    Crc32,
    /// Castagnoli's.
    Crc32c,
    /// The one of NVMe.
    Crc64Nvme,
    /// SHA-256.
    Sha256,
}

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// How it is made.
    pub algorithm: Algorithm,
    /// Its bytes in base64, big end first.
    pub value: String,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha256];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries it.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }
}

/// A checksum of what has been seen so far.
#[derive(Debug, Clone)]
pub(super) enum Running {
    Crc32(crc32fast::Hasher),
    Crc32c(u32),
    Crc64Nvme(u64),
    Sha256(Sha256),
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => Self::Crc32c(u32::MAX),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(u64::MAX),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Crc32c(state) => {
                for byte in bytes {
                    let [low, ..] = state.to_le_bytes();
                    *state = (*state >> 8) ^ CRC32C[usize::from(low ^ byte)];
                }
            }
            Self::Crc64Nvme(state) => {
                for byte in bytes {
                    let [low, ..] = state.to_le_bytes();
                    *state = (*state >> 8) ^ CRC64_NVME[usize::from(low ^ byte)];
                }
            }
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc32(hasher) => {
                (Algorithm::Crc32, STANDARD.encode(hasher.finalize().to_be_bytes()))
            }
            Self::Crc32c(state) => (Algorithm::Crc32c, STANDARD.encode((!state).to_be_bytes())),
            Self::Crc64Nvme(state) => {
                (Algorithm::Crc64Nvme, STANDARD.encode((!state).to_be_bytes()))
            }
            Self::Sha256(hasher) => (Algorithm::Sha256, STANDARD.encode(hasher.finalize())),
        };
        Checksum { algorithm, value }
    }
}

/// What each byte adds, least significant bit first.
static CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut next = 0_u32;
    let mut index = 0;
    while index < table.len() {
        let mut state = next;
        let mut bit = 0;
        while bit < 8 {
            state = if state & 1 == 1 { (state >> 1) ^ 0x82F6_3B78 } else { state >> 1 };
            bit += 1;
        }
        table[index] = state;
        next += 1;
        index += 1;
    }
    table
};

/// See [`CRC32C`].
static CRC64_NVME: [u64; 256] = {
    let mut table = [0; 256];
    let mut next = 0_u64;
    let mut index = 0;
    while index < table.len() {
        let mut state = next;
        let mut bit = 0;
        while bit < 8 {
            state = if state & 1 == 1 { (state >> 1) ^ 0x9A6C_9329_AC4B_C9B5 } else { state >> 1 };
            bit += 1;
        }
        table[index] = state;
        next += 1;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_each_algorithm() {
        #[rustfmt::skip]
        let rows: [(Algorithm, &[u8]); 3] = [
            (Algorithm::Crc32,     &[0xcb, 0xf4, 0x39, 0x26]),
            (Algorithm::Crc32c,    &[0xe3, 0x06, 0x92, 0x83]),
            (Algorithm::Crc64Nvme, &[0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88]),
        ];
        for (algorithm, expected) in rows {
            let mut running = Running::new(algorithm);
            running.update(b"1234");
            running.update(b"56789");
            let expected = Checksum { algorithm, value: STANDARD.encode(expected) };
            assert_eq!(running.finish(), expected);
        }
        let empty = Running::new(Algorithm::Sha256).finish();
        assert_eq!(empty.value, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn names_are_read_in_any_case() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(&algorithm.name().to_lowercase()), Some(algorithm));
            assert!(algorithm.header().ends_with(&algorithm.name().to_lowercase()));
        }
        assert_eq!(Algorithm::parse("MD5"), None);
    }
}
