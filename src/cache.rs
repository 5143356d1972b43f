//! The cache folder: where the runtime and imported models are kept between runs. A leaf.

use std::path::PathBuf;

/// There is no place for a cache.
#[derive(Debug, thiserror::Error)]
#[error("no cache folder is known on this machine: set RCNN_CACHE to a folder that can be written")]
pub struct NoCache;

/// `RCNN_CACHE`, or `rcnn` in the platform's cache folder. Not created here.
///
/// # Errors
/// When neither is known.
pub fn root() -> Result<PathBuf, NoCache> {
    match std::env::var_os("RCNN_CACHE") {
        Some(folder) if !folder.is_empty() => Ok(PathBuf::from(folder)),
        _ => dirs::cache_dir().map(|folder| folder.join("rcnn")).ok_or(NoCache),
    }
}
