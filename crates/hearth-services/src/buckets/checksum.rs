//! The checksums that S3 knows beside the ETag.
//!
//! # Promises
//!
//! The checksum of a whole is the same, whether it was made of all bytes or put together from those
//! of the parts, where the algorithm allows that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// The one of ZIP.
    Crc32,
    /// Castagnoli's.
    Crc32c,
    /// The one of NVMe.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// How it is made.
    pub algorithm: Algorithm,
    /// Its bytes in base64, big end first. Of a composite one, with the number of parts behind it.
    pub value: String,
}

/// What the checksum of an object in parts is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ChecksumKind {
    /// All of its bytes.
    #[default]
    FullObject,
    /// The checksums of its parts.
    Composite,
}

impl ChecksumKind {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite].into_iter().find(|kind| kind.name() == name)
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The one that AWS takes where nobody names one.
    pub const DEFAULT: Self = Self::Crc64Nvme;

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
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
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// Whether there are checksums of this kind and algorithm: those of CRC64NVME are always of the
    /// whole, and those of SHA-1 and SHA-256 cannot be put together.
    #[must_use]
    pub fn has_kind(self, kind: ChecksumKind) -> bool {
        match (self, kind) {
            (Self::Crc32 | Self::Crc32c, _) => true,
            (Self::Crc64Nvme, kind) => kind == ChecksumKind::FullObject,
            (Self::Sha1 | Self::Sha256, kind) => kind == ChecksumKind::Composite,
        }
    }

    /// The kind that an upload has which names none.
    #[must_use]
    pub fn kind_of_uploads(self) -> ChecksumKind {
        match self {
            Self::Crc64Nvme => ChecksumKind::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => ChecksumKind::Composite,
        }
    }
}

impl Checksum {
    /// Whether it can be one: of as many bytes as its algorithm has.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        STANDARD.decode(&self.value).is_ok_and(|bytes| bytes.len() == self.algorithm.bytes())
    }

    fn of_bytes(algorithm: Algorithm, bytes: &[u8]) -> Self {
        Self { algorithm, value: STANDARD.encode(bytes) }
    }

    /// Of the last bytes of a number, as many as the algorithm has.
    fn of_number(algorithm: Algorithm, number: u64) -> Self {
        let bytes = number.to_be_bytes();
        Self::of_bytes(algorithm, bytes.split_at(bytes.len() - algorithm.bytes()).1)
    }

    /// As a number. Only that of a cyclic one is asked for.
    fn number(&self) -> u64 {
        let bytes = STANDARD.decode(&self.value).unwrap_or_default();
        bytes.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// The checksum of a whole whose parts have these checksums and sizes, if there is one of this
    /// kind.
    pub(super) fn of_parts(
        algorithm: Algorithm,
        kind: ChecksumKind,
        parts: &[(&Self, u64)],
    ) -> Option<Self> {
        match kind {
            ChecksumKind::Composite => {
                let mut running = Running::new(algorithm);
                for (part, _size) in parts {
                    running.update(&STANDARD.decode(&part.value).ok()?);
                }
                let Self { algorithm, value } = running.finish();
                Some(Self { algorithm, value: format!("{value}-{}", parts.len()) })
            }
            ChecksumKind::FullObject => {
                let cyclic = match algorithm {
                    Algorithm::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
                    Algorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
                    Algorithm::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
                    Algorithm::Sha1 | Algorithm::Sha256 => return None,
                };
                let join = |whole, (part, size): &(&Self, u64)| {
                    checksum_combine(cyclic, whole, part.number(), *size)
                };
                Some(Self::of_number(algorithm, parts.iter().fold(0, join)))
            }
        }
    }
}

/// A checksum of what has been seen so far.
#[derive(Debug, Clone)]
pub(super) enum Running {
    Cyclic(Algorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let cyclic = |of| Self::Cyclic(algorithm, crc_fast::Digest::new(of));
        match algorithm {
            Algorithm::Crc32 => cyclic(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => cyclic(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => cyclic(CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(<Sha256 as sha2::Digest>::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Cyclic(_algorithm, hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => sha2::Digest::update(hasher, bytes),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        let of = Checksum::of_bytes;
        match self {
            Self::Cyclic(algorithm, hasher) => Checksum::of_number(algorithm, hasher.finalize()),
            Self::Sha1(hasher) => of(Algorithm::Sha1, &hasher.finalize()),
            Self::Sha256(hasher) => of(Algorithm::Sha256, &sha2::Digest::finalize(hasher)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut running = Running::new(algorithm);
        running.update(bytes);
        running.finish()
    }

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
            assert_eq!(running.finish(), Checksum::of_bytes(algorithm, expected));
        }
        let empty = Running::new(Algorithm::Sha256).finish();
        assert_eq!(empty.value, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        let empty = Running::new(Algorithm::Sha1).finish();
        assert_eq!(empty.value, "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    }

    #[test]
    fn names_are_read_in_any_case() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(&algorithm.name().to_lowercase()), Some(algorithm));
            assert!(algorithm.header().ends_with(&algorithm.name().to_lowercase()));
            assert!(of(algorithm, b"x").is_well_formed());
            assert!(algorithm.has_kind(algorithm.kind_of_uploads()));
        }
        assert_eq!(Algorithm::parse("MD5"), None);
    }

    #[test]
    fn a_composite_one_is_made_of_the_checksums_and_says_how_many_there_are() {
        let parts = [of(Algorithm::Sha256, b"a"), of(Algorithm::Sha256, b"b")];
        let parts: Vec<(&Checksum, u64)> = parts.iter().map(|part| (part, 1)).collect();
        let whole = Checksum::of_parts(Algorithm::Sha256, ChecksumKind::Composite, &parts).unwrap();
        assert_eq!(whole.value, "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
        assert_eq!(Checksum::of_parts(Algorithm::Sha256, ChecksumKind::FullObject, &parts), None);
    }

    proptest! {
        #[test]
        fn those_of_parts_are_put_together_to_that_of_the_whole(
            parts in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..300), 0..6)
        ) {
            for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
                let of_parts: Vec<(Checksum, u64)> =
                    parts.iter().map(|part| (of(algorithm, part), part.len() as u64)).collect();
                let of_parts: Vec<(&Checksum, u64)> =
                    of_parts.iter().map(|(part, size)| (part, *size)).collect();
                let whole = Checksum::of_parts(algorithm, ChecksumKind::FullObject, &of_parts);
                prop_assert_eq!(whole, Some(of(algorithm, &parts.concat())));
            }
        }
    }
}
