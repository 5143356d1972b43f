//! Patterns such as `*.jpg` on paths; `*` and `?` do not cross folders. Knows no file system.

use std::ffi::OsStr;
use std::path::Path;

/// Whether a name is meant as a pattern.
pub(super) fn is_pattern(part: &OsStr) -> bool {
    part.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// Why a pattern cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// A pattern, ready to be compared with paths.
#[cfg(feature = "cli")]
pub(super) struct Pattern(globset::GlobMatcher);

#[cfg(feature = "cli")]
impl Pattern {
    pub(super) fn new(text: &str) -> Result<Pattern, PatternError> {
        let glob = globset::GlobBuilder::new(text).literal_separator(true).build();
        glob.map(|glob| Pattern(glob.compile_matcher())).map_err(|error| PatternError(error.to_string()))
    }

    pub(super) fn fits(&self, path: &Path) -> bool {
        self.0.is_match(path)
    }
}

/// There is none without the feature `cli`: a shell or a caller names the photos.
#[cfg(not(feature = "cli"))]
pub(super) enum Pattern {}

#[cfg(not(feature = "cli"))]
impl Pattern {
    pub(super) fn new(_: &str) -> Result<Pattern, PatternError> {
        Err(PatternError("patterns need the feature `cli`, without which this program was built".into()))
    }

    pub(super) fn fits(&self, _: &Path) -> bool {
        match *self {}
    }
}
