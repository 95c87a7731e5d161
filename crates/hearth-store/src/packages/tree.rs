//! What an archive would unpack to, judged as a whole before anything is written.
//!
//! The entries are put into a tree of nodes, part by part of their names, so that two entries that
//! mean the same place meet, however they spell it. Then each link is followed inside the tree.
//!
//! # Promises
//!
//! 1. In a planned tree every name stands once, under directories only, and below the root.
//! 2. Following any link, also through other links, never passes above the root.
//! 3. A node stands behind its parent in [`Tree::nodes`].
//! 4. The declared sizes fit the limit together, and so does the number of nodes. Directories that
//!    are only implied by longer names count, because they cost as much as listed ones.
//!
//! # Deliberately absent
//!
//! No file system. Names are bytes, as on Linux: a backslash and a drive letter are ordinary
//! parts of a name and lead nowhere.

use std::collections::{BTreeMap, VecDeque};

use hearth_types::limits::{UNZIPPED_BYTES_MAX, ZIP_ENTRIES_MAX, ZIP_PATH_BYTES_MAX};

use super::archive::{CopyError, Entry, refused};
use super::{PackageError, Refusal};

/// The whole tree. The root is node 0.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    unzipped_bytes: u64,
}

/// One place in the tree.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The last part of its name.
    pub(super) name: &'a [u8],
    /// Its directory. The root is its own.
    pub(super) parent: usize,
    pub(super) kind: Kind<'a>,
    children: BTreeMap<&'a [u8], usize>,
}

#[derive(Debug)]
pub(super) enum Kind<'a> {
    Directory,
    File { entry: Entry<'a>, mode: u32 },
    Link { target: Vec<u8> },
}

/// Linux: the longest single part of a path.
const PART_BYTES_MAX: usize = 255;
/// To remove a tree costs a file descriptor per level, and a process may have only 1,024 of them.
const DEPTH_MAX: usize = 128;
/// How many steps all links of an archive may take together: links through links multiply.
const LINK_STEPS_MAX: u32 = 4_000_000;
/// The mode of a file whose archive does not say, as from Windows.
const FILE_MODE_DEFAULT: u32 = 0o644;
/// The bits of a mode that are kept. A file that its owner made unreadable for others stays so,
/// and its function fails to read it as it does on AWS: the reader is another user than the owner
/// of the tree. Set-user-id bits would give rights to the function, and write bits for others
/// would give other users of this host a way into it.
const FILE_MODE_MASK: u32 = 0o755;

const KIND_MASK: u32 = 0o170_000;
const KIND_DIRECTORY: u32 = 0o040_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_LINK: u32 = 0o120_000;

impl<'a> Tree<'a> {
    /// Judges the entries and makes the tree, or names the first entry that spoils it.
    pub(super) fn plan(entries: Vec<Entry<'a>>) -> Result<Tree<'a>, PackageError> {
        let root = Node::new(b"", 0, Kind::Directory);
        let mut tree = Tree { nodes: vec![root], unzipped_bytes: 0 };
        for entry in entries {
            tree.unzipped_bytes = tree.unzipped_bytes.saturating_add(entry.bytes);
            if tree.unzipped_bytes > UNZIPPED_BYTES_MAX {
                return Err(PackageError::UnzippedTooLarge { limit: UNZIPPED_BYTES_MAX });
            }
            tree.add(entry)?;
        }
        tree.follow_links()?;
        Ok(tree)
    }

    /// The sum of the sizes that the archive declares.
    pub(super) fn unzipped_bytes(&self) -> u64 {
        self.unzipped_bytes
    }

    /// Every node but the root, parents first, with its index.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (usize, &Node<'a>)> {
        self.nodes.iter().enumerate().skip(1)
    }

    /// The parts of the name of a node, from the root.
    pub(super) fn parts(&self, mut index: usize) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        while index != 0 {
            parts.push(self.nodes[index].name);
            index = self.nodes[index].parent;
        }
        parts.reverse();
        parts
    }

    fn add(&mut self, entry: Entry<'a>) -> Result<(), PackageError> {
        let parts = parts_of(entry.name).map_err(|why| entry.refused(why))?;
        let name = entry.name;
        let kind = kind_of(entry)?;
        let Some((&last, above)) = parts.split_last() else {
            // `./` is the root itself, which some tools list.
            let is_root = matches!(kind, Kind::Directory);
            return if is_root { Ok(()) } else { Err(refused(name, Refusal::NotAName)) };
        };
        let mut place = 0;
        for &part in above {
            place = self.enter(place, part).map_err(|why| why.at(name))?;
        }
        let Some(&there) = self.nodes[place].children.get(last) else {
            self.insert(place, last, kind)?;
            return Ok(());
        };
        match (&self.nodes[there].kind, &kind) {
            // A directory that is listed late, or twice, is the same directory.
            (Kind::Directory, Kind::Directory) => Ok(()),
            (Kind::Directory, Kind::File { .. } | Kind::Link { .. })
            | (Kind::File { .. } | Kind::Link { .. }, Kind::Directory) => {
                Err(refused(name, Refusal::FileAsDirectory))
            }
            (Kind::File { .. } | Kind::Link { .. }, Kind::File { .. } | Kind::Link { .. }) => {
                Err(refused(name, Refusal::Duplicate))
            }
        }
    }

    /// The directory of a name in a directory, made if need be.
    fn enter(&mut self, place: usize, part: &'a [u8]) -> Result<usize, NotEntered> {
        let Some(&there) = self.nodes[place].children.get(part) else {
            return self.insert(place, part, Kind::Directory).map_err(NotEntered::Full);
        };
        match self.nodes[there].kind {
            Kind::Directory => Ok(there),
            Kind::File { .. } => Err(NotEntered::Refused(Refusal::FileAsDirectory)),
            Kind::Link { .. } => Err(NotEntered::Refused(Refusal::ThroughLink)),
        }
    }

    fn insert(
        &mut self,
        place: usize,
        name: &'a [u8],
        kind: Kind<'a>,
    ) -> Result<usize, PackageError> {
        let index = self.nodes.len();
        if index > ZIP_ENTRIES_MAX {
            return Err(PackageError::TooManyEntries { limit: ZIP_ENTRIES_MAX });
        }
        self.nodes.push(Node::new(name, place, kind));
        self.nodes[place].children.insert(name, index);
        Ok(index)
    }

    fn follow_links(&self) -> Result<(), PackageError> {
        let mut steps = 0;
        for (index, node) in self.nodes() {
            if let Kind::Link { target } = &node.kind {
                let followed = self.follow(node.parent, target, &mut steps);
                followed.map_err(|why| refused(&self.parts(index).join(&b'/'), why))?;
            }
        }
        Ok(())
    }

    /// Follows a target from a directory, as the kernel would, and fails when it passes the root.
    fn follow<'t>(&'t self, from: usize, target: &'t [u8], steps: &mut u32) -> Result<(), Refusal> {
        let mut place = from;
        // How far the way has gone into what the archive does not have. The kernel stops there; we
        // go on counting, so that the answer does not depend on what will be there some day.
        let mut missing = 0_usize;
        let mut ahead: VecDeque<&'t [u8]> = link_parts(target).collect();
        while let Some(part) = ahead.pop_front() {
            *steps += 1;
            if *steps > LINK_STEPS_MAX {
                return Err(Refusal::LinksTangled);
            }
            if part == b".." {
                if missing > 0 {
                    missing -= 1;
                } else if place == 0 {
                    return Err(Refusal::LinkLeavesTree);
                } else {
                    place = self.nodes[place].parent;
                }
                continue;
            }
            let there = self.nodes[place].children.get(part);
            let Some(&there) = there.filter(|_| missing == 0) else {
                missing += 1;
                continue;
            };
            match &self.nodes[there].kind {
                Kind::Directory => place = there,
                Kind::File { .. } => missing += 1,
                Kind::Link { target } => {
                    for part in link_parts(target).rev() {
                        // Counted here too: a link to itself must not make the way ahead endless.
                        *steps += 1;
                        ahead.push_front(part);
                    }
                }
            }
        }
        Ok(())
    }
}

impl<'a> Node<'a> {
    fn new(name: &'a [u8], parent: usize, kind: Kind<'a>) -> Node<'a> {
        Node { name, parent, kind, children: BTreeMap::new() }
    }
}

/// Why a part of a name cannot be entered.
enum NotEntered {
    Full(PackageError),
    Refused(Refusal),
}

impl NotEntered {
    fn at(self, name: &[u8]) -> PackageError {
        match self {
            Self::Full(error) => error,
            Self::Refused(why) => refused(name, why),
        }
    }
}

/// The parts of a name. `.` and empty parts mean nothing and are left out.
fn parts_of(name: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    if name.is_empty() || name.contains(&0) {
        return Err(Refusal::NotAName);
    }
    if name.len() > ZIP_PATH_BYTES_MAX {
        return Err(Refusal::NameTooLong);
    }
    if name[0] == b'/' {
        return Err(Refusal::AbsoluteName);
    }
    let parts = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let parts: Vec<&[u8]> = parts.collect();
    if parts.iter().any(|part| *part == b"..") {
        return Err(Refusal::NameLeavesTree);
    }
    if parts.iter().any(|part| part.len() > PART_BYTES_MAX) {
        return Err(Refusal::NameTooLong);
    }
    if parts.len() > DEPTH_MAX { Err(Refusal::TooDeep) } else { Ok(parts) }
}

fn kind_of(entry: Entry<'_>) -> Result<Kind<'_>, PackageError> {
    let listed_as_directory = entry.name.last() == Some(&b'/');
    let mode = entry.mode.unwrap_or(FILE_MODE_DEFAULT);
    match mode & KIND_MASK {
        KIND_DIRECTORY | 0 | KIND_FILE if listed_as_directory => directory(&entry),
        _ if listed_as_directory => Err(entry.refused(Refusal::DirectoryWithContent)),
        KIND_DIRECTORY => directory(&entry),
        0 | KIND_FILE => Ok(Kind::File { mode: mode & FILE_MODE_MASK, entry }),
        KIND_LINK => Ok(Kind::Link { target: link_target(&entry)? }),
        _ => Err(entry.refused(Refusal::SpecialFile)),
    }
}

fn directory<'a>(entry: &Entry<'a>) -> Result<Kind<'a>, PackageError> {
    // Its mode is not kept: a directory that others cannot enter would hide all that is below it.
    if entry.bytes == 0 {
        Ok(Kind::Directory)
    } else {
        Err(entry.refused(Refusal::DirectoryWithContent))
    }
}

/// The target of a link, which is the content of its entry.
fn link_target(entry: &Entry<'_>) -> Result<Vec<u8>, PackageError> {
    if entry.bytes == 0 || entry.bytes > ZIP_PATH_BYTES_MAX as u64 {
        return Err(entry.refused(Refusal::NotALink));
    }
    let mut target = Vec::new();
    entry.copy_to(&mut target).map_err(|error| match error {
        CopyError::Refused(why) => entry.refused(why),
        // Writing to memory does not fail; were it to, the target would not be known.
        CopyError::NotWritten(_) => entry.refused(Refusal::NotALink),
    })?;
    if target.contains(&0) {
        return Err(entry.refused(Refusal::NotALink));
    }
    if target[0] == b'/' {
        return Err(entry.refused(Refusal::AbsoluteLink));
    }
    Ok(target)
}

fn link_parts(target: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let parts = target.split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty() && *part != b".")
}
