//! Annotations from one form into another: COCO, Pascal VOC, YOLO, and a run's detections as a start for annotating.
//!
//! All forms become [`Annotations`] and all are written from them. Knows no network and no evaluation.

mod coco;
mod error;
mod folder;
mod target;
mod voc;
mod yolo;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use error::Error;
pub use target::{Target, Written, write};
pub use voc::read_text as read_voc_text;
pub use yolo::read_text as read_yolo_text;

/// What is annotated in some photos, whatever form it came in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// Categories by their places.
    pub categories: Vec<Category>,
    /// Photos in the order of their source.
    pub photos: Vec<Photo>,
}

/// A category of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// COCO's id; counted from 1 where the source has none.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// A photo and the objects in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// COCO's id; counted from 1 where the source has none.
    pub id: i64,
    /// Its name, with `/` between parts.
    pub file: String,
    /// Width of the upright photo in pixels.
    pub width: u32,
    /// Height of the upright photo in pixels.
    pub height: u32,
    /// Objects in the order of their source.
    pub objects: Vec<Object>,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Place of its category.
    pub category: usize,
    /// Left, top, width and height in pixels, as COCO has them: the upper left pixel's upper left corner is 0, 0.
    pub bbox: [f64; 4],
    /// COCO's area, where the source has one; else that of the box counts.
    pub area: Option<f64>,
    /// Evaluation ignores it: COCO's `iscrowd`, VOC's `difficult`.
    pub crowd: bool,
    /// A detection's score.
    pub score: Option<f64>,
}

/// What a source gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// Everything that could be read.
    pub annotations: Annotations,
    /// Sentences about what was left out or assumed.
    pub notes: Vec<String>,
    /// What could not be read.
    pub failed: Vec<Failed>,
}

/// A file of the source, or a photo, that is not in the result.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failed {
    /// Its path or name.
    pub file: String,
    /// Why.
    pub detail: String,
}

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Only this part of a data set that names parts: a key of YOLO's `data.yaml`, a list in VOC's `ImageSets/Main`.
    pub split: Option<String>,
    /// Least score of a run's detections.
    pub score: f32,
}

/// Reads annotations: a COCO file, a run's folder, a folder of Pascal VOC's XML files, or a YOLO data set by its folder
/// or its `data.yaml`. Which of these it is, the path tells. `progress` hears how many of how many files are read.
///
/// # Errors
/// When the source as a whole cannot be read, or is none of these. One file that cannot be read is in
/// [`Source::failed`].
pub fn read(
    path: &Path,
    options: &ReadOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Source, Error> {
    let unsplit = |source: Result<Source, Error>| match &options.split {
        None => source,
        Some(split) => Err(Error::NoSplits { path: path.to_owned(), split: split.clone() }),
    };
    let ends_in = |ends: &[&str]| ends.iter().any(|end| path.to_string_lossy().to_lowercase().ends_with(end));
    if path.is_file() {
        if ends_in(&[".json", ".json.gz"]) {
            return unsplit(coco::read(path));
        }
        if ends_in(&[".yaml", ".yml"]) {
            return yolo::read(path, options, progress);
        }
        return Err(Error::Unknown(path.to_owned()));
    }
    if !path.is_dir() {
        return Err(Error::Missing(path.to_owned()));
    }
    if path.join("detections.jsonl").is_file() {
        return unsplit(coco::read_run(path, options.score));
    }
    if yolo::is_here(path) {
        return yolo::read(path, options, progress);
    }
    voc::read(path, options, progress)
}

/// Reads many files of a source at once and keeps their order; those that fail are told apart, and it is an error when
/// all do.
fn read_each<T: Sync, R: Send>(
    source: &Path,
    entries: &[T],
    progress: &(dyn Fn(usize, usize) + Sync),
    read: impl Fn(&T) -> Result<R, Failed> + Sync,
) -> Result<(Vec<R>, Vec<Failed>), Error> {
    let done = AtomicUsize::new(0);
    let read: Vec<Result<R, Failed>> = entries
        .par_iter()
        .map(|entry| {
            let outcome = read(entry);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, entries.len());
            outcome
        })
        .collect();
    let (mut good, mut failed) = (Vec::new(), Vec::new());
    for outcome in read {
        match outcome {
            Ok(one) => good.push(one),
            Err(one) => failed.push(one),
        }
    }
    match failed.first() {
        Some(Failed { file, detail }) if good.is_empty() => {
            let (path, file, detail) = (source.to_owned(), file.clone(), detail.clone());
            Err(Error::AllFailed { path, file, detail })
        }
        _ => Ok((good, failed)),
    }
}

/// Most bytes of a file about one photo.
const LONGEST: u64 = 64 << 20;

/// The text of a file about one photo.
fn read_small(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("has more than {} MiB, more than any real one", LONGEST >> 20));
    }
    crate::text::decode(bytes).map_err(|error| format!("cannot be read: {error}"))
}

/// A path below another as a name with `/` between parts; the whole path, but for its root, where it lies elsewhere.
fn name_below(folder: &Path, path: &Path) -> String {
    crate::photo::cleaned(path.strip_prefix(folder).unwrap_or(path))
}

/// The first line of what a reader of a foreign format says, without control characters of the file.
fn said(error: &impl std::fmt::Display) -> String {
    crate::coco::printable(error.to_string().lines().next().unwrap_or_default())
}
