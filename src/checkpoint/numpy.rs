//! Bare pickles of numpy arrays: detectron2's and Caffe2 Detectron's `.pkl` files.

use super::Found;
use super::error::{Error, Shown};
use super::pickle;
use super::torch;

/// Reads a bare pickle. Arrays are not read yet; what a pickle holds is told.
pub(super) fn read(bytes: &[u8]) -> Result<Found, Error> {
    let pickled = pickle::read(bytes)?;
    let (_, entries) = torch::home(&pickled)?;
    let first = entries.first().and_then(|&(key, _)| pickled.text(key)).unwrap_or_default();
    Err(Error::NotACheckpoint(format!(
        "it is a pickle of numpy arrays (`{}`, …), a family not read yet",
        Shown::new(&first)
    )))
}
