//! One annotated picture: what is drawn on it, and how it is stored.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use png::{BitDepth, ColorType, Compression, EncodingError, Filter};

use super::ResultCategory;
use crate::atomic;
use crate::detector::Prediction;
use crate::draw::{self, Fonts, Mark};
use crate::photo::{LONGEST_JPEG_SIDE, Photo, encode_jpeg};

/// Quality of JPEG pictures: no visible loss around thin lines.
const QUALITY: u8 = 92;

/// What classes are called in pictures, and the fonts for it.
#[derive(Debug)]
pub(super) struct Lettering {
    fonts: Fonts,
    /// By class: its name, or its id where the name cannot be read as it would be drawn.
    names: Vec<String>,
    /// What a person should know of it.
    pub(super) note: Option<String>,
}

impl Lettering {
    /// For these classes; letters that the embedded font lacks are taken from the user's font, or else the system's.
    pub(super) fn new(classes: &[ResultCategory], font: Option<&Path>) -> io::Result<Lettering> {
        let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        let fonts = font.map_or_else(|| Ok(Fonts::for_texts(&names)), Fonts::with_file)?;
        let odd: Vec<&str> = names.iter().copied().filter(|name| !fonts.can_write(name)).collect();
        let note = odd.first().map(|first| {
            let (count, first) = (odd.len(), first.escape_debug());
            format!(
                "{count} of {} class names, `{first}` for one, cannot be drawn with the fonts at hand: pictures show their \
                 ids; --font names a font (scripts whose letters join or run from the right are never drawn)",
                names.len()
            )
        });
        let name = |class: &ResultCategory| {
            if fonts.can_write(&class.name) { class.name.clone() } else { format!("class {}", class.id) }
        };
        let names = classes.iter().map(name).collect();
        Ok(Lettering { fonts, names, note })
    }
}

/// Draws the detections from `least` up, the best on top.
pub(super) fn draw(mut photo: Photo, found: &[Prediction], lettering: &Lettering, least: f32) -> Photo {
    let shown = found.iter().filter(|detection| detection.score >= least);
    let marks: Vec<Mark> = shown
        .map(|detection| {
            let name = lettering.names.get(detection.class).map_or("", String::as_str);
            Mark {
                bbox: detection.bbox,
                class: detection.class,
                label: format!("{name} {:.2}", detection.score),
            }
        })
        .collect();
    draw::annotate(&mut photo, &marks, &lettering.fonts);
    photo
}

/// Writes the picture, whole or not at all, into the folder of results, which has to be there.
pub(super) fn write(photo: &Photo, path: &Path, out: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        create_below(out, folder)?;
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
    atomic::write_quickly(path, content)
}

/// Creates a folder and those above it, up to one that somebody may have removed on purpose.
fn create_below(out: &Path, folder: &Path) -> io::Result<()> {
    if folder == out {
        return fs::metadata(out).map(drop);
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            folder.parent().map_or(Ok(()), |above| create_below(out, above))?;
            fs::create_dir(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        outcome => outcome,
    }
}

/// Row by row: a whole packed picture is never in memory.
fn encode_png(photo: &Photo, out: impl Write) -> io::Result<()> {
    let failed = |error: EncodingError| match error {
        EncodingError::IoError(error) => error,
        other => io::Error::other(other),
    };
    let mut encoder = png::Encoder::new(out, photo.width, photo.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut rows = writer.stream_writer().map_err(failed)?;
    rows.write_all(&photo.pixels)?;
    rows.finish().map_err(failed)?;
    writer.finish().map_err(failed)
}
