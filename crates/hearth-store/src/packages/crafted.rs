//! Archives made byte by byte, for tests: a proper writer refuses to make most of these.

/// One entry, with whatever its headers shall claim.
#[derive(Debug, Clone)]
pub(super) struct Crafted {
    pub(super) name: Vec<u8>,
    pub(super) content: Vec<u8>,
    /// The Unix mode with its file type; 0 is what Windows and Python's `ZipInfo` leave there.
    pub(super) mode: u32,
    pub(super) method: u16,
    pub(super) flags: u16,
    /// The unpacked size that the headers claim.
    pub(super) claimed_bytes: u32,
    pub(super) claimed_crc32: u32,
}

impl Crafted {
    /// An ordinary file.
    pub(super) fn file(name: &str, content: &[u8]) -> Crafted {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Crafted {
            name: name.as_bytes().to_vec(),
            content: content.to_vec(),
            mode: 0o100_644,
            method: 0,
            flags: 0,
            claimed_bytes: u32::try_from(content.len()).unwrap(),
            claimed_crc32: crc.sum(),
        }
    }

    /// A symbolic link.
    pub(super) fn link(name: &str, target: &str) -> Crafted {
        Crafted::file(name, target.as_bytes()).mode(0o120_777)
    }

    pub(super) fn mode(self, mode: u32) -> Crafted {
        Crafted { mode, ..self }
    }

    /// The same entry with its content deflated.
    pub(super) fn deflated(self) -> Crafted {
        use std::io::Write as _;
        let packed = Vec::new();
        let mut encoder =
            flate2::write::DeflateEncoder::new(packed, flate2::Compression::default());
        encoder.write_all(&self.content).unwrap();
        Crafted { content: encoder.finish().unwrap(), method: 8, ..self }
    }

    fn header(&self, offset: Option<u32>) -> Vec<u8> {
        let mut bytes = Vec::new();
        match offset {
            Some(_) => bytes.extend(b"PK\x01\x02\x14\x03\x14\x00"),
            None => bytes.extend(b"PK\x03\x04\x14\x00"),
        }
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend([0, 0, 0x21, 0]);
        bytes.extend(self.claimed_crc32.to_le_bytes());
        bytes.extend(u32::try_from(self.content.len()).unwrap().to_le_bytes());
        bytes.extend(self.claimed_bytes.to_le_bytes());
        bytes.extend(u16::try_from(self.name.len()).unwrap().to_le_bytes());
        bytes.extend([0, 0]);
        if let Some(offset) = offset {
            bytes.extend([0; 6]);
            bytes.extend((self.mode << 16).to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend(&self.name);
        bytes
    }
}

/// The archive with these entries.
pub(super) fn archive(entries: &[Crafted]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = u32::try_from(bytes.len()).unwrap();
        bytes.extend(entry.header(None));
        bytes.extend(&entry.content);
        directory.extend(entry.header(Some(offset)));
    }
    let offset = u32::try_from(bytes.len()).unwrap();
    let count = u16::try_from(entries.len()).unwrap();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}
