//! In the place of pictures, in builds without the feature `draw`: a run that asks for some is refused before.

use std::io;
use std::path::Path;

use coco_eval::Rle;

use super::ResultCategory;
use super::style::PictureStyle;
use super::truth::TruthBox;
use crate::detector::Prediction;
use crate::photo::{Carried, Photo};

/// Knows no letters.
#[derive(Debug)]
pub(super) struct Lettering {
    pub(super) note: Option<String>,
}

impl Lettering {
    pub(super) fn new(_: &[ResultCategory], _: Option<&Path>, _: PictureStyle) -> io::Result<Lettering> {
        Ok(Lettering { note: None })
    }
}

/// A detection, with its mask in the photo where it has one.
pub(super) type Masked<'a> = (&'a Prediction, Option<&'a Rle>);

/// Draws nothing.
pub(super) fn draw(photo: Photo, _: &[Masked<'_>], _: &Lettering, _: f32) -> Photo {
    photo
}

/// Draws nothing.
pub(super) fn draw_with_truth(
    photo: Photo,
    _: &[Masked<'_>],
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
