//! What can go wrong with a code package.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::CodeDigest;

/// Why something could not be done with a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// AWS: "Could not unzip uploaded file. Please check your file, then try to upload again."
    #[error("the bytes are not a zip archive: {reason}")]
    NotAnArchive { reason: &'static str },

    /// AWS: "Uploaded file must be a non-empty zip".
    #[error("the archive is empty")]
    Empty,

    #[error("the archive is {bytes} bytes and the limit is {limit}")]
    ZippedTooLarge { bytes: usize, limit: usize },

    /// AWS: "Unzipped size must be smaller than 262144000 bytes".
    #[error("the archive unpacks to more than {limit} bytes")]
    UnzippedTooLarge { limit: u64 },

    #[error("the archive has more than {limit} entries, directories included")]
    TooManyEntries { limit: usize },

    #[error("entry `{name}` of the archive is refused: {why}")]
    EntryRefused { name: String, why: Refusal },

    #[error("could not open the packages in `{}`", .path.display())]
    NotOpened { path: PathBuf, source: io::Error },

    #[error("could not keep package {digest}")]
    NotKept { digest: CodeDigest, source: io::Error },

    #[error("could not unpack package {digest}")]
    NotUnpacked { digest: CodeDigest, source: io::Error },

    /// The layers are named as their merged tree is, by [`super::Packages::merged_key`].
    #[error("could not lay the layers of {merged} over each other")]
    NotMerged { merged: CodeDigest, source: io::Error },

    #[error("could not read package {digest}")]
    NotRead { digest: CodeDigest, source: io::Error },

    #[error("could not remove package {digest}")]
    NotRemoved { digest: CodeDigest, source: io::Error },

    #[error("could not list the packages")]
    NotListed { source: io::Error },

    #[error("there is no package {digest}")]
    Missing { digest: CodeDigest },

    #[error("could not pack `{}`", .path.display())]
    NotPacked { path: PathBuf, source: io::Error },
}

/// Why one entry spoils its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The name begins with `/`.
    AbsoluteName,
    /// The name contains `..`.
    NameLeavesTree,
    /// The name contains a NUL byte, or names nothing.
    NotAName,
    /// The name, or one part of it, is longer than Linux allows.
    NameTooLong,
    /// The name has more parts than can be removed again safely.
    TooDeep,
    /// Another entry has the name already.
    Duplicate,
    /// Another entry uses the name as a directory, or this one uses a file as a directory.
    FileAsDirectory,
    /// The name goes through a link.
    ThroughLink,
    /// It claims to be a directory and has content, or is of another kind by its mode.
    DirectoryWithContent,
    /// A device, a pipe or a socket.
    SpecialFile,
    /// A link whose target is absolute.
    AbsoluteLink,
    /// A link that leads out of the tree, by itself or through other links.
    LinkLeavesTree,
    /// A link without a target, or with one that is not a path.
    NotALink,
    /// Links that take too many steps to follow.
    LinksTangled,
    /// It is encrypted.
    Encrypted,
    /// Its compression is neither `stored` nor `deflate`.
    CompressionUnknown,
    /// Its content is not where its header says.
    ContentMissing,
    /// Its content cannot be inflated.
    ContentDamaged,
    /// Its content has another size than its header says.
    SizeDiffers,
    /// Its content has another checksum than its header says.
    ChecksumDiffers,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AbsoluteName => "its name is absolute",
            Self::NameLeavesTree => "its name contains `..`",
            Self::NotAName => "its name is not a file name",
            Self::NameTooLong => "its name is too long",
            Self::TooDeep => "its name has too many parts",
            Self::Duplicate => "another entry has the same name",
            Self::FileAsDirectory => "a file is used as a directory",
            Self::ThroughLink => "its name goes through a symbolic link",
            Self::DirectoryWithContent => "it is a directory and not a directory",
            Self::SpecialFile => "it is a device, a pipe or a socket",
            Self::AbsoluteLink => "it is a symbolic link with an absolute target",
            Self::LinkLeavesTree => "it is a symbolic link that leads out of the archive",
            Self::NotALink => "it is a symbolic link without a proper target",
            Self::LinksTangled => "its symbolic links take too many steps to follow",
            Self::Encrypted => "it is encrypted",
            Self::CompressionUnknown => "its compression is not supported",
            Self::ContentMissing => "its content is missing",
            Self::ContentDamaged => "its content is damaged",
            Self::SizeDiffers => "its size differs from what its header says",
            Self::ChecksumDiffers => "its checksum differs from what its header says",
        })
    }
}
