//! Photos on the page: small JPEGs inside the HTML, with boxes above them that the browser draws.

use std::collections::HashMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage, imageops};

use crate::photo::{self, DecodeOptions, Entry, Photo};
use crate::run::Pictures;

/// Longer side of a picture on the page, in pixels: twice what it is shown at, for dense screens.
const SIDE: u32 = 640;
const QUALITY: u8 = 80;

/// Where pictures come from.
pub(super) enum Album {
    /// The photos themselves, by their names in results.
    Photos {
        /// Their files.
        paths: HashMap<String, PathBuf>,
        /// How the run decoded them.
        options: DecodeOptions,
    },
    /// Those that the run has drawn on.
    Drawn(Pictures),
}

/// A photo and what is to be seen in it.
pub(super) struct Picture {
    pub(super) name: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// `data:` URL of a JPEG.
    pub(super) source: String,
    /// What stands below.
    pub(super) caption: String,
    pub(super) marks: Vec<Mark>,
}

/// A box above a photo.
pub(super) struct Mark {
    /// Class of the style sheet: `found`, `right`, `wrong` or `missed`.
    pub(super) kind: &'static str,
    /// x, y, width, height in the photo's pixels.
    pub(super) bbox: [f64; 4],
    pub(super) label: String,
}

impl Picture {
    /// Height of the labels' text in the photo's pixels: about the same on the page for every photo.
    pub(super) fn text(&self) -> f64 {
        f64::from(self.width.max(self.height)) / 24.0
    }
}

impl Mark {
    /// Whether the label is written towards the left from the box's right end: it would leave the photo else.
    pub(super) fn leans_left(&self, picture: &Picture) -> bool {
        self.bbox[0] > 0.6 * f64::from(picture.width)
    }

    /// Where the label begins, or ends.
    pub(super) fn text_x(&self, picture: &Picture) -> f64 {
        self.bbox[0] + if self.leans_left(picture) { self.bbox[2] } else { 0.0 }
    }

    /// Where the label's line of writing is: that of a detection above its box, that of what was missed below, so that
    /// they do not cover each other; inside where there is no room.
    pub(super) fn text_y(&self, picture: &Picture) -> f64 {
        let ([_, y, _, height], text) = (self.bbox, picture.text());
        let (above, below) = (y - 0.25 * text, y + height + text);
        match self.kind {
            "missed" if below < f64::from(picture.height) => below,
            "missed" => y + height - 0.25 * text,
            _ if above > text => above,
            _ => y + text,
        }
    }
}

impl Album {
    pub(super) fn of_photos(entries: Vec<Entry>, options: DecodeOptions) -> Album {
        let paths = entries.into_iter().map(|entry| (entry.name, entry.path)).collect();
        Album::Photos { paths, options }
    }

    /// Whether boxes are in the pictures already.
    pub(super) fn is_drawn(&self) -> bool {
        matches!(self, Album::Drawn(_))
    }

    /// A photo for the page; none where it cannot be had any more.
    pub(super) fn picture(&self, name: &str, caption: String, marks: Vec<Mark>) -> Option<Picture> {
        let photo = self.photo(name)?;
        let (width, height) = (photo.width, photo.height);
        let source = format!("data:image/jpeg;base64,{}", STANDARD.encode(small_jpeg(photo)?));
        Some(Picture { name: name.into(), width, height, source, caption, marks })
    }

    fn photo(&self, name: &str) -> Option<Photo> {
        match self {
            Album::Photos { paths, options } => photo::decode(paths.get(name)?, options).ok(),
            // The name is what the run's folder says, which somebody else may have given.
            Album::Drawn(pictures) => photo::decode(&pictures.inside(name)?, &DecodeOptions::default()).ok(),
        }
    }
}

fn small_jpeg(photo: Photo) -> Option<Vec<u8>> {
    let mut picture = RgbImage::from_raw(photo.width, photo.height, photo.pixels)?;
    let scale = f64::from(SIDE) / f64::from(photo.width.max(photo.height));
    if scale < 1.0 {
        let [width, height] =
            [photo.width, photo.height].map(|side| (f64::from(side) * scale).round().max(1.0) as u32);
        picture = imageops::thumbnail(&picture, width, height);
    }
    let mut bytes = Vec::new();
    let encoder = &mut JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    encoder.encode(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::Rgb8).ok()?;
    Some(bytes)
}
