//! In the place of fetching and unpacking, in builds without the feature `fetch`: nothing comes from outside.

use std::path::Path;

use super::sources::InstallSource;

/// There is none.
pub(super) enum Archive {}

/// Refuses.
pub(super) fn fetch(_: &InstallSource, _: &Path) -> Result<Archive, String> {
    Err("this program was built without the feature `fetch`".into())
}

/// Unpacks nothing, as there is no archive.
pub(super) fn libraries(archive: &Archive, _: &Path) -> Result<(), String> {
    match *archive {}
}
