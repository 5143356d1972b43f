//! In the place of pictures, in builds without the feature `draw`: a run that asks for some is refused before.

use std::io;
use std::path::Path;

use super::Category;
use crate::detector::Prediction;
use crate::photo::Photo;

/// Draws nothing.
pub(super) fn draw(photo: Photo, _: &[Prediction], _: &[Category], _: f32) -> Photo {
    photo
}

/// Writes nothing.
pub(super) fn write(_: &Photo, _: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
