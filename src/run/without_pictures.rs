//! In the place of pictures, in builds without the feature `draw`: a run that asks for some is refused before.

use std::io;
use std::path::Path;

use super::ResultCategory;
use super::truth::TruthBox;
use crate::detector::Prediction;
use crate::photo::{Carried, Photo};

/// Knows no letters.
#[derive(Debug)]
pub(super) struct Lettering {
    pub(super) note: Option<String>,
}

impl Lettering {
    pub(super) fn new(_: &[ResultCategory], _: Option<&Path>) -> io::Result<Lettering> {
        Ok(Lettering { note: None })
    }
}

/// Draws nothing.
pub(super) fn draw(photo: Photo, _: &[Prediction], _: &Lettering, _: f32) -> Photo {
    photo
}

/// Draws nothing.
pub(super) fn draw_with_truth(
    photo: Photo,
    _: &[Prediction],
    _: &[ResultCategory],
    _: &[TruthBox],
    _: &Lettering,
    _: f32,
) -> Photo {
    photo
}

/// Writes nothing.
pub(super) fn write(_: &Photo, _: Carried, _: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
