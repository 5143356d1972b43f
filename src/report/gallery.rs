//! Photos on the page: small JPEGs inside the HTML, with boxes above them that the browser draws.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage, imageops};

use crate::draw;
use crate::geometry::BBox;
use crate::photo::{self, DecodeOptions, Photo};
use crate::run::Pictures;

/// Longer side of a picture on the page, in pixels: twice what it is shown at in the gallery.
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
    Annotated {
        /// Its pictures.
        pictures: Pictures,
        /// The score from which they show detections, with their names.
        drawn_from: f64,
    },
}

/// The file of a photo that a run has seen.
pub(super) struct SeenPhoto {
    pub(super) path: PathBuf,
    /// Width and height that it had when boxes were found in it, where that is known.
    pub(super) size: Option<(u32, u32)>,
}

/// A photo as the page has it, without boxes.
#[derive(Clone)]
pub(super) struct PlainPhoto {
    pub(super) name: String,
    pub(super) width: u32,
    pub(super) height: u32,
    /// `data:` URL of a JPEG.
    pub(super) source: String,
}

/// A photo and what is to be seen in it.
pub(super) struct GalleryPhoto {
    pub(super) plain: PlainPhoto,
    /// What stands below.
    pub(super) caption: String,
    pub(super) marks: Vec<GalleryBox>,
    /// By mark, where its label goes in the photo's pixels; none where it has none, or no room.
    labels: Vec<Option<[f64; 4]>>,
}

/// A box above a photo.
#[derive(Clone)]
pub(super) struct GalleryBox {
    /// Class of the style sheet: `found`, `right`, `wrong`, `missed`, `truth`, or `drawn` for one that the picture shows
    /// already.
    pub(super) kind: &'static str,
    /// Its class's name.
    pub(super) class: String,
    /// A detection's score.
    pub(super) score: Option<f64>,
    /// x, y, width, height in the photo's pixels.
    pub(super) bbox: [f64; 4],
    /// The path around its mask, where it has one that is to be drawn.
    pub(super) path: String,
}

/// Height of a label's ground in pixels of a picture whose longer side has [`SIDE`]; its text has two thirds of it.
const LABEL: f64 = 27.0;

/// Pixels of a photo for one of a picture whose longer side has [`SIDE`].
pub(super) fn scale(width: u32, height: u32) -> f64 {
    f64::from(width.max(height)) / f64::from(SIDE)
}

impl GalleryPhoto {
    /// Pixels of the photo for one of a picture whose longer side has [`SIDE`].
    fn scale(&self) -> f64 {
        scale(self.plain.width, self.plain.height)
    }

    /// Whether any of its boxes has a mask.
    pub(super) fn has_masks(&self) -> bool {
        self.marks.iter().any(|mark| !mark.path.is_empty())
    }

    /// Height of the labels' text in the photo's pixels: about the same on the page for every photo.
    pub(super) fn text(&self) -> f64 {
        LABEL * 2.0 / 3.0 * self.scale()
    }

    /// Each mark with the place of its label.
    pub(super) fn placed(&self) -> impl Iterator<Item = (&GalleryBox, Option<&[f64; 4]>)> {
        self.marks.iter().zip(self.labels.iter().map(Option::as_ref))
    }

    /// The classes of its boxes; a name may occur several times.
    pub(super) fn classes(&self) -> impl Iterator<Item = &str> {
        self.marks.iter().filter(|mark| mark.kind != "truth").map(|mark| mark.class.as_str())
    }

    /// Places labels as in annotated pictures: apart from each other, and over as little else as possible; none where the
    /// picture shows a detection with its name already.
    fn place_labels(&mut self, album: &Album) {
        let scale = self.scale();
        let named = |mark: &GalleryBox| matches!(mark.kind, "truth" | "drawn") || album.names(mark.score);
        let visible: Vec<bool> = self.marks.iter().map(|mark| !named(mark)).collect();
        let marks = || self.marks.iter().zip(&visible).filter(|(_, visible)| **visible).map(|(mark, _)| mark);
        let small = |value: f64| (value / scale) as f32;
        let boxes: Vec<BBox> = marks()
            .map(|mark| {
                let [x, y, width, height] = mark.bbox;
                BBox::new(small(x), small(y), small(x + width), small(y + height))
            })
            .collect();
        // Letters of a page's font are half as wide as high, nearly.
        let wide =
            |mark: &GalleryBox| (0.42 * LABEL * (mark.label().chars().count() as f64 + 1.0)).ceil() as i64;
        let widths: Vec<i64> = marks().map(wide).collect();
        let size = [self.plain.width, self.plain.height].map(|side| (f64::from(side) / scale).round() as u32);
        let mut found = draw::place_labels((size[0], size[1]), &boxes, &widths, LABEL as i64).into_iter();
        let large = |rect: [i64; 4]| rect.map(|value| value as f64 * scale);
        self.labels = visible
            .iter()
            .map(|visible| if *visible { found.next().flatten().map(large) } else { None })
            .collect();
    }
}

impl GalleryBox {
    /// What stands beside it.
    pub(super) fn label(&self) -> String {
        match (self.kind, self.score) {
            (_, Some(score)) => format!("{} {score:.2}", self.class),
            ("missed", None) => format!("missed: {}", self.class),
            _ => self.class.clone(),
        }
    }
}

impl Album {
    /// Whether boxes are in the pictures already.
    pub(super) fn is_drawn(&self) -> bool {
        matches!(self, Album::Annotated { .. })
    }

    /// Whether the pictures show detections of this score with their names.
    fn names(&self, score: Option<f64>) -> bool {
        let Album::Annotated { drawn_from, .. } = self else { return false };
        score.is_some_and(|score| score >= *drawn_from)
    }

    /// Whether it was given a photo of this name, which may still not be had any more.
    pub(super) fn may_have(&self, name: &str) -> bool {
        match self {
            Album::Photos { photos, .. } => photos.contains_key(name),
            Album::Annotated { .. } => true,
        }
    }

    /// A photo for the page; none where it cannot be had any more.
    pub(super) fn picture(
        &self,
        name: &str,
        caption: String,
        marks: Vec<GalleryBox>,
    ) -> Option<GalleryPhoto> {
        Some(self.marked(self.plain(name)?, caption, marks))
    }

    /// A photo without boxes; none where it cannot be had any more.
    pub(super) fn plain(&self, name: &str) -> Option<PlainPhoto> {
        let photo = self.photo(name)?;
        let (width, height) = (photo.width, photo.height);
        let source = format!("data:image/jpeg;base64,{}", STANDARD.encode(small_jpeg(photo)?));
        Some(PlainPhoto { name: name.into(), width, height, source })
    }

    /// A photo with boxes.
    pub(super) fn marked(&self, plain: PlainPhoto, caption: String, marks: Vec<GalleryBox>) -> GalleryPhoto {
        let mut picture = GalleryPhoto { plain, caption, marks, labels: Vec::new() };
        picture.place_labels(self);
        picture
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
            Album::Annotated { pictures, .. } => {
                photo::decode(&pictures.inside(name)?, &DecodeOptions::default()).ok()
            }
        }
    }
}

impl SeenPhoto {
    /// Boxes that were found in a photo of another size lie elsewhere.
    fn same_size(&self, photo: Photo) -> Result<Photo, String> {
        match self.size {
            Some((width, height)) if (photo.width, photo.height) != (width, height) => Err(format!(
                "it has {}x{} pixels, and had {width}x{height} when boxes were found in it",
                photo.width, photo.height
            )),
            _ => Ok(photo),
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
