//! Photos on the page: small JPEGs inside the HTML, with boxes above them that the browser draws.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage, imageops};

use crate::photo::{self, DecodeOptions, Photo};
use crate::run::Pictures;

/// Longer side of a picture on the page, in pixels: twice what it is shown at, for dense screens.
const SIDE: u32 = 640;
const QUALITY: u8 = 80;

/// Where pictures come from.
pub(super) enum Album {
    /// The photos themselves, by their names in results.
    Photos {
        /// Their files.
        photos: HashMap<String, SeenPhoto>,
        /// How the run decoded them.
        options: DecodeOptions,
        /// Those that were to be shown and could not be.
        lost: RefCell<BTreeMap<String, String>>,
    },
    /// Those that the run has drawn on.
    Drawn(Pictures),
}

/// The file of a photo that a run has seen.
pub(super) struct SeenPhoto {
    pub(super) path: PathBuf,
    /// Width and height that it had for the run.
    pub(super) size: (u32, u32),
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

    /// What is to be said of photos that could not be shown.
    pub(super) fn lost(&self) -> Option<String> {
        let Album::Photos { lost, .. } = self else { return None };
        let lost = lost.borrow();
        let (name, why) = lost.first_key_value()?;
        let (count, name) = (lost.len(), name.escape_debug());
        Some(format!("{count} of the photos given cannot be shown, `{name}` among them: {why}"))
    }

    fn photo(&self, name: &str) -> Option<Photo> {
        match self {
            Album::Photos { photos, options, lost } => {
                let seen = photos.get(name)?;
                let decoded = photo::decode(&seen.path, options).map_err(|error| error.to_string());
                let photo = decoded.and_then(|photo| seen.same_size(photo));
                photo.map_err(|why| lost.borrow_mut().insert(name.to_owned(), why)).ok()
            }
            // The name is what the run's folder says, which somebody else may have given.
            Album::Drawn(pictures) => photo::decode(&pictures.inside(name)?, &DecodeOptions::default()).ok(),
        }
    }
}

impl SeenPhoto {
    /// Boxes that were found in a photo of another size lie elsewhere.
    fn same_size(&self, photo: Photo) -> Result<Photo, String> {
        let (width, height) = self.size;
        if (photo.width, photo.height) == self.size {
            return Ok(photo);
        }
        Err(format!("it has {}x{} pixels, and had {width}x{height} in the run", photo.width, photo.height))
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
