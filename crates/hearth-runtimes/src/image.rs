//! A runtime from an unpacked AWS base image, which has everything: the language in `/var/lang`
//! and AWS's own `/var/runtime/bootstrap`.
//!
//! The image is referred to where it is and not copied. Its entry point is not used, because that
//! starts the emulator that AWS puts into base images.

use std::path::Path;

use crate::family::{family_name, is_name};
use crate::host::is_program;
use crate::{Kind, Manifest, Root, Runtime};

/// Whether a directory is an unpacked base image that can serve as the runtime.
pub(crate) fn is_base_image(directory: &Path, name: &str) -> bool {
    if family_name(name) == "provided" {
        // Those have no bootstrap of their own: the function brings it.
        directory.join("var/runtime").is_dir() && directory.join("usr/bin").exists()
    } else {
        directory.join("var/lang").is_dir() && is_program(&directory.join("var/runtime/bootstrap"))
    }
}

/// The manifest of a runtime that is a base image.
pub(crate) fn manifest(name: &str, image: &Path) -> Manifest {
    debug_assert!(is_name(name), "checked before anything is built");
    let family = family_name(name);
    let tree = Some(image.to_owned());
    if family == "provided" {
        return Manifest { root: Root::Tree, tree, ..Runtime::provided(name).manifest };
    }
    // The patch level is inside the image; AWS's name says the rest.
    let version = name.trim_start_matches(family);
    Manifest {
        kind: Kind::Managed,
        root: Root::Tree,
        tree,
        command: vec!["/var/runtime/bootstrap".to_owned()],
        ..Manifest::managed(name, family, version)
    }
}
