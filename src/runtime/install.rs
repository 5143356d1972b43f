//! Installing the pinned ONNX Runtime into the cache.

use std::path::PathBuf;

use super::find::Candidate;
use super::{Error, Options};
use crate::cache::{self, NoCache};

/// The release that is installed where none is found.
pub const PINNED: &str = "1.31.1";

/// Where the pinned release is kept.
pub(super) fn folder() -> Result<PathBuf, NoCache> {
    Ok(cache::root()?.join("runtime").join(format!("onnxruntime-{PINNED}")))
}

pub(super) fn install_pinned(options: &Options, seen: &[Candidate], notice: &mut dyn FnMut(&str)) -> Result<Candidate, Error> {
    let _ = (options, seen, notice);
    Err(Error::NotFound("give one with --runtime".into()))
}
