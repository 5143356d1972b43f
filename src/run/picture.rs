//! One annotated picture: what is drawn on it, and how it is stored.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use coco_eval::Rle;
use png::{BitDepth, ColorType, Compression, EncodingError, Filter};

use super::ResultCategory;
use super::style::PictureStyle;
use super::truth::{self, TruthBox, Verdict};
use crate::atomic;
use crate::detector::Prediction;
use crate::draw::{self, DrawSizes, Fonts, Mark};
use crate::photo::{Carried, LONGEST_JPEG_SIDE, Photo, encode_jpeg};

/// Quality of JPEG pictures: no visible loss around thin lines.
const QUALITY: u8 = 92;

/// What classes are called in pictures, and the fonts for it.
#[derive(Debug)]
pub(super) struct Lettering {
    fonts: Fonts,
    /// By class: its name, or its id where the name cannot be read as it would be drawn.
    names: Vec<String>,
    style: PictureStyle,
    /// What a person should know of it.
    pub(super) note: Option<String>,
}

impl Lettering {
    /// For these classes; letters that the embedded font lacks are taken from the user's font, or else the system's.
    pub(super) fn new(
        classes: &[ResultCategory],
        font: Option<&Path>,
        style: PictureStyle,
    ) -> io::Result<Lettering> {
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
        Ok(Lettering { fonts, names, style, note })
    }

    fn name(&self, class: usize) -> &str {
        self.names.get(class).map_or("", String::as_str)
    }

    fn label(&self, detection: &Prediction) -> String {
        self.style.label.of(self.name(detection.class), detection.score)
    }

    fn annotate(&self, photo: &mut Photo, marks: &[Mark]) {
        let own = DrawSizes::of(photo.width, photo.height);
        let sizes = DrawSizes {
            line: self.style.line_width.map_or(own.line, i64::from),
            text: self.style.text_size.map_or(own.text, i64::from),
        };
        draw::annotate_in(photo, marks, &self.fonts, sizes);
    }
}

/// A detection, with its mask in the photo where it has one.
pub(super) type Masked<'a> = (&'a Prediction, Option<&'a Rle>);

/// Draws the detections from `least` up, the best on top.
pub(super) fn draw(mut photo: Photo, found: &[Masked<'_>], lettering: &Lettering, least: f32) -> Photo {
    let drawn = found.iter().filter(|(detection, _)| detection.score >= least);
    let marks: Vec<Mark> = drawn
        .map(|(detection, mask)| {
            let mark = Mark::new(detection.bbox, detection.class, lettering.label(detection));
            Mark { mask: mask.cloned(), ..mark }
        })
        .collect();
    lettering.annotate(&mut photo, &marks);
    photo
}

/// Red, green and blue of what is right, wrong, missed, and on a crowd: told apart by the colour-blind as well (Okabe and Ito 2008,
/// "Color universal design").
const RIGHT: [u8; 3] = [0, 158, 115];
const WRONG: [u8; 3] = [213, 94, 0];
const MISSED: [u8; 3] = [86, 180, 233];
const ON_CROWD: [u8; 3] = [204, 121, 167];

/// Draws the detections from `least` up, coloured by what annotations say of them, and the objects that were missed.
/// `classes` are the lettering's.
pub(super) fn draw_with_truth(
    mut photo: Photo,
    found: &[Masked<'_>],
    classes: &[ResultCategory],
    objects: &[TruthBox],
    lettering: &Lettering,
    least: f32,
) -> Photo {
    let text = lettering.style.label;
    let drawn: Vec<&Masked<'_>> = found.iter().filter(|(detection, _)| detection.score >= least).collect();
    let known: Vec<_> = drawn
        .iter()
        .filter_map(|(detection, _)| Some((&classes.get(detection.class)?.id, detection.bbox)))
        .collect();
    let (verdicts, missed) = truth::judge(&known, objects);
    let of_detection = |((detection, mask), verdict): (&&Masked<'_>, Verdict)| {
        let label = lettering.label(detection);
        let (label, colour) = match verdict {
            Verdict::Right => (label, RIGHT),
            Verdict::Wrong => (text.with("wrong", &label), WRONG),
            Verdict::OnCrowd => (text.with("crowd", &label), ON_CROWD),
        };
        let mask = mask.cloned();
        Mark { colour: Some(colour), mask, ..Mark::new(detection.bbox, detection.class, label) }
    };
    let of_object = |&place: &usize| {
        let object = &objects[place];
        let class = classes.iter().position(|class| class.id == object.category);
        // Of a category that the model has no class for, the name is drawn as far as letters go.
        let name = class.map_or(object.name.as_str(), |class| lettering.name(class));
        let label = text.with("missed", name);
        Mark { colour: Some(MISSED), ..Mark::new(object.bbox, 0, label) }
    };
    let detections = drawn.iter().zip(verdicts).map(of_detection);
    let marks: Vec<Mark> = detections.chain(missed.iter().map(of_object)).collect();
    lettering.annotate(&mut photo, &marks);
    photo
}

/// Writes the picture with the metadata that it carries, whole or not at all, into the folder of results, which has to be
/// there.
pub(super) fn write(photo: &Photo, carried: Carried, path: &Path, out: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        create_below(out, folder)?;
    }
    let content = |out: &mut BufWriter<fs::File>| {
        let png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if png || photo.width.max(photo.height) > LONGEST_JPEG_SIDE {
            encode_png(photo, carried, &mut *out)?;
        } else {
            encode_jpeg(photo, QUALITY, &carried, &mut *out)?;
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
fn encode_png(photo: &Photo, carried: Carried, out: impl Write) -> io::Result<()> {
    let failed = |error: EncodingError| match error {
        EncodingError::IoError(error) => error,
        other => io::Error::other(other),
    };
    let mut info = png::Info::with_size(photo.width, photo.height);
    (info.color_type, info.bit_depth) = (ColorType::Rgb, BitDepth::Eight);
    (info.exif_metadata, info.icc_profile) = (carried.exif.map(Into::into), carried.profile.map(Into::into));
    let mut encoder = png::Encoder::with_info(out, info).map_err(failed)?;
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut rows = writer.stream_writer().map_err(failed)?;
    rows.write_all(&photo.pixels)?;
    rows.finish().map_err(failed)?;
    writer.finish().map_err(failed)
}
