//! Annotations from one form into another: COCO, Pascal VOC, YOLO, and a run's detections as a start for annotating.
//!
//! All forms become [`Annotations`] and all are written from them. Knows no network and no evaluation.

mod builder;
mod clip;
mod coco;
mod csv;
mod cvat;
mod data;
mod error;
mod files;
mod folder;
mod label_studio;
mod labelme;
mod open_images;
mod outline;
mod photos;
mod target;
mod texts;
mod voc;
mod yolo;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use builder::{ReadPhoto, ReadShape};
pub use data::{
    Annotations, LabelCategory, LabelCounts, LabelFailure, LabelSource, LabelledObject, LabelledPhoto, Whose,
};
pub use error::{ConvertError, TextError};
pub(crate) use outline::of_mask as outlines_of;
pub use photos::SizePolicy;
pub(crate) use target::write_labels;
pub use target::{Target, WriteOptions, Written, write};
pub use texts::{
    read_csv_text, read_cvat_text, read_label_studio_text, read_labelme_text, read_open_images_text,
    read_voc_text,
};
pub use voc::Text as VocText;
pub(crate) use yolo::write_config as write_yolo_config;
pub use yolo::{KeyPoints, YoloKind, YoloRow, YoloRows, read_text as read_yolo_text};

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
    /// Keep polygons and masks of a COCO file as outlines, for other forms that have a place for them.
    pub outlines: bool,
    /// VOC's pixels are counted from 0, as some tools have it.
    pub from_zero: bool,
}

/// A form to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceForm {
    Run,
    Coco,
    Voc,
    Yolo,
    LabelMe,
    Cvat,
    LabelStudio,
    OpenImages,
    Csv,
}

/// Reads annotations: a file or a folder of any form that there is. Which, the path and what lies there tell. `progress`
/// hears how many of how many files are read.
///
/// # Errors
/// When the source as a whole cannot be read, or is of no known form. One file that cannot be read is in
/// [`LabelSource::failed`].
pub fn read(
    path: &Path,
    options: &ReadOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<LabelSource, ConvertError> {
    let (form, place) = form_of(path)?;
    if let (Some(split), false) = (&options.split, matches!(form, SourceForm::Yolo | SourceForm::Voc)) {
        return Err(ConvertError::NoSplits { path: path.to_owned(), split: split.clone() });
    }
    match form {
        SourceForm::Run => coco::read_run(&place, options),
        SourceForm::Coco => coco::read(&place, options),
        SourceForm::Voc => voc::read(&place, options, progress),
        SourceForm::Yolo => yolo::read(&place, options, progress),
        SourceForm::LabelMe => labelme::read(&place, options, progress),
        SourceForm::Cvat => cvat::read(&place),
        SourceForm::LabelStudio => label_studio::read(&place),
        SourceForm::OpenImages => open_images::read(&place, options),
        SourceForm::Csv => csv::read(&place),
    }
}

/// The form of what is at a path, and where the annotations are: a folder may hold them in one file.
fn form_of(path: &Path) -> Result<(SourceForm, PathBuf), ConvertError> {
    let here = |form| Ok((form, path.to_owned()));
    if path.is_file() {
        return match form_of_file(path) {
            Some(form) => here(form),
            None => Err(ConvertError::Unknown(path.to_owned())),
        };
    }
    if !path.is_dir() {
        let there = std::fs::metadata(path).is_ok();
        return Err(if there { ConvertError::NoFile } else { ConvertError::Missing }(path.to_owned()));
    }
    if path.join("detections.jsonl").is_file() {
        return here(SourceForm::Run);
    }
    if yolo::is_here(path) {
        return here(SourceForm::Yolo);
    }
    // A file at the folder's top tells the form; VOC's may lie deeper.
    let entries = std::fs::read_dir(path).map_err(error::io_error("read", path))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    let is_other = |form: &SourceForm| !matches!(form, SourceForm::Voc | SourceForm::Yolo);
    let known = files.into_iter().find_map(|file| Some((form_of_file(&file).filter(is_other)?, file)));
    match known {
        Some((SourceForm::LabelMe, _)) => here(SourceForm::LabelMe),
        Some((form, file)) => Ok((form, file)),
        None if labelme_below(path) => here(SourceForm::LabelMe),
        None => here(SourceForm::Voc),
    }
}

/// The form of a file, by its end and its beginning.
fn form_of_file(path: &Path) -> Option<SourceForm> {
    let name = path.to_string_lossy().to_lowercase();
    let ends_in = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if ends_in(&[".yaml", ".yml", ".data"]) {
        return Some(SourceForm::Yolo);
    }
    if ends_in(&[".json.gz"]) {
        return Some(SourceForm::Coco);
    }
    let form = if ends_in(&[".json"]) {
        let head = files::head(path);
        match () {
            () if labelme::is_here(&head) => SourceForm::LabelMe,
            () if label_studio::is_here(&head) => SourceForm::LabelStudio,
            () => SourceForm::Coco,
        }
    } else if ends_in(&[".xml"]) {
        let root = cvat::root_of(&files::head(path));
        if root.as_deref() == Some("annotations") { SourceForm::Cvat } else { SourceForm::Voc }
    } else if ends_in(&[".csv"]) {
        if open_images::is_here(&files::head(path)) { SourceForm::OpenImages } else { SourceForm::Csv }
    } else {
        return None;
    };
    Some(form)
}

/// Whether JSON files of LabelMe's form lie deeper in a folder.
fn labelme_below(folder: &Path) -> bool {
    let files = walkdir::WalkDir::new(folder).min_depth(2).into_iter().flatten();
    let mut json = files.filter(|entry| entry.path().extension().is_some_and(|end| end == "json"));
    json.next().is_some_and(|entry| form_of_file(entry.path()) == Some(SourceForm::LabelMe))
}

/// Categories with ids from 1.
fn counted(names: Vec<String>) -> Vec<LabelCategory> {
    names
        .into_iter()
        .zip(1..)
        .map(|(name, id)| LabelCategory { id, name, ..LabelCategory::default() })
        .collect()
}

/// Reads many files of a source at once and keeps their order; those that fail are told apart, and it is an error when
/// all do.
fn read_each<T: Sync, R: Send>(
    source: &Path,
    entries: &[T],
    progress: &(dyn Fn(usize, usize) + Sync),
    read: impl Fn(&T) -> Result<R, LabelFailure> + Sync,
) -> Result<(Vec<R>, Vec<LabelFailure>), ConvertError> {
    let done = AtomicUsize::new(0);
    let read: Vec<Result<R, LabelFailure>> = entries
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
        Some(LabelFailure { file, detail }) if good.is_empty() => {
            let (path, file, detail) = (source.to_owned(), file.clone(), detail.clone());
            Err(ConvertError::AllFailed { path, file, detail })
        }
        _ => Ok((good, failed)),
    }
}
