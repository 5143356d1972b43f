//! One annotated picture: where it goes, what is drawn on it, and how it is stored.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::{Category, Error};
use crate::atomic;
use crate::detector::Detection;
use crate::draw::{self, Mark};
use crate::photo::{LONGEST_JPEG_SIDE, Photo, encode_jpeg};

/// Quality of JPEG pictures: no visible loss around thin lines.
const QUALITY: u8 = 92;

/// Where the pictures of a run's photos go.
pub(super) struct Pictures<'a> {
    folder: PathBuf,
    /// Photos whose pictures have their names; none where all have.
    kept: HashSet<&'a str>,
}

impl<'a> Pictures<'a> {
    /// Those of photos of these names.
    pub(super) fn new(out: &Path, names: impl Iterator<Item = &'a str> + Clone) -> Pictures<'a> {
        let all = names.clone().all(keeps_its_name);
        let kept = if all { HashSet::new() } else { names.filter(|name| keeps_its_name(name)).collect() };
        Pictures { folder: out.join("annotated"), kept }
    }

    /// Under `annotated/`, with the photo's own name; formats other than JPEG and PNG become JPEG, with `.jpg` added,
    /// more than once where another photo has that name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        if keeps_its_name(name) {
            return self.folder.join(name);
        }
        let mut longer = format!("{name}.jpg");
        while self.kept.contains(longer.as_str()) {
            longer.push_str(".jpg");
        }
        self.folder.join(longer)
    }
}

fn keeps_its_name(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|kept| extension.eq_ignore_ascii_case(kept))
}

/// Draws the detections from `least` up, the best on top.
pub(super) fn draw(mut photo: Photo, found: &[Detection], classes: &[Category], least: f32) -> Photo {
    let shown = found.iter().filter(|detection| detection.score >= least);
    let marks: Vec<Mark> = shown
        .map(|detection| {
            let name = classes.get(detection.class).map_or("", |class| class.name.as_str());
            Mark {
                bbox: detection.bbox,
                class: detection.class,
                label: format!("{name} {:.2}", detection.score),
            }
        })
        .collect();
    draw::annotate(&mut photo, &marks);
    photo
}

/// Writes the picture, whole or not at all.
pub(super) fn write(photo: &Photo, path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    }
    let content = |out: &mut BufWriter<fs::File>| {
        let png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if png || photo.width.max(photo.height) > LONGEST_JPEG_SIDE {
            encode_png(photo, &mut *out)?;
        } else {
            encode_jpeg(photo, QUALITY, &mut *out)?;
        }
        out.flush()
    };
    atomic::write_quickly(path, content).map_err(Error::io("write", path))
}

fn encode_png(photo: &Photo, out: impl Write) -> io::Result<()> {
    let encoder = PngEncoder::new_with_quality(out, CompressionType::Fast, FilterType::Adaptive);
    let (width, height, colours) = (photo.width, photo.height, ExtendedColorType::Rgb8);
    encoder.write_image(&photo.pixels, width, height, colours).map_err(|error| match error {
        image::ImageError::IoError(error) => error,
        other => io::Error::other(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_the_names_of_their_photos() {
        let names = ["a/b.JPG", "a/b.webp", "b", "c.webp", "c.webp.jpg", "c.webp.jpg.jpg"];
        let pictures = Pictures::new(Path::new("out"), names.into_iter());
        let path = |name: &str| pictures.path(name);
        assert_eq!(path("a/b.JPG"), Path::new("out/annotated/a/b.JPG"));
        assert_eq!(path("a/b.webp"), Path::new("out/annotated/a/b.webp.jpg"));
        assert_eq!(path("b"), Path::new("out/annotated/b.jpg"));
        // No two photos have one picture.
        let paths: HashSet<PathBuf> = names.into_iter().map(path).collect();
        assert_eq!(paths.len(), names.len());
        assert_eq!(path("c.webp.jpg"), Path::new("out/annotated/c.webp.jpg"));
    }
}
