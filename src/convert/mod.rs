//! Annotations from one form into another: COCO, Pascal VOC, YOLO, and a run's detections as a start for annotating.
//!
//! All forms become [`Annotations`] and all are written from them. Knows no network and no evaluation.

mod coco;
mod data;
mod error;
mod files;
mod folder;
mod photos;
mod target;
mod voc;
mod yolo;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use data::{Annotations, Category, Counts, Failed, Object, Photo, Source, Whose};
pub use error::Error;
pub use photos::Sizes;
pub use target::{Target, WriteOptions, Written, write};
pub use voc::{Text as VocText, read_text as read_voc_text};
pub use yolo::{KeyPoints, Kind, Row, Rows, read_text as read_yolo_text};

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Only this part of a data set that names parts: a key of YOLO's `data.yaml`, a list in VOC's `ImageSets/Main`.
    pub split: Option<String>,
    /// Least score of a run's detections.
    pub score: f32,
    /// The folder of the photos, where the user named one.
    pub photos: Option<PathBuf>,
    /// Keep everything that stands in a COCO file, for COCO's own form.
    pub keep: bool,
    /// VOC's pixels are counted from 0, as some tools have it.
    pub from_zero: bool,
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
            return unsplit(coco::read(path, options.keep));
        }
        if ends_in(&[".yaml", ".yml", ".data"]) {
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

/// Categories with ids from 1.
fn counted(names: Vec<String>) -> Vec<Category> {
    names.into_iter().zip(1..).map(|(name, id)| Category { id, name, ..Category::default() }).collect()
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
