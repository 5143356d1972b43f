//! From what the user names (files, folders, globs, list files) to photos in a fixed order.

use std::path::PathBuf;

/// One photo to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the file is.
    pub path: PathBuf,
    /// The name in results: relative to the folder the user gave, with `/` between parts.
    pub name: String,
}

/// Why nothing could be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A named path is not there.
    #[error("no photos at `{0}`: no such file or folder")]
    Missing(String),
}

/// Lists photos in input order; folders recursively, sorted by the bytes of their names.
///
/// # Errors
/// When a named path is missing or a pattern is malformed.
pub fn list(inputs: &[String]) -> Result<Vec<Entry>, ListError> {
    Err(ListError::Missing(inputs.join(" ")))
}
